//! The schedule of a pool as a controller (S10), and how many units it pays when.
//!
//! A rise in the schedule takes new units at once, which serve after `start_up`. A fall releases the
//! highest indices at once; they have taken no new work since `drain` before. Units paid when the
//! simulation begins serve from the beginning. A unit is told its release as it is taken, so that none of its
//! steps would be cut short by it.

use std::collections::VecDeque;

use super::controller::{ControlOrder, Controller, PoolView, UnitOrder};
use crate::economics::paid::PaidUnits;
use crate::scenario::{Pool, Scenario, Schedule};
use crate::units::{NS_PER_DAY, SimDuration, SimTime};

/// What a schedule does to a unit; at one instant in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Change {
    Release,
    Take { serves: SimTime, until: SimTime },
    Drain,
}

/// A change of one unit at one instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Event {
    at: SimTime,
    unit: u32,
    change: Change,
}

/// Takes, drains and releases a pool's units as its schedule says.
#[derive(Clone, Debug)]
pub struct ScheduleController {
    /// Index of the pool in the file.
    pool: usize,
    events: VecDeque<Event>,
}

impl ScheduleController {
    /// The controller of a scenario's pool of this index, until `end`.
    pub fn new(scenario: &Scenario, pool: usize, end: SimTime) -> Self {
        let of_pool = scenario.pools.get(pool);
        let events = of_pool.map(|of_pool| events(of_pool, scenario, end));
        Self {
            pool,
            events: events.unwrap_or_default().into(),
        }
    }
}

impl Controller for ScheduleController {
    fn next(&self) -> SimTime {
        self.events.front().map_or(SimTime::NEVER, |event| event.at)
    }

    fn act(&mut self, now: SimTime, _pools: &[PoolView], orders: &mut Vec<ControlOrder>) {
        while let Some(event) = self.events.pop_front_if(|event| event.at == now) {
            let change = match event.change {
                Change::Take { serves, until } => UnitOrder::Take { serves, until },
                Change::Drain => UnitOrder::Drain(event.unit),
                Change::Release => UnitOrder::Release(event.unit),
            };
            orders.push(ControlOrder {
                pool: self.pool,
                change,
            });
        }
    }

    fn looks(&self) -> bool {
        false
    }
}

/// Numbers of units that a schedule pays, as (from, units), ascending from time zero to `to`.
pub fn paid_units(schedule: &Schedule, scenario: &Scenario, to: SimTime) -> Vec<(SimTime, u32)> {
    let day = i128::from(NS_PER_DAY);
    let origin = i128::from(scenario.start.time_of_day.0) - i128::from(scenario.warm_up.0);
    let origin = origin.rem_euclid(day) as u64;
    let Some(last) = schedule.steps.last() else {
        return Vec::new();
    };
    // The step in force at the origin, then every later one.
    let in_force = schedule
        .steps
        .iter()
        .rev()
        .find(|(at, _)| at.0 <= origin)
        .unwrap_or(last);
    let mut paid = vec![(SimTime::ZERO, in_force.1)];
    let mut midnight = 0_u64;
    loop {
        for (at, units) in &schedule.steps {
            let since_midnight = midnight + at.0;
            if since_midnight <= origin {
                continue;
            }
            let now = SimTime(since_midnight - origin);
            if now > to {
                return paid;
            }
            if paid.last().is_some_and(|(_, before)| before != units) {
                paid.push((now, *units));
            }
        }
        midnight += NS_PER_DAY;
    }
}

/// Every change of every replica of a pool from time zero to `end`, in the order in which they happen. Replicas
/// of one unit of the schedule are neighbours, and change together.
fn events(pool: &Pool, scenario: &Scenario, end: SimTime) -> Vec<Event> {
    let units = of_units(&pool.schedule, scenario, end);
    let replicas = |event: Event| {
        let first = event.unit * pool.replicas;
        (first..first + pool.replicas).map(move |unit| Event { unit, ..event })
    };
    let mut events: Vec<Event> = units.into_iter().flat_map(replicas).collect();
    events.sort_unstable();
    events
}

/// Events of the units that the schedule starts, drains and releases.
fn of_units(schedule: &Schedule, scenario: &Scenario, end: SimTime) -> Vec<Event> {
    // A release after the end still forbids steps that would reach it.
    let paid = paid_units(schedule, scenario, end + SimDuration(NS_PER_DAY));
    let mut events = Vec::new();
    // When each paid unit was first paid, lowest index first.
    let mut since: Vec<SimTime> = Vec::new();
    for &(at, units) in &paid {
        let units = units as usize;
        while since.len() > units {
            if let Some(from) = since.pop() {
                life(schedule, since.len() as u32, from, at, &mut events);
            }
        }
        since.resize(units, at);
    }
    for (unit, from) in (0..).zip(since) {
        life(schedule, unit, from, SimTime::NEVER, &mut events);
    }
    events.retain(|e| e.at < end);
    events.sort_unstable();
    events
}

fn life(schedule: &Schedule, unit: u32, from: SimTime, until: SimTime, events: &mut Vec<Event>) {
    let serves = if from == SimTime::ZERO {
        from
    } else {
        from + schedule.serves_after()
    };
    let drains = if until == SimTime::NEVER {
        until
    } else {
        until - schedule.drain
    };
    // One that would begin to drain before it serves never serves.
    let serves = if serves < drains {
        serves
    } else {
        SimTime::NEVER
    };
    events.push(Event {
        at: from,
        unit,
        change: Change::Take { serves, until },
    });
    if serves != SimTime::NEVER && until != SimTime::NEVER {
        events.push(Event {
            at: drains,
            unit,
            change: Change::Drain,
        });
    }
    if until != SimTime::NEVER {
        events.push(Event {
            at: until,
            unit,
            change: Change::Release,
        });
    }
}

/// What a pool will pay for by its schedule until `to`: its copies, counted one by one.
pub fn paid_by_schedule(pool: &Pool, scenario: &Scenario, to: SimTime) -> PaidUnits {
    let mut paid = PaidUnits::default();
    for (at, units) in paid_units(&pool.schedule, scenario, to) {
        paid.set(at, u64::from(units) * u64::from(pool.replicas));
    }
    paid
}
