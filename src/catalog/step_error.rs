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
        Kernels = "kernels": "Kernels measured on this accelerator, and what a running server makes of them borrowed from another",
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

/// How far steps of one engine on one accelerator serving one model were from recorded servers.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepErrorCell {
    engine: String,
    gpu: String,
    model: String,
    /// Whether prefill and decode were apart.
    #[serde(default)]
    separate: bool,
    /// Number of recorded rows that the error is of.
    points: u32,
    /// 90 % of the rows have |measured / predicted - 1| below it, by mean time per output token.
    pub error: f64,
    /// How the error was found.
    pub derivation: String,
}

/// Rows below which an error says too little by itself.
const FEW: u32 = 20;

impl StepErrorCell {
    /// The cell of an engine on an accelerator serving a model; `None`: nothing was recorded there.
    pub fn of(engine: &str, gpu: &str, model: &str, separate: bool) -> Option<&'static Self> {
        file().cell.iter().find(|cell| {
            (cell.engine == engine && cell.gpu == gpu)
                && (cell.model == model && cell.separate == separate)
        })
    }

    /// Whether the error rests on few rows, so that one of a class that is wider holds.
    pub fn is_of_few(&self) -> bool {
        self.points < FEW
    }
}

#[derive(Default, Deserialize)]
struct StepErrorFile {
    step_error: Vec<StepError>,
    #[serde(default)]
    cell: Vec<StepErrorCell>,
}

impl StepErrorClass {
    /// The class of constants that another accelerator lends to this one.
    pub fn of_loan(gpu: &str) -> Self {
        if Self::OtherGpu.is_measured_on(gpu) {
            Self::OtherGpu
        } else {
            Self::DataSheet
        }
    }

    /// The class of constants of which kernels alone are this accelerator's: measured ones, or what follows from
    /// published figures of it.
    pub fn of_kernels(gpu: &str) -> Self {
        if Self::Kernels.is_measured_on(gpu) {
            Self::Kernels
        } else {
            Self::DataSheet
        }
    }

    fn is_measured_on(self, gpu: &str) -> bool {
        let row = self.error();
        row.is_some_and(|row| row.gpus.iter().any(|known| known == gpu))
    }

    /// The class's row in the file of errors; `None` only where the embedded file, which a test reads, lacks it.
    pub fn error(self) -> Option<&'static StepError> {
        errors().iter().find(|row| row.class == self)
    }
}

fn errors() -> &'static [StepError] {
    &file().step_error
}

fn file() -> &'static StepErrorFile {
    static ERRORS: OnceLock<StepErrorFile> = OnceLock::new();
    ERRORS.get_or_init(|| toml::from_str(include_str!("step_errors.toml")).unwrap_or_default())
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
        for cell in &file().cell {
            assert!(
                cell.error > 0.0 && cell.error < 3.0 && cell.points > 0,
                "{cell:?}"
            );
            assert!(crate::catalog::model(&cell.model).is_some(), "{cell:?}");
            assert!(crate::catalog::gpu(&cell.gpu).is_some(), "{cell:?}");
        }
    }
}
