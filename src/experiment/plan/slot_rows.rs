//! The answer of a search over schedules, as it is written: units of the pools slot by slot.

use serde::Serialize;

/// Units of the pools over the day.
#[derive(Clone, Debug, Serialize)]
pub struct Timetable {
    /// Names of the pools.
    pub pools: Vec<String>,
    /// Yield of each pool: what it was seen to carry, as a part of what steady-state arithmetic says.
    pub carries: Vec<f64>,
    /// Slots from local midnight.
    pub slots: Vec<SlotRow>,
}

/// Units of the pools in a slot of the day.
#[derive(Clone, Debug, Serialize)]
pub struct SlotRow {
    /// Local time at which the slot begins.
    pub from: String,
    /// Requests per second, mean.
    pub requests_per_s: f64,
    /// Units of each pool.
    pub units: Vec<u32>,
    /// Nodes of all pools.
    pub nodes: u32,
    /// Accelerators in use on these nodes.
    pub gpus: u32,
}
