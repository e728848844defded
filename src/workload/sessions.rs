//! Sessions (S20): conversations of several turns, each of which brings back what was said before.
//!
//! A session begins as a request of an open class does. When a turn has been answered, there is another with the
//! probability that makes the mean number of turns right; it comes after a think time, and its input is the last turn's,
//! the answer if answers are kept, and new tokens. Whatever a session draws comes from a stream of its own, so that its
//! turns do not depend on what others do. A turn that is rejected or fails is the last.

use std::collections::BTreeMap;

use rand_distr::Exp1;

use super::Request;
use super::length::{LengthScale, Lengths};
use super::random::Stream;
use crate::scenario::{AnswersIn, ArrivalKind, MAX_LENGTH, Scenario, SessionTurns, ThinkLaw};
use crate::units::{SimDuration, SimTime};

/// What the turns of a class's sessions are drawn from.
#[derive(Clone, Debug)]
pub struct SessionLaw {
    seed: u64,
    class: String,
    /// A draw below this says that there is another turn.
    go_on: u64,
    think_time: SimDuration,
    think: ThinkLaw,
    next_input: Lengths,
    output: Lengths,
    /// Whether answers are part of later turns' input.
    answers: AnswersIn,
}

/// A turn after another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionTurn {
    /// Time from the last answer's end to the turn.
    pub think: SimDuration,
    /// New tokens of the turn's input.
    pub new_input: u32,
    /// Output tokens.
    pub output: u32,
}

impl SessionLaw {
    /// The law of a class's sessions; `None`: it has none.
    pub fn of(scenario: &Scenario, class: usize) -> Option<Self> {
        let class = scenario.classes.get(class)?;
        let ArrivalKind::Sessions(turns) = &class.arrivals.kind else {
            return None;
        };
        let SessionTurns {
            turns,
            think_time,
            think,
            next_input,
            answers,
        } = turns.as_ref();
        Some(Self {
            seed: scenario.seed,
            class: class.name.clone(),
            go_on: ((1.0 - 1.0 / turns) * 18_446_744_073_709_551_616.0) as u64,
            think_time: *think_time,
            think: *think,
            next_input: Lengths::new(next_input),
            output: Lengths::new(&class.output),
            answers: *answers,
        })
    }

    /// The stream from which a session draws.
    pub fn stream(&self, session: u32) -> Stream {
        Stream::numbered(self.seed, "turns", &self.class, u64::from(session))
    }

    /// The turn after one that was answered; `None`: that was the last.
    pub fn next_turn(&self, stream: &mut Stream) -> Option<SessionTurn> {
        if stream.draw() >= self.go_on {
            return None;
        }
        let think = match self.think {
            ThinkLaw::Constant => self.think_time,
            ThinkLaw::Exponential => {
                let times: f64 = stream.sample(&Exp1);
                SimDuration(libm::round(times * self.think_time.0 as f64) as u64)
            }
        };
        Some(SessionTurn {
            think,
            new_input: self.next_input.at(stream.draw(), LengthScale::new(1.0)),
            output: self.output.at(stream.draw(), LengthScale::new(1.0)),
        })
    }

    /// Input tokens of the turn after one of so many input and output tokens; `None`: more than any request may have, and
    /// the session is over.
    pub fn next_input(&self, (input, output): (u32, u32), new: u32) -> Option<u32> {
        let kept = match self.answers {
            AnswersIn::Kept => output,
            AnswersIn::Dropped => 0,
        };
        let next = u64::from(input) + u64::from(kept) + u64::from(new);
        u32::try_from(next).ok().filter(|n| *n <= MAX_LENGTH)
    }
}

/// A session that goes on: what it draws from, and the lengths of its latest turn.
#[derive(Clone, Debug)]
struct Session {
    stream: Stream,
    lengths: (u32, u32),
}

/// The sessions of all classes that go on.
#[derive(Clone, Debug)]
pub struct OpenSessions {
    laws: Vec<Option<SessionLaw>>,
    /// Sessions that wait for an answer, by the id of the request, with their number.
    waiting: BTreeMap<u64, (u32, Session)>,
    /// Turns to come, by time, class and session.
    next: BTreeMap<(SimTime, u16, u32), Session>,
    /// Sessions whose next turn arrives at this instant, by class and number.
    issued: BTreeMap<(u16, u32), Session>,
}

impl OpenSessions {
    /// The sessions of a scenario; `None`: no class has any.
    pub fn new(scenario: &Scenario) -> Option<Self> {
        let classes = 0..scenario.classes.len();
        let laws: Vec<Option<SessionLaw>> = classes.map(|c| SessionLaw::of(scenario, c)).collect();
        laws.iter().any(Option::is_some).then_some(Self {
            laws,
            waiting: BTreeMap::new(),
            next: BTreeMap::new(),
            issued: BTreeMap::new(),
        })
    }

    /// When the next turn arrives; `NEVER`: none is known of.
    pub fn next(&self) -> SimTime {
        let first = self.next.first_key_value();
        first.map_or(SimTime::NEVER, |((at, ..), _)| *at)
    }

    /// Appends the turns that arrive at `now`, in the order of classes and sessions.
    pub fn issue(&mut self, now: SimTime, requests: &mut Vec<Request>) {
        while let Some(entry) = self.next.first_entry() {
            let (at, class, number) = *entry.key();
            if at != now {
                break;
            }
            let session = entry.remove();
            let (input, output) = session.lengths;
            requests.push(Request {
                id: 0,
                at,
                input,
                output,
                cached: number,
                class,
            });
            self.issued.insert((class, number), session);
        }
    }

    /// Tells that a request arrives, which has an id now: of a class of sessions a first turn or a later one.
    pub fn arrived(&mut self, request: &Request) {
        let Some(Some(law)) = self.laws.get(usize::from(request.class)) else {
            return;
        };
        let number = request.cached;
        let later = self.issued.remove(&(request.class, number));
        let session = later.unwrap_or_else(|| Session {
            stream: law.stream(number),
            lengths: (request.input, request.output),
        });
        self.waiting.insert(request.id, (number, session));
    }

    /// Tells that a request has ended now, completed or not.
    pub fn ended(&mut self, now: SimTime, id: u64, class: u16, well: bool) {
        let Some((number, mut session)) = self.waiting.remove(&id) else {
            return;
        };
        let Some(Some(law)) = self.laws.get(usize::from(class)) else {
            return;
        };
        let turn = law.next_turn(&mut session.stream).filter(|_| well);
        let Some(SessionTurn {
            think,
            new_input,
            output,
        }) = turn
        else {
            return;
        };
        if let Some(input) = law.next_input(session.lengths, new_input) {
            session.lengths = (input, output);
            self.next.insert((now + think, class, number), session);
        }
    }
}
