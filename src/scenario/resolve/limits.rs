//! How large a run may become.

use super::super::Limits;
use super::super::tree::Table;

/// The stated caps; without a table of them, the defaults.
pub fn limits(table: Option<&Table>) -> Option<Limits> {
    let Some(table) = table else {
        return Some(Limits::default());
    };
    let bytes = |key: &str, unit: f64| Some(libm::round(table.number(key)? * unit) as u64);
    Some(Limits {
        requests_in_flight: table.integer("requests_in_flight")?,
        memory_bytes: bytes("memory_gb", 1e9)?,
        output_bytes: bytes("output_mb", 1e6)?,
    })
}
