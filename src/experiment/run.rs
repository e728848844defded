//! One run: compile, simulate, audit, summarise.

use std::fmt;

use super::{ResourceNeed, Unstable};
use crate::cluster::controller::Controller;
use crate::economics::Tariff;
use crate::engine::{Driving, SimulationInput, SimulationOutcome, Stop, simulate};
use crate::metrics::{Observer, Recorder, RequestLog, RequestRow, Sample, Timeline};
use crate::perf::{KnownSteps, StepTimes, with_capacities};
use crate::report::assemble::assemble;
use crate::report::batches;
use crate::report::format::count;
use crate::report::stretch::Evidence;
use crate::report::summary::RunSummary;
use crate::scenario::{ArrivalKind, Scenario};
use crate::units::SimTime;
use crate::workload::{Workload, WorkloadError, mean_requests_per_s};

/// Why a run gave no summary.
#[derive(Clone, Debug, PartialEq)]
pub enum RunError {
    /// The load cannot be drawn.
    Workload(WorkloadError),
    /// The step times cannot be compiled.
    StepTimes(String),
    /// The scenario has no pool that takes arrivals.
    NoPrefillPool,
    /// The scenario alone is beyond its limits.
    TooLarge(String),
    /// The run outgrew the scenario's limits.
    Unstable(Box<Unstable>),
    /// The listener to the progress asked to stop.
    Cancelled,
    /// The file of a recording changed while it was played.
    Recording(String),
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
            Self::Recording(why) => {
                write!(
                    f,
                    "the file of a recording changed while it was played: {why}"
                )
            }
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

/// Runs a scenario like [`run`]; `progress` hears the simulated time and the number of requests so far, and says
/// whether to go on.
///
/// # Errors
/// As for [`run`], and where `progress` says no.
pub fn run_with_progress(
    scenario: &Scenario,
    threads: usize,
    progress: Progress<'_>,
) -> Result<RunSummary, RunError> {
    run_knowing(scenario, threads, &KnownSteps::default(), progress)
}

/// Runs a scenario, one of many between which step times are known.
///
/// # Errors
/// As for [`run_with_progress`].
pub fn run_knowing(
    scenario: &Scenario,
    threads: usize,
    known: &KnownSteps,
    progress: Progress<'_>,
) -> Result<RunSummary, RunError> {
    driven(scenario, Driving::on(threads), Vec::new(), known, progress)
}

/// Runs a scenario like [`run_with_progress`], with more controllers than the pools' schedules: they act in this order,
/// after those.
///
/// # Errors
/// As for [`run_with_progress`].
pub fn run_with_controllers(
    scenario: &Scenario,
    threads: usize,
    controllers: Vec<Box<dyn Controller>>,
    progress: Progress<'_>,
) -> Result<RunSummary, RunError> {
    run_driven(scenario, Driving::on(threads), controllers, progress)
}

/// Runs a scenario, driven as said, with more controllers than the schedules.
///
/// # Errors
/// As for [`run_with_progress`].
pub fn run_driven(
    scenario: &Scenario,
    how: Driving,
    controllers: Vec<Box<dyn Controller>>,
    progress: Progress<'_>,
) -> Result<RunSummary, RunError> {
    driven(scenario, how, controllers, &KnownSteps::default(), progress)
}

fn driven(
    scenario: &Scenario,
    how: Driving,
    controllers: Vec<Box<dyn Controller>>,
    known: &KnownSteps,
    progress: Progress<'_>,
) -> Result<RunSummary, RunError> {
    let run = Run::prepare(scenario, 0, known)?;
    let observers = (run.recorder(), run.recorder());
    let (scenario, timeline, outcome) = run.play(observers, how, controllers, progress)?;
    summary(&scenario, timeline, outcome)
}

/// Runs a scenario like [`run_with_progress`], told event by event to observers of one's own: the first hears the pool
/// that takes arrivals, the second the decode pool. They come back with the summary; the second is `None` where there
/// is no decode pool.
///
/// # Errors
/// As for [`run_with_progress`].
pub fn run_with_observers<P: Observer + Send, D: Observer + Send>(
    scenario: &Scenario,
    threads: usize,
    observers: (P, D),
    progress: Progress<'_>,
) -> Result<(RunSummary, P, Option<D>), RunError> {
    let run = Run::prepare(scenario, 0, &KnownSteps::default())?;
    run.observed(observers, Driving::on(threads), progress)
}

/// Runs a scenario like [`run_with_progress`], and returns the requests of a sample, in the order of their ids.
///
/// # Errors
/// As for [`run_with_progress`], and where the scenario's limits have no room for so many requests.
pub fn run_with_requests(
    scenario: &Scenario,
    threads: usize,
    sample: Sample,
    progress: Progress<'_>,
) -> Result<(RunSummary, Vec<RequestRow>), RunError> {
    let most = most_rows(scenario);
    let rows = rows_of(scenario, sample);
    let too_many = || RunError::TooLarge(too_many_rows(sample, most));
    if rows > most {
        return Err(too_many());
    }
    let run = Run::prepare(scenario, rows * REQUEST_BYTES, &KnownSteps::default())?;
    let start = run.timeline.start();
    let log = || RequestLog::new(sample, start, most as usize, scenario.front_end);
    let how = Driving::on(threads);
    let (summary, intake, decode) = run.observed((log(), log()), how, progress)?;
    let requests = RequestLog::together(intake, decode).ok_or_else(too_many)?;
    Ok((summary, requests))
}

/// Hears the simulated time and the number of requests so far; says whether to go on.
pub type Progress<'a> = &'a mut dyn FnMut(SimTime, u64) -> bool;

/// Bytes of a remembered request: a row of 96 in the trees of two pools, which are two thirds full.
const REQUEST_BYTES: u64 = 320;
/// Bytes of the shortest row of `requests.csv`.
const ROW_TEXT_BYTES: u64 = 26;

/// Most requests that may be remembered within the scenario's limits.
fn most_rows(scenario: &Scenario) -> u64 {
    let limits = &scenario.limits;
    (limits.output_bytes / ROW_TEXT_BYTES).min(limits.memory_bytes / REQUEST_BYTES)
}

/// Number of requests that will be remembered, about; of recordings and users nothing is known before.
fn rows_of(scenario: &Scenario, sample: Sample) -> u64 {
    match sample {
        Sample::All => {
            let seconds = scenario.warm_up.as_secs_f64() + scenario.duration.as_secs_f64();
            (mean_requests_per_s(scenario) * seconds) as u64
        }
        Sample::Some(n) => n,
    }
}

fn too_many_rows(sample: Sample, most: u64) -> String {
    let asked = match sample {
        Sample::All => "all requests of this run are".to_owned(),
        Sample::Some(n) => format!("{} requests are", count(n)),
    };
    format!(
        "{asked} more than can be written one by one: limits.output_mb and limits.memory_gb have room for at most {}; \
         take a sample (--requests 10000), or raise them",
        count(most)
    )
}

/// A run that is compiled and ready to simulate.
struct Run {
    scenario: Scenario,
    times: StepTimes,
    workload: Workload,
    timeline: Timeline,
    memory_bytes: u64,
}

impl Run {
    /// Compiles a scenario; `more_bytes` of memory are for other things than the simulation.
    fn prepare(scenario: &Scenario, more_bytes: u64, known: &KnownSteps) -> Result<Self, RunError> {
        let mut need = ResourceNeed::of(scenario);
        need.memory_bytes += more_bytes;
        if let Some(why) = need.beyond(scenario) {
            return Err(RunError::TooLarge(why));
        }
        let scenario = with_capacities(scenario).map_err(RunError::StepTimes)?;
        let times = StepTimes::compile_knowing(&scenario, known).map_err(RunError::StepTimes)?;
        let workload = Workload::new(&scenario).map_err(RunError::Workload)?;
        let start = SimTime::ZERO + scenario.warm_up;
        let mut edges = Tariff::new(&scenario).changes(start, start + scenario.duration);
        edges.extend(batches::edges(&scenario));
        if let Some(every) = scenario.slo_every {
            let stretches = Timeline::spans(start, scenario.duration, every);
            edges.extend(stretches.into_iter().map(|(from, _)| from));
        }
        let timeline = Timeline::new(start, scenario.duration, scenario.report_every, &edges);
        Ok(Self {
            scenario,
            times,
            workload,
            timeline,
            memory_bytes: need.memory_bytes,
        })
    }

    fn recorder(&self) -> Recorder {
        Recorder::new(&self.scenario, self.timeline.clone())
    }

    /// Plays it, heard by recorders and by these observers.
    fn observed<P: Observer + Send, D: Observer + Send>(
        self,
        (of_intake, of_decode): (P, D),
        how: Driving,
        progress: Progress<'_>,
    ) -> Result<(RunSummary, P, Option<D>), RunError> {
        let observers = ((self.recorder(), of_intake), (self.recorder(), of_decode));
        let (scenario, timeline, outcome) = self.play(observers, how, Vec::new(), progress)?;
        let (intake, of_intake) = outcome.intake;
        let (decode, of_decode) = outcome.decode.unzip();
        let outcome = SimulationOutcome {
            intake,
            decode,
            in_flight: outcome.in_flight,
            balances: outcome.balances,
        };
        let summary = summary(&scenario, timeline, outcome)?;
        Ok((summary, of_intake, of_decode))
    }

    fn play<P: Observer + Send, D: Observer + Send>(
        self,
        observers: (P, D),
        how: Driving,
        controllers: Vec<Box<dyn Controller>>,
        progress: Progress<'_>,
    ) -> Result<(Scenario, Timeline, SimulationOutcome<P, D>), RunError> {
        let scenario = &self.scenario;
        let (times, bytes) = (&self.times, self.memory_bytes);
        let input = SimulationInput {
            workload: self.workload,
            times,
            observers,
            controllers,
            base_bytes: bytes,
        };
        let outcome = simulate(scenario, input, how, progress);
        let outcome = outcome.map_err(|stop| match stop {
            Stop::NoIntake => RunError::NoPrefillPool,
            Stop::Overload(seen) => RunError::Unstable(Box::new(Unstable::new(scenario, seen))),
            Stop::Cancelled => RunError::Cancelled,
        })?;
        let changed = self
            .scenario
            .classes
            .iter()
            .find_map(|class| match &class.arrivals.kind {
                ArrivalKind::Trace(play) => play.broken(),
                _ => None,
            });
        if let Some(why) = changed {
            return Err(RunError::Recording(why.to_string()));
        }
        Ok((self.scenario, self.timeline, outcome))
    }
}

/// The summary of what the recorders counted, if their balances hold.
fn summary(
    scenario: &Scenario,
    timeline: Timeline,
    outcome: SimulationOutcome<Recorder, Recorder>,
) -> Result<RunSummary, RunError> {
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
