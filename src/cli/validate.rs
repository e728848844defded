//! `tokentide validate`: the step-time model beside what somebody measured.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::{Exit, FormatArgument, fail, print_page, refuse};
use crate::experiment::validate::measured::{Report, predictions, report};
use crate::experiment::validate::{Outcome, Sensitivity, outcomes, page, sensitivities, silicon};

/// Arguments of `validate`.
#[derive(Debug, Args)]
pub struct ValidateArguments {
    /// Directory of measured sets (silicon_dev.csv, …), which are played too
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Also say how much each published case hangs on each constant
    #[arg(long)]
    sensitivity: bool,
    /// How to print it
    #[arg(long, value_enum, default_value = "table")]
    format: FormatArgument,
}

#[derive(Serialize)]
struct Everything {
    cases: Vec<Outcome>,
    measured: Vec<Report>,
    sensitivities: Vec<Sensitivity>,
}

/// Plays everything and prints it.
pub fn execute(arguments: &ValidateArguments) -> Exit {
    let cases = match outcomes() {
        Ok(cases) => cases,
        Err(why) => return fail(&why),
    };
    let measured = match &arguments.data {
        None => Vec::new(),
        Some(dir) => {
            let file = dir.join("silicon_dev.csv");
            let text = match std::fs::read_to_string(&file) {
                Ok(text) => text,
                Err(error) => return refuse(&format!("cannot read {}: {error}", file.display())),
            };
            let all = match silicon::read(&text) {
                Ok(all) => all,
                Err(why) => return refuse(&format!("{}: {why}", file.display())),
            };
            let mut reports = Vec::new();
            for (constants, calibrated) in [
                ("constants of kernels only, uncalibrated", false),
                ("calibrated constants", true),
            ] {
                match predictions(&all, calibrated) {
                    Ok(predictions) => reports.push(report(constants, &all, &predictions)),
                    Err(why) => return fail(&why),
                }
            }
            reports
        }
    };
    let mut sections: Vec<_> = measured.iter().map(page::measured).collect();
    let mut all = Vec::new();
    if arguments.sensitivity {
        all = match sensitivities() {
            Ok(all) => all,
            Err(why) => return fail(&why),
        };
        sections.insert(0, page::sensitivity(&cases, &all));
    }
    let shown = page::page(&cases, sections);
    let value = Everything {
        cases,
        measured,
        sensitivities: all,
    };
    print_page(&shown, &value, arguments.format)
}
