//! What is another's is told wherever it is used: constants of step times, and the price of an accelerator.

mod support;

use serde_json::Value;
use support::program::{Scratch, tokentide};

const TEXT: &str = "name = 'lent'\nstart = 2026-01-05T12:00:00Z\nduration = '10s'\nmodel = 'llama-3.1-8b'\n\
    node = { gpu = 'h100', gpus = 1, price_per_gpu_hour = 2.0 }\n\
    [pools.mixed]\nunits = 1\ngpus_per_unit = 1\nmax_batch_tokens = 8192\n\
    [performance]\nkind = 'roofline'\nengine = 'trtllm'\n\
    [[class]]\nname = 'chat'\narrivals = { kind = 'poisson', requests_per_s = 4.0 }\n\
    input = { kind = 'constant', value = 500 }\noutput = { kind = 'constant', value = 50 }\n";

const LENT: &str = "rest on constants borrowed from trtllm on h100";
const PRICE: &str = "$2 per GPU-hour was stated for h100";

#[test]
fn every_command_tells_what_is_borrowed_and_whose_the_price_is() {
    let scratch = Scratch::new("loans");
    let file = scratch.path("lent.toml");
    std::fs::write(&file, TEXT).expect("it can be written");
    let gpu = ["--set", "node.gpu=h800"];
    let vary = ["--vary", "node.gpu=h100,h800"];
    let variant = ["--variant", "node.gpu=h800", "--replications", "2"];
    let said = |command: &str, more: &[&str]| {
        let said = tokentide(&[&[command, &file], more].concat());
        assert_eq!(said.code, Some(0), "{command}: {}", said.err);
        format!("{}{}", String::from_utf8_lossy(&said.out), said.err)
    };
    let flat = |text: String| text.split_whitespace().collect::<Vec<_>>().join(" ");
    for (command, more) in [
        ("check", &gpu[..]),
        ("run", &gpu),
        ("explain", &gpu),
        ("sweep", &vary),
        ("compare", &variant),
    ] {
        let text = flat(said(command, more));
        for what in [LENT, PRICE] {
            assert_eq!(text.matches(what).count(), 1, "{command}: {what}: {text}");
        }
    }
    let priced = [
        "--set",
        "node.gpu=h800",
        "--set",
        "node.price_per_gpu_hour=4",
    ];
    for (command, more) in [("check", &priced[..]), ("run", &priced)] {
        let text = flat(said(command, more));
        assert!(
            text.contains(LENT) && !text.contains("was stated for"),
            "{text}"
        );
    }
    for command in ["check", "run", "explain"] {
        let text = flat(said(command, &[]));
        assert!(!text.contains(LENT) && !text.contains(PRICE), "{text}");
    }
}

#[test]
fn the_summary_says_what_is_borrowed_and_how_wrong_steps_may_be() {
    let scratch = Scratch::new("loans-json");
    let file = scratch.path("lent.toml");
    std::fs::write(&file, TEXT).expect("it can be written");
    let basis = |set: &str| {
        let said = tokentide(&["run", &file, "--set", set, "--format", "json"]);
        let summary: Value = serde_json::from_slice(&said.out).expect("JSON");
        summary["step_times"].clone()
    };
    let (own, lent) = (basis("node.gpu=h100"), basis("node.gpu=h800"));
    assert_eq!(
        (&own["class"], &lent["class"]),
        (&"fitted".into(), &"other-gpu".into())
    );
    assert!(lent["step_error"].as_f64() > own["step_error"].as_f64());
    assert!(
        lent["step_error_source"]
            .as_str()
            .is_some_and(|s| s.contains("Blackwell"))
    );
    let groups = |basis: &Value| basis["borrowed"].as_array().map_or(0, Vec::len);
    assert!(groups(&lent) > groups(&own), "{own} {lent}");
    let first = &lent["borrowed"][0];
    assert_eq!(first["from"], "trtllm on h100");
    assert_eq!(first["reason"], "not measured for trtllm on h800");
}
