//! Routers (S6): which serving unit takes a request.
//!
//! A router reads load reports: exact state, or what the units reported at the last multiple of
//! `report_interval`. A unit that begins to serve reports itself at once. Ties go to the lowest index.

use super::least::{NEVER as CLOSED, index_of_least};
use crate::scenario::Router;
use crate::units::{SimDuration, SimTime};

/// Chooses units.
#[derive(Clone, Debug)]
pub struct Routing {
    policy: Router,
    interval: SimDuration,
    next_report: SimTime,
    /// What the router believes of each unit; `CLOSED` where it takes no work.
    seen: Vec<u64>,
    /// The index after the last one chosen, for round robin.
    cursor: usize,
}

impl Routing {
    /// A router for so many units, none of them serving yet.
    pub fn new(policy: Router, interval: SimDuration, units: usize) -> Self {
        let next_report = if interval == SimDuration::ZERO {
            SimTime::NEVER
        } else {
            SimTime::ZERO
        };
        Self {
            policy,
            interval,
            next_report,
            seen: vec![CLOSED; units],
            cursor: 0,
        }
    }

    /// When the next reports are taken.
    pub fn next_report(&self) -> SimTime {
        self.next_report
    }

    /// Takes reports of the units' loads.
    pub fn report(&mut self, now: SimTime, loads: impl Iterator<Item = u64>) {
        for (unit, load) in loads.enumerate() {
            if self.seen[unit] != CLOSED {
                self.seen[unit] = load;
            }
        }
        self.next_report = now + self.interval;
    }

    /// Whether it hears of every change at once.
    #[inline]
    pub fn is_exact(&self) -> bool {
        self.interval == SimDuration::ZERO
    }

    /// A unit's load has changed. Heard only by a router with exact state.
    #[inline]
    pub fn loaded(&mut self, unit: usize, load: u64) {
        if self.interval == SimDuration::ZERO && self.seen[unit] != CLOSED {
            self.seen[unit] = load;
        }
    }

    /// A unit begins to take work.
    pub fn open(&mut self, unit: usize, load: u64) {
        self.seen[unit] = load;
    }

    /// A unit takes no more work.
    pub fn close(&mut self, unit: usize) {
        self.seen[unit] = CLOSED;
    }

    /// The unit for the next request; `None` where none serves.
    #[inline]
    pub fn choose(&mut self) -> Option<usize> {
        match self.policy {
            Router::RoundRobin => {
                let units = self.seen.len();
                let chosen = (0..units)
                    .map(|i| (self.cursor + i) % units)
                    .find(|&u| self.seen[u] != CLOSED)?;
                self.cursor = chosen + 1;
                Some(chosen)
            }
            Router::LeastLoaded | Router::LeastKv | Router::LeastTime => index_of_least(&self.seen),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(policy: Router, loads: &[u64]) -> Routing {
        let mut routing = Routing::new(policy, SimDuration::ZERO, loads.len() + 1);
        for (unit, load) in loads.iter().enumerate() {
            routing.open(unit, *load);
        }
        routing
    }

    #[test]
    fn least_goes_to_the_lowest_index_among_equals() {
        let mut routing = open(Router::LeastKv, &[5, 3, 3]);
        assert_eq!(routing.choose(), Some(1));
        routing.loaded(1, 9);
        assert_eq!(routing.choose(), Some(2));
    }

    #[test]
    fn round_robin_skips_units_that_do_not_serve() {
        let mut routing = open(Router::RoundRobin, &[0, 0, 0]);
        routing.close(1);
        let turns: Vec<_> = (0..4).map(|_| routing.choose()).collect();
        assert_eq!(turns, [Some(0), Some(2), Some(0), Some(2)]);
    }

    #[test]
    fn a_router_with_old_reports_believes_them() {
        let mut routing = Routing::new(Router::LeastLoaded, SimDuration(10), 2);
        routing.open(0, 1);
        routing.open(1, 2);
        routing.loaded(0, 100);
        assert_eq!(routing.choose(), Some(0));
        routing.report(SimTime(10), [100, 2].into_iter());
        assert_eq!(routing.choose(), Some(1));
        assert_eq!(routing.next_report(), SimTime(20));
    }
}
