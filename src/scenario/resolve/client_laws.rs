//! Clients whose laws were recorded: their rate over time, and the lengths of all their requests together.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::super::diagnostic::MistakeReport;
use super::super::shape::show_integer;
use super::super::tree::{TomlTable, TomlValue};
use super::super::{ArrivalKind, ArrivalProcess, ClientPlay, Law, LengthLaw, Period, RateSegment};
use super::resolve_arrivals::peak_is_bounded;
use super::trace::tell_of_file;
use super::traffic_shape::RunTimes;
use crate::traffic::{BadLines, ClientPool, TraceSource, TrafficFault};
use crate::units::{NS_PER_DAY, NS_PER_S, SimDuration};

const DAY_S: u64 = NS_PER_DAY / NS_PER_S;

/// The lengths and arrivals of a class of recorded clients, or complaints about what is wrong.
pub fn load(
    table: &TomlTable,
    hit_rate: f64,
    run: RunTimes,
    report: &mut MistakeReport,
) -> Option<([LengthLaw; 2], ArrivalProcess)> {
    let entry = table.entry("file")?;
    let TomlValue::Csv(file) = &entry.node.value else {
        return None;
    };
    let path = file.path.clone()?;
    let shown = path.display().to_string();
    let pool = file.content(|| {
        clients(&TraceSource::File(path))
            .map_err(|faults| tell_of_file(&shown, entry.node.at, faults, report))
            .ok()
    })?;
    let rate = table.number("rate")?;
    let segments = segments(&pool, rate);
    peak_is_bounded(&segments, entry.node.at, report)?;
    let cycle = segments.last().map_or(NS_PER_DAY, |segment| segment.to.0);
    let days = cycle / NS_PER_DAY;
    let remark = format!(
        "{} clients, of which {} ask for anything; {days} recorded day{}, of which the first is that of the start",
        show_integer(i128::from(pool.count)),
        show_integer(pool.clients.len() as i128),
        if days == 1 { "" } else { "s" },
    );
    let process = ArrivalProcess {
        kind: ArrivalKind::Clients(ClientPlay {
            pool: Arc::clone(&pool),
            rate,
        }),
        rate: segments,
        cycle: SimDuration(cycle),
        phase: SimDuration((run.start_utc + run.offset).rem_euclid(NS_PER_DAY as i64) as u64),
        periods: vec![Period {
            input_scale: 1.0,
            output_scale: 1.0,
            hit_rate,
        }],
        remarks: vec![remark],
        cautions: Vec::new(),
    };
    Some((pool.lengths().map(law), process))
}

fn clients(source: &TraceSource) -> Result<ClientPool, Vec<TrafficFault>> {
    let help = "such a file is an archive (tar) of chunk-N-trace.csv and chunk-N-dataset.json; a recording of requests is \
                `kind = \"trace\"`";
    let fault = || TrafficFault::new("form", "this is no archive of ServeGen's clients").help(help);
    source
        .clients(BadLines::Refuse)?
        .ok_or_else(|| vec![fault()])
}

/// The rate of all clients together, over whole days.
fn segments(pool: &ClientPool, factor: f64) -> Vec<RateSegment> {
    let windows = || pool.clients.iter().flat_map(|client| &client.windows);
    let days = pool.span_s.div_ceil(DAY_S).max(1);
    let mut edges: BTreeSet<u64> = windows().flat_map(|w| [w.from_s, w.to_s]).collect();
    edges.extend([0, days * DAY_S]);
    let edges: Vec<u64> = edges.into_iter().collect();
    let mut rates = vec![0.0; edges.len() - 1];
    for window in windows() {
        let first = edges.partition_point(|edge| *edge < window.from_s);
        let covered = edges.iter().zip(&mut rates).skip(first);
        covered
            .take_while(|(edge, _)| **edge < window.to_s)
            .for_each(|(_, rate)| *rate += factor * window.rate_per_s);
    }
    let segment = |(ends, rate): (&[u64], f64)| RateSegment {
        from: SimDuration(ends[0] * NS_PER_S),
        to: SimDuration(ends[1] * NS_PER_S),
        rate_from_per_s: rate,
        rate_to_per_s: rate,
        period: 0,
    };
    edges.windows(2).zip(rates).map(segment).collect()
}

/// The law of lengths over all requests.
fn law(weights: Vec<(u32, f64)>) -> LengthLaw {
    let mut values: Vec<(f64, f64)> = Vec::with_capacity(weights.len());
    for (length, weight) in weights.into_iter().filter(|(_, weight)| *weight > 0.0) {
        let length = f64::from(length.max(1));
        match values.last_mut() {
            Some((value, sum)) if *value == length => *sum += weight,
            _ => values.push((length, weight)),
        }
    }
    let length = |value: Option<&(f64, f64)>| value.map_or(1, |(value, _)| *value as u32);
    LengthLaw {
        min: length(values.first()),
        max: length(values.last()),
        law: Law::Empirical { values },
    }
}
