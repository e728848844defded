//! Lengths of requests, in tokens: draws from a law, scaled, rounded and clamped (S3).
//!
//! A continuous law is drawn from its quantile table, recorded values from their cumulated weights
//! (exact steps). A mixture first chooses its part with the same random number, shorter parts at
//! smaller numbers, and spends what is left of the number on the part: each part keeps the full
//! accuracy of its own table, and jumps between parts stay jumps. Integers only, once built.

use super::distribution::LengthDistribution;
use super::length_law::{self, Quantile};
use super::quantile::{QuantilePiece, QuantileTable};
use super::rank_table::RankTable;
use crate::scenario::{Law, LengthLaw};

/// A law of lengths, ready for drawing.
#[derive(Clone, Debug)]
pub struct Lengths {
    source: ValueSource,
    min: u64,
    max: u64,
}

/// A factor on drawn lengths, in 2^-40; at most 2^24.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LengthScale(u64);

/// Where values before scaling come from, in 2^-24 tokens.
#[derive(Clone, Debug)]
enum ValueSource {
    Constant(u64),
    Smooth(QuantileTable),
    Steps(Vec<LengthStep>),
    Mixture(Vec<MixturePart>),
}

/// A recorded value: drawn for random numbers below `below` (and not below the step before).
#[derive(Clone, Copy, Debug)]
struct LengthStep {
    below: u64,
    value: u64,
}

/// A part of a mixture: drawn for random numbers from `from`, `width` of them.
#[derive(Clone, Debug)]
struct MixturePart {
    from: u64,
    width: u64,
    /// Reciprocal of `width`: 2^127 over `width` with its leading zeros shifted out.
    stretch: u64,
    source: ValueSource,
}

/// Bits of a token's fraction in a table. 2^-24 leaves the mean of short lengths exact to 10^-7.
const TOKEN_BITS: u32 = 24;
const SCALE_BITS: u32 = 64 - TOKEN_BITS;
/// How many 64-bit random numbers there are.
const RANDOMS: f64 = 18_446_744_073_709_551_616.0;

impl LengthScale {
    /// The scale of a factor; negative ones and NaN become zero.
    pub fn new(factor: f64) -> Self {
        Self((factor * Self::one() + 0.5) as u64)
    }

    /// The factor that is applied to lengths.
    pub fn factor(self) -> f64 {
        self.0 as f64 / Self::one()
    }

    fn one() -> f64 {
        (1_u64 << SCALE_BITS) as f64
    }
}

impl Lengths {
    /// Builds the tables of a law.
    pub fn new(law: &LengthLaw) -> Self {
        let (min, max) = (u64::from(law.min.max(1)), u64::from(law.max.max(1)));
        Self {
            source: ValueSource::new(&law.law),
            min,
            max: max.max(min),
        }
    }

    /// The length that `random` addresses, in tokens.
    #[inline]
    pub fn at(&self, random: u64, scale: LengthScale) -> u32 {
        self.round(self.source.at(random), scale)
    }

    /// Writes the lengths that `randoms` address, in tokens, to `lengths`, which is as long.
    pub fn fill(&self, randoms: &[u64], scale: LengthScale, lengths: &mut [u32]) {
        let each = lengths.iter_mut().zip(randoms);
        match &self.source {
            ValueSource::Smooth(table) => {
                each.for_each(|(length, random)| *length = self.round(table.at(*random), scale));
            }
            ValueSource::Constant(value) => lengths.fill(self.round(*value, scale)),
            _ => each.for_each(|(length, random)| *length = self.at(*random, scale)),
        }
    }

    /// The length of a drawn value: max(1, floor(value x scale + 1/2)), clamped to the bounds.
    #[inline]
    pub(super) fn round(&self, value: u64, scale: LengthScale) -> u32 {
        let scaled = u128::from(value) * u128::from(scale.0) + (1 << 63);
        ((scaled >> 64) as u64).clamp(self.min, self.max) as u32
    }

    /// Values of the law by their rank, in 2^-24 tokens, before rounding.
    pub(super) fn ranks(&self) -> RankTable {
        let pieces = |source: &ValueSource, weight: f64| {
            let mut pieces = Vec::new();
            source.add_pieces(weight, &mut pieces);
            pieces
        };
        let parts = match &self.source {
            ValueSource::Mixture(parts) => {
                let each = parts.iter();
                each.map(|part| pieces(&part.source, share(part.width)))
                    .collect()
            }
            single => vec![pieces(single, 1.0)],
        };
        RankTable::new(parts, (1_u64 << TOKEN_BITS) as f64)
    }

    /// The distribution of lengths under one scale.
    pub fn distribution(&self, scale: LengthScale) -> LengthDistribution {
        let mut pieces = Vec::new();
        self.source.add_pieces(1.0, &mut pieces);
        LengthDistribution::new(pieces, scale.factor(), self.min, self.max)
    }
}

impl ValueSource {
    fn new(law: &Law) -> Self {
        let unit = (1_u64 << TOKEN_BITS) as f64;
        if let Some(mut quantile) = Quantile::new(law) {
            return Self::Smooth(QuantileTable::new(unit, |side, p| quantile.at(side, p)));
        }
        match law {
            Law::Mixture { parts } => {
                let mut parts: Vec<_> = parts.iter().filter(|(w, _)| *w > 0.0).collect();
                parts.sort_by(|(_, a), (_, b)| length_law::mean(a).total_cmp(&length_law::mean(b)));
                let limits = cumulate(parts.iter().map(|(weight, _)| *weight));
                let mut from = 0;
                let parts = parts.iter().zip(limits).map(|((_, law), below)| {
                    let part = MixturePart::new(from, below - from, Self::new(law));
                    from = below;
                    part
                });
                Self::Mixture(parts.filter(|part| part.width > 0).collect())
            }
            Law::Empirical { values } => {
                let limits = cumulate(values.iter().map(|(_, weight)| *weight));
                let steps = values.iter().zip(limits);
                Self::Steps(
                    steps
                        .map(|((value, _), below)| LengthStep {
                            below,
                            value: (value * unit) as u64,
                        })
                        .collect(),
                )
            }
            single => Self::Constant((length_law::mean(single) * unit + 0.5) as u64),
        }
    }

    #[inline]
    fn at(&self, random: u64) -> u64 {
        match self {
            Self::Constant(value) => *value,
            Self::Smooth(table) => table.at(random),
            Self::Steps(steps) => {
                let i = steps.partition_point(|step| step.below <= random);
                steps.get(i).or(steps.last()).map_or(0, |step| step.value)
            }
            Self::Mixture(parts) => {
                let i = parts.partition_point(|part| part.from <= random);
                parts
                    .get(i.saturating_sub(1))
                    .map_or(0, |part| part.at(random))
            }
        }
    }

    fn add_pieces(&self, weight: f64, pieces: &mut Vec<QuantilePiece>) {
        let token = (1_u64 << TOKEN_BITS) as f64;
        let atom = |weight: f64, value: u64| {
            let tokens = value as f64 / token;
            QuantilePiece {
                weight,
                from: tokens,
                to: tokens,
            }
        };
        match self {
            Self::Constant(value) => pieces.push(atom(weight, *value)),
            Self::Smooth(table) => pieces.extend(table.pieces().map(|piece| QuantilePiece {
                weight: weight * piece.weight,
                ..piece
            })),
            Self::Steps(steps) => {
                let mut from = 0;
                for step in steps {
                    pieces.push(atom(weight * share(step.below - from), step.value));
                    from = step.below;
                }
            }
            Self::Mixture(parts) => {
                for part in parts {
                    part.source.add_pieces(weight * share(part.width), pieces);
                }
            }
        }
    }
}

impl MixturePart {
    fn new(from: u64, width: u64, source: ValueSource) -> Self {
        let normal = u128::from(width.max(1)) << width.max(1).leading_zeros();
        let stretch = u64::try_from((1_u128 << 127) / normal).unwrap_or(u64::MAX);
        Self {
            from,
            width,
            stretch,
            source,
        }
    }

    /// Stretches the part's random numbers over all random numbers.
    #[inline]
    fn at(&self, random: u64) -> u64 {
        let place = (random - self.from).min(self.width - 1) << self.width.leading_zeros();
        self.source
            .at(((u128::from(place) * u128::from(self.stretch)) >> 63) as u64)
    }
}

/// Ends of each weight's share of the random numbers; the last share takes what rounding leaves.
fn cumulate(weights: impl Iterator<Item = f64> + Clone) -> Vec<u64> {
    let total: f64 = weights.clone().sum();
    let mut sum = 0.0;
    let mut limits: Vec<u64> = weights
        .map(|weight| {
            sum += weight;
            (sum / total * RANDOMS) as u64
        })
        .collect();
    if let Some(last) = limits.last_mut() {
        *last = u64::MAX;
    }
    limits
}

/// The probability of `width` random numbers.
fn share(width: u64) -> f64 {
    width as f64 / RANDOMS
}
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::quantile::integrate;
    use super::super::random::Stream;
    use super::*;
    use rand::SeedableRng;
    use rand_distr::Distribution as _;

    fn law(law: Law) -> LengthLaw {
        LengthLaw {
            law,
            min: 1,
            max: 1 << 24,
        }
    }

    fn hyperexponential() -> Law {
        // cv^2 = 4, balanced means: p = (1 + sqrt(3/5)) / 2.
        let p = 0.5 * (1.0 + 0.6_f64.sqrt());
        let phase = |p: f64| (p, Law::Exponential { mean: 500.0 / p });
        Law::Mixture {
            parts: vec![phase(p), phase(1.0 - p)],
        }
    }

    #[test]
    fn a_mixture_has_its_own_mean_and_cv() {
        let mut pieces = Vec::new();
        ValueSource::new(&hyperexponential()).add_pieces(1.0, &mut pieces);
        let (mean, cv) = integrate(pieces.into_iter());
        assert!((mean / 1000.0 - 1.0).abs() < 1e-6, "{mean}");
        assert!((cv / 2.0 - 1.0).abs() < 1e-5, "{cv}");
    }

    #[test]
    fn lengths_are_rounded_half_up_and_clamped() {
        let at = |value: f64, scale: f64| {
            let law = LengthLaw {
                law: Law::Constant { value },
                min: 2,
                max: 100,
            };
            Lengths::new(&law).at(0, LengthScale::new(scale))
        };
        assert_eq!(at(41.5, 1.0), 42);
        assert_eq!(at(41.499, 1.0), 41);
        assert_eq!(at(0.2, 1.0), 2);
        assert_eq!(at(0.2, 100.0), 20);
        assert_eq!(at(1e7, 1.0), 100);
        assert_eq!(at(1e7, 1e-6), 10);
    }

    #[test]
    fn recorded_values_are_exact_steps() {
        let lengths = Lengths::new(&law(Law::Empirical {
            values: vec![(10.0, 1.0), (20.0, 2.0), (90.0, 1.0)],
        }));
        let at = |random| lengths.at(random, LengthScale::new(1.0));
        assert_eq!([at(0), at((1 << 62) - 1), at(1 << 62)], [10, 10, 20]);
        assert_eq!([at((3 << 62) - 1), at(3 << 62), at(u64::MAX)], [20, 90, 90]);
        assert_eq!(lengths.distribution(LengthScale::new(1.0)).mean(), 35.0);
    }

    #[test]
    fn a_mixture_spends_its_number_on_the_part() {
        let lengths = Lengths::new(&law(Law::Mixture {
            parts: vec![
                (
                    3.0,
                    Law::Uniform {
                        low: 1000.0,
                        high: 2000.0,
                    },
                ),
                (1.0, Law::Constant { value: 7.0 }),
            ],
        }));
        let at = |random| lengths.at(random, LengthScale::new(1.0));
        assert_eq!([at(0), at((1 << 62) - 1)], [7, 7]);
        // From 1/4 to 1: the lower and upper halves of the uniform part.
        assert_eq!([at(1 << 62), at((5 << 61) - 1)], [1000, 1500]);
        assert_eq!(at(5 << 61), 2000);
        let mean = lengths.distribution(LengthScale::new(1.0)).mean();
        assert!((mean - (0.75 * 1500.0 + 0.25 * 7.0)).abs() < 1e-3, "{mean}");
    }

    #[test]
    fn the_realised_mean_is_the_mean_of_the_probabilities() {
        for (bounds, scale) in [
            ((1, 1 << 24), 1.0),
            ((3, 40), 1.0),
            ((5, 6), 0.5),
            ((9, 9), 2.0),
        ] {
            let law = LengthLaw {
                law: hyperexponential(),
                min: bounds.0,
                max: bounds.1,
            };
            let distribution = Lengths::new(&law).distribution(LengthScale::new(0.01 * scale));
            let probabilities = distribution.probabilities(100_000);
            assert!((probabilities.iter().sum::<f64>() - 1.0).abs() < 1e-9);
            let numbered = probabilities.iter().enumerate();
            let mean: f64 = numbered.map(|(n, p)| n as f64 * p).sum();
            assert!(
                (mean / distribution.mean() - 1.0).abs() < 1e-9,
                "{bounds:?}: {mean}"
            );
        }
    }

    /// The mean of the rounded and clamped lengths of a law whose draws are multiplied by `scale`.
    fn mean_of(law: &LengthLaw, scale: f64) -> f64 {
        let lengths = Lengths::new(law);
        lengths.distribution(LengthScale::new(scale)).mean()
    }

    #[test]
    fn short_lengths_are_longer_than_their_law_says() {
        // E[max(1, round X)], X exponential with mean 2: 1 + sum of P(X >= n + 1/2) over n >= 1.
        let law = law(Law::Exponential { mean: 1.0 });
        let expected = 1.0 + libm::exp(-0.75) / (1.0 - libm::exp(-0.5));
        assert!((mean_of(&law, 2.0) / expected - 1.0).abs() < 1e-5);
    }

    /// Largest distance between the empirical distributions of two samples, times sqrt(n / 2).
    fn kolmogorov_smirnov(a: &mut [f64], b: &mut [f64]) -> f64 {
        a.sort_by(f64::total_cmp);
        b.sort_by(f64::total_cmp);
        let (mut i, mut j, mut worst) = (0, 0, 0);
        while i < a.len() && j < b.len() {
            if a[i] <= b[j] {
                i += 1
            } else {
                j += 1
            }
            worst = worst.max(i.abs_diff(j));
        }
        worst as f64 / (a.len() as f64) * (a.len() as f64 / 2.0).sqrt()
    }

    #[test]
    fn another_library_s_samplers_agree() {
        const N: usize = 20_000;
        // Lognormal: sigma^2 = ln(1 + cv^2), mu = ln mean - sigma^2 / 2; gamma: shape 1 / cv^2.
        let variance = libm::log1p(1.3 * 1.3);
        let mu = libm::log(3909.0) - variance / 2.0;
        let lognormal = rand_distr::LogNormal::new(mu, variance.sqrt()).unwrap();
        let gamma = |cv: f64| rand_distr::Gamma::new(1.0 / (cv * cv), 3909.0 * cv * cv).unwrap();
        let exponential = rand_distr::Exp::new(1.0 / 3909.0).unwrap();
        let mut rng = rand_pcg::Pcg64Mcg::seed_from_u64(7);
        let mut sample = |f: &dyn Fn(&mut rand_pcg::Pcg64Mcg) -> f64| -> Vec<f64> {
            (0..N).map(|_| f(&mut rng)).collect()
        };
        let mean = 3909.0;
        let cases = [
            (
                Law::Lognormal { mean, cv: 1.3 },
                sample(&|r| lognormal.sample(r)),
            ),
            (
                Law::Gamma { mean, cv: 0.5 },
                sample(&|r| gamma(0.5).sample(r)),
            ),
            (
                Law::Gamma { mean, cv: 2.0 },
                sample(&|r| gamma(2.0).sample(r)),
            ),
            (
                Law::Exponential { mean },
                sample(&|r| exponential.sample(r)),
            ),
        ];
        for (law, mut theirs) in cases {
            let source = ValueSource::new(&law);
            let mut stream = Stream::new(7, "input", "test");
            let unit = (1_u64 << TOKEN_BITS) as f64;
            let mut ours: Vec<f64> = (0..N)
                .map(|_| source.at(stream.draw()) as f64 / unit)
                .collect();
            // 1.95 is the 99.9 % point of the Kolmogorov law; the samples are fixed by their seeds.
            let distance = kolmogorov_smirnov(&mut ours, &mut theirs);
            assert!(distance < 1.95, "{law:?}: {distance}");
        }
    }
}
