//! What steady-state arithmetic rules out of a design's candidates.
//!
//! First tokens that come from decode (S8) take at least a prefill step, the KV's way and a decode step.

use std::collections::BTreeMap;

use super::average_load::{Loads, OfferedLoad};
use super::candidate::{Candidate, Design};
use super::phases::decode_begins;
use super::question::PlanQuestion;
use super::screening::Screen;
use super::slo::{PlanSlo, SloFigure, Statistic};
use crate::perf::room::mean_lengths;
use crate::scenario::{Role, Scenario};
use crate::units::NS_PER_S;

/// Factor by which the optimistic arithmetic must break a promise to rule a candidate out: a tenth is left for what
/// the arithmetic rounds.
const BEYOND: f64 = 1.1;

/// Rules out candidates of one design; a step is worked out once for each number of units of a pool.
pub struct Sieve<'a> {
    design: &'a Design,
    question: &'a PlanQuestion,
    load: Option<OfferedLoad>,
    /// Seconds from prefill's end to the beginning of the first decode step, at least; `None`: first tokens do not
    /// come from a decode pool.
    way_s: Option<f64>,
    steps: BTreeMap<(usize, u32), f64>,
}

impl<'a> Sieve<'a> {
    /// A sieve with nothing worked out yet.
    pub fn new(design: &'a Design, question: &'a PlanQuestion) -> Self {
        let scenario = &design.scenario;
        Self {
            design,
            question,
            load: Loads::of(scenario).map(|loads| loads.day()),
            way_s: decode_begins(scenario).then(|| way_s(scenario)),
            steps: BTreeMap::new(),
        }
    }

    /// Why arithmetic rules a candidate out, however optimistic; `None` where it does not.
    pub fn ruled_out(&mut self, candidate: &Candidate) -> Option<String> {
        let screen = match &self.design.screen {
            Ok(screen) => screen,
            Err(why) => return Some(why.clone()),
        };
        let load = self.load?;
        let per_step = screen.tokens_per_step();
        let mut first_s = 0.0;
        for (index, pool) in self.design.scenario.pools.iter().enumerate() {
            let units = candidate.units[index];
            let step = self.step(screen, &load, index, units);
            if step.is_infinite() {
                let (name, s) = (&pool.name, if units == 1 { "" } else { "s" });
                return Some(format!("more comes than {units} {name} unit{s} can serve"));
            }
            first_s += step;
            let missed = self.missed(|slo| slo.at_best(pool.role, step, per_step));
            if missed.is_some() {
                return missed;
            }
        }
        let whole_s = self.way_s? + first_s;
        self.missed(|slo| first_token(slo).then_some(whole_s))
    }

    /// The largest part of a limit that a candidate takes at best; 0 where arithmetic knows nothing.
    pub fn strain_at_best(&mut self, candidate: &Candidate) -> f64 {
        let (Ok(screen), Some(load)) = (&self.design.screen, self.load) else {
            return 0.0;
        };
        let per_step = screen.tokens_per_step();
        let (mut most, mut first_s) = (0.0_f64, self.way_s);
        for (index, pool) in self.design.scenario.pools.iter().enumerate() {
            let step = self.step(screen, &load, index, candidate.units[index]);
            first_s = first_s.map(|s| s + step);
            let of = |slo: &PlanSlo| slo.at_best(pool.role, step, per_step);
            most = most.max(self.strain(of));
        }
        most.max(self.strain(|slo| first_s.filter(|_| first_token(slo))))
    }

    /// Seconds that a step of so many units of a pool takes.
    fn step(&mut self, screen: &Screen, load: &OfferedLoad, pool: usize, units: u32) -> f64 {
        let known = self.steps.entry((pool, units));
        *known.or_insert_with(|| screen.pace(pool, units, load, load.per_s).seconds())
    }

    /// The largest part of a limit that is taken at best.
    fn strain(&self, at_best: impl Fn(&PlanSlo) -> Option<f64>) -> f64 {
        let strain = |slo: &PlanSlo| slo.strain(Some(at_best(slo)?)).into();
        let strains = self.question.slos.iter().filter_map(strain);
        strains.fold(0.0, f64::max)
    }

    /// The first promise that is broken at best, in words; `None`: none is.
    fn missed(&self, at_best: impl Fn(&PlanSlo) -> Option<f64>) -> Option<String> {
        self.question.slos.iter().find_map(|slo| {
            let value = at_best(slo)?;
            let broken = slo.strain(Some(value)) > BEYOND;
            broken.then(|| format!("{} at best {}", slo.name(), slo.show(value)))
        })
    }
}

/// Whether a promise is on first tokens, and not on the quicker half of them only.
fn first_token(slo: &PlanSlo) -> bool {
    slo.figure == SloFigure::Ttft && slo.statistic != Statistic::P50
}

/// Seconds that the KV of a prompt of the mean length is on its way, if nothing else is.
fn way_s(scenario: &Scenario) -> f64 {
    let prefill = scenario.pools.iter().find(|p| p.role == Role::Prefill);
    let speed = prefill.map_or(f64::INFINITY, |p| p.interface.0 as f64);
    let shown = 1.0 - f64::from(scenario.transfer.overlap_65536) / 65_536.0;
    let bytes = scenario.kv.bytes_of_request(mean_lengths(scenario).0) * shown.max(0.0);
    bytes / speed.max(1.0) + scenario.transfer.latency.0 as f64 / NS_PER_S as f64
}
