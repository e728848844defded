//! Times as files write them: times of day, days of the week, dates, seconds since 1970.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

const NS: i64 = 1_000_000_000;
const DAY: i64 = 86_400 * NS;

/// A time as it stands in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stamp {
    /// A time of day, in ns from midnight; up to 24:00.
    OfDay(i64),
    /// A time of a day of the week, in ns from Monday 00:00.
    OfWeek(i64),
    /// A number, in billionths.
    Number(i128),
    /// A date and time on some clock, in ns from 1970-01-01 00:00 on that clock.
    Civil(i64),
    /// An instant, in ns from 1970-01-01 00:00 UTC.
    Instant(i64),
}

/// Names of the days of the week; three letters are enough.
const DAYS: [&str; 7] = [
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
];

impl Stamp {
    /// The time that a text says; `None`: it says none.
    pub fn read(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let first = bytes.first()?;
        if first.is_ascii_alphabetic() {
            return of_week(text);
        }
        if let Some(number) = billionths(text) {
            return Some(Self::Number(number));
        }
        if bytes.len() <= 8 && text.contains(':') {
            return of_day(text).map(Self::OfDay);
        }
        dated(text)
    }
}

/// A decimal number in billionths, exact to the last digit (half up beyond that); `None`: it is none, or too large.
pub fn billionths(text: &str) -> Option<i128> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |t: &str| t.bytes().all(|b| b.is_ascii_digit());
    if (whole.is_empty() && part.is_empty()) || whole.len() > 25 {
        return None;
    }
    if !all_digits(whole) || !all_digits(part) {
        // Exponents, as spreadsheets write large numbers.
        let is_float = |b| matches!(b, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-');
        let is_float = text.bytes().all(is_float);
        let number = is_float.then(|| text.parse::<f64>().ok()).flatten()? * NS as f64;
        return (number.abs() < 1e30).then(|| libm::round(number) as i128);
    }
    let mut value: i128 = 0;
    for digit in whole.bytes() {
        value = value * 10 + i128::from(digit - b'0');
    }
    value *= i128::from(NS);
    let mut unit = i128::from(NS / 10);
    for (place, digit) in part.bytes().take(10).enumerate() {
        value += i128::from(digit - b'0') * unit;
        value += i128::from(place == 9 && digit >= b'5');
        unit /= 10;
    }
    Some(if negative { -value } else { value })
}

/// A time of day, `9:30`, `09:30` or `09:30:15`.
fn of_day(text: &str) -> Option<i64> {
    let mut parts = [0_i64; 3];
    let mut count = 0;
    for part in text.split(':') {
        let is_number = (1..=2).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
        if count == 3 || !is_number || (count > 0 && part.len() != 2) {
            return None;
        }
        parts[count] = part.parse().ok()?;
        count += 1;
    }
    let [hours, minutes, seconds] = parts;
    let ns = ((hours * 60 + minutes) * 60 + seconds) * NS;
    (count >= 2 && minutes < 60 && seconds < 60 && ns <= DAY).then_some(ns)
}

/// A day of the week with a time of day, or without: its midnight.
fn of_week(text: &str) -> Option<Stamp> {
    let (name, rest) = text.split_once([' ', ',']).unwrap_or((text, ""));
    let name = name.trim_end_matches(['.', ',']).to_ascii_lowercase();
    let day = DAYS
        .iter()
        .position(|day| name.len() >= 3 && day.starts_with(name.as_str()))?;
    let rest = rest.trim();
    let time = if rest.is_empty() { 0 } else { of_day(rest)? };
    Some(Stamp::OfWeek(day as i64 * DAY + time))
}

/// A date, with a time or at midnight, with its offset from UTC or without.
fn dated(text: &str) -> Option<Stamp> {
    // 2026/01/05 as 2026-01-05; other orders of day and month are doubtful
    let mut plain = text.to_string();
    let bytes = text.as_bytes();
    if bytes.len() >= 10 && bytes[4] == b'/' && bytes[7] == b'/' {
        plain.replace_range(4..5, "-");
        plain.replace_range(7..8, "-");
    }
    let plain = plain.trim_end_matches(" UTC");
    let is_utc = plain.len() < text.len();
    if let Ok(instant) = plain.parse::<Timestamp>() {
        return i64::try_from(instant.as_nanosecond())
            .ok()
            .map(Stamp::Instant);
    }
    let civil: DateTime = plain.parse().ok()?;
    let ns = civil_ns(civil)?;
    Some(if is_utc {
        Stamp::Instant(ns)
    } else {
        Stamp::Civil(ns)
    })
}

fn civil_ns(civil: DateTime) -> Option<i64> {
    let instant = TimeZone::UTC.to_timestamp(civil).ok()?;
    i64::try_from(instant.as_nanosecond()).ok()
}

/// A time zone by name, whose rules change with the year.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone {
    zone: TimeZone,
}

impl Zone {
    /// The zone of a name, such as `Europe/Berlin`; `None`: there is none.
    pub fn named(name: &str) -> Option<Self> {
        let zone = TimeZone::get(name).ok()?;
        Some(Self { zone })
    }

    /// The instant of a time on the zone's clocks, which must be later than `after`: where a clock shows a time twice,
    /// the second comes when the first has been. What a clock leaves out counts from before the leap.
    pub fn instant(&self, civil: i64, after: Option<i64>) -> Option<i64> {
        let civil = DateTime::constant(1970, 1, 1, 0, 0, 0, 0)
            .checked_add(civil.nanoseconds())
            .ok()?;
        let possible = self.zone.to_ambiguous_timestamp(civil);
        let first = i64::try_from(possible.earlier().ok()?.as_nanosecond()).ok()?;
        let second = i64::try_from(possible.later().ok()?.as_nanosecond()).ok()?;
        let compatible = i64::try_from(possible.compatible().ok()?.as_nanosecond()).ok()?;
        let is_over = after.is_some_and(|after| first <= after) && compatible == first;
        Some(if is_over { second } else { compatible })
    }

    /// What the zone's clocks show at an instant.
    pub fn civil(&self, instant: i64) -> Option<i64> {
        let instant = Timestamp::from_nanosecond(i128::from(instant)).ok()?;
        civil_ns(self.zone.to_datetime(instant))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_usual_way_to_write_a_time() {
        let noon = 1_767_614_400 * NS; // 2026-01-05T12:00:00Z
        let cases = [
            ("09:30", Stamp::OfDay(34_200 * NS)),
            ("9:30", Stamp::OfDay(34_200 * NS)),
            ("24:00", Stamp::OfDay(DAY)),
            ("23:59:59", Stamp::OfDay(86_399 * NS)),
            ("Mon 00:30", Stamp::OfWeek(1_800 * NS)),
            ("Sunday", Stamp::OfWeek(6 * DAY)),
            ("1767614400.5", Stamp::Number(i128::from(noon + NS / 2))),
            ("1.7676144e9", Stamp::Number(i128::from(noon))),
            ("2026-01-05 12:00:00", Stamp::Civil(noon)),
            ("2026-01-05T12:00", Stamp::Civil(noon)),
            ("2026/01/05 12:00:00", Stamp::Civil(noon)),
            ("2026-01-05", Stamp::Civil(noon - DAY / 2)),
            ("2026-01-05T12:00:00Z", Stamp::Instant(noon)),
            ("2026-01-05 12:00:00.000+00:00", Stamp::Instant(noon)),
            ("2026-01-05T20:00:00+08:00", Stamp::Instant(noon)),
            ("2026-01-05 12:00:00 UTC", Stamp::Instant(noon)),
            (
                "2026-01-05 12:00:00.6805900",
                Stamp::Civil(noon + 680_590_000),
            ),
        ];
        for (text, stamp) in cases {
            assert_eq!(Stamp::read(text), Some(stamp), "{text}");
        }
        for text in [
            "",
            "25:00",
            "12:60",
            "05/01/2026",
            "noon",
            "1:2:3:4",
            "12",
            "--1",
            "2026-13-01",
        ] {
            let read = Stamp::read(text);
            assert!(read.is_none() || text == "12", "{text}: {read:?}");
        }
    }

    #[test]
    fn decimals_are_exact() {
        assert_eq!(billionths("0.1234567895"), Some(123_456_790));
        assert_eq!(billionths("-0.5"), Some(i128::from(-NS / 2)));
        assert_eq!(billionths("9223372036"), Some(9_223_372_036_000_000_000));
        assert_eq!(
            billionths("1767614400123"),
            Some(1_767_614_400_123_000_000_000)
        );
        assert_eq!(billionths("."), None);
        assert_eq!(billionths("1e400"), None);
    }

    #[test]
    fn clocks_that_are_put_back_show_an_hour_twice() {
        let berlin = Zone::named("Europe/Berlin").expect("a zone");
        let Some(Stamp::Civil(two)) = Stamp::read("2026-10-25 02:00") else {
            panic!("a date")
        };
        let first = berlin.instant(two, None).expect("an instant");
        assert_eq!(berlin.instant(two, Some(first - 1)), Some(first));
        assert_eq!(berlin.instant(two, Some(first)), Some(first + 3600 * NS));
        let Some(Stamp::Civil(leap)) = Stamp::read("2026-03-29 03:00") else {
            panic!("a date")
        };
        let three = berlin.instant(leap, None).expect("an instant");
        let one = berlin
            .instant(leap - 2 * 3600 * NS, None)
            .expect("an instant");
        assert_eq!(three - one, 3600 * NS);
        assert_eq!(berlin.civil(three), Some(leap));
        assert_eq!(Zone::named("Europe/Atlantis"), None);
    }
}
