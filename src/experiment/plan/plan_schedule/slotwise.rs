//! Slab made cheaper one by one, where promises hold in every stretch.
//!
//! One target for all slots is as tight as the hardest of them needs; the others have room left. So from the schedule
//! that was found, each slot seeks the fewest units of its own, by halving what lies between a number that has kept its
//! promises and one that has not. All slots do so in the same simulations of the whole time, each with a number of its
//! own. What a run says of a slot is what it says of the stretches in it. A stretch that breaks a promise may suffer
//! from what the one before left: where a queue was still growing there at its end, or its promise broke too, the
//! earlier slot is told to have more, and the later one is not judged. No number of a slot is tried that arithmetic,
//! corrected by what was seen, finds a node or more below what carries its peak. The last run is that of the answer as
//! a whole, so that what interplay there is between slots is judged, too: what breaks then goes up again.

use super::{ExpectedSchedule, Played, Scheduling};
use crate::experiment::plan::trial::{PlanStopped, TrialRun};
use crate::report::format::fixed;
use crate::units::NS_PER_DAY;

/// Most simulations of the search slot by slot.
const RUNS: usize = 24;
/// Part of the node-hours that is not worth another simulation.
const LITTLE: f64 = 0.005;

/// One pool's search for fewer units, slot by slot.
#[derive(Clone, Debug)]
struct Way {
    /// Units of each slot that kept every promise in a run of the whole.
    safe: Vec<u32>,
    /// Units of each slot that kept its promises when they were last tried.
    good: Vec<u32>,
    /// Most units of each slot that broke a promise, or are not tried.
    bad: Vec<u32>,
    /// Units that come and go together.
    block: u32,
}

impl Way {
    /// The number to try next in a slot: half-way down; where nothing is left to try, the good one.
    fn next(&self, slot: usize) -> u32 {
        let (good, bad) = (self.good[slot], self.bad[slot]);
        let middle = (bad + (good.saturating_sub(bad)) / 2).max(bad + 1);
        let tried = middle.div_ceil(self.block) * self.block;
        tried.min(good)
    }

    /// Learns what a run with these units says of each slot.
    fn learn(&mut self, tried: &[u32], said: &[Said]) {
        for (slot, (&tried, said)) in tried.iter().zip(said).enumerate() {
            match said {
                Said::Kept => self.good[slot] = self.good[slot].min(tried),
                Said::Broke => {
                    self.bad[slot] = self.bad[slot].max(tried);
                    let more = (self.bad[slot] / self.block + 1) * self.block;
                    self.good[slot] = self.good[slot].max(more).min(self.safe[slot]);
                }
                Said::Nothing => (),
            }
        }
    }
}

/// What a run says of the units of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    /// The units are enough.
    Kept,
    /// The units are too few.
    Broke,
    /// The run says nothing of the units: another slot spoilt it.
    Nothing,
}

/// A stretch of a run, as one pool sees it.
#[derive(Clone, Debug)]
struct SlotPart {
    /// Indices of the slots in the stretch, in the order of time.
    slots: Vec<usize>,
    /// Whether the stretch breaks a promise that the pool answers for.
    breaks: bool,
    /// Whether the pool's queue was growing when it ended.
    grows: bool,
}

/// Judges a pool's slots by the stretches of a run; `lowered` are those with fewer units than are known to be enough.
/// Second, whether every stretch that breaks a promise has a slot to blame.
fn blame(parts: &[SlotPart], lowered: &[bool]) -> (Vec<Said>, bool) {
    let mut said = vec![Said::Kept; lowered.len()];
    let mut all = true;
    let mut is_blamed = |slots: &mut dyn Iterator<Item = usize>| {
        let slots: Vec<usize> = slots.filter(|slot| lowered[*slot]).collect();
        slots.iter().for_each(|slot| said[*slot] = Said::Broke);
        !slots.is_empty()
    };
    let mut spoilt = Vec::new();
    for (index, part) in parts.iter().enumerate().filter(|(_, part)| part.breaks) {
        let before = index.checked_sub(1).map(|before| &parts[before]);
        let last = before.and_then(|before| before.slots.last().copied());
        let has_spoilt = before.is_some_and(|before| before.breaks || before.grows);
        let own = || part.slots.iter().copied();
        let earlier = last.filter(|last| lowered[*last]);
        let told = match earlier {
            Some(earlier) if has_spoilt => {
                spoilt.extend(own().filter(|slot| *slot != earlier));
                is_blamed(&mut std::iter::once(earlier))
            }
            _ => is_blamed(&mut own()) || is_blamed(&mut earlier.into_iter()),
        };
        all &= told;
    }
    for slot in spoilt {
        if said[slot] == Said::Kept {
            said[slot] = Said::Nothing;
        }
    }
    (said, all)
}

impl Scheduling<'_> {
    /// Makes the slots of the best schedule cheaper, where promises hold in every stretch.
    pub(super) fn slot_by_slot(&mut self) -> Result<(), PlanStopped> {
        let Some(best) = self.best().filter(|_| self.question.every.is_some()) else {
            return Ok(());
        };
        let before = self.played[best].node_hours();
        let mut ways = self.ways(&self.played[best].levels);
        let mut runs = 0;
        while runs < RUNS {
            let down = |way: &Way| -> Vec<u32> {
                (0..way.good.len()).map(|slot| way.next(slot)).collect()
            };
            let good = |way: &Way| way.good.clone();
            let tries: Vec<Vec<u32>> = ways.iter().map(down).collect();
            let hours = |units: &[Vec<u32>]| self.hours(units);
            let now: Vec<Vec<u32>> = ways.iter().map(good).collect();
            let least: Vec<Vec<u32>> = ways.iter().map(Way::least).collect();
            let is_little = hours(&now) - hours(&least) < LITTLE * hours(&now);
            let tries = if is_little { now } else { tries };
            let levels = self.levels_of(&tries);
            let known = self.played.iter().find(|p| same(p, &levels)).cloned();
            let played = match known {
                Some(known) => known,
                None => {
                    (self.bench.tell)(&format!(
                        "slot by slot, {} of at most {RUNS}: {} node-hours",
                        runs + 1,
                        fixed(hours(&tries), 0)
                    ));
                    self.simulate(vec![levels], false)?;
                    runs += 1;
                    let Some(played) = self.played.last().cloned() else {
                        break;
                    };
                    played
                }
            };
            if played.keeps() && is_little {
                break;
            }
            if !self.take_in(&mut ways, &tries, &played) {
                break;
            }
        }
        let after = self
            .best()
            .map_or(before, |best| self.played[best].node_hours());
        if after < before {
            self.slotwise = Some(format!(
                "one target for all slots of the schedule would need {} node-hours; each slot with the fewest units that \
                 keep its promises takes {}, found in {runs} more simulations",
                fixed(before, 1),
                fixed(after, 1)
            ));
        }
        Ok(())
    }

    /// The search of each pool where it begins: what keeps every promise, and what arithmetic finds too few by a node.
    fn ways(&self, levels: &[ExpectedSchedule]) -> Vec<Way> {
        let each = self.axes.iter().zip(levels);
        let way = |(axis, level): (&super::PoolSearch<'_>, &ExpectedSchedule)| {
            let block = axis.curve.block;
            let bad = level.units.iter().enumerate().map(|(slot, &units)| {
                let fewest = axis.curve.fewest(slot, units);
                let is_paid = self.slots[slot].paid_h > 0.0;
                match is_paid {
                    true => fewest
                        .saturating_sub(2 * block)
                        .max(axis.curve.least.saturating_sub(1)),
                    false => units,
                }
            });
            Way {
                bad: bad.collect(),
                safe: level.units.clone(),
                good: level.units.clone(),
                block,
            }
        };
        each.map(way).collect()
    }

    /// Node-hours of units by pool and slot, by arithmetic.
    fn hours(&self, units: &[Vec<u32>]) -> f64 {
        let each = self.axes.iter().zip(units);
        each.map(|(axis, units)| axis.curve.hours(units, |n| axis.pool.nodes(n)))
            .sum()
    }

    /// Schedules of units by pool and slot, with what arithmetic expects of them.
    fn levels_of(&self, units: &[Vec<u32>]) -> Vec<ExpectedSchedule> {
        let each = self.axes.iter().zip(units);
        let level = |(axis, units): (&super::PoolSearch<'_>, &Vec<u32>)| ExpectedSchedule {
            step_s: axis.curve.value(axis.aim, units),
            units: units.clone(),
        };
        each.map(level).collect()
    }

    /// Learns what a run says; `false`: it cannot say which slot is at fault.
    fn take_in(&self, ways: &mut [Way], tries: &[Vec<u32>], played: &Played) -> bool {
        let Some(run) = played.runs.first() else {
            return false;
        };
        let mut all = Vec::new();
        for ((axis, way), tried) in self.axes.iter().zip(ways.iter()).zip(tries) {
            let parts = self.parts(run, axis);
            let lowered = |(tried, safe): (&u32, &u32)| tried < safe;
            let lowered: Vec<bool> = tried.iter().zip(&way.safe).map(lowered).collect();
            if parts.is_empty() {
                // The run outgrew its limits: nobody knows in which slot.
                let said = |lowered: &bool| if *lowered { Said::Broke } else { Said::Kept };
                all.push((lowered.iter().map(said).collect(), true));
            } else {
                all.push(blame(&parts, &lowered));
            }
        }
        let mut changed = false;
        for (((said, _), way), tried) in all.iter().zip(ways.iter_mut()).zip(tries) {
            let was = way.clone();
            way.learn(tried, said);
            changed |= was.good != way.good || was.bad != way.bad;
        }
        changed
    }

    /// The stretches of a run in which promises are judged, for a pool.
    fn parts(&self, run: &TrialRun, axis: &super::PoolSearch<'_>) -> Vec<SlotPart> {
        let Some(every) = self.question.every else {
            return Vec::new();
        };
        let slos = &self.question.slos;
        let separate = self.axes.len() > 1;
        let start = self.base.start.time_of_day.0;
        let end = start + self.base.duration.0;
        let last = run.parts.len().saturating_sub(1);
        let overloaded = run.trouble.is_some() && run.parts.iter().all(|part| part.strain <= 1.0);
        let part = |(index, part): (usize, &TrialRun)| {
            let from = start + index as u64 * every.0;
            let to = (from + every.0).min(end);
            let grows = part.growing.contains(&axis.pool.name);
            SlotPart {
                slots: self.between(from, to),
                breaks: axis.strain(part, slos, separate) > 1.0 || overloaded && index == last,
                grows,
            }
        };
        run.parts.iter().enumerate().map(part).collect()
    }

    /// Indices of the slots between two times of the day, the second perhaps of a later day, in the order of time.
    fn between(&self, from: u64, to: u64) -> Vec<usize> {
        let mut found: Vec<usize> = Vec::new();
        let mut at = from;
        while at < to && found.len() < self.slots.len() {
            let time = at % NS_PER_DAY;
            let slot = self.slots.partition_point(|slot| slot.from.0 <= time) - 1;
            found.push(slot);
            let next = self
                .slots
                .get(slot + 1)
                .map_or(NS_PER_DAY, |slot| slot.from.0);
            at += next - time;
        }
        found
    }
}

impl Way {
    /// The fewest units of each slot that may still turn out to be enough.
    fn least(&self) -> Vec<u32> {
        let each = self.good.iter().zip(&self.bad);
        each.map(|(good, bad)| ((bad / self.block + 1) * self.block).min(*good))
            .collect()
    }
}

/// Whether a played schedule has the units of these.
fn same(played: &Played, levels: &[ExpectedSchedule]) -> bool {
    let each = played.levels.iter().zip(levels);
    each.into_iter().all(|(a, b)| a.units == b.units)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(slot: usize, breaks: bool, grows: bool) -> SlotPart {
        SlotPart {
            slots: vec![slot],
            breaks,
            grows,
        }
    }

    #[test]
    fn an_hour_is_blamed_for_itself_or_the_one_before_for_what_it_left() {
        use Said::{Broke, Kept, Nothing};
        let quiet = |slot| part(slot, false, false);
        // The broken slot's own units are too few; those of the slot before are enough.
        let own = [quiet(0), part(1, true, false), quiet(2)];
        assert_eq!(blame(&own, &[true; 3]), (vec![Kept, Broke, Kept], true));
        // The hour before kept its promise and left a queue that grew: the later one is not judged.
        let left = [part(0, false, true), part(1, true, false), quiet(2)];
        assert_eq!(blame(&left, &[true; 3]), (vec![Broke, Nothing, Kept], true));
        // The slot before is blamed, too, where it broke its promise itself.
        let both = [part(0, true, false), part(1, true, false), quiet(2)];
        assert_eq!(blame(&both, &[true; 3]), (vec![Broke, Nothing, Kept], true));
        // A slot with as many units as are known to be enough is not to blame; nor is any, where none has fewer.
        let lowered = [true, false, true];
        assert_eq!(blame(&own, &lowered), (vec![Broke, Kept, Kept], true));
        assert_eq!(blame(&own, &[false; 3]), (vec![Kept; 3], false));
    }

    #[test]
    fn a_slot_comes_down_by_halves_and_stays_where_it_is_good() {
        // Slot 0 needs 5 of 16 units, slot 1 all of its 8.
        let needs = [5, 8];
        let mut way = Way {
            safe: vec![16, 8],
            good: vec![16, 8],
            bad: vec![1, 3],
            block: 1,
        };
        for _ in 0..6 {
            let tried: Vec<u32> = (0..2).map(|slot| way.next(slot)).collect();
            let said = |(n, need): (&u32, &u32)| match n < need {
                true => Said::Broke,
                false => Said::Kept,
            };
            let said: Vec<Said> = tried.iter().zip(&needs).map(said).collect();
            way.learn(&tried, &said);
        }
        assert_eq!(way.good, needs);
        assert_eq!(way.least(), needs);
        // What was good for itself and is not among the others goes up again.
        way.learn(&[5, 8], &[Said::Broke, Said::Kept]);
        assert_eq!((way.good[0], way.bad[0]), (6, 5));
        // By whole nodes of four.
        way.block = 4;
        way.good[0] = 16;
        assert_eq!(way.next(0), 12);
        way.bad[0] = 12;
        assert_eq!(way.next(0), 16);
    }
}
