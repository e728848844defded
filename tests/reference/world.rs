//! What the pools share: the clock, each request's progress, and what is written down.

use std::collections::BTreeMap;

use tokentide::metrics::Place;
use tokentide::perf::StepTimes;
use tokentide::scenario::Scenario;
use tokentide::units::BytesPerSecond;
use tokentide::workload::Request;

use crate::history::{End, History, Life};

/// One token.
pub const TOKEN: u64 = 1024;

/// A request gets tokens.
#[derive(Clone, Copy, Debug)]
pub struct Emission {
    pub at: u64,
    pub id: usize,
    /// In 1/1024; of a last step only what was still wanted.
    pub tokens_1024: u64,
    /// After the first token: since the one before, or since the last step's end.
    pub gap: Option<u64>,
}

/// What is happening to a request.
#[derive(Clone, Copy, Debug)]
pub struct State {
    /// Prompt tokens computed by its unit, beyond the cached ones.
    pub computed: u64,
    /// Tokens that it had emitted when a mixed unit dropped its KV: they belong to its prompt then.
    pub dropped: u64,
    /// When its latest token left.
    pub last_token: u64,
    /// Preempted: when its KV is back from the host.
    pub ready: u64,
    /// It has joined and its first step since has not ended.
    pub is_new: bool,
    pub place: Place,
    pub since: u64,
}

/// The clock, the requests and the history.
pub struct World<'a> {
    pub scenario: &'a Scenario,
    pub times: &'a StepTimes,
    /// Those that have arrived, by id.
    pub requests: Vec<Request>,
    pub now: u64,
    pub states: Vec<State>,
    pub history: History,
    pub emissions: Vec<Emission>,
    /// Class and end of the requests of whose end nobody has heard.
    pub ended: Vec<(usize, End)>,
    /// Time spent in each place inside the counted window, in request-nanoseconds.
    pub sojourns: [u128; 5],
    /// How often each thing happened that a scenario can have or not.
    pub seen: BTreeMap<String, u64>,
}

impl<'a> World<'a> {
    pub fn new(scenario: &'a Scenario, times: &'a StepTimes) -> Self {
        Self {
            scenario,
            times,
            requests: Vec::new(),
            now: 0,
            states: Vec::new(),
            history: History::default(),
            emissions: Vec::new(),
            ended: Vec::new(),
            sojourns: [0; 5],
            seen: BTreeMap::new(),
        }
    }

    /// A request comes, and has its id.
    pub fn welcome(&mut self, request: Request) -> usize {
        let id = self.requests.len();
        self.requests.push(Request {
            id: id as u64,
            ..request
        });
        self.states.push(State {
            computed: 0,
            dropped: 0,
            last_token: 0,
            ready: 0,
            is_new: false,
            place: Place::Outside,
            since: 0,
        });
        self.history.lives.push(Life {
            request: self.requests[id],
            ..Life::default()
        });
        id
    }

    pub fn saw(&mut self, what: &str) {
        *self.seen.entry(what.to_owned()).or_default() += 1;
    }

    pub fn life(&mut self, id: usize) -> &mut Life {
        &mut self.history.lives[id]
    }

    /// Writes down that something happens to a request now.
    pub fn note(&mut self, id: usize, list: impl FnOnce(&mut Life) -> &mut Vec<u64>) {
        let now = self.now;
        list(self.life(id)).push(now);
    }

    /// Puts a request into a place, from now.
    pub fn put(&mut self, id: usize, place: Place) {
        let state = &mut self.states[id];
        if state.place != place {
            let start = self.scenario.warm_up.0;
            let counted = self.now.max(start) - state.since.max(start);
            if let Some(sum) = self.sojourns.get_mut(state.place as usize) {
                *sum += u128::from(counted);
            }
            (state.place, state.since) = (place, self.now);
        }
    }

    pub fn end(&mut self, id: usize, end: End) {
        self.put(id, Place::Outside);
        self.life(id).end = end;
        let ended = (usize::from(self.requests[id].class), end);
        self.ended.push(ended);
    }

    /// Prompt tokens to compute in all.
    pub fn prompt(&self, id: usize) -> u64 {
        u64::from(self.requests[id].input - self.requests[id].cached) + self.states[id].dropped
    }

    /// Smaller is more urgent.
    pub fn priority(&self, id: usize) -> u32 {
        self.scenario.classes[usize::from(self.requests[id].class)].priority
    }

    /// Prompt tokens still to compute.
    pub fn remaining(&self, id: usize) -> u64 {
        self.prompt(id) - self.states[id].computed
    }

    /// Tokens of context that a request holds once it has its first token, in 1/1024.
    pub fn kv_1024(&self, id: usize) -> u64 {
        u64::from(self.requests[id].input) * TOKEN + self.history.lives[id].tokens_1024
    }

    /// All that it will ever hold, in 1/1024: prompt, first token, and whole steps for the others.
    pub fn kv_at_last_1024(&self, id: usize) -> u64 {
        let request = &self.requests[id];
        let after_first = u64::from(request.output - 1) * TOKEN;
        let stepped = after_first.next_multiple_of(self.progress_1024());
        (u64::from(request.input) + 1) * TOKEN + stepped
    }

    /// How far each decode step brings a request, in 1/1024 token.
    pub fn progress_1024(&self) -> u64 {
        self.scenario
            .mtp
            .map_or(TOKEN, |mtp| u64::from(mtp.progress_1024))
    }

    /// A request gets tokens.
    pub fn emit(&mut self, id: usize, tokens_1024: u64, gap: Option<u64>) {
        let wanted = u64::from(self.requests[id].output) * TOKEN;
        let left = wanted - self.history.lives[id].tokens_1024;
        self.history.lives[id].tokens_1024 += tokens_1024;
        self.states[id].last_token = self.now;
        self.emissions.push(Emission {
            at: self.now,
            id,
            tokens_1024: tokens_1024.min(left),
            gap,
        });
    }

    /// Whether it has all its tokens.
    pub fn is_done(&self, id: usize) -> bool {
        self.history.lives[id].tokens_1024 >= u64::from(self.requests[id].output) * TOKEN
    }

    /// A request has its last token. What a last step makes beyond it is nobody's (S14).
    pub fn complete(&mut self, id: usize) {
        if self.history.lives[id].tokens_1024 > u64::from(self.requests[id].output) * TOKEN {
            self.saw("a last step makes more tokens than are left");
        }
        if self.requests[id].output > 300 {
            self.saw("hundreds of steps");
        }
        self.life(id).tokens_1024 = u64::from(self.requests[id].output) * TOKEN;
        self.end(id, End::Completed(self.now));
    }

    /// How long the KV of so much context takes over a link, of whose bytes this part is seen: whole
    /// tokens, rounded up, of whole picoseconds each, rounded half up; then whole nanoseconds.
    pub fn link_time(&self, kv_1024: u64, part_65536: u32, speed: BytesPerSecond) -> u64 {
        let tokens = u128::from(kv_1024.div_ceil(TOKEN));
        let bytes_65536 =
            u128::from(self.scenario.model.kv_bytes_per_token) * u128::from(part_65536);
        let ps_per_token = half_up(
            bytes_65536 * 1_000_000_000_000,
            65_536 * u128::from(speed.0),
        );
        half_up(tokens * ps_per_token, 1000) as u64
    }
}

/// A quotient, rounded half up.
pub fn half_up(dividend: u128, divisor: u128) -> u128 {
    (dividend + divisor / 2) / divisor
}

/// Links that send one thing after another: one for each rank of each unit.
#[derive(Clone, Debug)]
pub struct Links {
    free: Vec<Vec<u64>>,
}

impl Links {
    pub fn new(units: usize, ranks: u32) -> Self {
        Self {
            free: vec![vec![0; ranks as usize]; units],
        }
    }

    /// A unit that is paid anew has nothing on its links.
    pub fn clear(&mut self, unit: usize) {
        self.free[unit].fill(0);
    }

    /// Sends something that takes this long, and says when the link has done so.
    pub fn send(&mut self, now: u64, unit: usize, rank: usize, takes: u64) -> u64 {
        let free = &mut self.free[unit][rank];
        *free = (*free).max(now) + takes;
        *free
    }
}
