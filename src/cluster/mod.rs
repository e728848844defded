//! The cluster: pools of units, and what they do with requests.
//!
//! A pool is a state machine over its own events; [`instant`] says in which order everything happens at one
//! instant, and [`crate::engine`] drives it. Everything a pool does follows the exact rules S1-S20 of the crate
//! documentation. It performs no I/O and draws no random numbers.

pub mod controller;
pub mod decode;
pub mod instant;
pub mod intake;
mod least;
mod levels;
pub mod mixed;
mod past;
mod pool_base;
mod pool_outcome;
pub mod prefill;
mod prefix;
mod prefix_view;
mod queue;
mod rank_memory;
pub mod router;
pub mod schedule;
mod slab;
pub mod stand_in;
mod tournament;
pub mod transfer;

use crate::units::SimTime;
use crate::workload::Request;

pub use instant::Cluster;

/// Numbers of requests inside one pool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Inside {
    /// Requests that wait in a queue of the pool.
    pub queued: u64,
    /// Requests that are being served.
    pub served: u64,
    /// Requests on their way to the pool.
    pub moving: u64,
}

/// A request whose prompt is computed and that goes on to decode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handover {
    /// The request as it arrived.
    pub request: Request,
    /// When the request's prefill ended, which is when its KV went on its way.
    pub at: SimTime,
    /// Past of the request.
    pub past: past::Past,
    /// How the request's KV is sent.
    pub sending: transfer::Sending,
    /// Tokens of the request whose KV is sent.
    pub tokens: u32,
    /// The unit that sends the KV, and the number of its life.
    pub sender: (u32, u32),
}
