//! Durations (`"1h30min"`, `"29.3ns"`) and times of day (`"12:00"`) as people write them, and texts in quotes.

use std::fmt::Write;

use super::suggest::{choices, quote};
use crate::units::{NS_PER_S, SimDuration};

/// Units of duration in picoseconds, largest first.
const UNITS: [(&str, u128); 8] = [
    ("d", 86_400_000_000_000_000),
    ("h", 3_600_000_000_000_000),
    ("min", 60_000_000_000_000),
    ("s", 1_000_000_000_000),
    ("ms", 1_000_000_000),
    ("us", 1_000_000),
    ("ns", 1_000),
    ("ps", 1),
];

/// Units that people write and this program does not know, with the unit that is meant.
const ALIASES: [(&str, &str); 12] = [
    ("m", "min"),
    ("mins", "min"),
    ("minute", "min"),
    ("minutes", "min"),
    ("hr", "h"),
    ("hour", "h"),
    ("hours", "h"),
    ("sec", "s"),
    ("seconds", "s"),
    ("day", "d"),
    ("days", "d"),
    ("µs", "us"),
];

/// Digits that a number in a duration may have before its point, and after it.
const MAX_DIGITS: usize = 15;

/// Picoseconds in one second.
pub const PS_PER_S: u128 = 1_000_000_000_000;

/// Reads a duration: numbers with units, added up. Exact to the picosecond, half up.
///
/// # Errors
///
/// What is wrong and what to write, as a sentence part.
pub fn parse_duration(text: &str) -> Result<u128, String> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err("is empty; write a number and a unit".to_string());
    }
    if rest.starts_with('-') {
        return Err("is negative".to_string());
    }
    let mut total = 0_u128;
    let mut nonzero = false;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '_'));
        let (number, tail) = rest.split_at(end.unwrap_or(rest.len()));
        let end = tail.find(|c: char| c.is_ascii_digit() || c == '.');
        let (unit, tail) = tail.split_at(end.unwrap_or(tail.len()));
        let (value, seen) = scaled(number, unit.trim())?;
        total = total.saturating_add(value);
        nonzero |= seen;
        rest = tail;
    }
    if nonzero && total == 0 {
        return Err("is shorter than half a picosecond, the resolution here".to_string());
    }
    Ok(total)
}

fn scaled(number: &str, unit: &str) -> Result<(u128, bool), String> {
    let digits = number.replace('_', "");
    let (whole, part) = digits.split_once('.').unwrap_or((&digits, ""));
    let odd = part.contains('.') || (whole.is_empty() && part.is_empty());
    if odd || (digits.contains('.') && part.is_empty()) {
        return Err("is not a number and a unit".to_string());
    }
    if unit.is_empty() {
        return Err(format!("has no unit; write \"{digits}s\" or \"{digits}h\""));
    }
    let Some((_, per_unit)) = UNITS.iter().find(|(name, _)| *name == unit) else {
        let lower = unit.to_lowercase();
        let meant = ALIASES.iter().find(|(alias, _)| *alias == lower);
        let same = UNITS.iter().find(|(name, _)| *name == lower);
        return Err(match (meant, same) {
            (Some((_, unit)), _) | (_, Some((unit, _))) => {
                format!("has an unknown unit; did you mean \"{digits}{unit}\"?")
            }
            _ => format!(
                "has the unknown unit {}; units are {}",
                quote(unit),
                choices(UNITS.map(|(name, _)| name))
            ),
        });
    };
    if whole.len() > MAX_DIGITS || part.len() > MAX_DIGITS {
        return Err(format!("has a number of more than {MAX_DIGITS} digits"));
    }
    let denominator = 10_u128.pow(part.len() as u32);
    let whole: u128 = if whole.is_empty() { 0 } else { parsed(whole)? };
    let part: u128 = if part.is_empty() { 0 } else { parsed(part)? };
    let ps = whole * per_unit + (part * per_unit + denominator / 2) / denominator;
    Ok((ps, whole + part > 0))
}

fn parsed(digits: &str) -> Result<u128, String> {
    let error = |_| "is not a number and a unit".to_string();
    digits.parse().map_err(error)
}

/// A duration in its largest whole unit, for messages: `400d`, `20ms`.
pub fn show_duration(ps: u128) -> String {
    if ps == 0 {
        return "0s".to_string();
    }
    let unit = UNITS
        .iter()
        .find(|(_, per_unit)| ps.is_multiple_of(*per_unit));
    let (name, per_unit) = unit.unwrap_or(&("ps", 1));
    format!("{}{name}", ps / per_unit)
}

/// Reads a time of day, `HH:MM` or `HH:MM:SS`; `24:00` is the end of the day.
///
/// # Errors
///
/// What is wrong, as a sentence part.
pub fn parse_time_of_day(text: &str) -> Result<SimDuration, String> {
    let wrong = || "is not a time of day; write hours and minutes, such as \"09:30\"".to_string();
    let parts: Vec<&str> = text.split(':').collect();
    let two_digits = |p: &&str| p.len() == 2 && p.bytes().all(|b| b.is_ascii_digit());
    if !(2..=3).contains(&parts.len()) || !parts.iter().all(two_digits) {
        return Err(wrong());
    }
    let mut numbers = [0_u64; 3];
    for (number, part) in numbers.iter_mut().zip(&parts) {
        *number = part.parse().map_err(|_| wrong())?;
    }
    let [hours, minutes, seconds] = numbers;
    let total = (hours * 60 + minutes) * 60 + seconds;
    if minutes > 59 || seconds > 59 || total > 86_400 {
        return Err("is not on a clock of 24 hours".to_string());
    }
    Ok(SimDuration(total * NS_PER_S))
}

/// A time of day for messages: `03:30`, with seconds only when there are some.
pub fn show_time_of_day(time: SimDuration) -> String {
    let seconds = time.0 / NS_PER_S;
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if seconds == 0 {
        format!("{hours:02}:{minutes:02}")
    } else {
        format!("{hours:02}:{minutes:02}:{seconds:02}")
    }
}

/// A text in quotes, as TOML.
pub fn quoted(words: &str) -> String {
    let mut out = String::with_capacity(words.len() + words.len() / 16);
    write_quoted(&mut out, words);
    out
}

/// Writes a text in quotes, as TOML.
pub fn write_quoted(out: &mut dyn Write, words: &str) {
    let _ = out.write_char('"');
    for c in words.chars() {
        let _ = match c {
            '"' => out.write_str("\\\""),
            '\\' => out.write_str("\\\\"),
            '\n' => out.write_str("\\n"),
            '\r' => out.write_str("\\r"),
            '\t' => out.write_str("\\t"),
            c if c.is_control() => write!(out, "\\u{:04X}", u32::from(c)),
            c => out.write_char(c),
        };
    }
    let _ = out.write_char('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_exact() {
        let cases = [
            ("24h", 86_400 * PS_PER_S),
            ("1h30min", 5_400 * PS_PER_S),
            ("2.5s", 5 * PS_PER_S / 2),
            ("29.3ns", 29_300),
            ("9004ps", 9_004),
            ("9_004 ps", 9_004),
            ("0.5ps", 1),
            ("0s", 0),
            ("400d", 400 * 86_400 * PS_PER_S),
        ];
        for (text, ps) in cases {
            assert_eq!(parse_duration(text), Ok(ps), "{text}");
        }
    }

    #[test]
    fn wrong_durations_say_what_to_write() {
        let cases = [
            ("24", "has no unit; write \"24s\" or \"24h\""),
            ("5m", "has an unknown unit; did you mean \"5min\"?"),
            ("24H", "has an unknown unit; did you mean \"24h\"?"),
            ("-5s", "is negative"),
            ("", "is empty; write a number and a unit"),
            ("h", "is not a number and a unit"),
            ("1.2.3s", "is not a number and a unit"),
            (
                "0.1ps",
                "is shorter than half a picosecond, the resolution here",
            ),
        ];
        for (text, why) in cases {
            assert_eq!(parse_duration(text), Err(why.to_string()), "{text}");
        }
        assert!(parse_duration("3parsecs").is_err_and(|e| e.contains("`parsecs`")));
        assert!(parse_duration(&format!("{}h", "9".repeat(16))).is_err());
    }

    #[test]
    fn times_of_day_read_and_show() {
        for text in ["00:00", "09:30", "23:59:59", "24:00"] {
            assert_eq!(
                parse_time_of_day(text).map(show_time_of_day),
                Ok(text.to_string())
            );
        }
        for text in [
            "9:30",
            "24:01",
            "12:60",
            "12",
            "12:00:00:00",
            "ab:cd",
            "+1:00",
        ] {
            assert!(parse_time_of_day(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_show_in_their_largest_unit() {
        assert_eq!(show_duration(400 * 86_400 * PS_PER_S), "400d");
        assert_eq!(show_duration(90 * PS_PER_S), "90s");
        assert_eq!(show_duration(1), "1ps");
    }
}
