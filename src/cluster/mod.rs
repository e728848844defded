//! The cluster: pools of units, and what they do with requests.
//!
//! A pool is a state machine over its own events; [`instant`] says in which order everything happens at one
//! instant, and [`crate::engine`] drives it. Everything a pool does follows the exact rules S1-S18 of the crate
//! documentation. It performs no I/O and draws no random numbers.

mod cache;
pub mod controller;
pub mod decode;
pub mod instant;
pub mod intake;
mod least;
mod levels;
pub mod mixed;
mod past;
mod pool_base;
pub mod prefill;
mod queue;
mod rank_memory;
pub mod router;
pub mod schedule;
mod slab;
pub mod stand_in;
pub mod transfer;

use crate::units::SimTime;
use crate::workload::Request;

pub use instant::Cluster;

/// Requests inside one pool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Inside {
    /// Waiting in a queue of it.
    pub queued: u64,
    /// Being served.
    pub served: u64,
    /// On their way to it.
    pub moving: u64,
}

/// A request whose prompt is computed and that goes on to decode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handover {
    /// The request as it arrived.
    pub request: Request,
    /// When its prefill ended, which is when its KV went on its way.
    pub at: SimTime,
    /// What the request has behind it.
    pub past: past::Past,
    /// How its KV is sent, so many tokens of it.
    pub sending: transfer::Sending,
    /// Tokens whose KV is sent.
    pub tokens: u32,
    /// The unit that sends it, and the number of its life.
    pub sender: (u32, u32),
}
