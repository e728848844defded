//! Sessions (S20): when their turns arrive, and how long these are.
//!
//! What a session draws comes from the workload, as the lengths of all requests do (S16); what follows from it is worked
//! out here.

use std::collections::BTreeMap;

use tokentide::internals::scenario::{AnswersIn, ArrivalKind, Scenario};
use tokentide::internals::units::SimTime;
use tokentide::internals::workload::random::Stream;
use tokentide::internals::workload::{Request, SessionLaw};

use crate::history::End;

/// Most input tokens of a request.
const MOST: u64 = 1 << 24;

/// All sessions that go on.
pub struct AllSessions {
    /// Laws of the classes that have sessions, and whether they keep answers.
    classes: BTreeMap<usize, (SessionLaw, AnswersIn)>,
    /// What the sessions draw from, by class and number.
    streams: BTreeMap<(usize, u32), Stream>,
    /// By id: whose turn a request is.
    turns: BTreeMap<usize, Request>,
    /// Turns that have not arrived yet.
    due: Vec<Request>,
}

impl AllSessions {
    pub fn new(scenario: &Scenario) -> Self {
        let mut classes = BTreeMap::new();
        for (index, class) in scenario.classes.iter().enumerate() {
            if let ArrivalKind::Sessions(turns) = &class.arrivals.kind {
                let law = SessionLaw::of(scenario, index).expect("the class has sessions");
                classes.insert(index, (law, turns.answers));
            }
        }
        Self {
            classes,
            streams: BTreeMap::new(),
            turns: BTreeMap::new(),
            due: Vec::new(),
        }
    }

    /// When the next turn arrives.
    pub fn next(&self) -> Option<u64> {
        self.due.iter().map(|turn| turn.at.0).min()
    }

    /// Turns that arrive now, by class and session.
    pub fn issue(&mut self, now: u64) -> Vec<Request> {
        let (mut issued, later): (Vec<_>, Vec<_>) =
            self.due.drain(..).partition(|turn| turn.at.0 == now);
        self.due = later;
        issued.sort_by_key(|turn| (turn.class, turn.cached));
        issued
    }

    /// A request comes and has its id; of a session its number is its content.
    pub fn arrived(&mut self, id: usize, request: Request) {
        if self.classes.contains_key(&usize::from(request.class)) {
            self.turns.insert(id, request);
        }
    }

    /// Requests have ended now: who was answered may go on. Says whether anybody does.
    pub fn hear(&mut self, now: u64, ended: &[(usize, End, usize)]) -> bool {
        let before = self.due.len();
        for (class, end, id) in ended {
            let Some(turn) = self.turns.remove(id) else {
                continue;
            };
            let (law, answers) = &self.classes[class];
            let number = turn.cached;
            let stream = self.streams.entry((*class, number));
            let stream = stream.or_insert_with(|| law.stream(number));
            if !matches!(end, End::Completed(_)) {
                continue;
            }
            let Some(next) = law.next_turn(stream) else {
                continue;
            };
            let kept = match answers {
                AnswersIn::Kept => turn.output,
                AnswersIn::Dropped => 0,
            };
            let input = u64::from(turn.input) + u64::from(kept) + u64::from(next.new_input);
            if input <= MOST {
                self.due.push(Request {
                    at: SimTime(now + next.think.0),
                    input: input as u32,
                    output: next.output,
                    ..turn
                });
            }
        }
        self.due.len() > before
    }
}
