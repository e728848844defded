//! A step taken apart as tables for programs.

use crate::report::csv::BORROWED;
use crate::report::records::RecordTable;

/// The tables of `explain`; the first is what `--format csv` prints.
pub const TABLES: &[RecordTable] = &[
    RecordTable {
        columns: &["name", "seconds", "share", "provenance"],
        ..RecordTable::new("parts", "the parts of the step", &[("parts[]", "")])
    },
    RecordTable::new(
        "curve",
        "capacity: tokens/s per user and per accelerator by batch",
        &[("curve[]", "")],
    ),
    RecordTable::new(
        "memory",
        "the memory of an accelerator, in one row",
        &[("memory", "")],
    ),
    RecordTable {
        without: &[
            "parts",
            "curve",
            "memory",
            "step_times.borrowed",
            "load",
            "ranks",
        ],
        ..RecordTable::new(
            "step",
            "the step as a whole and what it rests on, in one row",
            &[("", "")],
        )
    },
    RecordTable {
        columns: BORROWED,
        ..RecordTable::new(
            "borrowed",
            "constants that step times borrow from another engine or accelerator",
            &[("step_times", "borrowed[]")],
        )
    },
];
