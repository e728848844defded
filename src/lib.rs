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
//! | [`units`] | integer time and money |
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
//! # Rules that are more exact than usual
//!
//! * One instant: load reports; schedule changes; step ends; transfers arrive; arrivals; admission, batch
//!   forming and step starts. Within each, pools in the order of the file, then unit index or request id.
//!   A request is handed to decode as its prefill step ends, so the order of the pools in the file says
//!   whether the router sees decode steps that end at the same instant.
//! * Schedule changes of one instant: first all units change; then, where one begins to serve, what waited
//!   for that is routed; then the released units, by index, hand on what they hold.
//! * Units that are paid when the simulation begins serve from its beginning. A unit that would begin to
//!   drain before it serves never serves. One that begins to serve reports its load at once, even where
//!   reports are old, and begins with idle network interfaces.
//! * A step that would end at or after its unit's release does not start, and no other does until then. In
//!   prefill its batch goes back to where it waited; in decode those who joined for it stay, and migrate
//!   with their KV.
//! * A prefill rank has two budgets a batch: `max_batch_tokens` and, optionally, `max_batch_pairs` of
//!   attention. A request that is cut by either closes its rank for this batch; one that is cut to nothing
//!   tries the next rank. An empty rank takes one token in any case. Ranks that have their
//!   `max_batch_requests` are passed over.
//! * Within a priority a unit's prefill queue is first come, first served, and who was moved comes anew.
//! * A request joins a decode rank where its KV fits beside the residents' growth of the coming step, so
//!   that capacity is never exceeded, not for one step. Under `reserve`, what counts is the sum of all that
//!   the residents will ever hold, a last step that makes more tokens than are left included.
//! * A request that no empty rank can hold fails as soon as it is the head of the queue at a boundary,
//!   whether its KV is back from the host or not.
//! * `max_queue_requests` is enforced where a queue cannot move: at the end of an instant in prefill, after
//!   the admissions of a step boundary in decode, and at the end of an instant in the queue of a pool of
//!   which no unit serves (in decode only those count whose KV has arrived). Who would be served last is
//!   rejected, even if it came before a more urgent one or was preempted.
//! * KV on a link takes whole tokens, rounded up, of whole picoseconds each, rounded half up; the time of
//!   all of them is rounded half up to the nanosecond.
//! * A migration's KV is not overlapped with anything; requests that wait move at once, and KV on its way
//!   only changes its destination.
//! * A gap between tokens (ITL) is one sample a request and step; with multi-token prediction a step's
//!   tokens are taken to leave evenly over it.
//! * **S17, mixed pools.** At a boundary a unit first preempts: while the growth of those who decode would
//!   exceed a rank's capacity, its latest joined (then the highest id), prefilling or decoding, goes to the
//!   head of its priority's queue in order of id. It loses its KV and what of its prompt was computed, and
//!   keeps what it has emitted: its prompt is then I + emitted (in whole tokens, rounded up), of which its
//!   cached tokens are still cached, and the end of that recomputation emits what a decode step emits (one
//!   token, more with MTP); who has emitted nothing gets its first token there, one. Then tokens are dealt
//!   out, up to `max_batch_tokens` a rank: under `chunked` and `whole` one for every request that decodes (two
//!   with MTP), and where they are more than that they decode all the same; the rest of prompts that were cut,
//!   in the order of joining; the queue's head, priority by priority, on the rank with the least KV (then the
//!   fewest requests, then the lowest index) among those with a place, room for a token (under `whole` for the
//!   whole prompt, or for a full batch of it), and memory. No overtaking. With `look_ahead` the head joins only
//!   if it waited when the step that ends there began; but where nobody would be on the unit, all who wait may. From
//!   joining on a request holds the KV that it will hold when its prefill ends (I + emitted + what that end
//!   emits; under `reserve` all that it will ever hold counts), and it fits beside the growth of those who
//!   decode. What an empty rank could not hold fails as the head of the queue, with `look_ahead` too, however
//!   late it came. Under `prefill-first` those who decode wait while any prompt is in the unit's batch. Who
//!   joined for a step that would outlast the unit goes back to where it waited. A request decodes from the
//!   step after its prefill's last. The least-loaded router counts tokens to compute; least-kv counts KV
//!   resident, and of those who are queued what they will hold from joining on. At a release everything
//!   recomputes elsewhere.
//! * **S18, closed loops.** Each of a class's users issues a request (the k-th at k/users of `ramp_up`), waits
//!   for its end, thinks, and issues the next, until `requests` have been issued. After a rejection or failure
//!   the pause is at least 1 s. Users free at one instant draw their think times class by class, within a class
//!   after completions first; requests of one instant arrive class by class.
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
pub mod scenario;
pub mod units;
pub mod workload;
