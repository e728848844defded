//! What the scenario says about sweeps over it. It is taken out of the tree before that is resolved, so
//! that a run has the same text and hash whatever sweep it belongs to.

use super::tree::TomlTable;

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

/// Takes `[sweep]` out of a checked tree.
pub fn take(root: &mut TomlTable) -> SweepTable {
    let Some(entry) = root.remove("sweep") else {
        return SweepTable::default();
    };
    let Some(table) = entry.node.table() else {
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
