//! Answers as tables for programs: one table a stream, one header, one value a cell.
//!
//! A [`RecordTable`] says where in an answer's JSON its records lie; [`Records`] takes them from there, so a cell
//! is what `--format json` prints, in full precision and without a unit (which is in the name), and a column
//! is called by its path in the record: `interval.low`. What is `null` is an empty cell. A list of words is
//! one cell, `; ` between them.

mod node;

use std::collections::HashMap;

use serde::Serialize;

use node::{JsonValue, join};

/// Text between the words of a list in one cell.
const BETWEEN: &str = "; ";

/// A table for programs: which records of an answer, and what columns.
#[derive(Clone, Copy, Debug)]
pub struct RecordTable {
    /// Name of the table for `--table`.
    pub name: &'static str,
    /// Meaning of the table's rows, for the help.
    pub about: &'static str,
    /// Where its records lie: paths of owners, and of the records from there; an empty path is the place itself.
    /// See `JsonValue::along` for `[]` and `{}`.
    pub from: &'static [(&'static str, &'static str)],
    /// Column for the owner: the name of an entry of a map, otherwise its path; empty: none.
    pub key: &'static str,
    /// Fields of the owner that each of its records repeats.
    pub of_owner: &'static [&'static str],
    /// Columns that there are whatever the data, in this order; others follow. Of records without names for what
    /// they hold, a plain value or a few in a list, these are the names.
    pub columns: &'static [&'static str],
    /// Paths that are left out: tables of their own, or words for people that repeat a number.
    pub without: &'static [&'static str],
    /// Lists that become columns, and what those are called after: a list of names in the answer, or, from a `.`
    /// on, a field of each element.
    pub labels: &'static [(&'static str, &'static str)],
    /// Whether a row is a figure of the record (`field`, `value` and, where its `confidence` says, `low` and
    /// `high`) rather than the record.
    pub is_long: bool,
}

impl RecordTable {
    /// A table of records as they stand.
    pub const fn new(
        name: &'static str,
        about: &'static str,
        from: &'static [(&'static str, &'static str)],
    ) -> Self {
        Self {
            name,
            about,
            from,
            key: "",
            of_owner: &[],
            columns: &[],
            without: &[],
            labels: &[],
            is_long: false,
        }
    }

    /// A table of every figure of the summaries at these places, a row each.
    pub const fn figures(from: &'static [(&'static str, &'static str)]) -> Self {
        let about =
            "every figure of the summary by its path, with its 95 % interval where there is one";
        Self {
            columns: &["field", "value", "low", "high"],
            is_long: true,
            ..Self::new("figures", about, from)
        }
    }
}

/// Records as rows of text under a header.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Records {
    /// Names of the columns, all different.
    pub columns: Vec<String>,
    /// Rows, each as long as `columns`.
    pub rows: Vec<Vec<String>>,
}

/// The cells of one record by their columns.
type RecordCells = Vec<(String, String)>;

impl Records {
    /// Takes a table from an answer.
    ///
    /// # Errors
    /// Where the answer cannot be written as JSON.
    pub fn of(table: &RecordTable, answer: &impl Serialize) -> Result<Self, serde_json::Error> {
        let root: JsonValue = serde_json::from_str(&serde_json::to_string(answer)?)?;
        let taker = RecordTaker::new(table, &root);
        let mut records = Vec::new();
        for (owners, below) in table.from {
            for (key, owner) in root.along(owners) {
                let mut first = RecordCells::new();
                if !table.key.is_empty() {
                    first.push((table.key.to_owned(), key));
                }
                for field in table.of_owner {
                    let cell = owner.field(field).map(JsonValue::cell);
                    first.push(((*field).to_owned(), cell.unwrap_or_default()));
                }
                for (_, record) in owner.along(below) {
                    if table.is_long {
                        records.extend(figures(record).into_iter().map(|row| {
                            let mut cells = first.clone();
                            cells.extend(row);
                            cells
                        }));
                        continue;
                    }
                    let mut cells = first.clone();
                    taker.spread("", record, &mut cells);
                    records.push(cells);
                }
            }
        }
        Ok(Self::new(table, records))
    }

    /// Lays the cells under one header.
    fn new(table: &RecordTable, records: Vec<RecordCells>) -> Self {
        let key = Some(table.key).filter(|key| !key.is_empty());
        let stated = key.into_iter().chain(table.of_owner.iter().copied());
        let stated = stated.chain(table.columns.iter().copied());
        let mut columns: Vec<String> = stated.map(str::to_owned).collect();
        let mut at: HashMap<String, usize> = HashMap::new();
        at.extend(columns.iter().cloned().zip(0..));
        for (name, _) in records.iter().flatten() {
            if !at.contains_key(name) {
                at.insert(name.clone(), columns.len());
                columns.push(name.clone());
            }
        }
        let mut rows = Vec::with_capacity(records.len());
        for cells in records {
            let mut row = vec![String::new(); columns.len()];
            for (name, cell) in cells {
                row[at[&name]] = cell;
            }
            rows.push(row);
        }
        Self { columns, rows }.without_nothings()
    }

    /// Leaves out columns that are `null` wherever other columns show their parts.
    fn without_nothings(self) -> Self {
        let is_inner = |name: &String| {
            let below = format!("{name}.");
            self.columns.iter().any(|other| other.starts_with(&below))
        };
        let kept = |at: &usize| {
            !is_inner(&self.columns[*at]) || self.rows.iter().any(|row| !row[*at].is_empty())
        };
        let kept: Vec<usize> = (0..self.columns.len()).filter(kept).collect();
        let of = |row: &Vec<String>| kept.iter().map(|at| row[*at].clone()).collect();
        Self {
            columns: of(&self.columns),
            rows: self.rows.iter().map(of).collect(),
        }
    }

    /// The records as CSV (RFC 4180, lines ended by a line feed).
    pub fn to_csv(&self) -> String {
        let mut writer = ::csv::Writer::from_writer(Vec::new());
        for row in std::iter::once(&self.columns).chain(&self.rows) {
            // a vector takes all that is written, and rows are as long as the header
            let _ = writer.write_record(row);
        }
        let bytes = writer.into_inner().unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// Turns the records of an answer into cells.
struct RecordTaker<'a> {
    table: &'a RecordTable,
    /// What names the elements of each list.
    labels: Vec<(&'a str, Label<'a>)>,
}

enum Label<'a> {
    /// Names for the elements by their places.
    Names(Vec<String>),
    /// A field of each element that names it.
    Field(&'a str),
}

impl<'a> RecordTaker<'a> {
    fn new(table: &'a RecordTable, root: &JsonValue) -> Self {
        let label = |by: &'a str| match by.strip_prefix('.') {
            Some(field) => Label::Field(field),
            None => Label::Names(root.along(by).iter().map(|(_, n)| n.cell()).collect()),
        };
        let labels = table.labels.iter().map(|(list, by)| (*list, label(by)));
        Self {
            table,
            labels: labels.collect(),
        }
    }

    /// Adds the cells of a value at a path in the record.
    fn spread(&self, path: &str, node: &JsonValue, cells: &mut RecordCells) {
        if self.table.without.contains(&path) {
            return;
        }
        match node {
            JsonValue::Map(fields) => {
                for (name, node) in fields {
                    self.spread(&join(path, name), node, cells);
                }
            }
            JsonValue::List(all) => self.spread_list(path, all, cells),
            JsonValue::Null if self.is_known_inside(path) => {}
            plain => cells.push((self.named(path), plain.cell())),
        }
    }

    fn spread_list(&self, path: &str, all: &[JsonValue], cells: &mut RecordCells) {
        let label = self.labels.iter().find(|(list, _)| *list == path);
        let is_words = all.iter().all(|node| matches!(node, JsonValue::Text(_)));
        if is_words && label.is_none() && !path.is_empty() {
            let words: Vec<String> = all.iter().map(JsonValue::cell).collect();
            cells.push((self.named(path), words.join(BETWEEN)));
            return;
        }
        for (i, node) in all.iter().enumerate() {
            let name = match label {
                Some((_, Label::Names(names))) => names.get(i).cloned(),
                Some((_, Label::Field(field))) => node.field(field).map(JsonValue::cell),
                None if path.is_empty() => self.table.columns.get(i).map(|s| (*s).to_owned()),
                None => None,
            };
            let path = join(path, &name.unwrap_or_else(|| i.to_string()));
            match (label, node) {
                (Some((_, Label::Field(field))), JsonValue::Map(fields)) => {
                    for (name, node) in fields.iter().filter(|(name, _)| name != field) {
                        self.spread(&join(&path, name), node, cells);
                    }
                }
                _ => self.spread(&path, node, cells),
            }
        }
    }

    /// Whether something inside a path is named, so that its being `null` is no value.
    fn is_known_inside(&self, path: &str) -> bool {
        let lists = self.table.labels.iter().map(|(list, _)| list);
        let mut named = self.table.without.iter().chain(lists);
        named.any(|inner| inner.strip_prefix(path).is_some_and(|s| s.starts_with('.')))
    }

    /// The column for a path; the record itself, if it is a plain value, is called what the table says.
    fn named(&self, path: &str) -> String {
        match (path, self.table.columns.first()) {
            ("", Some(name)) => (*name).to_owned(),
            _ => path.to_owned(),
        }
    }
}

/// The figures of a summary: its numbers outside of lists, by their paths.
fn figures(summary: &JsonValue) -> Vec<RecordCells> {
    let mut found = Vec::new();
    numbers("", summary, &mut found);
    let confidence = summary.field("confidence");
    let row = |(field, value): (String, String)| {
        let interval = confidence.and_then(|all| all.field(&field));
        let end = |name| interval.and_then(|i| i.field(name)).map(JsonValue::cell);
        let (low, high) = (end("low"), end("high"));
        vec![
            ("field".to_owned(), field),
            ("value".to_owned(), value),
            ("low".to_owned(), low.unwrap_or_default()),
            ("high".to_owned(), high.unwrap_or_default()),
        ]
    };
    found.into_iter().map(row).collect()
}

fn numbers(path: &str, node: &JsonValue, found: &mut RecordCells) {
    match node {
        JsonValue::Map(fields) => {
            for (name, node) in fields
                .iter()
                .filter(|(name, _)| !["confidence", "no_interval"].contains(&name.as_str()))
            {
                numbers(&join(path, name), node, found);
            }
        }
        JsonValue::Number(_) => found.push((path.to_owned(), node.cell())),
        _ => {}
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    fn csv(table: &RecordTable, answer: serde_json::Value) -> String {
        Records::of(table, &answer).unwrap().to_csv()
    }

    #[test]
    fn a_record_is_a_row_and_a_path_a_column() {
        let table = RecordTable {
            of_owner: &["label"],
            columns: &["field", "x"],
            ..RecordTable::new("t", "", &[("versus[]", "differences[]")])
        };
        let answer = json!({"versus": [
            {"label": "B", "differences": [
                {"field": "a,b", "x": 0.1, "interval": null},
                {"field": "c", "x": 1e-9, "interval": {"high": 2.0, "low": -1.0}},
            ]},
            {"label": "C", "differences": [{"field": "d", "x": null, "interval": null, "words": ["v", "w"]}]},
        ]});
        insta::assert_snapshot!(csv(&table, answer), @r#"
        label,field,x,interval.high,interval.low,words
        B,"a,b",0.1,,,
        B,c,1e-9,2.0,-1.0,
        C,d,,,,v; w
        "#);
    }

    #[test]
    fn owners_are_named_by_entry_or_by_path_and_lists_by_their_labels() {
        let pools = RecordTable {
            key: "pool",
            ..RecordTable::new("t", "", &[("pools{}", "")])
        };
        let answer = json!({"pools": {"decode": {"n": 1}, "prefill": {"n": 2}}});
        assert_eq!(csv(&pools, answer), "pool,n\ndecode,1\nprefill,2\n");
        let plan = RecordTable {
            key: "which",
            without: &["slos"],
            labels: &[("units", "names[]"), ("pools", ".pool")],
            ..RecordTable::new("t", "", &[("best", ""), ("others[]", "")])
        };
        let answer = json!({
            "names": ["p", "d"],
            "best": {"units": [3, 4], "slos": [1], "pools": [{"n": 5, "pool": "x"}]},
            "others": [{"units": [6, 7], "slos": [2], "pools": []}],
        });
        insta::assert_snapshot!(csv(&plan, answer), @r"
        which,pools.x.n,units.p,units.d
        best,5,3,4
        others.0,,6,7
        ");
    }

    #[test]
    fn without_records_the_header_stays() {
        let table = RecordTable {
            columns: &["warning"],
            ..RecordTable::new("t", "", &[("", "warnings[]")])
        };
        assert_eq!(csv(&table, json!({"warnings": []})), "warning\n");
        assert_eq!(csv(&table, json!({"warnings": ["w"]})), "warning\nw\n");
    }

    #[test]
    fn figures_have_their_intervals() {
        let answer = json!({
            "name": "n", "hours": [{"x": 1}], "nodes": {"mean": 2.5, "peak": 3},
            "confidence": {"nodes.mean": {"low": 2.0, "high": 3.0}},
        });
        insta::assert_snapshot!(csv(&RecordTable::figures(&[("", "")]), answer), @r"
        field,value,low,high
        nodes.mean,2.5,2.0,3.0
        nodes.peak,3,,
        ");
    }
}
