//! What the probes of costs have found out about candidates.

use super::candidate::Candidate;
use super::tried::Trial;

/// Candidates that were probed and have kept every promise in one run.
#[derive(Debug, Default)]
pub struct Probes {
    /// Trials of these candidates.
    pub kept: Vec<Trial>,
    /// Costs that were tried in vain since something has kept every promise.
    pub vain: usize,
}

impl Probes {
    /// Notes that a cost was tried as a whole.
    pub fn attempted(&mut self, has_kept: bool) {
        self.vain = if has_kept { 0 } else { self.vain + 1 };
    }

    /// Takes out what is known of candidates, and returns beside it the candidates of which nothing is.
    pub fn take(&mut self, these: Vec<Candidate>) -> (Vec<Trial>, Vec<Candidate>) {
        let all = std::mem::take(&mut self.kept);
        let (known, others) = all.into_iter().partition(|t| these.contains(&t.candidate));
        self.kept = others;
        let is_known = |c: &Candidate| known.iter().any(|t: &Trial| t.candidate == *c);
        let fresh = these.iter().filter(|c| !is_known(c)).cloned().collect();
        (known, fresh)
    }
}
