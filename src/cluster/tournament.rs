//! The least of many numbers, each of which changes now and then: which unit, and when next.
//!
//! Up to [`FLAT`] numbers are looked at one by one. Of more there are levels: each number of the next level is the
//! least of eight. A change looks at eight numbers of each level at most, and mostly at one.

use super::least::{NEVER, index_of_least, least};

/// So many numbers are looked at one by one.
const FLAT: usize = 24;
/// Numbers of a level to one of the next.
const WIDTH: usize = 8;

/// Numbers by index, the least of which is found at once; the lowest index wins among equals. [`NEVER`] is never found.
#[derive(Clone, Debug)]
pub struct Tournament {
    /// The numbers, then level by level the least of them; the last level is not longer than `FLAT`.
    levels: Vec<Vec<u64>>,
}

impl Tournament {
    /// Numbers of which there is none yet.
    pub fn new() -> Self {
        Self {
            levels: vec![Vec::new()],
        }
    }

    /// Adds a number, which is [`NEVER`].
    pub fn push(&mut self) {
        let mut index = self.levels[0].len();
        self.levels[0].push(NEVER);
        for level in &mut self.levels[1..] {
            index /= WIDTH;
            if index == level.len() {
                level.push(NEVER);
            }
        }
        if let Some(top) = self.levels.last().filter(|top| top.len() > FLAT) {
            let above = top.chunks(WIDTH).map(least).collect();
            self.levels.push(above);
        }
    }

    /// All numbers by index.
    #[inline]
    pub fn values(&self) -> &[u64] {
        &self.levels[0]
    }

    /// Changes a number.
    #[inline]
    pub fn set(&mut self, index: usize, value: u64) {
        let (first, above) = self.levels.split_at_mut(1);
        let before = std::mem::replace(&mut first[0][index], value);
        if !above.is_empty() {
            self.lift(index, before);
        }
    }

    /// Takes a changed number, `before` which it was, to the levels above its own.
    fn lift(&mut self, index: usize, before: u64) {
        let (mut index, mut before) = (index, before);
        for level in 1..self.levels.len() {
            let (below, above) = self.levels.split_at_mut(level);
            let (below, known) = (&below[level - 1], &mut above[0][index / WIDTH]);
            let (value, was) = (below[index], *known);
            if value <= was {
                *known = value;
            } else if before == was {
                // it was the least, or one of them
                let from = index / WIDTH * WIDTH;
                *known = least(&below[from..below.len().min(from + WIDTH)]);
            }
            if *known == was {
                return;
            }
            (index, before) = (index / WIDTH, was);
        }
    }

    /// The least number; [`NEVER`] of none.
    #[inline]
    pub fn least(&self) -> u64 {
        self.levels.last().map_or(NEVER, |top| least(top))
    }

    /// The index of the least number; none where all are [`NEVER`].
    #[inline]
    pub fn first(&self) -> Option<usize> {
        let (top, below) = self.levels.split_last()?;
        let mut index = index_of_least(top)?;
        let value = top[index];
        for level in below.iter().rev() {
            let from = index * WIDTH;
            let place = level[from..].iter().position(|v| *v == value)?;
            index = from + place;
        }
        Some(index)
    }

    /// Appends the indices of all that are `value`, which is the least number, ascending.
    pub fn all_at(&self, value: u64, found: &mut Vec<usize>) {
        self.find(self.levels.len() - 1, 0, usize::MAX, value, found);
    }

    /// Appends what [`Tournament::all_at`] does, below `count` numbers of a level.
    fn find(&self, level: usize, from: usize, count: usize, value: u64, found: &mut Vec<usize>) {
        let here = self.levels[level].iter().enumerate();
        for (index, _) in here.skip(from).take(count).filter(|(_, v)| **v == value) {
            match level {
                0 => found.push(index),
                _ => self.find(level - 1, index * WIDTH, WIDTH, value, found),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_finds_what_a_scan_finds() {
        for count in [0, 1, 8, FLAT, FLAT + 1, 64, 200, 1_601] {
            let mut tree = Tournament::new();
            (0..count).for_each(|_| tree.push());
            let mut plain = vec![NEVER; count];
            let mut seed = count as u64;
            for turn in 0..3_000 {
                seed = seed
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                let random = seed >> 33;
                if count > 0 {
                    let index = random as usize % count;
                    let value = match random >> 20 & 3 {
                        0 => NEVER,
                        _ => random >> 22 & 63,
                    };
                    tree.set(index, value);
                    plain[index] = value;
                }
                let expect = plain.iter().copied().min().unwrap_or(NEVER);
                assert_eq!(tree.least(), expect);
                let first = plain.iter().position(|v| *v == expect && expect != NEVER);
                assert_eq!(tree.first(), first);
                assert_eq!(tree.values(), plain);
                if expect != NEVER {
                    let mut found = Vec::new();
                    tree.all_at(expect, &mut found);
                    let all = (0..count).filter(|i| plain[*i] == expect);
                    assert!(found.into_iter().eq(all), "{count}, turn {turn}");
                }
            }
        }
    }
}
