//! Units of a decode pool that are released or lost (S10): where everything on them goes.

use super::resident::Travel;
use super::{Decode, Moving};
use crate::cluster::controller::AfterLoss;
use crate::cluster::decode::kv_load::KvLoad;
use crate::cluster::instant::LostSender;
use crate::cluster::past::Lost;
use crate::cluster::pool_base::{Departure, PoolUnit};
use crate::cluster::pool_outcome::{Outcome, Restart};
use crate::metrics::{Observer, Place};
use crate::units::{SimDuration, SimTime};

/// The place of a request of a departing unit.
enum From {
    /// The request is on a rank.
    Rank(usize, Travel),
    Queue(Travel),
    /// The request is on its way to the unit, kept under this key.
    Way(u32),
}

/// The place that a request had to leave.
#[derive(Clone, Copy)]
enum Uprooted {
    /// The request was on a rank of a unit.
    Resident { unit: usize, rank: usize },
    /// The request was in a unit's queue.
    Waiting,
    /// The request's KV was on its way.
    UnderWay,
}

impl Uprooted {
    fn place(self) -> Place {
        match self {
            Self::Resident { .. } => Place::Decode,
            Self::Waiting => Place::DecodeQueue,
            Self::UnderWay => Place::Transfer,
        }
    }
}

impl<O: Observer> Decode<O> {
    /// What waited for a unit is routed, what was on others moves, or is lost. All units have changed before any
    /// request goes anywhere, so that units that open together share what waited, and nothing moves to a unit that
    /// leaves too.
    pub(super) fn settle(&mut self, now: SimTime, lost: &mut Vec<Lost>) {
        let (opened, departures) = self.base.settle_changes(now);
        if opened {
            for key in std::mem::take(&mut self.unrouted) {
                self.route(key);
            }
        }
        for departure in departures {
            self.depart(now, departure, lost);
        }
    }

    /// Takes all requests off a unit, in order of id.
    fn depart(
        &mut self,
        now: SimTime,
        Departure { unit, loss, .. }: Departure,
        lost: &mut Vec<Lost>,
    ) {
        let base = &mut self.base;
        let before = base.note(unit);
        base.busy -= u64::from(base.units[unit].runs());
        let departing = &mut base.units[unit];
        let mut all: Vec<(u64, From)> = Vec::new();
        let queue = departing.queue.drain();
        all.extend(queue.map(|t| (t.request.id, From::Queue(t))));
        let residents = departing.evict_all(now, unit, &base.rules, &mut base.observer);
        let on_rank = |(rank, t): (usize, Travel)| (t.request.id, From::Rank(rank, t));
        all.extend(residents.into_iter().map(on_rank));
        for arrival in self.arrivals.iter() {
            if self.moving.get(arrival.key).unit == Some(unit as u32) {
                all.push((arrival.id, From::Way(arrival.key)));
            }
        }
        departing.load = KvLoad::default();
        base.departed(unit);
        base.noted(now, unit, before);
        base.tell_kv(now);
        base.observer.busy(now, base.busy);
        all.sort_unstable_by_key(|(id, _)| *id);
        let mut under_way = Vec::new();
        for (id, from) in all {
            match from {
                From::Rank(rank, travel) => {
                    self.uproot(now, travel, Uprooted::Resident { unit, rank }, loss, lost);
                }
                From::Queue(travel) => self.uproot(now, travel, Uprooted::Waiting, loss, lost),
                From::Way(key) if loss.is_some() && self.moving.get(key).sent => {
                    under_way.push(id);
                    let travel = self.moving.take(key).travel;
                    self.uproot(now, travel, Uprooted::UnderWay, loss, lost);
                }
                From::Way(key) => {
                    // a released unit takes no KV with it, nor a lost one what its sender still has
                    let request = self.moving.get(key).travel.request;
                    self.base.observer.migrated(now, &request);
                    self.route(key);
                }
            }
        }
        if !under_way.is_empty() {
            self.arrivals
                .retain(|arrival| under_way.binary_search(&arrival.id).is_err());
        }
    }

    /// Settles what becomes of a request that had to leave its place: it goes on elsewhere, goes back to the pool that
    /// takes arrivals, or ends.
    fn uproot(
        &mut self,
        now: SimTime,
        mut travel: Travel,
        from: Uprooted,
        loss: Option<AfterLoss>,
        lost: &mut Vec<Lost>,
    ) {
        let observer = &mut self.base.observer;
        let (request, past) = (&travel.request, &mut travel.past);
        let outcome = Outcome::of_departure(now, request, past, loss, observer);
        if outcome == Outcome::Again(Restart::Elsewhere) {
            self.migrate(now, travel, from);
            return;
        }
        self.leave(now, &travel, from.place(), outcome);
        if outcome == Outcome::Again(Restart::FromStart) {
            let Travel { request, past, .. } = travel;
            lost.push(Lost { request, past });
        }
    }

    /// Moves a request: from a rank by a transfer through its interface, all others at once.
    fn migrate(&mut self, now: SimTime, travel: Travel, from: Uprooted) {
        let Uprooted::Resident { unit, rank } = from else {
            let key = self.moving.store(Moving {
                travel,
                unit: None,
                took: SimDuration::ZERO,
                receiving: SimDuration::ZERO,
                sender: None,
                sent: true,
                arrived: true,
            });
            self.route(key);
            return;
        };
        let base = &mut self.base;
        let (place, request) = (from.place(), &travel.request);
        base.observer
            .moved(now, request, place, travel.since, Place::Transfer);
        let free_at = &mut base.units[unit].interface_free[rank];
        let tokens = travel.held_1024(base.rules.pace).div_ceil(1024);
        let sending = base.rules.migration.send(now, free_at, tokens);
        let receiving = base.rules.receive[1].time(tokens);
        let travel = Travel {
            since: now,
            ..travel
        };
        self.send(travel, sending, receiving, None);
    }

    /// Takes out what lost senders have not sent yet, in order of id.
    pub(super) fn sever(&mut self, now: SimTime, senders: &[LostSender], lost: &mut Vec<Lost>) {
        let mut severed: Vec<(u64, u32, AfterLoss)> = Vec::new();
        for arrival in self.arrivals.iter() {
            let moving = self.moving.get(arrival.key);
            let by = |s: &&LostSender| moving.sender == Some((s.unit, s.life));
            if let Some(sender) = senders.iter().find(by).filter(|_| !moving.sent) {
                severed.push((arrival.id, arrival.key, sender.after));
            }
        }
        severed.sort_unstable_by_key(|(id, ..)| *id);
        if severed.is_empty() {
            return;
        }
        self.arrivals.retain(|arrival| {
            let found = severed.binary_search_by_key(&arrival.id, |(id, ..)| *id);
            found.is_err()
        });
        for (_, key, after) in severed {
            let moving = self.moving.take(key);
            if let Some(unit) = moving.unit {
                let base = &mut self.base;
                let held = moving.travel.held_1024(base.rules.pace);
                base.units[unit as usize].load.remove(held, &base.rules);
                base.loaded(unit as usize);
            } else {
                self.unrouted.retain(|other| *other != key);
            }
            self.uproot(now, moving.travel, Uprooted::UnderWay, Some(after), lost);
        }
    }
}
