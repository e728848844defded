//! The least of a few numbers, the lowest index among equals: which unit, which rank.
//!
//! A plain scan, in four lanes because one running minimum waits for itself. For the tens of units and
//! ranks of a pool nothing cleverer is quicker.

/// A number that is never chosen.
pub const NEVER: u64 = u64::MAX;

const LANES: usize = 4;

/// The least number; [`NEVER`] where there is none.
#[inline]
pub fn least(values: &[u64]) -> u64 {
    of_lanes(lanes(values))
}

#[inline]
fn of_lanes(lanes: [u64; LANES]) -> u64 {
    lanes[0].min(lanes[1]).min(lanes[2].min(lanes[3]))
}

/// The least number of each lane: of every fourth one.
#[inline]
fn lanes(values: &[u64]) -> [u64; LANES] {
    let mut lanes = [NEVER; LANES];
    let (chunks, rest) = values.as_chunks::<LANES>();
    for chunk in chunks {
        for (lane, &value) in lanes.iter_mut().zip(chunk) {
            *lane = value.min(*lane);
        }
    }
    for (lane, &value) in lanes.iter_mut().zip(rest) {
        *lane = value.min(*lane);
    }
    lanes
}

/// The index of the least number; `None` where all are [`NEVER`]. Finding the number first, then its place in the lanes
/// that have it, takes fewer instructions than carrying both along.
#[inline]
pub fn index_of_least(values: &[u64]) -> Option<usize> {
    let lanes = lanes(values);
    let least = of_lanes(lanes);
    if least == NEVER {
        return None;
    }
    let mut first = usize::MAX;
    for (lane, value) in lanes.into_iter().enumerate() {
        if value == least {
            let mut at = lane;
            while at < first && values.get(at).is_some_and(|value| *value != least) {
                at += LANES;
            }
            first = first.min(at);
        }
    }
    Some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_index_among_equals_and_nobody_among_none() {
        assert_eq!(index_of_least(&[NEVER, 4, 2, 9, 2]), Some(2));
        assert_eq!(index_of_least(&[NEVER, 7, 9, 2, 2, 2]), Some(3));
        assert_eq!(index_of_least(&[NEVER, 7, 9, 8, 8, 2, 9, 9, 2]), Some(5));
        assert_eq!(index_of_least(&[NEVER, NEVER]), None);
        assert_eq!(index_of_least(&[]), None);
    }

    #[test]
    fn the_least_stands_anywhere() {
        for length in 1..20_u64 {
            for place in 0..length {
                let values: Vec<u64> = (0..length).map(|i| 10 - u64::from(i == place)).collect();
                assert_eq!(least(&values), 9);
                assert_eq!(index_of_least(&values), Some(place as usize));
            }
        }
        assert_eq!(least(&[]), NEVER);
    }
}
