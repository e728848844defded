//! From what a benchmark wrote to a calibrated prediction of another deployment, through the program.
//!
//! What the benchmark measured is made up by a simulated server whose constants are not the catalog's: a slower host and
//! less of the memory's bandwidth. What is fitted at TP 1 must predict that server's TP 2 better than the catalog does.

mod support;

use serde_json::Value;
use support::program::{Scratch, tokentide};

const SERVER: &str = r#"
name     = "a server"
start    = 2026-01-05T00:00:00+00:00
duration = "48h"
model    = "llama-3.1-8b"
[node]
gpu                = "h100"
gpus               = 2
price_per_gpu_hour = 2.00
[pools.mixed]
parallelism        = { tensor = 1 }
max_batch_tokens   = 8192
max_batch_requests = 256
units              = 1
[performance]
kind   = "roofline"
engine = "vllm"
[[class]]
name     = "chat"
arrivals = { kind = "closed-loop", users = 8, requests = 80, ramp_up = "8ms", think_time = "1ms" }
input    = { kind = "constant", value = 1024 }
output   = { kind = "constant", value = 128 }
"#;

/// What makes the server another one than the catalog's.
const TRUTH: [&str; 2] = [
    "performance.constants.host_decode_us=4500",
    "performance.constants.bandwidth_factor=0.8",
];

/// Mean TTFT and TPOT in ms of the server with these settings.
fn latencies(path: &str, set: &[String]) -> (f64, f64) {
    let mut arguments = vec!["run", path, "--quiet", "--format", "json"];
    set.iter()
        .for_each(|setting| arguments.extend(["--set", setting]));
    let said = tokentide(&arguments);
    assert_eq!(said.code, Some(0), "{}", said.err);
    let json: Value = serde_json::from_slice(&said.out).expect("JSON");
    let of = |name: &str| 1e3 * json["latency"][name]["mean"].as_f64().expect("a mean");
    (of("ttft_s"), of("tpot_s"))
}

fn load(users: u32) -> Vec<String> {
    vec![
        format!("class.0.arrivals.users={users}"),
        format!("class.0.arrivals.requests={}", 10 * users),
        format!("class.0.arrivals.ramp_up={users}ms"),
    ]
}

#[test]
fn a_benchmark_of_one_server_predicts_another() {
    let scratch = Scratch::new("benchmarks");
    let path = scratch.write("server.toml", SERVER);
    let truth = |users: u32, more: &[&str]| {
        let set = TRUTH.iter().chain(more).map(ToString::to_string);
        latencies(
            &path,
            &load(users).into_iter().chain(set).collect::<Vec<_>>(),
        )
    };
    let mut files = Vec::new();
    for users in [1_u32, 2, 4, 8, 16, 32] {
        let (ttft, tpot) = truth(users, &[]);
        let count = 10 * users;
        let text = format!(
            "{{\"completed\": {count}, \"total_input_tokens\": {}, \"total_output_tokens\": {}, \"request_rate\": \"inf\", \
             \"max_concurrency\": {users}, \"request_throughput\": 1, \"mean_ttft_ms\": {ttft}, \"mean_tpot_ms\": {tpot}}}",
            1024 * count,
            128 * count
        );
        files.push(scratch.write(&format!("c{users}.json"), &text));
    }
    let constants = scratch.path("mine.toml");
    let mut arguments = vec![
        "calibrate",
        "--quiet",
        "--scenario",
        &path,
        "--out",
        &constants,
    ];
    arguments.extend(files.iter().map(String::as_str));
    let said = tokentide(&arguments);
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(
        said.err.contains("rests on 6 measured points"),
        "{}",
        said.err
    );
    let tp2 = "pools.mixed.parallelism.tensor=2";
    let (ttft, tpot) = truth(8, &[tp2]);
    let off = |settings: &[String]| {
        let set: Vec<String> = load(8)
            .into_iter()
            .chain(settings.iter().cloned())
            .collect();
        let (own_ttft, own_tpot) = latencies(&path, &set);
        ((own_ttft / ttft - 1.0).abs(), (own_tpot / tpot - 1.0).abs())
    };
    let catalog = off(&[tp2.to_string()]);
    let fitted = off(&[
        tp2.to_string(),
        format!("performance.calibration={constants}"),
    ]);
    // Six points do not tell the host's time from the memory's: what is left of the error at TP 2 is the split.
    assert!(
        fitted.1 < 0.8 * catalog.1 && fitted.0 < catalog.0,
        "TTFT and TPOT are off by {fitted:?}, by {catalog:?} with the catalog's constants"
    );
}

#[test]
fn what_a_benchmark_does_not_say_is_asked_for() {
    let scratch = Scratch::new("benchmarks-asked");
    let path = scratch.write("server.toml", SERVER);
    let result = scratch.write(
        "bench.json",
        "{\"completed\": 4, \"total_input_tokens\": 4096, \"total_output_tokens\": 512, \"request_rate\": 4.0, \
         \"burstiness\": 0.5, \"mean_ttft_ms\": 60, \"mean_tpot_ms\": 9}",
    );
    let table = scratch.write(
        "aiperf.csv",
        "Metric,avg,p50\nTime To First Token (ms),60,50\nInter Token Latency (ms),9,9\n\
         Input Sequence Length (tokens),1024,1024\nOutput Sequence Length (tokens),128,128\nRequest Count,40,\n",
    );
    let other = scratch.write(
        "other.toml",
        "[performance]\nengine = \"sglang\"\n[performance.constants]\nhost_join_us = 1.0\n",
    );
    for (arguments, part) in [
        (vec!["calibrate", &result], "--scenario mine.toml"),
        (
            vec!["calibrate", &table, "--scenario", &path],
            "--concurrency N",
        ),
        (
            vec!["calibrate", &path, "--scenario", &path],
            "there is no column",
        ),
        (
            vec![
                "check",
                &path,
                "--set",
                &format!("performance.calibration={other}"),
            ],
            "constants of `sglang` cannot stand for those of `vllm`",
        ),
        (
            vec![
                "check",
                &path,
                "--set",
                &format!("performance.calibration={path}"),
            ],
            "holds no [performance.constants]",
        ),
    ] {
        let said = tokentide(&arguments);
        assert_eq!(said.code, Some(2), "{arguments:?}: {}", said.err);
        assert!(said.err.contains(part), "{arguments:?}: {}", said.err);
    }
    let said = tokentide(&["calibrate", "--quiet", &result, "--scenario", &path]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    for part in ["rests on 1 measured point", "nothing was held out"] {
        assert!(said.err.contains(part), "{}", said.err);
    }
    let said = tokentide(&[
        "calibrate",
        "--quiet",
        &table,
        "--scenario",
        &path,
        "--concurrency",
        "4",
    ]);
    assert_eq!(said.code, Some(0), "{}", said.err);
}
