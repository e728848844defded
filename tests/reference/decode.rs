//! The decode pool: KV arriving, admission, lock-step token generation, preemption, migration (S8-S10).

mod arrivals;
mod boundary;

use std::collections::VecDeque;

use tokentide::internals::cluster::controller::{AfterLoss, PoolView, UnitOrder};
use tokentide::internals::metrics::Place;
use tokentide::internals::perf::DecodeLoads;
use tokentide::internals::scenario::{LoadMeasure, Pool};
use tokentide::internals::units::SimTime;

use arrivals::Coming;

use crate::fleet::{Fleet, Going};
use crate::history::{DecodeStep, Usage};
use crate::kv::Held;
use crate::world::{Links, TOKEN, World, half_up};

/// The pool.
pub struct Decode {
    pool: Pool,
    pub fleet: Fleet,
    units: Vec<Unit>,
    /// By which residents leave released units.
    links: Links,
    /// By unit: when its interfaces are done with what they took.
    received: Vec<u64>,
    /// KV on its way.
    coming: Vec<Coming>,
}

#[derive(Clone, Debug, Default)]
struct Unit {
    /// Requests whose KV is here, first come first served; preempted ones at the head.
    queue: VecDeque<usize>,
    /// By rank.
    residents: Vec<Vec<Resident>>,
    step: Option<Step>,
    /// A step would have outlasted the unit: none starts until its release.
    is_stopped: bool,
    /// Why the head of the queue waits, if it does.
    blocked: Option<Blocked>,
}

#[derive(Clone, Copy, Debug)]
struct Resident {
    id: usize,
    joined: u64,
}

#[derive(Clone, Copy, Debug)]
struct Step {
    from: u64,
    ends: u64,
    kv_1024: u64,
}

/// Why the head of a queue waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blocked {
    /// No rank has a batch slot.
    ByBatch,
    /// Of the ranks that have one, none has the memory.
    ByKv,
}

impl Decode {
    pub fn new(world: &World, pool: &Pool) -> Self {
        Self {
            units: Vec::new(),
            links: Links::new(),
            received: Vec::new(),
            coming: Vec::new(),
            fleet: Fleet::new(world.scenario, pool),
            pool: pool.clone(),
        }
    }

    /// A controller changes a unit.
    pub fn obey(&mut self, world: &World, order: UnitOrder) {
        let runs = |unit: usize| self.units[unit].step.is_some();
        if self.fleet.obey(world.now, order, runs) {
            self.units.push(Unit {
                residents: vec![Vec::new(); self.pool.ranks as usize],
                ..Unit::default()
            });
            self.links.add(self.pool.ranks);
            self.received.push(0);
        }
    }

    /// How many wait on each unit, and how many are on its ranks.
    fn figures(&self) -> Vec<(u64, u64)> {
        let of_unit = |unit: &Unit| {
            let served = unit.residents.iter().flatten().count();
            (unit.queue.len() as u64, served as u64)
        };
        self.units.iter().map(of_unit).collect()
    }

    /// What a controller sees.
    pub fn seen(&self, now: u64) -> PoolView {
        self.fleet.seen(now, &self.figures())
    }

    /// What the router compares: KV resident, queued and on its way, or the time of a step over it with one
    /// request more, spread evenly over the ranks.
    fn load(&self, world: &World, unit: usize) -> u64 {
        let Unit {
            queue, residents, ..
        } = &self.units[unit];
        let resident = residents.iter().flatten().map(|r| r.id);
        let queued = queue.iter().copied();
        let to_here = self.coming.iter().filter(|c| c.unit == Some(unit));
        let all = resident.chain(queued).chain(to_here.map(|c| c.id));
        let held = world.memory.held(all.map(|id| world.kv_1024(id)));
        match self.pool.router.measure(self.pool.role) {
            LoadMeasure::Time => even_step(world, self.pool.ranks, &held),
            LoadMeasure::Kv | LoadMeasure::Tokens | LoadMeasure::TokensAndKv => held.kv_1024,
        }
    }

    /// Load of every unit.
    fn loads(&self, world: &World) -> Vec<u64> {
        (0..self.units.len())
            .map(|unit| self.load(world, unit))
            .collect()
    }

    pub fn report(&mut self, world: &mut World) {
        if self.fleet.is_reporting(world.now) {
            let loads = self.loads(world);
            let figures = self.figures();
            self.fleet.report(world, loads, figures);
        }
    }

    /// Units change: what waited for a serving unit goes to one, then those that go are emptied. Says whose KV is lost, those first
    /// that were sent by a unit that is lost.
    pub fn change(
        &mut self,
        world: &mut World,
        senders: &[((usize, usize), AfterLoss)],
    ) -> Vec<usize> {
        let mut back = self.sever(world, senders);
        if self.fleet.changes(world.now) {
            let loads = self.loads(world);
            for id in self.fleet.change(world, &loads) {
                self.route(world, id);
            }
            self.empty(world, &mut back);
        }
        back
    }

    /// Units that go at this instant are emptied.
    fn empty(&mut self, world: &mut World, back: &mut Vec<usize>) {
        for Going { unit, loss } in self.fleet.going() {
            match loss {
                None => self.release(world, unit),
                Some(after) => self.lose(world, unit, after, back),
            }
        }
    }

    /// What lost units were sending is lost, in the order of ids.
    fn sever(&mut self, world: &mut World, senders: &[((usize, usize), AfterLoss)]) -> Vec<usize> {
        let mut back = Vec::new();
        self.coming.sort_unstable_by_key(|coming| coming.id);
        for coming in self.coming.clone() {
            let by = senders.iter().find(|sender| coming.from == Some(sender.0));
            if let Some((_, after)) = by.filter(|_| !coming.is_sent()) {
                world.saw("KV is lost with its sender");
                self.coming.retain(|other| other.id != coming.id);
                self.fleet.waiting.retain(|id| *id != coming.id);
                if world.lose(coming.id, *after) {
                    back.push(coming.id);
                }
            }
        }
        back
    }

    /// Everybody on a lost unit, in its queue and between its senders and it loses its KV, in the order of ids; what a sender still has
    /// only changes its destination.
    fn lose(&mut self, world: &mut World, index: usize, after: AfterLoss, back: &mut Vec<usize>) {
        let unit = &mut self.units[index];
        if unit.step.take().is_some() {
            world.saw("a decode step is lost");
        }
        (unit.is_stopped, unit.blocked) = (false, None);
        self.links.clear(index);
        self.received[index] = 0;
        let mut leaving: Vec<usize> = unit.queue.drain(..).collect();
        leaving.extend(
            unit.residents
                .iter_mut()
                .flat_map(|rank| rank.drain(..))
                .map(|r| r.id),
        );
        let to_here = self.coming.iter().filter(|c| c.unit == Some(index));
        leaving.extend(to_here.map(|c| c.id));
        leaving.sort_unstable();
        for id in leaving {
            let coming = self.coming.iter_mut().find(|c| c.id == id);
            if let Some(coming) = coming.filter(|coming| !coming.is_sent()) {
                world.saw("KV goes on to another unit than the lost one");
                coming.unit = None;
                world.note(id, |life| &mut life.migrated);
                self.route(world, id);
                continue;
            }
            if world.life(id).tokens_1024 > 0 {
                world.saw("somebody who has tokens loses its KV");
            }
            self.coming.retain(|coming| coming.id != id);
            if world.lose(id, after) {
                back.push(id);
            }
        }
    }

    /// Everything on a unit goes elsewhere, in the order of ids. What waits, or is still on its way,
    /// only changes its destination; resident KV is sent from its rank.
    fn release(&mut self, world: &mut World, index: usize) {
        let unit = &mut self.units[index];
        assert!(unit.step.is_none(), "a step runs at its unit's release");
        (unit.is_stopped, unit.blocked) = (false, None);
        self.links.clear(index);
        self.received[index] = 0;
        // Who leaves, and from which rank if it is on one.
        let mut leaving: Vec<(usize, Option<usize>)> = Vec::new();
        leaving.extend(unit.queue.drain(..).map(|id| (id, None)));
        for (rank, residents) in unit.residents.iter_mut().enumerate() {
            leaving.extend(residents.drain(..).map(|r| (r.id, Some(rank))));
        }
        let to_here = self.coming.iter_mut().filter(|c| c.unit == Some(index));
        leaving.extend(to_here.map(|c| (c.id, None)));
        leaving.sort_unstable();
        for (id, rank) in leaving {
            world.saw("a request leaves a released decode unit");
            let life = world.life(id);
            let (moved, waits) = (
                !life.migrated.is_empty(),
                !life.preempted.is_empty() && rank.is_none(),
            );
            if moved {
                world.saw("a request is moved twice");
            }
            if waits {
                world.saw("a preempted request is moved before it rejoins");
            }
            world.note(id, |life| &mut life.migrated);
            if let Some(rank) = rank {
                world.saw("resident KV migrates");
                if world.states[id].is_new {
                    world.saw("who joined for no step migrates");
                }
                if world.life(id).tokens_1024 == 0 {
                    world.saw("KV migrates before its first token");
                }
                self.send(world, id, index, rank);
            } else if world.states[id].place == Place::Transfer {
                world.saw("KV in transfer changes its destination");
            }
            if let Some(coming) = self.coming.iter_mut().find(|c| c.id == id) {
                coming.unit = None;
            }
            self.route(world, id);
        }
    }

    /// Chooses a unit for a request that has none. If its KV is here, it waits there from now on.
    fn route(&mut self, world: &mut World, id: usize) {
        let loads = self.loads(world);
        let Some((unit, misled)) = self.fleet.choose(world.now, &loads) else {
            world.saw("no decode unit serves");
            self.fleet.waiting.push_back(id);
            return;
        };
        if misled {
            world.saw("a stale report misleads the decode router");
        }
        match self.coming.iter_mut().find(|c| c.id == id) {
            Some(coming) => coming.unit = Some(unit),
            None => self.units[unit].queue.push_back(id),
        }
    }

    /// Steps end: every resident gets its tokens, one by one; who has them all leaves.
    pub fn end_steps(&mut self, world: &mut World) {
        let progress = world.progress_1024();
        for index in 0..self.units.len() {
            let now = world.now;
            let unit = &mut self.units[index];
            let Some(step) = unit.step.take_if(|step| step.ends == now) else {
                continue;
            };
            world.saw("decode step end");
            let mut ids: Vec<usize> = unit.residents.iter().flatten().map(|r| r.id).collect();
            ids.sort_unstable();
            world.history.decode_steps.push(DecodeStep {
                from: step.from,
                unit: index,
                to: now,
                requests: ids.len() as u64,
                kv_1024: step.kv_1024,
            });
            for id in ids {
                // With several tokens a step, they are taken to leave evenly over it.
                let mut gap = half_up(
                    u128::from(now - step.from) * u128::from(TOKEN),
                    u128::from(progress),
                ) as u64;
                let is_first = world.life(id).tokens_1024 == 0;
                let last_token = if is_first {
                    SimTime::NEVER.0
                } else {
                    world.states[id].last_token
                };
                if std::mem::take(&mut world.states[id].is_new) {
                    world.life(id).resumed.push((now, last_token));
                    gap += step.from.saturating_sub(last_token);
                }
                world.emit(id, progress, (!is_first).then_some(gap));
                if is_first {
                    world.saw("a first token comes from decode");
                    world.life(id).first_token = Some(now);
                }
                if world.is_done(id) {
                    if is_first {
                        world.saw("the first step of an answer is its last");
                    }
                    unit.residents
                        .iter_mut()
                        .for_each(|rank| rank.retain(|r| r.id != id));
                    world.complete(id);
                }
            }
        }
        let units = &self.units;
        self.fleet
            .end_leaving(world.now, |unit| units[unit].step.is_some());
        self.empty(world, &mut Vec::new());
    }

    /// The next instant at which something happens here.
    pub fn next(&self, world: &World) -> Option<u64> {
        let steps = self
            .units
            .iter()
            .filter_map(|unit| unit.step.map(|step| step.ends));
        let heads = self.units.iter().filter_map(|unit| unit.queue.front());
        let ready = heads
            .map(|id| world.states[*id].ready)
            .filter(|ready| *ready > world.now);
        let transfers = self.coming.iter().map(Coming::next);
        let own = [
            self.fleet.next_change(world.now),
            self.fleet.next_report(world.now),
        ];
        steps
            .chain(ready)
            .chain(transfers)
            .chain(own.into_iter().flatten())
            .min()
    }

    /// What its units do now.
    pub fn usage(&self, world: &World) -> Usage {
        let blocked = |why| {
            self.units
                .iter()
                .filter(|unit| unit.blocked == Some(why))
                .count() as u64
        };
        let residents = self
            .units
            .iter()
            .flat_map(|unit| unit.residents.iter().flatten());
        let held = world.memory.held(residents.map(|r| world.kv_1024(r.id)));
        Usage {
            busy: self.units.iter().filter(|unit| unit.step.is_some()).count() as u64,
            blocked_by_kv: blocked(Blocked::ByKv),
            blocked_by_batch: blocked(Blocked::ByBatch),
            kv_1024: world.memory.in_short_tokens_1024(&held),
            ..self.fleet.usage(world.now)
        }
    }
}

/// Time in ps of a rank by itself, were so much and one request more spread evenly over so many.
pub fn even_step(world: &World, ranks: u32, held: &Held) -> u64 {
    let ranks = u64::from(ranks);
    let requests = (held.requests + 1).div_ceil(ranks) as u32;
    let (kv_1024, window_1024) = (held.kv_1024 / ranks, held.window_1024 / ranks);
    world.times.decode_own(requests, kv_1024, window_1024)
}

/// A step over ranks that hold so much each, in nanoseconds.
fn step(world: &World, ranks: &[Held]) -> u64 {
    let requests: Vec<u32> = ranks.iter().map(|held| held.requests as u32).collect();
    let kv_1024: Vec<u64> = ranks.iter().map(|held| held.kv_1024).collect();
    let window_1024: Vec<u64> = ranks
        .iter()
        .filter(|_| world.memory.has_window())
        .map(|held| held.window_1024)
        .collect();
    let loads = DecodeLoads {
        requests: &requests,
        kv_1024: &kv_1024,
        window_1024: &window_1024,
    };
    world.times.decode_step(loads).0
}
