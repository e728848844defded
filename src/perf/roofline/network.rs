//! What a layer sends: all-reduce in a tensor-parallel group, dispatch and combine of experts.
//!
//! All-reduce is the quicker of the engine's own kernels and of rings, and rings between scale-up domains and
//! between nodes. Dispatch and combine of prompts
//! send a token once to each node it visits, and there once to each rank; the busiest node and the busiest
//! rank set the time, and what is shorter hides only in part. In decode, low-latency kernels send one
//! message for each (token, expert); the busiest rank sets the time. Ignored: congestion between units,
//! and any difference between InfiniBand and RoCE.

use super::experts::Imbalance;
use super::kernel::{Machine, US};
use crate::catalog::{Constant as C, Experts};

/// Times of dispatch to experts and combine, in seconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Exchange {
    pub dispatch: f64,
    pub combine: f64,
}

/// A ring of all-reduce between domains or nodes.
#[derive(Clone, Copy, Debug)]
struct Ring {
    /// Rate of one link, in bytes per second.
    link: f64,
    /// Time for each member.
    each: C,
}

/// The accelerators of a unit that share experts.
#[derive(Clone, Copy, Debug)]
pub struct ExpertGroup {
    pub gpus: f64,
    /// Nodes that the group lies on; a scale-up domain that spans nodes counts as one.
    pub nodes: f64,
}

impl Machine<'_> {
    /// An all-reduce of `bytes` over `gpus` neighbours: inside scale-up domains; then of each accelerator's
    /// part between the domains of a node, over its link to the host; then between nodes, over its network
    /// interface. Both of the latter are rings; between nodes they take the interface's whole rate, and as long to
    /// start as a ring in a domain.
    pub fn all_reduce(&self, gpus: f64, bytes: f64) -> f64 {
        if gpus <= 1.0 || bytes <= 0.0 {
            return 0.0;
        }
        let links = &self.links;
        let in_node = gpus.min(f64::from(links.node));
        let in_domain = in_node.min(f64::from(links.domain));
        let domains = libm::ceil(in_node / in_domain);
        let nodes = libm::ceil(gpus / in_node);
        let host = Ring {
            link: links.host * self.of_host_ring(domains),
            each: C::HostRingLatencyGpu,
        };
        let nic = Ring {
            link: links.nic,
            each: C::RingLatencyGpu,
        };
        self.reduce_inside(in_domain, bytes)
            + self.reduce_between(domains, bytes / in_domain, host)
            + self.reduce_between(nodes, bytes / in_node, nic)
    }

    /// The part of its link to the host that each of so many members of a ring has. Two reach each other through one
    /// switch; the ring of more passes the host's bridge, or two hosts' processors, which they share.
    fn of_host_ring(&self, members: f64) -> f64 {
        if members <= 2.0 {
            return self.get(C::HostRingEfficiency);
        }
        let shared = libm::pow(members / 4.0, self.get(C::HostBridgeSharing));
        self.get(C::HostBridgeEfficiency) / shared
    }

    fn reduce_between(&self, members: f64, bytes: f64, ring: Ring) -> f64 {
        if members <= 1.0 {
            return 0.0;
        }
        US * members * self.get(ring.each) + 2.0 * (members - 1.0) / members * bytes / ring.link
    }

    /// Time in seconds of an all-reduce in a domain: the quicker of the engine's own kernels and of rings.
    fn reduce_inside(&self, gpus: f64, bytes: f64) -> f64 {
        if gpus <= 1.0 {
            return 0.0;
        }
        let moved = 2.0 * (gpus - 1.0) / gpus * bytes
            / self.gpu.scale_up_among(gpus)
            / self.get(C::ScaleUpFactor);
        let own = self.start(C::AllReduceLatency) + gpus * self.start(C::AllReduceLatencyGpu);
        let own = own + moved / self.get(C::AllReduceEfficiency);
        let ring = US * gpus * self.get(C::RingLatencyGpu) + moved / self.get(C::RingEfficiency);
        own.min(ring)
    }

    /// Seconds for each byte that goes through all `stages` of a pipeline, of `gpus` neighbours each, from
    /// each accelerator to its like in the next: over the scale-up link, the host's or the network interface,
    /// at their whole rates.
    pub fn through_stages(&self, stages: u32, gpus: u32) -> f64 {
        let links = &self.links;
        let boundary = |stage: u32| {
            let first = stage * gpus;
            if first.is_multiple_of(links.node) {
                links.nic
            } else if first.is_multiple_of(links.domain) {
                links.host
            } else {
                self.gpu.scale_up_among(2.0)
            }
        };
        (1..stages).map(|stage| 1.0 / boundary(stage)).sum()
    }

    /// The rate, in bytes per second, at which experts' tokens move between the group's accelerators in a node.
    fn inside_node(&self, group: ExpertGroup) -> f64 {
        if group.gpus.min(f64::from(self.links.node)) > f64::from(self.links.domain) {
            self.links.host
        } else {
            self.gpu.scale_up_among(group.gpus) * self.get(C::DispatchScaleUp)
        }
    }

    /// Times of dispatch and combine for prompts: `tokens` on each rank.
    pub fn exchange_prompts(
        &self,
        experts: &Experts,
        group: ExpertGroup,
        hidden: f64,
        tokens: f64,
        imbalance: Imbalance,
    ) -> Exchange {
        let nodes = nodes_visited(experts, group.nodes);
        let far = (group.nodes - 1.0) / group.nodes;
        let network = nodes * far * tokens * imbalance.node / self.links.nic;
        let inside =
            ranks_visited(experts, group.gpus) * tokens * imbalance.rank / self.inside_node(group);
        let per_byte = network.max(inside) + self.get(C::DispatchLoss) * network.min(inside);
        let start = US * self.get(C::DispatchLatency);
        let (out, back) = message_bytes(hidden);
        Exchange {
            dispatch: start + out * per_byte,
            combine: start + back * per_byte,
        }
    }

    /// Times of dispatch and combine in decode: `tokens` on each rank.
    pub fn exchange_decode(
        &self,
        experts: &Experts,
        group: ExpertGroup,
        hidden: f64,
        tokens: f64,
        imbalance: Imbalance,
    ) -> Exchange {
        let messages = tokens * f64::from(experts.top_k) * imbalance.rank;
        let doublings = libm::log2(group.gpus / 8.0).max(0.0);
        let (out, back) = message_bytes(hidden);
        // inside one node, or one scale-up domain, messages need no network; where there are more, these
        // kernels send all of them through it
        let link = if group.nodes <= 1.0 {
            self.inside_node(group)
        } else {
            self.links.nic
        };
        let time = |start, doubling, part, bytes| {
            US * (self.get(start) + doublings * self.get(doubling))
                + messages * bytes / (link * self.get(part))
        };
        Exchange {
            dispatch: time(
                C::LowLatencyDispatchStart,
                C::LowLatencyDispatchDoubling,
                C::LowLatencyDispatch,
                out,
            ),
            combine: time(
                C::LowLatencyCombineStart,
                C::LowLatencyCombineDoubling,
                C::LowLatencyCombine,
                back,
            ),
        }
    }
}

/// Bytes of a token sent to an expert (FP8 with a scale of 4 bytes for 128) and back (BF16).
fn message_bytes(hidden: f64) -> (f64, f64) {
    (hidden * (1.0 + 4.0 / 128.0), hidden * 2.0)
}

/// Nodes that a token visits, its own among them if an expert is there. Where a token may choose in a few
/// groups only, groups are kept on a node and all chosen ones are visited.
fn nodes_visited(experts: &Experts, nodes: f64) -> f64 {
    if nodes <= 1.0 {
        return 1.0;
    }
    let groups = f64::from(experts.groups);
    let here = groups / nodes;
    if experts.groups > 1 && here == libm::floor(here) {
        return nodes * (1.0 - missing(groups, here, f64::from(experts.top_groups)));
    }
    let routed = f64::from(experts.routed);
    nodes * (1.0 - missing(routed, routed / nodes, f64::from(experts.top_k)))
}

/// Different ranks among a token's experts, which lie anywhere in its groups.
fn ranks_visited(experts: &Experts, ranks: f64) -> f64 {
    let part = f64::from(experts.top_groups) / f64::from(experts.groups);
    let routed = f64::from(experts.routed);
    let (ranks, among) = (ranks * part, routed * part);
    ranks * (1.0 - missing(among, among / ranks, f64::from(experts.top_k)))
}

/// Probability that none of `chosen` out of `all`, drawn without replacement, is among `these`.
fn missing(all: f64, these: f64, chosen: f64) -> f64 {
    let mut probability = 1.0;
    let mut drawn = 0.0;
    while drawn < chosen {
        probability *= ((all - these - drawn) / (all - drawn)).max(0.0);
        drawn += 1.0;
    }
    probability
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Experts of DeepSeek-V3: 256 in 8 groups, a token in 8 experts of 4 groups.
    const V3: Experts = Experts {
        routed: 256,
        top_k: 8,
        shared: 1,
        ffn: 2048,
        groups: 8,
        top_groups: 4,
    };

    #[test]
    fn a_token_visits_the_nodes_of_its_groups() {
        // 4 (1 - C(6, 4) / C(8, 4)) = 4 (1 - 15 / 70)
        assert!((nodes_visited(&V3, 4.0) - 3.142_857).abs() < 1e-6);
        assert_eq!(nodes_visited(&V3, 1.0), 1.0);
        let ranks = ranks_visited(&V3, 32.0);
        assert!((ranks - 6.60).abs() < 0.01, "{ranks}");
    }
}
