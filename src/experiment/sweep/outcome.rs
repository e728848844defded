//! The runs of a sweep with what became of them, in the order of the manifest.

use serde_json::Value;

use super::entry::{Status, SweepEntry, figure};
use super::ledger::Done;
use super::manifest::{Manifest, PlannedRun};

/// A run of a sweep with its result.
#[derive(Clone, Debug)]
pub struct RunOutcome<'a> {
    /// The run as planned.
    pub run: &'a PlannedRun,
    /// How the run ended.
    pub status: Status,
    /// Why the run gave no figures; `None`: it has figures.
    pub reason: Option<&'a str>,
    /// Entry of the run in the ledger; `None`: it was never begun.
    pub entry: Option<&'a SweepEntry>,
    /// The entry as a JSON tree, for looking figures up.
    pub tree: Value,
}

impl RunOutcome<'_> {
    /// A figure by its path; `None`: the run has none.
    pub fn figure(&self, path: &str) -> Option<f64> {
        figure(&self.tree, path)
    }

    /// How the load was served, in a word.
    pub fn verdict(&self) -> &str {
        let verdict = self.entry.and_then(|entry| entry.verdict.as_deref());
        verdict.unwrap_or("")
    }
}

/// Every run with its result, in the order of the manifest.
///
/// # Errors
/// The number of runs that are not done.
pub fn outcomes<'a>(manifest: &'a Manifest, done: &'a Done) -> Result<Vec<RunOutcome<'a>>, usize> {
    let found: Vec<Option<RunOutcome<'a>>> =
        manifest.runs.iter().map(|run| outcome(run, done)).collect();
    let absent = found.iter().filter(|outcome| outcome.is_none()).count();
    if absent > 0 {
        return Err(absent);
    }
    Ok(found.into_iter().flatten().collect())
}

fn outcome<'a>(run: &'a PlannedRun, done: &'a Done) -> Option<RunOutcome<'a>> {
    let Some(key) = &run.key else {
        return Some(RunOutcome {
            run,
            status: Status::Infeasible,
            reason: run.infeasible.as_deref(),
            entry: None,
            tree: Value::Null,
        });
    };
    let entry = done.get(key)?;
    Some(RunOutcome {
        run,
        status: entry.status,
        reason: entry.reason.as_deref(),
        entry: Some(entry),
        tree: entry.tree(),
    })
}
