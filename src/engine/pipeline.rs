//! Playing a scenario, stage by stage and stretch by stretch.

use super::belt::{Stretch, belt};
use super::coupled::Coupled;
use super::feedback::Feedback;
use crate::cluster::decode::Decode;
use crate::cluster::intake::{Intake, Server};
use crate::cluster::{Handover, mixed, prefill};
use crate::metrics::{Observer, audit::Balance};
use crate::perf::StepTimes;
use crate::scenario::{Pool, Role, Scenario};
use crate::units::{NS_PER_S, SimTime};
use crate::workload::{ClosedLoops, Request, Workload, mean_requests_per_s};

/// Requests to a stretch, about: few enough to stay in a cache, enough to pay for handing them over.
const REQUESTS_PER_STRETCH: f64 = 4096.0;
/// No stretch is longer than this, so that progress is heard of (1 min of simulated time).
const STRETCH_MAX_S: f64 = 60.0;

/// What is left when a simulation has ended.
#[derive(Clone, Debug)]
pub struct Outcome<P, D> {
    /// The observer of the pool that takes arrivals.
    pub intake: P,
    /// The decode pool's observer, where there is such a pool.
    pub decode: Option<D>,
    /// Requests that had not ended.
    pub in_flight: u64,
    /// Balances of all pools.
    pub balances: Vec<Balance>,
}

/// Plays `scenario` to its end, telling the observers everything, on up to three threads. `progress`
/// hears now and then how far the last stage has come and how many requests have arrived. `None` where
/// no pool takes arrivals.
pub fn simulate<P: Observer + Send, D: Observer + Send>(
    scenario: &Scenario,
    workload: Workload,
    times: &StepTimes,
    observers: (P, D),
    threads: usize,
    progress: &mut dyn FnMut(SimTime, u64),
) -> Option<Outcome<P, D>> {
    let pool = scenario.pools.iter().find(|p| p.role != Role::Decode)?;
    Some(match pool.role {
        Role::Mixed => start::<mixed::Unit, P, D>(
            scenario, pool, workload, times, observers, threads, progress,
        ),
        _ => start::<prefill::Unit, P, D>(
            scenario, pool, workload, times, observers, threads, progress,
        ),
    })
}

/// Builds the pools and plays them: as a pipeline, or coupled where users wait for their answers.
fn start<U, P, D>(
    scenario: &Scenario,
    pool: &Pool,
    workload: Workload,
    times: &StepTimes,
    (of_intake, of_decode): (P, D),
    threads: usize,
    progress: &mut dyn FnMut(SimTime, u64),
) -> Outcome<P, D>
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
        let of_decode = Feedback::new(of_decode);
        return Coupled::<U, P, D> {
            workload,
            loops,
            intake: Intake::new(scenario, pool, times.clone(), end, Feedback::new(of_intake)),
            decode: decode.map(|p| Decode::new(scenario, p, times.clone(), end, of_decode)),
        }
        .play(scenario, progress);
    }
    let intake: Intake<U, P> = Intake::new(scenario, pool, times.clone(), end, of_intake);
    let decode = decode.map(|p| Decode::new(scenario, p, times.clone(), end, of_decode));
    play(scenario, workload, intake, decode, threads, progress)
}

fn play<U, P, D>(
    scenario: &Scenario,
    mut workload: Workload,
    mut intake: Intake<U, P>,
    mut decode: Option<Decode<D>>,
    threads: usize,
    progress: &mut dyn FnMut(SimTime, u64),
) -> Outcome<P, D>
where
    U: Server + Send,
    U::Rules: Send,
    U::Waiting: Send,
    P: Observer + Send,
    D: Observer + Send,
{
    let end = SimTime::ZERO + scenario.warm_up + scenario.duration;
    let mut arrived = 0;
    let mut first = |until: SimTime, arrivals: &mut Stretch<Request>| {
        arrivals.begin(until, arrived);
        workload.fill(until, &mut arrivals.items);
        arrived += arrivals.items.len() as u64;
        arrivals.arrived = arrived;
    };
    let mut middle = |arrivals: &Stretch<Request>, handovers: &mut Stretch<Handover>| {
        handovers.begin(arrivals.until, arrivals.arrived);
        intake.advance(arrivals.until, &arrivals.items, &mut handovers.items);
    };
    let mut last = |handovers: &Stretch<Handover>| {
        if let Some(decode) = &mut decode {
            decode.advance(handovers.until, &handovers.items);
        }
        progress(handovers.until, handovers.arrived);
    };
    let stretches = stretches(scenario, end);
    match threads {
        0 | 1 => {
            let (mut arrivals, mut handovers) = (Stretch::new(), Stretch::new());
            for until in stretches {
                first(until, &mut arrivals);
                middle(&arrivals, &mut handovers);
                last(&handovers);
            }
        }
        2 => std::thread::scope(|scope| {
            let (mut giver, taker) = belt();
            scope.spawn(move || {
                let mut arrivals = Stretch::new();
                for until in stretches {
                    let mut handovers = giver.blank();
                    first(until, &mut arrivals);
                    middle(&arrivals, &mut handovers);
                    giver.give(handovers);
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
                    arrivals_in.give(arrivals);
                }
            });
            scope.spawn(move || {
                arrivals_out.drain(|arrivals| {
                    let mut handovers = handovers_in.blank();
                    middle(arrivals, &mut handovers);
                    handovers_in.give(handovers);
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
    Outcome {
        intake,
        decode,
        in_flight: in_intake + in_decode,
        balances,
    }
}

/// The ends of the stretches into which the simulation is cut. How it is cut changes nothing but speed.
pub(super) fn stretches(
    scenario: &Scenario,
    end: SimTime,
) -> impl Iterator<Item = SimTime> + Send + use<> {
    let rate = mean_requests_per_s(scenario);
    let seconds = if rate > 0.0 {
        (REQUESTS_PER_STRETCH / rate).clamp(1e-3, STRETCH_MAX_S)
    } else {
        STRETCH_MAX_S
    };
    let step = (seconds * NS_PER_S as f64) as u64;
    (1..=end.0.div_ceil(step)).map(move |i| SimTime(i.saturating_mul(step)).min(end))
}
