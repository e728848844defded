//! From what the recorders counted to the summary that people read. Nothing is simulated here, and no
//! integer becomes a floating-point number before this point.

use std::collections::BTreeMap;

use super::batches;
use super::local::local_text;
use super::summary::{
    Balance as BalanceRow, ClassSummary, DecodeSummary, Distribution, Economics, Latency,
    LengthBucket, NodeCounts, PoolSummary, PublishedRow, RequestCounts, RunSummary, SCHEMA_VERSION,
    ScenarioId, SloSummary, Span, Throughput, TokenCounts,
};
use super::warnings::warnings;
use crate::cluster::schedule::{paid_nodes, paid_units};
use crate::economics::cost::{cost_of, energy_kwh};
use crate::metrics::audit::Balance;
use crate::metrics::cells::{ClassCounts, Latencies};
use crate::metrics::recorder::{BUCKET_EDGES, BUCKETS, Record};
use crate::metrics::{self, Cell, Place, Timeline};
use crate::scenario::{Pool, PublishedKind, Role, Scenario};
use crate::units::{NS_PER_HOUR, NS_PER_S, PicoUsd, SimDuration, SimTime};

/// What a finished simulation leaves.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// Where the window was cut.
    pub timeline: Timeline,
    /// The record of the pool that takes arrivals.
    pub intake: Record,
    /// The decode pool's record.
    pub decode: Option<Record>,
    /// Requests inside the pools at the end, counted one by one.
    pub in_flight: u64,
    /// Balances that the pools kept.
    pub balances: Vec<Balance>,
}

/// A stretch of the window: both pools' cells, added up.
pub(super) struct Stretch {
    from: SimTime,
    to: SimTime,
    intake: Cell,
    decode: Cell,
}

impl Stretch {
    pub(super) fn new(evidence: &Evidence, from: SimTime, to: SimTime) -> Self {
        let range = evidence.timeline.cells(from, to);
        let sum = |record: &Record| Cell::sum(record.cells.get(range.clone()).unwrap_or(&[]));
        Self {
            from,
            to,
            intake: sum(&evidence.intake),
            decode: evidence.decode.as_ref().map(sum).unwrap_or_default(),
        }
    }

    fn ns(&self) -> u64 {
        self.to.since(self.from).0
    }

    /// Requests anywhere in the system, time average.
    pub(super) fn in_system(&self) -> f64 {
        let places = |cell: &Cell| cell.integrals.places.iter().sum::<u128>();
        (places(&self.intake) + places(&self.decode)) as f64 / self.ns() as f64
    }

    fn class(&self, index: usize) -> ClassCounts {
        let mut counts = self.intake.classes.get(index).copied().unwrap_or_default();
        counts.merge(&self.decode.classes.get(index).copied().unwrap_or_default());
        counts
    }

    fn all_classes(&self) -> ClassCounts {
        let mut counts = ClassCounts::default();
        for class in self.intake.classes.iter().chain(&self.decode.classes) {
            counts.merge(class);
        }
        counts
    }

    fn latencies(&self) -> Latencies {
        let mut latencies = self.intake.latencies.clone();
        latencies.merge(&self.decode.latencies);
        latencies
    }

    fn requests(&self) -> RequestCounts {
        let mut requests = request_counts(&self.all_classes());
        let sum = |a: [u64; 5], b: [u64; 5]| a.iter().sum::<u64>() + b.iter().sum::<u64>();
        requests.in_flight_at_start = sum(self.intake.at_start, self.decode.at_start);
        requests.in_flight = sum(self.intake.at_end, self.decode.at_end);
        requests
    }

    fn cell_of(&self, pool: &Pool) -> &Cell {
        match pool.role {
            Role::Prefill | Role::Mixed => &self.intake,
            Role::Decode => &self.decode,
        }
    }

    fn output_speed(&self) -> Option<f64> {
        let mut steps = self.intake.steps;
        steps.merge(&self.decode.steps);
        ratio(
            steps.tokens_after_first as f64 * NS_PER_S as f64,
            steps.ns_after_first as f64,
        )
    }
}

/// The summary of a finished simulation.
pub fn assemble(scenario: &Scenario, evidence: &Evidence) -> RunSummary {
    let (from, to) = (evidence.timeline.start(), evidence.timeline.end());
    let window = Stretch::new(evidence, from, to);
    let spans = |every: SimDuration| -> Vec<Span> {
        Timeline::spans(from, scenario.duration, every)
            .into_iter()
            .map(|(a, b)| span(scenario, &Stretch::new(evidence, a, b)))
            .collect()
    };
    let (node_ns, _) = paid_nodes(scenario, from, to);
    let counted = of_stretch(scenario, &window);
    let mut summary = RunSummary {
        schema_version: SCHEMA_VERSION,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        scenario: ScenarioId {
            name: scenario.name.clone(),
            hash: scenario.hash.clone(),
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
        classes: classes(scenario, evidence, &window),
        audit: audit(scenario, evidence, &window, node_ns),
        ..counted
    };
    batches::judge(scenario, evidence, &mut summary);
    summary.hours = spans(SimDuration(NS_PER_HOUR));
    summary.intervals = scenario.report_every.map(spans).unwrap_or_default();
    summary.published = published(scenario, &summary);
    summary.warnings = warnings(scenario, &summary);
    summary
}

/// What follows from one stretch of the window alone; all else is empty.
pub(super) fn of_stretch(scenario: &Scenario, stretch: &Stretch) -> RunSummary {
    let counts = stretch.all_classes();
    let tokens = token_counts(&counts);
    let (node_ns, peak) = paid_nodes(scenario, stretch.from, stretch.to);
    RunSummary {
        requests: stretch.requests(),
        tokens,
        kv_hit_rate: ratio(tokens.cached_input as f64, tokens.input as f64),
        nodes: NodeCounts {
            mean: node_ns as f64 / stretch.ns() as f64,
            peak: peak as u32,
            node_hours: node_ns as f64 / NS_PER_HOUR as f64,
        },
        throughput: throughput(scenario, stretch, &tokens),
        latency: latency(&stretch.latencies()),
        decode: decode_summary(scenario, stretch),
        economics: economics(scenario, node_ns, &counts, &tokens),
        pools: pools(scenario, stretch),
        ..RunSummary::default()
    }
}

fn ratio(a: f64, b: f64) -> Option<f64> {
    (b != 0.0).then(|| a / b)
}

fn request_counts(counts: &ClassCounts) -> RequestCounts {
    RequestCounts {
        arrived: counts.arrived,
        completed: counts.completed,
        rejected: counts.rejected,
        failed: counts.failed,
        ..RequestCounts::default()
    }
}

fn token_counts(counts: &ClassCounts) -> TokenCounts {
    TokenCounts {
        input: counts.input,
        cached_input: counts.cached,
        computed_input: counts.input - counts.cached,
        output: counts.output_1024 as f64 / 1024.0,
    }
}

fn distribution(d: &metrics::Distribution) -> Distribution {
    let seconds = |ns: f64| ns / NS_PER_S as f64;
    let quantile = |per_mille| d.quantile_ns(per_mille).map(|ns| seconds(ns as f64));
    Distribution {
        count: d.count(),
        mean: d.mean_ns().map(seconds),
        p50: quantile(500),
        p90: quantile(900),
        p95: quantile(950),
        p99: quantile(990),
        max: d.max_ns().map(|ns| seconds(ns as f64)),
    }
}

fn latency(l: &Latencies) -> Latency {
    Latency {
        ttft_s: distribution(&l.ttft),
        tpot_s: distribution(&l.tpot),
        itl_s: distribution(&l.itl),
        e2e_s: distribution(&l.e2e),
        queue_s: distribution(&l.queue),
        decode_queue_s: distribution(&l.decode_queue),
    }
}

fn throughput(scenario: &Scenario, window: &Stretch, tokens: &TokenCounts) -> Throughput {
    let per_node_second = |not: Role, count: f64| {
        let pool = scenario.pools.iter().find(|p| p.role != not)?;
        let node_ns = window.cell_of(pool).integrals.paid * u128::from(pool.nodes_per_unit);
        ratio(count * NS_PER_S as f64, node_ns as f64)
    };
    Throughput {
        prefill_input_tokens_per_s_per_node: per_node_second(Role::Decode, tokens.input as f64),
        decode_output_tokens_per_s_per_node: per_node_second(Role::Prefill, tokens.output),
    }
}

/// Latencies and completions of one kind of request, from both pools.
fn of_kinds(evidence: &Evidence, kinds: impl Iterator<Item = usize>) -> (Latencies, u64) {
    let (mut latencies, mut completed) = (Latencies::default(), 0);
    for kind in kinds {
        for record in std::iter::once(&evidence.intake).chain(&evidence.decode) {
            if let Some((l, n)) = record.kinds.get(kind) {
                latencies.merge(l);
                completed += n;
            }
        }
    }
    (latencies, completed)
}

fn length_buckets(evidence: &Evidence) -> Vec<LengthBucket> {
    let kinds = evidence.intake.kinds.len();
    (0..BUCKETS)
        .map(|bucket| {
            let (latencies, completed) = of_kinds(evidence, (bucket..kinds).step_by(BUCKETS));
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

fn decode_summary(scenario: &Scenario, window: &Stretch) -> DecodeSummary {
    let mut steps = window.decode.steps;
    steps.merge(&window.intake.steps);
    let pool = scenario.pools.iter().find(|p| p.role != Role::Prefill);
    DecodeSummary {
        output_speed_tokens_per_s: window.output_speed(),
        kv_length_tokens: ratio(steps.kv_1024 as f64 / 1024.0, steps.request_steps as f64),
        batch_per_rank: pool.and_then(|p| pool_summary(scenario, p, window).batch_per_rank),
        steps: steps.decode_steps,
        preemptions: steps.preemptions,
        migrations: steps.migrations,
    }
}

fn economics(
    scenario: &Scenario,
    node_ns: u128,
    counts: &ClassCounts,
    tokens: &TokenCounts,
) -> Economics {
    let cost = cost_of(node_ns, &scenario.node).as_usd();
    let revenue = PicoUsd(counts.revenue).as_usd();
    Economics {
        cost_usd: cost,
        revenue_usd: revenue,
        profit_usd: revenue - cost,
        cost_profit_ratio: ratio(revenue - cost, cost),
        usd_per_million_output_tokens: ratio(cost * 1e6, tokens.output),
        energy_kwh: energy_kwh(node_ns, &scenario.node),
        unbilled_requests: counts.unbilled,
    }
}

fn pools(scenario: &Scenario, stretch: &Stretch) -> BTreeMap<String, PoolSummary> {
    scenario
        .pools
        .iter()
        .map(|p| (p.name.clone(), pool_summary(scenario, p, stretch)))
        .collect()
}

fn pool_summary(scenario: &Scenario, pool: &Pool, stretch: &Stretch) -> PoolSummary {
    let cell = stretch.cell_of(pool);
    let i = &cell.integrals;
    let ns = stretch.ns() as f64;
    let (waiting, serving) = match pool.role {
        Role::Prefill => (Place::PrefillQueue, Place::Prefill),
        Role::Decode => (Place::DecodeQueue, Place::Decode),
        Role::Mixed => (Place::PrefillQueue, Place::Decode),
    };
    let nodes = f64::from(pool.nodes_per_unit);
    let working = i.working as f64;
    let rank_ns = working * f64::from(pool.ranks);
    let decode = |value: Option<f64>| {
        if pool.role == Role::Prefill {
            None
        } else {
            value
        }
    };
    let paid = paid_units(&pool.schedule, scenario, stretch.to);
    let peak = paid
        .iter()
        .enumerate()
        .filter(|(n, (at, _))| {
            *at < stretch.to && paid.get(n + 1).is_none_or(|next| next.0 > stretch.from)
        })
        .map(|(_, (_, units))| *units)
        .max()
        .unwrap_or(0);
    PoolSummary {
        nodes_mean: i.paid as f64 * nodes / ns,
        nodes_peak: peak * pool.nodes_per_unit,
        utilization: ratio(i.busy as f64, i.paid as f64),
        queue_length_mean: i.places[waiting as usize] as f64 / ns,
        queue_length_end: cell.at_end[waiting as usize],
        batch_per_rank: ratio(i.places[serving as usize] as f64, rank_ns),
        kv_utilization: decode(ratio(
            i.kv_1024 as f64 / 1024.0,
            rank_ns * pool.kv_capacity_tokens.unwrap_or(0) as f64,
        )),
        blocked_by_kv: decode(ratio(i.blocked_by_kv as f64, working)),
        blocked_by_batch: decode(ratio(i.blocked_by_batch as f64, working)),
        steps: cell.steps.prefill_steps + cell.steps.decode_steps - cell.steps.shared_steps,
    }
}

fn classes(
    scenario: &Scenario,
    evidence: &Evidence,
    window: &Stretch,
) -> BTreeMap<String, ClassSummary> {
    let seconds = window.ns() as f64 / NS_PER_S as f64;
    let of_class = |(index, class): (usize, &crate::scenario::Class)| {
        let counts = window.class(index);
        let (latencies, _) = of_kinds(evidence, index * BUCKETS..(index + 1) * BUCKETS);
        let judged = counts.completed + counts.rejected + counts.failed;
        let slo = class.slo.map(|slo| SloSummary {
            attainment: ratio(counts.met_slo as f64, judged as f64),
            required: slo.attainment,
            goodput_per_s: counts.met_slo as f64 / seconds,
        });
        let summary = ClassSummary {
            requests: request_counts(&counts),
            tokens: token_counts(&counts),
            latency: latency(&latencies),
            slo,
            revenue_usd: PicoUsd(counts.revenue).as_usd(),
        };
        (class.name.clone(), summary)
    };
    scenario.classes.iter().enumerate().map(of_class).collect()
}

fn span(scenario: &Scenario, stretch: &Stretch) -> Span {
    let counts = stretch.all_classes();
    let tokens = token_counts(&counts);
    let (node_ns, _) = paid_nodes(scenario, stretch.from, stretch.to);
    let money = economics(scenario, node_ns, &counts, &tokens);
    let since_start = stretch.from.since(SimTime::ZERO + scenario.warm_up);
    Span {
        start: local_text(&scenario.start, since_start),
        duration_s: stretch.ns() as f64 / NS_PER_S as f64,
        nodes_mean: node_ns as f64 / stretch.ns() as f64,
        pools: pools(scenario, stretch),
        requests: stretch.requests(),
        tokens,
        kv_hit_rate: ratio(tokens.cached_input as f64, tokens.input as f64),
        latency: latency(&stretch.latencies()),
        output_speed_tokens_per_s: stretch.output_speed(),
        cost_usd: money.cost_usd,
        revenue_usd: money.revenue_usd,
        profit_usd: money.profit_usd,
    }
}

fn audit(
    scenario: &Scenario,
    evidence: &Evidence,
    window: &Stretch,
    node_ns: u128,
) -> BTreeMap<String, BalanceRow> {
    let mut balances = evidence.balances.clone();
    let r = window.requests();
    balances.push(Balance::new(
        "requests",
        u128::from(r.in_flight_at_start + r.arrived),
        u128::from(r.completed + r.rejected + r.failed + evidence.in_flight),
    ));
    let by_units: u128 = scenario
        .pools
        .iter()
        .map(|p| window.cell_of(p).integrals.paid * u128::from(p.nodes_per_unit))
        .sum();
    balances.push(Balance::new("node_ns", node_ns, by_units));
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
        let sojourns = std::iter::once(&evidence.intake)
            .chain(&evidence.decode)
            .map(|r| r.sojourns[index])
            .sum();
        balances.push(Balance::new(name, integral, sojourns));
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

/// Published figures beside what this summary says at their paths.
fn published(scenario: &Scenario, summary: &RunSummary) -> Vec<PublishedRow> {
    let value = serde_json::to_value(summary).unwrap_or_default();
    let row = |p: &crate::scenario::Published| PublishedRow {
        name: p.name.clone(),
        field: p.field.clone(),
        published_low: p.low,
        published_high: p.high,
        published: (p.low + p.high) / 2.0,
        simulated: value
            .pointer(&format!("/{}", p.field.replace('.', "/")))
            .and_then(serde_json::Value::as_f64),
        kind: match p.kind {
            PublishedKind::Input => "input".to_owned(),
            PublishedKind::Predicted => "predicted".to_owned(),
        },
        source: p.source.clone(),
    };
    scenario.published.iter().map(row).collect()
}
