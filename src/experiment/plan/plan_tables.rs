//! A plan as tables for programs.
//!
//! A deployment is called by its place in the JSON: `best`, `runners_up.0`, `nearest_miss`, `baseline`.

use crate::report::csv::BORROWED;
use crate::report::records::RecordTable;

/// The column that names a deployment.
const DEPLOYMENT: &str = "deployment";

/// The tables of a plan; the first is what `--format csv` prints.
pub const TABLES: &[RecordTable] = &[
    RecordTable {
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
        ..RecordTable::new(
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
    RecordTable {
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
        ..RecordTable::new(
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
    RecordTable {
        key: DEPLOYMENT,
        columns: &["pool", "units", "copies", "tensor", "gpus"],
        ..RecordTable::new(
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
    RecordTable {
        columns: &["from", "requests_per_s", "nodes", "gpus"],
        labels: &[("units", "schedule.pools[]")],
        ..RecordTable::new(
            "schedule",
            "the day slot by slot, where a schedule was sought",
            &[("schedule", "slots[]")],
        )
    },
    RecordTable {
        columns: &["option", "candidates", "ruled_out", "simulated"],
        ..RecordTable::new(
            "options",
            "what became of each option",
            &[("options[]", "")],
        )
    },
    RecordTable {
        columns: &["factor", "answer", "nodes", "by"],
        ..RecordTable::new(
            "step_times",
            "the answer if steps take longer, or less",
            &[("step_times[]", "")],
        )
    },
    RecordTable {
        key: DEPLOYMENT,
        columns: BORROWED,
        ..RecordTable::new(
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
    RecordTable {
        key: DEPLOYMENT,
        of_owner: &["units", "binding", "limit", "broken"],
        columns: &["option"],
        ..RecordTable::new(
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
    RecordTable {
        columns: &["note"],
        ..RecordTable::new("notes", "what the answer rests on", &[("", "notes[]")])
    },
    RecordTable {
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
        ..RecordTable::new("question", "what was asked, in one row", &[("", "")])
    },
];
