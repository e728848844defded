//! The shape of `[pools.prefill]`, `[pools.decode]` and `[pools.mixed]`.

use super::super::shape::Grain::Nanosecond;
use super::super::shape::ValueKind::{
    Boolean, Choice, Duration, Either, Integer, List, Pair, Table, TimeOfDay,
};
use super::super::shape::{Field, TableShape, ValueKind, Word, default, optional, required};
use super::UP_TO_A_DAY;

/// Greatest number of requests on one rank, 2^14 - 1: also what "no limit" means.
const MAX_BATCH_REQUESTS: i128 = 16_383;

/// Greatest number of KV tokens on one rank, 2^28 - 1.
const MAX_KV_TOKENS: i128 = (1 << 28) - 1;

/// Greatest number of (query, key) pairs in a batch: the longest prompt's with the largest batch, 2^48.
const MAX_PAIRS: i128 = 1 << 48;

/// Shape of `[pools]`: the name of a pool is its role.
pub static POOLS: TableShape = TableShape {
    name: "pools",
    doc: "Units by role; the order decides ties",
    ordered: true,
    fields: &[
        optional(
            "prefill",
            Table(&PREFILL),
            "Units that compute prompts; a scenario has these or mixed ones",
        ),
        optional(
            "decode",
            Table(&DECODE),
            "Units that generate tokens after prefill; left out only when no class emits more than one",
        ),
        optional(
            "mixed",
            Table(&MIXED),
            "Units that compute prompts and generate tokens in the same steps (aggregated serving)",
        ),
    ],
};

static PREFILL: TableShape = TableShape {
    name: "prefill_pool",
    doc: "Units that compute prompts",
    ordered: false,
    fields: &[
        NODES_PER_UNIT,
        GPUS_PER_UNIT,
        PARALLELISM,
        required(
            "max_batch_tokens",
            Integer(1, super::MAX_TOKENS as i128),
            "16384",
            "Tokens that one rank computes in one batch",
        ),
        optional(
            "max_batch_pairs",
            Integer(1, MAX_PAIRS),
            "(query, key) pairs of attention that one rank computes in one batch; left out: no limit",
        ),
        FIRST_TOKEN,
        optional(
            "max_batch_time",
            Duration(1_000_000, super::HOUR, Nanosecond),
            "How long the work of one rank in one batch may take, its communication and routed experts aside; left out: no limit",
        ),
        MAX_BATCH,
        MAX_QUEUE,
        default(
            "balance",
            Choice(&[
                Word {
                    word: "tokens",
                    doc: "To the rank with the fewest tokens in the batch",
                },
                BY_TIME_WORD,
            ]),
            "\"tokens\"",
            "How prompts are dealt to a unit's ranks",
        ),
        default(
            "router",
            Choice(&[ROUND_ROBIN, LEAST_LOADED, LEAST_TIME]),
            "\"least-loaded\"",
            "How a unit is chosen",
        ),
        REPORT_INTERVAL,
        UNITS,
    ],
};

static DECODE: TableShape = TableShape {
    name: "decode_pool",
    doc: "Units that generate tokens",
    ordered: false,
    fields: &[
        NODES_PER_UNIT,
        GPUS_PER_UNIT,
        PARALLELISM,
        MAX_BATCH,
        MAX_QUEUE,
        KV_CAPACITY,
        ADMISSION,
        BALANCE,
        FIRST_TOKEN,
        default(
            "router",
            Choice(&[ROUND_ROBIN, LEAST_KV, LEAST_TIME]),
            "\"least-kv\"",
            "How a unit is chosen",
        ),
        REPORT_INTERVAL,
        UNITS,
    ],
};

static MIXED: TableShape = TableShape {
    name: "mixed_pool",
    doc: "Units that compute prompts and generate tokens in the same steps",
    ordered: false,
    fields: &[
        NODES_PER_UNIT,
        GPUS_PER_UNIT,
        PARALLELISM,
        required(
            "max_batch_tokens",
            Integer(1, super::MAX_TOKENS as i128),
            "8192",
            "Tokens in one rank's step: one for each request that decodes, the rest for prompts",
        ),
        MAX_BATCH,
        MAX_QUEUE,
        KV_CAPACITY,
        ADMISSION,
        default(
            "batching",
            Choice(&[
                Word {
                    word: "chunked",
                    doc: "Requests that decode, and chunks of prompts in what is left of the token budget",
                },
                Word {
                    word: "prefill-first",
                    doc: "Prompts alone as long as there are any, otherwise the requests that decode",
                },
                Word {
                    word: "whole",
                    doc: "Requests that decode, and prompts that fit as a whole into what is left",
                },
            ]),
            "\"chunked\"",
            "What shares a step",
        ),
        default(
            "look_ahead",
            Boolean,
            "false",
            "Whether a step is put together while the one before runs: it takes only those who waited then, and the host works beside",
        ),
        BALANCE,
        default(
            "router",
            Choice(&[ROUND_ROBIN, LEAST_LOADED, LEAST_KV, LEAST_TIME]),
            "\"least-kv\"",
            "How a unit is chosen",
        ),
        REPORT_INTERVAL,
        UNITS,
    ],
};

const KV_CAPACITY: Field = optional(
    "kv_capacity_tokens",
    Integer(1, MAX_KV_TOKENS),
    "KV tokens that one rank can hold; left out: what weights and activations leave of the memory",
);

const ADMISSION: Field = default(
    "admission",
    Choice(&[
        Word {
            word: "current",
            doc: "A request joins when the tokens that it holds now fit",
        },
        Word {
            word: "reserve",
            doc: "A request joins when all that it will ever hold fits (the server knows every output's length)",
        },
    ]),
    "\"current\"",
    "When a waiting request may join a rank",
);

const ROUND_ROBIN: Word = Word {
    word: "round-robin",
    doc: "The next serving unit in turn",
};

const LEAST_LOADED: Word = Word {
    word: "least-loaded",
    doc: "The unit with the fewest tokens to compute, assigned and not finished",
};

const LEAST_KV: Word = Word {
    word: "least-kv",
    doc: "The unit with the fewest KV tokens: resident, queued and in transfer",
};

const LEAST_TIME: Word = Word {
    word: "least-time",
    doc: "The unit whose assigned work takes the least time",
};

const BY_TIME_WORD: Word = Word {
    word: "time",
    doc: "To the rank whose own part of the coming step is least",
};

const BALANCE: Field = default(
    "balance",
    Choice(&[
        Word {
            word: "kv",
            doc: "To the rank with the least KV",
        },
        BY_TIME_WORD,
        Word {
            word: "requests",
            doc: "To the rank with the fewest requests",
        },
    ]),
    "\"kv\"",
    "How requests are spread over a unit's ranks as they join",
);

const FIRST_TOKEN: Field = optional(
    "first_token",
    super::FIRST_TOKEN,
    "Where the client gets a request's first token; by default as the scenario says",
);

const NODES_PER_UNIT: Field = optional(
    "nodes_per_unit",
    Integer(1, 4_096),
    "Whole nodes of one unit; left out: as many as `gpus_per_unit` or `parallelism` need",
);

const GPUS_PER_UNIT: Field = optional(
    "gpus_per_unit",
    Integer(1, 4_096 * 1_024),
    "Accelerators of one unit, where it is smaller than a node; a node is paid whole and holds as many units as fit",
);

const PARALLELISM: Field = default(
    "parallelism",
    Table(&TableShape {
        name: "parallelism",
        doc: "How a unit's accelerators share the work",
        ordered: false,
        fields: &[
            optional(
                "attention_data",
                Integer(1, 4_096),
                "Attention data-parallel ranks in a unit; left out: what `tensor` leaves, else 1. Ranks that share no experts step on their own",
            ),
            optional(
                "tensor",
                Integer(1, 4_096),
                "Accelerators that share a rank's attention; left out: what ranks and stages leave",
            ),
            default(
                "experts",
                Integer(1, 4_096),
                "1",
                "Accelerators that hold different experts; 1: each has a part of every expert",
            ),
            default(
                "redundant_experts",
                Integer(0, 100_000),
                "0",
                "Expert slots beyond one for each expert",
            ),
            default(
                "pipeline",
                Integer(1, 1_024),
                "1",
                "Stages of the pipeline; ranks and stages leave the rest to tensor parallelism",
            ),
        ],
    }),
    "{}",
    "How a unit's accelerators share the work",
);

const MAX_BATCH: Field = default(
    "max_batch_requests",
    Integer(1, MAX_BATCH_REQUESTS),
    "16_383",
    "Requests on one rank at once; 16,383 is as good as no limit",
);

const MAX_QUEUE: Field = optional(
    "max_queue_requests",
    Integer(0, 1_000_000_000),
    "Requests that may wait at one unit; beyond it they are rejected",
);

const REPORT_INTERVAL: Field = default(
    "report_interval",
    UP_TO_A_DAY,
    "\"0s\"",
    "Age of the load reports that the router reads; 0s: exact state",
);

const UNIT_COUNT: ValueKind = Integer(0, 65_536);

const UNITS: Field = required(
    "units",
    Either(&UNIT_COUNT, &BY_TIME),
    "29",
    "How many units are paid: a number, or a schedule",
);

const BY_TIME: ValueKind = Table(&SCHEDULE);

static SCHEDULE: TableShape = TableShape {
    name: "schedule",
    doc: "How many units are paid, by local time of day, repeating every 24 hours",
    ordered: false,
    fields: &[
        required(
            "schedule",
            List(&Pair(&TimeOfDay(false), &UNIT_COUNT), 1, 10_000),
            "[[\"12:00\", 29], [\"00:00\", 23]]",
            "Pairs of a time and the units from then on, in the order of the day",
        ),
        default(
            "start_up",
            UP_TO_A_DAY,
            "\"0s\"",
            "From being paid to serving",
        ),
        default(
            "drain",
            UP_TO_A_DAY,
            "\"0s\"",
            "From taking no new work to release",
        ),
    ],
};
