//! A sweep played in one go, and kept in memory only.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::entry::SweepEntry;
use super::ledger::Done;
use super::manifest::{Manifest, SweepBase, SweepQuestion, manifest};
use super::missing_runs::{Listener, missing, run};
use super::outcome::{RunOutcome, outcomes};
use super::shard::Shard;
use super::stopped::SweepStopped;
use crate::report::summary::RunSummary;

/// A run of a sweep, and what came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct SweptRun {
    /// Number of the run's point, from 1.
    pub point: u64,
    /// Number of the replication, from 0.
    pub replication: u64,
    /// Keys that vary, each with its value in this run, as TOML.
    pub values: Vec<(String, String)>,
    /// Summary without hours, intervals, length buckets and audit, or why the run gave no figures: its scenario cannot
    /// be, or it outgrew its limits.
    pub summary: Result<RunSummary, String>,
}

/// Plays all runs of a sweep, so many at a time, and returns them in the order of its points. `watch` hears how many
/// have ended, and says whether to go on.
///
/// # Errors
/// Mistakes in the axes or in all variants of the scenario; a fault of a run; or where `watch` says no.
pub fn sweep(
    question: &SweepQuestion,
    threads: usize,
    watch: &(dyn Fn(usize) -> bool + Sync),
) -> Result<Vec<SweptRun>, SweepStopped> {
    let base = SweepBase::read(question)?;
    let manifest = manifest(question, &base, threads)?;
    let ended = AtomicUsize::new(0);
    let counted = Counted { ended, watch };
    let done = in_memory(&base, &manifest, threads, &counted)?;
    let absent = |runs| SweepStopped::Broken(format!("{runs} runs gave no result"));
    let outcomes = outcomes(&manifest, &done).map_err(absent)?;
    let swept = |outcome: &RunOutcome<'_>| SweptRun {
        point: outcome.run.point,
        replication: outcome.run.replication,
        values: (manifest.keys.iter().cloned())
            .zip(outcome.run.values.iter().cloned())
            .collect(),
        summary: (outcome.entry.and_then(|entry| entry.summary.clone()))
            .ok_or_else(|| outcome.reason.unwrap_or_default().to_owned()),
    };
    Ok(outcomes.iter().map(swept).collect())
}

/// Plays all runs of a manifest.
///
/// # Errors
/// Why not all of them were played.
pub fn in_memory(
    base: &SweepBase,
    manifest: &Manifest,
    threads: usize,
    listener: &dyn Listener,
) -> Result<Done, SweepStopped> {
    let mut done = Done::new();
    let runs = missing(manifest, Shard::WHOLE, &done);
    let mut keep = |entry: SweepEntry| {
        done.insert(entry.key.clone(), entry);
        Ok(())
    };
    run(base, manifest, &runs, threads, &mut keep, listener)?;
    Ok(done)
}

/// A listener that counts.
struct Counted<'a> {
    ended: AtomicUsize,
    watch: &'a (dyn Fn(usize) -> bool + Sync),
}

impl Listener for Counted<'_> {
    fn goes_on(&self) -> bool {
        (self.watch)(self.ended.load(Ordering::Relaxed))
    }

    fn ended(&self, _entry: &SweepEntry) {
        self.ended.fetch_add(1, Ordering::Relaxed);
    }
}
