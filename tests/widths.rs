//! Every command's text at several widths: no line goes beyond, no word is lost, Markdown does not care.
//!
//! `COLUMNS` says the width, since tests have no terminal.

mod support;

use std::collections::BTreeSet;

use support::program::{Said, Scratch, start};

/// Columns of terminals, the widest first.
const WIDTHS: [usize; 4] = [160, 100, 80, 60];

/// A scenario with prefill and decode pools.
const SMALL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cli/small.toml");
/// A scenario with something to plan.
const PLAN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/plan/small.toml");

/// Commands whose results are pages; `RUN` is a stored run.
const PAGES: &[&str] = &[
    "run SMALL --quiet",
    "run SMALL --quiet --replications 3",
    "run SMALL --quiet --set kv_cache.hit_rate={low=0.2,high=0.6} --draws 3",
    "report RUN",
    "compare SMALL --variant kv_cache.hit_rate=0.9 --quiet --replications 2",
    "sweep SMALL --quiet --vary kv_cache.hit_rate=0.1,0.5,0.9 --vary class.chat.arrivals.requests_per_day=3e5,4e5",
    "plan PLAN --quiet --threads 2",
    "explain deepseek-day --pool decode",
    "explain chat-h800",
    "validate --sensitivity",
];

/// What makes a command say how long runs take, in other figures each time.
const TIMED: &str = "--dry-run";

/// Commands that print lines.
const LINES: &[&str] = &[
    "check SMALL",
    "check deepseek-day",
    "check chat-h800",
    "catalog",
    "catalog h200",
    "catalog deepseek-v3",
    "catalog vllm",
    "catalog deepseek-r1-2025-02",
    "calibrate --help-columns",
    "sweep SMALL --dry-run --quiet --vary kv_cache.hit_rate=0.1,0.5,0.9",
];

/// Every command that has a help.
const HELPS: &[&str] = &[
    "",
    "run",
    "compare",
    "sweep",
    "sweep merge",
    "plan",
    "explain",
    "validate",
    "calibrate",
    "catalog",
    "check",
    "report",
    "init",
    "schema",
    "completions",
    "man",
];

/// What a command says in a terminal of so many columns.
fn said(command: &str, run: &str, width: usize) -> Said {
    let arguments: Vec<&str> = command
        .split_whitespace()
        .map(|word| match word {
            "SMALL" => SMALL,
            "PLAN" => PLAN,
            "RUN" => run,
            word => word,
        })
        .collect();
    let mut program = start(&arguments);
    let output = program.env("COLUMNS", width.to_string()).output();
    output.expect("the program starts").into()
}

/// A result as text; the command has to end well.
fn text(command: &str, run: &str, width: usize) -> (String, String) {
    let said = said(command, run, width);
    assert!(
        matches!(said.code, Some(0 | 3)),
        "{command}: {:?}\n{}",
        said.code,
        said.err
    );
    let out = String::from_utf8(said.out).expect("results in UTF-8");
    (out, said.err)
}

/// Asserts that no line is too long; a word alone, such as a path, cannot break.
fn fits(text: &str, width: usize, what: &str) {
    for line in text.lines() {
        let is_one_word = line.split_whitespace().count() == 1;
        let columns = line.chars().count();
        assert!(
            columns <= width || is_one_word,
            "{what} at {width}: {columns} columns\n{line}\nof\n{text}"
        );
    }
}

/// The words of a text without rules, bars and points.
fn words(text: &str) -> BTreeSet<&str> {
    let is_drawn = |c: char| "─│└●·█▏▎▍▌▋▊▉░x".contains(c);
    let words = text.split_whitespace();
    words.filter(|word| !word.chars().all(is_drawn)).collect()
}

/// Whether a word is there, whole or in parts after the marks of keys, never within a number.
fn is_there(word: &str, words: &BTreeSet<&str>) -> bool {
    let parts = word.char_indices().filter(|(_, c)| "._-/=,:".contains(*c));
    let mut parts = parts.filter(|(at, _)| word[at + 1..].starts_with(char::is_alphabetic));
    words.contains(word)
        || parts.any(|(at, _)| {
            let (first, rest) = word.split_at(at + 1);
            words.contains(first) && is_there(rest, words)
        })
}

#[test]
fn results_fit_and_lose_nothing() {
    let scratch = Scratch::new("widths");
    let run = scratch.path("run.json");
    let (json, _) = text("run SMALL --quiet --format json", &run, 80);
    std::fs::write(&run, json).expect("a file");
    for command in PAGES.iter().chain(LINES) {
        let (widest, _) = text(command, &run, WIDTHS[0]);
        assert!(widest.lines().count() > 1, "{command}: {widest}");
        for width in WIDTHS {
            let (out, err) = text(command, &run, width);
            fits(&out, width, command);
            fits(&err, width, command);
            assert!(
                !out.contains(" \n"),
                "{command} at {width}: spaces at a line's end"
            );
            let there = words(&out);
            let lost: Vec<&str> = words(&widest)
                .into_iter()
                .filter(|word| !is_there(word, &there) && !command.contains(TIMED))
                .collect();
            assert!(lost.is_empty(), "{command} at {width} lost {lost:?}\n{out}");
        }
    }
}

#[test]
fn without_a_terminal_there_are_80_columns() {
    for command in ["explain deepseek-day --pool decode", "check deepseek-day"] {
        let arguments: Vec<&str> = command.split_whitespace().collect();
        let output = start(&arguments).env_remove("COLUMNS").output();
        let bare: Said = output.expect("the program starts").into();
        let (stated, _) = text(command, "", 80);
        assert_eq!(String::from_utf8_lossy(&bare.out), stated, "{command}");
    }
}

#[test]
fn markdown_has_whole_words_at_any_width() {
    for command in PAGES.iter().filter(|command| !command.contains("RUN")) {
        let command = format!("{command} --format markdown");
        let (narrow, _) = text(&command, "", 60);
        let (wide, _) = text(&command, "", 160);
        assert_eq!(narrow, wide, "{command}");
        let lines: Vec<&str> = narrow.lines().collect();
        let heads = lines.windows(2).filter(|pair| pair[1].starts_with("| ---"));
        for head in heads.map(|pair| pair[0]) {
            let hyphen = |(at, _): (usize, &str)| head[..at].ends_with(char::is_alphabetic);
            assert!(!head.match_indices("- ").any(hyphen), "{command}: {head}");
        }
    }
    let (plan, _) = text("plan PLAN --quiet --format markdown", "", 80);
    for head in ["| node-hours |", "| candidates |", "| simulated |"] {
        assert!(plan.contains(head), "{head}: {plan}");
    }
}

#[test]
fn help_fits() {
    for command in HELPS {
        for width in WIDTHS {
            let (out, _) = text(&format!("{command} --help"), "", width);
            fits(&out, width.min(100), command);
        }
    }
}

#[test]
fn errors_fit_but_for_what_they_quote() {
    let commands = [
        "check deepseek-day --set kv_cache.hitrate=0.3",
        "check nothing-of-this-name",
        "plan PLAN --slo ttft_p98=1s",
        "plan PLAN --units decode=1..0",
        "compare SMALL",
        "compare SMALL SMALL --by latency.ttft.p99",
        "sweep SMALL --vary kv_cache.hit_rate",
        "explain deepseek-day",
        "report SMALL",
        "run SMALL --quiet --set limits.requests_in_flight=3",
    ];
    for command in commands {
        for width in WIDTHS {
            let said = said(command, "", width);
            assert!(
                matches!(said.code, Some(1 | 2)),
                "{command}: {:?}",
                said.err
            );
            let is_quoted = |line: &&str| {
                let line = line.trim_start_matches(|c: char| c.is_ascii_digit() || c == ' ');
                ["-->", "|"].iter().any(|mark| line.starts_with(mark))
            };
            let lines: Vec<&str> = said.err.lines().filter(|line| !is_quoted(line)).collect();
            fits(&lines.join("\n"), width.min(100), command);
        }
    }
}
