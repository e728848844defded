//! The results of a whole sweep as files, in the order of the manifest: whoever did which run, in which order
//! and how often it was interrupted, the bytes are the same.

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::entry::Status;
use super::front::{FRONTS, Front, FrontPoint};
use super::manifest::{Manifest, unquoted};
use super::outcome::RunOutcome;
use crate::report::columns::{DataColumn, figure as figure_cell};
use crate::report::records::RecordTable;
use crate::report::summary::RunSummary;

/// A line of `results.jsonl`.
#[derive(Serialize)]
struct ResultLine<'a> {
    run: u64,
    point: u64,
    replication: u64,
    seed: Option<u64>,
    key: Option<&'a str>,
    values: Map<String, Value>,
    status: Status,
    reason: Option<&'a str>,
    verdict: Option<&'a str>,
    output_tokens_per_s_per_gpu: Option<f64>,
    summary: Option<&'a RunSummary>,
}

/// The runs as JSON lines, an object a run.
pub fn json_lines(manifest: &Manifest, outcomes: &[RunOutcome<'_>]) -> String {
    let mut text = String::new();
    for outcome in outcomes {
        let run = outcome.run;
        let line = ResultLine {
            run: run.run,
            point: run.point,
            replication: run.replication,
            seed: run.seed,
            key: run.key.as_deref(),
            values: named(manifest, &run.values),
            status: outcome.status,
            reason: outcome.reason,
            verdict: outcome.entry.and_then(|entry| entry.verdict.as_deref()),
            output_tokens_per_s_per_gpu: outcome
                .entry
                .and_then(|entry| entry.output_tokens_per_s_per_gpu),
            summary: outcome.entry.and_then(|entry| entry.summary.as_ref()),
        };
        text.push_str(&serde_json::to_string(&line).expect("a line has only text as keys"));
        text.push('\n');
    }
    text
}

/// A TOML value as JSON: numbers, booleans, lists and quoted texts as such, everything else as text.
fn json_value(toml: &str) -> Value {
    serde_json::from_str(&toml.replace('_', ""))
        .ok()
        .filter(|value: &Value| !value.is_string())
        .unwrap_or_else(|| Value::from(unquoted(toml)))
}

/// The tables of a sweep; the first is what `--format csv` prints.
pub const TABLES: &[RecordTable] = &[
    RecordTable::new("results", "a run each, as in results.csv", &[]),
    RecordTable::new(PARETO, "the points on each front, as in pareto.csv", &[]),
];

/// Name of the table of [`fronts_csv`].
pub const PARETO: &str = "pareto";

/// The runs as CSV, a row a run. The columns after the values are paths of the summary's figures.
pub fn csv(columns: &[DataColumn], rows: usize) -> String {
    let head = columns.iter().map(|column| column.name.clone()).collect();
    let rows = (0..rows).map(|row| {
        let cells = columns.iter().map(|column| column.cells.text(row));
        cells.collect::<Vec<String>>()
    });
    table(std::iter::once(head).chain(rows))
}

/// The points on each front as CSV, best first in the front's first figure: means, and their 95 % intervals where
/// points have replications.
pub fn fronts_csv(manifest: &Manifest, points: &[FrontPoint], fronts: &[Front]) -> String {
    let mut head = vec![
        "front".to_string(),
        "point".to_string(),
        "served".to_string(),
    ];
    head.extend(manifest.keys.clone());
    let mut paths: Vec<&str> = Vec::new();
    for aim in FRONTS.iter().flat_map(|front| front.aims) {
        if !paths.contains(&aim.path) {
            paths.push(aim.path);
        }
    }
    for path in &paths {
        head.extend(
            [String::new(), ".low".into(), ".high".into()].map(|end| format!("{path}{end}")),
        );
    }
    let mut rows = vec![head];
    for front in fronts {
        for &on in &front.points {
            let point = &points[on];
            let mut cells = vec![
                front.kind.name.to_string(),
                point.number.to_string(),
                point.served.clone(),
            ];
            cells.extend(point.values.iter().map(|value| unquoted(value).to_string()));
            for path in &paths {
                let interval = point.intervals.get(path);
                cells.push(figure_cell(point.figure(path)));
                cells.push(figure_cell(interval.map(|interval| interval.low)));
                cells.push(figure_cell(interval.map(|interval| interval.high)));
            }
            rows.push(cells);
        }
    }
    table(rows)
}

/// The whole sweep as one JSON value: how many runs ended how, and the points of the fronts.
pub fn value(
    manifest: &Manifest,
    outcomes: &[RunOutcome<'_>],
    points: &[FrontPoint],
    fronts: &[Front],
) -> Value {
    let mut runs = Map::new();
    for status in [
        Status::Done,
        Status::Unstable,
        Status::Infeasible,
        Status::Failed,
    ] {
        let with = outcomes.iter().filter(|outcome| outcome.status == status);
        runs.insert(status.word().to_string(), Value::from(with.count()));
    }
    let one = |point: &FrontPoint| {
        json!({
            "point": point.number,
            "served": point.served,
            "values": named(manifest, &point.values),
            "figures": point.figures,
            "confidence": point.intervals,
        })
    };
    let of_front = |front: &Front| {
        let on: Vec<Value> = front.points.iter().map(|i| one(&points[*i])).collect();
        json!({ "front": front.kind.name, "compared": front.compared.len(), "points": on })
    };
    json!({
        "schema_version": manifest.schema_version,
        "version": manifest.version,
        "scenario": { "name": manifest.scenario, "hash": manifest.hash },
        "keys": manifest.keys,
        "replications": manifest.replications,
        "points": manifest.points(),
        "undrawn_points": manifest.undrawn(),
        "runs": runs,
        "fronts": fronts.iter().map(of_front).collect::<Vec<Value>>(),
    })
}

/// Values of a point by the manifest's keys.
fn named(manifest: &Manifest, values: &[String]) -> Map<String, Value> {
    let pairs = manifest.keys.iter().zip(values);
    pairs
        .map(|(key, value)| (key.clone(), json_value(value)))
        .collect()
}

fn table(rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        writer
            .write_record(row)
            .expect("rows are equally long and written to memory");
    }
    let bytes = writer.into_inner().expect("memory can be flushed");
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_keep_their_type() {
        assert_eq!(json_value("1_000"), Value::from(1000));
        assert_eq!(json_value("0.5"), Value::from(0.5));
        assert_eq!(json_value("true"), Value::from(true));
        assert_eq!(json_value("10min"), Value::from("10min"));
        assert_eq!(json_value("\"least_kv\""), Value::from("least_kv"));
        assert_eq!(json_value("[1, 2]"), serde_json::json!([1, 2]));
    }
}
