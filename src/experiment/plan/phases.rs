//! Which pools serve the two phases of a request (S8).

use crate::scenario::{FirstToken, Role, Scenario};

/// Whether the two phases of a request are served by different pools.
pub fn is_separate(scenario: &Scenario) -> bool {
    scenario.pools.iter().any(|pool| pool.role == Role::Decode)
}

/// Whether a request's first token comes from a decode pool (S8).
pub fn decode_begins(scenario: &Scenario) -> bool {
    is_separate(scenario) && scenario.first_token == FirstToken::Decode
}
