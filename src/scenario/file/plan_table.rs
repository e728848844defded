//! The shape of `[plan]`: what `tokentide plan` may decide, and what it must keep, when the command line
//! says nothing else.

use super::super::shape::Grain::Nanosecond;
use super::super::shape::ValueKind::{Choice, Duration, Integer, List, Table, Text};
use super::super::shape::{TableShape, number, optional, required};
use super::super::text::PS_PER_S;
use super::super::vocabulary::Goal;
use super::HOUR;

/// Shape of `[plan]`: goal, promises and bounds; no part of a run, so no part of the resolved scenario.
pub static PLAN: TableShape = TableShape {
    name: "plan",
    doc: "What `tokentide plan` decides; a single run ignores it",
    ordered: false,
    fields: &[
        optional(
            "slo",
            List(&Text, 1, 100),
            "What must be kept, each as for --slo: \"ttft_p99 = 5s\", \"output_speed_mean = 20\"",
        ),
        optional(
            "goal",
            Choice(&Goal::WORDS),
            "What is made least (cost) or most (profit, goodput); left out: cost",
        ),
        optional(
            "nodes",
            Integer(1, 1_000_000),
            "Most nodes at any time; left out: node.fleet",
        ),
        optional(
            "units",
            List(&Text, 1, 10),
            "Bounds of the units of a pool, each as for --units: \"decode = 1..9\"",
        ),
        optional(
            "vary",
            List(&Text, 1, 100),
            "Keys and the values that they may take, each as for --vary: \
             \"pools.decode.max_batch_requests = 64, 128\"",
        ),
        optional(
            "schedule",
            Duration(900 * PS_PER_S, 24 * HOUR, Nanosecond),
            "Units change over the day, at most this often; left out: they do not",
        ),
        optional(
            "replications",
            Integer(1, 100),
            "Independent runs in each of which the answer must keep every promise; left out: 3, of a schedule 1",
        ),
        optional(
            "step_error",
            number(0.0, 0.95),
            "By what part step times may be wrong; left out: what is known of the constants that they rest on, wider where those are borrowed; 0: do not ask",
        ),
        optional(
            "option",
            List(&Table(&OPTION), 1, 100),
            "Deployments of which one is chosen; left out: the scenario's own",
        ),
    ],
};

static OPTION: TableShape = TableShape {
    name: "plan_option",
    doc: "A deployment that may be chosen",
    ordered: false,
    fields: &[
        required("name", Text, "\"mixed, TP 8\"", "What people call it"),
        optional(
            "set",
            List(&Text, 1, 100),
            "How it differs from the scenario, each as for --set",
        ),
        optional(
            "vary",
            List(&Text, 1, 100),
            "Keys and values of this option only, each as for --vary",
        ),
    ],
};
