//! Numbers for people: thousands, prefixes, money, times, shares.
//!
//! Every function is total: a figure that is not finite is shown as [`NONE`], like one that is
//! unknown. Rounding is that of Rust's formatting, so the same run gives the same text anywhere.

/// Text that stands for an unknown figure.
pub const NONE: &str = "-";

/// A whole number with thousands separated: `155,512,204`.
pub fn count(n: u64) -> String {
    group(&n.to_string())
}

/// A number with thousands separated and a fixed number of decimals: `5,442.00`.
pub fn fixed(x: f64, decimals: usize) -> String {
    if !x.is_finite() {
        return NONE.to_string();
    }
    let text = format!("{:.decimals$}", x.abs());
    let is_zero = text.bytes().all(|b| b == b'0' || b == b'.');
    let sign = if x < 0.0 && !is_zero { "-" } else { "" };
    let (whole, rest) = match text.find('.') {
        Some(at) => text.split_at(at),
        None => (text.as_str(), ""),
    };
    format!("{sign}{}{rest}", group(whole))
}

/// A number with a decimal prefix: `608.0 G`, `1.08 k`, `45.2`.
pub fn si(x: f64) -> String {
    if !x.is_finite() {
        return NONE.to_string();
    }
    let units = [
        (1.0, ""),
        (1e3, " k"),
        (1e6, " M"),
        (1e9, " G"),
        (1e12, " T"),
    ];
    let (value, suffix) = scaled(x, &units, 999.95);
    let decimals = if value.abs() < 9.995 { 2 } else { 1 };
    format!("{}{suffix}", fixed(value, decimals))
}

/// A time of three digits in the unit that suits it: `29.0 ns`, `45.2 ms`, `1.08 s`, `12,345 s`.
pub fn seconds(s: f64) -> String {
    if s == 0.0 || !s.is_finite() {
        return if s == 0.0 { "0 s" } else { NONE }.to_string();
    }
    let units = [(1e-9, " ns"), (1e-6, " µs"), (1e-3, " ms"), (1.0, " s")];
    let (value, suffix) = scaled(s, &units, 999.5);
    format!("{}{suffix}", fixed(value, three_digits(value.abs()).min(2)))
}

/// Dollars: whole above a hundred, else with cents, or finer below one: `$87,072`, `-$3.20`, `$0.518`.
pub fn usd(x: f64) -> String {
    let decimals = if x.abs() >= 100.0 || x == 0.0 {
        0
    } else if x.abs() >= 1.0 {
        2
    } else {
        3
    };
    let text = fixed(x, decimals);
    match text.strip_prefix('-') {
        _ if text == NONE => text,
        Some(positive) => format!("-${positive}"),
        None => format!("${text}"),
    }
}

/// A share as a percentage: `56.3 %`; shares below 0.1 % keep two significant digits.
pub fn percent(share: f64) -> String {
    let x = share * 100.0;
    let decimals = if x != 0.0 && x.abs() < 0.1 { 3 } else { 1 };
    let text = fixed(x, decimals);
    if text == NONE {
        text
    } else {
        format!("{text} %")
    }
}

/// A number of no particular unit: whole if it is whole, prefixed from a million.
pub fn number(x: f64) -> String {
    if x.abs() >= 1e6 {
        si(x)
    } else if x == x.trunc() || x.abs() >= 1e3 {
        fixed(x, 0)
    } else if x.abs() >= 1.0 {
        fixed(x, 2)
    } else {
        fixed(x, 4)
    }
}

/// A length of time in words: `24 h`, `15 min`, `1 h 30 min`, `2.5 s`.
pub fn length(s: f64) -> String {
    if !(60.0..1e12).contains(&s) || s != s.trunc() {
        return if s == s.trunc() {
            format!("{} s", fixed(s, 0))
        } else {
            seconds(s)
        };
    }
    let whole = s as u64;
    let parts = [
        (whole / 3600, "h"),
        (whole % 3600 / 60, "min"),
        (whole % 60, "s"),
    ];
    let words: Vec<String> = parts
        .iter()
        .filter(|(n, _)| *n > 0)
        .map(|(n, unit)| format!("{} {unit}", count(*n)))
        .collect();
    words.join(" ")
}

/// A figure as `show` writes it, or [`NONE`] where it is unknown.
pub fn maybe(x: Option<f64>, show: fn(f64) -> String) -> String {
    x.map_or_else(|| NONE.to_string(), show)
}

/// A figure of the summary by its path there, whose names say the unit: `economics.cost_usd` is
/// dollars, `latency.ttft_s.p99` is a time, `kv_hit_rate` a share.
pub fn by_field(field: &str, x: f64) -> String {
    for name in field.rsplit('.') {
        let has = |word: &str| name.contains(word);
        if has("usd") {
            return usd(x);
        }
        if has("ratio") || has("rate") || has("utilization") || has("attainment") || has("blocked")
        {
            return percent(x);
        }
        if has("tokens_per_s_per_node") || name == "tokens" {
            return si(x);
        }
        if has("_per_") || name.ends_with("_tokens") {
            return number(x);
        }
        if name.ends_with("_s") {
            return seconds(x);
        }
    }
    number(x)
}

/// The figures of a column with as many decimals as give its largest three digits, so that the
/// points stand under each other.
pub fn column(figures: &[Option<f64>]) -> Vec<String> {
    let largest = figures
        .iter()
        .flatten()
        .filter(|x| x.is_finite())
        .fold(0.0_f64, |largest, x| largest.max(x.abs()));
    let decimals = if largest == 0.0 {
        0
    } else {
        three_digits(largest)
    };
    figures
        .iter()
        .map(|x| x.map_or_else(|| NONE.to_string(), |x| fixed(x, decimals)))
        .collect()
}

/// The time of day of an RFC 3339 text: `03:30`.
pub fn clock(start: &str) -> &str {
    start.get(11..16).unwrap_or(start)
}

/// Month, day and time of day of an RFC 3339 text: `02-27 12:00`.
pub fn date_clock(start: &str) -> String {
    match (start.get(5..10), start.get(11..16)) {
        (Some(date), Some(time)) => format!("{date} {time}"),
        _ => start.to_string(),
    }
}

/// Text from outside on one line, without control characters (a terminal would obey them).
pub fn plain(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

/// Puts thousands separators into a string of digits.
fn group(digits: &str) -> String {
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number in the first of ascending units in which it stays below `limit`, or the last: where
/// rounding would print a thousand, the next unit prints a one.
fn scaled<'a>(x: f64, units: &[(f64, &'a str)], limit: f64) -> (f64, &'a str) {
    let mut scaled = (x, "");
    for (unit, suffix) in units {
        scaled = (x / unit, *suffix);
        if scaled.0.abs() < limit {
            break;
        }
    }
    scaled
}

/// The number of decimals that gives a positive number three digits, at most three.
fn three_digits(x: f64) -> usize {
    match x {
        x if x >= 99.95 => 0,
        x if x >= 9.995 => 1,
        x if x >= 0.9995 => 2,
        _ => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_grouped() {
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(1_000), "1,000");
        assert_eq!(count(155_512_204), "155,512,204");
    }

    #[test]
    fn decimals_are_fixed_and_signs_survive() {
        assert_eq!(fixed(5442.0, 2), "5,442.00");
        assert_eq!(fixed(-1234.56, 1), "-1,234.6");
        assert_eq!(fixed(-0.001, 1), "0.0");
        assert_eq!(fixed(f64::NAN, 1), "-");
        assert_eq!(fixed(999.96, 1), "1,000.0");
    }

    #[test]
    fn prefixes_never_show_a_thousand() {
        assert_eq!(si(608.0e9), "608.0 G");
        assert_eq!(si(1080.0), "1.08 k");
        assert_eq!(si(45.23), "45.2");
        assert_eq!(si(999.96), "1.00 k");
        assert_eq!(si(999_949.0), "999.9 k");
        assert_eq!(si(2.5e15), "2,500.0 T");
        assert_eq!(si(0.0), "0.00");
        assert_eq!(si(f64::NAN), "-");
    }

    #[test]
    fn times_choose_their_unit() {
        assert_eq!(seconds(0.0452), "45.2 ms");
        assert_eq!(seconds(0.99951), "1.00 s");
        assert_eq!(seconds(112.9), "113 s");
        assert_eq!(seconds(-0.5), "-500 ms");
        assert_eq!(seconds(f64::NAN), "-");
        assert_eq!(seconds(1.08), "1.08 s");
        assert_eq!(seconds(29e-9), "29.0 ns");
        assert_eq!(seconds(12_345.4), "12,345 s");
        assert_eq!(seconds(0.0), "0 s");
        assert_eq!(length(86_400.0), "24 h");
        assert_eq!(length(900.0), "15 min");
        assert_eq!(length(5_400.0), "1 h 30 min");
        assert_eq!(length(2.5), "2.50 s");
        assert_eq!(length(30.0), "30 s");
    }

    #[test]
    fn money_and_shares() {
        assert_eq!(usd(87_072.0), "$87,072");
        assert_eq!(usd(-3.2), "-$3.20");
        assert_eq!(usd(0.518_28), "$0.518");
        assert_eq!(usd(f64::NAN), "-");
        assert_eq!(percent(0.563), "56.3 %");
        assert_eq!(percent(0.0004), "0.040 %");
        assert_eq!(percent(5.45), "545.0 %");
    }

    #[test]
    fn a_field_says_its_unit() {
        assert_eq!(by_field("economics.cost_usd", 87_072.0), "$87,072");
        assert_eq!(by_field("economics.cost_profit_ratio", 5.45), "545.0 %");
        assert_eq!(by_field("tokens.input", 608.0e9), "608.0 G");
        assert_eq!(
            by_field("throughput.decode_output_tokens_per_s_per_node", 14_815.0),
            "14.8 k"
        );
        assert_eq!(by_field("decode.output_speed_tokens_per_s", 21.43), "21.43");
        assert_eq!(by_field("decode.kv_length_tokens", 4989.0), "4,989");
        assert_eq!(by_field("latency.ttft_s.p99", 0.0452), "45.2 ms");
        assert_eq!(by_field("nodes.mean", 226.75), "226.75");
        assert_eq!(by_field("hours.15.revenue_usd", 7_947.9), "$7,948");
    }

    #[test]
    fn a_column_shares_its_decimals() {
        let figures = [Some(9.2), Some(12.34), None];
        assert_eq!(column(&figures), ["9.2", "12.3", "-"]);
        assert_eq!(column(&[Some(0.5), Some(1.25)]), ["0.50", "1.25"]);
        assert_eq!(column(&[Some(0.0)]), ["0"]);
    }

    #[test]
    fn text_from_outside_cannot_steer_a_terminal() {
        assert_eq!(plain("a\u{1b}[31mb\nc"), "a [31mb c");
        assert_eq!(clock("2025-02-28T03:30:00+08:00"), "03:30");
        assert_eq!(clock("é"), "é");
        assert_eq!(date_clock("2025-02-28T03:30:00+08:00"), "02-28 03:30");
    }
}
