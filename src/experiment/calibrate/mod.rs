//! Fitting an engine's constants to measurements of it.
//!
//! A small set of named constants, one for each engine and accelerator and none for a model or case: what a
//! running server makes of compute, memory bandwidth, all-reduce and kernel starts, and the host's times. They
//! start from the catalog's values before calibration and are held near them by priors, so that few or bad
//! measurements move them little. A third of the curves of each model is set aside by a hash of its name
//! before anything is fitted; the error on both parts is told.

mod fit;
pub mod measurements;

use serde::Serialize;

use super::measurement::{Measurement, Prediction};
use super::parallel::in_parallel;
use super::validate::errors::{ErrorGroup, Pair, group};
use crate::catalog::{self, Constant, NumberFormat, Provenance, ServingEngine, SourcedValue};
use crate::perf::KnownSteps;
use crate::scenario::Scenario;
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

/// Hash FNV-1a of a text, 64 bits.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |h, byte| {
        (h ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
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
    let base = catalog::engine(engine, gpu)
        .ok_or(format!("the catalog has no engine `{engine}`"))?
        .uncalibrated();
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
    Ok(Calibration {
        engine: engine.to_string(),
        gpu: gpu.to_string(),
        constants: parameters
            .iter()
            .zip(&values)
            .map(|(p, value)| (p.constant.info().key.to_string(), *value))
            .collect(),
        groups: vec![
            group("before", &part(&before, None)),
            group("fitted", &part(&after, Some(false))),
            group("held out", &part(&after, Some(true))),
        ],
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
