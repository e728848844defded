//! Numbers that nobody knows exactly: a range or a law where a number, whole number or duration is expected.
//!
//! ```toml
//! hit_rate = { low = 0.4, high = 0.6 }                                        # anywhere between
//! per_token = { kind = "triangular", low = "90us", mode = "100us", high = "150us" }
//! ```
//!
//! The shape of the file stays as it is: before it is checked, each such table is taken out of the tree and
//! its middle put in. Both ends must fit the key's own bounds, and are checked with its own words. All else
//! that reads a scenario sees a plain number, the middle; who plays ranges draws numbers and sets them in
//! the resolved text, as `--set` would.

mod search;
mod uncertain_law;

use super::shape::{Grain, ValueKind};
use super::source::Span;
use super::text::parse_duration;
use super::tree::{TomlNode, TomlValue};
use super::{KeyChange, KeyValue, Mistakes, Scenario};
pub use search::{Taken, take};

/// An input of the scenario that is not known exactly.
#[derive(Clone, Debug, PartialEq)]
pub struct Uncertain {
    /// Path of the input, as for `--set`.
    pub path: String,
    /// Law of the input. Durations are in picoseconds.
    pub law: UncertainLaw,
    /// How a draw of the input is written.
    pub unit: DrawUnit,
}

/// What is known of a number. Every law keeps within `low` and `high`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct UncertainLaw {
    /// Form of the law.
    pub form: LawForm,
    /// Least value of the number.
    pub low: f64,
    /// Greatest value of the number.
    pub high: f64,
}

/// The form of a law.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LawForm {
    /// Uniform between the bounds.
    Uniform,
    /// Uniform of the logarithm between the bounds.
    LogUniform,
    /// Triangular: likeliest at the mode, straight down to both ends.
    Triangular {
        /// Likeliest value of the number.
        mode: f64,
    },
    /// Normal, cut at both ends.
    Normal {
        /// Mean before cutting.
        mean: f64,
        /// Standard deviation before cutting.
        sd: f64,
    },
    /// Lognormal, cut at both ends.
    Lognormal {
        /// Mean before cutting.
        mean: f64,
        /// Standard deviation over mean before cutting.
        cv: f64,
    },
}

/// The form that a draw is rounded to and written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DrawUnit {
    /// A number with a fraction.
    Number,
    /// A whole number.
    Whole,
    /// A duration in whole nanoseconds.
    Nanoseconds,
    /// A duration in whole picoseconds.
    Picoseconds,
}

impl Uncertain {
    /// A value of the input as TOML: whole where it must be.
    pub fn text(&self, x: f64) -> String {
        self.unit.text(x)
    }

    /// A value of the input, for a change of the scenario.
    pub fn value(&self, x: f64) -> KeyValue {
        KeyValue::of(self.unit.node(x, Span::NOWHERE))
    }
}

impl DrawUnit {
    fn text(self, x: f64) -> String {
        match self {
            Self::Number => format!("{x:?}"),
            Self::Whole => format!("{}", libm::round(x) as i128),
            Self::Nanoseconds => format!("\"{}ns\"", libm::round(x / 1e3) as u128),
            Self::Picoseconds => format!("\"{}ps\"", libm::round(x) as u128),
        }
    }

    fn node(self, x: f64, at: Span) -> TomlNode {
        let value = match self {
            Self::Number => TomlValue::Float(x),
            Self::Whole => TomlValue::Integer(libm::round(x) as i128),
            Self::Nanoseconds | Self::Picoseconds => {
                TomlValue::Text(self.text(x).trim_matches('"').to_owned())
            }
        };
        TomlNode { value, at }
    }

    /// The unit of a kind that a range may stand for; `None`: no range may.
    fn of(kind: &ValueKind) -> Option<Self> {
        match kind {
            ValueKind::Number(_) => Some(Self::Number),
            ValueKind::Integer(..) => Some(Self::Whole),
            ValueKind::Duration(_, _, Grain::Nanosecond) => Some(Self::Nanoseconds),
            ValueKind::Duration(_, _, Grain::Picosecond) => Some(Self::Picoseconds),
            ValueKind::Either(one, other) => Self::of(one).or_else(|| Self::of(other)),
            _ => None,
        }
    }

    fn read(self, node: &TomlNode) -> Option<f64> {
        match self {
            Self::Number | Self::Whole => node.number(),
            Self::Nanoseconds | Self::Picoseconds => {
                parse_duration(node.text()?).ok().map(|ps| ps as f64)
            }
        }
    }
}

impl UncertainLaw {
    /// The number that stands for the law where one is wanted: the middle of a range, the likeliest value of a
    /// triangle, the median of the others before cutting.
    pub fn middle(&self) -> f64 {
        let middle = match self.form {
            LawForm::Uniform => self.low + (self.high - self.low) / 2.0,
            LawForm::LogUniform => libm::sqrt(self.low) * libm::sqrt(self.high),
            LawForm::Triangular { mode } => mode,
            LawForm::Normal { mean, .. } => mean,
            LawForm::Lognormal { mean, cv } => mean / libm::sqrt(1.0 + cv * cv),
        };
        middle.clamp(self.low, self.high)
    }
}

/// Tries what the parts of a scenario must be beside one another at all low ends of its uncertain numbers together,
/// and at all high ones.
///
/// # Errors
///
/// The mistakes there.
pub fn both_ends(scenario: &Scenario) -> Result<(), Mistakes> {
    if scenario.uncertain.is_empty() {
        return Ok(());
    }
    let ends: [fn(&UncertainLaw) -> f64; 2] = [|law| law.low, |law| law.high];
    for end in ends {
        let values: Vec<f64> = scenario.uncertain.iter().map(|u| end(&u.law)).collect();
        scenario.drawn(&values)?;
    }
    Ok(())
}

impl Scenario {
    /// The scenario with numbers in the places of its uncertain inputs, in their order.
    ///
    /// # Errors
    ///
    /// Where the numbers do not go together.
    pub fn drawn(&self, values: &[f64]) -> Result<Scenario, Mistakes> {
        let inputs = self.uncertain.iter().zip(values);
        let changes: Vec<KeyChange> = inputs
            .map(|(input, x)| KeyChange::set(&input.path, input.value(*x)))
            .collect();
        self.with(&changes)
    }
}
