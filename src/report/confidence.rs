//! How sure the figures of one long run are, each judged by its own series.
//!
//! The window is cut into parts ([`super::batches`]). What a part adds to a figure, beside what the whole makes
//! expect, is a series: for a mean of latencies, their sum in the part less their number times the mean; for a time
//! average, the part's own; for a quantile, how many lie beyond it less their number times their share ("ratio
//! estimation": Law, "Simulation Modeling and Analysis", 5th edition, 9.5; for quantiles Heidelberger and Lewis,
//! Operations Research 32, 1984). Its spread, with the likeness of neighbours in it, is that of
//! [`crate::metrics::interval::of_series`]. A quantile's interval reaches from the value of one rank to that of
//! another, by whole buckets of the histogram.
//!
//! A figure whose series is so alike that fewer than [`LEAST`] independent pieces remain has no interval, and it is
//! said why. Figures of classes and of input lengths are counted over the whole window only: their intervals need
//! replications.

use serde_json::Value;

use super::batches::{BATCHES, edges, number, paths, value_of};
use super::stretch::{Evidence, WindowStretch, of_stretch};
use super::summary::{Interval, RunSummary};
use crate::metrics::SparseHistogram;
use crate::metrics::cells::Latencies;
use crate::metrics::interval::{LEVEL, Spread, around_known, is_correlated, of_series, t_quantile};
use crate::scenario::{Scenario, is_sum};
use crate::units::{NS_PER_S, SimTime};

/// Independent pieces of a series that an interval needs.
const LEAST: usize = 10;
/// Observations that an interval needs behind a mean.
const BEHIND: u64 = 200;
/// Observations that an interval needs beyond a quantile.
const BEYOND: u64 = 50;
/// Independent requests that an interval needs beyond a quantile.
const APART: f64 = 3.0;

/// Why a figure has no interval: neighbouring parts are too much alike.
pub(super) const DEPENDENT: &str = "the run is too short: its parts depend on one another";
/// Why a figure has no interval: it rests on too few observations.
const FEW: &str = "too few observations";

/// Adds the intervals of figures to the summary of the whole window, and why some have none.
pub(super) fn judge(scenario: &Scenario, evidence: &Evidence, summary: &mut RunSummary) {
    let edges: Vec<SimTime> = std::iter::once(evidence.timeline.start())
        .chain(edges(scenario))
        .collect();
    let cut = |step: usize| -> Vec<WindowStretch> {
        let kept: Vec<SimTime> = edges.iter().step_by(step).copied().collect();
        let pairs = kept.windows(2);
        pairs
            .map(|w| WindowStretch::new(scenario, evidence, w[0], w[1]))
            .collect()
    };
    let parts = cut(1);
    let batch = (parts.len() / BATCHES as usize).max(1);
    summary.in_system = cut(batch).iter().map(WindowStretch::in_system).collect();
    if parts.is_empty() || !scenario.is_drawn() {
        return;
    }
    let run = RunParts {
        whole: value_of(summary),
        trees: parts
            .iter()
            .map(|part| value_of(&of_stretch(scenario, part)))
            .collect(),
        latencies: parts.iter().map(WindowStretch::latencies).collect(),
        all: WindowStretch::new(
            scenario,
            evidence,
            evidence.timeline.start(),
            evidence.timeline.end(),
        )
        .latencies(),
        parts,
    };
    for path in paths(scenario) {
        let is_edge = path.ends_with("queue_length_end") || path.starts_with("requests.in_flight");
        let Some(x) = number(&run.whole, &path) else {
            continue;
        };
        if is_edge || path.starts_with("classes.") {
            continue;
        }
        match run.interval(&path, x) {
            Ok(interval) => summary.confidence.insert(path, interval).map(drop),
            Err(why) => summary.no_interval.insert(path, why.to_owned()).map(drop),
        };
    }
}

/// A run in parts that are alike, for the spread of its figures.
struct RunParts {
    whole: Value,
    parts: Vec<WindowStretch>,
    trees: Vec<Value>,
    latencies: Vec<Latencies>,
    all: Latencies,
}

impl RunParts {
    /// The interval of a figure whose value is `x`, or why there is none.
    fn interval(&self, path: &str, x: f64) -> Result<Interval, &'static str> {
        if let Some((name, statistic)) = latency_of(path) {
            let all = of_name(&self.all, name).ok_or(FEW)?;
            if let Some(per_mille) = per_mille(statistic) {
                return self.of_quantile(name, all, per_mille);
            }
            if all.count() < BEHIND {
                return Err(FEW);
            }
        }
        let n = self.parts.len() as f64;
        let weights: Vec<f64> = self.parts.iter().map(|part| weight(path, part)).collect();
        let mean_weight = weights.iter().sum::<f64>() / n;
        if mean_weight <= 0.0 {
            return Err(FEW);
        }
        let scale = if is_sum(path) { n } else { 1.0 };
        let off = |(tree, weight): (&Value, &f64)| match number(tree, path) {
            Some(part) => weight / mean_weight * (scale * part - x),
            None => 0.0,
        };
        let series: Vec<f64> = self.trees.iter().zip(&weights).map(off).collect();
        let (below, above) = spread(&series)?.reach();
        Ok(Interval {
            low: x - below,
            high: x + above,
        })
    }

    /// The interval of a quantile: from the shortest value beyond which the true share may be as small as the
    /// quantile's, to the longest beyond which it may be as large.
    fn of_quantile(
        &self,
        name: &str,
        all: &SparseHistogram,
        per_mille: u64,
    ) -> Result<Interval, &'static str> {
        let count = all.count();
        let beyond = count as f64 * (1.0 - per_mille as f64 / 1000.0);
        if beyond < BEYOND as f64 {
            return Err(FEW);
        }
        let parts: Vec<&SparseHistogram> = self
            .latencies
            .iter()
            .filter_map(|of_part| of_name(of_part, name))
            .collect();
        let n = parts.len() as f64;
        // How many requests may in truth lie beyond durations of this many nanoseconds.
        let may_lie = |end_ns: u64| -> Result<Interval, &'static str> {
            let seen = count - all.below(end_ns);
            let share = seen as f64 / count as f64;
            let off = |part: &&SparseHistogram| {
                let of_part = part.count();
                (of_part - part.below(end_ns)) as f64 - share * of_part as f64
            };
            let series: Vec<f64> = parts.iter().map(off).collect();
            let (below, above) = spread(&series)?.reach();
            Ok(Interval {
                low: seen as f64 - n * below,
                high: seen as f64 + n * above,
            })
        };
        let buckets = all.bucket_ends_ns();
        let is_before = |(_, end_ns): &(u64, u64)| all.below(*end_ns) < all.rank_of(per_mille);
        let at = buckets.partition_point(is_before);
        let (Some((_, end_ns)), Some((shorter, longer))) =
            (buckets.get(at), buckets.split_at_checked(at))
        else {
            return Err(FEW);
        };
        may_lie(*end_ns)?;
        is_often_enough(&parts, all, per_mille)?;
        let is_too_short =
            |(_, end_ns): &(u64, u64)| may_lie(*end_ns).is_ok_and(|n| n.low > beyond);
        let is_possible =
            |(_, end_ns): &(u64, u64)| may_lie(*end_ns).is_ok_and(|n| n.high >= beyond);
        let lowest = buckets.get(shorter.partition_point(is_too_short));
        // The first bucket whose end has too few beyond it holds the upper end.
        let highest = longer.get(longer.partition_point(is_possible));
        let is_bounded = highest.is_some_and(|(_, end_ns)| all.below(*end_ns) < count);
        let (Some((low, _)), Some((_, high)), true) = (lowest, highest, is_bounded) else {
            return Err(FEW);
        };
        let seconds = |ns: u64| ns as f64 / NS_PER_S as f64;
        Ok(Interval {
            low: seconds(*low),
            high: seconds(*high),
        })
    }
}

/// Whether the run holds enough of what makes the values beyond a quantile, long queues mostly. A calm run has few of
/// them and looks sure of itself, so it is not asked itself: where ten times as many requests lie beyond, how they
/// scatter tells how many of them are independent, and of so many [`APART`] should lie beyond the quantile.
fn is_often_enough(
    parts: &[&SparseHistogram],
    all: &SparseHistogram,
    per_mille: u64,
) -> Result<(), &'static str> {
    let nearer = per_mille.min((10 * per_mille).saturating_sub(9_000).max(500));
    let buckets = all.bucket_ends_ns();
    let rank = all.rank_of(nearer);
    let at = buckets.partition_point(|(_, end_ns)| all.below(*end_ns) < rank);
    let (_, end_ns) = buckets.get(at).ok_or(FEW)?;
    let beyond = |d: &SparseHistogram| (d.count() - d.below(*end_ns)) as f64;
    let share = beyond(all) / all.count() as f64;
    let series: Vec<f64> = parts
        .iter()
        .map(|part| beyond(part) - share * part.count() as f64)
        .collect();
    let error = spread(&series)?.error * parts.len() as f64 / all.count() as f64;
    let independent = share * (1.0 - share) / (error * error);
    let is_enough = error == 0.0 || independent * (1000 - per_mille) as f64 / 1000.0 >= APART;
    is_enough.then_some(()).ok_or(DEPENDENT)
}

/// The spread of a series, or why it says too little.
fn spread(series: &[f64]) -> Result<Spread, &'static str> {
    if (series.len() as u64) <= BATCHES {
        // Whole days: too few to see how they hang together, long enough not to.
        let interval = around_known(0.0, series).filter(|_| !is_correlated(series));
        let half = interval.ok_or(DEPENDENT)?.half();
        let freedom = series.len() - 1;
        return Ok(Spread {
            error: half / t_quantile(LEVEL, freedom),
            pieces: series.len(),
            freedom,
            skewness: 0.0,
        });
    }
    of_series(series)
        .filter(|spread| spread.pieces >= LEAST)
        .ok_or(DEPENDENT)
}

/// The weight of a part in a figure: what the figure is divided by, where that is not the part's length.
fn weight(path: &str, part: &WindowStretch) -> f64 {
    let tokens = || part.all_classes();
    match path {
        "kv_hit_rate" => tokens().input as f64,
        "economics.usd_per_million_output_tokens" | "economics.joules_per_output_token" => {
            tokens().output_1024 as f64
        }
        "decode.output_speed_tokens_per_s" => part.steps().ns_after_first as f64,
        "decode.kv_length_tokens" => part.steps().request_steps as f64,
        _ => match latency_of(path) {
            Some((name, _)) => of_name(&part.latencies(), name).map_or(0.0, |d| d.count() as f64),
            None => 1.0,
        },
    }
}

/// Latency and figure of a path: `ttft_s` and `p99` of `latency.ttft_s.p99`; `None`: it is no latency's.
fn latency_of(path: &str) -> Option<(&str, &str)> {
    path.strip_prefix("latency.")?.rsplit_once('.')
}

fn of_name<'a>(latencies: &'a Latencies, name: &str) -> Option<&'a SparseHistogram> {
    Some(match name {
        "ttft_s" => &latencies.ttft,
        "tpot_s" => &latencies.tpot,
        "itl_s" => &latencies.itl,
        "e2e_s" => &latencies.e2e,
        "queue_s" => &latencies.queue,
        "decode_queue_s" => &latencies.decode_queue,
        _ => return None,
    })
}

fn per_mille(statistic: &str) -> Option<u64> {
    Some(match statistic {
        "p50" => 500,
        "p90" => 900,
        "p95" => 950,
        "p99" => 990,
        "p999" => 999,
        _ => return None,
    })
}
