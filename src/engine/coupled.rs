//! Playing a scenario in which arrivals depend on completions: instant by instant, on one thread.
//!
//! Pools are the same as in the pipeline. At one instant (S2) the intake pool ends its steps, then decode
//! plays its whole instant, then requests arrive, those of users whose answers have just ended among them,
//! and the intake pool starts its steps.

use super::feedback::Ended;
use super::stretches::{GoOn, SimulationOutcome, stretches};
use crate::cluster::Inside;
use crate::cluster::decode::Decode;
use crate::cluster::intake::{Intake, Server};
use crate::metrics::Observer;
use crate::scenario::Scenario;
use crate::units::{SimDuration, SimTime};
use crate::workload::{ClosedLoops, Workload};

/// What is played together.
pub struct Coupled<U: Server, P, D> {
    pub workload: Workload,
    pub loops: ClosedLoops,
    pub intake: Intake<U, (P, Ended)>,
    pub decode: Option<Decode<(D, Ended)>>,
}

impl<U: Server, P: Observer, D: Observer> Coupled<U, P, D> {
    /// Plays to the end.
    pub fn play(mut self, scenario: &Scenario, go_on: &mut GoOn<'_>) -> SimulationOutcome<P, D> {
        let end = SimTime::ZERO + scenario.warm_up + scenario.duration;
        let (mut arrived, mut handed_over) = (0, 0);
        let (mut open, mut arrivals, mut handovers) = (Vec::new(), Vec::new(), Vec::new());
        for until in stretches(scenario, end) {
            open.clear();
            self.workload.fill(until, &mut open);
            let mut ahead = open.iter().peekable();
            loop {
                let decode = self.decode.as_ref().map_or(SimTime::NEVER, Decode::next);
                let now = self
                    .intake
                    .next_planned()
                    .min(decode)
                    .min(self.loops.next())
                    .min(ahead.peek().map_or(SimTime::NEVER, |r| r.at));
                if now >= until {
                    break;
                }
                self.intake.begin(now, &mut handovers);
                if let Some(decode) = &mut self.decode {
                    decode.advance(now + SimDuration(1), &handovers);
                }
                handed_over += handovers.len() as u64;
                handovers.clear();
                self.hear(now);
                arrivals.clear();
                while let Some(request) = ahead.next_if(|r| r.at == now) {
                    arrivals.push(*request);
                }
                self.loops.issue(now, &mut self.workload, &mut arrivals);
                arrivals.sort_by_key(|request| request.class);
                for request in &mut arrivals {
                    request.id = arrived;
                    arrived += 1;
                    self.intake.arrive(now, request);
                }
                self.intake.start_steps(now);
                self.hear(now);
            }
            let in_decode = self
                .decode
                .as_ref()
                .map_or(Inside::default(), Decode::inside);
            let in_intake = self.intake.inside();
            if !go_on(until, arrived, handed_over, in_intake, in_decode) {
                break;
            }
        }
        self.intake.observer.advance(end);
        if let Some(decode) = &mut self.decode {
            decode.observer.advance(end);
        }
        let (intake, in_intake, mut balances) = self.intake.finish();
        let (decode, in_decode, more) = match self.decode.map(Decode::finish) {
            Some((observer, inside, balances)) => (Some(observer.0), inside, balances),
            None => (None, 0, Vec::new()),
        };
        balances.extend(more);
        SimulationOutcome {
            intake: intake.0,
            decode,
            in_flight: in_intake + in_decode,
            balances,
        }
    }

    /// Users hear that their answers have ended: class by class, the completed ones first, so that the order
    /// in which requests end within an instant, and pools say so, does not matter.
    fn hear(&mut self, now: SimTime) {
        let mut ended = std::mem::take(&mut self.intake.observer.1.0);
        if let Some(decode) = &mut self.decode {
            ended.append(&mut decode.observer.1.0);
        }
        ended.sort_unstable_by_key(|(class, well)| (*class, !well));
        for (class, well) in ended.drain(..) {
            self.loops.ended(now, class, well);
        }
        self.intake.observer.1.0 = ended;
    }
}
