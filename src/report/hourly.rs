//! The two tables by hour, with bars as the published day shows them: nodes beside what users feel,
//! and cost beside revenue.

use std::collections::BTreeMap;

use super::format::{clock, column, count, date_clock, fixed, maybe};
use super::grid::{BarPiece, Grid, GridCell, GridColumn};
use super::page::{Body, Section};
use super::style::Tone;
use super::summary::{Latency, PoolSummary, RunSummary};
use crate::scenario::Role;

/// Most hours that the table shows; a longer run has the rest in its CSV.
const SHOWN: usize = 72;

/// A row of the hourly table: an hour, or the whole run.
struct HourRow<'a> {
    label: String,
    nodes: f64,
    pools: &'a BTreeMap<String, PoolSummary>,
    requests_per_s: Option<f64>,
    latency: &'a Latency,
    output_speed_tokens_per_s: Option<f64>,
    cost_usd: f64,
    revenue_usd: f64,
    profit_usd: f64,
}

/// The hourly table of load and service; `None`: the run has no hours.
pub fn service(summary: &RunSummary) -> Option<Section> {
    let hours = hours(summary)?;
    let all = whole(summary);
    let rows = || hours.iter().chain([&all]);
    let node_figures: Vec<f64> = rows().map(|row| row.nodes).collect();
    let nodes = node_texts(&node_figures);
    let peak = hours.iter().fold(0.0_f64, |peak, row| peak.max(row.nodes));

    let mut columns = vec![
        GridColumn::left("hour"),
        GridColumn::right("nodes"),
        GridColumn::bar(),
    ];
    let mut texts: Vec<Vec<String>> = Vec::new();
    let mut add = |head: &str, figure: &dyn Fn(&HourRow) -> Option<f64>| {
        let figures: Vec<Option<f64>> = rows().map(figure).collect();
        if figures.iter().any(Option::is_some) {
            columns.push(GridColumn::right(head));
            texts.push(column(&figures));
        }
    };
    for name in pool_names(summary) {
        add(&format!("{name}\nbusy %"), &|row| {
            percent(row.pools.get(name)?.utilization)
        });
    }
    add("KV\n%", &|row| {
        percent(generating(row.pools)?.kv_utilization)
    });
    add("batch\n/rank", &|row| generating(row.pools)?.batch_per_rank);
    add("req/s", &|row| row.requests_per_s);
    add("TTFT s\np50", &|row| row.latency.ttft_s.p50);
    add("TTFT s\np99", &|row| row.latency.ttft_s.p99);
    add("output\ntok/s", &|row| row.output_speed_tokens_per_s);
    add("waiting", &|row| {
        Some(row.pools.values().map(|pool| pool.queue_length_mean).sum())
    });

    let mut grid = Grid::new(columns);
    for (i, row) in rows().enumerate() {
        let is_total = i == hours.len();
        let bar = match is_total {
            false => GridCell::bar(Tone::Nodes, part_of(row.nodes, peak)),
            true => GridCell::new(""),
        };
        let mut cells = vec![
            label_cell(&row.label, is_total),
            GridCell::new(&nodes[i]),
            bar,
        ];
        cells.extend(texts.iter().map(|column| GridCell::new(&column[i])));
        if is_total {
            grid.total = Some(cells);
        } else {
            grid.rows.push(cells);
        }
    }
    Some(Section {
        title: "Hour by hour: load and service".to_string(),
        body: Body::Grid(grid),
        notes: cut_note(summary),
    })
}

/// The hourly table of cost and revenue; `None`: the run has no hours.
pub fn money(summary: &RunSummary) -> Option<Section> {
    let hours = hours(summary)?;
    if summary.economics.revenue_usd == 0.0 {
        return Some(cost(summary, &hours));
    }
    let mut grid = Grid::new(vec![
        GridColumn::left("hour"),
        GridColumn::right("cost $"),
        GridColumn::right("revenue $"),
        GridColumn::bar(),
        GridColumn::right("profit $"),
        GridColumn::right("profit/cost %"),
    ]);
    let scale = hours.iter().fold(0.0_f64, |scale, row| {
        scale.max(row.cost_usd).max(row.revenue_usd)
    });
    grid.rows = hours
        .iter()
        .map(|row| {
            let cost = part_of(row.cost_usd, scale);
            let bar = money_bar(cost, part_of(row.revenue_usd, scale));
            money_row(row, scale, bar, false)
        })
        .collect();
    let all = whole(summary);
    grid.total = Some(money_row(&all, scale, GridCell::new(""), true));
    let legend = "█ cost, ░ revenue above it, x cost that revenue does not meet";
    grid.legend = Some(legend.to_string());
    Some(Section {
        title: "Hour by hour: cost and revenue".to_string(),
        body: Body::Grid(grid),
        notes: cut_note(summary),
    })
}

/// The hourly table of cost alone, where nobody pays.
fn cost(summary: &RunSummary, hours: &[HourRow<'_>]) -> Section {
    let mut grid = Grid::new(vec![
        GridColumn::left("hour"),
        GridColumn::right("cost $"),
        GridColumn::bar(),
    ]);
    let scale = hours
        .iter()
        .fold(0.0_f64, |scale, row| scale.max(row.cost_usd));
    let dollars = |x: f64| GridCell::new(fixed(x, if scale >= 100.0 { 0 } else { 2 }));
    let row = |row: &HourRow, bar: GridCell, is_total: bool| {
        vec![label_cell(&row.label, is_total), dollars(row.cost_usd), bar]
    };
    grid.rows = hours
        .iter()
        .map(|hour| {
            let end = part_of(hour.cost_usd, scale);
            let (tone, glyph) = (Tone::Cost, '█');
            row(
                hour,
                GridCell::Bar(vec![BarPiece { tone, glyph, end }]),
                false,
            )
        })
        .collect();
    grid.total = Some(row(&whole(summary), GridCell::new(""), true));
    let mut notes = vec!["no revenue: no completed request has a price".to_string()];
    notes.extend(cut_note(summary));
    Section {
        title: "Hour by hour: cost".to_string(),
        body: Body::Grid(grid),
        notes,
    }
}

fn money_row(row: &HourRow, scale: f64, bar: GridCell, is_total: bool) -> Vec<GridCell> {
    let dollars = |x: f64| fixed(x, if scale >= 100.0 { 0 } else { 2 });
    let ratio = (row.cost_usd > 0.0).then(|| 100.0 * row.profit_usd / row.cost_usd);
    let tone = if row.profit_usd < 0.0 {
        Tone::Bad
    } else {
        Tone::Plain
    };
    vec![
        label_cell(&row.label, is_total),
        GridCell::new(dollars(row.cost_usd)),
        GridCell::new(dollars(row.revenue_usd)),
        bar,
        GridCell::toned(tone, dollars(row.profit_usd)),
        GridCell::toned(tone, maybe(ratio, |x| fixed(x, 0))),
    ]
}

/// A bar of cost, then what revenue adds to it, or what it does not meet.
fn money_bar(cost: f64, revenue: f64) -> GridCell {
    let piece = |tone, glyph, end| BarPiece { tone, glyph, end };
    let rest = if revenue >= cost {
        piece(Tone::Revenue, '░', revenue)
    } else {
        piece(Tone::Bad, 'x', cost)
    };
    GridCell::Bar(vec![piece(Tone::Cost, '█', cost.min(revenue)), rest])
}

/// Names of the pools in the order of a request's way, other pools last.
pub fn pool_names(summary: &RunSummary) -> Vec<&str> {
    let mut names: Vec<&str> = summary.pools.keys().map(String::as_str).collect();
    names.sort_by_key(|name| {
        let role = Role::named(name);
        (role.is_none(), role)
    });
    names
}

/// The pool that generates tokens; `None`: no pool does.
fn generating(pools: &BTreeMap<String, PoolSummary>) -> Option<&PoolSummary> {
    let of_role = |role: Role| pools.get(role.word());
    of_role(Role::Decode).or(of_role(Role::Mixed))
}

/// The hours that are shown; `None`: there are none.
fn hours(summary: &RunSummary) -> Option<Vec<HourRow<'_>>> {
    let is_dated = summary.hours.len() > 24;
    let rows = summary.hours.iter().take(SHOWN).map(|hour| HourRow {
        label: match is_dated {
            true => date_clock(&hour.start),
            false => clock(&hour.start).to_string(),
        },
        nodes: hour.nodes_mean,
        pools: &hour.pools,
        requests_per_s: rate(hour.requests.arrived, hour.duration_s),
        latency: &hour.latency,
        output_speed_tokens_per_s: hour.output_speed_tokens_per_s,
        cost_usd: hour.cost_usd,
        revenue_usd: hour.revenue_usd,
        profit_usd: hour.profit_usd,
    });
    let rows: Vec<HourRow> = rows.collect();
    (!rows.is_empty()).then_some(rows)
}

/// The row of the whole run.
fn whole(summary: &RunSummary) -> HourRow<'_> {
    HourRow {
        label: "all".to_string(),
        nodes: summary.nodes.mean,
        pools: &summary.pools,
        requests_per_s: rate(summary.requests.arrived, summary.duration_s),
        latency: &summary.latency,
        output_speed_tokens_per_s: summary.decode.output_speed_tokens_per_s,
        cost_usd: summary.economics.cost_usd,
        revenue_usd: summary.economics.revenue_usd,
        profit_usd: summary.economics.profit_usd,
    }
}

fn cut_note(summary: &RunSummary) -> Vec<String> {
    match summary.hours.len().saturating_sub(SHOWN) {
        0 => Vec::new(),
        more => vec![format!(
            "{} more hours: the CSV view has them all.",
            count(more as u64)
        )],
    }
}

fn label_cell(label: &str, is_total: bool) -> GridCell {
    let tone = if is_total { Tone::Strong } else { Tone::Plain };
    GridCell::toned(tone, label)
}

/// Numbers of nodes with as many decimals as they need, at most two.
fn node_texts(nodes: &[f64]) -> Vec<String> {
    let text = |x: f64| {
        let is_exact = |decimals: &usize| format!("{x:.0$}", *decimals).parse() == Ok(x);
        fixed(x, (0..2).find(is_exact).unwrap_or(2))
    };
    nodes.iter().map(|x| text(*x)).collect()
}

fn rate(n: u64, duration_s: f64) -> Option<f64> {
    (duration_s > 0.0).then(|| n as f64 / duration_s)
}

fn percent(share: Option<f64>) -> Option<f64> {
    share.map(|x| 100.0 * x)
}

fn part_of(x: f64, whole: f64) -> f64 {
    if whole > 0.0 { x / whole } else { 0.0 }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::report::sample::day;
    use crate::report::style::Style;

    fn text(section: Option<Section>) -> String {
        let section = section.unwrap();
        let Body::Grid(grid) = section.body else {
            return String::new();
        };
        grid.to_text(&Style::default()) + &section.notes.join("\n")
    }

    #[test]
    fn revenue_that_does_not_meet_cost_is_crossed() {
        insta::assert_snapshot!(text(money(&day())), @r"
        hour   cost $  revenue $                                 profit $  profit/cost %
        ────────────────────────────────────────────────────────────────────────────────
        02:00   1,600      6,000  ████████░░░░░░░░░░░░░░░░░░░░░     4,400            275
        03:00     960      5,000  █████░░░░░░░░░░░░░░░░░░░          4,040            421
        04:00   1,280      1,000  █████x                             -280            -22
        ────────────────────────────────────────────────────────────────────────────────
        all     3,840     12,000                                    8,160            212
        █ cost, ░ revenue above it, x cost that revenue does not meet
        ");
    }

    #[test]
    fn a_cluster_without_decode_has_no_empty_columns() {
        let mut summary = day();
        summary.pools.remove("decode");
        summary.decode = Default::default();
        for hour in &mut summary.hours {
            hour.pools.remove("decode");
            hour.output_speed_tokens_per_s = None;
        }
        insta::assert_snapshot!(text(service(&summary)), @r"
                                                    prefill            TTFT s
        hour   nodes                                 busy %  req/s    p50   p99  waiting
        ────────────────────────────────────────────────────────────────────────────────
        02:00    100  ████████████████████████████     62.5   27.8  0.630  1.75     12.0
        03:00     60  ████████████████▊                62.5   27.8  0.810  2.25     12.0
        04:00     80  ██████████████████████▍          62.5   27.8  0.720  2.00     12.0
        ────────────────────────────────────────────────────────────────────────────────
        all       80                                   62.5   27.8  0.720  2.00     12.0
        ");
    }

    #[test]
    fn a_long_run_is_cut_and_dated() {
        let mut summary = day();
        summary.hours = summary.hours.iter().cycle().take(100).cloned().collect();
        let text = text(service(&summary));
        assert!(text.contains("02-28 02:00"), "{text}");
        let note = "28 more hours: the CSV view has them all.";
        assert!(text.ends_with(note), "{text}");
        summary.hours.clear();
        assert!(money(&summary).is_none());
    }

    #[test]
    fn nodes_keep_the_decimals_they_need() {
        let nodes = [278.0, 195.5, 226.75, 1_234.5, 2.0 / 3.0];
        let texts = ["278", "195.5", "226.75", "1,234.5", "0.67"];
        assert_eq!(node_texts(&nodes), texts);
    }
}
