//! Engines: what a serving engine's kernels and host make of an accelerator, constant by constant, each
//! with where it comes from.

use std::sync::OnceLock;

use serde::Deserialize;

use super::constants::{CONSTANTS, Constant};
use crate::words::words;

words! {
    /// How the value of a constant came to be known.
    pub enum Provenance {
        Measured = "measured": "Somebody measured it",
        Derived = "derived": "It follows from measurements by arithmetic or a fit of kernels",
        Calibrated = "calibrated": "It was fitted to end-to-end measurements",
        Assumed = "assumed": "Nobody measured it",
        Given = "given": "The scenario says it",
    }
}

/// A constant's value and where it comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct SourcedValue {
    /// The constant's value, in the unit of its name.
    pub value: f64,
    /// How the value came to be known.
    pub provenance: Provenance,
    /// Where the value was published, or how it was derived.
    pub source: String,
    /// Value of a calibrated constant before calibration; `None`: the constant is not calibrated.
    pub before: Option<f64>,
    /// The engine and the accelerator that the value was found for: those of the entry that states it, or
    /// other ones that the entry names.
    pub of: Origin,
}

/// Name of the engine whose constants a scenario states.
pub const GIVEN: &str = "the scenario";

/// The engine and the accelerator that a constant was found for.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin {
    /// Catalog name of the engine.
    pub engine: String,
    /// Catalog name of the accelerator.
    pub gpu: String,
}

/// A serving engine on an accelerator.
#[derive(Clone, Debug, PartialEq)]
pub struct ServingEngine {
    /// Catalog name of the engine.
    pub name: String,
    /// What the engine is, in a sentence.
    pub about: String,
    /// The accelerator on which its figures were measured.
    pub gpu: String,
    /// Models whose end-to-end measurements its constants were fitted to; empty: none.
    pub fitted: Vec<String>,
    figures: Vec<SourcedValue>,
}

impl ServingEngine {
    /// An engine of one's own on an accelerator, with all its constants in their order; `None`: there are not
    /// as many figures as constants.
    pub fn own(name: &str, gpu: &str, figures: Vec<SourcedValue>) -> Option<Self> {
        (figures.len() == CONSTANTS.len()).then(|| Self {
            name: name.to_string(),
            about: "the scenario's own".to_string(),
            gpu: gpu.to_string(),
            fitted: Vec::new(),
            figures,
        })
    }

    /// A constant's value, in the unit of its name.
    pub fn get(&self, constant: Constant) -> f64 {
        self.figures[constant as usize].value
    }

    /// A constant with its source.
    pub fn figure(&self, constant: Constant) -> &SourcedValue {
        &self.figures[constant as usize]
    }

    /// The engine as it was before calibration: what kernels and publications say.
    pub fn uncalibrated(&self) -> Self {
        let mut plain = self.clone();
        for figure in &mut plain.figures {
            if let Some(before) = figure.before {
                figure.value = before;
            }
        }
        plain
    }

    /// The engine with every constant that is a time multiplied by `factor`.
    pub fn slower(mut self, factor: f64) -> Self {
        for (figure, (_, info)) in self.figures.iter_mut().zip(CONSTANTS) {
            if info.key.ends_with("_us") {
                figure.value *= factor;
            }
        }
        self
    }

    /// Replaces the value of a constant.
    pub fn set(&mut self, constant: Constant, figure: SourcedValue) {
        self.figures[constant as usize] = figure;
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} on {}", self.engine, self.gpu)
    }
}

/// All engines, in the order of the file.
pub fn engines() -> &'static [ServingEngine] {
    static ENGINES: OnceLock<Vec<ServingEngine>> = OnceLock::new();
    ENGINES.get_or_init(|| read(include_str!("engines.toml")).unwrap_or_default())
}

/// The engine of this name on this accelerator, or, where it was not measured there, on the accelerator
/// that comes first in the file; `None`: the catalog has no engine of this name.
pub fn engine(name: &str, gpu: &str) -> Option<&'static ServingEngine> {
    let named = || engines().iter().filter(|e| e.name == name);
    named().find(|e| e.gpu == gpu).or_else(|| named().next())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EngineFile {
    engine: Vec<EngineRow>,
}

/// An engine as the file says it: constants that it does not name are those of its `base`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EngineRow {
    name: String,
    gpu: String,
    about: String,
    base: Option<String>,
    #[serde(default)]
    fitted: Vec<String>,
    constants: toml::Table,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ConstantRow {
    value: f64,
    is: String,
    source: String,
    /// Value of a calibrated constant before calibration; `None`: the constant is not calibrated.
    before: Option<f64>,
    /// `engine on gpu` that the value was found for; `None`: the entry's own.
    of: Option<String>,
}

/// Reads the file of engines; an error says what is wrong with it.
fn read(text: &str) -> Result<Vec<ServingEngine>, String> {
    let file: EngineFile = toml::from_str(text).map_err(|error| error.to_string())?;
    let mut engines: Vec<ServingEngine> = Vec::new();
    for row in file.engine {
        let name = format!("{} on {}", row.name, row.gpu);
        let mut figures: Vec<Option<SourcedValue>> = match &row.base {
            None => vec![None; CONSTANTS.len()],
            Some(base) => {
                let found = engines
                    .iter()
                    .find(|e| format!("{} on {}", e.name, e.gpu) == *base)
                    .ok_or(format!("{name}: there is no base {base} before it"))?;
                found.figures.iter().cloned().map(Some).collect()
            }
        };
        for (key, value) in row.constants {
            let constant =
                Constant::named(&key).ok_or(format!("{name}: there is no constant {key}"))?;
            let cell: ConstantRow = value
                .try_into()
                .map_err(|error| format!("{name}, {key}: {error}"))?;
            figures[constant as usize] = Some(SourcedValue {
                value: cell.value,
                provenance: Provenance::named(&cell.is)
                    .filter(|is| *is != Provenance::Given)
                    .ok_or(format!("{name}, {key}: {} says nothing", cell.is))?,
                source: cell.source,
                before: cell.before,
                of: origin(cell.of.as_deref().unwrap_or(&name)).ok_or(format!(
                    "{name}, {key}: `of` names no engine on an accelerator"
                ))?,
            });
        }
        let whole: Option<Vec<SourcedValue>> = figures.iter().cloned().collect();
        let missing = || {
            let at = figures.iter().position(Option::is_none);
            at.map_or("nothing", |i| CONSTANTS[i].1.key)
        };
        engines.push(ServingEngine {
            figures: whole.ok_or_else(|| format!("{name} lacks {}", missing()))?,
            name: row.name,
            gpu: row.gpu,
            about: row.about,
            fitted: row.fitted,
        });
    }
    Ok(engines)
}

/// Reads `engine on gpu`; `None`: the text has another form.
fn origin(text: &str) -> Option<Origin> {
    let (engine, gpu) = text.split_once(" on ")?;
    Some(Origin {
        engine: engine.to_string(),
        gpu: gpu.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_engine_is_complete_within_bounds_and_sourced() {
        let engines = read(include_str!("engines.toml")).expect("engines.toml");
        assert!(!engines.is_empty());
        for engine in &engines {
            for (constant, info) in CONSTANTS {
                let figure = engine.figure(*constant);
                let name = format!("{} on {}: {}", engine.name, engine.gpu, info.key);
                assert!((info.low..=info.high).contains(&figure.value), "{name}");
                assert!(!figure.source.is_empty(), "{name} has no source");
            }
        }
    }

    #[test]
    fn an_unknown_constant_is_refused() {
        let text = include_str!("engines.toml").replacen("gemm_factor", "gemm_fator", 1);
        assert!(read(&text).is_err_and(|why| why.contains("gemm_fator")));
    }
}
