//! Requests on their way to a decode pool (S8): senders, receivers, arrivals.

use super::resident::Travel;
use super::transfer_arrivals::Arrival;
use super::{Decode, Moving};
use crate::cluster::transfer::Sending;
use crate::metrics::{Observer, Place};
use crate::units::{SimDuration, SimTime};

impl<O: Observer> Decode<O> {
    /// Routes a request whose KV is on its way, and would take a receiver so long.
    #[inline]
    pub(super) fn send(&mut self, travel: Travel, sending: Sending, receiving: SimDuration) {
        let slot = self.moving.store(Moving {
            travel,
            unit: None,
            took: sending.took,
            receiving,
            sent: false,
            arrived: false,
        });
        self.arrivals.add(Arrival {
            at: sending.done,
            id: travel.request.id,
            slot,
        });
        self.route(slot);
    }

    #[inline]
    pub(super) fn route(&mut self, slot: u32) {
        let moving = self.moving.get_mut(slot);
        let Some(index) = self.routing.choose() else {
            moving.unit = None;
            self.unrouted.push_back(slot);
            return;
        };
        moving.unit = Some(index as u32);
        let unit = &mut self.units[index];
        let held = moving.travel.held_1024(self.rules.pace);
        unit.load.add(held, &self.rules);
        if self.routing.is_exact() {
            self.routing.loaded(index, unit.load.seen(&self.rules));
        }
        if moving.arrived {
            unit.queue.push_back(moving.travel);
            self.moving.take(slot);
            self.dirty.push(index);
        }
    }

    /// Phase 3: senders are done, in order of id; then KV arrives, in order of id.
    pub(super) fn land_all(&mut self, now: SimTime) {
        let mut here = std::mem::take(&mut self.landing);
        while let Some(slot) = self.arrivals.pop_at(now) {
            let moving = self.moving.get_mut(slot);
            let at = if moving.sent {
                now
            } else {
                moving.sent = true;
                let mut done = now;
                if let Some(index) = moving.unit {
                    let free = &mut self.units[index as usize].receive_free;
                    *free = (*free).max(now - moving.took) + moving.receiving;
                    done = done.max(*free);
                    *free = done;
                }
                done + self.latency
            };
            let id = moving.travel.request.id;
            if at == now {
                here.push((id, slot));
            } else {
                self.arrivals.add(Arrival { at, id, slot });
            }
        }
        if !here.is_sorted() {
            here.sort_unstable();
        }
        for (_, slot) in here.drain(..) {
            self.arrive(now, slot);
        }
        self.landing = here;
        self.arrivals.settle();
    }

    /// KV arrives.
    #[inline]
    fn arrive(&mut self, now: SimTime, slot: u32) {
        let moving = self.moving.get_mut(slot);
        let travel = &mut moving.travel;
        self.observer.moved(
            now,
            &travel.request,
            Place::Transfer,
            travel.since,
            Place::DecodeQueue,
        );
        travel.since = now;
        moving.arrived = true;
        if let Some(index) = moving.unit {
            let unit = &mut self.units[index as usize];
            unit.queue.push_back(*travel);
            self.moving.take(slot);
            if unit.at_boundary() {
                self.dirty.push(index as usize);
            }
        }
    }
}
