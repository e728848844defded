//! Fitting an engine's constants to measurements of it.
//!
//! A small set of named constants, one for each engine and accelerator and none for a model or case: what a
//! running server makes of compute, memory bandwidth, all-reduce and kernel starts, and the host's times. They
//! start from the catalog's values before calibration and are held near them by priors, so that few or bad
//! measurements move them little. A third of the curves of each model is set aside by a hash of its name
//! before anything is fitted; the error on both parts is told.

pub mod bench_files;
mod bench_json;
mod bench_point;
mod bench_tables;
mod fit;
pub mod measurements;

use serde::Serialize;

use super::measurement::{Measurement, Prediction, hash};
use super::parallel::in_parallel;
use super::validate::errors::{ErrorGroup, Pair, group};
use crate::catalog::{self, Constant, NumberFormat, Provenance, ServingEngine, SourcedValue};
use crate::perf::KnownSteps;
use crate::scenario::{Performance, Scenario};
use fit::{Parameter, Problem};

/// A constant that is fitted.
#[derive(Clone, Copy, Debug)]
struct Fitted {
    constant: Constant,
    /// Value where the fit starts and the prior is centred; `None`: the catalog's value before calibration.
    start: Option<f64>,
    /// Standard deviation of the prior, of the constant's logarithm.
    spread: f64,
}

const fn fitted(constant: Constant, start: Option<f64>, spread: f64) -> Fitted {
    Fitted {
        constant,
        start,
        spread,
    }
}

/// Constants that are fitted for every engine. Kernel tables are trusted to 10 % in compute and 8 % in bandwidth;
/// serving runs all-reduce about 1.5 times as fast and starts kernels 1.2 times as slowly as tables say (fused
/// kernels, replayed graphs); nothing was published of hosts.
const GENERAL: [Fitted; 8] = [
    fitted(Constant::ComputeFactor, Some(1.0), 0.10),
    fitted(Constant::BandwidthFactor, Some(1.0), 0.08),
    fitted(Constant::ScaleUpFactor, Some(1.5), 0.2),
    fitted(Constant::LaunchFactor, Some(1.2), 0.15),
    fitted(Constant::HostDecode, Some(1_500.0), 0.7),
    fitted(Constant::HostPrefill, Some(3_500.0), 0.7),
    fitted(Constant::HostSequence, Some(40.0), 1.0),
    fitted(Constant::HostJoin, Some(3_000.0), 1.0),
];

/// Constants that are fitted, too, for engines that were measured with 4-bit experts.
const FOUR_BIT: [Fitted; 4] = [
    fitted(Constant::ExpertsFp4Compute, None, 0.4),
    fitted(Constant::ExpertsFp4Bandwidth, None, 0.3),
    fitted(Constant::ExpertsFp4Launch, None, 0.4),
    fitted(Constant::ExpertsPrefillLaunch, Some(200.0), 0.7),
];

/// Error of TPOT (logarithm) that counts like a prior's standard deviation.
const TPOT_SCALE: f64 = 0.15;
const TTFT_SCALE: f64 = 0.3;

/// The result of a fit.
#[derive(Clone, Debug, Serialize)]
pub struct Calibration {
    /// Catalog name of the engine.
    pub engine: String,
    /// Catalog name of the accelerator.
    pub gpu: String,
    /// Fitted constants with their values.
    pub constants: Vec<(String, f64)>,
    /// Errors before the fit, on what was fitted, and on what was set aside.
    pub groups: Vec<ErrorGroup>,
    /// What a reader should know before he uses the constants.
    pub warnings: Vec<String>,
    /// Number of measurements left out because their conditions cannot be what they say.
    pub unusable: usize,
}

impl Calibration {
    /// The constants as a `[performance]` table to paste into a scenario.
    pub fn toml(&self) -> String {
        let mut text = format!(
            "# calibrated on {}: {}\n[performance]\nkind   = \"roofline\"\nengine = \"{}\"\n\n[performance.constants]\n",
            self.gpu,
            self.groups
                .iter()
                .filter(|g| g.count > 0)
                .map(|g| format!("{}: TPOT {:.1} %", g.name, 100.0 * g.tpot.median))
                .collect::<Vec<_>>()
                .join(", "),
            self.engine
        );
        for (name, value) in &self.constants {
            text.push_str(&format!("{name} = {value:.5}\n"));
        }
        text
    }
}

/// The engine whose constants are fitted: that of the deployment that was measured, else the catalog's.
fn base(usable: &[&Measurement], engine: &str, gpu: &str) -> Result<ServingEngine, String> {
    let of_server = usable
        .iter()
        .find_map(|m| match &m.server.as_ref()?.performance {
            Performance::Roofline(roofline) => Some(roofline.engine.clone()),
            _ => None,
        });
    match of_server {
        Some(engine) => Ok(engine),
        None => catalog::engine(engine, gpu).ok_or(format!("the catalog has no engine `{engine}`")),
    }
}

/// Constants of grouped GEMMs, fitted where a deployment with experts was measured: those of the experts' number format.
/// Kernel tables are trusted to 30 % in bandwidth and compute and to 40 % in starts: servers fuse and replay them.
fn of_experts(usable: &[&Measurement], has_four_bit: bool) -> Vec<Fitted> {
    let with_experts = usable.iter().find(|m| {
        let server = m.server.as_ref();
        let architecture = server.and_then(|s| s.model.architecture.as_ref());
        architecture.is_some_and(|a| a.experts.is_some())
    });
    let Some(measured) = with_experts else {
        return Vec::new();
    };
    let [compute, bandwidth, launch] = match measured.experts {
        NumberFormat::Bf16 => [
            Constant::ExpertsBf16Compute,
            Constant::ExpertsBf16Bandwidth,
            Constant::ExpertsBf16Launch,
        ],
        NumberFormat::Fp8 => [
            Constant::ExpertsFp8Compute,
            Constant::ExpertsFp8Bandwidth,
            Constant::ExpertsFp8Launch,
        ],
        NumberFormat::Fp8Block => [
            Constant::ExpertsFp8BlockCompute,
            Constant::ExpertsFp8BlockBandwidth,
            Constant::ExpertsFp8BlockLaunch,
        ],
        // these are among those of 4-bit experts
        NumberFormat::Fp4 if has_four_bit => return Vec::new(),
        NumberFormat::Fp4 => [
            Constant::ExpertsFp4Compute,
            Constant::ExpertsFp4Bandwidth,
            Constant::ExpertsFp4Launch,
        ],
        NumberFormat::Nvfp4 => [
            Constant::ExpertsNvfp4Compute,
            Constant::ExpertsNvfp4Bandwidth,
            Constant::ExpertsNvfp4Launch,
        ],
        NumberFormat::Int4 | NumberFormat::Int4Group128 => [
            Constant::ExpertsInt4Compute,
            Constant::ExpertsInt4Bandwidth,
            Constant::ExpertsInt4Launch,
        ],
    };
    vec![
        fitted(compute, None, 0.3),
        fitted(bandwidth, None, 0.3),
        fitted(launch, None, 0.4),
    ]
}

/// Constants of dense products in 4 bits, fitted where a deployment with such weights was measured. Kernel tables of
/// them fit their form to 32 % only, where those of other formats fit to 5-15 %.
fn of_dense(usable: &[&Measurement]) -> Vec<Fitted> {
    let is_four_bit = |m: &&&Measurement| {
        m.server.is_some() && matches!(m.gemm, NumberFormat::Fp4 | NumberFormat::Nvfp4)
    };
    if usable.iter().find(is_four_bit).is_none() {
        return Vec::new();
    }
    vec![
        fitted(Constant::GemmNvfp4Compute, None, 0.3),
        fitted(Constant::GemmNvfp4Bandwidth, None, 0.3),
        fitted(Constant::GemmNvfp4Launch, None, 0.4),
    ]
}

/// Fewest measurements on which a fit is not remarked on.
const FEW: usize = 10;

fn warnings(count: usize, before: &ErrorGroup, after: &ErrorGroup) -> Vec<String> {
    let mut said = Vec::new();
    if count < FEW {
        let points = if count == 1 { "point" } else { "points" };
        said.push(format!(
            "the fit rests on {count} measured {points}: priors hold what they do not move; measure other lengths and loads"
        ));
    }
    if after.count == 0 {
        said.push("nothing was held out: with three points or more a third is, and says how well the rest is predicted".to_string());
    }
    for (name, before, after) in [
        ("TPOT", &before.tpot, &after.tpot),
        ("TTFT", &before.ttft, &after.ttft),
    ] {
        if after.median > before.median {
            said.push(format!(
                "{name} of what was held out is predicted worse than by the catalog's constants ({:.1} % off, {:.1} % before): do not \
                 use it for that",
                100.0 * after.median,
                100.0 * before.median
            ));
        }
    }
    said
}

/// Whether a curve is set aside: every third of a model's, in the order of a hash of their names.
pub fn held_out(all: &[&Measurement]) -> Vec<bool> {
    let mut curves: Vec<(&str, u64, &str)> = all
        .iter()
        .map(|m| (m.model.as_str(), hash(&m.curve), m.curve.as_str()))
        .collect();
    curves.sort_unstable();
    curves.dedup();
    let mut aside: Vec<&str> = Vec::new();
    let mut place = 0;
    for (i, (model, _, curve)) in curves.iter().enumerate() {
        place = if i > 0 && curves[i - 1].0 == *model {
            place + 1
        } else {
            0
        };
        if place % 3 == 1 {
            aside.push(curve);
        }
    }
    all.iter()
        .map(|m| aside.contains(&m.curve.as_str()))
        .collect()
}

/// Fits the constants of one engine on one accelerator. `progress` hears of each round.
///
/// # Errors
/// Where a measurement cannot be played, or nothing is left to fit.
pub fn calibrate(
    engine: &str,
    gpu: &str,
    all: &[Measurement],
    progress: &mut dyn FnMut(usize, f64),
) -> Result<Calibration, String> {
    let mine: Vec<&Measurement> = all
        .iter()
        .filter(|m| m.engine == engine && m.gpu == gpu)
        .collect();
    let usable: Vec<&Measurement> = mine
        .iter()
        .copied()
        .filter(|m| m.unusable.is_empty())
        .collect();
    if usable.is_empty() {
        return Err(format!("no usable measurement of {engine} on {gpu}"));
    }
    let today = base(&usable, engine, gpu)?;
    let named = match &today.asked {
        Some(release) => format!("{engine}@{release}"),
        None => engine.to_string(),
    };
    let base = today.uncalibrated();
    let scenarios: Result<Vec<Scenario>, String> =
        in_parallel(&usable, |m| m.scenario()).into_iter().collect();
    let scenarios = scenarios?;
    let aside = held_out(&usable);
    let four_bit = usable
        .iter()
        .any(|m| m.experts == NumberFormat::Fp4 && m.gemm != NumberFormat::Fp4);
    let parameters: Vec<Fitted> = GENERAL
        .into_iter()
        .chain(four_bit.then_some(FOUR_BIT).into_iter().flatten())
        .chain(of_experts(&usable, four_bit))
        .chain(of_dense(&usable))
        .collect();
    let used: Vec<(&Measurement, &Scenario)> = usable
        .iter()
        .zip(&scenarios)
        .zip(&aside)
        .filter(|(_, aside)| !**aside)
        .map(|((m, s), _)| (*m, s))
        .collect();
    let with = |values: &[f64]| apply(&base, &parameters, values);
    let known = KnownSteps::default();
    let problem = Problem {
        parameters: parameters
            .iter()
            .map(|p| Parameter {
                start: p.start.unwrap_or_else(|| base.get(p.constant)),
                spread: p.spread,
                most: p.constant.info().high,
            })
            .collect(),
        residuals: Box::new(|values: &[f64]| {
            let engine = with(values);
            let each = in_parallel(&used, |(m, s)| m.predict_in(s, Some(&engine), &known));
            let mut residuals = Vec::with_capacity(2 * used.len());
            for ((m, _), prediction) in used.iter().zip(each) {
                let p = prediction?;
                residuals.extend(residual(p.tpot_s, m.tpot_s, TPOT_SCALE));
                residuals.extend(residual(p.ttft_s, m.ttft_s, TTFT_SCALE));
            }
            Ok(residuals)
        }),
    };
    let values = problem.solve(progress)?;
    let engine_fitted = with(&values);
    let played = |engine: &ServingEngine| -> Result<Vec<Prediction>, String> {
        let both: Vec<(&Measurement, &Scenario)> = usable.iter().copied().zip(&scenarios).collect();
        in_parallel(&both, |(m, s)| m.predict_in(s, Some(engine), &known))
            .into_iter()
            .collect()
    };
    let (before, after) = (played(&base)?, played(&engine_fitted)?);
    let part = |predictions: &[Prediction], wanted: Option<bool>| -> Vec<Pair<'_>> {
        usable
            .iter()
            .zip(predictions)
            .zip(&aside)
            .filter(|(_, aside)| wanted.is_none_or(|w| w == **aside))
            .map(|((m, p), _)| (*m, *p))
            .collect()
    };
    let groups = vec![
        group("before", &part(&before, None)),
        group("fitted", &part(&after, Some(false))),
        group("held out", &part(&after, Some(true))),
    ];
    let held_today = group(
        "held out, without the fit",
        &part(&played(&today)?, Some(true)),
    );
    Ok(Calibration {
        warnings: warnings(usable.len(), &held_today, &groups[2]),
        engine: named,
        gpu: gpu.to_string(),
        constants: parameters
            .iter()
            .zip(&values)
            .map(|(p, value)| (p.constant.info().key.to_string(), *value))
            .collect(),
        groups,
        unusable: mine.len() - usable.len(),
    })
}

fn residual(predicted: f64, measured: Option<f64>, scale: f64) -> Option<f64> {
    let off = libm::log(predicted / measured?) / scale;
    // Cauchy's loss: odd rows, far beyond one scale, must not decide
    let robust = libm::log1p(off * off).sqrt();
    off.is_finite().then(|| robust.copysign(off))
}

fn apply(base: &ServingEngine, parameters: &[Fitted], values: &[f64]) -> ServingEngine {
    let mut engine = base.clone();
    for (parameter, value) in parameters.iter().zip(values) {
        engine.set(
            parameter.constant,
            SourcedValue {
                value: *value,
                provenance: Provenance::Calibrated,
                source: "this calibration".to_string(),
                before: Some(base.get(parameter.constant)),
                of: base.figure(parameter.constant).of.clone(),
            },
        );
    }
    engine
}
