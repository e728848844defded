//! Random choices for the generator of scenarios.

use tokentide::internals::words::Words;
use tokentide::internals::workload::random::Stream;

/// A source of choices. Equal seeds choose equally, everywhere.
pub struct Dice(Stream);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(Stream::new(seed, "scenarios", "reference"))
    }

    /// A number in `[0, 1)`.
    pub fn part(&mut self) -> f64 {
        (self.0.draw() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// True with this probability.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.part() < probability
    }

    /// A whole number from `low` to `high`, both included.
    pub fn whole(&mut self, low: u64, high: u64) -> u64 {
        low + self.0.draw() % (high - low + 1)
    }

    /// The same, below zero too.
    pub fn signed(&mut self, low: i64, high: i64) -> i64 {
        low + self.whole(0, high.abs_diff(low)) as i64
    }

    /// One of several, all equally likely.
    pub fn among<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.whole(0, choices.len() as u64 - 1) as usize].clone()
    }

    /// A variant of an enum, in proportion to its weight.
    pub fn word<T: Words>(&mut self, weight: impl Fn(T) -> usize) -> T {
        let all = T::VARIANTS.iter().copied();
        let each: Vec<T> = all.flat_map(|one| vec![one; weight(one)]).collect();
        self.among(&each)
    }

    /// A number from `low` to `high`, its logarithm evenly spread.
    pub fn log(&mut self, low: f64, high: f64) -> f64 {
        low * libm::exp(self.part() * libm::log(high / low))
    }

    /// A whole number from `low` to `high`, small ones more often.
    pub fn few(&mut self, low: u64, high: u64) -> u64 {
        let (from, to) = (low.max(1) as f64, (high + 1) as f64);
        (self.log(from, to) as u64).clamp(low, high)
    }
}

/// The nearest number of the form 1, 2 or 5 times a power of ten, so that things coincide.
pub fn round_125(x: f64) -> f64 {
    let power = libm::pow(10.0, libm::floor(libm::log10(x)));
    let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * power);
    let nearest = steps
        .into_iter()
        .min_by(|a, b| (a / x).max(x / a).total_cmp(&(b / x).max(x / b)));
    nearest.unwrap_or(x)
}
