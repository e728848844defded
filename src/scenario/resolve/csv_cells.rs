//! The lines and cells of a CSV, each with its place, so that every complaint underlines its cell.
//!
//! Found by hand rather than by a library for that reason. Quotes around a cell are taken off, line breaks
//! inside cells are not known here. Empty lines and lines that begin with `#` are skipped. Columns come in
//! any order, named by the first line.

use std::sync::Arc;

use super::super::csv_text::CsvText;
use super::super::diagnostic::{Diagnostic, MistakeReport};
use super::super::shape::{NumberBounds, show_integer};
use super::super::source::{Sources, Span};
use super::super::suggest::{list, nearest, quote};
use super::super::tree::{TomlEntry, TomlNode, TomlTable, TomlValue};

/// Most bad cells that are complained about: more teach nothing.
const MAX_COMPLAINTS: usize = 100;

/// The node that stands for a CSV in the tree: its whole text, as a source of its own.
pub fn csv_node(csv: Arc<CsvText>, sources: &mut Sources) -> TomlNode {
    let source = sources.share(Arc::clone(&csv.source));
    let at = Span {
        source,
        start: 0,
        end: csv.source.text.len(),
    };
    let entry = TomlEntry {
        key: "text".to_string(),
        key_at: at,
        node: TomlNode {
            value: TomlValue::Csv(csv),
            at,
        },
    };
    TomlNode {
        value: TomlValue::Table(TomlTable {
            entries: vec![entry],
        }),
        at,
    }
}

/// A cell of a CSV and its place.
pub type CsvCell<'a> = (&'a str, Span);

/// A row of a CSV: its cells by the columns asked for, and its place.
pub struct CsvRow<'a> {
    cells: Vec<Option<CsvCell<'a>>>,
    /// Place of the whole line.
    pub at: Span,
}

impl<'a> CsvRow<'a> {
    /// The cell of a column, by the column's place among those asked for; `None`: the row has none.
    pub fn cell(&self, column: usize) -> Option<CsvCell<'a>> {
        self.cells.get(column).copied().flatten()
    }

    /// The number in a column, within bounds; what is wrong with it goes to `mistakes`.
    pub fn number(
        &self,
        column: usize,
        name: &str,
        range: NumberBounds,
        mistakes: &mut Vec<Diagnostic>,
    ) -> Option<f64> {
        number(self.cell(column)?, name, range, mistakes)
    }
}

/// The form that a CSV must have.
pub struct CsvForm<'a> {
    /// Columns that must be there, then those that may.
    pub columns: &'a [&'a str],
    /// Number of columns that must be there.
    pub required: usize,
    /// Most rows that a file may have.
    pub most_rows: usize,
    /// Why a file has no more rows, in words.
    pub why_most: &'a str,
}

/// What a CSV is read as. One that has been read as the same before is not read again: places in what comes back are
/// those of its own text, of whatever index (see [`Span::of_source`]).
pub fn read_once<T: Send + Sync + 'static>(
    node: &TomlNode,
    read: impl FnOnce() -> Option<T>,
) -> Option<Arc<T>> {
    match &node.value {
        TomlValue::Csv(csv) => csv.content(read),
        _ => read().map(Arc::new),
    }
}

/// Reads rows, or complains about every bad cell. `read` turns a row into a value, or says what is wrong.
/// Also returns where the header is.
pub fn rows<T>(
    node: &TomlNode,
    form: &CsvForm<'_>,
    report: &mut MistakeReport,
    mut read: impl FnMut(&CsvRow<'_>) -> Result<T, Vec<Diagnostic>>,
) -> Option<(Vec<T>, Span)> {
    let text = node.text()?;
    let mut lines = lines(text, node.at.source);
    let Some(header) = lines.next() else {
        let found = Diagnostic::new("the CSV is empty", Span::whole(node.at.source));
        let first = form.columns[..form.required].join(",");
        report.push(found.help(format!("begin with the line `{first}`")));
        return None;
    };
    let columns = columns(&header, form, report)?;
    let mut rows = Vec::new();
    let mut complaints = 0;
    for line in lines {
        if rows.len() == form.most_rows {
            let most = show_integer(form.most_rows as i128);
            let found = Diagnostic::new(format!("the CSV has more than {most} rows"), line.at);
            report.push(found.label(form.why_most));
            return None;
        }
        let (has, needs) = (line.cells.len(), header.cells.len());
        let value = if has == needs {
            let cells = columns.iter().map(|c| c.map(|i| line.cells[i])).collect();
            read(&CsvRow { cells, at: line.at })
        } else {
            let message = format!("this row has {has} cells and the header has {needs}");
            let found = Diagnostic::new(message, line.at).label("not as many as columns");
            Err(vec![found])
        };
        match value {
            Ok(value) => rows.push(value),
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
    if rows.is_empty() {
        let found = Diagnostic::new("the CSV has no rows", header.at);
        report.push(found.label("nothing follows the header"));
        return None;
    }
    Some((rows, header.at))
}

struct CsvLine<'a> {
    cells: Vec<(&'a str, Span)>,
    at: Span,
}

fn lines(text: &str, source: usize) -> impl Iterator<Item = CsvLine<'_>> {
    let mut next = 0;
    text.split('\n').filter_map(move |line| {
        let start = next;
        next += line.len() + 1;
        let trimmed = line.trim();
        (!trimmed.is_empty() && !trimmed.starts_with('#')).then(|| split(line, source, start))
    })
}

fn split(line: &str, source: usize, start: usize) -> CsvLine<'_> {
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
    CsvLine { cells, at }
}

/// The columns of the file in which those asked for stand.
fn columns(
    header: &CsvLine<'_>,
    form: &CsvForm<'_>,
    report: &mut MistakeReport,
) -> Option<Vec<Option<usize>>> {
    let names = || form.columns.iter().copied();
    let mut found: Vec<Option<usize>> = vec![None; form.columns.len()];
    let mut good = true;
    for (i, (cell, at)) in header.cells.iter().enumerate() {
        let Some(known) = names().position(|n| n == *cell) else {
            let mistake = Diagnostic::new(format!("unknown column {}", quote(cell)), *at);
            let mistake = match nearest(cell, names()) {
                Some(meant) => mistake.label(format!("did you mean {}?", quote(meant))),
                None if cell.contains([';', '\t']) => mistake.label("separate columns by commas"),
                None => mistake.label("no such column"),
            };
            let known = list(names());
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
    for (name, column) in names().zip(&found).take(form.required) {
        if good && column.is_none() {
            let message = format!("the column {} is missing", quote(name));
            report.push(Diagnostic::new(message, header.at).label("not in the header"));
            good = false;
        }
    }
    good.then_some(found)
}

fn number(
    (cell, at): CsvCell<'_>,
    name: &str,
    range: NumberBounds,
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
