//! KV on its way to the decode pool, in the order in which it arrives.
//!
//! A prefill step ends for many requests at once, so transfers begin in bursts. A burst is sorted once
//! into a run; few runs overlap, so the next arrival is nearly always the next one of the same run.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;

use crate::units::SimTime;

/// An arrival of KV: when, the request's id (the order among equals), and the key under which it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Arrival {
    pub at: SimTime,
    pub id: u64,
    pub key: u32,
}

impl Arrival {
    /// Time and id in one number: one comparison instead of two.
    #[inline]
    fn order(&self) -> u128 {
        u128::from(self.at.0) << 64 | u128::from(self.id)
    }
}

/// A run of arrivals, the latest first; never empty in the heap.
#[derive(Clone, Debug, PartialEq, Eq)]
struct ArrivalRun(Vec<Arrival>);

impl Ord for ArrivalRun {
    fn cmp(&self, other: &Self) -> Ordering {
        let order = |run: &Self| run.0.last().map(Arrival::order);
        order(other).cmp(&order(self))
    }
}

impl PartialOrd for ArrivalRun {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The arrivals of all KV that is on its way.
#[derive(Clone, Debug, Default)]
pub struct TransferArrivals {
    runs: BinaryHeap<ArrivalRun>,
    burst: Vec<Arrival>,
    spare: Vec<Vec<Arrival>>,
    /// Time of the earliest arrival in `runs`; `None`: there is none.
    next: Option<SimTime>,
}

impl TransferArrivals {
    /// Adds an arrival, which counts after [`TransferArrivals::settle`].
    #[inline]
    pub fn add(&mut self, arrival: Arrival) {
        self.burst.push(arrival);
    }

    /// Sorts the arrivals that have been added since the last time.
    #[inline]
    pub fn settle(&mut self) {
        if self.burst.is_empty() {
            return;
        }
        self.burst
            .sort_unstable_by_key(|arrival| Reverse(arrival.order()));
        let next = self.spare.pop().unwrap_or_default();
        self.runs
            .push(ArrivalRun(std::mem::replace(&mut self.burst, next)));
        self.note();
    }

    /// When the earliest KV arrives; `NEVER`: none is on its way.
    #[inline]
    pub fn next(&self) -> SimTime {
        self.next.unwrap_or(SimTime::NEVER)
    }

    /// Takes out the next arrival at `now` and returns its key; `None`: there is none.
    #[inline]
    pub fn pop_at(&mut self, now: SimTime) -> Option<u32> {
        if self.next != Some(now) {
            return None;
        }
        let mut run = self.runs.peek_mut()?;
        let arrival = run.0.pop()?;
        if run.0.is_empty() {
            self.spare.push(PeekMut::pop(run).0);
        } else {
            drop(run);
        }
        self.note();
        Some(arrival.key)
    }

    /// Takes out those that are not to arrive.
    pub fn retain(&mut self, mut keep: impl FnMut(&Arrival) -> bool) {
        self.settle();
        let mut runs = std::mem::take(&mut self.runs).into_vec();
        for run in &mut runs {
            run.0.retain(&mut keep);
        }
        runs.retain(|run| !run.0.is_empty());
        self.runs = runs.into();
        self.note();
    }

    /// All arrivals, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = &Arrival> {
        self.runs.iter().flat_map(|run| &run.0).chain(&self.burst)
    }

    #[inline]
    fn note(&mut self) {
        self.next = self
            .runs
            .peek()
            .and_then(|run| run.0.last())
            .map(|arrival| arrival.at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bursts_that_overlap_arrive_in_order_of_time_and_id() {
        let mut arrivals = TransferArrivals::default();
        for (burst, times) in [[5, 9, 9], [7, 9, 1]].into_iter().enumerate() {
            for (i, at) in times.into_iter().enumerate() {
                let id = (10 * burst + 2 - i) as u64;
                arrivals.add(Arrival {
                    at: SimTime(at),
                    id,
                    key: id as u32,
                });
            }
            arrivals.settle();
        }
        let mut seen = Vec::new();
        while arrivals.next() != SimTime::NEVER {
            let now = arrivals.next();
            while let Some(key) = arrivals.pop_at(now) {
                seen.push((now.0, key));
            }
        }
        assert_eq!(seen, [(1, 10), (5, 2), (7, 12), (9, 0), (9, 1), (9, 11)]);
        assert_eq!(arrivals.iter().count(), 0);
    }
}
