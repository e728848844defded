//! A queue that may hold tens of millions of requests: in pieces, so that it never holds room for twice as
//! many, and its memory is what its length says ([`crate::engine`] estimates it).
//!
//! A ring that doubles, which `VecDeque` is, takes up to twice what it holds, and a queue that moves
//! touches all of it.

use std::collections::VecDeque;

/// Most items of a piece: a few pages, which go back when all of them have left.
const PIECE: usize = 512;

/// A queue, first in first out, except for items that are put back in front or turned away at the end.
#[derive(Clone, Debug)]
pub struct Queue<T> {
    /// Pieces of the queue; the first and the last may be empty, the others are not.
    pieces: VecDeque<VecDeque<T>>,
    len: usize,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self {
            pieces: VecDeque::new(),
            len: 0,
        }
    }
}

impl<T> Queue<T> {
    /// Number of items in the queue.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no item is in the queue.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The first item; `None`: there is none.
    #[inline]
    pub fn front(&self) -> Option<&T> {
        self.pieces.front()?.front()
    }

    /// All items, in order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.pieces.iter().flatten()
    }

    /// Puts an item at the end.
    #[inline]
    pub fn push_back(&mut self, item: T) {
        self.len += 1;
        match self.pieces.back_mut() {
            Some(last) if last.len() < PIECE => last.push_back(item),
            _ => {
                let mut piece = self.piece();
                piece.push_back(item);
                self.pieces.push_back(piece);
            }
        }
    }

    /// A new piece. The first one grows as it fills, since most queues are short; the others have their
    /// room at once, since growing leaves holes.
    fn piece(&self) -> VecDeque<T> {
        let room = if self.pieces.is_empty() { 0 } else { PIECE };
        VecDeque::with_capacity(room)
    }

    /// Puts an item back at the head.
    pub fn push_front(&mut self, item: T) {
        self.len += 1;
        match self.pieces.front_mut() {
            Some(first) if first.len() < PIECE => first.push_front(item),
            _ => {
                let mut piece = self.piece();
                piece.push_front(item);
                self.pieces.push_front(piece);
            }
        }
    }

    /// Takes the first item out; `None`: there is none.
    #[inline(always)]
    pub fn pop_front(&mut self) -> Option<T> {
        let first = self.pieces.front_mut()?;
        let item = first.pop_front()?;
        self.len -= 1;
        // The only piece stays, for those who come next.
        if first.is_empty() && self.pieces.len() > 1 {
            self.pieces.pop_front();
        }
        Some(item)
    }

    /// Takes the last item out; `None`: there is none.
    pub fn pop_back(&mut self) -> Option<T> {
        let last = self.pieces.back_mut()?;
        let item = last.pop_back()?;
        self.len -= 1;
        if last.is_empty() && self.pieces.len() > 1 {
            self.pieces.pop_back();
        }
        Some(item)
    }

    /// Takes all items out, in order.
    pub fn drain(&mut self) -> impl Iterator<Item = T> + use<T> {
        std::mem::take(self).pieces.into_iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_does_what_a_ring_does() {
        let (mut queue, mut ring) = (Queue::default(), VecDeque::new());
        let mut seed = 1_u64;
        for i in 0..200_000_u64 {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            // grows for a while, shrinks for a while
            let grows = i / 20_000 % 2 == 0;
            match (seed >> 33) % 16 {
                0 => {
                    queue.push_front(i);
                    ring.push_front(i);
                }
                1 => assert_eq!(queue.pop_back(), ring.pop_back()),
                2..=9 if grows => {
                    queue.push_back(i);
                    ring.push_back(i);
                }
                10..=12 if grows => assert_eq!(queue.pop_front(), ring.pop_front()),
                2..=5 => {
                    queue.push_back(i);
                    ring.push_back(i);
                }
                _ => assert_eq!(queue.pop_front(), ring.pop_front()),
            }
            assert_eq!((queue.len(), queue.front()), (ring.len(), ring.front()));
            assert_eq!(queue.is_empty(), ring.is_empty());
            if i % 10_000 == 0 {
                assert!(queue.iter().eq(ring.iter()));
            }
        }
        assert!(queue.drain().eq(ring));
        assert_eq!((queue.len(), queue.front()), (0, None));
    }

    #[test]
    fn its_room_is_what_it_holds() {
        let mut queue = Queue::default();
        (0..100_000).for_each(|i| queue.push_back(i));
        (0..150_000).for_each(|i| {
            queue.pop_front();
            queue.push_back(i);
        });
        let room: usize = queue.pieces.iter().map(VecDeque::capacity).sum();
        assert!(room <= queue.len() + 2 * PIECE, "{room}");
    }
}
