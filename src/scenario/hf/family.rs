//! Families of models whose configuration is understood: what their code does that their configuration leaves unsaid
//! (Hugging Face transformers, configuration_*.py and modeling_*.py of each; defaults of keys that are left out
//! when they are the default).

/// Which layers have a window, where `layer_types` does not say so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WindowRule {
    /// No layer has one.
    Never,
    /// All layers, where `sliding_window` states one.
    All,
    /// Every second layer, from the first.
    Alternate,
    /// All but every n-th layer; `sliding_window_pattern` states another n.
    AllBut(u32),
    /// Layers from `max_window_layers`, where `use_sliding_window` holds.
    Upper,
    /// All but every fourth layer attend within chunks.
    Chunks,
}

/// Models that are read alike.
#[derive(Clone, Copy, Debug)]
pub struct Family {
    /// The `model_type` of the language model.
    pub types: &'static [&'static str],
    /// Whether queries and keys are normalised; `None`: `use_qk_norm` says.
    pub qk_norm: Option<bool>,
    /// Whether embedding and head are one table where nothing is said.
    pub tied: bool,
    /// Whether attention has an output gate where nothing is said.
    pub gate: bool,
    /// Layers with a window where nothing is said.
    pub windows: WindowRule,
    /// Whether `intermediate_size` is the width of an expert.
    pub experts_by_ffn: bool,
}

/// The commonest kind: grouped attention over all tokens, and nothing else unsaid.
const PLAIN: Family = Family {
    types: &[],
    qk_norm: Some(false),
    tied: false,
    gate: false,
    windows: WindowRule::Never,
    experts_by_ffn: false,
};

const FAMILIES: [Family; 17] = [
    Family {
        types: &[
            "llama",
            "granite",
            "glm4",
            "seed_oss",
            "ernie4_5",
            "deepseek",
            "internlm3",
        ],
        ..PLAIN
    },
    Family {
        types: &[
            "deepseek_v2",
            "deepseek_v3",
            "deepseek_v32",
            "kimi_k2",
            "glm_moe_dsa",
            "glm4_moe_lite",
        ],
        ..PLAIN
    },
    Family {
        types: &["mistral", "ministral", "ministral3", "phi3"],
        windows: WindowRule::All,
        ..PLAIN
    },
    Family {
        types: &["mixtral"],
        windows: WindowRule::All,
        experts_by_ffn: true,
        ..PLAIN
    },
    Family {
        types: &["granitemoe"],
        experts_by_ffn: true,
        ..PLAIN
    },
    Family {
        types: &[
            "qwen2",
            "qwen2_moe",
            "qwen2_vl",
            "qwen2_vl_text",
            "qwen2_5_vl",
            "qwen2_5_vl_text",
            "mimo",
        ],
        windows: WindowRule::Upper,
        ..PLAIN
    },
    Family {
        types: &["qwen3", "qwen3_moe", "qwen3_vl_text", "qwen3_vl_moe_text"],
        qk_norm: Some(true),
        windows: WindowRule::Upper,
        ..PLAIN
    },
    Family {
        types: &[
            "qwen3_next",
            "qwen3_5_text",
            "qwen3_5_moe_text",
            "qwen3_5",
            "qwen3_5_moe",
        ],
        qk_norm: Some(true),
        gate: true,
        ..PLAIN
    },
    Family {
        types: &["gpt_oss"],
        windows: WindowRule::Alternate,
        experts_by_ffn: true,
        ..PLAIN
    },
    Family {
        types: &["minimax_m2"],
        qk_norm: Some(true),
        experts_by_ffn: true,
        ..PLAIN
    },
    Family {
        types: &["glm4_moe", "glm4v_moe_text"],
        qk_norm: None,
        ..PLAIN
    },
    Family {
        types: &["llama4_text", "llama4"],
        qk_norm: None,
        windows: WindowRule::Chunks,
        experts_by_ffn: true,
        ..PLAIN
    },
    Family {
        types: &["gemma"],
        tied: true,
        ..PLAIN
    },
    Family {
        types: &["gemma2"],
        tied: true,
        windows: WindowRule::Alternate,
        ..PLAIN
    },
    Family {
        types: &["gemma3_text", "gemma3", "gemma4_text", "gemma4"],
        qk_norm: Some(true),
        tied: true,
        windows: WindowRule::AllBut(6),
        ..PLAIN
    },
    Family {
        types: &["olmo2", "olmo3"],
        qk_norm: Some(true),
        ..PLAIN
    },
    Family {
        types: &["smollm3"],
        tied: true,
        ..PLAIN
    },
];

/// The family of a `model_type`; `None`: it is not understood.
pub fn family(model_type: &str) -> Option<&'static Family> {
    FAMILIES.iter().find(|f| f.types.contains(&model_type))
}

/// Every `model_type` that is understood, in order.
pub fn known_types() -> Vec<&'static str> {
    let mut types: Vec<&str> = FAMILIES.iter().flat_map(|f| f.types).copied().collect();
    types.sort_unstable();
    types
}

/// Keys that make a layer into something else, where they are more than false, 0 or empty, and what that is.
pub const REFUSED: [(&str, &str); 19] = [
    (
        "hybrid_override_pattern",
        "its layers of state-space models (Mamba) are not",
    ),
    (
        "ssm_state_size",
        "its layers of state-space models (Mamba) are not",
    ),
    (
        "mamba_d_state",
        "its layers of state-space models (Mamba) are not",
    ),
    (
        "attn_layer_period",
        "its layers of state-space models (Mamba) are not",
    ),
    ("linear_attn_config", "this kind of linear attention is not"),
    ("block_configs", "its layers differ from one another"),
    (
        "cross_attention_layers",
        "attention to an encoder's output is not",
    ),
    ("num_kv_shared_layers", "layers that share their KV are not"),
    (
        "hidden_size_per_layer_input",
        "tables of words for each layer are not",
    ),
    ("compress_ratios", "attention to compressed KV is not"),
    (
        "sparse_attention_config",
        "this kind of sparse attention is not",
    ),
    ("moe_latent_size", "experts on a narrower stream are not"),
    (
        "routed_expert_hidden_size",
        "experts on a narrower stream are not",
    ),
    ("o_lora_rank", "a compressed output of attention is not"),
    ("num_hash_layers", "routing by hash is not"),
    (
        "swa_head_dim",
        "heads of another shape under a window are not read from here",
    ),
    ("use_double_wide_mlp", "networks of two widths are not"),
    ("zero_expert_num", "experts that do nothing are not"),
    ("is_encoder_decoder", "encoders are not"),
];
