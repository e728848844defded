//! A mixed unit between two steps: who must leave a full rank, and what the next step does (S17).

use tokentide::internals::metrics::Place;
use tokentide::internals::perf::MixedLoad;
use tokentide::internals::scenario::{Admission, Batching, RankBalance};
use tokentide::internals::units::SimDuration;

use super::{Chunk, Mixed, Resident, Step, Unit};
use crate::cache::RankCache;
use crate::decode::Blocked;
use crate::history::{End, PrefillStep};
use crate::kv::Held;
use crate::world::{TOKEN, World};

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

    /// Memory of a rank's residents after everybody who decodes has grown by a step: what they share is there once.
    fn used(world: &World, residents: &[Resident], cache: &RankCache) -> u128 {
        let mut grown = Self::grown(world, residents);
        if world.has_contents() {
            grown.kv_1024 -= cache.shared_1024(world);
        }
        world.memory.used(&grown)
    }

    /// What nobody holds on a rank makes room for those who are there.
    fn trim(&mut self, world: &mut World, index: usize, rank: usize) {
        if !world.has_contents() {
            return;
        }
        let unit = &self.units[index];
        let used = Self::used(world, &unit.ranks[rank], &unit.caches[rank]);
        let room = self.capacity(world).saturating_sub(used);
        if self.units[index].caches[rank].trim(world, room) {
            world.saw("a prefix cache lets blocks go");
        }
    }

    /// KV of a request that leaves a rank before its end: of all but its latest token, or of what was computed of its
    /// prompt.
    fn stored(world: &World, resident: &Resident) -> u64 {
        let state = world.states[resident.id];
        let computed = state.hits + state.computed;
        if resident.decodes {
            let emitted = world.history.lives[resident.id].tokens_1024 / TOKEN;
            let input = u64::from(world.requests[resident.id].input);
            computed.max(input + emitted.saturating_sub(1))
        } else {
            computed
        }
    }

    /// Where the growth of those who decode would not fit, the latest to have joined leave.
    pub(super) fn preempt(&mut self, world: &mut World, index: usize) {
        let capacity = self.capacity(world);
        let mut leaving = Vec::new();
        let Unit { ranks, caches, .. } = &mut self.units[index];
        for (residents, cache) in ranks.iter_mut().zip(caches) {
            let reserves = self.pool.admission == Admission::Reserve;
            while !reserves && Self::used(world, residents, cache) > capacity {
                let latest = residents.iter().max_by_key(|r| (r.joined, r.id));
                let latest = *latest.expect("an empty rank is not full");
                if world.has_contents() {
                    cache.leave(world, latest.id, Self::stored(world, &latest));
                }
                residents.retain(|r| r.id != latest.id);
                leaving.push(latest.id);
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
            self.expect_hits(world, index, id);
        }
        for rank in 0..self.units[index].ranks.len() {
            self.trim(world, index, rank);
        }
    }

    /// A step starts if anybody has something to do, unless it would outlast the unit: then those who
    /// joined for it are where they were.
    pub(super) fn start(&mut self, world: &mut World, index: usize) {
        let before = self.units[index].clone();
        let mut chunks = self.form(world, index);
        let unit = &self.units[index];
        let decoding = unit.ranks.iter().flatten().any(|r| r.decodes);
        if decoding && self.waits_for_more(world, index, &chunks) {
            world.saw("prompts wait for a fuller batch");
            chunks.clear();
            let ended = |id: &usize| world.states[*id].place == Place::Outside;
            let unit = &mut self.units[index];
            unit.ranks.clone_from(&before.ranks);
            unit.queue.clone_from(&before.queue);
            unit.queue.retain(|id| !ended(id));
            unit.blocked = None;
            unit.put_off += 1;
        }
        let unit = &self.units[index];
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
            for chunk in chunks.iter().filter(|_| world.has_contents()) {
                if chunk.is_first {
                    let hits = world.states[chunk.id].hits;
                    self.units[index].caches[chunk.rank].leave(world, chunk.id, hits);
                }
            }
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
        unit.unlooked += 1;
        unit.computed = !chunks.is_empty();
        if unit.computed {
            unit.put_off = 0;
        }
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
            let state = world.states[chunk.id];
            let context = state.hits + state.computed;
            load.prefill.add_chunk(chunk.tokens, context);
            load.chunks += 1;
            load.joins += u32::from(chunk.is_first);
        }
        load
    }

    /// Deals out the tokens of the next step: prompts that were cut go on, then the queue's head joins, and
    /// the next one, until one must wait.
    fn form(&mut self, world: &mut World, index: usize) -> Vec<Chunk> {
        self.look(world, index);
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
        let each = Self::each(world);
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
        let waited = self.units[index].seen;
        self.admit(world, index, &mut room, &mut chunks, waited);
        if waited.is_some() && self.units[index].ranks.iter().all(Vec::is_empty) {
            // Nobody is on the unit, so that nothing was put together ahead.
            self.units[index].seen = None;
            self.admit(world, index, &mut room, &mut chunks, None);
        } else if self.pool.look_ahead
            && waited.is_some_and(|seen| self.head_is_newer(world, index, seen))
        {
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
            if !self.fits(world, id, &[], 0) {
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
                    self.find_hits(world, index, rank, id);
                    let tokens = world.remaining(id).min(room[rank]);
                    room[rank] -= tokens;
                    self.units[index].queue.remove(0);
                    self.units[index].ranks[rank].push(Resident {
                        id,
                        joined: world.now,
                        decodes: false,
                    });
                    self.trim(world, index, rank);
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

    /// A request joins a rank: what it finds there it holds.
    fn find_hits(&mut self, world: &mut World, index: usize, rank: usize, id: usize) {
        if !world.has_contents() {
            return;
        }
        let cache = &mut self.units[index].caches[rank];
        let hits = cache.look_up(world, id);
        if hits > 0 {
            world.saw("a prompt's beginning is found");
        }
        if hits < world.states[id].hits {
            world.saw("less is found than was known");
        }
        if cache.held_1024(world, id, hits) > 0 {
            world.saw("a prompt's beginning is shared");
        }
        if world.states[id].dropped > 0 && hits > 0 {
            world.saw("a dropped request finds some of what it had");
        }
        cache.hold(world, id, hits);
        world.states[id].hits = hits;
    }

    /// What it would be to join a rank: tokens that hit, and what others there hold of them, in 1/1024.
    fn hits_on(&self, world: &World, index: usize, rank: usize, id: usize) -> (u64, u64) {
        if !world.has_contents() {
            return (world.states[id].hits, 0);
        }
        let cache = &self.units[index].caches[rank];
        let hits = cache.look_up(world, id);
        (hits, cache.held_1024(world, id, hits))
    }

    /// Whether a request fits on a rank beside these residents, those who decode having grown by a step, where so much
    /// is shared, in 1/1024 token.
    fn fits(&self, world: &World, id: usize, residents: &[Resident], shared_1024: u64) -> bool {
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
        needed - world.memory.of_layers_that_keep(shared_1024) <= self.capacity(world)
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
        let hits = (0..self.units[index].ranks.len()).map(|r| self.hits_on(world, index, r, id));
        let hits: Vec<(u64, u64)> = hits.collect();
        let to_compute = |rank: usize| world.whole_prompt(id) - hits[rank].0;
        let least = |rank: usize| match self.pool.batching {
            Batching::Whole => to_compute(rank).min(u64::from(self.pool.max_batch_tokens)),
            Batching::Chunked | Batching::PrefillFirst => 1,
        };
        let unit = &self.units[index];
        let most = self.pool.max_batch_requests as usize;
        let mut ranks: Vec<(usize, &Vec<Resident>)> = unit.ranks.iter().enumerate().collect();
        ranks.retain(|(_, residents)| residents.len() < most);
        if ranks.is_empty() {
            return Err(Some(Blocked::ByBatch));
        }
        ranks.retain(|(rank, _)| room[*rank] >= least(*rank));
        if ranks.is_empty() {
            return Err(None);
        }
        ranks.retain(|(rank, residents)| {
            let of_cache = match world.has_contents() {
                true => unit.caches[*rank].shared_1024(world),
                false => 0,
            };
            self.fits(world, id, residents, of_cache + hits[*rank].1)
        });
        let least = |balance: RankBalance| {
            let order = |(rank, residents): &(usize, &Vec<Resident>)| {
                let Held {
                    kv_1024: kv,
                    requests,
                    ..
                } = Self::held(world, residents);
                let first = match balance {
                    RankBalance::Time => {
                        let first = (*rank, id, hits[*rank].0);
                        self.own_with(world, unit, first, room, chunks)
                    }
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
        (rank, id, hits): (usize, usize, u64),
        room: &[u64],
        chunks: &[Chunk],
    ) -> u64 {
        let tokens = (world.whole_prompt(id) - hits).min(room[rank]);
        // With a prompt in the step, those who decode may have to wait.
        let decodes = self.pool.batching != Batching::PrefillFirst;
        let mut load = Self::load_of(world, unit, chunks, rank, decodes);
        load.prefill.add_chunk(tokens, hits);
        load.chunks += 1;
        load.joins += 1;
        world.times.mixed_own(&load)
    }
}
