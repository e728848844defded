//! What a careful reader should know before believing a summary.

use super::summary::RunSummary;
use crate::scenario::{Role, Scenario};

/// A queue that grew by this part of all arrivals is called growing.
const GROWTH: f64 = 0.01;
/// Requests that wait with their KV, as a part of those that decode, before memory becomes a question.
const WAITING_KV: f64 = 0.1;
/// Preemptions to completed requests.
const PREEMPTED: f64 = 0.01;

/// Warnings about a run, each saying what was seen and what it means.
pub fn warnings(scenario: &Scenario, summary: &RunSummary) -> Vec<String> {
    let mut warnings = Vec::new();
    let first = summary.hours.first();
    for pool in &scenario.pools {
        let Some(end) = summary.pools.get(&pool.name) else {
            continue;
        };
        let start = first
            .and_then(|h| h.pools.get(&pool.name))
            .map_or(0.0, |p| p.queue_length_mean);
        let grown = end.queue_length_end as f64 - start;
        if grown > (GROWTH * summary.requests.arrived as f64).max(20.0) {
            warnings.push(format!(
                "the {} queue has grown to {} requests at the end and is still growing or draining: the pool is \
                 overloaded, and means over this window do not describe a steady state",
                pool.name, end.queue_length_end
            ));
        }
        if pool.role == Role::Decode {
            let resident =
                end.batch_per_rank.unwrap_or(0.0) * f64::from(pool.ranks) * end.nodes_mean
                    / f64::from(pool.nodes_per_unit);
            if end.queue_length_mean > WAITING_KV * resident && end.queue_length_mean > 1.0 {
                warnings.push(format!(
                    "{:.0} requests wait for decode on average, with KV that this model keeps in memory it does not limit",
                    end.queue_length_mean
                ));
            }
        }
    }
    if summary.requests.failed > 0 {
        warnings.push(format!(
            "{} requests failed: their KV would not fit an empty rank (kv_capacity_tokens)",
            summary.requests.failed
        ));
    }
    let preempted = summary.decode.preemptions as f64;
    if preempted > PREEMPTED * summary.requests.completed as f64 && preempted > 0.0 {
        warnings.push(format!(
            "{} preemptions: ranks run out of KV memory (kv_capacity_tokens, admission)",
            summary.decode.preemptions
        ));
    }
    if summary.requests.arrived == 0 {
        warnings.push("no request arrived in the window".to_owned());
    }
    warnings
}
