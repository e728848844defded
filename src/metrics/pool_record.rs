//! What is known of a pool when its simulation is done.

use super::cells::{ClassCounts, Latencies, TimeCell};
use super::left::Left;
use super::length_bucket::BUCKETS;
use crate::economics::paid::PaidUnits;

/// The counts of a recorder whose pool is done.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// Counted cells, in the order of the timeline.
    pub cells: Vec<TimeCell>,
    /// Paid units, from the beginning of the simulation.
    pub paid: PaidUnits,
    /// Latencies and completed requests by bucket of input lengths, over the whole window.
    pub buckets: [(Latencies, u64); BUCKETS],
    /// Latencies of each class over the whole window; empty where there is a single class.
    pub(super) classes: Vec<Latencies>,
    /// Request side of Little's law: time spent in each place inside the window, request-ns.
    pub sojourns: [u128; 5],
    /// Counts of each class from before the window.
    pub before: Vec<ClassCounts>,
    /// Requests of each class that are inside when the window ends.
    pub left: Vec<Left>,
    /// Latencies so far of each class's requests that are inside when the window ends and do not have them yet.
    pub inside: Vec<Latencies>,
}

impl Record {
    /// Latencies of a class over the whole window.
    pub fn of_class(&self, class: usize) -> Latencies {
        if let Some(latencies) = self.classes.get(class) {
            return latencies.clone();
        }
        let mut all = Latencies::default();
        for (latencies, _) in &self.buckets {
            all.merge(latencies);
        }
        all
    }
}
