//! One mixed unit: queues by priority, prompts being computed, requests that decode, and the step that
//! they share.
//!
//! As in a decode unit there are no events per token: everybody who decodes advances together, so a
//! request's last decode step is known when its prefill ends.

use super::Rules;
use super::ranks::{Rank, Refusal};
use super::request::{Decoding, Prefilling, Prompt, Waiting};
use crate::cluster::Handover;
use crate::cluster::decode::resident::{Due, Resident};
use crate::cluster::decode::wheel::Wheel;
use crate::cluster::intake::{Queued, Server, Tokens};
use crate::cluster::queue::Queue;
use crate::cluster::slots::Slots;
use crate::metrics::{Joined, Observer, Place, StepRecord};
use crate::perf::{MixedLoad, StepTimes};
use crate::scenario::{Batching, Pool, Scenario};
use crate::units::SimTime;

/// What the routers compare.
#[derive(Clone, Copy, Debug, Default)]
pub struct Load {
    /// Tokens to compute, assigned and not finished; a running chunk counts whole.
    tokens: u64,
    /// KV resident and queued, in 1/1024 token.
    kv_1024: u64,
}

impl Load {
    pub fn add(&mut self, prompt: &Prompt, rules: &Rules) {
        self.tokens += u64::from(prompt.computed());
        self.kv_1024 += prompt.held_1024(rules);
    }

    /// Of somebody with `done` tokens computed.
    pub fn remove(&mut self, prompt: &Prompt, done: u32, rules: &Rules) {
        self.tokens -= u64::from(prompt.computed() - done);
        self.kv_1024 -= prompt.held_1024(rules);
    }
}

/// One mixed unit.
#[derive(Clone, Debug)]
pub struct Unit {
    /// By priority level, first in first out.
    pub(super) queues: Vec<Queue<Waiting>>,
    pub(super) queued: usize,
    /// On ranks, in the order of joining.
    pub(super) serving: Vec<Prefilling>,
    pub(super) decoding: Slots<Decoding>,
    pub(super) wheel: Wheel,
    pub(super) ranks: Vec<Rank>,
    pub(super) load: Load,
    by_kv: bool,
    /// Those that took part in the last decode step, by kind.
    pub(super) by_kind: Vec<u64>,
    /// Those that will take part in their first one, by id and last token.
    pub(super) joined: Vec<Joined>,
    /// When the last step ended in which anybody decoded.
    pub(super) last_decode_end: SimTime,
    step_from: SimTime,
    /// Who waited then may join the coming step: the beginning of the step that has just ended, or any time
    /// for a unit that was idle.
    pub(super) planned: SimTime,
    step_end: SimTime,
    /// KV attended to by those who decode in the running step; `None` where nobody does.
    step_kv_1024: Option<u64>,
    loads: Vec<MixedLoad>,
    until: SimTime,
    halted: bool,
    /// Why the head of the queue waits.
    pub(super) blocked: Option<Refusal>,
    /// Progress of requests that failed here.
    pub(super) dropped_1024: u128,
}

impl Unit {
    /// Gives the place and memory of somebody who decodes back.
    pub(super) fn vacate(
        &mut self,
        resident: &Resident,
        rank: u16,
        progress_1024: u64,
        rules: &Rules,
    ) {
        let held = resident.held_1024(progress_1024);
        let reserve = resident.held_1024(resident.progress_done_1024(rules.progress_1024));
        self.ranks[usize::from(rank)].leave_decode(held, reserve);
        self.load.kv_1024 -= held;
    }

    /// The step's decode part ends: everybody has grown, some are done.
    fn end_decode(
        &mut self,
        now: SimTime,
        rules: &Rules,
        observer: &mut impl Observer,
        tokens: &mut Tokens,
    ) {
        let per_step = rules.progress_1024;
        for rank in &mut self.ranks {
            let growth = u64::from(rank.decoding) * per_step;
            rank.kv_1024 += growth;
            self.load.kv_1024 += growth;
            tokens.generated_stepped_1024 += u128::from(growth);
        }
        for new in self.joined.drain(..) {
            self.by_kind[usize::from(new.kind)] += 1;
        }
        self.last_decode_end = now;
        let mut bucket = self.wheel.turn();
        while let Some(due) = self.wheel.pop(&mut bucket) {
            let Decoding { resident, .. } = self.decoding.take(due.slot);
            let request = &resident.request;
            let progress = resident.progress_done_1024(per_step);
            let overshoot = progress - 1024 * u64::from(request.output - 1);
            observer.moved(now, request, Place::Decode, resident.since, Place::Outside);
            observer.completed(now, request, resident.first_token, overshoot);
            tokens.generated_1024 += u128::from(progress);
            self.by_kind[usize::from(observer.kind(request))] -= 1;
            self.vacate(&resident, due.rank, progress, rules);
        }
    }

    /// A prompt is computed: it emits its first token, or, computed again, what a step emits.
    fn end_prefill(
        &mut self,
        now: SimTime,
        s: &Prefilling,
        rules: &Rules,
        observer: &mut impl Observer,
        tokens: &mut Tokens,
    ) {
        let request = &s.prompt.request;
        tokens.finished += u128::from(s.done);
        let held = s.prompt.held_1024(rules);
        let first_token = match s.prompt.past {
            None => {
                observer.first_token(now, request);
                now
            }
            Some(past) => {
                tokens.generated_stepped_1024 += u128::from(rules.progress_1024);
                past.first_token
            }
        };
        let rank = &mut self.ranks[usize::from(s.rank)];
        let steps_left = s.prompt.steps_left(rules);
        if steps_left == 0 {
            rank.leave_prefill(held, s.prompt.reserve_1024(rules));
            self.load.kv_1024 -= held;
            let progress = s.prompt.progress_after_1024(rules);
            let overshoot = progress - 1024 * u64::from(request.output - 1);
            tokens.generated_1024 += u128::from(progress);
            observer.moved(now, request, Place::Prefill, s.since, Place::Outside);
            observer.completed(now, request, first_token, overshoot);
            return;
        }
        rank.begin_decode(held);
        observer.moved(now, request, Place::Prefill, s.since, Place::Decode);
        let slot = self.decoding.store(Decoding {
            resident: Resident {
                request: *request,
                first_token,
                since: now,
            },
            joined: s.joined,
        });
        self.wheel.push(Due {
            step: self.wheel.step() + steps_left,
            slot,
            rank: s.rank,
        });
        self.joined.push(Joined {
            id: request.id,
            kind: observer.kind(request),
            last_token: now,
        });
    }

    /// Tells of the tokens that leave at the end of a step: of those who decoded, and of those who have
    /// computed again what they had.
    fn tell_tokens(&self, now: SimTime, index: usize, rules: &Rules, observer: &mut impl Observer) {
        let (by_kind, new) = match self.step_kv_1024 {
            Some(_) => (&self.by_kind[..], &self.joined[..]),
            None => (&[][..], &[][..]),
        };
        let mut kv_1024 = self.step_kv_1024.unwrap_or(0);
        let mut joined = new.to_vec();
        for s in &self.serving {
            if let Some(past) = s.prompt.past
                && s.done + s.chunk == s.prompt.computed()
            {
                kv_1024 += s.prompt.held_1024(rules) - rules.progress_1024;
                joined.push(Joined {
                    id: s.prompt.request.id,
                    kind: observer.kind(&s.prompt.request),
                    last_token: past.last_token,
                });
            }
        }
        if self.step_kv_1024.is_some() || !joined.is_empty() {
            observer.decode_step(&StepRecord {
                unit: index,
                from: self.step_from,
                since: self.last_decode_end.min(self.step_from),
                to: now,
                requests_by_kind: by_kind,
                kv_1024,
                shared: self.serving.iter().any(|s| s.chunk > 0),
                progress_1024: rules.progress_1024,
                joined: &joined,
            });
        }
    }
}

impl Server for Unit {
    const GENERATES: bool = true;
    type Rules = Rules;
    type Waiting = Waiting;

    fn rules(scenario: &Scenario, pool: &Pool, times: StepTimes) -> Rules {
        Rules::new(scenario, pool, times)
    }

    fn new(rules: &Rules, kinds: usize) -> Self {
        Self {
            queues: vec![Queue::default(); rules.levels.count()],
            queued: 0,
            serving: Vec::new(),
            decoding: Slots::default(),
            wheel: Wheel::new(),
            ranks: vec![Rank::default(); rules.ranks],
            load: Load::default(),
            by_kv: rules.by_kv,
            by_kind: vec![0; kinds],
            joined: Vec::new(),
            last_decode_end: SimTime::ZERO,
            step_from: SimTime::ZERO,
            planned: SimTime::NEVER,
            step_end: SimTime::NEVER,
            step_kv_1024: None,
            loads: vec![MixedLoad::default(); rules.ranks],
            until: SimTime::NEVER,
            halted: false,
            blocked: None,
            dropped_1024: 0,
        }
    }

    fn pay(&mut self, until: SimTime) {
        self.until = until;
        self.halted = false;
        self.planned = SimTime::NEVER;
    }

    fn enqueue(&mut self, waiting: Waiting, rules: &Rules) {
        self.load.add(&waiting.prompt, rules);
        self.queued += 1;
        self.queues[rules.levels.of(waiting.prompt.request.class)].push_back(waiting);
    }

    fn overflow(&mut self, most: usize, rules: &Rules) -> Option<Waiting> {
        if self.queued <= most {
            return None;
        }
        let last = self.queues.iter_mut().rev().find_map(Queue::pop_back)?;
        self.queued -= 1;
        self.load.remove(&last.prompt, 0, rules);
        Some(last)
    }

    fn load(&self) -> u64 {
        if self.by_kv {
            self.load.kv_1024
        } else {
            self.load.tokens
        }
    }

    fn step_end(&self) -> SimTime {
        self.step_end
    }

    fn start_step(
        &mut self,
        now: SimTime,
        index: usize,
        rules: &Rules,
        observer: &mut impl Observer,
        tokens: &mut Tokens,
    ) -> bool {
        if self.step_end != SimTime::NEVER || self.halted {
            return false;
        }
        self.preempt(now, rules, observer, tokens);
        let mut prompts = self.form(now, rules, observer);
        let anybody = self.ranks.iter().any(|rank| rank.decoding > 0);
        if !prompts && !anybody {
            // nothing was planned ahead: whoever waits now may begin
            self.planned = SimTime::NEVER;
            prompts = self.form(now, rules, observer);
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
            self.undo(rules);
            return false;
        }
        self.step_from = now;
        self.step_end = end;
        self.step_kv_1024 = decodes.then_some(kv_1024);
        for s in &mut self.serving {
            if s.fresh {
                let request = &s.prompt.request;
                if !s.started {
                    observer.prefill_started(now, request);
                }
                observer.moved(now, request, Place::PrefillQueue, s.since, Place::Prefill);
                (s.since, s.started, s.fresh) = (now, true, false);
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
        index: usize,
        rules: &Rules,
        observer: &mut impl Observer,
        tokens: &mut Tokens,
        _out: &mut Vec<Handover>,
    ) {
        self.step_end = SimTime::NEVER;
        self.planned = self.step_from;
        self.tell_tokens(now, index, rules, observer);
        if self.step_kv_1024.take().is_some() {
            self.end_decode(now, rules, observer, tokens);
        }
        let mut serving = std::mem::take(&mut self.serving);
        serving.retain_mut(|s| {
            s.done += s.chunk;
            self.load.tokens -= u64::from(s.chunk);
            tokens.stepped += u128::from(s.chunk);
            s.chunk = 0;
            let ended = s.done == s.prompt.computed();
            if ended {
                self.end_prefill(now, s, rules, observer, tokens);
            }
            !ended
        });
        self.serving = serving;
    }

    fn release(
        &mut self,
        now: SimTime,
        rules: &Rules,
        observer: &mut impl Observer,
        tokens: &mut Tokens,
    ) -> Vec<Waiting> {
        let mut moving: Vec<Waiting> = self.queues.iter_mut().flat_map(Queue::drain).collect();
        for prefilling in std::mem::take(&mut self.serving) {
            moving.push(self.uproot_prefilling(&prefilling, now, rules, observer, tokens));
        }
        for due in self.wheel.drain() {
            moving.push(self.uproot_decoding(due, now, rules, observer));
        }
        moving.sort_unstable_by_key(|w| w.prompt.request.id);
        self.queued = 0;
        self.load = Load::default();
        self.blocked = None;
        moving
    }

    fn kv_1024(&self) -> u64 {
        self.ranks.iter().map(|rank| rank.kv_1024).sum()
    }

    fn blocked(&self) -> [bool; 2] {
        self.waits_for()
    }

    fn inside(&self) -> (usize, usize) {
        (self.queued, self.serving.len() + self.decoding.len())
    }

    fn still_in(&self, rules: &Rules, observer: &mut impl Observer, tokens: &mut Tokens) -> u64 {
        for w in self.queues.iter().flat_map(Queue::iter) {
            observer.still_in(&w.prompt.request, Place::PrefillQueue, w.since);
            w.carry(tokens);
        }
        for s in &self.serving {
            observer.still_in(&s.prompt.request, Place::Prefill, s.since);
            tokens.finished += u128::from(s.done);
            tokens.generated_1024 += u128::from(s.prompt.past.map_or(0, |p| p.progress_1024));
            tokens.kv_requests_1024 += u128::from(s.prompt.held_1024(rules));
        }
        let mut decoding = 0;
        for due in self.wheel.iter() {
            let resident = &self.decoding.get(due.slot).resident;
            let steps_left = due.step - self.wheel.step();
            let progress = resident.progress_before_1024(steps_left, rules.progress_1024);
            observer.still_in(&resident.request, Place::Decode, resident.since);
            tokens.generated_1024 += u128::from(progress);
            tokens.kv_requests_1024 += u128::from(resident.held_1024(progress));
            decoding += 1;
        }
        tokens.generated_1024 += self.dropped_1024;
        tokens.kv_ranks_1024 += u128::from(self.kv_1024());
        (self.queued + self.serving.len()) as u64 + decoding
    }
}

impl Unit {
    /// What each rank does in the coming step, into `loads`. Says how many prompt tokens are in it, and the
    /// KV of those who decode.
    fn measure(&mut self, decodes: bool) -> (u64, u64) {
        let mut kv_1024 = 0;
        for (load, rank) in self.loads.iter_mut().zip(&self.ranks) {
            *load = MixedLoad::default();
            if decodes {
                load.requests = rank.decoding;
                load.kv_1024 = rank.kv_1024 - rank.prefill_kv_1024;
                kv_1024 += load.kv_1024;
            }
        }
        let mut computed = 0;
        for s in &self.serving {
            let context = u64::from(s.prompt.request.cached + s.done);
            let load = &mut self.loads[usize::from(s.rank)];
            load.prefill.add_chunk(u64::from(s.chunk), context);
            load.chunks += u32::from(s.chunk > 0);
            load.joins += u32::from(s.fresh);
            computed += u64::from(s.chunk);
        }
        (computed, kv_1024)
    }
}
