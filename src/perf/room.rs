//! What a pool has room for: weights and KV of an accelerator, tokens of a rank, requests of a copy of the model.

use super::roofline::memory::AcceleratorMemory;
use super::roofline::memory_of;
use super::roofline::unit_shape::RooflineUnit;
use crate::scenario::{AnswersIn, ArrivalKind, Class, Performance, Pool, Role, Scenario};
use crate::units::{NS_PER_DAY, NS_PER_S};

/// Requests of the mean length on a rank below which `check` names a pool.
const FEW: f64 = 2.0;

/// Weights as a part of what the engine fills, from which a pool is named that holds fewer requests than the second
/// number: nobody runs a server that is all weights and decodes so few at once.
const FULL: (f64, f64) = (0.8, 16.0);

/// The memory and KV of a pool, and the requests that it has room for.
#[derive(Clone, Debug, PartialEq)]
pub struct Room {
    /// Name of the pool.
    pub pool: String,
    /// Accelerators of one copy of the model.
    pub gpus: u32,
    /// Accelerators that share a rank's attention.
    pub tensor: u32,
    /// Ranks of one copy of the model.
    pub ranks: u32,
    /// Memory of one accelerator; `None`: step times are given and nothing is known of memory.
    pub memory: Option<AcceleratorMemory>,
    /// KV tokens that a rank holds, stated or left by the memory; `None`: not known.
    pub kv_tokens: Option<u64>,
    /// Requests of the mean length (in a prefill pool prompts) that the KV of a copy holds at once; `None`: not known.
    pub requests: Option<f64>,
}

/// What each pool has room for, in the pools' order.
pub fn rooms(scenario: &Scenario) -> Vec<Room> {
    let pools = scenario.pools.iter();
    pools.map(|pool| Room::of(scenario, pool)).collect()
}

impl Room {
    /// What a pool has room for.
    pub fn of(scenario: &Scenario, pool: &Pool) -> Self {
        let memory = match &scenario.performance {
            Performance::Roofline(roofline) => RooflineUnit::of(scenario, pool, roofline)
                .map(|unit| memory_of(&unit, scenario, pool)),
            Performance::Linear(_) | Performance::Table(_) => None,
        };
        let left = memory.map(|m| m.kv_tokens() as u64);
        let kv_tokens = pool.kv_capacity_tokens.or(left);
        let (input, output) = mean_lengths(scenario);
        let length = match pool.role {
            Role::Prefill => input,
            Role::Decode | Role::Mixed => input + output,
        };
        let ranks = f64::from(pool.ranks);
        Self {
            pool: pool.name.clone(),
            gpus: pool.gpus_per_replica(),
            tensor: pool.parallelism.tensor,
            ranks: pool.ranks,
            memory,
            kv_tokens,
            requests: kv_tokens.map(|t| ranks * libm::floor(held(scenario, t, length))),
        }
    }
}

/// Requests of a length that so many KV tokens of a rank hold at once.
fn held(scenario: &Scenario, kv_tokens: u64, length: f64) -> f64 {
    let bytes = kv_tokens as f64 * scenario.kv.bytes_per_token() as f64;
    bytes / scenario.kv.bytes_of_request(length).max(1.0)
}

/// Mean input and output of a scenario's requests, in tokens, before rounding and clamping: classes by their
/// requests in a day, closed loops by their users; alike where there are both.
pub fn mean_lengths(scenario: &Scenario) -> (f64, f64) {
    let is_closed = |c: &Class| matches!(c.arrivals.kind, ArrivalKind::ClosedLoop(_));
    let closed = scenario.classes.iter().filter(|c| is_closed(c)).count();
    let both = closed > 0 && closed < scenario.classes.len();
    let (mut sums, mut total) = ([0.0; 2], 0.0);
    for class in &scenario.classes {
        let weight = if both { 1.0 } else { requests(class) };
        let (input, output) = lengths(class);
        sums[0] += weight * input;
        sums[1] += weight * output;
        total += weight;
    }
    if total > 0.0 {
        (sums[0] / total, sums[1] / total)
    } else {
        (1.0, 1.0)
    }
}

/// Requests of a class in a day, or its users.
fn requests(class: &Class) -> f64 {
    match &class.arrivals.kind {
        ArrivalKind::ClosedLoop(closed) => f64::from(closed.users),
        ArrivalKind::Trace(play) => play.count() as f64,
        ArrivalKind::Poisson
        | ArrivalKind::Deterministic
        | ArrivalKind::Renewal(_)
        | ArrivalKind::Bursts(_)
        | ArrivalKind::Clients(_)
        | ArrivalKind::Sessions(_) => {
            let turns = match &class.arrivals.kind {
                ArrivalKind::Sessions(sessions) => sessions.turns,
                _ => 1.0,
            };
            let rate = class.arrivals.rate.iter();
            rate.map(|s| {
                let seconds = (s.to.0 - s.from.0) as f64 / NS_PER_S as f64;
                0.5 * (s.rate_from_per_s + s.rate_to_per_s) * seconds * turns
            })
            .sum::<f64>()
                / (class.arrivals.cycle.0 as f64 / NS_PER_DAY as f64)
        }
    }
}

fn lengths(class: &Class) -> (f64, f64) {
    match &class.arrivals.kind {
        ArrivalKind::Trace(play) if play.facts.count > 0 => {
            let n = play.facts.count as f64;
            let (input, output) = (play.facts.input_tokens, play.facts.output_tokens);
            (input as f64 / n, output as f64 / n)
        }
        // A geometric number of turns: a request has as many before it as a session has after its first, on average.
        ArrivalKind::Sessions(sessions) => {
            let (input, output) = (class.input.law.mean(), class.output.law.mean());
            let kept = match sessions.answers {
                AnswersIn::Kept => output,
                AnswersIn::Dropped => 0.0,
            };
            let more = sessions.next_input.law.mean() + kept;
            (input + (sessions.turns - 1.0) * more, output)
        }
        ArrivalKind::Trace(_)
        | ArrivalKind::Poisson
        | ArrivalKind::Deterministic
        | ArrivalKind::Renewal(_)
        | ArrivalKind::Bursts(_)
        | ArrivalKind::Clients(_)
        | ArrivalKind::ClosedLoop(_) => (class.input.law.mean(), class.output.law.mean()),
    }
}

/// Pools with hardly any room, each in a sentence.
pub fn cautions(scenario: &Scenario) -> Vec<String> {
    let mut found = Vec::new();
    if let (Some(model), Performance::Roofline(_)) =
        (scenario.model.architecture, &scenario.performance)
    {
        let unmeasured = [
            model.linear.map(|_| "linear attention"),
            model.sparse.map(|_| "sparse attention and its indexer"),
        ];
        for kernels in unmeasured.into_iter().flatten() {
            found.push(format!(
                "kernels of {kernels} are taken to be as efficient as those of other attention (assumed): nobody \
                 measured them for these constants"
            ));
        }
    }
    let (input, output) = mean_lengths(scenario);
    for (pool, room) in scenario.pools.iter().zip(rooms(scenario)) {
        let Some(tokens) = room.kv_tokens else {
            continue;
        };
        if let Some(memory) = room.memory {
            let left = memory.kv_tokens().max(0.0) as u64;
            if tokens > left {
                found.push(format!(
                    "pool {}: kv_capacity_tokens states {tokens} KV tokens a rank, and its memory leaves {left}",
                    pool.name
                ));
            }
        }
        let name = &pool.name;
        if pool.role == Role::Prefill {
            let longest = scenario.classes.iter().map(Class::longest_input).max();
            let longest = longest.filter(|n| *n < crate::scenario::MAX_LENGTH);
            if let Some(longest) = longest
                && held(scenario, tokens, f64::from(longest)) < 1.0
            {
                found.push(format!(
                    "pool {name}: a rank's memory leaves {tokens} KV tokens, fewer than the longest prompt of {longest}"
                ));
            }
            continue;
        }
        let many = held(scenario, tokens, input + output);
        let (full, beside) = FULL;
        let weights = room
            .memory
            .map_or(0.0, |m| m.weights / (m.total - m.unused).max(1.0));
        if many < FEW || weights > full && many < beside {
            let weights = if weights > 0.0 {
                format!(
                    " beside weights that take {:.0} % of what it fills",
                    100.0 * weights
                )
            } else {
                String::new()
            };
            found.push(format!(
                "pool {name}: a rank holds {tokens} KV tokens{weights}, {many:.1} requests of the mean length of {:.0}: \
                 hardly anybody can decode at once; spread a copy over more accelerators, or keep weights or KV in fewer \
                 bits",
                input + output
            ));
        }
        let longest = scenario.classes.iter().filter_map(Class::longest).max();
        if let Some(longest) = longest
            && held(scenario, tokens, longest as f64) < 1.0
        {
            found.push(format!(
                "pool {name}: a rank holds {tokens} KV tokens, fewer than the longest request of {longest}: such \
                 requests fail"
            ));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::with_capacities;
    use super::*;
    use crate::scenario::load_str;

    fn scenario(model: &str, input: u32, more: &str) -> Scenario {
        let text = format!(
            "name = 'room'\nstart = 2026-01-05T12:00:00Z\nduration = '1min'\nmodel = '{model}'\n\
             node = {{ gpu = 'h100', gpus = 2, price_per_gpu_hour = 2.0 }}\n\
             [pools.mixed]\nnodes_per_unit = 1\nunits = 1\nmax_batch_tokens = 8192\nmax_batch_requests = 256\n{more}\n\
             [performance]\nkind = 'roofline'\nengine = 'vllm'\n\
             [[class]]\nname = 'long'\narrivals = {{ kind = 'poisson', requests_per_s = 1.0 }}\n\
             input = {{ kind = 'constant', value = {input} }}\noutput = {{ kind = 'constant', value = 1000 }}\n\
             [[class]]\nname = 'short'\narrivals = {{ kind = 'poisson', requests_per_s = 3.0 }}\n\
             input = {{ kind = 'constant', value = 1000 }}\noutput = {{ kind = 'constant', value = 1000 }}\n"
        );
        let read = load_str("room", &text, &[]).unwrap_or_else(|m| panic!("{}", m.render(false)));
        with_capacities(&read).expect("the model fits")
    }

    #[test]
    fn requests_of_the_mean_length_fill_the_room() {
        let one = scenario("llama-3.1-8b", 5000, "kv_capacity_tokens = 30001");
        // one of four has 6,000 tokens, the others 2,000: 3,000 on average
        assert_eq!(mean_lengths(&one), (2000.0, 1000.0));
        let [room] = &rooms(&one)[..] else {
            panic!("one pool");
        };
        assert_eq!((room.tensor, room.gpus, room.ranks), (2, 2, 1));
        assert_eq!((room.kv_tokens, room.requests), (Some(30_001), Some(10.0)));
        assert!(cautions(&one).is_empty());
    }

    /// Windows of 128 tokens keep no more of a request of 3,000: half the layers keep 3,000, half 128.
    #[test]
    fn windows_make_room_for_more_requests() {
        let gpt = scenario("gpt-oss-120b", 5000, "kv_capacity_tokens = 30000");
        let each = (3000.0 + 128.0) / 2.0;
        assert_eq!(rooms(&gpt)[0].requests, Some(libm::floor(30_000.0 / each)));
    }

    #[test]
    fn pools_with_hardly_any_room_are_named() {
        let said = |capacity: u32| {
            let more = format!("kv_capacity_tokens = {capacity}");
            cautions(&scenario("llama-3.1-8b", 5000, &more))
        };
        // two mean requests and the longest; the longest, not two; not even the longest
        assert!(said(6000).is_empty());
        let (few, none) = (said(5999), said(4000));
        assert_eq!(few.len(), 2, "{few:?}");
        assert!(few[0].contains("2.0 requests") && few[1].contains("such requests fail"));
        assert_eq!(none.len(), 2, "{none:?}");
        let most = said(100_000_000);
        assert!(
            most.len() == 1 && most[0].contains("its memory leaves"),
            "{most:?}"
        );
        // 66 GB of weights on each of two accelerators of 85: all weights, and 7 requests
        let more = "parallelism = { attention_data = 2 }";
        let named = cautions(&scenario("qwen3-32b", 10_000, more));
        assert!(
            named.len() == 1 && named[0].contains("84 % of what it fills"),
            "{named:?}"
        );
        assert!(
            named[0].contains("requests of the mean length of 4250"),
            "{named:?}"
        );
    }
}
