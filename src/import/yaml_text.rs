//! YAML documents as trees in which every value remembers where it was written. Aliases are refused: a few lines of
//! them may stand for more than a machine holds.

use saphyr_parser::{Event, Parser, ScalarStyle, Span as YamlSpan, SpannedEventReceiver};

use crate::scenario::{Diagnostic, Span, TomlEntry, TomlNode, TomlTable, TomlValue};

/// Deepest nesting that is read.
const MAX_DEPTH: usize = 64;

/// Reads the documents of a text, those that are tables; or says what is wrong with it.
pub fn documents(text: &str, source: usize) -> Result<Vec<TomlTable>, Diagnostic> {
    let mut tree = YamlTree {
        places: places(text),
        source,
        length: text.len(),
        open: Vec::new(),
        documents: Vec::new(),
        refused: None,
    };
    let loaded = Parser::new_from_str(text).load(&mut tree, true);
    if let Some(found) = tree.refused {
        return Err(found);
    }
    if let Err(error) = loaded {
        let marker = error.marker();
        let start = tree.byte(marker.index());
        let at = Span {
            source,
            start: start.min(text.len().saturating_sub(1)),
            end: (start + 1).min(text.len()),
        };
        return Err(Diagnostic::new(
            format!("not valid YAML: {}", error.info()),
            at,
        ));
    }
    Ok(tree.documents)
}

/// Where each character begins, in bytes; empty: every character is one byte.
fn places(text: &str) -> Vec<usize> {
    if text.is_ascii() {
        return Vec::new();
    }
    text.char_indices().map(|(at, _)| at).collect()
}

/// What is open: a list, or a table with the key whose value comes next.
enum Open {
    List(Vec<TomlNode>, usize),
    Table(TomlTable, Option<(String, Span)>, usize),
}

struct YamlTree {
    places: Vec<usize>,
    source: usize,
    length: usize,
    open: Vec<Open>,
    documents: Vec<TomlTable>,
    refused: Option<Diagnostic>,
}

impl YamlTree {
    fn byte(&self, character: usize) -> usize {
        match self.places.get(character) {
            Some(at) => *at,
            None if self.places.is_empty() => character.min(self.length),
            None => self.length,
        }
    }

    fn at(&self, span: YamlSpan) -> Span {
        let start = self.byte(span.start.index());
        Span {
            source: self.source,
            start,
            end: self.byte(span.end.index()).max(start),
        }
    }

    fn refuse(&mut self, message: &str, at: Span) {
        let found = Diagnostic::new(message, at).label("not read");
        self.refused.get_or_insert(found);
    }

    /// A finished value goes into what is open; `None`: it is `null`.
    fn finished(&mut self, value: Option<TomlNode>) {
        match self.open.last_mut() {
            None => {
                if let Some(TomlValue::Table(table)) = value.map(|node| node.value) {
                    self.documents.push(table);
                }
            }
            Some(Open::List(items, _)) => items.extend(value),
            Some(Open::Table(table, key, _)) => match key.take() {
                None => {
                    let text = value.as_ref().and_then(plain_text).unwrap_or_default();
                    let at = value.map_or(Span::NOWHERE, |node| node.at);
                    *key = Some((text, at));
                }
                Some((key, key_at)) => {
                    if let Some(node) = value {
                        table.remove(&key);
                        table.entries.push(TomlEntry { key, key_at, node });
                    }
                }
            },
        }
    }
}

/// A scalar as a key.
fn plain_text(node: &TomlNode) -> Option<String> {
    match &node.value {
        TomlValue::Text(text) => Some(text.clone()),
        TomlValue::Integer(n) => Some(n.to_string()),
        TomlValue::Float(x) => Some(x.to_string()),
        TomlValue::Boolean(yes) => Some(yes.to_string()),
        _ => None,
    }
}

/// A plain scalar, by YAML's core schema; `None`: it is `null`.
fn scalar(text: &str) -> Option<TomlValue> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return None,
        "true" | "True" | "TRUE" => return Some(TomlValue::Boolean(true)),
        "false" | "False" | "FALSE" => return Some(TomlValue::Boolean(false)),
        _ => {}
    }
    let is_number = text
        .bytes()
        .all(|b| matches!(b, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'));
    if let Ok(whole) = text.parse() {
        return Some(TomlValue::Integer(whole));
    }
    match text.parse() {
        Ok(number) if is_number => Some(TomlValue::Float(number)),
        _ => Some(TomlValue::Text(text.to_string())),
    }
}

impl<'input> SpannedEventReceiver<'input> for YamlTree {
    fn on_event(&mut self, event: Event<'input>, span: YamlSpan) {
        if self.refused.is_some() {
            return;
        }
        let at = self.at(span);
        match event {
            Event::Scalar(text, style, _, _) => {
                let value = match style {
                    ScalarStyle::Plain => scalar(&text),
                    _ => Some(TomlValue::Text(text.to_string())),
                };
                self.finished(value.map(|value| TomlNode { value, at }));
            }
            Event::SequenceStart(..) | Event::MappingStart(..) if self.open.len() == MAX_DEPTH => {
                self.refuse("this is nested too deep", at);
            }
            Event::SequenceStart(..) => self.open.push(Open::List(Vec::new(), at.start)),
            Event::MappingStart(..) => {
                self.open
                    .push(Open::Table(TomlTable::default(), None, at.start));
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let (value, start) = match self.open.pop() {
                    Some(Open::List(items, start)) => (TomlValue::List(items), start),
                    Some(Open::Table(table, _, start)) => (TomlValue::Table(table), start),
                    None => return,
                };
                let at = Span {
                    start: start.min(at.end),
                    ..at
                };
                self.finished(Some(TomlNode { value, at }));
            }
            Event::Alias(_) => {
                self.refuse("aliases are not read: write out what it stands for", at)
            }
            _ => {}
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_tables_with_places() {
        let text = "a: ü\nb:\n  - --flag\n  - 8\n  - \"8\"\n  - null\nc: |\n  two\n  lines\n---\nd: {e: 0.5, f: true}\n";
        let [one, two] = &documents(text, 1).unwrap()[..] else {
            panic!("two documents");
        };
        let [flag, number, quoted] = one.list("b").unwrap() else {
            panic!("null is left out");
        };
        assert_eq!(
            (flag.text(), number.integer(), quoted.text()),
            (Some("--flag"), Some(8), Some("8"))
        );
        assert_eq!(&text[flag.at.start..flag.at.end], "--flag");
        assert_eq!(one.text("c"), Some("two\nlines\n"));
        let inner = two.table("d").unwrap();
        assert_eq!(
            (inner.number("e"), inner.boolean("f")),
            (Some(0.5), Some(true))
        );
    }

    #[test]
    fn what_could_grow_without_end_is_refused() {
        assert!(documents("a: &x [1]\nb: *x\n", 0).is_err());
        assert!(documents(&"[".repeat(100_000), 0).is_err());
        assert!(documents("a: [", 0).is_err());
    }
}
