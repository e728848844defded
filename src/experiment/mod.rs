//! Runs of scenarios: one run today.

mod run;
pub mod validate;

pub use run::{RunError, run, run_with_progress};
