//! Users who wait for their answers (S18): when each issues its next request.
//!
//! What they ask for and how long each of them thinks are drawn by the workload, as the lengths of all
//! requests are (S16); when, and in which order, is worked out here.

use std::collections::VecDeque;

use tokentide::internals::scenario::{ArrivalKind, ClosedLoop, KeyChange, Scenario};
use tokentide::internals::units::SimTime;
use tokentide::internals::workload::{ClosedLoops, Request, Workload};

use crate::history::End;
use crate::plan::SECOND_NS;

/// The users of one class.
struct Users {
    class: usize,
    closed: ClosedLoop,
    /// When each of them who does not wait for an answer issues.
    due: Vec<u64>,
    issued: u64,
    /// Time from an answer's end to its user and from there to a queue.
    front_end_ns: u64,
    draws: Draws,
}

/// All users.
pub struct AllUsers(Vec<Users>);

impl AllUsers {
    pub fn new(scenario: &Scenario) -> Self {
        let mut all = Vec::new();
        for (index, class) in scenario.classes.iter().enumerate() {
            let ArrivalKind::ClosedLoop(closed) = class.arrivals.kind else {
                continue;
            };
            let users = u64::from(closed.users);
            all.push(Users {
                class: index,
                closed,
                due: (0..users).map(|k| closed.ramp_up.0 * k / users).collect(),
                issued: 0,
                front_end_ns: scenario.front_end.0,
                draws: Draws::new(scenario, index),
            });
        }
        Self(all)
    }

    /// When the next user issues.
    pub fn next(&self) -> Option<u64> {
        let due = self.0.iter().flat_map(|users| &users.due);
        due.min().copied()
    }

    /// What is issued now, class by class.
    pub fn issue(&mut self, now: u64) -> Vec<Request> {
        let mut requests = Vec::new();
        for users in &mut self.0 {
            let all = users.due.len();
            users.due.retain(|at| *at != now);
            for _ in users.due.len()..all {
                if users.closed.requests.is_none_or(|most| users.issued < most) {
                    users.issued += 1;
                    requests.push(Request {
                        at: SimTime(now),
                        class: users.class as u16,
                        ..users.draws.request()
                    });
                }
            }
        }
        requests
    }

    /// Requests have ended now: their users think. Of one class, first those who are content. Says whether
    /// anybody is not.
    pub fn hear(&mut self, now: u64, ended: &[(usize, End, usize)]) -> bool {
        let mut turned_away = false;
        for users in &mut self.0 {
            let of_class = ended.iter().filter(|(class, ..)| *class == users.class);
            let well = |end: &End| matches!(end, End::Completed(_));
            let mut well: Vec<bool> = of_class.map(|(_, end, _)| well(end)).collect();
            well.sort_unstable_by_key(|well| !well);
            for well in well {
                let think = users.draws.think() + users.front_end_ns;
                let pause = if well { think } else { think.max(SECOND_NS) };
                turned_away |= !well;
                users.due.push(now + pause);
            }
        }
        turned_away
    }
}

/// What the users of a class draw, in order: taken from one user who plays alone and whose requests take
/// no time.
struct Draws {
    alone: ClosedLoops,
    workload: Workload,
    now: SimTime,
    requests: VecDeque<Request>,
    thinks: VecDeque<u64>,
    front_end_ns: u64,
}

impl Draws {
    fn new(scenario: &Scenario, class: usize) -> Self {
        let own = &scenario.classes[class].name;
        let others = scenario.classes.iter().filter(|c| c.name != *own);
        let mut changes: Vec<KeyChange> = others
            .map(|c| KeyChange::unset(format!("class.{}", c.name)))
            .collect();
        changes.push(KeyChange::set(format!("class.{own}.arrivals.users"), 1));
        changes.push(KeyChange::unset(format!("class.{own}.arrivals.requests")));
        let scenario = scenario.with(&changes).expect("a user alone");
        let alone = ClosedLoops::new(&scenario).expect("the class is a closed loop");
        let workload = Workload::new(&scenario).expect("the class is part of a workload");
        let mut draws = Self {
            alone,
            workload,
            now: SimTime::ZERO,
            requests: VecDeque::new(),
            thinks: VecDeque::new(),
            front_end_ns: scenario.front_end.0,
        };
        draws.take();
        draws
    }

    /// The user issues.
    fn take(&mut self) {
        let mut issued = Vec::new();
        self.alone.issue(self.now, &mut self.workload, &mut issued);
        self.requests.extend(issued);
    }

    /// Its request ends at once, it thinks, and it issues again.
    fn go_on(&mut self) {
        self.alone.ended(self.now, 0, true);
        let next = self.alone.next();
        self.thinks
            .push_back(next.0 - self.now.0 - self.front_end_ns);
        self.now = next;
        self.take();
    }

    fn request(&mut self) -> Request {
        while self.requests.is_empty() {
            self.go_on();
        }
        self.requests.pop_front().expect("it has just been issued")
    }

    fn think(&mut self) -> u64 {
        while self.thinks.is_empty() {
            self.go_on();
        }
        self.thinks.pop_front().expect("it has just been drawn")
    }
}
