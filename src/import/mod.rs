//! Servers that people run, as scenarios: launch lines of vLLM, SGLang and TensorRT-LLM, scripts, Kubernetes manifests
//! and option files are read, and what they say becomes the text of a scenario. The way back is `launch_line`.
//!
//! Nothing is dropped in silence: every flag is understood, known to change nothing that is modelled, known to change
//! what is not modelled, or not known; the last two are listed in the scenario and on standard error. What a line leaves
//! out is the engine's default, with its source, or an assumption that says so.

mod flag_rules;
mod flag_setter;
mod launch_command;
pub mod launch_line;
mod model_names;
mod served_model;
mod server;
mod server_manifest;
mod server_pool;
mod server_scenario;
mod sglang_flags;
mod shell_words;
mod trtllm_flags;
mod vllm_flags;
mod yaml_text;

use crate::scenario::{
    Diagnostic, MistakeReport, Mistakes, Sources, Span, TomlTable, load_str, nearest, quote,
    read_hf,
};
use flag_rules::{FlagRule, flags};
use flag_setter::apply;
use launch_command::{any_engine, environment, is_image, launched, release};
pub use server::{LaunchEngine, ServerRole};
use server::{LaunchedServer, StatedFlag};
use shell_words::{LaunchWord, commands};

/// What is asked of an import beside what is read.
#[derive(Clone, Debug)]
pub struct ImportRequest {
    /// The engine whose lines are read.
    pub engine: LaunchEngine,
    /// Lines, or texts of files, each with a name for messages.
    pub inputs: Vec<(String, String)>,
    /// The accelerator, by its catalog name; `None`: as the input says, or assumed.
    pub gpu: Option<String>,
    /// Accelerators of a node; `None`: as the input says, or assumed.
    pub node_gpus: Option<u32>,
    /// The model, where the input does not name it.
    pub model: Option<String>,
    /// The path of the model's config.json; `None`: the model is the catalog's.
    pub hf: Option<String>,
    /// The role of servers that do not say theirs; `None`: prompts and answers.
    pub role: Option<ServerRole>,
}

/// A scenario that was made of servers.
#[derive(Clone, Debug)]
pub struct ImportedScenario {
    /// The scenario, as TOML.
    pub text: String,
    /// What a person should know of it: flags that were not understood or are not modelled, and assumptions.
    pub remarks: Vec<String>,
}

/// The texts that are read, and the engine that they are read for.
#[derive(Debug)]
pub struct ImportContext<'a> {
    engine: LaunchEngine,
    sources: &'a mut Sources,
}

impl ImportContext<'_> {
    fn rules(&self) -> &'static [FlagRule] {
        self.engine.flags().rules
    }

    /// Reads a YAML text under a name.
    fn yaml(&mut self, name: String, text: &str) -> Result<Vec<TomlTable>, Diagnostic> {
        let source = self.sources.add(name, text.to_string(), None);
        yaml_text::documents(text, source)
    }
}

/// Makes a scenario of servers.
///
/// # Errors
/// All mistakes at once; also those that the scenario that comes out would have.
pub fn import(request: &ImportRequest) -> Result<ImportedScenario, Mistakes> {
    let mut sources = Sources::default();
    let mut report = MistakeReport::default();
    let servers = read_servers(request, &mut sources, &mut report);
    if !report.is_empty() {
        return Err(report.into_mistakes(sources));
    }
    let hf = request.hf.as_deref().map(read_hf).transpose()?;
    let place = Span::whole(0);
    let made = server_scenario::scenario_of(request, &servers, hf.as_ref(), place);
    let made = match made {
        Ok(made) => made,
        Err(found) => {
            report.push(found);
            return Err(report.into_mistakes(sources));
        }
    };
    // what the scenario's own rules find wrong is wrong with the server
    load_str("the imported scenario", &made.text, &[])?;
    Ok(made)
}

/// The servers of all inputs.
fn read_servers(
    request: &ImportRequest,
    sources: &mut Sources,
    report: &mut MistakeReport,
) -> Vec<LaunchedServer> {
    let mut servers: Vec<LaunchedServer> = Vec::new();
    for (name, text) in &request.inputs {
        let source = sources.add(name.clone(), text.clone(), None);
        let mut context = ImportContext {
            engine: request.engine,
            sources,
        };
        if is_yaml(name, text) {
            match yaml_text::documents(text, source) {
                Ok(documents) => yaml_servers(
                    &mut context,
                    &documents,
                    &mut servers,
                    (source, name),
                    report,
                ),
                Err(found) => report.push(found),
            }
            continue;
        }
        match commands(text, source) {
            Ok(lines) => lines_servers(&context, lines, &mut servers, source, report),
            Err(found) => report.push(found),
        }
    }
    if servers.is_empty() && report.is_empty() {
        let found = Diagnostic::new("there is no server in this", Span::whole(0));
        report.push(found.help(no_server(request.engine)));
    }
    let of_option = |flag: &str| (flag.to_string(), Span::NOWHERE);
    for server in &mut servers {
        server.copies = server.copies.max(1);
        if let (None, Some(value)) = (&server.role, request.role) {
            let (flag, at) = of_option("--role");
            server.role = Some(StatedFlag { value, flag, at });
        }
        if let (None, Some(value)) = (&server.model, request.model.clone()) {
            let (flag, at) = of_option("--model");
            server.model = Some(StatedFlag { value, flag, at });
        }
    }
    roles_beside(&mut servers);
    servers
}

/// Roles of servers that say none, where others do: what stands beside servers of one role has the other one, and where
/// names suggest both, the names are believed.
fn roles_beside(servers: &mut [LaunchedServer]) {
    let has = |role: ServerRole| {
        move |server: &LaunchedServer| server.role.as_ref().is_some_and(|said| said.value == role)
    };
    let hints = |role: ServerRole| {
        move |server: &LaunchedServer| server.role.is_none() && server.hint == Some(role)
    };
    let is_named = servers.iter().any(hints(ServerRole::Prefill))
        && servers.iter().any(hints(ServerRole::Decode));
    let [prefill, decode] =
        [ServerRole::Prefill, ServerRole::Decode].map(|role| servers.iter().any(has(role)));
    for server in servers.iter_mut().filter(|server| server.role.is_none()) {
        let role = match (is_named, prefill, decode) {
            (true, ..) => server.hint,
            (false, true, false) => Some(ServerRole::Decode),
            (false, false, true) => Some(ServerRole::Prefill),
            _ => None,
        };
        if let Some(value) = role {
            server.notes.push(format!(
                "its role, {}, follows from the servers beside it",
                value.word()
            ));
            server.role = Some(StatedFlag {
                value,
                flag: "the servers beside it".to_string(),
                at: Span::NOWHERE,
            });
        }
    }
}

fn no_server(engine: LaunchEngine) -> String {
    format!("{} is launched by {}", engine.word(), engine.entry().doc)
}

/// Whether a text is YAML: by the name of its file, or because its first line is a key.
fn is_yaml(name: &str, text: &str) -> bool {
    let by_name = [".yaml", ".yml"].iter().any(|end| name.ends_with(end));
    let first = text
        .lines()
        .find(|line| !line.trim().is_empty() && !line.starts_with('#'));
    let is_key = |line: &str| {
        line == "---"
            || line.split_once(':').is_some_and(|(key, rest)| {
                !key.contains(char::is_whitespace) && (rest.is_empty() || rest.starts_with(' '))
            })
    };
    by_name || text.contains('\n') && first.is_some_and(is_key)
}

/// Servers of a YAML file: a manifest's, or options for the server before it.
fn yaml_servers(
    context: &mut ImportContext<'_>,
    documents: &[TomlTable],
    servers: &mut Vec<LaunchedServer>,
    (source, name): (usize, &str),
    report: &mut MistakeReport,
) {
    if let Some(at) = documents.iter().find_map(asks_configurator) {
        let found = Diagnostic::new(
            "this is what aiconfigurator is asked, not what it answers",
            at,
        );
        report.push(found.help(
            "import what it writes: k8s_deploy.yaml, node_0_run.sh, or agg_config.yaml (prefill_config.yaml, decode_config.yaml)",
        ));
        return;
    }
    let is_manifest = |d: &TomlTable| d.get("kind").is_some() || d.get("spec").is_some();
    let found = server_manifest::servers(context, documents, report);
    if !found.is_empty() || documents.iter().any(is_manifest) {
        if found.is_empty() && report.is_empty() {
            let found = Diagnostic::new(
                "no container of this launches such a server",
                Span::whole(source),
            );
            report.push(found.help(no_server(context.engine)));
        }
        servers.extend(found);
        return;
    }
    if context.engine != LaunchEngine::Trtllm {
        let found = Diagnostic::new("this is no manifest: it has no `kind`", Span::whole(source));
        report.push(found.help("options in YAML are TensorRT-LLM's; those of others are flags"));
        return;
    }
    // a file of a role's options is a server of its own
    let hint = server_manifest::role_named(name);
    if servers.is_empty() || hint.is_some() {
        servers.push(LaunchedServer {
            hint,
            ..LaunchedServer::default()
        });
    }
    if let Some(server) = servers.last_mut() {
        server
            .unknown
            .retain(|listed| !listed.why.starts_with("a file"));
        for document in documents {
            server_manifest::options(context.rules(), document, server, report);
        }
    }
}

/// Where a document asks aiconfigurator for deployments; `None`: it does not.
fn asks_configurator(document: &TomlTable) -> Option<Span> {
    let asks = |table: &TomlTable| table.entry("serving_mode").map(|entry| entry.key_at);
    let mut inner = document
        .entries
        .iter()
        .filter_map(|entry| entry.node.table());
    asks(document).or_else(|| inner.find_map(asks))
}

/// Servers that the commands of a text launch.
fn lines_servers(
    context: &ImportContext<'_>,
    lines: Vec<Vec<LaunchWord>>,
    servers: &mut Vec<LaunchedServer>,
    source: usize,
    report: &mut MistakeReport,
) {
    let before = servers.len();
    let mut other = None;
    let only_flags = lines.len() == 1 && lines[0].first().is_some_and(|w| w.text.starts_with('-'));
    for words in &lines {
        let rest = match launched(context.engine, words) {
            Some(rest) => rest,
            None if only_flags => words,
            None => {
                other = other.or(any_engine(words).zip(words.first()));
                continue;
            }
        };
        let image = words.iter().find(|w| is_image(&w.text, "vllm-openai"));
        let mut server = LaunchedServer {
            version: image.and_then(|w| release(&w.text)),
            ..LaunchedServer::default()
        };
        for set in environment(words) {
            server.unknown.push(server::Listed {
                text: set.text.clone(),
                why: "variables of the environment are not read",
            });
        }
        read_flags(context.rules(), rest, &mut server, report);
        servers.push(server);
    }
    if servers.len() == before && report.is_empty() {
        let found = match other {
            Some((engine, word)) => {
                let message = format!("this launches {}", quote(engine.word()));
                Diagnostic::new(message, word.at)
                    .help(format!("tokentide import {} …", engine.word()))
            }
            None => Diagnostic::new("there is no server in this", Span::whole(source))
                .help(no_server(context.engine)),
        };
        report.push(found);
    }
}

/// Reads the words after a launcher into a server.
fn read_flags(
    rules: &'static [FlagRule],
    words: &[LaunchWord],
    server: &mut LaunchedServer,
    report: &mut MistakeReport,
) {
    let (flags, loose) = flags(rules, words);
    for flag in &flags {
        apply(rules, flag, server, report);
    }
    let mut loose = loose.into_iter();
    if server.model.is_none()
        && let Some(model) = loose.next()
    {
        server.model = Some(StatedFlag {
            flag: "MODEL".to_string(),
            at: model.at,
            value: model.text,
        });
    }
    for word in loose {
        server.unknown.push(server::Listed {
            text: word.text,
            why: "",
        });
    }
}

/// The catalog's accelerator of this name, or a complaint that names the near ones.
pub fn known_gpu(name: &str) -> Result<String, String> {
    let lower = name.to_ascii_lowercase();
    if let Some(gpu) = crate::catalog::gpu(&lower) {
        return Ok(gpu.name.clone());
    }
    if let Some(found) = server_manifest::gpu_named(&lower) {
        return Ok(found.to_string());
    }
    let names = crate::catalog::gpus().iter().map(|e| e.item.name.as_str());
    Err(match nearest(&lower, names) {
        Some(near) => format!(
            "the catalog has no accelerator {}; did you mean {}?",
            quote(name),
            quote(near)
        ),
        None => format!(
            "the catalog has no accelerator {}; `tokentide catalog` lists all",
            quote(name)
        ),
    })
}
