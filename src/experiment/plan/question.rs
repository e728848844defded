//! What a plan is asked: promises, goal, bounds, and what may be chosen.

use super::choice::{Choice, UnitBounds};
use super::slo::{PlanSlo, SloFigure, Statistic, help};
use crate::experiment::vary::{CHOICE, each_key_once};
use crate::scenario::{ArrivalKind, Goal, PlanOption, PlanTable, Scenario};
use crate::units::{NS_PER_DAY, NS_PER_HOUR, SimDuration};

/// The question of a plan, checked.
#[derive(Clone, Debug)]
pub struct PlanQuestion {
    /// Promises that must be kept.
    pub slos: Vec<PlanSlo>,
    /// Goal of the search.
    pub goal: Goal,
    /// Most nodes at any time.
    pub nodes: u32,
    /// Bounds of units by pool.
    pub units: Vec<UnitBounds>,
    /// Keys and values of all options.
    pub vary: Vec<Choice>,
    /// Deployments of which one is chosen; never empty.
    pub options: Vec<PlanOption>,
    /// Choices of each option, in the order of the options.
    pub own: Vec<Vec<Choice>>,
    /// Least time between changes of units over the day; `None`: they do not change.
    pub schedule: Option<SimDuration>,
    /// Length of stretches in each of which promises must be kept, too; `None`: over the whole time.
    pub every: Option<SimDuration>,
    /// Number of runs that must all keep every promise.
    pub replications: u32,
    /// By what part step times may be wrong; `None`: what each design's constants rest on says.
    pub step_error: Option<f64>,
    /// Whether steps take as long as computed.
    pub steps: Steps,
}

/// The length of steps in relation to the computed one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Steps {
    /// Steps take as long as computed.
    Computed,
    /// Steps take longer by the error.
    Longer,
    /// Steps take less time by the error.
    Less,
}

/// Length of the stretches in which a schedule must keep its promises where nobody says otherwise.
const BY_THE_HOUR: SimDuration = SimDuration(NS_PER_HOUR);

impl PlanQuestion {
    /// Reads the question from what the scenario and the command line say.
    ///
    /// # Errors
    /// What is missing or wrong, and what to write.
    pub fn new(given: &PlanTable, scenario: &Scenario) -> Result<Self, String> {
        let stated = &scenario.plan;
        let slos = either(&given.slo, &stated.slo).iter();
        let mut slos: Vec<PlanSlo> = slos
            .map(|text| PlanSlo::parse(text))
            .collect::<Result<_, _>>()?;
        if slos.is_empty() {
            slos = targets_of_classes(scenario);
        }
        if slos.is_empty() {
            return Err(format!(
                "there is nothing to keep: the scenario has neither [plan] slo nor a class with an attainment, and \
                 no --slo was given; {}",
                help()
            ));
        }
        if slos.iter().all(|slo| slo.figure != SloFigure::Lost) {
            slos.push(PlanSlo {
                figure: SloFigure::Lost,
                statistic: Statistic::Mean,
                limit: 0.0,
            });
        }
        let goal = given.goal.or(stated.goal).unwrap_or(Goal::Cost);
        let judged = scenario.classes.iter().any(|class| class.slo.is_some());
        if goal == Goal::Goodput && !judged {
            return Err("goodput counts requests within their class's targets, and no class has an `slo`; give \
                 one to [[class]]: slo = { ttft_s = 2.0, tpot_s = 0.05 }"
                .to_string());
        }
        if goal == Goal::Profit && scenario.classes.iter().all(|class| class.price.is_none()) {
            return Err(
                "profit needs revenue, and no class has a `price`; give one to [[class]], or minimise the cost"
                    .to_string(),
            );
        }
        let nodes = given.nodes.or(stated.nodes).or(scenario.node.fleet).ok_or(
            "the search has no bound: say how many nodes there are with --nodes, [plan] nodes or node.fleet",
        )?;
        let schedule = given.schedule.or(stated.schedule);
        if schedule.is_some() {
            schedulable(scenario, goal)?;
        }
        let pools = scenario.pools.iter().map(|pool| pool.name.as_str());
        let pools: Vec<&str> = pools.collect();
        let (vary, own) = choices(given, stated)?;
        let (options, own) = if stated.options.is_empty() {
            let only = PlanOption {
                name: match vary.as_slice() {
                    [] => "as it stands".to_string(),
                    _ => pools.join(" + "),
                },
                ..PlanOption::default()
            };
            (vec![only], vec![Vec::new()])
        } else {
            (stated.options.clone(), own)
        };
        let units = if given.units.is_empty() {
            all(&stated.units, "[plan] units", UnitBounds::parse)
        } else {
            all(&given.units, "argument --units", UnitBounds::parse)
        };
        Ok(Self {
            slos,
            goal,
            nodes,
            units: units?,
            vary,
            options,
            own,
            schedule,
            every: scenario
                .slo_every
                .or(schedule.map(|_| BY_THE_HOUR))
                .filter(|every| *every < scenario.duration),
            replications: given
                .replications
                .or(stated.replications)
                .unwrap_or(if schedule.is_some() { 1 } else { 3 }),
            step_error: given.step_error.or(stated.step_error),
            steps: Steps::Computed,
        })
    }
}

impl PlanQuestion {
    /// By what part step times of a scenario may be wrong.
    pub fn step_error(&self, scenario: &Scenario) -> f64 {
        self.step_error.unwrap_or(scenario.step_basis.error)
    }

    /// Factor on the step times of a scenario.
    pub fn step_factor(&self, scenario: &Scenario) -> f64 {
        match self.steps {
            Steps::Computed => 1.0,
            Steps::Longer => 1.0 + self.step_error(scenario),
            Steps::Less => 1.0 - self.step_error(scenario),
        }
    }
}

/// Promises of the attainments that classes demand: what a run would be judged by.
fn targets_of_classes(scenario: &Scenario) -> Vec<PlanSlo> {
    let demanded = scenario.classes.iter().filter_map(|c| c.slo?.attainment);
    let limit = demanded.reduce(f64::max);
    limit
        .map(|limit| PlanSlo {
            figure: SloFigure::Attainment,
            statistic: Statistic::Mean,
            limit,
        })
        .into_iter()
        .collect()
}

fn schedulable(scenario: &Scenario, goal: Goal) -> Result<(), String> {
    if goal != Goal::Cost {
        return Err("a schedule is sought for the least cost only; leave out `goal`".to_string());
    }
    let mut kinds = scenario.classes.iter().map(|class| &class.arrivals.kind);
    if kinds.any(|kind| !matches!(kind, ArrivalKind::Poisson | ArrivalKind::Deterministic)) {
        return Err(
            "a schedule is worked out from a rate over the day, and a class has recorded arrivals or a closed \
             loop of users; leave out --schedule"
                .to_string(),
        );
    }
    if scenario
        .classes
        .iter()
        .any(|class| class.arrivals.cycle.0 != NS_PER_DAY)
    {
        return Err(
            "a schedule is worked out from the rate of one day, and a class has traffic of several days; plan the \
             heaviest of them, or leave out --schedule"
                .to_string(),
        );
    }
    Ok(())
}

/// Choices for all options, and those of each. What the command line says of a key holds instead of what the scenario
/// says for all, and instead of what an option says of the same key.
fn choices(
    given: &PlanTable,
    stated: &PlanTable,
) -> Result<(Vec<Choice>, Vec<Vec<Choice>>), String> {
    let is_given = !given.vary.is_empty();
    let vary = if is_given {
        all(&given.vary, "argument --vary", Choice::parse)?
    } else {
        all(&stated.vary, "[plan] vary", Choice::parse)?
    };
    once(&vary)?;
    let mut own = Vec::new();
    for option in &stated.options {
        let source = format!("[plan] vary of option {}", option.name);
        let mut choices = all(&option.vary, &source, Choice::parse)?;
        once(&choices)?;
        choices.retain(|choice| !is_given || !vary.iter().any(|v| v.axis.meets(&choice.axis)));
        own.push(choices);
    }
    Ok((vary, own))
}

fn once(choices: &[Choice]) -> Result<(), String> {
    each_key_once(choices.iter().map(|choice| &choice.axis)).map_err(|error| error.show(&CHOICE))
}

fn all<T>(
    texts: &[String],
    source: &str,
    one: fn(&str, &str) -> Result<T, String>,
) -> Result<Vec<T>, String> {
    texts.iter().map(|text| one(source, text)).collect()
}

fn either<'a>(given: &'a [String], stated: &'a [String]) -> &'a [String] {
    if given.is_empty() { stated } else { given }
}
