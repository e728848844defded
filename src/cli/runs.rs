//! Several runs at once, for the commands that play them.

use super::interrupt::Interrupt;
use super::progress::Runs;
use super::{Exit, fail, refuse, tell};
use crate::experiment::RunError;
use crate::experiment::replicate::run_all;
use crate::experiment::uncertain::play;
use crate::report::summary::RunSummary;
use crate::scenario::Scenario;

/// Plays scenarios on `threads` threads, and shows how many are done.
pub fn play_all(
    scenarios: &[Scenario],
    threads: usize,
    quiet: bool,
    interrupt: &Interrupt,
) -> Result<Vec<RunSummary>, RunError> {
    let runs = Runs::new(!quiet, scenarios);
    let result = run_all(scenarios, threads, &|run, now, requests| {
        runs.at(run, now, requests);
        !interrupt.has_come()
    });
    let progress = runs.into_progress();
    match result {
        Ok(summaries) => {
            progress.finish();
            Ok(summaries)
        }
        Err(failed) => {
            progress.abandon();
            if let Some(scenario) = scenarios.get(failed.index)
                && failed.why != RunError::Cancelled
            {
                let (name, seed) = (&scenario.name, scenario.seed);
                tell(&format!("{name} failed with seed {seed}:"));
            }
            Err(failed.why)
        }
    }
}

/// Plays draws of uncertain inputs, and shows how many are done.
pub fn play_draws(
    draws: &[Scenario],
    threads: usize,
    quiet: bool,
    interrupt: &Interrupt,
) -> Result<Vec<Option<RunSummary>>, RunError> {
    let runs = Runs::new(!quiet, draws);
    let result = play(draws, threads, &|run, now, requests| {
        runs.at(run, now, requests);
        !interrupt.has_come()
    });
    let progress = runs.into_progress();
    match &result {
        Ok(_) => progress.finish(),
        Err(_) => progress.abandon(),
    }
    result
}

/// Says why there is no result. A mistake that `check` finds without a run has the exit code that it has there.
pub fn say(error: &RunError) -> Exit {
    match error {
        RunError::TooLarge(_)
        | RunError::StepTimes(_)
        | RunError::Workload(_)
        | RunError::NoPrefillPool => refuse(&error.to_string()),
        RunError::Cancelled => {
            tell("interrupted; nothing was written");
            Exit::Interrupted
        }
        error => fail(&error.to_string()),
    }
}
