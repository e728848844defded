//! What is compared between the reference and the engine: what became of each request, every step,
//! and a few totals. All times are nanoseconds of the simulation's clock.

use std::fmt::{Debug, Write};

use tokentide::internals::metrics::Place;
use tokentide::internals::workload::Request;

/// What became of one request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Life {
    /// What came, and when.
    pub request: Request,
    /// When its first prefill step began.
    pub started: Option<u64>,
    /// When its first token left.
    pub first_token: Option<u64>,
    /// When its KV arrived: after prefill, and after each migration of resident KV.
    pub kv_arrived: Vec<u64>,
    /// When it joined a decode rank, and which.
    pub joined: Vec<Join>,
    /// When it had to leave a full rank.
    pub preempted: Vec<u64>,
    /// When it had to leave a released unit.
    pub migrated: Vec<u64>,
    /// When it lost its KV, or its place in a queue, with a unit, for which time.
    pub lost: Vec<(u64, u32)>,
    /// The end of the first step after each join, and when the token before it had left.
    pub resumed: Vec<(u64, u64)>,
    /// How it ended.
    pub end: End,
    /// Tokens emitted, in 1/1024.
    pub tokens_1024: u64,
}

/// A join.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Join {
    pub at: u64,
    pub unit: usize,
    pub rank: usize,
    /// Since when it had waited.
    pub since: u64,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum End {
    /// It never arrived.
    #[default]
    Unborn,
    Completed(u64),
    Rejected(u64),
    Failed(u64),
    /// It is still there at the end of the simulation, in this place since then.
    Inside(Place, u64),
}

/// A prefill step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PrefillStep {
    pub from: u64,
    pub unit: usize,
    pub length: u64,
    pub tokens: u64,
}

/// A decode step that ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DecodeStep {
    pub from: u64,
    pub unit: usize,
    pub to: u64,
    pub requests: u64,
    pub kv_1024: u64,
}

/// What the units of a pool do at an instant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    pub paid: u64,
    /// Serving or draining.
    pub working: u64,
    /// With a step running.
    pub busy: u64,
    /// Whose queue waits for KV memory.
    pub blocked_by_kv: u64,
    /// Whose queue waits for a batch slot.
    pub blocked_by_batch: u64,
    /// KV on all ranks, in 1/1024 tokens of short requests.
    pub kv_1024: u64,
}

/// The same, times nanoseconds, over the counted window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UnitTime {
    pub paid: u128,
    pub working: u128,
    pub busy: u128,
    pub blocked_by_kv: u128,
    pub blocked_by_batch: u128,
    pub kv_1024: u128,
}

impl UnitTime {
    /// Adds what the units do from one instant to another.
    pub fn add(&mut self, usage: &Usage, ns: u64) {
        let times = |units: u64| u128::from(units) * u128::from(ns);
        self.paid += times(usage.paid);
        self.working += times(usage.working);
        self.busy += times(usage.busy);
        self.blocked_by_kv += times(usage.blocked_by_kv);
        self.blocked_by_batch += times(usage.blocked_by_batch);
        self.kv_1024 += times(usage.kv_1024);
    }
}

/// All that is compared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// By request id.
    pub lives: Vec<Life>,
    /// In order.
    pub prefill_steps: Vec<PrefillStep>,
    /// In order.
    pub decode_steps: Vec<DecodeStep>,
    /// Of the pool that takes arrivals and of the decode pool.
    pub unit_time: [UnitTime; 2],
}

/// Differing requests that are shown.
const SHOWN: usize = 4;

/// How the engine's history differs from the reference's; `None`: it does not.
pub fn difference(reference: &History, engine: &History) -> Option<String> {
    if reference == engine {
        return None;
    }
    let mut text = String::new();
    let lives = reference.lives.iter().zip(&engine.lives).enumerate();
    let differing = lives.filter(|(_, (one, other))| one != other);
    for (id, (one, other)) in differing.clone().take(SHOWN) {
        show(&mut text, &format!("request {id}"), one, other);
    }
    let counts = [reference.lives.len(), engine.lives.len()];
    if counts[0] != counts[1] {
        show(&mut text, "requests", &counts[0], &counts[1]);
    }
    let _ = writeln!(text, "{} requests differ", differing.count());
    let (ours, theirs) = (&reference.prefill_steps, &engine.prefill_steps);
    first(&mut text, "prefill step", ours, theirs);
    let (ours, theirs) = (&reference.decode_steps, &engine.decode_steps);
    first(&mut text, "decode step", ours, theirs);
    for (pool, (one, other)) in reference
        .unit_time
        .iter()
        .zip(&engine.unit_time)
        .enumerate()
    {
        if one != other {
            show(
                &mut text,
                ["units that take arrivals", "decode units"][pool],
                one,
                other,
            );
        }
    }
    Some(text)
}

/// The first element in which two lists differ.
fn first<T: Debug + PartialEq>(text: &mut String, what: &str, ours: &[T], theirs: &[T]) {
    let at = ours.iter().zip(theirs).take_while(|(a, b)| a == b).count();
    if at < ours.len().max(theirs.len()) {
        show(
            text,
            &format!("{what} {at}"),
            &ours.get(at),
            &theirs.get(at),
        );
    }
}

fn show<T: Debug>(text: &mut String, what: &str, reference: &T, engine: &T) {
    let _ = writeln!(
        text,
        "{what}\n  reference {reference:?}\n  engine    {engine:?}"
    );
}
