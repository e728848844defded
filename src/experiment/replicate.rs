//! Replications: the same scenario under other draws, and what they say together.
//!
//! The summary of several runs has the shape of one run's, so that everything that shows or judges a run
//! takes it: every figure is the mean over the replications, whole numbers rounded. Three kinds are not
//! means: the worst values (`max`, `peak`, `longest_wait_s`; stretches that missed an SLO, and the least attainment of
//! one) are the worst of all, a balance is the sum of the
//! replications' balances, and warnings are those of the means. A figure that some replications do
//! not have (a latency of nobody) is the mean of the others and has no interval.
//!
//! An interval is Student's t over the replications. It knows of chance, not of bias: the 99th percentile of a
//! run of 1,800 requests is on average a little too low, however many such runs there are. Fewer, longer
//! replications are better for quantiles.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Number, Value};

use super::parallel::in_parallel_on;
use super::run::{RunError, run_knowing};
use crate::metrics::interval::{mean, of_mean};
use crate::perf::KnownSteps;
use crate::report::batches::{number, paths, value_of};
use crate::report::summary::{BalanceSummary, Interval, RunSummary};
use crate::report::warnings::warnings;
use crate::scenario::Scenario;
use crate::units::SimTime;
use crate::workload::random::Stream;

/// The seed of a replication: number 0 is the scenario as it stands, the others have streams of their own.
pub fn seed(scenario_seed: u64, replication: u64) -> u64 {
    match replication {
        0 => scenario_seed,
        // 53 bits: a whole number in TOML and in JSON, wherever they are read.
        n => Stream::new(scenario_seed, "replication", &n.to_string()).draw() >> 11,
    }
}

/// Copies of a scenario, each with a seed of its own; one where nothing in it is drawn.
pub fn replications(scenario: &Scenario, n: u32) -> Vec<Scenario> {
    let n = if scenario.is_drawn() { n } else { n.min(1) };
    let one = |i| scenario.clone().with_seed(seed(scenario.seed, i));
    (0..u64::from(n)).map(one).collect()
}

/// Watches runs: hears a run's index, the simulated time and the requests so far; says whether to go on.
pub type RunWatch<'a> = &'a (dyn Fn(usize, SimTime, u64) -> bool + Sync);

/// A run of several that failed.
#[derive(Clone, Debug, PartialEq)]
pub struct Failed {
    /// Index of the run that failed.
    pub index: usize,
    /// Why the run failed.
    pub why: RunError,
}

/// Plays scenarios, several at a time; what is left of the threads goes to each.
///
/// # Errors
/// The first run that failed, in the order of the scenarios; those after it are not waited for.
pub fn run_all(
    scenarios: &[Scenario],
    threads: usize,
    watch: RunWatch<'_>,
) -> Result<Vec<RunSummary>, Failed> {
    let first_failed = AtomicUsize::new(usize::MAX);
    let known = KnownSteps::default();
    let each = (threads / scenarios.len().max(1)).max(1);
    let items: Vec<(usize, &Scenario)> = scenarios.iter().enumerate().collect();
    let results = in_parallel_on(threads, &items, |(index, scenario)| {
        let goes_on = || first_failed.load(Ordering::Relaxed) > *index;
        if !goes_on() {
            return Err(RunError::Cancelled);
        }
        let result = run_knowing(scenario, each, &known, &mut |now, requests| {
            watch(*index, now, requests) && goes_on()
        });
        if result.is_err() {
            first_failed.fetch_min(*index, Ordering::Relaxed);
        }
        result
    });
    let indexed = results.into_iter().enumerate();
    indexed
        .map(|(index, result)| result.map_err(|why| Failed { index, why }))
        .collect()
}

/// Remark on replications of a scenario in which nothing is drawn.
const UNDRAWN: &str = "nothing in this scenario is drawn at random: every replication is this run to the last bit, it was \
                       played once, and no interval says how far another recording or another day would lie from it";

/// Adds the remark that replications were asked for where they say nothing more.
pub fn undrawn(mut summary: RunSummary) -> RunSummary {
    summary.warnings.push(UNDRAWN.to_owned());
    summary
}

/// The summary of runs of one scenario together, the first of them being number 0; of one run: its own.
pub fn together(scenario: &Scenario, runs: &[RunSummary]) -> Option<RunSummary> {
    let first = runs.first()?;
    if runs.len() == 1 {
        return Some(first.clone());
    }
    if !scenario.is_drawn() {
        return Some(undrawn(first.clone()));
    }
    let trees: Vec<Value> = runs.iter().map(value_of).collect();
    let mut summary: RunSummary = serde_json::from_value(mean_tree("", &trees)).ok()?;
    summary.replications = runs.len() as u32;
    summary.seed = first.seed;
    summary.confidence = confidence(scenario, &trees);
    summary.audit = sum_of_balances(runs);
    summary.warnings = warnings(scenario, &summary);
    summary.warnings.extend(scenario.recorded_part());
    Some(summary)
}

fn confidence(scenario: &Scenario, trees: &[Value]) -> BTreeMap<String, Interval> {
    let of = |path: String| {
        let values: Option<Vec<f64>> = trees.iter().map(|tree| number(tree, &path)).collect();
        let interval = of_mean(&values?)?;
        Some((path, interval))
    };
    paths(scenario).into_iter().filter_map(of).collect()
}

/// Means of numbers of the trees, place by place; what is no number is that of the first.
fn mean_tree(key: &str, trees: &[Value]) -> Value {
    let present: Vec<&Value> = trees.iter().filter(|tree| !tree.is_null()).collect();
    match present.first() {
        None => Value::Null,
        Some(Value::Object(first)) => {
            let member = |key: &String| {
                let each: Vec<Value> = present
                    .iter()
                    .map(|tree| tree.get(key).cloned().unwrap_or_default())
                    .collect();
                (key.clone(), mean_tree(key, &each))
            };
            Value::Object(first.keys().map(member).collect())
        }
        Some(Value::Array(first)) => {
            let member = |i: usize| {
                let each: Vec<Value> = present
                    .iter()
                    .map(|tree| tree.get(i).cloned().unwrap_or_default())
                    .collect();
                mean_tree(key, &each)
            };
            Value::Array((0..first.len()).map(member).collect())
        }
        Some(Value::Number(first)) => {
            let values: Vec<f64> = present.iter().filter_map(|v| v.as_f64()).collect();
            let value = match key {
                "max" | "peak" | "nodes_peak" | "longest_wait_s" | "missed" => {
                    values.iter().copied().reduce(f64::max)
                }
                "worst_attainment" => values.iter().copied().reduce(f64::min),
                _ => mean(&values),
            };
            let value = value.unwrap_or_default();
            if first.is_u64() {
                Value::from(libm::round(value) as u64)
            } else {
                Number::from_f64(value).map_or(Value::Null, Value::Number)
            }
        }
        Some(other) => (*other).clone(),
    }
}

fn sum_of_balances(runs: &[RunSummary]) -> BTreeMap<String, BalanceSummary> {
    let mut sums: BTreeMap<String, (u128, u128, bool)> = BTreeMap::new();
    for (name, balance) in runs.iter().flat_map(|run| &run.audit) {
        let sum = sums.entry(name.clone()).or_insert((0, 0, true));
        let count = |text: &str| text.parse::<u128>().unwrap_or_default();
        sum.0 += count(&balance.left);
        sum.1 += count(&balance.right);
        sum.2 &= balance.holds;
    }
    let balance = |(name, (left, right, holds)): (String, (u128, u128, bool))| {
        let balance = BalanceSummary {
            left: left.to_string(),
            right: right.to_string(),
            holds: holds && left == right,
        };
        (name, balance)
    };
    sums.into_iter().map(balance).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_replication_has_a_seed_of_its_own() {
        let mut seeds: Vec<u64> = (0..3)
            .flat_map(|s| (0..1000).map(move |i| seed(s, i)))
            .collect();
        assert_eq!(seed(1, 0), 1);
        seeds.sort_unstable();
        seeds.dedup();
        assert_eq!(seeds.len(), 3000);
    }

    #[test]
    fn means_are_taken_place_by_place() {
        let trees: Vec<Value> = [
            r#"{"a": 1, "b": 0.5, "max": 3, "c": [null, 1.5], "d": "x"}"#,
            r#"{"a": 2, "b": 1.5, "max": 9, "c": [2.5, null], "d": "y"}"#,
            r#"{"a": 2, "b": 1.0, "max": 4, "c": [null, 0.5], "d": "x"}"#,
        ]
        .iter()
        .filter_map(|text| serde_json::from_str(text).ok())
        .collect();
        assert_eq!(
            mean_tree("", &trees).to_string(),
            r#"{"a":2,"b":1.0,"c":[2.5,1.0],"d":"x","max":9}"#
        );
    }
}
