//! A pool that takes arrivals: its part of every instant ([`FrontPool`]), the pool's own queue where requests wait
//! while no unit serves, and the books of computed tokens.
//!
//! What a unit does with its requests is a [`Server`]: a prefill unit or a mixed one.

use super::controller::{PoolView, UnitOrder};
use super::instant::{BackPool, ClusterPool, FrontPool, LostSender};
use super::past::{Lost, Past};
use super::pool_base::{Departure, PoolBase, PoolUnit};
use super::pool_outcome::Outcome;
use super::prefix::{PrefixRules, UnitCache};
use super::prefix_view::PrefixView;
use super::queue::Queue;
use super::{Handover, Inside};
use crate::metrics::{Fate, Observer, Place, audit::AuditBalance};
use crate::perf::StepTimes;
use crate::scenario::{Pool, Scenario};
use crate::units::SimTime;
use crate::workload::Request;

/// A unit that takes arrivals.
pub trait Server: PoolUnit {
    /// Whether the unit generates tokens and holds KV.
    const GENERATES: bool;

    /// The rules of a pool.
    fn rules(scenario: &Scenario, pool: &Pool, times: StepTimes) -> Self::Rules;
    /// Puts a request into the queue, and finds out what of it hits.
    fn enqueue(&mut self, waiting: IntakeWaiting, rules: &Self::Rules);
    /// The unit's prefix caches and their rules; `None`: hits were drawn.
    fn cache<'a>(
        &'a mut self,
        rules: &'a Self::Rules,
    ) -> Option<(&'a mut UnitCache, &'a PrefixRules)>;
    /// Takes the last request out of a queue that is longer than `most`; `None`: it is not.
    fn overflow(&mut self, most: usize, rules: &Self::Rules) -> Option<IntakeWaiting>;
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
    /// Ends the running step; what goes on to decode is appended to `out`, in order of id. `sender` is the unit and
    /// the number of its life.
    fn end_step(
        &mut self,
        now: SimTime,
        sender: (u32, u32),
        rules: &Self::Rules,
        observer: &mut impl Observer,
        tokens: &mut IntakeTokens,
        out: &mut Vec<Handover>,
    );
    /// Gives up everything, in order of id; half-prefilled requests start again, and who decoded computes anew what it
    /// had. Of a step that runs nothing comes: the observer hears of it.
    fn give_up(
        &mut self,
        now: SimTime,
        index: usize,
        rules: &Self::Rules,
        observer: &mut impl Observer,
        tokens: &mut IntakeTokens,
    ) -> Vec<IntakeWaiting>;
    /// Enters into the books what a request has generated before, when it leaves for good.
    fn carry(waiting: &IntakeWaiting, rules: &Self::Rules, tokens: &mut IntakeTokens);
    /// Tells the observer of the requests at the unit when the simulation ends; returns their number.
    fn still_in(
        &self,
        rules: &Self::Rules,
        observer: &mut impl Observer,
        tokens: &mut IntakeTokens,
    ) -> u64;
}

/// A request in a queue of a pool that takes arrivals.
#[derive(Clone, Copy, Debug)]
pub struct IntakeWaiting {
    /// The request as it arrived.
    pub request: Request,
    /// Past of the request.
    pub past: Past,
    /// When the request came into this queue.
    pub since: SimTime,
    /// Prompt tokens that the unit's cache has, as far as is known (S19).
    pub hits: u32,
}

impl IntakeWaiting {
    /// A request that waits from now on; what hits is not known yet.
    #[inline]
    pub fn new(request: Request, past: Past, since: SimTime) -> Self {
        Self {
            request,
            past,
            since,
            hits: 0,
        }
    }

    /// Prompt tokens of the request to compute.
    #[inline]
    pub fn computed(&self) -> u32 {
        self.past.prompt(&self.request) - self.hits
    }
}

/// Tokens and KV of an intake pool, by two routes.
#[derive(Clone, Copy, Debug, Default)]
pub struct IntakeTokens {
    /// Tokens computed, by unit: in ended steps.
    pub stepped: u128,
    /// Tokens computed, by request: of those whose prefill has ended.
    pub finished: u128,
    /// Tokens computed and lost because a half-prefilled request started again.
    pub discarded: u128,
    /// Tokens generated after the first, in 1/1024, by unit: requests times progress of each step.
    pub generated_stepped_1024: u128,
    /// Tokens generated after the first, in 1/1024, by request: of those that left for good, overshoot included.
    pub generated_1024: u128,
    /// KV held at the end, rank by rank, in 1/1024.
    pub kv_ranks_1024: u128,
    /// KV held at the end, request by request, in 1/1024.
    pub kv_requests_1024: u128,
    /// Blocks of prefix caches at the end: those held, counted for each who holds them, and idle ones, kept in sum.
    pub cache_kept: u128,
    /// Blocks of prefix caches at the end, counted anew.
    pub cache_counted: u128,
}

/// A pool that takes arrivals: a prefill or a mixed one.
pub struct Intake<U: Server, O> {
    base: PoolBase<U, O>,
    /// Whether hits follow from contents, with whose numbers requests arrive.
    has_contents: bool,
    /// Caches as the router sees them; `None`: it does not look.
    prefix_view: Option<Box<PrefixView>>,
    /// Tokens that the model's context holds.
    context: u64,
    /// Requests for which no unit serves, first in first out.
    unrouted: Queue<IntakeWaiting>,
    tokens: IntakeTokens,
}

impl<U: Server, O: Observer> ClusterPool for Intake<U, O> {
    #[inline]
    fn next(&self) -> SimTime {
        self.base.next()
    }

    #[inline]
    fn advance(&mut self, now: SimTime) {
        self.base.observer.advance(now);
    }

    #[inline]
    fn report(&mut self, now: SimTime) {
        let is_due = self.base.view.next_report() == now;
        self.base.report(now);
        if let (Some(view), true) = (&mut self.prefix_view, is_due) {
            let rules = &self.base.rules;
            let units = self.base.units.iter_mut();
            view.report(units.filter_map(|unit| unit.cache(rules).map(|(cache, _)| &*cache)));
        }
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

    /// Lets idle units with a queue form their batches; rejects what does not fit a queue.
    #[inline]
    fn start_steps(&mut self, now: SimTime) {
        if !self.base.dirty.is_empty() {
            let dirty = self.base.take_dirty();
            for index in &dirty {
                self.start_step(now, *index);
            }
            self.base.looked_at(now, dirty);
        }
        if let Some(limit) = self.base.max_queue_requests {
            while self.unrouted.len() > limit {
                let Some(waiting) = self.unrouted.pop_back() else {
                    break;
                };
                self.reject(now, &waiting);
            }
        }
    }
}

impl<U: Server, O: Observer> FrontPool for Intake<U, O> {
    #[inline]
    fn settle_changes(&mut self, now: SimTime) -> Vec<LostSender> {
        if self.base.has_changed() {
            self.settle(now)
        } else {
            Vec::new()
        }
    }

    fn come_back(&mut self, now: SimTime, Lost { request, past }: Lost) {
        let queue = Place::PrefillQueue;
        self.base
            .observer
            .moved(now, &request, Place::Outside, now, queue);
        self.route(IntakeWaiting::new(request, past, now));
    }

    #[inline]
    fn end_steps(&mut self, now: SimTime, back: &mut impl BackPool) {
        let base = &mut self.base;
        if base.next_unit() != now {
            return;
        }
        for place in base.find_due(now) {
            let index = base.dirty[place];
            let before = base.note(index);
            let sender = (index as u32, base.life_number(index));
            base.units[index].end_step(
                now,
                sender,
                &base.rules,
                &mut base.observer,
                &mut self.tokens,
                back.inbox(),
            );
            base.loaded(index);
            base.noted(now, index, before);
            base.busy -= 1;
            base.rescheduled(index);
        }
        back.take_over(now);
        if self.base.has_leaving() {
            self.base.give_back_leaving();
            self.settle(now);
        }
    }

    #[inline]
    fn arrive(&mut self, now: SimTime, request: &Request) {
        let (mut request, mut past) = (*request, Past::NONE);
        if self.has_contents {
            past.content = std::mem::take(&mut request.cached);
        }
        let observer = &mut self.base.observer;
        observer.arrived(&request);
        if u64::from(request.input) + u64::from(request.output) > self.context {
            observer.ended(now, &request, Fate::Rejected);
            return;
        }
        observer.moved(now, &request, Place::Outside, now, Place::PrefillQueue);
        self.route(IntakeWaiting::new(request, past, now));
    }
}

impl<U: Server, O: Observer> Intake<U, O> {
    /// A pool at time zero, before it has any units.
    pub fn new(scenario: &Scenario, pool: &Pool, times: StepTimes, observer: O) -> Self {
        let rules = U::rules(scenario, pool, times);
        Self {
            base: PoolBase::new(rules, scenario, pool, observer),
            prefix_view: PrefixView::new(scenario, pool),
            has_contents: scenario.kv_cache.blocks().is_some(),
            context: scenario.model.context.map_or(u64::MAX, u64::from),
            unrouted: Queue::default(),
            tokens: IntakeTokens::default(),
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
        self.base.inside(self.unrouted.len() as u64)
    }

    /// Tells the observer of the requests still inside, and balances the books.
    pub fn finish(self) -> (O, u64, Vec<AuditBalance>) {
        let Self {
            base,
            unrouted,
            has_contents,
            tokens: mut t,
            ..
        } = self;
        let (rules, mut observer) = (base.rules, base.observer);
        let mut inside = unrouted.len() as u64;
        for waiting in unrouted.iter() {
            observer.still_in(
                &waiting.request,
                Place::PrefillQueue,
                waiting.since,
                waiting.past.first_token,
            );
            U::carry(waiting, &rules, &mut t);
        }
        for unit in &base.units {
            inside += unit.still_in(&rules, &mut observer, &mut t);
        }
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
        if has_contents {
            balances.push(AuditBalance::new(
                "cache_blocks",
                t.cache_kept,
                t.cache_counted,
            ));
        }
        (observer, inside, balances)
    }

    /// What waited for a unit is routed, what was on others is routed anew (S10). All units have changed before any
    /// request goes anywhere, so that units that open together share what waited, and nothing moves to a unit that
    /// leaves too. Says whose KV under way is lost.
    fn settle(&mut self, now: SimTime) -> Vec<LostSender> {
        let (opened, departures) = self.base.settle_changes(now);
        if opened {
            for waiting in self.unrouted.drain() {
                self.route(waiting);
            }
        }
        let mut senders = Vec::new();
        for departure in departures {
            self.depart(now, departure);
            senders.extend(departure.loss.map(|after| LostSender {
                unit: departure.unit as u32,
                life: departure.number,
                after,
            }));
        }
        senders
    }

    /// Routes the requests of a unit that is given back or lost anew, or ends them.
    fn depart(&mut self, now: SimTime, Departure { unit, loss, .. }: Departure) {
        let base = &mut self.base;
        let before = base.note(unit);
        base.busy -= u64::from(base.units[unit].runs());
        let (rules, observer) = (&base.rules, &mut base.observer);
        let moving = base.units[unit].give_up(now, unit, rules, observer, &mut self.tokens);
        base.departed(unit);
        if let Some(view) = &mut self.prefix_view {
            view.emptied(unit);
        }
        base.noted(now, unit, before);
        base.tell_kv(now);
        base.observer.busy(now, base.busy);
        for mut waiting in moving {
            let (request, past) = (&waiting.request, &mut waiting.past);
            let observer = &mut self.base.observer;
            let outcome = Outcome::of_departure(now, request, past, loss, observer);
            match outcome {
                Outcome::Again(_) => self.route(waiting),
                Outcome::HandedOver | Outcome::Completed { .. } | Outcome::Ended(_) => {
                    self.leave(now, &waiting, outcome);
                }
            }
        }
    }

    #[inline]
    fn route(&mut self, waiting: IntakeWaiting) {
        let chosen = match &mut self.prefix_view {
            None => self.base.choose(&waiting.request),
            Some(view) => choose_by_prefix(&mut self.base, view, &waiting),
        };
        let base = &mut self.base;
        let Some(index) = chosen else {
            self.unrouted.push_back(waiting);
            return;
        };
        let unit = &mut base.units[index];
        unit.enqueue(waiting, &base.rules);
        let is_idle = !unit.runs();
        base.loaded(index);
        if is_idle || base.max_queue_requests.is_some() {
            base.dirty.push(index);
        }
    }

    #[inline]
    fn start_step(&mut self, now: SimTime, index: usize) {
        let base = &mut self.base;
        let before = base.note(index);
        let (rules, observer) = (&base.rules, &mut base.observer);
        let unit = &mut base.units[index];
        if unit.start_step(now, index, rules, observer, &mut self.tokens) {
            base.busy += 1;
            base.rescheduled(index);
        }
        // Whoever joins grows, or finds more or less in the rank's cache than was known.
        if U::GENERATES || self.has_contents {
            base.loaded(index);
        }
        base.noted(now, index, before);
        if let Some(limit) = base.max_queue_requests {
            while let Some(waiting) = self.base.units[index].overflow(limit, &self.base.rules) {
                self.base.loaded(index);
                self.reject(now, &waiting);
            }
        }
    }

    fn reject(&mut self, now: SimTime, waiting: &IntakeWaiting) {
        self.leave(now, waiting, Outcome::Ended(Fate::Rejected));
    }

    /// Lets a request out of a queue, and out of the pool.
    fn leave(&mut self, now: SimTime, waiting: &IntakeWaiting, outcome: Outcome) {
        U::carry(waiting, &self.base.rules, &mut self.tokens);
        let at = (Place::PrefillQueue, waiting.since);
        outcome.leave(now, &waiting.request, at, &mut self.base.observer);
    }
}

/// The unit for a request, by what caches have of it.
fn choose_by_prefix<U: Server, O: Observer>(
    base: &mut PoolBase<U, O>,
    view: &mut PrefixView,
    waiting: &IntakeWaiting,
) -> Option<usize> {
    let sights = base.sights(|unit, server, rules| {
        server.cache(rules).map_or((0, 0), |(cache, prefix)| {
            view.look(unit, cache, waiting, prefix)
        })
    });
    view.choose(waiting, &sights)
}
