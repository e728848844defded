//! A request in a mixed pool: waiting, being prefilled, or decoding.

use super::MixedRules;
use super::mixed_ranks::Share;
use crate::cluster::decode::resident::Resident;
use crate::cluster::intake::IntakeWaiting;
use crate::cluster::past::Past;
use crate::metrics::{Observer, Place};
use crate::perf::PrefillLoad;
use crate::units::SimTime;
use crate::workload::Request;

/// A prompt to compute, with the request's past.
#[derive(Clone, Copy, Debug)]
pub struct MixedPrompt {
    pub request: Request,
    pub past: Past,
    /// Tokens of the prompt that the cache has.
    pub hits: u32,
}

/// A request whose prompt is being computed on a rank.
#[derive(Clone, Copy, Debug)]
pub struct Prefilling {
    pub prompt: MixedPrompt,
    /// When the request's first step here began; while `fresh`, when it came into the queue.
    pub since: SimTime,
    /// When the request joined its rank.
    pub joined: SimTime,
    /// Tokens of the prompt computed so far.
    pub done: u32,
    /// Tokens of the prompt in the running step.
    pub chunk: u32,
    pub rank: u16,
    /// Whether the running step is the request's first one here.
    pub fresh: bool,
}

/// A request that decodes.
#[derive(Clone, Copy, Debug)]
pub struct Decoding {
    pub resident: Resident,
    /// When the request joined its rank.
    pub joined: SimTime,
}

impl MixedPrompt {
    /// The prompt of a request that waits.
    pub fn of(waiting: &IntakeWaiting) -> Self {
        Self {
            request: waiting.request,
            past: waiting.past,
            hits: waiting.hits,
        }
    }

    /// Tokens to compute: the input, and for a request that starts again all that it has emitted, less
    /// what the cache holds.
    pub fn computed(&self) -> u32 {
        self.past.prompt(&self.request) - self.hits
    }

    /// The request back in a queue, where it waits since then.
    pub fn waiting(&self, since: SimTime) -> IntakeWaiting {
        IntakeWaiting {
            request: self.request,
            past: self.past,
            since,
            hits: self.hits,
        }
    }

    /// Prompt tokens that are in the cache or computed.
    pub fn reached(&self, done: u32) -> u32 {
        self.hits + done
    }

    /// Tells the observer where the request is when the simulation ends.
    pub fn still_in(&self, place: Place, since: SimTime, observer: &mut impl Observer) {
        observer.still_in(&self.request, place, since, self.past.first_token);
    }

    /// (Query, key) pairs of the prompt's tokens from `done` on.
    pub fn pairs(&self, done: u32) -> u64 {
        let mut load = PrefillLoad::default();
        let context = u64::from(self.hits + done);
        load.add_chunk(u64::from(self.computed() - done), context);
        load.pairs
    }

    /// KV that the request holds from its admission on: input and all that it will have emitted when this prefill
    /// ends, in 1/1024 token.
    pub fn held_1024(&self, rules: &MixedRules) -> u64 {
        let progress = self.progress_after_1024(rules);
        rules.pace.held_1024(&self.request, progress)
    }

    /// Tokens after the first that the request has when this prefill ends, in 1/1024.
    pub fn progress_after_1024(&self, rules: &MixedRules) -> u64 {
        if self.past.has_emitted() {
            rules.pace.progress_1024(&self.past) + rules.pace.per_step_1024
        } else {
            0
        }
    }

    /// The share of a rank that the request takes from its admission on.
    pub fn share(&self, rules: &MixedRules) -> Share {
        Share::new(&self.request, self.held_1024(rules), rules)
    }

    /// Decode steps that are left when this prefill ends.
    pub fn steps_left(&self, rules: &MixedRules) -> u64 {
        let done = rules.pace.progress_done_1024(&self.request);
        (done - self.progress_after_1024(rules)) / rules.pace.per_step_1024
    }
}
