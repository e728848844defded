//! Validation for people: a table for each kind of case.

use super::balance::MeasuredImbalance;
use super::borrowed::ClassError;
use super::cases::{CaseOutcome, Sensitivity};
use super::error_cells::CellError;
use super::measured::ErrorReport;
use super::mlperf::MlperfRow;
use super::row_sensitivity::RowSensitivity;
use super::vllm::VllmFigure;
use crate::report::format::{count, fixed, percent, seconds};
use crate::report::grid::{Grid, GridCell, GridColumn};
use crate::report::page::{Body, Page, Section};
use crate::report::style::Tone;
use crate::scenario::Role;

/// The page of published cases, and of measured sets where there are any.
pub fn page(cases: &[CaseOutcome], sections: Vec<Section>) -> Page {
    let mut all = vec![
        of_cases(Role::Prefill, cases),
        of_cases(Role::Decode, cases),
    ];
    all.extend(sections);
    Page {
        title: "Step times held against measurements".to_string(),
        subtitle: "predicted over measured; 1.00 is right".to_string(),
        verdict: (Tone::Plain, Vec::new()),
        sections: all,
    }
}

fn of_cases(group: Role, cases: &[CaseOutcome]) -> Section {
    let mut grid = Grid::new(vec![
        GridColumn::left("case"),
        GridColumn::left("what ran"),
        GridColumn::right("predicted\ntokens/s"),
        GridColumn::right("measured\ntokens/s"),
        GridColumn::right("ratio"),
        GridColumn::left("kind"),
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
            GridCell::new(&case.name),
            GridCell::new(&case.about),
            GridCell::new(count(case.predicted as u64)),
            GridCell::new(count(case.measured as u64)),
            GridCell::toned(tone, fixed(case.ratio, 3)),
            GridCell::toned(Tone::Quiet, kind),
        ]);
        if !case.input_of.is_empty() {
            notes.push(format!("{} set {}", case.name, case.input_of));
        }
    }
    Section {
        title: format!("Published cases: {}", group.word()),
        body: Body::Grid(grid),
        notes,
    }
}

/// The section of expert balance.
pub fn balance(balances: &[MeasuredImbalance]) -> Section {
    let mut grid = Grid::new(vec![
        GridColumn::left("case"),
        GridColumn::left("what ran"),
        GridColumn::right("predicted"),
        GridColumn::right("measured"),
        GridColumn::left("kind"),
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
            GridCell::new("9"),
            GridCell::new(b.about),
            GridCell::new(fixed(b.predicted, 3)),
            GridCell::new(fixed(b.measured, 3)),
            GridCell::toned(Tone::Quiet, kind),
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

/// The section of what each case depends on.
pub fn sensitivity(cases: &[CaseOutcome], all: &[Sensitivity]) -> Section {
    let mut columns = vec![GridColumn::left("constant")];
    columns.extend(
        cases
            .iter()
            .map(|c| GridColumn::right(&c.name.replace(", ", "\n"))),
    );
    let mut grid = Grid::new(columns);
    for row in all {
        let mut cells = vec![GridCell::new(row.constant)];
        cells.extend(row.cases.iter().map(|x| {
            if x.abs() < 0.005 {
                GridCell::toned(Tone::Quiet, "·")
            } else {
                GridCell::new(fixed(*x, 2))
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

/// The section of what recorded servers depend on.
pub fn row_sensitivity(all: &[RowSensitivity]) -> Section {
    let mut grid = Grid::new(vec![
        GridColumn::left("constant"),
        GridColumn::right("rows"),
        GridColumn::right("TPOT\n-10 %"),
        GridColumn::right("TPOT\n+10 %"),
        GridColumn::right("TTFT\n-10 %"),
        GridColumn::right("TTFT\n+10 %"),
        GridColumn::right("error\n-10 %"),
        GridColumn::right("error\nas is"),
        GridColumn::right("error\n+10 %"),
    ]);
    let each = all.iter().map(|s| {
        [
            s.constant.to_string(),
            count(s.rows as u64),
            percent(s.tpot_less),
            percent(s.tpot_more),
            percent(s.ttft_less),
            percent(s.ttft_more),
            percent(s.error_less),
            percent(s.error),
            percent(s.error_more),
        ]
    });
    grid.rows = each.map(|cells| cells.map(GridCell::new).into()).collect();
    Section {
        title: "Sensitivity of recorded servers: each constant a tenth less and more".to_string(),
        body: Body::Grid(grid),
        notes: vec![
            "changes are medians of the rows (of 60) that move by 0.2 % or more; errors are medians of the TPOT of all 60"
                .to_string(),
        ],
    }
}

/// The section of errors where constants are borrowed.
pub fn borrowed(rows: &[ClassError]) -> Section {
    let mut grid = Grid::new(vec![
        GridColumn::left("class"),
        GridColumn::left("what was played"),
        GridColumn::left("models"),
        GridColumn::right("rows"),
        GridColumn::right("TPOT off\nmedian"),
        GridColumn::right("TPOT off\np90"),
        GridColumn::right("measured over\npredicted, p5"),
        GridColumn::right("the same,\np95"),
        GridColumn::right("stated"),
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
    grid.rows = each.map(|cells| cells.map(GridCell::new).into()).collect();
    Section {
        title: "How wrong steps are on constants that are not their own".to_string(),
        body: Body::Grid(grid),
        notes: vec![
            "off: |measured / predicted - 1|; the catalog states the widest of a class".to_string(),
        ],
    }
}

/// The section of the recorded vLLM run.
pub fn vllm(figures: &[VllmFigure]) -> Section {
    let mut grid = Grid::new(vec![
        GridColumn::left("figure"),
        GridColumn::right("simulated"),
        GridColumn::right("measured"),
        GridColumn::right("ratio"),
    ]);
    grid.rows = figures
        .iter()
        .map(|f| {
            vec![
                GridCell::new(f.name),
                GridCell::new(seconds(f.simulated_s)),
                GridCell::new(seconds(f.measured_s)),
                GridCell::new(fixed(f.simulated_s / f.measured_s, 3)),
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

/// The section of MLPerf's server runs.
pub fn mlperf(rows: &[MlperfRow]) -> Section {
    let mut grid = Grid::new(vec![
        GridColumn::left("system"),
        GridColumn::right("rate\n/s"),
        GridColumn::right("TTFT\nsimulated"),
        GridColumn::right("TTFT\nmeasured"),
        GridColumn::right("TPOT\nsimulated"),
        GridColumn::right("TPOT\nmeasured"),
        GridColumn::left("at this rate"),
        GridColumn::left("at 1.3 x"),
        GridColumn::right("carries\nup to"),
    ]);
    let word = |stable: bool, wanted: bool| {
        let tone = if stable == wanted {
            Tone::Good
        } else {
            Tone::Bad
        };
        GridCell::toned(tone, if stable { "carried" } else { "not carried" })
    };
    grid.rows = rows
        .iter()
        .map(|r| {
            vec![
                GridCell::new(&r.system),
                GridCell::new(fixed(r.rate_per_s, 2)),
                GridCell::new(seconds(r.ttft_s)),
                GridCell::new(seconds(r.measured_ttft_s)),
                GridCell::new(seconds(r.tpot_s)),
                GridCell::new(seconds(r.measured_tpot_s)),
                word(r.stable, true),
                word(r.more_is_stable, false),
                GridCell::new(format!("{} x", fixed(r.carried, 2))),
            ]
        })
        .collect();
    Section {
        title: "MLPerf server, llama2-70b, versions 5.1 and 4.1".to_string(),
        body: Body::Grid(grid),
        notes: vec!["the submitted rate must be carried, 1.3 times that rate must not".to_string()],
    }
}

/// The section of errors by engine, accelerator and model.
pub fn cells(cells: &[CellError]) -> Section {
    let mut grid = Grid::new(vec![
        GridColumn::left("engine"),
        GridColumn::left("accelerator"),
        GridColumn::left("model"),
        GridColumn::left("curves"),
        GridColumn::right("rows"),
        GridColumn::right("TPOT error\nmedian"),
        GridColumn::right("TPOT error\np90"),
        GridColumn::right("TPOT\nbias"),
        GridColumn::right("TTFT error\nmedian"),
        GridColumn::right("TTFT\nbias"),
    ]);
    let each = cells.iter().map(|c| {
        let apart = if c.separate { ", apart" } else { "" };
        [
            format!("{} {}{apart}", c.engine, c.release),
            c.gpu.clone(),
            c.model.clone(),
            if c.seen { "seen" } else { "unseen" }.to_string(),
            count(c.count as u64),
            percent(c.tpot.median),
            percent(c.tpot.p90),
            fixed(c.tpot.bias, 2),
            percent(c.ttft.median),
            fixed(c.ttft.bias, 2),
        ]
    });
    grid.rows = each.map(|cells| cells.map(GridCell::new).into()).collect();
    Section {
        title: "Real servers by engine and release, accelerator and model".to_string(),
        body: Body::Grid(grid),
        notes: vec![
            "seen: constants were fitted to these curves; unseen: they were held out, or nothing was fitted there; \
             apart: prefill and decode on servers of their own"
                .to_string(),
        ],
    }
}

/// The section of errors of a measured set.
pub fn measured(file: &str, report: &ErrorReport) -> Section {
    let mut grid = Grid::new(vec![
        GridColumn::left("rows"),
        GridColumn::right("count"),
        GridColumn::right("TPOT error\nmedian"),
        GridColumn::right("TPOT error\np90"),
        GridColumn::right("TPOT\nbias"),
        GridColumn::right("TTFT error\nmedian"),
        GridColumn::right("TTFT error\np90"),
        GridColumn::right("TTFT\nbias"),
    ]);
    grid.rows = report
        .groups
        .iter()
        .map(|g| {
            vec![
                GridCell::new(&g.name),
                GridCell::new(count(g.count as u64)),
                GridCell::new(percent(g.tpot.median)),
                GridCell::new(percent(g.tpot.p90)),
                GridCell::new(fixed(g.tpot.bias, 2)),
                GridCell::new(percent(g.ttft.median)),
                GridCell::new(percent(g.ttft.p90)),
                GridCell::new(fixed(g.ttft.bias, 2)),
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
        title: format!("Real servers ({file}), {}", report.constants),
        body: Body::Grid(grid),
        notes: orders.collect(),
    }
}
