//! Why a sweep did not come to its end.

use std::fmt;

/// Why a sweep did not come to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SweepStopped {
    /// Mistakes in the scenario, shown in full.
    Scenario(String),
    /// The axes make no sweep, in a sentence.
    Axes(String),
    /// The listener asked to stop.
    Interrupted,
    /// A fault that more runs would not mend, in words.
    Broken(String),
}

impl fmt::Display for SweepStopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scenario(why) | Self::Axes(why) | Self::Broken(why) => f.write_str(why),
            Self::Interrupted => f.write_str("interrupted"),
        }
    }
}

impl std::error::Error for SweepStopped {}
