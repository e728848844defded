//! What a finished simulation leaves, and what follows from one stretch of it alone.

use std::collections::BTreeMap;

use super::summary::{
    Decided, DecodeSummary, DistributionSummary, Economics, Latency, NodeCounts, PoolSummary,
    Quantiles, RequestCounts, RunSummary, Throughput, TokenCounts,
};
use crate::economics::cost::cost_of;
use crate::economics::energy::{GpuTime, JOULES_PER_KWH, energy_kwh, overhead_kwh};
use crate::economics::paid::PaidPools;
use crate::metrics::audit::AuditBalance;
use crate::metrics::cells::{ClassCounts, Latencies, StepCounts};
use crate::metrics::pool_record::Record;
use crate::metrics::{self, Place, TimeCell, Timeline};
use crate::scenario::{Pool, Role, Scenario};
use crate::units::{NS_PER_HOUR, NS_PER_S, PicoUsd, SimTime};

/// The records that a finished simulation leaves.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// Edges at which the window was cut.
    pub timeline: Timeline,
    /// The record of the pool that takes arrivals.
    pub intake: Record,
    /// The record of the decode pool; `None`: there is none.
    pub decode: Option<Record>,
    /// Requests inside the pools at the end, counted one by one.
    pub in_flight: u64,
    /// Balances that the pools kept.
    pub balances: Vec<AuditBalance>,
}

impl Evidence {
    /// The records of all pools.
    pub(super) fn records(&self) -> impl Iterator<Item = &Record> {
        std::iter::once(&self.intake).chain(&self.decode)
    }

    /// What the pools have paid for.
    pub(super) fn paid<'a>(&'a self, scenario: &'a Scenario) -> PaidPools<'a> {
        let of = |pool: &Pool| match &self.decode {
            Some(decode) if pool.role == Role::Decode => &decode.paid,
            _ => &self.intake.paid,
        };
        PaidPools::new(
            &scenario.pools,
            &scenario.node,
            scenario.pools.iter().map(of),
        )
    }
}

/// A stretch of the window: the cells of both pools, added up.
pub(super) struct WindowStretch {
    pub(super) from: SimTime,
    pub(super) to: SimTime,
    pub(super) intake: TimeCell,
    pub(super) decode: TimeCell,
    /// Node-nanoseconds that all pools have paid for in the stretch, and the most nodes at once.
    pub(super) nodes: (u128, u64),
    /// Node-nanoseconds and most nodes of each pool, in the order of the file.
    nodes_of_pools: Vec<(f64, u32)>,
    /// Latencies so far of requests inside at the stretch's end; empty unless the run ends there.
    inside: Latencies,
}

impl WindowStretch {
    pub(super) fn new(
        scenario: &Scenario,
        evidence: &Evidence,
        from: SimTime,
        to: SimTime,
    ) -> Self {
        let paid = evidence.paid(scenario);
        let range = evidence.timeline.cells(from, to);
        let sum = |record: &Record| TimeCell::sum(record.cells.get(range.clone()).unwrap_or(&[]));
        let mut inside = Latencies::default();
        if to == evidence.timeline.end() {
            let records = evidence.records();
            records
                .flat_map(|record| &record.inside)
                .for_each(|class| inside.merge(class));
        }
        Self {
            nodes: paid.nodes(from, to),
            nodes_of_pools: paid.of_each(from, to),
            inside,
            from,
            to,
            intake: sum(&evidence.intake),
            decode: evidence.decode.as_ref().map(sum).unwrap_or_default(),
        }
    }

    pub(super) fn ns(&self) -> u64 {
        self.to.since(self.from).0
    }

    /// Requests in the system, time average.
    pub(super) fn in_system(&self) -> f64 {
        let places = |cell: &TimeCell| cell.integrals.places.iter().sum::<u128>();
        (places(&self.intake) + places(&self.decode)) as f64 / self.ns() as f64
    }

    pub(super) fn class(&self, index: usize) -> ClassCounts {
        let mut counts = self.intake.classes.get(index).copied().unwrap_or_default();
        counts.merge(&self.decode.classes.get(index).copied().unwrap_or_default());
        counts
    }

    pub(super) fn all_classes(&self) -> ClassCounts {
        let mut counts = ClassCounts::default();
        for class in self.intake.classes.iter().chain(&self.decode.classes) {
            counts.merge(class);
        }
        counts
    }

    pub(super) fn latencies(&self) -> Latencies {
        let mut latencies = self.intake.latencies.clone();
        latencies.merge(&self.decode.latencies);
        latencies
    }

    pub(super) fn decided(&self) -> Decided {
        decided(&self.latencies(), &self.inside)
    }

    pub(super) fn requests(&self) -> RequestCounts {
        let mut requests = request_counts(&self.all_classes());
        let sum = |a: [u64; 5], b: [u64; 5]| a.iter().sum::<u64>() + b.iter().sum::<u64>();
        requests.in_flight_at_start = sum(self.intake.at_start, self.decode.at_start);
        requests.in_flight = sum(self.intake.at_end, self.decode.at_end);
        requests
    }

    pub(super) fn cell_of(&self, pool: &Pool) -> &TimeCell {
        match pool.role {
            Role::Prefill | Role::Mixed => &self.intake,
            Role::Decode => &self.decode,
        }
    }

    pub(super) fn steps(&self) -> StepCounts {
        let mut steps = self.intake.steps;
        steps.merge(&self.decode.steps);
        steps
    }

    pub(super) fn output_speed(&self) -> Option<f64> {
        let steps = self.steps();
        ratio(
            steps.tokens_after_first as f64 * NS_PER_S as f64,
            steps.ns_after_first as f64,
        )
    }
}

/// The figures that follow from one stretch of the window alone; others are empty.
pub(super) fn of_stretch(scenario: &Scenario, stretch: &WindowStretch) -> RunSummary {
    let counts = stretch.all_classes();
    let tokens = token_counts(&counts);
    let (node_ns, peak) = stretch.nodes;
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
        latency_decided: stretch.decided(),
        decode: decode_summary(scenario, stretch),
        economics: economics(scenario, stretch, &counts, &tokens),
        pools: pools(scenario, stretch),
        ..RunSummary::default()
    }
}

pub(super) fn ratio(a: f64, b: f64) -> Option<f64> {
    (b != 0.0).then(|| a / b)
}

pub(super) fn request_counts(counts: &ClassCounts) -> RequestCounts {
    RequestCounts {
        arrived: counts.arrived,
        completed: counts.completed,
        rejected: counts.rejected,
        failed: counts.failed,
        ..RequestCounts::default()
    }
}

pub(super) fn token_counts(counts: &ClassCounts) -> TokenCounts {
    TokenCounts {
        input: counts.input,
        cached_input: counts.cached,
        computed_input: counts.input - counts.cached,
        output: counts.output_1024 as f64 / 1024.0,
    }
}

fn distribution(d: &metrics::SparseHistogram) -> DistributionSummary {
    let seconds = |ns: f64| ns / NS_PER_S as f64;
    let quantile = |per_mille| d.quantile_ns(per_mille).map(|ns| seconds(ns as f64));
    DistributionSummary {
        count: d.count(),
        mean: d.mean_ns().map(seconds),
        p50: quantile(500),
        p90: quantile(900),
        p95: quantile(950),
        p99: quantile(990),
        p999: quantile(999),
        max: d.max_ns().map(|ns| seconds(ns as f64)),
    }
}

pub(super) fn latency(l: &Latencies) -> Latency {
    Latency {
        ttft_s: distribution(&l.ttft),
        tpot_s: distribution(&l.tpot),
        itl_s: distribution(&l.itl),
        e2e_s: distribution(&l.e2e),
        queue_s: distribution(&l.queue),
        decode_queue_s: distribution(&l.decode_queue),
    }
}

/// Quantiles over requests that have a latency and those inside that have waited as long already.
pub(super) fn decided(ended: &Latencies, inside: &Latencies) -> Decided {
    let of = |ended: &metrics::SparseHistogram, inside: &metrics::SparseHistogram| {
        let quantile = |per_mille| {
            let ns = ended.decided_quantile_ns(inside, per_mille);
            ns.map(|ns| ns as f64 / NS_PER_S as f64)
        };
        Quantiles {
            p50: quantile(500),
            p90: quantile(900),
            p95: quantile(950),
            p99: quantile(990),
            p999: quantile(999),
        }
    };
    Decided {
        ttft_s: of(&ended.ttft, &inside.ttft),
        tpot_s: of(&ended.tpot, &inside.tpot),
        e2e_s: of(&ended.e2e, &inside.e2e),
        queue_s: of(&ended.queue, &inside.queue),
        decode_queue_s: of(&ended.decode_queue, &inside.decode_queue),
    }
}

fn throughput(scenario: &Scenario, window: &WindowStretch, tokens: &TokenCounts) -> Throughput {
    let per_node_second = |not: Role, count: f64| {
        let index = scenario.pools.iter().position(|p| p.role != not)?;
        let (node_ns, _) = window.nodes_of_pools[index];
        ratio(count * NS_PER_S as f64, node_ns)
    };
    Throughput {
        prefill_input_tokens_per_s_per_node: per_node_second(Role::Decode, tokens.input as f64),
        decode_output_tokens_per_s_per_node: per_node_second(Role::Prefill, tokens.output),
    }
}

fn decode_summary(scenario: &Scenario, window: &WindowStretch) -> DecodeSummary {
    let steps = window.steps();
    let pool = scenario.pools.iter().position(|p| p.role != Role::Prefill);
    DecodeSummary {
        output_speed_tokens_per_s: window.output_speed(),
        kv_length_tokens: ratio(steps.kv_1024 as f64 / 1024.0, steps.request_steps as f64),
        batch_per_rank: pool.and_then(|index| pool_summary(scenario, index, window).batch_per_rank),
        steps: steps.decode_steps,
        preemptions: steps.preemptions,
        migrations: steps.migrations,
    }
}

/// Time of the accelerators of paid nodes by what they did; those that no unit fills are idle.
fn gpu_time(scenario: &Scenario, stretch: &WindowStretch) -> GpuTime {
    let mut time = GpuTime {
        paid: stretch.nodes.0 * u128::from(scenario.node.gpus),
        ..GpuTime::default()
    };
    for pool in &scenario.pools {
        let gpus = u128::from(pool.gpus_per_replica());
        let done = &stretch.cell_of(pool).integrals;
        time.busy += gpus * done.busy;
        time.prompts += gpus * done.prompts;
    }
    time
}

pub(super) fn economics(
    scenario: &Scenario,
    stretch: &WindowStretch,
    counts: &ClassCounts,
    tokens: &TokenCounts,
) -> Economics {
    let cost = cost_of(stretch.nodes.0, &scenario.node).as_usd();
    let revenue = PicoUsd(counts.revenue).as_usd();
    let time = gpu_time(scenario, stretch);
    let energy = energy_kwh(&time, &scenario.node.gpu);
    Economics {
        cost_usd: cost,
        revenue_usd: revenue,
        profit_usd: revenue - cost,
        cost_profit_ratio: ratio(revenue - cost, cost),
        usd_per_million_output_tokens: ratio(cost * 1e6, tokens.output),
        energy_kwh: energy,
        energy_overhead_kwh: overhead_kwh(&time, &scenario.node.gpu),
        joules_per_output_token: energy.and_then(|kwh| ratio(kwh * JOULES_PER_KWH, tokens.output)),
        unbilled_requests: counts.unbilled,
    }
}

pub(super) fn pools(scenario: &Scenario, stretch: &WindowStretch) -> BTreeMap<String, PoolSummary> {
    scenario
        .pools
        .iter()
        .enumerate()
        .map(|(index, p)| (p.name.clone(), pool_summary(scenario, index, stretch)))
        .collect()
}

fn pool_summary(scenario: &Scenario, index: usize, stretch: &WindowStretch) -> PoolSummary {
    let pool = &scenario.pools[index];
    let (node_ns, nodes_peak) = stretch.nodes_of_pools[index];
    let cell = stretch.cell_of(pool);
    let i = &cell.integrals;
    let ns = stretch.ns() as f64;
    let (waiting, serving) = match pool.role {
        Role::Prefill => (Place::PrefillQueue, Place::Prefill),
        Role::Decode => (Place::DecodeQueue, Place::Decode),
        Role::Mixed => (Place::PrefillQueue, Place::Decode),
    };
    let working = i.working as f64;
    let rank_ns = working * f64::from(pool.ranks);
    let decode = |value: Option<f64>| {
        if pool.role == Role::Prefill {
            None
        } else {
            value
        }
    };
    PoolSummary {
        nodes_mean: node_ns / ns,
        nodes_peak,
        units_mean: i.paid as f64 / ns,
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

#[cfg(test)]
mod tests {
    use crate::experiment::run;
    use crate::report::summary::RunSummary;
    use crate::scenario::load_str;

    /// The summary of half an hour on H100 nodes, with these pools.
    fn played(pools: &str) -> RunSummary {
        let text = format!(
            r#"
            name = "energy"
            start = 2026-01-05T00:00:00Z
            duration = "30min"
            report_every = "7min"
            model = "deepseek-v3"
            node = {{ gpu = "h100", gpus = 8, price_per_gpu_hour = 2.0 }}
            {pools}
            [performance]
            kind = "linear"
            prefill = {{ base = "10ms", per_token = "20us" }}
            decode = {{ base = "15ms", per_request = "20us" }}
            [[class]]
            name = "a"
            arrivals = {{ kind = "poisson", requests_per_s = 0.5 }}
            input = {{ kind = "constant", value = 2000 }}
            output = {{ kind = "constant", value = 50 }}
            "#
        );
        let scenario = load_str("test", &text, &[]).unwrap_or_else(|m| panic!("{m}"));
        run(&scenario, 1).expect("it plays to its end")
    }

    fn busy_gpu_hours(summary: &RunSummary, pool: &str, gpus: f64) -> f64 {
        let pool = &summary.pools[pool];
        let hours = summary.duration_s / 3_600.0;
        pool.utilization.unwrap_or(0.0) * pool.units_mean * gpus * hours
    }

    /// Asserts that the parts of a run add up to the whole.
    fn parts_add_up(summary: &RunSummary) {
        let whole = summary.economics.energy_kwh.expect("power is known");
        let parts: f64 = summary.intervals.iter().filter_map(|i| i.energy_kwh).sum();
        assert!(summary.intervals.len() == 5 && (parts / whole - 1.0).abs() < 1e-9);
        let joules = 3.6e6 * whole / summary.tokens.output;
        let found = summary.economics.joules_per_output_token;
        assert!((found.unwrap_or(0.0) / joules - 1.0).abs() < 1e-9);
    }

    #[test]
    fn prefill_draws_its_limit_decode_less_and_what_waits_the_least() {
        let summary = played(
            r#"
            pools.prefill = { nodes_per_unit = 1, parallelism = { attention_data = 1 }, max_batch_tokens = 8192, units = 2 }
            pools.decode = { nodes_per_unit = 1, parallelism = { attention_data = 8 }, kv_capacity_tokens = 100000, units = 1 }
            "#,
        );
        let prompts = busy_gpu_hours(&summary, "prefill", 8.0);
        let generating = busy_gpu_hours(&summary, "decode", 8.0);
        let paid = 3.0 * 8.0 * 0.5;
        assert!(prompts > 0.1 && generating > 0.5 && prompts + generating < paid);
        // 119 W idle, 300 W generating, 700 W computing prompts
        let by_hand = 0.119 * (paid - prompts - generating) + 0.3 * generating + 0.7 * prompts;
        let found = summary.economics.energy_kwh.expect("power is known");
        assert!((found / by_hand - 1.0).abs() < 1e-9, "{found} {by_hand}");
        let rest = summary.economics.energy_overhead_kwh.expect("it is known");
        assert!((rest - 1.03 * paid).abs() < 1e-9);
        parts_add_up(&summary);
    }

    #[test]
    fn mixed_steps_draw_the_limit_only_while_they_compute_prompts() {
        let pools = |units| {
            format!(
                "pools.mixed = {{ nodes_per_unit = 1, parallelism = {{ attention_data = 1 }}, \
                 max_batch_tokens = 8192, kv_capacity_tokens = 100000, units = {units} }}"
            )
        };
        let summary = played(&pools(1));
        let busy = busy_gpu_hours(&summary, "mixed", 8.0);
        let found = summary.economics.energy_kwh.expect("power is known");
        let between = |watts| 0.119 * (4.0 - busy) + watts * busy;
        assert!(found > between(0.3) && found < between(0.7), "{found}");
        parts_add_up(&summary);
        // a second node that does little more than wait costs its idle power and all of its overhead
        let two = played(&pools(2));
        let more = two.economics.energy_kwh.expect("power is known") - found;
        assert!(more > 0.0 && more < 0.3 * 4.0, "{more}");
        let rest = |s: &RunSummary| s.economics.energy_overhead_kwh.unwrap_or(0.0);
        assert!((rest(&two) / rest(&summary) - 2.0).abs() < 1e-9);
    }
}
