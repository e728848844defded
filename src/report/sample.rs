//! A small summary for the tests of this module: three hours with night between, round numbers.

use std::collections::BTreeMap;

use super::summary::*;
use crate::scenario::{PublishedKind, StepTimeForm};

/// A distribution whose quantiles lie around a value.
pub fn around(x: f64) -> DistributionSummary {
    DistributionSummary {
        count: 1_000,
        mean: Some(x),
        p50: Some(0.9 * x),
        p90: Some(1.5 * x),
        p95: Some(1.75 * x),
        p99: Some(2.5 * x),
        p999: Some(3.0 * x),
        max: Some(4.0 * x),
    }
}

fn latency(ttft_s: f64, speed: f64) -> Latency {
    Latency {
        ttft_s: around(ttft_s),
        tpot_s: around(1.0 / speed),
        itl_s: around(1.0 / speed),
        e2e_s: around(ttft_s + 999.0 / speed),
        queue_s: around(0.25 * ttft_s),
        decode_queue_s: around(0.025),
    }
}

fn pools(nodes: f64, batch: f64) -> BTreeMap<String, PoolSummary> {
    let prefill = PoolSummary {
        nodes_mean: 0.4 * nodes,
        nodes_peak: 40,
        utilization: Some(0.625),
        queue_length_mean: 12.0,
        queue_length_end: 10,
        steps: 5_000,
        ..PoolSummary::default()
    };
    let decode = PoolSummary {
        nodes_mean: 0.6 * nodes,
        nodes_peak: 60,
        units_mean: 30.0,
        utilization: Some(1.0),
        queue_length_mean: 3.0,
        queue_length_end: 2,
        batch_per_rank: Some(batch),
        kv_utilization: Some(batch / 128.0),
        blocked_by_kv: Some(0.0),
        blocked_by_batch: Some(0.0),
        steps: 70_000,
    };
    [
        ("prefill".to_string(), prefill),
        ("decode".to_string(), decode),
    ]
    .into()
}

const REQUESTS: RequestCounts = RequestCounts {
    in_flight_at_start: 900,
    arrived: 100_000,
    completed: 100_100,
    rejected: 0,
    failed: 0,
    in_flight: 800,
};

const TOKENS: TokenCounts = TokenCounts {
    input: 400_000_000,
    cached_input: 225_000_000,
    computed_input: 175_000_000,
    output: 100_100_000.0,
};

fn hour(start: &str, nodes: f64, ttft_s: f64, speed: f64, revenue_usd: f64) -> SpanSummary {
    SpanSummary {
        start: format!("2025-02-28T{start}:00+08:00"),
        duration_s: 3_600.0,
        nodes_mean: nodes,
        pools: pools(nodes, 1_800.0 / speed),
        requests: REQUESTS,
        tokens: TOKENS,
        kv_hit_rate: Some(0.5625),
        latency: latency(ttft_s, speed),
        latency_decided: Decided::default(),
        output_speed_tokens_per_s: Some(speed),
        cost_usd: 16.0 * nodes,
        revenue_usd,
        profit_usd: revenue_usd - 16.0 * nodes,
        energy_kwh: Some(2.5 * nodes),
        energy_overhead_kwh: None,
    }
}

fn published(
    name: &str,
    field: &str,
    low: f64,
    high: f64,
    simulated: f64,
    kind: PublishedKind,
) -> PublishedRow {
    PublishedRow {
        name: name.to_string(),
        field: field.to_string(),
        published_low: low,
        published_high: high,
        published: (low + high) / 2.0,
        simulated: Some(simulated),
        kind,
        source: "a sample".to_string(),
    }
}

/// The summary of three hours of a cluster that is released by night.
pub fn day() -> RunSummary {
    let three = |n: u64| 3 * n;
    let latencies = latency(0.8, 21.0);
    let balance = |n: &str| BalanceSummary {
        left: n.to_string(),
        right: n.to_string(),
        holds: true,
    };
    let class = ClassSummary {
        requests: REQUESTS,
        tokens: TOKENS,
        latency: latencies,
        latency_decided: Decided::default(),
        without_first_token: 0,
        longest_wait_s: None,
        recorded: None,
        slo_by_hour: Vec::new(),
        slo_every: None,
        slo: Some(SloSummary {
            attainment: Some(0.9975),
            judged: 299_700,
            required: Some(0.99),
            goodput_per_s: 27.5,
        }),
        revenue_usd: 12_000.0,
    };
    RunSummary {
        promised: Vec::new(),
        latency_decided: Decided::default(),
        schema_version: SCHEMA_VERSION,
        version: "0.1.0".to_string(),
        scenario: ScenarioId {
            name: "Three hours".to_string(),
            hash: "0123abcd".to_string(),
        },
        seed: 1,
        start: "2025-02-28T02:00:00+08:00".to_string(),
        duration_s: 10_800.0,
        replications: 1,
        step_times: Basis {
            kind: StepTimeForm::Roofline,
            ..Basis::default()
        },
        requests: RequestCounts {
            arrived: three(REQUESTS.arrived),
            completed: three(REQUESTS.completed) - 200,
            ..REQUESTS
        },
        tokens: TokenCounts {
            input: three(TOKENS.input),
            cached_input: three(TOKENS.cached_input),
            computed_input: three(TOKENS.computed_input),
            output: 3.0 * TOKENS.output,
        },
        kv_hit_rate: Some(0.5625),
        nodes: NodeCounts {
            mean: 80.0,
            peak: 100,
            node_hours: 240.0,
        },
        throughput: Throughput {
            prefill_input_tokens_per_s_per_node: Some(73_686.0),
            decode_output_tokens_per_s_per_node: Some(14_815.0),
        },
        latency: latencies,
        input_length_buckets: vec![
            LengthBucket {
                from_tokens: 1,
                to_tokens: Some(4_096),
                completed: 200_000,
                latency: latency(0.4, 21.0),
            },
            LengthBucket {
                from_tokens: 4_096,
                to_tokens: None,
                completed: 100_100,
                latency: latency(1.6, 20.5),
            },
        ],
        decode: DecodeSummary {
            output_speed_tokens_per_s: Some(21.0),
            kv_length_tokens: Some(4_989.0),
            batch_per_rank: Some(88.0),
            steps: 210_000,
            preemptions: 0,
            migrations: 1_203,
        },
        economics: Economics {
            cost_usd: 3_840.0,
            revenue_usd: 12_000.0,
            profit_usd: 8_160.0,
            cost_profit_ratio: Some(2.125),
            usd_per_million_output_tokens: Some(0.518),
            energy_kwh: None,
            energy_overhead_kwh: None,
            joules_per_output_token: None,
            unbilled_requests: 0,
        },
        pools: pools(80.0, 88.0),
        classes: [("r1".to_string(), class)].into(),
        hours: vec![
            hour("02:00", 100.0, 0.7, 21.5, 6_000.0),
            hour("03:00", 60.0, 0.9, 19.0, 5_000.0),
            hour("04:00", 80.0, 0.8, 22.0, 1_000.0),
        ],
        intervals: Vec::new(),
        published: vec![
            published(
                "cost",
                "economics.cost_usd",
                3_840.0,
                3_840.0,
                3_840.0,
                PublishedKind::Input,
            ),
            published(
                "output speed, tokens/s",
                "decode.output_speed_tokens_per_s",
                20.0,
                22.0,
                21.0,
                PublishedKind::Predicted,
            ),
            published(
                "slow speed, tokens/s",
                "decode.output_speed_tokens_per_s",
                24.0,
                25.0,
                21.0,
                PublishedKind::Predicted,
            ),
        ],
        confidence: Default::default(),
        no_interval: Default::default(),
        in_system: Vec::new(),
        audit: [
            ("requests".to_string(), balance("300900")),
            ("tokens".to_string(), balance("17")),
        ]
        .into(),
        warnings: vec!["decode queue: a sample warning".to_string()],
    }
}

/// The sample day with its worst hour changed by a test.
pub fn with_worst(change: impl FnOnce(&mut SpanSummary)) -> RunSummary {
    let mut summary = day();
    change(&mut summary.hours[1]);
    summary
}

/// A pool of an hour, by its name.
pub fn pool<'a>(span: &'a mut SpanSummary, name: &str) -> &'a mut PoolSummary {
    span.pools.entry(name.to_string()).or_default()
}
