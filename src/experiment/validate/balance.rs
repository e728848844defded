//! Case 9: how unevenly DeepSeek-R1's tokens fall on expert-parallel ranks, with and without balancing.
//!
//! TensorRT-LLM, blog 4, table 1: (max - mean)/mean of the tokens of a rank, 256 tokens a rank and decode
//! iteration. Its mean of 1,024 rows a rank is 128 tokens, eight experts each.

use serde::Serialize;

use super::cases::{DRIFT, ZIPF};
use crate::perf::roofline::experts::{Setup, measured_imbalance};
use crate::scenario::ExpertPopularity;

/// Layers with experts in the measured model.
const LAYERS: u64 = 58;
/// Tokens on each rank in the measurements.
const TOKENS: f64 = 128.0;

/// A measured imbalance of experts beside the model's.
#[derive(Clone, Debug, Serialize)]
pub struct MeasuredImbalance {
    /// What was measured.
    pub about: &'static str,
    /// Imbalance (max - mean)/mean over ranks, as the model says.
    pub predicted: f64,
    /// Imbalance (max - mean)/mean over ranks, as measured.
    pub measured: f64,
    /// Constants that were set by the measurement; empty: a prediction.
    pub input_of: &'static str,
}

/// The three measured imbalances beside the model's.
pub fn balances() -> [MeasuredImbalance; 3] {
    let of = |ranks, slots, balanced| {
        let setup = Setup {
            experts: 256,
            top_k: 8,
            groups: 8,
            ranks,
            slots,
            nodes: 1,
            popularity: ExpertPopularity::Zipf { exponent: ZIPF },
            balanced,
            drift: if balanced { DRIFT } else { 0.0 },
            clustering: 0.0,
        };
        measured_imbalance(&setup, TOKENS, LAYERS) - 1.0
    };
    [
        MeasuredImbalance {
            about: "EP32, experts in order, no copies",
            predicted: of(32, 256, false),
            measured: 1.564,
            input_of: "the exponent of popularity, 0.6352",
        },
        MeasuredImbalance {
            about: "EP32, 9 slots a rank, balanced",
            predicted: of(32, 288, true),
            measured: 0.109,
            input_of: "",
        },
        MeasuredImbalance {
            about: "EP36, 8 slots a rank, balanced",
            predicted: of(36, 288, true),
            measured: 0.115,
            input_of: "",
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_exponent_gives_the_measured_imbalances() {
        for balance in balances() {
            let most = if balance.input_of.is_empty() {
                0.03
            } else {
                0.005
            };
            let off = (balance.predicted - balance.measured).abs();
            assert!(off < most, "{balance:?}");
        }
    }
}
