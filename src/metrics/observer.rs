//! What the cluster tells of itself: one call an event, in the order of time.
//!
//! An observer that does not care leaves a method as it is, and the call compiles to nothing.

use crate::units::{SimDuration, SimTime};
use crate::workload::Request;

/// The place of a request. It is in exactly one place from arrival to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// The request waits for a prefill step.
    PrefillQueue,
    /// The request is being prefilled.
    Prefill,
    /// The request's KV is on the way to decode.
    Transfer,
    /// The request waits to join a decode rank.
    DecodeQueue,
    /// The request is on a decode rank.
    Decode,
    /// The request is not in this pool.
    Outside,
}

impl Joined {
    /// A request whose latest token left at `last_token`.
    #[inline]
    pub fn new(request: &Request, last_token: SimTime) -> Self {
        Self {
            id: request.id,
            class: request.class,
            input: request.input,
            last_token,
        }
    }
}

impl Place {
    /// The places inside a pool, in the order of a request's way.
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
    /// The request got all its tokens.
    Completed,
    /// The request found a full queue.
    Rejected,
    /// The request can never be served.
    Failed,
}

/// A request that is new in a decode step, or whose prompt was computed again in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Joined {
    /// The request's id.
    pub id: u64,
    /// Index of the request's class.
    pub class: u16,
    /// The request's input, in tokens.
    pub input: u32,
    /// When the request's latest token left; `NEVER`: this step makes its first.
    pub last_token: SimTime,
}

/// A decode step, told when it ends.
#[derive(Clone, Copy, Debug)]
pub struct StepRecord<'a> {
    /// Index of the unit.
    pub unit: usize,
    /// When the step began.
    pub from: SimTime,
    /// When the step before ended for those who took part in it: their latest token left then.
    pub since: SimTime,
    /// When the step ended.
    pub to: SimTime,
    /// Number of requests that take part and have taken part in a step of the unit before.
    pub residents: u64,
    /// KV tokens that the requests of the step attended to, in 1/1024.
    pub kv_1024: u64,
    /// Whether prompts were computed in the same step.
    pub shared: bool,
    /// Requests that joined for this step, and are residents of the next ones, until they leave the batch.
    pub joined: &'a [Joined],
    /// Requests whose prompt was computed again, and which get at its end what a step brings.
    pub recomputed: &'a [Joined],
}

/// Defines [`Observer`], and that two observers side by side are one: from one list, so that nothing is told to one of
/// them only.
macro_rules! observers {
    ($($(#[$doc:meta])+ fn $event:ident($($name:ident: $of:ty),*);)+) => {
        /// Hears the events of a pool, in the order of time: no call's `now` is before the last one's.
        pub trait Observer {
            $(
                $(#[$doc])+
                #[inline]
                fn $event(&mut self, $($name: $of),*) {
                    $(let _ = $name;)*
                }
            )+
        }

        /// Two observers side by side: the first hears everything before the second.
        impl<A: Observer, B: Observer> Observer for (A, B) {
            $(
                #[inline]
                fn $event(&mut self, $($name: $of),*) {
                    self.0.$event($($name),*);
                    self.1.$event($($name),*);
                }
            )+
        }
    };
}

observers! {
    /// Time moves on: every event before `now` has been told.
    fn advance(now: SimTime);
    /// A request arrives at the service.
    fn arrived(request: &Request);
    /// A request goes from one place, where it has been since `since`, to another.
    fn moved(now: SimTime, request: &Request, from: Place, since: SimTime, to: Place);
    /// A request's first prefill step begins on a unit.
    fn prefill_started(now: SimTime, request: &Request, unit: usize);
    /// A prefill step begins; `tokens` is their number over all ranks.
    fn prefill_step(now: SimTime, unit: usize, length: SimDuration, tokens: u64);
    /// A request's first token leaves.
    fn first_token(now: SimTime, request: &Request);
    /// A request joins a decode rank after waiting since `since`.
    fn joined(now: SimTime, request: &Request, unit: usize, rank: usize, since: SimTime);
    /// A decode step ends.
    fn decode_step(step: &StepRecord<'_>);
    /// A request that has taken part in a unit's decode steps does so no more: it has its last token, or must go.
    fn left_batch(request: &Request, unit: usize);
    /// A request has its last token, `overshoot_1024` / 1024 token before its last step's end (MTP).
    fn completed(now: SimTime, request: &Request, first_token: SimTime, overshoot_1024: u64);
    /// A request ends without completing.
    fn ended(now: SimTime, request: &Request, fate: Fate);
    /// A request had to leave its full rank.
    fn preempted(now: SimTime, request: &Request);
    /// A request is moved because its unit is released.
    fn migrated(now: SimTime, request: &Request);
    /// A request loses its KV, or its place in a queue, because its unit is lost; so often now.
    fn lost(now: SimTime, request: &Request, times: u32);
    /// A step that would have ended at `until` is lost with its unit; `prompts`: it was told of as a prefill step.
    fn step_lost(now: SimTime, unit: usize, until: SimTime, prompts: bool);
    /// The number of units paid and of units serving or draining changes.
    fn units(now: SimTime, paid: u64, working: u64);
    /// The number of busy units changes.
    fn busy(now: SimTime, units: u64);
    /// The KV tokens resident on all ranks change, in 1/1024.
    fn kv(now: SimTime, kv_1024: u64);
    /// The numbers of units change whose queue waits for KV memory, and for a batch slot.
    fn blocked(now: SimTime, by_kv: u64, by_batch: u64);
    /// When the simulation ends, a request is in `place`, where it has been since `since`; `first_token`:
    /// when its first token left, `NEVER` where it has none.
    fn still_in(request: &Request, place: Place, since: SimTime, first_token: SimTime);
}
