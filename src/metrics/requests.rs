//! Requests one by one: what became of each, or of a sample of them.
//!
//! Each pool has a log of its own, on a thread of its own; what they say of one request is put together at the end. A
//! sample is of those that arrive in the window: the N whose ids have the least hashes. An id among the N least of all
//! is among the N least of those that a pool sees, so each log can choose alone, and the sample is the same on any
//! number of threads. A log holds no more rows than it is allowed, and says so where it has seen more.

use std::collections::{BTreeMap, BTreeSet};

use super::left::tpot_ns;
use super::observer::{Fate, Observer};
use crate::units::{SimDuration, SimTime};
use crate::workload::{Request, random::hash};

/// The requests that a log remembers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sample {
    /// All requests that are inside at some time of the window.
    All,
    /// This many of the requests that arrive in the window.
    Some(u64),
}

/// A request, when and where it was served, and how it ended. Instants that have not come are `NEVER`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestRow {
    /// The request as it arrived.
    pub request: Request,
    /// Index of the prefill or mixed unit of the request's first prefill step; `None`: it has begun none.
    pub prefill_unit: Option<u32>,
    /// Index of the decode unit that the request joined last; `None`: it has joined none.
    pub decode_unit: Option<u32>,
    /// When the request's first prefill step began.
    pub started: SimTime,
    /// When the request's first token left.
    pub first_token: SimTime,
    /// When the request ended.
    pub end: SimTime,
    /// How the request ended; `None`: it is inside at the end of the window.
    pub fate: Option<Fate>,
    /// How often the request had to leave a full rank.
    pub preemptions: u32,
    /// How often the request lost its KV, or its place in a queue, with a unit.
    pub losses: u32,
    /// Time of the request in the front end, which TTFT and E2E contain.
    pub front_end: SimDuration,
}

impl RequestRow {
    fn new(request: &Request, front_end: SimDuration) -> Self {
        Self {
            request: *request,
            prefill_unit: None,
            decode_unit: None,
            started: SimTime::NEVER,
            first_token: SimTime::NEVER,
            end: SimTime::NEVER,
            fate: None,
            preemptions: 0,
            losses: 0,
            front_end,
        }
    }

    /// Wait for the first prefill step, in ns; `None`: it has not begun.
    pub fn queue_ns(&self) -> Option<u64> {
        (self.started != SimTime::NEVER).then(|| self.started.since(self.request.at).0)
    }

    /// Time from arrival to first token, in ns; `None`: it has not left.
    pub fn ttft_ns(&self) -> Option<u64> {
        self.since_sent(self.first_token)
    }

    /// Time from arrival to last token, in ns; `None`: the request has not completed.
    pub fn e2e_ns(&self) -> Option<u64> {
        let is_completed = self.fate == Some(Fate::Completed);
        self.since_sent(self.end).filter(|_| is_completed)
    }

    /// Time per output token after the first, in ns (S12); `None`: not completed, or of one token only.
    pub fn tpot_ns(&self) -> Option<u64> {
        let after = self.e2e_ns()? - self.ttft_ns()?;
        (self.request.output >= 2).then(|| tpot_ns(after, self.request.output))
    }

    fn since_sent(&self, at: SimTime) -> Option<u64> {
        (at != SimTime::NEVER).then(|| (at.since(self.request.at) + self.front_end).0)
    }

    /// Adds what a later pool knows of the request.
    fn absorb(&mut self, later: &Self) {
        self.decode_unit = later.decode_unit.or(self.decode_unit);
        self.first_token = self.first_token.min(later.first_token);
        self.end = self.end.min(later.end);
        self.fate = later.fate.or(self.fate);
        self.preemptions += later.preemptions;
        self.losses = self.losses.max(later.losses);
    }
}

/// A log of requests in one pool: all of them or a sample.
#[derive(Clone, Debug)]
pub struct RequestLog {
    sample: Sample,
    /// When the window begins.
    start: SimTime,
    most: usize,
    /// Time of each request in the front end.
    front_end: SimDuration,
    rows: BTreeMap<u64, RequestRow>,
    /// Hash and id of each row of a sample.
    hashes: BTreeSet<(u64, u64)>,
    is_cut: bool,
}

impl RequestLog {
    /// A log of at most `most` rows for a window that begins at `start`.
    pub fn new(sample: Sample, start: SimTime, most: usize, front_end: SimDuration) -> Self {
        Self {
            sample,
            start,
            most,
            front_end,
            rows: BTreeMap::new(),
            hashes: BTreeSet::new(),
            is_cut: false,
        }
    }

    /// The rows of both logs put together, in the order of ids; `None`: there were more than the logs may hold.
    pub fn together(intake: Self, decode: Option<Self>) -> Option<Vec<RequestRow>> {
        let (start, mut rows) = (intake.start, intake.rows);
        let mut is_cut = intake.is_cut;
        if let Some(decode) = decode {
            is_cut |= decode.is_cut;
            for (id, later) in &decode.rows {
                if let Some(row) = rows.get_mut(id) {
                    row.absorb(later);
                }
            }
        }
        let rows = rows.into_values().filter(|row| row.end >= start);
        (!is_cut).then(|| rows.collect())
    }

    /// The row of a request; `None`: it is not to be remembered.
    fn row(&mut self, request: &Request) -> Option<&mut RequestRow> {
        let id = request.id;
        if let Sample::Some(n) = self.sample {
            if request.at < self.start {
                return None;
            }
            let key = (hash(id), id);
            let is_full = self.hashes.len() as u64 >= n;
            if is_full && self.hashes.last().is_none_or(|last| key > *last) {
                return None;
            }
            if self.hashes.insert(key)
                && is_full
                && let Some((_, out)) = self.hashes.pop_last()
            {
                self.rows.remove(&out);
            }
        } else if self.rows.len() >= self.most && !self.rows.contains_key(&id) {
            self.is_cut = true;
            return None;
        }
        let row = self.rows.entry(id);
        Some(row.or_insert_with(|| RequestRow::new(request, self.front_end)))
    }

    fn tell(&mut self, request: &Request, what: impl FnOnce(&mut RequestRow)) {
        if let Some(row) = self.row(request) {
            what(row);
        }
    }
}

impl Observer for RequestLog {
    fn arrived(&mut self, request: &Request) {
        self.tell(request, |_| ());
    }

    fn prefill_started(&mut self, now: SimTime, request: &Request, unit: usize) {
        self.tell(request, |row| {
            row.started = now;
            row.prefill_unit = u32::try_from(unit).ok();
        });
    }

    fn first_token(&mut self, now: SimTime, request: &Request) {
        self.tell(request, |row| row.first_token = now);
    }

    fn joined(&mut self, _: SimTime, request: &Request, unit: usize, _: usize, _: SimTime) {
        self.tell(request, |row| row.decode_unit = u32::try_from(unit).ok());
    }

    fn completed(&mut self, now: SimTime, request: &Request, first_token: SimTime, _: u64) {
        self.tell(request, |row| {
            row.first_token = first_token;
            (row.end, row.fate) = (now, Some(Fate::Completed));
        });
    }

    fn ended(&mut self, now: SimTime, request: &Request, fate: Fate) {
        self.tell(request, |row| (row.end, row.fate) = (now, Some(fate)));
    }

    fn preempted(&mut self, _: SimTime, request: &Request) {
        self.tell(request, |row| row.preemptions += 1);
    }

    fn lost(&mut self, _: SimTime, request: &Request, times: u32) {
        self.tell(request, |row| row.losses = times);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(id: u64) -> Request {
        Request {
            id,
            at: SimTime(10 * id),
            input: 100,
            output: 3,
            cached: 0,
            class: 0,
        }
    }

    /// Rows of a log of 1,000 requests of which every third goes on to decode.
    fn played(sample: Sample, most: usize) -> Option<Vec<RequestRow>> {
        let start = SimTime(1_000);
        let mut intake = RequestLog::new(sample, start, most, SimDuration(100));
        let mut decode = RequestLog::new(sample, start, most, SimDuration(100));
        for request in (0..1_000).map(request) {
            intake.arrived(&request);
            intake.prefill_started(request.at, &request, 2);
            intake.first_token(SimTime(request.at.0 + 5), &request);
            if request.id.is_multiple_of(3) {
                decode.joined(request.at, &request, 7, 0, request.at);
                let end = SimTime(request.at.0 + 25);
                decode.completed(end, &request, SimTime(request.at.0 + 5), 0);
            }
        }
        RequestLog::together(intake, Some(decode))
    }

    #[test]
    fn all_are_those_inside_in_the_window() {
        let rows = played(Sample::All, 1_000).expect("there is room");
        // Of the first hundred those that go on to decode have ended before it begins, the last of them excepted.
        assert_eq!(rows.len(), 900 + 66 + 1);
        let row = rows.iter().find(|row| row.request.id == 99);
        let row = row.expect("it ends in the window");
        assert_eq!((row.prefill_unit, row.decode_unit), (Some(2), Some(7)));
        assert_eq!(
            (row.ttft_ns(), row.tpot_ns(), row.e2e_ns()),
            (Some(105), Some(10), Some(125))
        );
        assert!(
            rows.iter()
                .filter(|row| row.fate.is_none())
                .all(|row| row.e2e_ns().is_none())
        );
        assert_eq!(played(Sample::All, 999), None);
    }

    #[test]
    fn losses_are_counted_over_both_pools() {
        let log = || RequestLog::new(Sample::All, SimTime::ZERO, 10, SimDuration(0));
        let (mut intake, mut decode) = (log(), log());
        let at = |ns| SimTime(ns);
        for request in [request(1), request(2), request(3)] {
            intake.arrived(&request);
        }
        intake.lost(at(40), &request(1), 1);
        decode.lost(at(50), &request(1), 2);
        intake.lost(at(60), &request(1), 3);
        decode.lost(at(60), &request(2), 1);
        let rows = RequestLog::together(intake, Some(decode)).expect("there is room");
        let losses: Vec<u32> = rows.iter().map(|row| row.losses).collect();
        assert_eq!(losses, [3, 1, 0]);
    }

    #[test]
    fn a_sample_is_a_part_of_all_with_the_same_rows() {
        let all = played(Sample::All, 1_000).expect("there is room");
        let some = played(Sample::Some(50), 1_000).expect("there is room");
        assert_eq!(some.len(), 50);
        assert!(
            some.iter()
                .all(|row| all.contains(row) && row.request.id >= 100)
        );
        assert!(some.is_sorted_by_key(|row| row.request.id));
        // Spread over all of them.
        let early = some.iter().filter(|row| row.request.id < 550).count();
        assert!((15..=35).contains(&early), "{early}");
        assert_eq!(
            played(Sample::Some(5_000), 5_000).map(|rows| rows.len()),
            Some(900)
        );
        assert_eq!(played(Sample::Some(0), 10), Some(Vec::new()));
    }
}
