//! The text of a scenario, made of servers: each line says what it rests on.

use std::fmt::Write;

use super::served_model::ServedModel;
use super::server::{LaunchEngine, LaunchedServer, ServerRole, StatedFlag};
use super::server_pool::{ServerPool, pool, unlike};
use super::{ImportRequest, ImportedScenario};
use crate::catalog::{self, Gpu};
use crate::scenario::{Diagnostic, HfModel, Span, quote};

/// What stands for traffic until somebody states it.
const TRAFFIC: &str = r#"
# Assumed: a launch line says nothing of the requests. Put your own here.
[[class]]
name     = "requests"
arrivals = { kind = "poisson", requests_per_s = 1.0 }
input    = { kind = "lognormal", mean = 2000, cv = 1.0 }
output   = { kind = "lognormal", mean = 300, cv = 1.0 }
"#;

/// Accelerators of a node where nothing says how many.
const NODE_GPUS: u32 = 8;

/// The accelerator where nothing says which.
const GPU: &str = "h100";

/// Part of drafts that are accepted, where nothing says how many.
const ACCEPTED: f64 = 0.7;

/// A text that is put together, with what a person should know of it.
#[derive(Debug, Default)]
struct Writing {
    text: String,
    remarks: Vec<String>,
}

impl Writing {
    /// Writes a key with why it has its value.
    fn key(&mut self, key: &str, value: &str, why: &str) {
        let left = format!("{key:<18} = {value}");
        let _ = writeln!(self.text, "{left:<44} # {}", one_line(why));
    }

    /// Writes an assumption, and remarks it.
    fn assumed(&mut self, key: &str, value: &str, why: &str) {
        self.key(key, value, &format!("assumed: {why}"));
        self.remarks.push(format!("assumed {key} = {value}: {why}"));
    }
}

/// The scenario of servers.
pub fn scenario_of(
    request: &ImportRequest,
    servers: &[LaunchedServer],
    hf: Option<&HfModel>,
    place: Span,
) -> Result<ImportedScenario, Diagnostic> {
    let model = ServedModel::of(request, servers, hf, place)?;
    let roles = by_role(servers)?;
    let mut out = Writing::default();
    let _ = writeln!(
        out.text,
        "# A scenario made of {} by `tokentide import {}`.",
        match servers.len() {
            1 => "a server".to_string(),
            n => format!("{n} servers"),
        },
        request.engine.word()
    );
    let _ = writeln!(
        out.text,
        "name     = {}",
        quoted(&format!("{} on {}", model.shown, request.engine.word()))
    );
    let _ = writeln!(
        out.text,
        "start    = 2026-01-01T00:00:00Z\nduration = \"10min\"\nwarm_up  = \"2min\""
    );
    let context = one(&mut out, servers, "context", |s| s.context.as_ref());
    let table = match context {
        Some(stated) => {
            let inner = model.toml.trim_matches(['{', '}', ' ']);
            let inner = if inner.starts_with('"') {
                format!("base = {inner}")
            } else {
                inner.to_string()
            };
            format!("{{ {inner}, context = {} }}", stated.value)
        }
        None => model.toml.clone(),
    };
    let context = context.map_or(String::new(), |c| format!(", {} {}", c.flag, c.value));
    let _ = writeln!(
        out.text,
        "model    = {table} # {}{context}",
        one_line(&model.why)
    );
    drafts(&mut out, servers);
    let gpu = node(&mut out, request, servers, &roles)?;
    let mut pools = Vec::new();
    for (role, server) in &roles {
        pools.push((
            *role,
            *server,
            pool(request.engine, server, *role, gpu, model.has_experts)?,
        ));
    }
    missing_role(&mut out, request, &mut pools, gpu, &model)?;
    for (role, server, pool) in &pools {
        write_pool(&mut out, *role, server, pool);
    }
    performance(&mut out, (request.engine, gpu), servers, &pools, &model);
    prefixes(&mut out, request.engine, servers);
    out.text.push_str(TRAFFIC);
    listed(&mut out, servers);
    for (_, _, pool) in &pools {
        for note in &pool.notes {
            let _ = writeln!(out.text, "# note: {}", one_line(note));
        }
    }
    Ok(ImportedScenario {
        text: out.text,
        remarks: out.remarks,
    })
}

/// Servers by their role: one of each, which stands for all that are like it.
fn by_role(servers: &[LaunchedServer]) -> Result<Vec<(ServerRole, &LaunchedServer)>, Diagnostic> {
    let role = |s: &LaunchedServer| s.role.as_ref().map_or(ServerRole::Both, |r| r.value);
    let mut found: Vec<(ServerRole, &LaunchedServer)> = Vec::new();
    for server in servers {
        let role = role(server);
        match found.iter().find(|(known, _)| *known == role) {
            None => found.push((role, server)),
            Some((_, one)) => return Err(unlike(one, server, role)),
        }
    }
    if found.len() > 1
        && let Some((_, both)) = found.iter().find(|(role, _)| *role == ServerRole::Both)
    {
        let at = both.model.as_ref().map_or(Span::NOWHERE, |m| m.at);
        let found = Diagnostic::new("this server says no role, and others do", at);
        return Err(found.help("say it: --kv-transfer-config or --disaggregation-mode"));
    }
    found.sort_by_key(|(role, _)| *role);
    Ok(found)
}

/// Writes `[node]`; the accelerator.
fn node(
    out: &mut Writing,
    request: &ImportRequest,
    servers: &[LaunchedServer],
    roles: &[(ServerRole, &LaunchedServer)],
) -> Result<&'static Gpu, Diagnostic> {
    out.text.push_str("\n[node]\n");
    let stated = servers.iter().find_map(|s| s.gpu.as_ref());
    let name = match (&request.gpu, stated) {
        (Some(gpu), _) => {
            out.key("gpu", &quoted(gpu), "--gpu");
            gpu.as_str()
        }
        (None, Some(stated)) => {
            out.key("gpu", &quoted(&stated.value), &stated.flag);
            stated.value.as_str()
        }
        (None, None) => {
            out.assumed(
                "gpu",
                &quoted(GPU),
                "nothing says which accelerator: --gpu does",
            );
            GPU
        }
    };
    let gpu = catalog::gpu(name).ok_or_else(|| {
        Diagnostic::new(
            format!("the catalog has no accelerator {}", quote(name)),
            Span::NOWHERE,
        )
    })?;
    let most = roles
        .iter()
        .map(|(_, s)| s.tensor() * s.pipeline())
        .max()
        .unwrap_or(1);
    match (
        request.node_gpus,
        servers.iter().find_map(|s| s.node_gpus.as_ref()),
    ) {
        (Some(gpus), _) => out.key("gpus", &gpus.to_string(), "--gpus"),
        (None, Some(stated)) if stated.value >= most.min(NODE_GPUS) => {
            let why = format!(
                "{}: what a container is given is taken for a node",
                stated.flag
            );
            out.key("gpus", &stated.value.to_string(), &why);
        }
        (None, _) => {
            let domain = gpu.compute.map_or(NODE_GPUS, |c| {
                if c.scale_up_spans_nodes { 4 } else { NODE_GPUS }
            });
            out.assumed(
                "gpus",
                &domain.to_string(),
                "accelerators of a node: --gpus says how many",
            );
        }
    }
    out.assumed(
        "price_per_gpu_hour",
        "2.00",
        "US dollars; it scales the cost and nothing else",
    );
    Ok(gpu)
}

/// Where only one of two roles was brought, the other is launched alike.
fn missing_role(
    out: &mut Writing,
    request: &ImportRequest,
    pools: &mut Vec<(ServerRole, &LaunchedServer, ServerPool)>,
    gpu: &Gpu,
    model: &ServedModel,
) -> Result<(), Diagnostic> {
    let [(role, server, _)] = pools.as_slice() else {
        return Ok(());
    };
    let (role, server) = (*role, *server);
    let other = match role {
        ServerRole::Both => return Ok(()),
        ServerRole::Prefill => ServerRole::Decode,
        ServerRole::Decode => ServerRole::Prefill,
    };
    out.remarks.push(format!(
        "only the {} server was given: the {} server is assumed to be launched alike",
        role.word(),
        other.word()
    ));
    let mut pool = pool(request.engine, server, other, gpu, model.has_experts)?;
    pool.notes = vec![format!(
        "assumed: the {} server, which was not given, is launched like the {} server",
        other.word(),
        role.word()
    )];
    pools.push((other, server, pool));
    pools.sort_by_key(|(role, ..)| *role);
    Ok(())
}

fn write_pool(out: &mut Writing, role: ServerRole, server: &LaunchedServer, pool: &ServerPool) {
    let name = match role {
        ServerRole::Both => "mixed",
        ServerRole::Prefill => "prefill",
        ServerRole::Decode => "decode",
    };
    let _ = writeln!(out.text, "\n[pools.{name}]");
    for key in &pool.keys {
        out.key(key.key, &key.value, &key.why);
    }
    let units = pool.units.saturating_mul(server.copies.max(1)).min(65_536);
    let why = match (server.copies.max(1), pool.units) {
        (1, 1) => "one server".to_string(),
        (1, n) => format!("{n} copies of the model, which share nothing"),
        (copies, 1) => format!("{copies} replicas"),
        (copies, n) => format!("{copies} replicas of {n} copies"),
    };
    out.key("units", &units.to_string(), &why);
}

/// Writes `[performance]`.
fn performance(
    out: &mut Writing,
    (engine, gpu): (LaunchEngine, &Gpu),
    servers: &[LaunchedServer],
    pools: &[(ServerRole, &LaunchedServer, ServerPool)],
    model: &ServedModel,
) {
    out.text
        .push_str("\n[performance]\nkind   = \"roofline\"\n");
    let release = servers.iter().find_map(|s| released(engine, gpu, s));
    match release {
        Some(release) => {
            let _ = writeln!(out.text, "engine = {} # the image's tag", quoted(&release));
        }
        None => {
            let _ = writeln!(out.text, "engine = {}", quoted(engine.word()));
        }
    }
    let stated = one(out, servers, "weights", |s| s.weights.as_ref());
    let kv = one(out, servers, "kv", |s| s.kv.as_ref());
    let mut numbers = Vec::new();
    let mut why = Vec::new();
    if let Some(stated) = stated {
        numbers.push(format!("gemm = {}", quoted(stated.value.word())));
        if model.has_experts {
            numbers.push(format!("experts = {}", quoted(stated.value.word())));
        }
        why.push(format!("{} {}", stated.flag, stated.value.word()));
    } else if let Some(number) = model.numbers {
        if !model.experts_only {
            numbers.push(format!("gemm = {}", quoted(number.word())));
        }
        if model.has_experts {
            numbers.push(format!("experts = {}", quoted(number.word())));
        }
        why.push("the model's name".to_string());
    }
    if let Some(kv) = kv {
        numbers.push(format!("kv = {}", quoted(kv.value.word())));
        why.push(format!("{} {}", kv.flag, kv.value.word()));
    }
    if !numbers.is_empty() {
        let value = format!("{{ {} }}", numbers.join(", "));
        out.key("precision", &value, &why.join(", "));
    }
    if let Some(fraction) = one(out, servers, "memory_fraction", |s| {
        s.memory_fraction.as_ref()
    }) {
        let value = format!("{{ memory_fraction = {:?} }}", fraction.value);
        out.key(
            "constants",
            &value,
            &format!("{} {}", fraction.flag, fraction.value),
        );
    }
    if pools.iter().any(|(.., pool)| pool.exchanges) {
        match servers.iter().find_map(|s| s.overlaps.as_ref()) {
            Some(stated) if stated.value => out.key("overlap", "\"auto\"", &stated.flag),
            _ => out.key(
                "overlap",
                "\"off\"",
                &format!("{}: micro-batches do not overlap", engine.flags().source),
            ),
        }
    }
}

/// The engine with the release that a server's image names, where the catalog has it.
fn released(engine: LaunchEngine, gpu: &Gpu, server: &LaunchedServer) -> Option<String> {
    let mut numbers = server.version.as_deref()?.split('.');
    let release = format!("{}.{}", numbers.next()?, numbers.next()?);
    let name = format!("{}@{release}", engine.word());
    catalog::engine(&name, &gpu.name).map(|_| name)
}

/// What the first server that says it says, for all pools: a scenario has one such value. Where others say something
/// else, or nothing, that is remarked.
fn one<'a, T: PartialEq + std::fmt::Debug + 'a>(
    out: &mut Writing,
    servers: &'a [LaunchedServer],
    what: &str,
    get: impl Fn(&'a LaunchedServer) -> Option<&'a StatedFlag<T>>,
) -> Option<&'a StatedFlag<T>> {
    let first = servers.iter().find_map(&get)?;
    let same = |server| get(server).is_some_and(|other| other.value == first.value);
    if !servers.iter().all(same) {
        let remark = format!(
            "servers differ in {what}, and a scenario has one for all: {} {:?} is taken",
            first.flag, first.value
        );
        let _ = writeln!(out.text, "# note: {}", one_line(&remark));
        out.remarks.push(remark);
    }
    Some(first)
}

/// Writes `mtp` where something drafts.
fn drafts(out: &mut Writing, servers: &[LaunchedServer]) {
    let Some(drafts) = one(out, servers, "drafts", |s| s.drafts.as_ref()) else {
        return;
    };
    let value = format!("{{ drafts = {}, acceptance = {ACCEPTED} }}", drafts.value);
    let why = format!(
        "{} {}; assumed: how many are accepted",
        drafts.flag, drafts.value
    );
    let _ = writeln!(out.text, "mtp      = {value} # {}", one_line(&why));
    out.remarks.push(format!(
        "assumed mtp.acceptance = {ACCEPTED}: no line says how many drafts are accepted"
    ));
}

/// Writes `[kv_cache]`.
fn prefixes(out: &mut Writing, engine: LaunchEngine, servers: &[LaunchedServer]) {
    out.text.push_str("\n[kv_cache]\nkind = \"fixed\"\n");
    match one(out, servers, "prefixes", |s| s.no_prefixes.as_ref()) {
        Some(stated) if stated.value => out.key("hit_rate", "0.0", &stated.flag),
        _ => {
            let why = format!(
                "the cache of prefixes is on ({}), what it finds hangs on the traffic",
                engine.flags().source
            );
            out.assumed("hit_rate", "0.0", &why);
        }
    }
}

/// Lists flags that were not understood, are not modelled, or change nothing.
fn listed(out: &mut Writing, servers: &[LaunchedServer]) {
    let unknown = servers.iter().flat_map(|s| &s.unknown);
    let (known, strange): (Vec<_>, Vec<_>) = unknown.partition(|l| !l.why.is_empty());
    if !strange.is_empty() {
        out.text
            .push_str("\n# Not known, and so not in this scenario:\n");
        for listed in strange {
            let _ = writeln!(out.text, "#   {}", one_line(&listed.text));
            out.remarks
                .push(format!("not known: {}", one_line(&listed.text)));
        }
    }
    if !known.is_empty() {
        out.text.push_str("\n# Known, and not in this scenario:\n");
        for listed in known {
            let _ = writeln!(out.text, "#   {}: {}", one_line(&listed.text), listed.why);
            out.remarks.push(format!(
                "not modelled: {}: {}",
                one_line(&listed.text),
                listed.why
            ));
        }
    }
    let harmless: Vec<String> = servers
        .iter()
        .flat_map(|s| &s.harmless)
        .map(|f| one_line(f))
        .collect();
    if !harmless.is_empty() {
        out.text
            .push_str("\n# Of no account for what is modelled (names, ports, logs, loading):\n");
        for flag in harmless {
            let _ = writeln!(out.text, "#   {flag}");
        }
    }
}

/// A text without what would end a comment.
fn one_line(text: &str) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().map(plain).take(300).collect()
}

/// A text as TOML.
fn quoted(text: &str) -> String {
    crate::scenario::quoted(text)
}
