//! `tokentide calibrate`: fit an engine's constants to measurements.

use std::path::PathBuf;

use clap::Args;

use super::output_files::write_new;
use super::{Exit, ScenarioArguments, fail, load, print, refuse, screen, tell};
use crate::experiment::calibrate::measurements::StatedLoad;
use crate::experiment::calibrate::{Calibration, bench_files, calibrate, measurements};
use crate::experiment::measurement::Measurement;
use crate::report::format::percent;
use crate::scenario::read_ordinary_text;

/// Largest file of measurements that is read, 16 MiB: a measurement has a hundred bytes.
const MAX_BYTES: u64 = 16 << 20;

/// Arguments of `calibrate`.
#[derive(Debug, Args)]
pub struct CalibrateArguments {
    /// What benchmarks wrote (vllm bench serve, SGLang, guidellm, aiperf, genai-perf, InferenceX), or a CSV of your own
    /// (tokentide calibrate --help-columns); several files are fitted together
    #[arg(required_unless_present = "help_columns")]
    measurements: Vec<PathBuf>,
    /// The deployment that was measured, as a scenario: what a benchmark does not say
    #[arg(long, value_name = "SCENARIO")]
    scenario: Option<String>,
    /// Override one value of that scenario: key.path=value
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Users of the benchmark, where its file does not say the load
    #[arg(long, value_name = "N", conflicts_with = "rate")]
    concurrency: Option<u32>,
    /// Requests a second of the benchmark, where its file does not say the load
    #[arg(long, value_name = "R")]
    rate: Option<f64>,
    /// Write the constants to a file, which a scenario names: performance.calibration = "FILE"
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
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
    if arguments.help_columns {
        return print(&screen::labelled(measurements::HELP));
    }
    let all = match read(arguments) {
        Ok(all) => all,
        Err(exit) => return exit,
    };
    let mut servers: Vec<(String, String)> = all
        .iter()
        .map(|m| (m.engine.clone(), m.gpu.clone()))
        .collect();
    servers.sort();
    servers.dedup();
    if arguments.out.is_some() && servers.len() > 1 {
        return refuse(
            "--out holds the constants of one engine on one accelerator, and the files measured several",
        );
    }
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
    for warning in found.iter().flat_map(|calibration| &calibration.warnings) {
        tell(&format!("warning: {warning}"));
    }
    if let (Some(path), Some(calibration)) = (&arguments.out, found.first()) {
        if let Err(error) = write_new(path, calibration.toml().as_bytes()) {
            return fail(&format!("cannot write {}: {error}", path.display()));
        }
        tell(&format!(
            "wrote {0}; a scenario names it: performance.calibration = \"{0}\"",
            path.display()
        ));
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

/// Reads all files, and the scenario where one is named.
fn read(arguments: &CalibrateArguments) -> Result<Vec<Measurement>, Exit> {
    let server = match &arguments.scenario {
        None => None,
        Some(scenario) => Some(load(&ScenarioArguments {
            scenario: scenario.clone(),
            set: arguments.set.clone(),
            seed: None,
        })?),
    };
    let stated = StatedLoad {
        users: arguments.concurrency,
        per_s: arguments.rate,
    };
    let mut all = Vec::new();
    for file in &arguments.measurements {
        let text = read_ordinary_text(file, MAX_BYTES)
            .map_err(|error| refuse(&format!("cannot read {}: {error}", file.display())))?;
        let wrong = |why: String| refuse(&format!("{}: {why}", file.display()));
        if !bench_files::is_one(&text) {
            all.extend(measurements::read(&text).map_err(wrong)?);
            continue;
        }
        bench_files::read(&text).map_err(wrong)?;
        let Some(server) = &server else {
            return Err(wrong(
                "a benchmark does not say what it measured: describe the deployment in a scenario, and name it with \
                 --scenario mine.toml (tokentide init writes one to start from)"
                    .to_string(),
            ));
        };
        let (points, remarks) = measurements::of_benchmark(&text, server, stated).map_err(wrong)?;
        for remark in remarks {
            tell(&format!("note: {}: {remark}", file.display()));
        }
        all.extend(points);
    }
    Ok(all)
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
