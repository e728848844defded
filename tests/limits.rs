//! Runs that are too large, and extremes that are not: each ends in a sensible result or a clear message,
//! with the exit code that scripts rely on, and never with the machine's memory gone.
//!
//! One small unit serves a request a second: each takes 1 s of its only prefill rank. Every other load is
//! said in multiples of that.

mod support;

use serde_json::Value;
use support::program::{Said, Scratch, tokentide};
use tokentide::internals::experiment::{ResourceNeed, RunError, run};
use tokentide::internals::scenario::{KeyChange, Scenario, load, load_str};

/// Prefill alone: 1 s a request.
const SMALL: &str = "tests/limits/one-server.toml";

fn scenario(set: &[&str]) -> Scenario {
    let set: Vec<String> = set.iter().map(|s| (*s).to_owned()).collect();
    load(SMALL, &set).unwrap_or_else(|mistakes| panic!("{set:?}\n{mistakes}"))
}

fn rate(per_s: f64) -> String {
    format!("class.all.arrivals.requests_per_s={per_s:?}")
}

/// Runs the program on the small scenario.
fn played(set: &[&str]) -> Said {
    let mut arguments = vec!["run", SMALL, "--quiet", "--format", "json"];
    for one in set {
        arguments.extend(["--set", *one]);
    }
    tokentide(&arguments)
}

/// The summary of a run that must be done.
fn done(set: &[&str]) -> Value {
    let said = played(set);
    assert_eq!(said.code, Some(0), "{set:?}: {}", said.err);
    serde_json::from_slice(&said.out).expect("a summary")
}

/// Asserts that a run fails (1) or is refused (2) with these words, and prints no result.
fn ends(code: i32, words: &[&str], set: &[&str]) {
    let said = played(set);
    assert_eq!(said.code, Some(code), "{set:?}: {}", said.err);
    assert!(said.out.is_empty(), "{set:?} printed a result");
    for word in words {
        assert!(said.err.contains(word), "no {word:?} in: {}", said.err);
    }
}

#[test]
fn a_fifth_too_much_for_a_day_is_a_result_that_warns() {
    let summary = done(&[&rate(1.2), "duration=\"24h\""]);
    let waiting = summary["requests"]["in_flight"].as_f64().expect("a number");
    // one in 5 s over a day, and the draw of 100,000 arrivals: 2 %
    assert!((waiting / 17_280.0 - 1.0).abs() < 0.08, "{waiting}");
    let warnings = summary["warnings"].to_string();
    assert!(warnings.contains("growing"), "{warnings}");
}

#[test]
fn three_times_too_much_ends_at_the_cap_and_says_since_when_and_by_how_much() {
    let day = [
        &rate(3.0),
        "duration=\"24h\"",
        "limits.requests_in_flight=10_000",
    ];
    let words = [
        "unstable from 12:00",
        "the prefill queue grew to 10,",
        "exceed capacity by 19", // 200 %, less what is being served
        "limits.requests_in_flight = 10000 ended the run",
        "--set duration=",
        "max_queue_requests",
    ];
    ends(1, &words, &day);
}

#[test]
fn growth_is_dated_from_its_beginning() {
    // Half an hour of half the load, then twice as much as can be served.
    let arrivals = "class.all.arrivals={kind=\"poisson\",requests_per_day=86_400,\
                    stepwise=[[\"12:00\",0.5],[\"12:30\",2.0],[\"13:00\",1.0]]}";
    let set = [
        arrivals,
        "duration=\"2h\"",
        "limits.requests_in_flight=1500",
    ];
    let said = played(&set);
    assert_eq!(said.code, Some(1), "{}", said.err);
    let from = said
        .err
        .split("unstable from ")
        .nth(1)
        .and_then(|rest| rest.get(..5));
    assert!(matches!(from, Some("12:30" | "12:31")), "{}", said.err);
}

#[test]
fn the_end_does_not_depend_on_threads() {
    for set in [
        vec!["limits.requests_in_flight=1000"],
        vec!["limits.memory_gb=0.05", "duration=\"24h\""],
    ] {
        let rate = rate(3.0);
        let scenario = scenario(&[&[rate.as_str()], set.as_slice()].concat());
        let one = run(&scenario, 1);
        assert!(matches!(one, Err(RunError::Unstable(_))), "{one:?}");
        for threads in [2, 3] {
            assert_eq!(run(&scenario, threads).err(), one.as_ref().err().cloned());
        }
    }
}

#[test]
fn a_cap_below_the_working_set_is_not_called_unstable() {
    let set = [
        "class.all.arrivals={kind=\"closed-loop\",users=50}",
        "limits.requests_in_flight=50",
    ];
    done(&set);
    let words = [
        "the closed loops have 50 users",
        "limits.requests_in_flight is 49",
    ];
    ends(2, &words, &[set[0], "limits.requests_in_flight=49"]);
    let decode = [
        "class.all.output={kind=\"constant\",value=100}",
        "pools.decode={nodes_per_unit=1,parallelism={attention_data=1},kv_capacity_tokens=50_000,units=1}",
        "performance.decode.base=\"1s\"",
        "limits.requests_in_flight=20",
    ];
    ends(1, &["limits.requests_in_flight = 20 is too low"], &decode);
}

#[test]
fn nothing_is_written_when_a_run_ends_at_a_cap() {
    let scratch = Scratch::new("limits");
    let out = scratch.path("out");
    let run = [
        "run",
        SMALL,
        "--out",
        &out,
        "--set",
        &rate(3.0),
        "--set",
        "limits.requests_in_flight=1000",
    ];
    let said = tokentide(&run);
    assert_eq!(said.code, Some(1), "{}", said.err);
    assert_eq!(scratch.files("out"), [""; 0], "something was written");
}

#[test]
fn units_that_are_never_there_are_a_mistake_and_units_that_come_late_are_not() {
    let never = ["pools.prefill.units=0"];
    ends(2, &["never has a unit"], &never);
    let late = [
        "pools.prefill.units={schedule=[[\"12:00\",0],[\"12:30\",2]]}",
        "duration=\"1h\"",
    ];
    let summary = done(&[&late[..], &["class.all.arrivals.requests_per_s=0.9"]].concat());
    assert!(
        summary["requests"]["completed"].as_u64() > Some(3_000),
        "all but the last"
    );
    let capped = [&late[..], &["limits.requests_in_flight=100"]].concat();
    ends(1, &["none of the 1", "that came was served"], &capped);
}

#[test]
fn what_can_never_be_served_fails_and_says_so() {
    let decode = [
        "class.all.output={kind=\"constant\",value=100}",
        "pools.decode={nodes_per_unit=1,parallelism={attention_data=1},kv_capacity_tokens=50,units=1}",
        "performance.decode.base=\"1ms\"",
    ];
    let summary = done(&decode);
    let count = |key: &str| summary["requests"][key].as_u64().expect("a count");
    assert_eq!(count("failed") + count("in_flight"), count("arrived"));
    let warnings = summary["warnings"].to_string();
    assert!(warnings.contains("would not fit"), "{warnings}");
    let longest = ["class.all.input={kind=\"constant\",value=1_000_000_000}"];
    ends(2, &["class.all.input.value", "16,777,216"], &longest);
    ends(
        2,
        &["divide"],
        &["pools.prefill.parallelism.attention_data=3"],
    );
}

#[test]
fn a_day_of_one_request_and_a_day_of_none() {
    let trace = "class.all={name=\"all\",arrivals={kind=\"trace\",csv={text=\
                 \"arrived_s,input_tokens,output_tokens\\n43200,1000,1\"}}}";
    let day = format!(
        "class=[{}]",
        trace.strip_prefix("class.all=").expect("the key")
    );
    let summary = done(&[&day, "duration=\"24h\""]);
    assert_eq!(summary["requests"]["completed"], 1);
    assert_eq!(summary["latency"]["e2e_s"]["mean"], 1.0);
    let summary = done(&[&rate(0.0), "duration=\"24h\""]);
    assert_eq!(summary["requests"]["arrived"], 0);
    assert_eq!(summary["latency"]["e2e_s"]["mean"], Value::Null);
    for format in ["table", "csv", "markdown"] {
        let said = tokentide(&["run", SMALL, "--format", format, "--set", &rate(0.0)]);
        assert_eq!(said.code, Some(0), "{format}: {}", said.err);
        assert!(
            !String::from_utf8_lossy(&said.out).contains("NaN"),
            "{format}"
        );
    }
}

#[test]
fn everybody_at_once() {
    let mut rows = String::from("arrived_s,input_tokens,output_tokens\\n");
    (0..20_000).for_each(|_| rows.push_str("1,1000,1\\n"));
    let class =
        format!("class=[{{name=\"all\",arrivals={{kind=\"trace\",csv={{text=\"{rows}\"}}}}}}]");
    let text = std::fs::read_to_string(SMALL).expect("the scenario");
    let scenario = load_str("once", &text, &[class, "duration=\"6h\"".into()]);
    let scenario = scenario.unwrap_or_else(|mistakes| panic!("{mistakes}"));
    let summary = run(&scenario, 2).expect("a run");
    assert_eq!(summary.requests.completed, 20_000);
    // the last one waits for the 19,999 before it
    assert_eq!(summary.latency.e2e_s.max, Some(20_000.0));
    let cap = KeyChange::set("limits.requests_in_flight", 10_000);
    let capped = scenario.with(&[cap]).expect("a cap");
    let why = run(&capped, 1)
        .map(|_| ())
        .expect_err("more than the cap")
        .to_string();
    assert!(why.contains("the prefill queue grew to"), "{why}");
}

#[test]
fn large_numbers_are_refused_before_they_are_held() {
    let classes = |n: u32| {
        let one = |i| {
            format!(
                "{{name=\"c{i}\",arrivals={{kind=\"poisson\",requests_per_s=0.1}},\
             input={{kind=\"constant\",value=1000}},output={{kind=\"constant\",value=1}}}}"
            )
        };
        let all: Vec<String> = (0..n).map(one).collect();
        format!("class=[{}]", all.join(","))
    };
    let cases: [&[&str]; 5] = [
        &[
            &classes(1000),
            "duration=\"400days\"",
            "report_every=\"1h\"",
        ],
        &[
            "pools.prefill.units={schedule=[[\"00:00\",0],[\"12:00\",65_536]]}",
            "duration=\"400days\"",
        ],
        &["limits.memory_gb=0.01"],
        &["limits.output_mb=0.03"],
        &[
            "class.all.arrivals={kind=\"closed-loop\",users=10_000_000}",
            "limits.memory_gb=0.2",
        ],
    ];
    for set in cases {
        let set: Vec<&str> = set
            .iter()
            .map(|s| {
                if s.contains("400days") {
                    "duration=\"9600h\""
                } else {
                    s
                }
            })
            .collect();
        let why = ResourceNeed::of(&scenario(&set)).beyond(&scenario(&set));
        let said = played(&set.iter().map(|s| &**s).collect::<Vec<_>>());
        assert_eq!(said.code, Some(2), "{}: {why:?}", said.err);
        assert!(said.err.contains("limits."), "{}", said.err);
    }
    let weights = "class.all.arrivals={kind=\"poisson\",requests_per_day=4e9,\
                   stepwise=[[\"00:00\",0],[\"12:00\",1],[\"12:00:01\",0]]}";
    ends(2, &["requests a second at the peak"], &[weights]);
}

/// The estimate that limits rest on is not below what a run really takes.
#[cfg(target_os = "linux")]
#[test]
fn memory_stays_below_the_estimate() {
    use support::program::peak_memory;
    let long = support::slow("memory at the caps");
    // (what is in flight at most, other settings)
    let cap = if long { "10_000_000" } else { "1_000_000" };
    let flood = if long { 10_000.0 } else { 1_000.0 };
    let cap_set = format!("limits.requests_in_flight={cap}");
    let flood = rate(flood);
    let fast_prefill = "performance.prefill.per_token=\"1ns\"";
    let many = "class.all.output={kind=\"constant\",value=100}";
    let decode = "pools.decode={nodes_per_unit=1,parallelism={attention_data=2},kv_capacity_tokens=100_000,units=2}";
    let times = "performance.decode.base=\"10ms\"";
    let cases: [Vec<&str>; 3] = [
        vec![&flood, &cap_set],
        vec![&flood, &cap_set, fast_prefill, many, decode, times],
        vec![
            &flood,
            &cap_set,
            fast_prefill,
            many,
            decode,
            times,
            "transfer.bandwidth_gb_per_s=0.001",
        ],
    ];
    for set in cases {
        let full = [&set[..], &["duration=\"1h\""]].concat();
        let mut arguments = vec!["run", SMALL, "--quiet"];
        for one in &full {
            arguments.extend(["--set", *one]);
        }
        let (said, peak) = peak_memory(&arguments);
        assert_eq!(said.code, Some(1), "{}", said.err);
        // Just enough memory for what was in flight must be what the estimate allows, or less.
        let scenario = scenario(&full);
        let base = ResourceNeed::of(&scenario).memory_bytes;
        let each = if set.len() > 2 { 304 } else { 76 };
        let estimate = base + scenario.limits.requests_in_flight * each;
        eprintln!(
            "{cap} in flight: {} MB of {} MB estimated, {}",
            peak / 1_000_000,
            estimate / 1_000_000,
            said.err.lines().next().unwrap_or("")
        );
        assert!(
            peak < estimate + 30_000_000,
            "{peak} B of {estimate} B: {full:?}"
        );
    }
}

/// Nor is the part of the estimate that needs no request.
#[cfg(target_os = "linux")]
#[test]
fn memory_of_large_scenarios_stays_below_the_estimate() {
    use support::program::peak_memory;
    let classes: Vec<String> = (0..300)
        .map(|i| {
            format!(
                "{{name=\"c{i}\",arrivals={{kind=\"poisson\",requests_per_s=0.05}},\
                 input={{kind=\"lognormal\",mean=3000,cv=2}},output={{kind=\"constant\",value=2}}}}"
            )
        })
        .collect();
    let classes = format!("class=[{}]", classes.join(","));
    let decode = "pools.decode={nodes_per_unit=1,parallelism={attention_data=2},kv_capacity_tokens=100_000,units=2}";
    let times = "performance.decode.base=\"10ms\"";
    let fast = "performance.prefill.per_token=\"10us\"";
    let units = "pools.prefill.units={schedule=[[\"00:00\",1],[\"06:00\",20_000],[\"06:01\",1]]}";
    let cases: [&[&str]; 3] = [
        &[&classes, decode, times, fast, "duration=\"20min\""],
        &[&rate(0.9), "report_every=\"10s\"", "duration=\"24h\""],
        &[
            units,
            "duration=\"500h\"",
            "class.all.arrivals.requests_per_s=0.01",
        ],
    ];
    for set in cases {
        let mut arguments = vec!["run", SMALL, "--quiet"];
        for one in set {
            arguments.extend(["--set", *one]);
        }
        let (said, peak) = peak_memory(&arguments);
        assert_eq!(said.code, Some(0), "{}", said.err);
        let need = ResourceNeed::of(&scenario(set)).memory_bytes;
        eprintln!(
            "{} MB of {} MB estimated",
            peak / 1_000_000,
            need / 1_000_000
        );
        assert!(peak < need + 10_000_000, "{peak} B of {need} B");
    }
}
