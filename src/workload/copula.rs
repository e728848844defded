//! Lengths that depend on one another (S3): inputs and outputs with a stated rank correlation, by a Gaussian copula.
//!
//! Each length keeps its own law. What joins them is a pair of normal variables with correlation r = 2 sin(pi s / 6), whose
//! ranks have Spearman's correlation s (Kruskal, "Ordinal Measures of Association", 1958): the first is that of the
//! input's rank, the second becomes the rank of the output. Only the joining needs transcendental functions (libm).

use super::length::{LengthScale, Lengths};
use super::normal;
use super::rank_table::RankTable;

/// Inputs and outputs that depend on one another.
#[derive(Clone, Debug)]
pub struct LengthPairs {
    ranks: [RankTable; 2],
    copula: Copula,
}

/// A Gaussian copula.
#[derive(Clone, Copy, Debug)]
pub struct Copula {
    /// Correlation of the normal variables.
    shared: f64,
    /// What the second has of its own.
    own: f64,
}

/// Number of 64-bit numbers.
const RANDOMS: f64 = 18_446_744_073_709_551_616.0;

impl LengthPairs {
    /// Lengths of these laws whose ranks have a correlation.
    pub fn new(input: &Lengths, output: &Lengths, rank_correlation: f64) -> Self {
        Self {
            ranks: [input.ranks(), output.ranks()],
            copula: Copula::new(rank_correlation),
        }
    }

    /// An input and an output, in tokens, for two random numbers. The first addresses the input as it does where lengths
    /// do not depend on one another.
    pub fn at(
        &self,
        laws: [&Lengths; 2],
        randoms: [u64; 2],
        scales: [LengthScale; 2],
    ) -> (u32, u32) {
        let [input, output] = randoms.map(rank);
        let output = self.copula.join(input, output);
        let [inputs, outputs] = &self.ranks;
        (
            laws[0].round(inputs.at(input), scales[0]),
            laws[1].round(outputs.at(output), scales[1]),
        )
    }
}

/// The rank of what a random number addresses in a quantile table, whose upper half runs downwards.
fn rank(random: u64) -> u64 {
    match random < 1 << 63 {
        true => random,
        false => (1 << 63) + (u64::MAX - random),
    }
}

impl Copula {
    /// The copula under which ranks have this correlation, between -1 and 1.
    pub fn new(rank_correlation: f64) -> Self {
        let shared = 2.0 * libm::sin(std::f64::consts::PI * rank_correlation / 6.0);
        Self {
            shared,
            own: libm::sqrt((1.0 - shared * shared).max(0.0)),
        }
    }

    /// The rank of the second, joined to that of the first; `own` is a rank that depends on nothing.
    pub fn join(self, first: u64, own: u64) -> u64 {
        let z = self.shared * normal_of(first) + self.own * normal_of(own);
        let beyond = 0.5 * libm::erfc(z.abs() * std::f64::consts::FRAC_1_SQRT_2) * RANDOMS;
        match z < 0.0 {
            true => beyond as u64,
            false => u64::MAX - beyond as u64,
        }
    }
}

/// The normal variable of a rank.
fn normal_of(rank: u64) -> f64 {
    let below = (rank as f64 + 0.5) / RANDOMS;
    match rank < 1 << 63 {
        true => -normal::upper_quantile(below),
        false => normal::upper_quantile(((u64::MAX - rank) as f64 + 0.5) / RANDOMS),
    }
}

#[cfg(test)]
mod tests {
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

    /// Spearman's correlation: that of mid-ranks.
    fn spearman(pairs: &[(u32, u32)]) -> f64 {
        let ranks = |of: &dyn Fn(&(u32, u32)) -> u32| {
            let mut order: Vec<usize> = (0..pairs.len()).collect();
            order.sort_by_key(|i| of(&pairs[*i]));
            let mut ranks = vec![0.0; pairs.len()];
            for group in order.chunk_by(|a, b| of(&pairs[*a]) == of(&pairs[*b])) {
                let before = group.as_ptr() as usize - order.as_ptr() as usize;
                let first = before / size_of::<usize>();
                let middle = first as f64 + (group.len() as f64 - 1.0) / 2.0;
                group.iter().for_each(|i| ranks[*i] = middle);
            }
            ranks
        };
        let (a, b) = (ranks(&|p| p.0), ranks(&|p| p.1));
        let mean = (pairs.len() as f64 - 1.0) / 2.0;
        let sum = |x: &[f64], y: &[f64]| -> f64 {
            x.iter().zip(y).map(|(x, y)| (x - mean) * (y - mean)).sum()
        };
        sum(&a, &b) / (sum(&a, &a) * sum(&b, &b)).sqrt()
    }

    #[test]
    fn ranks_have_the_stated_correlation_and_lengths_their_laws() {
        let mixture = Law::Mixture {
            parts: vec![
                (0.7, Law::Exponential { mean: 300.0 }),
                (
                    0.3,
                    Law::Lognormal {
                        mean: 5000.0,
                        cv: 0.5,
                    },
                ),
            ],
        };
        let (input, output) = (
            lengths(Law::Lognormal {
                mean: 3000.0,
                cv: 1.3,
            }),
            lengths(mixture),
        );
        let one = [LengthScale::new(1.0); 2];
        for stated in [-0.9, -0.3, 0.0, 0.5, 0.95] {
            let pairs = LengthPairs::new(&input, &output, stated);
            let mut stream = Stream::new(5, "input", "pairs");
            let drawn: Vec<(u32, u32)> = (0..40_000)
                .map(|_| pairs.at([&input, &output], [stream.draw(), stream.draw()], one))
                .collect();
            let found = spearman(&drawn);
            // Four standard errors of 1 / sqrt(n) at most.
            assert!((found - stated).abs() < 0.02, "{found}, not {stated}");
            let mean = drawn.iter().map(|p| f64::from(p.1)).sum::<f64>() / 40_000.0;
            let expected = 0.7 * 300.0 + 0.3 * 5000.0;
            assert!(
                (mean / expected - 1.0).abs() < 0.03,
                "{mean}, not {expected}"
            );
        }
    }

    #[test]
    fn what_is_not_joined_is_drawn_as_ever() {
        let law = lengths(Law::Gamma {
            mean: 700.0,
            cv: 0.8,
        });
        let pairs = LengthPairs::new(&law, &law, 0.0);
        let one = LengthScale::new(1.0);
        let mut stream = Stream::new(6, "input", "pairs");
        for _ in 0..10_000 {
            let randoms = [stream.draw(), stream.draw()];
            let (input, output) = pairs.at([&law, &law], randoms, [one; 2]);
            for (length, random) in [(input, randoms[0]), (output, randoms[1])] {
                assert!(length.abs_diff(law.at(random, one)) <= 1, "{randoms:?}");
            }
        }
    }
}
