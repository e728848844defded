//! What an accelerator's memory holds: weights, the runtime, room for activations, and what is left for KV.
//!
//! Engines differ in what they take a fraction of (`memory_fraction` and the constants after it):
//!
//! * vLLM (v1/worker/gpu_worker.py): KV = fraction x all - weights - what is outside of torch - peak activations
//!   of a dummy batch - CUDA graphs (since 0.21).
//! * SGLang (model_runner.py, profile_max_num_token): KV = fraction x (free before loading) - weights: what the
//!   fraction leaves is for activations and graphs, and is not taken off again. Where nobody states the fraction,
//!   its own rule does (server_args.py, _handle_gpu_memory_settings).
//! * TensorRT-LLM (free_gpu_memory_fraction): KV = fraction x (all - weights - runtime - activations).
//!
//! The peak of activations is that of the forward pass or that of sampling, whichever is more: sampling keeps
//! several numbers for each (request, word) pair, which is more than a layer's activations wherever a thousand
//! requests may run. Checked against 54 logs of vLLM 0.19 on H100 (llm-d-planner, accuracy report of April 2026):
//! forward pass 4 widths of the stream and 3 of the network a token, experts of 8 or 16 bits
//! 2 inner widths and one of the stream more for each row.
//!
//! Ignored: norms and biases (0.2 % of the weights), uneven pipeline stages, fragmentation.

use super::kernel::bytes_of;
use super::unit_shape::RooflineUnit;
use crate::catalog::{Attention, Constant as C, KvShape, NumberFormat};

/// Bytes in a MiB, the unit that engines' own rules are written in.
const MIB: f64 = 1_048_576.0;

/// Requests for which vLLM profiles sampling where nobody states them (engine/arg_utils.py): on accelerators of
/// at least so many bytes, and on smaller ones.
const SAMPLED: (f64, f64, f64) = (70.0 * 1_024.0 * MIB, 1_024.0, 256.0);

/// MXFP4 matrices lie in blocks: the width of the stream is rounded up to the first, an accelerator's part of an
/// expert's inner width to the second (vLLM, quantization/mxfp4.py; it loads 64.4 GiB of gpt-oss-120b, 60.8 by
/// its numbers).
const FP4_BLOCKS: [f64; 2] = [256.0, 64.0];

/// Memory of one accelerator, in bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AcceleratorMemory {
    /// All memory of the accelerator.
    pub total: f64,
    /// Memory that the engine's fraction leaves; where `activations` are 0, for them and for graphs.
    pub unused: f64,
    /// Memory of the weights.
    pub weights: f64,
    /// Memory of the runtime, of buffers of collectives, and of graphs.
    pub runtime: f64,
    /// Memory of the largest step's activations, where the engine sets them apart from what it leaves.
    pub activations: f64,
    /// Memory left for KV; below zero where the model does not fit.
    pub kv: f64,
    /// KV of one token that every layer holds.
    pub kv_per_token: f64,
}

impl AcceleratorMemory {
    /// KV tokens that a rank holds while every layer holds them all.
    pub fn kv_tokens(&self) -> f64 {
        if self.kv <= 0.0 || self.kv_per_token <= 0.0 {
            return 0.0;
        }
        libm::floor(self.kv / self.kv_per_token)
    }
}

impl RooflineUnit<'_> {
    /// Weights on one accelerator, in bytes: attention and dense networks over the rank's accelerators,
    /// experts over all, embedding and head in BF16; a draft module's layer where there is one.
    pub fn weight_bytes(&self) -> f64 {
        let model = self.model;
        let width = bytes_of(self.roofline.precision.gemm);
        let hidden = f64::from(model.hidden);
        let kinds = model.layer_kinds();
        let of_attention = |in_window: bool| {
            let [divided, everywhere] = model.attention_weights(self.tensor, in_window);
            (divided / self.tensor + everywhere) * width
        };
        let linear = model.linear.map_or(0.0, |l| l.weights(model.hidden));
        let attention = f64::from(kinds.full) * of_attention(false)
            + f64::from(kinds.window) * of_attention(true)
            + f64::from(kinds.linear) * linear * width / self.tensor;
        let dense = 3.0 * hidden * f64::from(model.ffn) * width / self.tensor;
        let dense_layers = f64::from(model.dense_layers);
        let tables = if model.tied_embeddings { 1.0 } else { 2.0 };
        let tables = tables * 2.0 * f64::from(model.vocabulary) * hidden / self.tensor;
        let sparse = self.expert_layer_bytes();
        let mut total = attention
            + tables
            + dense_layers * dense
            + (f64::from(model.layers) - dense_layers) * sparse;
        if self.draft_passes > 0.0 {
            // embedding and head are shared; the projection of two streams into one is in BF16
            let network = if model.experts.is_some() {
                sparse
            } else {
                dense
            };
            total += of_attention(kinds.full == 0) + network + 2.0 * 2.0 * hidden * hidden;
        }
        total / self.pipeline
    }

    /// Weights of one layer's experts and router on one accelerator, in bytes.
    fn expert_layer_bytes(&self) -> f64 {
        let (model, precision) = (self.model, self.roofline.precision);
        let Some(experts) = &model.experts else {
            return 0.0;
        };
        let hidden = f64::from(model.hidden);
        let part = f64::from(experts.ffn) / self.spread.tensor;
        let [stream, inner] = match precision.experts {
            NumberFormat::Fp4 => {
                let [of_stream, of_inner] = FP4_BLOCKS;
                [
                    libm::ceil(hidden / of_stream) * of_stream,
                    libm::ceil(part / of_inner) * of_inner,
                ]
            }
            NumberFormat::Bf16
            | NumberFormat::Fp8
            | NumberFormat::Fp8Block
            | NumberFormat::Nvfp4
            | NumberFormat::Int4
            | NumberFormat::Int4Group128 => [hidden, part],
        };
        let routed = self.spread.slots * 3.0 * inner * stream * bytes_of(precision.experts);
        let shared = f64::from(experts.shared)
            * 3.0
            * f64::from(experts.ffn)
            * hidden
            * bytes_of(precision.gemm)
            / self.tensor;
        routed + shared + 2.0 * hidden * f64::from(experts.routed)
    }

    /// KV of one token that every layer holds, on one accelerator, in bytes: a rank's accelerators divide the
    /// KV heads among them, and hold latent KV each.
    pub fn kv_bytes_per_token(&self, kv: &KvShape) -> f64 {
        let part = |heads: u32| 1.0 / f64::from(heads.max(1)).min(self.tensor);
        let [full, window] = match self.model.attention {
            Attention::Latent { .. } => [1.0, 1.0],
            Attention::Grouped {
                kv_heads,
                global_kv_heads,
                ..
            } => [part(global_kv_heads), part(kv_heads)],
        };
        (kv.full_bytes as f64 * full + kv.window_bytes as f64 * window) / self.pipeline
    }

    /// Memory of one accelerator with `bytes` of it, for steps of `tokens` and `requests` on a rank.
    pub fn memory(
        &self,
        kv: &KvShape,
        bytes: f64,
        tokens: f64,
        requests: f64,
    ) -> AcceleratorMemory {
        let constant = |c: C| self.machine.get(c);
        let weights = self.weight_bytes();
        let together = self.spread.group.gpus * self.pipeline > 1.0;
        let collectives = if together {
            constant(C::MemoryCollectives)
        } else {
            0.0
        };
        let outside = constant(C::MemoryRuntime) + collectives;
        let is_static = constant(C::MemoryFractionStatic) > 0.5;
        // graphs and activations come from what a static fraction leaves
        let (runtime, activations) = if is_static {
            (1e9 * outside, 0.0)
        } else {
            let graphs = constant(C::MemoryGraphs);
            (
                1e9 * (outside + graphs),
                self.activation_bytes(tokens, bytes),
            )
        };
        let stated = constant(C::MemoryFraction);
        let fraction = if stated > 0.0 {
            stated
        } else {
            self.own_fraction(bytes, tokens, requests)
        };
        let of = if constant(C::MemoryFractionOfRest) > 0.5 {
            (bytes - weights - runtime - activations).max(0.0)
        } else if is_static {
            (bytes - runtime).max(0.0)
        } else {
            bytes
        };
        let unused = (1.0 - fraction) * of;
        AcceleratorMemory {
            total: bytes,
            unused,
            weights,
            runtime,
            activations,
            kv: bytes - unused - weights - runtime - activations,
            kv_per_token: self.kv_bytes_per_token(kv),
        }
    }

    /// The fraction of memory that SGLang chooses where nobody states one: all but 512 MiB, 1.5 MiB for each token
    /// of a chunk (2,048 at least), 2 MiB for each request of the largest graph, and 128 MiB for each accelerator;
    /// with data-parallel attention 3 MiB more for each such request and rank, beyond 300 requests 4.5; at least
    /// 10 GiB of accelerators above 60 GiB, and 2 GiB more with drafts.
    fn own_fraction(&self, bytes: f64, tokens: f64, requests: f64) -> f64 {
        let gpus = self.spread.group.gpus;
        let ranks = gpus / self.tensor;
        let of_graph = if gpus < 4.0 { 256.0 } else { 512.0 };
        let of_graph = requests.min(of_graph);
        let mut reserve = 512.0 + 1.5 * tokens.max(2_048.0) + 2.0 * of_graph;
        reserve += 128.0 * gpus * self.pipeline;
        if ranks > 1.0 {
            let each = if of_graph > 300.0 { 4.5 } else { 3.0 };
            reserve += each * of_graph * ranks;
        }
        let all = bytes / MIB;
        if all > 61_440.0 {
            reserve = reserve.max(10_240.0);
        }
        if self.draft_passes > 0.0 {
            reserve += 2_048.0;
        }
        (libm::round(1_000.0 * (all - reserve) / all) / 1_000.0).max(0.0)
    }

    /// Activations of the largest step, in bytes: the forward pass or sampling, whichever is more, and what experts
    /// keep between their two matrices (4-bit experts nothing).
    fn activation_bytes(&self, tokens: f64, bytes: f64) -> f64 {
        let model = self.model;
        let hidden = f64::from(model.hidden);
        let mut inner = if model.dense_layers > 0 { model.ffn } else { 0 };
        let mut between = 0.0;
        if let Some(e) = &model.experts {
            inner = inner.max(e.shared.saturating_mul(e.ffn));
            // of all tokens of the unit, those that fall on one accelerator's experts
            let rows = tokens * f64::from(e.top_k) * self.spread.tensor / self.tensor;
            if !matches!(
                self.roofline.precision.experts,
                NumberFormat::Fp4
                    | NumberFormat::Nvfp4
                    | NumberFormat::Int4
                    | NumberFormat::Int4Group128
            ) {
                let part = f64::from(e.ffn) / self.spread.tensor;
                between = rows * 2.0 * (2.0 * part + hidden);
            }
        }
        let inner = f64::from(inner) / self.tensor;
        let forward = tokens * 2.0 * (4.0 * hidden + 3.0 * inner);
        let (large, many, few) = SAMPLED;
        let sampled = match self.machine.get(C::MemorySampled) {
            stated if stated > 0.0 => stated,
            _ if bytes >= large => many,
            _ => few,
        };
        let words = sampled * f64::from(model.vocabulary);
        let sampling = words * self.machine.get(C::MemorySampler) + tokens * 2.0 * hidden;
        forward.max(sampling) + between
    }
}

#[cfg(test)]
mod memory_tests;
