//! How many units each slot gets, for a target of the arithmetic: the cheapest schedule that reaches it.
//!
//! For each slot the steady-state step ([`super::screening`]) is known for every number of units. A target is on
//! its mean over requests, or on the slowest slot. From the fewest units that carry each slot's peak, units
//! are added where they shorten the mean most for what they cost (or in the slowest slot), until the target
//! is reached. Where the step falls ever more slowly with units, that is the cheapest of all schedules: a
//! separable convex problem, which the greedy choice solves (B. Fox, "Discrete optimization via marginal
//! analysis", Management Science 13, 1966). Where it does not, several units are added at once.

use super::day_slots::Slot;
use super::screening::Screen;

/// The statistic of steps that a target is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetKind {
    /// The mean step, over requests.
    Mean,
    /// The longest step of all slots.
    Longest,
}

/// Steps of a pool by slot and units.
#[derive(Clone, Debug)]
pub struct StepCurve {
    /// Seconds of a step in a slot with each number of units, from 0; infinite where the slot's peak is too much.
    steps: Vec<Vec<f64>>,
    /// Weight of each slot in the mean: its requests.
    requests: Vec<f64>,
    /// Cost of a unit in each slot: its hours.
    hours: Vec<f64>,
    /// Fewest units that the pool may have.
    pub least: u32,
    /// Units that fill a node, where they are smaller than one: nodes are paid whole (S10), so units come and go
    /// by the node.
    pub block: u32,
}

/// A schedule and what arithmetic expects of it.
#[derive(Clone, Debug, PartialEq)]
pub struct ExpectedSchedule {
    /// Units in each slot.
    pub units: Vec<u32>,
    /// Value of the target's statistic, in seconds; infinite where some slot cannot be carried at all.
    pub step_s: f64,
}

impl StepCurve {
    /// The curve of a pool with `least` to `most` units, `block` of them on a node; `faster` times the requests of the
    /// slots.
    pub fn new(
        screen: &Screen,
        pool: usize,
        slots: &[Slot],
        (least, most, block): (u32, u32, u32),
        faster: f64,
    ) -> Self {
        let steps = |slot: &Slot| -> Vec<f64> {
            let load = &slot.load;
            let step = |units: u32| match units {
                _ if load.per_s <= 0.0 => 0.0,
                0 => f64::INFINITY,
                n => {
                    let peak = screen
                        .pace(pool, n, load, faster * load.peak_per_s)
                        .seconds();
                    if peak.is_infinite() {
                        return f64::INFINITY;
                    }
                    screen.pace(pool, n, load, faster * load.per_s).seconds()
                }
            };
            (0..=most).map(step).collect()
        };
        Self {
            steps: slots.iter().map(steps).collect(),
            requests: slots.iter().map(|s| s.load.per_s * s.paid_h).collect(),
            hours: slots.iter().map(|s| s.paid_h).collect(),
            least,
            block,
        }
    }

    /// The cheapest schedule within `caps` that reaches the target, or the best there is where none does.
    pub fn reach(&self, aim: TargetKind, target_s: f64, caps: &[u32]) -> ExpectedSchedule {
        let mut units: Vec<u32> = (0..self.steps.len())
            .map(|slot| self.fewest(slot, caps[slot]))
            .collect();
        loop {
            let step_s = self.value(aim, &units);
            if step_s <= target_s {
                return ExpectedSchedule { units, step_s };
            }
            let Some((slot, more)) = self.best_addition(aim, &units, caps) else {
                return ExpectedSchedule { units, step_s };
            };
            units[slot] += more;
        }
    }

    /// The statistic's value, in seconds, with the fewest units that carry each slot.
    pub fn loosest(&self, aim: TargetKind) -> f64 {
        let fewest = |slot: usize| self.fewest(slot, self.steps[slot].len() as u32 - 1);
        let units: Vec<u32> = (0..self.steps.len()).map(fewest).collect();
        self.value(aim, &units)
    }

    /// Paid hours of a schedule, each times what `paid` says of that many units.
    pub fn hours(&self, units: &[u32], paid: impl Fn(u32) -> u32) -> f64 {
        let each = self.hours.iter().zip(units);
        each.map(|(hours, n)| hours * f64::from(paid(*n))).sum()
    }

    /// The units of each slot of a schedule whose steps took a factor as long: the fewest that make steps as long
    /// as now on a curve of such steps; `None` where none do. Where arithmetic knows no step, in proportion.
    pub fn scaled(
        &self,
        units: &[u32],
        longer: &Self,
        factor: f64,
        caps: &[u32],
    ) -> Option<Vec<u32>> {
        let of_slot = |(slot, &units): (usize, &u32)| {
            let target_s = self.steps[slot][units as usize] / factor;
            if !target_s.is_finite() {
                let n = (f64::from(units) * factor).ceil() as u32;
                return (n <= caps[slot]).then_some(n);
            }
            let reaches = |n: &u32| longer.steps[slot][*n as usize] <= target_s;
            let mut counts = (longer.least.min(caps[slot])..=caps[slot])
                .filter(|n| longer.fills(*n, caps[slot]));
            counts.find(reaches)
        };
        units.iter().enumerate().map(of_slot).collect()
    }

    /// The fewest units that carry a slot's peak, or all that are allowed.
    pub fn fewest(&self, slot: usize, cap: u32) -> u32 {
        let carries = |n: &u32| self.steps[slot][*n as usize].is_finite();
        let mut counts = (self.least.min(cap)..=cap).filter(|n| self.fills(*n, cap));
        counts.find(carries).unwrap_or(cap)
    }

    /// Whether so many units leave no room on their nodes, or are all that are allowed.
    fn fills(&self, units: u32, cap: u32) -> bool {
        units == cap || units.is_multiple_of(self.block)
    }

    /// The next number of units that is worth paying for.
    fn next(&self, units: u32, cap: u32) -> u32 {
        ((units / self.block + 1) * self.block).min(cap)
    }

    /// The statistic's value of a schedule, in seconds.
    pub fn value(&self, aim: TargetKind, units: &[u32]) -> f64 {
        let steps = || units.iter().zip(&self.steps).map(|(n, s)| s[*n as usize]);
        match aim {
            TargetKind::Longest => steps().fold(0.0, f64::max),
            TargetKind::Mean => {
                let all: f64 = self.requests.iter().sum();
                let weighted = steps().zip(&self.requests);
                let weighted = weighted.filter(|(_, requests)| **requests > 0.0);
                weighted.map(|(s, requests)| s * requests).sum::<f64>() / all.max(f64::MIN_POSITIVE)
            }
        }
    }

    /// The slot in which more units gain most for their hours, and how many; `None`: no slot has room.
    fn best_addition(&self, aim: TargetKind, units: &[u32], caps: &[u32]) -> Option<(usize, u32)> {
        let gain = |slot: usize, more: u32| {
            let (now, then) = (units[slot] as usize, (units[slot] + more) as usize);
            let less = self.steps[slot][now] - self.steps[slot][then];
            let paid = f64::from(more) * self.hours[slot].max(f64::MIN_POSITIVE);
            less * self.requests[slot] / paid
        };
        let open = (0..units.len()).filter(|slot| units[*slot] < caps[*slot]);
        if aim == TargetKind::Longest {
            let slowest = open.max_by(|a, b| {
                let step = |slot: usize| self.steps[slot][units[slot] as usize];
                step(*a).total_cmp(&step(*b)).then(b.cmp(a))
            })?;
            let step = self.steps[slowest][units[slowest] as usize];
            // Where the slowest slot cannot be helped, nothing else matters.
            let more = self.next(units[slowest], caps[slowest]) - units[slowest];
            return (step >= self.value(aim, units)).then_some((slowest, more));
        }
        let mut best: Option<(f64, usize, u32)> = None;
        for slot in open {
            let counts = units[slot] + 1..=caps[slot];
            for n in counts.filter(|n| self.fills(*n, caps[slot])) {
                let more = n - units[slot];
                let gain = gain(slot, more);
                if gain > 0.0 && best.is_none_or(|(most, _, _)| gain > most) {
                    best = Some((gain, slot, more));
                }
            }
        }
        best.map(|(_, slot, more)| (slot, more))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// A curve of three slots of steps 1
    /// n, weighted by 1, 4 and 9 requests, an hour each.
    fn curve() -> StepCurve {
        let steps: Vec<f64> = (0..=20)
            .map(|n| {
                if n == 0 {
                    f64::INFINITY
                } else {
                    1.0 / f64::from(n)
                }
            })
            .collect();
        StepCurve {
            steps: vec![steps; 3],
            requests: vec![1.0, 4.0, 9.0],
            hours: vec![1.0; 3],
            least: 1,
            block: 1,
        }
    }

    #[test]
    fn no_schedule_is_cheaper_for_the_same_mean() {
        let curve = curve();
        for target in [0.9, 0.5, 0.3, 0.2, 0.1] {
            let level = curve.reach(TargetKind::Mean, target, &[20; 3]);
            assert!(level.step_s <= target);
            let mut cheapest = f64::INFINITY;
            for a in 1..=20 {
                for b in 1..=20 {
                    for c in 1..=20 {
                        if curve.value(TargetKind::Mean, &[a, b, c]) <= target {
                            cheapest = cheapest.min(curve.hours(&[a, b, c], |n| n));
                        }
                    }
                }
            }
            // The last addition may be worth less than another that would do: greedy is optimal on its
            // own levels, and no schedule is cheaper by a whole unit.
            assert!(
                curve.hours(&level.units, |n| n) < cheapest + 1.0,
                "{target}: {level:?}"
            );
        }
    }

    #[test]
    fn the_slowest_slot_gets_the_units_and_a_cap_ends_it() {
        let mut curve = curve();
        curve.steps[2] = (0..=20).map(|n| 3.0 / f64::from(n.max(1))).collect();
        let level = curve.reach(TargetKind::Longest, 0.5, &[20; 3]);
        assert_eq!(level.units, [2, 2, 6]);
        let short = curve.reach(TargetKind::Longest, 0.5, &[20, 20, 4]);
        assert_eq!((short.units[2], short.step_s), (4, 0.75));
        // Four units to a node: what is paid is used.
        curve.block = 4;
        let level = curve.reach(TargetKind::Longest, 0.5, &[20, 20, 6]);
        assert_eq!(level.units, [4, 4, 6]);
        assert_eq!(curve.reach(TargetKind::Mean, 0.2, &[20; 3]).units[2] % 4, 0);
    }
}
