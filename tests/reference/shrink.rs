//! From a failing scenario file to a small one: takes out keys and list members, makes numbers and
//! durations smaller, and keeps what still fails. What does not load does not fail, so nothing here
//! needs to know what scenarios mean.

use crate::text::{Table, Value, text};

/// Attempts, at most: a minute or two for scenarios of this size.
const ATTEMPTS: usize = 5_000;

/// The smallest file that is found in which `fails` still holds. After something simpler is found, the
/// search goes on at the same place of the new file, until a whole round finds nothing.
pub fn shrink(mut root: Table, fails: impl Fn(&Table) -> bool) -> Table {
    let mut candidates = simpler_tables(&root);
    let (mut at, mut in_vain) = (0, 0);
    for _ in 0..ATTEMPTS {
        if in_vain >= candidates.len() {
            break;
        }
        at %= candidates.len();
        if fails(&candidates[at]) {
            root = candidates.swap_remove(at);
            candidates = simpler_tables(&root);
            in_vain = 0;
        } else {
            (at, in_vain) = (at + 1, in_vain + 1);
        }
    }
    root
}

/// The table without one of its keys, or with one of its values made simpler.
fn simpler_tables(table: &Table) -> Vec<Table> {
    let mut all = Vec::new();
    for at in 0..table.len() {
        let mut without = table.clone();
        without.remove(at);
        all.push(without);
    }
    for (at, (_, value)) in table.iter().enumerate() {
        for simpler in simpler_values(value) {
            let mut with = table.clone();
            with[at].1 = simpler;
            all.push(with);
        }
    }
    all
}

fn simpler_values(value: &Value) -> Vec<Value> {
    match value {
        Value::Integer(number) => smaller(*number).into_iter().map(Value::Integer).collect(),
        Value::Number(number) => simpler_numbers(*number),
        Value::Text(shown) => simpler_texts(shown),
        Value::Bare(_) => Vec::new(),
        Value::List(items) => simpler_lists(items),
        Value::Table(table) => simpler_tables(table)
            .into_iter()
            .map(Value::Table)
            .collect(),
    }
}

fn simpler_lists(items: &[Value]) -> Vec<Value> {
    let mut all = Vec::new();
    for at in 0..items.len() {
        let mut without = items.to_vec();
        without.remove(at);
        all.push(Value::List(without));
    }
    for (at, item) in items.iter().enumerate() {
        for simpler in simpler_values(item) {
            let mut with = items.to_vec();
            with[at] = simpler;
            all.push(Value::List(with));
        }
    }
    all
}

/// Smaller whole numbers, the smallest first.
fn smaller(number: u64) -> Vec<u64> {
    let mut all = vec![0, 1, number / 10, number / 2, number - number.min(1)];
    all.retain(|smaller| *smaller < number);
    all.dedup();
    all
}

/// Numbers with fewer digits.
fn simpler_numbers(number: f64) -> Vec<Value> {
    let rounded = libm::round(number);
    let mut all = vec![0.0, 1.0, rounded, libm::round(number * 100.0) / 100.0];
    let digits = |x: f64| format!("{x:?}").len();
    all.retain(|simpler| {
        digits(*simpler) < digits(number) || (*simpler < number && *simpler == 0.0)
    });
    all.into_iter().map(Value::Number).collect()
}

/// Fewer lines after the first, which is a head, the most at once first; shorter durations.
fn simpler_texts(shown: &str) -> Vec<Value> {
    let lines: Vec<&str> = shown.lines().collect();
    if lines.len() > 1 {
        return fewer_lines(&lines);
    }
    let end = shown
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(shown.len());
    let (digits, unit) = shown.split_at(end);
    let (Ok(number), true) = (digits.parse::<u64>(), unit.chars().all(char::is_alphabetic)) else {
        return Vec::new();
    };
    let rounded = digits.len().checked_sub(1).map(|n| 10_u64.pow(n as u32));
    let rounded = rounded
        .map(|power| number / power * power)
        .filter(|r| *r < number);
    let all = smaller(number).into_iter().chain(rounded);
    all.map(|number| text(format!("{number}{unit}"))).collect()
}

fn fewer_lines(lines: &[&str]) -> Vec<Value> {
    let mut all = Vec::new();
    let mut taken = lines.len() - 1;
    while taken > 0 {
        for from in (1..lines.len()).step_by(taken) {
            let to = (from + taken).min(lines.len());
            let left = [&lines[..from], &lines[to..]].concat();
            if left.len() > 1 {
                all.push(text(left.join("\n")));
            }
        }
        taken /= 2;
    }
    all
}
