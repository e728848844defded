//! An outlook for people: the verdict of the draws, where figures lie, and what they hang on.

use super::{Hang, Outlook};
use crate::report::format::{NONE, by_field, count, fixed, seconds};
use crate::report::grid::{Grid, GridCell, GridColumn};
use crate::report::page::{Body, Page, Section};
use crate::report::style::Tone;
use crate::scenario::{DrawUnit, LawForm, Uncertain};

/// Figures that people ask for first, by path, with their names.
const SHOWN: [(&str, &str); 13] = [
    ("latency.ttft_s.mean", "TTFT mean"),
    ("latency.ttft_s.p99", "TTFT p99"),
    ("latency.tpot_s.mean", "TPOT mean"),
    ("latency.tpot_s.p99", "TPOT p99"),
    ("latency.e2e_s.mean", "E2E mean"),
    ("decode.output_speed_tokens_per_s", "tokens/s per request"),
    ("requests.rejected", "requests rejected"),
    ("nodes.node_hours", "node-hours"),
    ("economics.cost_usd", "cost"),
    ("economics.revenue_usd", "revenue"),
    ("economics.profit_usd", "profit"),
    ("economics.cost_profit_ratio", "profit over cost"),
    (
        "economics.usd_per_million_output_tokens",
        "per million output tokens",
    ),
];

/// A range and its law in words: `0.4 to 0.6`, `90.0 µs to 150 µs, triangular`.
pub fn range(input: &Uncertain) -> String {
    let law = &input.law;
    let show = |x: f64| value(input, x);
    let form = match law.form {
        LawForm::Uniform => String::new(),
        LawForm::LogUniform => ", log-uniform".to_owned(),
        LawForm::Triangular { mode } => format!(", triangular with its top at {}", show(mode)),
        LawForm::Normal { mean, sd } => format!(", normal {} +- {}", show(mean), show(sd)),
        LawForm::Lognormal { mean, cv } => {
            format!(", lognormal with mean {} and cv {cv}", show(mean))
        }
    };
    format!("{} to {}{form}", show(law.low), show(law.high))
}

/// A value of an input, in text for people.
pub fn value(input: &Uncertain, x: f64) -> String {
    match input.unit {
        DrawUnit::Number => format!("{x}"),
        DrawUnit::Whole => fixed(x, 0),
        DrawUnit::Nanoseconds | DrawUnit::Picoseconds => seconds(number(input, x)),
    }
}

/// A value of an input as a number; of a duration, in seconds.
pub fn number(input: &Uncertain, x: f64) -> f64 {
    match input.unit {
        DrawUnit::Number | DrawUnit::Whole => x,
        DrawUnit::Nanoseconds | DrawUnit::Picoseconds => x / 1e12,
    }
}

impl Outlook {
    /// The page of the outlook for people.
    pub fn page(&self) -> Page {
        let n = self.draws.len() as u64;
        Page {
            title: self.name.clone(),
            subtitle: format!(
                "{} draws of {} uncertain inputs, scenario {}, tokentide {}",
                count(n),
                self.inputs.len(),
                self.hash,
                env!("CARGO_PKG_VERSION")
            ),
            verdict: (Tone::Strong, self.verdict()),
            sections: vec![self.ranges(), self.figures(n), self.each()],
        }
    }

    fn verdict(&self) -> Vec<String> {
        let n = self.draws.len();
        let mut sentences = vec![match self.verdicts.as_slice() {
            [(word, _)] => format!("All {n} draws: {word}."),
            several => {
                let each = several.iter().map(|(word, n)| format!("{n} {word}"));
                format!("Of {n} draws: {}.", each.collect::<Vec<_>>().join(", "))
            }
        }];
        if self.verdicts.len() > 1 {
            sentences.push(match &self.verdict_hangs_on {
                Some(hang) => format!("The verdict hangs on {}.", words(hang)),
                None => {
                    "The verdict hangs on no single input more than chance explains.".to_owned()
                }
            });
        }
        let first = ["economics.profit_usd", "latency.e2e_s.mean"]
            .iter()
            .filter_map(|field| self.figures.iter().find(|r| r.field == *field))
            .find(|r| r.low < r.high);
        if let Some(range) = first {
            let name = SHOWN.iter().find(|(field, _)| *field == range.field);
            let on = match &range.hangs_on {
                Some(hang) => format!("; it hangs on {}", words(hang)),
                None => String::new(),
            };
            sentences.push(format!(
                "Over the draws, {} lies between {} and {}{on}.",
                name.map_or("", |(_, name)| name),
                by_field(&range.field, range.low),
                by_field(&range.field, range.high)
            ));
        }
        sentences
    }

    fn ranges(&self) -> Section {
        let mut grid = Grid::new(vec![
            GridColumn::left("uncertain input"),
            GridColumn::left("range"),
        ]);
        grid.rows = self
            .inputs
            .iter()
            .map(|input| vec![GridCell::new(&input.path), GridCell::new(&input.range)])
            .collect();
        Section {
            title: "What is uncertain".to_owned(),
            body: Body::Grid(grid),
            notes: Vec::new(),
        }
    }

    fn figures(&self, n: u64) -> Section {
        let mut grid = Grid::new(vec![
            GridColumn::left("figure"),
            GridColumn::right("least"),
            GridColumn::right("median"),
            GridColumn::right("greatest"),
            GridColumn::left("hangs on"),
            GridColumn::right("rank\ncorrelation"),
        ]);
        for (field, name) in SHOWN {
            let Some(range) = self.figures.iter().find(|r| r.field == field) else {
                continue;
            };
            if range.low == 0.0 && range.high == 0.0 {
                continue;
            }
            let show = |x: f64| by_field(field, x);
            let (on, r) = match &range.hangs_on {
                Some(hang) => (hang.input.clone(), fixed(hang.rank_correlation, 2)),
                None if range.low == range.high => ("nothing: certain".to_owned(), NONE.to_owned()),
                None => ("no single input".to_owned(), NONE.to_owned()),
            };
            let cells = [
                name.to_owned(),
                show(range.low),
                show(range.middle),
                show(range.high),
                on,
                r,
            ];
            grid.rows.push(cells.map(GridCell::new).into());
        }
        Section {
            title: "Where the figures lie".to_owned(),
            body: Body::Grid(grid),
            notes: vec![format!(
                "Least and greatest of {} draws: one more draw would lie outside about once in {} times. The square \
                 of a rank correlation is about the part of the spread that its input explains.",
                count(n),
                count(n.div_ceil(2).max(1))
            )],
        }
    }

    fn each(&self) -> Section {
        let mut columns = vec![GridColumn::right("draw")];
        columns.extend(
            self.inputs
                .iter()
                .map(|input| GridColumn::right(&head(&input.path))),
        );
        let kept: Vec<&(&str, &str)> = SHOWN
            .iter()
            .filter(|(field, _)| {
                [
                    "latency.ttft_s.p99",
                    "latency.e2e_s.mean",
                    "economics.profit_usd",
                ]
                .contains(field)
            })
            .collect();
        columns.extend(kept.iter().map(|(_, name)| GridColumn::right(name)));
        columns.push(GridColumn::left("verdict"));
        let mut grid = Grid::new(columns);
        for (i, draw) in self.draws.iter().enumerate() {
            let mut cells = vec![(i + 1).to_string()];
            cells.extend(draw.shown.iter().cloned());
            cells.extend(kept.iter().map(|(field, _)| {
                let value = draw.figures.get(*field);
                value.map_or_else(|| NONE.to_owned(), |x| by_field(field, *x))
            }));
            cells.push(draw.verdict.clone());
            grid.rows.push(cells.iter().map(GridCell::new).collect());
        }
        Section {
            title: "Draw by draw".to_owned(),
            body: Body::Grid(grid),
            notes: Vec::new(),
        }
    }
}

/// A column's head from a path, over two lines.
fn head(path: &str) -> String {
    match path.rsplit_once('.') {
        Some((table, key)) => format!("{table}\n{key}"),
        None => path.to_owned(),
    }
}

fn words(hang: &Hang) -> String {
    format!(
        "{} (rank correlation {})",
        hang.input,
        fixed(hang.rank_correlation, 2)
    )
}
