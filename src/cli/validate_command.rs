//! `tokentide validate`: the step-time model beside what somebody measured.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::{Exit, PrintArguments, fail, listed, print_page, refuse};
use crate::experiment::validate::balance::{MeasuredImbalance, balances};
use crate::experiment::validate::borrowed::ClassError;
use crate::experiment::validate::error_cells::{self, CellError};
use crate::experiment::validate::measured::{ErrorReport, predictions, report};
use crate::experiment::validate::mlperf_rows::Submission;
use crate::experiment::validate::row_sensitivity::{RowSensitivity, row_sensitivities};
use crate::experiment::validate::validate_tables::TABLES;
use crate::experiment::validate::{
    CaseOutcome, Sensitivity, borrowed, mlperf, outcomes, sensitivities, silicon, validate_page,
    vllm,
};
use crate::scenario::read_ordinary;

/// Largest file of a measured set that is read, 256 MiB: the largest known one has a tenth.
const MAX_BYTES: u64 = 256 << 20;

/// Arguments of `validate`.
#[derive(Debug, Args)]
#[command(mut_arg("table", |table| listed(table, TABLES)))]
pub struct ValidateArguments {
    /// Directory of measured sets (silicon_dev.csv, …), which are played too
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Also say how much each published case, and with --data recorded servers, hang on each constant
    #[arg(long)]
    sensitivity: bool,
    #[command(flatten)]
    print: PrintArguments,
}

#[derive(Default, Serialize)]
struct Everything {
    cases: Vec<CaseOutcome>,
    balance: Vec<MeasuredImbalance>,
    sensitivities: Vec<Sensitivity>,
    silicon: Vec<ErrorReport>,
    second: Vec<ErrorReport>,
    cells: Vec<CellError>,
    moved: Vec<RowSensitivity>,
    borrowed: Vec<ClassError>,
    vllm: Vec<vllm::VllmFigure>,
    mlperf: Vec<mlperf::MlperfRow>,
}

/// Why the command has nothing to print.
enum Trouble {
    /// The measured data are not what they should be.
    Data(String),
    /// A case could not be played.
    Play(String),
}

/// Runs `validate`: plays everything and prints it.
pub fn execute(arguments: &ValidateArguments) -> Exit {
    let printing = match arguments.print.of(TABLES) {
        Ok(printing) => printing,
        Err(exit) => return exit,
    };
    match everything(arguments) {
        Ok(all) => {
            let mut sections = vec![validate_page::balance(&all.balance)];
            if !all.sensitivities.is_empty() {
                sections.push(validate_page::sensitivity(&all.cases, &all.sensitivities));
            }
            let sections_of = |file, reports: &[ErrorReport]| -> Vec<_> {
                reports
                    .iter()
                    .map(|r| validate_page::measured(file, r))
                    .collect()
            };
            sections.extend(sections_of(SILICON, &all.silicon));
            sections.extend(sections_of(OTHERS, &all.second));
            if !all.cells.is_empty() {
                sections.push(validate_page::cells(&all.cells));
            }
            if !all.moved.is_empty() {
                sections.push(validate_page::row_sensitivity(&all.moved));
            }
            if !all.borrowed.is_empty() {
                sections.push(validate_page::borrowed(&all.borrowed));
            }
            if !all.vllm.is_empty() {
                sections.push(validate_page::vllm(&all.vllm));
            }
            if !all.mlperf.is_empty() {
                sections.push(validate_page::mlperf(&all.mlperf));
            }
            print_page(&validate_page::page(&all.cases, sections), &all, printing)
        }
        Err(Trouble::Data(why)) => refuse(&why),
        Err(Trouble::Play(why)) => fail(&why),
    }
}

fn everything(arguments: &ValidateArguments) -> Result<Everything, Trouble> {
    let mut all = Everything {
        cases: outcomes().map_err(Trouble::Play)?,
        balance: balances().to_vec(),
        ..Everything::default()
    };
    if arguments.sensitivity {
        all.sensitivities = sensitivities().map_err(Trouble::Play)?;
    }
    let Some(dir) = &arguments.data else {
        return Ok(all);
    };
    let bytes = |name: &str| {
        let file = dir.join(name);
        read_ordinary(&file, MAX_BYTES)
            .map_err(|error| Trouble::Data(format!("cannot read {}: {error}", file.display())))
    };
    let text = |name: &str| Ok(String::from_utf8_lossy(&bytes(name)?).into_owned());
    let mut silicon =
        silicon::read(&text(SILICON)?).map_err(|why| Trouble::Data(format!("{SILICON}: {why}")))?;
    error_cells::mark_set_aside(&mut silicon);
    let others = dir.join(OTHERS);
    if others.exists() {
        let others = silicon::read(&text(OTHERS)?)
            .map_err(|why| Trouble::Data(format!("{OTHERS}: {why}")))?;
        all.borrowed = borrowed::errors(&silicon, &others);
        let (of_first, of_second) = (
            error_cells::predictions(&silicon),
            error_cells::predictions(&others),
        );
        let mut pairs = error_cells::played(&others, &of_second);
        all.second.push(error_cells::groups(&silicon, &pairs));
        pairs.extend(error_cells::played(&silicon, &of_first));
        all.cells = error_cells::cells(&pairs);
        if arguments.sensitivity {
            all.moved = row_sensitivities(&pairs);
        }
    }
    for (constants, calibrated) in [
        ("constants of kernels only, uncalibrated", false),
        ("calibrated constants", true),
    ] {
        let predictions = predictions(&silicon, calibrated).map_err(Trouble::Play)?;
        all.silicon.push(report(constants, &silicon, &predictions));
    }
    all.vllm =
        vllm::figures(&bytes(VLLM)?).map_err(|why| Trouble::Data(format!("{VLLM}: {why}")))?;
    let mut submissions = Submission::published().map_err(Trouble::Play)?;
    submissions.extend(
        Submission::of_csv(&text(MLPERF)?)
            .map_err(|why| Trouble::Data(format!("{MLPERF}: {why}")))?,
    );
    all.mlperf = mlperf::rows(&submissions).map_err(Trouble::Play)?;
    Ok(all)
}

/// Name of the second measured set, in the same directory: half of its curves are held out of every fit. It may be
/// missing.
const OTHERS: &str = "silicon_dev2.csv";
const SILICON: &str = "silicon_dev.csv";
const VLLM: &str = "llmservingsim_rtxpro6000_llama8b.tar.xz";
const MLPERF: &str = "mlperf_v4.1_llm_summary.csv";
