//! Intervals hold what they promise: on the queue of one server whose answers are known, 95 % of the 95 %
//! intervals hold the truth, those over replications and those over batches of one run; a start that is
//! counted is noticed, and batches that depend on one another give no interval.
//!
//! M/M/1 at half load: time in system is exponential with mean 2 s, so its median is 2 ln 2 and its 99th
//! percentile 2 ln 100. The long form (TOKENTIDE_SLOW=1) plays 1,000 experiments, the short one 40.

mod support;

use std::collections::BTreeMap;
use std::path::Path;

use tokentide::experiment::parallel::in_parallel_on;
use tokentide::experiment::replicate::{replications, run_all, together};
use tokentide::experiment::run;
use tokentide::report::json;
use tokentide::report::summary::{Interval, RunSummary};
use tokentide::scenario::{Scenario, load};

/// What is known of time in system at half load.
const KNOWN: [(&str, f64); 3] = [
    ("latency.e2e_s.mean", 2.0),
    ("latency.e2e_s.p50", 1.386_294_361),
    ("latency.e2e_s.p99", 9.210_340_372),
];

fn one_server(set: &[&str]) -> Scenario {
    scenario("tests/closed_forms/one-server.toml", set)
}

fn scenario(file: &str, set: &[&str]) -> Scenario {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let set: Vec<String> = set.iter().map(|s| (*s).to_owned()).collect();
    match load(&path.to_string_lossy(), &set) {
        Ok(scenario) => scenario,
        Err(mistakes) => panic!("{file}:\n{mistakes}"),
    }
}

fn half_load(duration: &str) -> Scenario {
    let duration = format!("duration={duration}");
    one_server(&[
        &duration,
        "warm_up=5min",
        "class.all.arrivals.requests_per_s=0.5",
    ])
}

fn played(scenario: &Scenario) -> RunSummary {
    run(scenario, 1).unwrap_or_else(|why| panic!("{}: {why}", scenario.name))
}

fn replicated(scenario: &Scenario, n: u32, threads: usize) -> RunSummary {
    let runs = run_all(&replications(scenario, n), threads, &|_, _, _| true);
    let runs = runs.unwrap_or_else(|failed| panic!("replication {}: {}", failed.index, failed.why));
    together(scenario, &runs).expect("a summary of several runs")
}

/// Plays experiments with seeds of their own and counts whose intervals hold what is known.
fn covers(what: &str, one: impl Fn(u64) -> BTreeMap<String, Interval> + Sync) {
    let slow = support::slow("1,000 experiments instead of 40");
    let seeds: Vec<u64> = (1..=if slow { 1_000 } else { 40 }).collect();
    let intervals = in_parallel_on(2, &seeds, |seed| one(1_000_000 + seed));
    for (path, truth) in KNOWN {
        let given: Vec<&Interval> = intervals.iter().filter_map(|all| all.get(path)).collect();
        let held = given
            .iter()
            .filter(|interval| interval.holds(truth))
            .count();
        let share = held as f64 / given.len() as f64;
        eprintln!(
            "{what}: {held} of {} intervals of {path} hold {truth}",
            given.len()
        );
        assert!(
            given.len() * 10 > seeds.len() * 9,
            "{what}, {path}: {} intervals",
            given.len()
        );
        // Of 40 at 95 %, fewer than 34 hold it once in 1,000 tries.
        let expected = if slow { 0.93..=0.97 } else { 0.85..=1.0 };
        assert!(expected.contains(&share), "{what}, {path}: {share}");
    }
}

#[test]
fn intervals_over_replications_hold_the_truth() {
    // Long enough: the 99th percentile of a short run is too low by more than its interval forgives.
    let scenario = half_load("4h");
    covers("5 replications", |seed| {
        replicated(&scenario.clone().with_seed(seed), 5, 1).confidence
    });
}

#[test]
fn intervals_over_batches_of_one_run_hold_the_truth() {
    let scenario = half_load("16h");
    covers("20 batches", |seed| {
        played(&scenario.clone().with_seed(seed)).confidence
    });
}

#[test]
fn replications_are_one_summary_on_any_number_of_threads() {
    let scenario = half_load("1h");
    let one = replicated(&scenario, 5, 1);
    assert_eq!(
        json::to_text(&one),
        json::to_text(&replicated(&scenario, 5, 3))
    );
    assert_eq!((one.replications, one.seed), (5, scenario.seed));
    assert!(one.audit.values().all(|balance| balance.holds));

    let runs: Vec<RunSummary> = replications(&scenario, 5).iter().map(played).collect();
    let means: Vec<f64> = runs.iter().filter_map(|r| r.latency.e2e_s.mean).collect();
    let mean = means.iter().sum::<f64>() / 5.0;
    let got = one.latency.e2e_s.mean.expect("a mean");
    assert!((got - mean).abs() < 1e-12, "{got}, not {mean}");
    let squares: f64 = means.iter().map(|x| (x - mean) * (x - mean)).sum();
    // Student's t with four degrees of freedom, from tables.
    let half = 2.776_445 * (squares / 4.0 / 5.0).sqrt();
    let interval = one.confidence["latency.e2e_s.mean"];
    assert!(
        (interval.half() / half - 1.0).abs() < 1e-6,
        "{interval:?}, not {half}"
    );
    let arrived: u64 = runs.iter().map(|r| r.requests.arrived).sum();
    assert!(one.requests.arrived.abs_diff(arrived / 5) <= 1);
    assert_eq!(one.hours.len(), 1);
}

/// What a summary warns of that contains `words`.
fn warned<'a>(summary: &'a RunSummary, words: &str) -> Option<&'a String> {
    summary.warnings.iter().find(|text| text.contains(words))
}

#[test]
fn a_start_that_is_counted_is_noticed() {
    // Each of 85 requests a second stays for 20 s: the system is full after that, 1,700 requests.
    let file = "tests/closed_forms/infinite-servers.toml";
    let of = |warm_up| {
        let set = ["duration=100s", "class.all.output.value=10001", warm_up];
        played(&scenario(file, &set))
    };
    let empty = of("warm_up=0s");
    let found = warned(&empty, "the first 20 s still look like a start");
    assert!(
        found.is_some_and(|text| text.contains("\"20 s\"")),
        "{:?}",
        empty.warnings
    );
    assert_eq!(warned(&of("warm_up=20s"), "warm_up"), None);
}

#[test]
fn batches_that_depend_on_one_another_give_no_interval() {
    let busy = ["duration=2h", "class.all.arrivals.requests_per_s=0.97"];
    let scenario = one_server(&busy);
    let without = (1..=20).map(|seed| played(&scenario.clone().with_seed(seed)));
    let without = without.filter(|run| run.confidence.is_empty());
    let without: Vec<RunSummary> = without.collect();
    assert!(
        without.len() >= 10,
        "only {} of 20 were noticed",
        without.len()
    );
    let growing = |run: &RunSummary| warned(run, "still growing").is_some();
    let said = |run: &RunSummary| warned(run, "no confidence interval").is_some();
    assert!(without.iter().all(|run| said(run) || growing(run)));
}

#[test]
fn a_load_that_changes_over_the_day_has_no_batches() {
    let day = [
        "duration=2min",
        "warm_up=30s",
        "class.0.arrivals.requests_per_day=2e6",
    ];
    let run = played(&scenario("scenarios/deepseek-day.toml", &day));
    assert!(run.in_system.is_empty() && run.confidence.is_empty());
}
