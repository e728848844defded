//! One instant of the cluster (S2): the only place where the order of events at an instant is written.
//!
//! A [`Cluster`] is two pools side by side, and who sends them requests. Where nothing flows back, its two pools may
//! be played apart, each with a stand-in for the other: [`Outbox`] takes what a decode pool would be handed, and
//! [`Inbox`] hands a decode pool what a pool that takes arrivals has ended before. Both play their parts of the
//! same `Cluster::instant`.

use super::Handover;
use crate::units::SimTime;
use crate::workload::Request;

/// The pool that takes arrivals, or its stand-in.
pub trait FrontPool {
    /// When something next happens here by itself.
    fn next(&self) -> SimTime;
    /// Its observer hears that time moves on.
    fn advance(&mut self, now: SimTime);
    /// Phase 0: load reports are taken, if they are due.
    fn report(&mut self, now: SimTime);
    /// Phase 1: units change.
    fn change(&mut self, now: SimTime);
    /// Phase 2: steps end, and what goes on to decode is handed over.
    fn end_steps(&mut self, now: SimTime, back: &mut impl BackPool);
    /// Phase 4: a request arrives.
    fn arrive(&mut self, now: SimTime, request: &Request);
    /// Phase 5: batches are formed, steps start.
    fn start_steps(&mut self, now: SimTime);
}

/// The pool that takes what the first one hands over, or its stand-in.
pub trait BackPool {
    /// When something next happens here by itself.
    fn next(&self) -> SimTime;
    /// Its observer hears that time moves on.
    fn advance(&mut self, now: SimTime);
    /// Phase 0: load reports are taken, if they are due.
    fn report(&mut self, now: SimTime);
    /// Phase 1: units change.
    fn change(&mut self, now: SimTime);
    /// Phase 2: steps end.
    fn end_steps(&mut self, now: SimTime);
    /// Where the first pool puts what it hands over, for [`BackPool::take_over`].
    fn inbox(&mut self) -> &mut Vec<Handover>;
    /// Phase 2, as the first pool's steps end: what is in the inbox is taken over.
    fn take_over(&mut self, now: SimTime);
    /// Phase 2: a request is routed, its KV on its way.
    fn hand_over(&mut self, now: SimTime, handover: &Handover);
    /// Phase 3: transfers arrive.
    fn land(&mut self, now: SimTime);
    /// Phase 5: queues are admitted, steps start.
    fn start_steps(&mut self, now: SimTime);
}

/// Who sends requests to a cluster of these pools.
pub trait Callers<F, B> {
    /// When the next request arrives.
    fn next(&self) -> SimTime;
    /// They hear which requests have ended at this instant, so far.
    fn hear(&mut self, now: SimTime, front: &mut F, back: &mut B);
    /// Hands the requests that arrive now to `arrive`, in the order of their ids.
    fn call(&mut self, now: SimTime, arrive: impl FnMut(&Request));
}

/// The pools of a scenario, or one of them and a stand-in.
#[derive(Clone, Debug)]
pub struct Cluster<F, B> {
    /// The pool that takes arrivals.
    pub front: F,
    /// The decode pool.
    pub back: B,
    /// Whether the decode pool stands before the other one in the file (S2).
    pub back_first: bool,
}

impl<F: FrontPool, B: BackPool> Cluster<F, B> {
    /// Plays every instant before `until`.
    pub fn advance(&mut self, until: SimTime, callers: &mut impl Callers<F, B>) {
        loop {
            let planned = self.front.next().min(self.back.next());
            let now = planned.min(callers.next());
            if now >= until {
                break;
            }
            self.instant(now, callers);
        }
        self.front.advance(until);
        self.back.advance(until);
    }

    /// Everything that happens at one instant, in the order of S2.
    #[inline]
    fn instant(&mut self, now: SimTime, callers: &mut impl Callers<F, B>) {
        let (front, back) = (&mut self.front, &mut self.back);
        front.advance(now);
        back.advance(now);
        front.report(now);
        back.report(now);
        front.change(now);
        back.change(now);
        if self.back_first {
            back.end_steps(now);
        }
        front.end_steps(now, back);
        if !self.back_first {
            back.end_steps(now);
        }
        back.land(now);
        callers.hear(now, front, back);
        callers.call(now, |request| front.arrive(now, request));
        front.start_steps(now);
        back.start_steps(now);
        callers.hear(now, front, back);
    }
}

/// Things in the order of time, taken one by one.
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
    /// Changes what it holds for something else, in the order of time, from the first on.
    pub fn swap(&mut self, items: &mut Vec<T>) {
        std::mem::swap(&mut self.items, items);
        self.taken = 0;
    }

    /// When the next one comes.
    #[inline]
    pub fn next(&self) -> SimTime {
        self.items.get(self.taken).map_or(SimTime::NEVER, T::at)
    }

    /// Takes those that come now.
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

/// What comes at a time.
pub trait Timed {
    /// When.
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

/// Callers who come whatever happens.
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

/// Nobody calls a decode pool that is played apart.
#[derive(Clone, Copy, Debug)]
pub struct NoCallers;

impl<F, B> Callers<F, B> for NoCallers {
    fn next(&self) -> SimTime {
        SimTime::NEVER
    }

    fn hear(&mut self, _now: SimTime, _front: &mut F, _back: &mut B) {}

    fn call(&mut self, _now: SimTime, _arrive: impl FnMut(&Request)) {}
}

/// Stands for the pool that takes arrivals, and has been played before.
pub type Inbox = TimedQueue<Handover>;

impl FrontPool for Inbox {
    #[inline]
    fn next(&self) -> SimTime {
        TimedQueue::next(self)
    }

    fn advance(&mut self, _now: SimTime) {}

    fn report(&mut self, _now: SimTime) {}

    fn change(&mut self, _now: SimTime) {}

    #[inline]
    fn end_steps(&mut self, now: SimTime, back: &mut impl BackPool) {
        for handover in self.take(now) {
            back.hand_over(now, handover);
        }
    }

    fn arrive(&mut self, _now: SimTime, _request: &Request) {}

    fn start_steps(&mut self, _now: SimTime) {}
}

/// Stands for the decode pool, if there is one: keeps what it would be handed.
#[derive(Clone, Debug, Default)]
pub struct Outbox(pub Vec<Handover>);

impl BackPool for Outbox {
    fn next(&self) -> SimTime {
        SimTime::NEVER
    }

    fn advance(&mut self, _now: SimTime) {}

    fn report(&mut self, _now: SimTime) {}

    fn change(&mut self, _now: SimTime) {}

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

    fn start_steps(&mut self, _now: SimTime) {}
}

/// A pool, or its stand-in where the scenario has none.
#[derive(Clone, Debug)]
pub enum MaybeBack<B> {
    /// A pool.
    Pool(B),
    /// None.
    Nobody(Outbox),
}

impl<B> MaybeBack<B> {
    /// This pool, if there is one.
    pub fn new(pool: Option<B>) -> Self {
        pool.map_or_else(|| Self::Nobody(Outbox::default()), Self::Pool)
    }

    /// The pool.
    pub fn pool(&self) -> Option<&B> {
        match self {
            Self::Pool(pool) => Some(pool),
            Self::Nobody(_) => None,
        }
    }

    /// The pool, to change it.
    #[inline]
    pub fn pool_mut(&mut self) -> Option<&mut B> {
        match self {
            Self::Pool(pool) => Some(pool),
            Self::Nobody(_) => None,
        }
    }

    /// The pool, when everything is over.
    pub fn into_pool(self) -> Option<B> {
        match self {
            Self::Pool(pool) => Some(pool),
            Self::Nobody(_) => None,
        }
    }
}

impl<B: BackPool> BackPool for MaybeBack<B> {
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
    fn change(&mut self, now: SimTime) {
        self.pool_mut()
            .into_iter()
            .for_each(|pool| pool.change(now));
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

    #[inline]
    fn start_steps(&mut self, now: SimTime) {
        self.pool_mut()
            .into_iter()
            .for_each(|pool| pool.start_steps(now));
    }
}
