//! Counts of requests over time: rows, the kind of their times, what their numbers are.

use crate::words::words;

words! {
    /// What the numbers of a table of counts are.
    pub enum CountUnit {
        PerRow = "per-row": "Requests in the time of the row",
        PerSecond = "per-second": "A rate, requests a second",
        PerMinute = "per-minute": "A rate, requests a minute",
        PerHour = "per-hour": "A rate, requests an hour",
        PerDay = "per-day": "A rate, requests a day",
        Cumulative = "cumulative": "A counter that only grows, until it starts again at 0",
    }
}

/// The kind of all times of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CountTimes {
    /// Times of day, in ns from midnight.
    Day,
    /// Times of the week, in ns from Monday 00:00.
    Week,
    /// Dates on some clock, in ns from 1970 on that clock.
    Civil,
    /// Instants, in ns from 1970 UTC.
    Instant,
}

/// A row of a table of counts.
#[derive(Clone, Debug, PartialEq)]
pub struct CountRow {
    /// When the row begins.
    pub at: i64,
    /// The number of the row, whatever it counts.
    pub number: f64,
    /// Mean of the input lengths, mean of the output lengths, and hit rate; `None`: the row does not say.
    pub means: [Option<f64>; 3],
    /// Line of the row; 0: it stands in no line of its own.
    pub line: u64,
    /// Place of the time in the line, and of the number.
    pub places: [(usize, usize); 2],
}

/// Counts of requests over time.
#[derive(Clone, Debug, PartialEq)]
pub struct CountTable {
    /// Rows of the table, in the file's order.
    pub rows: Vec<CountRow>,
    /// Kind of all times of the table.
    pub times: CountTimes,
    /// What the numbers are; `None`: the file does not say.
    pub unit: Option<CountUnit>,
    /// Name of the column of numbers.
    pub column: String,
    /// Columns that mean nothing here, and remarks on what was added up.
    pub remarks: Vec<String>,
}

impl CountTimes {
    /// The kind of time in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Day => "times of day",
            Self::Week => "times of the week",
            Self::Civil => "dates and times without a zone",
            Self::Instant => "instants",
        }
    }
}
