//! A CSV of one's own traffic: `time,requests[,input_mean,output_mean,hit_rate]`, columns in any order.
//!
//! Each row holds from its time of day until the next row's, the last one until 24:00. Cells are found
//! by hand rather than by a library, since every complaint underlines its cell; quotes around a cell
//! are taken off, line breaks inside cells are not known here. Empty lines and lines that begin with
//! `#` are skipped.

use super::super::diagnostic::{Diagnostic, Report};
use super::super::file::{MAX_REQUESTS_PER_DAY, MAX_TOKENS};
use super::super::shape::{Range, show_integer, show_number};
use super::super::source::{Sources, Span};
use super::super::suggest::{list, nearest, quote};
use super::super::text::{parse_time_of_day, show_time_of_day};
use super::super::tree::{Entry, Node, Table, Value};
use crate::units::{NS_PER_DAY, SimDuration};

/// At most one row a second.
const MAX_ROWS: usize = 86_400;

/// After so many bad cells nothing more is learnt from complaining.
const MAX_COMPLAINTS: usize = 100;

/// The columns, with their bounds.
const COLUMNS: [(&str, Range); 4] = [
    ("requests", bounds(0.0, MAX_REQUESTS_PER_DAY, false, false)),
    ("input_mean", bounds(0.0, MAX_TOKENS as f64, true, false)),
    ("output_mean", bounds(0.0, MAX_TOKENS as f64, true, false)),
    ("hit_rate", bounds(0.0, 1.0, false, true)),
];

const fn bounds(low: f64, high: f64, above: bool, below: bool) -> Range {
    Range {
        low,
        high,
        above,
        below,
    }
}

/// A row.
#[derive(Clone, Debug)]
pub struct Traffic {
    /// When it begins, local time of day.
    pub from: SimDuration,
    /// When it ends.
    pub to: SimDuration,
    /// Requests that arrive in it.
    pub requests: f64,
    /// Where that number is.
    pub requests_at: Span,
    /// Mean of the input law, in tokens.
    pub input_mean: Option<f64>,
    /// Mean of the output law, in tokens.
    pub output_mean: Option<f64>,
    /// Cached over input tokens.
    pub hit_rate: Option<f64>,
}

/// The node that stands for a CSV in the tree: its whole text, as a source of its own.
pub fn csv_node(source: usize, sources: &Sources) -> Node {
    let text = sources
        .get(source)
        .map_or(String::new(), |s| s.text.clone());
    let at = Span {
        source,
        start: 0,
        end: text.len(),
    };
    let entry = Entry {
        key: "text".to_string(),
        key_at: at,
        node: Node {
            value: Value::Text(text),
            at,
        },
    };
    Node {
        value: Value::Table(Table {
            entries: vec![entry],
        }),
        at,
    }
}

/// Reads the rows, or complains about every bad cell.
pub fn read(node: &Node, report: &mut Report) -> Option<Vec<Traffic>> {
    let text = node.text()?;
    let mut lines = lines(text, node.at.source);
    let Some(header) = lines.next() else {
        let found = Diagnostic::new("the CSV is empty", Span::whole(node.at.source));
        report.push(found.help("begin with the line `time,requests`"));
        return None;
    };
    let columns = columns(&header, report)?;
    let mut rows: Vec<Traffic> = Vec::new();
    let mut complaints = 0;
    let mut last_time = None;
    for line in lines {
        if rows.len() == MAX_ROWS {
            let most = show_integer(MAX_ROWS as i128);
            let found = Diagnostic::new(format!("the CSV has more than {most} rows"), line.at);
            report.push(found.label("one row a second is the most"));
            return None;
        }
        match row(&line, &header, &columns, &mut last_time) {
            Ok(row) => {
                if let Some(last) = rows.last_mut() {
                    last.to = row.from;
                }
                rows.push(row);
            }
            Err(found) => {
                complaints += found.len();
                found.into_iter().for_each(|d| report.push(d));
                if complaints >= MAX_COMPLAINTS {
                    break;
                }
            }
        }
    }
    if complaints > 0 {
        return None;
    }
    total_is_bounded(&rows, header.at, report)?;
    Some(rows)
}

struct Line<'a> {
    cells: Vec<(&'a str, Span)>,
    at: Span,
}

fn lines(text: &str, source: usize) -> impl Iterator<Item = Line<'_>> {
    let mut next = 0;
    text.split('\n').filter_map(move |line| {
        let start = next;
        next += line.len() + 1;
        let trimmed = line.trim();
        (!trimmed.is_empty() && !trimmed.starts_with('#')).then(|| split(line, source, start))
    })
}

fn split(line: &str, source: usize, start: usize) -> Line<'_> {
    let mut cells = Vec::new();
    let mut next = start;
    for cell in line.split(',') {
        let lead = cell.len() - cell.trim_start().len();
        let trimmed = cell.trim();
        let from = next + lead;
        // an empty cell is shown by the comma beside it
        let to = from + trimmed.len().max(1);
        let at = Span {
            source,
            start: from.min(start + line.len().saturating_sub(1)),
            end: to.min(start + line.len()),
        };
        let bare = trimmed.strip_prefix('"').and_then(|c| c.strip_suffix('"'));
        cells.push((bare.unwrap_or(trimmed).trim(), at));
        next += cell.len() + 1;
    }
    let at = Span {
        source,
        start,
        end: start + line.len(),
    };
    Line { cells, at }
}

/// Which column each known name is in: `time` first, then [`COLUMNS`].
type Columns = [Option<usize>; 5];

fn columns(header: &Line<'_>, report: &mut Report) -> Option<Columns> {
    let names: Vec<&str> = ["time"]
        .into_iter()
        .chain(COLUMNS.map(|(name, _)| name))
        .collect();
    let mut found: Columns = [None; 5];
    let mut good = true;
    for (i, (cell, at)) in header.cells.iter().enumerate() {
        let Some(known) = names.iter().position(|n| n == cell) else {
            let mistake = Diagnostic::new(format!("unknown column {}", quote(cell)), *at);
            let mistake = match nearest(cell, names.iter().copied()) {
                Some(meant) => mistake.label(format!("did you mean {}?", quote(meant))),
                None if cell.contains([';', '\t']) => mistake.label("separate columns by commas"),
                None => mistake.label("no such column"),
            };
            let known = list(names.iter().copied());
            report.push(mistake.note(format!("columns are {known}")));
            good = false;
            continue;
        };
        if let Some(first) = found[known] {
            let message = format!("two columns are called {}", quote(cell));
            let mistake = Diagnostic::new(message, *at).label("again");
            report.push(mistake.also(header.cells[first].1, "first here"));
            good = false;
        }
        found[known] = Some(i);
    }
    for (name, column) in names.iter().zip(found).take(2) {
        if good && column.is_none() {
            let message = format!("the column {} is missing", quote(name));
            report.push(Diagnostic::new(message, header.at).label("not in the header"));
            good = false;
        }
    }
    good.then_some(found)
}

fn row(
    line: &Line<'_>,
    header: &Line<'_>,
    columns: &Columns,
    last_time: &mut Option<SimDuration>,
) -> Result<Traffic, Vec<Diagnostic>> {
    let (has, needs) = (line.cells.len(), header.cells.len());
    if has != needs {
        let message = format!("this row has {has} cells and the header has {needs}");
        return Err(vec![
            Diagnostic::new(message, line.at).label("not as many as columns"),
        ]);
    }
    let mut mistakes = Vec::new();
    let from = columns[0].and_then(|i| time(line.cells[i], last_time, &mut mistakes));
    let mut numbers = [None; 4];
    for (i, (name, range)) in COLUMNS.iter().enumerate() {
        if let Some(column) = columns[i + 1] {
            numbers[i] = number(line.cells[column], name, *range, &mut mistakes);
        }
    }
    let [requests, input_mean, output_mean, hit_rate] = numbers;
    match (from, requests) {
        (Some(from), Some(requests)) if mistakes.is_empty() => Ok(Traffic {
            from,
            to: SimDuration(NS_PER_DAY),
            requests,
            requests_at: columns[1].map_or(line.at, |i| line.cells[i].1),
            input_mean,
            output_mean,
            hit_rate,
        }),
        _ => Err(mistakes),
    }
}

fn time(
    (cell, at): (&str, Span),
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

fn number(
    (cell, at): (&str, Span),
    name: &str,
    range: Range,
    mistakes: &mut Vec<Diagnostic>,
) -> Option<f64> {
    let message = match cell.parse::<f64>() {
        Ok(number) if range.holds(number) => return Some(number),
        Ok(_) => format!("{} cannot be {}", quote(name), quote(cell)),
        Err(_) if cell.is_empty() => format!("{} is empty", quote(name)),
        Err(_) => format!("{} is not a number", quote(cell)),
    };
    let label = format!("{name} must be a number {}", range.words());
    mistakes.push(Diagnostic::new(message, at).label(label));
    None
}

fn total_is_bounded(rows: &[Traffic], header: Span, report: &mut Report) -> Option<()> {
    if rows.is_empty() {
        let found = Diagnostic::new("the CSV has no rows", header);
        report.push(found.label("nothing follows the header"));
        return None;
    }
    let total: f64 = rows.iter().map(|r| r.requests).sum();
    if total > MAX_REQUESTS_PER_DAY {
        let message = format!("the CSV has {} requests in all", show_number(total));
        let most = show_number(MAX_REQUESTS_PER_DAY);
        report.push(Diagnostic::new(message, header).label(format!("at most {most} in a day")));
        return None;
    }
    Some(())
}
