//! Playing a scenario: with the driver that fits it, or, as a pipeline, stage by stage and stretch by stretch.

use super::belt::{BeltStretch, belt};
use super::coupled::Coupled;
use super::feedback::Ended;
use super::stretches::{GoOn, SimulationOutcome, stretches};
use super::watch::{Overload, Watch};
use crate::cluster::controller::Controller;
use crate::cluster::decode::Decode;
use crate::cluster::intake::{Intake, Server};
use crate::cluster::schedule::ScheduleController;
use crate::cluster::stand_in::{Inbox, MaybeBack, NoCallers, OpenCallers, Outbox};
use crate::cluster::{Cluster, Handover, Inside, mixed, prefill};
use crate::metrics::Observer;
use crate::perf::StepTimes;
use crate::scenario::{Pool, Role, Scenario};
use crate::units::SimTime;
use crate::workload::{ClosedLoops, OpenSessions, Request, Workload};

/// Why a simulation did not reach its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// No pool takes arrivals.
    NoIntake,
    /// The run outgrew the scenario's limits.
    Overload(Overload),
    /// The listener to the progress asked to stop.
    Cancelled,
}

/// The driver of a simulation. The results do not depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Driver {
    /// The driver that fits the scenario: a pipeline of pools, or, where something flows back, coupled pools.
    Fitting,
    /// Coupled pools, instant by instant, also where nothing flows back.
    Coupled,
}

/// How a simulation is driven, and on how many threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Driving {
    /// Most threads, of which up to three are used; coupled pools are played on one.
    pub threads: usize,
    /// Driver that plays the pools.
    pub driver: Driver,
}

impl Driving {
    /// The driver that fits, on up to `threads` threads.
    pub fn on(threads: usize) -> Self {
        Self {
            threads,
            driver: Driver::Fitting,
        }
    }
}

/// Input of a simulation, beside the scenario.
pub struct SimulationInput<'a, P, D> {
    /// The requests of open classes.
    pub workload: Workload,
    /// Step times of the pools.
    pub times: &'a StepTimes,
    /// Observers of the pool that takes arrivals, and of the decode pool.
    pub observers: (P, D),
    /// Controllers that change units, beside the schedules, and after them.
    pub controllers: Vec<Box<dyn Controller>>,
    /// Bytes of memory that are taken by other things than requests in flight.
    pub base_bytes: u64,
}

/// Plays `scenario` to its end, telling the observers everything. `progress` hears now and then how far the last
/// stage has come and how many requests have arrived, and says whether to go on.
///
/// # Errors
/// Where the simulation ended before its end.
pub fn simulate<P: Observer + Send, D: Observer + Send>(
    scenario: &Scenario,
    input: SimulationInput<'_, P, D>,
    how: Driving,
    progress: &mut dyn FnMut(SimTime, u64) -> bool,
) -> Result<SimulationOutcome<P, D>, Stop> {
    let pool = scenario.pools.iter().find(|p| p.role != Role::Decode);
    let pool = pool.ok_or(Stop::NoIntake)?;
    let mut watch = Watch::new(scenario, input.base_bytes);
    let mut stop = None;
    let mut go_on = |at: SimTime, arrived, handed_over, intake, decode| {
        if let Some(overload) = watch.look(at, arrived, handed_over, intake, decode) {
            stop = Some(Stop::Overload(overload));
        } else if !progress(at, arrived) {
            stop = Some(Stop::Cancelled);
        }
        stop.is_none()
    };
    let outcome = match pool.role {
        Role::Mixed => start::<mixed::MixedUnit, P, D>(scenario, pool, input, how, &mut go_on),
        Role::Prefill | Role::Decode => {
            start::<prefill::PrefillUnit, P, D>(scenario, pool, input, how, &mut go_on)
        }
    };
    stop.map_or(Ok(outcome), Err)
}

/// The schedule of a pool, as a controller.
fn schedule_of(scenario: &Scenario, is_decode: bool) -> Vec<Box<dyn Controller>> {
    let end = SimTime::ZERO + scenario.warm_up + scenario.duration;
    let mut schedules: Vec<Box<dyn Controller>> = Vec::new();
    for (index, pool) in scenario.pools.iter().enumerate() {
        if (pool.role == Role::Decode) == is_decode {
            schedules.push(Box::new(ScheduleController::new(scenario, index, end)));
        }
    }
    schedules
}

/// Builds the pools and plays them: as a pipeline, or coupled where something flows back.
fn start<U, P, D>(
    scenario: &Scenario,
    pool: &Pool,
    input: SimulationInput<'_, P, D>,
    how: Driving,
    go_on: &mut GoOn<'_>,
) -> SimulationOutcome<P, D>
where
    U: Server + Send,
    U::Rules: Send,
    P: Observer + Send,
    D: Observer + Send,
{
    let SimulationInput {
        workload,
        times,
        observers: (of_intake, of_decode),
        controllers: others,
        ..
    } = input;
    let decode = scenario.pools.iter().find(|p| p.role == Role::Decode);
    let back_first = scenario.pools.first().map(|p| p.role) == Some(Role::Decode);
    let (mut of_front, of_back) = (schedule_of(scenario, false), schedule_of(scenario, true));
    let loops = ClosedLoops::new(scenario);
    let sessions = OpenSessions::new(scenario);
    if loops.is_some() || sessions.is_some() || !others.is_empty() || how.driver == Driver::Coupled
    {
        let of_intake = (of_intake, Ended::default());
        let of_decode = (of_decode, Ended::default());
        let mut front: Intake<U, _> = Intake::new(scenario, pool, times.clone(), of_intake);
        let mut back = decode.map(|p| Decode::new(scenario, p, times.clone(), of_decode));
        if others.iter().any(|controller| controller.looks()) {
            front.be_looked_at();
            back.iter_mut().for_each(Decode::be_looked_at);
        }
        if back_first {
            of_front.splice(0..0, of_back);
        } else {
            of_front.extend(of_back);
        }
        of_front.extend(others);
        let coupled = Coupled {
            cluster: Cluster::new(front, MaybeBack::new(back), back_first, of_front),
            workload,
            loops,
            sessions,
        };
        return coupled.play(scenario, go_on);
    }
    let front: Intake<U, P> = Intake::new(scenario, pool, times.clone(), of_intake);
    let back = decode.map(|p| Decode::new(scenario, p, times.clone(), of_decode));
    let stages = PoolStages {
        workload,
        front: Cluster::new(front, Outbox::default(), back_first, of_front),
        back: back.map(|back| Cluster::new(Inbox::default(), back, back_first, of_back)),
    };
    stages.play(scenario, how.threads, go_on)
}

/// The stages of the pipeline: both pools, each with a stand-in for the other.
struct PoolStages<U: Server, P, D> {
    workload: Workload,
    front: Cluster<Intake<U, P>, Outbox>,
    back: Option<Cluster<Inbox, Decode<D>>>,
}

impl<U, P, D> PoolStages<U, P, D>
where
    U: Server + Send,
    U::Rules: Send,
    P: Observer + Send,
    D: Observer + Send,
{
    fn play(
        self,
        scenario: &Scenario,
        threads: usize,
        go_on: &mut GoOn<'_>,
    ) -> SimulationOutcome<P, D> {
        let Self {
            mut workload,
            mut front,
            mut back,
        } = self;
        let end = SimTime::ZERO + scenario.warm_up + scenario.duration;
        let mut arrived = 0;
        let mut first = |until: SimTime, arrivals: &mut BeltStretch<Request>| {
            arrivals.begin(until, arrived);
            workload.fill(until, &mut arrivals.items);
            arrived += arrivals.items.len() as u64;
            arrivals.arrived = arrived;
        };
        let mut open = OpenCallers::default();
        let mut middle = |arrivals: &mut BeltStretch<Request>, handovers: &mut BeltStretch<_>| {
            handovers.begin(arrivals.until, arrivals.arrived);
            open.swap(&mut arrivals.items);
            std::mem::swap(&mut front.back.0, &mut handovers.items);
            front.advance(arrivals.until, &mut open);
            std::mem::swap(&mut front.back.0, &mut handovers.items);
            open.swap(&mut arrivals.items);
            handovers.inside = front.front.inside();
        };
        let mut last = |handovers: &mut BeltStretch<Handover>| {
            let (mut inside, mut handed_over) = (Inside::default(), 0);
            if let Some(back) = &mut back {
                back.front.swap(&mut handovers.items);
                back.advance(handovers.until, &mut NoCallers);
                back.front.swap(&mut handovers.items);
                (inside, handed_over) = (back.back.inside(), back.back.handed_over);
            }
            let (until, arrived, in_intake) =
                (handovers.until, handovers.arrived, handovers.inside);
            go_on(until, arrived, handed_over, in_intake, inside)
        };
        let stretches = stretches(scenario, end);
        match threads {
            0 | 1 => {
                let (mut arrivals, mut handovers) = (BeltStretch::new(), BeltStretch::new());
                for until in stretches {
                    first(until, &mut arrivals);
                    middle(&mut arrivals, &mut handovers);
                    if !last(&mut handovers) {
                        break;
                    }
                }
            }
            2 => std::thread::scope(|scope| {
                let (mut giver, taker) = belt();
                scope.spawn(move || {
                    let mut arrivals = BeltStretch::new();
                    for until in stretches {
                        let mut handovers = giver.blank();
                        first(until, &mut arrivals);
                        middle(&mut arrivals, &mut handovers);
                        if !giver.give(handovers) {
                            break;
                        }
                    }
                });
                taker.drain(last);
            }),
            _ => std::thread::scope(|scope| {
                let (mut arrivals_in, arrivals_out) = belt();
                let (mut handovers_in, handovers_out) = belt();
                scope.spawn(move || {
                    for until in stretches {
                        let mut arrivals = arrivals_in.blank();
                        first(until, &mut arrivals);
                        if !arrivals_in.give(arrivals) {
                            break;
                        }
                    }
                });
                scope.spawn(move || {
                    arrivals_out.drain(|arrivals| {
                        let mut handovers = handovers_in.blank();
                        middle(arrivals, &mut handovers);
                        handovers_in.give(handovers)
                    });
                });
                handovers_out.drain(last);
            }),
        }
        SimulationOutcome::of(front.front, back.map(|cluster| cluster.back))
    }
}
