//! A belt between two stages on two threads: a bounded queue of stretches, with the emptied buffers
//! going back, so that nothing is allocated on the way.

use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};

use crate::cluster::Inside;
use crate::units::SimTime;

/// Most stretches that lie on a belt.
const STRETCHES_AHEAD: usize = 8;

/// A stretch of simulated time, as one stage hands it to the next.
pub struct BeltStretch<T> {
    /// End of the stretch.
    pub until: SimTime,
    /// Requests that have arrived until the end of the stretch.
    pub arrived: u64,
    /// Requests inside the pool that hands over, at the end of the stretch.
    pub inside: Inside,
    /// What is handed over, in the order of time.
    pub items: Vec<T>,
}

impl<T> BeltStretch<T> {
    /// A stretch in which nothing has happened yet.
    pub fn new() -> Self {
        Self {
            until: SimTime::ZERO,
            arrived: 0,
            inside: Inside::default(),
            items: Vec::new(),
        }
    }

    /// Empties the stretch for a new one.
    pub fn begin(&mut self, until: SimTime, arrived: u64) {
        (self.until, self.arrived) = (until, arrived);
        self.items.clear();
    }
}

/// The end of a belt where stretches are laid on.
pub struct Giver<T> {
    full: SyncSender<BeltStretch<T>>,
    empty: Receiver<BeltStretch<T>>,
}

/// The end of a belt where stretches are taken off.
pub struct StretchTaker<T> {
    full: Receiver<BeltStretch<T>>,
    empty: Sender<BeltStretch<T>>,
}

/// A belt: its two ends.
pub fn belt<T>() -> (Giver<T>, StretchTaker<T>) {
    let (full_in, full_out) = sync_channel(STRETCHES_AHEAD);
    let (empty_in, empty_out) = channel();
    (
        Giver {
            full: full_in,
            empty: empty_out,
        },
        StretchTaker {
            full: full_out,
            empty: empty_in,
        },
    )
}

impl<T> Giver<T> {
    /// A used buffer, or a new one.
    pub fn blank(&mut self) -> BeltStretch<T> {
        self.empty.try_recv().unwrap_or_else(|_| BeltStretch::new())
    }

    /// Lays a stretch on the belt; false: the other end is gone, and with it the use of going on.
    pub fn give(&mut self, stretch: BeltStretch<T>) -> bool {
        self.full.send(stretch).is_ok()
    }
}

impl<T> StretchTaker<T> {
    /// Hands every stretch to `use_it` until the giver is gone, or `use_it` says that it was the last.
    pub fn drain(self, mut use_it: impl FnMut(&mut BeltStretch<T>) -> bool) {
        for mut stretch in self.full {
            if !use_it(&mut stretch) {
                return;
            }
            let _ = self.empty.send(stretch);
        }
    }
}
