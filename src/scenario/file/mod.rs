//! The shape of a scenario file, as data: every key with its kind, bounds, default and meaning.
//!
//! To add a key, add it here (the checker, the defaults and the JSON Schema follow) and read it in
//! [`super::resolve`]. Durations are text with units; names of the catalog stand for tables.

mod arrivals_table;
mod class_table;
mod constants_table;
mod hardware_tables;
mod law_table;
mod limits_table;
mod performance_table;
mod plan_table;
mod pool_table;
mod published_table;
mod sweep_table;

pub use arrivals_table::MAX_REQUESTS_PER_DAY;
pub use class_table::SHARED_PROMPTS;
pub use hardware_tables::MODEL;
pub use published_table::{all_fields, is_of_window, is_sum, is_summary_field, suggest_field};
pub use sweep_table::MAX_RUNS;

use super::shape::Grain::Nanosecond;
use super::shape::ValueKind::{
    Choice, Duration, Either, Integer, List, OffsetDatetime, Table, Tagged as TaggedKind, Text,
};
use super::shape::{
    Field, TableShape, Tagged, ValueKind, Variant, below_one, default, number, optional, required,
};
use super::text::PS_PER_S;
use super::vocabulary::{CacheForm, FirstToken, OwnLength};
use crate::words::each_of;

/// Greatest seed: every whole number up to it survives a JSON reader that keeps doubles.
pub const MAX_SEED: u64 = 1 << 53;

/// Greatest number of tokens in one request, 2^24.
pub const MAX_TOKENS: u32 = 1 << 24;

/// Greatest number of accelerators in a pool.
pub const MAX_POOL_GPUS: u64 = 10_000_000;

/// Greatest number of intervals in a report.
pub const MAX_INTERVALS: u64 = 10_000;

/// Keys whose text names something in the catalog; as a table they may start from it by `base`.
pub const CATALOG_KEYS: [&str; 4] = ["model", "gpu", "engine", "price"];

/// Keys that exclude one another: an overriding file or argument that gives one takes back the others.
pub const RIVALS: [(&str, &[&str]); 18] = [
    ("latent", &["grouped"]),
    ("grouped", &["latent"]),
    ("power_w", &["overhead_w"]),
    ("overhead_w", &["power_w"]),
    ("nodes_per_unit", &["gpus_per_unit"]),
    ("gpus_per_unit", &["nodes_per_unit"]),
    ("mixed", &["prefill", "decode"]),
    ("prefill", &["mixed"]),
    ("decode", &["mixed"]),
    (
        "requests_per_day",
        &["requests_per_s", "csv", "interpolation"],
    ),
    (
        "requests_per_s",
        &["requests_per_day", "csv", "interpolation"],
    ),
    (
        "csv",
        &[
            "requests_per_day",
            "requests_per_s",
            "hourly_means",
            "stepwise",
            "linear",
        ],
    ),
    (
        "hourly_means",
        &["stepwise", "linear", "csv", "interpolation"],
    ),
    (
        "stepwise",
        &["hourly_means", "linear", "csv", "interpolation"],
    ),
    (
        "linear",
        &["hourly_means", "stepwise", "csv", "interpolation"],
    ),
    ("value", &["low", "high"]),
    ("low", &["value"]),
    ("high", &["value"]),
];

const DAY: u128 = 86_400 * PS_PER_S;
const HOUR: u128 = 3_600 * PS_PER_S;

/// A duration on the simulation's clock, from a millisecond to a day.
const A_WHILE: ValueKind = Duration(PS_PER_S / 1000, DAY, Nanosecond);

/// A duration on the simulation's clock, from zero to a day.
const UP_TO_A_DAY: ValueKind = Duration(0, DAY, Nanosecond);

/// A time from the beginning of a recording, up to 400 days.
const UP_TO_400_DAYS: ValueKind = Duration(0, 400 * DAY, Nanosecond);

/// A length of the counted window, from a second to 400 days.
const LENGTH: ValueKind = Duration(PS_PER_S, 400 * DAY, Nanosecond);

/// The word for a recording's own length, which is put in before the shape is checked.
const OF_TRACE: ValueKind = Choice(&OwnLength::WORDS);

/// Shape of the whole scenario file.
pub static SCENARIO: TableShape = TableShape {
    name: "scenario",
    doc: "A tokentide scenario: an inference cluster and its load",
    ordered: false,
    fields: &[
        optional(
            "extends",
            Text,
            "A bundled scenario's name, or a path relative to this file; this file then only says what differs",
        ),
        required(
            "name",
            Text,
            "\"my cluster\"",
            "What people call the scenario",
        ),
        required(
            "start",
            OffsetDatetime,
            "2025-02-27T12:00:00+08:00",
            "When counting starts, with the offset of local time from UTC",
        ),
        required(
            "duration",
            Either(&LENGTH, &OF_TRACE),
            "\"24h\"",
            "How long is counted; \"trace\": to the end of what is recorded",
        ),
        default(
            "warm_up",
            Duration(0, 400 * DAY, Nanosecond),
            "\"0s\"",
            "Simulated before `start`, not counted",
        ),
        optional(
            "report_every",
            Duration(PS_PER_S, 400 * DAY, Nanosecond),
            "Length of the report's intervals",
        ),
        optional(
            "slo_every",
            Duration(PS_PER_S, 400 * DAY, Nanosecond),
            "Promises must be kept in every stretch of this length, not only over the whole time",
        ),
        default(
            "seed",
            Integer(0, MAX_SEED as i128),
            "1",
            "Seeds every random stream",
        ),
        required(
            "model",
            Either(&Text, &Table(&hardware_tables::MODEL)),
            "\"deepseek-v3\"",
            "The model that is served: a catalog name, or a table",
        ),
        required(
            "node",
            Table(&hardware_tables::NODE),
            "{ gpu = \"h800\", gpus = 8, price_per_gpu_hour = 2.0 }",
            "One server",
        ),
        required(
            "pools",
            Table(&pool_table::POOLS),
            "{ prefill = { … } }",
            "Units by role; the order decides ties",
        ),
        default(
            "transfer",
            Table(&TRANSFER),
            "{}",
            "How KV moves from prefill to decode",
        ),
        required(
            "performance",
            TaggedKind(&performance_table::PERFORMANCE),
            "{ kind = \"linear\", … }",
            "How long steps take",
        ),
        default(
            "kv_cache",
            TaggedKind(&KV_CACHE),
            "{ kind = \"fixed\", hit_rate = 0.0 }",
            "How much of the input is found in the cache",
        ),
        optional(
            "mtp",
            Table(&MTP),
            "Multi-token prediction; left out: every step emits one token",
        ),
        default(
            "first_token",
            FIRST_TOKEN,
            "\"decode\"",
            "Where the client gets a request's first token, with separate pools",
        ),
        optional(
            "front_end",
            UP_TO_A_DAY,
            "Time of each request outside of the engine's steps (HTTP, tokens to text and back), in TTFT and E2E; by default what the engine's is",
        ),
        optional(
            "limits",
            Table(&limits_table::LIMITS),
            "How large a run may become; left out: the defaults",
        ),
        optional(
            "plan",
            Table(&plan_table::PLAN),
            "What `tokentide plan` decides",
        ),
        optional(
            "sweep",
            Table(&sweep_table::SWEEP),
            "What `tokentide sweep` varies",
        ),
        required(
            "class",
            List(&Table(&class_table::CLASS), 1, 1_000),
            "[ … ]",
            "Streams of requests",
        ),
        default(
            "published",
            List(&Table(&published_table::PUBLISHED), 0, 1_000),
            "[]",
            "Published figures to hold the results against",
        ),
    ],
};

static TRANSFER: TableShape = TableShape {
    name: "transfer",
    doc: "How KV moves from prefill to decode",
    ordered: false,
    fields: &[
        default(
            "overlap",
            number(0.0, 1.0),
            "0.0",
            "Part of the bytes hidden behind the prefill: 0 where KV goes after the prompt is computed, near 1 where newer engines send it layer by layer meanwhile",
        ),
        default(
            "latency",
            Duration(0, HOUR, Nanosecond),
            "\"0s\"",
            "Added to each transfer",
        ),
        optional(
            "bandwidth_gb_per_s",
            number(0.001, 1_000_000_000.0),
            "Network speed of one rank, one way, in 10^9 bytes a second; by default that of its own accelerators together",
        ),
        optional(
            "host_gb_per_s",
            number(0.001, 1_000_000_000.0),
            "Speed between one rank and its host, one way, in 10^9 bytes a second; by default that of its own accelerators together",
        ),
    ],
};

/// Key of the tokens of a block of the prefix cache.
pub const BLOCK_TOKENS: &str = "block_tokens";

static KV_CACHE: Tagged = Tagged {
    name: "kv_cache",
    doc: "How much of the input is found in the cache",
    example: "\"fixed\"",
    common: &[],
    variants: each_of!(CacheForm as Variant: form => cache(form)),
};

/// The keys of a cache of this form.
const fn cache(form: CacheForm) -> Variant {
    let fields: &[Field] = match form {
        CacheForm::Fixed => {
            const {
                &[required(
                    "hit_rate",
                    below_one(),
                    "0.5",
                    "Cached over all input tokens",
                )]
            }
        }
        CacheForm::Prefix => {
            const {
                &[optional(
                    BLOCK_TOKENS,
                    Integer(1, 65_536),
                    "Tokens of a block: only whole blocks are found again; left out: the engine's (vLLM 16, SGLang 64, TensorRT-LLM 32), else 16 (assumed)",
                )]
            }
        }
    };
    Variant {
        tag: form.entry(),
        fields,
    }
}

/// Word for where the client gets a request's first token.
const FIRST_TOKEN: ValueKind = Choice(&FirstToken::WORDS);

const ACCEPTANCE: ValueKind = number(0.0, 1.0);
const ACCEPTANCES: ValueKind = List(&ACCEPTANCE, 1, MAX_DRAFTS as usize);

/// Most tokens drafted in a step.
pub const MAX_DRAFTS: u32 = 16;

static MTP: TableShape = TableShape {
    name: "mtp",
    doc: "Multi-token prediction: a module drafts tokens that the next step verifies",
    ordered: false,
    fields: &[
        default(
            "drafts",
            Integer(0, MAX_DRAFTS as i128),
            "1",
            "Tokens drafted in a step; 0: prediction is off, nothing is drafted or verified",
        ),
        optional(
            "acceptance",
            Either(&ACCEPTANCE, &ACCEPTANCES),
            "Part of the drafts that are accepted where all before them were: one number, or one for each draft; needed where there are drafts",
        ),
    ],
};
