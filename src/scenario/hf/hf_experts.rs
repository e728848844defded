//! Feed-forward networks of a configuration: dense ones, experts, and which layers have which.

use super::super::diagnostic::Diagnostic;
use super::super::source::Span;
use super::super::suggest::quote;
use super::super::tree::TomlNode;
use super::config_keys::{ConfigKeys, ConfigNumber};
use super::family::{Family, WindowRule};
use super::model_entries::Entries;

/// How many routed experts a layer has, in the words of different families.
const ROUTED: [&str; 3] = ["n_routed_experts", "num_local_experts", "num_experts"];

/// How many of them a token chooses.
const CHOSEN: [&str; 4] = [
    "num_experts_per_tok",
    "experts_per_token",
    "top_k_experts",
    "num_experts_per_token",
];

/// Reads the networks into the model's table; whether there are experts.
pub fn networks(
    keys: &mut ConfigKeys<'_>,
    family: &Family,
    layers: ConfigNumber,
    model: &mut Entries,
) -> bool {
    let routed = keys.number(&ROUTED).filter(|said| said.value > 1);
    for key in ROUTED.into_iter().chain(CHOSEN) {
        let _ = keys.get(key);
    }
    let activation = keys
        .get("hidden_act")
        .or_else(|| keys.get("mlp_hidden_act"));
    if let Some(word @ ("relu2" | "relu")) = activation.and_then(|node| node.text()) {
        let why = format!("networks of two matrices ({word}) are not");
        keys.refuse("hidden_act", &why);
    }
    // the network of Llama 4's layers without experts is another one than that of its experts
    let has_chunks = family.windows == WindowRule::Chunks;
    let dense = if has_chunks && routed.is_some() {
        keys.number(&["intermediate_size_mlp"])
    } else {
        keys.number(&["intermediate_size"])
    };
    let only = keys.list("mlp_only_layers").unwrap_or_default();
    let beside = keys.boolean("enable_moe_block") == Some(true);
    let Some(routed) = routed else {
        match dense {
            Some(width) => model.number("ffn", width),
            None => {
                keys.need(&["intermediate_size"]);
            }
        }
        return false;
    };
    let without = layers_without(keys, layers, only, has_chunks);
    model.number("dense_layers", without);
    if without.value > 0 {
        match dense {
            Some(width) => model.number("ffn", width),
            None => {
                keys.need(&["intermediate_size"]);
            }
        }
    }
    let width = if family.experts_by_ffn {
        keys.need(&["intermediate_size"])
    } else {
        keys.need(&["moe_intermediate_size"])
    };
    let (Some(width), Some(chosen)) = (width, keys.need(&CHOSEN)) else {
        return true;
    };
    let mut table = Entries::default();
    table.number("routed", routed);
    table.number("top_k", chosen);
    if let Some(shared) = shared(keys, width, beside, has_chunks)
        && shared.value > 0
    {
        table.number("shared", shared);
    }
    table.number("ffn", width);
    let groups = keys.number(&["n_group", "num_expert_group"]);
    let top = keys.number(&["topk_group"]);
    if let (Some(groups), Some(top)) = (groups, top)
        && groups.value > 1
    {
        table.number("groups", groups);
        table.number("top_groups", top);
    }
    model.table("experts", table, routed.at);
    true
}

/// Shared experts, counted in the width of a routed one.
fn shared(
    keys: &mut ConfigKeys<'_>,
    width: ConfigNumber,
    beside: bool,
    is_llama4: bool,
) -> Option<ConfigNumber> {
    if is_llama4 {
        return Some(ConfigNumber {
            value: 1,
            at: width.at,
        });
    }
    let number = keys.number(&["n_shared_experts", "num_shared_experts"]);
    let mut wide = keys.number(&[
        "shared_expert_intermediate_size",
        "shared_intermediate_size",
    ]);
    let mut key = "shared_expert_intermediate_size";
    if beside {
        // a dense network beside the experts of the same layer
        wide = keys.number(&["intermediate_size"]);
        key = "intermediate_size";
    }
    let Some(wide) = wide else {
        return number;
    };
    if width.value > 0 && wide.value % width.value == 0 {
        let value = wide.value / width.value * number.map_or(1, |n| n.value.max(1));
        return Some(ConfigNumber { value, at: wide.at });
    }
    let message = format!(
        "{}: a shared expert of width {} is no multiple of a routed one of {}",
        quote(key),
        wide.value,
        width.value
    );
    let found = Diagnostic::new(message, wide.at).label("not modelled");
    keys.report.push(found.also(width.at, "routed experts"));
    None
}

/// Layers that have a dense network instead of experts.
fn layers_without(
    keys: &mut ConfigKeys<'_>,
    layers: ConfigNumber,
    only: &[TomlNode],
    is_llama4: bool,
) -> ConfigNumber {
    let n = layers.value;
    let said = |value: u32, at: Span| ConfigNumber { value, at };
    let count = |list: &[TomlNode], is: &dyn Fn(&TomlNode) -> bool| {
        list.iter().filter(|node| is(node)).count() as u32
    };
    if let Some(list) = keys.list("mlp_layer_types").filter(|list| !list.is_empty()) {
        for key in ["first_k_dense_replace", "moe_layer_freq"] {
            let _ = keys.get(key);
        }
        let dense = count(list, &|node| node.text() == Some("dense"));
        return said(dense, keys.key_at("mlp_layer_types"));
    }
    if let Some(list) = keys.get("moe_layer_freq").and_then(|node| node.list()) {
        let _ = keys.get("first_k_dense_replace");
        let dense = count(list, &|node| node.integer() == Some(0_u32));
        return said(dense, keys.key_at("moe_layer_freq"));
    }
    if is_llama4 {
        if let Some(list) = keys.list("moe_layers").filter(|list| !list.is_empty()) {
            return said(
                n.saturating_sub(list.len() as u32),
                keys.key_at("moe_layers"),
            );
        }
        let step = keys.number(&["interleave_moe_layer_step"]);
        let at = step.map_or(layers.at, |s| s.at);
        return said(n - n / step.map_or(1, |s| s.value).max(1), at);
    }
    let first = keys.number(&["first_k_dense_replace"]);
    let every = keys.number(&["moe_layer_freq", "decoder_sparse_step"]);
    let step = every.map_or(1, |e| e.value).max(1);
    // DeepSeek counts layers from 0, Qwen from 1
    let from_one = keys.get("decoder_sparse_step").is_some();
    let only: Vec<u32> = only.iter().filter_map(|node| node.integer()).collect();
    let has_experts = |i: u32| {
        let at_step = (i + u32::from(from_one)).is_multiple_of(step);
        first.is_none_or(|f| i >= f.value) && at_step && !only.contains(&i)
    };
    // a million layers are refused later
    let dense = (0..n.min(1_000_000)).filter(|i| !has_experts(*i)).count() as u32;
    let at = first.or(every).map_or(layers.at, |s| s.at);
    said(dense, at)
}
