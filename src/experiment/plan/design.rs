//! Designs: everything about a deployment but how many units it has. And candidates: designs with units.

use super::choice::{Choice, UnitBounds};
use super::load::Loads;
use super::question::Question;
use super::screen::Screen;
use crate::perf::with_capacities;
use crate::scenario::nodes_of;
use crate::scenario::{Pool, Role, Scenario, load_str};
use crate::units::NS_PER_HOUR;

/// Most designs of one plan, and most candidates.
const MAX_DESIGNS: usize = 10_000;
const MAX_CANDIDATES: usize = 1_000_000;

/// A deployment without its numbers of units.
#[derive(Clone, Debug)]
pub struct Design {
    /// Index of its option.
    pub option: usize,
    /// What tells it from the others of its option: `max_batch_requests = 128`.
    pub label: String,
    /// How it differs from the scenario, as for `--set`.
    pub settings: Vec<String>,
    /// It, with the units that the scenario happens to state.
    pub scenario: Scenario,
    /// Its arithmetic; or why it cannot run at all.
    pub screen: Result<Screen, String>,
}

/// A design with units.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// Index of its design.
    pub design: usize,
    /// Units of each pool, in the order of the design's pools.
    pub units: Vec<u32>,
    /// All nodes.
    pub nodes: u32,
    /// What they cost over the counted time, in dollars.
    pub cost_usd: f64,
}

/// All designs of a question about a scenario.
///
/// # Errors
/// What cannot be read, the way mistakes in a scenario are shown.
pub fn designs(base: &Scenario, question: &Question) -> Result<Vec<Design>, String> {
    let mut all = Vec::new();
    // A plan may go beyond the nodes that the scenario has.
    let fleet = base.node.fleet.filter(|fleet| *fleet < question.nodes);
    let fleet = fleet.map(|_| format!("node.fleet={}", question.nodes));
    for (index, option) in question.options.iter().enumerate() {
        let plain = changed(base, &option.name, &option.set)?;
        let own = option.vary.iter().map(|text| Choice::parse(text));
        let own = own.collect::<Result<Vec<_>, _>>()?;
        // What an option says of a key goes before what is said of all.
        let is_own = |choice: &Choice| own.iter().any(|o| o.key == choice.key);
        let common = question.vary.iter();
        let common = common.filter(|c| concerns(&c.key, &plain) && !is_own(c));
        let choices: Vec<&Choice> = common.chain(&own).collect();
        let combinations = choices
            .iter()
            .try_fold(1_usize, |n, c| n.checked_mul(c.values.len()))
            .filter(|n| *n + all.len() <= MAX_DESIGNS)
            .ok_or_else(|| {
                format!("the options and their choices make more than {MAX_DESIGNS} designs; give fewer values")
            })?;
        for number in 0..combinations {
            let mut settings: Vec<String> = fleet.iter().chain(&option.set).cloned().collect();
            let mut labels = Vec::new();
            let mut rest = number;
            for choice in &choices {
                let value = &choice.values[rest % choice.values.len()];
                rest /= choice.values.len();
                settings.push(format!("{}={value}", choice.key));
                labels.push(format!(
                    "{} = {value}",
                    choice.key.trim_start_matches("pools.")
                ));
            }
            let scenario = changed(base, &option.name, &settings)?;
            let screen = with_capacities(&scenario).and_then(|whole| Screen::new(&whole));
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
        if !all.iter().any(|d| concerns(&choice.key, &d.scenario)) {
            return Err(format!("no option has the pool of `{}`", choice.key));
        }
    }
    Ok(all)
}

/// The scenario with changes.
///
/// # Errors
/// The mistakes in them, and whose they are.
pub fn changed(base: &Scenario, whose: &str, settings: &[String]) -> Result<Scenario, String> {
    load_str(&base.name, &base.resolved_toml, settings)
        .map_err(|mistakes| format!("option `{whose}`:\n{}", mistakes.render(false)))
}

/// Whether a key says something about a scenario's pools; other keys concern every scenario.
fn concerns(key: &str, scenario: &Scenario) -> bool {
    let Some(path) = key.strip_prefix("pools.") else {
        return true;
    };
    let pool = path.split('.').next().unwrap_or(path);
    scenario.pools.iter().any(|p| p.name == pool)
}

/// Every combination of units within the bounds, of one design.
///
/// # Errors
/// Where there are too many.
pub fn candidates(
    index: usize,
    design: &Design,
    question: &Question,
) -> Result<Vec<Candidate>, String> {
    let scenario = &design.scenario;
    let bounds: Vec<(u32, u32)> = scenario
        .pools
        .iter()
        .map(|pool| bounds(pool, question))
        .collect();
    let mut all = vec![Vec::new()];
    for (pool, (least, most)) in scenario.pools.iter().zip(&bounds) {
        let mut longer = Vec::new();
        for units in &all {
            for n in *least..=*most {
                let mut units: Vec<u32> = units.clone();
                units.push(n);
                if nodes(&scenario, &units) <= question.nodes {
                    longer.push(units);
                }
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
    let per_node_usd = node_usd(scenario);
    Ok(all
        .into_iter()
        .map(|units| {
            let nodes = nodes(scenario, &units);
            Candidate {
                design: index,
                nodes,
                cost_usd: per_node_usd * f64::from(nodes),
                units,
            }
        })
        .collect())
}

/// Units that a pool may have.
pub fn bounds(pool: &Pool, question: &Question) -> (u32, u32) {
    let stated = question.units.iter().find(|b| b.pool == pool.name);
    stated.map_or((1, pool.units_on(question.nodes)), |b: &UnitBounds| {
        (b.least, b.most.min(pool.units_on(question.nodes)))
    })
}

/// Nodes of so many units of each pool; the fewest that are too many where they do not fit a number.
fn nodes(scenario: &Scenario, units: &[u32]) -> u32 {
    let nodes = nodes_of(&scenario.pools, units, &scenario.node);
    u32::try_from(nodes).unwrap_or(u32::MAX)
}

/// What a node costs over the counted time.
pub fn node_usd(scenario: &Scenario) -> f64 {
    let hours = scenario.duration.0 as f64 / NS_PER_HOUR as f64;
    hours * f64::from(scenario.node.gpus) * scenario.node.price_per_gpu_hour.as_usd()
}

impl Candidate {
    /// It as a scenario: the design's settings, and its units.
    ///
    /// # Errors
    /// Where the scenario refuses it, for example because its fleet is too small.
    pub fn scenario(&self, base: &Scenario, design: &Design) -> Result<Scenario, String> {
        changed(base, &design.label, &self.settings(design))
    }

    /// All that differs from the scenario that was planned for, as for `--set`.
    pub fn settings(&self, design: &Design) -> Vec<String> {
        let pools = design.scenario.pools.iter().zip(&self.units);
        let units = pools.map(|(pool, n)| format!("pools.{}.units={n}", pool.name));
        design.settings.iter().cloned().chain(units).collect()
    }

    /// `2 prefill + 5 decode units, 7 nodes`.
    pub fn words(&self, design: &Design) -> String {
        let pools = design.scenario.pools.iter().zip(&self.units);
        let units: Vec<String> = pools
            .map(|(pool, n)| format!("{n} {}", pool.name))
            .collect();
        format!("{} units", units.join(" + "))
    }

    /// Why arithmetic rules it out, however optimistic; `None` where it does not.
    pub fn ruled_out(
        &self,
        design: &Design,
        loads: Option<&Loads<'_>>,
        question: &Question,
    ) -> Option<String> {
        let screen = match &design.screen {
            Ok(screen) => screen,
            Err(why) => return Some(why.clone()),
        };
        let load = loads?.day();
        for (index, pool) in design.scenario.pools.iter().enumerate() {
            let step = screen
                .pace(index, self.units[index], &load, load.per_s)
                .seconds();
            if step.is_infinite() {
                return Some(format!(
                    "more comes than {} {} units can serve",
                    self.units[index], pool.name
                ));
            }
            let best =
                |slo: &super::slo::Slo| slo.at_best(pool.role, step, screen.tokens_per_step());
            let missed = question
                .slos
                .iter()
                .find(|slo| best(slo).is_some_and(|value| slo.strain(Some(value)) > BEYOND));
            if let Some(slo) = missed {
                let value = best(slo).unwrap_or_default();
                return Some(format!("{} at best {}", slo.name(), slo.show(value)));
            }
        }
        None
    }
}

/// A promise that the optimistic arithmetic breaks by more than this is given up: a tenth is left for what
/// the arithmetic rounds.
const BEYOND: f64 = 1.1;

/// Whether the two phases of a request are served by different pools.
pub fn is_separate(scenario: &Scenario) -> bool {
    scenario.pools.iter().any(|pool| pool.role == Role::Decode)
}
