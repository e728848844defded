//! `plan` where step times are wrong: asked of every load and goal, and by as much as what they rest on is known for.

mod support;

use serde_json::Value;
use support::program::{Scratch, tokentide};

/// A small deployment; runs of it take milliseconds.
const SMALL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/plan/small.toml");

/// Loads that change over the day, users who wait, goals that are no cost, and a search without an answer: a stated
/// error of the step times is never passed over.
#[test]
fn a_stated_step_error_is_asked_whatever_the_load_and_the_goal() {
    let rows = |more: &[&str]| {
        let mut all = vec!["plan", SMALL, "--format", "json", "--replications", "1"];
        all.extend(["--step-error", "0.2"]);
        all.extend(more);
        let said = tokentide(&all);
        let answer: Value =
            serde_json::from_slice(&said.out).unwrap_or_else(|_| panic!("{}", said.err));
        let rows = answer["step_times"].as_array().expect("rows").clone();
        let factors: Vec<f64> = rows.iter().filter_map(|r| r["factor"].as_f64()).collect();
        assert_eq!(factors, [1.2, 0.8], "{answer:#}");
        (answer, rows)
    };
    let day =
        "--set=class.chat.arrivals.hourly_means=[1,1,1,1,1,1,1,1,1,1,1,1,2,1,1,1,1,1,1,1,1,1,1,1]";
    let users = "--set=class.chat.arrivals={kind='closed-loop', users=40, think_time='1s'}";
    for load in [day, users] {
        let (answer, rows) = rows(&[load]);
        let nodes = answer["best"]["nodes"].as_f64();
        assert!(nodes.is_some(), "{answer:#}");
        assert!(
            rows[0]["nodes"].is_null() || rows[0]["nodes"].as_f64() >= nodes,
            "{answer:#}"
        );
        assert!(rows[1]["nodes"].as_f64() <= nodes, "{answer:#}");
    }
    let (answer, _) = rows(&["--goal", "profit"]);
    assert_eq!(answer["goal"], "profit");
    let (answer, rows) = rows(&["--nodes", "2"]);
    assert!(
        answer["best"].is_null() && rows[0]["answer"].is_null(),
        "{answer:#}"
    );
}

#[test]
fn an_answer_on_borrowed_constants_says_so_and_asks_more() {
    let text = |gpu: &str| {
        format!(
            "name = 'lent'\nstart = 2026-01-05T12:00:00Z\nduration = '1min'\nmodel = 'llama-3.1-8b'\n\
         node = {{ gpu = '{gpu}', gpus = 1, price_per_gpu_hour = 2.0 }}\n\
         [pools.mixed]\nunits = 1\ngpus_per_unit = 1\nmax_batch_tokens = 8192\n\
         [performance]\nkind = 'roofline'\nengine = 'trtllm'\n\
         [[class]]\nname = 'chat'\narrivals = {{ kind = 'poisson', requests_per_s = 4.0 }}\n\
         input = {{ kind = 'constant', value = 500 }}\noutput = {{ kind = 'constant', value = 50 }}\n"
        )
    };
    let scratch = Scratch::new("plan-lent");
    let planned = |gpu: &str| {
        let file = scratch.path("lent.toml");
        std::fs::write(&file, text(gpu)).expect("it can be written");
        let more = ["--nodes", "3", "--slo", "tpot_p99=50ms", "--format", "json"];
        let mut all = vec!["plan", &file, "--replications", "1"];
        all.extend(more);
        let said = tokentide(&all);
        let answer: Value = serde_json::from_slice(&said.out).expect("JSON");
        answer
    };
    let (own, lent) = (planned("h100"), planned("h800"));
    let error = |answer: &Value| answer["best"]["step_error"].as_f64().expect("an error");
    assert!(error(&lent) > error(&own), "{lent:#}");
    assert_eq!(
        lent["step_times"][0]["factor"].as_f64(),
        Some(1.0 + error(&lent))
    );
    let from = |answer: &Value| answer["best"]["borrowed"][0]["from"].clone();
    assert_eq!(from(&lent), "trtllm on h100", "{lent:#}");
    assert_ne!(from(&own), "trtllm on h100", "{own:#}");
    assert!(
        lent["notes"][0]
            .as_str()
            .is_some_and(|n| n.contains("borrowed from trtllm on h100"))
    );
    assert_eq!(own["notes"].as_array().map(Vec::len), Some(0), "{own:#}");
}
