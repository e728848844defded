//! The tables of a run for spreadsheets and plotting; above all a row an hour or an interval.
//!
//! The columns are the paths of the summary's own fields (`latency.ttft_s.p99`,
//! `pools.decode.utilization`), so there is one glossary; units are in the names. In order:
//!
//! | columns | what |
//! |---|---|
//! | `start`, `duration_s` | local start with its offset from UTC; length |
//! | `nodes_mean` | paid nodes, time average |
//! | `requests.*` | requests by fate; `in_flight_at_start` and `in_flight` are those at the edges |
//! | `tokens.*`, `kv_hit_rate` | tokens by kind; cached over input tokens |
//! | `latency.*` | `ttft_s`, `tpot_s`, `itl_s`, `e2e_s`, `queue_s`, `decode_queue_s`, each `count` to `max` |
//! | `output_speed_tokens_per_s` | tokens after the first over the time after the first |
//! | `cost_usd`, `revenue_usd`, `profit_usd` | money |
//! | `energy_kwh`, `energy_overhead_kwh` | energy of the accelerators, and of the rest of their nodes |
//! | `pools.NAME.*` | what [`PoolSummary`] says, for each pool |
//!
//! A figure that the run cannot know is an empty cell.

use std::collections::BTreeSet;

use ::csv::{Error, Writer};

use super::records::{RecordTable, Records};
use super::summary::{DistributionSummary, PoolSummary, RunSummary, SpanSummary};

/// The tables of a run; the first is what `--format csv` prints.
pub const TABLES: &[RecordTable] = &[
    RecordTable::new(HOURS, "an hour each, as in hours.csv", &[("hours[]", "")]),
    RecordTable::new(
        INTERVALS,
        "an interval of report_every each, as in intervals.csv",
        &[("intervals[]", "")],
    ),
    RecordTable::figures(&[("", "")]),
    RecordTable {
        key: "pool",
        ..RecordTable::new("pools", "a pool each", &[("pools{}", "")])
    },
    RecordTable {
        key: "class",
        without: &["slo_by_hour"],
        ..RecordTable::new("classes", "a class each", &[("classes{}", "")])
    },
    RecordTable {
        key: "class",
        columns: &["start", "judged", "attainment"],
        ..RecordTable::new(
            "slo",
            "a class's SLO in an hour each",
            &[("classes{}", "slo_by_hour[]")],
        )
    },
    RecordTable {
        columns: &["from_tokens", "to_tokens", "completed"],
        ..RecordTable::new(
            "lengths",
            "requests by the length of their input",
            &[("input_length_buckets[]", "")],
        )
    },
    RecordTable {
        columns: &[
            "name",
            "field",
            "published_low",
            "published_high",
            "published",
            "simulated",
            "kind",
            "source",
        ],
        ..RecordTable::new(
            "published",
            "published figures beside simulated ones",
            &[("published[]", "")],
        )
    },
    RecordTable {
        key: "field",
        columns: &["reason"],
        ..RecordTable::new(
            "no_interval",
            "figures of one run without an interval, and why",
            &[("no_interval{}", "")],
        )
    },
    RecordTable {
        columns: &["in_system"],
        ..RecordTable::new(
            "in_system",
            "requests in the system in each batch of the window, where the load is steady",
            &[("", "in_system[]")],
        )
    },
    RecordTable {
        key: "balance",
        columns: &["left", "right", "holds"],
        ..RecordTable::new(
            "audit",
            "balances that must hold exactly",
            &[("audit{}", "")],
        )
    },
    RecordTable {
        columns: &["warning"],
        ..RecordTable::new(
            "warnings",
            "what a careful reader should know",
            &[("", "warnings[]")],
        )
    },
    RecordTable {
        without: &[
            "requests",
            "tokens",
            "kv_hit_rate",
            "nodes",
            "throughput",
            "latency",
            "input_length_buckets",
            "decode",
            "economics",
            "pools",
            "classes",
            "hours",
            "intervals",
            "published",
            "confidence",
            "no_interval",
            "in_system",
            "audit",
            "warnings",
            "step_times.borrowed",
        ],
        ..RecordTable::new("scenario", "what was simulated, in one row", &[("", "")])
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

/// Columns of the table of borrowed constants.
pub const BORROWED: &[&str] = &["what", "from", "reason"];
/// Name of the table of [`hours`].
const HOURS: &str = "hours";
/// Name of the table of [`intervals`].
const INTERVALS: &str = "intervals";

/// A table of a run, by its name in [`TABLES`].
///
/// # Errors
/// Where the summary cannot be written as JSON.
pub fn table(table: &RecordTable, summary: &RunSummary) -> Result<String, serde_json::Error> {
    match table.name {
        HOURS => Ok(hours(summary)),
        INTERVALS => Ok(intervals(summary)),
        _ => Ok(Records::of(table, summary)?.to_csv()),
    }
}

/// The table of hours: a row each, under a row of names.
pub fn hours(summary: &RunSummary) -> String {
    rows(&summary.hours)
}

/// The table of intervals of `report_every`: a row each, under a row of names; without intervals the names alone.
pub fn intervals(summary: &RunSummary) -> String {
    rows(&summary.intervals)
}

fn rows(spans: &[SpanSummary]) -> String {
    let bytes = write(spans).expect("all rows are as long as the first and are written to memory");
    String::from_utf8_lossy(&bytes).into_owned()
}

fn write(spans: &[SpanSummary]) -> Result<Vec<u8>, Error> {
    let pools: BTreeSet<&str> = spans
        .iter()
        .flat_map(|span| span.pools.keys())
        .map(String::as_str)
        .collect();
    let mut writer = Writer::from_writer(Vec::new());
    writer.write_record(names(&pools))?;
    for span in spans {
        writer.write_record(cells(span, &pools))?;
    }
    writer.into_inner().map_err(|e| e.into_error().into())
}

const SPAN: [&str; 3] = ["start", "duration_s", "nodes_mean"];
const REQUESTS: [&str; 6] = [
    "in_flight_at_start",
    "arrived",
    "completed",
    "rejected",
    "failed",
    "in_flight",
];
const TOKENS: [&str; 4] = ["input", "cached_input", "computed_input", "output"];
const LATENCIES: [&str; 6] = [
    "ttft_s",
    "tpot_s",
    "itl_s",
    "e2e_s",
    "queue_s",
    "decode_queue_s",
];
const DISTRIBUTION: [&str; 8] = ["count", "mean", "p50", "p90", "p95", "p99", "p999", "max"];
const MONEY: [&str; 6] = [
    "output_speed_tokens_per_s",
    "cost_usd",
    "revenue_usd",
    "profit_usd",
    "energy_kwh",
    "energy_overhead_kwh",
];
const POOL: [&str; 11] = [
    "nodes_mean",
    "nodes_peak",
    "units_mean",
    "utilization",
    "queue_length_mean",
    "queue_length_end",
    "batch_per_rank",
    "kv_utilization",
    "blocked_by_kv",
    "blocked_by_batch",
    "steps",
];

fn names(pools: &BTreeSet<&str>) -> Vec<String> {
    let mut names: Vec<String> = SPAN.map(str::to_string).to_vec();
    names.extend(REQUESTS.map(|name| format!("requests.{name}")));
    names.extend(TOKENS.map(|name| format!("tokens.{name}")));
    names.push("kv_hit_rate".to_string());
    for latency in LATENCIES {
        names.extend(DISTRIBUTION.map(|name| format!("latency.{latency}.{name}")));
    }
    names.extend(MONEY.map(str::to_string));
    for pool in pools {
        names.extend(POOL.map(|name| format!("pools.{pool}.{name}")));
    }
    names
}

/// The cells of an hour or interval, in the order of [`names`].
fn cells(span: &SpanSummary, pools: &BTreeSet<&str>) -> Vec<String> {
    let requests = &span.requests;
    let tokens = &span.tokens;
    let latency = &span.latency;
    let mut cells = vec![
        span.start.clone(),
        span.duration_s.to_string(),
        span.nodes_mean.to_string(),
        requests.in_flight_at_start.to_string(),
        requests.arrived.to_string(),
        requests.completed.to_string(),
        requests.rejected.to_string(),
        requests.failed.to_string(),
        requests.in_flight.to_string(),
        tokens.input.to_string(),
        tokens.cached_input.to_string(),
        tokens.computed_input.to_string(),
        tokens.output.to_string(),
        maybe(span.kv_hit_rate),
    ];
    for distribution in [
        &latency.ttft_s,
        &latency.tpot_s,
        &latency.itl_s,
        &latency.e2e_s,
        &latency.queue_s,
        &latency.decode_queue_s,
    ] {
        cells.extend(distribution_cells(distribution));
    }
    cells.extend([
        maybe(span.output_speed_tokens_per_s),
        span.cost_usd.to_string(),
        span.revenue_usd.to_string(),
        span.profit_usd.to_string(),
        maybe(span.energy_kwh),
        maybe(span.energy_overhead_kwh),
    ]);
    for pool in pools {
        match span.pools.get(*pool) {
            Some(pool) => cells.extend(pool_cells(pool)),
            None => cells.extend(POOL.map(|_| String::new())),
        }
    }
    cells
}

fn distribution_cells(d: &DistributionSummary) -> [String; 8] {
    [
        d.count.to_string(),
        maybe(d.mean),
        maybe(d.p50),
        maybe(d.p90),
        maybe(d.p95),
        maybe(d.p99),
        maybe(d.p999),
        maybe(d.max),
    ]
}

fn pool_cells(pool: &PoolSummary) -> [String; 11] {
    [
        pool.nodes_mean.to_string(),
        pool.nodes_peak.to_string(),
        pool.units_mean.to_string(),
        maybe(pool.utilization),
        pool.queue_length_mean.to_string(),
        pool.queue_length_end.to_string(),
        maybe(pool.batch_per_rank),
        maybe(pool.kv_utilization),
        maybe(pool.blocked_by_kv),
        maybe(pool.blocked_by_batch),
        pool.steps.to_string(),
    ]
}

fn maybe(x: Option<f64>) -> String {
    x.map_or_else(String::new, |x| x.to_string())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::report::sample::day;

    /// The leaves of a JSON value, by path.
    fn leaves(path: &str, value: &serde_json::Value, out: &mut BTreeMap<String, String>) {
        match value {
            serde_json::Value::Object(fields) => {
                for (name, value) in fields {
                    let path = if path.is_empty() {
                        name.clone()
                    } else {
                        format!("{path}.{name}")
                    };
                    leaves(&path, value, out);
                }
            }
            serde_json::Value::Null => drop(out.insert(path.to_string(), String::new())),
            serde_json::Value::String(s) => drop(out.insert(path.to_string(), s.clone())),
            other => {
                let x = other.as_f64().unwrap();
                drop(out.insert(path.to_string(), x.to_string()));
            }
        }
    }

    #[test]
    fn every_field_of_an_hour_is_a_column_with_its_value() {
        let summary = day();
        let text = hours(&summary);
        let mut reader = ::csv::Reader::from_reader(text.as_bytes());
        let names = reader.headers().unwrap().clone();
        let rows: Vec<_> = reader.records().map(Result::unwrap).collect();
        assert_eq!(rows.len(), summary.hours.len());
        for (row, hour) in rows.iter().zip(&summary.hours) {
            let mut expected = BTreeMap::new();
            leaves("", &serde_json::to_value(hour).unwrap(), &mut expected);
            let got: BTreeMap<String, String> = names
                .iter()
                .zip(row)
                .map(|(n, v)| (n.to_string(), v.to_string()))
                .collect();
            assert_eq!(got, expected);
        }
        assert_eq!(&names[0], "start");
    }

    #[test]
    fn a_pool_that_an_hour_lacks_leaves_its_cells_empty() {
        let mut summary = day();
        summary.hours[1].pools.remove("decode");
        let text = hours(&summary);
        let mut reader = ::csv::Reader::from_reader(text.as_bytes());
        let at = reader
            .headers()
            .unwrap()
            .iter()
            .position(|name| name == "pools.decode.steps")
            .unwrap();
        let rows: Vec<_> = reader.records().map(Result::unwrap).collect();
        assert_eq!(&rows[1][at], "");
        assert_ne!(&rows[0][at], "");
    }

    #[test]
    fn without_intervals_there_are_only_names() {
        let mut summary = day();
        summary.intervals.clear();
        let text = intervals(&summary);
        assert_eq!(text.lines().count(), 1);
        assert!(text.starts_with("start,duration_s,nodes_mean,requests.in_flight_at_start,"));
    }
}
