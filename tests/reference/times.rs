//! Random models of step times: linear ones, measured ones, and one from first principles.

use tokentide::internals::scenario::Overlap;

use crate::plan::{Grid, Plan, SECOND_NS, Times};
use crate::text::{Table, Value, duration, duration_ps, put, table, text};

const HOUR_NS: u64 = 3600 * SECOND_NS;
/// The longest time in a table of measurements.
const LONGEST_US: f64 = 3.6e9;

/// Step times of the planned kind.
pub fn performance(plan: &mut Plan) -> Table {
    match plan.times {
        Times::Linear => linear(plan),
        Times::Roofline => first_principles(plan),
        Times::Table => measured(plan),
    }
}

/// What model and accelerators say. Where experts are exchanged, micro-batches may hide it.
fn first_principles(plan: &mut Plan) -> Table {
    let overlap = plan.dice.word(|overlap| match overlap {
        Overlap::Auto => 2,
        Overlap::On | Overlap::Off => 1,
    });
    table([
        ("kind", text("roofline")),
        ("engine", text("vllm")),
        ("overlap", text(overlap.word())),
    ])
}

/// Measurements of a few loads, between and beyond which the steps lie.
fn measured(plan: &mut Plan) -> Table {
    let request_s = plan.gap_s * plan.intake.all_ranks() * plan.dice.log(0.05, 2.0);
    let size = plan.decode.unwrap_or(plan.intake);
    let batch = plan.dice.log(1.0, 4.0);
    let step_s = plan.gap_s * size.all_ranks() * batch * plan.dice.log(0.2, 3.0) / plan.output;
    let mut rows = String::from("part,tokens,context_tokens,requests,kv_tokens,time_us");
    let mut row = |part: &str, amounts: [f64; 4], seconds: f64| {
        let [tokens, context, requests, kv] = amounts;
        let us = (seconds * 1e6).min(LONGEST_US);
        rows += &format!("\n{part},{tokens},{context},{requests},{kv},{us}");
    };
    let uneven = |plan: &mut Plan| plan.dice.log(0.7, 1.4);
    for part in [0.2, 1.0, 5.0] {
        let tokens = libm::ceil(plan.input * part);
        let seconds = request_s * part * 0.6 * uneven(plan);
        row("tokens", [tokens, 0.0, 0.0, 0.0], seconds);
        for context in [0.0, libm::ceil(plan.input)] {
            let seconds = request_s * part * (0.1 + 0.3 * context / plan.input) * uneven(plan);
            row("prefill", [tokens, context, 0.0, 0.0], seconds);
        }
    }
    for requests in [1.0, 4.0, 16.0] {
        let part = requests / batch;
        if plan.dice.chance(0.5) {
            let seconds = step_s * part * 0.1 * uneven(plan);
            row("sequences", [0.0, 0.0, requests, 0.0], seconds);
        }
        for kv in [0.5, 2.0] {
            let kv = libm::ceil(requests * kv * plan.input);
            let seconds = step_s * part * uneven(plan);
            row("decode", [0.0, 0.0, requests, kv], seconds);
        }
    }
    if plan.dice.chance(0.5) {
        let seconds = request_s * uneven(plan) + step_s;
        let tokens = libm::ceil(plan.input);
        row("mixed", [tokens, 0.0, 2.0, 2.0 * tokens], seconds);
    }
    if plan.dice.chance(0.5) {
        let seconds = step_s * 0.1 * uneven(plan);
        row("step", [0.0; 4], seconds);
    }
    let csv = Value::Table(table([("text", text(rows))]));
    table([
        ("kind", text("table")),
        ("csv", csv),
        ("extrapolate", Value::Bare("true".to_owned())),
    ])
}

/// Step times that let the pools do about the work there is.
fn linear(plan: &mut Plan) -> Table {
    let busy = plan.dice.log(0.05, 2.0);
    let request_s = plan.gap_s * plan.intake.all_ranks() * busy;
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
    let generating = if plan.is_mixed {
        Some(plan.intake)
    } else {
        plan.decode
    };
    if let Some(size) = generating {
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
