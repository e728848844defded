//! Extreme values of every number that a scenario may say, key by key from the schema: each is refused with its
//! reason, or plays to an end. No panic, no hang.

mod support;

use std::collections::BTreeSet;
use std::process::Stdio;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use support::program::{Said, Scratch, start};

/// Numbers that none of the keys means, texts that look like some, and durations likewise.
const VALUES: [&str; 13] = [
    "0",
    "-1",
    "1e-315",
    "-1e-315",
    "1e-12",
    "1e15",
    "1e308",
    "9223372036854775807",
    "nan",
    "-inf",
    "\"0s\"",
    "\"1ps\"",
    "\"9223372036854775807d\"",
];

/// Longer than any of these small runs takes on a busy machine.
const LONGEST: Duration = Duration::from_secs(20);

/// Few requests, few of which may be in flight at once; `{}` is the rest.
const BASE: &str = r#"
name     = "extremes"
start    = 2026-01-05T00:00:00+00:00
duration = "5s"
limits   = { requests_in_flight = 2000 }
[[class]]
name     = "c"
price    = "deepseek-r1-2025-02"
slo      = { ttft_s = 1.0, tpot_s = 0.1, attainment = 0.5 }
arrivals = { kind = "poisson", requests_per_s = 4.0 }
input    = { kind = "lognormal", mean = 400, cv = 1.0 }
output   = { kind = "lognormal", mean = 20, cv = 1.0 }
"#;

const ROOFLINE: &str = r#"
[node]
gpu                = "h100"
gpus               = 8
price_per_gpu_hour = 2.0
[performance]
kind   = "roofline"
engine = "vllm"
"#;

/// By name: a dense model that does both, one whose experts are shared, and given coefficients.
fn scenarios() -> [(&'static str, String); 3] {
    let dense = "[model]\nbase = \"llama-3.1-8b\"\n[pools.mixed]\nparallelism = { tensor = 1 }\n\
                 max_batch_tokens = 2048\nmax_batch_requests = 64\nunits = 2\n";
    let experts = "[model]\nbase = \"qwen3-30b-a3b\"\n[pools.prefill]\nparallelism = { attention_data = 2, experts = 2 }\n\
                   max_batch_tokens = 4096\nunits = 2\n[pools.decode]\nmax_batch_requests = 64\nunits = 2\n\
                   parallelism = { attention_data = 2, experts = 2 }\n";
    let linear = "[model]\nname = \"mine\"\nkv_bytes_per_token = 1000\n[node]\ngpu = \"h100\"\ngpus = 1\n\
                  price_per_gpu_hour = 2.0\n[pools.prefill]\nnodes_per_unit = 1\nmax_batch_tokens = 4096\nunits = 2\n\
                  [pools.decode]\nnodes_per_unit = 1\nmax_batch_requests = 64\nkv_capacity_tokens = 100000\nunits = 2\n\
                  [performance]\nkind = \"linear\"\nprefill = { base = \"1ms\", per_token = \"50us\" }\n\
                  decode = { base = \"5ms\", per_request = \"100us\" }\n";
    [
        ("dense", format!("{BASE}{ROOFLINE}{dense}")),
        ("experts", format!("{BASE}{ROOFLINE}{experts}")),
        ("linear", format!("{BASE}{linear}")),
    ]
}

/// Dotted paths of numbers and durations in the schema; the first of a list stands for all. Laws in the place of a
/// number are left out: they are other scenarios.
fn keys(schema: &Value) -> BTreeSet<String> {
    fn walk(
        schema: &Value,
        node: &Value,
        path: &str,
        within: &[&str],
        found: &mut BTreeSet<String>,
    ) {
        if let Some(name) = node["$ref"]
            .as_str()
            .and_then(|name| name.rsplit('/').next())
        {
            if !within.contains(&name) && !["range", "duration_range"].contains(&name) {
                let within = [within, &[name]].concat();
                walk(schema, &schema["definitions"][name], path, &within, found);
            }
            return;
        }
        for member in ["anyOf", "oneOf", "allOf"]
            .iter()
            .filter_map(|key| node[*key].as_array())
            .flatten()
        {
            walk(schema, member, path, within, found);
        }
        let below = |name: &str| {
            if path.is_empty() {
                name.to_owned()
            } else {
                format!("{path}.{name}")
            }
        };
        for (name, member) in node["properties"].as_object().into_iter().flatten() {
            walk(schema, member, &below(name), within, found);
        }
        if node["items"].is_object() {
            walk(schema, &node["items"], &below("0"), within, found);
        }
        let is_number = matches!(node["type"].as_str(), Some("number" | "integer"));
        if is_number || node["type"] == "string" && node["pattern"].is_string() {
            found.insert(path.to_owned());
        }
    }
    let mut found = BTreeSet::new();
    walk(schema, schema, "", &[], &mut found);
    found
}

/// What the program says, or `None` where it does not end.
fn within_time(arguments: &[&str]) -> Option<Said> {
    let mut command = start(arguments);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    let began = Instant::now();
    while child.try_wait().expect("a child").is_none() {
        if began.elapsed() > LONGEST {
            child.kill().expect("a kill");
            child.wait().expect("an end");
            return None;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Some(child.wait_with_output().expect("its output").into())
}

/// What is wrong with how a scenario ended; nothing where it may end so.
fn wrong(said: Option<Said>) -> Option<String> {
    let Some(said) = said else {
        return Some(format!("no end within {LONGEST:?}"));
    };
    let has_reason = said.err.contains("error: ");
    let is_limit = said.err.contains("limits.") || said.err.contains("unstable");
    let is_right = match said.code {
        Some(0 | 3) => true,
        Some(2) => has_reason,
        // It outgrew its limits.
        Some(1) => has_reason && is_limit,
        _ => false,
    };
    let is_panic = said.err.contains("panicked");
    (!is_right || is_panic).then(|| format!("{:?}: {}", said.code, said.err))
}

#[test]
fn no_number_however_extreme_ends_in_a_panic_or_not_at_all() {
    let schema = std::fs::read_to_string("scenarios/scenario.schema.json").expect("the schema");
    let keys = keys(&serde_json::from_str(&schema).expect("JSON"));
    for known in [
        "duration",
        "pools.decode.max_batch_requests",
        "performance.constants.gemm_factor",
        "model.layers",
    ] {
        assert!(keys.contains(known), "{known}: {keys:?}");
    }
    let scratch = Scratch::new("extremes");
    let mut cases = Vec::new();
    for (name, text) in scenarios() {
        let path = scratch.write(&format!("{name}.toml"), &text);
        assert_eq!(
            wrong(within_time(&["run", &path, "--quiet"])),
            None,
            "{name} as it stands"
        );
        for key in &keys {
            for value in VALUES {
                cases.push((path.clone(), format!("{key}={value}")));
            }
        }
    }
    let step = if support::slow("all numbers of a scenario") {
        1
    } else {
        61
    };
    let cases: Vec<&(String, String)> = cases.iter().step_by(step).collect();
    let next = AtomicUsize::new(0);
    let faults = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some((path, set)) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    for command in ["check", "run"] {
                        let said = within_time(
                            &[command, path, "--set", set, "--quiet"]
                                [..if command == "run" { 5 } else { 4 }],
                        );
                        if let Some(why) = wrong(said) {
                            faults
                                .lock()
                                .expect("no panic")
                                .push(format!("{command} {path} --set {set}: {why}"));
                        }
                    }
                }
            });
        }
    });
    let faults = faults.into_inner().expect("no panic");
    eprintln!("{} of {} cases are at fault", faults.len(), cases.len());
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
