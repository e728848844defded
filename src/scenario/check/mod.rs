//! Holds a tree against its shape: finds every unknown key, wrong type, misspelt word, number out of
//! bounds and missing key at once, and brings the tree into standard form.
//!
//! Standard form: defaults written out, keys in the order of the shape (unless their order means
//! something), numbers that may have a fraction as floats. Two files that say the same in other words
//! then resolve to the same text and hash. What does not fit becomes [`TomlValue::Bad`].

mod scalar;

use super::diagnostic::{Diagnostic, MistakeReport};
use super::shape::{Field, Presence, TableShape, Tagged, ValueKind};
use super::source::Span;
use super::suggest::{choices, count, list, nearest, quote};
use super::tree::{TomlEntry, TomlNode, TomlTable, TomlValue, parse_value};
use scalar::{
    bounded, choice, duration, integer, list_length, name, not_a_choice, offset_datetime,
    plain_text, time_of_day,
};

/// Checks a whole tree that came from the source `main`.
pub fn check(
    root: &mut TomlTable,
    shape: &'static TableShape,
    main: usize,
    report: &mut MistakeReport,
) {
    let place = TreePlace {
        path: String::new(),
        header: Span::whole(main),
    };
    fields(root, &[shape.fields], shape.ordered, &place, report);
}

/// The place of a value in the tree, for messages.
struct TreePlace {
    /// Dotted path of the value; empty for the root.
    path: String,
    /// Place to underline when something is missing in the value.
    header: Span,
}

impl TreePlace {
    fn key(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_string()
        } else {
            format!("{}.{key}", self.path)
        }
    }

    /// The place in words: ` in "pools.prefill"`, or nothing at the root.
    fn inside(&self) -> String {
        if self.path.is_empty() {
            String::new()
        } else {
            format!(" in {}", quote(&self.path))
        }
    }
}

fn fields(
    table: &mut TomlTable,
    parts: &[&'static [Field]],
    ordered: bool,
    place: &TreePlace,
    report: &mut MistakeReport,
) {
    let known: Vec<&'static Field> = parts.iter().flat_map(|part| part.iter()).collect();
    let mut excused = Vec::new();
    let mut listed = false;
    for entry in &table.entries {
        if known.iter().all(|f| f.key != entry.key) && entry.key != "kind" {
            let meant = nearest(&entry.key, known.iter().map(|f| f.key));
            let given = meant.and_then(|m| table.entry(m));
            let given = given.is_some_and(|e| e.key_at.source == entry.key_at.source);
            excused.extend(meant);
            let mut found = unknown_key(entry, meant, given, place);
            if meant.is_none() && !std::mem::replace(&mut listed, true) {
                found = found.help(known_keys(&known));
            }
            report.push(found);
        }
    }
    let mut missing = Vec::new();
    for field in &known {
        let Some(entry) = table.entry_mut(field.key) else {
            match field.need {
                Presence::Required(example) if !excused.contains(&field.key) => {
                    missing.push((*field, example));
                }
                Presence::Default(value) => {
                    if let Some(entry) = default_entry(field, value, report) {
                        table.entries.push(entry);
                    }
                }
                _ => {}
            }
            continue;
        };
        let path = place.key(field.key);
        value(&mut entry.node, entry.key_at, &field.kind, path, report);
    }
    if !missing.is_empty() {
        report.push_missing(missing_keys(&missing, place));
    }
    if !ordered {
        let rank = |e: &TomlEntry| {
            known
                .iter()
                .position(|f| f.key == e.key)
                .map_or(0, |i| i + 1)
        };
        table.entries.sort_by_key(rank); // `kind` and strangers first
    }
}

fn unknown_key(
    entry: &TomlEntry,
    meant: Option<&str>,
    given: bool,
    place: &TreePlace,
) -> Diagnostic {
    let message = format!("unknown key {}{}", quote(&entry.key), place.inside());
    let label = match meant {
        Some(meant) if given => format!("did you mean {}? that one is given too", quote(meant)),
        Some(meant) => format!("did you mean {}?", quote(meant)),
        None => "no such key".to_string(),
    };
    Diagnostic::new(message, entry.key_at).label(label)
}

fn known_keys(known: &[&'static Field]) -> String {
    if known.is_empty() {
        "there are no keys of its own here".to_string()
    } else {
        format!("the keys here are {}", list(known.iter().map(|f| f.key)))
    }
}

fn missing_keys(missing: &[(&'static Field, &str)], place: &TreePlace) -> Diagnostic {
    let keys = || missing.iter().map(|(f, _)| f.key);
    let message = match missing {
        [(one, _)] => format!("{} is missing", quote(&place.key(one.key))),
        _ => format!("{} are missing{}", list(keys()), place.inside()),
    };
    let mut found = Diagnostic::new(message, place.header).label(format!("needs {}", list(keys())));
    for (field, example) in missing {
        let (key, doc) = (field.key, first_lower(field.doc));
        let what = match field.kind {
            ValueKind::Table(_) | ValueKind::Tagged(_) if place.path.is_empty() => {
                format!("[{key}]")
            }
            ValueKind::List(ValueKind::Table(_), ..) => format!("[[{key}]]"),
            _ => format!("{key} = {example}"),
        };
        found = found.help(format!("add `{what}`: {doc}"));
    }
    found
}

fn default_entry(field: &Field, text: &str, report: &mut MistakeReport) -> Option<TomlEntry> {
    let mut node = parse_value(text, Span::NOWHERE.source, 0).ok()?;
    node.place(Span::NOWHERE);
    value(&mut node, Span::NOWHERE, &field.kind, String::new(), report);
    Some(TomlEntry {
        key: field.key.to_string(),
        key_at: Span::NOWHERE,
        node,
    })
}

fn value(
    node: &mut TomlNode,
    key_at: Span,
    kind: &ValueKind,
    path: String,
    report: &mut MistakeReport,
) {
    let at = node.at;
    let wrong = |node: &TomlNode| wrong_type(node, kind, &path);
    let found = match (kind, &mut node.value) {
        (_, TomlValue::Bad) => None,
        (ValueKind::Either(one, other), _) => {
            let chosen = if has_type(one, node) { one } else { other };
            if has_type(chosen, node) {
                return value(node, key_at, chosen, path, report);
            }
            Some(wrong(node))
        }
        (ValueKind::Text, TomlValue::Text(text)) => plain_text(text, at, &path),
        (ValueKind::LongText, TomlValue::Text(_) | TomlValue::Csv(_)) => None,
        (ValueKind::Name, TomlValue::Text(text)) => name(text, at, &path),
        (ValueKind::Boolean, TomlValue::Boolean(_)) => None,
        (ValueKind::Integer(low, high), TomlValue::Float(x)) if *x - libm::trunc(*x) == 0.0 => {
            // 1e6 is a whole number too, to people
            let whole = *x as i128;
            node.value = TomlValue::Integer(whole);
            integer(whole, *low, *high, at, &path)
        }
        (ValueKind::Integer(low, high), TomlValue::Integer(number)) => {
            integer(*number, *low, *high, at, &path)
        }
        (ValueKind::Number(range), TomlValue::Integer(_) | TomlValue::Float(_)) => {
            let number = node.number().unwrap_or(f64::NAN);
            node.value = TomlValue::Float(number + 0.0); // -0.0 becomes 0.0
            bounded(number, *range, at, &path)
        }
        (ValueKind::Duration(low, high, grain), TomlValue::Text(text)) => {
            duration(text, *low, *high, *grain, at, &path)
        }
        (ValueKind::TimeOfDay(end), TomlValue::Text(text)) => time_of_day(text, *end, at, &path),
        (ValueKind::OffsetDatetime, TomlValue::Datetime(_)) => offset_datetime(node, &path),
        (ValueKind::Choice(words), TomlValue::Text(text)) => choice(text, words, at, &path),
        (ValueKind::List(of, least, most), TomlValue::List(items)) => {
            for (i, item) in items.iter_mut().enumerate() {
                let place = item_path(&path, i, item);
                let item_at = item.at;
                value(item, item_at, of, place, report);
            }
            list_length(items.len(), *least, *most, at, &path)
        }
        (ValueKind::Pair(first, second), TomlValue::List(items)) => {
            if let [one, other] = items.as_mut_slice() {
                let (one_at, other_at) = (one.at, other.at);
                value(one, one_at, first, path.clone(), report);
                value(other, other_at, second, path.clone(), report);
                None
            } else {
                Some(wrong(node))
            }
        }
        (ValueKind::Table(shape), TomlValue::Table(table)) => {
            let place = TreePlace {
                path,
                header: visible_header(key_at, at),
            };
            return fields(table, &[shape.fields], shape.ordered, &place, report);
        }
        (ValueKind::Tagged(tagged), TomlValue::Table(table)) => {
            let place = TreePlace {
                path,
                header: visible_header(key_at, at),
            };
            if !variant(table, tagged, &place, report) {
                node.value = TomlValue::Bad;
            }
            return;
        }
        _ => Some(wrong(node)),
    };
    if let Some(found) = found {
        node.value = TomlValue::Bad;
        report.push(found);
    }
}

/// The place to show for a table: its key, or for an item of a list the item's own place.
fn visible_header(key_at: Span, at: Span) -> Span {
    if key_at.is_empty() { at } else { key_at }
}

fn variant(
    table: &mut TomlTable,
    tagged: &'static Tagged,
    place: &TreePlace,
    report: &mut MistakeReport,
) -> bool {
    let tags = || tagged.variants.iter().map(|v| v.tag.word);
    let Some(kind) = table.get("kind") else {
        let message = format!("{} is missing", quote(&place.key("kind")));
        let help = format!(
            "add `kind = {}`; kinds are {}",
            tagged.example,
            choices(tags())
        );
        report.push_missing(
            Diagnostic::new(message, place.header)
                .label("needs a `kind`")
                .help(help),
        );
        return false;
    };
    let known = kind
        .text()
        .and_then(|t| tagged.variants.iter().find(|v| v.tag.word == t));
    let Some(known) = known else {
        let path = place.key("kind");
        report.push(match kind.text() {
            Some(text) => not_a_choice(text, tags(), kind.at, &path),
            None => Diagnostic::new(
                format!("{} should be one of {}", quote(&path), choices(tags())),
                kind.at,
            )
            .label(format!("this is {}", kind.kind())),
        });
        return false;
    };
    fields(table, &[known.fields, tagged.common], false, place, report);
    true
}

fn has_type(kind: &ValueKind, node: &TomlNode) -> bool {
    match kind {
        ValueKind::Either(one, other) => has_type(one, node) || has_type(other, node),
        ValueKind::Integer(..) | ValueKind::Number(_) => {
            matches!(node.value, TomlValue::Integer(_) | TomlValue::Float(_))
        }
        ValueKind::Boolean => matches!(node.value, TomlValue::Boolean(_)),
        ValueKind::OffsetDatetime => matches!(node.value, TomlValue::Datetime(_)),
        ValueKind::List(..) | ValueKind::Pair(..) => matches!(node.value, TomlValue::List(_)),
        ValueKind::Table(_) | ValueKind::Tagged(_) => matches!(node.value, TomlValue::Table(_)),
        _ => matches!(node.value, TomlValue::Text(_) | TomlValue::Csv(_)),
    }
}

fn wrong_type(node: &TomlNode, kind: &ValueKind, path: &str) -> Diagnostic {
    let message = format!("{} should be {}", quote(path), kind.words());
    let label = match (&node.value, kind) {
        (TomlValue::List(items), ValueKind::Pair(..)) => {
            format!("this has {}", count(items.len(), "value", "values"))
        }
        (TomlValue::Float(x), ValueKind::Integer(..)) if x.is_finite() => {
            "this has a fraction".to_string()
        }
        (TomlValue::Float(_), ValueKind::Integer(..)) => "this is not finite".to_string(),
        _ => format!("this is {}", node.kind()),
    };
    let found = Diagnostic::new(message, node.at).label(label);
    let usual = match kind {
        ValueKind::Either(usual, _) => usual,
        kind => kind,
    };
    match (&node.value, usual) {
        (TomlValue::Integer(n), ValueKind::Duration(..)) => {
            found.help(format!("write a unit: \"{n}s\", \"{n}min\" or \"{n}h\""))
        }
        (TomlValue::Datetime(when), ValueKind::TimeOfDay(_)) => {
            found.help(format!("write \"{when}\""))
        }
        (
            TomlValue::Text(text),
            ValueKind::Integer(..) | ValueKind::Number(_) | ValueKind::Boolean,
        ) if parse_value(text, 0, 0).is_ok_and(|n| has_type(kind, &n)) => {
            found.help(format!("write it without quotes: {text}"))
        }
        (TomlValue::Text(_), ValueKind::OffsetDatetime) => found.help("write it without quotes"),
        (_, ValueKind::Table(shape)) => {
            let keys = list(shape.fields.iter().map(|f| f.key));
            found.help(format!("its keys are {keys}"))
        }
        (_, ValueKind::Tagged(tagged)) => found.help(format!(
            "write {{ kind = {}, … }}; kinds are {}",
            tagged.example,
            choices(tagged.variants.iter().map(|v| v.tag.word))
        )),
        _ => found,
    }
}

/// The path of a list's item: `class.r1` for a table with a name, `class.0` for others.
fn item_path(path: &str, index: usize, item: &TomlNode) -> String {
    let name = item.table().and_then(|t| t.text("name"));
    match name.filter(|n| !n.is_empty() && n.len() <= 40 && !n.contains(char::is_whitespace)) {
        Some(name) => format!("{path}.{name}"),
        None => format!("{path}.{index}"),
    }
}

/// A sentence as it stands behind others: its first letter small, but abbreviations as they are.
fn first_lower(text: &str) -> String {
    let mut chars = text.chars();
    match (chars.next(), chars.clone().next()) {
        (Some(first), Some(second)) if !second.is_uppercase() => {
            first.to_lowercase().chain(chars).collect()
        }
        _ => text.to_string(),
    }
}
