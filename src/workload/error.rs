//! Why a workload cannot be made.

use std::fmt;

/// Why a workload cannot be made.
#[derive(Clone, Debug, PartialEq)]
pub enum WorkloadError {
    /// The stated hit rate is too high for short prompts: only whole blocks of 64 tokens hit, and never a
    /// prompt's last token.
    UnreachableHitRate {
        /// Name of the class.
        class: String,
        /// Index into the class's `ArrivalProcess::periods`.
        period: usize,
        /// Hit rate that the scenario asks for, as a part of the input tokens.
        asked: f64,
        /// The largest hit rate that these input lengths allow.
        largest: f64,
    },
}

impl fmt::Display for WorkloadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnreachableHitRate {
                class,
                asked,
                largest,
                ..
            } => write!(
                f,
                "class `{class}`: a hit rate of {asked} is out of reach of its input lengths: hits \
                 are whole blocks of 64 tokens and never a prompt's last token, which allows {largest:.4} \
                 at most"
            ),
        }
    }
}

impl std::error::Error for WorkloadError {}
