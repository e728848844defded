//! `tokentide schema`: the JSON Schema of scenario files, for editors.

use super::{Exit, print};

/// Prints the schema.
pub fn execute() -> Exit {
    print(&crate::scenario::schema::json_schema())
}
