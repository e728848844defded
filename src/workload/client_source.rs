//! Requests of recorded clients (S5): each client's arrivals and lengths are drawn from its own laws, window by window.
//!
//! A window has as many requests as were recorded of it (a part of one is a whole one as often as that part says), and
//! their gaps, with those at both ends, are independent, of a gamma or Weibull law with the window's coefficient of
//! variation, stretched to fill the window: what varies from window to window is what was recorded, and within one the law.
//! Lengths come from the client's tables of the time. A client draws from streams of its own.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use super::Request;
use super::contents::ContentNumbers;
use super::copula::Copula;
use super::hits::HitFactor;
use super::random::Stream;
use super::renewal::GapDraws;
use crate::scenario::{Class, ClientPlay, ClientPool, ClientWindow, GapForm, RenewalLaw};
use crate::units::{NS_PER_S, SimDuration, SimTime};

/// The requests of a class of clients.
#[derive(Clone, Debug)]
pub(super) struct ClientSource {
    class: u16,
    pool: Arc<ClientPool>,
    /// Lengths of each client: of prompts and answers.
    ladders: Arc<[Vec<[Ladder; 2]>]>,
    /// Times as much as recorded.
    rate: f64,
    cycle_ns: u64,
    /// Place in the cycle at which the simulation begins.
    begins_ns: u64,
    hits: HitFactor,
    copula: Option<Copula>,
    clients: Vec<ClientState>,
    /// The next arrival of each client that has one: its time and the client.
    next: BinaryHeap<Reverse<(u64, u32)>>,
    is_begun: bool,
}

/// Where a client has got to.
#[derive(Clone, Debug)]
struct ClientState {
    /// Streams of arrivals, inputs, outputs and hits.
    streams: [Stream; 4],
    /// Windows begun so far, over all cycles.
    begun: u64,
    /// The window in which the client is; `None`: in none yet.
    window: Option<OpenWindow>,
}

/// A window in which arrivals are drawn.
#[derive(Clone, Debug)]
struct OpenWindow {
    gaps: GapDraws,
    /// The stream of gaps, which were drawn once before to find their sum.
    stream: Stream,
    /// Beginning, or the simulation's, in ns.
    from_ns: u64,
    /// Time that a gap of 1 takes, in ns.
    stretch_ns: f64,
    /// Sum of the gaps so far.
    sum: f64,
    /// Arrivals to come.
    left: u64,
    lengths: usize,
}

/// Lengths by their ranks: each with the first of 2^32 ranks beyond it.
#[derive(Clone, Debug)]
struct Ladder(Vec<(u32, u32)>);

impl ClientSource {
    /// The requests of a class of clients from a simulation's beginning, which lies at this place in the cycle.
    pub(super) fn new(
        play: &ClientPlay,
        index: u16,
        class: &Class,
        seed: u64,
        begins: SimDuration,
        hits: HitFactor,
    ) -> Self {
        let pool = Arc::clone(&play.pool);
        let state = |number: u64| {
            let entity = format!("{}/{number}", class.name);
            let stream = |purpose| Stream::new(seed, purpose, &entity);
            ClientState {
                streams: ["arrivals", "input", "output", "hits"].map(stream),
                begun: 0,
                window: None,
            }
        };
        let ladders = pool.clients.iter().map(|client| {
            let lengths = client.lengths.iter();
            let both = lengths.map(|law| [Ladder::new(&law.input), Ladder::new(&law.output)]);
            both.collect()
        });
        Self {
            class: index,
            ladders: ladders.collect(),
            clients: pool
                .clients
                .iter()
                .map(|client| state(client.number))
                .collect(),
            pool,
            rate: play.rate,
            cycle_ns: class.arrivals.cycle.0,
            begins_ns: begins.0,
            hits,
            copula: class.length_correlation.map(Copula::new),
            next: BinaryHeap::new(),
            is_begun: false,
        }
    }

    /// Appends the requests before `until`; nothing arrives from `end` on.
    /// `contents` give what requests arrive with where a prefix cache finds what they share; `None`: hits are drawn.
    pub(super) fn take(
        &mut self,
        (until, end): (SimTime, SimTime),
        mut contents: Option<&mut ContentNumbers>,
        requests: &mut Vec<Request>,
    ) {
        if !self.is_begun {
            self.is_begun = true;
            (0..self.clients.len()).for_each(|client| self.draw(client, end.0));
        }
        while let Some(Reverse((at, client))) = self.next.peek().copied() {
            if at >= until.0 {
                break;
            }
            self.next.pop();
            let request = self.request(client as usize, SimTime(at), contents.as_deref_mut());
            requests.push(request);
            self.draw(client as usize, end.0);
        }
    }

    /// The request of a client that arrives now, in the window of its last draw.
    fn request(
        &mut self,
        client: usize,
        at: SimTime,
        contents: Option<&mut ContentNumbers>,
    ) -> Request {
        let state = &mut self.clients[client];
        let lengths = state.window.as_ref().map_or(0, |window| window.lengths);
        let [_, of_input, of_output, of_hits] = &mut state.streams;
        let (input, mut output) = (of_input.draw(), of_output.draw());
        if let Some(copula) = self.copula {
            output = copula.join(input, output);
        }
        let [inputs, outputs] = &self.ladders[client][lengths];
        let input = inputs.at(input);
        Request {
            id: 0,
            at,
            input,
            output: outputs.at(output),
            cached: match contents {
                Some(contents) => contents.next(of_hits.draw()),
                None => self.hits.cached(input, of_hits.draw()),
            },
            class: self.class,
        }
    }

    /// Draws a client's next arrival before `end_ns`, if there is one.
    fn draw(&mut self, client: usize, end_ns: u64) {
        let windows = &self.pool.clients[client].windows;
        let state = &mut self.clients[client];
        loop {
            if let Some(at) = state.window.as_mut().and_then(OpenWindow::next) {
                if at < end_ns {
                    self.next.push(Reverse((at, client as u32)));
                }
                return;
            }
            let (cycle, place) = (
                state.begun / windows.len() as u64,
                (state.begun % windows.len() as u64) as usize,
            );
            let window = windows[place];
            // The part of the window that the simulation sees, from its beginning.
            let time = |seconds: u64| cycle * self.cycle_ns + seconds * NS_PER_S;
            let from_ns = time(window.from_s).saturating_sub(self.begins_ns);
            let to_ns = time(window.to_s).saturating_sub(self.begins_ns);
            if from_ns >= end_ns {
                return;
            }
            state.begun += 1;
            let stream = &mut state.streams[0];
            state.window = Some(OpenWindow::new(
                &window,
                (from_ns, to_ns),
                self.rate,
                stream,
            ));
        }
    }
}

impl OpenWindow {
    /// Draws how many arrivals a window has, and their gaps, whose stream goes on behind them.
    fn new(
        window: &ClientWindow,
        (from_ns, to_ns): (u64, u64),
        rate: f64,
        stream: &mut Stream,
    ) -> Self {
        let form = match window.is_weibull {
            true => GapForm::Weibull,
            false => GapForm::Gamma,
        };
        let gaps = GapDraws::new(RenewalLaw {
            form,
            cv: window.cv,
        });
        let length_ns = to_ns.saturating_sub(from_ns) as f64;
        let expected = window.rate_per_s * rate * length_ns / NS_PER_S as f64;
        let part = stream.draw() as f64 / 18_446_744_073_709_551_616.0;
        let left = (expected + part) as u64;
        let own = stream.clone();
        let sum = (0..=left).fold(0.0, |sum, _| sum + gaps.next(stream));
        Self {
            gaps,
            stream: own,
            from_ns,
            // Gaps too small for numbers leave all arrivals at the beginning.
            stretch_ns: if sum > 0.0 { length_ns / sum } else { 0.0 },
            sum: 0.0,
            left,
            lengths: window.lengths,
        }
    }

    /// The time of the next arrival; `None`: there is no more in the window.
    fn next(&mut self) -> Option<u64> {
        self.left = self.left.checked_sub(1)?;
        self.sum += self.gaps.next(&mut self.stream);
        Some(self.from_ns + (self.sum * self.stretch_ns) as u64)
    }
}

impl Ladder {
    fn new(law: &[(u32, f32)]) -> Self {
        let total: f64 = law.iter().map(|(_, p)| f64::from(*p)).sum();
        let mut sum = 0.0;
        let steps = law.iter().map(|(length, p)| {
            sum += f64::from(*p);
            ((sum / total * 4_294_967_296.0) as u32, (*length).max(1))
        });
        Self(steps.collect())
    }

    /// The length of a rank of 64 bits.
    fn at(&self, rank: u64) -> u32 {
        let rank = (rank >> 32) as u32;
        let i = self.0.partition_point(|(below, _)| *below <= rank);
        self.0
            .get(i)
            .or(self.0.last())
            .map_or(1, |(_, length)| *length)
    }
}
