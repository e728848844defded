//! The files that a scenario names for its rows: traffic, recordings and profiles of step times.

use std::path::PathBuf;
use std::sync::Arc;

use super::csv_text::CsvText;
use super::diagnostic::{Diagnostic, MistakeReport};
use super::files::Files;
use super::resolve;
use super::source::Sources;
use super::tree::{TomlEntry, TomlNode, TomlTable, TomlValue};

/// Replaces the path of each CSV (a class's traffic or trace, a profile of step times) by the file's text, so
/// that the resolved scenario needs no other file and its hash covers the figures.
pub fn attach_csvs(
    root: &mut TomlTable,
    sources: &mut Sources,
    files: &mut Files,
    report: &mut MistakeReport,
) {
    let performance = root.entry_mut("performance").map(|e| &mut e.node.value);
    if let Some(TomlValue::Table(performance)) = performance {
        attach_csv(performance, sources, files, report);
    }
    let Some(TomlValue::List(classes)) = root.entry_mut("class").map(|e| &mut e.node.value) else {
        return;
    };
    for class in classes {
        let TomlValue::Table(class) = &mut class.value else {
            continue;
        };
        let arrivals = class.entry_mut("arrivals").map(|e| &mut e.node.value);
        if let Some(TomlValue::Table(arrivals)) = arrivals {
            attach_csv(arrivals, sources, files, report);
            if let Err(found) = attach_trace(arrivals, sources, files) {
                report.push(found);
            }
        }
    }
}

/// Puts the recording behind the name of its file, and the hash of its bytes beside it.
fn attach_trace(
    arrivals: &mut TomlTable,
    sources: &Sources,
    files: &mut Files,
) -> Result<(), Diagnostic> {
    let Some(place) = arrivals
        .entries
        .iter()
        .position(|entry| entry.key == "file")
    else {
        return Ok(());
    };
    let (at, key_at) = (
        arrivals.entries[place].node.at,
        arrivals.entries[place].key_at,
    );
    if let Some(csv) = arrivals.entry("csv") {
        let found = Diagnostic::new("`file` and `csv` exclude one another", csv.key_at);
        return Err(found
            .label("give only one of them")
            .also(key_at, "the other one"));
    }
    let TomlValue::Text(target) = &arrivals.entries[place].node.value else {
        return Ok(());
    };
    let target = target.clone();
    arrivals.entries[place].node.value = TomlValue::Bad;
    let directory = sources.get(at.source).and_then(|s| s.directory.as_deref());
    let path = match directory {
        None => PathBuf::from(target.as_str()),
        Some(directory) => files.within(directory, &target, at)?,
    };
    let (file, hash) = files.trace(&path, &target, at)?;
    match arrivals
        .entry("hash")
        .map(|entry| (entry.node.text(), entry.node.at))
    {
        Some((Some(stated), _)) if stated == hash => {}
        Some((_, stated_at)) => {
            let found = Diagnostic::new("this is not the file that the scenario was made with", at);
            return Err(found
                .label(format!("its hash is {hash}"))
                .also(stated_at, "another one is stated"));
        }
        None => arrivals.entries.insert(
            place + 1,
            TomlEntry {
                key: "hash".to_string(),
                key_at,
                node: TomlNode {
                    value: TomlValue::Text(hash),
                    at,
                },
            },
        ),
    }
    arrivals.entries[place].node.value = TomlValue::Csv(file);
    Ok(())
}

fn attach_csv(
    table: &mut TomlTable,
    sources: &mut Sources,
    files: &mut Files,
    report: &mut MistakeReport,
) {
    let Some(csv) = table.entry_mut("csv") else {
        return;
    };
    let at = csv.node.at;
    match &mut csv.node.value {
        TomlValue::Text(path) => {
            let directory = sources.get(at.source).and_then(|s| s.directory.as_deref());
            let path = match directory {
                None => Ok(PathBuf::from(path.as_str())),
                Some(directory) => files.within(directory, path, at),
            };
            match path.and_then(|path| files.csv(&path, at, sources)) {
                Ok(found) => csv.node = resolve::csv_node(found, sources),
                Err(found) => {
                    report.push(found);
                    csv.node.value = TomlValue::Bad;
                }
            }
        }
        TomlValue::Table(inline) => {
            let text = inline.get("text").map(|node| &node.value);
            let found = match text {
                Some(TomlValue::Csv(known)) => Arc::clone(known),
                Some(TomlValue::Text(text)) => {
                    CsvText::new("csv text of the scenario".to_string(), text)
                }
                _ => return,
            };
            csv.node = resolve::csv_node(found, sources);
        }
        _ => {}
    }
}
