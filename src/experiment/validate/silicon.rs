//! End-to-end measurements of real servers (`silicon_dev.csv` of ai-dynamo/aiconfigurator): which engine ran
//! how in each row.
//!
//! The file states model, lengths, parallelism and concurrency. What it leaves open is taken from the public
//! scripts that made it: rows with outputs of 1,024 or 8,192 tokens and inputs of the same come from
//! InferenceMAX (lengths uniform from 80 % of the nominal to all of it, budgets of 8,192 tokens, of 16,384
//! and 20,000 under TensorRT-LLM); all others from aiperf with fixed lengths and a budget of concurrency +
//! input + 1,500. SGLang runs prompts first with 8,192 tokens a step, mixed chunks in its 0.5.6 rows;
//! TensorRT-LLM reserves whole requests and does not cut prompts. Not modelled: TensorRT-LLM's waiting for
//! fuller batches.

use crate::catalog::NumberFormat;
use crate::experiment::measurement::{LatencyStatistic, Measurement};
use crate::scenario::Batching;

/// The file's rows as measurements, exact duplicates dropped; an error names line and cause.
///
/// # Errors
/// Where the file is not of this form.
pub fn read(text: &str) -> Result<Vec<Measurement>, String> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let heads = reader.headers().map_err(|e| e.to_string())?.clone();
    let at = |name: &str| {
        let place = heads.iter().position(|h| h == name);
        place.ok_or(format!("the column `{name}` is missing"))
    };
    let names = [
        "backend",
        "backend_version",
        "model_path",
        "system",
        "gemm_quant_mode",
        "isl",
        "osl",
        "batch_size",
        "tp_size",
        "moe_ep_size",
        "silicon_ttft_ms",
        "silicon_tpot_ms",
        "concurrency",
        "measured",
        "precision",
        "attention_dp_size",
        "pp_size",
        "mode",
        "moe_tp_size",
        "moe_quant_mode",
    ];
    let columns: Result<Vec<usize>, String> = names.into_iter().map(at).collect();
    let columns = columns?;
    let suspect = heads.iter().position(|h| h == "suspect");
    let mut seen: Vec<String> = Vec::new();
    let mut all = Vec::new();
    for (line, record) in (2..).zip(reader.records()) {
        let record = record.map_err(|e| format!("line {line}: {e}"))?;
        let cell = |name: &str| {
            let place = names.iter().position(|n| *n == name).unwrap_or(0);
            record.get(columns[place]).unwrap_or("")
        };
        let number = |name: &str| cell(name).parse::<f64>().ok();
        let need = |name: &str| {
            number(name).ok_or(format!(
                "line {line}: `{name}` is {:?}, not a number",
                cell(name)
            ))
        };
        let rounded = |name: &str| number(name).map_or(String::new(), |x| format!("{x:.6e}"));
        let key = format!(
            "{}|{}|{}",
            names[..13]
                .iter()
                .filter(|n| !n.starts_with("silicon"))
                .map(|n| cell(n))
                .collect::<Vec<_>>()
                .join("|"),
            rounded("silicon_ttft_ms"),
            rounded("silicon_tpot_ms")
        );
        if seen.contains(&key) {
            continue;
        }
        seen.push(key);
        if cell("mode") != "agg" {
            continue;
        }
        let Some(model) = catalog_name(cell("model_path")) else {
            continue;
        };
        let row = SiliconRow {
            catalog_name: model,
            engine: cell("backend").to_string(),
            version: version(cell("backend_version")),
            release: cell("backend_version").to_string(),
            model: cell("model_path").to_string(),
            gpu: cell("system").trim_end_matches("_sxm").to_string(),
            quantised: cell("gemm_quant_mode").to_string(),
            experts_quantised: cell("moe_quant_mode").to_string(),
            is_suspect: suspect.and_then(|at| record.get(at)) == Some("yes"),
            input: need("isl")? as u32,
            output: need("osl")? as u32,
            gpus: need("tp_size")? as u32,
            expert_parallel: number("moe_ep_size").map_or(1, |x| x.max(1.0) as u32),
            experts_tensor: number("moe_tp_size").map_or(1, |x| x.max(1.0) as u32),
            batch: number("batch_size"),
            concurrency: number("concurrency"),
            ttft_ms: number("silicon_ttft_ms"),
            tpot_ms: number("silicon_tpot_ms"),
        };
        let curve = [
            "backend",
            "backend_version",
            "model_path",
            "system",
            "gemm_quant_mode",
            "isl",
            "osl",
            "tp_size",
            "moe_ep_size",
        ];
        let curve = curve.map(cell).join("|");
        all.push(row.measurement(curve));
    }
    Ok(all)
}

fn version(text: &str) -> (u32, u32, u32) {
    let mut parts = text.split('.').map(|part| {
        let digits: String = part.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().unwrap_or(0)
    });
    let mut next = || parts.next().unwrap_or(0);
    (next(), next(), next())
}

struct SiliconRow {
    engine: String,
    version: (u32, u32, u32),
    /// The version as it is written; empty: it is not told.
    release: String,
    model: String,
    gpu: String,
    quantised: String,
    experts_quantised: String,
    /// Whether the file itself doubts the row: drafts that it does not tell of, or a wrong label.
    is_suspect: bool,
    /// Catalog name of the model.
    catalog_name: &'static str,
    input: u32,
    output: u32,
    gpus: u32,
    expert_parallel: u32,
    experts_tensor: u32,
    batch: Option<f64>,
    concurrency: Option<f64>,
    ttft_ms: Option<f64>,
    tpot_ms: Option<f64>,
}

impl SiliconRow {
    fn measurement(&self, curve: String) -> Measurement {
        let concurrency = self.concurrency.or(self.batch).unwrap_or(1.0).max(1.0) as u32;
        let model = self.catalog_name;
        let is_moe = !self.is_dense();
        let inference_max =
            [1024, 8192].contains(&self.output) && [1024, 8192].contains(&self.input);
        let is = |engine: &str| self.engine == engine;
        let mixed_chunks = is("sglang") && self.version >= (0, 5, 6);
        let budget = match (inference_max, self.engine.as_str()) {
            (true, "trtllm") if model == "llama-3.3-70b" => 16_384,
            (true, "trtllm") if model == "gpt-oss-120b" => 20_000,
            (true, _) | (_, "sglang") => 8_192,
            _ => concurrency + self.input + 1_500,
        };
        let fp8 = ["fp8", "fp8_block"].contains(&self.quantised.as_str());
        let (gemm, experts) = self.numbers();
        let fp8_kv = fp8
            && !is_moe
            && (is("trtllm") || is("vllm") && model == "llama-3.3-70b" && self.gpu == "h200");
        Measurement {
            curve,
            rate_per_s: None,
            statistic: LatencyStatistic::Mean,
            server: None,
            engine: self.engine.clone(),
            release: match (self.release.as_str(), self.engine.as_str()) {
                // measured in 2025, before asynchronous scheduling
                ("", "vllm") => "0.10".to_string(),
                (release, _) => release.to_string(),
            },
            gpu: self.gpu.clone(),
            model: model.to_string(),
            gemm,
            experts,
            kv: if fp8_kv {
                NumberFormat::Fp8
            } else {
                NumberFormat::Bf16
            },
            gpus: self.gpus,
            attention_data: 1,
            expert_parallel: if is_moe { self.expert_parallel } else { 1 },
            input: self.input,
            output: self.output,
            least: if inference_max { 0.8 } else { 1.0 },
            concurrency,
            // aiperf's later runs: fifty for each user
            rounds: if self.output.is_multiple_of(100) && !is("sglang") {
                50
            } else {
                10
            },
            max_batch_tokens: budget,
            batching: match self.engine.as_str() {
                "trtllm" => Batching::Whole,
                "sglang" if !mixed_chunks => Batching::PrefillFirst,
                _ => Batching::Chunked,
            },
            reserve: is("trtllm"),
            look_ahead: !is("vllm") || self.version >= (0, 14, 0),
            ttft_s: self.ttft_ms.map(|ms| ms / 1e3),
            tpot_s: self.tpot_ms.map(|ms| ms / 1e3),
            unusable: self.unusable(concurrency),
        }
    }

    fn is_dense(&self) -> bool {
        ["qwen3-32b", "llama-3.3-70b", "llama-3.1-8b"].contains(&self.catalog_name)
    }

    /// Number formats in which dense layers and experts are kept.
    fn numbers(&self) -> (NumberFormat, NumberFormat) {
        let of = |word: &str| match (word, self.model.as_str()) {
            ("nvfp4", _) => NumberFormat::Nvfp4,
            // labelled fp8, but published with block scales
            ("fp8", "Qwen/Qwen3-32B" | "Qwen/Qwen3-235B-A22B-FP8") => NumberFormat::Fp8Block,
            ("fp8", model) if model.contains("DeepSeek") => NumberFormat::Fp8Block,
            ("fp8", _) => NumberFormat::Fp8,
            ("fp8_block", model) if model.contains("Llama") => NumberFormat::Fp8,
            ("fp8_block", _) => NumberFormat::Fp8Block,
            _ => NumberFormat::Bf16,
        };
        match self.catalog_name {
            "gpt-oss-120b" => (NumberFormat::Bf16, NumberFormat::Fp4),
            // published with 4-bit experts alone; attention and shared experts stay as they were
            "kimi-k2" => (NumberFormat::Bf16, of(&self.experts_quantised)),
            _ if self.is_dense() => (of(&self.quantised), of(&self.quantised)),
            _ => (of(&self.quantised), of(&self.experts_quantised)),
        }
    }

    /// Why the row's conditions cannot be what it says; empty: they can.
    fn unusable(&self, concurrency: u32) -> &'static str {
        let is_moe = !["gpt-oss-120b"].contains(&self.catalog_name) && !self.is_dense();
        if self.model.starts_with("nvidia/Llama-3.1-8B") {
            "prompts are computed faster than the chip can: probably found in the prefix cache"
        } else if self.engine == "vllm" && concurrency == 512 {
            "20 requests/s whatever the parallelism: limited elsewhere"
        } else if self.is_suspect {
            "the file itself doubts it"
        } else if is_moe && self.gpus != self.expert_parallel * self.experts_tensor {
            "accelerators and experts do not go together"
        } else if self.concurrency.is_none() {
            "no concurrency"
        } else if self.batch.is_some_and(|b| Some(b) != self.concurrency) {
            "batch and concurrency differ: attention parallelism not stated"
        } else {
            ""
        }
    }
}

/// A model's name in the catalog; `None`: the catalog has none like it.
fn catalog_name(model: &str) -> Option<&'static str> {
    Some(match model {
        "Qwen/Qwen3-32B" => "qwen3-32b",
        "openai/gpt-oss-120b" => "gpt-oss-120b",
        "meta-llama/Llama-3.1-70B" => "llama-3.3-70b",
        "meta-llama/Llama-3.1-8B-Instruct" | "nvidia/Llama-3.1-8B-Instruct-FP8" => "llama-3.1-8b",
        "Qwen/Qwen3-235B-A22B-FP8" => "qwen3-235b-a22b",
        "deepseek-ai/DeepSeek-V3" => "deepseek-v3",
        "deepseek-ai/DeepSeek-R1" | "nvidia/DeepSeek-R1-NVFP4" => "deepseek-r1",
        "moonshotai/Kimi-K2.5" => "kimi-k2",
        _ => return None,
    })
}
