//! Playing a scenario, stage by stage and stretch by stretch.

use super::belt::{Stretch, belt};
use crate::cluster::Handover;
use crate::cluster::decode::Decode;
use crate::cluster::prefill::Prefill;
use crate::metrics::{Observer, audit::Balance};
use crate::perf::StepTimes;
use crate::scenario::{Role, Scenario};
use crate::units::{NS_PER_S, SimTime};
use crate::workload::{Request, Workload, mean_requests_per_s};

/// Requests to a stretch, about: few enough to stay in a cache, enough to pay for handing them over.
const REQUESTS_PER_STRETCH: f64 = 4096.0;
/// No stretch is longer than this, so that progress is heard of (1 min of simulated time).
const STRETCH_MAX_S: f64 = 60.0;

/// What is left when a simulation has ended.
#[derive(Clone, Debug)]
pub struct Outcome<P, D> {
    /// The prefill pool's observer.
    pub prefill: P,
    /// The decode pool's observer, where there is such a pool.
    pub decode: Option<D>,
    /// Requests that had not ended.
    pub in_flight: u64,
    /// Balances of both pools.
    pub balances: Vec<Balance>,
}

/// Plays `scenario` to its end, telling the observers everything, on up to three threads. `progress`
/// hears now and then how far the last stage has come and how many requests have arrived. `None` where
/// there is no prefill pool.
pub fn simulate<P: Observer + Send, D: Observer + Send>(
    scenario: &Scenario,
    mut workload: Workload,
    times: &StepTimes,
    observers: (P, D),
    threads: usize,
    progress: &mut dyn FnMut(SimTime, u64),
) -> Option<Outcome<P, D>> {
    let end = SimTime::ZERO + scenario.warm_up + scenario.duration;
    let pool = |role| scenario.pools.iter().find(|p| p.role == role);
    let mut prefill = Prefill::new(
        scenario,
        pool(Role::Prefill)?,
        times.clone(),
        end,
        observers.0,
    );
    let mut decode =
        pool(Role::Decode).map(|p| Decode::new(scenario, p, times.clone(), end, observers.1));

    let mut arrived = 0;
    let mut first = |until: SimTime, arrivals: &mut Stretch<Request>| {
        arrivals.begin(until, arrived);
        workload.fill(until, &mut arrivals.items);
        arrived += arrivals.items.len() as u64;
        arrivals.arrived = arrived;
    };
    let mut middle = |arrivals: &Stretch<Request>, handovers: &mut Stretch<Handover>| {
        handovers.begin(arrivals.until, arrivals.arrived);
        prefill.advance(arrivals.until, &arrivals.items, &mut handovers.items);
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
    let (prefill, in_prefill, mut balances) = prefill.finish();
    let (decode, in_decode, more) = match decode.map(Decode::finish) {
        Some((observer, inside, balances)) => (Some(observer), inside, balances),
        None => (None, 0, Vec::new()),
    };
    balances.extend(more);
    Some(Outcome {
        prefill,
        decode,
        in_flight: in_prefill + in_decode,
        balances,
    })
}

/// The ends of the stretches into which the simulation is cut. How it is cut changes nothing but speed.
fn stretches(scenario: &Scenario, end: SimTime) -> impl Iterator<Item = SimTime> + Send + use<> {
    let seconds = (REQUESTS_PER_STRETCH / mean_requests_per_s(scenario)).clamp(1e-3, STRETCH_MAX_S);
    let step = (seconds * NS_PER_S as f64) as u64;
    (1..=end.0.div_ceil(step)).map(move |i| SimTime(i.saturating_mul(step)).min(end))
}
