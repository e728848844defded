//! Kernels, links and the parts of a layer on paper: what they compute, what they move, at what rates.
//!
//! All times are seconds of one accelerator. What a fused element-wise kernel moves is no law of nature: the
//! bytes for each number are those that the model documents, and stand in [`MOVED`].

use crate::sheet::{Card, Config, Constants, bytes};

/// Bytes that element-wise kernels move, for each number of what they are named after.
pub struct Moved {
    /// Norm with the residual stream, and quantisation of what follows: of the stream.
    pub norm_quantised: f64,
    /// Two norms with the residual stream, before attention and before the network.
    pub two_norms: f64,
    /// Rope in place, writing of KV: read and written.
    pub rope: f64,
    /// Quantisation: BF16 read, 8 bits written.
    pub quantise: f64,
    /// Gated activation: two BF16 read, one written.
    pub activation: f64,
    /// The same, quantised.
    pub activation_quantised: f64,
    /// Scores of experts, logits: passes in FP32.
    pub scores: f64,
}

pub const MOVED: Moved = Moved {
    norm_quantised: 11.0,
    two_norms: 12.0,
    rope: 4.0,
    quantise: 3.0,
    activation: 6.0,
    activation_quantised: 5.0,
    scores: 8.0,
};

/// How a copy of the model lies over accelerators.
#[derive(Clone, Copy, Debug)]
pub struct Degrees {
    /// Accelerators of a node.
    pub node: f64,
    pub tensor: f64,
    pub pipeline: f64,
    /// Attention data-parallel ranks that step together.
    pub ranks: f64,
    /// Accelerators with different experts; 1: each has a part of all.
    pub experts: f64,
    pub redundant: f64,
}

/// One accelerator of a copy, with all that is written on the desk.
#[derive(Clone, Copy, Debug)]
pub struct Paper {
    pub config: Config,
    pub card: Card,
    pub constants: Constants,
    pub degrees: Degrees,
    /// Dense weights, experts, KV.
    pub numbers: [&'static str; 3],
    pub drafts: f64,
    /// Passes of the draft module's layer in a step with prompts: in mixed pools one, which writes its KV.
    pub prompt_drafts: f64,
    /// Part of the multiprocessors that compute.
    pub sms: f64,
    /// Whether the host works while the step before runs.
    pub beside: bool,
    /// Whether tokens are drawn by top-p.
    pub sorts: bool,
    /// The mean prompt's tokens, none of them cached.
    pub prompt: f64,
}

const US: f64 = 1e-6;

impl Paper {
    pub fn c(&self, key: &str) -> f64 {
        self.constants.get(key)
    }

    pub fn is_latent(&self) -> bool {
        self.config.kv_rank > 0.0
    }

    pub fn has_experts(&self) -> bool {
        self.config.routed > 0.0
    }

    /// Accelerators of a stage.
    pub fn stage(&self) -> f64 {
        self.degrees.tensor * self.degrees.ranks
    }

    /// Whether tokens travel to experts: several ranks, and each accelerator with experts of its own.
    pub fn sends(&self) -> bool {
        self.has_experts() && self.degrees.ranks > 1.0 && self.degrees.experts > 1.0
    }

    /// Whether all ranks' tokens come to every accelerator.
    pub fn gathers(&self) -> bool {
        self.has_experts() && self.degrees.ranks > 1.0 && self.degrees.experts <= 1.0
    }

    pub fn memory_rate(&self) -> f64 {
        self.card.bandwidth * self.c("bandwidth_factor")
    }

    pub fn start(&self, key: &str) -> f64 {
        US * self.c(key) * self.c("launch_factor")
    }

    /// A kernel: the longer of computing and moving, a part of the shorter, and its start.
    fn kernel(&self, name: &str, number: &str, operations: f64, moved: f64) -> f64 {
        let c = |what: &str| self.c(&format!("{name}_{what}"));
        let peak = self.card.peak(number) * self.sms * self.c("compute_factor");
        let computing = operations / (peak * c("compute"));
        let moving = moved / (self.memory_rate() * c("bandwidth"));
        let (long, short) = if computing > moving {
            (computing, moving)
        } else {
            (moving, computing)
        };
        long + c("loss") * short + self.start(&format!("{name}_launch_us"))
    }

    /// `times` products of (m, k) by (k, n); BF16 comes out.
    pub fn products(&self, number: &str, times: f64, [m, n, k]: [f64; 3]) -> f64 {
        let (name, input) = match number {
            "bf16" => ("gemm_bf16", 2.0),
            "fp8-block" => ("gemm_fp8_block", 1.0),
            "fp8" => ("gemm_fp8", 1.0),
            _ => ("gemm_nvfp4", 1.0),
        };
        let moved = times * (n * k * bytes(number) + m * k * input + m * n * 2.0);
        self.c("gemm_factor") * self.kernel(name, number, times * 2.0 * m * n * k, moved)
    }

    /// A dense layer's product.
    pub fn product(&self, m: f64, n: f64, k: f64) -> f64 {
        self.products(self.numbers[0], 1.0, [m, n, k])
    }

    pub fn elementwise(&self, kernels: f64, moved: f64) -> f64 {
        let rate = self.memory_rate() * self.c("elementwise_bandwidth");
        kernels * self.start("elementwise_launch_us") + moved / rate
    }

    /// Projections before and after attention of `m` tokens. `folded`: latent attention in decode, which takes
    /// queries into the latent space and results out of it, head by head.
    pub fn projections(&self, m: f64, folded: bool) -> [f64; 2] {
        if m == 0.0 {
            return [0.0; 2];
        }
        let (c, h) = (&self.config, self.config.hidden);
        let heads = c.heads / self.degrees.tensor;
        if self.is_latent() {
            let compressed = c.q_rank + c.kv_rank + c.rope;
            let to_queries = heads * (c.nope + c.rope);
            let small = self.elementwise(2.0, m * h * MOVED.norm_quantised)
                + self.elementwise(3.0, m * MOVED.rope * (heads * c.rope + compressed));
            let before =
                self.product(m, compressed, h) + self.product(m, to_queries, c.q_rank) + small;
            let after = self.elementwise(1.0, m * heads * c.value * MOVED.quantise)
                + self.product(m, h, heads * c.value);
            return if folded {
                let fold = self.products("bf16", heads, [m, c.kv_rank, c.nope]);
                let unfold = self.products("bf16", heads, [m, c.value, c.kv_rank]);
                [before + fold, unfold + after]
            } else {
                let unfold = self.product(m, heads * (c.nope + c.value), c.kv_rank);
                [before + unfold, after]
            };
        }
        let (queries, keys_values) = (heads * c.head, 2.0 * self.kv_heads_kept() * c.head);
        let width = queries + keys_values;
        let kernels = 3.0 + c.qk_norm;
        let moved = MOVED.two_norms * h + MOVED.rope * width * (1.0 + c.qk_norm);
        let before = self.product(m, width, h) + self.elementwise(kernels, m * moved);
        [before, self.product(m, h, queries)]
    }

    /// KV heads on an accelerator: its part of them, one at least.
    pub fn kv_heads_kept(&self) -> f64 {
        let part = self.config.kv_heads / self.degrees.tensor;
        if part < 1.0 { 1.0 } else { part }
    }

    /// Attention of one layer over KV while `n` requests decode: [what a step and its requests take, each KV
    /// token of a layer].
    pub fn decode_core(&self, n: f64) -> [f64; 2] {
        if n == 0.0 {
            return [0.0; 2];
        }
        let c = &self.config;
        let queries = 1.0 + self.drafts;
        let heads = c.heads / self.degrees.tensor;
        let number = bytes(self.numbers[2]);
        let (operations, moved, kept) = if self.is_latent() {
            // scores over latent and rotary numbers, sums over latent ones; all heads read one latent
            let width = c.kv_rank + c.rope;
            (2.0 * heads * (width + c.kv_rank), width * number, 1.0)
        } else {
            let kept = self.kv_heads_kept();
            // keys and values
            (
                2.0 * 2.0 * heads * c.head,
                2.0 * kept * c.head * number,
                kept,
            )
        };
        let peak = self.card.bf16 * self.c("compute_factor") * self.c("decode_latent_compute");
        let kind = if self.is_latent() {
            "decode_latent"
        } else {
            "decode_attention"
        };
        let narrow = if self.numbers[2] == "bf16" {
            ""
        } else {
            "_fp8"
        };
        let read = self.c(&format!("{kind}_bandwidth{narrow}"));
        let token = (queries * operations / peak).max(moved / (self.memory_rate() * read));
        let heads = if self.is_latent() {
            0.0
        } else {
            kept * self.c("decode_attention_head_us")
        };
        let each = self.c(&format!("{kind}_request_us")) + heads;
        let start = self.start(&format!("{kind}_launch_us"));
        [start + n * US * each, token]
    }

    /// KV tokens that a layer attends to, in the mean over all layers and `drafts` passes of the draft module's,
    /// which has no window: for `n` requests of `tokens` each.
    pub fn attended(&self, n: f64, tokens: f64, drafts: f64) -> f64 {
        let c = &self.config;
        let within = if c.window > 0.0 {
            tokens.min(c.window)
        } else {
            0.0
        };
        let whole = c.layers - c.window_layers + drafts;
        n * (whole * tokens + c.window_layers * within) / (c.layers + drafts)
    }

    /// Attention of one layer over prompts, its mean over layers with and without a window, `drafts` passes of
    /// the draft module's among these: [start, each prompt token, each (query, key) pair].
    pub fn prompt_core(&self, drafts: f64) -> [f64; 3] {
        let c = &self.config;
        let heads = c.heads / self.degrees.tensor;
        let (operations, part) = if self.is_latent() {
            (
                2.0 * heads * (c.nope + c.rope + c.value),
                "prefill_latent_compute",
            )
        } else if c.head <= 64.0 {
            (4.0 * heads * c.head, "prefill_attention_compute_64")
        } else {
            (4.0 * heads * c.head, "prefill_attention_compute")
        };
        let peak = self.card.bf16 * self.sms * self.c("compute_factor");
        let pair = operations / (peak * self.c(part));
        let windowed = c.window_layers / (c.layers + drafts);
        let kind = if self.is_latent() {
            "prefill_latent"
        } else {
            "prefill_attention"
        };
        let tile = self.c(&format!("{kind}_tile_tokens"));
        // the i-th token of a prompt sees i tokens, itself among them, or its window
        let seen = |i: u64| (i as f64).min(c.window);
        let within: f64 = (1..=self.prompt as u64).map(seen).sum::<f64>() / self.prompt;
        let token = pair * ((1.0 - windowed) * tile + windowed * (within + tile / 2.0));
        [
            self.start(&format!("{kind}_launch_us")),
            token,
            pair * (1.0 - windowed),
        ]
    }

    /// A gated network of width `inner` on this accelerator.
    pub fn dense(&self, m: f64, inner: f64) -> f64 {
        if m == 0.0 || inner == 0.0 {
            return 0.0;
        }
        let h = self.config.hidden;
        let between = if self.numbers[0] == "bf16" {
            self.elementwise(1.0, m * inner * MOVED.activation)
        } else {
            self.elementwise(
                2.0,
                m * (inner * MOVED.activation_quantised + h * MOVED.quantise),
            )
        };
        // gate and up, then down
        self.product(m, 2.0 * inner, h) + between + self.product(m, h, inner)
    }

    /// Scores of all experts and the choice among them; latent attention leaves the norm to here.
    pub fn gate(&self, m: f64) -> f64 {
        if m == 0.0 || !self.has_experts() {
            return 0.0;
        }
        let (h, routed) = (self.config.hidden, self.config.routed);
        let norm = if self.is_latent() {
            self.elementwise(1.0, m * h * MOVED.norm_quantised)
        } else {
            0.0
        };
        norm + self.products("bf16", 1.0, [m, routed, h])
            + self.elementwise(3.0, m * routed * MOVED.scores)
    }

    /// Logits of `m` rows, each accelerator its part of the vocabulary, gathered as an all-reduce; sampling.
    pub fn head(&self, m: f64) -> f64 {
        if m == 0.0 {
            return 0.0;
        }
        let part = self.config.vocabulary / self.degrees.tensor;
        self.products("bf16", 1.0, [m, part, self.config.hidden])
            + self.elementwise(3.0, m * self.config.vocabulary * MOVED.scores)
            + self.all_reduce(self.degrees.tensor, m * part * 2.0)
            + if self.sorts {
                m * self.config.vocabulary * self.c("sampling_word_ns") * 1e-9
            } else {
                0.0
            }
    }

    /// The accelerators' experts: `rows` (token, expert) pairs, `tokens` that chose among all experts; `replayed`: the
    /// step is a graph.
    pub fn experts(&self, rows: f64, tokens: f64, prompts: bool, replayed: bool) -> f64 {
        let c = &self.config;
        let (h, number) = (c.hidden, self.numbers[1]);
        let holders = self.degrees.experts;
        let inner = c.expert_width / (self.stage() / holders);
        let held = (c.routed + self.degrees.redundant) / holders;
        // an expert is left alone if none of the tokens chose it
        let chosen = 1.0 - c.top_k / c.routed;
        let untouched = libm::pow(chosen, tokens * self.c("experts_touched"));
        let touched = (held * (1.0 - untouched)).min(rows);
        let name = match number {
            "bf16" => "experts_bf16",
            "fp8" => "experts_fp8",
            "fp8-block" => "experts_fp8_block",
            "nvfp4" => "experts_nvfp4",
            "int4" => "experts_int4",
            _ => "experts_fp4",
        };
        let input = if number.starts_with("fp8") { 1.0 } else { 2.0 };
        let matrices = 3.0 * h * inner;
        // in: stream and activation; out: gate, up and stream in BF16
        let mut moved = touched * matrices * bytes(number)
            + rows * (input * (h + inner) + 2.0 * (2.0 * inner + h));
        let mut beside = 0.0;
        if self.sends() {
            beside += self.elementwise(1.0, rows * inner * MOVED.activation_quantised);
            if prompts {
                // rows are sorted by expert, there and back
                beside += self.elementwise(2.0, rows * h * 4.0);
            }
        } else {
            moved += rows * inner * 3.0;
        }
        // every expert that has a row computes some rows of zeros; every one that is held costs a moment; and all
        // rows of the unit's tokens, or those sent here, are sorted and summed
        let c = |what: &str| self.c(&format!("{name}_{what}"));
        let multiplied = rows + touched * c("tile_rows");
        let sorted = if self.sends() {
            rows
        } else {
            tokens * self.config.top_k
        };
        let start = self.start(&format!("{name}_launch_us"));
        let kernels = self.kernel(name, number, 2.0 * multiplied * matrices, moved) - start
            + US * (c("launch_us") + held * c("slot_us"))
            + c("row_passes") * sorted * h * 2.0 / self.memory_rate();
        let start = if prompts && !replayed {
            US * self.c("experts_prefill_launch_us")
        } else {
            0.0
        };
        self.c("experts_factor") * kernels + beside + start
    }
}
