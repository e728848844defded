//! How wrong step times may be, by what their constants rest on.

use std::sync::OnceLock;

use serde::Deserialize;

use crate::words::words;

words! {
    /// What step times rest on, the surest first.
    pub enum StepErrorClass {
        Fitted = "fitted": "Constants that were fitted to this engine on this accelerator serving this model",
        Published = "published": "Constants of an engine that was held against published steps of large expert-parallel units",
        Own = "own": "Coefficients, measurements or constants that the scenario states",
        OtherModel = "other-model": "Fitted to this engine on this accelerator serving other models",
        OtherEngine = "other-engine": "Borrowed from another engine on the same accelerator",
        OtherGpu = "other-gpu": "Borrowed from another accelerator, and measured to suit this one so well",
        DataSheet = "data-sheet": "Borrowed from another accelerator; only the data sheet of this one is known",
        Separate = "separate": "Prefill and decode apart, on constants that were fitted to servers that do both",
    }
}

/// How far the step times of a class may be wrong.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepError {
    /// Name of the class.
    class: StepErrorClass,
    /// By what part a step of a dense model may take longer or less than the model of step times says.
    dense: f64,
    /// Error of steps of models with experts, as a part of the step.
    experts: f64,
    /// Description of the class.
    pub about: String,
    /// Accelerators for which the error was measured; empty: it holds for all.
    #[serde(default)]
    gpus: Vec<String>,
    /// How the error was found.
    pub derivation: String,
}

impl StepError {
    /// By what part a step may take longer or less than the model of step times says, for a model with or
    /// without experts.
    pub fn error(&self, experts: bool) -> f64 {
        if experts { self.experts } else { self.dense }
    }
}

#[derive(Deserialize)]
struct StepErrorFile {
    step_error: Vec<StepError>,
}

impl StepErrorClass {
    /// The class of constants that another accelerator lends to this one.
    pub fn of_loan(gpu: &str) -> Self {
        let is_measured = Self::OtherGpu
            .error()
            .is_some_and(|row| row.gpus.iter().any(|known| known == gpu));
        if is_measured {
            Self::OtherGpu
        } else {
            Self::DataSheet
        }
    }

    /// The class's row in the file of errors; `None` only where the embedded file, which a test reads, lacks it.
    pub fn error(self) -> Option<&'static StepError> {
        errors().iter().find(|row| row.class == self)
    }
}

fn errors() -> &'static [StepError] {
    static ERRORS: OnceLock<Vec<StepError>> = OnceLock::new();
    ERRORS.get_or_init(|| {
        let file: Result<StepErrorFile, _> = toml::from_str(include_str!("step_errors.toml"));
        file.map(|file| file.step_error).unwrap_or_default()
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_class_has_an_error_and_what_is_borrowed_the_wider_one() {
        for class in StepErrorClass::ALL {
            let row = class.error().unwrap();
            assert!(!row.derivation.is_empty() && !row.about.is_empty());
            for experts in [false, true] {
                let error = row.error(experts);
                assert!(error > 0.0 && error < 1.0, "{row:?}");
                let fitted = StepErrorClass::Fitted.error().unwrap().error(experts);
                assert!(error > fitted || class <= StepErrorClass::Own, "{row:?}");
            }
        }
        assert_eq!(errors().len(), StepErrorClass::ALL.len());
    }
}
