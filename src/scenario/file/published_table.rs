//! The shape of `[[published]]`, and the figures of a run's summary that it may name.

use super::super::shape::Grain::Nanosecond;
use super::super::shape::ValueKind::{Choice, Duration, Text};
use super::super::shape::{TableShape, ValueKind, number, optional, required};
use super::super::suggest::nearest;
use super::super::vocabulary::PublishedKind;
use super::{DAY, PS_PER_S};

/// Any published figure, in the unit of its path in the summary.
const FIGURE: ValueKind = number(-1e30, 1e30);

/// Shape of `[[published]]`: a published figure.
pub static PUBLISHED: TableShape = TableShape {
    name: "published",
    doc: "A published figure to hold the result against",
    ordered: false,
    fields: &[
        required("name", Text, "\"cost of the day\"", "What it is called"),
        required(
            "field",
            Text,
            "\"economics.cost_usd\"",
            "Where the run's summary says it, as a dotted path",
        ),
        optional(
            "value",
            FIGURE,
            "The figure; exactly one of this and `low` with `high`",
        ),
        optional("low", FIGURE, "The least of a published range"),
        optional("high", FIGURE, "The greatest of a published range"),
        required(
            "kind",
            Choice(&PublishedKind::WORDS),
            "\"predicted\"",
            "Whether the scenario was built from it",
        ),
        optional(
            "window",
            Duration(PS_PER_S, 400 * DAY, Nanosecond),
            "How long the figure was counted. Totals need it: a run that counts for another time is not held against them",
        ),
        required(
            "source",
            Text,
            "\"where it was published\"",
            "Where it was published",
        ),
    ],
};

/// The figures of a whole run: groups of the summary with their members. `*` stands for the name of a
/// pool or class. The empty group holds figures that belong to none.
const SUMMARY_FIELDS: [(&str, &[&str]); 21] = [
    ("", &["kv_hit_rate"]),
    ("requests", REQUESTS),
    ("tokens", TOKENS),
    ("nodes", &["mean", "peak", "node_hours"]),
    (
        "throughput",
        &[
            "prefill_input_tokens_per_s_per_node",
            "decode_output_tokens_per_s_per_node",
        ],
    ),
    ("latency.ttft_s", STATISTICS),
    ("latency.tpot_s", STATISTICS),
    ("latency.itl_s", STATISTICS),
    ("latency.e2e_s", STATISTICS),
    ("latency.queue_s", STATISTICS),
    ("latency.decode_queue_s", STATISTICS),
    ("latency_decided.ttft_s", QUANTILES),
    ("latency_decided.tpot_s", QUANTILES),
    ("latency_decided.e2e_s", QUANTILES),
    ("latency_decided.queue_s", QUANTILES),
    ("latency_decided.decode_queue_s", QUANTILES),
    (
        "decode",
        &[
            "output_speed_tokens_per_s",
            "kv_length_tokens",
            "batch_per_rank",
            "steps",
            "preemptions",
            "migrations",
        ],
    ),
    (
        "economics",
        &[
            "cost_usd",
            "revenue_usd",
            "profit_usd",
            "cost_profit_ratio",
            "usd_per_million_output_tokens",
            "energy_kwh",
            "energy_overhead_kwh",
            "joules_per_output_token",
            "unbilled_requests",
        ],
    ),
    (
        "pools.*",
        &[
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
        ],
    ),
    (
        "classes.*",
        &["without_first_token", "longest_wait_s", "revenue_usd"],
    ),
    ("classes.*.slo", &["attainment", "judged", "goodput_per_s"]),
];

const REQUESTS: &[&str] = &[
    "in_flight_at_start",
    "arrived",
    "completed",
    "rejected",
    "failed",
    "in_flight",
];

const TOKENS: &[&str] = &["input", "cached_input", "computed_input", "output"];

const STATISTICS: &[&str] = &["count", "mean", "p50", "p90", "p95", "p99", "p999", "max"];

const QUANTILES: &[&str] = &["p50", "p90", "p95", "p99", "p999"];

/// Whether a dotted path names a figure of the summary, given the names of pools and classes.
pub fn is_summary_field(path: &str, pools: &[&str], classes: &[&str]) -> bool {
    all_fields(pools, classes).iter().any(|field| field == path)
}

/// Whether a figure depends on the length of the window: a total, a largest value, or what is left at the end.
pub fn is_of_window(path: &str) -> bool {
    let last = path.rsplit('.').next().unwrap_or(path);
    is_sum(path) || LARGEST.contains(&last)
}

/// Whether a figure is a sum over the window: twice the time, about twice the figure.
pub fn is_sum(path: &str) -> bool {
    let (group, last) = path.rsplit_once('.').unwrap_or(("", path));
    let counts = |name: &str| {
        group == name || group.starts_with("classes.") && group.ends_with(&format!(".{name}"))
    };
    counts("requests") || counts("tokens") || SUMS.contains(&last)
}

const SUMS: &[&str] = &[
    "count",
    "node_hours",
    "cost_usd",
    "revenue_usd",
    "profit_usd",
    "energy_kwh",
    "energy_overhead_kwh",
    "unbilled_requests",
    "steps",
    "preemptions",
    "migrations",
    "judged",
];

const LARGEST: &[&str] = &[
    "peak",
    "nodes_peak",
    "max",
    "queue_length_end",
    "without_first_token",
    "longest_wait_s",
];

/// The path of a figure that was probably meant; `None`: none is near.
pub fn suggest_field(path: &str, pools: &[&str], classes: &[&str]) -> Option<String> {
    let all = all_fields(pools, classes);
    let near = nearest(path, all.iter().map(String::as_str));
    let last = path.rsplit('.').next().unwrap_or(path);
    let same_end = || all.iter().find(|f| f.rsplit('.').next() == Some(last));
    near.map(str::to_string).or_else(|| same_end().cloned())
}

/// The path of every figure, with the names of pools and classes put in.
pub fn all_fields(pools: &[&str], classes: &[&str]) -> Vec<String> {
    let mut all = Vec::new();
    for (group, members) in SUMMARY_FIELDS {
        let groups = match group.split_once(".*") {
            None => vec![group.to_string()],
            Some((of, rest)) => {
                let names = if of == "pools" { pools } else { classes };
                names
                    .iter()
                    .map(|name| format!("{of}.{name}{rest}"))
                    .collect()
            }
        };
        for group in groups {
            let dot = if group.is_empty() { "" } else { "." };
            all.extend(members.iter().map(|member| format!("{group}{dot}{member}")));
        }
    }
    for class in classes {
        let of_class = format!("classes.{class}");
        all.extend(REQUESTS.iter().map(|m| format!("{of_class}.requests.{m}")));
        all.extend(TOKENS.iter().map(|m| format!("{of_class}.tokens.{m}")));
        for (group, members) in SUMMARY_FIELDS {
            if group.starts_with("latency") {
                all.extend(members.iter().map(|m| format!("{of_class}.{group}.{m}")));
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_do_not_hang_on_the_window() {
        let of_window = |path: &&String| is_of_window(path);
        let all = all_fields(&["p"], &["c"]);
        let names = ["tokens.input", "classes.c.requests.arrived", "nodes.peak"];
        for path in names {
            assert!(all.iter().filter(of_window).any(|p| p == path), "{path}");
        }
        for path in [
            "kv_hit_rate",
            "nodes.mean",
            "decode.kv_length_tokens",
            "decode.output_speed_tokens_per_s",
            "economics.usd_per_million_output_tokens",
            "throughput.decode_output_tokens_per_s_per_node",
            "latency.ttft_s.p99",
            "classes.c.slo.attainment",
        ] {
            assert!(
                all.iter().any(|p| p == path) && !is_of_window(path),
                "{path}"
            );
        }
    }

    #[test]
    fn paths_are_known_with_their_names() {
        let (pools, classes) = (["prefill", "decode"], ["r1"]);
        for path in [
            "kv_hit_rate",
            "economics.cost_usd",
            "pools.decode.utilization",
            "classes.r1.latency.ttft_s.p99",
            "classes.r1.slo.attainment",
        ] {
            assert!(is_summary_field(path, &pools, &classes), "{path}");
        }
        assert!(!is_summary_field("pools.mixed.steps", &pools, &classes));
        assert!(!is_summary_field("economics", &pools, &classes));
        assert_eq!(
            suggest_field("economics.cost", &pools, &classes),
            Some("economics.cost_usd".to_string())
        );
    }
}
