//! What a run's step times rest on: whose constants, and how many of them anybody measured.

use super::format::{count, fixed};
use super::summary::{Basis, Lent};
use crate::catalog::CONSTANTS;
use crate::scenario::{Performance, Scenario, StepTimeForm};

/// What the step times of a scenario rest on.
pub fn basis(scenario: &Scenario) -> Basis {
    let rests_on = &scenario.step_basis;
    let of_kind = |kind| Basis {
        kind,
        class: rests_on.class.word().to_string(),
        step_error: rests_on.error,
        step_error_source: rests_on.derivation.to_string(),
        borrowed: lent(scenario),
        ..Basis::default()
    };
    match &scenario.performance {
        Performance::Linear(_) => of_kind(StepTimeForm::Linear),
        Performance::Table(_) => of_kind(StepTimeForm::Table),
        Performance::Roofline(roofline) => {
            let engine = &roofline.engine;
            let mut basis = of_kind(StepTimeForm::Roofline);
            basis.engine = Some(engine.name.clone());
            basis.release = engine.release();
            basis.measured_on = Some(engine.gpu.clone());
            for (constant, _) in CONSTANTS {
                let word = engine.figure(*constant).provenance.word();
                *basis.constants.entry(word.to_string()).or_default() += 1;
            }
            basis
        }
    }
}

/// Constants that the step times of a scenario borrow.
pub fn lent(scenario: &Scenario) -> Vec<Lent> {
    let borrowed = scenario.step_basis.borrowed.iter();
    borrowed
        .map(|b| Lent {
            what: b.what.to_string(),
            from: b.from.to_string(),
            reason: b.reason.clone(),
        })
        .collect()
}

/// The lenders of borrowed constants, a part of a sentence for each: `dense products, the host from vllm on h100`.
pub fn lenders(borrowed: &[Lent]) -> Vec<String> {
    let mut lenders: Vec<&str> = borrowed.iter().map(|b| b.from.as_str()).collect();
    let all = lenders.clone();
    let mut place = 0;
    lenders.retain(|from| {
        place += 1;
        !all[..place - 1].contains(from)
    });
    let of = |lender: &str| {
        let what = borrowed.iter().filter(|b| b.from == lender);
        let what: Vec<&str> = what.map(|b| b.what.as_str()).collect();
        format!("{} from {lender}", what.join(", "))
    };
    lenders.into_iter().map(of).collect()
}

/// The error of the step times in words; nothing of a stored run that does not say it.
pub fn sureness(basis: &Basis) -> Vec<String> {
    let mut words: Vec<String> = lenders(&basis.borrowed)
        .into_iter()
        .map(|lent| format!("borrowed: {lent}"))
        .collect();
    if basis.step_error > 0.0 {
        words.push(format!(
            "90 % of such steps take up to {} % longer or less ({})",
            fixed(100.0 * basis.step_error, 0),
            basis.class
        ));
    }
    words
}

/// The basis of the step times in words, for the page.
pub fn in_words(basis: &Basis) -> Vec<String> {
    let mut words = of_model(basis);
    words.extend(sureness(basis));
    words
}

/// The model of step times and its constants, in words.
pub fn of_model(basis: &Basis) -> Vec<String> {
    match (basis.kind, &basis.engine, &basis.measured_on) {
        (StepTimeForm::Linear, ..) => {
            vec!["linear: coefficients given by the scenario".to_string()]
        }
        (StepTimeForm::Table, ..) => {
            vec!["interpolated in the scenario's table of measurements".to_string()]
        }
        (StepTimeForm::Roofline, Some(engine), Some(gpu)) => {
            let kinds = basis.constants.iter();
            let release = basis.release.as_ref().map(|r| format!(" {r}"));
            let release = release.unwrap_or_default();
            let mut words = vec![format!(
                "roofline with the constants of {engine}{release} on {gpu}"
            )];
            words.extend(kinds.map(|(word, n)| format!("{} {word}", count(u64::from(*n)))));
            words
        }
        (StepTimeForm::Roofline, ..) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::load;

    #[test]
    fn a_constant_that_the_scenario_gives_is_counted_as_given() {
        let scenario = |set: &[&str]| {
            let set: Vec<String> = set.iter().map(|s| (*s).to_string()).collect();
            load("deepseek-day", &set).expect("the scenario has no mistakes")
        };
        let (plain, given) = (
            basis(&scenario(&[])),
            basis(&scenario(&["performance.constants.host_decode_us=4000"])),
        );
        assert_eq!(plain.engine.as_deref(), Some("deepseek-2025-02"));
        assert_eq!(
            plain.constants.values().sum::<u32>(),
            CONSTANTS.len() as u32
        );
        assert_eq!(plain.constants.get("given"), None);
        assert_eq!(given.constants["given"], 1);
        assert_eq!(given.constants["derived"], plain.constants["derived"] - 1);
    }
}
