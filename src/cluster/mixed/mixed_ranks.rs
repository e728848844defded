//! The ranks of one mixed unit: who is on each, and the KV that they hold.

use super::MixedRules;
use crate::perf::MixedLoad;
use crate::scenario::RankBalance;
use crate::workload::Request;

/// One rank of a mixed unit.
#[derive(Clone, Copy, Debug, Default)]
pub struct MixedRank {
    /// Requests that decode.
    pub decoding: u32,
    /// Requests whose prompt is being computed.
    pub prefilling: u32,
    /// KV held by all requests of the rank, in 1/1024 token.
    pub kv_1024: u64,
    /// KV held by requests whose prompt is being computed, in 1/1024 token.
    pub prefill_kv_1024: u64,
    /// KV that lies within windows, in 1/1024 token.
    pub window_1024: u64,
    /// KV within windows of requests whose prompt is being computed, in 1/1024 token.
    pub prefill_window_1024: u64,
    /// Requests that decode whose part within the window still grows.
    pub growing: u32,
    /// Memory that the rank's requests will ever take; only `reserve` asks.
    pub reserved: u64,
    /// Memory that requests hold together, beyond what each block takes once: it is held once.
    pub shared: u64,
    /// Tokens that this step's batch has room for.
    pub room: u32,
}

/// What one request takes of a rank.
#[derive(Clone, Copy, Debug)]
pub struct Share {
    /// KV that the request holds, in 1/1024 token.
    pub held_1024: u64,
    /// KV of the request that lies within the window, in 1/1024 token.
    pub within_1024: u64,
    /// Memory that the request will ever take; only `reserve` asks.
    pub reserve: u64,
}

impl Share {
    /// The share of a request that holds `held_1024`
    /// 1024 tokens.
    pub fn new(request: &Request, held_1024: u64, rules: &MixedRules) -> Self {
        let reserve = if rules.reserving {
            let progress = rules.pace.progress_done_1024(request);
            let most = rules.pace.held_1024(request, progress);
            rules.memory.of_request(most)
        } else {
            0
        };
        Self {
            held_1024,
            within_1024: rules.memory.within(held_1024),
            reserve,
        }
    }
}

/// Why the head of a mixed unit's queue waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MixedRefusal {
    /// Some rank has a place and room in its batch, none has the memory.
    Memory,
    /// Every rank has its most requests.
    Places,
    /// No batch has room for more tokens.
    Budget,
}

impl MixedRank {
    /// Number of requests on the rank.
    pub fn requests(&self) -> u32 {
        self.decoding + self.prefilling
    }

    /// Memory taken on the rank.
    pub fn taken(&self, rules: &MixedRules) -> u64 {
        let requests = u64::from(self.requests());
        let apart = rules.memory.taken(self.kv_1024, self.window_1024, requests);
        apart - self.shared
    }

    /// Memory taken after the growth of the coming step, with more KV, more of it within windows, and more
    /// requests.
    pub fn taken_after_step(&self, [kv, window, requests]: [u64; 3], rules: &MixedRules) -> u64 {
        let p = rules.pace.per_step_1024;
        rules.memory.taken(
            self.kv_1024 + u64::from(self.decoding) * p + kv,
            self.window_1024 + u64::from(self.growing) * p + window,
            u64::from(self.requests()) + requests,
        ) - self.shared
    }

    /// Whether the coming step's growth would exceed the rank's memory.
    pub fn is_overfull(&self, rules: &MixedRules) -> bool {
        !rules.reserving && self.taken_after_step([0; 3], rules) > rules.memory.capacity()
    }

    fn fits(&self, head: &Head, rules: &MixedRules) -> bool {
        let share = &head.share;
        let taken = if rules.reserving {
            self.reserved + share.reserve - self.shared
        } else {
            let more = [share.held_1024, share.within_1024, 1];
            self.taken_after_step(more, rules)
        };
        taken - head.held_already <= rules.memory.capacity()
    }

    /// Grows every request that decodes by a step's progress; what then exceeds a window is taken back as it
    /// is filled. Returns the growth, in 1/1024 token.
    pub fn grow(&mut self, rules: &MixedRules) -> u64 {
        let p = rules.pace.per_step_1024;
        let growth = u64::from(self.decoding) * p;
        self.kv_1024 += growth;
        self.window_1024 += u64::from(self.growing) * p;
        growth
    }

    /// Takes back `over_1024` of a request that decodes and has filled the window in this step.
    pub fn fill_window(&mut self, over_1024: u64) {
        self.window_1024 -= over_1024;
        self.growing -= 1;
    }

    /// Puts a request on the rank whose prefill begins.
    pub fn join(&mut self, share: &Share) {
        self.prefilling += 1;
        self.kv_1024 += share.held_1024;
        self.prefill_kv_1024 += share.held_1024;
        self.window_1024 += share.within_1024;
        self.prefill_window_1024 += share.within_1024;
        self.reserved += share.reserve;
    }

    /// Makes a request that was prefilled one that decodes.
    pub fn begin_decode(&mut self, share: &Share, rules: &MixedRules) {
        self.prefilling -= 1;
        self.decoding += 1;
        self.prefill_kv_1024 -= share.held_1024;
        self.prefill_window_1024 -= share.within_1024;
        self.growing += u32::from(rules.memory.grows(share.held_1024));
    }

    /// Takes a request off whose prompt is being computed.
    pub fn leave_prefill(&mut self, share: &Share) {
        self.prefilling -= 1;
        self.kv_1024 -= share.held_1024;
        self.prefill_kv_1024 -= share.held_1024;
        self.window_1024 -= share.within_1024;
        self.prefill_window_1024 -= share.within_1024;
        self.reserved -= share.reserve;
    }

    /// Takes a request off that decodes.
    pub fn leave_decode(&mut self, share: &Share, rules: &MixedRules) {
        self.decoding -= 1;
        self.kv_1024 -= share.held_1024;
        self.window_1024 -= share.within_1024;
        self.growing -= u32::from(rules.memory.grows(share.held_1024));
        self.reserved -= share.reserve;
    }
}

/// The head of the queue: what it takes, the least tokens for which it joins, and its first chunk.
#[derive(Clone, Copy, Debug)]
pub struct Head {
    pub share: Share,
    /// Least room in the batch, in tokens, with which the head joins.
    pub least: u32,
    /// Tokens of the head to compute.
    pub wanted: u32,
    /// Context tokens before the head's computed ones.
    pub context: u64,
    /// Memory of what the rank's requests hold of the head's prompt already.
    pub held_already: u64,
}

/// What is compared of ranks: the first, then the second, then the third.
type BalanceKey = (u64, u64, u64);

/// The rank that the queue's head joins (S17), among those with a place, room in the batch, and memory. `loads`
/// is the coming step as it stands; it is looked at where times are compared. `head` is the head on each rank.
pub fn choose(
    ranks: &[MixedRank],
    loads: &[MixedLoad],
    head: impl Fn(usize) -> Head,
    rules: &MixedRules,
) -> Result<(usize, Head), MixedRefusal> {
    let mut refusal = MixedRefusal::Places;
    let mut best: Option<(BalanceKey, usize, Head)> = None;
    for (index, rank) in ranks.iter().enumerate() {
        if rank.requests() >= rules.max_batch_requests {
            continue;
        }
        let head = head(index);
        if rank.room < head.least {
            if refusal == MixedRefusal::Places {
                refusal = MixedRefusal::Budget;
            }
            continue;
        }
        if !rank.fits(&head, rules) {
            refusal = MixedRefusal::Memory;
            continue;
        }
        let (kv, requests) = (rank.kv_1024, u64::from(rank.requests()));
        let key = match rules.balance {
            RankBalance::Requests => (requests, kv, 0),
            RankBalance::Time => {
                let mut with = loads[index];
                let chunk = rank.room.min(head.wanted);
                with.add_chunk(u64::from(chunk), head.context, true);
                (rules.times.mixed_own(&with), kv, requests)
            }
            RankBalance::Kv | RankBalance::Tokens => (kv, requests, 0),
        };
        if best.is_none_or(|(least, ..)| key < least) {
            best = Some((key, index, head));
        }
    }
    best.map(|(_, index, head)| (index, head)).ok_or(refusal)
}
