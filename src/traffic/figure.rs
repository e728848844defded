//! Numbers as people and tools write them: thousands in groups, units behind them.

use super::counts::CountUnit;

/// Why a cell is no number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoFigure {
    /// Nothing stands there.
    Empty,
    /// A word for a missing value stands there: `null`, `NaN`, `-`.
    Missing,
    /// A comma or point may part thousands or decimals.
    Ambiguous,
    /// Some other text stands there.
    Other,
}

/// A number: `1000`, `1,000`, `1 000`, `1'000`, `1.2e3`.
pub fn figure(text: &str) -> Result<f64, NoFigure> {
    if let Ok(number) = text.parse::<f64>() {
        let is_number = number.is_finite() && text.bytes().any(|b| b.is_ascii_digit());
        return if is_number {
            Ok(number)
        } else {
            Err(NoFigure::Missing)
        };
    }
    match text {
        "" => return Err(NoFigure::Empty),
        "null" | "NULL" | "None" | "N/A" | "n/a" | "-" | "undefined" => {
            return Err(NoFigure::Missing);
        }
        _ => {}
    }
    let (whole, part) = match text.split_once('.') {
        Some((whole, part)) => (whole, part),
        None => (text, ""),
    };
    let is_grouped = |mark: char| {
        let mut groups = whole.trim_start_matches(['-', '+']).split(mark);
        let digits = |group: &str| group.bytes().all(|b| b.is_ascii_digit());
        let first = groups
            .next()
            .is_some_and(|g| (1..=3).contains(&g.len()) && digits(g));
        let rest: Vec<&str> = groups.collect();
        first && !rest.is_empty() && rest.iter().all(|g| g.len() == 3 && digits(g))
    };
    let mark = [',', ' ', '\'', '_', '\u{a0}', '\u{202f}', '\u{2019}'];
    if let Some(mark) = mark.into_iter().find(|mark| is_grouped(*mark))
        && part.bytes().all(|b| b.is_ascii_digit())
    {
        let bare: String = text.chars().filter(|c| *c != mark).collect();
        return bare.parse().map_err(|_| NoFigure::Other);
    }
    let digits_and_marks = |c: char| c.is_ascii_digit() || c == ',' || c == '.';
    Err(
        match text.contains(',') && text.chars().all(digits_and_marks) {
            true => NoFigure::Ambiguous,
            false => NoFigure::Other,
        },
    )
}

/// Units that dashboards put behind a number, and what they say of it.
const UNITS: [(&str, Option<CountUnit>, f64); 17] = [
    ("req/s", Some(CountUnit::PerSecond), 1.0),
    ("reqps", Some(CountUnit::PerSecond), 1.0),
    ("requests/s", Some(CountUnit::PerSecond), 1.0),
    ("requests/sec", Some(CountUnit::PerSecond), 1.0),
    ("rps", Some(CountUnit::PerSecond), 1.0),
    ("qps", Some(CountUnit::PerSecond), 1.0),
    ("ops/s", Some(CountUnit::PerSecond), 1.0),
    ("c/s", Some(CountUnit::PerSecond), 1.0),
    ("/s", Some(CountUnit::PerSecond), 1.0),
    ("req/m", Some(CountUnit::PerMinute), 1.0),
    ("rpm", Some(CountUnit::PerMinute), 1.0),
    ("/min", Some(CountUnit::PerMinute), 1.0),
    ("K", None, 1e3),
    ("k", None, 1e3),
    ("Mil", None, 1e6),
    ("M", None, 1e6),
    ("Bil", None, 1e9),
];

/// A number with the unit that a dashboard wrote behind it: `1.2 K`, `3.5 K req/s`.
pub fn figure_with_unit(text: &str) -> Result<(f64, Option<CountUnit>), NoFigure> {
    match figure(text) {
        Err(NoFigure::Other) => {}
        known => return known.map(|number| (number, None)),
    }
    let (mut rest, mut unit, mut factor) = (text.trim(), None, 1.0);
    // A scale may stand between the number and its unit.
    for _ in 0..2 {
        let Some((word, of, by)) = UNITS.into_iter().find(|(word, ..)| rest.ends_with(word)) else {
            break;
        };
        rest = rest[..rest.len() - word.len()].trim_end();
        unit = unit.or(of);
        factor *= by;
    }
    if rest.len() == text.len() {
        return Err(NoFigure::Other);
    }
    Ok((figure(rest)? * factor, unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_read_and_doubts_are_not() {
        for text in [
            "1000", "1,000", "1 000", "1'000", "1_000", "1e3", "1,000.0", "1000.00",
        ] {
            assert_eq!(figure(text), Ok(1000.0), "{text}");
        }
        assert_eq!(figure("-1,234,567.5"), Ok(-1_234_567.5));
        assert_eq!(figure("1,5"), Err(NoFigure::Ambiguous));
        assert_eq!(figure("1,00,000"), Err(NoFigure::Ambiguous));
        assert_eq!(figure("2x00"), Err(NoFigure::Other));
        assert_eq!(figure(""), Err(NoFigure::Empty));
        assert_eq!(figure("NaN"), Err(NoFigure::Missing));
        assert_eq!(figure("inf"), Err(NoFigure::Missing));
        assert_eq!(figure("null"), Err(NoFigure::Missing));
    }

    #[test]
    fn units_behind_numbers_say_what_they_are() {
        let per_second = Some(CountUnit::PerSecond);
        assert_eq!(figure_with_unit("1.5 K"), Ok((1500.0, None)));
        assert_eq!(figure_with_unit("2 K req/s"), Ok((2000.0, per_second)));
        assert_eq!(figure_with_unit("12 rps"), Ok((12.0, per_second)));
        assert_eq!(figure_with_unit("12 apples"), Err(NoFigure::Other));
        assert_eq!(figure_with_unit("K"), Err(NoFigure::Empty));
    }
}
