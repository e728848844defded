//! What submitters to MLPerf Inference measured of llama2-70b in the server scenario, and how they served.
//!
//! Version 5.1: `mlperf.toml`, with the submitters' own configurations. Version 4.1: the rows of a file, of which six
//! systems are known; how these served is assumed: TensorRT-LLM with FP8 weights and KV, eight H100 as four copies of
//! two accelerators (two are the least that hold weights and KV), an H200 as one copy.

use serde::Deserialize;

/// A submitted run.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Submission {
    /// Submitter and system.
    pub system: String,
    /// Catalog name of the accelerator.
    pub gpu: String,
    /// Copies of the model.
    pub instances: u32,
    /// Accelerators of a copy.
    pub gpus: u32,
    /// Pipeline stages of a copy.
    #[serde(default = "one")]
    pub pipeline: u32,
    /// Name of the engine, with its release where it matters.
    pub engine: String,
    /// Number format of dense weights; KV is kept in FP8.
    pub numbers: String,
    /// Tokens of a step.
    pub budget: u32,
    /// Requests of a step.
    pub batch: u32,
    /// Part of the memory that is left, or of all, which the engine takes for KV.
    pub kv_fraction: f64,
    /// Factor on the compute of the data sheet.
    #[serde(default = "unity")]
    pub clock: f64,
    /// Requests a second that arrived.
    pub rate_per_s: f64,
    /// Requests a second that were answered.
    pub served_per_s: f64,
    /// Output tokens a second.
    pub tokens_per_s: f64,
    /// Mean TTFT, in seconds.
    pub ttft_s: f64,
    /// Mean TPOT, in seconds.
    pub tpot_s: f64,
    /// Quantiles of the latency of whole requests, in seconds, as [`QUANTILES`] has them.
    pub latency_s: [f64; QUANTILES.len()],
    /// How the copies were laid out, and where that stands.
    pub how: String,
}

fn one() -> u32 {
    1
}

fn unity() -> f64 {
    1.0
}

/// Quantiles that summaries of runs state, with the columns of the file that hold them, in milliseconds.
pub const QUANTILES: [(&str, f64); 8] = [
    ("latency_min_ms", 0.0),
    ("latency_p50_ms", 0.5),
    ("latency_p90_ms", 0.9),
    ("latency_p95_ms", 0.95),
    ("latency_p97_ms", 0.97),
    ("latency_p99_ms", 0.99),
    ("latency_p99.9_ms", 0.999),
    ("latency_max_ms", 1.0),
];

/// Compute of an H200 with a custom thermal solution (CTS), which lets it draw more power and run faster: eight of
/// them did 119.706 samples/s offline, eight plain ones of the same submitter 107.477. Server rows, which are
/// checked here, do not enter.
const CTS_CLOCK: f64 = 119.706 / 107.477;

/// Systems of version 4.1 that are played: name, accelerator, copies, accelerators of a copy, factor on the compute.
const SYSTEMS: [(&str, &str, u32, u32, f64); 6] = [
    ("DGX-H100_H100-SXM-80GBx8_TRT", "h100", 4, 2, 1.0),
    ("XE9680_H100_SXM_80GBx8_TRT", "h100", 4, 2, 1.0),
    ("HPE_Cray_XD670_H100_SXM_80GBx8_TRT", "h100", 4, 2, 1.0),
    ("AS_4125GS_TNHR2_LCC_H100_SXM_80GBx8_TRT", "h100", 4, 2, 1.0),
    ("H200-SXM-141GBx8_TRT", "h200", 8, 1, 1.0),
    ("H200-SXM-141GB-CTSx1_TRT", "h200", 1, 1, CTS_CLOCK),
];

#[derive(Deserialize)]
struct SubmissionFile {
    submission: Vec<Submission>,
}

impl Submission {
    /// The runs of version 5.1.
    ///
    /// # Errors
    /// Never with the embedded file, which a test reads.
    pub fn published() -> Result<Vec<Self>, String> {
        let file: Result<SubmissionFile, _> = toml::from_str(include_str!("mlperf.toml"));
        file.map(|f| f.submission).map_err(|e| e.to_string())
    }

    /// The runs of `mlperf_v4.1_llm_summary.csv`, one for each known system.
    ///
    /// # Errors
    /// Where the file is not of this form.
    pub fn of_csv(text: &str) -> Result<Vec<Self>, String> {
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let heads = reader.headers().map_err(|e| e.to_string())?.clone();
        let records: Result<Vec<csv::StringRecord>, _> = reader.records().collect();
        let records = records.map_err(|e| e.to_string())?;
        let cell = |record: &csv::StringRecord, name: &str| {
            let place = heads.iter().position(|head| head == name);
            let found = place.and_then(|at| record.get(at));
            found.unwrap_or("").to_string()
        };
        let mut found = Vec::new();
        for (name, gpu, instances, gpus, clock) in SYSTEMS {
            let is_wanted = |record: &&csv::StringRecord| {
                cell(record, "system") == name
                    && cell(record, "division") == "closed"
                    && cell(record, "scenario") == "Server"
                    && cell(record, "model") == "llama2-70b-99"
            };
            let Some(record) = records.iter().find(is_wanted) else {
                continue;
            };
            let number = |column: &str| {
                let number = cell(record, column).parse::<f64>();
                number.map_err(|_| format!("{name}: `{column}` is missing"))
            };
            let mut latency_s = [0.0; QUANTILES.len()];
            for (seconds, (column, _)) in latency_s.iter_mut().zip(QUANTILES) {
                *seconds = number(column)? / 1e3;
            }
            found.push(Self {
                system: format!("v4.1 {name}"),
                gpu: gpu.to_string(),
                instances,
                gpus,
                pipeline: 1,
                engine: "trtllm".to_string(),
                numbers: "fp8".to_string(),
                budget: 4096,
                batch: 1024,
                kv_fraction: 0.95,
                clock,
                rate_per_s: number("target_qps")?,
                served_per_s: number("completed_samples_per_s")?,
                tokens_per_s: number("tokens_per_s")?,
                ttft_s: number("ttft_mean_ms")? / 1e3,
                tpot_s: number("tpot_mean_ms")? / 1e3,
                latency_s,
                how: "copies, budget and batch are assumed".to_string(),
            });
        }
        Ok(found)
    }

    /// Lengths of the answers: 200 of equal probability. What a request took after its first token, over the mean time of
    /// a token, scaled to the mean length; at most the benchmark's 1,024 tokens.
    pub fn output_tokens(&self) -> Vec<f64> {
        let tokens =
            |seconds: f64| (1.0 + (seconds - self.ttft_s) / self.tpot_s).clamp(1.0, LONGEST);
        let known: Vec<(f64, f64)> = QUANTILES
            .iter()
            .zip(self.latency_s)
            .map(|((_, part), seconds)| (*part, tokens(seconds)))
            .collect();
        let points = 200_u32;
        let mut lengths: Vec<f64> = (0..points)
            .map(|i| {
                let part = (f64::from(i) + 0.5) / f64::from(points);
                let above = known.iter().position(|k| k.0 >= part).unwrap_or(7).max(1);
                let ((x0, y0), (x1, y1)) = (known[above - 1], known[above]);
                y0 + (y1 - y0) * (part - x0) / (x1 - x0)
            })
            .collect();
        let mean = self.tokens_per_s / self.served_per_s;
        let scale = mean * f64::from(points) / lengths.iter().sum::<f64>();
        for length in &mut lengths {
            *length = (*length * scale).clamp(1.0, LONGEST);
        }
        lengths
    }

    /// The most input tokens of a mean request that the budget leaves room for: in a step (the mean time of a token, less
    /// where stages of a pipeline step in turn) each running request emits a token, and what remains is for prompts.
    pub fn most_input_tokens(&self) -> f64 {
        let copies = f64::from(self.instances * self.pipeline);
        let joined = self.served_per_s * self.tpot_s / copies;
        let emitted = self.tokens_per_s * self.tpot_s / copies;
        (f64::from(self.budget) - emitted) / joined
    }
}

/// Most tokens of an answer, and of a prompt.
pub const LONGEST: f64 = 1024.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budgets_of_two_submissions_bound_the_mean_prompt() {
        let all = Submission::published().expect("mlperf.toml");
        let of = |gpu: &str| {
            let found = all.iter().find(|s| s.gpu == gpu).expect("submitted");
            assert!((found.output_tokens().iter().sum::<f64>() / 200.0 - 288.0).abs() < 20.0);
            found.most_input_tokens()
        };
        let (h100, h200) = (of("h100"), of("h200"));
        assert!(
            (h100 - 258.0).abs() < 1.0 && (h200 - 283.0).abs() < 1.0,
            "{h100} {h200}"
        );
        assert!(super::super::mlperf::INPUT < h100);
    }
}
