//! Units: integer time, money and speeds, so that no signature carries a bare number of seconds.
//!
//! Simulated time is whole nanoseconds since the start of the simulation (`start - warm_up`). Step
//! times are computed in whole picoseconds and rounded to nanoseconds once (S1). Money is whole
//! picodollars: the price of one token ($0.14 a million = 140,000 picodollars) is then an integer.

use std::fmt;
use std::ops::{Add, AddAssign, Sub};

/// Nanoseconds in a second.
pub const NS_PER_S: u64 = 1_000_000_000;
/// Nanoseconds in an hour.
pub const NS_PER_HOUR: u64 = 3_600 * NS_PER_S;
/// Nanoseconds in a day.
pub const NS_PER_DAY: u64 = 24 * NS_PER_HOUR;
/// Picodollars in a dollar.
pub const PICO_PER_USD: u64 = 1_000_000_000_000;

/// An instant: nanoseconds since the simulation began, which is `start - warm_up`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SimTime(pub u64);

/// A length of simulated time, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SimDuration(pub u64);

/// A duration before rounding, in picoseconds: what the step-time models add up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Picoseconds(pub u64);

/// Money in picodollars (10^-12 USD).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PicoUsd(pub u128);

/// A data rate in bytes per second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BytesPerSecond(pub u64);

impl SimTime {
    /// The first instant of the simulation.
    pub const ZERO: Self = Self(0);
    /// An instant later than every event: "never".
    pub const NEVER: Self = Self(u64::MAX);

    /// The time since `earlier`, or zero if that lies in the future.
    pub fn since(self, earlier: Self) -> SimDuration {
        SimDuration(self.0.saturating_sub(earlier.0))
    }
}

impl SimDuration {
    /// A duration of zero nanoseconds.
    pub const ZERO: Self = Self(0);

    /// A duration from seconds, rounded to the nanosecond. Negative and NaN become zero; the scenario
    /// reader has refused them long before.
    pub fn from_secs_f64(seconds: f64) -> Self {
        Self(libm::round(seconds * NS_PER_S as f64) as u64)
    }

    /// The duration in seconds, for people.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / NS_PER_S as f64
    }
}

impl Picoseconds {
    /// The duration rounded to nanoseconds, half up, and at least one: every step takes time (S1).
    pub fn to_step(self) -> SimDuration {
        SimDuration(((self.0 + 500) / 1000).max(1))
    }
}

impl PicoUsd {
    /// The amount in dollars, for people.
    pub fn as_usd(self) -> f64 {
        self.0 as f64 / PICO_PER_USD as f64
    }
}

impl Add<SimDuration> for SimTime {
    type Output = Self;
    fn add(self, d: SimDuration) -> Self {
        Self(self.0.saturating_add(d.0))
    }
}

impl Sub<SimDuration> for SimTime {
    type Output = Self;
    fn sub(self, d: SimDuration) -> Self {
        Self(self.0.saturating_sub(d.0))
    }
}

impl Add for SimDuration {
    type Output = Self;
    fn add(self, d: Self) -> Self {
        Self(self.0 + d.0)
    }
}

impl AddAssign for PicoUsd {
    fn add_assign(&mut self, other: Self) {
        self.0 += other.0;
    }
}

impl fmt::Display for SimTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ns", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_round_half_up_and_never_vanish() {
        assert_eq!(Picoseconds(0).to_step(), SimDuration(1));
        assert_eq!(Picoseconds(1_499).to_step(), SimDuration(1));
        assert_eq!(Picoseconds(1_500).to_step(), SimDuration(2));
    }
}
