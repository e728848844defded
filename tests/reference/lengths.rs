//! Random laws of lengths.

use crate::plan::Plan;
use crate::text::{Table, Value, put, table, text};

/// A law of output lengths.
pub fn outputs(plan: &mut Plan) -> Table {
    if !plan.has_answers() || plan.dice.chance(0.05) {
        return table([("kind", text("constant")), ("value", Value::Integer(1))]);
    }
    lengths(plan, plan.output)
}

/// A law of lengths with about this mean.
pub fn lengths(plan: &mut Plan, mean: f64) -> Table {
    let kinds = [
        "constant",
        "uniform",
        "exponential",
        "lognormal",
        "gamma",
        "erlang",
    ];
    let others = ["hyperexponential", "empirical", "mixture"];
    let kind = plan.dice.among(&[kinds.as_slice(), &others].concat());
    let mut law = match kind {
        "mixture" => {
            let parts = plan.dice.whole(1, 3);
            let parts = (0..parts).map(|_| Value::Table(part(plan, mean)));
            let parts = Value::List(parts.collect());
            table([("kind", text(kind)), ("parts", parts)])
        }
        _ => simple_law(plan, kind, mean),
    };
    if plan.dice.chance(0.2) {
        put(
            &mut law,
            "min",
            Value::Integer(plan.dice.few(1, mean.max(1.0) as u64)),
        );
    }
    // The longest prompts would take thousands of batches.
    put(&mut law, "max", Value::Integer((mean * 8.0) as u64 + 1));
    law
}

fn part(plan: &mut Plan, mean: f64) -> Table {
    let kind = plan.dice.among(&[
        "constant",
        "uniform",
        "exponential",
        "lognormal",
        "hyperexponential",
    ]);
    let mean = (mean * plan.dice.log(0.3, 3.0)).max(0.5);
    let mut law = simple_law(plan, kind, mean);
    put(&mut law, "weight", Value::Number(plan.dice.log(0.1, 10.0)));
    law
}

fn simple_law(plan: &mut Plan, kind: &str, mean: f64) -> Table {
    let mut law = table([("kind", text(kind))]);
    let number = Value::Number;
    match kind {
        "constant" => put(&mut law, "value", number(mean)),
        "uniform" => {
            let low = mean * plan.dice.part();
            put(&mut law, "low", number(low));
            put(&mut law, "high", number(2.0 * mean - low));
        }
        "empirical" => {
            let count = plan.dice.whole(1, 4);
            let pair = |plan: &mut Plan| {
                let (value, weight) = (mean * plan.dice.log(0.2, 4.0), plan.dice.part() + 0.01);
                Value::List(vec![number(value), number(weight)])
            };
            let values = (0..count).map(|_| pair(plan)).collect();
            put(&mut law, "values", Value::List(values));
        }
        _ => put(&mut law, "mean", number(mean)),
    }
    match kind {
        "lognormal" | "gamma" => put(&mut law, "cv", number(plan.dice.log(0.1, 2.0))),
        "hyperexponential" => put(&mut law, "cv", number(plan.dice.log(1.0, 3.0))),
        "erlang" => put(&mut law, "k", Value::Integer(plan.dice.few(1, 9))),
        _ => {}
    }
    law
}
