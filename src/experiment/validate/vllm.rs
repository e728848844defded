//! A real run of vLLM 0.19 (Llama-3.1-8B on one RTX PRO 6000, 300 recorded requests) from LLMServingSim's
//! measurements: its layer profiles through the table model, its requests as a trace.
//!
//! A profile is measured layer by layer: a step has 32 times the layers, twice 32 norms, one embedding, one
//! last norm. Attention without decoding requests is a prompt's, without a chunk decode's; both together are
//! steps that do both. The run's clock starts when a request is queued.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::{Deserialize, Serialize};

use super::archive;
use crate::experiment::run;
use crate::scenario::{KeyChange, load_str};

const PROFILE: &str = "profiler/perf/RTXPRO6000/meta-llama/Llama-3.1-8B/bf16/tp1/";
const REQUESTS: &str = "bench/examples/RTXPRO6000/Llama-3.1-8B/vllm/requests.jsonl";
/// Layers of Llama-3.1-8B.
const LAYERS: f64 = 32.0;
/// Chunks for which steps that do both are taken over: every one would slow look-ups, not change them.
const CHUNKS: [f64; 5] = [128.0, 256.0, 512.0, 1024.0, 2048.0];

/// A figure of the vLLM run.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct VllmFigure {
    /// Name of the figure.
    pub name: &'static str,
    /// Measured value, in seconds.
    pub measured_s: f64,
    /// Simulated value, in seconds.
    pub simulated_s: f64,
}

#[derive(Deserialize)]
struct VllmRequest {
    input_toks: u32,
    output_toks: u32,
    queued_ts: f64,
    first_token_ts: f64,
    last_token_ts: f64,
}

/// Plays the run in an archive of LLMServingSim's measurements.
///
/// # Errors
/// Where the archive or a file in it is not what it should be.
pub fn figures(bytes: &[u8]) -> Result<Vec<VllmFigure>, String> {
    let read =
        |name: &str| archive::file(bytes, name)?.ok_or(format!("the archive has no file {name}"));
    let profile = profile(
        &read(&format!("{PROFILE}dense.csv"))?,
        &read(&format!("{PROFILE}per_sequence.csv"))?,
        &read(&format!("{PROFILE}attention.csv"))?,
    )?;
    let mut requests: Vec<VllmRequest> = Vec::new();
    for line in read(REQUESTS)?.lines() {
        requests.push(serde_json::from_str(line).map_err(|e| format!("{REQUESTS}: {e}"))?);
    }
    requests.sort_by(|a, b| a.queued_ts.total_cmp(&b.queued_ts));
    let first = requests.first().map_or(0.0, |r| r.queued_ts);
    let mut trace = String::from("arrived_s,input_tokens,output_tokens\n");
    for r in &requests {
        let _ = writeln!(
            trace,
            "{:.6},{},{}",
            r.queued_ts - first,
            r.input_toks,
            r.output_toks
        );
    }
    let text = format!(
        "name = \"vLLM run\"\nstart = 2026-04-25T18:47:18Z\nduration = \"10min\"\nmodel = \"llama-3.1-8b\"\n\
         node = {{ gpu = \"h100\", gpus = 1, price_per_gpu_hour = 0.0 }}\n\
         [pools.mixed]\nnodes_per_unit = 1\nunits = 1\nparallelism = {{ attention_data = 1 }}\n\
         max_batch_tokens = 2048\nmax_batch_requests = 128\nlook_ahead = true\n\
         # 96 GB x 0.9, less 16 GB of weights and 3 of the rest, over 131,072 bytes: never full\n\
         kv_capacity_tokens = 500_000\n\
         [performance]\nkind = \"table\"\nextrapolate = true\ncsv = {{ text = '''\n{profile}''' }}\n\
         [[class]]\nname = \"sharegpt\"\narrivals = {{ kind = \"trace\", csv = {{ text = '''\n{trace}''' }} }}\n"
    );
    let scenario = load_str("vLLM run", &text, &[]).map_err(|m| m.render(false))?;
    let summary = run(&scenario, 1).map_err(|e| e.to_string())?;
    let count = requests.len().max(1) as f64;
    let mean = |of: &dyn Fn(&VllmRequest) -> f64| requests.iter().map(of).sum::<f64>() / count;
    let last = requests.iter().map(|r| r.last_token_ts).fold(0.0, f64::max);
    let latest = requests
        .iter()
        .map(|r| r.queued_ts - first)
        .fold(0.0, f64::max);
    Ok(vec![
        VllmFigure {
            name: "TTFT, mean",
            measured_s: mean(&|r| r.first_token_ts - r.queued_ts),
            simulated_s: summary.latency.ttft_s.mean.unwrap_or(f64::NAN),
        },
        VllmFigure {
            name: "TPOT, mean",
            measured_s: mean(&|r| {
                (r.last_token_ts - r.first_token_ts) / f64::from(r.output_toks - 1)
            }),
            simulated_s: summary.latency.tpot_s.mean.unwrap_or(f64::NAN),
        },
        VllmFigure {
            name: "first arrival to last token",
            measured_s: last - first,
            simulated_s: makespan(&scenario).unwrap_or(latest),
        },
    ])
}

/// When the last request completes, in seconds: found by halving the time that is simulated; `None`: it never does.
fn makespan(scenario: &crate::scenario::Scenario) -> Option<f64> {
    let completed = |seconds: f64| {
        let duration = crate::units::SimDuration::from_secs_f64(seconds);
        let shorter = scenario
            .with(&[KeyChange::set("duration", duration)])
            .ok()?;
        let requests = run(&shorter, 1).ok()?.requests;
        Some(requests.in_flight == 0 && requests.completed == 300)
    };
    let (mut low, mut high) = (1.0, scenario.duration.as_secs_f64());
    for _ in 0..20 {
        let middle = 0.5 * (low + high);
        if completed(middle)? {
            high = middle;
        } else {
            low = middle;
        }
    }
    Some(high)
}

/// The profile as a table of step times.
fn profile(dense: &str, per_sequence: &str, attention: &str) -> Result<String, String> {
    let mut text = String::from("part,tokens,context_tokens,requests,kv_tokens,time_us\n");
    let times = |layer: &str| match layer {
        "layernorm" => 2.0 * LAYERS,
        "embedding" | "final_layernorm" => 1.0,
        _ => LAYERS,
    };
    let mut tokens: BTreeMap<u64, f64> = BTreeMap::new();
    for row in rows(dense)? {
        let (layer, at, us) = (row.0, row.1[0], row.1[1]);
        *tokens.entry(at as u64).or_default() += times(&layer) * us;
    }
    for (at, us) in tokens {
        let _ = writeln!(text, "tokens,{at},0,0,0,{us:.4}");
    }
    let mut sequences: BTreeMap<u64, f64> = BTreeMap::new();
    for row in rows(per_sequence)? {
        *sequences.entry(row.1[0] as u64).or_default() += row.1[1];
    }
    for (at, us) in sequences {
        let _ = writeln!(text, "sequences,0,0,{at},0,{us:.4}");
    }
    let named: Vec<String> = attention
        .lines()
        .map(|l| format!("attention,{l}"))
        .collect();
    for row in rows(&named.join("\n"))? {
        let [chunk, context, requests, kv, us] = row.1[..] else {
            continue;
        };
        let (us, held) = (us * LAYERS, requests * kv);
        if requests == 0.0 {
            let _ = writeln!(text, "prefill,{chunk},{context},0,0,{us:.4}");
        } else if chunk == 0.0 {
            let _ = writeln!(text, "decode,0,0,{requests},{held},{us:.4}");
        } else if context == 0.0 && CHUNKS.contains(&chunk) {
            let _ = writeln!(text, "mixed,{chunk},0,{requests},{held},{us:.4}");
        }
    }
    Ok(text)
}

/// Rows of a CSV: a name and numbers.
fn rows(text: &str) -> Result<Vec<(String, Vec<f64>)>, String> {
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .from_reader(text.as_bytes());
    let mut all = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|e| e.to_string())?;
        let numbers: Result<Vec<f64>, _> = record.iter().skip(1).map(str::parse).collect();
        let name = record.get(0).unwrap_or("").to_string();
        if record.len() > 1 {
            all.push((name, numbers.map_err(|e| e.to_string())?));
        }
    }
    Ok(all)
}
