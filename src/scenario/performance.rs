//! The model of step times that a scenario names.

use std::sync::Arc;

use crate::catalog::{NumberFormat, ServingEngine};
use crate::units::Picoseconds;

/// The model of step times.
#[derive(Clone, Debug)]
pub enum Performance {
    /// Sums of constant coefficients.
    Linear(LinearPerformance),
    /// From architecture, hardware and an engine's constants.
    Roofline(Box<Roofline>),
    /// From a table of measurements.
    Table(Arc<StepTimeProfile>),
}

/// A profile of step times.
#[derive(Clone, Debug, PartialEq)]
pub struct StepTimeProfile {
    /// Measured points.
    pub rows: Vec<ProfileRow>,
    /// Whether steps may lie outside of what was measured.
    pub extrapolate: bool,
}

/// What a point of a profile measures, over all layers of a rank.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProfilePart {
    /// Everything that depends on the tokens of a step: projections, networks, norms.
    Tokens,
    /// Logits and sampling, by requests.
    Sequences,
    /// Attention of a chunk behind a context.
    Prefill,
    /// Attention of requests that decode.
    Decode,
    /// Attention of a step that does both.
    Mixed,
    /// A constant of every step.
    Step,
}

/// A point of a profile.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ProfileRow {
    /// What it measures.
    pub part: ProfilePart,
    /// Tokens computed.
    pub tokens: f64,
    /// Context before them.
    pub context_tokens: f64,
    /// Requests that decode, or whose logits are computed.
    pub requests: f64,
    /// KV tokens that they hold together.
    pub kv_tokens: f64,
    /// The time, in microseconds.
    pub time_us: f64,
}

/// Step times from first principles.
#[derive(Clone, Debug)]
pub struct Roofline {
    /// What the engine makes of the accelerator.
    pub engine: ServingEngine,
    /// Kinds of numbers.
    pub precision: Precision,
    /// How tokens fall on experts.
    pub experts: ExpertLoad,
    /// Whether two micro-batches hide each other's communication.
    pub overlap: Overlap,
}

/// Kinds of numbers by part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Precision {
    /// Dense products: weights and activations.
    pub gemm: NumberFormat,
    /// Routed experts' weights.
    pub experts: NumberFormat,
    /// KV cache.
    pub kv: NumberFormat,
}

/// How tokens fall on experts.
#[derive(Clone, Debug, PartialEq)]
pub struct ExpertLoad {
    /// How often each expert is chosen.
    pub popularity: ExpertPopularity,
    /// Whether experts and copies are placed by the balancing algorithm; otherwise in order.
    pub balanced: bool,
    /// Log-standard deviation of popularity now over popularity at placement.
    pub drift: f64,
    /// How alike a prompt's tokens choose: intra-prompt correlation.
    pub clustering: f64,
}

/// How often each expert is chosen.
#[derive(Clone, Debug, PartialEq)]
pub enum ExpertPopularity {
    /// By a router that gives every rank the same.
    Balanced,
    /// The k-th most popular one in proportion to 1 / k^exponent; 0: uniformly.
    Zipf {
        /// The exponent.
        exponent: f64,
    },
    /// As counted.
    Counts(Vec<f64>),
}

/// Whether two micro-batches hide each other's communication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overlap {
    /// Where that is quicker.
    Auto,
    /// Always.
    On,
    /// Never.
    Off,
}

/// Step times linear in what a rank holds: the busiest rank sets the step.
#[derive(Clone, Debug)]
pub struct LinearPerformance {
    /// Of a prefill step: base + tokens x per_token + (query, key) pairs x per_pair.
    pub prefill: LinearPrefill,
    /// Of a decode step: base + requests x per_request + KV tokens x per_kv_token.
    pub decode: LinearDecode,
}

/// Coefficients of a prefill step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinearPrefill {
    /// Of every step.
    pub base: Picoseconds,
    /// Of each computed token on the rank.
    pub per_token: Picoseconds,
    /// Of each (query, key) pair of causal attention on the rank.
    pub per_pair: Picoseconds,
}

/// Coefficients of a decode step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinearDecode {
    /// Of every step.
    pub base: Picoseconds,
    /// Of each request on the rank.
    pub per_request: Picoseconds,
    /// Of each KV token on the rank.
    pub per_kv_token: Picoseconds,
}
