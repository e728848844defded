//! The one value that a run returns. Every table, file and comparison is a view of it, so a stored
//! run can be shown again without simulating.
//!
//! Names carry their units (`_s`, `_tokens`, `_usd`, `_per_s`). What a run cannot know (a latency of nobody) is `null`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::scenario::{PublishedKind, StepTimeForm};

pub use crate::metrics::Interval;

/// Version of the summary's shape; it grows when a reader of an older shape would misread.
pub const SCHEMA_VERSION: u32 = 2;

/// The summary of a run: all its figures.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RunSummary {
    /// Version of this shape: [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// Version of the program that made the summary.
    pub version: String,
    /// The scenario that was simulated.
    pub scenario: ScenarioId,
    /// The seed of every random stream.
    pub seed: u64,
    /// When counting started, in local time with its offset from UTC.
    pub start: String,
    /// Length of the counted window, in seconds.
    pub duration_s: f64,
    /// Number of independent runs behind the figures.
    pub replications: u32,
    /// What the step times rest on.
    #[serde(default)]
    pub step_times: Basis,
    /// Requests by fate.
    pub requests: RequestCounts,
    /// Tokens by kind.
    pub tokens: TokenCounts,
    /// Cached over input tokens; `null`: no first token left.
    pub kv_hit_rate: Option<f64>,
    /// Nodes that were paid for.
    pub nodes: NodeCounts,
    /// Tokens over node-seconds, as the published day defines throughput.
    pub throughput: Throughput,
    /// Latencies of the window's requests.
    pub latency: Latency,
    /// Quantiles of latencies, counting those who are inside at the end and have waited longer already.
    #[serde(default)]
    pub latency_decided: Decided,
    /// Latencies by input length.
    pub input_length_buckets: Vec<LengthBucket>,
    /// Figures of token generation.
    pub decode: DecodeSummary,
    /// Cost, revenue and energy.
    pub economics: Economics,
    /// Pools by name.
    pub pools: BTreeMap<String, PoolSummary>,
    /// Classes by name.
    pub classes: BTreeMap<String, ClassSummary>,
    /// Figures of each hour from the start.
    pub hours: Vec<SpanSummary>,
    /// Figures of each interval of `report_every`; empty where the scenario has none.
    pub intervals: Vec<SpanSummary>,
    /// Figures of each stretch of `slo_every`, when the scenario gives it; not part of the JSON.
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
    /// Warnings: what a careful reader should know.
    pub warnings: Vec<String>,
}

/// Name and hash of a scenario.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScenarioId {
    /// Name of the scenario.
    pub name: String,
    /// Hash of the scenario's resolved text.
    pub hash: String,
}

/// What the step times rest on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Basis {
    /// The model of step times.
    pub kind: StepTimeForm,
    /// Engine whose constants a roofline takes; `null`: the step times are no roofline.
    pub engine: Option<String>,
    /// Releases that the constants hold for, behind the one asked for; `null`: the engine has none.
    #[serde(default)]
    pub release: Option<String>,
    /// Accelerator that the engine's constants were measured on; `null`: the step times are no roofline.
    pub measured_on: Option<String>,
    /// Number of constants that are measured, derived, calibrated, assumed, or given by the scenario.
    pub constants: BTreeMap<String, u32>,
    /// Kind of basis, as the catalog's step errors name it: `fitted`, …
    #[serde(default)]
    pub class: String,
    /// By what part 90 % of such steps take longer or less than the model of step times says.
    #[serde(default)]
    pub step_error: f64,
    /// How the step error was found.
    #[serde(default)]
    pub step_error_source: String,
    /// Constants that steps of this scenario use and that were found for another engine or accelerator.
    #[serde(default)]
    pub borrowed: Vec<Lent>,
}

/// A group of constants that another engine or accelerator lends.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lent {
    /// What the constants are of, e.g. dense products.
    pub what: String,
    /// The engine and the accelerator that the constants were found for.
    pub from: String,
    /// Why the constants are borrowed.
    pub reason: String,
}

/// Requests by fate. `in_flight_at_start + arrived` equals the sum of the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestCounts {
    /// Requests that arrived before the window and were unfinished at its start.
    pub in_flight_at_start: u64,
    /// Requests that arrived in the window.
    pub arrived: u64,
    /// Requests that got their last token in the window.
    pub completed: u64,
    /// Requests that found a full queue.
    pub rejected: u64,
    /// Requests that could never be served.
    pub failed: u64,
    /// Requests unfinished at the end.
    pub in_flight: u64,
}

/// Numbers of tokens by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TokenCounts {
    /// Prompt tokens of the requests whose first token left in the window.
    pub input: u64,
    /// Prompt tokens of these requests that the cache held.
    pub cached_input: u64,
    /// Prompt tokens of these requests that were computed.
    pub computed_input: u64,
    /// Tokens generated in the window.
    pub output: f64,
}

/// Nodes that were paid for, over the window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NodeCounts {
    /// Paid nodes, time average.
    pub mean: f64,
    /// Largest number of nodes paid at once.
    pub peak: u32,
    /// Paid node-hours.
    pub node_hours: f64,
}

/// Tokens of the window over paid node-seconds of the pool that made them; `null`: nothing was paid.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Throughput {
    /// Input tokens, hits included, over prefill node-seconds.
    pub prefill_input_tokens_per_s_per_node: Option<f64>,
    /// Output tokens over decode node-seconds.
    pub decode_output_tokens_per_s_per_node: Option<f64>,
}

/// Latencies in seconds, by what they measure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// TTFT: arrival to first token.
    pub ttft_s: DistributionSummary,
    /// TPOT: (E2E - TTFT)
    /// (output tokens - 1).
    pub tpot_s: DistributionSummary,
    /// ITL: gaps between tokens.
    pub itl_s: DistributionSummary,
    /// E2E: arrival to last token.
    pub e2e_s: DistributionSummary,
    /// Prefill queue: arrival to the start of the first prefill step.
    pub queue_s: DistributionSummary,
    /// Decode queue: arrival of the KV to joining a decode rank.
    pub decode_queue_s: DistributionSummary,
}

/// A distribution: the mean is exact, quantiles are nearest-rank to better than 1 %; `null` of no observations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DistributionSummary {
    /// Number of observations.
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
    /// Largest observation.
    pub max: Option<f64>,
}

/// Quantiles of latencies, in seconds, over those whose latency is decided: who has it, and who is inside at the end
/// without it and beyond the quantile already (S12). Those in [`Latency`] are over the former alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Decided {
    /// TTFT: arrival to first token.
    pub ttft_s: Quantiles,
    /// TPOT: (E2E - TTFT)
    /// (output tokens - 1).
    pub tpot_s: Quantiles,
    /// E2E: arrival to last token.
    pub e2e_s: Quantiles,
    /// Prefill queue: arrival to the start of the first prefill step.
    pub queue_s: Quantiles,
    /// Decode queue: arrival of the KV to joining a decode rank.
    pub decode_queue_s: Quantiles,
}

/// Quantiles to better than 1 %; `null` where nobody is counted.
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
    /// Lower edge of the input length, in tokens.
    pub from_tokens: u32,
    /// Upper edge of the input length, in tokens; `null`: there is none.
    pub to_tokens: Option<u32>,
    /// Requests that completed.
    pub completed: u64,
    /// Latencies of these requests.
    pub latency: Latency,
}

/// Figures of token generation over the window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DecodeSummary {
    /// Tokens after the first over the time after the first, of completed requests; `null`: none has two tokens.
    pub output_speed_tokens_per_s: Option<f64>,
    /// Mean KV length behind a generated token, in tokens; `null`: none was generated.
    pub kv_length_tokens: Option<f64>,
    /// Requests on a serving rank, time average; `null`: no rank served.
    pub batch_per_rank: Option<f64>,
    /// Steps of the units, whose ranks step together.
    pub steps: u64,
    /// Requests that had to leave a full rank.
    pub preemptions: u64,
    /// Requests moved because their unit was released.
    pub migrations: u64,
}

/// Cost, revenue and energy over the window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Economics {
    /// Cost of paid node-time, in dollars.
    pub cost_usd: f64,
    /// Revenue from completed requests, in dollars.
    pub revenue_usd: f64,
    /// Revenue less cost, in dollars.
    pub profit_usd: f64,
    /// Profit over cost (5.45 is 545 %); `null`: nothing was paid.
    pub cost_profit_ratio: Option<f64>,
    /// Cost of a million output tokens, in dollars; `null`: none left.
    pub usd_per_million_output_tokens: Option<f64>,
    /// Energy of the paid accelerators in kWh, by what they did; `null`: their power is not known.
    pub energy_kwh: Option<f64>,
    /// Energy of host, network, cooling and conversion in kWh, while nodes are paid; `null`: not known.
    pub energy_overhead_kwh: Option<f64>,
    /// Energy of the accelerators over output tokens, in joules; `null`: not known, or none left.
    pub joules_per_output_token: Option<f64>,
    /// Requests that had a price but did not complete, at no charge.
    pub unbilled_requests: u64,
}

/// Figures of a pool over the window or a part of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PoolSummary {
    /// Paid nodes, time average.
    pub nodes_mean: f64,
    /// Paid nodes, largest number at once.
    pub nodes_peak: u32,
    /// Paid units that step on their own (copies of the model), time average.
    #[serde(default)]
    pub units_mean: f64,
    /// Busy unit-time over paid unit-time; `null`: no unit was paid.
    pub utilization: Option<f64>,
    /// Waiting requests, time average.
    pub queue_length_mean: f64,
    /// Waiting requests at the end.
    pub queue_length_end: u64,
    /// Requests in service on one serving rank, time average; `null`: no rank served.
    pub batch_per_rank: Option<f64>,
    /// KV held over KV capacity of serving ranks, time average; `null`: a prefill pool, or no rank served.
    pub kv_utilization: Option<f64>,
    /// Part of the time that a unit's queue waited for KV memory, unit average; `null`: prefill, or no unit served.
    pub blocked_by_kv: Option<f64>,
    /// Part of the time that a unit's queue waited for a batch slot, unit average; `null`: prefill, or no unit served.
    pub blocked_by_batch: Option<f64>,
    /// Steps of the pool's units.
    pub steps: u64,
}

/// Figures of a class over the window.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ClassSummary {
    /// Requests of the class by fate.
    pub requests: RequestCounts,
    /// Tokens of the class by kind.
    pub tokens: TokenCounts,
    /// Latencies of the class's requests.
    pub latency: Latency,
    /// Quantiles of latencies, counting those who are inside at the end and have waited longer already.
    #[serde(default)]
    pub latency_decided: Decided,
    /// Requests inside at the end without a first token, which TTFT leaves out.
    #[serde(default)]
    pub without_first_token: u64,
    /// The longest wait so far of a request without a first token, in seconds; `null`: there is none.
    #[serde(default)]
    pub longest_wait_s: Option<f64>,
    /// How much of the class's recording was played; left out where nothing is recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recorded: Option<Recorded>,
    /// Whether the class's SLO was met; `null`: it has none.
    pub slo: Option<SloSummary>,
    /// The SLO by clock hour of the window, as [`SloEvery`] judges stretches; left out without an SLO.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub slo_by_hour: Vec<SloHour>,
    /// The SLO in stretches of the scenario's `slo_every`; left out where it has none, or the class no SLO.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slo_every: Option<SloEvery>,
    /// Revenue from the class's requests, in dollars.
    pub revenue_usd: f64,
}

/// A recording, and how much of it was played.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Recorded {
    /// Requests in the recording.
    pub requests: u64,
    /// Recorded requests that arrive before the run ends, the warm-up included.
    pub played: u64,
    /// Part of the counted time that is left when the last recorded request arrives.
    pub empty: f64,
}

/// How a class's SLO was met over the window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SloSummary {
    /// Part of the judged requests that met every target; 0 where somebody came and nobody was judged.
    pub attainment: Option<f64>,
    /// Requests judged: completed, rejected, failed, and those inside at the end that can meet a target no more.
    #[serde(default)]
    pub judged: u64,
    /// Attainment that the scenario demands; `null`: it demands none.
    pub required: Option<f64>,
    /// Requests per second that met every target.
    pub goodput_per_s: f64,
}

/// Promises kept in an hour of the run. A request is judged in the hour in which it ends, and those that are inside at
/// the end and can meet their targets no more in the last one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SloHour {
    /// Local start of the hour, with its offset from UTC.
    pub start: String,
    /// Requests judged.
    pub judged: u64,
    /// Part of the judged requests that met every target; `null` where nobody was judged, 0 where nobody could
    /// be because nothing was served (S12).
    pub attainment: Option<f64>,
}

/// Promises kept in stretches of the run. A request is judged in the stretch in which it ends.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SloEvery {
    /// Length of a stretch, in seconds; the last one may be shorter.
    pub length_s: f64,
    /// Stretches in which somebody was judged.
    pub judged: u64,
    /// Stretches whose attainment is less than what the scenario demands.
    pub missed: u64,
    /// The least attainment of a stretch; `null` where nobody was judged.
    pub worst_attainment: Option<f64>,
    /// Local start of the stretch with the least attainment; `null` where nobody was judged.
    pub worst_start: Option<String>,
}

/// A stretch in which promises are judged.
#[derive(Clone, Debug, PartialEq)]
pub struct Promised {
    /// Figures of the stretch.
    pub span: SpanSummary,
    /// The least attainment of a class in the stretch; `None` where nobody was judged.
    pub attainment: Option<f64>,
}

/// Figures of an hour, an interval or another part of the window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SpanSummary {
    /// Local start of the span, with its offset from UTC.
    pub start: String,
    /// Length of the span, in seconds.
    pub duration_s: f64,
    /// Paid nodes, time average.
    pub nodes_mean: f64,
    /// Pools by name.
    pub pools: BTreeMap<String, PoolSummary>,
    /// Requests by fate; `in_flight_at_start` and `in_flight` are those at the span's edges.
    pub requests: RequestCounts,
    /// Tokens by kind.
    pub tokens: TokenCounts,
    /// Cached over input tokens; `null`: no first token left.
    pub kv_hit_rate: Option<f64>,
    /// Latencies of the span's requests.
    pub latency: Latency,
    /// Quantiles of latencies; in the last span of a run with those who are inside at the end. For those who judge
    /// a run that they have played.
    #[serde(skip)]
    pub latency_decided: Decided,
    /// Tokens after the first over the time after the first, of completed requests; `null`: none has two tokens.
    pub output_speed_tokens_per_s: Option<f64>,
    /// Cost of paid node-time, in dollars.
    pub cost_usd: f64,
    /// Revenue from requests that completed in the span, in dollars.
    pub revenue_usd: f64,
    /// Revenue less cost, in dollars.
    pub profit_usd: f64,
    /// Energy of the paid accelerators, in kWh; `null`: their power is not known.
    pub energy_kwh: Option<f64>,
    /// Energy of host, network, cooling and conversion while nodes are paid, in kWh; `null`: their power is not known.
    pub energy_overhead_kwh: Option<f64>,
}

/// A published figure beside the simulated one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PublishedRow {
    /// Name of the published figure.
    pub name: String,
    /// Path of the simulated figure in this summary.
    pub field: String,
    /// Smallest published value.
    pub published_low: f64,
    /// Largest published value.
    pub published_high: f64,
    /// Middle of the smallest and largest published value.
    pub published: f64,
    /// Value that the run gives; `null`: nobody experienced it.
    pub simulated: Option<f64>,
    /// Whether the scenario was built from it.
    pub kind: PublishedKind,
    /// Where the figure was published.
    pub source: String,
}

/// A balance: two ways to count the same thing. Exact integers, as text where they pass 2^53.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BalanceSummary {
    /// The quantity, counted one way.
    pub left: String,
    /// The quantity, counted the other way.
    pub right: String,
    /// Whether both counts agree.
    pub holds: bool,
}
