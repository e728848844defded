//! Links on paper: all-reduces, pipelines, and tokens on their way to experts.

use crate::paper::Paper;

const US: f64 = 1e-6;

/// Which accelerator or node is the busiest, over the mean: an input, from the tables of expert imbalance.
#[derive(Clone, Copy, Debug)]
pub struct Busiest {
    pub rank: f64,
    pub node: f64,
}

impl Paper {
    /// Accelerators that reach each other without the network.
    fn near(&self) -> f64 {
        if self.card.spans_nodes {
            self.degrees.node.max(self.card.domain)
        } else {
            self.degrees.node
        }
    }

    /// Accelerators of a scale-up domain.
    fn domain(&self) -> f64 {
        if self.card.spans_nodes {
            self.card.domain
        } else {
            self.card.domain.min(self.degrees.node)
        }
    }

    /// Nodes under a stage.
    pub fn nodes(&self) -> f64 {
        libm::ceil(self.stage() / self.near())
    }

    /// An all-reduce: of n accelerators each sends and receives 2 (n - 1) / n of the bytes. Inside a domain
    /// by the engine's kernels or by rings; then each one's part among the domains of a node over the hosts'
    /// links, then among nodes over the network.
    pub fn all_reduce(&self, gpus: f64, bytes: f64) -> f64 {
        let passes = |n: f64| 2.0 * (n - 1.0) / n;
        let here = gpus.min(self.near());
        let close = here.min(self.domain());
        let mut time = 0.0;
        if close > 1.0 {
            let wire =
                passes(close) * bytes / (self.card.link_of(close) * self.c("scale_up_factor"));
            let own = self.start("all_reduce_latency_us")
                + close * self.start("all_reduce_latency_per_gpu_us")
                + wire / self.c("all_reduce_efficiency");
            let ring =
                US * close * self.c("ring_latency_per_gpu_us") + wire / self.c("ring_efficiency");
            time += own.min(ring);
        }
        let ring = |n: f64, part: f64, link: f64, each: &str| {
            if n > 1.0 {
                US * n * self.c(each) + passes(n) * part / link
            } else {
                0.0
            }
        };
        let members = libm::ceil(here / close);
        let part = if members > 2.0 {
            // four halve what they share as often as the exponent says when they become eight
            let doublings = libm::log2(members / 4.0);
            let halved = libm::exp2(-doublings * self.c("host_bridge_sharing"));
            self.c("host_bridge_efficiency") * halved
        } else {
            self.c("host_ring_efficiency")
        };
        let host = self.card.host * part;
        let each = "host_ring_latency_per_gpu_us";
        time += ring(libm::ceil(here / close), bytes / close, host, each);
        let each = "ring_latency_per_gpu_us";
        time + ring(libm::ceil(gpus / here), bytes / here, self.card.nic, each)
    }

    /// The stream of `tokens` from each stage to the next, a stage's part of the batch at a time.
    pub fn between_stages(&self, tokens: f64) -> f64 {
        let (stages, stage) = (self.degrees.pipeline as u64, self.stage() as u64);
        let bytes = tokens / self.degrees.pipeline * self.config.hidden * 2.0 / self.degrees.tensor;
        let hop = |boundary: u64| {
            let gpu = (boundary * stage) as f64;
            let starts = |group: f64| gpu % group == 0.0;
            if starts(self.near()) {
                bytes / self.card.nic
            } else if starts(self.domain()) {
                bytes / self.card.host
            } else {
                bytes / self.card.link_of(2.0)
            }
        };
        (1..stages).map(hop).sum()
    }

    /// Bytes of a token on its way to an expert (FP8, a scale of 4 bytes for 128 numbers) and back (BF16).
    fn message(&self) -> [f64; 2] {
        let h = self.config.hidden;
        [h + h / 128.0 * 4.0, 2.0 * h]
    }

    fn inside(&self) -> f64 {
        if self.stage().min(self.near()) > self.domain() {
            self.card.host
        } else {
            self.card.link_of(self.stage()) * self.c("dispatch_scale_up")
        }
    }

    /// Dispatch and combine in decode, `tokens` from each accelerator: a message for each (token, expert),
    /// through the network interface of one accelerator where there are several nodes.
    pub fn exchange_decode(&self, tokens: f64, busiest: Busiest) -> [f64; 2] {
        let messages = tokens * self.config.top_k * busiest.rank;
        let link = if self.nodes() > 1.0 {
            self.card.nic
        } else {
            self.inside()
        };
        let doublings = libm::log2(self.stage() / 8.0).max(0.0);
        let [out, back] = self.message();
        let way = |name: &str, bytes: f64| {
            let start =
                self.c(&format!("{name}_us")) + doublings * self.c(&format!("{name}_doubling_us"));
            US * start + messages * bytes / (link * self.c(name))
        };
        [
            way("low_latency_dispatch", out),
            way("low_latency_combine", back),
        ]
    }

    /// Dispatch and combine of prompts: a token once to each node with one of its experts, there once to each
    /// accelerator with one.
    pub fn exchange_prompts(&self, tokens: f64, busiest: Busiest) -> [f64; 2] {
        let c = &self.config;
        // the chance that none of `drawn` out of `all` lies among `some`
        let none = |all: f64, some: f64, drawn: f64| -> f64 {
            (0..drawn as u64)
                .map(|i| ((all - some - i as f64) / (all - i as f64)).max(0.0))
                .product()
        };
        let nodes = self.nodes();
        let groups_a_node = c.groups / nodes;
        let to_nodes = if nodes == 1.0 {
            1.0
        } else if c.groups > 1.0 && groups_a_node % 1.0 == 0.0 {
            nodes * (1.0 - none(c.groups, groups_a_node, c.top_groups))
        } else {
            nodes * (1.0 - none(c.routed, c.routed / nodes, c.top_k))
        };
        let open = c.top_groups / c.groups;
        let (gpus, experts) = (self.stage() * open, c.routed * open);
        let to_gpus = gpus * (1.0 - none(experts, experts / gpus, c.top_k));
        let abroad = to_nodes * (nodes - 1.0) / nodes;
        let network = abroad * tokens * busiest.node / self.card.nic;
        let inside = to_gpus * tokens * busiest.rank / self.inside();
        let a_byte = network.max(inside) + self.c("dispatch_loss") * network.min(inside);
        self.message()
            .map(|bytes| US * self.c("dispatch_latency_us") + bytes * a_byte)
    }
}
