//! What is fuzzed: every text that people, or strangers, hand to the program. A target takes any bytes;
//! a panic, a hang or a gigabyte of memory is a fault, an error message never is.
//!
//! `tests/corpus.rs` plays the kept corpus through the same functions, without libFuzzer, in every test run.

use tokentide::internals::experiment::calibrate::{StatedLoad, measurements, of_benchmark};
use tokentide::internals::experiment::run;
use tokentide::internals::import::{ImportRequest, LaunchEngine, import};
use tokentide::internals::perf::{DecodeLoads, StepTimes};
use tokentide::internals::report::{Format, Style, json, render};
use tokentide::internals::scenario::{
    KeyChange, Mistakes, Performance, Scenario, load_str, read_hf_text,
};
use tokentide::internals::traffic::{BadLines, TraceSource, stats};
use tokentide::internals::units::{NS_PER_S, Picoseconds, SimDuration};
use tokentide::internals::workload::{Workload, mean_requests_per_s, realised};

/// A function that takes any bytes.
pub type Target = fn(&[u8]);

/// Every target with its name.
pub const ALL: [(&str, Target); 13] = [
    ("scenario", scenario),
    ("overrides", overrides),
    ("catalog", catalog),
    ("traffic", traffic),
    ("trace", trace),
    ("recording", recording),
    ("profile", profile),
    ("measurements", measured),
    ("benchmark", benchmark),
    ("configuration", configuration),
    ("launch", launch),
    ("stored_run", stored_run),
    ("play", play),
];

/// What `tokentide init` writes: something whole to override.
const BASE: &str = include_str!("../../src/cli/init.toml");

/// A scenario that is played in a moment.
const SMALL: &str = include_str!("small.toml");

/// A scenario file.
fn scenario(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        understood(load_str("fuzz.toml", text, &[]));
    }
}

/// One `--set` a line.
fn overrides(bytes: &[u8]) {
    if let Some(set) = lines(bytes) {
        understood(load_str("base.toml", BASE, &set));
    }
}

/// Entries like those of the catalog: a model, an accelerator and a price, one a line, as inline tables.
fn catalog(bytes: &[u8]) {
    let Some(lines) = lines(bytes) else {
        return;
    };
    let keys = ["model", "node.gpu", "class.0.price"];
    let set = keys.iter().zip(&lines);
    let set: Vec<String> = set.map(|(key, line)| format!("{key}={line}")).collect();
    understood(load_str("base.toml", BASE, &set));
}

/// A CSV of one's own traffic.
fn traffic(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        let set = format!(
            "class.0.arrivals={{kind=\"poisson\",csv={{text={}}}}}",
            quoted(text)
        );
        understood(load_str("base.toml", BASE, &[set]));
    }
}

/// A recorded workload.
fn trace(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        let set = format!(
            "class.0.arrivals={{kind=\"trace\",csv={{text={}}}}}",
            quoted(text)
        );
        understood(load_str("traced.toml", &traced(), &[set]));
    }
}

/// A recording of any form, sessions of agents and clients among them, with and without its mistakes.
fn recording(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let source = TraceSource::Text(text.into());
    for bad in [BadLines::Refuse, BadLines::Skip] {
        match stats(&source, bad, &[1, 1_000], 2) {
            Ok((stats, mistakes)) => {
                assert!(stats.failed_requests <= stats.requests);
                assert!(bad == BadLines::Skip || mistakes.is_empty());
            }
            Err(faults) => assert!(!faults.is_empty()),
        }
    }
}

/// A profile of step times, inside and outside of which steps are taken.
fn profile(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        let csv = quoted(text);
        for extrapolate in [false, true] {
            let set = format!(
                "performance={{kind=\"table\",extrapolate={extrapolate},csv={{text={csv}}}}}"
            );
            let plain = "kv_capacity_tokens=4_000";
            let set = [set, format!("pools.decode.{plain}")];
            let read = load_str("base.toml", BASE, &set);
            if let Ok(scenario) = &read
                && let Ok(times) = StepTimes::compile(scenario)
            {
                for n in [1, 100, 100_000] {
                    let step = times.decode_step(DecodeLoads {
                        requests: &[n; 2],
                        kv_1024: &[u64::from(n) * 1_000_000; 2],
                        window_1024: &[],
                    });
                    assert!(step.0 > 0);
                }
            }
            understood(read);
        }
    }
}

/// A CSV of measurements to calibrate on.
fn measured(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        match measurements::read(text) {
            Ok(all) => {
                // A scenario of every one, or a reason; the first ones suffice.
                for measurement in all.iter().take(4) {
                    let _ = measurement.scenario();
                }
            }
            Err(why) => assert!(!why.is_empty()),
        }
    }
}

/// What a benchmark wrote, of a server whose step times can be fitted.
fn benchmark(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        let set = ["performance={kind=\"roofline\",engine=\"vllm\"}".to_string()];
        let server = load_str("base.toml", BASE, &set).expect("a server");
        match of_benchmark(text, &server, StatedLoad::default()) {
            Ok((all, _)) => {
                for measurement in all.iter().take(4) {
                    let _ = measurement.scenario();
                }
            }
            Err(why) => assert!(!why.is_empty()),
        }
    }
}

/// A model's config.json.
fn configuration(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    match read_hf_text("config.json", text) {
        Ok(read) => {
            assert!(read.model().is_some());
            let set = format!("{BASE}\n{}", read.to_toml());
            // a model of its own instead of the base's, unless the base's pools do not suit it
            let _ = load_str(
                "configured.toml",
                &set.replacen("model ", "#model ", 1),
                &[],
            );
        }
        Err(mistakes) => assert!(!mistakes.to_string().is_empty()),
    }
}

/// A launch line, a script or a manifest, for each engine.
fn launch(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    for engine in LaunchEngine::ALL {
        let request = ImportRequest {
            engine,
            inputs: vec![("input".to_string(), text.to_string())],
            gpu: None,
            node_gpus: None,
            model: Some("Qwen/Qwen3-32B".to_string()),
            hf: None,
            role: None,
        };
        match import(&request) {
            Ok(made) => understood(load_str("made.toml", &made.text, &[])),
            Err(mistakes) => assert!(!mistakes.to_string().is_empty()),
        }
    }
}

/// A stored run, shown in every form.
fn stored_run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    match json::read(text) {
        Ok(summary) => {
            for format in [Format::Table, Format::Json, Format::Csv, Format::Markdown] {
                let shown = render(&summary, format, &Style::default());
                assert!(!shown.is_empty());
            }
            let again = json::read(&json::to_text(&summary));
            assert!(again.is_ok_and(|again| json::to_text(&again) == json::to_text(&summary)));
        }
        Err(why) => assert!(!why.to_string().is_empty()),
    }
}

/// A small scenario with one `--set` a line, played for at most a second. Where the first line is "mixed",
/// its pools are one.
fn play(bytes: &[u8]) {
    let Some(mut set) = lines(bytes) else {
        return;
    };
    let mut text = SMALL.to_owned();
    if set.first().is_some_and(|line| line == "mixed") {
        set.remove(0);
        text = mixed();
    }
    let Ok(scenario) = load_str("small.toml", &text, &set) else {
        return;
    };
    let second = SimDuration(NS_PER_S);
    let mut changes = vec![
        KeyChange::set("duration", scenario.duration.min(second)),
        KeyChange::set("warm_up", scenario.warm_up.min(second)),
        KeyChange::unset("report_every"),
    ];
    // No instant without end, and nothing that takes long to play.
    if let Performance::Linear(times) = &scenario.performance {
        let bases = [
            ("prefill", times.prefill.base),
            ("decode", times.decode.base),
        ];
        for (of, _) in bases.iter().filter(|(_, base)| *base < MILLISECOND) {
            changes.push(KeyChange::set(format!("performance.{of}.base"), "1ms"));
        }
    }
    for pool in &scenario.pools {
        let interval = pool.report_interval.max(SimDuration(NS_PER_S / 100));
        changes.push(KeyChange::set(
            format!("pools.{}.report_interval", pool.name),
            interval,
        ));
        if pool.ranks > 64 || pool.schedule.steps.iter().any(|(_, units)| *units > 16) {
            return;
        }
    }
    let Ok(scenario) = scenario.with(&changes) else {
        return;
    };
    if mean_requests_per_s(&scenario) > 1e4 || scenario.classes.len() > 8 {
        return;
    }
    if let Ok(summary) = run(&scenario, 1) {
        let again = run(&scenario, 3).expect("what one thread can play, three can");
        assert_eq!(json::to_text(&summary), json::to_text(&again));
    }
}

/// 10^9 ps.
const MILLISECOND: Picoseconds = Picoseconds(1_000_000_000);

/// What a scenario says is put to use as `check` does; mistakes are shown.
fn understood(read: Result<Scenario, Mistakes>) {
    match read {
        Ok(scenario) => {
            let _ = StepTimes::compile(&scenario);
            if let Ok(workload) = Workload::new(&scenario) {
                let realised = realised::realised(&scenario, &workload);
                let _ = realised::warnings(&realised);
            }
            let again = load_str("resolved.toml", scenario.resolved_toml(), &[]);
            let again = again.unwrap_or_else(|why| panic!("resolved, but not read again:\n{why}"));
            assert_eq!(again.hash(), scenario.hash());
        }
        Err(mistakes) => {
            assert!(mistakes.count() > 0);
            let shown = mistakes.render(false);
            let harmful = shown.chars().find(|c| c.is_control() && *c != '\n');
            assert_eq!(harmful, None);
        }
    }
}

/// The lines of a text.
fn lines(bytes: &[u8]) -> Option<Vec<String>> {
    let text = std::str::from_utf8(bytes).ok()?;
    Some(text.lines().map(str::to_owned).collect())
}

/// A TOML string that means this text.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => quoted.push_str(&format!("\\U{:08x}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// The small scenario with one mixed pool instead of its two.
fn mixed() -> String {
    let start = SMALL.find("[pools.prefill]").expect("a pool");
    let end = SMALL.find("[performance]").expect("a table");
    let pool = "[pools.mixed]\nnodes_per_unit = 1\nparallelism = { attention_data = 2 }\n\
                max_batch_tokens = 512\nmax_batch_requests = 8\nkv_capacity_tokens = 4_000\nunits = 2\n";
    [&SMALL[..start], pool, &SMALL[end..]].concat()
}

/// The base without what recordings say themselves.
fn traced() -> String {
    let of_lengths = |line: &&str| !line.starts_with("input") && !line.starts_with("output");
    let lines: Vec<&str> = BASE.lines().filter(of_lengths).collect();
    lines.join("\n")
}
