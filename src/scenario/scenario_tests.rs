//! What well-formed scenarios mean: text in, meaning out.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::units::Picoseconds;
use crate::units::{NS_PER_DAY, NS_PER_HOUR, NS_PER_S};

/// A small complete scenario; `more` stands before the first table, `class` in the class.
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

fn total(arrivals: &ArrivalProcess) -> f64 {
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
        let again = read(scenario.resolved_toml());
        assert_eq!(
            scenario.resolved_toml(),
            again.resolved_toml(),
            "{}",
            bundled.name
        );
        assert_eq!(scenario.hash(), again.hash());
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
            node_hours += hours * f64::from(pool.nodes(*units));
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
    // four GPUs of 50 and 63 GB/s stand behind a prefill rank, two behind a decode rank
    let links = |pool: usize| (s.pools[pool].interface.0, s.pools[pool].host.0);
    assert_eq!(links(1), (200_000_000_000, 252_000_000_000));
    assert_eq!(links(0), (100_000_000_000, 126_000_000_000));
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
    assert_eq!(one.hash(), other.hash());
    let third = read(&small("seed = 2", POISSON));
    assert_ne!(one.hash(), third.hash());
    assert_eq!(one.with_seed(2).hash(), third.hash());
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
    let drafted = |drafts, progress_1024| Mtp {
        drafts,
        progress_1024,
    };
    assert_eq!(s.mtp, drafted(1, 1894));
}

#[test]
fn drafts_are_accepted_while_all_before_them_were() {
    let mtp = |set: &str| {
        let set = [format!("mtp={set}")];
        load_str("test", &small("", POISSON), &set).map(|s| (s.mtp.drafts, s.mtp.progress_1024))
    };
    let of = |set: &str| mtp(set).unwrap_or_else(|m| panic!("{m}"));
    // 1024 (1 + .8 + .8 x .5), 1024 (1 + .5 + .25 + .125)
    assert_eq!(of("{ drafts = 2, acceptance = [0.8, 0.5] }"), (2, 2253));
    assert_eq!(of("{ drafts = 3, acceptance = 0.5 }"), (3, 1920));
    assert_eq!(of("{ drafts = 0, acceptance = 0.85 }"), (0, 1024));
    assert_eq!(of("{ drafts = 0 }"), (0, 1024));
    assert_eq!(of("{ acceptance = 0.0 }"), (1, 1024));
    let silent = mtp("{ drafts = 1 }");
    assert!(silent.is_err_and(|m| m.to_string().contains("`acceptance` is missing")));
    let wrong = mtp("{ drafts = 3, acceptance = [0.8, 0.5] }");
    assert!(wrong.is_err_and(|m| m.to_string().contains("2 rates of acceptance for 3 drafts")));
}

/// A pool of a model with this node and these keys.
fn pool_of(model: &str, keys: &str) -> Result<Pool, Mistakes> {
    let text = format!(
        "name = \"size\"\nstart = 2026-01-01T00:00:00Z\nduration = \"1h\"\nmodel = \"{model}\"\n\
         node = {{ gpu = \"h100\", gpus = 8, price_per_gpu_hour = 2.0 }}\n\
         performance = {{ kind = \"linear\", prefill = {{ base = \"1s\" }}, decode = {{ base = \"1s\" }} }}\n\
         [pools.mixed]\nmax_batch_tokens = 8192\nkv_capacity_tokens = 1000\nunits = 5\n{keys}\n\
         [[class]]\nname = \"a\"\ninput = {{ kind = \"constant\", value = 1 }}\n\
         output = {{ kind = \"constant\", value = 1 }}\n{POISSON}\n"
    );
    load_str("size", &text, &[]).map(|s| s.pools[0].clone())
}

#[test]
fn a_unit_is_as_large_as_anything_says() {
    let size = |model: &str, keys: &str| {
        let pool = pool_of(model, keys).unwrap_or_else(|m| panic!("{m}"));
        let shape = (pool.replicas, pool.ranks, pool.parallelism.tensor);
        (pool.gpus_per_unit, shape, pool.nodes(5))
    };
    let dense = "llama-3.1-8b";
    // ranks of a dense model are copies on their own
    let ranks = "nodes_per_unit = 1\nparallelism = { attention_data = 8 }";
    assert_eq!(size(dense, ranks), (8, (8, 1, 1), 5));
    let tensor = "nodes_per_unit = 1\nparallelism = { tensor = 2 }";
    assert_eq!(size(dense, tensor), (8, (4, 1, 2), 5));
    // smaller than a node: four of two GPUs on each
    assert_eq!(
        size(dense, "parallelism = { tensor = 2 }"),
        (2, (1, 1, 2), 2)
    );
    assert_eq!(size(dense, "gpus_per_unit = 4"), (4, (1, 1, 4), 3));
    // two of three GPUs on a node of eight: none lies on two nodes
    assert_eq!(size(dense, "gpus_per_unit = 3"), (3, (1, 1, 3), 3));
    // experts that lie over all ranks hold them together, experts within a rank do not
    let experts = |n| format!("nodes_per_unit = 1\nparallelism = {{ tensor = 4, experts = {n} }}");
    assert_eq!(size("mixtral-8x7b", &experts(8)), (8, (1, 2, 4), 5));
    assert_eq!(size("mixtral-8x7b", &experts(1)), (8, (1, 2, 4), 5));
    assert_eq!(size("mixtral-8x7b", &experts(4)), (8, (2, 1, 4), 5));
}

#[test]
fn sizes_that_do_not_fit_are_told_with_a_remedy() {
    let why = |keys| match pool_of("llama-3.1-8b", keys) {
        Ok(pool) => panic!("{pool:?}"),
        Err(mistakes) => mistakes.to_string(),
    };
    let uneven = why("nodes_per_unit = 1\nparallelism = { tensor = 3 }");
    assert!(
        uneven.contains("tensor = 3 does not fill the 8 GPUs"),
        "{uneven}"
    );
    assert!(uneven.contains("gpus_per_unit = 3"), "{uneven}");
    let unknown = why("");
    assert!(
        unknown.contains("the size of a unit is not known"),
        "{unknown}"
    );
    let twelve = why("gpus_per_unit = 12");
    assert!(twelve.contains("does not fill nodes of 8"), "{twelve}");
    let both = why("nodes_per_unit = 1\ngpus_per_unit = 4");
    assert!(both.contains("1 nodes have 8 GPUs, not 4"), "{both}");
}

#[test]
fn shared_nodes_are_filled_the_larger_units_first() {
    let pool = |gpus: u32| pool_of("llama-3.1-8b", &format!("gpus_per_unit = {gpus}")).unwrap();
    let pools = [pool(3), pool(4)];
    let mut node = read(&small("", POISSON)).node.clone();
    for shared in [false, true] {
        node.shared = shared;
        node.gpus = 8;
        // 3 of four GPUs: a node and a half, beside which one of three fits; two more on a third node
        let nodes = nodes_of(&pools, &[3, 3], &node);
        assert_eq!(nodes, if shared { 3 } else { 4 });
    }
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
    let second_row = ArrivalProcess {
        rate: arrivals.rate[2..4].to_vec(),
        ..arrivals
    };
    assert!((total(&second_row) - 250.0).abs() < 1e-9);
}

#[test]
fn variants_share_what_was_read_from_a_csv() {
    let csv = "part,tokens,context_tokens,requests,kv_tokens,time_us\\nstep,0,0,0,0,50\\n\
               tokens,1,0,0,0,100\\ntokens,4096,0,0,0,9000\\nprefill,1,0,0,0,10\\nprefill,512,0,0,0,80\\n\
               decode,0,0,1,1,20\\ndecode,0,0,64,640000,900\\n";
    let table = format!("kind = \"table\"\ncsv = {{ text = \"{csv}\" }}\nextrapolate = true");
    let performance = "kind = \"linear\"
        prefill = { base = \"1.5ms\", per_pair = \"29.3ns\" }
        \
                       decode = { per_kv_token = \"9004ps\" }";
    let text = small("", POISSON).replace(performance, &table);
    let first = read(&text);
    let second = first.overridden(&["pools.prefill.units=2".into()]).unwrap();
    let rows = |scenario: &Scenario| match &scenario.performance {
        Performance::Table(profile) => std::sync::Arc::clone(&profile.rows),
        other => panic!("{other:?}"),
    };
    assert!(std::sync::Arc::ptr_eq(&rows(&first), &rows(&second)));
}

#[test]
fn a_mistake_in_a_csv_that_was_read_before_is_underlined_in_it() {
    let csv = r#"time,requests\n00:00,1000\n08:00,1\n16:00,1000\n"#;
    let arrivals = format!(
        "arrivals = {{ kind = \"poisson\", csv = {{ text = \"{csv}\" }}, interpolation = \"stepwise\" }}"
    );
    let stepwise = read(&small("", &arrivals));
    let smooth = "class.0.arrivals.interpolation=mean-preserving".to_string();
    let refused = stepwise.overridden(&[smooth]).unwrap_err().to_string();
    assert!(
        refused.contains("the rate would be negative in the row from 08:00"),
        "{refused}"
    );
    assert!(
        refused.contains("csv text of the scenario:3:7"),
        "{refused}"
    );
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
    assert_eq!(without.limits, RunLimits::default());
    assert_eq!(empty.limits, RunLimits::default());
    let stated = read(&small("limits = { memory_gb = 0.5 }", POISSON)).limits;
    assert_eq!(stated.memory_bytes, 500_000_000);
    assert_eq!(
        stated.requests_in_flight,
        RunLimits::default().requests_in_flight
    );
}
