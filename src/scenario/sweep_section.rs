//! What the scenario says about sweeps over it. It is no part of the resolved text, so that a run has the same
//! text and hash whatever sweep it belongs to.

use super::tree::TomlTable;

/// Key of the table `[sweep]`.
pub const SWEEP: &str = "sweep";

/// The section `[sweep]` of a scenario.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SweepTable {
    /// Axes as they are written, such as `seed=1..9`.
    pub vary: Vec<String>,
    /// Points to spread over the axes; `None`: the whole grid.
    pub sample: Option<u64>,
    /// Runs of each point; `None`: not stated.
    pub replications: Option<u64>,
}

/// The `[sweep]` of a checked tree.
pub fn sweep(root: &TomlTable) -> SweepTable {
    let Some(table) = root.table(SWEEP) else {
        return SweepTable::default();
    };
    let texts = table.list("vary").unwrap_or_default();
    SweepTable {
        vary: texts
            .iter()
            .filter_map(|n| n.text().map(str::to_string))
            .collect(),
        sample: table.integer("sample"),
        replications: table.integer("replications"),
    }
}
