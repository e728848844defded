//! Values by their rank: the inverse of a law's distribution function, which rises in straight lines and in steps.
//!
//! Tables of a law's quantiles are addressed by random numbers in no order, and a mixture's parts lie over one another.
//! Where the order counts, the distribution function of the whole is worked out at every end of a piece of the tables,
//! part by part; between two ends it is a straight line.

use super::quantile::QuantilePiece;

/// Values of a law in ascending order of their ranks, which are all 64-bit numbers.
#[derive(Clone, Debug)]
pub(super) struct RankTable(Vec<RankStep>);

/// A value, and the ranks between which the law takes it.
#[derive(Clone, Copy, Debug)]
struct RankStep {
    value: u64,
    /// The first rank that takes the value; lower ones lie on the line from the step before.
    from: u64,
    /// The first rank beyond it.
    below: u64,
}

/// Number of 64-bit numbers.
const RANDOMS: f64 = 18_446_744_073_709_551_616.0;

/// A part of a law: its pieces in order of their values, and the probability below each.
struct LawPart {
    pieces: Vec<QuantilePiece>,
    before: Vec<f64>,
}

impl RankTable {
    /// The table of a law of these parts, each of pieces that do not lie over one another; values are in units of `1 / unit`.
    pub(super) fn new(parts: Vec<Vec<QuantilePiece>>, unit: f64) -> Self {
        let parts: Vec<LawPart> = parts.into_iter().map(LawPart::new).collect();
        let ends = parts.iter().flat_map(|part| &part.pieces);
        let mut ends: Vec<f64> = ends.flat_map(|piece| [piece.from, piece.to]).collect();
        ends.sort_by(f64::total_cmp);
        ends.dedup();
        let sum = |of: &dyn Fn(&LawPart) -> f64| parts.iter().map(of).sum::<f64>();
        let total = sum(&|part| part.total());
        let rank = |probability: f64| (probability / total * RANDOMS) as u64;
        let step = |value: f64| RankStep {
            value: (value * unit + 0.5) as u64,
            from: rank(sum(&|part| part.below(value))),
            below: rank(sum(&|part| part.up_to(value))),
        };
        Self(ends.into_iter().map(step).collect())
    }

    /// The value of a rank.
    pub(super) fn at(&self, rank: u64) -> u64 {
        let i = self.0.partition_point(|step| step.below <= rank);
        let Some(step) = self.0.get(i) else {
            return self.0.last().map_or(0, |step| step.value);
        };
        let before = i.checked_sub(1).map(|before| self.0[before]);
        match before {
            Some(before) if rank < step.from && step.from > before.below => {
                let part = u128::from(rank - before.below) << 32;
                let part = (part / u128::from(step.from - before.below)) as u64;
                let way = u128::from(step.value - before.value) * u128::from(part);
                before.value + (way >> 32) as u64
            }
            _ => step.value,
        }
    }
}

impl LawPart {
    fn new(mut pieces: Vec<QuantilePiece>) -> Self {
        for piece in &mut pieces {
            (piece.from, piece.to) = (piece.from.min(piece.to), piece.from.max(piece.to));
        }
        pieces.sort_by(|a, b| a.from.total_cmp(&b.from).then(a.to.total_cmp(&b.to)));
        let mut sum = 0.0;
        let mut before = vec![0.0];
        for piece in &pieces {
            sum += piece.weight;
            before.push(sum);
        }
        Self { pieces, before }
    }

    fn total(&self) -> f64 {
        self.before.last().copied().unwrap_or(0.0)
    }

    /// The probability below a value.
    fn below(&self, value: f64) -> f64 {
        self.of(value, |piece| {
            piece.to < value || (piece.to == value && piece.from < value)
        })
    }

    /// The probability below a value and of it.
    fn up_to(&self, value: f64) -> f64 {
        self.of(value, |piece| piece.to <= value)
    }

    fn of(&self, value: f64, is_whole: impl Fn(&QuantilePiece) -> bool) -> f64 {
        let whole = self.pieces.partition_point(is_whole);
        let within = self.pieces.get(whole).filter(|piece| piece.from < value);
        let part =
            |piece: &QuantilePiece| piece.weight * (value - piece.from) / (piece.to - piece.from);
        self.before[whole] + within.map_or(0.0, part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(weight: f64, from: f64, to: f64) -> QuantilePiece {
        QuantilePiece { weight, from, to }
    }

    #[test]
    fn parts_that_lie_over_one_another_become_one_ladder() {
        // A half uniform over 0 to 8, a quarter at 4, a quarter uniform over 4 to 6 (its piece runs downwards).
        let table = RankTable::new(
            vec![
                vec![piece(0.5, 0.0, 8.0)],
                vec![piece(0.25, 4.0, 4.0)],
                vec![piece(0.25, 6.0, 4.0)],
            ],
            1024.0,
        );
        let at = |part: f64| table.at((part * RANDOMS) as u64) as f64 / 1024.0;
        for (rank, value) in [
            (0.0, 0.0),
            (0.125, 2.0),
            (0.25, 4.0),
            (0.499, 4.0),
            // From 4 to 6 an eighth of the first and the last quarter: 3/8 over 2.
            (0.6875, 5.0),
            (0.875, 6.0),
            (0.9375, 7.0),
        ] {
            assert!(
                (at(rank) - value).abs() < 2e-3,
                "{rank}: {}, not {value}",
                at(rank)
            );
        }
        assert_eq!(table.at(u64::MAX), 8 * 1024);
    }
}
