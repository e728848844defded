//! Sessions against arithmetic (S20): with a geometric number of turns, no shared prompt and room for everything, the
//! hit rate is q (1 + c out / in). q is the probability that a turn is followed by another, c the part of the output
//! that is found again, in and out are mean tokens of a request: a turn that follows another finds what that one read
//! and what is kept of what it wrote, and whether one follows depends on neither.

use tokentide::internals::experiment;
use tokentide::internals::report::summary::RunSummary;
use tokentide::internals::scenario::load_str;

/// A pool that holds everything and is quick, so that hits depend on sessions only.
const BASE: &str = r#"
name = "sessions"
start = 2026-01-01T00:00:00Z
duration = "20min"
warm_up = "3min"
model = { name = "any", kv_bytes_per_token = 1000 }
node = { gpu = "h100", gpus = 1, price_per_gpu_hour = 1.0 }
performance = { kind = "linear", prefill = { per_token = "1ns" }, decode = { base = "1ms" } }
kv_cache = { kind = "prefix", block_tokens = 1 }

[pools.mixed]
nodes_per_unit = 1
parallelism = { attention_data = 1 }
max_batch_tokens = 1_000_000
max_batch_requests = 16_000
kv_capacity_tokens = 268_000_000
units = 1

[[class]]
name = "chat"
"#;

/// A run of a class with these keys, with these values changed.
fn run(class: &str, set: &[String]) -> RunSummary {
    let scenario = load_str("sessions.toml", &format!("{BASE}{class}"), set);
    let scenario = scenario.unwrap_or_else(|mistakes| panic!("{}", mistakes.render(false)));
    experiment::run(&scenario, 1).expect("a run")
}

/// Whether the hit rate is the expected one, with as much of each output found again as this says of its mean.
fn check(turns: f64, keys: &str, class: &str, found: impl Fn(f64) -> f64) -> f64 {
    let arrivals = format!(
        "arrivals = {{ kind = 'sessions', sessions_per_s = 100.0, turns = {turns}, think_time = '3s', {keys} }}\n"
    );
    let summary = run(&(arrivals + class), &[]);
    let requests = summary.requests.completed as f64;
    let input = summary.tokens.input as f64 / requests;
    let output = summary.tokens.output as f64 / requests;
    let again = 1.0 - 1.0 / turns;
    let expected = again * (1.0 + found(output) / input);
    let rate = summary.kv_hit_rate.expect("requests have input");
    assert!(
        (rate - expected).abs() < 0.005,
        "{rate}, not {expected}, of {input} in and {output} out"
    );
    rate
}

/// All of an answer but its last token.
fn whole(output: f64) -> f64 {
    output - 1.0
}

#[test]
fn answers_that_are_kept_are_found_again() {
    let law = "{ kind = 'lognormal', mean = 300, cv = 0.5 }";
    let class = format!("input = {law}\noutput = {{ kind = 'uniform', low = 50, high = 150 }}\n");
    check(3.0, "answers = 'kept'", &class, whole);
    let next = "next_input = { kind = 'constant', value = 40 }, think = 'constant'";
    check(2.0, next, &class, whole);
}

#[test]
fn answers_that_are_dropped_are_not() {
    let class = "input = { kind = 'exponential', mean = 400 }\noutput = { kind = 'exponential', mean = 120 }\n";
    check(2.5, "answers = 'dropped'", class, |_| 0.0);
}

/// At the published 3.62 input tokens for each output token, 1.79 turns make the published 56.3 %.
#[test]
fn so_many_turns_make_the_published_rate() {
    // 170.7 + 0.789 x (170.7 + 108) = 390.6 tokens of input
    let class = "input = { kind = 'lognormal', mean = 170.7, cv = 0.5 }\noutput = { kind = 'lognormal', mean = 108, cv = 0.5 }\n";
    let rate = check(1.789, "answers = 'kept'", class, whole);
    assert!((rate - 0.563).abs() < 0.005, "{rate}");
}

/// Taken in turn, four units each know a part of a session; routers that follow prefixes or sessions find all of it, as
/// one unit would, where hardly anything else is assigned: Dynamo's cost weighs a prompt against all KV that is held.
#[test]
fn routers_that_follow_sessions_find_them_again() {
    let class = "arrivals = { kind = 'sessions', sessions_per_s = 10.0, turns = 4.0, think_time = '3s' }\n\
                 input = { kind = 'constant', value = 400 }\noutput = { kind = 'exponential', mean = 100 }\n";
    let hits = |router: &str| {
        let set = [
            "pools.mixed.units = 4",
            "performance.decode.base = '10us'",
            &format!("pools.mixed.router = '{router}'"),
        ];
        let summary = run(class, &set.map(str::to_owned));
        summary.kv_hit_rate.expect("requests have input")
    };
    let [spread, cost, score, balance, sticky] = [
        "round-robin",
        "prefix-cost",
        "prefix-score",
        "prefix-balance",
        "session-sticky",
    ]
    .map(hits);
    // a session that stays finds everything: 3/4 x (1 + 99/in), as on one unit
    let one_unit = run(class, &[]).kv_hit_rate.expect("requests have input");
    assert!((sticky - one_unit).abs() < 0.01, "{sticky} and {one_unit}");
    assert!(spread < 0.7 * one_unit, "{spread} and {one_unit}");
    for rate in [cost, score, balance] {
        assert!((rate - one_unit).abs() < 0.02, "{rate} and {one_unit}");
    }
}
