//! `tokentide run`: simulate a scenario, print it, and write its files.

use std::path::PathBuf;
use std::time::Instant;

use clap::Args;

use super::folder::{Folder, OF_A_RUN};
use super::interrupt::Interrupt;
use super::progress::RunProgress;
use super::runs::{play_all, play_draws, say};
use super::{
    Exit, PrintArguments, ScenarioArguments, fail, listed, load_ranges, of_run, print, print_page,
    refuse, show, stretch,
};
use crate::experiment::replicate::{replications, together, undrawn};
use crate::experiment::uncertain::uncertain_tables::TABLES;
use crate::experiment::uncertain::{hypercube, judge, scenarios};
use crate::experiment::unstable::bytes;
use crate::experiment::{RunError, run_with_progress, run_with_requests};
use crate::metrics::{RequestRow, Sample};
use crate::report::records::RecordTable;
use crate::report::summary::RunSummary;
use crate::report::verdict::shortfalls;
use crate::report::{Format, Style, csv, render, request_rows};
use crate::scenario::Scenario;

/// Arguments of `run`.
#[derive(Debug, Args)]
#[command(mut_arg("table", |table| listed(table, every_table())))]
pub struct RunArguments {
    #[command(flatten)]
    scenario: ScenarioArguments,
    /// Threads to simulate on; more than three do not help. The result is the same on any number
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: u16,
    #[command(flatten)]
    print: PrintArguments,
    /// Also write summary.json, hours.csv, intervals.csv, scenario.resolved.toml and run.log here
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Also write requests.csv there, a row a request: of all that are in the service within the time that is counted,
    /// or of a sample of so many that arrive in it, the same on any number of threads; with the feature parquet also
    /// requests.parquet
    #[arg(long, value_name = "all|N", requires = "out", conflicts_with = "replications", value_parser = sample)]
    requests: Option<Sample>,
    /// Allow --out to replace the files of an earlier run
    #[arg(long, requires = "out")]
    overwrite: bool,
    /// Independent replications of the run: figures become their means, with 95 % intervals
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    replications: u32,
    /// SLOs of classes must be met in every stretch of this length, too (as the scenario's slo_every)
    #[arg(long, value_name = "DURATION", value_parser = stretch)]
    slo_every: Option<String>,
    /// Draws of a scenario with uncertain inputs
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u32).range(2..=10_000))]
    draws: u32,
    /// No progress, no remarks
    #[arg(long, short)]
    quiet: bool,
}

/// The sample of requests that `--requests` asks for.
fn sample(text: &str) -> Result<Sample, String> {
    match text.replace('_', "").parse() {
        Ok(n) if n > 0 => Ok(Sample::Some(n)),
        _ if text == "all" => Ok(Sample::All),
        _ => Err("write all, or the size of a sample, such as 10000".to_owned()),
    }
}

/// The tables of a run, and of draws of uncertain inputs.
fn every_table() -> impl Iterator<Item = &'static RecordTable> {
    let is_known = |table: &&RecordTable| csv::TABLES.iter().any(|known| known.name == table.name);
    let more = TABLES.iter().filter(move |table| !is_known(table));
    csv::TABLES.iter().chain(more)
}

/// Runs `run`: plays, prints, writes.
pub fn execute(arguments: &RunArguments) -> Exit {
    let scenario = &arguments.scenario;
    let scenario = match load_ranges(&scenario.judged_every(arguments.slo_every.as_ref())) {
        Ok(scenario) => scenario,
        Err(exit) => return exit,
    };
    if !scenario.uncertain.is_empty() {
        return uncertain(arguments, &scenario);
    }
    let printing = match arguments.print.of(csv::TABLES) {
        Ok(printing) => printing,
        Err(exit) => return exit,
    };
    let prepare = |dir: &PathBuf| Folder::prepare(dir, &OF_A_RUN, arguments.overwrite);
    let folder = match arguments.out.as_ref().map(prepare).transpose() {
        Ok(folder) => folder,
        Err(why) => return refuse(&why),
    };
    let interrupt = Interrupt::listen();
    let began = Instant::now();
    let (summary, requests) = match play(arguments, &scenario, &interrupt) {
        Ok(played) => played,
        Err(error) => return say(&error),
    };
    let shown = match of_run(&summary, printing) {
        Ok(shown) => shown,
        Err(exit) => return exit,
    };
    let mut size = shown.len();
    let mut files = Vec::new();
    if folder.is_some() {
        let log = format!(
            "tokentide {}\nthreads {}\nwall_s {:.3}\n",
            env!("CARGO_PKG_VERSION"),
            arguments.threads,
            began.elapsed().as_secs_f64()
        );
        let requests = requests.map(|rows| one_by_one(&scenario, &rows));
        let requests = match requests.transpose() {
            Ok(requests) => requests.unwrap_or_default(),
            Err(error) => return fail(&format!("the rows of requests cannot be made: {error}")),
        };
        files = files_of(&scenario, &summary, requests, log);
        size += files.iter().map(|(_, text)| text.len()).sum::<usize>();
    }
    if size as u64 > scenario.limits.output_bytes {
        return fail(&format!(
            "the output is {}, and limits.output_mb is {}; nothing was written",
            bytes(size as u64),
            scenario.limits.output_bytes as f64 / 1e6
        ));
    }
    if let Some(folder) = &folder
        && let Err(why) = folder.write(&files)
    {
        return fail(&why);
    }
    match print(&shown) {
        Exit::Done if slo_missed(&summary) => Exit::SloMissed,
        exit => exit,
    }
}

/// Plays draws of a scenario with uncertain inputs.
fn uncertain(arguments: &RunArguments, scenario: &Scenario) -> Exit {
    if arguments.replications > 1 || arguments.out.is_some() {
        return refuse(
            "a scenario with uncertain inputs is played in --draws, without --replications and --out; to keep the \
             files of one run, set its inputs by --set",
        );
    }
    let printing = match arguments.print.of(TABLES) {
        Ok(printing) => printing,
        Err(exit) => return exit,
    };
    let rows = hypercube(scenario, arguments.draws);
    let draws = match scenarios(scenario, &rows) {
        Ok(draws) => draws,
        Err(mistakes) => {
            show(&mistakes);
            return Exit::BadInput;
        }
    };
    let threads = usize::from(arguments.threads);
    match play_draws(&draws, threads, arguments.quiet, &Interrupt::listen()) {
        Ok(runs) => {
            let outlook = judge(scenario, &rows, &runs);
            match print_page(&outlook.page(), &outlook, printing) {
                Exit::Done if runs.iter().flatten().any(slo_missed) => Exit::SloMissed,
                exit => exit,
            }
        }
        Err(error) => say(&error),
    }
}

/// Plays the scenario, once or as often as asked, and shows where it is.
fn play(
    arguments: &RunArguments,
    scenario: &Scenario,
    interrupt: &Interrupt,
) -> Result<(RunSummary, Option<Vec<RequestRow>>), RunError> {
    let threads = usize::from(arguments.threads);
    let is_replicated = arguments.replications > 1;
    if is_replicated && scenario.is_drawn() {
        let runs = replications(scenario, arguments.replications);
        let summaries = play_all(&runs, threads, arguments.quiet, interrupt);
        return summaries.and_then(|summaries| {
            let summary = together(scenario, &summaries);
            let summary = summary.map(|summary| (summary, None));
            summary.ok_or_else(|| RunError::Audit("replications do not add up".to_owned()))
        });
    }
    let total = scenario.warm_up + scenario.duration;
    let mut progress = RunProgress::new(!arguments.quiet, scenario, total);
    let mut watch = |now, requests| {
        progress.at(now, requests);
        !interrupt.has_come()
    };
    let result = match arguments.requests {
        Some(sample) => run_with_requests(scenario, threads, sample, &mut watch)
            .map(|(summary, rows)| (summary, Some(rows))),
        None => run_with_progress(scenario, threads, &mut watch).map(|summary| (summary, None)),
    };
    match result {
        Ok(_) => progress.finish(),
        Err(_) => progress.abandon(),
    }
    result.map(|(summary, rows)| match is_replicated {
        true => (undrawn(summary), rows),
        false => (summary, rows),
    })
}

/// The files of a run, in the order in which they are put in place.
fn files_of(
    scenario: &Scenario,
    summary: &RunSummary,
    requests: Vec<(&'static str, Vec<u8>)>,
    log: String,
) -> Vec<(&'static str, Vec<u8>)> {
    let [resolved, hours, intervals, _, _, run_log, whole] = OF_A_RUN;
    let mut files = vec![
        (resolved, scenario.resolved_toml().as_bytes().to_vec()),
        (hours, csv::hours(summary).into_bytes()),
    ];
    if !summary.intervals.is_empty() {
        files.push((intervals, csv::intervals(summary).into_bytes()));
    }
    files.extend(requests);
    files.push((run_log, log.into_bytes()));
    let json = render(summary, Format::Json, &Style::default());
    files.push((whole, json.into_bytes()));
    files
}

/// The files of `--requests`, a row a request.
fn one_by_one(
    scenario: &Scenario,
    rows: &[RequestRow],
) -> Result<Vec<(&'static str, Vec<u8>)>, String> {
    let csv = request_rows::csv(scenario, rows).map_err(|error| error.to_string())?;
    Ok(vec![
        ("requests.csv", csv),
        #[cfg(feature = "parquet")]
        ("requests.parquet", request_rows::parquet(scenario, rows)?),
    ])
}

fn slo_missed(summary: &RunSummary) -> bool {
    !shortfalls(summary).is_empty()
}
