//! MLPerf Inference v4.1 server runs of llama2-70b: Poisson arrivals at the submitted rate must be carried,
//! and at 1.3 times that rate must not.
//!
//! Eight H100 are four instances of two (two are the least that hold weights and KV), an H200 is one.
//! TensorRT-LLM with FP8 weights and KV. Output lengths follow the row's own latency quantiles, scaled to its
//! mean; input lengths are OpenOrca's, taken to be 294 tokens on average (not stated in the row). Instances,
//! budget and input mean are assumed.

use std::fmt::Write;

use serde::Serialize;

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

/// A submitted run beside the simulator.
#[derive(Clone, Debug, Serialize)]
pub struct MlperfRow {
    /// Name of the system.
    pub system: String,
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

/// A submitted system that is played.
struct System {
    name: &'static str,
    gpu: &'static str,
    instances: u32,
    /// Accelerators of one instance of the server.
    gpus: u32,
    /// Factor on the compute of the data sheet.
    clock: f64,
}

/// Compute of an H200 with a custom thermal solution (CTS), which lets it draw more power and run faster: eight of
/// them did 119.706 samples/s offline, eight plain ones of the same submitter 107.477. Server rows, which are
/// checked here, do not enter.
const CTS_CLOCK: f64 = 119.706 / 107.477;

const fn system(name: &'static str, gpu: &'static str, instances: u32, gpus: u32) -> System {
    System {
        name,
        gpu,
        instances,
        gpus,
        clock: 1.0,
    }
}

const SYSTEMS: [System; 6] = [
    system("DGX-H100_H100-SXM-80GBx8_TRT", "h100", 4, 2),
    system("XE9680_H100_SXM_80GBx8_TRT", "h100", 4, 2),
    system("HPE_Cray_XD670_H100_SXM_80GBx8_TRT", "h100", 4, 2),
    system("AS_4125GS_TNHR2_LCC_H100_SXM_80GBx8_TRT", "h100", 4, 2),
    system("H200-SXM-141GBx8_TRT", "h200", 8, 1),
    System {
        clock: CTS_CLOCK,
        ..system("H200-SXM-141GB-CTSx1_TRT", "h200", 1, 1)
    },
];

/// One row of the file: which of [`SYSTEMS`] it is of, and its numeric cells by heading.
struct Submission {
    index: usize,
    system: String,
    numbers: Vec<(String, f64)>,
}

/// Plays the rows of `mlperf_v4.1_llm_summary.csv`.
///
/// # Errors
/// Where the file is not of this form or a row cannot be played.
pub fn rows(text: &str) -> Result<Vec<MlperfRow>, String> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let heads = reader.headers().map_err(|e| e.to_string())?.clone();
    let mut found: Vec<Submission> = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|e| e.to_string())?;
        let cell = |name: &str| {
            let place = heads.iter().position(|h| h == name);
            place.and_then(|i| record.get(i)).unwrap_or("")
        };
        let system = SYSTEMS.iter().position(|s| s.name == cell("system"));
        let wanted = cell("division") == "closed"
            && cell("scenario") == "Server"
            && cell("model") == "llama2-70b-99";
        let Some(index) = system.filter(|_| wanted) else {
            continue;
        };
        if found.iter().any(|known| known.index == index) {
            continue;
        }
        let numbers = heads.iter().zip(record.iter()).filter_map(|(head, cell)| {
            let number = cell.parse::<f64>().ok()?;
            Some((head.to_string(), number))
        });
        found.push(Submission {
            index,
            system: cell("system").to_string(),
            numbers: numbers.collect(),
        });
    }
    found.sort_by_key(|s| s.index);
    in_parallel(&found, |submission| {
        let system = &submission.system;
        let get = |name: &str| {
            let found = submission.numbers.iter().find(|(head, _)| head == name);
            found
                .map(|(_, x)| *x)
                .ok_or(format!("{system}: `{name}` is missing"))
        };
        let rate = get("target_qps")?;
        let played = |factor: f64| -> Result<RunSummary, String> {
            let text = scenario(&SYSTEMS[submission.index], rate * factor, &get)?;
            let scenario = load_str("MLPerf", &text, &[]).map_err(|m| m.render(false))?;
            run(&scenario, 1).map_err(|e| e.to_string())
        };
        let (one, more) = (played(1.0)?, played(MORE)?);
        let mut carried = 0.45;
        while carried < 1.5 && is_stable(&played(carried + 0.05)?) {
            carried += 0.05;
        }
        Ok(MlperfRow {
            system: system.clone(),
            rate_per_s: rate,
            measured_ttft_s: get("ttft_mean_ms")? / 1e3,
            ttft_s: one.latency.ttft_s.mean.unwrap_or(f64::NAN),
            measured_tpot_s: get("tpot_mean_ms")? / 1e3,
            tpot_s: one.latency.tpot_s.mean.unwrap_or(f64::NAN),
            stable: is_stable(&one),
            more_is_stable: is_stable(&more),
            carried,
        })
    })
    .into_iter()
    .collect()
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

/// Quantiles of a row's latencies.
const QUANTILES: [(&str, f64); 8] = [
    ("latency_min_ms", 0.0),
    ("latency_p50_ms", 0.5),
    ("latency_p90_ms", 0.9),
    ("latency_p95_ms", 0.95),
    ("latency_p97_ms", 0.97),
    ("latency_p99_ms", 0.99),
    ("latency_p99.9_ms", 0.999),
    ("latency_max_ms", 1.0),
];

fn scenario(
    system: &System,
    rate: f64,
    get: &dyn Fn(&str) -> Result<f64, String>,
) -> Result<String, String> {
    // tokens behind a latency: what is left after the first, over the time of each
    let (ttft, tpot) = (get("ttft_mean_ms")?, get("tpot_mean_ms")?);
    let mut known = Vec::new();
    for (name, part) in QUANTILES {
        known.push((part, (1.0 + (get(name)? - ttft) / tpot).clamp(1.0, 1024.0)));
    }
    let points = 200_u32;
    let mut lengths: Vec<f64> = (0..points)
        .map(|i| {
            let part = (f64::from(i) + 0.5) / f64::from(points);
            let above = known.iter().position(|k| k.0 >= part).unwrap_or(7).max(1);
            let ((x0, y0), (x1, y1)) = (known[above - 1], known[above]);
            y0 + (y1 - y0) * (part - x0) / (x1 - x0)
        })
        .collect();
    let mean = get("tokens_per_s")? / get("completed_samples_per_s")?;
    let scale = mean * f64::from(points) / lengths.iter().sum::<f64>();
    for length in &mut lengths {
        *length = (*length * scale).clamp(1.0, 1024.0);
    }
    let mut values = String::new();
    for length in &lengths {
        let _ = write!(values, "[{length:.1}, 1], ");
    }
    let System {
        gpu,
        instances,
        gpus,
        clock,
        ..
    } = system;
    let plain = catalog::gpu(gpu).and_then(|g| g.compute);
    let plain = plain.ok_or_else(|| format!("the catalog lacks the data sheet of {gpu}"))?;
    let compute = format!(
        "{{ memory_tb_per_s = {}, bf16_tflops = {}, fp8_tflops = {}, scale_up_gb_per_s = {}, scale_up_gpus = {} }}",
        plain.memory_bytes_per_s / 1e12,
        clock * plain.bf16_per_s / 1e12,
        clock * plain.fp8_per_s / 1e12,
        plain.scale_up_bytes_per_s / 1e9,
        plain.scale_up_gpus
    );
    Ok(format!(
        "name = \"MLPerf\"\nstart = 2024-08-01T00:00:00Z\nduration = \"10min\"\nwarm_up = \"5min\"\n\
         report_every = \"1min\"\nmodel = \"llama-2-70b\"\n\
         node = {{ gpu = {{ base = \"{gpu}\", compute = {compute} }}, gpus = {gpus}, price_per_gpu_hour = 0.0 }}\n\
         [pools.mixed]\nnodes_per_unit = 1\nunits = {instances}\nparallelism = {{ attention_data = 1 }}\n\
         max_batch_tokens = 4096\nmax_batch_requests = 1024\nlook_ahead = true\n\
         batching = \"chunked\"\nadmission = \"current\"\n\
         [performance]\nkind = \"roofline\"\nengine = \"trtllm\"\n\
         precision = {{ gemm = \"fp8\", kv = \"fp8\" }}\n\
         constants = {{ memory_fraction = 0.95 }}\n\
         [[class]]\nname = \"openorca\"\narrivals = {{ kind = \"poisson\", requests_per_s = {rate} }}\n\
         input = {{ kind = \"lognormal\", mean = 294, cv = 0.9, min = 10, max = 1024 }}\n\
         output = {{ kind = \"empirical\", values = [{values}] }}\n"
    ))
}
