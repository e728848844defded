//! KV memory of a rank (S9): what its residents hold, in whole numbers that stand to one another as the bytes of
//! layers that keep everything, of layers with a window, and of states.

use crate::catalog::KvShape;
use crate::scenario::{Pool, Scenario};

/// The memory of a rank, and the weights in which it is counted.
#[derive(Clone, Copy, Debug)]
pub struct RankMemory {
    /// Weight of 1/1024 token in layers that keep it.
    full: u64,
    /// Weight of 1/1024 token in layers with a window.
    window: u64,
    /// Weight of a request.
    request: u64,
    /// Length of the window, in 1/1024 token; 0: no layer has one.
    window_1024: u64,
    capacity: u64,
}

impl RankMemory {
    /// The memory of a rank of a pool.
    pub fn new(scenario: &Scenario, pool: &Pool) -> Self {
        Self::of(&scenario.kv, pool.kv_capacity_tokens.unwrap_or(0))
    }

    fn of(shape: &KvShape, capacity_tokens: u64) -> Self {
        let weights = shape.weights();
        Self {
            full: weights.full,
            window: weights.window,
            request: weights.request_1024,
            window_1024: 1024 * u64::from(shape.window_tokens),
            capacity: capacity_tokens * 1024 * (weights.full + weights.window),
        }
    }

    /// Whether some layers keep a window's tokens only.
    #[inline]
    pub fn has_windows(&self) -> bool {
        self.window_1024 > 0
    }

    /// Part of a request's context that lies within the window, in 1/1024 token; 0 where no layer has one.
    #[inline]
    pub fn within(&self, held_1024: u64) -> u64 {
        held_1024.min(self.window_1024)
    }

    /// Whether a request's part within the window still grows.
    #[inline]
    pub fn grows(&self, held_1024: u64) -> bool {
        held_1024 < self.window_1024
    }

    /// Steps after which a request that holds `held_1024` has filled the window, and by how much it then holds
    /// more; `None`: it has filled it.
    #[inline]
    pub fn until_filled(&self, held_1024: u64, per_step_1024: u64) -> Option<(u64, u64)> {
        let left = self.window_1024.checked_sub(held_1024).filter(|n| *n > 0)?;
        let steps = left.div_ceil(per_step_1024);
        Some((steps, steps * per_step_1024 - left))
    }

    /// Memory of `requests` requests with this KV, of which `window_1024` lies within windows.
    #[inline]
    pub fn taken(&self, kv_1024: u64, window_1024: u64, requests: u64) -> u64 {
        self.full * kv_1024 + self.window * window_1024 + self.request * requests
    }

    /// Memory of a token in layers that keep it.
    #[inline]
    pub fn of_token(&self) -> u64 {
        1024 * self.full
    }

    /// Memory of one request that holds `held_1024`
    /// 1024 tokens.
    #[inline]
    pub fn of_request(&self, held_1024: u64) -> u64 {
        self.taken(held_1024, self.within(held_1024), 1)
    }

    /// Most memory that a step adds to a request that grows by `per_step_1024`.
    #[inline]
    pub fn growth_most(&self, per_step_1024: u64) -> u64 {
        (self.full + self.window) * per_step_1024
    }

    /// All memory of a rank.
    #[inline]
    pub fn capacity(&self) -> u64 {
        self.capacity
    }

    /// Memory as tokens that every layer keeps, in 1/1024, rounded down.
    #[inline]
    pub fn in_tokens_1024(&self, memory: u128) -> u64 {
        if self.full + self.window == 1 {
            memory as u64
        } else {
            (memory / u128::from(self.full + self.window)) as u64
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_windows_a_token_is_a_token() {
        let memory = RankMemory::of(&KvShape::of_tokens(70_272), 100);
        assert_eq!(memory.of_request(5 * 1024), 5 * 1024);
        assert_eq!(memory.capacity(), 100 * 1024);
        assert!(!memory.has_windows() && !memory.grows(0));
        assert_eq!(memory.until_filled(0, 1024), None);
    }

    #[test]
    fn window_layers_keep_their_window_and_states_are_as_large_as_ever() {
        // 2 full layers, 4 with a window of 10 tokens, 100 bytes a layer and token; 300 bytes of state
        let shape = KvShape {
            full_bytes: 200,
            window_bytes: 400,
            window_tokens: 10,
            state_bytes: 300,
        };
        let memory = RankMemory::of(&shape, 30);
        // (200 x 25 + 400 x 10 + 300) / 200 bytes
        assert_eq!(memory.of_request(25 * 1024), (25 + 2 * 10) * 1024 + 1536);
        // (200 + 400) x 30 / 200
        assert_eq!(memory.capacity(), 90 * 1024);
        assert_eq!(memory.until_filled(8 * 1024 + 512, 1024), Some((2, 512)));
        assert_eq!(memory.in_tokens_1024(90 * 1024), 30 * 1024);
    }
}
