//! Runs of scenarios: one ([`run()`]) or many ([`sweep`]). What a run needs is estimated before ([`need`]), and
//! one that outgrows its limits says why ([`unstable`]).

pub mod calibrate;
pub mod explain;
pub mod measurement;
pub mod need;
pub mod parallel;
pub mod replicate;
mod run;
pub mod sweep;
pub mod unstable;
pub mod validate;

pub use need::Need;
pub use run::{RunError, run, run_with_progress};
pub use unstable::Unstable;
