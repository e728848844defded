//! The least cost at which a candidate keeps every promise, by a bracket and its bisection.
//!
//! Arithmetic is optimistic and mostly close, so the cheapest candidates that it leaves are tried first, as they come.
//! Where a few costs have failed that way, the answer may be far, or there may be none. Then candidates *probe* a
//! cost: of those that cost no more, the ones that no other contains, the most promising first, in one run of the
//! whole time each, until one keeps every promise. Where none does, nothing that cheap can (more units never serve
//! worse): a probe of all nodes says that there is no answer at all, and between the last cost that failed and it the
//! answer is bracketed by strides that double, then bisected. Its cost is then tried as a whole.

use super::candidate::{Candidate, bounds, nodes};
use super::constant_units::{GridSearch, candidates_in_words};
use super::probes::Probes;
use super::sieve::Sieve;
use super::trial::PlanStopped;
use super::tried::Trial;

/// Costs that are tried as they come before the others are probed.
const AS_THEY_COME: usize = 2;
/// Candidates that probe a cost at once: as many on every machine.
const AT_ONCE: usize = 4;

impl GridSearch<'_> {
    /// The least cost of the candidates that are `open`, by rising cost, which is to be tried next; what cannot keep
    /// every promise is taken off. `None`: nothing is left.
    ///
    /// # Errors
    /// As for [`super::Bench::play`].
    pub fn least_cost(
        &self,
        open: &mut Vec<Candidate>,
        sieves: &mut [Sieve<'_>],
        probes: &mut Probes,
        trials: &mut Vec<Trial>,
    ) -> Result<Option<f64>, PlanStopped> {
        open.retain(|c| !trials.iter().any(|t| self.speaks_for(t, c)));
        probes.kept.retain(|t| open.contains(&t.candidate));
        let cheapest = open.first().map(|c| c.cost_usd);
        let (Some(last), true) = (open.last(), probes.vain >= AS_THEY_COME) else {
            return Ok(cheapest);
        };
        let all = last.cost_usd;
        let mut search = Probing {
            grid: self,
            sieves,
            probes,
            trials,
        };
        if !search.any_keeps(open, all)? {
            open.clear();
            return Ok(None);
        }
        // Something of cost number `high` keeps its promises.
        let mut high = costs(open).len() - 1;
        let mut stride = 1;
        while stride < high {
            if search.any_keeps(open, costs(open)[stride])? {
                high = stride;
                break;
            }
            let failed = costs(open)[stride];
            open.retain(|c| c.cost_usd > failed);
            high -= stride + 1;
            stride = 2 * stride + 1;
        }
        let levels = costs(open);
        let mut low = 0;
        while low < high {
            let middle = (low + high) / 2;
            if search.any_keeps(open, levels[middle])? {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        let least = levels.get(high).copied();
        open.retain(|c| least.is_some_and(|least| c.cost_usd >= least));
        Ok(least)
    }
}

/// The costs of candidates, each once; they come by rising cost.
fn costs(open: &[Candidate]) -> Vec<f64> {
    let mut costs: Vec<f64> = open.iter().map(|c| c.cost_usd).collect();
    costs.dedup();
    costs
}

struct Probing<'s, 'a, 'd> {
    grid: &'s GridSearch<'a>,
    sieves: &'s mut [Sieve<'d>],
    probes: &'s mut Probes,
    trials: &'s mut Vec<Trial>,
}

impl Probing<'_, '_, '_> {
    /// Whether any candidate of no more than a cost keeps every promise in a run.
    fn any_keeps(&mut self, open: &[Candidate], cost: f64) -> Result<bool, PlanStopped> {
        let affordable = |c: &Candidate| c.cost_usd <= cost;
        if self.probes.kept.iter().any(|t| affordable(&t.candidate)) {
            return Ok(true);
        }
        let outer = open
            .iter()
            .filter(|c| affordable(c) && self.is_outer(c, cost));
        let mut outer: Vec<Candidate> = outer.cloned().collect();
        let middle = outer.len() / 2;
        let mut promising: Vec<(f64, usize, Candidate)> = Vec::new();
        for (place, candidate) in outer.drain(..).enumerate() {
            let strain = self.sieves[candidate.design].strain_at_best(&candidate);
            promising.push((strain, place.abs_diff(middle), candidate));
        }
        promising.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let mut left: Vec<Candidate> = promising.into_iter().map(|(.., c)| c).collect();
        loop {
            left.retain(|c| !self.trials.iter().any(|t| self.grid.speaks_for(t, c)));
            if left.is_empty() {
                return Ok(false);
            }
            let first = left.drain(..AT_ONCE.min(left.len())).collect::<Vec<_>>();
            let nodes = first.iter().map(|c| c.nodes).max().unwrap_or(0);
            let all = candidates_in_words(first.len() + left.len());
            let what = format!(
                "whether {nodes} nodes or fewer do: {} of {all}",
                first.len()
            );
            (self.grid.bench.tell)(&what);
            let kept = self.grid.probe(first, self.trials)?;
            if !kept.is_empty() {
                self.probes.kept.extend(kept);
                return Ok(true);
            }
        }
    }

    /// Whether no pool of a candidate could have one more unit within a cost.
    fn is_outer(&self, candidate: &Candidate, cost: f64) -> bool {
        let scenario = &self.grid.designs[candidate.design].scenario;
        let a_node = candidate.cost_usd / f64::from(candidate.nodes.max(1));
        (0..candidate.units.len()).all(|pool| {
            let mut more = candidate.units.clone();
            more[pool] += 1;
            let most = bounds(&scenario.pools[pool], self.grid.question).1;
            let paid = nodes(scenario, &more);
            let is_over =
                paid > self.grid.question.nodes || f64::from(paid) * a_node > cost * (1.0 + 1e-9);
            more[pool] > most || is_over
        })
    }
}
