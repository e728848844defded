//! The shape of `[sweep]`: what `tokentide sweep` varies when the command line says nothing else.

use super::super::shape::ValueKind::{Integer, List, Text};
use super::super::shape::{TableShape, optional};

/// Greatest number of runs in a sweep, replications counted.
pub const MAX_RUNS: u64 = 1_000_000;

/// Shape of `[sweep]`: axes and how many of their combinations; no part of a run, so not of the resolved scenario.
pub static SWEEP: TableShape = TableShape {
    name: "sweep",
    doc: "What `tokentide sweep` varies; a single run ignores it",
    ordered: false,
    fields: &[
        optional(
            "vary",
            List(&Text, 1, 100),
            "Axes, each written as for --vary: \"kv_cache.hit_rate = 0.3, 0.5\", \"seed = 1..9:2\", \
             \"a.b = log(1, 1000, 7)\", \"a.b, c.d = (1, 2), (3, 4)\"",
        ),
        optional(
            "sample",
            Integer(1, MAX_RUNS as i128),
            "So many points, spread over the space of the axes, instead of their whole grid",
        ),
        optional(
            "replications",
            Integer(1, 10_000),
            "Runs of each point, each with random streams of its own",
        ),
    ],
};
