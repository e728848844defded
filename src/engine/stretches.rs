//! How a simulation is cut into stretches, who hears at the end of each, and what is left after the last.

use crate::cluster::Inside;
use crate::cluster::decode::Decode;
use crate::cluster::intake::{Intake, Server};
use crate::metrics::Observer;
use crate::metrics::audit::AuditBalance;
use crate::scenario::Scenario;
use crate::units::{NS_PER_S, SimTime};
use crate::workload::{mean_requests_per_s, peak_requests_per_s};

/// Requests to a stretch, about: few enough to stay in a cache, enough to pay for handing them over.
const REQUESTS_PER_STRETCH: f64 = 4096.0;
/// Requests to a stretch at most, about, where the rate has a peak.
const REQUESTS_MAX: f64 = 262_144.0;
/// Shortest stretch, in seconds: the largest rates that a scenario may state still fit memory.
const STRETCH_MIN_S: f64 = 1e-6;
/// Longest stretch, in seconds of simulated time, so that progress is heard of.
const STRETCH_MAX_S: f64 = 60.0;

/// What a simulation leaves when it has ended.
#[derive(Clone, Debug)]
pub struct SimulationOutcome<P, D> {
    /// The observer of the pool that takes arrivals.
    pub intake: P,
    /// The observer of the decode pool; `None`: there is no such pool.
    pub decode: Option<D>,
    /// Requests that had not ended when the simulation did.
    pub in_flight: u64,
    /// Balances of all pools.
    pub balances: Vec<AuditBalance>,
}

impl<P: Observer, D: Observer> SimulationOutcome<P, D> {
    /// The outcome of these pools, when they have been played.
    pub(super) fn of<U: Server>(intake: Intake<U, P>, decode: Option<Decode<D>>) -> Self {
        let (intake, in_intake, mut balances) = intake.finish();
        let (decode, in_decode, more) = match decode.map(Decode::finish) {
            Some((observer, inside, balances)) => (Some(observer), inside, balances),
            None => (None, 0, Vec::new()),
        };
        balances.extend(more);
        Self {
            intake,
            decode,
            in_flight: in_intake + in_decode,
            balances,
        }
    }
}

/// Hears at the end of every stretch the time, the requests that have arrived and that have been handed
/// over, and what is inside the pools; says whether to go on.
pub(super) type GoOn<'a> = dyn FnMut(SimTime, u64, u64, Inside, Inside) -> bool + 'a;

/// The ends of the stretches into which the simulation is cut. How it is cut changes nothing but speed.
pub(super) fn stretches(
    scenario: &Scenario,
    end: SimTime,
) -> impl Iterator<Item = SimTime> + Send + use<> {
    // Without any rate (recordings, users) a sum is zero, of either sign.
    let time = |requests: f64, per_s: f64| requests / per_s.max(f64::MIN_POSITIVE);
    let seconds = time(REQUESTS_PER_STRETCH, mean_requests_per_s(scenario))
        .min(time(REQUESTS_MAX, peak_requests_per_s(scenario)))
        .clamp(STRETCH_MIN_S, STRETCH_MAX_S);
    let step = (seconds * NS_PER_S as f64) as u64;
    (1..=end.0.div_ceil(step)).map(move |i| SimTime(i.saturating_mul(step)).min(end))
}
