//! What a run's step times rest on: whose constants, and how many of them anybody measured.

use super::format::count;
use super::summary::Basis;
use crate::catalog::CONSTANTS;
use crate::scenario::{Performance, Scenario};

/// Of a scenario.
pub fn basis(scenario: &Scenario) -> Basis {
    let of_kind = |kind: &str| Basis {
        kind: kind.to_string(),
        ..Basis::default()
    };
    match &scenario.performance {
        Performance::Linear(_) => of_kind("linear"),
        Performance::Table(_) => of_kind("table"),
        Performance::Roofline(roofline) => {
            let engine = &roofline.engine;
            let mut basis = of_kind("roofline");
            basis.engine = Some(engine.name.clone());
            basis.measured_on = Some(engine.gpu.clone());
            for (constant, _) in CONSTANTS {
                let word = engine.figure(*constant).provenance.word();
                *basis.constants.entry(word.to_string()).or_default() += 1;
            }
            basis
        }
    }
}

/// In words, for the page.
pub fn in_words(basis: &Basis) -> Vec<String> {
    match (basis.kind.as_str(), &basis.engine, &basis.measured_on) {
        ("linear", ..) => vec!["linear: coefficients given by the scenario".to_string()],
        ("table", ..) => vec!["interpolated in the scenario's table of measurements".to_string()],
        (_, Some(engine), Some(gpu)) => {
            let kinds = basis.constants.iter();
            let mut words = vec![format!("roofline with the constants of {engine} on {gpu}")];
            words.extend(kinds.map(|(word, n)| format!("{} {word}", count(u64::from(*n)))));
            words
        }
        _ => Vec::new(),
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
