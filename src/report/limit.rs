//! What limits an hour or an interval.
//!
//! It follows from where a request's time is lost and from what the queues waited for: prefill
//! compute, KV memory of decode, its batch limit, or the pace of its steps. The thresholds are
//! judgement, not measurement; they decide words, never figures. Transfers are not looked at.

use super::summary::{PoolSummary, SpanSummary};
use crate::scenario::Role;

/// Wait from which it counts as a limit, as a part of a request's time.
const WAIT_SHARE: f64 = 0.05;
/// Wait for prefill from which it counts, too, as a part of TTFT, if the units are as busy as [`BUSY`].
const TTFT_WAIT_SHARE: f64 = 0.5;
/// Part of the time that queues waited for memory or a slot from which that is a limit whatever the wait.
const BLOCKED: f64 = 0.05;
/// Busy part of the time from which units are close to their capacity.
const BUSY: f64 = 0.85;
/// Factor from which tokens that are slower than the run's are worth a word.
const SLOWER: f64 = 1.02;

/// What limits an interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Limit {
    /// Prompts wait for prefill units.
    PrefillCompute {
        /// Busy part of the units' time; `None`: no unit was paid.
        busy: Option<f64>,
        /// Mean number of requests that wait.
        waiting: f64,
    },
    /// Prefilled requests wait for KV memory.
    DecodeKvMemory {
        /// Part of the time that a queue waited for KV memory.
        blocked: f64,
        /// Part of the KV memory that was held; `None`: not known.
        held: Option<f64>,
        /// Mean number of requests that wait.
        waiting: f64,
    },
    /// Prefilled requests wait for a batch slot.
    DecodeBatch {
        /// Part of the time that a queue waited for a batch slot.
        blocked: f64,
        /// Mean number of requests on a rank; `None`: no rank served.
        batch: Option<f64>,
        /// Mean number of requests that wait.
        waiting: f64,
    },
    /// Prefilled requests wait, but neither for memory nor for a slot: too few units serve.
    DecodeUnits {
        /// Mean number of requests that wait.
        waiting: f64,
    },
    /// Nothing waits, but steps are slow.
    DecodeSpeed {
        /// Mean number of requests on a rank; `None`: no rank served.
        batch: Option<f64>,
    },
    /// Nothing limits the interval.
    Nothing,
}

/// What limits a span whose average request takes `request_s`, beside the run's usual speed.
pub fn limit(span: &SpanSummary, lost: f64, request_s: f64, usual_speed: Option<f64>) -> Limit {
    let latency = &span.latency;
    if let Some(pool) = span.pools.get(Role::Mixed.word()) {
        return mixed_limit(pool, span, lost, request_s, usual_speed);
    }
    let of_role = |role: Role| span.pools.get(role.word()).copied().unwrap_or_default();
    let (prefill, decode) = (of_role(Role::Prefill), of_role(Role::Decode));
    let prefill_wait_s = latency.queue_s.mean.unwrap_or(0.0);
    let decode_wait_s = latency.decode_queue_s.mean.unwrap_or(0.0);
    let ttft_s = latency.ttft_s.mean.unwrap_or(request_s);
    let is_stuck = latency.ttft_s.mean.is_none();
    let prefill_binds = prefill_wait_s > WAIT_SHARE * request_s
        || prefill_wait_s > TTFT_WAIT_SHARE * ttft_s && prefill.utilization >= Some(BUSY);
    let decode_binds = decode_wait_s > WAIT_SHARE * request_s
        || decode.blocked_by_kv >= Some(BLOCKED)
        || decode.blocked_by_batch >= Some(BLOCKED);
    if prefill_binds || decode_binds || lost > 0.0 || is_stuck {
        let is_decode = if lost > 0.0 || is_stuck {
            decode.queue_length_mean > prefill.queue_length_mean
        } else if prefill_binds && decode_binds {
            decode_wait_s > prefill_wait_s
        } else {
            decode_binds
        };
        return if is_decode {
            decode_limit(&decode)
        } else {
            prefill_limit(&prefill)
        };
    }
    speed_limit(&decode, span, usual_speed)
}

/// The limit of a mixed pool, where prompts and answers share steps and memory: what the queue waited for decides.
fn mixed_limit(
    pool: &PoolSummary,
    span: &SpanSummary,
    lost: f64,
    request_s: f64,
    usual_speed: Option<f64>,
) -> Limit {
    let blocked = pool.blocked_by_kv >= Some(BLOCKED) || pool.blocked_by_batch >= Some(BLOCKED);
    let waits = span.latency.queue_s.mean.unwrap_or(0.0) > WAIT_SHARE * request_s;
    let is_stuck = span.latency.ttft_s.mean.is_none();
    if blocked {
        decode_limit(pool)
    } else if waits || lost > 0.0 || is_stuck {
        prefill_limit(pool)
    } else {
        speed_limit(pool, span, usual_speed)
    }
}

/// The limit of a pool in which nothing waits: tokens may still be slower than usual.
fn speed_limit(pool: &PoolSummary, span: &SpanSummary, usual_speed: Option<f64>) -> Limit {
    match (span.output_speed_tokens_per_s, usual_speed) {
        (Some(speed), Some(usual)) if usual > SLOWER * speed => Limit::DecodeSpeed {
            batch: pool.batch_per_rank,
        },
        _ => Limit::Nothing,
    }
}

fn prefill_limit(pool: &PoolSummary) -> Limit {
    Limit::PrefillCompute {
        busy: pool.utilization,
        waiting: pool.queue_length_mean,
    }
}

fn decode_limit(pool: &PoolSummary) -> Limit {
    let by_kv = pool.blocked_by_kv.unwrap_or(0.0);
    let by_batch = pool.blocked_by_batch.unwrap_or(0.0);
    let waiting = pool.queue_length_mean;
    if by_kv == 0.0 && by_batch == 0.0 {
        Limit::DecodeUnits { waiting }
    } else if by_kv >= by_batch {
        Limit::DecodeKvMemory {
            blocked: by_kv,
            held: pool.kv_utilization,
            waiting,
        }
    } else {
        Limit::DecodeBatch {
            blocked: by_batch,
            batch: pool.batch_per_rank,
            waiting,
        }
    }
}
