//! The links of an accelerator: to its node, to its host, to other nodes.

use crate::catalog::{Compute, Gpu};

/// How an accelerator reaches others; rates one way, in bytes per second.
#[derive(Clone, Copy, Debug)]
pub struct Links {
    /// Rate of the accelerator's network interface, to other nodes.
    pub nic: f64,
    /// Rate of its link to its host: to accelerators of its node outside its scale-up domain.
    pub host: f64,
    /// Accelerators of a scale-up domain.
    pub domain: u32,
    /// Accelerators that reach each other without the network: those of a node, or of a domain that spans
    /// nodes.
    pub node: u32,
}

impl Links {
    /// The links of an accelerator in nodes of `node_gpus`.
    pub fn of(gpu: &Gpu, compute: &Compute, node_gpus: u32) -> Self {
        let (domain, node) = if compute.scale_up_spans_nodes {
            let domain = compute.scale_up_gpus;
            (domain, node_gpus.max(domain))
        } else {
            (compute.scale_up_gpus.min(node_gpus), node_gpus)
        };
        Self {
            nic: gpu.nic.0 as f64,
            host: gpu.host.0 as f64,
            domain: domain.max(1),
            node: node.max(1),
        }
    }

    /// Nodes over which `gpus` accelerators lie.
    pub fn nodes(self, gpus: u32) -> u32 {
        gpus.div_ceil(self.node).max(1)
    }
}
