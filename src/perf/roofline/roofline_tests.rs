//! What steps of whole units keep: how ranks meet, what crosses the network, what drafts and windows add.

use super::meet::Times;
use super::unit_shape::RooflineUnit;
use crate::catalog::Constant as C;
use crate::perf::{DecodeLoads, MixedLoad, PrefillLoad, StepTimes, with_capacities};
use crate::scenario::{Performance, Role, Scenario, load, load_str};

fn day(set: &[&str]) -> Scenario {
    let set: Vec<String> = set.iter().map(|s| (*s).to_string()).collect();
    let day = load("deepseek-day", &set).expect("no mistakes");
    with_capacities(&day).expect("the model fits")
}

fn mixed(model: &str, node: &str, pool: &str) -> Scenario {
    let text = format!(
        "name = 'mixed'\nstart = 2026-01-05T12:00:00+00:00\nduration = '1min'\nmodel = '{model}'\n\
         node = {{ {node}, price_per_gpu_hour = 2.0 }}\n\
         [pools.mixed]\nmax_batch_tokens = 2048\nmax_batch_requests = 64\nunits = 1\n{pool}\n\
         kv_capacity_tokens = 100000\n\
         [performance]\nkind = 'roofline'\nengine = 'vllm'\n\
         [[class]]\nname = 'chat'\narrivals = {{ kind = 'poisson', requests_per_s = 1.0 }}\n\
         input = {{ kind = 'constant', value = 2048 }}\noutput = {{ kind = 'constant', value = 100 }}\n"
    );
    load_str("mixed", &text, &[]).unwrap_or_else(|m| panic!("{}", m.render(false)))
}

fn with_unit<T>(scenario: &Scenario, role: Role, ask: impl Fn(&RooflineUnit<'_>) -> T) -> T {
    let Performance::Roofline(roofline) = &scenario.performance else {
        panic!("step times come from first principles")
    };
    let pool = scenario.pools.iter().find(|p| p.role == role);
    let pool = pool.expect("such a pool");
    ask(&RooflineUnit::of(scenario, pool, roofline).expect("all is known"))
}

fn times(scenario: &Scenario) -> StepTimes {
    StepTimes::compile(scenario).expect("the model compiles")
}

fn decode(times: &StepTimes, requests: &[u32], kv_1024: &[u64]) -> u64 {
    let loads = DecodeLoads {
        requests,
        kv_1024,
        window_1024: &[],
    };
    times.decode_step(loads).0
}

/// A prefill step of `rank` prompt tokens on the first rank and `others` on each of the rest.
fn prompts(times: &StepTimes, ranks: usize, rank: u64, others: u64) -> u64 {
    let of = |tokens: u64| {
        let mut load = PrefillLoad::default();
        load.add_chunk(tokens, 0);
        load
    };
    let mut loads = vec![of(others); ranks];
    loads[0] = of(rank);
    times.prefill_step(&loads).0
}

#[test]
fn a_busy_rank_adds_its_own_part_only() {
    let times = times(&day(&["performance.overlap='off'"]));
    let kv = |n: u32| u64::from(n) * 5000 * 1024;
    let step = |requests: &[u32]| {
        let kv: Vec<u64> = requests.iter().map(|n| kv(*n)).collect();
        decode(&times, requests, &kv)
    };
    let even = step(&[88; 144]);
    // ten requests of ten others come to one rank: the total, and with it the experts' part, stays
    let mut requests = [88; 144];
    requests[17] = 98;
    requests[20..30].fill(87);
    let own = |n| times.decode_own(n, kv(n), 0);
    let more = (own(98) - own(88)) / 1000;
    let busy = step(&requests);
    assert!(more > 1_000_000, "{more} ns");
    assert!(
        (even + more).abs_diff(busy) <= 1,
        "{busy} ns, {even} if even, {more} more on one rank"
    );
    // one more request there: the experts see one among twelve thousand
    requests[17] = 99;
    let one_more = step(&requests) - busy;
    let of_own = (own(99) - own(98)) / 1000;
    assert!(
        one_more >= of_own && one_more < of_own + busy / 500,
        "{one_more} ns for one more, {of_own} by its rank"
    );
}

#[test]
fn a_rank_that_is_alone_sends_and_receives_by_itself() {
    let day = day(&["performance.overlap='off'", "mtp.drafts=0"]);
    let times = times(&day);
    let mut requests = [0; 144];
    requests[3] = 128;
    let kv = requests.map(|n| u64::from(n) * 1024 * 1024);
    let alone = decode(&times, &requests, &kv);
    // 128 tokens x 8 experts x 7,168 numbers, out with 33/32 bytes each and back with 2, through 50 GB/s, in
    // 58 layers with experts: the mean over 144 ranks would send less than a hundredth of it
    let wire = 58.0 * 128.0 * 8.0 * 7168.0 * (33.0 / 32.0 + 2.0) / 50e9;
    let own = times.decode_own(128, kv[3], 0) as f64 * 1e-12;
    assert!(
        alone as f64 * 1e-9 > own + wire,
        "{alone} ns, own part {own} s, on the wire {wire} s"
    );
}

/// One token of a unit of 144 goes through eight experts, each on an accelerator that must read it: 3 matrices of
/// 7,168 x 2,048 bytes, 3.35 TB a second.
#[test]
fn one_token_reads_a_whole_expert() {
    let experts = with_unit(&day(&["mtp.drafts=0"]), Role::Decode, |unit| {
        unit.routed(super::step::Batch::decode(1.0 / 144.0)).experts
    });
    let read = 3.0 * 7_168.0 * 2_048.0 / 3.35e12;
    assert!(experts > read, "{experts} s, {read} to read an expert");
}

/// The formulas of steps of even ranks, written out part by part.
#[test]
fn even_ranks_take_what_one_formula_says() {
    let close = |a: f64, b: f64| assert!((a / b - 1.0).abs() < 1e-12, "{a} is not {b}");
    for set in [&[][..], &["mtp.drafts=0"]] {
        let day = day(set);
        for n in [1.0, 20.0, 88.0, 128.0] {
            let by_hand = with_unit(&day, Role::Decode, |unit| {
                let kv = unit.kv_of(n, 5_000.0);
                let (moe, dense) = unit.layers(true);
                let once = unit.decode_once(n);
                let of = |micro: f64| {
                    let batch = super::step::Batch::decode(n / micro);
                    (unit.parts(batch), unit.routed(batch))
                };
                let core = unit
                    .attention()
                    .decode_core(&unit.machine, unit.queries)
                    .unit
                    * kv.tokens;
                let (p, r) = of(1.0);
                let attention = p.before + p.core + core + p.after + p.all_reduce;
                let plain = once.head
                    + once.host
                    + moe * (attention + p.gate + p.shared + r.experts)
                    + moe * (r.exchange.dispatch + r.exchange.combine)
                    + dense * (attention + p.dense);
                let (p, r) = of(2.0);
                let sm = unit.unpacking(n / 2.0);
                let first = r.exchange.dispatch.max(p.shared + p.before + sm);
                let second = (p.after + p.gate + p.core + core / 2.0 + sm).max(r.exchange.combine);
                let attention = p.before + p.core + core / 2.0 + p.after;
                let overlapped = once.head
                    + once.host
                    + 2.0 * moe * (first + r.experts + second)
                    + 2.0 * dense * (attention + p.dense);
                let Times {
                    plain: a,
                    overlapped: b,
                } = unit.decode_times(n, kv);
                close(a, plain);
                close(b, overlapped);
                plain.min(overlapped)
            });
            // the table takes the next larger of 512 totals to an octave, and slopes of 2^-12 ps
            let kv = vec![n as u64 * 5_000 * 1024; 144];
            let step = decode(&times(&day), &[n as u32; 144], &kv) as f64 * 1e-9;
            assert!(
                step > by_hand * (1.0 - 2e-6) && step < by_hand * 1.002,
                "{step} s in the table, {by_hand} by hand"
            );
        }
    }
}

#[test]
fn a_prompt_on_one_rank_does_not_fill_the_experts_of_all() {
    let day = day(&["performance.overlap='off'"]);
    let times = times(&day);
    let (one, all) = (
        prompts(&times, 32, 16_384, 1_024),
        prompts(&times, 32, 16_384, 16_384),
    );
    let (before, after) = with_unit(&day, Role::Prefill, |unit| {
        let shared = |tokens: f64| {
            let part = unit.prefill_shared(tokens).plain;
            part.experts
        };
        (shared((16_384.0 + 31.0 * 1_024.0) / 32.0), shared(16_384.0))
    });
    let less = (after - before) * 1e9;
    assert!(less > 0.5e9, "{less} ns");
    assert!(
        (all - one) as f64 > less * 0.999,
        "{one} ns with one full rank, {all} with all of them; experts take {less} less"
    );
}

/// 80 layers x 2 all-reduces of 2,048 x 8,192 x 2 bytes, of which half goes each way, through 20 GB/s: 268 ms.
#[test]
fn what_crosses_nodes_takes_the_network() {
    let over = |gbs: f64, gpus: u32| {
        let node = format!("gpu = {{ base = 'h200', nic_gb_per_s = {gbs} }}, gpus = {gpus}");
        let scenario = mixed(
            "llama-3.3-70b",
            &node,
            "gpus_per_unit = 2\nparallelism = { tensor = 2 }",
        );
        let mut load = MixedLoad {
            chunks: 1,
            joins: 1,
            ..MixedLoad::default()
        };
        load.prefill.add_chunk(2048, 0);
        times(&scenario).mixed_step(&[load]).0 as f64 * 1e-9
    };
    let bytes = 80.0 * 2.0 * 2_048.0 * 8_192.0 * 2.0;
    let (slow, quick, inside) = (over(10.0, 1), over(20.0, 1), over(20.0, 8));
    let off = (slow - quick) / (bytes / 20e9) - 1.0;
    assert!(off.abs() < 0.001, "{slow} and {quick} s");
    assert!(
        quick - inside > 0.9 * (bytes / 20e9 - bytes / 450e9 / 0.39),
        "{quick}, {inside}"
    );
    assert!((over(10.0, 8) - inside).abs() < 1e-9);
}

#[test]
fn cards_without_a_scale_up_link_talk_over_their_host() {
    let step = |host: f64| {
        let node = format!(
            "gpu = {{ base = 'h200', host_gb_per_s = {host}, compute = {{ memory_tb_per_s = 4.8, bf16_tflops = 989, \
             scale_up_gb_per_s = 1000000, scale_up_gpus = 1 }} }}, gpus = 8"
        );
        let scenario = mixed(
            "llama-3.3-70b",
            &node,
            "gpus_per_unit = 2\nparallelism = { tensor = 2 }",
        );
        let mut load = MixedLoad {
            chunks: 1,
            ..MixedLoad::default()
        };
        load.prefill.add_chunk(2048, 0);
        times(&scenario).mixed_step(&[load]).0 as f64 * 1e-9
    };
    let bytes = 80.0 * 2.0 * 2_048.0 * 8_192.0 * 2.0;
    // of two cards each has 52 % of its link
    let off = (step(10.0) - step(20.0)) / (bytes / (0.52 * 20e9)) - 1.0;
    assert!(off.abs() < 0.001, "{off}");
}

/// Half of a batch on two stages passes one boundary at a time.
#[test]
fn stages_of_a_pipeline_hand_on_their_stream() {
    let stages = |gpus: u32| {
        let node = format!("gpu = 'h200', gpus = {gpus}");
        let pool = "gpus_per_unit = 2\nparallelism = { tensor = 1, pipeline = 2 }";
        let scenario = mixed("llama-3.3-70b", &node, pool);
        with_unit(&scenario, Role::Mixed, |unit| unit.between_stages(2_048.0))
    };
    let bytes = 1_024.0 * 8_192.0 * 2.0;
    assert!((stages(1) / (bytes / 50e9) - 1.0).abs() < 1e-12);
    assert!((stages(8) / (bytes / 450e9) - 1.0).abs() < 1e-12);
}

/// A rack of 18 nodes with 4 accelerators each is one scale-up domain: experts' tokens stay inside.
#[test]
fn a_domain_that_spans_nodes_needs_no_network() {
    let exchange = |gpu: &str, nic: f64| {
        let day = day(&[
            &format!("node.gpu={{ base = '{gpu}', nic_gb_per_s = {nic} }}"),
            "node.gpus=4",
            "node.fleet=2000",
            "pools.decode.nodes_per_unit=18",
            "pools.decode.parallelism.attention_data=72",
            "pools.decode.parallelism.experts=72",
            "pools.prefill.nodes_per_unit=8",
            "performance.engine='sglang-deepep'",
            "performance.overlap='off'",
        ]);
        with_unit(&day, Role::Decode, |unit| {
            unit.decode_shared(64.0).plain.dispatch
        })
    };
    assert_eq!(exchange("gb200", 50.0), exchange("gb200", 10.0));
    assert!(exchange("b200", 10.0) > 2.0 * exchange("b200", 50.0));
}

/// Two ranks whose experts lie over all accelerators compute both ranks' tokens, after they are gathered.
#[test]
fn experts_in_parts_see_the_tokens_of_all_ranks() {
    let unit = |ranks: u32| {
        let pool = format!(
            "gpus_per_unit = 8\nparallelism = {{ attention_data = {ranks}, tensor = {} }}",
            8 / ranks
        );
        mixed("gpt-oss-120b", "gpu = 'h200', gpus = 8", &pool)
    };
    let routed = |ranks: u32, tokens: f64| {
        with_unit(&unit(ranks), Role::Mixed, |unit| {
            unit.routed(super::step::Batch::decode(tokens))
        })
    };
    let (one, two) = (routed(1, 64.0), routed(2, 32.0));
    assert_eq!(one.experts, two.experts);
    let bytes = 64.0 * 2880.0 * 2.0;
    with_unit(&unit(2), Role::Mixed, |unit| {
        let all = unit.machine.all_reduce(8.0, bytes);
        assert_eq!(two.exchange.dispatch + two.exchange.combine, all);
        assert!(all > super::kernel::US * unit.machine.get(C::AllReduceLatency));
    });
    // and a step follows the tokens of both, wherever they are
    let times = times(&unit(2));
    let step = |a: u32, b: u32| {
        let load = |n: u32| MixedLoad {
            requests: n,
            kv_1024: u64::from(n) * 1024 * 100,
            window_1024: u64::from(n) * 1024 * 100,
            ..MixedLoad::default()
        };
        times.mixed_step(&[load(a), load(b)]).0
    };
    assert_eq!(step(48, 16), step(16, 48));
    assert!(step(48, 16) < step(48, 48));
    assert!(step(48, 16) > step(48, 0));
}

#[test]
fn what_lies_within_windows_is_read() {
    let scenario = mixed(
        "gpt-oss-120b",
        "gpu = 'h200', gpus = 8",
        "gpus_per_unit = 1\nparallelism = { tensor = 1 }",
    );
    let times = times(&scenario);
    let own = |tokens: u64, window: u64| {
        times.mixed_own(&MixedLoad {
            requests: 32,
            kv_1024: 32 * tokens * 1024,
            window_1024: 32 * window * 1024,
            ..MixedLoad::default()
        }) as f64
    };
    // half of the layers have a window: a token within it costs what one costs in the others
    let window = own(128, 128) - own(128, 0);
    let whole = own(256, 0) - own(128, 0);
    assert!(
        window > 0.0 && (window / whole - 1.0).abs() < 1e-3,
        "{window} {whole}"
    );
    assert!(own(50, 50) < own(128, 128));
}

/// Each draft is one more pass through the module's layer and head, and one more token to verify.
#[test]
fn a_draft_is_a_layer_and_a_head() {
    let parts = |drafts: u32| {
        let set = format!("mtp.drafts={drafts}");
        with_unit(&day(&[&set]), Role::Decode, |unit| {
            let head = unit
                .network()
                .head(&unit.machine, 32.0 * unit.queries, unit.tensor);
            (
                unit.queries,
                unit.layers(true),
                unit.decode_once(32.0).head / head,
            )
        })
    };
    assert_eq!(parts(0), (1.0, (58.0, 3.0), 1.0));
    assert_eq!(parts(1), (2.0, (59.0, 3.0), 2.0));
    assert_eq!(parts(3), (4.0, (61.0, 3.0), 4.0));
}

/// Work that waits is counted as a full batch on every rank takes it.
#[test]
fn work_goes_at_the_pace_of_full_batches() {
    let day = day(&[]);
    let times = times(&day);
    let mut load = PrefillLoad::default();
    (0..8).for_each(|_| load.add_chunk(2_048, 0));
    let step = times.prefill_step(&[load; 32]).0 as f64 * 1e3;
    let work = times.prefill_work(load.tokens, load.pairs) as f64;
    assert!((work / step - 1.0).abs() < 0.02, "{work} ps, a step {step}");
    // far beyond a batch nothing wraps
    assert!(times.prefill_work(1 << 30, 1 << 45) > times.prefill_work(1 << 30, 1 << 44));
}

#[test]
fn parts_add_up_whatever_the_parallelism() {
    for (model, pool) in [
        (
            "gpt-oss-120b",
            "gpus_per_unit = 8\nparallelism = { attention_data = 2, tensor = 4 }",
        ),
        (
            "gpt-oss-120b",
            "gpus_per_unit = 8\nparallelism = { tensor = 8, experts = 8 }",
        ),
        (
            "llama-3.3-70b",
            "gpus_per_unit = 16\nparallelism = { tensor = 4, pipeline = 4 }",
        ),
    ] {
        let scenario = mixed(model, "gpu = 'h200', gpus = 8", pool);
        let explained = with_unit(&scenario, Role::Mixed, |unit| {
            [
                unit.explain_decode(32.0, unit.kv_of(32.0, 3_000.0)),
                unit.explain_prefill(2_048.0, 2_048.0 * 1_024.0, 2.0),
            ]
        });
        for step in explained {
            let sum: f64 = step.parts.iter().map(|p| p.seconds).sum();
            assert!((sum / step.step_s - 1.0).abs() < 1e-9, "{sum}: {step:#?}");
            let both = step.own_s + step.shared_s;
            assert!((both / step.step_s - 1.0).abs() < 1e-9, "{both}: {step:#?}");
        }
    }
}
