//! One decode unit (S9, S14): a queue, ranks that advance in lock-step, and who is done when.
//!
//! There are no events per token. A step adds one progress to every resident at once; a request's last
//! step is known when it joins ([`super::wheel`]), and what it holds follows from the steps that are left.

use super::Rules;
use super::ranks::{Ranks, Refusal};
use super::resident::{Due, Resident, Travel};
use super::wheel::Wheel;
use crate::cluster::queue::Queue;
use crate::cluster::slots::Slots;
use crate::metrics::{Fate, Joined, Observer, Place, StepRecord};
use crate::units::SimTime;

/// One decode unit.
#[derive(Clone, Debug)]
pub struct Unit {
    /// Waiting requests, first in first out.
    pub queue: Queue<Travel>,
    ranks: Ranks,
    residents: Slots<Resident>,
    /// Those whose last step has just ended, with their ranks.
    done: Vec<(u16, Resident)>,
    wheel: Wheel,
    /// Residents that took part in the step before, by kind.
    by_kind: Vec<u64>,
    /// Residents new in this step.
    joined: Vec<Joined>,
    step_from: SimTime,
    step_end: SimTime,
    /// KV attended to in the running step.
    step_kv_1024: u64,
    /// An idle unit whose head is not ready looks again then.
    wake: SimTime,
    until: SimTime,
    halted: bool,
    /// Serving or draining.
    pub working: bool,
    /// KV resident, queued and in transfer to this unit, in 1/1024 token.
    pub load_1024: u64,
    /// Why the head of the queue waits.
    pub blocked: Option<Refusal>,
    /// Growth in the step that ended last.
    pub last_growth_1024: u64,
    /// KV that completed requests gave back at its end.
    pub last_freed_1024: u64,
    /// Progress of requests that failed here.
    pub dropped_1024: u128,
    /// By rank: when its network interface is free.
    pub interface_free: Vec<SimTime>,
}

impl Unit {
    pub fn new(rules: &Rules, kinds: usize) -> Self {
        Self {
            queue: Queue::default(),
            ranks: Ranks::new(
                rules.ranks,
                rules.kv_capacity_tokens,
                rules.max_batch_requests,
                rules.reserving,
            ),
            residents: Slots::default(),
            done: Vec::new(),
            wheel: Wheel::new(),
            by_kind: vec![0; kinds],
            joined: Vec::new(),
            step_from: SimTime::ZERO,
            step_end: SimTime::NEVER,
            step_kv_1024: 0,
            wake: SimTime::NEVER,
            until: SimTime::NEVER,
            halted: false,
            working: false,
            load_1024: 0,
            blocked: None,
            last_growth_1024: 0,
            last_freed_1024: 0,
            dropped_1024: 0,
            interface_free: vec![SimTime::ZERO; rules.ranks],
        }
    }

    /// A new life begins.
    pub fn pay(&mut self, until: SimTime) {
        self.until = until;
        self.halted = false;
        self.interface_free.fill(SimTime::ZERO);
    }

    /// When something next happens here by itself.
    #[inline]
    pub fn next(&self) -> SimTime {
        self.step_end.min(self.wake)
    }

    /// Between two steps, or idle.
    #[inline]
    pub fn at_boundary(&self) -> bool {
        self.step_end == SimTime::NEVER && !self.halted
    }

    pub fn waiting(&self) -> impl Iterator<Item = &Travel> {
        self.queue.iter()
    }

    /// Residents with their progress, in 1/1024 token.
    pub fn residents(&self, rules: &Rules) -> impl Iterator<Item = (&Resident, u64)> {
        let (step, per_step) = (self.wheel.step(), rules.progress_1024);
        self.wheel.iter().map(move |due| {
            let resident = self.residents.get(due.slot);
            (
                resident,
                resident.progress_before_1024(due.step - step, per_step),
            )
        })
    }

    /// How many are on its ranks.
    pub fn resident_count(&self) -> usize {
        self.residents.len()
    }

    /// KV of all ranks.
    pub fn kv_total_1024(&self) -> u64 {
        self.ranks.kv_total_1024
    }

    /// The same, added up rank by rank.
    pub fn kv_by_rank_1024(&self) -> u128 {
        self.ranks.kv_1024().iter().map(|&kv| u128::from(kv)).sum()
    }

    /// Ends the running step, if it ends now: everybody has grown, some are done. False for a mere
    /// wake-up.
    pub fn end_step(
        &mut self,
        now: SimTime,
        index: usize,
        rules: &Rules,
        observer: &mut impl Observer,
        finished_1024: &mut u128,
    ) -> bool {
        self.wake = SimTime::NEVER;
        if self.step_end != now {
            return false;
        }
        self.step_end = SimTime::NEVER;
        let per_step = rules.progress_1024;
        self.last_growth_1024 = self.ranks.requests_total * per_step;
        self.load_1024 += self.last_growth_1024;
        self.ranks.grow(per_step);
        observer.decode_step(&StepRecord {
            unit: index,
            from: self.step_from,
            since: self.step_from,
            to: now,
            requests_by_kind: &self.by_kind,
            kv_1024: self.step_kv_1024,
            shared: false,
            progress_1024: per_step,
            joined: &self.joined,
        });
        for new in self.joined.drain(..) {
            self.by_kind[usize::from(new.kind)] += 1;
        }
        let kv = self.ranks.kv_total_1024;
        self.complete(now, per_step, observer, finished_1024);
        self.last_freed_1024 = kv - self.ranks.kv_total_1024;
        self.load_1024 -= self.last_freed_1024;
        true
    }

    /// Takes a step in the wheel, and out of it everybody whose last step this was.
    #[inline]
    fn complete(
        &mut self,
        now: SimTime,
        per_step: u64,
        observer: &mut impl Observer,
        finished_1024: &mut u128,
    ) {
        let mut bucket = self.wheel.turn();
        let mut done = std::mem::take(&mut self.done);
        // Copied out first, in a loop too tight to wait for one cache miss after another.
        while let Some(due) = self.wheel.pop(&mut bucket) {
            done.push((due.rank, self.residents.take(due.slot)));
        }
        for (rank, resident) in done.drain(..) {
            let progress = resident.progress_done_1024(per_step);
            let overshoot = progress - 1024 * u64::from(resident.request.output - 1);
            observer.moved(
                now,
                &resident.request,
                Place::Decode,
                resident.since,
                Place::Outside,
            );
            observer.completed(now, &resident.request, resident.first_token, overshoot);
            *finished_1024 += u128::from(progress);
            self.vacate(&resident, rank, progress, per_step, observer);
        }
        self.done = done;
    }

    /// Gives a resident's place and memory back.
    #[inline]
    fn vacate(
        &mut self,
        resident: &Resident,
        rank: u16,
        progress_1024: u64,
        per_step: u64,
        observer: &impl Observer,
    ) {
        let held = resident.held_1024(progress_1024);
        let reserve = resident.held_1024(resident.progress_done_1024(per_step));
        self.ranks.leave(usize::from(rank), held, reserve);
        self.by_kind[usize::from(observer.kind(&resident.request))] -= 1;
    }

    /// At a boundary: preempts, admits, and starts a step if anybody is there and the step would end
    /// before the release. Says whether a step has started.
    pub fn start_step(
        &mut self,
        now: SimTime,
        index: usize,
        rules: &Rules,
        observer: &mut impl Observer,
    ) -> bool {
        self.wake = SimTime::NEVER;
        self.preempt(now, rules, observer);
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

    /// While a rank's growth in the coming step would exceed its capacity, its latest resident (then the
    /// highest id) goes to the head of the queue, keeps its tokens, and must bring its KV back later.
    fn preempt(&mut self, now: SimTime, rules: &Rules, observer: &mut impl Observer) {
        if self.ranks.overfull(rules.progress_1024).is_none() {
            return;
        }
        // everybody on a rank that is too full, the latest last
        let overfull = self.ranks.all_overfull(rules.progress_1024);
        let mut latest: Vec<(SimTime, u64, Due)> = Vec::new();
        for due in self.wheel.iter() {
            if overfull[usize::from(due.rank)] {
                let resident = self.residents.get(due.slot);
                latest.push((resident.since, resident.request.id, *due));
            }
        }
        latest.sort_unstable_by_key(|&(since, id, _)| (since, id));
        let mut out: Vec<Travel> = Vec::new();
        while let Some((.., due)) = latest.pop() {
            let rank = usize::from(due.rank);
            if !self.ranks.is_overfull(rank, rules.progress_1024) {
                continue;
            }
            self.wheel.remove(due.step, |d| d.slot == due.slot);
            let mut travel = self.uproot(due, now, rules, observer);
            travel.ready = now + rules.host.time(travel.held_1024().div_ceil(1024));
            observer.moved(
                now,
                &travel.request,
                Place::Decode,
                travel.since,
                Place::DecodeQueue,
            );
            observer.preempted(now, &travel.request);
            travel.since = now;
            out.push(travel);
        }
        out.sort_unstable_by_key(|t| std::cmp::Reverse(t.request.id));
        for travel in out {
            self.queue.push_front(travel);
        }
    }

    /// A resident leaves before it is done.
    fn uproot(
        &mut self,
        due: Due,
        last_token: SimTime,
        rules: &Rules,
        observer: &impl Observer,
    ) -> Travel {
        let resident = self.residents.take(due.slot);
        let steps_left = due.step - self.wheel.step();
        let progress_1024 = resident.progress_before_1024(steps_left, rules.progress_1024);
        self.vacate(
            &resident,
            due.rank,
            progress_1024,
            rules.progress_1024,
            observer,
        );
        Travel {
            request: resident.request,
            first_token: resident.first_token,
            last_token,
            progress_1024,
            since: resident.since,
            ready: SimTime::ZERO,
        }
    }

    /// Takes everybody off, with the rank of each, in no particular order. Only a halted unit has
    /// residents at its release; those that had joined for the step that it did not start have had no
    /// token since.
    pub fn evict_all(&mut self, rules: &Rules, observer: &impl Observer) -> Vec<(usize, Travel)> {
        let joined = std::mem::take(&mut self.joined);
        for new in &joined {
            self.by_kind[usize::from(new.kind)] += 1;
        }
        let mut out = Vec::new();
        for due in self.wheel.drain() {
            let id = self.residents.get(due.slot).request.id;
            let new = joined.iter().find(|new| new.id == id);
            let last_token = new.map_or(self.step_from, |new| new.last_token);
            let travel = self.uproot(due, last_token, rules, observer);
            out.push((usize::from(due.rank), travel));
        }
        out
    }

    /// The queue's head joins the rank that suits it, until it must wait. What no empty rank could ever
    /// hold fails.
    fn admit(&mut self, now: SimTime, index: usize, rules: &Rules, observer: &mut impl Observer) {
        self.blocked = None;
        if self.queue.is_empty() {
            return;
        }
        let per_step = rules.progress_1024;
        self.ranks.rank_all();
        while let Some(head) = self.queue.front() {
            let held = head.held_1024();
            let steps = head.steps_left(per_step);
            let reserve = held + steps * per_step;
            let need = if rules.reserving {
                reserve
            } else {
                held + per_step
            };
            if !self.ranks.could_fit(need) {
                observer.moved(
                    now,
                    &head.request,
                    Place::DecodeQueue,
                    head.since,
                    Place::Outside,
                );
                observer.ended(now, &head.request, Fate::Failed);
                self.load_1024 -= held;
                self.dropped_1024 += u128::from(head.progress_1024);
                self.queue.pop_front();
                continue;
            }
            if head.ready > now {
                break;
            }
            let rank = match self.ranks.choose(held, per_step, reserve) {
                Ok(rank) => rank,
                Err(refusal) => {
                    self.blocked = Some(refusal);
                    break;
                }
            };
            let Some(travel) = self.queue.pop_front() else {
                break;
            };
            self.ranks.join(rank, held, reserve);
            self.settle(now, index, rank, &travel, steps, observer);
        }
    }

    /// Takes the last request out of a queue that is longer than allowed.
    #[inline]
    pub fn overflow(&mut self, rules: &Rules) -> Option<Travel> {
        if self.queue.len() <= rules.max_queue_requests? {
            return None;
        }
        let last = self.queue.pop_back()?;
        self.load_1024 -= last.held_1024();
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
        index: usize,
        rank: usize,
        travel: &Travel,
        steps: u64,
        observer: &mut impl Observer,
    ) {
        let kind = observer.kind(&travel.request);
        observer.joined(now, &travel.request, index, rank, travel.since);
        observer.moved(
            now,
            &travel.request,
            Place::DecodeQueue,
            travel.since,
            Place::Decode,
        );
        self.joined.push(Joined {
            id: travel.request.id,
            kind,
            last_token: travel.last_token,
        });
        let slot = self.residents.store(Resident {
            request: travel.request,
            first_token: travel.first_token,
            since: now,
        });
        self.wheel.push(Due {
            step: self.wheel.step() + steps,
            slot,
            rank: rank as u16,
        });
    }
}
