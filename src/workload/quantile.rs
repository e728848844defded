//! Quantile tables: random numbers of any continuous law in a few integer instructions.
//!
//! A table is addressed by 64 random bits. The first chooses the half below or above the median. The
//! number of zeros that follow chooses an octave: half as probable and half as far from the end of the
//! law, one after the other, so tails stay resolved down to a probability of 2^-45. The next five bits
//! choose one of 32 cells of the octave and the following 32 a place in it, where the value is
//! interpolated on a straight line. Further out the last octave repeats.
//!
//! A cell's line has the law's own mean over the cell (Simpson's rule, exact up to cubics) and the
//! slope of its ends, which is the least-squares line up to fourth order. The mean of the table is
//! therefore that of the law to about 10^-9, and the variance that is lost in a cell is its squared
//! relative width over 720. What the repeated octave ignores beyond 2^-45 is nothing for most laws; of
//! the heaviest, a lognormal law with a coefficient of variation of 20, it is 2 millionths of the mean
//! and 0.8 % of that coefficient.
//!
//! Transcendental functions are needed only to build a table; what is stored
//! is integers, so draws are the same bits everywhere (S15).

use std::sync::Arc;

use super::side::Tail;

/// A tabulated quantile function, in fixed point. Copies share their cells.
#[derive(Clone, Debug)]
pub struct QuantileTable {
    cells: Arc<[QuantileCell; SIZE]>,
    /// Table units for a value of 1.
    unit: f64,
}

/// A straight line over a cell: `base + slope x`, x in [0, 1); never negative.
#[derive(Clone, Copy, Debug, Default)]
struct QuantileCell {
    base: i64,
    slope: i64,
}

/// A stretch of values over which probability is even: `weight` between `from` and `to`, in this
/// order of the random number, not of size. Equal ends are an atom.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct QuantilePiece {
    /// Probability of the piece.
    pub weight: f64,
    /// Value at the first random number of the piece.
    pub from: f64,
    /// Value after the last random number of the piece.
    pub to: f64,
}

/// Octaves in a half: the outermost begins at a probability of 2^-45.
const OCTAVES: u32 = 44;
/// log2 of the cells in an octave.
const CELL_BITS: u32 = 5;
const CELLS: u32 = 1 << CELL_BITS;
/// Cells of both halves, with octaves rounded up to a power of two for cheap addresses.
const SIZE: usize = 2 << (6 + CELL_BITS);
/// Largest value, in table units: beyond every length that a scenario can state.
const LARGEST: f64 = (1_u64 << 54) as f64;

impl QuantileTable {
    /// Tabulates `quantile(side, p)`, the value with probability p beyond it, in units of `1 / unit`.
    /// Negative values become zero. Calls go from the median outwards, on each side.
    pub fn new(unit: f64, mut quantile: impl FnMut(Tail, f64) -> f64) -> Self {
        let mut cells = [QuantileCell::default(); SIZE];
        let mut value = |side, p| (quantile(side, p) * unit).clamp(0.0, LARGEST);
        for side in [Tail::Lower, Tail::Upper] {
            let mut far_end = value(side, 0.5);
            for octave in 0..OCTAVES {
                let width = power_of_half(octave + 2) / f64::from(CELLS);
                for cell in (0..CELLS).rev() {
                    let p = width * f64::from(CELLS + cell);
                    let middle = value(side, p + width / 2.0);
                    let near_end = value(side, p);
                    cells[index(side, octave, cell)] =
                        QuantileCell::line(near_end, middle, far_end);
                    far_end = near_end;
                }
            }
        }
        let cells = Arc::new(cells);
        Self { cells, unit }
    }

    /// The quantile that `random` addresses, in table units.
    #[inline]
    pub fn at(&self, random: u64) -> u64 {
        let half = (random >> 63) as usize;
        let rest = random << 1;
        let octave = (rest | 1).leading_zeros().min(OCTAVES - 1);
        let place = rest << (octave + 1);
        let cell = (place >> (64 - CELL_BITS)) as usize;
        let x = (place << CELL_BITS) >> 32;
        let line = &self.cells[half << (6 + CELL_BITS) | (octave as usize) << CELL_BITS | cell];
        (line.base + ((i128::from(line.slope) * i128::from(x)) >> 32) as i64) as u64
    }

    /// All pieces of the law as it is tabulated, in the law's own unit.
    pub fn pieces(&self) -> impl Iterator<Item = QuantilePiece> + '_ {
        [Tail::Lower, Tail::Upper]
            .into_iter()
            .flat_map(move |side| {
                (0..OCTAVES * CELLS).map(move |i| {
                    let (octave, cell) = (i / CELLS, i % CELLS);
                    let line = self.cells[index(side, octave, cell)];
                    let repeats = if octave == OCTAVES - 1 { 2.0 } else { 1.0 };
                    QuantilePiece {
                        weight: repeats * power_of_half(octave + 2) / f64::from(CELLS),
                        from: line.base as f64 / self.unit,
                        to: (line.base + line.slope) as f64 / self.unit,
                    }
                })
            })
    }
}

impl QuantileCell {
    /// The line over a cell whose ends and middle have these values. Where it would dip below zero,
    /// it starts (or ends) at zero and keeps its mean.
    fn line(first: f64, middle: f64, last: f64) -> Self {
        let mean = (first + 4.0 * middle + last) / 6.0;
        let slope = (last - first).max(-2.0 * mean).min(2.0 * mean);
        let base = (mean - slope / 2.0 + 0.5).floor();
        let end = (mean + slope / 2.0 + 0.5).floor();
        Self {
            base: base as i64,
            slope: (end - base) as i64,
        }
    }
}

fn index(side: Tail, octave: u32, cell: u32) -> usize {
    let half = u32::from(side == Tail::Upper);
    (half << (6 + CELL_BITS) | octave << CELL_BITS | cell) as usize
}

/// The number 2^-n.
fn power_of_half(n: u32) -> f64 {
    1.0 / (1_u64 << n) as f64
}

/// Mean and coefficient of variation of pieces, by exact integration.
#[cfg(test)]
pub(super) fn integrate(pieces: impl Iterator<Item = QuantilePiece>) -> (f64, f64) {
    let (mut total, mut mean, mut second) = (0.0, 0.0, 0.0);
    for QuantilePiece { weight, from, to } in pieces {
        total += weight;
        mean += weight * (from + to) / 2.0;
        second += weight * (from * from + from * to + to * to) / 3.0;
    }
    assert!((total - 1.0_f64).abs() < 1e-12, "weights sum to {total}");
    (mean, (second - mean * mean).max(0.0).sqrt() / mean)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::length_law::Quantile;
    use super::*;
    use crate::scenario::Law;

    fn table(law: &Law) -> QuantileTable {
        let mut quantile = Quantile::new(law).unwrap();
        QuantileTable::new((1_u64 << 24) as f64, |side, p| quantile.at(side, p))
    }

    #[test]
    fn mean_and_cv_are_those_of_the_law() {
        for law in [
            Law::Uniform {
                low: 10.0,
                high: 500.0,
            },
            Law::Exponential { mean: 1000.0 },
            Law::Lognormal {
                mean: 3909.0,
                cv: 1.3,
            },
            Law::Lognormal {
                mean: 1080.0,
                cv: 0.1,
            },
            Law::Gamma {
                mean: 700.0,
                cv: 0.5,
            },
            Law::Gamma {
                mean: 700.0,
                cv: 2.0,
            },
            Law::Gamma {
                mean: 700.0,
                cv: 10.0,
            },
            Law::Gamma {
                mean: 700.0,
                cv: 0.01,
            },
            Law::Gamma {
                mean: 700.0,
                cv: 0.002,
            },
        ] {
            let (mean, cv) = integrate(table(&law).pieces());
            let (true_mean, true_cv) = (
                super::super::length_law::mean(&law),
                super::super::length_law::cv(&law),
            );
            assert!(
                (mean / true_mean - 1.0).abs() < 1e-6,
                "{law:?}: mean {mean}"
            );
            assert!((cv / true_cv - 1.0).abs() < 1e-8, "{law:?}: cv {cv}");
        }
    }

    #[test]
    fn every_bit_of_an_address_matters_as_documented() {
        let table = table(&Law::Exponential { mean: 1.0 });
        let value = |random: u64| table.at(random) as f64 / table.unit;
        // The median from both halves, and the quartiles.
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-4, "{a} is not {b}");
        close(value((1 << 63) - 1), libm::log(2.0));
        close(value(u64::MAX), libm::log(2.0));
        close(value(1 << 62), libm::log(4.0 / 3.0));
        close(value(3 << 62), libm::log(4.0));
        // Far out: an upper tail of 2^-31.
        close(value(1 << 63 | 1 << 33), 31.0 * libm::log(2.0));
        // The two ends.
        assert!(value(0) < 1e-12);
        assert!(value(1 << 63) > 44.0 * libm::log(2.0));
    }

    #[test]
    fn values_follow_the_random_number() {
        // Up in the lower half, down in the upper: never back by more than a cell's curvature.
        let table = table(&Law::Lognormal {
            mean: 3909.0,
            cv: 1.3,
        });
        for half in [0, 1 << 63] {
            let mut last = table.at(half) as f64;
            for i in 1..4096_u64 {
                let next = table.at(half | i << 51) as f64;
                let step = if half == 0 { next - last } else { last - next };
                assert!(step >= -1e-3 * last, "{i}: {last} then {next}");
                last = next;
            }
        }
    }
}
