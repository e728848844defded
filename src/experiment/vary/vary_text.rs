//! Reads the grammar of `--vary`.

use std::ops::Range;
use std::sync::Arc;

use super::{AxisRange, AxisValues, VaryAxis, VaryError};
use crate::scenario::{AxisPiece, SourceText};

/// Most values that one axis may have.
const MAX_VALUES: usize = 100_000;

/// A piece of the text and its place.
#[derive(Clone, Copy)]
struct TextPiece<'a> {
    text: &'a str,
    start: usize,
}

impl<'a> TextPiece<'a> {
    fn part(self, range: Range<usize>) -> Self {
        let text = &self.text[range.clone()];
        let lead = text.len() - text.trim_start().len();
        Self {
            text: text.trim(),
            start: self.start + range.start + lead,
        }
    }

    fn at(self) -> Range<usize> {
        self.start..self.start + self.text.len()
    }

    /// The whole piece as a key or value.
    fn whole(self) -> AxisPiece {
        self.made(self.text.to_string())
    }

    /// A value that the piece makes, such as one of a range.
    fn made(self, text: String) -> AxisPiece {
        AxisPiece {
            text,
            at: self.at(),
        }
    }

    /// Cuts the piece at commas outside quotes and brackets.
    fn cut(self) -> Vec<Self> {
        let (mut depth, mut quote, mut from) = (0_usize, None, 0);
        let mut pieces = Vec::new();
        let mut escaped = false;
        for (i, c) in self.text.char_indices() {
            match (quote, c) {
                (Some('"'), '\\') if !escaped => {
                    escaped = true;
                    continue;
                }
                (Some(open), c) if c == open && !escaped => quote = None,
                (Some(_), _) => {}
                (None, '"' | '\'') => quote = Some(c),
                (None, '[' | '{' | '(') => depth += 1,
                (None, ']' | '}' | ')') => depth = depth.saturating_sub(1),
                (None, ',') if depth == 0 => {
                    pieces.push(self.part(from..i));
                    from = i + 1;
                }
                _ => {}
            }
            escaped = false;
        }
        pieces.push(self.part(from..self.text.len()));
        pieces
    }

    /// The text in the brackets that enclose the whole piece, after `name`; `None`: there are none.
    fn inside(self, name: &str) -> Option<Self> {
        let rest = self.text.strip_prefix(name)?.trim_start();
        let inner = rest.strip_prefix('(')?.strip_suffix(')')?;
        let from = self.text.len() - inner.len() - 1;
        Some(self.part(from..from + inner.len()))
    }
}

/// Reads an axis, which is written in `source`, which is what people call the place.
///
/// # Errors
/// What is wrong with the text, and where.
pub fn parse(source: &str, text: &str) -> Result<VaryAxis, VaryError> {
    let (keys, values) = read(text).map_err(|(at, why)| VaryError {
        source: source.to_string(),
        text: text.to_string(),
        at,
        why,
    })?;
    let written = SourceText {
        name: source.to_string(),
        text: text.to_string(),
        directory: None,
    };
    Ok(VaryAxis {
        written: Arc::new(written),
        keys,
        values,
    })
}

/// A mistake in a text: the bytes that are wrong, and the reason.
type Wrong = (Range<usize>, String);

fn read(text: &str) -> Result<(Vec<AxisPiece>, AxisValues), Wrong> {
    let whole = TextPiece { text, start: 0 };
    let Some(equals) = text.find('=') else {
        return Err((0..text.len(), "there is no `=`".to_string()));
    };
    let keys = whole.part(0..equals).cut();
    if let Some(empty) = keys.iter().find(|k| k.text.is_empty()) {
        return Err((
            empty.start..equals.max(empty.start + 1).min(text.len()),
            "a key is missing here".to_string(),
        ));
    }
    for (i, key) in keys.iter().enumerate() {
        if keys[..i].iter().any(|k| k.text == key.text) {
            return Err((key.at(), "this key is named twice".to_string()));
        }
    }
    let values = whole.part(equals + 1..text.len());
    if values.text.is_empty() {
        return Err((equals..equals + 1, "no values after this".to_string()));
    }
    let values = if keys.len() > 1 {
        AxisValues::List(rows(values, keys.len())?)
    } else {
        single(values)?
    };
    if let AxisValues::List(rows) = &values
        && rows.len() > MAX_VALUES
    {
        return Err((
            equals + 1..text.len(),
            format!("{} values; at most {MAX_VALUES} on one axis", rows.len()),
        ));
    }
    let keys = keys.into_iter().map(TextPiece::whole).collect();
    Ok((keys, values))
}

fn rows(values: TextPiece<'_>, width: usize) -> Result<Vec<Vec<AxisPiece>>, Wrong> {
    let row = |piece: TextPiece<'_>| {
        let inside = piece.inside("").ok_or_else(|| {
            let why = format!("linked keys need groups of {width}, such as (1, 2)");
            (piece.at(), why)
        })?;
        let items = inside.cut();
        if items.len() != width || items.iter().any(|i| i.text.is_empty()) {
            let why = format!("this needs {width} values, one for each key");
            return Err((piece.at(), why));
        }
        Ok(items.into_iter().map(TextPiece::whole).collect())
    };
    values.cut().into_iter().map(row).collect()
}

fn single(values: TextPiece<'_>) -> Result<AxisValues, Wrong> {
    let pieces = values.cut();
    let mut list = Vec::new();
    for piece in &pieces {
        if piece.text.is_empty() {
            let at = piece.start.saturating_sub(1)..piece.start;
            return Err((at, "a value is missing beside this comma".to_string()));
        }
        match span(*piece)? {
            None => list.push(vec![piece.whole()]),
            Some(AxisValues::List(rows)) => list.extend(rows),
            Some(between) if pieces.len() == 1 => return Ok(between),
            Some(AxisValues::Between(_)) => {
                let why = "a range without a step stands alone; give it a step or a count";
                return Err((piece.at(), why.to_string()));
            }
        }
    }
    Ok(AxisValues::List(list))
}

/// A range, if the piece is one; `None`: it is not.
fn span(piece: TextPiece<'_>) -> Result<Option<AxisValues>, Wrong> {
    if let Some(inside) = piece.inside("log") {
        return log(piece, inside).map(Some);
    }
    let Some(dots) = piece.text.find("..") else {
        return Ok(None);
    };
    if piece.text.starts_with(['"', '\'', '[', '{']) {
        return Ok(None);
    }
    let colon = piece.text[dots..].find(':').map(|i| dots + i);
    let low = RangeNumber::read(piece.part(0..dots))?;
    let high = piece.part(dots + 2..colon.unwrap_or(piece.text.len()));
    let high = RangeNumber::read(high)?;
    let unit = same_unit(&low, &high, piece)?;
    if low.value > high.value {
        return Err((piece.at(), "this range runs backwards".to_string()));
    }
    let whole = low.is_whole && high.is_whole;
    let step = match colon {
        Some(colon) => {
            let part = piece.part(colon + 1..piece.text.len());
            let step = RangeNumber::read(part)?;
            if step.unit != unit && step.value != 0.0 {
                return Err((part.at(), format!("the step needs the unit `{unit}` too")));
            }
            if step.value <= 0.0 {
                return Err((part.at(), "a step must be above zero".to_string()));
            }
            Some((step.value, whole && step.is_whole, part))
        }
        None if whole && unit.is_empty() => Some((1.0, true, piece)),
        None => None,
    };
    let Some((step, whole, at)) = step else {
        return Ok(Some(between(piece, &low, &high, false)));
    };
    // As many steps as fit, the last one even if rounding made it a little too long.
    let steps = libm::floor((high.value - low.value) / step + 1e-9);
    if steps >= MAX_VALUES as f64 {
        return Err((at.at(), format!("more than {MAX_VALUES} values")));
    }
    let values = (0..=steps as u64).map(|i| low.value + i as f64 * step);
    let rows = values.map(|x| vec![piece.made(written(x, whole, &unit))]);
    Ok(Some(AxisValues::List(rows.collect())))
}

fn log(piece: TextPiece<'_>, inside: TextPiece<'_>) -> Result<AxisValues, Wrong> {
    let parts = inside.cut();
    let (low, high) = match parts.as_slice() {
        [low, high] | [low, high, _] => (RangeNumber::read(*low)?, RangeNumber::read(*high)?),
        _ => {
            let why = "a log range has two ends and a count: log(1, 1000, 7)";
            return Err((inside.at(), why.to_string()));
        }
    };
    let unit = same_unit(&low, &high, inside)?;
    if low.value <= 0.0 || low.value > high.value {
        let why = "a log range rises from above zero";
        return Err((inside.at(), why.to_string()));
    }
    let Some(count) = parts.get(2) else {
        return Ok(between(piece, &low, &high, true));
    };
    let most = MAX_VALUES as u64;
    let steps = match count.text.parse::<u64>() {
        Ok(count) if (2..=most).contains(&count) => count - 1,
        _ => {
            let why = format!("the count is a whole number from 2 to {most}");
            return Err((count.at(), why));
        }
    };
    let whole = low.is_whole && high.is_whole;
    let place = AxisRange {
        low: low.value,
        high: high.value,
        is_log: true,
        unit,
        at: piece.at(),
    };
    let mut rows: Vec<Vec<AxisPiece>> = (0..=steps)
        .map(|i| {
            let x = match i {
                0 => low.value,
                i if i == steps => high.value,
                i => place.number(i as f64 / steps as f64),
            };
            vec![piece.made(written(x, whole, &place.unit))]
        })
        .collect();
    rows.dedup();
    Ok(AxisValues::List(rows))
}

fn between(
    piece: TextPiece<'_>,
    low: &RangeNumber,
    high: &RangeNumber,
    is_log: bool,
) -> AxisValues {
    // Samples of whole numbers are taken from the list of them.
    AxisValues::Between(AxisRange {
        low: low.value,
        high: high.value,
        is_log,
        unit: low.unit.clone(),
        at: piece.at(),
    })
}

fn same_unit(low: &RangeNumber, high: &RangeNumber, piece: TextPiece<'_>) -> Result<String, Wrong> {
    if low.unit == high.unit {
        return Ok(low.unit.clone());
    }
    let why = "both ends need the same unit";
    Err((piece.at(), why.to_string()))
}

impl AxisRange {
    /// The number at a part of the way from least to greatest.
    pub fn number(&self, part: f64) -> f64 {
        if self.is_log {
            let (low, high) = (libm::log(self.low), libm::log(self.high));
            return libm::exp(low + part * (high - low)).clamp(self.low, self.high);
        }
        self.low + part * (self.high - self.low)
    }

    /// The number at a part of the way, as TOML text.
    pub fn value(&self, part: f64) -> AxisPiece {
        AxisPiece {
            text: written(self.number(part), false, &self.unit),
            at: self.at.clone(),
        }
    }
}

/// A number with nine significant digits, which no key needs more of, as TOML.
fn written(x: f64, whole: bool, unit: &str) -> String {
    let number = if whole {
        format!("{:.0}", libm::round(x))
    } else {
        let rounded: f64 = format!("{x:.8e}").parse().unwrap_or(x);
        if unit.is_empty() {
            format!("{rounded:?}")
        } else {
            format!("{rounded}")
        }
    };
    number + unit
}

/// A number of a range.
struct RangeNumber {
    value: f64,
    is_whole: bool,
    unit: String,
}

impl RangeNumber {
    fn read(piece: TextPiece<'_>) -> Result<Self, Wrong> {
        let is_digit = |c: char| c.is_ascii_digit() || matches!(c, '.' | '_' | '-' | '+');
        let mut end = piece
            .text
            .find(|c| !is_digit(c))
            .unwrap_or(piece.text.len());
        if let Some(tail) = piece.text[end..].strip_prefix(['e', 'E'])
            && tail.starts_with(|c: char| c.is_ascii_digit() || c == '-' || c == '+')
        {
            let digits = tail[1..].find(|c: char| !c.is_ascii_digit());
            end += 2 + digits.unwrap_or(tail.len() - 1);
        }
        let digits = piece.text[..end].replace('_', "");
        let unit = piece.text[end..].trim();
        let at = if piece.text.is_empty() {
            piece.start.saturating_sub(1)..piece.start.max(1)
        } else {
            piece.at()
        };
        match digits.parse::<f64>() {
            Ok(value) if value.is_finite() && unit.chars().all(char::is_alphabetic) => Ok(Self {
                value,
                is_whole: !digits.contains(['.', 'e', 'E']),
                unit: unit.to_string(),
            }),
            _ => Err((at, "a range needs numbers".to_string())),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn values(text: &str) -> Vec<String> {
        let texts = |row: &Vec<AxisPiece>| {
            let texts: Vec<&str> = row.iter().map(|piece| piece.text.as_str()).collect();
            texts.join("|")
        };
        match parse("a test", text).unwrap().values {
            AxisValues::List(rows) => rows.iter().map(texts).collect(),
            AxisValues::Between(span) => [0.0, 0.5, 1.0].map(|x| span.value(x).text).into(),
        }
    }

    #[test]
    fn lists_ranges_and_links_are_read() {
        assert_eq!(values("a.b=1, 2.5,x"), ["1", "2.5", "x"]);
        assert_eq!(values("a = [1, 2], [3]"), ["[1, 2]", "[3]"]);
        assert_eq!(values(r#"a="x,\"y", 'z,'"#), [r#""x,\"y""#, "'z,'"]);
        assert_eq!(values("a=1..4"), ["1", "2", "3", "4"]);
        assert_eq!(values("a=1..9:4, 20"), ["1", "5", "9", "20"]);
        assert_eq!(values("a=0..1:0.1").len(), 11);
        assert_eq!(values("a=0..1:0.1")[3], "0.3");
        assert_eq!(values("a=10min..30min:10min"), ["10min", "20min", "30min"]);
        assert_eq!(
            values("a=log(1,1000,7)"),
            ["1", "3", "10", "32", "100", "316", "1000"]
        );
        assert_eq!(values("a=log(1.0,100.0,3)"), ["1.0", "10.0", "100.0"]);
        assert_eq!(values("a=log(1e2,1e4)"), ["100.0", "1000.0", "10000.0"]);
        assert_eq!(values("a=0.2..0.4"), ["0.2", "0.3", "0.4"]);
        assert_eq!(values("a, b = (1, 2), (3, [4, 5])"), ["1|2", "3|[4, 5]"]);
        let linked = parse("a test", "a, b=(1,2)").unwrap();
        let keys: Vec<(&str, Range<usize>)> = linked
            .keys
            .iter()
            .map(|k| (k.text.as_str(), k.at.clone()))
            .collect();
        assert_eq!(keys, [("a", 0..1), ("b", 3..4)]);
        // a text with dots in it is a text
        assert_eq!(values("a=\"x..y\""), ["\"x..y\""]);
    }

    #[test]
    fn mistakes_are_underlined() {
        let wrong = |text: &str| {
            let error = parse("argument --vary", text).unwrap_err();
            error.show(&super::super::AXIS)
        };
        insta::assert_snapshot!(wrong("units=9..1:2"), @r"
        not an axis
         --> argument --vary:1:7
          |
        1 | units=9..1:2
          |       ^^^^^^ this range runs backwards
          |
          = help: write key=1,2,3 or key=1..9:2 or key=log(1,1000,7), or linked keys: a,b=(1,2),(3,4)
        ");
        for (text, at, why) in [
            ("units", 0..5, "there is no `=`"),
            ("units=", 5..6, "no values after this"),
            ("=1", 0..1, "a key is missing here"),
            ("a,a=(1,2)", 2..3, "this key is named twice"),
            ("a=1,,2", 3..4, "a value is missing beside this comma"),
            ("a=1..x", 5..6, "a range needs numbers"),
            ("a=1..9:0", 7..8, "a step must be above zero"),
            ("a=1s..9ms:1s", 2..12, "both ends need the same unit"),
            ("a=0..1:1e-9", 7..11, "more than 100000 values"),
            (
                "a,b=1,2",
                4..5,
                "linked keys need groups of 2, such as (1, 2)",
            ),
            (
                "a,b=(1,2),(3)",
                10..13,
                "this needs 2 values, one for each key",
            ),
            ("a=log(0,1,3)", 6..11, "a log range rises from above zero"),
            (
                "a=log(1,2,1)",
                10..11,
                "the count is a whole number from 2 to 100000",
            ),
            (
                "a=0.1..0.2,5",
                2..10,
                "a range without a step stands alone; give it a step or a count",
            ),
        ] {
            let error = parse("a test", text).unwrap_err();
            assert_eq!((error.at, error.why.as_str()), (at, why), "{text}");
        }
    }
}
