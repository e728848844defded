//! Quantiles of the gamma law.
//!
//! The regularised incomplete gamma function comes from its power series (DLMF 8.7.1 / 8.11.4) below
//! its mean and from its continued fraction (DLMF 8.9.2, by the modified Lentz method) above it. It is
//! inverted by Newton's method on the logarithm of the tail as a function of ln x. Both tails are
//! log-concave there, so from the middle of the law outwards the steps converge without leaving it.
//! Neighbouring quantiles start from one another, which leaves one or two steps each.
//!
//! Above a shape of 10^5 (a coefficient of variation below 0.0032) the Wilson-Hilferty cube is used:
//! its error is then far below 10^-7 of the mean.

use super::normal;
use super::side::Tail;

/// Inverts the gamma law of one shape and scale 1.
#[derive(Clone, Debug)]
pub(super) struct GammaQuantile {
    shape: f64,
    /// ln Gamma(shape) of the law.
    log_gamma: f64,
    /// ln Gamma(shape + 1) of the law.
    log_gamma_1: f64,
    /// ln of the last quantile on each side: where the next search starts.
    log_x: [f64; 2],
}

/// Shape from which on the law is so nearly normal that the Wilson-Hilferty cube is as good.
const NEARLY_NORMAL_SHAPE: f64 = 1e5;
/// Bound of ln x below which the first term of the power series is the whole lower tail in double precision.
const POWER_LAW_LOG_X: f64 = -40.0;
/// Relative accuracy of the series and the continued fraction.
const EPSILON: f64 = 1e-16;

impl GammaQuantile {
    /// The quantiles of the law with this shape, greater than 0.
    pub(super) fn new(shape: f64) -> Self {
        let log_gamma_1 = libm::lgamma(shape + 1.0);
        let median = (libm::log(0.5) + log_gamma_1) / shape;
        Self {
            shape,
            log_gamma: log_gamma_1 - libm::log(shape),
            log_gamma_1,
            log_x: [if shape > 1.0 {
                libm::log(shape)
            } else {
                median
            }; 2],
        }
    }

    /// The x beyond which, on `side`, lies the probability `p`, for `0 < p <= 0.5`.
    pub(super) fn at(&mut self, side: Tail, p: f64) -> f64 {
        if self.shape >= NEARLY_NORMAL_SHAPE {
            return self.wilson_hilferty(side, p);
        }
        let log_p = libm::log(p);
        if side == Tail::Lower {
            let power_law = (log_p + self.log_gamma_1) / self.shape;
            if power_law < POWER_LAW_LOG_X {
                return libm::exp(power_law);
            }
        }
        let mut log_x = self.log_x[side as usize];
        for _ in 0..100 {
            let x = libm::exp(log_x);
            let tail = self.tail(side, x);
            let error = libm::log(tail) - log_p;
            let density = libm::exp(self.shape * log_x - x - self.log_gamma);
            let step = error * tail / density;
            match side {
                Tail::Lower => log_x -= step,
                Tail::Upper => log_x += step,
            }
            // The error of a Newton step is about the square of the one before.
            if error.abs() < 1e-8 {
                break;
            }
        }
        self.log_x[side as usize] = log_x;
        libm::exp(log_x)
    }

    /// The probability beyond `x` on `side`.
    fn tail(&self, side: Tail, x: f64) -> f64 {
        let below = x < self.shape + 1.0;
        let part = if below {
            self.series(x)
        } else {
            self.continued_fraction(x)
        };
        match (side, below) {
            (Tail::Lower, true) | (Tail::Upper, false) => part,
            _ => 1.0 - part,
        }
    }

    /// The lower regularised gamma function P(shape, x), by the power series.
    fn series(&self, x: f64) -> f64 {
        let (mut term, mut sum, mut n) = (1.0, 1.0, self.shape);
        while term > sum * EPSILON {
            n += 1.0;
            term *= x / n;
            sum += term;
        }
        sum * libm::exp(self.shape * libm::log(x) - x - self.log_gamma_1)
    }

    /// The upper regularised gamma function Q(shape, x), by the continued fraction.
    fn continued_fraction(&self, x: f64) -> f64 {
        let mut b = x + 1.0 - self.shape;
        let mut c = f64::MAX;
        let mut d = 1.0 / b;
        let mut h = d;
        for i in 1..100_000 {
            let i = f64::from(i);
            let a = i * (self.shape - i);
            b += 2.0;
            d = 1.0 / (a * d + b);
            c = b + a / c;
            let factor = c * d;
            h *= factor;
            if (factor - 1.0).abs() <= 2.0 * EPSILON {
                break;
            }
        }
        h * libm::exp(self.shape * libm::log(x) - x - self.log_gamma)
    }

    /// The quantile as the cube of a normal variable (Wilson and Hilferty, PNAS 17, 1931).
    fn wilson_hilferty(&self, side: Tail, p: f64) -> f64 {
        let z = normal::upper_quantile(p);
        let z = if side == Tail::Lower { -z } else { z };
        let variance = 1.0 / (9.0 * self.shape);
        let root = 1.0 - variance + z * libm::sqrt(variance);
        self.shape * root * root * root
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Largest relative error of the quantile of `shape` against `tail`, over both sides.
    fn worst(shape: f64, tail: impl Fn(Tail, f64) -> f64) -> f64 {
        let mut worst: f64 = 0.0;
        for side in [Tail::Lower, Tail::Upper] {
            let mut quantile = GammaQuantile::new(shape);
            let mut p = 0.5;
            while p > 1e-14 {
                let error = tail(side, quantile.at(side, p)) / p - 1.0;
                worst = worst.max(error.abs());
                p *= 0.7;
            }
        }
        worst
    }

    #[test]
    fn shape_one_is_exponential() {
        let error = worst(1.0, |side, x| match side {
            Tail::Lower => -libm::expm1(-x),
            Tail::Upper => libm::exp(-x),
        });
        assert!(error < 1e-12, "{error}");
    }

    #[test]
    fn shape_one_half_is_the_square_of_a_normal() {
        // X = Z^2 / 2, so P(X > x) = erfc(sqrt(x)).
        let error = worst(0.5, |side, x| match side {
            Tail::Lower => libm::erf(libm::sqrt(x)),
            Tail::Upper => libm::erfc(libm::sqrt(x)),
        });
        assert!(error < 1e-12, "{error}");
    }

    #[test]
    fn shape_four_is_erlang() {
        // P(X > x) is the chance of at most three events of a Poisson law with mean x.
        let upper = |x: f64| libm::exp(-x) * (1.0 + x * (1.0 + x / 2.0 * (1.0 + x / 3.0)));
        let error = worst(4.0, |side, x| match side {
            Tail::Upper => upper(x),
            // Four or more events: the rest of the series.
            Tail::Lower => {
                (4..80)
                    .rev()
                    .fold(0.0, |sum, k| x / f64::from(k + 1) * sum + 1.0)
                    * libm::exp(-x)
                    * x
                    * x
                    * x
                    * x
                    / 24.0
            }
        });
        assert!(error < 1e-12, "{error}");
    }

    #[test]
    fn the_cube_meets_the_exact_law_where_it_takes_over() {
        for (side, p) in [(Tail::Lower, 1e-6), (Tail::Lower, 0.3), (Tail::Upper, 1e-9)] {
            let mut exact = GammaQuantile::new(0.99 * NEARLY_NORMAL_SHAPE);
            let (newton, cube) = (exact.at(side, p), exact.wilson_hilferty(side, p));
            assert!(
                (newton / cube - 1.0).abs() < 1e-7,
                "{side:?} {p}: {newton} {cube}"
            );
        }
    }
}
