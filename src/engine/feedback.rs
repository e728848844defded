//! An observer that passes on all it hears, and remembers which requests have ended, for users who wait for
//! their answers.

use crate::metrics::{Fate, Observer, Place, StepRecord};
use crate::units::{SimDuration, SimTime};
use crate::workload::Request;

/// Passes on to `observer`.
#[derive(Clone, Debug)]
pub struct Feedback<O> {
    /// Hears everything.
    pub observer: O,
    /// Class of each request that has ended, and whether well.
    pub ended: Vec<(u16, bool)>,
}

impl<O> Feedback<O> {
    /// Nothing has ended yet.
    pub fn new(observer: O) -> Self {
        Self {
            observer,
            ended: Vec::new(),
        }
    }
}

impl<O: Observer> Observer for Feedback<O> {
    fn advance(&mut self, now: SimTime) {
        self.observer.advance(now);
    }
    fn arrived(&mut self, request: &Request) {
        self.observer.arrived(request);
    }
    fn moved(&mut self, now: SimTime, request: &Request, from: Place, since: SimTime, to: Place) {
        self.observer.moved(now, request, from, since, to);
    }
    fn prefill_started(&mut self, now: SimTime, request: &Request) {
        self.observer.prefill_started(now, request);
    }
    fn prefill_step(&mut self, now: SimTime, unit: usize, length: SimDuration, tokens: u64) {
        self.observer.prefill_step(now, unit, length, tokens);
    }
    fn first_token(&mut self, now: SimTime, request: &Request) {
        self.observer.first_token(now, request);
    }
    fn joined(
        &mut self,
        now: SimTime,
        request: &Request,
        unit: usize,
        rank: usize,
        since: SimTime,
    ) {
        self.observer.joined(now, request, unit, rank, since);
    }
    fn decode_step(&mut self, step: &StepRecord<'_>) {
        self.observer.decode_step(step);
    }
    fn completed(
        &mut self,
        now: SimTime,
        request: &Request,
        first_token: SimTime,
        overshoot_1024: u64,
    ) {
        self.ended.push((request.class, true));
        self.observer
            .completed(now, request, first_token, overshoot_1024);
    }
    fn ended(&mut self, now: SimTime, request: &Request, fate: Fate) {
        self.ended.push((request.class, false));
        self.observer.ended(now, request, fate);
    }
    fn preempted(&mut self, now: SimTime, request: &Request) {
        self.observer.preempted(now, request);
    }
    fn migrated(&mut self, now: SimTime, request: &Request) {
        self.observer.migrated(now, request);
    }
    fn units(&mut self, now: SimTime, paid: u64, working: u64) {
        self.observer.units(now, paid, working);
    }
    fn busy(&mut self, now: SimTime, units: u64) {
        self.observer.busy(now, units);
    }
    fn kv(&mut self, now: SimTime, kv_1024: u64) {
        self.observer.kv(now, kv_1024);
    }
    fn blocked(&mut self, now: SimTime, by_kv: u64, by_batch: u64) {
        self.observer.blocked(now, by_kv, by_batch);
    }
    fn still_in(&mut self, request: &Request, place: Place, since: SimTime, first_token: SimTime) {
        self.observer.still_in(request, place, since, first_token);
    }
    fn kind(&self, request: &Request) -> u16 {
        self.observer.kind(request)
    }
    fn kinds(&self) -> usize {
        self.observer.kinds()
    }
}
