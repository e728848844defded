//! One run: compile, simulate, audit, summarise.

use std::fmt;

use super::{ResourceNeed, Unstable};
use crate::economics::Tariff;
use crate::engine::{Stop, simulate};
use crate::metrics::{Recorder, Timeline};
use crate::perf::{StepTimes, with_capacities};
use crate::report::assemble::assemble;
use crate::report::batches;
use crate::report::stretch::Evidence;
use crate::report::summary::RunSummary;
use crate::scenario::Scenario;
use crate::units::SimTime;
use crate::workload::{Workload, WorkloadError};

/// Why a run gave no summary.
#[derive(Clone, Debug, PartialEq)]
pub enum RunError {
    /// The load cannot be drawn.
    Workload(WorkloadError),
    /// The step times cannot be compiled.
    StepTimes(String),
    /// There is no pool that takes arrivals.
    NoPrefillPool,
    /// The scenario alone is beyond its limits.
    TooLarge(String),
    /// The run outgrew the scenario's limits.
    Unstable(Box<Unstable>),
    /// Whoever heard of the progress asked to stop.
    Cancelled,
    /// Two counts of the same thing disagree: a fault of the program.
    Audit(String),
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Workload(why) => write!(f, "{why}"),
            Self::StepTimes(why) => write!(f, "{why}"),
            Self::NoPrefillPool => {
                write!(f, "the scenario has no prefill pool to take its requests")
            }
            Self::TooLarge(why) => write!(f, "{why}"),
            Self::Unstable(what) => write!(f, "{what}"),
            Self::Cancelled => write!(f, "interrupted"),
            Self::Audit(what) => {
                write!(
                    f,
                    "the books do not balance ({what}); this is a fault of tokentide, please report it"
                )
            }
        }
    }
}

impl std::error::Error for RunError {}

/// Runs a scenario on up to `threads` threads. The summary does not depend on their number.
///
/// # Errors
/// Where the workload cannot be drawn, a step time does not fit the clock, the run outgrows the
/// scenario's limits, or an audit fails.
pub fn run(scenario: &Scenario, threads: usize) -> Result<RunSummary, RunError> {
    run_with_progress(scenario, threads, &mut |_, _| true)
}

/// The same; `progress` hears the simulated time and the number of requests so far, and says whether to
/// go on.
///
/// # Errors
/// As for [`run`], and where `progress` says no.
pub fn run_with_progress(
    scenario: &Scenario,
    threads: usize,
    progress: &mut dyn FnMut(SimTime, u64) -> bool,
) -> Result<RunSummary, RunError> {
    let need = ResourceNeed::of(scenario);
    if let Some(why) = need.beyond(scenario) {
        return Err(RunError::TooLarge(why));
    }
    let scenario = &with_capacities(scenario).map_err(RunError::StepTimes)?;
    let times = StepTimes::compile(scenario).map_err(RunError::StepTimes)?;
    let workload = Workload::new(scenario).map_err(RunError::Workload)?;
    let start = SimTime::ZERO + scenario.warm_up;
    let mut edges = Tariff::new(scenario).changes(start, start + scenario.duration);
    edges.extend(batches::edges(scenario));
    if let Some(every) = scenario.slo_every {
        let stretches = Timeline::spans(start, scenario.duration, every);
        edges.extend(stretches.into_iter().map(|(from, _)| from));
    }
    let timeline = Timeline::new(start, scenario.duration, scenario.report_every, &edges);
    let recorder = || Recorder::new(scenario, timeline.clone());
    let outcome = simulate(
        scenario,
        workload,
        &times,
        (recorder(), recorder()),
        threads,
        need.memory_bytes,
        progress,
    );
    let outcome = outcome.map_err(|stop| match stop {
        Stop::NoIntake => RunError::NoPrefillPool,
        Stop::Overload(seen) => RunError::Unstable(Box::new(Unstable::new(scenario, seen))),
        Stop::Cancelled => RunError::Cancelled,
    })?;
    let evidence = Evidence {
        timeline,
        intake: outcome.intake.finish(),
        decode: outcome.decode.map(Recorder::finish),
        in_flight: outcome.in_flight,
        balances: outcome.balances,
    };
    let summary = assemble(scenario, &evidence);
    if let Some((name, balance)) = summary.audit.iter().find(|(_, b)| !b.holds) {
        return Err(RunError::Audit(format!(
            "{name}: {} against {}",
            balance.left, balance.right
        )));
    }
    Ok(summary)
}
