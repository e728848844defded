//! What a run says to people and to files.
//!
//! [`assemble`] makes the summary from what the recorders counted, [`stretch`] by stretch.
//! [`summary::RunSummary`] is the one value that a run returns; everything else here is a view of it,
//! so a stored run is shown again without simulating. [`verdict`] judges it, [`arrange`](mod@arrange)
//! makes a [`page`] of it, sections of lines and [`grid`]s, which [`terminal`] and [`markdown`]
//! print. [`batches`] says how sure the figures of one long run are. [`csv`] has a row an hour or
//! interval, [`records`] makes any answer a table for programs, [`json`] writes and reads the value itself.
//!
//! Nothing here asks the terminal, the clock or the disk: the caller passes a [`style::Style`] and
//! writes the text where it belongs.

pub mod arrange;
pub mod assemble;
pub mod basis;
pub mod batches;
mod breaks;
pub mod columns;
mod confidence;
pub mod csv;
pub mod format;
pub mod grid;
pub mod json;
mod layout;
pub mod limit;
pub mod markdown;
pub mod page;
#[cfg(feature = "parquet")]
pub mod parquet;
pub mod plot;
mod promised;
pub mod records;
pub mod request_rows;
mod span;
pub mod stored;
pub mod stretch;
pub mod style;
pub mod summary;
pub mod terminal;
pub mod verdict;

mod hourly;
pub mod local;
mod sureness;
mod totals;
pub mod warnings;
mod wording;
mod written_line;

#[cfg(test)]
mod sample;

pub use style::Style;

use summary::RunSummary;

/// The views of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Tables and prose, for a terminal or a mail.
    #[default]
    Table,
    /// The summary as JSON.
    Json,
    /// CSV with a row an hour.
    Csv,
    /// Markdown, for a pull request.
    Markdown,
}

/// The run in a format, as text that ends with a line break. Only [`Format::Table`] looks at `style`.
pub fn render(summary: &RunSummary, format: Format, style: &Style) -> String {
    match format {
        Format::Table => terminal::render(summary, style),
        Format::Markdown => markdown::render(summary),
        Format::Json => json::to_text(summary),
        Format::Csv => csv::hours(summary),
    }
}
