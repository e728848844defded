//! One pool's part of the search over schedules: a bracket of targets for its step.

use super::curve::{ExpectedSchedule, StepCurve, TargetKind};
use super::question::PlanQuestion;
use super::slo::{PlanSlo, SloFigure, Statistic};
use super::trial::TrialRun;
use crate::scenario::{Pool, Role};

/// Ratio of its ends at which a bracket is closed.
const NARROW: f64 = 1.01;
/// Part of a target that the next dearer schedule must reach.
pub const TIGHTER: f64 = 1.0 - 1e-6;
/// Bounds of the factor by which a target moves at once.
const STRIDE: (f64, f64) = (0.6, 1.6);

/// The search for one pool's target, between one that kept all promises and one that broke some.
pub struct PoolSearch<'a> {
    /// Pool that is searched for.
    pub pool: &'a Pool,
    /// Index of the pool among the scenario's pools.
    pub index: usize,
    /// What the pool's target is on.
    pub aim: TargetKind,
    /// Steps of the pool by slot and units, from which its cheapest schedules follow.
    pub curve: StepCurve,
    /// Target of the arithmetic alone, in seconds.
    pub first_s: f64,
    /// Loosest target that kept all promises, in seconds; `None`: none has.
    pub kept: Option<f64>,
    /// Tightest target that broke a promise, in seconds; `None`: none has.
    broke: Option<f64>,
    /// Target of the fewest units that carry the load, in seconds: none is looser.
    loosest_s: f64,
    /// Targets in seconds, each with the part of the limits that it took.
    seen: Vec<(f64, f64)>,
}

impl<'a> PoolSearch<'a> {
    /// A search in which nothing is simulated yet.
    pub fn new(
        (index, pool): (usize, &'a Pool),
        curve: StepCurve,
        question: &PlanQuestion,
        tokens_per_step: f64,
    ) -> Self {
        let (aim, first_s) = aim(pool, question, tokens_per_step);
        let loosest_s = curve.loosest(aim);
        Self {
            pool,
            index,
            aim,
            curve,
            first_s,
            kept: None,
            broke: None,
            loosest_s,
            seen: Vec::new(),
        }
    }

    /// Goes on with a curve that knows more.
    pub fn correct(&mut self, curve: StepCurve) {
        self.loosest_s = curve.loosest(self.aim);
        self.curve = curve;
    }

    /// The target, in seconds, that is expected to take this part of the limits.
    pub fn next(&self, expected: f64) -> f64 {
        let nearest = self.seen.iter().min_by(|a, b| {
            let far = |strain: f64| (strain - 1.0).abs();
            far(a.1).total_cmp(&far(b.1))
        });
        let target = nearest.map_or(self.first_s * expected, |(target, strain)| {
            target * (expected / strain.max(1e-3)).clamp(STRIDE.0, STRIDE.1)
        });
        match (self.kept, self.broke) {
            (Some(kept), _) if self.is_closed() => kept,
            // Between what is known; the geometric middle where the guess lies outside.
            (Some(kept), Some(broke)) if target <= kept || target >= broke => (kept * broke).sqrt(),
            (None, Some(broke)) if target >= broke => broke * 0.9,
            (Some(kept), None) if target <= kept => kept * 1.05,
            _ => target,
        }
    }

    /// The target of the dearest schedule that is looser than one whose step is `step_s`; `None`: there is none.
    pub fn looser(&self, step_s: f64, caps: &[u32]) -> Option<f64> {
        let mut found = None;
        let mut target_s = f64::INFINITY;
        loop {
            let level = self.curve.reach(self.aim, target_s, caps);
            // Where the target is out of reach, the curve has ended.
            if level.step_s <= step_s || level.step_s > target_s {
                return found;
            }
            found = Some(level.step_s);
            target_s = level.step_s * TIGHTER;
        }
    }

    /// Whether nothing cheaper is left to try.
    pub fn is_closed(&self) -> bool {
        match (self.kept, self.broke) {
            (Some(kept), Some(broke)) => broke <= kept * NARROW,
            (Some(kept), None) => kept >= self.loosest_s,
            (None, _) => false,
        }
    }

    /// The part of the limits that this pool answers for that a run takes; above 1 one is broken.
    pub fn strain(&self, run: &TrialRun, slos: &[PlanSlo], separate: bool) -> f64 {
        let values = slos.iter().zip(&run.values).enumerate();
        let strains = values.filter_map(|(index, (slo, value))| {
            if separate {
                run.share(slos, index, self.pool.role)
            } else {
                Some(slo.strain(*value))
            }
        });
        strains.filter(|s| s.is_finite()).fold(0.0, f64::max)
    }

    /// Learns what part of its limits a schedule of this pool takes.
    pub fn learn(&mut self, level: &ExpectedSchedule, strain: f64) {
        self.seen.push((level.step_s, strain));
        if strain <= 1.0 {
            self.kept = Some(
                self.kept
                    .map_or(level.step_s, |kept| kept.max(level.step_s)),
            );
        } else {
            self.broke = Some(
                self.broke
                    .map_or(level.step_s, |broke| broke.min(level.step_s)),
            );
        }
        // Noise or the other pool can make a looser target look better than a tighter one.
        if let (Some(kept), Some(broke)) = (self.kept, self.broke)
            && kept >= broke
        {
            self.broke = None;
            let above = self.seen.iter().filter(|(t, s)| *s > 1.0 && *t > kept);
            self.broke = above.map(|(t, _)| *t).reduce(f64::min);
        }
    }
}

/// The kind and the value of a pool's target, in seconds, if arithmetic were all: where promises hold in every
/// stretch, the slowest slot decides whatever the statistic.
fn aim(pool: &Pool, question: &PlanQuestion, tokens_per_step: f64) -> (TargetKind, f64) {
    let mine = |slo: &&PlanSlo| pool.role == Role::Mixed || slo.role() == Some(pool.role);
    let step = |slo: &PlanSlo| match slo.figure {
        SloFigure::OutputSpeed => tokens_per_step / slo.limit,
        SloFigure::Tpot => slo.limit * tokens_per_step,
        // A first token waits for the step that runs, then takes one.
        SloFigure::Ttft => slo.limit / 2.0,
        SloFigure::Itl
        | SloFigure::E2e
        | SloFigure::Queue
        | SloFigure::DecodeQueue
        | SloFigure::Attainment
        | SloFigure::Lost => slo.limit,
    };
    let slos = || question.slos.iter().filter(mine);
    let is_mean = |slo: &PlanSlo| slo.statistic == Statistic::Mean;
    let aim = if question.every.is_none() && slos().any(is_mean) {
        TargetKind::Mean
    } else {
        TargetKind::Longest
    };
    (aim, slos().map(step).fold(f64::INFINITY, f64::min))
}
