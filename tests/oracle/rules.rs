//! Rules of memory and step times, each with the value that it gives, worked out in its test: what a slip in one
//! factor would change.

use tokentide::internals::perf::roofline::memory::AcceleratorMemory;
use tokentide::internals::perf::roofline::memory_of;
use tokentide::internals::perf::roofline::step_parts::Explained;
use tokentide::internals::perf::{MixedLoad, StepTimes};
use tokentide::internals::scenario::{Role, Scenario};

use crate::points::{Case, PLAIN, mixed, pool, read, unit, well_formed};

fn near(found: f64, by_hand: f64) {
    let off = (found / by_hand - 1.0).abs();
    assert!(off < 1e-6, "{found:e}, by hand {by_hand:e}");
}

fn copy(model: &'static str, degrees: [u32; 5]) -> Case {
    mixed(model, ("h200", 8), "vllm", degrees)
}

fn memory(scenario: &Scenario, role: Role) -> AcceleratorMemory {
    let pool = pool(scenario, role);
    memory_of(&unit(scenario, pool), scenario, pool)
}

fn decode(scenario: &Scenario, role: Role, requests: f64, kv: f64) -> Explained {
    let unit = unit(scenario, pool(scenario, role));
    unit.explain_decode(requests, unit.kv_of(requests, kv))
}

fn part(step: &Explained, name: &str) -> f64 {
    let found = step.parts.iter().find(|p| p.name == name);
    found.map_or(0.0, |p| p.seconds)
}

/// 80 layers, each with one after attention and one after its network, of 1,024 x 8,192 numbers of 2 bytes.
#[test]
fn a_layer_has_two_all_reduces() {
    let case = copy("llama-3.3-70b", [4, 1, 1, 1, 0]);
    let scenario = case.scenario();
    let unit = unit(&scenario, pool(&scenario, Role::Mixed));
    let step = unit.explain_prefill(1024.0, 1024.0 * 512.5, 1.0);
    let c = |key| case.paper().c(key);
    let wire = 1.5 * 1024.0 * 8192.0 * 2.0 / (450e9 * c("scale_up_factor"));
    let own = 1e-6
        * c("launch_factor")
        * (c("all_reduce_latency_us") + 4.0 * c("all_reduce_latency_per_gpu_us"))
        + wire / c("all_reduce_efficiency");
    let ring = 4e-6 * c("ring_latency_per_gpu_us") + wire / c("ring_efficiency");
    near(part(&step, "all-reduce"), 2.0 * 80.0 * own.min(ring));
}

/// 8 KV heads over 4 accelerators: 2 on each, of 80 layers, keys and values, 128 numbers of 2 bytes; held and read.
#[test]
fn kv_heads_lie_over_the_accelerators_of_a_rank() {
    for (tensor, heads) in [(1, 8.0), (2, 4.0), (4, 2.0), (8, 1.0)] {
        let case = Case {
            gpu: ("b200", 8),
            ..copy("llama-3.3-70b", [tensor, 1, 1, 1, 0])
        };
        let scenario = case.scenario();
        let core = |kv| part(&decode(&scenario, Role::Mixed, 64.0, kv), "attention: core");
        let c = |key| case.paper().c(key);
        let rate = 8e12 * c("bandwidth_factor") * c("decode_attention_bandwidth");
        let read = 64.0 * 1000.0 * 80.0 * heads * 2.0 * 128.0 * 2.0;
        near(core(3000.0) - core(2000.0), read / rate);
        let held = memory(&scenario, Role::Mixed);
        near(held.kv_per_token, 80.0 * heads * 2.0 * 128.0 * 2.0);
        near(
            held.kv_tokens(),
            libm::floor(held.kv / (80.0 * heads * 512.0)),
        );
    }
}

/// 4 KV heads over 8 accelerators: one on each, held twice; so are their projections.
#[test]
fn kv_heads_that_do_not_go_round_are_held_whole() {
    let weights = |tensor| {
        let held = memory(
            &copy("qwen3-235b-a22b", [tensor, 1, 1, 1, 0]).scenario(),
            Role::Mixed,
        );
        near(held.kv_per_token, 94.0 * 2.0 * 128.0 * 2.0);
        held.weights
    };
    let (four, eight) = (weights(4), weights(8));
    // of what is divided half is left; keys and values of one head, and the router, stay
    let stays = 94.0 * 2.0 * (2.0 * 4096.0 * 128.0 + 4096.0 * 128.0);
    near(2.0 * eight - four, stays);
}

/// 32 layers x 8 heads x 128 numbers x 2 bytes, of keys and once more of values: in memory, and read in a step.
#[test]
fn kv_is_keys_and_values() {
    let case = mixed("llama-3.1-8b", ("h100", 8), "vllm", [1, 1, 1, 1, 0]);
    let scenario = case.scenario();
    let token = 32.0 * 8.0 * 128.0 * 2.0 * 2.0;
    near(scenario.kv.bytes_of_request(1000.0), 1000.0 * token);
    near(memory(&scenario, Role::Mixed).kv_per_token, token);
    let core = |kv| part(&decode(&scenario, Role::Mixed, 64.0, kv), "attention: core");
    let c = |key| case.paper().c(key);
    let rate = 3.35e12 * c("bandwidth_factor") * c("decode_attention_bandwidth");
    near(core(3000.0) - core(2000.0), 64.0 * 1000.0 * token / rate);
}

/// A second more of the host's time for prompts is a second more of each step that has any, and of no other.
#[test]
fn a_step_with_prompts_takes_the_host_s_time_for_prompts() {
    let step = |us: u32, chunk: u64| {
        let text = copy("llama-3.1-8b", [1, 1, 1, 1, 0]).text();
        let constants = format!("[performance]\nconstants = {{ host_prefill_us = {us} }}\n");
        let scenario = read(&text.replace("[performance]\n", &constants));
        let times = StepTimes::compile(&scenario).expect("compiles");
        let mut load = MixedLoad {
            requests: 8,
            kv_1024: 8 * 1024 * 1024,
            ..MixedLoad::default()
        };
        if chunk > 0 {
            load.add_chunk(chunk, 0, false);
        }
        let unit = unit(&scenario, pool(&scenario, Role::Mixed));
        let host = part(&unit.explain_prefill(1024.0, 1024.0 * 512.5, 1.0), "host");
        (times.mixed_step(&[load]).0, host)
    };
    let [(none, before), (some, after)] = [step(0, 512), step(1_000_000, 512)];
    assert_eq!(some - none, 1_000_000_000);
    near(after - before, 1.0);
    assert_eq!(step(0, 0).0, step(1_000_000, 0).0);
}

/// Each of 4 stages has a quarter of the layers: a step of one stage's batch passes all layers. Slopes of tables
/// are whole 2^-12 ps for each 1/1024 of a KV token and each pair.
#[test]
fn stages_divide_what_attention_runs_over() {
    let grows = |stages: u32| {
        let case = Case {
            gpu: ("b200", 8),
            ..copy("llama-3.3-70b", [1, stages, 1, 1, 0])
        };
        let scenario = case.scenario();
        let unit = unit(&scenario, pool(&scenario, Role::Mixed));
        let times = StepTimes::compile(&scenario).expect("compiles");
        let kv = |tokens: u64| {
            let step = unit.explain_decode(32.0, unit.kv_of(32.0, tokens as f64));
            let load = MixedLoad {
                requests: 32,
                kv_1024: 32 * tokens * 1024,
                ..MixedLoad::default()
            };
            (
                part(&step, "attention: core"),
                times.mixed_own(&load) as f64,
            )
        };
        let pairs = |context: u64| {
            let mut load = MixedLoad::default();
            load.add_chunk(1024, context, false);
            let step = unit.explain_prefill(1024.0, load.prefill.pairs as f64, 1.0);
            (
                part(&step, "attention: core"),
                times.mixed_own(&load) as f64,
            )
        };
        [
            (kv(3000), kv(1000), 32.0 * 2000.0 * 1024.0),
            (pairs(3000), pairs(1000), 1024.0 * 2000.0),
        ]
        .map(|(more, less, units)| (more.0 - less.0, more.1 - less.1, units / 4096.0))
    };
    for (one, four) in grows(1).into_iter().zip(grows(4)) {
        near(one.0, 4.0 * four.0);
        assert!(
            (one.1 - 4.0 * four.1).abs() < 4.0 * one.2,
            "{one:?}, of four {four:?}"
        );
        assert!((four.0 * 1e12 - four.1).abs() < one.2, "{four:?}");
    }
}

/// 18 of 36 layers keep 128 tokens, the others all.
#[test]
fn layers_with_a_window_read_and_hold_the_window_only() {
    let case = copy("gpt-oss-120b", [1, 1, 1, 1, 0]);
    let scenario = case.scenario();
    let token = 8.0 * 64.0 * 2.0 * 2.0;
    near(
        scenario.kv.bytes_of_request(4000.0),
        18.0 * (4000.0 + 128.0) * token,
    );
    let core = |kv| part(&decode(&scenario, Role::Mixed, 32.0, kv), "attention: core");
    let c = |key| case.paper().c(key);
    let rate = 4.8e12 * c("bandwidth_factor") * c("decode_attention_bandwidth");
    near(
        core(4000.0) - core(2000.0),
        18.0 * 32.0 * 2000.0 * token / rate,
    );
    near(core(128.0) - core(64.0), 36.0 * 32.0 * 64.0 * token / rate);
}

#[test]
fn tied_embeddings_are_held_once() {
    let weights = |tied: bool| {
        let text = copy("llama-3.1-8b", [2, 1, 1, 1, 0]).text();
        let model = format!("model = {{ base = 'llama-3.1-8b', tied_embeddings = {tied} }}");
        memory(
            &read(&text.replace("model = 'llama-3.1-8b'", &model)),
            Role::Mixed,
        )
        .weights
    };
    near(
        weights(false) - weights(true),
        128_256.0 * 4096.0 * 2.0 / 2.0,
    );
}

/// 58 layers of experts of 3 x 7,168 x 2,048 numbers in FP8.
const EXPERT: f64 = 58.0 * 3.0 * 7168.0 * 2048.0;

fn deepseek(ranks: u32, redundant: u32) -> Scenario {
    let case = Case {
        model: "deepseek-v3",
        gpu: ("h800", 8),
        engine: "deepseek-2025-02",
        degrees: [1, 1, ranks, ranks, redundant],
        overlap: "off",
        role: Role::Decode,
        ..PLAIN
    };
    well_formed(&case.text())
}

/// 256 experts: 4 on each of 64 accelerators, 2 on each of 128.
#[test]
fn experts_lie_over_the_accelerators_that_hold_them() {
    let weights = |ranks| memory(&deepseek(ranks, 0), Role::Decode).weights;
    near(weights(64) - weights(128), 2.0 * EXPERT);
}

/// 64 copies on 64 accelerators: one expert more on each.
#[test]
fn copies_of_experts_take_memory() {
    let weights = |redundant| memory(&deepseek(64, redundant), Role::Decode).weights;
    near(weights(64) - weights(0), EXPERT);
}

/// Each token sends 8 messages a layer, 7,168 bytes and 4 more for 128, and gets back twice 7,168.
#[test]
fn tokens_go_to_experts_in_fp8_and_come_back_in_bf16() {
    let text = deepseek(64, 0).resolved_toml().to_owned();
    assert!(text.contains("even_router = false"), "{text}");
    let scenario = well_formed(&text.replace("even_router = false", "even_router = true"));
    let of = |name, requests| part(&decode(&scenario, Role::Decode, requests, 1000.0), name);
    let paper = Case {
        engine: "deepseek-2025-02",
        gpu: ("h800", 8),
        ..copy("deepseek-v3", [1; 5])
    }
    .paper();
    let messages = 58.0 * 8.0 * 64.0;
    for (name, key, bytes) in [
        (
            "dispatch, exposed",
            "low_latency_dispatch",
            7168.0 * 33.0 / 32.0,
        ),
        ("combine, exposed", "low_latency_combine", 7168.0 * 2.0),
    ] {
        let more = of(name, 128.0) - of(name, 64.0);
        near(more, messages * bytes / (50e9 * paper.c(key)));
    }
}

/// One more layer, and 2 x 7,168 x 7,168 numbers in BF16, whatever the drafts; its KV of every token.
#[test]
fn a_draft_module_has_weights_and_kv() {
    let of = |drafts| {
        let case = Case {
            drafts,
            ..copy("deepseek-r1", [8, 1, 1, 1, 0])
        };
        memory(&case.scenario(), Role::Mixed)
    };
    let (none, one, three) = (of(0), of(1), of(3));
    let down = 7168.0 * (1536.0 + 576.0);
    let heads = 1536.0 * 128.0 * 192.0 + 512.0 * 128.0 * 256.0 + 128.0 * 128.0 * 7168.0;
    let experts = 257.0 * 3.0 * 7168.0 * 2048.0 / 8.0 + 7168.0 * 256.0 * 2.0;
    near(
        one.weights - none.weights,
        down + heads / 8.0 + experts + 4.0 * 7168.0 * 7168.0,
    );
    near(three.weights, one.weights);
    near(one.kv_per_token - none.kv_per_token, 576.0 * 2.0);
}

/// A model of one's own on one H200: so many layers with a window and of linear attention out of 48.
fn own_model(attention: &str, more: &str) -> Scenario {
    let text = copy("llama-3.1-8b", [1, 1, 1, 1, 0]).text();
    let model = format!(
        "model = {{ name = 'own', layers = 48, hidden = 4096, ffn = 8192, vocabulary = 32000, \
         grouped = {{ heads = 16, {attention} }}{more} }}"
    );
    read(&text.replace("model = 'llama-3.1-8b'", &model))
}

fn core(scenario: &Scenario, requests: f64, kv: f64) -> f64 {
    part(
        &decode(scenario, Role::Mixed, requests, kv),
        "attention: core",
    )
}

fn h200(key: &str) -> f64 {
    copy("llama-3.1-8b", [1; 5]).paper().c(key)
}

fn reading() -> f64 {
    4.8e12 * h200("bandwidth_factor") * h200("decode_attention_bandwidth")
}

/// 40 layers of 8 KV heads of 128 see 1,024 tokens, 8 of 2 KV heads of 256 all.
#[test]
fn layers_of_other_heads_read_and_compute_their_own() {
    let attention = "kv_heads = 8, head = 128, global_kv_heads = 2, global_head = 256, window_layers = 40, window = 1024";
    let scenario = own_model(attention, "");
    let (local, global) = (8.0 * 128.0 * 4.0, 2.0 * 256.0 * 4.0);
    near(
        scenario.kv.bytes_of_request(3000.0),
        40.0 * 1024.0 * local + 8.0 * 3000.0 * global,
    );
    let more = core(&scenario, 32.0, 3000.0) - core(&scenario, 32.0, 2000.0);
    near(more, 8.0 * 32.0 * 1000.0 * global / reading());
    let more = core(&scenario, 32.0, 1000.0) - core(&scenario, 32.0, 500.0);
    near(
        more,
        32.0 * 500.0 * (40.0 * local + 8.0 * global) / reading(),
    );
    // queries of 256 numbers in 8 layers, 128 in 40
    let unit = unit(&scenario, pool(&scenario, Role::Mixed));
    let of = |pairs| part(&unit.explain_prefill(1024.0, pairs, 1.0), "attention: core");
    let rate = 989e12 * h200("compute_factor") * h200("prefill_attention_compute");
    near(of(2e6) - of(1e6), 8.0 * 1e6 * 4.0 * 16.0 * 256.0 / rate);
    // the table says the same, its slopes rounded to 2^-12 ps
    let times = StepTimes::compile(&scenario).expect("compiles");
    let own = |tokens: u64| {
        let load = MixedLoad {
            requests: 32,
            kv_1024: 32 * tokens * 1024,
            window_1024: 32 * 1024 * 1024,
            ..MixedLoad::default()
        };
        times.mixed_own(&load) as f64 * 1e-12
    };
    let off = (own(3000) - own(2000)) / (8.0 * 32.0 * 1000.0 * global / reading());
    assert!((off - 1.0).abs() < 1e-4, "{off}");
}

/// 36 of 48 layers keep a state of 32 x 128 x 128 numbers in FP32 and three past inputs of 8,192 in BF16.
#[test]
fn layers_of_linear_attention_read_no_kv_but_their_states() {
    let attention = "kv_heads = 2, head = 256";
    let linear = ", linear = { layers = 36, key_heads = 16, key_head = 128, value_heads = 32, value_head = 128, convolution = 4 }";
    let (with, without) = (own_model(attention, linear), own_model(attention, ""));
    let token = 2.0 * 256.0 * 4.0;
    let more = |s: &Scenario| core(s, 32.0, 3000.0) - core(s, 32.0, 2000.0);
    near(more(&with), 12.0 * 32.0 * 1000.0 * token / reading());
    near(more(&without), 48.0 * 32.0 * 1000.0 * token / reading());
    let state = 32.0 * 128.0 * 128.0 * 4.0 + 3.0 * 8192.0 * 2.0;
    near(
        with.kv.bytes_of_request(1000.0),
        12.0 * 1000.0 * token + 36.0 * state,
    );
    let requests = core(&with, 64.0, 0.0) - core(&with, 32.0, 0.0);
    let kernels = core(&without, 64.0, 0.0) - core(&without, 32.0, 0.0);
    near(requests - kernels, 36.0 * 32.0 * 2.0 * state / reading());
}
