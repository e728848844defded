//! Step times from first principles: the engine with its constants, kinds of numbers, experts.

use super::super::diagnostic::{Diagnostic, MistakeReport};
use super::super::source::Span;
use super::super::suggest::{list, quote};
use super::super::tree::TomlTable;
use super::super::{ExpertLoad, ExpertPopularity, Node, Performance, Pool, Precision, Roofline};
use super::resolve_hardware::known;
use crate::catalog::{
    self, Architecture, Attention, CONSTANTS, EngineRules, GIVEN, Model, NumberFormat, Origin,
    Provenance, ServingEngine, SourcedValue,
};

/// Resolves `[performance]` of the kind `roofline`.
pub fn roofline(
    table: &TomlTable,
    model: &Model,
    node: &Node,
    pools: &[Pool],
    report: &mut MistakeReport,
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
        overlap: table.word("overlap")?,
        sampling: table.word("sampling")?,
    })))
}

/// Checks that a rank's accelerators share its heads evenly, and its KV heads evenly or hold them evenly often.
fn heads_divide(pool: &Pool, model: &Architecture, table: &TomlTable, report: &mut MistakeReport) {
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

/// Checks that experts lie evenly over the accelerators that hold them.
fn experts_divide(
    pool: &Pool,
    model: &Architecture,
    table: &TomlTable,
    report: &mut MistakeReport,
) {
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

/// The engine with the constants that are different here, or one that stands alone and has no others.
fn engine(table: &TomlTable, node: &Node, report: &mut MistakeReport) -> Option<ServingEngine> {
    let constants = table.table("constants")?;
    let given = |key: &str| {
        constants.number(key).map(|value| SourcedValue {
            value,
            provenance: Provenance::Given,
            source: "the scenario".to_string(),
            before: None,
            of: Origin {
                engine: GIVEN.to_string(),
                gpu: node.gpu.name.clone(),
            },
        })
    };
    let entry = table.entry("engine")?;
    let own = entry.node.table();
    let own_name = own.and_then(|t| t.text("name"));
    let base = match own {
        None => entry.node.text().map(|name| (name, entry.node.at)),
        Some(own) => own.text("base").map(|name| (name, own.at("base"))),
    };
    let Some((name, at)) = base else {
        let mut missing = CONSTANTS.iter().map(|(_, info)| info.key);
        let missing: Vec<&str> = missing.by_ref().filter(|k| given(k).is_none()).collect();
        let mistake = match (own_name, missing.as_slice()) {
            (Some(name), []) => {
                let figures = CONSTANTS.iter().filter_map(|(_, info)| given(info.key));
                return ServingEngine::own(name, &node.gpu.name, figures.collect());
            }
            (None, _) => "an engine without a `base` needs `name`".to_string(),
            (Some(_), missing) => {
                let first = list(missing.iter().take(3).copied());
                let n = missing.len();
                format!(
                    "an engine without a `base` needs all its constants, and {n} are missing: {first}, …"
                )
            }
        };
        let found = Diagnostic::new(mistake, entry.key_at).label("not complete");
        report.push(
            found.help(
                "give them in [performance.constants] (`tokentide catalog vllm` lists them), or name a catalog entry: base = \"…\"",
            ),
        );
        return None;
    };
    let gpu = node.gpu.base.as_ref().unwrap_or(&node.gpu.name);
    let Some(mut engine) = catalog::engine(name, gpu) else {
        unknown(name, at, report);
        return None;
    };
    if let Some(name) = own_name {
        engine.name = name.to_string();
    }
    for (constant, info) in CONSTANTS {
        if let Some(figure) = given(info.key) {
            engine.set(*constant, figure);
        }
    }
    Some(engine)
}

/// Reports an engine that the catalog does not have, or a release of one.
fn unknown(text: &str, at: Span, report: &mut MistakeReport) {
    let (name, release) = catalog::name_and_release(text);
    let is_known = catalog::engines().iter().any(|e| e.name == name);
    let Some(release) = release.filter(|_| is_known) else {
        let mut names: Vec<&str> = catalog::engines().iter().map(|e| e.name.as_str()).collect();
        names.dedup();
        known::<()>(None, "engine", name, at, &names, report);
        return;
    };
    let ranges = catalog::releases(name);
    let message = format!(
        "the catalog has no release {} of {}",
        quote(release),
        quote(name)
    );
    let found = Diagnostic::new(message, at);
    report.push(if ranges.is_empty() {
        found
            .label("this engine has no releases here")
            .help(format!("write `engine = \"{name}\"`"))
    } else {
        let ranges: Vec<String> = ranges.iter().map(|r| r.to_string()).collect();
        found
            .label(format!(
                "it has {}",
                list(ranges.iter().map(String::as_str))
            ))
            .help(format!(
                "name one of these, e.g. \"{name}@{}\", or write \"{name}\" for the newest",
                ranges[0].rsplit(' ').next().unwrap_or(&ranges[0])
            ))
    });
}

/// How the engine of `[performance]` makes its batches; an engine that the catalog does not have, or a model of step
/// times without one, says nothing.
pub fn engine_rules(performance: Option<&TomlTable>) -> EngineRules {
    let named = || {
        let node = &performance?.entry("engine")?.node;
        let name = match node.table() {
            Some(own) => own.text("base"),
            None => node.text(),
        };
        Some(catalog::engine(name?, "")?.rules)
    };
    named().unwrap_or_default()
}

/// The number format of KV, which a table of precisions may state: else BF16, as where nothing knows a precision.
pub fn kv_format(precision: Option<&TomlTable>) -> NumberFormat {
    precision
        .and_then(|table| table.word("kv"))
        .unwrap_or_default()
}

fn precision(table: &TomlTable, model: &Architecture) -> Precision {
    let number = |key: &str| table.word::<NumberFormat>(key);
    // what dense products are kept in holds for experts, too, unless those are published in something narrower
    let published = model.expert_weights;
    let as_gemm = number("gemm").filter(|gemm| published.bits_by_32() >= gemm.bits_by_32());
    Precision {
        gemm: number("gemm").unwrap_or(model.weights),
        experts: number("experts").or(as_gemm).unwrap_or(published),
        kv: kv_format(Some(table)),
    }
}

fn experts(
    table: &TomlTable,
    model: &Architecture,
    report: &mut MistakeReport,
) -> Option<ExpertLoad> {
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::scenario::load_str;

    fn read(performance: &str, set: &[&str]) -> Result<Roofline, String> {
        let text = format!(
            "name = 'own'\nstart = 2026-01-05T12:00:00Z\nduration = '1min'\nmodel = 'llama-3.1-8b'\n\
             node = {{ gpu = 'h100', gpus = 1, price_per_gpu_hour = 2.0 }}\n\
             [pools.mixed]\nnodes_per_unit = 1\nmax_batch_tokens = 8192\nunits = 1\n\
             [[class]]\nname = 'chat'\narrivals = {{ kind = 'poisson', requests_per_s = 1.0 }}\n\
             input = {{ kind = 'constant', value = 100 }}\noutput = {{ kind = 'constant', value = 10 }}\n\
             [performance]\nkind = 'roofline'\n{performance}\n"
        );
        let set: Vec<String> = set.iter().map(|s| (*s).to_string()).collect();
        match load_str("own", &text, &set) {
            Ok(scenario) => match &scenario.performance {
                Performance::Roofline(roofline) => Ok((**roofline).clone()),
                _ => Err("another kind".to_string()),
            },
            Err(mistakes) => Err(mistakes.to_string()),
        }
    }

    #[test]
    fn an_engine_of_ones_own_says_all_its_constants() {
        let missing = read("engine = { name = 'own' }", &[]).unwrap_err();
        assert!(missing.contains("needs all its constants"), "{missing}");
        let nameless = read("engine = {}", &[]).unwrap_err();
        assert!(nameless.contains("needs `name`"), "{nameless}");
        let vllm = catalog::engine("vllm", "h100").unwrap();
        let all: Vec<String> = CONSTANTS
            .iter()
            .map(|(c, info)| format!("{} = {:?}", info.key, vllm.get(*c)))
            .collect();
        let whole = format!(
            "engine = {{ name = 'own' }}\nconstants = {{ {} }}",
            all.join(", ")
        );
        let own = read(&whole, &[]).unwrap().engine;
        assert_eq!((own.name.as_str(), own.gpu.as_str()), ("own", "h100"));
        for (constant, info) in CONSTANTS {
            assert_eq!(own.get(*constant), vllm.get(*constant), "{}", info.key);
            assert_eq!(own.figure(*constant).provenance, Provenance::Given);
        }
    }

    #[test]
    fn a_release_is_that_of_the_catalog_and_another_is_refused_with_the_list() {
        let old = read("engine = 'vllm@0.10.2'", &[]).unwrap().engine;
        assert_eq!(old.name_and_releases(), "vllm 0.10.2 (0.8 to 0.13)");
        let based = read("engine = { base = 'vllm@0.15', name = 'ours' }", &[]).unwrap();
        assert_eq!(based.engine.get(catalog::Constant::MemorySampler), 38.4);
        for (engine, wanted) in [
            ("vllm@0.6", "it has `0.21 to 0.27`, `0.17 to 0.20`"),
            ("vllm@nightly", "`0.8 to 0.13`"),
            ("vllm@", "no release ``"),
            ("rtp-llm@1.0", "has no releases"),
            ("vlm@0.10", "did you mean `vllm`?"),
        ] {
            let why = read(&format!("engine = '{engine}'"), &[]).unwrap_err();
            assert!(why.contains(wanted), "{engine}: {why}");
        }
    }

    #[test]
    fn constants_do_not_outlive_the_engine_that_they_change() {
        let changed = "engine = 'vllm'\nconstants = { host_join_us = 12345.0 }";
        let host = |r: Roofline| r.engine.get(catalog::Constant::HostJoin);
        assert_eq!(host(read(changed, &[]).unwrap()), 12345.0);
        let sglang = catalog::engine("sglang", "h100").unwrap();
        let replaced = read(changed, &["performance.engine=sglang"]).unwrap();
        assert_eq!(replaced.engine, sglang);
        let renamed = "engine = { base = 'vllm', name = 'ours' }";
        assert_eq!(read(renamed, &[]).unwrap().engine.name, "ours");
    }
}
