//! Levels of priority: classes of one priority share a queue, lower numbers go first.

use crate::scenario::Scenario;

/// The priority level of each class.
#[derive(Clone, Debug)]
pub struct Levels {
    of_class: Vec<usize>,
    count: usize,
}

impl Levels {
    /// The levels of the scenario's classes.
    pub fn new(scenario: &Scenario) -> Self {
        let mut priorities: Vec<u32> = scenario.classes.iter().map(|c| c.priority).collect();
        priorities.sort_unstable();
        priorities.dedup();
        let level = |p: u32| priorities.partition_point(|&q| q < p);
        Self {
            of_class: scenario.classes.iter().map(|c| level(c.priority)).collect(),
            count: priorities.len(),
        }
    }

    /// The level of a class, from 0, which is served first.
    #[inline]
    pub fn of(&self, class: u16) -> usize {
        self.of_class[usize::from(class)]
    }

    /// Number of levels.
    pub fn count(&self) -> usize {
        self.count
    }
}
