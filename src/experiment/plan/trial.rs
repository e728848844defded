//! Trials: candidates simulated, and their runs held against the promises.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use super::phases::decode_begins;
use super::slo::{PlanSlo, Waits};
use crate::experiment::parallel::in_parallel_on;
use crate::experiment::{RunError, replicate, run_knowing};
use crate::perf::KnownSteps;
use crate::report::format::{date_clock, plain};
use crate::report::summary::{
    Decided, Interval, Latency, PoolSummary, Promised, RunSummary, SpanSummary,
};
use crate::report::verdict::{Grade, assess};
use crate::scenario::{Role, Scenario};

/// Ratio of a queue at a stretch's end to its mean from which it is growing (assumed).
const GROWS: f64 = 1.5;

/// A run of a candidate, held against the promises.
#[derive(Clone, Debug, Default)]
pub struct TrialRun {
    /// Figure of each promise; where each stretch is judged, that of the worst; `None`: nobody experienced it.
    pub values: Vec<Option<f64>>,
    /// Local starts of those stretches; `None`: the figure is that of the whole time.
    pub when: Vec<Option<String>>,
    /// Number of stretches that break a promise, and of all: those that were asked for, or else hours.
    pub stretches: (u64, u64),
    /// Values, waits and strain of each stretch that is judged.
    pub parts: Vec<TrialRun>,
    /// Pools whose queue was growing at the end of this stretch.
    pub growing: Vec<String>,
    /// Interval of each figure by this run alone; `None`: it cannot say.
    pub intervals: Vec<Option<Interval>>,
    /// Decode's part of each promise on first tokens where these come from it.
    pub waits: Vec<Option<Waits>>,
    /// Largest part of a limit that is taken; above 1 the run breaks a promise.
    pub strain: f64,
    /// Index of the promise that takes the largest part of its limit.
    pub tightest: usize,
    /// Why the figures do not count: overload; `None`: they count.
    pub trouble: Option<String>,
    /// What limits the worst part of the run, in words; `None`: nothing.
    pub limit: Option<String>,
    /// Cost of paid node-time, in dollars.
    pub cost_usd: f64,
    /// Paid node-hours.
    pub node_hours: f64,
    /// Revenue less cost, in dollars.
    pub profit_usd: f64,
    /// Requests per second within their class's targets.
    pub goodput_per_s: f64,
}

impl TrialRun {
    /// Whether every promise is kept.
    pub fn keeps(&self) -> bool {
        self.trouble.is_none() && self.strain <= 1.0
    }

    /// The part of promise `index`'s limit that a pool of a role takes where prefill and decode are separate; `None`
    /// where the promise is not its own. Of a first token that comes from decode, the pool with the larger part answers
    /// for all, the other for its part.
    pub fn share(&self, slos: &[PlanSlo], index: usize, role: Role) -> Option<f64> {
        let (slo, value) = (slos.get(index)?, self.values.get(index).copied()?);
        let all = slo.strain(value);
        let Some(waits) = self.waits.get(index).copied().flatten() else {
            return slo.role().is_none_or(|own| own == role).then_some(all);
        };
        let by_decode = waits.decode_s + waits.step_s;
        let by_prefill = value? - by_decode;
        let left = match role {
            Role::Decode if by_decode <= by_prefill => by_decode,
            Role::Prefill if by_decode > by_prefill => by_prefill,
            Role::Decode | Role::Prefill | Role::Mixed => return Some(all),
        };
        Some(slo.strain(Some(left)))
    }

    /// The pool that breaks promise `index` however many units the other one has; `None`: neither does.
    pub fn culprit(&self, slos: &[PlanSlo], index: usize) -> Option<Role> {
        let (slo, value) = (slos.get(index)?, self.values.get(index).copied()?);
        let breaks = |value: Option<f64>| slo.strain(value) > 1.0;
        match self.waits.get(index).copied().flatten() {
            None => slo.role().filter(|_| breaks(value)),
            Some(waits) if breaks(Some(value? - waits.decode_s - waits.step_s)) => {
                Some(Role::Prefill)
            }
            Some(waits) => breaks(Some(waits.decode_s)).then_some(Role::Decode),
        }
    }

    /// The promises that are broken, in words; `None`: none is.
    pub fn broken(&self, slos: &[PlanSlo]) -> Option<String> {
        if let Some(trouble) = &self.trouble {
            return Some(trouble.clone());
        }
        let (slo, value) = (slos.get(self.tightest)?, self.values.get(self.tightest)?);
        let shown = value.map_or("nobody was served".to_string(), |v| slo.show(v));
        let from = self.from(self.tightest);
        (self.strain > 1.0).then(|| format!("{} is {shown}{from}, {slo} was asked", slo.name()))
    }

    /// When the worst stretch for promise `index` begins, in words; nothing where the whole time is judged.
    pub fn from(&self, index: usize) -> String {
        let start = self.when.get(index).and_then(Option::as_ref);
        start.map_or(String::new(), |start| {
            format!(" from {}", date_clock(start))
        })
    }
}

/// Why a plan ends without an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlanStopped {
    /// The user ended the plan.
    Cancelled,
    /// The question cannot be read or makes no sense.
    Question(String),
    /// A run failed in a way that no candidate should.
    Failed(String),
}

/// What plays the runs of a plan, and hears of its progress.
pub struct Bench<'a> {
    /// Number of runs at once.
    pub threads: usize,
    /// Hears often how many runs have begun, and says whether to go on.
    pub go_on: &'a (dyn Fn(u64) -> bool + Sync),
    /// Hears which part of the plan begins.
    pub begin: &'a (dyn Fn(&str) + Sync),
    /// Hears what the plan is doing.
    pub tell: &'a (dyn Fn(&str) + Sync),
    /// Number of runs so far.
    pub runs: AtomicU64,
    /// Step times that were compiled for candidates so far.
    pub known: KnownSteps,
}

impl fmt::Display for PlanStopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cancelled => f.write_str("interrupted"),
            Self::Question(why) | Self::Failed(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for PlanStopped {}

impl<'a> Bench<'a> {
    /// A bench that tells nobody what it is doing.
    pub fn quiet(threads: usize, go_on: &'a (dyn Fn(u64) -> bool + Sync)) -> Self {
        Self {
            threads,
            go_on,
            begin: &|_| (),
            tell: &|_| (),
            runs: AtomicU64::new(0),
            known: KnownSteps::default(),
        }
    }
}

impl Bench<'_> {
    /// Plays scenarios, each as a replication of its own seed, and judges them in the order given.
    ///
    /// # Errors
    /// As for [`Bench::summaries`].
    pub fn play(
        &self,
        items: &[(&Scenario, u32)],
        slos: &[PlanSlo],
    ) -> Result<Vec<TrialRun>, PlanStopped> {
        let runs = self.summaries(items)?.into_iter();
        let judged = runs.zip(items).map(|(run, (scenario, _))| match run {
            Ok(summary) => judge(&summary, slos, decode_begins(scenario)),
            Err(why) => lost(&why),
        });
        Ok(judged.collect())
    }

    /// Plays scenarios, each as a replication of its own seed; of a run that outgrew its limits, returns why.
    ///
    /// # Errors
    /// Where one of them fails for another reason than overload, or somebody wants the plan to end.
    pub fn summaries(
        &self,
        items: &[(&Scenario, u32)],
    ) -> Result<Vec<Result<RunSummary, String>>, PlanStopped> {
        let each = (self.threads / items.len().max(1)).max(1);
        let runs = in_parallel_on(self.threads, items, |(scenario, replication)| {
            let seed = replicate::seed(scenario.seed, u64::from(*replication));
            let scenario = (*scenario).clone().with_seed(seed);
            self.runs.fetch_add(1, Ordering::Relaxed);
            let mut goes_on = |_, _| (self.go_on)(self.runs.load(Ordering::Relaxed));
            match run_knowing(&scenario, each, &self.known, &mut goes_on) {
                Ok(summary) => Ok(Ok(summary)),
                Err(RunError::Unstable(_)) => Ok(Err(
                    "it grew beyond the scenario's limits: overload".to_string(),
                )),
                Err(RunError::TooLarge(why)) => Ok(Err(why)),
                Err(RunError::Cancelled) => Err(PlanStopped::Cancelled),
                Err(error) => Err(PlanStopped::Failed(error.to_string())),
            }
        });
        runs.into_iter().collect()
    }
}

fn lost(why: &str) -> TrialRun {
    TrialRun {
        trouble: Some(why.to_string()),
        strain: f64::INFINITY,
        ..TrialRun::default()
    }
}

/// Holds a run, whose first tokens may come from a decode pool, against the promises: over the whole time, and in
/// every stretch where the scenario judges those.
pub fn judge(summary: &RunSummary, slos: &[PlanSlo], decode_begins: bool) -> TrialRun {
    let waits = |slo: &PlanSlo, latency: &Latency, decided: &Decided| {
        slo.waits(latency, decided).filter(|_| decode_begins)
    };
    let mut values: Vec<Option<f64>> = slos.iter().map(|slo| slo.of(summary)).collect();
    let mut when: Vec<Option<String>> = vec![None; slos.len()];
    let each = slos
        .iter()
        .map(|slo| waits(slo, &summary.latency, &summary.latency_decided));
    let mut waited: Vec<Option<Waits>> = each.collect();
    let mut broken = 0;
    let mut parts = Vec::new();
    for Promised { span, attainment } in &summary.promised {
        let mut breaks = false;
        let mut part = TrialRun {
            growing: growing(span),
            ..TrialRun::default()
        };
        for (index, slo) in slos.iter().enumerate() {
            let value = slo.in_stretch(span, *attainment);
            let waits = waits(slo, &span.latency, &span.latency_decided);
            part.values.push(value);
            part.waits.push(waits);
            let Some(strain) = value.map(|_| slo.strain(value)) else {
                continue;
            };
            part.strain = part.strain.max(strain);
            breaks |= strain > 1.0;
            if values[index].is_none() || strain > slo.strain(values[index]) {
                values[index] = value;
                when[index] = Some(span.start.clone());
                waited[index] = waits;
            }
        }
        parts.push(part);
        broken += u64::from(breaks);
    }
    let stretches = match summary.promised.len() as u64 {
        0 => hours(summary, slos),
        n => (broken, n),
    };
    let strains = slos.iter().zip(&values).map(|(slo, v)| slo.strain(*v));
    let (tightest, strain) =
        strains.enumerate().fold(
            (0, 0.0),
            |most, one| if one.1 > most.1 { one } else { most },
        );
    let verdict = assess(summary);
    let trouble = match verdict.grade {
        Grade::Overloaded => Some("its queues still grow at the end: overload"),
        Grade::NoLoad => Some("nobody came: no request arrived"),
        _ => None,
    };
    // A run's batches say nothing of its worst stretch.
    let interval = |(slo, when): (&PlanSlo, &Option<String>)| match when {
        None => slo.interval(summary),
        Some(_) => None,
    };
    let intervals = slos.iter().zip(&when).map(interval).collect();
    let goodputs = summary.classes.values().filter_map(|class| class.slo);
    TrialRun {
        values,
        intervals,
        waits: waited,
        when,
        stretches,
        parts,
        growing: Vec::new(),
        strain,
        tightest,
        trouble: trouble.map(str::to_string),
        limit: verdict.worst.map(|worst| plain(&worst.to_string())),
        cost_usd: summary.economics.cost_usd,
        node_hours: summary.nodes.node_hours,
        profit_usd: summary.economics.profit_usd,
        goodput_per_s: goodputs.map(|slo| slo.goodput_per_s).sum(),
    }
}

/// Pools whose queue is longer at the end of a stretch than its mean, by more than it fluctuates.
fn growing(span: &SpanSummary) -> Vec<String> {
    let pools = span.pools.iter();
    let grows = |pool: &PoolSummary| pool.queue_length_end as f64 > GROWS * pool.queue_length_mean;
    let growing = pools.filter(|(_, pool)| pool.queue_length_end > 0 && grows(pool));
    growing.map(|(name, _)| name.clone()).collect()
}

/// The number of hours that would break a promise if it held for each of them, and of all hours.
fn hours(summary: &RunSummary, slos: &[PlanSlo]) -> (u64, u64) {
    let breaks = |span: &&SpanSummary| {
        let values = slos.iter().map(|slo| (slo, slo.in_stretch(span, None)));
        let mut strains = values.filter_map(|(slo, value)| value.map(|_| slo.strain(value)));
        strains.any(|strain| strain > 1.0)
    };
    let broken = summary.hours.iter().filter(breaks).count();
    (broken as u64, summary.hours.len() as u64)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_late_first_token_is_laid_to_the_pool_that_makes_it_late() {
        let slos = [PlanSlo::parse("ttft_p99=2s").unwrap()];
        let run = |value: f64, waits: Option<Waits>| TrialRun {
            values: vec![Some(value)],
            waits: vec![waits],
            ..TrialRun::default()
        };
        let waits = |decode_s| {
            Some(Waits {
                decode_s,
                step_s: 0.1,
            })
        };
        // First tokens from prefill are prefill's alone.
        let early = run(3.0, None);
        assert_eq!(early.culprit(&slos, 0), Some(Role::Prefill));
        assert_eq!(early.share(&slos, 0, Role::Decode), None);
        // 2.2 s remain if nobody waited for decode; 0.7 s would if it were decode's alone.
        let by_prefill = run(3.0, waits(0.7));
        assert_eq!(by_prefill.culprit(&slos, 0), Some(Role::Prefill));
        assert_eq!(by_prefill.share(&slos, 0, Role::Prefill), Some(1.5));
        let left = by_prefill.share(&slos, 0, Role::Decode).unwrap();
        assert!((left - 0.4).abs() < 1e-9);
        let by_decode = run(3.0, waits(2.5));
        assert_eq!(by_decode.culprit(&slos, 0), Some(Role::Decode));
        let left = by_decode.share(&slos, 0, Role::Prefill).unwrap();
        assert!((left - 0.2).abs() < 1e-9);
        assert_eq!(by_decode.share(&slos, 0, Role::Decode), Some(1.5));
        // Either of them could help.
        assert_eq!(run(2.2, waits(1.2)).culprit(&slos, 0), None);
        assert_eq!(run(1.9, waits(0.5)).culprit(&slos, 0), None);
    }
}
