//! Traces through the program and through the library: exact totals and hits of recorded workloads, and files that are
//! not what they should be.

mod support;

use std::collections::BTreeMap;
use std::io::Write;

use serde_json::Value;
use support::program::{Said, Scratch, tokentide};
use tokentide::internals::traffic::{BadLines, PrefixLru, TouchOrder, TraceSource, stats, survey};

fn lines(name: &str) -> Option<(std::path::PathBuf, Vec<Value>)> {
    let file = support::data(name)?;
    let text = std::fs::read_to_string(&file).expect("reference rows");
    let rows = text
        .lines()
        .map(|line| serde_json::from_str(line).expect("a row"));
    Some((folder(&file), rows.collect()))
}

fn folder(file: &std::path::Path) -> std::path::PathBuf {
    file.parent().expect("a directory").to_path_buf()
}

/// Hits of a trace's requests, dealt to so many caches in turn.
fn caches(source: &TraceSource, order: TouchOrder, count: usize, block: u64) -> Vec<PrefixLru> {
    let mut all = vec![PrefixLru::new(order); count];
    let mut turn = 0;
    let found = survey(source, BadLines::Refuse, |request| {
        let input = u64::from(request.input);
        all[turn % count].request(&request.blocks, |n| (n * block).min(input));
        turn += 1;
    });
    found.expect("a trace");
    all
}

/// Every row of `prefix_lru` in a file of reference counts, of a trace with blocks of so many tokens.
fn holds(reference: &str, trace: &str, block: u64) {
    let Some((dir, rows)) = lines(reference) else {
        return;
    };
    let source = TraceSource::File(dir.join(trace));
    let mut checked = 0;
    for (order, name) in [
        (TouchOrder::LastFirst, "n-1..0"),
        (TouchOrder::FirstFirst, "0..n-1"),
    ] {
        let is_mine = |row: &&Value| row["sem"] == "prefix_lru" && row["order"] == name;
        let mine: Vec<&Value> = rows.iter().filter(is_mine).collect();
        if mine.is_empty() {
            continue;
        }
        let cache = &caches(&source, order, 1, block)[0];
        for row in mine {
            let (blocks, tokens) = cache.hits(row["cap"].as_u64());
            assert_eq!(Some(blocks), row["block_hits"].as_u64(), "{row}");
            assert_eq!(Some(tokens), row["tok_hits"].as_u64(), "{row}");
            assert_eq!(Some(cache.references), row["blocks"].as_u64(), "{row}");
            checked += 1;
        }
    }
    assert!(checked > 5, "{checked} rows");
}

#[test]
fn hits_of_a_conversation_trace_are_exact() {
    holds(
        "conversation_lru_reference.jsonl",
        "conversation_trace.jsonl",
        512,
    );
}

#[test]
fn hits_of_merged_sessions_are_exact() {
    holds(
        "dev40_stagger60_lru_reference.jsonl",
        "dev40_stagger60.jsonl.xz",
        64,
    );
}

#[test]
fn hits_of_several_caches_in_turn_are_exact() {
    let Some((dir, rows)) = lines("conversation_multinode_rr_reference.jsonl") else {
        return;
    };
    let source = TraceSource::File(dir.join("conversation_trace.jsonl"));
    let mut checked = 0;
    let mut known: BTreeMap<u64, Vec<PrefixLru>> = BTreeMap::new();
    for row in &rows {
        if row["route"] != "line_index % nodes" {
            continue;
        }
        let nodes = row["nodes"].as_u64().expect("a number of nodes");
        let all = known
            .entry(nodes)
            .or_insert_with(|| caches(&source, TouchOrder::LastFirst, nodes as usize, 512));
        let hits: u64 = all
            .iter()
            .map(|cache| cache.hits(row["cap_per_node"].as_u64()).0)
            .sum();
        assert_eq!(Some(hits), row["block_hits"].as_u64(), "{row}");
        checked += 1;
    }
    assert!(checked > 5, "{checked} rows");
}

#[test]
fn totals_of_recorded_workloads_are_exact() {
    let Some(dir) = support::data("AzureLLMInferenceTrace_conv.csv").map(|file| folder(&file))
    else {
        return;
    };
    let of = |name: &str| {
        let source = TraceSource::File(dir.join(name));
        stats(&source, BadLines::Refuse, &[], 1).expect("a trace").0
    };
    let azure = of("AzureLLMInferenceTrace_conv.csv");
    assert_eq!(
        (azure.requests, azure.input_tokens, azure.output_tokens),
        (19_366, 22_361_870, 4_088_665)
    );
    assert!((azure.span_s - 3501.722).abs() < 1e-3, "{}", azure.span_s);
    assert!(
        azure
            .arrivals
            .cv
            .is_some_and(|cv| (cv - 1.0942).abs() < 1e-4)
    );
    assert_eq!(
        (azure.input.p50, azure.input.p99, azure.input.max),
        (1020, 4142, 14050)
    );
    let kimi = of("conversation_trace.jsonl");
    assert_eq!(
        (kimi.requests, kimi.input_tokens, kimi.output_tokens),
        (12_031, 144_793_823, 4_122_048)
    );
    assert!(
        kimi.arrivals
            .cv
            .is_some_and(|cv| (cv - 3.0337).abs() < 1e-4)
    );
    assert!(
        kimi.ideal_hit_rate
            .is_some_and(|rate| (rate - 0.366_412).abs() < 1e-6)
    );
    let merged = of("dev40_stagger60.jsonl.xz");
    assert_eq!((merged.requests, merged.input_tokens), (2_592, 383_462_417));
    assert_eq!(
        merged.blocks.map(|b| (b.references, b.unique)),
        Some((5_990_336, 223_630))
    );
}

/// Of the archive of a measured server, the requests that it was measured with.
#[test]
fn totals_of_a_measured_server_s_requests_are_exact() {
    let Some(file) = support::data("llmservingsim_rtxpro6000_llama8b.tar.xz") else {
        return;
    };
    let packed = std::fs::File::open(file).expect("the archive");
    let mut all = Vec::new();
    let mut unpacked = lzma_rust2::XzReader::new(std::io::BufReader::new(packed), true);
    std::io::Read::read_to_end(&mut unpacked, &mut all).expect("the archive is whole");
    let name = b"/vllm/requests.jsonl\0";
    let is_head = |block: &[u8]| block.windows(name.len()).any(|bytes| bytes == name);
    let head = all.chunks(512).position(is_head).expect("the requests") * 512;
    let size = std::str::from_utf8(&all[head + 124..head + 135]).expect("a number");
    let size = usize::from_str_radix(size, 8).expect("in base eight");
    let text = std::str::from_utf8(&all[head + 512..head + 512 + size]).expect("lines");
    let (found, _) =
        stats(&TraceSource::Text(text.into()), BadLines::Refuse, &[], 1).expect("rows");
    assert_eq!(
        (found.requests, found.input_tokens, found.output_tokens),
        (300, 257_239, 195_753)
    );
    assert!((found.span_s - 29.121_193).abs() < 1e-5, "{}", found.span_s);
}

#[test]
fn sessions_of_agents_are_exact_one_by_one() {
    let Some(dir) = support::data("cc_traces_dev.tar.xz").map(|file| folder(&file)) else {
        return;
    };
    let table = std::fs::read_to_string(dir.join("cc_per_trace_infinite_cache_dev.csv"))
        .expect("totals of sessions");
    let source = TraceSource::File(dir.join("cc_traces_dev.tar.xz"));
    // Sessions are told apart by the upper half of the ids of their blocks.
    let mut found: BTreeMap<u64, (u64, u64, u64, PrefixLru)> = BTreeMap::new();
    let mut session = 0;
    let read = survey(&source, BadLines::Refuse, |request| {
        session = request.blocks.first().map_or(session, |id| id >> 40);
        let fresh = || (0, 0, 0, PrefixLru::new(TouchOrder::LastFirst));
        let sums = found.entry(session).or_insert_with(fresh);
        (sums.0, sums.1, sums.2) = (
            sums.0 + 1,
            sums.1 + u64::from(request.input),
            sums.2 + u64::from(request.output),
        );
        sums.3.request(&request.blocks, |n| 64 * n);
    });
    read.expect("sessions");
    let rows: Vec<Vec<&str>> = table
        .lines()
        .skip(1)
        .map(|line| line.split(',').collect())
        .collect();
    assert_eq!(rows.len(), found.len());
    for (row, (_, (requests, input, output, cache))) in rows.iter().zip(found) {
        let number = |i: usize| row[i].parse::<u64>().expect("a number");
        assert_eq!(
            (requests, input, output),
            (number(1), number(3), number(4)),
            "{}",
            row[0]
        );
        assert_eq!(
            (cache.references, cache.unique()),
            (number(6), number(8)),
            "{}",
            row[0]
        );
        assert_eq!(cache.hits(None).0, number(7), "{}", row[0]);
    }
}

const HEAD: &str = "arrived_s,input_tokens,output_tokens\n";

fn said(said: &Said) -> String {
    assert_eq!(said.code, Some(2), "{}", said.err);
    assert!(said.out.is_empty());
    said.err.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn files_that_are_no_traces_are_refused_with_their_line() {
    let scratch = Scratch::new("bad-traces");
    let row = |more: &str| format!("{HEAD}0,10,5\n{more}\n2,10,5\n");
    let mooncake =
        "{\"timestamp\": 0, \"input_length\": 9, \"output_length\": 5, \"hash_ids\": [0]}\n";
    let azure = "TIMESTAMP,ContextTokens,GeneratedTokens\n2026-01-05 12:00:00.5,374,44\n";
    let session = "{\"hash_id_scope\": \"local\", \"requests\": [{\"t\": 0, \"in\": 9, \"out\": 5}";
    for (text, parts) in [
        (
            row("1,-10,5"),
            ["bad:3:3", "`input_tokens` cannot be `-10`"],
        ),
        (row("1,ten,5"), ["bad:3:3", "`ten` is not a number"]),
        (row("1,10,5\u{0}"), ["bad:3:7", "a byte of zero"]),
        (row("1,10"), ["bad:3:1", "2 cells and the header has 3"]),
        (row("9000,1,1\n1,1,1"), ["bad:4:1", "an hour too late"]),
        (row(&"x".repeat(10 << 20)), ["bad:3:1", "too long"]),
        (
            "arrived_s,input_tokens\n0,1\n".to_string(),
            ["bad:1:1", "`output_tokens` is missing"],
        ),
        (String::new(), ["bad", "empty"]),
        (HEAD.to_string(), ["bad", "no requests"]),
        (
            format!("{mooncake}{}", &mooncake[..40]),
            ["bad:2:", "cut off"],
        ),
        (
            format!("{mooncake}{}", mooncake.replace("9", "-9")),
            ["bad:2:", "cannot be `-9`"],
        ),
        (
            format!("{mooncake}{}", mooncake.replace("[0]", "[\"x\"]")),
            ["bad:2:", "no id of a block"],
        ),
        (
            format!("{azure}2026-01-05 25:00:00,1,1\n"),
            ["bad:3:1", "is no time"],
        ),
        (format!("{azure}1,1,1\n"), ["bad:3:1", "one kind of time"]),
        (session.to_string(), ["bad:1:", "cut off"]),
        (
            "{\"mean_ttft_ms\": 1, \"request_throughput\": 2}".to_string(),
            ["measured of a server", "calibrate"],
        ),
    ] {
        let path = scratch.write("bad", &text);
        for command in ["stats", "convert"] {
            let found = said(&tokentide(&["trace", command, &path]));
            let shown: String = text.chars().take(200).collect();
            assert!(
                parts.iter().all(|part| found.contains(part)),
                "{command} {shown}: {found}"
            );
        }
    }
    let gone = said(&tokentide(&["trace", "stats", "nothing-here.csv"]));
    assert!(gone.contains("no such file"), "{gone}");
}

#[test]
fn a_packed_trace_that_is_cut_off_says_where() {
    let scratch = Scratch::new("cut-traces");
    let rows: String = (0..50_000)
        .map(|n| format!("{n},{},5\n", 10 + n * 7919 % 4001))
        .collect();
    let text = format!("{HEAD}{rows}");
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer
        .write_all(text.as_bytes())
        .expect("a vector takes all");
    let packed = packer.finish().expect("a vector takes all");
    let whole = scratch.path("whole.gz");
    std::fs::write(&whole, &packed).expect("the scratch folder can be written");
    let stats = tokentide(&["trace", "stats", &whole, "--format", "json"]);
    let json: Value = serde_json::from_slice(&stats.out).expect("JSON");
    assert_eq!(json["requests"], 50_000);
    let cut = scratch.path("cut.gz");
    std::fs::write(&cut, &packed[..packed.len() / 2]).expect("the scratch folder can be written");
    let found = said(&tokentide(&["trace", "stats", &cut, "--skip-bad-lines"]));
    assert!(
        found.contains("cut.gz:2") && found.contains("breaks off"),
        "{found}"
    );
}

#[test]
fn bad_rows_may_be_left_out_and_a_trace_comes_back_from_its_copy() {
    let scratch = Scratch::new("skipped-lines");
    let text = format!("{HEAD}1.5,10,5\nx,1,1\n0.25,20,0\n3,-1,1\n2.000000001,30,7\n");
    let path = scratch.write("some.csv", &text);
    let stats = tokentide(&[
        "trace",
        "stats",
        &path,
        "--skip-bad-lines",
        "--format",
        "json",
    ]);
    assert_eq!(stats.code, Some(0), "{}", stats.err);
    assert!(
        stats.err.contains("2 rows with mistakes were left out"),
        "{}",
        stats.err
    );
    let json: Value = serde_json::from_slice(&stats.out).expect("JSON");
    assert_eq!(
        (
            &json["requests"],
            &json["failed_requests"],
            &json["skipped_lines"]
        ),
        (&3.into(), &1.into(), &2.into())
    );
    let copy = tokentide(&["trace", "convert", &path, "--skip-bad-lines"]);
    let expected = "arrived_s,input_tokens,output_tokens,cached_tokens\n0.25,20,0,\n1.5,10,5,\n2.000000001,30,7,\n";
    assert_eq!(String::from_utf8_lossy(&copy.out), expected);
    let copied = scratch.write("copy.csv", expected);
    let again = tokentide(&["trace", "convert", &copied]);
    assert_eq!(again.out, copy.out);
}

const PLAYED: &str = r#"
name     = "recorded"
start    = 2026-01-05T00:00:00+00:00
duration = "trace"
model    = { name = "mine", kv_bytes_per_token = 1000 }
node     = { gpu = "h100", gpus = 1, price_per_gpu_hour = 2.00 }
[pools.mixed]
nodes_per_unit     = 1
max_batch_tokens   = 4096
max_batch_requests = 64
kv_capacity_tokens = 4_000_000
units              = 1
[performance]
kind    = "linear"
prefill = { base = "1ms", per_token = "100us" }
decode  = { base = "5ms" }
[[class]]
name     = "chat"
arrivals = { kind = "trace", file = "rows.csv.gz" }
"#;

/// Requests that came, seconds that were played, and TTFTs of a run with these settings.
fn played(path: &str, set: &[&str]) -> (u64, f64, Value) {
    let mut arguments = vec!["run", path, "--quiet", "--format", "json"];
    set.iter()
        .for_each(|setting| arguments.extend(["--set", setting]));
    let said = tokentide(&arguments);
    assert_eq!(said.code, Some(0), "{}", said.err);
    let json: Value = serde_json::from_slice(&said.out).expect("JSON");
    let arrived = json["requests"]["arrived"].as_u64().expect("a count");
    let seconds = json["duration_s"].as_f64().expect("a time");
    (arrived, seconds, json["latency"]["ttft_s"].clone())
}

#[test]
fn a_file_is_played_as_its_rows_are_and_faster_later_in_part_and_again() {
    let scratch = Scratch::new("played-files");
    let rows: String = (0..100).map(|n| format!("{n},400,20\n")).collect();
    let text = format!("{HEAD}{rows}");
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer
        .write_all(text.as_bytes())
        .expect("a vector takes all");
    let packed = packer.finish().expect("a vector takes all");
    std::fs::write(scratch.path("rows.csv.gz"), &packed)
        .expect("the scratch folder can be written");
    scratch.write("rows.csv", &text);
    let path = scratch.write("played.toml", PLAYED);
    let plain = scratch.write(
        "plain.toml",
        &PLAYED.replace("file = \"rows.csv.gz\"", "csv = \"rows.csv\""),
    );
    let whole = played(&path, &[]);
    assert_eq!((whole.0, whole.1), (100, 100.0));
    assert_eq!(whole, played(&plain, &[]), "the same rows, packed or not");
    let set = |key: &str| format!("class.chat.arrivals.{key}");
    assert_eq!(played(&path, &[&set("rate=2")]).1, 50.0);
    assert_eq!(played(&path, &[&set("repeat=3")]).0, 300);
    assert_eq!(played(&path, &[&set("repeat=3")]).1, 300.0);
    assert_eq!(played(&path, &[&set("window=[\"10s\",\"20s\"]")]).0, 10);
    let twice = played(
        &path,
        &[
            &set("window=[\"10s\",\"20s\"]"),
            &set("repeat=2"),
            &set("rate=0.5"),
        ],
    );
    assert_eq!((twice.0, twice.1), (20, 39.0));
    assert_eq!(played(&path, &[&set("at=\"00:01\"")]).1, 160.0);
    // What a run writes reproduces it, and names its file by the hash of the bytes.
    let out = scratch.path("out");
    let said = tokentide(&["run", &path, "--quiet", "--out", &out]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    let resolved =
        std::fs::read_to_string(scratch.path("out/scenario.resolved.toml")).expect("a scenario");
    assert!(
        resolved.contains("file = \"rows.csv.gz\", hash = \""),
        "{resolved}"
    );
    let again = scratch.write("again.toml", &resolved);
    assert_eq!(played(&again, &[]), whole);
    for (key, part) in [
        (set("window=[\"20s\",\"10s\"]"), "ends before it begins"),
        (set("csv=\"rows.csv\""), "exclude one another"),
    ] {
        let said = tokentide(&["check", &path, "--set", &key]);
        assert!(
            said.code == Some(2) && said.err.contains(part),
            "{key}: {}",
            said.err
        );
    }
    scratch.write("rows.csv.gz", &text.replace("0,400,20", "0,500,20"));
    let other = tokentide(&["check", &again]);
    assert_eq!(other.code, Some(2));
    assert!(other.err.contains("this is not the file"), "{}", other.err);
    scratch.write("rows.csv.gz", &text.replace("7,400,20", "7,-400,20"));
    let bad = tokentide(&["check", &path]);
    assert_eq!(bad.code, Some(2));
    for part in ["rows.csv.gz:9:3", "cannot be `-400`", "9 more rows"] {
        assert!(
            bad.err
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" ")
                .contains(part),
            "{part}: {}",
            bad.err
        );
    }
}
