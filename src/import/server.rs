//! A server as its launch line describes it, in the words of no engine in particular.

use super::flag_rules::FlagTable;
use super::{sglang_flags, trtllm_flags, vllm_flags};
pub use crate::catalog::LaunchEngine;
use crate::catalog::NumberFormat;
use crate::scenario::Span;
use crate::words::words;

impl LaunchEngine {
    /// What is known of the engine's launch lines.
    pub fn flags(self) -> FlagTable {
        match self {
            Self::Vllm => vllm_flags::VLLM,
            Self::Sglang => sglang_flags::SGLANG,
            Self::Trtllm => trtllm_flags::TRTLLM,
        }
    }
}

words! {
    /// What a server does of a request.
    #[derive(Default)]
    pub enum ServerRole {
        #[default]
        Both = "both": "Prompts and answers",
        Prefill = "prefill": "Prompts alone",
        Decode = "decode": "Answers alone",
    }
}

/// A value that a line states, and where.
#[derive(Clone, Debug)]
pub struct StatedFlag<T> {
    /// The value itself.
    pub value: T,
    /// The flag or key that states it.
    pub flag: String,
    /// Place of the flag.
    pub at: Span,
}

/// How often a flag of no account was given, and why it is of none.
#[derive(Clone, Debug)]
pub struct Listed {
    /// The flag with its value, as it was written.
    pub text: String,
    /// What is known of the flag; empty: nothing.
    pub why: &'static str,
}

/// A server as a launch line describes it. What it leaves open is `None`.
#[derive(Clone, Debug, Default)]
pub struct LaunchedServer {
    /// Name or path of the model.
    pub model: Option<StatedFlag<String>>,
    /// What the server does of a request.
    pub role: Option<StatedFlag<ServerRole>>,
    /// Accelerators of a tensor-parallel group, as the flag counts them.
    pub tensor: Option<StatedFlag<u32>>,
    /// Stages of the pipeline.
    pub pipeline: Option<StatedFlag<u32>>,
    /// Data-parallel ranks or copies.
    pub data: Option<StatedFlag<u32>>,
    /// Whether attention is data-parallel inside the tensor-parallel group (SGLang, TensorRT-LLM).
    pub attention_data: Option<StatedFlag<bool>>,
    /// Whether experts are spread over all accelerators.
    pub spreads_experts: Option<StatedFlag<bool>>,
    /// Accelerators that experts are spread over.
    pub experts: Option<StatedFlag<u32>>,
    /// Experts that are held twice.
    pub redundant: Option<StatedFlag<u32>>,
    /// Tokens of a step.
    pub batch_tokens: Option<StatedFlag<u32>>,
    /// Tokens of a chunk of a prompt; 0: prompts are not divided.
    pub chunk: Option<StatedFlag<u32>>,
    /// Whether prompts are computed in chunks.
    pub is_chunked: Option<StatedFlag<bool>>,
    /// Whether prompts and answers share steps, where the engine keeps them apart by default.
    pub mixes: Option<StatedFlag<bool>>,
    /// Requests that run at once.
    pub batch_requests: Option<StatedFlag<u32>>,
    /// The fraction of memory that the engine takes, as the engine defines it.
    pub memory_fraction: Option<StatedFlag<f64>>,
    /// KV tokens that fit, stated instead.
    pub kv_tokens: Option<StatedFlag<u32>>,
    /// Numbers that KV is kept in.
    pub kv: Option<StatedFlag<NumberFormat>>,
    /// Numbers that weights are kept in.
    pub weights: Option<StatedFlag<NumberFormat>>,
    /// Longest request.
    pub context: Option<StatedFlag<u32>>,
    /// Drafts of a step.
    pub drafts: Option<StatedFlag<u32>>,
    /// Whether the cache of prefixes is off.
    pub no_prefixes: Option<StatedFlag<bool>>,
    /// Whether the next step is put together while one runs.
    pub looks_ahead: Option<StatedFlag<bool>>,
    /// Whether two micro-batches overlap.
    pub overlaps: Option<StatedFlag<bool>>,
    /// Whether a request is admitted only when all that it may need fits.
    pub evicts: Option<StatedFlag<bool>>,
    /// Servers of this kind.
    pub copies: u32,
    /// The accelerator, by its catalog name, and where it is said.
    pub gpu: Option<StatedFlag<String>>,
    /// Accelerators of a node.
    pub node_gpus: Option<StatedFlag<u32>>,
    /// Release of the engine, where an image says it.
    pub version: Option<String>,
    /// Role that the server's name suggests; of account where servers of both roles are so named.
    pub hint: Option<ServerRole>,
    /// Flags that are not known, and ones whose effect is not modelled.
    pub unknown: Vec<Listed>,
    /// Flags that change nothing that is modelled.
    pub harmless: Vec<String>,
    /// What was taken for what.
    pub notes: Vec<String>,
}

impl LaunchedServer {
    /// Accelerators that the tensor-parallel flag counts.
    pub fn tensor(&self) -> u32 {
        self.tensor.as_ref().map_or(1, |s| s.value)
    }

    /// Stages of the pipeline.
    pub fn pipeline(&self) -> u32 {
        self.pipeline.as_ref().map_or(1, |s| s.value)
    }

    /// Data-parallel ranks or copies.
    pub fn data(&self) -> u32 {
        self.data.as_ref().map_or(1, |s| s.value)
    }
}
