//! A step taken apart as tables for programs.

use crate::report::csv::BORROWED;
use crate::report::records::Table;

/// The tables; the first is what `--format csv` prints.
pub const TABLES: &[Table] = &[
    Table {
        columns: &["name", "seconds", "share", "provenance"],
        ..Table::new("parts", "the parts of the step", &[("parts[]", "")])
    },
    Table::new(
        "curve",
        "capacity: tokens/s per user and per accelerator by batch",
        &[("curve[]", "")],
    ),
    Table::new(
        "memory",
        "the memory of an accelerator, in one row",
        &[("memory", "")],
    ),
    Table {
        without: &[
            "parts",
            "curve",
            "memory",
            "step_times.borrowed",
            "load",
            "ranks",
        ],
        ..Table::new(
            "step",
            "the step as a whole and what it rests on, in one row",
            &[("", "")],
        )
    },
    Table {
        columns: BORROWED,
        ..Table::new(
            "borrowed",
            "constants that step times borrow from another engine or accelerator",
            &[("step_times", "borrowed[]")],
        )
    },
];
