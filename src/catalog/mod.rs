//! What is known of hardware, models and prices: data in TOML beside this file, embedded in the
//! binary, each entry with its sources.

mod data;

pub use data::{Entry, gb, gb_per_s, gpu, gpus, model, models, price, prices, usd_per_million};

use crate::units::{BytesPerSecond, PicoUsd, SimDuration};

/// An accelerator.
#[derive(Clone, Debug, PartialEq)]
pub struct Gpu {
    /// Catalog name.
    pub name: String,
    /// Memory, in bytes.
    pub memory_bytes: u64,
    /// One way, of the network interface that belongs to this accelerator.
    pub nic: BytesPerSecond,
    /// One way, between the accelerator and its host.
    pub host: BytesPerSecond,
    /// Power from the utility, everything included, in watts; `None`: not known.
    pub power_w: Option<f64>,
}

/// A model.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// Catalog name.
    pub name: String,
    /// KV cache of one token, in bytes.
    pub kv_bytes_per_token: u64,
}

/// A price list, per token.
#[derive(Clone, Debug, PartialEq)]
pub struct Price {
    /// Catalog name.
    pub name: String,
    /// Without discount.
    pub full: TokenPrices,
    /// Time-of-day windows with other prices.
    pub discounts: Vec<Discount>,
}

/// Prices of one token of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokenPrices {
    /// An input token that hits the cache.
    pub hit: PicoUsd,
    /// An input token that is computed.
    pub miss: PicoUsd,
    /// An output token.
    pub output: PicoUsd,
}

/// Other prices from one UTC time of day to another, `[from, to)`; may reach over midnight.
#[derive(Clone, Debug, PartialEq)]
pub struct Discount {
    /// Since UTC midnight.
    pub from_utc: SimDuration,
    /// Since UTC midnight.
    pub to_utc: SimDuration,
    /// The prices in the window.
    pub prices: TokenPrices,
}
