//! The shape of `arrivals`: when requests come.

use super::super::shape::ValueKind::{
    Choice, Either, Integer, List, LongText, Pair, Table, Text, TimeOfDay,
};
use super::super::shape::{
    Field, TableShape, Tagged, ValueKind, Variant, Word, default, number, optional, required,
};
use super::UP_TO_A_DAY;

/// Greatest number of requests in a day.
pub const MAX_REQUESTS_PER_DAY: f64 = 4e9;

/// Greatest mean rate, in requests per second: a little less than [`MAX_REQUESTS_PER_DAY`].
const MAX_REQUESTS_PER_S: f64 = 46_000.0;

/// A rate relative to others of the day.
const WEIGHT: ValueKind = number(0.0, 1e12);

/// Shape of `[class.arrivals]`: when requests come.
pub static ARRIVALS: Tagged = Tagged {
    name: "arrivals",
    doc: "When requests come: how many, and how the rate runs over the day (local time)",
    example: "\"poisson\"",
    common: &[],
    variants: &[
        Variant {
            tag: "poisson",
            doc: "Independent arrivals",
            fields: RATE,
        },
        Variant {
            tag: "deterministic",
            doc: "One whenever the cumulative rate reaches the next whole number",
            fields: RATE,
        },
        Variant {
            tag: "closed-loop",
            doc: "Users who issue a request, wait for its end, think, and issue the next",
            fields: &[
                required("users", Integer(1, 10_000_000), "64", "How many users"),
                default(
                    "think_time",
                    UP_TO_A_DAY,
                    "\"0s\"",
                    "From an answer's end to the user's next request, on average",
                ),
                default(
                    "think",
                    Choice(&[
                        Word {
                            word: "constant",
                            doc: "Always the same time",
                        },
                        Word {
                            word: "exponential",
                            doc: "An exponential time",
                        },
                    ]),
                    "\"constant\"",
                    "How thinking varies",
                ),
                default(
                    "ramp_up",
                    UP_TO_A_DAY,
                    "\"0s\"",
                    "The users begin evenly over this time",
                ),
                optional(
                    "requests",
                    Integer(1, 10_000_000_000),
                    "Requests in all, from all users; left out: no end",
                ),
            ],
        },
        Variant {
            tag: "trace",
            doc: "As recorded; the class then has no `input` and `output`",
            fields: &[required(
                "csv",
                Either(&Text, &INLINE_CSV),
                "\"requests.csv\"",
                "The CSV file, relative to this file: arrived_s,input_tokens,output_tokens[,cached_tokens]",
            )],
        },
    ],
};

/// Keys of the rate: how many requests come, and how the rate runs over the day.
const RATE: &[Field] = &[
    optional(
        "requests_per_day",
        number(0.0, MAX_REQUESTS_PER_DAY),
        "Requests in 24 hours; exactly one of this, `requests_per_s` and `csv`",
    ),
    optional(
        "requests_per_s",
        number(0.0, MAX_REQUESTS_PER_S),
        "Mean rate over 24 hours",
    ),
    optional(
        "hourly_means",
        List(&WEIGHT, 24, 24),
        "Relative means of 24 hours from 00:00; the rate between is continuous and keeps each mean",
    ),
    optional(
        "stepwise",
        List(&Pair(&TimeOfDay(false), &WEIGHT), 1, 10_000),
        "Pairs of a time and a relative rate that holds until the next",
    ),
    optional(
        "linear",
        List(&Pair(&TimeOfDay(false), &WEIGHT), 1, 10_000),
        "Pairs of a time and a relative rate, with straight lines between",
    ),
    CSV,
    optional(
        "interpolation",
        Choice(&[
            Word {
                word: "mean-preserving",
                doc: "Continuous, and each row keeps its number of requests (the default)",
            },
            Word {
                word: "stepwise",
                doc: "Constant within each row",
            },
            Word {
                word: "linear",
                doc: "Straight lines between the middles of the rows; keeps the day's number only",
            },
        ]),
        "How the rate runs between the rows of the CSV",
    ),
];

const CSV: Field = optional(
    "csv",
    Either(&Text, &INLINE_CSV),
    "A CSV file of one's own traffic, relative to this file: time,requests[,input_mean,output_mean,hit_rate]",
);

/// Shape of a CSV written out in place.
pub const INLINE_CSV: ValueKind = Table(&CSV_TEXT);

static CSV_TEXT: TableShape = TableShape {
    name: "csv",
    doc: "A CSV of one's own traffic, written out in place",
    ordered: false,
    fields: &[required(
        "text",
        LongText,
        "\"time,requests\\n00:00,1000\"",
        "The lines of the CSV",
    )],
};
