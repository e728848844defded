//! What tests share: which of them run here, and where measured data lies.
//!
//! What is left out is said on stderr, past the test harness, which keeps to itself what a test that passes prints.
//! It is also counted: each becomes a line of the file that `TOKENTIDE_SKIPS` names. Five more environment
//! variables decide, and only this file reads them, so that nothing is skipped
//! silently: `TOKENTIDE_SLOW=1` asks for the long form of every test, `TOKENTIDE_SHORTER=N` makes that of the
//! closed forms N times as short and its room the root of N times as wide, `TOKENTIDE_DATA` names the
//! directory of measured data sets, `TOKENTIDE_SEED` (a whole number, 0 by default) asks tests that make up
//! their own cases for other ones than usual, and `TOKENTIDE_SEEDS=N` plays the closed forms with fresh
//! seeds, those after N: give another number every night (the date will do) and run
//! `TOKENTIDE_SLOW=1 TOKENTIDE_SEEDS=20260105 cargo test --release --test closed_forms fresh_seeds`.

// Every test binary compiles this file and uses a part of it.
#![allow(dead_code)]

use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;

pub mod program;

/// Says that something is left out, and why.
pub fn skipped(what: &str) {
    let say = |to: &mut dyn Write| to.write_all(format!("skipped: {what}\n").as_bytes());
    say(&mut std::io::stderr()).expect("stderr is there");
    if let Some(file) = std::env::var_os("TOKENTIDE_SKIPS") {
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(file)
            .expect("TOKENTIDE_SKIPS names a file");
        say(&mut file).expect("what is skipped can be counted");
    }
}

/// Whether the long form of a test is wanted; says so on stderr when it is not.
pub fn slow(what: &str) -> bool {
    let wanted = std::env::var("TOKENTIDE_SLOW").is_ok_and(|value| value == "1");
    if !wanted {
        skipped(&format!("{what} (set TOKENTIDE_SLOW=1)"));
    }
    wanted
}

/// How many times as short the long form of the closed forms is to be; says so on stderr.
pub fn shorter() -> u64 {
    let Ok(text) = std::env::var("TOKENTIDE_SHORTER") else {
        return 1;
    };
    eprintln!("shorter: the long form of the closed forms, {text} times");
    text.parse()
        .expect("TOKENTIDE_SHORTER is a whole number from 1")
}

/// Where fresh seeds begin, if they are wanted; says so on stderr when they are not.
pub fn fresh_seeds(what: &str) -> Option<u64> {
    let base = std::env::var("TOKENTIDE_SEEDS").ok();
    if base.is_none() {
        skipped(&format!("{what} (set TOKENTIDE_SEEDS to where they begin)"));
    }
    // far from the seeds of the other tests, which are small
    base.map(|base| 10_000 * (1 + base.parse::<u64>().expect("TOKENTIDE_SEEDS is a number")))
}

/// The file `name` of the measured data, if it is there; says so on stderr when it is not.
pub fn data(name: &str) -> Option<PathBuf> {
    let file = std::env::var_os("TOKENTIDE_DATA").map(|dir| PathBuf::from(dir).join(name));
    match file {
        Some(file) if file.exists() => Some(file),
        _ => {
            skipped(&format!(
                "{name} is not here (TOKENTIDE_DATA names its directory)"
            ));
            None
        }
    }
}

/// Which made-up cases to play.
pub fn seed() -> u64 {
    match std::env::var("TOKENTIDE_SEED") {
        Ok(text) => text.parse().expect("TOKENTIDE_SEED is a whole number"),
        Err(_) => 0,
    }
}

/// An archive of files, as tar writes it.
pub fn archive(files: &[(&str, &str)]) -> Vec<u8> {
    let mut all = Vec::new();
    for (name, content) in files {
        let mut head = [0_u8; 512];
        head[..name.len()].copy_from_slice(name.as_bytes());
        head[124..136].copy_from_slice(format!("{:011o}\0", content.len()).as_bytes());
        head[156] = b'0';
        head[257..263].copy_from_slice(b"ustar\0");
        all.extend(head);
        all.extend(content.as_bytes());
        all.resize(all.len().next_multiple_of(512), 0);
    }
    all.resize(all.len() + 1024, 0);
    all
}
