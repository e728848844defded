//! `tokentide explain`: a step taken apart, without a run.

use clap::Args;

use super::{Exit, PrintArguments, ScenarioArguments, listed, load, print_page, refuse, tell};
use crate::experiment::explain::explain_tables::TABLES;
use crate::experiment::explain::{ExplainQuestion, explain};

/// Arguments of `explain`.
#[derive(Debug, Args)]
#[command(mut_arg("table", |table| listed(table, TABLES)))]
pub struct ExplainArguments {
    #[command(flatten)]
    scenario: ScenarioArguments,
    /// Which pool: prefill, decode or mixed; needed where there are several
    #[arg(long)]
    pool: Option<String>,
    /// Decode: requests on each rank
    #[arg(long, value_parser = positive)]
    batch: Option<f64>,
    /// Decode: KV tokens of each request (by default the scenario's own mean)
    #[arg(long, value_parser = positive)]
    kv: Option<f64>,
    /// Prefill: tokens computed on each rank
    #[arg(long, value_parser = positive, conflicts_with = "batch")]
    tokens: Option<f64>,
    /// Prefill: computed tokens of each prompt, without cached ones before them (by default the scenario's own
    /// mix of lengths and hits)
    #[arg(long, value_parser = positive, conflicts_with = "batch")]
    prompt: Option<f64>,
    #[command(flatten)]
    print: PrintArguments,
}

fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(x) if (1.0..=1e9).contains(&x) => Ok(x),
        _ => Err("a number from 1 to 1,000,000,000".to_string()),
    }
}

/// Runs `explain`: takes a step apart and prints its parts.
pub fn execute(arguments: &ExplainArguments) -> Exit {
    let printing = match arguments.print.of(TABLES) {
        Ok(printing) => printing,
        Err(exit) => return exit,
    };
    let scenario = match load(&arguments.scenario) {
        Ok(scenario) => scenario,
        Err(exit) => return exit,
    };
    let question = ExplainQuestion {
        batch: arguments.batch,
        kv: arguments.kv,
        tokens: arguments.tokens,
        prompt: arguments.prompt,
    };
    for caution in scenario.loans() {
        tell(&format!("warning: {caution}"));
    }
    match explain(&scenario, arguments.pool.as_deref(), question) {
        Ok(answer) => print_page(&answer.page(), &answer, printing),
        Err(why) => refuse(&why),
    }
}
