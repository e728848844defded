//! The program as scripts see it: exit codes, what comes out where, the files of `--out`, the same bytes
//! for the same seed.
//!
//! Scenarios are under `cli/`, or bundled and shortened; what is written goes to a directory of its own
//! under the system's temporary one, and is removed.

mod support;

use std::fs;
use std::path::Path;

use serde_json::Value;
use support::program::{Scratch, tokentide};

/// A minute of the published day with a hundredth of its requests.
const SHORT_DAY: [&str; 10] = [
    "run",
    "deepseek-day",
    "--set",
    "duration=1min",
    "--set",
    "warm_up=30s",
    "--set",
    "report_every=30s",
    "--set",
    "class.0.arrivals.requests_per_day=2e6",
];

const JSON: [&str; 2] = ["--format", "json"];

/// Runs the program, which must end with `code`; what it printed.
fn ends_with(code: i32, arguments: &[&str]) -> Vec<u8> {
    let said = tokentide(arguments);
    assert_eq!(said.code, Some(code), "{arguments:?}: {}", said.err);
    said.out
}

/// Runs the program, which must refuse: exit code 2, the words on stderr, nothing on stdout.
fn refuses(words: &[&str], arguments: &[&str]) {
    let said = tokentide(arguments);
    assert_eq!(said.code, Some(2), "{arguments:?}: {}", said.err);
    assert!(said.out.is_empty(), "{arguments:?} printed a result");
    for word in words {
        assert!(said.err.contains(word), "no {word:?} in: {}", said.err);
    }
}

fn small() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/small.toml");
    path.to_str().expect("a path in UTF-8").to_owned()
}

/// The arguments `first` and then `rest`.
fn with<'a>(first: &[&'a str], rest: &[&'a str]) -> Vec<&'a str> {
    [first, rest].concat()
}

fn parsed(json: &[u8]) -> Value {
    serde_json::from_slice(json).expect("JSON")
}

#[test]
fn mistakes_end_with_2() {
    refuses(&["deepsek-day", "`deepseek-day`"], &["run", "deepsek-day"]);
    refuses(
        &["deepsek-day", "`deepseek-day`"],
        &["check", "deepsek-day"],
    );
    refuses(
        &["hit_rat", "`hit_rate`"],
        &["run", "deepseek-day", "--set", "kv_cache.hit_rat=0.3"],
    );
    refuses(&["nowhere.toml"], &["run", "nowhere.toml"]);
    refuses(&["nowhere.json"], &["report", "nowhere.json"]);
    refuses(&["--overwrite"], &["run", "deepseek-day", "--overwrite"]);
    refuses(&["Usage"], &["run"]);
}

#[test]
fn a_mistake_leaves_no_directory() {
    let scratch = Scratch::new("no-directory");
    let out = scratch.path("out");
    refuses(&[], &["run", "deepsek-day", "--out", &out]);
    assert!(!Path::new(&out).exists());
}

#[test]
fn a_scenario_of_ones_own_runs() {
    let scratch = Scratch::new("own");
    let file = scratch.path("small.toml");
    fs::copy(small(), &file).expect("a copy");
    let said = tokentide(&["run", &file, "--format", "json"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    let run = parsed(&said.out);
    assert_eq!(run["schema_version"], 2);
    assert_eq!(run["scenario"]["name"], "small");
    assert_eq!(run["duration_s"], 60.0);
    assert_eq!(run["nodes"]["peak"], 2);
    let requests = |key: &str| run["requests"][key].as_u64().expect("a count");
    assert!(requests("completed") > 100, "{}", run["requests"]);
    assert_eq!(
        requests("in_flight_at_start") + requests("arrived"),
        requests("completed") + requests("in_flight"),
        "nothing limits the queues, so nothing is rejected"
    );
    let audit = run["audit"].as_object().expect("balances");
    assert!(!audit.is_empty());
    assert!(audit.values().all(|b| b["holds"] == true), "{audit:?}");
    assert_eq!(run["intervals"].as_array().map(Vec::len), Some(2));
    // what is said about the run's own speed is no part of the result
    assert!(said.err.contains("requests in"), "{}", said.err);
    let quiet = tokentide(&["run", &file, "--format", "json", "--quiet"]);
    assert_eq!((quiet.err.as_str(), quiet.out == said.out), ("", true));
}

#[test]
fn every_format_prints_something() {
    let file = small();
    let mut seen: Vec<Vec<u8>> = Vec::new();
    for format in ["table", "json", "csv", "markdown"] {
        let out = ends_with(0, &["run", &file, "--format", format]);
        assert!(!out.is_empty() && !seen.contains(&out), "{format}");
        assert!(
            !out.contains(&0x1b),
            "{format}: colour, and not on a terminal"
        );
        seen.push(out);
    }
}

#[test]
fn threads_change_nothing_and_seeds_do() {
    let run = |more: &[&str]| {
        let all = with(&with(&SHORT_DAY, &JSON), more);
        ends_with(0, &all)
    };
    let one = run(&["--threads", "1"]);
    assert!(parsed(&one)["requests"]["completed"].as_u64() > Some(100));
    assert!(one == run(&["--threads", "1"]), "the same run again");
    assert!(one == run(&["--threads", "2"]), "two threads");
    assert!(one == run(&["--threads", "3"]), "three threads");
    assert!(one == run(&["--seed", "1"]), "the scenario's seed, stated");
    let other = run(&["--seed", "2"]);
    let (a, b) = (parsed(&one), parsed(&other));
    assert_ne!(a["seed"], b["seed"]);
    assert_ne!(a["tokens"], b["tokens"]);
}

#[test]
fn out_writes_the_files_of_a_run() {
    let scratch = Scratch::new("out");
    let (first, again) = (scratch.path("runs/first"), scratch.path("again"));
    let printed = ends_with(0, &with(&with(&SHORT_DAY, &JSON), &["--out", &first]));
    let mut names: Vec<String> = fs::read_dir(&first)
        .expect("the directory of the run")
        .map(|entry| entry.expect("an entry").file_name())
        .map(|name| name.to_string_lossy().into_owned())
        .collect();
    names.sort();
    let expected = [
        "hours.csv",
        "intervals.csv",
        "run.log",
        "scenario.resolved.toml",
        "summary.json",
    ];
    assert_eq!(names, expected, "and no *.partial");
    let summary = format!("{first}/summary.json");
    let stored = fs::read(&summary).expect("summary.json");
    assert!(stored == printed, "stored and printed");
    let shown = ends_with(0, &with(&["report", &summary], &JSON));
    assert!(shown == printed, "shown again");

    // the resolved scenario stands alone and is the same one
    let resolved = format!("{first}/scenario.resolved.toml");
    ends_with(0, &["run", &resolved, "--out", &again]);
    let repeated = fs::read(format!("{again}/summary.json")).expect("summary.json");
    assert!(repeated == stored, "run again from scenario.resolved.toml");
}

#[test]
fn out_replaces_only_when_told() {
    let scratch = Scratch::new("overwrite");
    let (dir, file) = (scratch.path("out"), small());
    let run = ["run", file.as_str(), "--out", dir.as_str()];
    ends_with(0, &run);
    let summary = format!("{dir}/summary.json");
    let first = fs::read(&summary).expect("summary.json");
    let second_seed = with(&run, &["--seed", "2"]);
    refuses(&["not empty", "--overwrite"], &second_seed);
    assert!(fs::read(&summary).expect("summary.json") == first);
    ends_with(0, &with(&second_seed, &["--overwrite"]));
    assert!(fs::read(&summary).expect("summary.json") != first);
}

#[test]
fn a_missed_attainment_ends_with_3() {
    let file = small();
    let run = ["run", file.as_str(), "--format", "json"];
    let tiny = with(&run, &["--set", "class.chat.slo.tpot_s=0.001"]);
    ends_with(0, &tiny);
    let judged = ["--set", "class.chat.slo.attainment=0.99"];
    let missed = parsed(&ends_with(3, &with(&tiny, &judged)));
    assert_eq!(missed["classes"]["chat"]["slo"]["required"], 0.99);
    ends_with(0, &with(&run, &judged));
}

/// Urgent requests take all that is served; whoever of the others has waited for more than a second has missed the target.
#[test]
fn a_class_that_is_never_served_has_missed_its_slo() {
    let scratch = Scratch::new("starved");
    let file = scratch.path("starved.toml");
    let class = |name: &str, priority: u32, per_s: u32, more: &str| {
        format!(
            "[[class]]\nname = '{name}'\npriority = {priority}\n{more}\n\
             arrivals = {{ kind = 'deterministic', requests_per_s = {per_s} }}\n\
             input = {{ kind = 'constant', value = 1000 }}\noutput = {{ kind = 'constant', value = 1 }}\n"
        )
    };
    let scenario = |per_s| {
        format!(
            "name = 'starved'\nstart = 2026-01-05T00:00:00Z\nduration = '10s'\n\
             model = {{ name = 'none', kv_bytes_per_token = 1000 }}\n\
             node = {{ gpu = 'h100', gpus = 1, price_per_gpu_hour = 0.0 }}\n\
             pools.mixed = {{ nodes_per_unit = 1, kv_capacity_tokens = 100000, max_batch_tokens = 1000, units = 1 }}\n\
             performance = {{ kind = 'linear', prefill = {{ per_token = '200us' }}, decode = {{ base = '1ms' }} }}\n{}{}",
            class("vip", 0, per_s, ""),
            class("low", 1, 1, "slo = { ttft_s = 1.0, attainment = 0.5 }")
        )
    };
    let run = ["run", file.as_str(), "--format", "json"];
    fs::write(&file, scenario(100)).expect("a file");
    let low = &parsed(&ends_with(3, &run))["classes"]["low"];
    assert_eq!(
        (&low["slo"]["attainment"], &low["slo"]["judged"]),
        (&0.0.into(), &8.into())
    );
    assert_eq!(
        (&low["requests"]["completed"], &low["without_first_token"]),
        (&0.into(), &9.into())
    );
    fs::write(&file, scenario(1)).expect("a file");
    let low = &parsed(&ends_with(0, &run))["classes"]["low"];
    assert_eq!(low["slo"]["attainment"], 1.0);
}

#[test]
fn init_writes_a_scenario_that_is_right() {
    let scratch = Scratch::new("init");
    let file = scratch.path("mine.toml");
    ends_with(0, &["init", &file]);
    let checked = tokentide(&["check", &file]);
    assert_eq!((checked.code, checked.err.as_str()), (Some(0), ""));
    let text = fs::read(&file).expect("the file");
    refuses(&["exists already"], &["init", &file]);
    assert_eq!(fs::read(&file).expect("the file"), text);
}

#[test]
fn replications_of_a_recording_are_one_run_that_says_so() {
    let class = "class=[{name=\"all\",arrivals={kind=\"trace\",csv={text=\"arrived_s,input_tokens,output_tokens,cached_tokens\\n\
                 0,500,20,0\\n15,400,40,64\\n900,700,9,0\\n\"}}}]";
    let small = small();
    let run = [
        "run",
        &small,
        "--quiet",
        "--set",
        class,
        "--replications",
        "5",
    ];
    let summary = parsed(&ends_with(0, &with(&run, &JSON)));
    assert_eq!(summary["replications"], 1);
    assert_eq!(summary["confidence"], serde_json::json!({}));
    let warnings = summary["warnings"].to_string();
    assert!(
        warnings.contains("nothing in this scenario is drawn at random"),
        "{warnings}"
    );
    assert!(
        warnings.contains("1 of its 3 recorded requests are not played"),
        "{warnings}"
    );
    let check = tokentide(&["check", &small, "--set", class]);
    assert!(
        check
            .err
            .contains("the last arrives at 900 s, and the run ends at 70 s"),
        "{}",
        check.err
    );
    assert!(String::from_utf8_lossy(&check.out).contains("2 of 3 recorded requests"));
    let whole = tokentide(&["check", &small, "--set", class, "--set", "duration=trace"]);
    assert!(String::from_utf8_lossy(&whole.out).contains("3 of 3 recorded requests"));
    assert!(!whole.err.contains("recorded"), "{}", whole.err);
}

#[test]
fn every_command_has_a_manual_page() {
    let page = |command: &[&str]| {
        let said = ends_with(0, &[&["man"], command].concat());
        String::from_utf8(said).expect("UTF-8").replace("\\-", "-")
    };
    let program = page(&[]);
    let shown = program.lines().filter(|line| line.ends_with("(1)"));
    let commands: Vec<&str> = shown
        .filter_map(|line| line.strip_prefix("tokentide-")?.strip_suffix("(1)"))
        .collect();
    assert!(commands.contains(&"run") && !commands.contains(&"help"));
    for command in commands {
        let page = page(&[command]);
        assert!(
            page.contains(&format!(".TH tokentide-{command} 1")),
            "{page}"
        );
    }
    assert!(page(&["run"]).contains("fB--replications"));
    assert!(page(&["sweep", "merge"]).contains(".TH tokentide-sweep-merge 1"));
    refuses(&["no command `swep`", "run, compare"], &["man", "swep"]);
}
