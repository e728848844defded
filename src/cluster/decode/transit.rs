//! Requests on their way to a decode pool (S8): senders, receivers, arrivals.

use super::resident::Travel;
use super::transfer_arrivals::Arrival;
use super::{Decode, Moving};
use crate::cluster::transfer::Sending;
use crate::metrics::{Observer, Place};
use crate::units::{SimDuration, SimTime};

impl<O: Observer> Decode<O> {
    /// Routes a request whose KV is on its way, and would take a receiver so long. The sender is a unit of the other
    /// pool in a life of this number, or one of this pool that is not there any more.
    #[inline]
    pub(super) fn send(
        &mut self,
        travel: Travel,
        sending: Sending,
        receiving: SimDuration,
        sender: Option<(u32, u32)>,
    ) {
        let key = self.moving.store(Moving {
            travel,
            unit: None,
            took: sending.took,
            receiving,
            sender,
            sent: false,
            arrived: false,
        });
        self.arrivals.add(Arrival {
            at: sending.done,
            id: travel.request.id,
            key,
        });
        self.route(key);
    }

    #[inline]
    pub(super) fn route(&mut self, key: u32) {
        let moving = self.moving.get_mut(key);
        let base = &mut self.base;
        let Some(index) = base.choose(&moving.travel.request) else {
            moving.unit = None;
            self.unrouted.push_back(key);
            return;
        };
        moving.unit = Some(index as u32);
        let unit = &mut base.units[index];
        let held = moving.travel.held_1024(base.rules.pace);
        unit.load.add(held, &base.rules);
        if moving.arrived {
            unit.queue.push_back(moving.travel);
            self.moving.take(key);
            base.dirty.push(index);
        }
        base.loaded(index);
    }

    /// Phase 3: senders are done, in order of id; then KV arrives, in order of id.
    pub(super) fn land_all(&mut self, now: SimTime) {
        let mut here = std::mem::take(&mut self.landing);
        while let Some(key) = self.arrivals.pop_at(now) {
            let moving = self.moving.get_mut(key);
            let at = if moving.sent {
                now
            } else {
                moving.sent = true;
                let mut done = now;
                if let Some(index) = moving.unit {
                    let free = &mut self.base.units[index as usize].receive_free;
                    *free = (*free).max(now - moving.took) + moving.receiving;
                    done = done.max(*free);
                    *free = done;
                }
                done + self.latency
            };
            let id = moving.travel.request.id;
            if at == now {
                here.push((id, key));
            } else {
                self.arrivals.add(Arrival { at, id, key });
            }
        }
        if !here.is_sorted() {
            here.sort_unstable();
        }
        for (_, key) in here.drain(..) {
            self.arrive(now, key);
        }
        self.landing = here;
        self.arrivals.settle();
    }

    /// Takes in KV that arrives.
    #[inline]
    fn arrive(&mut self, now: SimTime, key: u32) {
        let moving = self.moving.get_mut(key);
        let travel = &mut moving.travel;
        self.base.observer.moved(
            now,
            &travel.request,
            Place::Transfer,
            travel.since,
            Place::DecodeQueue,
        );
        travel.since = now;
        moving.arrived = true;
        if let Some(index) = moving.unit {
            let unit = &mut self.base.units[index as usize];
            unit.queue.push_back(*travel);
            self.moving.take(key);
            if unit.at_boundary() {
                self.base.dirty.push(index as usize);
            }
        }
    }
}
