//! Random classes: arrivals, priorities, prices, targets.

use tokentide::internals::scenario::{
    AnswersIn, ArrivalForm, CacheForm, Interpolation, ProfileKey, SessionAmountKey, ThinkLaw,
};
use tokentide::internals::units::SimTime;
use tokentide::internals::workload::Request;

use crate::lengths::{lengths, outputs};
use crate::plan::{Grid, Plan, SECOND_NS};
use crate::scenarios::HITS_FROM;
use crate::text::{Table, Value, duration, put, table, text, time_of_day};

const DAY_NS: u64 = 86_400 * SECOND_NS;

/// The class of this index, one of so many.
pub fn class(plan: &mut Plan, index: u64, classes: u64) -> Table {
    let mut class = table([
        ("name", text(format!("class-{index}"))),
        ("priority", Value::Integer(plan.dice.whole(0, 2))),
    ]);
    let mut has_blocks = false;
    if plan.dice.chance(0.1) {
        let requests = bursts(plan);
        has_blocks = plan.has_prefixes && plan.dice.chance(0.7);
        let blocks = has_blocks.then(|| blocks(plan, &requests));
        let arrivals = trace(&requests, !plan.has_prefixes, blocks.as_deref());
        put(&mut class, "arrivals", Value::Table(arrivals));
    } else {
        let arrivals = if plan.has_users && plan.dice.chance(0.7) {
            users(plan, classes as f64)
        } else if plan.has_prefixes && plan.dice.chance(0.6) {
            sessions(plan, classes as f64)
        } else {
            arrivals(plan, classes as f64)
        };
        let arrivals = Value::Table(arrivals);
        put(&mut class, "arrivals", arrivals);
        put(&mut class, "input", Value::Table(lengths(plan, plan.input)));
        put(&mut class, "output", Value::Table(outputs(plan)));
    }
    if plan.has_prefixes && !has_blocks && plan.dice.chance(0.8) {
        let prompts = shared_prompts(plan);
        put(&mut class, "shared_prompts", Value::Table(prompts));
    }
    if !plan.has_prefixes && plan.input > HITS_FROM && plan.dice.chance(0.2) {
        let rate = plan.dice.part() * 0.5;
        put(&mut class, "hit_rate", Value::Number(rate));
    }
    match plan.dice.whole(0, 3) {
        0 => put(&mut class, "price", text("deepseek-r1-2025-02")),
        1 | 2 => {
            let price = price(plan);
            put(&mut class, "price", Value::Table(price));
        }
        _ => {}
    }
    if plan.dice.chance(0.3) {
        let slo = slo(plan);
        put(&mut class, "slo", Value::Table(slo));
    }
    if plan.dice.chance(0.2) {
        put(&mut class, "discounts", Value::Bare("false".to_owned()));
    }
    class
}

/// A few beginnings of prompts, of which most requests have more than a block.
fn shared_prompts(plan: &mut Plan) -> Table {
    let tokens = (plan.input * plan.dice.log(0.1, 1.5)).max(1.0);
    table([
        ("tokens", Value::Integer(tokens as u64)),
        ("count", Value::Integer(plan.dice.few(1, 6))),
        ("zipf", Value::Number(plan.dice.among(&[0.0, 1.0, 2.5]))),
    ])
}

/// Arrivals of one class out of so many.
fn arrivals(plan: &mut Plan, classes: f64) -> Table {
    let even = match plan.grid {
        Grid::None => 0.2,
        Grid::Decimal => 0.6,
        Grid::Tick(_) => 0.9,
    };
    let form = if plan.dice.chance(even) {
        ArrivalForm::Deterministic
    } else {
        ArrivalForm::Poisson
    };
    let form = match form {
        ArrivalForm::Poisson => plan.dice.among(&[
            ArrivalForm::Poisson,
            ArrivalForm::Poisson,
            ArrivalForm::Poisson,
            ArrivalForm::Gamma,
            ArrivalForm::Weibull,
            ArrivalForm::Bursts,
        ]),
        other => other,
    };
    let mut arrivals = table([("kind", text(form.word()))]);
    match form {
        ArrivalForm::Gamma | ArrivalForm::Weibull => {
            let cv = plan.dice.among(&[0.1, 0.5, 2.0, 5.0]);
            put(&mut arrivals, "cv", Value::Number(cv));
        }
        ArrivalForm::Bursts => {
            put(&mut arrivals, "burst_length", text("10s"));
            put(&mut arrivals, "burst_every", text("1min"));
            let factor = plan.dice.among(&[1.0, 3.0, 20.0]);
            put(&mut arrivals, "burst_factor", Value::Number(factor));
        }
        ArrivalForm::Poisson
        | ArrivalForm::Deterministic
        | ArrivalForm::Clients
        | ArrivalForm::ClosedLoop
        | ArrivalForm::Sessions
        | ArrivalForm::Trace => {}
    }
    let per_s = 1.0
        / (plan.gap_s
            * if plan.grid == Grid::None {
                classes
            } else {
                1.0
            });
    let constant = if plan.grid == Grid::None { 0.3 } else { 0.7 };
    let profile = if plan.dice.chance(constant) {
        None
    } else {
        Some(plan.dice.word(|_: ProfileKey| 1))
    };
    if profile == Some(ProfileKey::Csv) {
        csv(plan, &mut arrivals, per_s);
        return arrivals;
    }
    if plan.dice.chance(0.5) {
        put(&mut arrivals, "requests_per_s", Value::Number(per_s));
    } else {
        put(
            &mut arrivals,
            "requests_per_day",
            Value::Number(per_s * 86_400.0),
        );
    }
    match profile {
        None | Some(ProfileKey::Csv) => {}
        Some(key @ ProfileKey::HourlyMeans) => {
            let mean = |_| Value::Number(1.0 + plan.dice.part());
            put(
                &mut arrivals,
                key.word(),
                Value::List((0..24).map(mean).collect()),
            );
        }
        Some(key @ (ProfileKey::Stepwise | ProfileKey::Linear)) => {
            let count = plan.dice.few(1, 6);
            // Were the rate low all day but here, a day's requests would come at once.
            let least = if plan.has_hours { 0.01 } else { 0.5 };
            let mut points = Vec::new();
            for time in plan.times_of_day(count) {
                let rate = plan.dice.among(&[least, 1.0, 1.0, 2.0, 3.0]);
                points.push(Value::List(vec![
                    text(time_of_day(time)),
                    Value::Number(rate),
                ]));
            }
            put(&mut arrivals, key.word(), Value::List(points));
        }
    }
    arrivals
}

/// Users who wait for their answers, of one class out of so many.
fn users(plan: &mut Plan, classes: f64) -> Table {
    let users = plan.dice.few(1, 30);
    let mut arrivals = table([
        ("kind", text(ArrivalForm::ClosedLoop.word())),
        ("users", Value::Integer(users)),
    ]);
    // Had answers taken no time, this would keep up the planned rate.
    let mut think_ns = 0;
    if plan.dice.chance(0.7) {
        let seconds = plan.gap_s * classes * users as f64 * plan.dice.log(0.02, 2.0);
        think_ns = plan.about_ns(seconds).min(DAY_NS);
        put(&mut arrivals, "think_time", duration(think_ns));
        let think = plan.dice.word(|_: ThinkLaw| 1);
        put(&mut arrivals, "think", text(think.word()));
    }
    if plan.dice.chance(0.5) {
        let seconds = plan.simulated_s() * plan.dice.log(0.01, 1.0);
        let ramp_up = plan.about_ns(seconds).min(DAY_NS);
        put(&mut arrivals, "ramp_up", duration(ramp_up));
    }
    if think_ns == 0 || plan.dice.chance(0.5) {
        put(
            &mut arrivals,
            "requests",
            Value::Integer(plan.dice.few(1, 300)),
        );
    }
    arrivals
}

/// Sessions that begin often enough for the planned rate of one class out of so many.
fn sessions(plan: &mut Plan, classes: f64) -> Table {
    let turns = 1.0 + plan.dice.log(0.1, 6.0);
    let per_s = 1.0 / (plan.gap_s * classes * turns);
    let mut arrivals = table([
        ("kind", text(ArrivalForm::Sessions.word())),
        ("turns", Value::Number(turns)),
        ("answers", text(plan.dice.word(|_: AnswersIn| 1).word())),
    ]);
    let key = plan.dice.word(|_: SessionAmountKey| 1);
    let amount = match key {
        SessionAmountKey::PerDay => per_s * 86_400.0,
        SessionAmountKey::PerSecond => per_s,
    };
    put(&mut arrivals, key.word(), Value::Number(amount));
    if plan.dice.chance(0.7) {
        let seconds = plan.gap_s * plan.dice.log(0.02, 20.0);
        let think_ns = plan.about_ns(seconds).min(DAY_NS);
        put(&mut arrivals, "think_time", duration(think_ns));
        let think = plan.dice.word(|_: ThinkLaw| 1);
        put(&mut arrivals, "think", text(think.word()));
    }
    if plan.dice.chance(0.5) {
        let mean = (plan.input * 0.3).max(1.0);
        put(
            &mut arrivals,
            "next_input",
            Value::Table(lengths(plan, mean)),
        );
    }
    arrivals
}

/// Rows over the simulated time, with lengths and hits of their own.
fn csv(plan: &mut Plan, arrivals: &mut Table, per_s: f64) {
    let mut times = plan.times_of_day(4);
    if times[0] > 0 {
        times.insert(0, 0);
    }
    let with_lengths = plan.dice.chance(0.5);
    let with_output = with_lengths && plan.has_answers();
    let mut rows = String::from("time,requests");
    rows += if with_lengths { ",input_mean" } else { "" };
    rows += if with_output { ",output_mean" } else { "" };
    let ends: Vec<i64> = times[1..].iter().copied().chain([86_400]).collect();
    for (time, end) in times.iter().zip(ends) {
        let shown = time_of_day(*time);
        let requests = (end - time) as f64 * per_s * (1.0 + plan.dice.part());
        rows += &format!("\n{shown},{requests}");
        if with_lengths {
            rows += &format!(",{}", plan.input * plan.dice.log(0.5, 2.0));
        }
        if with_output {
            rows += &format!(",{}", plan.output * plan.dice.log(0.5, 2.0));
        }
    }
    put(arrivals, "csv", Value::Table(table([("text", text(rows))])));
    let interpolation = plan.dice.word(|_: Interpolation| 1);
    put(arrivals, "interpolation", text(interpolation.word()));
}

/// A price list with discounts inside the simulated time.
fn price(plan: &mut Plan) -> Table {
    let mut price = Table::new();
    tokens(plan, &mut price);
    let count = plan.dice.whole(0, 3);
    let times = plan.times_of_day(2 * count);
    let utc = |local: i64, plan: &Plan| text(time_of_day(local - 60 * plan.offset_minutes));
    let mut windows = Vec::new();
    for pair in times.chunks_exact(2) {
        let mut window = table([
            ("from_utc", utc(pair[0], plan)),
            ("to_utc", utc(pair[1], plan)),
        ]);
        tokens(plan, &mut window);
        windows.push(Value::Table(window));
    }
    put(&mut price, "discounts", Value::List(windows));
    price
}

fn tokens(plan: &mut Plan, table: &mut Table) {
    for key in [
        "hit_usd_per_million",
        "miss_usd_per_million",
        "output_usd_per_million",
    ] {
        let usd = plan.dice.log(0.01, 10.0);
        put(table, key, Value::Number(usd));
    }
}

/// What users are promised: about as long as things take here.
fn slo(plan: &mut Plan) -> Table {
    let mut slo = Table::new();
    let which = plan.dice.whole(1, 3);
    for (bit, key) in [(1, "ttft_s"), (2, "tpot_s")] {
        if which & bit > 0 {
            let seconds = plan.gap_s * plan.dice.log(0.1, 20.0);
            put(&mut slo, key, Value::Number(seconds.clamp(1e-6, 86_400.0)));
        }
    }
    slo
}

/// A few instants at which several requests arrive.
fn bursts(plan: &mut Plan) -> Vec<Request> {
    let longest_output = if plan.has_answers() {
        plan.output * 2.0
    } else {
        1.0
    };
    let mut at = 0;
    let mut requests = Vec::new();
    for _ in 0..plan.dice.few(1, 8) {
        let part = plan.dice.log(0.01, 0.5);
        at += plan.about_ns(plan.simulated_s() * part);
        let together = plan.dice.few(1, 12);
        requests.extend((0..together).map(|_| Request {
            at: SimTime(at),
            input: plan.dice.few(1, plan.input as u64 * 2) as u32,
            output: plan.dice.few(1, longest_output as u64) as u32,
            ..Request::default()
        }));
    }
    requests
}

/// Whether these arrivals depend on how requests fare: those of users who wait, or of sessions.
fn is_closed(value: &Value) -> bool {
    let Value::Table(arrivals) = value else {
        return false;
    };
    let is = |form: ArrivalForm| arrivals.contains(&("kind".to_owned(), text(form.word())));
    is(ArrivalForm::ClosedLoop) || is(ArrivalForm::Sessions)
}

/// The same file with its requests written out, save those of users, so that the shrinker can take out one after another.
pub fn recorded(file: &Table, requests: &[Request]) -> Table {
    let mut file = file.clone();
    let prefixes = ("kind".to_owned(), text(CacheForm::Prefix.word()));
    let has_hits = !file.iter().any(|(key, cache)| {
        key == "kv_cache" && matches!(cache, Value::Table(cache) if cache.contains(&prefixes))
    });
    let classes = file.iter_mut().filter(|(key, _)| key == "class");
    let classes = classes.flat_map(|(_, classes)| match classes {
        Value::List(classes) => classes.as_mut_slice(),
        _ => &mut [],
    });
    for (index, class) in (0..).zip(classes) {
        let Value::Table(class) = class else {
            continue;
        };
        if class
            .iter()
            .any(|(key, value)| key == "arrivals" && is_closed(value))
        {
            continue;
        }
        class.retain(|(key, _)| {
            !["arrivals", "input", "output", "hit_rate"].contains(&key.as_str())
        });
        let of_class: Vec<Request> = requests
            .iter()
            .filter(|r| r.class == index)
            .copied()
            .collect();
        put(
            class,
            "arrivals",
            Value::Table(trace(&of_class, has_hits, None)),
        );
    }
    file
}

/// Ids of the blocks of each prompt: some begin as an earlier one does.
fn blocks(plan: &mut Plan, requests: &[Request]) -> Vec<Vec<u64>> {
    let longest = requests.iter().map(|r| r.input).max().unwrap_or(1);
    let fitting = |size: &u32| longest.div_ceil(*size) <= 40;
    let sizes = [1, 16, 64, 256, 512, 1024];
    let size = sizes.into_iter().find(fitting).unwrap_or(1024);
    let mut all: Vec<Vec<u64>> = Vec::new();
    let mut fresh = 0;
    for request in requests {
        let count = request.input.div_ceil(size) as usize;
        let mut ids = Vec::new();
        if plan.dice.chance(0.7) && !all.is_empty() {
            let earlier = &all[plan.dice.whole(0, all.len() as u64 - 1) as usize];
            let shared = plan.dice.whole(0, earlier.len() as u64) as usize;
            ids.extend_from_slice(&earlier[..shared.min(count)]);
        }
        while ids.len() < count {
            ids.push(1_000_000 + 7 * fresh);
            fresh += 1;
        }
        all.push(ids);
    }
    all
}

fn trace(requests: &[Request], has_hits: bool, blocks: Option<&[Vec<u64>]>) -> Table {
    let mut rows = String::from("arrived_s,input_tokens,output_tokens");
    rows += if has_hits { ",cached_tokens" } else { "" };
    rows += if blocks.is_some() { ",hash_ids" } else { "" };
    for (
        place,
        Request {
            at,
            input,
            output,
            cached,
            ..
        },
    ) in requests.iter().enumerate()
    {
        let (seconds, ns) = (at.0 / SECOND_NS, at.0 % SECOND_NS);
        rows += &format!("\n{seconds}.{ns:09},{input},{output}");
        if has_hits {
            rows += &format!(",{cached}");
        }
        if let Some(blocks) = blocks {
            rows += &format!(",\"{:?}\"", blocks[place]);
        }
    }
    let csv = table([("text", text(rows))]);
    table([
        ("kind", text(ArrivalForm::Trace.word())),
        ("csv", Value::Table(csv)),
    ])
}
