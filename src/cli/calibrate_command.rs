//! `tokentide calibrate`: fit an engine's constants to measurements.

use std::path::PathBuf;

use clap::Args;

use super::{Exit, fail, print, refuse, screen};
use crate::experiment::calibrate::{Calibration, calibrate, measurements};
use crate::report::format::percent;
use crate::scenario::read_ordinary_text;

/// Largest file of measurements that is read, 16 MiB: a measurement has a hundred bytes.
const MAX_BYTES: u64 = 16 << 20;

/// Arguments of `calibrate`.
#[derive(Debug, Args)]
pub struct CalibrateArguments {
    /// A CSV of measurements: engine, gpu, model, gpus, input_tokens, output_tokens, concurrency, ttft_ms,
    /// tpot_ms, and optional columns (tokentide calibrate --help-columns)
    #[arg(required_unless_present = "help_columns")]
    measurements: Option<PathBuf>,
    /// Explain the columns of the CSV
    #[arg(long)]
    help_columns: bool,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
    /// No progress
    #[arg(long, short)]
    quiet: bool,
}

/// Runs `calibrate`: reads the measurements, fits, prints.
pub fn execute(arguments: &CalibrateArguments) -> Exit {
    let Some(file) = arguments
        .measurements
        .as_ref()
        .filter(|_| !arguments.help_columns)
    else {
        return print(&screen::labelled(measurements::HELP));
    };
    let text = match read_ordinary_text(file, MAX_BYTES) {
        Ok(text) => text,
        Err(error) => return refuse(&format!("cannot read {}: {error}", file.display())),
    };
    let all = match measurements::read(&text) {
        Ok(all) => all,
        Err(why) => return refuse(&format!("{}: {why}", file.display())),
    };
    let mut servers: Vec<(String, String)> = all
        .iter()
        .map(|m| (m.engine.clone(), m.gpu.clone()))
        .collect();
    servers.sort();
    servers.dedup();
    let mut found: Vec<Calibration> = Vec::new();
    for (engine, gpu) in &servers {
        let mut progress = |round: usize, cost: f64| {
            if !arguments.quiet {
                eprintln!("{engine} on {gpu}: round {round}, misfit {cost:.1}");
            }
        };
        match calibrate(engine, gpu, &all, &mut progress) {
            Ok(calibration) => found.push(calibration),
            Err(why) => return fail(&why),
        }
    }
    if arguments.json {
        return match serde_json::to_string_pretty(&found) {
            Ok(text) => print(&format!("{text}\n")),
            Err(error) => fail(&error.to_string()),
        };
    }
    let text: Vec<String> = found.iter().map(describe).collect();
    print(&text.join("\n"))
}

fn describe(calibration: &Calibration) -> String {
    let mut text = String::new();
    for g in &calibration.groups {
        text.push_str(&format!(
            "# {:<9} {:>4} measurements: TPOT error {} (p90 {}), TTFT error {} (p90 {})\n",
            g.name,
            g.count,
            percent(g.tpot.median),
            percent(g.tpot.p90),
            percent(g.ttft.median),
            percent(g.ttft.p90)
        ));
    }
    if calibration.unusable > 0 {
        text.push_str(&format!(
            "# {} measurements left out: their conditions cannot be what they say\n",
            calibration.unusable
        ));
    }
    text + &calibration.toml()
}
