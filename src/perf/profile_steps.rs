//! Step times from a profile: a table of measured parts of a step, interpolated.
//!
//! A step over ranks lasts what the busiest rank does: the part that depends on all its tokens, the part of
//! the requests whose logits are computed, attention over prompts and attention of decode, and a constant.
//! Between measured points times are linear: along a row of points with one first coordinate, then between
//! rows. Attention over several chunks in a step is that of one chunk behind the context that has as many
//! (query, key) pairs. Where the profile has steps that do both, what both together take beyond the sum is
//! added. KV is taken by the mean of the requests: how it is spread over them is ignored.
//!
//! Outside the measured range the outermost lines go on; a scenario has to allow that.
//!
//! Interpolation multiplies, adds and divides only, so it is the same on every machine.

use super::{DecodeLoads, MixedLoad, PrefillLoad};
use crate::scenario::{ProfilePart, StepTimeProfile};
use crate::units::{Picoseconds, SimDuration};

/// Picoseconds in a microsecond.
const PS_PER_US: f64 = 1e6;
/// Tokens of the batch at whose pace work that waits is counted.
const WORK_TOKENS: u64 = 1_024;

/// A function of one variable: measured points and straight lines between them.
#[derive(Clone, Debug, Default)]
struct PiecewiseLinear {
    points: Vec<(f64, f64)>,
}

impl PiecewiseLinear {
    /// A function from points in any order; of those of equal x the first stays.
    fn new(mut points: Vec<(f64, f64)>) -> Self {
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        points.dedup_by(|later, first| later.0 == first.0);
        Self { points }
    }

    fn at(&self, x: f64) -> f64 {
        let last = self.points.len().saturating_sub(1);
        match self.points.len() {
            0 => 0.0,
            1 => self.points[0].1,
            _ => {
                let above = self.points.partition_point(|p| p.0 < x);
                let low = above.saturating_sub(1).min(last - 1);
                let ((x0, y0), (x1, y1)) = (self.points[low], self.points[low + 1]);
                y0 + (y1 - y0) * (x - x0) / (x1 - x0)
            }
        }
    }
}

/// A function of two variables: rows of measured points, interpolated along and between rows.
#[derive(Clone, Debug, Default)]
struct Surface {
    rows: Vec<(f64, PiecewiseLinear)>,
}

impl Surface {
    fn new(points: impl Iterator<Item = (f64, f64, f64)>) -> Self {
        let mut points: Vec<(f64, f64, f64)> = points.collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut rows: Vec<(f64, PiecewiseLinear)> = Vec::new();
        for group in points.chunk_by(|a, b| a.0 == b.0) {
            let row = group.iter().map(|(_, y, z)| (*y, *z)).collect();
            rows.push((group[0].0, PiecewiseLinear::new(row)));
        }
        Self { rows }
    }

    /// The value at a point; below the first row, that row holds.
    fn at(&self, x: f64, y: f64) -> f64 {
        let last = self.rows.len().saturating_sub(1);
        match self.rows.first() {
            None => 0.0,
            Some((first, row)) if last == 0 || x <= *first => row.at(y),
            Some(_) => {
                let above = self.rows.partition_point(|r| r.0 < x);
                let low = above.saturating_sub(1).min(last - 1);
                let ((x0, a), (x1, b)) = (&self.rows[low], &self.rows[low + 1]);
                let (a, b) = (a.at(y), b.at(y));
                a + (b - a) * (x - x0) / (x1 - x0)
            }
        }
    }
}

/// A measured profile, compiled; times in ps.
#[derive(Clone, Debug)]
pub struct CompiledProfile {
    tokens: PiecewiseLinear,
    sequences: PiecewiseLinear,
    prefill: Surface,
    decode: Surface,
    /// What prompts and decode in one step take beyond the sum of both: by the prompts' tokens, a surface over
    /// requests and mean KV.
    together: Vec<(f64, Surface)>,
    step: f64,
}

impl CompiledProfile {
    /// Compiles a measured profile.
    pub fn new(profile: &StepTimeProfile) -> Self {
        let rows = |part: ProfilePart| profile.rows.iter().filter(move |r| r.part == part);
        let time = |us: f64| us * PS_PER_US;
        let tokens = rows(ProfilePart::Tokens).map(|r| (r.tokens, time(r.time_us)));
        let sequences = rows(ProfilePart::Sequences).map(|r| (r.requests, time(r.time_us)));
        let prefill = Surface::new(
            rows(ProfilePart::Prefill).map(|r| (r.tokens, r.context_tokens, time(r.time_us))),
        );
        let decode = Surface::new(
            rows(ProfilePart::Decode)
                .map(|r| (r.requests, r.kv_tokens / r.requests, time(r.time_us))),
        );
        let mut sizes: Vec<f64> = rows(ProfilePart::Mixed).map(|r| r.tokens).collect();
        sizes.sort_by(f64::total_cmp);
        sizes.dedup();
        let beyond = |size: f64| {
            let these = rows(ProfilePart::Mixed).filter(move |r| r.tokens == size);
            Surface::new(these.map(|r| {
                let kv = r.kv_tokens / r.requests;
                let sum = prefill.at(size, 0.0) + decode.at(r.requests, kv);
                (r.requests, kv, time(r.time_us) - sum)
            }))
        };
        Self {
            tokens: PiecewiseLinear::new(tokens.collect()),
            sequences: PiecewiseLinear::new(sequences.collect()),
            step: rows(ProfilePart::Step).map(|r| time(r.time_us)).sum(),
            together: sizes.iter().map(|size| (*size, beyond(*size))).collect(),
            prefill,
            decode,
        }
    }

    /// The time of a prefill step over these ranks; every batch computes the logits of one prompt at least.
    pub fn prefill_step(&self, ranks: &[PrefillLoad]) -> SimDuration {
        self.busiest(ranks.iter().map(|load| prompts(*load)))
    }

    /// The time of a decode step over these ranks.
    pub fn decode_step(&self, ranks: DecodeLoads<'_>) -> SimDuration {
        let loads = ranks.requests.iter().zip(ranks.kv_1024);
        self.busiest(loads.map(|(&requests, &kv_1024)| decoding(requests, kv_1024)))
    }

    /// The time of a decode step of one rank, in ps.
    pub fn decode_own(&self, requests: u32, kv_1024: u64) -> u64 {
        self.rank(&decoding(requests, kv_1024)) as u64
    }

    /// The time of a prefill step of one rank, in ps.
    pub fn prefill_own(&self, load: PrefillLoad) -> u64 {
        self.rank(&prompts(load)) as u64
    }

    /// The time of a mixed step of one rank, in ps.
    pub fn mixed_own(&self, load: &MixedLoad) -> u64 {
        self.rank(load) as u64
    }

    /// Time of `tokens` prompt tokens and `pairs` (query, key) pairs at the pace of a batch of 1,024 tokens, in ps.
    pub fn prefill_work(&self, tokens: u64, pairs: u64) -> u64 {
        let of = |pairs| {
            let load = PrefillLoad {
                tokens: WORK_TOKENS,
                pairs,
            };
            self.prefill_own(load)
        };
        let alone = WORK_TOKENS * (WORK_TOKENS + 1) / 2;
        let (least, twice) = (of(alone), of(2 * alone));
        let per_pair = twice.saturating_sub(least) as f64 / alone as f64;
        let per_token = (least as f64 - per_pair * alone as f64).max(0.0) / WORK_TOKENS as f64;
        (tokens as f64 * per_token + pairs as f64 * per_pair) as u64
    }

    /// The time of a mixed step over these ranks.
    pub fn mixed_step(&self, ranks: &[MixedLoad]) -> SimDuration {
        self.busiest(ranks.iter().copied())
    }

    fn busiest(&self, ranks: impl Iterator<Item = MixedLoad>) -> SimDuration {
        let most = ranks.map(|load| self.rank(&load)).fold(0.0, f64::max);
        Picoseconds(most as u64).to_step()
    }

    fn rank(&self, load: &MixedLoad) -> f64 {
        let (prompt, requests) = (load.prefill.tokens as f64, f64::from(load.requests));
        if prompt + requests == 0.0 {
            return 0.0;
        }
        let heads = requests + f64::from(load.chunks);
        let mut time = self.step + self.tokens.at(prompt + requests) + self.sequences.at(heads);
        if prompt > 0.0 {
            time += self.over_prompts(prompt, load.prefill.pairs as f64);
        }
        if requests > 0.0 {
            let kv = load.kv_1024 as f64 / 1024.0 / requests;
            let decode = self.decode.at(requests, kv);
            time += decode;
            if prompt > 0.0 && !self.together.is_empty() {
                let beyond = self.together.iter().map(|(t, s)| (*t, s.at(requests, kv)));
                let beyond = PiecewiseLinear::new(beyond.collect());
                let smallest = self.together.first().map_or(0.0, |(t, _)| *t);
                time += beyond.at(prompt.max(smallest)).max(-decode);
            }
        }
        time.max(0.0)
    }

    fn over_prompts(&self, tokens: f64, pairs: f64) -> f64 {
        let alone = tokens * (tokens + 1.0) / 2.0;
        let context = (pairs - alone) / tokens;
        if context >= 0.0 {
            self.prefill.at(tokens, context)
        } else {
            // several short prompts have fewer pairs than one of all their tokens
            self.prefill.at(tokens, 0.0) * pairs / alone
        }
    }
}

/// The load of a rank that decodes only.
fn decoding(requests: u32, kv_1024: u64) -> MixedLoad {
    MixedLoad {
        requests,
        kv_1024,
        ..MixedLoad::default()
    }
}

/// The load of a rank that computes prompts only; every batch computes the logits of one of them at least.
fn prompts(load: PrefillLoad) -> MixedLoad {
    MixedLoad {
        prefill: load,
        chunks: 1,
        ..MixedLoad::default()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::scenario::ProfileRow;

    fn row(part: ProfilePart, [tokens, context, requests, kv, time]: [f64; 5]) -> ProfileRow {
        ProfileRow {
            part,
            tokens,
            context_tokens: context,
            requests,
            kv_tokens: kv,
            time_us: time,
        }
    }

    #[test]
    fn parts_are_interpolated_and_added() {
        let table = CompiledProfile::new(&StepTimeProfile {
            rows: Arc::new([
                row(ProfilePart::Step, [0.0, 0.0, 0.0, 0.0, 5.0]),
                row(ProfilePart::Tokens, [1.0, 0.0, 0.0, 0.0, 100.0]),
                row(ProfilePart::Tokens, [101.0, 0.0, 0.0, 0.0, 200.0]),
                row(ProfilePart::Sequences, [0.0, 0.0, 1.0, 0.0, 10.0]),
                row(ProfilePart::Sequences, [0.0, 0.0, 11.0, 0.0, 20.0]),
                row(ProfilePart::Decode, [0.0, 0.0, 1.0, 1000.0, 30.0]),
                row(ProfilePart::Decode, [0.0, 0.0, 1.0, 2000.0, 50.0]),
                row(ProfilePart::Decode, [0.0, 0.0, 11.0, 11_000.0, 130.0]),
                row(ProfilePart::Decode, [0.0, 0.0, 11.0, 22_000.0, 150.0]),
            ]),
            extrapolate: false,
        });
        // 6 requests of 1,500 tokens: 105 + 15 + 90 + 5 us
        let step = table.decode_step(DecodeLoads {
            requests: &[6],
            kv_1024: &[6 * 1500 * 1024],
            window_1024: &[],
        });
        assert_eq!(step, SimDuration(215_000));
    }
}
