//! What is known of hardware, models and prices: data in TOML beside this file, embedded in the
//! binary, each entry with its sources.

mod catalog_entry;
mod constants;
mod coverage;
mod data;
mod engine;
mod kernel_fits;
mod kv_shape;
mod launch_engine;
mod model_rows;
mod parameters;
mod release;
mod step_error;

pub use constants::{CONSTANTS, Constant, ConstantInfo};
pub use coverage::coverage;
pub use data::{gb, gb_per_s, gpu, gpus, model, models, price, prices, usd_per_million};
pub use engine::{
    EngineRules, GIVEN, Origin, Provenance, ServingEngine, SourcedValue, engine, engines,
    newest_engines, releases,
};
pub use kv_shape::KvShape;
pub use launch_engine::LaunchEngine;
pub use release::{Release, name_and_release};
pub use step_error::{StepErrorCell, StepErrorClass};

use crate::units::{BytesPerSecond, PicoUsd, SimDuration};
use crate::words::words;

/// Data sheet, memory and power of an accelerator.
#[derive(Clone, Debug, PartialEq)]
pub struct Gpu {
    /// Catalog name of the accelerator.
    pub name: String,
    /// The catalog's accelerator that this one is or starts from; `None`: it stands alone.
    pub base: Option<String>,
    /// The catalog's accelerator whose engines lend constants where none were measured on this one; `None`: what an
    /// engine's first entry was measured on.
    pub lender: Option<String>,
    /// Memory in bytes, as the accelerator's data sheet says.
    pub memory_bytes: u64,
    /// Memory that programs see, in bytes: the driver's total; in a scenario's own table what that states.
    pub usable_bytes: u64,
    /// Bandwidth, one way, of the network interface that belongs to this accelerator.
    pub nic: BytesPerSecond,
    /// Bandwidth, one way, between the accelerator and its host.
    pub host: BytesPerSecond,
    /// Electric power of the accelerator; `None`: not known.
    pub power: Option<Power>,
    /// Power in watts of what serves the accelerator (host, network, cooling, conversion), from the utility;
    /// `None`: not known.
    pub overhead_w: Option<f64>,
    /// What the accelerator computes and moves; `None`: not known, so that step times cannot be derived.
    pub compute: Option<Compute>,
}

/// Electric power of one accelerator, in watts, by what it does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Power {
    /// Power while the accelerator holds a model and computes nothing, in watts.
    pub idle_w: f64,
    /// Power while it generates (a step bound by memory), in watts.
    pub busy_w: f64,
    /// Power while it computes prompts, in watts: its power limit.
    pub peak_w: f64,
}

/// Speeds on an accelerator's data sheet; operations are those of dense matrices.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Compute {
    /// Memory bandwidth, in bytes per second.
    pub memory_bytes_per_s: f64,
    /// Operations per second in BF16.
    pub bf16_per_s: f64,
    /// Operations per second in FP8; 0: the accelerator has none.
    pub fp8_per_s: f64,
    /// Operations per second in FP4; 0: the accelerator has none.
    pub fp4_per_s: f64,
    /// Bandwidth of the link to the accelerators of the scale-up domain, one way, in bytes per second.
    pub scale_up_bytes_per_s: f64,
    /// Accelerators in a scale-up domain.
    pub scale_up_gpus: u32,
    /// Whether a scale-up domain reaches over several nodes; false: it ends with the node.
    pub scale_up_spans_nodes: bool,
    /// Whether each accelerator of the domain has a link to each other one, and no switch: few of them then have few
    /// links among them; false: they have the whole bandwidth, however few they are.
    pub scale_up_mesh: bool,
}

impl Compute {
    /// Bandwidth of an accelerator of the scale-up domain to others of a group of so many, itself among them, one way,
    /// in bytes per second.
    pub fn scale_up_among(&self, gpus: f64) -> f64 {
        let others = f64::from(self.scale_up_gpus) - 1.0;
        if self.scale_up_mesh && others > 0.0 {
            self.scale_up_bytes_per_s * ((gpus - 1.0) / others).clamp(1.0 / others, 1.0)
        } else {
            self.scale_up_bytes_per_s
        }
    }
}

/// Context, KV and architecture of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// Catalog name of the model.
    pub name: String,
    /// KV cache of one token over all layers, in bytes: by its architecture in BF16, or as stated.
    pub kv_bytes_per_token: u64,
    /// Most tokens of a request, input and output together; `None`: not known.
    pub context: Option<u32>,
    /// The transformer's shape, which says what a step computes; `None`: not known, so that step times cannot
    /// be derived.
    pub architecture: Option<Architecture>,
}

/// The shape of a transformer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Architecture {
    /// Number of layers.
    pub layers: u32,
    /// Layers with a dense feed-forward network (all, where there are no experts).
    pub dense_layers: u32,
    /// Width of the residual stream.
    pub hidden: u32,
    /// Inner width of the dense feed-forward network.
    pub ffn: u32,
    /// Tokens in the vocabulary.
    pub vocabulary: u32,
    /// Kind of attention, with its dimensions.
    pub attention: Attention,
    /// Layers of linear attention; `None`: there are none.
    pub linear: Option<LinearAttention>,
    /// What chooses the tokens that latent attention attends to; `None`: it attends to all.
    pub sparse: Option<SparseAttention>,
    /// Whether embedding and output head share one table of weights.
    pub tied_embeddings: bool,
    /// Routed and shared experts of a layer; `None`: the model is dense.
    pub experts: Option<Experts>,
    /// Number format in which the dense weights are published.
    pub weights: NumberFormat,
    /// Number format in which the experts' weights are published.
    pub expert_weights: NumberFormat,
}

words! {
    /// A kind of number.
    #[derive(Default)]
    pub enum NumberFormat {
        #[default]
        Bf16 = "bf16": "16 bits",
        Fp8 = "fp8": "8 bits",
        Fp8Block = "fp8-block": "8 bits with a scale for each block of 128 x 128",
        Fp4 = "fp4": "4 bits with a scale of 8 bits for 32 of them (MXFP4): 4.25 bits",
        Nvfp4 = "nvfp4": "4 bits with a scale of 8 bits for 16 of them (NVFP4): 4.5 bits",
        Int4 = "int4": "4-bit integers with a scale of 16 bits for 32 (4.5 bits); weights only",
        Int4Group128 = "int4-g128": "4-bit integers with a scale of 16 bits and a zero of 4 for 128, as AWQ and GPTQ (4.16 bits); weights only",
    }
}

impl NumberFormat {
    /// Parts of a bit, 32 to one, that a number takes, its share of a scale included.
    pub fn bits_by_32(self) -> u32 {
        match self {
            Self::Bf16 => 512,
            Self::Fp8 | Self::Fp8Block => 256,
            Self::Fp4 => 136,
            Self::Nvfp4 | Self::Int4 => 144,
            // 4 + (16 + 4) / 128
            Self::Int4Group128 => 133,
        }
    }

    /// Bytes of `numbers` numbers of this format, rounded up.
    pub fn bytes_of(self, numbers: u128) -> u64 {
        let bits = numbers.saturating_mul(u128::from(self.bits_by_32()));
        u64::try_from(bits.div_ceil(256)).unwrap_or(u64::MAX)
    }
}

/// A kind of attention, with its dimensions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Attention {
    /// Multi-head latent attention.
    Latent {
        /// Query heads.
        heads: u32,
        /// Rank of the compressed queries.
        query_rank: u32,
        /// Rank of the compressed keys and values.
        kv_rank: u32,
        /// Dimension of a head's part without position.
        nope: u32,
        /// Dimension of a head's part with rotary position.
        rope: u32,
        /// Dimension of a head's values.
        value: u32,
    },
    /// Grouped-query attention; multi-head where `kv_heads` equals `heads`.
    Grouped {
        /// Query heads.
        heads: u32,
        /// Key and value heads.
        kv_heads: u32,
        /// Dimension of a head.
        head: u32,
        /// Key and value heads of the layers without a window, where these differ from `kv_heads`.
        global_kv_heads: u32,
        /// Dimension of a head of the layers without a window.
        global_head: u32,
        /// Layers that attend to a window only.
        window_layers: u32,
        /// Tokens in the window of the layers that have one.
        window: u32,
        /// Whether queries and keys are normalised.
        qk_norm: bool,
        /// Whether what a head attends to passes a gate, computed beside its queries.
        gate: bool,
    },
}

/// Sparse attention with an indexer: before a layer attends, light heads score every token, and the layer attends
/// to the tokens of the highest scores only. All tokens are kept, with a key of the indexer each.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SparseAttention {
    /// Query heads of the indexer, which share one key.
    pub heads: u32,
    /// Dimension of its heads.
    pub head: u32,
    /// Tokens that are chosen.
    pub top_k: u32,
    /// Layers that choose on their own; the others attend to what one before them chose.
    pub layers: u32,
}

impl SparseAttention {
    /// Bytes of the indexer's key of one token in one layer: 8-bit numbers and a scale of 32 bits for each 128 of
    /// them (vLLM and SGLang, whatever KV is kept in).
    pub fn key_bytes(&self) -> u64 {
        u64::from(self.head) + 4 * u64::from(self.head.div_ceil(128))
    }

    /// Weights of the indexer of one layer, in numbers: queries from the compressed queries, a key, and a weight for
    /// each head from the stream. Every accelerator holds them.
    pub fn weights(&self, hidden: f64, query_rank: f64) -> f64 {
        let [heads, head] = [self.heads, self.head].map(f64::from);
        query_rank * heads * head + hidden * (head + heads)
    }
}

/// Layers of linear attention (a gated delta network or the like), whose state does not grow.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LinearAttention {
    /// Number of layers of linear attention.
    pub layers: u32,
    /// Number of query heads, and of key heads.
    pub key_heads: u32,
    /// Dimension of a query and key head.
    pub key_head: u32,
    /// Value heads.
    pub value_heads: u32,
    /// Dimension of a value head.
    pub value_head: u32,
    /// Tokens that the convolution before linear attention sees.
    pub convolution: u32,
}

impl LinearAttention {
    /// State of a request in one layer, in bytes: a matrix for each value head in FP32, and the past inputs
    /// of the convolution in BF16.
    pub fn state_bytes(&self) -> u64 {
        let [keys, key, values, value, past] = [
            self.key_heads,
            self.key_head,
            self.value_heads,
            self.value_head,
            self.convolution.saturating_sub(1),
        ]
        .map(u128::from);
        let bytes = 4 * values * key * value + 2 * past * (2 * keys * key + values * value);
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }

    /// Numbers of a token's keys (and as many of its queries), and of its values, in one layer.
    pub fn widths(&self) -> [f64; 2] {
        [
            f64::from(self.key_heads) * f64::from(self.key_head),
            f64::from(self.value_heads) * f64::from(self.value_head),
        ]
    }

    /// Numbers of a request's matrices in one layer.
    pub fn state_numbers(&self) -> f64 {
        f64::from(self.value_heads) * f64::from(self.key_head) * f64::from(self.value_head)
    }

    /// Weights of one layer, in numbers: queries, keys, values, their gate, and the output.
    pub fn weights(&self, hidden: u32) -> f64 {
        let [keys, values] = self.widths();
        f64::from(hidden) * (2.0 * keys + 3.0 * values)
    }
}

/// The experts of a layer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Experts {
    /// Routed experts of a layer.
    pub routed: u32,
    /// Routed experts that a token chooses.
    pub top_k: u32,
    /// Shared experts of a layer, which every token goes through.
    pub shared: u32,
    /// Inner width of one expert's network.
    pub ffn: u32,
    /// Groups of routed experts; 1: they are not grouped.
    pub groups: u32,
    /// Groups of routed experts in which a token may choose.
    pub top_groups: u32,
}

/// A price list, per token.
#[derive(Clone, Debug, PartialEq)]
pub struct Price {
    /// Catalog name of the price list.
    pub name: String,
    /// Prices without discount.
    pub full: TokenPrices,
    /// Time-of-day windows with other prices; empty: none.
    pub discounts: Vec<Discount>,
}

/// Prices of one token of each kind, in picodollars.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokenPrices {
    /// Price of an input token that hits the cache.
    pub hit: PicoUsd,
    /// Price of an input token that is computed.
    pub miss: PicoUsd,
    /// Price of an output token.
    pub output: PicoUsd,
}

/// Other prices from one UTC time of day to another, `[from, to)`; may reach over midnight.
#[derive(Clone, Debug, PartialEq)]
pub struct Discount {
    /// Time of day at which the discount begins, since UTC midnight.
    pub from_utc: SimDuration,
    /// Time of day at which the discount ends, since UTC midnight.
    pub to_utc: SimDuration,
    /// Prices in the discount's window.
    pub prices: TokenPrices,
}
