//! One instant of the cluster (S2): the only place where the order of events at an instant is written.
//!
//! A [`Cluster`] is two pools side by side, and who sends them requests. Where nothing flows back, its two pools may
//! be played apart, each with a stand-in for the other ([`super::stand_in`]). Both play their parts of the same
//! `Cluster::instant`.

use super::Handover;
use super::controller::{AfterLoss, ControlOrder, Controller, PoolView, UnitOrder};
use super::past::Lost;
use crate::units::SimTime;
use crate::workload::Request;

/// What both pools of a cluster do at an instant. What a stand-in has no units for is nothing by default.
pub trait ClusterPool {
    /// When something next happens in the pool by itself.
    fn next(&self) -> SimTime;
    /// Tells the pool's observer that time moves on.
    fn advance(&mut self, _now: SimTime) {}
    /// Phase 0: takes load reports, if they are due.
    fn report(&mut self, _now: SimTime) {}
    /// Phase 1: lets units serve whose start-up is over. Says whether there are any.
    fn begin_serving(&mut self, _now: SimTime) -> bool {
        false
    }
    /// Phase 1: carries out a change that a controller has ordered.
    fn obey(&mut self, _now: SimTime, _order: UnitOrder) {}
    /// The pool as controllers see it; `None`: it is a stand-in.
    fn seen(&self) -> Option<PoolView> {
        None
    }
    /// Phase 5: forms batches or admits from queues, and starts steps.
    fn start_steps(&mut self, _now: SimTime) {}
}

/// The pool that takes arrivals, or its stand-in.
pub trait FrontPool: ClusterPool {
    /// Phase 1, when all units have changed: what waited for one is routed, what was on others moves. Says which
    /// senders of KV are lost.
    fn settle_changes(&mut self, now: SimTime) -> Vec<LostSender>;
    /// Phase 1: takes back a request whose KV the other pool has lost.
    fn come_back(&mut self, now: SimTime, lost: Lost);
    /// Phase 2: ends steps, and hands over what goes on to decode.
    fn end_steps(&mut self, now: SimTime, back: &mut impl BackPool);
    /// Phase 4: takes in a request that arrives.
    fn arrive(&mut self, now: SimTime, request: &Request);
}

/// The pool that takes what the first one hands over, or its stand-in.
pub trait BackPool: ClusterPool {
    /// Phase 1, when all units have changed: what waited for one is routed, what was on others moves. Returns whose
    /// KV is lost, in the order in which they go back.
    fn settle_changes(&mut self, now: SimTime, senders: &[LostSender]) -> Vec<Lost>;
    /// Phase 2: ends steps.
    fn end_steps(&mut self, now: SimTime);
    /// Inbox where the first pool puts what it hands over, for [`BackPool::take_over`].
    fn inbox(&mut self) -> &mut Vec<Handover>;
    /// Phase 2, as the first pool's steps end: takes over what is in the inbox.
    fn take_over(&mut self, now: SimTime);
    /// Phase 2: routes a request whose KV is on its way.
    fn hand_over(&mut self, now: SimTime, handover: &Handover);
    /// Phase 3: lands transfers that arrive.
    fn land(&mut self, now: SimTime);
}

/// The callers of a cluster: they send its requests.
pub trait Callers<F, B> {
    /// When the next request arrives.
    fn next(&self) -> SimTime;
    /// Tells the callers which requests have ended at this instant, so far.
    fn hear(&mut self, now: SimTime, front: &mut F, back: &mut B);
    /// Hands the requests that arrive now to `arrive`, in the order of their ids.
    fn call(&mut self, now: SimTime, arrive: impl FnMut(&Request));
}

/// A unit that was sending KV, in a life of this number, and is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LostSender {
    /// Index of the unit.
    pub unit: u32,
    /// Number of the unit's life that has ended.
    pub life: u32,
    /// What becomes of the unit's requests.
    pub after: AfterLoss,
}

/// The pools of a scenario, or one of them and a stand-in.
pub struct Cluster<F, B> {
    /// The pool that takes arrivals.
    pub front: F,
    /// The decode pool.
    pub back: B,
    /// Whether the decode pool stands before the other one in the file (S2).
    back_first: bool,
    /// Controllers that change units, in the order in which they act.
    controllers: Vec<Box<dyn Controller>>,
    /// When some controller acts next.
    next_control: SimTime,
    orders: Vec<ControlOrder>,
}

impl<F: FrontPool, B: BackPool> Cluster<F, B> {
    /// A cluster of these pools, or one of them and a stand-in, under these controllers.
    pub fn new(front: F, back: B, back_first: bool, controllers: Vec<Box<dyn Controller>>) -> Self {
        let mut cluster = Self {
            front,
            back,
            back_first,
            controllers,
            next_control: SimTime::NEVER,
            orders: Vec::new(),
        };
        cluster.find_next_control();
        cluster
    }

    fn find_next_control(&mut self) {
        let next = self.controllers.iter().map(|c| c.next()).min();
        self.next_control = next.unwrap_or(SimTime::NEVER);
    }

    /// Plays every instant before `until`.
    pub fn advance(&mut self, until: SimTime, callers: &mut impl Callers<F, B>) {
        loop {
            let (front, back) = (self.front.next(), self.back.next());
            let planned = front.min(back).min(self.next_control);
            let now = planned.min(callers.next());
            if now >= until {
                break;
            }
            self.instant(now, (front == now, back == now), callers);
        }
        self.front.advance(until);
        self.back.advance(until);
    }

    /// Plays one instant, in the order of S2; of each pool it is said whether anything is due by itself.
    #[inline]
    fn instant(
        &mut self,
        now: SimTime,
        (of_front, of_back): (bool, bool),
        callers: &mut impl Callers<F, B>,
    ) {
        self.front.advance(now);
        self.back.advance(now);
        if of_front {
            self.front.report(now);
        }
        if of_back {
            self.back.report(now);
        }
        if of_front || of_back || self.next_control == now {
            self.change(now);
        }
        let (front, back) = (&mut self.front, &mut self.back);
        if of_back && self.back_first {
            back.end_steps(now);
        }
        if of_front {
            front.end_steps(now, back);
        }
        if of_back && !self.back_first {
            back.end_steps(now);
        }
        back.land(now);
        callers.hear(now, front, back);
        callers.call(now, |request| front.arrive(now, request));
        front.start_steps(now);
        back.start_steps(now);
        callers.hear(now, front, back);
    }

    /// Phase 1: units whose start-up is over begin to serve, controllers act one after another, and what follows from
    /// it follows: in the pool that takes arrivals, in the decode pool, and for those who go back from this one.
    #[inline]
    fn change(&mut self, now: SimTime) {
        let mut changes = self.front.begin_serving(now) | self.back.begin_serving(now);
        if self.next_control == now {
            changes = true;
            self.control(now);
        }
        if !changes {
            return;
        }
        let senders = self.front.settle_changes(now);
        for lost in self.back.settle_changes(now, &senders) {
            self.front.come_back(now, lost);
        }
    }

    fn control(&mut self, now: SimTime) {
        let back_index = usize::from(!self.back_first);
        for controller in &mut self.controllers {
            if controller.next() > now {
                continue;
            }
            let mut pools: Vec<PoolView> = Vec::new();
            if controller.looks() {
                pools.extend(self.back.seen());
                pools.extend(self.front.seen());
                if !self.back_first {
                    pools.reverse();
                }
            }
            controller.act(now, &pools, &mut self.orders);
            for order in self.orders.drain(..) {
                if order.pool == back_index {
                    self.back.obey(now, order.change);
                } else {
                    self.front.obey(now, order.change);
                }
            }
        }
        self.find_next_control();
    }
}
