//! Arrivals: how many requests, and the rate over the day as straight pieces.

use super::super::diagnostic::{Diagnostic, MistakeReport};
use super::super::shape::show_number;
use super::super::source::Span;
use super::super::suggest::{choices, list};
use super::super::text::show_time_of_day;
use super::super::tree::{TomlEntry, TomlNode, TomlTable};
use super::super::{
    AmountKey, ArrivalForm, ArrivalKind, ArrivalProcess, BurstLaw, ClosedLoop, FailedRows, GapForm,
    Interpolation, LengthLaw, Period, ProfileKey, RateSegment, RenewalLaw, SessionAmountKey,
    SessionTurns, TracePlay,
};
use super::resolve_law;
use super::resolve_pool::timed;
use super::resolve_profile::{self, RateRow};
use super::trace::{self, Recording};
use super::traffic_cycle::TrafficRow;
use super::traffic_shape::{self, RunTimes};
use crate::units::{NS_PER_DAY, NS_PER_HOUR, SimDuration};
use crate::words::Words;

/// Greatest rate at any time of the day, in requests per second.
const MAX_PEAK_PER_S: f64 = 1e9;

/// Seconds in a day.
const DAY_S: f64 = 86_400.0;

/// The arrivals of a class whose lengths follow these laws.
pub fn arrivals(
    entry: &TomlEntry,
    input: Option<&LengthLaw>,
    output: Option<&LengthLaw>,
    hit_rate: Option<f64>,
    run: RunTimes,
    report: &mut MistakeReport,
) -> Option<ArrivalProcess> {
    let table = entry.node.table()?;
    let kind = match table.word("kind")? {
        ArrivalForm::ClosedLoop => return Some(alike(closed_loop(table)?, hit_rate?)),
        ArrivalForm::Trace => {
            let recording = trace::read(table, report)?;
            let play = trace::play(table, &recording, run, report)?;
            let failed = table.word("failed").unwrap_or_default();
            return Some(recorded(play, &recording, failed, hit_rate?));
        }
        // Such clients have lengths of their own, and were read with them.
        ArrivalForm::Clients => return None,
        ArrivalForm::Deterministic => ArrivalKind::Deterministic,
        ArrivalForm::Poisson => ArrivalKind::Poisson,
        ArrivalForm::Sessions => return sessions(entry, input, run, report),
        ArrivalForm::Gamma => renewal(GapForm::Gamma, table)?,
        ArrivalForm::Weibull => renewal(GapForm::Weibull, table)?,
        ArrivalForm::Bursts => bursts(table, report)?,
    };
    let amount = only_one::<AmountKey>(table, report);
    let amount = amount.and_then(|one| {
        if one.is_none() {
            let found = Diagnostic::new("nothing says how many requests arrive", entry.key_at);
            let help = format!(
                "give one of {}",
                choices(AmountKey::ALL.map(AmountKey::word))
            );
            report.push(found.label("not complete").help(help));
        }
        one
    });
    // a CSV is both amount and profile, and was compared with the amounts already
    let csv_clash = table.get("csv").is_some() && amount.is_none();
    let profile = if csv_clash {
        None
    } else {
        only_one::<ProfileKey>(table, report)
    };
    for key in ["interpolation", "counts", "column", "time_zone"] {
        if let Some(given) = table.entry(key)
            && table.get("csv").is_none()
        {
            let found = Diagnostic::new(format!("`{key}` needs a `csv`"), given.key_at);
            report.push(found.label("about the rows of no file"));
        }
    }
    let (amount, profile) = (amount?, profile?);
    let per_day = match amount {
        AmountKey::PerDay => table.number(amount.word())?,
        AmountKey::PerSecond => table.number(amount.word())? * DAY_S,
        AmountKey::Csv => return from_csv(kind, table, input?, output?, hit_rate?, run, report),
    };
    let rate = scaled_rate(entry, profile, per_day, report)?;
    Some(ArrivalProcess {
        rate,
        phase: phase(run),
        ..alike(kind, hit_rate?)
    })
}

/// Where in the local day a run starts.
fn phase(run: RunTimes) -> SimDuration {
    SimDuration((run.start_utc + run.offset).rem_euclid(NS_PER_DAY as i64) as u64)
}

/// The rate over the day at which so many a day arrive.
fn scaled_rate(
    entry: &TomlEntry,
    profile: Option<ProfileKey>,
    per_day: f64,
    report: &mut MistakeReport,
) -> Option<Vec<RateSegment>> {
    let table = entry.node.table()?;
    let mut rate = rate(table, profile, report)?;
    let total = resolve_profile::total(&rate);
    if total <= 0.0 && per_day > 0.0 {
        let at = profile.map_or(entry.key_at, |key| table.at(key.word()));
        let found = Diagnostic::new("requests arrive, and the rate is zero all day", at);
        report.push(found.label("every weight is 0"));
        return None;
    }
    let scale = if per_day > 0.0 { per_day / total } else { 0.0 };
    resolve_profile::scale(&mut rate, scale);
    let at = profile.map_or(entry.key_at, |key| table.at(key.word()));
    peak_is_bounded(&rate, at, report)?;
    Some(rate)
}

/// Sessions, of which so many begin; what follows a first turn.
fn sessions(
    entry: &TomlEntry,
    input: Option<&LengthLaw>,
    run: RunTimes,
    report: &mut MistakeReport,
) -> Option<ArrivalProcess> {
    let table = entry.node.table()?;
    let next_input = match table.table("next_input") {
        Some(law) => resolve_law::lengths(law, report),
        None => input.cloned(),
    };
    let amount = only_one::<SessionAmountKey>(table, report);
    let profile = only_one::<ProfileKey>(table, report);
    if let Some(None) = amount {
        let found = Diagnostic::new("nothing says how many sessions begin", entry.key_at);
        let keys = choices(SessionAmountKey::ALL.map(SessionAmountKey::word));
        report.push(
            found
                .label("not complete")
                .help(format!("give one of {keys}")),
        );
    }
    let key = amount??;
    let a_day = match key {
        SessionAmountKey::PerDay => 1.0,
        SessionAmountKey::PerSecond => DAY_S,
    };
    let per_day = table.number(key.word())? * a_day;
    let rate = scaled_rate(entry, profile?, per_day, report)?;
    let kind = ArrivalKind::Sessions(Box::new(SessionTurns {
        turns: table.number("turns")?,
        think_time: table.duration("think_time")?,
        think: table.word("think")?,
        next_input: next_input?,
        answers: table.word("answers")?,
    }));
    Some(ArrivalProcess {
        rate,
        phase: phase(run),
        ..alike(kind, 0.0)
    })
}

fn renewal(form: GapForm, table: &TomlTable) -> Option<ArrivalKind> {
    let cv = table.number("cv")?;
    Some(ArrivalKind::Renewal(RenewalLaw { form, cv }))
}

fn bursts(table: &TomlTable, report: &mut MistakeReport) -> Option<ArrivalKind> {
    let length = table.duration("burst_length")?;
    let every = table.duration("burst_every")?;
    if length >= every {
        let message = "a burst would be over only after the next has begun";
        let found = Diagnostic::new(message, table.at("burst_every"));
        report.push(
            found
                .label("must be longer than a burst")
                .also(table.at("burst_length"), "as long as this")
                .help("`burst_every` is from beginning to beginning, the burst included"),
        );
        return None;
    }
    let factor = table.number("burst_factor")?;
    Some(ArrivalKind::Bursts(BurstLaw {
        length,
        every,
        factor,
    }))
}

/// The process of recorded arrivals.
pub fn recorded(
    play: TracePlay,
    recording: &Recording,
    failed: FailedRows,
    hit_rate: f64,
) -> ArrivalProcess {
    ArrivalProcess {
        remarks: recording.remarks().to_vec(),
        cautions: recording.of_failed(failed).into_iter().collect(),
        ..alike(ArrivalKind::Trace(play), hit_rate)
    }
}

fn closed_loop(table: &TomlTable) -> Option<ArrivalKind> {
    Some(ArrivalKind::ClosedLoop(ClosedLoop {
        users: table.integer("users")?,
        think_time: table.duration("think_time")?,
        think: table.word("think")?,
        ramp_up: table.duration("ramp_up")?,
        requests: table.integer("requests"),
    }))
}

/// Arrivals without a rate, the same all day.
fn alike(kind: ArrivalKind, hit_rate: f64) -> ArrivalProcess {
    ArrivalProcess {
        kind,
        rate: Vec::new(),
        cycle: SimDuration(NS_PER_DAY),
        phase: SimDuration::ZERO,
        remarks: Vec::new(),
        cautions: Vec::new(),
        periods: vec![Period {
            input_scale: 1.0,
            output_scale: 1.0,
            hit_rate,
        }],
    }
}

/// The one of these keys that is given; `None`: none, or, after a complaint, two of them.
fn only_one<Key: Words>(table: &TomlTable, report: &mut MistakeReport) -> Option<Option<Key>> {
    let keys = Key::VARIANTS.iter().copied();
    let given: Vec<Key> = keys.filter(|k| table.get(k.word()).is_some()).collect();
    match given.as_slice() {
        [] => Some(None),
        [one] => Some(Some(*one)),
        [one, other, ..] => {
            let (one, other) = (one.word(), other.word());
            let at = |key: &str| table.entry(key).map_or(Span::NOWHERE, |e| e.key_at);
            let message = format!("{} exclude one another", list([one, other]));
            report.push(
                Diagnostic::new(message, at(other))
                    .label("give only one of them")
                    .also(at(one), "the other one")
                    .help(why_not(one, other)),
            );
            None
        }
    }
}

fn why_not(one: &str, other: &str) -> &'static str {
    match (one, other) {
        (_, "csv") if one.starts_with("requests") => "the CSV itself says how many requests arrive",
        (_, "csv") => "the CSV itself says how the rate runs over the day",
        _ => "take one of them out",
    }
}

/// The rate over the day in an arbitrary unit.
fn rate(
    table: &TomlTable,
    profile: Option<ProfileKey>,
    report: &mut MistakeReport,
) -> Option<Vec<RateSegment>> {
    let Some(key) = profile else {
        return Some(resolve_profile::constant());
    };
    let items = table.list(key.word());
    match key {
        ProfileKey::HourlyMeans => hourly(items?, report),
        ProfileKey::Stepwise => Some(resolve_profile::stepwise(&weights(items?, key, report)?)),
        ProfileKey::Linear => Some(resolve_profile::linear(&weights(items?, key, report)?)),
        ProfileKey::Csv => None, // its rows say both, and are read with the amount
    }
}

fn weights(
    items: &[TomlNode],
    key: ProfileKey,
    report: &mut MistakeReport,
) -> Option<Vec<(SimDuration, f64)>> {
    let entries = timed(items, key.word(), report)?;
    let weights = entries
        .iter()
        .map(|(time, node)| Some((*time, node.number()?)));
    weights.collect()
}

fn hourly(items: &[TomlNode], report: &mut MistakeReport) -> Option<Vec<RateSegment>> {
    let means = items
        .iter()
        .map(TomlNode::number)
        .collect::<Option<Vec<f64>>>()?;
    let rows: Vec<RateRow> = (0_u64..)
        .zip(&means)
        .map(|(hour, mean)| RateRow {
            from: SimDuration(hour * NS_PER_HOUR),
            to: SimDuration((hour + 1) * NS_PER_HOUR),
            mean: *mean,
        })
        .collect();
    resolve_profile::mean_preserving(&rows)
        .map_err(|hour| {
            let message = format!("the rate would be negative in the hour from {hour:02}:00");
            let at = items.get(hour).map_or(Span::NOWHERE, |n| n.at);
            report.push(
                negative(Diagnostic::new(message, at)).help(
                    "raise this hour's mean to a third of its neighbours', or use `stepwise`",
                ),
            );
        })
        .ok()
}

/// Refuses a rate that peaks beyond [`MAX_PEAK_PER_S`]: a day's requests within a microsecond are no load.
pub(super) fn peak_is_bounded(
    rate: &[RateSegment],
    at: Span,
    report: &mut MistakeReport,
) -> Option<()> {
    let ends = rate
        .iter()
        .flat_map(|s| [s.rate_from_per_s, s.rate_to_per_s]);
    let peak = ends.fold(0.0, f64::max);
    if peak <= MAX_PEAK_PER_S {
        return Some(());
    }
    let message = format!(
        "{} requests a second at the peak",
        show_number(libm::round(peak))
    );
    let label = format!("at most {} in a class", show_number(MAX_PEAK_PER_S));
    report.push(Diagnostic::new(message, at).label(label));
    None
}

/// Adds to a complaint why a continuous rate can become negative.
fn negative(found: Diagnostic) -> Diagnostic {
    found.label("too far below its neighbours").note(
        "a continuous rate takes the average of the two means at an edge, and in the middle what \
         keeps the mean: 2 x mean - (both edges)/2",
    )
}

fn from_csv(
    kind: ArrivalKind,
    table: &TomlTable,
    input: &LengthLaw,
    output: &LengthLaw,
    hit_rate: f64,
    run: RunTimes,
    report: &mut MistakeReport,
) -> Option<ArrivalProcess> {
    let shape = traffic_shape::read(table, table.table("csv")?.get("text")?, run, report)?;
    let seconds = |r: &TrafficRow| (r.to.0 - r.from.0) as f64 / 1e9;
    let rows: Vec<RateRow> = shape
        .rows
        .iter()
        .map(|r| RateRow {
            from: r.from,
            to: r.to,
            mean: r.requests / seconds(r),
        })
        .collect();
    let interpolation = match table.get("interpolation") {
        None => None,
        Some(_) => Some(table.word("interpolation")?),
    };
    let mut rate = match interpolation {
        None => resolve_profile::mean_preserving_within(&rows),
        Some(Interpolation::Stepwise) => resolve_profile::rows_stepwise(&rows),
        Some(Interpolation::Linear) => resolve_profile::rows_linear(&rows),
        Some(Interpolation::MeanPreserving) => resolve_profile::mean_preserving(&rows)
            .map_err(|row| {
                let from = show_time_of_day(SimDuration(shape.rows[row].from.0 % NS_PER_DAY));
                let message = format!("the rate would be negative in the row from {from}");
                let found = Diagnostic::new(message, shape.rows[row].requests_at);
                let help = format!(
                    "leave `interpolation` out, which bends the rate there, or set it to {}",
                    choices(
                        [Interpolation::Stepwise, Interpolation::Linear].map(Interpolation::word)
                    )
                );
                report.push(negative(found).help(help));
            })
            .ok()?,
    };
    let mut periods: Vec<Period> = Vec::new();
    let mut of_row = Vec::new();
    for row in &shape.rows {
        let [input_mean, output_mean, own_hits] = row.means;
        let period = Period {
            input_scale: input_mean.map_or(1.0, |mean| mean / input.law.mean()),
            output_scale: output_mean.map_or(1.0, |mean| mean / output.law.mean()),
            hit_rate: own_hits.unwrap_or(hit_rate),
        };
        // equal rows share a period, so that work done for each period is shared; recent ones only,
        // so that a file of 86,400 different rows stays quick
        let recent = periods.len().saturating_sub(1_000);
        let known = periods[recent..].iter().position(|p| *p == period);
        let index = known.map_or(periods.len(), |i| recent + i);
        if index == periods.len() {
            periods.push(period);
        }
        of_row.push(index as u32);
    }
    for segment in &mut rate {
        let row = shape.rows.partition_point(|r| r.from <= segment.from) - 1;
        segment.period = of_row[row];
    }
    let requests: f64 = shape.rows.iter().map(|r| r.requests).sum();
    let total = resolve_profile::total(&rate);
    if total > 0.0 {
        resolve_profile::scale(&mut rate, requests / total);
    }
    peak_is_bounded(&rate, table.at("csv"), report)?;
    debug_assert!(rate.last().is_some_and(|s| s.to == shape.cycle));
    Some(ArrivalProcess {
        kind,
        rate,
        cycle: shape.cycle,
        phase: shape.phase,
        periods,
        remarks: shape.remarks,
        cautions: shape.cautions,
    })
}
