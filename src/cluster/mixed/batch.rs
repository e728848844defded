//! Forming a batch at a step boundary (S17): who must leave, whose chunks are computed, who joins.

use super::MixedRules;
use super::mixed_ranks::{MixedRefusal, choose};
use super::mixed_unit::MixedUnit;
use super::request::{Decoding, MixedPrompt, Prefilling};
use crate::cluster::decode::resident::Due;
use crate::cluster::intake::{IntakeTokens, IntakeWaiting};
use crate::cluster::pool_outcome::Outcome;
use crate::metrics::{Fate, Observer, Place};
use crate::perf::MixedLoad;
use crate::scenario::{Batching, RankBalance};
use crate::units::SimTime;

/// A request on a rank.
enum OnRank {
    Prefilling(usize),
    Decoding(Due),
}

impl MixedUnit {
    /// Preempts: while a rank's growth would exceed its memory, its latest joined (then the highest id) goes to the
    /// head of its queue, to compute again what it had.
    pub(super) fn preempt(
        &mut self,
        now: SimTime,
        index: usize,
        rules: &MixedRules,
        observer: &mut impl Observer,
        tokens: &mut IntakeTokens,
    ) {
        let mut out: Vec<IntakeWaiting> = Vec::new();
        for rank in 0..self.ranks.len() {
            while self.ranks[rank].is_overfull(rules) {
                let waiting = match self.latest_joined(rank) {
                    Some(OnRank::Prefilling(place)) => {
                        let prefilling = self.serving.remove(place);
                        self.uproot_prefilling(&prefilling, now, rules, observer, tokens)
                    }
                    Some(OnRank::Decoding(due)) => {
                        self.wheel.remove(due.step, |d| d.key == due.key);
                        self.uproot_decoding(due, now, index, rules, observer)
                    }
                    None => break,
                };
                observer.preempted(now, &waiting.request);
                out.push(waiting);
            }
        }
        out.sort_unstable_by_key(|w| std::cmp::Reverse(w.request.id));
        for mut waiting in out {
            waiting.hits = self.known_hits(&waiting, rules);
            self.load.add(&MixedPrompt::of(&waiting), rules);
            let level = rules.levels.of(waiting.request.class);
            self.queues.push_front(level, waiting);
        }
    }

    fn latest_joined(&self, rank: usize) -> Option<OnRank> {
        let prefilling = self
            .serving
            .iter()
            .enumerate()
            .filter(|(_, s)| usize::from(s.rank) == rank)
            .map(|(place, s)| (s.joined, s.prompt.request.id, OnRank::Prefilling(place)));
        let decoding = self
            .wheel
            .iter()
            .filter(|due| usize::from(due.rank) == rank)
            .map(|due| {
                let d = self.decoding.get(due.key);
                (d.joined, d.resident.request.id, OnRank::Decoding(*due))
            });
        prefilling
            .chain(decoding)
            .max_by_key(|(joined, id, _)| (*joined, *id))
            .map(|(.., who)| who)
    }

    /// Takes a request that is being prefilled off its rank; what is computed is lost.
    pub(super) fn uproot_prefilling(
        &mut self,
        prefilling: &Prefilling,
        now: SimTime,
        rules: &MixedRules,
        observer: &mut impl Observer,
        tokens: &mut IntakeTokens,
    ) -> IntakeWaiting {
        let prompt = &prefilling.prompt;
        tokens.discarded += u128::from(prefilling.done);
        self.leave(
            prompt.request.id,
            prompt.reached(prefilling.done),
            now,
            rules,
        );
        self.ranks[usize::from(prefilling.rank)].leave_prefill(&prompt.share(rules));
        self.load.remove(prompt, prefilling.done, rules);
        observer.moved(
            now,
            &prompt.request,
            Place::Prefill,
            prefilling.since,
            Place::PrefillQueue,
        );
        IntakeWaiting::new(prompt.request, prompt.past, now)
    }

    /// Takes a request that decodes off its rank.
    pub(super) fn uproot_decoding(
        &mut self,
        due: Due,
        now: SimTime,
        index: usize,
        rules: &MixedRules,
        observer: &mut impl Observer,
    ) -> IntakeWaiting {
        let Decoding { resident, .. } = self.decoding.take(due.key);
        let request = resident.request;
        let steps_left = due.step - self.wheel.step();
        let progress_1024 = resident.progress_before_1024(steps_left, rules.pace);
        let held = rules.pace.held_1024(&request, progress_1024);
        let filled = rules.memory.until_filled(held, rules.pace.per_step_1024);
        if let Some((steps, _)) = filled.filter(|(steps, _)| *steps <= steps_left) {
            let step = self.windows.step() + steps;
            self.windows.remove(step, |d| d.key == due.key);
        }
        let new = self.joined.iter().position(|j| j.id == request.id);
        let last_token = match new {
            Some(place) => self.joined.remove(place).last_token,
            None => {
                observer.left_batch(&request, index);
                self.last_decode_end
            }
        };
        let past = resident.past(last_token, progress_1024, rules.pace);
        self.leave(request.id, past.stored(&request), now, rules);
        self.vacate(&resident, due.rank, progress_1024, rules);
        observer.moved(
            now,
            &request,
            Place::Decode,
            resident.since,
            Place::PrefillQueue,
        );
        IntakeWaiting::new(request, past, now)
    }

    /// Deals out the batch's tokens: to prompts that were cut, then to the queue. Says whether any prompt
    /// is in the batch.
    pub(super) fn form(
        &mut self,
        now: SimTime,
        rules: &MixedRules,
        observer: &mut impl Observer,
    ) -> bool {
        self.look(now, rules);
        if self.pause > 0 && self.ranks.iter().any(|rank| rank.decoding > 0) {
            self.serving.iter_mut().for_each(|s| s.chunk = 0);
            self.blocked = None;
            return false;
        }
        for rank in &mut self.ranks {
            let decoding = match rules.batching {
                Batching::PrefillFirst => 0,
                Batching::Chunked | Batching::Whole => {
                    rank.decoding.saturating_mul(rules.tokens_per_decode)
                }
            };
            rank.room = rules.max_batch_tokens.saturating_sub(decoding);
        }
        let by_time = rules.balance == RankBalance::Time;
        if by_time {
            self.measure_decode(rules.batching != Batching::PrefillFirst);
        }
        let mut any = false;
        for s in &mut self.serving {
            let rank = &mut self.ranks[usize::from(s.rank)];
            s.chunk = rank.room.min(s.prompt.computed() - s.done);
            rank.room -= s.chunk;
            any |= s.chunk > 0;
            if by_time {
                let context = u64::from(s.prompt.reached(s.done));
                self.loads[usize::from(s.rank)].add_chunk(u64::from(s.chunk), context, false);
            }
        }
        self.blocked = None;
        while let Some(head) = self.queues.front() {
            let mut prompt = MixedPrompt::of(head);
            let share = prompt.share(rules);
            let need = if rules.reserving {
                share.reserve
            } else {
                rules.memory.of_request(share.held_1024)
            };
            if need > rules.memory.capacity() {
                self.fail(now, rules, observer);
                continue;
            }
            if head.since > self.turns.looked {
                self.blocked = Some(MixedRefusal::Budget);
                break;
            }
            if let (Some(cache), Some(prefix)) = (&mut self.cache, &rules.prefix) {
                cache.ask(&prompt.request, &prompt.past, prefix);
            }
            let joining = |rank| self.head_on(rank, &prompt, share, rules);
            let (rank, joining) = match choose(&self.ranks, &self.loads, joining, rules) {
                Ok(joining) => joining,
                Err(refusal) => {
                    self.blocked = Some(refusal);
                    break;
                }
            };
            let Some(head) = self.queues.pop_front() else {
                break;
            };
            self.ranks[rank].join(&share);
            self.join_cache(rank, &mut prompt, rules);
            let place = &mut self.ranks[rank];
            let chunk = place.room.min(prompt.computed());
            place.room -= chunk;
            any = true;
            if by_time {
                self.loads[rank].add_chunk(u64::from(chunk), joining.context, true);
            }
            self.serving.push(Prefilling {
                prompt,
                since: head.since,
                joined: now,
                done: 0,
                chunk,
                rank: rank as u16,
                fresh: true,
            });
        }
        any
    }

    /// Looks for newcomers, if it is time to.
    fn look(&mut self, now: SimTime, rules: &MixedRules) {
        let is_empty = self.ranks.iter().all(|rank| rank.requests() == 0);
        let seen = if rules.look_ahead { self.planned } else { now };
        self.turns.look(seen, rules.receive_every, is_empty);
    }

    /// Whether the batch that has been formed is too small to compute its prompts already.
    pub(super) fn is_put_off(&self, rules: &MixedRules) -> bool {
        if self.turns.put_off >= rules.batch_wait_steps {
            return false;
        }
        let prompts: u64 = self.serving.iter().map(|s| u64::from(s.chunk)).sum();
        let decoding = match rules.batching {
            Batching::PrefillFirst => 0,
            Batching::Chunked | Batching::Whole => {
                let requests: u64 = self.ranks.iter().map(|r| u64::from(r.decoding)).sum();
                requests * u64::from(rules.tokens_per_decode)
            }
        };
        prompts + decoding < rules.batch_wait_tokens
    }

    /// Ends a request that no empty rank could ever hold.
    fn fail(&mut self, now: SimTime, rules: &MixedRules, observer: &mut impl Observer) {
        let Some(head) = self.queues.pop_front() else {
            return;
        };
        self.load.remove(&MixedPrompt::of(&head), 0, rules);
        self.dropped_1024 += u128::from(rules.pace.progress_1024(&head.past));
        let at = (Place::PrefillQueue, head.since);
        Outcome::Ended(Fate::Failed).leave(now, &head.request, at, observer);
    }

    /// Puts a batch that may not run back where it came from.
    pub(super) fn undo(&mut self, now: SimTime, rules: &MixedRules) {
        while let Some(s) = self.serving.pop_if(|s| s.fresh) {
            self.leave(s.prompt.request.id, s.prompt.hits, now, rules);
            self.ranks[usize::from(s.rank)].leave_prefill(&s.prompt.share(rules));
            let level = rules.levels.of(s.prompt.request.class);
            self.queues.push_front(level, s.prompt.waiting(s.since));
        }
        for s in &mut self.serving {
            s.chunk = 0;
        }
    }

    /// Whether the queue waits for memory, and for a place.
    pub(super) fn waits_for(&self) -> [bool; 2] {
        [
            self.blocked == Some(MixedRefusal::Memory),
            self.blocked == Some(MixedRefusal::Places),
        ]
    }

    /// Measures each rank's part in the coming step, into `loads`. Returns the number of prompt tokens in it, and the
    /// KV of the requests that decode.
    pub(super) fn measure(&mut self, decodes: bool) -> (u64, u64) {
        self.measure_decode(decodes);
        let kv_1024 = self.loads.iter().map(|load| load.kv_1024).sum();
        let mut computed = 0;
        for s in &self.serving {
            let context = u64::from(s.prompt.reached(s.done));
            let load = &mut self.loads[usize::from(s.rank)];
            load.add_chunk(u64::from(s.chunk), context, s.fresh);
            computed += u64::from(s.chunk);
        }
        (computed, kv_1024)
    }

    /// Measures the part of the requests that decode in the coming step, if they do, into `loads`.
    pub(super) fn measure_decode(&mut self, decodes: bool) {
        for (load, rank) in self.loads.iter_mut().zip(&self.ranks) {
            *load = MixedLoad::default();
            if decodes {
                load.requests = rank.decoding;
                load.kv_1024 = rank.kv_1024 - rank.prefill_kv_1024;
                load.window_1024 = rank.window_1024 - rank.prefill_window_1024;
            }
        }
    }
}
