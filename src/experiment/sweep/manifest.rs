//! What a sweep is: every run with its values and its key, in an order of its own, worked out before the
//! first one begins. The same question gives the same manifest on every machine; it stands in the folder as
//! `sweep.json`, and whoever works there must have the same.
//!
//! A run's key is the hash of its resolved scenario, seed included.

use serde::{Deserialize, Serialize};

use super::design::{self, DesignRefusal};
use super::stopped::SweepStopped;
use crate::experiment::parallel::in_parallel_on;
use crate::experiment::replicate;
use crate::experiment::vary::{AXIS, VaryAxis, VaryError, each_key_once, parse};
use crate::perf::KnownSteps;
use crate::scenario::{AxisPiece, KeyChange, MAX_RUNS, Mistakes, Prepared, Scenario, prepare};

/// Version of the shapes of the files of a sweep.
pub const SCHEMA_VERSION: u32 = 1;

/// The question of a sweep.
#[derive(Clone, Debug, Default)]
pub struct SweepQuestion {
    /// Path of the scenario's file, or name of a bundled one.
    pub scenario: String,
    /// Overrides that hold for all runs.
    pub set: Vec<String>,
    /// Axes; they replace those of the scenario that have a key in common with them.
    pub vary: Vec<String>,
    /// Points to spread over the axes; `None`: what the scenario says, or the whole grid.
    pub sample: Option<u64>,
    /// Runs of each point; `None`: what the scenario says, or one.
    pub replications: Option<u64>,
}

/// The manifest of a sweep: all its runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of this shape: [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// Version of the program that made the manifest.
    pub version: String,
    /// Name of the scenario.
    pub scenario: String,
    /// Hash of the scenario without its axes.
    pub hash: String,
    /// Keys that vary.
    pub keys: Vec<String>,
    /// Runs of each point in which something is drawn at random; of others there is one.
    pub replications: u64,
    /// Remarks on what is borrowed in some points (constants of step times, prices), and on what of recordings they
    /// leave out. Told, and no part of the plan.
    #[serde(skip)]
    pub cautions: Vec<String>,
    /// Runs in order of their number.
    pub runs: Vec<PlannedRun>,
}

/// A run of the manifest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlannedRun {
    /// Number of the run, from 1.
    pub run: u64,
    /// Number of the run's point, from 1.
    pub point: u64,
    /// Number of the replication, from 0.
    pub replication: u64,
    /// Values of the manifest's keys, as TOML.
    pub values: Vec<String>,
    /// Seed of the run; `None`: its scenario is infeasible.
    pub seed: Option<u64>,
    /// Hash of the run's resolved scenario; `None`: it is infeasible.
    pub key: Option<String>,
    /// Why the scenario is infeasible; `None`: it is not.
    pub infeasible: Option<String>,
}

/// The scenario of a sweep, read once, and what its runs share.
#[derive(Debug)]
pub struct SweepBase {
    prepared: Prepared,
    /// Step times that were compiled for runs so far.
    pub known: KnownSteps,
}

impl SweepBase {
    /// Reads the scenario of a question.
    ///
    /// # Errors
    /// The mistakes in it.
    pub fn read(question: &SweepQuestion) -> Result<Self, SweepStopped> {
        let prepared = prepare(&question.scenario, &question.set);
        Ok(Self {
            prepared: prepared.map_err(|mistakes| SweepStopped::Scenario(mistakes.to_string()))?,
            known: KnownSteps::default(),
        })
    }

    /// The scenario of a run.
    ///
    /// # Errors
    /// The mistakes in it.
    pub fn scenario_of(&self, keys: &[String], run: &PlannedRun) -> Result<Scenario, Mistakes> {
        let changes = keys.iter().zip(&run.values);
        let change = |(key, value)| KeyChange::written("argument --vary", format!("{key}={value}"));
        let changes: Vec<KeyChange> = changes.map(change).collect();
        let scenario = self.prepared.with(&changes)?;
        if run.replication == 0 {
            return Ok(scenario);
        }
        let seed = replicate::seed(scenario.seed, run.replication);
        Ok(scenario.with_seed(seed))
    }
}

/// Works out all runs, on so many threads.
///
/// # Errors
/// Mistakes in the axes or in all variants of the scenario, ready to be shown after `error: ` or, of the scenario
/// itself, alone.
pub fn manifest(
    question: &SweepQuestion,
    of: &SweepBase,
    threads: usize,
) -> Result<Manifest, SweepStopped> {
    let base = of.prepared.scenario();
    let axes = axes_of(question, base)?;
    let replications = question
        .replications
        .or(base.sweep.replications)
        .unwrap_or(1);
    let points = match question.sample.or(base.sweep.sample) {
        Some(n) if n > MAX_RUNS => Err(DesignRefusal::TooMany(too_many(n, replications))),
        Some(n) => Ok(design::sample(&axes, n, base.seed)),
        None => design::grid(&axes, MAX_RUNS),
    };
    let points = points.map_err(|refusal| match refusal {
        DesignRefusal::Axis(error) => refused(&error),
        DesignRefusal::TooMany(why) => SweepStopped::Axes(why),
    })?;
    if replications == 0 || points.len() as u64 * replications > MAX_RUNS {
        return Err(SweepStopped::Axes(too_many(
            points.len() as u64,
            replications,
        )));
    }
    let text = |piece: &AxisPiece| piece.text.clone();
    let keys: Vec<String> = axes
        .iter()
        .flat_map(|axis| axis.keys.iter().map(text))
        .collect();
    let resolved = in_parallel_on(threads, &points, |point| {
        let mut changes = Vec::new();
        let mut rest = point.as_slice();
        for axis in &axes {
            let (row, others) = rest.split_at(axis.keys.len().min(rest.len()));
            changes.extend(axis.changes(row));
            rest = others;
        }
        of.seeds_and_keys(&changes, replications)
    });
    if resolved.iter().all(Result::is_err)
        && let Some(Err(mistakes)) = resolved.first()
    {
        return Err(SweepStopped::Scenario(mistakes.to_string()));
    }
    let mut cautions: Vec<String> = Vec::new();
    for caution in resolved.iter().flatten().flat_map(|point| &point.cautions) {
        if !cautions.contains(caution) {
            cautions.push(caution.clone());
        }
    }
    let mut runs = Vec::new();
    for (i, (values, found)) in points.iter().zip(&resolved).enumerate() {
        let of_point = found
            .as_ref()
            .map_or(replications, |point| point.runs.len() as u64);
        for replication in 0..of_point {
            let found = found.as_ref().ok();
            let (seed, key) = found
                .map(|point| point.runs[replication as usize].clone())
                .unzip();
            runs.push(PlannedRun {
                run: runs.len() as u64 + 1,
                point: i as u64 + 1,
                replication,
                values: values.iter().map(text).collect(),
                seed,
                key,
                infeasible: resolved[i].as_ref().err().map(Mistakes::brief),
            });
        }
    }
    Ok(Manifest {
        schema_version: SCHEMA_VERSION,
        version: env!("CARGO_PKG_VERSION").to_string(),
        scenario: base.name.clone(),
        hash: base.hash().to_owned(),
        keys,
        replications,
        cautions,
        runs,
    })
}

/// A point whose scenario can be simulated.
struct ManifestPoint {
    /// Seed and hash of each replication.
    runs: Vec<(u64, String)>,
    /// Remarks on what is borrowed in the point, and on what of recordings it leaves out.
    cautions: Vec<String>,
}

impl SweepBase {
    /// Seed and hash of each replication of a point.
    fn seeds_and_keys(
        &self,
        changes: &[KeyChange],
        replications: u64,
    ) -> Result<ManifestPoint, Mistakes> {
        let first = self.prepared.with(changes)?;
        let seed = first.seed;
        let with = |i| first.clone().with_seed(replicate::seed(seed, i));
        let replications = if first.is_drawn() { replications } else { 1 };
        let all = (0..replications).map(|i| if i == 0 { first.clone() } else { with(i) });
        Ok(ManifestPoint {
            runs: all.map(|s| (s.seed, s.hash().to_owned())).collect(),
            cautions: first
                .loans()
                .into_iter()
                .chain(first.of_recordings())
                .collect(),
        })
    }
}

fn axes_of(question: &SweepQuestion, base: &Scenario) -> Result<Vec<VaryAxis>, SweepStopped> {
    let read = |texts: &[String], source: &str| {
        let each = texts.iter().map(|text| parse(source, text));
        let all: Result<Vec<VaryAxis>, VaryError> = each.collect();
        all.map_err(|error| refused(&error))
    };
    let given = read(&question.vary, "argument --vary")?;
    let mut all = read(&base.sweep.vary, "sweep.vary of the scenario")?;
    all.retain(|axis| !given.iter().any(|given| given.meets(axis)));
    all.extend(given);
    each_key_once(&all).map_err(|error| refused(&error))?;
    if all.is_empty() {
        return Err(SweepStopped::Axes(
            "nothing varies: give --vary key=1,2,3, or the scenario a [sweep] table with `vary`"
                .to_string(),
        ));
    }
    Ok(all)
}

fn refused(error: &VaryError) -> SweepStopped {
    SweepStopped::Axes(error.show(&AXIS))
}

fn too_many(points: u64, replications: u64) -> String {
    format!("{points} points of {replications} runs: a sweep has from 1 to {MAX_RUNS} runs")
}

impl Manifest {
    /// What no manifest of this version says, in words; `None`: all of it can be.
    pub fn impossible(&self) -> Option<&'static str> {
        let many = self.runs.len() as u64;
        if self.replications == 0 || many == 0 || many > MAX_RUNS {
            return Some("so many runs cannot be");
        }
        let mut before: Option<&PlannedRun> = None;
        for (run, i) in self.runs.iter().zip(1..) {
            let goes_on = before.is_some_and(|before| {
                (run.point, run.replication) == (before.point, before.replication + 1)
                    && run.values == before.values
            });
            let begins = (run.point, run.replication) == (before.map_or(1, |b| b.point + 1), 0);
            let is_feasible = run.infeasible.is_none();
            let is_right = run.run == i
                && (goes_on || begins)
                && run.replication < self.replications
                && run.values.len() == self.keys.len()
                && (run.key.is_some(), run.seed.is_some()) == (is_feasible, is_feasible);
            if !is_right {
                return Some("its runs are not in order, or lack a value");
            }
            before = Some(run);
        }
        None
    }

    /// Points that are played once though more runs of each were asked for: nothing in them is drawn at random.
    pub fn undrawn(&self) -> u64 {
        let points = self.runs.chunk_by(|a, b| a.point == b.point);
        let is_one = |runs: &&[PlannedRun]| {
            runs.len() == 1 && runs[0].infeasible.is_none() && self.replications > 1
        };
        points.filter(is_one).count() as u64
    }

    /// The manifest as JSON, ended by a line break.
    pub fn text(&self) -> String {
        let text = serde_json::to_string_pretty(self);
        text.expect("a manifest has only text as keys") + "\n"
    }
    /// Number of points of the sweep.
    pub fn points(&self) -> u64 {
        self.runs.last().map_or(0, |run| run.point)
    }
}

/// A TOML value as people read it: a text without its quotes.
pub fn unquoted(toml: &str) -> &str {
    let inner = |quote| toml.strip_prefix(quote)?.strip_suffix(quote);
    inner('"').or_else(|| inner('\'')).unwrap_or(toml)
}
