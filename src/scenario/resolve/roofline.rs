//! Step times from first principles: the engine with its constants, kinds of numbers, experts.

use super::super::diagnostic::{Diagnostic, Report};
use super::super::suggest::{list, nearest, quote};
use super::super::tree::Table;
use super::super::{
    ExpertLoad, ExpertPopularity, Node, Overlap, Performance, Pool, Precision, Roofline,
};
use crate::catalog::{
    self, Architecture, Attention, CONSTANTS, Engine, Figure, Model, Number, Provenance,
};

/// Resolves `[performance]` of this kind.
pub fn roofline(
    table: &Table,
    model: &Model,
    node: &Node,
    pools: &[Pool],
    report: &mut Report,
) -> Option<Performance> {
    let engine = engine(table, node, report);
    let at = table.at("kind");
    if model.architecture.is_none() {
        let message = format!("the architecture of {} is not known", quote(&model.name));
        let found = Diagnostic::new(message, at).label("step times follow from it");
        report.push(found.help(
            "give the model's `layers`, `hidden`, `vocabulary`, `ffn` and `grouped` or `latent`",
        ));
    }
    if node.gpu.compute.is_none() {
        let message = format!("the data sheet of {} is not known", quote(&node.gpu.name));
        let found = Diagnostic::new(message, at).label("step times follow from it");
        report.push(found.help("give the accelerator's `compute`"));
    }
    let architecture = model.architecture.as_ref()?;
    node.gpu.compute.as_ref()?;
    for pool in pools {
        experts_divide(pool, architecture, table, report);
        heads_divide(pool, architecture, table, report);
    }
    Some(Performance::Roofline(Box::new(Roofline {
        engine: engine?,
        precision: precision(table.table("precision")?, architecture),
        experts: experts(table.table("experts")?, architecture, report)?,
        overlap: match table.text("overlap")? {
            "on" => Overlap::On,
            "off" => Overlap::Off,
            _ => Overlap::Auto,
        },
    })))
}

/// A rank's accelerators must share its heads evenly, and its KV heads evenly or hold them evenly often.
fn heads_divide(pool: &Pool, model: &Architecture, table: &Table, report: &mut Report) {
    let tensor = pool.parallelism.tensor;
    let (heads, shared) = match model.attention {
        Attention::Latent { heads, .. } => (heads, [1, 1]),
        Attention::Grouped {
            heads,
            kv_heads,
            global_kv_heads,
            ..
        } => (heads, [kv_heads, global_kv_heads]),
    };
    let goes = |t: u32| {
        let evenly = |n: u32| n.is_multiple_of(t) || t.is_multiple_of(n.max(1));
        heads.is_multiple_of(t) && shared.into_iter().all(evenly)
    };
    if tensor == 0 || goes(tensor) {
        return;
    }
    let near = (1..=heads).filter(|t| goes(*t));
    let near = near.min_by_key(|t| (t.abs_diff(tensor), *t)).unwrap_or(1);
    let [kv_heads, _] = shared;
    let message = if heads.is_multiple_of(tensor) {
        format!(
            "pool {}: {kv_heads} KV heads do not go evenly over {tensor} accelerators, nor these over them",
            quote(&pool.name)
        )
    } else {
        format!(
            "pool {}: {heads} attention heads do not go evenly over {tensor} accelerators",
            quote(&pool.name)
        )
    };
    let found = Diagnostic::new(message, table.at("kind")).label("no engine starts so");
    let keys = format!("pools.{}.parallelism", pool.name);
    report.push(found.help(format!(
        "the nearest number that does is tensor = {near}; see {}",
        quote(&keys)
    )));
}

/// Experts must lie evenly over the accelerators that hold them.
fn experts_divide(pool: &Pool, model: &Architecture, table: &Table, report: &mut Report) {
    let parallel = &pool.parallelism;
    let gpus = pool.gpus_per_replica() / parallel.pipeline.max(1);
    let mut complain = |message: String, label: &str, help: &str| {
        let found = Diagnostic::new(message, table.at("kind")).label(label);
        let keys = format!("pools.{}.parallelism", pool.name);
        report.push(found.help(format!("{help}; see {}", quote(&keys))));
    };
    let Some(experts) = &model.experts else {
        if parallel.experts > 1 {
            let message = format!("pool {}: the model has no experts", quote(&pool.name));
            complain(message, "nothing to spread", "leave `experts` out");
        }
        return;
    };
    if !gpus.is_multiple_of(parallel.experts) {
        let message = format!(
            "pool {}: {} accelerators with experts do not divide the {gpus} of a stage",
            quote(&pool.name),
            parallel.experts
        );
        complain(
            message,
            "not even",
            "let `experts` divide a unit's accelerators",
        );
        return;
    }
    let slots = experts.routed + parallel.redundant_experts;
    if !slots.is_multiple_of(parallel.experts) {
        let message = format!(
            "pool {}: {slots} expert slots do not spread evenly over {} accelerators",
            quote(&pool.name),
            parallel.experts
        );
        let more = parallel.experts - experts.routed % parallel.experts;
        let help = format!("{} redundant experts would", more % parallel.experts);
        complain(message, "not even", &help);
    }
}

fn engine(table: &Table, node: &Node, report: &mut Report) -> Option<Engine> {
    let name = table.text("engine")?;
    let Some(found) = catalog::engine(name, &node.gpu.name) else {
        let mut names: Vec<&str> = catalog::engines().iter().map(|e| e.name.as_str()).collect();
        names.dedup();
        let message = format!("the catalog has no engine {}", quote(name));
        let mistake = Diagnostic::new(message, table.at("engine"));
        let mistake = match nearest(name, names.iter().copied()) {
            Some(meant) => mistake.label(format!("did you mean {}?", quote(meant))),
            None => mistake.label("unknown name"),
        };
        report.push(mistake.note(format!("it has {}", list(names))));
        return None;
    };
    let mut engine = found.clone();
    let constants = table.table("constants")?;
    for (constant, info) in CONSTANTS {
        if let Some(value) = constants.number(info.key) {
            engine.set(
                *constant,
                Figure {
                    value,
                    provenance: Provenance::Given,
                    source: "the scenario".to_string(),
                    before: None,
                },
            );
        }
    }
    Some(engine)
}

fn precision(table: &Table, model: &Architecture) -> Precision {
    let number = |key: &str| table.text(key).map(Number::named);
    // what dense products are kept in holds for experts, too, unless those are published in something narrower
    let published = model.expert_weights;
    let as_gemm = number("gemm").filter(|gemm| published.quarter_bits() >= gemm.quarter_bits());
    Precision {
        gemm: number("gemm").unwrap_or(model.weights),
        experts: number("experts").or(as_gemm).unwrap_or(published),
        kv: number("kv").unwrap_or_default(),
    }
}

fn experts(table: &Table, model: &Architecture, report: &mut Report) -> Option<ExpertLoad> {
    let counts = table.list("counts");
    let popularity = if table.boolean("even_router")? {
        ExpertPopularity::Balanced
    } else if let Some(items) = counts {
        let counts: Option<Vec<f64>> = items.iter().map(|i| i.number()).collect();
        let counts = counts?;
        let routed = model.experts.map_or(0, |e| e.routed as usize);
        if counts.len() != routed || counts.iter().sum::<f64>() <= 0.0 {
            let message = format!("{} counts for {routed} experts", counts.len());
            let found = Diagnostic::new(message, table.at("counts"));
            report.push(found.label("one for each routed expert, not all of them 0"));
            return None;
        }
        ExpertPopularity::Counts(counts)
    } else {
        ExpertPopularity::Zipf {
            exponent: table.number("zipf")?,
        }
    };
    Some(ExpertLoad {
        popularity,
        balanced: table.boolean("balanced")?,
        drift: table.number("drift")?,
        clustering: table.number("clustering")?,
    })
}
