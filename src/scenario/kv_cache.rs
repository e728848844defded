//! What of prompts is found again: a stated rate, or what a prefix cache keeps.

use super::performance::Performance;

/// What of prompts is found again (S4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KvCache {
    /// A rate, by class and period. Hits share no memory.
    Fixed,
    /// What ranks keep of the prompts that they have computed (S19).
    Prefix(PrefixBlocks),
}

/// The blocks in which a prefix cache keeps KV.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrefixBlocks {
    /// Tokens of a block.
    pub tokens: u32,
    /// Whether the number is a default although nothing is known of the engine.
    pub assumed: bool,
}

/// Tokens of a block where nothing is known of the engine: vLLM's.
const UNKNOWN: u32 = 16;

/// Tokens of a block by default, by the beginning of the engine's name. vLLM v1: `block_size` 16 (docs, engine
/// arguments); SGLang: pages of 64 with its hierarchical cache and with the MLA kernels (1 with others);
/// TensorRT-LLM: `tokens_per_block` 32; DeepSeek's context cache: units of 64 tokens (api-docs.deepseek.com).
const BY_ENGINE: [(&str, u32); 4] = [
    ("vllm", 16),
    ("sglang", 64),
    ("trtllm", 32),
    ("deepseek", 64),
];

impl KvCache {
    /// The blocks of a prefix cache; `None`: there is none.
    pub fn blocks(&self) -> Option<PrefixBlocks> {
        match self {
            Self::Fixed => None,
            Self::Prefix(blocks) => Some(*blocks),
        }
    }
}

impl PrefixBlocks {
    /// Blocks of so many tokens, or of as many as the engine's by default.
    pub fn of(stated: Option<u32>, performance: &Performance) -> Self {
        let engine = match performance {
            Performance::Roofline(roofline) => roofline.engine.name.as_str(),
            Performance::Linear(_) | Performance::Table(_) => "",
        };
        let known = BY_ENGINE.iter().find(|(name, _)| engine.starts_with(name));
        Self {
            tokens: stated.or(known.map(|(_, n)| *n)).unwrap_or(UNKNOWN),
            assumed: stated.is_none() && known.is_none(),
        }
    }
}
