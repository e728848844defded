//! Random pools and links.

use crate::dice::round_125;
use crate::plan::{Grid, Plan, SECOND_NS, Size, Times};
use crate::text::{Table, Value, duration, put, table, text, time_of_day};

/// Divided by every number of ranks.
pub const GPUS: u64 = 12;
/// The same, and into numbers that attention's heads can be divided by.
const ROOFLINE_GPUS: u64 = 8;
const MOST_BATCH_TOKENS: f64 = 16_384.0;
const MOST_KV_TOKENS: f64 = 1e8;
/// The slowest link that the reader allows, in bytes a second.
const SLOWEST: f64 = 1e6;
const HOUR_NS: u64 = 3600 * SECOND_NS;

/// One server.
pub fn node(plan: &mut Plan) -> Table {
    let price = plan.dice.among(&[0.0, 1.0, 2.5]);
    let (gpu, gpus) = match plan.times {
        Times::Roofline => ("h100", ROOFLINE_GPUS),
        Times::Linear | Times::Table => ("h800", GPUS),
    };
    table([
        ("gpu", text(gpu)),
        ("gpus", Value::Integer(gpus)),
        ("price_per_gpu_hour", Value::Number(price)),
    ])
}

/// A model whose KV takes about as long on the links as requests come apart, more or less.
pub fn links(plan: &mut Plan, root: &mut Table) {
    let slowness = plan.dice.among(&[1e-6, 0.1, 0.5, 2.0]);
    let takes_s = plan.gap_s * plan.intake.all_ranks() * slowness;
    let any_speed = plan.dice.log(1e6, 1e12);
    let (bytes_per_s, bytes) = match plan.grid {
        Grid::None => (any_speed, takes_s * any_speed / plan.input),
        Grid::Decimal => (1e9, round_125(takes_s * 1e9 / plan.input)),
        // A tick a token.
        Grid::Tick(tick) => (SLOWEST, tick as f64 / 1e9 * SLOWEST),
    };
    let bytes = bytes.clamp(1.0, 1e8) as u64;
    let model = match plan.times {
        Times::Roofline => text("llama-3.1-8b"),
        Times::Linear | Times::Table => Value::Table(table([
            ("name", text("any")),
            ("kv_bytes_per_token", Value::Integer(bytes)),
        ])),
    };
    put(root, "model", model);

    let any = plan.dice.part();
    let overlap = match plan.grid {
        Grid::Tick(_) => plan.dice.among(&[0.0, 1.0, 1.0]),
        _ => plan.dice.among(&[0.0, 0.0, 0.5, 1.0, any]),
    };
    let host = match plan.grid {
        Grid::None => bytes_per_s * plan.dice.log(0.1, 100.0),
        _ => bytes_per_s * plan.dice.among(&[1.0, 10.0]),
    };
    let mut transfer = table([
        ("bandwidth_gb_per_s", Value::Number(bytes_per_s / 1e9)),
        ("overlap", Value::Number(overlap)),
        ("host_gb_per_s", Value::Number(host.max(SLOWEST) / 1e9)),
    ]);
    if plan.dice.chance(0.5) {
        let seconds = plan.gap_s * plan.dice.log(0.01, 3.0);
        put(
            &mut transfer,
            "latency",
            duration(plan.about_ns(seconds).min(HOUR_NS)),
        );
    }
    put(root, "transfer", Value::Table(transfer));
}

/// The prefill pool.
pub fn prefill(plan: &mut Plan) -> Table {
    let mut pool = shape(plan, plan.intake);
    batch_tokens(plan, &mut pool);
    if plan.dice.chance(0.3) {
        let pairs = plan.input * plan.input * plan.dice.log(0.02, 3.0);
        let pairs = pairs.max(plan.input * plan.dice.log(0.5, 5.0));
        put(
            &mut pool,
            "max_batch_pairs",
            Value::Integer(pairs.max(1.0) as u64),
        );
    }
    let batch = if plan.dice.chance(0.3) {
        Some(plan.dice.whole(1, 4))
    } else {
        None
    };
    limits(plan, &mut pool, batch);
    routing(
        plan,
        &mut pool,
        &["least-loaded", "least-loaded", "round-robin"],
    );
    put(&mut pool, "units", units(plan, plan.intake.units));
    pool
}

/// The decode pool.
pub fn decode(plan: &mut Plan, size: Size) -> Table {
    let mut pool = shape(plan, size);
    let batch = if plan.dice.chance(0.6) {
        Some(plan.dice.whole(1, 6))
    } else {
        None
    };
    limits(plan, &mut pool, batch);
    memory(plan, &mut pool);
    routing(plan, &mut pool, &["least-kv", "least-kv", "round-robin"]);
    put(&mut pool, "units", units(plan, size.units));
    pool
}

/// The pool that does both.
pub fn mixed(plan: &mut Plan) -> Table {
    let mut pool = shape(plan, plan.intake);
    batch_tokens(plan, &mut pool);
    let batch = if plan.dice.chance(0.6) {
        Some(plan.dice.whole(1, 6))
    } else {
        None
    };
    limits(plan, &mut pool, batch);
    memory(plan, &mut pool);
    let batching = plan.dice.among(&["chunked", "prefill-first", "whole"]);
    put(&mut pool, "batching", text(batching));
    let look_ahead = plan.dice.chance(0.4).to_string();
    put(&mut pool, "look_ahead", Value::Bare(look_ahead));
    routing(
        plan,
        &mut pool,
        &["least-kv", "least-loaded", "round-robin"],
    );
    put(&mut pool, "units", units(plan, plan.intake.units));
    pool
}

fn batch_tokens(plan: &mut Plan, pool: &mut Table) {
    let tokens = (plan.input * plan.dice.log(0.1, 4.0)).clamp(1.0, MOST_BATCH_TOKENS);
    put(pool, "max_batch_tokens", Value::Integer(tokens as u64));
}

/// Memory for one request of a usual length, or for a few.
fn memory(plan: &mut Plan, pool: &mut Table) {
    let request = plan.input + plan.output;
    let capacity = (request * plan.dice.log(1.0, 12.0)).clamp(2.0, MOST_KV_TOKENS);
    put(pool, "kv_capacity_tokens", Value::Integer(capacity as u64));
    let admission = plan.dice.among(&["current", "current", "reserve"]);
    put(pool, "admission", text(admission));
}

fn shape(plan: &mut Plan, size: Size) -> Table {
    let parallelism = table([("attention_data", Value::Integer(size.ranks))]);
    table([
        ("nodes_per_unit", Value::Integer(plan.dice.whole(1, 3))),
        ("parallelism", Value::Table(parallelism)),
    ])
}

fn limits(plan: &mut Plan, pool: &mut Table, batch: Option<u64>) {
    if let Some(batch) = batch {
        put(pool, "max_batch_requests", Value::Integer(batch));
    }
    if plan.dice.chance(0.3) {
        let most = plan.dice.among(&[0, 1, 2, 5]);
        put(pool, "max_queue_requests", Value::Integer(most));
    }
}

fn routing(plan: &mut Plan, pool: &mut Table, routers: &[&str]) {
    let router = plan.dice.among(routers);
    put(pool, "router", text(router));
    if plan.dice.chance(0.4) {
        let longest = plan.simulated_s() / 3.0;
        let seconds = plan.dice.log(plan.gap_s * 0.5, longest.max(plan.gap_s));
        let interval = plan.about_ns(seconds).min(24 * HOUR_NS);
        put(pool, "report_interval", duration(interval));
    }
}

/// A number of units, or a schedule with changes inside the simulation.
fn units(plan: &mut Plan, most: u64) -> Value {
    if plan.dice.chance(0.4) {
        return Value::Integer(most);
    }
    let count = plan.dice.few(1, 6);
    let times = plan.times_of_day(count);
    let least = plan.dice.among(&[0, 0, 1]).min(most);
    let mut counts: Vec<u64> = times.iter().map(|_| plan.dice.whole(least, most)).collect();
    if counts.iter().all(|count| *count == 0) {
        counts[0] = most;
    }
    let steps = times.iter().zip(counts);
    let steps = steps
        .map(|(time, count)| Value::List(vec![text(time_of_day(*time)), Value::Integer(count)]));
    let mut schedule = table([("schedule", Value::List(steps.collect()))]);
    for key in ["start_up", "drain"] {
        if plan.dice.chance(0.7) {
            let longest = plan.simulated_s();
            let seconds = plan.dice.log(longest * 0.003, longest).min(86_400.0);
            put(
                &mut schedule,
                key,
                duration(plan.about_ns(seconds).min(86_400_000_000_000)),
            );
        }
    }
    Value::Table(schedule)
}
