//! Sweeps through the program: what varies, shards in any order, a kill at any moment. Whatever happens on the
//! way, the results are byte for byte those of an undisturbed sweep, and no run is lost or repeated.
#![cfg(unix)]

#[path = "sweep/faults.rs"]
mod faults;
mod support;

use std::collections::BTreeMap;
use std::fs;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use support::program::{Said, Scratch, start, tokentide};

const SMALL: &str = "tests/cli/small.toml";

/// Six points of two runs: two points as usual, two beyond bounds, two with too much load.
const MIXED: [&str; 9] = [
    "sweep",
    SMALL,
    "--quiet",
    "--replications=2",
    "--vary=pools.decode.units,class.chat.arrivals.requests_per_s=(1,5),(2,2000)",
    "--vary=kv_cache.hit_rate=0.2,1.5,0.4",
    "--set=duration=10s",
    "--set=limits.requests_in_flight=500",
    "--threads=2",
];

/// Runs that last long enough to be killed in the middle of things.
const LONG: [&str; 6] = [
    "sweep",
    SMALL,
    "--quiet",
    "--vary=seed=1..30",
    "--set=duration=20min",
    "--set=class.chat.arrivals.requests_per_s=20.0",
];

fn sweep(arguments: &[&str], out: &str, more: &[&str]) -> Said {
    tokentide(&[arguments, &["--out", out], more].concat())
}

fn succeeds(said: Said) -> Said {
    assert_eq!(said.code, Some(0), "{}", said.err);
    said
}

/// Contents of the results by name.
fn results(out: &str) -> BTreeMap<String, Vec<u8>> {
    let names = ["results.csv", "results.jsonl", "pareto.csv", "sweep.json"];
    let read = |name: &str| fs::read(format!("{out}/{name}"));
    names
        .iter()
        .map(|name| {
            let file = read(name).unwrap_or_else(|error| panic!("{out}/{name}: {error}"));
            ((*name).to_string(), file)
        })
        .collect()
}

/// Lines of a ledger.
fn ledger(out: &str, name: &str) -> Vec<String> {
    let text = fs::read_to_string(format!("{out}/{name}")).unwrap_or_default();
    text.lines().map(str::to_string).collect()
}

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill")
        .args([&format!("-{name}"), &child.id().to_string()])
        .status();
    assert!(sent.expect("kill").success());
}

/// Waits until a ledger has so many lines.
fn wait_for_lines(out: &str, name: &str, lines: usize) {
    let deadline = Instant::now() + Duration::from_secs(120);
    while ledger(out, name).len() < lines {
        assert!(Instant::now() < deadline, "{out}/{name} stays short");
        sleep(Duration::from_millis(2));
    }
}

fn column(csv: &[u8], name: &str) -> Vec<String> {
    let mut reader = csv::Reader::from_reader(csv);
    let heads = reader.headers().expect("a head").clone();
    let at = heads.iter().position(|head| head == name).expect(name);
    let rows = reader.records().map(|row| row.expect("a row"));
    rows.map(|row| row[at].to_string()).collect()
}

/// The runs of `LONG`, undisturbed, and how long they took.
fn undisturbed(scratch: &Scratch, arguments: &[&str]) -> (BTreeMap<String, Vec<u8>>, Duration) {
    let out = scratch.path("undisturbed");
    let began = Instant::now();
    succeeds(sweep(arguments, &out, &[]));
    (results(&out), began.elapsed())
}

/// Kills a sweep at random moments of about its length, starts it again each time, and lets it end.
fn kill_and_go_on(arguments: &[&str], out: &str, kills: u64, usual: Duration) {
    let mut random = 88_172_645_463_325_252_u64;
    let mut draw = move |below: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % below.max(1)
    };
    let (mut early, mut late) = (0, 0);
    for _ in 0..kills {
        let mut child = start(&[arguments, &["--out", out]].concat())
            .stdout(Stdio::null())
            .spawn()
            .expect("the program starts");
        sleep(Duration::from_nanos(draw(
            2 * usual.as_nanos() as u64 / kills,
        )));
        child.kill().expect("a kill");
        match child.wait().expect("a child").code() {
            Some(_) => late += 1,
            None => early += 1,
        }
    }
    eprintln!("{kills} kills: {early} in the middle, {late} after the end");
    assert!(early > 0, "no kill met a running sweep");
    succeeds(sweep(arguments, out, &[]));
}

#[test]
fn every_run_is_kept_in_order_with_its_reason() {
    let scratch = Scratch::new("sweep-order");
    let out = scratch.path("out");
    let said = succeeds(sweep(&MIXED, &out, &["--format=csv"]));
    let csv = &results(&out)["results.csv"];
    assert!(said.out == *csv, "--format csv is results.csv");
    let (good, bad, large) = (["done"; 2], ["infeasible"; 2], ["unstable"; 2]);
    assert_eq!(
        column(csv, "status"),
        [good, bad, good, large, bad, large].concat()
    );
    let of_values = column(csv, "class.chat.arrivals.requests_per_s");
    assert_eq!(of_values, [["5"; 6], ["2000"; 6]].concat());
    let reasons = column(csv, "reason");
    assert!(
        reasons[2].contains("must be from 0 to below 1"),
        "{reasons:?}"
    );
    assert!(
        reasons[6].contains("limits.requests_in_flight = 500"),
        "{reasons:?}"
    );
    // the first replication is the scenario's own seed, the second has streams of its own
    let seeds = column(csv, "seed");
    assert!(
        seeds[0] == "1" && seeds[1] != "1" && seeds[1] == seeds[5],
        "{seeds:?}"
    );
    let arrived = column(csv, "requests.arrived");
    assert!(
        arrived[0] == arrived[4] && arrived[0] != arrived[1],
        "{arrived:?}"
    );
}

#[test]
fn a_run_of_a_sweep_is_the_run_itself() {
    let scratch = Scratch::new("sweep-same");
    let out = scratch.path("out");
    succeeds(sweep(&MIXED, &out, &[]));
    let lines = ledger(&out, "results.jsonl");
    let line: serde_json::Value = serde_json::from_str(&lines[4]).expect("JSON");
    let said = succeeds(tokentide(&[
        "run",
        SMALL,
        "--quiet",
        "--format=json",
        "--set=duration=10s",
        "--set=kv_cache.hit_rate=0.4",
        "--set=limits.requests_in_flight=500",
        "--set=pools.decode.units=1",
    ]));
    let run: serde_json::Value = serde_json::from_slice(&said.out).expect("JSON");
    assert_eq!(line["key"], run["scenario"]["hash"]);
    for part in [
        "requests",
        "tokens",
        "latency",
        "economics",
        "pools",
        "classes",
    ] {
        assert_eq!(line["summary"][part], run[part], "{part}");
    }
}

#[test]
fn the_scenario_can_say_what_varies() {
    let scratch = Scratch::new("sweep-table");
    let text = fs::read_to_string(SMALL).expect("the scenario");
    let table = "\n[sweep]\nreplications = 2\nvary = [\"kv_cache.hit_rate = 0.1..0.3:0.1\", \"seed=1,2\"]\n";
    let plain = scratch.write("plain.toml", &text);
    let swept = scratch.write("swept.toml", &(text + table));
    let (a, b) = (scratch.path("a"), scratch.path("b"));
    let short = "--set=duration=5s";
    succeeds(tokentide(&[
        "sweep",
        &swept,
        short,
        "--quiet",
        "--out",
        &a,
        "--vary=seed=3..4",
    ]));
    let axes = [
        "--vary=kv_cache.hit_rate=0.1,0.2,0.3",
        "--vary=seed=3,4",
        "--replications=2",
    ];
    let begin = ["sweep", plain.as_str(), short, "--quiet"];
    succeeds(sweep(&begin, &b, &axes));
    assert!(results(&a) == results(&b));
    // a single run and its hash know nothing of it
    let resolved = |file: &str| succeeds(tokentide(&["check", file, "--resolved"])).out;
    assert!(resolved(&plain) == resolved(&swept));
    let wrong = fs::read_to_string(&swept)
        .expect("a file")
        .replace("0.1..0.3:0.1", "0.3..0.1");
    let said = tokentide(&["sweep", &scratch.write("wrong.toml", &wrong)]);
    assert_eq!(said.code, Some(2));
    assert!(
        said.err.contains("sweep.vary") && said.err.contains("runs backwards"),
        "{}",
        said.err
    );
}

#[test]
fn a_sample_is_the_same_wherever_it_is_drawn() {
    let scratch = Scratch::new("sweep-sample");
    let sample = [
        "sweep",
        SMALL,
        "--quiet",
        "--set=duration=5s",
        "--sample=12",
        "--vary=kv_cache.hit_rate=0.1..0.6",
        "--vary=class.chat.arrivals.requests_per_s=log(1.0,10.0)",
        "--vary=pools.decode.units=1..3",
    ];
    let (a, b) = (scratch.path("a"), scratch.path("b"));
    succeeds(sweep(&sample, &a, &["--threads=1"]));
    succeeds(sweep(&sample, &b, &["--threads=3"]));
    assert!(results(&a) == results(&b));
    let csv = &results(&a)["results.csv"];
    let mut units = column(csv, "pools.decode.units");
    units.sort();
    assert_eq!(units, [["1"; 4], ["2"; 4], ["3"; 4]].concat());
    let said = tokentide(&[&sample[..], &["--dry-run", "--seed=2"]].concat());
    let text = String::from_utf8_lossy(&said.out).into_owned();
    assert!(
        text.contains("to do         12") && text.contains("measured on 4 of them"),
        "{text}"
    );
}

#[test]
fn shards_in_any_order_and_place_make_the_same_whole() {
    let scratch = Scratch::new("sweep-shards");
    let whole = scratch.path("whole");
    succeeds(sweep(&MIXED, &whole, &[]));
    let (here, there) = (scratch.path("here"), scratch.path("there"));
    for (shard, out) in [("3/4", &there), ("1/4", &here), ("4/4", &here)] {
        let said = succeeds(sweep(&MIXED, out, &["--shard", shard]));
        assert!(said.out.is_empty());
    }
    let merged = scratch.path("merged");
    let merge = [
        "sweep",
        "merge",
        there.as_str(),
        here.as_str(),
        "--out",
        merged.as_str(),
    ];
    let early = tokentide(&merge);
    assert_eq!(early.code, Some(1));
    assert!(
        early.err.contains("2 of 12 runs are not there yet"),
        "{}",
        early.err
    );
    assert_eq!(scratch.files("merged"), ["ledger.jsonl", "sweep.json"]);
    succeeds(sweep(&MIXED, &there, &["--shard", "2/4"]));
    succeeds(tokentide(&merge));
    assert!(results(&merged) == results(&whole));
    // in a shared folder, too; and nobody repeats what others have done
    let (whole_again, shared) = (results(&whole), scratch.path("here"));
    fs::copy(
        format!("{there}/ledger-2-of-4.jsonl"),
        format!("{here}/ledger-2-of-4.jsonl"),
    )
    .expect("a copy");
    succeeds(sweep(&MIXED, &shared, &[]));
    assert_eq!(ledger(&shared, "ledger.jsonl").len(), 2);
    assert!(results(&shared) == whole_again);
}

#[test]
fn a_kill_at_any_moment_loses_and_repeats_nothing() {
    let scratch = Scratch::new("sweep-kill");
    let (expected, usual) = undisturbed(&scratch, &LONG);
    let out = scratch.path("out");
    kill_and_go_on(&LONG, &out, 6, usual);
    assert!(results(&out) == expected);
    assert_eq!(ledger(&out, "ledger.jsonl").len(), 30);
}

/// Two hundred runs of a minute of the published day.
#[test]
fn two_hundred_runs_of_a_shortened_day_killed_twenty_times_and_in_four_shards() {
    if !support::slow("a sweep of 200 runs of a shortened day, three times") {
        return;
    }
    let day = [
        "sweep",
        "deepseek-day",
        "--quiet",
        "--set=duration=1min",
        "--set=warm_up=10s",
        "--vary=kv_cache.hit_rate=0.50..0.68:0.02",
        "--vary=pools.decode.max_batch_requests=32,64,96,128",
        "--replications=5",
    ];
    let scratch = Scratch::new("sweep-day");
    let (expected, usual) = undisturbed(&scratch, &day);
    let killed = scratch.path("killed");
    kill_and_go_on(&day, &killed, 20, usual);
    assert!(results(&killed) == expected);
    assert_eq!(ledger(&killed, "ledger.jsonl").len(), 200);
    let shared = scratch.path("shared");
    let shards = ["1/4", "2/4", "3/4", "4/4"].map(|shard| {
        let mine = ["--threads=1", "--out", &shared, "--shard", shard];
        start(&[&day[..], &mine].concat())
            .spawn()
            .expect("the program starts")
    });
    for mut shard in shards {
        assert!(shard.wait().expect("a child").success());
    }
    succeeds(tokentide(&["sweep", "merge", &shared]));
    assert!(results(&shared) == expected);
}

#[test]
fn mistakes_in_axes_are_shown_before_anything_runs() {
    let scratch = Scratch::new("sweep-mistakes");
    let out = scratch.path("out");
    for (axis, why) in [
        ("kv_cache.hitrate=0.1,0.2", "did you mean `hit_rate`?"),
        ("kv_cache.hit_rate=0.1..0.5", "ask for --sample"),
        ("kv_cache.hit_rate", "there is no `=`"),
        ("seed=1..90000", "a sweep has from 1 to"),
    ] {
        let vary = [
            "sweep",
            SMALL,
            "--vary",
            axis,
            "--replications=10000",
            "--out",
            &out,
        ];
        let said = tokentide(&vary);
        assert_eq!(said.code, Some(2), "{axis}: {}", said.err);
        assert!(said.err.contains(why), "{axis}: {}", said.err);
    }
    let said = tokentide(&["sweep", SMALL]);
    assert_eq!(said.code, Some(2));
    assert!(said.err.contains("nothing varies"), "{}", said.err);
    assert!(scratch.files("out").is_empty());
}

#[test]
fn gnu_parallel_runs_the_shards() {
    let there = Command::new("parallel").arg("--version").output();
    if !there.is_ok_and(|said| String::from_utf8_lossy(&said.stdout).contains("GNU parallel")) {
        support::skipped("GNU parallel is not here");
        return;
    }
    let scratch = Scratch::new("sweep-parallel");
    let (whole, shared) = (scratch.path("whole"), scratch.path("shared"));
    succeeds(sweep(&MIXED, &whole, &[]));
    let mut parallel = Command::new("parallel");
    parallel.env("PARALLEL_HOME", scratch.path("home"));
    parallel.args([
        "--will-cite",
        "--jobs",
        "2",
        "--quote",
        env!("CARGO_BIN_EXE_tokentide"),
    ]);
    parallel.args(MIXED).args([
        "--out", &shared, "--shard", "{}/4", ":::", "1", "2", "3", "4",
    ]);
    let said: Said = parallel.output().expect("GNU parallel").into();
    assert_eq!(said.code, Some(0), "{}", said.err);
    succeeds(tokentide(&["sweep", "merge", &shared]));
    assert!(results(&shared) == results(&whole));
}

/// Every cell of the CSV stands in the Parquet file, in its place.
#[cfg(feature = "parquet")]
#[test]
fn parquet_holds_the_rows_of_the_csv() {
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::Field;

    let scratch = Scratch::new("sweep-parquet");
    let out = scratch.path("out");
    succeeds(sweep(&MIXED, &out, &[]));
    let file = fs::File::open(format!("{out}/results.parquet")).expect("a file");
    let reader = SerializedFileReader::new(file).expect("Parquet");
    let mut csv = csv::Reader::from_path(format!("{out}/results.csv")).expect("CSV");
    let head = csv.headers().expect("a head").clone();
    let mut rows = reader.get_row_iter(None).expect("rows");
    let mut cells = 0;
    for record in csv.records() {
        let record = record.expect("a record");
        let row = rows.next().expect("as many rows").expect("a row");
        for ((name, text), (column, field)) in head.iter().zip(&record).zip(row.into_columns()) {
            assert_eq!(name, column);
            let same = match &field {
                Field::Null => text.is_empty(),
                Field::Str(word) => text == word,
                Field::ULong(n) => text == n.to_string(),
                Field::Double(x) => text.parse() == Ok(*x),
                _ => false,
            };
            assert!(same, "{name}: {text:?} is {field:?}");
            cells += 1;
        }
    }
    assert!(rows.next().is_none());
    assert!(cells > 12 * 50, "{cells}");
}
