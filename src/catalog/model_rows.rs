//! The rows of models.toml.

use serde::Deserialize;

use super::catalog_entry::CatalogEntry;
use super::{
    Architecture, Attention, Experts, LinearAttention, Model, NumberFormat, SparseAttention,
};

/// The text of models.toml as types.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelFile {
    /// The `[[model]]` rows, in the order of the file.
    pub model: Vec<ModelRow>,
}

/// A model as the file says it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelRow {
    name: String,
    context: Option<u32>,
    layers: u32,
    #[serde(default)]
    dense_layers: Option<u32>,
    hidden: u32,
    #[serde(default)]
    ffn: u32,
    vocabulary: u32,
    latent: Option<LatentRow>,
    grouped: Option<GroupedRow>,
    linear: Option<LinearRow>,
    sparse: Option<SparseRow>,
    #[serde(default)]
    tied_embeddings: bool,
    experts: Option<ExpertsRow>,
    #[serde(default)]
    weights: NumberFormat,
    #[serde(default)]
    expert_weights: Option<NumberFormat>,
    source: String,
    #[serde(default)]
    assumed: String,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
struct LatentRow {
    heads: u32,
    query_rank: u32,
    kv_rank: u32,
    nope: u32,
    rope: u32,
    value: u32,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
struct GroupedRow {
    heads: u32,
    kv_heads: u32,
    head: u32,
    global_kv_heads: Option<u32>,
    global_head: Option<u32>,
    #[serde(default)]
    window_layers: u32,
    #[serde(default)]
    window: u32,
    #[serde(default)]
    qk_norm: bool,
    #[serde(default)]
    gate: bool,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
struct LinearRow {
    layers: u32,
    key_heads: u32,
    key_head: u32,
    value_heads: u32,
    value_head: u32,
    convolution: u32,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
struct SparseRow {
    heads: u32,
    head: u32,
    top_k: u32,
    layers: Option<u32>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExpertsRow {
    routed: u32,
    top_k: u32,
    shared: u32,
    ffn: u32,
    groups: u32,
    top_groups: u32,
}

impl ModelRow {
    fn architecture(&self) -> Option<Architecture> {
        let latent = self.latent.map(|l| Attention::Latent {
            heads: l.heads,
            query_rank: l.query_rank,
            kv_rank: l.kv_rank,
            nope: l.nope,
            rope: l.rope,
            value: l.value,
        });
        let grouped = self.grouped.map(|g| Attention::Grouped {
            heads: g.heads,
            kv_heads: g.kv_heads,
            head: g.head,
            global_kv_heads: g.global_kv_heads.unwrap_or(g.kv_heads),
            global_head: g.global_head.unwrap_or(g.head),
            window_layers: g.window_layers,
            window: g.window,
            qk_norm: g.qk_norm,
            gate: g.gate,
        });
        let linear = self.linear.map(|l| LinearAttention {
            layers: l.layers,
            key_heads: l.key_heads,
            key_head: l.key_head,
            value_heads: l.value_heads,
            value_head: l.value_head,
            convolution: l.convolution,
        });
        let sparse = self.sparse.map(|s| SparseAttention {
            heads: s.heads,
            head: s.head,
            top_k: s.top_k,
            layers: s.layers.unwrap_or(self.layers),
        });
        let experts = self.experts.map(|e| Experts {
            routed: e.routed,
            top_k: e.top_k,
            shared: e.shared,
            ffn: e.ffn,
            groups: e.groups,
            top_groups: e.top_groups,
        });
        Some(Architecture {
            layers: self.layers,
            dense_layers: self.dense_layers.unwrap_or(match experts {
                Some(_) => 0,
                None => self.layers,
            }),
            hidden: self.hidden,
            ffn: self.ffn,
            vocabulary: self.vocabulary,
            attention: latent.or(grouped)?,
            linear,
            sparse,
            tied_embeddings: self.tied_embeddings,
            experts,
            weights: self.weights,
            expert_weights: self.expert_weights.unwrap_or(self.weights),
        })
    }

    /// The catalog's entry of this row, with KV as the architecture says.
    pub fn entry(self) -> CatalogEntry<Model> {
        let architecture = self.architecture();
        CatalogEntry {
            item: Model {
                name: self.name,
                kv_bytes_per_token: architecture.map_or(0, |a| {
                    a.kv_shape(NumberFormat::Bf16, false).bytes_per_token()
                }),
                context: self.context,
                architecture,
            },
            source: self.source,
            assumed: self.assumed,
        }
    }
}
