//! Classes: streams of requests, when they arrive, how long they are, what they pay and expect.

use std::sync::Arc;

use crate::catalog::Price;
use crate::units::SimDuration;

/// A stream of requests with its own lengths, priority, price and targets.
#[derive(Clone, Debug)]
pub struct Class {
    /// Its name in the file.
    pub name: String,
    /// Served first where lower, in the prefill queue; running batches are not interrupted.
    pub priority: u32,
    /// When requests arrive.
    pub arrivals: ArrivalProcess,
    /// Input lengths. The mean is scaled by each period's `input_scale`.
    pub input: LengthLaw,
    /// Output lengths. The mean is scaled by each period's `output_scale`.
    pub output: LengthLaw,
    /// What requests pay; `None`: free.
    pub price: Option<Price>,
    /// Whether the price's discount windows apply.
    pub discounts: bool,
    /// What users are promised.
    pub slo: Option<Slo>,
}

/// The process of a class's arrivals.
#[derive(Clone, Debug)]
pub struct ArrivalProcess {
    /// What makes requests arrive, under the rate if there is one.
    pub kind: ArrivalKind,
    /// The rate over the day, repeating every 24 hours of local time. Covers the whole day from local
    /// midnight, in order, without gaps; or empty.
    pub rate: Vec<RateSegment>,
    /// What differs between parts of the day; `RateSegment::period` points here. Never empty.
    pub periods: Vec<Period>,
}

/// What makes requests arrive.
#[derive(Clone, Debug, PartialEq)]
pub enum ArrivalKind {
    /// Independently: a Poisson process.
    Poisson,
    /// Evenly: one whenever the cumulative rate reaches the next whole number.
    Deterministic,
    /// Users who wait for their answers. The rate is empty.
    ClosedLoop(ClosedLoop),
    /// As recorded, in order of time. The rate is empty.
    Trace(Arc<[TraceRow]>),
}

/// Users who issue a request, wait for its end, think, and issue the next (S18).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClosedLoop {
    /// How many they are.
    pub users: u32,
    /// From an answer's end to the next request, on average.
    pub think_time: SimDuration,
    /// Whether thinking takes an exponential time; otherwise always the same.
    pub exponential: bool,
    /// The users begin evenly over this time.
    pub ramp_up: SimDuration,
    /// Requests in all; `None`: no end.
    pub requests: Option<u64>,
}

/// A recorded request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceRow {
    /// When it arrives, from the simulation's beginning.
    pub at: SimDuration,
    /// Input tokens.
    pub input: u32,
    /// Output tokens.
    pub output: u32,
    /// Of the input, cached tokens; `None`: drawn by the hit rate.
    pub cached: Option<u32>,
}

/// A stretch of the day over which the rate runs straight from one value to another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateSegment {
    /// From this time of day ...
    pub from: SimDuration,
    /// ... to this one.
    pub to: SimDuration,
    /// Requests per second at `from`.
    pub rate_from_per_s: f64,
    /// Requests per second at `to`.
    pub rate_to_per_s: f64,
    /// Index into `ArrivalProcess::periods`.
    pub period: u32,
}

/// What holds for the requests of one part of the day.
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
    /// The continuous law.
    pub law: Law,
    /// Shorter draws become this; at least 1.
    pub min: u32,
    /// Longer draws become this.
    pub max: u32,
}

/// A law of positive numbers (tokens).
#[derive(Clone, Debug, PartialEq)]
pub enum Law {
    /// Always the same.
    Constant {
        /// The value.
        value: f64,
    },
    /// Evenly between two values.
    Uniform {
        /// Least value.
        low: f64,
        /// Greatest value.
        high: f64,
    },
    /// Memoryless.
    Exponential {
        /// Mean.
        mean: f64,
    },
    /// The exponential of a normal law, by its own mean and coefficient of variation.
    Lognormal {
        /// Mean.
        mean: f64,
        /// Standard deviation over mean, above 0.
        cv: f64,
    },
    /// Gamma by mean and coefficient of variation; Erlang-k is `cv = 1/sqrt(k)`.
    Gamma {
        /// Mean.
        mean: f64,
        /// Standard deviation over mean, above 0.
        cv: f64,
    },
    /// One of several laws, chosen with probability proportional to its weight. The two-phase
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

/// A service-level objective.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Slo {
    /// First token within this.
    pub ttft: Option<SimDuration>,
    /// Time per output token within this.
    pub tpot: Option<SimDuration>,
    /// Part of the requests that must meet it; `None`: reported, not judged.
    pub attainment: Option<f64>,
}
