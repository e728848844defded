//! A run that ended because it outgrew its limits: what a person is told.
//!
//! Since when a queue grew, to what, by how much more came than was served, which limit ended the run,
//! and how to see the part that was simulated.

use std::fmt;

use crate::engine::{Cap, Overload, QueueKind};
use crate::report::format::{clock, count, date_clock, fixed, percent};
use crate::report::local::text_of;
use crate::scenario::Scenario;
use crate::units::{NS_PER_S, SimTime};

/// Ratio of all requests in flight to those in a queue up to which the queue is why the limit was reached.
const MOSTLY: u64 = 2;

/// Excess over the capacity beyond which it is told in times, not in per cent.
const MANY_TIMES: f64 = 9.0;

/// A run that outgrew its limits, in the scenario's local time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unstable {
    /// The overload that the engine saw.
    pub overload: Overload,
    /// Local time at which the queue was last short, as RFC 3339 text.
    pub since: String,
    /// Local time at which the run ended, as RFC 3339 text.
    pub at: String,
    /// Whole seconds of the window that were simulated.
    pub counted_s: u64,
}

impl Unstable {
    /// Tells of an overload in a run of this scenario.
    pub fn new(scenario: &Scenario, overload: Overload) -> Self {
        let start = SimTime::ZERO + scenario.warm_up;
        Self {
            since: text_of(scenario, overload.since),
            at: text_of(scenario, overload.at),
            counted_s: overload.at.since(start).0 / NS_PER_S,
            overload,
        }
    }

    /// Requests that came above those that were served, as a part of these; `None`: none was served.
    pub fn excess(&self) -> Option<f64> {
        let Overload { came, done, .. } = self.overload;
        (done > 0).then(|| came as f64 / done as f64 - 1.0)
    }
}

impl fmt::Display for Unstable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Overload {
            cap,
            in_flight,
            queue,
            waiting,
            came,
            done,
            ..
        } = self.overload;
        let same_day = self.since.get(..10) == self.at.get(..10);
        let same_minute = self.since.get(..16) == self.at.get(..16);
        let show = |at: &str| {
            if same_minute {
                at.get(11..19).unwrap_or(at).to_string()
            } else if same_day {
                clock(at).to_string()
            } else {
                date_clock(at)
            }
        };
        let (since, at) = (show(&self.since), show(&self.at));
        let cap = match cap {
            Cap::Requests(most) => format!("limits.requests_in_flight = {most}"),
            Cap::Memory(bytes) => format!("limits.memory_gb = {}", bytes as f64 / 1e9),
        };
        if waiting < in_flight.div_ceil(MOSTLY) {
            write!(
                f,
                "{cap} is too low for this scenario: {} requests were in flight at {at}, {} of them \
                 waiting for the {queue} pool",
                count(in_flight),
                count(waiting)
            )?;
        } else {
            write!(
                f,
                "unstable from {since}: the {queue} queue grew to {} requests by {at}, ",
                count(waiting)
            )?;
            match self.excess() {
                Some(excess) if excess > MANY_TIMES => write!(
                    f,
                    "arrivals are {} times the capacity ({} came, {} were served)",
                    fixed(excess + 1.0, 0),
                    count(came),
                    count(done)
                )?,
                Some(excess) => write!(
                    f,
                    "arrivals exceed capacity by {} ({} came, {} were served)",
                    percent(excess),
                    count(came),
                    count(done)
                )?,
                None => write!(f, "and none of the {} that came was served", count(came))?,
            }
            write!(f, "; {cap} ended the run")?;
        }
        if self.counted_s > 0 {
            write!(
                f,
                "\n  to see what was simulated: --set duration={}s",
                self.counted_s
            )?;
        }
        let more = match queue {
            QueueKind::Transfer => "a faster network",
            QueueKind::Prefill | QueueKind::Mixed | QueueKind::Decode => "more units",
        };
        write!(
            f,
            "\n  to keep up: fewer requests, {more}, or `max_queue_requests` to reject what cannot wait; to go on \
             regardless: a higher limit"
        )
    }
}

/// A size in text for people: `3.20 GB`.
pub fn bytes(n: u64) -> String {
    if n < 1_000_000_000 {
        return format!("{} MB", fixed(n as f64 / 1e6, 1));
    }
    format!("{} GB", fixed(n as f64 / 1e9, 2))
}
