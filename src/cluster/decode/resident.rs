//! A request in a decode pool: on its way, waiting, or on a rank, and what it holds there.

use crate::units::SimTime;
use crate::workload::Request;

/// A request on its way to a rank.
#[derive(Clone, Copy, Debug)]
pub struct Travel {
    pub request: Request,
    pub first_token: SimTime,
    /// When its latest token left.
    pub last_token: SimTime,
    /// Tokens after the first, in 1/1024.
    pub progress_1024: u64,
    /// When it came to where it is.
    pub since: SimTime,
    /// It may not join before: a preempted request's KV comes back from the host.
    pub ready: SimTime,
}

impl Travel {
    /// KV that it holds: its input, its first token, its progress.
    #[inline]
    pub fn held_1024(&self) -> u64 {
        1024 * (u64::from(self.request.input) + 1) + self.progress_1024
    }

    /// Steps until it is done.
    #[inline]
    pub fn steps_left(&self, progress_1024: u64) -> u64 {
        steps_for(
            1024 * u64::from(self.request.output - 1) - self.progress_1024,
            progress_1024,
        )
    }
}

/// A request on a rank. What it has generated follows from the steps that are left ([`Due`]): progress is
/// always a whole number of steps.
#[derive(Clone, Copy, Debug)]
pub struct Resident {
    pub request: Request,
    pub first_token: SimTime,
    /// When it joined.
    pub since: SimTime,
}

/// When somebody on a rank is done.
#[derive(Clone, Copy, Debug)]
pub struct Due {
    /// The unit's step count then.
    pub step: u64,
    /// Where the resident is kept.
    pub slot: u32,
    /// Its rank.
    pub rank: u16,
}

impl Resident {
    /// Progress once it is done, the overshoot of its last step included.
    #[inline]
    pub fn progress_done_1024(&self, per_step_1024: u64) -> u64 {
        steps_for(1024 * u64::from(self.request.output - 1), per_step_1024) * per_step_1024
    }

    /// Progress so many steps before it is done.
    #[inline]
    pub fn progress_before_1024(&self, steps_left: u64, per_step_1024: u64) -> u64 {
        self.progress_done_1024(per_step_1024) - steps_left * per_step_1024
    }

    #[inline]
    pub fn held_1024(&self, progress_1024: u64) -> u64 {
        1024 * (u64::from(self.request.input) + 1) + progress_1024
    }
}

#[inline]
fn steps_for(left_1024: u64, per_step_1024: u64) -> u64 {
    if per_step_1024 == 1024 {
        left_1024 >> 10
    } else {
        left_1024.div_ceil(per_step_1024)
    }
}
