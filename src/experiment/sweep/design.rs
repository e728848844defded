//! Which points of the axes are run: the whole grid, or a sample spread over it.
//!
//! A grid counts like a clock: the last axis changes fastest. A sample of n points is a Latin hypercube
//! (McKay, Beckman and Conover, "A Comparison of Three Methods for Selecting Values of Input Variables in
//! the Analysis of Output from a Computer Code", 1979): each axis is cut into n strata and every stratum is
//! hit once. Of several drawn ones the one is taken whose nearest two points are farthest apart. Points
//! that fall on the same listed values are one.

use std::collections::BTreeSet;

use crate::experiment::vary::{AxisValues, VaryAxis, VaryError};
use crate::scenario::AxisPiece;
use crate::workload::random::Stream;

/// Most hypercubes to choose from.
const CANDIDATES: u64 = 50;

/// Comparisons of two points that choosing may take: a fraction of a second.
const COMPARISONS: u64 = 5_000_000;

/// Points, a value for each key.
pub type Points = Vec<Vec<AxisPiece>>;

/// Why axes make no design.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DesignRefusal {
    /// An axis is none for a grid.
    Axis(VaryError),
    /// The design would have too many points.
    TooMany(String),
}

/// The whole grid of the axes.
///
/// # Errors
/// Where an axis has no end of values, or the grid has more than `most` points.
pub fn grid(axes: &[VaryAxis], most: u64) -> Result<Points, DesignRefusal> {
    let mut lists = Vec::new();
    for axis in axes {
        match &axis.values {
            AxisValues::List(rows) => lists.push(rows),
            AxisValues::Between(range) => {
                let why = "everything between two numbers: give the range a step (0.1..0.9:0.1) or a count \
                           (log(1.0,1000.0,7)), or ask for --sample N points";
                return Err(DesignRefusal::Axis(axis.wrong(&range.at, why)));
            }
        }
    }
    let size = lists.iter().try_fold(1_u64, |size, rows| {
        size.checked_mul(rows.len() as u64).filter(|n| *n <= most)
    });
    if size.is_none() {
        let sizes: Vec<String> = lists.iter().map(|rows| rows.len().to_string()).collect();
        return Err(DesignRefusal::TooMany(format!(
            "the grid has {} points, and a sweep has at most {most} runs: ask for --sample N of them",
            sizes.join(" x ")
        )));
    }
    let mut points: Points = vec![Vec::new()];
    for rows in lists {
        points = points
            .iter()
            .flat_map(|point| rows.iter().map(|row| [point.as_slice(), row].concat()))
            .collect();
    }
    Ok(points)
}

/// `n` points spread over the space of the axes; fewer where listed values do not give so many.
pub fn sample(axes: &[VaryAxis], n: u64, seed: u64) -> Points {
    let pairs = n * n.saturating_sub(1) / 2;
    let candidates = (COMPARISONS / pairs.max(1)).clamp(1, CANDIDATES);
    let drawn = (0..candidates).map(|i| hypercube(axes.len(), n, seed, i));
    let best = drawn
        .map(|cube| (if candidates > 1 { nearest(&cube) } else { 0.0 }, cube))
        .reduce(|best, next| if next.0 > best.0 { next } else { best });
    let cube = best.map(|(_, cube)| cube).unwrap_or_default();
    let mut seen: BTreeSet<Vec<String>> = BTreeSet::new();
    let points = cube.iter().map(|place| point(axes, place));
    let texts = |point: &Vec<AxisPiece>| point.iter().map(|v| v.text.clone()).collect();
    points.filter(|point| seen.insert(texts(point))).collect()
}

/// Points in the unit cube: `n` of them, each stratum of each axis hit once.
fn hypercube(axes: usize, n: u64, seed: u64, candidate: u64) -> Vec<Vec<f64>> {
    let mut places = vec![Vec::with_capacity(axes); n as usize];
    for axis in 0..axes {
        let mut stream = Stream::new(seed, "sweep", &format!("{candidate} {axis}"));
        let mut strata: Vec<u64> = (0..n).collect();
        for i in (1..strata.len()).rev() {
            let other = below(&mut stream, i as u64 + 1) as usize;
            strata.swap(i, other);
        }
        for (place, stratum) in places.iter_mut().zip(strata) {
            // 53 random bits: a number in [0, 1)
            let within = (stream.draw() >> 11) as f64 / (1_u64 << 53) as f64;
            place.push((stratum as f64 + within) / n as f64);
        }
    }
    places
}

/// A number below `n`, by the upper half of a product (D. Lemire, "Fast Random Integer Generation in an
/// Interval", 2019, without its correction: the bias is n / 2^64).
fn below(stream: &mut Stream, n: u64) -> u64 {
    ((u128::from(stream.draw()) * u128::from(n)) >> 64) as u64
}

/// Squared distance of the two nearest points.
fn nearest(places: &[Vec<f64>]) -> f64 {
    let mut least = f64::INFINITY;
    for (i, a) in places.iter().enumerate() {
        for b in &places[i + 1..] {
            let squares = a.iter().zip(b).map(|(x, y)| (x - y) * (x - y));
            least = least.min(squares.sum());
        }
    }
    least
}

fn point(axes: &[VaryAxis], place: &[f64]) -> Vec<AxisPiece> {
    let parts = axes
        .iter()
        .zip(place)
        .map(|(axis, part)| match &axis.values {
            AxisValues::List(rows) => {
                let index = (part * rows.len() as f64) as usize;
                rows[index.min(rows.len() - 1)].clone()
            }
            AxisValues::Between(span) => vec![span.value(*part)],
        });
    parts.flatten().collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::experiment::vary::{AXIS, parse};

    fn axes(texts: &[&str]) -> Vec<VaryAxis> {
        let each = texts.iter().map(|text| parse("a test", text).unwrap());
        each.collect()
    }

    fn texts(point: &[AxisPiece]) -> Vec<&str> {
        point.iter().map(|value| value.text.as_str()).collect()
    }

    #[test]
    fn a_grid_counts_like_a_clock() {
        let points = grid(&axes(&["a,b=(1,2),(3,4)", "c=5,6"]), 100).unwrap();
        let rows: Vec<String> = points.iter().map(|p| texts(p).join(" ")).collect();
        assert_eq!(rows, ["1 2 5", "1 2 6", "3 4 5", "3 4 6"]);
        let large = axes(&["a=1..100", "b=1..100"]);
        let too_many =
            |found| matches!(found, Err(DesignRefusal::TooMany(why)) if why.contains("100 x 100"));
        assert!(too_many(grid(&large, 9_999)));
        let Err(DesignRefusal::Axis(error)) = grid(&axes(&["a=0.1..0.2"]), 9) else {
            panic!("a grid of everything between two numbers");
        };
        let shown = error.show(&AXIS);
        assert!(
            shown.contains("a test:1:3") && shown.contains("--sample"),
            "{shown}"
        );
    }

    #[test]
    fn a_sample_hits_every_stratum_of_every_axis_once() {
        let axes = axes(&["a=0.0..1.0", "b=log(1.0,16.0)", "c=1..4"]);
        let points = sample(&axes, 40, 7);
        assert_eq!(points.len(), 40);
        let mut strata: Vec<u64> = points
            .iter()
            .map(|p| (p[0].text.parse::<f64>().unwrap() * 40.0) as u64)
            .collect();
        strata.sort_unstable();
        assert_eq!(strata, (0..40).collect::<Vec<u64>>());
        let below_4 = points
            .iter()
            .filter(|p| p[1].text.parse::<f64>().unwrap() < 4.0);
        assert_eq!(below_4.count(), 20);
        for value in ["1", "2", "3", "4"] {
            assert_eq!(points.iter().filter(|p| p[2].text == value).count(), 10);
        }
        assert_eq!(points, sample(&axes, 40, 7));
        assert_ne!(points, sample(&axes, 40, 8));
    }

    #[test]
    fn the_chosen_hypercube_is_spread_better_than_most() {
        let all: Vec<f64> = (0..50).map(|i| nearest(&hypercube(2, 20, 1, i))).collect();
        let points = sample(&axes(&["a=0.0..1.0", "b=0.0..1.0"]), 20, 1);
        let places = points.iter();
        let places: Vec<Vec<f64>> = places
            .map(|p| p.iter().map(|x| x.text.parse().unwrap()).collect())
            .collect();
        let most = all.iter().copied().fold(0.0, f64::max);
        assert!((nearest(&places) - most).abs() < 1e-6);
    }

    #[test]
    fn equal_points_are_one() {
        let points = sample(&axes(&["a=1,2", "b=1,2"]), 100, 1);
        assert_eq!(points.len(), 4);
    }
}
