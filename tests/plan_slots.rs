//! Schedules whose promises hold in every hour: each slot has the fewest units that keep them, and no slot pays for
//! what another one needs.

mod support;

use serde_json::Value;
use support::program::{Scratch, tokentide};

/// Two quiet stretches of three hours and two busy ones. A request computes for 0.52 s and then decodes three steps;
/// 0.75 a second keep one unit 42 % busy, 4.5 a second 2.6 units. One unit alone lets its requests queue for longer
/// than four of them do that share a load: who asks for the same step everywhere pays for six by day.
const LEVELS: &str = r#"
name     = "two levels"
start    = 2026-01-05T00:00:00+00:00
duration = "12h"
seed     = 1
model    = { name = "mine", kv_bytes_per_token = 1000 }
node     = { gpu = "h100", gpus = 1, price_per_gpu_hour = 2.00 }
[pools.mixed]
nodes_per_unit     = 1
max_batch_tokens   = 1024
max_batch_requests = 64
kv_capacity_tokens = 400_000
router             = "least-loaded"
units              = { schedule = [["00:00", 8]], start_up = "1min", drain = "10s" }
[performance]
kind    = "linear"
prefill = { base = "20ms", per_token = "500us" }
decode  = { base = "20ms" }
[[class]]
name     = "chat"
arrivals = { kind = "poisson", requests_per_s = 3.5, stepwise = [
    ["00:00", 1.0], ["03:00", 6.0], ["06:00", 1.0], ["09:00", 6.0]] }
input    = { kind = "constant", value = 1000 }
output   = { kind = "constant", value = 4 }
slo      = { ttft_s = 1.5, attainment = 0.95 }
"#;

#[test]
fn a_slot_does_not_pay_for_what_another_one_needs() {
    let scratch = Scratch::new("plan-slots");
    let path = scratch.write("levels.toml", LEVELS);
    let said = tokentide(&[
        "plan",
        &path,
        "--nodes=30",
        "--slo=ttft_p95=1.5s",
        "--schedule=3h",
        "--step-error=0.1",
        "--format=json",
    ]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    let answer: Value = serde_json::from_slice(&said.out).expect("JSON");
    let best = &answer["best"];
    assert_eq!(best["stretches_broken"].as_u64(), Some(0), "{best:#}");
    let hours = best["node_hours"].as_f64().expect("node-hours");
    let notes = answer["notes"].to_string();
    assert!(
        notes.contains("one target for all slots of the schedule would need 42.2 node-hours"),
        "{notes}"
    );
    let slots = answer["schedule"]["slots"].as_array().expect("slots");
    let units = slots.iter().take(4).map(|slot| slot["units"][0].as_u64());
    let units: Vec<u64> = units.map(|n| n.expect("units")).collect();
    assert_eq!(units, [1, 4, 1, 4], "{hours}");
    // A minute of start-up of three units, twice.
    assert!((hours - 30.0 - 2.0 * 3.0 / 60.0).abs() < 0.05, "{hours}");

    // Played for itself, each hour keeps the promise; with one unit less in any slot some hour does not.
    let code = |units: &[u64]| {
        let [a, b, c, d] = units else {
            panic!("four slots")
        };
        let set = format!(
            "pools.mixed.units={{ schedule = [[\"02:59\", {b}], [\"06:00\", {c}], [\"08:59\", {d}], [\"23:59\", {a}]], \
             start_up = \"1min\", drain = \"10s\" }}"
        );
        tokentide(&["run", &path, "--quiet", "--slo-every=1h", "--set", &set]).code
    };
    assert_eq!(code(&units), Some(0));
    for slot in [1, 3] {
        let mut fewer = units.clone();
        fewer[slot] -= 1;
        assert_eq!(code(&fewer), Some(3), "{fewer:?}");
    }
}
