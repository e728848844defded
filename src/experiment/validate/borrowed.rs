//! How wrong step times are where constants were not fitted to the engine, the accelerator and the model at hand:
//! measured by playing recorded rows with constants that are not their own.
//!
//! The error is of what a step really takes against what the model says: 90 % of the rows have
//! `|measured / predicted - 1|` below it, by mean time per output token. `catalog/step_errors.toml` states it by
//! class.

use serde::Serialize;

use super::errors::quantile;
use crate::catalog::{self, ServingEngine, StepErrorClass};
use crate::experiment::measurement::Measurement;
use crate::experiment::parallel::in_parallel;
use crate::perf::KnownSteps;

/// The error of one class of constants.
#[derive(Clone, Debug, Serialize)]
pub struct ClassError {
    /// The class, as the catalog names it.
    pub class: &'static str,
    /// What was played.
    pub about: &'static str,
    /// Whether the models have experts.
    pub experts: bool,
    /// Number of rows that were played.
    pub count: usize,
    /// Median of `|measured / predicted - 1|`.
    pub median: f64,
    /// 90th percentile of `|measured
    /// predicted - 1|`.
    pub p90: f64,
    /// 5th percentile of measured over predicted.
    pub ratio_p5: f64,
    /// 95th percentile of measured over predicted.
    pub ratio_p95: f64,
    /// Error that the catalog states for the class; `None`: it states none.
    pub stated: Option<f64>,
}

/// A row with an engine to play it with; `None`: the catalog's own for it.
type Play<'a> = (&'a Measurement, Option<&'a ServingEngine>);

/// Plays rows that constants were fitted to, and rows that nothing was fitted to. Rows whose conditions cannot be
/// what they say, and those that no engine could start, are left out.
pub fn errors(fitted: &[Measurement], others: &[Measurement]) -> Vec<ClassError> {
    let usable = |m: &&Measurement| m.unusable.is_empty() && m.separate.is_none();
    let apart = others.iter().filter(|m| m.unusable.is_empty());
    let apart = apart
        .filter(|m| m.separate.is_some())
        .map(|m| (m, None))
        .collect();
    let fitted: Vec<&Measurement> = fitted.iter().filter(usable).collect();
    let others: Vec<&Measurement> = others.iter().filter(usable).collect();
    let is_fitted = |m: &Measurement| own(m).is_some_and(|e| e.fitted.contains(&m.model));
    let is_own = |m: &Measurement, e: &ServingEngine| e.name == m.engine && e.gpu == m.gpu;
    let sets = [
        (
            StepErrorClass::Fitted,
            "curves of fitted models that the fit has not seen",
            plays(&others, &|m, e| is_own(m, e) && is_fitted(m) && m.held_out),
        ),
        (
            StepErrorClass::OtherModel,
            "models that were not fitted",
            plays(&others, &|m, e| is_own(m, e) && !is_fitted(m)),
        ),
        (
            StepErrorClass::OtherEngine,
            "with the constants of other engines",
            plays(&fitted, &|m, e| e.gpu == m.gpu && e.name != m.engine),
        ),
        (
            StepErrorClass::OtherGpu,
            "H200 with H100's constants, and the reverse",
            plays(&fitted, &|m, e| {
                let hopper = |gpu: &str| ["h100", "h200"].contains(&gpu);
                e.gpu != m.gpu && hopper(&e.gpu) && e.name == m.engine
            }),
        ),
        (
            StepErrorClass::OtherGpu,
            "Blackwell with H100's constants",
            plays(&others, &|m, e| {
                let blackwell = ["b200", "b300", "gb200", "gb300"].contains(&m.gpu.as_str());
                blackwell && e.gpu == "h100" && e.name == m.engine
            }),
        ),
        (
            StepErrorClass::Kernels,
            "B300, GB200 and GB300 with kernels of their own and B200's host",
            lent(&others),
        ),
        (
            StepErrorClass::Separate,
            "prefill and decode apart, where it is told how many servers each had",
            apart,
        ),
    ];
    let each = sets.iter().flat_map(|(class, about, plays)| {
        [false, true].map(|experts| error(*class, about, experts, plays))
    });
    each.filter(|row| row.count > 0).collect()
}

/// Rows with the entry of their own accelerator, of which only the kernels were measured there.
fn lent<'a>(rows: &[&'a Measurement]) -> Vec<Play<'a>> {
    let of_row = |m: &&'a Measurement| Some((*m, Some(own(m).filter(|e| e.fitted.is_empty())?)));
    rows.iter().filter_map(of_row).collect()
}

/// Rows with each engine of the catalog that was fitted to anything and is wanted for them.
fn plays<'a>(
    rows: &[&'a Measurement],
    which: &dyn Fn(&Measurement, &ServingEngine) -> bool,
) -> Vec<Play<'a>> {
    let engines = || catalog::newest_engines().filter(|e| !e.fitted.is_empty());
    let of_row = |m: &&'a Measurement| {
        let m = *m;
        engines()
            .filter(move |e| which(m, e))
            .map(move |e| (m, Some(e)))
    };
    rows.iter().flat_map(of_row).collect()
}

/// The catalog's engine of a row on its own accelerator; `None`: there is none.
fn own(m: &Measurement) -> Option<&'static ServingEngine> {
    let mut engines = catalog::engines().iter();
    engines.find(|e| e.name == m.engine && e.gpu == m.gpu)
}

fn error(
    class: StepErrorClass,
    about: &'static str,
    experts: bool,
    plays: &[Play<'_>],
) -> ClassError {
    let of_kind = |(m, _): &&Play<'_>| {
        let model = catalog::model(&m.model).and_then(|m| m.architecture);
        model.is_some_and(|a| a.experts.is_some() == experts)
    };
    let plays: Vec<Play<'_>> = plays.iter().filter(of_kind).copied().collect();
    let known = KnownSteps::default();
    let one = |(m, engine): &Play<'_>| {
        let predicted = m.predict(*engine, &known).ok()?;
        Some(m.tpot_s? / predicted.tpot_s)
    };
    let ratios = in_parallel(&plays, one).into_iter().flatten();
    let mut ratios: Vec<f64> = ratios.filter(|r| r.is_finite()).collect();
    let mut off: Vec<f64> = ratios.iter().map(|r| (r - 1.0).abs()).collect();
    ClassError {
        class: class.word(),
        about,
        experts,
        count: ratios.len(),
        median: quantile(&mut off, 0.5),
        p90: quantile(&mut off, 0.9),
        ratio_p5: quantile(&mut ratios, 0.05),
        ratio_p95: quantile(&mut ratios, 0.95),
        stated: class.error().map(|row| row.error(experts)),
    }
}
