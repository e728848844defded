//! Random laws of lengths.

use tokentide::internals::scenario::LengthForm;

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
    let form = plan.dice.word(|_: LengthForm| 1);
    let mut law = law(plan, form, mean);
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
    let form = plan
        .dice
        .word(|form: LengthForm| usize::from(!form.is_mixture()));
    let mean = (mean * plan.dice.log(0.3, 3.0)).max(0.5);
    let mut law = law(plan, form, mean);
    put(&mut law, "weight", Value::Number(plan.dice.log(0.1, 10.0)));
    law
}

fn law(plan: &mut Plan, form: LengthForm, mean: f64) -> Table {
    let mut law = table([("kind", text(form.word()))]);
    let number = Value::Number;
    match form {
        LengthForm::Constant => put(&mut law, "value", number(mean)),
        LengthForm::Uniform => {
            let low = mean * plan.dice.part();
            put(&mut law, "low", number(low));
            put(&mut law, "high", number(2.0 * mean - low));
        }
        LengthForm::Empirical => {
            let count = plan.dice.whole(1, 4);
            let pair = |plan: &mut Plan| {
                let (value, weight) = (mean * plan.dice.log(0.2, 4.0), plan.dice.part() + 0.01);
                Value::List(vec![number(value), number(weight)])
            };
            let values = (0..count).map(|_| pair(plan)).collect();
            put(&mut law, "values", Value::List(values));
        }
        LengthForm::Mixture => {
            let parts = plan.dice.whole(1, 3);
            let parts = (0..parts).map(|_| Value::Table(part(plan, mean)));
            let parts = Value::List(parts.collect());
            put(&mut law, "parts", parts);
        }
        LengthForm::Exponential => put(&mut law, "mean", number(mean)),
        LengthForm::Lognormal | LengthForm::Gamma => {
            put(&mut law, "mean", number(mean));
            put(&mut law, "cv", number(plan.dice.log(0.1, 2.0)));
        }
        LengthForm::Hyperexponential => {
            put(&mut law, "mean", number(mean));
            put(&mut law, "cv", number(plan.dice.log(1.0, 3.0)));
        }
        LengthForm::Erlang => {
            put(&mut law, "mean", number(mean));
            put(&mut law, "k", Value::Integer(plan.dice.few(1, 9)));
        }
    }
    law
}
