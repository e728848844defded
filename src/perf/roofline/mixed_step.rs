//! Steps that compute prompts and decode at once, as integers.
//!
//! One batch runs part after part: projections, norms, networks and all-reduces over all tokens together,
//! attention over prompts and over decode one after the other, then logits of every request in the step.
//! What depends on tokens is tabulated (each number of tokens up to 1,024, then every 16th), what attention
//! runs over is a slope. Ranks meet at every exchange, as in other steps: routed experts and exchange hang on
//! the tokens of all. The host works between steps, or beside them where the engine prepares the next step
//! while one runs.

use super::meet::{Own, Plain, Shared, Time, Whole};
use super::roofline_table::{FullBatchPace, Totals, along, fits, ps, slope};
use super::step::Batch;
use super::unit_shape::RooflineUnit;
use crate::catalog::Constant as C;
use crate::perf::MixedLoad;
use crate::scenario::Pool;
use crate::units::{Picoseconds, SimDuration};

/// Tokens that have a table entry each; beyond, one entry serves [`GRAIN`].
const FINE: u64 = 1_024;
const GRAIN: u64 = 16;

/// Tables of a mixed step. Pairs of tables are of steps without prompts and with them.
#[derive(Clone, Debug)]
pub struct MixedTable {
    /// Own parts, by a rank's tokens.
    own: [Vec<Plain<u64>>; 2],
    /// Shared parts, by the tokens of all ranks.
    shared: [Vec<Shared<u64>>; 2],
    /// How totals of tokens map to entries of `shared`; `None`: there is one rank.
    totals: Option<Totals>,
    /// Projections of prompts with latent attention, by tokens, in ps; empty: attention is not latent.
    unfolded: Vec<u64>,
    /// Projections of decode with latent attention, by requests, in ps; empty: attention is not latent.
    folded: Vec<u64>,
    /// Logits and sampling, by rows of logits (each token that is verified, and one of each prompt), in ps.
    head: Vec<u64>,
    pair: u64,
    kv: u64,
    window: u64,
    prompt_step: u64,
    prompt_token: u64,
    decode_step: u64,
    decode_request: u64,
    host: Host,
    queries: u64,
    work: FullBatchPace,
}

/// Times of the host in a step, in ps.
#[derive(Clone, Copy, Debug)]
struct Host {
    prompts: u64,
    decode: u64,
    request: u64,
    join: u64,
    /// Time to start the kernels of a step with prompts one by one, in ps.
    launches: u64,
    /// Tokens of a step up to which graphs are replayed instead.
    graph_tokens: u64,
    /// Whether the host works while the step before runs.
    beside: bool,
}

fn entry(tokens: u64) -> usize {
    if tokens <= FINE {
        tokens as usize
    } else {
        (FINE + (tokens - FINE).div_ceil(GRAIN)) as usize
    }
}

fn tokens_of(entry: usize) -> f64 {
    let entry = entry as u64;
    let tokens = if entry <= FINE {
        entry
    } else {
        FINE + (entry - FINE) * GRAIN
    };
    tokens as f64
}

/// Times of a rank's work in a step, and of its host's, in ps.
#[derive(Clone, Copy, Debug, Default)]
struct MixedRankWork {
    own: Plain<u64>,
    host: u64,
}

impl MixedTable {
    /// Tables for the batches of a pool in prompts of `prompt` computed tokens.
    pub fn new(
        unit: &RooflineUnit<'_>,
        pool: &Pool,
        kv_tokens: u64,
        (pairs, prompt): (f64, f64),
    ) -> Result<Self, String> {
        let most_tokens = u64::from(pool.max_batch_tokens);
        let most_requests = u64::from(pool.max_batch_requests);
        let queries = unit.queries as u64;
        let last = entry(most_tokens + most_requests * queries);
        let stages = unit.pipeline;
        let layers = f64::from(unit.model.layers);
        let (of_prompts, of_decode) = (
            layers + unit.draft_layers(false),
            layers + unit.draft_layers(true),
        );
        let totals = (pool.ranks > 1).then(|| Totals::of(u64::from(pool.ranks), FINE));
        let of_tokens = |prompts: bool| -> Vec<Plain<u64>> {
            (0..=last)
                .map(|e| own(unit, tokens_of(e), prompts).whole(ps))
                .collect()
        };
        let of_total = |prompts: bool| -> Vec<Shared<u64>> {
            let Some(totals) = totals else {
                return (0..=last)
                    .map(|e| with_own(unit, tokens_of(e), prompts))
                    .collect();
            };
            let ranks = u64::from(pool.ranks);
            (0..=totals.entry(ranks * tokens_of(last) as u64))
                .map(|e| {
                    let mean = totals.total(e) as f64 / ranks as f64;
                    shared(unit, mean, prompts).whole(ps)
                })
                .collect()
        };
        let attention = unit.attention();
        let projections = |layers: f64, m: f64, absorbed: bool| {
            let p = attention.projections(&unit.machine, m / stages, absorbed);
            ps(layers * (p.before + p.after))
        };
        let (unfolded, folded) = if attention.is_latent() {
            (
                (0..=last)
                    .map(|e| projections(of_prompts, tokens_of(e), false))
                    .collect(),
                (0..=most_requests)
                    .map(|n| projections(of_decode, n as f64 * unit.queries, true))
                    .collect(),
            )
        } else {
            (Vec::new(), Vec::new())
        };
        let prompts = attention.prefill_core(&unit.machine, unit.context);
        let decode = attention.decode_core(&unit.machine, unit.queries);
        let most_rows = entry(most_requests * queries + most_tokens.min(most_requests));
        let head = |e: usize| {
            let heads = 1.0 + unit.draft_passes;
            ps(heads
                * unit
                    .network()
                    .head(&unit.machine, tokens_of(e), unit.tensor))
        };
        let host = |c| ps(1e-6 * unit.machine.get(c));
        let full = most_tokens as f64;
        let times = |pairs: f64| {
            unit.prefill_times(full, pairs, (full / prompt).max(1.0))
                .plain
        };
        let table = Self {
            own: [of_tokens(false), of_tokens(true)],
            shared: [of_total(false), of_total(true)],
            totals,
            unfolded,
            folded,
            head: (0..=most_rows).map(head).collect(),
            pair: slope(of_prompts * prompts.unit / stages, 1.0),
            kv: slope(of_decode * decode.unit / stages, 1024.0),
            window: slope(of_decode * decode.window / stages, 1024.0),
            prompt_step: ps(of_prompts * prompts.step),
            prompt_token: ps(of_prompts * prompts.token / stages),
            decode_step: ps(of_decode * decode.step),
            decode_request: ps(of_decode * decode.request / stages),
            host: Host {
                prompts: host(C::HostPrefill),
                decode: host(C::HostDecode),
                request: host(C::HostSequence),
                join: host(C::HostJoin),
                launches: ps(unit.launches(f64::INFINITY)),
                graph_tokens: unit.machine.get(C::GraphTokens) as u64,
                beside: unit.host_beside,
            },
            queries,
            work: FullBatchPace::new(full, pairs.min(full * prompt), times),
        };
        let own = table.own[1].last().copied().unwrap_or_default();
        let shared = table.shared[1].last().copied().unwrap_or_default();
        let fullest = own.step(shared, super::meet::Attended::default());
        let attended = of_prompts * prompts.unit * pairs
            + of_decode * (decode.unit + decode.window) * kv_tokens as f64;
        fits(1e-12 * fullest as f64 + attended)?;
        Ok(table)
    }

    /// The time of a step over ranks: the longest own part, and what hangs on all their tokens.
    pub fn step(&self, ranks: &[MixedLoad]) -> SimDuration {
        let tokens =
            |rank: &MixedLoad| rank.prefill.tokens + u64::from(rank.requests) * self.queries;
        let total = ranks.iter().map(tokens).sum();
        let prompts = ranks.iter().any(|rank| rank.prefill.tokens > 0);
        let index = self
            .totals
            .map_or_else(|| entry(total), |totals| totals.entry(total));
        let table = &self.shared[usize::from(prompts)];
        let shared = at(table, index);
        let longest = ranks.iter().map(|load| {
            let rank = self.rank(load, prompts);
            self.with_host(
                rank.own.step(shared, super::meet::Attended::default()),
                rank.host,
            )
        });
        Picoseconds(longest.max().unwrap_or(0)).to_step()
    }

    /// What a rank computes by itself, in ps.
    pub fn own(&self, load: &MixedLoad) -> u64 {
        let rank = self.rank(load, load.prefill.tokens > 0);
        self.with_host(rank.own.alone, rank.host)
    }

    /// Time of `tokens` prompt tokens and `pairs` (query, key) pairs at the pace of a full batch, in ps.
    pub fn work(&self, tokens: u64, pairs: u64) -> u64 {
        self.work.of(tokens, pairs)
    }

    fn with_host(&self, time: u64, host: u64) -> u64 {
        if self.host.beside {
            time.longer(host)
        } else {
            time + host
        }
    }

    /// A rank's work in a step; `with_prompts`: some rank of the unit has prompts.
    fn rank(&self, load: &MixedLoad, with_prompts: bool) -> MixedRankWork {
        let (prompt, requests) = (load.prefill.tokens, u64::from(load.requests));
        if prompt == 0 && requests == 0 {
            return MixedRankWork::default();
        }
        let tokens = prompt + requests * self.queries;
        let heads = requests + u64::from(load.chunks);
        let rows = requests * self.queries + u64::from(load.chunks);
        let mut own = at(&self.own[usize::from(with_prompts)], entry(tokens));
        own.alone += at(&self.unfolded, entry(prompt))
            + at(&self.folded, requests as usize)
            + at(&self.head, entry(rows));
        let step = if prompt > 0 && tokens > self.host.graph_tokens {
            self.host.prompts + self.host.launches
        } else if prompt > 0 {
            self.host.prompts
        } else {
            self.host.decode
        };
        if prompt > 0 {
            own.alone += self.prompt_step
                + self.prompt_token * prompt
                + along(self.pair, load.prefill.pairs);
        }
        if requests > 0 {
            own.alone += self.decode_step
                + self.decode_request * requests
                + along(self.kv, load.kv_1024)
                + along(self.window, load.window_1024);
        }
        MixedRankWork {
            own,
            host: step + heads * self.host.request + u64::from(load.joins) * self.host.join,
        }
    }
}

/// The table's value at an entry, or its last one.
fn at<T: Copy + Default>(table: &[T], entry: usize) -> T {
    let last = table.len().saturating_sub(1);
    table.get(entry.min(last)).copied().unwrap_or_default()
}

/// The batch of one stage of a pipeline: prompt tokens, or requests that decode.
fn batch(unit: &RooflineUnit<'_>, tokens: f64, prompts: bool) -> Batch {
    let tokens = tokens / unit.pipeline;
    if prompts {
        Batch::prompts(tokens)
    } else {
        Batch::decode(tokens / unit.queries)
    }
}

/// All layers' work on a rank's tokens, without attention's core and, where it is latent, its projections.
fn own(unit: &RooflineUnit<'_>, tokens: f64, prompts: bool) -> Plain<f64> {
    if tokens <= 0.0 {
        return Plain::default();
    }
    let p = unit.parts(batch(unit, tokens, prompts));
    let (moe, dense) = unit.layers(!prompts);
    let projections = if unit.attention().is_latent() {
        0.0
    } else {
        p.before + p.after
    };
    Plain {
        alone: moe * (projections + p.all_reduce_moe + p.gate + p.shared)
            + dense * (projections + p.all_reduce + p.dense)
            + unit.between_stages(tokens),
        send: moe * p.send.dispatch,
        receive: moe * p.send.combine,
    }
}

/// All layers' routed experts and exchange, with `tokens` tokens on each rank in the mean.
fn shared(unit: &RooflineUnit<'_>, tokens: f64, prompts: bool) -> Shared<f64> {
    if tokens <= 0.0 {
        return Shared::default();
    }
    let routed = unit.routed(batch(unit, tokens, prompts));
    let (moe, _) = unit.layers(!prompts);
    Shared {
        dispatch: moe * routed.exchange.dispatch,
        experts: moe * routed.experts,
        combine: moe * routed.exchange.combine,
    }
}

/// The shared part of a unit of one rank: both parts together are rounded once.
fn with_own(unit: &RooflineUnit<'_>, tokens: f64, prompts: bool) -> Shared<u64> {
    let shared = shared(unit, tokens, prompts);
    let alone = own(unit, tokens, prompts).alone;
    Shared {
        experts: ps(alone + shared.experts) - ps(alone),
        ..Shared::default()
    }
}
