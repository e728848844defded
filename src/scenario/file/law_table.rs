//! The shape of a law of lengths (`input`, `output`).

use super::super::shape::ValueKind::{Integer, List, Pair, Tagged as TaggedKind};
use super::super::shape::{Field, Tagged, ValueKind, Variant, default, number, positive, required};
use super::super::vocabulary::LengthForm;
use crate::words::each_of;

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
    variants: each_of!(LengthForm as Variant: form => of(form, MIXTURE)),
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
    variants: each_of!(LengthForm as Variant: form where !form.is_mixture() => of(form, &[])),
};

const MEAN: Field = required("mean", LENGTH, "1000", "Arithmetic mean, in tokens");

const SPREAD: Field = required(
    "cv",
    CV,
    "1.0",
    "Coefficient of variation: standard deviation over mean",
);

/// A value and its weight.
const WEIGHTED: ValueKind = Pair(&LENGTH, &number(0.0, 1e12));

/// A law and its weight.
const WEIGHTED_LAW: ValueKind = TaggedKind(&PART);

const MIXTURE: &[Field] = &[required(
    "parts",
    List(&WEIGHTED_LAW, 1, 100),
    "[{ weight = 1, kind = \"constant\", value = 100 }]",
    "The laws and their weights",
)];

/// The keys of a law of this form; those of a mixture are given, since its parts are of the other forms.
const fn of(form: LengthForm, mixture: &'static [Field]) -> Variant {
    let fields: &[Field] = match form {
        LengthForm::Constant => {
            const { &[required("value", LENGTH, "1000", "The length, in tokens")] }
        }
        LengthForm::Uniform => {
            const {
                &[
                    required(
                        "low",
                        number(0.0, super::MAX_TOKENS as f64),
                        "100",
                        "Least length, in tokens",
                    ),
                    required("high", LENGTH, "2000", "Greatest length, in tokens"),
                ]
            }
        }
        LengthForm::Exponential => const { &[MEAN] },
        LengthForm::Lognormal | LengthForm::Gamma => const { &[MEAN, SPREAD] },
        LengthForm::Erlang => const { &[MEAN, required("k", Integer(1, 10_000), "4", "Stages")] },
        LengthForm::Hyperexponential => {
            const {
                &[
                    MEAN,
                    required(
                        "cv",
                        number(1.0, 20.0),
                        "2.0",
                        "Coefficient of variation, at least 1: standard deviation over mean",
                    ),
                ]
            }
        }
        LengthForm::Empirical => {
            const {
                &[required(
                    "values",
                    List(&WEIGHTED, 1, 100_000),
                    "[[100, 1], [2000, 3]]",
                    "Pairs of a length in tokens and its weight",
                )]
            }
        }
        LengthForm::Mixture => mixture,
    };
    Variant {
        tag: form.entry(),
        fields,
    }
}
