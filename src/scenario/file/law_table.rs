//! The shape of a law of lengths (`input`, `output`).

use super::super::shape::ValueKind::{Integer, List, Pair, Tagged as TaggedKind};
use super::super::shape::{Field, Tagged, ValueKind, Variant, default, number, positive, required};

/// A length in tokens, up to 2^24.
const LENGTH: ValueKind = positive(super::MAX_TOKENS as f64);

/// A bound of lengths, in tokens.
const BOUND: ValueKind = Integer(1, super::MAX_TOKENS as i128);

/// A coefficient of variation. Beyond 20 a day holds too few of the long requests to say anything.
const CV: ValueKind = number(0.0, 20.0);

/// Shape of a law of lengths with bounds.
pub static LENGTHS: Tagged = Tagged {
    name: "lengths",
    doc: "A law of lengths in tokens; mean and cv (coefficient of variation) are those before clamping",
    example: "\"lognormal\"",
    common: &[
        default("min", BOUND, "1", "Shorter draws become this"),
        default("max", BOUND, "16_777_216", "Longer draws become this"),
    ],
    variants: &[
        CONSTANT,
        UNIFORM,
        EXPONENTIAL,
        LOGNORMAL,
        GAMMA,
        ERLANG,
        HYPEREXPONENTIAL,
        EMPIRICAL,
        Variant {
            tag: "mixture",
            doc: "One of several laws, chosen with a probability proportional to its weight",
            fields: &[required(
                "parts",
                List(&TaggedKind(&PART), 1, 100),
                "[{ weight = 1, kind = \"constant\", value = 100 }]",
                "The laws and their weights",
            )],
        },
    ],
};

static PART: Tagged = Tagged {
    name: "mixture_part",
    doc: "A part of a mixture",
    example: "\"lognormal\"",
    common: &[required(
        "weight",
        number(0.0, 1e12),
        "1",
        "How often, relative to the other parts",
    )],
    variants: &[
        CONSTANT,
        UNIFORM,
        EXPONENTIAL,
        LOGNORMAL,
        GAMMA,
        ERLANG,
        HYPEREXPONENTIAL,
        EMPIRICAL,
    ],
};

const MEAN: Field = required("mean", LENGTH, "1000", "Arithmetic mean, in tokens");

const SPREAD: Field = required(
    "cv",
    CV,
    "1.0",
    "Coefficient of variation: standard deviation over mean",
);

const CONSTANT: Variant = Variant {
    tag: "constant",
    doc: "Always the same",
    fields: &[required("value", LENGTH, "1000", "The length, in tokens")],
};

const UNIFORM: Variant = Variant {
    tag: "uniform",
    doc: "Evenly between two values",
    fields: &[
        required(
            "low",
            number(0.0, super::MAX_TOKENS as f64),
            "100",
            "Least length, in tokens",
        ),
        required("high", LENGTH, "2000", "Greatest length, in tokens"),
    ],
};

const EXPONENTIAL: Variant = Variant {
    tag: "exponential",
    doc: "Memoryless",
    fields: &[MEAN],
};

const LOGNORMAL: Variant = Variant {
    tag: "lognormal",
    doc: "The exponential of a normal law, by its own mean and coefficient of variation",
    fields: &[MEAN, SPREAD],
};

const GAMMA: Variant = Variant {
    tag: "gamma",
    doc: "Gamma, by mean and coefficient of variation",
    fields: &[MEAN, SPREAD],
};

const ERLANG: Variant = Variant {
    tag: "erlang",
    doc: "The sum of k equal exponential stages; cv = 1/sqrt(k)",
    fields: &[MEAN, required("k", Integer(1, 10_000), "4", "Stages")],
};

const HYPEREXPONENTIAL: Variant = Variant {
    tag: "hyperexponential",
    doc: "Two exponential phases with balanced means",
    fields: &[
        MEAN,
        required(
            "cv",
            number(1.0, 20.0),
            "2.0",
            "Coefficient of variation, at least 1: standard deviation over mean",
        ),
    ],
};

const EMPIRICAL: Variant = Variant {
    tag: "empirical",
    doc: "Recorded values with weights",
    fields: &[required(
        "values",
        List(&Pair(&LENGTH, &number(0.0, 1e12)), 1, 100_000),
        "[[100, 1], [2000, 3]]",
        "Pairs of a length in tokens and its weight",
    )],
};
