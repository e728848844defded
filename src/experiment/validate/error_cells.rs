//! Errors by cell (engine and release, accelerator, model), what constants were fitted to apart from what they
//! have not seen; and the second recorded set by group.

use serde::Serialize;

use super::errors::{Error, ErrorGroup, Pair, group};
use super::measured::ErrorReport;
use crate::catalog;
use crate::experiment::calibrate::held_out;
use crate::experiment::measurement::{Measurement, Prediction};
use crate::experiment::parallel::in_parallel;
use crate::perf::KnownSteps;

/// Errors of one cell.
#[derive(Clone, Debug, Serialize)]
pub struct CellError {
    /// Name of the engine.
    pub engine: String,
    /// Release of the engine, as the source writes it; empty: not told.
    pub release: String,
    /// Catalog name of the accelerator.
    pub gpu: String,
    /// Catalog name of the model.
    pub model: String,
    /// Whether prefill and decode were apart.
    pub separate: bool,
    /// Whether constants were fitted to these curves; false: they were held out, or nothing was fitted there.
    pub seen: bool,
    /// Number of rows.
    pub count: usize,
    /// Errors of the mean time per output token.
    pub tpot: Error,
    /// Errors of the mean time to first token.
    pub ttft: Error,
}

/// Marks the curves of the first set that calibration sets aside.
pub fn mark_set_aside(all: &mut [Measurement]) {
    let place = |m: &Measurement| (m.engine.clone(), m.gpu.clone());
    let mut places: Vec<_> = all.iter().map(place).collect();
    places.sort();
    places.dedup();
    for of in places {
        let mine = |m: &&mut Measurement| m.unusable.is_empty() && place(m) == of;
        let rows: Vec<&mut Measurement> = all.iter_mut().filter(mine).collect();
        let aside = held_out(&rows.iter().map(|m| &**m).collect::<Vec<_>>());
        for (m, aside) in rows.into_iter().zip(aside) {
            m.held_out = aside;
        }
    }
}

/// Predictions of rows, of which some cannot be played: no engine starts so.
pub fn predictions(all: &[Measurement]) -> Vec<Option<Prediction>> {
    let known = KnownSteps::default();
    in_parallel(all, |m| m.predict(None, &known).ok())
}

/// The rows that can be played and whose conditions are known, with their predictions.
pub fn played<'a>(all: &'a [Measurement], predictions: &[Option<Prediction>]) -> Vec<Pair<'a>> {
    let pairs = all.iter().zip(predictions);
    let usable = pairs.filter(|(m, _)| m.unusable.is_empty());
    usable.filter_map(|(m, p)| Some((m, (*p)?))).collect()
}

/// The second set by group, curves that may be fitted to and those that are held out apart. `first` says which
/// models each engine was measured with before.
pub fn groups(first: &[Measurement], pairs: &[Pair<'_>]) -> ErrorReport {
    let is_other = |m: &Measurement| {
        let same = |f: &Measurement| (&f.engine, &f.gpu, &f.model) == (&m.engine, &m.gpu, &m.model);
        !first.iter().any(same)
    };
    let of =
        |m: &Measurement, gpus: &[&str]| m.separate.is_none() && gpus.contains(&m.gpu.as_str());
    type GroupChoice<'a> = (&'a str, Box<dyn Fn(&Measurement) -> bool + 'a>);
    let choices: [GroupChoice<'_>; 6] = [
        ("aggregated, all", Box::new(|m| m.separate.is_none())),
        (
            "H100 and H200, models of the first set",
            Box::new(|m| of(m, &["h100", "h200"]) && !is_other(m)),
        ),
        (
            "H100 and H200, other models",
            Box::new(|m| of(m, &["h100", "h200"]) && is_other(m)),
        ),
        ("B200", Box::new(|m| of(m, &["b200"]))),
        (
            "B300, GB200 and GB300",
            Box::new(|m| of(m, &["b300", "gb200", "gb300"])),
        ),
        (
            "prefill and decode apart",
            Box::new(|m| m.separate.is_some()),
        ),
    ];
    let mut groups: Vec<ErrorGroup> = Vec::new();
    for (name, choose) in &choices {
        let parts = [
            ("", None),
            (": fitted to", Some(false)),
            (": held out", Some(true)),
        ];
        for (part, wanted) in parts {
            let these: Vec<Pair<'_>> = pairs
                .iter()
                .filter(|(m, _)| choose(m) && wanted.is_none_or(|w| w == m.held_out))
                .copied()
                .collect();
            if !these.is_empty() {
                groups.push(group(&format!("{name}{part}"), &these));
            }
        }
    }
    ErrorReport {
        constants: "calibrated constants",
        groups,
        orders: Vec::new(),
    }
}

/// Errors of these rows by cell.
pub fn cells(pairs: &[Pair<'_>]) -> Vec<CellError> {
    let key = |m: &Measurement| {
        let fitted = catalog::engine(&m.engine, &m.gpu)
            .is_some_and(|e| e.gpu == m.gpu && e.fitted.contains(&m.model));
        (
            m.engine.clone(),
            m.release.clone(),
            m.gpu.clone(),
            m.model.clone(),
            m.separate.is_some(),
            fitted && !m.held_out && m.separate.is_none(),
        )
    };
    let mut keys: Vec<_> = pairs.iter().map(|(m, _)| key(m)).collect();
    keys.sort();
    keys.dedup();
    keys.into_iter()
        .map(|of| {
            let these: Vec<Pair<'_>> = pairs
                .iter()
                .filter(|(m, _)| key(m) == of)
                .copied()
                .collect();
            let errors = group("", &these);
            let (engine, release, gpu, model, separate, seen) = of;
            CellError {
                engine,
                release,
                gpu,
                model,
                separate,
                seen,
                count: errors.count,
                tpot: errors.tpot,
                ttft: errors.ttft,
            }
        })
        .collect()
}
