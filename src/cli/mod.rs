//! Commands, one file each, thin: they read arguments, call the library, and write what it says.
//! Results go to standard output, everything else to standard error.

mod calibrate_command;
mod catalog_command;
mod check_command;
mod compare_command;
mod exit;
mod explain_command;
mod folder;
mod import_command;
mod init_command;
mod interrupt;
mod man_command;
mod model_lines;
mod output_files;
mod plan_command;
mod printing;
mod progress;
mod report_command;
mod run_command;
mod runs;
mod schema_command;
mod screen;
mod search_progress;
mod sweep_command;
mod trace_command;
mod validate_command;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand};

use crate::words::Words;
pub use exit::Exit;
use printing::{PrintArguments, Printing, listed, of_run, print_page};

/// Simulates LLM inference clusters: what users feel, what the cluster does, what it costs and earns.
#[derive(Debug, Parser)]
#[command(version, about, after_help = exit::HELP)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Simulate a scenario and print what happened
    Run(run_command::RunArguments),
    /// Hold scenarios against one another: differences with intervals, a ranking, and the reason
    Compare(compare_command::CompareArguments),
    /// Read and resolve a scenario without running it; show every mistake at once
    Check(check_command::CheckArguments),
    /// Search for the deployment, or the node schedule, that keeps given promises at the least cost
    Plan(plan_command::PlanArguments),
    /// Run many variants of a scenario in parallel; go on where an earlier one was interrupted
    Sweep(Box<sweep_command::SweepArguments>),
    /// Take a step apart, without a run: its parts, the memory, the capacity curve
    Explain(explain_command::ExplainArguments),
    /// Hold the step-time model against what somebody measured
    Validate(validate_command::ValidateArguments),
    /// Fit an engine's constants to measurements
    Calibrate(calibrate_command::CalibrateArguments),
    /// Say what a recorded workload is like, or write it in our own form
    Trace(trace_command::TraceArguments),
    /// List what is known of accelerators, models, engines and prices, or show one with its sources
    Catalog(catalog_command::CatalogArguments),
    /// Print the scenario of a server that you run: a launch line of vLLM, SGLang or TensorRT-LLM, or a manifest
    Import(import_command::ImportArguments),
    /// Show a stored run (summary.json) again, without simulating
    Report(report_command::ReportArguments),
    /// Write a scenario file to start from
    Init(init_command::InitArguments),
    /// Print the JSON Schema of scenario files
    Schema,
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print a manual page (roff) of the program or of one of its commands
    #[command(hide = true)]
    Man(man_command::ManArguments),
}

/// The arguments that name a scenario.
#[derive(Debug, Args)]
struct ScenarioArguments {
    /// Path of a scenario file, name of a bundled scenario (such as deepseek-day), or - for standard input
    scenario: String,
    /// Override one value: key.path=value, typed like TOML; list members by number or name
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Seed of every random stream, instead of the scenario's
    #[arg(long)]
    seed: Option<u64>,
}

impl ScenarioArguments {
    /// The arguments with `slo_every` set to a length, if one is given.
    fn judged_every(&self, every: Option<&String>) -> Self {
        let setting = every.map(|every| format!("slo_every=\"{every}\""));
        Self {
            scenario: self.scenario.clone(),
            set: self.set.iter().cloned().chain(setting).collect(),
            seed: self.seed,
        }
    }
}

/// Reads one of the words of an enum.
fn word_of<T: Words + Send + Sync>() -> impl TypedValueParser<Value = T> {
    let words = T::VARIANTS.iter().map(|variant| variant.word());
    let read = |word: String| T::named(&word).ok_or("no such word");
    PossibleValuesParser::new(words).try_map(read)
}

/// A length of time, as a scenario takes it.
fn stretch(text: &str) -> Result<String, String> {
    let ps = crate::scenario::parse_duration(text)?;
    let is_long = ps >= 1_000_000_000_000;
    is_long
        .then(|| text.trim().to_owned())
        .ok_or_else(|| "at least a second, such as 1h".to_owned())
}

impl Arguments {
    /// The command line; help is as wide as results are. On bad usage the program ends with exit code 2.
    pub fn read() -> Self {
        let width = screen::results().prose();
        let mut command = <Self as clap::CommandFactory>::command().term_width(width);
        let matches = command.get_matches_mut();
        <Self as clap::FromArgMatches>::from_arg_matches(&matches)
            .unwrap_or_else(|error| error.format(&mut command).exit())
    }
}

/// Carries out a command.
pub fn execute(arguments: &Arguments) -> Exit {
    interrupt::begin();
    match &arguments.command {
        Command::Run(arguments) => run_command::execute(arguments),
        Command::Compare(arguments) => compare_command::execute(arguments),
        Command::Sweep(arguments) => sweep_command::execute(arguments),
        Command::Check(arguments) => check_command::execute(arguments),
        Command::Plan(arguments) => plan_command::execute(arguments),
        Command::Explain(arguments) => explain_command::execute(arguments),
        Command::Validate(arguments) => validate_command::execute(arguments),
        Command::Calibrate(arguments) => calibrate_command::execute(arguments),
        Command::Trace(arguments) => trace_command::execute(arguments),
        Command::Catalog(arguments) => catalog_command::execute(arguments),
        Command::Import(arguments) => import_command::execute(arguments),
        Command::Report(arguments) => report_command::execute(arguments),
        Command::Init(arguments) => init_command::execute(arguments),
        Command::Schema => schema_command::execute(),
        Command::Man(arguments) => man_command::execute(arguments),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            let mut command = <Arguments as clap::CommandFactory>::command();
            clap_complete::generate(*shell, &mut command, "tokentide", &mut script);
            print(&String::from_utf8_lossy(&script))
        }
    }
}

/// Reads a scenario for a command that needs plain numbers: those of uncertain inputs are their middles.
fn load(arguments: &ScenarioArguments) -> Result<crate::scenario::Scenario, Exit> {
    let scenario = load_ranges(arguments)?;
    let inputs: Vec<&str> = scenario.uncertain.iter().map(|u| u.path.as_str()).collect();
    if !inputs.is_empty() {
        tell(&format!(
            "note: {} uncertain; the middle is taken here, `run` plays the range",
            inputs.join(", ")
        ));
    }
    Ok(scenario)
}

/// Reads a scenario and applies the common options; on mistakes, shows them.
fn load_ranges(arguments: &ScenarioArguments) -> Result<crate::scenario::Scenario, Exit> {
    match crate::scenario::load(&arguments.scenario, &arguments.set) {
        Ok(scenario) => match arguments.seed {
            Some(seed) => Ok(scenario.with_seed(seed)),
            None => Ok(scenario),
        },
        Err(mistakes) => {
            show(&mistakes);
            Err(Exit::BadInput)
        }
    }
}

/// Prints a result to standard output. A reader that has gone (`| head`) is no fault; a full disk is.
fn print(text: &str) -> Exit {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Exit::Done,
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Exit::Done,
        Err(error) => fail(&format!("cannot write to standard output: {error}")),
    }
}

/// Says something on standard error, whether or not it can be read there.
fn tell(text: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "{}", screen::remarks().fold(text));
}

/// Shows what is wrong with a scenario.
fn show(mistakes: &crate::scenario::Mistakes) {
    tell(&mistakes.render(screen::remarks().colour));
}

/// Says on standard error why a run failed.
fn fail(why: &str) -> Exit {
    tell(&format!("error: {why}"));
    Exit::Failed
}

/// Says on standard error what is wrong with the input.
fn refuse(why: &str) -> Exit {
    tell(&format!("error: {why}"));
    Exit::BadInput
}
