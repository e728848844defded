//! A mixed unit between two steps: who must leave a full rank, and what the next step does (S17).

use tokentide::metrics::Place;
use tokentide::perf::MixedLoad;
use tokentide::scenario::{Admission, Batching};
use tokentide::units::SimDuration;

use super::{Chunk, Mixed, Resident, Step, Unit};
use crate::decode::Blocked;
use crate::history::{End, PrefillStep};
use crate::world::{TOKEN, World};

/// Tokens of the budget for each request that decodes: with multi-token prediction the drafted one too.
const TOKENS_EACH: [u64; 2] = [1, 2];

impl Mixed {
    fn capacity_1024(&self) -> u64 {
        let tokens = self.pool.kv_capacity_tokens;
        tokens.expect("scenarios here state it") * TOKEN
    }

    /// KV of a rank's residents, and after everybody who decodes has grown by a step.
    fn kv_of_rank_1024(world: &World, residents: &[Resident]) -> (u64, u64) {
        let kv_1024 = residents.iter().map(|r| Self::held_1024(world, r)).sum();
        let decoding = residents.iter().filter(|r| r.decodes).count() as u64;
        (kv_1024, kv_1024 + decoding * world.progress_1024())
    }

    /// Where the growth of those who decode would not fit, the latest to have joined leave.
    pub(super) fn preempt(&mut self, world: &mut World, index: usize) {
        let capacity = self.capacity_1024();
        let mut leaving = Vec::new();
        for residents in &mut self.units[index].ranks {
            while Self::kv_of_rank_1024(world, residents).1 > capacity {
                let latest = residents.iter().map(|r| (r.joined, r.id)).max();
                let (_, id) = latest.expect("an empty rank is not full");
                residents.retain(|r| r.id != id);
                leaving.push(id);
            }
        }
        leaving.sort_unstable();
        if leaving.len() > 1 {
            world.saw("several mixed preemptions at once");
        }
        for id in leaving.into_iter().rev() {
            world.saw(match world.states[id].place {
                Place::Decode => "mixed preemption of somebody who decodes",
                _ => "mixed preemption of somebody whose prompt is being computed",
            });
            if world.life(id).preempted.len() > 1 {
                world.saw("mixed preemption for the third time");
            }
            world.note(id, |life| &mut life.preempted);
            Self::drop_kv(world, id);
            world.put(id, Place::PrefillQueue);
            let queue = &mut self.units[index].queue;
            let more_urgent = |other: &&usize| world.priority(**other) < world.priority(id);
            let before = queue.iter().filter(more_urgent).count();
            if before > 0 {
                world.saw("a preempted request is behind more urgent ones");
            }
            queue.insert(before, id);
        }
    }

    /// A step starts if anybody has something to do, unless it would outlast the unit: then those who
    /// joined for it are where they were.
    pub(super) fn start(&mut self, world: &mut World, index: usize) {
        let before = self.units[index].clone();
        let chunks = self.form(world, index);
        let unit = &self.units[index];
        let decoding = unit.ranks.iter().flatten().any(|r| r.decodes);
        let prompts_alone = self.pool.batching == Batching::PrefillFirst && !chunks.is_empty();
        if prompts_alone && decoding {
            world.saw("those who decode wait for prompts");
        }
        let decodes = decoding && !prompts_alone;
        if chunks.is_empty() && !decodes {
            self.units[index].began = None;
            return;
        }
        if decodes && !chunks.is_empty() {
            world.saw("prompts and answers share a step");
        }
        let loads = Self::loads_of(world, unit, &chunks, decodes);
        let SimDuration(length) = world.times.mixed_step(&loads);
        let (from, ends) = (world.now, world.now + length);
        if i128::from(ends) >= self.fleet.release(index, world.now) {
            world.saw("a mixed step would outlast its unit");
            let unit = &mut self.units[index];
            unit.ranks = before.ranks;
            let ended = |id: &usize| world.states[*id].place == Place::Outside;
            unit.queue = before.queue.into_iter().filter(|id| !ended(id)).collect();
            unit.is_stopped = true;
            return;
        }
        for chunk in &chunks {
            if chunk.is_first {
                world.life(chunk.id).started.get_or_insert(from);
                world.put(chunk.id, Place::Prefill);
            }
        }
        let tokens = chunks.iter().map(|chunk| chunk.tokens).sum();
        if tokens > 0 {
            world.history.prefill_steps.push(PrefillStep {
                from,
                unit: index,
                length,
                tokens,
            });
        }
        let unit = &mut self.units[index];
        unit.began = Some(from);
        unit.step = Some(Step {
            from,
            ends,
            decodes,
            chunks,
        });
    }

    /// What each rank would do.
    fn loads_of(world: &World, unit: &Unit, chunks: &[Chunk], decodes: bool) -> Vec<MixedLoad> {
        let mut loads = vec![MixedLoad::default(); unit.ranks.len()];
        for (load, residents) in loads.iter_mut().zip(&unit.ranks) {
            for resident in residents.iter().filter(|r| decodes && r.decodes) {
                load.requests += 1;
                load.kv_1024 += world.kv_1024(resident.id);
            }
        }
        for chunk in chunks {
            let load = &mut loads[chunk.rank];
            let cached = u64::from(world.requests[chunk.id].cached);
            let context = cached + world.states[chunk.id].computed;
            load.prefill.add_chunk(chunk.tokens, context);
            load.chunks += 1;
            load.joins += u32::from(chunk.is_first);
        }
        loads
    }

    /// Deals out the tokens of the next step: prompts that were cut go on, then the queue's head joins, and
    /// the next one, until one must wait.
    fn form(&mut self, world: &mut World, index: usize) -> Vec<Chunk> {
        let most = u64::from(self.pool.max_batch_tokens);
        let each = TOKENS_EACH[usize::from(world.scenario.mtp.is_some())];
        let mut chunks = Vec::new();
        let mut room = Vec::new();
        for (rank, residents) in self.units[index].ranks.iter().enumerate() {
            let decoding = residents.iter().filter(|r| r.decodes).count() as u64;
            let for_answers = match self.pool.batching {
                Batching::PrefillFirst => 0,
                Batching::Chunked | Batching::Whole => decoding * each,
            };
            if for_answers >= most {
                world.saw("answers take the whole budget");
            }
            let mut left = most.saturating_sub(for_answers);
            for Resident { id, .. } in residents.iter().filter(|r| !r.decodes) {
                let tokens = world.remaining(*id).min(left);
                left -= tokens;
                if tokens > 0 {
                    chunks.push(Chunk {
                        id: *id,
                        rank,
                        tokens,
                        is_first: false,
                    });
                }
            }
            room.push(left);
        }
        let began = self.units[index].began;
        let waited = began.filter(|_| self.pool.look_ahead);
        self.admit(world, index, &mut room, &mut chunks, waited);
        if waited.is_some() && self.units[index].ranks.iter().all(Vec::is_empty) {
            // Nobody is on the unit, so that nothing was put together ahead.
            self.admit(world, index, &mut room, &mut chunks, None);
        } else if waited.is_some_and(|began| self.head_is_newer(world, index, began)) {
            world.saw("look-ahead leaves a request for the step after");
        }
        chunks
    }

    /// Whether the queue's head came after this instant.
    fn head_is_newer(&self, world: &World, index: usize, than: u64) -> bool {
        let head = self.units[index].queue.first();
        head.is_some_and(|id| world.states[*id].since > than)
    }

    /// The head of the queue joins as long as there is room; with look-ahead only who waited when the step
    /// before began.
    fn admit(
        &mut self,
        world: &mut World,
        index: usize,
        room: &mut [u64],
        chunks: &mut Vec<Chunk>,
        waited: Option<u64>,
    ) {
        self.units[index].blocked = None;
        while let Some(&id) = self.units[index].queue.first() {
            if !self.fits(world, id, &[]) {
                world.saw("a request is too large for any mixed rank");
                self.units[index].queue.remove(0);
                world.end(id, End::Failed(world.now));
                continue;
            }
            if waited.is_some_and(|began| self.head_is_newer(world, index, began)) {
                return;
            }
            match self.rank_for(world, index, id, room) {
                Ok(rank) => {
                    let tokens = world.remaining(id).min(room[rank]);
                    room[rank] -= tokens;
                    self.units[index].queue.remove(0);
                    self.units[index].ranks[rank].push(Resident {
                        id,
                        joined: world.now,
                        decodes: false,
                    });
                    chunks.push(Chunk {
                        id,
                        rank,
                        tokens,
                        is_first: true,
                    });
                }
                Err(why) => {
                    world.saw(match why {
                        None => "mixed admission waits for room in the batch",
                        Some(Blocked::ByBatch) => "mixed admission waits for a place",
                        Some(Blocked::ByKv) => "mixed admission waits for KV memory",
                    });
                    self.units[index].blocked = why;
                    return;
                }
            }
        }
    }

    /// Whether a request fits on a rank beside these residents, those who decode having grown by a step.
    fn fits(&self, world: &World, id: usize, residents: &[Resident]) -> bool {
        let needed = match self.pool.admission {
            Admission::Current => {
                Self::kv_of_rank_1024(world, residents).1 + Self::kv_to_be_1024(world, id)
            }
            Admission::Reserve => {
                let all = residents.iter().map(|r| r.id).chain([id]);
                all.map(|id| world.kv_at_last_1024(id)).sum()
            }
        };
        needed <= self.capacity_1024()
    }

    /// The rank with the least KV (then fewest requests, lowest index) of those with a place, room in the
    /// batch, and memory.
    fn rank_for(
        &self,
        world: &World,
        index: usize,
        id: usize,
        room: &[u64],
    ) -> Result<usize, Option<Blocked>> {
        let least = match self.pool.batching {
            Batching::Whole => world
                .remaining(id)
                .min(u64::from(self.pool.max_batch_tokens)),
            Batching::Chunked | Batching::PrefillFirst => 1,
        };
        let most = self.pool.max_batch_requests as usize;
        let mut ranks: Vec<(usize, &Vec<Resident>)> =
            self.units[index].ranks.iter().enumerate().collect();
        ranks.retain(|(_, residents)| residents.len() < most);
        if ranks.is_empty() {
            return Err(Some(Blocked::ByBatch));
        }
        ranks.retain(|(rank, _)| room[*rank] >= least);
        if ranks.is_empty() {
            return Err(None);
        }
        ranks.retain(|(_, residents)| self.fits(world, id, residents));
        let order = |(rank, residents): &(usize, &Vec<Resident>)| {
            let (kv_1024, _) = Self::kv_of_rank_1024(world, residents);
            (kv_1024, residents.len(), *rank)
        };
        let least = ranks.into_iter().min_by_key(order);
        least.map(|(rank, _)| rank).ok_or(Some(Blocked::ByKv))
    }
}
