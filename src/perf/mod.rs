//! Step times: how long a unit's step lasts, given what its ranks hold.
//!
//! The engine asks how long a step over all ranks of a unit lasts, and what a rank computes by itself in it
//! (rule S7). [`StepTimes`] is compiled from a scenario before the run into integers, so that the same step
//! lasts the same nanoseconds on every machine. There are three models: [`linear`], its
//! coefficients in the scenario, [`roofline`], from first principles, and [`profile_steps`], from measured points.
//! Another one becomes another variant here, and nothing in the cluster changes.

mod known_steps;
pub mod linear;
pub mod profile_steps;
pub mod roofline;
pub mod room;

use std::sync::Arc;

pub use known_steps::KnownSteps;

use crate::scenario::{Performance, Role, Scenario};
use crate::units::SimDuration;

/// The scenario with every rank's KV capacity: what it states, or what the memory leaves.
///
/// # Errors
/// Where the model does not fit an accelerator's memory, in whatever pool. Models of step times that are given
/// know nothing of memory.
pub fn with_capacities(scenario: &Scenario) -> Result<Scenario, String> {
    let whole = scenario.clone();
    let Performance::Roofline(roofline) = &scenario.performance else {
        return Ok(whole);
    };
    let left = scenario.pools.iter().map(|pool| {
        let tokens = roofline::kv_capacity(roofline, scenario, pool)?;
        let keeps = pool.role != Role::Prefill || scenario.kv_cache.blocks().is_some();
        Ok(keeps.then_some(tokens))
    });
    let left: Vec<Option<u64>> = left.collect::<Result<_, String>>()?;
    Ok(whole.with_capacities(&left))
}

/// What one rank computes in a prefill step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PrefillLoad {
    /// Tokens computed.
    pub tokens: u64,
    /// (query, key) pairs of causal attention: for `c` tokens after a context of `k`,
    /// `c k + c (c + 1) / 2`.
    pub pairs: u64,
}

impl PrefillLoad {
    /// Adds `chunk` tokens that follow `context` tokens already in the cache.
    pub fn add_chunk(&mut self, chunk: u64, context: u64) {
        self.tokens += chunk;
        self.pairs += chunk * context + chunk * (chunk + 1) / 2;
    }

    /// Takes a chunk off that was added.
    pub fn remove_chunk(&mut self, chunk: u64, context: u64) {
        self.tokens -= chunk;
        self.pairs -= chunk * context + chunk * (chunk + 1) / 2;
    }
}

/// What one rank of a mixed pool computes in a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MixedLoad {
    /// Prompts computed by the rank in the step.
    pub prefill: PrefillLoad,
    /// Requests on the rank that decode.
    pub requests: u32,
    /// KV of the requests that decode, in 1/1024 token.
    pub kv_1024: u64,
    /// KV within the windows of layers that have one, in 1/1024 token; 0 where no layer has a window.
    pub window_1024: u64,
    /// Prompts of which tokens are computed.
    pub chunks: u32,
    /// Prompts of requests that have just joined, of which tokens are computed.
    pub joins: u32,
}

impl MixedLoad {
    /// Adds `chunk` tokens of a prompt that follow `context` tokens in the cache; `joins`: the request has just
    /// joined.
    pub fn add_chunk(&mut self, chunk: u64, context: u64, joins: bool) {
        self.prefill.add_chunk(chunk, context);
        self.chunks += u32::from(chunk > 0);
        self.joins += u32::from(joins);
    }
}

/// What the ranks of a unit hold in a decode step, rank by rank.
#[derive(Clone, Copy, Debug, Default)]
pub struct DecodeLoads<'a> {
    /// Requests on each rank.
    pub requests: &'a [u32],
    /// KV that each rank's requests hold, in 1/1024 token.
    pub kv_1024: &'a [u64],
    /// KV within the windows of layers that have one, by rank, in 1/1024 token; empty where no layer has a window.
    pub window_1024: &'a [u64],
}

/// A rank's own part of a decode step laid out: one line for each number of requests.
#[derive(Clone, Debug)]
pub struct OwnLines {
    /// Time by the number of requests, without KV, in ps.
    base: Vec<u64>,
    /// Slope for each 1/1024 token of KV, in 2^-bits ps.
    kv: u64,
    /// Slope for each 1/1024 token of KV within windows, in 2^-bits ps.
    window: u64,
    bits: u32,
}

impl OwnLines {
    /// A rank's own part of a decode step, as [`StepTimes::decode_own`] says it, in ps.
    #[inline]
    pub fn at(&self, requests: u32, kv_1024: u64, window_1024: u64) -> u64 {
        self.base(requests) + self.over(kv_1024) + ((window_1024 * self.window) >> self.bits)
    }

    /// The line's beginning: a rank's own part for `requests` requests without KV, in ps.
    #[inline]
    pub fn base(&self, requests: u32) -> u64 {
        self.base[(requests as usize).min(self.base.len() - 1)]
    }

    /// What KV adds to a rank's own part, none of it within windows, in ps.
    #[inline]
    pub fn over(&self, kv_1024: u64) -> u64 {
        (kv_1024 * self.kv) >> self.bits
    }
}

/// The scenario's model of step times, compiled.
#[derive(Clone, Debug)]
pub enum StepTimes {
    /// A model of constant coefficients.
    Linear(linear::LinearModel),
    /// A roofline model: kernels, networks and host from first principles.
    Roofline(Arc<roofline::Compiled>),
    /// A profile of measured points.
    Table(Arc<profile_steps::CompiledProfile>),
}

impl StepTimes {
    /// Compiles the scenario's model. Fails where a full rank's step would not fit the clock.
    pub fn compile(scenario: &Scenario) -> Result<Self, String> {
        Self::compile_knowing(scenario, &KnownSteps::default())
    }

    /// Compiles the scenario's model where some tables are known and need not be made again.
    ///
    /// # Errors
    /// As for [`StepTimes::compile`].
    pub fn compile_knowing(scenario: &Scenario, known: &KnownSteps) -> Result<Self, String> {
        match &scenario.performance {
            Performance::Linear(model) => {
                linear::LinearModel::compile(model, scenario).map(Self::Linear)
            }
            Performance::Roofline(model) => {
                let question = roofline::RooflineQuestion::of(model, scenario);
                let compiled = known.compiled(question.ok_or(roofline::UNKNOWN)?);
                compiled.map(Self::Roofline)
            }
            Performance::Table(profile) => Ok(Self::Table(Arc::new(
                profile_steps::CompiledProfile::new(profile),
            ))),
        }
    }

    /// The time of a prefill step: the longest rank's own part and what the unit's total takes.
    pub fn prefill_step(&self, ranks: &[PrefillLoad]) -> SimDuration {
        match self {
            Self::Linear(model) => model.prefill_step(ranks),
            Self::Roofline(model) => model.prefill_step(ranks),
            Self::Table(model) => model.prefill_step(ranks),
        }
    }

    /// The time of a step of a mixed pool over these ranks.
    pub fn mixed_step(&self, ranks: &[MixedLoad]) -> SimDuration {
        match self {
            Self::Linear(model) => model.mixed_step(ranks),
            Self::Roofline(model) => model.mixed_step(ranks),
            Self::Table(model) => model.mixed_step(ranks),
        }
    }

    /// The time of a decode step over these ranks.
    pub fn decode_step(&self, ranks: DecodeLoads<'_>) -> SimDuration {
        match self {
            Self::Linear(model) => model.decode_step(ranks),
            Self::Roofline(model) => model.decode_step(ranks),
            Self::Table(model) => model.decode_step(ranks),
        }
    }

    /// What a rank computes by itself in a prefill step, as one batch, in ps: its routed experts and all
    /// communication aside.
    pub fn prefill_own(&self, load: PrefillLoad) -> u64 {
        match self {
            Self::Linear(model) => model.prefill_own(load),
            Self::Roofline(model) => model.prefill_own(load),
            Self::Table(model) => model.prefill_own(load),
        }
    }

    /// What a rank computes by itself in a step of a mixed pool, in ps: its routed experts and all communication aside.
    pub fn mixed_own(&self, load: &MixedLoad) -> u64 {
        match self {
            Self::Linear(model) => model.mixed_own(load),
            Self::Roofline(model) => model.mixed_own(load),
            Self::Table(model) => model.mixed_own(load),
        }
    }

    /// What a rank computes by itself in a decode step, in ps, holding `requests` requests, their KV and what of
    /// it lies within windows: its routed experts and all communication aside.
    #[inline]
    pub fn decode_own(&self, requests: u32, kv_1024: u64, window_1024: u64) -> u64 {
        match self {
            Self::Linear(model) => model.decode_own(requests, kv_1024),
            Self::Roofline(model) => model.decode_own(requests, kv_1024, window_1024),
            Self::Table(model) => model.decode_own(requests, kv_1024),
        }
    }

    /// [`StepTimes::decode_own`] laid out for up to `most` requests; `None`: it is not made of lines.
    pub fn decode_lines(&self, most: u32) -> Option<OwnLines> {
        match self {
            Self::Linear(model) => Some(model.decode_lines(most)),
            Self::Roofline(model) => model.decode_lines(most),
            Self::Table(_) => None,
        }
    }

    /// Work of prompts that are not in any batch yet, in ps of one rank: these tokens and (query, key) pairs
    /// at the pace of a full batch.
    pub fn prefill_work(&self, tokens: u64, pairs: u64) -> u64 {
        match self {
            Self::Linear(model) => model.prefill_work(tokens, pairs),
            Self::Roofline(model) => model.prefill_work(tokens, pairs),
            Self::Table(model) => model.prefill_work(tokens, pairs),
        }
    }
}
