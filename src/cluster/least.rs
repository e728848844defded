//! The least of a few numbers, the lowest index among equals: which unit, which rank.

/// A number that is never chosen.
pub const NEVER: u64 = u64::MAX;

/// The index of the least number; none where all are [`NEVER`]. A plain scan without branches: for the
/// tens of units and ranks of a pool nothing cleverer is quicker.
#[inline]
pub fn index_of_least(values: &[u64]) -> Option<usize> {
    let (mut index, mut least) = (0, NEVER);
    for (i, &value) in values.iter().enumerate() {
        index = if value < least { i } else { index };
        least = least.min(value);
    }
    (least != NEVER).then_some(index)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_index_among_equals_and_nobody_among_none() {
        assert_eq!(index_of_least(&[NEVER, 4, 2, 9, 2]), Some(2));
        assert_eq!(index_of_least(&[NEVER, NEVER]), None);
        assert_eq!(index_of_least(&[]), None);
    }
}
