//! What the scenario says about plans for it. It is no part of the resolved text, so that a run has the same text
//! and hash whatever plan it belongs to.

use super::tree::{TomlNode, TomlTable};
use super::vocabulary::Goal;
use crate::units::SimDuration;

/// Key of the table `[plan]`.
pub const PLAN: &str = "plan";

/// The section `[plan]` of a scenario, texts as they are written.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PlanTable {
    /// Promises that must be kept, such as `ttft_p99=5s`; empty: none stated.
    pub slo: Vec<String>,
    /// What is sought; `None`: nobody says.
    pub goal: Option<Goal>,
    /// Most nodes at any time; `None`: not stated.
    pub nodes: Option<u32>,
    /// Bounds of the units of pools, such as `decode=1..9`.
    pub units: Vec<String>,
    /// Keys and the values that they may take.
    pub vary: Vec<String>,
    /// Least time between changes of units over the day; `None`: units do not change.
    pub schedule: Option<SimDuration>,
    /// Runs that must all keep every promise; `None`: not stated.
    pub replications: Option<u32>,
    /// By what part step times may be wrong; `None`: not stated.
    pub step_error: Option<f64>,
    /// Deployments of which one is chosen.
    pub options: Vec<PlanOption>,
}

/// A deployment that may be chosen.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PlanOption {
    /// Name of the option for people.
    pub name: String,
    /// Overrides by which the option differs from the scenario.
    pub set: Vec<String>,
    /// Keys and values of this option only.
    pub vary: Vec<String>,
}

/// The `[plan]` of a checked tree.
pub fn plan(root: &TomlTable) -> PlanTable {
    let Some(table) = root.table(PLAN) else {
        return PlanTable::default();
    };
    let options = table.list("option").unwrap_or_default();
    PlanTable {
        slo: texts(table, "slo"),
        goal: table.word("goal"),
        nodes: table.integer("nodes"),
        units: texts(table, "units"),
        vary: texts(table, "vary"),
        schedule: table.duration("schedule"),
        replications: table.integer("replications"),
        step_error: table.number("step_error"),
        options: options
            .iter()
            .filter_map(TomlNode::table)
            .map(option)
            .collect(),
    }
}

fn option(table: &TomlTable) -> PlanOption {
    PlanOption {
        name: table.text("name").unwrap_or_default().to_string(),
        set: texts(table, "set"),
        vary: texts(table, "vary"),
    }
}

fn texts(table: &TomlTable, key: &str) -> Vec<String> {
    let items = table.list(key).unwrap_or_default();
    items
        .iter()
        .filter_map(|item| item.text().map(str::to_string))
        .collect()
}
