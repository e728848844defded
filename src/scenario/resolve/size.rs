//! How large a pool's units are, and how their accelerators share the work: `nodes_per_unit` or
//! `gpus_per_unit`, and of `attention_data` and `tensor` whatever is said; the rest follows.

use super::super::diagnostic::{Diagnostic, MistakeReport};
use super::super::tree::TomlTable;
use super::super::{Node, Parallelism};
use crate::catalog::Model;

/// Size and shape of a unit.
pub struct Size {
    /// Accelerators of one unit of the schedule.
    pub gpus: u32,
    /// Copies of the model in a unit, which share nothing.
    pub replicas: u32,
    /// Ranks of one copy.
    pub ranks: u32,
    /// How a copy's accelerators share the work.
    pub parallelism: Parallelism,
}

/// Works out a pool's size; what does not fit together is reported.
pub fn size(
    table: &TomlTable,
    node: &Node,
    model: Option<&Model>,
    report: &mut MistakeReport,
) -> Option<Size> {
    let parallel = table.table("parallelism")?;
    let stages: u32 = parallel.integer("pipeline")?;
    let (data, tensor): (Option<u32>, Option<u32>) = (
        parallel.integer("attention_data"),
        parallel.integer("tensor"),
    );
    let gpus = gpus(table, node, [data, tensor], stages, report)?;
    let at = ["tensor", "attention_data", "pipeline"]
        .into_iter()
        .find(|key| parallel.get(key).is_some())
        .map_or(table.at("parallelism"), |key| parallel.at(key));
    let (ranks, tensor) = match (data, tensor) {
        (Some(data), Some(tensor)) => (data, tensor),
        (Some(data), None) => (data, gpus / (data * stages)),
        (None, Some(tensor)) => (gpus / (tensor * stages), tensor),
        (None, None) => (1, gpus / stages),
    };
    if u64::from(ranks) * u64::from(tensor) * u64::from(stages) != u64::from(gpus) {
        let said = |n: Option<u32>, what: &str| n.map(|n| format!("{what} = {n}"));
        let said = [
            said(data, "attention_data"),
            said(parallel.integer("tensor"), "tensor"),
            (stages > 1).then(|| format!("pipeline = {stages}")),
        ];
        let said: Vec<String> = said.into_iter().flatten().collect();
        let message = format!(
            "{} does not fill the {gpus} GPUs of a unit",
            said.join(", ")
        );
        let mut found =
            Diagnostic::new(message, at).label("ranks x tensor x pipeline must be all its GPUs");
        found = match (data, parallel.integer::<u32>("tensor")) {
            (Some(data), None) => found.help(format!(
                "the nearest number of ranks that divides them is {}",
                nearest_divisor(gpus / stages.min(gpus), data)
            )),
            (None, Some(tensor)) => found.help(format!(
                "the nearest number that divides them is {}; or say `gpus_per_unit = {tensor}`",
                nearest_divisor(gpus / stages.min(gpus), tensor)
            )),
            _ => found.help("leave one of them out, or change `gpus_per_unit`"),
        };
        report.push(found);
        return None;
    }
    let experts: u32 = parallel.integer("experts")?;
    let replicas = if ranks > 1 && !share(model, experts, tensor) {
        ranks
    } else {
        1
    };
    Some(Size {
        gpus,
        replicas,
        ranks: ranks / replicas,
        parallelism: Parallelism {
            tensor,
            experts,
            redundant_experts: parallel.integer("redundant_experts")?,
            pipeline: stages,
        },
    })
}

/// Whether ranks exchange anything in a layer: those of a model with experts that lie over more than one rank
/// do; those of a model whose architecture is not known are taken to.
fn share(model: Option<&Model>, experts: u32, tensor: u32) -> bool {
    match model.and_then(|m| m.architecture.as_ref()) {
        None => true,
        Some(architecture) => architecture.experts.is_some() && (experts == 1 || experts > tensor),
    }
}

/// Accelerators of a unit: stated, or what its parallelism needs.
fn gpus(
    table: &TomlTable,
    node: &Node,
    [data, tensor]: [Option<u32>; 2],
    stages: u32,
    report: &mut MistakeReport,
) -> Option<u32> {
    let nodes: Option<u32> = table.integer("nodes_per_unit");
    let own: Option<u32> = table.integer("gpus_per_unit");
    let gpus = match (nodes, own) {
        (Some(nodes), Some(own)) if nodes * node.gpus != own => {
            let message = format!("{nodes} nodes have {} GPUs, not {own}", nodes * node.gpus);
            let found = Diagnostic::new(message, table.at("gpus_per_unit"))
                .label("one of the two is enough")
                .also(table.at("nodes_per_unit"), "whole nodes");
            report.push(found.help("leave out `nodes_per_unit`"));
            return None;
        }
        (_, Some(own)) => own,
        (Some(nodes), None) => nodes * node.gpus,
        (None, None) => match tensor {
            Some(tensor) => tensor * stages * data.unwrap_or(1),
            None => {
                let at = table.entries.iter().map(|e| e.key_at).min()?;
                let found = Diagnostic::new("the size of a unit is not known", at)
                    .label("this pool says neither nodes nor GPUs");
                report.push(found.help(
                    "add `nodes_per_unit = 1`, `gpus_per_unit = 4`, or `parallelism = { tensor = 4 }`",
                ));
                return None;
            }
        },
    };
    if gpus > node.gpus && !gpus.is_multiple_of(node.gpus) {
        let key = ["gpus_per_unit", "parallelism"]
            .into_iter()
            .find(|key| table.get(key).is_some());
        let at = key.map(|key| table.at(key))?;
        let message = format!("a unit of {gpus} GPUs does not fill nodes of {}", node.gpus);
        let found = Diagnostic::new(message, at).label("larger than a node, but not whole nodes");
        report.push(found.help(format!("a part of {}, or a multiple", node.gpus)));
        return None;
    }
    Some(gpus)
}

fn nearest_divisor(of: u32, wanted: u32) -> u32 {
    let divisors = (1..=of).filter(|d| of.is_multiple_of(*d));
    divisors
        .min_by_key(|d| (d.abs_diff(wanted), *d))
        .unwrap_or(1)
}
