//! Money and energy: what paid nodes cost and draw, what completed requests pay.
//!
//! Everything is whole picodollars (S13). Cost is paid node-time times the price of its GPUs;
//! revenue is each completed request's hit, computed and output tokens at the prices in force when it
//! completes. Ignored: storage, network, staff, everything that is not on the published bill.

pub mod cost;
pub mod energy;
pub mod paid;
pub mod tariff;

pub use tariff::Tariff;
