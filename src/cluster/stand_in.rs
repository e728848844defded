//! What stands for a pool that is played apart, or is not there, and for who calls.
//!
//! [`Outbox`] takes what a decode pool would be handed, and [`Inbox`] hands a decode pool what a pool that takes
//! arrivals has handed over before.

use super::Handover;
use super::controller::{PoolView, UnitOrder};
use super::instant::{BackPool, Callers, ClusterPool, FrontPool, LostSender};
use super::past::Lost;
use crate::units::SimTime;
use crate::workload::Request;

/// A queue of things in the order of time, taken one by one.
#[derive(Clone, Debug)]
pub struct TimedQueue<T> {
    items: Vec<T>,
    taken: usize,
}

impl<T> Default for TimedQueue<T> {
    fn default() -> Self {
        Self {
            items: Vec::new(),
            taken: 0,
        }
    }
}

impl<T: Timed> TimedQueue<T> {
    /// Exchanges the things in the queue for others, in the order of time, and begins with the first of them.
    pub fn swap(&mut self, items: &mut Vec<T>) {
        std::mem::swap(&mut self.items, items);
        self.taken = 0;
    }

    /// When the next thing comes; `NEVER`: none is left.
    #[inline]
    pub fn next(&self) -> SimTime {
        self.items.get(self.taken).map_or(SimTime::NEVER, T::at)
    }

    /// Takes the things that come now.
    #[inline]
    pub fn take(&mut self, now: SimTime) -> &[T] {
        let from = self.taken;
        while self
            .items
            .get(self.taken)
            .is_some_and(|item| item.at() == now)
        {
            self.taken += 1;
        }
        self.items.get(from..self.taken).unwrap_or(&[])
    }
}

/// A thing that comes at an instant.
pub trait Timed {
    /// When the thing comes.
    fn at(&self) -> SimTime;
}

impl Timed for Request {
    #[inline]
    fn at(&self) -> SimTime {
        self.at
    }
}

impl Timed for Handover {
    #[inline]
    fn at(&self) -> SimTime {
        self.at
    }
}

/// Callers whose requests come whatever happens.
pub type OpenCallers = TimedQueue<Request>;

impl<F, B> Callers<F, B> for OpenCallers {
    #[inline]
    fn next(&self) -> SimTime {
        TimedQueue::next(self)
    }

    #[inline]
    fn hear(&mut self, _now: SimTime, _front: &mut F, _back: &mut B) {}

    #[inline]
    fn call(&mut self, now: SimTime, arrive: impl FnMut(&Request)) {
        self.take(now).iter().for_each(arrive);
    }
}

/// No callers: those of a decode pool that is played apart.
#[derive(Clone, Copy, Debug)]
pub struct NoCallers;

impl<F, B> Callers<F, B> for NoCallers {
    fn next(&self) -> SimTime {
        SimTime::NEVER
    }

    fn hear(&mut self, _now: SimTime, _front: &mut F, _back: &mut B) {}

    fn call(&mut self, _now: SimTime, _arrive: impl FnMut(&Request)) {}
}

/// The stand-in for a pool that takes arrivals and has been played before.
pub type Inbox = TimedQueue<Handover>;

impl ClusterPool for Inbox {
    #[inline]
    fn next(&self) -> SimTime {
        TimedQueue::next(self)
    }
}

impl FrontPool for Inbox {
    #[inline]
    fn settle_changes(&mut self, _now: SimTime) -> Vec<LostSender> {
        Vec::new()
    }

    fn come_back(&mut self, _now: SimTime, _lost: Lost) {}

    #[inline]
    fn end_steps(&mut self, now: SimTime, back: &mut impl BackPool) {
        for handover in self.take(now) {
            back.hand_over(now, handover);
        }
    }

    fn arrive(&mut self, _now: SimTime, _request: &Request) {}
}

/// The stand-in for the decode pool: keeps what that would be handed.
#[derive(Clone, Debug, Default)]
pub struct Outbox(pub Vec<Handover>);

impl ClusterPool for Outbox {
    fn next(&self) -> SimTime {
        SimTime::NEVER
    }
}

impl BackPool for Outbox {
    #[inline]
    fn settle_changes(&mut self, _now: SimTime, _senders: &[LostSender]) -> Vec<Lost> {
        Vec::new()
    }

    fn end_steps(&mut self, _now: SimTime) {}

    #[inline]
    fn inbox(&mut self) -> &mut Vec<Handover> {
        &mut self.0
    }

    fn take_over(&mut self, _now: SimTime) {}

    #[inline]
    fn hand_over(&mut self, _now: SimTime, handover: &Handover) {
        self.0.push(*handover);
    }

    fn land(&mut self, _now: SimTime) {}
}

/// The decode pool, or its stand-in where the scenario has none.
pub enum MaybeBack<B> {
    /// The scenario's decode pool.
    Pool(B),
    /// The stand-in: the scenario has no decode pool.
    Nobody(Outbox),
}

impl<B> MaybeBack<B> {
    /// This pool, or the stand-in for none.
    pub fn new(pool: Option<B>) -> Self {
        pool.map_or_else(|| Self::Nobody(Outbox::default()), Self::Pool)
    }

    /// The pool; `None`: there is none.
    pub fn pool(&self) -> Option<&B> {
        match self {
            Self::Pool(pool) => Some(pool),
            Self::Nobody(_) => None,
        }
    }

    /// The pool, to change it; `None`: there is none.
    #[inline]
    pub fn pool_mut(&mut self) -> Option<&mut B> {
        match self {
            Self::Pool(pool) => Some(pool),
            Self::Nobody(_) => None,
        }
    }

    /// The pool, when everything is over; `None`: there is none.
    pub fn into_pool(self) -> Option<B> {
        match self {
            Self::Pool(pool) => Some(pool),
            Self::Nobody(_) => None,
        }
    }
}

impl<B: BackPool> ClusterPool for MaybeBack<B> {
    #[inline]
    fn next(&self) -> SimTime {
        self.pool().map_or(SimTime::NEVER, B::next)
    }

    #[inline]
    fn advance(&mut self, now: SimTime) {
        self.pool_mut()
            .into_iter()
            .for_each(|pool| pool.advance(now));
    }

    #[inline]
    fn report(&mut self, now: SimTime) {
        self.pool_mut()
            .into_iter()
            .for_each(|pool| pool.report(now));
    }

    #[inline]
    fn begin_serving(&mut self, now: SimTime) -> bool {
        self.pool_mut().is_some_and(|pool| pool.begin_serving(now))
    }

    fn obey(&mut self, now: SimTime, order: UnitOrder) {
        self.pool_mut()
            .into_iter()
            .for_each(|pool| pool.obey(now, order));
    }

    fn seen(&self) -> Option<PoolView> {
        self.pool().and_then(B::seen)
    }

    #[inline]
    fn start_steps(&mut self, now: SimTime) {
        self.pool_mut()
            .into_iter()
            .for_each(|pool| pool.start_steps(now));
    }
}

impl<B: BackPool> BackPool for MaybeBack<B> {
    #[inline]
    fn settle_changes(&mut self, now: SimTime, senders: &[LostSender]) -> Vec<Lost> {
        let lost = self
            .pool_mut()
            .map(|pool| pool.settle_changes(now, senders));
        lost.unwrap_or_default()
    }

    #[inline]
    fn end_steps(&mut self, now: SimTime) {
        self.pool_mut()
            .into_iter()
            .for_each(|pool| pool.end_steps(now));
    }

    #[inline]
    fn inbox(&mut self) -> &mut Vec<Handover> {
        match self {
            Self::Pool(pool) => pool.inbox(),
            Self::Nobody(outbox) => outbox.inbox(),
        }
    }

    #[inline]
    fn take_over(&mut self, now: SimTime) {
        self.pool_mut()
            .into_iter()
            .for_each(|pool| pool.take_over(now));
    }

    #[inline]
    fn hand_over(&mut self, now: SimTime, handover: &Handover) {
        match self {
            Self::Pool(pool) => pool.hand_over(now, handover),
            Self::Nobody(outbox) => outbox.hand_over(now, handover),
        }
    }

    #[inline]
    fn land(&mut self, now: SimTime) {
        self.pool_mut().into_iter().for_each(|pool| pool.land(now));
    }
}
