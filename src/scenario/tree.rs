//! A scenario's TOML as a tree in which every key and value remembers where it was written.
//!
//! The tree is what merging, overrides, checking and resolving share. The checker replaces whatever
//! has the wrong shape by [`TomlValue::Bad`] after reporting it, so the typed getters return `None` both
//! for what is absent and for what has been complained about, and no mistake is reported twice.

use std::sync::Arc;

use toml::de::{DeFloat, DeInteger, DeTable, DeValue};
use toml::value::Datetime;

use super::csv_text::CsvText;
use super::diagnostic::Diagnostic;
use super::source::Span;
use super::text::parse_duration;
use crate::units::{Picoseconds, SimDuration};
use crate::words::Words;

/// A value and where it was written.
#[derive(Clone, Debug)]
pub struct TomlNode {
    /// The value itself.
    pub value: TomlValue,
    /// Place of the value in the text: for a table of its own the `[header]`.
    pub at: Span,
}

/// A TOML value.
#[derive(Clone, Debug)]
pub enum TomlValue {
    /// A string.
    Text(String),
    /// The text of a CSV.
    Csv(Arc<CsvText>),
    /// A whole number; beyond 128 bits the largest or smallest of them.
    Integer(i128),
    /// A number with a fraction or exponent, infinities and NaN included.
    Float(f64),
    /// A truth value: `true` or `false`.
    Boolean(bool),
    /// A date, a time or both.
    Datetime(Datetime),
    /// An array of values.
    List(Vec<TomlNode>),
    /// A table of keys and values.
    Table(TomlTable),
    /// A value that has been reported as a mistake.
    Bad,
}

/// Keys and values in the order they were written.
#[derive(Clone, Debug, Default)]
pub struct TomlTable {
    /// Keys with their values, each key at most once.
    pub entries: Vec<TomlEntry>,
}

/// A key with its value.
#[derive(Clone, Debug)]
pub struct TomlEntry {
    /// The key's text.
    pub key: String,
    /// Place of the key in the text.
    pub key_at: Span,
    /// Value of the key.
    pub node: TomlNode,
}

/// Longest text, in bytes, of which all mistakes of grammar are found, of a longer one only the first: the library
/// would remember several hundred bytes for each, and junk is nothing but mistakes.
const MAX_RECOVERED: usize = 64 << 10;

/// Bytes of a TOML text that are keys, numbers and signs: what becomes a tree of perhaps eighty times the
/// size. Texts in quotes, comments and blanks do not count.
pub fn structure(text: &str) -> usize {
    let bytes = text.as_bytes();
    let (mut count, mut at) = (0, 0);
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'#' => at = end_of_line(bytes, at),
            b'"' | b'\'' => {
                count += 2;
                at = end_of_string(bytes, at);
            }
            b' ' | b'\t' | b'\r' | b'\n' => at += 1,
            _ => (count, at) = (count + 1, at + 1),
        }
    }
    count
}

fn end_of_line(bytes: &[u8], from: usize) -> usize {
    let rest = bytes[from..].iter();
    rest.take_while(|b| **b != b'\n').count() + from
}

/// The place one past the string that begins at `from`; one that is not closed ends with its line, or, if it may
/// have many, with the text.
fn end_of_string(bytes: &[u8], from: usize) -> usize {
    let quote = bytes[from];
    let long = bytes[from..].starts_with(&[quote; 3]);
    let mut at = from + if long { 3 } else { 1 };
    while let Some(&byte) = bytes.get(at) {
        if byte == b'\\' && quote == b'"' {
            at += 2;
        } else if long && bytes[at..].starts_with(&[quote; 3]) {
            return at + 3;
        } else if !long && (byte == quote || byte == b'\n') {
            return at + 1;
        } else {
            at += 1;
        }
    }
    bytes.len()
}

/// Reads a whole TOML text, or says everything that is wrong with its grammar.
pub fn parse(text: &str, source: usize) -> Result<TomlTable, Vec<Diagnostic>> {
    if text.len() > MAX_RECOVERED {
        return match DeTable::parse(text) {
            Ok(root) => Ok(table(root.get_ref(), source, 0)),
            Err(error) => {
                let found = grammar(&error, text, source);
                Err(vec![
                    found.note("the file is long: only one mistake is shown"),
                ])
            }
        };
    }
    let (root, errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() {
        return Ok(table(root.get_ref(), source, 0));
    }
    Err(errors.iter().map(|e| grammar(e, text, source)).collect())
}

/// Reads one TOML value, a part of a source that begins at byte `offset` of it.
pub fn parse_value(text: &str, source: usize, offset: usize) -> Result<TomlNode, Diagnostic> {
    match DeValue::parse(text) {
        Ok(value) => {
            let at = place(value.span(), source, offset);
            Ok(node(value.get_ref(), at, source, offset))
        }
        Err(error) => {
            let mut found = grammar(&error, text, source);
            found = found.moved(offset);
            Err(found)
        }
    }
}

fn grammar(error: &toml::de::Error, text: &str, source: usize) -> Diagnostic {
    let span = error.span().unwrap_or(0..0);
    let mut start = span.start.min(text.len());
    let mut end = span.end.clamp(start, text.len());
    let blank = text[start..end].trim().is_empty();
    if blank {
        // a line's or the text's end: show what stands before it
        let before = text[..start].trim_end();
        let last = before.chars().next_back();
        end = before.len();
        start = end - last.map_or(0, char::len_utf8);
    }
    let at = Span { source, start, end };
    let (message, hint) = in_plain_words(error.message(), span.is_empty() || blank);
    let found = Diagnostic::new(format!("not valid TOML: {message}"), at);
    if hint.is_empty() {
        found
    } else {
        found.help(hint)
    }
}

/// The library's messages for the commonest slips, as people would put them, and a hint.
fn in_plain_words(message: &str, nothing_there: bool) -> (&str, &'static str) {
    match message {
        "duplicate key" => ("this key is given twice", "keep one of the two"),
        "string values must be quoted, expected literal string" if nothing_there => {
            ("the value is missing", "")
        }
        "string values must be quoted, expected literal string" => (
            "text needs quotes",
            "durations, times and words are text: \"24h\", \"12:00\", \"poisson\"",
        ),
        "invalid basic string, expected `\"`" => ("the closing quote is missing", ""),
        _ => (message, ""),
    }
}

fn place(span: std::ops::Range<usize>, source: usize, offset: usize) -> Span {
    Span {
        source,
        start: span.start + offset,
        end: span.end + offset,
    }
}

fn table(from: &DeTable<'_>, source: usize, offset: usize) -> TomlTable {
    let mut entries: Vec<TomlEntry> = from
        .iter()
        .map(|(key, value)| TomlEntry {
            key: key.get_ref().to_string(),
            key_at: place(key.span(), source, offset),
            node: node(
                value.get_ref(),
                place(value.span(), source, offset),
                source,
                offset,
            ),
        })
        .collect();
    entries.sort_by_key(|e| e.key_at);
    TomlTable { entries }
}

fn node(value: &DeValue<'_>, at: Span, source: usize, offset: usize) -> TomlNode {
    let value = match value {
        DeValue::String(text) => TomlValue::Text(text.to_string()),
        DeValue::Integer(number) => TomlValue::Integer(integer(number)),
        DeValue::Float(number) => TomlValue::Float(float(number)),
        DeValue::Boolean(yes) => TomlValue::Boolean(*yes),
        DeValue::Datetime(when) => TomlValue::Datetime(*when),
        DeValue::Array(items) => TomlValue::List(
            items
                .iter()
                .map(|i| node(i.get_ref(), place(i.span(), source, offset), source, offset))
                .collect(),
        ),
        DeValue::Table(entries) => TomlValue::Table(table(entries, source, offset)),
    };
    TomlNode { value, at }
}

fn integer(number: &DeInteger<'_>) -> i128 {
    let text = number.as_str();
    let beyond = if text.starts_with('-') {
        i128::MIN
    } else {
        i128::MAX
    };
    i128::from_str_radix(text, number.radix()).unwrap_or(beyond)
}

fn float(number: &DeFloat<'_>) -> f64 {
    number.as_str().parse().unwrap_or(f64::NAN)
}

impl TomlNode {
    /// A value that nobody wrote, without a place.
    pub fn of(value: TomlValue) -> Self {
        Self {
            value,
            at: Span::NOWHERE,
        }
    }

    /// Gives the whole value one place.
    pub fn place(&mut self, at: Span) {
        self.at = at;
        match &mut self.value {
            TomlValue::List(items) => items.iter_mut().for_each(|item| item.place(at)),
            TomlValue::Table(table) => {
                for entry in &mut table.entries {
                    entry.key_at = at;
                    entry.node.place(at);
                }
            }
            TomlValue::Text(_)
            | TomlValue::Csv(_)
            | TomlValue::Integer(_)
            | TomlValue::Float(_)
            | TomlValue::Boolean(_)
            | TomlValue::Datetime(_)
            | TomlValue::Bad => {}
        }
    }

    /// The kind of the value, in words.
    pub fn kind(&self) -> &'static str {
        match self.value {
            TomlValue::Text(_) | TomlValue::Csv(_) => "text",
            TomlValue::Integer(_) => "a whole number",
            TomlValue::Float(_) => "a number",
            TomlValue::Boolean(_) => "a boolean",
            TomlValue::Datetime(_) => "a date or time",
            TomlValue::List(_) => "a list",
            TomlValue::Table(_) => "a table",
            TomlValue::Bad => "a mistake",
        }
    }

    /// The value as text; `None`: it is another kind.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            TomlValue::Text(text) => Some(text),
            TomlValue::Csv(csv) => Some(&csv.source.text),
            _ => None,
        }
    }

    /// The value as a whole number that fits `T`; `None`: it is another kind, or does not fit.
    pub fn integer<T: TryFrom<i128>>(&self) -> Option<T> {
        match self.value {
            TomlValue::Integer(number) => T::try_from(number).ok(),
            _ => None,
        }
    }

    /// The value as a number; `None`: it is another kind.
    pub fn number(&self) -> Option<f64> {
        match self.value {
            TomlValue::Integer(number) => Some(number as f64),
            TomlValue::Float(number) => Some(number),
            _ => None,
        }
    }

    /// The value as a list; `None`: it is another kind.
    pub fn list(&self) -> Option<&[TomlNode]> {
        match &self.value {
            TomlValue::List(items) => Some(items),
            _ => None,
        }
    }

    /// The value as a table; `None`: it is another kind.
    pub fn table(&self) -> Option<&TomlTable> {
        match &self.value {
            TomlValue::Table(table) => Some(table),
            _ => None,
        }
    }
}

impl TomlTable {
    /// The entry of a key; `None`: it is not there.
    pub fn entry(&self, key: &str) -> Option<&TomlEntry> {
        self.entries.iter().find(|e| e.key == key)
    }

    /// The entry of a key, to change; `None`: it is not there.
    pub fn entry_mut(&mut self, key: &str) -> Option<&mut TomlEntry> {
        self.entries.iter_mut().find(|e| e.key == key)
    }

    /// The value of a key; `None`: it is not there.
    pub fn get(&self, key: &str) -> Option<&TomlNode> {
        self.entry(key).map(|e| &e.node)
    }

    /// Takes a key out of the table; `None`: it was not there.
    pub fn remove(&mut self, key: &str) -> Option<TomlEntry> {
        let index = self.entries.iter().position(|e| e.key == key)?;
        Some(self.entries.remove(index))
    }

    /// The place of a key's value, or [`Span::NOWHERE`].
    pub fn at(&self, key: &str) -> Span {
        self.get(key).map_or(Span::NOWHERE, |n| n.at)
    }

    /// The text of a key; `None`: it is not there, or another kind.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.get(key)?.text()
    }

    /// What the word of a key stands for.
    pub fn word<T: Words>(&self, key: &str) -> Option<T> {
        T::named(self.text(key)?)
    }

    /// The whole number of a key; `None`: it is not there, or another kind.
    pub fn integer<T: TryFrom<i128>>(&self, key: &str) -> Option<T> {
        self.get(key)?.integer()
    }

    /// The number of a key; `None`: it is not there, or another kind.
    pub fn number(&self, key: &str) -> Option<f64> {
        self.get(key)?.number()
    }

    /// The truth value of a key; `None`: it is not there, or another kind.
    pub fn boolean(&self, key: &str) -> Option<bool> {
        match self.get(key)?.value {
            TomlValue::Boolean(yes) => Some(yes),
            _ => None,
        }
    }

    /// The list of a key; `None`: it is not there, or another kind.
    pub fn list(&self, key: &str) -> Option<&[TomlNode]> {
        self.get(key)?.list()
    }

    /// The table of a key; `None`: it is not there, or another kind.
    pub fn table(&self, key: &str) -> Option<&TomlTable> {
        self.get(key)?.table()
    }

    /// The duration of a key, rounded half up to the picosecond; `None`: it is not there, or no duration.
    pub fn picoseconds(&self, key: &str) -> Option<Picoseconds> {
        let ps = parse_duration(self.text(key)?).ok()?;
        u64::try_from(ps).ok().map(Picoseconds)
    }

    /// The duration of a key, rounded half up to the nanosecond; `None`: it is not there, or no duration.
    pub fn duration(&self, key: &str) -> Option<SimDuration> {
        let ps = parse_duration(self.text(key)?).ok()?;
        u64::try_from((ps + 500) / 1000).ok().map(SimDuration)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_comments_and_blanks_are_no_structure() {
        for (text, size) in [
            ("", 0),
            ("a = 1 # b = 2\n  c=[ ]", 7),
            (r##"a = "x # \" ' \" # " b"##, 5),
            ("a = 'x \\' # '\n b", 5),
            ("a = \"\"\"x\n\" y\"\" \\\"\"\" z\"\"\"\nb", 5),
            ("a = '''\n''' b", 5),
            ("a = \"open\nb = 1", 7),
            ("a = '''open\nb = 1", 4),
        ] {
            assert_eq!(structure(text), size, "{text:?}");
        }
    }

    #[test]
    fn a_long_file_shows_one_mistake() {
        let long = "=\n".repeat(MAX_RECOVERED + 1);
        assert_eq!(parse(&long, 0).map_err(|found| found.len()).err(), Some(1));
    }
}
