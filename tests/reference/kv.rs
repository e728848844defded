//! What a request's context takes: of a rank's memory (S9), and of time on a link (S8).

use tokentide::internals::catalog::KvShape;
use tokentide::internals::units::BytesPerSecond;

use crate::world::{TOKEN, half_up};

/// All of the bytes, in 1/65536.
pub const WHOLE: u32 = 65_536;

/// How a rank's memory counts: F k + V v + S n of its residents' KV k, what of it lies within windows v, and
/// their number n.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// F: of a token in layers that keep every token.
    full: u64,
    /// V: of a token in layers with a window.
    window: u64,
    /// S: of a request whatever its length, in 1/1024.
    request_1024: u64,
    /// Tokens of the window in 1/1024; none where no layer has one.
    window_1024: Option<u64>,
}

/// What requests hold together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// In 1/1024 token.
    pub kv_1024: u64,
    /// Of it, within each one's window.
    pub window_1024: u64,
    pub requests: u64,
    /// Those that hold less than a window.
    pub growing: u64,
}

impl Memory {
    pub fn of(kv: &KvShape) -> Self {
        if kv.window_tokens == 0 && kv.state_bytes == 0 {
            return Self {
                full: 1,
                window: 0,
                request_1024: 0,
                window_1024: None,
            };
        }
        let granule = gcd(kv.full_bytes, kv.window_bytes).max(1);
        let (full, window) = (kv.full_bytes / granule, kv.window_bytes / granule);
        Self {
            // Where tokens take nothing, they are counted all the same.
            full: if full + window == 0 { 1 } else { full },
            window,
            request_1024: (kv.state_bytes * TOKEN).div_ceil(granule),
            window_1024: Some(u64::from(kv.window_tokens) * TOKEN).filter(|tokens| *tokens > 0),
        }
    }

    /// A rank with room for so many tokens of short requests.
    pub fn capacity(&self, tokens: u64) -> u128 {
        u128::from(tokens) * u128::from(self.full + self.window) * u128::from(TOKEN)
    }

    /// What of a request's KV lies within its window.
    pub fn within(&self, kv_1024: u64) -> u64 {
        self.window_1024.map_or(0, |window| window.min(kv_1024))
    }

    /// Whether some layer has a window.
    pub fn has_window(&self) -> bool {
        self.window_1024.is_some()
    }

    /// Memory of KV in layers that keep every token.
    pub fn of_layers_that_keep(&self, kv_1024: u64) -> u128 {
        u128::from(self.full) * u128::from(kv_1024)
    }

    /// What requests hold together that hold so much each.
    pub fn held(&self, each: impl Iterator<Item = u64>) -> Held {
        let mut held = Held::default();
        for kv_1024 in each {
            held.kv_1024 += kv_1024;
            held.window_1024 += self.within(kv_1024);
            held.requests += 1;
            held.growing += u64::from(self.window_1024.is_some_and(|window| kv_1024 < window));
        }
        held
    }

    /// Memory that they take, in tokens that every layer keeps, in 1/1024, rounded down (S12).
    pub fn in_short_tokens_1024(&self, held: &Held) -> u64 {
        (self.used(held) / u128::from(self.full + self.window)) as u64
    }

    /// F k + V v + S n.
    pub fn used(&self, held: &Held) -> u128 {
        let of = |weight: u64, amount: u64| u128::from(weight) * u128::from(amount);
        of(self.full, held.kv_1024)
            + of(self.window, held.window_1024)
            + of(self.request_1024, held.requests)
    }
}

impl Held {
    /// The same after so many of them, of whom so many hold less than a window, have grown by a step.
    pub fn grown(self, all: u64, growing: u64, progress_1024: u64) -> Self {
        Self {
            kv_1024: self.kv_1024 + all * progress_1024,
            window_1024: self.window_1024 + growing * progress_1024,
            ..self
        }
    }

    /// Both together.
    pub fn and(self, other: Self) -> Self {
        Self {
            kv_1024: self.kv_1024 + other.kv_1024,
            window_1024: self.window_1024 + other.window_1024,
            requests: self.requests + other.requests,
            growing: self.growing + other.growing,
        }
    }
}

/// How long the KV of so much context takes over a link, of whose bytes this part is seen: whole tokens, rounded
/// up, in all layers that keep them, and a request's states, each of whole picoseconds, rounded half up; their
/// sum in whole nanoseconds.
pub fn link_time(kv: &KvShape, kv_1024: u64, part_65536: u32, speed: BytesPerSecond) -> u64 {
    let ps = |bytes: u64| {
        let seen = u128::from(bytes) * u128::from(part_65536) * 1_000_000_000_000;
        half_up(seen, 65_536 * u128::from(speed.0))
    };
    let tokens = kv_1024.div_ceil(TOKEN);
    let within = tokens.min(u64::from(kv.window_tokens));
    let all = u128::from(tokens) * ps(kv.full_bytes)
        + u128::from(within) * ps(kv.window_bytes)
        + ps(kv.state_bytes);
    half_up(all, 1000) as u64
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}
