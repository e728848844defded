//! Step times from first principles: architecture, data sheet, parallelism, and the constants of an engine.
//!
//! `kernel` says how long operations and bytes take; `attention`, `ffn` and `network` are the parts
//! of a layer, `experts` how unevenly its tokens fall; `unit` is who shares what; `step` puts a step
//! together from what hangs on a rank's own load and what hangs on all ranks' tokens, and `meet` says how
//! the two make a step; `table` and `mixed` are integer look-up tables, which are all that the engine sees.
//! `memory` says what is left for KV.
//!
//! Modelled: GEMMs, grouped GEMMs, latent, grouped and linear attention with windows, element-wise kernels, gate,
//! logits and sampling; tensor, data, expert and pipeline parallelism; ranks that meet at every exchange, so
//! that one that has more to do holds up the others by its own part and not by more; all-reduce inside scale-up
//! domains, between those of a node (over the hosts' links) and between nodes (over the network); the stream
//! between pipeline stages; dispatch and combine inside and between nodes, or the gathering of all ranks'
//! tokens where every accelerator has a part of every expert; two-batch overlap in prefill and the five-stage
//! overlap in decode, or one batch, whichever is quicker; drafts (their layer and head are passed once for each
//! draft, over as many tokens as the step verifies); expert imbalance; the host. Every constant has a name, a
//! value, a unit and a source in the catalog.
//!
//! Ignored: tiles and waves (a step-wise curve is taken as smooth), clocks that vary, congestion between
//! units, stragglers other than by load, and the difference between InfiniBand and RoCE. A pipeline's
//! stages are taken as evenly filled: a step passes all layers with one stage's part of the batch. Over
//! prompts, layers with a window attend to what the scenario's mean prompt attends to. Drafts are left out of
//! prefill pools, and in steps of mixed pools that have prompts all passes but the first.

mod attention;
pub mod experts;
mod ffn;
mod kernel;
mod launches;
pub mod links;
mod meet;
pub mod memory;
mod mixed_step;
mod network;
mod roofline_table;
#[cfg(test)]
mod roofline_tests;
pub mod step;
pub mod step_parts;
pub mod unit_shape;

use super::{DecodeLoads, KnownSteps, MixedLoad, OwnLines, PrefillLoad};
use crate::catalog::{Architecture, Gpu};
use crate::scenario::{Pool, Role, Roofline, Router, Scenario, Schedule};
use crate::units::SimDuration;
use mixed_step::MixedTable;
use roofline_table::{DecodeTable, PrefillTable};
use unit_shape::{MeanPrompts, RooflineUnit};

/// KV of a rank, in 1/1024 token.
#[derive(Clone, Copy, Debug, Default)]
struct Kv1024 {
    /// KV of the rank's requests.
    tokens: u64,
    /// KV of the rank's requests that lies within windows.
    window: u64,
}

/// The compiled model: tables of the pools that there are.
#[derive(Clone, Debug, Default)]
pub struct Compiled {
    prefill: Option<PrefillTable>,
    decode: Option<DecodeTable>,
    mixed: Option<MixedTable>,
}

/// All that compiled tables are made from: equal questions, equal tables.
#[derive(Clone, Debug, PartialEq)]
pub struct RooflineQuestion {
    roofline: Roofline,
    model: Architecture,
    gpu: Gpu,
    drafts: u32,
    prompts: MeanPrompts,
    /// Tokens of the longest prompt.
    longest: u32,
    pools: Vec<Pool>,
}

impl RooflineQuestion {
    /// The question of a scenario; `None` where the model's architecture is not known. How many units a pool has, and
    /// when, and who sends requests to them, is left out of it: a step knows nothing of that.
    pub fn of(roofline: &Roofline, scenario: &Scenario) -> Option<Self> {
        let plain = |pool: &Pool| Pool {
            schedule: Schedule::constant(1),
            router: Router::RoundRobin,
            report_interval: SimDuration::ZERO,
            max_queue_requests: None,
            ..pool.clone()
        };
        let longest = scenario.classes.iter().map(|c| c.input.max).max();
        Some(Self {
            roofline: roofline.clone(),
            model: scenario.model.architecture?,
            gpu: scenario.node.gpu.clone(),
            drafts: scenario.mtp.drafts,
            prompts: MeanPrompts::of(scenario),
            longest: longest.unwrap_or(1),
            pools: scenario.pools.iter().map(plain).collect(),
        })
    }

    /// A pool's unit; `None` where the accelerator's data sheet is not known.
    fn unit(&self, pool: &Pool) -> Option<RooflineUnit<'_>> {
        let hardware = (&self.model, &self.gpu);
        RooflineUnit::of_pool(pool, hardware, &self.roofline, self.drafts, self.prompts)
    }

    /// (Query, key) pairs of a full batch of the longest prompts.
    fn most_pairs(&self, pool: &Pool) -> f64 {
        let pairs = f64::from(pool.max_batch_tokens) * f64::from(self.longest);
        pool.max_batch_pairs
            .map_or(pairs, |most| pairs.min(most as f64))
    }
}

impl Compiled {
    /// Compiles the tables of a question's pools.
    ///
    /// # Errors
    /// Where a full rank's step would not fit the clock.
    pub fn new(question: &RooflineQuestion, known: &KnownSteps) -> Result<Self, String> {
        let mut compiled = Self::default();
        for pool in &question.pools {
            let unit = question.unit(pool).ok_or(UNKNOWN)?;
            let of_pool = |why: String| format!("pool `{}`: {why}", pool.name);
            if pool.role != Role::Prefill {
                unit.spread.decode.look_up(|key| known.imbalance(key));
            }
            if pool.role != Role::Decode {
                unit.spread.prefill.look_up(|key| known.imbalance(key));
            }
            let prompts = (question.most_pairs(pool), question.prompts.computed);
            match pool.role {
                Role::Prefill => {
                    let tokens = u64::from(pool.max_batch_tokens);
                    let table = PrefillTable::new(&unit, tokens, prompts.0, prompts.1);
                    compiled.prefill = Some(table.map_err(of_pool)?);
                }
                Role::Decode => {
                    let table = DecodeTable::new(&unit, pool.max_batch_requests, kv_tokens(pool));
                    compiled.decode = Some(table.map_err(of_pool)?);
                }
                Role::Mixed => {
                    let table = MixedTable::new(&unit, pool, kv_tokens(pool), prompts);
                    compiled.mixed = Some(table.map_err(of_pool)?);
                }
            }
        }
        Ok(compiled)
    }

    /// The time of a prefill step over these ranks.
    pub fn prefill_step(&self, ranks: &[PrefillLoad]) -> SimDuration {
        self.prefill.as_ref().map_or(NO_STEP, |t| t.step(ranks))
    }

    /// The time of a decode step over these ranks.
    #[inline]
    pub fn decode_step(&self, ranks: DecodeLoads<'_>) -> SimDuration {
        self.decode.as_ref().map_or(NO_STEP, |t| t.step(ranks))
    }

    /// What a rank computes by itself in a prefill step, in ps.
    pub fn prefill_own(&self, load: PrefillLoad) -> u64 {
        self.prefill.as_ref().map_or(0, |t| t.own(load))
    }

    /// What a rank computes by itself in a decode step, in ps.
    #[inline]
    pub fn decode_own(&self, requests: u32, kv_1024: u64, window_1024: u64) -> u64 {
        let kv = Kv1024 {
            tokens: kv_1024,
            window: window_1024,
        };
        match (&self.decode, &self.mixed) {
            (Some(table), _) => table.own(requests, kv),
            (None, Some(table)) => table.own(&MixedLoad {
                requests,
                kv_1024,
                window_1024,
                ..MixedLoad::default()
            }),
            (None, None) => 0,
        }
    }

    /// [`Compiled::decode_own`] of a decode pool, laid out for up to `most` requests; `None`: there is no such pool.
    pub fn decode_lines(&self, most: u32) -> Option<OwnLines> {
        self.decode.as_ref().map(|table| table.lines(most))
    }

    /// What a rank computes by itself in a mixed step, in ps.
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

    /// The time of a mixed step over these ranks.
    pub fn mixed_step(&self, ranks: &[MixedLoad]) -> SimDuration {
        self.mixed.as_ref().map_or(NO_STEP, |t| t.step(ranks))
    }
}

/// Most KV tokens that a rank can count.
const KV_TOKENS_MAX: f64 = ((1 << 28) - 1) as f64;

fn kv_tokens(pool: &Pool) -> u64 {
    pool.kv_capacity_tokens.unwrap_or(0)
}

/// Memory of one accelerator of a pool, for the pool's largest step.
pub fn memory_of(
    unit: &RooflineUnit<'_>,
    scenario: &Scenario,
    pool: &Pool,
) -> memory::AcceleratorMemory {
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
    let unit =
        RooflineUnit::of(scenario, pool, roofline).ok_or("nothing is known of the hardware")?;
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

/// The time of a step in a pool that does not exist.
const NO_STEP: SimDuration = SimDuration(1);

/// Why there is no unit to compile.
pub const UNKNOWN: &str = "the model's architecture or the accelerator's data sheet is not known";
