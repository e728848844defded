//! Levels of priority: classes of one priority share a queue, lower numbers go first.

use super::queue::Queue;
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
}

/// Queues of a unit by level, first in first out within each. Levels in which nothing waits are not looked at.
#[derive(Clone, Debug)]
pub struct LevelQueues<T> {
    queues: Vec<Queue<T>>,
    /// A bit for each level in which anything waits.
    waiting: Vec<u64>,
    /// The first of them; the number of levels where nothing waits.
    first: usize,
    len: usize,
}

impl<T> LevelQueues<T> {
    /// Empty queues of these levels.
    pub fn new(levels: &Levels) -> Self {
        Self {
            queues: (0..levels.count).map(|_| Queue::default()).collect(),
            waiting: vec![0; levels.count.div_ceil(64)],
            first: levels.count,
            len: 0,
        }
    }

    /// Number of items on all levels.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// The item that is served next.
    #[inline]
    pub fn front(&self) -> Option<&T> {
        self.queues.get(self.first)?.front()
    }

    /// Takes the item that is served next.
    #[inline(always)]
    pub fn pop_front(&mut self) -> Option<T> {
        let queue = self.queues.get_mut(self.first)?;
        let item = queue.pop_front();
        self.len -= 1;
        if queue.is_empty() {
            self.emptied(self.first);
        }
        item
    }

    /// Takes the item that would be served last.
    pub fn pop_back(&mut self) -> Option<T> {
        let word = self.waiting.iter().rposition(|word| *word != 0)?;
        let level = 64 * word + self.waiting[word].ilog2() as usize;
        let item = self.queues[level].pop_back();
        self.len -= 1;
        if self.queues[level].is_empty() {
            self.emptied(level);
        }
        item
    }

    /// Puts an item at the end of its level.
    #[inline]
    pub fn push_back(&mut self, level: usize, item: T) {
        self.added(level);
        self.queues[level].push_back(item);
    }

    /// Puts an item back at the head of its level.
    pub fn push_front(&mut self, level: usize, item: T) {
        self.added(level);
        self.queues[level].push_front(item);
    }

    /// All items, level by level, in order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.queues.iter().flat_map(Queue::iter)
    }

    /// Takes all items, level by level, in order.
    pub fn drain(&mut self) -> impl Iterator<Item = T> {
        self.waiting.fill(0);
        (self.first, self.len) = (self.queues.len(), 0);
        self.queues.iter_mut().flat_map(Queue::drain)
    }

    #[inline]
    fn added(&mut self, level: usize) {
        self.waiting[level / 64] |= 1 << (level % 64);
        self.first = self.first.min(level);
        self.len += 1;
    }

    /// Notes that nothing waits on a level any more.
    #[inline(never)]
    fn emptied(&mut self, level: usize) {
        self.waiting[level / 64] &= !(1 << (level % 64));
        let word = self.waiting.iter().position(|word| *word != 0);
        self.first = word.map_or(self.queues.len(), |word| {
            64 * word + self.waiting[word].trailing_zeros() as usize
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_urgent_level_goes_first_and_the_least_is_turned_away() {
        let of_class: Vec<usize> = (0..130).collect();
        let levels = Levels {
            of_class,
            count: 130,
        };
        let mut queues = LevelQueues::new(&levels);
        assert_eq!(queues.front(), None);
        assert_eq!(queues.pop_back(), None);
        for (level, item) in [(129, 'f'), (64, 'c'), (0, 'b'), (64, 'd'), (128, 'e')] {
            queues.push_back(level, item);
        }
        queues.push_front(0, 'a');
        assert!(queues.iter().eq(&['a', 'b', 'c', 'd', 'e', 'f']));
        assert_eq!((queues.len(), queues.front()), (6, Some(&'a')));
        assert_eq!(
            (queues.pop_back(), queues.pop_back()),
            (Some('f'), Some('e'))
        );
        let three = [queues.pop_front(), queues.pop_front(), queues.pop_front()];
        assert_eq!(three, ['a', 'b', 'c'].map(Some));
        queues.push_back(3, 'z');
        assert!(queues.drain().eq(['z', 'd']));
        assert_eq!((queues.len(), queues.pop_front()), (0, None));
    }
}
