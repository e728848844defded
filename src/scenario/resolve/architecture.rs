//! What a scenario says of a model's architecture and of an accelerator's data sheet.

use super::super::diagnostic::{Diagnostic, MistakeReport};
use super::super::suggest::list;
use super::super::tree::TomlTable;
use crate::catalog::{
    Architecture, Attention, Compute, Experts, LinearAttention, NumberFormat, SparseAttention,
};

/// Most bytes of KV that a token may take, as in the shape of the key that states them.
const KV_BYTES_MAX: u64 = 100_000_000;

/// Most bytes that a request's states may take.
const STATE_BYTES_MAX: u64 = 1_000_000_000_000;

/// Keys of an architecture without which nothing can be derived.
const NEEDED: [&str; 3] = ["layers", "hidden", "vocabulary"];

/// Other keys that say something of the architecture.
const FURTHER: [&str; 10] = [
    "latent",
    "grouped",
    "linear",
    "sparse",
    "experts",
    "dense_layers",
    "ffn",
    "tied_embeddings",
    "weights",
    "expert_weights",
];

/// Whether a model's table says anything of its architecture.
pub fn is_said(table: &TomlTable) -> bool {
    let mut keys = NEEDED.iter().chain(&FURTHER);
    keys.any(|key| table.get(key).is_some())
}

/// A model's architecture: the base's with what the table changes, or the table's own; `None` where it
/// says nothing.
pub fn architecture(
    table: &TomlTable,
    base: Option<Architecture>,
    report: &mut MistakeReport,
) -> Option<Architecture> {
    if base.is_none() && !is_said(table) {
        return None;
    }
    if let (Some(latent), Some(grouped)) = (table.entry("latent"), table.entry("grouped")) {
        let found = Diagnostic::new("`latent` and `grouped` exclude one another", grouped.key_at);
        let found = found.label("give only one of them");
        report.push(found.also(latent.key_at, "the other one"));
        return None;
    }
    let attention = table
        .table("latent")
        .and_then(latent)
        .or_else(|| table.table("grouped").and_then(grouped))
        .or(base.map(|b| b.attention));
    if base.is_none() {
        let mut missing: Vec<&str> = NEEDED
            .iter()
            .copied()
            .filter(|key| table.get(key).is_none())
            .collect();
        if attention.is_none() {
            missing.push("grouped");
        }
        // layers without experts have a network of their own
        let is_dense = match table.integer::<u32>("dense_layers") {
            Some(layers) => layers > 0,
            None => table.get("dense_layers").is_none() && table.get("experts").is_none(),
        };
        if is_dense && table.get("ffn").is_none() {
            missing.push("ffn");
        }
        if !missing.is_empty() {
            let at = table.entries.iter().map(|e| e.key_at).min();
            if let Some(at) = at {
                let message = format!("the model's architecture lacks {}", list(missing));
                let found = Diagnostic::new(message, at).label("not complete");
                report.push(found.help("or start from a catalog model: base = \"…\""));
            }
            return None;
        }
    }
    let number = |key: &str, of_base: Option<u32>| table.integer(key).or(of_base);
    let experts = table
        .table("experts")
        .and_then(experts)
        .or(base.and_then(|b| b.experts));
    let layers = number("layers", base.map(|b| b.layers))?;
    // without experts every layer is dense, whatever the base's are
    let dense_layers = match experts {
        Some(_) => number("dense_layers", base.map(|b| b.dense_layers)).unwrap_or(0),
        None => table.integer("dense_layers").unwrap_or(layers),
    };
    let weights = table
        .word("weights")
        .or(base.map(|b| b.weights))
        .unwrap_or_default();
    let whole = Architecture {
        layers,
        dense_layers,
        hidden: number("hidden", base.map(|b| b.hidden))?,
        ffn: number("ffn", base.map(|b| b.ffn)).unwrap_or(0),
        vocabulary: number("vocabulary", base.map(|b| b.vocabulary))?,
        attention: attention?,
        linear: table
            .table("linear")
            .and_then(linear)
            .or(base.and_then(|b| b.linear)),
        sparse: table
            .table("sparse")
            .and_then(|table| sparse(table, layers))
            .or(base.and_then(|b| b.sparse)),
        tied_embeddings: table
            .boolean("tied_embeddings")
            .unwrap_or(base.is_some_and(|b| b.tied_embeddings)),
        experts,
        weights,
        expert_weights: table
            .word("expert_weights")
            .or(base.map(|b| b.expert_weights))
            .unwrap_or(weights),
    };
    for (key, message) in inconsistencies(&whole) {
        // Where the table does not say it, the base does, and something else was changed.
        let said = [key, "layers"]
            .into_iter()
            .find(|key| table.get(key).is_some());
        let first = || table.entries.iter().map(|e| e.key_at).min();
        if let Some(at) = said.map(|key| table.at(key)).or_else(first) {
            let mistake = Diagnostic::new(message, at).label("no model is like this");
            report.push(mistake.help(format!("change `{key}` to suit")));
        }
    }
    Some(whole)
}

/// What is inconsistent in an architecture, each with the key that says it.
fn inconsistencies(model: &Architecture) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    let layers = model.layers;
    if model.dense_layers > layers {
        let n = model.dense_layers;
        found.push((
            "dense_layers",
            format!("{n} dense layers are more than all {layers}"),
        ));
    }
    let linear = model.linear.map_or(0, |l| l.layers);
    if linear >= layers {
        let message =
            format!("{linear} layers of linear attention leave none of {layers} that keeps tokens");
        found.push(("linear", message));
    }
    if let Some(sparse) = model.sparse {
        if matches!(model.attention, Attention::Grouped { .. }) {
            let message = "sparse attention goes with latent attention".to_string();
            found.push(("sparse", message));
        }
        if sparse.layers == 0 || sparse.layers > layers {
            let n = sparse.layers;
            found.push((
                "sparse",
                format!("{n} layers that choose tokens are not some of {layers}"),
            ));
        }
    }
    if let Attention::Grouped {
        window_layers,
        window,
        heads,
        kv_heads,
        global_kv_heads,
        ..
    } = model.attention
    {
        if u64::from(window_layers) + u64::from(linear) > u64::from(layers) {
            let message = if linear == 0 {
                format!("{window_layers} layers with a window are more than all {layers}")
            } else {
                format!(
                    "{window_layers} layers with a window and {linear} of linear attention are more than all {layers}"
                )
            };
            found.push(("grouped", message));
        }
        if window_layers > 0 && window == 0 {
            let message = format!("{window_layers} layers have a window of no tokens");
            found.push(("grouped", message));
        }
        for shared in [kv_heads, global_kv_heads] {
            if !heads.is_multiple_of(shared.max(1)) {
                let message = format!("{heads} query heads cannot share {shared} KV heads evenly");
                found.push(("grouped", message));
                break;
            }
        }
    }
    let kv = model.kv_shape(NumberFormat::Bf16, true);
    if kv.bytes_per_token() > KV_BYTES_MAX || kv.state_bytes > STATE_BYTES_MAX {
        let message = format!(
            "the KV cache of one token would take {} bytes, the states of a request {}",
            kv.bytes_per_token(),
            kv.state_bytes
        );
        found.push(("layers", message));
    }
    if let Some(e) = model.experts {
        if e.top_k > e.routed {
            let message = format!(
                "a token cannot choose {} of {} routed experts",
                e.top_k, e.routed
            );
            found.push(("experts", message));
        }
        if e.top_groups > e.groups {
            let message = format!(
                "a token cannot choose in {} of {} groups",
                e.top_groups, e.groups
            );
            found.push(("experts", message));
        }
        if !e.routed.is_multiple_of(e.groups.max(1)) {
            let message = format!(
                "{} routed experts do not fill {} groups evenly",
                e.routed, e.groups
            );
            found.push(("experts", message));
        }
    }
    found
}

fn latent(table: &TomlTable) -> Option<Attention> {
    Some(Attention::Latent {
        heads: table.integer("heads")?,
        query_rank: table.integer("query_rank")?,
        kv_rank: table.integer("kv_rank")?,
        nope: table.integer("nope")?,
        rope: table.integer("rope")?,
        value: table.integer("value")?,
    })
}

fn grouped(table: &TomlTable) -> Option<Attention> {
    let (kv_heads, head) = (table.integer("kv_heads")?, table.integer("head")?);
    Some(Attention::Grouped {
        heads: table.integer("heads")?,
        kv_heads,
        head,
        global_kv_heads: table.integer("global_kv_heads").unwrap_or(kv_heads),
        global_head: table.integer("global_head").unwrap_or(head),
        window_layers: table.integer("window_layers")?,
        window: table.integer("window")?,
        qk_norm: table.boolean("qk_norm")?,
        gate: table.boolean("gate")?,
    })
}

fn linear(table: &TomlTable) -> Option<LinearAttention> {
    Some(LinearAttention {
        layers: table.integer("layers")?,
        key_heads: table.integer("key_heads")?,
        key_head: table.integer("key_head")?,
        value_heads: table.integer("value_heads")?,
        value_head: table.integer("value_head")?,
        convolution: table.integer("convolution")?,
    })
}

fn sparse(table: &TomlTable, layers: u32) -> Option<SparseAttention> {
    Some(SparseAttention {
        heads: table.integer("heads")?,
        head: table.integer("head")?,
        top_k: table.integer("top_k")?,
        layers: table.integer("layers").unwrap_or(layers),
    })
}

fn experts(table: &TomlTable) -> Option<Experts> {
    Some(Experts {
        routed: table.integer("routed")?,
        top_k: table.integer("top_k")?,
        shared: table.integer("shared")?,
        ffn: table.integer("ffn")?,
        groups: table.integer("groups")?,
        top_groups: table.integer("top_groups")?,
    })
}

/// An accelerator's data sheet; `None`: the table does not state it.
pub fn compute(table: &TomlTable) -> Option<Compute> {
    Some(Compute {
        memory_bytes_per_s: 1e12 * table.number("memory_tb_per_s")?,
        bf16_per_s: 1e12 * table.number("bf16_tflops")?,
        fp8_per_s: 1e12 * table.number("fp8_tflops")?,
        fp4_per_s: 1e12 * table.number("fp4_tflops")?,
        scale_up_bytes_per_s: 1e9 * table.number("scale_up_gb_per_s")?,
        scale_up_gpus: table.integer("scale_up_gpus")?,
        scale_up_spans_nodes: table.boolean("scale_up_spans_nodes").unwrap_or(false),
        scale_up_mesh: table.boolean("scale_up_mesh").unwrap_or(false),
    })
}
