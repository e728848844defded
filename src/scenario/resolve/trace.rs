//! A recorded workload: requests one by one, in any of the forms that `traffic` knows.
//!
//! Times that count from a beginning count from the simulation's (`start - warm_up`); of dates the first is that
//! beginning. Equal times keep the file's order; rows that come a little late are sorted.

use std::sync::Arc;

use super::super::diagnostic::{Diagnostic, MistakeReport};
use super::super::shape::show_integer;
use super::super::text::{parse_duration, parse_time_of_day};
use super::super::tree::{TomlEntry, TomlNode, TomlTable, TomlValue};
use super::super::{Law, LengthLaw, TracePlay, TraceRow};
use super::csv_cells::read_once;
use super::told::{name, told};
use super::traffic_shape::RunTimes;
use super::{local_time, run_times};
use crate::traffic::{
    BadLines, Clock, Faults, RecordedRequest, RequestReader, TraceSource, TrafficFault, survey,
};
use crate::units::{NS_PER_DAY, NS_PER_HOUR, NS_PER_S, SimDuration};

/// Most rows of a recording.
const MOST_ROWS: usize = 10_000_000;

/// How much later than its time a row may stand and still be sorted in, in ns: an hour.
const SORTED_WITHIN: i64 = NS_PER_HOUR as i64;

/// A recorded workload.
#[derive(Debug)]
pub struct Recording {
    /// Recorded requests in order of time.
    pub rows: Arc<[TraceRow]>,
    /// What was understood of the file.
    pub remarks: Vec<String>,
    /// What was left out of it.
    pub cautions: Vec<String>,
}

/// Reads the recording of arrivals, or complains about what is wrong.
pub fn read(arrivals: &TomlTable, report: &mut MistakeReport) -> Option<Arc<Recording>> {
    if let Some(entry) = arrivals.entry("file") {
        return read_file(entry, report);
    }
    let Some(csv) = arrivals.table("csv") else {
        let at = arrivals.at("kind");
        let found = Diagnostic::new("nothing says which recording is played", at);
        report.push_missing(
            found
                .label("`file` is missing")
                .help("add `file = \"requests.csv\"`"),
        );
        return None;
    };
    let node = csv.get("text")?;
    read_once(node, || {
        let (text, source) = (node.text()?, node.at.source);
        match recording(text, name(node)) {
            Ok(recording) => Some(recording),
            Err(faults) => {
                let told = faults.iter().map(|fault| told(fault, source, text));
                told.for_each(|found| report.push(found));
                None
            }
        }
    })
}

/// Reads the recording in a file, of which no text is held.
fn read_file(entry: &TomlEntry, report: &mut MistakeReport) -> Option<Arc<Recording>> {
    let TomlValue::Csv(file) = &entry.node.value else {
        return None;
    };
    let path = file.path.clone()?;
    file.content(|| {
        let shown = path.display().to_string();
        recording_of(&TraceSource::File(path))
            .map_err(|faults| {
                for fault in faults {
                    let place = match fault.line {
                        0 => shown.clone(),
                        line => format!("{shown}:{line}:{}", fault.before + fault.place.0 + 1),
                    };
                    let mut found =
                        Diagnostic::new(format!("{place}: {}", fault.message), entry.node.at);
                    if !fault.label.is_empty() {
                        found = found.label(fault.label.as_str());
                    }
                    if fault.alike > 0 {
                        found = found.note(format!("{} more rows are like this one", fault.alike));
                    }
                    if !fault.help.is_empty() {
                        found = found.help(fault.help.as_str());
                    }
                    report.push(found);
                }
            })
            .ok()
    })
}

/// The recording of a file, which is read through once.
fn recording_of(source: &TraceSource) -> Result<Recording, Vec<TrafficFault>> {
    let mut rows: Vec<(i64, TraceRow)> = Vec::new();
    let found = survey(source, BadLines::Refuse, |request| {
        if request.output > 0 && rows.len() <= MOST_ROWS {
            let row = TraceRow {
                at: SimDuration::ZERO,
                input: request.input,
                output: request.output,
                cached: request.cached,
            };
            rows.push((request.at, row));
        }
    })?;
    if rows.len() > MOST_ROWS {
        let most = show_integer(MOST_ROWS as i128);
        let fault = TrafficFault::new("rows", format!("the file has more than {most} requests"));
        return Err(vec![fault.help(
            "cut the trace into several scenarios, or play a part: `window`",
        )]);
    }
    Ok(made(
        rows,
        found.clock,
        found.failed,
        found.late,
        &found.remarks,
    ))
}

/// The recording as a run plays it: a window of it, at another rate, several times, from a time of day on.
pub fn play(
    arrivals: &TomlTable,
    recording: &Recording,
    run: RunTimes,
    report: &mut MistakeReport,
) -> Option<TracePlay> {
    let rate = arrivals.number("rate")?;
    let window = match arrivals.list("window") {
        None => None,
        Some(items) => {
            let ns = |node: &TomlNode| {
                parse_duration(node.text()?)
                    .ok()
                    .map(|ps| (ps / 1_000) as u64)
            };
            let (from, to) = (ns(items.first()?)?, ns(items.get(1)?)?);
            if from >= to {
                let found =
                    Diagnostic::new("the window ends before it begins", arrivals.at("window"));
                report.push(found.label("from and to, from the recording's beginning"));
                return None;
            }
            Some((from, to))
        }
    };
    let begins = run.start_utc + run.offset - run.warm_up.0 as i64;
    let shift = match arrivals.text("at") {
        None => 0,
        Some(at) => {
            (parse_time_of_day(at).ok()?.0 as i64 - begins).rem_euclid(NS_PER_DAY as i64) as u64
        }
    };
    let inside = |row: &&TraceRow| window.is_none_or(|(from, to)| (from..to).contains(&row.at.0));
    let from = window.map_or(0, |(from, _)| from);
    let scaled = |ns: u64| match rate == 1.0 {
        true => ns,
        false => libm::round(ns as f64 / rate) as u64,
    };
    let is_plain = window.is_none() && rate == 1.0 && shift == 0;
    let rows: Arc<[TraceRow]> = match is_plain {
        true => Arc::clone(&recording.rows),
        false => {
            let moved = |row: &TraceRow| TraceRow {
                at: SimDuration(scaled(row.at.0 - from) + shift),
                ..*row
            };
            recording.rows.iter().filter(inside).map(moved).collect()
        }
    };
    let Some(last) = rows.last() else {
        let found = Diagnostic::new(
            "no recorded request lies in the window",
            arrivals.at("window"),
        );
        let last = recording
            .rows
            .last()
            .map_or(0.0, |row| row.at.as_secs_f64());
        report.push(found.label(format!("the last comes at {last} s")));
        return None;
    };
    let whole_seconds = (last.at.0 - shift) / NS_PER_S + 1;
    let period = window.map_or(whole_seconds * NS_PER_S, |(from, to)| {
        scaled(to - from).max(1)
    });
    Some(TracePlay {
        rows,
        repeat: arrivals.integer("repeat")?,
        period: SimDuration(period),
    })
}

/// When the last request of recorded arrivals comes; `None`: there are mistakes, which are told elsewhere.
pub fn end(
    arrivals: &TomlTable,
    start: Option<&TomlValue>,
    warm_up: Option<SimDuration>,
) -> Option<SimDuration> {
    let report = &mut MistakeReport::default();
    let recording = read(arrivals, report)?;
    let start = match start {
        Some(TomlValue::Datetime(when)) => Some(local_time(when)),
        _ => None,
    };
    let run = run_times(start.as_ref(), warm_up, None);
    play(arrivals, &recording, run, report)?.last_at()
}

fn recording(text: &str, name: &str) -> Result<Recording, Vec<TrafficFault>> {
    let mut reader = RequestReader::new(text.as_bytes(), name)?;
    let mut faults = Faults::default();
    let mut rows: Vec<(i64, TraceRow)> = Vec::new();
    let (mut failed, mut sorted) = (0_u64, 0_u64);
    let mut latest = i64::MIN;
    let mut request = RecordedRequest::default();
    loop {
        match reader.read(&mut request) {
            Ok(true) => {}
            Ok(false) => break,
            Err(found) => {
                let is_over = found.iter().any(|fault| fault.is_fatal);
                found.into_iter().for_each(|fault| faults.push(fault));
                if is_over {
                    break;
                }
                continue;
            }
        }
        latest = latest.max(request.at);
        if latest - request.at > SORTED_WITHIN {
            let fault = TrafficFault::new(
                "order",
                "this row is more than an hour too late in the file",
            );
            let fault = fault.label("earlier than a row before it");
            faults.push(
                fault
                    .help("sort the file by time: rows are sorted within an hour")
                    .on(&request),
            );
        }
        sorted += u64::from(request.at < latest);
        if request.output == 0 {
            failed += 1;
            continue;
        }
        if rows.len() == MOST_ROWS {
            let most = show_integer(MOST_ROWS as i128);
            let fault =
                TrafficFault::new("rows", format!("the file has more than {most} requests"));
            faults.push(
                fault
                    .help("cut the trace into several scenarios")
                    .on(&request),
            );
            break;
        }
        let row = TraceRow {
            at: SimDuration::ZERO,
            input: request.input,
            output: request.output,
            cached: request.cached,
        };
        rows.push((request.at, row));
    }
    if !faults.is_empty() {
        return Err(faults.into_list());
    }
    if rows.is_empty() {
        return Err(vec![match failed {
            0 => TrafficFault::new("rows", "the file has no requests")
                .label("nothing follows the header"),
            _ => TrafficFault::new("rows", "no request of the file has an answer"),
        }]);
    }
    Ok(made(rows, reader.clock(), failed, sorted, &reader.remarks))
}

/// The recording of these requests, each with its time by the clock.
fn made(
    mut rows: Vec<(i64, TraceRow)>,
    clock: Clock,
    failed: u64,
    late: u64,
    remarks: &[String],
) -> Recording {
    rows.sort_by_key(|(at, _)| *at);
    let first = rows.first().map_or(0, |(at, _)| *at);
    let begins = if clock == Clock::Beginning { 0 } else { first };
    let at_its_time = |(at, row): (i64, TraceRow)| TraceRow {
        at: SimDuration((at - begins) as u64),
        ..row
    };
    let rows: Vec<TraceRow> = rows.into_iter().map(at_its_time).collect();
    let mut remarks = remarks.to_vec();
    if clock != Clock::Beginning {
        remarks.push("times are dates; the first request comes at the beginning".to_string());
    }
    if late > 0 {
        remarks.push(format!(
            "{} rows came late and were sorted in",
            show_integer(i128::from(late))
        ));
    }
    let mut cautions = Vec::new();
    if failed > 0 {
        let shown = show_integer(i128::from(failed));
        cautions.push(format!(
            "{shown} recorded requests have no output: they failed, and are left out"
        ));
    }
    Recording {
        rows: rows.into(),
        remarks,
        cautions,
    }
}

/// The law of recorded lengths.
pub fn law(rows: &[TraceRow], length: impl Fn(&TraceRow) -> u32) -> LengthLaw {
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
