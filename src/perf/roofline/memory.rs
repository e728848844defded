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
use super::unit::Unit;
use crate::catalog::{Architecture, Attention, Constant as C, KvShape, Number};

/// Bytes in the units that engines' own rules are written in.
const MIB: f64 = 1_048_576.0;

/// Requests for which engines profile sampling, at most: vLLM's default `max_num_seqs` on large accelerators.
const SAMPLED_MOST: f64 = 1_024.0;

/// MXFP4 matrices lie in blocks: the width of the stream is rounded up to this (vLLM loads 64.4 GiB of
/// gpt-oss-120b, 60.8 by its numbers).
const FP4_BLOCK: u32 = 256;

/// Memory of one accelerator, in bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Memory {
    /// All of it.
    pub total: f64,
    /// What the engine's fraction leaves; where `activations` are 0, for them and for graphs.
    pub unused: f64,
    /// Weights.
    pub weights: f64,
    /// Runtime, buffers of collectives, and graphs.
    pub runtime: f64,
    /// Activations of the largest step, where the engine sets them apart from what it leaves.
    pub activations: f64,
    /// What is left for KV; below zero where the model does not fit.
    pub kv: f64,
    /// KV of one token that every layer holds.
    pub kv_per_token: f64,
}

impl Memory {
    /// KV tokens that a rank holds while every layer holds them all.
    pub fn kv_tokens(&self) -> f64 {
        if self.kv <= 0.0 || self.kv_per_token <= 0.0 {
            return 0.0;
        }
        libm::floor(self.kv / self.kv_per_token)
    }
}

/// Weights of attention in one layer, in numbers: those that tensor parallelism divides, and those that every
/// accelerator holds.
fn attention_weights(model: &Architecture, tensor: f64, in_window: bool) -> [f64; 2] {
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
            let divided = query * heads * (nope + rope)
                + latent * heads * (nope + value)
                + heads * value * hidden;
            [divided, hidden * (query + latent + rope)]
        }
        Attention::Grouped {
            heads,
            kv_heads,
            head,
            global_kv_heads,
            global_head,
            ..
        } => {
            let (kv_heads, head) = if in_window {
                (kv_heads, head)
            } else {
                (global_kv_heads, global_head)
            };
            // KV heads that do not go round are held more than once
            let kept = f64::from(kv_heads).max(tensor);
            let divided = 2.0 * hidden * f64::from(head) * (f64::from(heads) + kept);
            [divided, 0.0]
        }
    }
}

impl Unit<'_> {
    /// Weights on one accelerator, in bytes: attention and dense networks over the rank's accelerators,
    /// experts over all, embedding and head in BF16; a draft module's layer where there is one.
    pub fn weight_bytes(&self) -> f64 {
        let model = self.model;
        let width = bytes_of(self.roofline.precision.gemm);
        let hidden = f64::from(model.hidden);
        let kinds = model.layer_kinds();
        let of_attention = |in_window: bool| {
            let [divided, everywhere] = attention_weights(model, self.tensor, in_window);
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
        let held = match precision.experts {
            Number::Fp4 => f64::from(model.hidden.div_ceil(FP4_BLOCK) * FP4_BLOCK),
            _ => hidden,
        };
        let inner = 3.0 * f64::from(experts.ffn);
        let routed =
            self.spread.slots * inner * held * bytes_of(precision.experts) / self.spread.tensor;
        let shared =
            f64::from(experts.shared) * inner * hidden * bytes_of(precision.gemm) / self.tensor;
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
    pub fn memory(&self, kv: &KvShape, bytes: f64, tokens: f64, requests: f64) -> Memory {
        let constant = |c: C| self.machine.get(c);
        let weights = self.weight_bytes();
        let together = self.spread.group.gpus > 1.0;
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
                self.activation_bytes(tokens, requests),
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
        Memory {
            total: bytes,
            unused,
            weights,
            runtime,
            activations,
            kv: bytes - unused - weights - runtime - activations,
            kv_per_token: self.kv_bytes_per_token(kv),
        }
    }

    /// The fraction that SGLang chooses where nobody states one: all but 512 MiB, 1.5 MiB for each token of a
    /// chunk (2,048 at least), 2 MiB for each request of the largest graph, and 128 MiB for each accelerator; with
    /// data-parallel attention 3 MiB more for each such request and rank, beyond 300 requests 4.5; at least
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

    /// Of the largest step, in bytes: the forward pass or sampling, whichever is more, and what experts keep
    /// between their two matrices (4-bit experts nothing).
    fn activation_bytes(&self, tokens: f64, requests: f64) -> f64 {
        let model = self.model;
        let hidden = f64::from(model.hidden);
        let mut inner = if model.dense_layers > 0 { model.ffn } else { 0 };
        let mut between = 0.0;
        if let Some(e) = &model.experts {
            inner = inner.max(e.shared.saturating_mul(e.ffn));
            // of all tokens of the unit, those that fall on one accelerator's experts
            let rows = tokens * f64::from(e.top_k) * self.spread.tensor / self.tensor;
            if !matches!(self.roofline.precision.experts, Number::Fp4 | Number::Nvfp4) {
                let part = f64::from(e.ffn) / self.spread.tensor;
                between = rows * 2.0 * (2.0 * part + hidden);
            }
        }
        let inner = f64::from(inner) / self.tensor;
        let forward = tokens * 2.0 * (4.0 * hidden + 3.0 * inner);
        let words = requests.min(SAMPLED_MOST) * f64::from(model.vocabulary);
        let sampling = words * self.machine.get(C::MemorySampler) + tokens * 2.0 * hidden;
        forward.max(sampling) + between
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::with_capacities;
    use super::super::memory_of;
    use super::*;
    use crate::scenario::{Performance, Scenario, load_str};

    const GIB: f64 = 1_073_741_824.0;

    /// A mixed pool of one copy on `gpus` accelerators, as vLLM and SGLang start by default: 8,192 tokens, 1,024
    /// requests.
    fn scenario(model: &str, gpu: &str, gpus: u32, engine: &str, more: &str) -> Scenario {
        let text = format!(
            "name = 'memory'\nstart = 2026-01-05T12:00:00Z\nduration = '1min'\nmodel = {model}\n\
             node = {{ gpu = '{gpu}', gpus = {gpus}, price_per_gpu_hour = 2.0 }}\n\
             [pools.mixed]\nnodes_per_unit = 1\nparallelism = {{ attention_data = 1 }}\n\
             max_batch_tokens = 8192\nmax_batch_requests = 1024\nunits = 1\n\
             [performance]\nkind = 'roofline'\nengine = '{engine}'\n{more}\n\
             [[class]]\nname = 'chat'\narrivals = {{ kind = 'poisson', requests_per_s = 1.0 }}\n\
             input = {{ kind = 'constant', value = 400 }}\noutput = {{ kind = 'constant', value = 200 }}\n"
        );
        load_str("memory", &text, &[]).unwrap_or_else(|m| panic!("{}", m.render(false)))
    }

    fn memory(scenario: &Scenario) -> Memory {
        let Performance::Roofline(roofline) = &scenario.performance else {
            panic!("first principles");
        };
        let pool = &scenario.pools[0];
        let unit = Unit::of(scenario, pool, roofline).expect("known hardware");
        memory_of(&unit, scenario, pool)
    }

    fn capacity(scenario: &Scenario) -> u64 {
        let whole = with_capacities(scenario).expect("the model fits");
        whole.pools[0].kv_capacity_tokens.expect("a mixed pool")
    }

    /// What engines printed as they started, on H100 of 79.18 GiB unless said: vLLM 0.19 with 0.95 of the memory
    /// (llm-d-planner, accuracy report), which still took graphs from what that leaves; SGLang with 0.93
    /// (vllm-project/vllm issue 21348). Within 3 %.
    #[test]
    fn pools_are_those_that_engines_print() {
        let vllm = "constants = { memory_fraction = 0.95, memory_graphs_gb = 0.0 }";
        let own = |name: &str, layers: u32, sizes: &str| {
            format!("{{ name = '{name}', layers = {layers}, {sizes} }}")
        };
        let qwen_7b = own(
            "qwen2.5-7b",
            28,
            "hidden = 3584, ffn = 18944, vocabulary = 152064, grouped = { heads = 28, kv_heads = 4, head = 128 }",
        );
        let printed_gib = [
            ("'llama-3.1-8b'", 1, "vllm", vllm.to_string(), 58.11),
            (qwen_7b.as_str(), 1, "vllm", vllm.to_string(), 58.53),
            (
                "'qwen3-235b-a22b'",
                4,
                "sglang",
                "precision = { gemm = 'fp8' }\nconstants = { memory_fraction = 0.93 }".to_string(),
                16.46,
            ),
        ];
        for (model, gpus, engine, more, printed) in printed_gib {
            let kv = memory(&scenario(model, "h100", gpus, engine, &more)).kv / GIB;
            println!("{model} {engine}: {kv:.2} GiB, printed {printed}");
            assert!((kv / printed - 1.0).abs() < 0.03, "{model}: {kv:.2} GiB");
        }
    }

    /// Weights that vLLM said it loaded, in GiB an accelerator, within 1 %.
    #[test]
    fn weights_are_those_that_engines_load() {
        let fp8 = "precision = { gemm = 'fp8' }";
        for (model, gpus, more, loaded) in [
            (
                "'gpt-oss-120b'",
                1,
                "constants = { memory_fraction = 0.95 }",
                64.38,
            ),
            ("'llama-3.3-70b'", 2, fp8, 33.88),
            ("'llama-3.1-8b'", 1, "", 14.99),
            ("'qwen3-32b'", 1, "", 61.03),
            ("'qwen3-32b'", 2, "", 30.59),
        ] {
            let weights = memory(&scenario(model, "h100", gpus, "vllm", more)).weights / GIB;
            assert!(
                (weights / loaded - 1.0).abs() < 0.01,
                "{model}: {weights:.2}"
            );
        }
    }

    /// Accelerators of a rank hold latent KV each, and the projections down to it; grouped KV heads that go round
    /// are divided, and others held twice.
    #[test]
    fn tensor_parallelism_divides_what_it_can() {
        let sglang = |gpus| {
            let more = "constants = { memory_fraction = 0.82 }";
            memory(&scenario("'deepseek-r1'", "h200", gpus, "sglang", more))
        };
        let (eight, sixteen) = (sglang(8), sglang(16));
        assert!((eight.kv_per_token - 70_272.0).abs() < 1e-6);
        assert!((sixteen.kv_per_token - 70_272.0).abs() < 1e-6);
        let down = 61.0 * 7168.0 * (1536.0 + 512.0 + 64.0);
        let router = 58.0 * 2.0 * 7168.0 * 256.0;
        let whole = 2.0 * sixteen.weights - eight.weights;
        assert!((whole / (down + router) - 1.0).abs() < 1e-6, "{whole}");
        // 8 KV heads over 8 and over 16 accelerators: one each
        let llama = |gpus| memory(&scenario("'llama-3.3-70b'", "h200", gpus, "vllm", ""));
        assert!((llama(8).kv_per_token - 327_680.0 / 8.0).abs() < 1e-6);
        assert!((llama(16).kv_per_token - 327_680.0 / 8.0).abs() < 1e-6);
    }

    /// A static fraction is for weights and KV: the reserve is taken off once, and the tokens are about 509,000, as
    /// the engine printed.
    #[test]
    fn a_static_fraction_is_taken_off_once() {
        let stated = scenario(
            "'deepseek-r1'",
            "h200",
            8,
            "sglang",
            "constants = { memory_fraction = 0.82 }",
        );
        let held = memory(&stated);
        let free = held.total - held.runtime;
        assert!((held.kv - (0.82 * free - held.weights)).abs() < 1.0);
        let tokens = capacity(&stated) as f64;
        assert!((tokens / 509_000.0 - 1.0).abs() < 0.05, "{tokens}");
        // its own rule: 512 + 1.5 x 8,192 + 2 x 512 + 128 x 8 MiB stay free
        let chosen = memory(&scenario("'deepseek-r1'", "h200", 8, "sglang", ""));
        let all = chosen.total / MIB;
        let fraction = libm::round(1_000.0 * (1.0 - 14_848.0 / all)) / 1_000.0;
        let free = chosen.total - chosen.runtime;
        assert!((chosen.unused / free - (1.0 - fraction)).abs() < 1e-9);
    }

    /// Sampling takes 15 bytes for each of 1,024 requests and each word; with few words the forward pass is more.
    #[test]
    fn activations_are_the_forward_pass_or_sampling() {
        let eight = memory(&scenario("'llama-3.1-8b'", "h100", 1, "vllm", ""));
        let sampling = 15.0 * 1024.0 * 128_256.0 + 8192.0 * 2.0 * 4096.0;
        assert!((eight.activations - sampling).abs() < 1.0);
        let few = "{ base = 'llama-3.1-8b', vocabulary = 32000 }";
        let forward = 8192.0 * 2.0 * (4.0 * 4096.0 + 3.0 * 14_336.0);
        let few = memory(&scenario(few, "h100", 1, "vllm", ""));
        assert!((few.activations - forward).abs() < 1.0);
        // experts keep two inner widths and one of the stream for each of 8 rows a token
        let more = "precision = { gemm = 'fp8' }";
        let sparse = memory(&scenario("'qwen3-235b-a22b'", "h200", 8, "vllm", more));
        let between = 8192.0 * 8.0 * 2.0 * (2.0 * 1536.0 / 8.0 + 4096.0);
        let sampling = 15.0 * 1024.0 * 151_936.0 + 8192.0 * 2.0 * 4096.0;
        assert!((sparse.activations - sampling - between).abs() < 1.0);
    }

    /// 52 of 62 layers keep a window: short requests fill all layers alike, so that the capacity is what all of
    /// them leave; with windows everywhere it is as finite.
    #[test]
    fn windows_do_not_add_room_for_short_requests() {
        let window = |layers: u32| {
            let model = format!(
                "{{ name = 'own', layers = 62, hidden = 5376, ffn = 21504, vocabulary = 262208, grouped = {{ heads = 32, \
                 kv_heads = 16, head = 128, window_layers = {layers}, window = 1024 }} }}"
            );
            scenario(&model, "h100", 1, "vllm", "")
        };
        let none = capacity(&window(0));
        assert_eq!(none, capacity(&window(52)));
        assert_eq!(none, capacity(&window(62)));
        let left = memory(&window(52)).kv / 507_904.0;
        assert_eq!(none, left as u64);
    }

    /// FP8 KV halves a token, and MXFP4 experts lie in blocks of 256.
    #[test]
    fn precision_shows_in_memory() {
        let of = |more: &str| memory(&scenario("'llama-3.1-8b'", "h100", 1, "vllm", more));
        let (plain, fp8) = (of(""), of("precision = { kv = 'fp8' }"));
        assert!((plain.kv - fp8.kv).abs() < 1.0);
        assert!((plain.kv_per_token - 2.0 * fp8.kv_per_token).abs() < 1e-9);
        let gpt = |number: &str| {
            let more = format!(
                "precision = {{ experts = '{number}' }}\nconstants = {{ memory_fraction = 0.95 }}"
            );
            memory(&scenario("'gpt-oss-120b'", "h200", 1, "vllm", &more)).weights
        };
        let experts = 36.0 * 128.0 * 3.0 * 2880.0;
        let fp4_over_nvfp4 = experts * (3072.0 * 4.25 / 8.0 - 2880.0 * 4.5 / 8.0);
        assert!((gpt("fp4") - gpt("nvfp4") - fp4_over_nvfp4).abs() < 1.0);
        // FP8 for dense products holds for experts published in BF16, not for those in 4 bits
        let both = memory(&scenario(
            "'mixtral-8x7b'",
            "h200",
            1,
            "vllm",
            "precision = { gemm = 'fp8' }",
        ));
        let bf16 = memory(&scenario("'mixtral-8x7b'", "h200", 1, "vllm", ""));
        assert!(both.weights < 0.51 * bf16.weights);
        let gpt = |more: &str| memory(&scenario("'gpt-oss-120b'", "h200", 1, "vllm", more)).weights;
        let dense = 36.0 * 2.0 * 2880.0 * 64.0 * 72.0;
        assert!((gpt("") - gpt("precision = { gemm = 'fp8' }") - dense).abs() < 1.0);
    }

    /// One more layer of attention and experts, and the projection of two streams into one.
    #[test]
    fn a_draft_module_takes_memory() {
        let of = |drafts: u32| {
            let mut all = scenario("'deepseek-r1'", "h200", 8, "vllm", "");
            all.mtp.drafts = drafts;
            memory(&all)
        };
        let experts = 257.0 * 3.0 * 7168.0 * 2048.0 / 8.0 + 2.0 * 7168.0 * 256.0;
        let down = 7168.0 * (1536.0 + 576.0);
        let attention = 1536.0 * 128.0 * 192.0 + 512.0 * 128.0 * 256.0 + 128.0 * 128.0 * 7168.0;
        let more = experts + down + attention / 8.0 + 4.0 * 7168.0 * 7168.0;
        assert!((of(1).weights - of(0).weights - more).abs() < 1.0);
    }

    #[test]
    fn what_does_not_fit_is_refused_in_every_pool() {
        let too_large = scenario("'deepseek-r1'", "h100", 1, "vllm", "");
        let why = with_capacities(&too_large).expect_err("671 GB on 85");
        assert!(
            why.contains("does not fit") && why.contains("too much"),
            "{why}"
        );
        for (name, parallelism) in [("prefill", "tensor = 1"), ("decode", "tensor = 8")] {
            let text = format!(
                "name = 'memory'\nstart = 2026-01-05T12:00:00Z\nduration = '1min'\nmodel = 'qwen3-32b'\n\
                 node = {{ gpu = 'h100', gpus = 8, price_per_gpu_hour = 2.0 }}\n\
                 [pools.prefill]\nparallelism = {{ {parallelism} }}\nmax_batch_tokens = 65536\nunits = 1\n\
                 gpus_per_unit = 8\n\
                 [pools.decode]\ngpus_per_unit = 8\nmax_batch_requests = 64\nunits = 1\n\
                 [performance]\nkind = 'roofline'\nengine = 'vllm'\n\
                 [[class]]\nname = 'chat'\narrivals = {{ kind = 'poisson', requests_per_s = 1.0 }}\n\
                 input = {{ kind = 'constant', value = 400 }}\noutput = {{ kind = 'constant', value = 200 }}\n"
            );
            let all =
                load_str("memory", &text, &[]).unwrap_or_else(|m| panic!("{}", m.render(false)));
            let fits = with_capacities(&all);
            // TP1 leaves 5 GB beside 66 GB of weights, a batch of 65,536 tokens needs 17
            assert_eq!(fits.is_err(), name == "prefill", "{fits:?}");
        }
    }
}
