//! What `validate` says as tables for programs.

use crate::report::records::RecordTable;

/// The tables of `validate`; the first is what `--format csv` prints.
pub const TABLES: &[RecordTable] = &[
    RecordTable::new(
        "cases",
        "published cases, predicted and measured",
        &[("cases[]", "")],
    ),
    RecordTable::new(
        "balance",
        "imbalance of experts, predicted and published",
        &[("balance[]", "")],
    ),
    RecordTable {
        columns: &["constant"],
        labels: &[("cases", "cases[].name")],
        ..RecordTable::new(
            "sensitivities",
            "with --sensitivity: how much each case hangs on each constant",
            &[("sensitivities[]", "")],
        )
    },
    RecordTable {
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
        ..RecordTable::new(
            "servers",
            "with --data: errors on real servers, group by group",
            &[("silicon[]", "groups[]")],
        )
    },
    RecordTable {
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
        ..RecordTable::new(
            "second",
            "with --data: the same on the second recorded set",
            &[("second[]", "groups[]")],
        )
    },
    RecordTable {
        columns: &[
            "engine",
            "release",
            "gpu",
            "model",
            "separate",
            "seen",
            "count",
            "tpot.median",
            "tpot.p90",
            "tpot.bias",
            "ttft.median",
            "ttft.p90",
            "ttft.bias",
        ],
        ..RecordTable::new(
            "cells",
            "with --data: errors by engine, accelerator and model",
            &[("cells[]", "")],
        )
    },
    RecordTable {
        columns: &[
            "constant",
            "rows",
            "tpot_less",
            "tpot_more",
            "ttft_less",
            "ttft_more",
            "error_less",
            "error",
            "error_more",
        ],
        ..RecordTable::new(
            "moved",
            "with --data and --sensitivity: what each constant, a tenth less and more, does to recorded servers",
            &[("moved[]", "")],
        )
    },
    RecordTable {
        of_owner: &["constants"],
        columns: &["pairs", "right", "gap"],
        ..RecordTable::new(
            "orders",
            "with --data: pairs of real servers whose order is right",
            &[("silicon[]", "orders[]")],
        )
    },
    RecordTable {
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
        ..RecordTable::new(
            "borrowed",
            "with --data: errors of borrowed constants",
            &[("borrowed[]", "")],
        )
    },
    RecordTable {
        columns: &["name", "measured_s", "simulated_s"],
        ..RecordTable::new("vllm", "with --data: a server of vLLM", &[("vllm[]", "")])
    },
    RecordTable {
        columns: &[
            "system",
            "gpu",
            "rate_per_s",
            "measured_ttft_s",
            "ttft_s",
            "measured_tpot_s",
            "tpot_s",
            "stable",
            "more_is_stable",
            "carried",
        ],
        ..RecordTable::new(
            "mlperf",
            "with --data: submissions to MLPerf Inference",
            &[("mlperf[]", "")],
        )
    },
];
