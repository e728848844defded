//! `tokentide report`: show a stored run again.

use std::path::PathBuf;

use clap::Args;

use super::{Exit, FormatArgument, colour, print, refuse};
use crate::report::{Style, json, render};
use crate::scenario::read_ordinary_text;

/// Largest summary that is read, 1 GiB: four times what a run may write unless its limits say more.
const MAX_BYTES: u64 = 1 << 30;

/// Arguments of `report`.
#[derive(Debug, Args)]
pub struct ReportArguments {
    /// A summary.json that `run --out` or `run --format json` wrote
    run: PathBuf,
    /// How to print it
    #[arg(long, value_enum, default_value = "table")]
    format: FormatArgument,
}

/// Reads and prints.
pub fn execute(arguments: &ReportArguments) -> Exit {
    let text = match read_ordinary_text(&arguments.run, MAX_BYTES) {
        Ok(text) => text,
        Err(error) => return refuse(&format!("cannot read {}: {error}", arguments.run.display())),
    };
    let summary = match json::read(&text) {
        Ok(summary) => summary,
        Err(why) => return refuse(&format!("{}: {why}", arguments.run.display())),
    };
    let style = Style::new(colour(&std::io::stdout()));
    print(&render(&summary, arguments.format.into(), &style))
}
