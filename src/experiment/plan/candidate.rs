//! Designs: everything about a deployment but how many units it has. And candidates: designs with units.

use super::choice::{Choice, UnitBounds};
use super::question::PlanQuestion;
use super::screening::Screen;
use crate::perf::{KnownSteps, with_capacities};
use crate::scenario::{KeyChange, Pool, Scenario, nodes_of};
use crate::units::NS_PER_HOUR;

/// Most designs of one plan, and most candidates.
const MAX_DESIGNS: usize = 10_000;
const MAX_CANDIDATES: usize = 1_000_000;

/// A design: a deployment without its numbers of units.
#[derive(Clone, Debug)]
pub struct Design {
    /// Index of the design's option.
    pub option: usize,
    /// What tells the design from others of its option: `max_batch_requests = 128`.
    pub label: String,
    /// Changes by which the design differs from the scenario.
    pub settings: Vec<KeyChange>,
    /// The design as a scenario, with the units that the planned one happens to state.
    pub scenario: Scenario,
    /// Arithmetic of the design; or why it cannot run at all.
    pub screen: Result<Screen, String>,
}

/// A candidate: a design with numbers of units.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// Index of the candidate's design.
    pub design: usize,
    /// Units of each pool, in the order of the design's pools.
    pub units: Vec<u32>,
    /// Nodes of the candidate.
    pub nodes: u32,
    /// Accelerators in use; the others of these nodes are paid and idle.
    pub gpus: u32,
    /// Cost of the nodes over the counted time, in dollars.
    pub cost_usd: f64,
}

/// All designs of a question about a scenario.
///
/// # Errors
/// What cannot be read, the way mistakes in a scenario are shown.
pub fn designs(
    base: &Scenario,
    question: &PlanQuestion,
    known: &KnownSteps,
) -> Result<Vec<Design>, String> {
    let mut all = Vec::new();
    // A plan may go beyond the nodes that the scenario has.
    let fleet = base.node.fleet.filter(|fleet| *fleet < question.nodes);
    let fleet = fleet.map(|_| KeyChange::set("node.fleet", question.nodes));
    for (index, option) in question.options.iter().enumerate() {
        let source = format!("[plan] set of option {}", option.name);
        let set = option.set.iter();
        let set = set.map(|text| KeyChange::written(source.as_str(), text.as_str()));
        let set: Vec<KeyChange> = set.collect();
        let plain = changed(base, &option.name, &set)?;
        let own = question.own.get(index).map_or(&[][..], Vec::as_slice);
        // What an option says of a key goes before what is said of all.
        let is_own = |choice: &Choice| own.iter().any(|o| o.axis.meets(&choice.axis));
        let common = question.vary.iter();
        let common = common.filter(|c| concerns(c, &plain) && !is_own(c));
        let choices: Vec<&Choice> = common.chain(own).collect();
        let combinations = choices
            .iter()
            .try_fold(1_usize, |n, c| n.checked_mul(c.rows.len()))
            .filter(|n| *n + all.len() <= MAX_DESIGNS)
            .ok_or_else(|| {
                format!("the options and their choices make more than {MAX_DESIGNS} designs; give fewer values")
            })?;
        for number in 0..combinations {
            let mut settings: Vec<KeyChange> = fleet.iter().chain(&set).cloned().collect();
            let mut labels = Vec::new();
            let mut rest = number;
            for choice in &choices {
                let row = &choice.rows[rest % choice.rows.len()];
                rest /= choice.rows.len();
                settings.extend(choice.axis.changes(row));
                for (key, value) in choice.axis.keys.iter().zip(row) {
                    labels.push(label(&key.text, &value.text, &plain));
                }
            }
            let mut scenario = changed(base, &option.name, &settings)?;
            let factor = question.step_factor(&scenario);
            if factor != 1.0 {
                let factor = scenario.step_time_factor * factor;
                settings.push(KeyChange::set("performance.step_time_factor", factor));
                scenario = changed(base, &option.name, &settings)?;
            }
            let screen = with_capacities(&scenario).and_then(|whole| Screen::new(&whole, known));
            all.push(Design {
                option: index,
                label: labels.join(", "),
                settings,
                scenario,
                screen,
            });
        }
    }
    for bounds in &question.units {
        let known = |design: &Design| design.scenario.pools.iter().any(|p| p.name == bounds.pool);
        if !all.iter().any(known) {
            return Err(format!(
                "no option has a pool `{}`, whose units are bounded",
                bounds.pool
            ));
        }
    }
    for choice in &question.vary {
        if !all.iter().any(|d| concerns(choice, &d.scenario)) {
            let keys = choice.axis.keys.iter().map(|key| key.text.as_str());
            let keys: Vec<&str> = keys.collect();
            return Err(format!("no option has the pool of `{}`", keys.join(", ")));
        }
    }
    Ok(all)
}

/// A choice in words: `TP 2`, `max_batch_tokens = 1024`, `decode.max_batch_requests = 64`, the pool only
/// where there are several.
fn label(key: &str, value: &str, scenario: &Scenario) -> String {
    let key = key.trim_start_matches("pools.");
    let only = match scenario.pools.as_slice() {
        [only] => Some(only),
        _ => None,
    };
    let short = only.and_then(|pool| key.strip_prefix(&pool.name)?.strip_prefix('.'));
    let key = short.unwrap_or(key);
    match key.strip_suffix("parallelism.tensor") {
        Some("") => format!("TP {value}"),
        Some(pool) => format!("{} TP {value}", pool.trim_end_matches('.')),
        None => format!("{key} = {value}"),
    }
}

/// Note on an answer in whose scenario nothing is drawn.
const UNDRAWN: &str = "nothing in this scenario is drawn at random: each deployment was played once, every replication being the \
                       same to the last bit, and no interval says how far another recording or another day would lie from it";

/// Notes on an answer: constants that the step times of its design borrow, or, without an answer, those of the
/// scenario; prices that were stated for another accelerator than that of any design; what recordings leave out.
pub fn notes(designs: &[Design], answer: Option<usize>, base: &Scenario) -> Vec<String> {
    let answered = answer.map_or(base, |index| &designs[index].scenario);
    let mut notes: Vec<String> = answered.step_basis.caution().into_iter().collect();
    for note in designs
        .iter()
        .filter_map(|d| d.scenario.node.price_caution())
    {
        if !notes.contains(&note) {
            notes.push(note);
        }
    }
    notes.extend(answered.of_recordings());
    if !answered.is_drawn() {
        notes.push(UNDRAWN.to_owned());
    }
    notes
}

/// The scenario with changed settings.
///
/// # Errors
/// The mistakes in them, and whose they are.
pub fn changed(base: &Scenario, whose: &str, changes: &[KeyChange]) -> Result<Scenario, String> {
    base.with(changes)
        .map_err(|mistakes| format!("option `{whose}`:\n{}", mistakes.render(false)))
}

/// Whether a scenario has the pools that a choice speaks of; other keys concern every scenario.
fn concerns(choice: &Choice, scenario: &Scenario) -> bool {
    choice.axis.keys.iter().all(|key| {
        let Some(path) = key.text.strip_prefix("pools.") else {
            return true;
        };
        let pool = path.split('.').next().unwrap_or(path);
        scenario.pools.iter().any(|p| p.name == pool)
    })
}

/// Combinations of units within the bounds, of one design, that fill the nodes they pay for: no pool could
/// have one more on the same nodes.
///
/// # Errors
/// Where there are too many.
pub fn candidates(
    index: usize,
    design: &Design,
    question: &PlanQuestion,
) -> Result<Vec<Candidate>, String> {
    let scenario = &design.scenario;
    let bounds: Vec<(u32, u32)> = scenario
        .pools
        .iter()
        .map(|pool| bounds(pool, question))
        .collect();
    // With nodes of its own, a pool fills them whatever the others have.
    let fills = |pool: &Pool, n: u32, most: u32| {
        scenario.node.shared || n == most || pool.nodes(n + 1) > pool.nodes(n)
    };
    let mut all = vec![Vec::new()];
    for (pool, (least, most)) in scenario.pools.iter().zip(&bounds) {
        let mut longer = Vec::new();
        for units in &all {
            for n in (*least..=*most).filter(|n| fills(pool, *n, *most)) {
                let mut units: Vec<u32> = units.clone();
                units.push(n);
                if nodes(scenario, &units) > question.nodes {
                    break;
                }
                longer.push(units);
            }
        }
        if longer.len() > MAX_CANDIDATES {
            return Err(format!(
                "more than {MAX_CANDIDATES} combinations of units; bound them: --units {}=1..8",
                pool.name
            ));
        }
        all = longer;
    }
    if scenario.node.shared {
        all.retain(|units| {
            let paid = nodes(scenario, units);
            let more = |pool: usize| {
                let mut units = units.clone();
                units[pool] += 1;
                units[pool] <= bounds[pool].1 && nodes(scenario, &units) == paid
            };
            !(0..units.len()).any(more)
        });
    }
    let each = all.into_iter();
    Ok(each
        .map(|units| Candidate::of(index, design, units))
        .collect())
}

/// Fewest and most units that a pool may have.
pub fn bounds(pool: &Pool, question: &PlanQuestion) -> (u32, u32) {
    let stated = question.units.iter().find(|b| b.pool == pool.name);
    stated.map_or((1, pool.units_on(question.nodes)), |b: &UnitBounds| {
        (b.least, b.most.min(pool.units_on(question.nodes)))
    })
}

/// Nodes of these units of the pools; `u32::MAX` where they do not fit.
pub fn nodes(scenario: &Scenario, units: &[u32]) -> u32 {
    let nodes = nodes_of(&scenario.pools, units, &scenario.node);
    u32::try_from(nodes).unwrap_or(u32::MAX)
}

/// Cost of a node over the counted time, in dollars.
pub fn node_usd(scenario: &Scenario) -> f64 {
    let hours = scenario.duration.0 as f64 / NS_PER_HOUR as f64;
    hours * f64::from(scenario.node.gpus) * scenario.node.price_per_gpu_hour.as_usd()
}

impl Candidate {
    /// The candidate as a scenario: the design's settings, and its units.
    ///
    /// # Errors
    /// Where the scenario refuses it, for example because its fleet is too small.
    pub fn scenario(&self, base: &Scenario, design: &Design) -> Result<Scenario, String> {
        changed(base, &design.label, &self.settings(design))
    }

    /// All changes from the scenario that was planned for.
    pub fn settings(&self, design: &Design) -> Vec<KeyChange> {
        let pools = design.scenario.pools.iter().zip(&self.units);
        let units = pools.map(|(pool, n)| units_of(pool, *n));
        design.settings.iter().cloned().chain(units).collect()
    }

    /// The candidate in words: `2 prefill + 5 decode units (28 GPUs on 4 nodes)`; copies of the model are told where a
    /// unit has several.
    pub fn words(&self, design: &Design) -> String {
        let pools = design.scenario.pools.iter().zip(&self.units);
        let units: Vec<String> = pools
            .clone()
            .map(|(pool, n)| format!("{n} {}", pool.name))
            .collect();
        let copies: u32 = pools.clone().map(|(pool, n)| n * pool.replicas).sum();
        let copies = pools
            .clone()
            .any(|(pool, _)| pool.replicas > 1)
            .then(|| format!("{copies} copies, "));
        let plural = |n: u32, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
        let one = self.units.iter().sum::<u32>() == 1;
        format!(
            "{} unit{} ({}{} on {})",
            units.join(" + "),
            if one { "" } else { "s" },
            copies.unwrap_or_default(),
            plural(self.gpus, "GPU"),
            plural(self.nodes, "node")
        )
    }

    /// Candidates with fewer units on as many nodes, within the bounds, by rising number of accelerators in use.
    pub fn smaller(&self, design: &Design, question: &PlanQuestion) -> Vec<Self> {
        let scenario = &design.scenario;
        let mut all = vec![self.units.clone()];
        for (index, pool) in scenario.pools.iter().enumerate() {
            let least = bounds(pool, question).0;
            let mut longer = Vec::new();
            for units in &all {
                for n in (least..=units[index]).rev() {
                    let mut fewer = units.clone();
                    fewer[index] = n;
                    if nodes(scenario, &fewer) != self.nodes {
                        break;
                    }
                    longer.push(fewer);
                }
            }
            all = longer;
        }
        let each = all.into_iter().filter(|units| *units != self.units);
        let mut all: Vec<Self> = each
            .map(|units| Self::of(self.design, design, units))
            .collect();
        all.sort_by_key(|candidate| candidate.gpus);
        all
    }

    /// Whether a candidate is of the same design as another and has no more units of any pool.
    pub fn is_within(&self, other: &Self) -> bool {
        self.design == other.design && self.units.iter().zip(&other.units).all(|(a, b)| a <= b)
    }

    fn of(index: usize, design: &Design, units: Vec<u32>) -> Self {
        let scenario = &design.scenario;
        let nodes = nodes(scenario, &units);
        let gpus = scenario.pools.iter().zip(&units);
        Self {
            design: index,
            nodes,
            gpus: gpus.map(|(pool, n)| pool.gpus_per_unit * n).sum(),
            cost_usd: node_usd(scenario) * f64::from(nodes),
            units,
        }
    }
}

/// The change to so many units of a pool.
pub fn units_of(pool: &Pool, units: u32) -> KeyChange {
    KeyChange::set(format!("pools.{}.units", pool.name), units)
}

/// Changes in words, as for `--set`.
pub fn in_words(changes: &[KeyChange]) -> Vec<String> {
    changes.iter().map(KeyChange::text).collect()
}
