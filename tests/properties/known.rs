//! Runs whose figures are known beforehand, to the nanosecond and the cent: targets, seconds of the calendar,
//! accelerators of a node, interfaces of a rank, intervals of totals, and draws of classes.

use tokentide::internals::experiment::run;
use tokentide::internals::report::summary::RunSummary;
use tokentide::internals::scenario::{Scenario, load_str};
use tokentide::internals::units::SimTime;
use tokentide::internals::workload::{Request, Workload};

fn read(text: &str) -> Scenario {
    load_str("known", text, &[]).unwrap_or_else(|mistakes| panic!("{mistakes}\n{text}"))
}

fn played(text: &str) -> RunSummary {
    run(&read(text), 1).unwrap_or_else(|why| panic!("{why}"))
}

/// One recorded request of 100 tokens at one second; a prompt takes 3 ms, a step of decode 7 ms.
fn one_request(output: u32, slo: &str) -> RunSummary {
    played(&format!(
        "name = 'known'\nstart = 2026-01-05T00:00:00Z\nduration = '10s'\n\
         model = {{ name = 'none', kv_bytes_per_token = 1000 }}\n\
         node = {{ gpu = 'h100', gpus = 1, price_per_gpu_hour = 0.0 }}\n\
         pools.mixed = {{ nodes_per_unit = 1, kv_capacity_tokens = 10000, max_batch_tokens = 1000, units = 1 }}\n\
         performance = {{ kind = 'linear', prefill = {{ base = '3ms' }}, decode = {{ base = '7ms' }} }}\n\
         [[class]]\nname = 'a'\nslo = {{ {slo} }}\n\
         arrivals = {{ kind = 'trace', csv = {{ text = \"arrived_s,input_tokens,output_tokens,cached_tokens\\n\
         1.0,100,{output},0\\n\" }} }}\n"
    ))
}

/// The first token leaves after 3,000,000 ns, each other one 7,000,000 ns later.
#[test]
fn a_target_met_to_the_nanosecond_is_met() {
    let attained = |output, slo: &str| {
        let summary = one_request(output, slo);
        assert_eq!(summary.requests.completed, 1);
        let slo = summary.classes["a"].slo;
        slo.expect("a target").attainment
    };
    for (slo, met) in [
        ("ttft_s = 0.003", 1.0),
        ("ttft_s = 0.002999999", 0.0),
        ("tpot_s = 0.007", 1.0),
        ("tpot_s = 0.006999999", 0.0),
        ("ttft_s = 0.003, tpot_s = 0.007", 1.0),
    ] {
        assert_eq!(attained(5, slo), Some(met), "{slo}");
    }
    // of one token there is no time between tokens
    assert_eq!(attained(1, "tpot_s = 0.000000001"), Some(1.0));
}

/// Ten requests a second come, five are served, each in 0.2 s: the k-th comes at k / 10 and has its token
/// k / 10 + 0.1 s later. 99 of 199 are done after 20 s, 9 of them in time; of the 100 who wait, 90 have waited longer than
/// the target, and whoever came at 19 s exactly as long.
#[test]
fn who_still_waits_is_judged_when_the_target_has_passed() {
    let summary = played(
        "name = 'known'\nstart = 2026-01-05T00:00:00Z\nduration = '20s'\n\
         model = { name = 'none', kv_bytes_per_token = 1000 }\n\
         node = { gpu = 'h100', gpus = 1, price_per_gpu_hour = 0.0 }\n\
         pools.mixed = { nodes_per_unit = 1, kv_capacity_tokens = 1000000, max_batch_tokens = 1000, units = 1 }\n\
         performance = { kind = 'linear', prefill = { per_token = '200us' }, decode = { base = '1ms' } }\n\
         [[class]]\nname = 'a'\nslo = { ttft_s = 1.0 }\n\
         arrivals = { kind = 'deterministic', requests_per_s = 10 }\n\
         input = { kind = 'constant', value = 1000 }\noutput = { kind = 'constant', value = 1 }\n",
    );
    let class = &summary.classes["a"];
    assert_eq!(
        (class.requests.arrived, class.requests.completed),
        (199, 99)
    );
    assert_eq!(class.requests.in_flight, 100);
    let slo = class.slo.expect("a target");
    assert_eq!((slo.judged, slo.attainment), (189, Some(9.0 / 189.0)));
    assert_eq!(class.without_first_token, 100);
    assert_eq!(class.longest_wait_s, Some(10.0));
    let says = |text: &&String| text.contains("100 of 199, the longest for 10");
    assert_eq!(summary.warnings.iter().filter(says).count(), 1);
}

/// Its first token leaves at 1.003 s; 8.997 s later, when the run ends, 3,714 of 5,000 are still to come.
#[test]
fn an_answer_that_outlives_its_targets_has_missed_them_before_it_ends() {
    for (slo, judged) in [
        ("ttft_s = 0.003, tpot_s = 0.007", 0),
        ("ttft_s = 0.002999999", 1),
        ("tpot_s = 0.001799760", 0),
        ("tpot_s = 0.001799759", 1),
    ] {
        let summary = one_request(5000, slo);
        let class = &summary.classes["a"];
        assert_eq!(
            (class.requests.in_flight, class.without_first_token),
            (1, 0)
        );
        let of = class.slo.expect("a target");
        // somebody came, and nobody was served in time
        assert_eq!((of.judged, of.attainment), (judged, Some(0.0)), "{slo}");
    }
}

/// From 12:00:30.25 on, 12:01 comes after 29.75 s: with one unit more, and at half the price.
#[test]
fn the_day_begins_at_the_second_that_start_says() {
    let text = |start: &str| {
        format!(
            "name = 'known'\nstart = 2026-01-05T{start}Z\nduration = '60s'\n\
             model = {{ name = 'none', kv_bytes_per_token = 1000 }}\n\
             node = {{ gpu = 'h100', gpus = 1, price_per_gpu_hour = 0.0 }}\n\
             performance = {{ kind = 'linear', prefill = {{ base = '1s' }} }}\n\
             [pools.prefill]\nnodes_per_unit = 1\nmax_batch_tokens = 1000\n\
             units = {{ schedule = [['00:00', 2], ['12:01', 3]], start_up = '0s', drain = '0s' }}\n\
             [[class]]\nname = 'a'\n\
             price = {{ hit_usd_per_million = 0.0, miss_usd_per_million = 1000.0, output_usd_per_million = 0.0, \
             discounts = [{{ from_utc = '12:01', to_utc = '13:00', hit_usd_per_million = 0.0, \
             miss_usd_per_million = 500.0, output_usd_per_million = 0.0 }}] }}\n\
             arrivals = {{ kind = 'trace', csv = {{ text = \"arrived_s,input_tokens,output_tokens,cached_tokens\\n\
             28.5,1000,1,0\\n28.8,1000,1,0\\n\" }} }}\n"
        )
    };
    let hours = |start: &str| {
        let summary = played(&text(start));
        (
            summary.nodes.node_hours * 3600.0,
            summary.economics.revenue_usd,
        )
    };
    let close = |found: (f64, f64), by_hand: (f64, f64)| {
        let off = (found.0 - by_hand.0).abs() + (found.1 - by_hand.1).abs();
        assert!(off < 1e-9, "{found:?}, by hand {by_hand:?}");
    };
    // done at 29.5 s, and at 29.8 s
    close(hours("12:00:30.25"), (2.0 * 29.75 + 3.0 * 30.25, 1.0 + 0.5));
    close(hours("12:00:30"), (2.0 * 30.0 + 3.0 * 30.0, 2.0));
    close(hours("12:00:00"), (2.0 * 60.0, 2.0));
    close(hours("12:00:45"), (2.0 * 15.0 + 3.0 * 45.0, 1.0));
}

/// Units of 4 H100 on nodes of 8: 3 units lie on 2 nodes, all 16 accelerators of which are paid and draw.
#[test]
fn every_accelerator_of_a_node_is_paid_and_draws_power() {
    let text = "name = 'known'\nstart = 2026-01-05T00:00:00Z\nduration = '1h'\n\
         model = { name = 'none', kv_bytes_per_token = 1000 }\n\
         node = { gpu = 'h100', gpus = 8, price_per_gpu_hour = 2.5 }\n\
         performance = { kind = 'linear', prefill = { base = '36s' }, decode = { base = '36s' } }\n\
         [pools.mixed]\ngpus_per_unit = 4\nparallelism = { tensor = 4 }\nkv_capacity_tokens = 10000\n\
         max_batch_tokens = 1000\nunits = 3\n\
         [[class]]\nname = 'a'\n\
         arrivals = { kind = 'trace', csv = { text = \"arrived_s,input_tokens,output_tokens,cached_tokens\\n\
         1.0,100,11,0\\n\" } }\n";
    let summary = played(text);
    let close = |found: Option<f64>, by_hand: f64| {
        let off = found.map_or(f64::NAN, |x| (x - by_hand).abs());
        assert!(off < 1e-9, "{found:?}, by hand {by_hand}");
    };
    close(Some(summary.nodes.node_hours), 2.0);
    close(Some(summary.economics.cost_usd), 16.0 * 2.5);
    // 119 W idle, 300 in ten steps that generate, 700 in the one that computes the prompt
    let more = 4.0 * (360.0 * (0.300 - 0.119) + 36.0 * (0.700 - 0.119)) / 3600.0;
    close(summary.economics.energy_kwh, 16.0 * 0.119 + more);
    close(summary.economics.energy_overhead_kwh, 16.0 * 1.03);
}

/// 8 x 50 GB/s take 400 tokens of 100 MB in 100 ms, 2 x 50 GB/s in 400 ms.
#[test]
fn a_rank_has_the_interfaces_of_all_its_accelerators() {
    let first_token = |tensor: u32| {
        let text = format!(
            "name = 'known'\nstart = 2026-01-05T00:00:00Z\nduration = '60s'\n\
             model = {{ name = 'none', kv_bytes_per_token = 100000000 }}\n\
             node = {{ gpu = 'h100', gpus = 8, price_per_gpu_hour = 0.0 }}\n\
             transfer = {{ latency = '0s', overlap = 0.0 }}\nfirst_token = 'decode'\n\
             performance = {{ kind = 'linear', prefill = {{ base = '1s' }}, decode = {{ base = '1s' }} }}\n\
             [pools.prefill]\ngpus_per_unit = 8\nmax_batch_tokens = 1000\nunits = 1\n\
             parallelism = {{ tensor = {tensor} }}\n\
             [pools.decode]\ngpus_per_unit = 8\nkv_capacity_tokens = 10000\nunits = 1\n\
             parallelism = {{ tensor = 8 }}\n\
             [[class]]\nname = 'a'\n\
             arrivals = {{ kind = 'trace', csv = {{ text = \"arrived_s,input_tokens,output_tokens,cached_tokens\\n\
             1.0,400,2,0\\n\" }} }}\n"
        );
        played(&text).latency.ttft_s.max
    };
    assert_eq!(first_token(8), Some(2.1));
    assert_eq!(first_token(2), Some(2.4));
}

/// Poisson arrivals for a day: in each of 20 batches 3,600 of them, give or take 60.
fn long_run() -> RunSummary {
    played(
        "name = 'known'\nstart = 2026-01-05T00:00:00Z\nduration = '20h'\nwarm_up = '1h'\n\
         model = { name = 'none', kv_bytes_per_token = 1000 }\n\
         node = { gpu = 'h100', gpus = 1, price_per_gpu_hour = 2.0 }\n\
         pools.mixed = { nodes_per_unit = 1, kv_capacity_tokens = 100000, max_batch_tokens = 1000, units = 1 }\n\
         performance = { kind = 'linear', prefill = { base = '10ms' }, decode = { base = '10ms' } }\n\
         [[class]]\nname = 'a'\narrivals = { kind = 'poisson', requests_per_s = 1.0 }\n\
         input = { kind = 'constant', value = 100 }\noutput = { kind = 'constant', value = 10 }\n",
    )
}

/// The node is paid all the time: output tokens are their rate times 72,000 s, and so are their intervals. The
/// number of arrivals has the standard deviation of a Poisson count, 268.
#[test]
fn the_interval_of_a_total_is_its_rate_s_times_the_time() {
    let summary = long_run();
    let of = |path: &str| {
        summary
            .confidence
            .get(path)
            .unwrap_or_else(|| panic!("no interval of {path}"))
    };
    let total = of("tokens.output");
    let rate = of("throughput.decode_output_tokens_per_s_per_node");
    let figure = summary.throughput.decode_output_tokens_per_s_per_node;
    assert!((figure.expect("a rate") * 72_000.0 / summary.tokens.output - 1.0).abs() < 1e-9);
    for (total, rate) in [(total.low, rate.low), (total.high, rate.high)] {
        assert!(
            (total / (rate * 72_000.0) - 1.0).abs() < 1e-9,
            "{total}, not {rate} x 72,000"
        );
    }
    // Student's t of 19 or 9 degrees of freedom times what a deviation of so many batches may be
    for path in ["requests.arrived", "requests.completed"] {
        let half = of(path).half() / 72_000_f64.sqrt();
        assert!(
            (1.0..4.0).contains(&half),
            "{path}: {half} standard deviations"
        );
    }
    // ten tokens each, and nobody waits long
    let tokens = total.half() / of("requests.completed").half();
    assert!((tokens / 10.0 - 1.0).abs() < 0.01, "{tokens}");
}

/// Requests of a class, without its place among the classes.
fn requests_of(name: &str, classes: &[&str]) -> Vec<(SimTime, u32, u32, u32)> {
    let class = |name: &&str| {
        format!(
            "[[class]]\nname = '{name}'\narrivals = {{ kind = 'poisson', requests_per_s = 2.0 }}\n\
             hit_rate = 0.3\n\
             input = {{ kind = 'lognormal', mean = 1000, cv = 1.0 }}\n\
             output = {{ kind = 'lognormal', mean = 100, cv = 1.0 }}\n"
        )
    };
    let scenario = read(&format!(
        "name = 'known'\nstart = 2026-01-05T00:00:00Z\nduration = '10min'\n\
         model = {{ name = 'none', kv_bytes_per_token = 1000 }}\n\
         node = {{ gpu = 'h100', gpus = 1, price_per_gpu_hour = 0.0 }}\n\
         pools.mixed = {{ nodes_per_unit = 1, kv_capacity_tokens = 100000, max_batch_tokens = 1000, units = 1 }}\n\
         performance = {{ kind = 'linear', prefill = {{ base = '1ms' }}, decode = {{ base = '1ms' }} }}\n{}",
        classes.iter().map(class).collect::<String>()
    ));
    let index = scenario.classes.iter().position(|c| c.name == name);
    let index = index.expect("the class") as u16;
    let mut all: Vec<Request> = Vec::new();
    let mut workload = Workload::new(&scenario).unwrap_or_else(|why| panic!("{why}"));
    workload.fill(SimTime::NEVER, &mut all);
    let mine = all.iter().filter(|r| r.class == index);
    mine.map(|r| (r.at, r.input, r.output, r.cached)).collect()
}

#[test]
fn a_class_keeps_its_draws_whatever_stands_beside_it() {
    let alone = requests_of("b", &["b"]);
    assert!(alone.len() > 1000, "{}", alone.len());
    for classes in [
        &["a", "b"][..],
        &["b", "a"],
        &["c", "a", "b"],
        &["a", "b", "c"],
    ] {
        assert!(requests_of("b", classes) == alone, "{classes:?}");
    }
    let other = requests_of("a", &["a", "b"]);
    assert!(other != alone, "classes draw alike");
}
