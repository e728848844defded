//! What a run needs before any request is in flight, estimated from the scenario alone, so that a
//! scenario of large numbers is refused in a moment instead of filling the machine.
//!
//! The sizes are of this program's own records, rounded up; `tests/limits.rs` measures that the estimate
//! is not below what a run takes.

use super::unstable::bytes;
use crate::cluster::schedule::paid_units;
use crate::economics::Tariff;
use crate::engine::user_bytes;
use crate::metrics::length_bucket::BUCKETS;
use crate::perf::room::mean_lengths;
use crate::report::batches;
use crate::report::format::count;
use crate::scenario::{ArrivalKind, Class, Law, LengthLaw, Pool, Role, Scenario};
use crate::traffic::ClientPool;
use crate::units::{NS_PER_DAY, NS_PER_HOUR, SimTime};

/// Bytes of the program, its tables and buffers.
const PROGRAM_BYTES: u64 = 16_000_000;
/// Bytes of a table of quantiles: 4,096 lines of 16.
const TABLE_BYTES: u64 = 66_000;
/// Bytes of the latencies of a class or bucket of input lengths in both recorders: six histograms, each of up to 16
/// octaves of 128 buckets of 8 bytes.
const LATENCIES_BYTES: u64 = 100_000;
/// A counted cell of time, for both recorders, without its classes: integrals, and distributions that
/// reach over a few octaves of 128 buckets of 16 bytes.
const CELL_BYTES: u64 = 80_000;
/// Bytes of a class in a cell, for both recorders.
const CLASS_CELL_BYTES: u64 = 256;
/// Bytes of a unit without its ranks: most of it the wheel of those who decode, and the gaps between tokens of late.
const UNIT_BYTES: u64 = 15_000;
/// Bytes of a class on a unit.
const UNIT_CLASS_BYTES: u64 = 12;
/// Bytes of a rank: a dozen numbers.
const RANK_BYTES: u64 = 128;
/// Bytes of a span that a rank's prefix cache keeps: in a map and in the order of going, each with room to grow, and when
/// it was held.
const SPAN_BYTES: u64 = 384;
/// KV tokens that a rank is taken to hold where nothing is stated.
const UNKNOWN_KV_TOKENS: u64 = 1_000_000;
/// Bytes of a change of a unit's life, in a list that doubles and is copied once.
const CHANGE_BYTES: u64 = 128;
/// Bytes of a period of the day.
const PERIOD_BYTES: u64 = 128;
/// Bytes of a recorded request: its row, its text, its length among the sorted ones.
const ROW_BYTES: u64 = 192;
/// Bytes for a recording that is streamed: a line of the longest, what unpacks it (the dictionary of xz at its highest
/// level), and rows that are held back until those before them have come.
const STREAM_BYTES: u64 = 80_000_000;
/// Bytes of an hour or interval in the summary as JSON.
const SPAN_OUTPUT_BYTES: u64 = 5_000;
/// Bytes of a class or a published figure in the summary as JSON.
const CLASS_OUTPUT_BYTES: u64 = 3_000;
/// Bytes of an hour of a class's SLO in the summary as JSON.
const SLO_HOUR_OUTPUT_BYTES: u64 = 160;
/// Bytes of all other output.
const REST_OUTPUT_BYTES: u64 = 50_000;

/// An estimate of what a run needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResourceNeed {
    /// Bytes of memory beside that of requests in flight.
    pub memory_bytes: u64,
    /// Bytes of all output.
    pub output_bytes: u64,
    /// Number of users of closed loops, whose requests may be in flight from the start.
    pub users: u64,
}

impl ResourceNeed {
    /// Estimates what a run of this scenario needs.
    pub fn of(scenario: &Scenario) -> Self {
        let classes = scenario.classes.len() as u64;
        let hours = scenario.duration.0.div_ceil(NS_PER_HOUR);
        let every = |step: u64| scenario.duration.0.div_ceil(step.max(1));
        let spans = hours + scenario.report_every.map_or(0, |step| every(step.0));
        let (from, duration) = (SimTime::ZERO + scenario.warm_up, scenario.duration);
        let price_changes = Tariff::new(scenario).changes(from, from + duration);
        let batches = batches::edges(scenario).len() as u64;
        let spans = spans + scenario.slo_every.map_or(0, |step| every(step.0));
        let cells = spans + price_changes.len() as u64 + batches;
        let cut = cells * (CELL_BYTES + classes * CLASS_CELL_BYTES)
            + (BUCKETS as u64 + classes) * LATENCIES_BYTES;
        let pools: u64 = scenario
            .pools
            .iter()
            .map(|p| pool(scenario, p, classes))
            .sum();
        let load: u64 = scenario.classes.iter().map(class).sum();
        let users: u64 = scenario.classes.iter().map(users).sum();
        let text = scenario.text_bytes();
        let output = spans * SPAN_OUTPUT_BYTES
            + hours * classes * SLO_HOUR_OUTPUT_BYTES
            + (classes + scenario.published.len() as u64) * CLASS_OUTPUT_BYTES
            + text
            + REST_OUTPUT_BYTES;
        Self {
            memory_bytes: PROGRAM_BYTES
                + cut
                + pools
                + load
                + user_bytes(users)
                + 4 * text
                + 2 * output,
            output_bytes: output,
            users,
        }
    }

    /// What of the need the scenario's limits forbid, as a sentence; `None`: nothing.
    pub fn beyond(&self, scenario: &Scenario) -> Option<String> {
        let limits = &scenario.limits;
        let most = "raise it, or ask for less: fewer classes, units, intervals, changes of the schedule, \
                    or a shorter time";
        if self.memory_bytes > limits.memory_bytes {
            return Some(format!(
                "the run would take about {} of memory before its first request, and limits.memory_gb is {}: {most}",
                bytes(self.memory_bytes),
                limits.memory_bytes as f64 / 1e9
            ));
        }
        if self.output_bytes > limits.output_bytes {
            return Some(format!(
                "the run would write about {}, and limits.output_mb is {}: {most}",
                bytes(self.output_bytes),
                limits.output_bytes as f64 / 1e6
            ));
        }
        if self.users > limits.requests_in_flight {
            return Some(format!(
                "the closed loops have {} users, and limits.requests_in_flight is {}: raise it, or let fewer users ask",
                count(self.users),
                count(limits.requests_in_flight)
            ));
        }
        None
    }
}

fn pool(scenario: &Scenario, pool: &Pool, classes: u64) -> u64 {
    let steps = pool.schedule.steps.iter();
    let most = u64::from(steps.map(|(_, units)| *units).max().unwrap_or(0));
    let unit = UNIT_BYTES + u64::from(pool.ranks) * RANK_BYTES + UNIT_CLASS_BYTES * classes;
    let of_role = match pool.role {
        Role::Prefill => RANK_BYTES * u64::from(pool.ranks) + 1_000,
        Role::Decode | Role::Mixed => unit,
    };
    let of_role = of_role + u64::from(pool.ranks) * kept_spans(scenario, pool) * SPAN_BYTES;
    most * of_role + changes(scenario, pool) * CHANGE_BYTES
}

/// Spans of prompts that a rank keeps in a full prefix cache: of most requests what is theirs alone, and shared prompts.
fn kept_spans(scenario: &Scenario, pool: &Pool) -> u64 {
    let Some(blocks) = scenario.kv_cache.blocks() else {
        return 0;
    };
    let prompts = scenario.classes.iter().filter_map(|c| c.shared_prompts);
    let longest = prompts.clone().map(|p| p.tokens).max().unwrap_or(0);
    let (input, output) = mean_lengths(scenario);
    let own = (input + output - f64::from(longest)).max(f64::from(blocks.tokens));
    let tokens = pool.kv_capacity_tokens.unwrap_or(UNKNOWN_KV_TOKENS);
    let shared: u64 = prompts.map(|p| u64::from(p.count)).sum();
    let most = tokens / u64::from(blocks.tokens);
    ((tokens as f64 / own) as u64 + shared).min(most)
}

/// Changes of units' lives over the whole run: a day's, times its days.
fn changes(scenario: &Scenario, pool: &Pool) -> u64 {
    let day = paid_units(&pool.schedule, scenario, SimTime(2 * NS_PER_DAY));
    let jumps = day.windows(2).map(|w| u64::from(w[0].1.abs_diff(w[1].1)));
    let first = day.first().map_or(0, |(_, units)| u64::from(*units));
    let days = (scenario.warm_up.0 + scenario.duration.0).div_ceil(NS_PER_DAY) + 1;
    2 * (first + jumps.sum::<u64>() * days)
}

fn class(class: &Class) -> u64 {
    let rows = match &class.arrivals.kind {
        // A long recording is streamed: what is held are its buffers and the rows that stand late in the file.
        ArrivalKind::Trace(play) => match play.held_rows() {
            0 => STREAM_BYTES.div_ceil(ROW_BYTES) + play.facts.entries(),
            held => held,
        },
        ArrivalKind::Clients(play) => entries(&play.pool),
        ArrivalKind::Poisson
        | ArrivalKind::Deterministic
        | ArrivalKind::Renewal(_)
        | ArrivalKind::Bursts(_)
        | ArrivalKind::ClosedLoop(_)
        | ArrivalKind::Sessions(_) => 0,
    };
    let laws = tables(&class.input) + tables(&class.output);
    // Joined lengths are tabulated by their ranks, too.
    let tables = 1 + laws
        * if class.length_correlation.is_some() {
            2
        } else {
            1
        };
    tables * TABLE_BYTES
        + (class.arrivals.periods.len() + class.arrivals.rate.len()) as u64 * PERIOD_BYTES
        + rows * ROW_BYTES
}

/// Lengths of all clients: each stands in the pool and in a ladder of ranks, of 8 bytes both.
fn entries(pool: &ClientPool) -> u64 {
    let lengths = pool.clients.iter().flat_map(|client| &client.lengths);
    let entries: usize = lengths.map(|law| law.input.len() + law.output.len()).sum();
    (entries as u64 * 16).div_ceil(ROW_BYTES)
}

fn tables(law: &LengthLaw) -> u64 {
    match &law.law {
        Law::Mixture { parts } => parts.len() as u64,
        Law::Empirical { values } => 1 + values.len() as u64 * 64 / TABLE_BYTES,
        Law::Constant { .. }
        | Law::Uniform { .. }
        | Law::Exponential { .. }
        | Law::Lognormal { .. }
        | Law::Gamma { .. } => 1,
    }
}

fn users(class: &Class) -> u64 {
    match &class.arrivals.kind {
        ArrivalKind::ClosedLoop(closed) => u64::from(closed.users),
        ArrivalKind::Poisson
        | ArrivalKind::Deterministic
        | ArrivalKind::Sessions(_)
        | ArrivalKind::Renewal(_)
        | ArrivalKind::Bursts(_)
        | ArrivalKind::Clients(_)
        | ArrivalKind::Trace(_) => 0,
    }
}
