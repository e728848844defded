//! Statistics of a trace for people, and as tables for programs.

use crate::report::format::{count, fixed, percent};
use crate::report::grid::{Grid, GridCell, GridColumn};
use crate::report::page::{Body, Page, Section};
use crate::report::records::RecordTable;
use crate::report::style::Tone;
use crate::traffic::TraceStats;

/// The tables of `trace stats`; the first is what `--format csv` prints.
pub const TABLES: &[RecordTable] = &[
    RecordTable::new("profile", "requests over time", &[("profile[]", "")]),
    RecordTable::new(
        "capacities",
        "hit rate of an LRU cache over its capacity",
        &[("hit_rate_over_capacity[]", "")],
    ),
];

/// The page of a trace's statistics.
pub fn page(name: &str, stats: &TraceStats) -> Page {
    let mut sections = vec![figures(stats), lengths(stats), profile(stats)];
    if stats.blocks.is_some() {
        sections.push(capacities(stats));
    }
    Page {
        title: format!("Trace {name}"),
        subtitle: format!(
            "{} requests, {} input and {} output tokens, {} s",
            count(stats.requests),
            count(stats.input_tokens),
            count(stats.output_tokens),
            fixed(stats.span_s, 3)
        ),
        verdict: (Tone::Plain, Vec::new()),
        sections,
    }
}

fn figures(stats: &TraceStats) -> Section {
    let or =
        |figure: Option<f64>, digits| figure.map_or_else(|| "-".to_string(), |x| fixed(x, digits));
    let arrivals = &stats.arrivals;
    let mut all = vec![
        (
            "rate",
            vec![format!("{} requests/s", or(stats.requests_per_s, 3))],
        ),
        (
            "gaps",
            vec![format!("CV {} (1 is Poisson)", or(arrivals.cv, 3))],
        ),
        (
            "dispersion",
            vec![format!(
                "{} over 1 s, {} over 10 s, {} over 60 s (1 is Poisson)",
                or(arrivals.dispersion_1s, 2),
                or(arrivals.dispersion_10s, 2),
                or(arrivals.dispersion_60s, 2)
            )],
        ),
    ];
    if let Some(cached) = stats.cached_tokens {
        let part = cached as f64 / stats.input_tokens.max(1) as f64;
        all.push((
            "hits",
            vec![format!("{} of the input tokens", percent(part))],
        ));
    }
    if let (Some(blocks), Some(ideal)) = (&stats.blocks, stats.ideal_hit_rate) {
        let of_tokens = stats
            .ideal_token_hit_rate
            .map(|rate| format!(", {} of tokens", percent(rate)));
        let size = blocks
            .tokens
            .map(|size| format!(" of {size} tokens"))
            .unwrap_or_default();
        all.push((
            "ideal hits",
            vec![format!(
                "{} of {} blocks{size}{}; {} are different",
                percent(ideal),
                count(blocks.references),
                of_tokens.unwrap_or_default(),
                count(blocks.unique)
            )],
        ));
    }
    if stats.failed_requests > 0 {
        all.push((
            "failed",
            vec![format!(
                "{} requests have no output",
                count(stats.failed_requests)
            )],
        ));
    }
    if stats.skipped_lines > 0 {
        all.push((
            "left out",
            vec![format!("{} rows with mistakes", count(stats.skipped_lines))],
        ));
    }
    Section {
        title: "Arrivals".to_string(),
        body: Body::Figures(all),
        notes: stats.remarks.clone(),
    }
}

fn lengths(stats: &TraceStats) -> Section {
    let heads = ["mean", "min", "p50", "p90", "p95", "p99", "max"];
    let mut columns = vec![GridColumn::left("tokens")];
    columns.extend(heads.map(GridColumn::right));
    let mut grid = Grid::new(columns);
    for (name, of) in [("input", &stats.input), ("output", &stats.output)] {
        let mut row = vec![GridCell::new(name), GridCell::new(fixed(of.mean, 2))];
        let all = [of.min, of.p50, of.p90, of.p95, of.p99, of.max];
        row.extend(all.map(|length| GridCell::new(count(u64::from(length)))));
        grid.rows.push(row);
    }
    Section {
        title: "Lengths".to_string(),
        body: Body::Grid(grid),
        notes: Vec::new(),
    }
}

fn profile(stats: &TraceStats) -> Section {
    let mut grid = Grid::new(vec![
        GridColumn::left("from"),
        GridColumn::right("requests"),
        GridColumn::right("req/s"),
        GridColumn::bar(),
    ]);
    let most = stats
        .profile
        .iter()
        .map(|bin| bin.requests_per_s)
        .fold(f64::MIN_POSITIVE, f64::max);
    for bin in &stats.profile {
        grid.rows.push(vec![
            GridCell::new(&bin.from),
            GridCell::new(count(bin.requests)),
            GridCell::new(fixed(bin.requests_per_s, 3)),
            GridCell::bar(Tone::Good, bin.requests_per_s / most),
        ]);
    }
    Section {
        title: "Requests over time".to_string(),
        body: Body::Grid(grid),
        notes: Vec::new(),
    }
}

fn capacities(stats: &TraceStats) -> Section {
    let mut grid = Grid::new(vec![
        GridColumn::right("room,\nblocks"),
        GridColumn::right("tokens"),
        GridColumn::right("blocks\nfound"),
        GridColumn::right("hit rate"),
        GridColumn::right("of\ntokens"),
        GridColumn::bar(),
    ]);
    for row in &stats.hit_rate_over_capacity {
        let dash = || "-".to_string();
        grid.rows.push(vec![
            GridCell::new(count(row.capacity_blocks)),
            GridCell::new(row.capacity_tokens.map_or_else(dash, count)),
            GridCell::new(count(row.block_hits)),
            GridCell::new(percent(row.hit_rate)),
            GridCell::new(row.token_hit_rate.map_or_else(dash, percent)),
            GridCell::bar(Tone::Good, row.hit_rate),
        ]);
    }
    Section {
        title: "Hit rate of an LRU cache over its room".to_string(),
        body: Body::Grid(grid),
        notes: vec![
            "Requests look up their longest prefix and store all their blocks at once, in the order of arrival."
                .to_string(),
        ],
    }
}
