//! The engine: workload -> prefill -> decode as a pipeline over stretches of simulated time.
//!
//! Where nothing flows back (hits are drawn with the request, routers see only their own pool), each
//! stage can play a stretch as soon as the stage before it has. The stages are the same on one thread
//! or on several, and so is what they do: a stage reads nothing but what it is handed, in an order
//! fixed by time, kind, unit and id (S2). The engine performs no I/O, reads no clock and asks no
//! machine how many cores it has.

mod belt;
mod coupled;
mod feedback;
mod pipeline;
mod stretches;
mod watch;

pub use pipeline::{Stop, simulate};
pub use stretches::SimulationOutcome;
pub use watch::{Cap, Overload, QueueKind, user_bytes};
