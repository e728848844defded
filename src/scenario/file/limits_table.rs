//! The shape of `[limits]`: how large a run may become before it ends itself.

use super::super::shape::ValueKind::Integer;
use super::super::shape::{TableShape, default, positive};

/// Shape of `[limits]`: caps of a run; what is left out has its default.
pub static LIMITS: TableShape = TableShape {
    name: "limits",
    doc: "How large a run may become; beyond it the run ends and says why",
    ordered: false,
    fields: &[
        default(
            "requests_in_flight",
            Integer(1, 2_000_000_000),
            "80_000_000",
            "Requests that have arrived and not ended, at once",
        ),
        default(
            "memory_gb",
            positive(10_000.0),
            "4.0",
            "Memory as estimated from the scenario and the requests in flight, in units of 10^9 bytes",
        ),
        default(
            "output_mb",
            positive(100_000.0),
            "256.0",
            "All output of a run, in units of 10^6 bytes",
        ),
    ],
};
