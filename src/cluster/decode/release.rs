//! The release of a decode unit (S10): everything on it goes to the others.

use super::resident::Travel;
use super::unit::Unit;
use super::{Decode, Moving};
use crate::metrics::{Observer, Place};
use crate::units::SimTime;

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
        self.kv_1024 -= unit.kv_total_1024();
        self.observer.kv(now, self.kv_1024);
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
        unit.load_1024 = 0;
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
                    let tokens = travel.held_1024().div_ceil(1024);
                    let arrives = self.rules.migration.send(now, free_at, tokens);
                    self.send(
                        Travel {
                            since: now,
                            ..travel
                        },
                        arrives,
                    );
                }
                From::Queue(travel) => {
                    self.observer.migrated(now, &travel.request);
                    let slot = self.moving.store(Moving {
                        travel,
                        unit: None,
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
            .map(Unit::next)
            .min()
            .unwrap_or(SimTime::NEVER);
    }
}
