//! What no run can say. A stored run may have been edited, or damaged so that it still reads; its figures are
//! held against what they are before anything is made of them.

use serde_json::Value;

use super::summary::RunSummary;

/// Figures that may be negative, by their last name; those of `confidence` and `published` may be any.
const SIGNED: [&str; 2] = ["profit_usd", "cost_profit_ratio"];
const ANY: [&str; 2] = ["confidence", "published"];

/// Figures that are parts of a whole: from 0 to 1.
const PARTS: [&str; 7] = [
    "empty",
    "kv_hit_rate",
    "attainment",
    "required",
    "worst_attainment",
    "blocked_by_kv",
    "blocked_by_batch",
];

/// By how much a part may exceed the whole, since sums are rounded.
const ROUNDING: f64 = 1e-9;

/// Quantiles from the lowest on.
const QUANTILES: [&str; 5] = ["p50", "p90", "p95", "p99", "p999"];

/// The first figure of a stored run that cannot be, as a sentence; `None`: all can.
pub fn impossible(summary: &RunSummary) -> Option<String> {
    if summary.duration_s <= 0.0 {
        return Some("duration_s is not positive".to_owned());
    }
    if summary.replications == 0 {
        return Some("replications is 0, and some run stands behind the figures".to_owned());
    }
    let balance = |(name, balance): (&String, &super::summary::BalanceSummary)| {
        let agree = balance.left == balance.right;
        (agree != balance.holds || !agree).then(|| {
            format!(
                "audit.{name} does not balance: {} against {}",
                balance.left, balance.right
            )
        })
    };
    let requests = &summary.requests;
    let ends = [
        requests.completed,
        requests.rejected,
        requests.failed,
        requests.in_flight,
    ];
    let sum = |counts: &[u64]| counts.iter().map(|n| u128::from(*n)).sum::<u128>();
    let came = sum(&[requests.in_flight_at_start, requests.arrived]);
    // Means over replications are rounded one by one.
    if summary.replications == 1 && came != sum(&ends) {
        return Some(format!(
            "requests do not add up: {came} came, and {} ended or are in flight",
            sum(&ends)
        ));
    }
    for (name, class) in &summary.classes {
        let of = class.recorded.filter(|of| of.played > of.requests);
        if let Some(of) = of {
            return Some(format!(
                "classes.{name}.recorded has {} requests, and {} of them were played",
                of.requests, of.played
            ));
        }
    }
    let tree = serde_json::to_value(summary).ok()?;
    let balances = || summary.audit.iter().find_map(balance);
    figure("", "", &tree).or_else(balances)
}

/// The first figure under `path` that cannot be, as a sentence; `key` is its last name; `None`: all can.
fn figure(path: &str, key: &str, value: &Value) -> Option<String> {
    let below = |name: &str| match path {
        "" => name.to_owned(),
        path => format!("{path}.{name}"),
    };
    match value {
        Value::Number(number) => {
            let x = number.as_f64()?;
            if x < 0.0 && !SIGNED.contains(&key) {
                return Some(format!("{path} is {x}, and cannot be negative"));
            }
            let is_part = PARTS.contains(&key) && x > 1.0 + ROUNDING;
            is_part.then(|| format!("{path} is {x}, and is a part of a whole"))
        }
        Value::Array(items) => {
            let mut items = items.iter().enumerate();
            items.find_map(|(i, item)| figure(&below(&i.to_string()), key, item))
        }
        Value::Object(members) => {
            let quantiles = QUANTILES.map(|name| members.get(name).and_then(Value::as_f64));
            let falls = quantiles
                .windows(2)
                .any(|two| matches!(two, [Some(low), Some(high)] if low > high));
            if falls {
                return Some(format!("{path} has quantiles that fall"));
            }
            let mut members = members.iter();
            members.find_map(|(name, member)| match path {
                "" if ANY.contains(&name.as_str()) => None,
                _ => figure(&below(name), name, member),
            })
        }
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::sample::day;
    use super::*;

    #[test]
    fn a_run_says_nothing_impossible_and_an_edited_one_is_caught() {
        let good = day();
        assert_eq!(impossible(&good), None);
        let caught = |edit: &dyn Fn(&mut RunSummary)| {
            let mut run = day();
            edit(&mut run);
            impossible(&run).unwrap()
        };
        let found = caught(&|run| run.kv_hit_rate = Some(1.5));
        assert_eq!(found, "kv_hit_rate is 1.5, and is a part of a whole");
        let found = caught(&|run| run.economics.cost_usd = -1.0);
        assert_eq!(found, "economics.cost_usd is -1, and cannot be negative");
        let found = caught(&|run| run.hours[2].nodes_mean = -0.5);
        assert_eq!(found, "hours.2.nodes_mean is -0.5, and cannot be negative");
        let found = caught(&|run| run.requests.arrived += 1);
        assert!(found.contains("do not add up"), "{found}");
        let found = caught(&|run| run.latency.ttft_s.p50 = Some(1e9));
        assert_eq!(found, "latency.ttft_s has quantiles that fall");
        assert!(caught(&|run| run.duration_s = 0.0).contains("duration_s"));
        assert!(caught(&|run| run.replications = 0).contains("replications"));
        let found = caught(&|run| {
            if let Some(balance) = run.audit.values_mut().next() {
                balance.left.push('1');
            }
        });
        assert!(found.contains("does not balance"), "{found}");
        // A loss is a figure like others.
        let mut run = day();
        run.economics.profit_usd = -1.0;
        assert_eq!(impossible(&run), None);
    }
}
