//! How sure the figures of one long run are: batch means.
//!
//! Where the load does not change over time, the window is cut into [`BATCHES`] equal batches. If they are
//! long beside what the queues remember, their figures are independent, and the interval of a figure is
//! Student's t over them, around its value of the whole window ("sectioning", see
//! [`crate::metrics::interval`]). Whether they are long enough is checked: neighbours' numbers in the system
//! must not be correlated. If they are, batches are joined in pairs, and if those are still correlated,
//! there is no interval and a warning says so.
//!
//! Where the load changes over the day, a batch has to be a whole number of days: from ten days on. A
//! quantile has an interval if at least ten observations lie beyond it in every batch. Figures of classes
//! and of input lengths are counted over the whole window only: their intervals need replications.

use std::collections::BTreeMap;

use serde_json::Value;

use super::stretch::{Evidence, WindowStretch, of_stretch};
use super::summary::{Interval, RunSummary};
use crate::economics::Tariff;
use crate::metrics::interval::{around_known, is_correlated};
use crate::scenario::{ArrivalKind, Scenario, Schedule, is_sum, summary_fields};
use crate::units::{NS_PER_DAY, SimTime};

/// Batches of a window whose load does not change over time.
pub const BATCHES: u64 = 20;
/// Fewer batches say too little.
const FEWEST: u64 = 10;
/// Observations that lie beyond a quantile in every batch, or behind a mean.
const BEYOND: u64 = 10;

/// Edges of the batches after the window's start; none where batches would not be alike.
pub fn edges(scenario: &Scenario) -> Vec<SimTime> {
    let Some(batches) = batches(scenario) else {
        return Vec::new();
    };
    let start = SimTime::ZERO + scenario.warm_up;
    let whole = u128::from(scenario.duration.0);
    let edge = |k: u64| SimTime(start.0 + (whole * u128::from(k) / u128::from(batches)) as u64);
    (1..=batches).map(edge).collect()
}

/// How many batches the window has.
fn batches(scenario: &Scenario) -> Option<u64> {
    if is_steady(scenario) {
        return Some(BATCHES);
    }
    let is_trace = |kind: &ArrivalKind| matches!(kind, ArrivalKind::Trace(_));
    if scenario.classes.iter().any(|c| is_trace(&c.arrivals.kind)) {
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

/// Adds what the batches say to the summary of the whole window.
pub(super) fn judge(scenario: &Scenario, evidence: &Evidence, summary: &mut RunSummary) {
    let edges: Vec<SimTime> = std::iter::once(evidence.timeline.start())
        .chain(edges(scenario))
        .collect();
    let stretches = |step: usize| -> Vec<WindowStretch> {
        let kept: Vec<SimTime> = edges.iter().step_by(step).copied().collect();
        let pairs = kept.windows(2);
        pairs
            .map(|w| WindowStretch::new(evidence, w[0], w[1]))
            .collect()
    };
    let in_system =
        |s: &[WindowStretch]| s.iter().map(WindowStretch::in_system).collect::<Vec<f64>>();
    let mut parts = stretches(1);
    summary.in_system = in_system(&parts);
    if is_correlated(&summary.in_system) {
        parts = if edges.len() % 2 == 1 {
            stretches(2)
        } else {
            Vec::new()
        };
    }
    if (parts.len() as u64) < FEWEST || is_correlated(&in_system(&parts)) {
        return;
    }
    let parts: Vec<Value> = parts
        .iter()
        .map(|stretch| value_of(&of_stretch(scenario, stretch)))
        .collect();
    summary.confidence = confidence(scenario, &value_of(summary), &parts);
}

fn confidence(scenario: &Scenario, whole: &Value, parts: &[Value]) -> BTreeMap<String, Interval> {
    let n = parts.len() as f64;
    let of = |path: String| {
        let middle = number(whole, &path)?;
        let scale = if is_sum(&path) { n } else { 1.0 };
        let is_enough = |part: &Value| match behind(&path) {
            Some((count, least)) => number(part, &count).is_some_and(|n| n >= least as f64),
            None => true,
        };
        let values: Option<Vec<f64>> = parts
            .iter()
            .map(|part| number(part, &path).filter(|_| is_enough(part)))
            .collect();
        let values: Vec<f64> = values?.into_iter().map(|x| x * scale).collect();
        let is_edge = path.ends_with("queue_length_end") || path.starts_with("requests.in_flight");
        let interval = around_known(middle, &values).filter(|_| !is_edge)?;
        Some((path, interval))
    };
    let paths = paths(scenario).into_iter();
    paths
        .filter(|p| !p.starts_with("classes."))
        .filter_map(of)
        .collect()
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

/// Where it says how many observations stand behind a latency, and how many there should be.
fn behind(path: &str) -> Option<(String, u64)> {
    let (distribution, statistic) = path.rsplit_once('.')?;
    let least = match statistic {
        "mean" if distribution.contains("latency.") => BEYOND,
        "p50" => 2 * BEYOND,
        "p90" => 10 * BEYOND,
        "p95" => 20 * BEYOND,
        "p99" => 100 * BEYOND,
        "p999" => 1_000 * BEYOND,
        _ => return None,
    };
    Some((format!("{distribution}.count"), least))
}

/// The summary as a tree.
pub fn value_of(summary: &RunSummary) -> Value {
    serde_json::to_value(summary).unwrap_or_default()
}

/// A figure of the tree by its path.
pub fn number(tree: &Value, path: &str) -> Option<f64> {
    tree.pointer(&format!("/{}", path.replace('.', "/")))
        .and_then(Value::as_f64)
}
