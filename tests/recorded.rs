//! Recorded workloads through the program: what is not played is said first, and what is not drawn is played once.

mod support;

use serde_json::Value;
use support::program::{Said, Scratch, tokentide};

/// One unit that serves what is recorded.
const SCENARIO: &str = r#"
name     = "recorded"
start    = 2026-01-05T00:00:00+00:00
duration = "10min"
model    = { name = "mine", kv_bytes_per_token = 1000 }
node     = { gpu = "h100", gpus = 1, price_per_gpu_hour = 2.00 }
[pools.mixed]
nodes_per_unit     = 1
max_batch_tokens   = 4096
max_batch_requests = 64
kv_capacity_tokens = 4_000_000
units              = 1
[performance]
kind    = "linear"
prefill = { base = "1ms", per_token = "100us" }
decode  = { base = "5ms" }
[[class]]
name     = "chat"
arrivals = { kind = "trace", csv = "rows.csv" }
"#;

fn scenario(name: &str, times: &[f64]) -> (Scratch, String) {
    let scratch = Scratch::new(name);
    let rows = times.iter().map(|at| format!("{at},400,20,0\n"));
    let rows = rows.collect::<String>();
    scratch.write(
        "rows.csv",
        &format!("arrived_s,input_tokens,output_tokens,cached_tokens\n{rows}"),
    );
    let path = scratch.write("recorded.toml", SCENARIO);
    (scratch, path)
}

fn json(said: &Said) -> Value {
    assert_eq!(said.code, Some(0), "{}", said.err);
    serde_json::from_slice(&said.out).expect("JSON")
}

fn words(said: &Said) -> String {
    assert_eq!(said.code, Some(0), "{}", said.err);
    let text = String::from_utf8_lossy(&said.out);
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn a_run_of_a_part_of_a_recording_says_so_first() {
    let verdict = |times: &[f64]| {
        let (_scratch, path) = scenario("recorded-part", times);
        let text = words(&tokentide(&["run", &path]));
        let end = text.find("Worst").expect("a worst interval");
        let recorded =
            json(&tokentide(&["run", &path, "--format", "json"]))["classes"]["chat"]["recorded"]
                .clone();
        (text[..end].to_string(), recorded)
    };
    // Milliseconds, read as seconds.
    let (cut, recorded) = verdict(&[0.0, 3_000.0, 6_000.0, 599_000.0]);
    let first = cut.find("1 of the 4 recorded requests of class chat was played");
    let then = cut.find("The part of the run that was played: 1 request completed");
    assert!(first.is_some() && first < then, "{cut}");
    assert!(!cut.contains("served well"), "{cut}");
    assert_eq!(
        (recorded["requests"].as_u64(), recorded["played"].as_u64()),
        (Some(4), Some(1))
    );
    // A minute, in ten.
    let (early, recorded) = verdict(&[0.0, 30.0, 60.0]);
    assert!(
        early.contains("90.0 % of the time is left when the last arrives"),
        "{early}"
    );
    assert!(!early.contains("served well"), "{early}");
    assert_eq!(recorded["empty"].as_f64(), Some(0.9));
    let (whole, recorded) = verdict(&[0.0, 300.0, 599.0]);
    assert!(
        whole.contains("The run was served well: 3 requests completed"),
        "{whole}"
    );
    assert_eq!(recorded["played"].as_u64(), Some(3));
}

#[test]
fn a_sweep_replicates_only_points_that_draw_something() {
    let (scratch, path) = scenario("recorded-sweep", &[0.0, 100.0, 599.0]);
    let swept = |vary: &str, out: &str| {
        let out = scratch.path(out);
        let said = tokentide(&[
            "sweep",
            &path,
            "--quiet",
            "--replications=3",
            "--out",
            &out,
            "--format=json",
            "--vary",
            vary,
        ]);
        let lines = std::fs::read_to_string(format!("{out}/results.jsonl")).expect("results");
        let lines = lines
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON"));
        (json(&said), lines.collect::<Vec<Value>>())
    };
    let (answer, lines) = swept("pools.mixed.units=1,2", "undrawn");
    assert_eq!(answer["undrawn_points"].as_u64(), Some(2));
    assert_eq!(
        (answer["points"].as_u64(), lines.len()),
        (Some(2), 2),
        "{answer:#}"
    );
    let sure = &answer["fronts"][0]["points"][0]["confidence"];
    assert_eq!(
        sure,
        &serde_json::json!({}),
        "one run says nothing of chance"
    );

    // Of two points the second draws its arrivals.
    let drawn = "class.chat.arrivals, class.chat.input, class.chat.output = \
                 ({ kind = \"deterministic\", requests_per_s = 1 }, { kind = \"constant\", value = 9 }, { kind = \"constant\", value = 9 }), \
                 ({ kind = \"poisson\", requests_per_s = 1 }, { kind = \"constant\", value = 9 }, { kind = \"constant\", value = 9 })";
    let (answer, lines) = swept(drawn, "drawn");
    assert_eq!(answer["undrawn_points"].as_u64(), Some(1));
    let numbers =
        |key: &str| -> Vec<u64> { lines.iter().filter_map(|line| line[key].as_u64()).collect() };
    assert_eq!(
        (numbers("point"), numbers("replication")),
        (vec![1, 2, 2, 2], vec![0, 0, 1, 2])
    );
    // It goes on where it was, and says how often each point is played.
    let table = words(&tokentide(&[
        "sweep",
        &path,
        "--quiet",
        "--replications=3",
        "--out",
        &scratch.path("drawn"),
        "--vary",
        drawn,
    ]));
    assert!(
        table.contains("In 1 of 2 points nothing is drawn at random"),
        "{table}"
    );
}

#[test]
fn a_plan_for_a_recording_plays_each_deployment_once() {
    let (_scratch, path) = scenario("recorded-plan", &[0.0, 100.0, 900.0]);
    let answer = json(&tokentide(&[
        "plan",
        &path,
        "--nodes",
        "2",
        "--slo",
        "ttft_p99=1s",
        "--step-error",
        "0",
        "--format",
        "json",
    ]));
    assert_eq!(
        answer["best"]["replications"].as_u64(),
        Some(1),
        "{answer:#}"
    );
    let notes = answer["notes"].to_string();
    assert!(
        notes.contains("nothing in this scenario is drawn at random"),
        "{notes}"
    );
    assert!(
        notes.contains("1 of its 3 recorded requests are not played"),
        "{notes}"
    );
}
