//! The large measured set beside the simulator: once with what kernels and publications say, once
//! calibrated.

use serde::Serialize;

use super::errors::{ErrorGroup, Order, Pair, group, order};
use crate::catalog;
use crate::experiment::measurement::{Measurement, Prediction};
use crate::experiment::parallel::in_parallel;
use crate::perf::KnownSteps;

/// Difference of throughput, as a part, below which it is the measurements' own noise.
const NOISE: f64 = 0.03;

/// Errors of one set of constants.
#[derive(Clone, Debug, Serialize)]
pub struct ErrorReport {
    /// Name of the set of constants.
    pub constants: &'static str,
    /// Errors of all rows, then of rows with usable conditions, then by engine, accelerator and model.
    pub groups: Vec<ErrorGroup>,
    /// Orders of all pairs, and of those beyond the measurements' noise.
    pub orders: Vec<Order>,
}

/// Predictions of all measurements; `calibrated`: with the catalog's constants as they are.
///
/// # Errors
/// Where a measurement cannot be played.
pub fn predictions(all: &[Measurement], calibrated: bool) -> Result<Vec<Prediction>, String> {
    let known = KnownSteps::default();
    let one = |m: &Measurement| {
        let engine = catalog::engine(&m.engine_and_release(), &m.gpu);
        let plain = engine.filter(|_| !calibrated).map(|e| e.uncalibrated());
        m.predict(plain.as_ref(), &known)
    };
    in_parallel(all, one).into_iter().collect()
}

/// Errors of predictions by group of measurements.
pub fn report(
    constants: &'static str,
    all: &[Measurement],
    predictions: &[Prediction],
) -> ErrorReport {
    let pairs: Vec<Pair<'_>> = all.iter().zip(predictions.iter().copied()).collect();
    let usable: Vec<Pair<'_>> = pairs
        .iter()
        .filter(|(m, _)| m.unusable.is_empty())
        .copied()
        .collect();
    let mut groups = vec![
        group("all rows", &pairs),
        group("rows with usable conditions", &usable),
    ];
    let key = |m: &Measurement| format!("{} {} {}", m.engine, m.gpu, m.model);
    let mut keys: Vec<String> = usable.iter().map(|(m, _)| key(m)).collect();
    keys.sort();
    keys.dedup();
    for name in &keys {
        let these: Vec<Pair<'_>> = usable
            .iter()
            .filter(|(m, _)| key(m) == *name)
            .copied()
            .collect();
        groups.push(group(name, &these));
    }
    ErrorReport {
        constants,
        groups,
        orders: vec![order(&usable, 0.0), order(&usable, NOISE)],
    }
}
