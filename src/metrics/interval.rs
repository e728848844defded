//! Confidence intervals of means: Student's t, its quantiles, and two small tests on series.
//!
//! The distribution function is the finite sum for whole degrees of freedom (Abramowitz and Stegun,
//! "Handbook of Mathematical Functions", 26.7.3 and 26.7.4), which is exact; a quantile is found from it by
//! halving. The only functions used are those of `libm`, so an interval has the same bits everywhere.

use serde::{Deserialize, Serialize};

/// The confidence of every interval of a summary.
pub const LEVEL: f64 = 0.95;

/// An interval of confidence: bounds of a figure that is not known exactly.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
}

impl Interval {
    /// The interval that reaches `half` to either side of `middle`.
    pub fn around(middle: f64, half: f64) -> Self {
        Self {
            low: middle - half,
            high: middle + half,
        }
    }

    /// Whether `x` lies in the interval, its ends included.
    pub fn holds(&self, x: f64) -> bool {
        self.low <= x && x <= self.high
    }

    /// Half of the interval's width.
    pub fn half(&self) -> f64 {
        (self.high - self.low) / 2.0
    }
}

/// Mean of equally weighted values; `None`: there are none. The mean of equal values is their value, to the last bit.
pub fn mean(values: &[f64]) -> Option<f64> {
    let first = *values.first()?;
    let off: f64 = values.iter().map(|x| x - first).sum();
    Some(first + off / values.len() as f64)
}

/// The [`LEVEL`] interval of the mean of independent values of one law; `None`: fewer than two values.
pub fn of_mean(values: &[f64]) -> Option<Interval> {
    let middle = mean(values)?;
    around_known(middle, values)
}

/// The [`LEVEL`] interval around a middle that was found from all the data behind the values ("sectioning": Asmussen
/// and Glynn, "Stochastic Simulation", 2007, III.5), which suits quantiles and ratios: their value over all
/// data is less biased than the mean of those of the parts; `None`: fewer than two values.
pub fn around_known(middle: f64, values: &[f64]) -> Option<Interval> {
    let n = values.len();
    if n < 2 || !middle.is_finite() {
        return None;
    }
    let squares: f64 = values.iter().map(|x| (x - middle) * (x - middle)).sum();
    let error = (squares / (n - 1) as f64 / n as f64).sqrt();
    Some(Interval::around(middle, error * t_quantile(LEVEL, n - 1)))
}

/// How often chance alone would put the mean of as many independent values of a law around zero at least as far from
/// zero as that of these (two-sided, Student's t); `None`: fewer than two values.
pub fn chance_of(values: &[f64]) -> Option<f64> {
    let n = values.len();
    let middle = mean(values).filter(|m| n >= 2 && m.is_finite())?;
    let squares: f64 = values.iter().map(|x| (x - middle) * (x - middle)).sum();
    let error = (squares / (n - 1) as f64 / n as f64).sqrt();
    if error == 0.0 {
        return Some(if middle == 0.0 { 1.0 } else { 0.0 });
    }
    Some((1.0 - t_within((middle / error).abs(), n - 1)).max(0.0))
}

/// The largest of these chances that is still a finding, where of all findings no more than 1 - [`LEVEL`] are to be
/// chance's on average (Benjamini and Hochberg, "Controlling the false discovery rate", Journal of the Royal
/// Statistical Society B 57, 1995); `None`: nothing is. Of one chance it is the ordinary test; where nothing differs at
/// all, anything is found in one of twenty families.
pub fn largest_finding(chances: &[f64]) -> Option<f64> {
    let mut sorted = chances.to_vec();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len() as f64;
    let is_finding = |(k, chance): &(usize, &f64)| **chance <= (1.0 - LEVEL) * (k + 1) as f64 / n;
    let last = sorted.iter().enumerate().rfind(is_finding);
    last.map(|(_, chance)| *chance)
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

/// The probability that Student's t with `freedom` degrees of freedom lies within `t` of zero.
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

/// How far the mean of a series of dependent values may lie from that of its law.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// Standard error of the mean.
    pub error: f64,
    /// Independent pieces that the error was estimated from.
    pub pieces: usize,
    /// Student's degrees of freedom: fewer than the pieces where a few of them make up most of the spread.
    pub freedom: usize,
    /// Skewness of the mean: that of a piece, over the root of the number of pieces.
    pub skewness: f64,
}

impl Spread {
    /// How far a [`LEVEL`] interval reaches below the mean and above it.
    ///
    /// Where a few long queues make up the mean, a run that had few of them finds both mean and spread too small:
    /// Student's t of what is skewed is skewed the other way. It is straightened by a cubic (Willink, "A confidence
    /// interval and test for the mean of an asymmetric distribution", Communications in Statistics 34, 2005; used on
    /// simulations' output by Tafazzoli and Wilson's Skart, 2011).
    pub fn reach(&self) -> (f64, f64) {
        let t = t_quantile(LEVEL, self.freedom);
        let a = self.skewness / 6.0;
        let straight = |t: f64| {
            if a.abs() < 1e-6 {
                return t;
            }
            (libm::cbrt(1.0 + 6.0 * a * (t - a)) - 1.0) / (2.0 * a)
        };
        (self.error * straight(t), -self.error * straight(-t))
    }
}

/// The spread of the mean of equally long parts of one run, however alike neighbours are: the sum of their
/// autocovariances, taken in pairs for as long as these are positive and falling (the initial monotone sequence:
/// Geyer, "Practical Markov chain Monte Carlo", Statistical Science 7, 1992).
///
/// With `lags` neighbours on either side in the sum, an autocovariance around the series' own mean is too small by
/// the variance of that mean, and the sum by (2 lags + 1) of them: it is raised by that. Blocks of so many parts are
/// the pieces: their skewness over the root of their number is the mean's, and an average of their squares has as many
/// degrees of freedom if they are normal, 2 / (kurtosis - 1) times as many if not. Series that swing from one side to
/// the other are taken for no surer than ten times their length would make them. `None` of fewer than eight values.
pub fn of_series(series: &[f64]) -> Option<Spread> {
    let n = series.len();
    let middle = mean(series).filter(|m| n >= 8 && m.is_finite())?;
    let off: Vec<f64> = series.iter().map(|x| x - middle).collect();
    let covariance = |lag: usize| -> f64 {
        let products = off.iter().zip(&off[lag..]).map(|(a, b)| a * b);
        products.sum::<f64>() / n as f64
    };
    let own = covariance(0);
    let (mut sum, mut before, mut lags) = (-own, f64::INFINITY, 0);
    for lag in (0..n / 3).step_by(2) {
        let pair = covariance(lag) + covariance(lag + 1);
        if pair <= 0.0 {
            break;
        }
        before = pair.min(before);
        sum += 2.0 * before;
        lags = lag + 1;
    }
    let block = 2 * lags + 1;
    let seen = n as f64 / block as f64;
    let raised = sum.max(own / 10.0) / (1.0 - 1.0 / seen);
    let blocks = off.chunks(block).map(|b| b.iter().sum::<f64>());
    let blocks: Vec<f64> = blocks.collect();
    let moment = |of: fn(f64) -> f64| blocks.iter().map(|b| of(*b)).sum::<f64>() / seen;
    let variance = moment(|b| b * b);
    let (skewness, kurtosis) = match variance > 0.0 {
        true => (
            moment(|b| b * b * b) / (variance * variance.sqrt()),
            moment(|b| b * b * b * b) / (variance * variance),
        ),
        false => (0.0, 3.0),
    };
    let squares = 2.0 * seen / (kurtosis - 1.0).max(2.0);
    Some(Spread {
        error: (raised / n as f64).sqrt(),
        pieces: seen as usize,
        freedom: (squares as usize).max(1),
        skewness: skewness / seen.sqrt(),
    })
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

    /// The mean of 1, 2, 3, 4, 5 is 3 / sqrt(0.5) = 4.243 standard errors from zero: 0.01324 with four degrees of
    /// freedom, by the closed form 1 - u (3 - u^2) / 2 with u = t / sqrt(4 + t^2).
    #[test]
    fn chances_by_hand() {
        let found = chance_of(&[1.0, 2.0, 3.0, 4.0, 5.0]).unwrap();
        let t = 3.0 / 0.5_f64.sqrt();
        let u = t / (4.0 + t * t).sqrt();
        let by_hand = 1.0 - u * (3.0 - u * u) / 2.0;
        assert!((found - by_hand).abs() < 1e-12, "{found}, not {by_hand}");
        assert_eq!(chance_of(&[2.0, 2.0]), Some(0.0));
        assert_eq!(chance_of(&[0.0, 0.0]), Some(1.0));
        assert_eq!(chance_of(&[1.0]), None);
    }

    /// The fifteen chances of Benjamini and Hochberg's own example, of which four are findings.
    #[test]
    fn findings_are_those_of_the_papers_example() {
        let chances = [
            0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262,
            0.5719, 0.6528, 0.7590, 1.0,
        ];
        assert_eq!(largest_finding(&chances), Some(0.0095));
        assert_eq!(largest_finding(&[0.04]), Some(0.04));
        assert_eq!(largest_finding(&[0.04, 0.5]), None);
        assert_eq!(largest_finding(&[]), None);
    }

    /// x(i) = r x(i-1) + noise: the variance of the mean is (1 + r) / (1 - r) times that of independent values.
    #[test]
    fn the_spread_of_a_series_knows_how_neighbours_hang_together() {
        let mut state = 7_u64;
        let mut noise = || {
            // sum of twelve uniform numbers less six: near normal, variance 1
            let mut sum = -6.0;
            for _ in 0..12 {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                sum += (state >> 11) as f64 / (1_u64 << 53) as f64;
            }
            sum
        };
        for r in [0.0, 0.5, 0.8] {
            let mut ratio = 0.0;
            for _ in 0..200 {
                let mut x = 0.0;
                let mut next = || {
                    x = r * x + noise();
                    x
                };
                let series: Vec<f64> = (0..320).map(|_| next()).collect();
                let spread = of_series(&series).unwrap();
                // variance of x is 1 / (1 - r^2), of the mean of n values 1 / (1 - r)^2 / n
                ratio += spread.error * spread.error * 320.0 * (1.0 - r) * (1.0 - r) / 200.0;
            }
            assert!((ratio - 1.0).abs() < 0.12, "{r}: {ratio}");
        }
    }

    #[test]
    fn what_is_skewed_reaches_further_on_its_long_side() {
        let spread = |skewness| Spread {
            error: 1.0,
            pieces: 30,
            freedom: 30,
            skewness,
        };
        let (below, above) = spread(0.0).reach();
        assert!((below - 2.042).abs() < 1e-3 && below == above);
        let (below, above) = spread(0.3).reach();
        assert!(below < 1.9 && above > 2.3, "{below} {above}");
        let mirrored = spread(-0.3).reach();
        assert!((mirrored.0 - above).abs() < 1e-9 && (mirrored.1 - below).abs() < 1e-9);
        // A trend has no pieces.
        let slope: Vec<f64> = (0..320).map(f64::from).collect();
        assert!(of_series(&slope).unwrap().pieces < 5);
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
