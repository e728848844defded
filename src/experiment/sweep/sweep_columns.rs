//! The columns of a sweep's table, a row a run: what `results.csv` and `results.parquet` both hold.

use super::manifest::{Manifest, unquoted};
use super::outcome::RunOutcome;
use crate::report::columns::{ColumnCells, DataColumn};
use crate::scenario::summary_fields;

/// The columns of a sweep: the run, its values, and every figure by its path in the summary.
pub fn columns(manifest: &Manifest, outcomes: &[RunOutcome<'_>]) -> Vec<DataColumn> {
    let whole = |of: fn(&RunOutcome<'_>) -> Option<u64>| {
        ColumnCells::Whole(outcomes.iter().map(of).collect::<Vec<_>>())
    };
    let text = |of: fn(&RunOutcome<'_>) -> Option<String>| {
        ColumnCells::Text(outcomes.iter().map(of).collect::<Vec<_>>())
    };
    let of_the_run = [
        ("run", whole(|o| Some(o.run.run))),
        ("point", whole(|o| Some(o.run.point))),
        ("replication", whole(|o| Some(o.run.replication))),
        ("seed", whole(|o| o.run.seed)),
        ("status", text(|o| Some(o.status.word().to_string()))),
        ("reason", text(|o| o.reason.map(str::to_string))),
        (
            "verdict",
            text(|o| Some(o.verdict().to_string()).filter(|v| !v.is_empty())),
        ),
    ];
    let of_the_run = of_the_run.into_iter().map(|(name, cells)| DataColumn {
        name: name.to_string(),
        cells,
    });
    let values = manifest.keys.iter().enumerate().map(|(index, key)| {
        let stated = |o: &RunOutcome<'_>| {
            let value = o.run.values.get(index);
            value.map_or(String::new(), |v| unquoted(v).to_string())
        };
        DataColumn {
            name: key.clone(),
            cells: ColumnCells::Stated(outcomes.iter().map(stated).collect()),
        }
    });
    let figures = paths(outcomes).into_iter().map(|path| DataColumn {
        cells: ColumnCells::Figure(outcomes.iter().map(|o| o.figure(&path)).collect()),
        name: path,
    });
    of_the_run.chain(values).chain(figures).collect()
}

/// The paths of all figures, with the pools and classes of all runs.
fn paths(outcomes: &[RunOutcome<'_>]) -> Vec<String> {
    let summaries = || outcomes.iter().filter_map(|o| o.entry?.summary.as_ref());
    let mut pools: Vec<&str> = Vec::new();
    let mut classes: Vec<&str> = Vec::new();
    for summary in summaries() {
        for (names, found) in [
            (&mut pools, summary.pools.keys().collect::<Vec<_>>()),
            (&mut classes, summary.classes.keys().collect()),
        ] {
            for name in found {
                if !names.contains(&name.as_str()) {
                    names.push(name);
                }
            }
        }
    }
    let mut paths = vec!["output_tokens_per_s_per_gpu".to_string()];
    paths.extend(summary_fields(&pools, &classes));
    paths
}
