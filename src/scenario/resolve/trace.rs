//! A recorded workload: requests one by one, in any of the forms that `traffic` knows.
//!
//! Times that count from a beginning count from the simulation's (`start - warm_up`); of dates the first is that
//! beginning. Equal times keep the file's order; rows that come a little late are sorted.

use std::sync::{Arc, Mutex, PoisonError};

use super::super::diagnostic::{Diagnostic, MistakeReport};
use super::super::recorded_blocks::{BlockReader, RecordedBlocks};
use super::super::shape::show_integer;
use super::super::source::Span;
use super::super::text::{parse_duration, parse_time_of_day};
use super::super::tree::{TomlEntry, TomlNode, TomlTable, TomlValue};
use super::super::{FailedRows, TraceCut, TraceFacts, TracePlay, TraceRow};
use super::csv_cells::read_once;
use super::told::{name, told};
use super::traffic_shape::RunTimes;
use super::{local_time, run_times};
use crate::traffic::{
    BadLines, BlockSizes, Clock, Faults, RecordedRequest, RequestReader, TraceSource, TrafficFault,
    survey,
};
use crate::units::{NS_PER_DAY, NS_PER_HOUR, NS_PER_S, SimDuration};

/// Most rows of a recording that are held in memory, 6 MB of them: longer ones are streamed from their file.
const MOST_HELD: usize = 1 << 18;

/// How much later than its time a row may stand and still be sorted in, in ns: an hour.
const SORTED_WITHIN: i64 = NS_PER_HOUR as i64;

/// A recorded workload: what its file holds, failed requests included.
#[derive(Debug)]
pub struct Recording {
    rows: RecordedRows,
    /// Requests without an output.
    failed: u64,
    /// Time of the last request from the recording's beginning.
    last: SimDuration,
    /// What was understood of the file.
    remarks: Vec<String>,
    /// Blocks of its prompts; `None`: none are known.
    blocks: Option<Arc<RecordedBlocks>>,
    /// Whether prompts have ids of blocks, known or not.
    has_ids: bool,
    /// What parts of it hold that were asked for.
    known: Mutex<Vec<(TraceCut, Arc<TraceFacts>)>>,
}

/// A part of a recording as it is played: its rows, where they are held, and what they hold.
type PlayedPart = (Option<Arc<[TraceRow]>>, Arc<TraceFacts>);

/// Rows of a recording.
#[derive(Debug)]
enum RecordedRows {
    /// Rows in order of time, which counts from the recording's beginning.
    Held(Arc<[TraceRow]>),
    /// A file that is out of order by so many ns, and begins at this time of its clock.
    Streamed(TraceSource, i64, i64),
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
            .map_err(|faults| tell_of_file(&shown, entry.node.at, faults, report))
            .ok()
    })
}

/// Tells what is wrong with a file of which no text is held, at the place that names it.
pub fn tell_of_file(shown: &str, at: Span, faults: Vec<TrafficFault>, report: &mut MistakeReport) {
    for fault in faults {
        let place = match fault.line {
            0 => shown.to_string(),
            line => format!("{shown}:{line}:{}", fault.before + fault.place.0 + 1),
        };
        let mut found = Diagnostic::new(format!("{place}: {}", fault.message), at);
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
}

/// The recording of a file, which is read through once.
fn recording_of(source: &TraceSource) -> Result<Recording, Vec<TrafficFault>> {
    let mut rows: Vec<(i64, TraceRow)> = Vec::new();
    let (mut blocks, mut sizes) = (BlockReader::default(), BlockSizes::default());
    let mut facts = TraceFacts::default();
    let mut last = i64::MIN;
    let found = survey(source, BadLines::Refuse, |request| {
        let mut row = TraceRow {
            at: SimDuration::ZERO,
            input: request.input,
            output: request.output,
            cached: request.cached,
            place: 0,
        };
        sizes.see(request);
        if rows.len() <= MOST_HELD {
            row.place = blocks.see(&request.blocks);
            rows.push((request.at, row));
        }
        if row.output > 0 {
            facts.see(&row);
            last = last.max(request.at);
        }
    })?;
    if rows.len() <= MOST_HELD {
        let recording = Recording::held(rows, found.clock, found.late, &found.remarks);
        let blocks = blocks.into_blocks(found.block_tokens.or(sizes.tokens()));
        return Ok(recording.with(blocks, sizes.is_seen()));
    }
    let begins = beginning(found.clock, found.first);
    facts.last = SimDuration((last - begins) as u64);
    // Times are as recorded and failed requests left out: what most scenarios play.
    let plain = TraceCut {
        window: None,
        rate: 1.0,
        shift: 0,
        failed: FailedRows::LeftOut,
    };
    Ok(Recording {
        rows: RecordedRows::Streamed(source.clone(), found.disorder, begins),
        failed: found.failed,
        last: SimDuration((found.last - begins) as u64),
        remarks: remarks(found.clock, found.late, &found.remarks),
        known: Mutex::new(vec![(plain, Arc::new(facts))]),
        blocks: None,
        has_ids: sizes.is_seen(),
    })
}

/// The time by a file's clock that a run begins with, where its first row has this one.
fn beginning(clock: Clock, first: i64) -> i64 {
    match clock {
        Clock::Beginning => 0,
        Clock::Civil | Clock::Instant => first,
    }
}

/// The recording as a run plays it: a window of it, at another rate, several times, from a time of day on.
pub fn play(
    arrivals: &TomlTable,
    recording: &Recording,
    run: RunTimes,
    report: &mut MistakeReport,
) -> Option<TracePlay> {
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
    let cut = TraceCut {
        window,
        rate: arrivals.number("rate")?,
        shift,
        failed: arrivals.word("failed").unwrap_or_default(),
    };
    let repeat = arrivals.integer("repeat")?;
    let (rows, facts) = match recording.part(cut) {
        Ok(part) => part,
        Err(fault) => {
            report.push(Diagnostic::new(fault.to_string(), arrivals.at("file")));
            return None;
        }
    };
    if facts.count == 0 {
        let found = match window {
            Some(_) => Diagnostic::new(
                "no recorded request lies in the window",
                arrivals.at("window"),
            )
            .label(format!(
                "the last comes at {} s",
                recording.last.as_secs_f64()
            )),
            None => Diagnostic::new("no request of the file has an answer", arrivals.at("kind"))
                .help("`failed = \"prompt\"` plays the prompts of requests that failed"),
        };
        report.push(found);
        return None;
    }
    let whole_seconds = (facts.last.0 - shift) / NS_PER_S + 1;
    let period = SimDuration(window.map_or(whole_seconds * NS_PER_S, |(from, to)| {
        cut.scaled(to - from).max(1)
    }));
    let mut play = match (&recording.rows, rows) {
        (RecordedRows::Streamed(source, disorder, begins), None) => {
            let file = (source.clone(), *disorder, *begins);
            TracePlay::streamed(file, cut, facts, repeat, period)
        }
        (_, rows) => {
            let rows = (rows.unwrap_or_default(), recording.blocks.clone());
            TracePlay::held(rows, facts, repeat, period)
        }
    };
    play.has_ids = recording.has_ids;
    Some(play)
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
    let (mut blocks, mut sizes) = (BlockReader::default(), BlockSizes::default());
    let mut sorted = 0_u64;
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
        sizes.see(&request);
        let row = TraceRow {
            at: SimDuration::ZERO,
            input: request.input,
            output: request.output,
            cached: request.cached,
            place: blocks.see(&request.blocks),
        };
        rows.push((request.at, row));
    }
    if !faults.is_empty() {
        return Err(faults.into_list());
    }
    if rows.is_empty() {
        let fault = TrafficFault::new("rows", "the file has no requests");
        return Err(vec![fault.label("nothing follows the header")]);
    }
    let recording = Recording::held(rows, reader.clock(), sorted, &reader.remarks);
    Ok(recording.with(blocks.into_blocks(sizes.tokens()), sizes.is_seen()))
}

impl Recording {
    /// The recording of these requests, each with its time by the clock.
    fn held(mut rows: Vec<(i64, TraceRow)>, clock: Clock, late: u64, said: &[String]) -> Self {
        rows.sort_by_key(|(at, _)| *at);
        let begins = beginning(clock, rows.first().map_or(0, |(at, _)| *at));
        let at_its_time = |(at, row): (i64, TraceRow)| TraceRow {
            at: SimDuration((at - begins) as u64),
            ..row
        };
        let rows: Vec<TraceRow> = rows.into_iter().map(at_its_time).collect();
        Self {
            failed: rows.iter().filter(|row| row.output == 0).count() as u64,
            last: rows.last().map_or(SimDuration::ZERO, |row| row.at),
            rows: RecordedRows::Held(rows.into()),
            remarks: remarks(clock, late, said),
            known: Mutex::default(),
            blocks: None,
            has_ids: false,
        }
    }

    /// The recording with blocks of its prompts, or at least with ids of them.
    fn with(self, blocks: Option<RecordedBlocks>, has_ids: bool) -> Self {
        Self {
            blocks: blocks.map(Arc::new),
            has_ids,
            ..self
        }
    }

    /// A part of the recording.
    fn part(&self, cut: TraceCut) -> Result<PlayedPart, String> {
        let (source, disorder, begins) = match &self.rows {
            RecordedRows::Held(rows) => {
                let is_plain = cut.window.is_none() && cut.rate == 1.0 && cut.shift == 0;
                let rows: Arc<[TraceRow]> = match is_plain && self.failed == 0 {
                    true => Arc::clone(rows),
                    false => rows.iter().filter_map(|row| cut.of(row)).collect(),
                };
                let facts = TraceFacts::of(rows.iter().copied());
                return Ok((Some(rows), Arc::new(facts)));
            }
            RecordedRows::Streamed(source, disorder, begins) => (source, *disorder, *begins),
        };
        // What rows hold does not depend on the rate and the beginning, but for the last one's time.
        let plain = TraceCut {
            rate: 1.0,
            shift: 0,
            failed: match self.failed {
                0 => FailedRows::LeftOut,
                _ => cut.failed,
            },
            ..cut
        };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let found = known.iter().find(|(of, _)| *of == plain);
        let facts = match found {
            Some((_, facts)) => Arc::clone(facts),
            None => {
                let whole = TracePlay::streamed(
                    (source.clone(), disorder, begins),
                    plain,
                    Arc::new(TraceFacts::unknown()),
                    1,
                    SimDuration::ZERO,
                );
                let facts = TraceFacts::of(whole.rows());
                if let Some(why) = whole.broken() {
                    return Err(why.to_string());
                }
                let facts = Arc::new(facts);
                known.push((plain, Arc::clone(&facts)));
                facts
            }
        };
        let last = SimDuration(cut.scaled(facts.last.0) + cut.shift);
        let moved = match last == facts.last {
            true => facts,
            false => Arc::new(facts.ending(last)),
        };
        Ok((None, moved))
    }

    /// What was understood of the file, in sentences.
    pub fn remarks(&self) -> &[String] {
        &self.remarks
    }

    /// What became of requests that failed, in a sentence; `None`: there are none.
    pub fn of_failed(&self, failed: FailedRows) -> Option<String> {
        let shown = show_integer(i128::from(self.failed));
        let what = match failed {
            FailedRows::LeftOut => "are left out; `failed = \"prompt\"` plays their prompts",
            FailedRows::Prompt => {
                "are played as prompts with one token of output, those without a prompt left out"
            }
        };
        (self.failed > 0)
            .then(|| format!("{shown} recorded requests have no output: they failed, and {what}"))
    }
}

fn remarks(clock: Clock, late: u64, said: &[String]) -> Vec<String> {
    let mut remarks = said.to_vec();
    if clock != Clock::Beginning {
        remarks.push("times are dates; the first request comes at the beginning".to_string());
    }
    if late > 0 {
        remarks.push(format!(
            "{} rows came late and were sorted in",
            show_integer(i128::from(late))
        ));
    }
    remarks
}
