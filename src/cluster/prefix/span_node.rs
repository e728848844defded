//! What a rank keeps of one span: a leading part, who holds how much of it, and when the rest was last held.

use super::LastUse;

/// The part of a span that a rank keeps.
#[derive(Clone, Debug, Default)]
pub struct SpanNode {
    /// Blocks kept, from the span's beginning.
    blocks: u32,
    /// How many requests hold so many blocks from the span's beginning, ascending.
    holds: Vec<(u32, u32)>,
    /// Blocks that requests hold, counted for each of them.
    held: u64,
    /// When blocks up to these were last held, for those that nobody holds: later ones first.
    uses: Vec<(u32, LastUse)>,
}

/// What a node adds to the sums of its rank.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NodeSums {
    /// Blocks that requests hold, counted for all of them but one.
    pub shared: u64,
    /// Blocks that nobody holds.
    pub idle: u64,
    /// Blocks that are kept.
    pub blocks: u64,
}

impl SpanNode {
    /// Blocks kept, from the span's beginning.
    pub fn blocks(&self) -> u32 {
        self.blocks
    }

    /// Blocks that some request holds: a leading part.
    pub fn most_held(&self) -> u32 {
        self.holds.last().map_or(0, |(blocks, _)| *blocks)
    }

    /// What the node adds to its rank's sums.
    pub fn sums(&self) -> NodeSums {
        let most = self.most_held();
        NodeSums {
            shared: self.held - u64::from(most),
            idle: u64::from(self.blocks - most),
            blocks: u64::from(self.blocks),
        }
    }

    /// Whether nothing is kept.
    pub fn is_empty(&self) -> bool {
        self.blocks == 0 && self.holds.is_empty()
    }

    /// When the last block was last held; `None`: somebody holds it.
    pub fn last_use(&self) -> Option<LastUse> {
        let is_idle = self.blocks > self.most_held();
        self.uses.last().map(|(_, at)| *at).filter(|_| is_idle)
    }

    /// A request that holds `from` blocks holds `to` from now on, which are kept.
    pub fn hold(&mut self, from: u32, to: u32) {
        self.blocks = self.blocks.max(to);
        if from > 0 {
            self.let_go(from);
        }
        match self.holds.binary_search_by_key(&to, |(blocks, _)| *blocks) {
            Ok(place) => self.holds[place].1 += 1,
            Err(place) => self.holds.insert(place, (to, 1)),
        }
        self.held += u64::from(to);
    }

    /// A request that holds so many blocks holds them no more; they were last held then.
    pub fn release(&mut self, blocks: u32, at: LastUse) {
        self.let_go(blocks);
        // later ones first: what was used later than this stays
        let later = self.uses.partition_point(|(_, used)| *used > at);
        let reach = self.uses[..later].last().map_or(0, |(end, _)| *end);
        if reach >= blocks {
            return;
        }
        let covered = self.uses[later..].partition_point(|(end, _)| *end <= blocks);
        self.uses.splice(later..later + covered, [(blocks, at)]);
    }

    /// Lets go up to so many blocks of the tail that nobody holds and that were last held at one time; returns how many.
    pub fn shrink(&mut self, most: u32) -> u32 {
        let before = self.uses.len().checked_sub(2);
        let before = before.map_or(0, |place| self.uses[place].0);
        let least = before.max(self.most_held());
        let gone = (self.blocks - least).min(most);
        self.blocks -= gone;
        if self.blocks <= before {
            self.uses.pop();
        } else if let Some((end, _)) = self.uses.last_mut() {
            *end = (*end).min(self.blocks);
        }
        gone
    }

    fn let_go(&mut self, blocks: u32) {
        self.held -= u64::from(blocks);
        if let Ok(place) = self.holds.binary_search_by_key(&blocks, |(n, _)| *n) {
            self.holds[place].1 -= 1;
            if self.holds[place].1 == 0 {
                self.holds.remove(place);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::SimTime;

    fn at(ns: u64) -> LastUse {
        (SimTime(ns), 0)
    }

    #[test]
    fn what_two_hold_is_kept_once_and_stays_when_they_have_gone() {
        let mut node = SpanNode::default();
        node.hold(0, 10);
        node.hold(0, 4);
        assert_eq!((node.sums().shared, node.sums().idle), (4, 0));
        node.release(10, at(1));
        assert_eq!((node.sums().shared, node.sums().idle), (0, 6));
        assert_eq!(node.last_use(), Some(at(1)));
        node.hold(4, 6);
        node.release(6, at(2));
        assert_eq!(node.uses, [(6, at(2)), (10, at(1))]);
        // the oldest first, and no more than was asked
        assert_eq!((node.shrink(3), node.last_use()), (3, Some(at(1))));
        assert_eq!((node.shrink(9), node.last_use()), (1, Some(at(2))));
        assert_eq!((node.shrink(9), node.is_empty()), (6, true));
    }

    #[test]
    fn of_two_who_leave_at_once_the_order_does_not_matter() {
        let (one, other) = ((SimTime(5), 1), (SimTime(5), 2));
        let both = |first: (u32, LastUse), second: (u32, LastUse)| {
            let mut node = SpanNode::default();
            node.hold(0, first.0);
            node.hold(0, second.0);
            node.release(first.0, first.1);
            node.release(second.0, second.1);
            node.uses
        };
        for (a, b) in [(3, 8), (8, 3), (4, 4)] {
            assert_eq!(both((a, one), (b, other)), both((b, other), (a, one)));
        }
    }

    #[test]
    fn what_is_held_is_not_let_go() {
        let mut node = SpanNode::default();
        node.hold(0, 10);
        node.hold(0, 7);
        node.release(10, at(1));
        assert_eq!(node.shrink(100), 3);
        assert_eq!(node.last_use(), None);
        assert_eq!(node.blocks(), 7);
    }
}
