//! Who decides by a word is asked about a new one: no `match` on an enum of `words!` ends in `_`.

use std::fs;

use crate::code::{Token, tokens, without_tests};
use crate::{root, rust_files};

#[test]
fn a_new_word_is_asked_about_wherever_it_decides() {
    let files: Vec<_> = ["src", "tests/reference"]
        .into_iter()
        .flat_map(rust_files)
        .map(|file| {
            let text = fs::read_to_string(&file).expect("a source file is readable UTF-8");
            let name = file.strip_prefix(root()).expect("inside the package");
            (name.display().to_string(), tokens(&text))
        })
        .collect();
    let enums: Vec<String> = files.iter().flat_map(|(_, code)| worded(code)).collect();
    assert!(
        enums.len() > 10,
        "enums with words were not found: {enums:?}"
    );
    let mut problems = Vec::new();
    for (file, code) in &files {
        for (line, name) in unasked(&without_tests(code), &enums) {
            problems.push(format!("{file}:{line}: `_` decides for what joins {name}"));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// Names of enums that `words!` defines.
fn worded(code: &[Token]) -> Vec<String> {
    let mut found = Vec::new();
    let mut inside = false;
    for (i, token) in code.iter().enumerate() {
        let next = |n: usize| code.get(i + n).map_or("", |t| t.text.as_str());
        match token.text.as_str() {
            "words" if next(1) == "!" => inside = next(2) == "{",
            "enum" if inside && next(1) != "$" => {
                found.push(next(1).to_string());
                inside = false;
            }
            _ => {}
        }
    }
    found
}

/// Matches with an arm `_` beside arms of these enums: the line of `_`, and the enum.
fn unasked<'a>(code: &[Token], enums: &'a [String]) -> Vec<(usize, &'a str)> {
    let mut found = Vec::new();
    for (at, token) in code.iter().enumerate() {
        if token.text != "match" {
            continue;
        }
        let patterns = patterns(&code[at + 1..]);
        let decided = patterns.iter().find_map(|pattern| {
            let paths = pattern.windows(2).filter(|pair| pair[1].text == "::");
            let mut names = paths.map(|pair| pair[0].text.as_str());
            names.find_map(|name| enums.iter().find(|known| *known == name))
        });
        let wild = patterns
            .iter()
            .find(|p| matches!(p, [one] if one.text == "_"));
        if let (Some(decided), Some(wild)) = (decided, wild) {
            found.push((wild[0].line, decided.as_str()));
        }
    }
    found
}

/// The patterns of the match whose scrutinee begins here.
fn patterns(code: &[Token]) -> Vec<&[Token]> {
    let depth_of = |text: &str| match text {
        "(" | "[" | "{" => 1,
        ")" | "]" | "}" => -1,
        _ => 0,
    };
    let mut depth = 0;
    let mut at = 0;
    while let Some(token) = code.get(at).filter(|t| depth > 0 || t.text != "{") {
        depth += depth_of(&token.text);
        at += 1;
    }
    let (mut found, mut from, mut in_pattern) = (Vec::new(), at + 1, true);
    at += 1;
    depth = 0;
    while let Some(token) = code.get(at).filter(|t| depth > 0 || t.text != "}") {
        let next = code.get(at + 1).map_or("", |t| t.text.as_str());
        if in_pattern && depth == 0 && token.text == "=" && next == ">" {
            found.push(pattern(&code[from..at]));
            in_pattern = false;
            at += 1;
        } else {
            depth += depth_of(&token.text);
            let is_end = depth == 0 && (token.text == "," || token.text == "}");
            if !in_pattern && is_end {
                if token.text == "}" && next == "," {
                    at += 1;
                }
                let goes_on = code
                    .get(at + 1)
                    .is_some_and(|t| [".", "?"].contains(&t.text.as_str()));
                if !goes_on {
                    (from, in_pattern) = (at + 1, true);
                }
            }
        }
        at += 1;
    }
    found
}

/// What remains of an arm before `=>` without a guard, and without the rest of a body in which `<` and `>` stand.
fn pattern(arm: &[Token]) -> &[Token] {
    let mut depth = 0;
    let (mut from, mut to) = (0, arm.len());
    for (at, token) in arm.iter().enumerate() {
        match token.text.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            "," if depth == 0 => (from, to) = (at + 1, arm.len()),
            "if" if depth == 0 => to = to.min(at.max(from + 2).min(arm.len())),
            _ => {}
        }
    }
    &arm[from..to]
}

#[test]
fn what_is_not_asked_is_found() {
    let enums = worded(&tokens(
        "words! { /// A.\n pub enum Router { A = \"a\": \"b\", } } enum Other { B }",
    ));
    assert_eq!(enums, ["Router"]);
    let at = |text: &str| unasked(&tokens(text), &enums).len();
    assert_eq!(at("match router { Router::A => 1, _ => 2 }"), 1);
    assert_eq!(
        at("match f(|x| { x }) { Some(Router::A) => { a(); } None => 3, _ => 2 }"),
        1
    );
    assert_eq!(
        at("match router { Router::A => match x { _ => 2 }, Router::B => 1 }"),
        0
    );
    assert_eq!(
        at("match router { Router::A if x => 1, Router::A | Router::B => { 2 } }"),
        0
    );
    assert_eq!(at("match x { Some(y) if y == Router::A => 1, _ => 2 }"), 0);
    assert_eq!(at("match r { Router::A => f::<A, B>(1), _ => 2 }"), 1);
    assert_eq!(at("match x { _ if y => 1, Router::A => 2 }"), 0);
    assert_eq!(at("match other { Other::B => 1, _ => 2 }"), 0);
}
