//! Residents of a decode unit that leave before they are done: preempted, or because the unit goes.

use super::DecodeUnit;
use crate::cluster::decode::DecodeRules;
use crate::cluster::decode::resident::{Due, Travel};
use crate::cluster::pool_base::PoolUnit;
use crate::metrics::{Observer, Place};
use crate::units::SimTime;

impl DecodeUnit {
    /// While a rank's growth in the coming step would exceed its capacity, its latest resident (then the
    /// highest id) goes to the head of the queue, keeps its tokens, and must bring its KV back later.
    pub(super) fn preempt(
        &mut self,
        now: SimTime,
        index: usize,
        rules: &DecodeRules,
        observer: &mut impl Observer,
    ) {
        if !self.ranks.overfull() {
            return;
        }
        // everybody on a rank that is too full, the latest last
        let overfull = self.ranks.all_overfull();
        let mut latest: Vec<(SimTime, u64, Due)> = Vec::new();
        for due in self.wheel.iter() {
            if overfull[usize::from(due.rank)] {
                let resident = self.residents.get(due.key);
                latest.push((resident.since, resident.request.id, *due));
            }
        }
        latest.sort_unstable_by_key(|&(since, id, _)| (since, id));
        let mut out: Vec<Travel> = Vec::new();
        while let Some((.., due)) = latest.pop() {
            let rank = usize::from(due.rank);
            if !self.ranks.is_overfull(rank) {
                continue;
            }
            self.wheel.remove(due.step, |d| d.key == due.key);
            let mut travel = self.uproot(due, now, rules);
            observer.left_batch(&travel.request, index);
            let held = travel.held_1024(rules.pace).div_ceil(1024);
            travel.ready = now + rules.host.time(held);
            observer.moved(
                now,
                &travel.request,
                Place::Decode,
                travel.since,
                Place::DecodeQueue,
            );
            observer.preempted(now, &travel.request);
            travel.since = now;
            out.push(travel);
        }
        out.sort_unstable_by_key(|t| std::cmp::Reverse(t.request.id));
        for travel in out {
            self.queue.push_front(travel);
        }
    }

    /// Takes a resident off its rank before it is done.
    fn uproot(&mut self, due: Due, last_token: SimTime, rules: &DecodeRules) -> Travel {
        let resident = self.residents.take(due.key);
        let steps_left = due.step - self.wheel.step();
        let progress_1024 = resident.progress_before_1024(steps_left, rules.pace);
        let held = rules.pace.held_1024(&resident.request, progress_1024);
        let filled = rules.memory.until_filled(held, rules.pace.per_step_1024);
        if let Some((steps, _)) = filled.filter(|(steps, _)| *steps <= steps_left) {
            let step = self.windows.step() + steps;
            self.windows.remove(step, |d| d.key == due.key);
        }
        self.vacate(&resident, due.rank, progress_1024, rules);
        Travel {
            request: resident.request,
            past: resident.past(last_token, progress_1024, rules.pace),
            since: resident.since,
            ready: SimTime::ZERO,
        }
    }

    /// Takes everybody off, with the rank of each, in no particular order: of a halted unit, as it is released, or
    /// of one that is lost, of whose step nothing comes. Those that had joined for a step that did not end have had no
    /// token since.
    pub fn evict_all(
        &mut self,
        now: SimTime,
        index: usize,
        rules: &DecodeRules,
        observer: &mut impl Observer,
    ) -> Vec<(usize, Travel)> {
        if self.runs() {
            observer.step_lost(now, index, self.step_end, false);
            self.step_end = SimTime::NEVER;
        }
        self.wake = SimTime::NEVER;
        self.blocked = None;
        let joined = std::mem::take(&mut self.joined);
        self.fresh.clear();
        let mut out = Vec::new();
        for due in self.wheel.drain() {
            let request = self.residents.get(due.key).request;
            let last_token = match joined.iter().find(|new| new.id == request.id) {
                Some(new) => new.last_token,
                None => {
                    observer.left_batch(&request, index);
                    self.last_end
                }
            };
            let travel = self.uproot(due, last_token, rules);
            out.push((usize::from(due.rank), travel));
        }
        out
    }
}
