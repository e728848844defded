//! Tables for programs: of every command that prints an answer, every table is strict CSV whose cells are the
//! numbers of the JSON to the last bit, under its names and without units; and no number of the JSON is missing.
//!
//! The long form (TOKENTIDE_SLOW=1) with measured data (TOKENTIDE_DATA) holds the tables of real servers to the same,
//! some minutes.

mod support;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use support::program::{Scratch, tokentide};
use support::{data, slow};

const SMALL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cli/small.toml");
const PLAN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/plan/small.toml");
const DAY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/plan/day.toml");

/// A question, and which tables of its answer must have rows.
struct Case {
    arguments: Vec<String>,
    filled: &'static [&'static str],
}

fn case(arguments: &[&str], filled: &'static [&'static str]) -> Case {
    let arguments = arguments.iter().map(|a| (*a).to_owned()).collect();
    Case { arguments, filled }
}

/// Answers of every command but `sweep`, whose JSON has no runs; between them every table has rows.
fn cases(scratch: &Scratch) -> Vec<Case> {
    let stored = tokentide(&["run", SMALL, "--quiet", "--format", "json"]).out;
    let stored = scratch.write("stored.json", &String::from_utf8_lossy(&stored));
    let of_a_run = &[
        "hours",
        "intervals",
        "figures",
        "pools",
        "classes",
        "slo",
        "lengths",
        "audit",
        "warnings",
    ];
    let day = [
        "run",
        "deepseek-day",
        "--set",
        "duration=\"1min\"",
        "--set",
        "warm_up=\"0s\"",
    ];
    let range = "class.chat.arrivals.requests_per_s={low=5.0,high=50.0}";
    let time = "performance.prefill.base={low=\"4900us\",high=\"5100us\"}";
    let uncertain = [
        "run", SMALL, "--quiet", "--draws", "3", "--set", range, "--set", time,
    ];
    let variant = [
        "--variant",
        "pools.decode.units=3",
        "--replications",
        "2",
        "--quiet",
    ];
    let mut validate = vec!["validate", "--sensitivity"];
    let measured = match slow("every table of validate --data") {
        true => data("silicon_dev.csv"),
        false => None,
    };
    let folder = measured.as_ref().and_then(|file| file.parent()?.to_str());
    if let Some(folder) = folder {
        validate.extend(["--data", folder]);
    }
    let validated: &[&str] = match folder {
        Some(_) => &[
            "cases",
            "balance",
            "sensitivities",
            "servers",
            "second",
            "cells",
            "orders",
            "borrowed",
            "vllm",
            "mlperf",
            "moved",
        ],
        None => &["cases", "balance", "sensitivities"],
    };
    vec![
        case(&["run", SMALL, "--quiet"], of_a_run),
        case(
            &[&day[..], &["--quiet"]].concat(),
            &["published", "borrowed", "scenario"],
        ),
        case(&["report", &stored], &["in_system", "scenario"]),
        case(
            &uncertain,
            &["draws", "figures", "inputs", "verdicts", "scenario"],
        ),
        case(
            &[&["compare", SMALL][..], &variant].concat(),
            &[
                "differences",
                "ranking",
                "scenarios",
                "reasons",
                "figures",
                "question",
            ],
        ),
        case(
            &["plan", PLAN, "--quiet"],
            &["deployments", "promises", "pools", "options", "remarks"],
        ),
        case(
            &["plan", DAY, "--quiet", "--schedule", "6h"],
            &["schedule", "step_times", "question", "promises"],
        ),
        case(
            &["explain", "deepseek-day", "--pool", "decode"],
            &["parts", "curve", "memory", "step", "borrowed"],
        ),
        case(
            &["explain", "deepseek-day", "--pool", "prefill"],
            &["parts", "step"],
        ),
        case(&validate, validated),
    ]
}

/// A strict reading: one header of different names, rows as long as it.
#[derive(Debug)]
struct Csv {
    names: Vec<String>,
    rows: Vec<Vec<String>>,
}

fn csv(arguments: &[String], table: &str) -> Csv {
    let mut all: Vec<&str> = arguments.iter().map(String::as_str).collect();
    all.extend(["--table", table]);
    let said = tokentide(&all);
    assert_eq!(said.code, Some(0), "{all:?}: {}", said.err);
    let mut reader = csv::ReaderBuilder::new()
        .flexible(false)
        .from_reader(&said.out[..]);
    let names: Vec<String> = reader
        .headers()
        .expect("a header")
        .iter()
        .map(str::to_owned)
        .collect();
    let different: BTreeSet<&String> = names.iter().collect();
    assert_eq!(different.len(), names.len(), "{all:?}: {names:?}");
    assert!(
        names.iter().all(|name| !name.is_empty()),
        "{all:?}: {names:?}"
    );
    let rows = reader.records().map(|row| {
        let row = row.unwrap_or_else(|error| panic!("{all:?}: {error}"));
        row.iter().map(str::to_owned).collect()
    });
    Csv {
        rows: rows.collect(),
        names,
    }
}

/// The tables that a command knows, as its own refusal of another lists them.
fn tables(arguments: &[String]) -> Vec<String> {
    let mut all: Vec<&str> = arguments.iter().map(String::as_str).collect();
    all.extend(["--table", "no-such-table"]);
    let said = tokentide(&all);
    assert_eq!(said.code, Some(2), "{all:?}");
    assert!(said.out.is_empty());
    let (_, names) = said
        .err
        .split_once("[possible values: ")
        .expect("the tables that there are");
    let (names, _) = names.split_once(']').expect("the end of the tables");
    names.split(", ").map(str::to_owned).collect()
}

/// Numbers of a JSON value: name of the field that holds it (of a list, the list's) and bits, how often.
type Numbers = BTreeMap<(String, u64), usize>;

fn numbers(name: &str, value: &Value, found: &mut Numbers) {
    match value {
        Value::Object(fields) => fields
            .iter()
            .for_each(|(name, value)| numbers(name, value, found)),
        Value::Array(all) => all.iter().for_each(|value| numbers(name, value, found)),
        Value::Number(_) => {
            let bits = value.as_f64().expect("a number").to_bits();
            *found.entry((last(name), bits)).or_default() += 1;
        }
        _ => {}
    }
}

fn last(path: &str) -> String {
    path.rsplit('.').next().unwrap_or_default().to_owned()
}

/// Numbers of a table by the name of the field that they stand for.
fn cells(csv: &Csv, fields: &BTreeSet<String>, found: &mut Numbers, context: &str) {
    let field = csv.names.iter().position(|name| name == "field");
    for row in &csv.rows {
        for (name, cell) in csv.names.iter().zip(row) {
            let name = match (field, name.as_str()) {
                // a row of a long table says itself what its value is of
                (Some(at), "value") => last(&row[at]),
                // a pair without names in the JSON
                (None, "draws") => "verdicts".to_owned(),
                _ => {
                    // a column of a list may be called after its elements
                    let held = name.rsplit('.').find(|part| fields.contains(*part));
                    held.map_or_else(|| last(name), str::to_owned)
                }
            };
            if cell.is_empty() || !fields.contains(&name) {
                continue;
            }
            match cell.parse::<f64>() {
                Ok(number) => *found.entry((name, number.to_bits())).or_default() += 1,
                Err(_) => assert!(
                    WORDS.contains(&name.as_str()),
                    "{context}: {name} is `{cell}`, and a number in the JSON"
                ),
            }
        }
    }
}

/// Fields that hold a number here and words there.
const WORDS: &[&str] = &[
    "cases", "decode", "limit", "nodes", "pools", "units", "verdicts",
];

#[test]
fn every_table_of_every_command_has_the_numbers_of_its_json() {
    let scratch = Scratch::new("tables");
    let mut seen: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut known: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for case in cases(&scratch) {
        let command = case.arguments[0].clone();
        let mut all: Vec<&str> = case.arguments.iter().map(String::as_str).collect();
        all.extend(["--format", "json"]);
        let said = tokentide(&all);
        assert_eq!(said.code, Some(0), "{all:?}: {}", said.err);
        let mut json: Value = serde_json::from_slice(&said.out).expect("JSON");
        for side in json
            .get_mut("sides")
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
        {
            // what each side's run says hour by hour, `run` prints
            if let Some(Value::Object(summary)) = side.get_mut("summary") {
                summary.retain(|_, value| !value.is_array());
                let classes = summary.get_mut("classes").and_then(Value::as_object_mut);
                for class in classes.into_iter().flat_map(|all| all.values_mut()) {
                    let class = class.as_object_mut().expect("a class's figures");
                    class.retain(|_, value| !value.is_array());
                }
            }
        }
        let mut expected = Numbers::new();
        numbers("verdicts", &json, &mut expected);
        let fields: BTreeSet<String> = expected.keys().map(|(name, _)| name.clone()).collect();
        let mut got = Numbers::new();
        let names = tables(&case.arguments);
        known
            .entry(command.clone())
            .or_default()
            .extend(names.iter().cloned());
        for table in &names {
            if is_of_the_other_kind(&case.arguments, table) {
                continue;
            }
            let csv = csv(&case.arguments, table);
            let context = format!("{:?} --table {table}", case.arguments);
            let must = case.filled.contains(&table.as_str());
            assert!(!must || !csv.rows.is_empty(), "{context} has no rows");
            if !csv.rows.is_empty() {
                seen.entry(command.clone())
                    .or_default()
                    .insert(table.clone());
            }
            cells(&csv, &fields, &mut got, &context);
        }
        for ((name, bits), times) in &expected {
            let there = got.get(&(name.clone(), *bits)).copied().unwrap_or(0);
            let value = f64::from_bits(*bits);
            assert!(
                there >= *times,
                "{all:?}: {name} = {value} stands {times} times in the JSON and {there} times in all tables"
            );
        }
        for (name, bits) in got.keys() {
            assert!(
                expected.contains_key(&(name.clone(), *bits)),
                "{all:?}: a table says {name} = {}, and the JSON does not",
                f64::from_bits(*bits)
            );
        }
    }
    let needs_data = [
        "servers", "second", "cells", "moved", "orders", "borrowed", "vllm", "mlperf",
    ];
    for (command, tables) in known {
        for table in tables {
            let has_rows = seen[&command].contains(&table);
            let is_excused = command == "validate" && needs_data.contains(&table.as_str())
                || command == "report"
                || ["notes", "borrowed"].contains(&table.as_str()) && command != "explain";
            assert!(
                has_rows || is_excused,
                "no case fills --table {table} of {command}"
            );
        }
    }
}

/// `run` knows tables of a run and tables of draws, and an answer has those of its kind.
fn is_of_the_other_kind(arguments: &[String], table: &str) -> bool {
    let draws = ["draws", "inputs", "verdicts"].contains(&table);
    let either = ["figures", "scenario"].contains(&table);
    let is_drawn = arguments.iter().any(|argument| argument == "--draws");
    let other = arguments[0] == "run" && !either && is_drawn != draws;
    if other {
        let mut all: Vec<&str> = arguments.iter().map(String::as_str).collect();
        all.extend(["--table", table]);
        assert_eq!(tokentide(&all).code, Some(2), "{all:?}");
    }
    other
}

#[test]
fn the_tables_of_a_sweep_are_its_files() {
    let scratch = Scratch::new("tables-of-a-sweep");
    let out = scratch.path("out");
    let vary = ["--vary", "pools.decode.units=1,2", "--quiet", "--out", &out];
    let arguments: Vec<String> = [&["sweep", SMALL][..], &vary]
        .concat()
        .iter()
        .map(|a| (*a).to_owned())
        .collect();
    assert_eq!(tables(&arguments), ["results", "pareto"]);
    let merge = ["sweep".to_owned(), "merge".to_owned(), out];
    for table in ["results", "pareto"] {
        let whole = csv(&arguments, table);
        assert!(whole.rows.len() >= 2, "{table}: {whole:?}");
        let merged = csv(&merge, table);
        assert_eq!((&merged.names, &merged.rows), (&whole.names, &whole.rows));
        let file = std::fs::read(scratch.path(&format!("out/{table}.csv"))).expect("a file");
        let mut reader = csv::Reader::from_reader(&file[..]);
        assert_eq!(
            reader
                .headers()
                .expect("a header")
                .iter()
                .collect::<Vec<_>>(),
            whole.names
        );
        for cell in whole.rows.iter().flatten() {
            assert!(
                !cell.contains(" ms") && !cell.contains(" k"),
                "{table}: {cell}"
            );
        }
    }
}

#[test]
fn csv_is_the_first_table_and_a_table_is_csv() {
    let explain = ["explain", "deepseek-day", "--pool", "decode"];
    let with = |rest: &[&str]| tokentide(&[&explain[..], rest].concat());
    let first = with(&["--format", "csv"]);
    assert_eq!(first.out, with(&["--table", "parts"]).out);
    assert_eq!(
        first.out,
        with(&["--table", "parts", "--format", "csv"]).out
    );
    for format in ["table", "json", "markdown"] {
        let said = with(&["--table", "parts", "--format", format]);
        assert_eq!((said.code, said.out.len()), (Some(2), 0), "{format}");
        assert!(
            said.err.contains("--table parts is printed as CSV"),
            "{}",
            said.err
        );
    }
    let empty = tokentide(&["run", SMALL, "--quiet", "--table", "published"]);
    let header = String::from_utf8(empty.out).expect("UTF-8");
    assert_eq!((empty.code, header.lines().count()), (Some(0), 1));
    assert!(empty.err.contains("no rows for --table published"));
    let wrong = with(&["--table", "curves"]);
    assert_eq!(wrong.code, Some(2));
    assert!(
        wrong.err.contains("a similar value exists: 'curve'"),
        "{}",
        wrong.err
    );
}

/// Whoever adds a command that prints CSV adds it here.
#[test]
fn no_command_with_csv_is_forgotten() {
    let scratch = Scratch::new("tables-of-all");
    let mut held: BTreeSet<String> = cases(&scratch)
        .iter()
        .map(|c| c.arguments[0].clone())
        .collect();
    held.insert("sweep".to_owned());
    let help = String::from_utf8(tokentide(&["--help"]).out).expect("UTF-8");
    let (_, commands) = help.split_once("Commands:\n").expect("a list of commands");
    let (commands, _) = commands.split_once("\n\n").expect("its end");
    let commands = commands
        .lines()
        .filter_map(|line| line.split_whitespace().next());
    for command in commands.filter(|command| *command != "help") {
        let help = String::from_utf8(tokentide(&[command, "--help"]).out).expect("UTF-8");
        assert_eq!(
            help.contains("--format"),
            help.contains("--table"),
            "{command}"
        );
        assert_eq!(
            help.contains("--format"),
            held.contains(command),
            "{command}"
        );
    }
}
