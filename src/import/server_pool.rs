//! A server as a pool: what its flags mean for parallelism, budgets and batching, and the engine's defaults for what
//! they leave out.

use super::server::{LaunchEngine, LaunchedServer, ServerRole, StatedFlag};
use crate::catalog::Gpu;
use crate::scenario::{Diagnostic, quote};

/// Bytes in a GiB.
const GIB: u64 = 1 << 30;

/// A key of a scenario with its value as TOML, and why it has it.
#[derive(Clone, Debug, PartialEq)]
pub struct PoolKey {
    /// The key of the pool.
    pub key: &'static str,
    /// Value of the key, as TOML.
    pub value: String,
    /// What says so.
    pub why: String,
}

/// A pool of one role.
#[derive(Clone, Debug)]
pub struct ServerPool {
    /// Keys of the pool, in their order.
    pub keys: Vec<PoolKey>,
    /// Units of one server.
    pub units: u32,
    /// Whether ranks send one another tokens for experts.
    pub exchanges: bool,
    /// What was taken for what.
    pub notes: Vec<String>,
}

/// How a server's accelerators share the work.
#[derive(Clone, Copy, Debug)]
struct ServerShares {
    ranks: u32,
    tensor: u32,
    experts: u32,
    pipeline: u32,
    units: u32,
}

/// The pool of a server for a model with or without experts, on an accelerator.
pub fn pool(
    engine: LaunchEngine,
    server: &LaunchedServer,
    role: ServerRole,
    gpu: &Gpu,
    has_experts: bool,
) -> Result<ServerPool, Diagnostic> {
    let shares = shares(engine, server, has_experts)?;
    let mut pool = ServerPool {
        keys: Vec::new(),
        units: shares.units,
        exchanges: has_experts && shares.experts > 1 && shares.ranks > 1,
        notes: server.notes.clone(),
    };
    pool.parallelism(server, shares);
    if role != ServerRole::Decode {
        pool.budget(engine, server, gpu, shares);
    }
    pool.requests(engine, server, gpu, shares);
    if role == ServerRole::Both {
        pool.batching(engine, server);
    }
    if role != ServerRole::Prefill {
        pool.room(engine, server);
    }
    Ok(pool)
}

fn shares(
    engine: LaunchEngine,
    server: &LaunchedServer,
    has_experts: bool,
) -> Result<ServerShares, Diagnostic> {
    let (tensor, data, pipeline) = (server.tensor(), server.data(), server.pipeline());
    let inside = server.attention_data.as_ref().is_some_and(|s| s.value);
    let spreads = server.spreads_experts.as_ref().is_some_and(|s| s.value);
    let plain = ServerShares {
        ranks: 1,
        tensor,
        experts: 1,
        pipeline,
        units: 1,
    };
    let experts = |stated: Option<&StatedFlag<u32>>, all: u32| match stated {
        _ if !has_experts => 1,
        Some(stated) => stated.value,
        None if spreads => all,
        None => 1,
    };
    let found = match engine {
        // data-parallel ranks each have a group of their own; those of a dense model are copies
        LaunchEngine::Vllm if has_experts => ServerShares {
            ranks: data,
            experts: experts(None, data * tensor),
            ..plain
        },
        LaunchEngine::Vllm => ServerShares {
            units: data,
            ..plain
        },
        // the tensor-parallel group is all accelerators of a copy
        LaunchEngine::Sglang if inside => ServerShares {
            ranks: data,
            tensor: divided(tensor, data, server)?,
            experts: experts(server.experts.as_ref(), tensor),
            ..plain
        },
        LaunchEngine::Sglang => ServerShares {
            experts: experts(server.experts.as_ref(), tensor),
            units: data,
            ..plain
        },
        LaunchEngine::Trtllm if inside => ServerShares {
            ranks: tensor,
            tensor: 1,
            experts: experts(server.experts.as_ref(), tensor),
            ..plain
        },
        LaunchEngine::Trtllm => ServerShares {
            experts: experts(server.experts.as_ref(), tensor),
            ..plain
        },
    };
    Ok(found)
}

fn divided(tensor: u32, data: u32, server: &LaunchedServer) -> Result<u32, Diagnostic> {
    if data > 0 && tensor.is_multiple_of(data) {
        return Ok(tensor / data);
    }
    let at = server
        .data
        .as_ref()
        .map(|s| s.at)
        .unwrap_or(crate::scenario::Span::NOWHERE);
    let message = format!("{tensor} accelerators do not go evenly into {data} data-parallel ranks");
    Err(Diagnostic::new(message, at).label("no engine starts so"))
}

/// The flags that were given, for a comment.
fn said(flags: &[Option<(&str, String)>]) -> String {
    let parts = flags.iter().flatten().map(|(flag, value)| {
        if value.is_empty() {
            (*flag).to_string()
        } else {
            format!("{flag} {value}")
        }
    });
    parts.collect::<Vec<_>>().join(", ")
}

fn shown<T: ToString>(stated: Option<&StatedFlag<T>>) -> Option<(&str, String)> {
    stated.map(|s| (s.flag.as_str(), s.value.to_string()))
}

fn switch(stated: Option<&StatedFlag<bool>>) -> Option<(&str, String)> {
    stated.map(|s| (s.flag.as_str(), String::new()))
}

impl ServerPool {
    fn put(&mut self, key: &'static str, value: impl ToString, why: impl Into<String>) {
        self.keys.push(PoolKey {
            key,
            value: value.to_string(),
            why: why.into(),
        });
    }

    fn parallelism(&mut self, server: &LaunchedServer, shares: ServerShares) {
        let mut parts = Vec::new();
        if shares.ranks > 1 {
            parts.push(format!("attention_data = {}", shares.ranks));
        }
        parts.push(format!("tensor = {}", shares.tensor));
        if shares.experts > 1 {
            parts.push(format!("experts = {}", shares.experts));
        }
        if let (Some(copies), true) = (&server.redundant, shares.experts > 1) {
            parts.push(format!("redundant_experts = {}", copies.value));
        }
        if shares.pipeline > 1 {
            parts.push(format!("pipeline = {}", shares.pipeline));
        }
        let why = said(&[
            shown(server.tensor.as_ref()),
            shown(server.pipeline.as_ref()),
            shown(server.data.as_ref()),
            switch(server.attention_data.as_ref()),
            switch(server.spreads_experts.as_ref()),
            shown(server.experts.as_ref()),
        ]);
        let why = if why.is_empty() {
            "one accelerator where nothing else is said".to_string()
        } else {
            why
        };
        self.put("parallelism", format!("{{ {} }}", parts.join(", ")), why);
    }

    /// Tokens of a step.
    fn budget(
        &mut self,
        engine: LaunchEngine,
        server: &LaunchedServer,
        gpu: &Gpu,
        shares: ServerShares,
    ) {
        let by_default = engine.flags().source;
        if let Some(stated) = &server.batch_tokens
            && engine != LaunchEngine::Sglang
        {
            let why = format!("{} {}", stated.flag, stated.value);
            return self.step_tokens(stated.value, why, shares);
        }
        match engine {
            LaunchEngine::Vllm => {
                let is_large = is_large(gpu);
                let (tokens, which) = if is_large {
                    (8_192, "of 70 GiB and more")
                } else {
                    (2_048, "of less than 70 GiB, and A100")
                };
                let why = format!("{by_default} on accelerators {which}");
                self.step_tokens(tokens, why, shares);
            }
            LaunchEngine::Trtllm => self.step_tokens(8_192, by_default.to_string(), shares),
            LaunchEngine::Sglang => {
                let chunk = server.chunk.as_ref();
                let most = server.batch_tokens.as_ref();
                // a chunk is one step's; with data-parallel attention each rank's part of it
                let (tokens, why) = match (chunk, most) {
                    (Some(chunk), _) if chunk.value > 0 => {
                        (chunk.value, format!("{} {}", chunk.flag, chunk.value))
                    }
                    (Some(chunk), most) => {
                        let tokens = most.map_or(16_384, |m| m.value);
                        let why = "prompts are not divided: --max-prefill-tokens limits a step";
                        (tokens, format!("{} -1; {why}", chunk.flag))
                    }
                    (None, _) => {
                        let (tokens, which) = match gpu.usable_bytes / GIB {
                            0..35 => (2_048, "below 35 GB"),
                            35..60 => (4_096, "below 60 GB"),
                            60..160 => (8_192, "below 160 GB"),
                            _ => (16_384, "of 160 GB and more"),
                        };
                        (tokens, format!("{by_default} on accelerators {which}"))
                    }
                };
                let ranks = shares.ranks.max(1);
                let (tokens, why) = if ranks > 1 {
                    let each = (tokens / ranks).max(1);
                    (each, format!("{why}, over {ranks} ranks"))
                } else {
                    (tokens, why)
                };
                self.step_tokens(tokens, why, shares);
            }
        }
    }

    /// Tokens of a step: engines' budgets are of one batch, and each stage of a pipeline has one at any time.
    fn step_tokens(&mut self, tokens: u32, why: String, shares: ServerShares) {
        let stages = shares.pipeline.max(1);
        let why = match stages {
            1 => why,
            _ => format!("{why}, for each of {stages} stages"),
        };
        self.put("max_batch_tokens", tokens.saturating_mul(stages), why);
    }

    /// Requests that run at once.
    fn requests(
        &mut self,
        engine: LaunchEngine,
        server: &LaunchedServer,
        gpu: &Gpu,
        shares: ServerShares,
    ) {
        let by_default = engine.flags().source;
        let (requests, why) = match (&server.batch_requests, engine) {
            (Some(stated), LaunchEngine::Sglang) if shares.ranks > 1 => {
                let each = (stated.value / shares.ranks).max(1);
                let why = format!(
                    "{} {}, over {} ranks",
                    stated.flag, stated.value, shares.ranks
                );
                (each, why)
            }
            (Some(stated), _) => (stated.value, format!("{} {}", stated.flag, stated.value)),
            (None, LaunchEngine::Vllm) if is_large(gpu) => (
                1_024,
                format!("{by_default} on accelerators of 70 GiB and more"),
            ),
            (None, LaunchEngine::Vllm) => (
                256,
                format!("{by_default} on accelerators of less than 70 GiB, and A100"),
            ),
            (None, LaunchEngine::Sglang) => {
                let each = (2_048 / shares.ranks).max(1);
                (
                    each,
                    format!("{by_default}: 2,048 and more, by the room for KV"),
                )
            }
            (None, LaunchEngine::Trtllm) => (2_048, by_default.to_string()),
        };
        self.put("max_batch_requests", requests.min(16_383), why);
    }

    /// What shares a step, and when it is put together.
    fn batching(&mut self, engine: LaunchEngine, server: &LaunchedServer) {
        let by_default = engine.flags().source;
        let off = server.is_chunked.as_ref().filter(|s| !s.value);
        let on = server.is_chunked.as_ref().filter(|s| s.value);
        let (batching, why) = match engine {
            LaunchEngine::Vllm => match off {
                Some(off) => ("prefill-first", off.flag.clone()),
                None => ("chunked", by_default.to_string()),
            },
            LaunchEngine::Sglang => match server.mixes.as_ref().filter(|s| s.value) {
                Some(mixes) => ("chunked", mixes.flag.clone()),
                None => ("prefill-first", by_default.to_string()),
            },
            LaunchEngine::Trtllm => match on {
                Some(on) => ("chunked", on.flag.clone()),
                None => ("whole", by_default.to_string()),
            },
        };
        self.put("batching", quoted(batching), why);
        let ahead = match (&server.looks_ahead, engine) {
            (Some(stated), _) => (stated.value, stated.flag.clone()),
            // asynchronous scheduling is vLLM's default since 0.14
            (None, LaunchEngine::Vllm) => match server.version.as_deref().map(is_before_14) {
                Some(true) => (false, "vLLM before 0.14 (its image's tag)".to_string()),
                _ => (
                    true,
                    "vLLM's default since 0.14 (asynchronous scheduling)".to_string(),
                ),
            },
            (None, _) => (true, by_default.to_string()),
        };
        self.put("look_ahead", ahead.0, ahead.1);
    }

    /// Room for KV and who is let in.
    fn room(&mut self, engine: LaunchEngine, server: &LaunchedServer) {
        if let Some(stated) = &server.kv_tokens {
            let why = format!("{} {}", stated.flag, stated.value);
            self.put("kv_capacity_tokens", stated.value, why);
        }
        let why = match (&server.evicts, engine) {
            (Some(stated), _) => (!stated.value).then(|| stated.flag.clone()),
            (None, LaunchEngine::Trtllm) => {
                Some(format!("{}: GUARANTEED_NO_EVICT", engine.flags().source))
            }
            (None, LaunchEngine::Vllm | LaunchEngine::Sglang) => None,
        };
        if let Some(why) = why {
            self.put("admission", quoted("reserve"), why);
        }
    }
}

fn quoted(word: &str) -> String {
    format!("\"{word}\"")
}

/// Whether vLLM takes an accelerator for one of its large ones.
fn is_large(gpu: &Gpu) -> bool {
    gpu.usable_bytes >= 70 * GIB && !gpu.name.contains("a100")
}

/// Whether a release of vLLM is one before 0.14.
fn is_before_14(release: &str) -> bool {
    let mut numbers = release.split('.').map(|n| n.parse().unwrap_or(0));
    let first = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    first < (0, 14)
}

/// Complains about servers of one role that are not alike.
pub fn unlike(one: &LaunchedServer, other: &LaunchedServer, role: ServerRole) -> Diagnostic {
    let at = |s: &LaunchedServer| {
        s.model
            .as_ref()
            .map_or(crate::scenario::Span::NOWHERE, |m| m.at)
    };
    let message = format!(
        "two servers with the role {} are not alike",
        quote(role.word())
    );
    Diagnostic::new(message, at(other))
        .label("this is the other one")
        .also(at(one), "the first")
        .help("a pool has servers of one kind: import them one by one, or say --role")
}
