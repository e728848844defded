//! Draws of uncertain inputs as tables for programs.

use crate::report::records::Table;

/// The tables; the first is what `--format csv` prints.
pub const TABLES: &[Table] = &[
    Table {
        columns: &["verdict"],
        without: &["values"],
        labels: &[("inputs", "inputs[].path")],
        ..Table::new(
            "draws",
            "of a scenario with uncertain inputs: a draw each, its inputs and its figures",
            &[("draws[]", "")],
        )
    },
    Table {
        columns: &[
            "field",
            "low",
            "middle",
            "high",
            "hangs_on.input",
            "hangs_on.rank_correlation",
        ],
        ..Table::new(
            "figures",
            "where each figure lay, and which input it hangs on",
            &[("figures[]", "")],
        )
    },
    Table {
        columns: &["path", "low", "high"],
        without: &["range"],
        ..Table::new(
            "inputs",
            "of a scenario with uncertain inputs: what was uncertain",
            &[("inputs[]", "")],
        )
    },
    Table {
        columns: &["verdict", "draws"],
        ..Table::new(
            "verdicts",
            "of a scenario with uncertain inputs: how many draws ended how",
            &[("verdicts[]", "")],
        )
    },
    Table {
        columns: &[
            "name",
            "hash",
            "verdict_hangs_on.input",
            "verdict_hangs_on.rank_correlation",
        ],
        without: &["inputs", "verdicts", "figures", "draws"],
        ..Table::new("scenario", "what was simulated, in one row", &[("", "")])
    },
];
