//! The decode pool (S8-S10, S14): requests are routed at hand-over, travel, wait, join a rank, and
//! generate in lock-step.
//!
//! A unit is in `decode_unit.rs`, its ranks in [`decode_ranks`], its completions in `wheel.rs`; this file is the
//! pool's part of every instant ([`BackPool`]), the requests on their way, and those for which no unit serves.
//! The receiving side of a transfer is not limited, and KV that waits takes no memory of a rank.

pub mod decode_ranks;
mod decode_unit;
mod departures;
mod kv_load;
pub(super) mod resident;
mod rules;
mod transfer_arrivals;
mod transit;
pub(super) mod wheel;

use std::collections::VecDeque;

use super::controller::{PoolView, UnitOrder};
use super::instant::{BackPool, ClusterPool, LostSender};
use super::past::Lost;
use super::pool_base::PoolBase;
use super::pool_outcome::Outcome;
use super::slab::Slab;
use super::{Handover, Inside};
use crate::metrics::{Fate, Observer, Place, audit::AuditBalance};
use crate::perf::StepTimes;
use crate::scenario::{Pool, Scenario};
use crate::units::{SimDuration, SimTime};
use decode_unit::DecodeUnit;
use resident::Travel;
use rules::DecodeRules;
use transfer_arrivals::TransferArrivals;

/// A request whose KV is on its way, or that no unit has taken yet.
#[derive(Clone, Copy, Debug)]
struct Moving {
    travel: Travel,
    unit: Option<u32>,
    /// Time that the KV takes at its sender.
    took: SimDuration,
    /// Time that the KV takes at a receiver.
    receiving: SimDuration,
    /// The prefill unit that sends the KV, and the number of its life; `None`: a released unit of this pool sends it.
    sender: Option<(u32, u32)>,
    /// Whether the sender of the KV is done.
    sent: bool,
    arrived: bool,
}

/// The decode pool of a simulation.
pub struct Decode<O> {
    base: PoolBase<DecodeUnit, O>,
    moving: Slab<Moving>,
    /// KV on its way; its keys are those of `moving`.
    arrivals: TransferArrivals,
    /// Keys of `moving` for which no unit serves, first in first out.
    unrouted: VecDeque<u32>,
    /// Requests whose KV arrives at this instant, by id.
    landing: Vec<(u64, u32)>,
    /// Latency of every transfer.
    latency: SimDuration,
    /// Requests that are handed over at the present instant.
    inbox: Vec<Handover>,
    /// Requests that have been handed over so far.
    pub handed_over: u64,
    tokens: DecodeTokens,
}

/// Generated tokens after the first, in 1/1024, by two routes.
#[derive(Clone, Copy, Debug, Default)]
struct DecodeTokens {
    /// Tokens by unit: requests times progress of each step.
    stepped_1024: u128,
    /// Tokens that requests that come again had before.
    brought_1024: u128,
    /// Tokens by request: of those that completed, overshoot of their last step included, or left.
    finished_1024: u128,
}

impl<O: Observer> ClusterPool for Decode<O> {
    #[inline]
    fn next(&self) -> SimTime {
        self.base.next().min(self.arrivals.next())
    }

    #[inline]
    fn advance(&mut self, now: SimTime) {
        self.base.observer.advance(now);
    }

    #[inline]
    fn report(&mut self, now: SimTime) {
        self.base.report(now);
    }

    #[inline]
    fn begin_serving(&mut self, now: SimTime) -> bool {
        self.base.begin_serving(now)
    }

    fn obey(&mut self, now: SimTime, order: UnitOrder) {
        self.base.obey(now, order);
    }

    fn seen(&self) -> Option<PoolView> {
        Some(self.base.seen(self.unrouted.len() as u64))
    }

    #[inline]
    fn start_steps(&mut self, now: SimTime) {
        if !self.base.dirty.is_empty() {
            let dirty = self.base.take_dirty();
            for index in &dirty {
                self.start_step(now, *index);
            }
            self.base.looked_at(now, dirty);
        }
        if !self.unrouted.is_empty() {
            self.limit_unrouted(now);
        }
    }
}

impl<O: Observer> BackPool for Decode<O> {
    #[inline]
    fn settle_changes(&mut self, now: SimTime, senders: &[LostSender]) -> Vec<Lost> {
        let mut lost = Vec::new();
        if !senders.is_empty() {
            self.sever(now, senders, &mut lost);
        }
        if self.base.has_changed() {
            self.settle(now, &mut lost);
        }
        lost
    }

    #[inline]
    fn end_steps(&mut self, now: SimTime) {
        let base = &mut self.base;
        if base.next_unit() != now {
            return;
        }
        for place in base.find_due(now) {
            let index = base.dirty[place];
            let before = base.note(index);
            let (rules, observer) = (&base.rules, &mut base.observer);
            if base.units[index].end_step(now, index, rules, observer, &mut self.tokens) {
                base.busy -= 1;
                base.noted(now, index, before);
                base.loaded(index);
            }
            base.rescheduled(index);
        }
        if self.base.has_leaving() {
            self.base.give_back_leaving();
            self.settle(now, &mut Vec::new());
        }
    }

    #[inline]
    fn inbox(&mut self) -> &mut Vec<Handover> {
        &mut self.inbox
    }

    #[inline]
    fn take_over(&mut self, now: SimTime) {
        let mut inbox = std::mem::take(&mut self.inbox);
        for handover in &inbox {
            self.hand_over(now, handover);
        }
        inbox.clear();
        self.inbox = inbox;
    }

    #[inline]
    fn hand_over(&mut self, now: SimTime, handover: &Handover) {
        self.handed_over += 1;
        let request = handover.request;
        let base = &mut self.base;
        base.observer
            .moved(now, &request, Place::Outside, now, Place::Transfer);
        let travel = Travel {
            request,
            past: handover.past,
            since: now,
            ready: SimTime::ZERO,
        };
        let brought = base.rules.pace.progress_1024(&travel.past);
        self.tokens.brought_1024 += u128::from(brought);
        let receiving = base.rules.receive[0].time(u64::from(handover.tokens));
        self.send(travel, handover.sending, receiving, Some(handover.sender));
    }

    #[inline]
    fn land(&mut self, now: SimTime) {
        self.arrivals.settle();
        if self.arrivals.next() == now {
            self.land_all(now);
        }
    }
}

impl<O: Observer> Decode<O> {
    /// The pool at time zero, before it has any units.
    pub fn new(scenario: &Scenario, pool: &Pool, times: StepTimes, observer: O) -> Self {
        let rules = DecodeRules::new(scenario, pool, times);
        Self {
            base: PoolBase::new(rules, scenario, pool, observer),
            moving: Slab::default(),
            arrivals: TransferArrivals::default(),
            unrouted: VecDeque::new(),
            landing: Vec::new(),
            latency: scenario.transfer.latency,
            inbox: Vec::new(),
            handed_over: 0,
            tokens: DecodeTokens::default(),
        }
    }

    /// Keeps reports for controllers, which will look at the pool.
    pub fn be_looked_at(&mut self) {
        self.base.be_looked_at();
    }

    /// The observer of the pool, to change it.
    #[inline]
    pub fn observer_mut(&mut self) -> &mut O {
        &mut self.base.observer
    }

    /// Requests inside the pool.
    pub fn inside(&self) -> Inside {
        let unrouted = self.unrouted.len();
        Inside {
            moving: (self.moving.len() - unrouted) as u64,
            ..self.base.inside(unrouted as u64)
        }
    }

    /// Tells the observer of the requests still inside, and balances the books.
    pub fn finish(self) -> (O, u64, Vec<AuditBalance>) {
        let mut inside = 0;
        let mut generated = self.tokens.finished_1024;
        let (mut kv_ranks, mut kv_requests) = (0, 0);
        let (rules, mut observer) = (&self.base.rules, self.base.observer);
        let moving = self
            .arrivals
            .iter()
            .map(|arrival| arrival.key)
            .chain(self.unrouted.iter().copied());
        let mut moving: Vec<u32> = moving.collect();
        moving.sort_unstable();
        moving.dedup();
        let mut still_in = |travel: &Travel, place| {
            let first_token = travel.past.first_token;
            observer.still_in(&travel.request, place, travel.since, first_token);
            generated += u128::from(rules.pace.progress_1024(&travel.past));
            inside += 1;
        };
        for key in moving {
            let m = self.moving.get(key);
            let place = if m.arrived {
                Place::DecodeQueue
            } else {
                Place::Transfer
            };
            still_in(&m.travel, place);
        }
        for unit in &self.base.units {
            for travel in unit.waiting() {
                still_in(travel, Place::DecodeQueue);
            }
        }
        for unit in &self.base.units {
            generated += unit.dropped_1024;
            kv_ranks += unit.kv_by_rank_1024();
            for (resident, progress_1024) in unit.residents(rules) {
                observer.still_in(
                    &resident.request,
                    Place::Decode,
                    resident.since,
                    resident.first_token,
                );
                generated += u128::from(progress_1024);
                let held = rules.pace.held_1024(&resident.request, progress_1024);
                kv_requests += u128::from(held);
                inside += 1;
            }
        }
        let stepped = self.tokens.stepped_1024 + self.tokens.brought_1024;
        let balances = vec![
            AuditBalance::new("decode_tokens_1024", stepped, generated),
            AuditBalance::new("kv_tokens_1024", kv_ranks, kv_requests),
        ];
        (observer, inside, balances)
    }

    /// Lets a unit at a boundary preempt, admit and start its step.
    #[inline]
    fn start_step(&mut self, now: SimTime, index: usize) {
        let base = &mut self.base;
        if !base.units[index].at_boundary() {
            return;
        }
        let before = base.note(index);
        let unit = &mut base.units[index];
        let started = unit.start_step(now, index, &base.rules, &mut base.observer);
        base.busy += u64::from(started);
        if let Some(most) = base.max_queue_requests {
            while let Some(travel) = self.base.units[index].overflow(most, &self.base.rules) {
                self.leave(
                    now,
                    &travel,
                    Place::DecodeQueue,
                    Outcome::Ended(Fate::Rejected),
                );
            }
        }
        let base = &mut self.base;
        base.noted(now, index, before);
        base.loaded(index);
        base.rescheduled(index);
    }

    /// Rejects what exceeds the pool's own queue, which has the limit of a unit's while no unit serves. What is
    /// still on its way does not wait yet.
    fn limit_unrouted(&mut self, now: SimTime) {
        let Some(limit) = self.base.max_queue_requests else {
            return;
        };
        let here = |key: &u32| self.moving.get(*key).arrived;
        let waiting = self.unrouted.iter().copied().filter(here);
        for key in waiting.skip(limit).collect::<Vec<u32>>() {
            self.unrouted.retain(|other| *other != key);
            let travel = self.moving.take(key).travel;
            self.leave(
                now,
                &travel,
                Place::DecodeQueue,
                Outcome::Ended(Fate::Rejected),
            );
        }
    }

    /// Lets a request out of the pool that is not done.
    fn leave(&mut self, now: SimTime, travel: &Travel, place: Place, outcome: Outcome) {
        let progress = self.base.rules.pace.progress_1024(&travel.past);
        self.tokens.finished_1024 += u128::from(progress);
        let at = (place, travel.since);
        outcome.leave(now, &travel.request, at, &mut self.base.observer);
    }
}
