//! KV on the move (S8): tokens times bytes per token through the source rank's network interface,
//! first in first out, plus a latency. The receiving side is not limited.
//!
//! The layer-wise overlap hides part of a hand-over's bytes behind the prefill that makes them. A
//! migration has no prefill to hide behind, so all of its bytes count.

use crate::scenario::{Pool, Scenario};
use crate::units::{BytesPerSecond, Picoseconds, SimDuration, SimTime};

/// How long KV takes over one link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Time of one token, rounded to the picosecond once.
    per_token: Picoseconds,
    /// Added to each transfer.
    latency: SimDuration,
}

/// 65,536 is a whole byte: overlaps are given in this fraction.
const WHOLE: u128 = 65_536;

impl Link {
    /// From a rank of the prefill pool to decode, part of it hidden behind the prefill.
    pub fn handover(scenario: &Scenario, pool: &Pool) -> Self {
        let t = &scenario.transfer;
        let shown = WHOLE - u128::from(t.overlap_65536).min(WHOLE);
        Self::new(scenario.kv.full_bytes, shown, pool.interface, t.latency)
    }

    /// From a rank of a released unit of the decode pool to another unit.
    pub fn migration(scenario: &Scenario, pool: &Pool) -> Self {
        let latency = scenario.transfer.latency;
        Self::new(scenario.kv.full_bytes, WHOLE, pool.interface, latency)
    }

    /// From the host memory of a rank of the decode pool back to the rank.
    pub fn host(scenario: &Scenario, pool: &Pool) -> Self {
        let none = SimDuration::ZERO;
        Self::new(scenario.kv.full_bytes, WHOLE, pool.host, none)
    }

    fn new(bytes_per_token: u64, part: u128, speed: BytesPerSecond, latency: SimDuration) -> Self {
        let divisor = WHOLE * u128::from(speed.0.max(1));
        let ps = (u128::from(bytes_per_token) * part * 1_000_000_000_000 + divisor / 2) / divisor;
        Self {
            per_token: Picoseconds(u64::try_from(ps).unwrap_or(u64::MAX)),
            latency,
        }
    }

    /// How long the wire is taken by so many tokens, rounded half up to the nanosecond.
    #[inline]
    pub fn time(&self, tokens: u64) -> SimDuration {
        let ps = u128::from(self.per_token.0) * u128::from(tokens);
        match u64::try_from(ps) {
            Ok(ps) => SimDuration(ps.saturating_add(500) / 1000),
            Err(_) => SimDuration(u64::try_from((ps + 500) / 1000).unwrap_or(u64::MAX)),
        }
    }

    /// Sends tokens now over an interface that is free from `free_at`; says when they arrive.
    #[inline]
    pub fn send(&self, now: SimTime, free_at: &mut SimTime, tokens: u64) -> SimTime {
        *free_at = now.max(*free_at) + self.time(tokens);
        *free_at + self.latency
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transfers_of_one_rank_follow_each_other() {
        // 70,272 B at 50 GB/s: 1.405440 us a token
        let link = Link::new(
            70_272,
            WHOLE,
            BytesPerSecond(50_000_000_000),
            SimDuration(10),
        );
        let mut free_at = SimTime::ZERO;
        assert_eq!(
            link.send(SimTime(100), &mut free_at, 1000),
            SimTime(100 + 1_405_440 + 10)
        );
        assert_eq!(
            link.send(SimTime(100), &mut free_at, 1000),
            SimTime(100 + 2 * 1_405_440 + 10)
        );
    }

    #[test]
    fn what_overlaps_does_not_count() {
        let link = Link::new(
            65_536,
            WHOLE / 2,
            BytesPerSecond(1_000_000_000),
            SimDuration::ZERO,
        );
        assert_eq!(link.time(2), SimDuration(65_536));
    }
}
