//! Trials: candidates simulated, and their runs held against the promises.

use std::sync::atomic::{AtomicU64, Ordering};

use super::slo::Slo;
use crate::experiment::parallel::in_parallel_on;
use crate::experiment::{RunError, replicate, run_with_progress};
use crate::report::format::plain;
use crate::report::summary::{Interval, RunSummary};
use crate::report::verdict::{Grade, assess};
use crate::scenario::Scenario;

/// What a run said.
#[derive(Clone, Debug, Default)]
pub struct Run {
    /// The figure of each promise.
    pub values: Vec<Option<f64>>,
    /// How sure this run alone is of each, where it can say.
    pub intervals: Vec<Option<Interval>>,
    /// The largest part of a limit that is taken; above 1 the run breaks a promise.
    pub strain: f64,
    /// The promise that takes it.
    pub tightest: usize,
    /// Why the figures do not count: overload.
    pub trouble: Option<String>,
    /// What limits the worst part of the run, in words.
    pub limit: Option<String>,
    /// Paid node-time.
    pub cost_usd: f64,
    /// The same in node-hours.
    pub node_hours: f64,
    /// Revenue less cost.
    pub profit_usd: f64,
    /// Requests per second within their class's targets.
    pub goodput_per_s: f64,
}

impl Run {
    /// Whether every promise is kept.
    pub fn keeps(&self) -> bool {
        self.trouble.is_none() && self.strain <= 1.0
    }

    /// What is broken, in words; `None` where nothing is.
    pub fn broken(&self, slos: &[Slo]) -> Option<String> {
        if let Some(trouble) = &self.trouble {
            return Some(trouble.clone());
        }
        let (slo, value) = (slos.get(self.tightest)?, self.values.get(self.tightest)?);
        let shown = value.map_or("nobody was served".to_string(), |v| slo.show(v));
        (self.strain > 1.0).then(|| format!("{} is {shown}, {slo} was asked", slo.name()))
    }
}

/// Why a plan ends without an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// Somebody wants it to.
    Cancelled,
    /// The question cannot be read or makes no sense.
    Question(String),
    /// A run failed in a way that no candidate should.
    Failed(String),
}

/// Where a plan runs, and who is told.
pub struct Bench<'a> {
    /// Runs at once.
    pub threads: usize,
    /// Whether to go on.
    pub go_on: &'a (dyn Fn() -> bool + Sync),
    /// Hears what the plan is at.
    pub tell: &'a (dyn Fn(&str) + Sync),
    /// Runs so far.
    pub runs: AtomicU64,
}

impl Bench<'_> {
    /// Plays scenarios, each as a replication of its own seed, and judges them. In the order given.
    ///
    /// # Errors
    /// As for [`Bench::summaries`].
    pub fn play(&self, items: &[(&Scenario, u32)], slos: &[Slo]) -> Result<Vec<Run>, Stopped> {
        let runs = self.summaries(items)?.into_iter();
        let judged = runs.map(|run| match run {
            Ok(summary) => judge(&summary, slos),
            Err(why) => lost(&why),
        });
        Ok(judged.collect())
    }

    /// Plays scenarios likewise; why there is no result where a run outgrew its limits.
    ///
    /// # Errors
    /// Where one of them fails for another reason than overload, or somebody wants the plan to end.
    pub fn summaries(
        &self,
        items: &[(&Scenario, u32)],
    ) -> Result<Vec<Result<RunSummary, String>>, Stopped> {
        let each = (self.threads / items.len().max(1)).max(1);
        let runs = in_parallel_on(self.threads, items, |(scenario, replication)| {
            let seed = replicate::seed(scenario.seed, u64::from(*replication));
            let scenario = (*scenario).clone().with_seed(seed);
            self.runs.fetch_add(1, Ordering::Relaxed);
            match run_with_progress(&scenario, each, &mut |_, _| (self.go_on)()) {
                Ok(summary) => Ok(Ok(summary)),
                Err(RunError::Unstable(_)) => Ok(Err(
                    "it grew beyond the scenario's limits: overload".to_string(),
                )),
                Err(RunError::TooLarge(why)) => Ok(Err(why)),
                Err(RunError::Cancelled) => Err(Stopped::Cancelled),
                Err(error) => Err(Stopped::Failed(error.to_string())),
            }
        });
        runs.into_iter().collect()
    }
}

fn lost(why: &str) -> Run {
    Run {
        trouble: Some(why.to_string()),
        strain: f64::INFINITY,
        ..Run::default()
    }
}

/// Holds a run against the promises.
pub fn judge(summary: &RunSummary, slos: &[Slo]) -> Run {
    let values: Vec<Option<f64>> = slos.iter().map(|slo| slo.of(summary)).collect();
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
    let goodputs = summary.classes.values().filter_map(|class| class.slo);
    Run {
        values,
        intervals: slos.iter().map(|slo| slo.interval(summary)).collect(),
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
