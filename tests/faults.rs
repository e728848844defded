//! Output when things go wrong: a full disk, a directory that cannot be written, a place that is taken, a
//! reader that has gone, a signal, a kill at any moment. A file is there whole or not at all, and
//! `summary.json` stands only beside the files of its own run.
#![cfg(unix)]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use support::program::{Said, Scratch, start, tokentide};

const SMALL: &str = "tests/cli/small.toml";

const RUN: &[&str] = &["run", SMALL];
const PLAN: &[&str] = &["plan", "tests/plan/small.toml", "--step-error", "0"];
const SWEEP: &[&str] = &["sweep", SMALL, "--vary", "seed=1,2"];

/// A run and a plan that take longer than any test waits.
const LONG: &[&str] = &[
    "run",
    "deepseek-day",
    "--quiet",
    "--set",
    "duration=2000h",
    "--out",
];
const LONG_PLAN: &[&str] = &[
    "plan",
    "deepseek-day",
    "--quiet",
    "--slo",
    "ttft_p99=10s",
    "--nodes",
    "420",
    "--schedule",
    "1h",
    "--out",
];

/// Contents by name.
type Files = BTreeMap<String, Vec<u8>>;

fn files_in(dir: &str) -> Files {
    let entries = fs::read_dir(dir).into_iter().flatten();
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths
        .filter(|path| path.is_file())
        .map(|path| {
            let name = path.file_name().expect("a name").to_string_lossy();
            (name.into_owned(), fs::read(&path).expect("a file"))
        })
        .collect()
}

/// Runs to the end.
fn whole(dir: &str, more: &[&str]) -> Files {
    let arguments = [&["run", SMALL, "--quiet", "--out", dir], more].concat();
    let said = tokentide(&arguments);
    assert_eq!(said.code, Some(0), "{}", said.err);
    files_in(dir)
}

/// Runs under a shell that first does what `before` says.
fn under(before: &str, arguments: &[&str]) -> Said {
    let script = format!("{before}; exec \"$0\" \"$@\"");
    let mut shell = Command::new("sh");
    shell.args(["-c", &script, env!("CARGO_BIN_EXE_tokentide")]);
    shell.args(arguments).output().expect("a shell").into()
}

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill")
        .args([&format!("-{name}"), &child.id().to_string()])
        .status();
    assert!(sent.expect("kill").success());
}

/// The exit code of a child that must end by itself.
fn code_of(mut child: Child) -> Option<i32> {
    let deadline = Instant::now() + Duration::from_secs(60);
    while Instant::now() < deadline {
        if let Some(status) = child.try_wait().expect("a child") {
            return status.code();
        }
        sleep(Duration::from_millis(5));
    }
    child.kill().expect("a kill");
    panic!("it did not end");
}

#[test]
fn a_disk_that_fills_leaves_nothing_or_the_run_before() {
    let scratch = Scratch::new("full");
    let out = scratch.path("out");
    let run = [
        "run",
        SMALL,
        "--quiet",
        "--out",
        &out,
        "--overwrite",
        "--seed",
        "2",
    ];
    // Files may have 4 KB: the write stops in the middle.
    let limit = "trap '' XFSZ; ulimit -f 8";
    let said = under(limit, &run);
    assert_eq!(said.code, Some(1), "{}", said.err);
    assert!(said.err.contains("cannot write"), "{}", said.err);
    assert!(said.out.is_empty(), "a result beside an error");
    assert_eq!(scratch.files("out"), [""; 0]);
    let before = whole(&out, &[]);
    let said = under(limit, &run);
    assert_eq!(said.code, Some(1), "{}", said.err);
    assert!(files_in(&out) == before, "the run before is untouched");
    // The same without a handler: the system ends the program in the middle of a write.
    let said = under("ulimit -c 0; ulimit -f 8", &run);
    assert_eq!(said.code, None, "{}", said.err);
    assert!(
        only_whole(&files_in(&out)) == before,
        "the run before is untouched"
    );
    let after = whole(&out, &["--overwrite", "--seed", "2"]);
    assert!(
        after.keys().eq(before.keys()),
        "nothing is left: {:?}",
        after.keys()
    );
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_file_system_is_told() {
    let scratch = Scratch::new("tmpfs");
    let said = under("exec > /dev/full", &["run", SMALL, "--quiet"]);
    assert_eq!(said.code, Some(1));
    assert!(
        said.err.contains("cannot write to standard output"),
        "{}",
        said.err
    );
    let disk = scratch.path("disk");
    fs::create_dir(&disk).expect("a directory");
    let mount = ["-t", "tmpfs", "-o", "size=16k", "none", &disk];
    if !Command::new("mount")
        .args(mount)
        .output()
        .is_ok_and(|done| done.status.success())
    {
        support::skipped("a file system of 16 KB cannot be mounted here");
        return;
    }
    let out = format!("{disk}/out");
    let said = tokentide(&["run", SMALL, "--quiet", "--out", &out]);
    let left = files_in(&out);
    let unmounted = Command::new("umount").arg(&disk).status();
    assert!(
        unmounted.is_ok_and(|status| status.success()),
        "{disk} stays mounted"
    );
    assert_eq!(said.code, Some(1), "{}", said.err);
    assert!(said.err.contains("No space left"), "{}", said.err);
    assert!(left.is_empty(), "{:?}", left.keys());
}

#[test]
fn a_place_that_cannot_be_written_is_named() {
    let scratch = Scratch::new("place");
    let file = scratch.write("file", "");
    let below = format!("{file}/out");
    for command in [RUN, PLAN, SWEEP] {
        for place in ["/proc/nowhere", &below, &file] {
            let said = tokentide(&[command, &["--quiet", "--out", place]].concat());
            assert_eq!(said.code, Some(2), "{command:?} {place}: {}", said.err);
            assert!(said.err.contains(place), "{}", said.err);
            assert!(said.out.is_empty());
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_file_system_that_is_read_only_is_told_before_any_work() {
    let scratch = Scratch::new("read-only");
    let disk = scratch.path("disk");
    fs::create_dir(&disk).expect("a directory");
    let mount = |how: &str| {
        let arguments = ["-t", "tmpfs", "-o", how, "none", &disk];
        let done = Command::new("mount").args(arguments).output();
        done.is_ok_and(|done| done.status.success())
    };
    if !mount("size=16k") {
        support::skipped("a file system cannot be mounted here");
        return;
    }
    // With the folder there already, only a file shows that none can be made.
    fs::create_dir(format!("{disk}/out")).expect("a directory");
    let read_only = mount("remount,ro");
    let out = format!("{disk}/out");
    let said = [RUN, PLAN, SWEEP].map(|c| tokentide(&[c, &["--out", &out]].concat()));
    let unmounted = Command::new("umount").arg(&disk).status();
    assert!(
        read_only && unmounted.is_ok_and(|status| status.success()),
        "{disk} stays mounted"
    );
    for said in said {
        assert_eq!(said.code, Some(2), "{}", said.err);
        assert!(said.err.contains(&out), "{}", said.err);
        assert!(said.err.contains("Read-only file system"), "{}", said.err);
        assert!(said.out.is_empty());
    }
}

#[test]
fn a_plan_that_cannot_be_written_is_printed() {
    let scratch = Scratch::new("plan-full");
    let out = scratch.path("out");
    let plan = [PLAN, &["--quiet", "--out", &out]].concat();
    let said = under("trap '' XFSZ; ulimit -f 1", &plan);
    assert_eq!(said.code, Some(1), "{}", said.err);
    assert!(said.err.contains("cannot write"), "{}", said.err);
    assert!(said.err.contains("only printed"), "{}", said.err);
    assert_eq!(said.out, tokentide(&[PLAN, &["--quiet"]].concat()).out);
    assert_eq!(scratch.files("out"), [""; 0]);
}

#[test]
fn a_rename_that_fails_leaves_no_summary_and_no_litter() {
    let scratch = Scratch::new("rename");
    let out = scratch.path("out");
    scratch.write("out/run.log/in-the-way", "");
    let said = tokentide(&["run", SMALL, "--quiet", "--out", &out, "--overwrite"]);
    assert_eq!(said.code, Some(1), "{}", said.err);
    assert!(said.err.contains("run.log"), "{}", said.err);
    let left = scratch.files("out");
    assert!(
        !left.iter().any(|name| name.contains("partial")),
        "{left:?}"
    );
    assert!(!left.contains(&"summary.json".to_owned()), "{left:?}");
}

#[test]
fn links_in_the_way_are_replaced_and_not_followed() {
    use std::os::unix::fs::symlink;
    let scratch = Scratch::new("victim");
    let victim = scratch.write("victim", "precious");
    fs::create_dir(scratch.path("out")).expect("a directory");
    for name in ["summary.json", ".hours.csv.partial"] {
        symlink(&victim, scratch.path(&format!("out/{name}"))).expect("a link");
    }
    whole(&scratch.path("out"), &["--overwrite"]);
    assert_eq!(fs::read_to_string(victim).expect("the victim"), "precious");
}

#[test]
fn files_of_an_earlier_run_do_not_stay_beside_the_new_ones() {
    let scratch = Scratch::new("stale");
    let out = scratch.path("out");
    assert!(whole(&out, &[]).contains_key("intervals.csv"));
    scratch.write("out/notes.txt", "mine");
    let text = fs::read_to_string(SMALL).expect("the scenario");
    let plain = scratch.write("plain.toml", &text.replace("report_every = \"30s\"", ""));
    let said = tokentide(&["run", &plain, "--quiet", "--out", &out, "--overwrite"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    let left = files_in(&out);
    assert!(!left.contains_key("intervals.csv"), "{:?}", left.keys());
    assert!(left.contains_key("notes.txt"), "what is not ours stays");
}

#[test]
fn readers_may_go() {
    let mut child = start(&["run", SMALL, "--quiet"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    drop(child.stdout.take());
    assert_eq!(code_of(child), Some(0));
    for (arguments, code) in [
        (vec!["run", "no-such-scenario"], 2),
        (vec!["run", SMALL], 0),
        (
            vec!["run", SMALL, "--set", "limits.requests_in_flight=1"],
            1,
        ),
        (vec!["check", SMALL], 0),
    ] {
        let mut command = start(&arguments);
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        drop(child.stderr.take());
        assert_eq!(code_of(child), Some(code), "{arguments:?}");
    }
}

#[test]
fn an_interrupt_ends_with_130_and_writes_nothing() {
    for (name, long) in [("INT", LONG), ("TERM", LONG), ("INT", LONG_PLAN)] {
        let scratch = Scratch::new(&format!("{name}-{}", long[0]));
        let out = scratch.path("out");
        let mut command = start(&[long, &[out.as_str()]].concat());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        sleep(Duration::from_millis(700));
        signal(&child, name);
        let (mut printed, mut told) = (Vec::new(), String::new());
        let out_pipe = child
            .stdout
            .take()
            .map(|mut out| out.read_to_end(&mut printed));
        let err_pipe = child
            .stderr
            .take()
            .map(|mut err| err.read_to_string(&mut told));
        assert!(out_pipe.is_some() && err_pipe.is_some());
        assert_eq!(code_of(child), Some(130), "{told}");
        assert!(printed.is_empty(), "a result");
        assert!(told.contains("interrupted"), "{told}");
        assert_eq!(scratch.files("out"), [""; 0]);
    }
}

#[test]
fn a_second_interrupt_ends_at_once() {
    let scratch = Scratch::new("twice");
    let out = scratch.path("out");
    let mut command = start(&[LONG, &[out.as_str()]].concat());
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let child = command.spawn().expect("the program starts");
    sleep(Duration::from_millis(700));
    for _ in 0..2 {
        let _ = Command::new("kill")
            .args(["-INT", &child.id().to_string()])
            .output();
    }
    assert_eq!(code_of(child), Some(130));
}

/// What is not hidden: the files of a run, without the lock of one that was killed.
fn only_whole(files: &Files) -> Files {
    let whole = files.iter().filter(|(name, _)| !name.starts_with('.'));
    whole
        .map(|(name, text)| (name.clone(), text.clone()))
        .collect()
}

/// Whether a file is, byte for byte, that of a run. The log says how long it took, and is whole if it
/// has all its lines.
fn is_of(run: &Files, name: &str, text: &[u8]) -> bool {
    if name == "run.log" {
        return text.ends_with(b"\n") && text.iter().filter(|b| **b == b'\n').count() == 3;
    }
    run.get(name).is_some_and(|whole| whole == text)
}

/// Kills the program at random moments, over an empty directory and over an earlier run by turns.
#[test]
fn a_kill_at_any_moment_leaves_only_whole_files() {
    let kills: u64 = if support::slow("a hundred kills") {
        100
    } else {
        12
    };
    let scratch = Scratch::new("kill");
    let old = whole(&scratch.path("old"), &["--seed", "2"]);
    let began = Instant::now();
    let new = whole(&scratch.path("new"), &[]);
    let usual = began.elapsed();
    let mut random = 88_172_645_463_325_252_u64;
    let mut draw = move |below: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % below.max(1)
    };
    let (mut writing, mut done, mut early) = (0, 0, 0);
    for kill in 0..kills {
        let out = scratch.path(&format!("out-{kill}"));
        let beside = scratch.path(&format!(".out-{kill}.tokentide"));
        let over_old = kill % 2 == 1;
        if over_old {
            whole(&out, &["--seed", "2"]);
        }
        let mut command = start(&["run", SMALL, "--quiet", "--out", &out, "--overwrite"]);
        let mut child = command
            .stdout(Stdio::null())
            .spawn()
            .expect("the program starts");
        if kill % 4 < 2 {
            sleep(Duration::from_nanos(draw(usual.as_nanos() as u64 * 5 / 4)));
        } else {
            // The few milliseconds of writing: wait for the first sign of it.
            while fs::symlink_metadata(&beside).is_err()
                && child.try_wait().expect("a child").is_none()
            {
                std::hint::spin_loop();
            }
            sleep(Duration::from_micros(draw(6_000)));
        }
        child.kill().expect("a kill");
        child.wait().expect("a child");
        let left = only_whole(&files_in(&out));
        match (
            fs::symlink_metadata(&beside).is_ok(),
            left.get("summary.json") == new.get("summary.json"),
        ) {
            (true, _) => writing += 1,
            (false, true) => done += 1,
            (false, false) => early += 1,
        }
        let is_run = |run: &Files| {
            left.keys().eq(run.keys()) && left.iter().all(|(name, text)| is_of(run, name, text))
        };
        let is_untouched = if over_old {
            is_run(&old)
        } else {
            left.is_empty()
        };
        assert!(
            is_run(&new) || is_untouched,
            "kill {kill}: neither all of the old nor all of the new: {:?}",
            left.keys()
        );
        let again = whole(&out, &["--overwrite"]);
        assert!(
            again.keys().eq(new.keys()),
            "kill {kill}: {:?}",
            again.keys()
        );
        assert!(
            again.iter().all(|(name, text)| is_of(&new, name, text)),
            "kill {kill}: again"
        );
        let litter = fs::symlink_metadata(&beside);
        assert!(litter.is_err(), "kill {kill}: {beside} stays");
    }
    eprintln!("{kills} kills: {early} before writing, {writing} while writing, {done} after");
}
