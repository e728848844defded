//! The ranks of one decode unit: requests and KV of each, advanced together, and the choice of the rank
//! for the next request.
//!
//! KV is counted in 1/1024 token, because with MTP a request grows by fractions. The choice needs the
//! least KV, then the fewest requests, then the lowest index: one integer comparison of packed keys,
//! kept as a two-level minimum so that a join looks at some 24 keys instead of 144.

use crate::cluster::least::{NEVER as CLOSED, least};
use crate::perf::DecodeLoads;

/// Bits of a key for the rank index, for the number of requests and for KV in 1/1024 token.
const INDEX_BITS: u32 = 12;
const REQUEST_BITS: u32 = 14;
const KV_BITS: u32 = 64 - INDEX_BITS - REQUEST_BITS;

/// Most ranks of a unit.
pub const RANKS_MAX: usize = 1 << INDEX_BITS;
/// Most requests on a rank.
pub const REQUESTS_MAX: u32 = (1 << REQUEST_BITS) - 1;
/// Most KV tokens on a rank.
pub const KV_TOKENS_MAX: u64 = (1 << (KV_BITS - 10)) - 1;

/// Ranks to a group: near the square root of 144.
const GROUP: usize = 12;

/// Why no rank takes a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Some rank has a free place, none has the memory.
    Memory,
    /// Every rank has its most requests.
    Places,
}

/// Requests and KV by rank.
#[derive(Clone, Debug)]
pub struct Ranks {
    requests: Vec<u32>,
    kv_1024: Vec<u64>,
    /// Under `reserve`: all the KV that the residents will ever hold.
    reserved_1024: Vec<u64>,
    /// No rank holds more than this.
    kv_most_1024: u64,
    keys: Vec<u64>,
    minima: Vec<u64>,
    /// Over all ranks.
    pub kv_total_1024: u64,
    /// Over all ranks.
    pub requests_total: u64,
    capacity_1024: u64,
    requests_max: u32,
    reserving: bool,
}

impl Ranks {
    /// Empty ranks.
    pub fn new(ranks: usize, capacity_tokens: u64, requests_max: u32, reserving: bool) -> Self {
        Self {
            requests: vec![0; ranks],
            kv_1024: vec![0; ranks],
            reserved_1024: vec![0; ranks],
            kv_most_1024: 0,
            keys: vec![0; ranks],
            minima: vec![0; ranks.div_ceil(GROUP)],
            kv_total_1024: 0,
            requests_total: 0,
            capacity_1024: capacity_tokens * 1024,
            requests_max,
            reserving,
        }
    }

    /// Requests by rank.
    pub fn requests(&self) -> &[u32] {
        &self.requests
    }

    /// KV by rank, in 1/1024 token.
    pub fn kv_1024(&self) -> &[u64] {
        &self.kv_1024
    }

    /// What the ranks hold.
    pub fn loads(&self) -> DecodeLoads<'_> {
        DecodeLoads {
            requests: &self.requests,
            kv_1024: &self.kv_1024,
            window_1024: &[],
        }
    }

    /// Whether a request that needs so much (of memory or of reservation) fits an empty rank.
    pub fn could_fit(&self, need_1024: u64) -> bool {
        need_1024 <= self.capacity_1024
    }

    /// Every resident grows by a step's progress.
    #[inline]
    pub fn grow(&mut self, progress_1024: u64) {
        for (kv, &n) in self.kv_1024.iter_mut().zip(&self.requests) {
            *kv += u64::from(n) * progress_1024;
        }
        self.kv_most_1024 += u64::from(self.requests_max) * progress_1024;
        self.kv_total_1024 += self.requests_total * progress_1024;
    }

    /// A rank that the next step's growth would overfill, if any. Looks at the ranks only when the bound
    /// on what they hold comes near the capacity.
    #[inline]
    pub fn overfull(&mut self, progress_1024: u64) -> Option<usize> {
        let growth_most = u64::from(self.requests_max) * progress_1024;
        if self.reserving || self.kv_most_1024 + growth_most <= self.capacity_1024 {
            return None;
        }
        self.kv_most_1024 = self.kv_1024.iter().copied().max().unwrap_or(0);
        let ranks = self.kv_1024.iter().zip(&self.requests);
        let mut grown = ranks.map(|(&kv, &n)| kv + u64::from(n) * progress_1024);
        grown.position(|kv| kv > self.capacity_1024)
    }

    /// Whether the next step's growth would overfill a rank.
    pub fn is_overfull(&self, rank: usize, progress_1024: u64) -> bool {
        self.kv_1024[rank] + u64::from(self.requests[rank]) * progress_1024 > self.capacity_1024
    }

    /// The same of every rank.
    pub fn all_overfull(&self, progress_1024: u64) -> Vec<bool> {
        let ranks = 0..self.requests.len();
        ranks.map(|r| self.is_overfull(r, progress_1024)).collect()
    }

    #[inline]
    fn key(&self, rank: usize) -> u64 {
        let n = self.requests[rank];
        if n >= self.requests_max {
            return CLOSED;
        }
        self.kv_1024[rank] << (INDEX_BITS + REQUEST_BITS) | u64::from(n) << INDEX_BITS | rank as u64
    }

    /// Prepares for choices: keys of all ranks as they stand.
    #[inline]
    pub fn rank_all(&mut self) {
        let held = self.kv_1024.iter().zip(&self.requests).zip(0_u64..);
        for (key, ((&kv, &n), rank)) in self.keys.iter_mut().zip(held) {
            let open = kv << (INDEX_BITS + REQUEST_BITS) | u64::from(n) << INDEX_BITS | rank;
            *key = if n < self.requests_max { open } else { CLOSED };
        }
        for (minimum, group) in self.minima.iter_mut().zip(self.keys.chunks(GROUP)) {
            *minimum = least(group);
        }
    }

    /// The rank that takes a request which adds `held` now, grows by `progress` in the coming step, and
    /// under `reserve` will hold `reserve` in the end (all in 1/1024 token). A request fits where the
    /// residents' growth of the coming step leaves room for it.
    #[inline]
    pub fn choose(
        &self,
        held_1024: u64,
        progress_1024: u64,
        reserve_1024: u64,
    ) -> Result<usize, Refusal> {
        let key = least(&self.minima);
        if key == CLOSED {
            return Err(Refusal::Places);
        }
        let rank = (key & (RANKS_MAX as u64 - 1)) as usize;
        if self.fits(rank, held_1024, progress_1024, reserve_1024) {
            return Ok(rank);
        }
        // Rare: the emptiest rank is too full, but another one with fewer requests or reservations may
        // still do.
        let fitting = self.keys.iter().enumerate().filter(|&(rank, &key)| {
            key != CLOSED && self.fits(rank, held_1024, progress_1024, reserve_1024)
        });
        fitting
            .min_by_key(|&(_, key)| key)
            .map(|(rank, _)| rank)
            .ok_or(Refusal::Memory)
    }

    #[inline]
    fn fits(&self, rank: usize, held_1024: u64, progress_1024: u64, reserve_1024: u64) -> bool {
        if self.reserving {
            return self.reserved_1024[rank] + reserve_1024 <= self.capacity_1024;
        }
        let growth = (u64::from(self.requests[rank]) + 1) * progress_1024;
        self.kv_1024[rank] + held_1024 + growth <= self.capacity_1024
    }

    /// A request joins a rank.
    #[inline]
    pub fn join(&mut self, rank: usize, held_1024: u64, reserve_1024: u64) {
        self.requests[rank] += 1;
        self.kv_1024[rank] += held_1024;
        self.reserved_1024[rank] += reserve_1024;
        self.requests_total += 1;
        self.kv_total_1024 += held_1024;
        self.kv_most_1024 = self.kv_most_1024.max(self.kv_1024[rank]);
        self.keys[rank] = self.key(rank);
        let first = rank / GROUP * GROUP;
        let last = (first + GROUP).min(self.keys.len());
        self.minima[rank / GROUP] = least(&self.keys[first..last]);
    }

    /// A request leaves a rank with all that it holds.
    #[inline]
    pub fn leave(&mut self, rank: usize, held_1024: u64, reserve_1024: u64) {
        self.requests[rank] -= 1;
        self.kv_1024[rank] -= held_1024;
        self.reserved_1024[rank] -= reserve_1024;
        self.requests_total -= 1;
        self.kv_total_1024 -= held_1024;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_kv_wins_then_the_fewest_requests_then_the_lowest_index() {
        let mut ranks = Ranks::new(30, 1000, 4, false);
        ranks.join(0, 1024, 0);
        ranks.join(1, 512, 0);
        ranks.join(1, 512, 0);
        for rank in 2..30 {
            ranks.join(rank, 2048, 0);
        }
        ranks.rank_all();
        assert_eq!(ranks.choose(1024, 1024, 0), Ok(0));
        ranks.join(0, 1024, 0);
        assert_eq!(ranks.choose(1024, 1024, 0), Ok(1));
        ranks.join(1, 1024, 0);
        assert_eq!(ranks.choose(1024, 1024, 0), Ok(2));
    }

    #[test]
    fn growth_of_the_coming_step_counts() {
        let mut ranks = Ranks::new(1, 10, 9, false);
        ranks.join(0, 4 * 1024, 0);
        ranks.rank_all();
        // 4 held + 1 growth + 3 held + 1 growth = 9 <= 10; with 5 held it would be 11
        assert_eq!(ranks.choose(3 * 1024, 1024, 0), Ok(0));
        assert_eq!(ranks.choose(5 * 1024, 1024, 0), Err(Refusal::Memory));
        assert_eq!(ranks.overfull(1024), None);
        assert_eq!(ranks.overfull(7 * 1024), Some(0));
    }

    #[test]
    fn a_full_rank_is_passed_over() {
        let mut ranks = Ranks::new(2, 100, 1, false);
        ranks.join(0, 0, 0);
        ranks.rank_all();
        assert_eq!(ranks.choose(1024, 1024, 0), Ok(1));
        ranks.join(1, 1024, 0);
        assert_eq!(ranks.choose(1024, 1024, 0), Err(Refusal::Places));
    }
}
