//! What a unit's memory holds: weights, room for activations, and what is left for KV.

use super::kernel::bytes_of;
use super::unit::Unit;
use crate::catalog::{Architecture, Attention, Constant as C};

/// Memory of one accelerator, in bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Memory {
    /// All of it.
    pub total: f64,
    /// What the engine does not fill.
    pub unused: f64,
    /// Weights.
    pub weights: f64,
    /// Runtime, buffers and graphs.
    pub runtime: f64,
    /// Activations of the largest step.
    pub activations: f64,
    /// What is left for KV; below zero where the model does not fit.
    pub kv: f64,
    /// KV of one token.
    pub kv_per_token: f64,
}

impl Memory {
    /// KV tokens that a rank holds: without end where every layer has a window.
    pub fn kv_tokens(&self) -> f64 {
        if self.kv <= 0.0 {
            0.0
        } else if self.kv_per_token > 0.0 {
            libm::floor(self.kv / self.kv_per_token)
        } else {
            f64::INFINITY
        }
    }
}

/// Weights of attention, and of a dense network, in numbers of one layer.
fn attention_weights(model: &Architecture) -> f64 {
    let hidden = f64::from(model.hidden);
    match model.attention {
        Attention::Latent {
            heads,
            query_rank,
            kv_rank,
            nope,
            rope,
            value,
        } => {
            let [heads, query, latent, nope, rope, value] =
                [heads, query_rank, kv_rank, nope, rope, value].map(f64::from);
            hidden * (query + latent + rope)
                + query * heads * (nope + rope)
                + latent * heads * (nope + value)
                + heads * value * hidden
        }
        Attention::Grouped {
            heads,
            kv_heads,
            head,
            ..
        } => 2.0 * hidden * f64::from(head) * f64::from(heads + kv_heads),
    }
}

impl Unit<'_> {
    /// Weights on one accelerator, in bytes: attention and dense networks over the rank's accelerators,
    /// experts over all, embedding and head in BF16.
    pub fn weight_bytes(&self) -> f64 {
        let model = self.model;
        let precision = self.roofline.precision;
        let (hidden, dense_width) = (f64::from(model.hidden), bytes_of(precision.gemm));
        let layers = f64::from(model.layers);
        let dense_layers = f64::from(model.dense_layers);
        let attention = layers * attention_weights(model) * dense_width / self.tensor;
        let dense = dense_layers * 3.0 * hidden * f64::from(model.ffn) * dense_width / self.tensor;
        let tables = 2.0 * 2.0 * f64::from(model.vocabulary) * hidden / self.tensor;
        let mut total = attention + dense + tables;
        if let Some(experts) = &model.experts {
            let one = 3.0 * hidden * f64::from(experts.ffn);
            let routed = self.spread.slots * one * bytes_of(precision.experts) / self.spread.tensor;
            let shared = f64::from(experts.shared) * one * dense_width / self.tensor;
            let router = 2.0 * hidden * f64::from(experts.routed);
            total += (layers - dense_layers) * (routed + shared + router);
        }
        total / self.pipeline
    }

    /// KV of one token on one accelerator, in bytes. Layers with a window keep no more than that and are
    /// left out.
    pub fn kv_bytes_per_token(&self) -> f64 {
        let width = bytes_of(self.roofline.precision.kv);
        let layers = f64::from(self.model.layers) / self.pipeline;
        match self.model.attention {
            Attention::Latent { kv_rank, rope, .. } => layers * width * f64::from(kv_rank + rope),
            Attention::Grouped {
                kv_heads,
                head,
                window_layers,
                ..
            } => {
                let whole = 1.0 - f64::from(window_layers) / f64::from(self.model.layers);
                let kept = (f64::from(kv_heads) / self.tensor).max(1.0);
                layers * whole * 2.0 * width * kept * f64::from(head)
            }
        }
    }

    /// Memory of one accelerator with `bytes` of it, for steps of `tokens` and `requests` on a rank.
    pub fn memory(&self, bytes: f64, tokens: f64, requests: f64) -> Memory {
        let machine = &self.machine;
        let fraction = machine.get(C::MemoryFraction);
        let weights = self.weight_bytes();
        let runtime = 1e9 * machine.get(C::MemoryRuntime);
        let activations = self.activation_bytes(tokens, requests);
        let of_rest = machine.get(C::MemoryFractionOfRest) > 0.5;
        let of = if of_rest {
            (bytes - weights - runtime - activations).max(0.0)
        } else {
            bytes
        };
        let unused = (1.0 - fraction) * of;
        Memory {
            total: bytes,
            unused,
            weights,
            runtime,
            activations,
            kv: bytes - unused - weights - runtime - activations,
            kv_per_token: self.kv_bytes_per_token(),
        }
    }

    /// Of the largest step: two widths of the network and four of the stream for each token, in BF16, and
    /// logits in FP32 with two copies for each request.
    fn activation_bytes(&self, tokens: f64, requests: f64) -> f64 {
        let inner = match &self.model.experts {
            None => f64::from(self.model.ffn) / self.tensor,
            Some(e) => f64::from(e.ffn * e.top_k) / self.spread.tensor / self.spread.ranks,
        };
        let hidden = f64::from(self.model.hidden);
        let vocabulary = f64::from(self.model.vocabulary);
        tokens * 2.0 * (2.0 * inner + 4.0 * hidden) + requests * vocabulary / self.tensor * 12.0
    }
}
