//! Closed loops (S18): users who issue a request, wait for its end, think, and issue the next.
//!
//! Each closed class has `users`. The k-th of them begins at k / users of `ramp_up`. A user whose request
//! was rejected or failed waits for at least a second before the next, so that no instant lasts for ever.
//! Users are alike: what is remembered is when the next ones of a class issue, not who they are. Lengths
//! are drawn in the order of issue.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rand_distr::Exp1;

use super::Request;
use super::generator::Workload;
use super::random::Stream;
use crate::scenario::{ArrivalKind, Scenario, ThinkLaw};
use crate::units::{NS_PER_S, SimDuration, SimTime};

/// Least time from a rejection or failure to the user's next request.
const PAUSE: SimDuration = SimDuration(NS_PER_S);

/// The users of one class.
#[derive(Clone, Debug)]
struct Users {
    think_time: SimDuration,
    /// Draws of think times where these are exponential; `None`: all are `think_time`.
    exponential: Option<Stream>,
    /// Requests that the users may still issue together.
    left: u64,
}

/// The users of all closed classes.
#[derive(Clone, Debug)]
pub struct ClosedLoops {
    /// Users of each class; `None` of open classes.
    classes: Vec<Option<Users>>,
    /// Time from an answer's end to its user, and from the user's next request to its queue.
    front_end: SimDuration,
    /// When each free user issues the next request, and its class: (time, class).
    next: BinaryHeap<Reverse<(SimTime, u16)>>,
}

impl ClosedLoops {
    /// The closed classes of a scenario; `None`: there are none.
    pub fn new(scenario: &Scenario) -> Option<Self> {
        let mut loops = Self {
            classes: Vec::new(),
            front_end: scenario.front_end,
            next: BinaryHeap::new(),
        };
        for (index, class) in (0..).zip(&scenario.classes) {
            let ArrivalKind::ClosedLoop(closed) = &class.arrivals.kind else {
                loops.classes.push(None);
                continue;
            };
            let stream = || Stream::new(scenario.seed, "think", &class.name);
            loops.classes.push(Some(Users {
                think_time: closed.think_time,
                exponential: match closed.think {
                    ThinkLaw::Constant => None,
                    ThinkLaw::Exponential => Some(stream()),
                },
                left: closed.requests.unwrap_or(u64::MAX),
            }));
            for user in 0..u64::from(closed.users) {
                let at = u128::from(closed.ramp_up.0) * u128::from(user);
                let at = at / u128::from(closed.users);
                loops.next.push(Reverse((SimTime(at as u64), index)));
            }
        }
        let is_closed = loops.classes.iter().any(Option::is_some);
        is_closed.then_some(loops)
    }

    /// When the next user issues a request; `NEVER`: nobody will.
    pub fn next(&self) -> SimTime {
        self.next
            .peek()
            .map_or(SimTime::NEVER, |Reverse((at, _))| *at)
    }

    /// Appends the requests that users issue at `now`, in the order of classes.
    pub fn issue(&mut self, now: SimTime, workload: &mut Workload, requests: &mut Vec<Request>) {
        while let Some(Reverse((at, class))) = self.next.peek().copied() {
            if at != now {
                break;
            }
            self.next.pop();
            let Some(users) = &mut self.classes[usize::from(class)] else {
                continue;
            };
            if users.left > 0 {
                users.left -= 1;
                requests.push(workload.issue(class, now));
            }
        }
    }

    /// Tells that a request of a class has ended now, completed or not; of open classes nothing follows.
    pub fn ended(&mut self, now: SimTime, class: u16, well: bool) {
        let Some(users) = &mut self.classes[usize::from(class)] else {
            return;
        };
        let mut think = users.think_time;
        if let Some(stream) = &mut users.exponential {
            let times: f64 = stream.sample(&Exp1);
            think = SimDuration(libm::round(times * think.0 as f64) as u64);
        }
        think = think + self.front_end;
        if !well {
            think = think.max(PAUSE);
        }
        self.next.push(Reverse((now + think, class)));
    }
}
