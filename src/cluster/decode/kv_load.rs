//! What a router of a decode pool compares (S6): all that is resident, queued and in transfer to a unit.

use super::DecodeRules;
use crate::scenario::LoadMeasure;

/// Requests and KV resident, queued and in transfer.
#[derive(Clone, Copy, Debug, Default)]
pub struct KvLoad {
    /// Requests resident, queued and in transfer.
    pub requests: u64,
    /// KV of those requests, in 1/1024 token.
    pub kv_1024: u64,
    /// KV within windows, in 1/1024 token.
    pub window_1024: u64,
}

impl KvLoad {
    /// Adds a request that holds `held_1024`
    /// 1024 tokens.
    #[inline]
    pub fn add(&mut self, held_1024: u64, rules: &DecodeRules) {
        self.requests += 1;
        self.kv_1024 += held_1024;
        self.window_1024 += rules.memory.within(held_1024);
    }

    /// Takes off a request that holds `held_1024`
    /// 1024 tokens.
    #[inline]
    pub fn remove(&mut self, held_1024: u64, rules: &DecodeRules) {
        self.requests -= 1;
        self.kv_1024 -= held_1024;
        self.window_1024 -= rules.memory.within(held_1024);
    }

    /// The load that the pool's router compares.
    #[inline]
    pub fn seen(&self, rules: &DecodeRules) -> u64 {
        match rules.measure {
            LoadMeasure::Kv | LoadMeasure::Tokens | LoadMeasure::TokensAndKv => self.kv_1024,
            LoadMeasure::Time => {
                let ranks = rules.ranks as u64;
                let requests = (self.requests + 1).div_ceil(ranks);
                rules.times.decode_own(
                    u32::try_from(requests).unwrap_or(u32::MAX),
                    self.kv_1024 / ranks,
                    self.window_1024 / ranks,
                )
            }
        }
    }
}
