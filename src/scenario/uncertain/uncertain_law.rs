//! Reads a range or law: which keys it has, what they must be, and what is said where they are not.

use super::super::diagnostic::Diagnostic;
use super::super::source::Span;
use super::super::suggest::{choices, nearest, quote};
use super::super::tree::TomlTable;
use super::super::vocabulary::RangeForm;
use super::{DrawUnit, LawForm, UncertainLaw};

impl RangeForm {
    /// The keys that it needs beside `low` and `high`.
    fn keys(self) -> &'static [&'static str] {
        match self {
            Self::Uniform | Self::LogUniform => &[],
            Self::Triangular => &["mode"],
            Self::Normal => &["mean", "sd"],
            Self::Lognormal => &["mean", "cv"],
        }
    }
}

/// The law that a table at `path` states, its numbers read in `unit`.
pub fn law(
    table: &TomlTable,
    unit: DrawUnit,
    path: &str,
    at: Span,
) -> Result<UncertainLaw, Diagnostic> {
    let names = || RangeForm::ALL.map(RangeForm::word);
    let name = match table.get("kind") {
        None => RangeForm::Uniform.word(),
        Some(node) => node.text().unwrap_or_default(),
    };
    let Some(range) = RangeForm::named(name) else {
        let at = table.at("kind");
        let message = format!("{} has an unknown law", quote(path));
        let found = Diagnostic::new(message, at);
        return Err(match nearest(name, names()) {
            Some(meant) => found.label(format!("did you mean {}?", quote(meant))),
            None => found.label("no such law"),
        }
        .help(format!("laws are {}", choices(names()))));
    };
    let keys: Vec<&str> = ["low", "high"]
        .iter()
        .chain(range.keys())
        .copied()
        .collect();
    if let Some(entry) = table
        .entries
        .iter()
        .find(|e| e.key != "kind" && !keys.contains(&&*e.key))
    {
        let message = format!("unknown key {} in {}", quote(&entry.key), quote(path));
        let found = Diagnostic::new(message, entry.key_at).label("no such key");
        return Err(found.help(format!(
            "the keys of a {name} range are {}",
            keys.join(", ")
        )));
    }
    let number = |key: &str| -> Result<f64, Diagnostic> {
        let place = quote(&format!("{path}.{key}"));
        let Some(node) = table.get(key) else {
            let found = Diagnostic::new(format!("{place} is missing"), at);
            return Err(found.label(format!("a {name} range needs {}", keys.join(", "))));
        };
        let read = unit.read(node).filter(|x| x.is_finite());
        read.ok_or_else(|| {
            let what = match unit {
                DrawUnit::Number | DrawUnit::Whole => "a number",
                DrawUnit::Nanoseconds | DrawUnit::Picoseconds => {
                    "a duration in quotes, such as \"20ms\""
                }
            };
            Diagnostic::new(format!("{place} should be {what}"), node.at)
                .label(format!("this is {}", node.kind()))
        })
    };
    let (low, high) = (number("low")?, number("high")?);
    let wrong = |key: &str, what: &str| {
        let message = format!("{} {what}", quote(&format!("{path}.{key}")));
        Err(Diagnostic::new(message, table.at(key)))
    };
    if low >= high {
        return wrong("low", "must be below `high`");
    }
    let form = match range {
        RangeForm::Uniform => LawForm::Uniform,
        RangeForm::LogUniform if low <= 0.0 => {
            return wrong("low", "of a log-uniform range must be above zero");
        }
        RangeForm::LogUniform => LawForm::LogUniform,
        RangeForm::Triangular => {
            let mode = number("mode")?;
            if mode < low || mode > high {
                return wrong("mode", "must lie between `low` and `high`");
            }
            LawForm::Triangular { mode }
        }
        RangeForm::Normal => LawForm::Normal {
            mean: number("mean")?,
            sd: number("sd")?,
        },
        RangeForm::Lognormal => LawForm::Lognormal {
            mean: number("mean")?,
            cv: table.number("cv").unwrap_or(f64::NAN),
        },
    };
    let reach = 3.0;
    match form {
        LawForm::Normal { sd, .. } if sd <= 0.0 => wrong("sd", "must be above zero"),
        LawForm::Normal { mean, sd } if mean + reach * sd < low || mean - reach * sd > high => {
            wrong(
                "mean",
                "is more than three standard deviations outside of `low` and `high`",
            )
        }
        LawForm::Lognormal { mean, cv } if !(mean > 0.0 && cv > 0.0 && low >= 0.0) => wrong(
            "mean",
            "of a lognormal range, and `cv`, must be above zero, and `low` not below it",
        ),
        LawForm::Lognormal { mean, .. } if mean < low || mean > high => {
            wrong("mean", "must lie between `low` and `high`")
        }
        form => Ok(UncertainLaw { form, low, high }),
    }
}
