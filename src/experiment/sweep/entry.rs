//! What a ledger keeps of a run: how it ended, and the figures of the whole run.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::experiment::{RunError, run_knowing};
use crate::perf::KnownSteps;
use crate::report::stored::impossible;
use crate::report::summary::RunSummary;
use crate::report::verdict::{Grade, assess};
use crate::scenario::Scenario;
use crate::units::SimTime;
use crate::words::words;

words! {
    /// How a run ended.
    pub enum Status {
        Done = "done": "With figures",
        Unstable = "unstable": "It outgrew the scenario's limits",
        Infeasible = "infeasible": "Its scenario cannot be: a value out of bounds, a model that does not fit its memory",
        Failed = "failed": "A fault of the program",
    }
}

/// A run that has ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SweepEntry {
    /// Hash of the run's resolved scenario.
    pub key: String,
    /// How the run ended.
    pub status: Status,
    /// Why the run gave no figures; `None`: it has figures.
    pub reason: Option<String>,
    /// How the load was served, in a word; `None`: the run gave no figures.
    pub verdict: Option<String>,
    /// Output tokens per second and paid accelerator; `None`: the run gave no figures.
    pub output_tokens_per_s_per_gpu: Option<f64>,
    /// Summary without hours, intervals, length buckets and audit, which `tokentide run` gives, and with
    /// the confidence intervals of the main figures only; `None`: the run gave no figures.
    pub summary: Option<RunSummary>,
}

/// Simulates a scenario; `None`: `progress` said no.
pub fn entry(
    scenario: &Scenario,
    threads: usize,
    known: &KnownSteps,
    progress: &mut dyn FnMut(SimTime, u64) -> bool,
) -> Option<SweepEntry> {
    let status = match run_knowing(scenario, threads, known, progress) {
        Ok(summary) => return Some(done(scenario, summary)),
        Err(RunError::Cancelled) => return None,
        Err(error) => (
            match error {
                RunError::Unstable(_) => Status::Unstable,
                RunError::Audit(_) => Status::Failed,
                _ => Status::Infeasible,
            },
            error.to_string(),
        ),
    };
    Some(SweepEntry {
        key: scenario.hash().to_owned(),
        status: status.0,
        reason: Some(status.1),
        verdict: None,
        output_tokens_per_s_per_gpu: None,
        summary: None,
    })
}

fn done(scenario: &Scenario, mut summary: RunSummary) -> SweepEntry {
    let verdict = match assess(&summary).grade {
        Grade::Broken => "broken",
        Grade::Overloaded => OVERLOADED,
        Grade::Losing => "losing requests",
        Grade::ShortOfSlo => "short of the SLO",
        Grade::InPart => "in part",
        Grade::Strained => "strained",
        Grade::Well => "well",
        Grade::NoLoad => "no load",
    };
    let gpu_seconds = summary.nodes.mean * f64::from(scenario.node.gpus) * summary.duration_s;
    let per_gpu = (gpu_seconds > 0.0).then(|| summary.tokens.output / gpu_seconds);
    summary.hours.clear();
    summary.intervals.clear();
    summary.input_length_buckets.clear();
    summary.audit.clear();
    summary.in_system.clear();
    summary.no_interval.clear();
    let kept = |path: &String| CERTAIN.iter().any(|group| path.starts_with(group));
    summary.confidence.retain(|path, _| kept(path));
    SweepEntry {
        key: scenario.hash().to_owned(),
        status: Status::Done,
        reason: None,
        verdict: Some(verdict.to_string()),
        output_tokens_per_s_per_gpu: per_gpu,
        summary: Some(summary),
    }
}

/// Groups of figures whose confidence intervals are kept.
const CERTAIN: [&str; 3] = ["decode.", "economics.", "latency."];

/// The verdict of a run whose queues still grew at its end.
pub const OVERLOADED: &str = "overloaded";

impl SweepEntry {
    /// What no run can say in the entry, as a sentence; `None`: there is nothing.
    pub fn impossible(&self) -> Option<String> {
        let is_hash = self.key.len() == 32 && self.key.bytes().all(|b| b.is_ascii_hexdigit());
        if !is_hash {
            return Some("its key is no hash of a scenario".to_owned());
        }
        match (&self.summary, &self.reason) {
            (Some(summary), None) if self.status == Status::Done => impossible(summary),
            (None, Some(_)) if self.status != Status::Done => None,
            _ => Some("a run has figures, or a reason why not".to_owned()),
        }
    }

    /// The entry as a JSON tree, for looking figures up.
    pub fn tree(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}

/// A figure by its path in the summary (`economics.cost_usd`), or one of the entry's own; `None`: not there.
pub fn figure(tree: &Value, path: &str) -> Option<f64> {
    if let Some(own) = tree.get(path) {
        return own.as_f64();
    }
    let names = path.split('.');
    let found = names.fold(tree.get("summary"), |tree, name| tree?.get(name));
    found?.as_f64()
}
