//! Playing a scenario, stage by stage and stretch by stretch.

use super::belt::{BeltStretch, belt};
use super::coupled::Coupled;
use super::feedback::Ended;
use super::stretches::{GoOn, SimulationOutcome, stretches};
use super::watch::{Overload, Watch};
use crate::cluster::decode::Decode;
use crate::cluster::intake::{Intake, Server};
use crate::cluster::{Handover, Inside, mixed, prefill};
use crate::metrics::Observer;
use crate::perf::StepTimes;
use crate::scenario::{Pool, Role, Scenario};
use crate::units::SimTime;
use crate::workload::{ClosedLoops, Request, Workload};

/// Why a simulation did not reach its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// No pool takes arrivals.
    NoIntake,
    /// It outgrew the scenario's limits.
    Overload(Overload),
    /// `progress` said that enough is enough.
    Cancelled,
}

/// Plays `scenario` to its end, telling the observers everything, on up to three threads. `progress`
/// hears now and then how far the last stage has come and how many requests have arrived, and says
/// whether to go on. `base_bytes` of memory are taken by other things than requests in flight.
///
/// # Errors
/// Where the simulation ended before its end.
pub fn simulate<P: Observer + Send, D: Observer + Send>(
    scenario: &Scenario,
    workload: Workload,
    times: &StepTimes,
    observers: (P, D),
    threads: usize,
    base_bytes: u64,
    progress: &mut dyn FnMut(SimTime, u64) -> bool,
) -> Result<SimulationOutcome<P, D>, Stop> {
    let pool = scenario.pools.iter().find(|p| p.role != Role::Decode);
    let pool = pool.ok_or(Stop::NoIntake)?;
    let mut watch = Watch::new(scenario, base_bytes);
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
        Role::Mixed => start::<mixed::MixedUnit, P, D>(
            scenario, pool, workload, times, observers, threads, &mut go_on,
        ),
        _ => start::<prefill::PrefillUnit, P, D>(
            scenario, pool, workload, times, observers, threads, &mut go_on,
        ),
    };
    stop.map_or(Ok(outcome), Err)
}

/// Builds the pools and plays them: as a pipeline, or coupled where users wait for their answers.
fn start<U, P, D>(
    scenario: &Scenario,
    pool: &Pool,
    workload: Workload,
    times: &StepTimes,
    (of_intake, of_decode): (P, D),
    threads: usize,
    go_on: &mut GoOn<'_>,
) -> SimulationOutcome<P, D>
where
    U: Server + Send,
    U::Rules: Send,
    U::Waiting: Send,
    P: Observer + Send,
    D: Observer + Send,
{
    let end = SimTime::ZERO + scenario.warm_up + scenario.duration;
    let decode = scenario.pools.iter().find(|p| p.role == Role::Decode);
    if let Some(loops) = ClosedLoops::new(scenario) {
        let of_intake = (of_intake, Ended::default());
        let of_decode = (of_decode, Ended::default());
        return Coupled::<U, P, D> {
            workload,
            loops,
            intake: Intake::new(scenario, pool, times.clone(), end, of_intake),
            decode: decode.map(|p| Decode::new(scenario, p, times.clone(), end, of_decode)),
        }
        .play(scenario, go_on);
    }
    let intake: Intake<U, P> = Intake::new(scenario, pool, times.clone(), end, of_intake);
    let decode = decode.map(|p| Decode::new(scenario, p, times.clone(), end, of_decode));
    play(scenario, workload, intake, decode, threads, go_on)
}

fn play<U, P, D>(
    scenario: &Scenario,
    mut workload: Workload,
    mut intake: Intake<U, P>,
    mut decode: Option<Decode<D>>,
    threads: usize,
    go_on: &mut GoOn<'_>,
) -> SimulationOutcome<P, D>
where
    U: Server + Send,
    U::Rules: Send,
    U::Waiting: Send,
    P: Observer + Send,
    D: Observer + Send,
{
    let end = SimTime::ZERO + scenario.warm_up + scenario.duration;
    let (mut arrived, mut handed_over) = (0, 0);
    let mut first = |until: SimTime, arrivals: &mut BeltStretch<Request>| {
        arrivals.begin(until, arrived);
        workload.fill(until, &mut arrivals.items);
        arrived += arrivals.items.len() as u64;
        arrivals.arrived = arrived;
    };
    let mut middle = |arrivals: &BeltStretch<Request>, handovers: &mut BeltStretch<Handover>| {
        handovers.begin(arrivals.until, arrivals.arrived);
        intake.advance(arrivals.until, &arrivals.items, &mut handovers.items);
        handovers.inside = intake.inside();
    };
    let mut last = |handovers: &BeltStretch<Handover>| {
        let mut inside = Inside::default();
        if let Some(decode) = &mut decode {
            decode.advance(handovers.until, &handovers.items);
            inside = decode.inside();
        }
        handed_over += handovers.items.len() as u64;
        let in_intake = handovers.inside;
        go_on(
            handovers.until,
            handovers.arrived,
            handed_over,
            in_intake,
            inside,
        )
    };
    let stretches = stretches(scenario, end);
    match threads {
        0 | 1 => {
            let (mut arrivals, mut handovers) = (BeltStretch::new(), BeltStretch::new());
            for until in stretches {
                first(until, &mut arrivals);
                middle(&arrivals, &mut handovers);
                if !last(&handovers) {
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
                    middle(&arrivals, &mut handovers);
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
    let (intake, in_intake, mut balances) = intake.finish();
    let (decode, in_decode, more) = match decode.map(Decode::finish) {
        Some((observer, inside, balances)) => (Some(observer), inside, balances),
        None => (None, 0, Vec::new()),
    };
    balances.extend(more);
    SimulationOutcome {
        intake,
        decode,
        in_flight: in_intake + in_decode,
        balances,
    }
}
