//! A recording as a run plays it: held in memory where it is short, streamed from its file where it is long.
//!
//! Either way the rows are the same, in the same order. Of a long recording only what was counted when it was surveyed is
//! known; whoever plays it opens the file and reads it through, once for each time that it is repeated. Should the file
//! have changed meanwhile, the rows end and [`TracePlay::broken`] says why: the run that played them is void.

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::recorded_blocks::RecordedBlocks;
use super::trace_facts::TraceFacts;
use super::vocabulary::FailedRows;
use crate::traffic::{RecordedRequest, SortedTrace, TraceSource};
use crate::units::SimDuration;

/// A recording as a run plays it: its requests in order of time, and how often they come.
#[derive(Clone, Debug)]
pub struct TracePlay {
    rows: PlayedRows,
    /// What one time through holds.
    pub facts: Arc<TraceFacts>,
    /// Blocks of the prompts, by their rows' places; `None`: none are known.
    pub blocks: Option<Arc<RecordedBlocks>>,
    /// Whether the recording has ids of blocks, known or not.
    pub has_ids: bool,
    /// Times through.
    pub repeat: u32,
    /// Time from one beginning to the next, in which all requests come.
    pub period: SimDuration,
}

/// A recorded request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceRow {
    /// Time of arrival, from the simulation's beginning.
    pub at: SimDuration,
    /// Input tokens.
    pub input: u32,
    /// Output tokens.
    pub output: u32,
    /// Input tokens found in the cache; `None`: drawn by the hit rate.
    pub cached: Option<u32>,
    /// Place of the request in its file, by which its blocks are known.
    pub place: u32,
}

/// Which part of a recording is played, and how its times become those of the run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TraceCut {
    /// From and to, in ns from the recording's beginning; `None`: all of it.
    pub window: Option<(u64, u64)>,
    /// How many times as fast as recorded the requests come.
    pub rate: f64,
    /// Time of the run at which the part begins, in ns.
    pub shift: u64,
    /// What becomes of requests that failed.
    pub failed: FailedRows,
}

/// Where the rows of one time through come from.
#[derive(Clone, Debug)]
enum PlayedRows {
    /// Memory.
    Held(Arc<[TraceRow]>),
    /// A file that is read whenever they are wanted.
    Streamed(Arc<StreamedRows>),
}

/// Rows in a file.
#[derive(Debug)]
struct StreamedRows {
    source: TraceSource,
    /// Most by which a row stands behind a later one, in ns.
    disorder: i64,
    /// Time of the recording's beginning by its clock, in ns.
    begins: i64,
    cut: TraceCut,
    broken: OnceLock<String>,
    /// The last question about rows before a time of one time through, and its answer.
    asked: Mutex<Option<(SimDuration, RowsBefore)>>,
}

/// How many rows come before a time, and the last of them; `None`: there is none.
type RowsBefore = (u64, Option<SimDuration>);

/// The rows of a recording on their way into a run.
pub struct TraceCursor {
    play: TracePlay,
    taken: u64,
    lap: u32,
    /// Rows taken of this time through.
    of_lap: u64,
    /// The open file. After a panic elsewhere nobody reads on.
    open: AssertUnwindSafe<Option<Box<SortedTrace>>>,
    request: RecordedRequest,
}

impl TraceCut {
    /// The row as it is played, of one whose time counts from the recording's beginning; `None`: it is not.
    pub fn of(&self, row: &TraceRow) -> Option<TraceRow> {
        let from = self.window.map_or(0, |(from, _)| from);
        let is_inside = |(from, to): (u64, u64)| (from..to).contains(&row.at.0);
        if !self.window.is_none_or(is_inside) {
            return None;
        }
        let output = match (row.output, self.failed) {
            (0, FailedRows::LeftOut) => return None,
            (0, FailedRows::Prompt) if row.input == 0 => return None,
            (0, FailedRows::Prompt) => 1,
            (output, _) => output,
        };
        Some(TraceRow {
            at: SimDuration(self.scaled(row.at.0 - from) + self.shift),
            output,
            ..*row
        })
    }

    /// A time from the part's beginning as the run has it, in ns.
    pub fn scaled(&self, ns: u64) -> u64 {
        match self.rate == 1.0 {
            true => ns,
            false => libm::round(ns as f64 / self.rate) as u64,
        }
    }
}

impl TracePlay {
    /// Rows that are held.
    pub fn held(
        (rows, blocks): (Arc<[TraceRow]>, Option<Arc<RecordedBlocks>>),
        facts: Arc<TraceFacts>,
        repeat: u32,
        period: SimDuration,
    ) -> Self {
        Self {
            rows: PlayedRows::Held(rows),
            facts,
            has_ids: blocks.is_some(),
            blocks,
            repeat,
            period,
        }
    }

    /// Rows that are streamed from a file that is out of order by so many ns and begins at this time of its clock.
    pub fn streamed(
        (source, disorder, begins): (TraceSource, i64, i64),
        cut: TraceCut,
        facts: Arc<TraceFacts>,
        repeat: u32,
        period: SimDuration,
    ) -> Self {
        let rows = StreamedRows {
            source,
            disorder,
            begins,
            cut,
            broken: OnceLock::new(),
            asked: Mutex::new(None),
        };
        Self {
            rows: PlayedRows::Streamed(Arc::new(rows)),
            facts,
            blocks: None,
            has_ids: false,
            repeat,
            period,
        }
    }

    /// Requests of all times through.
    pub fn count(&self) -> u64 {
        self.facts.count * u64::from(self.repeat)
    }

    /// Rows that stay in memory.
    pub fn held_rows(&self) -> u64 {
        match &self.rows {
            PlayedRows::Held(rows) => rows.len() as u64,
            PlayedRows::Streamed(_) => 0,
        }
    }

    /// Arrival of the last request.
    pub fn last_at(&self) -> Option<SimDuration> {
        let laps = u64::from(self.repeat.checked_sub(1)?);
        (self.facts.count > 0).then(|| SimDuration(self.facts.last.0 + laps * self.period.0))
    }

    /// Requests that arrive before `end`, and the last of them.
    pub fn before(&self, end: SimDuration) -> (u64, Option<SimDuration>) {
        let Some(all_last) = self.last_at() else {
            return (0, None);
        };
        if all_last < end {
            return (self.count(), Some(all_last));
        }
        // Times through that are over before the end, which follow one another without overlap.
        let over = match end.0.checked_sub(self.facts.last.0 + 1) {
            None => 0,
            Some(rest) => rest / self.period.0.max(1) + 1,
        };
        let over = over.min(u64::from(self.repeat) - 1);
        let begins = over * self.period.0;
        let (part, last) = self.of_one(SimDuration(end.0.saturating_sub(begins)));
        let last = match last {
            Some(last) => Some(SimDuration(last.0 + begins)),
            None => over
                .checked_sub(1)
                .map(|before| SimDuration(before * self.period.0 + self.facts.last.0)),
        };
        (over * self.facts.count + part, last)
    }

    /// Requests of the first time through that arrive before `end`, and the last of them.
    fn of_one(&self, end: SimDuration) -> RowsBefore {
        let streamed = match &self.rows {
            PlayedRows::Held(rows) => {
                let count = rows.partition_point(|row| row.at < end);
                return (count as u64, count.checked_sub(1).map(|last| rows[last].at));
            }
            PlayedRows::Streamed(streamed) => streamed,
        };
        let mut asked = streamed
            .asked
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some((of, known)) = *asked
            && of == end
        {
            return known;
        }
        let mut found = (0, None);
        for row in self.rows().take_while(|row| row.at < end) {
            found = (found.0 + 1, Some(row.at));
        }
        *asked = Some((end, found));
        found
    }

    /// The requests of all times through.
    pub fn rows(&self) -> TraceCursor {
        TraceCursor {
            play: self.clone(),
            taken: 0,
            lap: 0,
            of_lap: 0,
            open: AssertUnwindSafe(None),
            request: RecordedRequest::default(),
        }
    }

    /// Why the file's rows cannot be read as they were; `None`: they were.
    pub fn broken(&self) -> Option<&str> {
        match &self.rows {
            PlayedRows::Held(_) => None,
            PlayedRows::Streamed(streamed) => streamed.broken.get().map(String::as_str),
        }
    }
}

impl PartialEq for TracePlay {
    fn eq(&self, other: &Self) -> bool {
        let same_rows = match (&self.rows, &other.rows) {
            (PlayedRows::Held(a), PlayedRows::Held(b)) => a == b,
            (PlayedRows::Streamed(a), PlayedRows::Streamed(b)) => {
                (&a.source, a.cut) == (&b.source, b.cut)
            }
            _ => false,
        };
        same_rows
            && self.blocks == other.blocks
            && (self.repeat, self.period) == (other.repeat, other.period)
    }
}

impl StreamedRows {
    /// The next row of a time through; `None`: it is over, or the file is not what it was.
    fn next(
        &self,
        open: &mut Option<Box<SortedTrace>>,
        request: &mut RecordedRequest,
    ) -> Option<TraceRow> {
        let broken = |why: String| {
            let _ = self.broken.set(why);
            None
        };
        if open.is_none() {
            match SortedTrace::new(&self.source, self.disorder) {
                Ok(rows) => *open = Some(Box::new(rows)),
                Err(faults) => {
                    return broken(faults.first().map_or_else(String::new, |f| f.to_string()));
                }
            }
        }
        let rows = open.as_mut()?;
        loop {
            match rows.read(request) {
                Ok(true) => {
                    let row = TraceRow {
                        at: SimDuration(request.at.saturating_sub(self.begins).max(0) as u64),
                        input: request.input,
                        output: request.output,
                        cached: request.cached,
                        place: 0,
                    };
                    if let Some(row) = self.cut.of(&row) {
                        return Some(row);
                    }
                }
                Ok(false) => return None,
                Err(faults) => {
                    return broken(faults.first().map_or_else(String::new, |f| f.to_string()));
                }
            }
        }
    }
}

impl TraceCursor {
    /// The next row of this time through.
    fn of_this_lap(&mut self) -> Option<TraceRow> {
        match &self.play.rows {
            PlayedRows::Held(rows) => rows.get(self.of_lap as usize).copied(),
            PlayedRows::Streamed(streamed) => {
                let found = streamed.next(&mut self.open.0, &mut self.request);
                let is_known = self.play.facts.count < u64::MAX;
                if found.is_none() && is_known && self.of_lap != self.play.facts.count {
                    let (here, known) = (self.of_lap, self.play.facts.count);
                    let why = format!("it had {known} requests to play, and now has {here}");
                    let _ = streamed.broken.set(why);
                }
                found
            }
        }
    }
}

impl Iterator for TraceCursor {
    type Item = TraceRow;

    fn next(&mut self) -> Option<TraceRow> {
        while self.lap < self.play.repeat && self.play.facts.count > 0 {
            if let Some(row) = self.of_this_lap() {
                self.of_lap += 1;
                self.taken += 1;
                let begins = u64::from(self.lap) * self.play.period.0;
                return Some(TraceRow {
                    at: SimDuration(row.at.0 + begins),
                    ..row
                });
            }
            if self.play.broken().is_some() {
                self.lap = self.play.repeat;
                return None;
            }
            self.lap += 1;
            self.of_lap = 0;
            self.open.0 = None;
        }
        None
    }
}

impl Clone for TraceCursor {
    /// A cursor at the same place, which has read the file up to there by itself.
    fn clone(&self) -> Self {
        let mut other = self.play.rows();
        while other.taken < self.taken && other.next().is_some() {}
        other
    }
}

impl fmt::Debug for TraceCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("TraceCursor");
        shown.field("taken", &self.taken).finish_non_exhaustive()
    }
}
