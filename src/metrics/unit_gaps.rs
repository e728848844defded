//! Gaps between tokens, class by class, without looking at every class at every step.
//!
//! All who take part in a unit's steps have the same gap. So a unit's gaps are noted in a short log, and a class's
//! requests are counted over a stretch of it: when one of them comes or goes, when the log is full, and at the edge of
//! a cell.

use super::histogram::Bucketed;

/// Most gaps of a log.
const GAPS: usize = 64;
/// In place of a gap's number: of the class nobody took part since the log began.
const ABSENT: u16 = u16::MAX;

/// The gaps of one unit that are not yet counted for everybody.
#[derive(Clone, Debug)]
pub struct UnitGaps {
    gaps: Vec<Bucketed>,
    /// By class: requests that take part.
    requests: Box<[u32]>,
    /// By class: the first gap that is not yet counted, or `ABSENT`.
    from: Box<[u16]>,
    /// The classes that are not absent, in no particular order.
    present: Vec<u16>,
}

/// Gaps of some requests of a class.
#[derive(Clone, Copy, Debug)]
pub struct ClassGaps<'a> {
    /// Index of the class.
    pub class: usize,
    /// How many requests.
    pub requests: u64,
    /// The gaps that each of them had.
    pub gaps: &'a [Bucketed],
}

impl UnitGaps {
    /// A unit on which nobody is, of so many classes.
    pub fn new(classes: usize) -> Self {
        Self {
            gaps: Vec::new(),
            requests: vec![0; classes].into(),
            from: vec![ABSENT; classes].into(),
            present: Vec::new(),
        }
    }

    /// Notes a step's gap. Says whether the log is full and has to be settled.
    #[inline]
    pub fn note(&mut self, gap: Bucketed) -> bool {
        if self.gaps.capacity() == 0 {
            self.gaps.reserve_exact(GAPS);
        }
        self.gaps.push(gap);
        self.gaps.len() == GAPS
    }

    /// Whether nothing is noted.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.gaps.is_empty()
    }

    /// A request of a class takes part from the next step on; `count` hears what its class had before.
    #[inline]
    pub fn enter(&mut self, class: usize, count: impl FnMut(ClassGaps<'_>)) {
        if self.from[class] == ABSENT {
            self.present.push(class as u16);
            self.from[class] = self.gaps.len() as u16;
        }
        self.settle_class(class, count);
        self.requests[class] += 1;
    }

    /// A request of a class takes part no more; `count` hears what its class had before.
    #[inline]
    pub fn leave(&mut self, class: usize, count: impl FnMut(ClassGaps<'_>)) {
        self.settle_class(class, count);
        self.requests[class] -= 1;
    }

    /// Counts everything, and begins a new log.
    pub fn settle(&mut self, mut count: impl FnMut(ClassGaps<'_>)) {
        let mut present = std::mem::take(&mut self.present);
        present.retain(|class| {
            let class = usize::from(*class);
            self.settle_class(class, &mut count);
            let stays = self.requests[class] > 0;
            self.from[class] = if stays { 0 } else { ABSENT };
            stays
        });
        self.present = present;
        self.gaps.clear();
    }

    #[inline]
    fn settle_class(&mut self, class: usize, mut count: impl FnMut(ClassGaps<'_>)) {
        let gaps = &self.gaps[usize::from(self.from[class])..];
        if gaps.is_empty() {
            return;
        }
        let requests = u64::from(self.requests[class]);
        if requests > 0 {
            count(ClassGaps {
                class,
                requests,
                gaps,
            });
        }
        self.from[class] = self.gaps.len() as u16;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::histogram::{Histogram, SparseHistogram};

    /// Counting requests over stretches gives what counting them step by step does.
    #[test]
    fn stretches_count_what_steps_do() {
        const CLASSES: usize = 7;
        let mut unit = UnitGaps::new(CLASSES);
        let mut requests = [0_u64; CLASSES];
        let mut by_stretch: Vec<Histogram> = vec![Histogram::default(); CLASSES];
        let mut by_step = by_stretch.clone();
        let mut seed = 1_u64;
        for step in 0..20_000_u64 {
            let mut count = |g: ClassGaps<'_>| by_stretch[g.class].add_each(g.gaps, g.requests);
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let class = (seed >> 33) as usize % CLASSES;
            match (seed >> 50) % 8 {
                0 | 1 if requests[class] < 3 => {
                    unit.enter(class, &mut count);
                    requests[class] += 1;
                }
                2 | 3 if requests[class] > 0 => {
                    unit.leave(class, &mut count);
                    requests[class] -= 1;
                }
                _ => {
                    let gap = 1_000 + (seed >> 20) % 100_000 + step;
                    for (n, histogram) in requests.iter().zip(&mut by_step) {
                        if *n > 0 {
                            histogram.add_many(Bucketed::of(gap), *n);
                        }
                    }
                    if unit.note(Bucketed::of(gap)) || seed >> 60 == 0 {
                        unit.settle(&mut count);
                        assert!(unit.is_empty());
                    }
                }
            }
        }
        unit.settle(|g| by_stretch[g.class].add_each(g.gaps, g.requests));
        let taken = |all: Vec<Histogram>| -> Vec<SparseHistogram> {
            all.into_iter().map(|mut of| of.take()).collect()
        };
        let by_step = taken(by_step);
        assert!(by_step.iter().all(|of| of.count() > 1_000));
        assert_eq!(taken(by_stretch), by_step);
    }
}
