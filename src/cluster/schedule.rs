//! The life of units (S10): paid, serving, draining, released, as the schedule says.
//!
//! A rise in the schedule pays new units at once, which serve after `start_up`. A fall releases the
//! highest indices at once; they have taken no new work since `drain` before. Units paid when the
//! simulation begins serve from the beginning. Steps of a unit that would not end before its release
//! do not start.

use crate::scenario::{Pool, Scenario, Schedule, nodes_of};
use crate::units::{NS_PER_DAY, SimDuration, SimTime};

/// What happens to a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// It is given back; what it holds moves.
    Release,
    /// It is paid from now on, and will be released at the stated time.
    Pay {
        /// When it will be given back, or `NEVER`.
        until: SimTime,
    },
    /// It takes work.
    Serve,
    /// It takes no more work.
    Drain,
}

/// A change of one unit at one instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Event {
    /// When.
    pub at: SimTime,
    /// Which unit.
    pub unit: u32,
    /// What.
    pub change: Change,
}

/// How many units a schedule pays, as (from, units), ascending from time zero to `to`.
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
pub fn events(pool: &Pool, scenario: &Scenario, end: SimTime) -> Vec<Event> {
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
        from + schedule.start_up
    };
    let drains = if until == SimTime::NEVER {
        until
    } else {
        until - schedule.drain
    };
    events.push(Event {
        at: from,
        unit,
        change: Change::Pay { until },
    });
    if serves < drains {
        events.push(Event {
            at: serves,
            unit,
            change: Change::Serve,
        });
        if until != SimTime::NEVER {
            events.push(Event {
                at: drains,
                unit,
                change: Change::Drain,
            });
        }
    }
    if until != SimTime::NEVER {
        events.push(Event {
            at: until,
            unit,
            change: Change::Release,
        });
    }
}

/// Paid accelerator-time of all pools in `[from, to)`, by the schedules.
pub fn paid_gpus(scenario: &Scenario, from: SimTime, to: SimTime) -> u128 {
    let of = |pool: &Pool| {
        let paid = paid_units(&pool.schedule, scenario, to);
        integral(&paid, from, to, |units| {
            u64::from(units * pool.gpus_per_unit)
        })
    };
    scenario.pools.iter().map(of).sum()
}

/// Paid node-time of one pool in `[from, to)`: its whole nodes, or, where nodes are shared, its part of them.
pub fn paid_nodes_of(scenario: &Scenario, pool: &Pool, from: SimTime, to: SimTime) -> f64 {
    let paid = paid_units(&pool.schedule, scenario, to);
    if scenario.node.shared {
        let gpus = integral(&paid, from, to, |units| {
            u64::from(units * pool.gpus_per_unit)
        });
        return gpus as f64 / f64::from(pool.node_gpus);
    }
    integral(&paid, from, to, |units| u64::from(pool.nodes(units))) as f64
}

/// The integral over `[from, to)` of something that hangs on the paid units.
fn integral(paid: &[(SimTime, u32)], from: SimTime, to: SimTime, of: impl Fn(u32) -> u64) -> u128 {
    let ends = paid.iter().skip(1).map(|next| next.0).chain([to]);
    let held = |(&(at, units), end): (&(SimTime, u32), SimTime)| {
        let ns = end.min(to).since(at.max(from)).0;
        u128::from(of(units)) * u128::from(ns)
    };
    paid.iter().zip(ends).map(held).sum()
}

/// Paid node-time of several pools in `[from, to)` and the largest number of nodes paid at once.
pub fn paid_nodes(scenario: &Scenario, from: SimTime, to: SimTime) -> (u128, u64) {
    let mut changes: Vec<(SimTime, usize, u32)> = Vec::new();
    for (pool, p) in scenario.pools.iter().enumerate() {
        for (at, units) in paid_units(&p.schedule, scenario, to) {
            changes.push((at, pool, units));
        }
    }
    changes.sort_unstable();
    let mut units = vec![0_u32; scenario.pools.len()];
    let (mut node_ns, mut peak, mut i) = (0_u128, 0, 0);
    while i < changes.len() {
        let at = changes[i].0;
        while i < changes.len() && changes[i].0 == at {
            units[changes[i].1] = changes[i].2;
            i += 1;
        }
        let next = changes.get(i).map_or(to, |c| c.0).min(to);
        let held = next.since(at.max(from));
        if held > SimDuration::ZERO {
            let now = nodes_of(&scenario.pools, &units, &scenario.node);
            node_ns += u128::from(now) * u128::from(held.0);
            peak = peak.max(now);
        }
    }
    (node_ns, peak)
}
