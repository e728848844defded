//! The prompts of a prefill step that is taken apart: of one length, or the scenario's own mix.

use crate::experiment::plan::average_load::Loads;
use crate::perf::roofline::unit_shape::RooflineUnit;
use crate::scenario::Scenario;

/// Prompts of a step: computed tokens of each, and (query, key) pairs of each token.
#[derive(Clone, Copy)]
pub struct Prompts {
    /// Computed tokens of each prompt.
    pub computed: f64,
    /// (Query, key) pairs of each computed token.
    pub pairs: f64,
}

impl Prompts {
    /// Prompts of one length, without context.
    pub fn alone(computed: f64) -> Self {
        Self {
            computed,
            pairs: (computed + 1.0) / 2.0,
        }
    }

    /// The prompts of a scenario: a computed token stands behind hits, and in long prompts more often than in short
    /// ones; `None`: the load is not known in advance, or nothing is computed.
    pub fn of(scenario: &Scenario) -> Option<Self> {
        let day = Loads::of(scenario)?.day();
        (day.computed >= 1.0).then(|| Self {
            computed: day.computed,
            pairs: day.pairs / day.computed,
        })
    }

    /// The time of a step of `tokens` tokens, in seconds.
    pub fn times(self, unit: &RooflineUnit<'_>, tokens: f64) -> f64 {
        unit.prefill_times(tokens, tokens * self.pairs, self.number(tokens))
            .quicker()
    }

    /// The number of prompts among `tokens` tokens.
    pub fn number(self, tokens: f64) -> f64 {
        (tokens / self.computed).max(1.0)
    }
}
