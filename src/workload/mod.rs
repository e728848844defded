//! The load: when requests arrive and how long they are.
//!
//! Each class is a stream of requests: a [`rate_profile`] says how its rate runs over the day and places
//! arrivals under it, [`length`] draws input and output lengths from their laws, [`hits`] says how
//! much of each prompt the cache holds, and [`generator`] merges the classes in order of arrival. All
//! draws come from named [`random`] streams through [`quantile`] tables, so the same scenario gives
//! the same requests, bit for bit, on every platform. [`realised`] compares what will be drawn with
//! what the scenario states.
//!
//! Gaps between arrivals are exponential (Poisson), of another law ([`renewal`]), or exponential under a rate that jumps
//! ([`bursts`]). [`closed`] loops of users and the turns of [`OpenSessions`] are the arrivals that depend on the cluster.
//!
//! Input and output of a request are independent of one another, or joined by a [`copula`]; those of a session's later
//! turns are independent.

use crate::units::SimTime;

#[cfg(test)]
mod arrival_tests;
mod bursts;
mod class_source;
mod client_source;
pub mod closed;
mod contents;
pub mod copula;
pub mod distribution;
mod error;
#[cfg(test)]
mod fixture;
mod gamma;
pub mod generator;
pub mod hits;
pub mod length;
pub mod length_law;
pub mod normal;
pub mod quantile;
pub mod random;
mod rank_table;
pub mod rate_profile;
pub mod realised;
mod renewal;
mod sessions;
mod side;

pub use closed::ClosedLoops;
pub use contents::{Contents, OPEN, PromptSpan};
pub use error::WorkloadError;
pub use generator::{Workload, mean_requests_per_s, peak_requests_per_s};
pub use sessions::{OpenSessions, SessionLaw, SessionTurn};

/// One request as it arrives. Ids rank requests by arrival, class order and number in the class (S2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// Number of the request in the order of arrival, from 0.
    pub id: u64,
    /// When the request arrives.
    pub at: SimTime,
    /// Input tokens, at least 1.
    pub input: u32,
    /// Output tokens, at least 1.
    pub output: u32,
    /// Input tokens found in the cache, less than `input`. In a scenario with a prefix cache a request arrives with
    /// the number of its content here ([`Contents`]), until the cache is asked.
    pub cached: u32,
    /// Index of the request's class.
    pub class: u16,
}
