//! A step of a scenario's pool, taken apart without a run: its parts with what they rest on, the memory, and
//! the capacity curve, tokens/s per accelerator against tokens/s per user.

mod accelerator_memory;
pub mod explain_tables;
mod prompts;

pub use accelerator_memory::MemoryRow;

use serde::Serialize;

use super::plan::average_load::Loads;
use crate::catalog::Provenance;
use crate::perf::roofline::step_parts::Explained;
use crate::perf::roofline::unit_shape::{RooflineUnit, prompt_tokens};
use crate::perf::with_capacities;
use crate::report::basis::{basis, sureness};
use crate::report::format::{count, fixed, percent, seconds};
use crate::report::grid::{Grid, GridCell, GridColumn};
use crate::report::page::{Body, Page, Section};
use crate::report::style::Tone;
use crate::report::summary::Basis;
use crate::scenario::{Performance, Pool, Role, Scenario};
use prompts::Prompts;

/// The question of `explain`; fields of the other phase are `None`.
#[derive(Clone, Copy, Debug, Default)]
pub struct ExplainQuestion {
    /// Decode: requests on each rank.
    pub batch: Option<f64>,
    /// Decode: KV tokens of each request; `None`: the scenario's own mean.
    pub kv: Option<f64>,
    /// Prefill: tokens computed on each rank.
    pub tokens: Option<f64>,
    /// Prefill: tokens of each prompt, without context; `None`: the scenario's own mix.
    pub prompt: Option<f64>,
}

/// A part of the step's time.
#[derive(Clone, Debug, Serialize)]
pub struct PartRow {
    /// Name of the part.
    pub name: &'static str,
    /// Time of the part, in seconds.
    pub seconds: f64,
    /// Time of the part over that of the step.
    pub share: f64,
    /// Provenance of the constants behind the part, the best first.
    pub provenance: Vec<&'static str>,
}

/// A point of the capacity curve.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct CapacityPoint {
    /// Requests, or prompt tokens, on each rank.
    pub batch: f64,
    /// Time of one step, in seconds.
    pub step_s: f64,
    /// Tokens per second of each user; of a prefill step, of one rank.
    pub tokens_per_s_per_user: f64,
    /// Tokens per second and accelerator.
    pub tokens_per_s_per_gpu: f64,
}

/// The load of a step: a decode step has the first two fields, a prefill step the others.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct StepLoad {
    /// Requests on each rank.
    pub batch: Option<f64>,
    /// KV tokens of each request.
    pub kv_tokens: Option<f64>,
    /// Tokens computed on each rank.
    pub tokens: Option<f64>,
    /// Computed tokens of a prompt, mean.
    pub prompt_tokens: Option<f64>,
    /// Pairs of query and key that a computed token takes part in, mean.
    pub pairs_per_token: Option<f64>,
}

/// The answer of `explain`.
#[derive(Clone, Debug, Serialize)]
pub struct ExplainAnswer {
    /// Name of the pool.
    pub pool: String,
    /// Load of the step, in words.
    pub load: String,
    /// Load of the step, as numbers for programs.
    pub at: StepLoad,
    /// The engine and the accelerator on which its constants were measured.
    pub engine: String,
    /// What the step times rest on, and how wrong they may be.
    pub step_times: Basis,
    /// Time of the whole step, in seconds.
    pub step_s: f64,
    /// Whether two micro-batches overlap; false: one batch runs alone.
    pub overlapped: bool,
    /// Time of the step in the other mode, in seconds; `None`: there is none.
    pub other_mode_s: Option<f64>,
    /// Time of the step that depends on a rank's own load, in seconds.
    pub own_s: f64,
    /// Time of the step that depends on the tokens of all ranks of the unit, in seconds.
    pub shared_s: f64,
    /// How the ranks meet, in words.
    pub ranks: String,
    /// Prefill of the scenario's own mix: time of the same tokens in prompts of the mean computed length without
    /// context, in seconds; `None`: another step.
    pub without_context_s: Option<f64>,
    /// Time of communication that hides behind computation, in seconds.
    pub hidden_communication_s: f64,
    /// Time of the host that hides behind the accelerators, in seconds.
    pub hidden_host_s: f64,
    /// Time of every request outside of steps, in TTFT and E2E, in seconds.
    pub front_end_s: f64,
    /// The busiest rank's expert tokens over the mean.
    pub expert_imbalance: f64,
    /// Parts of the step's time.
    pub parts: Vec<PartRow>,
    /// Memory of one accelerator.
    pub memory: MemoryRow,
    /// Curve of capacity by batch.
    pub curve: Vec<CapacityPoint>,
}

/// Batches of the capacity curve.
const BATCHES: [f64; 11] = [
    1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 96.0, 128.0, 192.0, 256.0,
];

/// Takes a step of a pool apart; which pool need not be said where there is one.
///
/// # Errors
/// Where there is no such pool, or its step times are no model of hardware.
pub fn explain(
    scenario: &Scenario,
    pool: Option<&str>,
    question: ExplainQuestion,
) -> Result<ExplainAnswer, String> {
    let Performance::Roofline(roofline) = &scenario.performance else {
        return Err(
            "step times of this scenario are coefficients, which explain themselves; `explain` takes \
             kind = \"roofline\" apart"
                .to_string(),
        );
    };
    let scenario = &with_capacities(scenario)?;
    let pool = chosen(scenario, pool)?;
    let unit =
        RooflineUnit::of(scenario, pool, roofline).ok_or("nothing is known of the hardware")?;
    let asks_prefill = pool.role == Role::Prefill
        || pool.role == Role::Mixed && (question.tokens.is_some() || question.prompt.is_some());
    let Told {
        explained,
        load,
        at,
        curve,
        without_context_s,
    } = if asks_prefill {
        prefill(&unit, scenario, pool, question)
    } else {
        decode(&unit, scenario, pool, question)
    };
    let engine = &roofline.engine;
    let parts = explained.parts.iter().map(|p| {
        let mut kinds: Vec<Provenance> = p
            .constants
            .iter()
            .map(|c| engine.figure(*c).provenance)
            .collect();
        kinds.sort_unstable();
        kinds.dedup();
        PartRow {
            name: p.name,
            seconds: p.seconds,
            share: p.seconds / explained.step_s,
            provenance: kinds.into_iter().map(Provenance::word).collect(),
        }
    });
    Ok(ExplainAnswer {
        pool: pool.name.clone(),
        load,
        at,
        engine: format!("{} on {}", engine.name_and_releases(), engine.gpu),
        step_times: basis(scenario),
        step_s: explained.step_s,
        overlapped: explained.overlapped,
        other_mode_s: explained.other_s,
        own_s: explained.own_s,
        shared_s: explained.shared_s,
        ranks: ranks(&unit, pool),
        without_context_s,
        hidden_communication_s: explained.hidden_s,
        hidden_host_s: explained.hidden_host_s,
        front_end_s: scenario.front_end.as_secs_f64(),
        expert_imbalance: explained.imbalance,
        parts: parts.collect(),
        memory: MemoryRow::of(&unit, scenario, pool),
        curve,
    })
}

/// The pool of that name, or the only one.
fn chosen<'a>(scenario: &'a Scenario, pool: Option<&str>) -> Result<&'a Pool, String> {
    let pools = &scenario.pools;
    let names: Vec<&str> = pools.iter().map(|p| p.name.as_str()).collect();
    match (pool, pools.as_slice()) {
        (None, [one]) => Ok(one),
        (None, _) => Err(format!(
            "the scenario has pools {}: say which with --pool",
            names.join(", ")
        )),
        (Some(pool), _) => pools.iter().find(|p| p.name == pool).ok_or_else(|| {
            format!(
                "there is no pool `{pool}`; the scenario has {}",
                names.join(", ")
            )
        }),
    }
}

/// How the ranks of a unit meet, in words.
fn ranks(unit: &RooflineUnit<'_>, pool: &Pool) -> String {
    let all = count(u64::from(pool.ranks));
    if unit.spread.exchange {
        format!(
            "the {all} ranks of a unit meet at every dispatch and combine: the own part hangs on a rank's own \
             load, the shared part (routed experts and exchange that does not hide) on the tokens of all ranks; \
             the longest own part and the shared part make the step"
        )
    } else if unit.spread.gathers {
        format!(
            "the tokens of the {all} ranks of a unit are gathered before the experts, of which every accelerator \
             has a part: the own part hangs on a rank's own load, the shared part on the tokens of all ranks"
        )
    } else if pool.replicas > 1 {
        "each rank is a copy of the model that steps on its own".to_string()
    } else {
        "a unit has one rank: both parts hang on its load".to_string()
    }
}

/// A step that is being explained.
struct Told {
    explained: Explained,
    load: String,
    at: StepLoad,
    curve: Vec<CapacityPoint>,
    without_context_s: Option<f64>,
}

fn decode(
    unit: &RooflineUnit<'_>,
    scenario: &Scenario,
    pool: &Pool,
    question: ExplainQuestion,
) -> Told {
    let mean = |law: &crate::scenario::LengthLaw| law.law.mean();
    let usual_kv = || {
        let class = scenario.classes.first();
        class.map_or(4096.0, |c| mean(&c.input) + mean(&c.output) / 2.0)
    };
    let most = f64::from(pool.max_batch_requests);
    let batch = question.batch.unwrap_or(most.min(64.0));
    let of_mix = || {
        Loads::of(scenario)
            .map(|l| l.day().kv)
            .filter(|kv| *kv >= 1.0)
    };
    let kv = question.kv.or_else(of_mix).unwrap_or_else(usual_kv);
    let per_step = f64::from(scenario.mtp.progress_1024) / 1024.0;
    let point = |n: f64| {
        let step_s = unit.decode_times(n, unit.kv_of(n, kv)).quicker();
        let speed = per_step / step_s;
        CapacityPoint {
            batch: n,
            step_s,
            tokens_per_s_per_user: speed,
            tokens_per_s_per_gpu: n * speed / unit.tensor / unit.pipeline,
        }
    };
    let capacity = pool.kv_capacity_tokens.unwrap_or(u64::MAX) as f64;
    let sizes = BATCHES.iter().copied().chain([batch]);
    let mut sizes: Vec<f64> = sizes.filter(|n| *n <= most && n * kv <= capacity).collect();
    sizes.sort_by(f64::total_cmp);
    sizes.dedup();
    let load = format!(
        "{} requests on each rank, {} KV tokens each",
        fixed(batch, 0),
        fixed(kv, 0)
    );
    Told {
        explained: unit.explain_decode(batch, unit.kv_of(batch, kv)),
        load,
        at: StepLoad {
            batch: Some(batch),
            kv_tokens: Some(kv),
            ..StepLoad::default()
        },
        curve: sizes.into_iter().map(point).collect(),
        without_context_s: None,
    }
}

fn prefill(
    unit: &RooflineUnit<'_>,
    scenario: &Scenario,
    pool: &Pool,
    question: ExplainQuestion,
) -> Told {
    let mix = match question.prompt {
        Some(_) => None,
        None => Prompts::of(scenario),
    };
    let mean = || question.prompt.unwrap_or_else(|| prompt_tokens(scenario));
    let prompts = mix.unwrap_or_else(|| Prompts::alone(mean()));
    let most_pairs = pool.max_batch_pairs.map_or(f64::INFINITY, |p| p as f64);
    let budget = f64::from(pool.max_batch_tokens);
    let full = libm::floor(most_pairs / prompts.pairs).clamp(1.0, budget);
    let tokens = question.tokens.unwrap_or(full);
    let point = |tokens: f64| {
        let step_s = prompts.times(unit, tokens);
        CapacityPoint {
            batch: tokens,
            step_s,
            tokens_per_s_per_user: tokens / step_s,
            tokens_per_s_per_gpu: tokens / step_s / unit.tensor / unit.pipeline,
        }
    };
    let mut sizes = vec![tokens];
    let mut size = 512.0;
    while size <= full {
        sizes.push(size);
        size *= 2.0;
    }
    sizes.sort_by(f64::total_cmp);
    sizes.dedup();
    let how = if mix.is_some() {
        format!(
            "of the scenario's own prompts ({} computed in the mean): {} (query, key) pairs a token",
            count(prompts.computed as u64),
            count(prompts.pairs as u64)
        )
    } else {
        format!(
            "in prompts of {} computed tokens without context",
            fixed(prompts.computed, 0)
        )
    };
    Told {
        explained: unit.explain_prefill(tokens, tokens * prompts.pairs, prompts.number(tokens)),
        load: format!("{} tokens on each rank, {how}", fixed(tokens, 0)),
        at: StepLoad {
            tokens: Some(tokens),
            prompt_tokens: Some(prompts.computed),
            pairs_per_token: Some(prompts.pairs),
            ..StepLoad::default()
        },
        curve: sizes.into_iter().map(point).collect(),
        without_context_s: mix.map(|mix| Prompts::alone(mix.computed).times(unit, tokens)),
    }
}

impl ExplainAnswer {
    /// The page of the answer for people.
    pub fn page(&self) -> Page {
        let mode = match (self.overlapped, self.other_mode_s) {
            (true, Some(other)) => format!(
                "Two micro-batches overlap; one batch alone would take {}.",
                seconds(other)
            ),
            (true, None) => "Two micro-batches overlap.".to_string(),
            (false, Some(other)) => format!(
                "One batch runs alone; two overlapping micro-batches would take {}.",
                seconds(other)
            ),
            (false, None) => "One batch runs alone.".to_string(),
        };
        let mut parts = Grid::new(vec![
            GridColumn::left("part"),
            GridColumn::right("time"),
            GridColumn::right("share"),
            GridColumn::bar(),
            GridColumn::left("rests on constants that are"),
        ]);
        parts.rows = self
            .parts
            .iter()
            .map(|p| {
                vec![
                    GridCell::new(p.name),
                    GridCell::new(seconds(p.seconds)),
                    GridCell::new(percent(p.share)),
                    GridCell::bar(Tone::Plain, p.share),
                    GridCell::toned(Tone::Quiet, p.provenance.join(", ")),
                ]
            })
            .collect();
        parts.total = Some(vec![
            GridCell::new("step"),
            GridCell::new(seconds(self.step_s)),
        ]);
        let mut notes = vec![format!(
            "hidden behind computation: {} of communication; busiest expert rank {} x the mean",
            seconds(self.hidden_communication_s),
            fixed(self.expert_imbalance, 2)
        )];
        notes.push(format!(
            "own part {}, shared part {}: {}",
            seconds(self.own_s),
            seconds(self.shared_s),
            self.ranks
        ));
        if self.hidden_host_s > 0.0 {
            notes.push(format!(
                "hidden behind the accelerators: {} of the host's work, which prepares a step while the one before runs",
                seconds(self.hidden_host_s)
            ));
        }
        if self.front_end_s > 0.0 {
            notes.push(format!(
                "outside of steps: {} of every request in the front end (HTTP, tokens to text and back), in TTFT and E2E",
                seconds(self.front_end_s)
            ));
        }
        if let Some(alone) = self.without_context_s {
            notes.push(format!(
                "the same tokens in prompts of the mean length, nothing before them (--prompt): {}",
                seconds(alone)
            ));
        }
        notes.extend(sureness(&self.step_times));
        let mut curve = Grid::new(vec![
            GridColumn::right("batch\n/rank"),
            GridColumn::right("step"),
            GridColumn::right("tokens/s\nper user"),
            GridColumn::right("tokens/s\nper GPU"),
            GridColumn::bar(),
        ]);
        let most = self
            .curve
            .iter()
            .map(|p| p.tokens_per_s_per_gpu)
            .fold(0.0, f64::max);
        curve.rows = self
            .curve
            .iter()
            .map(|p| {
                vec![
                    GridCell::new(count(p.batch as u64)),
                    GridCell::new(seconds(p.step_s)),
                    GridCell::new(fixed(p.tokens_per_s_per_user, 1)),
                    GridCell::new(fixed(p.tokens_per_s_per_gpu, 0)),
                    GridCell::bar(Tone::Plain, p.tokens_per_s_per_gpu / most),
                ]
            })
            .collect();
        let section = |title: &str, body, notes| Section {
            title: title.to_string(),
            body,
            notes,
        };
        Page {
            title: format!("A step of the {} pool: {}", self.pool, self.load),
            subtitle: format!("constants of {}", self.engine),
            verdict: (
                Tone::Plain,
                vec![format!("The step takes {}. {mode}", seconds(self.step_s))],
            ),
            sections: vec![
                section("Parts", Body::Grid(parts), notes),
                section(
                    "Memory of one accelerator",
                    Body::Figures(self.memory.figures()),
                    Vec::new(),
                ),
                section("Capacity", Body::Grid(curve), Vec::new()),
            ],
        }
    }
}
