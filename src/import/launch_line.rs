//! Launch lines of vLLM and SGLang for the pools of a scenario: what somebody types to build it.
//!
//! Budgets are written out, so that a line means the same in every release. What a line cannot say (the router, how
//! experts are balanced, schedules) stands in comments.

use std::fmt::Write;

use super::model_names::repository;
use super::server::{LaunchEngine, ServerRole};
use crate::catalog::{Constant, NumberFormat, Provenance};
use crate::scenario::{Batching, Performance, Pool, Role, Roofline, Scenario};

/// A shell script's text with the lines of both engines for every pool.
pub fn launch_lines(scenario: &Scenario) -> String {
    let mut out = String::new();
    let _ = writeln!(
        out,
        "# How to launch {} on nodes of {} x {}: one line for each copy of the model.",
        one_line(&scenario.name),
        scenario.node.gpus,
        scenario.node.gpu.name
    );
    if repository(&scenario.model.name).is_none() {
        let _ = writeln!(
            out,
            "# MODEL stands for the path of {}.",
            one_line(&scenario.model.name)
        );
    }
    for engine in [LaunchEngine::Vllm, LaunchEngine::Sglang] {
        let _ = writeln!(out, "\n# {}", name(engine));
        for pool in &scenario.pools {
            let _ = writeln!(out, "# {}", about(pool));
            let _ = writeln!(out, "{}", launch_line(engine, scenario, pool));
        }
    }
    out
}

fn name(engine: LaunchEngine) -> &'static str {
    match engine {
        LaunchEngine::Vllm => "vLLM",
        LaunchEngine::Sglang => "SGLang",
        LaunchEngine::Trtllm => "TensorRT-LLM",
    }
}

/// How many copies of a pool there are.
fn about(pool: &Pool) -> String {
    let units = || pool.schedule.steps.iter().map(|(_, units)| *units);
    let (least, most) = (units().min().unwrap_or(0), units().max().unwrap_or(0));
    let copies = |n: u32| n * pool.replicas;
    let number = if least == most {
        copies(most).to_string()
    } else {
        format!("{} to {}", copies(least), copies(most))
    };
    format!(
        "{}: {number} of these, on {} accelerators each",
        pool.name,
        pool.gpus_per_replica()
    )
}

/// The line that launches one copy of the model in a pool.
pub fn launch_line(engine: LaunchEngine, scenario: &Scenario, pool: &Pool) -> String {
    let model = repository(&scenario.model.name).unwrap_or("MODEL");
    let role = match pool.role {
        Role::Prefill => ServerRole::Prefill,
        Role::Decode => ServerRole::Decode,
        Role::Mixed => ServerRole::Both,
    };
    let mut line = Line::default();
    let roofline = match &scenario.performance {
        Performance::Roofline(roofline) => Some(&**roofline),
        Performance::Linear(_) | Performance::Table(_) => None,
    };
    match engine {
        LaunchEngine::Sglang => {
            line.text = format!("python -m sglang.launch_server --model-path {model}");
            line.sglang(scenario, pool, role, roofline);
        }
        LaunchEngine::Vllm | LaunchEngine::Trtllm => {
            line.text = format!("vllm serve {model}");
            line.vllm(scenario, pool, role, roofline);
        }
    }
    line.text
}

#[derive(Debug, Default)]
struct Line {
    text: String,
}

impl Line {
    fn flag(&mut self, flag: &str, value: impl ToString) {
        let _ = write!(self.text, " \\\n  {flag} {}", value.to_string());
    }

    fn switch(&mut self, flag: &str) {
        let _ = write!(self.text, " \\\n  {flag}");
    }

    fn vllm(
        &mut self,
        scenario: &Scenario,
        pool: &Pool,
        role: ServerRole,
        roofline: Option<&Roofline>,
    ) {
        let parallel = &pool.parallelism;
        self.flag("--tensor-parallel-size", parallel.tensor);
        if parallel.pipeline > 1 {
            self.flag("--pipeline-parallel-size", parallel.pipeline);
        }
        if pool.ranks > 1 {
            self.flag("--data-parallel-size", pool.ranks);
        }
        if parallel.experts > 1 {
            self.switch("--enable-expert-parallel");
        }
        if role != ServerRole::Decode {
            // a batch of the engine is that of one stage of a pipeline
            let tokens = (pool.max_batch_tokens / parallel.pipeline.max(1)).max(1);
            self.flag("--max-num-batched-tokens", tokens);
        }
        self.flag("--max-num-seqs", pool.max_batch_requests);
        if role == ServerRole::Both {
            if pool.batching == Batching::PrefillFirst {
                self.switch("--no-enable-chunked-prefill");
            }
            self.switch(if pool.look_ahead {
                "--async-scheduling"
            } else {
                "--no-async-scheduling"
            });
        }
        self.common(
            scenario,
            roofline,
            "--max-model-len",
            "--gpu-memory-utilization",
        );
        if scenario.mtp.drafts > 0 {
            let drafts = scenario.mtp.drafts;
            let config = format!("'{{\"method\": \"mtp\", \"num_speculative_tokens\": {drafts}}}'");
            self.flag("--speculative-config", config);
        }
        let kv = |role: &str| {
            format!("'{{\"kv_connector\": \"NixlConnector\", \"kv_role\": \"{role}\"}}'")
        };
        match role {
            ServerRole::Both => {}
            ServerRole::Prefill => self.flag("--kv-transfer-config", kv("kv_producer")),
            ServerRole::Decode => self.flag("--kv-transfer-config", kv("kv_consumer")),
        }
    }

    fn sglang(
        &mut self,
        scenario: &Scenario,
        pool: &Pool,
        role: ServerRole,
        roofline: Option<&Roofline>,
    ) {
        let parallel = &pool.parallelism;
        let ranks = pool.ranks;
        self.flag("--tp-size", parallel.tensor * ranks);
        if parallel.pipeline > 1 {
            self.flag("--pp-size", parallel.pipeline);
        }
        if ranks > 1 {
            self.flag("--dp-size", ranks);
            self.switch("--enable-dp-attention");
        }
        if parallel.experts > 1 {
            self.flag("--ep-size", parallel.experts);
        }
        if parallel.redundant_experts > 0 {
            self.flag("--ep-num-redundant-experts", parallel.redundant_experts);
        }
        // SGLang divides both among the ranks
        if role != ServerRole::Decode {
            self.flag(
                "--chunked-prefill-size",
                (pool.max_batch_tokens / parallel.pipeline.max(1))
                    .max(1)
                    .saturating_mul(ranks),
            );
        }
        self.flag(
            "--max-running-requests",
            pool.max_batch_requests.saturating_mul(ranks),
        );
        if role == ServerRole::Both {
            if pool.batching == Batching::Chunked {
                self.switch("--enable-mixed-chunk");
            }
            if !pool.look_ahead {
                self.switch("--disable-overlap-schedule");
            }
        }
        self.common(
            scenario,
            roofline,
            "--context-length",
            "--mem-fraction-static",
        );
        if scenario.mtp.drafts > 0 {
            self.flag("--speculative-algorithm", "NEXTN");
            self.flag("--speculative-num-steps", scenario.mtp.drafts);
            self.flag("--speculative-eagle-topk", 1);
            self.flag("--speculative-num-draft-tokens", scenario.mtp.drafts + 1);
        }
        match role {
            ServerRole::Both => {}
            ServerRole::Prefill => self.flag("--disaggregation-mode", "prefill"),
            ServerRole::Decode => self.flag("--disaggregation-mode", "decode"),
        }
    }

    /// The context, numbers and the fraction of memory, where they are not the model's and the engine's own.
    fn common(
        &mut self,
        scenario: &Scenario,
        roofline: Option<&Roofline>,
        context: &str,
        fraction: &str,
    ) {
        let published = crate::catalog::model(&scenario.model.name);
        if let Some(tokens) = scenario.model.context
            && published.is_none_or(|p| p.context != Some(tokens))
        {
            self.flag(context, tokens);
        }
        let Some(roofline) = roofline else { return };
        let own = scenario.model.architecture.map(|a| a.weights);
        if own.is_some_and(|own| own != roofline.precision.gemm)
            && let Some(word) = quantisation(roofline.precision.gemm)
        {
            self.flag("--quantization", word);
        }
        if roofline.precision.kv != NumberFormat::Bf16 {
            let of_sglang = context == "--context-length";
            self.flag(
                "--kv-cache-dtype",
                if of_sglang { "fp8_e4m3" } else { "fp8" },
            );
        }
        let stated = roofline.engine.figure(Constant::MemoryFraction);
        if stated.provenance == Provenance::Given {
            self.flag(fraction, stated.value);
        }
    }
}

/// The word of both engines for weights that are quantised as they are loaded; `None`: the checkpoint is another one.
fn quantisation(number: NumberFormat) -> Option<&'static str> {
    match number {
        NumberFormat::Fp8 => Some("fp8"),
        NumberFormat::Bf16
        | NumberFormat::Fp8Block
        | NumberFormat::Fp4
        | NumberFormat::Nvfp4
        | NumberFormat::Int4
        | NumberFormat::Int4Group128 => None,
    }
}

/// A text without what would end a comment.
fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::{ImportRequest, import};
    use super::*;
    use crate::scenario::load_str;

    fn scenario(model: &str, pools: &str, more: &str) -> Scenario {
        let text = format!(
            "name = 'launched'\nstart = 2026-01-05T12:00:00Z\nduration = '1min'\nmodel = '{model}'\n{more}\n\
             node = {{ gpu = 'h200', gpus = 8, price_per_gpu_hour = 2.0 }}\n{pools}\n\
             [[class]]\nname = 'chat'\narrivals = {{ kind = 'poisson', requests_per_s = 1.0 }}\n\
             input = {{ kind = 'constant', value = 100 }}\noutput = {{ kind = 'constant', value = 10 }}\n"
        );
        load_str("launched", &text, &[]).unwrap_or_else(|m| panic!("{}", m.render(false)))
    }

    /// The pools that come of the lines of a scenario's pools.
    fn again(engine: LaunchEngine, scenario: &Scenario) -> Scenario {
        let lines = scenario
            .pools
            .iter()
            .map(|pool| launch_line(engine, scenario, pool));
        let inputs = lines
            .enumerate()
            .map(|(i, line)| (format!("line {i}"), line));
        let request = ImportRequest {
            engine,
            inputs: inputs.collect(),
            gpu: Some("h200".to_string()),
            node_gpus: Some(8),
            model: None,
            hf: None,
            role: None,
        };
        let made = import(&request).unwrap_or_else(|m| panic!("{}", m.render(false)));
        let strange: Vec<&String> = made
            .remarks
            .iter()
            .filter(|r| r.starts_with("not known"))
            .collect();
        assert!(strange.is_empty(), "{strange:?}");
        load_str("again", &made.text, &[]).unwrap_or_else(|m| panic!("{}", m.render(false)))
    }

    #[test]
    fn lines_of_a_scenario_become_the_same_pools() {
        let roofline =
            "performance = { kind = 'roofline', engine = 'vllm', precision = { kv = 'fp8' } }";
        let mixed = "pools.mixed = { parallelism = { tensor = 4 }, max_batch_tokens = 3000, max_batch_requests = 77, \
                     batching = 'prefill-first', units = 1 }";
        let ranks = "pools.mixed = { parallelism = { attention_data = 4, tensor = 2, experts = 8 }, \
                     max_batch_tokens = 2048, max_batch_requests = 64, look_ahead = true, units = 1 }";
        let apart = "pools.prefill = { parallelism = { tensor = 2 }, max_batch_tokens = 4096, max_batch_requests = 9, \
                     units = 1 }\n\
                     pools.decode = { parallelism = { tensor = 8 }, max_batch_requests = 200, units = 1 }";
        let drafts = "mtp = { drafts = 2, acceptance = 0.7 }";
        for (model, pools, more) in [
            ("llama-3.3-70b", mixed, ""),
            ("deepseek-v3", ranks, drafts),
            ("qwen3-32b", apart, ""),
        ] {
            let first = scenario(model, pools, &format!("{roofline}\n{more}"));
            for engine in [LaunchEngine::Vllm, LaunchEngine::Sglang] {
                let second = again(engine, &first);
                assert_eq!(second.model, first.model);
                assert_eq!(second.mtp.drafts, first.mtp.drafts);
                assert_eq!(second.pools.len(), first.pools.len());
                for (one, other) in first.pools.iter().zip(&second.pools) {
                    let of = |pool: &Pool| {
                        let budget = (pool.role != Role::Decode).then_some(pool.max_batch_tokens);
                        let batching =
                            (pool.role == Role::Mixed).then_some((pool.batching, pool.look_ahead));
                        (pool.parallelism, budget, pool.max_batch_requests, batching)
                    };
                    assert_eq!(of(one), of(other), "{model} {engine:?}");
                }
            }
        }
    }
}
