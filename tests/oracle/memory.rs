//! Memory on paper: tensor by tensor what an accelerator holds, and what engines leave for KV.

use crate::paper::Paper;
use crate::sheet::bytes;

const MIB: f64 = 1024.0 * 1024.0;

/// Memory of one accelerator, in bytes, and the KV tokens of a rank.
#[derive(Clone, Copy, Debug)]
pub struct Held {
    pub weights: f64,
    pub kv_per_token: f64,
    pub kv: f64,
    pub tokens: f64,
}

impl Paper {
    /// Bytes of one layer's attention on an accelerator: columns of heads are divided, what all heads share is
    /// not; KV heads that do not go round are held more than once.
    fn attention_bytes(&self) -> f64 {
        let (c, t, h) = (&self.config, self.degrees.tensor, self.config.hidden);
        let number = bytes(self.numbers[0]);
        if self.is_latent() {
            let q_a = h * c.q_rank;
            let q_b = c.q_rank * c.heads * (c.nope + c.rope) / t;
            let kv_a = h * (c.kv_rank + c.rope);
            let kv_b = c.kv_rank * c.heads * (c.nope + c.value) / t;
            let o = c.heads * c.value * h / t;
            return number * (q_a + q_b + kv_a + kv_b + o);
        }
        let q_and_o = 2.0 * h * c.heads * c.head / t;
        let k_and_v = 2.0 * h * self.kv_heads_kept() * c.head;
        number * (q_and_o + k_and_v)
    }

    /// Bytes of one layer's network: gate, up and down.
    fn network_bytes(&self, dense: bool) -> f64 {
        let (c, t, h) = (&self.config, self.degrees.tensor, self.config.hidden);
        if dense {
            return 3.0 * h * c.intermediate / t * bytes(self.numbers[0]);
        }
        let holders = self.degrees.experts;
        let own = (c.routed + self.degrees.redundant) / holders;
        let cut = self.stage() / holders;
        // MXFP4 lies in blocks: of 256 along the stream, of 64 along an accelerator's part of the inner width
        let blocks = |x: f64, of: f64| libm::ceil(x / of) * of;
        let (long, wide) = if self.numbers[1] == "fp4" {
            (blocks(h, 256.0), blocks(c.expert_width / cut, 64.0))
        } else {
            (h, c.expert_width / cut)
        };
        let routed = own * 3.0 * long * wide * bytes(self.numbers[1]);
        let shared = c.shared * 3.0 * h * c.expert_width / t * bytes(self.numbers[0]);
        let router = h * c.routed * bytes("bf16");
        routed + shared + router
    }

    /// Bytes of weights on one accelerator.
    pub fn weights(&self) -> f64 {
        let (c, h) = (&self.config, self.config.hidden);
        // embedding and head: no model of the catalog ties them
        let tables = 2.0 * c.vocabulary * h * 2.0 / self.degrees.tensor;
        let sparse = c.layers - c.dense_layers;
        let mut all =
            tables + c.layers * self.attention_bytes() + c.dense_layers * self.network_bytes(true);
        if self.has_experts() {
            all += sparse * self.network_bytes(false);
        }
        if self.drafts > 0.0 {
            // one more layer, whatever the drafts, and two streams made one
            all += self.attention_bytes() + self.network_bytes(!self.has_experts());
            all += 2.0 * h * h * bytes("bf16");
        }
        all / self.degrees.pipeline
    }

    /// Numbers of KV of one token in one layer of a whole copy.
    fn kv_numbers(&self) -> f64 {
        let c = &self.config;
        if self.is_latent() {
            c.kv_rank + c.rope
        } else {
            2.0 * c.kv_heads * c.head
        }
    }

    fn kv_layers(&self) -> f64 {
        self.config.layers + if self.drafts > 0.0 { 1.0 } else { 0.0 }
    }

    /// Bytes of a request of so many tokens in one copy of the KV, over all layers.
    pub fn request_bytes(&self, tokens: f64) -> f64 {
        let c = &self.config;
        let within = if c.window > 0.0 {
            tokens.min(c.window)
        } else {
            0.0
        };
        let token_layers = (self.kv_layers() - c.window_layers) * tokens + c.window_layers * within;
        token_layers * self.kv_numbers() * bytes(self.numbers[2])
    }

    /// Bytes of one token that all layers hold, on one accelerator.
    pub fn kv_per_token(&self) -> f64 {
        let here = if self.is_latent() {
            self.kv_numbers()
        } else {
            2.0 * self.kv_heads_kept() * self.config.head
        };
        self.kv_layers() * here * bytes(self.numbers[2]) / self.degrees.pipeline
    }

    /// Peak of activations in a step of `tokens` on a rank.
    fn activations(&self, tokens: f64) -> f64 {
        let (c, h, t) = (&self.config, self.config.hidden, self.degrees.tensor);
        let mut inner = if c.dense_layers > 0.0 {
            c.intermediate
        } else {
            0.0
        };
        inner = inner.max(c.shared * c.expert_width);
        let forward = tokens * 2.0 * (4.0 * h + 3.0 * inner / t);
        let requests = match self.c("memory_sampled_requests") {
            0.0 if self.card.memory >= 70.0 * 1024.0 * MIB => 1024.0,
            0.0 => 256.0,
            stated => stated,
        };
        let sampling = requests * c.vocabulary * self.c("memory_sampler_bytes") + tokens * 2.0 * h;
        let mut peak = forward.max(sampling);
        if self.has_experts() && bytes(self.numbers[1]) >= 1.0 {
            let cut = self.stage() / self.degrees.experts;
            let rows = tokens * c.top_k * cut / t;
            peak += rows * 2.0 * (2.0 * c.expert_width / cut + h);
        }
        peak
    }

    /// SGLang's own choice of `mem_fraction_static`.
    fn own_fraction(&self, tokens: f64, requests: f64) -> f64 {
        let (stage, ranks) = (self.stage(), self.degrees.ranks);
        let graph = requests.min(if stage < 4.0 { 256.0 } else { 512.0 });
        let mut reserve = 512.0
            + tokens.max(2048.0) * 1.5
            + graph * 2.0
            + stage * self.degrees.pipeline * 1024.0 / 8.0;
        if ranks > 1.0 {
            reserve += graph * ranks * if graph > 300.0 { 4.5 } else { 3.0 };
        }
        let all = self.card.memory / MIB;
        if all > 60.0 * 1024.0 {
            reserve = reserve.max(10.0 * 1024.0);
        }
        if self.drafts > 0.0 {
            reserve += 2.0 * 1024.0;
        }
        libm::round((all - reserve) / all * 1000.0) / 1000.0
    }

    /// What an accelerator holds where a rank's largest step has so many tokens and requests.
    pub fn held(&self, tokens: f64, requests: f64) -> Held {
        let all = self.card.memory;
        let weights = self.weights();
        let gb = |key: &str| 1e9 * self.c(key);
        let mut outside = gb("memory_runtime_gb");
        if self.stage() * self.degrees.pipeline > 1.0 {
            outside += gb("memory_collectives_gb");
        }
        let fraction = match self.c("memory_fraction") {
            0.0 => self.own_fraction(tokens, requests),
            stated => stated,
        };
        let kv = if self.c("memory_fraction_static") == 1.0 {
            // SGLang: a fraction of what was free before loading, less weights
            fraction * (all - outside) - weights
        } else {
            let used = outside + gb("memory_graphs_gb") + self.activations(tokens);
            if self.c("memory_fraction_of_rest") == 1.0 {
                fraction * (all - weights - used)
            } else {
                fraction * all - weights - used
            }
        };
        let kv_per_token = self.kv_per_token();
        Held {
            weights,
            kv_per_token,
            kv,
            tokens: libm::floor(kv / kv_per_token),
        }
    }
}
