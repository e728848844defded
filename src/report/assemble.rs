//! From what the recorders counted to the summary that people read. Nothing is simulated here, and no
//! integer becomes a floating-point number before this point.

use std::collections::BTreeMap;

use super::confidence;
use super::promised::Stretches;
use super::span::{inside_before, left_of};
use super::stretch::{
    Evidence, WindowStretch, decided, latency, of_stretch, ratio, request_counts, token_counts,
};
use super::summary::{
    BalanceSummary as BalanceRow, ClassSummary, LengthBucket, PublishedRow, Recorded,
    RequestCounts, RunSummary, SCHEMA_VERSION, ScenarioId, SloSummary,
};
use super::warnings::{is_comparable, warnings};
use crate::metrics::Place;
use crate::metrics::audit::AuditBalance;
use crate::metrics::cells::Latencies;
use crate::metrics::length_bucket::{BUCKET_EDGES, BUCKETS};
use crate::scenario::{Published, Scenario};
use crate::units::{NS_PER_HOUR, NS_PER_S, PicoUsd, SimDuration};

/// The summary of a finished simulation.
pub fn assemble(scenario: &Scenario, evidence: &Evidence) -> RunSummary {
    let (from, to) = (evidence.timeline.start(), evidence.timeline.end());
    let window = WindowStretch::new(scenario, evidence, from, to);
    let counted = of_stretch(scenario, &window);
    let hours = Stretches::new(scenario, evidence, SimDuration(NS_PER_HOUR));
    let promised = scenario
        .slo_every
        .map(|every| Stretches::new(scenario, evidence, every));
    let mut summary = RunSummary {
        schema_version: SCHEMA_VERSION,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        scenario: ScenarioId {
            name: scenario.name.clone(),
            hash: scenario.hash().to_owned(),
        },
        seed: scenario.seed,
        start: scenario.start.text.clone(),
        duration_s: scenario.duration.as_secs_f64(),
        replications: 1,
        step_times: super::basis::basis(scenario),
        requests: RequestCounts {
            in_flight: evidence.in_flight,
            ..counted.requests
        },
        input_length_buckets: length_buckets(evidence),
        classes: classes(scenario, evidence, &window, &hours, promised.as_ref()),
        promised: promised
            .map(|every| every.promised(scenario, evidence))
            .unwrap_or_default(),
        audit: audit(scenario, evidence, &window),
        ..counted
    };
    confidence::judge(scenario, evidence, &mut summary);
    summary.hours = hours.into_spans();
    summary.intervals = scenario
        .report_every
        .map(|every| Stretches::new(scenario, evidence, every).into_spans())
        .unwrap_or_default();
    summary.published = published(scenario, &summary);
    summary.warnings = warnings(scenario, &summary);
    summary
}

fn length_buckets(evidence: &Evidence) -> Vec<LengthBucket> {
    (0..BUCKETS)
        .map(|bucket| {
            let (mut latencies, mut completed) = (Latencies::default(), 0);
            for record in evidence.records() {
                latencies.merge(&record.buckets[bucket].0);
                completed += record.buckets[bucket].1;
            }
            LengthBucket {
                from_tokens: if bucket == 0 {
                    0
                } else {
                    BUCKET_EDGES[bucket - 1]
                },
                to_tokens: BUCKET_EDGES.get(bucket).copied(),
                completed,
                latency: latency(&latencies),
            }
        })
        .collect()
}

/// Latencies so far of requests of a class that are inside at the end, in both pools.
fn inside_of(evidence: &Evidence, class: usize) -> Latencies {
    let mut inside = Latencies::default();
    for record in evidence.records() {
        if let Some(other) = record.inside.get(class) {
            inside.merge(other);
        }
    }
    inside
}

fn classes(
    scenario: &Scenario,
    evidence: &Evidence,
    window: &WindowStretch,
    hours: &Stretches,
    promised: Option<&Stretches>,
) -> BTreeMap<String, ClassSummary> {
    let seconds = window.ns() as f64 / NS_PER_S as f64;
    let of_class = |(index, class): (usize, &crate::scenario::Class)| {
        let counts = window.class(index);
        let mut latencies = Latencies::default();
        for record in evidence.records() {
            latencies.merge(&record.of_class(index));
        }
        let left = left_of(evidence, index);
        let requests = RequestCounts {
            in_flight_at_start: inside_before(evidence, index),
            in_flight: left.requests,
            ..request_counts(&counts)
        };
        let judged = counts.completed + counts.rejected + counts.failed + left.missed;
        let came = requests.in_flight_at_start + requests.arrived > 0;
        let slo = class.slo.map(|slo| SloSummary {
            attainment: came.then(|| ratio(counts.met_slo as f64, judged as f64).unwrap_or(0.0)),
            judged,
            required: slo.attainment,
            goodput_per_s: counts.met_slo as f64 / seconds,
        });
        let summary = ClassSummary {
            requests,
            tokens: token_counts(&counts),
            latency: latency(&latencies),
            latency_decided: decided(&latencies, &inside_of(evidence, index)),
            without_first_token: left.without_first_token,
            longest_wait_s: left.longest_wait_ns.map(|ns| ns as f64 / NS_PER_S as f64),
            recorded: scenario
                .played(class)
                .map(|(requests, played, empty)| Recorded {
                    requests,
                    played,
                    empty,
                }),
            slo,
            slo_by_hour: hours.each_of_class(scenario, evidence, index),
            slo_every: promised.and_then(|every| every.of_class(scenario, evidence, index)),
            revenue_usd: PicoUsd(counts.revenue).as_usd(),
        };
        (class.name.clone(), summary)
    };
    scenario.classes.iter().enumerate().map(of_class).collect()
}

fn audit(
    scenario: &Scenario,
    evidence: &Evidence,
    window: &WindowStretch,
) -> BTreeMap<String, BalanceRow> {
    let mut balances = evidence.balances.clone();
    let r = window.requests();
    balances.push(AuditBalance::new(
        "requests",
        u128::from(r.in_flight_at_start + r.arrived),
        u128::from(r.completed + r.rejected + r.failed + evidence.in_flight),
    ));
    let by_units: u128 = scenario
        .pools
        .iter()
        .map(|p| window.cell_of(p).integrals.paid * u128::from(p.gpus_per_replica()))
        .sum();
    let by_changes = evidence.paid(scenario).gpus(window.from, window.to);
    balances.push(AuditBalance::new("gpu_ns", by_changes, by_units));
    for (place, name) in Place::INSIDE.into_iter().zip([
        "little_prefill_queue",
        "little_prefill",
        "little_transfer",
        "little_decode_queue",
        "little_decode",
    ]) {
        let index = place as usize;
        let integral =
            window.intake.integrals.places[index] + window.decode.integrals.places[index];
        let sojourns = evidence.records().map(|r| r.sojourns[index]).sum();
        balances.push(AuditBalance::new(name, integral, sojourns));
    }
    balances
        .into_iter()
        .map(|b| {
            let row = BalanceRow {
                left: b.left.to_string(),
                right: b.right.to_string(),
                holds: b.holds(),
            };
            (b.name.to_owned(), row)
        })
        .collect()
}

/// Published figures for this window beside what the summary says at their paths.
fn published(scenario: &Scenario, summary: &RunSummary) -> Vec<PublishedRow> {
    let value = serde_json::to_value(summary).unwrap_or_default();
    let row = |p: &Published| PublishedRow {
        name: p.name.clone(),
        field: p.field.clone(),
        published_low: p.low,
        published_high: p.high,
        published: (p.low + p.high) / 2.0,
        simulated: value
            .pointer(&format!("/{}", p.field.replace('.', "/")))
            .and_then(serde_json::Value::as_f64),
        kind: p.kind,
        source: p.source.clone(),
    };
    let compared = scenario.published.iter();
    compared
        .filter(|p| is_comparable(scenario, p))
        .map(row)
        .collect()
}
