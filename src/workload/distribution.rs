//! How lengths are distributed, worked out from the tables that they are drawn from.
//!
//! Nothing is sampled: a law is pieces of even probability, and the mean of a rounded and clamped
//! piece has a closed form. So `check` can print the mean that a run will really have (S3), and the
//! factor of the cache hits (S4) can be solved for what will really be drawn.

use super::quantile::QuantilePiece;

/// How lengths are distributed, after scaling, rounding and clamping.
#[derive(Clone, Debug)]
pub struct LengthDistribution {
    /// The law's pieces after scaling, before rounding, each with `from <= to`.
    pieces: Vec<QuantilePiece>,
    min: u64,
    max: u64,
}

impl LengthDistribution {
    /// The distribution of draws from these pieces, multiplied by `factor`, rounded and clamped.
    pub(super) fn new(mut pieces: Vec<QuantilePiece>, factor: f64, min: u64, max: u64) -> Self {
        for piece in &mut pieces {
            let (a, b) = (piece.from * factor, piece.to * factor);
            (piece.from, piece.to) = (a.min(b), a.max(b));
        }
        Self { pieces, min, max }
    }

    /// The mean length, in tokens: exact for what will be drawn.
    pub fn mean(&self) -> f64 {
        self.pieces
            .iter()
            .map(|piece| piece.weight * self.mean_over(piece))
            .sum()
    }

    /// The mean of the rounded and clamped values of one piece, in tokens.
    fn mean_over(&self, piece: &QuantilePiece) -> f64 {
        let (min, max) = (self.min as f64, self.max as f64);
        let round = |x: f64| (x + 0.5).floor().clamp(min, max);
        let (first, last) = (round(piece.from), round(piece.to));
        let width = piece.to - piece.from;
        if first == last {
            return first;
        }
        if last - first == 1.0 {
            return last - (last - 0.5 - piece.from) / width;
        }
        // The integral of the rounded value from `min`'s upper edge to x is (n x - n^2 / 2) between
        // these bounds, n being x rounded; below and above them the value is constant.
        let (low, high) = (min + 0.5, max - 0.5);
        let (a, b) = (piece.from.clamp(low, high), piece.to.clamp(low, high));
        let integral = |x: f64, n: f64| n * (x - n / 2.0);
        let inner = integral(b, (b + 0.5).floor()) - integral(a, (a + 0.5).floor());
        (min * (a - piece.from) + inner + max * (piece.to - b)) / width
    }

    /// The probability of each length from 0 to `longest`; longer ones are left out.
    pub fn probabilities(&self, longest: u64) -> Vec<f64> {
        let longest = longest.min(self.max);
        let mut probabilities = vec![0.0; longest as usize + 1];
        for piece in &self.pieces {
            if piece.from >= longest as f64 + 0.5 {
                if longest == self.max {
                    probabilities[longest as usize] += piece.weight;
                }
                continue;
            }
            let width = piece.to - piece.from;
            let clamp = |n: u64| n.clamp(self.min, self.max);
            let round = |x: f64| (x + 0.5).floor() as u64;
            let (first, last) = (round(piece.from), round(piece.to));
            let mut from = piece.from;
            for n in first..=last.min(longest) {
                let to = if n == last { piece.to } else { n as f64 + 0.5 };
                let part = if first == last {
                    1.0
                } else {
                    (to - from) / width
                };
                if let Some(sum) = probabilities.get_mut(clamp(n) as usize) {
                    *sum += piece.weight * part;
                }
                from = to;
            }
            // Everything above the largest length is the largest length.
            if longest == self.max && last > longest {
                probabilities[longest as usize] += piece.weight * (piece.to - from) / width;
            }
        }
        probabilities
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn even(from: f64, to: f64, min: u64, max: u64) -> LengthDistribution {
        LengthDistribution::new(
            vec![QuantilePiece {
                weight: 1.0,
                from,
                to,
            }],
            1.0,
            min,
            max,
        )
    }

    #[test]
    fn of_an_even_stretch_by_hand() {
        // [0.5, 3.5): 1, 2, 3 alike.
        let thirds = even(3.5, 0.5, 1, 9);
        assert_eq!(thirds.mean(), 2.0);
        assert_eq!(thirds.probabilities(3)[1..], [1.0 / 3.0; 3]);
        // [0, 4]: 0 and 1 become 2, 4 becomes 3.
        let clamped = even(0.0, 4.0, 2, 3);
        assert_eq!(clamped.mean(), (2.5 * 2.0 + 1.5 * 3.0) / 4.0);
        assert_eq!(clamped.probabilities(9)[..], [0.0, 0.0, 0.625, 0.375]);
        // One jump, at 7.5.
        assert_eq!(even(7.25, 7.75, 1, 9).mean(), 7.5);
        // Nothing but the largest.
        assert_eq!(even(20.0, 30.0, 1, 9).probabilities(9)[9], 1.0);
        assert_eq!(even(20.0, 30.0, 1, 9).mean(), 9.0);
    }
}
