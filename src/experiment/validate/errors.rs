//! How far predictions are from measurements: quantiles of errors, and whether configurations come out in
//! the right order.

use serde::Serialize;

use crate::experiment::measurement::{Measurement, Prediction};

/// Absolute relative errors of one figure.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Error {
    /// Median of the absolute relative errors.
    pub median: f64,
    /// 90th percentile of the absolute relative errors.
    pub p90: f64,
    /// Median of predicted over measured.
    pub bias: f64,
}

/// Errors of a group of measurements.
#[derive(Clone, Debug, Serialize)]
pub struct ErrorGroup {
    /// Name of the group.
    pub name: String,
    /// Number of measurements in the group.
    pub count: usize,
    /// Errors of the mean time per output token.
    pub tpot: Error,
    /// Errors of the mean time to first token.
    pub ttft: Error,
}

/// A measurement and its prediction.
pub type Pair<'a> = (&'a Measurement, Prediction);

/// Errors of these pairs.
pub fn group(name: &str, pairs: &[Pair<'_>]) -> ErrorGroup {
    let of = |predicted: fn(&Prediction) -> f64, measured: fn(&Measurement) -> Option<f64>| {
        let ratios = pairs
            .iter()
            .filter_map(|(m, p)| Some(predicted(p) / measured(m)?));
        error(ratios.collect())
    };
    ErrorGroup {
        name: name.to_string(),
        count: pairs.len(),
        tpot: of(|p| p.tpot_s, |m| m.tpot_s),
        ttft: of(|p| p.ttft_s, |m| m.ttft_s),
    }
}

fn error(mut ratios: Vec<f64>) -> Error {
    ratios.retain(|r| r.is_finite());
    let bias = quantile(&mut ratios, 0.5);
    let mut off: Vec<f64> = ratios.iter().map(|r| (r - 1.0).abs()).collect();
    Error {
        median: quantile(&mut off, 0.5),
        p90: quantile(&mut off, 0.9),
        bias,
    }
}

/// A quantile, linear between order statistics.
pub fn quantile(values: &mut [f64], part: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let Some(last) = values.len().checked_sub(1) else {
        return f64::NAN;
    };
    let place = part * last as f64;
    let low = place as usize;
    let high = (low + 1).min(last);
    values[low] + (place - low as f64) * (values[high] - values[low])
}

/// Pairs of configurations at equal load, and how many are in the right order of tokens/s per accelerator.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Order {
    /// Pairs whose measured throughputs differ by more than `gap`.
    pub pairs: usize,
    /// Number of these pairs that the simulator puts in the right order.
    pub right: usize,
    /// Least difference of the pairs' throughputs, as a part.
    pub gap: f64,
}

impl Order {
    /// The part of the pairs in the right order.
    pub fn share(&self) -> f64 {
        self.right as f64 / self.pairs.max(1) as f64
    }
}

/// The order of different configurations of one model on one kind of accelerator with the same lengths and
/// concurrency.
pub fn order(pairs: &[Pair<'_>], gap: f64) -> Order {
    let mut found = Order {
        gap,
        ..Order::default()
    };
    for (i, (a, pa)) in pairs.iter().enumerate() {
        for (b, pb) in &pairs[i + 1..] {
            let same = a.model == b.model
                && a.gpu == b.gpu
                && (a.input, a.output, a.concurrency) == (b.input, b.output, b.concurrency)
                && a.curve != b.curve;
            let measured = |m: &Measurement| Some(m.throughput(m.ttft_s?, m.tpot_s?));
            let (true, Some(x), Some(y)) = (same, measured(a), measured(b)) else {
                continue;
            };
            if libm::log(x / y).abs() <= gap {
                continue;
            }
            let (p, q) = (
                a.throughput(pa.ttft_s, pa.tpot_s),
                b.throughput(pb.ttft_s, pb.tpot_s),
            );
            found.pairs += 1;
            found.right += usize::from((x > y) == (p > q));
        }
    }
    found
}
