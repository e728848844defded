//! A watch over what is in flight: a run that would outgrow its limits ends, and says since when a queue
//! has grown and by how much more came than was served.
//!
//! It looks at the end of every stretch, at all stages at the same simulated instant, so that a run on
//! several threads ends where a run on one does. Memory is estimated, from stated numbers of bytes: a
//! measurement would depend on the machine.

use std::fmt;

use crate::cluster::Inside;
use crate::scenario::{Role, RunLimits, Scenario};
use crate::units::SimTime;

/// Bytes of a request in a pool of each kind. Records are kept in lists that double, and count twice; a
/// queue takes what its length says.
#[derive(Clone, Copy, Debug)]
struct Sizes {
    queued: u64,
    served: u64,
    moving: u64,
}

/// 80 in the queue; 88 in service.
const PREFILL: Sizes = Sizes {
    queued: 84,
    served: 192,
    moving: 0,
};
/// 80 in the queue; 104 being prefilled, or 64 decoding and 24 in the wheel.
const MIXED: Sizes = Sizes {
    queued: 84,
    served: 224,
    moving: 0,
};
/// 80 in the queue; 56 on a rank and 24 in the wheel; 120 on its way and 24 of its arrival.
const DECODE: Sizes = Sizes {
    queued: 84,
    served: 176,
    moving: 304,
};
/// Bytes of a user of a closed loop: its entry among those who think, with the room that a growing list doubles.
const USER_BYTES: u64 = 32;
/// Most looks that are remembered; then every other one is forgotten.
const LOOKS_MAX: usize = 4_096;
/// Ratio of a queue now to its length since which it counts as growing.
const SHORT: u64 = 100;

impl Sizes {
    fn of(self, inside: Inside) -> u64 {
        self.queued * inside.queued + self.served * inside.served + self.moving * inside.moving
    }
}

/// The queue in which requests wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueKind {
    /// Requests that wait for a prefill unit.
    Prefill,
    /// Requests that wait for a unit that prefills and decodes.
    Mixed,
    /// Requests whose KV waits for the network, or is on it, between prefill and decode.
    Transfer,
    /// Requests that wait for a decode unit.
    Decode,
}

/// The limit that was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cap {
    /// The limit of requests in flight, which is this many.
    Requests(u64),
    /// The limit of memory, which is this many bytes.
    Memory(u64),
}

/// A run that outgrew its limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overload {
    /// When the run ended.
    pub at: SimTime,
    /// Limit that was reached.
    pub cap: Cap,
    /// Requests that had arrived and not ended.
    pub in_flight: u64,
    /// Queue in which most of these requests waited.
    pub queue: QueueKind,
    /// Requests that waited in that queue.
    pub waiting: u64,
    /// The last time at which that queue was short; the beginning, if it never was.
    pub since: SimTime,
    /// Requests that came to that queue since then.
    pub came: u64,
    /// Requests that the units behind that queue have finished since then.
    pub done: u64,
}

/// One look at one queue: requests in it, and those that have come and gone so far.
#[derive(Clone, Copy, Debug, Default)]
struct Look {
    waiting: u64,
    came: u64,
    done: u64,
}

/// The watch over a run's queues and limits.
#[derive(Clone, Debug)]
pub struct Watch {
    limits: RunLimits,
    /// Bytes of requests in the pool that takes arrivals.
    intake: Sizes,
    /// Bytes that do not depend on what is in flight.
    base_bytes: u64,
    queues: [QueueKind; 3],
    looks: Vec<(SimTime, [Look; 3])>,
    /// Looks to pass over between two that are remembered.
    every: u64,
    skipped: u64,
}

impl Watch {
    /// A watch over a run whose other needs are `base_bytes`.
    pub fn new(scenario: &Scenario, base_bytes: u64) -> Self {
        let mixed = scenario.pools.iter().any(|p| p.role == Role::Mixed);
        let (intake, first) = if mixed {
            (MIXED, QueueKind::Mixed)
        } else {
            (PREFILL, QueueKind::Prefill)
        };
        Self {
            limits: scenario.limits,
            intake,
            base_bytes,
            queues: [first, QueueKind::Transfer, QueueKind::Decode],
            looks: Vec::new(),
            every: 1,
            skipped: 0,
        }
    }

    /// Looks at the requests inside at `at`, when `arrived` requests have arrived and `handed_over` have been handed
    /// over to decode; `None`: no limit is reached.
    pub fn look(
        &mut self,
        at: SimTime,
        arrived: u64,
        handed_over: u64,
        intake: Inside,
        decode: Inside,
    ) -> Option<Overload> {
        let in_intake = intake.queued + intake.served;
        let in_decode = decode.queued + decode.served + decode.moving;
        let in_flight = in_intake + in_decode;
        let bytes = self.base_bytes + self.intake.of(intake) + DECODE.of(decode);
        let landed = handed_over - decode.moving;
        let now = [
            (intake.queued, arrived, arrived - in_intake),
            (decode.moving, handed_over, landed),
            (decode.queued, landed, handed_over - in_decode),
        ];
        let now = now.map(|(waiting, came, done)| Look {
            waiting,
            came,
            done,
        });
        let cap = if in_flight > self.limits.requests_in_flight {
            Cap::Requests(self.limits.requests_in_flight)
        } else if bytes > self.limits.memory_bytes {
            Cap::Memory(self.limits.memory_bytes)
        } else {
            self.remember(at, now);
            return None;
        };
        let longest = (0..3).max_by_key(|i| (now[*i].waiting, 3 - i)).unwrap_or(0);
        let end = now[longest];
        let was_short =
            |(_, looks): &&(SimTime, [Look; 3])| looks[longest].waiting * SHORT <= end.waiting;
        let (since, then) = self
            .looks
            .iter()
            .rev()
            .find(was_short)
            .map_or((SimTime::ZERO, Look::default()), |(since, looks)| {
                (*since, looks[longest])
            });
        Some(Overload {
            at,
            cap,
            in_flight,
            queue: self.queues[longest],
            waiting: end.waiting,
            since,
            came: end.came - then.came,
            done: end.done - then.done,
        })
    }

    fn remember(&mut self, at: SimTime, looks: [Look; 3]) {
        self.skipped += 1;
        if self.skipped < self.every {
            return;
        }
        self.skipped = 0;
        self.looks.push((at, looks));
        if self.looks.len() == LOOKS_MAX {
            let mut keep = false;
            self.looks.retain(|_| {
                keep = !keep;
                keep
            });
            self.every *= 2;
        }
    }
}

/// Bytes of `users` users of closed loops, beside their requests.
pub fn user_bytes(users: u64) -> u64 {
    users * USER_BYTES
}

impl fmt::Display for QueueKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Prefill => "prefill",
            Self::Mixed => "mixed",
            Self::Transfer => "transfer",
            Self::Decode => "decode",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::load;

    fn watch() -> Watch {
        let set = ["limits.requests_in_flight=1000".to_string()];
        let scenario = load("deepseek-day", &set).unwrap_or_else(|why| panic!("{why}"));
        Watch::new(&scenario, 0)
    }

    fn queued(queued: u64) -> Inside {
        Inside {
            queued,
            ..Inside::default()
        }
    }

    #[test]
    fn growth_is_dated_from_when_the_queue_was_last_short() {
        let mut watch = watch();
        let minute = |m: u64| SimTime(m * 60_000_000_000);
        // 100 a minute come and go for 30 minutes; then 80 go.
        for m in 1..=30 {
            let inside = Inside::default();
            assert_eq!(
                watch.look(minute(m), m * 100, m * 100, inside, inside),
                None
            );
        }
        let mut found = None;
        let mut m = 30;
        while found.is_none() {
            m += 1;
            let waiting = (m - 30) * 20;
            let done = m * 100 - waiting;
            found = watch.look(minute(m), m * 100, done, queued(waiting), Inside::default());
        }
        let expected = Overload {
            at: minute(81),
            cap: Cap::Requests(1000),
            in_flight: 1020,
            queue: QueueKind::Prefill,
            waiting: 1020,
            since: minute(30),
            came: 5_100,
            done: 4_080,
        };
        assert_eq!(found, Some(expected));
    }

    #[test]
    fn a_long_run_is_remembered_coarsely() {
        let mut watch = watch();
        for i in 1..100_000 {
            let inside = queued(i / 1000);
            assert_eq!(
                watch.look(SimTime(i), i, 0, inside, Inside::default()),
                None
            );
        }
        assert!(watch.looks.len() < LOOKS_MAX && watch.looks.len() >= LOOKS_MAX / 4);
        assert!(watch.looks.is_sorted_by_key(|look| look.0));
    }

    #[test]
    fn the_longest_queue_is_named() {
        let mut watch = watch();
        let decode = Inside {
            queued: 300,
            served: 300,
            moving: 900,
        };
        let found = watch.look(SimTime(5), 1_600, 1_500, queued(100), decode);
        let found = found.map(|o| (o.queue, o.waiting, o.in_flight, o.came, o.done));
        assert_eq!(found, Some((QueueKind::Transfer, 900, 1_600, 1_500, 600)));
    }
}
