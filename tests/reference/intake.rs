//! The pool that takes arrivals: of prefill units, or of mixed ones.

use tokentide::scenario::{Pool, Role};

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

    pub fn change(&mut self, world: &mut World) {
        match self {
            Self::Prefill(pool) => pool.change(world),
            Self::Mixed(pool) => pool.change(world),
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
