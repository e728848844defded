//! What `validate` says as tables for programs.

use crate::report::records::Table;

/// The tables; the first is what `--format csv` prints.
pub const TABLES: &[Table] = &[
    Table::new(
        "cases",
        "published cases, predicted and measured",
        &[("cases[]", "")],
    ),
    Table::new(
        "balance",
        "imbalance of experts, predicted and published",
        &[("balance[]", "")],
    ),
    Table {
        columns: &["constant"],
        labels: &[("cases", "cases[].name")],
        ..Table::new(
            "sensitivities",
            "with --sensitivity: how much each case hangs on each constant",
            &[("sensitivities[]", "")],
        )
    },
    Table {
        of_owner: &["constants"],
        columns: &[
            "name",
            "count",
            "tpot.median",
            "tpot.p90",
            "tpot.bias",
            "ttft.median",
            "ttft.p90",
            "ttft.bias",
        ],
        ..Table::new(
            "servers",
            "with --data: errors on real servers, group by group",
            &[("silicon[]", "groups[]")],
        )
    },
    Table {
        of_owner: &["constants"],
        columns: &["pairs", "right", "gap"],
        ..Table::new(
            "orders",
            "with --data: pairs of real servers whose order is right",
            &[("silicon[]", "orders[]")],
        )
    },
    Table {
        columns: &[
            "class",
            "about",
            "experts",
            "count",
            "median",
            "p90",
            "ratio_p5",
            "ratio_p95",
            "stated",
        ],
        ..Table::new(
            "borrowed",
            "with --data: errors of borrowed constants",
            &[("borrowed[]", "")],
        )
    },
    Table {
        columns: &["name", "measured_s", "simulated_s"],
        ..Table::new("vllm", "with --data: a server of vLLM", &[("vllm[]", "")])
    },
    Table {
        columns: &[
            "system",
            "rate_per_s",
            "measured_ttft_s",
            "ttft_s",
            "measured_tpot_s",
            "tpot_s",
            "stable",
            "more_is_stable",
            "carried",
        ],
        ..Table::new(
            "mlperf",
            "with --data: submissions to MLPerf Inference",
            &[("mlperf[]", "")],
        )
    },
];
