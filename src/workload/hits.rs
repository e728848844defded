//! Cache hits at a fixed rate (S4): every prompt finds about the same part of itself in the cache, in
//! whole blocks of 64 tokens, and at least its last token is computed.
//!
//! cached = min(64 floor(f I / 64 + u), 64 floor((I - 1) / 64)), u uniform in [0, 1). Over u, the
//! expectation is min(f I, 64 floor((I - 1) / 64)) exactly: the floor takes one of two neighbours in
//! the proportion that makes its mean f I / 64, unless both are capped. Only short prompts are, which
//! is why f must be a little above the hit rate; it is found once, from the probabilities of the
//! lengths below 64 / (1 - f).

use super::distribution::LengthDistribution;

/// The factor f of S4 that turns input into cached tokens, in 2^-38.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HitFactor(u64);

/// Tokens in a block of the cache (DeepSeek's context cache: "64 tokens as a storage unit",
/// api-docs.deepseek.com, "Context Caching").
const BLOCK: u64 = 64;
const BLOCK_BITS: u32 = 6;
const FACTOR_BITS: u32 = 38;
/// How closely the stated hit rate is met, as a part of it.
const TOLERANCE: f64 = 1e-9;
/// Least step of f that is not lost when f is rounded: an eighth of its grain.
const SMALLEST_STEP: f64 = 1.0 / (1_u64 << (FACTOR_BITS + 3)) as f64;
/// Longest prompts that may count as capped, in tokens: longer ones lose at most 64, less than 10^-4 of themselves.
const LONGEST_CAPPED: f64 = (1_u64 << 20) as f64;

impl HitFactor {
    /// The factor under which nothing hits.
    pub const ZERO: Self = Self(0);

    /// The factor under which `hit_rate` of all input tokens hit, to 10^-4, given the distribution
    /// and the mean of the input lengths.
    ///
    /// # Errors
    ///
    /// If short prompts do not let so many tokens hit; the error is the largest rate that is possible.
    pub fn solve(lengths: &LengthDistribution, mean: f64, hit_rate: f64) -> Result<Self, f64> {
        let mut factor = hit_rate;
        let mut probabilities = Vec::new();
        // Cached tokens are a concave function of f: Newton's steps come from below and never pass
        // the solution. The function has finitely many straight pieces, so the steps end; so do they where
        // one is too small to move the factor that is drawn with, however small the rate is.
        while factor < 1.0 {
            extend(&mut probabilities, lengths, factor);
            let (cached, slope) = expectation(&probabilities, mean, factor);
            let missing = hit_rate * mean - cached;
            let is_met = missing <= TOLERANCE * hit_rate * mean;
            if !is_met && slope <= TOLERANCE * mean {
                break; // every prompt is capped: a larger f changes nothing
            }
            if is_met || missing / slope < SMALLEST_STEP {
                return Ok(Self((factor * (1_u64 << FACTOR_BITS) as f64 + 0.5) as u64));
            }
            factor += missing / slope;
        }
        extend(&mut probabilities, lengths, 1.0);
        // Rounding may leave it a little below nothing.
        Err((expectation(&probabilities, mean, 1.0).0 / mean).max(0.0))
    }

    /// The expected part of the input tokens that hit.
    pub fn expected_rate(self, lengths: &LengthDistribution, mean: f64) -> f64 {
        let factor = self.0 as f64 / (1_u64 << FACTOR_BITS) as f64;
        let mut probabilities = Vec::new();
        extend(&mut probabilities, lengths, factor);
        expectation(&probabilities, mean, factor).0 / mean
    }

    /// Tokens of a prompt that hit: a multiple of 64, less than `input`, which is below 2^25 and
    /// at least 1. `random` is uniform over all 64-bit numbers.
    #[inline]
    pub fn cached(self, input: u32, random: u64) -> u32 {
        let fraction_bits = FACTOR_BITS + BLOCK_BITS;
        let u = random >> (64 - fraction_bits);
        let blocks = (u64::from(input) * self.0 + u) >> fraction_bits;
        let whole = u64::from((input - 1) >> BLOCK_BITS);
        (blocks.min(whole) << BLOCK_BITS) as u32
    }
}

/// Makes `probabilities` reach all lengths that may be capped under `factor`.
fn extend(probabilities: &mut Vec<f64>, lengths: &LengthDistribution, factor: f64) {
    let capped = (BLOCK as f64 / (1.0 - factor) + BLOCK as f64).min(LONGEST_CAPPED);
    if capped >= probabilities.len() as f64 {
        *probabilities = lengths.probabilities(2 * capped as u64);
    }
}

/// The expected cached tokens of a request under `factor`, and the derivative by it.
fn expectation(probabilities: &[f64], mean: f64, factor: f64) -> (f64, f64) {
    let (mut cached, mut slope) = (factor * mean, mean);
    for (n, p) in (0_u64..).zip(probabilities).skip(1) {
        let whole = (BLOCK * ((n - 1) / BLOCK)) as f64;
        let wanted = factor * n as f64;
        if wanted > whole {
            cached -= p * (wanted - whole);
            slope -= p * n as f64;
        }
    }
    (cached, slope)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::length::{LengthScale, Lengths};
    use super::super::random::Stream;
    use super::*;
    use crate::scenario::{Law, LengthLaw};

    fn lengths(law: Law) -> Lengths {
        Lengths::new(&LengthLaw {
            law,
            min: 1,
            max: 1 << 24,
        })
    }

    fn solve(lengths: &Lengths, hit_rate: f64) -> Result<HitFactor, f64> {
        let distribution = lengths.distribution(LengthScale::new(1.0));
        HitFactor::solve(&distribution, distribution.mean(), hit_rate)
    }

    #[test]
    fn the_factor_gives_the_rate() {
        for (mean, cv, rate) in [
            (3909.0, 1.3, 0.563),
            (500.0, 1.0, 0.8),
            (200.0, 0.3, 0.5),
            (20_000.0, 0.5, 0.995),
        ] {
            let lengths = lengths(Law::Lognormal { mean, cv });
            let distribution = lengths.distribution(LengthScale::new(1.0));
            let factor = solve(&lengths, rate).unwrap();
            // Independently of `expectation`: over evenly spread quantiles, each with evenly spread
            // u, of the lengths and hits that a run would draw.
            let (mut input, mut cached) = (0.0, 0.0);
            let mut u = 0_u64;
            for i in 0..100_000_u64 {
                let length = lengths.at((2 * i + 1) * (u64::MAX / 200_000), LengthScale::new(1.0));
                u = u.wrapping_add(0x9e37_79b9_7f4a_7c15);
                input += f64::from(length);
                cached += f64::from(factor.cached(length, u));
            }
            assert!(
                (cached / input - rate).abs() < 3e-4 * rate,
                "{rate}: {}",
                cached / input
            );
            let expected = factor.expected_rate(&distribution, distribution.mean());
            assert!((expected - rate).abs() < 1e-8, "{rate}: {expected}");
        }
    }

    #[test]
    fn of_one_length_everything_is_known() {
        // 640 tokens: whole blocks for all but the last token make 576 = 9 blocks, 90 %.
        let lengths = lengths(Law::Constant { value: 640.0 });
        assert_eq!(solve(&lengths, 0.5), Ok(HitFactor(1 << 37)));
        assert_eq!(solve(&lengths, 0.0), Ok(HitFactor::ZERO));
        assert!(solve(&lengths, 0.9).is_ok());
        let largest = solve(&lengths, 0.91).unwrap_err();
        assert!((largest - 0.9).abs() < 1e-9, "{largest}");
    }

    #[test]
    fn rates_too_small_for_numbers_end_as_none() {
        let lengths = lengths(Law::Lognormal {
            mean: 1000.0,
            cv: 1.0,
        });
        for rate in [f64::MIN_POSITIVE, 1e-315, 5e-324, 1e-300, 1e-100, 1e-20] {
            assert_eq!(solve(&lengths, rate), Ok(HitFactor::ZERO), "{rate:e}");
        }
        // A few grains: the solution is as near as the grain lets it be.
        for rate in [1e-11, 1e-9, 1e-6] {
            let HitFactor(grains) = solve(&lengths, rate).unwrap();
            let factor = grains as f64 / (1_u64 << FACTOR_BITS) as f64;
            assert!(
                (1.0..1.1).contains(&(factor / rate)),
                "{rate:e}: {factor:e}"
            );
        }
    }

    #[test]
    fn prompts_of_a_block_never_hit() {
        let largest = solve(
            &lengths(Law::Uniform {
                low: 1.0,
                high: 64.0,
            }),
            0.1,
        )
        .unwrap_err();
        assert!(largest.abs() < 1e-12, "{largest}");
    }

    #[test]
    fn hits_are_whole_blocks_and_leave_a_token() {
        let factor = solve(
            &lengths(Law::Lognormal {
                mean: 700.0,
                cv: 1.0,
            }),
            0.85,
        )
        .unwrap();
        let mut stream = Stream::new(3, "hits", "test");
        for input in 1..5000 {
            let cached = factor.cached(input, stream.draw());
            assert!(
                cached < input && cached.is_multiple_of(64),
                "{cached} of {input}"
            );
            // Within a block of the exact product, unless capped.
            let wanted = factor.0 as f64 / (1_u64 << FACTOR_BITS) as f64 * f64::from(input);
            let capped = cached == 64 * ((input - 1) / 64);
            assert!(capped || (f64::from(cached) - wanted).abs() <= 64.0);
            assert!(f64::from(cached) < wanted + 64.0);
        }
    }
}
