//! Fingerprints of golden runs: a hash of the bytes of `summary.json`, the same with any number of
//! threads, in debug and in release builds (this test runs in both), on every platform.
//!
//! The program chooses no code by what the processor can do, so there are no feature levels to compare; if
//! it ever does, each of them has to give these bytes. After a change that is meant to change results, run
//! with `UPDATE_FINGERPRINTS=1` and say so in CHANGELOG.md.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use tokentide::internals::engine::{Driver, Driving};
use tokentide::internals::experiment::{run, run_driven};
use tokentide::internals::report::json;
use tokentide::internals::scenario::{Scenario, load};

/// A run: its name, the scenario, what is set.
type Golden = (&'static str, &'static str, &'static [&'static str]);

const SMALL: &str = "tests/cli/small.toml";
const MIXED: &str = "tests/fingerprints/mixed.toml";
/// Classes with priorities, one of them of users who wait.
const THREE_CLASSES: &str = "class=[\
    {name=\"a\",priority=1,arrivals={kind=\"poisson\",requests_per_s=9.0},\
     input={kind=\"lognormal\",mean=1000,cv=1.5},output={kind=\"lognormal\",mean=100,cv=0.5},\
     slo={ttft_s=1.0,tpot_s=0.05}},\
    {name=\"b\",arrivals={kind=\"poisson\",requests_per_s=5.0},\
     input={kind=\"constant\",value=300},output={kind=\"lognormal\",mean=200,cv=1.0}},\
    {name=\"c\",priority=2,arrivals={kind=\"closed-loop\",users=9,think_time=\"1s\",think=\"exponential\"},\
     input={kind=\"lognormal\",mean=3000,cv=1.0},output={kind=\"constant\",value=30}}]";

const GOLDEN: [Golden; 14] = [
    ("two pools", SMALL, &[]),
    (
        "users who wait for answers",
        SMALL,
        &[
            "class.chat.arrivals={kind=\"closed-loop\",users=40,think_time=\"2s\",think=\"exponential\"}",
        ],
    ),
    ("a mixed pool, chunked", MIXED, &[]),
    (
        "units drawn by twos, stale reports",
        SMALL,
        &[
            "pools.prefill.units=3",
            "pools.decode.units=3",
            "pools.prefill.router=\"power-of-two\"",
            "pools.decode.router=\"power-of-two\"",
            "pools.decode.report_interval=\"1s\"",
        ],
    ),
    (
        "a mixed pool, prompts first, stale reports",
        MIXED,
        &[
            "pools.mixed.batching=\"prefill-first\"",
            "pools.mixed.report_interval=\"1s\"",
        ],
    ),
    (
        "a mixed pool whose ranks share experts, balanced by time",
        MIXED,
        &[
            "model=\"mixtral-8x7b\"",
            "pools.mixed.parallelism={attention_data=4,experts=8}",
            "pools.mixed.balance=\"time\"",
            "pools.mixed.router=\"least-time\"",
        ],
    ),
    (
        "first tokens from prefill, drafts, ranks balanced by time",
        SMALL,
        &[
            "first_token=\"prefill\"",
            "mtp={drafts=2,acceptance=[0.8,0.5]}",
            "pools.decode.balance=\"time\"",
            "pools.prefill.balance=\"time\"",
            "pools.prefill.max_batch_time=\"50ms\"",
        ],
    ),
    (
        "preemption",
        SMALL,
        &[
            "pools.decode.kv_capacity_tokens=2500",
            "class.chat.input.max=2000",
            "class.chat.arrivals.requests_per_s=30.0",
        ],
    ),
    (
        "reservation, a short queue, multi-token prediction",
        SMALL,
        &[
            "pools.decode.kv_capacity_tokens=6000",
            "pools.decode.admission=\"reserve\"",
            "pools.decode.max_queue_requests=4",
            "mtp.acceptance=0.7",
            "class.chat.arrivals.requests_per_s=40.0",
        ],
    ),
    (
        "migration",
        SMALL,
        &[
            "pools.decode.units={schedule=[[\"11:59\",3],[\"12:00:20\",1],[\"12:00:40\",2]],start_up=\"5s\",drain=\"2s\"}",
            "pools.prefill.units={schedule=[[\"11:59\",2],[\"12:00:30\",1]]}",
        ],
    ),
    (
        "three classes, drafts, preemption",
        SMALL,
        &[
            THREE_CLASSES,
            "mtp={drafts=2,acceptance=[0.8,0.5]}",
            "pools.decode.kv_capacity_tokens=9000",
        ],
    ),
    (
        "three classes, a mixed pool, prompts first",
        MIXED,
        &[
            THREE_CLASSES,
            "pools.mixed.batching=\"prefill-first\"",
            "pools.mixed.kv_capacity_tokens=30000",
        ],
    ),
    (
        "a recording",
        SMALL,
        &[
            "class=[{name=\"all\",arrivals={kind=\"trace\",csv={text=\"arrived_s,input_tokens,output_tokens\\n0,5000,20\\n1.5,100,1\\n1.5,70,9\\n40,9000,300\\n\"}}}]",
        ],
    ),
    (
        "two minutes of the published day, a tenth of its requests",
        "deepseek-day",
        &[
            "duration=\"2min\"",
            "warm_up=\"30s\"",
            "report_every=\"30s\"",
            "class.0.arrivals.requests_per_day=15e6",
        ],
    ),
];

/// FNV-1a, 64 bits.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// The bytes of a run of coupled pools, whether anything flows back in it or not.
fn coupled(scenario: &Scenario) -> String {
    let how = Driving {
        threads: 1,
        driver: Driver::Coupled,
    };
    let summary = run_driven(scenario, how, Vec::new(), &mut |_, _| true);
    json::to_text(&summary.unwrap_or_else(|why| panic!("{why}")))
}

/// Ten minutes around the largest change of the published day's schedule, with a hundredth of its requests; the
/// others as they are, shorter.
#[test]
fn bundled_scenarios_do_not_care_who_drives_them() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let files = fs::read_dir(folder).expect("the folder of bundled scenarios");
    let names = files.filter_map(|file| {
        let name = file.ok()?.file_name().into_string().ok()?;
        Some(name.strip_suffix(".toml")?.to_owned())
    });
    let mut played = 0;
    for name in names {
        let mut set = vec!["duration=\"80s\"", "warm_up=\"20s\""];
        if name.starts_with("deepseek") {
            set = vec![
                "start=2025-02-27T01:55:00+08:00",
                "duration=\"10min\"",
                "warm_up=\"2min\"",
                "class.0.arrivals.requests_per_day=2e6",
            ];
        }
        let set: Vec<String> = set.into_iter().map(str::to_owned).collect();
        let scenario = load(&name, &set).unwrap_or_else(|why| panic!("{why}"));
        let summary = run(&scenario, 2).unwrap_or_else(|why| panic!("{why}"));
        assert!(
            coupled(&scenario) == json::to_text(&summary),
            "{name}: coupled pools give other bytes than the pipeline"
        );
        played += 1;
    }
    assert!(played >= 5, "{played} bundled scenarios");
}

#[test]
fn golden_runs_have_their_fingerprints() {
    let mut found = String::new();
    for (name, scenario, set) in GOLDEN {
        let set: Vec<String> = set.iter().map(|s| (*s).to_owned()).collect();
        let scenario = load(scenario, &set).unwrap_or_else(|why| panic!("{name}:\n{why}"));
        let bytes = |threads| match run(&scenario, threads) {
            Ok(summary) => json::to_text(&summary),
            Err(why) => panic!("{name}: {why}"),
        };
        let one = bytes(1);
        for threads in [2, 4, 8] {
            assert!(
                bytes(threads) == one,
                "{name}: {threads} threads give other bytes than one"
            );
        }
        assert!(
            coupled(&scenario) == one,
            "{name}: coupled pools give other bytes than the pipeline"
        );
        let _ = writeln!(found, "{:016x}  {name}", hash(one.as_bytes()));
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fingerprints/golden.txt");
    if std::env::var_os("UPDATE_FINGERPRINTS").is_some() {
        fs::write(&file, &found).expect("the fingerprints can be written");
    }
    let known = fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(
        found, known,
        "results have changed: on purpose? then UPDATE_FINGERPRINTS=1 cargo test --test fingerprints"
    );
}
