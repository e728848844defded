//! The same question if step times are wrong by a factor.
//!
//! A cluster whose steps take f times as long is the same cluster seen through a slower clock: with f times
//! the requests a second, and every limit on a time divided by f, the model's own step times answer the
//! question. That is exact where everything scales; transfers, start-ups and the counted time, which are
//! taken along, are small beside steps.

use super::answer::{Answer, StepTimesRow};
use super::question::Question;
use super::slo::Figure;
use crate::scenario::{ArrivalKind, Scenario, load_str};

/// The scenario and question that stand for steps `factor` times as long. `None` where arrivals are not at an
/// even rate, which is all that this changes.
pub fn rescaled(base: &Scenario, question: &Question, factor: f64) -> Option<(Scenario, Question)> {
    let mut settings = Vec::new();
    for (index, class) in base.classes.iter().enumerate() {
        let rate = class.arrivals.rate.first()?.rate_from_per_s;
        let even = class
            .arrivals
            .rate
            .iter()
            .all(|s| s.rate_from_per_s == rate && s.rate_to_per_s == rate);
        let drawn = matches!(
            class.arrivals.kind,
            ArrivalKind::Poisson | ArrivalKind::Deterministic
        );
        if !even || !drawn {
            return None;
        }
        settings.push(format!(
            "class.{index}.arrivals.requests_per_s={:?}",
            rate * factor
        ));
        let targets = class
            .slo
            .map(|slo| [("ttft_s", slo.ttft), ("tpot_s", slo.tpot)]);
        for (key, target) in targets.into_iter().flatten() {
            if let Some(target) = target {
                let seconds = target.0 as f64 / 1e9 / factor;
                settings.push(format!("class.{index}.slo.{key}={seconds:?}"));
            }
        }
    }
    let scenario = load_str(&base.name, &base.resolved_toml, &settings).ok()?;
    let mut question = question.clone();
    question.replications = 1;
    for slo in &mut question.slos {
        match slo.figure {
            Figure::OutputSpeed => slo.limit *= factor,
            Figure::Attainment | Figure::Lost => {}
            _ => slo.limit /= factor,
        }
    }
    Some((scenario, question))
}

/// What another answer says.
pub fn row(answer: &Answer, factor: f64) -> StepTimesRow {
    StepTimesRow {
        factor,
        answer: answer.best.as_ref().map(|best| best.words()),
        nodes: answer.best.as_ref().map(|best| best.nodes),
        by: "the same search, one replication",
    }
}
