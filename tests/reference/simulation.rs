//! The reference simulator: one instant after another, everything at it in the order of S2.
//!
//! Nothing is planned ahead and nothing is kept in sum: the next instant is the least of all the times at
//! which anything is due, every load is added up where it is needed, every token is emitted on its own.

use std::collections::{BTreeMap, VecDeque};

use tokentide::internals::cluster::controller::{ControlOrder, Controller};
use tokentide::internals::perf::StepTimes;
use tokentide::internals::scenario::{Role, Scenario};
use tokentide::internals::units::SimTime;
use tokentide::internals::workload::Request;

use crate::decode::Decode;
use crate::history::{End, History};
use crate::intake::Intake;
use crate::nodes::nodes;
use crate::sessions::AllSessions;
use crate::users::AllUsers;
use crate::world::{Emission, World};

/// What the reference has to say.
pub struct Outcome {
    pub history: History,
    /// Those that arrived, by id.
    pub requests: Vec<Request>,
    /// In order.
    pub emissions: Vec<Emission>,
    /// Time spent in each place inside the counted window, in request-nanoseconds.
    pub sojourns: [u128; 5],
    /// Most nodes paid at once inside the counted window.
    pub peak_nodes: u64,
    /// Nodes paid inside the counted window, times nanoseconds.
    pub node_ns: u128,
    /// How often each thing happened that a scenario can have or not.
    pub seen: BTreeMap<String, u64>,
}

/// The cluster.
struct Simulation<'a> {
    world: World<'a>,
    intake: Intake,
    decode: Option<Decode>,
    /// Whether the decode pool stands before the prefill pool in the file.
    decode_first: bool,
    /// Requests that come whatever happens, and have not come yet.
    open: VecDeque<Request>,
    users: AllUsers,
    sessions: AllSessions,
    controller: Option<Box<dyn Controller>>,
    peak_nodes: u64,
    node_ns: u128,
    /// When counting starts.
    start: u64,
    /// When the simulation ends.
    end: u64,
}

/// Where a pool's unit-time is counted: of the pool that takes arrivals, and of the decode pool.
pub fn slot(role: Role) -> usize {
    usize::from(role == Role::Decode)
}

/// Requests that may come: more are more than the reference can play.
pub const REQUESTS_MAX: usize = 3_000;

/// Plays a scenario with these requests of its open classes and step times (S16). `None`: users issue too
/// many.
pub fn simulate(
    scenario: &Scenario,
    times: &StepTimes,
    open: &[Request],
    controller: Option<Box<dyn Controller>>,
) -> Option<Outcome> {
    let world = World::new(scenario, times);
    let intake = scenario.pools.iter().find(|p| p.role != Role::Decode);
    let intake = intake.expect("some pool takes arrivals");
    let decode = scenario.pools.iter().find(|p| p.role == Role::Decode);
    let mut simulation = Simulation {
        intake: Intake::new(&world, intake),
        decode: decode.map(|p| Decode::new(&world, p)),
        world,
        decode_first: scenario.pools[0].role == Role::Decode,
        open: open.iter().copied().collect(),
        users: AllUsers::new(scenario),
        sessions: AllSessions::new(scenario),
        controller,
        peak_nodes: 0,
        node_ns: 0,
        start: scenario.warm_up.0,
        end: scenario.warm_up.0 + scenario.duration.0,
    };
    while simulation.world.now < simulation.end {
        simulation.instant();
        if simulation.world.requests.len() > REQUESTS_MAX {
            return None;
        }
        simulation.go_on();
    }
    Some(simulation.finish())
}

impl Simulation<'_> {
    /// Everything that happens now.
    fn instant(&mut self) {
        let before = self.happened();
        self.in_order(|s| s.intake.report(&mut s.world), Decode::report);
        self.control();
        let senders = self.intake.change(&mut self.world);
        if let Some(decode) = &mut self.decode {
            for id in decode.change(&mut self.world, &senders) {
                self.intake.come_back(&mut self.world, id);
            }
        }
        self.in_order(Self::end_prefill_steps, Decode::end_steps);
        if let Some(decode) = &mut self.decode {
            decode.arrive(&mut self.world);
        }
        self.hear();
        self.arrive();
        self.in_order(|s| s.intake.start_steps(&mut s.world), Decode::start_steps);
        self.hear();
        self.note_ties(&before);
    }

    /// Schedules order changes, in the order of the file, and then the controller, if there is one.
    fn control(&mut self) {
        let now = self.world.now;
        for (index, pool) in self.world.scenario.pools.iter().enumerate() {
            let orders = match &self.decode {
                Some(decode) if pool.role == Role::Decode => decode.fleet.scheduled(now),
                _ => self.intake.fleet().scheduled(now),
            };
            for change in orders {
                self.obey(ControlOrder {
                    pool: index,
                    change,
                });
            }
        }
        let Some(mut controller) = self.controller.take() else {
            return;
        };
        if controller.next().0 == now {
            let pools = self.world.scenario.pools.iter();
            let seen = pools.map(|pool| match &self.decode {
                Some(decode) if pool.role == Role::Decode => decode.seen(now),
                _ => self.intake.seen(now),
            });
            let (seen, mut orders) = (seen.collect::<Vec<_>>(), Vec::new());
            controller.act(SimTime(now), &seen, &mut orders);
            orders.into_iter().for_each(|order| self.obey(order));
        }
        self.controller = Some(controller);
    }

    fn obey(&mut self, order: ControlOrder) {
        match &mut self.decode {
            Some(decode) if self.world.scenario.pools[order.pool].role == Role::Decode => {
                decode.obey(&self.world, order.change);
            }
            _ => self.intake.obey(&self.world, order.change),
        }
    }

    /// Users hear how their requests have ended.
    fn hear(&mut self) {
        let ended = std::mem::take(&mut self.world.ended);
        if self.users.hear(self.world.now, &ended) {
            self.world.saw("a user is turned away");
        }
        if self.sessions.hear(self.world.now, &ended) {
            self.world.saw("a session goes on");
        }
    }

    /// One phase of an instant, pools in the order of the file.
    fn in_order(
        &mut self,
        of_prefill: impl FnOnce(&mut Self),
        of_decode: impl FnOnce(&mut Decode, &mut World),
    ) {
        let mut of_prefill = Some(of_prefill);
        if !self.decode_first {
            of_prefill.take().into_iter().for_each(|phase| phase(self));
        }
        if let Some(decode) = &mut self.decode {
            of_decode(decode, &mut self.world);
        }
        of_prefill.into_iter().for_each(|phase| phase(self));
    }

    fn end_prefill_steps(&mut self) {
        for handover in self.intake.end_steps(&mut self.world) {
            let decode = self.decode.as_mut();
            let decode = decode.expect("without a decode pool every answer is one token");
            decode.hand_over(&mut self.world, handover);
        }
    }

    /// How often something of each kind has happened so far.
    fn happened(&self) -> [(&'static str, u64); 7] {
        let seen = |what| self.world.seen.get(what).copied().unwrap_or_default();
        let counted = [
            "report",
            "schedule change",
            "prefill step end",
            "decode step end",
            "mixed step end",
            "KV arrival",
            "arrival",
        ];
        counted.map(|what| (what, seen(what)))
    }

    /// Notes which kinds of events share this instant.
    fn note_ties(&mut self, before: &[(&'static str, u64); 7]) {
        let after = self.happened();
        let happened = before.iter().zip(&after).filter(|(b, a)| b.1 < a.1);
        let kinds: Vec<&str> = happened.map(|(b, _)| b.0).collect();
        for (i, one) in kinds.iter().enumerate() {
            for other in &kinds[i + 1..] {
                self.world.saw(&format!("{one} with {other}"));
            }
        }
    }

    /// Requests arrive, class by class; within one, as they were recorded, drawn or issued.
    fn arrive(&mut self) {
        let now = self.world.now;
        let mut arriving = Vec::new();
        while let Some(request) = self.open.pop_front_if(|request| request.at.0 <= now) {
            arriving.push(request);
        }
        let issued = self.users.issue(now);
        if !issued.is_empty() && !arriving.is_empty() {
            self.world.saw("a user's request arrives with others");
        }
        arriving.extend(issued);
        let turns = self.sessions.issue(now);
        if !turns.is_empty() && !arriving.is_empty() {
            self.world.saw("a session's turn arrives with others");
        }
        arriving.extend(turns);
        arriving.sort_by_key(|request| request.class);
        if arriving.len() > 1 {
            self.world.saw("several arrivals at one instant");
        }
        for request in arriving {
            self.world.saw("arrival");
            let id = self.world.welcome(request);
            self.sessions.arrived(id, request);
            if self.world.fits_context(id) {
                self.intake.arrive(&mut self.world, id);
            } else {
                self.world.saw("a request is longer than the context");
                self.world.end(id, End::Rejected(now));
            }
        }
    }

    /// To the next instant, counting unit-time on the way.
    fn go_on(&mut self) {
        let now = self.world.now;
        let arrival = self.open.front().map(|request| request.at.0);
        let decode = self.decode.as_ref().and_then(|d| d.next(&self.world));
        let control = self.controller.as_ref().map(|c| c.next());
        let control = control.filter(|at| *at != SimTime::NEVER).map(|at| at.0);
        let next = [
            arrival,
            self.users.next(),
            self.sessions.next(),
            self.intake.next(now),
            decode,
            control,
        ]
        .into_iter()
        .flatten()
        .min();
        let next = next.unwrap_or(self.end).min(self.end);
        assert!(next > now, "time stands still at {now}");

        let counted = next.max(self.start) - now.max(self.start);
        let mut scheduled = Vec::new();
        for pool in &self.world.scenario.pools {
            let usage = match &self.decode {
                Some(decode) if pool.role == Role::Decode => decode.usage(&self.world),
                _ => self.intake.usage(&self.world),
            };
            scheduled.push(usage.paid.div_ceil(u64::from(pool.replicas)));
            self.world.history.unit_time[slot(pool.role)].add(&usage, counted);
        }
        if counted > 0 {
            let scenario = self.world.scenario;
            let paid = nodes(&scenario.pools, &scheduled, &scenario.node);
            self.peak_nodes = self.peak_nodes.max(paid);
            self.node_ns += u128::from(paid) * u128::from(counted);
        }
        self.world.now = next;
    }

    fn finish(mut self) -> Outcome {
        for id in 0..self.world.requests.len() {
            let state = self.world.states[id];
            if self.world.life(id).first_token.is_some() {
                let cached = self.world.requests[id].cached;
                self.world.life(id).request.cached = cached;
            }
            if self.world.life(id).end == End::Unborn {
                self.world.end(id, End::Inside(state.place, state.since));
            }
        }
        self.world.history.prefill_steps.sort_unstable();
        self.world.history.decode_steps.sort_unstable();
        Outcome {
            history: self.world.history,
            requests: self.world.requests,
            emissions: self.world.emissions,
            sojourns: self.world.sojourns,
            peak_nodes: self.peak_nodes,
            node_ns: self.node_ns,
            seen: self.world.seen,
        }
    }
}
