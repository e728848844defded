//! The shape of `[[class]]`: a stream of requests.

use super::super::shape::ValueKind::{
    Boolean, Either, Integer, List, Name, Table, Tagged as TaggedKind, Text, TimeOfDay,
};
use super::super::shape::{
    TableShape, ValueKind, below_one, default, number, optional, positive, required,
};
use super::MAX_TOKENS;
use super::arrivals_table::ARRIVALS;
use super::law_table::LENGTHS;

/// A price in US dollars for a million tokens.
const USD: ValueKind = number(0.0, 1_000_000.0);

/// A latency target in seconds.
const TARGET: ValueKind = positive(86_400.0);

/// Shape of `[[class]]`: a stream of requests.
pub static CLASS: TableShape = TableShape {
    name: "class",
    doc: "A stream of requests with its own lengths, priority, price and targets",
    ordered: false,
    fields: &[
        required(
            "name",
            Name,
            "\"chat\"",
            "Its name, unlike that of any other class",
        ),
        default(
            "priority",
            Integer(0, 1_000_000),
            "0",
            "Lower is served first in the prefill queue; running batches are not interrupted",
        ),
        required(
            "arrivals",
            TaggedKind(&ARRIVALS),
            "{ kind = \"poisson\", requests_per_day = 1e6 }",
            "When requests come",
        ),
        optional(
            "input",
            TaggedKind(&LENGTHS),
            "Input lengths, in tokens; left out only where a trace says them",
        ),
        optional(
            "output",
            TaggedKind(&LENGTHS),
            "Output lengths, in tokens; left out only where a trace says them",
        ),
        optional(
            "length_correlation",
            number(-0.99, 0.99),
            "Spearman's rank correlation of inputs and outputs, by a Gaussian copula (of sessions, in their first turns); left out: they do not depend on one another",
        ),
        optional(
            "hit_rate",
            below_one(),
            "Cached over all input tokens of this class; by default that of `kv_cache`",
        ),
        optional(
            SHARED_PROMPTS,
            Table(&SHARED),
            "Beginnings that prompts of this class have in common; needs `kv_cache.kind = \"prefix\"`",
        ),
        optional(
            "price",
            Either(&Text, &Table(&PRICE)),
            "What requests pay: a catalog name, or a table; left out: nothing",
        ),
        default(
            "discounts",
            Boolean,
            "true",
            "Whether the price's discount windows apply",
        ),
        optional("slo", Table(&SLO), "What users are promised"),
    ],
};

/// Key of the beginnings that prompts of a class have in common.
pub const SHARED_PROMPTS: &str = "shared_prompts";

static SHARED: TableShape = TableShape {
    name: SHARED_PROMPTS,
    doc: "Beginnings that prompts have in common, such as system prompts: each request begins with one of them",
    ordered: false,
    fields: &[
        required(
            "tokens",
            Integer(1, MAX_TOKENS as i128),
            "8000",
            "Tokens of each, part of the input; a shorter input is the beginning of one",
        ),
        default(
            "count",
            Integer(1, MAX_SHARED_PROMPTS),
            "1",
            "How many there are",
        ),
        default(
            "zipf",
            number(0.0, 10.0),
            "0.0",
            "Popularity: the k-th is drawn with a weight of k^-zipf; 0: all alike",
        ),
    ],
};

/// Most beginnings that a class's prompts have.
const MAX_SHARED_PROMPTS: i128 = 1_000_000;

static PRICE: TableShape = TableShape {
    name: "price",
    doc: "A price list in US dollars per million tokens, from the catalog or not",
    ordered: false,
    fields: &[
        optional(
            "base",
            Text,
            "The catalog's price list that this one differs from",
        ),
        optional(
            "name",
            Text,
            "Its name; with a name and no `base` it stands alone",
        ),
        optional(
            "hit_usd_per_million",
            USD,
            "Input tokens that hit the cache",
        ),
        optional(
            "miss_usd_per_million",
            USD,
            "Input tokens that are computed",
        ),
        optional("output_usd_per_million", USD, "Output tokens"),
        optional(
            "discounts",
            List(&Table(&DISCOUNT), 0, 100),
            "Times of day with other prices; they may not overlap",
        ),
    ],
};

static DISCOUNT: TableShape = TableShape {
    name: "discount",
    doc: "Other prices from one UTC time of day to another, over midnight if need be",
    ordered: false,
    fields: &[
        required("from_utc", TimeOfDay(false), "\"16:30\"", "When they begin"),
        required("to_utc", TimeOfDay(true), "\"00:30\"", "When they end"),
        required(
            "hit_usd_per_million",
            USD,
            "0.035",
            "Input tokens that hit the cache",
        ),
        required(
            "miss_usd_per_million",
            USD,
            "0.135",
            "Input tokens that are computed",
        ),
        required("output_usd_per_million", USD, "0.55", "Output tokens"),
    ],
};

static SLO: TableShape = TableShape {
    name: "slo",
    doc: "A service-level objective; at least one of the two targets",
    ordered: false,
    fields: &[
        optional("ttft_s", TARGET, "First token within this many seconds"),
        optional(
            "tpot_s",
            TARGET,
            "Each further token within this many seconds, on average",
        ),
        optional(
            "attainment",
            positive(1.0),
            "Part of the requests that must meet the targets; left out: reported, not judged",
        ),
    ],
};
