//! `tokentide report`: show a stored run again.

use std::path::PathBuf;

use clap::Args;

use super::{Exit, PrintArguments, listed, of_run, print, refuse};
use crate::report::csv::TABLES;
use crate::report::json;
use crate::scenario::read_ordinary_text;

/// Largest summary that is read, 1 GiB: four times what a run may write unless its limits say more.
const MAX_BYTES: u64 = 1 << 30;

/// Arguments of `report`.
#[derive(Debug, Args)]
#[command(mut_arg("table", |table| listed(table, TABLES)))]
pub struct ReportArguments {
    /// A summary.json that `run --out` or `run --format json` wrote
    run: PathBuf,
    #[command(flatten)]
    print: PrintArguments,
}

/// Runs `report`: reads the summary and prints it.
pub fn execute(arguments: &ReportArguments) -> Exit {
    let printing = match arguments.print.of(TABLES) {
        Ok(printing) => printing,
        Err(exit) => return exit,
    };
    let text = match read_ordinary_text(&arguments.run, MAX_BYTES) {
        Ok(text) => text,
        Err(error) => return refuse(&format!("cannot read {}: {error}", arguments.run.display())),
    };
    let summary = match json::read(&text) {
        Ok(summary) => summary,
        Err(why) => return refuse(&format!("{}: {why}", arguments.run.display())),
    };
    match of_run(&summary, printing) {
        Ok(shown) => print(&shown),
        Err(exit) => exit,
    }
}
