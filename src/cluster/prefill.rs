//! The prefill pool (S7): arrivals are routed to units, wait by priority, and are computed in batches.
//!
//! [`Prefill::advance`] plays the pool up to a given instant. A unit is in `unit.rs`; this file is the
//! order of events at one instant (S2) and the pool's own queue, where requests wait while no unit
//! serves. The rank that gets a request is the one with the fewest tokens in the batch among those
//! with a free place; forming stops where there is none. Requests that finish in one step leave in
//! order of id. Chunked prefill across steps is modelled; prefix caching is not (hits are drawn with
//! the request, S4).

mod unit;

use std::collections::VecDeque;

use super::Handover;
use super::router::Routing;
use super::schedule::{self, Change, Event};
use super::transfer::Link;
use crate::metrics::{Fate, Observer, Place, audit::Balance};
use crate::perf::StepTimes;
use crate::scenario::{Pool, Scenario};
use crate::units::SimTime;
use crate::workload::Request;
use unit::{Unit, Waiting};

/// What every unit of the pool has in common.
#[derive(Clone, Debug)]
struct Rules {
    ranks: usize,
    max_batch_tokens: u32,
    max_batch_pairs: u64,
    max_batch_requests: u32,
    max_queue_requests: Option<usize>,
    /// By class: its place in the order of priorities.
    level_of_class: Vec<usize>,
    levels: usize,
    handover: Link,
    times: StepTimes,
}

/// The prefill pool of a simulation.
#[derive(Clone, Debug)]
pub struct Prefill<O> {
    rules: Rules,
    units: Vec<Unit>,
    routing: Routing,
    /// Requests for which no unit serves, first in first out.
    unrouted: VecDeque<Waiting>,
    events: VecDeque<Event>,
    /// The earliest step end.
    next_end: SimTime,
    /// Units to look at in phase 5.
    dirty: Vec<usize>,
    paid: u64,
    working: u64,
    busy: u64,
    tokens: Tokens,
    /// Hears everything.
    pub observer: O,
}

/// Computed tokens, by two routes.
#[derive(Clone, Copy, Debug, Default)]
struct Tokens {
    /// By unit: in ended steps.
    stepped: u128,
    /// By request: of those with a first token.
    finished: u128,
    /// Lost because a half-prefilled request started again.
    discarded: u128,
}

impl<O: Observer> Prefill<O> {
    /// The pool at time zero.
    pub fn new(
        scenario: &Scenario,
        pool: &Pool,
        times: StepTimes,
        end: SimTime,
        observer: O,
    ) -> Self {
        let mut priorities: Vec<u32> = scenario.classes.iter().map(|c| c.priority).collect();
        priorities.sort_unstable();
        priorities.dedup();
        let level = |p: u32| priorities.partition_point(|&q| q < p);
        let rules = Rules {
            ranks: pool.ranks as usize,
            max_batch_tokens: pool.max_batch_tokens,
            max_batch_pairs: pool.max_batch_pairs.unwrap_or(u64::MAX),
            max_batch_requests: pool.max_batch_requests,
            max_queue_requests: pool.max_queue_requests.map(|n| n as usize),
            level_of_class: scenario.classes.iter().map(|c| level(c.priority)).collect(),
            levels: priorities.len(),
            handover: Link::handover(scenario),
            times,
        };
        let events = schedule::events(&pool.schedule, scenario, end);
        let count = events
            .iter()
            .map(|e| e.unit as usize + 1)
            .max()
            .unwrap_or(0);
        Self {
            units: vec![Unit::new(&rules); count],
            routing: Routing::new(pool.router, pool.report_interval, count),
            rules,
            unrouted: VecDeque::new(),
            events: events.into(),
            next_end: SimTime::NEVER,
            dirty: Vec::new(),
            paid: 0,
            working: 0,
            busy: 0,
            tokens: Tokens::default(),
            observer,
        }
    }

    /// Plays every event before `until`. `arrivals` are those of this stretch, in order; first tokens of
    /// requests that go on to decode are appended to `out`, in order.
    pub fn advance(&mut self, until: SimTime, arrivals: &[Request], out: &mut Vec<Handover>) {
        let mut arrivals = arrivals.iter().peekable();
        loop {
            let planned = self.next_planned();
            let arrival = arrivals.peek().map_or(SimTime::NEVER, |r| r.at);
            let now = planned.min(arrival);
            if now >= until {
                break;
            }
            self.observer.advance(now);
            if planned == now {
                if self.routing.next_report() == now {
                    self.routing.report(now, self.units.iter().map(|u| u.load));
                }
                while self.events.front().is_some_and(|e| e.at == now) {
                    if let Some(event) = self.events.pop_front() {
                        self.change(now, event);
                    }
                }
                if self.next_end == now {
                    self.end_steps(now, out);
                }
            }
            while let Some(request) = arrivals.next_if(|r| r.at == now) {
                self.observer.arrived(request);
                self.observer
                    .moved(now, request, Place::Outside, now, Place::PrefillQueue);
                self.route(Waiting {
                    request: *request,
                    since: now,
                    started: false,
                });
            }
            self.start_steps(now);
        }
        self.observer.advance(until);
    }

    /// Tells the observer what is still here, and balances the books.
    pub fn finish(mut self) -> (O, u64, Vec<Balance>) {
        let mut inside = 0;
        let mut computed = self.tokens.finished + self.tokens.discarded;
        for waiting in self
            .units
            .iter()
            .flat_map(Unit::waiting)
            .chain(&self.unrouted)
        {
            self.observer
                .still_in(&waiting.request, Place::PrefillQueue, waiting.since);
            inside += 1;
        }
        for serving in self.units.iter().flat_map(Unit::in_service) {
            self.observer
                .still_in(&serving.request, Place::Prefill, serving.since);
            computed += u128::from(serving.done);
            inside += 1;
        }
        let balance = Balance::new("prefill_tokens", self.tokens.stepped, computed);
        (self.observer, inside, vec![balance])
    }

    fn next_planned(&self) -> SimTime {
        let event = self.events.front().map_or(SimTime::NEVER, |e| e.at);
        self.next_end.min(event).min(self.routing.next_report())
    }

    fn change(&mut self, now: SimTime, event: Event) {
        let index = event.unit as usize;
        match event.change {
            Change::Pay { until } => {
                self.paid += 1;
                self.units[index].pay(until);
            }
            Change::Serve => {
                self.working += 1;
                self.units[index].working = true;
                self.routing.open(index, self.units[index].load);
                for waiting in std::mem::take(&mut self.unrouted) {
                    self.route(waiting);
                }
            }
            Change::Drain => self.routing.close(index),
            Change::Release => {
                self.paid -= 1;
                self.routing.close(index);
                let unit = &mut self.units[index];
                self.working -= u64::from(std::mem::take(&mut unit.working));
                let (moving, discarded) = unit.release(now, &mut self.observer);
                self.tokens.discarded += discarded;
                for waiting in moving {
                    self.observer.migrated(now, &waiting.request);
                    self.route(waiting);
                }
            }
        }
        self.observer.units(now, self.paid, self.working);
    }

    #[inline]
    fn route(&mut self, waiting: Waiting) {
        let Some(index) = self.routing.choose() else {
            self.unrouted.push_back(waiting);
            return;
        };
        let unit = &mut self.units[index];
        unit.enqueue(waiting, &self.rules);
        self.routing.loaded(index, unit.load);
        if unit.step_end == SimTime::NEVER || self.rules.max_queue_requests.is_some() {
            self.dirty.push(index);
        }
    }

    fn end_steps(&mut self, now: SimTime, out: &mut Vec<Handover>) {
        for index in 0..self.units.len() {
            let unit = &mut self.units[index];
            if unit.step_end != now {
                continue;
            }
            self.tokens.stepped += unit.end_step(
                now,
                &self.rules,
                &mut self.observer,
                out,
                &mut self.tokens.finished,
            );
            self.routing.loaded(index, unit.load);
            self.busy -= 1;
            self.dirty.push(index);
        }
        self.observer.busy(now, self.busy);
        self.next_end = self
            .units
            .iter()
            .map(|u| u.step_end)
            .min()
            .unwrap_or(SimTime::NEVER);
    }

    /// Phase 5: idle units with a queue form their batches; what does not fit a queue is rejected.
    #[inline]
    fn start_steps(&mut self, now: SimTime) {
        if !self.dirty.is_empty() {
            self.dirty.sort_unstable();
            self.dirty.dedup();
            for i in 0..self.dirty.len() {
                let index = self.dirty[i];
                let unit = &mut self.units[index];
                if unit.start_step(now, &self.rules, &mut self.observer, index) {
                    self.busy += 1;
                    self.observer.busy(now, self.busy);
                    self.next_end = self.next_end.min(unit.step_end);
                }
                while let Some(waiting) = unit.overflow(&self.rules) {
                    self.routing.loaded(index, unit.load);
                    self.observer.moved(
                        now,
                        &waiting.request,
                        Place::PrefillQueue,
                        waiting.since,
                        Place::Outside,
                    );
                    self.observer.ended(now, &waiting.request, Fate::Rejected);
                }
            }
            self.dirty.clear();
        }
        if let Some(limit) = self.rules.max_queue_requests {
            while self.unrouted.len() > limit {
                let Some(waiting) = self.unrouted.pop_back() else {
                    break;
                };
                self.observer.moved(
                    now,
                    &waiting.request,
                    Place::PrefillQueue,
                    waiting.since,
                    Place::Outside,
                );
                self.observer.ended(now, &waiting.request, Fate::Rejected);
            }
        }
    }
}
