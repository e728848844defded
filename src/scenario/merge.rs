//! Lays one tree over another: what `extends` and `--set` do.
//!
//! Tables merge key by key; everything else is replaced whole, lists too. A table whose `kind` differs
//! is replaced whole as well, since its other keys mean something else. A key that excludes others
//! (`requests_per_s` and `requests_per_day`) takes them back from the tree below.
//!
//! A model, accelerator, engine or price list that says its `name`, `base` or `hf` is whole: nothing of what it
//! replaces is left, neither its own keys nor those of tables in it. One that says neither changes what is below.

use super::file::{CATALOG_KEYS, RIVALS};
use super::tree::{TomlEntry, TomlNode, TomlTable, TomlValue};

/// The table `over` laid over `base`. The base's keys keep their order; new ones follow.
pub fn merge(mut base: TomlTable, over: TomlTable) -> TomlTable {
    for (key, rivals) in RIVALS {
        if over.get(key).is_some() {
            base.entries.retain(|e| !rivals.contains(&e.key.as_str()));
        }
    }
    if is_another_engine(&base, &over) {
        base.remove("constants");
    }
    for entry in over.entries {
        let Some(index) = base.entries.iter().position(|e| e.key == entry.key) else {
            base.entries.push(entry);
            continue;
        };
        let below = base.entries[index].node.clone();
        let node = merge_node(below, entry.node, &entry.key);
        base.entries[index] = TomlEntry { node, ..entry };
    }
    base
}

fn merge_node(below: TomlNode, over: TomlNode, key: &str) -> TomlNode {
    let at = over.at;
    if is_whole(&over, key) {
        return over;
    }
    let below = as_catalog_table(below, key);
    match (below.value, over.value) {
        (TomlValue::Table(below), TomlValue::Table(over)) if same_kind(&below, &over) => TomlNode {
            value: TomlValue::Table(merge(below, over)),
            at,
        },
        (_, value) => TomlNode { value, at },
    }
}

/// Whether a table of a catalog's kind states all of it: by its keys or by what it starts from.
fn is_whole(over: &TomlNode, key: &str) -> bool {
    let says = |table: &TomlTable| {
        let keys = ["name", "base", "hf"];
        keys.into_iter().any(|key| table.get(key).is_some())
    };
    CATALOG_KEYS.contains(&key) && over.table().is_none_or(says)
}

/// Whether `over` puts another engine in the place of the one whose constants `base` changes.
fn is_another_engine(base: &TomlTable, over: &TomlTable) -> bool {
    match (base.get("engine"), over.get("engine")) {
        (Some(before), Some(after)) => {
            let is_same = before.text().is_some() && before.text() == after.text();
            !is_same && is_whole(after, "engine")
        }
        _ => false,
    }
}

/// The name of a catalog entry as a table that starts from it, so that one field can be changed.
pub fn as_catalog_table(node: TomlNode, key: &str) -> TomlNode {
    match node.value {
        TomlValue::Text(name) if CATALOG_KEYS.contains(&key) => {
            let entry = TomlEntry {
                key: "base".to_string(),
                key_at: node.at,
                node: TomlNode {
                    value: TomlValue::Text(name),
                    at: node.at,
                },
            };
            let table = TomlTable {
                entries: vec![entry],
            };
            TomlNode {
                value: TomlValue::Table(table),
                at: node.at,
            }
        }
        value => TomlNode { value, ..node },
    }
}

fn same_kind(below: &TomlTable, over: &TomlTable) -> bool {
    match (below.text("kind"), over.text("kind")) {
        (Some(one), Some(other)) => one == other,
        _ => true,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::tree::parse;
    use super::super::write::write_without;
    use super::*;

    fn merged(base: &str, over: &str) -> String {
        write_without(
            &merge(parse(base, 0).unwrap(), parse(over, 1).unwrap()),
            &[],
        )
    }

    #[test]
    fn tables_merge_and_lists_are_replaced() {
        let text = merged("a = 1\n[t]\nx = [1, 2]\ny = 2", "[t]\nx = [3]\nz = 4");
        assert_eq!(text, "a = 1\n\n[t]\nx = [3]\ny = 2\nz = 4\n");
    }

    #[test]
    fn another_kind_replaces_the_table() {
        let text = merged("t = { kind = \"a\", x = 1 }", "t = { kind = \"b\" }");
        assert_eq!(text, "[t]\nkind = \"b\"\n");
        let text = merged("t = { kind = \"a\", x = 1 }", "t = { y = 2 }");
        assert_eq!(text, "[t]\nkind = \"a\"\nx = 1\ny = 2\n");
    }

    #[test]
    fn rivals_give_way_and_catalog_names_become_bases() {
        let text = merged("requests_per_day = 5", "requests_per_s = 1");
        assert_eq!(text, "requests_per_s = 1\n");
        let text = merged("[node]\ngpu = \"h800\"", "[node.gpu]\nmemory_gb = 96");
        assert_eq!(text, "[node]\ngpu = { base = \"h800\", memory_gb = 96 }\n");
        let text = merged(
            "model = { latent = { heads = 8 } }",
            "model.grouped.heads = 4",
        );
        assert_eq!(text, "[model]\ngrouped = { heads = 4 }\n");
    }

    #[test]
    fn a_thing_that_says_its_name_or_base_is_whole() {
        let below = "[node]\ngpus = 8\ngpu = { base = \"h800\", memory_gb = 96, compute = { bf16_tflops = 1 } }";
        let own = merged(below, "[node]\ngpu = { name = \"own\", nic_gb_per_s = 1 }");
        assert_eq!(
            own,
            "[node]\ngpus = 8\ngpu = { name = \"own\", nic_gb_per_s = 1 }\n"
        );
        let based = merged(below, "[node]\ngpu = { base = \"h200\" }");
        assert_eq!(based, "[node]\ngpus = 8\ngpu = { base = \"h200\" }\n");
        let text = merged("model = \"a\"", "[model]\nname = \"b\"\nlayers = 2");
        assert_eq!(text, "[model]\nname = \"b\"\nlayers = 2\n");
        // a name is none where the catalog has nothing of the kind
        let text = merged("[t]\nname = \"a\"\nx = 1", "[t]\nname = \"b\"");
        assert_eq!(text, "[t]\nname = \"b\"\nx = 1\n");
    }

    #[test]
    fn constants_go_with_the_engine_that_they_change() {
        let below = "[performance]\nengine = \"a\"\nconstants = { host_join_us = 1 }";
        for (over, kept) in [
            ("performance.engine = \"a\"", true),
            ("performance.engine = \"b\"", false),
            ("performance.engine = { name = \"b\" }", false),
            ("performance.overlap = \"on\"", true),
        ] {
            assert_eq!(merged(below, over).contains("host_join_us"), kept, "{over}");
        }
    }
}
