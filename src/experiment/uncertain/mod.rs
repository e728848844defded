//! A scenario with uncertain inputs: how far its figures may lie apart, and on which input that hangs.
//!
//! Draws are a Latin hypercube (McKay, Beckman and Conover, 1979): the law of every input is cut into as many
//! equally likely parts as there are draws, and each part is drawn from once, in an order of its own. All
//! draws share the scenario's seed, so what differs between them is what the inputs make of it. What a figure
//! hangs on is the input with the greatest rank correlation (Spearman), if that is greater than chance makes
//! it with 95 % confidence; its square is about the part of the figure's spread that this input explains.

pub mod uncertain_page;
pub mod uncertain_tables;

use std::collections::BTreeMap;

use serde::Serialize;

use super::parallel::in_parallel_on;
use super::replicate::RunWatch;
use super::run::{RunError, run_knowing};
use crate::metrics::interval::{mean, t_quantile};
use crate::perf::KnownSteps;
use crate::report::batches::{number, paths, value_of};
use crate::report::summary::RunSummary;
use crate::report::verdict::{Grade, assess};
use crate::scenario::{LawForm, Mistakes, Scenario, Uncertain, UncertainLaw};
use crate::workload::normal::upper_quantile;
use crate::workload::random::Stream;

/// Confidence that a rank correlation is not chance.
const SURE: f64 = 0.95;

/// The outlook of a scenario with uncertain inputs: what its draws say together.
#[derive(Clone, Debug, Serialize)]
pub struct Outlook {
    /// Name of the scenario.
    pub name: String,
    /// Hash of the scenario's resolved text, ranges included.
    pub hash: String,
    /// Inputs that are uncertain.
    pub inputs: Vec<Input>,
    /// Verdicts with the number of draws that ended so, the commonest first.
    pub verdicts: Vec<(String, usize)>,
    /// The input that the verdict depends on; `None`: on no single one more than chance explains.
    pub verdict_hangs_on: Option<Hang>,
    /// Ranges of the figures over the draws.
    pub figures: Vec<DrawRange>,
    /// The draws one by one.
    pub draws: Vec<UncertainDraw>,
}

/// An uncertain input.
#[derive(Clone, Debug, Serialize)]
pub struct Input {
    /// Path of the input.
    pub path: String,
    /// Range of the input, in words.
    pub range: String,
    /// Least value; of a duration, in seconds.
    pub low: f64,
    /// Greatest value; of a duration, in seconds.
    pub high: f64,
}

/// The range of a figure over the draws.
#[derive(Clone, Debug, Serialize)]
pub struct DrawRange {
    /// Path of the figure in the summary.
    pub field: String,
    /// Least value over the draws.
    pub low: f64,
    /// Median over the draws.
    pub middle: f64,
    /// Greatest value over the draws.
    pub high: f64,
    /// The input that the figure depends on; `None`: on no single one more than chance explains.
    pub hangs_on: Option<Hang>,
}

/// An input that a figure or verdict depends on.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Hang {
    /// Path of the input.
    pub input: String,
    /// Spearman's rank correlation of the input and the figure, -1 to 1.
    pub rank_correlation: f64,
}

/// One draw of the uncertain inputs, and how it ended.
#[derive(Clone, Debug, Serialize)]
pub struct UncertainDraw {
    /// Values of the inputs in their order, written as for `--set`.
    pub values: Vec<String>,
    /// Values of the inputs as numbers; durations in seconds.
    pub inputs: Vec<f64>,
    /// Values of the inputs for people.
    #[serde(skip)]
    pub shown: Vec<String>,
    /// Verdict on the draw.
    pub verdict: String,
    /// Figures by path; empty where the run outgrew the scenario's limits.
    pub figures: BTreeMap<String, f64>,
}

/// Values of the inputs, a row a draw.
pub fn hypercube(scenario: &Scenario, draws: u32) -> Vec<Vec<f64>> {
    let n = draws as usize;
    let of_input = |input: &Uncertain| -> Vec<f64> {
        let mut stream = Stream::new(scenario.seed, "uncertain", &input.path);
        let mut parts: Vec<usize> = (0..n).collect();
        for i in (1..n).rev() {
            let j = ((u128::from(stream.draw()) * (i as u128 + 1)) >> 64) as usize;
            parts.swap(i, j);
        }
        let within =
            |stream: &mut Stream| ((stream.draw() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
        let place = |part: &usize| (*part as f64 + within(&mut stream)) / n as f64;
        let places: Vec<f64> = parts.iter().map(place).collect();
        places.into_iter().map(|u| short(&input.law, u)).collect()
    };
    let columns: Vec<Vec<f64>> = scenario.uncertain.iter().map(of_input).collect();
    (0..n)
        .map(|i| columns.iter().map(|c| c[i]).collect())
        .collect()
}

/// The quantile to six digits, which is as much as anybody writes.
fn short(law: &UncertainLaw, u: f64) -> f64 {
    let x = quantile(law, u);
    let six = format!("{x:.5e}").parse().unwrap_or(x);
    f64::clamp(six, law.low, law.high)
}

/// The value of a law that a part `u` of its probability lies below.
pub fn quantile(law: &UncertainLaw, u: f64) -> f64 {
    let UncertainLaw { form, low, high } = *law;
    let x = match form {
        LawForm::Uniform => low + u * (high - low),
        LawForm::LogUniform => libm::exp(libm::log(low) + u * (libm::log(high) - libm::log(low))),
        LawForm::Triangular { mode } => {
            let (whole, left) = (high - low, mode - low);
            if u * whole < left {
                low + (u * whole * left).sqrt()
            } else {
                high - ((1.0 - u) * whole * (high - mode)).sqrt()
            }
        }
        LawForm::Normal { mean, sd } => cut(u, mean, sd, low, high),
        LawForm::Lognormal { mean, cv } => {
            let variance = libm::log1p(cv * cv);
            let (mean, sd) = (libm::log(mean) - variance / 2.0, variance.sqrt());
            let least = if low > 0.0 {
                libm::log(low)
            } else {
                f64::NEG_INFINITY
            };
            libm::exp(cut(u, mean, sd, least, libm::log(high)))
        }
    };
    x.clamp(low, high)
}

/// A quantile of the normal law cut at both ends.
fn cut(u: f64, mean: f64, sd: f64, low: f64, high: f64) -> f64 {
    let below = |x: f64| 0.5 * libm::erfc((mean - x) / sd * std::f64::consts::FRAC_1_SQRT_2);
    let (from, to) = (below(low), below(high));
    let p = from + u * (to - from);
    let z = if p <= 0.5 {
        -upper_quantile(p.max(f64::MIN_POSITIVE))
    } else {
        upper_quantile((1.0 - p).max(f64::MIN_POSITIVE))
    };
    mean + sd * z
}

/// The scenarios of the draws, one for each row of values.
///
/// # Errors
/// Where the values of a draw do not go together.
pub fn scenarios(scenario: &Scenario, rows: &[Vec<f64>]) -> Result<Vec<Scenario>, Mistakes> {
    rows.iter()
        .map(|values| Ok(scenario.drawn(values)?.with_seed(scenario.seed)))
        .collect()
}

/// Plays all draws. One that outgrows the scenario's limits is an answer like any other.
///
/// # Errors
/// The first run that failed otherwise, in the order of the draws.
pub fn play(
    draws: &[Scenario],
    threads: usize,
    watch: RunWatch<'_>,
) -> Result<Vec<Option<RunSummary>>, RunError> {
    let items: Vec<(usize, &Scenario)> = draws.iter().enumerate().collect();
    let known = KnownSteps::default();
    let results = in_parallel_on(threads, &items, |(index, scenario)| {
        run_knowing(scenario, 1, &known, &mut |now, requests| {
            watch(*index, now, requests)
        })
    });
    let kept = |result| match result {
        Ok(summary) => Ok(Some(summary)),
        Err(RunError::Unstable(_)) => Ok(None),
        Err(error) => Err(error),
    };
    results.into_iter().map(kept).collect()
}

/// Judges what the draws say together.
pub fn judge(scenario: &Scenario, rows: &[Vec<f64>], runs: &[Option<RunSummary>]) -> Outlook {
    let inputs = &scenario.uncertain;
    let trees: Vec<_> = runs.iter().map(|run| run.as_ref().map(value_of)).collect();
    let graded: Vec<(u8, &'static str)> = runs.iter().map(grade).collect();
    let hang = |values: &[Option<f64>]| hang(inputs, rows, values);
    let figure = |field: String| {
        let values: Vec<Option<f64>> = trees
            .iter()
            .map(|tree| number(tree.as_ref()?, &field))
            .collect();
        let mut sorted: Vec<f64> = values.iter().flatten().copied().collect();
        sorted.sort_by(f64::total_cmp);
        let (low, high) = (*sorted.first()?, *sorted.last()?);
        let upper = sorted[sorted.len() / 2];
        let lower = sorted[(sorted.len() - 1) / 2];
        Some(DrawRange {
            low,
            middle: lower + (upper - lower) / 2.0,
            high,
            hangs_on: hang(&values),
            field,
        })
    };
    let mut verdicts: Vec<(String, usize)> = Vec::new();
    for (_, word) in &graded {
        match verdicts.iter_mut().find(|(known, _)| known == word) {
            Some((_, n)) => *n += 1,
            None => verdicts.push(((*word).to_owned(), 1)),
        }
    }
    verdicts.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
    let grades: Vec<Option<f64>> = graded.iter().map(|(g, _)| Some(f64::from(*g))).collect();
    let fields = paths(scenario);
    let draws = rows
        .iter()
        .zip(&trees)
        .zip(&graded)
        .map(|((row, tree), (_, word))| UncertainDraw {
            values: inputs.iter().zip(row).map(|(i, x)| i.text(*x)).collect(),
            inputs: inputs
                .iter()
                .zip(row)
                .map(|(i, x)| uncertain_page::number(i, *x))
                .collect(),
            shown: inputs
                .iter()
                .zip(row)
                .map(|(i, x)| uncertain_page::value(i, *x))
                .collect(),
            verdict: (*word).to_owned(),
            figures: fields
                .iter()
                .filter_map(|f| Some((f.clone(), number(tree.as_ref()?, f)?)))
                .collect(),
        });
    Outlook {
        name: scenario.name.clone(),
        hash: scenario.hash().to_owned(),
        inputs: inputs
            .iter()
            .map(|i| Input {
                path: i.path.clone(),
                range: uncertain_page::range(i),
                low: uncertain_page::number(i, i.law.low),
                high: uncertain_page::number(i, i.law.high),
            })
            .collect(),
        verdict_hangs_on: hang(&grades),
        verdicts,
        figures: fields.iter().cloned().filter_map(figure).collect(),
        draws: draws.collect(),
    }
}

/// How badly a run ended, and the word for it.
fn grade(run: &Option<RunSummary>) -> (u8, &'static str) {
    let Some(run) = run else {
        return (7, "outgrew its limits");
    };
    match assess(run).grade {
        Grade::NoLoad => (0, "nobody came"),
        Grade::Well => (1, "served well"),
        Grade::Strained => (2, "served under strain"),
        Grade::InPart => (3, "played in part"),
        Grade::ShortOfSlo => (4, "short of its SLO"),
        Grade::Losing => (5, "lost requests"),
        Grade::Overloaded => (6, "overloaded"),
        Grade::Broken => (8, "broken: a mistake in the program"),
    }
}

/// The input whose ranks go with those of the values most; `None`: none does more than by chance.
fn hang(inputs: &[Uncertain], rows: &[Vec<f64>], values: &[Option<f64>]) -> Option<Hang> {
    let known: Vec<(usize, f64)> = values
        .iter()
        .enumerate()
        .filter_map(|(i, x)| Some((i, (*x)?)))
        .collect();
    let n = known.len();
    if n < 5 {
        return None;
    }
    let of_values = ranks(&known.iter().map(|(_, x)| *x).collect::<Vec<_>>());
    let of_input = |j: usize| {
        let column: Vec<f64> = known.iter().map(|(i, _)| rows[*i][j]).collect();
        correlation(&ranks(&column), &of_values)
    };
    let (j, r) = (0..inputs.len())
        .filter_map(|j| Some((j, of_input(j)?)))
        .reduce(|best, one| {
            if one.1.abs() > best.1.abs() {
                one
            } else {
                best
            }
        })?;
    let t = r.abs() * ((n - 2) as f64 / (1.0 - r * r).max(1e-12)).sqrt();
    // Of several inputs, one is the greatest by chance more often: Bonferroni.
    let level = 1.0 - (1.0 - SURE) / inputs.len() as f64;
    (t > t_quantile(level, n - 2)).then(|| Hang {
        input: inputs[j].path.clone(),
        rank_correlation: r,
    })
}

/// Ranks from 1, those of equals averaged.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0.0; values.len()];
    for group in order.chunk_by(|a, b| values[*a] == values[*b]) {
        let before = values.iter().filter(|x| **x < values[group[0]]).count();
        let rank = before as f64 + (group.len() as f64 + 1.0) / 2.0;
        group.iter().for_each(|i| ranks[*i] = rank);
    }
    ranks
}

/// Pearson's correlation; `None`: one side is constant.
fn correlation(x: &[f64], y: &[f64]) -> Option<f64> {
    let (mx, my) = (mean(x)?, mean(y)?);
    let sum = |f: &dyn Fn(f64, f64) -> f64| -> f64 {
        x.iter().zip(y).map(|(x, y)| f(x - mx, y - my)).sum()
    };
    let (xx, yy, xy) = (sum(&|x, _| x * x), sum(&|_, y| y * y), sum(&|x, y| x * y));
    (xx > 0.0 && yy > 0.0).then(|| (xy / (xx * yy).sqrt()).clamp(-1.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn law(form: LawForm, low: f64, high: f64) -> UncertainLaw {
        UncertainLaw { form, low, high }
    }

    #[test]
    fn quantiles_of_every_law() {
        let close = |law: UncertainLaw, u: f64, x: f64| {
            let got = quantile(&law, u);
            assert!(
                (got - x).abs() < 1e-6 * x.abs(),
                "{law:?} at {u}: {got}, not {x}"
            );
        };
        close(law(LawForm::Uniform, 2.0, 4.0), 0.25, 2.5);
        close(law(LawForm::LogUniform, 1.0, 100.0), 0.5, 10.0);
        // Half of a triangle from 0 to 4 with its top at 1 lies below 4 - sqrt(6).
        close(
            law(LawForm::Triangular { mode: 1.0 }, 0.0, 4.0),
            0.5,
            1.550_510_257,
        );
        // 97.5 % of a normal law lie below 1.96 standard deviations.
        let wide = LawForm::Normal {
            mean: 10.0,
            sd: 1.0,
        };
        close(law(wide, -90.0, 110.0), 0.975, 11.959_963_985);
        close(law(wide, 10.0, 110.0), 0.95, 11.959_963_985);
        let lognormal = LawForm::Lognormal { mean: 2.0, cv: 1.0 };
        close(law(lognormal, 0.0, 1e9), 0.5, std::f64::consts::SQRT_2);
    }

    #[test]
    fn ranks_of_equals_are_shared() {
        assert_eq!(ranks(&[3.0, 1.0, 3.0, 2.0]), [3.5, 1.0, 3.5, 2.0]);
        assert_eq!(correlation(&[1.0, 2.0, 3.0], &[6.0, 4.0, 2.0]), Some(-1.0));
        assert_eq!(correlation(&[1.0, 1.0], &[1.0, 2.0]), None);
    }
}
