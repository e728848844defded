//! What pools have paid for, and when: units over time, and from them accelerators and nodes.
//!
//! A history is what a pool's units have told, or, before a run, what its schedule says. Paid units lie on nodes as
//! S10 says, laid out anew whenever their number changes.

use crate::scenario::{Node, Pool, nodes_of};
use crate::units::{SimDuration, SimTime};

/// Numbers of a pool's units, copies counted one by one, that have been paid since when; ascending.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PaidUnits(Vec<(SimTime, u64)>);

impl PaidUnits {
    /// Notes that `units` are paid from `now` on.
    pub fn set(&mut self, now: SimTime, units: u64) {
        if let Some(last) = self.0.last_mut().filter(|(at, _)| *at == now) {
            last.1 = units;
        } else if self.0.last().map_or(0, |(_, before)| *before) != units {
            self.0.push((now, units));
        }
    }

    /// The most units paid at once in `[from, to)`.
    pub fn peak(&self, from: SimTime, to: SimTime) -> u64 {
        let until = |n: usize| self.0.get(n + 1).map_or(SimTime::NEVER, |next| next.0);
        let within = |(n, (at, _)): &(usize, &(SimTime, u64))| *at < to && until(*n) > from;
        let units = self.0.iter().enumerate().filter(within);
        units.map(|(_, (_, units))| *units).max().unwrap_or(0)
    }

    /// The integral over `[from, to)` of something that depends on the paid units, times nanoseconds.
    pub fn integral(&self, from: SimTime, to: SimTime, of: impl Fn(u64) -> u64) -> u128 {
        let ends = self.0.iter().skip(1).map(|next| next.0).chain([to]);
        let held = |(&(at, units), end): (&(SimTime, u64), SimTime)| {
            let ns = end.min(to).since(at.max(from)).0;
            u128::from(of(units)) * u128::from(ns)
        };
        self.0.iter().zip(ends).map(held).sum()
    }
}

/// Units as the schedule counts them: those of which a copy is paid.
fn scheduled(pool: &Pool, units: u64) -> u32 {
    u32::try_from(units.div_ceil(u64::from(pool.replicas))).unwrap_or(u32::MAX)
}

/// What all pools of a scenario have paid for, in the order of the file.
#[derive(Clone, Debug)]
pub struct PaidPools<'a> {
    pools: &'a [Pool],
    node: &'a Node,
    paid: Vec<&'a PaidUnits>,
}

impl<'a> PaidPools<'a> {
    /// The payments of these pools on these nodes, each with its history.
    pub fn new(
        pools: &'a [Pool],
        node: &'a Node,
        paid: impl IntoIterator<Item = &'a PaidUnits>,
    ) -> Self {
        Self {
            pools,
            node,
            paid: paid.into_iter().collect(),
        }
    }

    /// Paid accelerator-time of all pools in `[from, to)`.
    pub fn gpus(&self, from: SimTime, to: SimTime) -> u128 {
        let of = |(pool, paid): (&Pool, &&PaidUnits)| {
            let gpus = u64::from(pool.gpus_per_replica());
            paid.integral(from, to, |units| units * gpus)
        };
        self.pools.iter().zip(&self.paid).map(of).sum()
    }

    /// Paid node-time of each pool in `[from, to)`, its whole nodes or, where nodes are shared, its part of them; and
    /// the most of its nodes paid at once. In the order of the file.
    pub fn of_each(&self, from: SimTime, to: SimTime) -> Vec<(f64, u32)> {
        let of = |(pool, paid): (&Pool, &&PaidUnits)| {
            let peak = pool.nodes(scheduled(pool, paid.peak(from, to)));
            let node_ns = if self.node.shared {
                let gpus = u64::from(pool.gpus_per_replica());
                let gpu_ns = paid.integral(from, to, |units| units * gpus);
                gpu_ns as f64 / f64::from(pool.node_gpus)
            } else {
                let nodes = |units| u64::from(pool.nodes(scheduled(pool, units)));
                paid.integral(from, to, nodes) as f64
            };
            (node_ns, peak)
        };
        self.pools.iter().zip(&self.paid).map(of).collect()
    }

    /// Paid node-time of all pools in `[from, to)` and the largest number of nodes paid at once.
    pub fn nodes(&self, from: SimTime, to: SimTime) -> (u128, u64) {
        let mut changes: Vec<(SimTime, usize, u32)> = Vec::new();
        for (index, (pool, paid)) in self.pools.iter().zip(&self.paid).enumerate() {
            let changed = paid.0.iter().filter(|(at, _)| *at < to);
            changes.extend(changed.map(|(at, units)| (*at, index, scheduled(pool, *units))));
        }
        changes.sort_unstable();
        let mut units = vec![0_u32; self.pools.len()];
        let (mut node_ns, mut peak, mut i) = (0_u128, 0, 0);
        while i < changes.len() {
            let at = changes[i].0;
            while i < changes.len() && changes[i].0 == at {
                units[changes[i].1] = changes[i].2;
                i += 1;
            }
            let next = changes.get(i).map_or(to, |c| c.0).min(to);
            let held = next.since(at.max(from));
            if held > SimDuration::ZERO {
                let now = nodes_of(self.pools, &units, self.node);
                node_ns += u128::from(now) * u128::from(held.0);
                peak = peak.max(now);
            }
        }
        (node_ns, peak)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_is_its_changes() {
        let [a, b, c, d] = [0, 10, 20, 40].map(SimTime);
        let mut paid = PaidUnits::default();
        for (at, units) in [(a, 2), (b, 2), (b, 5), (c, 1), (c, 3)] {
            paid.set(at, units);
        }
        assert_eq!(paid.0, [(a, 2), (b, 5), (c, 3)]);
        assert_eq!(
            paid.integral(SimTime(5), d, |units| units),
            5 * 2 + 10 * 5 + 20 * 3
        );
        assert_eq!(
            (paid.peak(a, b), paid.peak(a, c), paid.peak(c, d)),
            (2, 5, 3)
        );
        assert_eq!(PaidUnits::default().integral(a, d, |_| 1), 0);
    }
}
