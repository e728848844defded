//! Decided quantiles of latencies, counted one by one (S12).

use std::collections::BTreeMap;

use tokentide::internals::metrics::Place;
use tokentide::internals::report::summary::{Decided, Quantiles};
use tokentide::internals::workload::Request;

use crate::history::{End, Life};
use crate::world::half_up;

/// By latency: how much of it there is at the end for each request that is inside then and does not have it.
pub fn so_far<'a>(
    lives: impl Iterator<Item = (&'a Request, &'a Life)>,
    end: u64,
    front_end: u64,
) -> BTreeMap<&'static str, Vec<u64>> {
    let mut waits: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for (request, life) in lives {
        let End::Inside(place, since) = life.end else {
            continue;
        };
        let mut add = |what, ns| waits.entry(what).or_default().push(ns);
        let waited = end - request.at.0;
        add("e2e", waited + front_end);
        match life.first_token {
            None => add("ttft", waited + front_end),
            Some(first) if request.output > 1 => {
                let tokens = u128::from(request.output - 1);
                add("tpot", half_up(u128::from(end - first), tokens) as u64);
            }
            Some(_) => (),
        }
        if place == Place::PrefillQueue && life.started.is_none() {
            add("queue", waited);
        }
        if place == Place::DecodeQueue {
            add("decode queue", end - since);
        }
    }
    waits
}

/// The quantiles of a summary by latency.
pub fn shown(decided: &Decided) -> [(&'static str, &Quantiles); 5] {
    [
        ("ttft", &decided.ttft_s),
        ("tpot", &decided.tpot_s),
        ("e2e", &decided.e2e_s),
        ("queue", &decided.queue_s),
        ("decode queue", &decided.decode_queue_s),
    ]
}

/// The least x, of all durations, so that of those that are decided at x at least that part has x or less, in seconds.
pub fn quantile(ended: &[u64], so_far: &[u64], per_mille: usize) -> f64 {
    let mut all: Vec<u64> = ended.iter().chain(so_far).copied().collect();
    all.sort_unstable();
    let holds = |x: &u64| {
        let have = ended.iter().filter(|ns| *ns <= x).count();
        let beyond = so_far.iter().filter(|ns| *ns > x).count();
        1000 * have >= per_mille * (ended.len() + beyond)
    };
    // What holds at x holds at what is longer.
    let at = all.partition_point(|x| !holds(x));
    all.get(at).map_or(0.0, |ns| *ns as f64 / 1e9)
}
