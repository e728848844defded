//! A CSV of one's own traffic: `time,requests[,input_mean,output_mean,hit_rate]`, columns in any order.
//!
//! Each row holds from its time of day until the next row's, the last one until 24:00.

use std::sync::Arc;

use super::super::diagnostic::{Diagnostic, MistakeReport};
use super::super::file::{MAX_REQUESTS_PER_DAY, MAX_TOKENS};
use super::super::shape::{NumberBounds, show_number};
use super::super::source::Span;
use super::super::suggest::quote;
use super::super::text::{parse_time_of_day, show_time_of_day};
use super::super::tree::TomlNode;
use super::csv_cells::{CsvCell, CsvForm, CsvRow, read_once, rows};
use crate::units::{NS_PER_DAY, SimDuration};

/// Form of a CSV of traffic: the column `time` first, then those of [`BOUNDS`].
const FORM: CsvForm<'static> = CsvForm {
    columns: &["time", "requests", "input_mean", "output_mean", "hit_rate"],
    required: 2,
    most_rows: 86_400,
    why_most: "one row a second is the most",
};

/// Bounds of the columns after the first.
const BOUNDS: [NumberBounds; 4] = [
    bounds(0.0, MAX_REQUESTS_PER_DAY, false, false),
    bounds(0.0, MAX_TOKENS as f64, true, false),
    bounds(0.0, MAX_TOKENS as f64, true, false),
    bounds(0.0, 1.0, false, true),
];

const fn bounds(low: f64, high: f64, above: bool, below: bool) -> NumberBounds {
    NumberBounds {
        low,
        high,
        above,
        below,
    }
}

/// A row of a CSV of traffic.
#[derive(Clone, Debug)]
pub struct Traffic {
    /// Local time of day at which the row begins.
    pub from: SimDuration,
    /// Local time of day at which the row ends.
    pub to: SimDuration,
    /// Number of requests that arrive in the row's time.
    pub requests: f64,
    /// Place of the number of requests in the CSV's text, whose index may have been another.
    pub requests_at: Span,
    /// Mean of the input law, in tokens; `None`: the row does not say.
    pub input_mean: Option<f64>,
    /// Mean of the output law, in tokens; `None`: the row does not say.
    pub output_mean: Option<f64>,
    /// Cached over input tokens; `None`: the row does not say.
    pub hit_rate: Option<f64>,
}

/// Reads the rows of a CSV of traffic, or complains about every bad cell.
pub fn read(node: &TomlNode, report: &mut MistakeReport) -> Option<Arc<Vec<Traffic>>> {
    read_once(node, || {
        let mut last_time = None;
        let (mut traffic, header) = rows(node, &FORM, report, |line| row(line, &mut last_time))?;
        for i in 1..traffic.len() {
            traffic[i - 1].to = traffic[i].from;
        }
        total_is_bounded(&traffic, header, report)?;
        Some(traffic)
    })
}

fn row(line: &CsvRow<'_>, last_time: &mut Option<SimDuration>) -> Result<Traffic, Vec<Diagnostic>> {
    let mut mistakes = Vec::new();
    let from = line
        .cell(0)
        .and_then(|cell| time(cell, last_time, &mut mistakes));
    let mut numbers = [None; 4];
    for (i, range) in BOUNDS.into_iter().enumerate() {
        numbers[i] = line.number(i + 1, FORM.columns[i + 1], range, &mut mistakes);
    }
    let [requests, input_mean, output_mean, hit_rate] = numbers;
    match (from, requests) {
        (Some(from), Some(requests)) if mistakes.is_empty() => Ok(Traffic {
            from,
            to: SimDuration(NS_PER_DAY),
            requests,
            requests_at: line.cell(1).map_or(line.at, |(_, at)| at),
            input_mean,
            output_mean,
            hit_rate,
        }),
        _ => Err(mistakes),
    }
}

fn time(
    (cell, at): CsvCell<'_>,
    last_time: &mut Option<SimDuration>,
    mistakes: &mut Vec<Diagnostic>,
) -> Option<SimDuration> {
    let time = match parse_time_of_day(cell) {
        Ok(time) => time,
        Err(why) => {
            let message = format!("{} {why}", quote(cell));
            mistakes.push(Diagnostic::new(message, at).label("not a time of day"));
            return None;
        }
    };
    let before = last_time.replace(time);
    let why = match before {
        None if time.0 > 0 => "the first row must begin at 00:00".to_string(),
        Some(last) if time <= last => {
            format!("must be later than {}", show_time_of_day(last))
        }
        _ if time.0 >= NS_PER_DAY => "the day ends here; leave this row out".to_string(),
        _ => return Some(time),
    };
    let message = format!("the rows are out of order at {}", quote(cell));
    mistakes.push(Diagnostic::new(message, at).label(why));
    None
}

fn total_is_bounded(rows: &[Traffic], header: Span, report: &mut MistakeReport) -> Option<()> {
    let total: f64 = rows.iter().map(|r| r.requests).sum();
    if total > MAX_REQUESTS_PER_DAY {
        let message = format!("the CSV has {} requests in all", show_number(total));
        let most = show_number(MAX_REQUESTS_PER_DAY);
        report.push(Diagnostic::new(message, header).label(format!("at most {most} in a day")));
        return None;
    }
    Some(())
}
