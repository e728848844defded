//! Runs of scenarios: one run today.

pub mod calibrate;
pub mod explain;
pub mod measurement;
mod run;
pub mod validate;

pub use run::{RunError, run, run_with_progress};
