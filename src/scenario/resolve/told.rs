//! Mistakes in files of traffic, told as those of a scenario are: the line, underlined.

use super::super::diagnostic::Diagnostic;
use super::super::shape::show_integer;
use super::super::source::Span;
use super::super::tree::{TomlNode, TomlValue};
use crate::traffic::TrafficFault;

/// A mistake in a text that is a source of its own; where it has no line, it is the whole text's.
pub fn told(fault: &TrafficFault, source: usize, text: &str) -> Diagnostic {
    let at = place(fault.line, fault.before, fault.place, source, text);
    let mut found = Diagnostic::new(fault.message.as_str(), at).label(fault.label.as_str());
    if !fault.help.is_empty() {
        found = found.help(fault.help.as_str());
    }
    match fault.alike {
        0 => found,
        1 => found.note("one more row is like this one"),
        n => found.note(format!(
            "{} more rows are like this one",
            show_integer(i128::from(n))
        )),
    }
}

/// What a remedy calls the file of a text.
pub fn name(node: &TomlNode) -> &str {
    match &node.value {
        TomlValue::Csv(csv) => &csv.source.name,
        _ => "FILE",
    }
}

/// The place of bytes of a line in a text.
pub fn place(line: u64, before: usize, place: (usize, usize), source: usize, text: &str) -> Span {
    if line == 0 {
        return Span::whole(source);
    }
    let mut ends = text.bytes().enumerate().filter(|(_, b)| *b == b'\n');
    let starts = match line {
        1 => 0,
        n => ends
            .nth(n as usize - 2)
            .map_or(text.len(), |(at, _)| at + 1),
    };
    let end = text[starts..].find('\n').map_or(text.len(), |n| starts + n);
    let of_line = starts + before;
    if place.1 <= place.0 {
        return Span {
            source,
            start: starts,
            end,
        };
    }
    Span {
        source,
        start: (of_line + place.0).min(text.len()),
        end: (of_line + place.1).min(text.len()),
    }
}
