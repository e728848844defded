//! tokentide plays a day of an LLM inference service request by request, and says hour by hour what
//! users feel (TTFT, TPOT), what the cluster does (queues, batches, KV, nodes), and what it costs and
//! earns.
//!
//! # In the order in which one would use it
//!
//! Read a scenario: a file or a bundled name ([`load`]), or a text ([`load_str`]). Whatever is wrong is said at once.
//!
//! ```
//! let text = r#"
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
//! "#;
//! let scenario = tokentide::load_str("small.toml", text, &[])?;
//! let mistakes = tokentide::load_str("small.toml", text, &["pools.prefill.unit=2".into()]).unwrap_err();
//! assert!(mistakes.to_string().contains("did you mean `units`?"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`run()`] it: the [`summary`] says what users felt, what the cluster did, what it cost and earned, and whether the
//! books balance. It is the same on any number of threads. [`render`] shows it.
//!
//! ```
//! # fn scenario(set: &str) -> Result<tokentide::Scenario, tokentide::Mistakes> {
//! #     tokentide::load("chat-h800", &["duration=\"2min\"".into(), "warm_up=\"0s\"".into(), set.into()])
//! # }
//! # let scenario = scenario("seed=1")?;
//! use tokentide::{Format, Style, render, run};
//!
//! let summary = run(&scenario, 2)?;
//! let requests = summary.requests;
//! let came = requests.in_flight_at_start + requests.arrived;
//! let ended = requests.completed + requests.rejected + requests.failed;
//! assert_eq!(came, ended + requests.in_flight);
//! assert!(summary.audit.values().all(|balance| balance.holds));
//! assert!(summary.latency.ttft_s.p99.is_some_and(|seconds| seconds > 0.0));
//! assert!(render(&summary, Format::Table, &Style::default()).contains("TTFT"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Play it under other draws ([`replicate`]), hold what-ifs against one another by runs with the same draws
//! ([`compare`]), vary its values ([`sweep`]), seek the cheapest deployment that keeps a promise ([`plan`]), watch a run
//! with an observer of your own ([`observe`]), or let a controller of your own change units while it goes on
//! ([`control`]).
//!
//! # From above
//!
//! Data flows one way: a `scenario` (checked text) gives a `workload` (requests in order of time),
//! which the pools of a `cluster` turn into tokens, told to the observers of `metrics`; `report`
//! makes one `report::summary::RunSummary` of what they counted, and every table and file is a view of
//! it. The `engine` drives the cluster through time: its stages as a pipeline, on one thread or several, or all of it
//! together where something flows back, with the same result.
//!
//! # Code map
//!
//! | room | holds |
//! |---|---|
//! | [`rules`] | the exact rules, a page |
//! | `units` | integer time and money |
//! | `words` | how enums are written, one table for each |
//! | `catalog` | GPUs, models, engines, prices: data with sources |
//! | `traffic` | what others recorded of requests: formats by content, as streams of rows |
//! | `scenario` | the file's shape, its mistakes, its meaning |
//! | `import` | servers that people run (launch lines, manifests) as scenarios, and back |
//! | `perf` | how long steps take; the boundary behind which models of step times live |
//! | `workload` | arrivals, lengths, cache hits; named random streams; clients whose laws were recorded |
//! | `economics` | cost and revenue |
//! | `metrics` | observers, cells of counts, histograms, balances |
//! | `cluster` | pools, units, ranks, routers, transfers, controllers |
//! | `engine` | two drivers of the cluster: a pipeline of stages, and all stages together |
//! | `report` | the summary and its views |
//! | `experiment` | a run, replications, comparisons, draws of what is uncertain, sweeps, plans |
//! | `cli` | commands |
//!
//! Dependencies point from the last lines to the first ones; `tests/tidy.rs` enforces it.
//!
//! What is modelled, what is ignored, and how large the known errors are: `experiment::validate`.
//!
//! # Invariants
//!
//! * The core (engine, cluster, workload, perf, economics, metrics) does no I/O, reads no clock, no
//!   environment and no number of cores. A recording that is too long to be held comes to it as a stream of rows that
//!   `traffic` reads; should its file change meanwhile, the run is void.
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
//! What happens when, to the nanosecond, stands on one page: [`rules`], S1 to S20. Code and tests cite rules by number.
//!
//! # Glossary
//!
//! **Node**: a server. **Unit**: the nodes that together serve one copy of the model. **Rank**: an
//! attention data-parallel part of a unit. **Pool**: units of one role. **Class**: a stream of requests.
//! **TTFT**: arrival to first token. **TPOT**: (end to end - TTFT) / (output tokens - 1). **ITL**: a gap
//! between tokens. **Output speed**: tokens after the first over the time after the first. **Hit**: a
//! cached input token. **KV length**: tokens of context behind a generated token. **Goodput**: requests
//! per second that met their class's SLO. **Replication**: a run of the same scenario with other random
//! numbers. **Batch**: one of equal parts of a run whose load does not change over time.

#![forbid(unsafe_code)]

pub(crate) mod catalog;
#[doc(hidden)]
pub mod cli;
pub(crate) mod cluster;
pub(crate) mod economics;
pub(crate) mod engine;
pub(crate) mod experiment;
pub(crate) mod import;
#[doc(hidden)]
pub mod internals;
pub(crate) mod metrics;
pub(crate) mod perf;
pub(crate) mod report;
#[doc = include_str!("rules.md")]
pub mod rules {}
pub(crate) mod scenario;
pub(crate) mod traffic;
pub(crate) mod units;
pub(crate) mod words;
pub(crate) mod workload;

pub use experiment::{RunError, run, run_with_progress};
pub use report::{Format, Style, render};
pub use scenario::{BUNDLED, Bundled, KeyChange, KeyValue, Mistakes, Scenario, load, load_str};

/// The summary of a run, part by part: the shape of `summary.json`.
pub mod summary {
    pub use crate::report::json::{ReadError, read, to_text};
    pub use crate::report::summary::*;
}

/// One scenario under several draws, and what the runs say together.
///
/// ```
/// use tokentide::replicate::{replications, run_all, together};
///
/// let set = ["duration=\"1min\"", "warm_up=\"0s\""].map(String::from);
/// let scenario = tokentide::load("chat-h800", &set)?;
/// let runs = replications(&scenario, 3);
/// let summaries = run_all(&runs, 2, &|_, _, _| true).map_err(|failed| failed.why)?;
/// let mean = together(&scenario, &summaries).ok_or("the runs have other shapes")?;
/// assert_eq!(mean.replications, 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub mod replicate {
    pub use crate::experiment::replicate::{Failed, RunWatch, replications, run_all, together};
}

/// Scenarios held against one another: the same draws for all, differences with intervals, a finding for each figure.
///
/// ```
/// use tokentide::compare::{CompareQuestion, judge, runs};
/// use tokentide::replicate::run_all;
///
/// let of = |units: u32| {
///     let set = ["duration=\"1min\"", "warm_up=\"0s\"", &format!("pools.mixed.units={units}")];
///     tokentide::load("chat-h800", &set.map(String::from))
/// };
/// let scenarios = [of(8)?, of(7)?];
/// let question = CompareQuestion { replications: 2, independent: false, by: None, names: vec![] };
/// let played = runs(&scenarios, &question);
/// let summaries = run_all(&played, 2, &|_, _, _| true).map_err(|failed| failed.why)?;
/// let comparison = judge(&scenarios, &question, &summaries).ok_or("as many summaries as runs")?;
/// assert_eq!(comparison.ranking.len(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub mod compare {
    pub use crate::experiment::compare::{
        CompareQuestion, CompareSide, Comparison, Difference, Finding, RankingPlace, Versus, judge,
        runs,
    };
}

/// One scenario with other values, many runs at once.
///
/// ```
/// use tokentide::sweep::{SweepQuestion, sweep};
///
/// let question = SweepQuestion {
///     scenario: "chat-h800".to_owned(),
///     set: ["duration=\"1min\"", "warm_up=\"0s\""].map(String::from).to_vec(),
///     vary: vec!["pools.mixed.units=7,8".to_owned(), "seed=1..3".to_owned()],
///     ..SweepQuestion::default()
/// };
/// let runs = sweep(&question, 2, &|_| true)?;
/// assert_eq!(runs.len(), 6);
/// assert_eq!(runs[4].values[1], ("seed".to_owned(), "2".to_owned()));
/// assert!(runs.iter().all(|run| run.summary.as_ref().is_ok_and(|summary| summary.requests.completed > 0)));
/// # Ok::<(), tokentide::sweep::SweepStopped>(())
/// ```
pub mod sweep {
    pub use crate::experiment::sweep::{SweepQuestion, SweepStopped, SweptRun, sweep};
}

/// The deployment that keeps promises at the least cost, or with the most profit or goodput.
///
/// ```
/// use tokentide::plan::{PlanTable, search};
///
/// # let text = r#"
/// #     name = "embed"
/// #     start = 2026-01-01T00:00:00Z
/// #     duration = "2min"
/// #     model = "llama-3.1-8b"
/// #     node = { gpu = "h100", gpus = 8, price_per_gpu_hour = 2.0 }
/// #     performance = { kind = "linear", prefill = { per_token = "100us" } }
/// #     [pools.prefill]
/// #     nodes_per_unit = 1
/// #     parallelism = { attention_data = 8 }
/// #     max_batch_tokens = 8192
/// #     units = 1
/// #     [[class]]
/// #     name = "embed"
/// #     arrivals = { kind = "poisson", requests_per_s = 100.0 }
/// #     input = { kind = "lognormal", mean = 1000, cv = 1.0 }
/// #     output = { kind = "constant", value = 1 }
/// # "#;
/// // units of 8 ranks that compute 10,000 tokens a second each; 100 requests of 1,000 tokens come a second
/// let scenario = tokentide::load_str("embed.toml", text, &[])?;
/// let asked = PlanTable {
///     slo: vec!["ttft_p99=2s".to_owned()],
///     nodes: Some(6),
///     replications: Some(1),
///     step_error: Some(0.0),
///     ..PlanTable::default()
/// };
/// let answer = search(&scenario, &asked, 2, &|_| true)?;
/// let best = answer.best.ok_or("six nodes are enough")?;
/// assert_eq!(best.nodes, 2.0);
/// assert!(best.settings.contains(&"pools.prefill.units=2".to_owned()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub mod plan {
    pub use crate::experiment::plan::{Deployment, PlanAnswer, PlanStopped, search};
    pub use crate::scenario::{Goal, PlanOption, PlanTable};
}

/// A run heard event by event by observers of one's own, or request by request.
///
/// ```
/// use tokentide::observe::{Fate, Observer, Request, SimTime, run_with_observers};
///
/// /// The longest prompt that was answered.
/// #[derive(Default)]
/// struct Longest(u32);
///
/// impl Observer for Longest {
///     fn completed(&mut self, _now: SimTime, request: &Request, _first: SimTime, _overshoot: u64) {
///         self.0 = self.0.max(request.input);
///     }
/// }
///
/// let set = ["duration=\"1min\"", "warm_up=\"0s\""].map(String::from);
/// let scenario = tokentide::load("chat-h800", &set)?;
/// let observers = (Longest::default(), Longest::default());
/// let (summary, longest, decode) = run_with_observers(&scenario, 1, observers, &mut |_, _| true)?;
/// assert!(summary.requests.completed > 0 && longest.0 > 0 && decode.is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub mod observe {
    pub use crate::experiment::{Progress, run_with_observers, run_with_requests};
    pub use crate::metrics::{Fate, Joined, Observer, Place, RequestRow, Sample, StepRecord};
    pub use crate::units::{SimDuration, SimTime};
    pub use crate::workload::Request;
}

/// A run in which controllers of one's own take units, drain, release and lose them, beside the pools' schedules.
///
/// ```
/// use tokentide::control::*;
/// use tokentide::observe::{SimDuration, SimTime};
///
/// /// Takes a unit, every ten seconds, while more than five requests a unit wait in the first pool.
/// struct Autoscaler(SimTime);
///
/// impl Controller for Autoscaler {
///     fn next(&self) -> SimTime {
///         self.0
///     }
///
///     fn act(&mut self, now: SimTime, pools: &[PoolView], orders: &mut Vec<ControlOrder>) {
///         self.0 = now + SimDuration::from_secs_f64(10.0);
///         let waiting: u64 = pools[0].units.iter().map(|unit| unit.queued).sum();
///         let is_paid = |unit: &&UnitView| unit.life != UnitLife::Free;
///         if waiting > 5 * pools[0].units.iter().filter(is_paid).count() as u64 {
///             let serves = now + SimDuration::from_secs_f64(30.0);
///             let change = UnitOrder::Take { serves, until: SimTime::NEVER };
///             orders.push(ControlOrder { pool: 0, change });
///         }
///     }
/// }
///
/// let set = ["duration=\"5min\"", "warm_up=\"0s\"", "pools.mixed.units=2"].map(String::from);
/// let scenario = tokentide::load("chat-h800", &set)?;
/// let autoscaler: Box<dyn Controller> = Box::new(Autoscaler(SimTime::ZERO));
/// let scaled = run_with_controllers(&scenario, 1, vec![autoscaler], &mut |_, _| true)?;
/// let fixed = tokentide::run(&scenario, 1)?;
/// assert!(scaled.nodes.peak > fixed.nodes.peak);
/// assert!(scaled.latency.ttft_s.p50 < fixed.latency.ttft_s.p50);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub mod control {
    pub use crate::cluster::controller::{
        AfterLoss, ControlOrder, Controller, PoolView, UnitLife, UnitOrder, UnitView,
    };
    pub use crate::experiment::run_with_controllers;
}
