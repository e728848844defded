//! From a well-shaped tree to the meaning: a [`Scenario`].
//!
//! Every function here returns `None` for what it cannot make, after reporting why (or after the
//! checker did), and goes on, so that all mistakes come out together. Nothing else builds a scenario: that is
//! done in `closed_scenario`, which is private to this module.

mod architecture;
mod client_laws;
mod closed_scenario;
mod csv_cells;
mod profile_table;
mod resolve_arrivals;
mod resolve_cache;
mod resolve_class;
mod resolve_hardware;
mod resolve_law;
mod resolve_limits;
mod resolve_performance;
mod resolve_pool;
mod resolve_profile;
mod resolve_published;
mod roofline;
mod size;
mod told;
mod trace;
mod traffic_cycle;
mod traffic_shape;

pub use closed_scenario::Scenario;
pub use csv_cells::csv_node;
pub use resolve_hardware::model;
pub use trace::end as trace_end;

use std::collections::BTreeSet;

use toml::value::{Datetime, Offset};
use traffic_shape::RunTimes;

use super::diagnostic::{Diagnostic, MistakeReport};
use super::file::MAX_INTERVALS;
use super::shape::show_integer;
use super::source::TreeOrigin;
use super::step_basis::step_basis;
use super::step_time::{STEP_TIME_FACTOR, slower};
use super::suggest::quote;
use super::tree::{TomlTable, TomlValue};
use super::uncertain::Taken;
use super::write::datetime;
use super::{
    Class, FirstToken, LocalTime, Mtp, Performance, Role, ScenarioMeaning, plan_section,
    sweep_section,
};
use crate::catalog::{Constant, KvShape, Model};
use crate::traffic::Stamp;
use crate::units::{NS_PER_S, SimDuration};

/// Resolves a checked tree, from which uncertain numbers were taken out; what is wrong with it is added to the
/// report.
pub fn resolve(
    mut root: TomlTable,
    taken: Taken,
    origin: &TreeOrigin,
    report: &mut MistakeReport,
) -> Option<Scenario> {
    let meaning = meaning(&root, &taken, report)?;
    taken.put_back(&mut root);
    report
        .is_empty()
        .then(|| Scenario::new(meaning, root, origin.clone()))
}

fn meaning(root: &TomlTable, taken: &Taken, report: &mut MistakeReport) -> Option<ScenarioMeaning> {
    let model = resolve_hardware::model(root, report);
    let node = root
        .table("node")
        .and_then(|t| resolve_hardware::node(t, report));
    let rules = roofline::engine_rules(root.table("performance"));
    let pools = root.table("pools").and_then(|t| {
        let hardware = (model.as_ref(), node.as_ref());
        resolve_pool::pools(t, root.table("transfer"), hardware, &rules, report)
    });
    let transfer = root.table("transfer").and_then(resolve_hardware::transfer);
    let start = root.get("start").and_then(|n| match &n.value {
        TomlValue::Datetime(when) => Some(local_time(when)),
        _ => None,
    });
    let classes = classes(root, start.as_ref(), report);
    let performance = root.table("performance").and_then(|t| {
        let hardware = (model.as_ref(), node.as_ref());
        resolve_performance::performance(
            t,
            hardware,
            pools.as_deref()?,
            classes.as_deref()?,
            report,
        )
    });
    if let (Some(pools), Some(classes)) = (&pools, &classes) {
        resolve_class::decode_is_there(root, pools, classes, report);
    }
    resolve_published::fields_exist(root, report);
    let published = resolve_published::published(root, report);
    let report_every = stretches("report_every", root, report);
    let slo_every = stretches("slo_every", root, report);
    let mtp = match root.table("mtp") {
        Some(table) => mtp(table, report),
        None => Some(Mtp::OFF),
    };
    let kv = model.as_ref().map(|m| kv(root, m, mtp.as_ref()));
    let kv_cache = resolve_cache::kv_cache(
        root,
        classes.as_deref(),
        kv.as_ref(),
        performance.as_ref(),
        report,
    );
    let first_token = first_token(root, report);
    let limits = resolve_limits::limits(root.table("limits"));
    let (performance, mut node, pools) = (performance?, node?, pools?);
    let step_basis = step_basis(&performance, model.as_ref()?, &node, &pools);
    let factor = root.table("performance")?.number(STEP_TIME_FACTOR);
    let step_time_factor = factor.unwrap_or(1.0);
    let performance = slower(performance, &mut node.gpu, step_time_factor);
    let front_end = root
        .duration("front_end")
        .unwrap_or_else(|| of_engine(&performance));
    Some(ScenarioMeaning {
        name: root.text("name")?.to_string(),
        seed: root.integer("seed")?,
        start: start?,
        duration: root.duration("duration")?,
        warm_up: root.duration("warm_up")?,
        report_every,
        slo_every,
        model: model?,
        kv: kv?,
        node,
        pools,
        transfer: transfer?,
        performance,
        step_time_factor,
        step_basis,
        mtp: mtp?,
        kv_cache: kv_cache?,
        first_token: first_token?,
        front_end,
        limits: limits?,
        classes: classes?,
        published: published?,
        plan: plan_section::plan(root),
        uncertain: taken.inputs.clone(),
        sweep: sweep_section::sweep(root),
    })
}

/// The front end's time of the engine at hand; models of step times that know no engine have none.
fn of_engine(performance: &Performance) -> SimDuration {
    match performance {
        Performance::Roofline(roofline) => {
            let us = roofline.engine.get(Constant::FrontEnd);
            SimDuration(libm::round(us * 1e3) as u64)
        }
        Performance::Linear(_) | Performance::Table(_) => SimDuration::ZERO,
    }
}

/// What a context occupies: by the model's architecture, the precision of KV and the draft module's layer.
fn kv(root: &TomlTable, model: &Model, mtp: Option<&Mtp>) -> KvShape {
    let performance = root.table("performance");
    let number = roofline::kv_format(performance.and_then(|t| t.table("precision")));
    model.kv_shape(number, mtp.is_some_and(|m| m.drafts > 0))
}

fn classes(
    root: &TomlTable,
    start: Option<&LocalTime>,
    report: &mut MistakeReport,
) -> Option<Vec<Class>> {
    let items = root.list("class")?;
    let run = run_times(start, root.duration("warm_up"), root.duration("duration"));
    let default_hit_rate = resolve_cache::default_hit_rate(root);
    let mut names = BTreeSet::new();
    let mut all = Vec::new();
    for item in items {
        let Some(table) = item.table() else {
            all.push(None);
            continue;
        };
        if let Some(name) = table.text("name")
            && !names.insert(name)
        {
            let message = format!("two classes are called {}", quote(name));
            let found = Diagnostic::new(message, table.at("name")).label("this name is taken");
            let first = items.iter().filter_map(|i| i.table());
            let first = first
                .filter(|t| t.text("name") == Some(name))
                .map(|t| t.at("name"));
            let first = first.min().unwrap_or(table.at("name"));
            report.push(found.also(first, "first used here"));
        }
        all.push(resolve_class::class(table, default_hit_rate, run, report));
    }
    all.into_iter().collect()
}

/// When the run is played; what is missing, and complained about elsewhere, is taken to be nothing.
fn run_times(
    start: Option<&LocalTime>,
    warm_up: Option<SimDuration>,
    duration: Option<SimDuration>,
) -> RunTimes {
    let instant = start.and_then(|start| match Stamp::read(&start.text) {
        Some(Stamp::Instant(at)) => Some(at),
        _ => None,
    });
    RunTimes {
        start_utc: instant.unwrap_or(0),
        offset: start.map_or(0, |s| {
            i64::from(s.utc_offset_minutes) * 60 * NS_PER_S as i64
        }),
        warm_up: warm_up.unwrap_or(SimDuration::ZERO),
        duration: duration.unwrap_or(SimDuration::ZERO),
    }
}

/// The length of the stretches into which `key` cuts the counted time.
fn stretches(key: &str, root: &TomlTable, report: &mut MistakeReport) -> Option<SimDuration> {
    let every = root.duration(key)?;
    let duration = root.duration("duration")?;
    let intervals = duration.0.div_ceil(every.0.max(1));
    if intervals > MAX_INTERVALS {
        let message = format!("`{key}` makes too many intervals");
        let shown = show_integer(i128::from(intervals));
        let most = show_integer(i128::from(MAX_INTERVALS));
        report.push(
            Diagnostic::new(message, root.at(key))
                .label(format!("{shown} intervals; at most {most}"))
                .also(root.at("duration"), "of this time"),
        );
    }
    Some(every)
}

fn local_time(when: &Datetime) -> LocalTime {
    let of_day = when.time.map_or(SimDuration::ZERO, |t| {
        let minutes = u64::from(t.hour) * 60 + u64::from(t.minute);
        let seconds = minutes * 60 + u64::from(t.second.unwrap_or(0));
        SimDuration(seconds * NS_PER_S + u64::from(t.nanosecond.unwrap_or(0)))
    });
    LocalTime {
        text: datetime(when),
        time_of_day: of_day,
        utc_offset_minutes: match when.offset {
            Some(Offset::Custom { minutes }) => i32::from(minutes),
            _ => 0,
        },
    }
}

/// Drafts and what is accepted of them: one rate for all, or a rate for each.
fn mtp(table: &TomlTable, report: &mut MistakeReport) -> Option<Mtp> {
    let drafts: u32 = table.integer("drafts")?;
    if drafts == 0 {
        return Some(Mtp::OFF);
    }
    if table.get("acceptance").is_none() {
        let at = table.entries.iter().map(|e| e.key_at).min();
        let found = Diagnostic::new("nothing says how many drafts are accepted", at?)
            .label("`acceptance` is missing")
            .help("add `acceptance = 0.85` with a rate of yours, or `drafts = 0` to switch prediction off");
        report.push(found);
        return None;
    }
    let rates: Vec<f64> = match table.list("acceptance") {
        None => vec![table.number("acceptance")?; drafts as usize],
        Some(items) => items.iter().map(|i| i.number()).collect::<Option<_>>()?,
    };
    if rates.len() != drafts as usize {
        let message = format!("{} rates of acceptance for {drafts} drafts", rates.len());
        let found = Diagnostic::new(message, table.at("acceptance"));
        report.push(
            found
                .label("one for each draft")
                .help(format!("give {drafts} rates, or one number for all drafts")),
        );
        return None;
    }
    let (mut accepted, mut emitted) = (1.0, 1.0);
    for rate in rates.iter().take(drafts as usize) {
        accepted *= rate;
        emitted += accepted;
    }
    Some(Mtp {
        drafts,
        progress_1024: libm::round(1024.0 * emitted) as u32,
    })
}

/// Where first tokens leave: a pool's word, else the scenario's.
fn first_token(root: &TomlTable, report: &mut MistakeReport) -> Option<FirstToken> {
    let pools = root.table("pools");
    let of_pool = |role: Role| {
        let table = pools.and_then(|t| t.table(role.word()))?;
        let from: FirstToken = table.word("first_token")?;
        Some((from, table.at("first_token")))
    };
    let (decode, prefill) = (of_pool(Role::Decode), of_pool(Role::Prefill));
    if let (Some((one, at)), Some((other, also))) = (decode, prefill)
        && one != other
    {
        let found = Diagnostic::new("the pools disagree about the first token", at)
            .label(one.word())
            .also(also, other.word());
        report.push(found.help("say it once: in one pool, or at the top"));
        return None;
    }
    let of_pools = decode.or(prefill).map(|(from, _)| from);
    of_pools.or_else(|| root.word("first_token"))
}
