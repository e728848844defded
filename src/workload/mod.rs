//! The load: when requests arrive and how long they are.

use crate::units::SimTime;

/// One request as it arrives. Ids rank requests by arrival, class order and number in the class (S2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// Rank of arrival, from 0.
    pub id: u64,
    /// When it arrives.
    pub at: SimTime,
    /// Input tokens, at least 1.
    pub input: u32,
    /// Output tokens, at least 1.
    pub output: u32,
    /// Input tokens found in the cache, less than `input`.
    pub cached: u32,
    /// Index of its class.
    pub class: u16,
}
