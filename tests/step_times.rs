//! Relations that step times from first principles must keep whatever their constants: better hardware,
//! evener experts and fewer layers never make a step slower; more work never makes it quicker; no step is
//! quicker than reading what it must read.

use tokentide::internals::catalog::{Attention, Compute, NumberFormat};
use tokentide::internals::perf::{DecodeLoads, MixedLoad, PrefillLoad, StepTimes, with_capacities};
use tokentide::internals::scenario::{KeyChange, Performance, Role, Scenario, load, load_str};
use tokentide::internals::units::SimDuration;

/// Expert-parallel pools of the published day, with and without drafts, and pools that mix prefill and
/// decode on a dense model and on one with experts.
fn scenarios() -> Vec<Scenario> {
    let day = |set: &[&str]| {
        let set: Vec<String> = set.iter().map(|s| (*s).to_string()).collect();
        load("deepseek-day", &set).expect("the scenario has no mistakes")
    };
    let mixed = |model: &str, engine: &str, ranks: u32| {
        let text = format!(
            "name = 'mixed'\nstart = 2026-01-05T12:00:00+00:00\nduration = '1min'\nmodel = '{model}'\n\
             node = {{ gpu = 'h100', gpus = 8, price_per_gpu_hour = 2.0 }}\n\
             kv_cache = {{ kind = 'fixed', hit_rate = 0.0 }}\n\
             [pools.mixed]\nnodes_per_unit = 1\nparallelism = {{ attention_data = {ranks} }}\n\
             max_batch_tokens = 8192\nmax_batch_requests = 256\nunits = 1\n\
             [performance]\nkind = 'roofline'\nengine = '{engine}'\n\
             [[class]]\nname = 'chat'\narrivals = {{ kind = 'poisson', requests_per_s = 1.0 }}\n\
             input = {{ kind = 'constant', value = 1000 }}\noutput = {{ kind = 'constant', value = 100 }}\n"
        );
        load_str("mixed", &text, &[]).unwrap_or_else(|m| panic!("{}", m.render(false)))
    };
    vec![
        day(&[]),
        day(&["mtp.drafts=0", "performance.experts.zipf=0.6352"]),
        day(&["performance.overlap='off'"]),
        mixed("llama-3.3-70b", "vllm", 1),
        mixed("gpt-oss-120b", "trtllm", 1),
    ]
}

/// A decode step of ranks that are alike, in a model without windows.
fn even(times: &StepTimes, ranks: usize, requests: u32, kv_1024: u64) -> SimDuration {
    times.decode_step(DecodeLoads {
        requests: &vec![requests; ranks],
        kv_1024: &vec![kv_1024; ranks],
        window_1024: &[],
    })
}

/// What of so many long requests' KV lies within windows, in 1/1024 token; 0 where no layer has one.
fn within(scenario: &Scenario, requests: u32) -> u64 {
    let architecture = scenario.model.architecture.as_ref();
    match architecture.map(|a| a.attention) {
        Some(Attention::Grouped {
            window_layers,
            window,
            ..
        }) if window_layers > 0 => u64::from(requests) * u64::from(window) * 1024,
        _ => 0,
    }
}

/// How long steps of many sizes last, in nanoseconds: of every pool, in one order.
fn steps(scenario: &Scenario) -> Vec<u64> {
    let scenario = with_capacities(scenario).expect("the model fits");
    let times = StepTimes::compile(&scenario).expect("the model compiles");
    let mut all = Vec::new();
    for pool in &scenario.pools {
        let ranks = pool.ranks as usize;
        match pool.role {
            Role::Prefill => {
                for (tokens, prompt) in [(64, 64), (1024, 512), (4096, 4096), (16_384, 2048)] {
                    let mut load = PrefillLoad::default();
                    (0..tokens / prompt).for_each(|_| load.add_chunk(prompt, 100));
                    all.push(times.prefill_step(&vec![load; ranks]).0);
                }
            }
            Role::Decode => {
                for (requests, kv) in [(1, 1), (8, 1000), (40, 2000), (96, 5000), (128, 8000)] {
                    let kv = u64::from(requests) * kv * 1024;
                    let step = even(&times, ranks, requests, kv);
                    all.push(step.0);
                }
            }
            Role::Mixed => {
                for (requests, chunk) in [(1, 0), (60, 0), (200, 0), (0, 4000), (100, 1000)] {
                    let mut load = MixedLoad {
                        requests,
                        kv_1024: u64::from(requests) * 1500 * 1024,
                        window_1024: within(&scenario, requests),
                        chunks: u32::from(chunk > 0),
                        joins: u32::from(chunk > 0),
                        ..MixedLoad::default()
                    };
                    load.prefill.add_chunk(chunk, 0);
                    all.push(times.mixed_step(&vec![load; ranks]).0);
                }
            }
        }
    }
    all
}

/// Asserts that a change never makes a step slower, and at least one quicker.
fn never_slower(what: &str, change: impl Fn(&Scenario) -> Vec<KeyChange>) {
    never_slower_among(what, &scenarios(), change);
}

/// Asserts the same among these scenarios.
fn never_slower_among(
    what: &str,
    scenarios: &[Scenario],
    change: impl Fn(&Scenario) -> Vec<KeyChange>,
) {
    let mut quicker = 0;
    for (number, plain) in scenarios.iter().enumerate() {
        let changes = change(plain);
        if changes.is_empty() {
            continue;
        }
        let better = plain.with(&changes).expect("a better one");
        for (step, (now, before)) in steps(&better).iter().zip(steps(plain)).enumerate() {
            // Tables are quantised: a picosecond per unit of what a step is linear in.
            assert!(
                *now <= before + before / 100_000 + 1,
                "{what}: step {step} of scenario {number} lasts {now} ns instead of {before}"
            );
            quicker += u32::from(*now < before);
        }
    }
    assert!(quicker > 0, "{what} makes no step quicker");
}

fn compute(scenario: &Scenario) -> Compute {
    let compute = scenario.node.gpu.compute;
    compute.expect("the catalog knows the accelerator")
}

/// A figure of the accelerator's data sheet.
fn sheet(key: &str, value: f64) -> KeyChange {
    KeyChange::set(format!("node.gpu.{key}"), value)
}

#[test]
fn more_bandwidth_never_makes_a_step_slower() {
    for factor in [1.01, 1.5, 10.0] {
        never_slower(&format!("{factor} x the memory bandwidth"), |s| {
            let bandwidth = compute(s).memory_bytes_per_s / 1e12 * factor;
            vec![sheet("compute.memory_tb_per_s", bandwidth)]
        });
        never_slower(&format!("{factor} x the scale-up bandwidth"), |s| {
            let bandwidth = compute(s).scale_up_bytes_per_s / 1e9 * factor;
            vec![sheet("compute.scale_up_gb_per_s", bandwidth)]
        });
        never_slower(&format!("{factor} x the network"), |s| {
            let bandwidth = s.node.gpu.nic.0 as f64 / 1e9 * factor;
            vec![sheet("nic_gb_per_s", bandwidth)]
        });
    }
}

#[test]
fn more_compute_never_makes_a_step_slower() {
    for factor in [1.01, 1.5, 10.0] {
        never_slower(&format!("{factor} x the compute"), |s| {
            let compute = compute(s);
            let figures = [
                ("compute.bf16_tflops", compute.bf16_per_s),
                ("compute.fp8_tflops", compute.fp8_per_s),
                ("compute.fp4_tflops", compute.fp4_per_s),
            ];
            let better = figures.map(|(key, value)| sheet(key, value / 1e12 * factor));
            better.to_vec()
        });
    }
}

#[test]
fn less_imbalance_never_makes_a_step_slower() {
    let zipf = |exponent: f64| KeyChange::set("performance.experts.zipf", exponent);
    for (from, to) in [(0.9, 0.6352), (0.6352, 0.3), (0.3, 0.0)] {
        let mut quicker = 0;
        for scenario in &scenarios()[..3] {
            let of = |exponent| steps(&scenario.with(&[zipf(exponent)]).expect("an exponent"));
            for (now, before) in of(to).iter().zip(of(from)) {
                // The placement is a heuristic: between two evenly placed popularities it may lose 1 %.
                assert!(
                    *now <= before + before / 100,
                    "popularity 1/k^{to} instead of 1/k^{from}: {now} ns instead of {before}"
                );
                quicker += u32::from(*now < before);
            }
        }
        assert!(
            quicker > 0,
            "1/k^{to} makes no step quicker than 1/k^{from}"
        );
    }
    never_slower("a router that gives every rank the same", |_| {
        vec![KeyChange::set("performance.experts.even_router", true)]
    });
}

#[test]
fn fewer_layers_never_make_a_step_slower() {
    for layers in [1, 4, 20] {
        never_slower(&format!("{layers} layers fewer"), |s| {
            let architecture = s.model.architecture.expect("a known model");
            let left = architecture.layers - layers;
            let mut changes = vec![KeyChange::set("model.layers", left)];
            if architecture.experts.is_none() {
                changes.push(KeyChange::set("model.dense_layers", left));
            }
            if let Attention::Grouped { window_layers, .. } = architecture.attention {
                let windows = window_layers.min(left);
                changes.push(KeyChange::set("model.grouped.window_layers", windows));
            }
            changes
        });
    }
}

#[test]
fn fewer_bits_never_make_a_step_slower() {
    // A host that starts kernels one by one has one more for each product of narrow numbers, so that steps that wait for
    // it may last longer; what accelerators do never does.
    let no_launches = KeyChange::set("performance.constants.host_kernel_us", 0.0);
    let without = |s: &Scenario| {
        s.with(std::slice::from_ref(&no_launches))
            .expect("a constant")
    };
    let scenarios: Vec<Scenario> = scenarios().iter().map(without).collect();
    never_slower_among("dense products in FP8 instead of BF16", &scenarios, |s| {
        let Performance::Roofline(roofline) = &s.performance else {
            panic!("from first principles")
        };
        let precision = &roofline.precision;
        if precision.gemm != NumberFormat::Bf16 {
            return Vec::new();
        }
        // experts stay what they are
        let same = KeyChange::set("performance.precision.experts", precision.experts.word());
        vec![KeyChange::set("performance.precision.gemm", "fp8"), same]
    });
}

#[test]
fn more_work_never_makes_a_step_quicker() {
    for scenario in &scenarios() {
        let scenario = with_capacities(scenario).expect("the model fits");
        let times = StepTimes::compile(&scenario).expect("the model compiles");
        for pool in &scenario.pools {
            let ranks = pool.ranks as usize;
            let mut last = 0;
            for n in 1..=128_u32 {
                let step = match pool.role {
                    Role::Decode => even(&times, ranks, n, u64::from(n) * 5000 * 1024),
                    Role::Prefill => {
                        let mut load = PrefillLoad::default();
                        load.add_chunk(u64::from(n) * 128, 0);
                        times.prefill_step(&vec![load; ranks])
                    }
                    Role::Mixed => {
                        let load = MixedLoad {
                            requests: n,
                            kv_1024: u64::from(n) * 1500 * 1024,
                            window_1024: within(&scenario, n),
                            ..MixedLoad::default()
                        };
                        times.mixed_step(&vec![load; ranks])
                    }
                };
                // Evener experts under a larger batch may outweigh one more request, by less than 1 %.
                assert!(
                    step.0 + step.0 / 100 >= last,
                    "pool {}: {n} last {} ns, one less {last}",
                    pool.name,
                    step.0
                );
                last = step.0;
            }
        }
    }
}

/// 24.2 GB of weights lie on an accelerator of EP144, and memory brings 3.35 TB in a second: 7.2 ms.
#[test]
fn one_request_waits_for_the_weights() {
    let day = load("deepseek-day", &["mtp.drafts=0".to_string()]).expect("no mistakes");
    let day = with_capacities(&day).expect("the model fits");
    let times = StepTimes::compile(&day).expect("the model compiles");
    let step = even(&times, 144, 1, 1024);
    assert!(step.0 > 7_200_000, "{} ns", step.0);
}
