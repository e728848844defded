//! `tokentide sweep`: many variants of a scenario, in parallel, here or on a cluster.

mod machines;
mod merge_shards;
mod slurm;
mod sweep_progress;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};

use super::interrupt::Interrupt;
use super::{
    Exit, PrintArguments, Printing, fail, listed, output_files, print, print_page, refuse, screen,
    tell,
};
use crate::experiment::parallel;
use crate::experiment::sweep::estimate::estimate;
use crate::experiment::sweep::front::{FRONTS, front, points};
use crate::experiment::sweep::ledger::{self, Done, Ledger};
use crate::experiment::sweep::manifest::PlannedRun;
use crate::experiment::sweep::missing_runs::{missing, run};
use crate::experiment::sweep::outcome::{RunOutcome, outcomes};
use crate::experiment::sweep::results::{self, PARETO, TABLES, csv, fronts_csv, json_lines};
use crate::experiment::sweep::sweep_columns::columns;
use crate::experiment::sweep::sweep_page::{page, subtitle};
use crate::experiment::sweep::{
    Manifest, Shard, SweepBase, SweepQuestion, SweepStopped, in_memory, manifest,
};
use crate::report::format::{count, fixed, length, plain};
use sweep_progress::SweepProgress;

/// Arguments of `sweep`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
#[command(after_long_help = machines::HELP)]
#[command(mut_arg("table", |table| listed(table, TABLES)))]
pub struct SweepArguments {
    #[command(subcommand)]
    then: Option<Then>,
    /// Path of a scenario file, or name of a bundled scenario
    #[arg(required = true)]
    scenario: Option<String>,
    /// An axis: key=1,2,3, key=1..9:2, key=log(1,1000,7), linked keys a,b=(1,2),(3,4). Replaces axes of the
    /// scenario's [sweep] that have a key in common with it
    #[arg(long, value_name = "KEY=VALUES")]
    vary: Vec<String>,
    /// Run only N points, spread over the space of the axes, instead of the whole grid
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    sample: Option<u64>,
    /// Runs of each point, each with random streams of its own
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    replications: Option<u64>,
    /// Override one value in all runs: key.path=value
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Seed of every random stream and of the sample, instead of the scenario's
    #[arg(long)]
    seed: Option<u64>,
    /// Runs at once [default: as many as the machine has cores; with Slurm, the CPUs of a task, 1]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Keep the results here. Started again with the same command, the sweep goes on where it was
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Only every N-th run, from the I-th on; `sweep merge` puts the shards together
    #[arg(long, value_name = "I/N", requires = "out")]
    shard: Option<Shard>,
    /// Say how many runs there are and about how long they will take, and run none
    #[arg(long)]
    dry_run: bool,
    /// What plays the runs
    #[arg(long, value_enum, default_value = "local")]
    engine: SweepEngine,
    /// Slurm: tasks of the array [default: what makes each last about ten minutes]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1000))]
    shards: Option<u64>,
    /// Slurm: an option for sbatch, such as --sbatch=--partition=long
    #[arg(long, value_name = "OPTION", allow_hyphen_values = true)]
    sbatch: Vec<String>,
    #[command(flatten)]
    print: PrintArguments,
    /// No progress, no remarks
    #[arg(long, short)]
    quiet: bool,
}

#[derive(Debug, Subcommand)]
enum Then {
    /// Put the shards of a sweep together, in any order, from one folder or from several
    Merge(merge_shards::MergeArguments),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum SweepEngine {
    /// This process
    Local,
    /// One array of Slurm tasks, from a folder that all nodes share
    Slurm,
}

/// Runs `sweep`: plays the missing runs; prints and writes the whole.
pub fn execute(arguments: &SweepArguments) -> Exit {
    if let Some(Then::Merge(arguments)) = &arguments.then {
        return merge_shards::execute(arguments);
    }
    sweep(arguments).unwrap_or_else(|exit| exit)
}

fn sweep(arguments: &SweepArguments) -> Result<Exit, Exit> {
    let printing = arguments.print.of(TABLES)?;
    let question = question(arguments);
    let threads = arguments.threads.map(usize::from);
    let here = threads.unwrap_or_else(parallel::threads);
    let refused = |stopped| ended(&stopped, "nothing was played");
    let base = SweepBase::read(&question).map_err(refused)?;
    let manifest = manifest(&question, &base, here).map_err(refused)?;
    if arguments.dry_run {
        let done = done_before(arguments.out.as_deref(), &manifest)?;
        let text = forecast(arguments, &base, &manifest, &done, here);
        return Ok(print(&screen::labelled(&text)));
    }
    if !arguments.quiet {
        tell_infeasible(&manifest);
        for caution in &manifest.cautions {
            tell(&format!("warning: {caution}"));
        }
    }
    let interrupt = Interrupt::listen();
    let Some(dir) = &arguments.out else {
        if arguments.engine == SweepEngine::Slurm {
            return Err(refuse(
                "--engine slurm needs --out, a folder that all nodes share",
            ));
        }
        let runs = missing(&manifest, Shard::WHOLE, &Done::new()).len();
        let progress = SweepProgress::new(!arguments.quiet, runs, 0, interrupt);
        let done = in_memory(&base, &manifest, here, &progress);
        progress.finish();
        let done = done.map_err(|stopped| ended(&stopped, "nothing is kept without --out"))?;
        return conclude(&manifest, &done, None, printing);
    };
    ledger::claim(dir, &manifest).map_err(|why| refuse(&why))?;
    if arguments.engine == SweepEngine::Slurm {
        let asked = slurm::Asked {
            arguments,
            question: &question,
            base: &base,
            manifest: &manifest,
            dir,
        };
        if let Some(exit) = slurm::run(&asked, &interrupt)? {
            return Ok(exit);
        }
    } else {
        let shard = arguments.shard.unwrap_or(Shard::WHOLE);
        let task = Task {
            base: &base,
            manifest: &manifest,
            dir,
            shard,
            threads: here,
        };
        if let Some(exit) = task.run(!arguments.quiet, interrupt)? {
            return Ok(exit);
        }
    }
    let done = ledger::read(dir).map_err(|why| refuse(&why))?;
    conclude(&manifest, &done, Some(dir), printing)
}

fn question(arguments: &SweepArguments) -> SweepQuestion {
    let mut set = arguments.set.clone();
    set.extend(arguments.seed.map(|seed| format!("seed={seed}")));
    SweepQuestion {
        scenario: arguments.scenario.clone().unwrap_or_default(),
        set,
        vary: arguments.vary.clone(),
        sample: arguments.sample,
        replications: arguments.replications,
    }
}

/// A shard to run in this process.
struct Task<'a> {
    base: &'a SweepBase,
    manifest: &'a Manifest,
    dir: &'a Path,
    shard: Shard,
    threads: usize,
}

impl Task<'_> {
    /// Plays the shard; `None`: the whole sweep is to be concluded.
    fn run(&self, shows: bool, interrupt: Interrupt) -> Result<Option<Exit>, Exit> {
        let mut ledger = Ledger::open(self.dir, self.shard).map_err(|why| refuse(&why))?;
        let done = ledger::read(self.dir).map_err(|why| refuse(&why))?;
        let runs = missing(self.manifest, self.shard, &done);
        let all = missing(self.manifest, self.shard, &Done::new()).len();
        let progress = SweepProgress::new(shows, runs.len(), all - runs.len(), interrupt);
        let mut keep = |entry| ledger.append(&entry);
        let stopped = run(
            self.base,
            self.manifest,
            &runs,
            self.threads,
            &mut keep,
            &progress,
        );
        let synchronised = ledger.finish();
        progress.finish();
        let kept = all - runs.len() + progress.count();
        let goes_on = format!(
            "{} of {} runs are kept in {}; the same command goes on from there",
            count(kept as u64),
            count(all as u64),
            self.dir.display()
        );
        match synchronised.map_err(SweepStopped::Broken).and(stopped) {
            Ok(()) if self.shard == Shard::WHOLE => Ok(None),
            Ok(()) => {
                if shows {
                    tell(&format!(
                        "shard {} is done, {} runs; when all are: tokentide sweep merge {}",
                        self.shard,
                        count(all as u64),
                        self.dir.display()
                    ));
                }
                Ok(Some(Exit::Done))
            }
            Err(SweepStopped::Broken(why)) => Err(fail(&format!("{why}\n  {goes_on}"))),
            Err(stopped) => Err(ended(&stopped, &goes_on)),
        }
    }
}

/// Says why a sweep ended before its end, and after an interruption what is kept.
fn ended(stopped: &SweepStopped, kept: &str) -> Exit {
    match stopped {
        SweepStopped::Axes(why) => refuse(why),
        SweepStopped::Scenario(mistakes) => {
            tell(mistakes);
            Exit::BadInput
        }
        SweepStopped::Broken(why) => fail(why),
        SweepStopped::Interrupted => {
            tell(&format!("interrupted: {kept}"));
            Exit::Interrupted
        }
    }
}

/// Writes the files of a whole sweep, and prints it.
fn conclude(
    manifest: &Manifest,
    done: &Done,
    dir: Option<&Path>,
    printing: Printing,
) -> Result<Exit, Exit> {
    let outcomes = match outcomes(manifest, done) {
        Ok(outcomes) => outcomes,
        Err(absent) => {
            return Err(fail(&format!(
                "{} of {} runs are not there yet; no results were written",
                count(absent as u64),
                count(manifest.runs.len() as u64)
            )));
        }
    };
    let points = points(&outcomes);
    let fronts = FRONTS.map(|kind| front(kind, &points));
    let columns = columns(manifest, &outcomes);
    let rows = csv(&columns, outcomes.len());
    let pareto = fronts_csv(manifest, &points, &fronts);
    if let Some(dir) = dir {
        let lines = json_lines(manifest, &outcomes);
        let files = [
            #[cfg(feature = "parquet")]
            (
                "results.parquet",
                crate::report::parquet::parquet("sweep", &columns).map_err(|why| fail(&why))?,
            ),
            (RESULTS[0], rows.clone().into_bytes()),
            (RESULTS[1], lines.into_bytes()),
            (RESULTS[2], pareto.clone().into_bytes()),
        ];
        output_files::replace(dir, &files).map_err(|why| fail(&why))?;
        ledger::tidy(dir);
    }
    let shown = match printing {
        Printing::Csv(table) if table.name == PARETO => print(&pareto),
        Printing::Csv(_) => print(&rows),
        _ => {
            let value = results::value(manifest, &outcomes, &points, &fronts);
            print_page(
                &page(manifest, &outcomes, &points, &fronts),
                &value,
                printing,
            )
        }
    };
    Ok(match shown {
        Exit::Done if nothing_worked(&outcomes) => Exit::Failed,
        exit => exit,
    })
}

/// Names of the files of a whole sweep.
const RESULTS: [&str; 3] = ["results.csv", "results.jsonl", "pareto.csv"];

/// Whether a run failed by a fault of the program, or no run has figures.
fn nothing_worked(outcomes: &[RunOutcome<'_>]) -> bool {
    use crate::experiment::sweep::entry::Status;
    let has = |status| outcomes.iter().any(|outcome| outcome.status == status);
    has(Status::Failed) || !has(Status::Done)
}

/// The results that a folder holds already, if it is there.
fn done_before(dir: Option<&Path>, manifest: &Manifest) -> Result<Done, Exit> {
    match dir {
        Some(dir) if dir.join(ledger::MANIFEST).exists() => {
            ledger::same(dir, manifest).map_err(|why| refuse(&why))?;
            ledger::read(dir).map_err(|why| refuse(&why))
        }
        _ => Ok(Done::new()),
    }
}

fn tell_infeasible(manifest: &Manifest) {
    let mut runs = manifest.runs.iter().filter(|run| run.key.is_none());
    if let Some(first) = runs.next() {
        tell(&format!(
            "warning: {} of {} runs cannot be and are kept with their reason; the first, run {}: {}",
            count(1 + runs.count() as u64),
            count(manifest.runs.len() as u64),
            first.run,
            plain(first.infeasible.as_deref().unwrap_or(""))
        ));
    }
}

/// The text of `--dry-run`: how many runs there are, and how long they take.
fn forecast(
    arguments: &SweepArguments,
    base: &SweepBase,
    manifest: &Manifest,
    done: &Done,
    threads: usize,
) -> String {
    let shard = arguments.shard.unwrap_or(Shard::WHOLE);
    let of_shard = |run: &&PlannedRun| shard.has(run.run);
    let all = manifest.runs.iter().filter(of_shard).count() as u64;
    let infeasible = manifest.runs.iter().filter(of_shard);
    let infeasible = infeasible.filter(|run| run.key.is_none()).count() as u64;
    let distinct = missing(manifest, shard, &Done::new()).len() as u64;
    let runs = missing(manifest, shard, done);
    let to_do = runs.len() as u64;
    let mut text = format!(
        "{}\n{}\n  runs          {}\n",
        plain(&manifest.scenario),
        subtitle(manifest),
        count(all)
    );
    for (label, number) in [
        ("infeasible", infeasible),
        ("the same as another", all - infeasible - distinct),
        ("done before", distinct - to_do),
    ] {
        if number > 0 {
            text.push_str(&format!("  {label:<13} {}\n", count(number)));
        }
    }
    text.push_str(&format!("  {:<13} {}\n", "to do", count(to_do)));
    if let Some(found) = estimate(base, manifest, &runs, threads) {
        text.push_str(&format!(
            "  time          about {} on {threads} threads: {} s a run, measured on {} of them for at most a \
             second each\n",
            length(libm::ceil(found.seconds)),
            fixed(found.seconds_a_run, 2),
            found.probes
        ));
    }
    text
}
