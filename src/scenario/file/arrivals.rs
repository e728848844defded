//! The shape of `arrivals`: when requests come.

use super::super::shape::Kind::{Choice, Either, List, LongText, Pair, Table, Text, TimeOfDay};
use super::super::shape::{Field, Kind, Shape, Tagged, Variant, Word, number, optional, required};

/// Greatest number of requests in a day.
pub const MAX_REQUESTS_PER_DAY: f64 = 4e9;

/// Greatest mean rate: a little less than the same in a second.
const MAX_REQUESTS_PER_S: f64 = 46_000.0;

/// A relative rate.
const WEIGHT: Kind = number(0.0, 1e12);

/// When requests come.
pub static ARRIVALS: Tagged = Tagged {
    name: "arrivals",
    doc: "When requests come: how many, and how the rate runs over the day (local time)",
    example: "\"poisson\"",
    common: &[
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
    ],
    variants: &[
        Variant {
            tag: "poisson",
            doc: "Independent arrivals",
            fields: &[],
        },
        Variant {
            tag: "deterministic",
            doc: "One whenever the cumulative rate reaches the next whole number",
            fields: &[],
        },
    ],
};

const CSV: Field = optional(
    "csv",
    Either(&Text, &INLINE_CSV),
    "A CSV file of one's own traffic, relative to this file: time,requests[,input_mean,output_mean,hit_rate]",
);

const INLINE_CSV: Kind = Table(&CSV_TEXT);

static CSV_TEXT: Shape = Shape {
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
