//! How sure the figures are: the intervals of those that people ask for first.

use std::collections::BTreeMap;

use super::format::{NONE, by_field, fixed};
use super::grid::{Grid, GridCell, GridColumn};
use super::page::{Body, Section};
use super::summary::{Interval, RunSummary};
use crate::report::batches::{number, value_of};

/// Figures of the table of intervals: their name, and the path in the summary.
const FIGURES: [(&str, &str); 13] = [
    ("TTFT mean", "latency.ttft_s.mean"),
    ("TTFT p50", "latency.ttft_s.p50"),
    ("TTFT p99", "latency.ttft_s.p99"),
    ("TPOT mean", "latency.tpot_s.mean"),
    ("TPOT p99", "latency.tpot_s.p99"),
    ("E2E mean", "latency.e2e_s.mean"),
    ("E2E p99", "latency.e2e_s.p99"),
    ("tokens/s per request", "decode.output_speed_tokens_per_s"),
    ("output tokens", "tokens.output"),
    ("cost", "economics.cost_usd"),
    ("revenue", "economics.revenue_usd"),
    ("profit", "economics.profit_usd"),
    (
        "per million output tokens",
        "economics.usd_per_million_output_tokens",
    ),
];

/// Figures with their intervals, those that chance does not touch left out; `None`: there are none.
pub fn confidence(summary: &RunSummary) -> Option<Section> {
    let tree = value_of(summary);
    let mut grid = Grid::new(vec![
        GridColumn::left("figure"),
        GridColumn::right("mean"),
        GridColumn::right("95 % interval\nfrom"),
        GridColumn::right("95 % interval\nto"),
        GridColumn::right("+-"),
    ]);
    for (name, path) in FIGURES {
        let Some((x, interval)) = number(&tree, path).zip(summary.confidence.get(path)) else {
            continue;
        };
        if interval.low == interval.high {
            continue;
        }
        let cells = [
            name.to_owned(),
            by_field(path, x),
            by_field(path, interval.low),
            by_field(path, interval.high),
            relative(x, interval),
        ];
        grid.rows.push(cells.map(GridCell::new).into());
    }
    if grid.rows.is_empty() {
        return None;
    }
    let how = match summary.replications {
        1 => "From this run's own parts, each figure by how alike neighbours are in it".to_owned(),
        n => format!("Student's t over {n} replications with independent random streams"),
    };
    let mut notes =
        vec![how + "; the intervals of all figures are in the JSON output under `confidence`."];
    notes.extend(without(summary).into_iter().map(|(why, names)| {
        let names = names.join(", ");
        format!("No interval of {names}: {why}.")
    }));
    Some(Section {
        title: "How sure the figures are".to_string(),
        body: Body::Grid(grid),
        notes,
    })
}

/// Figures of the table that have no interval, by the reason.
pub fn without(summary: &RunSummary) -> BTreeMap<&str, Vec<&'static str>> {
    let mut names: BTreeMap<&str, Vec<&'static str>> = BTreeMap::new();
    for (name, path) in FIGURES {
        if let Some(why) = summary.no_interval.get(path) {
            names.entry(why).or_default().push(name);
        }
    }
    names
}

/// Half of an interval as a part of the figure, in text.
fn relative(x: f64, interval: &Interval) -> String {
    if x == 0.0 {
        return NONE.to_owned();
    }
    let percent = 100.0 * (interval.half() / x).abs();
    format!("{} %", fixed(percent, if percent < 1.0 { 2 } else { 1 }))
}
