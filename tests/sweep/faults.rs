//! What can go wrong around a sweep: interrupts, disks that are full or read-only, damaged ledgers, others in
//! the same folder. Nothing is lost, and a message says what to do.

use std::fs;
use std::process::{Command, Stdio};

use super::support::program::{Said, Scratch, start, tokentide};
use super::{LONG, MIXED, ledger, results, signal, succeeds, sweep, undisturbed, wait_for_lines};

#[test]
fn an_interrupt_keeps_what_is_done() {
    let scratch = Scratch::new("sweep-interrupt");
    let (expected, _) = undisturbed(&scratch, &LONG);
    let out = scratch.path("out");
    for (name, lines) in [("INT", 1), ("TERM", 4)] {
        let mut command = start(&[&LONG[..], &["--out", &out]].concat());
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = child.spawn().expect("the program starts");
        wait_for_lines(&out, "ledger.jsonl", lines);
        signal(&child, name);
        let said: Said = child.wait_with_output().expect("its output").into();
        assert_eq!(said.code, Some(130), "{}", said.err);
        assert!(said.out.is_empty());
        let kept = format!(
            "{} of 30 runs are kept in {out}",
            ledger(&out, "ledger.jsonl").len()
        );
        assert!(said.err.contains(&kept), "{}", said.err);
        assert!(!scratch.files("out").contains(&"results.csv".to_string()));
    }
    succeeds(sweep(&LONG, &out, &[]));
    assert!(results(&out) == expected);
    assert_eq!(ledger(&out, "ledger.jsonl").len(), 30);
}

#[test]
fn a_disk_that_fills_loses_nothing() {
    let scratch = Scratch::new("sweep-full");
    let (whole, out) = (scratch.path("whole"), scratch.path("out"));
    succeeds(sweep(&MIXED, &whole, &[]));
    // Files may have 8 KB, two lines of the ledger: the write of the third stops in the middle.
    let script = "trap '' XFSZ; ulimit -f 16; exec \"$0\" \"$@\"";
    let mut shell = Command::new("sh");
    shell.args(["-c", script, env!("CARGO_BIN_EXE_tokentide")]);
    shell.args(MIXED).args(["--out", &out]);
    let said: Said = shell.output().expect("a shell").into();
    assert_eq!(said.code, Some(1), "{}", said.err);
    let kept = ledger(&out, "ledger.jsonl").len();
    assert!(kept > 0 && kept < 8, "{kept}");
    assert!(
        said.err.contains("ledger.jsonl: File too large"),
        "{}",
        said.err
    );
    assert!(
        said.err.contains("the same command goes on from there"),
        "{}",
        said.err
    );
    succeeds(sweep(&MIXED, &out, &[]));
    assert!(results(&out) == results(&whole));
    assert_eq!(ledger(&out, "ledger.jsonl").len(), 8);
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let scratch = Scratch::new("sweep-place");
    let file = scratch.write("file", "");
    scratch.write("taken/notes.txt", "mine");
    for (place, why) in [
        ("/proc/nowhere", "cannot use /proc/nowhere for output"),
        (file.as_str(), "cannot use"),
        (
            scratch.path("taken").as_str(),
            "is not empty and holds no sweep",
        ),
    ] {
        let said = sweep(&MIXED, place, &[]);
        assert_eq!(said.code, Some(2), "{place}: {}", said.err);
        assert!(
            said.err.contains(place) && said.err.contains(why),
            "{}",
            said.err
        );
    }
    assert_eq!(scratch.files("taken"), ["notes.txt"]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_read_only_folder_keeps_its_sweep() {
    let scratch = Scratch::new("sweep-read-only");
    let out = scratch.path("out");
    succeeds(sweep(&MIXED, &out, &[]));
    let expected = results(&out);
    let mount = |options: &[&str]| {
        let mounted = Command::new("mount").args(options).output();
        mounted.is_ok_and(|done| done.status.success())
    };
    if !mount(&["--bind", &out, &out]) {
        super::support::skipped("a folder cannot be mounted read-only here");
        return;
    }
    let read_only = mount(&["-o", "remount,ro,bind", &out]);
    let said = sweep(&MIXED, &out, &[]);
    let unmounted = Command::new("umount").arg(&out).status();
    assert!(
        unmounted.is_ok_and(|status| status.success()),
        "{out} stays mounted"
    );
    assert!(read_only);
    assert_eq!(said.code, Some(2), "{}", said.err);
    assert!(said.err.contains("Read-only file system"), "{}", said.err);
    assert!(results(&out) == expected);
}

#[test]
fn a_damaged_line_is_named_and_a_torn_one_is_repeated() {
    let scratch = Scratch::new("sweep-damage");
    let out = scratch.path("out");
    succeeds(sweep(&MIXED, &out, &[]));
    let expected = results(&out);
    let place = format!("{out}/ledger.jsonl");
    let text = fs::read_to_string(&place).expect("a ledger");
    let lines: Vec<&str> = text.lines().collect();
    let damaged = [
        lines[0],
        &lines[1].replacen("done", "dome", 1),
        lines[2],
        lines[3],
    ]
    .join("\n")
        + "\n";
    fs::write(&place, &damaged).expect("a ledger");
    for more in [&[][..], &["--dry-run"], &["--shard", "1/2"]] {
        let said = sweep(&MIXED, &out, more);
        assert_eq!(said.code, Some(2), "{}", said.err);
        let why = format!("{place} is damaged in line 2");
        assert!(
            said.err.contains(&why) && said.err.contains("sed -i 2d"),
            "{}",
            said.err
        );
    }
    assert_eq!(tokentide(&["sweep", "merge", &out]).code, Some(2));
    assert_eq!(
        fs::read_to_string(&place).expect("a ledger"),
        damaged,
        "nothing was changed"
    );
    let mended = [lines[0], lines[2], &lines[3][..100]].join("\n");
    fs::write(&place, mended).expect("a ledger");
    succeeds(sweep(&MIXED, &out, &[]));
    assert!(results(&out) == expected);
    assert_eq!(ledger(&out, "ledger.jsonl").len(), lines.len());
    fs::write(format!("{out}/sweep.json"), "{").expect("a manifest");
    let said = sweep(&MIXED, &out, &[]);
    assert_eq!(said.code, Some(2), "{}", said.err);
    assert!(said.err.contains("sweep.json is damaged"), "{}", said.err);
}

#[test]
fn two_sweeps_do_not_share_a_folder() {
    let scratch = Scratch::new("sweep-two");
    let out = scratch.path("out");
    let mut command = start(&[&LONG[..], &["--out", &out]].concat());
    let child = command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = child.spawn().expect("the program starts");
    wait_for_lines(&out, "ledger.jsonl", 1);
    signal(&child, "STOP");
    let same = sweep(&LONG, &out, &[]);
    let other = sweep(&MIXED, &out, &[]);
    signal(&child, "CONT");
    assert_eq!(same.code, Some(2), "{}", same.err);
    assert!(same.err.contains("another process writes"), "{}", same.err);
    assert_eq!(other.code, Some(2), "{}", other.err);
    assert!(other.err.contains("holds another sweep"), "{}", other.err);
    assert!(child.wait().expect("a child").success());
    assert!(results(&out) == undisturbed(&scratch, &LONG).0);
    assert_eq!(ledger(&out, "ledger.jsonl").len(), 30);
}
