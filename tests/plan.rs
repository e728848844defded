//! Plans: the answer against brute force, what it writes, what it refuses.
//!
//! The scenarios are under `plan/`.

mod support;

use serde_json::Value;
use support::program::{Scratch, tokentide};
use tokentide::internals::experiment::{parallel, replicate, run};
use tokentide::internals::report::summary::RunSummary;
use tokentide::internals::scenario::load;

const SMALL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/plan/small.toml");
const APART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/plan/apart.toml");
const PARTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/plan/parts.toml");
const COPIES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/plan/copies.toml");
const DAY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/plan/day.toml");

/// The answer as JSON; the program must end with `code`.
fn planned(code: i32, target: &str, rest: &[&str]) -> Value {
    let first = ["plan", target, "--format", "json", "--step-error", "0"];
    let said = tokentide(&[&first, rest].concat());
    assert_eq!(said.code, Some(code), "{rest:?}: {}", said.err);
    serde_json::from_slice(&said.out).expect("JSON")
}

/// Runs of a scenario with changes, replication by replication.
fn runs(target: &str, settings: &[String], replications: u64) -> Vec<RunSummary> {
    let scenario = load(target, settings).expect("a scenario");
    (0..replications)
        .map(|n| {
            let seed = replicate::seed(scenario.seed, n);
            run(&scenario.clone().with_seed(seed), 1).expect("a run")
        })
        .collect()
}

/// The promises of `small.toml`, by hand.
fn keeps(run: &RunSummary) -> bool {
    let lost = run.requests.rejected + run.requests.failed;
    let ends = tokentide::internals::report::verdict::assess(run).grade;
    lost == 0
        && ends != tokentide::internals::report::verdict::Grade::Overloaded
        && run.latency.ttft_s.p95.is_some_and(|x| x <= 0.6)
        && run.latency.tpot_s.p95.is_some_and(|x| x <= 0.03)
}

#[test]
fn no_deployment_of_the_grid_is_cheaper() {
    let mut cheapest: Option<(u32, Vec<String>)> = None;
    let mut kept_at: Vec<(u32, String)> = Vec::new();
    for batch in [8, 12, 16] {
        for prefill in 1..=6_u32 {
            for decode in 1..=7 - prefill {
                let settings = vec![
                    format!("pools.decode.max_batch_requests={batch}"),
                    format!("pools.prefill.units={prefill}"),
                    format!("pools.decode.units={decode}"),
                ];
                let nodes = prefill + decode;
                if !runs(SMALL, &settings, 1).iter().all(keeps)
                    || !runs(SMALL, &settings, 3).iter().all(keeps)
                {
                    continue;
                }
                kept_at.push((nodes, format!("{batch} {prefill} {decode}")));
                if cheapest.as_ref().is_none_or(|(least, _)| nodes < *least) {
                    cheapest = Some((nodes, settings));
                }
            }
        }
    }
    let (nodes, _) = cheapest.expect("something keeps the promises");
    assert!(
        nodes > 3 && nodes < 7,
        "the case decides nothing: {kept_at:?}"
    );
    let answer = planned(0, SMALL, &[]);
    let best = &answer["best"];
    assert_eq!(
        best["nodes"].as_f64(),
        Some(f64::from(nodes)),
        "{kept_at:?}\n{answer:#}"
    );
    assert_eq!(best["kept"], 3);
    // Fewer simulations than the grid has, and what was found is in it.
    let settings: Vec<String> = best["settings"]
        .as_array()
        .expect("settings")
        .iter()
        .map(|s| s.as_str().expect("text").to_owned())
        .collect();
    assert!(runs(SMALL, &settings, 3).iter().all(keeps));
    assert!(
        answer["simulations"].as_u64() < Some(63 * 3 / 2),
        "{}",
        answer["simulations"]
    );
    // Design by design: of the answer's own, the nearest of what is cheaper fails, and says by which promise.
    let options = answer["options"].as_array().expect("options");
    assert_eq!(options.len(), 3);
    let own = options.iter().find(|row| row["option"] == best["choices"]);
    let why = own.and_then(|row| row["reason"].as_str());
    assert!(why.is_some_and(|why| why.contains("units")), "{answer:#}");
}

/// Every number of units of `parts.toml` that keeps its promises: nodes paid, accelerators in use, units.
fn every_part(rate: u32, shared: bool) -> Vec<(u32, u32, [u32; 2])> {
    let all: Vec<[u32; 2]> = (1..=14)
        .flat_map(|p| (1..=7).map(move |d| [p, d]))
        .collect();
    let tried = parallel::in_parallel(&all, |&[prefill, decode]| {
        let settings = [
            format!("class.chat.arrivals.requests_per_s={rate}"),
            format!("node.shared={shared}"),
            format!("pools.prefill.units={prefill}"),
            format!("pools.decode.units={decode}"),
        ];
        let nodes = runs(
            PARTS,
            &[&settings[..], &["duration=1s".to_string()]].concat(),
            1,
        )[0]
        .nodes
        .peak;
        let kept = nodes <= 4
            && runs(PARTS, &settings, 1).iter().all(keeps)
            && runs(PARTS, &settings, 3).iter().all(keeps);
        kept.then_some((nodes, prefill + 2 * decode, [prefill, decode]))
    });
    let mut kept: Vec<_> = tried.into_iter().flatten().collect();
    kept.sort_unstable();
    kept
}

#[test]
fn no_units_smaller_than_a_node_are_cheaper() {
    let mut answers = Vec::new();
    for (rate, shared) in [(24, false), (40, false), (40, true)] {
        let kept = every_part(rate, shared);
        let (nodes, gpus, units) = *kept.first().expect("something keeps the promises");
        let arrivals = format!("class.chat.arrivals.requests_per_s={rate}");
        let node = format!("node.shared={shared}");
        let answer = planned(0, PARTS, &["--set", &arrivals, "--set", &node]);
        let best = &answer["best"];
        let of = |field: &str| best[field].as_f64();
        let told = format!("{rate} {shared}: by brute force {units:?}\n{answer:#}");
        assert_eq!(of("nodes"), Some(f64::from(nodes)), "{told}");
        assert_eq!(of("gpus"), Some(f64::from(gpus)), "{told}");
        // What it says of itself is what runs.
        let pools = best["pools"].as_array().expect("pools");
        let of_pool = |n: usize, field: &str| pools[n][field].as_u64().expect("a number");
        let found = [of_pool(0, "units"), of_pool(1, "units")].map(|n| n as u32);
        assert!(kept.contains(&(nodes, gpus, found)), "{told}");
        assert_eq!(of_pool(1, "copies"), 2 * of_pool(1, "units"), "{told}");
        let words = best["units"].as_str().expect("words");
        assert!(
            words.contains(&format!("{gpus} GPUs on {nodes} node")),
            "{words}"
        );
        assert!(answer["simulations"].as_u64() < Some(98), "{told}");
        answers.push((nodes, gpus));
    }
    assert!(
        answers.iter().any(|(nodes, gpus)| *gpus < 4 * nodes),
        "every answer fills its nodes: {answers:?}"
    );
    assert_ne!(answers[0], answers[1], "the rate decides nothing");
}

#[test]
fn one_command_finds_parallelism_budget_and_copies() {
    let answer = planned(0, COPIES, &[]);
    let best = &answer["best"];
    let settings = best["settings"].as_array().expect("settings");
    let settings: Vec<&str> = settings.iter().filter_map(Value::as_str).collect();
    let of = |key: &str| {
        let value = settings.iter().find_map(|s| s.strip_prefix(key));
        value.and_then(|v| v.trim_start_matches('=').trim().parse().ok())
    };
    let (tensor, copies): (Option<u64>, Option<u64>) = (
        of("pools.mixed.parallelism.tensor"),
        of("pools.mixed.units"),
    );
    let (tensor, copies) = (tensor.expect("a parallelism"), copies.expect("copies"));
    // A unit's size follows from its parallelism.
    assert_eq!(best["gpus"].as_u64(), Some(tensor * copies), "{best}");
    let keeps = |units: u64| {
        let mut settings: Vec<String> = settings.iter().map(|s| (*s).to_owned()).collect();
        settings.push(format!("pools.mixed.units={units}"));
        runs(COPIES, &settings, 3).iter().all(|run| {
            run.latency.ttft_s.p99.is_some_and(|x| x <= 2.0)
                && run.latency.tpot_s.p99.is_some_and(|x| x <= 0.05)
        })
    };
    assert!(keeps(copies) && !keeps(copies - 1), "{answer:#}");
    // Both parallelisms and both budgets are told apart.
    let options = answer["options"].as_array().expect("options");
    let mut names: Vec<&str> = options
        .iter()
        .filter_map(|row| row["option"].as_str())
        .collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "TP 2, max_batch_tokens = 2048",
            "TP 2, max_batch_tokens = 512",
            "TP 4, max_batch_tokens = 2048",
            "TP 4, max_batch_tokens = 512"
        ]
    );
}

#[test]
fn no_schedule_is_cheaper() {
    let speed = |units: [u32; 2]| {
        let setting = format!(
            "pools.mixed.units={{ schedule = [[\"00:00\", {}], [\"12:00\", {}]] }}",
            units[0], units[1]
        );
        let run = runs(DAY, &[setting], 1).remove(0);
        run.latency.tpot_s.mean.expect("tokens") <= 0.35
    };
    let mut least = u32::MAX;
    for first in 1..=5 {
        for second in 1..=5 {
            if first + second < least && speed([first, second]) {
                least = first + second;
            }
        }
    }
    let answer = planned(0, DAY, &["--slo-every", "24h"]);
    assert!(least > 2 && least < 10, "the case decides nothing: {least}");
    assert_eq!(
        answer["best"]["node_hours"].as_f64(),
        Some(12.0 * f64::from(least)),
        "{answer:#}"
    );
    assert_eq!(
        answer["schedule"]["slots"].as_array().map(Vec::len),
        Some(2)
    );
    // Its own schedule has five units all day.
    assert_eq!(answer["baseline"]["node_hours"].as_f64(), Some(120.0));
}

/// Nodes, units (prefill at first and then, decode at first and then), and what they give.
type Tried = (u32, [u32; 4], Option<[f64; 2]>);

/// Every schedule of the case's bounds, cheapest first, with what it gives: TTFT p95 and mean TPOT.
///
/// Those that grow beyond the limits keep nothing.
fn every_schedule(most: u32) -> Vec<Tried> {
    let mut all = Vec::new();
    for n in 0..3 * 3 * 6 * 6 {
        let units = [n / 108 % 3 + 1, n / 36 % 3 + 1, n / 6 % 6 + 1, n % 6 + 1];
        if units.iter().sum::<u32>() <= most {
            all.push((units.iter().sum(), units));
        }
    }
    all.sort_unstable();
    parallel::in_parallel(&all, |(nodes, [a, b, c, d])| {
        let schedule = |pool: &str, first: &u32, second: &u32| {
            format!(
                "pools.{pool}.units={{ schedule = [[\"00:00\", {first}], [\"12:00\", {second}]] }}"
            )
        };
        // With more than 500 in flight the last of them waits for minutes: the run ends there, as an error.
        let limit = "limits.requests_in_flight=500".to_string();
        let settings = [schedule("prefill", a, b), schedule("decode", c, d), limit];
        let scenario = load(APART, &settings).expect("a scenario");
        let gives = run(&scenario, 1).ok().and_then(|run| {
            let lost = run.requests.rejected + run.requests.failed;
            let latency = [run.latency.ttft_s.p95?, run.latency.tpot_s.mean?];
            (lost == 0).then_some(latency)
        });
        (*nodes, [*a, *b, *c, *d], gives)
    })
}

#[test]
fn no_schedule_of_separate_pools_is_cheaper() {
    let all = every_schedule(11);
    let mut answers = Vec::new();
    for (ttft, tpot) in [
        (1.8, 0.6),
        (2.0, 0.6),
        (2.0, 0.45),
        (2.5, 0.6),
        (2.5, 0.5),
        (6.0, 0.6),
        (6.0, 0.4),
    ] {
        let keeps = |(_, _, gives): &&Tried| gives.is_some_and(|[a, b]| a <= ttft && b <= tpot);
        let (nodes, units, _) = all
            .iter()
            .find(keeps)
            .expect("something keeps the promises");
        let slos = [format!("ttft_p95={ttft}s"), format!("tpot_mean={tpot}s")];
        let answer = planned(
            0,
            APART,
            &["--slo", &slos[0], "--slo", &slos[1], "--slo-every", "24h"],
        );
        assert_eq!(
            answer["best"]["node_hours"].as_f64(),
            Some(12.0 * f64::from(*nodes)),
            "{slos:?}, by brute force {units:?}\n{answer:#}"
        );
        // Nobody needs 324 simulations for that.
        assert!(answer["simulations"].as_u64() <= Some(10), "{answer:#}");
        answers.push(*nodes);
    }
    answers.sort_unstable();
    answers.dedup();
    assert!(
        answers.len() >= 4,
        "the questions have the same answer: {answers:?}"
    );
    // One promise that no schedule of the bounds keeps.
    let answer = planned(3, APART, &["--slo", "tpot_mean=250ms"]);
    assert!(answer["best"].is_null());
}

#[test]
fn the_scenario_of_the_answer_runs_and_keeps_its_promises() {
    let scratch = Scratch::new("plan-out");
    let out = scratch.path("out");
    let answer = planned(0, SMALL, &["--out", &out]);
    assert_eq!(
        scratch.files("out"),
        ["launch.sh", "plan.json", "plan.md", "scenario.toml"]
    );
    let said = tokentide(&["run", &format!("{out}/scenario.toml"), "--format", "json"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    let run: RunSummary = serde_json::from_slice(&said.out).expect("a summary");
    assert!(keeps(&run));
    let cost = answer["best"]["cost_usd"].as_f64().expect("a cost");
    assert!((run.economics.cost_usd - cost).abs() < 1e-9);
    // One with numbers of units by the time of day, too.
    let slots = scratch.path("slots");
    let answer = planned(0, APART, &["--out", &slots]);
    let said = tokentide(&["run", &format!("{slots}/scenario.toml"), "--format", "json"]);
    let run: RunSummary = serde_json::from_slice(&said.out).expect("a summary");
    assert!(run.latency.ttft_s.p95.is_some_and(|x| x <= 2.5));
    assert!(run.latency.tpot_s.mean.is_some_and(|x| x <= 0.5));
    let node_hours = answer["best"]["node_hours"].as_f64();
    assert_eq!(Some(run.nodes.node_hours), node_hours);
    // What is there is not replaced without a word.
    let again = tokentide(&["plan", SMALL, "--out", &out]);
    assert_eq!(again.code, Some(2));
    assert!(again.err.contains("--overwrite"), "{}", again.err);
}

#[test]
fn the_answer_does_not_depend_on_threads() {
    let of = |threads| tokentide(&["plan", SMALL, "--format", "json", "--threads", threads]).out;
    assert_eq!(of("1"), of("3"));
}

#[test]
fn longer_steps_need_no_fewer_nodes() {
    let said = tokentide(&["plan", SMALL, "--format", "json", "--step-error", "0.14"]);
    let answer: Value = serde_json::from_slice(&said.out).expect("JSON");
    let rows = answer["step_times"].as_array().expect("rows");
    let nodes = |i: usize| rows[i]["nodes"].as_f64();
    let factor = rows[0]["factor"].as_f64().expect("a factor");
    assert!((factor - 1.14).abs() < 1e-9);
    assert!(nodes(0) > answer["best"]["nodes"].as_f64(), "{answer:#}");
    assert!(nodes(1) < nodes(0), "{answer:#}");
}

#[test]
fn where_nothing_keeps_the_promises_the_nearest_is_named() {
    let answer = planned(3, SMALL, &["--nodes", "4", "--slo", "tpot_p95=13ms"]);
    assert!(answer["best"].is_null());
    assert!(
        answer["options"][0]["reason"]
            .as_str()
            .is_some_and(|why| !why.is_empty())
    );
    let said = tokentide(&["plan", SMALL, "--nodes", "4"]);
    let text = String::from_utf8(said.out).expect("UTF-8");
    assert!(
        text.contains("Nothing within the bounds keeps every promise."),
        "{text}"
    );
}

#[test]
fn more_profit_than_the_cheapest_is_found_where_there_is_some() {
    let cost = planned(0, SMALL, &[]);
    for goal in ["profit", "goodput"] {
        let answer = planned(0, SMALL, &["--goal", goal]);
        let field = if goal == "profit" {
            "profit_usd"
        } else {
            "goodput_per_s"
        };
        let of = |answer: &Value| answer["best"][field].as_f64();
        assert_eq!(answer["goal"], goal);
        assert!(of(&answer) >= of(&cost), "{answer:#}");
    }
}

#[test]
fn values_of_the_command_line_go_before_those_of_an_option() {
    let more = [
        "--vary",
        "pools.prefill.max_batch_tokens=4096",
        "--set=duration=2min",
    ];
    let answer = planned(0, "chat-h800", &more);
    let options = answer["options"].as_array().expect("options");
    let apart = |row: &&Value| {
        row["option"]
            .as_str()
            .is_some_and(|o| o.starts_with("separate"))
    };
    let best: Vec<&str> = options
        .iter()
        .filter(apart)
        .filter_map(|row| row["best"].as_str())
        .collect();
    assert!(!best.is_empty(), "{answer:#}");
    for words in best {
        assert!(
            words.ends_with(", prefill.max_batch_tokens = 4096"),
            "{words}"
        );
    }
    let mixed = options.iter().find(|row| row["option"] == "mixed, TP 4");
    let mixed = mixed.and_then(|row| row["candidates"].as_u64());
    // A mixed pool has no such key: its own four token budgets stay, on up to eight nodes.
    assert!(mixed >= Some(4 * 8), "{answer:#}");
}

#[test]
fn questions_without_sense_are_refused() {
    let refuses = |words: &[&str], rest: &[&str]| {
        let said = tokentide(&[&["plan"], rest].concat());
        assert_eq!(said.code, Some(2), "{rest:?}: {}", said.err);
        assert!(said.out.is_empty());
        for word in words {
            assert!(said.err.contains(word), "no {word:?} in: {}", said.err);
        }
    };
    refuses(
        &["ttft_p98", "write ttft_p99=5s"],
        &[SMALL, "--slo", "ttft_p98=1s"],
    );
    refuses(&["nothing to keep"], &["deepseek-day", "--nodes", "300"]);
    refuses(
        &["the search has no bound", "--nodes"],
        &["tests/cli/small.toml", "--slo", "ttft_p99=1s"],
    );
    refuses(
        &["no option has a pool `mixed`"],
        &[SMALL, "--units", "mixed=1..2"],
    );
    refuses(
        &["pools.decode.max_batch_request"],
        &[SMALL, "--vary", "pools.decode.max_batch_request=1,2"],
    );
    refuses(
        &["seed = 1,2", "no decision about the deployment"],
        &[SMALL, "--vary", "seed = 1,2"],
    );
    // Where options have choices of their own, too.
    refuses(
        &["no option has the pool of `pools.prefil.max_batch_tokens`"],
        &["chat-h800", "--vary", "pools.prefil.max_batch_tokens=1,2"],
    );
    refuses(
        &["no class has a `price`"],
        &[
            "tests/cli/small.toml",
            "--nodes",
            "3",
            "--slo",
            "ttft_p99=1s",
            "--goal",
            "profit",
        ],
    );
    refuses(
        &["least cost only"],
        &[SMALL, "--schedule", "1h", "--goal", "goodput"],
    );
    refuses(
        &["--schedule", "whole minutes"],
        &[SMALL, "--schedule", "10s"],
    );
}
