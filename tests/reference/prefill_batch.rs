//! What a prefill batch holds: chunks dealt to ranks under their budgets (S7).

use tokentide::internals::perf::PrefillLoad;
use tokentide::internals::scenario::RankBalance;

use super::{Chunk, Prefill};
use crate::world::{TOKEN, World};

/// Picoseconds in a nanosecond.
const PS: u64 = 1_000;

/// A batch being formed.
pub(super) struct Batch {
    pub(super) loads: Vec<PrefillLoad>,
    requests: Vec<u32>,
    /// Ranks on which a request was cut.
    is_closed: Vec<bool>,
    pub(super) chunks: Vec<Chunk>,
}

impl Prefill {
    /// What the next batch would hold: unfinished prompts on their ranks, then the queue in order.
    pub(super) fn form(&mut self, world: &mut World, index: usize) -> Batch {
        let unit = self.units[index].clone();
        let ranks = self.pool.ranks as usize;
        let mut batch = Batch {
            loads: vec![PrefillLoad::default(); ranks],
            requests: vec![0; ranks],
            is_closed: vec![false; ranks],
            chunks: Vec::new(),
        };
        for (rank, id) in unit.unfinished.iter().enumerate() {
            if let Some(id) = *id {
                let hits = world.states[id].hits;
                self.add(world, &mut batch, (rank, id), hits);
            }
        }
        'queue: for id in &unit.queue {
            loop {
                let Some(rank) = self.rank_for(world, &batch) else {
                    break 'queue;
                };
                let mut hits = world.states[*id].hits;
                if world.has_contents() {
                    hits = self.units[index].caches[rank].look_up(world, *id);
                }
                if self.add(world, &mut batch, (rank, *id), hits) {
                    self.join_cache(world, index, &batch, hits);
                    break;
                }
            }
        }
        batch
    }

    /// The request of the batch's latest chunk has joined its rank, and holds what it found there.
    fn join_cache(&mut self, world: &mut World, index: usize, batch: &Batch, hits: u64) {
        let Some(Chunk { id, rank, .. }) = batch.chunks.last().copied() else {
            return;
        };
        if world.has_contents() {
            if hits > 0 {
                world.saw("a prompt's beginning is found by prefill");
            }
            self.units[index].caches[rank].hold(world, id, hits);
            world.states[id].hits = hits;
            let on_rank = batch.chunks.iter().filter(|chunk| chunk.rank == rank);
            let on_rank = on_rank.map(|chunk| chunk.id).collect();
            self.trim(world, index, rank, on_rank);
        }
    }

    /// What nobody holds on a rank makes room for the prompts of those who are there.
    pub(super) fn trim(&mut self, world: &mut World, index: usize, rank: usize, on: Vec<usize>) {
        let prompts = on.iter().map(|id| world.whole_prompt(*id) * TOKEN);
        let mut held = world.memory.held(prompts);
        let cache = &mut self.units[index].caches[rank];
        held.kv_1024 -= cache.shared_1024(world);
        let capacity = self.pool.kv_capacity_tokens.expect("it is stated or known");
        let room = world.memory.capacity(capacity);
        if cache.trim(world, room.saturating_sub(world.memory.used(&held))) {
            world.saw("a prefill rank's cache lets blocks go");
        }
    }

    /// The open rank with the fewest tokens, or with the least to do by itself.
    fn rank_for(&self, world: &mut World, batch: &Batch) -> Option<usize> {
        let is_open = |rank: &usize| {
            !batch.is_closed[*rank]
                && batch.requests[*rank] < self.pool.max_batch_requests
                && batch.loads[*rank].tokens < u64::from(self.pool.max_batch_tokens)
        };
        let open: Vec<usize> = (0..batch.loads.len()).filter(is_open).collect();
        let least =
            |load: &dyn Fn(usize) -> u64| open.iter().copied().min_by_key(|r| (load(*r), *r));
        let by_tokens = least(&|rank| batch.loads[rank].tokens)?;
        if self.pool.balance != RankBalance::Time {
            return Some(by_tokens);
        }
        let by_time = least(&|rank| world.times.prefill_own(batch.loads[rank]))?;
        if by_time != by_tokens {
            world.saw("prompts dealt by time go elsewhere than by tokens");
        }
        Some(by_time)
    }

    /// Adds what fits of a request to a rank's part of the batch; `false`: nothing does. Where not all of
    /// it fits, the rank is closed.
    fn add(
        &self,
        world: &mut World,
        batch: &mut Batch,
        (rank, id): (usize, usize),
        hits: u64,
    ) -> bool {
        let before = batch.loads[rank];
        let context = hits + world.states[id].computed;
        let remaining = world.whole_prompt(id) - context;
        let with = |tokens: u64| {
            let mut load = before;
            load.add_chunk(tokens, context);
            load
        };
        let by_tokens = remaining.min(u64::from(self.pool.max_batch_tokens) - before.tokens);
        let most_pairs = self.pool.max_batch_pairs.unwrap_or(u64::MAX);
        let by_pairs = |tokens: &u64| with(*tokens).pairs <= most_pairs;
        let by_pairs = (0..=by_tokens).rev().find(by_pairs).unwrap_or(0);
        if by_pairs < by_tokens {
            world.saw("attention pairs cut a chunk");
        }
        let mut tokens = by_pairs;
        if let Some(most) = self.pool.max_batch_time {
            let fits = |tokens: &u64| world.times.prefill_own(with(*tokens)) <= most.0 * PS;
            tokens = (0..=by_pairs).rev().find(fits).unwrap_or(0);
        }
        if tokens < by_pairs {
            world.saw("the time of a batch cuts a chunk");
        }
        if tokens == 0 && batch.requests[rank] == 0 {
            // However long its context, a prompt gets on by a token in a batch of its own.
            world.saw(if by_pairs == 0 {
                "a single token is over the budget of pairs"
            } else {
                "a single token is over the budget of time"
            });
            tokens = 1;
        }
        batch.is_closed[rank] = tokens < remaining;
        if tokens == 0 {
            return false;
        }
        batch.loads[rank] = with(tokens);
        batch.requests[rank] += 1;
        batch.chunks.push(Chunk { id, rank, tokens });
        true
    }
}
