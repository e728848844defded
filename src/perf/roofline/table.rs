//! The model as integers: what the engine looks up while it runs.
//!
//! Bases are picoseconds, slopes 2^-12 picoseconds for each unit of attention (a pair, or 1/1024 of a KV
//! token). A step is `min over modes of max over ranks of max over lines`: a unit runs all its ranks in one
//! mode. Numbers of requests have an entry each; prompt tokens one for every [`TOKENS_PER_ENTRY`] (the next
//! larger one is taken, as kernels work on tiles).

use super::step::{Mode, quickest};
use crate::perf::PrefillLoad;
use crate::units::{Picoseconds, SimDuration};

/// Picoseconds in a second.
const PS: f64 = 1e12;
/// Fraction bits of a slope.
const SLOPE_BITS: u32 = 12;
/// Prompt tokens to an entry.
pub const TOKENS_PER_ENTRY: u64 = 16;
/// A full rank's step must stay under this (4 x 10^15 ps, 67 minutes), so that products never wrap.
const STEP_MAX_PS: f64 = 4e15;

/// A line: base in ps, slope in 2^-12 ps.
#[derive(Clone, Copy, Debug, Default)]
struct Line {
    base: u64,
    slope: u64,
}

impl Line {
    #[inline]
    fn at(self, x: u64) -> u64 {
        self.base + ((x * self.slope) >> SLOPE_BITS)
    }
}

/// Most lines of the overlapped mode.
const LINES: usize = 4;

/// Both modes over one number of requests or tokens; where a mode cannot run, it takes for ever.
#[derive(Clone, Copy, Debug)]
struct Entry {
    overlapped: [Line; LINES],
    plain: Line,
}

const FOR_EVER: Line = Line {
    base: u64::MAX >> 2,
    slope: 0,
};

impl Entry {
    fn new(modes: &[Mode], units: f64) -> Self {
        let line = |l: &super::step::Line| Line {
            base: libm::round(l.base * PS) as u64,
            slope: libm::round(l.slope * PS * f64::from(1 << SLOPE_BITS) / units) as u64,
        };
        let mut entry = Self {
            overlapped: [FOR_EVER; LINES],
            plain: FOR_EVER,
        };
        for mode in modes {
            let first = mode.lines.first().map_or(FOR_EVER, line);
            if mode.overlapped {
                let lines = mode.lines.iter().map(line).chain(std::iter::repeat(first));
                entry
                    .overlapped
                    .iter_mut()
                    .zip(lines)
                    .for_each(|(e, l)| *e = l);
            } else {
                entry.plain = first;
            }
        }
        entry
    }

    #[inline]
    fn at(&self, x: u64) -> (u64, u64) {
        let longest = self
            .overlapped
            .iter()
            .fold(0, |longest, line| line.at(x).max(longest));
        (longest, self.plain.at(x))
    }
}

/// The quicker mode of a unit whose ranks take these times.
#[inline]
fn unit_step(ranks: impl Iterator<Item = (u64, u64)>) -> SimDuration {
    let (mut overlapped, mut plain) = (0, 0);
    for (o, p) in ranks {
        overlapped = overlapped.max(o);
        plain = plain.max(p);
    }
    Picoseconds(overlapped.min(plain)).to_step()
}

/// Decode steps by the number of requests on a rank.
#[derive(Clone, Debug)]
pub struct DecodeTable {
    entries: Vec<Entry>,
}

impl DecodeTable {
    /// For up to `most` requests and `kv_tokens` on a rank.
    pub fn new(
        most: u32,
        kv_tokens: u64,
        modes: impl Fn(f64) -> Vec<Mode>,
    ) -> Result<Self, String> {
        let last = modes(f64::from(most));
        fits(quickest(&last, kv_tokens as f64))?;
        let mut entries = vec![Entry::new(&[Mode::default()], 1024.0)];
        entries.extend((1..=most).map(|n| Entry::new(&modes(f64::from(n)), 1024.0)));
        // a rank with nobody on it waits for the others
        entries[0] = Entry {
            overlapped: [Line::default(); LINES],
            plain: Line::default(),
        };
        Ok(Self { entries })
    }

    /// A step over ranks.
    #[inline]
    pub fn step(&self, requests: &[u32], kv_1024: &[u64]) -> SimDuration {
        let ranks = requests.iter().zip(kv_1024);
        unit_step(ranks.map(|(&n, &kv)| {
            let last = self.entries.len() - 1;
            self.entries[(n as usize).min(last)].at(kv)
        }))
    }
}

impl DecodeTable {
    /// What a rank computes by itself, in ps.
    #[inline]
    pub fn own(&self, requests: u32, kv_1024: u64) -> u64 {
        let last = self.entries.len() - 1;
        self.entries[(requests as usize).min(last)].at(kv_1024).1
    }
}

impl PrefillTable {
    /// What a rank computes by itself, in ps.
    pub fn own(&self, load: PrefillLoad) -> u64 {
        let last = self.entries.len() - 1;
        let entry = load.tokens.div_ceil(TOKENS_PER_ENTRY) as usize;
        self.entries[entry.min(last)].at(load.pairs).1
    }

    /// Tokens and pairs at the pace of a full batch, in ps.
    pub fn work(&self, tokens: u64, pairs: u64) -> u64 {
        let last = self.entries.len() - 1;
        let line = self.entries[last].plain;
        let per_token = line.base / (last as u64 * TOKENS_PER_ENTRY).max(1);
        per_token * tokens + along(line.slope, pairs)
    }
}

/// Prefill steps by the number of tokens on a rank.
#[derive(Clone, Debug)]
pub struct PrefillTable {
    entries: Vec<Entry>,
}

impl PrefillTable {
    /// For up to `most` tokens and `pairs` on a rank.
    pub fn new(most: u64, pairs: f64, modes: impl Fn(f64) -> Vec<Mode>) -> Result<Self, String> {
        let entries = most.div_ceil(TOKENS_PER_ENTRY);
        let last = modes((entries * TOKENS_PER_ENTRY) as f64);
        fits(quickest(&last, pairs))?;
        let entry = |i: u64| Entry::new(&modes((i * TOKENS_PER_ENTRY) as f64), 1.0);
        let mut entries: Vec<Entry> = (1..=entries).map(entry).collect();
        let nothing = Entry {
            overlapped: [Line::default(); LINES],
            plain: Line::default(),
        };
        entries.insert(0, nothing);
        Ok(Self { entries })
    }

    /// A step over ranks.
    #[inline]
    pub fn step(&self, ranks: &[PrefillLoad]) -> SimDuration {
        unit_step(ranks.iter().map(|load| {
            let last = self.entries.len() - 1;
            let entry = load.tokens.div_ceil(TOKENS_PER_ENTRY) as usize;
            self.entries[entry.min(last)].at(load.pairs)
        }))
    }
}

/// Refuses a step that would not fit the clock.
pub fn fits(seconds: f64) -> Result<(), String> {
    if seconds * PS < STEP_MAX_PS {
        return Ok(());
    }
    Err(format!(
        "a step of a full rank would last {:.1} hours: lower the pool's limits",
        seconds / 3_600.0
    ))
}

/// Picoseconds of a time in seconds.
pub fn ps(seconds: f64) -> u64 {
    libm::round(seconds * PS) as u64
}

/// A slope in 2^-12 ps for each of `units` to the seconds.
pub fn slope(seconds: f64, units: f64) -> u64 {
    libm::round(seconds * PS * f64::from(1 << SLOPE_BITS) / units) as u64
}

/// A slope over `x`, in ps.
#[inline]
pub fn along(slope: u64, x: u64) -> u64 {
    (x * slope) >> SLOPE_BITS
}
