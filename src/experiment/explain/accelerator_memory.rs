//! The memory of one accelerator of a pool, taken apart.

use serde::Serialize;

use crate::perf::roofline::memory_of;
use crate::perf::roofline::unit_shape::RooflineUnit;
use crate::perf::room::Room;
use crate::report::format::{count, fixed};
use crate::scenario::{Pool, Scenario};

/// The memory of one accelerator, in bytes.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct MemoryRow {
    /// All memory of the accelerator.
    pub total_bytes: f64,
    /// Memory of the weights.
    pub weights_bytes: f64,
    /// Memory of runtime and activations.
    pub runtime_bytes: f64,
    /// Memory that the engine leaves free.
    pub unused_bytes: f64,
    /// Memory that is left for KV.
    pub kv_bytes: f64,
    /// KV tokens that a rank holds: stated, or what the memory leaves.
    pub kv_tokens: f64,
    /// Accelerators of one copy of the model.
    pub gpus: u32,
    /// Accelerators that share a rank's attention.
    pub tensor: u32,
    /// Requests of the mean length that the KV of a copy holds at once; in a prefill pool prompts.
    pub requests: f64,
}

impl MemoryRow {
    /// The memory of an accelerator of a pool.
    pub fn of(unit: &RooflineUnit<'_>, scenario: &Scenario, pool: &Pool) -> Self {
        let room = Room::of(scenario, pool);
        let memory = memory_of(unit, scenario, pool);
        Self {
            total_bytes: memory.total,
            weights_bytes: memory.weights,
            runtime_bytes: memory.runtime + memory.activations,
            unused_bytes: memory.unused,
            kv_bytes: memory.kv,
            kv_tokens: room.kv_tokens.map_or(0.0, |t| t as f64),
            gpus: room.gpus,
            tensor: room.tensor,
            requests: room.requests.unwrap_or(0.0),
        }
    }

    /// The figures of the memory, labelled for people.
    pub fn figures(&self) -> Vec<(&'static str, Vec<String>)> {
        let gb = |bytes: f64| format!("{} GB", fixed(bytes / 1e9, 1));
        vec![
            (
                "Memory",
                vec![
                    gb(self.total_bytes),
                    format!("TP {}", self.tensor),
                    format!("{} GPUs a copy", self.gpus),
                ],
            ),
            (
                "used",
                vec![
                    format!("weights {}", gb(self.weights_bytes)),
                    format!("runtime and activations {}", gb(self.runtime_bytes)),
                    format!("left free {}", gb(self.unused_bytes)),
                ],
            ),
            (
                "KV",
                vec![
                    gb(self.kv_bytes),
                    format!("{} tokens a rank", count(self.kv_tokens as u64)),
                    format!(
                        "{} requests of the mean length a copy",
                        count(self.requests as u64)
                    ),
                ],
            ),
        ]
    }
}
