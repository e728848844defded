//! The rules by hand, S10: copies of the model that share nothing, and nodes that units fill or share. In the
//! scenario of `rules.rs`, with a node of 4 accelerators for $1 an hour each.

use tokentide::internals::experiment;

use crate::rules::{BASE, check_in, played, scenario};

/// Two ranks of 2 accelerators, and a token of KV that takes 0.1 s.
const TWO_RANKS: [&str; 4] = [
    "first_token=\"decode\"",
    "performance.decode.base=\"0s\"",
    "performance.decode.per_kv_token=\"100ms\"",
    "pools.decode.parallelism.attention_data=2",
];

#[test]
fn copies_of_a_model_step_on_their_own() {
    // 10, 11 and 12 tokens: 1, 1.1 and 1.2 s. 20, 21 and 22: 2, 2.1 and 2.2 s.
    let requests = ["0,10,3", "0,20,3"];
    let set = [&TWO_RANKS[..], &["model=\"llama-3.1-8b\""]].concat();
    let expected = [
        "start 0 first 2 kv 1 join 1@0.0 done 4.3",
        "start 0 first 3 kv 1 join 1@1.0 done 7.3",
    ];
    check_in(BASE, &set, &requests, &expected);
    // Ranks of which nothing is known wait for one another.
    let expected = [
        "start 0 first 3 kv 1 join 1@0.0 done 7.3",
        "start 0 first 3 kv 1 join 1@0.1 done 7.3",
    ];
    check_in(BASE, &TWO_RANKS, &requests, &expected);
}

#[test]
fn ranks_that_share_experts_step_together() {
    let requests = ["0,10,3", "0,20,3"];
    let expected = [
        "start 0 first 3 kv 1 join 1@0.0 done 7.3",
        "start 0 first 3 kv 1 join 1@0.1 done 7.3",
    ];
    let experts = [
        "model=\"mixtral-8x7b\"",
        "pools.decode.parallelism.experts=4",
    ];
    check_in(
        BASE,
        &[&TWO_RANKS[..], &experts].concat(),
        &requests,
        &expected,
    );
    // Where every rank holds all experts between its two accelerators, it is a copy.
    let expected = [
        "start 0 first 2 kv 1 join 1@0.0 done 4.3",
        "start 0 first 3 kv 1 join 1@1.0 done 7.3",
    ];
    let experts = [
        "model=\"mixtral-8x7b\"",
        "pools.decode.parallelism.experts=2",
    ];
    check_in(
        BASE,
        &[&TWO_RANKS[..], &experts].concat(),
        &requests,
        &expected,
    );
}

#[test]
fn copies_of_a_unit_are_released_together() {
    // Two units of two copies, of which the second goes at 5 s: copies 2 and 3. A token of KV takes 0.131072 s; they
    // send 15 and 16. At 5 s the others hold 13 and 14 tokens, before the step that ends there.
    let set = [
        "first_token=\"decode\"",
        "model=\"llama-3.1-8b\"",
        "pools.decode.parallelism.attention_data=2",
        "pools.decode.units={ schedule = [[\"00:00:00\", 2], [\"00:00:05\", 1]] }",
    ];
    let expected = [
        "start 0 first 2 kv 1 join 1@0.0 done 21",
        "start 0 first 2 kv 1 join 1@1.0 done 21",
        "start 0 first 2 kv 1 kv 6.96608 join 1@2.0 join 7@0.0 moved 5 done 24",
        "start 0 first 2 kv 1 kv 7.097152 join 1@3.0 join 8@1.0 moved 5 done 25",
    ];
    let requests = ["0,10,20", "0,11,20", "0,12,20", "0,13,20"];
    check_in(BASE, &set, &requests, &expected);
}

/// Two units of 1 accelerator, and three of 2 until 50 s, then one.
const SMALL: &str = r#"
name = "by hand"
start = 2026-01-01T00:00:00Z
duration = "100s"
model = { name = "any", kv_bytes_per_token = 1_000_000 }
node = { gpu = "h100", gpus = 4, price_per_gpu_hour = 1.0 }
performance = { kind = "linear", prefill = { base = "1s" }, decode = { base = "1s" } }

[pools.prefill]
gpus_per_unit = 1
max_batch_tokens = 100
units = 2

[pools.decode]
gpus_per_unit = 2
kv_capacity_tokens = 1000
units = { schedule = [["00:00:00", 3], ["00:00:50", 1]] }

[[class]]
name = "all"
"#;

/// Demands so many node-seconds and, at most, nodes, on both sides.
fn check_nodes(set: &[&str], node_s: u32, peak: u32) {
    let scenario = scenario(SMALL, set, &["0,10,3"]);
    let reference = played(&scenario);
    assert_eq!(reference.node_ns, u128::from(node_s) * 1_000_000_000);
    assert_eq!(reference.peak_nodes, u64::from(peak));
    let engine = experiment::run(&scenario, 1).expect("balanced books");
    let hours = f64::from(node_s) / 3600.0;
    assert!((engine.nodes.node_hours - hours).abs() < 1e-12);
    assert_eq!(engine.nodes.peak, peak);
    assert!((engine.economics.cost_usd - 4.0 * hours).abs() < 1e-11);
}

#[test]
fn units_fill_nodes_of_their_pool() {
    // A node for both of 1; two nodes for three of 2, one for one.
    check_nodes(&[], 100 + 2 * 50 + 50, 3);
}

#[test]
fn units_of_all_pools_share_nodes_the_larger_ones_first() {
    // Two of 2, and one of 2 with both of 1; then all that is left.
    check_nodes(&["node.shared=true"], 2 * 50 + 50, 2);
    // One of 3 and one of 1; one of 3 and one of 1; one of 3. Then one of 3 and one of 1, and one of 1 alone.
    let set = ["node.shared=true", "pools.decode.gpus_per_unit=3"];
    check_nodes(&set, 3 * 50 + 2 * 50, 3);
}

#[test]
fn copies_are_paid_with_their_unit() {
    // Two copies in a unit of 2: as many nodes.
    let set = [
        "model=\"llama-3.1-8b\"",
        "pools.decode.parallelism.attention_data=2",
    ];
    check_nodes(&set, 100 + 2 * 50 + 50, 3);
}
