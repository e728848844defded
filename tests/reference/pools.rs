//! Random pools and links.

use tokentide::internals::scenario::{Admission, Batching, FirstToken, RankBalance, Role, Router};

use crate::dice::round_125;
use crate::plan::{Grid, Layers, Plan, SECOND_NS, Size, Times};
use crate::text::{Table, Value, duration, put, table, text, time_of_day};

/// Divided by every number of ranks.
pub const GPUS: u64 = 12;
/// The same of a model whose layers are known, and into numbers that attention's heads can be divided by.
const KNOWN_GPUS: u64 = 8;
/// Requests on a rank, at most, where steps are measured: they are extrapolated.
const MOST_MEASURED: u64 = 24;
const MOST_BATCH_TOKENS: f64 = 16_384.0;
const MOST_KV_TOKENS: f64 = 1e8;
/// The slowest link that the reader allows, in bytes a second.
const SLOWEST: f64 = 1e6;
const HOUR_NS: u64 = 3600 * SECOND_NS;
/// Layers of the models from which these ones start.
const MODEL_LAYERS: u64 = 32;

/// Accelerators of a server.
fn node_gpus(plan: &Plan) -> u64 {
    match plan.layers {
        Layers::Dense | Layers::Experts(_) => KNOWN_GPUS,
        Layers::Unknown => GPUS,
    }
}

/// One server, whose accelerators have these interfaces and links to the host, in bytes a second, if any.
fn node(plan: &mut Plan, links: Option<[f64; 2]>) -> Table {
    let price = plan.dice.among(&[0.0, 1.0, 2.5]);
    let name = match plan.times {
        Times::Roofline => "h100",
        Times::Linear | Times::Table => "h800",
    };
    let gpu = match links {
        None => text(name),
        Some([nic, host]) => Value::Table(table([
            ("base", text(name)),
            ("nic_gb_per_s", Value::Number(nic.max(SLOWEST) / 1e9)),
            ("host_gb_per_s", Value::Number(host.max(SLOWEST) / 1e9)),
        ])),
    };
    let mut node = table([
        ("gpu", gpu),
        ("gpus", Value::Integer(node_gpus(plan))),
        ("price_per_gpu_hour", Value::Number(price)),
    ]);
    if plan.dice.chance(0.4) {
        put(&mut node, "shared", Value::Bare("true".to_owned()));
    }
    node
}

/// The model: of a token so many bytes of KV, where it is not one whose steps follow from what it is.
fn model(plan: &mut Plan, bytes: u64) -> Value {
    let (key, known) = match plan.layers {
        Layers::Unknown => ("name", "any"),
        Layers::Dense => ("base", "llama-3.1-8b"),
        Layers::Experts(_) => ("base", "mixtral-8x7b"),
    };
    let mut model = table([(key, text(known))]);
    if plan.times != Times::Roofline {
        put(&mut model, "kv_bytes_per_token", Value::Integer(bytes));
    }
    if plan.dice.chance(0.2) {
        let tokens = (plan.input + plan.output) * plan.dice.log(0.5, 8.0);
        put(&mut model, "context", Value::Integer(tokens as u64 + 1));
    }
    if plan.layers == Layers::Unknown {
        return Value::Table(model);
    }
    let mut with_states = 0;
    if plan.times != Times::Roofline && plan.dice.chance(0.2) {
        with_states = plan.dice.few(1, 16);
        let states = table([
            ("layers", Value::Integer(with_states)),
            ("key_heads", Value::Integer(1)),
            ("key_head", Value::Integer(plan.dice.few(1, 16))),
            ("value_heads", Value::Integer(1)),
            ("value_head", Value::Integer(plan.dice.few(1, 16))),
        ]);
        put(&mut model, "linear", Value::Table(states));
    }
    if plan.dice.chance(0.5) {
        let window = match plan.times {
            Times::Roofline => plan.dice.whole(16, 200),
            // Requests grow beyond it.
            Times::Linear | Times::Table => {
                let whole = plan.input + plan.output;
                ((whole * plan.dice.log(0.1, 1.5)) as u64).max(1)
            }
        };
        let most = MODEL_LAYERS - with_states;
        let some = plan.dice.whole(1, most);
        // A prefix cache needs a layer that keeps everything.
        let most = most - u64::from(plan.has_prefixes);
        let layers = plan.dice.among(&[some.min(most), most / 2, most]);
        let attention = table([
            ("heads", Value::Integer(32)),
            ("kv_heads", Value::Integer(8)),
            ("head", Value::Integer(128)),
            ("window_layers", Value::Integer(layers)),
            ("window", Value::Integer(window)),
        ]);
        put(&mut model, "grouped", Value::Table(attention));
    }
    Value::Table(model)
}

/// Servers, and a model whose KV takes about as long on the links as requests come apart, more or less.
pub fn hardware(plan: &mut Plan, root: &mut Table) {
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
    let model = model(plan, bytes);
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
    let mut transfer = table([("overlap", Value::Number(overlap))]);
    if plan.has_own_links {
        let of_one = [bytes_per_s, host].map(|of_rank| of_rank / 4.0);
        let node = node(plan, Some(of_one));
        put(root, "node", Value::Table(node));
    } else {
        let of_rank = |speed: f64| Value::Number(speed.max(SLOWEST) / 1e9);
        put(&mut transfer, "bandwidth_gb_per_s", of_rank(bytes_per_s));
        put(&mut transfer, "host_gb_per_s", of_rank(host));
        let node = node(plan, None);
        put(root, "node", Value::Table(node));
    }
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
    // A table's times may fall as tokens rise, so that it is not clear how many have room.
    if plan.times != Times::Table && plan.dice.chance(0.3) {
        let seconds = match plan.times {
            Times::Roofline => plan.dice.log(1e-4, 0.1),
            Times::Linear | Times::Table => {
                plan.gap_s * plan.intake.all_ranks() * plan.dice.log(0.005, 1.0)
            }
        };
        let time = plan.about_ns(seconds).clamp(1_000, HOUR_NS);
        put(&mut pool, "max_batch_time", duration(time));
    }
    let batch = if plan.dice.chance(0.3) {
        Some(plan.dice.whole(1, 4))
    } else {
        None
    };
    limits(plan, &mut pool, batch);
    if plan.has_prefixes {
        let tokens = (plan.input * plan.dice.log(0.5, 12.0)).clamp(1.0, MOST_KV_TOKENS);
        let tokens = Value::Integer(tokens as u64);
        put(&mut pool, "kv_capacity_tokens", tokens);
    }
    balance(plan, &mut pool, Role::Prefill);
    routing(plan, &mut pool, Role::Prefill);
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
    memory(plan, &mut pool, Role::Decode);
    if plan.dice.chance(0.3) {
        let first = plan.dice.word(|_: FirstToken| 1);
        put(&mut pool, "first_token", text(first.word()));
    }
    routing(plan, &mut pool, Role::Decode);
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
    memory(plan, &mut pool, Role::Mixed);
    let batching = plan.dice.word(|_: Batching| 1);
    put(&mut pool, "batching", text(batching.word()));
    let look_ahead = plan.dice.chance(0.4).to_string();
    put(&mut pool, "look_ahead", Value::Bare(look_ahead));
    if plan.dice.chance(0.3) {
        let every = plan.dice.whole(1, 5);
        put(&mut pool, "prefill_every", Value::Integer(every));
    }
    if plan.dice.chance(0.3) {
        let every = plan.dice.whole(1, 6);
        put(&mut pool, "receive_every", Value::Integer(every));
    }
    if !plan.has_prefixes && plan.dice.chance(0.3) {
        let steps = plan.dice.whole(1, 6);
        put(&mut pool, "batch_wait_steps", Value::Integer(steps));
    }
    if plan.dice.chance(0.3) {
        let tokens = (plan.input * plan.dice.log(0.5, 8.0)).clamp(1.0, MOST_BATCH_TOKENS);
        put(
            &mut pool,
            "batch_wait_tokens",
            Value::Integer(tokens as u64),
        );
    }
    routing(plan, &mut pool, Role::Mixed);
    put(&mut pool, "units", units(plan, plan.intake.units));
    pool
}

fn batch_tokens(plan: &mut Plan, pool: &mut Table) {
    let tokens = (plan.input * plan.dice.log(0.1, 4.0)).clamp(1.0, MOST_BATCH_TOKENS);
    put(pool, "max_batch_tokens", Value::Integer(tokens as u64));
}

/// Memory for one request of a usual length, or for a few.
fn memory(plan: &mut Plan, pool: &mut Table, role: Role) {
    let request = plan.input + plan.output;
    let capacity = (request * plan.dice.log(1.0, 12.0)).clamp(2.0, MOST_KV_TOKENS);
    put(pool, "kv_capacity_tokens", Value::Integer(capacity as u64));
    let admission = plan.dice.word(|admission| match admission {
        Admission::Current => 2,
        Admission::Reserve => 1,
    });
    put(pool, "admission", text(admission.word()));
    balance(plan, pool, role);
}

/// How a unit's ranks share requests.
fn balance(plan: &mut Plan, pool: &mut Table, role: Role) {
    let balance = plan.dice.word(|balance: RankBalance| match balance {
        _ if !balance.serves(role) => 0,
        RankBalance::Time if role != Role::Prefill => 2,
        RankBalance::Time | RankBalance::Tokens | RankBalance::Kv | RankBalance::Requests => 1,
    });
    put(pool, "balance", text(balance.word()));
}

/// How large a unit is: whole nodes, or a part of one; and how its accelerators share the work.
fn shape(plan: &mut Plan, size: Size) -> Table {
    let node = node_gpus(plan);
    // Weights of experts do not fit on one accelerator.
    let least = match (plan.layers, plan.times) {
        (Layers::Experts(_), Times::Roofline) => 2,
        _ => 1,
    };
    let fits = |each: &u64| {
        let gpus = size.ranks * each;
        gpus >= least && node.is_multiple_of(gpus)
    };
    let each: Vec<u64> = (1..=node).filter(fits).collect();
    let each = plan.dice.among(&each);
    let mut parallelism = table([("attention_data", Value::Integer(size.ranks))]);
    let (key, gpus, value) = match plan.dice.whole(0, 3) {
        0 => {
            put(&mut parallelism, "tensor", Value::Integer(each));
            ("", size.ranks * each, 0)
        }
        1 => ("gpus_per_unit", size.ranks * each, size.ranks * each),
        _ => {
            let nodes = match plan.layers {
                Layers::Unknown => plan.dice.whole(1, 3),
                Layers::Dense | Layers::Experts(_) => plan.dice.among(&[1, 1, 2]),
            };
            ("nodes_per_unit", nodes * node, nodes)
        }
    };
    if let Layers::Experts(over) = plan.layers {
        let over = (1..=over).rev().find(|over| gpus.is_multiple_of(*over));
        let over = over.unwrap_or(1);
        put(&mut parallelism, "experts", Value::Integer(over));
    }
    let mut pool = table([("parallelism", Value::Table(parallelism))]);
    if !key.is_empty() {
        put(&mut pool, key, Value::Integer(value));
    }
    pool
}

fn limits(plan: &mut Plan, pool: &mut Table, batch: Option<u64>) {
    let most = Some(MOST_MEASURED).filter(|_| plan.times == Times::Table);
    let batch = batch.or(most);
    if let Some(batch) = batch {
        put(pool, "max_batch_requests", Value::Integer(batch));
    }
    if plan.dice.chance(0.3) {
        let most = plan.dice.among(&[0, 1, 2, 5]);
        put(pool, "max_queue_requests", Value::Integer(most));
    }
}

fn routing(plan: &mut Plan, pool: &mut Table, role: Role) {
    let asks = plan.has_prefixes && role != Role::Decode && plan.dice.chance(0.6);
    let router = plan.dice.word(|router: Router| match router {
        _ if !router.serves(role) || router.asks_contents() != asks => 0,
        Router::LeastLoaded | Router::LeastKv if role != Role::Mixed => 2,
        Router::LeastLoaded
        | Router::LeastKv
        | Router::RoundRobin
        | Router::LeastTime
        | Router::PowerOfTwo
        | Router::PrefixCost
        | Router::PrefixScore
        | Router::PrefixBalance
        | Router::SessionSticky => 1,
    });
    put(pool, "router", text(router.word()));
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
