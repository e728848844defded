//! What is to be expected of laws of clients, as statistics of a trace: nothing is drawn.

use super::client_pool::ClientPool;
use super::trace_figures::{Burstiness, LengthStats, ProfileBin, TraceStats};

const HOUR_S: u64 = 3_600;

/// Expected figures of the requests that the clients would send in one time through their windows.
pub fn stats_of_clients(pool: &ClientPool) -> TraceStats {
    let requests = pool.requests();
    let [input, output] = pool.lengths();
    let tokens = |law: &[(u32, f64)]| law.iter().map(|(n, w)| f64::from(*n) * w).sum::<f64>();
    let whole = |expected: f64| libm::round(expected) as u64;
    let (all, asking) = (pool.count, pool.clients.len());
    TraceStats {
        requests: whole(requests),
        failed_requests: 0,
        skipped_lines: pool.skipped,
        input_tokens: whole(tokens(&input)),
        output_tokens: whole(tokens(&output)),
        cached_tokens: None,
        span_s: pool.span_s as f64,
        requests_per_s: (pool.span_s > 0).then(|| requests / pool.span_s as f64),
        arrivals: Burstiness::default(),
        input: lengths(&input),
        output: lengths(&output),
        profile: by_hour(pool),
        ideal_hit_rate: None,
        ideal_token_hit_rate: None,
        blocks: None,
        hit_rate_over_capacity: Vec::new(),
        remarks: vec![
            format!(
                "{asking} of {all} clients ask for anything; these are laws, and the figures what is to be expected of them: \
                 `arrivals = {{ kind = \"clients\", … }}` draws requests"
            ),
            "how inputs and outputs depend on one another is not recorded".to_string(),
        ],
    }
}

fn lengths(law: &[(u32, f64)]) -> LengthStats {
    let law: Vec<(u32, f64)> = law.iter().copied().filter(|(_, w)| *w > 0.0).collect();
    let total: f64 = law.iter().map(|(_, weight)| weight).sum();
    let quantile = |part: f64| {
        let mut seen = 0.0;
        let found = law.iter().find(|(_, weight)| {
            seen += weight;
            seen >= part * total
        });
        found.or(law.last()).map_or(0, |(length, _)| *length)
    };
    let sum: f64 = law.iter().map(|(n, weight)| f64::from(*n) * weight).sum();
    LengthStats {
        mean: sum / total,
        min: law.first().map_or(0, |(length, _)| *length),
        p50: quantile(0.5),
        p90: quantile(0.9),
        p95: quantile(0.95),
        p99: quantile(0.99),
        max: law.last().map_or(0, |(length, _)| *length),
    }
}

/// Expected requests by hour of the day, over all days.
fn by_hour(pool: &ClientPool) -> Vec<ProfileBin> {
    let mut requests = [0.0; 24];
    for window in pool.clients.iter().flat_map(|client| &client.windows) {
        let mut from = window.from_s;
        while from < window.to_s {
            let hour = from / HOUR_S;
            let to = window.to_s.min((hour + 1) * HOUR_S);
            requests[(hour % 24) as usize] += window.rate_per_s * (to - from) as f64;
            from = to;
        }
    }
    let covered = |hour: u64| {
        let days = (0..=pool.span_s / (24 * HOUR_S)).map(|day| (24 * day + hour) * HOUR_S);
        days.map(|from| pool.span_s.saturating_sub(from).min(HOUR_S))
            .sum::<u64>()
    };
    let bin = |(hour, requests): (u64, f64)| {
        let seconds = covered(hour);
        (seconds > 0).then(|| ProfileBin {
            from: format!("{hour:02}:00"),
            requests: libm::round(requests) as u64,
            requests_per_s: requests / seconds as f64,
        })
    };
    (0..).zip(requests).filter_map(bin).collect()
}
