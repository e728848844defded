//! What there is of something over time: its level, and its integral over a cell.

use crate::units::SimTime;

/// The present number of something, and its integral over time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Level {
    /// The present number.
    pub value: u64,
    since: SimTime,
    integral: u128,
}

impl Level {
    /// Changes the number at `now`.
    #[inline]
    pub fn set(&mut self, now: SimTime, value: u64) {
        self.settle(now);
        self.value = value;
    }

    #[inline]
    fn settle(&mut self, now: SimTime) {
        if now == self.since {
            return;
        }
        self.integral += u128::from(self.value) * u128::from(now.0 - self.since.0);
        self.since = now;
    }

    /// Ends a cell at `now` and returns its integral, in units times ns.
    pub fn take(&mut self, now: SimTime) -> u128 {
        self.settle(now);
        std::mem::take(&mut self.integral)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_integrates_exactly() {
        let mut level = Level::default();
        level.set(SimTime(10), 3);
        level.set(SimTime(15), 1);
        assert_eq!(level.take(SimTime(20)), 3 * 5 + 5);
        assert_eq!(level.take(SimTime(21)), 1);
    }
}
