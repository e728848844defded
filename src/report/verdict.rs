//! The verdict: whether the run was served well, when it was served worst, and what limited it then.
//!
//! A value first ([`assess`]), words second (`wording.rs`), and the same words in all views.
//!
//! **The worst interval** is the one with the largest part of requests lost; where none was lost, the
//! one in which the run's average request would have taken longest at the interval's own pace: mean
//! TTFT + (mean output tokens - 1) / output speed. Weighing in seconds of the user's time lets a slow
//! first token and slow tokens be compared. While a queue stands and nothing at all gets out, the pace
//! is unknown and time is counted as lost whole.
//!
//! What limits it is a question of its own: [`super::limit`]. The thresholds in both are judgement,
//! not measurement; they decide words, never figures.

use super::limit::{Limit, limit};
use super::summary::{ClassSummary, Recorded, RunSummary, SloEvery, SpanSummary};

/// Lost part of the requests from which a service has failed; less is strain.
const LOSS: f64 = 0.001;
/// Part of a run without recorded requests from which the recording says little of the run.
const EMPTY: f64 = 0.1;
/// Ratio of a queue at the end to its mean from which it grows rather than fluctuates.
const GROWN: f64 = 1.5;

/// The judgement on how a run was served, with the figures that it rests on.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// The judgement in a word.
    pub grade: Grade,
    /// Whether the run was a day, for the words.
    pub is_day: bool,
    /// Requests completed.
    pub completed: u64,
    /// Requests rejected or failed.
    pub lost: u64,
    /// Requests waiting in queues at the end.
    pub waiting_at_end: u64,
    /// Median and 99th percentile of TTFT in seconds; `None`: no first token left.
    pub ttft_s: (Option<f64>, Option<f64>),
    /// Tokens per second of a request; `None`: no completed request has two tokens.
    pub output_speed_tokens_per_s: Option<f64>,
    /// The worst interval, or hour where the scenario gives no interval; `None` when nobody was served.
    pub worst: Option<Worst>,
    /// Classes that got less than they were promised.
    pub shortfalls: Vec<Shortfall>,
    /// Classes whose recording was played in part, or fills a part of the run, and how much.
    pub in_part: Vec<(String, Recorded)>,
    /// Balances that do not hold; a mistake in the program.
    pub broken: Vec<String>,
}

/// How a run was served, worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grade {
    /// A balance is broken: the figures cannot be trusted.
    Broken,
    /// Queues were still growing at the end.
    Overloaded,
    /// More than one request in a thousand was lost.
    Losing,
    /// A class got less than its SLO demands.
    ShortOfSlo,
    /// Everything played was served, but that is a part of what is recorded, or the recording a part of the run.
    InPart,
    /// Everything was served, but at the worst time requests queued for something.
    Strained,
    /// Everything was served without a queue worth the name.
    Well,
    /// No request came.
    NoLoad,
}

/// The worst interval of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Worst {
    /// Local start of the interval, with its offset from UTC.
    pub start: String,
    /// Length of the interval, in seconds.
    pub duration_s: f64,
    /// Part of the interval's requests that were lost.
    pub lost: f64,
    /// Time in seconds that the run's average request would have taken in the interval.
    pub request_s: f64,
    /// Time in seconds that the run's average request took over the whole run.
    pub usual_request_s: f64,
    /// 99th percentile of TTFT in the interval, in seconds; `None`: no first token left.
    pub ttft_p99_s: Option<f64>,
    /// Tokens per second of a request in the interval; `None`: no completed request has two tokens.
    pub output_speed_tokens_per_s: Option<f64>,
    /// What limits the interval.
    pub limit: Limit,
}

/// A class that got less than its SLO demands.
#[derive(Clone, Debug, PartialEq)]
pub struct Shortfall {
    /// Name of the class.
    pub class: String,
    /// Part of the class's requests that met every target.
    pub attainment: f64,
    /// Attainment that the scenario demands.
    pub required: f64,
    /// The SLO in stretches, where it was missed in some of them; `None`: it was missed in none, or is
    /// judged over the whole alone.
    pub every: Option<SloEvery>,
}

/// Judges how a run was served.
pub fn assess(summary: &RunSummary) -> Verdict {
    let requests = &summary.requests;
    let lost = requests.rejected + requests.failed;
    let worst = worst(summary);
    let shortfalls = shortfalls(summary);
    let broken: Vec<String> = summary
        .audit
        .iter()
        .filter(|(_, balance)| !balance.holds)
        .map(|(name, _)| name.clone())
        .collect();
    let in_part: Vec<(String, Recorded)> = summary
        .classes
        .iter()
        .filter_map(|(name, class)| Some((name.clone(), class.recorded?)))
        .filter(|(_, of)| of.played < of.requests || of.empty > EMPTY)
        .collect();
    let ended = lost + requests.completed;
    let limit = worst.as_ref().map_or(Limit::Nothing, |worst| worst.limit);
    let grade = if !broken.is_empty() {
        Grade::Broken
    } else if requests.arrived + requests.in_flight_at_start == 0 {
        Grade::NoLoad
    } else if is_growing(summary) {
        Grade::Overloaded
    } else if lost as f64 > LOSS * ended as f64 {
        Grade::Losing
    } else if !shortfalls.is_empty() {
        Grade::ShortOfSlo
    } else if !in_part.is_empty() {
        Grade::InPart
    } else if lost > 0 || !matches!(limit, Limit::Nothing | Limit::DecodeSpeed { .. }) {
        Grade::Strained
    } else {
        Grade::Well
    };
    Verdict {
        grade,
        is_day: summary.duration_s == 86_400.0,
        completed: requests.completed,
        lost,
        waiting_at_end: summary.pools.values().map(|p| p.queue_length_end).sum(),
        ttft_s: (summary.latency.ttft_s.p50, summary.latency.ttft_s.p99),
        output_speed_tokens_per_s: summary.decode.output_speed_tokens_per_s,
        worst,
        shortfalls,
        in_part,
        broken,
    }
}

/// The classes that got less than their SLO demands, over the whole time or in a stretch that is judged.
pub fn shortfalls(summary: &RunSummary) -> Vec<Shortfall> {
    let classes = summary.classes.iter();
    let shortfall = |(name, class): (&String, &ClassSummary)| {
        let slo = class.slo?;
        let (attainment, required) = (slo.attainment?, slo.required?);
        let every = class.slo_every.clone().filter(|every| every.missed > 0);
        (attainment < required || every.is_some()).then(|| Shortfall {
            class: name.clone(),
            attainment,
            required,
            every,
        })
    };
    classes.filter_map(shortfall).collect()
}

/// Whether queues were still growing at the end: far above their mean, longest of all in the last part
/// of the run, and too long to be worked off in the time that a request takes, at the pace that units of which some
/// stand idle in that part can keep. Or nobody got out.
fn is_growing(summary: &RunSummary) -> bool {
    let end: u64 = summary.pools.values().map(|p| p.queue_length_end).sum();
    if end == 0 {
        return false;
    }
    if summary.requests.completed == 0 {
        return true;
    }
    let mean: f64 = summary.pools.values().map(|p| p.queue_length_mean).sum();
    let spans = parts(summary);
    let queue =
        |span: &SpanSummary| -> f64 { span.pools.values().map(|p| p.queue_length_mean).sum() };
    let is_longest_last = spans
        .split_last()
        .is_none_or(|(last, earlier)| earlier.iter().all(|span| queue(span) < queue(last)));
    let busy = |span: &SpanSummary| -> Option<f64> {
        let busy = span.pools.values().map(|p| p.utilization.unwrap_or(1.0));
        busy.reduce(f64::max)
    };
    let busy = spans.last().and_then(busy).unwrap_or(1.0);
    let work_off_s = busy * end as f64 * summary.duration_s / summary.requests.completed as f64;
    let request_s = summary.latency.e2e_s.mean.unwrap_or(0.0);
    end as f64 > GROWN * mean && is_longest_last && work_off_s > request_s
}

/// The finest parts of the run that the summary has.
fn parts(summary: &RunSummary) -> &[SpanSummary] {
    if summary.intervals.is_empty() {
        &summary.hours
    } else {
        &summary.intervals
    }
}

/// A part of the run, and how fast its requests were served.
struct SpanPace<'a> {
    span: &'a SpanSummary,
    lost: f64,
    request_s: f64,
}

/// What an average request of the whole run took, and how each part of it went.
fn paces(summary: &RunSummary) -> Option<(f64, Vec<SpanPace<'_>>)> {
    let tokens_after_first = match summary.requests.completed {
        0 => 0.0,
        completed => (summary.tokens.output / completed as f64 - 1.0).max(0.0),
    };
    let decode_s = |speed: Option<f64>| match speed {
        Some(speed) if speed > 0.0 => tokens_after_first / speed,
        _ => 0.0,
    };
    let usual_ttft_s = summary.latency.ttft_s.mean?;
    let usual_request_s = usual_ttft_s + decode_s(summary.decode.output_speed_tokens_per_s);
    let mut paces = Vec::new();
    let mut last_s = usual_request_s;
    for span in parts(summary) {
        let served = span.latency.ttft_s.mean.map(|ttft_s| {
            let speed = span.output_speed_tokens_per_s;
            ttft_s + decode_s(speed.or(summary.decode.output_speed_tokens_per_s))
        });
        let is_stuck = span.pools.values().any(|p| p.queue_length_end > 0);
        let request_s = match served {
            Some(request_s) => request_s,
            None if is_stuck => last_s + span.duration_s,
            None => continue,
        };
        last_s = request_s;
        paces.push(SpanPace {
            span,
            lost: lost_part(span),
            request_s,
        });
    }
    Some((usual_request_s, paces))
}

impl SpanPace<'_> {
    fn is_worse_than(&self, other: &Self) -> bool {
        self.lost > other.lost || (self.lost == other.lost && self.request_s > other.request_s)
    }

    fn limit(&self, summary: &RunSummary) -> Limit {
        let usual_speed = summary.decode.output_speed_tokens_per_s;
        limit(self.span, self.lost, self.request_s, usual_speed)
    }
}

/// What limits each part of the run in which something was served or waited.
pub fn limits(summary: &RunSummary) -> Vec<(&SpanSummary, Limit)> {
    let paces = paces(summary).map_or_else(Vec::new, |(_, paces)| paces);
    paces
        .iter()
        .map(|pace| (pace.span, pace.limit(summary)))
        .collect()
}

fn worst(summary: &RunSummary) -> Option<Worst> {
    let (usual_request_s, paces) = paces(summary)?;
    let worst = paces.iter().reduce(|worst, pace| {
        if pace.is_worse_than(worst) {
            pace
        } else {
            worst
        }
    })?;
    let span = worst.span;
    Some(Worst {
        start: span.start.clone(),
        duration_s: span.duration_s,
        lost: worst.lost,
        request_s: worst.request_s,
        usual_request_s,
        ttft_p99_s: span.latency.ttft_s.p99,
        output_speed_tokens_per_s: span.output_speed_tokens_per_s,
        limit: worst.limit(summary),
    })
}

fn lost_part(span: &SpanSummary) -> f64 {
    let r = &span.requests;
    let lost = r.rejected + r.failed;
    lost as f64 / ((lost + r.completed) as f64).max(1.0)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::report::sample::{around, day, pool, with_worst};
    use crate::report::summary::{BalanceSummary, DistributionSummary};

    #[test]
    fn an_even_day_has_no_limit() {
        let mut summary = day();
        let first = summary.hours[0].clone();
        summary.hours = vec![first; 3];
        let worst = assess(&summary).worst.unwrap();
        assert_eq!(worst.limit, Limit::Nothing);
        assert_eq!(worst.start, "2025-02-28T02:00:00+08:00");
    }

    #[test]
    fn a_busy_prefill_that_makes_half_of_ttft_counts_and_an_idle_one_does_not() {
        let wait_at = |busy| {
            let summary = with_worst(|span| {
                span.latency.queue_s = around(0.6);
                pool(span, "prefill").utilization = Some(busy);
            });
            assess(&summary).worst.unwrap().limit
        };
        assert!(matches!(wait_at(0.9), Limit::PrefillCompute { .. }));
        assert!(matches!(wait_at(0.5), Limit::DecodeSpeed { .. }));
    }

    #[test]
    fn a_wait_for_neither_memory_nor_slots_is_one_for_units() {
        let summary = with_worst(|span| span.latency.decode_queue_s = around(6.0));
        let verdict = assess(&summary);
        assert_eq!(verdict.grade, Grade::Strained);
        let limit = verdict.worst.unwrap().limit;
        assert_eq!(limit, Limit::DecodeUnits { waiting: 3.0 });
    }

    #[test]
    fn the_longer_of_two_waits_decides() {
        let summary = with_worst(|span| {
            span.latency.ttft_s = around(20.0);
            span.latency.queue_s = around(19.0);
            span.latency.decode_queue_s = around(6.0);
            pool(span, "decode").blocked_by_kv = Some(0.5);
        });
        let limit = assess(&summary).worst.unwrap().limit;
        assert!(matches!(limit, Limit::PrefillCompute { .. }));
    }

    #[test]
    fn an_interval_that_loses_requests_is_worse_than_any_slow_one() {
        let mut summary = day();
        summary.hours[2].requests.rejected = 5_000;
        summary.requests.rejected = 5_000;
        let verdict = assess(&summary);
        assert_eq!(verdict.grade, Grade::Losing);
        assert_eq!(
            verdict.worst.as_ref().unwrap().start,
            summary.hours[2].start
        );
        insta::assert_snapshot!(verdict.sentences().join("\n"), @r"
        The run was not served well: 300,100 requests completed, 5,000 (1.6 %) were lost; TTFT p50 720 ms, p99 2.00 s; 21.0 tokens/s per request.
        Worst 1 h from 04:00: 4.8 % of the requests were lost, and an average request took 46.2 s (48.4 s over the whole), TTFT p99 2.00 s, 22.0 tokens/s; prefill compute limits it (units 62.5 % busy, 12 requests waiting).
        ");
        summary.hours[2].requests.rejected = 1;
        summary.requests.rejected = 1;
        assert_eq!(assess(&summary).grade, Grade::Strained);
    }

    #[test]
    fn intervals_are_preferred_to_hours() {
        let mut summary = day();
        let mut quarter = summary.hours[0].clone();
        quarter.duration_s = 900.0;
        summary.intervals = vec![quarter];
        assert_eq!(assess(&summary).worst.unwrap().duration_s, 900.0);
    }

    #[test]
    fn a_stuck_interval_is_the_worst() {
        let summary = with_worst(|span| {
            span.latency.ttft_s = DistributionSummary::default();
            span.output_speed_tokens_per_s = None;
        });
        let worst = assess(&summary).worst.unwrap();
        assert_eq!(worst.start, summary.hours[1].start);
        assert!(worst.request_s > 3_600.0);
        assert!(matches!(worst.limit, Limit::PrefillCompute { .. }));
    }

    #[test]
    fn a_growing_queue_is_overload_and_a_fluctuating_one_is_not() {
        let mut summary = day();
        let end = |summary: &mut RunSummary, waiting| {
            let prefill = summary.pools.get_mut("prefill").unwrap();
            prefill.queue_length_end = waiting;
            prefill.queue_length_mean = 4_000.0;
        };
        end(&mut summary, 9_000);
        assert_ne!(assess(&summary).grade, Grade::Overloaded);
        pool(&mut summary.hours[2], "prefill").queue_length_mean = 8_000.0;
        assert_eq!(assess(&summary).grade, Grade::Overloaded);
        end(&mut summary, 4_200);
        assert_ne!(assess(&summary).grade, Grade::Overloaded);
    }

    #[test]
    fn a_run_that_serves_nobody_is_overloaded() {
        let mut summary = day();
        summary.requests.completed = 0;
        summary.latency = Default::default();
        let verdict = assess(&summary);
        assert_eq!((verdict.grade, verdict.worst), (Grade::Overloaded, None));
    }

    #[test]
    fn promises_are_judged_only_where_a_part_is_demanded() {
        let mut summary = day();
        let slo = |summary: &mut RunSummary, required| {
            let class = summary.classes.get_mut("r1").unwrap();
            class.slo.as_mut().unwrap().required = required;
        };
        slo(&mut summary, Some(0.999));
        let verdict = assess(&summary);
        assert_eq!(verdict.grade, Grade::ShortOfSlo);
        insta::assert_snapshot!(verdict.shortfalls[0], @"Class r1 met its targets for 99.8 % of its requests; 99.9 % is required.");
        slo(&mut summary, None);
        assert!(assess(&summary).shortfalls.is_empty());
    }

    #[test]
    fn a_broken_balance_comes_first() {
        let mut summary = day();
        let balance = BalanceSummary {
            left: "1".to_string(),
            right: "2".to_string(),
            holds: false,
        };
        summary.audit.insert("tokens".to_string(), balance);
        let verdict = assess(&summary);
        assert_eq!(verdict.grade, Grade::Broken);
        assert!(
            verdict
                .to_string()
                .starts_with("A mistake in the program: the audit of tokens")
        );
    }

    #[test]
    fn a_day_without_requests_has_no_worst_hour() {
        let mut summary = day();
        summary.requests = Default::default();
        summary.latency = Default::default();
        for hour in &mut summary.hours {
            hour.requests = Default::default();
            hour.latency = Default::default();
        }
        let verdict = assess(&summary);
        assert_eq!((verdict.grade, &verdict.worst), (Grade::NoLoad, &None));
        assert_eq!(verdict.to_string(), "Nobody came: no request arrived.");
    }
}
