//! The release of a decode unit (S10): everything on it goes to the others.

use super::decode_unit::DecodeUnit;
use super::kv_load::KvLoad;
use super::resident::Travel;
use super::{Decode, Moving};
use crate::metrics::{Observer, Place};
use crate::units::{SimDuration, SimTime};

impl<O: Observer> Decode<O> {
    /// Everything on a released unit is routed anew in order of id: residents after a transfer through
    /// their rank's interface, what waits at once, what is on its way to its new unit.
    pub(super) fn release(&mut self, now: SimTime, index: usize) {
        enum From {
            Rank(usize, Travel),
            Queue(Travel),
            Way(u32),
        }
        let unit = &mut self.units[index];
        if let Some(refusal) = unit.blocked.take() {
            self.blocked[refusal as usize] -= 1;
            self.observer.blocked(now, self.blocked[0], self.blocked[1]);
        }
        self.taken -= u128::from(unit.taken());
        self.tell_kv(now);
        let unit = &mut self.units[index];
        let mut all: Vec<(u64, From)> = Vec::new();
        all.extend(unit.queue.drain().map(|t| (t.request.id, From::Queue(t))));
        all.extend(
            unit.evict_all(&self.rules, &self.observer)
                .into_iter()
                .map(|(rank, t)| (t.request.id, From::Rank(rank, t))),
        );
        for arrival in self.arrivals.iter() {
            if self.moving.get(arrival.slot).unit == Some(index as u32) {
                all.push((arrival.id, From::Way(arrival.slot)));
            }
        }
        unit.load = KvLoad::default();
        all.sort_unstable_by_key(|(id, _)| *id);
        for (_, from) in all {
            match from {
                From::Rank(rank, travel) => {
                    self.observer.migrated(now, &travel.request);
                    self.observer.moved(
                        now,
                        &travel.request,
                        Place::Decode,
                        travel.since,
                        Place::Transfer,
                    );
                    let free_at = &mut self.units[index].interface_free[rank];
                    let tokens = travel.held_1024(self.rules.pace).div_ceil(1024);
                    let sending = self.rules.migration.send(now, free_at, tokens);
                    let receiving = self.rules.receive[1].time(tokens);
                    let travel = Travel {
                        since: now,
                        ..travel
                    };
                    self.send(travel, sending, receiving);
                }
                From::Queue(travel) => {
                    self.observer.migrated(now, &travel.request);
                    let slot = self.moving.store(Moving {
                        travel,
                        unit: None,
                        took: SimDuration::ZERO,
                        receiving: SimDuration::ZERO,
                        sent: true,
                        arrived: true,
                    });
                    self.route(slot);
                }
                From::Way(slot) => {
                    self.observer
                        .migrated(now, &self.moving.get(slot).travel.request);
                    self.route(slot);
                }
            }
        }
        self.next_unit = self
            .units
            .iter()
            .map(DecodeUnit::next)
            .min()
            .unwrap_or(SimTime::NEVER);
    }
}
