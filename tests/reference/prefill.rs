//! The prefill pool: queues, batches under two budgets, steps, and KV on its way (S7, S8).

use tokentide::metrics::Place;
use tokentide::perf::PrefillLoad;
use tokentide::scenario::Pool;
use tokentide::units::SimDuration;

use crate::fleet::Fleet;
use crate::history::{End, PrefillStep, Usage};
use crate::world::{Links, TOKEN, World};

/// The pool.
pub struct Prefill {
    pool: Pool,
    pub fleet: Fleet,
    units: Vec<Unit>,
    links: Links,
}

#[derive(Clone, Debug, Default)]
struct Unit {
    /// Requests that wait, in order: most urgent first, then first come first served.
    queue: Vec<usize>,
    /// By rank: the request whose prompt is partly computed.
    unfinished: Vec<Option<usize>>,
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

/// A batch being formed.
struct Batch {
    loads: Vec<PrefillLoad>,
    requests: Vec<u32>,
    /// Ranks on which a request was cut.
    is_closed: Vec<bool>,
    chunks: Vec<Chunk>,
}

/// A request that has its first token and needs more.
#[derive(Clone, Copy, Debug)]
pub struct Handover {
    pub id: usize,
    /// When its KV arrives.
    pub arrives: u64,
}

impl Prefill {
    pub fn new(world: &World, pool: &Pool) -> Self {
        let fleet = Fleet::new(world.scenario, pool);
        let unit = Unit {
            unfinished: vec![None; pool.ranks as usize],
            ..Unit::default()
        };
        Self {
            units: vec![unit; fleet.len()],
            links: Links::new(fleet.len(), pool.ranks),
            fleet,
            pool: pool.clone(),
        }
    }

    /// Computed tokens assigned and not finished; a running chunk counts whole.
    fn load(unit: &Unit, world: &World) -> u64 {
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
        all.iter().map(|id| world.remaining(*id)).sum()
    }

    pub fn report(&mut self, world: &mut World) {
        let units = &self.units;
        if self
            .fleet
            .report(world.now, |unit| Self::load(&units[unit], world))
        {
            world.saw("report");
        }
    }

    /// Schedule changes: what waited for a serving unit goes to one, then released units are emptied.
    pub fn change(&mut self, world: &mut World) {
        let Some(waiting) = self.fleet.change(world) else {
            return;
        };
        for id in waiting {
            self.route(world, id);
        }
        for index in self.fleet.released(world.now) {
            self.links.clear(index);
            let unit = &mut self.units[index];
            let step = unit.step.take();
            assert!(step.is_none(), "a step runs at its unit's release");
            unit.is_stopped = false;
            let mut leaving = std::mem::take(&mut unit.queue);
            leaving.extend(unit.unfinished.iter_mut().filter_map(Option::take));
            leaving.sort_unstable();
            for id in leaving {
                world.saw("a request leaves a released prefill unit");
                if world.states[id].computed > 0 {
                    world.saw("a half-prefilled request starts again");
                }
                world.states[id].computed = 0;
                world.note(id, |life| &mut life.migrated);
                self.route(world, id);
            }
        }
    }

    /// A request arrives at the service.
    pub fn arrive(&mut self, world: &mut World, id: usize) {
        self.route(world, id);
    }

    fn route(&mut self, world: &mut World, id: usize) {
        world.put(id, Place::PrefillQueue);
        let units = &self.units;
        let chosen = self
            .fleet
            .choose(world.now, |unit| Self::load(&units[unit], world));
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
    }

    /// Steps end: prompts grow, finished ones give a first token.
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
                if world.remaining(chunk.id) > 0 {
                    world.saw("a prompt needs several batches");
                    self.units[unit].unfinished[chunk.rank] = Some(chunk.id);
                } else {
                    handovers.extend(self.first_token(world, unit, chunk));
                }
            }
        }
        handovers
    }

    fn first_token(&mut self, world: &mut World, unit: usize, chunk: Chunk) -> Option<Handover> {
        let id = chunk.id;
        world.emit(id, TOKEN, None);
        world.life(id).first_token = Some(world.now);
        if world.is_done(id) {
            world.complete(id);
            return None;
        }
        let transfer = &world.scenario.transfer;
        let visible = 65_536 - transfer.overlap_65536;
        let prompt = u64::from(world.requests[id].input) * TOKEN;
        let takes = world.link_time(prompt, visible, transfer.bandwidth);
        let arrives = self.links.send(world.now, unit, chunk.rank, takes) + transfer.latency.0;
        if arrives > world.now + takes + transfer.latency.0 {
            world.saw("a transfer waits for its link");
        }
        world.put(id, Place::Transfer);
        Some(Handover { id, arrives })
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

    /// What the next batch would hold: unfinished prompts on their ranks, then the queue in order.
    fn form(&self, world: &mut World, index: usize) -> Batch {
        let unit = &self.units[index];
        let ranks = self.pool.ranks as usize;
        let mut batch = Batch {
            loads: vec![PrefillLoad::default(); ranks],
            requests: vec![0; ranks],
            is_closed: vec![false; ranks],
            chunks: Vec::new(),
        };
        for (rank, id) in unit.unfinished.iter().enumerate() {
            if let Some(id) = *id {
                self.add(world, &mut batch, rank, id);
            }
        }
        'queue: for id in &unit.queue {
            loop {
                let is_open = |rank: &usize| {
                    !batch.is_closed[*rank] && batch.requests[*rank] < self.pool.max_batch_requests
                };
                let open = (0..ranks).filter(is_open);
                let Some(rank) = open.min_by_key(|rank| (batch.loads[*rank].tokens, *rank)) else {
                    break 'queue;
                };
                if self.add(world, &mut batch, rank, *id) {
                    break;
                }
            }
        }
        batch
    }

    /// Adds what fits of a request to a rank's part of the batch; `false`: nothing does. Where not all of
    /// it fits, the rank is closed.
    fn add(&self, world: &mut World, batch: &mut Batch, rank: usize, id: usize) -> bool {
        let load = &mut batch.loads[rank];
        let remaining = world.remaining(id);
        let context = u64::from(world.requests[id].cached) + world.states[id].computed;
        let by_tokens = remaining.min(u64::from(self.pool.max_batch_tokens) - load.tokens);
        let most_pairs = self.pool.max_batch_pairs.unwrap_or(u64::MAX);
        let fits = |tokens: &u64| {
            let mut with = *load;
            with.add_chunk(*tokens, context);
            with.pairs <= most_pairs
        };
        let mut tokens = (0..=by_tokens).rev().find(fits).unwrap_or(0);
        if tokens < by_tokens {
            world.saw("attention pairs cut a chunk");
        }
        if tokens == 0 && batch.requests[rank] == 0 {
            // However long its context, a prompt gets on by a token in a batch of its own.
            world.saw("a single token is over the budget of pairs");
            tokens = 1;
        }
        batch.is_closed[rank] = tokens < remaining;
        if tokens == 0 {
            return false;
        }
        load.add_chunk(tokens, context);
        batch.requests[rank] += 1;
        batch.chunks.push(Chunk { id, rank, tokens });
        true
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
