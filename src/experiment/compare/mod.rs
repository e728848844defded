//! Comparison of scenarios: which is better, by how much, how surely, and why.
//!
//! All scenarios are played with the same seeds (common random numbers): streams are named by purpose and
//! class, so a class that two scenarios share has the same arrivals and lengths in both, and what differs
//! between a pair of runs is what the scenarios make of them. The interval of a difference is Student's t
//! over the differences of the pairs. The figure that decides is judged alone: where its interval holds zero, there is
//! no significant difference. All the others are judged together, since of many that do not differ some intervals
//! leave zero out by chance: of those that are called different, one in twenty is so by chance on average
//! ([`largest_finding`]). Where a
//! figure of every pair is the same to the last bit, its difference is exactly zero. Where nothing in the
//! scenarios is drawn, as in a recorded workload, one run of each says all there is: differences are those of
//! this workload, without an interval, and nothing is called better.

pub mod compare_page;
pub mod compare_tables;
mod reason;

use serde::Serialize;
use serde_json::Value;

use super::replicate::{self, together};
use crate::metrics::interval::{chance_of, largest_finding, mean, of_mean};
use crate::report::basis::basis;
use crate::report::batches::{number, paths, value_of};
use crate::report::summary::Basis;
use crate::report::summary::{Interval, RunSummary};
use crate::scenario::Scenario;
use crate::words::words;

/// Most scenarios of a comparison: they are named by letters. More are a sweep.
pub const MOST: usize = 26;

/// The question of a comparison.
#[derive(Clone, Debug)]
pub struct CompareQuestion {
    /// Number of runs of every scenario.
    pub replications: u32,
    /// Whether every scenario has random streams of its own; false: they are common.
    pub independent: bool,
    /// The figure that decides; `None`: what suits the scenarios.
    pub by: Option<String>,
    /// Names of the scenarios, in their order; one without a name here has its own.
    pub names: Vec<String>,
}

words! {
    /// Whether scenarios are played with the same random streams.
    pub enum CommonStreams {
        Common = "common": "All have the same",
        Independent = "independent": "Each has its own",
        None = "none": "Nothing in them is drawn",
    }
}

/// The answer of a comparison.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// Number of runs behind every figure.
    pub replications: u32,
    /// Random streams that the scenarios have.
    pub streams: CommonStreams,
    /// The scenarios that are compared, in the order given.
    pub sides: Vec<CompareSide>,
    /// Path of the figure that decides.
    pub by: String,
    /// Sides ranked by that figure, the best first.
    pub ranking: Vec<RankingPlace>,
    /// Differences of every side after the first from the first.
    pub versus: Vec<Versus>,
}

/// A scenario of a comparison, and what its runs say together.
#[derive(Clone, Debug, Serialize)]
pub struct CompareSide {
    /// Letter that names the side.
    pub label: String,
    /// Name of the scenario.
    pub name: String,
    /// What limits the scenario, in words.
    pub limited_by: String,
    /// Remark on what of the scenario is recorded and not drawn; `None`: nothing, or all.
    pub recorded: Option<String>,
    /// What the scenario's step times rest on.
    pub step_times: Basis,
    /// Means of the scenario's runs.
    pub summary: RunSummary,
    #[serde(skip)]
    trees: Vec<Value>,
}

/// A place in the ranking.
#[derive(Clone, Debug, Serialize)]
pub struct RankingPlace {
    /// Rank from 1; sides that do not differ significantly from the best share its rank.
    pub rank: usize,
    /// Letter of the side.
    pub label: String,
    /// The side's value of the figure; `None`: it has none.
    pub value: Option<f64>,
    /// Difference from the best side; `None`: this is the best, or it has no figure.
    pub to_best: Option<Difference>,
}

/// The differences of one side from another.
#[derive(Clone, Debug, Serialize)]
pub struct Versus {
    /// Letter of the side.
    pub label: String,
    /// Letter of the side that it is compared with.
    pub against: String,
    /// Differences by figure.
    pub differences: Vec<Difference>,
    /// Reasons for the differences, in sentences.
    pub reasons: Vec<String>,
}

/// The difference of a figure between two scenarios.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// Path of the figure in the summary.
    pub field: String,
    /// Mean of the scenario that is compared with.
    pub before: f64,
    /// Mean of the scenario itself.
    pub after: f64,
    /// Mean of the differences of pairs of runs.
    pub difference: f64,
    /// Interval of 95 % confidence for the true difference; `None`: there is one pair of runs.
    pub interval: Option<Interval>,
    /// How often chance alone would make so large a difference, 0 to 1; `None`: there is no interval.
    pub chance: Option<f64>,
    /// What the difference means.
    pub finding: Finding,
}

/// What a difference means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// The figure is the same in every pair.
    Equal,
    /// Chance may well have made the difference.
    NotSignificant,
    /// The difference is above zero, and surely so.
    Higher,
    /// The difference is below zero, and surely so.
    Lower,
    /// There is one pair of runs: nobody can say.
    Unknown,
    /// Nothing is drawn: this workload differs so, and no interval says what another would.
    Undrawn,
}

/// Whether anything in any of the scenarios is drawn at random.
fn is_drawn(scenarios: &[Scenario]) -> bool {
    scenarios.iter().any(Scenario::is_drawn)
}

/// Number of runs of every scenario: as asked, and one where nothing is drawn.
fn replications(scenarios: &[Scenario], question: &CompareQuestion) -> u32 {
    match is_drawn(scenarios) {
        true => question.replications,
        false => question.replications.min(1),
    }
}

/// The scenarios to play, in an order that keeps pairs together.
pub fn runs(scenarios: &[Scenario], question: &CompareQuestion) -> Vec<Scenario> {
    let base = scenarios.first().map_or(1, |s| s.seed);
    let mut runs = Vec::new();
    for replication in 0..u64::from(replications(scenarios, question)) {
        for (side, scenario) in scenarios.iter().enumerate() {
            let own = if question.independent {
                1_000_000 * side as u64
            } else {
                0
            };
            let seed = replicate::seed(base, own + replication);
            runs.push(scenario.clone().with_seed(seed));
        }
    }
    runs
}

/// Judges the runs of [`runs`]; `None`: there are not as many.
pub fn judge(
    scenarios: &[Scenario],
    question: &CompareQuestion,
    summaries: &[RunSummary],
) -> Option<Comparison> {
    let side = |(index, scenario): (usize, &Scenario)| {
        let of_side = summaries.iter().skip(index).step_by(scenarios.len());
        let of_side: Vec<RunSummary> = of_side.cloned().collect();
        let summary = together(scenario, &of_side)?;
        Some(CompareSide {
            label: char::from(b'A' + index as u8).to_string(),
            name: question.names.get(index).unwrap_or(&scenario.name).clone(),
            limited_by: reason::limited_by(&summary),
            recorded: scenario.recorded_part(),
            step_times: basis(scenario),
            trees: of_side.iter().map(value_of).collect(),
            summary,
        })
    };
    let sides: Option<Vec<CompareSide>> = scenarios.iter().enumerate().map(side).collect();
    let sides = sides?;
    let (first, others) = sides.split_first()?;
    let by = question.by.clone().unwrap_or_else(|| decisive(&sides));
    let fields = paths(scenarios.first()?);
    let chance = is_drawn(scenarios);
    let versus = others.iter().map(|side| {
        let mut differences: Vec<Difference> = fields
            .iter()
            .filter_map(|field| difference(field, first, side, chance))
            .collect();
        judge_together(differences.iter_mut().filter(|d| d.field != by).collect());
        Versus {
            label: side.label.clone(),
            against: first.label.clone(),
            reasons: reason::reasons(first, side, &differences),
            differences,
        }
    });
    Some(Comparison {
        replications: replications(scenarios, question),
        streams: match (chance, question.independent) {
            (false, _) => CommonStreams::None,
            (true, true) => CommonStreams::Independent,
            (true, false) => CommonStreams::Common,
        },
        versus: versus.collect(),
        ranking: ranking(&by, &sides, chance),
        by,
        sides,
    })
}

/// Takes back findings that chance would make among so many differences.
fn judge_together(mut differences: Vec<&mut Difference>) {
    let is_judged = |d: &&mut Difference| d.finding != Finding::Equal;
    let judged = differences.iter().filter(|d| is_judged(d));
    let chances: Vec<f64> = judged.filter_map(|d| d.chance).collect();
    let largest = largest_finding(&chances).unwrap_or(-1.0);
    for difference in &mut differences {
        let is_found = matches!(difference.finding, Finding::Higher | Finding::Lower);
        if is_found && difference.chance.is_some_and(|chance| chance > largest) {
            difference.finding = Finding::NotSignificant;
        }
    }
}

/// The path of the figure that decides where nobody says: profit where requests pay, else goodput where something
/// is promised, else the time that a request takes.
fn decisive(sides: &[CompareSide]) -> String {
    let summaries = || sides.iter().map(|side| &side.summary);
    if summaries().any(|s| s.economics.revenue_usd > 0.0) {
        return "economics.profit_usd".to_owned();
    }
    let promised = summaries()
        .flat_map(|s| &s.classes)
        .find(|(_, c)| c.slo.is_some());
    match promised {
        Some((class, _)) => format!("classes.{class}.slo.goodput_per_s"),
        None => "latency.e2e_s.mean".to_owned(),
    }
}

/// The direction in which a figure is better: 1 more, -1 less, 0 neither.
pub fn direction(field: &str) -> i8 {
    let last = field.rsplit('.').next().unwrap_or(field);
    let more = [
        "completed",
        "output_speed_tokens_per_s",
        "revenue_usd",
        "profit_usd",
        "cost_profit_ratio",
        "attainment",
        "goodput_per_s",
        "decode_output_tokens_per_s_per_node",
        "prefill_input_tokens_per_s_per_node",
    ];
    let less = [
        "rejected",
        "failed",
        "node_hours",
        "cost_usd",
        "usd_per_million_output_tokens",
        "energy_kwh",
        "energy_overhead_kwh",
        "joules_per_output_token",
        "unbilled_requests",
        "preemptions",
        "queue_length_mean",
        "without_first_token",
        "longest_wait_s",
    ];
    if more.contains(&last) {
        1
    } else if less.contains(&last) || field.contains("latency") {
        -1
    } else {
        0
    }
}

fn ranking(by: &str, sides: &[CompareSide], chance: bool) -> Vec<RankingPlace> {
    let value = |side: &CompareSide| number(&value_of(&side.summary), by);
    let better = if direction(by) < 0 { -1.0 } else { 1.0 };
    let mut sorted: Vec<(&CompareSide, Option<f64>)> =
        sides.iter().map(|s| (s, value(s))).collect();
    let merit = |x: &Option<f64>| x.map_or(f64::NEG_INFINITY, |x| better * x);
    sorted.sort_by(|a, b| merit(&b.1).total_cmp(&merit(&a.1)));
    let best = sorted.first().map(|(side, _)| *side);
    let mut to_best: Vec<Option<Difference>> = sorted
        .iter()
        .map(|(side, _)| {
            let best = best.filter(|best| best.label != side.label)?;
            difference(by, best, side, chance)
        })
        .collect();
    judge_together(to_best.iter_mut().flatten().collect());
    let mut rank = 1;
    let place =
        |(index, ((side, value), to_best)): (usize, (&(&CompareSide, _), Option<Difference>))| {
            let is_worse = |d: &Difference| matches!(d.finding, Finding::Higher | Finding::Lower);
            let is_one = |d: &Difference| matches!(d.finding, Finding::Unknown | Finding::Undrawn);
            let is_unknown = |d: &Difference| is_one(d) && d.difference != 0.0;
            if to_best
                .as_ref()
                .is_none_or(|d| is_worse(d) || is_unknown(d))
            {
                rank = index + 1;
            }
            RankingPlace {
                rank,
                label: side.label.clone(),
                value: *value,
                to_best,
            }
        };
    sorted.iter().zip(to_best).enumerate().map(place).collect()
}

/// The difference of a figure between `side` and `first`, pair by pair; `chance`: the runs are drawn at random;
/// `None`: a run has no such figure.
fn difference(
    field: &str,
    first: &CompareSide,
    side: &CompareSide,
    chance: bool,
) -> Option<Difference> {
    let values = |side: &CompareSide| -> Option<Vec<f64>> {
        side.trees.iter().map(|tree| number(tree, field)).collect()
    };
    let (before, after) = (values(first)?, values(side)?);
    let pairs: Vec<f64> = after.iter().zip(&before).map(|(b, a)| b - a).collect();
    let interval = of_mean(&pairs);
    let finding = if pairs.iter().all(|d| *d == 0.0) {
        Finding::Equal
    } else if !chance {
        Finding::Undrawn
    } else {
        match &interval {
            None => Finding::Unknown,
            Some(interval) if interval.low > 0.0 => Finding::Higher,
            Some(interval) if interval.high < 0.0 => Finding::Lower,
            Some(_) => Finding::NotSignificant,
        }
    };
    Some(Difference {
        field: field.to_owned(),
        before: mean(&before)?,
        after: mean(&after)?,
        difference: mean(&pairs)?,
        chance: interval.and_then(|_| chance_of(&pairs)),
        interval,
        finding,
    })
}
