//! Where text goes: whether a stream wants colour, and how many columns it has.

use std::io::{IsTerminal, stderr, stdout};

use terminal_size::{Width, terminal_size_of};

use crate::report::Style;
use crate::report::style::{WIDTH, display_width, wrap};

/// Columns by which the continued lines of a remark are set in.
const HANG: usize = 2;

/// The style of results: in the terminal's columns, else in those that `COLUMNS` says, else in 80.
pub fn results() -> Style {
    let terminal = terminal_size_of(stdout()).map(|(Width(columns), _)| columns.into());
    Style::new(colour(&stdout()), terminal.or_else(stated).unwrap_or(WIDTH))
}

/// Wraps lines of a result: a label that is set in keeps its place, and what it labels wraps beside it.
pub fn labelled(text: &str) -> String {
    let width = results().prose();
    let mut folded = String::new();
    for line in text.lines() {
        let at = match line.strip_prefix("  ") {
            Some(inner) => {
                let label = inner.len() - inner.trim_start().len();
                let label = label
                    + inner
                        .trim_start()
                        .find("  ")
                        .filter(|_| label == 0)
                        .unwrap_or(0);
                let rest = inner.get(label..).unwrap_or("");
                2 + label + rest.len() - rest.trim_start().len()
            }
            None => 0,
        };
        let (label, words) = line.split_at(at);
        if display_width(line) <= width {
            folded.push_str(line);
            folded.push('\n');
            continue;
        }
        for (i, line) in wrap(words, width.saturating_sub(at)).iter().enumerate() {
            let before = if i == 0 {
                label.to_owned()
            } else {
                " ".repeat(at)
            };
            folded.push_str(&format!("{before}{line}\n"));
        }
    }
    folded
}

/// The style of remarks and errors. Where they go to a file their lines stay whole, so that they can be searched,
/// unless `COLUMNS` asks for a width.
pub fn remarks() -> RemarkStyle {
    let terminal = terminal_size_of(stderr()).map(|(Width(columns), _)| columns.into());
    let width = terminal.or_else(stated);
    RemarkStyle {
        colour: colour(&stderr()),
        width: width.map(|columns| Style::new(false, columns).prose()),
    }
}

/// Colours and width of remarks and errors.
#[derive(Clone, Copy, Debug)]
pub struct RemarkStyle {
    /// Whether to write ANSI colours.
    pub colour: bool,
    /// Columns of a line; `None`: lines stay whole.
    pub width: Option<usize>,
}

impl RemarkStyle {
    /// Wraps a text to the style's width; what it quotes of a file stays as it is.
    pub fn fold(&self, text: &str) -> String {
        let Some(width) = self.width else {
            return text.to_owned();
        };
        let lines = text.lines().flat_map(|line| {
            let plain = without_colours(line);
            let inner = plain.trim_start();
            if is_quoted(inner) || display_width(line) <= width {
                return vec![line.to_owned()];
            }
            let indent = plain.len() - inner.len();
            let hang = indent + HANG;
            let mut lines = wrap(line, width.saturating_sub(hang));
            for (i, line) in lines.iter_mut().enumerate() {
                line.insert_str(0, &" ".repeat(if i == 0 { indent } else { hang }));
            }
            lines
        });
        lines.collect::<Vec<_>>().join("\n")
    }
}

/// Whether a line of a message shows a place in a file: ` --> a.toml:1:2`, `1 | name = 3`.
fn is_quoted(line: &str) -> bool {
    let line = line.trim_start_matches(|c: char| c.is_ascii_digit() || c == ' ');
    ["-->", "|", ":::", "..."]
        .iter()
        .any(|mark| line.starts_with(mark))
}

/// Whether a stream wants colour: a terminal, and NO_COLOR is not set.
fn colour(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
}

fn without_colours(text: &str) -> String {
    let mut parts = text.split('\u{1b}');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        text + part.split_once('m').map_or("", |(_, rest)| rest)
    })
}

/// The columns that the environment states by `COLUMNS`; `None`: it states none.
fn stated() -> Option<usize> {
    let columns = std::env::var("COLUMNS").ok()?;
    columns.trim().parse().ok().filter(|columns| *columns > 0)
}
