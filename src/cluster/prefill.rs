//! The prefill pool (S7): arrivals are routed to units, wait by priority, and are computed in batches.
//!
//! The pool is an [`Intake`](super::intake::Intake); a unit is in `prefill_unit.rs`, with the forming of its batches.
//! The rank that gets a request is the one with the fewest tokens in the batch among those with a free place; forming
//! stops where there is none. Requests that finish in one step leave in order of id. Chunked prefill across steps is
//! modelled, and so are prefix caches (`prefill_cache.rs`), where hits are not drawn with the request. A request that has lost its KV in decode
//! comes again, and its prompt is then its input and all that it has emitted.

mod prefill_cache;
mod prefill_unit;

use super::levels::Levels;
use super::prefix::PrefixRules;
use super::rank_memory::RankMemory;
use super::transfer::Link;
use crate::perf::StepTimes;
use crate::scenario::{FirstToken, LoadMeasure, Pool, RankBalance, Scenario};

pub use prefill_unit::PrefillUnit;
/// What every prefill unit of the pool has in common.
#[derive(Clone, Debug)]
pub struct PrefillRules {
    ranks: usize,
    max_batch_tokens: u32,
    max_batch_pairs: u64,
    /// Most own time of a rank in a batch, in ps; `None`: no limit.
    max_batch_ps: Option<u64>,
    max_batch_requests: u32,
    levels: Levels,
    balance: RankBalance,
    /// What the router compares.
    measure: LoadMeasure,
    /// Whether first tokens leave from prefill (S8).
    emits: bool,
    handover: Link,
    times: StepTimes,
    /// Memory of a rank, which prompts and what is kept of others share.
    memory: RankMemory,
    /// Rules of prefix caches; `None`: hits were drawn.
    prefix: Option<PrefixRules>,
}

impl PrefillRules {
    fn new(scenario: &Scenario, pool: &Pool, times: StepTimes) -> Self {
        let memory = RankMemory::new(scenario, pool);
        Self {
            prefix: PrefixRules::new(scenario, memory.of_token()),
            memory,
            ranks: pool.ranks as usize,
            max_batch_tokens: pool.max_batch_tokens,
            max_batch_pairs: pool.max_batch_pairs.unwrap_or(u64::MAX),
            max_batch_ps: pool.max_batch_time.map(|t| t.0.saturating_mul(1000)),
            max_batch_requests: pool.max_batch_requests,
            levels: Levels::new(scenario),
            balance: pool.balance,
            measure: pool.router.measure(pool.role),
            emits: scenario.first_token == FirstToken::Prefill || scenario.pools.len() == 1,
            handover: Link::handover(scenario, pool),
            times,
        }
    }
}
