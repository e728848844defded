//! Random small scenarios that use every feature, as scenario files.

use tokentide::internals::scenario::{CacheForm, FirstToken};

use crate::plan::Plan;
use crate::text::{Table, Value, duration, put, table, text, time_of_day};
use crate::{load, pools, times};

/// Only whole blocks of 64 tokens hit, so shorter prompts than this have no hits.
pub const HITS_FROM: f64 = 200.0;

/// The scenario of this seed.
pub fn scenario(seed: u64) -> Table {
    let mut plan = Plan::draw(seed);
    let mut root = table([
        ("name", text(format!("generated {seed}"))),
        ("start", Value::Bare(start(&plan))),
        ("duration", duration(plan.duration_ns)),
        ("warm_up", duration(plan.warm_up_ns)),
        ("seed", Value::Integer(plan.dice.whole(0, 1000))),
    ]);
    if plan.dice.chance(0.2) {
        let part = plan.dice.log(0.01, 1.0);
        let every = plan.about_ns(plan.duration_ns as f64 * part / 1e9);
        put(
            &mut root,
            "report_every",
            duration(every.max(1_000_000_000)),
        );
    }
    if plan.dice.chance(0.7) {
        let first = plan.dice.word(|_: FirstToken| 1);
        put(&mut root, "first_token", text(first.word()));
    }
    pools::hardware(&mut plan, &mut root);
    let mut both = if plan.is_mixed {
        table([("mixed", Value::Table(pools::mixed(&mut plan)))])
    } else {
        table([("prefill", Value::Table(pools::prefill(&mut plan)))])
    };
    if let Some(size) = plan.decode {
        let decode = Value::Table(pools::decode(&mut plan, size));
        put(&mut both, "decode", decode);
    }
    if plan.dice.chance(0.5) {
        both.reverse();
    }
    put(&mut root, "pools", Value::Table(both));
    put(
        &mut root,
        "performance",
        Value::Table(times::performance(&mut plan)),
    );
    if let Some(cache) = cache(&mut plan) {
        put(&mut root, "kv_cache", Value::Table(cache));
    }
    if plan.dice.chance(0.4) {
        let mtp = Value::Table(prediction(&mut plan));
        put(&mut root, "mtp", mtp);
    }
    let classes = plan.dice.few(1, 3);
    let classes = (0..classes).map(|index| Value::Table(load::class(&mut plan, index, classes)));
    put(&mut root, "class", Value::List(classes.collect()));
    if plan.dice.chance(0.3) {
        let seconds = 0.3 * plan.dice.part();
        put(&mut root, "front_end", duration(plan.about_ns(seconds)));
    }
    root
}

/// What is known of hits: a rate, or in which blocks ranks keep prompts.
fn cache(plan: &mut Plan) -> Option<Table> {
    if plan.has_prefixes {
        let mut cache = table([("kind", text(CacheForm::Prefix.word()))]);
        // The reference looks through every block: a few dozen for a prompt.
        let least = (plan.input * 0.03).max(1.0) as u64;
        if least > 16 || plan.dice.chance(0.8) {
            let tokens = (plan.input * plan.dice.log(0.03, 0.5)).max(1.0) as u64;
            let tokens = plan.dice.among(&[1, 4, 16, tokens, tokens]).max(least);
            put(&mut cache, "block_tokens", Value::Integer(tokens));
        }
        return Some(cache);
    }
    if plan.input <= HITS_FROM || !plan.dice.chance(0.8) {
        return None;
    }
    let rate = plan.dice.part() * plan.dice.among(&[0.3, 0.6, 0.9]);
    let kind = text(CacheForm::Fixed.word());
    Some(table([("kind", kind), ("hit_rate", Value::Number(rate))]))
}

/// A few drafts, of which a part is accepted: the same of each, or less and less.
fn prediction(plan: &mut Plan) -> Table {
    let any = plan.dice.part();
    let rates = [0.0, 0.25, 0.5, 1.0, any];
    let drafts = plan.dice.among(&[0, 1, 1, 2, 3]);
    let mut mtp = table([("drafts", Value::Integer(drafts))]);
    let acceptance = if drafts > 0 && plan.dice.chance(0.5) {
        let of_each = (0..drafts).map(|_| Value::Number(plan.dice.among(&rates)));
        Value::List(of_each.collect())
    } else {
        Value::Number(plan.dice.among(&rates))
    };
    put(&mut mtp, "acceptance", acceptance);
    mtp
}

/// When counting starts: at the planned time of some day.
fn start(plan: &Plan) -> String {
    let time = time_of_day(plan.start_s);
    let offset = plan.offset_minutes;
    let sign = if offset < 0 { '-' } else { '+' };
    let (hours, minutes) = (offset.abs() / 60, offset.abs() % 60);
    format!(
        "2026-03-05T{time}.{:09}{sign}{hours:02}:{minutes:02}",
        plan.start_fraction_ns
    )
}
