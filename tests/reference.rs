//! The engine against the reference simulator: random small scenarios that use every feature, in which
//! every request must fare equally, to the nanosecond.
//!
//! The reference (`simulation.rs` and what it uses) is slow and plain, written from the exact rules S1-S20
//! and the crate documentation, not from the engine. It takes a scenario's meaning, the requests of its
//! open classes, what its users draw, and its step times, of whatever model, and works everything else out
//! anew: schedules, routers, queues, batches, transfers, lock-step token by token, chunks of prompts beside
//! answers, preemption, migration, when users ask again, and what the summary says of them. Compared are
//! what became of each request, every step, unit-time by kind, and the figures of the summary, with its
//! quantiles, hours and intervals, from a run on one thread and from one on two; coupled pools give the bytes of the
//! summary that the pipeline gives.
//!
//! That the two do not err alike is what `rules.rs` and its neighbours are for: small scenarios worked out by hand.
//!
//! Faults that were planted in the engine to see whether this finds them, one at a time: a step too many
//! after a join, KV that misses the boundary at which it arrives, a token of KV dropped (at the join, in
//! admission), ties to the highest index or the lowest id, the order of the file ignored, a request lost at
//! a release, discounts an hour late. Each failed here and in `rules.rs`, most of them also in unit tests,
//! closed forms, or the balances of every run.
//!
//! In mixed pools and among users: a token too many in a batch, a step's tokens emitted again after a
//! preemption, look-ahead that leaves out who comes as a step begins, memory without the coming growth, whole
//! prompts under `chunked`, one token of the budget for two with multi-token prediction, answers beside
//! prompts that go first, a ramp that begins a user late, no pause after a rejection, a request too many. Each
//! failed in `rules_mixed.rs`. The short form found, of these and of others, a token too many, look-ahead,
//! whole prompts, the lowest id preempted, a preempted request at the queue's tail, chunks without their
//! context, and a user's request behind those of later classes. It did not find that users who are turned away
//! draw their think times before content ones of the same instant.
//!
//! Every scenario is played a second time under a controller that takes, drains, releases and loses units on what it
//! sees (`meddler.rs`). That found that a request which a decode unit hands on as its step ends was said to have had its
//! latest token as that step began.
//!
//! A scenario in which the two differ is cut down to a small file, which is printed in full. The long
//! form (TOKENTIDE_SLOW=1) plays ten thousand scenarios; TOKENTIDE_SEED asks for others.

use std::panic;
use std::thread;

use tokentide::internals::cluster::controller::Controller;
use tokentide::internals::engine::{Driver, Driving};
use tokentide::internals::experiment;
use tokentide::internals::perf::{StepTimes, with_capacities};
use tokentide::internals::report::json;
use tokentide::internals::scenario::{Scenario, load_str};
use tokentide::internals::units::SimTime;
use tokentide::internals::workload::{Request, Workload};

mod support;

#[path = "reference/books.rs"]
mod books;
#[path = "reference/by_prefix.rs"]
mod by_prefix;
#[path = "reference/cache.rs"]
mod cache;
#[path = "reference/coverage.rs"]
mod coverage;
#[path = "reference/decided.rs"]
mod decided;
#[path = "reference/decode.rs"]
mod decode;
#[path = "reference/dice.rs"]
mod dice;
#[path = "reference/fleet.rs"]
mod fleet;
#[path = "reference/history.rs"]
mod history;
#[path = "reference/intake.rs"]
mod intake;
#[path = "reference/kv.rs"]
mod kv;
#[path = "reference/lengths.rs"]
mod lengths;
#[path = "reference/load.rs"]
mod load;
#[path = "reference/meddler.rs"]
mod meddler;
#[path = "reference/mixed.rs"]
mod mixed;
#[path = "reference/nodes.rs"]
mod nodes;
#[path = "reference/plan.rs"]
mod plan;
#[path = "reference/pools.rs"]
mod pools;
#[path = "reference/prefill.rs"]
mod prefill;
#[path = "reference/rules.rs"]
mod rules;
#[path = "reference/rules_balance.rs"]
mod rules_balance;
#[path = "reference/rules_losses.rs"]
mod rules_losses;
#[path = "reference/rules_mixed.rs"]
mod rules_mixed;
#[path = "reference/rules_prefix.rs"]
mod rules_prefix;
#[path = "reference/rules_tokens.rs"]
mod rules_tokens;
#[path = "reference/rules_transfer.rs"]
mod rules_transfer;
#[path = "reference/rules_units.rs"]
mod rules_units;
#[path = "reference/scenarios.rs"]
mod scenarios;
#[path = "reference/sessions.rs"]
mod sessions;
#[path = "reference/shrink.rs"]
mod shrink;
#[path = "reference/simulation.rs"]
mod simulation;
#[path = "reference/text.rs"]
mod text;
#[path = "reference/times.rs"]
mod times;
#[path = "reference/users.rs"]
mod users;
#[path = "reference/witness.rs"]
mod witness;
#[path = "reference/world.rs"]
mod world;

use coverage::Coverage;
use meddler::Meddler;
use simulation::{Outcome, REQUESTS_MAX};
use text::Table;

/// Files of the short and the long form: a few are refused, so that ten thousand scenarios are played.
const FILES: [u64; 2] = [400, 10_500];
/// Of a hundred generated files, at most this many may be refused or too large to play.
const REFUSED_MAX_PERCENT: u64 = 5;
/// The reference is slow: scenarios of many requests are left out, and those whose routers hear of more
/// loads than this.
const REPORTS_MAX: u64 = 100_000;

/// Pools played together, whether anything flows back or not.
const COUPLED: Driving = Driving {
    threads: 1,
    driver: Driver::Coupled,
};

/// What came of a file.
enum Verdict {
    /// It is no scenario, or too large a one.
    Refused,
    Equal(Box<Scenario>, Box<Outcome>),
    /// How the engine differs from the reference.
    Different(String),
}

#[test]
fn the_engine_does_what_the_reference_does() {
    let long = support::slow("ten thousand scenarios against the reference");
    let count = FILES[usize::from(long)];
    let first = support::seed().wrapping_mul(1_000_000_000);
    let half = move |offset: u64| {
        let mut coverage = Coverage::default();
        let seeds = (0..count).filter(|seed| seed % 2 == offset);
        let failure = seeds
            .map(|seed| first.wrapping_add(seed))
            .find(|seed| !passes(*seed, &mut coverage));
        (coverage, failure)
    };
    let (odd, even) = thread::scope(|scope| {
        let odd = scope.spawn(move || half(1));
        let even = half(0);
        (odd.join().expect("a panic is reported above"), even)
    });
    if let Some(seed) = even.1.or(odd.1) {
        panic!("{}", report(seed));
    }
    let mut coverage = even.0;
    coverage.merge(odd.0);
    println!("{coverage:#?}");
    assert!(
        coverage.scenarios * 100 >= count * (100 - REFUSED_MAX_PERCENT),
        "only {} of {count} files could be played",
        coverage.scenarios
    );
    let missing = coverage.missing();
    assert!(
        missing.is_empty(),
        "the generator no longer reaches\n{}",
        missing.join("\n")
    );
}

/// Whether the scenario of this seed fares equally.
fn passes(seed: u64, coverage: &mut Coverage) -> bool {
    match compare(&scenarios::scenario(seed)) {
        Verdict::Refused => true,
        Verdict::Equal(scenario, outcome) => {
            coverage.add(&scenario, &outcome.seen);
            true
        }
        Verdict::Different(_) => false,
    }
}

/// Plays a file on both.
fn compare(file: &Table) -> Verdict {
    let Ok(scenario) = load_str("generated.toml", &text::write(file), &[]) else {
        return Verdict::Refused;
    };
    let (Ok(times), Ok(workload)) = (StepTimes::compile(&scenario), Workload::new(&scenario))
    else {
        return Verdict::Refused;
    };
    // What does not fit into memory is no scenario, either.
    if with_capacities(&scenario).is_err() {
        return Verdict::Refused;
    }
    let mut requests = Vec::new();
    workload.clone().fill(SimTime::NEVER, &mut requests);
    if requests.len() > REQUESTS_MAX || reports(&scenario) > REPORTS_MAX {
        return Verdict::Refused;
    }
    let played = panic::catch_unwind(|| {
        let meddler = || -> Box<dyn Controller> { Box::new(Meddler::new(&scenario)) };
        let meddled = simulation::simulate(&scenario, &times, &requests, Some(meddler()))?;
        let reference = simulation::simulate(&scenario, &times, &requests, None)?;
        let mut difference = difference(&scenario, &times, workload.clone(), &reference);
        let count = meddled.requests.len();
        let engine = witness::watch(&scenario, workload, &times, count, vec![meddler()]);
        let how = history::difference(&meddled.history, &engine).or_else(|| {
            let on = &mut |_, _| true;
            let summary = experiment::run_driven(&scenario, COUPLED, vec![meddler()], on);
            match summary {
                Ok(summary) => books::difference(&scenario, &meddled, &summary),
                Err(why) => Some(why.to_string()),
            }
        });
        if let Some(how) = how {
            difference.get_or_insert(format!("with a controller:\n{how}"));
        }
        let mut reference = reference;
        // What a controller brings about stands apart, so that it hides nothing that schedules no longer do.
        for (what, count) in meddled.seen {
            reference.seen.insert(format!("controlled: {what}"), count);
        }
        Some((reference, difference))
    });
    match played {
        Ok(None) => Verdict::Refused,
        Ok(Some((reference, None))) => Verdict::Equal(Box::new(scenario), Box::new(reference)),
        Ok(Some((_, Some(how)))) => Verdict::Different(how),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or(panic.downcast_ref::<&str>().copied());
            Verdict::Different(format!("a panic: {}", text.unwrap_or_default()))
        }
    }
}

/// How often some pool's loads are reported.
fn reports(scenario: &Scenario) -> u64 {
    let simulated = scenario.warm_up.0 + scenario.duration.0;
    let intervals = scenario.pools.iter().map(|pool| pool.report_interval.0);
    let reports = intervals.filter(|ns| *ns > 0).map(|ns| simulated / ns);
    reports.max().unwrap_or(0)
}

fn difference(
    scenario: &Scenario,
    times: &StepTimes,
    workload: Workload,
    reference: &Outcome,
) -> Option<String> {
    let engine = witness::watch(
        scenario,
        workload,
        times,
        reference.requests.len(),
        Vec::new(),
    );
    if let Some(how) = history::difference(&reference.history, &engine) {
        return Some(how);
    }
    let runs = experiment::run(scenario, 2).and_then(|summary| {
        let coupled = experiment::run_driven(scenario, COUPLED, Vec::new(), &mut |_, _| true)?;
        Ok((summary, coupled))
    });
    match runs {
        Ok((summary, coupled)) if json::to_text(&summary) != json::to_text(&coupled) => {
            Some("coupled pools give another summary than the pipeline".to_owned())
        }
        Ok((summary, _)) => books::difference(scenario, reference, &summary),
        Err(why) => Some(why.to_string()),
    }
}

/// The scenario of this seed, as small as it can be made, and how the engine differs in it.
fn report(seed: u64) -> String {
    panic::set_hook(Box::new(|_| {}));
    let fails = |file: &Table| matches!(compare(file), Verdict::Different(_));
    let file = scenarios::scenario(seed);
    if let Verdict::Different(how) = compare(&file) {
        eprintln!("seed {seed} differs, and is cut down:\n{how}");
    }
    let recorded = requests(&file).map(|requests| load::recorded(&file, &requests));
    let recorded = recorded.filter(|file| fails(file));
    let small = shrink::shrink(recorded.unwrap_or(file), fails);
    let _ = panic::take_hook();
    let how = match compare(&small) {
        Verdict::Different(how) => how,
        _ => "nothing, now: the difference comes and goes".to_owned(),
    };
    format!(
        "seed {seed} differs. Cut down:\n\n{}\n{how}",
        text::write(&small)
    )
}

/// What arrives in a file's scenario.
fn requests(file: &Table) -> Option<Vec<Request>> {
    let scenario = load_str("generated.toml", &text::write(file), &[]).ok()?;
    let mut requests = Vec::new();
    Workload::new(&scenario)
        .ok()?
        .fill(SimTime::NEVER, &mut requests);
    Some(requests)
}
