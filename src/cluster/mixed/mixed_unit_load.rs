//! The load of a mixed unit as routers see it (S6): what is assigned to it and not finished, and the KV that
//! it holds or will hold.

use super::MixedRules;
use super::mixed_ranks::MixedRank;
use super::mixed_unit::MixedUnit;
use super::request::MixedPrompt;

/// The load of a mixed unit that routers compare.
#[derive(Clone, Copy, Debug, Default)]
pub struct MixedUnitLoad {
    /// Tokens to compute, assigned and not finished; a running chunk counts whole.
    pub tokens: u64,
    /// (query, key) pairs of those tokens.
    pub pairs: u64,
    /// KV resident and queued, in 1/1024 token.
    pub kv_1024: u64,
}

impl MixedUnitLoad {
    pub fn add(&mut self, prompt: &MixedPrompt, rules: &MixedRules) {
        self.tokens += u64::from(prompt.computed());
        self.pairs += prompt.pairs(0);
        self.kv_1024 += prompt.held_1024(rules);
    }

    /// Takes off a request of which `done` tokens are computed.
    pub fn remove(&mut self, prompt: &MixedPrompt, done: u32, rules: &MixedRules) {
        self.tokens -= u64::from(prompt.computed() - done);
        self.pairs -= prompt.pairs(done);
        self.kv_1024 -= prompt.held_1024(rules);
    }
}

impl MixedUnit {
    /// The load in time that the router compares (S6), in ps.
    pub(super) fn time(&self, rules: &MixedRules) -> u64 {
        let ranks = self.ranks.len() as u64;
        let sum = |of: fn(&MixedRank) -> u64| self.ranks.iter().map(of).sum::<u64>();
        let requests = sum(|rank| u64::from(rank.requests())) + 1;
        let requests = u32::try_from(requests.div_ceil(ranks)).unwrap_or(u32::MAX);
        let (kv, window) = (sum(|rank| rank.kv_1024), sum(|rank| rank.window_1024));
        let prompts = rules.times.prefill_work(self.load.tokens, self.load.pairs);
        prompts / ranks + rules.times.decode_own(requests, kv / ranks, window / ranks)
    }
}
