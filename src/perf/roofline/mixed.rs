//! Steps that compute prompts and decode at once, as integers.
//!
//! One batch runs part after part: projections, norms, networks and all-reduces over all tokens together,
//! attention over prompts and over decode one after the other, then logits of every request in the step.
//! What depends on tokens is tabulated (each number of tokens up to 1,024, then every 16th), what attention
//! runs over is a slope. The host works between steps, or beside them where the engine prepares the next
//! step while one runs.

use super::step::{Batch, Parts};
use super::table::{along, fits, ps, slope};
use super::unit::Unit;
use crate::catalog::Constant as C;
use crate::perf::MixedLoad;
use crate::scenario::Pool;
use crate::units::{Picoseconds, SimDuration};

/// Tokens that have an entry each; beyond, one entry serves [`GRAIN`].
const FINE: u64 = 1_024;
const GRAIN: u64 = 16;

/// A mixed step, compiled.
#[derive(Clone, Debug)]
pub struct MixedTable {
    /// By tokens, in steps without prompts and with them.
    tokens: [Vec<u64>; 2],
    /// Latent attention only: projections of prompts, by tokens, and of decode, by requests.
    unfolded: Vec<u64>,
    folded: Vec<u64>,
    /// By requests whose logits are computed.
    head: Vec<u64>,
    pair: u64,
    kv: u64,
    prompt_step: u64,
    prompt_token: u64,
    decode_step: u64,
    decode_request: u64,
    host: Host,
    queries: u64,
}

/// The host's time, in ps.
#[derive(Clone, Copy, Debug)]
struct Host {
    prompts: u64,
    decode: u64,
    request: u64,
    join: u64,
    /// Whether it works while the step before runs.
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

impl MixedTable {
    /// For the batches of a pool over so much attention.
    pub fn new(unit: &Unit<'_>, pool: &Pool, kv_tokens: u64, pairs: f64) -> Result<Self, String> {
        let most_tokens = u64::from(pool.max_batch_tokens);
        let most_requests = u64::from(pool.max_batch_requests);
        let queries = unit.queries as u64;
        let last = entry(most_tokens + most_requests * queries);
        let stages = unit.pipeline;
        let layers = f64::from(unit.model.layers);
        let of_tokens = |prompts: bool| -> Vec<u64> {
            (0..=last)
                .map(|e| ps(over_tokens(unit, tokens_of(e) / stages, prompts)))
                .collect()
        };
        let attention = unit.attention();
        let projections = |m: f64, absorbed: bool| {
            let p = attention.projections(&unit.machine, m / stages, absorbed);
            ps(layers * (p.before + p.after))
        };
        let (unfolded, folded) = if attention.is_latent() {
            (
                (0..=last)
                    .map(|e| projections(tokens_of(e), false))
                    .collect(),
                (0..=most_requests)
                    .map(|n| projections(n as f64 * unit.queries, true))
                    .collect(),
            )
        } else {
            (Vec::new(), Vec::new())
        };
        let prompts = attention.prefill_core(&unit.machine);
        let decode = attention.decode_core(&unit.machine, unit.queries);
        let most_heads = entry(most_requests + most_tokens.min(most_requests));
        let head = |e: usize| {
            let m = tokens_of(e) * unit.queries;
            ps(unit.network().head(&unit.machine, m, unit.tensor))
        };
        let host = |c| ps(1e-6 * unit.machine.get(c));
        let table = Self {
            tokens: [of_tokens(false), of_tokens(true)],
            unfolded,
            folded,
            head: (0..=most_heads).map(head).collect(),
            pair: slope(layers * prompts.unit / stages, 1.0),
            kv: slope(layers * decode.unit / stages, 1024.0),
            prompt_step: ps(layers * prompts.step),
            prompt_token: ps(layers * prompts.token / stages),
            decode_step: ps(layers * decode.step),
            decode_request: ps(layers * decode.request / stages),
            host: Host {
                prompts: host(C::HostPrefill),
                decode: host(C::HostDecode),
                request: host(C::HostSequence),
                join: host(C::HostJoin),
                beside: pool.look_ahead,
            },
            queries,
        };
        let fullest = table.tokens[1].last().copied().unwrap_or(0);
        let attended = layers * (prompts.unit * pairs + decode.unit * kv_tokens as f64);
        fits(1e-12 * fullest as f64 + attended)?;
        Ok(table)
    }

    /// A step over ranks: the busiest one's.
    pub fn step(&self, ranks: &[MixedLoad]) -> SimDuration {
        let busiest = ranks.iter().map(|rank| self.rank(rank)).max();
        Picoseconds(busiest.unwrap_or(0)).to_step()
    }

    /// What a rank computes by itself, in ps.
    pub fn own(&self, load: &MixedLoad) -> u64 {
        self.rank(load)
    }

    /// Tokens and pairs at the pace of a full batch, in ps.
    pub fn work(&self, tokens: u64, pairs: u64) -> u64 {
        let last = self.tokens[1].len() - 1;
        let per_token = self.tokens[1][last] / (tokens_of(last) as u64).max(1);
        per_token * tokens + along(self.pair, pairs)
    }

    fn rank(&self, load: &MixedLoad) -> u64 {
        let (prompt, requests) = (load.prefill.tokens, u64::from(load.requests));
        if prompt == 0 && requests == 0 {
            return 0;
        }
        let at = |table: &[u64], entry: usize| {
            let last = table.len().saturating_sub(1);
            table.get(entry.min(last)).copied().unwrap_or(0)
        };
        let tokens = prompt + requests * self.queries;
        let with_prompts = usize::from(prompt > 0);
        let heads = requests + u64::from(load.chunks);
        let mut time = at(&self.tokens[with_prompts], entry(tokens))
            + at(&self.unfolded, entry(prompt))
            + at(&self.folded, requests as usize)
            + at(&self.head, entry(heads));
        let step = if prompt > 0 {
            self.host.prompts
        } else {
            self.host.decode
        };
        let host = step + heads * self.host.request + u64::from(load.joins) * self.host.join;
        if prompt > 0 {
            time += self.prompt_step
                + self.prompt_token * prompt
                + along(self.pair, load.prefill.pairs);
        }
        if requests > 0 {
            time +=
                self.decode_step + self.decode_request * requests + along(self.kv, load.kv_1024);
        }
        if self.host.beside {
            time.max(host)
        } else {
            time + host
        }
    }
}

/// All layers' work on so many tokens, without attention's core and, where it is latent, its projections.
fn over_tokens(unit: &Unit<'_>, tokens: f64, prompts: bool) -> f64 {
    if tokens <= 0.0 {
        return 0.0;
    }
    let batch = if prompts {
        Batch {
            prompt: tokens,
            requests: 0.0,
        }
    } else {
        Batch {
            prompt: 0.0,
            requests: tokens / unit.queries,
        }
    };
    let p: Parts = unit.parts(batch, 0.0);
    let (moe, dense) = unit.layers(!prompts);
    let projections = if unit.attention().is_latent() {
        0.0
    } else {
        p.before + p.after
    };
    let of_moe = p.gate + p.shared + p.experts + p.exchange.dispatch + p.exchange.combine;
    (moe + dense) * (projections + p.all_reduce) + moe * of_moe + dense * p.dense
}
