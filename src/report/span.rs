//! The figures of one stretch of the window, and who is inside at its edges.

use super::local::local_text;
use super::stretch::{Evidence, WindowStretch, economics, latency, pools, ratio, token_counts};
use super::summary::SpanSummary;
use crate::metrics::cells::ClassCounts;
use crate::metrics::left::Left;
use crate::scenario::Scenario;
use crate::units::{NS_PER_S, SimTime};

/// The figures of a stretch of the window.
pub(super) fn span(scenario: &Scenario, stretch: &WindowStretch) -> SpanSummary {
    let counts = stretch.all_classes();
    let tokens = token_counts(&counts);
    let (node_ns, _) = stretch.nodes;
    let money = economics(scenario, stretch, &counts, &tokens);
    let since_start = stretch.from.since(SimTime::ZERO + scenario.warm_up);
    SpanSummary {
        start: local_text(&scenario.start, since_start),
        duration_s: stretch.ns() as f64 / NS_PER_S as f64,
        nodes_mean: node_ns as f64 / stretch.ns() as f64,
        pools: pools(scenario, stretch),
        requests: stretch.requests(),
        tokens,
        kv_hit_rate: ratio(tokens.cached_input as f64, tokens.input as f64),
        latency: latency(&stretch.latencies()),
        latency_decided: stretch.decided(),
        output_speed_tokens_per_s: stretch.output_speed(),
        cost_usd: money.cost_usd,
        revenue_usd: money.revenue_usd,
        profit_usd: money.profit_usd,
        energy_kwh: money.energy_kwh,
        energy_overhead_kwh: money.energy_overhead_kwh,
    }
}

/// Requests of a class that are inside at the end, in both pools.
pub(super) fn left_of(evidence: &Evidence, class: usize) -> Left {
    let mut left = Left::default();
    for record in evidence.records() {
        if let Some(other) = record.left.get(class) {
            left.merge(other);
        }
    }
    left
}

/// Requests of a class that came before the window and had not ended when it began, in both pools.
pub(super) fn inside_before(evidence: &Evidence, class: usize) -> u64 {
    let mut before = ClassCounts::default();
    for record in evidence.records() {
        if let Some(other) = record.before.get(class) {
            before.merge(other);
        }
    }
    before.arrived - before.completed - before.rejected - before.failed
}
