//! Laws of positive numbers: their moments and their quantiles.
//!
//! Quantiles are asked for by the probability that lies beyond them, on the near side, so that far
//! tails keep their precision: 2^-40 in the upper tail is a number, 1 - 2^-40 hardly is.

use super::gamma::GammaQuantile;
use super::normal;
use super::side::Tail;
use crate::scenario::Law;

/// The mean of a law.
pub fn mean(law: &Law) -> f64 {
    moments(law).0
}

/// The coefficient of variation of a law: standard deviation over mean.
#[cfg(test)]
pub fn cv(law: &Law) -> f64 {
    let (mean, second) = moments(law);
    libm::sqrt((second - mean * mean).max(0.0)) / mean
}

/// First and second moments about zero.
fn moments(law: &Law) -> (f64, f64) {
    let by_cv = |mean: f64, cv: f64| (mean, mean * mean * (1.0 + cv * cv));
    match law {
        Law::Constant { value } => by_cv(*value, 0.0),
        Law::Uniform { low, high } => (
            (low + high) / 2.0,
            (low * low + low * high + high * high) / 3.0,
        ),
        Law::Exponential { mean } => by_cv(*mean, 1.0),
        Law::Lognormal { mean, cv } | Law::Gamma { mean, cv } => by_cv(*mean, *cv),
        Law::Mixture { parts } => weighted(parts.iter().map(|(w, part)| (*w, moments(part)))),
        Law::Empirical { values } => weighted(values.iter().map(|(v, w)| (*w, by_cv(*v, 0.0)))),
    }
}

/// Averages of first and second moments, weighted.
fn weighted(parts: impl Iterator<Item = (f64, (f64, f64))>) -> (f64, f64) {
    let (total, first, second) = parts.fold((0.0, 0.0, 0.0), |sum, (w, m)| {
        (sum.0 + w, sum.1 + w * m.0, sum.2 + w * m.1)
    });
    (first / total, second / total)
}

/// The quantile function of a law without steps.
#[derive(Clone, Debug)]
pub(super) enum Quantile {
    Uniform { low: f64, high: f64 },
    Exponential { mean: f64 },
    Lognormal { log_median: f64, sigma: f64 },
    Gamma { scale: f64, unit: GammaQuantile },
}

impl Quantile {
    /// The quantile function of a law; `None`: the law is made of single values, or is a mixture.
    pub(super) fn new(law: &Law) -> Option<Self> {
        Some(match *law {
            Law::Uniform { low, high } => Self::Uniform { low, high },
            Law::Exponential { mean } => Self::Exponential { mean },
            Law::Lognormal { mean, cv } if cv > 0.0 => {
                let variance = libm::log1p(cv * cv);
                let log_median = libm::log(mean) - variance / 2.0;
                Self::Lognormal {
                    log_median,
                    sigma: libm::sqrt(variance),
                }
            }
            Law::Gamma { mean, cv } if cv > 0.0 => {
                let scale = mean * cv * cv;
                Self::Gamma {
                    scale,
                    unit: GammaQuantile::new(1.0 / (cv * cv)),
                }
            }
            // without spread, both are a constant
            Law::Lognormal { .. } | Law::Gamma { .. } => return None,
            Law::Constant { .. } | Law::Mixture { .. } | Law::Empirical { .. } => return None,
        })
    }

    /// The value beyond which, on `side`, lies the probability `p`, for `0 < p <= 0.5`. Fastest when
    /// called in the order of the values.
    pub(super) fn at(&mut self, side: Tail, p: f64) -> f64 {
        let lower = side == Tail::Lower;
        match self {
            Self::Uniform { low, high } if lower => *low + (*high - *low) * p,
            Self::Uniform { low, high } => *high - (*high - *low) * p,
            Self::Exponential { mean } if lower => -*mean * libm::log1p(-p),
            Self::Exponential { mean } => -*mean * libm::log(p),
            Self::Lognormal { log_median, sigma } => {
                let z = normal::upper_quantile(p);
                libm::exp(*log_median + *sigma * if lower { -z } else { z })
            }
            Self::Gamma { scale, unit } => *scale * unit.at(side, p),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_of_a_hyperexponential() {
        // Balanced means, cv^2 = 4: p = (1 + sqrt(3/5)) / 2, means 1 / (2 p) and 1 / (2 (1 - p)).
        let p = 0.5 * (1.0 + 0.6_f64.sqrt());
        let phase = |p: f64| (p, Law::Exponential { mean: 0.5 / p });
        let law = Law::Mixture {
            parts: vec![phase(p), phase(1.0 - p)],
        };
        assert!((mean(&law) - 1.0).abs() < 1e-12);
        assert!((cv(&law) - 2.0).abs() < 1e-12);
    }

    #[test]
    fn moments_of_recorded_values() {
        let law = Law::Empirical {
            values: vec![(2.0, 3.0), (6.0, 1.0)],
        };
        assert_eq!(mean(&law), 3.0);
        assert!((cv(&law) - 3.0_f64.sqrt() / 3.0).abs() < 1e-12);
    }

    #[test]
    fn a_lognormal_s_median_is_below_its_mean() {
        // Median = mean / sqrt(1 + cv^2).
        let law = Law::Lognormal { mean: 5.0, cv: 2.0 };
        let median = Quantile::new(&law).map(|mut q| q.at(Tail::Upper, 0.5));
        assert!((median.unwrap_or(0.0) - 5.0_f64.sqrt()).abs() < 1e-12);
    }
}
