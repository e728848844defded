//! Controllers (S10): who takes units, drains, releases and loses them, in phase 1 of an instant.
//!
//! A pool's schedule is one of them. A controller performs no I/O and reads no clock; what it draws comes from a
//! [`crate::workload::random::Stream`] named after it, so that a controller more changes no draws of others.

use std::fmt;

use crate::units::SimTime;

/// A controller: changes units on what it sees.
pub trait Controller: Send {
    /// When the controller next has something to do; `NEVER`: it has nothing more.
    fn next(&self) -> SimTime;
    /// Acts at that time: sees the pools, in the order of the file, and appends what is to change. It must have
    /// nothing more to do at this time.
    fn act(&mut self, now: SimTime, pools: &[PoolView], orders: &mut Vec<ControlOrder>);
    /// Whether the controller looks at the pools; false: it is shown none.
    fn looks(&self) -> bool {
        true
    }
}

impl fmt::Debug for dyn Controller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "controller, next at {}", self.next())
    }
}

/// A pool as controllers see it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PoolView {
    /// Units of the pool, by index.
    pub units: Vec<UnitView>,
    /// Requests for which no unit serves, now.
    pub unrouted: u64,
}

/// A unit as controllers see it: its life as it is; the rest as old as the pool's load reports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UnitView {
    /// State of the unit's life.
    pub life: UnitLife,
    /// Requests in its queue.
    pub queued: u64,
    /// Requests on its ranks.
    pub served: u64,
}

/// The state of a unit's life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnitLife {
    /// The unit is not paid and can be taken.
    #[default]
    Free,
    /// The unit is paid, and does not serve yet, or never will.
    Starting,
    /// The unit takes work.
    Serving,
    /// The unit takes no more work.
    Draining,
    /// The unit will be given back as its step ends.
    Leaving,
}

/// An order of a controller: a change in one pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ControlOrder {
    /// Index of the pool in the file.
    pub pool: usize,
    /// Change that is ordered.
    pub change: UnitOrder,
}

/// What is to change in a pool. What does not fit the life of the unit has no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnitOrder {
    /// The free unit of the lowest index, or a new one, is paid from now on.
    Take {
        /// When the unit begins to serve; `NEVER`: it does not.
        serves: SimTime,
        /// When the unit will be released, if it is told so now: it starts no step that would end then or later.
        until: SimTime,
    },
    /// The unit takes no more work.
    Drain(u32),
    /// The unit is given back, as soon as no step of it runs; what it holds moves.
    Release(u32),
    /// The unit is gone, and with it its running step and all KV on it.
    Lose(u32, AfterLoss),
}

/// What becomes of the requests of a lost unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterLoss {
    /// The requests start again elsewhere, from what they have emitted.
    Again,
    /// The requests fail.
    Fail,
}
