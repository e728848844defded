//! A scenario file as a tree that keeps its order: made by the generator, cut down by the shrinker,
//! written out as TOML.

use std::fmt::Write;

/// A table's keys, in the order of the file.
pub type Table = Vec<(String, Value)>;

/// A value of TOML, as far as scenarios need it.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Integer(u64),
    Number(f64),
    /// In quotes.
    Text(String),
    /// As it stands: a date, `true`, `false`.
    Bare(String),
    List(Vec<Value>),
    Table(Table),
}

/// Text in quotes.
pub fn text(text: impl Into<String>) -> Value {
    Value::Text(text.into())
}

/// A duration in nanoseconds, in the largest unit that keeps it whole.
pub fn duration(ns: u64) -> Value {
    duration_ps(ns * 1000)
}

/// A duration in picoseconds, in the largest unit that keeps it whole.
pub fn duration_ps(ps: u64) -> Value {
    let units = [
        ("h", 3600_u64 * 1_000_000_000_000),
        ("s", 1_000_000_000_000),
        ("ms", 1_000_000_000),
    ];
    let small = [("us", 1_000_000), ("ns", 1_000), ("ps", 1)];
    let whole = units
        .into_iter()
        .chain(small)
        .find(|(_, ps_per_unit)| ps.is_multiple_of(*ps_per_unit));
    let (unit, per_unit) = whole.expect("picoseconds are whole");
    text(format!("{}{unit}", ps / per_unit))
}

/// A time of day in seconds from midnight; days on either side wrap around.
pub fn time_of_day(seconds: i64) -> String {
    let s = seconds.rem_euclid(86_400);
    format!("{:02}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60)
}

/// A table.
pub fn table<const N: usize>(entries: [(&str, Value); N]) -> Table {
    entries
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
}

/// Puts a key at the end of a table.
pub fn put(table: &mut Table, key: &str, value: Value) {
    table.push((key.to_owned(), value));
}

/// The whole file: plain keys, then tables under headers of their own.
pub fn write(root: &Table) -> String {
    let mut file = String::new();
    let is_block = |value: &Value| match value {
        Value::Table(_) => true,
        Value::List(items) => {
            items.iter().all(|item| matches!(item, Value::Table(_))) && !items.is_empty()
        }
        _ => false,
    };
    for (key, value) in root.iter().filter(|(_, value)| !is_block(value)) {
        let _ = writeln!(file, "{key} = {}", inline(value));
    }
    for (key, value) in root.iter().filter(|(_, value)| is_block(value)) {
        match value {
            Value::Table(pools) if key == "pools" => {
                for (name, pool) in pools {
                    block(&mut file, &format!("[pools.{name}]"), pool);
                }
            }
            Value::List(items) => items
                .iter()
                .for_each(|item| block(&mut file, &format!("[[{key}]]"), item)),
            table => block(&mut file, &format!("[{key}]"), table),
        }
    }
    file
}

fn block(file: &mut String, header: &str, value: &Value) {
    let Value::Table(entries) = value else {
        return;
    };
    let _ = writeln!(file, "\n{header}");
    for (key, value) in entries {
        let _ = writeln!(file, "{key} = {}", inline(value));
    }
}

fn inline(value: &Value) -> String {
    match value {
        Value::Integer(number) => number.to_string(),
        Value::Number(number) => format!("{number:?}"),
        Value::Text(text) => format!("{text:?}"),
        Value::Bare(text) => text.clone(),
        Value::List(items) => {
            let items: Vec<String> = items.iter().map(inline).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Table(entries) => {
            let entry = |(key, value): &(String, Value)| format!("{key} = {}", inline(value));
            let entries: Vec<String> = entries.iter().map(entry).collect();
            format!("{{ {} }}", entries.join(", "))
        }
    }
}
