//! Draws of uncertain inputs as tables for programs.

use crate::report::records::RecordTable;

/// The tables of an outlook; the first is what `--format csv` prints.
pub const TABLES: &[RecordTable] = &[
    RecordTable {
        columns: &["verdict"],
        without: &["values"],
        labels: &[("inputs", "inputs[].path")],
        ..RecordTable::new(
            "draws",
            "of a scenario with uncertain inputs: a draw each, its inputs and its figures",
            &[("draws[]", "")],
        )
    },
    RecordTable {
        columns: &[
            "field",
            "low",
            "middle",
            "high",
            "hangs_on.input",
            "hangs_on.rank_correlation",
        ],
        ..RecordTable::new(
            "figures",
            "where each figure lay, and which input it hangs on",
            &[("figures[]", "")],
        )
    },
    RecordTable {
        columns: &["path", "low", "high"],
        without: &["range"],
        ..RecordTable::new(
            "inputs",
            "of a scenario with uncertain inputs: what was uncertain",
            &[("inputs[]", "")],
        )
    },
    RecordTable {
        columns: &["verdict", "draws"],
        ..RecordTable::new(
            "verdicts",
            "of a scenario with uncertain inputs: how many draws ended how",
            &[("verdicts[]", "")],
        )
    },
    RecordTable {
        columns: &[
            "name",
            "hash",
            "verdict_hangs_on.input",
            "verdict_hangs_on.rank_correlation",
        ],
        without: &["inputs", "verdicts", "figures", "draws"],
        ..RecordTable::new("scenario", "what was simulated, in one row", &[("", "")])
    },
];
