//! Holding the step-time model against what somebody measured.
//!
//! [`cases`] are published figures of large expert-parallel servers, computed in a moment from the model
//! alone. A figure that entered the constants is named as such beside its ratio.

pub mod cases;

pub use cases::{Outcome, cases, outcomes};
