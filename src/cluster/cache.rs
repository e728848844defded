//! What a prefix cache holds of a prompt: decided where the request is admitted to a unit.

use crate::workload::Request;

/// A cache of prompts' beginnings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cache {
    /// A rate: every unit finds about the same part of every prompt, as much as was drawn with the request (S4).
    Rate,
}

impl Cache {
    /// Tokens of a request that hit on the unit to whose queue it is admitted.
    #[inline]
    pub fn hits(self, request: &Request, _unit: usize) -> u32 {
        match self {
            // What was drawn holds on every unit, also where a request comes again.
            Self::Rate => request.cached,
        }
    }
}
