//! How the window of one long run is cut so that its parts say how sure its figures are.
//!
//! Where the load does not change over time, it is cut into [`PARTS`] equal parts, short beside what the queues
//! remember; the room `confidence` judges each figure by how alike its neighbours are. Sixteen parts are a batch:
//! the number in the system of each batch shows a start that is counted.
//!
//! Where the load changes over the day, a part has to be a whole number of days: from ten days on.

use serde_json::Value;

use super::summary::RunSummary;
use crate::economics::Tariff;
use crate::scenario::{ArrivalKind, Scenario, Schedule, summary_fields};
use crate::units::{NS_PER_DAY, SimTime};

/// Number of parts that a window is cut into whose load does not change over time.
pub const PARTS: u64 = 320;
/// Number of batches of parts whose numbers in the system a summary shows.
pub const BATCHES: u64 = 20;
/// Least number of whole days that parts are made of: fewer say too little.
const FEWEST: u64 = 10;

/// Edges of the parts after the window's start; empty where the parts would not be alike.
pub fn edges(scenario: &Scenario) -> Vec<SimTime> {
    let Some(parts) = parts(scenario) else {
        return Vec::new();
    };
    let start = SimTime::ZERO + scenario.warm_up;
    let whole = u128::from(scenario.duration.0);
    let edge = |k: u64| SimTime(start.0 + (whole * u128::from(k) / u128::from(parts)) as u64);
    let mut edges: Vec<SimTime> = (1..=parts).map(edge).collect();
    edges.dedup();
    edges
}

/// Number of parts of the window; `None`: they would not be alike.
fn parts(scenario: &Scenario) -> Option<u64> {
    if is_steady(scenario) {
        return Some(PARTS);
    }
    let is_trace = |kind: &ArrivalKind| matches!(kind, ArrivalKind::Trace(_));
    if scenario.classes.iter().any(|c| is_trace(&c.arrivals.kind)) {
        return None;
    }
    // Days of a week are not alike.
    let is_day = |c: &crate::scenario::Class| c.arrivals.cycle.0 == NS_PER_DAY;
    if !scenario.classes.iter().all(is_day) {
        return None;
    }
    let days = scenario.duration.0 / NS_PER_DAY;
    let is_whole = scenario.duration.0.is_multiple_of(NS_PER_DAY);
    (FEWEST..=BATCHES)
        .rev()
        .find(|n| is_whole && days >= *n && days.is_multiple_of(*n))
}

/// Whether load, units and prices are the same all the time.
fn is_steady(scenario: &Scenario) -> bool {
    let start = SimTime::ZERO + scenario.warm_up;
    let prices = Tariff::new(scenario).changes(start, start + scenario.duration);
    let constant = |schedule: &Schedule| {
        let mut units = schedule.steps.iter().map(|(_, units)| units);
        let first = units.next();
        units.all(|n| Some(n) == first)
    };
    let steady = |class: &crate::scenario::Class| {
        let arrivals = &class.arrivals;
        let Some(first) = arrivals.rate.first() else {
            // Users who wait for answers, without an end; they have begun before counting does.
            return matches!(&arrivals.kind, ArrivalKind::ClosedLoop(closed)
                if closed.requests.is_none() && closed.ramp_up <= scenario.warm_up);
        };
        let rate = first.rate_from_per_s;
        let same =
            |s: &crate::scenario::RateSegment| s.rate_from_per_s == rate && s.rate_to_per_s == rate;
        let periods = arrivals.periods.windows(2).all(|w| w[0] == w[1]);
        arrivals.rate.iter().all(same) && periods
    };
    prices.is_empty()
        && scenario.pools.iter().all(|p| constant(&p.schedule))
        && scenario.classes.iter().all(steady)
}

/// Paths of the figures that can have an interval: all but counts of observations, largest values, quantiles that
/// count who is inside at the end (an end is no sample of the run) and what is given.
pub fn paths(scenario: &Scenario) -> Vec<String> {
    let pools: Vec<&str> = scenario.pools.iter().map(|p| p.name.as_str()).collect();
    let classes: Vec<&str> = scenario.classes.iter().map(|c| c.name.as_str()).collect();
    let mut paths = summary_fields(&pools, &classes);
    paths.retain(|path| {
        let last = path.rsplit('.').next().unwrap_or(path);
        !["count", "max", "peak", "nodes_peak", "longest_wait_s"].contains(&last)
            && !path.contains("latency_decided.")
    });
    paths
}

/// The summary as a JSON tree.
pub fn value_of(summary: &RunSummary) -> Value {
    serde_json::to_value(summary).unwrap_or_default()
}

/// A figure of the tree by its path; `None`: no number is there.
pub fn number(tree: &Value, path: &str) -> Option<f64> {
    let at = path.split('.').try_fold(tree, |node, key| node.get(key));
    at.and_then(Value::as_f64)
}
