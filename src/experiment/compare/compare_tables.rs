//! A comparison as tables for programs.

use crate::report::csv::BORROWED;
use crate::report::records::RecordTable;

/// The tables of a comparison; the first is what `--format csv` prints.
pub const TABLES: &[RecordTable] = &[
    RecordTable {
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
        ..RecordTable::new(
            "differences",
            "every figure of a scenario against that of the first, with the interval of the difference",
            &[("versus[]", "differences[]")],
        )
    },
    RecordTable {
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
        ..RecordTable::new(
            "ranking",
            "scenarios by the figure that decides, best first",
            &[("ranking[]", "")],
        )
    },
    RecordTable {
        without: &["summary", "step_times.borrowed"],
        ..RecordTable::new("scenarios", "what was compared", &[("sides[]", "")])
    },
    RecordTable {
        of_owner: &["label", "against"],
        columns: &["reason"],
        ..RecordTable::new(
            "reasons",
            "why an average request takes longer or less, sentence by sentence",
            &[("versus[]", "reasons[]")],
        )
    },
    RecordTable {
        of_owner: &["label"],
        ..RecordTable::figures(&[("sides[]", "summary")])
    },
    RecordTable {
        of_owner: &["label"],
        columns: BORROWED,
        ..RecordTable::new(
            "borrowed",
            "constants that step times borrow from another engine or accelerator",
            &[("sides[]", "step_times.borrowed[]")],
        )
    },
    RecordTable {
        without: &["sides", "ranking", "versus"],
        ..RecordTable::new("question", "what was asked, in one row", &[("", "")])
    },
];
