//! What a reader has on the desk: `config.json` of each model of the catalog, data sheets, bytes of numbers.
//!
//! Copied from the sources a second time, so that a slip in the catalog does not slip in here. Constants of
//! engines are opinions, not physics: they come from the catalog, by name.

use tokentide::internals::catalog::{Constant, ServingEngine, engines};

/// Numbers of a model's `config.json`; 0 where it has none.
#[derive(Clone, Copy, Debug, Default)]
pub struct Config {
    pub name: &'static str,
    pub layers: f64,
    pub dense_layers: f64,
    pub hidden: f64,
    pub intermediate: f64,
    pub vocabulary: f64,
    pub heads: f64,
    pub kv_heads: f64,
    pub head: f64,
    pub qk_norm: f64,
    pub window_layers: f64,
    pub window: f64,
    pub q_rank: f64,
    pub kv_rank: f64,
    pub nope: f64,
    pub rope: f64,
    pub value: f64,
    pub routed: f64,
    pub top_k: f64,
    pub shared: f64,
    pub expert_width: f64,
    pub groups: f64,
    pub top_groups: f64,
    /// What it is published in: dense weights, experts.
    pub published: [&'static str; 2],
}

const V3: Config = Config {
    name: "deepseek-v3",
    layers: 61.0,
    dense_layers: 3.0,
    hidden: 7168.0,
    intermediate: 18_432.0,
    vocabulary: 129_280.0,
    heads: 128.0,
    kv_heads: 0.0,
    head: 0.0,
    qk_norm: 0.0,
    window_layers: 0.0,
    window: 0.0,
    q_rank: 1536.0,
    kv_rank: 512.0,
    nope: 128.0,
    rope: 64.0,
    value: 128.0,
    routed: 256.0,
    top_k: 8.0,
    shared: 1.0,
    expert_width: 2048.0,
    groups: 8.0,
    top_groups: 4.0,
    published: ["fp8", "fp8"],
};

/// One with grouped attention and no experts.
const fn grouped(
    name: &'static str,
    [layers, hidden, intermediate, vocabulary]: [f64; 4],
    [heads, kv_heads, head]: [f64; 3],
) -> Config {
    Config {
        name,
        layers,
        dense_layers: layers,
        hidden,
        intermediate,
        vocabulary,
        heads,
        kv_heads,
        head,
        q_rank: 0.0,
        kv_rank: 0.0,
        nope: 0.0,
        rope: 0.0,
        value: 0.0,
        routed: 0.0,
        top_k: 0.0,
        shared: 0.0,
        expert_width: 0.0,
        groups: 1.0,
        top_groups: 1.0,
        published: ["bf16", "bf16"],
        ..V3
    }
}

/// The same with experts in every layer.
const fn with_experts(dense: Config, [routed, top_k, expert_width]: [f64; 3]) -> Config {
    Config {
        dense_layers: 0.0,
        routed,
        top_k,
        expert_width,
        ..dense
    }
}

pub const CONFIGS: [Config; 10] = [
    V3,
    Config {
        name: "deepseek-r1",
        ..V3
    },
    Config {
        name: "kimi-k2",
        dense_layers: 1.0,
        vocabulary: 163_840.0,
        heads: 64.0,
        routed: 384.0,
        groups: 1.0,
        top_groups: 1.0,
        ..V3
    },
    Config {
        qk_norm: 1.0,
        ..with_experts(
            grouped(
                "qwen3-235b-a22b",
                [94.0, 4096.0, 0.0, 151_936.0],
                [64.0, 4.0, 128.0],
            ),
            [128.0, 8.0, 1536.0],
        )
    },
    Config {
        window_layers: 18.0,
        window: 128.0,
        published: ["bf16", "fp4"],
        ..with_experts(
            grouped(
                "gpt-oss-120b",
                [36.0, 2880.0, 0.0, 201_088.0],
                [64.0, 8.0, 64.0],
            ),
            [128.0, 4.0, 2880.0],
        )
    },
    grouped(
        "llama-3.3-70b",
        [80.0, 8192.0, 28_672.0, 128_256.0],
        [64.0, 8.0, 128.0],
    ),
    grouped(
        "llama-2-70b",
        [80.0, 8192.0, 28_672.0, 32_000.0],
        [64.0, 8.0, 128.0],
    ),
    grouped(
        "llama-3.1-8b",
        [32.0, 4096.0, 14_336.0, 128_256.0],
        [32.0, 8.0, 128.0],
    ),
    Config {
        qk_norm: 1.0,
        ..grouped(
            "qwen3-32b",
            [64.0, 5120.0, 25_600.0, 151_936.0],
            [64.0, 8.0, 128.0],
        )
    },
    with_experts(
        grouped(
            "mixtral-8x7b",
            [32.0, 4096.0, 0.0, 32_000.0],
            [32.0, 8.0, 128.0],
        ),
        [8.0, 2.0, 14_336.0],
    ),
];

pub fn config(name: &str) -> Config {
    let found = CONFIGS.into_iter().find(|c| c.name == name);
    found.unwrap_or_else(|| panic!("no config.json of {name}"))
}

/// Rates of a data sheet, in bytes and operations per second; bytes that programs see.
#[derive(Clone, Copy, Debug)]
pub struct Card {
    pub memory: f64,
    pub bandwidth: f64,
    pub bf16: f64,
    pub fp8: f64,
    pub fp4: f64,
    pub link: f64,
    /// Accelerators that the link reaches.
    pub domain: f64,
    pub spans_nodes: bool,
    /// Whether a wire leads to each other accelerator of the domain.
    pub mesh: bool,
    pub nic: f64,
    pub host: f64,
}

pub fn card(name: &str) -> Card {
    let of = |[memory, bandwidth, bf16, fp8, fp4]: [f64; 5],
              [link, domain, nic, host]: [f64; 4]| Card {
        memory: 1e9 * memory,
        bandwidth: 1e12 * bandwidth,
        bf16: 1e12 * bf16,
        fp8: 1e12 * fp8,
        fp4: 1e12 * fp4,
        link: 1e9 * link,
        domain,
        spans_nodes: name.starts_with("gb"),
        mesh: name.starts_with("mi"),
        nic: 1e9 * nic,
        host: 1e9 * host,
    };
    match name {
        "h800" => of([84.94, 3.35, 989.0, 1979.0, 0.0], [200.0, 8.0, 50.0, 63.0]),
        "h100" => of([84.94, 3.35, 989.0, 1979.0, 0.0], [450.0, 8.0, 50.0, 63.0]),
        "h200" => of([150.11, 4.8, 989.0, 1979.0, 0.0], [450.0, 8.0, 50.0, 63.0]),
        "b200" => of(
            [191.50, 8.0, 2250.0, 4500.0, 9000.0],
            [900.0, 8.0, 50.0, 63.0],
        ),
        "gb200" => of(
            [197.90, 8.0, 2500.0, 5000.0, 10_000.0],
            [900.0, 72.0, 50.0, 63.0],
        ),
        "mi300x" => of([206.14, 5.3, 1307.0, 2615.0, 0.0], [448.0, 8.0, 50.0, 63.0]),
        "a100" => of([85.09, 2.039, 312.0, 0.0, 0.0], [300.0, 8.0, 25.0, 31.5]),
        "rtx-pro-6000" => of(
            [101.97, 1.597, 468.0, 936.0, 1871.0],
            [63.0, 1.0, 25.0, 63.0],
        ),
        _ => panic!("no data sheet of {name}"),
    }
}

impl Card {
    /// What each of `gpus` neighbours may send to the others: AMD's have a wire to each of seven, others a switch.
    pub fn link_of(&self, gpus: f64) -> f64 {
        if self.mesh {
            self.link / 7.0 * (gpus - 1.0).clamp(1.0, 7.0)
        } else {
            self.link
        }
    }

    /// Operations per second of a kind of number; BF16 where there is no unit for it.
    pub fn peak(&self, number: &str) -> f64 {
        let own = match number {
            "bf16" => self.bf16,
            "fp8" | "fp8-block" => self.fp8,
            _ => self.fp4,
        };
        if own == 0.0 { self.bf16 } else { own }
    }
}

/// Bytes of one number: 4-bit ones have a scale of 8 bits for each 32 (MXFP4) or 16 (NVFP4) of them.
pub fn bytes(number: &str) -> f64 {
    match number {
        "bf16" => 2.0,
        "fp8" | "fp8-block" => 1.0,
        "fp4" => 0.5 + 1.0 / 32.0,
        "nvfp4" => 0.5 + 1.0 / 16.0,
        _ => panic!("no number {number}"),
    }
}

/// Constants of an engine on an accelerator, by name.
#[derive(Clone, Copy, Debug)]
pub struct Constants(&'static ServingEngine);

impl Constants {
    pub fn of(name: &str, gpu: &str) -> Self {
        let named = || engines().iter().filter(|e| e.name == name);
        let found = named().find(|e| e.gpu == gpu).or_else(|| named().next());
        Self(found.expect("the catalog has the engine"))
    }

    pub fn get(&self, key: &str) -> f64 {
        let constant = Constant::named(key).unwrap_or_else(|| panic!("no constant {key}"));
        self.0.get(constant)
    }
}
