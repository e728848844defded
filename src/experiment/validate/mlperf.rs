//! MLPerf Inference's server runs of llama2-70b: Poisson arrivals at the submitted rate must be carried, and at 1.3
//! times that rate must not.
//!
//! Answers are as long as the run's own latencies say (`mlperf_rows`). How long prompts are is not published. Budgets
//! bound it: two H100 as stages of a pipeline emit 544 tokens and take 1.86 prompts in each step of at most 1,024
//! tokens, which leaves 258 for each; an H200 has 283. That the H100 are near their limit (99 % of requests have within
//! 2 % of the mean TPOT, and TTFT just keeps its limit of two seconds) says that steps are full; 255 is assumed.

use std::fmt::Write;

use serde::Serialize;

use super::mlperf_rows::Submission;
use crate::catalog;
use crate::experiment::parallel::in_parallel;
use crate::experiment::run;
use crate::report::summary::RunSummary;
use crate::scenario::load_str;

/// Ratio to the submitted rate at which a rate must not be carried.
const MORE: f64 = 1.3;
/// Factor from the first third to the last by which the TTFT of a queue that grows without end grows, to more than
/// [`SLOW_S`].
const GROWS: f64 = 1.5;
const SLOW_S: f64 = 2.0;
/// Input tokens of a mean request.
pub const INPUT: f64 = 255.0;

/// A submitted run beside the simulator.
#[derive(Clone, Debug, Serialize)]
pub struct MlperfRow {
    /// Submitter and system.
    pub system: String,
    /// Catalog name of the accelerator.
    pub gpu: String,
    /// Submitted rate, in requests per second.
    pub rate_per_s: f64,
    /// Mean TTFT as submitted, in seconds.
    pub measured_ttft_s: f64,
    /// Mean TTFT as simulated, in seconds.
    pub ttft_s: f64,
    /// Mean TPOT as submitted, in seconds.
    pub measured_tpot_s: f64,
    /// Mean TPOT as simulated, in seconds.
    pub tpot_s: f64,
    /// Whether the submitted rate is carried.
    pub stable: bool,
    /// Whether 1.3 times the submitted rate is carried.
    pub more_is_stable: bool,
    /// Greatest part of the submitted rate, in twentieths from a half to one and a half, that is carried.
    pub carried: f64,
}

/// Plays submitted runs.
///
/// # Errors
/// Where a run cannot be played.
pub fn rows(submissions: &[Submission]) -> Result<Vec<MlperfRow>, String> {
    let played = in_parallel(submissions, |submission| {
        let played = |factor: f64| -> Result<RunSummary, String> {
            let text = scenario(submission, factor)?;
            let scenario = load_str("MLPerf", &text, &[]).map_err(|m| m.render(false))?;
            run(&scenario, 1).map_err(|e| e.to_string())
        };
        let (one, more) = (played(1.0)?, played(MORE)?);
        let mut carried = 0.45;
        while carried < 1.5 && is_stable(&played(carried + 0.05)?) {
            carried += 0.05;
        }
        Ok(MlperfRow {
            system: submission.system.clone(),
            gpu: submission.gpu.clone(),
            rate_per_s: submission.rate_per_s,
            measured_ttft_s: submission.ttft_s,
            ttft_s: one.latency.ttft_s.mean.unwrap_or(f64::NAN),
            measured_tpot_s: submission.tpot_s,
            tpot_s: one.latency.tpot_s.mean.unwrap_or(f64::NAN),
            stable: is_stable(&one),
            more_is_stable: is_stable(&more),
            carried,
        })
    });
    played.into_iter().collect()
}

fn is_stable(summary: &RunSummary) -> bool {
    let third = summary.intervals.len() / 3;
    let mean = |spans: &[crate::report::summary::SpanSummary]| {
        let means = spans.iter().filter_map(|s| s.latency.ttft_s.mean);
        let means: Vec<f64> = means.collect();
        means.iter().sum::<f64>() / means.len().max(1) as f64
    };
    let early = mean(&summary.intervals[..third]);
    let late = mean(&summary.intervals[summary.intervals.len() - third..]);
    !(late > GROWS * early && late > SLOW_S)
}

fn scenario(submission: &Submission, factor: f64) -> Result<String, String> {
    let mut values = String::new();
    for length in submission.output_tokens() {
        let _ = write!(values, "[{length:.1}, 1], ");
    }
    let Submission {
        instances,
        gpus,
        pipeline,
        engine,
        numbers,
        batch,
        kv_fraction,
        ..
    } = submission;
    let rate = factor * submission.rate_per_s;
    // each stage of a pipeline has a batch of its own at any time
    let budget = submission.budget * pipeline;
    // engines of whole prompts put these into steps of their own
    let batching = match engine.starts_with("vllm") {
        true => "prefill-first",
        false => "chunked",
    };
    let tensor = gpus / pipeline;
    let node = node(submission)?;
    Ok(format!(
        "name = \"MLPerf\"\nstart = 2024-08-01T00:00:00Z\nduration = \"10min\"\nwarm_up = \"5min\"\n\
         report_every = \"1min\"\nmodel = \"llama-2-70b\"\n\
         node = {{ gpu = {node}, gpus = {gpus}, price_per_gpu_hour = 0.0 }}\n\
         [pools.mixed]\nnodes_per_unit = 1\nunits = {instances}\n\
         parallelism = {{ attention_data = 1, tensor = {tensor}, pipeline = {pipeline} }}\n\
         max_batch_tokens = {budget}\nmax_batch_requests = {batch}\nlook_ahead = true\n\
         batching = \"{batching}\"\nadmission = \"current\"\n\
         [performance]\nkind = \"roofline\"\nengine = \"{engine}\"\n\
         precision = {{ gemm = \"{numbers}\", kv = \"fp8\" }}\n\
         constants = {{ memory_fraction = {kv_fraction} }}\n\
         [[class]]\nname = \"openorca\"\narrivals = {{ kind = \"poisson\", requests_per_s = {rate} }}\n\
         input = {{ kind = \"lognormal\", mean = {INPUT}, cv = 0.9, min = 10, max = 1024 }}\n\
         output = {{ kind = \"empirical\", values = [{values}] }}\n"
    ))
}

/// The accelerator: the catalog's, with another clock where the submission had one.
fn node(submission: &Submission) -> Result<String, String> {
    let Submission { gpu, clock, .. } = submission;
    if *clock == 1.0 {
        return Ok(format!("\"{gpu}\""));
    }
    let plain = catalog::gpu(gpu).and_then(|g| g.compute);
    let plain = plain.ok_or_else(|| format!("the catalog lacks the data sheet of {gpu}"))?;
    Ok(format!(
        "{{ base = \"{gpu}\", compute = {{ memory_tb_per_s = {}, bf16_tflops = {}, fp8_tflops = {}, \
         scale_up_gb_per_s = {}, scale_up_gpus = {} }} }}",
        plain.memory_bytes_per_s / 1e12,
        clock * plain.bf16_per_s / 1e12,
        clock * plain.fp8_per_s / 1e12,
        plain.scale_up_bytes_per_s / 1e9,
        plain.scale_up_gpus
    ))
}
