//! What becomes of a request at a pool: one word for it, whatever pool it is, and one way to leave.

use super::controller::AfterLoss;
use super::past::Past;
use crate::metrics::{Fate, Observer, Place};
use crate::units::SimTime;
use crate::workload::Request;

/// What becomes of a request that a unit is done with, or has to do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Prefill is done: the request's KV goes to the decode pool.
    HandedOver,
    /// The request goes on at another unit.
    Again(Restart),
    /// The request has all its tokens.
    Completed {
        /// When the request's first token left.
        first_token: SimTime,
        /// Tokens that its last step made beyond those wanted, in 1/1024.
        overshoot_1024: u64,
    },
    /// The request ends without them.
    Ended(Fate),
}

/// Where a request goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restart {
    /// At another place, with the KV that it has.
    Elsewhere,
    /// From its start: its KV is gone, and all that it has emitted is computed again.
    FromStart,
}

impl Outcome {
    /// The outcome of a request of a unit that is released (`loss` is `None`) or lost. The observer hears of it, and a
    /// loss is noted in the request's past.
    pub fn of_departure(
        now: SimTime,
        request: &Request,
        past: &mut Past,
        loss: Option<AfterLoss>,
        observer: &mut impl Observer,
    ) -> Self {
        let Some(after) = loss else {
            observer.migrated(now, request);
            return Self::Again(Restart::Elsewhere);
        };
        let losses = past.lose();
        observer.lost(now, request, losses);
        match after {
            AfterLoss::Again => Self::Again(Restart::FromStart),
            AfterLoss::Fail => Self::Ended(Fate::Failed),
        }
    }

    /// Tells the observer that a request leaves the pool like this, from a place where it has been since `since`.
    #[inline]
    pub fn leave(
        self,
        now: SimTime,
        request: &Request,
        (place, since): (Place, SimTime),
        observer: &mut impl Observer,
    ) {
        observer.moved(now, request, place, since, Place::Outside);
        match self {
            Self::HandedOver | Self::Again(_) => {}
            Self::Completed {
                first_token,
                overshoot_1024,
            } => observer.completed(now, request, first_token, overshoot_1024),
            Self::Ended(fate) => observer.ended(now, request, fate),
        }
    }
}
