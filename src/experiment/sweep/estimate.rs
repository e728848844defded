//! How long a sweep will take: a few of its runs are begun, each for at most a second, and what they did in
//! it is taken to go on at the same pace. Compiling step times is counted once a run, simulated time in
//! proportion. Load that rises after the first second makes the estimate too low, and the other way round.

use std::time::{Duration, Instant};

use super::entry;
use super::manifest::{Manifest, PlannedRun, SweepBase};
use crate::perf::KnownSteps;

/// Number of runs that are begun for the estimate.
const PROBES: usize = 4;

/// Time given to each of these runs.
const PATIENCE: Duration = Duration::from_secs(1);

/// The estimate of a sweep's duration.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// Number of runs that were begun.
    pub probes: usize,
    /// Mean seconds of a whole run on one thread.
    pub seconds_a_run: f64,
    /// Seconds of all `runs` on the threads asked for.
    pub seconds: f64,
}

/// Estimates what `runs` take on `threads` threads; `None`: there are no runs.
pub fn estimate(
    base: &SweepBase,
    manifest: &Manifest,
    runs: &[&PlannedRun],
    threads: usize,
) -> Option<Estimate> {
    let probes = PROBES.min(runs.len());
    // Evenly over the list, from the middle of each part.
    let chosen = (0..probes).map(|i| runs[(2 * i + 1) * runs.len() / (2 * probes)]);
    let times: Vec<f64> = chosen
        .filter_map(|run| base.scenario_of(&manifest.keys, run).ok())
        .map(|scenario| {
            let total = (scenario.warm_up + scenario.duration).as_secs_f64();
            let began = Instant::now();
            let mut first: Option<f64> = None;
            let mut part = 0.0;
            let ended = entry::entry(&scenario, 1, &KnownSteps::default(), &mut |now, _| {
                first.get_or_insert(began.elapsed().as_secs_f64());
                part = now.0 as f64 / 1e9 / total;
                began.elapsed() < PATIENCE
            });
            let taken = began.elapsed().as_secs_f64();
            match (ended, first) {
                (None, Some(first)) if part > 0.0 => first + (taken - first) / part.min(1.0),
                _ => taken,
            }
        })
        .collect();
    if times.is_empty() {
        return None;
    }
    let seconds_a_run = times.iter().sum::<f64>() / times.len() as f64;
    let at_once = threads.clamp(1, runs.len());
    Some(Estimate {
        probes: times.len(),
        seconds_a_run,
        seconds: seconds_a_run * runs.len() as f64 / at_once as f64,
    })
}
