//! Servers in YAML: a Kubernetes manifest (Deployment, StatefulSet, LeaderWorkerSet, Dynamo's graph and the like, with
//! the files of its ConfigMaps), or the options of TensorRT-LLM.
//!
//! A manifest is walked through without knowing every kind: wherever a `command` or `args` launches a server of the
//! engine, it is one, and what stands around it says how many, on what, and on how many accelerators.

use std::collections::BTreeMap;

use super::flag_rules::{Flag, FlagRule};
use super::flag_setter::apply;
use super::launch_command::{any_engine, is_image, launched, release};
use super::server::{LaunchEngine, LaunchedServer, ServerRole, StatedFlag};
use super::shell_words::{LaunchWord, commands};
use super::{ImportContext, read_flags};
use crate::scenario::{MistakeReport, TomlNode, TomlTable, TomlValue};

/// Keys under which manifests count the accelerators of a container.
const GPU_KEYS: [&str; 4] = [
    "nvidia.com/gpu",
    "amd.com/gpu",
    "gpu",
    "nvidia.com/mig-7g.80gb",
];

/// What stands around a container.
#[derive(Clone, Copy, Debug)]
struct Around {
    /// Servers of this kind.
    replicas: u32,
    /// Nodes of one server.
    nodes: u32,
    /// Role that the names around it suggest.
    hint: Option<ServerRole>,
}

/// Reads the servers of an engine in these documents.
pub fn servers(
    context: &mut ImportContext<'_>,
    documents: &[TomlTable],
    report: &mut MistakeReport,
) -> Vec<LaunchedServer> {
    let mut files = BTreeMap::new();
    for document in documents {
        if document.text("kind") == Some("ConfigMap")
            && let Some(data) = document.table("data")
        {
            for entry in &data.entries {
                if let Some(text) = entry.node.text() {
                    files.insert(entry.key.clone(), text.to_string());
                }
            }
        }
    }
    let mut found = Vec::new();
    let around = Around {
        replicas: 1,
        nodes: 1,
        hint: None,
    };
    for document in documents {
        let gpu = accelerator(document);
        let before = found.len();
        walk(document, around, context, &files, &mut found, report);
        let model = document
            .table("modelArtifacts")
            .and_then(|m| m.get("name").or(m.get("uri")));
        for server in &mut found[before..] {
            server.gpu = server.gpu.take().or(gpu.clone());
            if let (None, Some(node)) = (&server.model, model) {
                server.model = node.text().map(|name| StatedFlag {
                    value: name.trim_start_matches("hf://").to_string(),
                    flag: "modelArtifacts".to_string(),
                    at: node.at,
                });
            }
        }
    }
    found
}

fn walk(
    table: &TomlTable,
    mut around: Around,
    context: &mut ImportContext<'_>,
    files: &BTreeMap<String, String>,
    found: &mut Vec<LaunchedServer>,
    report: &mut MistakeReport,
) {
    around.replicas = table.integer("replicas").unwrap_or(around.replicas);
    let of_nodes = table
        .table("multinode")
        .and_then(|m| m.integer("nodeCount"))
        .or(table
            .table("leaderWorkerTemplate")
            .and_then(|t| t.integer("size")));
    around.nodes = of_nodes.unwrap_or(around.nodes);
    let is_container = ["command", "args", "modelCommand"];
    let is_container = is_container.iter().any(|key| table.get(key).is_some());
    if is_container && let Some(mut server) = container(table, context, files, report) {
        server.copies = around.replicas;
        server.hint = around.hint;
        if around.nodes > 1 {
            server
                .notes
                .push(format!("{} nodes for each copy", around.nodes));
        }
        found.push(server);
        return;
    }
    let before = found.len();
    let outer = around.hint;
    for entry in &table.entries {
        around.hint = role_named(&entry.key).or(outer);
        match &entry.node.value {
            TomlValue::Table(inner) => walk(inner, around, context, files, found, report),
            TomlValue::List(items) => {
                for inner in items.iter().filter_map(TomlNode::table) {
                    walk(inner, around, context, files, found, report);
                }
            }
            _ => {}
        }
    }
    // llm-d says parallelism beside its containers
    if let Some(tensor) = table.table("parallelism").and_then(|p| p.get("tensor"))
        && let Some(value) = tensor.integer().filter(|n: &u32| *n > 0)
    {
        for server in &mut found[before..] {
            server.tensor.get_or_insert_with(|| StatedFlag {
                value,
                flag: "parallelism.tensor".to_string(),
                at: tensor.at,
            });
        }
    }
    // Dynamo counts accelerators beside the pod, not inside its container
    if let Some(gpus) = accelerators(table) {
        for server in &mut found[before..] {
            server.node_gpus.get_or_insert_with(|| gpus.clone());
        }
    }
}

/// The role that a name suggests.
pub fn role_named(name: &str) -> Option<ServerRole> {
    let plain = name.to_ascii_lowercase();
    match (plain.contains("prefill"), plain.contains("decode")) {
        (true, false) => Some(ServerRole::Prefill),
        (false, true) => Some(ServerRole::Decode),
        _ => None,
    }
}

/// The server that a container launches.
fn container(
    table: &TomlTable,
    context: &mut ImportContext<'_>,
    files: &BTreeMap<String, String>,
    report: &mut MistakeReport,
) -> Option<LaunchedServer> {
    let mut words = Vec::new();
    for key in ["command", "args"] {
        match table.get(key).map(|node| (&node.value, node)) {
            Some((TomlValue::List(items), _)) => words.extend(items.iter().filter_map(word)),
            Some((_, node)) => words.extend(word(node)),
            None => {}
        }
    }
    let words = in_shell(&words).unwrap_or(words);
    let image = table.text("image");
    let rest = match launched(context.engine, &words) {
        Some(rest) => rest.to_vec(),
        None if context.engine == LaunchEngine::Vllm
            && (image.is_some_and(|image| is_image(image, "vllm-openai"))
                || table.text("modelCommand") == Some("vllmServe"))
            && any_engine(&words).is_none() =>
        {
            words.clone()
        }
        None => return None,
    };
    let mut server = LaunchedServer {
        version: image.and_then(release),
        ..LaunchedServer::default()
    };
    read_flags(context.rules(), &rest, &mut server, report);
    options_of_files(context, files, &rest, &mut server, report);
    server.node_gpus = accelerators(table);
    Some(server)
}

/// A value as a word of a command.
fn word(node: &TomlNode) -> Option<LaunchWord> {
    let text = match &node.value {
        TomlValue::Text(text) => text.clone(),
        TomlValue::Integer(n) => n.to_string(),
        TomlValue::Float(x) => x.to_string(),
        TomlValue::Boolean(yes) => yes.to_string(),
        _ => return None,
    };
    Some(LaunchWord { text, at: node.at })
}

/// The command that a shell is given as one text, word by word; all of it stands where the text does.
fn in_shell(words: &[LaunchWord]) -> Option<Vec<LaunchWord>> {
    let whole = words
        .iter()
        .find(|word| word.text.trim().contains(char::is_whitespace))?;
    let split = commands(&whole.text, whole.at.source).ok()?;
    let mut found = split
        .into_iter()
        .find(|words| any_engine(words).is_some())?;
    for word in &mut found {
        word.at = whole.at;
    }
    Some(found)
}

/// Options in files of a ConfigMap that a command names.
fn options_of_files(
    context: &mut ImportContext<'_>,
    files: &BTreeMap<String, String>,
    words: &[LaunchWord],
    server: &mut LaunchedServer,
    report: &mut MistakeReport,
) {
    for word in words {
        let name = word.text.rsplit('/').next().unwrap_or_default();
        let name = name.rsplit('=').next().unwrap_or(name);
        let Some(text) = files.get(name) else {
            continue;
        };
        match context.yaml(format!("{name} of a ConfigMap"), text) {
            Ok(documents) => {
                server.unknown.retain(|listed| !listed.text.contains(name));
                for document in &documents {
                    options(context.rules(), document, server, report);
                }
            }
            Err(found) => report.push(found),
        }
    }
}

/// Options of TensorRT-LLM, by their keys; a key in a table is named with a dot.
pub fn options(
    rules: &'static [FlagRule],
    table: &TomlTable,
    server: &mut LaunchedServer,
    report: &mut MistakeReport,
) {
    for entry in &table.entries {
        option(rules, &entry.key, &entry.node, server, report);
    }
}

fn option(
    rules: &'static [FlagRule],
    name: &str,
    node: &TomlNode,
    server: &mut LaunchedServer,
    report: &mut MistakeReport,
) {
    if let TomlValue::Table(inner) = &node.value
        && super::flag_rules::rule_of(rules, name).is_none()
    {
        for entry in &inner.entries {
            let name = format!("{name}.{}", entry.key);
            option(rules, &name, &entry.node, server, report);
        }
        return;
    }
    let values = match &node.value {
        TomlValue::List(items) => items.iter().filter_map(word).collect(),
        _ => word(node).into_iter().collect(),
    };
    let flag = Flag {
        name: name.to_string(),
        at: node.at,
        values,
    };
    apply(rules, &flag, server, report);
}

/// Accelerators that a container or component asks for.
fn accelerators(table: &TomlTable) -> Option<StatedFlag<u32>> {
    let resources = table.table("resources")?;
    let asked = resources.table("limits").or(resources.table("requests"))?;
    GPU_KEYS.into_iter().find_map(|key| {
        let node = asked.get(key)?;
        let number = node.integer().or_else(|| node.text()?.parse().ok());
        Some(StatedFlag {
            value: number.filter(|n: &u32| (1..=1_024).contains(n))?,
            flag: key.to_string(),
            at: node.at,
        })
    })
}

/// The accelerator that a node selector or affinity anywhere in a document names.
fn accelerator(document: &TomlTable) -> Option<StatedFlag<String>> {
    document.entries.iter().find_map(|entry| {
        let named = |node: &TomlNode| {
            let value = gpu_named(node.text()?)?;
            Some(StatedFlag {
                value: value.to_string(),
                flag: entry.key.clone(),
                at: node.at,
            })
        };
        let is_selector = [
            "gpu.product",
            "accelerator",
            "gpu-type",
            "instance-type",
            "gpu.family",
        ];
        let is_selector = is_selector.iter().any(|part| entry.key.contains(part));
        match &entry.node.value {
            TomlValue::Text(_) if is_selector => named(&entry.node),
            TomlValue::Table(inner) => accelerator(inner),
            TomlValue::List(items) if entry.key == "values" => items.iter().find_map(named),
            TomlValue::List(items) => items
                .iter()
                .filter_map(TomlNode::table)
                .find_map(accelerator),
            _ => None,
        }
    })
}

/// The catalog's accelerator that a product's name holds; `None`: none.
pub fn gpu_named(product: &str) -> Option<&'static str> {
    let plain = product.to_ascii_lowercase().replace(['_', ' '], "-");
    let names = crate::catalog::gpus().iter().map(|e| e.item.name.as_str());
    let parts = || plain.split(['-', '.']);
    let holds = |name: &str| name.split('-').all(|part| parts().any(|p| p == part));
    names
        .filter(|name| holds(name))
        .max_by_key(|name| name.len())
}
