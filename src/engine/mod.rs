//! The engine: drives the cluster through time. What happens at an instant is one function
//! ([`crate::cluster::instant`]); two drivers call it.
//!
//! Where nothing flows back (hits are drawn with the request, routers see only their own pool), workload, prefill and
//! decode are a pipeline over stretches of simulated time (`pipeline.rs`), on one thread or on several: each stage
//! can play a stretch as soon as the stage before it has. Where something does (users who wait for their answers),
//! pools are played together (`coupled.rs`). A stage reads nothing but what it is handed, in an order fixed by
//! time, kind, unit and id (S2), so neither the driver nor the threads change what comes of it. The engine performs
//! no I/O, reads no clock and asks no machine how many cores it has.

mod belt;
mod coupled;
mod feedback;
mod pipeline;
mod stretches;
mod watch;

pub use pipeline::{Driver, Driving, SimulationInput, Stop, simulate};
pub use stretches::SimulationOutcome;
pub use watch::{Cap, Overload, QueueKind, user_bytes};
