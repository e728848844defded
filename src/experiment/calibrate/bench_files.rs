//! What benchmarks write of a server: under which load, with which lengths, and how long users waited.
//!
//! | tool | form | load |
//! |---|---|---|
//! | `vllm bench serve`, SGLang's `bench_serving` | JSON, one object or one a line | `max_concurrency`, `request_rate` |
//! | guidellm | JSON, CSV of three header lines | the strategy, else the mean concurrency |
//! | aiperf, genai-perf | JSON; CSV, which does not say the load | `input_config` |
//! | InferenceX | JSON rows, CSV | `conc` |
//!
//! TPOT is the time of a token after the first: guidellm's and aiperf's inter-token latency of a request.

use super::bench_json::of_json;
use super::bench_point::BenchPoint;
use super::bench_tables::of_table;

/// Whether a text is what a benchmark wrote, rather than a table of measurements of our own.
pub fn is_one(text: &str) -> bool {
    let start = text.trim_start_matches('\u{feff}').trim_start();
    if start.starts_with(['{', '[']) {
        return true;
    }
    let heads = start
        .lines()
        .take(3)
        .collect::<Vec<_>>()
        .join(",")
        .to_lowercase();
    let mut cells = heads.split(',').map(|cell| cell.trim().trim_matches('"'));
    cells.any(|cell| cell == "conc" || cell == "isl" || cell.starts_with("time to first token"))
}

/// The points of a file.
///
/// # Errors
/// Where it is no known form, or a point lacks what it needs.
pub fn read(text: &str) -> Result<Vec<BenchPoint>, String> {
    let text = text.trim_start_matches('\u{feff}').trim();
    let points = match text.starts_with(['{', '[']) {
        true => of_json(text)?,
        false => of_table(text)?,
    };
    match points.is_empty() {
        true => Err("no measured point in it".to_string()),
        false => Ok(points),
    }
}

#[cfg(test)]
mod tests {
    use super::super::bench_point::{BenchLatency, BenchLoad};
    use super::*;

    fn one(text: &str) -> BenchPoint {
        let all = read(text).unwrap_or_else(|why| panic!("{why}: {text}"));
        assert_eq!(all.len(), 1, "{text}");
        all[0].clone()
    }

    #[test]
    fn every_tool_says_the_same() {
        let vllm = r#"{"completed": 100, "total_input_tokens": 51200, "total_output_tokens": 12800, "request_rate": "inf",
            "max_concurrency": 8, "mean_ttft_ms": 40, "median_ttft_ms": 30, "mean_tpot_ms": 10, "median_tpot_ms": 9}"#;
        let guidellm = r#"{"benchmarks": [{"config": {"strategy": {"type_": "concurrent", "streams": 8}}, "metrics": {
            "request_totals": {"successful": 100}, "prompt_token_count": {"successful": {"mean": 512}},
            "output_token_count": {"successful": {"mean": 128}},
            "time_to_first_token_ms": {"successful": {"mean": 40, "median": 30}},
            "inter_token_latency_ms": {"successful": {"mean": 10, "median": 9}}}}]}"#;
        let aiperf = r#"{"input_config": {"loadgen": {"concurrency": 8, "request_rate": null}}, "request_count": {"avg": 100},
            "input_sequence_length": {"avg": 512}, "output_sequence_length": {"avg": 128},
            "time_to_first_token": {"unit": "ms", "avg": 40, "p50": 30}, "inter_token_latency": {"unit": "ms", "avg": 10, "p50": 9}}"#;
        let table = "Benchmark,Server Throughput,Token Metrics,Token Metrics,Time to First Token,Time to First Token,\
            Inter Token Latency,Inter Token Latency,Request Counts\n\
            Strategy,Successful Concurrency,Successful Input Tokens,Successful Output Tokens,Successful ms,Successful ms,\
            Successful ms,Successful ms,Successful\n,Mean,Mean,Mean,Mean,Median,Mean,Median,\n\
            concurrent,7.9,512,128,40,30,10,9,100\n";
        let rows = r#"[{"isl": 512, "osl": 128, "conc": 8, "tp": 4, "mean_ttft": 0.04, "median_ttft": 0.03, "mean_tpot": 0.01,
            "median_tpot": 0.009}]"#;
        let latency = |mean, median| BenchLatency {
            mean: Some(mean),
            median: Some(median),
        };
        for text in [vllm, guidellm, aiperf, table, rows] {
            assert!(is_one(text));
            let point = one(text);
            assert_eq!((point.input, point.output), (512.0, 128.0), "{text}");
            assert_eq!(point.load, Some(BenchLoad::Users(8.0)), "{text}");
            assert_eq!(
                (point.ttft, point.tpot),
                (latency(0.04, 0.03), latency(0.01, 0.009)),
                "{text}"
            );
        }
        let seconds = aiperf.replace(
            "\"unit\": \"ms\", \"avg\": 40, \"p50\": 30",
            "\"unit\": \"s\", \"avg\": 0.04, \"p50\": 0.03",
        );
        assert_ne!(seconds, aiperf);
        assert_eq!(one(&seconds).ttft, latency(0.04, 0.03));
        let unknown = read(&aiperf.replace(
            "\"unit\": \"ms\", \"avg\": 10",
            "\"unit\": \"minutes\", \"avg\": 10",
        ));
        assert!(unknown.is_err_and(|why| {
            why.contains("`inter_token_latency.unit` is \"minutes\"")
                && why.contains("ms, milliseconds, s")
        }));
        let csv = "Metric,avg,min,max,p99,p50\nTime To First Token (ms),40.00,1,2,3,30.00\nInter Token Latency (ms),10,1,2,3,9\n\
            Input Sequence Length (tokens),512.00,1,2,3,4\nOutput Sequence Length (tokens),128.00,1,2,3,4\n\nMetric,Value\n";
        let point = one(csv);
        assert_eq!(
            (point.input, point.load, point.ttft),
            (512.0, None, latency(0.04, 0.03))
        );
        let unknown = read(&csv.replace("Inter Token Latency (ms)", "Inter Token Latency (ticks)"));
        assert!(
            unknown
                .is_err_and(|why| why.contains("(ticks)") && why.contains("ms, milliseconds, s"))
        );
    }

    #[test]
    fn loads_are_told_apart() {
        let vllm = |load: &str| {
            one(&format!(
                "{{\"completed\": 10, \"total_input_tokens\": 100, \"total_output_tokens\": 100, {load}, \"mean_ttft_ms\": 4}}"
            ))
        };
        assert_eq!(
            vllm("\"request_rate\": 4.0, \"max_concurrency\": null").load,
            Some(BenchLoad::PerSecond(4.0))
        );
        assert_eq!(
            vllm("\"request_rate\": \"inf\", \"max_concurrency\": null").load,
            Some(BenchLoad::AllAtOnce)
        );
        let bursty = vllm("\"request_rate\": 4.0, \"burstiness\": 0.25");
        assert_eq!((bursty.gap_cv, bursty.remark), (2.0, None));
        let lines = "{\"completed\": 1, \"total_input_tokens\": 1, \"total_output_tokens\": 1, \"mean_ttft_ms\": 4}\n";
        assert_eq!(read(&lines.repeat(3)).map(|all| all.len()), Ok(3));
    }

    #[test]
    fn what_is_no_result_is_told() {
        for (text, part) in [
            ("{\"a\": 1}", "this is none of"),
            ("{\"mean_ttft_ms\": 1", "not well-formed"),
            (
                "{\"mean_ttft_ms\": 1, \"completed\": 5}",
                "`total_input_tokens` is missing",
            ),
            ("isl,osl,conc\n1,2,x\n", "line 2: `conc`"),
            ("[]", "no measured point"),
        ] {
            assert!(
                read(text).is_err_and(|why| why.contains(part)),
                "{text}: {:?}",
                read(text)
            );
        }
    }
}
