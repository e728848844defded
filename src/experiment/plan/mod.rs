//! `plan`: the deployment that keeps given promises at the least cost, or with the most profit or goodput.
//!
//! A [`question`] holds the promises ([`slo`]), the bounds and the options. [`design`] makes of the options
//! and choices all deployments there are; `sieve` rules out by steady-state arithmetic (`screen`) what cannot
//! work; `grid` simulates the others, from the cheapest up; `schedule` seeks numbers of units that change over
//! the day. Nothing is promised that was not simulated: the [`answer`] is a scenario that has been run.
//!
//! What is taken for granted: more units of a pool never serve worse than fewer. The same question gives the
//! same answer on any number of threads.

pub mod answer;
mod axis;
mod capacity;
mod choice;
mod curve;
pub mod design;
mod grid;
pub(in crate::experiment) mod load;
pub mod page;
pub mod question;
mod rescale;
mod schedule;
mod screen;
mod sieve;
pub mod slo;
mod slots;
mod timetable;
pub mod trial;

pub use answer::Answer;
pub use question::{Goal, Question};
pub use trial::{Bench, Stopped};

use std::sync::atomic::Ordering;

use crate::scenario::Scenario;

/// Answers a question about a scenario.
///
/// # Errors
/// Where the question's options cannot be read, a run fails, or somebody wants it to end.
pub fn plan(base: &Scenario, question: &Question, bench: &Bench<'_>) -> Result<Answer, Stopped> {
    if question.schedule.is_some() {
        let mut answer = timetable::scheduled(base, question, bench)?;
        answer.simulations = bench.runs.load(Ordering::Relaxed);
        return Ok(answer);
    }
    let mut answer = constant(base, question, bench)?;
    if question.goal == Goal::Cost && question.step_error > 0.0 && answer.best.is_some() {
        for factor in [1.0 + question.step_error, 1.0 - question.step_error] {
            if let Some((base, question)) = rescale::rescaled(base, question, factor) {
                (bench.tell)(&format!("again, steps {factor} times as long"));
                let other = constant(&base, &question, bench)?;
                answer.step_times.push(rescale::row(&other, factor));
            }
        }
    }
    answer.simulations = bench.runs.load(Ordering::Relaxed);
    Ok(answer)
}

fn constant(base: &Scenario, question: &Question, bench: &Bench<'_>) -> Result<Answer, Stopped> {
    let designs = design::designs(base, question).map_err(Stopped::Question)?;
    let mut found = Vec::new();
    for (option, named) in question.options.iter().enumerate() {
        (bench.tell)(&format!("option {}", named.name));
        found.push(grid::search(base, option, &designs, question, bench)?);
    }
    Ok(answer::of_grid(base, &designs, question, &found))
}
