//! The pool that takes arrivals: of prefill units, or of mixed ones.

use tokentide::internals::cluster::controller::{AfterLoss, PoolView, UnitOrder};
use tokentide::internals::scenario::{Pool, Role};

use crate::fleet::Fleet;
use crate::history::Usage;
use crate::mixed::Mixed;
use crate::prefill::{Handover, Prefill};
use crate::world::World;

pub enum Intake {
    Prefill(Prefill),
    Mixed(Mixed),
}

impl Intake {
    pub fn new(world: &World, pool: &Pool) -> Self {
        if pool.role == Role::Mixed {
            Self::Mixed(Mixed::new(world, pool))
        } else {
            Self::Prefill(Prefill::new(world, pool))
        }
    }

    pub fn report(&mut self, world: &mut World) {
        match self {
            Self::Prefill(pool) => pool.report(world),
            Self::Mixed(pool) => pool.report(world),
        }
    }

    pub fn obey(&mut self, world: &World, order: UnitOrder) {
        match self {
            Self::Prefill(pool) => pool.obey(world, order),
            Self::Mixed(pool) => pool.obey(world, order),
        }
    }

    pub fn fleet(&self) -> &Fleet {
        match self {
            Self::Prefill(pool) => &pool.fleet,
            Self::Mixed(pool) => &pool.fleet,
        }
    }

    pub fn seen(&self, now: u64) -> PoolView {
        match self {
            Self::Prefill(pool) => pool.seen(now),
            Self::Mixed(pool) => pool.seen(now),
        }
    }

    /// Units change. Says whose KV under way is lost with its sender.
    pub fn change(&mut self, world: &mut World) -> Vec<((usize, usize), AfterLoss)> {
        match self {
            Self::Prefill(pool) => pool.change(world),
            Self::Mixed(pool) => {
                pool.change(world);
                Vec::new()
            }
        }
    }

    /// A request arrives that has lost its KV in the decode pool.
    pub fn come_back(&mut self, world: &mut World, id: usize) {
        match self {
            Self::Prefill(pool) => pool.come_back(world, id),
            Self::Mixed(pool) => pool.route(world, id),
        }
    }

    /// Steps end. A prefill pool hands over who needs more than a token.
    pub fn end_steps(&mut self, world: &mut World) -> Vec<Handover> {
        match self {
            Self::Prefill(pool) => pool.end_steps(world),
            Self::Mixed(pool) => {
                pool.end_steps(world);
                Vec::new()
            }
        }
    }

    pub fn arrive(&mut self, world: &mut World, id: usize) {
        match self {
            Self::Prefill(pool) => pool.arrive(world, id),
            Self::Mixed(pool) => pool.route(world, id),
        }
    }

    pub fn start_steps(&mut self, world: &mut World) {
        match self {
            Self::Prefill(pool) => pool.start_steps(world),
            Self::Mixed(pool) => pool.start_steps(world),
        }
    }

    pub fn next(&self, now: u64) -> Option<u64> {
        match self {
            Self::Prefill(pool) => pool.next(now),
            Self::Mixed(pool) => pool.next(now),
        }
    }

    pub fn usage(&self, world: &World) -> Usage {
        match self {
            Self::Prefill(pool) => pool.usage(world.now),
            Self::Mixed(pool) => pool.usage(world),
        }
    }
}
