//! The model as integers: what the engine looks up while it runs.
//!
//! Times are picoseconds, slopes 2^-12 picoseconds for each unit of attention (a pair, or 1/1024 of a KV
//! token). A rank's own part is looked up by its own load: numbers of requests have an entry each; prompt
//! tokens one for every [`TOKENS_PER_ENTRY`] (the next larger one is taken, as kernels work on tiles). The
//! shared part is looked up by the unit's total, once a step. A unit runs all its ranks in one mode: a step is
//! the shorter of the modes' longest ranks.

use super::Kv1024;
use super::meet::{Attended, Both, Own, Pairwise, Stages, Ways, Whole};
use super::step::Kv;
use super::unit_shape::RooflineUnit;
use crate::perf::{DecodeLoads, OwnLines, PrefillLoad};
use crate::units::{Picoseconds, SimDuration};

/// Picoseconds in a second.
const PS: f64 = 1e12;
/// Fraction bits of a slope.
const SLOPE_BITS: u32 = 12;
/// Prompt tokens for which one entry of a table stands.
pub const TOKENS_PER_ENTRY: u64 = 16;
/// Bound of a full rank's step (4 x 10^15 ps, 67 minutes), so that products never wrap.
const STEP_MAX_PS: f64 = 4e15;
/// Time of a mode that does not run, in ps.
const FOR_EVER: u64 = u64::MAX >> 2;

/// Totals of a unit and their entries: each total up to `exact`, then [`Totals::OCTAVE`] for every doubling,
/// the next larger one being taken.
#[derive(Clone, Copy, Debug)]
pub struct Totals {
    exact: u64,
}

impl Totals {
    /// Entries for each doubling of the total: within 0.2 % of it.
    const OCTAVE: u64 = 512;

    /// The entries for a unit of `ranks` ranks, a full one of which counts `most`. Where there is one rank only,
    /// every total has its entry.
    pub fn of(ranks: u64, most: u64) -> Self {
        let twice = 2 * Self::OCTAVE;
        Self {
            exact: if ranks == 1 { most.max(twice) } else { twice },
        }
    }

    /// The entry that serves a total.
    #[inline]
    pub fn entry(self, total: u64) -> usize {
        if total <= self.exact {
            return total as usize;
        }
        // beyond `exact` x 2^(k - 1) steps are 2^k
        let k = ((total - 1) / self.exact).ilog2() + 1;
        let from = self.exact << (k - 1);
        let steps = (total - from).div_ceil(1 << k);
        (self.exact + u64::from(k - 1) * (self.exact / 2) + steps) as usize
    }

    /// The total that an entry stands for.
    pub fn total(self, entry: usize) -> u64 {
        let entry = entry as u64;
        if entry <= self.exact {
            return entry;
        }
        let (beyond, octave) = (entry - self.exact - 1, self.exact / 2);
        let k = (beyond / octave + 1) as u32;
        (self.exact << (k - 1)) + ((beyond % octave + 1) << k)
    }
}

/// Slopes of attention, in 2^-12 ps.
#[derive(Clone, Copy, Debug, Default)]
struct Slopes {
    of: Attended<u64>,
}

impl Slopes {
    fn new(seconds: Attended<f64>, units: f64) -> Self {
        Self {
            of: Attended {
                all: slope(seconds.all, units),
                dense: slope(seconds.dense, units),
                moe: slope(seconds.moe, units),
            },
        }
    }

    #[inline]
    fn over(&self, x: u64) -> Attended<u64> {
        Attended {
            all: along(self.of.all, x),
            dense: along(self.of.dense, x),
            moe: along(self.of.moe, x),
        }
    }
}

/// Own parts by a rank's load and shared parts by the unit's total.
#[derive(Clone, Debug)]
struct RooflineTable<O> {
    own: Vec<Ways<u64, O>>,
    shared: Vec<Both<u64>>,
    totals: Totals,
    /// Work of a host that prepares a step while the one before runs, by a rank's load, in ps; empty: it adds to the
    /// own part.
    hosts: Vec<u64>,
}

impl<O: Own<u64>> RooflineTable<O> {
    /// Fills the tables; `most` and totals are counted in entries of own parts.
    fn new<F>(
        ranks: u64,
        most: u64,
        own: impl Fn(u64) -> Ways<f64, F>,
        shared: impl Fn(f64) -> Both<f64>,
    ) -> Self
    where
        F: Own<f64> + Whole<Of = O>,
    {
        let totals = Totals::of(ranks, most);
        let whole = |ways: Ways<f64, F>| Ways {
            plain: ways.plain.whole(ps),
            overlapped: ways.overlapped.whole(ps),
        };
        // a rank with nothing on it waits for the others
        let mut owns = vec![Ways::default()];
        owns.extend((1..=most).map(|n| whole(own(n))));
        let mut shares = vec![Both::default()];
        shares.extend((1..=totals.entry(ranks * most)).map(|entry| {
            let total = totals.total(entry);
            let shared = shared(total as f64 / ranks as f64);
            let mut whole = Both {
                plain: shared.plain.whole(ps),
                overlapped: shared.overlapped.whole(ps),
            };
            if ranks == 1 && shared.plain.experts.is_finite() {
                // both parts together are rounded once
                let alone = own(total).plain.alone;
                whole.plain.experts = ps(alone + shared.plain.experts) - ps(alone);
            }
            whole
        }));
        Self {
            own: owns,
            shared: shares,
            totals,
            hosts: Vec::new(),
        }
    }

    /// Gives the tables the work of a host beside the accelerators, in seconds by entry: no step is shorter.
    fn with_hosts(mut self, beside: bool, host: impl Fn(u64) -> f64) -> Self {
        if beside {
            let entries = 0..self.own.len() as u64;
            self.hosts = entries.map(|entry| ps(host(entry))).collect();
        }
        self
    }

    /// The least time of a step over ranks with these entries, in ps.
    #[inline]
    fn least(&self, entries: impl Iterator<Item = u64>) -> u64 {
        let Some(last) = self.hosts.len().checked_sub(1) else {
            return 0;
        };
        let fullest = entries.max().unwrap_or(0) as usize;
        self.hosts[fullest.min(last)]
    }

    #[inline]
    fn own(&self, entry: u64) -> &Ways<u64, O> {
        &self.own[(entry as usize).min(self.own.len() - 1)]
    }

    #[inline]
    fn shared(&self, total: u64) -> &Both<u64> {
        let last = self.shared.len() - 1;
        &self.shared[self.totals.entry(total).min(last)]
    }

    /// The time of a step over ranks, each with its entry and what its attention takes.
    #[inline]
    fn step(
        &self,
        total: u64,
        ranks: impl Iterator<Item = (u64, Attended<u64>)> + Clone,
    ) -> SimDuration {
        let least = self.least(ranks.clone().map(|(entry, _)| entry));
        Picoseconds(self.device(total, ranks).max(least)).to_step()
    }

    /// The time of the accelerators in a step over ranks, in ps.
    #[inline]
    fn device(&self, total: u64, ranks: impl Iterator<Item = (u64, Attended<u64>)> + Clone) -> u64 {
        let shared = self.shared(total);
        let plain = |(entry, attended): (u64, Attended<u64>)| {
            self.own(entry).plain.step(shared.plain, attended)
        };
        let longest_plain = || ranks.clone().map(plain).max().unwrap_or(0);
        if shared.overlapped.dispatch >= FOR_EVER {
            return longest_plain();
        }
        let shared_overlapped = shared.overlapped;
        let (mut overlapped, mut busiest) = (0, 0);
        for (index, (entry, attended)) in ranks.clone().enumerate() {
            let time = self.own(entry).overlapped.step(shared_overlapped, attended);
            busiest = if time > overlapped { index } else { busiest };
            overlapped = overlapped.max(time);
        }
        // Where the busiest rank alone takes longer in one batch, all do.
        let alone = ranks.clone().nth(busiest).map_or(0, plain);
        if alone >= overlapped {
            overlapped
        } else {
            overlapped.min(longest_plain())
        }
    }
}

/// Decode steps by the number of requests on a rank.
#[derive(Clone, Debug)]
pub struct DecodeTable {
    table: RooflineTable<Stages<u64>>,
    kv: Slopes,
    window: Slopes,
}

impl DecodeTable {
    /// Tables for up to `most` requests and `kv_tokens` tokens of KV on a rank.
    pub fn new(unit: &RooflineUnit<'_>, most: u32, kv_tokens: u64) -> Result<Self, String> {
        let all = Kv {
            tokens: kv_tokens as f64,
            window: kv_tokens as f64,
        };
        fits(unit.decode_times(f64::from(most), all).quicker())?;
        let table = RooflineTable::new(
            unit.ranks as u64,
            u64::from(most),
            |n| unit.decode_own(n as f64),
            |mean| unit.decode_shared(mean),
        )
        .with_hosts(unit.host_beside, |n| unit.decode_once(n as f64).host);
        let [kv, window] = unit.decode_attention().map(|a| Slopes::new(a, 1024.0));
        Ok(Self { table, kv, window })
    }

    /// The time of a decode step over these ranks.
    #[inline]
    pub fn step(&self, loads: DecodeLoads<'_>) -> SimDuration {
        let total = loads.requests.iter().map(|n| u64::from(*n)).sum();
        let ranks = loads.requests.iter().zip(loads.kv_1024);
        if loads.window_1024.is_empty() {
            let of = |(n, kv): (&u32, &u64)| (u64::from(*n), self.kv.over(*kv));
            return self.table.step(total, ranks.map(of));
        }
        let of = |((n, kv), within): ((&u32, &u64), &u64)| {
            let (kv, within) = (self.kv.over(*kv), self.window.over(*within));
            (u64::from(*n), kv.and(within))
        };
        self.table.step(total, ranks.zip(loads.window_1024).map(of))
    }

    /// What a rank computes by itself, laid out for up to `most` requests.
    pub fn lines(&self, most: u32) -> OwnLines {
        let base = (0..=u64::from(most)).map(|n| self.table.own(n).plain.alone);
        OwnLines {
            base: base.collect(),
            kv: self.kv.of.all,
            window: self.window.of.all,
            bits: SLOPE_BITS,
        }
    }

    /// What a rank computes by itself in a decode step, in ps.
    #[inline]
    pub fn own(&self, requests: u32, kv: Kv1024) -> u64 {
        self.table.own(u64::from(requests)).plain.alone
            + along(self.kv.of.all, kv.tokens)
            + along(self.window.of.all, kv.window)
    }
}

/// Prefill steps by the number of tokens on a rank.
#[derive(Clone, Debug)]
pub struct PrefillTable {
    table: RooflineTable<Pairwise<u64>>,
    pairs: Slopes,
    work: FullBatchPace,
}

impl PrefillTable {
    /// Tables for up to `most` tokens and `pairs` pairs on a rank, in prompts of `prompt` computed tokens.
    pub fn new(
        unit: &RooflineUnit<'_>,
        most: u64,
        pairs: f64,
        prompt: f64,
    ) -> Result<Self, String> {
        let entries = most.div_ceil(TOKENS_PER_ENTRY);
        let tokens = |entry: u64| (entry * TOKENS_PER_ENTRY) as f64;
        let prompts = |tokens: f64| (tokens / prompt).max(1.0);
        let full = tokens(entries);
        let times = |pairs: f64| unit.prefill_times(full, pairs, prompts(full)).quicker();
        fits(times(pairs))?;
        let table = RooflineTable::new(
            unit.ranks as u64,
            entries,
            |entry| unit.prefill_own(tokens(entry), prompts(tokens(entry))),
            |mean| unit.prefill_shared(mean * TOKENS_PER_ENTRY as f64),
        )
        .with_hosts(unit.host_beside, |entry| {
            let tokens = tokens(entry);
            unit.prefill_once(tokens, prompts(tokens)).host
        });
        Ok(Self {
            table,
            pairs: Slopes::new(unit.prefill_attention(), 1.0),
            work: FullBatchPace::new(full, pairs.min(full * prompt), times),
        })
    }

    /// The time of a prefill step over these ranks.
    #[inline]
    pub fn step(&self, ranks: &[PrefillLoad]) -> SimDuration {
        let total: u64 = ranks.iter().map(|rank| rank.tokens).sum();
        let of = |rank: &PrefillLoad| {
            let entry = rank.tokens.div_ceil(TOKENS_PER_ENTRY);
            (entry, self.pairs.over(rank.pairs))
        };
        self.table
            .step(total.div_ceil(TOKENS_PER_ENTRY), ranks.iter().map(of))
    }

    /// What a rank computes by itself in a prefill step, in ps.
    pub fn own(&self, load: PrefillLoad) -> u64 {
        let entry = load.tokens.div_ceil(TOKENS_PER_ENTRY);
        self.table.own(entry).plain.alone + along(self.pairs.of.all, load.pairs)
    }

    /// Time of `tokens` prompt tokens and `pairs` (query, key) pairs at the pace of a full batch, in ps.
    pub fn work(&self, tokens: u64, pairs: u64) -> u64 {
        self.work.of(tokens, pairs)
    }
}

/// The pace of a full batch on every rank of a unit, shared parts included.
#[derive(Clone, Copy, Debug)]
pub struct FullBatchPace {
    /// Time of a prompt token, in ps.
    token: u64,
    /// Time of a (query, key) pair, in 2^-12 ps.
    pair: u64,
}

/// Part by which the pairs of a full batch are moved to see what a pair takes.
const MOVED: f64 = 1e-3;

impl FullBatchPace {
    /// The pace of batches of `tokens` tokens around `pairs` pairs, whose steps take `times` seconds by their pairs.
    pub fn new(tokens: f64, pairs: f64, times: impl Fn(f64) -> f64) -> Self {
        let pair = (times(pairs) - times(pairs * (1.0 - MOVED))) / (pairs * MOVED);
        Self {
            token: ps((times(pairs) - pair * pairs) / tokens),
            pair: slope(pair, 1.0),
        }
    }

    /// Time of `tokens` tokens and `pairs` pairs at this pace, in ps.
    pub fn of(self, tokens: u64, pairs: u64) -> u64 {
        let pairs = (u128::from(self.pair) * u128::from(pairs)) >> SLOPE_BITS;
        let pairs = u64::try_from(pairs).unwrap_or(u64::MAX);
        tokens.saturating_mul(self.token).saturating_add(pairs)
    }
}

impl Attended<u64> {
    #[inline]
    fn and(self, other: Self) -> Self {
        Self {
            all: self.all + other.all,
            dense: self.dense + other.dense,
            moe: self.moe + other.moe,
        }
    }
}

/// Picoseconds of a time in seconds; what takes for ever is longer than any step.
pub fn fits(seconds: f64) -> Result<(), String> {
    if seconds * PS < STEP_MAX_PS {
        return Ok(());
    }
    Err(format!(
        "a step of a full rank would last {:.1} hours: lower the pool's limits",
        seconds / 3_600.0
    ))
}

/// Picoseconds of a time in seconds; what takes for ever is longer than any step.
pub fn ps(seconds: f64) -> u64 {
    if seconds.is_finite() {
        libm::round(seconds * PS) as u64
    } else {
        FOR_EVER
    }
}

/// The slope of `units` units that take `seconds`, in 2^-12 ps a unit.
pub fn slope(seconds: f64, units: f64) -> u64 {
    libm::round(seconds * PS * f64::from(1 << SLOPE_BITS) / units) as u64
}

/// The time of `x` units at a slope, in ps.
#[inline]
pub fn along(slope: u64, x: u64) -> u64 {
    (x * slope) >> SLOPE_BITS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_have_the_entry_of_the_next_larger_one() {
        let totals = Totals::of(144, 88);
        for total in (0..4_000).chain((4_000..2_400_000).step_by(997)) {
            let found = totals.total(totals.entry(total));
            assert!(
                found >= total && (found - total) * 512 <= total,
                "{total}: {found}"
            );
            assert_eq!(totals.entry(found), totals.entry(total));
        }
        assert!(totals.entry(144 * 16_383) < 8_000);
        let one = Totals::of(1, 16_383);
        assert!((0..=16_383).all(|n| one.total(one.entry(n)) == n));
    }
}
