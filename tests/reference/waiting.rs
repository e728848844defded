//! Who waits although there is room (S17): newcomers whom the unit has not looked for yet, and prompts that wait for a
//! fuller batch.

use tokentide::internals::scenario::Batching;

use super::{Chunk, Mixed};
use crate::world::World;

impl Mixed {
    /// Tokens that somebody who decodes adds to a batch: what is drafted is verified with the last one.
    pub(super) fn each(world: &World) -> u64 {
        1 + u64::from(world.scenario.mtp.drafts)
    }

    /// Whether there are prompts, in a batch that is too small for them not to wait.
    pub(super) fn waits_for_more(&self, world: &World, index: usize, chunks: &[Chunk]) -> bool {
        let unit = &self.units[index];
        let of_prompts: u64 = chunks.iter().map(|chunk| chunk.tokens).sum();
        let answers = unit.ranks.iter().flatten().filter(|r| r.decodes).count() as u64;
        let of_answers = match self.pool.batching {
            Batching::PrefillFirst => 0,
            Batching::Chunked | Batching::Whole => answers * Self::each(world),
        };
        !chunks.is_empty()
            && unit.put_off < self.pool.batch_wait_steps
            && of_prompts + of_answers < u64::from(self.pool.batch_wait_tokens)
    }

    /// What the unit knows of when it puts a step together: everybody who came until then, or all.
    pub(super) fn look(&mut self, world: &mut World, index: usize) {
        let every = self.pool.receive_every;
        let unit = &mut self.units[index];
        let is_empty = unit.ranks.iter().all(Vec::is_empty);
        if is_empty || unit.computed || unit.unlooked >= every {
            unit.seen = match self.pool.look_ahead {
                true => unit.began,
                false => Some(world.now),
            };
            unit.unlooked = 0;
        } else if !unit.queue.is_empty() {
            world.saw("a newcomer waits until the unit looks");
        }
    }
}
