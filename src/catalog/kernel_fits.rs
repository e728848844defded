//! Constants of kernels on accelerators, fitted to measured kernel latencies: data in `kernels.toml`.
//!
//! A fit is of one engine's kernels on one accelerator, family by family, with how well the form fits: the root mean
//! square of the logarithm of predicted over measured, on what was fitted and on the third of the curves that was
//! held out by a hash of what makes a curve (all dimensions but the number of tokens). It completes the engine's own
//! entries, which state none of its constants. Where nobody published tables of kernels, what others measured of the
//! accelerator stands in their place. On an accelerator for which an engine has no entry, one is made of the entry of
//! the accelerator that lends the rest.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::constants::Constant;
use super::engine::{Origin, Provenance, ServingEngine, SourcedValue};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FitFile {
    source: String,
    fit: Vec<FitRow>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FitRow {
    engine: String,
    gpu: String,
    /// Release of the engine whose kernels were measured.
    release: String,
    /// Accelerator whose entry lends what kernels do not say.
    lender: String,
    #[serde(default)]
    family: Vec<FamilyRow>,
    /// Constants that follow from what others published of the accelerator.
    #[serde(default)]
    published: Vec<MicrobenchmarkRow>,
    /// What running servers make of the kernels; `None`: the lender's.
    server: Option<ServerRow>,
}

/// Constants fitted to end-to-end measurements.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ServerRow {
    /// Catalog names of the models that were measured.
    fitted: Vec<String>,
    /// What was fitted, and how well it fits.
    source: String,
    constants: toml::Table,
    /// The constants' values before.
    before: toml::Table,
}

/// Constants that follow from published measurements of the accelerator by the source's arithmetic.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MicrobenchmarkRow {
    source: String,
    constants: toml::Table,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FamilyRow {
    /// Kernels of the family, in words.
    of: String,
    /// Number of measured points.
    points: u32,
    /// Root mean square of the logarithm of predicted over measured, on what was fitted.
    rms: f64,
    /// Root mean square on what was held out.
    held_out: f64,
    constants: toml::Table,
}

/// Constants that the file of engines states, each of an engine on an accelerator.
pub type Stated = BTreeSet<(Origin, Constant)>;

/// Puts the fits into the engines' entries, and adds entries for accelerators that have none.
///
/// # Errors
/// Where the file names what there is not, or what `stated` has already.
pub fn apply(engines: &mut Vec<ServingEngine>, stated: &Stated, text: &str) -> Result<(), String> {
    let file: FitFile = toml::from_str(text).map_err(|error| error.to_string())?;
    for row in &file.fit {
        let own = Origin {
            engine: row.engine.clone(),
            gpu: row.gpu.clone(),
        };
        let is_of = |e: &ServingEngine, gpu: &str| e.name == row.engine && e.gpu == gpu;
        if !engines.iter().any(|e| is_of(e, &row.gpu)) {
            let lent: Vec<ServingEngine> = engines
                .iter()
                .filter(|e| is_of(e, &row.lender))
                .map(|e| e.lent_to(&row.gpu))
                .collect();
            if lent.is_empty() {
                return Err(format!("{own}: {} has nothing to lend", row.lender));
            }
            engines.extend(lent);
        }
        for family in &row.family {
            let source = format!(
                "{}: {}, {} {}; {} points, {:.0} % rms of the logarithm, {:.0} % on curves held out",
                file.source,
                family.of,
                row.engine,
                row.release,
                family.points,
                100.0 * family.rms,
                100.0 * family.held_out
            );
            for (key, value) in &family.constants {
                let (constant, value) = figure((&own, stated), key, value)?;
                let fitted = SourcedValue {
                    value,
                    provenance: Provenance::Derived,
                    source: source.clone(),
                    before: None,
                    of: own.clone(),
                };
                set(engines, &own, constant, &fitted);
            }
        }
        for published in &row.published {
            for (key, value) in &published.constants {
                let (constant, value) = figure((&own, stated), key, value)?;
                let known = SourcedValue {
                    value,
                    provenance: Provenance::Derived,
                    source: published.source.clone(),
                    before: None,
                    of: own.clone(),
                };
                set(engines, &own, constant, &known);
            }
        }
        if let Some(server) = &row.server {
            for (key, value) in &server.constants {
                let (constant, value) = figure((&own, stated), key, value)?;
                let before = server.before.get(key).and_then(toml::Value::as_float);
                let fitted = SourcedValue {
                    value,
                    provenance: Provenance::Calibrated,
                    source: server.source.clone(),
                    before: Some(before.ok_or(format!("{own}, {key}: no value before"))?),
                    of: own.clone(),
                };
                set(engines, &own, constant, &fitted);
            }
            for engine in engines.iter_mut().filter(|e| is_of(e, &row.gpu)) {
                engine.fitted.clone_from(&server.fitted);
            }
        }
    }
    Ok(())
}

/// The constant of this name, and its value.
fn figure(
    (own, stated): (&Origin, &Stated),
    key: &str,
    value: &toml::Value,
) -> Result<(Constant, f64), String> {
    let constant = Constant::named(key).ok_or(format!("{own}: there is no constant {key}"))?;
    if stated.contains(&(own.clone(), constant)) {
        return Err(format!("{own}: {key} is stated twice"));
    }
    let value = value.as_float();
    Ok((
        constant,
        value.ok_or(format!("{own}, {key}: not a number"))?,
    ))
}

/// Sets a constant in all entries of an engine on an accelerator.
fn set(engines: &mut [ServingEngine], own: &Origin, constant: Constant, figure: &SourcedValue) {
    let mine = |e: &&mut ServingEngine| e.name == own.engine && e.gpu == own.gpu;
    for engine in engines.iter_mut().filter(mine) {
        engine.set(constant, figure.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fit_that_names_nothing_is_refused() {
        let fit = |engine: &str, key: &str| {
            format!(
                "source = 's'\n[[fit]]\nengine = '{engine}'\ngpu = 'b200'\nrelease = '1'\nlender = 'h100'\n\
                 [[fit.family]]\nof = 'x'\npoints = 1\nrms = 0.1\nheld_out = 0.1\nconstants = {{ {key} = 1.0 }}\n"
            )
        };
        let stated = Stated::from([(
            Origin {
                engine: "vllm".into(),
                gpu: "b200".into(),
            },
            Constant::GraphTokens,
        )]);
        let read = |text: &str| apply(&mut super::super::engine::engines().to_vec(), &stated, text);
        assert_eq!(read(&fit("vllm", "gemm_bf16_compute")), Ok(()));
        assert!(read(&fit("vllm", "graph_tokens")).is_err_and(|why| why.contains("twice")));
        assert!(read(&fit("none", "gemm_bf16_compute")).is_err_and(|why| why.contains("lend")));
        assert!(read(&fit("vllm", "gemm")).is_err_and(|why| why.contains("no constant gemm")));
    }
}
