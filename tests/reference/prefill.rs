//! The prefill pool: queues, steps, first tokens, and KV that is sent on (S7, S8).

mod prefill_batch;

use tokentide::internals::cluster::controller::{AfterLoss, PoolView, UnitOrder};
use tokentide::internals::metrics::Place;
use tokentide::internals::scenario::{LoadMeasure, Pool};
use tokentide::internals::units::SimDuration;

use crate::by_prefix::Sight;
use crate::cache::RankCache;
use crate::fleet::{Fleet, Going};
use crate::history::{End, PrefillStep, Usage};
use crate::kv::{self, WHOLE};
use crate::world::{Links, Sending, TOKEN, World};

/// The pool.
pub struct Prefill {
    pool: Pool,
    pub fleet: Fleet,
    units: Vec<Unit>,
    /// Caches of units as last reported.
    reported: Vec<Vec<RankCache>>,
    links: Links,
}

#[derive(Clone, Debug, Default)]
struct Unit {
    /// Requests that wait, in order: most urgent first, then first come first served.
    queue: Vec<usize>,
    /// By rank: the request whose prompt is partly computed.
    unfinished: Vec<Option<usize>>,
    /// What each rank keeps of prompts, where hits follow from contents.
    caches: Vec<RankCache>,
    step: Option<Step>,
    /// A step would have outlasted the unit: none starts until its release.
    is_stopped: bool,
}

#[derive(Clone, Debug)]
struct Step {
    ends: u64,
    chunks: Vec<Chunk>,
}

/// A part of a prompt, in one batch.
#[derive(Clone, Copy, Debug)]
struct Chunk {
    id: usize,
    rank: usize,
    tokens: u64,
}

/// A request whose prompt is computed: its KV is sent on.
#[derive(Clone, Copy, Debug)]
pub struct Handover {
    pub id: usize,
    /// The unit that sends it, and which of its lives this is.
    pub from: (usize, usize),
    /// When it takes its rank's interface.
    pub sender: Sending,
}

impl Unit {
    /// Who is on its ranks: in the running step, or with a prompt that is partly computed.
    fn served(&self) -> Vec<usize> {
        let begun = self.unfinished.iter().flatten().copied();
        let running = self.step.iter().flat_map(|step| &step.chunks);
        let mut served: Vec<usize> = begun.chain(running.map(|chunk| chunk.id)).collect();
        served.sort_unstable();
        served.dedup();
        served
    }
}

impl Prefill {
    pub fn new(world: &World, pool: &Pool) -> Self {
        Self {
            units: Vec::new(),
            reported: Vec::new(),
            links: Links::new(),
            fleet: Fleet::new(world.scenario, pool),
            pool: pool.clone(),
        }
    }

    /// A controller changes a unit.
    pub fn obey(&mut self, world: &World, order: UnitOrder) {
        let runs = |unit: usize| self.units[unit].step.is_some();
        if self.fleet.obey(world.now, order, runs) {
            self.units.push(Unit {
                unfinished: vec![None; self.pool.ranks as usize],
                caches: vec![RankCache::default(); self.pool.ranks as usize],
                ..Unit::default()
            });
            self.links.add(self.pool.ranks);
        }
    }

    /// How many wait on each unit, and how many are on its ranks.
    fn figures(&self) -> Vec<(u64, u64)> {
        let of_unit = |unit: &Unit| (unit.queue.len() as u64, unit.served().len() as u64);
        self.units.iter().map(of_unit).collect()
    }

    /// What a controller sees.
    pub fn seen(&self, now: u64) -> PoolView {
        self.fleet.seen(now, &self.figures())
    }

    /// What the router compares: computed tokens assigned and not finished, a running chunk whole, or the time
    /// that they and their pairs take.
    fn load(&self, world: &World, unit: usize) -> u64 {
        let unit = &self.units[unit];
        let begun = unit.unfinished.iter().flatten();
        let running = unit.step.iter().flat_map(|s| &s.chunks).map(|c| &c.id);
        let mut all: Vec<usize> = unit
            .queue
            .iter()
            .chain(begun)
            .chain(running)
            .copied()
            .collect();
        all.sort_unstable();
        all.dedup();
        let tokens = all.iter().map(|id| world.remaining(*id)).sum();
        match self.pool.router.measure(self.pool.role) {
            LoadMeasure::Time => {
                let pairs = all.iter().map(|id| world.remaining_pairs(*id)).sum();
                world.times.prefill_work(tokens, pairs)
            }
            LoadMeasure::Tokens | LoadMeasure::Kv => tokens,
            LoadMeasure::TokensAndKv => tokens * TOKEN,
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

    /// Units change: what waited for a serving unit goes to one, then those that go are emptied. Says which lives of
    /// units are lost, and what becomes of the requests whose KV they send.
    pub fn change(&mut self, world: &mut World) -> Vec<((usize, usize), AfterLoss)> {
        if !self.fleet.changes(world.now) {
            return Vec::new();
        }
        let loads = self.loads(world);
        for id in self.fleet.change(world, &loads) {
            self.route(world, id);
        }
        self.empty(world)
    }

    /// Units that go at this instant are emptied.
    fn empty(&mut self, world: &mut World) -> Vec<((usize, usize), AfterLoss)> {
        let mut lost = Vec::new();
        for Going { unit: index, loss } in self.fleet.going() {
            lost.extend(loss.map(|after| ((index, self.fleet.number(index)), after)));
            self.links.clear(index);
            let unit = &mut self.units[index];
            let mut leaving = unit.served();
            let step = unit.step.take();
            assert!(
                step.is_none() || loss.is_some(),
                "a step runs at its unit's release"
            );
            if step.is_some() {
                world.saw("a prefill step is lost");
            }
            unit.is_stopped = false;
            unit.unfinished.fill(None);
            unit.caches.fill(RankCache::default());
            if let Some(caches) = self.reported.get_mut(index) {
                caches.fill(RankCache::default());
            }
            leaving.append(&mut unit.queue);
            leaving.sort_unstable();
            for id in leaving {
                world.saw("a request leaves a released prefill unit");
                if world.states[id].computed > 0 {
                    world.saw("a half-prefilled request starts again");
                }
                world.states[id].computed = 0;
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
        lost
    }

    /// A request arrives that has lost its KV in the decode pool.
    pub fn come_back(&mut self, world: &mut World, id: usize) {
        world.saw("a request comes back from decode");
        self.route(world, id);
    }

    /// A request arrives at the service.
    pub fn arrive(&mut self, world: &mut World, id: usize) {
        self.route(world, id);
    }

    fn route(&mut self, world: &mut World, id: usize) {
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
            world.saw("no prefill unit serves");
            self.fleet.waiting.push_back(id);
            return;
        };
        if misled {
            world.saw("a stale report misleads the prefill router");
        }
        let queue = &mut self.units[unit].queue;
        let behind = queue
            .iter()
            .filter(|other| world.priority(**other) <= world.priority(id))
            .count();
        if behind < queue.len() {
            world.saw("an urgent request goes before others");
        }
        self.units[unit].queue.insert(behind, id);
        if world.has_contents() {
            let caches = self.units[unit].caches.iter();
            let most = caches.map(|cache| cache.look_up(world, id)).max();
            world.states[id].hits = most.expect("a unit has ranks");
        }
    }

    /// Steps end: prompts grow; of finished ones the first token leaves, or comes from decode.
    pub fn end_steps(&mut self, world: &mut World) -> Vec<Handover> {
        let mut handovers = Vec::new();
        for unit in 0..self.units.len() {
            let ends = |step: &mut Step| step.ends == world.now;
            let Some(step) = self.units[unit].step.take_if(ends) else {
                continue;
            };
            world.saw("prefill step end");
            let mut chunks = step.chunks;
            chunks.sort_unstable_by_key(|chunk| chunk.id);
            for chunk in chunks {
                world.states[chunk.id].computed += chunk.tokens;
                if world.has_contents() {
                    let state = world.states[chunk.id];
                    let cache = &mut self.units[unit].caches[chunk.rank];
                    cache.hold(world, chunk.id, state.hits + state.computed);
                }
                if world.remaining(chunk.id) > 0 {
                    world.saw("a prompt needs several batches");
                    self.units[unit].unfinished[chunk.rank] = Some(chunk.id);
                } else {
                    if world.has_contents() {
                        let prompt = world.whole_prompt(chunk.id);
                        self.units[unit].caches[chunk.rank].leave(world, chunk.id, prompt);
                    }
                    handovers.extend(self.finish(world, unit, chunk));
                }
            }
            for rank in 0..self.units[unit].caches.len() {
                if world.has_contents() {
                    let on_rank = self.units[unit].unfinished[rank].into_iter().collect();
                    self.trim(world, unit, rank, on_rank);
                }
            }
        }
        let units = &self.units;
        self.fleet
            .end_leaving(world.now, |unit| units[unit].step.is_some());
        self.empty(world);
        handovers
    }

    /// The last chunk of a prompt is computed.
    fn finish(&mut self, world: &mut World, unit: usize, chunk: Chunk) -> Option<Handover> {
        let id = chunk.id;
        let again = world.states[id].dropped;
        if again > 0 {
            world.saw("a prompt is computed again with what was emitted");
        } else {
            world.count_hits(id);
        }
        if again == 0 && !world.first_from_decode() {
            world.emit(id, TOKEN, None);
            world.life(id).first_token = Some(world.now);
            if world.is_done(id) {
                world.complete(id);
                return None;
            }
        }
        let prompt = (u64::from(world.requests[id].input) + again) * TOKEN;
        let visible = WHOLE - world.scenario.transfer.overlap_65536;
        let takes = kv::link_time(&world.scenario.kv, prompt, visible, self.pool.interface);
        let sender = self.links.send(world.now, unit, chunk.rank, takes);
        if sender.from > world.now {
            world.saw("a transfer waits for its link");
        }
        world.put(id, Place::Transfer);
        let from = (unit, self.fleet.number(unit));
        Some(Handover { id, from, sender })
    }

    /// Idle units start steps; then queues that are still too long are cut.
    pub fn start_steps(&mut self, world: &mut World) {
        for unit in 0..self.units.len() {
            let idle = self.units[unit].step.is_none() && !self.units[unit].is_stopped;
            let work = !self.units[unit].queue.is_empty()
                || self.units[unit].unfinished.iter().any(Option::is_some);
            if idle && work {
                self.start(world, unit);
            }
        }
        let most = self
            .pool
            .max_queue_requests
            .map_or(usize::MAX, |n| n as usize);
        for unit in &mut self.units {
            while unit.queue.len() > most {
                let last = unit.queue.pop().expect("longer than the limit");
                world.saw("a prefill queue rejects");
                world.end(last, End::Rejected(world.now));
            }
        }
        while self.fleet.waiting.len() > most {
            let last = self
                .fleet
                .waiting
                .pop_back()
                .expect("longer than the limit");
            world.saw("the prefill pool rejects while no unit serves");
            world.end(last, End::Rejected(world.now));
        }
    }

    fn start(&mut self, world: &mut World, index: usize) {
        let batch = self.form(world, index);
        let length = world.times.prefill_step(&batch.loads);
        let SimDuration(length) = length;
        let ends = world.now + length;
        if i128::from(ends) >= self.fleet.release(index, world.now) {
            world.saw("a prefill step would outlast its unit");
            self.units[index].is_stopped = true;
            for chunk in batch.chunks.iter().filter(|_| world.has_contents()) {
                if world.states[chunk.id].place == Place::PrefillQueue {
                    let hits = world.states[chunk.id].hits;
                    self.units[index].caches[chunk.rank].leave(world, chunk.id, hits);
                }
            }
            return;
        }
        let unit = &mut self.units[index];
        unit.unfinished.fill(None);
        for chunk in &batch.chunks {
            if world.states[chunk.id].place == Place::PrefillQueue {
                let from = world.now;
                world.life(chunk.id).started.get_or_insert(from);
                world.put(chunk.id, Place::Prefill);
            }
            unit.queue.retain(|id| *id != chunk.id);
        }
        let (from, unit, tokens) = (world.now, index, batch.loads.iter().map(|l| l.tokens).sum());
        world.history.prefill_steps.push(PrefillStep {
            from,
            unit,
            length,
            tokens,
        });
        self.units[index].step = Some(Step {
            ends,
            chunks: batch.chunks,
        });
    }

    /// The next instant at which something happens here.
    pub fn next(&self, now: u64) -> Option<u64> {
        let ends = self
            .units
            .iter()
            .filter_map(|u| u.step.as_ref().map(|s| s.ends));
        let own = [self.fleet.next_change(now), self.fleet.next_report(now)];
        ends.chain(own.into_iter().flatten()).min()
    }

    /// What its units do now.
    pub fn usage(&self, now: u64) -> Usage {
        Usage {
            busy: self.units.iter().filter(|unit| unit.step.is_some()).count() as u64,
            ..self.fleet.usage(now)
        }
    }
}
