//! `plan`: the deployment that keeps given promises at the least cost, or with the most profit or goodput.
//!
//! A [`question`] holds the promises ([`slo`]), the bounds and the options. [`candidate`] makes of the options and
//! choices all deployments there are; `sieve` rules out by steady-state arithmetic (`screening`) what cannot work;
//! `constant_units` simulates the others, from the cheapest up, and brackets an answer that is far (`least_cost`);
//! `plan_schedule` seeks numbers of units that change over the day. Nothing is promised that was not simulated: the
//! [`answer`] is a scenario that has been run.
//!
//! What is taken for granted: more units of a pool never serve worse than fewer. The same question gives the
//! same answer on any number of threads.

pub mod answer;
pub(in crate::experiment) mod average_load;
mod axis;
pub mod candidate;
mod capacity;
mod choice;
mod constant_units;
mod curve;
mod day_slots;
mod least_cost;
mod phases;
pub mod plan_page;
mod plan_schedule;
pub mod plan_tables;
mod probes;
pub mod question;
mod screening;
mod sieve;
pub mod slo;
pub mod slot_rows;
mod timetable;
pub mod trial;
mod tried;

pub use answer::{Deployment, PlanAnswer};
pub use question::{PlanQuestion, Steps};
pub use trial::{Bench, PlanStopped};

use std::sync::atomic::Ordering;

use crate::scenario::{KeyChange, PlanTable, Scenario};

/// Answers what is asked, and where that is silent what the scenario's `[plan]` asks, so many simulations at a time.
/// `watch` hears often how many have begun, and says whether to go on.
///
/// # Errors
/// Where the question is incomplete or cannot be read, a run fails, or `watch` says no.
pub fn search(
    base: &Scenario,
    asked: &PlanTable,
    threads: usize,
    watch: &(dyn Fn(u64) -> bool + Sync),
) -> Result<PlanAnswer, PlanStopped> {
    let question = PlanQuestion::new(asked, base).map_err(PlanStopped::Question)?;
    plan(base, &question, &Bench::quiet(threads, watch))
}

/// Answers a question about a scenario.
///
/// # Errors
/// Where the question's options cannot be read, a run fails, or somebody wants it to end.
pub fn plan(
    base: &Scenario,
    question: &PlanQuestion,
    bench: &Bench<'_>,
) -> Result<PlanAnswer, PlanStopped> {
    let judged;
    let (base, hash) = match question.every.filter(|_| base.slo_every.is_none()) {
        Some(every) => {
            let setting = KeyChange::set("slo_every", every);
            judged =
                candidate::changed(base, "slo_every", &[setting]).map_err(PlanStopped::Question)?;
            (&judged, base.hash().to_owned())
        }
        None => (base, base.hash().to_owned()),
    };
    let mut answer = answered(base, question, bench)?;
    answer.hash = hash;
    Ok(answer)
}

/// Answers a question about a scenario whose `slo_every` is the question's.
fn answered(
    base: &Scenario,
    question: &PlanQuestion,
    bench: &Bench<'_>,
) -> Result<PlanAnswer, PlanStopped> {
    if question.schedule.is_some() {
        let mut answer = timetable::scheduled(base, question, bench)?;
        answer.simulations = bench.runs.load(Ordering::Relaxed);
        return Ok(answer);
    }
    let mut answer = constant(base, question, bench)?;
    if question.step_error != Some(0.0) {
        for steps in [Steps::Longer, Steps::Less] {
            (bench.begin)(match steps {
                Steps::Longer => "the same search with longer steps",
                _ => "the same search with shorter steps",
            });
            let row = if_steps_take(base, question, steps, &answer, bench)?;
            answer.step_times.push(row);
        }
    }
    answer.simulations = bench.runs.load(Ordering::Relaxed);
    Ok(answer)
}

/// Answers the question where steps take longer or shorter, in one replication. Where nothing keeps the promises as
/// it is, nothing does with longer steps.
fn if_steps_take(
    base: &Scenario,
    question: &PlanQuestion,
    steps: Steps,
    answer: &PlanAnswer,
    bench: &Bench<'_>,
) -> Result<answer::StepTimesRow, PlanStopped> {
    let question = PlanQuestion {
        steps,
        replications: 1,
        ..question.clone()
    };
    let known = answer.best.as_ref().map(|best| best.step_error);
    if steps == Steps::Longer && known.is_none() {
        let factor = question.step_factor(base);
        return Ok(answer::StepTimesRow {
            factor,
            answer: None,
            nodes: None,
            by: "none keeps every promise as it is",
        });
    }
    let other = constant(base, &question, bench)?;
    let error = other.best.as_ref().map(|best| best.step_error).or(known);
    let error = error.unwrap_or_else(|| question.step_error(base));
    Ok(answer::StepTimesRow {
        factor: match steps {
            Steps::Longer => 1.0 + error,
            _ => 1.0 - error,
        },
        answer: other.best.as_ref().map(Deployment::words),
        nodes: other.best.as_ref().map(|best| best.nodes),
        by: "the same search, one replication",
    })
}

fn constant(
    base: &Scenario,
    question: &PlanQuestion,
    bench: &Bench<'_>,
) -> Result<PlanAnswer, PlanStopped> {
    let designs =
        candidate::designs(base, question, &bench.known).map_err(PlanStopped::Question)?;
    let mut found = Vec::new();
    for (option, named) in question.options.iter().enumerate() {
        let what = match question.options.len() {
            1 => format!("searching: {}", named.name),
            all => format!("option {} of {all}: {}", option + 1, named.name),
        };
        match question.steps {
            Steps::Computed => (bench.begin)(&what),
            _ => (bench.tell)(&what),
        }
        found.push(constant_units::search(
            base, option, &designs, question, bench,
        )?);
    }
    Ok(answer::of_grid(base, &designs, question, &found))
}
