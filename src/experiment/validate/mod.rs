//! Holding the simulator against what somebody measured; and, on this page, what it models, what it ignores,
//! and how large its known errors are.
//!
//! `cases` are published figures of large expert-parallel servers, computed in a moment from the model
//! alone. A figure that entered the constants is named as such beside its ratio. The recorded sets are played
//! by the engine, request by request.
//!
//! # What is modelled
//!
//! * **Load**: Poisson, even, gamma and Weibull arrivals and bursts under a daily profile, users in closed loops, sessions,
//!   recorded requests and recorded clients; lengths from nine laws, which may depend on one another.
//! * **Hits**: as a rate, in blocks of 64 tokens, or from prefix caches in the memory of prefill and mixed ranks, by what
//!   prompts have in common; routers that follow them.
//! * **Cluster**: prefill, decode and mixed pools of units of a part of a node or of several; ranks that share experts
//!   meet in every layer, copies that share nothing step on their own; ranks balanced by KV, requests or time; queues
//!   with priorities and limits; finite KV memory, admission, preemption; routers with old reports; KV transfer
//!   through the sender's interface and the receiver's; first tokens from prefill or from decode; schedules with
//!   start-up, drain and migration; contexts as a limit.
//! * **Steps**: GEMMs, attention, element-wise kernels, logits and sampling, host; tensor, data, expert and
//!   pipeline parallelism; all-reduce, dispatch and combine inside and between nodes, hidden behind computation
//!   or not; scale-up domains and PCI Express cards; pipeline stages between nodes; drafts and their verification;
//!   expert popularity, placement and the load of the busiest rank; windows in decode attention.
//! * **Memory**: weights by precision and parallelism, tied embeddings, draft modules; activations, sampling, graphs
//!   and collectives as each engine reserves them; KV of full, window and state layers, sharded or replicated.
//! * **Energy**: idle, busy and peak power of the accelerators by what their units do; the rest by paid time.
//! * **Money**: paid node-time; prices by class for hits, misses and output, with discounts by time of day.
//!
//! # What is ignored
//!
//! * Caches beyond the accelerators' memory: on hosts, on disks, in shared stores.
//! * With hits as a rate (`kv_cache.kind = "fixed"`): which prefixes are cached. Hits neither fill memory nor depend on
//!   routing; each request holds its whole context.
//! * Autoscaling on load, faults, timeouts, cancelled requests, retries.
//! * Competition for a network: KV transfers slow neither expert dispatch nor each other beyond the interfaces of
//!   their sender and their receiver.
//! * Back-pressure: KV that waits for decode is unbounded (it is reported, and warned about).
//! * Pages of KV: tokens are counted one by one, a few per cent in favour of the simulated server.
//! * How many kernels an engine really starts for a layer: products, norms and the like are counted as a plain
//!   implementation has them, and SGLang's prompts are taken to replay graphs since 0.5.10.
//! * Which expert follows which from layer to layer; lucky batches. In a prefill batch window layers attend to what the
//!   mean prompt would; layers of linear attention take as long as full ones; other heads of global layers count in
//!   memory, not in time.
//! * A prefill pool's time for a draft module (below 2 % of DeepSeek-V3's); how full a step is, in energy.
//! * Clock speeds under load, temperature, and differences between accelerators of one kind.
//! * Tokens of longer prompts in the front end: its time is the same for every request. Images.
//!
//! # How large the known errors are
//!
//! | figure | error | command |
//! |---|--:|---|
//! | a step of large expert-parallel servers, prefill | -2 % to +7 % | `tokentide validate` |
//! | the same, decode, primary sources | -9 % to -1 % | `tokentide validate` |
//! | the same, decode, a secondary source that does not name its accelerator | -13 % | `tokentide validate` |
//! | expert imbalance of balanced placements | below 0.01 of the mean | `tokentide validate` |
//! | TPOT of tensor-parallel servers, calibrated | median 4 %, p90 14 % | `tokentide validate --data DIR` |
//! | the same with constants of kernels only | median 11 %, p90 26 % | `tokentide validate --data DIR` |
//! | TTFT of tensor-parallel servers, calibrated | median 12 %, p90 59 % | `tokentide validate --data DIR` |
//! | the same with constants of kernels only | median 21 %, p90 63 % | `tokentide validate --data DIR` |
//! | TPOT of other models and accelerators, Blackwell among them | median 7 %, p90 20 % | `tokentide validate --data DIR` |
//! | TTFT of the same | median 18 %, p90 55 % | `tokentide validate --data DIR` |
//! | TPOT where prefill and decode are apart | median 13 %, p90 38 % | `tokentide validate --data DIR` |
//! | TPOT where constants are borrowed from another engine or accelerator | p90 21-34 %, with experts 37-47 % | `tokentide validate --data DIR` |
//! | vLLM 0.12 on H200 serving Qwen3-235B, with 4 accelerators or fewer | -41 % | `tokentide validate --data DIR` |
//! | public runs of vLLM 0.15 on H100 (84 points of 12 models): TPOT, TTFT, E2E | median 5 %, 6 %, 5 % | not recorded here |
//! | a recorded vLLM run through its layer profiles: TPOT, TTFT, makespan | -3 %, -8 %, -4 % | `tokentide validate --data DIR` |
//! | the load that MLPerf's submitters carried: Hopper; Blackwell in NVFP4; MI300X; MI325X | 0 to +20 %; -5 to -10 %; 0; -20 % | `tokentide validate --data DIR` |
//! | an all-reduce over PCI Express, two to eight cards | 10-27 % rms | `tokentide catalog ENGINE` |
//! | output speed of DeepSeek's published day | -12 % below the range | `tokentide run deepseek-day` |
//! | sampling and accounting of that day | below 0.1 % | `tokentide run deepseek-day` |
//! | queues whose answer is known | below 1 % and within the 99.9 % interval | `cargo test --test closed_forms` |
//! | the engine against a second simulator | none, to the nanosecond | `cargo test --test reference` |
//!
//! A batch that takes longer grows, so an error of the step time is magnified in what users feel: by 2.2 in the
//! output speed of the published day.
//!
//! What was asked of the model, what it did before and what it does, stands in `evidence`.
//! `tokentide validate --sensitivity` prints how much each case hangs on each constant, `tokentide catalog NAME`
//! every constant of an engine with its source.

pub mod archive;
pub mod balance;
pub mod borrowed;
pub mod cases;
pub mod error_cells;
pub mod errors;
#[doc = include_str!("evidence.md")]
pub mod evidence {}
pub mod measured;
pub mod mlperf;
pub mod mlperf_rows;
pub mod row_sensitivity;
pub mod silicon;
mod silicon_row;
pub mod validate_page;
pub mod validate_tables;
pub mod vllm;

pub use cases::{CaseOutcome, Sensitivity, outcomes, sensitivities};
