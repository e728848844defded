//! An observer that remembers which requests have ended, for users who wait for their answers. It stands beside the
//! pool's own.

use crate::metrics::{Fate, Observer};
use crate::units::SimTime;
use crate::workload::Request;

/// Class of each request that has ended, whether it completed, and its id.
#[derive(Clone, Debug, Default)]
pub struct Ended(pub Vec<(u16, bool, u64)>);

impl Observer for Ended {
    fn completed(&mut self, _now: SimTime, request: &Request, _first: SimTime, _overshoot: u64) {
        self.0.push((request.class, true, request.id));
    }

    fn ended(&mut self, _now: SimTime, request: &Request, _fate: Fate) {
        self.0.push((request.class, false, request.id));
    }
}
