//! `tokentide check`: read and resolve a scenario, show every mistake, and say what would be simulated.

use std::fmt::Write;

use clap::Args;

use super::model_lines::model_in_brief;
use super::{Exit, ScenarioArguments, load_ranges, print, refuse, screen, tell};
use crate::cluster::schedule::paid_by_schedule;
use crate::economics::paid::{PaidPools, PaidUnits};
use crate::experiment::ResourceNeed;
use crate::experiment::uncertain::uncertain_page::range;
use crate::perf::room::{self, Room};
use crate::perf::{StepTimes, with_capacities};
use crate::report::basis::{basis, of_model, sureness};
use crate::report::format::{count, fixed, length, percent};
use crate::scenario::{ArrivalKind, Class, GapForm, KvCache, Pool, Role, Scenario};
use crate::units::{NS_PER_HOUR, SimDuration, SimTime};
use crate::workload::{Workload, realised};

/// Arguments of `check`.
#[derive(Debug, Args)]
pub struct CheckArguments {
    #[command(flatten)]
    scenario: ScenarioArguments,
    /// Print the resolved scenario (bases merged, overrides applied) instead
    #[arg(long)]
    resolved: bool,
}

/// Runs `check`: reads the scenario and prints what it says.
pub fn execute(arguments: &CheckArguments) -> Exit {
    let scenario = match load_ranges(&arguments.scenario) {
        Ok(scenario) => scenario,
        Err(exit) => return exit,
    };
    if arguments.resolved {
        return print(scenario.resolved_toml());
    }
    if let Some(why) = ResourceNeed::of(&scenario).beyond(&scenario) {
        return refuse(&why);
    }
    let scenario = match with_capacities(&scenario) {
        Ok(scenario) => scenario,
        Err(why) => return refuse(&why),
    };
    if let Err(why) = StepTimes::compile(&scenario) {
        return refuse(&why);
    }
    match Workload::new(&scenario) {
        Ok(workload) => {
            let realised = realised::realised(&scenario, &workload);
            for warning in realised::warnings(&realised) {
                tell(&format!("warning: {warning}"));
            }
            for caution in scenario
                .cautions()
                .into_iter()
                .chain(room::cautions(&scenario))
            {
                tell(&format!("warning: {caution}"));
            }
            print(&screen::labelled(&describe(&scenario, &realised)))
        }
        Err(why) => refuse(&why.to_string()),
    }
}

/// A unit of a pool in words: its size, its copies of the model, their ranks.
fn shape(pool: &Pool) -> String {
    let plural = |n: u32, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    let size = if pool.gpus_per_unit >= pool.node_gpus {
        plural(pool.gpus_per_unit / pool.node_gpus, "node")
    } else {
        plural(pool.gpus_per_unit, "GPU")
    };
    let tensor = pool.parallelism.tensor;
    match (pool.replicas, pool.ranks) {
        (1, 1) => format!("{size}: one copy of the model, TP {tensor}"),
        (1, ranks) => format!("{size}: {ranks} ranks that step together, TP {tensor}"),
        (copies, _) => {
            format!("{size}: {copies} copies of the model that step on their own, TP {tensor}")
        }
    }
}

/// How a mixed pool makes its batches, in words.
fn batches(pool: &Pool) -> String {
    format!(
        "batching {}, admission {}, a step is put together {} the one before runs",
        pool.batching.word(),
        pool.admission.word(),
        if pool.look_ahead { "while" } else { "after" }
    )
}

/// What a pool has room for, in words.
fn held(room: &Room) -> String {
    let gb = |bytes: f64| fixed(bytes / 1e9, 1);
    let gpus = match room.gpus {
        1 => "1 GPU".to_string(),
        n => format!("{n} GPUs"),
    };
    let weights = room.memory.map(|m| {
        format!(
            "{} GB of weights and {} GB for KV on each of {} GB",
            gb(m.weights),
            gb(m.kv),
            gb(m.total)
        )
    });
    let kv = match (room.kv_tokens, room.requests) {
        (Some(tokens), Some(requests)) => format!(
            "{} KV tokens a rank, {} requests of the mean length a copy",
            count(tokens),
            count(requests as u64)
        ),
        _ => "KV not limited".to_string(),
    };
    let parts = [
        Some(format!("a copy on {gpus}, TP {}", room.tensor)),
        weights,
        Some(kv),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
}

/// The simulation of a scenario, described in a few lines.
fn describe(scenario: &Scenario, realised: &[realised::Realised]) -> String {
    let mut text = String::new();
    let end = scenario.warm_up + scenario.duration;
    let start = SimTime::ZERO + scenario.warm_up;
    let end_of_window = start + scenario.duration;
    let paid: Vec<PaidUnits> = scenario
        .pools
        .iter()
        .map(|pool| paid_by_schedule(pool, scenario, end_of_window))
        .collect();
    let (node_ns, peak) =
        PaidPools::new(&scenario.pools, &scenario.node, &paid).nodes(start, end_of_window);
    let _ = writeln!(text, "{}", scenario.name);
    let _ = writeln!(
        text,
        "  time     {} from {}, after {} of warm-up; seed {}",
        length(scenario.duration.as_secs_f64()),
        scenario.start.text,
        length(scenario.warm_up.as_secs_f64()),
        scenario.seed
    );
    let _ = writeln!(
        text,
        "  nodes    {} node-hours, at most {} at once, of {} x {} with {} GB each",
        fixed(node_ns as f64 / NS_PER_HOUR as f64, 2),
        count(peak),
        scenario.node.gpus,
        scenario.node.gpu.name,
        fixed(scenario.node.gpu.usable_bytes as f64 / 1e9, 2)
    );
    let _ = writeln!(text, "  model    {}", model_in_brief(&scenario.model));
    for (pool, room) in scenario.pools.iter().zip(room::rooms(scenario)) {
        let units = || pool.schedule.steps.iter().map(|s| s.1);
        let (least, most) = (units().min().unwrap_or(0), units().max().unwrap_or(0));
        let range = if least == most {
            most.to_string()
        } else {
            format!("{least}-{most}")
        };
        let _ = writeln!(
            text,
            "  pool     {}: {range} units of {}",
            pool.name,
            shape(pool)
        );
        let _ = writeln!(text, "           {}", held(&room));
        if pool.role == Role::Mixed {
            let _ = writeln!(text, "           {}", batches(pool));
        }
    }
    let basis = basis(scenario);
    let _ = writeln!(text, "  steps    {}", of_model(&basis).join(", "));
    for words in sureness(&basis) {
        let _ = writeln!(text, "           {words}");
    }
    if scenario.front_end > SimDuration::ZERO {
        let _ = writeln!(
            text,
            "           outside of steps: {} ms of every request in the front end, in TTFT and E2E",
            fixed(1e3 * scenario.front_end.as_secs_f64(), 2)
        );
    }
    for (class, stated) in realised.iter().zip(&scenario.classes) {
        let arrivals = match &stated.arrivals.kind {
            ArrivalKind::ClosedLoop(closed) => match closed.requests {
                Some(requests) => format!(
                    "{} users, {} requests;",
                    count(u64::from(closed.users)),
                    count(requests)
                ),
                None => format!("{} users;", count(u64::from(closed.users))),
            },
            ArrivalKind::Trace(_) => {
                let (played, all) = stated.recorded(end).unwrap_or_default();
                format!("{} of {} recorded requests;", count(played), count(all))
            }
            ArrivalKind::Sessions(turns) => format!(
                "{} sessions a day of {} turns, answers {}; first",
                count(class.requests_per_day as u64),
                fixed(turns.turns, 2),
                turns.answers.word()
            ),
            ArrivalKind::Renewal(law) => {
                let form = match law.form {
                    GapForm::Gamma => "gamma",
                    GapForm::Weibull => "Weibull",
                };
                let a_day = count(class.requests_per_day as u64);
                format!(
                    "{a_day} requests a day, gaps of a {form} law with cv {};",
                    fixed(law.cv, 2)
                )
            }
            ArrivalKind::Bursts(law) => format!(
                "{} requests a day, for {} s of {} s at {} times the rate between;",
                count(class.requests_per_day as u64),
                fixed(law.length.as_secs_f64(), 1),
                fixed(law.every.as_secs_f64(), 1),
                fixed(law.factor, 1)
            ),
            ArrivalKind::Poisson | ArrivalKind::Deterministic | ArrivalKind::Clients(_) => {
                format!("{} requests a day;", count(class.requests_per_day as u64))
            }
        };
        let _ = writeln!(
            text,
            "  class    {}: {arrivals} input {} tokens (stated {}), {}; output {} (stated {})",
            class.class,
            fixed(class.input, 2),
            fixed(class.stated_input, 2),
            hits(&scenario.kv_cache, stated, class.hit_rate),
            fixed(class.output, 2),
            fixed(class.stated_output, 2)
        );
        for remark in &stated.arrivals.remarks {
            let _ = writeln!(text, "           {remark}");
        }
    }
    for input in &scenario.uncertain {
        let _ = writeln!(text, "  range    {}: {}", input.path, range(input));
    }
    if !scenario.uncertain.is_empty() {
        let _ = writeln!(
            text,
            "  the figures above are those of the middles of the ranges"
        );
    }
    let _ = writeln!(text, "no mistakes; scenario {}", scenario.hash());
    text
}

/// What of a class's input hits, in words.
fn hits(cache: &KvCache, class: &Class, rate: f64) -> String {
    let Some(blocks) = cache.blocks() else {
        return format!("{} of them hits", percent(rate));
    };
    let recorded = match &class.arrivals.kind {
        ArrivalKind::Trace(play) => play.blocks.as_ref(),
        _ => None,
    };
    let of = match class.shared_prompts {
        None if let Some(of) = recorded => {
            format!(
                "prompts share what their recorded blocks of {} say",
                of.tokens()
            )
        }
        None if matches!(class.arrivals.kind, ArrivalKind::Sessions(_)) => {
            "turns begin with what was said before".to_string()
        }
        None => "prompts share nothing (state `shared_prompts`)".to_string(),
        Some(shared) if shared.count == 1 => {
            format!(
                "the first {} of every prompt alike",
                count(u64::from(shared.tokens))
            )
        }
        Some(shared) => format!(
            "the first {} one of {} prompts",
            count(u64::from(shared.tokens)),
            count(u64::from(shared.count))
        ),
    };
    format!(
        "{of}: whole blocks of {} hit where a rank has them",
        count(u64::from(blocks.tokens))
    )
}
