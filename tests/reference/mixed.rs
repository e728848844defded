//! The mixed pool: prompts and answers in the same steps (S17). What stands where between two steps.

mod batch;
mod waiting;

use tokentide::internals::cluster::controller::{PoolView, UnitOrder};
use tokentide::internals::metrics::Place;
use tokentide::internals::scenario::{LoadMeasure, Pool};
use tokentide::internals::workload::Request;

use crate::by_prefix::Sight;
use crate::cache::RankCache;
use crate::decode::{Blocked, even_step};
use crate::fleet::{Fleet, Going};
use crate::history::{DecodeStep, End, Usage};
use crate::world::{TOKEN, World, half_up};

/// The pool.
pub struct Mixed {
    pool: Pool,
    pub fleet: Fleet,
    units: Vec<Unit>,
    /// Caches of units as last reported.
    reported: Vec<Vec<RankCache>>,
}

#[derive(Clone, Debug, Default)]
struct Unit {
    /// Requests that wait, in order: most urgent first, then first come first served, preempted ones first.
    queue: Vec<usize>,
    /// Who is on each rank, in the order of joining.
    ranks: Vec<Vec<Resident>>,
    /// What each rank keeps of prompts, where hits follow from contents.
    caches: Vec<RankCache>,
    step: Option<Step>,
    /// When the running step began, or the one that ends now; an idle unit has none.
    began: Option<u64>,
    /// Who came later than this has not been seen; an idle unit sees everybody.
    seen: Option<u64>,
    /// Steps that began since the unit last looked for newcomers.
    unlooked: u32,
    /// The last step computed prompts.
    computed: bool,
    /// Steps in a row in which prompts have waited for a fuller batch.
    put_off: u32,
    /// Steps to come without prompts while anybody decodes.
    pause: u32,
    /// A step would have outlasted the unit: none starts until its release.
    is_stopped: bool,
    /// Why the head of the queue waits, if it is known to.
    blocked: Option<Blocked>,
}

#[derive(Clone, Copy, Debug)]
struct Resident {
    id: usize,
    joined: u64,
    /// Its prompt is computed.
    decodes: bool,
}

#[derive(Clone, Debug)]
struct Step {
    from: u64,
    ends: u64,
    /// Whether those who decode take part.
    decodes: bool,
    chunks: Vec<Chunk>,
}

/// A part of a prompt, in one step.
#[derive(Clone, Copy, Debug)]
struct Chunk {
    id: usize,
    rank: usize,
    tokens: u64,
    /// Of a request that joined for this step.
    is_first: bool,
}

impl Mixed {
    pub fn new(world: &World, pool: &Pool) -> Self {
        Self {
            units: Vec::new(),
            reported: Vec::new(),
            fleet: Fleet::new(world.scenario, pool),
            pool: pool.clone(),
        }
    }

    /// A controller changes a unit.
    pub fn obey(&mut self, world: &World, order: UnitOrder) {
        let runs = |unit: usize| self.units[unit].step.is_some();
        if self.fleet.obey(world.now, order, runs) {
            self.units.push(Unit {
                ranks: vec![Vec::new(); self.pool.ranks as usize],
                caches: vec![RankCache::default(); self.pool.ranks as usize],
                ..Unit::default()
            });
        }
    }

    /// How many wait on each unit, and how many are on its ranks.
    fn figures(&self) -> Vec<(u64, u64)> {
        let of_unit = |unit: &Unit| {
            let served = unit.ranks.iter().flatten().count();
            (unit.queue.len() as u64, served as u64)
        };
        self.units.iter().map(of_unit).collect()
    }

    /// What a controller sees.
    pub fn seen(&self, now: u64) -> PoolView {
        self.fleet.seen(now, &self.figures())
    }

    /// KV of somebody whose prompt is not computed, once it is: with the token, or the step's tokens, that
    /// its end emits.
    fn kv_to_be_1024(world: &World, id: usize) -> u64 {
        let emits = if world.history.lives[id].tokens_1024 == 0 {
            TOKEN
        } else {
            world.progress_1024()
        };
        world.kv_1024(id) + emits
    }

    /// KV that a resident holds.
    fn held_1024(world: &World, resident: &Resident) -> u64 {
        if resident.decodes {
            world.kv_1024(resident.id)
        } else {
            Self::kv_to_be_1024(world, resident.id)
        }
    }

    /// What the router compares.
    fn load(&self, world: &World, unit: usize) -> u64 {
        let Unit { queue, ranks, .. } = &self.units[unit];
        let on_ranks = ranks.iter().flatten();
        let begun = on_ranks.clone().filter(|r| !r.decodes).map(|r| r.id);
        let to_compute: Vec<usize> = queue.iter().copied().chain(begun).collect();
        let tokens = to_compute.iter().map(|id| world.remaining(*id)).sum();
        let resident = on_ranks.map(|resident| Self::held_1024(world, resident));
        match self.pool.router.measure(self.pool.role) {
            LoadMeasure::Tokens => tokens,
            LoadMeasure::Time => {
                let pairs = to_compute.iter().map(|id| world.remaining_pairs(*id)).sum();
                let prompts = world.times.prefill_work(tokens, pairs) / u64::from(self.pool.ranks);
                prompts + even_step(world, self.pool.ranks, &world.memory.held(resident))
            }
            LoadMeasure::Kv => {
                let queued = queue.iter().map(|id| Self::kv_to_be_1024(world, *id));
                queued.chain(resident).sum()
            }
            LoadMeasure::TokensAndKv => {
                let queued = queue.iter().map(|id| Self::kv_to_be_1024(world, *id));
                tokens * TOKEN + queued.chain(resident).sum::<u64>()
            }
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
            let caches = self.units.iter().map(|unit| unit.caches.clone());
            self.reported = caches.collect();
        }
    }

    /// Units change: what waited for a serving unit goes to one, then those that go are emptied.
    pub fn change(&mut self, world: &mut World) {
        if !self.fleet.changes(world.now) {
            return;
        }
        let loads = self.loads(world);
        for id in self.fleet.change(world, &loads) {
            self.route(world, id);
        }
        self.empty(world);
    }

    /// Units that go at this instant are emptied.
    fn empty(&mut self, world: &mut World) {
        for Going { unit: index, loss } in self.fleet.going() {
            let unit = &mut self.units[index];
            let step = unit.step.take();
            assert!(
                step.is_none() || loss.is_some(),
                "a step runs at its unit's release"
            );
            if step.is_some() {
                world.saw("a mixed step is lost");
            }
            (unit.is_stopped, unit.blocked, unit.began) = (false, None, None);
            unit.caches.fill(RankCache::default());
            if let Some(caches) = self.reported.get_mut(index) {
                caches.fill(RankCache::default());
            }
            (unit.seen, unit.unlooked, unit.computed, unit.put_off) = (None, 0, false, 0);
            let mut leaving = std::mem::take(&mut unit.queue);
            let residents = unit.ranks.iter_mut().flat_map(|rank| rank.drain(..));
            leaving.extend(residents.map(|resident| resident.id));
            leaving.sort_unstable();
            for id in leaving {
                world.saw("a request leaves a released mixed unit");
                if world.states[id].place == Place::Decode {
                    world.saw("somebody who decodes recomputes elsewhere");
                }
                if !world.life(id).preempted.is_empty() {
                    world.saw("a preempted request leaves a released mixed unit");
                }
                world.drop_kv(id);
                match loss {
                    None => world.note(id, |life| &mut life.migrated),
                    Some(after) => {
                        if !world.lose(id, after) {
                            continue;
                        }
                    }
                }
                self.route(world, id);
            }
        }
    }

    /// A request arrives at the service, or at another unit.
    pub fn route(&mut self, world: &mut World, id: usize) {
        world.put(id, Place::PrefillQueue);
        let loads = self.loads(world);
        let chosen = if self.pool.router.asks_contents() {
            world.saw("a router asks for contents");
            let caches: Vec<_> = self.units.iter().map(|unit| unit.caches.clone()).collect();
            let fresh = Sight {
                loads: &loads,
                figures: &self.figures(),
                caches: &caches,
            };
            let (fleet, pool) = (&self.fleet, &self.pool);
            fleet.choose_by_prefix(world, pool, id, &fresh, &self.reported)
        } else {
            self.fleet.choose(world.now, &loads)
        };
        let Some((unit, misled)) = chosen else {
            world.saw("no mixed unit serves");
            self.fleet.waiting.push_back(id);
            return;
        };
        if misled {
            world.saw("a stale report misleads the mixed router");
        }
        let queue = &mut self.units[unit].queue;
        let before = |other: &&usize| world.priority(**other) <= world.priority(id);
        let behind = queue.iter().filter(before).count();
        if behind < queue.len() {
            world.saw("an urgent request goes before others in a mixed pool");
        }
        self.units[unit].queue.insert(behind, id);
        self.expect_hits(world, unit, id);
    }

    /// What is known to hit of a request that waits: the most that any rank has.
    fn expect_hits(&self, world: &mut World, unit: usize, id: usize) {
        if world.has_contents() {
            let caches = self.units[unit].caches.iter();
            let most = caches.map(|cache| cache.look_up(world, id)).max();
            world.states[id].hits = most.expect("a unit has ranks");
        }
    }

    /// Steps end: prompts grow, finished ones give a token, everybody who decoded gets tokens.
    pub fn end_steps(&mut self, world: &mut World) {
        for index in 0..self.units.len() {
            let now = world.now;
            let ends = |step: &mut Step| step.ends == now;
            let Some(step) = self.units[index].step.take_if(ends) else {
                continue;
            };
            world.saw("mixed step end");
            let (mut emitting, mut kv_1024) = (Vec::new(), 0);
            for resident in self.units[index].ranks.iter().flatten() {
                if step.decodes && resident.decodes {
                    kv_1024 += world.kv_1024(resident.id);
                    emitting.push(resident.id);
                }
            }
            for chunk in &step.chunks {
                world.states[chunk.id].computed += chunk.tokens;
                if world.has_contents() && chunk.tokens > 0 {
                    let state = world.states[chunk.id];
                    let cache = &mut self.units[index].caches[chunk.rank];
                    cache.hold(world, chunk.id, state.hits + state.computed);
                }
                if world.remaining(chunk.id) > 0 {
                    world.saw("a prompt needs several mixed steps");
                    continue;
                }
                if world.life(chunk.id).tokens_1024 == 0 {
                    world.count_hits(chunk.id);
                    world.emit(chunk.id, TOKEN, None);
                    world.life(chunk.id).first_token = Some(now);
                } else {
                    world.saw("a dropped request is computed again");
                    kv_1024 += world.kv_1024(chunk.id);
                    world.states[chunk.id].is_new = true;
                    emitting.push(chunk.id);
                }
                self.begin_decode(world, index, chunk);
            }
            if step.decodes || !emitting.is_empty() {
                world.history.decode_steps.push(DecodeStep {
                    from: step.from,
                    unit: index,
                    to: now,
                    requests: emitting.len() as u64,
                    kv_1024,
                });
            }
            for id in emitting {
                Self::step(world, id, &step);
            }
            let computed = step.chunks.iter().map(|chunk| chunk.id);
            let computed = computed.filter(|id| world.remaining(*id) == 0).collect();
            self.settle(world, index, computed);
        }
        let units = &self.units;
        self.fleet
            .end_leaving(world.now, |unit| units[unit].step.is_some());
        self.empty(world);
    }

    /// A computed prompt's owner decodes from the next step on.
    fn begin_decode(&mut self, world: &mut World, unit: usize, chunk: &Chunk) {
        let mut residents = self.units[unit].ranks[chunk.rank].iter_mut();
        let resident = residents.find(|resident| resident.id == chunk.id);
        resident.expect("it is on its rank").decodes = true;
        world.put(chunk.id, Place::Decode);
    }

    /// A request gets a step's tokens.
    fn step(world: &mut World, id: usize, step: &Step) {
        let progress = world.progress_1024();
        let last_token = world.states[id].last_token;
        if std::mem::take(&mut world.states[id].is_new) {
            let now = world.now;
            world.life(id).resumed.push((now, last_token));
        }
        // With several tokens a step, they are taken to leave evenly over it.
        let length = u128::from(step.ends - step.from) * u128::from(TOKEN);
        let gap = half_up(length, u128::from(progress)) as u64 + (step.from - last_token);
        if step.from > last_token {
            world.saw("somebody who decodes waits for a step");
        }
        world.emit(id, progress, Some(gap));
    }

    /// Who has all its tokens leaves; whose prompt has just been computed is new to decode.
    fn settle(&mut self, world: &mut World, unit: usize, computed: Vec<usize>) {
        for id in computed {
            world.states[id].is_new = true;
        }
        let Unit { ranks, caches, .. } = &mut self.units[unit];
        for (rank, cache) in ranks.iter_mut().zip(caches) {
            rank.retain(|resident| {
                let done = resident.decodes && world.is_done(resident.id);
                if done {
                    if world.has_contents() {
                        let Request { input, output, .. } = world.requests[resident.id];
                        cache.leave(world, resident.id, u64::from(input + output) - 1);
                    }
                    world.complete(resident.id);
                }
                !done
            });
        }
    }

    /// Idle units start steps; then queues that are still too long are cut.
    pub fn start_steps(&mut self, world: &mut World) {
        for index in 0..self.units.len() {
            if self.units[index].step.is_none() && !self.units[index].is_stopped {
                self.preempt(world, index);
                self.start(world, index);
            }
        }
        let most = self
            .pool
            .max_queue_requests
            .map_or(usize::MAX, |n| n as usize);
        for unit in &mut self.units {
            while unit.queue.len() > most {
                let last = unit.queue.pop().expect("longer than the limit");
                world.saw("a mixed queue rejects");
                if !world.life(last).preempted.is_empty() {
                    world.saw("a preempted request is rejected by a mixed queue");
                }
                world.end(last, End::Rejected(world.now));
            }
        }
        while self.fleet.waiting.len() > most {
            let last = self.fleet.waiting.pop_back();
            let last = last.expect("longer than the limit");
            world.saw("the mixed pool rejects while no unit serves");
            world.end(last, End::Rejected(world.now));
        }
    }

    /// The next instant at which something happens here.
    pub fn next(&self, now: u64) -> Option<u64> {
        let ends = self
            .units
            .iter()
            .filter_map(|unit| unit.step.as_ref().map(|step| step.ends));
        let own = [self.fleet.next_change(now), self.fleet.next_report(now)];
        ends.chain(own.into_iter().flatten()).min()
    }

    /// What its units do now.
    pub fn usage(&self, world: &World) -> Usage {
        let blocked = |why| {
            let units = self.units.iter();
            units.filter(|unit| unit.blocked == Some(why)).count() as u64
        };
        let residents = self
            .units
            .iter()
            .flat_map(|unit| unit.ranks.iter().flatten());
        let held = residents.map(|r| Self::held_1024(world, r));
        let mut held = world.memory.held(held);
        if world.has_contents() {
            let caches = self.units.iter().flat_map(|unit| &unit.caches);
            held.kv_1024 -= caches.map(|cache| cache.shared_1024(world)).sum::<u64>();
        }
        Usage {
            busy: self.units.iter().filter(|unit| unit.step.is_some()).count() as u64,
            blocked_by_kv: blocked(Blocked::ByKv),
            blocked_by_batch: blocked(Blocked::ByBatch),
            kv_1024: world.memory.in_short_tokens_1024(&held),
            ..self.fleet.usage(world.now)
        }
    }
}
