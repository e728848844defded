//! The summary as JSON, and back.
//!
//! Fields stand in the order of [`RunSummary`], names in maps ascend, and a number is the shortest
//! text that reads back as the same number: equal summaries are equal bytes.

use std::fmt;

use serde::Deserialize;

use super::format::plain;
use super::stored::impossible;
use super::summary::{RunSummary, SCHEMA_VERSION};

/// The summary as indented JSON, ended by a line break.
pub fn to_text(summary: &RunSummary) -> String {
    let mut text = serde_json::to_string_pretty(summary)
        .expect("a summary has only text as keys and is written to memory");
    text.push('\n');
    text
}

/// Why a stored run could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadError {
    /// Line of the mistake, from 1; 0: the figures contradict each other, wherever they stand.
    pub line: usize,
    /// Column of the mistake in bytes, from 1.
    pub column: usize,
    /// What is wrong, in words.
    pub reason: String,
    /// The text of the mistake's line, cut to what can be shown.
    pub excerpt: String,
}

/// Reads a stored run.
///
/// # Errors
/// When the text is not JSON, lacks a field or has one of another type, was written by a version with another
/// shape, or says what no run can say.
pub fn read(text: &str) -> Result<RunSummary, ReadError> {
    let version = serde_json::from_str::<Version>(text).ok();
    if let Some(Version { schema_version }) = version
        && schema_version != u64::from(SCHEMA_VERSION)
    {
        let at = text.find("\"schema_version\"").unwrap_or(0);
        let line_start = text[..at].rfind('\n').map_or(0, |end| end + 1);
        let line = text[..at].matches('\n').count() + 1;
        let reason = format!(
            "the run has schema_version {schema_version}, and this program reads {SCHEMA_VERSION}: \
             show it with the version that wrote it, or simulate again"
        );
        return Err(error(text, line, at - line_start + 1, reason));
    }
    let summary = serde_json::from_str(text).map_err(|e| {
        let place = format!(" at line {} column {}", e.line(), e.column());
        let reason = e.to_string().replace(&place, "");
        error(text, e.line().max(1), e.column().max(1), reason)
    })?;
    match impossible(&summary) {
        Some(what) => Err(ReadError {
            line: 0,
            column: 0,
            reason: plain(&format!("no run says this: {what}")),
            excerpt: String::new(),
        }),
        None => Ok(summary),
    }
}

/// The version alone, read first, so that another shape is not reported as a missing field.
#[derive(Deserialize)]
struct Version {
    schema_version: u64,
}

fn error(text: &str, line: usize, column: usize, reason: String) -> ReadError {
    let excerpt = text.lines().nth(line - 1).unwrap_or("");
    ReadError {
        line,
        column,
        reason: plain(&reason),
        excerpt: plain(excerpt).chars().take(100).collect(),
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            line,
            column,
            reason,
            excerpt,
        } = self;
        if *line == 0 {
            return write!(f, "{reason}");
        }
        write!(
            f,
            "line {line}, column {column}: {reason}\n{line} | {excerpt}"
        )
    }
}

impl std::error::Error for ReadError {}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::report::sample::day;

    #[test]
    fn a_summary_survives_the_way_there_and_back() {
        let summary = day();
        let text = to_text(&summary);
        assert_eq!(read(&text).unwrap(), summary);
        assert_eq!(to_text(&read(&text).unwrap()), text);
    }

    #[test]
    fn a_wrong_type_is_shown_where_it_stands() {
        let text = to_text(&day()).replacen("\"seed\": 1", "\"seed\": \"one\"", 1);
        let error = read(&text).unwrap_err();
        insta::assert_snapshot!(error, @r#"
        line 8, column 15: invalid type: string "one", expected u64
        8 |   "seed": "one",
        "#);
    }

    #[test]
    fn another_shape_is_named_before_its_fields_are_missed() {
        let error = read("{\n  \"schema_version\": 99\n}").unwrap_err();
        insta::assert_snapshot!(error, @r#"
        line 2, column 3: the run has schema_version 99, and this program reads 2: show it with the version that wrote it, or simulate again
        2 |   "schema_version": 99
        "#);
    }

    #[test]
    fn junk_and_nothing_are_errors() {
        let nothing = read("").unwrap_err();
        assert_eq!((nothing.line, nothing.column), (1, 1));
        let cut = &to_text(&day())[..2_000];
        assert!(read(cut).unwrap_err().line > 20);
        assert!(read("[1, 2]").is_err());
    }
}
