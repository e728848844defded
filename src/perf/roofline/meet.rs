//! How the ranks of a unit meet in a step.
//!
//! A rank's *own part* hangs on its own load: projections, attention, dense networks, shared experts, gate,
//! logits, the host. The *shared part* hangs on the tokens of all ranks: the routed experts of the busiest
//! accelerator, and what it receives in dispatch and sends back in combine. Ranks meet at every exchange, so
//! a step lasts as long as the longest own part and the shared part; what a rank itself sends to experts and
//! takes back replaces the unit's where it is longer. A unit runs all its ranks in one mode, the quicker one.
//!
//! The formulas stand here once, for seconds (what `explain` shows) and for whole picoseconds (what the
//! engine uses).

use std::ops::Add;

/// A length of time: picoseconds, or seconds.
pub trait Time: Copy + Default + Add<Output = Self> {
    /// The longer of two times.
    #[must_use]
    fn longer(self, other: Self) -> Self;
}

impl Time for u64 {
    #[inline]
    fn longer(self, other: Self) -> Self {
        self.max(other)
    }
}

impl Time for f64 {
    fn longer(self, other: Self) -> Self {
        self.max(other)
    }
}

/// The shared part of a step in one mode, over all layers with experts.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Shared<T> {
    /// Time until the busiest accelerator has received its tokens.
    pub dispatch: T,
    /// Time of the busiest accelerator's routed experts.
    pub experts: T,
    /// Time until the busiest accelerator has sent its tokens back.
    pub combine: T,
}

/// The shared part in both modes. A mode that does not run takes for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Both<T> {
    /// Shared part of a step of one batch.
    pub plain: Shared<T>,
    /// Shared part of a step of two micro-batches that overlap.
    pub overlapped: Shared<T>,
}

/// Attention over what a rank holds: in all layers; and with two micro-batches, in layers without experts
/// and beside an exchange.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Attended<T> {
    /// Time in all layers.
    pub all: T,
    /// Time in layers without experts, with two micro-batches.
    pub dense: T,
    /// Time in layers with experts, in each stage that runs beside an exchange.
    pub moe: T,
}

/// A rank's own part of a step of one batch, part after part.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Plain<T> {
    /// Time of what the rank computes by itself.
    pub alone: T,
    /// Time of the rank's own sending to experts.
    pub send: T,
    /// Time in which the rank takes tokens back from experts.
    pub receive: T,
}

/// A rank's own part of a decode step in five stages: dispatch runs beside the shared experts and the
/// projections before the core, combine beside the core and what follows it; routed experts run alone.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Stages<T> {
    /// Time of dense layers and of what a step has once.
    pub fixed: T,
    /// Time of what runs beside dispatch, or of the rank's own sending where that is longer.
    pub first: T,
    /// Time in which the rank takes tokens back from experts.
    pub receive: T,
    /// Time of what runs beside combine, attention's growth with the KV aside.
    pub second: T,
}

/// A rank's own part of a prefill step of two micro-batches whose stages overlap pairwise.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Pairwise<T> {
    /// Time of dense layers and of what a step has once.
    pub fixed: T,
    /// Time of the rank's own sending to experts.
    pub send: T,
    /// Time in which the rank takes tokens back from experts.
    pub receive: T,
    /// Time of the shared experts.
    pub shared: T,
    /// Time of attention and gate, attention's growth with the pairs aside.
    pub attention: T,
    /// Time of attention, gate and shared experts, attention's growth with the pairs aside.
    pub both: T,
}

/// A rank's own part of a step in one mode.
pub trait Own<T>: Copy + Default {
    /// The time of a step of a unit of which this rank is the busiest.
    fn step(self, shared: Shared<T>, attended: Attended<T>) -> T;
}

impl<T: Time> Own<T> for Plain<T> {
    #[inline]
    fn step(self, shared: Shared<T>, attended: Attended<T>) -> T {
        self.alone
            + attended.all
            + shared.dispatch.longer(self.send)
            + shared.experts
            + shared.combine.longer(self.receive)
    }
}

impl<T: Time> Own<T> for Stages<T> {
    #[inline]
    fn step(self, shared: Shared<T>, attended: Attended<T>) -> T {
        let second = self.second + attended.moe;
        self.fixed
            + attended.dense
            + shared.dispatch.longer(self.first)
            + shared.experts
            + shared.combine.longer(self.receive).longer(second)
    }
}

impl<T: Time> Own<T> for Pairwise<T> {
    #[inline]
    fn step(self, shared: Shared<T>, attended: Attended<T>) -> T {
        let dispatch = shared.dispatch.longer(self.send);
        let combine = shared.combine.longer(self.receive);
        self.fixed
            + attended.dense
            + shared.experts.longer(dispatch)
            + (shared.experts + self.shared).longer(combine)
            + combine.longer(self.both + attended.moe)
            + dispatch.longer(self.attention + attended.moe)
    }
}

/// A rank's own part in both modes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Ways<T, O> {
    /// Own part of a step of one batch.
    pub plain: Plain<T>,
    /// Own part of a step of two micro-batches that overlap.
    pub overlapped: O,
}

/// Times of a step of a unit whose ranks are alike, in seconds; a mode that does not run takes for ever.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// Time of one batch, in seconds.
    pub plain: f64,
    /// Time of two micro-batches that overlap, in seconds.
    pub overlapped: f64,
}

impl Times {
    /// Time of the quicker mode, in seconds.
    pub fn quicker(self) -> f64 {
        self.plain.min(self.overlapped)
    }

    /// The times of a step that lasts `least` seconds at least.
    #[must_use]
    pub fn at_least(self, least: f64) -> Self {
        Self {
            plain: self.plain.max(least),
            overlapped: self.overlapped.max(least),
        }
    }
}

impl<O: Own<f64>> Ways<f64, O> {
    /// Times of a step of a unit of which this rank is the busiest, in seconds.
    pub fn times(self, shared: Both<f64>, attended: Attended<f64>) -> Times {
        Times {
            plain: self.plain.step(shared.plain, attended),
            overlapped: self.overlapped.step(shared.overlapped, attended),
        }
    }
}

/// Times that can be rounded to whole numbers.
pub trait Whole {
    /// The type of these times in picoseconds.
    type Of;
    /// Rounds every time by `to`.
    fn whole(self, to: impl Fn(f64) -> u64) -> Self::Of;
}

impl Whole for Shared<f64> {
    type Of = Shared<u64>;
    fn whole(self, to: impl Fn(f64) -> u64) -> Shared<u64> {
        Shared {
            dispatch: to(self.dispatch),
            experts: to(self.experts),
            combine: to(self.combine),
        }
    }
}

impl Whole for Plain<f64> {
    type Of = Plain<u64>;
    fn whole(self, to: impl Fn(f64) -> u64) -> Plain<u64> {
        Plain {
            alone: to(self.alone),
            send: to(self.send),
            receive: to(self.receive),
        }
    }
}

impl Whole for Stages<f64> {
    type Of = Stages<u64>;
    fn whole(self, to: impl Fn(f64) -> u64) -> Stages<u64> {
        Stages {
            fixed: to(self.fixed),
            first: to(self.first),
            receive: to(self.receive),
            second: to(self.second),
        }
    }
}

impl Whole for Pairwise<f64> {
    type Of = Pairwise<u64>;
    fn whole(self, to: impl Fn(f64) -> u64) -> Pairwise<u64> {
        Pairwise {
            fixed: to(self.fixed),
            send: to(self.send),
            receive: to(self.receive),
            shared: to(self.shared),
            attention: to(self.attention),
            both: to(self.both),
        }
    }
}
