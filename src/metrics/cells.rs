//! Cells: the counted window cut at the edges of every hour, every interval and every price change, and
//! all that is counted in one of the pieces. Cells add up.

use super::histogram::SparseHistogram;
use crate::units::{NS_PER_HOUR, SimDuration, SimTime};

/// The edges at which the window is cut into cells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeline {
    /// Edges, ascending; the first is the window's start, the last its end.
    pub edges: Vec<SimTime>,
}

impl Timeline {
    /// Cuts `[from, from + duration)` at hours, at multiples of `every` and at `more` instants.
    pub fn new(
        from: SimTime,
        duration: SimDuration,
        every: Option<SimDuration>,
        more: &[SimTime],
    ) -> Self {
        let to = from + duration;
        let mut edges = vec![from, to];
        for step in [Some(SimDuration(NS_PER_HOUR)), every]
            .into_iter()
            .flatten()
        {
            edges.extend(
                Self::spans(from, duration, step)
                    .into_iter()
                    .map(|(start, _)| start),
            );
        }
        edges.extend(more.iter().copied().filter(|t| (from..to).contains(t)));
        edges.sort_unstable();
        edges.dedup();
        Self { edges }
    }

    /// The pieces of `[from, from + duration)`, each `step` long, the last one perhaps shorter.
    pub fn spans(
        from: SimTime,
        duration: SimDuration,
        step: SimDuration,
    ) -> Vec<(SimTime, SimTime)> {
        let to = from + duration;
        let mut spans = Vec::new();
        let mut start = from;
        while start < to {
            let end = (start + step).min(to);
            spans.push((start, end));
            start = end;
        }
        spans
    }

    /// The instant at which counting starts.
    pub fn start(&self) -> SimTime {
        self.edges.first().copied().unwrap_or(SimTime::ZERO)
    }

    /// The instant at which counting, and the simulation, ends.
    pub fn end(&self) -> SimTime {
        self.edges.last().copied().unwrap_or(SimTime::ZERO)
    }

    /// Indices of the cells that make up `[from, to)`, both of which are edges.
    pub fn cells(&self, from: SimTime, to: SimTime) -> std::ops::Range<usize> {
        self.edges.partition_point(|e| *e < from)..self.edges.partition_point(|e| *e < to)
    }
}

/// Histograms of the six latencies, in compact form, in ns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Latencies {
    /// TTFT: arrival to first token.
    pub ttft: SparseHistogram,
    /// TPOT: time per output token after the first.
    pub tpot: SparseHistogram,
    /// ITL: gaps between tokens.
    pub itl: SparseHistogram,
    /// E2E: arrival to last token.
    pub e2e: SparseHistogram,
    /// Prefill queue: arrival to first prefill step.
    pub queue: SparseHistogram,
    /// Decode queue: arrival of the KV to joining a rank.
    pub decode_queue: SparseHistogram,
}

impl Latencies {
    /// Adds other latencies to these.
    pub fn merge(&mut self, other: &Self) {
        self.ttft.merge(&other.ttft);
        self.tpot.merge(&other.tpot);
        self.itl.merge(&other.itl);
        self.e2e.merge(&other.e2e);
        self.queue.merge(&other.queue);
        self.decode_queue.merge(&other.decode_queue);
    }
}

/// Counts of one class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClassCounts {
    /// Requests that arrived.
    pub arrived: u64,
    /// Requests that got their last token.
    pub completed: u64,
    /// Requests that found a full queue.
    pub rejected: u64,
    /// Requests that can never be served.
    pub failed: u64,
    /// Requests that have a price but ended without completing.
    pub unbilled: u64,
    /// Prompt tokens of the requests whose first token left.
    pub input: u64,
    /// Prompt tokens of these requests that the cache held.
    pub cached: u64,
    /// Generated tokens, in 1/1024.
    pub output_1024: u128,
    /// Revenue from the class's requests, in picodollars.
    pub revenue: u128,
    /// Completed requests that met every target of their class.
    pub met_slo: u64,
}

impl ClassCounts {
    /// Adds another count to this one.
    pub fn merge(&mut self, other: &Self) {
        self.arrived += other.arrived;
        self.completed += other.completed;
        self.rejected += other.rejected;
        self.failed += other.failed;
        self.unbilled += other.unbilled;
        self.input += other.input;
        self.cached += other.cached;
        self.output_1024 += other.output_1024;
        self.revenue += other.revenue;
        self.met_slo += other.met_slo;
    }
}

/// Integrals over time of numbers of requests, units and tokens, in their unit times nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Integrals {
    /// Requests in each place, in the order of `Place::INSIDE`.
    pub places: [u128; 5],
    /// Units paid.
    pub paid: u128,
    /// Units serving or draining.
    pub working: u128,
    /// Units in a step.
    pub busy: u128,
    /// Units in a step that computes prompts.
    pub prompts: u128,
    /// KV tokens resident, in 1/1024.
    pub kv_1024: u128,
    /// Units whose queue waits for KV memory.
    pub blocked_by_kv: u128,
    /// Units whose queue waits for a batch slot.
    pub blocked_by_batch: u128,
}

impl Integrals {
    /// Adds other integrals to these.
    pub fn merge(&mut self, other: &Self) {
        for (a, b) in self.places.iter_mut().zip(other.places) {
            *a += b;
        }
        self.paid += other.paid;
        self.working += other.working;
        self.busy += other.busy;
        self.prompts += other.prompts;
        self.kv_1024 += other.kv_1024;
        self.blocked_by_kv += other.blocked_by_kv;
        self.blocked_by_batch += other.blocked_by_batch;
    }
}

/// Counts of steps and of generation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StepCounts {
    /// Prefill steps begun.
    pub prefill_steps: u64,
    /// Tokens in prefill steps.
    pub prefill_tokens: u64,
    /// Decode steps ended.
    pub decode_steps: u64,
    /// Decode steps in which prompts were computed too.
    pub shared_steps: u64,
    /// Requests in decode steps: (request, step) pairs.
    pub request_steps: u64,
    /// KV tokens attended to in decode steps, in 1/1024.
    pub kv_1024: u128,
    /// Preemptions: requests that left a full rank.
    pub preemptions: u64,
    /// Migrations: requests moved at a release.
    pub migrations: u64,
    /// Tokens after the first, of completed requests.
    pub tokens_after_first: u64,
    /// Time from first to last token of completed requests, in ns.
    pub ns_after_first: u128,
}

impl StepCounts {
    /// Adds another count to this one.
    pub fn merge(&mut self, other: &Self) {
        self.prefill_steps += other.prefill_steps;
        self.prefill_tokens += other.prefill_tokens;
        self.decode_steps += other.decode_steps;
        self.shared_steps += other.shared_steps;
        self.request_steps += other.request_steps;
        self.kv_1024 += other.kv_1024;
        self.preemptions += other.preemptions;
        self.migrations += other.migrations;
        self.tokens_after_first += other.tokens_after_first;
        self.ns_after_first += other.ns_after_first;
    }
}

/// A cell: what a pool counts between two edges of the timeline.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TimeCell {
    /// Requests in each place when the cell begins, in the order of `Place::INSIDE`.
    pub at_start: [u64; 5],
    /// Requests in each place when the cell ends, in the same order.
    pub at_end: [u64; 5],
    /// Integrals over the cell's time.
    pub integrals: Integrals,
    /// Counts of each class.
    pub classes: Vec<ClassCounts>,
    /// Latencies over all classes.
    pub latencies: Latencies,
    /// Counts of steps and generation.
    pub steps: StepCounts,
}

impl TimeCell {
    /// Adds the next cell to this one.
    pub fn merge(&mut self, next: &Self) {
        self.at_end = next.at_end;
        self.integrals.merge(&next.integrals);
        if self.classes.len() < next.classes.len() {
            self.classes
                .resize(next.classes.len(), ClassCounts::default());
        }
        for (a, b) in self.classes.iter_mut().zip(&next.classes) {
            a.merge(b);
        }
        self.latencies.merge(&next.latencies);
        self.steps.merge(&next.steps);
    }

    /// The sum of consecutive cells.
    pub fn sum(cells: &[Self]) -> Self {
        let mut sum = cells
            .first()
            .map(|c| Self {
                at_start: c.at_start,
                ..Self::default()
            })
            .unwrap_or_default();
        for cell in cells {
            sum.merge(cell);
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_is_cut_at_hours_intervals_and_prices() {
        let hour = NS_PER_HOUR;
        let from = SimTime(7);
        let timeline = Timeline::new(
            from,
            SimDuration(2 * hour),
            Some(SimDuration(hour / 2)),
            &[SimTime(8)],
        );
        let expect: Vec<SimTime> = [7, 8, 7 + hour / 2, 7 + hour, 7 + 3 * hour / 2, 7 + 2 * hour]
            .into_iter()
            .map(SimTime)
            .collect();
        assert_eq!(timeline.edges, expect);
        assert_eq!(timeline.cells(from, SimTime(7 + hour)), 0..3);
        assert_eq!(timeline.cells(SimTime(7 + hour), timeline.end()), 3..5);
    }
}
