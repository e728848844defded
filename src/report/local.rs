//! Local calendar time of a simulated instant, as RFC 3339 text with the scenario's offset.

use crate::scenario::{LocalTime, Scenario};
use crate::units::{NS_PER_DAY, NS_PER_S, SimDuration, SimTime};

/// The local time `start + after`, to the second below, e.g. `2025-02-28T03:30:00+08:00`.
pub fn local_text(start: &LocalTime, after: SimDuration) -> String {
    text_at(start, i128::from(after.0))
}

/// A simulated instant in local time, as [`local_text`] has it; one in the warm-up lies before the start.
pub fn text_of(scenario: &Scenario, at: SimTime) -> String {
    let after = i128::from(at.0) - i128::from(scenario.warm_up.0);
    text_at(&scenario.start, after)
}

fn text_at(start: &LocalTime, after_ns: i128) -> String {
    let since_midnight = i128::from(start.time_of_day.0) + after_ns;
    let days = since_midnight.div_euclid(i128::from(NS_PER_DAY)) as i64;
    let seconds = since_midnight.rem_euclid(i128::from(NS_PER_DAY)) as u64 / NS_PER_S;
    let (year, month, day) = civil_from_days(days_from_civil(date_of(&start.text)) + days);
    let offset = start.utc_offset_minutes;
    let sign = if offset < 0 { '-' } else { '+' };
    let offset = offset.unsigned_abs();
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}{sign}{:02}:{:02}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60,
        offset / 60,
        offset % 60
    )
}

/// The date at the head of RFC 3339 text; 1970-01-01 where there is none.
fn date_of(text: &str) -> (i64, i64, i64) {
    let mut parts = text
        .get(..10)
        .unwrap_or("")
        .splitn(3, '-')
        .map(|p| p.parse().ok());
    match (
        parts.next().flatten(),
        parts.next().flatten(),
        parts.next().flatten(),
    ) {
        (Some(year), Some(month), Some(day)) => (year, month, day),
        _ => (1970, 1, 1),
    }
}

/// Days since 1970-01-01 in the Gregorian calendar (years begin in March, eras of 400 years).
fn days_from_civil((year, month, day): (i64, i64, i64)) -> i64 {
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let year_of_era = y.rem_euclid(400);
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// The date of a number of days since 1970-01-01: the inverse of [`days_from_civil`].
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let month = if march_month < 10 {
        march_month + 3
    } else {
        march_month - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day_of_year - (153 * march_month + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_day_goes_on_after_midnight_and_february() {
        let start = LocalTime {
            text: "2025-02-27T12:00:00+08:00".into(),
            time_of_day: SimDuration(12 * 3600 * NS_PER_S),
            utc_offset_minutes: 480,
        };
        let hours = |h: u64| SimDuration(h * 3600 * NS_PER_S);
        assert_eq!(local_text(&start, hours(0)), "2025-02-27T12:00:00+08:00");
        assert_eq!(local_text(&start, hours(15)), "2025-02-28T03:00:00+08:00");
        assert_eq!(local_text(&start, hours(36)), "2025-03-01T00:00:00+08:00");
        let leap = LocalTime {
            text: "2024-02-28T12:00:00-03:30".into(),
            utc_offset_minutes: -210,
            ..start
        };
        assert_eq!(local_text(&leap, hours(12)), "2024-02-29T00:00:00-03:30");
    }

    #[test]
    fn dates_and_days_are_inverse() {
        for days in (-1_000_000..1_000_000).step_by(997) {
            assert_eq!(days_from_civil(civil_from_days(days)), days);
        }
    }
}
