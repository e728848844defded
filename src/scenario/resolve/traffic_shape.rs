//! From counts of requests over time to the rows of a cycle that repeats.
//!
//! Times of day make a day, times of the week a week. Dates of up to a day make a day, too; dates of several days are
//! played as they are where the run lies within them, and otherwise make their average week (by day of the week) or,
//! where they are less than a week, their average day.

use std::sync::Arc;

use super::super::diagnostic::{Diagnostic, MistakeReport};
use super::super::file::MAX_REQUESTS_PER_DAY;
use super::super::shape::{show_integer, show_number};
use super::super::source::Span;
use super::super::text::show_time_of_day;
use super::super::tree::{TomlNode, TomlTable};
use super::csv_cells::read_once;
use super::told::{name, place, told};
use super::traffic_cycle::{TimedRow, TrafficRow, folded};
use crate::traffic::{CountTable, CountTimes, CountUnit, Zone};
use crate::units::{NS_PER_DAY, NS_PER_S, SimDuration};

const DAY: i64 = NS_PER_DAY as i64;
const WEEK: i64 = 7 * DAY;

/// How far from whole days dates may end and still be whole days: a second (clocks put back add hours, not seconds).
const NEARLY: i64 = NS_PER_S as i64;

/// When a run is played.
#[derive(Clone, Copy, Debug)]
pub struct RunTimes {
    /// Start of counting, in ns from 1970 UTC.
    pub start_utc: i64,
    /// Local time less UTC, in ns.
    pub offset: i64,
    /// Time before the start.
    pub warm_up: SimDuration,
    /// Time after it.
    pub duration: SimDuration,
}

/// Traffic as a cycle.
#[derive(Debug)]
pub struct TrafficShape {
    /// Rows of the cycle, without gaps.
    pub rows: Vec<TrafficRow>,
    /// Length of the cycle.
    pub cycle: SimDuration,
    /// Place in the cycle at which counting starts.
    pub phase: SimDuration,
    /// What was understood of the file.
    pub remarks: Vec<String>,
    /// What was assumed.
    pub cautions: Vec<String>,
}

/// Reads a file of counts, and says what is wrong with it.
pub fn read(
    arrivals: &TomlTable,
    node: &TomlNode,
    run: RunTimes,
    report: &mut MistakeReport,
) -> Option<TrafficShape> {
    let (text, source) = (node.text()?, node.at.source);
    let table = table(node, arrivals.text("column"), report)?;
    let unit = unit(arrivals, &table.table, report)?;
    let zone = zone(arrivals, report)?;
    let mut reading = Reading {
        table: &table.table,
        text,
        source,
        zone,
        run,
    };
    let timed = reading.timed().and_then(|rows| reading.counted(rows, unit));
    let shape = timed.and_then(|rows| reading.shape(rows));
    let shape = shape.map_err(|found| report.push(found)).ok()?;
    let total: f64 = shape.rows.iter().map(|r| r.requests).sum();
    let days = shape.cycle.0 as f64 / NS_PER_DAY as f64;
    if total > MAX_REQUESTS_PER_DAY * days.max(1.0) {
        let message = format!("the file has {} requests in all", show_number(total));
        let most = show_number(MAX_REQUESTS_PER_DAY);
        let found = Diagnostic::new(message, Span::whole(source));
        report.push(found.label(format!("at most {most} in a day")));
        return None;
    }
    Some(shape)
}

/// The file's table, read once for each column of numbers.
fn table(
    node: &TomlNode,
    column: Option<&str>,
    report: &mut MistakeReport,
) -> Option<Arc<ColumnTable>> {
    let (text, source) = (node.text()?, node.at.source);
    let mut read = || match CountTable::read(text, column, name(node)) {
        Ok(table) => Some(ColumnTable {
            column: column.map(str::to_string),
            table,
        }),
        Err(faults) => {
            let told = faults.iter().map(|fault| told(fault, source, text));
            told.for_each(|found| report.push(found));
            None
        }
    };
    let known = read_once(node, &mut read)?;
    match known.column.as_deref() == column {
        true => Some(known),
        false => read().map(Arc::new),
    }
}

/// A table, and the column of numbers that it was read for.
#[derive(Debug)]
struct ColumnTable {
    column: Option<String>,
    table: CountTable,
}

/// What the numbers are: said by the scenario, else by the file.
fn unit(arrivals: &TomlTable, table: &CountTable, report: &mut MistakeReport) -> Option<CountUnit> {
    if arrivals.get("counts").is_some() {
        return arrivals.word("counts");
    }
    if table.unit.is_none() {
        let at = arrivals
            .entry("csv")
            .map_or(Span::NOWHERE, |entry| entry.key_at);
        let message = format!("what are the numbers of `{}`?", table.column);
        let found = Diagnostic::new(message, at).label("counts or a rate: the file does not say");
        let ways = CountUnit::ALL.map(|unit| format!("\"{}\" ({})", unit.word(), unit.entry().doc));
        report.push(found.help(format!("add `counts = ` {}", ways.join(", or "))));
    }
    table.unit
}

/// The zone of the file's clock; `Some(None)`: none is named.
fn zone(arrivals: &TomlTable, report: &mut MistakeReport) -> Option<Option<Zone>> {
    let Some(name) = arrivals.text("time_zone") else {
        return Some(None);
    };
    let zone = Zone::named(name);
    if zone.is_none() {
        let found = Diagnostic::new(
            format!("there is no time zone `{name}`"),
            arrivals.at("time_zone"),
        );
        report.push(
            found
                .label("a name of the time zone database")
                .help("such as \"Europe/Berlin\" or \"UTC\""),
        );
    }
    zone.map(Some)
}

struct Reading<'a> {
    table: &'a CountTable,
    text: &'a str,
    source: usize,
    zone: Option<Zone>,
    run: RunTimes,
}

impl Reading<'_> {
    fn at(&self, row: usize, part: usize) -> Span {
        let row = &self.table.rows[row];
        place(row.line, 0, row.places[part], self.source, self.text)
    }

    /// Whether times are dates.
    fn is_dated(&self) -> bool {
        matches!(self.table.times, CountTimes::Civil | CountTimes::Instant)
    }

    /// The rows with their times in order, not yet counted.
    fn timed(&self) -> Result<Vec<TimedRow>, Diagnostic> {
        let mut rows = Vec::with_capacity(self.table.rows.len());
        let mut last = None;
        for (i, row) in self.table.rows.iter().enumerate() {
            let (wall, instant) = match (self.table.times, &self.zone) {
                (CountTimes::Day | CountTimes::Week, _) => (Some(row.at), Some(row.at)),
                (CountTimes::Civil, None) => (Some(row.at), Some(row.at - self.run.offset)),
                (CountTimes::Civil, Some(zone)) => (Some(row.at), zone.instant(row.at, last)),
                (CountTimes::Instant, None) => (Some(row.at + self.run.offset), Some(row.at)),
                (CountTimes::Instant, Some(zone)) => (zone.civil(row.at), Some(row.at)),
            };
            let (Some(wall), Some(instant)) = (wall, instant) else {
                return Err(Diagnostic::new("this date is out of reach", self.at(i, 0))
                    .label("years -9999 to 9999"));
            };
            last = Some(instant);
            let at = self.at(i, 1);
            rows.push((
                i,
                TimedRow {
                    wall,
                    instant,
                    length: 0,
                    requests: row.number,
                    means: row.means,
                    at,
                },
            ));
        }
        if self.is_dated() {
            rows.sort_by_key(|(_, row)| row.instant);
        }
        self.in_order(&rows)?;
        let mut rows: Vec<TimedRow> = rows.into_iter().map(|(_, row)| row).collect();
        let count = rows.len();
        for i in 0..count {
            rows[i].length = match rows.get(i + 1) {
                Some(next) => next.instant - rows[i].instant,
                None => self.last_length(&rows),
            };
        }
        Ok(rows)
    }

    /// How long the last row is: dated ones as long as the one before, others up to the end of their day or week.
    fn last_length(&self, rows: &[TimedRow]) -> i64 {
        let last = rows[rows.len() - 1];
        match self.table.times {
            CountTimes::Day => DAY - last.wall,
            CountTimes::Week => rows[0].wall + WEEK - last.wall,
            CountTimes::Civil | CountTimes::Instant => match rows.len() {
                1 => DAY - last.wall.rem_euclid(DAY),
                n => rows[n - 2].length,
            },
        }
    }

    fn in_order(&self, rows: &[(usize, TimedRow)]) -> Result<(), Diagnostic> {
        let shown = |at: i64| show_time_of_day(SimDuration(at.rem_euclid(DAY) as u64));
        let is_day = self.table.times == CountTimes::Day;
        if let Some((i, row)) = rows.first()
            && is_day
            && row.wall > 0
        {
            let message = format!("the rows are out of order at `{}`", shown(row.wall));
            return Err(
                Diagnostic::new(message, self.at(*i, 0)).label("the first row must begin at 00:00")
            );
        }
        for pair in rows.windows(2) {
            let ((_, before), (i, row)) = (pair[0], pair[1]);
            if row.instant > before.instant {
                continue;
            }
            let found = if row.instant == before.instant {
                Diagnostic::new(
                    format!("two rows begin at `{}`", shown(row.wall)),
                    self.at(i, 0),
                )
                .label("the second one")
            } else {
                let message = format!("the rows are out of order at `{}`", shown(row.wall));
                Diagnostic::new(message, self.at(i, 0))
                    .label(format!("must be later than {}", shown(before.wall)))
            };
            return Err(found);
        }
        match rows.last() {
            Some((i, row)) if is_day && row.wall >= DAY => {
                let found = Diagnostic::new("the rows are out of order at `24:00`", self.at(*i, 0));
                Err(found.label("the day ends here; leave this row out"))
            }
            _ => Ok(()),
        }
    }

    /// Turns the numbers into requests of each row.
    fn counted(
        &self,
        mut rows: Vec<TimedRow>,
        unit: CountUnit,
    ) -> Result<Vec<TimedRow>, Diagnostic> {
        let per = match unit {
            CountUnit::PerRow => return Ok(rows),
            CountUnit::PerSecond => 1.0,
            CountUnit::PerMinute => 60.0,
            CountUnit::PerHour => 3_600.0,
            CountUnit::PerDay => 86_400.0,
            CountUnit::Cumulative => {
                let counts: Vec<f64> = rows.iter().map(|row| row.requests).collect();
                // A counter that starts again at 0 has counted what it shows.
                let grown = counts
                    .windows(2)
                    .map(|w| if w[1] >= w[0] { w[1] - w[0] } else { w[1] });
                rows.pop();
                rows.iter_mut()
                    .zip(grown)
                    .for_each(|(row, grown)| row.requests = grown);
                return match rows.is_empty() {
                    true => Err(Diagnostic::new(
                        "a counter needs two rows",
                        Span::whole(self.source),
                    )
                    .label("what it counts is the difference")),
                    false => Ok(rows),
                };
            }
        };
        for row in &mut rows {
            row.requests *= row.length as f64 / 1e9 / per;
        }
        Ok(rows)
    }

    fn shape(&mut self, rows: Vec<TimedRow>) -> Result<TrafficShape, Diagnostic> {
        let mut remarks = self.table.remarks.clone();
        let first = rows[0].instant;
        let last = rows[rows.len() - 1];
        let end = last.instant + last.length;
        let span = end - first;
        let start = self.run.start_utc;
        let begins = start - self.run.warm_up.0 as i64;
        let ends = start.saturating_add(self.run.duration.0 as i64);
        let is_long = self.is_dated() && span > DAY + NEARLY;
        let count = show_integer(rows.len() as i128);
        if is_long && first <= begins && ends <= end {
            remarks.push(format!("{count} rows, played by their dates"));
            let row = |row: TimedRow| TrafficRow {
                from: SimDuration((row.instant - first) as u64),
                to: SimDuration((row.instant + row.length - first) as u64),
                requests: row.requests,
                requests_at: row.at,
                means: row.means,
            };
            return Ok(TrafficShape {
                rows: rows.into_iter().map(row).collect(),
                cycle: SimDuration(span as u64),
                phase: SimDuration((start - first) as u64),
                remarks,
                cautions: Vec::new(),
            });
        }
        let is_week = match self.table.times {
            CountTimes::Day => false,
            CountTimes::Week => true,
            _ => span >= WEEK - NEARLY,
        };
        let wall = match &self.zone {
            Some(zone) => zone.civil(start).unwrap_or(start),
            None => start + self.run.offset,
        };
        // 1970 began on a Thursday, weeks begin on Monday.
        let (cycle, shift, name) = match is_week {
            true => (WEEK, 3 * DAY, "week"),
            false => (DAY, 0, "day"),
        };
        let of_dates = if self.is_dated() { shift } else { 0 };
        let (folded, missing) = folded(&rows, cycle, of_dates);
        let mut cautions = Vec::new();
        if is_long {
            let whole = show_number(libm::round(10.0 * span as f64 / DAY as f64) / 10.0);
            cautions.push(format!(
                "the run does not lie within the {whole} days of its file of traffic: it is played on their average {name}"
            ));
        }
        if missing > 0 {
            let part = show_number(libm::round(100.0 * missing as f64 / cycle as f64));
            cautions.push(format!(
                "its file of traffic covers {} % of the {name}; nobody arrives in the rest, {part} % of the {name}",
                show_number(100.0 - part.parse::<f64>().unwrap_or(0.0))
            ));
        }
        remarks.push(format!("{count} rows, a {name} that repeats"));
        Ok(TrafficShape {
            rows: folded,
            cycle: SimDuration(cycle as u64),
            phase: SimDuration((wall + shift).rem_euclid(cycle) as u64),
            remarks,
            cautions,
        })
    }
}
