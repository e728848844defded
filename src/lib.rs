//! tokentide plays a day of an LLM inference service request by request, and says hour by hour what
//! users feel (TTFT, TPOT), what the cluster does (queues, batches, KV, nodes), and what it costs and
//! earns.
//!
//! ```
//! let scenario = tokentide::scenario::load_str("small.toml", r#"
//!     name = "one unit"
//!     start = 2026-01-01T00:00:00Z
//!     duration = "1h"
//!     model = "llama-3.1-8b"
//!     node = { gpu = "h100", gpus = 8, price_per_gpu_hour = 2.0 }
//!     performance = { kind = "linear", prefill = { per_token = "100us" } }
//!     [pools.prefill]
//!     nodes_per_unit = 1
//!     parallelism = { attention_data = 8 }
//!     max_batch_tokens = 8192
//!     units = 1
//!     [[class]]
//!     name = "embed"
//!     arrivals = { kind = "poisson", requests_per_s = 20.0 }
//!     input = { kind = "lognormal", mean = 1000, cv = 1.0 }
//!     output = { kind = "constant", value = 1 }
//! "#, &[])?;
//! let summary = tokentide::experiment::run(&scenario, 1)?;
//! assert_eq!(summary.requests.completed + summary.requests.in_flight, summary.requests.arrived);
//! assert!(summary.audit.values().all(|balance| balance.holds));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # From above
//!
//! Data flows one way: a [`scenario`] (checked text) gives a [`workload`] (requests in order of time),
//! which the pools of a [`cluster`] turn into tokens, told to the observers of [`metrics`]; [`report`]
//! makes one [`report::summary::RunSummary`] of what they counted, and every table and file is a view of
//! it. The [`engine`] drives the stages as a pipeline, on one thread or several, with the same result.
//!
//! # Code map
//!
//! | room | holds |
//! |---|---|
//! | [`rules`] | the exact rules, a page |
//! | [`units`] | integer time and money |
//! | [`words`] | how enums are written, one table for each |
//! | [`catalog`] | GPUs, models, engines, prices: data with sources |
//! | [`scenario`] | the file's shape, its mistakes, its meaning |
//! | [`perf`] | how long steps take; the boundary behind which models of step times live |
//! | [`workload`] | arrivals, lengths, cache hits; named random streams |
//! | [`economics`] | cost and revenue |
//! | [`metrics`] | observers, cells of counts, histograms, balances |
//! | [`cluster`] | pools, units, ranks, routers, transfers, schedules |
//! | [`engine`] | the pipeline of stages |
//! | [`report`] | the summary and its views |
//! | [`experiment`] | a run, replications, comparisons, draws of what is uncertain, sweeps, plans |
//! | [`cli`] | commands |
//!
//! Dependencies point from the last lines to the first ones; `tests/tidy.rs` enforces it.
//!
//! What is modelled, what is ignored, and how large the known errors are: [`experiment::validate`].
//!
//! # Invariants
//!
//! * The core (engine, cluster, workload, perf, economics, metrics) does no I/O, reads no clock, no
//!   environment and no number of cores.
//! * Time is integer nanoseconds, money integer picodollars, KV integer 1/1024 tokens. Floating point
//!   appears when tables are built, in the placing of arrivals (with correctly rounded operations only),
//!   and when a finished count is shown.
//! * Events have a total order: time, then kind, then pool, unit and request. No tie depends on a hash or
//!   a thread.
//! * One named random stream for each purpose and class: a different router never shifts an arrival.
//! * Everything visible comes through observers.
//! * What a run may take is declared: requests in flight, estimated memory, output. Beyond them it ends, at
//!   the same simulated instant on every machine.
//! * A scenario's text reaches nothing outside the folder of the file that is run.
//! * There is no `unsafe` code.
//! * Every run balances its books: requests, tokens, KV, node-time, and Little's law as an identity of
//!   integers. A run that does not balance fails.
//!
//! # Rules
//!
//! What happens when, to the nanosecond, stands on one page: [`rules`], S1 to S18. Code and tests cite rules by number.
//!
//! # Glossary
//!
//! **Node**: a server. **Unit**: the nodes that together serve one copy of the model. **Rank**: an
//! attention data-parallel slot of a unit. **Pool**: units of one role. **Class**: a stream of requests.
//! **TTFT**: arrival to first token. **TPOT**: (end to end - TTFT) / (output tokens - 1). **ITL**: a gap
//! between tokens. **Output speed**: tokens after the first over the time after the first. **Hit**: a
//! cached input token. **KV length**: tokens of context behind a generated token. **Goodput**: requests
//! per second that met their class's SLO. **Replication**: a run of the same scenario with other random
//! numbers. **Batch**: one of equal parts of a run whose load does not change over time.

#![forbid(unsafe_code)]

pub mod catalog;
pub mod cli;
pub mod cluster;
pub mod economics;
pub mod engine;
pub mod experiment;
pub mod metrics;
pub mod perf;
pub mod report;
#[doc = include_str!("rules.md")]
pub mod rules {}
pub mod scenario;
pub mod units;
pub mod words;
pub mod workload;
