//! The ranks of one decode unit: requests and KV of each, advanced together, and the choice of the rank
//! for the next request.
//!
//! KV is counted in 1/1024 token, because with drafts a request grows by fractions. The choice needs the least KV,
//! then the fewest requests, then the lowest index, or the other way round, or the least time: one integer
//! comparison of keys, kept as a two-level minimum so that a join looks at some 24 keys instead of 144.

use std::sync::Arc;

use super::DecodeRules;
use crate::cluster::least::{NEVER as CLOSED, least};
use crate::cluster::rank_memory::RankMemory;
use crate::perf::{DecodeLoads, OwnLines, StepTimes};
use crate::scenario::RankBalance;

/// Bits of a rank's key for its index; the number of requests and KV in 1/1024 token have the rest.
const INDEX_BITS: u32 = 12;
const REQUEST_BITS: u32 = 14;
const KV_BITS: u32 = 64 - INDEX_BITS - REQUEST_BITS;

/// Most ranks of a unit.
pub const RANKS_MAX: usize = 1 << INDEX_BITS;
/// Most KV tokens on a rank.
/// Ranks to a group: near the square root of 144.
const GROUP: usize = 12;

/// Why no rank of a decode unit takes a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeRefusal {
    /// Some rank has a free place, none has the memory.
    Memory,
    /// Every rank has its most requests.
    Places,
}

/// A request that would join: what it holds, and the memory that it will ever take.
#[derive(Clone, Copy, Debug)]
pub struct Joining {
    /// KV that the request holds, in 1/1024 token.
    pub held_1024: u64,
    /// Memory that the request will ever take; only `reserve` asks.
    pub reserve: u64,
}

/// Requests and KV by rank.
#[derive(Clone, Debug)]
pub struct Ranks {
    requests: Vec<u32>,
    kv_1024: Vec<u64>,
    /// KV of each rank that lies within windows, in 1/1024 token; empty where no layer has one.
    window_1024: Vec<u64>,
    /// Requests of each rank whose part within the window still grows; empty where no layer has one.
    growing: Vec<u32>,
    /// Memory that each rank's residents will ever take; empty but under `reserve`.
    reserved: Vec<u64>,
    /// Upper bound of the memory taken on any rank.
    taken_most: u64,
    keys: Vec<u64>,
    minima: Vec<u64>,
    /// KV over all ranks, in 1/1024 token.
    pub kv_total_1024: u64,
    /// KV over all ranks within windows, in 1/1024 token.
    pub window_total_1024: u64,
    /// Requests over all ranks.
    pub requests_total: u64,
    /// Growth of a request in a step, in 1/1024 token.
    per_step_1024: u64,
    memory: RankMemory,
    requests_max: u32,
    reserving: bool,
    balance: RankBalance,
    times: StepTimes,
    /// Own parts of steps laid out; `None`: they are not compared, or are not made of lines.
    lines: Option<Arc<OwnLines>>,
    /// Beginning of each rank's line with one request more, in ps; [`CLOSED`] where there is no place. Empty without
    /// lines.
    next_base: Vec<u64>,
}

impl Ranks {
    /// The ranks of a unit, empty.
    pub(super) fn new(rules: &DecodeRules) -> Self {
        let ranks = rules.ranks;
        let in_windows = if rules.memory.has_windows() { ranks } else { 0 };
        Self {
            requests: vec![0; ranks],
            kv_1024: vec![0; ranks],
            window_1024: vec![0; in_windows],
            growing: vec![0; in_windows],
            reserved: vec![0; ranks],
            taken_most: 0,
            keys: vec![0; ranks],
            minima: vec![0; ranks.div_ceil(GROUP)],
            kv_total_1024: 0,
            window_total_1024: 0,
            requests_total: 0,
            per_step_1024: rules.pace.per_step_1024,
            memory: rules.memory,
            requests_max: rules.max_batch_requests,
            reserving: rules.reserving,
            balance: rules.balance,
            times: rules.times.clone(),
            next_base: match &rules.lines {
                Some(lines) => vec![lines.base(1); ranks],
                None => Vec::new(),
            },
            lines: rules.lines.clone(),
        }
    }

    /// What the ranks hold in a decode step.
    pub fn loads(&self) -> DecodeLoads<'_> {
        DecodeLoads {
            requests: &self.requests,
            kv_1024: &self.kv_1024,
            window_1024: &self.window_1024,
        }
    }

    /// KV by rank, in 1/1024 token.
    pub fn kv_1024(&self) -> &[u64] {
        &self.kv_1024
    }

    /// Memory taken on all ranks together.
    pub fn taken(&self) -> u64 {
        let (kv, window) = (self.kv_total_1024, self.window_total_1024);
        self.memory.taken(kv, window, self.requests_total)
    }

    #[inline]
    fn window_of(&self, rank: usize) -> u64 {
        self.window_1024.get(rank).copied().unwrap_or(0)
    }

    /// Memory that a rank takes when every resident has grown by a step.
    #[inline]
    fn taken_after_step(&self, rank: usize) -> u64 {
        let (n, p) = (u64::from(self.requests[rank]), self.per_step_1024);
        let growing = self.growing.get(rank).map_or(0, |g| u64::from(*g));
        let window = self.window_of(rank) + growing * p;
        self.memory.taken(self.kv_1024[rank] + n * p, window, n)
    }

    /// Whether a request fits on an empty rank.
    pub fn could_fit(&self, joining: &Joining) -> bool {
        let need = if self.reserving {
            joining.reserve
        } else {
            self.taken_by(joining, [0; 3])
        };
        need <= self.memory.capacity()
    }

    /// Memory of a rank after the coming step, if a request joins; `kv`, `window` and `requests` are what the
    /// rank holds, all of it grown.
    #[inline]
    fn taken_by(&self, joining: &Joining, [kv, window, requests]: [u64; 3]) -> u64 {
        let (held, p) = (joining.held_1024, self.per_step_1024);
        let grows = u64::from(self.memory.grows(held));
        let within = window + self.memory.within(held) + grows * p;
        self.memory.taken(kv + held + p, within, requests + 1)
    }

    /// Grows every resident by a step's progress. (What then exceeds its window is taken back by
    /// [`Ranks::fill_window`].)
    #[inline]
    pub fn grow(&mut self) {
        let p = self.per_step_1024;
        for (kv, &n) in self.kv_1024.iter_mut().zip(&self.requests) {
            *kv += u64::from(n) * p;
        }
        for (window, &n) in self.window_1024.iter_mut().zip(&self.growing) {
            *window += u64::from(n) * p;
            self.window_total_1024 += u64::from(n) * p;
        }
        self.taken_most += u64::from(self.requests_max) * self.memory.growth_most(p);
        self.kv_total_1024 += self.requests_total * p;
    }

    /// Takes back `over_1024` of a resident that has filled its window in this step.
    #[inline]
    pub fn fill_window(&mut self, rank: usize, over_1024: u64) {
        self.window_1024[rank] -= over_1024;
        self.window_total_1024 -= over_1024;
        self.growing[rank] -= 1;
    }

    /// Whether the next step's growth would overfill some rank. Looks at the ranks only when the bound on what
    /// they hold comes near the capacity.
    #[inline]
    pub fn overfull(&mut self) -> bool {
        let growth_most =
            u64::from(self.requests_max) * self.memory.growth_most(self.per_step_1024);
        if self.reserving || self.taken_most + growth_most <= self.memory.capacity() {
            return false;
        }
        let ranks = 0..self.requests.len();
        let taken = |rank| {
            let (kv, window) = (self.kv_1024[rank], self.window_of(rank));
            self.memory
                .taken(kv, window, u64::from(self.requests[rank]))
        };
        self.taken_most = ranks.clone().map(taken).max().unwrap_or(0);
        ranks.into_iter().any(|rank| self.is_overfull(rank))
    }

    /// Whether the next step's growth would overfill this rank.
    pub fn is_overfull(&self, rank: usize) -> bool {
        self.taken_after_step(rank) > self.memory.capacity()
    }

    /// Whether the next step's growth would overfill each rank.
    pub fn all_overfull(&self) -> Vec<bool> {
        let ranks = 0..self.requests.len();
        ranks.map(|rank| self.is_overfull(rank)).collect()
    }

    #[inline]
    fn key(&self, rank: usize) -> u64 {
        let (n, kv) = (self.requests[rank], self.kv_1024[rank]);
        if n >= self.requests_max {
            return CLOSED;
        }
        match self.balance {
            RankBalance::Time => match &self.lines {
                Some(lines) => lines.at(n + 1, kv, self.window_of(rank)),
                None => self.times.decode_own(n + 1, kv, self.window_of(rank)),
            },
            RankBalance::Requests => {
                u64::from(n) << (INDEX_BITS + KV_BITS) | kv << INDEX_BITS | rank as u64
            }
            RankBalance::Kv | RankBalance::Tokens => {
                kv << (INDEX_BITS + REQUEST_BITS) | u64::from(n) << INDEX_BITS | rank as u64
            }
        }
    }

    /// Computes the keys of all ranks as they stand, for choices.
    #[inline]
    pub fn rank_all(&mut self) {
        match &self.lines {
            Some(lines) if self.window_1024.is_empty() => {
                let held = self.kv_1024.iter().zip(&self.next_base);
                for (key, (&kv, &base)) in self.keys.iter_mut().zip(held) {
                    *key = base.saturating_add(lines.over(kv));
                }
            }
            _ => {
                for rank in 0..self.keys.len() {
                    self.keys[rank] = self.key(rank);
                }
            }
        }
        for (minimum, group) in self.minima.iter_mut().zip(self.keys.chunks(GROUP)) {
            *minimum = least(group);
        }
    }

    /// The order in which ranks are preferred: the least key; where keys are times, then the least KV, the fewest
    /// requests, the lowest index.
    fn order(&self, rank: usize) -> (u64, u64, u32, usize) {
        let (kv, n) = (self.kv_1024[rank], self.requests[rank]);
        (self.keys[rank], kv, n, rank)
    }

    /// The rank with the least key.
    #[inline]
    fn first(&self, key: u64) -> usize {
        if self.balance != RankBalance::Time {
            return (key & (RANKS_MAX as u64 - 1)) as usize;
        }
        // the first group with that minimum, and its first rank with that key
        let group = self.minima.iter().position(|m| *m == key).unwrap_or(0);
        let from = group * GROUP;
        let ranks = &self.keys[from..(from + GROUP).min(self.keys.len())];
        let place = ranks.iter().position(|k| *k == key).unwrap_or(0);
        if self.minima[group + 1..].contains(&key) || ranks[place + 1..].contains(&key) {
            let equal = (from..self.keys.len()).filter(|rank| self.keys[*rank] == key);
            return equal.min_by_key(|rank| self.order(*rank)).unwrap_or(0);
        }
        from + place
    }

    /// The rank that takes a request. It fits where the residents' growth of the coming step leaves room for it.
    #[inline]
    pub fn choose(&self, joining: &Joining) -> Result<usize, DecodeRefusal> {
        let key = least(&self.minima);
        if key == CLOSED {
            return Err(DecodeRefusal::Places);
        }
        let rank = self.first(key);
        if self.fits(rank, joining) {
            return Ok(rank);
        }
        // Rare: the first rank is too full, but another one with fewer requests or reservations may still do.
        let open = (0..self.keys.len()).filter(|rank| self.keys[*rank] != CLOSED);
        let fitting = open.filter(|rank| self.fits(*rank, joining));
        fitting
            .min_by_key(|rank| self.order(*rank))
            .ok_or(DecodeRefusal::Memory)
    }

    #[inline]
    fn fits(&self, rank: usize, joining: &Joining) -> bool {
        if self.reserving {
            return self.reserved[rank] + joining.reserve <= self.memory.capacity();
        }
        let (n, p) = (u64::from(self.requests[rank]), self.per_step_1024);
        let growing = self.growing.get(rank).map_or(0, |g| u64::from(*g));
        let window = self.window_of(rank) + growing * p;
        let grown = [self.kv_1024[rank] + n * p, window, n];
        self.taken_by(joining, grown) <= self.memory.capacity()
    }

    /// Notes the number of requests of a rank.
    #[inline]
    fn count(&mut self, rank: usize, requests: u32) {
        self.requests[rank] = requests;
        if let Some(lines) = &self.lines {
            self.next_base[rank] = if requests < self.requests_max {
                lines.base(requests + 1)
            } else {
                CLOSED
            };
        }
    }

    /// Puts a request on a rank.
    #[inline]
    pub fn join(&mut self, rank: usize, joining: &Joining) {
        let held = joining.held_1024;
        self.count(rank, self.requests[rank] + 1);
        self.kv_1024[rank] += held;
        self.reserved[rank] += joining.reserve;
        self.requests_total += 1;
        self.kv_total_1024 += held;
        if self.memory.has_windows() {
            let within = self.memory.within(held);
            self.window_1024[rank] += within;
            self.window_total_1024 += within;
            self.growing[rank] += u32::from(self.memory.grows(held));
        }
        let (kv, n) = (self.kv_1024[rank], u64::from(self.requests[rank]));
        let taken = self.memory.taken(kv, self.window_of(rank), n);
        self.taken_most = self.taken_most.max(taken);
        self.keys[rank] = self.key(rank);
        let first = rank / GROUP * GROUP;
        let last = (first + GROUP).min(self.keys.len());
        self.minima[rank / GROUP] = least(&self.keys[first..last]);
    }

    /// Takes a request off a rank with all that it holds.
    #[inline]
    pub fn leave(&mut self, rank: usize, leaving: &Joining) {
        let held = leaving.held_1024;
        self.count(rank, self.requests[rank] - 1);
        self.kv_1024[rank] -= held;
        self.reserved[rank] -= leaving.reserve;
        self.requests_total -= 1;
        self.kv_total_1024 -= held;
        if self.memory.has_windows() {
            let within = self.memory.within(held);
            self.window_1024[rank] -= within;
            self.window_total_1024 -= within;
            self.growing[rank] -= u32::from(self.memory.grows(held));
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::scenario::load_str;

    /// Empty ranks with steps of 100 ps a request and 1 ps a KV token.
    fn ranks(count: usize, capacity: u64, requests: u32, balance: &str) -> Ranks {
        let text = format!(
            r#"
            name = "ranks"
            start = 2026-01-01T00:00:00Z
            duration = "1h"
            model = {{ name = "any", kv_bytes_per_token = 1000 }}
            node = {{ gpu = "h100", gpus = {count}, price_per_gpu_hour = 0.0 }}
            performance = {{ kind = "linear", prefill = {{ base = "1s" }}, decode = {{ per_request = "0.1ns", per_kv_token = "0.001ns" }} }}
            [pools.prefill]
            nodes_per_unit = 1
            max_batch_tokens = 100
            units = 1
            [pools.decode]
            nodes_per_unit = 1
            parallelism = {{ attention_data = {count} }}
            max_batch_requests = {requests}
            kv_capacity_tokens = {capacity}
            balance = "{balance}"
            units = 1
            [[class]]
            name = "all"
            arrivals = {{ kind = "poisson", requests_per_s = 1.0 }}
            input = {{ kind = "constant", value = 10 }}
            output = {{ kind = "constant", value = 2 }}
            "#
        );
        let scenario = load_str("ranks.toml", &text, &[]).unwrap();
        let times = StepTimes::compile(&scenario).unwrap();
        Ranks::new(&DecodeRules::new(&scenario, &scenario.pools[1], times))
    }

    fn holding(tokens: u64) -> Joining {
        Joining {
            held_1024: 1024 * tokens,
            reserve: 0,
        }
    }

    /// Two ranks: one with a long request, one with three short ones.
    fn uneven(balance: &str) -> Ranks {
        let mut ranks = ranks(2, 10_000, 9, balance);
        ranks.join(0, &holding(150));
        for _ in 0..3 {
            ranks.join(1, &holding(10));
        }
        ranks.rank_all();
        ranks
    }

    #[test]
    fn the_least_kv_wins_then_the_fewest_requests_then_the_lowest_index() {
        let mut ranks = ranks(30, 1000, 4, "kv");
        ranks.join(0, &holding(2));
        ranks.join(1, &holding(1));
        ranks.join(1, &holding(1));
        for rank in 2..30 {
            ranks.join(rank, &holding(3));
        }
        ranks.rank_all();
        assert_eq!(ranks.choose(&holding(1)), Ok(0));
        ranks.join(0, &holding(1));
        assert_eq!(ranks.choose(&holding(1)), Ok(1));
        ranks.join(1, &holding(2));
        assert_eq!(ranks.choose(&holding(1)), Ok(2));
    }

    #[test]
    fn kv_requests_and_time_may_choose_differently() {
        // kv: 150 and 30 tokens; requests: 1 and 3; time with one more: 200 + 150 and 400 + 30 ps
        assert_eq!(uneven("kv").choose(&holding(1)), Ok(1));
        assert_eq!(uneven("requests").choose(&holding(1)), Ok(0));
        assert_eq!(uneven("time").choose(&holding(1)), Ok(0));
    }

    #[test]
    fn of_equal_times_the_least_kv_wins() {
        let mut ranks = ranks(20, 10_000, 9, "time");
        ranks.join(3, &holding(150));
        ranks.join(7, &holding(50));
        ranks.join(7, &holding(0));
        for rank in (0..20).filter(|rank| *rank != 3 && *rank != 7) {
            ranks.join(rank, &holding(400));
        }
        ranks.rank_all();
        // 200 + 150 and 300 + 50 ps
        assert_eq!(ranks.choose(&holding(1)), Ok(7));
    }

    #[test]
    fn growth_of_the_coming_step_counts() {
        let mut ranks = ranks(1, 10, 9, "kv");
        ranks.join(0, &holding(4));
        ranks.rank_all();
        // 4 held + 1 growth + 3 held + 1 growth = 9 <= 10; with 5 held it would be 11
        assert_eq!(ranks.choose(&holding(3)), Ok(0));
        assert_eq!(ranks.choose(&holding(5)), Err(DecodeRefusal::Memory));
        assert!(!ranks.overfull());
        ranks.join(0, &holding(5));
        assert!(ranks.overfull());
    }

    #[test]
    fn a_full_rank_is_passed_over() {
        let mut ranks = ranks(2, 100, 1, "kv");
        ranks.join(0, &holding(0));
        ranks.rank_all();
        assert_eq!(ranks.choose(&holding(1)), Ok(1));
        ranks.join(1, &holding(1));
        assert_eq!(ranks.choose(&holding(1)), Err(DecodeRefusal::Places));
    }
}
