//! How large a run may become.

use super::super::RunLimits;
use super::super::tree::TomlTable;

/// The stated caps of a run; without a table of them, the defaults.
pub fn limits(table: Option<&TomlTable>) -> Option<RunLimits> {
    let Some(table) = table else {
        return Some(RunLimits::default());
    };
    let bytes = |key: &str, unit: f64| Some(libm::round(table.number(key)? * unit) as u64);
    Some(RunLimits {
        requests_in_flight: table.integer("requests_in_flight")?,
        memory_bytes: bytes("memory_gb", 1e9)?,
        output_bytes: bytes("output_mb", 1e6)?,
    })
}
