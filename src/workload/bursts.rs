//! Markov-modulated arrivals (S5): a Poisson process whose rate jumps between two levels at random times.
//!
//! Bursts and the times between them are exponential and go by the clock, whatever the rate: the class's rate, however it
//! runs over the day, is multiplied by one factor in bursts and by another between them, and the mean of the two is 1.
//! The simulation begins in a burst as often as there is one. Where the amounts between arrivals are unit exponentials of
//! the jumping rate, they become amounts of the class's own rate here: divided by the factor of the time in which they
//! pass.

use rand_distr::Exp1;

use super::random::Stream;
use super::rate_profile::{AmountPlace, DayProfile, PER_REQUEST};
use crate::scenario::BurstLaw;

/// Where the bursts of a class have got to.
#[derive(Clone, Debug)]
pub(super) struct Bursts {
    stream: Stream,
    /// Levels between bursts and in one.
    levels: [RateLevel; 2],
    in_burst: bool,
    /// Amount of the class's own rate until the level changes, in billionths of a request.
    left: f64,
    /// When the level changes.
    place: AmountPlace,
    changes_ns: u64,
}

/// A level of the rate.
#[derive(Clone, Copy, Debug)]
struct RateLevel {
    /// Factor on the rate.
    factor: f64,
    /// Mean time for which it lasts, in ns.
    mean_ns: f64,
}

impl Bursts {
    /// The bursts from the beginning of a simulation.
    pub(super) fn new(law: BurstLaw, profile: &DayProfile, mut stream: Stream) -> Self {
        let (length, every) = (law.length.0 as f64, law.every.0 as f64);
        let part = length / every;
        let between = 1.0 / (1.0 - part + part * law.factor);
        let level = |factor, mean_ns| RateLevel { factor, mean_ns };
        let levels = [
            level(between, every - length),
            level(between * law.factor, length),
        ];
        let in_burst = (stream.draw() as f64) < part * 18_446_744_073_709_551_616.0;
        let mut bursts = Self {
            stream,
            levels,
            in_burst,
            left: 0.0,
            place: AmountPlace::default(),
            changes_ns: 0,
        };
        if profile.requests_per_day() > 0.0 {
            bursts.last(profile);
        }
        bursts
    }

    /// Draws how long the level lasts from here on.
    fn last(&mut self, profile: &DayProfile) {
        let times: f64 = self.stream.sample(&Exp1);
        let mean_ns = self.levels[usize::from(self.in_burst)].mean_ns;
        let lasts = libm::round(times * mean_ns) as u64;
        self.changes_ns = self.changes_ns.saturating_add(lasts.max(1));
        self.left = profile.amount_until(&mut self.place, self.changes_ns);
    }

    /// Turns amounts between arrivals at the jumping rate into amounts at the class's own, which last to `end_ns` at
    /// least.
    pub(super) fn bend(&mut self, profile: &DayProfile, gaps: &mut [u64], end_ns: u64) {
        for gap in gaps {
            let mut wanted = *gap as f64;
            let mut passed = 0.0;
            loop {
                let factor = self.levels[usize::from(self.in_burst)].factor;
                let needed = wanted / factor;
                if needed <= self.left {
                    self.left -= needed;
                    passed += needed;
                    break;
                }
                passed += self.left;
                wanted -= self.left * factor;
                self.left = 0.0;
                if self.changes_ns >= end_ns {
                    // Nothing arrives any more.
                    passed += PER_REQUEST as f64;
                    break;
                }
                self.in_burst = !self.in_burst;
                self.last(profile);
            }
            *gap = (passed + 0.5) as u64;
        }
    }
}
