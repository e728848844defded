//! The coupled driver: both pools instant by instant on one thread, for what flows back from one to the other or to
//! those who call.

use super::feedback::Ended;
use super::stretches::{GoOn, SimulationOutcome, stretches};
use crate::cluster::Cluster;
use crate::cluster::decode::Decode;
use crate::cluster::instant::Callers;
use crate::cluster::intake::{Intake, Server};
use crate::cluster::stand_in::{MaybeBack, OpenCallers};
use crate::metrics::Observer;
use crate::scenario::Scenario;
use crate::units::SimTime;
use crate::workload::{ClosedLoops, OpenSessions, Request, Workload};

/// The pool that takes arrivals, and the decode pool, if there is one.
type HeardIntake<U, P> = Intake<U, (P, Ended)>;
type HeardDecode<D> = MaybeBack<Decode<(D, Ended)>>;

/// The pools of a scenario and its load, played together.
pub struct Coupled<U: Server, P, D> {
    pub cluster: Cluster<HeardIntake<U, P>, HeardDecode<D>>,
    pub workload: Workload,
    pub loops: Option<ClosedLoops>,
    pub sessions: Option<OpenSessions>,
}

impl<U: Server, P: Observer, D: Observer> Coupled<U, P, D> {
    /// Plays the scenario to its end.
    pub fn play(self, scenario: &Scenario, go_on: &mut GoOn<'_>) -> SimulationOutcome<P, D> {
        let end = SimTime::ZERO + scenario.warm_up + scenario.duration;
        let mut cluster = self.cluster;
        let mut load = Load {
            workload: self.workload,
            open: OpenCallers::default(),
            loops: self.loops,
            sessions: self.sessions,
            arrived: 0,
            arrivals: Vec::new(),
            ended: Vec::new(),
        };
        let mut buffer = Vec::new();
        for until in stretches(scenario, end) {
            buffer.clear();
            load.workload.fill(until, &mut buffer);
            load.open.swap(&mut buffer);
            cluster.advance(until, &mut load);
            let decode = cluster.back.pool();
            let handed_over = decode.map_or(0, |decode| decode.handed_over);
            let in_decode = decode.map(Decode::inside).unwrap_or_default();
            let in_intake = cluster.front.inside();
            if !go_on(until, load.arrived, handed_over, in_intake, in_decode) {
                break;
            }
        }
        let outcome = SimulationOutcome::of(cluster.front, cluster.back.into_pool());
        SimulationOutcome {
            intake: outcome.intake.0,
            decode: outcome.decode.map(|observer| observer.0),
            in_flight: outcome.in_flight,
            balances: outcome.balances,
        }
    }
}

/// Open classes, whose requests come whatever happens, users who wait for their answers, and sessions.
struct Load {
    workload: Workload,
    open: OpenCallers,
    loops: Option<ClosedLoops>,
    sessions: Option<OpenSessions>,
    arrived: u64,
    /// Requests that arrive at the present instant.
    arrivals: Vec<Request>,
    /// Class of each request that has ended at the present instant, whether it completed, and its id.
    ended: Vec<(u16, bool, u64)>,
}

impl<U: Server, P: Observer, D: Observer> Callers<HeardIntake<U, P>, HeardDecode<D>> for Load {
    #[inline]
    fn next(&self) -> SimTime {
        let users = self
            .loops
            .as_ref()
            .map_or(SimTime::NEVER, ClosedLoops::next);
        let turns = self
            .sessions
            .as_ref()
            .map_or(SimTime::NEVER, OpenSessions::next);
        self.open.next().min(users).min(turns)
    }

    /// Tells users that their answers have ended: class by class, the completed ones first, so that the order in
    /// which requests end within an instant, and pools say so, does not matter.
    #[inline]
    fn hear(&mut self, now: SimTime, front: &mut HeardIntake<U, P>, back: &mut HeardDecode<D>) {
        let here = &mut front.observer_mut().1.0;
        if !here.is_empty() {
            self.ended.append(here);
        }
        if let Some(decode) = back.pool_mut() {
            let there = &mut decode.observer_mut().1.0;
            if !there.is_empty() {
                self.ended.append(there);
            }
        }
        if self.ended.is_empty() {
            return;
        }
        if let Some(loops) = &mut self.loops {
            self.ended
                .sort_unstable_by_key(|(class, well, _)| (*class, !well));
            for (class, well, _) in &self.ended {
                loops.ended(now, *class, *well);
            }
        }
        if let Some(sessions) = &mut self.sessions {
            for (class, well, id) in &self.ended {
                sessions.ended(now, *id, *class, *well);
            }
        }
        self.ended.clear();
    }

    #[inline]
    fn call(&mut self, now: SimTime, mut arrive: impl FnMut(&Request)) {
        if self.loops.is_none() && self.sessions.is_none() {
            let open = self.open.take(now);
            self.arrived += open.len() as u64;
            open.iter().for_each(arrive);
            return;
        }
        self.arrivals.clear();
        self.arrivals.extend_from_slice(self.open.take(now));
        if let Some(loops) = &mut self.loops {
            loops.issue(now, &mut self.workload, &mut self.arrivals);
        }
        if let Some(sessions) = &mut self.sessions {
            sessions.issue(now, &mut self.arrivals);
        }
        self.arrivals.sort_by_key(|request| request.class);
        for request in &mut self.arrivals {
            request.id = self.arrived;
            self.arrived += 1;
            if let Some(sessions) = &mut self.sessions {
                sessions.arrived(request);
            }
            arrive(request);
        }
    }
}
