//! The steps at which residents of a unit are done: a wheel of buckets in two levels.
//!
//! All requests of a unit advance together, so the step at which a request will be done is known when
//! it joins, and no token needs an event of its own. The near level has a bucket for each step of the
//! current block of 256 steps; the far level has a bucket for each of the next 256 blocks, which is
//! dealt out to the near level when its block begins. Longer stays go round again. Entries lie in the
//! buckets themselves, in recycled chunks, so that entering and leaving touch memory in order; the
//! residents are kept elsewhere, because an entry moves and they need not.

use super::resident::Due;

/// Steps of a block.
const STEPS: u64 = 256;
const BLOCKS: u64 = 256;
/// Entries of a chunk.
const CHUNK: usize = 16;
const NONE: u32 = u32::MAX;

/// A chain of chunks: the head is filled up to `used`, the others are full.
#[derive(Clone, Copy, Debug)]
pub struct Bucket {
    head: u32,
    used: u32,
}

const EMPTY: Bucket = Bucket {
    head: NONE,
    used: 0,
};

/// A store of chunks, used and free.
#[derive(Clone, Debug)]
struct Store {
    items: Vec<Due>,
    next: Vec<u32>,
    free: Vec<u32>,
}

impl Store {
    #[inline]
    fn push(&mut self, bucket: &mut Bucket, item: Due) {
        if bucket.head == NONE || bucket.used as usize == CHUNK {
            let chunk = self.free.pop().unwrap_or_else(|| {
                self.next.push(NONE);
                self.items.extend([item; CHUNK]);
                (self.next.len() - 1) as u32
            });
            self.next[chunk as usize] = bucket.head;
            *bucket = Bucket {
                head: chunk,
                used: 0,
            };
        }
        self.items[bucket.head as usize * CHUNK + bucket.used as usize] = item;
        bucket.used += 1;
    }

    #[inline]
    fn pop(&mut self, bucket: &mut Bucket) -> Option<Due> {
        if bucket.head == NONE {
            return None;
        }
        bucket.used -= 1;
        let item = self.items[bucket.head as usize * CHUNK + bucket.used as usize];
        if bucket.used == 0 {
            self.free.push(bucket.head);
            let next = self.next[bucket.head as usize];
            *bucket = Bucket {
                head: next,
                used: if next == NONE { 0 } else { CHUNK as u32 },
            };
        }
        Some(item)
    }

    fn of(&self, bucket: &Bucket) -> impl Iterator<Item = usize> {
        let (mut chunk, mut used) = (bucket.head, bucket.used as usize);
        std::iter::from_fn(move || {
            if chunk == NONE {
                return None;
            }
            let range = chunk as usize * CHUNK..chunk as usize * CHUNK + used;
            (chunk, used) = (self.next[chunk as usize], CHUNK);
            Some(range)
        })
        .flatten()
    }
}

/// Residents by the step at which they are done.
#[derive(Clone, Debug)]
pub struct Wheel {
    step: u64,
    near: Vec<Bucket>,
    far: Vec<Bucket>,
    store: Store,
}

impl Wheel {
    /// An empty wheel at step zero.
    pub fn new() -> Self {
        Self {
            step: 0,
            near: vec![EMPTY; STEPS as usize],
            far: vec![EMPTY; BLOCKS as usize],
            store: Store {
                items: Vec::new(),
                next: Vec::new(),
                free: Vec::new(),
            },
        }
    }

    /// Number of steps taken so far.
    #[inline]
    pub fn step(&self) -> u64 {
        self.step
    }

    /// Enters a resident that is due at a later step.
    #[inline]
    pub fn push(&mut self, item: Due) {
        let due = item.step;
        debug_assert!(due > self.step, "due in the past");
        let bucket = if due / STEPS == self.step / STEPS {
            &mut self.near[(due % STEPS) as usize]
        } else {
            &mut self.far[(due / STEPS % BLOCKS) as usize]
        };
        self.store.push(bucket, item);
    }

    /// Takes a step; returns the bucket of residents that are due, to be emptied with [`Wheel::pop`].
    #[inline]
    pub fn turn(&mut self) -> Bucket {
        self.step += 1;
        if self.step.is_multiple_of(STEPS) {
            let block = self.step / STEPS;
            let mut dealt = std::mem::replace(&mut self.far[(block % BLOCKS) as usize], EMPTY);
            while let Some(item) = self.store.pop(&mut dealt) {
                let due = item.step;
                let bucket = if due / STEPS == block {
                    &mut self.near[(due % STEPS) as usize]
                } else {
                    &mut self.far[(block % BLOCKS) as usize]
                };
                self.store.push(bucket, item);
            }
        }
        std::mem::replace(&mut self.near[(self.step % STEPS) as usize], EMPTY)
    }

    /// Takes a resident out of a bucket that `turn` returned; `None`: it is empty.
    #[inline]
    pub fn pop(&mut self, bucket: &mut Bucket) -> Option<Due> {
        self.store.pop(bucket)
    }

    /// Takes out the resident that is due at step `due` and for which `is_it` holds; `None`: there is none.
    pub fn remove(&mut self, due: u64, is_it: impl Fn(&Due) -> bool) -> Option<Due> {
        let bucket = if due / STEPS == self.step / STEPS {
            &mut self.near[(due % STEPS) as usize]
        } else {
            &mut self.far[(due / STEPS % BLOCKS) as usize]
        };
        let place = self
            .store
            .of(bucket)
            .find(|&i| is_it(&self.store.items[i]))?;
        let found = self.store.items[place];
        if let Some(last) = self.store.pop(bucket) {
            self.store.items[place] = last;
        }
        Some(found)
    }

    /// All residents, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = &Due> {
        let buckets = self.near.iter().chain(&self.far);
        buckets
            .flat_map(|bucket| self.store.of(bucket))
            .map(|i| &self.store.items[i])
    }

    /// Takes all residents out, in no particular order.
    pub fn drain(&mut self) -> Vec<Due> {
        let all: Vec<Due> = self.iter().copied().collect();
        self.near.fill(EMPTY);
        self.far.fill(EMPTY);
        self.store.items.clear();
        self.store.next.clear();
        self.store.free.clear();
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is(a: &Due, b: &Due) -> bool {
        a.step == b.step && a.key == b.key
    }

    #[test]
    fn everybody_is_due_exactly_when_due() {
        let mut wheel = Wheel::new();
        let mut expected: Vec<Due> = Vec::new();
        let mut seed = 1_u64;
        for step in 0..200_000_u64 {
            for key in 0..(step % 3) as u32 {
                seed = seed
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                let stay = if seed >> 60 == 0 {
                    70_000 + (seed >> 50) % 3_000
                } else {
                    1 + (seed >> 40) % 2_000
                };
                let due = Due {
                    step: step + stay,
                    key,
                    rank: 0,
                };
                wheel.push(due);
                expected.push(due);
            }
            if step % 7 == 0
                && let Some(item) = expected.pop()
            {
                let removed = wheel.remove(item.step, |i| is(i, &item));
                assert!(removed.is_some_and(|r| is(&r, &item)));
            }
            let mut due = wheel.turn();
            while let Some(item) = wheel.pop(&mut due) {
                assert_eq!(item.step, step + 1);
                let place = expected.iter().rposition(|e| is(e, &item));
                assert!(place.is_some());
                place.map(|p| expected.swap_remove(p));
            }
            if step % 10_000 == 0 {
                assert_eq!(wheel.iter().count(), expected.len());
                assert!(expected.iter().all(|e| e.step > step + 1));
            }
        }
        let key = |due: &Due| (due.step, due.key);
        let mut left = wheel.drain();
        left.sort_unstable_by_key(key);
        expected.sort_unstable_by_key(key);
        assert!(left.iter().map(key).eq(expected.iter().map(key)));
        assert_eq!(wheel.iter().count(), 0);
    }
}
