//! What well-formed scenarios mean: text in, meaning out.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::units::Picoseconds;
use crate::units::{NS_PER_DAY, NS_PER_HOUR, NS_PER_S};

/// A small complete scenario; `more` comes before the first table, `class` into the class.
fn small(more: &str, class: &str) -> String {
    format!(
        r#"
        name = "small"
        start = 2025-02-27T12:30:00+08:00
        duration = "1h30min"
        model = "deepseek-v3"
        {more}
        node = {{ gpu = "h800", gpus = 8, price_per_gpu_hour = 2.0 }}
        [pools.decode]
        nodes_per_unit = 2
        parallelism = {{ attention_data = 8 }}
        kv_capacity_tokens = 1000
        units = {{ schedule = [["12:00", 3], ["00:00", 1], ["06:00", 2]], drain = "1min" }}
        [pools.prefill]
        nodes_per_unit = 1
        parallelism = {{ attention_data = 2 }}
        max_batch_tokens = 1e4
        units = 1
        [performance]
        kind = "linear"
        prefill = {{ base = "1.5ms", per_pair = "29.3ns" }}
        decode = {{ per_kv_token = "9004ps" }}
        [[class]]
        name = "a"
        input = {{ kind = "hyperexponential", mean = 100, cv = 2 }}
        output = {{ kind = "erlang", mean = 10, k = 4 }}
        {class}
        "#
    )
}

const POISSON: &str = "arrivals = { kind = \"poisson\", requests_per_day = 86400 }";

fn read(text: &str) -> Scenario {
    load_str("test", text, &[]).unwrap_or_else(|mistakes| panic!("{mistakes}"))
}

fn total(arrivals: &Arrivals) -> f64 {
    let of = |s: &RateSegment| {
        let seconds = (s.to.0 - s.from.0) as f64 / 1e9;
        0.5 * (s.rate_from_per_s + s.rate_to_per_s) * seconds
    };
    arrivals.rate.iter().map(of).sum()
}

#[test]
fn every_bundled_scenario_resolves_and_reproduces_itself() {
    for bundled in BUNDLED {
        let scenario = load(bundled.name, &[]).unwrap_or_else(|mistakes| panic!("{mistakes}"));
        let again = read(&scenario.resolved_toml);
        assert_eq!(
            scenario.resolved_toml, again.resolved_toml,
            "{}",
            bundled.name
        );
        assert_eq!(scenario.hash, again.hash);
        assert_eq!(
            scenario.classes[0].arrivals.rate,
            again.classes[0].arrivals.rate
        );
    }
}

#[test]
fn the_published_day_has_its_node_hours_and_requests() {
    let day = load("deepseek-day", &[]).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    let mut node_hours = 0.0;
    for pool in &day.pools {
        let steps = &pool.schedule.steps;
        for (i, (from, units)) in steps.iter().enumerate() {
            let next = steps
                .get(i + 1)
                .map_or(steps[0].0.0 + NS_PER_DAY, |s| s.0.0);
            let hours = (next - from.0) as f64 / NS_PER_HOUR as f64;
            node_hours += hours * f64::from(units * pool.nodes_per_unit);
        }
    }
    assert_eq!(node_hours, 5442.0); // published: 226.75 nodes for 24 hours
    let requests: f64 = day.classes.iter().map(|c| total(&c.arrivals)).sum();
    assert!((135e6..175e6).contains(&requests), "{requests}");
}

#[test]
fn meaning_is_in_whole_units() {
    let s = read(&small("warm_up = \"30min\"", POISSON));
    assert_eq!(s.duration, SimDuration(5_400 * NS_PER_S));
    assert_eq!(s.warm_up, SimDuration(1_800 * NS_PER_S));
    assert_eq!(s.start.text, "2025-02-27T12:30:00+08:00");
    assert_eq!(s.start.time_of_day, SimDuration(45_000 * NS_PER_S));
    assert_eq!(s.start.utc_offset_minutes, 480);
    assert_eq!(s.node.price_per_gpu_hour, PicoUsd(2_000_000_000_000));
    let Performance::Linear(linear) = &s.performance else {
        panic!("a linear model")
    };
    assert_eq!(linear.prefill.base, Picoseconds(1_500_000_000));
    assert_eq!(linear.prefill.per_pair, Picoseconds(29_300));
    assert_eq!(linear.decode.per_kv_token, Picoseconds(9_004));
    // four GPUs of 50 GB/s stand behind a prefill rank, two of 63 GB/s behind a decode rank
    assert_eq!(s.transfer.bandwidth, BytesPerSecond(200_000_000_000));
    assert_eq!(s.transfer.host_bandwidth, BytesPerSecond(126_000_000_000));
}

#[test]
fn pools_keep_their_order_and_schedules_ascend_from_midnight() {
    let s = read(&small("", POISSON));
    assert_eq!(s.pools[0].role, Role::Decode);
    assert_eq!(s.pools[0].router, Router::LeastKv);
    assert_eq!(s.pools[1].router, Router::LeastLoaded);
    assert_eq!(s.pools[1].max_batch_tokens, 10_000);
    assert_eq!(s.pools[1].max_batch_requests, 16_383);
    let hour = |h| SimDuration(h * NS_PER_HOUR);
    let schedule = &s.pools[0].schedule;
    assert_eq!(schedule.steps, [(hour(0), 1), (hour(6), 2), (hour(12), 3)]);
    assert_eq!(schedule.units_at(hour(5)), 1);
    assert_eq!(schedule.units_at(hour(12)), 3);
    assert_eq!(schedule.drain, SimDuration(60 * NS_PER_S));
    assert_eq!(s.pools[1].schedule.steps, [(hour(0), 1)]);
}

#[test]
fn laws_are_brought_to_few_forms() {
    let s = read(&small("", POISSON));
    let Law::Mixture { parts } = &s.classes[0].input.law else {
        panic!("two phases");
    };
    let second_moment: f64 = parts
        .iter()
        .map(|(p, law)| p * 2.0 * law.mean() * law.mean())
        .sum();
    assert!((s.classes[0].input.law.mean() - 100.0).abs() < 1e-9);
    assert!((second_moment - 5.0 * 100.0 * 100.0).abs() < 1e-6); // cv^2 = 4
    let erlang = Law::Gamma {
        mean: 10.0,
        cv: 0.5,
    };
    assert_eq!(s.classes[0].output.law, erlang);
    assert_eq!(
        (s.classes[0].output.min, s.classes[0].output.max),
        (1, 1 << 24)
    );
}

#[test]
fn equal_words_in_another_order_have_the_same_hash() {
    let one = read(&small("seed = 1", POISSON));
    let other = "arrivals = { requests_per_day = 86400.0, kind = \"poisson\" }\npriority = 0";
    let other = read(&small("", other));
    assert_eq!(one.hash, other.hash);
    let third = read(&small("seed = 2", POISSON));
    assert_ne!(one.hash, third.hash);
    assert_eq!(one.with_seed(2).hash, third.hash);
}

#[test]
fn overrides_reach_into_tables_lists_and_the_catalog() {
    let set = [
        "node.gpu.nic_gb_per_s=25".to_string(),
        "class.a.arrivals.requests_per_s=2".to_string(),
        "pools.decode.units.schedule.0.1=4".to_string(),
        "transfer.overlap=0.5".to_string(),
        "mtp.acceptance=0.85".to_string(),
    ];
    let s = load_str("test", &small("", POISSON), &set).unwrap_or_else(|m| panic!("{m}"));
    assert_eq!(s.node.gpu.nic, BytesPerSecond(25_000_000_000));
    assert_eq!(s.node.gpu.memory_bytes, 80_000_000_000);
    assert!((total(&s.classes[0].arrivals) - 2.0 * 86_400.0).abs() < 1e-6);
    assert_eq!(s.pools[0].schedule.steps[2].1, 4);
    assert_eq!(s.transfer.overlap_65536, 32_768);
    assert_eq!(
        s.mtp,
        Some(Mtp {
            progress_1024: 1894
        })
    );
}

#[test]
fn a_price_may_start_from_the_catalog() {
    let price = "price = { base = \"deepseek-r1-2025-02\", output_usd_per_million = 1.0 }";
    let s = read(&small("", &format!("{POISSON}\n{price}")));
    let price = s.classes[0].price.clone().unwrap();
    assert_eq!(price.full.hit, PicoUsd(140_000));
    assert_eq!(price.full.output, PicoUsd(1_000_000));
    assert_eq!(price.discounts.len(), 1);
}

#[test]
fn a_csv_keeps_its_requests_and_scales_lengths() {
    let csv = r#"time,requests,input_mean,hit_rate\n00:00,100,50,0.5\n06:00,250,200,0.2\n12:00,200,50,0.5\n"#;
    let of = |more: &str| {
        let arrivals = format!("{{ kind = \"poisson\", csv = {{ text = \"{csv}\" }}{more} }}");
        read(&small("", &format!("arrivals = {arrivals}")))
    };
    for more in [
        "",
        ", interpolation = \"stepwise\"",
        ", interpolation = \"linear\"",
    ] {
        let s = of(more);
        let arrivals = &s.classes[0].arrivals;
        assert!((total(arrivals) - 550.0).abs() < 1e-9, "{more}");
        // the first and the last row are alike and share a period
        assert_eq!(arrivals.periods.len(), 2);
        assert_eq!(arrivals.periods[1].input_scale, 2.0);
        assert_eq!(arrivals.periods[0].hit_rate, 0.5);
        assert_eq!(arrivals.rate.last().map(|r| r.period), Some(0));
    }
    let arrivals = of("").classes[0].arrivals.clone();
    let second_row = Arrivals {
        rate: arrivals.rate[2..4].to_vec(),
        ..arrivals
    };
    assert!((total(&second_row) - 250.0).abs() < 1e-9);
}

#[test]
fn a_day_without_requests_is_a_scenario() {
    let none = "arrivals = { kind = \"deterministic\", requests_per_day = 0, hourly_means = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0] }";
    let s = read(&small("", none));
    assert_eq!(total(&s.classes[0].arrivals), 0.0);
}

#[test]
fn reading_never_panics_on_damaged_text() {
    let whole = small("", POISSON);
    // a linear congruential sequence (Numerical Recipes' constants) makes the damage repeatable
    let mut state = 1_u32;
    let mut next = |below: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as usize % below
    };
    let pieces = [
        "=",
        "[",
        "]",
        "{",
        "}",
        "\"",
        "\n",
        "-",
        "1e400",
        "nan",
        "ü",
        "\u{0}",
        ".",
        "9999999999999999999999",
        "[[class]]",
        "kind",
        "-0.0",
        "24:00",
        "h",
        ",",
    ];
    for _ in 0..600 {
        let mut text = whole.clone();
        for _ in 0..1 + next(4) {
            let at = next(text.len());
            let at = (0..=at).rev().find(|i| text.is_char_boundary(*i)).unwrap();
            let end = (at + next(12)).min(text.len());
            let end = (end..=text.len())
                .find(|i| text.is_char_boundary(*i))
                .unwrap();
            text.replace_range(at..end, pieces[next(pieces.len())]);
        }
        if let Err(mistakes) = load_str("damaged", &text, &[]) {
            assert!(mistakes.count() > 0);
            assert!(mistakes.render(true).contains("error"), "{text}");
        }
    }
}

#[test]
fn limits_left_out_are_those_of_an_empty_table() {
    let without = read(&small("", POISSON));
    let empty = read(&small("limits = {}", POISSON));
    assert_eq!(without.limits, Limits::default());
    assert_eq!(empty.limits, Limits::default());
    let stated = read(&small("limits = { memory_gb = 0.5 }", POISSON)).limits;
    assert_eq!(stated.memory_bytes, 500_000_000);
    assert_eq!(
        stated.requests_in_flight,
        Limits::default().requests_in_flight
    );
}
