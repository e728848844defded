//! Attention of a configuration: latent or grouped, and which layers have a window, a state, or an indexer.

use super::super::diagnostic::Diagnostic;
use super::super::source::Span;
use super::super::suggest::quote;
use super::config_keys::{ConfigKeys, ConfigNumber};
use super::family::{Family, WindowRule};
use super::model_entries::Entries;

/// Numbers of layers by what they attend to.
#[derive(Clone, Copy, Debug, Default)]
struct Kinds {
    window: u32,
    chunks: u32,
    linear: u32,
    /// Where that is said.
    at: Option<Span>,
}

/// Reads attention into the model's table.
pub fn attention(
    keys: &mut ConfigKeys<'_>,
    family: &Family,
    (layers, hidden, context): (ConfigNumber, ConfigNumber, Option<ConfigNumber>),
    model: &mut Entries,
) {
    let kinds = kinds(keys, family, layers);
    let is_latent = keys.get("kv_lora_rank").is_some();
    if is_latent {
        latent(keys, model);
        sparse(keys, layers, model);
    } else {
        grouped(keys, family, kinds, (hidden, context), model);
        if keys.get("index_topk").is_some() {
            keys.refuse("index_topk", "sparse attention without latent KV is not");
        }
    }
    if kinds.linear > 0 {
        linear(keys, kinds, model);
    }
}

/// Which layers are of which kind: as `layer_types` says, or by the family's rule.
fn kinds(keys: &mut ConfigKeys<'_>, family: &Family, layers: ConfigNumber) -> Kinds {
    let mut kinds = Kinds::default();
    if let Some(types) = keys.list("layer_types") {
        kinds.at = Some(keys.key_at("layer_types"));
        for node in types {
            match node.text() {
                Some("full_attention" | "attention" | "deepseek_sparse_attention") => {}
                Some("sliding_attention") => kinds.window += 1,
                Some("chunked_attention") => kinds.chunks += 1,
                Some("linear_attention") => kinds.linear += 1,
                other => {
                    let message = format!(
                        "layers of the kind {} are not modelled",
                        quote(other.unwrap_or("?"))
                    );
                    let found = Diagnostic::new(message, node.at)
                        .label("in `layer_types`")
                        .note("known are full, sliding, chunked and linear attention");
                    keys.report.push(found);
                    return kinds;
                }
            }
        }
        if types.len() != layers.value as usize {
            let message = format!(
                "`layer_types` names {} layers, `num_hidden_layers` says {}",
                types.len(),
                layers.value
            );
            let at = keys.key_at("layer_types");
            let found = Diagnostic::new(message, at).label("not as many");
            keys.report.push(found.also(layers.at, "layers"));
        }
        return kinds;
    }
    if let Some(types) = keys.list("attn_type_list")
        && types.iter().any(|node| node.integer() == Some(0_u32))
    {
        keys.refuse("attn_type_list", "its linear attention (lightning) is not");
        return kinds;
    }
    let n = layers.value;
    if let Some(every) = keys
        .number(&["full_attention_interval"])
        .filter(|s| s.value > 0)
    {
        kinds.linear = n - n / every.value;
        kinds.at = Some(every.at);
        return kinds;
    }
    let states_one = keys.get("sliding_window").is_some();
    let at = keys.key_at("sliding_window");
    match family.windows {
        WindowRule::Never => {}
        WindowRule::All if states_one => kinds.window = n,
        WindowRule::Alternate if states_one => kinds.window = n.div_ceil(2),
        WindowRule::AllBut(every) if states_one => {
            let pattern = keys.number(&["sliding_window_pattern", "_sliding_window_pattern"]);
            let every = pattern.map_or(every, |p| p.value).max(1);
            kinds.window = n - n / every;
        }
        WindowRule::Upper if states_one && keys.boolean("use_sliding_window") == Some(true) => {
            let from = keys.number(&["max_window_layers"]).map_or(n, |m| m.value);
            kinds.window = n.saturating_sub(from);
        }
        WindowRule::Chunks => {
            if let Some(off) = keys.list("no_rope_layers").filter(|list| !list.is_empty()) {
                let plain = off.iter().filter(|node| node.integer() == Some(0_u32));
                kinds.chunks = n.saturating_sub(plain.count() as u32);
            } else {
                let every = keys.number(&["no_rope_layer_interval"]);
                kinds.chunks = n - n / every.map_or(4, |e| e.value).max(1);
            }
        }
        WindowRule::All | WindowRule::Alternate | WindowRule::AllBut(_) | WindowRule::Upper => {}
    }
    // these say whether the window that is stated is used
    let _ = (
        keys.boolean("use_sliding_window"),
        keys.number(&["max_window_layers"]),
    );
    kinds.at = Some(at);
    kinds
}

fn latent(keys: &mut ConfigKeys<'_>, model: &mut Entries) {
    let at = keys.key_at("kv_lora_rank");
    if keys.get("q_lora_rank").is_none() {
        let found = Diagnostic::new("`q_lora_rank` is not there, or null", at)
            .label("latent attention whose queries are not compressed is not modelled");
        keys.report.push(found);
        return;
    }
    let mut table = Entries::default();
    for (key, from) in [
        ("heads", "num_attention_heads"),
        ("query_rank", "q_lora_rank"),
        ("kv_rank", "kv_lora_rank"),
        ("nope", "qk_nope_head_dim"),
        ("rope", "qk_rope_head_dim"),
        ("value", "v_head_dim"),
    ] {
        if let Some(said) = keys.need(&[from]) {
            table.number(key, said);
        }
    }
    let _ = keys.number(&["num_key_value_heads"]);
    let _ = (keys.number(&["head_dim"]), keys.number(&["qk_head_dim"]));
    model.table("latent", table, at);
}

/// The indexer that chooses the tokens which sparse attention attends to.
fn sparse(keys: &mut ConfigKeys<'_>, layers: ConfigNumber, model: &mut Entries) {
    let Some(top_k) = keys.number(&["index_topk"]).filter(|s| s.value > 0) else {
        return;
    };
    let (Some(heads), Some(head)) = (
        keys.need(&["index_n_heads"]),
        keys.need(&["index_head_dim"]),
    ) else {
        return;
    };
    let mut table = Entries::default();
    table.number("heads", heads);
    table.number("head", head);
    table.number("top_k", top_k);
    if let Some(types) = keys.list("indexer_types") {
        let own = types.iter().filter(|node| node.text() == Some("full"));
        let (value, at) = (own.count() as u32, keys.key_at("indexer_types"));
        if value < layers.value {
            table.number("layers", ConfigNumber { value, at });
        }
        for key in [
            "index_topk_freq",
            "index_skip_topk_offset",
            "index_share_for_mtp_iteration",
        ] {
            let _ = keys.get(key);
        }
    } else if keys
        .number(&["index_topk_freq"])
        .is_some_and(|s| s.value > 1)
    {
        keys.refuse(
            "index_topk_freq",
            "without `indexer_types` nothing says which layers choose",
        );
    }
    let at = keys.key_at("index_topk");
    model.table("sparse", table, at);
}

fn grouped(
    keys: &mut ConfigKeys<'_>,
    family: &Family,
    kinds: Kinds,
    (hidden, context): (ConfigNumber, Option<ConfigNumber>),
    model: &mut Entries,
) {
    let Some(heads) = keys.need(&["num_attention_heads"]) else {
        return;
    };
    let kv_heads = keys.number(&["num_key_value_heads"]).unwrap_or(heads);
    let head = keys.number(&["head_dim"]).unwrap_or_else(|| ConfigNumber {
        value: hidden.value / heads.value.max(1),
        at: hidden.at,
    });
    let at = keys.key_at("num_attention_heads");
    if let Some(value) = keys.number(&["v_head_dim"])
        && value.value != head.value
    {
        keys.refuse("v_head_dim", "values of another width than keys are not");
    }
    let mut table = Entries::default();
    table.number("heads", heads);
    table.number("kv_heads", kv_heads);
    table.number("head", head);
    for (key, from) in [
        ("global_kv_heads", "num_global_key_value_heads"),
        ("global_head", "global_head_dim"),
    ] {
        if let Some(said) = keys.number(&[from]) {
            table.number(key, said);
        }
    }
    if keys.boolean("attention_k_eq_v") == Some(true) {
        keys.note(
            "`attention_k_eq_v`: weights of values are counted though they are those of keys",
        );
    }
    windows(keys, kinds, context, &mut table);
    let norm_at = keys.key_at("use_qk_norm");
    let norm = keys.boolean("use_qk_norm").unwrap_or(false);
    if family.qk_norm.unwrap_or(norm) {
        table.yes("qk_norm", norm_at);
    }
    let gate_at = keys.key_at("attn_output_gate");
    if keys.boolean("attn_output_gate").unwrap_or(family.gate) {
        table.yes("gate", gate_at);
    }
    model.table("grouped", table, at);
}

/// Layers that attend to a window or within chunks, which are taken for windows.
fn windows(
    keys: &mut ConfigKeys<'_>,
    kinds: Kinds,
    context: Option<ConfigNumber>,
    table: &mut Entries,
) {
    let window = keys.number(&["sliding_window"]);
    let chunk = keys.number(&["attention_chunk_size"]);
    let (value, size, key) = if kinds.chunks > 0 {
        (kinds.chunks, chunk, "attention_chunk_size")
    } else {
        (kinds.window, window, "sliding_window")
    };
    if value == 0 {
        return;
    }
    let Some(size) = size else {
        keys.need(&[key]);
        return;
    };
    if context.is_some_and(|c| size.value >= c.value) {
        keys.note(format!(
            "{} is no shorter than the context: no window",
            quote(key)
        ));
        return;
    }
    if kinds.chunks > 0 {
        let n = size.value;
        keys.note(format!(
            "attention within chunks of {n} tokens is taken for a window of {n}: twice what it is on average"
        ));
    }
    let at = kinds.at.unwrap_or(size.at);
    table.number("window_layers", ConfigNumber { value, at });
    table.number("window", size);
}

fn linear(keys: &mut ConfigKeys<'_>, kinds: Kinds, model: &mut Entries) {
    let at = kinds.at.unwrap_or(Span::NOWHERE);
    let mut table = Entries::default();
    table.number(
        "layers",
        ConfigNumber {
            value: kinds.linear,
            at,
        },
    );
    for (key, from) in [
        ("key_heads", "linear_num_key_heads"),
        ("key_head", "linear_key_head_dim"),
        ("value_heads", "linear_num_value_heads"),
        ("value_head", "linear_value_head_dim"),
        ("convolution", "linear_conv_kernel_dim"),
    ] {
        if let Some(said) = keys.need(&[from]) {
            table.number(key, said);
        }
    }
    if let Some(word) = keys.text("mamba_ssm_dtype")
        && word != "float32"
    {
        keys.note(format!("states in {word} are taken for 32 bits"));
    }
    let _ = keys.number(&["full_attention_interval"]);
    model.table("linear", table, at);
}
