//! What is known of a recording without its rows.

use std::collections::BTreeMap;

use super::class::{Law, LengthLaw};
use super::trace_play::TraceRow;
use crate::units::SimDuration;

/// What one time through a recording holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TraceFacts {
    /// Requests that are played.
    pub count: u64,
    /// Arrival of the last of them.
    pub last: SimDuration,
    /// Input tokens of all of them.
    pub input_tokens: u64,
    /// Output tokens of all of them.
    pub output_tokens: u64,
    /// The longest input and output together, in tokens.
    pub longest: u64,
    /// Cached input tokens that are recorded.
    pub cached_tokens: u64,
    /// Whether the hits of one of them are recorded.
    pub states_hits: bool,
    /// Whether the hits of one of them are not recorded.
    pub draws_hits: bool,
    /// How often each input and each output length comes.
    lengths: [BTreeMap<u32, u64>; 2],
}

impl TraceFacts {
    /// What these rows, which are in any order, hold.
    pub fn of(rows: impl Iterator<Item = TraceRow>) -> Self {
        let mut facts = Self::default();
        rows.for_each(|row| facts.see(&row));
        facts
    }

    /// Facts of rows that are not counted yet: any number of them may come.
    pub fn unknown() -> Self {
        Self {
            count: u64::MAX,
            ..Self::default()
        }
    }

    /// All facts but the time of the last row, which is another one.
    pub fn ending(&self, last: SimDuration) -> Self {
        Self {
            last,
            ..self.clone()
        }
    }

    /// Counts a row.
    pub fn see(&mut self, row: &TraceRow) {
        let (input, output) = (u64::from(row.input), u64::from(row.output));
        self.count += 1;
        self.last = self.last.max(row.at);
        self.input_tokens += input;
        self.output_tokens += output;
        self.longest = self.longest.max(input + output);
        self.cached_tokens += u64::from(row.cached.unwrap_or(0));
        self.states_hits |= row.cached.is_some();
        self.draws_hits |= row.cached.is_none();
        for (counts, length) in self.lengths.iter_mut().zip([row.input, row.output]) {
            *counts.entry(length).or_default() += 1;
        }
    }

    /// The longest input, in tokens.
    pub fn longest_input(&self) -> u32 {
        self.lengths[0].keys().next_back().copied().unwrap_or(1)
    }

    /// The laws of inputs and outputs.
    pub fn laws(&self) -> [LengthLaw; 2] {
        self.lengths.each_ref().map(|counts| {
            let values = counts.iter();
            LengthLaw {
                min: counts.keys().next().copied().unwrap_or(1),
                max: counts.keys().next_back().copied().unwrap_or(1),
                law: Law::Empirical {
                    values: values
                        .map(|(n, count)| (f64::from(*n), *count as f64))
                        .collect(),
                },
            }
        })
    }

    /// Different lengths that are counted.
    pub fn entries(&self) -> u64 {
        self.lengths.iter().map(|counts| counts.len() as u64).sum()
    }
}
