//! Engines: what a serving engine's kernels and host make of an accelerator, constant by constant, each
//! with where it comes from.

use std::sync::OnceLock;

use serde::Deserialize;

use super::constants::{CONSTANTS, Constant};
use super::kernel_fits::{self, Stated};
use super::release::{Release, Releases, name_and_release};
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
    /// Releases that the entry holds for; `None`: the engine has none.
    pub releases: Option<Releases>,
    /// The release that was asked for, as it was written; `None`: the newest.
    pub asked: Option<String>,
    /// What the engine is, in a sentence.
    pub about: String,
    /// How the engine makes its batches, where a pool does not say otherwise.
    pub rules: EngineRules,
    /// The accelerator on which its figures were measured.
    pub gpu: String,
    /// Models whose end-to-end measurements its constants were fitted to; empty: none.
    pub fitted: Vec<String>,
    figures: Vec<SourcedValue>,
}

/// How an engine makes batches by default: words of a mixed pool. `None`: not known.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EngineRules {
    /// Whether the engine prepares a step on the host while the one before runs.
    #[serde(default)]
    pub look_ahead: bool,
    /// What shares a step.
    pub batching: Option<String>,
    /// When a waiting request may join.
    pub admission: Option<String>,
    /// Where the rules were read.
    #[serde(default)]
    pub source: String,
}

impl ServingEngine {
    /// An engine of one's own on an accelerator, with all its constants in their order; `None`: there are not
    /// as many figures as constants.
    pub fn own(name: &str, gpu: &str, figures: Vec<SourcedValue>) -> Option<Self> {
        (figures.len() == CONSTANTS.len()).then(|| Self {
            name: name.to_string(),
            releases: None,
            asked: None,
            about: "the scenario's own".to_string(),
            rules: EngineRules::default(),
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
            let is_time = info.key.ends_with("_us") || info.key.ends_with("_ns");
            // the front end is in no step
            if is_time && info.key != Constant::FrontEnd.info().key {
                figure.value *= factor;
            }
        }
        self
    }

    /// The entry for an accelerator that it was not measured on: its constants stay those of its own.
    pub fn lent_to(&self, gpu: &str) -> Self {
        Self {
            gpu: gpu.to_string(),
            fitted: Vec::new(),
            ..self.clone()
        }
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

/// The engine of this name on this accelerator, or, where it was not measured there, on the one that lends constants to
/// it, or on the accelerator that comes first in the file; `None`: the catalog has no such engine. A name alone means
/// the newest release, one with a release (`vllm@0.10`) the entry that holds for it.
pub fn engine(text: &str, gpu: &str) -> Option<ServingEngine> {
    let (name, asked) = name_and_release(text);
    let release = match asked {
        Some(text) => Some(Release::read(text)?),
        None => None,
    };
    // entries of one engine and accelerator stand in the order of their releases, the newest first
    let holds = |e: &&ServingEngine| {
        e.name == name
            && release.as_ref().is_none_or(|release| {
                e.releases
                    .as_ref()
                    .is_some_and(|held| held.contain(release))
            })
    };
    let named = || engines().iter().filter(holds);
    let of = |gpu: &str| named().find(|e| e.gpu == gpu);
    let lender = super::gpu(gpu).and_then(|gpu| gpu.lender.as_deref());
    let found = of(gpu)
        .or_else(|| lender.and_then(of))
        .or_else(|| named().next())?;
    Some(ServingEngine {
        asked: asked.map(str::to_string),
        ..found.clone()
    })
}

/// The newest release of each engine on each accelerator, in the order of the file.
pub fn newest_engines() -> impl Iterator<Item = &'static ServingEngine> {
    engines()
        .iter()
        .filter(|e| releases(&e.name).first().copied() == e.releases.as_ref())
}

/// The ranges of releases that the catalog has of an engine, the newest first; empty: it has no such engine, or one
/// without releases.
pub fn releases(name: &str) -> Vec<&'static Releases> {
    let mut ranges: Vec<&Releases> = Vec::new();
    for range in engines()
        .iter()
        .filter(|e| e.name == name)
        .filter_map(|e| e.releases.as_ref())
    {
        if !ranges.contains(&range) {
            ranges.push(range);
        }
    }
    ranges
}

impl ServingEngine {
    /// The releases that the entry holds for, behind the one that was asked for: `0.15 (0.14 to 0.16)`; `None`: the
    /// engine has none.
    pub fn release(&self) -> Option<String> {
        let held = self.releases.as_ref()?;
        Some(match &self.asked {
            Some(asked) => format!("{asked} ({held})"),
            None => held.to_string(),
        })
    }

    /// The engine's name and releases: `vllm 0.14 to 0.16`.
    pub fn name_and_releases(&self) -> String {
        match self.release() {
            Some(release) => format!("{} {release}", self.name),
            None => self.name.clone(),
        }
    }

    /// Name of the entry in the file: what others call their `base`.
    fn entry_name(&self) -> String {
        let release = self.releases.as_ref().map(|held| format!("@{}", held.from));
        format!(
            "{}{} on {}",
            self.name,
            release.unwrap_or_default(),
            self.gpu
        )
    }
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
    /// First and last release, both included; `None`: the engine has none.
    releases: Option<[String; 2]>,
    about: String,
    base: Option<String>,
    /// Models that the constants were fitted to; `None`: those of the base, where that is the same engine on the
    /// same accelerator.
    fitted: Option<Vec<String>>,
    /// How the engine makes batches; `None`: as its base, where that is the same engine.
    rules: Option<EngineRules>,
    #[serde(default)]
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
    let mut stated = Stated::new();
    for row in file.engine {
        let name = format!("{} on {}", row.name, row.gpu);
        let base = match &row.base {
            None => None,
            Some(base) => Some(
                engines
                    .iter()
                    .find(|e| e.entry_name() == *base)
                    .ok_or(format!("{name}: there is no base {base} before it"))?,
            ),
        };
        let mut figures: Vec<Option<SourcedValue>> = match base {
            None => vec![None; CONSTANTS.len()],
            Some(found) => found.figures.iter().cloned().map(Some).collect(),
        };
        let releases = match &row.releases {
            None => None,
            Some([from, to]) => match (Release::read(from), Release::read(to)) {
                (Some(from), Some(to)) => Some(Releases { from, to }),
                _ => return Err(format!("{name}: {from} to {to} are no releases")),
            },
        };
        let same = base.filter(|b| b.name == row.name);
        let rules = row.rules.or_else(|| Some(same?.rules.clone()));
        let of_gpu = same.filter(|b| b.gpu == row.gpu);
        let fitted = row.fitted.or_else(|| Some(of_gpu?.fitted.clone()));
        for (key, value) in row.constants {
            let constant =
                Constant::named(&key).ok_or(format!("{name}: there is no constant {key}"))?;
            let cell: ConstantRow = value
                .try_into()
                .map_err(|error| format!("{name}, {key}: {error}"))?;
            let own = Origin {
                engine: row.name.clone(),
                gpu: row.gpu.clone(),
            };
            stated.insert((own, constant));
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
            releases,
            asked: None,
            rules: rules.unwrap_or_default(),
            gpu: row.gpu,
            about: row.about,
            fitted: fitted.unwrap_or_default(),
        });
    }
    kernel_fits::apply(&mut engines, &stated, include_str!("kernels.toml"))?;
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
    fn the_newest_release_comes_first_and_ranges_do_not_overlap() {
        for engine in engines() {
            let ranges = releases(&engine.name);
            for pair in ranges.windows(2) {
                assert!(!pair[0].contain(&pair[1].to), "{}", engine.name);
                assert!(pair[0].from > pair[1].from, "{}", engine.name);
            }
            let newest = super::engine(&engine.name, &engine.gpu).expect("the file names it");
            assert_eq!(
                newest.releases.as_ref(),
                ranges.first().copied(),
                "{}",
                engine.name
            );
        }
    }

    #[test]
    fn an_older_release_differs_in_what_it_says_and_in_nothing_else() {
        let of = |text: &str| super::engine(text, "h100").expect("the file names it");
        let (new, old) = (of("vllm"), of("vllm@0.10.2"));
        assert!(new.rules.look_ahead && !old.rules.look_ahead);
        assert_eq!(new.fitted, old.fitted);
        assert_eq!(
            new.get(Constant::GemmBf16Compute),
            old.get(Constant::GemmBf16Compute)
        );
        assert!(super::engine("vllm@0.1", "h100").is_none());
        assert!(super::engine("vllm@99", "h100").is_none());
        assert!(super::engine("deepseek-2025-02@1", "h800").is_none());
        assert_eq!(old.name_and_releases(), "vllm 0.10.2 (0.8 to 0.13)");
    }

    #[test]
    fn an_unknown_constant_is_refused() {
        let text = include_str!("engines.toml").replacen("gemm_factor", "gemm_fator", 1);
        assert!(read(&text).is_err_and(|why| why.contains("gemm_fator")));
    }
}
