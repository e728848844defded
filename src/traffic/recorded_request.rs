//! A request as it was recorded, and the clock of its file.

/// A recorded request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordedRequest {
    /// Line of the request in its file.
    pub line: u64,
    /// Time of arrival in ns, by the clock of its file.
    pub at: i64,
    /// Tokens of its prompt; 0 only where it failed.
    pub input: u32,
    /// Tokens of its answer; 0: it failed.
    pub output: u32,
    /// Tokens of its prompt that were found in a cache; `None`: not recorded.
    pub cached: Option<u32>,
    /// Ids of the blocks of its prompt; empty: not recorded.
    pub blocks: Vec<u64>,
}

/// What the times of a file count from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// A beginning, which is no date.
    Beginning,
    /// 1970-01-01 00:00, on a clock that the file does not name.
    Civil,
    /// 1970-01-01 00:00 UTC.
    Instant,
}

impl Clock {
    /// The times in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Beginning => "times from a beginning",
            Self::Civil => "dates without a zone",
            Self::Instant => "instants",
        }
    }
}
