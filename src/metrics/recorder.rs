//! The observer behind every summary: counts, populations and latencies of one pool, cell by cell.

use super::cells::{ClassCounts, Integrals, Latencies, StepCounts, TimeCell, Timeline};
use super::histogram::{Bucketed, Histogram};
use super::left::{Left, tpot_ns};
use super::length_bucket::{BUCKETS, bucket_of};
use super::level::Level;
use super::live::Live;
use super::observer::{Fate, Joined, Observer, Place, StepRecord};
use super::pool_record::Record;
use super::prompt_time::PromptTime;
use super::unit_gaps::{ClassGaps, UnitGaps};
use crate::catalog::TokenPrices;
use crate::economics::{Tariff, tariff::bill};
use crate::scenario::{Scenario, Slo};
use crate::units::{SimDuration, SimTime};
use crate::workload::Request;

/// Requests that take part in the decode steps of one unit.
#[derive(Clone, Debug)]
struct UnitRequests {
    /// Number of requests in each bucket of input lengths.
    by_bucket: [u64; BUCKETS],
    /// Gaps between tokens that are not yet counted by class; unused where there is a single class.
    gaps: UnitGaps,
}

/// An observer that counts what one pool does.
#[derive(Clone, Debug)]
pub struct Recorder {
    timeline: Timeline,
    tariff: Tariff,
    slos: Vec<Option<Slo>>,
    /// Time of each request in the front end, which TTFT and E2E contain.
    front_end: SimDuration,
    /// Index of the next edge in the timeline.
    next: usize,
    next_edge: SimTime,
    counting_from: SimTime,
    at_start: [u64; 5],
    prices: Vec<TokenPrices>,
    places: [Level; 5],
    paid: Level,
    working: Level,
    busy: Level,
    prompts: PromptTime,
    kv: Level,
    by_kv: Level,
    by_batch: Level,
    classes: Vec<ClassCounts>,
    /// Latencies and completed requests of the running cell by bucket of input lengths.
    live: [(Live, u64); BUCKETS],
    /// Latencies of each class from the window's start; empty where there is a single class.
    by_class: Vec<Live>,
    /// Requests on each decode or mixed unit that has ended a step.
    units: Vec<UnitRequests>,
    /// Progress of every request in a step, in 1/1024 token.
    progress_1024: u64,
    /// Latencies so far of each class that are not known when the window ends.
    inside: Vec<Live>,
    steps: StepCounts,
    record: Record,
}

impl Recorder {
    /// A recorder for the scenario's classes over this timeline.
    pub fn new(scenario: &Scenario, timeline: Timeline) -> Self {
        let classes = scenario.classes.len();
        let apart = if classes > 1 { classes } else { 0 };
        let tariff = Tariff::new(scenario);
        let mut recorder = Self {
            slos: scenario.classes.iter().map(|c| c.slo).collect(),
            front_end: scenario.front_end,
            next: 0,
            next_edge: timeline.start(),
            counting_from: timeline.start(),
            at_start: [0; 5],
            prices: Vec::new(),
            places: [Level::default(); 5],
            paid: Level::default(),
            working: Level::default(),
            busy: Level::default(),
            prompts: PromptTime::default(),
            kv: Level::default(),
            by_kv: Level::default(),
            by_batch: Level::default(),
            classes: vec![ClassCounts::default(); classes],
            live: Default::default(),
            by_class: vec![Live::default(); apart],
            units: Vec::new(),
            progress_1024: u64::from(scenario.mtp.progress_1024),
            inside: vec![Live::default(); classes],
            steps: StepCounts::default(),
            record: Record {
                left: vec![Left::default(); classes],
                ..Record::default()
            },
            timeline,
            tariff,
        };
        recorder.reprice(SimTime::ZERO);
        recorder
    }

    /// Ends counting at the window's end. Requests that are still inside stay in their places until then; the
    /// caller has told of each through [`Recorder::still_in`].
    pub fn finish(mut self) -> Record {
        let end = self.timeline.end();
        self.advance(end);
        self.record.classes = self.by_class.iter_mut().map(Live::take).collect();
        self.record.inside = self.inside.iter_mut().map(Live::take).collect();
        self.record
    }

    /// A time since a request's arrival as its client sees it.
    #[inline]
    fn as_sent(&self, since_arrival: SimDuration) -> SimDuration {
        since_arrival + self.front_end
    }

    fn sojourn(&mut self, now: SimTime, place: Place, since: SimTime) {
        let from = since.max(self.counting_from);
        self.record.sojourns[place as usize] += u128::from(now.since(from).0);
    }

    fn reprice(&mut self, now: SimTime) {
        self.prices = (0..self.classes.len())
            .map(|class| self.tariff.at(class, now))
            .collect();
    }

    /// Closes the running cell at `edge` and begins the next one.
    fn roll(&mut self, edge: SimTime) {
        self.settle_units();
        let next_edge = self
            .timeline
            .edges
            .get(self.next + 1)
            .copied()
            .unwrap_or(SimTime::NEVER);
        let mut cell = TimeCell {
            at_start: self.at_start,
            at_end: self.places.map(|p| p.value),
            integrals: Integrals {
                places: std::array::from_fn(|i| self.places[i].take(edge)),
                paid: self.paid.take(edge),
                working: self.working.take(edge),
                busy: self.busy.take(edge),
                prompts: self.prompts.take(edge, next_edge),
                kv_1024: self.kv.take(edge),
                blocked_by_kv: self.by_kv.take(edge),
                blocked_by_batch: self.by_batch.take(edge),
            },
            classes: std::mem::replace(
                &mut self.classes,
                vec![ClassCounts::default(); self.slos.len()],
            ),
            latencies: Latencies::default(),
            steps: std::mem::take(&mut self.steps),
        };
        let counted = self.next > 0;
        for ((live, completed), of_bucket) in self.live.iter_mut().zip(&mut self.record.buckets) {
            let latencies = live.take();
            let completed = std::mem::take(completed);
            if counted {
                cell.latencies.merge(&latencies);
                of_bucket.0.merge(&latencies);
                of_bucket.1 += completed;
            }
        }
        if counted {
            self.record.cells.push(cell);
        } else {
            self.by_class.fill(Live::default());
            self.record.before = cell.classes;
        }
        self.at_start = self.places.map(|p| p.value);
        self.next += 1;
        self.next_edge = next_edge;
        self.reprice(edge);
    }

    /// Counts a latency of a request of a class and input length.
    #[inline]
    fn count(
        &mut self,
        (class, input): (u16, u32),
        which: impl Fn(&mut Live) -> &mut Histogram,
        ns: u64,
    ) {
        let duration = Bucketed::of(ns);
        which(&mut self.live[bucket_of(input)].0).add_many(duration, 1);
        if !self.by_class.is_empty() {
            add_one(which(&mut self.by_class[usize::from(class)]), duration);
        }
    }

    /// A unit with room for those who take part there.
    #[cold]
    fn open_unit(&mut self, unit: usize) {
        let empty = UnitRequests {
            by_bucket: [0; BUCKETS],
            gaps: UnitGaps::new(self.by_class.len()),
        };
        self.units.resize(unit + 1, empty);
    }

    /// A request of one of several classes takes part in a unit's steps no more.
    #[inline(never)]
    fn leave_class(&mut self, class: u16, unit: usize) {
        let (classes, progress) = (&mut self.classes, self.progress_1024);
        let count = counter(&mut self.by_class, classes, progress);
        self.units[unit].gaps.leave(usize::from(class), count);
    }

    /// Counts what is noted of all units.
    fn settle_units(&mut self) {
        let mut count = counter(&mut self.by_class, &mut self.classes, self.progress_1024);
        for unit in &mut self.units {
            if !unit.gaps.is_empty() {
                unit.gaps.settle(&mut count);
            }
        }
    }

    /// A request that is new in a step, or computed again, has its tokens of it.
    #[inline]
    fn emitted(&mut self, new: &Joined, step: &StepRecord<'_>, last_ns: u64) {
        let mut tokens_1024 = self.progress_1024;
        if new.last_token == SimTime::NEVER {
            // its first token has been told of, and is no gap
            tokens_1024 -= 1024;
        } else {
            let gap = step.from.since(new.last_token).0 + last_ns;
            self.count((new.class, new.input), |live| &mut live.itl, gap);
        }
        self.classes[usize::from(new.class)].output_1024 += u128::from(tokens_1024);
    }
}

impl Observer for Recorder {
    #[inline]
    fn advance(&mut self, now: SimTime) {
        while self.next_edge <= now {
            self.roll(self.next_edge);
        }
    }

    #[inline]
    fn arrived(&mut self, request: &Request) {
        self.classes[usize::from(request.class)].arrived += 1;
    }

    #[inline]
    fn moved(&mut self, now: SimTime, _request: &Request, from: Place, since: SimTime, to: Place) {
        if from != Place::Outside {
            let level = &mut self.places[from as usize];
            level.set(now, level.value - 1);
            self.sojourn(now, from, since);
        }
        if to != Place::Outside {
            let level = &mut self.places[to as usize];
            level.set(now, level.value + 1);
        }
    }

    #[inline]
    fn prefill_started(&mut self, now: SimTime, request: &Request, _unit: usize) {
        let waited = now.since(request.at).0;
        self.count(
            (request.class, request.input),
            |live| &mut live.queue,
            waited,
        );
    }

    #[inline]
    fn prefill_step(&mut self, now: SimTime, _unit: usize, length: SimDuration, tokens: u64) {
        self.prompts.add(now, now + length, self.next_edge);
        self.steps.prefill_steps += 1;
        self.steps.prefill_tokens += tokens;
    }

    #[inline]
    fn first_token(&mut self, now: SimTime, request: &Request) {
        let ttft = self.as_sent(now.since(request.at)).0;
        self.count((request.class, request.input), |live| &mut live.ttft, ttft);
        let class = &mut self.classes[usize::from(request.class)];
        class.input += u64::from(request.input);
        class.cached += u64::from(request.cached);
        class.output_1024 += 1024;
    }

    #[inline]
    fn joined(
        &mut self,
        now: SimTime,
        request: &Request,
        _unit: usize,
        _rank: usize,
        since: SimTime,
    ) {
        let waited = now.since(since).0;
        self.count(
            (request.class, request.input),
            |live| &mut live.decode_queue,
            waited,
        );
    }

    #[inline]
    fn decode_step(&mut self, step: &StepRecord<'_>) {
        // A step's tokens are taken to leave evenly over it: with MTP the gap shrinks as tokens grow.
        let (length, progress) = (step.to.since(step.from).0, self.progress_1024);
        let last = if progress == 1024 {
            length
        } else {
            (length * 1024 + progress / 2) / progress
        };
        if step.unit >= self.units.len() {
            self.open_unit(step.unit);
        }
        let is_apart = !self.by_class.is_empty();
        if step.residents > 0 {
            let gap = Bucketed::of(step.from.since(step.since).0 + last);
            let unit = &mut self.units[step.unit];
            for ((live, _), &requests) in self.live.iter_mut().zip(&unit.by_bucket) {
                if requests > 0 {
                    live.itl.add_many(gap, requests);
                }
            }
            if !is_apart {
                self.classes[0].output_1024 += u128::from(step.residents * progress);
            } else if unit.gaps.note(gap) {
                unit.gaps
                    .settle(counter(&mut self.by_class, &mut self.classes, progress));
            }
        }
        for new in step.joined {
            self.emitted(new, step, last);
            let unit = &mut self.units[step.unit];
            unit.by_bucket[bucket_of(new.input)] += 1;
            if is_apart {
                let count = counter(&mut self.by_class, &mut self.classes, progress);
                unit.gaps.enter(usize::from(new.class), count);
            }
        }
        for again in step.recomputed {
            self.emitted(again, step, last);
        }
        let new = step.joined.len() + step.recomputed.len();
        let requests = step.residents + new as u64;
        self.steps.decode_steps += 1;
        self.steps.shared_steps += u64::from(step.shared);
        self.steps.request_steps += requests;
        self.steps.kv_1024 += u128::from(step.kv_1024);
    }

    #[inline]
    fn left_batch(&mut self, request: &Request, index: usize) {
        self.units[index].by_bucket[bucket_of(request.input)] -= 1;
        if !self.by_class.is_empty() {
            self.leave_class(request.class, index);
        }
    }

    #[inline]
    fn completed(
        &mut self,
        now: SimTime,
        request: &Request,
        first_token: SimTime,
        overshoot_1024: u64,
    ) {
        let index = usize::from(request.class);
        let since = |end: SimTime| self.as_sent(end.since(request.at)).0;
        let (e2e, ttft) = (since(now), since(first_token));
        let kind = (request.class, request.input);
        self.count(kind, |live| &mut live.e2e, e2e);
        let mut tpot = 0;
        if request.output >= 2 {
            let after = u64::from(request.output - 1);
            tpot = tpot_ns(e2e - ttft, request.output);
            self.count(kind, |live| &mut live.tpot, tpot);
            self.steps.tokens_after_first += after;
            self.steps.ns_after_first += u128::from(e2e - ttft);
        }
        self.live[bucket_of(request.input)].1 += 1;
        let class = &mut self.classes[index];
        class.completed += 1;
        class.output_1024 -= u128::from(overshoot_1024);
        class.revenue += bill(
            &self.prices[index],
            request.cached,
            request.input - request.cached,
            request.output,
        )
        .0;
        if let Some(slo) = &self.slos[index] {
            let met = slo.ttft.is_none_or(|limit| ttft <= limit.0)
                && (request.output < 2 || slo.tpot.is_none_or(|limit| tpot <= limit.0));
            class.met_slo += u64::from(met);
        }
    }

    fn ended(&mut self, _now: SimTime, request: &Request, fate: Fate) {
        let index = usize::from(request.class);
        let class = &mut self.classes[index];
        match fate {
            Fate::Completed => class.completed += 1,
            Fate::Rejected => class.rejected += 1,
            Fate::Failed => class.failed += 1,
        }
        class.unbilled += u64::from(self.tariff.is_billed(index));
    }

    fn preempted(&mut self, _now: SimTime, _request: &Request) {
        self.steps.preemptions += 1;
    }

    fn migrated(&mut self, _now: SimTime, _request: &Request) {
        self.steps.migrations += 1;
    }

    fn step_lost(&mut self, now: SimTime, _unit: usize, until: SimTime, prompts: bool) {
        if prompts {
            self.prompts.cut(now, until, self.next_edge);
        }
    }

    fn units(&mut self, now: SimTime, paid: u64, working: u64) {
        self.record.paid.set(now, paid);
        self.paid.set(now, paid);
        self.working.set(now, working);
    }

    #[inline]
    fn busy(&mut self, now: SimTime, units: u64) {
        self.busy.set(now, units);
    }

    #[inline]
    fn kv(&mut self, now: SimTime, kv_1024: u64) {
        self.kv.set(now, kv_1024);
    }

    #[inline]
    fn blocked(&mut self, now: SimTime, by_kv: u64, by_batch: u64) {
        self.by_kv.set(now, by_kv);
        self.by_batch.set(now, by_batch);
    }

    fn still_in(&mut self, request: &Request, place: Place, since: SimTime, first_token: SimTime) {
        let end = self.timeline.end();
        self.sojourn(end, place, since);
        let index = usize::from(request.class);
        let (slo, front_end) = (self.slos[index].as_ref(), self.front_end);
        self.record.left[index].add(request, first_token, end, slo, front_end);
        self.inside[index].add_so_far(request, (place, since), first_token, end, front_end);
    }
}

/// Counts a duration where there are several classes: out of the way of where there is one.
#[inline(never)]
fn add_one(histogram: &mut Histogram, duration: Bucketed) {
    histogram.add_many(duration, 1);
}

/// Counts gaps of classes, and the tokens that end them.
#[inline]
fn counter(
    by_class: &mut [Live],
    classes: &mut [ClassCounts],
    progress_1024: u64,
) -> impl FnMut(ClassGaps<'_>) {
    move |new| {
        by_class[new.class].itl.add_each(new.gaps, new.requests);
        let steps = new.requests * new.gaps.len() as u64;
        classes[new.class].output_1024 += u128::from(steps * progress_1024);
    }
}
