//! A recorded workload: requests one by one, in any of the forms that `traffic` knows.
//!
//! Times that count from a beginning count from the simulation's (`start - warm_up`); of dates the first is that
//! beginning. Equal times keep the file's order; rows that come a little late are sorted.

use std::sync::Arc;

use super::super::diagnostic::MistakeReport;
use super::super::shape::show_integer;
use super::super::tree::TomlNode;
use super::super::{Law, LengthLaw, TraceRow};
use super::csv_cells::read_once;
use super::told::{name, told};
use crate::traffic::{Clock, Faults, RecordedRequest, RequestReader, TrafficFault};
use crate::units::{NS_PER_HOUR, SimDuration};

/// Most rows of a recording.
const MOST_ROWS: usize = 10_000_000;

/// How much later than its time a row may stand and still be sorted in, in ns: an hour.
const SORTED_WITHIN: i64 = NS_PER_HOUR as i64;

/// A recorded workload: its rows, and the laws of their lengths.
#[derive(Debug)]
pub struct Recording {
    /// Recorded requests in order of time.
    pub rows: Arc<[TraceRow]>,
    /// Law of the inputs' lengths.
    pub input: LengthLaw,
    /// Law of the outputs' lengths.
    pub output: LengthLaw,
    /// What was understood of the file.
    pub remarks: Vec<String>,
    /// What was left out of it.
    pub cautions: Vec<String>,
}

/// Reads a recording, or complains about what is wrong.
pub fn read(node: &TomlNode, report: &mut MistakeReport) -> Option<Arc<Recording>> {
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

/// When the last row of a recording arrives; `None`: it has mistakes, which are told elsewhere.
pub fn end(node: &TomlNode) -> Option<SimDuration> {
    let recording = read(node, &mut MistakeReport::default())?;
    recording.rows.last().map(|row| row.at)
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
    rows.sort_by_key(|(at, _)| *at);
    let begins = match reader.clock() {
        Clock::Beginning => 0,
        Clock::Civil | Clock::Instant => rows[0].0,
    };
    let at_its_time = |(at, row): (i64, TraceRow)| TraceRow {
        at: SimDuration((at - begins) as u64),
        ..row
    };
    let rows: Vec<TraceRow> = rows.into_iter().map(at_its_time).collect();
    let mut remarks = reader.remarks.clone();
    if reader.clock() != Clock::Beginning {
        remarks.push("times are dates; the first request comes at the beginning".to_string());
    }
    if sorted > 0 {
        remarks.push(format!(
            "{} rows came late and were sorted in",
            show_integer(i128::from(sorted))
        ));
    }
    let mut cautions = Vec::new();
    if failed > 0 {
        let shown = show_integer(i128::from(failed));
        cautions.push(format!(
            "{shown} recorded requests have no output: they failed, and are left out"
        ));
    }
    Ok(Recording {
        input: law(&rows, |r| r.input),
        output: law(&rows, |r| r.output),
        rows: rows.into(),
        remarks,
        cautions,
    })
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
