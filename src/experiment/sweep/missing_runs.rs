//! Runs what is missing of a sweep, several at once, each on a thread of its own: they are independent, so
//! this keeps all cores busy where the pipeline of a single run would not.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use super::entry::{self, SweepEntry};
use super::ledger::Done;
use super::manifest::{Manifest, PlannedRun, SweepBase};
use super::shard::Shard;
use super::stopped::SweepStopped;
use crate::experiment::parallel::in_parallel_on;

/// Most threads of a single run that still help.
const THREADS_OF_A_RUN: usize = 3;

/// Listens to a sweep while it runs.
pub trait Listener: Sync {
    /// Whether to go on; asked often.
    fn goes_on(&self) -> bool;
    /// Hears that a run has ended and is written down.
    fn ended(&self, entry: &SweepEntry);
}

/// The runs of a shard that are not done yet, each key once.
pub fn missing<'a>(manifest: &'a Manifest, shard: Shard, done: &Done) -> Vec<&'a PlannedRun> {
    let mut seen = BTreeSet::new();
    let runs = manifest.runs.iter().filter(|run| shard.has(run.run));
    runs.filter(|run| {
        let key = run.key.as_ref();
        key.is_some_and(|key| !done.contains_key(key) && seen.insert(key))
    })
    .collect()
}

/// Simulates `runs` on `threads` threads; `keep` puts each result where it is safe.
///
/// # Errors
/// A fault, or that the listener asked to stop: some of the runs are missing still.
pub fn run(
    base: &SweepBase,
    manifest: &Manifest,
    runs: &[&PlannedRun],
    threads: usize,
    keep: &mut (dyn FnMut(SweepEntry) -> Result<(), String> + Send),
    listener: &dyn Listener,
) -> Result<(), SweepStopped> {
    let keep = Mutex::new(keep);
    let broken: Mutex<Option<String>> = Mutex::new(None);
    let stop = AtomicBool::new(false);
    let goes_on = || !stop.load(Ordering::Relaxed) && listener.goes_on();
    let give_up = |why: String| {
        stop.store(true, Ordering::Relaxed);
        if let Ok(mut broken) = broken.lock() {
            broken.get_or_insert(why);
        }
    };
    let each = (threads / runs.len().max(1)).clamp(1, THREADS_OF_A_RUN);
    let interrupted = AtomicBool::new(false);
    in_parallel_on(threads, runs, |run| {
        if !goes_on() {
            interrupted.store(true, Ordering::Relaxed);
            return;
        }
        let scenario = match base.scenario_of(&manifest.keys, run) {
            Ok(scenario) => scenario,
            Err(mistakes) => {
                give_up(format!("run {}: {}", run.run, mistakes.brief()));
                return;
            }
        };
        let Some(entry) = entry::entry(&scenario, each, &base.known, &mut |_, _| goes_on()) else {
            interrupted.store(true, Ordering::Relaxed);
            return;
        };
        let kept = match keep.lock() {
            Ok(mut keep) if !stop.load(Ordering::Relaxed) => keep(entry.clone()),
            _ => return,
        };
        match kept {
            Ok(()) => listener.ended(&entry),
            Err(why) => give_up(why),
        }
    });
    let broken = broken
        .into_inner()
        .unwrap_or_else(|poison| poison.into_inner());
    match broken {
        Some(why) => Err(SweepStopped::Broken(why)),
        None if interrupted.into_inner() => Err(SweepStopped::Interrupted),
        None => Ok(()),
    }
}
