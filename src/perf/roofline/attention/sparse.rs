//! Sparse attention with an indexer (DeepSeek-V3.2 and after): a layer's indexer scores every token, and the layer
//! attends to the tokens of the highest scores.
//!
//! The indexer multiplies in 8 bits, has one key for all its heads, writes a score of 32 bits for each (query, token)
//! pair, which the choice reads again, and is not divided by tensor parallelism (vLLM and SGLang hold it whole). What
//! was chosen is attended to in the absorbed form, over prompts too: as to a window of as many tokens. Approximate:
//! a prompt shorter than the choice is attended to in the same form, where SGLang unfolds it.
//!
//! Nobody measured these kernels here: they are taken to be as efficient as those of other attention (assumed).

use super::{AttentionLayer, Core, MeanPrompt};
use crate::catalog::{Attention, Constant as C, NumberFormat, SparseAttention};
use crate::perf::roofline::kernel::Machine;

/// Bytes of a score that is written and read.
const SCORE_BYTES: f64 = 8.0;

/// Kernels that a layer of sparse attention starts beside that of attention: scores and choice.
const MORE_STARTS: f64 = 2.0;

impl AttentionLayer<'_> {
    /// The indexer, and the part of `all` passes through layers in which it scores.
    fn chooser(&self, drafts: f64) -> Option<(&SparseAttention, f64)> {
        let sparse = self.model.sparse.as_ref()?;
        let all = f64::from(self.model.layers) + drafts;
        Some((sparse, (f64::from(sparse.layers) + drafts) / all))
    }

    /// Time of the indexer's projections of `m` tokens, in seconds a layer: from compressed queries and the stream.
    pub fn indexer(&self, machine: &Machine<'_>, m: f64, query_rank: f64) -> f64 {
        let Some((sparse, part)) = self.chooser(0.0) else {
            return 0.0;
        };
        let [heads, head] = [sparse.heads, sparse.head].map(f64::from);
        let hidden = f64::from(self.model.hidden);
        let queries = machine.gemm(self.precision.gemm, m, heads * head, query_rank);
        let rest = machine.gemm(NumberFormat::Bf16, m, head + heads, hidden);
        // norm of the key, rope, quantisation
        let small = machine.elementwise(2.0, m * 3.0 * (heads + 1.0) * head);
        part * (queries + rest + small)
    }

    /// Operations of the absorbed form for a (query, token) pair on one accelerator.
    fn chosen_operations(&self) -> f64 {
        match self.model.attention {
            Attention::Latent {
                heads,
                kv_rank,
                rope,
                ..
            } => 2.0 * f64::from(heads) * f64::from(2 * kv_rank + rope) / self.tensor,
            Attention::Grouped { .. } => 0.0,
        }
    }

    /// The core over prompts; `None`: attention is to all tokens.
    pub fn sparse_prefill_core(&self, machine: &Machine<'_>, prompt: MeanPrompt) -> Option<Core> {
        let (sparse, part) = self.chooser(self.drafts[1])?;
        let rate = machine.get(C::ComputeFactor) * machine.sms;
        let rate = rate * machine.get(C::PrefillAttentionCompute);
        let scores = score_operations(sparse) / (rate * machine.peak(NumberFormat::Fp8));
        let moved =
            SCORE_BYTES / (machine.memory_bandwidth() * machine.get(C::ElementwiseBandwidth));
        let chosen = self.chosen_operations() / (rate * machine.gpu.bf16_per_s);
        let tile = machine.get(C::PrefillAttentionTile);
        let within = prompt.within(f64::from(sparse.top_k)) + 0.5 * tile;
        Some(Core {
            step: machine.start(C::PrefillAttentionLaunch) * (1.0 + MORE_STARTS * part),
            token: chosen * within,
            unit: part * (scores + moved),
            ..Core::default()
        })
    }

    /// The core in decode, of the same attention to all tokens; `None`: that is what it is.
    pub fn sparse_decode_core(
        &self,
        machine: &Machine<'_>,
        queries: f64,
        to_all: Core,
    ) -> Option<Core> {
        let (sparse, part) = self.chooser(self.drafts[0])?;
        let bandwidth = machine.memory_bandwidth() * machine.get(C::DecodeAttentionBandwidth);
        let rate = machine.get(C::ComputeFactor) * machine.get(C::DecodeLatentCompute);
        let operations = queries * score_operations(sparse);
        let bytes = sparse.key_bytes() as f64 + queries * SCORE_BYTES;
        let score = (operations / (rate * machine.peak(NumberFormat::Fp8))).max(bytes / bandwidth);
        Some(Core {
            step: to_all.step * (1.0 + MORE_STARTS * part),
            unit: part * score,
            window: to_all.unit,
            ..to_all
        })
    }
}

/// Operations of the indexer for a (query, token) pair.
fn score_operations(sparse: &SparseAttention) -> f64 {
    2.0 * f64::from(sparse.heads) * f64::from(sparse.head)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{Architecture, model};

    fn sparse(name: &str) -> Architecture {
        model(name)
            .and_then(|m| m.architecture)
            .expect("in the catalog")
    }

    #[test]
    fn a_token_keeps_latent_kv_and_a_key() {
        let v32 = sparse("deepseek-v3.2");
        // 576 numbers in 16 bits, and 128 of 8 bits with a scale
        let bytes = |number| v32.kv_shape(number, false).full_bytes;
        assert_eq!(bytes(NumberFormat::Bf16), 61 * (576 * 2 + 132));
        // 512 + 4 scales of 32 bits + 64 in 16 bits = 656 (FlashMLA)
        assert_eq!(bytes(NumberFormat::Fp8), 61 * (656 + 132));
        let shape = v32.kv_shape(NumberFormat::Fp8, true);
        assert_eq!((shape.full_bytes, shape.window_bytes), (62 * 788, 0));
        assert_eq!(shape.window_tokens, 2048);
    }
}
