//! What a request has behind it, beside the request: the same record in every pool, handed on from one to the next.

use crate::units::SimTime;
use crate::workload::Request;

/// The past of a request: what it has emitted, and lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Past {
    /// When the request's first token left; `NEVER` while it has none.
    pub first_token: SimTime,
    /// When the request's latest token left; `NEVER` while it has none.
    pub last_token: SimTime,
    /// Tokens emitted, in 1/1024.
    pub emitted_1024: u64,
    /// Number of the request's content, of which a prefix cache finds the beginning.
    pub content: u32,
    /// How often the request has lost its KV with a unit, and started again.
    pub losses: u16,
    /// Whether a prefill step has ever begun for the request.
    pub started: bool,
}

impl Past {
    /// The past of a request that has just arrived.
    pub const NONE: Self = Self {
        first_token: SimTime::NEVER,
        last_token: SimTime::NEVER,
        emitted_1024: 0,
        content: 0,
        losses: 0,
        started: false,
    };

    /// Whether the request's first token has left.
    #[inline]
    pub fn has_emitted(&self) -> bool {
        self.emitted_1024 > 0
    }

    /// Tokens of the request's prompt: the input, and all that it has emitted, in whole tokens.
    #[inline]
    pub fn prompt(&self, request: &Request) -> u32 {
        request.input + self.emitted_1024.div_ceil(1024) as u32
    }

    /// Tokens of the request's context whose KV is computed while it decodes: all but the latest (S19).
    #[inline]
    pub fn stored(&self, request: &Request) -> u32 {
        request.input + ((self.emitted_1024 / 1024) as u32).saturating_sub(1)
    }

    /// Notes that the request has lost its KV once more; returns how often now.
    pub fn lose(&mut self) -> u32 {
        self.losses = self.losses.saturating_add(1);
        u32::from(self.losses)
    }

    /// Notes that the request's first tokens leave, which are `tokens_1024`
    /// 1024.
    #[inline]
    pub fn emit_first(&mut self, now: SimTime, tokens_1024: u64) {
        (self.first_token, self.last_token) = (now, now);
        self.emitted_1024 = tokens_1024;
    }
}

/// A request whose KV is gone: it goes back to the pool that takes arrivals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost {
    /// The request as it arrived.
    pub request: Request,
    /// Past of the request.
    pub past: Past,
}
