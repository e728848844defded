//! `tokentide plan`: the deployment that keeps given promises at the least cost.

use std::path::PathBuf;
use std::sync::atomic::AtomicU64;

use clap::Args;

use super::folder::{Folder, OF_A_PLAN};
use super::interrupt::Interrupt;
use super::search_progress::SearchProgress;
use super::word_of;
use super::{
    Exit, PrintArguments, ScenarioArguments, fail, listed, load, print_page, refuse, stretch, tell,
};
use crate::experiment::parallel;
use crate::experiment::plan::plan_tables::TABLES;
use crate::experiment::plan::{Bench, PlanAnswer, PlanQuestion, PlanStopped, plan};
use crate::import::launch_line::launch_lines;
use crate::perf::KnownSteps;
use crate::report::markdown;
use crate::scenario::{Goal, PlanTable, load_str, parse_duration};
use crate::units::SimDuration;

/// Arguments of `plan`.
#[derive(Debug, Args)]
#[command(mut_arg("table", |table| listed(table, TABLES)))]
pub struct PlanArguments {
    #[command(flatten)]
    scenario: ScenarioArguments,
    /// What must be kept, such as ttft_p99=5s, tpot_p99=60ms or output_speed_mean=20; instead of the
    /// scenario's [plan] slo
    #[arg(long, value_name = "FIGURE=LIMIT")]
    slo: Vec<String>,
    /// What is made least (cost) or most (profit, goodput)
    #[arg(long, value_parser = word_of::<Goal>())]
    goal: Option<Goal>,
    /// Most nodes at any time
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    nodes: Option<u32>,
    /// Bounds of a pool's units, such as decode=1..9
    #[arg(long, value_name = "POOL=LEAST..MOST")]
    units: Vec<String>,
    /// A key and the values that it may take, written as for sweep: pools.mixed.parallelism.tensor=2,4,
    /// key=1..9:2, key=log(1,1000,7), linked keys a,b=(1,2),(3,4); instead of the scenario's choices, and of an
    /// option's for the same key
    #[arg(long, value_name = "KEY=VALUES")]
    vary: Vec<String>,
    /// Promises must be kept in every stretch of this length, too. Default: the scenario's slo_every; with
    /// --schedule 1h. As long as the scenario or longer: over the whole time only
    #[arg(long, value_name = "DURATION", value_parser = stretch)]
    slo_every: Option<String>,
    /// Let units change over the day, at most this often
    #[arg(long, value_name = "DURATION", value_parser = grain)]
    schedule: Option<SimDuration>,
    /// Independent runs in each of which the answer must keep every promise
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100))]
    replications: Option<u32>,
    /// By what part step times may be wrong; 0: do not ask. Default: what the constants behind them are known for
    #[arg(long, value_name = "PART", value_parser = part)]
    step_error: Option<f64>,
    /// Simulations at once; the answer is the same on any number. Default: the machine's cores
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    #[command(flatten)]
    print: PrintArguments,
    /// Also write scenario.toml (the answer, ready to run), launch.sh (lines of vLLM and SGLang that launch it), plan.md
    /// and plan.json here
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Allow --out to replace the files of an earlier plan
    #[arg(long, requires = "out")]
    overwrite: bool,
    /// No progress, no remarks
    #[arg(long, short)]
    quiet: bool,
}

fn grain(text: &str) -> Result<SimDuration, String> {
    let ps = parse_duration(text)?;
    let minutes = ps / 60_000_000_000_000;
    if (15..=1_440).contains(&minutes) && ps % 60_000_000_000_000 == 0 {
        Ok(SimDuration((ps / 1_000) as u64))
    } else {
        Err("whole minutes, from 15min to 24h".to_string())
    }
}

fn part(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(x) if (0.0..=0.95).contains(&x) => Ok(x),
        _ => Err("a number from 0 to 0.95".to_string()),
    }
}

/// Runs `plan`: searches, prints, writes.
pub fn execute(arguments: &PlanArguments) -> Exit {
    let printing = match arguments.print.of(TABLES) {
        Ok(printing) => printing,
        Err(exit) => return exit,
    };
    let scenario = &arguments.scenario;
    let scenario = match load(&scenario.judged_every(arguments.slo_every.as_ref())) {
        Ok(scenario) => scenario,
        Err(exit) => return exit,
    };
    let question = match PlanQuestion::new(&asked(arguments), &scenario) {
        Ok(question) => question,
        Err(why) => return refuse(&why),
    };
    let prepare = |dir: &PathBuf| Folder::prepare(dir, &OF_A_PLAN, arguments.overwrite);
    let folder = match arguments.out.as_ref().map(prepare).transpose() {
        Ok(folder) => folder,
        Err(why) => return refuse(&why),
    };
    let interrupt = Interrupt::listen();
    let remarks = SearchProgress::new(!arguments.quiet);
    let bench = Bench {
        threads: arguments
            .threads
            .map_or_else(parallel::threads, usize::from),
        go_on: &|runs| {
            remarks.goes_on(runs);
            !interrupt.has_come()
        },
        begin: &|part| remarks.begin(part),
        tell: &|what| remarks.say(what),
        runs: AtomicU64::new(0),
        known: KnownSteps::default(),
    };
    let answer = plan(&scenario, &question, &bench);
    remarks.finish();
    let answer = match answer {
        Ok(answer) => answer,
        Err(PlanStopped::Question(why)) => return refuse(&why),
        Err(PlanStopped::Failed(why)) => return fail(&why),
        Err(PlanStopped::Cancelled) => {
            tell("interrupted; nothing was written");
            return Exit::Interrupted;
        }
    };
    let written = folder.as_ref().map_or(Ok(()), |folder| {
        of_plan(&answer).and_then(|of| folder.write(&of))
    });
    // It took minutes: an answer that cannot be written is printed all the same.
    let printed = print_page(&answer.page(), &answer, printing);
    match (written, printed) {
        (Err(why), _) => fail(&format!("{why}; the answer was only printed")),
        (Ok(()), Exit::Done) if answer.best.is_none() => Exit::SloMissed,
        (Ok(()), exit) => exit,
    }
}

/// The part of the question that the command line gives.
fn asked(arguments: &PlanArguments) -> PlanTable {
    PlanTable {
        slo: arguments.slo.clone(),
        goal: arguments.goal,
        nodes: arguments.nodes,
        units: arguments.units.clone(),
        vary: arguments.vary.clone(),
        schedule: arguments.schedule,
        replications: arguments.replications,
        step_error: arguments.step_error,
        options: Vec::new(),
    }
}

/// The files of a plan's answer, in the order in which they are put in place.
fn of_plan(answer: &PlanAnswer) -> Result<Vec<(&'static str, String)>, String> {
    let [scenario, launch, page, json] = OF_A_PLAN;
    let mut of = Vec::new();
    if let Some(text) = &answer.scenario_toml {
        of.push((scenario, text.clone()));
        if let Ok(answer) = load_str(scenario, text, &[]) {
            of.push((launch, launch_lines(&answer)));
        }
    }
    of.push((page, markdown::page(&answer.page())));
    let text = serde_json::to_string_pretty(answer).map_err(|error| error.to_string())?;
    of.push((json, format!("{text}\n")));
    Ok(of)
}
