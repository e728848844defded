//! The prefix cache of a rank (S19): a plain table of blocks, each under all of the prompt up to its end.
//!
//! Nothing is counted ahead: whoever asks looks through the table.

use std::collections::{BTreeMap, BTreeSet};

use tokentide::internals::workload::PromptSpan;

use crate::world::{TOKEN, World};

/// What a prompt is up to somewhere: how many tokens of which span, in order.
type Beginning = Vec<(u64, u64)>;

/// The cache of one rank.
#[derive(Clone, Debug, Default)]
pub struct RankCache {
    /// Blocks by the prompt from its first token to the block's last.
    blocks: BTreeMap<Beginning, CacheBlock>,
}

#[derive(Clone, Debug, Default)]
struct CacheBlock {
    /// Who holds it, on the rank.
    holders: BTreeSet<usize>,
    /// When somebody last let it go, and who: of those who did so at once the highest id.
    last: (u64, usize),
}

/// The first tokens of a prompt.
fn beginning(spans: &[PromptSpan], tokens: u64) -> Beginning {
    let mut all = Vec::new();
    let mut from = 0;
    for span in spans {
        let end = u64::from(span.end).min(tokens);
        if end > from {
            all.push((span.key, end - from));
            from = end;
        }
    }
    all
}

impl RankCache {
    /// How many tokens of a request's prompt are here, in whole blocks from its first one; the last token is computed in
    /// any case.
    pub fn look_up(&self, world: &World, id: usize) -> u64 {
        let (spans, size) = (world.spans(id), world.block_tokens());
        let mut found = 0;
        while found + size < world.whole_prompt(id) {
            let beginning = beginning(&spans, found + size);
            if !self.blocks.contains_key(&beginning) {
                break;
            }
            found += size;
        }
        found
    }

    /// Blocks that are here.
    pub fn len(&self) -> usize {
        self.blocks.len()
    }

    /// A request holds the whole blocks of so many tokens of its context, which are here from now on.
    pub fn hold(&mut self, world: &World, id: usize, tokens: u64) {
        let (spans, size) = (world.spans(id), world.block_tokens());
        for count in 1..=tokens / size {
            let beginning = beginning(&spans, count * size);
            let block = self.blocks.entry(beginning).or_default();
            block.holders.insert(id);
        }
    }

    /// A request leaves, with KV of so many tokens.
    pub fn leave(&mut self, world: &World, id: usize, tokens: u64) {
        self.hold(world, id, tokens);
        for block in self.blocks.values_mut() {
            if block.holders.remove(&id) {
                block.last = block.last.max((world.now, id));
            }
        }
    }

    /// What of a request's first blocks others hold, of so many tokens, in 1/1024 token.
    pub fn held_1024(&self, world: &World, id: usize, tokens: u64) -> u64 {
        let (spans, size) = (world.spans(id), world.block_tokens());
        let held = (1..=tokens / size).filter(|count| {
            let beginning = beginning(&spans, count * size);
            let block = self.blocks.get(&beginning);
            block.is_some_and(|block| !block.holders.is_empty())
        });
        held.count() as u64 * size * TOKEN
    }

    /// What is held by several, counted for all of them but one, in 1/1024 token.
    pub fn shared_1024(&self, world: &World) -> u64 {
        let more = |block: &CacheBlock| block.holders.len().saturating_sub(1) as u64;
        let blocks: u64 = self.blocks.values().map(more).sum();
        blocks * world.block_tokens() * TOKEN
    }

    /// Lets go what nobody holds, the longest unused first, of one request its last blocks, until it fits into so much
    /// memory. Says whether anything went.
    pub fn trim(&mut self, world: &World, room: u128) -> bool {
        let size = world
            .memory
            .of_layers_that_keep(world.block_tokens() * TOKEN);
        let idle = self.blocks.iter().filter(|(_, b)| b.holders.is_empty());
        let mut order: Vec<_> = idle
            .map(|(beginning, block)| {
                let length: u64 = beginning.iter().map(|(_, n)| *n).sum();
                (block.last, u64::MAX - length, beginning.clone())
            })
            .collect();
        order.sort();
        let kept = room
            .checked_div(size)
            .map_or(order.len(), |n| n.min(order.len() as u128) as usize);
        let surplus = order.len() - kept;
        for (_, _, beginning) in &order[..surplus] {
            self.blocks.remove(beginning);
        }
        surplus > 0
    }
}
