//! The search over constant numbers of units.
//!
//! What a candidate costs is known before it runs, so the least cost is sought from below: the candidates of an option
//! by rising cost, those of one cost together. What arithmetic rules out ([`super::screening`]) is not run; of the
//! others those that fill their nodes (no pool could have one more unit on them) are run for a quarter of the time, and
//! what keeps its promises or breaks them by less than half goes on to the whole, then to more and more replications.
//! The first cost at which one keeps every promise in every replication is the option's answer: everything cheaper was
//! ruled out or has failed. Where the cheapest fail, that cost is bracketed and bisected ([`super::least_cost`]): more
//! units never serve worse. On its nodes fewer units may do: the fewest accelerators in use are sought by halving.
//! Where prefill and decode are separate, a candidate that breaks a promise of one of them speaks for all of its design
//! with no more units of that pool.
//!
//! Profit and goodput are not known before: there all candidates run for an eighth of the time, the better
//! half of them for a quarter, and so on (successive halving); those that come to the whole are replicated.

use std::collections::BTreeMap;

use super::candidate::{Candidate, Design, candidates};
use super::phases::is_separate;
use super::probes::Probes;
use super::question::PlanQuestion;
use super::sieve::Sieve;
use super::trial::{Bench, PlanStopped, TrialRun};
use super::tried::Trial;
use crate::scenario::{Goal, KeyChange, Scenario};
use crate::units::{NS_PER_S, SimDuration};

/// Factor by which a short run must break a promise to end its candidate.
const HOPELESS: f64 = 1.5;
/// Least time to which a run is shortened.
const SHORTEST: SimDuration = SimDuration(60 * NS_PER_S);
/// Least number of candidates that a successive halving plays over the whole time.
const FINALISTS: usize = 4;

/// A candidate that arithmetic rules out.
#[derive(Clone, Debug)]
pub struct RuledOut {
    /// Index of the candidate's design.
    pub design: usize,
    /// Cost of the candidate, in dollars.
    pub cost_usd: f64,
    /// Which candidate it is, and why it was ruled out, in words.
    pub why: String,
}

/// What the search found about an option.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// Number of combinations of units, by design.
    pub candidates: BTreeMap<usize, usize>,
    /// Candidates ruled out by arithmetic, by rising cost.
    pub ruled_out: Vec<RuledOut>,
    /// Candidates that were simulated, in the order in which they were.
    pub trials: Vec<Trial>,
}

/// Searches one option.
///
/// # Errors
/// As for [`Bench::play`].
pub fn search(
    base: &Scenario,
    option: usize,
    designs: &[Design],
    question: &PlanQuestion,
    bench: &Bench<'_>,
) -> Result<Found, PlanStopped> {
    let mut found = Found::default();
    let mut open = Vec::new();
    let mut sieves: Vec<Sieve<'_>> = designs.iter().map(|d| Sieve::new(d, question)).collect();
    for (index, design) in designs.iter().enumerate() {
        if design.option != option {
            continue;
        }
        let all = candidates(index, design, question).map_err(PlanStopped::Question)?;
        open.extend(found.pass(all, design, &mut sieves[index]));
    }
    open.sort_by(|a, b| a.cost_usd.total_cmp(&b.cost_usd));
    let search = GridSearch {
        base,
        designs,
        question,
        bench,
    };
    match question.goal {
        Goal::Cost => search.cheapest_first(open, &mut sieves, &mut found)?,
        Goal::Profit | Goal::Goodput => found.trials = search.halving(open)?,
    }
    found
        .ruled_out
        .sort_by(|a, b| a.cost_usd.total_cmp(&b.cost_usd));
    Ok(found)
}

impl Found {
    /// The part of this that is about one design.
    pub fn of_design(&self, design: usize) -> Self {
        let candidates = self.candidates.get(&design).copied();
        let ruled_out = self.ruled_out.iter().filter(|r| r.design == design);
        let trials = self.trials.iter();
        Self {
            candidates: candidates.map(|n| (design, n)).into_iter().collect(),
            ruled_out: ruled_out.cloned().collect(),
            trials: trials
                .filter(|t| t.candidate.design == design)
                .cloned()
                .collect(),
        }
    }

    /// Counts the candidates of a design; returns those that arithmetic does not rule out.
    fn pass(
        &mut self,
        all: Vec<Candidate>,
        design: &Design,
        sieve: &mut Sieve<'_>,
    ) -> Vec<Candidate> {
        let mut open = Vec::new();
        for candidate in all {
            *self.candidates.entry(candidate.design).or_default() += 1;
            match sieve.ruled_out(&candidate) {
                Some(why) => {
                    self.ruled_out.push(RuledOut {
                        design: candidate.design,
                        cost_usd: candidate.cost_usd,
                        why: format!("{}: {why}", candidate.words(design)),
                    });
                }
                None => open.push(candidate),
            }
        }
        open
    }
}

/// Trials without those that another trial of the same design covers with no more units of any pool.
pub fn outstanding<'t>(trials: impl Iterator<Item = &'t Trial>) -> Vec<&'t Trial> {
    let mut all: Vec<&Trial> = trials.collect();
    // Stable: what is alike stays in the order given.
    let whole = all.clone();
    all.retain(|t| {
        let mut others = whole.iter().filter(|o| o.candidate != t.candidate);
        !others.any(|o| o.candidate.is_within(&t.candidate))
    });
    all
}

/// A search over the candidates of one option.
pub struct GridSearch<'a> {
    /// The scenario that is planned for.
    pub base: &'a Scenario,
    /// All designs.
    pub designs: &'a [Design],
    /// The question of the plan.
    pub question: &'a PlanQuestion,
    /// Bench on which candidates are played.
    pub bench: &'a Bench<'a>,
}

impl GridSearch<'_> {
    fn cheapest_first(
        &self,
        mut open: Vec<Candidate>,
        sieves: &mut [Sieve<'_>],
        found: &mut Found,
    ) -> Result<(), PlanStopped> {
        // An only option goes on to its runner-up; several have each other.
        let wanted = if self.question.options.len() == 1 {
            2
        } else {
            1
        };
        let mut probes = Probes::default();
        loop {
            // What has more units than something that keeps every promise is nobody's runner-up.
            let kept = found.trials.iter().filter(|t| t.keeps());
            let kept: Vec<&Candidate> = kept.map(|t| &t.candidate).collect();
            open.retain(|c| !kept.iter().any(|kept| kept.is_within(c)));
            let next = self.least_cost(&mut open, sieves, &mut probes, &mut found.trials)?;
            let Some(cost) = next else {
                break;
            };
            let level = open.iter().take_while(|c| c.cost_usd <= cost).count();
            let level: Vec<Candidate> = open.drain(..level).collect();
            let tried = found.trials.len();
            self.attempt(level, &mut probes, &mut found.trials)?;
            self.use_fewer(tried, sieves, found)?;
            let kept = found.trials.iter().filter(|t| t.keeps());
            let kept = outstanding(kept).len();
            if kept >= wanted {
                break;
            }
            probes.attempted(found.trials[tried..].iter().any(Trial::keeps));
        }
        Ok(())
    }

    /// Simulates candidates of one cost, but those that a failed trial shows to fail.
    fn attempt(
        &self,
        mut these: Vec<Candidate>,
        probes: &mut Probes,
        trials: &mut Vec<Trial>,
    ) -> Result<(), PlanStopped> {
        these.retain(|c| !trials.iter().any(|t| self.speaks_for(t, c)));
        let Some(first) = these.first() else {
            return Ok(());
        };
        let what = format!(
            "on {} nodes: {}",
            first.nodes,
            candidates_in_words(these.len())
        );
        (self.bench.tell)(&what);
        let order = these.clone();
        let (known, fresh) = probes.take(these);
        let (alive, ended) = self.short(fresh, 4, HOPELESS)?;
        trials.extend(ended);
        let mut whole = self.once(alive)?;
        whole.extend(known);
        whole.sort_by_key(|t| order.iter().position(|c| *c == t.candidate));
        trials.extend(self.replicated(whole)?);
        Ok(())
    }

    /// Plays candidates as far as one run of the whole time, but those for which a failed trial speaks, and returns
    /// those that keep every promise in it; the others join the trials.
    pub fn probe(
        &self,
        mut these: Vec<Candidate>,
        trials: &mut Vec<Trial>,
    ) -> Result<Vec<Trial>, PlanStopped> {
        these.retain(|c| !trials.iter().any(|t| self.speaks_for(t, c)));
        let (alive, ended) = self.short(these, 4, HOPELESS)?;
        trials.extend(ended);
        let (kept, failed) = self.once(alive)?.into_iter().partition(Trial::keeps);
        trials.extend::<Vec<Trial>>(failed);
        Ok(kept)
    }

    /// For each trial from number `tried` on that keeps every promise, seeks by halving what does so with the
    /// fewest accelerators in use on the same nodes; no more than the best of the others needs.
    fn use_fewer(
        &self,
        tried: usize,
        sieves: &mut [Sieve<'_>],
        found: &mut Found,
    ) -> Result<(), PlanStopped> {
        let kept = found.trials[tried..].iter().filter(|t| t.keeps());
        let mut kept: Vec<Trial> = kept.cloned().collect();
        kept.sort_by(|a, b| a.strain().total_cmp(&b.strain()));
        let mut fewest = kept.iter().map(|t| t.candidate.gpus).min().unwrap_or(0);
        for trial in kept {
            let index = trial.candidate.design;
            let design = &self.designs[index];
            let mut smaller = trial.candidate.smaller(design, self.question);
            smaller.retain(|c| c.gpus <= fewest);
            let smaller = found.pass(smaller, design, &mut sieves[index]);
            let levels: Vec<&[Candidate]> = smaller.chunk_by(|a, b| a.gpus == b.gpus).collect();
            let (mut low, mut high) = (0, levels.len());
            while low < high {
                let middle = (low + high) / 2;
                let known = |c: &Candidate| found.trials.iter().any(|t| t.candidate == *c);
                let level = levels[middle].iter().filter(|c| !known(c));
                let level: Vec<Candidate> = level.cloned().collect();
                self.attempt(level, &mut Probes::default(), &mut found.trials)?;
                let of_level = |t: &&Trial| t.keeps() && levels[middle].contains(&t.candidate);
                if let Some(kept) = found.trials.iter().find(of_level) {
                    fewest = fewest.min(kept.candidate.gpus);
                    high = middle;
                } else {
                    low = middle + 1;
                }
            }
        }
        Ok(())
    }

    fn halving(&self, open: Vec<Candidate>) -> Result<Vec<Trial>, PlanStopped> {
        let mut alive = open;
        let mut trials = Vec::new();
        for part in [8, 4, 2] {
            if alive.len() <= FINALISTS {
                break;
            }
            let what = candidates_in_words(alive.len());
            (self.bench.tell)(&format!("1/{part} of the time: {what}"));
            let runs = self.play(&alive, part, 0)?;
            let mut round: Vec<Trial> = alive
                .into_iter()
                .zip(runs)
                .map(|(candidate, run)| Trial {
                    candidate,
                    runs: vec![run],
                })
                .collect();
            let goal = self.question.goal;
            let hopeless = |t: &Trial| t.strain() > HOPELESS;
            round.sort_by(|a, b| {
                let worth = b.worth(goal).total_cmp(&a.worth(goal));
                hopeless(a).cmp(&hopeless(b)).then(worth)
            });
            let keep = round.len().div_ceil(2).max(FINALISTS.min(round.len()));
            trials.extend(round.split_off(keep).into_iter().map(broken));
            alive = round.into_iter().map(|t| t.candidate).collect();
        }
        let what = candidates_in_words(alive.len());
        (self.bench.tell)(&format!("the whole time: {what}"));
        trials.extend(self.replicated(self.once(alive)?)?);
        Ok(trials)
    }

    /// Whether a failed trial shows that a candidate fails too.
    pub fn speaks_for(&self, trial: &Trial, candidate: &Candidate) -> bool {
        let scenario = &self.designs[candidate.design].scenario;
        if trial.candidate.design != candidate.design || trial.keeps() {
            return false;
        }
        if candidate.is_within(&trial.candidate) {
            return true;
        }
        if !is_separate(scenario) {
            return false;
        }
        let slos = &self.question.slos;
        let failed = trial
            .runs
            .iter()
            .filter(|r| !r.keeps() && r.trouble.is_none());
        let mut roles =
            failed.flat_map(|run| (0..slos.len()).filter_map(|index| run.culprit(slos, index)));
        roles.any(|role| {
            let pool = scenario.pools.iter().position(|p| p.role == role);
            pool.is_some_and(|pool| candidate.units[pool] <= trial.candidate.units[pool])
        })
    }

    /// Plays the first of `part` parts of the time; returns the candidates that go on, and trials that it ended.
    fn short(
        &self,
        open: Vec<Candidate>,
        part: u64,
        hopeless: f64,
    ) -> Result<(Vec<Candidate>, Vec<Trial>), PlanStopped> {
        if open.is_empty() || !self.may_shorten(part) {
            return Ok((open, Vec::new()));
        }
        let runs = self.play(&open, part, 0)?;
        let (mut alive, mut ended) = (Vec::new(), Vec::new());
        for (candidate, run) in open.into_iter().zip(runs) {
            if run.strain > hopeless {
                ended.push(Trial {
                    candidate,
                    runs: vec![run],
                });
            } else {
                alive.push(candidate);
            }
        }
        Ok((alive, ended))
    }

    /// Plays each candidate once over the whole time.
    fn once(&self, alive: Vec<Candidate>) -> Result<Vec<Trial>, PlanStopped> {
        let runs = self.play(&alive, 1, 0)?;
        let each = alive.into_iter().zip(runs);
        let trial = |(candidate, run)| Trial {
            candidate,
            runs: vec![run],
        };
        Ok(each.map(trial).collect())
    }

    /// Adds replications to trials of one run each: in doubling numbers to those that have kept every promise and in
    /// which something is drawn at random.
    fn replicated(&self, mut trials: Vec<Trial>) -> Result<Vec<Trial>, PlanStopped> {
        let mut done = 1;
        while done < self.question.replications {
            let next = (2 * done).min(self.question.replications);
            for replication in done..next {
                let is_drawn = |t: &Trial| self.designs[t.candidate.design].scenario.is_drawn();
                let goes_on = |i: &usize| trials[*i].keeps() && is_drawn(&trials[*i]);
                let good: Vec<usize> = (0..trials.len()).filter(goes_on).collect();
                let again: Vec<Candidate> =
                    good.iter().map(|i| trials[*i].candidate.clone()).collect();
                let runs = self.play(&again, 1, replication)?;
                for (index, run) in good.into_iter().zip(runs) {
                    trials[index].runs.push(run);
                }
            }
            done = next;
        }
        Ok(trials)
    }

    fn play(
        &self,
        these: &[Candidate],
        part: u64,
        replication: u32,
    ) -> Result<Vec<TrialRun>, PlanStopped> {
        let scenarios: Result<Vec<Scenario>, String> = these
            .iter()
            .map(|candidate| {
                let design = &self.designs[candidate.design];
                let mut settings = candidate.settings(design);
                if part > 1 && self.may_shorten(part) {
                    let duration = SimDuration(self.base.duration.0 / part);
                    settings.push(KeyChange::set("duration", duration));
                }
                super::candidate::changed(self.base, &design.label, &settings)
            })
            .collect();
        let scenarios = scenarios.map_err(PlanStopped::Question)?;
        let items: Vec<(&Scenario, u32)> = scenarios.iter().map(|s| (s, replication)).collect();
        self.bench.play(&items, &self.question.slos)
    }

    /// Whether a part of the time is like the whole: the rate is even, and enough is left.
    fn may_shorten(&self, part: u64) -> bool {
        let even = self.base.classes.iter().all(|class| {
            let rate = &class.arrivals.rate;
            let first = rate.first().map_or(f64::NAN, |s| s.rate_from_per_s);
            rate.iter()
                .all(|s| s.rate_from_per_s == first && s.rate_to_per_s == first)
                && !rate.is_empty()
        });
        even && self.base.duration.0 / part >= SHORTEST.0
    }
}

/// A number of candidates in words: `1 candidate`, `5 candidates`.
pub fn candidates_in_words(n: usize) -> String {
    format!("{n} candidate{}", if n == 1 { "" } else { "s" })
}

/// The trial of a part of the time, which never counts as kept.
fn broken(mut trial: Trial) -> Trial {
    for run in &mut trial.runs {
        run.trouble
            .get_or_insert_with(|| "others of its round did better".to_string());
    }
    trial
}
