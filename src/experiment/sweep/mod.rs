//! A sweep: many runs of one scenario with other values, in parallel, on one machine or many, whatever
//! interrupts them.
//!
//! Axes say what varies ([`vary`](super::vary)), [`design`] which points are run; the [`Manifest`] names every run by
//! the hash of its resolved scenario. [`missing_runs`] does what the [`ledger`]s of the folder lack, [`results`] and
//! [`front`]s are views of the whole. Machines share nothing but folders: a [`shard`] is every n-th run of the
//! manifest, which each machine works out for itself.

pub mod design;
pub mod entry;
pub mod estimate;
pub mod front;
pub mod ledger;
pub mod manifest;
pub mod missing_runs;
pub mod outcome;
pub mod results;
pub mod shard;
mod stopped;
pub mod sweep_columns;
pub mod sweep_page;
mod swept_run;

pub use manifest::{Manifest, SweepBase, SweepQuestion, manifest};
pub use shard::Shard;
pub use stopped::SweepStopped;
pub use swept_run::{SweptRun, in_memory, sweep};
