//! A row of a table of counts: its time, its number and its means, within their bounds.

use super::count_columns::CountColumns;
use super::counts::{CountRow, CountTable, CountTimes};
use super::fault::TrafficFault;
use super::figure::{NoFigure, figure, figure_with_unit};
use super::line_cells::Cell;
use super::stamp::Stamp;

/// Numbers from here on are seconds since 1970 (1973 and later); smaller ones are no dates.
const EPOCH_S: i128 = 100_000_000;

const NS: i128 = 1_000_000_000;

/// Least and greatest of the numbers and means that a row may have.
struct FigureBounds {
    low: f64,
    high: f64,
    /// Whether the least value itself is excluded; otherwise, with `is_part`, the greatest.
    is_above: bool,
    is_part: bool,
}

const NUMBER: FigureBounds = FigureBounds {
    low: 0.0,
    high: 1e15,
    is_above: false,
    is_part: false,
};

/// Bounds of the means: lengths up to 2^24 tokens, a part of the input.
const MEANS: [(&str, FigureBounds); 3] = [
    (
        "input_mean",
        FigureBounds {
            low: 0.0,
            high: 16_777_216.0,
            is_above: true,
            is_part: false,
        },
    ),
    (
        "output_mean",
        FigureBounds {
            low: 0.0,
            high: 16_777_216.0,
            is_above: true,
            is_part: false,
        },
    ),
    (
        "hit_rate",
        FigureBounds {
            low: 0.0,
            high: 1.0,
            is_above: false,
            is_part: true,
        },
    ),
];

/// The row of a line; times of one kind stand in a file.
pub fn row(
    (line, text): (u64, &str),
    cells: &[Cell<'_>],
    columns: &CountColumns,
    times: &mut Option<CountTimes>,
    table: &mut CountTable,
) -> Result<CountRow, Vec<TrafficFault>> {
    let mut faults = Vec::new();
    let cell = cells[columns.time];
    let at = match stamp(cell.text, columns.is_hour) {
        Ok((at, kind)) if times.is_none_or(|known| known == kind) => {
            *times = Some(kind);
            Some(at)
        }
        Ok((_, kind)) => {
            let message = format!(
                "`{}` is {}, and the rows before have {}",
                cell.text,
                kind.words(),
                times.map_or("", CountTimes::words)
            );
            let fault = TrafficFault::new("mixed", message)
                .in_column("time")
                .label("one kind of time in a file");
            faults.push(fault.at(line, text, cell.place));
            None
        }
        Err((message, help)) => {
            let fault = TrafficFault::new("time", message)
                .in_column("time")
                .label("not a time");
            faults.push(fault.help(help).at(line, text, cell.place));
            None
        }
    };
    let cell = cells[columns.number];
    let number = match figure_with_unit(cell.text) {
        Ok((number, unit)) => {
            table.unit = table.unit.or(unit);
            bounded(
                number,
                &NUMBER,
                &table.column,
                cell,
                line,
                text,
                &mut faults,
            )
        }
        Err(why) => {
            faults.push(no_figure(why, &table.column, cell, &NUMBER).at(line, text, cell.place));
            None
        }
    };
    let mut means = [None; 3];
    for (i, (name, bounds)) in MEANS.iter().enumerate() {
        let Some(cell) = columns.means[i].map(|column| cells[column]) else {
            continue;
        };
        match figure(cell.text) {
            Ok(number) => means[i] = bounded(number, bounds, name, cell, line, text, &mut faults),
            Err(why) => faults.push(no_figure(why, name, cell, bounds).at(line, text, cell.place)),
        }
    }
    match (at, number) {
        (Some(at), Some(number)) if faults.is_empty() => Ok(CountRow {
            at,
            number,
            means,
            line,
            places: [cells[columns.time].place, cells[columns.number].place],
        }),
        _ => Err(faults),
    }
}

fn bounded(
    number: f64,
    bounds: &FigureBounds,
    name: &str,
    cell: Cell<'_>,
    line: u64,
    text: &str,
    faults: &mut Vec<TrafficFault>,
) -> Option<f64> {
    let is_low = number < bounds.low || (bounds.is_above && number == bounds.low);
    let is_high = number > bounds.high || (bounds.is_part && number == bounds.high);
    if !is_low && !is_high {
        return Some(number);
    }
    let fault =
        TrafficFault::new("bounds", format!("`{name}` cannot be `{}`", cell.text)).in_column(name);
    faults.push(fault.label(bounds.words(name)).at(line, text, cell.place));
    None
}

fn no_figure(why: NoFigure, name: &str, cell: Cell<'_>, bounds: &FigureBounds) -> TrafficFault {
    let must = bounds.words(name);
    match why {
        NoFigure::Empty => TrafficFault::new("empty", format!("`{name}` is empty")).label(must),
        NoFigure::Missing => TrafficFault::new("missing", format!("`{name}` is `{}`", cell.text))
            .label("nothing was measured here")
            .help("take the row out, and the one before holds on; or write 0"),
        NoFigure::Ambiguous => TrafficFault::new("comma", format!("`{}` has a comma", cell.text))
            .label("thousands or decimals?")
            .help("write 1,000 for a thousand, 1.5 for one and a half"),
        NoFigure::Other => {
            TrafficFault::new("number", format!("`{}` is not a number", cell.text)).label(must)
        }
    }
    .in_column(name)
}

impl FigureBounds {
    fn words(&self, name: &str) -> String {
        match (self.is_above, self.is_part) {
            (true, _) => format!("{name} must be a number above 0 and at most 16,777,216"),
            (_, true) => format!("{name} must be a number from 0 to below 1"),
            _ => format!("{name} must be a number, 0 or more"),
        }
    }
}

/// The time in a cell and its kind, or what is wrong with it and what to write.
fn stamp(text: &str, is_hour: bool) -> Result<(i64, CountTimes), (String, String)> {
    let how = || {
        "write times of day (09:30), of the week (Mon 09:30), dates (2026-01-05 09:30, with or without an offset) or \
         seconds or milliseconds since 1970"
            .to_string()
    };
    match Stamp::read(text) {
        Some(Stamp::OfDay(at)) => Ok((at, CountTimes::Day)),
        Some(Stamp::OfWeek(at)) => Ok((at, CountTimes::Week)),
        Some(Stamp::Civil(at)) => Ok((at, CountTimes::Civil)),
        Some(Stamp::Instant(at)) => Ok((at, CountTimes::Instant)),
        Some(Stamp::Number(number))
            if is_hour && (0..=24 * NS).contains(&number) && number % NS == 0 =>
        {
            Ok(((number * 3600) as i64, CountTimes::Day))
        }
        Some(Stamp::Number(number)) => match epoch(number) {
            Some(at) => Ok((at, CountTimes::Instant)),
            None => Err((
                format!("`{text}` is a number, and no time since 1970 in seconds or milliseconds"),
                how(),
            )),
        },
        None => Err((format!("`{text}` is no time that can be read"), how())),
    }
}

/// The instant of a number (in billionths) of seconds, milliseconds, microseconds or nanoseconds since 1970, by its
/// size; `None`: it is too small to be one.
pub fn epoch(number: i128) -> Option<i64> {
    let size = number / NS;
    let (seconds, ms, us) = (EPOCH_S, 1000 * EPOCH_S, 1_000_000 * EPOCH_S);
    // A thousand times the earliest second is the latest one (5138) or earlier.
    let ns = match size {
        n if n < seconds => return None,
        n if n < ms => number,
        n if n < us => number / 1000,
        n if n < 1000 * us => number / 1_000_000,
        _ => number / NS,
    };
    i64::try_from(ns).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_of_a_number_says_its_unit() {
        let noon = 1_767_614_400;
        let all = [noon, noon * 1000, noon * 1_000_000, noon * 1_000_000_000];
        for number in all {
            assert_eq!(epoch(number * NS), Some(noon as i64 * 1_000_000_000));
        }
        assert_eq!(epoch(86_400 * NS), None);
    }
}
