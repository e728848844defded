//! What every pool has in common: its units and their lives (S10), its router, what it tells observers of all of them
//! together, and when something next happens on one of them.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::Inside;
use super::controller::{AfterLoss, PoolView, UnitLife, UnitOrder, UnitView};
use super::router::{LoadView, RequestRouter};
use super::tournament::Tournament;
use crate::metrics::Observer;
use crate::scenario::{Pool, Scenario};
use crate::units::SimTime;
use crate::workload::Request;
use crate::workload::random::Stream;

/// A unit of any pool.
pub trait PoolUnit {
    /// Rules that all units of a pool have in common.
    type Rules;

    /// An empty unit.
    fn new(rules: &Self::Rules) -> Self;
    /// Begins a new life of the unit. It is told when it will be released, or `NEVER`.
    fn pay(&mut self, until: SimTime);
    /// Lets the unit start no more steps in this life.
    fn halt(&mut self);
    /// When the unit's step ends or it looks again; `NEVER` when idle.
    fn next(&self) -> SimTime;
    /// Whether a step is running on the unit.
    fn runs(&self) -> bool;
    /// The load that the router compares (S6).
    fn load(&self, rules: &Self::Rules) -> u64;
    /// Number of requests that wait at the unit, and of those on its ranks.
    fn inside(&self) -> (usize, usize);
    /// Memory that the unit's residents take.
    #[inline]
    fn taken(&self, _rules: &Self::Rules) -> u64 {
        0
    }
    /// Memory of several units as KV tokens, in 1/1024.
    #[inline]
    fn in_tokens_1024(_taken: u128, _rules: &Self::Rules) -> u64 {
        0
    }
    /// Whether the queue waits for KV memory, and for a place.
    #[inline]
    fn blocked(&self) -> [bool; 2] {
        [false; 2]
    }
}

/// The state of a unit's life, and whether it works, which is to serve or to have served.
#[derive(Clone, Copy, Debug, Default)]
struct LifeOfUnit {
    life: UnitLife,
    works: bool,
    /// How often the unit has been taken.
    number: u32,
}

/// A unit that hands on what it holds, or loses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Departure {
    /// Index of the unit.
    pub unit: usize,
    /// The number of the life that ends.
    pub number: u32,
    /// What becomes of a lost unit's requests; `None`: the unit is released.
    pub loss: Option<AfterLoss>,
}

/// What a pool tells of one unit before it changes, to tell the difference after it.
#[derive(Clone, Copy, Debug)]
pub struct UnitNote {
    taken: u64,
    blocked: [bool; 2],
}

/// The part that all pools have in common.
pub struct PoolBase<U: PoolUnit, O> {
    /// Rules that the pool's units have in common.
    pub rules: U::Rules,
    /// Units of the pool.
    pub units: Vec<U>,
    lives: Vec<LifeOfUnit>,
    /// Units that start, by the time at which they serve, with the number of that life.
    starting: BinaryHeap<Reverse<(SimTime, u32, u32)>>,
    /// When the next of the starting units serves.
    next_serving: SimTime,
    /// Index below which no unit is free.
    first_free: usize,
    /// Whether any unit has changed at this instant, and whether one has begun to serve.
    has_changed: bool,
    has_opened: bool,
    /// Units that hand on what they hold at this instant.
    departures: Vec<Departure>,
    /// Units that leave as their steps end.
    leaving: Vec<usize>,
    /// Loads of the units, as the router sees them.
    pub view: LoadView,
    /// Router that chooses a unit for each request.
    router: RequestRouter,
    /// Loads that units have reported to controllers; `None`: none looks, or all see the present state.
    pub reports: Option<Vec<(u64, u64)>>,
    /// Most requests that may wait for a unit, or in the pool's own queue; `None`: no limit.
    pub max_queue_requests: Option<usize>,
    /// When something next happens on each unit by itself.
    next_times: Tournament,
    /// The earliest of these times.
    next_unit: SimTime,
    /// Units to look at in phase 5.
    pub dirty: Vec<usize>,
    paid: u64,
    working: u64,
    /// Number of units with a step running.
    pub busy: u64,
    /// Memory taken on all units.
    taken: u128,
    /// Units whose queue waits for memory, and for places.
    blocked: [u64; 2],
    /// Observer of the pool.
    pub observer: O,
}

impl<U: PoolUnit, O: Observer> PoolBase<U, O> {
    /// A pool of no units yet.
    pub fn new(rules: U::Rules, scenario: &Scenario, pool: &Pool, observer: O) -> Self {
        let draws = Stream::new(scenario.seed, "router", &pool.name);
        let is_asked = pool.router.asks_contents() && pool.report_interval.0 > 0;
        Self {
            rules,
            units: Vec::new(),
            lives: Vec::new(),
            starting: BinaryHeap::new(),
            next_serving: SimTime::NEVER,
            first_free: 0,
            has_changed: false,
            has_opened: false,
            departures: Vec::new(),
            leaving: Vec::new(),
            view: LoadView::new(pool.report_interval),
            router: RequestRouter::new(pool.router, draws),
            reports: is_asked.then(Vec::new),
            max_queue_requests: pool.max_queue_requests.map(|n| n as usize),
            next_times: Tournament::new(),
            next_unit: SimTime::NEVER,
            dirty: Vec::new(),
            paid: 0,
            working: 0,
            busy: 0,
            taken: 0,
            blocked: [0; 2],
            observer,
        }
    }

    /// Keeps reports for controllers, which will look at the pool.
    pub fn be_looked_at(&mut self) {
        if !self.view.is_exact() {
            self.reports = Some(vec![(0, 0); self.units.len()]);
        }
    }

    /// When something next happens in the pool by itself: on a unit, or a report, or a unit that begins to serve.
    #[inline]
    pub fn next(&self) -> SimTime {
        self.next_unit()
            .min(self.view.next_report())
            .min(self.next_serving)
    }

    /// Phase 0: takes load reports, if they are due.
    #[inline]
    pub fn report(&mut self, now: SimTime) {
        if self.view.next_report() != now {
            return;
        }
        let rules = &self.rules;
        self.view
            .report(now, self.units.iter().map(|unit| unit.load(rules)));
        if let Some(reports) = &mut self.reports {
            for (report, unit) in reports.iter_mut().zip(&self.units) {
                *report = figures(unit);
            }
        }
    }

    /// The pool as controllers see it.
    pub fn seen(&self, unrouted: u64) -> PoolView {
        let see = |(index, life): (usize, &LifeOfUnit)| {
            let reported = self.reports.as_ref().map(|reports| reports[index]);
            let (queued, served) = reported.unwrap_or_else(|| figures(&self.units[index]));
            UnitView {
                life: life.life,
                queued,
                served,
            }
        };
        PoolView {
            units: self.lives.iter().enumerate().map(see).collect(),
            unrouted,
        }
    }

    /// Lets units serve whose start-up is over. Says whether there are any.
    #[inline]
    pub fn begin_serving(&mut self, now: SimTime) -> bool {
        self.next_serving == now && self.begin_serving_now(now)
    }

    fn begin_serving_now(&mut self, now: SimTime) -> bool {
        while let Some(Reverse((at, index, number))) = self.starting.peek().copied() {
            if at > now {
                break;
            }
            self.starting.pop();
            let life = self.lives[index as usize];
            if life.number == number && life.life == UnitLife::Starting {
                self.serve(index as usize);
            }
        }
        self.note_next_serving();
        self.has_changed
    }

    fn note_next_serving(&mut self) {
        let next = self.starting.peek();
        self.next_serving = next.map_or(SimTime::NEVER, |starts| starts.0.0);
    }

    /// A controller has ordered a change. Controllers that act later at this instant see what has become of the units.
    pub fn obey(&mut self, now: SimTime, order: UnitOrder) {
        let life = |unit: u32| self.lives.get(unit as usize).map(|life| life.life);
        match order {
            UnitOrder::Take { serves, until } => self.take(now, serves, until),
            UnitOrder::Drain(unit) => {
                if let Some(UnitLife::Starting | UnitLife::Serving) = life(unit) {
                    self.view.close(unit as usize);
                    self.lives[unit as usize].life = UnitLife::Draining;
                    self.has_changed = true;
                }
            }
            UnitOrder::Release(unit) => {
                if let Some(UnitLife::Starting | UnitLife::Serving | UnitLife::Draining) =
                    life(unit)
                {
                    let index = unit as usize;
                    if self.units[index].runs() {
                        self.view.close(index);
                        self.lives[index].life = UnitLife::Leaving;
                        self.units[index].halt();
                        self.leaving.push(index);
                        self.has_changed = true;
                    } else {
                        self.give_back(index, None);
                    }
                }
            }
            UnitOrder::Lose(unit, after) => {
                let index = unit as usize;
                let paid = life(unit).is_some_and(|life| life != UnitLife::Free);
                if paid && !self.departures.iter().any(|d| d.unit == index) {
                    self.leaving.retain(|leaving| *leaving != index);
                    self.give_back(index, Some(after));
                }
            }
        }
    }

    fn take(&mut self, now: SimTime, serves: SimTime, until: SimTime) {
        while self
            .lives
            .get(self.first_free)
            .is_some_and(|life| life.life != UnitLife::Free)
        {
            self.first_free += 1;
        }
        let index = self.first_free;
        if index == self.lives.len() {
            self.lives.push(LifeOfUnit::default());
            self.units.push(U::new(&self.rules));
            self.view.add();
            self.next_times.push();
            self.reports.iter_mut().for_each(|r| r.push((0, 0)));
        }
        if let Some(reports) = &mut self.reports {
            reports[index] = (0, 0);
        }
        let life = &mut self.lives[index];
        life.number += 1;
        life.life = UnitLife::Starting;
        let number = life.number;
        self.units[index].pay(until);
        self.paid += 1;
        self.has_changed = true;
        if serves <= now {
            self.serve(index);
        } else if serves != SimTime::NEVER {
            self.starting.push(Reverse((serves, index as u32, number)));
            self.note_next_serving();
        }
    }

    fn serve(&mut self, index: usize) {
        let life = &mut self.lives[index];
        (life.life, life.works) = (UnitLife::Serving, true);
        self.working += 1;
        self.view.open(index, self.units[index].load(&self.rules));
        (self.has_changed, self.has_opened) = (true, true);
    }

    fn give_back(&mut self, unit: usize, loss: Option<AfterLoss>) {
        let life = &mut self.lives[unit];
        life.life = UnitLife::Leaving;
        self.paid -= 1;
        self.working -= u64::from(std::mem::take(&mut life.works));
        self.view.close(unit);
        self.departures.push(Departure {
            unit,
            number: life.number,
            loss,
        });
        self.has_changed = true;
    }

    /// Whether any unit has changed at this instant.
    #[inline]
    pub fn has_changed(&self) -> bool {
        self.has_changed
    }

    /// Tells the observer of what has changed at this instant. Says whether some unit has begun to serve, and which
    /// ones hand on what they hold, by index.
    pub fn settle_changes(&mut self, now: SimTime) -> (bool, Vec<Departure>) {
        if !std::mem::take(&mut self.has_changed) {
            return (false, Vec::new());
        }
        self.observer.units(now, self.paid, self.working);
        let mut departures = std::mem::take(&mut self.departures);
        departures.sort_unstable_by_key(|departure| departure.unit);
        (std::mem::take(&mut self.has_opened), departures)
    }

    /// Frees a unit that has handed on what it held, from the next instant on.
    pub fn departed(&mut self, unit: usize) {
        self.lives[unit].life = UnitLife::Free;
        self.first_free = self.first_free.min(unit);
        self.rescheduled(unit);
    }

    /// Phase 2, when all steps have ended: those that waited for the end of theirs are given back.
    pub fn give_back_leaving(&mut self) {
        let mut leaving = std::mem::take(&mut self.leaving);
        leaving.retain(|unit| {
            let runs = self.units[*unit].runs();
            if !runs {
                self.give_back(*unit, None);
            }
            runs
        });
        self.leaving = leaving;
    }

    /// Whether some unit waits for the end of its step to be given back.
    #[inline]
    pub fn has_leaving(&self) -> bool {
        !self.leaving.is_empty()
    }

    /// How often a unit has been taken: the number of its life.
    #[inline]
    pub fn life_number(&self, unit: usize) -> u32 {
        self.lives[unit].number
    }

    /// The unit that takes a request; `None`: no unit serves.
    #[inline]
    pub fn choose(&mut self, request: &Request) -> Option<usize> {
        self.router.choose(request, &self.view)
    }

    /// Tells the router of a unit's load, where it hears of every change.
    #[inline]
    pub fn loaded(&mut self, index: usize) {
        if self.view.is_exact() {
            let load = self.units[index].load(&self.rules);
            self.view.loaded(index, load);
        }
    }

    /// The state of a unit before it changes.
    #[inline]
    pub fn note(&self, index: usize) -> UnitNote {
        let unit = &self.units[index];
        UnitNote {
            taken: unit.taken(&self.rules),
            blocked: unit.blocked(),
        }
    }

    /// Notes what has changed of a unit's KV, and of what its queue waits for.
    #[inline]
    pub fn noted(&mut self, now: SimTime, index: usize, before: UnitNote) {
        let after = self.note(index);
        self.taken = self.taken + u128::from(after.taken) - u128::from(before.taken);
        if after.blocked != before.blocked {
            let changes = before.blocked.iter().zip(after.blocked);
            for (count, (was, is)) in self.blocked.iter_mut().zip(changes) {
                *count = *count + u64::from(is) - u64::from(*was);
            }
            self.observer.blocked(now, self.blocked[0], self.blocked[1]);
        }
    }

    /// Tells of the KV on all units.
    #[inline]
    pub fn tell_kv(&mut self, now: SimTime) {
        let kv = U::in_tokens_1024(self.taken, &self.rules);
        self.observer.kv(now, kv);
    }

    /// The earliest time at which something happens on a unit by itself.
    #[inline]
    pub fn next_unit(&self) -> SimTime {
        self.next_unit
    }

    /// Notes when something next happens on a unit by itself, after it may have changed.
    #[inline]
    pub fn rescheduled(&mut self, index: usize) {
        let (before, next) = (self.next_times.values()[index], self.units[index].next());
        self.next_times.set(index, next.0);
        if next <= self.next_unit {
            self.next_unit = next;
        } else if before == self.next_unit.0 {
            self.next_unit = SimTime(self.next_times.least());
        }
    }

    /// Puts the units on which something happens now, which is the earliest time at which anything does, among those
    /// to look at in phase 5, by index; returns their places there.
    #[inline]
    pub fn find_due(&mut self, now: SimTime) -> std::ops::Range<usize> {
        let from = self.dirty.len();
        self.next_times.all_at(now.0, &mut self.dirty);
        from..self.dirty.len()
    }

    /// Units to look at in phase 5, each once, by index.
    #[inline]
    pub fn take_dirty(&mut self) -> Vec<usize> {
        let mut dirty = std::mem::take(&mut self.dirty);
        dirty.sort_unstable();
        dirty.dedup();
        dirty
    }

    /// Gives the list back, when its units have been looked at.
    #[inline]
    pub fn looked_at(&mut self, now: SimTime, mut dirty: Vec<usize>) {
        dirty.clear();
        self.dirty = dirty;
        self.tell_kv(now);
        self.observer.busy(now, self.busy);
    }

    /// Numbers of requests inside the pool, with `unrouted` in its own queue.
    pub fn inside(&self, unrouted: u64) -> Inside {
        let mut inside = Inside {
            queued: unrouted,
            ..Inside::default()
        };
        for unit in &self.units {
            let (queued, served) = figures(unit);
            inside.queued += queued;
            inside.served += served;
        }
        inside
    }
}

pub fn figures(unit: &impl PoolUnit) -> (u64, u64) {
    let (queued, served) = unit.inside();
    (queued as u64, served as u64)
}
