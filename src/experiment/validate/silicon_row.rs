//! How an engine ran in a row of recorded servers, where the file does not say.
//!
//! What the files leave open is taken from the public scripts that made them. Rows with outputs of 1,024 or 8,192
//! tokens and inputs of the same come from InferenceMAX, later InferenceX (lengths uniform from 80 % of the nominal to
//! all of it; budgets, caches in FP8 as its scripts set them); all others from aiperf with fixed lengths and a budget
//! of concurrency + input + 1,500. Batches are made as the engine's release makes them, but for what the scripts set:
//! SGLang on Blackwell looks for new requests every 10 or 30 steps (`--scheduler-recv-interval`), TensorRT-LLM waits for
//! fuller batches where prompts and outputs are of 1,024 tokens, and SGLang's rows of fixed lengths since 0.5.6 mix
//! chunks.

use super::silicon::SiliconLine;
use crate::catalog::{LaunchEngine, NumberFormat, Release};
use crate::experiment::measurement::{
    LatencyStatistic, Measurement, SeparateServers, ServerRules, ServerShape,
};
use crate::scenario::Batching;

/// A row of the file.
pub struct SiliconRow<'a> {
    row: &'a SiliconLine<'a>,
    /// Catalog name of the model.
    model: &'static str,
    path: &'a str,
    engine: LaunchEngine,
    gpu: String,
    /// Release of the engine; `None`: not told, or a build of a day.
    release: Option<Release>,
    input: u32,
    output: u32,
    concurrency: u32,
    separate: Option<SeparateServers>,
}

/// Budgets of tokens of a separate prefill server.
const PREFILL_BUDGET: u32 = 16_384;

impl<'a> SiliconRow<'a> {
    /// Reads a row.
    ///
    /// # Errors
    /// Where a cell that must be a number is none, or the engine is not known.
    pub fn new(row: &'a SiliconLine<'a>, model: &'static str) -> Result<Self, String> {
        let shape = |prefix: &str| {
            let of = |name: &str| row.count(&format!("{prefix}_{name}"));
            ServerShape {
                units: of("num_workers"),
                gpus: of("tp_size") * of("attention_dp_size"),
                attention_data: of("attention_dp_size"),
                expert_parallel: of("moe_ep_size"),
            }
        };
        let separate = (row.cell("mode") == "disagg").then(|| SeparateServers {
            prefill: shape("prefill"),
            decode: shape("decode"),
        });
        let backend = row.cell("backend");
        let engine = LaunchEngine::named(backend);
        let users = row.number("concurrency").or(row.number("batch_size"));
        let of_decode = || {
            let decode = separate.as_ref()?.decode;
            let ranks = f64::from(decode.units * decode.attention_data);
            Some(row.number("decode_batch_size")? * ranks)
        };
        Ok(Self {
            row,
            model,
            path: row.cell("model_path"),
            engine: engine.ok_or(format!("line {}: `backend` is {backend:?}", row.line))?,
            gpu: row.cell("system").trim_end_matches("_sxm").to_string(),
            release: Release::read(row.cell("backend_version")),
            input: row.need("isl")? as u32,
            output: row.need("osl")? as u32,
            concurrency: users.or_else(of_decode).unwrap_or(1.0).max(1.0) as u32,
            separate,
        })
    }

    /// The row as a measurement of this curve.
    pub fn measurement(&self, curve: String) -> Measurement {
        let row = self.row;
        let mixed_chunks = self.engine == LaunchEngine::Sglang && self.is_since("0.5.6");
        let (gemm, experts) = self.numbers();
        let tensor = row.count("tp_size");
        let ranks = match row.number("attention_dp_size") {
            Some(_) => row.count("attention_dp_size"),
            // experts lie over all accelerators, attention over a part of them
            None if !self.is_dense() => self.expert_gpus().div_ceil(tensor),
            None => 1,
        };
        Measurement {
            curve,
            engine: self.engine.word().to_string(),
            release: self.release_or_first().to_string(),
            gpu: self.gpu.clone(),
            model: self.model.to_string(),
            gemm,
            experts,
            kv: if self.kv_in_fp8() {
                NumberFormat::Fp8
            } else {
                NumberFormat::Bf16
            },
            gpus: tensor * ranks,
            attention_data: ranks,
            expert_parallel: if self.is_dense() {
                1
            } else {
                row.count("moe_ep_size")
            },
            input: self.input,
            output: self.output,
            least: if self.is_inference_max() { 0.8 } else { 1.0 },
            concurrency: self.concurrency,
            rounds: match &self.separate {
                Some(_) => 5,
                // aiperf's later runs: fifty for each user
                None if self.output.is_multiple_of(100) && self.engine != LaunchEngine::Sglang => {
                    50
                }
                None => 10,
            },
            max_batch_tokens: self.budget(),
            rules: ServerRules {
                batching: (mixed_chunks && !self.is_inference_max()).then_some(Batching::Chunked),
                receive_every: self.receive_every(),
                batch_wait: self.batch_wait(),
                ..ServerRules::default()
            },
            separate: self.separate,
            held_out: false,
            ttft_s: row.number("silicon_ttft_ms").map(|ms| ms / 1e3),
            tpot_s: row.number("silicon_tpot_ms").map(|ms| ms / 1e3),
            rate_per_s: None,
            gap_cv: 1.0,
            statistic: LatencyStatistic::Mean,
            server: None,
            unusable: self.unusable(),
        }
    }

    /// The release as the file writes it. Rows of vLLM without one were measured in 2025, before asynchronous scheduling.
    fn release_or_first(&self) -> &'a str {
        match self.row.cell("backend_version") {
            "" if self.engine == LaunchEngine::Vllm => "0.10",
            release => release,
        }
    }

    /// Whether the engine is of this release or of a later one; false where its release is not known.
    fn is_since(&self, first: &str) -> bool {
        self.release >= Release::read(first)
    }

    fn expert_gpus(&self) -> u32 {
        self.row.count("moe_tp_size") * self.row.count("moe_ep_size")
    }

    fn is_dense(&self) -> bool {
        ["qwen3-32b", "llama-3.3-70b", "llama-3.1-8b"].contains(&self.model)
    }

    fn is_inference_max(&self) -> bool {
        [1024, 8192].contains(&self.output) && [1024, 8192].contains(&self.input)
    }

    fn is_blackwell(&self) -> bool {
        ["b200", "b300", "gb200", "gb300"].contains(&self.gpu.as_str())
    }

    fn is_deepseek(&self) -> bool {
        ["deepseek-v3", "deepseek-r1"].contains(&self.model)
    }

    /// Token budget of a step.
    fn budget(&self) -> u32 {
        if self.separate.is_some() {
            return PREFILL_BUDGET;
        }
        let plain = self.concurrency + self.input + 1_500;
        if !self.is_inference_max() {
            let sglang = self.engine == LaunchEngine::Sglang;
            return if sglang { 8_192 } else { plain };
        }
        match self.engine {
            LaunchEngine::Trtllm => match self.model {
                "llama-3.3-70b" => 16_384,
                "gpt-oss-120b" => 20_000,
                _ => ((self.concurrency + self.input + 127) / 64 * 64).max(8_192),
            },
            LaunchEngine::Vllm => match self.model {
                "minimax-m2.5" if self.is_blackwell() => 2 * self.input,
                "minimax-m2.5" if self.gpu == "h200" => 32_768,
                _ => 8_192,
            },
            LaunchEngine::Sglang => match self.model {
                "glm-5" if self.gpu == "h200" => 8_192,
                "qwen3.5-397b-a17b" if self.is_since("0.5.9") => 16_384,
                _ if self.is_since("0.5.9") || self.release.is_none() => 32_768,
                _ => 8_192,
            },
        }
    }

    /// Number of steps of which one takes in newcomers (`--scheduler-recv-interval`).
    fn receive_every(&self) -> Option<u32> {
        let sets = match self.model {
            "deepseek-v3" | "deepseek-r1" | "qwen3.5-397b-a17b" => self.is_blackwell(),
            _ => false,
        };
        let wanted = self.engine == LaunchEngine::Sglang && self.is_inference_max() && sets;
        wanted.then_some(if self.concurrency >= 16 { 30 } else { 10 })
    }

    /// Most steps that prompts wait for a fuller batch, and its tokens (`batch_wait_timeout_iters`,
    /// `batch_wait_max_tokens_ratio`).
    fn batch_wait(&self) -> Option<(u32, u32)> {
        let is_short = (self.input, self.output) == (1_024, 1_024);
        if self.engine != LaunchEngine::Trtllm || !is_short {
            return None;
        }
        let part = |of: u32| self.budget() / 10 * of;
        match self.model {
            "llama-3.3-70b" if self.row.count("tp_size") < 8 => Some((20, part(9))),
            "deepseek-v3" | "deepseek-r1"
                if self.gpu == "b200"
                    && self.numbers().1 == NumberFormat::Fp8Block
                    && self.is_since("1.2")
                    && self.concurrency >= 64 =>
            {
                Some((40, part(8)))
            }
            _ => None,
        }
    }

    /// Whether the KV cache is kept in FP8.
    fn kv_in_fp8(&self) -> bool {
        let narrow = ["fp8", "fp8_block", "nvfp4"].contains(&self.row.cell("gemm_quant_mode"));
        let is = |engine: LaunchEngine| self.engine == engine;
        if self.is_dense() {
            let vllm = is(LaunchEngine::Vllm) && self.model == "llama-3.3-70b";
            return narrow
                && (is(LaunchEngine::Trtllm)
                    || vllm && (self.gpu == "h200" || self.is_blackwell()));
        }
        if self.separate.is_some() {
            return narrow && (is(LaunchEngine::Trtllm) || self.is_blackwell());
        }
        let told = match self.model {
            "gpt-oss-120b" | "glm-5" => self.is_blackwell(),
            "kimi-k2.5" => self.row.cell("moe_quant_mode") == "nvfp4",
            "minimax-m2.5" => self.gpu != "h100",
            "qwen3.5-397b-a17b" => narrow,
            _ => self.is_deepseek() && (is(LaunchEngine::Trtllm) || self.is_blackwell()),
        };
        self.is_inference_max() && told
    }

    /// Number formats in which dense layers and experts are kept.
    fn numbers(&self) -> (NumberFormat, NumberFormat) {
        let of = |word: &str| match (word, self.model) {
            ("nvfp4", _) => NumberFormat::Nvfp4,
            ("int4_wo", _) => NumberFormat::Int4,
            // labelled fp8, or fp8_block, by whom the weights are published otherwise
            ("fp8" | "fp8_block", "llama-3.3-70b" | "llama-3.1-8b") => NumberFormat::Fp8,
            ("fp8" | "fp8_block", _) => NumberFormat::Fp8Block,
            _ => NumberFormat::Bf16,
        };
        let gemm = of(self.row.cell("gemm_quant_mode"));
        let experts = of(self.row.cell("moe_quant_mode"));
        match self.model {
            "gpt-oss-120b" => (NumberFormat::Bf16, NumberFormat::Fp4),
            // published with 4-bit experts alone; attention and shared experts stay as they were
            "kimi-k2.5" => (NumberFormat::Bf16, experts),
            _ if self.is_dense() => (gemm, gemm),
            _ => (gemm, experts),
        }
    }

    /// Why the row's conditions cannot be what it says; empty: they can.
    fn unusable(&self) -> &'static str {
        let told = self.row.number("concurrency");
        let ranks = self.row.count("attention_dp_size");
        let of_ranks = |batch: f64| batch * f64::from(ranks);
        let is_together = self.separate.is_none();
        if self.path.starts_with("nvidia/Llama-3.1-8B") {
            "prompts are computed faster than the chip can: probably found in the prefix cache"
        } else if self.engine == LaunchEngine::Vllm && self.concurrency == 512 && self.gpu == "h100"
        {
            "20 requests/s whatever the parallelism: limited elsewhere"
        } else if self.row.cell("suspect") == "yes" {
            "the file itself doubts it"
        } else if is_together
            && !self.is_dense()
            && self.model != "gpt-oss-120b"
            && self.row.count("tp_size") * ranks != self.expert_gpus()
            && self.row.number("attention_dp_size").is_some()
        {
            "accelerators and experts do not go together"
        } else if is_together && told.is_none() {
            "no concurrency"
        } else if is_together
            && self
                .row
                .number("batch_size")
                .is_some_and(|b| Some(of_ranks(b)) != told)
        {
            "batch and concurrency differ: attention parallelism not stated"
        } else {
            ""
        }
    }
}

/// A model's name in the catalog; `None`: the catalog has none like it.
pub fn catalog_name(model: &str) -> Option<&'static str> {
    Some(match model {
        "Qwen/Qwen3-32B" | "nvidia/Qwen3-32B-NVFP4" => "qwen3-32b",
        "openai/gpt-oss-120b" => "gpt-oss-120b",
        "meta-llama/Llama-3.1-70B" => "llama-3.3-70b",
        "meta-llama/Llama-3.1-8B-Instruct" | "nvidia/Llama-3.1-8B-Instruct-FP8" => "llama-3.1-8b",
        "Qwen/Qwen3-235B-A22B-FP8" => "qwen3-235b-a22b",
        "deepseek-ai/DeepSeek-V3" => "deepseek-v3",
        "deepseek-ai/DeepSeek-R1" | "nvidia/DeepSeek-R1-NVFP4" => "deepseek-r1",
        "moonshotai/Kimi-K2.5" => "kimi-k2.5",
        "MiniMaxAI/MiniMax-M2.5" => "minimax-m2.5",
        "Qwen/Qwen3.5-397B-A17B" => "qwen3.5-397b-a17b",
        "zhipuai/GLM-5" => "glm-5",
        _ => return None,
    })
}
