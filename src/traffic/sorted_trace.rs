//! A trace in order of time: what comes late is held back no longer than the file is out of order.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::fault::{BadLines, Faults, TrafficFault};
use super::recorded_request::{Clock, RecordedRequest};
use super::trace_source::{TraceRows, TraceSource};

/// How much later than its time a row may stand and still be sorted in, in ns: an hour.
const SORTED_WITHIN: i64 = 3_600_000_000_000;

/// What a first reading found out.
#[derive(Clone, Debug)]
pub struct Survey {
    /// What the times count from.
    pub clock: Clock,
    /// Earliest time, by the clock, in ns.
    pub first: i64,
    /// Latest time.
    pub last: i64,
    /// Most by which a row stands behind a later one, in ns.
    pub disorder: i64,
    /// Rows that stand behind a later one.
    pub late: u64,
    /// Requests, failed ones included.
    pub rows: u64,
    /// Requests without an output.
    pub failed: u64,
    /// Rows that were left out for their mistakes.
    pub skipped: u64,
    /// The first mistakes among them.
    pub mistakes: Vec<TrafficFault>,
    /// Tokens of a block, where the file says them.
    pub block_tokens: Option<u64>,
    /// What was not read.
    pub remarks: Vec<String>,
}

/// Reads a trace through, telling each request, in the order of the file.
///
/// # Errors
///
/// What is wrong, each mistake once.
pub fn survey(
    source: &TraceSource,
    bad: BadLines,
    mut tell: impl FnMut(&RecordedRequest),
) -> Result<Survey, Vec<TrafficFault>> {
    let mut rows = source.open()?;
    let mut found = Survey {
        clock: Clock::Beginning,
        first: i64::MAX,
        last: i64::MIN,
        disorder: 0,
        late: 0,
        rows: 0,
        failed: 0,
        skipped: 0,
        mistakes: Vec::new(),
        block_tokens: None,
        remarks: Vec::new(),
    };
    let mut faults = Faults::default();
    let mut request = RecordedRequest::default();
    let mut is_fatal = false;
    loop {
        match rows.read(&mut request) {
            Ok(true) => {}
            Ok(false) => break,
            Err(mistakes) => {
                is_fatal = mistakes.iter().any(|fault| fault.is_fatal);
                mistakes.into_iter().for_each(|fault| faults.push(fault));
                found.skipped += 1;
                if is_fatal {
                    break;
                }
                continue;
            }
        }
        let behind = found.last.saturating_sub(request.at);
        if found.rows > 0 && behind > SORTED_WITHIN {
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
            found.skipped += 1;
            continue;
        }
        if found.rows > 0 && behind > 0 {
            found.late += 1;
            found.disorder = found.disorder.max(behind);
        }
        found.rows += 1;
        found.failed += u64::from(request.output == 0);
        found.first = found.first.min(request.at);
        found.last = found.last.max(request.at);
        tell(&request);
    }
    if (is_fatal || bad == BadLines::Refuse) && !faults.is_empty() {
        return Err(faults.into_list());
    }
    if found.rows == 0 {
        return Err(vec![match found.skipped {
            0 => TrafficFault::new("rows", "the file has no requests")
                .label("nothing follows the header"),
            _ => TrafficFault::new("rows", "every row of the file has a mistake"),
        }]);
    }
    found.mistakes = faults.into_list();
    found.clock = rows.clock();
    found.block_tokens = rows.block_tokens();
    found.remarks = rows.remarks();
    Ok(found)
}

/// The requests of a surveyed trace in order of time; equal times keep the file's order.
pub struct SortedTrace {
    rows: TraceRows,
    disorder: i64,
    /// Rows that are held back, by time and place in the file.
    held: BinaryHeap<Reverse<Held>>,
    latest: i64,
    count: u64,
    is_over: bool,
}

/// A row that is held back.
#[derive(Debug, PartialEq, Eq)]
struct Held {
    at: i64,
    place: u64,
    request: RecordedRequest,
}

impl Ord for Held {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.place).cmp(&(other.at, other.place))
    }
}

impl PartialOrd for Held {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl SortedTrace {
    /// The requests of a trace that is out of order by so many ns.
    ///
    /// # Errors
    ///
    /// Where the trace cannot be opened any more.
    pub fn new(source: &TraceSource, disorder: i64) -> Result<Self, Vec<TrafficFault>> {
        Ok(Self {
            rows: source.open()?,
            disorder,
            held: BinaryHeap::new(),
            latest: i64::MIN,
            count: 0,
            is_over: false,
        })
    }

    /// Reads the next request with an answer or without; `false`: there is no more. Rows with mistakes are passed over:
    /// the survey told them.
    ///
    /// # Errors
    ///
    /// Where the stream breaks off, which it did not before.
    pub fn read(&mut self, into: &mut RecordedRequest) -> Result<bool, Vec<TrafficFault>> {
        loop {
            let due = self.latest.saturating_sub(self.disorder);
            let is_due = |held: &Held| self.is_over || held.at <= due;
            if self.disorder > 0 && self.held.peek().is_some_and(|Reverse(held)| is_due(held)) {
                if let Some(Reverse(held)) = self.held.pop() {
                    *into = held.request;
                }
                return Ok(true);
            }
            if self.is_over {
                return Ok(false);
            }
            match self.rows.read(into) {
                Ok(true)
                    if self.count > 0 && self.latest.saturating_sub(into.at) > SORTED_WITHIN =>
                {
                    continue;
                }
                Ok(true) => {}
                Ok(false) => {
                    self.is_over = true;
                    continue;
                }
                Err(faults) if faults.iter().any(|fault| fault.is_fatal) => return Err(faults),
                Err(_) => continue,
            }
            self.count += 1;
            if self.disorder == 0 {
                self.latest = self.latest.max(into.at);
                return Ok(true);
            }
            self.latest = self.latest.max(into.at);
            self.held.push(Reverse(Held {
                at: into.at,
                place: self.count,
                request: std::mem::take(into),
            }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(rows: &[&str]) -> TraceSource {
        let text = format!(
            "arrived_s,input_tokens,output_tokens\n{}\n",
            rows.join("\n")
        );
        TraceSource::Text(text.into())
    }

    #[test]
    fn late_rows_are_sorted_in_and_ties_keep_their_order() {
        let source = source(&["5,1,1", "3,2,1", "5,3,1", "9,4,0", "4,5,1", "20,6,1"]);
        let found = survey(&source, BadLines::Refuse, |_| {}).expect("a trace");
        assert_eq!(
            (found.late, found.disorder, found.rows, found.failed),
            (2, 5_000_000_000, 6, 1)
        );
        let mut sorted = SortedTrace::new(&source, found.disorder).expect("opened again");
        let (mut all, mut row) = (Vec::new(), RecordedRequest::default());
        while sorted.read(&mut row).expect("no mistakes") {
            all.push((row.at / 1_000_000_000, row.input));
        }
        assert_eq!(all, [(3, 2), (4, 5), (5, 1), (5, 3), (9, 4), (20, 6)]);
    }

    #[test]
    fn mistakes_are_refused_or_counted() {
        let source = source(&[
            "1,1,1",
            "x,1,1",
            "9000,1,1",
            "2,1,1",
            "9001,1,-1",
            "9002,1,1",
        ]);
        let refused = survey(&source, BadLines::Refuse, |_| {}).expect_err("three mistakes");
        assert_eq!(
            refused.iter().map(|fault| fault.line).collect::<Vec<_>>(),
            [3, 5, 6]
        );
        let skipped = survey(&source, BadLines::Skip, |_| {}).expect("three rows are left");
        assert_eq!(
            (skipped.rows, skipped.skipped, skipped.mistakes.len()),
            (3, 3, 3)
        );
        let mut sorted = SortedTrace::new(&source, skipped.disorder).expect("opened again");
        let (mut count, mut row) = (0, RecordedRequest::default());
        while sorted.read(&mut row).expect("mistakes are passed over") {
            count += 1;
        }
        assert_eq!(count, 3);
        let none = TraceSource::Text("arrived_s,input_tokens,output_tokens\nx,1,0\n".into());
        assert!(survey(&none, BadLines::Skip, |_| {}).is_err());
    }
}
