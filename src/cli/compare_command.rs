//! `tokentide compare`: scenarios against one another, with the same random numbers.

use clap::Args;

use super::interrupt::Interrupt;
use super::runs::{play_all, say};
use super::{
    Exit, PrintArguments, ScenarioArguments, fail, listed, load, print_page, refuse, tell,
};
use crate::experiment::compare::compare_tables::TABLES;
use crate::experiment::compare::{CompareQuestion, MOST, judge, runs};
use crate::report::batches::paths;
use crate::scenario::Scenario;

/// Arguments of `compare`.
#[derive(Debug, Args)]
#[command(mut_arg("table", |table| listed(table, TABLES)))]
pub struct CompareArguments {
    /// Paths of scenario files, or names of bundled ones; the others are held against the first
    #[arg(required = true)]
    scenarios: Vec<String>,
    /// Also compare the first scenario with one value changed: key.path=value, as for --set
    #[arg(long = "variant", value_name = "KEY=VALUE")]
    variants: Vec<String>,
    /// Override one value in all of them: key.path=value, typed like TOML
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Seed of every random stream, instead of the first scenario's
    #[arg(long)]
    seed: Option<u64>,
    /// Runs of each scenario: pairs of runs behind every interval
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    replications: u32,
    /// Random streams of its own for each scenario, instead of common ones
    #[arg(long)]
    independent: bool,
    /// The figure that decides, by its path in the summary, such as latency.ttft_s.p99
    #[arg(long, value_name = "PATH")]
    by: Option<String>,
    /// Threads to simulate on. The result is the same on any number
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: u16,
    #[command(flatten)]
    print: PrintArguments,
    /// No progress
    #[arg(long, short)]
    quiet: bool,
}

/// Runs `compare`: plays all scenarios and prints what differs.
pub fn execute(arguments: &CompareArguments) -> Exit {
    let printing = match arguments.print.of(TABLES) {
        Ok(printing) => printing,
        Err(exit) => return exit,
    };
    let (names, scenarios) = match scenarios(arguments) {
        Ok(sides) => sides.into_iter().unzip::<_, _, Vec<_>, Vec<_>>(),
        Err(exit) => return exit,
    };
    if let Some(by) = &arguments.by
        && let Some(side) = scenarios.iter().position(|s| !paths(s).contains(by))
    {
        return refuse(&format!(
            "--by {by}: the summary of {} has no such figure, or none that can be compared; the paths are those of \
             run --format json, such as latency.ttft_s.p99 or economics.profit_usd",
            names[side]
        ));
    }
    for (name, scenario) in names.iter().zip(&scenarios) {
        for caution in scenario.loans() {
            tell(&format!("warning: {name}: {caution}"));
        }
    }
    let question = CompareQuestion {
        replications: arguments.replications,
        independent: arguments.independent,
        by: arguments.by.clone(),
        names,
    };
    let interrupt = Interrupt::listen();
    let runs = runs(&scenarios, &question);
    let threads = usize::from(arguments.threads);
    let summaries = match play_all(&runs, threads, arguments.quiet, &interrupt) {
        Ok(summaries) => summaries,
        Err(error) => return say(&error),
    };
    match judge(&scenarios, &question, &summaries) {
        Some(comparison) => print_page(&comparison.page(), &comparison, printing),
        None => fail("the runs do not add up; this is a fault of tokentide, please report it"),
    }
}

/// Reads all scenarios and variants, with the name of each.
fn scenarios(arguments: &CompareArguments) -> Result<Vec<(String, Scenario)>, Exit> {
    let sides = arguments.scenarios.len() + arguments.variants.len();
    if sides < 2 {
        return Err(refuse(
            "compare needs two scenarios, or one and --variant KEY=VALUE, such as --variant kv_cache.hit_rate=0.3",
        ));
    }
    if sides > MOST {
        return Err(refuse(&format!(
            "{sides} scenarios, and compare takes at most {MOST}"
        )));
    }
    let read = |name: &str, variant: Option<&String>| {
        let set = arguments.set.iter().chain(variant).cloned().collect();
        let scenario = load(&ScenarioArguments {
            scenario: name.to_owned(),
            set,
            seed: arguments.seed,
        })?;
        let name = match variant {
            Some(change) => format!("{}, {change}", scenario.name),
            None => scenario.name.clone(),
        };
        Ok((name, scenario))
    };
    let mut scenarios = Vec::new();
    for name in &arguments.scenarios {
        scenarios.push(read(name, None)?);
    }
    for variant in &arguments.variants {
        scenarios.push(read(&arguments.scenarios[0], Some(variant))?);
    }
    Ok(scenarios)
}
