//! A small language for the shape of a TOML file: which keys there are, of which kind, within which
//! bounds, and what they mean.
//!
//! The scenario's shape ([`super::file`]) is data in this language. Three readers use it: the checker
//! finds everything that does not fit, and fills in defaults; the JSON Schema is generated from it;
//! and messages take their words from it. Bounds are part of the shape, so no number is unbounded.

use crate::words::Word;

/// Shape of a table: these keys and no others.
#[derive(Debug)]
pub struct TableShape {
    /// Name of the table in the JSON Schema.
    pub name: &'static str,
    /// Meaning of the table.
    pub doc: &'static str,
    /// Keys that the table may have.
    pub fields: &'static [Field],
    /// Whether the order of the keys means something and is kept.
    pub ordered: bool,
}

/// A key of a table.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// The key as it is written.
    pub key: &'static str,
    /// Value that the key may hold.
    pub kind: ValueKind,
    /// Whether the key must be there.
    pub need: Presence,
    /// Meaning of the key.
    pub doc: &'static str,
}

/// Whether a key must be there.
#[derive(Clone, Copy, Debug)]
pub enum Presence {
    /// The key must be there; the text is an example of a value, as TOML.
    Required(&'static str),
    /// The key may be left out, and then means nothing, or what its doc says.
    Optional,
    /// The key may be left out, and then has this value, as TOML.
    Default(&'static str),
}

/// What a key may hold.
#[derive(Clone, Copy, Debug)]
pub enum ValueKind {
    /// A text of up to a thousand characters.
    Text,
    /// A text of any length: a file's contents.
    LongText,
    /// A name: lower-case letters, digits, `-` and `_`.
    Name,
    /// A whole number within bounds, both included.
    Integer(i128, i128),
    /// A number within bounds.
    Number(NumberBounds),
    /// `true` or `false`.
    Boolean,
    /// A duration between two numbers of picoseconds, both included, at a resolution.
    Duration(u128, u128, Grain),
    /// A time of day; `true`: the end of the day, 24:00, is one too.
    TimeOfDay(bool),
    /// A date with a time and an offset from UTC.
    OffsetDatetime,
    /// One of these words.
    Choice(&'static [Word]),
    /// A list of one kind; least and greatest length.
    List(&'static ValueKind, usize, usize),
    /// A list of exactly two values.
    Pair(&'static ValueKind, &'static ValueKind),
    /// A table of this shape.
    Table(&'static TableShape),
    /// A table whose `kind` decides about its other keys.
    Tagged(&'static Tagged),
    /// One or the other kind, told apart by the type of the TOML value.
    Either(&'static ValueKind, &'static ValueKind),
}

/// Bounds of a number.
#[derive(Clone, Copy, Debug)]
pub struct NumberBounds {
    /// Least value of the number.
    pub low: f64,
    /// Greatest value of the number.
    pub high: f64,
    /// Whether the least value itself is excluded.
    pub above: bool,
    /// Whether the greatest value itself is excluded.
    pub below: bool,
}

/// The resolution that a duration is rounded to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grain {
    /// Nanoseconds: all that is on the simulation's clock.
    Nanosecond,
    /// Picoseconds: coefficients of step times.
    Picosecond,
}

/// A table whose `kind` decides about its other keys.
#[derive(Debug)]
pub struct Tagged {
    /// Name of the table in the JSON Schema.
    pub name: &'static str,
    /// Meaning of the table.
    pub doc: &'static str,
    /// A `kind` as an example.
    pub example: &'static str,
    /// Keys that every kind has.
    pub common: &'static [Field],
    /// Kinds that the table may have.
    pub variants: &'static [Variant],
}

/// One `kind` of a tagged table.
#[derive(Clone, Copy, Debug)]
pub struct Variant {
    /// How the kind is written, and what it means.
    pub tag: Word,
    /// Keys of this kind alone.
    pub fields: &'static [Field],
}

/// A key that must be there.
pub const fn required(
    key: &'static str,
    kind: ValueKind,
    example: &'static str,
    doc: &'static str,
) -> Field {
    Field {
        key,
        kind,
        need: Presence::Required(example),
        doc,
    }
}

/// A key that may be left out.
pub const fn optional(key: &'static str, kind: ValueKind, doc: &'static str) -> Field {
    Field {
        key,
        kind,
        need: Presence::Optional,
        doc,
    }
}

/// A key with a default, given as TOML.
pub const fn default(
    key: &'static str,
    kind: ValueKind,
    value: &'static str,
    doc: &'static str,
) -> Field {
    Field {
        key,
        kind,
        need: Presence::Default(value),
        doc,
    }
}

/// A number from `low` to `high`.
pub const fn number(low: f64, high: f64) -> ValueKind {
    ValueKind::Number(NumberBounds {
        low,
        high,
        above: false,
        below: false,
    })
}

/// A number above zero, up to `high`.
pub const fn positive(high: f64) -> ValueKind {
    ValueKind::Number(NumberBounds {
        low: 0.0,
        high,
        above: true,
        below: false,
    })
}

/// A number from zero to below one.
pub const fn below_one() -> ValueKind {
    ValueKind::Number(NumberBounds {
        low: 0.0,
        high: 1.0,
        above: false,
        below: true,
    })
}

impl NumberBounds {
    /// Whether a number lies within; NaN does not.
    pub fn holds(self, x: f64) -> bool {
        let low = if self.above {
            x > self.low
        } else {
            x >= self.low
        };
        let high = if self.below {
            x < self.high
        } else {
            x <= self.high
        };
        low && high
    }

    /// The bounds in words: `from 0 to 20`, `above 0 and at most 10`.
    pub fn words(self) -> String {
        let (low, high) = (show_number(self.low), show_number(self.high));
        match (self.above, self.below) {
            (false, false) => format!("from {low} to {high}"),
            (false, true) => format!("from {low} to below {high}"),
            (true, false) => format!("above {low} and at most {high}"),
            (true, true) => format!("above {low} and below {high}"),
        }
    }
}

impl ValueKind {
    /// The expected value in words.
    pub fn words(self) -> String {
        match self {
            Self::Text | Self::LongText => "text in quotes".to_string(),
            Self::Name => "a name of lower-case letters, digits, `-` and `_`".to_string(),
            Self::Integer(low, high) => {
                let (low, high) = (show_integer(low), show_integer(high));
                format!("a whole number from {low} to {high}")
            }
            Self::Number(range) => format!("a number {}", range.words()),
            Self::Boolean => "true or false".to_string(),
            Self::Duration(..) => "a duration in quotes, such as \"24h\" or \"20ms\"".to_string(),
            Self::TimeOfDay(_) => "a time of day in quotes, such as \"09:30\"".to_string(),
            Self::OffsetDatetime => {
                "a date and time with its offset from UTC, such as 2025-02-27T12:00:00+08:00"
                    .to_string()
            }
            Self::Choice(words) => {
                super::suggest::choices(words.iter().map(|w| w.word)).to_string()
            }
            Self::List(..) => "a list in [ ]".to_string(),
            Self::Pair(first, second) => {
                format!("a pair [{}, {}]", first.words(), second.words())
            }
            Self::Table(_) | Self::Tagged(_) => "a table".to_string(),
            Self::Either(one, other) => format!("{}, or {}", one.words(), other.words()),
        }
    }
}

/// A bound for people: `4,000,000,000`.
pub fn show_integer(number: i128) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut shown = if number < 0 { "-" } else { "" }.to_string();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// A number for people: whole ones with thousands separated, very large ones with an exponent.
pub fn show_number(x: f64) -> String {
    let whole = x - libm::trunc(x) == 0.0;
    if whole && x.abs() < 1e15 {
        show_integer(x as i128)
    } else if x.abs() >= 1e15 || x.abs() < 1e-4 {
        format!("{x:e}")
    } else {
        format!("{x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_know_their_ends() {
        let ValueKind::Number(open) = below_one() else {
            panic!("a number")
        };
        assert!(open.holds(0.0) && open.holds(0.999) && !open.holds(1.0));
        assert!(!open.holds(f64::NAN) && !open.holds(-0.1) && !open.holds(f64::INFINITY));
        assert_eq!(open.words(), "from 0 to below 1");
    }

    #[test]
    fn numbers_are_legible() {
        assert_eq!(show_number(4e9), "4,000,000,000");
        assert_eq!(show_number(1e30), "1e30");
        assert_eq!(show_number(-3.0), "-3");
        assert_eq!(show_number(0.563), "0.563");
        assert_eq!(show_number(1e-6), "1e-6");
        assert_eq!(show_integer(-1_234_567), "-1,234,567");
    }
}
