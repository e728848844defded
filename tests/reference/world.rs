//! What the pools share: the clock, each request's progress, and what is written down.

use std::collections::BTreeMap;

use tokentide::internals::cluster::controller::AfterLoss;
use tokentide::internals::metrics::Place;
use tokentide::internals::perf::StepTimes;
use tokentide::internals::scenario::{FirstToken, KvCache, Role, Scenario};
use tokentide::internals::workload::{Contents, PromptSpan, Request};

use crate::history::{End, History, Life};
use crate::kv::Memory;

/// One token.
pub const TOKEN: u64 = 1024;

/// A request gets tokens.
#[derive(Clone, Copy, Debug)]
pub struct Emission {
    pub at: u64,
    pub id: usize,
    /// In 1/1024; of a last step only what was still wanted.
    pub tokens_1024: u64,
    /// Since the token before, or since the last step's end; none with the first token.
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
    /// Tokens of its prompt that its unit's cache has, as far as is known while it waits.
    pub hits: u64,
    /// Number of its content, where hits follow from contents.
    pub content: u32,
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
    /// How a rank's memory counts what requests hold.
    pub memory: Memory,
    /// What prompts consist of, where hits follow from it.
    contents: Option<Contents>,
    /// Those that have arrived, by id.
    pub requests: Vec<Request>,
    pub now: u64,
    pub states: Vec<State>,
    pub history: History,
    pub emissions: Vec<Emission>,
    /// Class, end and id of the requests of whose end nobody has heard.
    pub ended: Vec<(usize, End, usize)>,
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
            memory: Memory::of(&scenario.kv),
            contents: Contents::new(scenario),
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
        let (mut cached, mut content) = (request.cached, 0);
        if self.contents.is_some() {
            std::mem::swap(&mut cached, &mut content);
        }
        self.requests.push(Request {
            id: id as u64,
            cached,
            ..request
        });
        self.states.push(State {
            hits: u64::from(cached),
            content,
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
        let ended = (usize::from(self.requests[id].class), end, id);
        self.ended.push(ended);
    }

    /// All KV of a request is gone: what was computed is lost, what was emitted is part of its prompt from now on, in whole
    /// tokens.
    pub fn drop_kv(&mut self, id: usize) {
        let emitted = self.life(id).tokens_1024.div_ceil(TOKEN);
        let state = &mut self.states[id];
        (state.computed, state.dropped, state.is_new, state.ready) = (0, emitted, false, 0);
    }

    /// A request loses its KV with a unit: it starts again, or fails. Says whether it starts again.
    pub fn lose(&mut self, id: usize, after: AfterLoss) -> bool {
        let now = self.now;
        let lost = &mut self.life(id).lost;
        lost.push((now, lost.len() as u32 + 1));
        self.drop_kv(id);
        if after == AfterLoss::Fail {
            self.saw("a request fails with its unit");
            self.end(id, End::Failed(self.now));
        }
        after == AfterLoss::Again
    }

    /// Whether hits follow from contents.
    pub fn has_contents(&self) -> bool {
        self.contents.is_some()
    }

    /// What a request's prompt consists of.
    pub fn spans(&self, id: usize) -> Vec<PromptSpan> {
        let mut spans = Vec::new();
        let contents = self.contents.as_ref().expect("hits follow from contents");
        contents.spans(&self.requests[id], self.states[id].content, &mut spans);
        spans
    }

    /// Tokens of a block of the cache.
    pub fn block_tokens(&self) -> u64 {
        match self.scenario.kv_cache {
            KvCache::Prefix(blocks) => u64::from(blocks.tokens),
            KvCache::Fixed => panic!("hits are drawn"),
        }
    }

    /// A prompt's end gives a request its first token, or will give it by the first decode step: what hit is counted.
    pub fn count_hits(&mut self, id: usize) {
        let hits = self.states[id].hits as u32;
        self.requests[id].cached = hits;
    }

    /// Prompt tokens in all: the input, and what was emitted when the KV was lost.
    pub fn whole_prompt(&self, id: usize) -> u64 {
        u64::from(self.requests[id].input) + self.states[id].dropped
    }

    /// Prompt tokens to compute in all.
    pub fn prompt(&self, id: usize) -> u64 {
        self.whole_prompt(id) - self.states[id].hits
    }

    /// Smaller is more urgent.
    pub fn priority(&self, id: usize) -> u32 {
        self.scenario.classes[usize::from(self.requests[id].class)].priority
    }

    /// Prompt tokens still to compute.
    pub fn remaining(&self, id: usize) -> u64 {
        self.prompt(id) - self.states[id].computed
    }

    /// Tokens of context that a request holds: its prompt and what it has emitted, in 1/1024.
    pub fn kv_1024(&self, id: usize) -> u64 {
        u64::from(self.requests[id].input) * TOKEN + self.history.lives[id].tokens_1024
    }

    /// All that it will ever hold, in 1/1024: prompt, first token where prefill emits it, and whole steps for
    /// the others.
    pub fn kv_at_last_1024(&self, id: usize) -> u64 {
        let request = &self.requests[id];
        let before_steps = u64::from(!self.first_from_decode());
        let stepped = (u64::from(request.output) - before_steps) * TOKEN;
        let stepped = stepped.next_multiple_of(self.progress_1024());
        (u64::from(request.input) + before_steps) * TOKEN + stepped
    }

    /// How far each decode step brings a request, in 1/1024 token.
    pub fn progress_1024(&self) -> u64 {
        u64::from(self.scenario.mtp.progress_1024)
    }

    /// Whether first tokens come from the first decode step (S8).
    pub fn first_from_decode(&self) -> bool {
        first_from_decode(self.scenario)
    }

    /// (query, key) pairs of what is still to compute of a prompt, behind what is cached or computed.
    pub fn remaining_pairs(&self, id: usize) -> u64 {
        let before = self.states[id].hits + self.states[id].computed;
        let tokens = self.remaining(id);
        tokens * before + tokens * (tokens + 1) / 2
    }

    /// Whether it fits into the model's context with all that it asks for (S5).
    pub fn fits_context(&self, id: usize) -> bool {
        let Request { input, output, .. } = self.requests[id];
        let tokens = u64::from(input) + u64::from(output);
        let context = self.scenario.model.context;
        context.is_none_or(|most| tokens <= u64::from(most))
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
}

/// Whether first tokens come from the first decode step: where that is stated and there is a decode pool.
pub fn first_from_decode(scenario: &Scenario) -> bool {
    let has_decode = scenario.pools.iter().any(|pool| pool.role == Role::Decode);
    has_decode && scenario.first_token == FirstToken::Decode
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

/// When something is sent over a link.
#[derive(Clone, Copy, Debug)]
pub struct Sending {
    pub from: u64,
    pub to: u64,
}

impl Links {
    pub fn new() -> Self {
        Self { free: Vec::new() }
    }

    /// One unit more.
    pub fn add(&mut self, ranks: u32) {
        self.free.push(vec![0; ranks as usize]);
    }

    /// A unit that is paid anew has nothing on its links.
    pub fn clear(&mut self, unit: usize) {
        self.free[unit].fill(0);
    }

    /// Sends something that takes this long, and says when the link begins and when it has done so.
    pub fn send(&mut self, now: u64, unit: usize, rank: usize, takes: u64) -> Sending {
        let free = &mut self.free[unit][rank];
        let from = (*free).max(now);
        *free = from + takes;
        Sending { from, to: *free }
    }
}
