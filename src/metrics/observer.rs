//! What the cluster tells of itself: one call an event, in the order of time.
//!
//! An observer that does not care leaves a method as it is, and the call compiles to nothing.

use crate::units::{SimDuration, SimTime};
use crate::workload::Request;

/// Where a request is. It is in exactly one place from arrival to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// Waiting for a prefill step.
    PrefillQueue,
    /// Being prefilled.
    Prefill,
    /// Its KV is on the way.
    Transfer,
    /// Waiting to join a decode rank.
    DecodeQueue,
    /// On a decode rank.
    Decode,
    /// Not in this pool.
    Outside,
}

impl Place {
    /// The places inside, in order.
    pub const INSIDE: [Self; 5] = [
        Self::PrefillQueue,
        Self::Prefill,
        Self::Transfer,
        Self::DecodeQueue,
        Self::Decode,
    ];
}

/// How a request ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fate {
    /// It got all its tokens.
    Completed,
    /// It found a full queue.
    Rejected,
    /// It can never be served.
    Failed,
}

/// A request that is new in a decode step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Joined {
    /// The request's id.
    pub id: u64,
    /// Its kind (see [`Observer::kind`]).
    pub kind: u16,
    /// When its latest token left; `NEVER`: this step makes its first.
    pub last_token: SimTime,
}

/// A decode step, told when it ends.
#[derive(Clone, Copy, Debug)]
pub struct StepRecord<'a> {
    /// Unit index.
    pub unit: usize,
    /// When it began.
    pub from: SimTime,
    /// When the step before ended for those who took part in it: their latest token left then.
    pub since: SimTime,
    /// When it ended.
    pub to: SimTime,
    /// Requests that had taken part in the step before, by kind (see [`Observer::kind`]).
    pub requests_by_kind: &'a [u64],
    /// KV tokens that they attended to, in 1/1024.
    pub kv_1024: u64,
    /// Whether prompts were computed in the same step.
    pub shared: bool,
    /// Progress of each request, in 1/1024 token.
    pub progress_1024: u64,
    /// Requests that joined for this step.
    pub joined: &'a [Joined],
}

/// Hears what happens in a pool. Every call's `now` is at or after the one before.
pub trait Observer {
    /// Time moves on: every event before `now` has been told.
    fn advance(&mut self, _now: SimTime) {}
    /// A request arrives at the service.
    fn arrived(&mut self, _request: &Request) {}
    /// A request goes from one place, where it has been since `since`, to another.
    fn moved(
        &mut self,
        _now: SimTime,
        _request: &Request,
        _from: Place,
        _since: SimTime,
        _to: Place,
    ) {
    }
    /// A request's first prefill step begins on a unit.
    fn prefill_started(&mut self, _now: SimTime, _request: &Request) {}
    /// A prefill step begins; `tokens` over all ranks.
    fn prefill_step(&mut self, _now: SimTime, _unit: usize, _length: SimDuration, _tokens: u64) {}
    /// A request's first token leaves.
    fn first_token(&mut self, _now: SimTime, _request: &Request) {}
    /// A request joins a decode rank after waiting since `since`.
    fn joined(
        &mut self,
        _now: SimTime,
        _request: &Request,
        _unit: usize,
        _rank: usize,
        _since: SimTime,
    ) {
    }
    /// A decode step ends.
    fn decode_step(&mut self, _step: &StepRecord<'_>) {}
    /// A request has its last token, `overshoot_1024` / 1024 token before its last step's end (MTP).
    fn completed(
        &mut self,
        _now: SimTime,
        _request: &Request,
        _first_token: SimTime,
        _overshoot_1024: u64,
    ) {
    }
    /// A request ends without completing.
    fn ended(&mut self, _now: SimTime, _request: &Request, _fate: Fate) {}
    /// A request had to leave its full rank.
    fn preempted(&mut self, _now: SimTime, _request: &Request) {}
    /// A request is moved because its unit is released.
    fn migrated(&mut self, _now: SimTime, _request: &Request) {}
    /// The number of units paid and of units serving or draining changes.
    fn units(&mut self, _now: SimTime, _paid: u64, _working: u64) {}
    /// The number of busy units changes.
    fn busy(&mut self, _now: SimTime, _units: u64) {}
    /// KV tokens resident on all ranks, in 1/1024.
    fn kv(&mut self, _now: SimTime, _kv_1024: u64) {}
    /// Units whose queue waits for KV memory, and for a batch slot.
    fn blocked(&mut self, _now: SimTime, _by_kv: u64, _by_batch: u64) {}
    /// When the simulation ends, a request is in `place`, where it has been since `since`; `first_token`:
    /// when its first token left, `NEVER` where it has none.
    fn still_in(
        &mut self,
        _request: &Request,
        _place: Place,
        _since: SimTime,
        _first_token: SimTime,
    ) {
    }
    /// The kind of a request: what per-kind counts of [`StepRecord`] are indexed by.
    fn kind(&self, _request: &Request) -> u16 {
        0
    }
    /// How many kinds there are.
    fn kinds(&self) -> usize {
        1
    }
}

/// Hears nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unobserved;

impl Observer for Unobserved {}
