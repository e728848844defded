//! The answer of a search over schedules.

use super::answer::{
    Deployment, OptionRow, PlanAnswer, StepTimesRow, binding, empty, lent, seconds, slo_rows,
    stretches,
};
use super::candidate::{Design, designs, in_words, notes};
use super::day_slots::assumed;
use super::plan_schedule::{Played, Scheduling};
use super::question::PlanQuestion;
use super::slot_rows::{SlotRow, Timetable};
use super::trial::{Bench, PlanStopped, TrialRun};
use crate::report::format::fixed;
use crate::scenario::{KeyChange, Scenario};

/// Number of designs whose schedules are searched: those that arithmetic finds cheapest.
const DESIGNS: usize = 2;

/// Searches the schedules of the designs that arithmetic finds cheapest.
///
/// # Errors
/// Where the question cannot be read, a run fails, or somebody wants it to end.
pub fn scheduled(
    base: &Scenario,
    question: &PlanQuestion,
    bench: &Bench<'_>,
) -> Result<PlanAnswer, PlanStopped> {
    let designs = designs(base, question, &bench.known).map_err(PlanStopped::Question)?;
    let mut open = Vec::new();
    let mut options: Vec<OptionRow> = Vec::new();
    for design in &designs {
        match &design.screen {
            Ok(_) => open.push((design, Scheduling::new(base, design, question, bench)?)),
            Err(why) => options.push(row(design, question, 0, None, why.clone())),
        }
    }
    open.sort_by(|a, b| {
        a.1.promise_node_hours()
            .total_cmp(&b.1.promise_node_hours())
    });
    for (design, unsearched) in open.iter().skip(DESIGNS) {
        let promise = fixed(unsearched.promise_node_hours(), 0);
        let why = format!("arithmetic promises no less than {promise} node-hours");
        options.push(row(design, question, 0, None, why));
    }
    open.truncate(DESIGNS);
    let mut answer = empty(base, question);
    let mut all: Vec<(&Design, Played)> = Vec::new();
    let mut winner: Option<(f64, Timetable, Vec<StepTimesRow>, String)> = None;
    let mut slotwise: Option<String> = None;
    for (design, scheduling) in &mut open {
        let option = &question.options[design.option].name;
        (bench.begin)(&format!("schedules of {}", named(option, &design.label)));
        scheduling.search()?;
        let best = scheduling.best().map(|index| &scheduling.played[index]);
        let cost = best.map(|b| b.node_hours());
        let nearest = scheduling
            .played
            .iter()
            .filter(|p| !p.keeps() && cost.is_none_or(|c| p.node_hours() < c));
        let nearest = nearest.min_by(|a, b| a.strain().total_cmp(&b.strain()));
        let why = nearest.and_then(|p| {
            let broken = p.runs.first()?.broken(&question.slos)?;
            Some(format!(
                "with {} node-hours: {broken}",
                fixed(p.node_hours(), 0)
            ))
        });
        options.push(row(
            design,
            question,
            scheduling.played.len(),
            best,
            why.unwrap_or_default(),
        ));
        if let Some(best) = best
            && winner
                .as_ref()
                .is_none_or(|(cost, ..)| best.node_hours() < *cost)
        {
            let error = question.step_error(&design.scenario);
            let steps = [1.0 + error, 1.0 - error];
            let steps = steps.iter().filter(|_| error > 0.0);
            let steps = steps
                .map(|factor| if_steps_took(scheduling, base, *factor))
                .collect();
            let scenario = scheduling.scenario(&best.settings)?;
            slotwise.clone_from(&scheduling.slotwise);
            winner = Some((
                best.node_hours(),
                timetable(design, scheduling, best),
                steps,
                scenario.resolved_toml().to_owned(),
            ));
        }
        all.extend(
            scheduling
                .played
                .iter()
                .map(|played| (*design, played.clone())),
        );
    }
    let show = |(design, played): &(&Design, Played)| {
        deployment(design, &played.settings, &played.runs, question, base)
    };
    let mut kept: Vec<&(&Design, Played)> = all.iter().filter(|(_, p)| p.keeps()).collect();
    kept.sort_by(|a, b| a.1.node_hours().total_cmp(&b.1.node_hours()));
    answer.best = kept.first().map(|one| show(one));
    answer.runners_up = kept.iter().skip(1).take(4).map(|one| show(one)).collect();
    let cost = kept.first().map_or(f64::INFINITY, |(_, p)| p.node_hours());
    let failed = all
        .iter()
        .filter(|(_, p)| !p.keeps() && p.node_hours() < cost);
    let failed = failed.min_by(|a, b| a.1.strain().total_cmp(&b.1.strain()));
    answer.nearest_miss = failed.map(&show);
    let (_, timetable, steps, toml) = match winner {
        Some(won) => (won.0, Some(won.1), won.2, Some(won.3)),
        None => (0.0, None, Vec::new(), None),
    };
    (answer.schedule, answer.step_times, answer.scenario_toml) = (timetable, steps, toml);
    answer.notes = notes(&designs, None, base);
    let of = kept.first().map(|(design, _)| *design).or(designs.first());
    let pools = of.map_or(&base.pools, |design| &design.scenario.pools);
    answer.notes.extend(slotwise);
    answer.notes.extend(pools.iter().filter_map(assumed));
    let error = question.step_error(base);
    if answer.best.is_none() && error > 0.0 {
        let unsought = |factor| StepTimesRow {
            factor,
            answer: None,
            nodes: None,
            by: "not sought: no schedule keeps every promise as it is",
        };
        answer.step_times = [1.0 + error, 1.0 - error].map(unsought).into();
    }
    answer.options = options;
    (bench.begin)("the scenario's own schedule");
    let own = bench.play(&[(base, 0)], &question.slos)?;
    answer.baseline = designs.first().map(|design| Deployment {
        option: "the scenario's own schedule".to_string(),
        choices: String::new(),
        settings: Vec::new(),
        ..deployment(design, &[], &own, question, base)
    });
    Ok(answer)
}

fn if_steps_took(scheduling: &Scheduling<'_>, base: &Scenario, factor: f64) -> StepTimesRow {
    let node_hours = scheduling.if_steps_took(factor);
    StepTimesRow {
        factor,
        answer: node_hours.map(|n| format!("about {} node-hours", fixed(n, 0))),
        nodes: node_hours.map(|n| n * 3_600.0 / seconds(base)),
        by: "arithmetic, corrected by the simulations",
    }
}

fn timetable(design: &Design, scheduling: &Scheduling<'_>, best: &Played) -> Timetable {
    let pools = &design.scenario.pools;
    let slots = scheduling.table(best).into_iter();
    Timetable {
        pools: pools.iter().map(|pool| pool.name.clone()).collect(),
        carries: scheduling.yields.clone(),
        slots: slots
            .map(|(from, units, requests_per_s)| {
                let nodes = pools.iter().zip(&units).map(|(p, n)| p.nodes(*n));
                let gpus = pools.iter().zip(&units).map(|(p, n)| p.gpus_per_unit * n);
                SlotRow {
                    from,
                    requests_per_s,
                    nodes: nodes.sum(),
                    gpus: gpus.sum(),
                    units,
                }
            })
            .collect(),
    }
}

fn deployment(
    design: &Design,
    settings: &[KeyChange],
    runs: &[TrialRun],
    question: &PlanQuestion,
    base: &Scenario,
) -> Deployment {
    let hardest = runs.iter().max_by(|a, b| a.strain.total_cmp(&b.strain));
    let mean =
        |of: fn(&TrialRun) -> f64| runs.iter().map(of).sum::<f64>() / runs.len().max(1) as f64;
    let node_hours = mean(|run| run.node_hours);
    Deployment {
        option: question.options[design.option].name.clone(),
        choices: design.label.clone(),
        units: "units by the hour".to_string(),
        pools: Vec::new(),
        gpus: None,
        settings: in_words(settings),
        nodes: node_hours * 3_600.0 / seconds(base),
        node_hours,
        step_error: question.step_error(&design.scenario),
        borrowed: lent(&design.scenario),
        cost_usd: mean(|run| run.cost_usd),
        profit_usd: mean(|run| run.profit_usd),
        goodput_per_s: mean(|run| run.goodput_per_s),
        replications: runs.len(),
        kept: runs.iter().filter(|run| run.keeps()).count(),
        stretches_broken: stretches(runs).0,
        stretches: stretches(runs).1,
        slos: slo_rows(runs, &question.slos),
        binding: hardest.map_or(String::new(), |run| binding(run, &question.slos)),
        limit: hardest.and_then(|run| run.limit.clone()),
        broken: hardest.and_then(|run| run.broken(&question.slos)),
    }
}

/// An option and what tells a design of it from the others.
fn named(option: &str, label: &str) -> String {
    match label {
        "" => option.to_string(),
        label => format!("{option} ({label})"),
    }
}

fn row(
    design: &Design,
    question: &PlanQuestion,
    simulated: usize,
    best: Option<&Played>,
    reason: String,
) -> OptionRow {
    let name = named(&question.options[design.option].name, &design.label);
    let run = best.and_then(|b| b.runs.first());
    OptionRow {
        option: name,
        candidates: simulated,
        ruled_out: 0,
        simulated,
        best: run.map(|run| format!("{} node-hours", fixed(run.node_hours, 1))),
        nodes: None,
        gpus: None,
        cost_usd: run.map(|run| run.cost_usd),
        reason,
    }
}
