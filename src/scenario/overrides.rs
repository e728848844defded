//! `--set key.path=value`: changes to a scenario from the command line.
//!
//! The value is read as TOML; a bare word that is not TOML counts as text, so `--set duration=2h`
//! needs no quotes. Members of a list are named by number or by their `name`: `class.0.priority`,
//! `class.r1.priority`. A path changes one key of what is there: another `base` takes back what differed from
//! the one before. Each argument is a source of its own, so mistakes underline its text.

use std::sync::Arc;

use super::diagnostic::Diagnostic;
use super::file::CATALOG_KEYS;
use super::merge::{as_catalog_table, merge};
use super::source::{SourceText, Sources, Span};
use super::suggest::{list, nearest, quote};
use super::tree::{TomlEntry, TomlNode, TomlTable, TomlValue, parse_value};

/// Most keys in a path: trees are walked by functions that call themselves.
const MAX_PATH: usize = 64;

/// Applies one argument `key.path=value` to the tree.
///
/// # Errors
///
/// When the argument has no `=`, its value is broken TOML, or its path leads nowhere.
pub fn apply(
    root: &mut TomlTable,
    argument: &str,
    sources: &mut Sources,
) -> Result<(), Diagnostic> {
    let text = SourceText {
        name: "argument --set".to_string(),
        text: argument.to_string(),
        directory: None,
    };
    apply_text(root, &Arc::new(text), sources)
}

/// Applies a text `key.path=value` of whatever source to the tree.
///
/// # Errors
///
/// As for [`apply`].
pub fn apply_text(
    root: &mut TomlTable,
    written: &Arc<SourceText>,
    sources: &mut Sources,
) -> Result<(), Diagnostic> {
    let source = sources.share(Arc::clone(written));
    let (argument, flag) = (written.text.as_str(), flag(&written.name));
    let part = |start, end| Span { source, start, end };
    let whole = part(0, argument.len().max(1));
    let Some(equals) = argument.find('=') else {
        let found = Diagnostic::new(format!("{flag} needs a key and a value"), whole);
        return Err(found.label("there is no `=`").help(example(flag)));
    };
    let text = &argument[equals + 1..];
    if text.trim().is_empty() {
        let found = Diagnostic::new(format!("{flag} needs a value"), part(equals, equals + 1));
        return Err(found.label("nothing after this").help(example(flag)));
    }
    let path = key_path(flag, &argument[..equals], part(0, equals))?;
    let lead = text.len() - text.trim_start().len();
    let node = read_value(&text[lead..], source, equals + 1 + lead)?;
    set_value(root, flag, &path, node)
}

/// Sets one key to a value that somebody wrote, which must not be an empty table.
pub fn set_value(
    root: &mut TomlTable,
    flag: &str,
    path: &[PathStep<'_>],
    node: TomlNode,
) -> Result<(), Diagnostic> {
    if let Some(at) = empty_table(&node) {
        let message = format!("{flag} with an empty table changes nothing");
        let help = format!(
            "a table is laid over the one that is there, key by key, and takes none away; name the keys that change, \
             such as {flag} pools.prefill.units=12"
        );
        return Err(Diagnostic::new(message, at)
            .label("no key in it")
            .help(help));
    }
    set(root, path, node)
}

/// What people type before a text of this source: `--set`; the source itself where it is no argument.
pub fn flag(source: &str) -> &str {
    source.strip_prefix("argument ").unwrap_or(source)
}

fn example(flag: &str) -> String {
    format!("write {flag} pools.prefill.units=12")
}

/// The keys of a path, which is written at `place` after a flag.
pub fn key_path<'t>(
    flag: &str,
    text: &'t str,
    place: Span,
) -> Result<Vec<PathStep<'t>>, Diagnostic> {
    let part = |start: usize, end: usize| Span {
        source: place.source,
        start: place.start + start,
        end: place.start + end,
    };
    let mut path = Vec::new();
    let mut start = 0;
    for key in text.split('.') {
        let lead = key.len() - key.trim_start().len();
        let at = part(start + lead, start + lead + key.trim().len());
        if key.trim().is_empty() {
            let at = part(start, (start + key.len()).max(start + 1));
            let found = Diagnostic::new(format!("{flag} has an empty key"), at);
            return Err(found.label("a key is missing here").help(example(flag)));
        }
        path.push((key.trim(), at));
        start += key.len() + 1;
    }
    if path.len() > MAX_PATH {
        let found = Diagnostic::new(
            format!("{flag} has too many keys"),
            part(0, text.len().max(1)),
        );
        return Err(found
            .label(format!("at most {MAX_PATH}"))
            .help(example(flag)));
    }
    if let Some(&("extends", at)) = path.first() {
        let found = Diagnostic::new("`extends` cannot be set from the command line", at);
        return Err(found.help("name that scenario as the one to run, and set what differs"));
    }
    Ok(path)
}

/// The place of a table that is without a key, here or further in; `None`: there is none.
fn empty_table(node: &TomlNode) -> Option<Span> {
    match &node.value {
        TomlValue::Table(table) if table.entries.is_empty() => Some(node.at),
        TomlValue::Table(table) => table.entries.iter().find_map(|e| empty_table(&e.node)),
        TomlValue::List(items) => items.iter().find_map(empty_table),
        _ => None,
    }
}

/// Reads a value as TOML, or as text where it is a bare word.
pub fn read_value(text: &str, source: usize, offset: usize) -> Result<TomlNode, Diagnostic> {
    parse_value(text, source, offset).or_else(|error| {
        let word = text.trim();
        if word.starts_with(['[', '{', '"', '\'']) {
            return Err(error);
        }
        let start = offset + (text.len() - text.trim_start().len());
        Ok(TomlNode {
            value: TomlValue::Text(word.to_string()),
            at: Span {
                source,
                start,
                end: start + word.len(),
            },
        })
    })
}

/// A key of the path and its place in the argument.
pub type PathStep<'a> = (&'a str, Span);

/// Sets one key of the tree to a value.
pub fn set(
    table: &mut TomlTable,
    path: &[PathStep<'_>],
    value: TomlNode,
) -> Result<(), Diagnostic> {
    let Some((&(key, key_at), rest)) = path.split_first() else {
        return Ok(());
    };
    if key == "engine" && matches!(rest, [("base", _)]) {
        table.remove("constants"); // they changed another engine's
    }
    let Some(entry) = table.entry_mut(key).filter(|_| !rest.is_empty()) else {
        let over = TomlTable {
            entries: vec![TomlEntry {
                key: key.to_string(),
                key_at,
                node: nested(rest, value),
            }],
        };
        *table = merge(std::mem::take(table), over);
        return Ok(());
    };
    let node = std::mem::replace(&mut entry.node, TomlNode::of(TomlValue::Bad));
    entry.node = as_catalog_table(node, key);
    entry.key_at = key_at;
    step_into(&mut entry.node, key, rest, value)
}

/// Takes one key, or one member of a list, out; where it is not there, nothing happens.
pub fn remove(root: &mut TomlTable, path: &[PathStep<'_>]) {
    let Some((&(last, _), above)) = path.split_last() else {
        return;
    };
    let Some((&(first, _), between)) = above.split_first() else {
        root.remove(last);
        return;
    };
    let first = root.entry_mut(first).map(|e| &mut e.node);
    let holder = between.iter().try_fold(first, |node, &(key, _)| {
        let below = match &mut node?.value {
            TomlValue::Table(table) => table.entry_mut(key).map(|e| &mut e.node),
            TomlValue::List(items) => member(items, key).map(|index| &mut items[index]),
            _ => None,
        };
        Some(below)
    });
    match holder.flatten().map(|node| &mut node.value) {
        Some(TomlValue::Table(table)) => {
            table.remove(last);
        }
        Some(TomlValue::List(items)) => {
            if let Some(index) = member(items, last) {
                items.remove(index);
            }
        }
        _ => {}
    }
}

/// Nested tables for the keys that the tree does not have yet, with the value inside.
fn nested(path: &[PathStep<'_>], value: TomlNode) -> TomlNode {
    path.iter()
        .rev()
        .fold(value, |node, &(key, key_at)| TomlNode {
            at: key_at,
            value: TomlValue::Table(TomlTable {
                entries: vec![TomlEntry {
                    key: key.to_string(),
                    key_at,
                    node,
                }],
            }),
        })
}

fn step_into(
    node: &mut TomlNode,
    parent: &str,
    path: &[PathStep<'_>],
    value: TomlNode,
) -> Result<(), Diagnostic> {
    let Some((&(key, key_at), rest)) = path.split_first() else {
        *node = value;
        return Ok(());
    };
    let kind = node.kind();
    match &mut node.value {
        TomlValue::Table(table) => {
            // what differed from another base means nothing beside this one
            if key == "base" && CATALOG_KEYS.contains(&parent) {
                table.entries.clear();
            }
            set(table, path, value)
        }
        TomlValue::List(items) => {
            let Some(index) = member(items, key) else {
                return Err(no_member(items, parent, key, key_at));
            };
            if rest.is_empty() {
                items[index] = value;
                return Ok(());
            }
            step_into(&mut items[index], key, rest, value)
        }
        _ => {
            let message = format!("{} is {kind} and has no {}", quote(parent), quote(key));
            let found = Diagnostic::new(message, key_at).label("this leads nowhere");
            Err(found.also(node.at, "here it is"))
        }
    }
}

fn member(items: &[TomlNode], key: &str) -> Option<usize> {
    let by_name = items.iter().position(|i| item_name(i) == Some(key));
    by_name.or_else(|| key.parse().ok().filter(|i| *i < items.len()))
}

fn item_name(item: &TomlNode) -> Option<&str> {
    item.table()?.text("name")
}

fn no_member(items: &[TomlNode], parent: &str, key: &str, at: Span) -> Diagnostic {
    let found = Diagnostic::new(
        format!("{} has no member {}", quote(parent), quote(key)),
        at,
    );
    let names: Vec<&str> = items.iter().filter_map(item_name).collect();
    if let Some(meant) = nearest(key, names.iter().copied()) {
        return found.label(format!("did you mean {}?", quote(meant)));
    }
    let last = items.len().saturating_sub(1);
    let found = found.label("no such member");
    if items.is_empty() {
        found.help("the list is empty")
    } else if names.is_empty() {
        found.help(format!("its members are numbered from 0 to {last}"))
    } else {
        let names = list(names);
        found.help(format!("its members are {names}, or by number 0 to {last}"))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::tree::parse;
    use super::super::write::write_without;
    use super::*;

    fn after(base: &str, arguments: &[&str]) -> String {
        let mut root = parse(base, 0).unwrap();
        let mut sources = Sources::default();
        sources.add("base".to_string(), base.to_string(), None);
        for argument in arguments {
            if let Err(found) = apply(&mut root, argument, &mut sources) {
                return found.render(&sources, false);
            }
        }
        write_without(&root, &[])
    }

    #[test]
    fn values_are_typed_like_toml_and_bare_words_are_text() {
        let text = after("", &["a=1", "b = 2h", "c.d=[1, 2]", "e=true", "f=\"x\""]);
        assert_eq!(
            text,
            "a = 1\nb = \"2h\"\ne = true\nf = \"x\"\n\n[c]\nd = [1, 2]\n"
        );
    }

    #[test]
    fn list_members_go_by_name_or_number() {
        let base = "[[class]]\nname = \"r1\"\nx = 1\n[[class]]\nname = \"v3\"\nx = 1";
        let text = after(base, &["class.v3.x=2", "class.0.x=3"]);
        let expected = "[[class]]\nname = \"r1\"\nx = 3\n\n[[class]]\nname = \"v3\"\nx = 2\n";
        assert_eq!(text, expected);
        assert!(after(base, &["class.v4.x=2"]).contains("its members are `r1` and `v3`"));
        let named = base.replace("v3", "chat");
        assert!(after(&named, &["class.chta.x=2"]).contains("did you mean `chat`?"));
        assert!(after(base, &["class.7.x=2"]).contains("or by number 0 to 1"));
        let pairs = after("s = [[\"12:00\", 1]]", &["s.0.1=5"]);
        assert_eq!(pairs, "s = [[\"12:00\", 5]]\n");
    }

    #[test]
    fn a_thing_of_ones_own_is_not_what_it_replaces() {
        let base = "[node]\ngpu = \"h100\"";
        let own = after(base, &["node.gpu={ name = \"own\", memory_gb = 80 }"]);
        assert_eq!(own, "[node]\ngpu = { name = \"own\", memory_gb = 80 }\n");
        let changed = after(base, &["node.gpu={ memory_gb = 80 }"]);
        assert_eq!(
            changed,
            "[node]\ngpu = { base = \"h100\", memory_gb = 80 }\n"
        );
        // one key is one difference
        let named = after(base, &["node.gpu.name=mine", "node.gpu.memory_gb=90"]);
        assert_eq!(
            named,
            "[node]\ngpu = { base = \"h100\", name = \"mine\", memory_gb = 90 }\n"
        );
        let based = after(base, &["node.gpu.memory_gb=90", "node.gpu.base=h200"]);
        assert_eq!(based, "[node]\ngpu = { base = \"h200\" }\n");
        let engine = "[p]\nengine = \"a\"\nconstants = { x = 1 }";
        let based = after(engine, &["p.engine.base=b"]);
        assert_eq!(based, "[p]\nengine = { base = \"b\" }\n");
    }

    #[test]
    fn broken_arguments_are_underlined() {
        assert!(after("", &["seed"]).contains("there is no `=`"));
        assert!(after("", &["seed="]).contains("--set needs a value"));
        assert!(after("", &["a..b=1"]).contains("a key is missing here"));
        assert!(after("", &["a=[1, 2"]).contains("argument --set:1:"));
        assert!(after("seed = 1", &["seed.x=1"]).contains("`seed` is a whole number"));
        assert!(after("", &["extends=other"]).contains("cannot be set"));
    }

    #[test]
    fn an_empty_table_is_refused_since_it_takes_nothing_away() {
        let base = "[pools.prefill]\nunits = 1";
        for argument in ["pools={}", "pools = { prefill = { } }", "pools.prefill={}"] {
            let found = after(base, &[argument]);
            assert!(found.contains("an empty table changes nothing"), "{found}");
        }
        assert_eq!(
            after(base, &["pools.prefill={units=2}"]),
            "[pools.prefill]\nunits = 2\n"
        );
    }
}
