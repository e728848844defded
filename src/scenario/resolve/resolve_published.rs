//! Resolves published figures.

use super::super::Published;
use super::super::diagnostic::{Diagnostic, MistakeReport};
use super::super::file::{is_of_window, is_summary_field, suggest_field};
use super::super::source::Span;
use super::super::suggest::quote;
use super::super::tree::{TomlNode, TomlTable};

/// Resolves all published figures, in the order of the file.
pub fn published(root: &TomlTable, report: &mut MistakeReport) -> Option<Vec<Published>> {
    let items = root.list("published")?;
    let all: Vec<Option<Published>> = items.iter().map(|i| figure(i, report)).collect();
    all.into_iter().collect()
}

/// Checks that each figure's path leads somewhere in the summary of this scenario.
pub fn fields_exist(root: &TomlTable, report: &mut MistakeReport) {
    let pools = root.table("pools").into_iter().flat_map(|t| &t.entries);
    let pools: Vec<&str> = pools.map(|e| e.key.as_str()).collect();
    let classes = root.list("class").into_iter().flatten();
    let classes: Vec<&str> = classes.filter_map(|c| c.table()?.text("name")).collect();
    for table in root
        .list("published")
        .into_iter()
        .flatten()
        .filter_map(TomlNode::table)
    {
        let Some(path) = table.text("field") else {
            continue;
        };
        if is_summary_field(path, &pools, &classes) {
            continue;
        }
        let message = format!("the summary has no figure {}", quote(path));
        let found = Diagnostic::new(message, table.at("field"));
        report.push(match suggest_field(path, &pools, &classes) {
            Some(meant) => found.label(format!("did you mean {}?", quote(&meant))),
            None => found
                .label("no such figure")
                .help("write a path such as `economics.cost_usd` or `latency.ttft_s.p99`"),
        });
    }
}

fn figure(item: &TomlNode, report: &mut MistakeReport) -> Option<Published> {
    let table = item.table()?;
    let bounds = bounds(table, item.at, report);
    let kind = table.word("kind")?;
    let field = table.text("field")?;
    let window = table.duration("window");
    if window.is_none() && table.get("window").is_none() && is_of_window(field) {
        let message = format!("{} hangs on how long is counted", quote(field));
        let found = Diagnostic::new(message, table.at("field")).label("counted for how long?");
        report.push(
            found.help(
                "add `window`, the time for which it was published, such as `window = \"24h\"`",
            ),
        );
        return None;
    }
    let (low, high) = bounds?;
    Some(Published {
        name: table.text("name")?.to_string(),
        field: field.to_string(),
        low,
        high,
        kind,
        window,
        source: table.text("source")?.to_string(),
    })
}

fn bounds(table: &TomlTable, header: Span, report: &mut MistakeReport) -> Option<(f64, f64)> {
    let has = |key| table.get(key).is_some();
    match (has("value"), has("low"), has("high")) {
        (true, false, false) => {
            let value = table.number("value")?;
            Some((value, value))
        }
        (false, true, true) => {
            let (low, high) = (table.number("low")?, table.number("high")?);
            if low > high {
                report.push(
                    Diagnostic::new("`low` is larger than `high`", table.at("low"))
                        .label("larger")
                        .also(table.at("high"), "than this"),
                );
                return None;
            }
            Some((low, high))
        }
        (value, ..) => {
            let found = Diagnostic::new("a published figure needs a value or a range", header);
            let label = if value { "has both" } else { "not complete" };
            report.push(found.label(label).help("give `value`, or `low` and `high`"));
            None
        }
    }
}
