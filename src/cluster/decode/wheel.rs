//! Completions of one unit, by step: a wheel of buckets, one for each coming step.
//!
//! All requests of a unit advance together, so the step at which a request will be done is known when
//! it joins, and no token needs an event of its own. A bucket is a chain through the residents' own
//! links. Steps further ahead than the wheel is long share a bucket with nearer ones and are passed
//! over until their turn.

/// Ends a chain.
pub const NONE: u32 = u32::MAX;

/// Buckets, as a power of two: longer outputs than this cost one visit a turn.
const BUCKETS: usize = 1 << 14;

/// Who is done when.
#[derive(Clone, Debug)]
pub struct Wheel {
    heads: Vec<u32>,
}

impl Wheel {
    /// Nobody.
    pub fn new() -> Self {
        Self { heads: vec![NONE; BUCKETS] }
    }

    /// The chain of a step.
    #[inline]
    pub fn head(&mut self, step: u64) -> &mut u32 {
        &mut self.heads[step as usize & (BUCKETS - 1)]
    }
}
