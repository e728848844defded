//! Writes a tree as TOML, always the same text for the same tree, and its hash.
//!
//! The text reads back to the same tree. Tables of the top two levels get headers, deeper ones are
//! written inline; comments are gone.

use std::fmt::Write;
use std::io::{self, BufRead};

use toml::value::{Datetime, Offset};

use super::text::{quoted, write_quoted};
use super::tree::{TomlNode, TomlTable, TomlValue};

/// The whole tree as TOML, but for these keys of the root.
pub fn write_without(root: &TomlTable, left_out: &[&str]) -> String {
    let mut out = String::new();
    section(&mut out, root, "", left_out);
    out.trim_start_matches('\n').to_string()
}

/// Bytes of the text that [`write_without`] writes, a line break at its beginning included.
pub fn length_without(root: &TomlTable, left_out: &[&str]) -> u64 {
    struct Length(u64);
    impl Write for Length {
        fn write_str(&mut self, text: &str) -> std::fmt::Result {
            self.0 += text.len() as u64;
            Ok(())
        }
    }
    let mut length = Length(0);
    section(&mut length, root, "", left_out);
    length.0
}

/// A value as TOML.
pub fn write_value(node: &TomlNode) -> String {
    let mut out = String::new();
    value(&mut out, node);
    out
}

/// 128-bit FNV-1a of a text, in 32 hexadecimal digits: stable over versions, platforms and time. It
/// tells scenarios apart; it does not guard against forgery.
/// Source: G. Fowler, L. C. Noll, K.-P. Vo, D. Eastlake, "The FNV Non-Cryptographic Hash Algorithm".
pub fn hash(text: &str) -> String {
    format!("{:032x}", add_to_hash(OFFSET_BASIS, text.as_bytes()))
}

/// The hash of a stream's bytes.
///
/// # Errors
///
/// Where the stream cannot be read.
pub fn hash_of(mut from: impl BufRead) -> io::Result<String> {
    let mut state = OFFSET_BASIS;
    loop {
        let part = from.fill_buf()?;
        if part.is_empty() {
            return Ok(format!("{state:032x}"));
        }
        state = add_to_hash(state, part);
        let length = part.len();
        from.consume(length);
    }
}

/// State of the hash before the first byte.
const OFFSET_BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;

fn add_to_hash(mut state: u128, bytes: &[u8]) -> u128 {
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    for byte in bytes {
        state = (state ^ u128::from(*byte)).wrapping_mul(PRIME);
    }
    state
}

/// Writes a moment as RFC 3339 text with whole seconds (more digits only when given).
pub fn datetime(when: &Datetime) -> String {
    let mut text = String::new();
    if let Some(date) = when.date {
        let (year, month, day) = (date.year, date.month, date.day);
        let _ = write!(text, "{year:04}-{month:02}-{day:02}");
    }
    if let Some(time) = when.time {
        if when.date.is_some() {
            text.push('T');
        }
        let (hour, minute, second) = (time.hour, time.minute, time.second.unwrap_or(0));
        let _ = write!(text, "{hour:02}:{minute:02}:{second:02}");
        if let Some(ns) = time.nanosecond.filter(|ns| *ns > 0) {
            let digits = format!("{ns:09}");
            let _ = write!(text, ".{}", digits.trim_end_matches('0'));
        }
    }
    match when.offset {
        Some(Offset::Z) => text.push('Z'),
        Some(Offset::Custom { minutes }) => {
            let sign = if minutes < 0 { '-' } else { '+' };
            let minutes = minutes.unsigned_abs();
            let _ = write!(text, "{sign}{:02}:{:02}", minutes / 60, minutes % 60);
        }
        None => {}
    }
    text
}

fn section(out: &mut dyn Write, table: &TomlTable, path: &str, left_out: &[&str]) {
    let own = |n: &TomlNode| !is_section(n, path) && !is_list_of_tables(n, path);
    let entries = || table.entries.iter();
    let entries = || entries().filter(|e| !left_out.contains(&e.key.as_str()));
    for entry in entries().filter(|e| own(&e.node)) {
        let _ = write!(out, "{} = ", key(&entry.key));
        value(out, &entry.node);
        let _ = out.write_char('\n');
    }
    for entry in entries().filter(|e| !own(&e.node)) {
        let name = if path.is_empty() {
            key(&entry.key)
        } else {
            format!("{path}.{}", key(&entry.key))
        };
        match &entry.node.value {
            TomlValue::Table(inner) => {
                let all_nest = inner.entries.iter().all(|e| is_section(&e.node, &name));
                if inner.entries.is_empty() || !all_nest {
                    let _ = write!(out, "\n[{name}]\n");
                }
                section(out, inner, &name, &[]);
            }
            TomlValue::List(items) => {
                for table in items.iter().filter_map(TomlNode::table) {
                    let _ = write!(out, "\n[[{name}]]\n");
                    for entry in &table.entries {
                        let _ = write!(out, "{} = ", key(&entry.key));
                        value(out, &entry.node);
                        let _ = out.write_char('\n');
                    }
                }
            }
            _ => {}
        }
    }
}

/// Whether a table is written as a section: those of the top level, and those that hold only non-empty tables.
fn is_section(node: &TomlNode, path: &str) -> bool {
    let Some(table) = node.table() else {
        return false;
    };
    path.is_empty() || (path == "pools" && !table.entries.is_empty())
}

fn is_list_of_tables(node: &TomlNode, path: &str) -> bool {
    let all_tables = |items: &[TomlNode]| items.iter().all(|i| i.table().is_some());
    path.is_empty() && node.list().is_some_and(|i| !i.is_empty() && all_tables(i))
}

fn key(key: &str) -> String {
    let bare = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    if !key.is_empty() && key.bytes().all(bare) {
        key.to_string()
    } else {
        quoted(key)
    }
}

fn value(out: &mut dyn Write, node: &TomlNode) {
    match &node.value {
        TomlValue::Text(words) => write_quoted(out, words),
        TomlValue::Csv(csv) => {
            let _ = out.write_str(csv.toml());
        }
        TomlValue::Integer(number) => {
            let _ = write!(out, "{number}");
        }
        TomlValue::Float(number) => {
            let _ = write!(out, "{number:?}");
        }
        TomlValue::Boolean(yes) => {
            let _ = write!(out, "{yes}");
        }
        TomlValue::Datetime(when) => {
            let _ = out.write_str(&datetime(when));
        }
        TomlValue::List(items) => {
            let _ = out.write_char('[');
            for (i, item) in items.iter().enumerate() {
                let _ = out.write_str(if i > 0 { ", " } else { "" });
                value(out, item);
            }
            let _ = out.write_char(']');
        }
        TomlValue::Table(table) => {
            let _ = out.write_char('{');
            for (i, entry) in table.entries.iter().enumerate() {
                let _ = write!(
                    out,
                    "{}{} = ",
                    if i > 0 { ", " } else { " " },
                    key(&entry.key)
                );
                value(out, &entry.node);
            }
            let _ = out.write_str(if table.entries.is_empty() { "}" } else { " }" });
        }
        TomlValue::Bad => {}
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::tree::parse;
    use super::*;

    fn write(root: &TomlTable) -> String {
        write_without(root, &[])
    }

    #[test]
    fn what_is_written_reads_back() {
        let source = r#"
            name = "a \"b\" \\ \u0007 ü"
            start = 2025-02-27T12:00:00.5-08:30
            x = 155.5e6
            y = 1e300
            empty = []
            t = {}
            [pools.prefill]
            units = { schedule = [["12:00", 29]] }
            [[class]]
            name = "r1"
            input = { parts = [{ w = 1 }, { w = 0.5 }] }
            "odd key" = true
        "#;
        let once = write(&parse(source, 0).unwrap());
        let again = write(&parse(&once, 0).unwrap());
        assert_eq!(once, again);
        assert!(once.contains("[pools.prefill]\nunits = { schedule = [[\"12:00\", 29]] }"));
        assert!(once.contains("start = 2025-02-27T12:00:00.5-08:30\n"));
        assert!(once.contains("x = 155500000.0\ny = 1e300\n"));
    }

    #[test]
    fn the_hash_is_fnv_1a() {
        // test vectors of the FNV draft
        assert_eq!(hash(""), "6c62272e07bb014262b821756295c58d");
        assert_eq!(hash("a"), "d228cb696f1a8caf78912b704e4a8964");
    }
}
