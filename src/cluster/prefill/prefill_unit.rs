//! One prefill unit: a queue by priority, a batch over its ranks, and the requests that a batch has
//! computed in part.

use super::PrefillRules;
use super::prefill_cache::PrefillCache;
use crate::cluster::Handover;
use crate::cluster::intake::{IntakeTokens, IntakeWaiting, Server};
use crate::cluster::least::{NEVER as FULL, index_of_least};
use crate::cluster::levels::LevelQueues;
use crate::cluster::past::Past;
use crate::cluster::pool_base::PoolUnit;
use crate::cluster::pool_outcome::Outcome;
use crate::cluster::prefix::{PrefixFound, PrefixRules, UnitCache};
use crate::metrics::{Observer, Place};
use crate::perf::{PrefillLoad, StepTimes};
use crate::scenario::{LoadMeasure, Pool, RankBalance, Scenario};
use crate::units::SimTime;
use crate::workload::Request;

/// A request on a rank.
#[derive(Clone, Copy, Debug)]
pub struct InService {
    pub request: Request,
    pub past: Past,
    /// When the request's first step here began; while `fresh`, when it came into the queue.
    pub since: SimTime,
    /// Tokens of the prompt computed so far.
    pub done: u32,
    /// Tokens of the prompt in the running step.
    chunk: u32,
    /// Tokens of the prompt that were found in the cache.
    hits: u32,
    rank: u16,
    /// Whether the running step is the request's first one here.
    fresh: bool,
}

/// One prefill unit: queues, and ranks that step together.
#[derive(Clone, Debug)]
pub struct PrefillUnit {
    /// Queues by priority level, first in first out.
    queues: LevelQueues<IntakeWaiting>,
    /// Requests on ranks: in the running step, or between two steps.
    serving: Vec<InService>,
    /// When the running step ends; `NEVER` when idle.
    step_end: SimTime,
    /// Tokens and pairs assigned and not finished; a running chunk counts whole.
    load: PrefillLoad,
    until: SimTime,
    /// Whether no more steps start, because one would have reached the release.
    halted: bool,
    /// When the network interface of each rank is free.
    interface_free: Vec<SimTime>,
    /// Tokens of each rank in the batch that is being formed, or their time; `FULL` where nothing more fits.
    fill: Vec<u64>,
    count: Vec<u32>,
    rank_loads: Vec<PrefillLoad>,
    /// Prefix caches of the ranks; `None`: hits were drawn.
    cache: Option<Box<PrefillCache>>,
}

impl InService {
    /// Prompt tokens to compute in all.
    #[inline]
    fn computed(&self) -> u32 {
        self.past.prompt(&self.request) - self.hits
    }
}

impl PrefillRules {
    /// Tokens, of `wanted` ones after `context`, that a rank takes on top of what it has in this batch. An
    /// empty rank takes at least one, so that every prompt comes to its end.
    #[inline]
    fn chunk(&self, load: PrefillLoad, wanted: u32, context: u64) -> u32 {
        let chunk = wanted.min(self.max_batch_tokens - load.tokens as u32);
        let chunk = self.within_pairs(load, chunk, context);
        self.within_time(load, chunk, context)
            .max(u32::from(load.tokens == 0))
    }

    /// The largest chunk of up to `chunk` tokens that the budget of pairs allows.
    #[inline]
    fn within_pairs(&self, load: PrefillLoad, chunk: u32, context: u64) -> u32 {
        let left = self.max_batch_pairs.saturating_sub(load.pairs);
        let tokens = u64::from(chunk);
        if tokens * context + tokens * (tokens + 1) / 2 <= left {
            return chunk;
        }
        // The largest c with c k + c (c + 1) / 2 <= left.
        let b = u128::from(2 * context + 1);
        (((b * b + 8 * u128::from(left)).isqrt() - b) / 2) as u32
    }

    /// The largest chunk of up to `chunk` tokens that the budget of time allows.
    #[inline]
    fn within_time(&self, load: PrefillLoad, chunk: u32, context: u64) -> u32 {
        let Some(most) = self.max_batch_ps else {
            return chunk;
        };
        let fits = |tokens: u32| {
            let mut with = load;
            with.add_chunk(u64::from(tokens), context);
            self.times.prefill_own(with) <= most
        };
        if fits(chunk) {
            return chunk;
        }
        // `low` fits, or is 0, and `high` does not.
        let (mut low, mut high) = (0, chunk);
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if fits(middle) {
                low = middle;
            } else {
                high = middle;
            }
        }
        low
    }

    /// The number by which ranks are compared as prompts are dealt to them.
    #[inline]
    fn fill(&self, load: PrefillLoad) -> u64 {
        match self.balance {
            RankBalance::Time => self.times.prefill_own(load),
            RankBalance::Tokens | RankBalance::Kv | RankBalance::Requests => load.tokens,
        }
    }
}

impl PoolUnit for PrefillUnit {
    type Rules = PrefillRules;

    fn new(rules: &PrefillRules) -> Self {
        Self {
            queues: LevelQueues::new(&rules.levels),
            serving: Vec::new(),
            step_end: SimTime::NEVER,
            load: PrefillLoad::default(),
            until: SimTime::NEVER,
            halted: false,
            interface_free: vec![SimTime::ZERO; rules.ranks],
            fill: vec![0; rules.ranks],
            count: vec![0; rules.ranks],
            rank_loads: vec![PrefillLoad::default(); rules.ranks],
            cache: PrefillCache::new(rules),
        }
    }

    fn pay(&mut self, until: SimTime) {
        self.until = until;
        self.halted = false;
        self.interface_free.fill(SimTime::ZERO);
    }

    fn halt(&mut self) {
        self.halted = true;
    }

    #[inline]
    fn next(&self) -> SimTime {
        self.step_end
    }

    #[inline]
    fn runs(&self) -> bool {
        self.step_end != SimTime::NEVER
    }

    #[inline]
    fn load(&self, rules: &PrefillRules) -> u64 {
        match rules.measure {
            LoadMeasure::Time => rules.times.prefill_work(self.load.tokens, self.load.pairs),
            LoadMeasure::Tokens | LoadMeasure::Kv => self.load.tokens,
            LoadMeasure::TokensAndKv => 1024 * self.load.tokens,
        }
    }

    fn inside(&self) -> (usize, usize) {
        (self.queues.len(), self.serving.len())
    }
}

impl Server for PrefillUnit {
    const GENERATES: bool = false;

    fn rules(scenario: &Scenario, pool: &Pool, times: StepTimes) -> PrefillRules {
        PrefillRules::new(scenario, pool, times)
    }

    #[inline]
    fn enqueue(&mut self, mut waiting: IntakeWaiting, rules: &PrefillRules) {
        waiting.hits = match (&mut self.cache, &rules.prefix) {
            (Some(cache), Some(prefix)) => cache.known(&waiting.request, &waiting.past, prefix),
            _ => waiting.request.cached,
        };
        let context = u64::from(waiting.hits);
        self.load.add_chunk(u64::from(waiting.computed()), context);
        let level = rules.levels.of(waiting.request.class);
        self.queues.push_back(level, waiting);
    }

    fn cache<'a>(
        &'a mut self,
        rules: &'a PrefillRules,
    ) -> Option<(&'a mut UnitCache, &'a PrefixRules)> {
        let cache = self.cache.as_mut()?;
        Some((cache.ranks(), rules.prefix.as_ref()?))
    }

    fn overflow(&mut self, most: usize, _rules: &PrefillRules) -> Option<IntakeWaiting> {
        if self.queues.len() <= most {
            return None;
        }
        let last = self.queues.pop_back()?;
        let context = u64::from(last.hits);
        self.load.remove_chunk(u64::from(last.computed()), context);
        Some(last)
    }

    fn give_up(
        &mut self,
        now: SimTime,
        index: usize,
        _rules: &PrefillRules,
        observer: &mut impl Observer,
        tokens: &mut IntakeTokens,
    ) -> Vec<IntakeWaiting> {
        if self.runs() {
            observer.step_lost(now, index, self.step_end, true);
            self.step_end = SimTime::NEVER;
        }
        let mut moving: Vec<IntakeWaiting> = Vec::new();
        for w in self.queues.drain() {
            moving.push(w);
        }
        for s in self.serving.drain(..) {
            let queue = Place::PrefillQueue;
            observer.moved(now, &s.request, Place::Prefill, s.since, queue);
            tokens.discarded += u128::from(s.done);
            moving.push(IntakeWaiting::new(s.request, s.past, now));
        }
        moving.sort_unstable_by_key(|w| w.request.id);
        self.load = PrefillLoad::default();
        if let Some(cache) = &mut self.cache {
            cache.clear();
        }
        moving
    }

    fn carry(_waiting: &IntakeWaiting, _rules: &PrefillRules, _tokens: &mut IntakeTokens) {}

    fn start_step(
        &mut self,
        now: SimTime,
        index: usize,
        rules: &PrefillRules,
        observer: &mut impl Observer,
        _tokens: &mut IntakeTokens,
    ) -> bool {
        if self.step_end != SimTime::NEVER
            || self.halted
            || (self.queues.len() == 0 && self.serving.is_empty())
        {
            return false;
        }
        self.form_batch(rules);
        let length = rules.times.prefill_step(&self.rank_loads);
        let end = now + length;
        if end >= self.until {
            self.halted = true;
            self.undo_batch(now, rules);
            return false;
        }
        let mut tokens = 0;
        for s in &mut self.serving {
            tokens += u64::from(s.chunk);
            if s.fresh {
                if !s.past.started {
                    observer.prefill_started(now, &s.request, index);
                }
                observer.moved(
                    now,
                    &s.request,
                    Place::PrefillQueue,
                    s.since,
                    Place::Prefill,
                );
                (s.since, s.past.started, s.fresh) = (now, true, false);
            }
        }
        observer.prefill_step(now, index, length, tokens);
        self.step_end = end;
        true
    }

    fn end_step(
        &mut self,
        now: SimTime,
        sender: (u32, u32),
        rules: &PrefillRules,
        observer: &mut impl Observer,
        tokens: &mut IntakeTokens,
        out: &mut Vec<Handover>,
    ) {
        self.step_end = SimTime::NEVER;
        if !self.serving.is_sorted_by_key(|s| s.request.id) {
            self.serving.sort_unstable_by_key(|s| s.request.id);
        }
        let interface_free = &mut self.interface_free;
        let (load, cache) = (&mut self.load, &mut self.cache);
        self.serving.retain_mut(|s| {
            s.done += s.chunk;
            tokens.stepped += u128::from(s.chunk);
            let context = u64::from(s.hits + s.done - s.chunk);
            load.remove_chunk(u64::from(s.chunk), context);
            s.chunk = 0;
            if let Some(cache) = cache {
                cache.computed(s.request.id, s.hits + s.done, rules);
            }
            if s.done < s.computed() {
                return true;
            }
            // A request that has emitted before emits nothing here: its next token is that of its next decode step.
            let again = s.past.has_emitted();
            let sent = s.past.prompt(&s.request);
            if let Some(cache) = cache {
                cache.leave((&s.request, &s.past), sent, now, rules);
                if !again {
                    s.request.cached = s.hits;
                }
            }
            let request = &s.request;
            tokens.finished += u128::from(s.done);
            if rules.emits && !again {
                observer.first_token(now, request);
                s.past.emit_first(now, 1024);
            }
            let outcome = if rules.emits && !again && request.output == 1 {
                Outcome::Completed {
                    first_token: now,
                    overshoot_1024: 0,
                }
            } else {
                Outcome::HandedOver
            };
            outcome.leave(now, request, (Place::Prefill, s.since), observer);
            if outcome == Outcome::HandedOver {
                let free_at = &mut interface_free[usize::from(s.rank)];
                let sending = rules.handover.send(now, free_at, u64::from(sent));
                out.push(Handover {
                    request: *request,
                    at: now,
                    past: s.past,
                    sending,
                    tokens: sent,
                    sender,
                });
            }
            false
        });
        if let Some(cache) = &mut self.cache {
            cache.trim_all(rules);
        }
    }

    fn still_in(
        &self,
        _rules: &PrefillRules,
        observer: &mut impl Observer,
        tokens: &mut IntakeTokens,
    ) -> u64 {
        let mut still_in = |request: &Request, place, since, past: &Past| {
            observer.still_in(request, place, since, past.first_token);
        };
        for w in self.queues.iter() {
            still_in(&w.request, Place::PrefillQueue, w.since, &w.past);
        }
        for s in &self.serving {
            still_in(&s.request, Place::Prefill, s.since, &s.past);
            tokens.finished += u128::from(s.done);
        }
        if let Some(cache) = &self.cache {
            let (kept, counted) = cache.balance();
            tokens.cache_kept += kept;
            tokens.cache_counted += counted;
        }
        (self.queues.len() + self.serving.len()) as u64
    }
}

impl PrefillUnit {
    /// Deals out prompts: unfinished requests first, on their ranks; then the queues in order, each request to the rank
    /// with the fewest tokens that has room, until none has.
    fn form_batch(&mut self, rules: &PrefillRules) {
        self.fill.fill(rules.fill(PrefillLoad::default()));
        self.count.fill(0);
        self.rank_loads.fill(PrefillLoad::default());
        let mut open = rules.ranks;
        for i in 0..self.serving.len() {
            let s = &mut self.serving[i];
            let rank = usize::from(s.rank);
            // A cut chunk closes its rank, so no rank has more than one unfinished request.
            let load = &mut self.rank_loads[rank];
            let context = u64::from(s.hits + s.done);
            s.chunk = rules.chunk(*load, s.computed() - s.done, context);
            load.add_chunk(u64::from(s.chunk), context);
            let cut = s.done + s.chunk < s.computed();
            self.place(rank, cut, rules, &mut open);
        }
        while open > 0 {
            let Some(w) = self.queues.front() else {
                break;
            };
            let Some(rank) = index_of_least(&self.fill) else {
                break;
            };
            let load = &mut self.rank_loads[rank];
            let mut found = PrefixFound::default();
            let mut hits = w.hits;
            if let (Some(cache), Some(prefix)) = (&mut self.cache, &rules.prefix) {
                found = cache.find(rank, &w.request, &w.past, prefix);
                hits = prefix.tokens(found.blocks);
            }
            let (wanted, context) = (w.past.prompt(&w.request) - hits, u64::from(hits));
            let chunk = rules.chunk(*load, wanted, context);
            if chunk == 0 {
                self.fill[rank] = FULL;
                open -= 1;
                continue;
            }
            load.add_chunk(u64::from(chunk), context);
            if let Some(cache) = &mut self.cache {
                let known = u64::from(w.hits);
                self.load.remove_chunk(u64::from(w.computed()), known);
                self.load.add_chunk(u64::from(wanted), context);
                cache.join(rank, (&w.request, &w.past), found, rules);
            }
            self.serving.push(InService {
                request: w.request,
                past: w.past,
                since: w.since,
                done: 0,
                chunk,
                hits,
                rank: rank as u16,
                fresh: true,
            });
            self.queues.pop_front();
            self.place(rank, chunk < wanted, rules, &mut open);
        }
    }

    /// Notes one more request on a rank, and closes the rank when it can take no more.
    #[inline(always)]
    fn place(&mut self, rank: usize, cut: bool, rules: &PrefillRules, open: &mut usize) {
        self.count[rank] += 1;
        let tokens = self.rank_loads[rank].tokens;
        if cut
            || tokens >= u64::from(rules.max_batch_tokens)
            || self.count[rank] >= rules.max_batch_requests
        {
            self.fill[rank] = FULL;
            *open -= 1;
        } else {
            self.fill[rank] = rules.fill(self.rank_loads[rank]);
        }
    }

    /// Puts a batch that may not run back where it came from.
    fn undo_batch(&mut self, now: SimTime, rules: &PrefillRules) {
        while let Some(s) = self.serving.pop_if(|s| s.fresh) {
            if let Some(cache) = &mut self.cache {
                cache.leave((&s.request, &s.past), s.hits, now, rules);
            }
            let level = rules.levels.of(s.request.class);
            let waiting = IntakeWaiting {
                request: s.request,
                past: s.past,
                since: s.since,
                hits: s.hits,
            };
            self.queues.push_front(level, waiting);
        }
    }
}
