//! Published cases: what ran, what was measured, what the model says.

use serde::{Deserialize, Serialize};

use crate::catalog::{self, Constant, NumberFormat};

use crate::perf::KnownSteps;
use crate::perf::roofline::unit_shape::{Links, Reach, RooflineUnit, UnitShape};
use crate::scenario::{ExpertLoad, ExpertPopularity, Overlap, Precision, Role, Roofline, Sampling};

/// The exponent of expert popularity fitted to a measured imbalance (see [`ExpertPopularity::Zipf`]).
pub const ZIPF: f64 = 0.6352;
/// Drift of expert popularity, from the same measurement's standard deviations.
pub const DRIFT: f64 = 0.105;
/// Accelerators in a node of every case.
const GPUS: u32 = 8;

/// A published case: what ran, and what it measured.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// Name of the case.
    pub name: String,
    /// What ran.
    pub about: String,
    /// Catalog name of the accelerator.
    pub gpu: String,
    /// Catalog name of the engine.
    pub engine: String,
    nodes: u32,
    experts: u32,
    redundant: u32,
    #[serde(default)]
    even_router: bool,
    #[serde(default)]
    clustering: f64,
    tokens: Option<f64>,
    prompt_tokens: Option<f64>,
    requests: Option<f64>,
    kv_tokens: Option<f64>,
    #[serde(default)]
    drafts: u32,
    #[serde(default)]
    draft_module: bool,
    #[serde(default = "one")]
    tokens_per_step: f64,
    /// Measured tokens per second and node.
    pub measured: f64,
    /// Constants that were set by the case; empty: none.
    #[serde(default)]
    pub input_of: String,
    /// Where the case was published.
    pub source: String,
}

fn one() -> f64 {
    1.0
}

/// A recorded case beside the model.
#[derive(Clone, Debug, Serialize)]
pub struct CaseOutcome {
    /// Name of the case.
    pub name: String,
    /// What ran.
    pub about: String,
    /// What was measured: prefill or decode.
    pub group: Role,
    /// Tokens per second and node, as the model says.
    pub predicted: f64,
    /// Tokens per second and node, as measured.
    pub measured: f64,
    /// Predicted over measured.
    pub ratio: f64,
    /// Time of one step, in seconds.
    pub step_s: f64,
    /// Constants that were set by this case; empty: a prediction.
    pub input_of: String,
    /// Where the case was published.
    pub source: String,
}

/// How much the step times of cases depend on a constant: the part of their change over the part of the
/// constant's.
#[derive(Clone, Debug, Serialize)]
pub struct Sensitivity {
    /// Name of the constant.
    pub constant: &'static str,
    /// Sensitivity of each case, in the order of the cases.
    pub cases: Vec<f64>,
}

/// Part by which constants are moved, both ways.
const MOVED: f64 = 0.02;
/// Sensitivity below which in every case a constant is left out.
const NEGLIGIBLE: f64 = 0.005;

/// The sensitivity of every case to every constant.
///
/// # Errors
/// Where a case names what the catalog does not have.
pub fn sensitivities() -> Result<Vec<Sensitivity>, String> {
    let cases = cases()?;
    let known = KnownSteps::default();
    let mut all = Vec::new();
    for (constant, info) in catalog::CONSTANTS {
        let of = |case: &Case| -> Result<f64, String> {
            let step = |factor| {
                case.outcome_with(Some((*constant, factor)), &known)
                    .map(|o| o.step_s)
            };
            let (less, more) = (step(1.0 - MOVED)?, step(1.0 + MOVED)?);
            Ok(libm::log(more / less) / libm::log((1.0 + MOVED) / (1.0 - MOVED)))
        };
        let cases: Result<Vec<f64>, String> = cases.iter().map(of).collect();
        let cases = cases?;
        if cases.iter().any(|c| c.abs() >= NEGLIGIBLE) {
            all.push(Sensitivity {
                constant: info.key,
                cases,
            });
        }
    }
    Ok(all)
}

#[derive(Deserialize)]
struct CaseFile {
    case: Vec<Case>,
}

/// All cases, in the order of the file; an error says what is wrong with it.
///
/// # Errors
/// Never with the embedded file, which a test reads.
pub fn cases() -> Result<Vec<Case>, String> {
    let file: Result<CaseFile, _> = toml::from_str(include_str!("cases.toml"));
    file.map(|f| f.case).map_err(|e| e.to_string())
}

/// Plays every case with the model.
///
/// # Errors
/// Where a case names what the catalog does not have.
pub fn outcomes() -> Result<Vec<CaseOutcome>, String> {
    cases()?.iter().map(Case::outcome).collect()
}

impl Case {
    /// Plays the case with the model.
    ///
    /// # Errors
    /// Where it names what the catalog does not have.
    pub fn outcome(&self) -> Result<CaseOutcome, String> {
        self.outcome_with(None, &KnownSteps::default())
    }

    /// Plays the case with one constant of the engine multiplied by a factor.
    fn outcome_with(
        &self,
        changed: Option<(Constant, f64)>,
        known: &KnownSteps,
    ) -> Result<CaseOutcome, String> {
        let missing = |what: &str| format!("case {}: the catalog has no such {what}", self.name);
        let model = catalog::model("deepseek-v3").and_then(|m| m.architecture);
        let model = model.ok_or_else(|| missing("model"))?;
        let gpu = catalog::gpu(&self.gpu).ok_or_else(|| missing("accelerator"))?;
        let compute = gpu.compute.ok_or_else(|| missing("data sheet"))?;
        let mut roofline = self.roofline().ok_or_else(|| missing("engine"))?;
        if let Some((constant, factor)) = changed {
            let mut figure = roofline.engine.figure(constant).clone();
            figure.value *= factor;
            roofline.engine.set(constant, figure);
        }
        let shape = UnitShape {
            gpus: self.nodes * GPUS,
            ranks: self.nodes * GPUS,
            experts: self.experts,
            redundant: self.redundant,
            pipeline: 1,
        };
        let queries = f64::from(1 + self.drafts);
        let reach = Reach {
            decode_tokens: self.requests.unwrap_or(1.0) * queries,
            prefill_tokens: self.tokens.unwrap_or(1.0),
            prompt_tokens: self.prompt_tokens.unwrap_or(1.0),
            cached_tokens: 0.0,
        };
        let passes = if self.draft_module { self.drafts } else { 0 };
        let links = Links::of(gpu, &compute, GPUS);
        let unit = RooflineUnit {
            queries,
            draft_passes: f64::from(passes),
            ..RooflineUnit::new(&model, (&compute, links), &roofline, shape, reach)
        };
        unit.spread.decode.look_up(|key| known.imbalance(key));
        unit.spread.prefill.look_up(|key| known.imbalance(key));
        let (group, work, step_s) = match (self.tokens, self.requests) {
            (Some(tokens), _) => {
                let prompt = self.prompt_tokens.unwrap_or(1.0);
                let pairs = tokens * (prompt + 1.0) / 2.0;
                let prompts = (tokens / prompt).max(1.0);
                let step = unit.prefill_times(tokens, pairs, prompts).quicker();
                (Role::Prefill, tokens, step)
            }
            (None, requests) => {
                let requests = requests.unwrap_or(1.0);
                let kv = unit.kv_of(requests, self.kv_tokens.unwrap_or(0.0));
                let step = unit.decode_times(requests, kv).quicker();
                (Role::Decode, requests * self.tokens_per_step, step)
            }
        };
        let predicted = f64::from(GPUS) * work / step_s;
        Ok(CaseOutcome {
            name: self.name.clone(),
            about: self.about.clone(),
            group,
            predicted,
            measured: self.measured,
            ratio: predicted / self.measured,
            step_s,
            input_of: self.input_of.clone(),
            source: self.source.clone(),
        })
    }

    fn roofline(&self) -> Option<Roofline> {
        Some(Roofline {
            engine: catalog::engine(&self.engine, &self.gpu)?,
            precision: Precision {
                gemm: NumberFormat::Fp8,
                experts: NumberFormat::Fp8,
                kv: NumberFormat::Bf16,
            },
            experts: ExpertLoad {
                popularity: if self.even_router {
                    ExpertPopularity::Balanced
                } else {
                    ExpertPopularity::Zipf { exponent: ZIPF }
                },
                balanced: true,
                drift: DRIFT,
                clustering: self.clustering,
            },
            overlap: Overlap::Auto,
            sampling: Sampling::Plain,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_is_within_its_tolerance() {
        for case in cases().expect("cases.toml") {
            let outcome = case.outcome().expect("in the catalog");
            let is_secondary = case.source.contains("secondary pages");
            let most = if is_secondary { 0.2 } else { 0.1 };
            println!("{} {:.3}", outcome.name, outcome.ratio);
            assert!(
                (outcome.ratio - 1.0).abs() <= most,
                "case {}: {:.0}, measured {:.0}",
                case.name,
                outcome.predicted,
                case.measured
            );
        }
    }
}
