//! What the scenario says about sweeps over it. It is no part of the resolved text, so that a run has the same
//! text and hash whatever sweep it belongs to.

use super::tree::TomlTable;

/// The key of the table.
pub const SWEEP: &str = "sweep";

/// `[sweep]` of a scenario.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SweepTable {
    /// Axes as they are written.
    pub vary: Vec<String>,
    /// Points to spread over the axes instead of the whole grid.
    pub sample: Option<u64>,
    /// Runs of each point.
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
