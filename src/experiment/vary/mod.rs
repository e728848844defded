//! What varies: keys of the scenario, and what they go over. One grammar for every `--vary` and every `vary` in a
//! scenario, and for the bounds of `plan --units`:
//!
//! | text | means |
//! |---|---|
//! | `kv_cache.hit_rate=0.3,0.5,0.7` | these values, typed as for `--set` |
//! | `pools.decode.units=1..9:2` | from 1 to 9 in steps of 2; whole numbers without a step go by 1 |
//! | `duration=10min..60min:10min` | the same with a unit |
//! | `class.chat.arrivals.requests_per_s=log(1,1000,7)` | seven values in equal ratios |
//! | `kv_cache.hit_rate=0.1..0.9`, `k=log(1.0,1000.0)` | all between: samples of a sweep only |
//! | `a,b=(1,2),(3,4)` | linked: both keys change together |
//!
//! A range whose ends are written as whole numbers has whole numbers only.

mod vary_text;

use std::ops::Range;
use std::sync::Arc;

use crate::scenario::{AxisPiece, KeyChange, SourceText};
pub use vary_text::parse;

/// Keys that change together, what they go over, and where that was written.
#[derive(Clone, Debug)]
pub struct VaryAxis {
    /// The whole text, and what people call the place: `argument --vary`.
    pub written: Arc<SourceText>,
    /// Paths of the keys in the scenario.
    pub keys: Vec<AxisPiece>,
    /// Values that the keys take.
    pub values: AxisValues,
}

/// The values of an axis.
#[derive(Clone, Debug, PartialEq)]
pub enum AxisValues {
    /// Rows of values, one for each key.
    List(Vec<Vec<AxisPiece>>),
    /// All numbers between two, for samples.
    Between(AxisRange),
}

/// A range of numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct AxisRange {
    /// Least number of the range.
    pub low: f64,
    /// Greatest number of the range.
    pub high: f64,
    /// Whether the axis goes by ratios; false: by differences.
    pub is_log: bool,
    /// Unit of time that is written after the number; empty: none.
    pub unit: String,
    /// Bytes of the axis in which the range is written.
    pub at: Range<usize>,
}

/// Why a text is no axis, or none for the command that was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VaryError {
    /// What people call the place in which the text is written.
    pub source: String,
    /// The text that was read.
    pub text: String,
    /// Bytes of the text that are wrong.
    pub at: Range<usize>,
    /// What is wrong, and what to write.
    pub why: String,
}

/// How a command speaks of what it takes.
#[derive(Clone, Copy, Debug)]
pub struct VaryWords {
    /// What a wrong text is not, such as an axis.
    title: &'static str,
    /// Help: what to write.
    help: &'static str,
}

/// Axes of a sweep.
pub const AXIS: VaryWords = VaryWords {
    title: "not an axis",
    help: "write key=1,2,3 or key=1..9:2 or key=log(1,1000,7), or linked keys: a,b=(1,2),(3,4)",
};

/// Choices of a plan.
pub const CHOICE: VaryWords = VaryWords {
    title: "not a choice",
    help: "write pools.mixed.parallelism.tensor=2,4 or key=1..9:2 or key=log(1,1000,7), or linked keys: \
           a,b=(1,2),(3,4)",
};

/// Bounds of a plan's units.
pub const UNITS: VaryWords = VaryWords {
    title: "no bounds of units",
    help: "write decode=1..9 or prefill=2",
};

impl VaryError {
    /// The error in the look of mistakes in a scenario.
    pub fn show(&self, words: &VaryWords) -> String {
        let chars = |bytes: &str| bytes.chars().count();
        let column = chars(&self.text[..self.at.start]);
        let marks = chars(&self.text[self.at.clone()]).max(1);
        format!(
            "{}\n --> {}:1:{}\n  |\n1 | {}\n  | {}{} {}\n  |\n  = help: {}",
            words.title,
            crate::report::format::plain(&self.source),
            column + 1,
            crate::report::format::plain(&self.text),
            " ".repeat(column),
            "^".repeat(marks),
            self.why,
            words.help
        )
    }
}

impl VaryAxis {
    /// The error that a part of the axis is not for the command that was asked.
    pub fn wrong(&self, at: &Range<usize>, why: impl Into<String>) -> VaryError {
        VaryError {
            source: self.written.name.clone(),
            text: self.written.text.clone(),
            at: at.clone(),
            why: why.into(),
        }
    }

    /// The changes of a scenario that a row of values makes.
    pub fn changes(&self, row: &[AxisPiece]) -> impl Iterator<Item = KeyChange> {
        let keys = self.keys.iter().zip(row);
        keys.map(|(key, value)| KeyChange::in_axis(&self.written, key, value))
    }

    /// Whether the axis varies a key.
    pub fn has(&self, key: &str) -> bool {
        self.keys.iter().any(|own| own.text == key)
    }

    /// Whether another axis varies one of the same keys.
    pub fn meets(&self, other: &Self) -> bool {
        self.keys.iter().any(|key| other.has(&key.text))
    }
}

/// Checks that no key varies in two axes: nobody could tell which of them holds.
///
/// # Errors
/// Where there is one.
pub fn each_key_once<'a>(axes: impl IntoIterator<Item = &'a VaryAxis>) -> Result<(), VaryError> {
    let mut before: Vec<&VaryAxis> = Vec::new();
    for axis in axes {
        let taken = |key: &&AxisPiece| before.iter().any(|other| other.has(&key.text));
        if let Some(key) = axis.keys.iter().find(taken) {
            return Err(axis.wrong(
                &key.at,
                "this key varies already; link the two, or drop one",
            ));
        }
        before.push(axis);
    }
    Ok(())
}
