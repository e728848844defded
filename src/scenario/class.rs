//! Classes: streams of requests, when they arrive, how long they are, what they pay and expect.

use std::sync::Arc;

use super::trace_play::TracePlay;
use super::vocabulary::{AnswersIn, ThinkLaw};
use crate::catalog::Price;
use crate::traffic::ClientPool;
use crate::units::SimDuration;

/// A stream of requests with its own lengths, priority, price and targets.
#[derive(Clone, Debug)]
pub struct Class {
    /// Name of the class in the file.
    pub name: String,
    /// Rank in the prefill queue: lower is served first; running batches are not interrupted.
    pub priority: u32,
    /// When requests arrive.
    pub arrivals: ArrivalProcess,
    /// Input lengths. The mean is scaled by each period's `input_scale`.
    pub input: LengthLaw,
    /// Output lengths. The mean is scaled by each period's `output_scale`.
    pub output: LengthLaw,
    /// Beginnings that prompts have in common; `None`: they share nothing.
    pub shared_prompts: Option<SharedPrompts>,
    /// Rank correlation of inputs and outputs (S3); `None`: they do not depend on one another.
    pub length_correlation: Option<f64>,
    /// Price list for the class's requests; `None`: they are free.
    pub price: Option<Price>,
    /// Whether the price's discount windows apply.
    pub discounts: bool,
    /// Targets that users are promised; `None`: none.
    pub slo: Option<Slo>,
}

/// Beginnings that prompts of a class have in common: each request begins with one of them (S4).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SharedPrompts {
    /// Tokens of each; a shorter input is the beginning of one.
    pub tokens: u32,
    /// How many there are.
    pub count: u32,
    /// The k-th is drawn with a weight of k^-zipf.
    pub zipf: f64,
}

/// The process of a class's arrivals.
#[derive(Clone, Debug)]
pub struct ArrivalProcess {
    /// What makes requests arrive, under the rate if there is one.
    pub kind: ArrivalKind,
    /// The rate over a cycle, which repeats. Covers the whole cycle, in order, without gaps; or empty.
    pub rate: Vec<RateSegment>,
    /// Length of the cycle: a day from local midnight, a week from Monday, or what a file of dates covers.
    pub cycle: SimDuration,
    /// Place in the cycle at which counting starts.
    pub phase: SimDuration,
    /// What differs between parts of the cycle; `RateSegment::period` points here. Never empty.
    pub periods: Vec<Period>,
    /// What was understood of the file that the arrivals come from, in sentences.
    pub remarks: Vec<String>,
    /// What was assumed of that file, and a reader of results should know.
    pub cautions: Vec<String>,
}

/// What makes requests arrive.
#[derive(Clone, Debug, PartialEq)]
pub enum ArrivalKind {
    /// Requests that arrive independently: a Poisson process.
    Poisson,
    /// Even arrivals: one whenever the cumulative rate reaches the next whole number.
    Deterministic,
    /// Independent gaps of one law: a renewal process in the cumulative rate.
    Renewal(RenewalLaw),
    /// A Poisson process whose rate jumps between two levels: a Markov-modulated one.
    Bursts(BurstLaw),
    /// Clients whose laws were recorded. The rate is that of all of them together.
    Clients(ClientPlay),
    /// Users who wait for their answers. The rate is empty.
    ClosedLoop(ClosedLoop),
    /// Sessions of several turns, which begin independently under the rate (S20).
    Sessions(Box<SessionTurns>),
    /// Recorded arrivals. The rate is empty.
    Trace(TracePlay),
}

/// The law of gaps between arrivals, whose mean the rate says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RenewalLaw {
    /// Form of the law.
    pub form: GapForm,
    /// Standard deviation over mean of the gaps, above 0.
    pub cv: f64,
}

/// The form of a law of gaps between arrivals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GapForm {
    /// The gamma law.
    Gamma,
    /// The Weibull law.
    Weibull,
}

/// Recorded clients, as a run plays them.
#[derive(Clone, Debug, PartialEq)]
pub struct ClientPlay {
    /// The clients.
    pub pool: Arc<ClientPool>,
    /// Times as many requests as recorded.
    pub rate: f64,
}

/// Bursts that come and go at random; the mean rate over both levels is the class's rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BurstLaw {
    /// Mean length of a burst, which is exponential.
    pub length: SimDuration,
    /// Mean time from the beginning of a burst to that of the next; what lies between two bursts is exponential.
    pub every: SimDuration,
    /// Rate in a burst over that between bursts, at least 1.
    pub factor: f64,
}

/// Users who issue a request, wait for its end, think, and issue the next (S18).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClosedLoop {
    /// Number of users.
    pub users: u32,
    /// Mean time from an answer's end to the user's next request.
    pub think_time: SimDuration,
    /// How that time varies.
    pub think: ThinkLaw,
    /// Time over which the users begin, evenly.
    pub ramp_up: SimDuration,
    /// Requests of all users together; `None`: no end.
    pub requests: Option<u64>,
}

/// What follows a session's first turn (S20).
#[derive(Clone, Debug, PartialEq)]
pub struct SessionTurns {
    /// Mean number of turns of a session, at least 1.
    pub turns: f64,
    /// Mean time from an answer's end to the next turn.
    pub think_time: SimDuration,
    /// How that time varies.
    pub think: ThinkLaw,
    /// New tokens of each turn after the first.
    pub next_input: LengthLaw,
    /// Whether answers are part of later turns' input.
    pub answers: AnswersIn,
}

/// A stretch of the cycle over which the rate runs straight from one value to another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateSegment {
    /// Place in the cycle at which the segment begins.
    pub from: SimDuration,
    /// Place in the cycle at which the segment ends.
    pub to: SimDuration,
    /// Requests per second at `from`.
    pub rate_from_per_s: f64,
    /// Requests per second at `to`.
    pub rate_to_per_s: f64,
    /// Index of the segment's period in `ArrivalProcess::periods`.
    pub period: u32,
}

/// Lengths and hits of the requests of one part of the day.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Period {
    /// Factor on sampled input lengths, before rounding and clamping.
    pub input_scale: f64,
    /// Factor on sampled output lengths, before rounding and clamping.
    pub output_scale: f64,
    /// Part of the input tokens that hit the cache (S4).
    pub hit_rate: f64,
}

/// A law of lengths and its bounds.
#[derive(Clone, Debug, PartialEq)]
pub struct LengthLaw {
    /// Continuous law of the lengths, before rounding and clamping.
    pub law: Law,
    /// Least length in tokens, at least 1: shorter draws become this.
    pub min: u32,
    /// Greatest length in tokens: longer draws become this.
    pub max: u32,
}

/// A law of positive numbers (tokens).
#[derive(Clone, Debug, PartialEq)]
pub enum Law {
    /// A law of one value.
    Constant {
        /// The value, in tokens.
        value: f64,
    },
    /// The uniform law between two values.
    Uniform {
        /// Least value, in tokens.
        low: f64,
        /// Greatest value, in tokens.
        high: f64,
    },
    /// The exponential law, which is memoryless.
    Exponential {
        /// Mean, in tokens.
        mean: f64,
    },
    /// The lognormal law, by its own mean and coefficient of variation.
    Lognormal {
        /// Mean, in tokens.
        mean: f64,
        /// Standard deviation over mean, above 0.
        cv: f64,
    },
    /// The gamma law, by mean and coefficient of variation; Erlang-k is `cv = 1/sqrt(k)`.
    Gamma {
        /// Mean, in tokens.
        mean: f64,
        /// Standard deviation over mean, above 0.
        cv: f64,
    },
    /// A mixture of laws, each chosen with probability proportional to its weight. The two-phase
    /// hyperexponential law is a mixture of exponentials.
    Mixture {
        /// Weights above 0, of any sum, and laws, none a mixture itself.
        parts: Vec<(f64, Law)>,
    },
    /// Recorded values with weights, ascending in value.
    Empirical {
        /// Values, each once, and their weights above 0, of any sum.
        values: Vec<(f64, f64)>,
    },
}

/// A service-level objective (SLO): what a request must keep.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Slo {
    /// Longest time from arrival to the first token; `None`: no such target.
    pub ttft: Option<SimDuration>,
    /// Longest time per output token after the first; `None`: no such target.
    pub tpot: Option<SimDuration>,
    /// Part of the requests that must meet the targets; `None`: attainment is reported, not judged.
    pub attainment: Option<f64>,
}
