//! Resolves laws of lengths.

use super::super::diagnostic::{Diagnostic, MistakeReport};
use super::super::tree::{TomlNode, TomlTable};
use super::super::{Law, LengthForm, LengthLaw};

/// A law with its bounds; `None` after a complaint.
pub fn lengths(table: &TomlTable, report: &mut MistakeReport) -> Option<LengthLaw> {
    let min: Option<u32> = table.integer("min");
    let max: Option<u32> = table.integer("max");
    if let (Some(min), Some(max)) = (min, max)
        && min > max
    {
        report.push(
            Diagnostic::new("`min` is larger than `max`", table.at("min"))
                .label(format!("{min} is larger than {max}"))
                .also(table.at("max"), "than this"),
        );
    }
    let law = law(table, report);
    Some(LengthLaw {
        law: law?,
        min: min?,
        max: max?,
    })
}

fn law(table: &TomlTable, report: &mut MistakeReport) -> Option<Law> {
    let mean = table.number("mean");
    let cv = table.number("cv");
    Some(match table.word::<LengthForm>("kind")? {
        LengthForm::Constant => Law::Constant {
            value: table.number("value")?,
        },
        LengthForm::Uniform => uniform(table, report)?,
        LengthForm::Exponential => Law::Exponential { mean: mean? },
        // without spread, the mean is all there is
        LengthForm::Lognormal | LengthForm::Gamma if cv == Some(0.0) => {
            Law::Constant { value: mean? }
        }
        LengthForm::Lognormal => Law::Lognormal {
            mean: mean?,
            cv: cv?,
        },
        LengthForm::Gamma => Law::Gamma {
            mean: mean?,
            cv: cv?,
        },
        LengthForm::Erlang => Law::Gamma {
            mean: mean?,
            cv: 1.0 / f64::from(table.integer::<u32>("k")?).sqrt(),
        },
        LengthForm::Hyperexponential => hyperexponential(mean?, cv?),
        LengthForm::Mixture => mixture(table, report)?,
        LengthForm::Empirical => empirical(table, report)?,
    })
}

fn uniform(table: &TomlTable, report: &mut MistakeReport) -> Option<Law> {
    let (low, high) = (table.number("low")?, table.number("high")?);
    if low > high {
        report.push(
            Diagnostic::new("`low` is larger than `high`", table.at("low"))
                .label("larger")
                .also(table.at("high"), "than this"),
        );
        return None;
    }
    Some(Law::Uniform { low, high })
}

/// A hyperexponential law of two phases with balanced means (p1 m1 = p2 m2):
/// p = (1 + sqrt((cv^2 - 1)/(cv^2 + 1)))/2, m1 = mean/(2p), m2 = mean/(2(1 - p)).
/// Source: H. C. Tijms, "Stochastic Models: An Algorithmic Approach" (1994), appendix B.
fn hyperexponential(mean: f64, cv: f64) -> Law {
    let square = cv * cv;
    let p = 0.5 * (1.0 + ((square - 1.0) / (square + 1.0)).sqrt());
    if p <= 0.5 {
        return Law::Exponential { mean };
    }
    let phase = |p: f64| {
        (
            p,
            Law::Exponential {
                mean: mean / (2.0 * p),
            },
        )
    };
    Law::Mixture {
        parts: vec![phase(p), phase(1.0 - p)],
    }
}

/// Resolves a mixture. Mixtures inside (hyperexponential parts) are spread out: no part is one itself.
fn mixture(table: &TomlTable, report: &mut MistakeReport) -> Option<Law> {
    let items = table.list("parts")?;
    let mut parts = Vec::new();
    let mut total = 0.0;
    for item in items {
        let part = item.table();
        let weight = part.and_then(|p| p.number("weight"));
        let law = part.and_then(|p| law(p, report));
        parts.push((weight, law));
        total += weight.unwrap_or(1.0);
    }
    if total <= 0.0 {
        let found = Diagnostic::new("all parts of the mixture have weight 0", table.at("parts"));
        report.push(found.label("nothing to choose from"));
        return None;
    }
    let mut flat = Vec::new();
    for (weight, law) in parts {
        let (weight, law) = (weight?, law?);
        match law {
            Law::Mixture { parts } => flat.extend(parts.into_iter().map(|(p, l)| (weight * p, l))),
            law => flat.push((weight, law)),
        }
    }
    flat.retain(|(weight, _)| *weight > 0.0);
    Some(Law::Mixture { parts: flat })
}

fn empirical(table: &TomlTable, report: &mut MistakeReport) -> Option<Law> {
    let items = table.list("values")?;
    let pair = |item: &TomlNode| match item.list()? {
        [value, weight] => Some((value.number()?, weight.number()?)),
        _ => None,
    };
    let mut values = items
        .iter()
        .map(pair)
        .collect::<Option<Vec<(f64, f64)>>>()?;
    values.sort_by(|a, b| a.0.total_cmp(&b.0));
    values.dedup_by(|later, first| {
        let same = later.0 == first.0;
        if same {
            first.1 += later.1;
        }
        same
    });
    values.retain(|(_, weight)| *weight > 0.0);
    if values.is_empty() {
        let found = Diagnostic::new("all values have weight 0", table.at("values"));
        report.push(found.label("nothing to choose from"));
        return None;
    }
    Some(Law::Empirical { values })
}

impl Law {
    /// Mean of the law, before rounding and clamping.
    pub fn mean(&self) -> f64 {
        match self {
            Self::Constant { value } => *value,
            Self::Uniform { low, high } => 0.5 * (low + high),
            Self::Exponential { mean }
            | Self::Lognormal { mean, .. }
            | Self::Gamma { mean, .. } => *mean,
            Self::Mixture { parts } => weighted(parts.iter().map(|(w, law)| (law.mean(), *w))),
            Self::Empirical { values } => weighted(values.iter().copied()),
        }
    }

    /// Largest value that the law can give; infinite for laws with a tail.
    pub fn largest(&self) -> f64 {
        match self {
            Self::Constant { value } => *value,
            Self::Uniform { high, .. } => *high,
            Self::Mixture { parts } => parts.iter().map(|(_, l)| l.largest()).fold(0.0, f64::max),
            Self::Empirical { values } => values.last().map_or(0.0, |(value, _)| *value),
            Self::Exponential { .. } | Self::Lognormal { .. } | Self::Gamma { .. } => f64::INFINITY,
        }
    }
}

impl LengthLaw {
    /// Greatest length that the law gives when it is scaled (S3), in tokens.
    pub fn greatest(&self, scale: f64) -> u32 {
        let rounded = libm::floor(self.law.largest() * scale + 0.5);
        let within = rounded.min(f64::from(self.max)).max(f64::from(self.min));
        within.max(1.0) as u32
    }
}

fn weighted(values: impl Iterator<Item = (f64, f64)>) -> f64 {
    let (sum, weight) = values.fold((0.0, 0.0), |(s, w), (x, p)| (s + x * p, w + p));
    sum / weight
}
