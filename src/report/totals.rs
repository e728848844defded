//! The run as a whole: totals, latencies, pools, classes, and latencies by input length.

use super::basis::in_words;
use super::format::{NONE, column, count, fixed, maybe, number, percent, seconds, si, usd};
use super::grid::{Grid, GridCell, GridColumn};
use super::hourly::pool_names;
use super::page::{Body, Section};
use super::style::Tone;
use super::summary::{DistributionSummary, Economics, LengthBucket, RunSummary};

/// The section of totals: requests, tokens, nodes, throughput, decode and economics.
pub fn figures(summary: &RunSummary) -> Section {
    let r = &summary.requests;
    let t = &summary.tokens;
    let d = &summary.decode;
    let e = &summary.economics;
    let tenth = |x: f64| fixed(x, 1);
    let throughput = &summary.throughput;
    let mut requests = vec![
        format!("{} arrived", count(r.arrived)),
        format!("{} completed", count(r.completed)),
    ];
    let fates = [(r.rejected, "rejected"), (r.failed, "failed")];
    let lost = fates.iter().filter(|(n, _)| *n > 0);
    requests.extend(lost.map(|(n, fate)| format!("{} {fate}", count(*n))));
    if r.rejected + r.failed == 0 {
        requests.push("none lost".to_string());
    }
    requests.push(format!(
        "{} in flight at the start, {} at the end",
        count(r.in_flight_at_start),
        count(r.in_flight)
    ));
    let mut rows = vec![
        ("Requests", requests),
        (
            "Tokens",
            vec![
                format!("input {}", si(t.input as f64)),
                format!(
                    "cached {} (hit rate {})",
                    si(t.cached_input as f64),
                    maybe(summary.kv_hit_rate, percent)
                ),
                format!("computed {}", si(t.computed_input as f64)),
                format!("output {}", si(t.output)),
            ],
        ),
        (
            "Nodes",
            vec![
                format!("mean {}", fixed(summary.nodes.mean, 2)),
                format!("peak {}", count(u64::from(summary.nodes.peak))),
                format!("{} node-hours", fixed(summary.nodes.node_hours, 2)),
            ],
        ),
        (
            "Throughput",
            vec![
                format!(
                    "prefill {} input tokens/s per node",
                    maybe(throughput.prefill_input_tokens_per_s_per_node, si)
                ),
                format!(
                    "decode {} output tokens/s per node",
                    maybe(throughput.decode_output_tokens_per_s_per_node, si)
                ),
            ],
        ),
        (
            "Decode",
            vec![
                format!(
                    "{} tokens/s per request",
                    maybe(d.output_speed_tokens_per_s, tenth)
                ),
                format!(
                    "KV length {} tokens",
                    maybe(d.kv_length_tokens, |x| fixed(x, 0))
                ),
                format!("batch {} per rank", maybe(d.batch_per_rank, tenth)),
                format!("{} steps", count(d.steps)),
                format!("{} preemptions", count(d.preemptions)),
                format!("{} migrations", count(d.migrations)),
            ],
        ),
        (
            "Economics",
            vec![
                format!("cost {}", usd(e.cost_usd)),
                format!("revenue {}", usd(e.revenue_usd)),
                format!(
                    "profit {} ({} of cost)",
                    usd(e.profit_usd),
                    maybe(e.cost_profit_ratio, percent)
                ),
                format!(
                    "{} per million output tokens",
                    maybe(e.usd_per_million_output_tokens, usd)
                ),
                energy(e),
                format!("{} unbilled requests", count(e.unbilled_requests)),
            ],
        ),
    ];
    let basis = in_words(&summary.step_times);
    if !basis.is_empty() {
        rows.push(("Step times", basis));
    }
    Section {
        title: "Totals".to_string(),
        body: Body::Figures(rows),
        notes: Vec::new(),
    }
}

/// Energy of the GPUs and of the rest of the nodes, apart, as far as they are known.
fn energy(e: &Economics) -> String {
    let Some(gpus) = e.energy_kwh else {
        return "energy not known".to_string();
    };
    let rest = match e.energy_overhead_kwh {
        Some(rest) => format!("host, network and cooling {} kWh", number(rest)),
        None => "host, network and cooling not known".to_string(),
    };
    let each = e.joules_per_output_token.map_or_else(String::new, |x| {
        format!(" ({} J an output token)", number(x))
    });
    format!("energy of the GPUs {} kWh{each}, of {rest}", number(gpus))
}

/// Observations from which on a page for people shows a p99.9: ten lie beyond it.
const MANY: u64 = 10_000;

/// The section of latencies with their quantiles.
pub fn latency(summary: &RunSummary) -> Section {
    let l = &summary.latency;
    let names: [(&str, &DistributionSummary); 6] = [
        ("TTFT", &l.ttft_s),
        ("TPOT", &l.tpot_s),
        ("ITL", &l.itl_s),
        ("E2E", &l.e2e_s),
        ("prefill queue", &l.queue_s),
        ("decode queue", &l.decode_queue_s),
    ];
    type Figure = fn(&DistributionSummary) -> Option<f64>;
    let mut figures: Vec<(&str, Figure)> = vec![
        ("mean", |d| d.mean),
        ("p50", |d| d.p50),
        ("p90", |d| d.p90),
        ("p95", |d| d.p95),
        ("p99", |d| d.p99),
        ("max", |d| d.max),
    ];
    if names.iter().any(|(_, d)| d.count >= MANY) {
        figures.insert(5, ("p99.9", |d| d.p999.filter(|_| d.count >= MANY)));
    }
    let mut columns = vec![GridColumn::left("")];
    columns.extend(figures.iter().map(|(head, _)| GridColumn::right(head)));
    let mut grid = Grid::new(columns);
    grid.rows = names
        .iter()
        .map(|(name, d)| {
            let cells = figures.iter().map(|(_, figure)| figure(d));
            let cells = cells.map(|x| GridCell::new(maybe(x, seconds)));
            std::iter::once(GridCell::new(name)).chain(cells).collect()
        })
        .collect();
    Section {
        title: "Latency".to_string(),
        body: Body::Grid(grid),
        notes: Vec::new(),
    }
}

/// The section of pools; `None`: there are none.
pub fn pools(summary: &RunSummary) -> Option<Section> {
    if summary.pools.is_empty() {
        return None;
    }
    let mut grid = Grid::new(vec![
        GridColumn::left("pool"),
        GridColumn::right("nodes\nmean"),
        GridColumn::right("nodes\npeak"),
        GridColumn::right("busy"),
        GridColumn::right("KV\nheld"),
        GridColumn::right("batch\n/rank"),
        GridColumn::right("waiting\nmean"),
        GridColumn::right("waiting\nat end"),
        GridColumn::right("waited for\nKV memory"),
        GridColumn::right("waited for\na slot"),
        GridColumn::right("steps"),
    ]);
    for name in pool_names(summary) {
        let Some(pool) = summary.pools.get(name) else {
            continue;
        };
        grid.rows.push(vec![
            GridCell::new(name),
            GridCell::new(fixed(pool.nodes_mean, 2)),
            GridCell::new(count(u64::from(pool.nodes_peak))),
            GridCell::new(maybe(pool.utilization, percent)),
            GridCell::new(maybe(pool.kv_utilization, percent)),
            GridCell::new(maybe(pool.batch_per_rank, |x| fixed(x, 1))),
            GridCell::new(fixed(pool.queue_length_mean, 1)),
            GridCell::new(count(pool.queue_length_end)),
            GridCell::new(maybe(pool.blocked_by_kv, percent)),
            GridCell::new(maybe(pool.blocked_by_batch, percent)),
            GridCell::new(count(pool.steps)),
        ]);
    }
    Some(Section {
        title: "Pools".to_string(),
        body: Body::Grid(grid),
        notes: Vec::new(),
    })
}

/// The section of classes and whether their SLOs were met; `None`: there are none.
pub fn classes(summary: &RunSummary) -> Option<Section> {
    if summary.classes.is_empty() {
        return None;
    }
    let mut grid = Grid::new(vec![
        GridColumn::left("class"),
        GridColumn::right("arrived"),
        GridColumn::right("lost"),
        GridColumn::right("TTFT\np50"),
        GridColumn::right("TTFT\np99"),
        GridColumn::right("TPOT\np50"),
        GridColumn::right("TPOT\np99"),
        GridColumn::right("SLO\nmet"),
        GridColumn::right("SLO\nrequired"),
        GridColumn::right("goodput\n/s"),
        GridColumn::right("revenue"),
    ]);
    for (name, class) in &summary.classes {
        let r = &class.requests;
        let l = &class.latency;
        let slo = class.slo;
        let attainment = slo.and_then(|slo| slo.attainment);
        let required = slo.and_then(|slo| slo.required);
        let tone = match (attainment, required) {
            (Some(got), Some(required)) if got < required => Tone::Bad,
            (Some(_), Some(_)) => Tone::Good,
            _ => Tone::Plain,
        };
        grid.rows.push(vec![
            GridCell::new(name),
            GridCell::new(count(r.arrived)),
            GridCell::new(count(r.rejected + r.failed)),
            GridCell::new(maybe(l.ttft_s.p50, seconds)),
            GridCell::new(maybe(l.ttft_s.p99, seconds)),
            GridCell::new(maybe(l.tpot_s.p50, seconds)),
            GridCell::new(maybe(l.tpot_s.p99, seconds)),
            GridCell::toned(tone, maybe(attainment, percent)),
            GridCell::new(maybe(required, percent)),
            GridCell::new(slo.map_or_else(|| NONE.to_string(), |slo| number(slo.goodput_per_s))),
            GridCell::new(usd(class.revenue_usd)),
        ]);
    }
    Some(Section {
        title: "Classes".to_string(),
        body: Body::Grid(grid),
        notes: Vec::new(),
    })
}

/// The section of latency by input length; `None`: nobody completed.
pub fn length_buckets(summary: &RunSummary) -> Option<Section> {
    let buckets: Vec<&LengthBucket> = summary
        .input_length_buckets
        .iter()
        .filter(|b| b.completed > 0)
        .collect();
    let completed: u64 = buckets.iter().map(|b| b.completed).sum();
    if completed == 0 {
        return None;
    }
    let mut grid = Grid::new(vec![
        GridColumn::left("input tokens"),
        GridColumn::right("requests\n%"),
        GridColumn::right("TTFT s\np50"),
        GridColumn::right("TTFT s\np90"),
        GridColumn::right("TTFT s\np99"),
        GridColumn::right("TPOT ms\np50"),
        GridColumn::right("TPOT ms\np99"),
        GridColumn::right("E2E s\np50"),
        GridColumn::right("E2E s\np99"),
    ]);
    type BucketFigure = fn(&LengthBucket) -> Option<f64>;
    let figures: [BucketFigure; 7] = [
        |b| b.latency.ttft_s.p50,
        |b| b.latency.ttft_s.p90,
        |b| b.latency.ttft_s.p99,
        |b| b.latency.tpot_s.p50.map(|s| 1e3 * s),
        |b| b.latency.tpot_s.p99.map(|s| 1e3 * s),
        |b| b.latency.e2e_s.p50,
        |b| b.latency.e2e_s.p99,
    ];
    let columns =
        figures.map(|figure| column(&buckets.iter().map(|b| figure(b)).collect::<Vec<_>>()));
    for (i, bucket) in buckets.iter().enumerate() {
        let part = 100.0 * bucket.completed as f64 / completed as f64;
        let mut row = vec![GridCell::new(range(bucket)), GridCell::new(share(part))];
        row.extend(columns.iter().map(|texts| GridCell::new(&texts[i])));
        grid.rows.push(row);
    }
    Some(Section {
        title: "Latency by input length".to_string(),
        body: Body::Grid(grid),
        notes: Vec::new(),
    })
}

/// A percentage with one decimal; below 0.05 it reads `<0.1`.
fn share(percent: f64) -> String {
    if percent < 0.05 {
        "<0.1".to_string()
    } else {
        fixed(percent, 1)
    }
}

fn range(bucket: &LengthBucket) -> String {
    let from = count(u64::from(bucket.from_tokens));
    match bucket.to_tokens {
        Some(to) => format!("{from} - {}", count(u64::from(to.saturating_sub(1)))),
        None => format!("{from} and more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::day;

    #[test]
    fn lost_requests_are_named_by_their_fate() {
        let mut summary = day();
        let text = |summary: &RunSummary| format!("{:?}", figures(summary).body);
        assert!(text(&summary).contains("none lost"));
        summary.requests.failed = 7;
        let lost = text(&summary);
        assert!(lost.contains("7 failed") && !lost.contains("none lost"));
        assert!(!lost.contains("rejected"));
    }

    #[test]
    fn the_energy_of_gpus_and_of_the_rest_stand_apart() {
        let mut e = Economics {
            energy_overhead_kwh: Some(6.0),
            ..Economics::default()
        };
        assert_eq!(energy(&e), "energy not known");
        e.energy_kwh = Some(2.5);
        assert_eq!(
            energy(&e),
            "energy of the GPUs 2.50 kWh, of host, network and cooling 6 kWh"
        );
        e.energy_overhead_kwh = None;
        e.joules_per_output_token = Some(0.25);
        assert_eq!(
            energy(&e),
            "energy of the GPUs 2.50 kWh (0.2500 J an output token), of host, network and cooling not known"
        );
    }

    #[test]
    fn buckets_nobody_is_in_are_left_out() {
        let mut summary = day();
        let rows = |summary: &RunSummary| match length_buckets(summary).map(|s| s.body) {
            Some(Body::Grid(grid)) => grid.rows.len(),
            _ => 0,
        };
        assert_eq!(rows(&summary), 2);
        summary.input_length_buckets[0].completed = 0;
        assert_eq!(rows(&summary), 1);
        summary.input_length_buckets[1].completed = 0;
        assert_eq!(rows(&summary), 0);
    }

    #[test]
    fn a_quantile_of_one_in_a_thousand_needs_many_requests() {
        let mut summary = day();
        let text = |summary: &RunSummary| format!("{:?}", latency(summary).body);
        assert!(!text(&summary).contains("p99.9"));
        summary.latency.ttft_s.count = MANY;
        let shown = text(&summary);
        assert!(shown.contains("p99.9") && shown.contains("2.40 s"));
        let others = summary.latency.e2e_s.p999.map(seconds);
        assert!(!shown.contains(&others.unwrap_or_default()));
    }

    #[test]
    fn small_shares_do_not_look_like_nothing() {
        assert_eq!(share(0.04), "<0.1");
        assert_eq!(share(0.05), "0.1");
        assert_eq!(share(45.0), "45.0");
    }
}
