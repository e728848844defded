//! A comparison as tables for programs.

use crate::report::csv::BORROWED;
use crate::report::records::Table;

/// The tables; the first is what `--format csv` prints.
pub const TABLES: &[Table] = &[
    Table {
        of_owner: &["label", "against"],
        columns: &[
            "field",
            "before",
            "after",
            "difference",
            "interval.low",
            "interval.high",
            "finding",
        ],
        ..Table::new(
            "differences",
            "every figure of a scenario against that of the first, with the interval of the difference",
            &[("versus[]", "differences[]")],
        )
    },
    Table {
        columns: &[
            "rank",
            "label",
            "value",
            "to_best.field",
            "to_best.before",
            "to_best.after",
            "to_best.difference",
            "to_best.interval.low",
            "to_best.interval.high",
            "to_best.finding",
        ],
        ..Table::new(
            "ranking",
            "scenarios by the figure that decides, best first",
            &[("ranking[]", "")],
        )
    },
    Table {
        without: &["summary", "step_times.borrowed"],
        ..Table::new("scenarios", "what was compared", &[("sides[]", "")])
    },
    Table {
        of_owner: &["label", "against"],
        columns: &["reason"],
        ..Table::new(
            "reasons",
            "why an average request takes longer or less, sentence by sentence",
            &[("versus[]", "reasons[]")],
        )
    },
    Table {
        of_owner: &["label"],
        ..Table::figures(&[("sides[]", "summary")])
    },
    Table {
        of_owner: &["label"],
        columns: BORROWED,
        ..Table::new(
            "borrowed",
            "constants that step times borrow from another engine or accelerator",
            &[("sides[]", "step_times.borrowed[]")],
        )
    },
    Table {
        without: &["sides", "ranking", "versus"],
        ..Table::new("question", "what was asked, in one row", &[("", "")])
    },
];
