//! The points that are compared: models, accelerators, engines, degrees of parallelism, kinds of numbers.

use tokentide::internals::perf::roofline::unit_shape::RooflineUnit;
use tokentide::internals::perf::with_capacities;
use tokentide::internals::scenario::{Performance, Pool, Role, Scenario, load_str};

use crate::links::Busiest;
use crate::paper::{Degrees, Paper};
use crate::sheet::{Constants, card, config};

/// A copy of a model on accelerators.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    pub model: &'static str,
    /// Accelerator, and how many a node has.
    pub gpu: (&'static str, u32),
    pub engine: &'static str,
    /// Tensor, pipeline, ranks, experts, redundant experts.
    pub degrees: [u32; 5],
    /// Kinds of numbers that are stated, other than the published ones: dense, experts, KV.
    pub numbers: [&'static str; 3],
    pub drafts: u32,
    pub overlap: &'static str,
    pub role: Role,
    pub look_ahead: bool,
    /// Whether tokens are drawn by top-p.
    pub sorts: bool,
}

pub const PROMPT: u32 = 1024;

pub const PLAIN: Case = Case {
    model: "",
    gpu: ("h200", 8),
    engine: "vllm",
    degrees: [1, 1, 1, 1, 0],
    numbers: ["", "", ""],
    drafts: 0,
    overlap: "auto",
    role: Role::Mixed,
    look_ahead: false,
    sorts: false,
};

pub const fn mixed(
    model: &'static str,
    gpu: (&'static str, u32),
    engine: &'static str,
    degrees: [u32; 5],
) -> Case {
    Case {
        model,
        gpu,
        engine,
        degrees,
        ..PLAIN
    }
}

const fn with_numbers(case: Case, numbers: [&'static str; 3]) -> Case {
    Case { numbers, ..case }
}

const fn with_drafts(case: Case, drafts: u32) -> Case {
    Case { drafts, ..case }
}

const fn large(role: Role, drafts: u32, overlap: &'static str) -> Case {
    Case {
        model: "deepseek-v3",
        gpu: ("h800", 8),
        engine: "deepseek-2025-02",
        degrees: match role {
            Role::Prefill => [1, 1, 32, 32, 32],
            _ => [1, 1, 144, 144, 32],
        },
        drafts,
        overlap,
        role,
        ..PLAIN
    }
}

pub const CASES: &[Case] = &[
    mixed("llama-3.1-8b", ("h100", 8), "vllm", [1, 1, 1, 1, 0]),
    with_numbers(
        mixed("llama-3.1-8b", ("h100", 8), "trtllm", [2, 1, 1, 1, 0]),
        ["fp8", "", "fp8"],
    ),
    Case {
        look_ahead: true,
        sorts: true,
        ..mixed("llama-3.1-8b", ("mi300x", 8), "vllm", [1, 2, 1, 1, 0])
    },
    mixed("llama-3.3-70b", ("h200", 8), "vllm", [4, 1, 1, 1, 0]),
    with_numbers(
        mixed("llama-3.3-70b", ("h100", 8), "sglang", [8, 1, 1, 1, 0]),
        ["fp8-block", "", "fp8"],
    ),
    mixed("llama-3.3-70b", ("h100", 8), "vllm", [16, 1, 1, 1, 0]),
    mixed("llama-3.3-70b", ("h100", 8), "trtllm", [4, 4, 1, 1, 0]),
    Case {
        role: Role::Prefill,
        ..mixed("llama-3.3-70b", ("h200", 8), "sglang", [2, 2, 1, 1, 0])
    },
    Case {
        role: Role::Decode,
        ..mixed("llama-3.3-70b", ("h200", 8), "sglang", [2, 2, 1, 1, 0])
    },
    with_numbers(
        mixed(
            "llama-3.3-70b",
            ("rtx-pro-6000", 8),
            "vllm",
            [4, 1, 1, 1, 0],
        ),
        ["fp8", "", ""],
    ),
    mixed("llama-2-70b", ("h200", 8), "trtllm", [2, 2, 1, 1, 0]),
    mixed("qwen3-32b", ("a100", 8), "vllm", [4, 1, 1, 1, 0]),
    with_numbers(
        mixed("qwen3-32b", ("h200", 8), "sglang", [2, 1, 1, 1, 0]),
        ["fp8", "", "fp8"],
    ),
    mixed("qwen3-235b-a22b", ("h200", 8), "vllm", [8, 1, 1, 1, 0]),
    with_numbers(
        mixed("qwen3-235b-a22b", ("h200", 8), "sglang", [8, 1, 1, 8, 0]),
        ["fp8-block", "", ""],
    ),
    with_numbers(
        mixed("qwen3-235b-a22b", ("h200", 8), "vllm", [4, 1, 2, 1, 0]),
        ["fp8", "", ""],
    ),
    with_numbers(
        mixed(
            "qwen3-235b-a22b",
            ("h100", 8),
            "sglang-deepep",
            [2, 1, 8, 16, 0],
        ),
        ["fp8", "", ""],
    ),
    mixed("gpt-oss-120b", ("h100", 8), "vllm", [1, 1, 1, 1, 0]),
    with_numbers(
        mixed("gpt-oss-120b", ("h200", 8), "trtllm", [8, 1, 1, 1, 0]),
        ["", "", "fp8"],
    ),
    with_numbers(
        mixed("gpt-oss-120b", ("b200", 8), "vllm", [2, 2, 1, 1, 0]),
        ["fp8", "nvfp4", ""],
    ),
    mixed("gpt-oss-120b", ("h200", 8), "vllm", [2, 1, 4, 1, 0]),
    // a draft module has no window
    with_drafts(
        mixed("gpt-oss-120b", ("h200", 8), "vllm", [2, 1, 1, 1, 0]),
        2,
    ),
    mixed("mixtral-8x7b", ("h200", 8), "vllm", [2, 1, 1, 1, 0]),
    with_numbers(
        mixed("mixtral-8x7b", ("h100", 8), "trtllm", [4, 2, 1, 1, 0]),
        ["fp8", "", "fp8"],
    ),
    with_drafts(
        mixed("deepseek-r1", ("h200", 8), "sglang", [8, 1, 1, 1, 0]),
        1,
    ),
    mixed("deepseek-r1", ("h100", 8), "vllm", [16, 1, 1, 1, 0]),
    mixed("deepseek-r1", ("h200", 8), "sglang", [1, 1, 16, 16, 16]),
    with_numbers(
        mixed("deepseek-r1", ("b200", 8), "trtllm", [8, 1, 1, 8, 0]),
        ["", "nvfp4", "fp8"],
    ),
    with_drafts(
        mixed(
            "deepseek-v3",
            ("gb200", 4),
            "sglang-deepep",
            [1, 1, 72, 72, 32],
        ),
        3,
    ),
    mixed("kimi-k2", ("h200", 8), "vllm", [16, 1, 1, 1, 0]),
    Case {
        role: Role::Decode,
        ..mixed("kimi-k2", ("h200", 8), "sglang-deepep", [1, 1, 32, 32, 0])
    },
    Case {
        role: Role::Prefill,
        ..mixed("kimi-k2", ("h200", 8), "sglang-deepep", [1, 1, 32, 32, 0])
    },
    Case {
        role: Role::Prefill,
        ..mixed("llama-3.1-8b", ("h100", 8), "vllm", [1, 1, 1, 1, 0])
    },
    Case {
        role: Role::Decode,
        ..mixed("llama-3.1-8b", ("h200", 8), "sglang", [8, 1, 1, 1, 0])
    },
    large(Role::Prefill, 0, "auto"),
    large(Role::Prefill, 0, "off"),
    large(Role::Prefill, 0, "on"),
    large(Role::Decode, 0, "auto"),
    large(Role::Decode, 0, "off"),
    large(Role::Decode, 1, "on"),
    large(Role::Decode, 3, "off"),
];

impl Case {
    /// In one line.
    pub fn name(&self) -> String {
        let [t, p, r, e, x] = self.degrees;
        let mut said = format!("{} {} {} TP{t}", self.model, self.gpu.0, self.engine);
        for (word, degree, none) in [
            ("PP", p, 1),
            ("DP", r, 1),
            ("EP", e, 1),
            ("+", x, 0),
            ("MTP", self.drafts, 0),
        ] {
            if degree != none {
                said += &format!(" {word}{degree}");
            }
        }
        for number in self.numbers.iter().filter(|n| !n.is_empty()) {
            said += &format!(" {number}");
        }
        if self.overlap != "auto" {
            said += &format!(" overlap {}", self.overlap);
        }
        said
    }

    pub fn text(&self) -> String {
        let [tensor, pipeline, ranks, experts, redundant] = self.degrees;
        let gpus = tensor * pipeline * ranks;
        let keys = ["gemm", "experts", "kv"];
        let numbers: Vec<String> = keys
            .iter()
            .zip(self.numbers)
            .filter(|(_, n)| !n.is_empty())
            .map(|(key, n)| format!("{key} = '{n}'"))
            .collect();
        let shape = format!(
            "gpus_per_unit = {gpus}\nunits = 1\nparallelism = {{ tensor = {tensor}, pipeline = {pipeline}, \
             attention_data = {ranks}, experts = {experts}, redundant_experts = {redundant} }}\n"
        );
        let pools = match self.role {
            Role::Mixed => format!(
                "[pools.mixed]\nmax_batch_tokens = 4096\nmax_batch_requests = 256\nlook_ahead = {}\n{shape}",
                self.look_ahead
            ),
            _ => format!(
                "[pools.prefill]\nmax_batch_tokens = 16384\n{shape}\
                 [pools.decode]\nmax_batch_requests = 128\n{shape}"
            ),
        };
        format!(
            "name = 'point'\nstart = 2026-01-05T12:00:00Z\nduration = '1min'\nmodel = '{}'\n\
             node = {{ gpu = '{}', gpus = {}, price_per_gpu_hour = 2.0 }}\n\
             mtp = {{ drafts = {}, acceptance = 0.8 }}\nkv_cache = {{ kind = 'fixed', hit_rate = 0.0 }}\n{pools}\
             [performance]\nkind = 'roofline'\nengine = '{}'\noverlap = '{}'\nprecision = {{ {} }}\nsampling = '{}'\n\
             [[class]]\nname = 'chat'\narrivals = {{ kind = 'poisson', requests_per_s = 1.0 }}\n\
             input = {{ kind = 'constant', value = {PROMPT} }}\noutput = {{ kind = 'constant', value = 100 }}\n",
            self.model,
            self.gpu.0,
            self.gpu.1,
            self.drafts,
            self.engine,
            self.overlap,
            numbers.join(", "),
            if self.sorts { "top-p" } else { "plain" },
        )
    }

    pub fn scenario(&self) -> Scenario {
        read(&self.text())
    }

    /// The same on paper.
    pub fn paper(&self) -> Paper {
        let config = config(self.model);
        let [tensor, pipeline, ranks, experts, redundant] = self.degrees.map(f64::from);
        let stated = |i: usize| Some(self.numbers[i]).filter(|n| !n.is_empty());
        let [dense, expert] = config.published;
        // what dense weights are made holds for experts, unless those are published in less
        let of_experts = match stated(0) {
            Some(number) if crate::sheet::bytes(expert) >= crate::sheet::bytes(number) => number,
            _ => expert,
        };
        Paper {
            config,
            card: card(self.gpu.0),
            constants: Constants::of(self.engine, self.gpu.0),
            degrees: Degrees {
                node: f64::from(self.gpu.1),
                tensor,
                pipeline,
                ranks,
                experts,
                redundant,
            },
            numbers: [
                stated(0).unwrap_or(dense),
                stated(1).unwrap_or(of_experts),
                stated(2).unwrap_or("bf16"),
            ],
            drafts: f64::from(self.drafts),
            prompt_drafts: if self.role == Role::Mixed {
                f64::from(self.drafts.min(1))
            } else {
                0.0
            },
            sms: 1.0,
            beside: match self.role {
                Role::Mixed => self.look_ahead,
                _ => ["vllm", "sglang", "trtllm"].contains(&self.engine),
            },
            sorts: self.sorts,
            prompt: f64::from(PROMPT),
        }
    }

    /// Whether one batch may run alone, and whether two micro-batches may overlap.
    pub fn may(&self) -> [bool; 2] {
        let sends = self.paper().sends();
        [
            !sends || self.overlap != "on",
            sends && self.overlap != "off",
        ]
    }
}

/// A scenario, whether or not the model fits.
pub fn well_formed(text: &str) -> Scenario {
    load_str("point", text, &[]).unwrap_or_else(|m| panic!("{}\n{text}", m.render(false)))
}

/// One with the capacities that memory leaves.
pub fn read(text: &str) -> Scenario {
    with_capacities(&well_formed(text)).unwrap_or_else(|why| panic!("{why}\n{text}"))
}

pub fn pool(scenario: &Scenario, role: Role) -> &Pool {
    let found = scenario.pools.iter().find(|p| p.role == role);
    found.expect("a pool of this role")
}

/// The unit under test.
pub fn unit<'a>(scenario: &'a Scenario, pool: &Pool) -> RooflineUnit<'a> {
    let Performance::Roofline(roofline) = &scenario.performance else {
        panic!("step times follow from first principles");
    };
    RooflineUnit::of(scenario, pool, roofline).expect("all is known")
}

/// The tables of expert imbalance, an input.
pub fn busiest(unit: &RooflineUnit<'_>, prompts: bool, tokens: f64) -> Busiest {
    let found = if prompts {
        unit.spread.prefill_imbalance(tokens)
    } else {
        unit.spread.decode_imbalance(tokens)
    };
    Busiest {
        rank: found.rank,
        node: found.node,
    }
}
