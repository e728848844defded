//! Runs of scenarios: one ([`run()`]), several of the same ([`replicate`]), several against one another
//! ([`compare`]), draws of what is uncertain ([`uncertain`]), many with other values ([`sweep`]),
//! the best of many deployments ([`plan`]). What varies in the last two is written in one grammar ([`vary`]).
//! What a run needs is estimated before ([`need`]), and one that outgrows its limits says why
//! ([`unstable`]).

pub mod calibrate;
pub mod compare;
pub mod explain;
pub mod measurement;
pub mod need;
pub mod parallel;
pub mod plan;
pub mod replicate;
mod run;
pub mod sweep;
pub mod trace_page;
pub mod uncertain;
pub mod unstable;
pub mod validate;
pub mod vary;

pub use need::ResourceNeed;
pub use run::{
    Progress, RunError, run, run_driven, run_knowing, run_with_controllers, run_with_observers,
    run_with_progress, run_with_requests,
};
pub use unstable::Unstable;
