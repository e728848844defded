//! `tokentide run`: simulate a scenario, print it, and write its files.

use std::path::PathBuf;
use std::time::Instant;

use clap::Args;

use super::progress::Progress;
use super::{Exit, FormatArgument, ScenarioArguments, colour, fail, files, load, print, refuse};
use crate::experiment::run_with_progress;
use crate::report::summary::RunSummary;
use crate::report::{Format, Style, csv, render};
use crate::scenario::Scenario;

/// Arguments of `run`.
#[derive(Debug, Args)]
pub struct RunArguments {
    #[command(flatten)]
    scenario: ScenarioArguments,
    /// Threads to simulate on; more than three do not help. The result is the same on any number
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: u16,
    /// How to print the result
    #[arg(long, value_enum, default_value = "table")]
    format: FormatArgument,
    /// Also write summary.json, hours.csv, intervals.csv, scenario.resolved.toml and run.log here
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Allow --out to replace the files of an earlier run
    #[arg(long, requires = "out")]
    overwrite: bool,
    /// No progress, no remarks
    #[arg(long, short)]
    quiet: bool,
}

/// Runs, prints, writes.
pub fn execute(arguments: &RunArguments) -> Exit {
    let scenario = match load(&arguments.scenario) {
        Ok(scenario) => scenario,
        Err(exit) => return exit,
    };
    if let Some(dir) = &arguments.out
        && let Err(why) = files::prepare(dir, arguments.overwrite)
    {
        return refuse(&why);
    }
    let began = Instant::now();
    let total = scenario.warm_up + scenario.duration;
    let mut progress = Progress::new(!arguments.quiet, &scenario, total);
    let result = run_with_progress(
        &scenario,
        usize::from(arguments.threads),
        &mut |now, requests| progress.at(now, requests),
    );
    let summary = match result {
        Ok(summary) => summary,
        Err(error) => {
            progress.abandon();
            return fail(&error.to_string());
        }
    };
    progress.finish();
    if let Some(dir) = &arguments.out {
        let log = format!(
            "tokentide {}\nthreads {}\nwall_s {:.3}\n",
            env!("CARGO_PKG_VERSION"),
            arguments.threads,
            began.elapsed().as_secs_f64()
        );
        if let Err(why) = write_files(dir, &scenario, &summary, &log) {
            return fail(&why);
        }
    }
    let style = Style::new(colour(&std::io::stdout()));
    match print(&render(&summary, arguments.format.into(), &style)) {
        Exit::Done if slo_missed(&summary) => Exit::SloMissed,
        exit => exit,
    }
}

fn write_files(
    dir: &std::path::Path,
    scenario: &Scenario,
    summary: &RunSummary,
    log: &str,
) -> Result<(), String> {
    let plain = Style::default();
    files::write(dir, "scenario.resolved.toml", &scenario.resolved_toml)?;
    files::write(dir, "hours.csv", &csv::hours(summary))?;
    if !summary.intervals.is_empty() {
        files::write(dir, "intervals.csv", &csv::intervals(summary))?;
    }
    files::write(dir, "run.log", log)?;
    files::write(dir, "summary.json", &render(summary, Format::Json, &plain))
}

fn slo_missed(summary: &RunSummary) -> bool {
    summary
        .classes
        .values()
        .filter_map(|c| c.slo)
        .any(|slo| match (slo.required, slo.attainment) {
            (Some(required), Some(attained)) => attained < required,
            _ => false,
        })
}
