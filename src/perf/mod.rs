//! Step times: how long a unit's step lasts, given what its ranks hold.
//!
//! The engine asks how long a step over all ranks of a unit lasts, and what a rank computes by itself in it
//! (rule S7). [`StepTimes`] is compiled from a scenario before the run into integers, so that the same step
//! lasts the same nanoseconds on every machine. There are three models: [`linear`], its
//! coefficients in the scenario, [`roofline`], from first principles, and [`profile_steps`], from measured points.
//! Another one becomes another variant here, and nothing in the cluster changes.

pub mod linear;
pub mod profile_steps;
pub mod roofline;
pub mod room;

use std::sync::Arc;

use crate::scenario::{Performance, Role, Scenario};
use crate::units::SimDuration;

/// The same scenario with every rank's KV capacity: what it states, or what the memory leaves.
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
        Ok((pool.role != Role::Prefill).then_some(tokens))
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

/// What one rank of a mixed pool does in a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MixedLoad {
    /// Prompts computed.
    pub prefill: PrefillLoad,
    /// Requests that decode.
    pub requests: u32,
    /// KV that they hold, in 1/1024 token.
    pub kv_1024: u64,
    /// KV within the windows of layers that have one, in 1/1024 token; 0 where no layer has a window.
    pub window_1024: u64,
    /// Prompts of which tokens are computed.
    pub chunks: u32,
    /// Of them, those of requests that have just joined.
    pub joins: u32,
}

impl MixedLoad {
    /// Adds `chunk` tokens of a prompt that follow `context` tokens in the cache; of a request that has just
    /// joined, or not.
    pub fn add_chunk(&mut self, chunk: u64, context: u64, joins: bool) {
        self.prefill.add_chunk(chunk, context);
        self.chunks += u32::from(chunk > 0);
        self.joins += u32::from(joins);
    }
}

/// What the ranks of a unit hold in a decode step, rank by rank.
#[derive(Clone, Copy, Debug, Default)]
pub struct DecodeLoads<'a> {
    /// Requests.
    pub requests: &'a [u32],
    /// KV that they hold, in 1/1024 token.
    pub kv_1024: &'a [u64],
    /// KV within the windows of layers that have one, in 1/1024 token; empty where no layer has a window.
    pub window_1024: &'a [u64],
}

/// A rank's own part of a decode step laid out: one line for each number of requests.
#[derive(Clone, Debug)]
pub struct OwnLines {
    /// By requests, in ps.
    base: Vec<u64>,
    /// For each 1/1024 token of KV, and of what of it lies within windows, in 2^-bits ps.
    kv: u64,
    window: u64,
    bits: u32,
}

impl OwnLines {
    /// What [`StepTimes::decode_own`] says.
    #[inline]
    pub fn at(&self, requests: u32, kv_1024: u64, window_1024: u64) -> u64 {
        self.base(requests) + self.over(kv_1024) + ((window_1024 * self.window) >> self.bits)
    }

    /// The line's beginning: so many requests without KV, in ps.
    #[inline]
    pub fn base(&self, requests: u32) -> u64 {
        self.base[(requests as usize).min(self.base.len() - 1)]
    }

    /// The line over so much KV, none of it within windows, in ps.
    #[inline]
    pub fn over(&self, kv_1024: u64) -> u64 {
        (kv_1024 * self.kv) >> self.bits
    }
}

/// Step times, compiled.
#[derive(Clone, Debug)]
pub enum StepTimes {
    /// Constant coefficients.
    Linear(linear::LinearModel),
    /// First principles.
    Roofline(Arc<roofline::Compiled>),
    /// Measured points.
    Table(Arc<profile_steps::CompiledProfile>),
}

impl StepTimes {
    /// Compiles the scenario's model. Fails where a full rank's step would not fit the clock.
    pub fn compile(scenario: &Scenario) -> Result<Self, String> {
        match &scenario.performance {
            Performance::Linear(model) => {
                linear::LinearModel::compile(model, scenario).map(Self::Linear)
            }
            Performance::Roofline(model) => roofline::Compiled::new(model, scenario)
                .map(Arc::new)
                .map(Self::Roofline),
            Performance::Table(profile) => Ok(Self::Table(Arc::new(
                profile_steps::CompiledProfile::new(profile),
            ))),
        }
    }

    /// A prefill step over these ranks: the longest rank's own part and what the unit's total takes.
    pub fn prefill_step(&self, ranks: &[PrefillLoad]) -> SimDuration {
        match self {
            Self::Linear(model) => model.prefill_step(ranks),
            Self::Roofline(model) => model.prefill_step(ranks),
            Self::Table(model) => model.prefill_step(ranks),
        }
    }

    /// A step of a mixed pool over these ranks.
    pub fn mixed_step(&self, ranks: &[MixedLoad]) -> SimDuration {
        match self {
            Self::Linear(model) => model.mixed_step(ranks),
            Self::Roofline(model) => model.mixed_step(ranks),
            Self::Table(model) => model.mixed_step(ranks),
        }
    }

    /// A decode step over ranks.
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

    /// The same of a rank in a decode step that holds so many requests, their KV and what of it lies within
    /// windows.
    #[inline]
    pub fn decode_own(&self, requests: u32, kv_1024: u64, window_1024: u64) -> u64 {
        match self {
            Self::Linear(model) => model.decode_own(requests, kv_1024),
            Self::Roofline(model) => model.decode_own(requests, kv_1024, window_1024),
            Self::Table(model) => model.decode_own(requests, kv_1024),
        }
    }

    /// [`StepTimes::decode_own`] of up to so many requests laid out, where it is made of lines.
    pub fn decode_lines(&self, most: u32) -> Option<OwnLines> {
        match self {
            Self::Linear(model) => Some(model.decode_lines(most)),
            Self::Roofline(model) => model.decode_lines(most),
            Self::Table(_) => None,
        }
    }

    /// Work of prompts that are not in any batch yet, in ps of one rank: so many tokens and (query, key) pairs
    /// at the pace of a full batch.
    pub fn prefill_work(&self, tokens: u64, pairs: u64) -> u64 {
        match self {
            Self::Linear(model) => model.prefill_work(tokens, pairs),
            Self::Roofline(model) => model.prefill_work(tokens, pairs),
            Self::Table(model) => model.prefill_work(tokens, pairs),
        }
    }
}
