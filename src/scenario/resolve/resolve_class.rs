//! Classes: lengths, prices and targets of a stream of requests.

use super::super::diagnostic::{Diagnostic, MistakeReport};
use super::super::file::SHARED_PROMPTS;
use super::super::source::Span;
use super::super::suggest::quote;
use super::super::text::parse_time_of_day;
use super::super::tree::{TomlNode, TomlTable, TomlValue};
use super::super::{ArrivalForm, ArrivalProcess, Class, LengthLaw, Pool, Role, SharedPrompts, Slo};
use super::resolve_hardware::{known, need_without_base};
use super::traffic_shape::RunTimes;
use super::{client_laws, resolve_arrivals, resolve_law, trace};
use crate::catalog::{self, Discount, Price, TokenPrices, usd_per_million};
use crate::units::{NS_PER_DAY, PicoUsd, SimDuration};

/// Resolves a class; `default_hit_rate` is that of the scenario's cache.
pub fn class(
    table: &TomlTable,
    default_hit_rate: Option<f64>,
    run: RunTimes,
    report: &mut MistakeReport,
) -> Option<Class> {
    let hit_rate = table.number("hit_rate").or(default_hit_rate);
    let (input, output, arrivals) = load(table, hit_rate, run, report);
    let price = price(table, report);
    let slo = slo(table, report);
    Some(Class {
        name: table.text("name")?.to_string(),
        priority: table.integer("priority")?,
        arrivals: arrivals?,
        input: input?,
        output: output?,
        shared_prompts: table.table(SHARED_PROMPTS).and_then(shared_prompts),
        length_correlation: table.number("length_correlation").filter(|r| *r != 0.0),
        price,
        discounts: table.boolean("discounts")?,
        slo,
    })
}

fn shared_prompts(table: &TomlTable) -> Option<SharedPrompts> {
    Some(SharedPrompts {
        tokens: table.integer("tokens")?,
        count: table.integer("count")?,
        zipf: table.number("zipf")?,
    })
}

/// Resolves lengths and arrivals, which a trace says together.
fn load(
    table: &TomlTable,
    hit_rate: Option<f64>,
    run: RunTimes,
    report: &mut MistakeReport,
) -> (Option<LengthLaw>, Option<LengthLaw>, Option<ArrivalProcess>) {
    let Some(entry) = table.entry("arrivals") else {
        return (None, None, None);
    };
    let kind: Option<ArrivalForm> = entry.node.table().and_then(|t| t.word("kind"));
    if kind == Some(ArrivalForm::Trace) || kind == Some(ArrivalForm::Clients) {
        let is_trace = kind == Some(ArrivalForm::Trace);
        let joined = is_trace.then_some("length_correlation");
        for key in ["input", "output"].into_iter().chain(joined) {
            if let Some(given) = table.entry(key) {
                let whose = if is_trace {
                    "a trace has"
                } else {
                    "clients have"
                };
                let message = format!(
                    "{whose} lengths of {}",
                    if is_trace { "its own" } else { "their own" }
                );
                let found = Diagnostic::new(message, given.key_at).label("in the way");
                report.push(found.help("take it out, or choose another kind of arrivals"));
            }
        }
        let table = entry.node.table();
        if !is_trace {
            let loaded = table
                .zip(hit_rate)
                .and_then(|(table, hit_rate)| client_laws::load(table, hit_rate, run, report));
            return match loaded {
                Some(([input, output], arrivals)) => (Some(input), Some(output), Some(arrivals)),
                None => (None, None, None),
            };
        }
        let recording = table.and_then(|t| trace::read(t, report));
        let play = match (table, &recording) {
            (Some(table), Some(recording)) => trace::play(table, recording, run, report),
            _ => None,
        };
        let failed = table.and_then(|t| t.word("failed")).unwrap_or_default();
        return match (play, recording, hit_rate) {
            (Some(play), Some(recording), Some(hit_rate)) => {
                let [input, output] = play.facts.laws();
                let arrivals = resolve_arrivals::recorded(play, &recording, failed, hit_rate);
                (Some(input), Some(output), Some(arrivals))
            }
            _ => (None, None, None),
        };
    }
    let mut lengths = |key: &str| {
        if table.get(key).is_none() && kind.is_some() {
            let message = format!("a class needs {key} lengths");
            let found = Diagnostic::new(message, entry.key_at);
            let found = found.label(format!("`{key}` is missing in this class"));
            let help = format!("add `{key} = {{ kind = \"lognormal\", mean = 1000, cv = 1.0 }}`");
            report.push(found.help(help));
        }
        table
            .table(key)
            .and_then(|t| resolve_law::lengths(t, report))
    };
    let (input, output) = (lengths("input"), lengths("output"));
    let arrivals = resolve_arrivals::arrivals(
        entry,
        input.as_ref(),
        output.as_ref(),
        hit_rate,
        run,
        report,
    );
    (input, output, arrivals)
}

/// Complains when some class emits more than one token and there is no decode pool.
pub fn decode_is_there(
    root: &TomlTable,
    pools: &[Pool],
    classes: &[Class],
    report: &mut MistakeReport,
) {
    if pools.iter().any(|p| p.role != Role::Prefill) {
        return;
    }
    let greatest = |class: &Class| {
        let scales = class
            .arrivals
            .periods
            .iter()
            .map(|p| class.output.greatest(p.output_scale));
        scales.max().unwrap_or(1)
    };
    let Some(index) = classes.iter().position(|c| greatest(c) > 1) else {
        return;
    };
    let pools_at = root.entry("pools").map_or(Span::NOWHERE, |e| e.key_at);
    let class = root.list("class").and_then(|l| l.get(index)?.table());
    let name = quote(&classes[index].name);
    report.push(
        Diagnostic::new("there is no decode pool", pools_at)
            .label("`pools.decode` is missing")
            .also(
                class.map_or(Span::NOWHERE, |c| c.at("output")),
                format!("class {name} emits more than one token"),
            )
            .help("add [pools.decode], or let every class emit exactly one token"),
    );
}

fn price(class: &TomlTable, report: &mut MistakeReport) -> Option<Price> {
    let entry = class.entry("price")?;
    let names: Vec<&str> = catalog::prices()
        .iter()
        .map(|e| e.item.name.as_str())
        .collect();
    let table = match &entry.node.value {
        TomlValue::Text(name) => {
            let found = catalog::price(name);
            return known(found, "price list", name, entry.node.at, &names, report);
        }
        TomlValue::Table(table) => table,
        _ => return None,
    };
    let base = match table.text("base") {
        Some(name) => {
            let found = catalog::price(name);
            Some(known(
                found,
                "price list",
                name,
                table.at("base"),
                &names,
                report,
            )?)
        }
        None => None,
    };
    let keys = [
        "hit_usd_per_million",
        "miss_usd_per_million",
        "output_usd_per_million",
    ];
    need_without_base(
        table,
        base.is_some(),
        &keys,
        "price list",
        entry.key_at,
        report,
    );
    let own = match table.list("discounts") {
        Some(items) => Some(discounts(items, report)?),
        None => None,
    };
    let base = base.as_ref();
    let one = |key, of_base: Option<PicoUsd>| table.number(key).map(usd_per_million).or(of_base);
    Some(Price {
        name: match (table.text("name"), base) {
            (Some(name), _) => name.to_string(),
            (None, Some(base)) => format!("{}, changed", base.name),
            (None, None) => "of the scenario".to_string(),
        },
        full: TokenPrices {
            hit: one(keys[0], base.map(|b| b.full.hit))?,
            miss: one(keys[1], base.map(|b| b.full.miss))?,
            output: one(keys[2], base.map(|b| b.full.output))?,
        },
        discounts: own
            .or(base.map(|b| b.discounts.clone()))
            .unwrap_or_default(),
    })
}

fn discounts(items: &[TomlNode], report: &mut MistakeReport) -> Option<Vec<Discount>> {
    let mut all: Vec<(Discount, Span)> = Vec::new();
    for item in items {
        let table = item.table()?;
        let discount = discount(table)?;
        let at = table.at("from_utc");
        if discount.from_utc == discount.to_utc {
            let found = Diagnostic::new("a discount window begins where it ends", at);
            report.push(
                found
                    .label("has no length")
                    .also(table.at("to_utc"), "the same time"),
            );
            return None;
        }
        if let Some((_, other)) = all.iter().find(|(o, _)| overlap(o, &discount)) {
            let found = Diagnostic::new("two discount windows overlap", at);
            report.push(found.label("this one").also(*other, "and this one"));
            return None;
        }
        all.push((discount, at));
    }
    Some(all.into_iter().map(|(discount, _)| discount).collect())
}

fn discount(table: &TomlTable) -> Option<Discount> {
    let time = |key| table.text(key).and_then(|t| parse_time_of_day(t).ok());
    let usd = |key| table.number(key).map(usd_per_million);
    Some(Discount {
        from_utc: time("from_utc")?,
        to_utc: time("to_utc")?,
        prices: TokenPrices {
            hit: usd("hit_usd_per_million")?,
            miss: usd("miss_usd_per_million")?,
            output: usd("output_usd_per_million")?,
        },
    })
}

fn overlap(one: &Discount, other: &Discount) -> bool {
    // each window holds the other's beginning, or neither does
    holds(one, other.from_utc) || holds(other, one.from_utc)
}

fn holds(window: &Discount, time: SimDuration) -> bool {
    let (from, to) = (window.from_utc.0, window.to_utc.0);
    let length = (to + NS_PER_DAY - from) % NS_PER_DAY;
    let length = if length == 0 { NS_PER_DAY } else { length };
    (time.0 + NS_PER_DAY - from) % NS_PER_DAY < length
}

fn slo(class: &TomlTable, report: &mut MistakeReport) -> Option<Slo> {
    let entry = class.entry("slo")?;
    let table = entry.node.table()?;
    let seconds = |key| table.number(key).map(SimDuration::from_secs_f64);
    if table.get("ttft_s").is_none() && table.get("tpot_s").is_none() {
        let found = Diagnostic::new("the SLO has no target", entry.key_at);
        report.push(
            found
                .label("promises nothing")
                .help("give `ttft_s`, `tpot_s` or both"),
        );
    }
    Some(Slo {
        ttft: seconds("ttft_s"),
        tpot: seconds("tpot_s"),
        attainment: table.number("attainment"),
    })
}
