//! The shape of `[pools.prefill]`, `[pools.decode]` and `[pools.mixed]`.

use super::super::shape::Grain::Nanosecond;
use super::super::shape::ValueKind::{
    Boolean, Choice, Duration, Either, Integer, List, Pair, Table, TimeOfDay,
};
use super::super::shape::{Field, TableShape, ValueKind, default, optional, required};
use super::super::vocabulary::{Admission, Batching, RankBalance, Role, Router};
use super::UP_TO_A_DAY;
use crate::words::each_of;

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
    fields: each_of!(Role as Field: role => pool(role)),
};

/// A pool of each role, by the name of the role.
const fn pool(role: Role) -> Field {
    let shape = match role {
        Role::Prefill => &PREFILL,
        Role::Decode => &DECODE,
        Role::Mixed => &MIXED,
    };
    let name = role.entry();
    optional(name.word, Table(shape), name.doc)
}

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
            "Tokens that one rank computes in one batch; of a pipeline, in all stages together",
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
        PREFILL_KV_CAPACITY,
        default(
            "balance",
            Choice(RankBalance::words_of(Role::Prefill)),
            "\"tokens\"",
            "How prompts are dealt to a unit's ranks",
        ),
        default(
            "router",
            Choice(Router::words_of(Role::Prefill)),
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
        balance(Role::Decode),
        FIRST_TOKEN,
        default(
            "router",
            Choice(Router::words_of(Role::Decode)),
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
            "Tokens in one rank's step: one for each request that decodes, the rest for prompts; of a pipeline, in all stages together",
        ),
        MAX_BATCH,
        MAX_QUEUE,
        KV_CAPACITY,
        ADMISSION,
        optional(
            "batching",
            Choice(&Batching::WORDS),
            "What shares a step; by default what the engine does, `chunked` where it is not known",
        ),
        optional(
            "look_ahead",
            Boolean,
            "Whether a step is put together while the one before runs: it takes only those who waited then, and the host works beside; by default what the engine does, `false` where it is not known",
        ),
        optional(
            "prefill_every",
            Integer(1, 1_000_000),
            "Of how many steps one computes prompts, at most, while anybody decodes (SGLang: num-continuous-decode-steps); left out: 1, every step",
        ),
        optional(
            "receive_every",
            Integer(1, 1_000_000),
            "Of how many steps one takes in newcomers, at least; also one after prompts (SGLang: scheduler-recv-interval); left out: 1, every step",
        ),
        optional(
            "batch_wait_steps",
            Integer(0, 1_000_000),
            "Most steps in a row in which prompts wait for a fuller batch while anybody decodes (TensorRT-LLM: batch_wait_timeout_iters); left out: 0",
        ),
        optional(
            "batch_wait_tokens",
            Integer(1, super::MAX_TOKENS as i128),
            "Tokens of a unit's step with which prompts wait no longer (TensorRT-LLM: batch_wait_max_tokens_ratio x max_num_tokens); left out: `max_batch_tokens`",
        ),
        balance(Role::Mixed),
        default(
            "router",
            Choice(Router::words_of(Role::Mixed)),
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

const PREFILL_KV_CAPACITY: Field = optional(
    "kv_capacity_tokens",
    Integer(1, MAX_KV_TOKENS),
    "With a prefix cache: KV tokens that one rank can hold, its prompts' and what is kept of others; left out: what weights and activations leave of the memory",
);

const ADMISSION: Field = optional(
    "admission",
    Choice(&Admission::WORDS),
    "When a waiting request may join a rank; by default what the engine does in mixed pools, else `current`",
);

/// How requests are spread over the ranks of a unit of this role, as they join.
const fn balance(role: Role) -> Field {
    let words = RankBalance::words_of(role);
    default(
        "balance",
        Choice(words),
        "\"kv\"",
        "How requests are spread over a unit's ranks as they join",
    )
}

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
        optional(
            "start_up",
            UP_TO_A_DAY,
            "From being paid to serving; absent, units serve as soon as they are paid, and a plan takes 3 minutes",
        ),
        default(
            "drain",
            UP_TO_A_DAY,
            "\"0s\"",
            "From taking no new work to release",
        ),
    ],
};
