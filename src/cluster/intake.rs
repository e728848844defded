//! A pool that takes arrivals: routing, its part of every instant ([`FrontPool`]), the pool's own queue where
//! requests wait while no unit serves, and the books of computed tokens.
//!
//! What a unit does with its requests is a [`Server`]: a prefill unit or a mixed one.

use std::collections::VecDeque;

use super::instant::{BackPool, FrontPool};
use super::queue::Queue;
use super::router::Routing;
use super::schedule::{self, Change, Event};
use super::{Handover, Inside};
use crate::metrics::{Fate, Observer, Place, audit::AuditBalance};
use crate::perf::StepTimes;
use crate::scenario::{Pool, Scenario};
use crate::units::SimTime;
use crate::workload::Request;

/// A unit that takes arrivals.
pub trait Server: Clone {
    /// Whether it generates tokens and holds KV.
    const GENERATES: bool;
    /// What every unit of a pool has in common.
    type Rules: Clone;
    /// A request in a queue.
    type Waiting: Queued;

    /// The rules of a pool.
    fn rules(scenario: &Scenario, pool: &Pool, times: StepTimes) -> Self::Rules;
    /// An empty unit; `kinds` as of [`Observer::kinds`].
    fn new(rules: &Self::Rules, kinds: usize) -> Self;
    /// A new life begins.
    fn pay(&mut self, until: SimTime);
    /// A request joins the queue.
    fn enqueue(&mut self, waiting: Self::Waiting, rules: &Self::Rules);
    /// Takes the last request out of a queue that is longer than `most`.
    fn overflow(&mut self, most: usize, rules: &Self::Rules) -> Option<Self::Waiting>;
    /// What the router compares (S6).
    fn load(&self, rules: &Self::Rules) -> u64;
    /// When the running step ends; `NEVER` when idle.
    fn step_end(&self) -> SimTime;
    /// Forms a batch and starts its step, if idle and if the step would end before the release. Says
    /// whether a step has started.
    fn start_step(
        &mut self,
        now: SimTime,
        index: usize,
        rules: &Self::Rules,
        observer: &mut impl Observer,
        tokens: &mut IntakeTokens,
    ) -> bool;
    /// Ends the running step; what goes on to decode is appended to `out`, in order of id.
    fn end_step(
        &mut self,
        now: SimTime,
        index: usize,
        rules: &Self::Rules,
        observer: &mut impl Observer,
        tokens: &mut IntakeTokens,
        out: &mut Vec<Handover>,
    );
    /// Gives up everything, in order of id; half-prefilled requests start again.
    fn release(
        &mut self,
        now: SimTime,
        rules: &Self::Rules,
        observer: &mut impl Observer,
        tokens: &mut IntakeTokens,
    ) -> Vec<Self::Waiting>;
    /// Memory that its residents take.
    #[inline]
    fn taken(&self, _rules: &Self::Rules) -> u64 {
        0
    }
    /// Memory of several units as KV tokens, in 1/1024.
    #[inline]
    fn in_tokens_1024(_taken: u128, _rules: &Self::Rules) -> u64 {
        0
    }
    /// Whether its queue waits for KV memory, and for a place.
    #[inline]
    fn blocked(&self) -> [bool; 2] {
        [false; 2]
    }
    /// How many wait here, and how many are on ranks.
    fn inside(&self) -> (usize, usize);
    /// Tells the observer who is still here when the simulation ends; says how many.
    fn still_in(
        &self,
        rules: &Self::Rules,
        observer: &mut impl Observer,
        tokens: &mut IntakeTokens,
    ) -> u64;
}

/// A request in a queue.
pub trait Queued: Copy {
    /// One that has just arrived.
    fn arrived(request: Request) -> Self;
    /// The request as it arrived.
    fn request(&self) -> &Request;
    /// When it came into this queue.
    fn since(&self) -> SimTime;
    /// When its first token left; `NEVER` where it has none.
    fn first_token(&self) -> SimTime {
        SimTime::NEVER
    }
    /// Enters in the books what it has generated before, when it is there no more.
    fn carry(&self, _tokens: &mut IntakeTokens) {}
}

/// Tokens and KV, by two routes.
#[derive(Clone, Copy, Debug, Default)]
pub struct IntakeTokens {
    /// Computed, by unit: in ended steps.
    pub stepped: u128,
    /// Computed, by request: of those whose prefill has ended.
    pub finished: u128,
    /// Computed and lost because a half-prefilled request started again.
    pub discarded: u128,
    /// Generated after the first, in 1/1024, by unit: requests times progress of each step.
    pub generated_stepped_1024: u128,
    /// The same by request: of those that left for good, overshoot of their last step included.
    pub generated_1024: u128,
    /// KV held at the end, rank by rank, in 1/1024.
    pub kv_ranks_1024: u128,
    /// The same, request by request.
    pub kv_requests_1024: u128,
}

/// A pool that takes arrivals.
#[derive(Clone, Debug)]
pub struct Intake<U: Server, O> {
    rules: U::Rules,
    units: Vec<U>,
    routing: Routing,
    max_queue_requests: Option<usize>,
    /// Tokens that the model's context holds.
    context: u64,
    /// Requests for which no unit serves, first in first out.
    unrouted: Queue<U::Waiting>,
    events: VecDeque<Event>,
    /// The earliest step end.
    next_end: SimTime,
    /// Units to look at in phase 5.
    dirty: Vec<usize>,
    paid: u64,
    /// By unit: serving or draining.
    working: Vec<bool>,
    busy: u64,
    /// Memory taken on all units.
    taken: u128,
    /// Units whose queue waits for memory, and for places.
    blocked: [u64; 2],
    tokens: IntakeTokens,
    /// Hears everything.
    pub observer: O,
}

impl<U: Server, O: Observer> FrontPool for Intake<U, O> {
    #[inline]
    fn next(&self) -> SimTime {
        let event = self.events.front().map_or(SimTime::NEVER, |e| e.at);
        self.next_end.min(event).min(self.routing.next_report())
    }

    #[inline]
    fn advance(&mut self, now: SimTime) {
        self.observer.advance(now);
    }

    #[inline]
    fn report(&mut self, now: SimTime) {
        if self.routing.next_report() == now {
            let rules = &self.rules;
            self.routing
                .report(now, self.units.iter().map(|unit| unit.load(rules)));
        }
    }

    #[inline]
    fn change(&mut self, now: SimTime) {
        if self.events.front().is_some_and(|e| e.at == now) {
            self.change_units(now);
        }
    }

    #[inline]
    fn end_steps(&mut self, now: SimTime, back: &mut impl BackPool) {
        if self.next_end != now {
            return;
        }
        for index in 0..self.units.len() {
            let unit = &mut self.units[index];
            if unit.step_end() != now {
                continue;
            }
            let before = (unit.taken(&self.rules), unit.blocked());
            unit.end_step(
                now,
                index,
                &self.rules,
                &mut self.observer,
                &mut self.tokens,
                back.inbox(),
            );
            if self.routing.is_exact() {
                self.routing.loaded(index, unit.load(&self.rules));
            }
            self.note(now, index, before);
            self.busy -= 1;
            self.dirty.push(index);
        }
        self.next_end = self
            .units
            .iter()
            .map(U::step_end)
            .min()
            .unwrap_or(SimTime::NEVER);
        back.take_over(now);
    }

    #[inline]
    fn arrive(&mut self, now: SimTime, request: &Request) {
        self.observer.arrived(request);
        if u64::from(request.input) + u64::from(request.output) > self.context {
            self.observer.ended(now, request, Fate::Rejected);
            return;
        }
        self.observer
            .moved(now, request, Place::Outside, now, Place::PrefillQueue);
        self.route(U::Waiting::arrived(*request));
    }

    /// Idle units with a queue form their batches; what does not fit a queue is rejected.
    #[inline]
    fn start_steps(&mut self, now: SimTime) {
        if !self.dirty.is_empty() {
            self.dirty.sort_unstable();
            self.dirty.dedup();
            for i in 0..self.dirty.len() {
                self.start_step(now, self.dirty[i]);
            }
            self.dirty.clear();
            self.tell_kv(now);
            self.observer.busy(now, self.busy);
        }
        if let Some(limit) = self.max_queue_requests {
            while self.unrouted.len() > limit {
                let Some(waiting) = self.unrouted.pop_back() else {
                    break;
                };
                waiting.carry(&mut self.tokens);
                self.reject(now, &waiting);
            }
        }
    }
}

impl<U: Server, O: Observer> Intake<U, O> {
    /// The pool at time zero.
    pub fn new(
        scenario: &Scenario,
        pool: &Pool,
        times: StepTimes,
        end: SimTime,
        observer: O,
    ) -> Self {
        let events = schedule::events(pool, scenario, end);
        let count = events
            .iter()
            .map(|e| e.unit as usize + 1)
            .max()
            .unwrap_or(0);
        let rules = U::rules(scenario, pool, times);
        Self {
            units: vec![U::new(&rules, observer.kinds()); count],
            routing: Routing::new(pool.router, pool.report_interval, count),
            rules,
            context: scenario.model.context.map_or(u64::MAX, u64::from),
            max_queue_requests: pool.max_queue_requests.map(|n| n as usize),
            unrouted: Queue::default(),
            events: events.into(),
            next_end: SimTime::NEVER,
            dirty: Vec::new(),
            paid: 0,
            working: vec![false; count],
            busy: 0,
            taken: 0,
            blocked: [0; 2],
            tokens: IntakeTokens::default(),
            observer,
        }
    }

    /// What is here.
    pub fn inside(&self) -> Inside {
        let mut inside = Inside {
            queued: self.unrouted.len() as u64,
            ..Inside::default()
        };
        for unit in &self.units {
            let (queued, served) = unit.inside();
            inside.queued += queued as u64;
            inside.served += served as u64;
        }
        inside
    }

    /// Tells the observer what is still here, and balances the books.
    pub fn finish(mut self) -> (O, u64, Vec<AuditBalance>) {
        let mut inside = self.unrouted.len() as u64;
        for waiting in self.unrouted.iter() {
            self.observer.still_in(
                waiting.request(),
                Place::PrefillQueue,
                waiting.since(),
                waiting.first_token(),
            );
            waiting.carry(&mut self.tokens);
        }
        for unit in &self.units {
            inside += unit.still_in(&self.rules, &mut self.observer, &mut self.tokens);
        }
        let t = &self.tokens;
        let mut balances = vec![AuditBalance::new(
            "prefill_tokens",
            t.stepped,
            t.finished + t.discarded,
        )];
        if U::GENERATES {
            balances.push(AuditBalance::new(
                "decode_tokens_1024",
                t.generated_stepped_1024,
                t.generated_1024,
            ));
            balances.push(AuditBalance::new(
                "kv_tokens_1024",
                t.kv_ranks_1024,
                t.kv_requests_1024,
            ));
        }
        (self.observer, inside, balances)
    }

    /// The schedule changes of this instant. All units change before any request goes anywhere, so that
    /// units that open together share what waited, and nothing moves to a unit that leaves too.
    fn change_units(&mut self, now: SimTime) {
        let (mut opened, mut released) = (false, Vec::new());
        while let Some(event) = self.events.pop_front_if(|event| event.at == now) {
            let index = event.unit as usize;
            match event.change {
                Change::Pay { until } => {
                    self.paid += 1;
                    self.units[index].pay(until);
                }
                Change::Serve => {
                    self.working[index] = true;
                    let load = self.units[index].load(&self.rules);
                    self.routing.open(index, load);
                    opened = true;
                }
                Change::Drain => self.routing.close(index),
                Change::Release => {
                    self.paid -= 1;
                    self.working[index] = false;
                    self.routing.close(index);
                    released.push(index);
                }
            }
        }
        let working = self.working.iter().filter(|w| **w).count();
        self.observer.units(now, self.paid, working as u64);
        if opened {
            for waiting in self.unrouted.drain() {
                self.route(waiting);
            }
        }
        for index in released {
            self.release(now, index);
        }
    }

    /// Everything on a released unit is routed anew (S10).
    fn release(&mut self, now: SimTime, index: usize) {
        let unit = &mut self.units[index];
        let before = (unit.taken(&self.rules), unit.blocked());
        let moving = unit.release(now, &self.rules, &mut self.observer, &mut self.tokens);
        self.note(now, index, before);
        self.tell_kv(now);
        for waiting in moving {
            self.observer.migrated(now, waiting.request());
            self.route(waiting);
        }
    }

    #[inline]
    fn route(&mut self, waiting: U::Waiting) {
        let Some(index) = self.routing.choose() else {
            self.unrouted.push_back(waiting);
            return;
        };
        let unit = &mut self.units[index];
        unit.enqueue(waiting, &self.rules);
        if self.routing.is_exact() {
            self.routing.loaded(index, unit.load(&self.rules));
        }
        if unit.step_end() == SimTime::NEVER || self.max_queue_requests.is_some() {
            self.dirty.push(index);
        }
    }

    #[inline]
    fn start_step(&mut self, now: SimTime, index: usize) {
        let unit = &mut self.units[index];
        let before = (unit.taken(&self.rules), unit.blocked());
        if unit.start_step(
            now,
            index,
            &self.rules,
            &mut self.observer,
            &mut self.tokens,
        ) {
            self.busy += 1;
            self.next_end = self.next_end.min(unit.step_end());
        }
        if U::GENERATES && self.routing.is_exact() {
            self.routing
                .loaded(index, self.units[index].load(&self.rules));
        }
        self.note(now, index, before);
        if let Some(limit) = self.max_queue_requests {
            while let Some(waiting) = self.units[index].overflow(limit, &self.rules) {
                let load = self.units[index].load(&self.rules);
                self.routing.loaded(index, load);
                waiting.carry(&mut self.tokens);
                self.reject(now, &waiting);
            }
        }
    }

    /// Notes what has changed of a unit's KV, and of what its queue waits for.
    #[inline]
    fn note(&mut self, now: SimTime, index: usize, before: (u64, [bool; 2])) {
        let unit = &self.units[index];
        self.taken = self.taken + u128::from(unit.taken(&self.rules)) - u128::from(before.0);
        let blocked = unit.blocked();
        if blocked != before.1 {
            for (count, (was, is)) in self.blocked.iter_mut().zip(before.1.iter().zip(blocked)) {
                *count = *count + u64::from(is) - u64::from(*was);
            }
            self.observer.blocked(now, self.blocked[0], self.blocked[1]);
        }
    }

    fn tell_kv(&mut self, now: SimTime) {
        let kv = U::in_tokens_1024(self.taken, &self.rules);
        self.observer.kv(now, kv);
    }

    fn reject(&mut self, now: SimTime, waiting: &U::Waiting) {
        let request = waiting.request();
        self.observer.moved(
            now,
            request,
            Place::PrefillQueue,
            waiting.since(),
            Place::Outside,
        );
        self.observer.ended(now, request, Fate::Rejected);
    }
}
