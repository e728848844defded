//! Results of benchmarks as JSON.

use serde_json::Value;

use super::bench_point::{
    BenchLatency, BenchLoad, BenchPoint, gap_cv_of, need, units_of_a_second, whole_users,
};

/// The points of a JSON text: one object, a list of them, or one a line.
///
/// # Errors
/// Where it is no known form, or a point lacks what it needs.
pub fn of_json(text: &str) -> Result<Vec<BenchPoint>, String> {
    let whole: Result<Value, _> = serde_json::from_str(text);
    let roots = match whole {
        Ok(Value::Array(rows)) => rows,
        Ok(root) => vec![root],
        // One object a line.
        Err(error) => {
            let lines = text.lines().filter(|line| !line.trim().is_empty());
            let each: Result<Vec<Value>, _> = lines.map(serde_json::from_str).collect();
            each.map_err(|_| format!("not well-formed JSON: {error}"))?
        }
    };
    let mut points = Vec::new();
    for (number, root) in (1..).zip(&roots) {
        let found = of_object(root).map_err(|why| match roots.len() {
            1 => why,
            _ => format!("result {number}: {why}"),
        })?;
        points.extend(found);
    }
    Ok(points)
}

fn of_object(root: &Value) -> Result<Vec<BenchPoint>, String> {
    if root
        .get("mean_ttft_ms")
        .or(root.get("median_ttft_ms"))
        .is_some()
    {
        return of_vllm(root).map(|point| vec![point]);
    }
    if let Some(all) = root.get("benchmarks").and_then(Value::as_array) {
        return all.iter().map(of_guidellm).collect();
    }
    if root.get("time_to_first_token").is_some() {
        return of_aiperf(root).map(|point| vec![point]);
    }
    if root.get("isl").is_some() && root.get("conc").is_some() {
        return of_inferencex(root).map(|point| vec![point]);
    }
    if let Some(rows) = ["results", "data", "rows"]
        .iter()
        .find_map(|key| root.get(key)?.as_array())
    {
        let rows = rows.iter().map(of_object).collect::<Result<Vec<_>, _>>()?;
        return Ok(rows.into_iter().flatten().collect());
    }
    Err("this is none of: vllm bench serve, SGLang's bench_serving, guidellm, aiperf, genai-perf, InferenceX".to_string())
}

fn number(value: &Value, key: &str) -> Option<f64> {
    of_value(value.get(key)?)
}

fn of_value(value: &Value) -> Option<f64> {
    let number = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    number.filter(|n| n.is_finite())
}

fn of_vllm(root: &Value) -> Result<BenchPoint, String> {
    let count = number(root, "completed").or(number(root, "num_prompts"));
    let count = need(count, "completed")?;
    let ms = |name: &str| BenchLatency {
        mean: number(root, &format!("mean_{name}_ms")).map(|ms| ms / 1e3),
        median: number(root, &format!("median_{name}_ms")).map(|ms| ms / 1e3),
    };
    let output = number(root, "total_output_tokens").or(number(root, "total_output"));
    let input = number(root, "total_input_tokens").or(number(root, "total_input"));
    let users = number(root, "max_concurrency").filter(|n| *n > 0.0);
    let rate = number(root, "request_rate").filter(|n| *n > 0.0);
    // Gaps are of a gamma law, of which `burstiness` is the shape (vllm, benchmarks/serve.py).
    let gap_cv = match number(root, "burstiness") {
        None => 1.0,
        Some(shape) if (0.0025..=10_000.0).contains(&shape) => 1.0 / libm::sqrt(shape),
        Some(other) => {
            return Err(format!(
                "`burstiness` cannot be {other}: the shape of a gamma law, 0.0025 to 10,000; 1 is Poisson"
            ));
        }
    };
    Ok(BenchPoint {
        input: need(input, "total_input_tokens")? / count,
        output: need(output, "total_output_tokens")? / count,
        load: Some(match (rate, users) {
            (Some(rate), _) => BenchLoad::PerSecond(rate),
            (None, Some(users)) => BenchLoad::Users(users),
            (None, None) => BenchLoad::AllAtOnce,
        }),
        gap_cv,
        requests: Some(count),
        ttft: ms("ttft"),
        tpot: ms("tpot"),
        tensor: None,
        remark: match (rate, users) {
            (Some(_), Some(users)) => {
                Some(format!("the cap of {users} requests at once is not played"))
            }
            _ => None,
        },
    })
}

/// Mean and median of a metric of guidellm, of the requests that were answered.
fn of_metric(metrics: &Value, name: &str) -> BenchLatency {
    let of = metrics
        .get(name)
        .and_then(|m| m.get("successful").or(Some(m)));
    BenchLatency {
        mean: of.and_then(|m| number(m, "mean")),
        median: of.and_then(|m| number(m, "median")),
    }
}

fn in_seconds(ms: BenchLatency) -> BenchLatency {
    BenchLatency {
        mean: ms.mean.map(|ms| ms / 1e3),
        median: ms.median.map(|ms| ms / 1e3),
    }
}

fn of_guidellm(benchmark: &Value) -> Result<BenchPoint, String> {
    let metrics = benchmark
        .get("metrics")
        .ok_or("a benchmark of guidellm has no `metrics`")?;
    let config = benchmark.get("config").or(benchmark.get("args"));
    let strategy = config.and_then(|c| c.get("strategy"));
    let concurrency = of_metric(metrics, "request_concurrency").mean;
    let kind = strategy
        .and_then(|s| s.get("type_"))
        .and_then(Value::as_str)
        .unwrap_or("");
    let of_strategy = |keys: &[&str]| keys.iter().find_map(|key| number(strategy?, key));
    let load = match kind {
        "synchronous" => Some(BenchLoad::Users(1.0)),
        "concurrent" => of_strategy(&["streams", "max_concurrency", "concurrency"])
            .or(concurrency)
            .map(BenchLoad::Users),
        "constant" | "poisson" | "async" => of_strategy(&["rate"]).map(BenchLoad::PerSecond),
        _ => concurrency.map(BenchLoad::Users),
    };
    let requests = benchmark
        .pointer("/metrics/request_totals/successful")
        .or(benchmark.pointer("/run_stats/requests_made/successful"));
    Ok(BenchPoint {
        input: need(
            of_metric(metrics, "prompt_token_count").mean,
            "prompt_token_count",
        )?,
        output: need(
            of_metric(metrics, "output_token_count").mean,
            "output_token_count",
        )?,
        load: load.map(whole_users),
        gap_cv: gap_cv_of(kind),
        requests: requests.and_then(of_value),
        ttft: in_seconds(of_metric(metrics, "time_to_first_token_ms")),
        tpot: in_seconds(of_metric(metrics, "inter_token_latency_ms")),
        tensor: None,
        remark: None,
    })
}

/// A number under this key somewhere in a value; a list stands for its first number.
fn anywhere(value: &Value, key: &str) -> Option<f64> {
    match value {
        Value::Object(map) => {
            let here = map.get(key).and_then(|v| {
                v.as_array()
                    .and_then(|a| a.first())
                    .map_or_else(|| of_value(v), of_value)
            });
            here.or_else(|| map.values().find_map(|inner| anywhere(inner, key)))
        }
        Value::Array(all) => all.iter().find_map(|inner| anywhere(inner, key)),
        _ => None,
    }
}

fn of_aiperf(root: &Value) -> Result<BenchPoint, String> {
    let of = |name: &str, key: &str| root.get(name).and_then(|m| number(m, key));
    let config = root.get("input_config").unwrap_or(&Value::Null);
    let rate = anywhere(config, "request_rate").filter(|r| *r > 0.0);
    let users = anywhere(config, "concurrency").filter(|n| *n > 0.0);
    let latency = |name: &str| -> Result<BenchLatency, String> {
        let unit = root.get(name).and_then(|m| m.get("unit"));
        let of_a_second = match unit {
            None => 1e3,
            Some(unit) => units_of_a_second(unit.as_str().unwrap_or(""))
                .map_err(|why| format!("`{name}.unit` is {unit}: {why}"))?,
        };
        Ok(BenchLatency {
            mean: of(name, "avg").map(|x| x / of_a_second),
            median: of(name, "p50").map(|x| x / of_a_second),
        })
    };
    Ok(BenchPoint {
        input: need(
            of("input_sequence_length", "avg"),
            "input_sequence_length.avg",
        )?,
        output: need(
            of("output_sequence_length", "avg"),
            "output_sequence_length.avg",
        )?,
        load: match (rate, users) {
            (Some(rate), _) => Some(BenchLoad::PerSecond(rate)),
            (None, Some(users)) => Some(BenchLoad::Users(users)),
            (None, None) => None,
        },
        gap_cv: 1.0,
        requests: of("request_count", "avg"),
        ttft: latency("time_to_first_token")?,
        tpot: latency("inter_token_latency")?,
        tensor: None,
        remark: None,
    })
}

/// A row of InferenceX: latencies are seconds, lengths nominal.
///
/// # Errors
/// Where it lacks what it needs.
pub fn of_inferencex(row: &Value) -> Result<BenchPoint, String> {
    let figures = row.get("metrics").unwrap_or(row);
    let latency = |name: &str| BenchLatency {
        mean: number(figures, &format!("mean_{name}")),
        median: number(figures, &format!("median_{name}")),
    };
    if row.get("disagg").and_then(Value::as_bool) == Some(true) {
        return Err("a row of disaggregated serving: bring rows of one kind of server".to_string());
    }
    let users = need(number(row, "conc"), "conc")?;
    Ok(BenchPoint {
        input: need(number(row, "isl"), "isl")?,
        output: need(number(row, "osl"), "osl")?,
        load: Some(BenchLoad::Users(users)),
        gap_cv: 1.0,
        requests: Some(10.0 * users),
        ttft: latency("ttft"),
        tpot: latency("tpot"),
        tensor: number(row, "tp")
            .or(number(row, "decode_tp"))
            .map(|tp| tp as u32),
        remark: None,
    })
}
