//! Routers (S6): which serving unit takes a request.
//!
//! A router chooses with the request and a view in hand: loads as they are, or as units reported them at the last
//! multiple of `report_interval`. A unit that begins to serve reports itself at once. Ties go to the lowest index.

use super::least::NEVER as CLOSED;
use super::tournament::Tournament;
use crate::scenario::Router;
use crate::units::{SimDuration, SimTime};
use crate::workload::Request;
use crate::workload::random::Stream;

/// The loads of a pool's units, as a router sees them.
#[derive(Clone, Debug)]
pub struct LoadView {
    interval: SimDuration,
    next_report: SimTime,
    /// Load of each unit; `CLOSED` where it takes no work.
    seen: Tournament,
    /// Units that take work, ascending.
    serving: Vec<usize>,
}

impl LoadView {
    /// A view of no units yet, with reports `interval` apart; zero: it sees every change at once.
    pub fn new(interval: SimDuration) -> Self {
        let next_report = if interval == SimDuration::ZERO {
            SimTime::NEVER
        } else {
            SimTime::ZERO
        };
        Self {
            interval,
            next_report,
            seen: Tournament::new(),
            serving: Vec::new(),
        }
    }

    /// Adds a unit, which does not serve yet.
    pub fn add(&mut self) {
        self.seen.push();
    }

    /// When the next load reports are taken.
    #[inline]
    pub fn next_report(&self) -> SimTime {
        self.next_report
    }

    /// Takes load reports of the units.
    pub fn report(&mut self, now: SimTime, loads: impl Iterator<Item = u64>) {
        for (unit, load) in loads.enumerate() {
            if self.is_open(unit) {
                self.seen.set(unit, load);
            }
        }
        self.next_report = now + self.interval;
    }

    /// Whether every change is seen at once.
    #[inline]
    pub fn is_exact(&self) -> bool {
        self.interval == SimDuration::ZERO
    }

    /// Tells that a unit's load has changed; seen only where everything is seen at once.
    #[inline]
    pub fn loaded(&mut self, unit: usize, load: u64) {
        if self.interval == SimDuration::ZERO && self.is_open(unit) {
            self.seen.set(unit, load);
        }
    }

    /// Tells that a unit begins to take work.
    pub fn open(&mut self, unit: usize, load: u64) {
        self.seen.set(unit, load);
        if let Err(place) = self.serving.binary_search(&unit) {
            self.serving.insert(place, unit);
        }
    }

    /// Tells that a unit takes no more work.
    pub fn close(&mut self, unit: usize) {
        self.seen.set(unit, CLOSED);
        if let Ok(place) = self.serving.binary_search(&unit) {
            self.serving.remove(place);
        }
    }

    /// The units that take work, in order of index, with their loads.
    pub fn serving_loads(&self) -> impl Iterator<Item = (usize, u64)> {
        let seen = self.seen.values();
        self.serving.iter().map(move |unit| (*unit, seen[*unit]))
    }

    #[inline]
    fn is_open(&self, unit: usize) -> bool {
        self.seen.values()[unit] != CLOSED
    }
}

/// Chooses units for requests.
#[derive(Clone, Debug)]
pub struct RequestRouter {
    policy: Router,
    /// Index after the unit chosen last, for round robin.
    cursor: usize,
    /// Where units are drawn.
    draws: Stream,
}

impl RequestRouter {
    /// A router that has chosen none yet, with a stream of its own.
    pub fn new(policy: Router, draws: Stream) -> Self {
        Self {
            policy,
            cursor: 0,
            draws,
        }
    }

    /// The unit for a request; `None`: no unit serves.
    #[inline]
    pub fn choose(&mut self, _request: &Request, view: &LoadView) -> Option<usize> {
        match self.policy {
            Router::RoundRobin => {
                let serving = &view.serving;
                let next = serving.partition_point(|unit| *unit < self.cursor);
                let chosen = *serving.get(next).or(serving.first())?;
                self.cursor = chosen + 1;
                Some(chosen)
            }
            Router::LeastLoaded
            | Router::LeastKv
            | Router::LeastTime
            | Router::PrefixCost
            | Router::PrefixScore
            | Router::PrefixBalance
            | Router::SessionSticky => view.seen.first(),
            Router::PowerOfTwo => self.draw(view),
        }
    }

    /// The less loaded of two different serving units, each pair as likely; of equals the first drawn. One that
    /// serves alone is not drawn.
    fn draw(&mut self, view: &LoadView) -> Option<usize> {
        let serving = &view.serving;
        let count = serving.len();
        if count < 2 {
            return serving.first().copied();
        }
        let first = below(&mut self.draws, count);
        let other = below(&mut self.draws, count - 1);
        let other = other + usize::from(other >= first);
        let (first, other) = (serving[first], serving[other]);
        let seen = view.seen.values();
        Some(if seen[other] < seen[first] {
            other
        } else {
            first
        })
    }
}

/// A number below `count`: floor(count x / 2^64), x being the next draw.
fn below(draws: &mut Stream, count: usize) -> usize {
    ((u128::from(draws.draw()) * count as u128) >> 64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANY: Request = Request {
        id: 0,
        at: SimTime::ZERO,
        input: 1,
        output: 1,
        cached: 0,
        class: 0,
    };

    fn router(policy: Router) -> RequestRouter {
        RequestRouter::new(policy, Stream::new(1, "router", "decode"))
    }

    fn open(loads: &[u64]) -> LoadView {
        let mut view = LoadView::new(SimDuration::ZERO);
        for (unit, load) in loads.iter().enumerate() {
            view.add();
            view.open(unit, *load);
        }
        view.add();
        view
    }

    #[test]
    fn least_goes_to_the_lowest_index_among_equals() {
        let (mut router, mut view) = (router(Router::LeastKv), open(&[5, 3, 3]));
        assert_eq!(router.choose(&ANY, &view), Some(1));
        view.loaded(1, 9);
        assert_eq!(router.choose(&ANY, &view), Some(2));
    }

    #[test]
    fn round_robin_skips_units_that_do_not_serve() {
        let (mut router, mut view) = (router(Router::RoundRobin), open(&[0, 0, 0]));
        view.close(1);
        let turns: Vec<_> = (0..4).map(|_| router.choose(&ANY, &view)).collect();
        assert_eq!(turns, [Some(0), Some(2), Some(0), Some(2)]);
    }

    #[test]
    fn round_robin_goes_on_to_a_unit_that_is_new() {
        let (mut router, mut view) = (router(Router::RoundRobin), open(&[0, 0]));
        let mut turns = vec![router.choose(&ANY, &view), router.choose(&ANY, &view)];
        view.open(2, 0);
        turns.push(router.choose(&ANY, &view));
        assert_eq!(turns, [0, 1, 2].map(Some));
    }

    #[test]
    fn of_two_drawn_the_less_loaded_takes_it() {
        let (mut drawn, mut view) = (router(Router::PowerOfTwo), open(&[9, 5, 5, 7]));
        view.close(2);
        let mut taken = [0_u32; 5];
        (0..3_000).for_each(|_| taken[drawn.choose(&ANY, &view).unwrap_or(4)] += 1);
        // Of three pairs, one of them 9 and 7, and two with 5: 2,000 and 1,000, with a deviation of 26.
        assert_eq!([taken[0], taken[2], taken[4]], [0; 3]);
        assert!(taken[1].abs_diff(2_000) < 130, "{taken:?}");
        assert_eq!(taken[1] + taken[3], 3_000);
        // Equals are as likely; who serves alone takes all.
        let mut view = open(&[5, 5]);
        let first = (0..1_000).filter(|_| drawn.choose(&ANY, &view) == Some(0));
        let first = first.count();
        assert!(first.abs_diff(500) < 80, "{first}");
        view.close(0);
        assert_eq!(drawn.choose(&ANY, &view), Some(1));
        view.close(1);
        assert_eq!(drawn.choose(&ANY, &view), None);
    }

    #[test]
    fn a_router_with_old_reports_believes_them() {
        let mut view = LoadView::new(SimDuration(10));
        let mut router = router(Router::LeastLoaded);
        for (unit, load) in [1, 2].into_iter().enumerate() {
            view.add();
            view.open(unit, load);
        }
        view.loaded(0, 100);
        assert_eq!(router.choose(&ANY, &view), Some(0));
        view.report(SimTime(10), [100, 2].into_iter());
        assert_eq!(router.choose(&ANY, &view), Some(1));
        assert_eq!(view.next_report(), SimTime(20));
    }
}
