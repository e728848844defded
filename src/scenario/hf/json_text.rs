//! A JSON text as the tree that a scenario's TOML becomes, in which every key and value remembers where it was
//! written. What is `null` is left out, as if it were not there.

use super::super::diagnostic::Diagnostic;
use super::super::source::Span;
use super::super::tree::{TomlEntry, TomlNode, TomlTable, TomlValue};

/// Reads a JSON object, or says what is wrong with the text.
pub fn parse_object(text: &str, source: usize) -> Result<TomlTable, Diagnostic> {
    // the library decides what is JSON, and how deep it may go; what follows only finds places
    if let Err(error) = serde_json::from_str::<serde_json::Value>(text) {
        return Err(grammar(&error, text, source));
    }
    let mut scanner = Scanner {
        text,
        source,
        at: 0,
    };
    match scanner.value() {
        Some(TomlNode {
            value: TomlValue::Table(table),
            ..
        }) => Ok(table),
        _ => {
            let at = Span {
                source,
                start: 0,
                end: text.len(),
            };
            let found = Diagnostic::new("a configuration is one JSON object", at);
            Err(found.label("this is something else"))
        }
    }
}

fn grammar(error: &serde_json::Error, text: &str, source: usize) -> Diagnostic {
    let lines = text.split_inclusive('\n').take(error.line().max(1) - 1);
    let line = lines.map(str::len).sum::<usize>();
    // the column counts bytes; it points behind the last one that was read
    let mut start = (line + error.column().saturating_sub(1)).min(text.len());
    while !text.is_char_boundary(start) {
        start -= 1;
    }
    let here = text[start..].chars().next().filter(|c| !c.is_whitespace());
    let at = match here {
        Some(c) => Span {
            source,
            start,
            end: start + c.len_utf8(),
        },
        None => {
            let before = text[..start].trim_end();
            let last = before.chars().next_back().map_or(0, char::len_utf8);
            Span {
                source,
                start: before.len() - last,
                end: before.len(),
            }
        }
    };
    let message = error.to_string();
    let message = message
        .split_once(" at line ")
        .map_or(message.as_str(), |(before, _)| before);
    Diagnostic::new(format!("not valid JSON: {message}"), at)
        .help("a config.json is what Hugging Face publishes beside a model's weights")
}

/// Walks over a text that is known to be JSON.
struct Scanner<'a> {
    text: &'a str,
    source: usize,
    at: usize,
}

impl Scanner<'_> {
    fn peek(&mut self) -> Option<u8> {
        let rest = &self.text.as_bytes()[self.at..];
        self.at += rest.iter().take_while(|b| b.is_ascii_whitespace()).count();
        self.text.as_bytes().get(self.at).copied()
    }

    /// Steps over one byte if it is this one.
    fn skips(&mut self, byte: u8) -> bool {
        let is_here = self.peek() == Some(byte);
        self.at += usize::from(is_here);
        is_here
    }

    fn span(&self, start: usize) -> Span {
        Span {
            source: self.source,
            start,
            end: self.at,
        }
    }

    /// The next value; `None` where it is `null`.
    fn value(&mut self) -> Option<TomlNode> {
        let first = self.peek()?;
        let start = self.at;
        let value = match first {
            b'{' => TomlValue::Table(self.object()),
            b'[' => TomlValue::List(self.list()),
            b'"' => TomlValue::Text(self.string()),
            _ => self.plain()?,
        };
        let at = self.span(start);
        Some(TomlNode { value, at })
    }

    fn object(&mut self) -> TomlTable {
        let mut table = TomlTable::default();
        self.at += 1;
        while self.peek() == Some(b'"') {
            let start = self.at;
            let key = self.string();
            let key_at = self.span(start);
            self.skips(b':');
            // of a key that stands twice the last one holds, as in Python
            table.remove(&key);
            if let Some(node) = self.value() {
                table.entries.push(TomlEntry { key, key_at, node });
            }
            self.skips(b',');
        }
        self.skips(b'}');
        table
    }

    fn list(&mut self) -> Vec<TomlNode> {
        let mut items = Vec::new();
        self.at += 1;
        while !self.skips(b']') && self.peek().is_some() {
            items.extend(self.value());
            self.skips(b',');
        }
        items
    }

    fn string(&mut self) -> String {
        let start = self.at;
        let bytes = self.text.as_bytes();
        self.at += 1;
        while let Some(&byte) = bytes.get(self.at) {
            self.at += if byte == b'\\' { 2 } else { 1 };
            if byte == b'"' {
                break;
            }
        }
        let text = self.text.get(start..self.at).unwrap_or_default();
        serde_json::from_str(text).unwrap_or_default()
    }

    /// A number or a word; `None` where it is `null`.
    fn plain(&mut self) -> Option<TomlValue> {
        let start = self.at;
        let rest = self.text[start..].bytes();
        let within = |b: &u8| !b.is_ascii_whitespace() && !matches!(b, b',' | b']' | b'}' | b':');
        self.at += rest.take_while(within).count().max(1);
        match self.text.get(start..self.at)? {
            "null" => None,
            "true" => Some(TomlValue::Boolean(true)),
            "false" => Some(TomlValue::Boolean(false)),
            number => Some(match number.parse() {
                Ok(whole) => TomlValue::Integer(whole),
                Err(_) => TomlValue::Float(number.parse().unwrap_or(f64::NAN)),
            }),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_value_knows_its_place() {
        let text = "{\n \"a\": [1, 2.5e1, null, \"\\u00fc\\\"\"],\n \"b\" : {\"c\": true, \"d\": null}, \"a2\": -7}";
        let root = parse_object(text, 3).unwrap();
        let [one, two, three] = root.list("a").unwrap() else {
            panic!("null is left out");
        };
        assert_eq!(
            (one.integer(), two.number(), three.text()),
            (Some(1), Some(25.0), Some("ü\""))
        );
        let of = |at: Span| &text[at.start..at.end];
        assert_eq!(of(three.at), "\"\\u00fc\\\"\"");
        let inner = root.table("b").unwrap();
        assert_eq!(of(inner.entry("c").unwrap().key_at), "\"c\"");
        assert_eq!(of(inner.at("c")), "true");
        assert_eq!(inner.entries.len(), 1);
        assert_eq!(root.integer::<i32>("a2"), Some(-7));
        assert_eq!(root.at("a2").source, 3);
    }

    #[test]
    fn what_is_no_object_is_refused_at_its_place() {
        let at = |text: &str| {
            let mut sources = super::super::super::source::Sources::default();
            sources.add("c.json".to_string(), text.to_string(), None);
            parse_object(text, 0).unwrap_err().render(&sources, false)
        };
        assert!(at("{\n  \"a\": 1,\n}").contains("c.json:3:1"));
        assert!(at("{\"a\": 1").contains("c.json:1:7"));
        assert!(at("").contains("not valid JSON"));
        assert!(at("[1]").contains("one JSON object"));
        let deep = "[".repeat(1_000);
        assert!(at(&deep).contains("recursion limit"));
    }
}
