//! Why a workload cannot be made.

use std::fmt;

/// The largest number of requests in a day: beyond what a scenario may state, and far enough below
/// 2^63 billionths.
pub(super) const MOST_REQUESTS_PER_DAY: f64 = 8e9;

/// Why a workload cannot be made.
#[derive(Clone, Debug, PartialEq)]
pub enum WorkloadError {
    /// Short prompts do not let that many tokens hit: only whole blocks of 64 tokens do, and never a
    /// prompt's last token.
    UnreachableHitRate {
        /// Name of the class.
        class: String,
        /// Index into the class's `ArrivalProcess::periods`.
        period: usize,
        /// What the scenario asks for.
        asked: f64,
        /// The largest hit rate that these input lengths allow.
        largest: f64,
    },
    /// More requests in a day than amounts can hold.
    TooManyRequests {
        /// Name of the class.
        class: String,
        /// What the scenario asks for.
        requests_per_day: f64,
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
            Self::TooManyRequests {
                class,
                requests_per_day,
            } => write!(
                f,
                "class `{class}`: {requests_per_day:e} requests a day, more than {MOST_REQUESTS_PER_DAY:e}"
            ),
        }
    }
}

impl std::error::Error for WorkloadError {}
