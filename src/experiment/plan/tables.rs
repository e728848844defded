//! A plan as tables for programs.
//!
//! A deployment is called by its place in the JSON: `best`, `runners_up.0`, `nearest_miss`, `baseline`.

use crate::report::csv::BORROWED;
use crate::report::records::Table;

/// The column that names a deployment.
const DEPLOYMENT: &str = "deployment";

/// The tables; the first is what `--format csv` prints.
pub const TABLES: &[Table] = &[
    Table {
        key: DEPLOYMENT,
        columns: &[
            "option",
            "choices",
            "nodes",
            "gpus",
            "node_hours",
            "cost_usd",
            "profit_usd",
            "goodput_per_s",
            "step_error",
            "replications",
            "kept",
            "stretches_broken",
            "stretches",
        ],
        without: &["slos", "borrowed", "units", "binding", "limit", "broken"],
        labels: &[("pools", ".pool")],
        ..Table::new(
            "deployments",
            "the best deployment, the next best, the nearest miss and the scenario's own schedule",
            &[
                ("best", ""),
                ("runners_up[]", ""),
                ("nearest_miss", ""),
                ("baseline", ""),
            ],
        )
    },
    Table {
        key: DEPLOYMENT,
        columns: &[
            "figure",
            "is_floor",
            "limit",
            "mean",
            "low",
            "high",
            "interval.low",
            "interval.high",
            "strain",
            "may_break",
        ],
        without: &["promise", "shown", "sure"],
        ..Table::new(
            "promises",
            "what each deployment makes of each promise",
            &[
                ("best", "slos[]"),
                ("runners_up[]", "slos[]"),
                ("nearest_miss", "slos[]"),
                ("baseline", "slos[]"),
            ],
        )
    },
    Table {
        key: DEPLOYMENT,
        columns: &["pool", "units", "copies", "tensor", "gpus"],
        ..Table::new(
            "pools",
            "the pools of each deployment whose units are constant",
            &[
                ("best", "pools[]"),
                ("runners_up[]", "pools[]"),
                ("nearest_miss", "pools[]"),
                ("baseline", "pools[]"),
            ],
        )
    },
    Table {
        columns: &["from", "requests_per_s", "nodes", "gpus"],
        labels: &[("units", "schedule.pools[]")],
        ..Table::new(
            "schedule",
            "the day slot by slot, where a schedule was sought",
            &[("schedule", "slots[]")],
        )
    },
    Table {
        columns: &["option", "candidates", "ruled_out", "simulated"],
        ..Table::new(
            "options",
            "what became of each option",
            &[("options[]", "")],
        )
    },
    Table {
        columns: &["factor", "answer", "nodes", "by"],
        ..Table::new(
            "step_times",
            "the answer if steps take longer, or less",
            &[("step_times[]", "")],
        )
    },
    Table {
        key: DEPLOYMENT,
        columns: BORROWED,
        ..Table::new(
            "borrowed",
            "constants that step times borrow from another engine or accelerator",
            &[
                ("best", "borrowed[]"),
                ("runners_up[]", "borrowed[]"),
                ("nearest_miss", "borrowed[]"),
                ("baseline", "borrowed[]"),
            ],
        )
    },
    Table {
        key: DEPLOYMENT,
        of_owner: &["units", "binding", "limit", "broken"],
        columns: &["option"],
        ..Table::new(
            "remarks",
            "each deployment in words: its units, what binds it, what limits it, what it breaks",
            &[
                ("best", "option"),
                ("runners_up[]", "option"),
                ("nearest_miss", "option"),
                ("baseline", "option"),
            ],
        )
    },
    Table {
        columns: &["note"],
        ..Table::new("notes", "what the answer rests on", &[("", "notes[]")])
    },
    Table {
        without: &[
            "best",
            "runners_up",
            "nearest_miss",
            "baseline",
            "options",
            "step_times",
            "notes",
            "schedule.pools",
            "schedule.slots",
        ],
        labels: &[("schedule.carries", "schedule.pools[]")],
        ..Table::new("question", "what was asked, in one row", &[("", "")])
    },
];
