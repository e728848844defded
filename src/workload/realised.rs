//! What a class will really draw, beside what the scenario states.
//!
//! Rounding to whole tokens, the least length of 1 and the bounds of a law move the mean of short or
//! clamped lengths away from the stated one; `check` prints both and warns beyond 0.1 % (S3). All
//! figures are expectations, integrated over the tables, not samples.

use std::collections::BTreeMap;
use std::fmt;

use super::generator::Workload;
use super::length_law;
use crate::scenario::Scenario;

/// Expected requests and lengths of one class over a day, averaged over its requests.
#[derive(Clone, Debug, PartialEq)]
pub struct Realised {
    /// Name of the class.
    pub class: String,
    /// Requests in a day.
    pub requests_per_day: f64,
    /// Mean input, in tokens, of the laws as stated.
    pub stated_input: f64,
    /// Mean input, in tokens, as drawn.
    pub input: f64,
    /// Mean output, in tokens, of the laws as stated.
    pub stated_output: f64,
    /// Mean output, in tokens, as drawn.
    pub output: f64,
    /// Cached over input tokens, as drawn.
    pub hit_rate: f64,
}

/// A fact about the workload that a careful reader should know.
#[derive(Clone, Debug, PartialEq)]
pub enum WorkloadWarning {
    /// Rounding and clamping move a mean length by more than [`TOLERANCE`].
    MeanMoved {
        /// Name of the class.
        class: String,
        /// Which length it is: `input` or `output`.
        length: &'static str,
        /// Mean of the law as stated, in tokens.
        stated: f64,
        /// Mean of what is drawn, in tokens.
        realised: f64,
    },
}

/// How far a realised mean may be from the stated one without a warning (S3), as a part of it.
pub const TOLERANCE: f64 = 1e-3;

/// The expectations of every class, in order. A class without requests is averaged over its periods
/// alike.
pub fn realised(scenario: &Scenario, workload: &Workload) -> Vec<Realised> {
    let classes = scenario.classes.iter().zip(workload.sources());
    classes
        .map(|(class, source)| {
            let periods = source.periods.len();
            let mut weights = source.profile.requests_by_period(periods);
            let mut total: f64 = weights.iter().sum();
            if total <= 0.0 {
                (weights, total) = (vec![1.0; periods], periods as f64);
            }
            let (stated_input, stated_output) = (
                length_law::mean(&class.input.law),
                length_law::mean(&class.output.law),
            );
            let mut sums = [0.0; 5];
            let (mut inputs, mut outputs) = (BTreeMap::new(), BTreeMap::new());
            let each = source
                .periods
                .iter()
                .zip(&class.arrivals.periods)
                .zip(weights);
            for ((draw, period), weight) in each {
                let (input, hit_rate) = *inputs
                    .entry((period.input_scale.to_bits(), period.hit_rate.to_bits()))
                    .or_insert_with(|| {
                        let lengths = source.input.distribution(draw.input_scale);
                        let mean = lengths.mean();
                        (mean, draw.hits.expected_rate(&lengths, mean))
                    });
                let output = *outputs
                    .entry(period.output_scale.to_bits())
                    .or_insert_with(|| source.output.distribution(draw.output_scale).mean());
                let figures = [
                    stated_input * period.input_scale,
                    input,
                    stated_output * period.output_scale,
                    output,
                    input * hit_rate,
                ];
                sums.iter_mut()
                    .zip(figures)
                    .for_each(|(sum, figure)| *sum += weight * figure);
            }
            Realised {
                class: source.name.clone(),
                requests_per_day: source.profile.requests_per_day(),
                stated_input: sums[0] / total,
                input: sums[1] / total,
                stated_output: sums[2] / total,
                output: sums[3] / total,
                hit_rate: sums[4] / sums[1],
            }
        })
        .collect()
}

/// The warnings that these expectations deserve.
pub fn warnings(realised: &[Realised]) -> Vec<WorkloadWarning> {
    let lengths = realised.iter().flat_map(|class| {
        [
            (class, "input", class.stated_input, class.input),
            (class, "output", class.stated_output, class.output),
        ]
    });
    lengths
        .filter(|(_, _, stated, realised)| (realised - stated).abs() > TOLERANCE * stated)
        .map(|(class, length, stated, realised)| {
            let class = class.class.clone();
            WorkloadWarning::MeanMoved {
                class,
                length,
                stated,
                realised,
            }
        })
        .collect()
}

impl fmt::Display for WorkloadWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::MeanMoved {
            class,
            length,
            stated,
            realised,
        } = self;
        write!(
            f,
            "class `{class}`: rounding and bounds move the mean {length} from {stated:.2} to \
             {realised:.2} tokens ({:+.2} %)",
            (realised / stated - 1.0) * 100.0
        )
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::fixture::{HalfDay, PLAIN, class, class_of, lognormal, scenario};
    use super::*;

    #[test]
    fn long_lengths_are_as_stated_and_short_ones_are_not() {
        let late = HalfDay {
            input_mean: 6000.0,
            hit_rate: 0.8,
            ..PLAIN
        };
        let plain = class("long", "poisson", 1.0, [PLAIN, late]);
        let brief = HalfDay {
            output_mean: 1.0,
            ..PLAIN
        };
        let laws = [&lognormal(3000.0), "{ kind = 'exponential', mean = 1.0 }"];
        let clamped = class_of("short", "poisson", 1.0, [brief; 2], laws);
        let scenario = scenario(&[plain, clamped]);
        let realised = realised(&scenario, &Workload::new(&scenario).unwrap());

        let long = &realised[0];
        assert_eq!((long.stated_input, long.stated_output), (4500.0, 500.0));
        assert!((long.input - 4500.0).abs() < 0.01, "{long:?}");
        // Half of the requests bring 3,000 tokens at 50 %, half 6,000 at 80 %.
        assert!((long.hit_rate - 0.7).abs() < 1e-6, "{long:?}");
        assert_eq!(long.requests_per_day, 86_400.0);

        // E[max(1, round X)] = 1 + sum over n >= 1 of exp(-n - 1/2), X exponential with mean 1.
        let expected = 1.0 + libm::exp(-1.5) / (1.0 - libm::exp(-1.0));
        assert!(
            (realised[1].output / expected - 1.0).abs() < 1e-5,
            "{:?}",
            realised[1]
        );
        let warnings: Vec<_> = warnings(&realised).iter().map(|w| w.to_string()).collect();
        assert_eq!(
            warnings,
            [
                "class `short`: rounding and bounds move the mean output from 1.00 to 1.35 tokens \
              (+35.30 %)"
            ]
        );
    }
}
