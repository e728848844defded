//! What a request's context occupies in the KV cache: one fact, for pools, links and host memory alike. It
//! follows from the architecture and the kind of number that KV is kept in.

use super::{Architecture, Attention, Model, NumberFormat, SparseAttention};

/// What a request's context occupies in one copy of the KV cache, over all layers and heads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KvShape {
    /// Bytes of one token in the layers that keep every token.
    pub full_bytes: u64,
    /// Bytes of one token in the layers that keep a window's tokens only.
    pub window_bytes: u64,
    /// Tokens of the window, or those that sparse attention attends to, which takes no token less to keep; 0: no
    /// layer has one.
    pub window_tokens: u32,
    /// Bytes of the states of linear attention that one request keeps, whatever its length.
    pub state_bytes: u64,
}

/// Whole numbers that stand to one another as the parts of a [`KvShape`] (S9): memory counts
/// `full` x tokens + `window` x tokens within the window + `request_1024` / 1024 for each request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KvWeights {
    /// Weight of a token in the layers that keep every token.
    pub full: u64,
    /// Weight of a token within the window in the layers that have one.
    pub window: u64,
    /// Weight of a request whatever its length, in 1/1024, rounded up.
    pub request_1024: u64,
}

impl KvShape {
    /// A shape of so many bytes for every token, without windows or states.
    pub fn of_tokens(bytes_per_token: u64) -> Self {
        Self {
            full_bytes: bytes_per_token,
            ..Self::default()
        }
    }

    /// Bytes of one token that every layer keeps.
    pub fn bytes_per_token(&self) -> u64 {
        self.full_bytes.saturating_add(self.window_bytes)
    }

    /// Bytes of one request that holds so many tokens.
    pub fn bytes_of_request(&self, tokens: f64) -> f64 {
        self.full_bytes as f64 * tokens
            + self.window_bytes as f64 * tokens.min(f64::from(self.window_tokens))
            + self.state_bytes as f64
    }

    /// The parts of the shape in lowest terms.
    pub fn weights(&self) -> KvWeights {
        let granule = gcd(self.full_bytes, self.window_bytes).max(1);
        let state = (u128::from(self.state_bytes) * 1024).div_ceil(u128::from(granule));
        let (full, window) = (self.full_bytes / granule, self.window_bytes / granule);
        KvWeights {
            full: if full + window == 0 { 1 } else { full },
            window,
            request_1024: u64::try_from(state).unwrap_or(u64::MAX),
        }
    }

    /// The shape scaled so that a token that every layer keeps takes `bytes` in all.
    fn scaled_to(self, bytes: u64) -> Self {
        let whole = u128::from(self.bytes_per_token()).max(1);
        let part = u128::from(bytes) * u128::from(self.window_bytes) / whole;
        let window_bytes = u64::try_from(part).unwrap_or(bytes);
        Self {
            full_bytes: bytes - window_bytes,
            window_bytes,
            ..self
        }
    }
}

/// The greatest common divisor of two numbers.
fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// Numbers of layers by what they keep of a context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayerKinds {
    /// Layers that keep every token.
    pub full: u32,
    /// Layers that keep the tokens of a window only.
    pub window: u32,
    /// Layers that keep a state of linear attention.
    pub linear: u32,
}

impl Architecture {
    /// Numbers of layers that keep every token, a window's tokens, or a state.
    pub fn layer_kinds(&self) -> LayerKinds {
        let linear = self.linear.map_or(0, |l| l.layers).min(self.layers);
        let window = match self.attention {
            Attention::Latent { .. } => 0,
            Attention::Grouped { window_layers, .. } => window_layers.min(self.layers - linear),
        };
        LayerKinds {
            full: self.layers - linear - window,
            window,
            linear,
        }
    }

    /// What a context occupies where KV is kept in numbers of this kind, `drafts` with the layer of a draft
    /// module: one more of the same attention.
    pub fn kv_shape(&self, number: NumberFormat, drafts: bool) -> KvShape {
        let kinds = self.layer_kinds();
        let (in_full, in_window, window_tokens) = match self.attention {
            Attention::Latent { kv_rank, rope, .. } => {
                (u128::from(kv_rank) + u128::from(rope), 0, 0)
            }
            Attention::Grouped {
                kv_heads,
                head,
                global_kv_heads,
                global_head,
                window,
                ..
            } => {
                let pair = |heads: u32, head: u32| 2 * u128::from(heads) * u128::from(head);
                (
                    pair(global_kv_heads, global_head),
                    pair(kv_heads, head),
                    window,
                )
            }
        };
        let window_tokens = match &self.sparse {
            Some(sparse) => sparse.top_k,
            None if kinds.window > 0 => window_tokens,
            None => 0,
        };
        let windows_only = kinds.full == 0 && kinds.window > 0;
        let more = |here: bool| u128::from(u8::from(drafts && here));
        let bytes = |layers: u128, numbers: u128| number.bytes_of(layers.saturating_mul(numbers));
        let state = self.linear.map_or(0, |linear| {
            u128::from(kinds.linear).saturating_mul(u128::from(linear.state_bytes()))
        });
        let full = u128::from(kinds.full) + more(!windows_only);
        let full_bytes = match &self.sparse {
            Some(sparse) => self.sparse_bytes(sparse, number, full, more(true)),
            None => bytes(full, in_full),
        };
        KvShape {
            full_bytes,
            window_bytes: bytes(u128::from(kinds.window) + more(windows_only), in_window),
            window_tokens,
            state_bytes: u64::try_from(state).unwrap_or(u64::MAX),
        }
    }

    /// KV bytes of one token in `layers` layers of sparse attention, `drafts` of them of a draft module. Latent KV in
    /// 8 bits has a scale of 32 bits for each 128 numbers there, and the rotary part in 16 bits (FlashMLA's layout,
    /// which vLLM and SGLang use).
    fn sparse_bytes(
        &self,
        sparse: &SparseAttention,
        number: NumberFormat,
        layers: u128,
        drafts: u128,
    ) -> u64 {
        let latent = match (self.attention, number) {
            (
                Attention::Latent { kv_rank, rope, .. },
                NumberFormat::Fp8 | NumberFormat::Fp8Block,
            ) => u64::from(kv_rank) + 4 * u64::from(kv_rank.div_ceil(128)) + 2 * u64::from(rope),
            (Attention::Latent { kv_rank, rope, .. }, number) => {
                number.bytes_of(u128::from(kv_rank) + u128::from(rope))
            }
            (Attention::Grouped { .. }, _) => 0,
        };
        let keys = (u128::from(sparse.layers) + drafts).saturating_mul(sparse.key_bytes().into());
        let all = layers
            .saturating_mul(u128::from(latent))
            .saturating_add(keys);
        u64::try_from(all).unwrap_or(u64::MAX)
    }
}

impl Model {
    /// Whether the KV of a token is stated and differs from what the architecture gives in BF16: then what is
    /// stated holds everywhere, whatever KV is kept in.
    pub fn kv_is_stated(&self) -> bool {
        self.kv_by_architecture()
            .is_none_or(|bytes| bytes != self.kv_bytes_per_token)
    }

    /// KV bytes of a token by the architecture, in BF16; `None`: the architecture is not known.
    pub fn kv_by_architecture(&self) -> Option<u64> {
        let shape = self.architecture?.kv_shape(NumberFormat::Bf16, false);
        Some(shape.bytes_per_token())
    }

    /// What a context occupies: by the architecture, KV in numbers of this kind, `drafts` with a draft
    /// module's layer; or as stated.
    pub fn kv_shape(&self, number: NumberFormat, drafts: bool) -> KvShape {
        let Some(architecture) = &self.architecture else {
            return KvShape::of_tokens(self.kv_bytes_per_token);
        };
        if self.kv_is_stated() {
            let plain = architecture.kv_shape(number, false);
            return plain.scaled_to(self.kv_bytes_per_token);
        }
        architecture.kv_shape(number, drafts)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{LinearAttention, model, models};
    use super::*;

    /// Layers x (latent + rotary) x 2 bytes, or layers x KV heads x head x 2 (key and value) x 2 bytes.
    #[test]
    fn kv_of_a_token_follows_from_the_architecture() {
        let known = [
            ("deepseek-v3", 61 * (512 + 64) * 2),
            ("deepseek-r1", 70_272),
            ("deepseek-v3.2", 61 * (576 * 2 + 132)),
            ("kimi-k2", 70_272),
            ("glm-5", 78 * (576 * 2 + 132)),
            ("qwen3.5-397b-a17b", 15 * 2 * 256 * 2 * 2),
            ("kimi-k2.5", 70_272),
            ("qwen3-235b-a22b", 94 * 4 * 128 * 2 * 2),
            ("qwen3-30b-a3b", 98_304),
            ("minimax-m2.5", 253_952),
            ("gpt-oss-20b", 49_152),
            ("llama-3.1-70b", 327_680),
            ("llama-3.1-405b", 516_096),
            ("llama-4-scout", 196_608),
            ("mixtral-8x22b", 229_376),
            ("gemma-3-27b", 62 * 16 * 128 * 2 * 2),
            ("gpt-oss-120b", 73_728),
            ("llama-3.3-70b", 327_680),
            ("llama-2-70b", 327_680),
            ("llama-3.1-8b", 131_072),
            ("qwen3-32b", 262_144),
            ("mixtral-8x7b", 131_072),
        ];
        for (name, bytes) in known {
            let model = model(name).expect("in the catalog");
            assert_eq!(model.kv_bytes_per_token, bytes, "{name}");
            assert!(!model.kv_is_stated(), "{name}");
            let of = |number| model.kv_shape(number, false).bytes_per_token();
            assert_eq!(of(NumberFormat::Bf16), bytes, "{name}");
            let is_sparse = model.architecture.is_some_and(|a| a.sparse.is_some());
            if !is_sparse {
                assert_eq!(of(NumberFormat::Fp8), bytes / 2, "{name}");
            }
        }
        assert_eq!(known.len(), models().len());
    }

    #[test]
    fn windows_drafts_and_states_are_apart() {
        let gpt = model("gpt-oss-120b").expect("in the catalog");
        let shape = gpt.kv_shape(NumberFormat::Bf16, false);
        assert_eq!((shape.full_bytes, shape.window_bytes), (36_864, 36_864));
        assert_eq!(shape.window_tokens, 128);
        let weights = shape.weights();
        assert_eq!(
            (weights.full, weights.window, weights.request_1024),
            (1, 1, 0)
        );
        // a draft module keeps every token in one more layer
        let drafted = gpt.kv_shape(NumberFormat::Bf16, true);
        assert_eq!(drafted.full_bytes, 36_864 / 18 * 19);
        let weights = drafted.weights();
        assert_eq!((weights.full, weights.window), (19, 18));

        let mut one = model("llama-3.1-8b").expect("in the catalog").clone();
        let architecture = one.architecture.as_mut().expect("stated");
        // three of four layers with a state of 16 heads of 128 x 128 in FP32 and three past inputs in BF16
        architecture.linear = Some(LinearAttention {
            layers: 24,
            key_heads: 16,
            key_head: 128,
            value_heads: 16,
            value_head: 128,
            convolution: 4,
        });
        let shape = architecture.kv_shape(NumberFormat::Bf16, false);
        assert_eq!(shape.full_bytes, 8 * 8 * 128 * 2 * 2);
        let state = 16 * 128 * 128 * 4 + 3 * (3 * 16 * 128) * 2;
        assert_eq!(shape.state_bytes, 24 * state);
        let granules = (24 * state * 1024_u64).div_ceil(shape.full_bytes);
        assert_eq!(shape.weights().request_1024, granules);
        assert_eq!(
            shape.bytes_of_request(10.0) as u64,
            10 * 32_768 + 24 * state
        );
    }

    /// A model whose layers with and without a window have other heads; a request of 3,000 tokens keeps 1,000 of
    /// them in windows.
    #[test]
    fn layers_of_two_shapes_stand_to_each_other_as_their_bytes() {
        let mut architecture = model("gpt-oss-120b")
            .and_then(|m| m.architecture)
            .expect("in the catalog");
        architecture.layers = 6;
        architecture.attention = Attention::Grouped {
            heads: 8,
            kv_heads: 4,
            head: 256,
            global_kv_heads: 1,
            global_head: 512,
            window_layers: 5,
            window: 1000,
            qk_norm: false,
            gate: false,
        };
        let shape = architecture.kv_shape(NumberFormat::Fp8, false);
        assert_eq!((shape.full_bytes, shape.window_bytes), (1024, 5 * 2048));
        let weights = shape.weights();
        assert_eq!((weights.full, weights.window), (1, 10));
        let whole = 3000.0 * 1024.0 + 1000.0 * 10_240.0;
        assert!((shape.bytes_of_request(3000.0) - whole).abs() < 1e-6);
    }

    #[test]
    fn what_is_stated_holds_verbatim_and_keeps_the_split() {
        let mut gpt = model("gpt-oss-120b").expect("in the catalog").clone();
        gpt.kv_bytes_per_token = 10_001;
        assert!(gpt.kv_is_stated());
        for number in [NumberFormat::Bf16, NumberFormat::Fp8] {
            let shape = gpt.kv_shape(number, true);
            assert_eq!(shape.bytes_per_token(), 10_001);
            assert_eq!((shape.window_bytes, shape.window_tokens), (5_000, 128));
        }
        gpt.architecture = None;
        assert_eq!(
            gpt.kv_shape(NumberFormat::Fp8, false),
            KvShape::of_tokens(10_001)
        );
    }
}
