//! The prefix caches of a mixed unit's ranks (S19): what is looked up, held, kept and let go, and when.

use super::MixedRules;
use super::mixed_ranks::{Head, Share};
use super::mixed_unit::MixedUnit;
use super::request::{MixedPrompt, Prefilling};
use crate::cluster::intake::IntakeWaiting;
use crate::cluster::prefix::PrefixFound;
use crate::scenario::Batching;
use crate::units::SimTime;

impl MixedUnit {
    /// Tokens of a request's prompt that hit, as far as is known while it waits: the most that any rank has.
    pub(super) fn known_hits(&mut self, waiting: &IntakeWaiting, rules: &MixedRules) -> u32 {
        match (&mut self.cache, &rules.prefix) {
            (Some(cache), Some(prefix)) => cache.most(&waiting.request, &waiting.past, prefix),
            _ => waiting.request.cached,
        }
    }

    /// What a rank has of the prompt of the queue's head, which was asked for; `None`: hits were drawn.
    fn found(&self, rank: usize, prompt: &MixedPrompt, rules: &MixedRules) -> Option<PrefixFound> {
        let (cache, prefix) = (self.cache.as_ref()?, rules.prefix.as_ref()?);
        let tokens = prompt.past.prompt(&prompt.request);
        Some(cache.found(rank, tokens, prefix))
    }

    /// The head of the queue, were it on a rank.
    pub(super) fn head_on(
        &self,
        rank: usize,
        prompt: &MixedPrompt,
        share: Share,
        rules: &MixedRules,
    ) -> Head {
        let (mut hits, mut held_already) = (prompt.hits, 0);
        if let (Some(found), Some(prefix)) = (self.found(rank, prompt, rules), &rules.prefix) {
            hits = prefix.tokens(found.blocks);
            held_already = u64::from(found.held) * prefix.block_memory;
        }
        let wanted = prompt.past.prompt(&prompt.request) - hits;
        Head {
            share,
            least: match rules.batching {
                Batching::Whole => wanted.min(rules.max_batch_tokens),
                Batching::Chunked | Batching::PrefillFirst => 1,
            },
            wanted,
            context: u64::from(hits),
            held_already,
        }
    }

    /// The head of the queue has joined a rank: it holds what it finds there, and others' blocks make room for it.
    pub(super) fn join_cache(&mut self, rank: usize, prompt: &mut MixedPrompt, rules: &MixedRules) {
        let Some(found) = self.found(rank, prompt, rules) else {
            return;
        };
        let (Some(cache), Some(prefix)) = (&mut self.cache, &rules.prefix) else {
            return;
        };
        self.load.remove(prompt, 0, rules);
        prompt.hits = prefix.tokens(found.blocks);
        self.load.add(prompt, rules);
        cache.join(prompt.request.id, rank, found);
        self.ranks[rank].shared = cache.shared_memory(rank, prefix);
        self.trim(rank, rules);
    }

    /// Lets go what nobody holds on a rank and running requests need room for, their growth in the coming step included.
    fn trim(&mut self, rank: usize, rules: &MixedRules) {
        if let (Some(cache), Some(prefix)) = (&mut self.cache, &rules.prefix) {
            let taken = self.ranks[rank].taken_after_step([0; 3], rules);
            let room = rules.memory.capacity().saturating_sub(taken);
            cache.trim(rank, room, prefix);
        }
    }

    /// Lets go what running requests need room for on all ranks.
    pub(super) fn trim_all(&mut self, rules: &MixedRules) {
        if self.cache.is_some() {
            (0..self.ranks.len()).for_each(|rank| self.trim(rank, rules));
        }
    }

    /// A step has ended: the rank keeps what it has computed of a prompt.
    pub(super) fn keep_computed(&mut self, s: &Prefilling, rules: &MixedRules) {
        if let (Some(cache), Some(prefix)) = (&mut self.cache, &rules.prefix) {
            let tokens = s.prompt.reached(s.done);
            if let Some(rank) = cache.computed(s.prompt.request.id, tokens, prefix) {
                self.ranks[rank].shared = cache.shared_memory(rank, prefix);
            }
        }
    }

    /// A request leaves its rank with KV of so many tokens, which stays while there is room.
    pub(super) fn leave(&mut self, id: u64, tokens: u32, now: SimTime, rules: &MixedRules) {
        if let (Some(cache), Some(prefix)) = (&mut self.cache, &rules.prefix)
            && let Some(rank) = cache.leave(id, tokens, now, prefix)
        {
            self.ranks[rank].shared = cache.shared_memory(rank, prefix);
        }
    }

    /// Everything that the unit has kept is gone.
    pub(super) fn lose_cache(&mut self) {
        if let Some(cache) = &mut self.cache {
            cache.clear();
            self.ranks.iter_mut().for_each(|rank| rank.shared = 0);
        }
    }
}
