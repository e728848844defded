//! The folder of results, and what is read from one: one writer at a time, signals at any moment, files that are
//! no files, figures that cannot be, mistakes that have one exit code.
#![cfg(unix)]

mod support;

use std::fs;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use support::program::{Said, Scratch, start, tokentide};

const SMALL: &str = "tests/cli/small.toml";

const FILES: [&str; 5] = [
    "hours.csv",
    "intervals.csv",
    "run.log",
    "scenario.resolved.toml",
    "summary.json",
];

/// What a second is to a test on a busy machine.
const SOON: Duration = Duration::from_secs(3);

/// A run into a folder.
fn run(out: &str, more: &[&str]) -> Command {
    let mut command = start(&[&["run", SMALL, "--quiet", "--out", out], more].concat());
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

/// The seed in a folder's summary.
fn seed(out: &str) -> u64 {
    let text = fs::read_to_string(format!("{out}/summary.json")).expect("a summary");
    let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    value["seed"].as_u64().expect("a seed")
}

/// Two runs into a folder at once: their exit codes.
fn pair(out: &str, more: &[&str]) -> [Option<i32>; 2] {
    let begin = |seed| run(out, &[&["--seed", seed], more].concat()).spawn();
    [begin("2"), begin("3")].map(|child| {
        let said: Said = child
            .expect("it starts")
            .wait_with_output()
            .expect("an end")
            .into();
        let is_refused = said.code == Some(2);
        assert_eq!(is_refused, !said.err.is_empty(), "{}", said.err);
        said.code
    })
}

#[test]
fn of_two_runs_into_one_folder_none_is_lost_in_silence() {
    let scratch = Scratch::new("pairs");
    for i in 0..6 {
        let out = scratch.path(&format!("out-{i}"));
        let codes = pair(&out, &[]);
        // Whoever comes later finds a process or its files.
        let won = codes
            .iter()
            .position(|code| *code == Some(0))
            .expect("a winner");
        assert_eq!(codes[1 - won], Some(2));
        assert_eq!(seed(&out), won as u64 + 2, "the files are the winner's");
        assert_eq!(scratch.files(&format!("out-{i}")), FILES);
        let codes = pair(&out, &["--overwrite"]);
        assert!(codes.contains(&Some(0)), "{codes:?}");
        assert!(codes.iter().all(|c| matches!(c, Some(0 | 2))), "{codes:?}");
        let resolved = fs::read_to_string(format!("{out}/scenario.resolved.toml")).expect("a file");
        assert!(resolved.contains(&format!("seed = {}\n", seed(&out))));
        assert_eq!(scratch.files(&format!("out-{i}")), FILES);
    }
    assert_eq!(scratch.files("").len(), 6, "nothing is left beside them");
}

#[test]
fn a_folder_in_use_is_refused_and_named() {
    let scratch = Scratch::new("in-use");
    let out = scratch.path("out");
    let mut long = run(
        &out,
        &[
            "--set",
            "duration=9000h",
            "--set",
            "report_every=1h",
            "--set",
            "limits={memory_gb=100,output_mb=9000}",
        ],
    );
    let mut child = long.spawn().expect("it starts");
    let lock = format!("{out}/.tokentide.lock");
    let deadline = Instant::now() + Duration::from_secs(20);
    while fs::symlink_metadata(&lock).is_err() && Instant::now() < deadline {
        sleep(Duration::from_millis(5));
    }
    for more in [&[][..], &["--overwrite"]] {
        let said: Said = run(&out, more).output().expect("an end").into();
        assert_eq!(said.code, Some(2), "{}", said.err);
        assert!(
            said.err.contains("another process writes to"),
            "{}",
            said.err
        );
    }
    child.kill().expect("a kill");
    child.wait().expect("an end");
    // The system has released what was killed: its lock is in nobody's way.
    let said: Said = run(&out, &[]).output().expect("an end").into();
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert_eq!(scratch.files("out"), FILES);
}

#[test]
fn what_is_not_of_a_run_stays_where_it_was() {
    let scratch = Scratch::new("mine");
    let out = scratch.path("out");
    scratch.write("out/notes.txt", "mine");
    scratch.write("out/data/more.txt", "mine too");
    scratch.write("out/plan.json", "a plan's");
    // Left by a run that was killed after its folder had taken its place, and by one killed before.
    scratch.write("out/.hours.csv.partial", "half");
    scratch.write(".out.tokentide/.tokentide.lock", "");
    scratch.write(".out.tokentide/hours.csv", "old");
    scratch.write(".out.tokentide/letters.txt", "mine as well");
    for _ in 0..2 {
        let said: Said = run(&out, &["--overwrite"]).output().expect("an end").into();
        assert_eq!(said.code, Some(0), "{}", said.err);
        let mut all = scratch.files("out");
        all.retain(|name| !FILES.contains(&name.as_str()));
        assert_eq!(all, ["data", "letters.txt", "notes.txt", "plan.json"]);
        let more = fs::read_to_string(scratch.path("out/data/more.txt"));
        assert_eq!(more.expect("it is there"), "mine too");
        assert_eq!(scratch.files(""), ["out"]);
    }
    // The working directory stays the one that it is.
    let mut here = start(&["run", "small.toml", "--quiet", "--out", ".", "--overwrite"]);
    fs::copy(SMALL, scratch.path("out/small.toml")).expect("a copy");
    let here = here.current_dir(&out).stdout(Stdio::null()).status();
    assert!(here.expect("an end").success());
    assert!(scratch.files("out").contains(&"small.toml".to_owned()));
}

#[test]
fn a_signal_ends_what_plays_nothing_yet() {
    let scratch = Scratch::new("early");
    let out = scratch.path("out");
    let sweep = ["sweep", SMALL, "--vary", "seed=1..100000:1", "--out", &out];
    let dry = ["sweep", SMALL, "--vary", "seed=1..100000:1", "--dry-run"];
    for (name, arguments) in [("TERM", &sweep[..]), ("INT", &dry[..])] {
        let mut command = start(arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("it starts");
        sleep(Duration::from_millis(300));
        assert!(
            child.try_wait().expect("a child").is_none(),
            "it ended by itself"
        );
        let began = Instant::now();
        let sent = Command::new("kill")
            .args([&format!("-{name}"), &child.id().to_string()])
            .status();
        assert!(sent.expect("kill").success());
        let said: Said = child.wait_with_output().expect("an end").into();
        assert!(
            began.elapsed() < SOON,
            "{arguments:?}: {:?}",
            began.elapsed()
        );
        assert_eq!(said.code, Some(130), "{arguments:?}: {}", said.err);
        assert!(said.err.contains("interrupted"), "{}", said.err);
        assert!(said.out.is_empty(), "a result");
    }
    assert_eq!(scratch.files("out"), [""; 0]);
}

/// While plans are drawn up, step times compiled, and inputs of megabytes read.
#[cfg(unix)]
#[test]
fn a_signal_ends_what_is_being_set_up() {
    if !support::slow("signals while things are set up") {
        return;
    }
    let scratch = Scratch::new("set-up");
    let rows: String = (0..900_000).map(|i| format!("{i},100,10\n")).collect();
    let rows = format!("arrived_s,input_tokens,output_tokens\n{rows}");
    let rows = scratch.write("rows.csv", &rows);
    let text = fs::read_to_string(SMALL).expect("the scenario");
    let small = scratch.write("small.toml", &text);
    let recorded = format!("class.0.arrivals={{kind=\"trace\",csv={rows:?}}}");
    let plan = [
        "plan",
        "deepseek-day",
        "--slo",
        "ttft_p99=10s",
        "--schedule",
        "1h",
        "--nodes",
        "420",
    ];
    let options = [
        "plan",
        "chat-h800",
        "--units",
        "decode=1..60",
        "--nodes",
        "400",
    ];
    let run = ["run", "deepseek-day"];
    let draws = ["run", "deepseek-day", "--replications", "20"];
    let compare = ["compare", "deepseek-day", "deepseek-day-hits-30"];
    let large = ["check", &small, "--set", &recorded];
    let mut heard = 0;
    for arguments in [&plan[..], &options, &run, &draws, &compare, &large] {
        for wait in [60, 120, 250, 500] {
            let mut command = start(arguments);
            command.stdout(Stdio::null()).stderr(Stdio::piped());
            let mut child = command.spawn().expect("it starts");
            sleep(Duration::from_millis(wait));
            if child.try_wait().expect("a child").is_some() {
                continue;
            }
            let began = Instant::now();
            let sent = Command::new("kill")
                .args(["-TERM", &child.id().to_string()])
                .status();
            assert!(sent.expect("kill").success());
            let said: Said = child.wait_with_output().expect("an end").into();
            let took = began.elapsed();
            assert!(took < SOON, "{arguments:?} after {wait} ms: {took:?}");
            // It may have ended by itself as the signal came.
            if said.code != Some(0) {
                assert_eq!(
                    said.code,
                    Some(130),
                    "{arguments:?} after {wait} ms: {}",
                    said.err
                );
                heard += 1;
            }
        }
    }
    assert!(heard >= 18, "{heard} of 24 were interrupted");
}

#[test]
fn only_ordinary_files_are_read_and_only_possible_figures_shown() {
    let scratch = Scratch::new("stored");
    let pipe = scratch.path("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status();
    assert!(made.expect("mkfifo").success());
    for place in [&pipe, "/dev/zero", &scratch.path("")] {
        for command in ["report", "calibrate"] {
            let said = tokentide(&[command, place]);
            assert_eq!(said.code, Some(2), "{command} {place}: {}", said.err);
            let why = ["not an ordinary file", "is a directory"];
            assert!(why.iter().any(|why| said.err.contains(why)), "{}", said.err);
        }
    }
    // A gigabyte and a byte, of nothing.
    let long = scratch.path("long.json");
    let file = fs::File::create(&long).expect("a file");
    file.set_len((1 << 30) + 1).expect("a length");
    let said = tokentide(&["report", &long]);
    assert_eq!(said.code, Some(2), "{}", said.err);
    assert!(said.err.contains("at most 1024 MiB"), "{}", said.err);

    let out = scratch.path("out");
    let said: Said = run(&out, &[]).output().expect("an end").into();
    assert_eq!(said.code, Some(0), "{}", said.err);
    let summary = format!("{out}/summary.json");
    assert_eq!(tokentide(&["report", &summary]).code, Some(0));
    let text = fs::read_to_string(&summary).expect("a summary");
    let edited = text.replacen("\"replications\": 1", "\"replications\": 0", 1);
    assert_ne!(edited, text);
    let edited = scratch.write("edited.json", &edited);
    let said = tokentide(&["report", &edited]);
    assert_eq!(said.code, Some(2), "{}", said.err);
    assert!(said.err.contains("no run says this"), "{}", said.err);
    assert!(said.out.is_empty());
}

#[test]
fn a_ledger_is_an_ordinary_file() {
    let scratch = Scratch::new("ledger");
    let out = scratch.path("out");
    let sweep = [
        "sweep", SMALL, "--quiet", "--vary", "seed=1,2", "--out", &out,
    ];
    assert_eq!(tokentide(&sweep).code, Some(0));
    let ledger = format!("{out}/ledger.jsonl");
    fs::remove_file(&ledger).expect("a ledger");
    assert!(
        Command::new("mkfifo")
            .arg(&ledger)
            .status()
            .expect("mkfifo")
            .success()
    );
    for arguments in [&sweep[..], &["sweep", "merge", &out]] {
        let said = tokentide(arguments);
        assert_eq!(said.code, Some(2), "{}", said.err);
        assert!(said.err.contains("not an ordinary file"), "{}", said.err);
    }
    fs::remove_file(&ledger).expect("a pipe");
    // A manifest that names a run twice.
    let manifest = format!("{out}/sweep.json");
    let text = fs::read_to_string(&manifest).expect("a manifest");
    fs::write(&manifest, text.replace("\"run\": 2", "\"run\": 1")).expect("a manifest");
    let said = tokentide(&["sweep", "merge", &out]);
    assert_eq!(said.code, Some(2), "{}", said.err);
    assert!(said.err.contains("is damaged"), "{}", said.err);
}

#[test]
fn the_same_mistake_has_the_same_exit_code_everywhere() {
    let too_large = ["deepseek-day", "--set", "node.gpu=l40s"];
    let never_hit = [SMALL, "--set", "kv_cache.hit_rate=0.9999"];
    let no_key = [SMALL, "--set", "pools={}"];
    let unknown = ["no-such-scenario"];
    for scenario in [&too_large[..], &never_hit, &no_key, &unknown] {
        let said = ["check", "run"].map(|command| tokentide(&[&[command], scenario].concat()));
        for said in &said {
            assert_eq!(said.code, Some(2), "{scenario:?}: {}", said.err);
            assert!(said.out.is_empty());
        }
        assert_eq!(said[0].err, said[1].err, "and the same message");
    }
}

#[test]
fn rates_too_small_to_be_told_from_none_end() {
    for rate in ["5e-324", "1e-315", "1e-308", "1e-30", "1e-12"] {
        let set = format!("kv_cache.hit_rate={rate}");
        let began = Instant::now();
        let said = tokentide(&["run", SMALL, "--quiet", "--format", "json", "--set", &set]);
        assert_eq!(said.code, Some(0), "{rate}: {}", said.err);
        assert!(began.elapsed() < Duration::from_secs(20), "{rate}");
        let value: serde_json::Value = serde_json::from_slice(&said.out).expect("JSON");
        assert_eq!(value["tokens"]["cached_input"], 0, "{rate}");
    }
}
