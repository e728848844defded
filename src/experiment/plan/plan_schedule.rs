//! The search over schedules: numbers of units that change over the day.
//!
//! For a target on its step, arithmetic, corrected by what each pool was seen to carry ([`super::capacity`]),
//! gives each pool its cheapest schedule ([`super::curve`]). What the target has to be so that a promise is
//! kept, only simulations of the whole time can say. Each pool has a bracket of targets: the loosest that kept
//! its promises, the tightest that broke one. A round simulates two schedules at once, one expected just to
//! keep the promises, one just to break them, and corrects the expectation by what came out; a pool is done
//! when nothing lies between. Where prefill and decode are separate, both are sought in the same simulations:
//! promises on first tokens speak for prefill, those on later tokens for decode, and the schedule of the answer
//! is simulated as a whole. Where first tokens come from decode, both pools answer for them: the search ends with
//! neighbours of what it has found, one pool dearer or cheaper. Where promises hold in every stretch, the slots are
//! then made cheaper one by one ([`slotwise`]).

mod slotwise;

use super::average_load::Loads;
use super::axis::{PoolSearch, TIGHTER};
use super::candidate::{Design, bounds, changed};
use super::capacity::yields;
use super::curve::{ExpectedSchedule, StepCurve};
use super::day_slots::{Slot, setting, slots, start_up};
use super::phases::decode_begins;
use super::question::PlanQuestion;
use super::trial::{Bench, PlanStopped, TrialRun};
use crate::scenario::{KeyChange, Pool, Role, Scenario};

/// Most rounds of two simulations.
const ROUNDS: usize = 6;
/// Parts of their limits that the two schedules of a round are expected to take.
const EXPECTED: [f64; 2] = [0.996, 1.008];
/// Parts of the limits that are asked for before anything is known: arithmetic is optimistic.
const AT_FIRST: [f64; 2] = [0.85, 0.97];
/// Most dearer schedules that are sought from where the rounds end without an answer.
const MENDS: usize = 4;
/// Ratio to the requests that arithmetic expects in flight from which, with [`FEW`] more, it is overload.
const IN_FLIGHT: f64 = 4.0;
const FEW: f64 = 10_000.0;
/// Strain of an overload, where no figure says more.
const OVERLOAD: f64 = 1.15;

/// A schedule that was simulated.
#[derive(Clone, Debug)]
pub struct Played {
    /// Schedule of each pool.
    pub levels: Vec<ExpectedSchedule>,
    /// Changes of the units.
    pub settings: Vec<KeyChange>,
    /// Runs, one for each replication.
    pub runs: Vec<TrialRun>,
}

impl Played {
    /// Whether every run keeps every promise.
    pub fn keeps(&self) -> bool {
        self.runs.iter().all(TrialRun::keeps)
    }

    /// Node-hours of the schedule.
    pub fn node_hours(&self) -> f64 {
        self.runs.first().map_or(0.0, |run| run.node_hours)
    }

    /// The largest strain of the schedule's runs.
    pub fn strain(&self) -> f64 {
        self.runs.iter().map(|run| run.strain).fold(0.0, f64::max)
    }
}

/// A search over schedules of one design.
pub struct Scheduling<'a> {
    base: &'a Scenario,
    design: &'a Design,
    question: &'a PlanQuestion,
    bench: &'a Bench<'a>,
    slots: Vec<Slot>,
    axes: Vec<PoolSearch<'a>>,
    /// Yield of each pool: what it carries, over what arithmetic says.
    pub yields: Vec<f64>,
    /// Gain of giving each slot units of its own, in words; `None`: not tried.
    pub slotwise: Option<String>,
    /// Schedules simulated so far.
    pub played: Vec<Played>,
}

impl<'a> Scheduling<'a> {
    /// A search in which nothing is simulated yet.
    ///
    /// # Errors
    /// Where the design cannot run, or the day's slots do not suit it.
    pub fn new(
        base: &'a Scenario,
        design: &'a Design,
        question: &'a PlanQuestion,
        bench: &'a Bench<'a>,
    ) -> Result<Self, PlanStopped> {
        let refuse = |why: &str| PlanStopped::Question(why.to_string());
        let screen = design.screen.as_ref().map_err(|why| refuse(why))?;
        let loads = Loads::of(&design.scenario)
            .ok_or_else(|| refuse("the load has no rate over the day"))?;
        let every = question
            .schedule
            .ok_or_else(|| refuse("no schedule was asked for"))?;
        let slots = slots(&design.scenario, &loads, every);
        let pools = design.scenario.pools.iter().enumerate();
        if let Some((_, pool)) = pools
            .clone()
            .find(|(_, p)| start_up(p).0 + p.schedule.drain.0 >= every.0)
        {
            return Err(PlanStopped::Question(format!(
                "a unit of pool `{}` starts and drains for longer than a slot of the schedule lasts; give --schedule a \
                 longer time",
                pool.name
            )));
        }
        let axes = pools.map(|(index, pool)| {
            let curve = StepCurve::new(screen, index, &slots, range(pool, question), 1.0);
            PoolSearch::new((index, pool), curve, question, screen.tokens_per_step())
        });
        let axes: Vec<PoolSearch<'_>> = axes.collect();
        Ok(Self {
            yields: vec![1.0; axes.len()],
            axes,
            base,
            design,
            question,
            bench,
            slots,
            slotwise: None,
            played: Vec::new(),
        })
    }

    /// Node-hours of the answer by arithmetic alone; infinite where it sees no answer.
    pub fn promise_node_hours(&self) -> f64 {
        let targets: Vec<f64> = self.axes.iter().map(|axis| axis.first_s).collect();
        let levels = self.levels(&targets);
        if levels.iter().any(|level| level.step_s.is_infinite()) {
            return f64::INFINITY;
        }
        self.node_hours(&levels)
    }

    /// Searches; the schedules that were simulated are then in `played`.
    ///
    /// # Errors
    /// As for [`Bench::play`].
    pub fn search(&mut self) -> Result<(), PlanStopped> {
        self.correct()?;
        for round in 0..ROUNDS {
            let expected = if round == 0 { AT_FIRST } else { EXPECTED };
            let mut open: Vec<Vec<ExpectedSchedule>> = Vec::new();
            for expected in expected {
                let targets: Vec<f64> = self.axes.iter().map(|axis| axis.next(expected)).collect();
                let levels = self.levels(&targets);
                if !self.is_known(&levels) && !open.contains(&levels) {
                    open.push(levels);
                }
            }
            if open.is_empty() || self.axes.iter().all(PoolSearch::is_closed) {
                break;
            }
            (self.bench.tell)(&format!(
                "round {} of at most {ROUNDS}: {} node-hours",
                round + 1,
                crate::report::format::fixed(self.node_hours(&open[0]), 0)
            ));
            self.play(open)?;
        }
        if decode_begins(&self.design.scenario) {
            self.mend()?;
            self.trim()?;
        }
        self.together()?;
        self.slot_by_slot()?;
        self.confirm()
    }

    /// Where first tokens come from decode, both pools answer for one promise, and their brackets may not meet:
    /// from the nearest miss on, the schedule with one pool dearer that takes least of the limits.
    fn mend(&mut self) -> Result<(), PlanStopped> {
        let mut tried = Vec::new();
        for _ in 0..MENDS {
            let misses = (0..self.played.len()).filter(|i| !tried.contains(i));
            let lost = |i: &usize| self.played[*i].runs.iter().any(|run| run.trouble.is_some());
            let nearest = misses.min_by(|a, b| {
                let of = |i: &usize| self.played[*i].strain();
                lost(a).cmp(&lost(b)).then(of(a).total_cmp(&of(b)))
            });
            let Some(nearest) = nearest.filter(|_| self.best().is_none()) else {
                break;
            };
            tried.push(nearest);
            let levels = self.played[nearest].levels.clone();
            self.beside(&levels, |_, level, _| Some(level.step_s * TIGHTER))?;
        }
        Ok(())
    }

    /// Tries the best schedule with one pool cheaper, as long as that keeps every promise.
    fn trim(&mut self) -> Result<(), PlanStopped> {
        while let Some(best) = self.best() {
            let levels = self.played[best].levels.clone();
            self.beside(&levels, |axis, level, caps| axis.looser(level.step_s, caps))?;
            if self.best() == Some(best) {
                break;
            }
        }
        Ok(())
    }

    /// Plays schedules that each differ from `levels` in the target of one pool.
    fn beside(
        &mut self,
        levels: &[ExpectedSchedule],
        target: impl Fn(&PoolSearch<'_>, &ExpectedSchedule, &[u32]) -> Option<f64>,
    ) -> Result<(), PlanStopped> {
        let all = vec![self.question.nodes; self.slots.len()];
        let mut open: Vec<Vec<ExpectedSchedule>> = Vec::new();
        for (index, axis) in self.axes.iter().enumerate() {
            let Some(other) = target(axis, &levels[index], &self.caps(axis, &all)) else {
                continue;
            };
            let mut targets: Vec<f64> = levels.iter().map(|level| level.step_s).collect();
            targets[index] = other;
            let levels = self.levels(&targets);
            if !self.is_known(&levels) && !open.contains(&levels) {
                open.push(levels);
            }
        }
        if open.is_empty() {
            return Ok(());
        }
        (self.bench.tell)("one pool dearer or cheaper");
        self.play(open)
    }

    /// Corrects the arithmetic by what each pool is seen to carry.
    fn correct(&mut self) -> Result<(), PlanStopped> {
        let Ok(screen) = &self.design.screen else {
            return Ok(());
        };
        let (base, design, question) = (self.base, self.design, self.question);
        self.yields = yields(base, design, screen, &self.slots, question, self.bench)?;
        for (axis, part) in self.axes.iter_mut().zip(&self.yields) {
            let range = range(axis.pool, question);
            let curve = StepCurve::new(screen, axis.index, &self.slots, range, 1.0 / part);
            axis.correct(curve);
        }
        Ok(())
    }

    /// Plays the cheapest schedule of each pool together.
    fn together(&mut self) -> Result<(), PlanStopped> {
        let kept: Option<Vec<f64>> = self.axes.iter().map(|axis| axis.kept).collect();
        if let Some(targets) = kept {
            let levels = self.levels(&targets);
            if !self.is_known(&levels) {
                (self.bench.tell)("the best of each pool together");
                self.play(vec![levels])?;
            }
        }
        Ok(())
    }

    /// Plays the replications of the answer; where one fails, of the next answer.
    fn confirm(&mut self) -> Result<(), PlanStopped> {
        let replications = match self.design.scenario.is_drawn() {
            true => self.question.replications,
            false => 1,
        };
        for replication in 1..replications {
            let Some(best) = self.best() else { break };
            let scenario = self.scenario(&self.played[best].settings)?;
            let run = self
                .bench
                .play(&[(&scenario, replication)], &self.question.slos)?;
            self.played[best].runs.extend(run);
        }
        Ok(())
    }

    /// Index of the cheapest schedule that keeps every promise; `None`: none does.
    pub fn best(&self) -> Option<usize> {
        let kept = (0..self.played.len()).filter(|i| self.played[*i].keeps());
        kept.min_by(|a, b| {
            let of = |i: &usize| self.played[*i].node_hours();
            of(a).total_cmp(&of(b))
        })
    }

    /// Node-hours of the answer if steps took `factor` times as long, by arithmetic corrected as the
    /// simulations taught it. `None` where the bounds do not allow it.
    pub fn if_steps_took(&self, factor: f64) -> Option<f64> {
        let screen = self.design.screen.as_ref().ok()?;
        let best = &self.played[self.best()?];
        let mut free = vec![self.question.nodes; self.slots.len()];
        let mut sum = 0.0;
        let axes = self.axes.iter().zip(&best.levels).zip(&self.yields);
        for ((axis, level), part) in axes {
            let range = range(axis.pool, self.question);
            let curve = StepCurve::new(screen, axis.index, &self.slots, range, factor / part);
            let caps = self.caps(axis, &free);
            let units = if self.slotwise.is_some() {
                axis.curve.scaled(&level.units, &curve, factor, &caps)?
            } else {
                let new = curve.reach(axis.aim, level.step_s / factor, &caps);
                if new.step_s > level.step_s / factor {
                    return None;
                }
                new.units
            };
            take(&mut free, &units, axis.pool);
            sum += curve.hours(&units, |n| axis.pool.nodes(n));
        }
        Some(sum)
    }

    /// The schedules for targets of the pools, each within what those before it leave of the nodes.
    fn levels(&self, targets: &[f64]) -> Vec<ExpectedSchedule> {
        let mut free = vec![self.question.nodes; self.slots.len()];
        let mut levels = Vec::new();
        for (axis, target) in self.axes.iter().zip(targets) {
            let caps = self.caps(axis, &free);
            let level = axis.curve.reach(axis.aim, *target, &caps);
            take(&mut free, &level.units, axis.pool);
            levels.push(level);
        }
        levels
    }

    /// Units that a pool may have in each slot. They are paid from shortly before it, so there must be room
    /// for them in the slot before, too.
    fn caps(&self, axis: &PoolSearch<'_>, free: &[u32]) -> Vec<u32> {
        let most = bounds(axis.pool, self.question).1;
        let before = |slot: usize| free[(slot + free.len() - 1) % free.len()];
        let room = |slot: usize| free[slot].min(before(slot));
        (0..free.len())
            .map(|slot| axis.pool.units_on(room(slot)).min(most))
            .collect()
    }

    fn node_hours(&self, levels: &[ExpectedSchedule]) -> f64 {
        let each = self.axes.iter().zip(levels);
        each.map(|(axis, level)| axis.curve.hours(&level.units, |n| axis.pool.nodes(n)))
            .sum()
    }

    fn is_known(&self, levels: &[ExpectedSchedule]) -> bool {
        let same = |played: &Played| {
            let each = played.levels.iter().zip(levels);
            each.into_iter().all(|(a, b)| a.units == b.units)
        };
        self.played.iter().any(same)
    }

    fn play(&mut self, open: Vec<Vec<ExpectedSchedule>>) -> Result<(), PlanStopped> {
        self.simulate(open, true)
    }

    /// Simulates schedules; where they `learn`, the pools' searches take in what became of their targets.
    fn simulate(
        &mut self,
        open: Vec<Vec<ExpectedSchedule>>,
        learn: bool,
    ) -> Result<(), PlanStopped> {
        let settings: Vec<Vec<KeyChange>> =
            open.iter().map(|levels| self.settings(levels)).collect();
        let limited = open.iter().zip(&settings).map(|(levels, settings)| {
            let most = self.most_in_flight(levels);
            let most = KeyChange::set("limits.requests_in_flight", most);
            let settings: Vec<KeyChange> = settings.iter().cloned().chain([most]).collect();
            self.scenario(&settings)
        });
        let scenarios: Result<Vec<Scenario>, PlanStopped> = limited.collect();
        let scenarios = scenarios?;
        let items: Vec<(&Scenario, u32)> = scenarios.iter().map(|s| (s, 0)).collect();
        let runs = self.bench.play(&items, &self.question.slos)?;
        for ((levels, settings), run) in open.into_iter().zip(settings).zip(runs) {
            let separate = self.axes.len() > 1;
            let slos = &self.question.slos;
            let strains = self.axes.iter().map(|a| a.strain(&run, slos, separate));
            let mut strains: Vec<f64> = strains.collect();
            if run.trouble.is_some() {
                // Overload of one pool says nothing of another; of nobody in particular, all have it.
                let somebody = strains.iter().any(|s| *s > 1.0);
                for strain in strains.iter_mut().filter(|s| **s <= 1.0) {
                    *strain = if somebody { f64::NAN } else { OVERLOAD };
                }
            }
            for ((axis, level), strain) in self.axes.iter_mut().zip(&levels).zip(strains) {
                if learn && !strain.is_nan() {
                    axis.learn(level, strain);
                }
            }
            self.played.push(Played {
                levels,
                settings,
                runs: vec![run],
            });
        }
        Ok(())
    }

    /// Requests that can be in flight while a schedule keeps any promise worth the name: a run beyond that is
    /// overloaded, and ends instead of filling the memory. It changes no figure of a run that stays below.
    fn most_in_flight(&self, levels: &[ExpectedSchedule]) -> u64 {
        let per_step = self
            .design
            .screen
            .as_ref()
            .map_or(1.0, |screen| screen.tokens_per_step());
        let in_slot = |slot: &Slot| {
            let life_s = self.axes.iter().zip(levels).map(|(axis, level)| {
                let steps = match axis.pool.role {
                    Role::Prefill => 2.0,
                    Role::Decode | Role::Mixed => 2.0 + slot.load.decoded / per_step,
                };
                // A slot may be slower than the mean of all.
                2.0 * steps
                    * if level.step_s.is_finite() {
                        level.step_s
                    } else {
                        1.0
                    }
            });
            slot.load.peak_per_s * life_s.sum::<f64>()
        };
        let expected = self.slots.iter().map(in_slot).fold(0.0, f64::max);
        let limit = self.base.limits.requests_in_flight;
        (IN_FLIGHT * expected + FEW).min(limit as f64) as u64
    }

    fn settings(&self, levels: &[ExpectedSchedule]) -> Vec<KeyChange> {
        let each = self.axes.iter().zip(levels);
        let units = each.map(|(axis, level)| setting(axis.pool, &self.slots, &level.units));
        self.design.settings.iter().cloned().chain(units).collect()
    }

    /// The scenario with the settings of a schedule.
    ///
    /// # Errors
    /// Where it is refused.
    pub fn scenario(&self, settings: &[KeyChange]) -> Result<Scenario, PlanStopped> {
        changed(self.base, &self.design.label, settings).map_err(PlanStopped::Question)
    }

    /// Local time, units by pool, and requests per second of each slot.
    pub fn table(&self, played: &Played) -> Vec<(String, Vec<u32>, f64)> {
        let row = |(index, slot): (usize, &Slot)| {
            let units = played.levels.iter().map(|level| level.units[index]);
            (
                crate::scenario::show_time_of_day(slot.from),
                units.collect(),
                slot.load.per_s,
            )
        };
        self.slots.iter().enumerate().map(row).collect()
    }
}

/// Takes a pool's nodes off `free`: in each slot those of it, or of the next slot, if they are more.
fn take(free: &mut [u32], units: &[u32], pool: &Pool) {
    for (slot, free) in free.iter_mut().enumerate() {
        let most = units[slot].max(units[(slot + 1) % units.len()]);
        *free = free.saturating_sub(pool.nodes(most));
    }
}

/// Fewest and most units that a pool may have, and how many fill a node.
fn range(pool: &Pool, question: &PlanQuestion) -> (u32, u32, u32) {
    let (least, most) = bounds(pool, question);
    (least, most, pool.units_on(1).max(1))
}
