//! Validation for people: a table for each kind of case.

use super::balance::Balance;
use super::borrowed::ClassError;
use super::cases::{Outcome, Sensitivity};
use super::measured::Report;
use super::mlperf::Row;
use super::vllm::Figure;
use crate::report::format::{count, fixed, percent, seconds};
use crate::report::grid::{Cell, Column, Grid};
use crate::report::page::{Body, Page, Section};
use crate::report::style::Tone;

/// Published cases, and measured sets where there are any.
pub fn page(cases: &[Outcome], sections: Vec<Section>) -> Page {
    let mut all = vec![of_cases("prefill", cases), of_cases("decode", cases)];
    all.extend(sections);
    Page {
        title: "Step times held against measurements".to_string(),
        subtitle: "predicted over measured; 1.00 is right".to_string(),
        verdict: (Tone::Plain, Vec::new()),
        sections: all,
    }
}

fn of_cases(group: &str, cases: &[Outcome]) -> Section {
    let mut grid = Grid::new(vec![
        Column::left("case"),
        Column::left("what ran"),
        Column::right("predicted\ntokens/s"),
        Column::right("measured\ntokens/s"),
        Column::right("ratio"),
        Column::left("kind"),
    ]);
    let mut notes = vec!["tokens/s per node of 8".to_string()];
    for case in cases.iter().filter(|c| c.group == group) {
        let off = (case.ratio - 1.0).abs();
        let tone = if off <= 0.1 {
            Tone::Good
        } else {
            Tone::Careful
        };
        let kind = if case.input_of.is_empty() {
            "predicted"
        } else {
            "input"
        };
        grid.rows.push(vec![
            Cell::new(&case.name),
            Cell::new(&case.about),
            Cell::new(count(case.predicted as u64)),
            Cell::new(count(case.measured as u64)),
            Cell::toned(tone, fixed(case.ratio, 3)),
            Cell::toned(Tone::Quiet, kind),
        ]);
        if !case.input_of.is_empty() {
            notes.push(format!("{} set {}", case.name, case.input_of));
        }
    }
    Section {
        title: format!("Published cases: {group}"),
        body: Body::Grid(grid),
        notes,
    }
}

/// Expert balance.
pub fn balance(balances: &[Balance]) -> Section {
    let mut grid = Grid::new(vec![
        Column::left("case"),
        Column::left("what ran"),
        Column::right("predicted"),
        Column::right("measured"),
        Column::left("kind"),
    ]);
    let mut notes = vec![
        "(max - mean)/mean of the tokens of a rank".to_string(),
        "the drift of popularity since placement, 0.105, follows from the standard deviations of the same table"
            .to_string(),
    ];
    for b in balances {
        let kind = if b.input_of.is_empty() {
            "predicted"
        } else {
            "input"
        };
        grid.rows.push(vec![
            Cell::new("9"),
            Cell::new(b.about),
            Cell::new(fixed(b.predicted, 3)),
            Cell::new(fixed(b.measured, 3)),
            Cell::toned(Tone::Quiet, kind),
        ]);
        if !b.input_of.is_empty() {
            notes.push(format!("{} set {}", b.about, b.input_of));
        }
    }
    Section {
        title: "Published cases: expert balance, DeepSeek-R1".to_string(),
        body: Body::Grid(grid),
        notes,
    }
}

/// What each case hangs on.
pub fn sensitivity(cases: &[Outcome], all: &[Sensitivity]) -> Section {
    let mut columns = vec![Column::left("constant")];
    columns.extend(
        cases
            .iter()
            .map(|c| Column::right(&c.name.replace(", ", "\n"))),
    );
    let mut grid = Grid::new(columns);
    for row in all {
        let mut cells = vec![Cell::new(row.constant)];
        cells.extend(row.cases.iter().map(|x| {
            if x.abs() < 0.005 {
                Cell::toned(Tone::Quiet, "·")
            } else {
                Cell::new(fixed(*x, 2))
            }
        }));
        grid.rows.push(cells);
    }
    Section {
        title: "Sensitivity of step times".to_string(),
        body: Body::Grid(grid),
        notes: vec![
            "part by which a step time changes over the part by which the constant does; below 0.005: ·"
                .to_string(),
        ],
    }
}

/// Errors where constants are not those of what is played.
pub fn borrowed(rows: &[ClassError]) -> Section {
    let mut grid = Grid::new(vec![
        Column::left("class"),
        Column::left("what was played"),
        Column::left("models"),
        Column::right("rows"),
        Column::right("TPOT off\nmedian"),
        Column::right("TPOT off\np90"),
        Column::right("measured over\npredicted, p5"),
        Column::right("the same,\np95"),
        Column::right("stated"),
    ]);
    let each = rows.iter().map(|r| {
        [
            r.class.to_string(),
            r.about.to_string(),
            if r.experts { "with experts" } else { "dense" }.to_string(),
            count(r.count as u64),
            percent(r.median),
            percent(r.p90),
            fixed(r.ratio_p5, 2),
            fixed(r.ratio_p95, 2),
            r.stated.map_or_else(String::new, percent),
        ]
    });
    grid.rows = each.map(|cells| cells.map(Cell::new).into()).collect();
    Section {
        title: "How wrong steps are on constants that are not their own".to_string(),
        body: Body::Grid(grid),
        notes: vec![
            "off: |measured / predicted - 1|; the catalog states the widest of a class".to_string(),
        ],
    }
}

/// The real vLLM run.
pub fn vllm(figures: &[Figure]) -> Section {
    let mut grid = Grid::new(vec![
        Column::left("figure"),
        Column::right("simulated"),
        Column::right("measured"),
        Column::right("ratio"),
    ]);
    grid.rows = figures
        .iter()
        .map(|f| {
            vec![
                Cell::new(f.name),
                Cell::new(seconds(f.simulated_s)),
                Cell::new(seconds(f.measured_s)),
                Cell::new(fixed(f.simulated_s / f.measured_s, 3)),
            ]
        })
        .collect();
    Section {
        title: "vLLM 0.19, Llama-3.1-8B, 300 recorded requests, through its layer profiles"
            .to_string(),
        body: Body::Grid(grid),
        notes: Vec::new(),
    }
}

/// MLPerf's server runs.
pub fn mlperf(rows: &[Row]) -> Section {
    let mut grid = Grid::new(vec![
        Column::left("system"),
        Column::right("rate\n/s"),
        Column::right("TTFT\nsimulated"),
        Column::right("TTFT\nmeasured"),
        Column::right("TPOT\nsimulated"),
        Column::right("TPOT\nmeasured"),
        Column::left("at this rate"),
        Column::left("at 1.3 x"),
        Column::right("carries\nup to"),
    ]);
    let word = |stable: bool, wanted: bool| {
        let tone = if stable == wanted {
            Tone::Good
        } else {
            Tone::Bad
        };
        Cell::toned(tone, if stable { "carried" } else { "not carried" })
    };
    grid.rows = rows
        .iter()
        .map(|r| {
            vec![
                Cell::new(&r.system),
                Cell::new(fixed(r.rate_per_s, 2)),
                Cell::new(seconds(r.ttft_s)),
                Cell::new(seconds(r.measured_ttft_s)),
                Cell::new(seconds(r.tpot_s)),
                Cell::new(seconds(r.measured_tpot_s)),
                word(r.stable, true),
                word(r.more_is_stable, false),
                Cell::new(format!("{} x", fixed(r.carried, 2))),
            ]
        })
        .collect();
    Section {
        title: "MLPerf v4.1 server, llama2-70b".to_string(),
        body: Body::Grid(grid),
        notes: vec!["the submitted rate must be carried, 1.3 times that rate must not".to_string()],
    }
}

/// Errors of a measured set.
pub fn measured(report: &Report) -> Section {
    let mut grid = Grid::new(vec![
        Column::left("rows"),
        Column::right("count"),
        Column::right("TPOT error\nmedian"),
        Column::right("TPOT error\np90"),
        Column::right("TPOT\nbias"),
        Column::right("TTFT error\nmedian"),
        Column::right("TTFT error\np90"),
        Column::right("TTFT\nbias"),
    ]);
    grid.rows = report
        .groups
        .iter()
        .map(|g| {
            vec![
                Cell::new(&g.name),
                Cell::new(count(g.count as u64)),
                Cell::new(percent(g.tpot.median)),
                Cell::new(percent(g.tpot.p90)),
                Cell::new(fixed(g.tpot.bias, 2)),
                Cell::new(percent(g.ttft.median)),
                Cell::new(percent(g.ttft.p90)),
                Cell::new(fixed(g.ttft.bias, 2)),
            ]
        })
        .collect();
    let orders = report.orders.iter().map(|o| {
        format!(
            "{} of {} pairs of configurations at equal load are in the right order of tokens/s per GPU, {} \
             (measured differences above {})",
            count(o.right as u64),
            count(o.pairs as u64),
            percent(o.share()),
            percent(o.gap)
        )
    });
    Section {
        title: format!("Real servers (silicon_dev.csv), {}", report.constants),
        body: Body::Grid(grid),
        notes: orders.collect(),
    }
}
