//! One decode unit (S9, S14): a queue, ranks that advance in lock-step, and who is done when.
//!
//! There are no events per token. A step adds one progress to every resident at once; a request's last
//! step is known when it joins ([`super::wheel`]), and what it holds follows from the steps that are left.

mod evictions;

use super::decode_ranks::{DecodeRefusal, Ranks};
use super::kv_load::KvLoad;
use super::resident::{Due, Resident, Travel};
use super::wheel::Wheel;
use super::{DecodeRules, DecodeTokens};
use crate::cluster::pool_base::PoolUnit;
use crate::cluster::pool_outcome::Outcome;
use crate::cluster::queue::Queue;
use crate::cluster::slab::Slab;
use crate::metrics::{Fate, Joined, Observer, Place, StepRecord};
use crate::units::SimTime;

/// One decode unit: a queue, and ranks that step together.
#[derive(Clone, Debug)]
pub struct DecodeUnit {
    /// Waiting requests, first in first out.
    pub queue: Queue<Travel>,
    ranks: Ranks,
    residents: Slab<Resident>,
    /// Residents whose last step has just ended, with their ranks.
    done: Vec<(u16, Resident)>,
    wheel: Wheel,
    /// When residents fill their windows; turns only where some layer has one.
    windows: Wheel,
    /// Residents whose first step here emits their first token.
    fresh: Vec<u32>,
    /// Residents new in this step.
    joined: Vec<Joined>,
    step_from: SimTime,
    step_end: SimTime,
    /// When the latest step ended.
    last_end: SimTime,
    /// KV attended to in the running step, in 1/1024 token.
    step_kv_1024: u64,
    /// When an idle unit whose head is not ready looks again; `NEVER`: it need not.
    wake: SimTime,
    until: SimTime,
    halted: bool,
    /// Requests and KV resident, queued and in transfer to this unit.
    pub load: KvLoad,
    /// Why the head of the queue waits; `None`: it does not.
    pub blocked: Option<DecodeRefusal>,
    /// Progress of requests that failed at this unit, in 1/1024 token.
    pub dropped_1024: u128,
    /// When the network interface of each rank is free to send.
    pub interface_free: Vec<SimTime>,
    /// When the unit's interfaces together are done with what they receive.
    pub receive_free: SimTime,
}

impl PoolUnit for DecodeUnit {
    type Rules = DecodeRules;

    fn new(rules: &DecodeRules) -> Self {
        Self {
            queue: Queue::default(),
            ranks: Ranks::new(rules),
            residents: Slab::default(),
            done: Vec::new(),
            wheel: Wheel::new(),
            windows: Wheel::new(),
            fresh: Vec::new(),
            joined: Vec::new(),
            step_from: SimTime::ZERO,
            step_end: SimTime::NEVER,
            last_end: SimTime::ZERO,
            step_kv_1024: 0,
            wake: SimTime::NEVER,
            until: SimTime::NEVER,
            halted: false,
            load: KvLoad::default(),
            blocked: None,
            dropped_1024: 0,
            interface_free: vec![SimTime::ZERO; rules.ranks],
            receive_free: SimTime::ZERO,
        }
    }

    fn pay(&mut self, until: SimTime) {
        self.until = until;
        self.halted = false;
        self.interface_free.fill(SimTime::ZERO);
        self.receive_free = SimTime::ZERO;
    }

    fn halt(&mut self) {
        self.halted = true;
    }

    #[inline]
    fn next(&self) -> SimTime {
        self.step_end.min(self.wake)
    }

    #[inline]
    fn runs(&self) -> bool {
        self.step_end != SimTime::NEVER
    }

    #[inline]
    fn load(&self, rules: &DecodeRules) -> u64 {
        self.load.seen(rules)
    }

    fn inside(&self) -> (usize, usize) {
        (self.queue.len(), self.residents.len())
    }

    #[inline]
    fn taken(&self, _rules: &DecodeRules) -> u64 {
        self.ranks.taken()
    }

    #[inline]
    fn in_tokens_1024(taken: u128, rules: &DecodeRules) -> u64 {
        rules.memory.in_tokens_1024(taken)
    }

    #[inline]
    fn blocked(&self) -> [bool; 2] {
        [DecodeRefusal::Memory, DecodeRefusal::Places].map(|why| self.blocked == Some(why))
    }
}

impl DecodeUnit {
    /// Whether the unit is between two steps, or idle.
    #[inline]
    pub fn at_boundary(&self) -> bool {
        self.step_end == SimTime::NEVER && !self.halted
    }

    pub fn waiting(&self) -> impl Iterator<Item = &Travel> {
        self.queue.iter()
    }

    /// Residents with their progress, in 1/1024 token.
    pub fn residents(&self, rules: &DecodeRules) -> impl Iterator<Item = (&Resident, u64)> {
        let (step, pace) = (self.wheel.step(), rules.pace);
        self.wheel.iter().map(move |due| {
            let resident = self.residents.get(due.key);
            (
                resident,
                resident.progress_before_1024(due.step - step, pace),
            )
        })
    }

    /// KV on all ranks, added up rank by rank.
    pub fn kv_by_rank_1024(&self) -> u128 {
        self.ranks.kv_1024().iter().map(|&kv| u128::from(kv)).sum()
    }

    /// Ends the running step, if it ends now: every resident has grown, some are done. False for a mere
    /// wake-up.
    pub fn end_step(
        &mut self,
        now: SimTime,
        index: usize,
        rules: &DecodeRules,
        observer: &mut impl Observer,
        DecodeTokens {
            stepped_1024,
            finished_1024,
            ..
        }: &mut DecodeTokens,
    ) -> bool {
        self.wake = SimTime::NEVER;
        if self.step_end != now {
            return false;
        }
        self.step_end = SimTime::NEVER;
        self.last_end = now;
        let per_step = rules.pace.per_step_1024;
        let window = self.ranks.window_total_1024;
        self.load.kv_1024 += self.ranks.requests_total * per_step;
        *stepped_1024 += u128::from(self.ranks.requests_total * per_step);
        self.ranks.grow();
        if rules.memory.has_windows() {
            self.fill_windows(rules);
            self.load.window_1024 += self.ranks.window_total_1024 - window;
        }
        for key in self.fresh.drain(..) {
            let resident = self.residents.get_mut(key);
            resident.first_token = now;
            observer.first_token(now, &resident.request);
        }
        observer.decode_step(&StepRecord {
            unit: index,
            from: self.step_from,
            since: self.step_from,
            to: now,
            residents: self.ranks.requests_total - self.joined.len() as u64,
            kv_1024: self.step_kv_1024,
            shared: false,
            joined: &self.joined,
            recomputed: &[],
        });
        self.joined.clear();
        let before = (self.ranks.kv_total_1024, self.ranks.window_total_1024);
        let requests = self.ranks.requests_total;
        self.complete(now, index, rules, observer, finished_1024);
        self.load.kv_1024 -= before.0 - self.ranks.kv_total_1024;
        self.load.window_1024 -= before.1 - self.ranks.window_total_1024;
        self.load.requests -= requests - self.ranks.requests_total;
        true
    }

    /// Stops the growth within windows of the residents that have filled theirs in this step.
    fn fill_windows(&mut self, rules: &DecodeRules) {
        let mut bucket = self.windows.turn();
        while let Some(due) = self.windows.pop(&mut bucket) {
            let request = self.residents.get(due.key).request;
            let first = rules.pace.held_1024(&request, 0);
            let per_step = rules.pace.per_step_1024;
            let over = rules.memory.until_filled(first, per_step);
            self.ranks
                .fill_window(usize::from(due.rank), over.map_or(0, |(_, over)| over));
        }
    }

    /// Takes a step in the wheel, and out of it every resident whose last step this was.
    #[inline]
    fn complete(
        &mut self,
        now: SimTime,
        index: usize,
        rules: &DecodeRules,
        observer: &mut impl Observer,
        finished_1024: &mut u128,
    ) {
        let mut bucket = self.wheel.turn();
        let mut done = std::mem::take(&mut self.done);
        // Copied out first, in a loop too tight to wait for one cache miss after another.
        while let Some(due) = self.wheel.pop(&mut bucket) {
            done.push((due.rank, self.residents.take(due.key)));
        }
        for (rank, resident) in done.drain(..) {
            let progress = rules.pace.progress_done_1024(&resident.request);
            observer.left_batch(&resident.request, index);
            let outcome = Outcome::Completed {
                first_token: resident.first_token,
                overshoot_1024: progress - rules.pace.wanted_1024(&resident.request),
            };
            let at = (Place::Decode, resident.since);
            outcome.leave(now, &resident.request, at, observer);
            *finished_1024 += u128::from(progress);
            self.vacate(&resident, rank, progress, rules);
        }
        self.done = done;
    }

    /// Gives a resident's place and memory back.
    #[inline]
    fn vacate(&mut self, resident: &Resident, rank: u16, progress_1024: u64, rules: &DecodeRules) {
        let leaving = rules.joining(&resident.request, progress_1024);
        self.ranks.leave(usize::from(rank), &leaving);
    }

    /// At a boundary: preempts, admits, and starts a step if anybody is there and the step would end
    /// before the release. Says whether a step has started.
    pub fn start_step(
        &mut self,
        now: SimTime,
        index: usize,
        rules: &DecodeRules,
        observer: &mut impl Observer,
    ) -> bool {
        self.wake = SimTime::NEVER;
        self.preempt(now, index, rules, observer);
        self.admit(now, index, rules, observer);
        if self.ranks.requests_total == 0 {
            self.wake = self
                .queue
                .front()
                .map_or(SimTime::NEVER, |head| head.ready.max(now));
            return false;
        }
        let length = rules.times.decode_step(self.ranks.loads());
        let end = now + length;
        self.step_from = now;
        if end >= self.until {
            self.halted = true;
            return false;
        }
        self.step_kv_1024 = self.ranks.kv_total_1024;
        self.step_end = end;
        true
    }

    /// Lets the queue's head join the rank that suits it, again and again until it must wait. What no empty rank could
    /// ever hold fails.
    fn admit(
        &mut self,
        now: SimTime,
        index: usize,
        rules: &DecodeRules,
        observer: &mut impl Observer,
    ) {
        self.blocked = None;
        if self.queue.is_empty() {
            return;
        }
        self.ranks.rank_all();
        while let Some(head) = self.queue.front() {
            let progress = rules.pace.progress_1024(&head.past);
            let joining = rules.joining(&head.request, progress);
            if !self.ranks.could_fit(&joining) {
                let at = (Place::DecodeQueue, head.since);
                Outcome::Ended(Fate::Failed).leave(now, &head.request, at, observer);
                self.load.remove(joining.held_1024, rules);
                self.dropped_1024 += u128::from(progress);
                self.queue.pop_front();
                continue;
            }
            if head.ready > now {
                break;
            }
            let rank = match self.ranks.choose(&joining) {
                Ok(rank) => rank,
                Err(refusal) => {
                    self.blocked = Some(refusal);
                    break;
                }
            };
            let Some(travel) = self.queue.pop_front() else {
                break;
            };
            self.ranks.join(rank, &joining);
            self.settle(now, (index, rank), &travel, rules, observer);
        }
    }

    /// Takes the last request out of a queue that is longer than allowed; `None`: it is not.
    #[inline]
    pub fn overflow(&mut self, most: usize, rules: &DecodeRules) -> Option<Travel> {
        if self.queue.len() <= most {
            return None;
        }
        let last = self.queue.pop_back()?;
        self.load.remove(last.held_1024(rules.pace), rules);
        if self.queue.is_empty() {
            self.blocked = None;
        }
        Some(last)
    }

    /// Enters a request in the wheel.
    #[inline]
    fn settle(
        &mut self,
        now: SimTime,
        (index, rank): (usize, usize),
        travel: &Travel,
        rules: &DecodeRules,
        observer: &mut impl Observer,
    ) {
        observer.joined(now, &travel.request, index, rank, travel.since);
        observer.moved(
            now,
            &travel.request,
            Place::DecodeQueue,
            travel.since,
            Place::Decode,
        );
        self.joined
            .push(Joined::new(&travel.request, travel.past.last_token));
        let key = self.residents.store(Resident {
            request: travel.request,
            first_token: travel.past.first_token,
            since: now,
            losses: travel.past.losses,
            content: travel.past.content,
        });
        if !travel.past.has_emitted() {
            self.fresh.push(key);
        }
        let progress = rules.pace.progress_1024(&travel.past);
        let steps = rules.pace.steps_left(&travel.request, progress);
        let rank = rank as u16;
        let due = |step| Due { step, key, rank };
        self.wheel.push(due(self.wheel.step() + steps));
        let held = travel.held_1024(rules.pace);
        let filled = rules.memory.until_filled(held, rules.pace.per_step_1024);
        if let Some((after, _)) = filled.filter(|(after, _)| *after <= steps) {
            self.windows.push(due(self.windows.step() + after));
        }
    }
}
