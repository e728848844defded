//! The shape of `[performance]`: how long steps take.

use super::super::shape::Grain::Picosecond;
use super::super::shape::ValueKind::{Boolean, Choice, Duration, Either, List, Table, Text};
use super::super::shape::{
    Field, TableShape, Tagged, ValueKind, Variant, default, number, optional, required,
};
use super::super::step_time::STEP_TIME_FACTOR;
use super::super::text::PS_PER_S;
use super::super::vocabulary::{Overlap, Sampling, StepTimeForm};
use super::arrivals_table::INLINE_CSV;
use super::hardware_tables::NUMBER;
use super::{HOUR, constants_table::CONSTANTS};
use crate::words::each_of;

pub static PERFORMANCE: Tagged = Tagged {
    name: "performance",
    doc: "How long steps take",
    example: "\"linear\"",
    common: &[optional(
        STEP_TIME_FACTOR,
        number(0.01, 100.0),
        "What every step takes over what the model of step times says: 1.1 is 10 % longer",
    )],
    variants: each_of!(StepTimeForm as Variant: form => of(form)),
};

/// The keys of a model of this form.
const fn of(form: StepTimeForm) -> Variant {
    let fields: &[Field] = match form {
        StepTimeForm::Roofline => ROOFLINE,
        StepTimeForm::Table => PROFILE,
        StepTimeForm::Linear => LINEAR,
    };
    Variant {
        tag: form.entry(),
        fields,
    }
}

const LINEAR: &[Field] = &[
    required(
        "prefill",
        Table(&LINEAR_PREFILL),
        "{ base = \"10ms\", per_token = \"5us\" }",
        "A prefill step: base + tokens x per_token + pairs x per_pair",
    ),
    optional(
        "decode",
        Table(&LINEAR_DECODE),
        "A decode step: base + requests x per_request + KV tokens x per_kv_token",
    ),
];

/// A coefficient of a linear step, in picoseconds; zero where nobody states it.
const fn coefficient(name: &'static str, most: u128, doc: &'static str) -> Field {
    default(name, Duration(0, most, Picosecond), "\"0s\"", doc)
}

static LINEAR_PREFILL: TableShape = TableShape {
    name: "linear_prefill",
    doc: "A prefill step: base + tokens x per_token + pairs x per_pair",
    ordered: false,
    fields: &[
        coefficient("base", HOUR, "Of every step"),
        coefficient(
            "per_token",
            HOUR,
            "Of each computed token on the busiest rank",
        ),
        coefficient(
            "per_pair",
            PS_PER_S,
            "Of each (query, key) pair of causal attention on the busiest rank",
        ),
    ],
};

static LINEAR_DECODE: TableShape = TableShape {
    name: "linear_decode",
    doc: "A decode step: base + requests x per_request + KV tokens x per_kv_token",
    ordered: false,
    fields: &[
        coefficient("base", HOUR, "Of every step"),
        coefficient("per_request", HOUR, "Of each request on the busiest rank"),
        coefficient(
            "per_kv_token",
            PS_PER_S,
            "Of each KV token on the busiest rank",
        ),
    ],
};

const PROFILE: &[Field] = &[
    required(
        "csv",
        Either(&Text, &INLINE_CSV),
        "\"profile.csv\"",
        "The CSV file, relative to this file: part,tokens,context_tokens,requests,kv_tokens,time_us",
    ),
    default(
        "extrapolate",
        Boolean,
        "false",
        "Whether steps may lie outside of what was measured",
    ),
];

const ROOFLINE: &[Field] = &[
    required(
        "engine",
        Either(&Text, &OWN_ENGINE),
        "\"vllm\"",
        "The catalog's engine, as measured on this accelerator or the nearest one, by its name (the newest release) or with a release (vllm@0.10); or a table",
    ),
    default("precision", Table(&PRECISION), "{}", "Kinds of numbers"),
    default(
        "experts",
        Table(&EXPERT_LOAD),
        "{}",
        "How tokens fall on experts",
    ),
    default(
        "overlap",
        Choice(&Overlap::WORDS),
        "\"auto\"",
        "Whether two micro-batches overlap, where experts are exchanged",
    ),
    optional(
        "calibration",
        Text,
        "A file of constants that `tokentide calibrate --out` wrote, relative to this file; `constants` hold before it",
    ),
    default(
        "sampling",
        Choice(&Sampling::WORDS),
        "\"plain\"",
        "How tokens are drawn: vLLM takes top_p and top_k from a model's generation_config.json, where requests say nothing",
    ),
    default(
        "constants",
        Table(&CONSTANTS),
        "{}",
        "The engine's constants that are different here",
    ),
];

const OWN_ENGINE: ValueKind = Table(&ENGINE);

static ENGINE: TableShape = TableShape {
    name: "engine",
    doc: "An engine, from the catalog or not; its constants are those of `constants`, the rest from its base",
    ordered: false,
    fields: &[
        optional(
            "base",
            Text,
            "The catalog's engine that this one differs from",
        ),
        optional(
            "name",
            Text,
            "Its name; by default that of its base. With a name and no `base` it stands alone, and `constants` says all",
        ),
    ],
};

static PRECISION: TableShape = TableShape {
    name: "precision",
    doc: "Kinds of numbers; by default what the model is published in, and KV in BF16",
    ordered: false,
    fields: &[
        optional("gemm", NUMBER, "Dense products: weights and activations"),
        optional(
            "experts",
            NUMBER,
            "Routed experts' weights; by default as `gemm`, unless they are published in something narrower",
        ),
        optional("kv", NUMBER, "KV cache"),
    ],
};

const SHARE: ValueKind = number(0.0, 1e12);

static EXPERT_LOAD: TableShape = TableShape {
    name: "expert_load",
    doc: "How tokens fall on experts",
    ordered: false,
    fields: &[
        default(
            "zipf",
            number(0.0, 10.0),
            "0.6352",
            "The k-th most popular expert is chosen in proportion to 1 / k^zipf; 0: uniformly",
        ),
        optional(
            "counts",
            List(&SHARE, 1, 10_000),
            "How often each expert was chosen, instead of `zipf`",
        ),
        default(
            "even_router",
            Boolean,
            "false",
            "Whether a router gives every rank the same, as benchmarks simulate",
        ),
        default(
            "balanced",
            Boolean,
            "true",
            "Whether experts and their copies are placed by the balancing algorithm; otherwise in order",
        ),
        default(
            "drift",
            number(0.0, 3.0),
            "0.105",
            "Log-standard deviation of popularity now over popularity at placement",
        ),
        default(
            "clustering",
            number(0.0, 1.0),
            "0.0",
            "How alike a prompt's tokens choose: intra-prompt correlation",
        ),
    ],
};
