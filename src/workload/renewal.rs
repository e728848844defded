//! Renewal arrivals (S5): independent gaps of a gamma or Weibull law with mean 1, by their coefficient of variation.
//!
//! The rate turns amounts into times, so gaps vary in the cumulative rate as their law says, and in time where the rate
//! is constant. The first amount is what is left of a gap that began long before: the process is stationary, and the
//! expected number of requests is the integral of the rate, whatever the coefficient of variation.

use rand_distr::{Exp1, Gamma};

use super::length_law::Quantile;
use super::quantile::QuantileTable;
use super::random::Stream;
use super::rate_profile::PER_REQUEST;
use super::side::Tail;
use crate::scenario::{GapForm, Law, RenewalLaw};

/// The gaps of a law, in billionths of a request.
pub(super) fn table(law: RenewalLaw) -> QuantileTable {
    let unit = PER_REQUEST as f64;
    let cv = law.cv;
    match law.form {
        GapForm::Gamma => match Quantile::new(&Law::Gamma { mean: 1.0, cv }) {
            Some(mut quantile) => QuantileTable::new(unit, |side, p| quantile.at(side, p)),
            None => QuantileTable::new(unit, |_, _| 1.0),
        },
        GapForm::Weibull => {
            let law = WeibullGaps::new(cv);
            QuantileTable::new(unit, |side, p| law.quantile(side, p))
        }
    }
}

/// The amount before the first arrival, in billionths of a request.
pub(super) fn first(law: RenewalLaw, stream: &mut Stream) -> u64 {
    (GapDraws::new(law).first(stream) * PER_REQUEST as f64 + 0.5) as u64
}

/// Gaps of a law with mean 1, drawn one by one: for laws that change too often for tables.
#[derive(Clone, Copy, Debug)]
pub(super) enum GapDraws {
    /// Gaps of a gamma law: of one, and of one that was found by its length.
    Gamma(Gamma<f64>, Gamma<f64>),
    /// Gaps of a Weibull law, and the law of the power of one that was found by its length.
    Weibull(WeibullGaps, Gamma<f64>),
    /// Gaps that are all the same.
    Even,
}

impl GapDraws {
    /// The gaps of a law.
    pub(super) fn new(law: RenewalLaw) -> Self {
        let gamma = |shape: f64, scale: f64| Gamma::new(shape, scale).ok();
        let found = match law.form {
            GapForm::Gamma => {
                let scale = law.cv * law.cv;
                let shape = 1.0 / scale;
                gamma(shape, scale)
                    .zip(gamma(shape + 1.0, scale))
                    .map(|(one, found)| Self::Gamma(one, found))
            }
            GapForm::Weibull => {
                let weibull = WeibullGaps::new(law.cv);
                gamma(1.0 + 1.0 / weibull.shape, 1.0).map(|power| Self::Weibull(weibull, power))
            }
        };
        found.unwrap_or(Self::Even)
    }

    /// The next gap.
    pub(super) fn next(&self, stream: &mut Stream) -> f64 {
        match self {
            Self::Gamma(one, _) => stream.sample(one),
            Self::Weibull(weibull, _) => {
                let exponential: f64 = stream.sample(&Exp1);
                weibull.scale * libm::pow(exponential, 1.0 / weibull.shape)
            }
            Self::Even => 1.0,
        }
    }

    /// What is left of a gap that was found by its length: a uniform part of it. Its density is x f(x): of a gamma law that
    /// with one more in its shape, and of a Weibull law the k-th power has a gamma law of shape 1 + 1/k (Cox, "Renewal
    /// Theory", 1962, section 5).
    pub(super) fn first(&self, stream: &mut Stream) -> f64 {
        let part = (stream.draw() as f64 + 0.5) / 18_446_744_073_709_551_616.0;
        part * match self {
            Self::Gamma(_, found) => stream.sample(found),
            Self::Weibull(weibull, power) => {
                let power: f64 = stream.sample(power);
                weibull.scale * libm::pow(power, 1.0 / weibull.shape)
            }
            Self::Even => 1.0,
        }
    }
}

/// The Weibull law with mean 1.
#[derive(Clone, Copy, Debug)]
pub(super) struct WeibullGaps {
    shape: f64,
    scale: f64,
}

impl WeibullGaps {
    /// The law of this coefficient of variation, between 0.001 and 10,000: its shape k solves
    /// ln Gamma(1 + 2/k) - 2 ln Gamma(1 + 1/k) = ln(1 + cv^2), whose left side grows with 1/k.
    fn new(cv: f64) -> Self {
        let wanted = libm::log1p(cv * cv);
        let log_second =
            |inverse: f64| libm::lgamma(1.0 + 2.0 * inverse) - 2.0 * libm::lgamma(1.0 + inverse);
        let (mut low, mut high) = (1e-4, 200.0);
        for _ in 0..100 {
            let middle = 0.5 * (low + high);
            match log_second(middle) < wanted {
                true => low = middle,
                false => high = middle,
            }
        }
        let inverse = 0.5 * (low + high);
        Self {
            shape: 1.0 / inverse,
            scale: libm::exp(-libm::lgamma(1.0 + inverse)),
        }
    }

    fn quantile(self, side: Tail, p: f64) -> f64 {
        let exponential = match side {
            Tail::Lower => -libm::log1p(-p),
            Tail::Upper => -libm::log(p),
        };
        self.scale * libm::pow(exponential, 1.0 / self.shape)
    }
}

#[cfg(test)]
mod tests {
    use super::super::quantile::integrate;
    use super::*;

    const FORMS: [GapForm; 2] = [GapForm::Gamma, GapForm::Weibull];

    #[test]
    fn gaps_have_mean_1_and_the_stated_variation() {
        for form in FORMS {
            for stated in [0.01, 0.2, 0.5, 1.0, 2.0, 4.0, 9.0, 20.0] {
                let gaps = table(RenewalLaw { form, cv: stated });
                let (mean, cv) = integrate(gaps.pieces());
                assert!((mean - 1.0).abs() < 1e-5, "{form:?} {stated}: mean {mean}");
                assert!(
                    (cv / stated - 1.0).abs() < 1e-3,
                    "{form:?} {stated}: cv {cv}"
                );
            }
        }
    }

    #[test]
    fn known_weibull_laws() {
        // Shape 1 is exponential; shape 1/2 has E[X^2] / E[X]^2 = Gamma(5) / Gamma(3)^2 = 6; shape 2 (Rayleigh) 4 / pi.
        for (shape, square) in [(1.0, 2.0), (0.5, 6.0), (2.0, 4.0 / std::f64::consts::PI)] {
            let law = WeibullGaps::new((square - 1.0_f64).sqrt());
            assert!(
                (law.shape / shape - 1.0).abs() < 1e-9,
                "{law:?}, not {shape}"
            );
        }
    }

    #[test]
    fn the_first_amount_is_what_is_left_of_a_gap() {
        // The mean of what is left is (1 + cv^2) / 2.
        for form in FORMS {
            for cv in [0.5, 1.0, 2.0] {
                let mut stream = Stream::new(3, "first arrival", "test");
                let law = RenewalLaw { form, cv };
                let n = 20_000;
                let draws: Vec<f64> = (0..n)
                    .map(|_| first(law, &mut stream) as f64 / PER_REQUEST as f64)
                    .collect();
                let mean = draws.iter().sum::<f64>() / f64::from(n);
                let square = draws.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>();
                let error = (square / f64::from(n)).sqrt() / f64::from(n).sqrt();
                let expected = (1.0 + cv * cv) / 2.0;
                assert!(
                    (mean - expected).abs() < 4.0 * error,
                    "{form:?} {cv}: {mean}, not {expected}"
                );
            }
        }
    }
}
