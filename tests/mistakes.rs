//! What a person reads who made a mistake in a scenario: every message, held by snapshots.
//!
//! The scenarios are under `mistakes/`, most of them a few lines that extend `base.toml`; beside each is
//! the snapshot of what is shown. To change a message on purpose, run with `INSTA_UPDATE=always` and
//! read the difference before committing it.

use std::collections::BTreeMap;

use serde_json::Value;
use tokentide::internals::report::summary::{ClassSummary, PoolSummary, RunSummary, SloSummary};
use tokentide::internals::scenario::{load, summary_fields};

/// The messages about a scenario, without colour.
fn messages(target: &str, overrides: &[&str]) -> String {
    let overrides: Vec<String> = overrides.iter().map(|o| o.to_string()).collect();
    match load(target, &overrides) {
        Ok(_) => panic!("{target} {overrides:?} was accepted"),
        Err(mistakes) => mistakes.to_string(),
    }
}

fn holds(name: &str, shown: String) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("mistakes");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, shown));
}

#[test]
fn files_with_mistakes() {
    for name in [
        "unknown-key",
        "misspelt-word",
        "bad-numbers",
        "absurd",
        "absurd-pool",
        "schedule-order",
        "over-fleet",
        "missing-base",
        "circle-a",
        "empty",
        "junk",
        "control",
        "broken",
        "incomplete",
        "bad-csv",
        "bad-header",
        "meaning",
        "no-decode",
        "flood",
        "outside",
        "outside-csv",
        "limits",
        "odd-model",
        "own-model",
        "odd-layers",
        "odd-tensor",
        "bad-profile",
        "short-profile",
        "mixed-words",
        "bad-trace",
        "stated-hits",
        "shared-at-a-rate",
        "asking-router",
        "sessions-at-a-rate",
        "bad-laws",
        "bad-bursts",
    ] {
        holds(name, messages(&format!("tests/mistakes/{name}.toml"), &[]));
    }
}

#[test]
fn arguments_with_mistakes() {
    let base = "tests/mistakes/base.toml";
    holds("missing-file", messages("tests/mistakes/empt.toml", &[]));
    holds("directory", messages("tests/mistakes/", &[]));
    holds("unknown-name", messages("deepsek-day", &[]));
    holds("far-name", messages("llama", &[]));
    holds("no-name", messages("", &[]));
    let all = [
        "seed",
        "pools.decode.units=",
        "pools.decode.units=[1, 2",
        "pools.prefill.unit=3",
        "class.chta.priority=2",
        "seed.value=3",
        "extends=deepseek-day-hits-30",
        "name=[\u{9b}31m\u{92}\u{202e}",
        "name=\u{9b}31m\u{92}=[",
    ];
    holds("bad-set", messages(base, &all));
    let typed = [
        "seed=many",
        "duration=24",
        "node.price_per_gpu_hour=two",
        "kv_cache.hit_rate=1.5",
        "pools.decode.router=fastest",
        "class.0.arrivals.csv=nowhere.csv",
        "published.0.low=false",
    ];
    holds("wrong-typed-set", messages(base, &typed));
}

#[test]
fn colours_are_only_colours() {
    let colour = match load("tests/mistakes/unknown-key.toml", &[]) {
        Ok(_) => panic!("accepted"),
        Err(mistakes) => mistakes.render(true),
    };
    assert!(colour.contains("\u{1b}["));
    let mut plain = String::new();
    let mut rest = colour.as_str();
    while let Some(start) = rest.find("\u{1b}[") {
        plain.push_str(&rest[..start]);
        let tail = &rest[start..];
        rest = &tail[tail.find('m').expect("every sequence sets a style") + 1..];
    }
    plain.push_str(rest);
    assert_eq!(plain, messages("tests/mistakes/unknown-key.toml", &[]));
}

#[test]
fn junk_reaches_no_terminal() {
    for name in ["junk", "control"] {
        let shown = messages(&format!("tests/mistakes/{name}.toml"), &[]);
        let harmful = shown.chars().find(|c| c.is_control() && *c != '\n');
        assert_eq!(harmful, None, "{name}");
    }
}

/// The figures that `[[published]]` may name are those of the summary, neither more nor fewer.
#[test]
fn every_figure_is_in_the_summary() {
    let summary = RunSummary {
        pools: BTreeMap::from([("decode".to_string(), PoolSummary::default())]),
        classes: BTreeMap::from([(
            "r1".to_string(),
            ClassSummary {
                slo: Some(SloSummary::default()),
                ..ClassSummary::default()
            },
        )]),
        ..RunSummary::default()
    };
    let json = serde_json::to_value(&summary).expect("a summary is JSON");
    let mut actual = Vec::new();
    paths(&json, "", &mut actual);
    let not_a_figure = [
        "schema_version",
        "version",
        "scenario.",
        "seed",
        "start",
        "duration_s",
        "replications",
        "step_times.",
        "classes.r1.slo.required",
    ];
    actual.retain(|path| !not_a_figure.iter().any(|prefix| path.starts_with(prefix)));
    let mut allowed = summary_fields(&["decode"], &["r1"]);
    actual.sort_unstable();
    allowed.sort_unstable();
    assert_eq!(allowed, actual);
}

fn paths(value: &Value, path: &str, all: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (key, member) in members {
                let dot = if path.is_empty() { "" } else { "." };
                paths(member, &format!("{path}{dot}{key}"), all);
            }
        }
        Value::Array(_) => {}
        _ => all.push(path.to_string()),
    }
}
