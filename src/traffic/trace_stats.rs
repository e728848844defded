//! What a trace is like: how many requests, how bursty, how long, when, and how much of it a prefix cache could find.

use std::collections::BTreeMap;

use super::block_sizes::BlockSizes;
use super::client_stats::stats_of_clients;
use super::fault::{BadLines, TrafficFault};
use super::prefix_lru::{PrefixLru, TouchOrder};
use super::recorded_request::{Clock, RecordedRequest};
use super::sorted_trace::{SortedTrace, Survey, survey};
use super::trace_figures::{
    BlockStats, Burstiness, CapacityHits, LengthStats, ProfileBin, TraceStats,
};
use super::trace_source::TraceSource;

const NS: i64 = 1_000_000_000;
const MINUTE: i64 = 60 * NS;

/// Windows over which arrivals are counted for the index of dispersion, in seconds.
const WINDOWS: [i64; 3] = [1, 10, 60];

/// Most rows of the profile.
const PROFILE_ROWS: i64 = 24;

/// Lengths of the profile's rows, in minutes.
const PROFILE_MINUTES: [i64; 11] = [1, 2, 5, 10, 15, 30, 60, 180, 360, 720, 1440];

/// Reads a trace twice and says what it is like; of laws of clients, what is to be expected. `capacities` are asked for beside the usual ones; the requests go to
/// `caches` caches in turn.
///
/// # Errors
///
/// What is wrong with the file, each mistake once.
pub fn stats(
    source: &TraceSource,
    bad: BadLines,
    capacities: &[u64],
    caches: usize,
) -> Result<(TraceStats, Vec<TrafficFault>), Vec<TrafficFault>> {
    if let Some(clients) = source.clients(bad)? {
        let mistakes = clients.mistakes.clone();
        return Ok((stats_of_clients(&clients), mistakes));
    }
    let mut sizes = BlockSizes::default();
    let found = survey(source, bad, |request| sizes.see(request))?;
    let block_tokens = found.block_tokens.or(sizes.tokens());
    let mut counted = TraceCounts::new(&found, block_tokens, caches.max(1));
    let mut rows = SortedTrace::new(source, found.disorder)?;
    let mut request = RecordedRequest::default();
    while rows.read(&mut request)? {
        counted.see(&request);
    }
    let mistakes = found.mistakes.clone();
    Ok((counted.stats(found, capacities), mistakes))
}

/// What is counted as the requests go by.
struct TraceCounts {
    first: i64,
    last: Option<i64>,
    clock: Clock,
    requests: u64,
    gaps: (f64, f64),
    windows: [WindowCount; 3],
    lengths: [BTreeMap<u32, u64>; 2],
    cached: Option<u64>,
    minutes: BTreeMap<i64, u64>,
    caches: Vec<PrefixLru>,
    block_tokens: Option<u64>,
}

/// Counts in windows of equal length: the running one, and sums over those before.
#[derive(Clone, Copy, Debug, Default)]
struct WindowCount {
    window: i64,
    count: u64,
    sum: f64,
    squares: f64,
}

impl TraceCounts {
    fn new(found: &Survey, block_tokens: Option<u64>, caches: usize) -> Self {
        Self {
            first: found.first,
            last: None,
            clock: found.clock,
            requests: 0,
            gaps: (0.0, 0.0),
            windows: [WindowCount::default(); 3],
            lengths: [BTreeMap::new(), BTreeMap::new()],
            cached: None,
            minutes: BTreeMap::new(),
            caches: vec![PrefixLru::new(TouchOrder::LastFirst); caches],
            block_tokens,
        }
    }

    fn see(&mut self, request: &RecordedRequest) {
        if let Some(last) = self.last {
            let gap = (request.at - last) as f64 / NS as f64;
            self.gaps = (self.gaps.0 + gap, self.gaps.1 + gap * gap);
        }
        self.last = Some(request.at);
        for (window, seconds) in self.windows.iter_mut().zip(WINDOWS) {
            let now = (request.at - self.first) / (seconds * NS);
            if now > window.window {
                window.close();
                window.window = now;
            }
            window.count += 1;
        }
        for (lengths, length) in self.lengths.iter_mut().zip([request.input, request.output]) {
            *lengths.entry(length).or_default() += 1;
        }
        if let Some(cached) = request.cached {
            *self.cached.get_or_insert(0) += u64::from(cached);
        }
        let since = match self.clock {
            Clock::Beginning => request.at - self.first,
            Clock::Civil | Clock::Instant => request.at,
        };
        *self.minutes.entry(since.div_euclid(MINUTE)).or_default() += 1;
        let turn = self.requests as usize % self.caches.len();
        let (size, input) = (self.block_tokens.unwrap_or(0), u64::from(request.input));
        if !request.blocks.is_empty() {
            self.caches[turn].request(&request.blocks, |n| (n * size).min(input));
        }
        self.requests += 1;
    }

    fn stats(self, found: Survey, capacities: &[u64]) -> TraceStats {
        let span_ns = self.last.map_or(0, |last| last - self.first);
        let span_s = span_ns as f64 / NS as f64;
        let n = self.requests as f64;
        let gaps = n - 1.0;
        let cv = (self.gaps.0 > 0.0).then(|| {
            let mean = self.gaps.0 / gaps;
            ((self.gaps.1 / gaps - mean * mean).max(0.0)).sqrt() / mean
        });
        let [one, ten, sixty] =
            [0, 1, 2].map(|i| self.windows[i].dispersion(span_ns / (WINDOWS[i] * NS)));
        let [input, output] = [0, 1].map(|i| lengths(&self.lengths[i], self.requests));
        let tokens = |i: usize| {
            self.lengths[i]
                .iter()
                .map(|(length, count)| u64::from(*length) * count)
                .sum::<u64>()
        };
        let references: u64 = self.caches.iter().map(|cache| cache.references).sum();
        let unique = self.caches.iter().map(PrefixLru::unique).max().unwrap_or(0);
        let of_input = |hits: u64| self.block_tokens.map(|_| hits as f64 / tokens(0) as f64);
        let hits = |capacity: Option<u64>| {
            let each = self.caches.iter().map(|cache| cache.hits(capacity));
            each.fold((0, 0), |sum, hits| (sum.0 + hits.0, sum.1 + hits.1))
        };
        let of_capacity = |capacity: u64| {
            let (blocks, tokens) = hits(Some(capacity));
            CapacityHits {
                capacity_blocks: capacity,
                capacity_tokens: self.block_tokens.map(|size| size * capacity),
                block_hits: blocks,
                hit_rate: blocks as f64 / references as f64,
                token_hit_rate: of_input(tokens),
            }
        };
        let mut remarks = found.remarks.clone();
        if found.late > 0 {
            remarks.push(format!("{} rows came late and were sorted in", found.late));
        }
        let has_blocks = references > 0;
        let (ideal, ideal_tokens) = hits(None);
        TraceStats {
            requests: self.requests,
            failed_requests: found.failed,
            skipped_lines: found.skipped,
            input_tokens: tokens(0),
            output_tokens: tokens(1),
            cached_tokens: self.cached,
            span_s,
            requests_per_s: (span_s > 0.0).then(|| n / span_s),
            arrivals: Burstiness {
                cv,
                dispersion_1s: one,
                dispersion_10s: ten,
                dispersion_60s: sixty,
            },
            input,
            output,
            profile: profile(&self.minutes, self.clock, span_ns, self.first),
            ideal_hit_rate: has_blocks.then(|| ideal as f64 / references as f64),
            ideal_token_hit_rate: has_blocks.then(|| of_input(ideal_tokens)).flatten(),
            blocks: has_blocks.then_some(BlockStats {
                references,
                unique,
                tokens: self.block_tokens,
            }),
            hit_rate_over_capacity: match has_blocks {
                true => all_capacities(unique, capacities)
                    .into_iter()
                    .map(of_capacity)
                    .collect(),
                false => Vec::new(),
            },
            remarks,
        }
    }
}

impl WindowCount {
    fn close(&mut self) {
        self.sum += self.count as f64;
        self.squares += (self.count * self.count) as f64;
        self.count = 0;
    }

    /// Variance over mean of the counts of so many whole windows, those without a request included.
    fn dispersion(mut self, whole: i64) -> Option<f64> {
        // The last window is whole only if the span says so.
        if self.window < whole {
            self.close();
        }
        let n = whole as f64;
        let mean = self.sum / n;
        (whole >= 2 && mean > 0.0).then(|| (self.squares / n - mean * mean) / mean)
    }
}

fn lengths(counts: &BTreeMap<u32, u64>, requests: u64) -> LengthStats {
    let quantile = |part: f64| {
        let rank = (libm::ceil(part * requests as f64) as u64).max(1);
        let mut seen = 0;
        let found = counts.iter().find(|(_, count)| {
            seen += **count;
            seen >= rank
        });
        found.map_or(0, |(length, _)| *length)
    };
    let sum: u64 = counts
        .iter()
        .map(|(length, count)| u64::from(*length) * count)
        .sum();
    LengthStats {
        mean: sum as f64 / requests.max(1) as f64,
        min: counts.keys().next().copied().unwrap_or(0),
        p50: quantile(0.5),
        p90: quantile(0.9),
        p95: quantile(0.95),
        p99: quantile(0.99),
        max: counts.keys().next_back().copied().unwrap_or(0),
    }
}

/// Capacities of a curve up to so many blocks: 1, 2 and 5 times powers of ten, and those asked for.
fn all_capacities(unique: u64, asked: &[u64]) -> Vec<u64> {
    let tens = std::iter::successors(Some(100_u64), |ten| ten.checked_mul(10));
    let usual = tens.flat_map(|ten| [ten, 2 * ten, 5 * ten]);
    let mut all: Vec<u64> = usual.take_while(|capacity| *capacity < unique).collect();
    all.push(unique);
    all.extend(asked);
    all.sort_unstable();
    all.dedup();
    all
}

/// Requests over the time: by the hour of the day where a trace of dates covers more than a day, else in order.
fn profile(
    minutes: &BTreeMap<i64, u64>,
    clock: Clock,
    span_ns: i64,
    first: i64,
) -> Vec<ProfileBin> {
    let is_dated = clock != Clock::Beginning;
    let total = span_ns / MINUTE + 1;
    let is_folded = is_dated && total > 1440;
    let width = match is_folded {
        true => 60,
        false => {
            let fits = PROFILE_MINUTES
                .into_iter()
                .find(|width| total <= PROFILE_ROWS * *width);
            fits.unwrap_or(1440 * (total / (1440 * PROFILE_ROWS) + 1))
        }
    };
    let mut bins: BTreeMap<i64, (u64, i64)> = BTreeMap::new();
    let begins = if is_dated {
        first.div_euclid(MINUTE)
    } else {
        0
    };
    let bin = |minute: i64| match is_folded {
        true => minute.rem_euclid(1440) / width,
        false => minute.div_euclid(width),
    };
    for minute in begins..begins + total {
        let here = bins.entry(bin(minute)).or_default();
        here.1 += 1;
        here.0 += minutes.get(&minute).copied().unwrap_or(0);
    }
    let shown = |bin: i64| {
        let minute = bin * width;
        match is_dated {
            true => format!(
                "{:02}:{:02}",
                minute.rem_euclid(1440) / 60,
                minute.rem_euclid(60)
            ),
            false => format!("{} s", minute * 60),
        }
    };
    let row = |(bin, (requests, minutes)): (i64, (u64, i64))| ProfileBin {
        from: shown(bin),
        requests,
        requests_per_s: requests as f64 / (minutes * 60) as f64,
    };
    bins.into_iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_a_trace_by_hand() {
        let rows = "0,100,10\n1,200,20\n3,300,30\n6,400,0\n";
        let text = format!("arrived_s,input_tokens,output_tokens\n{rows}");
        let (stats, _) =
            stats(&TraceSource::Text(text.into()), BadLines::Refuse, &[], 1).expect("a trace");
        assert_eq!(
            (
                stats.requests,
                stats.failed_requests,
                stats.input_tokens,
                stats.output_tokens
            ),
            (4, 1, 1000, 60)
        );
        assert_eq!((stats.span_s, stats.requests_per_s), (6.0, Some(4.0 / 6.0)));
        // gaps 1, 2, 3: mean 2, variance 2/3
        let cv = stats.arrivals.cv.expect("three gaps");
        assert!((cv - (2.0_f64 / 3.0).sqrt() / 2.0).abs() < 1e-12, "{cv}");
        // six whole seconds with 1, 1, 0, 1, 0, 0 requests: mean 1/2, variance 1/4
        let dispersion = stats.arrivals.dispersion_1s.expect("six windows");
        assert!((dispersion - 0.5).abs() < 1e-12, "{dispersion}");
        assert_eq!(
            (stats.input.p50, stats.input.p99, stats.input.mean),
            (200, 400, 250.0)
        );
        assert_eq!(stats.ideal_hit_rate, None);
    }

    #[test]
    fn hits_are_counted_in_blocks_and_tokens() {
        let row = |ids: &str, input: u32| {
            format!(
                "{{\"timestamp\": 0, \"input_length\": {input}, \"output_length\": 1, \"hash_ids\": [{ids}]}}\n"
            )
        };
        let text = [row("1, 2", 600), row("1, 3", 700), row("1, 2", 600)].concat();
        let source = TraceSource::Text(text.into());
        let (one, _) = stats(&source, BadLines::Refuse, &[2], 1).expect("a trace");
        let blocks = one.blocks.expect("blocks");
        assert_eq!(
            (blocks.references, blocks.unique, blocks.tokens),
            (6, 3, Some(512))
        );
        assert_eq!(one.ideal_hit_rate, Some(0.5));
        assert_eq!(one.ideal_token_hit_rate, Some((512.0 + 600.0) / 1900.0));
        assert_eq!(
            one.hit_rate_over_capacity[0].block_hits, 2,
            "with room for two"
        );
        let (two, _) = stats(&source, BadLines::Refuse, &[], 2).expect("a trace");
        assert_eq!(
            two.ideal_hit_rate,
            Some(2.0 / 6.0),
            "the first and the third share a cache"
        );
    }
}
