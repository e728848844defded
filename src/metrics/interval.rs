//! Confidence intervals of means: Student's t, its quantiles, and two small tests on series.
//!
//! The distribution function is the finite sum for whole degrees of freedom (Abramowitz and Stegun,
//! "Handbook of Mathematical Functions", 26.7.3 and 26.7.4), which is exact; a quantile is found from it by
//! halving. The only functions used are those of `libm`, so an interval has the same bits everywhere.

use serde::{Deserialize, Serialize};

/// The confidence of every interval of a summary.
pub const LEVEL: f64 = 0.95;

/// Bounds of what is not known exactly.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Interval {
    /// The interval of so much on either side of `middle`.
    pub fn around(middle: f64, half: f64) -> Self {
        Self {
            low: middle - half,
            high: middle + half,
        }
    }

    /// Whether `x` lies in it, its ends included.
    pub fn holds(&self, x: f64) -> bool {
        self.low <= x && x <= self.high
    }

    /// Half of its width.
    pub fn half(&self) -> f64 {
        (self.high - self.low) / 2.0
    }
}

/// Mean of equally weighted values. That of equal values is their value, to the last bit.
pub fn mean(values: &[f64]) -> Option<f64> {
    let first = *values.first()?;
    let off: f64 = values.iter().map(|x| x - first).sum();
    Some(first + off / values.len() as f64)
}

/// The [`LEVEL`] interval of the mean of independent values of one law; `None` of fewer than two.
pub fn of_mean(values: &[f64]) -> Option<Interval> {
    let middle = mean(values)?;
    around_known(middle, values)
}

/// The same around a middle that was found from all the data behind the values ("sectioning": Asmussen and
/// Glynn, "Stochastic Simulation", 2007, III.5), which suits quantiles and ratios: their value over all
/// data is less biased than the mean of those of the parts.
pub fn around_known(middle: f64, values: &[f64]) -> Option<Interval> {
    let n = values.len();
    if n < 2 || !middle.is_finite() {
        return None;
    }
    let squares: f64 = values.iter().map(|x| (x - middle) * (x - middle)).sum();
    let error = (squares / (n - 1) as f64 / n as f64).sqrt();
    Some(Interval::around(middle, error * t_quantile(LEVEL, n - 1)))
}

/// Half of the width, in standard errors, of a two-sided interval of this confidence.
pub fn t_quantile(level: f64, freedom: usize) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    while t_within(high, freedom) < level && high < 1e12 {
        high *= 2.0;
    }
    for _ in 0..80 {
        let middle = (low + high) / 2.0;
        if t_within(middle, freedom) < level {
            low = middle;
        } else {
            high = middle;
        }
    }
    (low + high) / 2.0
}

/// The probability that Student's t with so many degrees of freedom lies within `t` of zero.
pub fn t_within(t: f64, freedom: usize) -> f64 {
    // From here on t differs from the normal law by less than 1e-6.
    let freedom = freedom.clamp(1, 1_000_000);
    let angle = libm::atan(t / (freedom as f64).sqrt());
    let (sine, cosine) = (libm::sin(angle), libm::cos(angle));
    let square = cosine * cosine;
    // Each term is the one before, times cos^2 and a ratio of neighbours.
    let is_odd = freedom % 2 == 1;
    let mut term = if is_odd { cosine } else { 1.0 };
    let mut sum = 0.0;
    let mut k = if is_odd { 1 } else { 0 };
    while k + 2 <= freedom {
        sum += term;
        k += 2;
        term *= square * (k - 1) as f64 / k as f64;
        if term < 1e-18 {
            break;
        }
    }
    if is_odd {
        std::f64::consts::FRAC_2_PI * (angle + sine * sum)
    } else {
        sine * sum
    }
}

/// Whether neighbours of a series are more alike than chance makes them, judged at 5 %: the correlation of
/// neighbours, whose law under independence is near normal with variance (n - 2)/(n^2 - 1) (von Neumann's
/// ratio; Fishman, "Grouping observations in digital simulation", 1978).
pub fn is_correlated(series: &[f64]) -> bool {
    const NORMAL_95: f64 = 1.644_853_626_951_472_2;
    let n = series.len();
    let Some(middle) = mean(series).filter(|_| n >= 8) else {
        return false;
    };
    let off: Vec<f64> = series.iter().map(|x| x - middle).collect();
    let squares: f64 = off.iter().map(|x| x * x).sum();
    if squares == 0.0 {
        return false;
    }
    let products: f64 = off.windows(2).map(|w| w[0] * w[1]).sum();
    let ends = (off[0] * off[0] + off[n - 1] * off[n - 1]) / 2.0;
    let n = n as f64;
    (products + ends) / squares > NORMAL_95 * ((n - 2.0) / (n * n - 1.0)).sqrt()
}

/// How far the first of a series lies from what the rest make expect, as Student's t with two degrees of
/// freedom less than there are values; `None` where the rest do not differ.
pub fn first_against_rest(series: &[f64]) -> Option<f64> {
    let (first, rest) = series.split_first()?;
    let middle = mean(rest).filter(|_| rest.len() >= 4)?;
    let n = rest.len() as f64;
    let squares: f64 = rest.iter().map(|x| (x - middle) * (x - middle)).sum();
    let error = (squares / (n - 1.0) * (1.0 + 1.0 / n)).sqrt();
    (error > 0.0).then(|| (first - middle) / error)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Tables of two-sided quantiles (NIST/SEMATECH e-Handbook of Statistical Methods, 1.3.6.7.2, to the
    /// three decimals it prints; one degree of freedom is tan of an angle).
    #[test]
    fn quantiles_are_those_of_the_tables() {
        for (level, freedom, table) in [
            (0.95, 1, 12.706),
            (0.95, 2, 4.303),
            (0.95, 4, 2.776),
            (0.95, 9, 2.262),
            (0.95, 19, 2.093),
            (0.95, 30, 2.042),
            (0.95, 100, 1.984),
            (0.99, 5, 4.032),
            (0.99, 29, 2.756),
            (0.9, 7, 1.895),
            (0.998, 10, 4.144),
            (0.95, 10_000_000, 1.960),
        ] {
            let ours = t_quantile(level, freedom);
            assert!(
                (ours - table).abs() < 6e-4,
                "{level} {freedom}: {ours}, not {table}"
            );
        }
        assert!((t_quantile(0.5, 1) - 1.0).abs() < 1e-12);
        assert!((t_within(2.0_f64.sqrt(), 2) - 0.5_f64.sqrt()).abs() < 1e-12);
    }

    #[test]
    fn the_mean_of_equals_is_exact() {
        assert_eq!(mean(&[0.1; 7]), Some(0.1));
        assert_eq!(
            of_mean(&[0.1; 7]),
            Some(Interval {
                low: 0.1,
                high: 0.1
            })
        );
        assert_eq!(mean(&[]), None);
        assert_eq!(of_mean(&[1.0]), None);
    }

    #[test]
    fn an_interval_by_hand() {
        // Mean 3, variance 2.5, standard error sqrt(0.5).
        let interval = of_mean(&[1.0, 2.0, 3.0, 4.0, 5.0]).unwrap();
        assert!((interval.half() - 2.776_445 * 0.5_f64.sqrt()).abs() < 1e-5);
        assert!(interval.holds(3.0) && !interval.holds(5.0));
    }

    #[test]
    fn a_slope_is_correlated_and_a_zigzag_is_not() {
        let slope: Vec<f64> = (0..20).map(f64::from).collect();
        let zigzag: Vec<f64> = (0..20).map(|i| f64::from(i % 2)).collect();
        assert!(is_correlated(&slope));
        assert!(!is_correlated(&zigzag) && !is_correlated(&[1.0; 20]));
    }

    #[test]
    fn a_low_start_stands_out() {
        let mut series: Vec<f64> = (0..20).map(|i| 100.0 + f64::from(i % 3)).collect();
        assert!(first_against_rest(&series).unwrap().abs() < 2.0);
        series[0] = 50.0;
        assert!(first_against_rest(&series).unwrap() < -20.0);
        assert_eq!(first_against_rest(&[1.0; 20]), None);
    }
}
