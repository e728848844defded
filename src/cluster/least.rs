//! The least of many numbers that change one at a time: routers over units, batches over ranks.
//!
//! Two levels: the minimum of each group of eight is kept, so a change looks at one group and a choice
//! at the groups' minima and one group. Ties go to the lowest index.

/// Members of a group.
const GROUP: usize = 8;
/// A number that is never chosen.
pub const NEVER: u64 = u64::MAX;

/// Numbers by index, and the least of each group.
#[derive(Clone, Debug)]
pub struct Least {
    values: Vec<u64>,
    minima: Vec<u64>,
}

impl Least {
    /// So many numbers, all the same.
    pub fn new(count: usize, value: u64) -> Self {
        Self {
            values: vec![value; count],
            minima: vec![value; count.div_ceil(GROUP)],
        }
    }

    /// Sets all numbers.
    #[inline]
    pub fn fill(&mut self, value: u64) {
        self.values.fill(value);
        self.minima.fill(value);
    }

    /// One number.
    #[inline]
    pub fn get(&self, index: usize) -> u64 {
        self.values[index]
    }

    /// How many numbers there are.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Changes one number.
    #[inline]
    pub fn set(&mut self, index: usize, value: u64) {
        let group = index / GROUP;
        let old = std::mem::replace(&mut self.values[index], value);
        if value <= self.minima[group] {
            self.minima[group] = value;
        } else if old == self.minima[group] {
            let first = group * GROUP;
            let last = (first + GROUP).min(self.values.len());
            self.minima[group] = self.values[first..last]
                .iter()
                .copied()
                .min()
                .unwrap_or(NEVER);
        }
    }

    /// The index of the least number, the lowest among equals; none where all are [`NEVER`].
    #[inline]
    pub fn choose(&self) -> Option<usize> {
        let (mut group, mut least) = (0, NEVER);
        for (i, &minimum) in self.minima.iter().enumerate() {
            if minimum < least {
                (group, least) = (i, minimum);
            }
        }
        if least == NEVER {
            return None;
        }
        let first = group * GROUP;
        let place = self.values[first..]
            .iter()
            .position(|&value| value == least)?;
        Some(first + place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_agrees_with_a_plain_search() {
        let mut least = Least::new(29, NEVER);
        let mut plain = vec![NEVER; 29];
        let mut seed = 1_u64;
        for _ in 0..10_000 {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let index = (seed >> 33) as usize % 29;
            let value = if seed >> 62 == 0 {
                NEVER
            } else {
                (seed >> 20) % 7
            };
            least.set(index, value);
            plain[index] = value;
            let expected = plain.iter().copied().min().filter(|v| *v != NEVER);
            assert_eq!(
                least.choose(),
                expected.and_then(|e| plain.iter().position(|v| *v == e))
            );
        }
    }
}
