//! What a user's own server does, in small scenarios whose right figures are known from elsewhere: by hand, from
//! engines' logs and documentation, or because two ways of writing one thing must say the same.

use tokentide::internals::experiment::run;
use tokentide::internals::perf::{DecodeLoads, StepTimes, with_capacities};
use tokentide::internals::report::summary::RunSummary;
use tokentide::internals::scenario::{Scenario, load_str};

/// One node of eight H100 that serves a small dense model with vLLM, at an even rate.
const NODE: &str = r#"
name = "one node"
start = 2026-01-05T00:00:00Z
duration = "2min"
warm_up = "20s"
model = "llama-3.1-8b"
node = { gpu = "h100", gpus = 8, price_per_gpu_hour = 2.0 }
performance = { kind = "roofline", engine = "vllm" }
[pools.mixed]
nodes_per_unit = 1
parallelism = { attention_data = 8 }
max_batch_tokens = 8192
max_batch_requests = 1024
units = 1
[[class]]
name = "c"
arrivals = { kind = "poisson", requests_per_s = 40.0 }
input = { kind = "lognormal", mean = 2000, cv = 1.0, max = 8000 }
output = { kind = "lognormal", mean = 200, cv = 1.0, max = 1000 }
"#;

fn scenario(text: &str, set: &[&str]) -> Scenario {
    let set: Vec<String> = set.iter().map(|s| (*s).to_owned()).collect();
    load_str("servers", text, &set).unwrap_or_else(|mistakes| panic!("{mistakes}"))
}

fn played(text: &str, set: &[&str]) -> RunSummary {
    run(&scenario(text, set), 1).unwrap_or_else(|why| panic!("{why}"))
}

fn near(what: &str, found: Option<f64>, right: f64, within: f64) {
    let found = found.unwrap_or(f64::NAN);
    let off = (found / right - 1.0).abs();
    assert!(off <= within, "{what}: {found}, not {right}");
}

#[test]
fn eight_copies_on_a_node_are_eight_servers_of_one_gpu() {
    let copies = played(NODE, &[]);
    let alone = [
        "node.gpus=1",
        "pools.mixed.parallelism.attention_data=1",
        "pools.mixed.units=8",
    ];
    let alone = played(NODE, &alone);
    let part = [
        "pools.mixed.gpus_per_unit=1",
        "pools.mixed.parallelism.attention_data=1",
        "pools.mixed.units=8",
    ];
    let parts = played(NODE, &part);
    for other in [&alone, &parts] {
        assert_eq!(copies.latency, other.latency);
        assert_eq!(copies.requests, other.requests);
    }
    assert_eq!(parts.nodes.peak, 1);
    assert_eq!(copies.pools["mixed"].units_mean, 8.0);
}

#[test]
fn a_long_prompt_on_one_copy_does_not_hold_up_the_others() {
    // A step with a prompt of 8,192 tokens takes a hundred times as long as a decode step: in lock-step everybody
    // would wait for it, ten times a second.
    let set = [
        "class.c.arrivals.requests_per_s=10",
        "class.c.input={ kind = \"constant\", value = 8000 }",
    ];
    let copies = played(NODE, &set);
    let unhindered = copies.latency.itl_s.p50.unwrap_or(f64::NAN);
    assert!(unhindered < 0.012, "{unhindered}");
}

/// One prompt at a time over a link of 1 GB/s.
const SLOW_LINK: &str = r#"
name = "slow link"
start = 2026-01-05T00:00:00Z
duration = "5min"
model = "llama-3.1-8b"
node = { gpu = "h100", gpus = 1, price_per_gpu_hour = 2.0 }
performance = { kind = "roofline", engine = "vllm" }
transfer = { bandwidth_gb_per_s = 1.0 }
[pools.prefill]
nodes_per_unit = 1
max_batch_tokens = 8192
units = 1
[pools.decode]
nodes_per_unit = 1
units = 1
[[class]]
name = "c"
arrivals = { kind = "deterministic", requests_per_s = 0.05 }
input = { kind = "constant", value = 6000 }
output = { kind = "constant", value = 51 }
"#;

#[test]
fn a_first_token_from_decode_waits_for_its_kv_and_a_step() {
    let early = played(SLOW_LINK, &["first_token=\"prefill\""]).latency;
    let late = played(SLOW_LINK, &[]).latency;
    let mean = |x: Option<f64>| x.unwrap_or(f64::NAN);
    // 6,000 tokens x 32 layers x 8 heads x 128 x 2 x 2 bytes over 1 GB/s
    let transfer = 6000.0 * 131_072.0 / 1e9;
    let step = mean(late.itl_s.p50);
    let right = mean(early.ttft_s.mean) + transfer + step;
    near("TTFT", late.ttft_s.mean, right, 1e-3);
    // one step more, since decode computes the prompt's last token again
    near("E2E", late.e2e_s.mean, mean(early.e2e_s.mean) + step, 1e-3);
}

#[test]
fn half_the_bits_of_kv_are_half_the_transfer_and_twice_the_pool() {
    let fp8 = "performance.precision={ kv = \"fp8\" }";
    let transfer = 6000.0 * 131_072.0 / 1e9;
    let of = |set: &[&str]| {
        played(SLOW_LINK, set)
            .latency
            .ttft_s
            .mean
            .unwrap_or(f64::NAN)
    };
    let saved = of(&[]) - of(&[fp8]);
    near("saved", Some(saved), transfer / 2.0, 0.01);
    let pool = |set: &[&str]| {
        let scenario = with_capacities(&scenario(SLOW_LINK, set)).unwrap_or_else(|e| panic!("{e}"));
        scenario.pools[1].kv_capacity_tokens.unwrap_or(0) as f64
    };
    near("pool", Some(pool(&[fp8])), 2.0 * pool(&[]), 1e-4);
}

#[test]
fn drafts_that_are_off_cost_nothing() {
    let step = |set: &[&str]| {
        let scenario = scenario(SLOW_LINK, set);
        let scenario = with_capacities(&scenario).unwrap_or_else(|why| panic!("{why}"));
        let times = StepTimes::compile(&scenario).unwrap_or_else(|why| panic!("{why}"));
        let loads = DecodeLoads {
            requests: &[64],
            kv_1024: &[64 * 4000 * 1024],
            window_1024: &[],
        };
        times.decode_step(loads).0
    };
    let never = step(&[]);
    assert_eq!(step(&["mtp={ drafts = 0, acceptance = 0.85 }"]), never);
    // drafts that are all rejected are verified, and cost all the same
    let rejected = step(&["mtp={ drafts = 1, acceptance = 0.0 }"]);
    let accepted = step(&["mtp={ drafts = 1, acceptance = 0.85 }"]);
    assert_eq!(rejected, accepted);
    assert!(rejected > never, "{rejected} and {never}");
}

#[test]
fn what_does_not_fit_is_refused_in_every_pool() {
    // 671 G parameters of a byte each on one H100
    let set = [
        "model=\"deepseek-v3\"",
        "pools.decode.nodes_per_unit=16",
        "pools.decode.parallelism={ attention_data = 16, experts = 16 }",
    ];
    let refused = run(&scenario(SLOW_LINK, &set), 1).map(|_| ());
    let why = refused.map_or_else(|why| why.to_string(), |()| "played".to_string());
    assert!(
        why.contains("pool `prefill`") && why.contains("does not fit"),
        "{why}"
    );
}

#[test]
fn requests_beyond_the_context_are_rejected_and_counted() {
    let base = "model={ base = \"llama-3.1-8b\", context = 6050 }";
    let (fits, not) = (played(SLOW_LINK, &[]), played(SLOW_LINK, &[base]));
    assert_eq!(fits.requests.rejected, 0);
    assert_eq!(not.requests.rejected, not.requests.arrived);
    let one_less = [base, "class.c.output={ kind = \"constant\", value = 50 }"];
    assert_eq!(played(SLOW_LINK, &one_less).requests.rejected, 0);
}

#[test]
fn all_reduces_between_nodes_go_through_the_interfaces() {
    let of = |nic: &str| {
        let set = [
            "model=\"llama-3.3-70b\"",
            "pools.mixed.nodes_per_unit=4",
            "pools.mixed.parallelism.attention_data=1",
            "node.gpus=1",
            "class.c.arrivals.requests_per_s=0.2",
            "class.c.input={ kind = \"constant\", value = 4000 }",
            "class.c.output={ kind = \"constant\", value = 1 }",
            &format!("node.gpu={{ base = \"h100\", nic_gb_per_s = {nic} }}"),
        ];
        played(NODE, &set).latency.ttft_s.p50.unwrap_or(f64::NAN)
    };
    // 80 layers x 2 x 2 (4 - 1) / 4 x 4,000 tokens x 8,192 x 2 B
    let bytes = 80.0 * 2.0 * 1.5 * 4000.0 * 8192.0 * 2.0;
    let (fast, slow) = (of("50"), of("10"));
    let more = bytes / 10e9 - bytes / 50e9;
    near("slower by", Some(slow - fast), more, 0.02);
}
