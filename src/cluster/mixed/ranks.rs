//! The ranks of one mixed unit: who is on each, and the KV that they hold.

use std::cmp::Reverse;

use super::Rules;

/// One rank.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rank {
    /// Requests that decode.
    pub decoding: u32,
    /// Requests whose prompt is being computed.
    pub prefilling: u32,
    /// KV held by both, in 1/1024 token.
    pub kv_1024: u64,
    /// Of it, by those being prefilled.
    pub prefill_kv_1024: u64,
    /// Under `reserve`: all that they will ever hold.
    pub reserved_1024: u64,
    /// Tokens that this step's batch has room for.
    pub room: u32,
}

/// Why the head of the queue waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Some rank has a place and room in its batch, none has the memory.
    Memory,
    /// Every rank has its most requests.
    Places,
    /// No batch has room for more tokens.
    Budget,
}

impl Rank {
    /// Whether the coming step's growth would exceed the memory.
    pub fn is_overfull(&self, rules: &Rules) -> bool {
        !rules.reserving && self.kv_1024 + self.growth_1024(rules) > rules.capacity_1024
    }

    fn growth_1024(&self, rules: &Rules) -> u64 {
        u64::from(self.decoding) * rules.progress_1024
    }

    fn fits(&self, held_1024: u64, reserve_1024: u64, rules: &Rules) -> bool {
        if rules.reserving {
            return self.reserved_1024 + reserve_1024 <= rules.capacity_1024;
        }
        self.kv_1024 + self.growth_1024(rules) + held_1024 <= rules.capacity_1024
    }

    /// A request begins its prefill here.
    pub fn join(&mut self, held_1024: u64, reserve_1024: u64) {
        self.prefilling += 1;
        self.kv_1024 += held_1024;
        self.prefill_kv_1024 += held_1024;
        self.reserved_1024 += reserve_1024;
    }

    /// A prefill has ended.
    pub fn begin_decode(&mut self, held_1024: u64) {
        self.prefilling -= 1;
        self.decoding += 1;
        self.prefill_kv_1024 -= held_1024;
    }

    /// A request that is being prefilled leaves.
    pub fn leave_prefill(&mut self, held_1024: u64, reserve_1024: u64) {
        self.prefilling -= 1;
        self.kv_1024 -= held_1024;
        self.prefill_kv_1024 -= held_1024;
        self.reserved_1024 -= reserve_1024;
    }

    /// A request that decodes leaves.
    pub fn leave_decode(&mut self, held_1024: u64, reserve_1024: u64) {
        self.decoding -= 1;
        self.kv_1024 -= held_1024;
        self.reserved_1024 -= reserve_1024;
    }
}

/// The rank that the queue's head joins: the least KV, then the fewest requests, then the lowest index,
/// among those with a place, room for `least` tokens in the batch, and memory.
pub fn choose(
    ranks: &[Rank],
    (held_1024, reserve_1024): (u64, u64),
    least: u32,
    rules: &Rules,
) -> Result<usize, Refusal> {
    let requests = |rank: &Rank| rank.decoding + rank.prefilling;
    let mut refusal = Refusal::Places;
    let mut best: Option<(Reverse<(u64, u32)>, usize)> = None;
    for (index, rank) in ranks.iter().enumerate() {
        if requests(rank) >= rules.max_batch_requests {
            continue;
        }
        if rank.room < least {
            if refusal == Refusal::Places {
                refusal = Refusal::Budget;
            }
            continue;
        }
        if !rank.fits(held_1024, reserve_1024, rules) {
            refusal = Refusal::Memory;
            continue;
        }
        let key = Reverse((rank.kv_1024, requests(rank)));
        if best.is_none_or(|(least, _)| key > least) {
            best = Some((key, index));
        }
    }
    best.map(|(_, index)| index).ok_or(refusal)
}
