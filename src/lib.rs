//! lib
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
