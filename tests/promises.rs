//! Promises in every stretch of a run: a whole that is kept may hide hours that are not.

mod support;

use serde_json::Value;
use support::program::{Said, Scratch, tokentide};

/// Six hours, in one of which more comes than is served at once; the rest of the day works it off.
const HOURS: &str = r#"
name     = "a bad hour"
start    = 2026-01-05T00:00:00+00:00
duration = "6h"
seed     = 1
model    = "llama-3.1-8b"
node     = { gpu = "h100", gpus = 1, price_per_gpu_hour = 2.00 }
[pools.mixed]
nodes_per_unit     = 1
parallelism        = { attention_data = 1 }
max_batch_tokens   = 4096
max_batch_requests = 16
kv_capacity_tokens = 400_000
units              = 1
[performance]
kind    = "linear"
prefill = { base = "20ms", per_token = "100us" }
decode  = { base = "20ms", per_request = "2ms" }
[[class]]
name     = "chat"
arrivals = { kind = "poisson", requests_per_s = 4.0, stepwise = [["00:00", 1.0], ["02:00", 7.0], ["02:15", 1.0]] }
input    = { kind = "constant", value = 400 }
output   = { kind = "constant", value = 20 }
slo      = { ttft_s = 2.0, tpot_s = 1.0, attainment = 0.5 }
"#;

fn summary(said: &Said) -> Value {
    serde_json::from_slice(&said.out).expect("JSON")
}

#[test]
fn an_hour_that_misses_its_slo_is_said_where_it_is_asked_for() {
    let scratch = Scratch::new("promises-run");
    scratch.write("hours.toml", HOURS);
    let path = scratch.path("hours.toml");
    let whole = tokentide(&["run", &path, "--format", "json"]);
    assert_eq!(whole.code, Some(0), "{}", whole.err);
    let class = &summary(&whole)["classes"]["chat"];
    assert!(class["slo"]["attainment"].as_f64() > Some(0.5) && class.get("slo_every").is_none());

    let hourly = tokentide(&["run", &path, "--format", "json", "--slo-every", "1h"]);
    assert_eq!(hourly.code, Some(3), "{}", hourly.err);
    let class = &summary(&hourly)["classes"]["chat"];
    let every = &class["slo_every"];
    assert_eq!(every["judged"].as_u64(), Some(6), "{every}");
    assert_eq!(every["missed"].as_u64(), Some(1), "{every}");
    assert_eq!(every["worst_start"], "2026-01-05T02:00:00+00:00");
    assert!(every["worst_attainment"].as_f64() < class["slo"]["attainment"].as_f64());

    // Hour by hour it says the same without being asked.
    let hours = class["slo_by_hour"].as_array().expect("hours");
    assert_eq!(
        class["slo_by_hour"],
        summary(&whole)["classes"]["chat"]["slo_by_hour"]
    );
    assert_eq!(hours.len(), 6);
    let part = |hour: &Value| hour["attainment"].as_f64().expect("somebody was judged");
    let judged = |of: &Value| of["judged"].as_u64().expect("a count");
    let worst = hours.iter().min_by(|a, b| part(a).total_cmp(&part(b)));
    let worst = worst.expect("an hour");
    assert_eq!(worst["start"], every["worst_start"]);
    assert_eq!(worst["attainment"], every["worst_attainment"]);
    assert_eq!(hours.iter().map(judged).sum::<u64>(), judged(&class["slo"]));
    let met: f64 = hours
        .iter()
        .map(|hour| part(hour) * judged(hour) as f64)
        .sum();
    let whole = class["slo"]["attainment"].as_f64().expect("a part") * judged(&class["slo"]) as f64;
    assert!(
        (met - whole).abs() < 1e-6 && whole > 1_000.0,
        "{met} of {whole}"
    );

    let shown = tokentide(&["run", &path, "--set", "slo_every=1h"]);
    assert_eq!(shown.code, Some(3));
    let text = String::from_utf8_lossy(&shown.out).replace('\n', " ");
    assert!(text.contains("1 of 6 missed it"), "{text}");
    let wrong = tokentide(&["run", &path, "--slo-every", "soon"]);
    assert_eq!(wrong.code, Some(2));
}

#[test]
fn a_stretch_in_which_nobody_is_served_has_kept_nothing() {
    let scratch = Scratch::new("promises-stuck");
    // The step of a prompt takes longer than three stretches: in them nobody ends, and no token leaves.
    let slow = HOURS
        .replace("\"6h\"", "\"10min\"")
        .replace("base = \"20ms\", per_token", "base = \"200s\", per_token")
        .replace("requests_per_s = 4.0", "requests_per_s = 0.05");
    scratch.write("slow.toml", &slow);
    let path = scratch.path("slow.toml");
    let said = tokentide(&["run", &path, "--format", "json", "--slo-every", "1min"]);
    assert_eq!(said.code, Some(3), "{}", said.err);
    let every = summary(&said)["classes"]["chat"]["slo_every"].clone();
    assert!(every["judged"].as_u64() >= Some(6), "{every}");
    assert_eq!(every["worst_attainment"].as_f64(), Some(0.0));
}

#[test]
fn a_plan_says_which_hours_it_breaks_or_breaks_none() {
    let scratch = Scratch::new("promises-plan");
    scratch.write("hours.toml", HOURS);
    let path = scratch.path("hours.toml");
    let planned = |rest: &[&str]| {
        let asked = [
            "plan",
            &path,
            "--nodes",
            "8",
            "--slo",
            "ttft_p95=100s",
            "--replications",
            "1",
        ];
        let format = ["--format", "json", "--step-error", "0"];
        let said = tokentide(&[&asked[..], &format, rest].concat());
        assert_eq!(said.code, Some(0), "{rest:?}: {}", said.err);
        summary(&said)
    };
    // Over six hours fewer than one in twenty wait for long; in the third hour it is most of them.
    let hourly = planned(&["--slo-every", "1h"]);
    let whole = planned(&[]);
    let cost = |answer: &Value| answer["best"]["cost_usd"].as_f64();
    assert!(cost(&hourly) >= cost(&whole), "{hourly:#}");
    assert_eq!(hourly["best"]["stretches_broken"].as_u64(), Some(0));
    assert_eq!(hourly["best"]["stretches"].as_u64(), Some(6));
    assert_eq!(hourly["slo_every_s"].as_f64(), Some(3_600.0));
    assert!(whole["slo_every_s"].is_null());

    // A schedule is judged by the hour unless told otherwise, and its units take time to start.
    let schedule = planned(&["--schedule", "1h"]);
    assert_eq!(schedule["slo_every_s"].as_f64(), Some(3_600.0));
    assert_eq!(schedule["best"]["stretches_broken"].as_u64(), Some(0));
    let settings = schedule["best"]["settings"].to_string();
    assert!(settings.contains("start_up = \\\"3min\\\""), "{settings}");
    let notes = schedule["notes"].to_string();
    assert!(notes.contains("3 min after they are paid"), "{notes}");
    assert!(planned(&["--schedule", "1h", "--slo-every", "6h"])["slo_every_s"].is_null());
}

/// Ten minutes in which all is well until a long prompt comes, 9 s before the end: 17 of 1,199 wait behind it then, 13 of
/// them for more than 2 s, and of those who were served nobody waited for long.
const LATE: &str = r#"
name     = "a late prompt"
start    = 2026-01-05T00:00:00+00:00
duration = "10min"
model    = { name = "mine", kv_bytes_per_token = 1000 }
node     = { gpu = "h100", gpus = 1, price_per_gpu_hour = 2.00 }
[pools.mixed]
nodes_per_unit     = 1
max_batch_tokens   = 4096
max_batch_requests = 64
kv_capacity_tokens = 4_000_000
router             = "least-loaded"
units              = 1
[performance]
kind    = "linear"
prefill = { base = "1ms", per_token = "100us" }
decode  = { base = "5ms" }
[[class]]
name     = "chat"
arrivals = { kind = "deterministic", requests_per_s = 2.0 }
input    = { kind = "constant", value = 100 }
output   = { kind = "constant", value = 2200 }
[[class]]
name     = "long"
arrivals = { kind = "deterministic", requests_per_s = 0.001692 }
input    = { kind = "constant", value = 600_000 }
output   = { kind = "constant", value = 4 }
"#;

#[test]
fn who_still_waits_at_the_end_has_not_been_kept_a_promise() {
    let scratch = Scratch::new("promises-late");
    scratch.write("late.toml", LATE);
    let path = scratch.path("late.toml");
    let run = summary(&tokentide(&["run", &path, "--format", "json"]));
    let p99 = |of: &str| run["classes"]["chat"][of]["ttft_s"]["p99"].as_f64();
    assert!(p99("latency") < Some(0.1), "{run:#}");
    assert!(p99("latency_decided") > Some(2.0), "{run:#}");
    let warnings = run["warnings"].to_string();
    assert!(
        warnings.contains("17 of 1,199 of chat, the longest for 8.50")
            && warnings.contains("already: p99"),
        "{warnings}"
    );
    // One unit breaks the promise, over the whole time and in the last of its stretches; with two the chat goes on.
    for every in ["10min", "5min"] {
        let said = tokentide(&[
            "plan",
            &path,
            "--nodes",
            "3",
            "--slo",
            "ttft_p99=2s",
            "--replications",
            "1",
            "--format",
            "json",
            "--step-error",
            "0",
            "--slo-every",
            every,
        ]);
        assert_eq!(said.code, Some(0), "{}", said.err);
        let answer = summary(&said);
        assert_eq!(
            answer["best"]["pools"][0]["units"].as_u64(),
            Some(2),
            "{answer:#}"
        );
        let miss = answer["nearest_miss"]["broken"].to_string();
        assert!(miss.contains("ttft_p99 is"), "{miss}");
    }
}
