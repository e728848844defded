//! The units of a pool: when each is paid, serves and drains (S10), and which one takes a request (S6).
//! Copies of the model that share nothing are units here; those of one scheduled unit are neighbours.
//!
//! What a unit is doing is a plain function of time, read off the spells for which it is paid; there is
//! no state to keep in step with the clock. Time before the simulation's first instant is negative here.

use std::collections::VecDeque;

use tokentide::scenario::{Pool, Router, Scenario};

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
}

/// The units of a pool.
#[derive(Clone, Debug)]
pub struct Fleet {
    spells: Vec<Vec<Spell>>,
    router: Router,
    report_interval: u64,
    /// Loads as last reported, by unit.
    reports: Vec<u64>,
    /// Round-robin: the unit after the one chosen last.
    turn: usize,
    /// Requests that found no serving unit, first in first out.
    pub waiting: VecDeque<usize>,
}

impl Fleet {
    pub fn new(scenario: &Scenario, pool: &Pool) -> Self {
        let most = pool.schedule.steps.iter().map(|(_, n)| *n).max();
        let copies = pool.replicas as usize;
        let units = most.unwrap_or(0) as usize * copies;
        let of_scheduled = |unit| spells(scenario, pool, unit / copies);
        Self {
            spells: (0..units).map(of_scheduled).collect(),
            router: pool.router,
            report_interval: pool.report_interval.0,
            reports: vec![0; units],
            turn: 0,
            waiting: VecDeque::new(),
        }
    }

    /// All units there ever are.
    pub fn len(&self) -> usize {
        self.spells.len()
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

    /// When a paid unit is released; far away where it is not.
    pub fn release(&self, unit: usize, now: u64) -> i128 {
        let now = i128::from(now);
        let spell = self.spells[unit]
            .iter()
            .find(|s| s.paid <= now && now < s.released);
        spell.map_or(now, |s| s.released)
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

    /// The units that are released at this instant, in order.
    pub fn released(&self, now: u64) -> Vec<usize> {
        let goes = |unit: &usize| {
            self.spells[*unit]
                .iter()
                .any(|s| s.released == i128::from(now))
        };
        (0..self.len()).filter(goes).collect()
    }

    /// The first instant after `now` at which some unit changes.
    pub fn next_change(&self, now: u64) -> Option<u64> {
        let spells = self.spells.iter().flatten();
        let edges = spells.flat_map(|s| [s.paid, s.serves, s.drains, s.released]);
        let next = edges.filter(|edge| *edge > i128::from(now)).min();
        next.and_then(|edge| u64::try_from(edge).ok())
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
    pub fn report(&mut self, world: &mut World, loads: Vec<u64>) {
        world.saw("report");
        self.reports = loads;
    }

    /// Whether some unit begins to be paid, to serve or to drain at this instant, or is released.
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
        if self.router == Router::RoundRobin {
            let next = serving
                .iter()
                .find(|u| **u >= self.turn)
                .or(serving.first());
            self.turn = next? + 1;
            return next.map(|unit| (*unit, false));
        }
        let least = |loads: &[u64]| serving.iter().copied().min_by_key(|u| (loads[*u], *u));
        let fresh = least(loads)?;
        if self.report_interval == 0 {
            return Some((fresh, false));
        }
        let stale = least(&self.reports)?;
        Some((stale, stale != fresh))
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
    let serves = paid + i128::from(pool.schedule.start_up.0);
    let drains = released - i128::from(pool.schedule.drain.0);
    // A unit that would begin to drain before it serves does neither.
    let works = serves < drains && drains > 0;
    Spell {
        paid,
        serves: if works { serves } else { released },
        drains: if works { drains } else { released },
        released,
    }
}
