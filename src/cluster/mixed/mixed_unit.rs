//! One mixed unit: queues by priority, prompts being computed, requests that decode, and the step that
//! they share.
//!
//! As in a decode unit there are no events per token: everybody who decodes advances together, so a
//! request's last decode step is known when its prefill ends.

use super::MixedRules;
use super::mixed_ranks::{MixedRank, MixedRefusal, Share};
use super::mixed_unit_load::MixedUnitLoad;
use super::request::{Decoding, MixedPrompt, Prefilling};
use super::step_turns::StepTurns;
use crate::cluster::Handover;
use crate::cluster::decode::resident::{Due, Resident};
use crate::cluster::decode::wheel::Wheel;
use crate::cluster::intake::{IntakeTokens, IntakeWaiting, Server};
use crate::cluster::levels::LevelQueues;
use crate::cluster::pool_base::PoolUnit;
use crate::cluster::pool_outcome::Outcome;
use crate::cluster::prefix::{PrefixRules, UnitCache};
use crate::cluster::slab::Slab;
use crate::metrics::{Joined, Observer, Place, StepRecord};
use crate::perf::{MixedLoad, StepTimes};
use crate::scenario::{Batching, LoadMeasure, Pool, Scenario};
use crate::units::SimTime;

/// One mixed unit: queues, and ranks that prefill and decode in the same steps.
#[derive(Clone, Debug)]
pub struct MixedUnit {
    /// Queues by priority level, first in first out.
    pub(super) queues: LevelQueues<IntakeWaiting>,
    /// Requests whose prompt is computed on ranks, in the order of joining.
    pub(super) serving: Vec<Prefilling>,
    pub(super) decoding: Slab<Decoding>,
    pub(super) wheel: Wheel,
    pub(super) ranks: Vec<MixedRank>,
    pub(super) load: MixedUnitLoad,
    /// When requests that decode fill their windows; turns only where some layer has one.
    pub(super) windows: Wheel,
    /// Requests that will take part in their first decode step.
    pub(super) joined: Vec<Joined>,
    /// When the last step ended in which any request decoded.
    pub(super) last_decode_end: SimTime,
    step_from: SimTime,
    /// Latest arrival of a request that may join the coming step: the beginning of the step that has just ended, or any
    /// time for a unit that was idle.
    pub(super) planned: SimTime,
    pub(super) turns: StepTurns,
    step_end: SimTime,
    /// Steps that those who decode take alone, before prompts are computed again.
    pub(super) pause: u32,
    /// KV attended to by requests that decode in the running step, in 1/1024 token; `None`: none decodes.
    step_kv_1024: Option<u64>,
    pub(super) loads: Vec<MixedLoad>,
    until: SimTime,
    halted: bool,
    /// Why the head of the queue waits; `None`: it does not.
    pub(super) blocked: Option<MixedRefusal>,
    /// Progress of requests that failed at this unit, in 1/1024 token.
    pub(super) dropped_1024: u128,
    /// Prefix caches of the ranks; `None`: hits were drawn.
    pub(super) cache: Option<Box<UnitCache>>,
}

impl MixedUnit {
    /// Gives back the place and memory of a request that decodes.
    pub(super) fn vacate(
        &mut self,
        resident: &Resident,
        rank: u16,
        progress_1024: u64,
        rules: &MixedRules,
    ) {
        let held = rules.pace.held_1024(&resident.request, progress_1024);
        let share = Share::new(&resident.request, held, rules);
        self.ranks[usize::from(rank)].leave_decode(&share, rules);
        self.load.kv_1024 -= held;
    }

    /// Ends the step's decode part: every request that decodes has grown, some are done.
    fn end_decode(
        &mut self,
        now: SimTime,
        index: usize,
        rules: &MixedRules,
        observer: &mut impl Observer,
        tokens: &mut IntakeTokens,
    ) {
        for rank in &mut self.ranks {
            let growth = rank.grow(rules);
            self.load.kv_1024 += growth;
            tokens.generated_stepped_1024 += u128::from(growth);
        }
        self.joined.clear();
        self.last_decode_end = now;
        if rules.memory.has_windows() {
            self.fill_windows(rules);
        }
        let mut bucket = self.wheel.turn();
        while let Some(due) = self.wheel.pop(&mut bucket) {
            let Decoding { resident, .. } = self.decoding.take(due.key);
            let request = &resident.request;
            let progress = rules.pace.progress_done_1024(request);
            observer.left_batch(request, index);
            let outcome = Outcome::Completed {
                first_token: resident.first_token,
                overshoot_1024: progress - rules.pace.wanted_1024(request),
            };
            outcome.leave(now, request, (Place::Decode, resident.since), observer);
            tokens.generated_1024 += u128::from(progress);
            self.leave(request.id, request.input + request.output - 1, now, rules);
            self.vacate(&resident, due.rank, progress, rules);
        }
    }

    /// Stops the growth within windows of the requests that have filled theirs in this step.
    fn fill_windows(&mut self, rules: &MixedRules) {
        let mut bucket = self.windows.turn();
        while let Some(due) = self.windows.pop(&mut bucket) {
            let request = self.decoding.get(due.key).resident.request;
            let first = rules.pace.held_1024(&request, 0);
            let filled = rules.memory.until_filled(first, rules.pace.per_step_1024);
            let over = filled.map_or(0, |(_, over)| over);
            self.ranks[usize::from(due.rank)].fill_window(over);
        }
    }

    /// Ends a prefill: it emits the request's first token, or, computed again, what a step emits.
    fn end_prefill(
        &mut self,
        now: SimTime,
        s: &Prefilling,
        rules: &MixedRules,
        observer: &mut impl Observer,
        tokens: &mut IntakeTokens,
    ) {
        let mut request = s.prompt.request;
        tokens.finished += u128::from(s.done);
        let held = s.prompt.held_1024(rules);
        let first_token = if s.prompt.past.has_emitted() {
            tokens.generated_stepped_1024 += u128::from(rules.pace.per_step_1024);
            s.prompt.past.first_token
        } else {
            request.cached = s.prompt.hits;
            observer.first_token(now, &request);
            now
        };
        let steps_left = s.prompt.steps_left(rules);
        if steps_left == 0 {
            self.leave(request.id, request.input + request.output - 1, now, rules);
            self.ranks[usize::from(s.rank)].leave_prefill(&s.prompt.share(rules));
            self.load.kv_1024 -= held;
            let progress = s.prompt.progress_after_1024(rules);
            tokens.generated_1024 += u128::from(progress);
            let outcome = Outcome::Completed {
                first_token,
                overshoot_1024: progress - rules.pace.wanted_1024(&request),
            };
            outcome.leave(now, &request, (Place::Prefill, s.since), observer);
            return;
        }
        let rank = &mut self.ranks[usize::from(s.rank)];
        rank.begin_decode(&s.prompt.share(rules), rules);
        observer.moved(now, &request, Place::Prefill, s.since, Place::Decode);
        let key = self.decoding.store(Decoding {
            resident: Resident {
                request,
                first_token,
                since: now,
                losses: s.prompt.past.losses,
                content: s.prompt.past.content,
            },
            joined: s.joined,
        });
        let rank = s.rank;
        let due = |step| Due { step, key, rank };
        self.wheel.push(due(self.wheel.step() + steps_left));
        let filled = rules.memory.until_filled(held, rules.pace.per_step_1024);
        if let Some((after, _)) = filled.filter(|(after, _)| *after <= steps_left) {
            self.windows.push(due(self.windows.step() + after));
        }
        self.joined.push(Joined::new(&request, now));
    }

    /// Tells of the tokens that leave at the end of a step: of requests that decoded, and of those that have
    /// computed again what they had.
    fn tell_tokens(
        &self,
        now: SimTime,
        index: usize,
        rules: &MixedRules,
        observer: &mut impl Observer,
    ) {
        let (residents, joined) = match self.step_kv_1024 {
            Some(_) => (self.decoding.len() - self.joined.len(), &self.joined[..]),
            None => (0, &[][..]),
        };
        let mut kv_1024 = self.step_kv_1024.unwrap_or(0);
        let mut recomputed = Vec::new();
        for s in &self.serving {
            if s.prompt.past.has_emitted() && s.done + s.chunk == s.prompt.computed() {
                kv_1024 += s.prompt.held_1024(rules) - rules.pace.per_step_1024;
                recomputed.push(Joined::new(&s.prompt.request, s.prompt.past.last_token));
            }
        }
        if self.step_kv_1024.is_some() || !recomputed.is_empty() {
            observer.decode_step(&StepRecord {
                unit: index,
                from: self.step_from,
                since: self.last_decode_end.min(self.step_from),
                to: now,
                residents: residents as u64,
                kv_1024,
                shared: self.serving.iter().any(|s| s.chunk > 0),
                joined,
                recomputed: &recomputed,
            });
        }
    }
}

impl PoolUnit for MixedUnit {
    type Rules = MixedRules;

    fn new(rules: &MixedRules) -> Self {
        Self {
            queues: LevelQueues::new(&rules.levels),
            serving: Vec::new(),
            decoding: Slab::default(),
            wheel: Wheel::new(),
            ranks: vec![MixedRank::default(); rules.ranks],
            load: MixedUnitLoad::default(),
            windows: Wheel::new(),
            joined: Vec::new(),
            last_decode_end: SimTime::ZERO,
            step_from: SimTime::ZERO,
            planned: SimTime::NEVER,
            turns: StepTurns::NEW,
            step_end: SimTime::NEVER,
            pause: 0,
            step_kv_1024: None,
            loads: vec![MixedLoad::default(); rules.ranks],
            until: SimTime::NEVER,
            halted: false,
            blocked: None,
            dropped_1024: 0,
            cache: rules
                .prefix
                .as_ref()
                .map(|_| Box::new(UnitCache::new(rules.ranks))),
        }
    }

    fn pay(&mut self, until: SimTime) {
        self.until = until;
        self.halted = false;
        self.pause = 0;
        self.turns = StepTurns::NEW;
        self.planned = SimTime::NEVER;
    }

    fn halt(&mut self) {
        self.halted = true;
    }

    fn next(&self) -> SimTime {
        self.step_end
    }

    fn runs(&self) -> bool {
        self.step_end != SimTime::NEVER
    }

    fn load(&self, rules: &MixedRules) -> u64 {
        match rules.measure {
            LoadMeasure::Kv => self.load.kv_1024,
            LoadMeasure::Time => self.time(rules),
            LoadMeasure::Tokens => self.load.tokens,
            LoadMeasure::TokensAndKv => 1024 * self.load.tokens + self.load.kv_1024,
        }
    }

    fn inside(&self) -> (usize, usize) {
        (self.queues.len(), self.serving.len() + self.decoding.len())
    }

    fn taken(&self, rules: &MixedRules) -> u64 {
        self.ranks.iter().map(|rank| rank.taken(rules)).sum()
    }

    fn in_tokens_1024(taken: u128, rules: &MixedRules) -> u64 {
        rules.memory.in_tokens_1024(taken)
    }

    fn blocked(&self) -> [bool; 2] {
        self.waits_for()
    }
}

impl Server for MixedUnit {
    const GENERATES: bool = true;

    fn rules(scenario: &Scenario, pool: &Pool, times: StepTimes) -> MixedRules {
        MixedRules::new(scenario, pool, times)
    }

    fn enqueue(&mut self, mut waiting: IntakeWaiting, rules: &MixedRules) {
        waiting.hits = self.known_hits(&waiting, rules);
        self.load.add(&MixedPrompt::of(&waiting), rules);
        let level = rules.levels.of(waiting.request.class);
        self.queues.push_back(level, waiting);
    }

    fn cache<'a>(
        &'a mut self,
        rules: &'a MixedRules,
    ) -> Option<(&'a mut UnitCache, &'a PrefixRules)> {
        Some((self.cache.as_mut()?, rules.prefix.as_ref()?))
    }

    fn overflow(&mut self, most: usize, rules: &MixedRules) -> Option<IntakeWaiting> {
        if self.queues.len() <= most {
            return None;
        }
        let last = self.queues.pop_back()?;
        self.load.remove(&MixedPrompt::of(&last), 0, rules);
        Some(last)
    }

    fn start_step(
        &mut self,
        now: SimTime,
        index: usize,
        rules: &MixedRules,
        observer: &mut impl Observer,
        tokens: &mut IntakeTokens,
    ) -> bool {
        if self.step_end != SimTime::NEVER || self.halted {
            return false;
        }
        self.preempt(now, index, rules, observer, tokens);
        self.trim_all(rules);
        let mut prompts = self.form(now, rules, observer);
        let anybody = self.ranks.iter().any(|rank| rank.decoding > 0);
        if !prompts && !anybody {
            // nothing was planned ahead: whoever waits now may begin
            self.planned = SimTime::NEVER;
            prompts = self.form(now, rules, observer);
        }
        if prompts && anybody && self.is_put_off(rules) {
            self.turns.put_off += 1;
            self.blocked = None;
            self.undo(now, rules);
            prompts = false;
        }
        let decodes = anybody && (rules.batching != Batching::PrefillFirst || !prompts);
        if !prompts && !decodes {
            return false;
        }
        let (computed, kv_1024) = self.measure(decodes);
        let length = rules.times.mixed_step(&self.loads);
        let end = now + length;
        if end >= self.until {
            self.halted = true;
            self.undo(now, rules);
            return false;
        }
        self.step_from = now;
        self.step_end = end;
        self.pause = match prompts {
            true => rules.prefill_every - 1,
            false => self.pause.saturating_sub(1),
        };
        self.turns.begin_step(prompts);
        self.step_kv_1024 = decodes.then_some(kv_1024);
        for s in &mut self.serving {
            if s.fresh {
                let request = &s.prompt.request;
                if !s.prompt.past.started {
                    observer.prefill_started(now, request, index);
                }
                observer.moved(now, request, Place::PrefillQueue, s.since, Place::Prefill);
                (s.since, s.prompt.past.started, s.fresh) = (now, true, false);
            }
        }
        if computed > 0 {
            observer.prefill_step(now, index, length, computed);
        }
        true
    }

    fn end_step(
        &mut self,
        now: SimTime,
        (index, _): (u32, u32),
        rules: &MixedRules,
        observer: &mut impl Observer,
        tokens: &mut IntakeTokens,
        _out: &mut Vec<Handover>,
    ) {
        self.step_end = SimTime::NEVER;
        self.planned = self.step_from;
        self.tell_tokens(now, index as usize, rules, observer);
        if self.step_kv_1024.take().is_some() {
            self.end_decode(now, index as usize, rules, observer, tokens);
        }
        let mut serving = std::mem::take(&mut self.serving);
        serving.retain_mut(|s| {
            s.done += s.chunk;
            let rest = s.prompt.pairs(s.done - s.chunk) - s.prompt.pairs(s.done);
            self.load.pairs -= rest;
            self.load.tokens -= u64::from(s.chunk);
            tokens.stepped += u128::from(s.chunk);
            self.keep_computed(s, rules);
            s.chunk = 0;
            let ended = s.done == s.prompt.computed();
            if ended {
                self.end_prefill(now, s, rules, observer, tokens);
            }
            !ended
        });
        self.serving = serving;
    }

    fn give_up(
        &mut self,
        now: SimTime,
        index: usize,
        rules: &MixedRules,
        observer: &mut impl Observer,
        tokens: &mut IntakeTokens,
    ) -> Vec<IntakeWaiting> {
        if self.runs() {
            let computes = self.serving.iter().any(|s| s.chunk > 0);
            observer.step_lost(now, index, self.step_end, computes);
            self.step_end = SimTime::NEVER;
            self.step_kv_1024 = None;
        }
        let mut moving: Vec<IntakeWaiting> = self.queues.drain().collect();
        for prefilling in std::mem::take(&mut self.serving) {
            moving.push(self.uproot_prefilling(&prefilling, now, rules, observer, tokens));
        }
        for due in self.wheel.drain() {
            moving.push(self.uproot_decoding(due, now, index, rules, observer));
        }
        moving.sort_unstable_by_key(|w| w.request.id);
        self.load = MixedUnitLoad::default();
        self.blocked = None;
        self.lose_cache();
        moving
    }

    fn carry(waiting: &IntakeWaiting, rules: &MixedRules, tokens: &mut IntakeTokens) {
        tokens.generated_1024 += u128::from(rules.pace.progress_1024(&waiting.past));
    }

    fn still_in(
        &self,
        rules: &MixedRules,
        observer: &mut impl Observer,
        tokens: &mut IntakeTokens,
    ) -> u64 {
        for w in self.queues.iter() {
            MixedPrompt::of(w).still_in(Place::PrefillQueue, w.since, observer);
            Self::carry(w, rules, tokens);
        }
        for s in &self.serving {
            s.prompt.still_in(Place::Prefill, s.since, observer);
            tokens.finished += u128::from(s.done);
            tokens.generated_1024 += u128::from(rules.pace.progress_1024(&s.prompt.past));
            tokens.kv_requests_1024 += u128::from(s.prompt.held_1024(rules));
        }
        let mut decoding = 0;
        for due in self.wheel.iter() {
            let resident = &self.decoding.get(due.key).resident;
            let steps_left = due.step - self.wheel.step();
            let progress = resident.progress_before_1024(steps_left, rules.pace);
            let first = resident.first_token;
            observer.still_in(&resident.request, Place::Decode, resident.since, first);
            tokens.generated_1024 += u128::from(progress);
            let held = rules.pace.held_1024(&resident.request, progress);
            tokens.kv_requests_1024 += u128::from(held);
            decoding += 1;
        }
        if let Some(cache) = &self.cache {
            let (kept, counted) = cache.balance();
            tokens.cache_kept += kept;
            tokens.cache_counted += counted;
        }
        tokens.generated_1024 += self.dropped_1024;
        let by_rank = self.ranks.iter().map(|rank| u128::from(rank.kv_1024));
        tokens.kv_ranks_1024 += by_rank.sum::<u128>();
        (self.queues.len() + self.serving.len()) as u64 + decoding
    }
}
