//! In what numbers a model's weights are published: `quantization_config` of a configuration, or the
//! hf_quant_config.json beside it. One format is read for all dense weights and one for those of experts; lists of
//! what stays as it was decide which of the two are quantised.

use super::super::diagnostic::Diagnostic;
use super::super::suggest::quote;
use super::super::tree::{TomlNode, TomlTable};
use super::config_keys::ConfigKeys;
use super::model_entries::Entries;
use crate::catalog::NumberFormat;

/// Numbers in which quantised weights are published.
struct PublishedFormat<'a> {
    format: NumberFormat,
    /// Patterns of modules that stay in 16 bits.
    kept: Vec<&'a str>,
    /// Whether experts alone are quantised.
    experts_only: bool,
}

/// Reads the number formats into the model's table.
pub fn formats(
    keys: &mut ConfigKeys<'_>,
    beside: Option<&TomlTable>,
    has_experts: bool,
    model: &mut Entries,
) {
    let dtype = keys.get("torch_dtype").or_else(|| keys.get("dtype"));
    if let Some("float32") = dtype.and_then(TomlNode::text) {
        keys.note("weights in 32 bits are loaded in 16");
    }
    let at = keys.key_at("quantization_config");
    let said = match (keys.table("quantization_config"), beside) {
        (Some(table), _) => Some(table),
        (None, Some(file)) => Some(file.table("quantization").unwrap_or(file)),
        (None, None) => None,
    };
    let Some(table) = said else {
        return;
    };
    if beside.is_some() {
        keys.note("number formats are those of hf_quant_config.json");
    }
    kv(keys, table);
    if table.text("quant_algo") == Some("MIXED_PRECISION") {
        return mixed(keys, table, has_experts, model);
    }
    let Some(published) = published(keys, table) else {
        return;
    };
    let at = if at.is_empty() {
        table.entries.first().map_or(at, |e| e.key_at)
    } else {
        at
    };
    let attention = published.keeps(&["self_attn", "attn", "attention"]);
    let experts = published.keeps(&["experts", "block_sparse_moe"]);
    let word = published.format.word();
    if !has_experts {
        if attention {
            keys.note(format!(
                "attention stays in 16 bits; all weights are taken for {word}"
            ));
        }
        model.word("weights", word, at);
        return;
    }
    if experts {
        keys.note("experts stay in 16 bits");
    }
    let dense = if attention || published.experts_only {
        NumberFormat::Bf16
    } else {
        published.format
    };
    if attention
        && !published.experts_only
        && !published.keeps(&["shared_expert", "shared_experts"])
    {
        keys.note(format!(
            "attention stays in 16 bits; so are dense networks and shared experts taken, which may be {word}"
        ));
    }
    model.word("weights", dense.word(), at);
    let of_experts = if experts {
        NumberFormat::Bf16
    } else {
        published.format
    };
    model.word("expert_weights", of_experts.word(), at);
}

impl PublishedFormat<'_> {
    /// Whether the modules of one of these names stay as they were in most layers: named for all, or in a list that
    /// goes through the layers. Of what is named inside them (norms, indexers, gates) nothing follows.
    fn keeps(&self, names: &[&str]) -> bool {
        self.kept.iter().any(|pattern| {
            let after = names.iter().find_map(|name| {
                let start = pattern.find(&format!(".{name}")).map(|at| at + 1);
                let start = start.or_else(|| pattern.find(&format!("*{name}")).map(|at| at + 1));
                let start = start.or_else(|| pattern.starts_with(name).then_some(0))?;
                pattern.get(start + name.len()..)
            });
            let Some(after) = after else { return false };
            let after = after.trim_matches(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            // the first layers often stay; what counts is one from the middle
            let layer = number_after(pattern, "layers.");
            let is_all = after.is_empty() || after.ends_with("_proj") || after == "qkv";
            is_all && layer.is_none_or(|n| n >= MIDDLE)
        })
    }
}

/// Weights of several formats, said layer by layer: that of the first experts, and that of the first attention or
/// network beside them.
fn mixed(keys: &mut ConfigKeys<'_>, table: &TomlTable, has_experts: bool, model: &mut Entries) {
    let at = table
        .entry("quant_algo")
        .map_or(keys.key_at("quantization_config"), |e| e.key_at);
    let Some(layers) = table.table("quantized_layers") else {
        not_modelled(keys, table, "quant_algo", "MIXED_PRECISION");
        return;
    };
    let mut format_of = |is: &dyn Fn(&str) -> bool| {
        let entry = layers.entries.iter().find(|entry| is(&entry.key))?;
        let layer = entry.node.table()?;
        modelopt(keys, layer, layer.text("quant_algo")?)
    };
    let of_experts = format_of(&|name| name.contains("experts") && !name.contains("shared"));
    let of_rest = format_of(&|name| {
        !name.contains("experts") && (name.contains("attn") || name.contains("mlp"))
    });
    model.word("weights", of_rest.unwrap_or_default().word(), at);
    if has_experts {
        model.word("expert_weights", of_experts.unwrap_or_default().word(), at);
    }
    keys.note("weights of several formats: those of the first of their kind are taken for all");
}

/// A layer that stands for most.
const MIDDLE: u32 = 4;

/// The number that follows a word in a pattern; `None`: none does.
fn number_after(pattern: &str, word: &str) -> Option<u32> {
    let start = pattern.find(word)? + word.len();
    let rest = &pattern[start..];
    let end = rest
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(rest.len());
    rest[..end].parse().ok()
}

/// Notes what KV is calibrated for: a server's setting, no part of the model.
fn kv(keys: &mut ConfigKeys<'_>, table: &TomlTable) {
    let scheme = table
        .get("kv_cache_scheme")
        .or(table.get("kv_cache_quant_algo"));
    let is_fp8 = scheme.is_some_and(|node| match (node.text(), node.table()) {
        (Some(word), _) => word.eq_ignore_ascii_case("fp8"),
        (_, Some(scheme)) => scheme.integer("num_bits") == Some(8_u32),
        _ => false,
    });
    if is_fp8 {
        keys.note("it is calibrated for KV in 8 bits, which servers then use: `performance.precision.kv = \"fp8\"`");
    }
}

/// What a method publishes; `None`: it has been refused.
fn published<'a>(keys: &mut ConfigKeys<'_>, table: &'a TomlTable) -> Option<PublishedFormat<'a>> {
    let mut kept = Vec::new();
    for key in [
        "modules_to_not_convert",
        "ignore",
        "exclude_modules",
        "ignored_layers",
    ] {
        kept.extend(
            table
                .list(key)
                .unwrap_or_default()
                .iter()
                .filter_map(TomlNode::text),
        );
    }
    let algorithm = table.text("quant_algo");
    let method = table.text("quant_method");
    let plain = |format| PublishedFormat {
        format,
        kept: kept.clone(),
        experts_only: false,
    };
    let groups = table.table("config_groups");
    match (method, algorithm) {
        (_, Some(word)) => modelopt(keys, table, word).map(plain),
        (Some("fp8"), _) => fp8(keys, table).map(plain),
        (Some("fbgemm_fp8"), _) => Some(plain(NumberFormat::Fp8)),
        (Some("mxfp4"), _) => Some(PublishedFormat {
            experts_only: true,
            ..plain(NumberFormat::Fp4)
        }),
        (Some("awq" | "gptq" | "awq_marlin" | "gptq_marlin"), _) => {
            integers(keys, table, "bits", "group_size").map(plain)
        }
        (Some("compressed-tensors") | None, _) if groups.is_some() => {
            let group = groups.and_then(|groups| groups.entries.first()?.node.table())?;
            let weights = group.table("weights")?;
            compressed(keys, weights).map(plain)
        }
        (Some(other), _) => {
            not_modelled(keys, table, "quant_method", other);
            None
        }
        (None, _) => {
            keys.refuse(
                "quantization_config",
                "neither `quant_method` nor `quant_algo` says how",
            );
            None
        }
    }
}

fn not_modelled(keys: &mut ConfigKeys<'_>, table: &TomlTable, key: &str, word: &str) {
    let message = format!("{} {} is not modelled", quote(key), quote(word));
    let found = Diagnostic::new(message, table.at(key)).label("unknown numbers");
    keys.report.push(found.note(
        "known are fp8 (whole or in blocks of 128 x 128), fbgemm_fp8, mxfp4, compressed-tensors, modelopt, awq and gptq",
    ));
}

fn modelopt(keys: &mut ConfigKeys<'_>, table: &TomlTable, word: &str) -> Option<NumberFormat> {
    match word {
        "FP8" | "FP8_PER_CHANNEL_PER_TOKEN" => Some(NumberFormat::Fp8),
        "FP8_PB_WO" | "FP8_PB_REAL" => Some(NumberFormat::Fp8Block),
        "NVFP4" | "NVFP4_AWQ" | "W4A16_NVFP4" => Some(NumberFormat::Nvfp4),
        "W4A16_AWQ" => Some(NumberFormat::Int4Group128),
        other => {
            not_modelled(keys, table, "quant_algo", other);
            None
        }
    }
}

fn fp8(keys: &mut ConfigKeys<'_>, table: &TomlTable) -> Option<NumberFormat> {
    let Some(node) = table.get("weight_block_size") else {
        return Some(NumberFormat::Fp8);
    };
    let sides: Vec<u32> = node.list()?.iter().filter_map(TomlNode::integer).collect();
    if sides == [128, 128] {
        return Some(NumberFormat::Fp8Block);
    }
    let found = Diagnostic::new("`weight_block_size` is not modelled", node.at)
        .label("8-bit numbers have one scale, or one for each 128 x 128");
    keys.report.push(found);
    None
}

/// Whole numbers of few bits, with a scale for each group.
fn integers(
    keys: &mut ConfigKeys<'_>,
    table: &TomlTable,
    bits: &str,
    group: &str,
) -> Option<NumberFormat> {
    if table.integer(bits) != Some(4_u32) {
        let message = format!("{} is not modelled", quote(bits));
        let at = table
            .entry(bits)
            .map_or(keys.key_at("quantization_config"), |e| e.node.at);
        keys.report
            .push(Diagnostic::new(message, at).label("whole numbers have 4 bits"));
        return None;
    }
    match table.integer::<i64>(group) {
        Some(32) => Some(NumberFormat::Int4),
        None | Some(128) => Some(NumberFormat::Int4Group128),
        Some(size) => {
            // bits of a scale and a zero for so many numbers, against those for 128; -1 is one for each row
            let more = if size > 0 { 20.0 / size as f64 } else { 0.0 } - 20.0 / 128.0;
            let part = 100.0 * more.abs() / (4.0 + 20.0 / 128.0);
            let word = if more > 0.0 { "few" } else { "many" };
            keys.note(format!(
                "4-bit integers with a scale for {size} are taken for ones with a scale for 128: {part:.0} % too {word} bytes"
            ));
            Some(NumberFormat::Int4Group128)
        }
    }
}

fn compressed(keys: &mut ConfigKeys<'_>, weights: &TomlTable) -> Option<NumberFormat> {
    let bits = weights.integer::<u32>("num_bits");
    let block: Option<Vec<u32>> = weights
        .list("block_structure")
        .map(|list| list.iter().filter_map(TomlNode::integer).collect());
    match (
        weights.text("type"),
        bits,
        weights.integer::<i64>("group_size"),
    ) {
        (Some("float"), Some(8), _) if block.is_none() => Some(NumberFormat::Fp8),
        (Some("float"), Some(8), _) if block == Some(vec![128, 128]) => {
            Some(NumberFormat::Fp8Block)
        }
        (Some("float"), Some(4), Some(16)) => Some(NumberFormat::Nvfp4),
        (Some("float"), Some(4), Some(32)) => Some(NumberFormat::Fp4),
        (Some("int"), Some(4), _) => integers(keys, weights, "num_bits", "group_size"),
        _ => {
            let at = weights
                .get("num_bits")
                .map_or(weights.at("type"), |node| node.at);
            let found = Diagnostic::new("these `weights` of `config_groups` are not modelled", at)
                .label("a kind of number that is not known")
                .note("known are float 8 (whole or 128 x 128), float 4 (groups of 16 or 32) and int 4");
            keys.report.push(found);
            None
        }
    }
}
