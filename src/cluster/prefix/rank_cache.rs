//! The prefix cache of one rank: what it keeps of each span, and which of it goes first.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::span_node::{NodeSums, SpanNode};
use super::{LastUse, PathSpan, PrefixFound};

/// The prefix cache of one rank.
#[derive(Clone, Debug, Default)]
pub struct RankCache {
    nodes: BTreeMap<u64, SpanNode>,
    /// Spans whose last block nobody holds, in the order in which they go: the last use, then the one further from the
    /// beginning of a prompt, of one path; with the key.
    idle: BTreeSet<(LastUse, Reverse<u32>, u64)>,
    sums: NodeSums,
}

impl RankCache {
    /// Blocks that requests hold, counted for all of them but one.
    pub fn shared(&self) -> u64 {
        self.sums.shared
    }

    /// Blocks that are kept.
    pub fn blocks(&self) -> u64 {
        self.sums.blocks
    }

    /// What is kept of a path's beginning, up to so many blocks.
    pub fn find(&self, path: &[PathSpan], most: u32) -> PrefixFound {
        let mut found = PrefixFound::default();
        for span in path {
            let wanted = span.end.min(most).saturating_sub(span.first);
            let Some(node) = self.nodes.get(&span.key).filter(|_| wanted > 0) else {
                break;
            };
            let here = node.blocks().min(wanted);
            found.blocks += here;
            found.held += node.most_held().min(here);
            if here < wanted {
                break;
            }
        }
        found
    }

    /// A request that holds `from` blocks of a path holds `to` from now on: they are kept.
    pub fn hold(&mut self, path: &[PathSpan], from: u32, to: u32) {
        for span in path {
            if span.first >= to {
                break;
            }
            if span.end <= from {
                continue;
            }
            let before = from.saturating_sub(span.first);
            let after = to.min(span.end) - span.first;
            self.change(span, |node| node.hold(before, after));
        }
    }

    /// A request that holds so many blocks of a path holds them no more.
    pub fn release(&mut self, path: &[PathSpan], blocks: u32, at: LastUse) {
        for span in path {
            if span.first >= blocks {
                break;
            }
            let held = blocks.min(span.end) - span.first;
            self.change(span, |node| node.release(held, at));
        }
    }

    /// Lets go blocks that nobody holds until no more than so many of them are left; returns how many have gone.
    pub fn trim(&mut self, most: u64) -> u64 {
        let mut gone = 0;
        while self.sums.idle > most {
            let Some((_, Reverse(first), key)) = self.idle.first().copied() else {
                break;
            };
            let surplus = u32::try_from(self.sums.idle - most).unwrap_or(u32::MAX);
            let span = PathSpan { key, first, end: 0 };
            self.change(&span, |node| gone += u64::from(node.shrink(surplus)));
        }
        gone
    }

    /// Blocks held, counted for each who holds them, and those that nobody holds, as kept in sum.
    pub fn kept(&self) -> u128 {
        let most = self.nodes.values().map(|n| u128::from(n.most_held()));
        u128::from(self.sums.shared) + most.sum::<u128>() + u128::from(self.sums.idle)
    }

    /// Blocks that nobody holds, counted anew.
    pub fn count_idle(&self) -> u128 {
        let idle = self.nodes.values().map(|n| n.blocks() - n.most_held());
        idle.map(u128::from).sum()
    }

    fn change(&mut self, span: &PathSpan, what: impl FnOnce(&mut SpanNode)) {
        let node = self.nodes.entry(span.key).or_default();
        let (sums, used) = (node.sums(), node.last_use());
        what(node);
        let (sums_after, used_after) = (node.sums(), node.last_use());
        let is_empty = node.is_empty();
        self.sums.shared = self.sums.shared + sums_after.shared - sums.shared;
        self.sums.idle = self.sums.idle + sums_after.idle - sums.idle;
        self.sums.blocks = self.sums.blocks + sums_after.blocks - sums.blocks;
        if used != used_after {
            let place = |at: LastUse| (at, Reverse(span.first), span.key);
            used.map(|at| self.idle.remove(&place(at)));
            used_after.map(|at| self.idle.insert(place(at)));
        }
        if is_empty {
            self.nodes.remove(&span.key);
        }
    }
}
