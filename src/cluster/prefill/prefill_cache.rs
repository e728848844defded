//! The prefix caches of a prefill unit's ranks (S19), and the memory that prompts take on them.

use super::PrefillRules;
use crate::cluster::past::Past;
use crate::cluster::prefix::{PrefixFound, PrefixRules, UnitCache};
use crate::units::SimTime;
use crate::workload::Request;

/// The prefix caches of a prefill unit's ranks.
#[derive(Clone, Debug)]
pub struct PrefillCache {
    ranks: UnitCache,
    /// Memory of the prompts that are computed on each rank, each for itself.
    held: Vec<u64>,
}

impl PrefillCache {
    /// Empty caches; `None`: hits were drawn.
    pub fn new(rules: &PrefillRules) -> Option<Box<Self>> {
        rules.prefix.as_ref().map(|_| {
            Box::new(Self {
                ranks: UnitCache::new(rules.ranks),
                held: vec![0; rules.ranks],
            })
        })
    }

    /// The caches of the ranks.
    pub fn ranks(&mut self) -> &mut UnitCache {
        &mut self.ranks
    }

    /// Tokens of a prompt that hit, as far as is known while it waits.
    pub fn known(&mut self, request: &Request, past: &Past, prefix: &PrefixRules) -> u32 {
        self.ranks.most(request, past, prefix)
    }

    /// What a rank has of a prompt.
    pub fn find(
        &mut self,
        rank: usize,
        request: &Request,
        past: &Past,
        prefix: &PrefixRules,
    ) -> PrefixFound {
        self.ranks.ask(request, past, prefix);
        self.ranks.found(rank, past.prompt(request), prefix)
    }

    /// A request for whose prompt was looked last joins a rank.
    pub fn join(
        &mut self,
        rank: usize,
        (request, past): (&Request, &Past),
        found: PrefixFound,
        rules: &PrefillRules,
    ) {
        self.ranks.join(request.id, rank, found);
        self.held[rank] += memory(request, past, rules);
        self.trim(rank, rules);
    }

    /// A step has ended in which a prompt was computed to so many tokens.
    pub fn computed(&mut self, id: u64, tokens: u32, rules: &PrefillRules) {
        if let Some(prefix) = &rules.prefix {
            self.ranks.computed(id, tokens, prefix);
        }
    }

    /// A request leaves its rank, with KV of so many tokens.
    pub fn leave(
        &mut self,
        (request, past): (&Request, &Past),
        tokens: u32,
        now: SimTime,
        rules: &PrefillRules,
    ) {
        if let Some(prefix) = &rules.prefix
            && let Some(rank) = self.ranks.leave(request.id, tokens, now, prefix)
        {
            self.held[rank] -= memory(request, past, rules);
        }
    }

    /// Lets go what nobody holds on a rank and has no room beside its prompts.
    fn trim(&mut self, rank: usize, rules: &PrefillRules) {
        if let Some(prefix) = &rules.prefix {
            let taken = self.held[rank] - self.ranks.shared_memory(rank, prefix);
            let room = rules.memory.capacity().saturating_sub(taken);
            self.ranks.trim(rank, room, prefix);
        }
    }

    /// Lets go what has no room on all ranks.
    pub fn trim_all(&mut self, rules: &PrefillRules) {
        (0..self.held.len()).for_each(|rank| self.trim(rank, rules));
    }

    /// Everything is gone.
    pub fn clear(&mut self) {
        self.ranks.clear();
        self.held.fill(0);
    }

    /// Blocks kept, in sum and counted anew.
    pub fn balance(&self) -> (u128, u128) {
        self.ranks.balance()
    }
}

/// Memory of a request's whole prompt.
fn memory(request: &Request, past: &Past, rules: &PrefillRules) -> u64 {
    rules
        .memory
        .of_request(1024 * u64::from(past.prompt(request)))
}
