//! `tokentide schema`: the JSON Schema of scenario files, for editors.

use super::{Exit, print};

/// Runs `schema`: prints the JSON Schema.
pub fn execute() -> Exit {
    print(&crate::scenario::schema::json_schema())
}
