//! Results of benchmarks as tables.

use serde_json::Value;

use super::bench_json::of_inferencex;
use super::bench_point::{
    BenchLatency, BenchLoad, BenchPoint, gap_cv_of, need, units_of_a_second, whole_users,
};

/// The points of a CSV.
///
/// # Errors
/// Where it is no known form, or a point lacks what it needs.
pub fn of_table(text: &str) -> Result<Vec<BenchPoint>, String> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let rows: Result<Vec<csv::StringRecord>, _> = reader.records().collect();
    let rows = rows.map_err(|error| error.to_string())?;
    let first = rows.first().ok_or("the file is empty")?;
    let has = |name: &str| first.iter().any(|cell| cell.eq_ignore_ascii_case(name));
    if has("conc") || has("isl") {
        let heads: Vec<String> = first.iter().map(str::to_lowercase).collect();
        let object = |row: &csv::StringRecord| {
            let pairs = heads
                .iter()
                .cloned()
                .zip(row.iter().map(|cell| Value::String(cell.to_string())));
            Value::Object(pairs.collect())
        };
        let points = (2..).zip(&rows[1..]).map(|(line, row)| {
            of_inferencex(&object(row)).map_err(|why| format!("line {line}: {why}"))
        });
        return points.collect();
    }
    if has("metric") {
        return of_aiperf_table(&rows).map(|point| vec![point]);
    }
    guidellm_table(&rows)
}

/// The CSV of aiperf and genai-perf: a metric a line, statistics by column.
fn of_aiperf_table(rows: &[csv::StringRecord]) -> Result<BenchPoint, String> {
    let mut heads: Vec<String> = Vec::new();
    let find = |wanted: &str, statistic: &str, heads: &mut Vec<String>| {
        rows.iter().find_map(|row| {
            let name = row.get(0)?.to_lowercase();
            if name == "metric" {
                *heads = row.iter().map(str::to_lowercase).collect();
            }
            let place = heads.iter().position(|head| head == statistic)?;
            let number = || row.get(place)?.replace(',', "").parse::<f64>().ok();
            name.starts_with(wanted).then(number).flatten()
        })
    };
    let mut of = |wanted: &str, statistic: &str| find(wanted, statistic, &mut heads);
    let mut latency = |wanted: &str| -> Result<BenchLatency, String> {
        let names = rows.iter().filter_map(|row| row.get(0));
        let name = names.map(str::to_lowercase).find(|n| n.starts_with(wanted));
        let unit = name.as_deref().and_then(|name| name.split_once('('));
        let of_a_second = match unit {
            None => 1e3,
            Some((_, unit)) => units_of_a_second(unit.trim_end_matches(')'))
                .map_err(|why| format!("{:?}: {why}", name.as_deref().unwrap_or("")))?,
        };
        Ok(BenchLatency {
            mean: of(wanted, "avg").map(|x| x / of_a_second),
            median: of(wanted, "p50").map(|x| x / of_a_second),
        })
    };
    let (ttft, tpot) = (
        latency("time to first token")?,
        latency("inter token latency")?,
    );
    Ok(BenchPoint {
        input: need(of("input sequence length", "avg"), "Input Sequence Length")?,
        output: need(
            of("output sequence length", "avg"),
            "Output Sequence Length",
        )?,
        load: None,
        gap_cv: 1.0,
        requests: of("request count", "avg"),
        ttft,
        tpot,
        tensor: None,
        remark: None,
    })
}

/// The CSV of guidellm: three lines of heads, then a benchmark a line.
fn guidellm_table(rows: &[csv::StringRecord]) -> Result<Vec<BenchPoint>, String> {
    let [groups, names, statistics, data @ ..] = rows else {
        return Err(
            "a CSV of guidellm has three lines of heads and a line for each benchmark".to_string(),
        );
    };
    let is = |row: &csv::StringRecord, at: usize, part: &str| {
        row.get(at).is_some_and(|c| c.to_lowercase().contains(part))
    };
    let column = |group: &str, name: &str, statistic: &str| {
        (0..groups.len()).find(|at| {
            is(groups, *at, group)
                && is(names, *at, name)
                && is(statistics, *at, statistic)
                && !is(names, *at, "incomplete")
                && !is(names, *at, "errored")
        })
    };
    let mut points = Vec::new();
    for (line, row) in (4..).zip(data) {
        let of = |group: &str, name: &str, statistic: &str| {
            column(group, name, statistic).and_then(|at| row.get(at)?.parse::<f64>().ok())
        };
        let latency = |group: &str| BenchLatency {
            mean: of(group, "ms", "mean").map(|ms| ms / 1e3),
            median: of(group, "ms", "median").map(|ms| ms / 1e3),
        };
        let strategy = column("benchmark", "strategy", "")
            .and_then(|at| row.get(at))
            .unwrap_or("")
            .to_string();
        let concurrency = of("server throughput", "concurrency", "mean");
        let rate = of("server throughput", "requests/sec", "mean");
        let at = |why: String| format!("line {line}: {why}");
        points.push(BenchPoint {
            input: need(of("token metrics", "input tokens", "mean"), "Input Tokens").map_err(at)?,
            output: need(
                of("token metrics", "output tokens", "mean"),
                "Output Tokens",
            )
            .map_err(at)?,
            load: match strategy.as_str() {
                "constant" | "poisson" | "async" => rate.map(BenchLoad::PerSecond),
                "synchronous" => Some(BenchLoad::Users(1.0)),
                _ => concurrency.map(BenchLoad::Users).map(whole_users),
            },
            gap_cv: gap_cv_of(&strategy),
            requests: of("request counts", "successful", ""),
            ttft: latency("time to first token"),
            tpot: latency("inter token latency"),
            tensor: None,
            remark: None,
        });
    }
    Ok(points)
}
