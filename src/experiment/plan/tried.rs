//! A candidate with the runs that tried it.

use super::candidate::Candidate;
use super::trial::TrialRun;
use crate::scenario::Goal;

/// A candidate and its runs of the whole time, or the short run that ended it.
#[derive(Clone, Debug)]
pub struct Trial {
    /// Candidate that was tried.
    pub candidate: Candidate,
    /// Runs, one for each replication.
    pub runs: Vec<TrialRun>,
}

impl Trial {
    /// Whether every run keeps every promise.
    pub fn keeps(&self) -> bool {
        !self.runs.is_empty() && self.runs.iter().all(TrialRun::keeps)
    }

    /// The largest strain of the trial's runs.
    pub fn strain(&self) -> f64 {
        self.runs.iter().map(|r| r.strain).fold(0.0, f64::max)
    }

    /// The run with the largest strain; `None`: there is none.
    pub fn hardest(&self) -> Option<&TrialRun> {
        self.runs.iter().max_by(|a, b| {
            (a.trouble.is_some(), a.strain)
                .partial_cmp(&(b.trouble.is_some(), b.strain))
                .unwrap_or(std::cmp::Ordering::Equal)
        })
    }

    /// The value of the goal, where more is better.
    pub fn worth(&self, goal: Goal) -> f64 {
        let mean = |of: fn(&TrialRun) -> f64| {
            self.runs.iter().map(of).sum::<f64>() / self.runs.len().max(1) as f64
        };
        match goal {
            Goal::Cost => -self.candidate.cost_usd,
            Goal::Profit => mean(|r| r.profit_usd),
            Goal::Goodput => mean(|r| r.goodput_per_s),
        }
    }
}
