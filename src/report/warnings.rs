//! What a careful reader should know before believing a summary, and what to do about it.

use super::confidence::DEPENDENT;
use super::format::{count, fixed, length, seconds};
use super::summary::{ClassSummary, RunSummary};
use super::sureness;
use crate::metrics::interval::{first_against_rest, mean, t_quantile};
use crate::scenario::{Published, Role, Scenario};

/// Growth of a queue, as a part of all arrivals, from which it is called growing.
const GROWTH: f64 = 0.01;
/// Requests that wait with their KV, as a part of those that decode, from which memory is in question.
const WAITING_KV: f64 = 0.1;
/// Ratio of preemptions to completed requests from which they are warned of.
const PREEMPTED: f64 = 0.01;
/// Ratio of two values of a quantile from which they are called different.
const OTHER: f64 = 1.01;

/// Observations that a 99th percentile should have beyond it.
const BEYOND: u64 = 10;
/// Confidence from which a run's beginning is called unlike the rest: one false alarm in a thousand runs.
const START: f64 = 0.999;
/// Completed requests from which a run is asked for a confidence interval.
const LONG: u64 = 1_000;

/// Warnings about a run, each saying what was seen and what it means.
pub fn warnings(scenario: &Scenario, summary: &RunSummary) -> Vec<String> {
    let mut warnings = scenario.cautions();
    let mut is_growing = false;
    let first = summary.hours.first();
    for pool in &scenario.pools {
        let Some(end) = summary.pools.get(&pool.name) else {
            continue;
        };
        let start = first
            .and_then(|h| h.pools.get(&pool.name))
            .map_or(0.0, |p| p.queue_length_mean);
        let grown = end.queue_length_end as f64 - start;
        if grown > (GROWTH * summary.requests.arrived as f64).max(20.0) {
            is_growing = true;
            warnings.push(format!(
                "the {} queue has grown to {} requests at the end and is still growing or draining: the pool is \
                 overloaded, and means over this window do not describe a steady state; more units, fewer requests, \
                 or max_queue_requests to reject what cannot wait",
                pool.name, end.queue_length_end
            ));
        }
        if pool.role == Role::Decode {
            let resident =
                end.batch_per_rank.unwrap_or(0.0) * f64::from(pool.ranks) * end.units_mean;
            if end.queue_length_mean > WAITING_KV * resident && end.queue_length_mean > 1.0 {
                warnings.push(format!(
                    "{:.0} requests wait for decode on average, with KV that this model keeps in memory it does not limit",
                    end.queue_length_mean
                ));
            }
        }
    }
    if summary.requests.failed > 0 {
        warnings.push(format!(
            "{} requests failed: their KV would not fit an empty rank (kv_capacity_tokens)",
            summary.requests.failed
        ));
    }
    let preempted = summary.decode.preemptions as f64;
    if preempted > PREEMPTED * summary.requests.completed as f64 && preempted > 0.0 {
        warnings.push(format!(
            "{} preemptions: ranks run out of KV memory (kv_capacity_tokens, admission)",
            summary.decode.preemptions
        ));
    }
    warnings.extend(left_out(summary));
    warnings.extend(few_requests(summary, scenario.is_drawn()));
    if !is_growing {
        warnings.extend(start_seen(scenario, summary));
    }
    warnings.extend(no_interval(summary));
    warnings.extend(of_other_windows(scenario));
    if summary.requests.arrived == 0 {
        warnings.push("no request arrived in the window".to_owned());
    }
    warnings
}

/// Classes of which some have no first token at the end and have waited for longer than quantiles of the served say, so
/// that these would be others if those who wait were counted.
fn left_out(summary: &RunSummary) -> Option<String> {
    let several = summary.classes.len() > 1;
    let of_class = |(name, class): (&String, &ClassSummary)| {
        let (ended, decided) = (&class.latency.ttft_s, &class.latency_decided.ttft_s);
        let pairs = [
            ("p50", ended.p50, decided.p50),
            ("p90", ended.p90, decided.p90),
            ("p95", ended.p95, decided.p95),
            ("p99", ended.p99, decided.p99),
        ];
        let is_other = |(name, ended, decided): (&str, Option<f64>, Option<f64>)| {
            let decided = decided?;
            let is_other = ended.is_none_or(|ended| decided > OTHER * ended);
            is_other.then(|| format!("{name} {}", seconds(decided)))
        };
        let others: Vec<String> = pairs.into_iter().filter_map(is_other).collect();
        let out = class.without_first_token;
        (out > 0 && !others.is_empty()).then_some(())?;
        let of = if several {
            format!(" of {name}")
        } else {
            String::new()
        };
        Some(format!(
            "{} of {}{of}, the longest for {} so far (with those who have waited longer already: {})",
            count(out),
            count(out + ended.count),
            seconds(class.longest_wait_s?),
            others.join(", ")
        ))
    };
    let classes: Vec<String> = summary.classes.iter().filter_map(of_class).collect();
    (!classes.is_empty()).then(|| {
        format!(
            "quantiles of TTFT leave out requests that still waited for their first token at the end: {}",
            classes.join("; ")
        )
    })
}

/// Whether a figure was published for a window as long as the run's, or for no window.
pub(super) fn is_comparable(scenario: &Scenario, published: &Published) -> bool {
    let window = published.window;
    window.is_none_or(|window| window == scenario.duration)
}

/// Published figures that are not held against this run, since they were counted for another time.
fn of_other_windows(scenario: &Scenario) -> Option<String> {
    let others = scenario.published.iter();
    let others: Vec<&str> = others
        .filter(|p| !is_comparable(scenario, p))
        .map(|p| p.name.as_str())
        .collect();
    (!others.is_empty()).then(|| {
        format!(
            "published figures that were not counted for {} are not compared: {}",
            length(scenario.duration.as_secs_f64()),
            others.join("; ")
        )
    })
}

/// Latencies whose 99th percentile rests on few observations. Replications help where the load `is_drawn`.
fn few_requests(summary: &RunSummary, is_drawn: bool) -> Option<String> {
    let l = &summary.latency;
    let runs = u64::from(summary.replications.max(1));
    let least = 100 * BEYOND;
    let few = |n: &u64| (1..least).contains(n);
    let latencies = [("TTFT", &l.ttft_s), ("TPOT", &l.tpot_s), ("E2E", &l.e2e_s)];
    let behind = latencies.map(|(name, d)| (name, d.count * runs));
    let least_behind = behind.iter().map(|(_, n)| *n).filter(few).min()?;
    let names: Vec<&str> = behind
        .iter()
        .filter(|(_, n)| few(n))
        .map(|(name, _)| *name)
        .collect();
    let times = least.div_ceil(least_behind);
    let (times, runs) = (count(times), count(times * runs));
    let help = match is_drawn {
        true => format!("a duration {times} times as long, or --replications {runs}, puts"),
        false => format!("load for {times} times as long (replications would be the same) puts"),
    };
    Some(format!(
        "only {} requests behind the p99 of {}, and one in a hundred lies beyond it: {help} {BEYOND} there",
        count(least_behind),
        names.join(", "),
    ))
}

/// Whether the window's beginning is still unlike the rest: the number in the system of its first batch
/// is a prediction's outlier, judged by Student's t at [`START`]. It is left out until the next one is not.
///
/// Batches are a twentieth of the window: a shorter start that this does not see moves means by less than a
/// twentieth of its own excess. Where the load changes over time there are no batches and no check.
fn start_seen(scenario: &Scenario, summary: &RunSummary) -> Option<String> {
    let series = &summary.in_system;
    let is_outlier = |rest: &[f64]| {
        rest.len() >= 6
            && first_against_rest(rest).is_some_and(|t| t.abs() > t_quantile(START, rest.len() - 2))
    };
    let batches = (0..series.len())
        .take_while(|n| is_outlier(&series[*n..]))
        .count();
    if batches == 0 {
        return None;
    }
    let batch_s = summary.duration_s / series.len() as f64;
    let start_s = libm::ceil(batch_s * batches as f64);
    let (early, later) = (mean(&series[..batches])?, mean(&series[batches..])?);
    Some(format!(
        "the first {} still look like a start ({} requests in the system, {} later): set warm_up to at least \"{}\"",
        length(start_s),
        fixed(early, 1),
        fixed(later, 1),
        length(start_s + libm::ceil(scenario.warm_up.as_secs_f64()))
    ))
}

/// A long run of a steady load some of whose figures depend too much on its own past to say how sure they are.
fn no_interval(summary: &RunSummary) -> Option<String> {
    let without = sureness::without(summary);
    let names = without.get(DEPENDENT)?;
    (summary.replications == 1 && summary.requests.completed >= LONG).then(|| {
        format!(
            "no confidence interval of {}: {DEPENDENT}; a longer duration, or --replications 5, gives one",
            names.join(", ")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::day;

    #[test]
    fn a_p99_of_few_requests_says_how_many_would_do() {
        let mut summary = day();
        assert_eq!(few_requests(&summary, true), None);
        summary.latency.tpot_s.count = 212;
        let text = few_requests(&summary, true).unwrap_or_default();
        assert!(
            text.contains("only 212 requests behind the p99 of TPOT"),
            "{text}"
        );
        assert!(
            text.contains("5 times") && text.contains("--replications 5"),
            "{text}"
        );
        summary.replications = 3;
        let text = few_requests(&summary, true).unwrap_or_default();
        assert!(
            text.contains("only 636") && text.contains("--replications 6"),
            "{text}"
        );
        let text = few_requests(&summary, false).unwrap_or_default();
        assert!(text.contains("load for 2 times as long"), "{text}");
    }

    #[test]
    fn quantiles_say_whom_they_leave_out() {
        let mut summary = day();
        let name = summary.classes.keys().next().cloned().unwrap_or_default();
        let with = |summary: &mut RunSummary, out: u64, p99: Option<f64>, decided: Option<f64>| {
            if let Some(class) = summary.classes.get_mut(&name) {
                class.without_first_token = out;
                class.longest_wait_s = (out > 0).then_some(50.0);
                class.latency.ttft_s.count = 990;
                class.latency.ttft_s.p99 = p99;
                class.latency_decided.ttft_s.p99 = decided;
            }
            left_out(summary)
        };
        assert_eq!(with(&mut summary, 0, Some(2.0), Some(2.0)), None);
        // Who waits has not waited for long: what is shown would stay.
        assert_eq!(with(&mut summary, 500, Some(2.0), Some(2.01)), None);
        let text = with(&mut summary, 510, Some(2.0), Some(45.0)).unwrap_or_default();
        assert!(text.contains("510 of 1,500, the longest for 50"), "{text}");
        assert!(
            text.contains("(with those who have waited longer already: p99 45"),
            "{text}"
        );
        assert!(with(&mut summary, 510, None, Some(50.0)).is_some());
        let other = summary.classes[&name].clone();
        summary.classes.insert("second".to_string(), other);
        let text = left_out(&summary).unwrap_or_default();
        assert!(text.contains("1,500 of second, the longest"), "{text}");
    }

    #[test]
    fn a_run_that_begins_empty_is_noticed() {
        let scenario = crate::scenario::load("deepseek-day", &[]);
        let Ok(scenario) = scenario else {
            panic!("a bundled scenario");
        };
        let mut summary = day();
        summary.duration_s = 7_200.0;
        summary.in_system = (0..20).map(|i| 80.0 + f64::from(i * 7 % 5)).collect();
        assert_eq!(start_seen(&scenario, &summary), None);
        summary.in_system[0] = 10.0;
        summary.in_system[1] = 50.0;
        let text = start_seen(&scenario, &summary).unwrap_or_default();
        assert!(
            text.starts_with("the first 12 min still look like a start (30.0 requests"),
            "{text}"
        );
    }
}
