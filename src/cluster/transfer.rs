//! KV on the move (S8): a request's bytes through the source rank's network interface, first in first out; then,
//! where that takes longer, through the interfaces of the receiving unit; plus a latency.
//!
//! The layer-wise overlap hides part of a hand-over's bytes behind the prefill that makes them. A
//! migration has no prefill to hide behind, so all of its bytes count.

use crate::catalog::KvShape;
use crate::scenario::{Pool, Scenario};
use crate::units::{BytesPerSecond, Picoseconds, SimDuration, SimTime};

/// The time that KV takes over one link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Time of one token in layers that keep it, rounded to the picosecond once.
    per_token: Picoseconds,
    /// Time of one token in layers with a window, rounded to the picosecond once.
    per_window_token: Picoseconds,
    /// Tokens of the window; 0: no layer has one.
    window_tokens: u64,
    /// Time of a request's states, rounded to the picosecond once.
    per_request: Picoseconds,
}

/// A request's KV as its sender sends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sending {
    /// When the sender is done.
    pub done: SimTime,
    /// Time that the sender takes for the KV, once it has begun.
    pub took: SimDuration,
}

/// Denominator in which the hidden part of the bytes is given.
const WHOLE: u128 = 65_536;

impl Link {
    /// The link from a rank of the prefill pool to decode, part of it hidden behind the prefill.
    pub fn handover(scenario: &Scenario, pool: &Pool) -> Self {
        Self::new(&scenario.kv, shown(scenario), pool.interface)
    }

    /// The link from a rank of a released unit of the decode pool to another unit.
    pub fn migration(scenario: &Scenario, pool: &Pool) -> Self {
        Self::new(&scenario.kv, WHOLE, pool.interface)
    }

    /// Links through all interfaces of a unit of the decode pool: for what is handed over, and for what migrates.
    pub fn receivers(scenario: &Scenario, pool: &Pool) -> [Self; 2] {
        let together = BytesPerSecond(pool.interface.0.saturating_mul(u64::from(pool.ranks)));
        [shown(scenario), WHOLE].map(|part| Self::new(&scenario.kv, part, together))
    }

    /// The link from the host memory of a rank of the decode pool back to the rank.
    pub fn host(scenario: &Scenario, pool: &Pool) -> Self {
        Self::new(&scenario.kv, WHOLE, pool.host)
    }

    fn new(kv: &KvShape, part: u128, speed: BytesPerSecond) -> Self {
        let divisor = WHOLE * u128::from(speed.0.max(1));
        let ps = |bytes: u64| {
            let ps = (u128::from(bytes) * part * 1_000_000_000_000 + divisor / 2) / divisor;
            Picoseconds(u64::try_from(ps).unwrap_or(u64::MAX))
        };
        Self {
            per_token: ps(kv.full_bytes),
            per_window_token: ps(kv.window_bytes),
            window_tokens: u64::from(kv.window_tokens),
            per_request: ps(kv.state_bytes),
        }
    }

    /// Time that a request of `tokens` tokens takes on the wire, rounded half up to the nanosecond.
    #[inline]
    pub fn time(&self, tokens: u64) -> SimDuration {
        let product = |each: Picoseconds, count: u64| u128::from(each.0) * u128::from(count);
        let ps = product(self.per_token, tokens)
            + product(self.per_window_token, tokens.min(self.window_tokens))
            + u128::from(self.per_request.0);
        match u64::try_from(ps) {
            Ok(ps) => SimDuration(ps.saturating_add(500) / 1000),
            Err(_) => SimDuration(u64::try_from((ps + 500) / 1000).unwrap_or(u64::MAX)),
        }
    }

    /// Sends a request of `tokens` tokens now over an interface that is free from `free_at`.
    #[inline]
    pub fn send(&self, now: SimTime, free_at: &mut SimTime, tokens: u64) -> Sending {
        let took = self.time(tokens);
        *free_at = now.max(*free_at) + took;
        Sending {
            done: *free_at,
            took,
        }
    }
}

/// Part of the bytes of a hand-over that the prefill does not hide.
fn shown(scenario: &Scenario) -> u128 {
    WHOLE - u128::from(scenario.transfer.overlap_65536).min(WHOLE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transfers_of_one_rank_follow_each_other() {
        // 70,272 B at 50 GB/s: 1.405440 us a token
        let kv = KvShape::of_tokens(70_272);
        let link = Link::new(&kv, WHOLE, BytesPerSecond(50_000_000_000));
        let took = SimDuration(1_405_440);
        let mut free_at = SimTime::ZERO;
        for n in 1..3 {
            let done = SimTime(100 + n * took.0);
            let sending = link.send(SimTime(100), &mut free_at, 1000);
            assert_eq!(sending, Sending { done, took });
        }
    }

    #[test]
    fn what_overlaps_does_not_count() {
        let kv = KvShape::of_tokens(65_536);
        let link = Link::new(&kv, WHOLE / 2, BytesPerSecond(1_000_000_000));
        assert_eq!(link.time(2), SimDuration(65_536));
    }

    #[test]
    fn window_layers_send_their_window_and_states_go_along() {
        let kv = KvShape {
            full_bytes: 1000,
            window_bytes: 4000,
            window_tokens: 10,
            state_bytes: 500,
        };
        let link = Link::new(&kv, WHOLE, BytesPerSecond(1_000_000_000));
        assert_eq!(link.time(4), SimDuration(4 * 5000 + 500));
        assert_eq!(link.time(25), SimDuration(25 * 1000 + 10 * 4000 + 500));
    }
}
