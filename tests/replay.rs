//! Recorded prompts through prefix caches (S4, S19): hits of a run against counts that know nothing of the engine.

mod support;

use std::collections::HashSet;
use std::fs;

use serde_json::Value;
use support::program::Scratch;
use tokentide::internals::experiment;
use tokentide::internals::report::summary::RunSummary;
use tokentide::internals::scenario::load;

/// Units that are so quick that whoever arrives finds all earlier prompts computed.
const QUICK: &str = r#"
name = "replay"
start = 2026-01-01T00:00:00Z
duration = "trace"
model = { name = "any", kv_bytes_per_token = 1000 }
node = { gpu = "h100", gpus = 1, price_per_gpu_hour = 1.0 }
performance = { kind = "linear", prefill = { per_token = "1ns" }, decode = { base = "1ns" } }
kv_cache = { kind = "prefix", block_tokens = 512 }

[pools.mixed]
nodes_per_unit = 1
parallelism = { attention_data = 1 }
max_batch_tokens = 16_000_000
max_batch_requests = 16_000
kv_capacity_tokens = 268_000_000
units = 1
router = "round-robin"

[[class]]
name = "recorded"
arrivals = { kind = "trace", file = "trace.jsonl" }
"#;

/// Tokens of a block of Mooncake's traces.
const BLOCK: u64 = 512;

/// A folder with the scenario and a trace.
fn folder(name: &str, trace: &str) -> Scratch {
    let folder = Scratch::new(name);
    folder.write("replay.toml", QUICK);
    folder.write("trace.jsonl", trace);
    folder
}

fn run(folder: &Scratch, set: &[&str]) -> RunSummary {
    let set: Vec<String> = set.iter().map(|s| (*s).to_owned()).collect();
    let scenario = load(&folder.path("replay.toml"), &set);
    let scenario = scenario.unwrap_or_else(|mistakes| panic!("{}", mistakes.render(false)));
    experiment::run(&scenario, 1).expect("a run")
}

fn rate(folder: &Scratch, set: &[&str]) -> f64 {
    run(folder, set).kv_hit_rate.expect("prompts have tokens")
}

/// By hand: 1,000 tokens in blocks 1 and 2; 1,100 in 1, 3 and 4; 1,100 in 1, 3 and 5; 1,024 in 1 and 3.
#[test]
fn recorded_ids_are_what_prompts_have_in_common() {
    let row = |ms: u32, input: u32, ids: &str| {
        format!(
            "{{\"timestamp\": {ms}, \"input_length\": {input}, \"output_length\": 3, \"hash_ids\": [{ids}]}}\n"
        )
    };
    let trace = row(0, 1_000, "71, 2")
        + &row(1_000, 1_100, "71, 3, 4")
        + &row(2_000, 1_100, "71, 3, 5")
        + &row(3_000, 1_024, "71, 3");
    let folder = folder("recorded-ids", &trace);
    let hits = |set: &[&str]| run(&folder, set).tokens.cached_input;
    // 0; one block; two; and one, as the last token is computed in any case
    assert_eq!(hits(&[]), 512 + 1_024 + 512);
    // in blocks of 64 the last of them finds all but its own last block
    assert_eq!(hits(&["kv_cache.block_tokens = 64"]), 512 + 1_024 + 960);
    // two units in turn: each knows every other prompt
    assert_eq!(hits(&["pools.mixed.units = 2"]), 512 + 512);
}

/// Hits of a trace where every prompt finds all those of earlier instants: blocks that are known, from the first one on,
/// short of the last token.
fn hits(trace: &str) -> u64 {
    let rows: Vec<Value> = trace
        .lines()
        .map(|line| serde_json::from_str(line).expect("a row"))
        .collect();
    let mut known: HashSet<u64> = HashSet::new();
    let mut found = 0;
    for instant in rows.chunk_by(|a, b| a["timestamp"] == b["timestamp"]) {
        let mut new = Vec::new();
        for row in instant {
            let input = row["input_length"].as_u64().expect("tokens");
            let ids = row["hash_ids"].as_array().expect("ids").iter();
            let ids: Vec<u64> = ids.map(|id| id.as_u64().expect("an id")).collect();
            let whole = ((input - 1) / BLOCK) as usize;
            let leading = ids[..whole].iter().take_while(|id| known.contains(id));
            found += leading.count() as u64 * BLOCK;
            new.extend_from_slice(&ids[..(input / BLOCK) as usize]);
        }
        known.extend(new);
    }
    found
}

/// Mooncake's conversations, one by one: exactly what their ids say, and over units in turn what a plain cache counts.
#[test]
fn mooncake_conversations_hit_as_their_ids_say() {
    let Some(file) = support::data("conversation_trace.jsonl") else {
        return;
    };
    let trace = fs::read_to_string(file).expect("a trace");
    let folder = folder("mooncake", &trace);
    let all = run(&folder, &[]);
    assert_eq!(all.tokens.cached_input, hits(&trace));
    // Rates of blocks by a plain LRU over nodes in turn, of unlimited room; here full blocks only are found.
    for (units, blocks) in [(1, 0.366412), (2, 0.270627), (4, 0.191761), (10, 0.118908)] {
        let found = rate(&folder, &[&format!("pools.mixed.units = {units}")]);
        assert!(
            (found - blocks).abs() < 0.01,
            "{found} and {blocks} of {units}"
        );
    }
    // Ten nodes of three million tokens: in turn .104, and 2.2 to 2.4 times as much where prompts are followed.
    let ten = [
        "pools.mixed.units = 10",
        "pools.mixed.kv_capacity_tokens = 2_999_808",
    ];
    let of = |router: &str| {
        let router = format!("pools.mixed.router = '{router}'");
        rate(&folder, &[ten[0], ten[1], &router])
    };
    let spread = of("round-robin");
    assert!((spread - 0.104149).abs() < 0.01, "{spread}");
    for router in ["prefix-cost", "prefix-score", "prefix-balance"] {
        let times = of(router) / spread;
        println!("{router}: {times:.2} times the hits of round robin");
        assert!(times > 2.0, "{router}: {times}");
    }
}
