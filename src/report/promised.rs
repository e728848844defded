//! Promises in every stretch of a run: what `slo_every` asks for (S12).
//!
//! A request is judged in the stretch in which it ends, and those that are inside at the end and can meet their
//! targets no more in the last one. A stretch in which nobody ends and no token leaves, although somebody was
//! inside when it began, has kept nothing if it is longer than the target.

use super::assemble::{inside_before, left_of, span};
use super::stretch::{Evidence, WindowStretch, ratio};
use super::summary::{Promised, SloEvery};
use crate::metrics::Timeline;
use crate::metrics::cells::ClassCounts;
use crate::scenario::{Scenario, Slo};
use crate::units::SimDuration;

/// The stretches in which promises are judged; none where the scenario judges the whole time only.
pub(super) struct Stretches {
    every: Option<SimDuration>,
    all: Vec<WindowStretch>,
}

impl Stretches {
    /// Cuts the window as the scenario asks.
    pub(super) fn new(scenario: &Scenario, evidence: &Evidence) -> Self {
        let every = scenario.slo_every;
        let cut = |every| Timeline::spans(evidence.timeline.start(), scenario.duration, every);
        let edges = every.map(cut).unwrap_or_default().into_iter();
        Self {
            every,
            all: edges
                .map(|(a, b)| WindowStretch::new(evidence, a, b))
                .collect(),
        }
    }

    /// A class's attainment in each stretch; `None` where nobody could be judged.
    fn attainment(&self, evidence: &Evidence, class: usize, slo: &Slo) -> Vec<Option<f64>> {
        let left = left_of(evidence, class).missed;
        let mut inside = inside_before(evidence, class);
        let last = self.all.len().saturating_sub(1);
        let one = |(index, stretch): (usize, &WindowStretch)| {
            let counts = stretch.class(class);
            let ended = ended(&counts);
            let judged = ended + if index == last { left } else { 0 };
            let is_stuck = inside > 0
                && counts.output_1024 == 0
                && slo.ttft.is_none_or(|limit| stretch.ns() > limit.0);
            inside = inside + counts.arrived - ended;
            let part = ratio(counts.met_slo as f64, judged as f64);
            part.or(is_stuck.then_some(0.0))
        };
        self.all.iter().enumerate().map(one).collect()
    }

    /// What became of a class's SLO, stretch by stretch.
    pub(super) fn of_class(
        &self,
        scenario: &Scenario,
        evidence: &Evidence,
        class: usize,
    ) -> Option<SloEvery> {
        let (every, slo) = (self.every?, scenario.classes.get(class)?.slo?);
        let parts = self.attainment(evidence, class, &slo);
        let judged = || {
            parts
                .iter()
                .zip(&self.all)
                .filter_map(|(p, s)| Some(((*p)?, s)))
        };
        let missed = |part: f64| slo.attainment.is_some_and(|required| part < required);
        let worst = judged().reduce(|worst, one| if one.0 < worst.0 { one } else { worst });
        Some(SloEvery {
            length_s: every.as_secs_f64(),
            judged: judged().count() as u64,
            missed: judged().filter(|(part, _)| missed(*part)).count() as u64,
            worst_attainment: worst.map(|(part, _)| part),
            worst_start: worst.map(|(_, stretch)| span(scenario, stretch).start),
        })
    }

    /// All figures of each stretch, and the least attainment of its classes.
    pub(super) fn promised(&self, scenario: &Scenario, evidence: &Evidence) -> Vec<Promised> {
        let mut least: Vec<Option<f64>> = vec![None; self.all.len()];
        for (class, slo) in scenario.classes.iter().enumerate() {
            let Some(slo) = &slo.slo else { continue };
            let parts = self.attainment(evidence, class, slo);
            for (least, part) in least.iter_mut().zip(parts) {
                *least = [*least, part].into_iter().flatten().reduce(f64::min);
            }
        }
        let each = self.all.iter().zip(least);
        each.map(|(stretch, attainment)| Promised {
            span: span(scenario, stretch),
            attainment,
        })
        .collect()
    }
}

fn ended(counts: &ClassCounts) -> u64 {
    counts.completed + counts.rejected + counts.failed
}
