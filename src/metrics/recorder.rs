//! The observer behind every summary: counts, populations and latencies of one pool, cell by cell.

use super::cells::{ClassCounts, Integrals, Latencies, StepCounts, TimeCell, Timeline};
use super::left::{Left, tpot_ns};
use super::live::Live;
use super::observer::{Fate, Observer, Place, StepRecord};
use super::prompt_time::PromptTime;
use crate::catalog::TokenPrices;
use crate::economics::{Tariff, paid::PaidUnits, tariff::bill};
use crate::scenario::{Scenario, Slo};
use crate::units::{SimDuration, SimTime};
use crate::workload::Request;

/// Lower edges of the input-length buckets after the first, in tokens.
pub const BUCKET_EDGES: [u32; 4] = [1_024, 4_096, 16_384, 65_536];
/// Number of input-length buckets.
pub const BUCKETS: usize = BUCKET_EDGES.len() + 1;

/// The input-length bucket of a prompt: the edges are 2^10, 2^12, 2^14 and 2^16.
#[inline]
pub fn bucket_of(input: u32) -> usize {
    let octave = 31 - input.max(1).leading_zeros();
    (octave.saturating_sub(8) / 2).min(BUCKETS as u32 - 1) as usize
}

/// The present number of something, and its integral over time.
#[derive(Clone, Copy, Debug, Default)]
struct Level {
    value: u64,
    since: SimTime,
    integral: u128,
}

impl Level {
    #[inline]
    fn set(&mut self, now: SimTime, value: u64) {
        self.settle(now);
        self.value = value;
    }

    #[inline]
    fn settle(&mut self, now: SimTime) {
        if now == self.since {
            return;
        }
        self.integral += u128::from(self.value) * u128::from(now.0 - self.since.0);
        self.since = now;
    }

    fn take(&mut self, now: SimTime) -> u128 {
        self.settle(now);
        std::mem::take(&mut self.integral)
    }
}

/// The counts of a recorder whose pool is done.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// Counted cells, in the order of the timeline.
    pub cells: Vec<TimeCell>,
    /// Paid units, from the beginning of the simulation.
    pub paid: PaidUnits,
    /// Latencies and completed requests by kind (class x input-length bucket), over the whole window.
    pub kinds: Vec<(Latencies, u64)>,
    /// Request side of Little's law: time spent in each place inside the window, request-ns.
    pub sojourns: [u128; 5],
    /// Counts of each class from before the window.
    pub before: Vec<ClassCounts>,
    /// Requests of each class that are inside when the window ends.
    pub left: Vec<Left>,
    /// Latencies so far of each class's requests that are inside when the window ends and do not have them yet.
    pub inside: Vec<Latencies>,
}

/// An observer that counts what one pool does.
#[derive(Clone, Debug)]
pub struct Recorder {
    timeline: Timeline,
    tariff: Tariff,
    slos: Vec<Option<Slo>>,
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
    live: Vec<Live>,
    /// Latencies so far of each class that are not known when the window ends.
    inside: Vec<Live>,
    completed_by_kind: Vec<u64>,
    steps: StepCounts,
    record: Record,
}

impl Recorder {
    /// A recorder for the scenario's classes over this timeline.
    pub fn new(scenario: &Scenario, timeline: Timeline) -> Self {
        let kinds = scenario.classes.len() * BUCKETS;
        let tariff = Tariff::new(scenario);
        let mut recorder = Self {
            slos: scenario.classes.iter().map(|c| c.slo).collect(),
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
            classes: vec![ClassCounts::default(); scenario.classes.len()],
            live: vec![Live::default(); kinds],
            inside: vec![Live::default(); scenario.classes.len()],
            completed_by_kind: vec![0; kinds],
            steps: StepCounts::default(),
            record: Record {
                kinds: vec![(Latencies::default(), 0); kinds],
                left: vec![Left::default(); scenario.classes.len()],
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
        self.record.inside = self.inside.iter_mut().map(Live::take).collect();
        self.record
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
        for (kind, live) in self.live.iter_mut().enumerate() {
            let latencies = live.take();
            let completed = std::mem::take(&mut self.completed_by_kind[kind]);
            if counted {
                cell.latencies.merge(&latencies);
                self.record.kinds[kind].0.merge(&latencies);
                self.record.kinds[kind].1 += completed;
            }
        }
        if counted {
            self.record.cells.push(cell);
        } else {
            self.record.before = cell.classes;
        }
        self.at_start = self.places.map(|p| p.value);
        self.next += 1;
        self.next_edge = next_edge;
        self.reprice(edge);
    }

    #[inline]
    fn kind_of(request: &Request) -> usize {
        usize::from(request.class) * BUCKETS + bucket_of(request.input)
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
        self.live[Self::kind_of(request)]
            .queue
            .add(now.since(request.at).0);
    }

    #[inline]
    fn prefill_step(&mut self, now: SimTime, _unit: usize, length: SimDuration, tokens: u64) {
        self.prompts.add(now, now + length, self.next_edge);
        self.steps.prefill_steps += 1;
        self.steps.prefill_tokens += tokens;
    }

    #[inline]
    fn first_token(&mut self, now: SimTime, request: &Request) {
        self.live[Self::kind_of(request)]
            .ttft
            .add(now.since(request.at).0);
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
        self.live[Self::kind_of(request)]
            .decode_queue
            .add(now.since(since).0);
    }

    #[inline]
    fn decode_step(&mut self, step: &StepRecord<'_>) {
        // A step's tokens are taken to leave evenly over it: with MTP the gap shrinks as tokens grow.
        let per_token = |ns: u64| {
            if step.progress_1024 == 1024 {
                ns
            } else {
                (ns * 1024 + step.progress_1024 / 2) / step.progress_1024
            }
        };
        let mut requests = 0;
        let last = per_token(step.to.since(step.from).0);
        let gap = step.from.since(step.since).0 + last;
        for (kind, &n) in step.requests_by_kind.iter().enumerate() {
            if n > 0 {
                requests += n;
                self.live[kind].itl.add_many(gap, n);
                self.classes[kind / BUCKETS].output_1024 += u128::from(n * step.progress_1024);
            }
        }
        for new in step.joined {
            requests += 1;
            let kind = usize::from(new.kind);
            let mut tokens_1024 = step.progress_1024;
            if new.last_token == SimTime::NEVER {
                // its first token has been told of, and is no gap
                tokens_1024 -= 1024;
            } else {
                self.live[kind]
                    .itl
                    .add(step.from.since(new.last_token).0 + last);
            }
            self.classes[kind / BUCKETS].output_1024 += u128::from(tokens_1024);
        }
        self.steps.decode_steps += 1;
        self.steps.shared_steps += u64::from(step.shared);
        self.steps.request_steps += requests;
        self.steps.kv_1024 += u128::from(step.kv_1024);
    }

    #[inline]
    fn completed(
        &mut self,
        now: SimTime,
        request: &Request,
        first_token: SimTime,
        overshoot_1024: u64,
    ) {
        let kind = Self::kind_of(request);
        let index = usize::from(request.class);
        let (e2e, ttft) = (now.since(request.at).0, first_token.since(request.at).0);
        let live = &mut self.live[kind];
        live.e2e.add(e2e);
        let mut tpot = 0;
        if request.output >= 2 {
            let after = u64::from(request.output - 1);
            tpot = tpot_ns(e2e - ttft, request.output);
            live.tpot.add(tpot);
            self.steps.tokens_after_first += after;
            self.steps.ns_after_first += u128::from(e2e - ttft);
        }
        self.completed_by_kind[kind] += 1;
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
        self.record.left[index].add(request, first_token, end, self.slos[index].as_ref());
        self.inside[index].add_so_far(request, place, since, first_token, end);
    }

    #[inline]
    fn kind(&self, request: &Request) -> u16 {
        Self::kind_of(request) as u16
    }

    fn kinds(&self) -> usize {
        self.live.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_follow_their_edges() {
        for (i, edge) in BUCKET_EDGES.into_iter().enumerate() {
            assert_eq!(bucket_of(edge - 1), i);
            assert_eq!(bucket_of(edge), i + 1);
        }
        assert_eq!(bucket_of(1), 0);
        assert_eq!(bucket_of(u32::MAX), BUCKETS - 1);
    }

    #[test]
    fn a_level_integrates_exactly() {
        let mut level = Level::default();
        level.set(SimTime(10), 3);
        level.set(SimTime(15), 1);
        assert_eq!(level.take(SimTime(20)), 3 * 5 + 5);
        assert_eq!(level.take(SimTime(21)), 1);
    }
}
