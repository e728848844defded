//! Step times from first principles: architecture, data sheet, parallelism, and the constants of an engine.
//!
//! `kernel` says how long operations and bytes take; `attention`, `ffn` and `network` are the parts
//! of a layer, `experts` how unevenly its tokens fall; `unit` is who shares what; `step` puts a step
//! together, as lines over what attention runs over; `table` and `mixed` are their integer look-up
//! tables, which are all that the engine sees. `memory` says what is left for KV.
//!
//! Modelled: GEMMs, grouped GEMMs, latent and grouped attention with windows, element-wise kernels, gate,
//! logits and sampling; tensor, data, expert and pipeline parallelism; all-reduce, dispatch and combine
//! inside and between nodes; two-batch overlap in prefill and the five-stage overlap in decode, or one
//! batch, whichever is quicker; drafts; expert imbalance; the host. Every constant has a name, a value, a
//! unit and a source in the catalog.
//!
//! Ignored: tiles and waves (a step-wise curve is taken as smooth), clocks that vary, congestion between
//! units, stragglers other than by load, and the difference between InfiniBand and RoCE. A pipeline's
//! stages are taken as evenly filled: a step passes all layers with one stage's part of the batch.

mod attention;
pub mod experts;
pub mod explain;
mod ffn;
mod kernel;
pub mod memory;
mod mixed;
mod network;
pub mod step;
mod table;
pub mod unit;

use super::{DecodeLoads, MixedLoad, PrefillLoad};
use crate::scenario::{Pool, Role, Roofline, Scenario};
use crate::units::SimDuration;
use mixed::MixedTable;
use table::{DecodeTable, PrefillTable};
use unit::Unit;

/// The compiled model: tables of the pools that there are.
#[derive(Clone, Debug, Default)]
pub struct Compiled {
    prefill: Option<PrefillTable>,
    decode: Option<DecodeTable>,
    mixed: Option<MixedTable>,
}

impl Compiled {
    /// Compiles the tables of a scenario's pools.
    ///
    /// # Errors
    /// Where a full rank's step would not fit the clock.
    pub fn new(roofline: &Roofline, scenario: &Scenario) -> Result<Self, String> {
        let mut compiled = Self::default();
        for pool in &scenario.pools {
            let unit = Unit::of(scenario, pool, roofline)
                .ok_or("the model's architecture or the accelerator's data sheet is not known")?;
            let of_pool = |why: String| format!("pool `{}`: {why}", pool.name);
            match pool.role {
                Role::Prefill => {
                    compiled.prefill = Some(prefill(&unit, scenario, pool).map_err(of_pool)?);
                }
                Role::Decode => {
                    let modes = |n| unit.decode_modes(n);
                    let table = DecodeTable::new(pool.max_batch_requests, kv_tokens(pool), modes);
                    compiled.decode = Some(table.map_err(of_pool)?);
                }
                Role::Mixed => {
                    let table =
                        MixedTable::new(&unit, pool, kv_tokens(pool), most_pairs(scenario, pool));
                    compiled.mixed = Some(table.map_err(of_pool)?);
                }
            }
        }
        Ok(compiled)
    }

    /// A prefill step over these ranks.
    pub fn prefill_step(&self, ranks: &[PrefillLoad]) -> SimDuration {
        self.prefill.as_ref().map_or(NO_STEP, |t| t.step(ranks))
    }

    /// A decode step over these ranks.
    #[inline]
    pub fn decode_step(&self, ranks: DecodeLoads<'_>) -> SimDuration {
        self.decode
            .as_ref()
            .map_or(NO_STEP, |t| t.step(ranks.requests, ranks.kv_1024))
    }

    /// What a rank computes by itself in a prefill step, in ps.
    pub fn prefill_own(&self, load: PrefillLoad) -> u64 {
        self.prefill.as_ref().map_or(0, |t| t.own(load))
    }

    /// The same in a decode step.
    #[inline]
    pub fn decode_own(&self, requests: u32, kv_1024: u64, _window_1024: u64) -> u64 {
        self.decode.as_ref().map_or(0, |t| t.own(requests, kv_1024))
    }

    /// The same in a mixed step.
    pub fn mixed_own(&self, load: &MixedLoad) -> u64 {
        self.mixed.as_ref().map_or(0, |t| t.own(load))
    }

    /// Work of prompts that are in no batch yet, in ps of one rank.
    pub fn prefill_work(&self, tokens: u64, pairs: u64) -> u64 {
        let prefill = self.prefill.as_ref().map(|t| t.work(tokens, pairs));
        prefill
            .or(self.mixed.as_ref().map(|t| t.work(tokens, pairs)))
            .unwrap_or(0)
    }

    /// A mixed step over these ranks.
    pub fn mixed_step(&self, ranks: &[MixedLoad]) -> SimDuration {
        self.mixed.as_ref().map_or(NO_STEP, |t| t.step(ranks))
    }
}

/// Most KV tokens that a rank can count.
const KV_TOKENS_MAX: f64 = ((1 << 28) - 1) as f64;

fn kv_tokens(pool: &Pool) -> u64 {
    pool.kv_capacity_tokens.unwrap_or(0)
}

/// Memory of one accelerator of a pool, for its largest step.
pub fn memory_of(unit: &Unit<'_>, scenario: &Scenario, pool: &Pool) -> memory::Memory {
    let requests = f64::from(pool.max_batch_requests.min(1_024));
    let tokens = f64::from(pool.max_batch_tokens).max(requests * unit.queries);
    let bytes = scenario.node.gpu.usable_bytes as f64;
    unit.memory(&scenario.kv, bytes, tokens, requests)
}

/// KV tokens that a rank of a pool holds beside weights and activations, while every layer holds them all.
///
/// # Errors
/// Where the model does not fit, or, in a prefill pool, the KV of a full batch does not.
pub fn kv_capacity(roofline: &Roofline, scenario: &Scenario, pool: &Pool) -> Result<u64, String> {
    let unit = Unit::of(scenario, pool, roofline).ok_or("nothing is known of the hardware")?;
    let memory = memory_of(&unit, scenario, pool);
    let is_stated = pool.kv_capacity_tokens.is_some();
    let overfull = if is_stated {
        memory.weights > memory.total
    } else {
        memory.kv < memory.kv_per_token
    };
    let gb = |bytes: f64| format!("{:.1} GB", bytes / 1e9);
    if overfull {
        let over = if is_stated {
            memory.weights - memory.total
        } else {
            -memory.kv
        };
        let activations = if memory.activations > 0.0 {
            format!(", {} of activations", gb(memory.activations))
        } else {
            String::new()
        };
        let gpus = pool.gpus_per_replica();
        return Err(format!(
            "pool `{}`: {} does not fit: a copy on {gpus} {} puts {} of weights, {} of runtime{activations} on each, \
             and the engine leaves {} of {} free: {} too much; spread a copy over more accelerators \
             (`gpus_per_unit`, `nodes_per_unit`, `parallelism`), keep weights in fewer bits \
             (`performance.precision`), or take accelerators with more memory",
            pool.name,
            scenario.model.name,
            if gpus == 1 {
                "accelerator"
            } else {
                "accelerators"
            },
            gb(memory.weights),
            gb(memory.runtime),
            gb(memory.unused),
            gb(memory.total),
            gb(over.max(0.0)),
        ));
    }
    let tokens = memory.kv_tokens().min(KV_TOKENS_MAX);
    if pool.role == Role::Prefill && tokens < f64::from(pool.max_batch_tokens) {
        return Err(format!(
            "pool `{}`: a batch of {} tokens does not fit: beside {} of weights {} are left for KV on an \
             accelerator of {}, {tokens} tokens a rank; lower `max_batch_tokens`, or spread a copy over more \
             accelerators",
            pool.name,
            pool.max_batch_tokens,
            gb(memory.weights),
            gb(memory.kv),
            gb(memory.total),
        ));
    }
    Ok(tokens as u64)
}

/// Of a pool that is not there.
const NO_STEP: SimDuration = SimDuration(1);

fn prefill(unit: &Unit<'_>, scenario: &Scenario, pool: &Pool) -> Result<PrefillTable, String> {
    let mean = unit::prompt_tokens(scenario);
    PrefillTable::new(
        u64::from(pool.max_batch_tokens),
        most_pairs(scenario, pool),
        |tokens| unit.prefill_modes(tokens, (tokens / mean).max(1.0)),
    )
}

/// (Query, key) pairs of a full batch of the longest prompts.
fn most_pairs(scenario: &Scenario, pool: &Pool) -> f64 {
    let longest = scenario.classes.iter().map(|c| c.input.max).max();
    let pairs = f64::from(pool.max_batch_tokens) * f64::from(longest.unwrap_or(1));
    pool.max_batch_pairs
        .map_or(pairs, |most| pairs.min(most as f64))
}
