//! Statistics of a trace, as they are printed and written.

use serde::Serialize;

/// Statistics of a trace.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TraceStats {
    /// All requests.
    pub requests: u64,
    /// Requests without an output: they failed, or were cut off. The other figures count them.
    pub failed_requests: u64,
    /// Rows that were left out for their mistakes.
    pub skipped_lines: u64,
    /// Input tokens of all requests.
    pub input_tokens: u64,
    /// Output tokens of all requests.
    pub output_tokens: u64,
    /// Cached input tokens, where the trace has them.
    pub cached_tokens: Option<u64>,
    /// Time from the first to the last request, in seconds.
    pub span_s: f64,
    /// Requests over the span.
    pub requests_per_s: Option<f64>,
    /// How unevenly requests come.
    pub arrivals: Burstiness,
    /// Lengths of the prompts.
    pub input: LengthStats,
    /// Lengths of the answers.
    pub output: LengthStats,
    /// Requests over time.
    pub profile: Vec<ProfileBin>,
    /// Blocks found in a cache that forgets nothing over all blocks; `None`: the trace has no ids of blocks.
    pub ideal_hit_rate: Option<f64>,
    /// Input tokens found in a cache that forgets nothing over all input tokens.
    pub ideal_token_hit_rate: Option<f64>,
    /// What is known of blocks.
    pub blocks: Option<BlockStats>,
    /// Hit rate of an LRU cache by its capacity.
    pub hit_rate_over_capacity: Vec<CapacityHits>,
    /// What was not read, and what was assumed.
    pub remarks: Vec<String>,
}

/// How unevenly requests come.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Burstiness {
    /// Coefficient of variation of the times between arrivals; 1 for a Poisson process.
    pub cv: Option<f64>,
    /// Variance over mean of the counts in windows of a second; 1 for a Poisson process.
    pub dispersion_1s: Option<f64>,
    /// Variance over mean of the counts in windows of ten seconds.
    pub dispersion_10s: Option<f64>,
    /// Variance over mean of the counts in windows of a minute.
    pub dispersion_60s: Option<f64>,
}

/// Lengths in tokens.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct LengthStats {
    /// Mean length.
    pub mean: f64,
    /// Least length.
    pub min: u32,
    /// Median: nearest rank, as all quantiles here.
    pub p50: u32,
    /// 90th percentile of the lengths.
    pub p90: u32,
    /// 95th percentile of the lengths.
    pub p95: u32,
    /// 99th percentile of the lengths.
    pub p99: u32,
    /// Greatest length.
    pub max: u32,
}

/// A part of the time and its requests.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ProfileBin {
    /// Beginning of the part: a time of day where the trace has dates, else seconds from the first request.
    pub from: String,
    /// Requests in it; where several days have it, of all of them.
    pub requests: u64,
    /// Requests a second, over what the trace covers of it.
    pub requests_per_s: f64,
}

/// Blocks of prompts.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BlockStats {
    /// Blocks of all prompts.
    pub references: u64,
    /// Different blocks.
    pub unique: u64,
    /// Tokens of a block; `None`: no usual size suits every row.
    pub tokens: Option<u64>,
}

/// Hits of an LRU cache with room for so many blocks.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CapacityHits {
    /// Room of the cache in blocks.
    pub capacity_blocks: u64,
    /// Room of the cache in tokens.
    pub capacity_tokens: Option<u64>,
    /// Blocks that were found.
    pub block_hits: u64,
    /// Blocks found over all blocks.
    pub hit_rate: f64,
    /// Input tokens found over all input tokens.
    pub token_hit_rate: Option<f64>,
}
