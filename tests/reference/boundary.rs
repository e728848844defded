//! A decode unit between two steps: who must leave a full rank, who joins, who is rejected, and whether
//! another step starts (S9, S10, S14).

use tokentide::internals::metrics::Place;
use tokentide::internals::scenario::{Admission, RankBalance};

use super::{Blocked, Decode, Resident, Step, step};
use crate::history::{End, Join};
use crate::kv::{self, Held, WHOLE};
use crate::world::{TOKEN, World};

impl Decode {
    /// Units without a running step: full ranks are relieved, the queue joins, a step starts.
    pub fn start_steps(&mut self, world: &mut World) {
        for index in 0..self.units.len() {
            if self.units[index].step.is_none() && !self.units[index].is_stopped {
                self.preempt(world, index);
                self.admit(world, index);
                self.start(world, index);
                self.cut_queue(world, index);
            }
        }
        self.cut_waiting(world);
    }

    /// What a rank can hold.
    fn capacity(&self, world: &World) -> u128 {
        let tokens = self.pool.kv_capacity_tokens;
        world
            .memory
            .capacity(tokens.expect("scenarios here state it"))
    }

    /// What a rank's residents hold.
    fn held(world: &World, residents: &[Resident]) -> Held {
        world
            .memory
            .held(residents.iter().map(|r| world.kv_1024(r.id)))
    }

    /// Memory that these requests take once each has grown by a step.
    fn grown(world: &World, ids: impl Iterator<Item = usize>) -> u128 {
        let held = world.memory.held(ids.map(|id| world.kv_1024(id)));
        let grown = held.grown(held.requests, held.growing, world.progress_1024());
        world.memory.used(&grown)
    }

    /// Where the residents' growth of the coming step would not fit, the latest to have joined leave.
    fn preempt(&mut self, world: &mut World, index: usize) {
        let capacity = self.capacity(world);
        let mut leaving = Vec::new();
        for residents in &mut self.units[index].residents {
            let grown = |all: &[Resident]| Self::grown(world, all.iter().map(|r| r.id));
            let reserves = self.pool.admission == Admission::Reserve;
            while !reserves && grown(residents) > capacity {
                let latest = residents.iter().map(|r| (r.joined, r.id)).max();
                let (_, id) = latest.expect("an empty rank is not full");
                residents.retain(|r| r.id != id);
                leaving.push(id);
            }
        }
        leaving.sort_unstable();
        if leaving.len() > 1 {
            world.saw("several preemptions at once");
        }
        for id in leaving.into_iter().rev() {
            world.saw("preemption");
            if world.progress_1024() > TOKEN {
                world.saw("preemption with several tokens a step");
            }
            world.note(id, |life| &mut life.preempted);
            let kv_1024 = world.kv_1024(id);
            let takes = kv::link_time(&world.scenario.kv, kv_1024, WHOLE, self.pool.host);
            world.states[id].ready = world.now + takes;
            world.put(id, Place::DecodeQueue);
            self.units[index].queue.push_front(id);
        }
    }

    /// The head of the queue joins a rank, and the next one, until one must wait.
    fn admit(&mut self, world: &mut World, index: usize) {
        self.units[index].blocked = None;
        while let Some(&id) = self.units[index].queue.front() {
            if !self.fits(world, id, &[]) {
                world.saw("a request is too large for any rank");
                self.units[index].queue.pop_front();
                world.end(id, End::Failed(world.now));
                continue;
            }
            if world.states[id].ready > world.now {
                world.saw("a preempted request waits for its KV");
                break;
            }
            match self.rank_for(world, index, id) {
                Ok(rank) => {
                    self.units[index].queue.pop_front();
                    self.join(world, index, rank, id);
                }
                Err(why) => {
                    world.saw(match why {
                        Blocked::ByBatch => "admission waits for a batch slot",
                        Blocked::ByKv => "admission waits for KV memory",
                    });
                    self.units[index].blocked = Some(why);
                    break;
                }
            }
        }
    }

    /// Whether a request fits on a rank beside these residents.
    fn fits(&self, world: &World, id: usize, residents: &[Resident]) -> bool {
        let ids = residents.iter().map(|r| r.id).chain([id]);
        let needed = match self.pool.admission {
            Admission::Current => Self::grown(world, ids),
            Admission::Reserve => {
                let at_last = ids.map(|id| world.kv_at_last_1024(id));
                world.memory.used(&world.memory.held(at_last))
            }
        };
        needed <= self.capacity(world)
    }

    /// Of the ranks with room the one that the balance says.
    fn rank_for(&self, world: &mut World, index: usize, id: usize) -> Result<usize, Blocked> {
        let ranks = self.units[index].residents.iter().enumerate();
        let most = self.pool.max_batch_requests as usize;
        let with_slot: Vec<_> = ranks
            .filter(|(_, residents)| residents.len() < most)
            .collect();
        if with_slot.is_empty() {
            return Err(Blocked::ByBatch);
        }
        let with_room: Vec<(usize, Held)> = with_slot
            .into_iter()
            .filter(|(_, residents)| self.fits(world, id, residents))
            .map(|(rank, residents)| (rank, Self::held(world, residents)))
            .collect();
        let least = |balance: RankBalance| {
            let order = |(rank, held): &(usize, Held)| {
                let Held {
                    kv_1024: kv,
                    requests,
                    ..
                } = *held;
                let first = match balance {
                    RankBalance::Time => {
                        world
                            .times
                            .decode_own(requests as u32 + 1, kv, held.window_1024)
                    }
                    RankBalance::Requests => requests,
                    RankBalance::Kv | RankBalance::Tokens => kv,
                };
                (first, kv, requests, *rank)
            };
            with_room.iter().min_by_key(|rank| order(rank))
        };
        let chosen = least(self.pool.balance).ok_or(Blocked::ByKv)?.0;
        let others = [RankBalance::Kv, RankBalance::Time, RankBalance::Requests].map(least);
        if others.iter().flatten().any(|(rank, _)| *rank != chosen) {
            world.saw(match self.pool.balance {
                RankBalance::Time => "balance by time differs from another",
                RankBalance::Requests => "balance by requests differs from another",
                RankBalance::Kv | RankBalance::Tokens => "balance by KV differs from another",
            });
        }
        Ok(chosen)
    }

    fn join(&mut self, world: &mut World, unit: usize, rank: usize, id: usize) {
        if !world.life(id).preempted.is_empty() {
            world.saw("a preempted request rejoins");
        }
        let (at, since) = (world.now, world.states[id].since);
        world.life(id).joined.push(Join {
            at,
            unit,
            rank,
            since,
        });
        world.states[id].is_new = true;
        world.put(id, Place::Decode);
        self.units[unit].residents[rank].push(Resident { id, joined: at });
    }

    /// A step starts if anybody is there, unless it would outlast the unit.
    fn start(&mut self, world: &mut World, index: usize) {
        let residents = &self.units[index].residents;
        if residents.iter().all(Vec::is_empty) {
            return;
        }
        let held = residents.iter().map(|rank| Self::held(world, rank));
        let held: Vec<Held> = held.collect();
        if held.iter().any(|rank| rank.window_1024 < rank.kv_1024) && world.memory.has_window() {
            world.saw("somebody has more KV than a window");
        }
        let length = step(world, &held);
        let (from, ends) = (world.now, world.now + length);
        if i128::from(ends) >= self.fleet.release(index, world.now) {
            world.saw("a decode step would outlast its unit");
            self.units[index].is_stopped = true;
            return;
        }
        let kv_1024 = held.iter().map(|rank| rank.kv_1024).sum();
        self.units[index].step = Some(Step {
            from,
            ends,
            kv_1024,
        });
    }

    /// Who waits beyond the limit is rejected, the last first.
    fn cut_queue(&mut self, world: &mut World, index: usize) {
        let most = self
            .pool
            .max_queue_requests
            .map_or(usize::MAX, |n| n as usize);
        let queue = &mut self.units[index].queue;
        while queue.len() > most {
            let last = queue.pop_back().expect("longer than the limit");
            world.saw("a decode queue rejects");
            if !world.life(last).preempted.is_empty() {
                world.saw("a preempted request is rejected");
            }
            world.end(last, End::Rejected(world.now));
        }
        if queue.is_empty() {
            self.units[index].blocked = None;
        }
    }

    /// The same while no unit serves, for those whose KV is here.
    fn cut_waiting(&mut self, world: &mut World) {
        let most = self
            .pool
            .max_queue_requests
            .map_or(usize::MAX, |n| n as usize);
        let waiting = &mut self.fleet.waiting;
        let is_here = |id: &usize| world.states[*id].place == Place::DecodeQueue;
        let last: Vec<usize> = waiting.iter().copied().filter(is_here).skip(most).collect();
        for id in last {
            world.saw("the decode pool rejects while no unit serves");
            waiting.retain(|other| *other != id);
            world.end(id, End::Rejected(world.now));
        }
    }
}
