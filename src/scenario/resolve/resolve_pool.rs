//! Pools: their ranks, limits and schedules, and whether the fleet is large enough for all of them.

use std::collections::BTreeSet;

use super::super::diagnostic::{Diagnostic, MistakeReport};
use super::super::file::MAX_POOL_GPUS;
use super::super::shape::show_integer;
use super::super::source::Span;
use super::super::suggest::{count, quote};
use super::super::text::{parse_time_of_day, show_time_of_day};
use super::super::tree::{TomlNode, TomlTable};
use super::super::{Admission, Batching, Node, Pool, Role, Schedule, nodes_of};
use super::resolve_hardware::links;
use super::size;
use crate::catalog::{EngineRules, Model};
use crate::units::{NS_PER_DAY, SimDuration};

/// Resolves all pools, in the order of the file.
pub fn pools(
    table: &TomlTable,
    transfer: Option<&TomlTable>,
    (model, node): (Option<&Model>, Option<&Node>),
    rules: &EngineRules,
    report: &mut MistakeReport,
) -> Option<Vec<Pool>> {
    let mut all = Vec::new();
    for entry in &table.entries {
        let Some(role) = Role::named(&entry.key) else {
            continue; // the checker has reported it
        };
        let pool = entry
            .node
            .table()
            .and_then(|t| pool((role, rules), t, transfer?, (model, node?), report));
        all.push(pool);
    }
    let pools: Option<Vec<Pool>> = all.into_iter().collect();
    roles_go_together(table, report)?;
    if let (Some(pools), Some(node)) = (&pools, node) {
        fleet_suffices(table, pools, node, report);
    }
    pools
}

/// Checks that a mixed pool stands alone, and a decode pool with a prefill pool.
fn roles_go_together(table: &TomlTable, report: &mut MistakeReport) -> Option<()> {
    let at = |role: Role| table.entry(role.word()).map(|e| e.key_at);
    let (prefill, decode, mixed) = (at(Role::Prefill), at(Role::Decode), at(Role::Mixed));
    match (mixed, prefill.or(decode)) {
        (Some(mixed), Some(other)) => {
            let found = Diagnostic::new("a mixed pool stands alone", mixed)
                .label("does the work of prefill and decode")
                .also(other, "so this one would have nothing to do")
                .help("keep [pools.mixed], or [pools.prefill] with [pools.decode]");
            report.push(found);
            None
        }
        (None, _) if prefill.is_none() => {
            let place = decode.or(table.entries.iter().map(|e| e.key_at).min());
            let found = Diagnostic::new("no pool takes arrivals", place.unwrap_or(Span::NOWHERE))
                .label("`pools.prefill` is missing")
                .help("add [pools.prefill], or one [pools.mixed] that does everything");
            report.push(found);
            None
        }
        _ => Some(()),
    }
}

fn pool(
    (role, rules): (Role, &EngineRules),
    table: &TomlTable,
    transfer: &TomlTable,
    (model, node): (Option<&Model>, &Node),
    report: &mut MistakeReport,
) -> Option<Pool> {
    let name = role.word();
    let size = size::size(table, node, model, report);
    let schedule = schedule(name, table, report);
    if let (Some(schedule), Some(size)) = (&schedule, &size) {
        pool_is_bounded(name, table, schedule, size.gpus, report);
    }
    // what the pool does not say the engine does
    let stated: Option<Admission> = table.word("admission");
    let of_engine = rules.admission.as_deref().and_then(Admission::named);
    let admission = match role {
        Role::Prefill => Admission::Current,
        Role::Decode => stated.unwrap_or_default(),
        Role::Mixed => stated.or(of_engine).unwrap_or_default(),
    };
    let of_engine = rules.batching.as_deref().and_then(Batching::named);
    let batching = match role {
        Role::Prefill | Role::Decode => Batching::default(),
        Role::Mixed => table.word("batching").or(of_engine).unwrap_or_default(),
    };
    let (max_batch_tokens, kv_capacity_tokens) = match role {
        Role::Decode => (0, table.integer("kv_capacity_tokens")),
        Role::Prefill | Role::Mixed => (
            table.integer("max_batch_tokens")?,
            table.integer("kv_capacity_tokens"),
        ),
    };
    let size = size?;
    let gpus_per_rank = size.gpus / size.replicas / size.ranks;
    let [interface, host] = links(transfer, node, gpus_per_rank);
    Some(Pool {
        name: name.to_string(),
        role,
        gpus_per_unit: size.gpus,
        node_gpus: node.gpus,
        replicas: size.replicas,
        ranks: size.ranks,
        parallelism: size.parallelism,
        max_batch_tokens,
        max_batch_pairs: table.integer("max_batch_pairs"),
        max_batch_time: table.duration("max_batch_time"),
        max_batch_requests: table.integer("max_batch_requests")?,
        max_queue_requests: table.integer("max_queue_requests"),
        kv_capacity_tokens,
        admission,
        batching,
        look_ahead: table.boolean("look_ahead").unwrap_or(rules.look_ahead),
        prefill_every: table.integer("prefill_every").unwrap_or(1),
        receive_every: table.integer("receive_every").unwrap_or(1),
        batch_wait_steps: table.integer("batch_wait_steps").unwrap_or(0),
        batch_wait_tokens: table
            .integer("batch_wait_tokens")
            .unwrap_or(max_batch_tokens),
        balance: table.word("balance")?,
        router: table.word("router")?,
        report_interval: table.duration("report_interval")?,
        interface,
        host,
        schedule: schedule?,
    })
}

fn pool_is_bounded(
    name: &str,
    table: &TomlTable,
    schedule: &Schedule,
    gpus_per_unit: u32,
    report: &mut MistakeReport,
) {
    let peak = schedule
        .steps
        .iter()
        .map(|(_, units)| *units)
        .max()
        .unwrap_or(0);
    let at = table.at("units");
    if peak == 0 {
        let message = format!("the {name} pool never has a unit");
        report.push(Diagnostic::new(message, at).label("zero all day"));
    }
    let gpus = u64::from(peak) * u64::from(gpus_per_unit);
    if gpus > MAX_POOL_GPUS {
        let gpus = show_integer(i128::from(gpus));
        let most = show_integer(i128::from(MAX_POOL_GPUS));
        let message = format!("the {name} pool would have {gpus} GPUs");
        let found = Diagnostic::new(message, at).label(format!("at most {most} in a pool"));
        let units = count(peak as usize, "unit", "units");
        report.push(found.note(format!("{units} x {gpus_per_unit} GPUs")));
    }
}

fn schedule(name: &str, table: &TomlTable, report: &mut MistakeReport) -> Option<Schedule> {
    let units = table.get("units")?;
    if let Some(units) = units.integer() {
        return Some(Schedule::constant(units));
    }
    let units = units.table()?;
    let of = format!("pools.{name}.units.schedule");
    let entries = timed(units.list("schedule")?, &of, report)?;
    let steps = entries
        .iter()
        .map(|(time, node)| Some((*time, node.integer()?)));
    Some(Schedule {
        steps: steps.collect::<Option<Vec<_>>>()?,
        start_up: match units.get("start_up") {
            Some(_) => Some(units.duration("start_up")?),
            None => None,
        },
        drain: units.duration("drain")?,
    })
}

/// Pairs of a time of day and a value, from midnight on. They must be written in the order of the
/// day, passing midnight at most once.
pub fn timed<'a>(
    items: &'a [TomlNode],
    of: &str,
    report: &mut MistakeReport,
) -> Option<Vec<(SimDuration, &'a TomlNode)>> {
    let mut entries: Vec<(SimDuration, &TomlNode)> = Vec::new();
    let mut first: Option<SimDuration> = None;
    let mut midnight = None;
    let mut good = true;
    for item in items {
        let Some([time, value]) = item.list() else {
            good = false;
            continue;
        };
        let Some(at) = time.text().and_then(|t| parse_time_of_day(t).ok()) else {
            good = false;
            continue;
        };
        let start = *first.get_or_insert(at);
        let before = entries.last().map(|(t, _)| *t);
        let wraps = before.is_some_and(|b| at < b);
        let wrong = match before {
            Some(b) if at == b => Some("given twice".to_string()),
            Some(_) if at == start => Some("given twice: the day is round".to_string()),
            Some(b) if wraps && (midnight.is_some() || at > start) => {
                Some(format!("comes before {}", show_time_of_day(b)))
            }
            Some(_) if midnight.is_some() && at > start => Some(format!(
                "goes past {}, where the day began",
                show_time_of_day(start)
            )),
            _ => None,
        };
        if let Some(why) = wrong {
            let shown = show_time_of_day(at);
            let message = format!("{} is out of order at {shown}", quote(of));
            report.push(Diagnostic::new(message, time.at).label(why).help(
                "write the times in the order of the day; the list may pass midnight once, \
                 and repeats every 24 hours",
            ));
            return None;
        }
        if wraps {
            midnight = Some(entries.len());
        }
        entries.push((at, value));
    }
    entries.rotate_left(midnight.unwrap_or(0));
    good.then_some(entries).filter(|e| !e.is_empty())
}

impl Schedule {
    /// Number of units paid at a local time of day.
    pub fn units_at(&self, time_of_day: SimDuration) -> u32 {
        let step = self
            .steps
            .iter()
            .rev()
            .find(|(from, _)| *from <= time_of_day);
        let step = step.or(self.steps.last());
        step.map_or(0, |(_, units)| *units)
    }
}

fn fleet_suffices(table: &TomlTable, pools: &[Pool], node: &Node, report: &mut MistakeReport) {
    let Some(fleet) = node.fleet else {
        return;
    };
    let times: BTreeSet<SimDuration> = pools
        .iter()
        .flat_map(|p| p.schedule.steps.iter().map(|(time, _)| *time))
        .chain([SimDuration::ZERO])
        .collect();
    let asked = |pool: &Pool, time| u64::from(pool.nodes(pool.schedule.units_at(time)));
    let total = |time| {
        let units: Vec<u32> = pools.iter().map(|p| p.schedule.units_at(time)).collect();
        nodes_of(pools, &units, node)
    };
    // the worst time of the day; the earliest of equals
    let worst = times
        .iter()
        .copied()
        .max_by_key(|t| (total(*t), NS_PER_DAY - t.0));
    let Some(worst) = worst.filter(|t| total(*t) > u64::from(fleet)) else {
        return;
    };
    let shown = |nodes: u64| show_integer(i128::from(nodes));
    let needs = format!(
        "the pools need {} nodes and the fleet has {}",
        shown(total(worst)),
        shown(u64::from(fleet))
    );
    let message = if pools.iter().all(|p| p.schedule.steps.len() == 1) {
        needs
    } else {
        format!("at {} {needs}", show_time_of_day(worst))
    };
    let mut places: Vec<(u64, Span, String)> = Vec::new();
    for pool in pools {
        let (units, nodes) = (pool.schedule.units_at(worst), asked(pool, worst));
        let units = count(units as usize, "unit", "units");
        let label = if pool.gpus_per_unit >= node.gpus {
            let each = pool.gpus_per_unit / node.gpus;
            format!("{units} x {each} nodes = {}", shown(nodes))
        } else {
            let each = pool.gpus_per_unit;
            format!("{units} of {each} GPUs on {} nodes", shown(nodes))
        };
        places.push((nodes, entry_at(table, pool, worst), label));
    }
    places.sort_by_key(|(nodes, ..)| *nodes); // the largest is shown first
    let Some((_, at, label)) = places.pop() else {
        return;
    };
    let mut found = Diagnostic::new(message, at).label(label);
    for (_, at, label) in places {
        found = found.also(at, label);
    }
    let over = shown(total(worst) - u64::from(fleet));
    report.push(found.help(format!(
        "{over} fewer would fit; or state a larger `node.fleet`"
    )));
}

/// The entry of a pool's schedule that is in force at a time of day.
fn entry_at(table: &TomlTable, pool: &Pool, time: SimDuration) -> Span {
    let Some(of_pool) = table.table(&pool.name) else {
        return Span::NOWHERE;
    };
    let from = pool
        .schedule
        .steps
        .iter()
        .rev()
        .find(|(from, _)| *from <= time);
    let from = from.or(pool.schedule.steps.last()).map(|(from, _)| *from);
    let items = of_pool.table("units").and_then(|u| u.list("schedule"));
    let begins = |item: &&TomlNode| {
        let time = item.list().and_then(|pair| pair.first()?.text());
        time.and_then(|t| parse_time_of_day(t).ok()) == from
    };
    let item = items.and_then(|items| items.iter().find(begins));
    item.map_or(of_pool.at("units"), |i| i.at)
}
