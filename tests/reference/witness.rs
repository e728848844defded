//! The engine's history, as its observers hear it.
//!
//! It remembers who takes part in the steps of each unit, so that what a step brings is seen request by request.

use std::collections::{BTreeMap, BTreeSet};

use tokentide::internals::cluster::controller::Controller;
use tokentide::internals::engine::{Driving, SimulationInput, simulate};
use tokentide::internals::metrics::{Fate, Observer, Place, StepRecord};
use tokentide::internals::perf::StepTimes;
use tokentide::internals::scenario::Scenario;
use tokentide::internals::units::{SimDuration, SimTime};
use tokentide::internals::workload::{Request, Workload};

use crate::history::{DecodeStep, End, History, Join, Life, PrefillStep, UnitTime, Usage};
use crate::world::{TOKEN, first_from_decode};

/// Instants in one pool, at most: many times what these scenarios have. An engine at fault may never end.
const CALLS_MAX: u64 = 3_000_000;

/// Plays a scenario on the engine and writes down what it tells.
pub fn watch(
    scenario: &Scenario,
    workload: Workload,
    times: &StepTimes,
    requests: usize,
    controllers: Vec<Box<dyn Controller>>,
) -> History {
    let witness = Witness::new(scenario, requests);
    let observers = (witness.clone(), witness);
    let mut on = |_, _| true;
    let how = Driving::on(1);
    let input = SimulationInput {
        workload,
        times,
        observers,
        controllers,
        base_bytes: 0,
    };
    let outcome = simulate(scenario, input, how, &mut on);
    let outcome = outcome.expect("the scenario has a prefill pool and outgrows no limit");
    let mut told = outcome.intake.inside_since_first;
    let mut prefill = outcome.intake.history;
    if let Some(decode) = outcome.decode {
        told.extend(&decode.inside_since_first);
        let decode = decode.history;
        for (life, rest) in prefill.lives.iter_mut().zip(decode.lives) {
            go_on(life, rest);
        }
        prefill.decode_steps = decode.decode_steps;
        prefill.unit_time[1] = decode.unit_time[0];
    }
    for (id, first_token) in told {
        let of_life = prefill.lives[id].first_token;
        assert_eq!(of_life, first_token, "the first token of request {id}");
    }
    prefill.prefill_steps.sort_unstable();
    prefill.decode_steps.sort_unstable();
    prefill
}

/// What the decode pool says of a request, after what the prefill pool said.
fn go_on(life: &mut Life, decode: Life) {
    life.kv_arrived = decode.kv_arrived;
    life.joined = decode.joined;
    life.preempted = decode.preempted;
    life.resumed = decode.resumed;
    if let Some(first) = decode.first_token {
        life.request.cached = decode.request.cached;
        assert_eq!(life.first_token, None, "both pools emit a first token");
        life.first_token = Some(first);
    }
    // A request may come back from decode: times of both pools.
    life.migrated.extend(decode.migrated);
    life.migrated.sort_unstable();
    life.lost.extend(decode.lost);
    life.lost.sort_unstable();
    life.tokens_1024 += decode.tokens_1024;
    if decode.end != End::Unborn {
        assert_eq!(life.end, End::Unborn, "a request ends in both pools");
        life.end = decode.end;
    }
}

/// Listens to one pool.
#[derive(Clone, Debug)]
struct Witness {
    history: History,
    usage: Usage,
    now: u64,
    start: u64,
    /// How often time has been told.
    calls: u64,
    /// By request: when its latest decode step ended.
    stepped: Vec<u64>,
    /// By unit: who takes part in its decode steps.
    residents: BTreeMap<usize, BTreeSet<usize>>,
    /// Progress of a decode step, in 1/1024 token.
    progress_1024: u64,
    /// Whether first tokens are those of a decode step, which tells how many they are.
    first_from_decode: bool,
    /// Who is inside at the end, and when its first token is then said to have left.
    inside_since_first: Vec<(usize, Option<u64>)>,
}

impl Witness {
    fn new(scenario: &Scenario, requests: usize) -> Self {
        let lives = vec![Life::default(); requests];
        Self {
            history: History {
                lives,
                ..History::default()
            },
            usage: Usage::default(),
            now: 0,
            start: scenario.warm_up.0,
            calls: 0,
            stepped: vec![0; requests],
            residents: BTreeMap::new(),
            progress_1024: u64::from(scenario.mtp.progress_1024),
            first_from_decode: first_from_decode(scenario),
            inside_since_first: Vec::new(),
        }
    }

    fn life(&mut self, request: &Request) -> &mut Life {
        &mut self.history.lives[request.id as usize]
    }

    fn end(&mut self, request: &Request, end: End) {
        let life = self.life(request);
        assert_eq!(life.end, End::Unborn, "request {} ends twice", request.id);
        life.end = end;
    }

    fn use_until(&mut self, now: SimTime) {
        assert!(
            self.now <= now.0,
            "time runs back from {} to {now}",
            self.now
        );
        let counted = now.0.max(self.start) - self.now.max(self.start);
        let sum: &mut UnitTime = &mut self.history.unit_time[0];
        sum.add(&self.usage, counted);
        self.now = now.0;
    }
}

impl Observer for Witness {
    fn advance(&mut self, now: SimTime) {
        self.calls += 1;
        assert!(self.calls < CALLS_MAX, "no end in sight at {now}");
        self.use_until(now);
    }

    fn arrived(&mut self, request: &Request) {
        self.life(request).request = *request;
    }

    fn moved(&mut self, now: SimTime, request: &Request, from: Place, _since: SimTime, to: Place) {
        if (from, to) == (Place::Transfer, Place::DecodeQueue) {
            self.life(request).kv_arrived.push(now.0);
        }
    }

    fn prefill_started(&mut self, now: SimTime, request: &Request, _unit: usize) {
        let life = self.life(request);
        assert_eq!(life.started, None, "request {} starts twice", request.id);
        life.started = Some(now.0);
    }

    fn prefill_step(&mut self, now: SimTime, unit: usize, length: SimDuration, tokens: u64) {
        let (from, length) = (now.0, length.0);
        self.history.prefill_steps.push(PrefillStep {
            from,
            unit,
            length,
            tokens,
        });
    }

    fn first_token(&mut self, now: SimTime, request: &Request) {
        let from_decode = self.first_from_decode;
        let life = self.life(request);
        assert_eq!(
            life.first_token, None,
            "request {} has two first tokens",
            request.id
        );
        life.first_token = Some(now.0);
        life.request.cached = request.cached;
        if !from_decode {
            life.tokens_1024 = TOKEN;
        }
    }

    fn joined(
        &mut self,
        now: SimTime,
        request: &Request,
        unit: usize,
        rank: usize,
        since: SimTime,
    ) {
        let (at, since) = (now.0, since.0);
        self.life(request).joined.push(Join {
            at,
            unit,
            rank,
            since,
        });
    }

    fn decode_step(&mut self, step: &StepRecord<'_>) {
        let residents = self.residents.entry(step.unit).or_default();
        if step.residents > 0 {
            assert_eq!(step.residents, residents.len() as u64, "unit {}", step.unit);
            for &id in residents.iter() {
                assert_eq!(
                    self.stepped[id], step.since.0,
                    "the step before of request {id}"
                );
                self.stepped[id] = step.to.0;
                self.history.lives[id].tokens_1024 += self.progress_1024;
            }
        }
        for new in step.joined {
            let is_new = residents.insert(new.id as usize);
            assert!(is_new, "request {} joins twice", new.id);
        }
        let from_decode = self.first_from_decode;
        let emitting = step.joined.iter().chain(step.recomputed);
        for new in emitting.clone() {
            let id = new.id as usize;
            self.stepped[id] = step.to.0;
            let life = &mut self.history.lives[id];
            life.tokens_1024 += self.progress_1024;
            // Who has no token yet gets its first ones.
            assert_eq!(
                new.last_token == SimTime::NEVER,
                life.first_token == Some(step.to.0) && life.resumed.is_empty() && from_decode,
                "the token before of request {id}"
            );
            life.resumed.push((step.to.0, new.last_token.0));
        }
        self.history.decode_steps.push(DecodeStep {
            from: step.from.0,
            unit: step.unit,
            to: step.to.0,
            requests: step.residents + emitting.count() as u64,
            kv_1024: step.kv_1024,
        });
    }

    fn left_batch(&mut self, request: &Request, unit: usize) {
        let residents = self.residents.entry(unit).or_default();
        let was_there = residents.remove(&(request.id as usize));
        assert!(was_there, "request {} is not on unit {unit}", request.id);
    }

    fn completed(
        &mut self,
        now: SimTime,
        request: &Request,
        _first_token: SimTime,
        overshoot_1024: u64,
    ) {
        self.life(request).tokens_1024 -= overshoot_1024;
        self.end(request, End::Completed(now.0));
    }

    fn ended(&mut self, now: SimTime, request: &Request, fate: Fate) {
        self.end(
            request,
            match fate {
                Fate::Completed => End::Completed(now.0),
                Fate::Rejected => End::Rejected(now.0),
                Fate::Failed => End::Failed(now.0),
            },
        );
    }

    fn preempted(&mut self, now: SimTime, request: &Request) {
        self.life(request).preempted.push(now.0);
    }

    fn migrated(&mut self, now: SimTime, request: &Request) {
        self.life(request).migrated.push(now.0);
    }

    fn lost(&mut self, now: SimTime, request: &Request, times: u32) {
        self.life(request).lost.push((now.0, times));
    }

    fn units(&mut self, now: SimTime, paid: u64, working: u64) {
        self.use_until(now);
        (self.usage.paid, self.usage.working) = (paid, working);
    }

    fn busy(&mut self, now: SimTime, units: u64) {
        self.use_until(now);
        self.usage.busy = units;
    }

    fn kv(&mut self, now: SimTime, kv_1024: u64) {
        self.use_until(now);
        self.usage.kv_1024 = kv_1024;
    }

    fn blocked(&mut self, now: SimTime, by_kv: u64, by_batch: u64) {
        self.use_until(now);
        (self.usage.blocked_by_kv, self.usage.blocked_by_batch) = (by_kv, by_batch);
    }

    fn still_in(&mut self, request: &Request, place: Place, since: SimTime, first_token: SimTime) {
        let first_token = (first_token != SimTime::NEVER).then_some(first_token.0);
        self.inside_since_first
            .push((request.id as usize, first_token));
        self.end(request, End::Inside(place, since.0));
    }
}
