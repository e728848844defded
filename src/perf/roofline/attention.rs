//! Attention of one layer on one rank: its projections, and the core over queries and keys.
//!
//! Latent attention runs in multi-head form over prompts (keys and values are unfolded) and in absorbed
//! form in decode (queries are folded into the latent space). Grouped attention runs the same way in both.
//! A core is linear in what it attends to: pairs of prompts, KV tokens of decode. Layers with a window attend in
//! decode to what lies within it. Over prompts they are taken by the token: each attends to as many as a token
//! of the scenario's mean prompt does, which is approximate, since prompts differ and chunks begin anywhere.
//! Layers of linear attention read and write their states in decode; over prompts they take the operations of the
//! recurrence at the rate of attention, which nobody measured. Sparse attention (`sparse`) attends as if to a window.

mod sparse;

use super::kernel::{Machine, US, bytes_of};
use crate::catalog::{Architecture, Attention, Constant as C, NumberFormat};
use crate::scenario::Precision;

/// Times of the projections around the core of attention, in seconds a layer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Projections {
    /// Time of the norm and the projections to queries, keys and values, in seconds.
    pub before: f64,
    /// Time of the output projection, in seconds.
    pub after: f64,
}

/// Times of the core of attention: seconds a layer for each start, request, token and unit of attention.
#[derive(Clone, Copy, Debug, Default)]
pub struct Core {
    /// Seconds for each step.
    pub step: f64,
    /// Seconds for each decoding request.
    pub request: f64,
    /// Seconds for each prompt token.
    pub token: f64,
    /// Seconds for each (query, key) pair of a prompt, or each KV token of decode, in layers that keep all.
    pub unit: f64,
    /// Seconds for each KV token of decode that lies within windows, in layers with one.
    pub window: f64,
}

/// Operations for a token and each number of a layer's state: what the state says of the token's key, the correction
/// by it, and the answer to its query, a product and a sum each; forgetting is left out.
const STATE_OPERATIONS: f64 = 6.0;

/// Layers by what they keep of a context, as parts of all.
#[derive(Clone, Copy, Debug)]
struct Shares {
    full: f64,
    window: f64,
    linear: f64,
}

/// A scenario's mean prompt.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MeanPrompt {
    /// Tokens of the prompt that the cache holds.
    pub cached: f64,
    /// Tokens of the prompt that are computed.
    pub computed: f64,
}

impl MeanPrompt {
    /// Tokens within `window` that a computed token attends to, in the mean: fewer where prompts are shorter.
    pub fn within(self, window: f64) -> f64 {
        // all (query, key) pairs up to a length: the i-th query has i keys, no more than the window
        let pairs = |length: f64| {
            let full = length.min(window);
            full * (full + 1.0) / 2.0 + window * (length - full)
        };
        let whole = self.cached + self.computed;
        (pairs(whole) - pairs(self.cached)) / self.computed.max(1.0)
    }
}

/// The attention layers of a model with heads divided over `tensor` accelerators.
#[derive(Clone, Copy, Debug)]
pub struct AttentionLayer<'a> {
    pub model: &'a Architecture,
    pub precision: Precision,
    pub tensor: f64,
    /// Passes of a draft module's layer in a step that decodes, and in one with prompts: it has no window where
    /// others have none.
    pub drafts: [f64; 2],
}

impl AttentionLayer<'_> {
    /// Whether attention is latent.
    pub fn is_latent(&self) -> bool {
        matches!(self.model.attention, Attention::Latent { .. })
    }

    /// Times of the projections of `m` tokens; `absorbed`: as in decode.
    pub fn projections(&self, machine: &Machine<'_>, m: f64, absorbed: bool) -> Projections {
        if m <= 0.0 {
            return Projections::default();
        }
        let (hidden, t) = (f64::from(self.model.hidden), self.tensor);
        let gemm = |n: f64, k: f64| machine.gemm(self.precision.gemm, m, n, k);
        match self.model.attention {
            Attention::Latent {
                heads,
                query_rank,
                kv_rank,
                nope,
                rope,
                value,
            } => {
                let heads = f64::from(heads) / t;
                let [query, latent, nope, rope, value] =
                    [query_rank, kv_rank, nope, rope, value].map(f64::from);
                let down = gemm(query + latent + rope, hidden);
                let up = gemm(heads * (nope + rope), query);
                // norm and quantisation; rope on queries and keys, norms of the compressed
                let rotary = heads * rope * 4.0;
                let small = machine.elementwise(2.0, m * 11.0 * hidden)
                    + machine.elementwise(3.0, m * (rotary + 4.0 * (query + latent + rope)));
                let output = gemm(hidden, heads * value);
                let quantise = machine.elementwise(1.0, m * heads * value * 3.0);
                let batched = |n, k| machine.gemms(NumberFormat::Bf16, heads, m, n, k);
                let indexer = self.indexer(machine, m, query);
                let (fold, unfold) = if absorbed || self.model.sparse.is_some() {
                    (batched(latent, nope), batched(value, latent))
                } else {
                    (gemm(heads * (nope + value), latent), 0.0)
                };
                Projections {
                    before: down + up + small + fold + indexer,
                    after: unfold + quantise + output,
                }
            }
            Attention::Grouped {
                heads,
                kv_heads,
                head,
                global_kv_heads,
                global_head,
                qk_norm,
                gate,
                ..
            } => {
                let norms = f64::from(u8::from(qk_norm));
                // two norms with the residual stream, rope and writing of KV, norms of queries and keys
                let small = |width: f64| {
                    let bytes = m * (12.0 * hidden + 4.0 * width * (1.0 + norms));
                    machine.elementwise(3.0 + norms, bytes)
                };
                let of = |kv_heads: u32, head: u32| {
                    let queries = f64::from(heads) / t * f64::from(head);
                    let keys = 2.0 * (f64::from(kv_heads) / t).max(1.0) * f64::from(head);
                    // a gate is as wide as the queries: read with what it gates, written once
                    let (gates, gating) = if gate {
                        (queries, machine.elementwise(1.0, m * 6.0 * queries))
                    } else {
                        (0.0, 0.0)
                    };
                    Projections {
                        before: gemm(queries + gates + keys, hidden) + small(queries + keys),
                        after: gating + gemm(hidden, queries),
                    }
                };
                let shares = self.shares(0.0);
                let mut all = Projections::default();
                let mut add = |share: f64, p: Projections| {
                    all.before += share * p.before;
                    all.after += share * p.after;
                };
                if shares.full > 0.0 {
                    add(shares.full, of(global_kv_heads, global_head));
                }
                if shares.window > 0.0 {
                    add(shares.window, of(kv_heads, head));
                }
                if let Some(linear) = self.model.linear {
                    let [keys, values] = linear.widths().map(|width| width / t);
                    // queries, keys, values and their gate
                    let width = 2.0 * keys + 2.0 * values;
                    let before = gemm(width, hidden) + small(width);
                    let after = gemm(hidden, values);
                    add(shares.linear, Projections { before, after });
                }
                all
            }
        }
    }

    /// Times of the core over prompts like this one, by (query, key) pairs; averaged over layers of all kinds.
    pub fn prefill_core(&self, machine: &Machine<'_>, prompt: MeanPrompt) -> Core {
        if let Some(core) = self.sparse_prefill_core(machine, prompt) {
            return core;
        }
        let peak = machine.gpu.bf16_per_s * machine.get(C::ComputeFactor) * machine.sms;
        let (launch, tile) = if self.is_latent() {
            (C::PrefillLatentLaunch, C::PrefillLatentTile)
        } else {
            (C::PrefillAttentionLaunch, C::PrefillAttentionTile)
        };
        let (start, tile) = (machine.start(launch), machine.get(tile));
        let grouped = |heads: u32, head: u32| {
            let operations = 4.0 * f64::from(heads) * f64::from(head);
            let efficiency = if head <= 64 {
                C::PrefillAttentionCompute64
            } else {
                C::PrefillAttentionCompute
            };
            operations / self.tensor / (peak * machine.get(efficiency))
        };
        let shares = self.shares(self.drafts[1]);
        let (pair, pair_in_window, window) = match self.model.attention {
            Attention::Latent {
                heads,
                nope,
                rope,
                value,
                ..
            } => {
                let operations = 2.0 * f64::from(heads) * f64::from(nope + rope + value);
                let speed = peak * machine.get(C::PrefillLatentCompute);
                (operations / self.tensor / speed, 0.0, 0.0)
            }
            Attention::Grouped {
                heads,
                head,
                global_head,
                window,
                ..
            } => (
                grouped(heads, global_head),
                grouped(heads, head),
                f64::from(window),
            ),
        };
        let linear = self.model.linear.map_or(0.0, |l| {
            let speed = peak * machine.get(C::PrefillAttentionCompute);
            l.state_numbers() * STATE_OPERATIONS / self.tensor / speed
        });
        Core {
            step: start,
            request: 0.0,
            token: shares.full * pair * tile
                + shares.window * pair_in_window * (prompt.within(window) + 0.5 * tile)
                + shares.linear * linear,
            unit: pair * shares.full,
            window: 0.0,
        }
    }

    /// Times of the core in decode with `queries` tokens a request, by KV tokens; averaged over layers of all kinds.
    pub fn decode_core(&self, machine: &Machine<'_>, queries: f64) -> Core {
        let core = self.dense_decode_core(machine, queries);
        self.sparse_decode_core(machine, queries, core)
            .unwrap_or(core)
    }

    /// Times of the core in decode where attention is to all tokens.
    fn dense_decode_core(&self, machine: &Machine<'_>, queries: f64) -> Core {
        let memory = machine.memory_bandwidth();
        let peak = machine.gpu.bf16_per_s * machine.get(C::ComputeFactor);
        let efficiency = match (self.is_latent(), self.precision.kv) {
            (true, NumberFormat::Bf16) => C::DecodeLatentBandwidth,
            (true, _) => C::DecodeLatentBandwidthFp8,
            (false, NumberFormat::Bf16) => C::DecodeAttentionBandwidth,
            (false, _) => C::DecodeAttentionBandwidthFp8,
        };
        let bandwidth = memory * machine.get(efficiency);
        let width = bytes_of(self.precision.kv);
        let compute = peak * machine.get(C::DecodeLatentCompute);
        let token = |operations: f64, bytes: f64| {
            let operations = operations / self.tensor * queries;
            (operations / compute).max(bytes / bandwidth)
        };
        let kept = |kv_heads: u32| (f64::from(kv_heads) / self.tensor).max(1.0);
        let (unit, in_window, heads) = match self.model.attention {
            Attention::Latent {
                heads,
                kv_rank,
                rope,
                ..
            } => {
                let operations = 2.0 * f64::from(heads) * f64::from(2 * kv_rank + rope);
                let bytes = width * f64::from(kv_rank + rope);
                (token(operations, bytes), 0.0, 1.0)
            }
            Attention::Grouped {
                heads,
                kv_heads,
                head,
                global_kv_heads,
                global_head,
                ..
            } => {
                let of = |kv_heads: u32, head: u32| {
                    let operations = 4.0 * f64::from(heads) * f64::from(head);
                    token(operations, 2.0 * width * kept(kv_heads) * f64::from(head))
                };
                (
                    of(global_kv_heads, global_head),
                    of(kv_heads, head),
                    kept(kv_heads),
                )
            }
        };
        let shares = self.shares(self.drafts[0]);
        let (launch, request) = if self.is_latent() {
            (C::DecodeLatentLaunch, machine.get(C::DecodeLatentRequest))
        } else {
            let request = machine.get(C::DecodeAttentionRequest)
                + heads * machine.get(C::DecodeAttentionHead);
            (C::DecodeAttentionLaunch, request)
        };
        // a state is read and written
        let states = self.model.linear.map_or(0.0, |l| {
            2.0 * l.state_bytes() as f64
                / self.tensor
                / (memory * machine.get(C::DecodeAttentionBandwidth))
        });
        Core {
            step: machine.start(launch),
            request: US * request + shares.linear * states,
            token: 0.0,
            unit: unit * shares.full,
            window: in_window * shares.window,
        }
    }

    /// Tokens of the layers' window, or those that sparse attention attends to; infinity where there is neither.
    pub fn window(&self) -> f64 {
        if let Some(sparse) = &self.model.sparse {
            return f64::from(sparse.top_k);
        }
        match self.model.attention {
            Attention::Grouped { window, .. } if self.shares(0.0).window > 0.0 => f64::from(window),
            _ => f64::INFINITY,
        }
    }

    /// Layers by kind, as parts of all, with `drafts` passes of a draft module's layer among them.
    fn shares(&self, drafts: f64) -> Shares {
        let kinds = self.model.layer_kinds();
        let all = f64::from(self.model.layers) + drafts;
        let windows_only = kinds.full == 0 && kinds.window > 0;
        let (full, window) = if windows_only {
            (0.0, drafts)
        } else {
            (drafts, 0.0)
        };
        Shares {
            full: (f64::from(kinds.full) + full) / all,
            window: (f64::from(kinds.window) + window) / all,
            linear: f64::from(kinds.linear) / all,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_prompts_do_not_fill_a_window() {
        let prompt = |cached, computed| MeanPrompt { cached, computed };
        // tokens 1 to 100 attend to 50.5 in the mean, themselves included, of 1,000 the rest to 100
        assert!((prompt(0.0, 100.0).within(128.0) - 50.5).abs() < 1e-9);
        assert!((prompt(0.0, 1000.0).within(100.0) - 95.05).abs() < 1e-9);
        // behind a full window of cached tokens all attend to all of it
        assert!((prompt(500.0, 10.0).within(128.0) - 128.0).abs() < 1e-9);
    }
}
