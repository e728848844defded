//! A controller that does everything that controllers may, on what it sees: the engine and the reference play it alike.

use tokentide::internals::cluster::controller::{
    AfterLoss, ControlOrder, Controller, PoolView, UnitLife, UnitOrder, UnitView,
};
use tokentide::internals::scenario::Scenario;
use tokentide::internals::units::SimTime;
use tokentide::internals::workload::random::Stream;

/// Acts now and then on every pool.
pub struct Meddler {
    stream: Stream,
    next: u64,
    /// Between two acts.
    every: u64,
    /// Never more units of a pool than these.
    most: usize,
}

impl Meddler {
    /// Some fifteen acts during a scenario.
    pub fn new(scenario: &Scenario) -> Self {
        let simulated = scenario.warm_up.0 + scenario.duration.0;
        Self {
            stream: Stream::new(scenario.seed, "controller", "meddler"),
            next: simulated / 30,
            every: (simulated / 15).max(1),
            most: 9,
        }
    }

    /// One of so many.
    fn one_of(&mut self, many: usize) -> usize {
        ((u128::from(self.stream.draw()) * many as u128) >> 64) as usize
    }

    /// What it does to a pool that looks like this.
    fn change(&mut self, now: SimTime, pool: &PoolView) -> Option<UnitOrder> {
        let paid = |unit: &&UnitView| unit.life != UnitLife::Free;
        let serves = |unit: &&UnitView| unit.life == UnitLife::Serving;
        let count = pool.units.iter().filter(paid).count();
        let serving = pool.units.iter().filter(serves).count();
        let waiting: u64 = pool.units.iter().map(|unit| unit.queued).sum();
        let served: u64 = pool.units.iter().map(|unit| unit.served).sum();
        // Busy pools grow, and so do those that serve nobody.
        let is_short = serving == 0 || waiting + pool.unrouted > served;
        if count < self.most && (is_short || self.one_of(4) == 0) {
            let start_up = self.every * self.one_of(4) as u64 / 3;
            let told = self.one_of(8) == 0;
            let until = now.0 + self.every * 3;
            return Some(UnitOrder::Take {
                serves: SimTime(now.0 + start_up),
                until: if told { SimTime(until) } else { SimTime::NEVER },
            });
        }
        // The one with the most requests on it, or any: also one that is free.
        let busiest = (0..pool.units.len()).max_by_key(|unit| (pool.units[*unit].served, *unit))?;
        let any = self.one_of(pool.units.len() + 1);
        let unit = [busiest, any][self.one_of(2)] as u32;
        Some(match self.one_of(6) {
            0 => UnitOrder::Drain(unit),
            1 | 2 => UnitOrder::Release(unit),
            3 | 4 => UnitOrder::Lose(unit, AfterLoss::Again),
            _ => UnitOrder::Lose(unit, AfterLoss::Fail),
        })
    }
}

impl Controller for Meddler {
    fn next(&self) -> SimTime {
        SimTime(self.next)
    }

    fn act(&mut self, now: SimTime, pools: &[PoolView], orders: &mut Vec<ControlOrder>) {
        for (index, pool) in pools.iter().enumerate() {
            for _ in 0..1 + self.one_of(2) {
                let change = self.change(now, pool);
                orders.extend(change.map(|change| ControlOrder {
                    pool: index,
                    change,
                }));
            }
        }
        // At odd times, so that steps run.
        self.next += self.every / 2 + self.one_of(self.every as usize) as u64 + 1;
    }
}
