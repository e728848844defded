//! Promises in every stretch of a run: what `slo_every` asks for, and hour by hour (S12).
//!
//! A request is judged in the stretch in which it ends, and those that are inside at the end and can meet their
//! targets no more in the last one. A stretch in which nobody ends and no token leaves, although somebody was
//! inside when it began, has kept nothing if it is longer than the target.

use super::span::{inside_before, left_of, span};
use super::stretch::{Evidence, WindowStretch, ratio};
use super::summary::{Promised, SloEvery, SloHour, SpanSummary};
use crate::metrics::Timeline;
use crate::metrics::cells::ClassCounts;
use crate::scenario::{Scenario, Slo};
use crate::units::SimDuration;

/// The stretches of the window in which promises are judged.
pub(super) struct Stretches {
    every: SimDuration,
    parts: Vec<Part>,
    spans: Vec<SpanSummary>,
}

/// The figures of one stretch that promises are judged by.
struct Part {
    ns: u64,
    classes: Vec<ClassCounts>,
}

/// How a class's promises were kept in a stretch.
struct Judged {
    requests: u64,
    /// Part of the judged requests that met every target; `None`: nobody could be judged.
    attainment: Option<f64>,
}

impl Stretches {
    /// Cuts the window into stretches of length `every`; the last one may be shorter.
    pub(super) fn new(scenario: &Scenario, evidence: &Evidence, every: SimDuration) -> Self {
        let (mut parts, mut spans) = (Vec::new(), Vec::new());
        for (from, to) in Timeline::spans(evidence.timeline.start(), scenario.duration, every) {
            let stretch = WindowStretch::new(scenario, evidence, from, to);
            let classes = 0..scenario.classes.len();
            parts.push(Part {
                ns: stretch.ns(),
                classes: classes.map(|class| stretch.class(class)).collect(),
            });
            spans.push(span(scenario, &stretch));
        }
        Self {
            every,
            parts,
            spans,
        }
    }

    /// The figures of each stretch.
    pub(super) fn into_spans(self) -> Vec<SpanSummary> {
        self.spans
    }

    /// Judges a class in each stretch.
    fn judge(&self, evidence: &Evidence, class: usize, slo: &Slo) -> Vec<Judged> {
        let left = left_of(evidence, class).missed;
        let mut inside = inside_before(evidence, class);
        let last = self.parts.len().saturating_sub(1);
        let one = |(index, part): (usize, &Part)| {
            let counts = &part.classes[class];
            let ended = ended(counts);
            let judged = ended + if index == last { left } else { 0 };
            let is_stuck = inside > 0
                && counts.output_1024 == 0
                && slo.ttft.is_none_or(|limit| part.ns > limit.0);
            inside = inside + counts.arrived - ended;
            let part = ratio(counts.met_slo as f64, judged as f64);
            Judged {
                requests: judged,
                attainment: part.or(is_stuck.then_some(0.0)),
            }
        };
        self.parts.iter().enumerate().map(one).collect()
    }

    /// A class's SLO over the stretches, summed up.
    pub(super) fn of_class(
        &self,
        scenario: &Scenario,
        evidence: &Evidence,
        class: usize,
    ) -> Option<SloEvery> {
        let slo = scenario.classes.get(class)?.slo?;
        let parts = self.judge(evidence, class, &slo);
        let judged = || {
            let each = parts.iter().zip(&self.spans);
            each.filter_map(|(part, span)| Some((part.attainment?, &span.start)))
        };
        let missed = |part: f64| slo.attainment.is_some_and(|required| part < required);
        let worst = judged().reduce(|worst, one| if one.0 < worst.0 { one } else { worst });
        Some(SloEvery {
            length_s: self.every.as_secs_f64(),
            judged: judged().count() as u64,
            missed: judged().filter(|(part, _)| missed(*part)).count() as u64,
            worst_attainment: worst.map(|(part, _)| part),
            worst_start: worst.map(|(_, start)| start.clone()),
        })
    }

    /// A class's SLO in each stretch; empty without an SLO.
    pub(super) fn each_of_class(
        &self,
        scenario: &Scenario,
        evidence: &Evidence,
        class: usize,
    ) -> Vec<SloHour> {
        let Some(slo) = scenario.classes.get(class).and_then(|class| class.slo) else {
            return Vec::new();
        };
        let parts = self.judge(evidence, class, &slo).into_iter();
        let hour = |(part, span): (Judged, &SpanSummary)| SloHour {
            start: span.start.clone(),
            judged: part.requests,
            attainment: part.attainment,
        };
        parts.zip(&self.spans).map(hour).collect()
    }

    /// The figures of each stretch, and the least attainment of its classes.
    pub(super) fn promised(&self, scenario: &Scenario, evidence: &Evidence) -> Vec<Promised> {
        let mut least: Vec<Option<f64>> = vec![None; self.parts.len()];
        for (class, slo) in scenario.classes.iter().enumerate() {
            let Some(slo) = &slo.slo else { continue };
            let parts = self.judge(evidence, class, slo);
            for (least, part) in least.iter_mut().zip(parts) {
                *least = [*least, part.attainment]
                    .into_iter()
                    .flatten()
                    .reduce(f64::min);
            }
        }
        let each = self.spans.iter().zip(least);
        each.map(|(span, attainment)| Promised {
            span: span.clone(),
            attainment,
        })
        .collect()
    }
}

fn ended(counts: &ClassCounts) -> u64 {
    counts.completed + counts.rejected + counts.failed
}
