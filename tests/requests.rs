//! Requests one by one (`requests.csv`): they add up to the summary, they are the same on any number of threads, and a
//! sample is a part of all.

mod support;

use std::collections::BTreeMap;
use std::fs;

use serde_json::Value;
use support::program::{Scratch, tokentide};

const SMALL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cli/small.toml");
const MIXED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fingerprints/mixed.toml");

/// What a run of the scenario has written: the summary, `requests.csv`, and its rows by column.
struct Played {
    summary: Value,
    text: String,
    rows: Vec<BTreeMap<String, String>>,
}

fn play(scratch: &Scratch, requests: &str, threads: &str, scenario: &[&str]) -> Played {
    let out = scratch.path("out");
    let asked = [
        "--quiet",
        "--out",
        &out,
        "--overwrite",
        "--requests",
        requests,
    ];
    let said = tokentide(&[&["run"], scenario, &asked, &["--threads", threads]].concat());
    assert!(matches!(said.code, Some(0 | 3)), "{}", said.err);
    let read = |name: &str| fs::read_to_string(format!("{out}/{name}")).expect("a file");
    let text = read("requests.csv");
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let names = reader.headers().expect("a header").clone();
    let row = |cells: csv::StringRecord| {
        let pairs = names.iter().zip(&cells);
        pairs.map(|(n, c)| (n.to_owned(), c.to_owned())).collect()
    };
    let rows = reader
        .records()
        .map(|cells| row(cells.expect("as many cells as names")));
    Played {
        summary: serde_json::from_str(&read("summary.json")).expect("JSON"),
        rows: rows.collect(),
        text,
    }
}

fn number(row: &BTreeMap<String, String>, column: &str) -> Option<f64> {
    let cell = &row[column];
    (!cell.is_empty()).then(|| cell.parse().expect("a number"))
}

/// Holds rows against the summary: who arrived and how they ended, tokens, means of latencies.
fn adds_up(played: &Played, has_warm_up: bool) {
    let Played { summary, rows, .. } = played;
    let counted = |what: &str, rows: usize| {
        assert_eq!(
            summary["requests"][what].as_u64(),
            Some(rows as u64),
            "{what}"
        );
    };
    let arrived = |row: &&BTreeMap<String, String>| number(row, "arrived_s") >= Some(0.0);
    counted("arrived", rows.iter().filter(arrived).count());
    counted(
        "in_flight_at_start",
        rows.iter().filter(|row| !arrived(row)).count(),
    );
    for fate in ["completed", "rejected", "failed", "in_flight"] {
        counted(fate, rows.iter().filter(|row| row["fate"] == fate).count());
    }
    let came = |row: &&BTreeMap<String, String>, column: &str| {
        let at = number(row, "arrived_s").zip(number(row, column));
        at.is_some_and(|(arrived, after)| arrived + after >= -1e-9)
    };
    for (column, event) in [
        ("ttft_s", "ttft_s"),
        ("queue_s", "queue_s"),
        ("tpot_s", "e2e_s"),
        ("e2e_s", "e2e_s"),
    ] {
        let inside = rows.iter().filter(|row| came(row, event));
        let all: Vec<f64> = inside.filter_map(|row| number(row, column)).collect();
        let said = &summary["latency"][column];
        assert_eq!(said["count"].as_u64(), Some(all.len() as u64), "{column}");
        let mean = all.iter().sum::<f64>() / all.len() as f64;
        let theirs = said["mean"].as_f64().expect("a mean");
        let is_same = (mean - theirs).abs() <= 1e-9 * theirs;
        assert!(is_same, "{column}: {mean}, {theirs}");
    }
    let sum = |column: &str, event: &str| -> f64 {
        let inside = rows.iter().filter(|row| came(row, event));
        inside.filter_map(|row| number(row, column)).sum()
    };
    let tokens = &summary["tokens"];
    assert_eq!(
        tokens["input"].as_f64(),
        Some(sum("input_tokens", "ttft_s"))
    );
    assert_eq!(
        tokens["cached_input"].as_f64(),
        Some(sum("cached_tokens", "ttft_s"))
    );
    let preemptions: f64 = rows
        .iter()
        .filter_map(|row| number(row, "preemptions"))
        .sum();
    if !has_warm_up {
        assert_eq!(summary["decode"]["preemptions"].as_f64(), Some(preemptions));
    }
    // a schedule releases units, and loses none
    assert!(rows.iter().all(|row| number(row, "losses") == Some(0.0)));
    // Who is inside at the end has a part of its tokens.
    let output = tokens["output"].as_f64().expect("a number");
    let least = sum("output_tokens", "e2e_s");
    let most: f64 = rows
        .iter()
        .filter_map(|row| number(row, "output_tokens"))
        .sum();
    let is_drained = rows.iter().all(|row| row["fate"] != "in_flight");
    assert!(
        output <= most && (has_warm_up || least <= output),
        "{output} of {most}"
    );
    if is_drained && !has_warm_up {
        assert_eq!(output, least);
    }
}

#[test]
fn rows_add_up_to_the_summary() {
    let scratch = Scratch::new("requests-sums");
    let preempting = [
        SMALL,
        "--set",
        "pools.decode.kv_capacity_tokens=2500",
        "--set",
        "class.chat.input.max=2000",
        "--set",
        "class.chat.arrivals.requests_per_s=30.0",
        "--set",
        "warm_up=0s",
    ];
    let preempted = play(&scratch, "all", "2", &preempting);
    adds_up(&preempted, false);
    assert!(
        preempted
            .rows
            .iter()
            .any(|row| number(row, "preemptions") > Some(0.0))
    );
    let rejecting = [SMALL, "--set", "pools.prefill.max_queue_requests=1"];
    let rejected = play(&scratch, "all", "2", &rejecting);
    adds_up(&rejected, true);
    assert!(rejected.rows.iter().any(|row| row["fate"] == "rejected"));
    adds_up(&play(&scratch, "all", "2", &[MIXED]), true);
    // Everybody has ended: tokens are the same to the last.
    let recorded = "class=[{name=\"all\",arrivals={kind=\"trace\",csv={text=\"arrived_s,input_tokens,output_tokens\\n\
                    10,5000,20\\n11.5,100,1\\n11.5,70,9\\n40,9000,300\\n\"}}}]";
    let drained = play(
        &scratch,
        "all",
        "1",
        &[SMALL, "--set", recorded, "--set", "warm_up=0s"],
    );
    adds_up(&drained, false);
    assert_eq!(drained.rows.len(), 4);
    // Users who wait for their answers.
    let users = "class.chat.arrivals={kind=\"closed-loop\",users=40,think_time=\"2s\"}";
    adds_up(&play(&scratch, "all", "2", &[SMALL, "--set", users]), true);
}

#[test]
fn rows_are_the_same_on_any_number_of_threads_and_a_sample_is_a_part() {
    let scratch = Scratch::new("requests-threads");
    let all = play(&scratch, "all", "1", &[SMALL]);
    let sample = play(&scratch, "50", "1", &[SMALL]);
    assert_eq!(sample.rows.len(), 50);
    assert!(sample.rows.iter().all(|row| all.rows.contains(row)));
    assert!(
        sample
            .rows
            .iter()
            .all(|row| number(row, "arrived_s") >= Some(0.0))
    );
    assert_eq!(all.summary, sample.summary);
    for threads in ["2", "3", "8"] {
        assert!(
            play(&scratch, "all", threads, &[SMALL]).text == all.text,
            "{threads} threads"
        );
        assert!(
            play(&scratch, "50", threads, &[SMALL]).text == sample.text,
            "{threads} threads"
        );
    }
}

#[test]
fn what_cannot_be_written_is_refused_before_anything_is_simulated() {
    let scratch = Scratch::new("requests-refused");
    let out = scratch.path("out");
    let refused = |rest: &[&str], word: &str| {
        let said = tokentide(&[&["run"], rest].concat());
        assert_eq!(said.code, Some(2), "{rest:?}: {}", said.err);
        assert!(said.err.contains(word), "no {word:?} in: {}", said.err);
    };
    let at = ["--out", out.as_str()];
    refused(
        &[&["deepseek-day", "--requests", "all"][..], &at].concat(),
        "take a sample (--requests 10000)",
    );
    refused(
        &[&[SMALL, "--requests", "999999999999"][..], &at].concat(),
        "limits.output_mb",
    );
    refused(
        &[&[SMALL, "--requests", "some"][..], &at].concat(),
        "write all, or the size",
    );
    refused(
        &[&[SMALL, "--requests", "0"][..], &at].concat(),
        "write all, or the size",
    );
    refused(&[SMALL, "--requests", "all"], "--out");
    refused(
        &[
            &[SMALL, "--requests", "all", "--replications", "2"][..],
            &at,
        ]
        .concat(),
        "--replications",
    );
    assert!(scratch.files("out").is_empty());
    // The rows fit, their text does not.
    let few = ["--set", "limits.output_mb=0.06", "--requests", "all"];
    refused(&[&[SMALL][..], &few, &at].concat(), "limits.output_mb");
    // Of users who wait for their answers and of recordings nothing is known before: the run ends, without files.
    let users = "class.chat.arrivals={kind=\"closed-loop\",users=400,think_time=\"1s\"}";
    let rows = "10,100,2\\n".repeat(10_000);
    let recorded = format!(
        "class=[{{name=\"all\",arrivals={{kind=\"trace\",csv={{text=\"arrived_s,input_tokens,output_tokens\\n{rows}\"}}}}}}]"
    );
    for (workload, limit) in [(users, "0.11"), (&recorded, "0.2")] {
        let limit = format!("limits.output_mb={limit}");
        let more = ["--set", workload, "--set", &limit];
        let asked = ["--requests", "all"];
        refused(
            &[&[SMALL][..], &more, &asked, &at].concat(),
            "take a sample (--requests 10000)",
        );
    }
    assert!(scratch.files("out").is_empty());
}

/// Every cell of the CSV stands in the Parquet file, in its place and with its type.
#[cfg(feature = "parquet")]
#[test]
fn parquet_holds_the_rows_of_the_csv() {
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::Field;

    let scratch = Scratch::new("requests-parquet");
    let played = play(&scratch, "all", "2", &[SMALL]);
    let file = fs::File::open(scratch.path("out/requests.parquet")).expect("a file");
    let reader = SerializedFileReader::new(file).expect("Parquet");
    let mut rows = reader.get_row_iter(None).expect("rows");
    for of_csv in &played.rows {
        let row = rows.next().expect("as many rows").expect("a row");
        assert_eq!(row.len(), of_csv.len());
        for (column, field) in row.into_columns() {
            let text = &of_csv[&column];
            let is_same = match &field {
                Field::Null => text.is_empty(),
                Field::Str(word) => ["class", "fate"].contains(&column.as_str()) && text == word,
                Field::ULong(n) => !column.ends_with("_s") && *text == n.to_string(),
                Field::Double(x) => column.ends_with("_s") && text.parse() == Ok(*x),
                _ => false,
            };
            assert!(is_same, "{column}: {text:?} is {field:?}");
        }
    }
    assert!(rows.next().is_none());
}
