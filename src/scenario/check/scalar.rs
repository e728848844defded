//! Single values against their kind: text, numbers, durations, times and words. Each function returns
//! a complaint, or `None` when the value fits.

use super::super::diagnostic::Diagnostic;
use super::super::shape::{Grain, NumberBounds, show_integer, show_number};
use super::super::source::Span;
use super::super::suggest::{choices, count, nearest, quote};
use super::super::text::{parse_duration, parse_time_of_day, show_duration};
use super::super::tree::{TomlNode, TomlValue};
use crate::words::Word;

/// Longest ordinary text, in characters.
const MAX_TEXT: usize = 1_000;

/// Checks a text: it is not blank, and not longer than [`MAX_TEXT`].
pub fn plain_text(text: &str, at: Span, path: &str) -> Option<Diagnostic> {
    if text.trim().is_empty() {
        return Some(Diagnostic::new(format!("{} is empty", quote(path)), at));
    }
    let long = text.chars().nth(MAX_TEXT).is_some();
    long.then(|| {
        let message = format!("{} is longer than {MAX_TEXT} characters", quote(path));
        Diagnostic::new(message, at)
    })
}

/// Checks a name: it can stand in paths and columns.
pub fn name(text: &str, at: Span, path: &str) -> Option<Diagnostic> {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
    if !text.is_empty() && text.len() <= 100 && text.bytes().all(allowed) {
        return None;
    }
    let message = format!("{} cannot be {}", quote(path), quote(text));
    let rule = "up to 100 lower-case letters, digits, `-` and `_`";
    let found = Diagnostic::new(message, at).label("not a plain name");
    Some(found.note(format!(
        "names are {rule}, so that they can stand in paths and columns"
    )))
}

/// Checks that a whole number is within bounds.
pub fn integer(number: i128, low: i128, high: i128, at: Span, path: &str) -> Option<Diagnostic> {
    if (low..=high).contains(&number) {
        return None;
    }
    let (low_text, high_text) = (show_integer(low), show_integer(high));
    let bounds = format!("must be from {low_text} to {high_text}");
    Some(out_of_bounds(number < low, number < 0, bounds, at, path))
}

/// Checks that a number is within bounds; NaN is not.
pub fn bounded(number: f64, range: NumberBounds, at: Span, path: &str) -> Option<Diagnostic> {
    if range.holds(number) {
        return None;
    }
    let bounds = format!("must be {}", range.words());
    if number.is_nan() {
        let message = format!("{} is not a number (NaN)", quote(path));
        return Some(Diagnostic::new(message, at).label(bounds));
    }
    if number == range.low || number == range.high {
        let message = format!("{} cannot be {}", quote(path), show_number(number));
        return Some(Diagnostic::new(message, at).label(bounds));
    }
    Some(out_of_bounds(
        number < range.low,
        number < 0.0,
        bounds,
        at,
        path,
    ))
}

fn out_of_bounds(small: bool, negative: bool, bounds: String, at: Span, path: &str) -> Diagnostic {
    let how = match (small, negative) {
        (true, true) => "is negative",
        (true, false) => "is too small",
        (false, _) => "is too large",
    };
    Diagnostic::new(format!("{} {how}", quote(path)), at).label(bounds)
}

/// Checks that a text is a duration within bounds, at its resolution.
pub fn duration(
    text: &str,
    low: u128,
    high: u128,
    grain: Grain,
    at: Span,
    path: &str,
) -> Option<Diagnostic> {
    let path = quote(path);
    let ps = match parse_duration(text) {
        Ok(ps) => ps,
        Err(why) => {
            let label = if text.trim_start().starts_with('-') {
                format!(
                    "must be from {} to {}",
                    show_duration(low),
                    show_duration(high)
                )
            } else {
                "not a duration".to_string()
            };
            return Some(Diagnostic::new(format!("{path} {why}"), at).label(label));
        }
    };
    if ps > 0 && grain == Grain::Nanosecond && ps < 500 {
        let message = format!("{path} is shorter than half a nanosecond, the clock's resolution");
        return Some(Diagnostic::new(message, at).label("would be rounded to nothing"));
    }
    if (low..=high).contains(&ps) {
        return None;
    }
    let how = if ps < low { "too short" } else { "too long" };
    let (low, high) = (show_duration(low), show_duration(high));
    let found = Diagnostic::new(format!("{path} is {how}"), at);
    Some(found.label(format!("must be from {low} to {high}")))
}

/// Checks that a text is a time of day; `end`: 24:00 is one too.
pub fn time_of_day(text: &str, end: bool, at: Span, path: &str) -> Option<Diagnostic> {
    match parse_time_of_day(text) {
        Ok(_) if end || text != "24:00" && text != "24:00:00" => None,
        Ok(_) => {
            let message = format!("{} cannot be `24:00`", quote(path));
            Some(Diagnostic::new(message, at).label("write \"00:00\""))
        }
        Err(why) => {
            let message = format!("{}: {} {why}", quote(path), quote(text));
            Some(Diagnostic::new(message, at).label("not a time of day"))
        }
    }
}

/// Checks that a value is a moment of the calendar with its offset from UTC.
pub fn offset_datetime(node: &TomlNode, path: &str) -> Option<Diagnostic> {
    let TomlValue::Datetime(when) = node.value else {
        return None;
    };
    let Some(time) = when
        .time
        .filter(|_| when.date.is_some() && when.offset.is_some())
    else {
        let message = format!(
            "{} needs a date, a time and an offset from UTC",
            quote(path)
        );
        let missing = match (when.date, when.time) {
            (None, _) => "there is no date",
            (_, None) => "there is no time",
            _ => "there is no offset",
        };
        let found = Diagnostic::new(message, node.at).label(missing);
        return Some(found.help("write it like 2025-02-27T12:00:00+08:00"));
    };
    (time.second == Some(60)).then(|| {
        let message = format!("{} cannot be a leap second", quote(path));
        Diagnostic::new(message, node.at).label("must be below 60 seconds")
    })
}

/// Checks that a text is one of a few words.
pub fn choice(text: &str, words: &'static [Word], at: Span, path: &str) -> Option<Diagnostic> {
    if words.iter().any(|w| w.word == text) {
        return None;
    }
    Some(not_a_choice(text, words.iter().map(|w| w.word), at, path))
}

/// The complaint about a word that is none of those.
pub fn not_a_choice<'a>(
    text: &str,
    words: impl Iterator<Item = &'a str> + Clone,
    at: Span,
    path: &str,
) -> Diagnostic {
    let message = format!("{} cannot be {}", quote(path), quote(text));
    let found = Diagnostic::new(message, at);
    let found = match nearest(text, words.clone()) {
        Some(meant) => found.label(format!("did you mean {}?", quote(meant))),
        None => found.label("not a choice here"),
    };
    found.help(format!("write {}", choices(words)))
}

/// Checks that the length of a list is within bounds.
pub fn list_length(
    len: usize,
    least: usize,
    most: usize,
    at: Span,
    path: &str,
) -> Option<Diagnostic> {
    if (least..=most).contains(&len) {
        return None;
    }
    let has = count(len, "entry", "entries");
    let needs = if least == most {
        format!("must be exactly {most}")
    } else if len < least {
        format!("must be at least {least}")
    } else {
        format!("must be at most {}", show_integer(most as i128))
    };
    Some(Diagnostic::new(format!("{} has {has}", quote(path)), at).label(needs))
}
