//! Prefix caches (S19): what ranks keep of the prompts that they have computed, in the memory that running requests
//! leave.
//!
//! A prompt is a path of spans ([`crate::workload::Contents`]); a rank keeps a leading part of each, in whole blocks
//! (`span_node.rs`). Blocks of a span are counted, not listed: a system prompt of 8,000 tokens that a thousand requests
//! read is one number. What requests hold together is held once (`rank_cache.rs`); what nobody holds any more stays
//! until the memory is needed, least recently used first, from a path's tail. [`UnitCache`] remembers which request
//! holds what on which rank.

mod rank_cache;
mod span_node;

use std::collections::BTreeMap;

use super::past::Past;
use crate::scenario::Scenario;
use crate::units::SimTime;
use crate::workload::{Contents, OPEN, PromptSpan, Request};

use rank_cache::RankCache;

/// Part of a path: a span in blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathSpan {
    /// Key of the span.
    key: u64,
    /// Blocks from the path's beginning to the span's.
    first: u32,
    /// Blocks from the path's beginning to the span's end.
    end: u32,
}

/// When blocks were last held, and by whom: of requests that leave at one time the one of the higher id is later.
pub type LastUse = (SimTime, u64);

/// The rules of a pool's prefix caches.
#[derive(Clone, Debug)]
pub struct PrefixRules {
    contents: Contents,
    /// Tokens of a block.
    block: u32,
    /// Memory of a block in layers that keep every token, as a rank's memory is counted.
    pub block_memory: u64,
}

/// What a rank has of a prompt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PrefixFound {
    /// Blocks of the prompt's beginning.
    pub blocks: u32,
    /// Blocks among these that running requests hold.
    pub held: u32,
}

/// A request that is on a rank.
#[derive(Clone, Debug)]
struct Tenant {
    rank: u16,
    /// Blocks of its path that it holds.
    held: u32,
    path: Vec<PathSpan>,
}

/// The caches of a unit's ranks.
#[derive(Clone, Debug)]
pub struct UnitCache {
    ranks: Vec<RankCache>,
    tenants: BTreeMap<u64, Tenant>,
    /// The path that was asked for last, and its spans.
    path: Vec<PathSpan>,
    spans: Vec<PromptSpan>,
}

impl PrefixRules {
    /// The rules of a scenario's prefix caches, of which a block of a token takes `token_memory`; `None`: there are none.
    pub fn new(scenario: &Scenario, token_memory: u64) -> Option<Self> {
        let blocks = scenario.kv_cache.blocks()?;
        Some(Self {
            contents: Contents::new(scenario)?,
            block: blocks.tokens,
            block_memory: u64::from(blocks.tokens) * token_memory,
        })
    }

    /// Tokens of so many blocks.
    pub fn tokens(&self, blocks: u32) -> u32 {
        blocks * self.block
    }
}

impl UnitCache {
    /// Empty caches.
    pub fn new(ranks: usize) -> Self {
        Self {
            ranks: vec![RankCache::default(); ranks],
            tenants: BTreeMap::new(),
            path: Vec::new(),
            spans: Vec::new(),
        }
    }

    /// Finds the path of a request's prompt, for what follows.
    pub fn ask(&mut self, request: &Request, past: &Past, rules: &PrefixRules) {
        let Self { path, spans, .. } = self;
        rules.contents.spans(request, past.content, spans);
        path.clear();
        let mut first = 0;
        for span in spans {
            let end = match span.end {
                OPEN => u32::MAX,
                end => end / rules.block,
            };
            if end > first {
                let key = span.key;
                path.push(PathSpan { key, first, end });
                first = end;
            }
        }
    }

    /// What a rank has of the prompt that was asked for, which has so many tokens: at least one is computed.
    pub fn found(&self, rank: usize, prompt: u32, rules: &PrefixRules) -> PrefixFound {
        self.ranks[rank].find(&self.path, (prompt - 1) / rules.block)
    }

    /// The most tokens that any rank has of a prompt.
    pub fn most(&mut self, request: &Request, past: &Past, rules: &PrefixRules) -> u32 {
        self.ask(request, past, rules);
        let prompt = past.prompt(request);
        let found = (0..self.ranks.len()).map(|rank| self.found(rank, prompt, rules).blocks);
        rules.tokens(found.max().unwrap_or(0))
    }

    /// The request that was asked for joins a rank, and holds what was found there.
    pub fn join(&mut self, id: u64, rank: usize, found: PrefixFound) {
        let path = self.path.clone();
        self.ranks[rank].hold(&path, 0, found.blocks);
        let (rank, held) = (rank as u16, found.blocks);
        self.tenants.insert(id, Tenant { rank, held, path });
    }

    /// A step has ended in which a request's prompt was computed to so many tokens: the rank keeps their whole blocks,
    /// and once what others have computed meanwhile, too. Returns the rank.
    pub fn computed(&mut self, id: u64, tokens: u32, rules: &PrefixRules) -> Option<usize> {
        let tenant = self.tenants.get_mut(&id)?;
        let blocks = tokens / rules.block;
        let rank = usize::from(tenant.rank);
        if blocks > tenant.held {
            self.ranks[rank].hold(&tenant.path, tenant.held, blocks);
            tenant.held = blocks;
        }
        Some(rank)
    }

    /// A request leaves its rank with KV of so many tokens, whose whole blocks stay for now. Returns the rank.
    pub fn leave(
        &mut self,
        id: u64,
        tokens: u32,
        now: SimTime,
        rules: &PrefixRules,
    ) -> Option<usize> {
        let rank = self.computed(id, tokens, rules)?;
        let tenant = self.tenants.remove(&id)?;
        self.ranks[rank].release(&tenant.path, tenant.held, (now, id));
        Some(rank)
    }

    /// Memory that requests on a rank hold together, beyond what each block takes once.
    pub fn shared_memory(&self, rank: usize, rules: &PrefixRules) -> u64 {
        self.ranks[rank].shared() * rules.block_memory
    }

    /// Lets go what nobody holds on a rank and exceeds this memory, least recently used first; returns the blocks.
    pub fn trim(&mut self, rank: usize, room: u64, rules: &PrefixRules) -> u64 {
        self.ranks[rank].trim(room / rules.block_memory.max(1))
    }

    /// Blocks that the ranks keep.
    pub fn blocks(&self) -> u64 {
        self.ranks.iter().map(RankCache::blocks).sum()
    }

    /// Loses everything, with all who were there.
    pub fn clear(&mut self) {
        self.ranks.fill(RankCache::default());
        self.tenants.clear();
    }

    /// Blocks held, counted for each who holds them, and those that nobody holds: as kept in sum, and counted anew.
    pub fn balance(&self) -> (u128, u128) {
        let kept = self.ranks.iter().map(RankCache::kept).sum();
        let held: u128 = self.tenants.values().map(|t| u128::from(t.held)).sum();
        let idle: u128 = self.ranks.iter().map(RankCache::count_idle).sum();
        (kept, held + idle)
    }
}
