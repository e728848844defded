//! Holds a tree against its shape: finds every unknown key, wrong type, misspelt word, number out of
//! bounds and missing key at once, and brings the tree into standard form.
//!
//! Standard form: defaults written out, keys in the order of the shape (unless their order means
//! something), numbers that may have a fraction as floats. Two files that say the same in other words
//! then resolve to the same text and hash. What does not fit becomes [`Value::Bad`].

mod scalar;

use super::diagnostic::{Diagnostic, Report};
use super::shape::{Field, Kind, Need, Shape, Tagged};
use super::source::Span;
use super::suggest::{choices, count, list, nearest, quote};
use super::tree::{Entry, Node, Table, Value, parse_value};
use scalar::{
    bounded, choice, duration, integer, list_length, name, not_a_choice, offset_datetime,
    plain_text, time_of_day,
};

/// Checks a whole tree that came from the source `main`.
pub fn check(root: &mut Table, shape: &'static Shape, main: usize, report: &mut Report) {
    let place = Place {
        path: String::new(),
        header: Span::whole(main),
    };
    fields(root, &[shape.fields], shape.ordered, &place, report);
}

/// Where in the tree a value is.
struct Place {
    /// Dotted path; empty for the root.
    path: String,
    /// What to underline when something is missing in it.
    header: Span,
}

impl Place {
    fn key(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_string()
        } else {
            format!("{}.{key}", self.path)
        }
    }

    /// ` in "pools.prefill"`, or nothing at the root.
    fn inside(&self) -> String {
        if self.path.is_empty() {
            String::new()
        } else {
            format!(" in {}", quote(&self.path))
        }
    }
}

fn fields(
    table: &mut Table,
    parts: &[&'static [Field]],
    ordered: bool,
    place: &Place,
    report: &mut Report,
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
                Need::Required(example) if !excused.contains(&field.key) => {
                    missing.push((*field, example));
                }
                Need::Default(value) => {
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
        let rank = |e: &Entry| {
            known
                .iter()
                .position(|f| f.key == e.key)
                .map_or(0, |i| i + 1)
        };
        table.entries.sort_by_key(rank); // `kind` and strangers first
    }
}

fn unknown_key(entry: &Entry, meant: Option<&str>, given: bool, place: &Place) -> Diagnostic {
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

fn missing_keys(missing: &[(&'static Field, &str)], place: &Place) -> Diagnostic {
    let keys = || missing.iter().map(|(f, _)| f.key);
    let message = match missing {
        [(one, _)] => format!("{} is missing", quote(&place.key(one.key))),
        _ => format!("{} are missing{}", list(keys()), place.inside()),
    };
    let mut found = Diagnostic::new(message, place.header).label(format!("needs {}", list(keys())));
    for (field, example) in missing {
        let (key, doc) = (field.key, first_lower(field.doc));
        let what = match field.kind {
            Kind::Table(_) | Kind::Tagged(_) if place.path.is_empty() => format!("[{key}]"),
            Kind::List(Kind::Table(_), ..) => format!("[[{key}]]"),
            _ => format!("{key} = {example}"),
        };
        found = found.help(format!("add `{what}`: {doc}"));
    }
    found
}

fn default_entry(field: &Field, text: &str, report: &mut Report) -> Option<Entry> {
    let mut node = parse_value(text, Span::NOWHERE.source, 0).ok()?;
    unplace(&mut node);
    value(&mut node, Span::NOWHERE, &field.kind, String::new(), report);
    Some(Entry {
        key: field.key.to_string(),
        key_at: Span::NOWHERE,
        node,
    })
}

fn unplace(node: &mut Node) {
    node.at = Span::NOWHERE;
    match &mut node.value {
        Value::List(items) => items.iter_mut().for_each(unplace),
        Value::Table(table) => table.entries.iter_mut().for_each(|e| unplace(&mut e.node)),
        _ => {}
    }
}

fn value(node: &mut Node, key_at: Span, kind: &Kind, path: String, report: &mut Report) {
    let at = node.at;
    let wrong = |node: &Node| wrong_type(node, kind, &path);
    let found = match (kind, &mut node.value) {
        (_, Value::Bad) => None,
        (Kind::Either(one, other), _) => {
            let chosen = if has_type(one, node) { one } else { other };
            if has_type(chosen, node) {
                return value(node, key_at, chosen, path, report);
            }
            Some(wrong(node))
        }
        (Kind::Text, Value::Text(text)) => plain_text(text, at, &path),
        (Kind::LongText, Value::Text(_)) => None,
        (Kind::Name, Value::Text(text)) => name(text, at, &path),
        (Kind::Boolean, Value::Boolean(_)) => None,
        (Kind::Integer(low, high), Value::Float(x)) if *x - libm::trunc(*x) == 0.0 => {
            // 1e6 is a whole number too, to people
            let whole = *x as i128;
            node.value = Value::Integer(whole);
            integer(whole, *low, *high, at, &path)
        }
        (Kind::Integer(low, high), Value::Integer(number)) => {
            integer(*number, *low, *high, at, &path)
        }
        (Kind::Number(range), Value::Integer(_) | Value::Float(_)) => {
            let number = node.number().unwrap_or(f64::NAN);
            node.value = Value::Float(number + 0.0); // -0.0 becomes 0.0
            bounded(number, *range, at, &path)
        }
        (Kind::Duration(low, high, grain), Value::Text(text)) => {
            duration(text, *low, *high, *grain, at, &path)
        }
        (Kind::TimeOfDay(end), Value::Text(text)) => time_of_day(text, *end, at, &path),
        (Kind::OffsetDatetime, Value::Datetime(_)) => offset_datetime(node, &path),
        (Kind::Choice(words), Value::Text(text)) => choice(text, words, at, &path),
        (Kind::List(of, least, most), Value::List(items)) => {
            for (i, item) in items.iter_mut().enumerate() {
                let place = item_path(&path, i, item);
                let item_at = item.at;
                value(item, item_at, of, place, report);
            }
            list_length(items.len(), *least, *most, at, &path)
        }
        (Kind::Pair(first, second), Value::List(items)) => {
            if let [one, other] = items.as_mut_slice() {
                let (one_at, other_at) = (one.at, other.at);
                value(one, one_at, first, path.clone(), report);
                value(other, other_at, second, path.clone(), report);
                None
            } else {
                Some(wrong(node))
            }
        }
        (Kind::Table(shape), Value::Table(table)) => {
            let place = Place {
                path,
                header: visible_header(key_at, at),
            };
            return fields(table, &[shape.fields], shape.ordered, &place, report);
        }
        (Kind::Tagged(tagged), Value::Table(table)) => {
            let place = Place {
                path,
                header: visible_header(key_at, at),
            };
            if !variant(table, tagged, &place, report) {
                node.value = Value::Bad;
            }
            return;
        }
        _ => Some(wrong(node)),
    };
    if let Some(found) = found {
        node.value = Value::Bad;
        report.push(found);
    }
}

/// The key of a table is what a reader looks for; items of lists have only their own place.
fn visible_header(key_at: Span, at: Span) -> Span {
    if key_at.is_empty() { at } else { key_at }
}

fn variant(table: &mut Table, tagged: &'static Tagged, place: &Place, report: &mut Report) -> bool {
    let tags = || tagged.variants.iter().map(|v| v.tag);
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
        .and_then(|t| tagged.variants.iter().find(|v| v.tag == t));
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

fn has_type(kind: &Kind, node: &Node) -> bool {
    match kind {
        Kind::Either(one, other) => has_type(one, node) || has_type(other, node),
        Kind::Integer(..) | Kind::Number(_) => {
            matches!(node.value, Value::Integer(_) | Value::Float(_))
        }
        Kind::Boolean => matches!(node.value, Value::Boolean(_)),
        Kind::OffsetDatetime => matches!(node.value, Value::Datetime(_)),
        Kind::List(..) | Kind::Pair(..) => matches!(node.value, Value::List(_)),
        Kind::Table(_) | Kind::Tagged(_) => matches!(node.value, Value::Table(_)),
        _ => matches!(node.value, Value::Text(_)),
    }
}

fn wrong_type(node: &Node, kind: &Kind, path: &str) -> Diagnostic {
    let message = format!("{} should be {}", quote(path), kind.words());
    let label = match (&node.value, kind) {
        (Value::List(items), Kind::Pair(..)) => {
            format!("this has {}", count(items.len(), "value", "values"))
        }
        (Value::Float(x), Kind::Integer(..)) if x.is_finite() => "this has a fraction".to_string(),
        (Value::Float(_), Kind::Integer(..)) => "this is not finite".to_string(),
        _ => format!("this is {}", node.kind()),
    };
    let found = Diagnostic::new(message, node.at).label(label);
    let usual = match kind {
        Kind::Either(usual, _) => usual,
        kind => kind,
    };
    match (&node.value, usual) {
        (Value::Integer(n), Kind::Duration(..)) => {
            found.help(format!("write a unit: \"{n}s\", \"{n}min\" or \"{n}h\""))
        }
        (Value::Datetime(when), Kind::TimeOfDay(_)) => found.help(format!("write \"{when}\"")),
        (Value::Text(text), Kind::Integer(..) | Kind::Number(_) | Kind::Boolean)
            if parse_value(text, 0, 0).is_ok_and(|n| has_type(kind, &n)) =>
        {
            found.help(format!("write it without quotes: {text}"))
        }
        (Value::Text(_), Kind::OffsetDatetime) => found.help("write it without quotes"),
        (_, Kind::Table(shape)) => {
            let keys = list(shape.fields.iter().map(|f| f.key));
            found.help(format!("its keys are {keys}"))
        }
        (_, Kind::Tagged(tagged)) => found.help(format!(
            "write {{ kind = {}, … }}; kinds are {}",
            tagged.example,
            choices(tagged.variants.iter().map(|v| v.tag))
        )),
        _ => found,
    }
}

/// `class.r1` for a table with a name, `class.0` for others.
fn item_path(path: &str, index: usize, item: &Node) -> String {
    let name = item.table().and_then(|t| t.text("name"));
    match name.filter(|n| !n.is_empty() && n.len() <= 40 && !n.contains(char::is_whitespace)) {
        Some(name) => format!("{path}.{name}"),
        None => format!("{path}.{index}"),
    }
}

/// In the middle of a sentence; abbreviations stay as they are.
fn first_lower(text: &str) -> String {
    let mut chars = text.chars();
    match (chars.next(), chars.clone().next()) {
        (Some(first), Some(second)) if !second.is_uppercase() => {
            first.to_lowercase().chain(chars).collect()
        }
        _ => text.to_string(),
    }
}
