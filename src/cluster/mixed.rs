//! The mixed pool (S17): units that compute prompts and generate tokens in the same steps, as aggregated
//! servers do.
//!
//! The pool is an [`Intake`](super::intake::Intake). A unit (`mixed_unit.rs`) forms a batch at every step boundary
//! (`batch.rs`): the requests that decode, the rest of prompts that were cut, and then the queue's, chunk by chunk,
//! within `max_batch_tokens` per rank. A request is on one rank from its admission to its end, and from admission on
//! holds the KV that it will hold when its prefill ends (`mixed_ranks.rs`). Where a rank's growth would exceed its
//! memory, the latest joined leaves and recomputes what it had: its prompt is then its input and all that it has
//! emitted, and the end of that recomputation emits what a decode step emits. KV comes in no pages, and there is no
//! transfer: at a release too, everything recomputes elsewhere.

mod batch;
mod mixed_cache;
mod mixed_ranks;
mod mixed_unit;
mod mixed_unit_load;
mod request;
mod step_turns;

use super::decode::resident::DecodePace;
use super::levels::Levels;
use super::prefix::PrefixRules;
use super::rank_memory::RankMemory;
use crate::perf::StepTimes;
use crate::scenario::{Admission, Batching, LoadMeasure, Pool, RankBalance, Scenario};

pub use mixed_unit::MixedUnit;
/// What every mixed unit of the pool has in common.
#[derive(Clone, Debug)]
pub struct MixedRules {
    ranks: usize,
    max_batch_tokens: u32,
    max_batch_requests: u32,
    memory: RankMemory,
    reserving: bool,
    balance: RankBalance,
    batching: Batching,
    look_ahead: bool,
    /// Number of steps of which one computes prompts, at most, while anybody decodes.
    prefill_every: u32,
    /// Number of steps of which one takes in newcomers, at least.
    receive_every: u32,
    /// Most steps in a row in which prompts wait for a fuller batch.
    batch_wait_steps: u32,
    /// Tokens of a step with which prompts wait no longer.
    batch_wait_tokens: u64,
    measure: LoadMeasure,
    pace: DecodePace,
    /// Tokens that a decoding request adds to a batch: one, and its drafts.
    tokens_per_decode: u32,
    levels: Levels,
    times: StepTimes,
    /// Rules of prefix caches; `None`: hits were drawn.
    prefix: Option<PrefixRules>,
}

impl MixedRules {
    fn new(scenario: &Scenario, pool: &Pool, times: StepTimes) -> Self {
        let memory = RankMemory::new(scenario, pool);
        Self {
            prefix: PrefixRules::new(scenario, memory.of_token()),
            ranks: pool.ranks as usize,
            max_batch_tokens: pool.max_batch_tokens,
            max_batch_requests: pool.max_batch_requests,
            memory,
            reserving: pool.admission == Admission::Reserve,
            batching: pool.batching,
            look_ahead: pool.look_ahead,
            prefill_every: pool.prefill_every,
            receive_every: pool.receive_every,
            batch_wait_steps: pool.batch_wait_steps,
            batch_wait_tokens: u64::from(pool.batch_wait_tokens),
            balance: pool.balance,
            measure: pool.router.measure(pool.role),
            // first tokens leave as prompts end
            pace: DecodePace {
                start_1024: 1024,
                per_step_1024: u64::from(scenario.mtp.progress_1024),
            },
            tokens_per_decode: 1 + scenario.mtp.drafts,
            levels: Levels::new(scenario),
            times,
        }
    }
}
