//! The model of step times that a scenario names.

use std::sync::Arc;

use super::vocabulary::{Overlap, Sampling};
use crate::catalog::{NumberFormat, ServingEngine};
use crate::units::Picoseconds;
use crate::words::words;

/// The model of step times.
#[derive(Clone, Debug)]
pub enum Performance {
    /// Coefficients that are constant and added up.
    Linear(LinearPerformance),
    /// A roofline: architecture, hardware and an engine's constants.
    Roofline(Box<Roofline>),
    /// A table of measurements.
    Table(Arc<StepTimeProfile>),
}

/// A profile of step times.
#[derive(Clone, Debug, PartialEq)]
pub struct StepTimeProfile {
    /// Measured points, shared by scenarios that are varied from one another.
    pub rows: Arc<[ProfileRow]>,
    /// Whether steps may lie outside of what was measured.
    pub extrapolate: bool,
}

words! {
    /// The part of a step that a point of a profile measures, over all layers of a rank.
    pub enum ProfilePart {
        Tokens = "tokens": "Everything that depends on the tokens of a step: projections, networks, norms",
        Sequences = "sequences": "Logits and sampling, by requests",
        Prefill = "prefill": "Attention of a chunk behind a context",
        Decode = "decode": "Attention of requests that decode",
        Mixed = "mixed": "Attention of a step that does both",
        Step = "step": "A constant of every step",
    }
}

/// A measured point of a profile.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ProfileRow {
    /// Part of the step that the point measures.
    pub part: ProfilePart,
    /// Tokens computed.
    pub tokens: f64,
    /// Context tokens before the computed ones.
    pub context_tokens: f64,
    /// Requests that decode, or whose logits are computed.
    pub requests: f64,
    /// KV tokens that these requests hold together.
    pub kv_tokens: f64,
    /// Measured time, in microseconds.
    pub time_us: f64,
}

/// Step times from first principles.
#[derive(Clone, Debug, PartialEq)]
pub struct Roofline {
    /// The engine with its constants: what it makes of the accelerator.
    pub engine: ServingEngine,
    /// Number formats of weights, activations and KV.
    pub precision: Precision,
    /// How tokens fall on experts.
    pub experts: ExpertLoad,
    /// Whether two micro-batches hide each other's communication.
    pub overlap: Overlap,
    /// How requests' tokens are drawn from the logits.
    pub sampling: Sampling,
}

/// Number formats by part of the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Precision {
    /// Format of dense products: weights and activations.
    pub gemm: NumberFormat,
    /// Format of the routed experts' weights.
    pub experts: NumberFormat,
    /// Format of the KV cache.
    pub kv: NumberFormat,
}

/// How tokens fall on experts.
#[derive(Clone, Debug, PartialEq)]
pub struct ExpertLoad {
    /// How often each expert is chosen.
    pub popularity: ExpertPopularity,
    /// Whether the balancing algorithm places experts and copies; false: they stand in order.
    pub balanced: bool,
    /// Log-standard deviation of popularity now over popularity at placement.
    pub drift: f64,
    /// How alike a prompt's tokens choose: intra-prompt correlation.
    pub clustering: f64,
}

/// How often each expert is chosen.
#[derive(Clone, Debug, PartialEq)]
pub enum ExpertPopularity {
    /// All alike: the router gives every rank the same.
    Balanced,
    /// Zipf's law: the k-th most popular expert in proportion to 1
    /// k^exponent; 0: uniformly.
    Zipf {
        /// Exponent of the law.
        exponent: f64,
    },
    /// Relative frequency of each expert, as counted.
    Counts(Vec<f64>),
}

/// Step times linear in what a rank holds: the busiest rank sets the step.
#[derive(Clone, Debug)]
pub struct LinearPerformance {
    /// Coefficients of a prefill step: base + tokens x per_token + (query, key) pairs x per_pair.
    pub prefill: LinearPrefill,
    /// Coefficients of a decode step: base + requests x per_request + KV tokens x per_kv_token.
    pub decode: LinearDecode,
}

/// Coefficients of a prefill step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinearPrefill {
    /// Time of every step.
    pub base: Picoseconds,
    /// Time of each computed token on the rank.
    pub per_token: Picoseconds,
    /// Time of each (query, key) pair of causal attention on the rank.
    pub per_pair: Picoseconds,
}

/// Coefficients of a decode step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinearDecode {
    /// Time of every step.
    pub base: Picoseconds,
    /// Time of each request on the rank.
    pub per_request: Picoseconds,
    /// Time of each KV token on the rank.
    pub per_kv_token: Picoseconds,
}
