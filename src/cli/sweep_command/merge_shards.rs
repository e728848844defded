//! `tokentide sweep merge`: the shards of a sweep put together.

use std::path::PathBuf;

use clap::Args;

use super::super::{Exit, PrintArguments, listed, refuse};
use super::conclude;
use crate::experiment::sweep::Shard;
use crate::experiment::sweep::ledger::{self, Done, Ledger};
use crate::experiment::sweep::results::TABLES;

/// Arguments of `sweep merge`.
#[derive(Debug, Args)]
#[command(mut_arg("table", |table| listed(table, TABLES)))]
pub struct MergeArguments {
    /// Folders that shards of the same sweep have written to
    #[arg(required = true)]
    folders: Vec<PathBuf>,
    /// Where the whole is written [default: the first folder]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    print: PrintArguments,
}

/// Runs `sweep merge`: reads the shards, joins, writes, prints.
pub fn execute(arguments: &MergeArguments) -> Exit {
    merge(arguments).unwrap_or_else(|exit| exit)
}

fn merge(arguments: &MergeArguments) -> Result<Exit, Exit> {
    let printing = arguments.print.of(TABLES)?;
    let refused = |why: String| refuse(&why);
    let first = &arguments.folders[0];
    let manifest = ledger::read_manifest(first).map_err(refused)?;
    let mut done = Done::new();
    for dir in &arguments.folders {
        ledger::same(dir, &manifest).map_err(refused)?;
        let found = ledger::read(dir).map_err(refused)?;
        ledger::gather(&mut done, found.into_values(), dir).map_err(refused)?;
    }
    let out = arguments.out.as_ref().unwrap_or(first);
    if !arguments.folders.contains(out) {
        // The new folder is a sweep's like the others: what is missing can be run in it.
        ledger::claim(out, &manifest).map_err(refused)?;
        let known = ledger::read(out).map_err(refused)?;
        let new = done
            .values()
            .filter(|entry| !known.contains_key(&entry.key));
        let mut ledger = Ledger::open(out, Shard::WHOLE).map_err(refused)?;
        ledger.append_all(new).map_err(|why| super::fail(&why))?;
        ledger::gather(&mut done, known.into_values(), out).map_err(refused)?;
    }
    conclude(&manifest, &done, Some(out), printing)
}
