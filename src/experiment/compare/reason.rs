//! Why one scenario is better than another: what limits each, when, and where a request's time and the
//! money go. Words and sums of figures that the summaries have; nothing is simulated here.

use super::{CompareSide, Difference, Finding};
use crate::report::format::{clock, count, date_clock, length, seconds, usd};
use crate::report::summary::{RunSummary, SpanSummary};
use crate::report::verdict::limits;

/// Part of the difference from which a part of a request's time is worth a word.
const WORTH_A_WORD: f64 = 0.05;

/// What limits a run most of the time, since when, and what else limits it, in words.
pub fn limited_by(summary: &RunSummary) -> String {
    let parts = limits(summary);
    let whole_s: f64 = parts.iter().map(|(span, _)| span.duration_s).sum();
    let mut found: Vec<(&str, f64, &SpanSummary, String)> = Vec::new();
    for (span, limit) in &parts {
        let Some(what) = limit.what() else {
            continue;
        };
        match found.iter_mut().find(|(known, ..)| *known == what) {
            Some((_, limited_s, ..)) => *limited_s += span.duration_s,
            None => found.push((what, span.duration_s, span, limit.to_string())),
        }
    }
    found.sort_by(|a, b| b.1.total_cmp(&a.1));
    let is_short = summary.duration_s <= 86_400.0;
    let sentence = |(what, limited_s, since, _): &(&str, f64, &SpanSummary, String)| {
        let since = if is_short {
            clock(&since.start).to_owned()
        } else {
            date_clock(&since.start)
        };
        format!(
            "{what} from {since} ({} of {})",
            length(*limited_s),
            length(whole_s)
        )
    };
    match found.len() {
        0 => "nothing".to_owned(),
        _ => found
            .iter()
            .map(sentence)
            .collect::<Vec<_>>()
            .join(", then "),
    }
}

/// Why `side` differs from `first`: a word about each difference that chance does not explain.
pub fn reasons(first: &CompareSide, side: &CompareSide, differences: &[Difference]) -> Vec<String> {
    let differs = |field: &str| {
        let of_field = differences.iter().find(|d| d.field == field);
        of_field.is_some_and(|d| !matches!(d.finding, Finding::Equal | Finding::NotSignificant))
    };
    let mut reasons = Vec::new();
    let time = differs("latency.e2e_s.mean") || differs("latency.ttft_s.mean");
    let money = differs("economics.profit_usd");
    if !time && !money {
        return reasons;
    }
    if first.limited_by != side.limited_by {
        let (a, b) = (&first.limited_by, &side.limited_by);
        reasons.push(format!(
            "What limits: {} by {a}; {} by {b}.",
            first.label, side.label
        ));
    } else if side.limited_by != "nothing" {
        reasons.push(format!("What limits both: {}.", side.limited_by));
    }
    if time {
        reasons.extend(request_time(&first.summary, &side.summary));
    }
    if money {
        reasons.extend(profit(&first.summary, &side.summary));
    }
    reasons.extend(lost(first, side));
    reasons
}

/// Parts of an average request's time, in the order in which it spends them; `None`: nobody completed.
fn parts(summary: &RunSummary) -> Option<[(&'static str, f64); 4]> {
    let l = &summary.latency;
    let (queue, ttft, e2e) = (l.queue_s.mean?, l.ttft_s.mean?, l.e2e_s.mean?);
    let decode_queue = l.decode_queue_s.mean.unwrap_or(0.0);
    Some([
        ("waiting for prefill", queue),
        ("computing the prompt", ttft - queue),
        ("waiting for decode", decode_queue),
        ("generating", e2e - ttft - decode_queue),
    ])
}

/// The parts in which an average request takes more or less time, in words; `None`: there are none.
fn request_time(first: &RunSummary, side: &RunSummary) -> Option<String> {
    let (before, after) = (parts(first)?, parts(side)?);
    let mut changes: Vec<(&str, f64)> = after
        .iter()
        .zip(&before)
        .map(|((name, b), (_, a))| (*name, b - a))
        .collect();
    let whole: f64 = changes.iter().map(|(_, s)| s).sum();
    changes.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()));
    let largest = changes.first().map_or(0.0, |(_, s)| s.abs());
    changes.retain(|(_, s)| *s != 0.0 && s.abs() >= WORTH_A_WORD * largest);
    if changes.is_empty() {
        return None;
    }
    let each: Vec<String> = changes
        .iter()
        .map(|(name, s)| format!("{} {name}", signed(*s, seconds)))
        .collect();
    let way = if whole > 0.0 { "longer" } else { "less" };
    Some(format!(
        "An average request takes {} {way}: {}.",
        seconds(whole.abs()),
        each.join(", ")
    ))
}

fn profit(first: &RunSummary, side: &RunSummary) -> Option<String> {
    let (a, b) = (&first.economics, &side.economics);
    let (cost, revenue) = (b.cost_usd - a.cost_usd, b.revenue_usd - a.revenue_usd);
    (cost != 0.0 || revenue != 0.0).then(|| {
        format!(
            "Profit {}: revenue {}, cost {}.",
            signed(b.profit_usd - a.profit_usd, usd),
            signed(revenue, usd),
            signed(cost, usd)
        )
    })
}

fn lost(first: &CompareSide, side: &CompareSide) -> Option<String> {
    let lost = |side: &CompareSide| {
        let r = &side.summary.requests;
        r.rejected + r.failed
    };
    let (before, after) = (lost(first), lost(side));
    (before != after).then(|| {
        format!(
            "Requests lost: {} in {}, {} in {}.",
            count(before),
            first.label,
            count(after),
            side.label
        )
    })
}

/// A change in text, with its sign.
pub fn signed(x: f64, show: impl Fn(f64) -> String) -> String {
    let text = show(x);
    if x > 0.0 { format!("+{text}") } else { text }
}
