//! The one value that a run returns. Every table, file and comparison is a view of it, so a stored
//! run can be shown again without simulating.
//!
//! Names carry their units (`_s`, `_tokens`, `_usd`, `_per_s`). A figure that the run cannot know (a
//! latency of nobody, the energy of hardware of unknown power) is `null`, never zero.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use crate::metrics::Interval;

/// The version of this shape; it grows when a reader of an older shape would misread.
pub const SCHEMA_VERSION: u32 = 1;

/// What a run returns.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RunSummary {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// The program's version.
    pub version: String,
    /// What was simulated.
    pub scenario: ScenarioId,
    /// The seed of every random stream.
    pub seed: u64,
    /// When counting started, with its offset from UTC.
    pub start: String,
    /// How long was counted.
    pub duration_s: f64,
    /// How many independent runs stand behind the figures.
    pub replications: u32,
    /// What the step times rest on.
    #[serde(default)]
    pub step_times: Basis,
    /// Requests by fate.
    pub requests: RequestCounts,
    /// Tokens by kind.
    pub tokens: TokenCounts,
    /// Cached over input tokens.
    pub kv_hit_rate: Option<f64>,
    /// Paid nodes.
    pub nodes: NodeCounts,
    /// Demand over supply, as the published day defines it.
    pub throughput: Throughput,
    /// What users feel.
    pub latency: Latency,
    /// Quantiles of the same, those counted who are inside at the end and have waited longer already.
    #[serde(default)]
    pub latency_decided: Decided,
    /// The same by input length.
    pub input_length_buckets: Vec<LengthBucket>,
    /// Token generation.
    pub decode: DecodeSummary,
    /// Money and energy.
    pub economics: Economics,
    /// By pool.
    pub pools: BTreeMap<String, PoolSummary>,
    /// By class.
    pub classes: BTreeMap<String, ClassSummary>,
    /// By hour from the start.
    pub hours: Vec<SpanSummary>,
    /// By `report_every`, when the scenario gives it.
    pub intervals: Vec<SpanSummary>,
    /// By `slo_every`, when the scenario gives it; for those who judge a run that they have played.
    #[serde(skip)]
    pub promised: Vec<Promised>,
    /// Published figures beside simulated ones.
    pub published: Vec<PublishedRow>,
    /// 95 % confidence intervals of figures, by their path here: over replications, or over batches of
    /// one long run whose load does not change over time. Empty where neither can be had.
    #[serde(default)]
    pub confidence: BTreeMap<String, Interval>,
    /// Why figures of one run have no interval where others do, by their path here.
    #[serde(default)]
    pub no_interval: BTreeMap<String, String>,
    /// Requests in the system, time average, in each batch of the window; empty where the load changes over
    /// time. What the check of the warm-up looks at.
    #[serde(default)]
    pub in_system: Vec<f64>,
    /// Balances that must hold exactly.
    pub audit: BTreeMap<String, BalanceSummary>,
    /// What a careful reader should know.
    pub warnings: Vec<String>,
}

/// Names a scenario.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScenarioId {
    /// Its name.
    pub name: String,
    /// Hash of its resolved text.
    pub hash: String,
}

/// What the step times rest on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Basis {
    /// `linear`, `roofline` or `table`.
    pub kind: String,
    /// Of a roofline: whose constants.
    pub engine: Option<String>,
    /// The accelerator that they were measured on.
    pub measured_on: Option<String>,
    /// How many constants are measured, derived, calibrated, assumed, or given by the scenario.
    pub constants: BTreeMap<String, u32>,
    /// Kind of basis, as the catalog's step errors name it: `fitted`, `other-gpu`, …
    #[serde(default)]
    pub class: String,
    /// By what part 90 % of such steps take longer or less than the model of step times says.
    #[serde(default)]
    pub step_error: f64,
    /// How that error was found.
    #[serde(default)]
    pub step_error_source: String,
    /// Constants that steps of this scenario use and that were found for another engine or accelerator.
    #[serde(default)]
    pub borrowed: Vec<Lent>,
}

/// A group of constants that another engine or accelerator lends.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lent {
    /// What they are of.
    pub what: String,
    /// The engine and the accelerator that they were found for.
    pub from: String,
    /// Why they are borrowed.
    pub reason: String,
}

/// Requests by fate. `in_flight_at_start + arrived` equals the sum of the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestCounts {
    /// Arrived before the window, unfinished at its start.
    pub in_flight_at_start: u64,
    /// Arrived in the window.
    pub arrived: u64,
    /// Got their last token in the window.
    pub completed: u64,
    /// Found a full queue.
    pub rejected: u64,
    /// Gave up waiting.
    pub timed_out: u64,
    /// Could never be served.
    pub failed: u64,
    /// Unfinished at the end.
    pub in_flight: u64,
}

/// Tokens by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TokenCounts {
    /// Prompt tokens of the requests whose first token left in the window.
    pub input: u64,
    /// Of these, found in the cache.
    pub cached_input: u64,
    /// Of these, computed.
    pub computed_input: u64,
    /// Generated in the window.
    pub output: f64,
}

/// Paid nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NodeCounts {
    /// Time average.
    pub mean: f64,
    /// Largest number at once.
    pub peak: u32,
    /// Paid node-hours.
    pub node_hours: f64,
}

/// Tokens of the window over paid node-seconds of the pool that made them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Throughput {
    /// Input tokens, hits included, over prefill node-seconds.
    pub prefill_input_tokens_per_s_per_node: Option<f64>,
    /// Output tokens over decode node-seconds.
    pub decode_output_tokens_per_s_per_node: Option<f64>,
}

/// Latencies in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// Arrival to first token.
    pub ttft_s: DistributionSummary,
    /// (End to end - TTFT) / (output tokens - 1).
    pub tpot_s: DistributionSummary,
    /// Gaps between tokens.
    pub itl_s: DistributionSummary,
    /// Arrival to last token.
    pub e2e_s: DistributionSummary,
    /// Arrival to the start of the first prefill step.
    pub queue_s: DistributionSummary,
    /// KV arrived to joining a decode rank.
    pub decode_queue_s: DistributionSummary,
}

/// A distribution: the mean is exact, quantiles are nearest-rank to better than 1 %.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DistributionSummary {
    /// How many observations.
    pub count: u64,
    /// Arithmetic mean.
    pub mean: Option<f64>,
    /// Median.
    pub p50: Option<f64>,
    /// 90th percentile.
    pub p90: Option<f64>,
    /// 95th percentile.
    pub p95: Option<f64>,
    /// 99th percentile.
    pub p99: Option<f64>,
    /// 99.9th percentile.
    pub p999: Option<f64>,
    /// Largest.
    pub max: Option<f64>,
}

/// Quantiles of latencies, in seconds, over those whose latency is decided: who has it, and who is inside at the end
/// without it and beyond the quantile already (S12). Those in [`Latency`] are over the former alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Decided {
    /// Arrival to first token.
    pub ttft_s: Quantiles,
    /// (End to end - TTFT) / (output tokens - 1).
    pub tpot_s: Quantiles,
    /// Arrival to last token.
    pub e2e_s: Quantiles,
    /// Arrival to the start of the first prefill step.
    pub queue_s: Quantiles,
    /// KV arrived to joining a decode rank.
    pub decode_queue_s: Quantiles,
}

/// Quantiles to better than 1 %; `null` of nobody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Quantiles {
    /// Median.
    pub p50: Option<f64>,
    /// 90th percentile.
    pub p90: Option<f64>,
    /// 95th percentile.
    pub p95: Option<f64>,
    /// 99th percentile.
    pub p99: Option<f64>,
    /// 99.9th percentile.
    pub p999: Option<f64>,
}

/// Requests whose input length lies in `[from_tokens, to_tokens)`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LengthBucket {
    /// Lower edge.
    pub from_tokens: u32,
    /// Upper edge; `null`: none.
    pub to_tokens: Option<u32>,
    /// Requests that completed.
    pub completed: u64,
    /// What they felt.
    pub latency: Latency,
}

/// Token generation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DecodeSummary {
    /// Tokens after the first over the time after the first, of completed requests.
    pub output_speed_tokens_per_s: Option<f64>,
    /// Mean KV length behind a generated token.
    pub kv_length_tokens: Option<f64>,
    /// Requests on a serving rank, time average.
    pub batch_per_rank: Option<f64>,
    /// Lock-steps of units.
    pub steps: u64,
    /// Requests that had to leave a full rank.
    pub preemptions: u64,
    /// Requests moved because their unit was released.
    pub migrations: u64,
}

/// Money and energy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Economics {
    /// Paid node-time.
    pub cost_usd: f64,
    /// From completed requests.
    pub revenue_usd: f64,
    /// Revenue less cost.
    pub profit_usd: f64,
    /// Profit over cost (5.45 is 545 %).
    pub cost_profit_ratio: Option<f64>,
    /// Cost of a million output tokens.
    pub usd_per_million_output_tokens: Option<f64>,
    /// Energy of the paid accelerators, by what they did; `null` where their power is not known.
    pub energy_kwh: Option<f64>,
    /// Energy of the rest (host, network, cooling, conversion) while nodes are paid; `null` where it is not known.
    pub energy_overhead_kwh: Option<f64>,
    /// Energy of the accelerators over output tokens, in joules.
    pub joules_per_output_token: Option<f64>,
    /// Requests that had a price but did not complete, at no charge.
    pub unbilled_requests: u64,
}

/// A pool over the window or a part of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PoolSummary {
    /// Paid nodes, time average.
    pub nodes_mean: f64,
    /// Paid nodes, largest.
    pub nodes_peak: u32,
    /// Paid units that step on their own (copies of the model), time average.
    #[serde(default)]
    pub units_mean: f64,
    /// Busy unit-time over paid unit-time.
    pub utilization: Option<f64>,
    /// Waiting requests, time average.
    pub queue_length_mean: f64,
    /// Waiting requests at the end.
    pub queue_length_end: u64,
    /// Requests in service on one serving rank, time average.
    pub batch_per_rank: Option<f64>,
    /// KV held over KV capacity of serving ranks, time average (decode).
    pub kv_utilization: Option<f64>,
    /// Part of the time that some unit's queue waited for KV memory, unit average (decode).
    pub blocked_by_kv: Option<f64>,
    /// Part of the time that some unit's queue waited for a batch slot, unit average (decode).
    pub blocked_by_batch: Option<f64>,
    /// Steps.
    pub steps: u64,
}

/// A class over the window.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ClassSummary {
    /// By fate.
    pub requests: RequestCounts,
    /// By kind.
    pub tokens: TokenCounts,
    /// What its users felt.
    pub latency: Latency,
    /// Quantiles of the same, those counted who are inside at the end and have waited longer already.
    #[serde(default)]
    pub latency_decided: Decided,
    /// Requests inside at the end without a first token, which TTFT leaves out.
    #[serde(default)]
    pub without_first_token: u64,
    /// The longest of their waits so far, in seconds; `null` where there are none.
    #[serde(default)]
    pub longest_wait_s: Option<f64>,
    /// How much of its recording was played; left out where nothing is recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recorded: Option<Recorded>,
    /// Whether promises were kept; `null` without an SLO.
    pub slo: Option<SloSummary>,
    /// The same by clock hour of the window, as [`SloEvery`] judges stretches; left out without an SLO.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub slo_by_hour: Vec<SloHour>,
    /// The same in every stretch of the scenario's `slo_every`; left out where it has none, or the class no SLO.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slo_every: Option<SloEvery>,
    /// What it paid.
    pub revenue_usd: f64,
}

/// A recording, and how much of it was played.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Recorded {
    /// Recorded requests.
    pub requests: u64,
    /// Those that arrive before the run ends, the warm-up included.
    pub played: u64,
    /// Part of the counted time that is left when the last of them arrives.
    pub empty: f64,
}

/// Promises kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SloSummary {
    /// Part of the judged requests that met every target; 0 where somebody came and nobody was judged.
    pub attainment: Option<f64>,
    /// Requests judged: completed, rejected, failed, and those inside at the end that can meet a target no more.
    #[serde(default)]
    pub judged: u64,
    /// What the scenario demands.
    pub required: Option<f64>,
    /// Requests per second that met every target.
    pub goodput_per_s: f64,
}

/// Promises kept in an hour of the run. A request is judged in the hour in which it ends, and those that are inside at
/// the end and can meet their targets no more in the last one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SloHour {
    /// Local start, with its offset from UTC.
    pub start: String,
    /// Requests judged.
    pub judged: u64,
    /// Part of them that met every target; `null` where nobody was judged, 0 where nobody could be because nothing was
    /// served (S12).
    pub attainment: Option<f64>,
}

/// Promises kept in stretches of the run. A request is judged in the stretch in which it ends.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SloEvery {
    /// Length of a stretch, in seconds; the last one may be shorter.
    pub length_s: f64,
    /// Stretches in which somebody was judged.
    pub judged: u64,
    /// Of these, those whose attainment is less than what the scenario demands.
    pub missed: u64,
    /// The least attainment of a stretch; `null` where nobody was judged.
    pub worst_attainment: Option<f64>,
    /// Local start of that stretch.
    pub worst_start: Option<String>,
}

/// A stretch in which promises are judged.
#[derive(Clone, Debug, PartialEq)]
pub struct Promised {
    /// Its figures.
    pub span: SpanSummary,
    /// The least attainment of its classes; `None` where nobody was judged.
    pub attainment: Option<f64>,
}

/// An hour or an interval.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SpanSummary {
    /// Local start, with its offset from UTC.
    pub start: String,
    /// Its length.
    pub duration_s: f64,
    /// Paid nodes, time average.
    pub nodes_mean: f64,
    /// By pool.
    pub pools: BTreeMap<String, PoolSummary>,
    /// Requests by fate; `in_flight_at_start` and `in_flight` are those at its edges.
    pub requests: RequestCounts,
    /// Tokens by kind.
    pub tokens: TokenCounts,
    /// Cached over input tokens.
    pub kv_hit_rate: Option<f64>,
    /// What users felt.
    pub latency: Latency,
    /// Quantiles of the same; in the last stretch of a run with those who are inside at the end. For those who judge
    /// a run that they have played.
    #[serde(skip)]
    pub latency_decided: Decided,
    /// Tokens after the first over the time after the first, of completed requests.
    pub output_speed_tokens_per_s: Option<f64>,
    /// Paid node-time.
    pub cost_usd: f64,
    /// From requests that completed in it.
    pub revenue_usd: f64,
    /// Revenue less cost.
    pub profit_usd: f64,
    /// Energy of the paid accelerators; `null` where their power is not known.
    pub energy_kwh: Option<f64>,
    /// Energy of the rest while nodes are paid; `null` where it is not known.
    pub energy_overhead_kwh: Option<f64>,
}

/// A published figure beside the simulated one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PublishedRow {
    /// What it is called.
    pub name: String,
    /// Path of the simulated figure in this summary.
    pub field: String,
    /// Smallest published value.
    pub published_low: f64,
    /// Largest published value.
    pub published_high: f64,
    /// The middle of the two.
    pub published: f64,
    /// What the run says; `null` if nobody experienced it.
    pub simulated: Option<f64>,
    /// `input`: the scenario was built from it. `predicted`: it was not.
    pub kind: String,
    /// Where it was published.
    pub source: String,
}

/// Two ways to count the same thing. Exact integers, as text where they pass 2^53.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BalanceSummary {
    /// One way.
    pub left: String,
    /// The other way.
    pub right: String,
    /// Whether they agree.
    pub holds: bool,
}
