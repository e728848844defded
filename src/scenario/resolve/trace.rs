//! A recorded workload as CSV: `arrived_s,input_tokens,output_tokens[,cached_tokens]`, in order of time.
//!
//! Times count from the simulation's beginning (`start - warm_up`). Equal times keep the file's order.

use std::sync::Arc;

use super::super::diagnostic::{Diagnostic, MistakeReport};
use super::super::file::MAX_TOKENS;
use super::super::shape::NumberBounds;
use super::super::suggest::quote;
use super::super::tree::TomlNode;
use super::super::{Law, LengthLaw, TraceRow};
use super::csv_cells::{CsvForm, CsvRow, read_once, rows};
use crate::units::SimDuration;

const FORM: CsvForm<'static> = CsvForm {
    columns: &[
        "arrived_s",
        "input_tokens",
        "output_tokens",
        "cached_tokens",
    ],
    required: 3,
    most_rows: 10_000_000,
    why_most: "cut the trace into several scenarios",
};

/// Bounds of a row's time, in seconds: up to 400 days, as the longest simulation.
const TIME_S: NumberBounds = NumberBounds {
    low: 0.0,
    high: 400.0 * 86_400.0,
    above: false,
    below: false,
};

const TOKENS: NumberBounds = NumberBounds {
    low: 1.0,
    high: MAX_TOKENS as f64,
    above: false,
    below: false,
};

const CACHED: NumberBounds = NumberBounds { low: 0.0, ..TOKENS };

/// A recorded workload: its rows, and the laws of their lengths.
#[derive(Debug)]
pub struct Recording {
    /// Recorded requests in order of time.
    pub rows: Arc<[TraceRow]>,
    /// Law of the inputs' lengths.
    pub input: LengthLaw,
    /// Law of the outputs' lengths.
    pub output: LengthLaw,
}

/// Reads a recording, or complains about every bad cell.
pub fn read(node: &TomlNode, report: &mut MistakeReport) -> Option<Arc<Recording>> {
    read_once(node, || {
        let mut last = SimDuration::ZERO;
        let rows = rows(node, &FORM, report, |line| row(line, &mut last));
        rows.map(|(rows, _)| Recording {
            input: law(&rows, |r| r.input),
            output: law(&rows, |r| r.output),
            rows: rows.into(),
        })
    })
}

/// When the last row of a recording arrives; `None`: it has mistakes, which are told elsewhere.
pub fn end(node: &TomlNode) -> Option<SimDuration> {
    let recording = read(node, &mut MistakeReport::default())?;
    recording.rows.last().map(|row| row.at)
}

fn row(line: &CsvRow<'_>, last: &mut SimDuration) -> Result<TraceRow, Vec<Diagnostic>> {
    let mut mistakes = Vec::new();
    let mut number = |i: usize, range| line.number(i, FORM.columns[i], range, &mut mistakes);
    let at = number(0, TIME_S).map(SimDuration::from_secs_f64);
    let tokens = [number(1, TOKENS), number(2, TOKENS), number(3, CACHED)];
    let [input, output, cached] = tokens.map(|n| n.map(|n| n as u32));
    let complain = |column: usize, what: &str, why: &str| {
        let place = line.cell(column).map_or(line.at, |(_, at)| at);
        Diagnostic::new(what, place).label(why)
    };
    for (column, n) in (1..).zip(tokens) {
        if n.is_some_and(|n| n - libm::trunc(n) != 0.0) {
            let name = FORM.columns[column];
            let what = format!("{} cannot have a fraction", quote(name));
            mistakes.push(complain(column, &what, "tokens are whole"));
        }
    }
    if let Some(at) = at {
        if at < *last {
            let what = "the rows are out of order";
            mistakes.push(complain(0, what, "earlier than the row before"));
        }
        *last = at;
    }
    if let (Some(input), Some(cached)) = (input, cached)
        && cached >= input
    {
        let what = "a prompt cannot be cached in full";
        mistakes.push(complain(3, what, "at least one token is computed"));
    }
    match (at, input, output) {
        (Some(at), Some(input), Some(output)) if mistakes.is_empty() => Ok(TraceRow {
            at,
            input,
            output,
            cached,
        }),
        _ => Err(mistakes),
    }
}

/// The law of recorded lengths.
fn law(rows: &[TraceRow], length: impl Fn(&TraceRow) -> u32) -> LengthLaw {
    let mut lengths: Vec<u32> = rows.iter().map(length).collect();
    lengths.sort_unstable();
    let mut values: Vec<(f64, f64)> = Vec::new();
    for length in &lengths {
        match values.last_mut() {
            Some((value, weight)) if *value == f64::from(*length) => *weight += 1.0,
            _ => values.push((f64::from(*length), 1.0)),
        }
    }
    LengthLaw {
        law: Law::Empirical { values },
        min: lengths.first().copied().unwrap_or(1),
        max: lengths.last().copied().unwrap_or(1),
    }
}
