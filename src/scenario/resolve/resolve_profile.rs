//! The rate of a day as straight pieces, from rows of means, steps or points.
//!
//! The mean-preserving form of hourly means: at an edge between two rows the rate is the average of
//! their means; in the middle of a row it is v = 2m - (e1 + e2)/2, with e1 and e2 the rates at its
//! edges, so that each row keeps its mean exactly: (e1 + 2v + e2)/4 = m. Where v would be negative the
//! row is refused. A line through the rows' middles would miss the rows' means instead.
//!
//! All functions return the whole cycle (a day from local midnight, unless rows of several days say otherwise), in order
//! and without gaps; it repeats.

use super::super::RateSegment;
use crate::units::{NS_PER_DAY, NS_PER_S, SimDuration};

/// How far below zero rounding may push a middle that is zero, relative to the mean.
const ROUNDING: f64 = 1e-12;

/// A part of the day with its mean rate.
#[derive(Clone, Copy, Debug)]
pub struct RateRow {
    /// Time of day at which the row begins.
    pub from: SimDuration,
    /// Time of day at which the row ends.
    pub to: SimDuration,
    /// Mean rate of the row.
    pub mean: f64,
}

impl RateRow {
    fn middle(&self) -> u64 {
        self.from.0 + (self.to.0 - self.from.0) / 2
    }

    fn length(&self) -> f64 {
        (self.to.0 - self.from.0) as f64
    }
}

/// A constant rate of 1 all day.
pub fn constant() -> Vec<RateSegment> {
    vec![piece(0, NS_PER_DAY, 1.0, 1.0)]
}

/// A continuous rate that keeps every row's mean.
///
/// # Errors
///
/// The index of the first row whose rate would be negative.
pub fn mean_preserving(rows: &[RateRow]) -> Result<Vec<RateSegment>, usize> {
    let n = rows.len();
    let mut pieces = Vec::with_capacity(2 * n);
    for (i, row) in rows.iter().enumerate() {
        let start = 0.5 * (rows[(i + n - 1) % n].mean + row.mean);
        let end = 0.5 * (row.mean + rows[(i + 1) % n].mean);
        // the middle is half-way, so that the mean is kept to the last bit of a row of odd length too
        let half = (row.middle() - row.from.0) as f64 / row.length();
        let middle = 2.0 * row.mean - half * start - (1.0 - half) * end;
        if middle < -ROUNDING * row.mean.max(start) {
            return Err(i);
        }
        let middle = middle.max(0.0);
        pieces.push(piece(row.from.0, row.middle(), start, middle));
        pieces.push(piece(row.middle(), row.to.0, middle, end));
    }
    Ok(pieces)
}

/// A continuous rate that keeps every row's mean and is negative nowhere: where [`mean_preserving`] would be, the rate
/// at the row's edges is at most twice its mean.
pub fn mean_preserving_within(rows: &[RateRow]) -> Vec<RateSegment> {
    let n = rows.len();
    let middle = |row: &RateRow, start: f64, end: f64| {
        let half = (row.middle() - row.from.0) as f64 / row.length();
        2.0 * row.mean - half * start - (1.0 - half) * end
    };
    let mut edges: Vec<f64> = (0..n)
        .map(|i| 0.5 * (rows[(i + n - 1) % n].mean + rows[i].mean))
        .collect();
    let is_low: Vec<bool> = (0..n)
        .map(|i| middle(&rows[i], edges[i], edges[(i + 1) % n]) < 0.0)
        .collect();
    for (i, row) in rows.iter().enumerate().filter(|(i, _)| is_low[*i]) {
        edges[i] = edges[i].min(2.0 * row.mean);
        edges[(i + 1) % n] = edges[(i + 1) % n].min(2.0 * row.mean);
    }
    let mut pieces = Vec::with_capacity(2 * n);
    for (i, row) in rows.iter().enumerate() {
        let (start, end) = (edges[i], edges[(i + 1) % n]);
        let middle = middle(row, start, end).max(0.0);
        pieces.push(piece(row.from.0, row.middle(), start, middle));
        pieces.push(piece(row.middle(), row.to.0, middle, end));
    }
    pieces
}

/// A rate that is constant within each row.
pub fn rows_stepwise(rows: &[RateRow]) -> Vec<RateSegment> {
    rows.iter()
        .map(|r| piece(r.from.0, r.to.0, r.mean, r.mean))
        .collect()
}

/// A rate of straight lines between the rows' middles, cut at the rows' edges.
pub fn rows_linear(rows: &[RateRow]) -> Vec<RateSegment> {
    let n = rows.len();
    // on the line between two middles, at the edge between them
    let edge = |one: &RateRow, other: &RateRow| {
        let (before, after) = (one.length(), other.length());
        (one.mean * after + other.mean * before) / (before + after)
    };
    let mut pieces = Vec::with_capacity(2 * n);
    for (i, row) in rows.iter().enumerate() {
        let start = edge(&rows[(i + n - 1) % n], row);
        let end = edge(row, &rows[(i + 1) % n]);
        pieces.push(piece(row.from.0, row.middle(), start, row.mean));
        pieces.push(piece(row.middle(), row.to.0, row.mean, end));
    }
    pieces
}

/// A rate that holds until the next time, the last one over midnight. The times ascend.
pub fn stepwise(points: &[(SimDuration, f64)]) -> Vec<RateSegment> {
    let last = points.last().map_or(0.0, |p| p.1);
    let mut pieces = Vec::with_capacity(points.len() + 1);
    let mut from = 0;
    let mut rate = last;
    for (time, next) in points {
        if time.0 > from {
            pieces.push(piece(from, time.0, rate, rate));
        }
        (from, rate) = (time.0, *next);
    }
    pieces.push(piece(from, NS_PER_DAY, rate, rate));
    pieces
}

/// A rate of straight lines between given times, over midnight too. The times ascend.
pub fn linear(points: &[(SimDuration, f64)]) -> Vec<RateSegment> {
    let (Some(first), Some(last)) = (points.first(), points.last()) else {
        return Vec::new();
    };
    // the line from the last point over midnight to the first one
    let before_midnight = (NS_PER_DAY - last.0.0) as f64;
    let over_midnight = before_midnight + first.0.0 as f64;
    let part = before_midnight / over_midnight;
    let midnight = last.1 + (first.1 - last.1) * part;
    let mut pieces = Vec::with_capacity(points.len() + 1);
    let (mut from, mut rate) = (0, midnight);
    for (time, next) in points {
        if time.0 > from {
            pieces.push(piece(from, time.0, rate, *next));
        }
        (from, rate) = (time.0, *next);
    }
    pieces.push(piece(from, NS_PER_DAY, rate, midnight));
    pieces
}

/// Integral of the rate over the day, in rate x seconds.
pub fn total(pieces: &[RateSegment]) -> f64 {
    let of = |p: &RateSegment| {
        let seconds = (p.to.0 - p.from.0) as f64 / NS_PER_S as f64;
        0.5 * (p.rate_from_per_s + p.rate_to_per_s) * seconds
    };
    pieces.iter().map(of).sum()
}

/// Multiplies all rates by a factor.
pub fn scale(pieces: &mut [RateSegment], factor: f64) {
    for piece in pieces {
        piece.rate_from_per_s *= factor;
        piece.rate_to_per_s *= factor;
    }
}

fn piece(from: u64, to: u64, rate_from_per_s: f64, rate_to_per_s: f64) -> RateSegment {
    RateSegment {
        from: SimDuration(from),
        to: SimDuration(to),
        rate_from_per_s,
        rate_to_per_s,
        period: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::NS_PER_HOUR;

    fn hours(means: &[f64]) -> Vec<RateRow> {
        let each = NS_PER_DAY / means.len() as u64;
        let row = |(i, mean): (u64, &f64)| RateRow {
            from: SimDuration(i * each),
            to: SimDuration((i + 1) * each),
            mean: *mean,
        };
        (0..).zip(means).map(row).collect()
    }

    fn covers_the_day(pieces: &[RateSegment]) {
        assert_eq!(pieces.first().map(|p| p.from.0), Some(0));
        assert_eq!(pieces.last().map(|p| p.to.0), Some(NS_PER_DAY));
        for pair in pieces.windows(2) {
            assert_eq!(pair[0].to, pair[1].from);
            assert!(pair[0].from < pair[0].to);
        }
    }

    #[test]
    fn every_hour_keeps_its_mean_and_the_rate_is_continuous() {
        let means = [5.0, 9.0, 8.0, 4.0, 3.0, 2.0];
        let pieces = mean_preserving(&hours(&means)).expect("not negative");
        covers_the_day(&pieces);
        for (i, mean) in means.iter().enumerate() {
            let integral = total(&pieces[2 * i..2 * i + 2]);
            assert!((integral / (4.0 * 3600.0) - mean).abs() < 1e-12 * mean);
        }
        for (i, p) in pieces.iter().enumerate() {
            let next = &pieces[(i + 1) % pieces.len()];
            assert!((p.rate_to_per_s - next.rate_from_per_s).abs() < 1e-12);
        }
    }

    #[test]
    fn a_deep_hour_is_refused_and_the_limit_is_a_third() {
        assert_eq!(
            mean_preserving(&hours(&[3.0, 0.9, 3.0, 3.0])).err(),
            Some(1)
        );
        let pieces = mean_preserving(&hours(&[3.0, 1.0, 3.0, 3.0])).expect("just allowed");
        assert!(pieces[2].rate_to_per_s.abs() < 1e-12);
        assert!(mean_preserving(&hours(&[0.0, 0.0, 0.0])).is_ok());
    }

    #[test]
    fn a_deep_row_bends_its_edges_and_keeps_its_mean() {
        let means = [3.0, 0.0, 3.0, 0.1, 1.0];
        let rows = hours(&means);
        let pieces = mean_preserving_within(&rows);
        for (i, row) in rows.iter().enumerate() {
            let own = &pieces[2 * i..2 * i + 2];
            let mean = total(own) / (row.length() / NS_PER_S as f64);
            assert!((mean - means[i]).abs() < 1e-12, "{i}: {mean}");
            assert!(
                own.iter()
                    .all(|p| p.rate_from_per_s >= 0.0 && p.rate_to_per_s >= 0.0)
            );
        }
        let gentle = hours(&[3.0, 1.0, 3.0, 3.0]);
        assert_eq!(
            mean_preserving(&gentle),
            Ok(mean_preserving_within(&gentle))
        );
    }

    #[test]
    fn steps_and_lines_go_round_midnight() {
        let at = |hour: u64| SimDuration(hour * NS_PER_HOUR);
        let points = [(at(6), 1.0), (at(18), 3.0)];
        let steps = stepwise(&points);
        covers_the_day(&steps);
        assert_eq!(steps[0].rate_from_per_s, 3.0);
        assert_eq!(total(&steps), 12.0 * 3600.0 * 4.0);
        let lines = linear(&points);
        covers_the_day(&lines);
        assert_eq!(lines[0].rate_from_per_s, 2.0); // half-way from 3 back to 1
        assert_eq!(total(&lines), 24.0 * 3600.0 * 2.0);
        assert_eq!(total(&linear(&[(at(6), 2.0)])), 24.0 * 3600.0 * 2.0);
        assert_eq!(total(&stepwise(&[(at(0), 2.0)])), 24.0 * 3600.0 * 2.0);
    }

    #[test]
    fn lines_between_middles_meet_at_the_edges() {
        let pieces = rows_linear(&hours(&[1.0, 3.0]));
        covers_the_day(&pieces);
        let rates: Vec<f64> = pieces.iter().map(|p| p.rate_to_per_s).collect();
        assert_eq!(rates, [1.0, 2.0, 3.0, 2.0]);
    }
}
