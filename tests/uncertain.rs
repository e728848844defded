//! Uncertain inputs: a range or a law where a number is expected is played in draws, the verdict says on
//! which input it hangs, both ends are checked, and a draw can be played again by itself.

mod support;

use std::path::Path;

use serde_json::Value;
use support::program::{Scratch, tokentide};
use tokentide::internals::experiment::run;
use tokentide::internals::experiment::uncertain::{hypercube, scenarios};
use tokentide::internals::scenario::{LawForm, Scenario, load, load_str};

const SMALL: &str = "tests/cli/small.toml";

/// The rate decides about time and strain; the hit rate and the length of the answers' cut do little.
const RANGES: [&str; 3] = [
    "class.chat.arrivals.requests_per_s={ low = 5.0, high = 150.0 }",
    "kv_cache.hit_rate={ low = 0.29, high = 0.31 }",
    "performance.prefill.base={ kind = \"triangular\", low = \"4900us\", mode = \"5ms\", high = \"5100us\" }",
];

fn small(set: &[&str]) -> Scenario {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(SMALL);
    let set: Vec<String> = set.iter().map(|s| (*s).to_owned()).collect();
    match load(&path.to_string_lossy(), &set) {
        Ok(scenario) => scenario,
        Err(mistakes) => panic!("{mistakes}"),
    }
}

fn path() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(SMALL);
    path.to_string_lossy().into_owned()
}

#[test]
fn ranges_stand_for_their_middles_and_are_kept_in_the_resolved_text() {
    let scenario = small(&RANGES);
    let paths: Vec<&str> = scenario.uncertain.iter().map(|u| u.path.as_str()).collect();
    let expected = [
        "performance.prefill.base",
        "kv_cache.hit_rate",
        "class.chat.arrivals.requests_per_s",
    ];
    assert_eq!(paths, expected);
    assert_eq!(
        scenario.uncertain[0].law.form,
        LawForm::Triangular { mode: 5e9 }
    );
    assert_eq!(scenario.classes[0].arrivals.rate[0].rate_from_per_s, 77.5);

    let again = load_str("again", scenario.resolved_toml(), &[]);
    let Ok(again) = again else {
        panic!("the resolved text reads back")
    };
    assert_eq!(again.uncertain, scenario.uncertain);
    assert_eq!(again.hash(), scenario.hash());
    assert_ne!(
        scenario.hash(),
        small(&["class.chat.arrivals.requests_per_s=77.5"]).hash()
    );
}

#[test]
fn draws_take_every_part_of_every_range_once() {
    let scenario = small(&RANGES);
    let rows = hypercube(&scenario, 10);
    assert_eq!(rows, hypercube(&scenario, 10));
    // Uniform: one draw in each tenth of the range.
    let tenth = |row: &Vec<f64>| ((row[2] - 5.0) / 14.5) as usize;
    let mut tenths: Vec<usize> = rows.iter().map(tenth).collect();
    assert!(
        tenths.windows(2).any(|w| w[0] > w[1]),
        "in order: {tenths:?}"
    );
    tenths.sort_unstable();
    assert_eq!(tenths, (0..10).collect::<Vec<_>>());
    let Ok(drawn) = scenarios(&scenario, &rows) else {
        panic!("all draws are scenarios")
    };
    for (row, drawn) in rows.iter().zip(&drawn) {
        assert!(drawn.uncertain.is_empty());
        assert_eq!(drawn.seed, scenario.seed);
        // A rate goes through the day's requests and back.
        let rate = drawn.classes[0].arrivals.rate[0].rate_from_per_s;
        assert!((rate - row[2]).abs() < 1e-9, "{rate}, not {}", row[2]);
    }
}

#[test]
fn the_verdict_is_a_range_and_says_what_it_hangs_on() {
    let path = path();
    let mut arguments = vec!["run", &path, "--quiet", "--draws", "12", "--format", "json"];
    arguments.extend(RANGES.iter().flat_map(|range| ["--set", range]));
    let said = tokentide(&arguments);
    assert_eq!(said.code, Some(0), "{}", said.err);
    let outlook: Value = serde_json::from_slice(&said.out).expect("JSON");
    let figures = outlook["figures"].as_array().expect("a list");
    let e2e = figures
        .iter()
        .find(|f| f["field"] == "latency.e2e_s.mean")
        .expect("a figure");
    assert_eq!(
        e2e["hangs_on"]["input"],
        "class.chat.arrivals.requests_per_s"
    );
    let (low, high) = (
        e2e["low"].as_f64().expect("low"),
        e2e["high"].as_f64().expect("high"),
    );
    assert!(high > 1.05 * low, "{low} to {high}");
    let cost = figures
        .iter()
        .find(|f| f["field"] == "economics.cost_usd")
        .expect("a figure");
    assert!(cost["low"] == cost["high"] && cost["hangs_on"].is_null());

    // A draw is a run like any other.
    let draw = &outlook["draws"][3];
    let inputs = outlook["inputs"].as_array().expect("a list");
    let values = draw["values"].as_array().expect("a list");
    let set: Vec<String> = inputs
        .iter()
        .zip(values)
        .map(|(input, x)| {
            format!(
                "{}={}",
                input["path"].as_str().expect("a path"),
                x.as_str().expect("text")
            )
        })
        .collect();
    let set: Vec<&str> = set.iter().map(String::as_str).collect();
    let alone = run(&small(&set), 1).unwrap_or_else(|why| panic!("{why}"));
    assert_eq!(
        draw["figures"]["latency.e2e_s.mean"].as_f64(),
        alone.latency.e2e_s.mean
    );

    let mut one_thread = arguments.clone();
    one_thread.extend(["--threads", "1"]);
    assert!(
        tokentide(&one_thread).out == said.out,
        "one thread gives other bytes than two"
    );
}

#[test]
fn an_input_that_does_nothing_is_not_blamed() {
    let path = path();
    let said = tokentide(&[
        "run",
        &path,
        "--quiet",
        "--draws",
        "6",
        "--set",
        "transfer.host_gb_per_s={ low = 10, high = 20 }",
    ]);
    let text = String::from_utf8_lossy(&said.out).into_owned();
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(text.contains("All 6 draws: served well."), "{text}");
    assert!(!text.contains("hangs on transfer"), "{text}");
}

#[test]
fn both_ends_keep_the_bounds() {
    for (words, range) in [
        (
            "must be from 0 to below 1",
            "kv_cache.hit_rate={ low = 0.5, high = 1.6 }",
        ),
        (
            "must be from 0 to below 1",
            "kv_cache.hit_rate={ low = -0.1, high = 0.6 }",
        ),
        (
            "must be below `high`",
            "kv_cache.hit_rate={ low = 0.6, high = 0.5 }",
        ),
        (
            "`kv_cache.hit_rate.high` is missing",
            "kv_cache.hit_rate={ low = 0.5 }",
        ),
        (
            "cannot be uncertain",
            "duration={ low = \"1h\", high = \"2h\" }",
        ),
        (
            "did you mean `normal`",
            "kv_cache.hit_rate={ kind = \"norma\", low = 0.1, high = 0.2 }",
        ),
        (
            "no such key",
            "kv_cache.hit_rate={ low = 0.1, high = 0.2, hi = 3 }",
        ),
        (
            "a duration in quotes",
            "performance.prefill.base={ low = 1, high = \"2ms\" }",
        ),
        (
            "does not fill the 8 GPUs",
            "pools.prefill.parallelism.attention_data={ low = 1, high = 8 }",
        ),
        (
            "three standard deviations",
            "kv_cache.hit_rate={ kind = \"normal\", mean = 0.9, sd = 0.01, low = 0.1, high = 0.2 }",
        ),
    ] {
        let said = tokentide(&["check", &path(), "--set", range]);
        assert_eq!(said.code, Some(2), "{range}: {}", said.err);
        assert!(said.err.contains(words), "{range}: {}", said.err);
        assert!(
            said.err.contains("argument --set:1:"),
            "{range}: {}",
            said.err
        );
    }
}

#[test]
fn a_hundred_ranges_are_enough() {
    let range = "{ low = 1.0, high = 2.0 }";
    let day = vec![range; 24].join(", ");
    let class = format!(
        "{{ name = \"NAME\", arrivals = {{ kind = \"poisson\", requests_per_day = 1e5, hourly_means = [{day}] }}, input = {{ kind = \"constant\", value = 2000 }}, output = {{ kind = \"constant\", value = 1 }} }}"
    );
    let classes = |n: usize| {
        let all: Vec<String> = (0..n)
            .map(|i| class.replace("NAME", &format!("c{i}")))
            .collect();
        tokentide(&[
            "check",
            &path(),
            "--set",
            &format!("class=[{}]", all.join(", ")),
        ])
    };
    let four = classes(4);
    assert_eq!(four.code, Some(0), "{}", four.err);
    let five = classes(5);
    assert_eq!(five.code, Some(2), "{}", five.err);
    assert_eq!(
        five.err
            .matches("more than 100 inputs are uncertain")
            .count(),
        1,
        "{}",
        five.err
    );
}

#[test]
fn check_shows_ranges_and_other_commands_say_that_they_take_the_middle() {
    let range = ["--set", "kv_cache.hit_rate={ low = 0.2, high = 0.4 }"];
    let checked = tokentide(&["check", &path(), range[0], range[1]]);
    let text = String::from_utf8_lossy(&checked.out).into_owned();
    assert!(text.contains("kv_cache.hit_rate: 0.2 to 0.4"), "{text}");
    let compared = tokentide(&[
        "compare",
        &path(),
        &path(),
        "--replications",
        "2",
        "--quiet",
        range[0],
        range[1],
    ]);
    assert_eq!(compared.code, Some(0), "{}", compared.err);
    assert!(
        compared
            .err
            .contains("kv_cache.hit_rate uncertain; the middle is taken"),
        "{}",
        compared.err
    );
}

#[test]
fn a_range_in_a_file_may_be_overridden_by_a_number() {
    let scratch = Scratch::new("ranges");
    let text = std::fs::read_to_string(path()).expect("the small scenario");
    let text = text.replace("hit_rate = 0.3", "hit_rate = { low = 0.2, high = 0.4 }");
    let file = scratch.write("ranges.toml", &text);
    let scenario =
        |set: &[String]| load(&file, set).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    assert_eq!(scenario(&[]).uncertain.len(), 1);
    assert!(
        scenario(&["kv_cache.hit_rate=0.3".to_owned()])
            .uncertain
            .is_empty()
    );
    assert_eq!(
        scenario(&["kv_cache.hit_rate=0.3".to_owned()]).hash(),
        small(&[]).hash()
    );
}
