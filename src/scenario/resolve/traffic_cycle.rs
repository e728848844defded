//! Rows of any dates, laid over one another as the parts of a cycle.

use super::super::source::Span;
use crate::units::SimDuration;

/// A row of the file in time: when it begins, on its clock and in ns from 1970 UTC.
#[derive(Clone, Copy, Debug)]
pub struct TimedRow {
    /// On the clock that days and weeks are told by.
    pub wall: i64,
    /// In ns from 1970 UTC; for times of day and of the week the same as `wall`.
    pub instant: i64,
    /// Length of the row.
    pub length: i64,
    /// Requests in the row.
    pub requests: f64,
    /// Means of lengths and hits.
    pub means: [Option<f64>; 3],
    /// Place of the number in the file.
    pub at: Span,
}

/// Part of a cycle and its requests.
#[derive(Clone, Debug)]
pub struct TrafficRow {
    /// Place in the cycle at which the row begins.
    pub from: SimDuration,
    /// Place in the cycle at which the row ends.
    pub to: SimDuration,
    /// Number of requests that arrive in the row's time.
    pub requests: f64,
    /// Place of the number of requests in the file.
    pub requests_at: Span,
    /// Means of the input and output laws in tokens, and cached over input tokens; `None`: the row does not say.
    pub means: [Option<f64>; 3],
}

/// What the rows say of a part of the cycle.
#[derive(Clone, Debug)]
struct CyclePart {
    /// Requests in the part, of all rows that cover it.
    requests: f64,
    /// Rows that cover it.
    rows: f64,
    /// For each mean: the sum of the rows' values, weighted by their requests, and the weights.
    means: [(f64, f64); 3],
    /// The only row; `None`: none, or several.
    only: Option<usize>,
    at: Span,
}

/// The parts of a cycle of so many ns, on which rows are laid that begin at their clock's time and `shift`; and the
/// time that no row covers. Where several rows cover a part it has their average.
pub fn folded(rows: &[TimedRow], cycle: i64, shift: i64) -> (Vec<TrafficRow>, i64) {
    // Each row as its pieces within the cycle.
    let mut pieces: Vec<(i64, i64, usize)> = Vec::new();
    for (i, row) in rows.iter().enumerate() {
        let (mut at, mut left) = ((row.wall + shift).rem_euclid(cycle), row.length);
        while left > 0 {
            let length = left.min(cycle - at);
            pieces.push((at, at + length, i));
            (at, left) = (0, left - length);
        }
    }
    let mut edges: Vec<i64> = pieces
        .iter()
        .flat_map(|(from, to, _)| [*from, *to])
        .collect();
    edges.extend([0, cycle]);
    edges.sort_unstable();
    edges.dedup();
    let empty = CyclePart {
        requests: 0.0,
        rows: 0.0,
        means: [(0.0, 0.0); 3],
        only: None,
        at: Span::NOWHERE,
    };
    let mut parts = vec![empty; edges.len() - 1];
    for (from, to, i) in pieces {
        let row = &rows[i];
        let first = edges.partition_point(|edge| *edge < from);
        for (part, bounds) in parts[first..].iter_mut().zip(edges[first..].windows(2)) {
            if bounds[0] >= to {
                break;
            }
            let length = bounds[1] - bounds[0];
            let is_whole = length == row.length;
            let requests = match is_whole {
                true => row.requests,
                false => row.requests * (length as f64 / row.length as f64),
            };
            part.requests += requests;
            part.only = if part.rows == 0.0 { Some(i) } else { None };
            part.rows += 1.0;
            part.at = row.at;
            for (sum, mean) in part.means.iter_mut().zip(row.means) {
                if let Some(mean) = mean {
                    *sum = (sum.0 + mean * requests, sum.1 + requests);
                }
            }
        }
    }
    let mut missing = 0;
    let whole = parts.iter().zip(edges.windows(2)).map(|(part, bounds)| {
        if part.rows == 0.0 {
            missing += bounds[1] - bounds[0];
        }
        let mean = |(sum, weight): (f64, f64)| (weight > 0.0).then(|| sum / weight);
        TrafficRow {
            from: SimDuration(bounds[0] as u64),
            to: SimDuration(bounds[1] as u64),
            requests: part.requests / part.rows.max(1.0),
            requests_at: part.at,
            means: match part.only {
                Some(only) => rows[only].means,
                None => part.means.map(mean),
            },
        }
    });
    let whole = whole.collect();
    (whole, missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(wall: i64, length: i64, requests: f64) -> TimedRow {
        TimedRow {
            wall,
            instant: wall,
            length,
            requests,
            means: [Some(requests), None, None],
            at: Span::NOWHERE,
        }
    }

    /// Edges and requests of the parts, and what is missing.
    fn parts(rows: &[TimedRow]) -> (Vec<(u64, u64, f64)>, i64) {
        let (parts, missing) = folded(rows, 100, 0);
        let parts = parts.iter().map(|p| (p.from.0, p.to.0, p.requests));
        (parts.collect(), missing)
    }

    #[test]
    fn days_are_averaged_and_gaps_are_counted() {
        let plain = [row(0, 40, 4.0), row(40, 60, 3.0)];
        assert_eq!(parts(&plain), (vec![(0, 40, 4.0), (40, 100, 3.0)], 0));
        let twice = [row(0, 100, 4.0), row(100, 50, 6.0)];
        assert_eq!(parts(&twice), (vec![(0, 50, 4.0), (50, 100, 2.0)], 0));
        let over_the_edge = [row(80, 40, 4.0)];
        assert_eq!(
            parts(&over_the_edge),
            (vec![(0, 20, 2.0), (20, 80, 0.0), (80, 100, 2.0)], 60)
        );
        let (means, _) = folded(&twice, 100, 0);
        // 2 requests with a mean of 4 and 6 with one of 6, by their requests in the part
        assert_eq!(means[0].means[0], Some((4.0 * 2.0 + 6.0 * 6.0) / 8.0));
        assert_eq!(means[1].means[0], Some(4.0));
    }
}
