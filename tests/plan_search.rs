//! How plans search: the bound by bisection, what they say while they do, and what they refuse in `--vary` and
//! `--units`.

mod support;

use serde_json::Value;
use support::program::{Said, Scratch, tokentide};
use tokentide::internals::experiment::run;
use tokentide::internals::scenario::load;

/// Users who wait for their answers, of whom arithmetic knows nothing: every number of units may do.
const USERS: &str = r#"
name     = "users"
start    = 2026-01-05T12:00:00+00:00
duration = "3min"
warm_up  = "20s"
model    = { name = "mine", kv_bytes_per_token = 1000 }
node     = { gpu = "h100", gpus = 1, price_per_gpu_hour = 2.00 }
[pools.mixed]
nodes_per_unit     = 1
max_batch_tokens   = 2048
max_batch_requests = 16
kv_capacity_tokens = 400_000
units              = 1
[performance]
kind    = "linear"
prefill = { base = "20ms", per_token = "100us" }
decode  = { base = "10ms", per_request = "1ms" }
[[class]]
name     = "chat"
arrivals = { kind = "closed-loop", users = 250, think_time = "5s" }
input    = { kind = "exponential", mean = 500 }
output   = { kind = "exponential", mean = 60 }
[plan]
slo   = ["tpot_p95 = 30ms"]
nodes = 64
"#;

fn planned(path: &str, rest: &[&str]) -> Said {
    let first = ["plan", path, "--format", "json", "--step-error", "0"];
    tokentide(&[&first, rest].concat())
}

fn json(said: &Said, code: i32) -> Value {
    assert_eq!(said.code, Some(code), "{}", said.err);
    serde_json::from_slice(&said.out).expect("JSON")
}

#[test]
fn a_bound_far_away_is_found_by_bisection() {
    let scratch = Scratch::new("plan-bisection");
    let path = scratch.write("users.toml", USERS);
    let answer = json(&planned(&path, &["--replications", "1"]), 0);
    let nodes = answer["best"]["nodes"].as_f64().expect("nodes") as u32;
    let keeps = |units: u32| {
        let scenario = load(&path, &[format!("pools.mixed.units={units}")]).expect("a scenario");
        let tpot = run(&scenario, 1).expect("a run").latency_decided.tpot_s.p95;
        tpot.is_some_and(|x| x <= 0.03)
    };
    let least = (1..=64).find(|n| keeps(*n)).expect("an answer");
    assert!(least > 5, "{least} is found without a bisection");
    assert_eq!(nodes, least, "{answer:#}");
    let runs = answer["simulations"].as_u64();
    // Two costs as they come, all 64 nodes, strides, halves; each in a part of the time and the whole.
    assert!(runs < Some(24), "{runs:?}");
}

#[test]
fn that_there_is_no_answer_takes_a_few_runs() {
    let scratch = Scratch::new("plan-none");
    let path = scratch.write("users.toml", USERS);
    let answer = json(&planned(&path, &["--slo", "tpot_p95=9ms"]), 3);
    assert_eq!(answer["best"], Value::Null);
    assert_eq!(answer["nearest_miss"]["nodes"], 64.0, "{answer:#}");
    assert!(answer["simulations"].as_u64() <= Some(6), "{answer:#}");
}

#[test]
fn where_nobody_watches_lines_say_what_a_plan_is_at() {
    let scratch = Scratch::new("plan-lines");
    let path = scratch.write("users.toml", USERS);
    let none = ["--slo", "tpot_p95=9ms"];
    let said = planned(&path, &none);
    assert!(said.err.contains("searching: as it stands"), "{}", said.err);
    let quiet = planned(&path, &[&none[..], &["--quiet"]].concat());
    assert_eq!(quiet.err, "");
    assert!(quiet.out == said.out);
}

#[test]
fn one_grammar_says_what_varies_and_mistakes_name_the_flag_and_the_column() {
    let scratch = Scratch::new("plan-vary");
    let path = scratch.write("users.toml", USERS);
    // Ranges with steps and linked keys, as for sweeps.
    let few = ["--slo=tpot_p95=200ms", "--set=duration=1min", "--nodes=6"];
    let linked =
        "--vary=pools.mixed.max_batch_requests,pools.mixed.max_batch_tokens=(8,1024),(16,2048)";
    let answer = json(&planned(&path, &[&few[..], &[linked]].concat()), 0);
    let options = answer["options"].as_array().map(Vec::len);
    assert_eq!(options, Some(2), "{answer:#}");
    let steps = "--vary=pools.mixed.max_batch_requests=8..24:8";
    let answer = json(&planned(&path, &[&few[..], &[steps]].concat()), 0);
    let options = answer["options"].as_array().map(Vec::len);
    assert_eq!(options, Some(3), "{answer:#}");
    for (flag, text, parts) in [
        (
            "--vary",
            "pools.mixed.max_batch_requests=8,,9",
            &["argument --vary:1:33", "a value is missing"][..],
        ),
        (
            "--vary",
            "kv_cache.hit_rate=0.1..0.9",
            &["argument --vary:1:19", "value by value"],
        ),
        (
            "--vary",
            "a,seed=(1,2)",
            &["argument --vary:1:3", "no decision about the deployment"],
        ),
        (
            "--units",
            "mixed=4..2",
            &["argument --units:1:7", "runs backwards", "decode=1..9"],
        ),
        (
            "--units",
            "mixed=1,3",
            &["argument --units:1:9", "without gaps"],
        ),
    ] {
        let said = planned(&path, &[flag, text]);
        assert_eq!(said.code, Some(2), "{text}");
        for part in parts {
            assert!(said.err.contains(part), "no {part:?} in: {}", said.err);
        }
    }
    let twice = ["--vary", "a=1,2", "--vary", "b,a=(1,2)"];
    let said = planned(&path, &twice);
    assert!(
        said.err.contains("argument --vary:1:3") && said.err.contains("varies already"),
        "{}",
        said.err
    );
    let stated = USERS.replace("nodes = 64", "nodes = 64\nvary = [\"seed = 1, 2\"]");
    let said = planned(&scratch.write("stated.toml", &stated), &[]);
    assert!(said.err.contains("[plan] vary:1:1"), "{}", said.err);
}
