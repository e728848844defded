//! Hits of an LRU cache of prefix blocks at every capacity at once, exactly.
//!
//! A request hits its longest prefix of resident blocks; then all its blocks are touched or inserted, the first one last,
//! so that it is the most recent; then the least recently used blocks go until the rest fits. What is resident at
//! capacity C is therefore always the C most recently used blocks (LRU is a stack algorithm: Mattson, Gecsei, Slutz and
//! Traiger, "Evaluation techniques for storage hierarchies", 1970): a block is hit where its depth in the order of
//! recency, and that of all blocks before it in the prompt, is at most C. One pass over the trace gives the depths, and
//! their histogram the hits of every capacity.

use std::collections::BTreeMap;
use std::collections::HashMap;

/// The order in which a request's blocks are touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TouchOrder {
    /// The last block first: the first one, which all that follow need, is the most recent.
    LastFirst,
    /// The first block first.
    FirstFirst,
}

/// A cache of blocks at all capacities.
#[derive(Clone, Debug)]
pub struct PrefixLru {
    order: TouchOrder,
    /// Time of each block's last touch.
    touched: HashMap<u64, usize>,
    /// For each time, 1 where it is some block's last touch: a Fenwick tree of their numbers.
    tree: Vec<u32>,
    now: usize,
    /// Blocks and tokens hit, by the least capacity at which they are.
    hits: BTreeMap<u32, (u64, u64)>,
    /// Blocks of all requests.
    pub references: u64,
    /// Requests with blocks.
    pub requests: u64,
    depths: Vec<u32>,
}

/// Times that a new cache has room for.
const ROOM: usize = 1 << 12;

impl PrefixLru {
    /// An empty cache.
    pub fn new(order: TouchOrder) -> Self {
        Self {
            order,
            touched: HashMap::new(),
            tree: vec![0; ROOM + 1],
            now: 0,
            hits: BTreeMap::new(),
            references: 0,
            requests: 0,
            depths: Vec::new(),
        }
    }

    /// Looks a request's blocks up and touches them. `tokens` are those of a prompt's first blocks: `tokens(n)` of n.
    pub fn request(&mut self, blocks: &[u64], tokens: impl Fn(u64) -> u64) {
        self.references += blocks.len() as u64;
        self.requests += 1;
        let mut deepest = 0;
        let mut depths = std::mem::take(&mut self.depths);
        depths.clear();
        for id in blocks {
            let Some(at) = self.touched.get(id) else {
                break;
            };
            // Blocks touched later than this one, and itself.
            let depth = (self.touched.len() - self.sum(*at)) as u32 + 1;
            deepest = deepest.max(depth);
            depths.push(deepest);
        }
        for (place, depth) in (0..).zip(&depths) {
            let sum = self.hits.entry(*depth).or_default();
            sum.0 += 1;
            sum.1 += tokens(place + 1) - tokens(place);
        }
        self.depths = depths;
        match self.order {
            TouchOrder::LastFirst => blocks.iter().rev().for_each(|id| self.touch(*id)),
            TouchOrder::FirstFirst => blocks.iter().for_each(|id| self.touch(*id)),
        }
    }

    fn touch(&mut self, id: u64) {
        if self.now + 1 >= self.tree.len() {
            self.compact();
        }
        self.now += 1;
        let now = self.now;
        if let Some(before) = self.touched.insert(id, now) {
            self.add(before, -1);
        }
        self.add(now, 1);
    }

    /// Numbers the touches anew, without those that were followed by others.
    fn compact(&mut self) {
        let mut order: Vec<(usize, u64)> = self.touched.iter().map(|(id, at)| (*at, *id)).collect();
        order.sort_unstable();
        self.tree = vec![0; (4 * order.len()).max(ROOM) + 1];
        self.now = order.len();
        for (place, (_, id)) in order.into_iter().enumerate() {
            self.touched.insert(id, place + 1);
            self.add(place + 1, 1);
        }
    }

    fn add(&mut self, mut at: usize, change: i32) {
        while at < self.tree.len() {
            self.tree[at] = self.tree[at].wrapping_add_signed(change);
            at += at & at.wrapping_neg();
        }
    }

    /// Last touches up to this time.
    fn sum(&self, mut at: usize) -> usize {
        let mut sum = 0;
        while at > 0 {
            sum += self.tree[at] as usize;
            at -= at & at.wrapping_neg();
        }
        sum
    }

    /// Different blocks.
    pub fn unique(&self) -> u64 {
        self.touched.len() as u64
    }

    /// Blocks and tokens hit with room for so many blocks; `None`: for all.
    pub fn hits(&self, capacity: Option<u64>) -> (u64, u64) {
        let all = self
            .hits
            .iter()
            .take_while(|(depth, _)| capacity.is_none_or(|most| u64::from(**depth) <= most));
        all.fold((0, 0), |sum, (_, hits)| (sum.0 + hits.0, sum.1 + hits.1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rules as they are said, at one capacity: a list of blocks, the most recent first.
    fn plainly(requests: &[Vec<u64>], capacity: usize, order: TouchOrder) -> u64 {
        let mut resident: Vec<u64> = Vec::new();
        let mut hits = 0;
        for blocks in requests {
            hits += blocks.iter().take_while(|id| resident.contains(id)).count() as u64;
            let mut touch = |id: &u64| {
                resident.retain(|known| known != id);
                resident.insert(0, *id);
            };
            match order {
                TouchOrder::LastFirst => blocks.iter().rev().for_each(&mut touch),
                TouchOrder::FirstFirst => blocks.iter().for_each(&mut touch),
            }
            resident.truncate(capacity);
        }
        hits
    }

    #[test]
    fn every_capacity_at_once_is_each_alone() {
        // a linear congruential sequence (Numerical Recipes' constants)
        let mut state = 7_u32;
        let mut next = |below: u32| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) % below
        };
        let requests: Vec<Vec<u64>> = (0..3_000)
            .map(|_| {
                let (chat, length) = (u64::from(next(20)), u64::from(next(12)));
                (0..length)
                    .map(|n| if n == 0 { 0 } else { 100 * chat + n })
                    .collect()
            })
            .collect();
        for order in [TouchOrder::LastFirst, TouchOrder::FirstFirst] {
            let mut all = PrefixLru::new(order);
            requests
                .iter()
                .for_each(|blocks| all.request(blocks, |n| 10 * n));
            for capacity in [0, 1, 2, 5, 10, 40, 100, 1_000] {
                let (blocks, tokens) = all.hits(Some(capacity));
                assert_eq!(
                    blocks,
                    plainly(&requests, capacity as usize, order),
                    "{capacity} {order:?}"
                );
                assert_eq!(tokens, 10 * blocks);
            }
            assert_eq!(all.hits(None), all.hits(Some(all.unique())));
        }
    }
}
