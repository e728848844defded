//! Random pools, links and step times.

use crate::dice::round_125;
use crate::plan::{Grid, Plan, SECOND_NS, Size};
use crate::text::{Table, Value, duration, duration_ps, put, table, text, time_of_day};

/// Divided by every number of ranks.
pub const GPUS: u64 = 12;
const MOST_BATCH_TOKENS: f64 = 16_384.0;
const MOST_KV_TOKENS: f64 = 1e8;
/// The slowest link that the reader allows, in bytes a second.
const SLOWEST: f64 = 1e6;
const HOUR_NS: u64 = 3600 * SECOND_NS;

/// One server.
pub fn node(plan: &mut Plan) -> Table {
    let price = plan.dice.among(&[0.0, 1.0, 2.5]);
    table([
        ("gpu", text("h800")),
        ("gpus", Value::Integer(GPUS)),
        ("price_per_gpu_hour", Value::Number(price)),
    ])
}

/// A model whose KV takes about as long on the links as requests come apart, more or less.
pub fn links(plan: &mut Plan, root: &mut Table) {
    let slowness = plan.dice.among(&[1e-6, 0.1, 0.5, 2.0]);
    let takes_s = plan.gap_s * plan.prefill.all_ranks() * slowness;
    let any_speed = plan.dice.log(1e6, 1e12);
    let (bytes_per_s, bytes) = match plan.grid {
        Grid::None => (any_speed, takes_s * any_speed / plan.input),
        Grid::Decimal => (1e9, round_125(takes_s * 1e9 / plan.input)),
        // A tick a token.
        Grid::Tick(tick) => (SLOWEST, tick as f64 / 1e9 * SLOWEST),
    };
    let bytes = bytes.clamp(1.0, 1e8) as u64;
    let model = table([
        ("name", text("any")),
        ("kv_bytes_per_token", Value::Integer(bytes)),
    ]);
    put(root, "model", Value::Table(model));

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
    let mut pool = shape(plan, plan.prefill);
    let tokens = (plan.input * plan.dice.log(0.1, 4.0)).clamp(1.0, MOST_BATCH_TOKENS);
    put(
        &mut pool,
        "max_batch_tokens",
        Value::Integer(tokens.max(1.0) as u64),
    );
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
    routing(plan, &mut pool, "least-loaded");
    put(&mut pool, "units", units(plan, plan.prefill.units));
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
    let request = plan.input + plan.output;
    let capacity = (request * plan.dice.log(1.0, 12.0)).clamp(2.0, MOST_KV_TOKENS);
    put(
        &mut pool,
        "kv_capacity_tokens",
        Value::Integer(capacity as u64),
    );
    let admission = plan.dice.among(&["current", "current", "reserve"]);
    put(&mut pool, "admission", text(admission));
    routing(plan, &mut pool, "least-kv");
    put(&mut pool, "units", units(plan, size.units));
    pool
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

fn routing(plan: &mut Plan, pool: &mut Table, own: &str) {
    let router = plan.dice.among(&[own, own, "round-robin"]);
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

/// Step times that let the pools do about the work there is.
pub fn performance(plan: &mut Plan) -> Table {
    let busy = plan.dice.log(0.05, 2.0);
    let request_s = plan.gap_s * plan.prefill.all_ranks() * busy;
    let [base, tokens, pairs] = shares(plan);
    let pairs_each = 0.5 * plan.input * (plan.input + 1.0);
    let prefill = vec![
        (
            "base".to_owned(),
            coefficient(plan, request_s * base, HOUR_NS),
        ),
        (
            "per_token".to_owned(),
            coefficient(plan, request_s * tokens / plan.input, HOUR_NS),
        ),
        (
            "per_pair".to_owned(),
            coefficient(plan, request_s * pairs / pairs_each, SECOND_NS),
        ),
    ];
    let mut model = table([("kind", text("linear")), ("prefill", Value::Table(prefill))]);
    if let Some(size) = plan.decode {
        let (busy, batch) = (plan.dice.log(0.2, 3.0), plan.dice.log(1.0, 4.0));
        let step_s = plan.gap_s * size.all_ranks() * batch * busy / plan.output;
        let [base, requests, kv] = shares(plan);
        let decode = vec![
            ("base".to_owned(), coefficient(plan, step_s * base, HOUR_NS)),
            (
                "per_request".to_owned(),
                coefficient(plan, step_s * requests / batch, HOUR_NS),
            ),
            (
                "per_kv_token".to_owned(),
                coefficient(plan, step_s * kv / (batch * plan.input), SECOND_NS),
            ),
        ];
        put(&mut model, "decode", Value::Table(decode));
    }
    model
}

/// How a step's time is made up; often of one part alone.
fn shares(plan: &mut Plan) -> [f64; 3] {
    let mut parts = [0.0; 3];
    for part in &mut parts {
        *part = if plan.dice.chance(0.5) {
            plan.dice.part()
        } else {
            0.0
        };
    }
    let sum: f64 = parts.iter().sum();
    if sum == 0.0 {
        [1.0, 0.0, 0.0]
    } else {
        parts.map(|part| part / sum)
    }
}

/// A coefficient, up to what the reader allows.
fn coefficient(plan: &Plan, seconds: f64, most_ns: u64) -> Value {
    match plan.grid {
        _ if seconds <= 0.0 => text("0s"),
        Grid::Tick(tick) if seconds * 2e9 < tick as f64 => text("0s"),
        Grid::None if seconds < 1e3 => duration_ps(((seconds * 1e12) as u64).min(most_ns * 1000)),
        _ => duration(plan.about_ns(seconds).min(most_ns)),
    }
}
