//! What a run says of itself. The cluster tells an [`Observer`] what happens; nothing else sees it.
//!
//! [`Recorder`] is the observer behind every summary: counters, populations and latency histograms in
//! *cells* of time whose edges are those of hours, intervals and prices, so that any hour or interval
//! is a sum of cells, exactly. Where it is asked for, a [`RequestLog`] beside it remembers requests one by one.
//! [`audit`] holds two independent counts of the same thing against each other; [`interval`] says how sure a mean is.

pub mod audit;
pub mod cells;
pub mod histogram;
pub mod interval;
pub mod left;
pub mod length_bucket;
mod level;
pub mod live;
pub mod observer;
pub mod pool_record;
mod prompt_time;
pub mod recorder;
pub mod requests;
mod unit_gaps;

pub use cells::{TimeCell, Timeline};
pub use histogram::SparseHistogram;
pub use interval::Interval;
pub use observer::{Fate, Joined, Observer, Place, StepRecord};
pub use recorder::Recorder;
pub use requests::{RequestLog, RequestRow, Sample};
