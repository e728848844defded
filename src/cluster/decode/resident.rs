//! A request in a decode pool: on its way, waiting, or on a rank, and what it holds there.

use crate::cluster::past::Past;
use crate::units::SimTime;
use crate::workload::Request;

/// The pace at which requests get their tokens in decode (S8, S14).
#[derive(Clone, Copy, Debug)]
pub struct DecodePace {
    /// Tokens that a request has before its first decode step, in 1/1024: one, where prefill emits it.
    pub start_1024: u64,
    /// Progress of a step, in 1/1024 token.
    pub per_step_1024: u64,
}

impl DecodePace {
    /// Tokens of a request that decode has to make, in 1/1024.
    #[inline]
    pub fn wanted_1024(&self, request: &Request) -> u64 {
        1024 * u64::from(request.output) - self.start_1024
    }

    /// Progress of a request once it is done, the overshoot of its last step included.
    #[inline]
    pub fn progress_done_1024(&self, request: &Request) -> u64 {
        self.steps_for(self.wanted_1024(request)) * self.per_step_1024
    }

    /// Steps until a request with this progress is done.
    #[inline]
    pub fn steps_left(&self, request: &Request, progress_1024: u64) -> u64 {
        self.steps_for(self.wanted_1024(request) - progress_1024)
    }

    /// KV of a request with this progress: its input, and all that it has emitted, in 1/1024 token.
    #[inline]
    pub fn held_1024(&self, request: &Request, progress_1024: u64) -> u64 {
        1024 * u64::from(request.input) + self.start_1024 + progress_1024
    }

    /// Tokens of a request that its prefill did not emit, in 1/1024.
    #[inline]
    pub fn progress_1024(&self, past: &Past) -> u64 {
        past.emitted_1024.saturating_sub(self.start_1024)
    }

    #[inline]
    fn steps_for(&self, left_1024: u64) -> u64 {
        if self.per_step_1024 == 1024 {
            left_1024 >> 10
        } else {
            left_1024.div_ceil(self.per_step_1024)
        }
    }
}

/// A request on its way to a rank.
#[derive(Clone, Copy, Debug)]
pub struct Travel {
    pub request: Request,
    /// Past of the request.
    pub past: Past,
    /// When the request came to where it is.
    pub since: SimTime,
    /// When the request may join at the earliest: a preempted one's KV comes back from the host.
    pub ready: SimTime,
}

impl Travel {
    /// KV that the request holds, in 1/1024 token.
    #[inline]
    pub fn held_1024(&self, pace: DecodePace) -> u64 {
        pace.held_1024(&self.request, pace.progress_1024(&self.past))
    }
}

/// A request on a rank. What it has generated follows from the steps that are left ([`Due`]): progress is
/// always a whole number of steps.
#[derive(Clone, Copy, Debug)]
pub struct Resident {
    pub request: Request,
    /// When the request's first token left; `NEVER` until the end of a first step that emits it.
    pub first_token: SimTime,
    /// When the request joined the rank.
    pub since: SimTime,
    /// How often the request has lost its KV with a unit.
    pub losses: u16,
    /// Number of the request's content.
    pub content: u32,
}

/// When a resident is done, and where it is kept.
#[derive(Clone, Copy, Debug)]
pub struct Due {
    /// The unit's step count at which the resident is done.
    pub step: u64,
    /// Key under which the resident is kept.
    pub key: u32,
    /// Rank of the resident.
    pub rank: u16,
}

impl Resident {
    /// The past of the request, with this progress and its latest token at `last_token`.
    #[inline]
    pub fn past(&self, last_token: SimTime, progress_1024: u64, pace: DecodePace) -> Past {
        let has_emitted = self.first_token != SimTime::NEVER;
        Past {
            first_token: self.first_token,
            last_token,
            emitted_1024: if has_emitted {
                pace.start_1024 + progress_1024
            } else {
                0
            },
            content: self.content,
            losses: self.losses,
            started: true,
        }
    }

    /// Progress of the resident `steps_left` steps before it is done, in 1/1024 token.
    #[inline]
    pub fn progress_before_1024(&self, steps_left: u64, pace: DecodePace) -> u64 {
        pace.progress_done_1024(&self.request) - steps_left * pace.per_step_1024
    }
}
