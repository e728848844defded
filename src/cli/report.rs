//! `tokentide report`: show a stored run again.

use std::path::PathBuf;

use clap::Args;

use super::{Exit, FormatArgument, colour, print, refuse};
use crate::report::{Style, json, render};

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
    let text = match std::fs::read_to_string(&arguments.run) {
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
