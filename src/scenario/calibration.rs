//! A file of fitted constants that a scenario names: `performance.calibration = "mine.toml"`.
//!
//! Its `[performance.constants]` become those of the scenario, where the scenario does not say its own. The resolved
//! scenario holds the constants and names no file.

use std::path::PathBuf;

use super::diagnostic::{Diagnostic, MistakeReport};
use super::files::Files;
use super::source::{Sources, Span};
use super::suggest::quote;
use super::tree::{TomlEntry, TomlNode, TomlTable, TomlValue, parse};

const KEY: &str = "calibration";

/// Takes the key out of a tree and puts the file's constants in.
pub fn take(
    root: &mut TomlTable,
    sources: &mut Sources,
    files: &mut Files,
    report: &mut MistakeReport,
) {
    let Some(TomlValue::Table(performance)) =
        root.entry_mut("performance").map(|e| &mut e.node.value)
    else {
        return;
    };
    let Some(entry) = performance.entry(KEY) else {
        return;
    };
    // What is no text is told by the checker.
    let (Some(target), at) = (entry.node.text().map(str::to_string), entry.node.at) else {
        return;
    };
    performance.remove(KEY);
    if let Err(found) = add(performance, &target, at, sources, files) {
        report.push(found);
        report.incomplete = true;
    }
}

fn add(
    performance: &mut TomlTable,
    target: &str,
    at: Span,
    sources: &mut Sources,
    files: &mut Files,
) -> Result<(), Diagnostic> {
    let directory = sources.get(at.source).and_then(|s| s.directory.as_deref());
    let path = match directory {
        None => PathBuf::from(target),
        Some(directory) => files.within(directory, target, at)?,
    };
    let text = files.read(&path, at, "toml", sources)?;
    let source = sources.add(path.display().to_string(), text.clone(), None);
    let read = parse(&text, source).map_err(|mut found| found.swap_remove(0))?;
    let help = "`tokentide calibrate FILES --out FILE` writes one";
    let fitted = read
        .table("performance")
        .filter(|t| t.table("constants").is_some());
    let Some(fitted) = fitted else {
        let message = format!("{} holds no [performance.constants]", quote(target));
        return Err(Diagnostic::new(message, at)
            .label("no file of constants")
            .help(help));
    };
    if let (Some(of_file), Some(own)) = (fitted.entry("engine"), performance.entry("engine"))
        && let (Some(theirs), Some(ours)) = (of_file.node.text(), own.node.text())
        && theirs.split('@').next() != ours.split('@').next()
    {
        let message = format!(
            "constants of {} cannot stand for those of {}",
            quote(theirs),
            quote(ours)
        );
        let found = Diagnostic::new(message, own.node.at).label("this engine");
        return Err(found.also(of_file.node.at, "was fitted"));
    }
    if performance.entry("constants").is_none() {
        performance.entries.push(TomlEntry {
            key: "constants".to_string(),
            key_at: at,
            node: TomlNode {
                value: TomlValue::Table(TomlTable {
                    entries: Vec::new(),
                }),
                at,
            },
        });
    }
    let given = performance
        .entry_mut("constants")
        .map(|e| &mut e.node.value);
    if let (Some(TomlValue::Table(given)), Some(constants)) = (given, fitted.table("constants")) {
        for constant in &constants.entries {
            if given.entry(&constant.key).is_none() {
                given.entries.push(constant.clone());
            }
        }
    }
    Ok(())
}
