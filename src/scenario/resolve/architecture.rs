//! What a scenario says of a model's architecture and of an accelerator's data sheet.

use super::super::diagnostic::{Diagnostic, Report};
use super::super::suggest::list;
use super::super::tree::Table;
use crate::catalog::{Architecture, Attention, Compute, Experts, Number};

/// The keys without which nothing can be derived.
const NEEDED: [&str; 3] = ["layers", "hidden", "vocabulary"];

/// A model's architecture: the base's with what the table changes, or the table's own; `None` where it
/// says nothing.
pub fn architecture(
    table: &Table,
    base: Option<Architecture>,
    report: &mut Report,
) -> Option<Architecture> {
    let says_any = NEEDED.iter().any(|key| table.get(key).is_some())
        || table.get("latent").is_some()
        || table.get("grouped").is_some();
    if base.is_none() && !says_any {
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
    let of_no_base = if experts.is_some() { 0 } else { layers };
    let weights = table
        .text("weights")
        .map(Number::named)
        .or(base.map(|b| b.weights))
        .unwrap_or_default();
    let whole = Architecture {
        layers,
        dense_layers: number("dense_layers", base.map(|b| b.dense_layers)).unwrap_or(of_no_base),
        hidden: number("hidden", base.map(|b| b.hidden))?,
        ffn: number("ffn", base.map(|b| b.ffn)).unwrap_or(0),
        vocabulary: number("vocabulary", base.map(|b| b.vocabulary))?,
        attention: attention?,
        experts,
        weights,
        expert_weights: table
            .text("expert_weights")
            .map(Number::named)
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

/// What no transformer can be, each with the key that says it.
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
    if let Attention::Grouped {
        window_layers,
        heads,
        kv_heads,
        ..
    } = model.attention
    {
        if window_layers > layers {
            let message =
                format!("{window_layers} layers with a window are more than all {layers}");
            found.push(("grouped", message));
        }
        if !heads.is_multiple_of(kv_heads.max(1)) {
            let message = format!("{heads} query heads cannot share {kv_heads} KV heads evenly");
            found.push(("grouped", message));
        }
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

fn latent(table: &Table) -> Option<Attention> {
    Some(Attention::Latent {
        heads: table.integer("heads")?,
        query_rank: table.integer("query_rank")?,
        kv_rank: table.integer("kv_rank")?,
        nope: table.integer("nope")?,
        rope: table.integer("rope")?,
        value: table.integer("value")?,
    })
}

fn grouped(table: &Table) -> Option<Attention> {
    Some(Attention::Grouped {
        heads: table.integer("heads")?,
        kv_heads: table.integer("kv_heads")?,
        head: table.integer("head")?,
        window_layers: table.integer("window_layers")?,
        window: table.integer("window")?,
        qk_norm: table.boolean("qk_norm")?,
    })
}

fn experts(table: &Table) -> Option<Experts> {
    Some(Experts {
        routed: table.integer("routed")?,
        top_k: table.integer("top_k")?,
        shared: table.integer("shared")?,
        ffn: table.integer("ffn")?,
        groups: table.integer("groups")?,
        top_groups: table.integer("top_groups")?,
    })
}

/// An accelerator's data sheet.
pub fn compute(table: &Table) -> Option<Compute> {
    Some(Compute {
        memory_bytes_per_s: 1e12 * table.number("memory_tb_per_s")?,
        bf16_per_s: 1e12 * table.number("bf16_tflops")?,
        fp8_per_s: 1e12 * table.number("fp8_tflops")?,
        fp4_per_s: 1e12 * table.number("fp4_tflops")?,
        scale_up_bytes_per_s: 1e9 * table.number("scale_up_gb_per_s")?,
        scale_up_gpus: table.integer("scale_up_gpus")?,
        scale_up_spans_nodes: table.boolean("scale_up_spans_nodes").unwrap_or(false),
    })
}
