//! A scenario: what is simulated, in the field's words.
//!
//! One way: `file` knows the *shape* of the TOML (keys, types, bounds), `resolve` turns a well-shaped tree
//! into its *meaning*, [`ScenarioMeaning`], which is all that the rest of the program reads. A [`Scenario`] is
//! a meaning and the tree that it is the meaning of. Its fields are closed and nothing but `resolve` builds
//! one, so whoever holds one holds a checked one, and its text and hash describe it. Who wants another
//! changes keys of the tree ([`Scenario::with`]) and has it resolved anew.

mod attach;
mod bundled;
mod calibration;
mod caution;
mod check;
mod class;
mod csv_text;
mod diagnostic;
mod file;
mod files;
mod hf;
mod inherit;
mod key_change;
mod kv_cache;
mod load;
mod merge;
mod ordinary;
mod overrides;
mod performance;
mod plan_section;
mod recorded_blocks;
mod recording;
mod resolve;
#[cfg(test)]
mod scenario_tests;
pub mod schema;
mod shape;
#[cfg(test)]
mod shared_nodes;
mod source;
mod stated_price;
mod step_basis;
mod step_time;
mod suggest;
mod sweep_section;
mod text;
mod trace_facts;
mod trace_play;
#[cfg(test)]
mod traffic_tests;
mod tree;
mod uncertain;
mod vocabulary;
mod write;

pub use bundled::{BUNDLED, Bundled};
pub use class::{
    ArrivalKind, ArrivalProcess, BurstLaw, Class, ClientPlay, ClosedLoop, GapForm, Law, LengthLaw,
    Period, RateSegment, RenewalLaw, SessionTurns, SharedPrompts, Slo,
};
pub use diagnostic::{Diagnostic, MistakeReport, Mistakes};
pub use file::MAX_RUNS;
pub use file::MAX_TOKENS as MAX_LENGTH;
pub use file::{all_fields as summary_fields, is_sum};
pub use hf::{HfModel, read_hf, read_hf_text};
pub use key_change::{AxisPiece, KeyChange, KeyValue};
pub use kv_cache::{KvCache, PrefixBlocks};
pub use load::{Prepared, load, load_str, prepare};
pub use ordinary::{Unread, check_ordinary, read_ordinary, read_ordinary_text};
pub use performance::{
    ExpertLoad, ExpertPopularity, LinearDecode, LinearPerformance, LinearPrefill, Performance,
    Precision, ProfilePart, ProfileRow, Roofline, StepTimeProfile,
};
pub use plan_section::{PlanOption, PlanTable};
pub use recorded_blocks::RecordedBlocks;
pub use resolve::Scenario;
pub use source::{SourceText, Sources, Span};
pub use step_basis::StepBasis;
pub use suggest::{nearest, quote};
pub use sweep_section::SweepTable;
pub use text::{parse_duration, quoted, show_time_of_day};
pub use trace_facts::TraceFacts;
pub use trace_play::{TraceCursor, TraceCut, TracePlay, TraceRow};
pub use tree::{TomlEntry, TomlNode, TomlTable, TomlValue};
pub use uncertain::{DrawUnit, LawForm, Uncertain, UncertainLaw};
pub use vocabulary::{
    Admission, AmountKey, AnswersIn, ArrivalForm, Batching, CacheForm, FailedRows, FirstToken,
    Goal, Interpolation, LengthForm, LoadMeasure, Overlap, OwnLength, ProfileKey, PublishedKind,
    RankBalance, Role, Router, Sampling, SessionAmountKey, StepTimeForm, ThinkLaw,
};
pub use write::hash as text_hash;

pub use crate::traffic::{ClientPool, ClientWindow};

use crate::catalog::{Gpu, KvShape, Model};
use crate::units::{BytesPerSecond, PicoUsd, SimDuration};

/// What a scenario says, in types: the fields that a [`Scenario`] lets everybody read and nobody change.
#[derive(Clone, Debug)]
pub struct ScenarioMeaning {
    /// Name of the scenario for people.
    pub name: String,
    /// Seed of every random stream.
    pub seed: u64,
    /// Local time at which counting starts.
    pub start: LocalTime,
    /// Length of the counted window.
    pub duration: SimDuration,
    /// Time before `start` that is simulated and not counted.
    pub warm_up: SimDuration,
    /// Length of the intervals that the summary reports; `None`: hours only.
    pub report_every: Option<SimDuration>,
    /// Length of the stretches in which promises are judged as well; `None`: over the whole only.
    pub slo_every: Option<SimDuration>,
    /// The model that is served.
    pub model: Model,
    /// What a request's context occupies: in pools, on links and in host memory alike.
    pub kv: KvShape,
    /// The server that the cluster is made of.
    pub node: Node,
    /// Pools in the order of the file (the order of events at equal times, S2).
    pub pools: Vec<Pool>,
    /// How KV moves from prefill to decode.
    pub transfer: Transfer,
    /// Model of step times.
    pub performance: Performance,
    /// Factor on every step of the model of step times; the other fields contain it.
    pub step_time_factor: f64,
    /// What step times rest on.
    pub step_basis: StepBasis,
    /// Multi-token prediction; without drafts every step emits one token.
    pub mtp: Mtp,
    /// What of prompts is found again.
    pub kv_cache: KvCache,
    /// Where the client gets a request's first token.
    pub first_token: FirstToken,
    /// Time of each request outside of the engine's steps, in TTFT and E2E (S12).
    pub front_end: SimDuration,
    /// How large a run may become.
    pub limits: RunLimits,
    /// Streams of requests, in the order of the file.
    pub classes: Vec<Class>,
    /// Published figures to hold the results against.
    pub published: Vec<Published>,
    /// Question of a plan. No part of the resolved text: each of its candidates is a scenario of its own.
    pub plan: PlanTable,
    /// Inputs that are not known exactly; all other fields are made of their middles.
    pub uncertain: Vec<Uncertain>,
    /// Axes of a sweep. No part of the resolved text: each of its runs is a scenario of its own.
    pub sweep: SweepTable,
}

/// An instant of the calendar with its offset from UTC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalTime {
    /// The instant as RFC 3339 text, e.g. `2025-02-27T12:00:00+08:00`.
    pub text: String,
    /// Nanoseconds since local midnight.
    pub time_of_day: SimDuration,
    /// Local time minus UTC, in minutes.
    pub utc_offset_minutes: i32,
}

/// The servers of the cluster, which are alike.
#[derive(Clone, Debug)]
pub struct Node {
    /// Accelerator of the node.
    pub gpu: Gpu,
    /// Accelerators in a node.
    pub gpus: u32,
    /// Price of one accelerator an hour while its node is paid.
    pub price_per_gpu_hour: PicoUsd,
    /// Accelerator that the price was stated for; `None`: this one.
    pub price_stated_for: Option<String>,
    /// Whether units of different pools may lie on one node.
    pub shared: bool,
    /// Number of all nodes, which no schedule may exceed; `None`: not stated.
    pub fleet: Option<u32>,
}

/// A pool: units of one role.
#[derive(Clone, Debug, PartialEq)]
pub struct Pool {
    /// Name of the pool in the file: `prefill`, `decode` or `mixed`.
    pub name: String,
    /// Role of the pool.
    pub role: Role,
    /// Accelerators of one unit of the schedule: whole nodes, or a part of one.
    pub gpus_per_unit: u32,
    /// Accelerators of one node.
    pub node_gpus: u32,
    /// Replicas in one unit of the schedule: copies of the model that share nothing and step on their own.
    pub replicas: u32,
    /// Attention data-parallel ranks of a replica, which step together.
    pub ranks: u32,
    /// How a replica's accelerators share the work.
    pub parallelism: Parallelism,
    /// Prefill and mixed: most tokens in one rank's batch.
    pub max_batch_tokens: u32,
    /// Prefill only: most (query, key) pairs of attention that one rank computes in one batch. `None`: no
    /// limit.
    pub max_batch_pairs: Option<u64>,
    /// Prefill only: most time that one rank computes by itself in one batch. `None`: no limit.
    pub max_batch_time: Option<SimDuration>,
    /// Most requests on one rank at once.
    pub max_batch_requests: u32,
    /// Most requests that may wait at one unit; more are rejected. `None`: no limit.
    pub max_queue_requests: Option<u32>,
    /// Decode and mixed: KV tokens that one rank can hold; `None`: what the memory leaves
    /// (worked out before a run).
    pub kv_capacity_tokens: Option<u64>,
    /// Decode and mixed: when a waiting request may join a rank.
    pub admission: Admission,
    /// Mixed only: which requests share a step.
    pub batching: Batching,
    /// Mixed only: whether a step is put together while the one before runs, so that it takes only those
    /// who waited when that one began.
    pub look_ahead: bool,
    /// Number of steps of a mixed pool of which one computes prompts, at most, while anybody decodes.
    pub prefill_every: u32,
    /// Number of steps of a mixed pool of which one takes in newcomers, at least.
    pub receive_every: u32,
    /// Mixed only: most steps in a row in which prompts wait for a fuller batch; 0: they do not.
    pub batch_wait_steps: u32,
    /// Mixed only: tokens of a unit's step with which prompts wait no longer.
    pub batch_wait_tokens: u32,
    /// How requests are spread over a unit's ranks.
    pub balance: RankBalance,
    /// How requests are spread over the units.
    pub router: Router,
    /// Age of the load reports that the router reads; zero: it sees the exact state.
    pub report_interval: SimDuration,
    /// Bandwidth of one rank's network interfaces together, one way.
    pub interface: BytesPerSecond,
    /// Bandwidth between one rank's accelerators and their hosts, one way.
    pub host: BytesPerSecond,
    /// Number of units paid, by local time of day.
    pub schedule: Schedule,
}

/// How a replica's accelerators share the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parallelism {
    /// Accelerators of one stage that share a rank's attention.
    pub tensor: u32,
    /// Accelerators that hold different experts; 1: every one has a part of each expert.
    pub experts: u32,
    /// Expert slots beyond one for each expert.
    pub redundant_experts: u32,
    /// Stages of the pipeline.
    pub pipeline: u32,
}

/// Units paid over the day, repeating every 24 hours of local time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// (time of day, units from then on), strictly ascending in time; the last one reaches over
    /// midnight to the first. Never empty; a constant number is one step at midnight.
    pub steps: Vec<(SimDuration, u32)>,
    /// Time from a unit's being paid to its serving; `None`: the scenario does not say, and units serve at once.
    pub start_up: Option<SimDuration>,
    /// Time from a unit's taking no new work to its release.
    pub drain: SimDuration,
}

impl Schedule {
    /// A schedule of so many units all day, which start nothing.
    pub fn constant(units: u32) -> Self {
        Self {
            steps: vec![(SimDuration::ZERO, units)],
            start_up: None,
            drain: SimDuration::ZERO,
        }
    }

    /// Time from a unit's being paid to its serving in a run: none where the scenario does not say.
    pub fn serves_after(&self) -> SimDuration {
        self.start_up.unwrap_or(SimDuration::ZERO)
    }
}

/// How KV is moved from prefill to decode (S8).
#[derive(Clone, Debug)]
pub struct Transfer {
    /// Latency added to each transfer.
    pub latency: SimDuration,
    /// Part of the bytes hidden behind the prefill, in 1/65536: layer-wise overlap.
    pub overlap_65536: u32,
}

/// How large a run may become. Beyond any of these it ends and says why, so that what a run does stays a
/// matter of scenario, seed and version, not of the machine's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunLimits {
    /// Most requests at once that have arrived and not ended.
    pub requests_in_flight: u64,
    /// Most memory in bytes, as estimated from the scenario and the requests in flight.
    pub memory_bytes: u64,
    /// Most bytes of all output together.
    pub output_bytes: u64,
}

impl Default for RunLimits {
    /// The defaults that the file's shape states.
    fn default() -> Self {
        Self {
            requests_in_flight: 80_000_000,
            memory_bytes: 4_000_000_000,
            output_bytes: 256_000_000,
        }
    }
}

/// Multi-token prediction (S14).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mtp {
    /// Tokens drafted for each request in a step, and verified with its last one; 0: none.
    pub drafts: u32,
    /// Progress of a step in 1/1024 token: round(1024 (1 + x1 + x1 x2 + ...)), x_i being the part of the i-th
    /// drafts that are accepted where all before them were.
    pub progress_1024: u32,
}

impl Mtp {
    /// No drafts: every step emits one token.
    pub const OFF: Self = Self {
        drafts: 0,
        progress_1024: 1024,
    };
}

impl Pool {
    /// Accelerators of one replica.
    pub fn gpus_per_replica(&self) -> u32 {
        self.gpus_per_unit / self.replicas
    }

    /// Nodes paid for `units` of the schedule's units: whole ones, each filled with as many units as it holds.
    pub fn nodes(&self, units: u32) -> u32 {
        if self.gpus_per_unit >= self.node_gpus {
            units.saturating_mul(self.gpus_per_unit / self.node_gpus)
        } else {
            units.div_ceil(self.node_gpus / self.gpus_per_unit)
        }
    }

    /// Units that so many nodes hold.
    pub fn units_on(&self, nodes: u32) -> u32 {
        if self.gpus_per_unit >= self.node_gpus {
            nodes / (self.gpus_per_unit / self.node_gpus)
        } else {
            nodes.saturating_mul(self.node_gpus / self.gpus_per_unit)
        }
    }
}

/// Nodes paid for these numbers of each pool's units (S10): a pool has nodes of its own, or, where nodes are shared,
/// the units smaller than a node lie on them the largest first, each on the first node with room.
pub fn nodes_of(pools: &[Pool], units: &[u32], node: &Node) -> u64 {
    let gpus = node.gpus;
    if !node.shared {
        let own = pools.iter().zip(units).map(|(p, n)| u64::from(p.nodes(*n)));
        return own.sum();
    }
    let mut whole = 0;
    let mut parts: Vec<(u32, u32)> = Vec::new();
    for (pool, &units) in pools.iter().zip(units) {
        if pool.gpus_per_unit >= gpus {
            whole += u64::from(pool.nodes(units));
        } else {
            parts.push((pool.gpus_per_unit, units));
        }
    }
    parts.sort_unstable_by_key(|(size, _)| std::cmp::Reverse(*size));
    // nodes that are not full, by the accelerators that are free on them
    let mut free: std::collections::BTreeMap<u32, u64> = std::collections::BTreeMap::new();
    for (size, units) in parts {
        let mut left = u64::from(units);
        let mut after: std::collections::BTreeMap<u32, u64> = std::collections::BTreeMap::new();
        for (room, nodes) in free {
            let each = u64::from(room / size);
            let full = nodes.min(left.checked_div(each).unwrap_or(0));
            left -= full * each;
            *after.entry(room - (room / size) * size).or_default() += full;
            let mut rest = nodes - full;
            if each > 0 && rest > 0 && left > 0 {
                *after.entry(room - left as u32 * size).or_default() += 1;
                (left, rest) = (0, rest - 1);
            }
            *after.entry(room).or_default() += rest;
        }
        let each = u64::from(gpus / size);
        whole += left.div_ceil(each);
        *after.entry(gpus % size).or_default() += left / each;
        if left % each > 0 {
            *after.entry(gpus - (left % each) as u32 * size).or_default() += 1;
        }
        free = after;
    }
    whole
}

/// A figure that somebody published about the simulated system.
#[derive(Clone, Debug, PartialEq)]
pub struct Published {
    /// Name of the figure.
    pub name: String,
    /// Path of the figure in the summary, such as `economics.cost_usd`.
    pub field: String,
    /// Smallest published value (equal to `high` for a single figure).
    pub low: f64,
    /// Largest published value.
    pub high: f64,
    /// Whether the scenario was built from the figure, or the simulation predicts it.
    pub kind: PublishedKind,
    /// Length of the window in which the figure was counted; `None`: it is a rate, which depends on no window.
    pub window: Option<SimDuration>,
    /// Where the figure was published.
    pub source: String,
}
