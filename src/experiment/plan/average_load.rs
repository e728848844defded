//! What an average request asks of the cluster, and how many come: the load of the steady-state arithmetic.
//!
//! Moments of lengths come from the very tables that a run draws from, at evenly spread addresses. With a
//! hit rate of f, a prompt of I tokens computes (1 - f) I of them over (1 - f^2) I^2 / 2 (query, key) pairs;
//! an output of O tokens reads KV I + j at its j-th step. Of these O steps the first is prefill's, except where
//! first tokens come from a decode pool (S8). Ignored: that hits are whole blocks. Of prompts that share a beginning all of
//! it is taken to hit, and neither to take memory nor to be read: what is asked is not less than this.

use super::phases::decode_begins;
use crate::scenario::{ArrivalKind, Class, LengthLaw, Period, RateSegment, Scenario};
use crate::units::{NS_PER_DAY, NS_PER_S, SimDuration};
use crate::workload::copula::LengthPairs;
use crate::workload::length::{LengthScale, Lengths};

/// Number of random addresses at which a law is read.
const SAMPLES: u64 = 4_096;

/// Number of addresses of each of two laws that are read together.
const PAIRS: u64 = 128;

/// The load of a part of the day.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct OfferedLoad {
    /// Requests per second, mean.
    pub per_s: f64,
    /// Requests per second, at most.
    pub peak_per_s: f64,
    /// Computed tokens of a prompt, mean.
    pub computed: f64,
    /// (Query, key) pairs of a prompt, mean.
    pub pairs: f64,
    /// Tokens that decode steps emit, mean: those after the first, or all.
    pub decoded: f64,
    /// KV tokens behind a decoded token, mean.
    pub kv: f64,
}

/// Moments of the classes' requests, kept for every question about the day.
#[derive(Clone, Debug)]
pub struct Loads<'a> {
    classes: Vec<(&'a Class, Vec<Moments>)>,
}

/// Moments of one class's requests in one period.
#[derive(Clone, Copy, Debug, Default)]
struct Moments {
    computed: f64,
    pairs: f64,
    decoded: f64,
    /// KV tokens summed over a request's decode steps.
    kv: f64,
}

impl<'a> Loads<'a> {
    /// The loads of a scenario; `None`: a class has no rate that is known in advance.
    pub fn of(scenario: &'a Scenario) -> Option<Self> {
        let is_day = |class: &Class| class.arrivals.cycle.0 == NS_PER_DAY;
        let known = |class: &Class| {
            is_day(class)
                && !matches!(
                    class.arrivals.kind,
                    ArrivalKind::ClosedLoop(_) | ArrivalKind::Sessions(_) | ArrivalKind::Trace(_)
                )
        };
        let by_prefill = if decode_begins(scenario) { 0.0 } else { 1.0 };
        let classes = scenario.classes.iter();
        let of_class = |class| (class, moments(class, by_prefill));
        scenario.classes.iter().all(known).then(|| Self {
            classes: classes.map(of_class).collect(),
        })
    }

    /// The load between two times of the day, `from < to`.
    pub fn between(&self, from: SimDuration, to: SimDuration) -> OfferedLoad {
        let mut load = OfferedLoad::default();
        let mut requests = 0.0;
        let mut sum = Moments::default();
        let mut peaks = Vec::new();
        for (class, moments) in &self.classes {
            let mut peak = 0.0_f64;
            for segment in &class.arrivals.rate {
                let Some((count, highest)) = part(segment, from, to) else {
                    continue;
                };
                peak = peak.max(highest);
                requests += count;
                let of = moments
                    .get(segment.period as usize)
                    .copied()
                    .unwrap_or_default();
                sum.computed += count * of.computed;
                sum.pairs += count * of.pairs;
                sum.decoded += count * of.decoded;
                sum.kv += count * of.kv;
            }
            peaks.push(peak);
        }
        load.per_s = requests / seconds(SimDuration(to.0 - from.0));
        load.peak_per_s = peaks.iter().sum();
        if requests > 0.0 {
            load.computed = sum.computed / requests;
            load.pairs = sum.pairs / requests;
            load.decoded = sum.decoded / requests;
            load.kv = sum.kv / sum.decoded.max(f64::MIN_POSITIVE);
        }
        load
    }

    /// The load of the whole day.
    pub fn day(&self) -> OfferedLoad {
        self.between(SimDuration::ZERO, SimDuration(NS_PER_DAY))
    }
}

/// Requests of a segment that arrive between two times, and the highest rate there; `None`: it lies outside.
fn part(segment: &RateSegment, from: SimDuration, to: SimDuration) -> Option<(f64, f64)> {
    let (a, b) = (segment.from.max(from), segment.to.min(to));
    if a >= b {
        return None;
    }
    let length = (segment.to.0 - segment.from.0) as f64;
    let slope = (segment.rate_to_per_s - segment.rate_from_per_s) / length;
    let rate = |at: SimDuration| segment.rate_from_per_s + slope * (at.0 - segment.from.0) as f64;
    let (first, last) = (rate(a), rate(b));
    let count = (first + last) / 2.0 * seconds(SimDuration(b.0 - a.0));
    Some((count, first.max(last)))
}

/// Moments of a class of whose output prefill makes `by_prefill` tokens, period by period.
fn moments(class: &Class, by_prefill: f64) -> Vec<Moments> {
    let (inputs, outputs) = (Lengths::new(&class.input), Lengths::new(&class.output));
    let periods = &class.arrivals.periods;
    let shared = class.shared_prompts.map_or(0.0, |s| f64::from(s.tokens));
    let mut known: Vec<(Period, Moments)> = Vec::new();
    for period in periods {
        if known.iter().any(|(p, _)| p == period) {
            continue;
        }
        let (input, input_square) = two_moments(&inputs, &class.input, period.input_scale, 0.0);
        let (output, output_square) =
            two_moments(&outputs, &class.output, period.output_scale, by_prefill);
        let f = period.hit_rate;
        let joined = joined(class, [&inputs, &outputs], period).unwrap_or(1.0);
        let moments = Moments {
            computed: ((1.0 - f) * input - shared).max(1.0),
            pairs: ((1.0 - f * f) * input_square - shared * shared).max(0.0) / 2.0,
            decoded: output,
            kv: (joined * input - shared).max(0.0) * output + output_square / 2.0,
        };
        known.push((*period, moments));
    }
    let of = |period: &Period| known.iter().find(|(p, _)| p == period).map(|(_, m)| *m);
    periods
        .iter()
        .map(|period| of(period).unwrap_or_default())
        .collect()
}

/// Mean of input times output, over the product of their means, where they depend on one another.
fn joined(class: &Class, laws: [&Lengths; 2], period: &Period) -> Option<f64> {
    if let ArrivalKind::Clients(play) = &class.arrivals.kind {
        return Some(play.pool.joined());
    }
    let pairs = LengthPairs::new(laws[0], laws[1], class.length_correlation?);
    let scales = [period.input_scale, period.output_scale].map(LengthScale::new);
    let step = u64::MAX / PAIRS;
    let place = |n: u64| n * step + step / 2;
    let mut sums = [0.0; 3];
    for (a, b) in (0..PAIRS).flat_map(|a| (0..PAIRS).map(move |b| (a, b))) {
        let (input, output) = pairs.at(laws, [place(a), place(b)], scales);
        let (input, output) = (f64::from(input), f64::from(output));
        let of = [input, output, input * output];
        sums.iter_mut().zip(of).for_each(|(sum, x)| *sum += x);
    }
    Some(sums[2] * (PAIRS * PAIRS) as f64 / (sums[0] * sums[1]))
}

/// Means of a length less `less`, and of its square.
fn two_moments(lengths: &Lengths, law: &LengthLaw, scale: f64, less: f64) -> (f64, f64) {
    let scale = LengthScale::new(scale);
    let step = u64::MAX / SAMPLES;
    let (mut sum, mut square) = (0.0, 0.0);
    for n in 0..SAMPLES {
        let length = lengths.at(n * step + step / 2, scale);
        let x = f64::from(length.min(law.max)) - less;
        sum += x;
        square += x * x;
    }
    (sum / SAMPLES as f64, square / SAMPLES as f64)
}

fn seconds(time: SimDuration) -> f64 {
    time.0 as f64 / NS_PER_S as f64
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_published_day_asks_what_was_published() {
        let scenario = crate::scenario::load("deepseek-day", &[]).unwrap();
        let load = Loads::of(&scenario).unwrap().day();
        let near =
            |x: f64, y: f64, part: f64| assert!((x / y - 1.0).abs() < part, "{x} is not {y}");
        near(load.per_s * 86_400.0, 155_542_193.0, 1e-6);
        near(load.computed, 608e9 / 155_542_193.0 * (1.0 - 0.5625), 0.01);
        near(load.decoded + 1.0, 168e9 / 155_542_193.0, 0.01);
        near(load.kv, 4_989.0, 0.01);
        assert!(load.peak_per_s > load.per_s);
        let hour = |h: u64| SimDuration(h * 3_600 * NS_PER_S);
        let night = Loads::of(&scenario).unwrap().between(hour(3), hour(4));
        assert!(night.per_s < 0.5 * load.per_s);
    }
}
