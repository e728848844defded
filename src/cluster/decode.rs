//! The decode pool (S8-S10, S14): requests are routed at hand-over, travel, wait, join a rank, and
//! generate in lock-step.
//!
//! A unit is in `decode_unit.rs`, its ranks in [`decode_ranks`], its completions in `wheel.rs`; this file is the
//! pool's part of every instant ([`BackPool`]), the requests on their way, and those for which no unit serves. The receiving side of a transfer is not
//! limited, and KV that waits takes no memory of a rank.

pub mod decode_ranks;
mod decode_unit;
mod kv_load;
mod release;
pub(super) mod resident;
mod rules;
mod transfer_arrivals;
mod transit;
pub(super) mod wheel;

use std::collections::VecDeque;

use super::instant::BackPool;
use super::router::Routing;
use super::schedule::{self, Change, Event};
use super::slab::Slab;

use super::{Handover, Inside};
use crate::metrics::{Fate, Observer, Place, audit::AuditBalance};
use crate::perf::StepTimes;
use crate::scenario::{Pool, Scenario};
use crate::units::{SimDuration, SimTime};
use decode_ranks::DecodeRefusal;
use decode_unit::DecodeUnit;
use resident::Travel;
use rules::DecodeRules;
use transfer_arrivals::TransferArrivals;

/// A request whose KV is on its way, or that no unit has taken yet.
#[derive(Clone, Copy, Debug)]
struct Moving {
    travel: Travel,
    unit: Option<u32>,
    /// How long its sender takes for its KV, and a receiver.
    took: SimDuration,
    receiving: SimDuration,
    /// Whether the sender of the KV is done.
    sent: bool,
    arrived: bool,
}

/// The decode pool of a simulation.
#[derive(Clone, Debug)]
pub struct Decode<O> {
    rules: DecodeRules,
    units: Vec<DecodeUnit>,
    routing: Routing,
    moving: Slab<Moving>,
    /// KV on its way; its slots are those of `moving`.
    arrivals: TransferArrivals,
    /// Slab of `moving` for which no unit serves, first in first out.
    unrouted: VecDeque<u32>,
    events: VecDeque<Event>,
    /// The earliest step end or wake-up of a unit.
    next_unit: SimTime,
    dirty: Vec<usize>,
    /// Requests whose KV arrives at this instant, by id.
    landing: Vec<(u64, u32)>,
    /// Of every transfer.
    latency: SimDuration,
    /// What is handed over at this instant.
    inbox: Vec<Handover>,
    /// Requests that have been handed over so far.
    pub handed_over: u64,
    paid: u64,
    working: u64,
    /// Memory taken on all ranks.
    taken: u128,
    busy: u64,
    blocked: [u64; 2],
    tokens: DecodeTokens,
    /// Hears everything.
    pub observer: O,
}

/// Generated tokens after the first, in 1/1024, by two routes.
#[derive(Clone, Copy, Debug, Default)]
struct DecodeTokens {
    /// By unit: requests times progress of each step.
    stepped_1024: u128,
    /// By request: of those that completed, overshoot of their last step included.
    finished_1024: u128,
}

impl<O: Observer> BackPool for Decode<O> {
    #[inline]
    fn next(&self) -> SimTime {
        let event = self.events.front().map_or(SimTime::NEVER, |e| e.at);
        self.next_unit
            .min(self.arrivals.next())
            .min(event)
            .min(self.routing.next_report())
    }

    #[inline]
    fn advance(&mut self, now: SimTime) {
        self.observer.advance(now);
    }

    #[inline]
    fn report(&mut self, now: SimTime) {
        if self.routing.next_report() == now {
            let seen = self.units.iter().map(|u| u.load.seen(&self.rules));
            self.routing.report(now, seen);
        }
    }

    #[inline]
    fn change(&mut self, now: SimTime) {
        if self.events.front().is_some_and(|e| e.at == now) {
            self.change_units(now);
        }
    }

    #[inline]
    fn end_steps(&mut self, now: SimTime) {
        if self.next_unit != now {
            return;
        }
        for index in 0..self.units.len() {
            let unit = &mut self.units[index];
            if unit.next() != now {
                continue;
            }
            let taken = unit.taken();
            let (rules, tokens) = (&self.rules, &mut self.tokens);
            if unit.end_step(now, index, rules, &mut self.observer, tokens) {
                self.busy -= 1;
                self.taken = self.taken + u128::from(unit.taken()) - u128::from(taken);
                if self.routing.is_exact() {
                    self.routing.loaded(index, unit.load.seen(rules));
                }
            }
            self.dirty.push(index);
        }
        self.next_unit = self
            .units
            .iter()
            .map(DecodeUnit::next)
            .min()
            .unwrap_or(SimTime::NEVER);
    }

    #[inline]
    fn inbox(&mut self) -> &mut Vec<Handover> {
        &mut self.inbox
    }

    #[inline]
    fn take_over(&mut self, now: SimTime) {
        for i in 0..self.inbox.len() {
            let handover = self.inbox[i];
            self.hand_over(now, &handover);
        }
        self.inbox.clear();
    }

    #[inline]
    fn hand_over(&mut self, now: SimTime, handover: &Handover) {
        self.handed_over += 1;
        let request = handover.request;
        self.observer
            .moved(now, &request, Place::Outside, now, Place::Transfer);
        let first_token = if self.rules.pace.start_1024 > 0 {
            handover.at
        } else {
            SimTime::NEVER
        };
        let travel = Travel {
            request,
            first_token,
            last_token: first_token,
            progress_1024: 0,
            since: now,
            ready: SimTime::ZERO,
        };
        let receiving = self.rules.receive[0].time(u64::from(request.input));
        self.send(travel, handover.sending, receiving);
    }

    #[inline]
    fn land(&mut self, now: SimTime) {
        self.arrivals.settle();
        if self.arrivals.next() == now {
            self.land_all(now);
        }
    }

    #[inline]
    fn start_steps(&mut self, now: SimTime) {
        if !self.dirty.is_empty() {
            self.start_boundaries(now);
        }
        if !self.unrouted.is_empty() {
            self.limit_unrouted(now);
        }
    }
}

impl<O: Observer> Decode<O> {
    /// The pool at time zero.
    pub fn new(
        scenario: &Scenario,
        pool: &Pool,
        times: StepTimes,
        end: SimTime,
        observer: O,
    ) -> Self {
        let rules = DecodeRules::new(scenario, pool, times);
        let events = schedule::events(pool, scenario, end);
        let count = events
            .iter()
            .map(|e| e.unit as usize + 1)
            .max()
            .unwrap_or(0);
        Self {
            units: (0..count)
                .map(|_| DecodeUnit::new(&rules, observer.kinds()))
                .collect(),
            routing: Routing::new(pool.router, pool.report_interval, count),
            rules,
            moving: Slab::default(),
            arrivals: TransferArrivals::default(),
            unrouted: VecDeque::new(),
            events: events.into(),
            next_unit: SimTime::NEVER,
            dirty: Vec::new(),
            landing: Vec::new(),
            latency: scenario.transfer.latency,
            inbox: Vec::new(),
            handed_over: 0,
            paid: 0,
            working: 0,
            taken: 0,
            busy: 0,
            blocked: [0; 2],
            tokens: DecodeTokens::default(),
            observer,
        }
    }

    /// What is here.
    pub fn inside(&self) -> Inside {
        let unrouted = self.unrouted.len();
        let mut inside = Inside {
            queued: unrouted as u64,
            served: 0,
            moving: (self.moving.len() - unrouted) as u64,
        };
        for unit in &self.units {
            inside.queued += unit.queue.len() as u64;
            inside.served += unit.resident_count() as u64;
        }
        inside
    }

    /// Tells the observer what is still here, and balances the books.
    pub fn finish(mut self) -> (O, u64, Vec<AuditBalance>) {
        let mut inside = 0;
        let mut generated = self.tokens.finished_1024;
        let (mut kv_ranks, mut kv_requests) = (0, 0);
        let moving = self
            .arrivals
            .iter()
            .map(|arrival| arrival.slot)
            .chain(self.unrouted.iter().copied());
        let mut moving: Vec<u32> = moving.collect();
        moving.sort_unstable();
        moving.dedup();
        for slot in moving {
            let m = self.moving.get(slot);
            let place = if m.arrived {
                Place::DecodeQueue
            } else {
                Place::Transfer
            };
            let travel = &m.travel;
            self.observer
                .still_in(&travel.request, place, travel.since, travel.first_token);
            generated += u128::from(m.travel.progress_1024);
            inside += 1;
        }
        for unit in &self.units {
            for travel in unit.waiting() {
                self.observer.still_in(
                    &travel.request,
                    Place::DecodeQueue,
                    travel.since,
                    travel.first_token,
                );
                generated += u128::from(travel.progress_1024);
                inside += 1;
            }
            generated += unit.dropped_1024;
            kv_ranks += unit.kv_by_rank_1024();
            for (resident, progress_1024) in unit.residents(&self.rules) {
                self.observer.still_in(
                    &resident.request,
                    Place::Decode,
                    resident.since,
                    resident.first_token,
                );
                generated += u128::from(progress_1024);
                let held = self.rules.pace.held_1024(&resident.request, progress_1024);
                kv_requests += u128::from(held);
                inside += 1;
            }
        }
        let balances = vec![
            AuditBalance::new("decode_tokens_1024", self.tokens.stepped_1024, generated),
            AuditBalance::new("kv_tokens_1024", kv_ranks, kv_requests),
        ];
        (self.observer, inside, balances)
    }

    /// The schedule changes of this instant. All units change before any request goes anywhere, so that
    /// units that open together share what waited, and nothing moves to a unit that leaves too.
    fn change_units(&mut self, now: SimTime) {
        let (mut opened, mut released) = (false, Vec::new());
        while let Some(event) = self.events.pop_front_if(|event| event.at == now) {
            let index = event.unit as usize;
            let unit = &mut self.units[index];
            match event.change {
                Change::Pay { until } => {
                    self.paid += 1;
                    unit.pay(until);
                }
                Change::Serve => {
                    self.working += 1;
                    unit.working = true;
                    self.routing.open(index, unit.load.seen(&self.rules));
                    opened = true;
                }
                Change::Drain => self.routing.close(index),
                Change::Release => {
                    self.paid -= 1;
                    self.working -= u64::from(std::mem::take(&mut unit.working));
                    self.routing.close(index);
                    released.push(index);
                }
            }
        }
        self.observer.units(now, self.paid, self.working);
        if opened {
            for slot in std::mem::take(&mut self.unrouted) {
                self.route(slot);
            }
        }
        for index in released {
            self.release(now, index);
        }
    }

    /// Units at a boundary preempt, admit and start their steps.
    fn start_boundaries(&mut self, now: SimTime) {
        self.dirty.sort_unstable();
        self.dirty.dedup();
        for i in 0..self.dirty.len() {
            let index = self.dirty[i];
            let unit = &mut self.units[index];
            if !unit.at_boundary() {
                continue;
            }
            let (taken, blocked) = (unit.taken(), unit.blocked);
            let started = unit.start_step(now, index, &self.rules, &mut self.observer);
            self.busy += u64::from(started);
            self.taken = self.taken + u128::from(unit.taken()) - u128::from(taken);
            while let Some(travel) = unit.overflow(&self.rules) {
                self.tokens.finished_1024 += u128::from(travel.progress_1024);
                reject(now, &travel, &mut self.observer);
            }
            if unit.blocked != blocked {
                for (was, change) in [(blocked, -1_i64), (unit.blocked, 1)] {
                    if let Some(refusal) = was {
                        let count = &mut self.blocked[refusal as usize];
                        *count = count.wrapping_add_signed(change);
                    }
                }
                self.observer.blocked(
                    now,
                    self.blocked[DecodeRefusal::Memory as usize],
                    self.blocked[DecodeRefusal::Places as usize],
                );
            }
            if self.routing.is_exact() {
                self.routing.loaded(index, unit.load.seen(&self.rules));
            }
            self.next_unit = self.next_unit.min(unit.next());
        }
        self.dirty.clear();
        self.tell_kv(now);
        self.observer.busy(now, self.busy);
    }

    /// Memory taken, as tokens.
    fn tell_kv(&mut self, now: SimTime) {
        let kv = self.rules.memory.in_tokens_1024(self.taken);
        self.observer.kv(now, kv);
    }

    /// While no unit serves, the pool's own queue has the limit of a unit's. What is still on its way
    /// does not wait yet.
    fn limit_unrouted(&mut self, now: SimTime) {
        let Some(limit) = self.rules.max_queue_requests else {
            return;
        };
        let here = |slot: &u32| self.moving.get(*slot).arrived;
        let waiting = self.unrouted.iter().copied().filter(here);
        for slot in waiting.skip(limit).collect::<Vec<u32>>() {
            self.unrouted.retain(|other| *other != slot);
            let travel = self.moving.take(slot).travel;
            self.tokens.finished_1024 += u128::from(travel.progress_1024);
            reject(now, &travel, &mut self.observer);
        }
    }
}

/// A request that waited beyond the limit goes.
fn reject(now: SimTime, travel: &Travel, observer: &mut impl Observer) {
    observer.moved(
        now,
        &travel.request,
        Place::DecodeQueue,
        travel.since,
        Place::Outside,
    );
    observer.ended(now, &travel.request, Fate::Rejected);
}
