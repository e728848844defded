//! The answer of a plan: the deployment, how sure it is, what binds it, what comes next, and what each option
//! can do.

use serde::Serialize;

use super::candidate::{Candidate, Design, in_words, notes};
use super::constant_units::{Found, outstanding};
use super::question::PlanQuestion;
use super::slo::PlanSlo;
use super::slot_rows::Timetable;
use super::trial::TrialRun;
use super::tried::Trial;
use crate::metrics::interval::of_mean;
pub(super) use crate::report::basis::lent;
use crate::report::summary::{Interval, Lent};
use crate::scenario::{Goal, Pool, Scenario};

/// Number of runners-up that are shown.
const RUNNERS_UP: usize = 4;

/// The answer of `plan`.
#[derive(Clone, Debug, Serialize)]
pub struct PlanAnswer {
    /// Name of the scenario that was planned for.
    pub scenario: String,
    /// Hash of the scenario that was planned for.
    pub hash: String,
    /// Goal of the plan: `cost`, `profit` or `goodput`.
    pub goal: Goal,
    /// Promises that had to be kept.
    pub slos: Vec<String>,
    /// Length of the stretches in each of which they had to be kept, too, in seconds; `null`: the whole time only.
    pub slo_every_s: Option<f64>,
    /// Most nodes at any time.
    pub nodes_max: u32,
    /// Length of the counted time, in seconds.
    pub duration_s: f64,
    /// Number of simulations behind the answer.
    pub simulations: u64,
    /// The deployment that keeps every promise and serves the goal best; `null`: none does.
    pub best: Option<Deployment>,
    /// The next best deployments.
    pub runners_up: Vec<Deployment>,
    /// The deployment that fails by least, of those cheaper than an answer where there is one; `null`: none failed.
    pub nearest_miss: Option<Deployment>,
    /// The scenario's own schedule; `null`: no schedule is sought.
    pub baseline: Option<Deployment>,
    /// Pools and slots of the schedule; `null`: no schedule is sought.
    pub schedule: Option<Timetable>,
    /// What became of each option.
    pub options: Vec<OptionRow>,
    /// The answer if step times are wrong.
    pub step_times: Vec<StepTimesRow>,
    /// What the answer rests on, in sentences.
    pub notes: Vec<String>,
    /// The scenario file of the answer; `null`: there is no answer.
    #[serde(skip)]
    pub scenario_toml: Option<String>,
}

/// A deployment that was simulated.
#[derive(Clone, Debug, Serialize)]
pub struct Deployment {
    /// Name of the deployment's option.
    pub option: String,
    /// Keys and values that were chosen.
    pub choices: String,
    /// Units of the deployment, in words.
    pub units: String,
    /// Units, copies and accelerators of each pool; empty where units change over the day.
    pub pools: Vec<PoolUnits>,
    /// Accelerators in use, of those on the deployment's nodes; `null` where units change over the day.
    pub gpus: Option<u32>,
    /// All settings that differ from the scenario, as for `--set`.
    pub settings: Vec<String>,
    /// Nodes, mean over time.
    pub nodes: f64,
    /// Paid node-hours.
    pub node_hours: f64,
    /// Cost of the nodes, in dollars.
    pub cost_usd: f64,
    /// Revenue less cost in dollars, mean of the runs.
    pub profit_usd: f64,
    /// Requests per second within their class's targets, mean of the runs.
    pub goodput_per_s: f64,
    /// By what part steps may take longer or less than computed.
    pub step_error: f64,
    /// Constants that the step times borrow from other engines or accelerators.
    pub borrowed: Vec<Lent>,
    /// Number of runs of the whole time, each with random draws of its own.
    pub replications: usize,
    /// Number of runs that kept every promise.
    pub kept: usize,
    /// Stretches of `slo_every_s` (or hours, where that is `null`) of the worst run that break a promise.
    pub stretches_broken: u64,
    /// Number of such stretches.
    pub stretches: u64,
    /// What became of each promise.
    pub slos: Vec<SloRow>,
    /// The promise that takes most of its limit, in words.
    pub binding: String,
    /// What limits the worst part of the run, in words; `null`: nothing.
    pub limit: Option<String>,
    /// Promises that the deployment breaks, in words; `null`: none.
    pub broken: Option<String>,
}

/// The units of a pool in a deployment.
#[derive(Clone, Debug, Serialize)]
pub struct PoolUnits {
    /// Name of the pool.
    pub pool: String,
    /// Units that the pool's schedule counts.
    pub units: u32,
    /// Copies of the model on these units, each of which steps on its own.
    pub copies: u32,
    /// Accelerators of a copy that share its attention and dense layers.
    pub tensor: u32,
    /// Accelerators in use by the pool.
    pub gpus: u32,
}

/// A promise, and how far it was kept.
#[derive(Clone, Debug, Serialize)]
pub struct SloRow {
    /// The promise in words: `ttft_p99 <= 5.00 s`.
    pub promise: String,
    /// The promised figure as `--slo` calls it: `ttft_p99`.
    pub figure: String,
    /// Whether the limit is the least that it may be, rather than the most.
    pub is_floor: bool,
    /// Limit of the promise, in the figure's unit.
    pub limit: f64,
    /// Mean of the figure over the runs; `null`: nobody experienced it.
    pub mean: Option<f64>,
    /// Least value of the figure over the runs; `null`: nobody experienced it.
    pub low: Option<f64>,
    /// Greatest value of the figure over the runs; `null`: nobody experienced it.
    pub high: Option<f64>,
    /// Interval of 95 % confidence for the mean: of the runs, or of one run what its batches say; `null`: neither
    /// can be had.
    pub interval: Option<Interval>,
    /// Largest part of the limit that is taken.
    pub strain: f64,
    /// The figure in words.
    pub shown: String,
    /// The interval in words; empty where there is none.
    pub sure: String,
    /// Whether the interval reaches beyond the limit: the promise may be broken on average.
    pub may_break: bool,
}

/// What a search found for an option.
#[derive(Clone, Debug, Serialize)]
pub struct OptionRow {
    /// Name of the option.
    pub option: String,
    /// Number of combinations of choices and units.
    pub candidates: usize,
    /// Number of candidates that arithmetic ruled out.
    pub ruled_out: usize,
    /// Number of candidates that were simulated.
    pub simulated: usize,
    /// The option's best deployment, in words; `null`: none keeps every promise.
    pub best: Option<String>,
    /// Nodes of the best deployment, mean over time; `null`: there is none.
    pub nodes: Option<f64>,
    /// Accelerators in use of the best deployment; `null`: there is none.
    pub gpus: Option<u32>,
    /// Cost of the best deployment, in dollars; `null`: there is none.
    pub cost_usd: Option<f64>,
    /// What binds the option: the promise that its next cheaper ones break, or that all of them do.
    pub reason: String,
}

/// The answer if steps take longer or shorter by the error.
#[derive(Clone, Debug, Serialize)]
pub struct StepTimesRow {
    /// Factor on the model's step times.
    pub factor: f64,
    /// The answer in words; `null`: nothing keeps every promise.
    pub answer: Option<String>,
    /// Nodes of the answer, mean over time; `null`: there is none.
    pub nodes: Option<f64>,
    /// How the row was found.
    pub by: &'static str,
}

impl Deployment {
    /// The deployment that a trial played.
    pub fn of(trial: &Trial, designs: &[Design], question: &PlanQuestion) -> Self {
        let design = &designs[trial.candidate.design];
        let hardest = trial.hardest();
        Self {
            option: question.options[design.option].name.clone(),
            choices: design.label.clone(),
            units: trial.candidate.words(design),
            pools: pools(trial, design),
            gpus: Some(trial.candidate.gpus),
            settings: in_words(&trial.candidate.settings(design)),
            nodes: f64::from(trial.candidate.nodes),
            node_hours: f64::from(trial.candidate.nodes) * seconds(&design.scenario) / 3_600.0,
            cost_usd: trial.candidate.cost_usd,
            profit_usd: trial.worth(Goal::Profit),
            goodput_per_s: trial.worth(Goal::Goodput),
            step_error: question.step_error(&design.scenario),
            borrowed: lent(&design.scenario),
            replications: trial.runs.len(),
            kept: trial.runs.iter().filter(|r| r.keeps()).count(),
            stretches_broken: stretches(&trial.runs).0,
            stretches: stretches(&trial.runs).1,
            slos: slo_rows(&trial.runs, &question.slos),
            binding: hardest.map_or(String::new(), |run| binding(run, &question.slos)),
            limit: hardest.and_then(|run| run.limit.clone()),
            broken: hardest.and_then(|run| run.broken(&question.slos)),
        }
    }

    /// The deployment in words: `mixed, TP 4 (max_batch_requests = 64): 7 mixed units (28 GPUs on 4 nodes)`.
    pub fn words(&self) -> String {
        let choices = if self.choices.is_empty() {
            String::new()
        } else {
            format!(" ({})", self.choices)
        };
        format!("{}{choices}: {}", self.option, self.units)
    }
}

/// The units of each pool of a trial.
fn pools(trial: &Trial, design: &Design) -> Vec<PoolUnits> {
    let pools = design.scenario.pools.iter().zip(&trial.candidate.units);
    let row = |(pool, &units): (&Pool, &u32)| PoolUnits {
        pool: pool.name.clone(),
        units,
        copies: units * pool.replicas,
        tensor: pool.parallelism.tensor,
        gpus: units * pool.gpus_per_unit,
    };
    pools.map(row).collect()
}

/// The number of stretches that break a promise in the run where most do, and of all stretches.
pub fn stretches(runs: &[TrialRun]) -> (u64, u64) {
    runs.iter()
        .map(|run| run.stretches)
        .max()
        .unwrap_or_default()
}

/// The promise that takes most of its limit, in words.
pub fn binding(run: &TrialRun, slos: &[PlanSlo]) -> String {
    let (Some(slo), Some(Some(value))) = (slos.get(run.tightest), run.values.get(run.tightest))
    else {
        return String::new();
    };
    format!(
        "{}: {}{} of {}",
        slo.name(),
        slo.show(*value),
        run.from(run.tightest),
        slo.show(slo.limit)
    )
}

/// The rows of all promises over runs.
pub fn slo_rows(runs: &[TrialRun], slos: &[PlanSlo]) -> Vec<SloRow> {
    let row = |(index, slo): (usize, &PlanSlo)| {
        let seen: Vec<f64> = runs
            .iter()
            .filter_map(|run| run.values.get(index).copied().flatten())
            .collect();
        let low = seen.iter().copied().reduce(f64::min);
        let high = seen.iter().copied().reduce(f64::max);
        let mean = (!seen.is_empty()).then(|| seen.iter().sum::<f64>() / seen.len() as f64);
        let interval = match runs {
            [one] => one.intervals.get(index).copied().flatten(),
            _ => of_mean(&seen).filter(|_| low < high),
        };
        let shown = match (mean, low, high) {
            (Some(mean), Some(low), Some(high)) if seen.len() > 1 && low < high => {
                format!(
                    "{} ({} to {})",
                    slo.show(mean),
                    slo.show(low),
                    slo.show(high)
                )
            }
            (Some(mean), _, _) => slo.show(mean),
            _ => "nobody was served".to_string(),
        };
        let worst = interval.map(|i| if slo.is_floor() { i.low } else { i.high });
        SloRow {
            sure: interval.map_or(String::new(), |i| {
                format!("{} to {}", slo.show(i.low), slo.show(i.high))
            }),
            may_break: worst.is_some_and(|worst| slo.strain(Some(worst)) > 1.0),
            promise: slo.to_string(),
            figure: slo.name(),
            is_floor: slo.is_floor(),
            limit: slo.limit,
            mean,
            low,
            high,
            interval,
            strain: seen
                .iter()
                .map(|value| slo.strain(Some(*value)))
                .fold(0.0, f64::max),
            shown,
        }
    };
    slos.iter().enumerate().map(row).collect()
}

/// The answer of a search over constant units.
pub fn of_grid(
    base: &Scenario,
    designs: &[Design],
    question: &PlanQuestion,
    found: &[Found],
) -> PlanAnswer {
    let goal = question.goal;
    let mut kept: Vec<&Trial> = found
        .iter()
        .flat_map(|f| f.trials.iter().filter(|t| t.keeps()))
        .collect();
    kept.sort_by(|a, b| better(a, b, goal));
    let kept = outstanding(kept.into_iter());
    let show = |trial: &Trial| Deployment::of(trial, designs, question);
    let best = kept.first().copied();
    let cheaper = |t: &&Trial| match (goal, best) {
        (Goal::Cost, Some(best)) => size(&t.candidate) < size(&best.candidate),
        (Goal::Cost, None) | (Goal::Profit | Goal::Goodput, _) => true,
    };
    let failed = found.iter().flat_map(|f| f.trials.iter());
    let miss = failed
        .filter(|t| !t.keeps())
        .filter(cheaper)
        .min_by(|a, b| a.strain().total_cmp(&b.strain()));
    let rows: Vec<(String, Found)> = match found {
        // Of an only option its designs are told apart.
        [only] if only.candidates.len() > 1 => {
            let label = |index: &usize| designs[*index].label.clone();
            let all = only.candidates.keys();
            all.map(|index| (label(index), only.of_design(*index)))
                .collect()
        }
        _ => {
            let names = question.options.iter().map(|option| option.name.clone());
            names.zip(found.iter().cloned()).collect()
        }
    };
    let by_design = found.len() < rows.len();
    let options = rows.iter().map(|(name, found)| {
        let mut own: Vec<&Trial> = found.trials.iter().filter(|t| t.keeps()).collect();
        own.sort_by(|a, b| better(a, b, goal));
        let own = own.first().map(|t| show(t));
        OptionRow {
            option: name.clone(),
            candidates: found.candidates.values().sum(),
            ruled_out: found.ruled_out.len(),
            simulated: found.trials.len(),
            nodes: own.as_ref().map(|d| d.nodes),
            cost_usd: own.as_ref().map(|d| d.cost_usd),
            gpus: own.as_ref().and_then(|d| d.gpus),
            reason: reason(found, own.as_ref(), designs, question),
            best: own.map(|d| match d.choices.as_str() {
                _ if by_design => d.units,
                "" => d.units,
                choices => format!("{}, {choices}", d.units),
            }),
        }
    });
    let scenario_toml = best.and_then(|trial| {
        let scenario = trial
            .candidate
            .scenario(base, &designs[trial.candidate.design]);
        scenario.ok().map(|s| s.resolved_toml().to_owned())
    });
    PlanAnswer {
        notes: notes(designs, best.map(|t| t.candidate.design), base),
        best: best.map(show),
        runners_up: kept
            .iter()
            .skip(1)
            .take(RUNNERS_UP)
            .map(|t| show(t))
            .collect(),
        nearest_miss: miss.map(show),
        options: options.collect(),
        scenario_toml,
        ..empty(base, question)
    }
}

/// An answer without deployments.
pub fn empty(base: &Scenario, question: &PlanQuestion) -> PlanAnswer {
    PlanAnswer {
        scenario: base.name.clone(),
        hash: base.hash().to_owned(),
        goal: question.goal,
        slos: question.slos.iter().map(PlanSlo::to_string).collect(),
        slo_every_s: question.every.map(|every| every.as_secs_f64()),
        nodes_max: question.nodes,
        duration_s: seconds(base),
        simulations: 0,
        best: None,
        runners_up: Vec::new(),
        nearest_miss: None,
        baseline: None,
        schedule: None,
        options: Vec::new(),
        step_times: Vec::new(),
        notes: base.loans(),
        scenario_toml: None,
    }
}

pub(super) fn seconds(scenario: &Scenario) -> f64 {
    scenario.duration.0 as f64 / crate::units::NS_PER_S as f64
}

/// Compares trials: the goal first, then fewer accelerators in use, then the room that is left.
fn better(a: &Trial, b: &Trial, goal: Goal) -> std::cmp::Ordering {
    let worth = b.worth(goal).total_cmp(&a.worth(goal));
    let gpus = a.candidate.gpus.cmp(&b.candidate.gpus);
    worth.then(gpus).then(a.strain().total_cmp(&b.strain()))
}

/// What makes a candidate cheap: its cost, then its accelerators in use.
fn size(candidate: &Candidate) -> (f64, u32) {
    (candidate.cost_usd, candidate.gpus)
}

/// What keeps an option from being cheaper, or from being possible, in words.
fn reason(
    found: &Found,
    best: Option<&Deployment>,
    designs: &[Design],
    question: &PlanQuestion,
) -> String {
    let cost = best.map_or(f64::INFINITY, |d| d.cost_usd);
    let least = (cost, best.and_then(|d| d.gpus).unwrap_or(0));
    let below = found
        .trials
        .iter()
        .filter(|t| !t.keeps() && (size(&t.candidate) < least || question.goal != Goal::Cost));
    let nearest = below.min_by(|a, b| a.strain().total_cmp(&b.strain()));
    let broken = nearest.and_then(|t| {
        let why = t.hardest()?.broken(&question.slos)?;
        Some(format!(
            "{}: {why}",
            t.candidate.words(&designs[t.candidate.design])
        ))
    });
    // Of what arithmetic rules out, the dearest that would still be cheaper says most.
    let mut ruled_out = found.ruled_out.iter().rev();
    let ruled_out = ruled_out.find(|r| r.cost_usd < cost);
    match (broken, best, ruled_out) {
        (Some(broken), _, _) => broken,
        (None, _, Some(r)) if question.goal == Goal::Cost || best.is_none() => r.why.clone(),
        (None, Some(best), _) => format!("{} binds", best.binding),
        (None, None, _) if !found.candidates.is_empty() => "others are cheaper".to_string(),
        (None, None, _) => "no number of units is within the bounds".to_string(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_beyond_the_limit_is_told() {
        let slos = [PlanSlo::parse("ttft_p99=1s").unwrap()];
        let of = |values: &[f64]| {
            let run = |x: &f64| TrialRun {
                values: vec![Some(*x)],
                ..TrialRun::default()
            };
            let runs: Vec<TrialRun> = values.iter().map(run).collect();
            slo_rows(&runs, &slos).remove(0)
        };
        // Mean 0.95, standard error 0.05 / sqrt(3); Student's t of two degrees of freedom is 4.303.
        let near = of(&[0.9, 1.0, 0.95]);
        let interval = near.interval.unwrap();
        assert!((interval.high - (0.95 + 4.302_652_7 * 0.05 / 3_f64.sqrt())).abs() < 1e-6);
        assert!(near.may_break && near.strain <= 1.0);
        assert!(!of(&[0.80, 0.81, 0.80]).may_break);
        // One run that cannot say, and runs that say the same.
        assert!(of(&[0.9]).interval.is_none());
        assert!(of(&[0.9, 0.9]).interval.is_none());
    }
}
