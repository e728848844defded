//! Measurements from a file: a plain CSV of one's own, or the columns of aiconfigurator's measured set.

use super::bench_files;
use super::bench_point::{BenchLoad, BenchPoint};
use crate::catalog::{self, NumberFormat};
use crate::experiment::measurement::{LatencyStatistic, Measurement, ServerRules};
use crate::experiment::validate::silicon;
use crate::scenario::{Admission, Batching, KeyChange, Performance, Scenario};
use crate::words::{Words, one_of};

/// Help on the columns of the CSV and their meaning.
pub const HELP: &str = "\
What vllm bench serve, SGLang's bench_serving, guidellm, aiperf, genai-perf and InferenceX write (JSON or CSV) is read
as it is, with --scenario: a scenario that describes the deployment that was measured. Lengths are the means of all
requests. Several files are fitted together.

Or a CSV of your own with a header; one row a measured point of a closed loop (so many users, one request each at a time).

  engine            catalog name: vllm, sglang, trtllm
  gpu               catalog name, such as h100
  model             catalog name, such as llama-3.3-70b
  gpus              accelerators of one server
  input_tokens      nominal input length
  output_tokens     nominal output length
  concurrency       users
  ttft_ms           mean time to first token (may be empty)
  tpot_ms           mean time per output token (may be empty)

optional:
  gemm              bf16, fp8, fp8-block, fp4, nvfp4; by default bf16
  experts           the same for routed experts; by default as gemm
  kv                bf16 or fp8; by default bf16
  attention_data    groups with their own attention; by default 1
  expert_parallel   accelerators that hold different experts; by default 1
  max_batch_tokens  token budget of a step; by default 8192
  batching          chunked, prefill-first or whole; by default chunked
  reserve           true: a request's whole KV is reserved; by default false
  look_ahead        true: steps are planned while the one before runs; by default false
  least             lengths are uniform from this part of the nominal on; by default 1 (fixed)
  rounds            requests of each user; by default 10

Rows that differ in concurrency only are one curve. A third of the curves of each model is set aside by a hash
before anything is fitted. A file with the columns of aiconfigurator's silicon_dev.csv is read too.
";

const REQUIRED: [&str; 9] = [
    "engine",
    "gpu",
    "model",
    "gpus",
    "input_tokens",
    "output_tokens",
    "concurrency",
    "ttft_ms",
    "tpot_ms",
];
const OPTIONAL: [&str; 11] = [
    "gemm",
    "experts",
    "kv",
    "attention_data",
    "expert_parallel",
    "max_batch_tokens",
    "batching",
    "reserve",
    "look_ahead",
    "least",
    "rounds",
];

/// Reads measurements; an error names line, column and remedy.
///
/// # Errors
/// Where a column is missing or a cell is not what it should be.
pub fn read(text: &str) -> Result<Vec<Measurement>, String> {
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let heads = reader.headers().map_err(|e| e.to_string())?.clone();
    if heads.iter().any(|h| h == "backend") {
        return silicon::read(text);
    }
    let known = |name: &str| REQUIRED.contains(&name) || OPTIONAL.contains(&name);
    if let Some(strange) = heads.iter().find(|h| !known(h)) {
        return Err(format!(
            "line 1: there is no column `{strange}`; `tokentide calibrate --help-columns` explains them"
        ));
    }
    if let Some(missing) = REQUIRED
        .iter()
        .find(|name| !heads.iter().any(|h| h == **name))
    {
        return Err(format!("line 1: the column `{missing}` is missing"));
    }
    let mut all = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|e| e.to_string())?;
        let line = record.position().map_or(0, csv::Position::line);
        let row = MeasurementRow {
            line,
            cell: &|name| {
                let place = heads.iter().position(|h| h == name)?;
                record.get(place).filter(|c| !c.is_empty())
            },
        };
        all.push(row.measurement()?);
    }
    if all.is_empty() {
        return Err("there are no rows".to_string());
    }
    Ok(all)
}

/// A load that the command line says, for files that do not.
#[derive(Clone, Copy, Debug, Default)]
pub struct StatedLoad {
    /// Users, each with one request at a time.
    pub users: Option<u32>,
    /// Requests a second.
    pub per_s: Option<f64>,
}

/// Measurements from what a benchmark wrote of the deployment that a scenario describes, and remarks on them.
///
/// # Errors
/// Where it is no known form, the load is not known, or the scenario's step times are no roofline.
pub fn of_benchmark(
    text: &str,
    server: &Scenario,
    stated: StatedLoad,
) -> Result<(Vec<Measurement>, Vec<String>), String> {
    let points = bench_files::read(text)?;
    let mut remarks: Vec<String> = points
        .iter()
        .filter_map(|point| point.remark.clone())
        .collect();
    remarks.sort();
    remarks.dedup();
    let all: Result<Vec<Measurement>, String> = points
        .iter()
        .map(|point| of_point(point, server, stated))
        .collect();
    Ok((all?, remarks))
}

fn of_point(
    point: &BenchPoint,
    server: &Scenario,
    stated: StatedLoad,
) -> Result<Measurement, String> {
    let Performance::Roofline(roofline) = &server.performance else {
        return Err(
            "the scenario's step times are no roofline, which has constants to fit".to_string(),
        );
    };
    let load = point.load.or(stated.per_s.map(BenchLoad::PerSecond));
    let load = load.or(stated.users.map(|users| BenchLoad::Users(f64::from(users))));
    let Some(load) = load else {
        return Err(
            "it does not say under which load it was measured: bring the tool's JSON, or add --concurrency N or --rate R"
                .to_string(),
        );
    };
    let requests = point.requests.unwrap_or(0.0);
    let (users, rate) = match load {
        BenchLoad::Users(users) => (users, None),
        BenchLoad::PerSecond(rate) => (1.0, Some(rate)),
        BenchLoad::AllAtOnce => (requests.max(1.0), None),
    };
    let users = libm::round(users).clamp(1.0, 1e6);
    // A round more or less of so many is none: long benchmarks are cut to a hundred rounds.
    let rounds = match rate {
        None => libm::ceil(requests / users).clamp(1.0, 100.0),
        Some(_) => requests.clamp(1.0, 100_000.0),
    };
    let has_mean = point.ttft.mean.or(point.tpot.mean).is_some();
    let (statistic, ttft, tpot) = match has_mean {
        true => (LatencyStatistic::Mean, point.ttft.mean, point.tpot.mean),
        false => (
            LatencyStatistic::Median,
            point.ttft.median,
            point.tpot.median,
        ),
    };
    let mut server = server.clone();
    if let Some(tensor) = point.tensor {
        let wanted = KeyChange::written(
            "the row's tp",
            format!("pools.mixed.parallelism.tensor={tensor}"),
        );
        server = server.with(&[wanted]).map_err(|m| m.render(false))?;
    }
    let gpus: u32 = server
        .pools
        .iter()
        .map(|pool| {
            pool.gpus_per_unit
                * pool
                    .schedule
                    .steps
                    .iter()
                    .map(|(_, n)| *n)
                    .max()
                    .unwrap_or(1)
        })
        .sum();
    let tokens = |mean: f64| libm::round(mean).clamp(1.0, 16_777_216.0) as u32;
    let pool = &server.pools[0];
    let measured = Measurement {
        curve: format!("{point:?}"),
        engine: roofline.engine.name.clone(),
        release: String::new(),
        gpu: server.node.gpu.name.clone(),
        model: server.model.name.clone(),
        gemm: roofline.precision.gemm,
        experts: roofline.precision.experts,
        kv: roofline.precision.kv,
        gpus,
        attention_data: pool.ranks,
        expert_parallel: pool.parallelism.experts,
        input: tokens(point.input),
        output: tokens(point.output),
        least: 1.0,
        concurrency: users as u32,
        rounds: rounds as u32,
        max_batch_tokens: pool.max_batch_tokens,
        rules: ServerRules::default(),
        separate: None,
        held_out: false,
        ttft_s: ttft.filter(|s| *s > 0.0),
        tpot_s: tpot.filter(|s| *s > 0.0),
        rate_per_s: rate,
        gap_cv: point.gap_cv,
        statistic,
        server: Some(Box::new(server.clone())),
        unusable: "",
    };
    Ok(measured)
}

struct MeasurementRow<'a> {
    line: u64,
    cell: &'a dyn Fn(&str) -> Option<&'a str>,
}

impl MeasurementRow<'_> {
    fn measurement(&self) -> Result<Measurement, String> {
        let name = |column: &str| {
            (self.cell)(column)
                .map(str::to_string)
                .ok_or(format!("line {}: `{column}` is empty", self.line))
        };
        let gemm = self.number_kind("gemm", NumberFormat::Bf16)?;
        let (engine, gpu, model) = (name("engine")?, name("gpu")?, name("model")?);
        for (column, cell, known) in [
            (
                "engine",
                &engine,
                catalog::engines().iter().any(|e| e.name == engine),
            ),
            ("gpu", &gpu, catalog::gpu(&gpu).is_some()),
            ("model", &model, catalog::model(&model).is_some()),
        ] {
            if !known {
                return Err(format!(
                    "line {}: `{column}` is {cell:?}, which the catalog does not have; see `tokentide catalog`",
                    self.line
                ));
            }
        }
        let batching = match (self.cell)("batching") {
            None => Batching::Chunked,
            Some(word) => self.named("batching", word)?,
        };
        let measured = Measurement {
            curve: String::new(),
            engine,
            release: String::new(),
            gpu,
            model,
            gemm,
            experts: self.number_kind("experts", gemm)?,
            kv: self.number_kind("kv", NumberFormat::Bf16)?,
            gpus: self.integer("gpus", None)?,
            attention_data: self.integer("attention_data", Some(1))?,
            expert_parallel: self.integer("expert_parallel", Some(1))?,
            input: self.integer("input_tokens", None)?,
            output: self.integer("output_tokens", None)?,
            least: self.float("least", 0.01, 1.0)?.unwrap_or(1.0),
            concurrency: self.integer("concurrency", None)?,
            rounds: self.integer("rounds", Some(10))?,
            max_batch_tokens: self.integer("max_batch_tokens", Some(8_192))?,
            rules: ServerRules {
                batching: Some(batching),
                admission: Some(match self.boolean("reserve")? {
                    true => Admission::Reserve,
                    false => Admission::Current,
                }),
                look_ahead: Some(self.boolean("look_ahead")?),
                ..ServerRules::default()
            },
            separate: None,
            held_out: false,
            ttft_s: self.float("ttft_ms", 1e-3, 1e9)?.map(|ms| ms / 1e3),
            tpot_s: self.float("tpot_ms", 1e-3, 1e9)?.map(|ms| ms / 1e3),
            rate_per_s: None,
            gap_cv: 1.0,
            statistic: LatencyStatistic::Mean,
            server: None,
            unusable: "",
        };
        let curve = format!(
            "{:?}",
            Measurement {
                concurrency: 0,
                ttft_s: None,
                tpot_s: None,
                ..measured.clone()
            }
        );
        Ok(Measurement { curve, ..measured })
    }

    fn float(&self, column: &str, low: f64, high: f64) -> Result<Option<f64>, String> {
        let Some(cell) = (self.cell)(column) else {
            return Ok(None);
        };
        match cell.parse::<f64>() {
            Ok(x) if (low..=high).contains(&x) => Ok(Some(x)),
            _ => Err(format!(
                "line {}: `{column}` is {cell:?}; it must be a number from {low} to {high}",
                self.line
            )),
        }
    }

    fn integer(&self, column: &str, default: Option<u32>) -> Result<u32, String> {
        match self.float(column, 1.0, 16_777_216.0)? {
            Some(x) => Ok(x as u32),
            None => default.ok_or(format!("line {}: `{column}` is empty", self.line)),
        }
    }

    /// What a word of an enum stands for.
    fn named<T: Words>(&self, column: &str, word: &str) -> Result<T, String> {
        T::named(word).ok_or_else(|| {
            format!(
                "line {}: `{column}` is {word:?}; it must be {}",
                self.line,
                one_of(T::VARIANTS.iter().copied())
            )
        })
    }

    fn boolean(&self, column: &str) -> Result<bool, String> {
        match (self.cell)(column) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(other) => Err(format!(
                "line {}: `{column}` is {other:?}; it must be true or false",
                self.line
            )),
        }
    }

    fn number_kind(&self, column: &str, default: NumberFormat) -> Result<NumberFormat, String> {
        match (self.cell)(column) {
            None => Ok(default),
            Some(word) => self.named(column, word),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str =
        "engine,gpu,model,gpus,input_tokens,output_tokens,concurrency,ttft_ms,tpot_ms";

    #[test]
    fn rows_of_one_curve_differ_in_concurrency_only() {
        let rows =
            "vllm,h100,qwen3-32b,4,1024,256,16,500,10\nvllm,h100,qwen3-32b,4,1024,256,32,,12";
        let all = read(&format!("{HEAD}\n{rows}\n")).expect("two rows");
        assert_eq!(all.len(), 2);
        assert_eq!(all[0].curve, all[1].curve);
        assert_eq!((all[1].ttft_s, all[1].tpot_s), (None, Some(0.012)));
    }

    #[test]
    fn mistakes_name_line_and_column() {
        let row = |cells: &str| read(&format!("{HEAD}\n{cells}\n")).expect_err("a mistake");
        let bad = row("vllm,h100,qwen3-32b,four,1024,256,16,500,10");
        assert!(bad.contains("line 2") && bad.contains("`gpus`"), "{bad}");
        let unknown = row("vlm,h100,qwen3-32b,4,1024,256,16,500,10");
        assert!(
            unknown.contains("line 2") && unknown.contains("`engine`"),
            "{unknown}"
        );
        let strange = read("engine,gpu,mode\n").expect_err("a mistake");
        assert!(strange.contains("`mode`"), "{strange}");
    }
}
