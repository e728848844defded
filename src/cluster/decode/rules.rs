//! What every unit of a decode pool has in common.

use std::sync::Arc;

use super::decode_ranks::Joining;
use super::resident::DecodePace;
use crate::cluster::rank_memory::RankMemory;
use crate::cluster::transfer::Link;
use crate::perf::{OwnLines, StepTimes};
use crate::scenario::{Admission, FirstToken, LoadMeasure, Pool, RankBalance, Scenario};
use crate::workload::Request;

/// Rules that all decode units of the pool have in common.
#[derive(Clone, Debug)]
pub struct DecodeRules {
    pub(super) ranks: usize,
    pub(super) memory: RankMemory,
    pub(super) max_batch_requests: u32,
    pub(super) reserving: bool,
    pub(super) balance: RankBalance,
    /// What the router compares.
    pub(super) measure: LoadMeasure,
    pub(super) pace: DecodePace,
    pub(super) migration: Link,
    /// Links through all of a unit's interfaces together, for a handed-over and for a migrating request.
    pub(super) receive: [Link; 2],
    pub(super) host: Link,
    pub(super) times: StepTimes,
    /// Own parts of steps laid out; `None`: they are not compared, or are not made of lines.
    pub(super) lines: Option<Arc<OwnLines>>,
}

impl DecodeRules {
    pub(super) fn new(scenario: &Scenario, pool: &Pool, times: StepTimes) -> Self {
        let start_1024 = match scenario.first_token {
            FirstToken::Prefill => 1024,
            FirstToken::Decode => 0,
        };
        Self {
            ranks: pool.ranks as usize,
            memory: RankMemory::new(scenario, pool),
            max_batch_requests: pool.max_batch_requests,
            reserving: pool.admission == Admission::Reserve,
            balance: pool.balance,
            measure: pool.router.measure(pool.role),
            pace: DecodePace {
                start_1024,
                per_step_1024: u64::from(scenario.mtp.progress_1024),
            },
            migration: Link::migration(scenario, pool),
            receive: Link::receivers(scenario, pool),
            host: Link::host(scenario, pool),
            lines: match pool.balance {
                RankBalance::Time => times.decode_lines(pool.max_batch_requests).map(Arc::new),
                RankBalance::Tokens | RankBalance::Kv | RankBalance::Requests => None,
            },
            times,
        }
    }

    /// What a request with this progress takes of a rank, as it joins or leaves it.
    #[inline]
    pub(super) fn joining(&self, request: &Request, progress_1024: u64) -> Joining {
        let reserve = if self.reserving {
            let progress = self.pace.progress_done_1024(request);
            let most = self.pace.held_1024(request, progress);
            self.memory.of_request(most)
        } else {
            0
        };
        Joining {
            held_1024: self.pace.held_1024(request, progress_1024),
            reserve,
        }
    }
}
