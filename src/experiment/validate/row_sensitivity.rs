//! How much what is predicted of recorded servers hangs on each constant: each is moved by a tenth, both ways, and the
//! rows are played again.

use serde::Serialize;

use super::errors::{Pair, quantile};
use crate::catalog::{self, CONSTANTS, Constant, ServingEngine};
use crate::experiment::measurement::{Measurement, Prediction, hash};
use crate::experiment::parallel::in_parallel;
use crate::perf::KnownSteps;

/// Part by which constants are moved.
const MOVED: f64 = 0.1;
/// Rows that are played: enough for a median.
const ROWS: usize = 60;
/// Part of a latency's change, in the median or in a tenth of the rows, below which a constant is left out.
const NEGLIGIBLE: f64 = 0.002;

/// What moving a constant does to recorded servers.
#[derive(Clone, Debug, Serialize)]
pub struct RowSensitivity {
    /// Name of the constant.
    pub constant: &'static str,
    /// Number of rows whose TPOT or TTFT moves by 0.2 % or more.
    pub rows: usize,
    /// Change of the TPOT with a tenth less, as a part: the median of those rows.
    pub tpot_less: f64,
    /// Change of the TPOT with a tenth more.
    pub tpot_more: f64,
    /// Change of the TTFT with a tenth less.
    pub ttft_less: f64,
    /// Change of the TTFT with a tenth more.
    pub ttft_more: f64,
    /// Median error of the TPOT of all rows with a tenth less.
    pub error_less: f64,
    /// Median error of the TPOT of all rows as they are.
    pub error: f64,
    /// Median error of the TPOT of all rows with a tenth more.
    pub error_more: f64,
}

/// Moves every constant, on rows that are spread over engines, accelerators, models and number formats; constants that
/// nothing hangs on are left out, the others come in the order of what they do to the TPOT of all rows.
pub fn row_sensitivities(pairs: &[Pair<'_>]) -> Vec<RowSensitivity> {
    let known = KnownSteps::default();
    // the first row of every cell by hash, then the second of each, and so on
    let key = |m: &Measurement| hash(&format!("{} {}", m.curve, m.concurrency));
    let cell = |m: &Measurement| format!("{} {} {} {:?}", m.engine, m.gpu, m.model, m.gemm);
    let mut sorted: Vec<(String, u64, &Measurement)> =
        pairs.iter().map(|(m, _)| (cell(m), key(m), *m)).collect();
    sorted.sort_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
    let mut order: Vec<(usize, u64, &Measurement)> = Vec::new();
    for of_cell in sorted.chunk_by(|a, b| a.0 == b.0) {
        order.extend(
            of_cell
                .iter()
                .enumerate()
                .map(|(place, (_, key, m))| (place, *key, *m)),
        );
    }
    order.sort_by_key(|(place, key, _)| (*place, *key));
    let rows = order.iter().take(ROWS);
    let rows: Vec<(&Measurement, ServingEngine)> = rows
        .filter_map(|(_, _, m)| Some((*m, catalog::engine(&m.engine_and_release(), &m.gpu)?)))
        .collect();
    let play = |moved: Option<(Constant, f64)>| -> Vec<Option<Prediction>> {
        in_parallel(&rows, |(m, engine)| {
            let mut engine = engine.clone();
            if let Some((constant, factor)) = moved {
                let mut figure = engine.figure(constant).clone();
                figure.value *= factor;
                engine.set(constant, figure);
            }
            m.predict(Some(&engine), &known).ok()
        })
    };
    let error = |played: &[Option<Prediction>]| {
        let each = rows.iter().zip(played);
        let mut off: Vec<f64> = each
            .filter_map(|((m, _), p)| Some((p.as_ref()?.tpot_s / m.tpot_s? - 1.0).abs()))
            .collect();
        quantile(&mut off, 0.5)
    };
    let base = play(None);
    let mut found = Vec::new();
    for (constant, info) in CONSTANTS {
        let changes = |played: &[Option<Prediction>]| -> Vec<(f64, f64)> {
            let each = played.iter().zip(&base);
            each.filter_map(|(p, b)| {
                let (p, b) = (p.as_ref()?, b.as_ref()?);
                Some((p.tpot_s / b.tpot_s - 1.0, p.ttft_s / b.ttft_s - 1.0))
            })
            .collect()
        };
        let moves = |(tpot, ttft): &(f64, f64)| tpot.abs().max(ttft.abs()) >= NEGLIGIBLE;
        let more = play(Some((*constant, 1.0 + MOVED)));
        let after_more: Vec<(f64, f64)> = changes(&more).into_iter().filter(moves).collect();
        if after_more.is_empty() {
            continue;
        }
        let less = play(Some((*constant, 1.0 - MOVED)));
        let after_less: Vec<(f64, f64)> = changes(&less).into_iter().filter(moves).collect();
        let median = |all: &[(f64, f64)], of: fn(&(f64, f64)) -> f64| {
            quantile(&mut all.iter().map(of).collect::<Vec<f64>>(), 0.5)
        };
        found.push(RowSensitivity {
            constant: info.key,
            rows: after_more.len(),
            tpot_less: median(&after_less, |c| c.0),
            tpot_more: median(&after_more, |c| c.0),
            ttft_less: median(&after_less, |c| c.1),
            ttft_more: median(&after_more, |c| c.1),
            error_less: error(&less),
            error: error(&base),
            error_more: error(&more),
        });
    }
    let weight = |s: &RowSensitivity| s.tpot_more.abs() * s.rows as f64;
    found.sort_by(|a, b| weight(b).total_cmp(&weight(a)));
    found
}
