//! Traffic as others write it down: requests one by one (a trace), or counts of them over time.
//!
//! One place that recognises a format by its content and gives rows. A `FileForm` is what the first bytes say;
//! [`RequestReader`] streams the requests of a trace, holding no more than a row; [`CountTable`] reads counts over
//! time. Names of files mean nothing: an Azure trace may be called `requests.txt`. What is wrong is a
//! [`TrafficFault`] with its line and place; whoever opened the file shows it.
//!
//! | recorded by | form | requests | times |
//! |---|---|---|---|
//! | this program | CSV, JSON lines | `input_tokens`, `output_tokens`, `cached_tokens`, `hash_ids` | `arrived_s` |
//! | Azure, 2023 and 2024 | CSV | `ContextTokens`, `GeneratedTokens` | `TIMESTAMP`, a date |
//! | BurstGPT | CSV | `Request tokens`, `Response tokens` | `Timestamp`, seconds |
//! | Mooncake | JSON lines | `input_length`, `output_length`, `hash_ids` | `timestamp`, milliseconds |
//! | kv-cache-tester | one JSON a session | `in`, `out`, `hash_ids`, sub-agents | `t`, seconds |
//! | ServeGen | two files a client, in an archive | laws of `input_tokens`, `output_tokens` | windows, seconds |
//! | Prometheus, Grafana | JSON, CSV | counts or rates | epoch seconds, dates |

mod agent_sessions;
mod block_sizes;
mod client_pool;
mod client_stats;
mod count_columns;
mod count_row;
mod count_table;
mod counts;
mod fault;
mod figure;
mod file_form;
mod heads;
mod json_parts;
mod line_cells;
mod lines;
mod packed;
mod prefix_lru;
mod recorded_request;
mod request_reader;
mod request_row;
mod series;
mod sorted_trace;
mod stamp;
mod tape_archive;
mod trace_figures;
mod trace_source;
mod trace_stats;

pub use block_sizes::BlockSizes;
pub use client_pool::{ClientPool, ClientWindow};
pub use counts::{CountTable, CountTimes, CountUnit};
pub use fault::{BadLines, Faults, TrafficFault};
pub use packed::unpacked;
pub use prefix_lru::{PrefixLru, TouchOrder};
pub use recorded_request::{Clock, RecordedRequest};
pub use request_reader::RequestReader;
pub use sorted_trace::{SortedTrace, Survey, survey};
pub use stamp::{Stamp, Zone};
pub use trace_figures::TraceStats;
pub use trace_source::TraceSource;
pub use trace_stats::stats;
