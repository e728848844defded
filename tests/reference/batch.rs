//! A mixed unit between two steps: who must leave a full rank, and what the next step does (S17).

use tokentide::internals::metrics::Place;
use tokentide::internals::perf::MixedLoad;
use tokentide::internals::scenario::{Admission, Batching, RankBalance};
use tokentide::internals::units::SimDuration;

use super::{Chunk, Mixed, Resident, Step, Unit};
use crate::decode::Blocked;
use crate::history::{End, PrefillStep};
use crate::kv::Held;
use crate::world::World;

impl Mixed {
    /// What a rank can hold.
    fn capacity(&self, world: &World) -> u128 {
        let tokens = self.pool.kv_capacity_tokens;
        world
            .memory
            .capacity(tokens.expect("scenarios here state it"))
    }

    /// What a rank's residents hold.
    fn held(world: &World, residents: &[Resident]) -> Held {
        let held = |resident| Self::held_1024(world, resident);
        world.memory.held(residents.iter().map(held))
    }

    /// The same after everybody who decodes has grown by a step.
    fn grown(world: &World, residents: &[Resident]) -> Held {
        let (decode, others): (Vec<Resident>, Vec<Resident>) =
            residents.iter().partition(|resident| resident.decodes);
        let decode = Self::held(world, &decode);
        let grown = decode.grown(decode.requests, decode.growing, world.progress_1024());
        grown.and(Self::held(world, &others))
    }

    /// Where the growth of those who decode would not fit, the latest to have joined leave.
    pub(super) fn preempt(&mut self, world: &mut World, index: usize) {
        let capacity = self.capacity(world);
        let mut leaving = Vec::new();
        for residents in &mut self.units[index].ranks {
            while world.memory.used(&Self::grown(world, residents)) > capacity {
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
            world.drop_kv(id);
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
        let ranks = 0..unit.ranks.len();
        let loads = ranks.map(|rank| Self::load_of(world, unit, &chunks, rank, decodes));
        let loads: Vec<MixedLoad> = loads.collect();
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
        unit.pause = if chunks.is_empty() {
            unit.pause.saturating_sub(1)
        } else {
            self.pool.prefill_every - 1
        };
        unit.step = Some(Step {
            from,
            ends,
            decodes,
            chunks,
        });
    }

    /// What a rank would do.
    fn load_of(
        world: &World,
        unit: &Unit,
        chunks: &[Chunk],
        rank: usize,
        decodes: bool,
    ) -> MixedLoad {
        let mut load = MixedLoad::default();
        for resident in unit.ranks[rank].iter().filter(|r| decodes && r.decodes) {
            let kv_1024 = world.kv_1024(resident.id);
            load.requests += 1;
            load.kv_1024 += kv_1024;
            load.window_1024 += world.memory.within(kv_1024);
        }
        for chunk in chunks.iter().filter(|chunk| chunk.rank == rank) {
            let cached = u64::from(world.requests[chunk.id].cached);
            let context = cached + world.states[chunk.id].computed;
            load.prefill.add_chunk(chunk.tokens, context);
            load.chunks += 1;
            load.joins += u32::from(chunk.is_first);
        }
        load
    }

    /// Deals out the tokens of the next step: prompts that were cut go on, then the queue's head joins, and
    /// the next one, until one must wait.
    fn form(&mut self, world: &mut World, index: usize) -> Vec<Chunk> {
        let unit = &mut self.units[index];
        if unit.pause > 0 && unit.ranks.iter().flatten().any(|r| r.decodes) {
            unit.blocked = None;
            let waits =
                unit.queue.len() + unit.ranks.iter().flatten().filter(|r| !r.decodes).count();
            if waits > 0 {
                world.saw("prompts wait for their turn among steps");
            }
            return Vec::new();
        }
        let most = u64::from(self.pool.max_batch_tokens);
        // What is drafted is verified with the last token.
        let each = 1 + u64::from(world.scenario.mtp.drafts);
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
            match self.rank_for(world, index, id, room, chunks) {
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
        let memory = &world.memory;
        let needed = match self.pool.admission {
            Admission::Current => {
                let request = memory.held([Self::kv_to_be_1024(world, id)].into_iter());
                memory.used(&Self::grown(world, residents).and(request))
            }
            Admission::Reserve => {
                let all = residents.iter().map(|r| r.id).chain([id]);
                memory.used(&memory.held(all.map(|id| world.kv_at_last_1024(id))))
            }
        };
        needed <= self.capacity(world)
    }

    /// Of the ranks with a place, room in the batch and memory the one that the balance says.
    fn rank_for(
        &self,
        world: &mut World,
        index: usize,
        id: usize,
        room: &[u64],
        chunks: &[Chunk],
    ) -> Result<usize, Option<Blocked>> {
        let least = match self.pool.batching {
            Batching::Whole => world
                .remaining(id)
                .min(u64::from(self.pool.max_batch_tokens)),
            Batching::Chunked | Batching::PrefillFirst => 1,
        };
        let unit = &self.units[index];
        let most = self.pool.max_batch_requests as usize;
        let mut ranks: Vec<(usize, &Vec<Resident>)> = unit.ranks.iter().enumerate().collect();
        ranks.retain(|(_, residents)| residents.len() < most);
        if ranks.is_empty() {
            return Err(Some(Blocked::ByBatch));
        }
        ranks.retain(|(rank, _)| room[*rank] >= least);
        if ranks.is_empty() {
            return Err(None);
        }
        ranks.retain(|(_, residents)| self.fits(world, id, residents));
        let least = |balance: RankBalance| {
            let order = |(rank, residents): &(usize, &Vec<Resident>)| {
                let Held {
                    kv_1024: kv,
                    requests,
                    ..
                } = Self::held(world, residents);
                let first = match balance {
                    RankBalance::Time => self.own_with(world, unit, (*rank, id), room, chunks),
                    RankBalance::Requests => requests,
                    RankBalance::Kv | RankBalance::Tokens => kv,
                };
                (first, kv, requests, *rank)
            };
            let least = ranks.iter().min_by_key(|rank| order(rank));
            least.map(|(rank, _)| *rank)
        };
        let chosen = least(self.pool.balance).ok_or(Some(Blocked::ByKv))?;
        let others = [RankBalance::Kv, RankBalance::Time, RankBalance::Requests].map(least);
        if others.into_iter().flatten().any(|rank| rank != chosen) {
            world.saw(match self.pool.balance {
                RankBalance::Time => "mixed balance by time differs from another",
                RankBalance::Requests => "mixed balance by requests differs from another",
                RankBalance::Kv | RankBalance::Tokens => "mixed balance by KV differs from another",
            });
        }
        Ok(chosen)
    }

    /// What a rank would do by itself in the coming step, with the first chunk of this request, in ps.
    fn own_with(
        &self,
        world: &World,
        unit: &Unit,
        (rank, id): (usize, usize),
        room: &[u64],
        chunks: &[Chunk],
    ) -> u64 {
        let first = Chunk {
            id,
            rank,
            tokens: world.remaining(id).min(room[rank]),
            is_first: true,
        };
        let with: Vec<Chunk> = chunks.iter().copied().chain([first]).collect();
        // With a prompt in the step, those who decode may have to wait.
        let decodes = self.pool.batching != Batching::PrefillFirst;
        let load = Self::load_of(world, unit, &with, rank, decodes);
        world.times.mixed_own(&load)
    }
}
