//! The units of a pool: when each is paid, serves and drains (S10), and which one takes a request (S6).
//! Copies of the model that share nothing are units here; those of one scheduled unit are neighbours.
//!
//! What a unit is doing is a plain function of time, read off the spells for which it is paid. Spells are what has
//! come of orders: those of the schedule, laid out before, and those of a controller. Time before the simulation's first instant is
//! negative here.

use std::collections::VecDeque;

use tokentide::internals::cluster::controller::{
    AfterLoss, PoolView, UnitLife, UnitOrder, UnitView,
};
use tokentide::internals::scenario::{Pool, Router, Scenario};
use tokentide::internals::units::SimTime;
use tokentide::internals::workload::random::Stream;

use crate::by_prefix::{self, Sight};
use crate::cache::RankCache;
use crate::history::Usage;
use crate::world::World;

const NS_PER_DAY: i128 = 86_400_000_000_000;
/// Before and after the simulation, schedules are laid out this far, so that the last change before it
/// and the first one after it are there.
const DAYS_AROUND: i128 = 2;
/// Long before or after the simulation.
const ALWAYS: i128 = i128::MAX / 4;

/// A stretch of time for which a unit is paid.
#[derive(Clone, Copy, Debug)]
struct Spell {
    paid: i128,
    /// The start-up is over.
    serves: i128,
    /// No new work is taken.
    drains: i128,
    released: i128,
    /// When it is to be released, as it was told when it was taken.
    told: i128,
}

/// A unit goes, at this instant: released, or lost and its requests with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Going {
    pub unit: usize,
    pub loss: Option<AfterLoss>,
}

/// The units of a pool.
#[derive(Clone, Debug)]
pub struct Fleet {
    spells: Vec<Vec<Spell>>,
    /// What the schedule orders, and when: of units by index, releases first.
    schedule: Vec<(i128, usize, u8, UnitOrder)>,
    /// Units whose release waits for the end of a step.
    leaving: Vec<usize>,
    /// Units that go at this instant.
    going: Vec<Going>,
    /// What controllers last heard of each unit: how many wait, how many are on ranks.
    figures: Vec<(u64, u64)>,
    router: Router,
    report_interval: u64,
    /// Loads as last reported, by unit.
    reports: Vec<u64>,
    /// Round-robin: the unit after the one chosen last.
    turn: usize,
    /// Power of two: which units are drawn.
    draws: Stream,
    /// Requests that found no serving unit, first in first out.
    pub waiting: VecDeque<usize>,
}

impl Fleet {
    pub fn new(scenario: &Scenario, pool: &Pool) -> Self {
        let most = pool.schedule.steps.iter().map(|(_, n)| *n).max();
        let copies = pool.replicas as usize;
        let units = most.unwrap_or(0) as usize * copies;
        let mut schedule = Vec::new();
        for unit in 0..units {
            for spell in spells(scenario, pool, unit / copies) {
                orders(unit, &spell, &mut schedule);
            }
        }
        schedule.sort_by_key(|(at, unit, kind, _)| (*at, *unit, *kind));
        Self {
            spells: Vec::new(),
            schedule,
            leaving: Vec::new(),
            going: Vec::new(),
            figures: Vec::new(),
            router: pool.router,
            report_interval: pool.report_interval.0,
            reports: Vec::new(),
            turn: 0,
            draws: Stream::new(scenario.seed, "router", &pool.name),
            waiting: VecDeque::new(),
        }
    }

    /// All units there have been.
    pub fn len(&self) -> usize {
        self.spells.len()
    }

    /// What the schedule orders at this instant.
    pub fn scheduled(&self, now: u64) -> Vec<UnitOrder> {
        let due = self.schedule.iter().filter(|due| due.0 == i128::from(now));
        due.map(|due| due.3).collect()
    }

    /// What a unit is doing, as a controller sees it.
    pub fn life(&self, unit: usize, now: u64) -> UnitLife {
        if self.leaving.contains(&unit) || self.going.iter().any(|going| going.unit == unit) {
            UnitLife::Leaving
        } else if !self.is_paid(unit, now) {
            UnitLife::Free
        } else if self.serves(unit, now) {
            UnitLife::Serving
        } else if self.has_drained(unit, now) {
            UnitLife::Draining
        } else {
            UnitLife::Starting
        }
    }

    fn has_drained(&self, unit: usize, now: u64) -> bool {
        self.any(unit, now, |s| (s.paid.max(s.drains), s.released))
    }

    /// What a controller sees: lives as they are, the rest, given as it is now, as old as reports.
    pub fn seen(&self, now: u64, fresh: &[(u64, u64)]) -> PoolView {
        let figures = if self.report_interval == 0 {
            fresh
        } else {
            &self.figures
        };
        let view = |unit: usize| UnitView {
            life: self.life(unit, now),
            queued: figures[unit].0,
            served: figures[unit].1,
        };
        PoolView {
            units: (0..self.len()).map(view).collect(),
            unrouted: self.waiting.len() as u64,
        }
    }

    /// Changes a unit. `runs`: whether it runs a step. Says whether a unit has been taken that never was before.
    pub fn obey(&mut self, now: u64, order: UnitOrder, runs: impl Fn(usize) -> bool) -> bool {
        let at = i128::from(now);
        match order {
            UnitOrder::Take { serves, until } => {
                let free = (0..self.len()).find(|unit| self.life(*unit, now) == UnitLife::Free);
                let unit = free.unwrap_or(self.len());
                if free.is_none() {
                    self.spells.push(Vec::new());
                    self.reports.push(0);
                    self.figures.push((0, 0));
                }
                self.figures[unit] = (0, 0);
                let time = |t: SimTime| {
                    if t == SimTime::NEVER {
                        ALWAYS
                    } else {
                        i128::from(t.0)
                    }
                };
                self.spells[unit].push(Spell {
                    paid: at,
                    serves: time(serves).max(at),
                    drains: ALWAYS,
                    released: ALWAYS,
                    told: time(until),
                });
                return free.is_none();
            }
            UnitOrder::Drain(unit) => {
                let unit = unit as usize;
                if unit < self.len()
                    && matches!(self.life(unit, now), UnitLife::Starting | UnitLife::Serving)
                {
                    self.drain(unit, at);
                }
            }
            UnitOrder::Release(unit) => {
                let unit = unit as usize;
                if unit >= self.len() {
                    return false;
                }
                match self.life(unit, now) {
                    UnitLife::Free | UnitLife::Leaving => {}
                    _ if runs(unit) => {
                        self.drain(unit, at);
                        self.leaving.push(unit);
                    }
                    _ => self.go(unit, at, None),
                }
            }
            UnitOrder::Lose(unit, after) => {
                let unit = unit as usize;
                let goes = self.going.iter().any(|going| going.unit == unit);
                if unit < self.len() && self.is_paid(unit, now) && !goes {
                    self.leaving.retain(|other| *other != unit);
                    self.go(unit, at, Some(after));
                }
            }
        }
        false
    }

    fn drain(&mut self, unit: usize, at: i128) {
        let spell = self.spells[unit].last_mut().expect("it is paid");
        spell.drains = spell.drains.min(at);
        if spell.serves > at {
            spell.serves = ALWAYS;
        }
    }

    fn go(&mut self, unit: usize, at: i128, loss: Option<AfterLoss>) {
        self.drain(unit, at);
        self.spells[unit].last_mut().expect("it is paid").released = at;
        self.going.push(Going { unit, loss });
    }

    /// Units that waited for the end of a step that has now ended go.
    pub fn end_leaving(&mut self, now: u64, runs: impl Fn(usize) -> bool) {
        for unit in std::mem::take(&mut self.leaving) {
            if runs(unit) {
                self.leaving.push(unit);
            } else {
                self.go(unit, i128::from(now), None);
            }
        }
    }

    /// Which life of a unit this is, or was the last.
    pub fn number(&self, unit: usize) -> usize {
        self.spells[unit].len()
    }

    pub fn is_paid(&self, unit: usize, now: u64) -> bool {
        self.any(unit, now, |s| (s.paid, s.released))
    }

    /// Whether the router may choose it.
    pub fn serves(&self, unit: usize, now: u64) -> bool {
        self.any(unit, now, |s| (s.serves, s.drains))
    }

    /// Whether it serves or drains.
    pub fn works(&self, unit: usize, now: u64) -> bool {
        self.any(unit, now, |s| (s.serves, s.released))
    }

    /// When a paid unit is to be released, as it knows; far away where it knows of no release.
    pub fn release(&self, unit: usize, now: u64) -> i128 {
        let now = i128::from(now);
        let spell = self.spells[unit]
            .iter()
            .find(|s| s.paid <= now && now < s.released);
        spell.map_or(now, |s| s.told)
    }

    /// The schedule changes, given the loads of now. Says who waited for a serving unit and is to be routed.
    pub fn change(&mut self, world: &mut World, loads: &[u64]) -> VecDeque<usize> {
        world.saw("schedule change");
        self.report_new(world.now, loads);
        std::mem::take(&mut self.waiting)
    }

    /// A unit that begins to serve at this instant reports itself, empty as it is.
    fn report_new(&mut self, now: u64, loads: &[u64]) {
        for (unit, spells) in self.spells.iter().enumerate() {
            if spells.iter().any(|s| s.serves == i128::from(now)) {
                self.reports[unit] = loads[unit];
            }
        }
    }

    /// The units that go at this instant, in order: free from the next one on.
    pub fn going(&mut self) -> Vec<Going> {
        let mut going = std::mem::take(&mut self.going);
        going.sort_unstable_by_key(|going| going.unit);
        going
    }

    /// The first instant after `now` at which some unit changes by the schedule, or begins to serve.
    pub fn next_change(&self, now: u64) -> Option<u64> {
        let ordered = self.schedule.iter().map(|due| due.0);
        let serving = self.spells.iter().flatten().map(|spell| spell.serves);
        let next = ordered
            .chain(serving)
            .filter(|at| *at > i128::from(now))
            .min();
        next.and_then(|at| u64::try_from(at).ok())
    }

    /// The first instant after `now` at which loads are reported.
    pub fn next_report(&self, now: u64) -> Option<u64> {
        let interval = Some(self.report_interval).filter(|i| *i > 0)?;
        Some((now / interval + 1) * interval)
    }

    /// Whether loads are reported at this instant.
    pub fn is_reporting(&self, now: u64) -> bool {
        self.report_interval > 0 && now.is_multiple_of(self.report_interval)
    }

    /// Takes load reports.
    pub fn report(&mut self, world: &mut World, loads: Vec<u64>, figures: Vec<(u64, u64)>) {
        world.saw("report");
        self.reports = loads;
        self.figures = figures;
    }

    /// Whether some unit begins to be paid, to serve or to drain at this instant, or goes.
    pub fn changes(&self, now: u64) -> bool {
        let edges = |s: &Spell| [s.paid, s.serves, s.drains, s.released];
        self.spells
            .iter()
            .flatten()
            .flat_map(edges)
            .any(|edge| edge == i128::from(now))
    }

    /// The unit for a request, given the loads of now; and whether that is another one than it would have
    /// been had the reports been fresh.
    pub fn choose(&mut self, now: u64, loads: &[u64]) -> Option<(usize, bool)> {
        let serving: Vec<usize> = (0..self.len()).filter(|u| self.serves(*u, now)).collect();
        let among = match self.router {
            Router::RoundRobin => {
                let turn = serving.iter().find(|u| **u >= self.turn);
                let next = *turn.or(serving.first())?;
                self.turn = next + 1;
                vec![next]
            }
            Router::LeastLoaded | Router::LeastKv | Router::LeastTime => serving,
            Router::PrefixCost
            | Router::PrefixScore
            | Router::PrefixBalance
            | Router::SessionSticky => panic!("the router asks for contents"),
            Router::PowerOfTwo if serving.len() < 2 => serving,
            Router::PowerOfTwo => {
                let mut left = serving;
                let mut take = || {
                    let part = u128::from(self.draws.draw()) * left.len() as u128;
                    left.remove((part >> 64) as usize)
                };
                vec![take(), take()]
            }
        };
        // the first of those that are least
        let least = |loads: &[u64]| among.iter().copied().min_by_key(|unit| loads[*unit]);
        let fresh = least(loads)?;
        if self.report_interval == 0 {
            return Some((fresh, false));
        }
        let stale = least(&self.reports)?;
        Some((stale, stale != fresh))
    }

    /// The unit for a request by what caches have of it, given what is so now and the caches as last reported; and whether
    /// that is another one than it would have been had the reports been fresh.
    pub fn choose_by_prefix(
        &self,
        world: &World,
        pool: &Pool,
        id: usize,
        fresh: &Sight,
        caches: &[Vec<RankCache>],
    ) -> Option<(usize, bool)> {
        let serves = |unit: &usize| self.serves(*unit, world.now);
        let serving: Vec<usize> = (0..self.len()).filter(serves).collect();
        let now = by_prefix::choose(world, pool, id, &serving, fresh)?;
        if self.report_interval == 0 {
            return Some((now, false));
        }
        let reported = Sight {
            loads: &self.reports,
            figures: &self.figures,
            caches,
        };
        let stale = by_prefix::choose(world, pool, id, &serving, &reported)?;
        Some((stale, stale != now))
    }

    /// How many units are paid and how many work.
    pub fn usage(&self, now: u64) -> Usage {
        let units = 0..self.len();
        Usage {
            paid: units
                .clone()
                .filter(|unit| self.is_paid(*unit, now))
                .count() as u64,
            working: units.filter(|unit| self.works(*unit, now)).count() as u64,
            ..Usage::default()
        }
    }

    fn any(&self, unit: usize, now: u64, part: impl Fn(&Spell) -> (i128, i128)) -> bool {
        let within = |(from, to): (i128, i128)| from <= i128::from(now) && i128::from(now) < to;
        self.spells[unit].iter().any(|spell| within(part(spell)))
    }
}

/// The spells for which a unit is paid: whenever the schedule asks for more units than its index. A unit
/// that is paid when the simulation begins has been so for long.
fn spells(scenario: &Scenario, pool: &Pool, unit: usize) -> Vec<Spell> {
    let start = i128::from(scenario.warm_up.0);
    let midnight = start - i128::from(scenario.start.time_of_day.0);
    let end = start + i128::from(scenario.duration.0);
    let days = -midnight / NS_PER_DAY - DAYS_AROUND..=(end - midnight) / NS_PER_DAY + DAYS_AROUND;

    let mut spells: Vec<Spell> = Vec::new();
    let mut paid_since = None;
    for day in days {
        for (time, units) in &pool.schedule.steps {
            let at = midnight + day * NS_PER_DAY + i128::from(time.0);
            let paid = *units as usize > unit;
            match paid_since {
                None if paid => paid_since = Some(at),
                Some(since) if !paid => {
                    spells.push(spell(pool, since, at));
                    paid_since = None;
                }
                _ => {}
            }
        }
    }
    spells.extend(paid_since.map(|since| spell(pool, since, ALWAYS)));
    spells
}

fn spell(pool: &Pool, paid: i128, released: i128) -> Spell {
    let paid = if paid <= 0 { -ALWAYS } else { paid };
    let serves = paid + i128::from(pool.schedule.serves_after().0);
    let drains = released - i128::from(pool.schedule.drain.0);
    // A unit that would begin to drain before it serves does neither.
    let works = serves < drains && drains > 0;
    Spell {
        paid,
        serves: if works { serves } else { released },
        drains: if works { drains } else { released },
        released,
        told: released,
    }
}

/// What a schedule orders of a unit for one spell.
fn orders(unit: usize, spell: &Spell, orders: &mut Vec<(i128, usize, u8, UnitOrder)>) {
    if spell.released <= 0 {
        return;
    }
    let time = |at: i128| u64::try_from(at.max(0)).map_or(SimTime::NEVER, SimTime);
    let works = spell.serves < spell.drains;
    let take = UnitOrder::Take {
        serves: if works {
            time(spell.serves)
        } else {
            SimTime::NEVER
        },
        until: time(spell.released),
    };
    let index = unit as u32;
    orders.push((spell.paid.max(0), unit, 1, take));
    if works {
        orders.push((spell.drains, unit, 2, UnitOrder::Drain(index)));
    }
    orders.push((spell.released, unit, 0, UnitOrder::Release(index)));
}
