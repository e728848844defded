//! Clients whose laws were recorded: what is drawn from them, and archives that are not what they should be.

mod support;

use serde_json::Value;
use support::archive;
use support::program::{Said, Scratch, tokentide};
use tokentide::internals::scenario::load_str;
use tokentide::internals::traffic::{BadLines, TraceSource, stats};
use tokentide::internals::units::SimTime;
use tokentide::internals::workload::{Request, Workload};

const SERVER: &str = "name = 'clients'\nstart = 2026-01-05T00:00:00Z\nduration = '24h'\nmodel = 'llama-3.1-8b'\n\
    node = { gpu = 'h100', gpus = 8, price_per_gpu_hour = 2.0 }\n\
    performance = { kind = 'linear', prefill = { per_token = '1us' }, decode = { base = '1ms' } }\n\
    pools.mixed = { nodes_per_unit = 1, max_batch_tokens = 8192, units = 1, kv_capacity_tokens = 1_000_000 }\n";

/// Two clients: a steady one, and one that asks in bursts in the second hour only.
const STEADY: &str = "0,2.0,0.5,Gamma,4.0,0.125\n3600,1.0,0.5,Gamma,4.0,0.25\n";
const BURSTY: &str = "0,0,0,,0,0\n3600,0.5,3.0,Weibull,0.4,1.0\n";
const LENGTHS: &str = "{\"0\": {\"input_tokens\": \"{}\", \"output_tokens\": \"{}\", \"reason_ratio\": \"{}\"},\n\
    \"3600\": {\"input_tokens\": \"{100: 0.25, 300: 0.75}\", \"output_tokens\": \"{10: 0.5, 20: 0.5}\", \"reason_ratio\": \"{0.1: 1.0}\"}}";

fn two_clients() -> Vec<u8> {
    archive(&[
        ("reason/x/chunk-0-trace.csv", STEADY),
        ("reason/x/chunk-0-dataset.json", LENGTHS),
        (
            "reason/x/chunk-7-dataset.json",
            &LENGTHS.replace("300", "900"),
        ),
        ("reason/x/chunk-7-trace.csv", BURSTY),
    ])
}

/// All requests of a class of clients in this file.
fn drawn(file: &str, more: &str, set: &[&str]) -> Vec<Request> {
    let class = format!(
        "class=[{{ name = 'r1', arrivals = {{ kind = 'clients', file = '{file}' {more} }} }}]"
    );
    let set = [&[class.as_str()], set].concat();
    let set: Vec<String> = set.iter().map(|s| (*s).to_owned()).collect();
    let scenario =
        load_str("clients", SERVER, &set).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    let mut workload = Workload::new(&scenario).expect("no hits");
    let mut requests = Vec::new();
    workload.fill(SimTime(u64::MAX), &mut requests);
    assert!(requests.is_sorted_by_key(|r| (r.at, r.id)));
    requests
}

fn write(scratch: &Scratch, name: &str, bytes: &[u8]) -> String {
    let path = scratch.path(name);
    std::fs::write(&path, bytes).expect("the scratch folder can be written");
    path
}

#[test]
fn clients_ask_as_their_windows_say() {
    let scratch = Scratch::new("clients-draw");
    let file = write(&scratch, "two.tar", &two_clients());
    // A hundred days of two hours each.
    let all = drawn(&file, "", &["duration=\"100d\""]);
    let hour = |n: u64| {
        let of_hour = move |r: &&Request| (r.at.0 / 3_600_000_000_000) % 24 == n;
        all.iter().filter(of_hour).copied().collect::<Vec<_>>()
    };
    let (first, second, third) = (hour(0), hour(1), hour(2));
    // Windows have their recorded numbers of requests.
    assert_eq!((first.len(), second.len()), (720_000, 540_000));
    assert!(third.is_empty());
    let part = |of: &[Request], is: &dyn Fn(&Request) -> bool| {
        of.iter().filter(|r| is(r)).count() as f64 / of.len() as f64
    };
    assert!((part(&first, &|r| r.input == 300) - 0.75).abs() < 0.003);
    assert!((part(&first, &|r| r.output == 20) - 0.5).abs() < 0.003);
    assert!((part(&second, &|r| r.input == 900) - 0.75 / 3.0).abs() < 0.01);
    let gaps: Vec<f64> = first
        .windows(2)
        .map(|pair| (pair[1].at.0 - pair[0].at.0) as f64 / 1e9)
        .filter(|gap| *gap < 600.0)
        .collect();
    let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
    let square = gaps.iter().map(|g| (g - mean) * (g - mean)).sum::<f64>();
    let cv = (square / gaps.len() as f64).sqrt() / mean;
    assert!((cv - 0.5).abs() < 0.01, "{cv}");
}

#[test]
fn what_else_changes_nothing_of_a_client() {
    let scratch = Scratch::new("clients-same");
    let two = write(&scratch, "two.tar", &two_clients());
    let one = archive(&[
        ("chunk-0-trace.csv", STEADY),
        ("chunk-0-dataset.json", LENGTHS),
    ]);
    let one = write(&scratch, "one.tar", &one);
    let facts = |r: &Request| (r.at, r.input, r.output);
    let alone = drawn(&one, "", &[]);
    let both = drawn(&two, "", &[]);
    let first_hour = SimTime(3_600_000_000_000);
    let of = |all: &[Request]| -> Vec<_> {
        all.iter()
            .filter(|r| r.at < first_hour)
            .map(facts)
            .collect()
    };
    assert_eq!(of(&alone), of(&both));
    assert!(both.len() > alone.len());
    let thrice = drawn(&one, ", rate = 3.0", &[]);
    assert_eq!(thrice.len(), 3 * alone.len());
    // A joined draw keeps the input.
    let joined = drawn(&one, "", &["class.r1.length_correlation=0.9"]);
    assert!(
        joined
            .iter()
            .zip(&alone)
            .all(|(a, b)| (a.at, a.input) == (b.at, b.input))
    );
    let long = |all: &[Request]| {
        let both = all.iter().filter(|r| r.input == 300 && r.output == 20);
        both.count() as f64 / all.len() as f64
    };
    assert!((long(&alone) - 0.375).abs() < 0.02, "{}", long(&alone));
    assert!(long(&joined) > 0.47, "{}", long(&joined));
}

/// The published day: totals and hours of its laws, and a day drawn from them.
#[test]
fn a_day_of_73_clients_is_drawn_as_it_was_recorded() {
    let Some(file) = support::data("servegen_deepseek_r1_1day.tar.xz") else {
        return;
    };
    let path = file.to_string_lossy().into_owned();
    let (known, _) = stats(&TraceSource::File(file), BadLines::Refuse, &[], 1).expect("clients");
    assert_eq!(
        (known.requests, known.input_tokens, known.output_tokens),
        (1_383_669, 1_754_837_733, 2_113_442_995)
    );
    let hours = [
        19.3, 22.3, 32.6, 28.6, 17.0, 14.5, 12.0, 9.2, 9.5, 10.6, 13.0, 13.3, 7.2, 8.7, 11.0, 11.3,
        14.1, 8.9, 12.0, 9.4, 19.9, 26.0, 35.1, 18.9,
    ];
    for (bin, rate) in known.profile.iter().zip(hours) {
        assert!(
            (bin.requests_per_s - rate).abs() < 0.06,
            "{bin:?}, not {rate}"
        );
    }
    let all = drawn(&path, "", &[]);
    // Of 438 windows in an hour each is rounded up or down: a variance of a quarter at most.
    for (hour, bin) in known.profile.iter().enumerate() {
        let of_hour = |r: &&Request| r.at.0 / 3_600_000_000_000 == hour as u64;
        let found = all.iter().filter(of_hour).count() as f64;
        let off = (found - bin.requests as f64).abs();
        assert!(
            off < 4.0 * (0.25 * 438.0_f64).sqrt(),
            "{hour}: {found}, not {bin:?}"
        );
    }
    let day = all.len() as f64 / known.requests as f64;
    assert!((day - 1.0).abs() < 0.001, "{day} of the day's requests");
    for (name, of, law) in [
        ("input", (|r| r.input) as fn(&Request) -> u32, &known.input),
        ("output", |r| r.output, &known.output),
    ] {
        let mut lengths: Vec<u32> = all.iter().map(of).collect();
        lengths.sort_unstable();
        let quantile = |q: f64| f64::from(lengths[(q * lengths.len() as f64) as usize]);
        let mean = lengths.iter().map(|n| f64::from(*n)).sum::<f64>() / lengths.len() as f64;
        for (what, found, expected) in [
            ("mean", mean, law.mean),
            ("p50", quantile(0.5), f64::from(law.p50)),
            ("p90", quantile(0.9), f64::from(law.p90)),
            ("p95", quantile(0.95), f64::from(law.p95)),
            ("p99", quantile(0.99), f64::from(law.p99)),
        ] {
            let off = found / expected - 1.0;
            assert!(off.abs() < 0.02, "{name} {what}: {found}, not {expected}");
        }
    }
}

/// Every window's rate and number of clients, as they were counted by others.
#[test]
fn windows_are_as_their_profile_says() {
    let Some(profile) = support::data("servegen_rate_profile_dev.csv") else {
        return;
    };
    let file = profile.with_file_name("servegen_deepseek_r1_1day.tar.xz");
    let pool = TraceSource::File(file).clients(BadLines::Refuse);
    let pool = pool.expect("an archive").expect("of clients");
    assert_eq!(pool.count, 73);
    let text = std::fs::read_to_string(&profile).expect("the profile");
    let mut checked = 0;
    for line in text
        .lines()
        .filter(|line| line.starts_with("reason/deepseek-r1,"))
    {
        let cells: Vec<f64> = line
            .split(',')
            .skip(1)
            .map(|c| c.parse().expect("a number"))
            .collect();
        let windows = pool.clients.iter().flat_map(|client| &client.windows);
        let here = windows.filter(|window| window.from_s as f64 == cells[0]);
        let rates: Vec<f64> = here.map(|window| window.rate_per_s).collect();
        assert!(
            (rates.iter().sum::<f64>() - cells[1]).abs() < 1e-5,
            "{line}: {rates:?}"
        );
        assert_eq!(rates.len() as f64, cells[2], "{line}");
        checked += 1;
    }
    assert_eq!(checked, 144);
}

fn said(said: &Said) -> String {
    assert_eq!(said.code, Some(2), "{}", said.err);
    assert!(said.out.is_empty());
    said.err.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn archives_with_mistakes_are_refused_with_file_and_line() {
    let scratch = Scratch::new("clients-bad");
    let with = |trace: &str, dataset: &str| {
        let client = [
            ("chunk-3-trace.csv", trace),
            ("chunk-3-dataset.json", dataset),
        ];
        archive(&client)
    };
    let line = |row: &str| {
        with(
            &format!("0,1,1,Gamma,1,1\n{row}\n1200,1,1,Gamma,1,1\n"),
            LENGTHS,
        )
    };
    let whole = two_clients();
    for (bytes, parts) in [
        (
            line("600,-1,1,Gamma,1,1"),
            vec![":2:5", "chunk-3-trace.csv", "cannot be `-1`"],
        ),
        (
            line("600,many,1,Gamma,1,1"),
            vec![":2:5", "`many` is not a number"],
        ),
        (
            line("600,1,1,Pareto,1,1"),
            vec![":2:9", "no known law of gaps"],
        ),
        (line("600,1"), vec![":2:1", "2 cells"]),
        (line("0,1,1,Gamma,1,1"), vec![":2", "begins before"]),
        (line("600,1,1,Gamma,1\u{0},1"), vec![":2", "a byte of zero"]),
        (line(&"x".repeat(10 << 20)), vec![":2", "too long"]),
        (
            with(STEADY, "{\"0\": {"),
            vec![":1:", "chunk-3-dataset.json", "cut off"],
        ),
        (
            with(STEADY, &LENGTHS.replace("0.75", "-0.75")),
            vec!["no probability"],
        ),
        (
            with(STEADY, &LENGTHS.replace("100:", "ten:")),
            vec!["no length in tokens"],
        ),
        (
            with(STEADY, &LENGTHS.replace("output_tokens", "output")),
            vec!["output_tokens"],
        ),
        (with(STEADY, "{}"), vec!["has no lengths"]),
        (with(STEADY, ""), vec!["cut off"]),
        (with("", LENGTHS), vec!["asks for anything"]),
        (
            archive(&[("chunk-3-trace.csv", STEADY)]),
            vec!["has no file chunk-3-dataset.json"],
        ),
        (
            archive(&[("-trace.csv", STEADY)]),
            vec!["no files of clients"],
        ),
        (whole[..1300].to_vec(), vec!["breaks off"]),
    ] {
        let path = write(&scratch, "bad.tar", &bytes);
        let found = said(&tokentide(&["trace", "stats", &path]));
        assert!(
            parts.iter().all(|part| found.contains(part)),
            "{parts:?}: {found}"
        );
        let toml = format!(
            "{SERVER}[[class]]\nname = 'r1'\narrivals = {{ kind = 'clients', file = 'bad.tar' }}\n"
        );
        let scenario = scratch.write("bad.toml", &toml);
        let checked = said(&tokentide(&["check", &scenario]));
        let last = parts.last().expect("a part");
        assert!(
            checked.contains("bad.tar") && checked.contains(last),
            "{last}: {checked}"
        );
    }
    let rows = write(&scratch, "two.tar", &whole);
    let found = said(&tokentide(&["trace", "convert", &rows]));
    assert!(found.contains("kind = \"clients\""), "{found}");
    let csv = scratch.write("rows.csv", "arrived_s,input_tokens,output_tokens\n0,1,1\n");
    let toml = format!(
        "{SERVER}[[class]]\nname = 'r1'\narrivals = {{ kind = 'clients', file = '{csv}' }}\n"
    );
    let scenario = scratch.write("rows.toml", &toml.replace(&csv, "rows.csv"));
    let found = said(&tokentide(&["check", &scenario]));
    assert!(
        found.contains("no archive of ServeGen's clients"),
        "{found}"
    );
}

#[test]
fn windows_with_mistakes_may_be_left_out() {
    let scratch = Scratch::new("clients-skip");
    let files = [
        (
            "chunk-0-trace.csv",
            "0,1,1,Gamma,1,1\n600,x,1,Gamma,1,1\n1200,1,1,Gamma,1,1\n",
        ),
        ("chunk-0-dataset.json", LENGTHS),
    ];
    let path = write(&scratch, "skip.tar", &archive(&files));
    let found = tokentide(&[
        "trace",
        "stats",
        &path,
        "--skip-bad-lines",
        "--format",
        "json",
    ]);
    assert_eq!(found.code, Some(0), "{}", found.err);
    let json: Value = serde_json::from_slice(&found.out).expect("JSON");
    assert_eq!(json["skipped_lines"], 1);
    assert!(found.err.contains("1 rows with mistakes"), "{}", found.err);
}
