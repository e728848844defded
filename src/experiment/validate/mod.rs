//! Holding the step-time model against what somebody measured.
//!
//! `cases` are published figures of large expert-parallel servers, computed in a moment from the model
//! alone. A figure that entered the constants is named as such beside its ratio.

pub mod archive;
pub mod balance;
pub mod cases;
pub mod errors;
pub mod measured;
pub mod mlperf;
pub mod page;
pub mod silicon;
pub mod vllm;

pub use cases::{Outcome, Sensitivity, cases, outcomes, sensitivities};
