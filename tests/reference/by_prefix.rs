//! Routers that ask what requests have in common (S6).

use tokentide::internals::scenario::{ArrivalKind, Pool, Role, Router};
use tokentide::internals::workload::random::hash;

use crate::cache::RankCache;
use crate::world::{TOKEN, World};

/// What a router sees of all units: their loads, how many wait and how many are on ranks, and their caches.
pub struct Sight<'a> {
    pub loads: &'a [u64],
    pub figures: &'a [(u64, u64)],
    /// Caches of each unit's ranks; a unit of which nothing was reported has none.
    pub caches: &'a [Vec<RankCache>],
}

impl Sight<'_> {
    fn requests(&self, unit: usize) -> u64 {
        self.figures[unit].0 + self.figures[unit].1
    }

    /// Tokens of a request's prompt that a unit has.
    fn found(&self, world: &World, unit: usize, id: usize) -> u64 {
        let ranks = self.caches.get(unit).into_iter().flatten();
        ranks.map(|rank| rank.look_up(world, id)).max().unwrap_or(0)
    }

    /// Blocks that a unit keeps.
    fn kept(&self, unit: usize) -> usize {
        let ranks = self.caches.get(unit).into_iter().flatten();
        ranks.map(RankCache::len).sum()
    }
}

/// The unit for a request.
pub fn choose(
    world: &World,
    pool: &Pool,
    id: usize,
    serving: &[usize],
    sight: &Sight,
) -> Option<usize> {
    let prompt = world.whole_prompt(id);
    let units = serving.iter().copied();
    match pool.router {
        Router::PrefixCost => {
            let computed = |unit| (prompt - sight.found(world, unit, id)) * TOKEN;
            units.min_by_key(|unit| (sight.loads[*unit] + computed(*unit), *unit))
        }
        Router::PrefixScore => {
            let queues: Vec<u64> = units.clone().map(|unit| sight.figures[unit].0).collect();
            let (longest, shortest) = (queues.iter().max()?, queues.iter().min()?);
            let score = |unit: usize| {
                let found = sight.found(world, unit, id) as f64 / prompt as f64;
                let mut queue = 1.0;
                if longest > shortest {
                    let shorter = longest - sight.figures[unit].0;
                    queue = shorter as f64 / (longest - shortest) as f64;
                }
                let mut room = 0.0;
                if pool.role == Role::Mixed {
                    let all = pool.kv_capacity_tokens.expect("it is stated or known")
                        * u64::from(pool.ranks)
                        * TOKEN;
                    room = f64::max(1.0 - sight.loads[unit] as f64 / all as f64, 0.0);
                }
                3.0 * found + 2.0 * queue + 2.0 * room
            };
            let best = units.clone().map(score).fold(f64::MIN, f64::max);
            units.into_iter().find(|unit| score(*unit) == best)
        }
        Router::PrefixBalance => {
            let requests = |unit: &usize| sight.requests(*unit);
            let (most, least) = (
                units.clone().map(|u| requests(&u)).max()?,
                units.clone().map(|u| requests(&u)).min()?,
            );
            if most > least + 64 && most as f64 > 1.5 * least as f64 {
                return units.min_by_key(|unit| (requests(unit), *unit));
            }
            let found = |unit: usize| sight.found(world, unit, id);
            let longest = units.clone().map(found).max()?;
            if longest as f64 > 0.3 * prompt as f64 {
                units.into_iter().find(|unit| found(*unit) == longest)
            } else {
                units.min_by_key(|unit| (sight.kept(*unit), *unit))
            }
        }
        Router::SessionSticky => {
            let class = world.requests[id].class;
            let kind = &world.scenario.classes[usize::from(class)].arrivals.kind;
            let number = match kind {
                ArrivalKind::Sessions(_) => u64::from(world.states[id].content),
                _ => id as u64,
            };
            let own = hash(number.wrapping_add(u64::from(class) << 32));
            let place = |unit: usize| hash(own.wrapping_add(unit as u64));
            let highest = units.clone().map(place).max()?;
            units.into_iter().find(|unit| place(*unit) == highest)
        }
        Router::RoundRobin
        | Router::LeastLoaded
        | Router::LeastKv
        | Router::LeastTime
        | Router::PowerOfTwo => panic!("the router does not ask"),
    }
}
