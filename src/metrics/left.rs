//! Requests inside when the window ends: what latencies leave out, and who has missed an SLO although
//! nothing has ended (S12).

use crate::scenario::Slo;
use crate::units::{SimDuration, SimTime};
use crate::workload::Request;

/// Time per output token after the first, in ns, half up, of a request of at least two tokens (S12).
#[inline]
pub fn tpot_ns(after_first_ns: u64, output: u32) -> u64 {
    let tokens = u64::from(output - 1);
    (after_first_ns + tokens / 2) / tokens
}

/// Requests of one class that are inside when the window ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Left {
    /// All requests that are inside.
    pub requests: u64,
    /// Requests inside that have no first token.
    pub without_first_token: u64,
    /// The longest wait so far of a request without a first token, in ns; `None`: there is none.
    pub longest_wait_ns: Option<u64>,
    /// Requests that can meet their class's SLO no more.
    pub missed: u64,
}

impl Left {
    /// Counts one more request; `first_token` is `NEVER` where it has none.
    pub fn add(
        &mut self,
        request: &Request,
        first_token: SimTime,
        end: SimTime,
        slo: Option<&Slo>,
        front_end: SimDuration,
    ) {
        let has_begun = first_token != SimTime::NEVER;
        let ttft = (first_token.min(end).since(request.at) + front_end).0;
        self.requests += 1;
        if !has_begun {
            self.without_first_token += 1;
            self.longest_wait_ns = self.longest_wait_ns.max(Some(ttft));
        }
        let Some(slo) = slo else {
            return;
        };
        let is_late = slo.ttft.is_some_and(|limit| ttft > limit.0);
        // Nothing is simulated after the end: a last token leaves then at the earliest.
        let is_slow = has_begun
            && request.output >= 2
            && slo
                .tpot
                .is_some_and(|limit| tpot_ns(end.since(first_token).0, request.output) > limit.0);
        self.missed += u64::from(is_late || is_slow);
    }

    /// Adds the requests inside another pool.
    pub fn merge(&mut self, other: &Self) {
        self.requests += other.requests;
        self.without_first_token += other.without_first_token;
        self.longest_wait_ns = self.longest_wait_ns.max(other.longest_wait_ns);
        self.missed += other.missed;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A request that came at 1,000 ns, wants 5 tokens and is inside at 2,000 ns, under targets of 500 and 100 ns.
    fn left(first_token: SimTime, ttft: u64, tpot: u64) -> Left {
        let request = Request {
            at: SimTime(1_000),
            input: 10,
            output: 5,
            ..Request::default()
        };
        let slo = Slo {
            ttft: Some(SimDuration(ttft)),
            tpot: Some(SimDuration(tpot)),
            attainment: None,
        };
        let mut left = Left::default();
        left.add(
            &request,
            first_token,
            SimTime(2_000),
            Some(&slo),
            SimDuration(100),
        );
        left
    }

    #[test]
    fn who_waits_beyond_the_target_has_missed_it() {
        let waiting = left(SimTime::NEVER, 1_099, 1);
        let expect = Left {
            requests: 1,
            without_first_token: 1,
            longest_wait_ns: Some(1_100),
            missed: 1,
        };
        assert_eq!(waiting, expect);
        // just as old as the target: the next instant could still bring it
        assert_eq!(left(SimTime::NEVER, 1_100, 1).missed, 0);
    }

    #[test]
    fn who_has_outlived_a_target_has_missed_it() {
        // a first token after 400 ns, and 600 ns for four more: 150 ns each at best
        let began = SimTime(1_400);
        assert_eq!(left(began, 500, 150).missed, 0);
        assert_eq!(left(began, 500, 149).missed, 1);
        assert_eq!(left(began, 499, 150).missed, 1);
        assert_eq!(left(began, 499, 149).without_first_token, 0);
    }

    #[test]
    fn pools_add_up() {
        let mut both = left(SimTime::NEVER, 1_099, 1);
        both.merge(&left(SimTime(1_400), 500, 150));
        assert_eq!(
            (both.requests, both.without_first_token, both.missed),
            (2, 1, 1)
        );
        assert_eq!(both.longest_wait_ns, Some(1_100));
    }
}
