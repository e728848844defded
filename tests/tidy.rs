//! The rules of the house, enforced: layout, dependencies, a core without I/O, portable arithmetic, docs, names.
//!
//! Reads the project's own tree and nothing else. Code is cut into tokens first, so that comments and
//! strings can say what they like; `#[cfg(test)]` items may reach further. Every rule is shown to fail, at the end.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use code::{Token, paths, tokens, type_names, without_tests};
use prose::riddles;

#[path = "tidy/asked.rs"]
mod asked;
#[path = "tidy/code.rs"]
mod code;
#[path = "tidy/prose.rs"]
mod prose;

/// All that lies at the top, besides what .gitignore names.
const TOP_LEVEL: &str = ".ci .gitignore CHANGELOG.md Cargo.lock Cargo.toml LICENSE README.md benches scenarios src tests";

/// Rooms of src/, lowest first, and the rooms that each may use.
const ROOMS: &str = "
    words
    units
    catalog: units words
    traffic: units words
    scenario: traffic catalog units words
    import: scenario catalog units words
    perf: scenario catalog units words
    economics: scenario catalog units words
    workload: scenario catalog units words
    metrics: workload economics scenario catalog units words
    cluster: workload perf economics metrics scenario catalog units words
    engine: cluster workload perf economics metrics scenario catalog units words
    report: engine cluster metrics economics scenario catalog units words
    experiment: report engine cluster workload perf economics metrics scenario traffic catalog units words
    cli: import experiment report engine cluster workload perf economics metrics scenario traffic catalog units words
    internals: import experiment report engine cluster workload perf economics metrics scenario traffic catalog units words
";

/// Rooms that could run in a browser.
const CORE: &str = "engine cluster workload perf economics metrics";

/// Parts of std that the core never names.
const OUTSIDE: &str = "std::fs std::io std::env std::time std::net std::process";

/// Macros that the core never calls.
const PRINTING: &str = "print println eprint eprintln";

/// Words that the core never uses: the host's facts, and maps without an order.
const OUTSIDE_WORDS: &str = "available_parallelism HashMap HashSet FxHashMap FxHashSet";

/// Methods of f64 that differ between platforms; `libm` has them all.
const TRANSCENDENTAL: &str = "exp exp2 exp_m1 ln ln_1p log log2 log10 powf powi cbrt hypot
    sin cos tan sin_cos asin acos atan atan2 sinh cosh tanh asinh acosh atanh gamma ln_gamma";

/// Lines of the longest file.
const LINES_MAX: usize = 500;

#[test]
fn the_top_level_holds_what_it_should() {
    let ignored = fs::read_to_string(root().join(".gitignore")).expect(".gitignore is readable");
    let ignored: Vec<&str> = ignored.lines().map(|line| line.trim_matches('/')).collect();
    let mut found: Vec<String> = fs::read_dir(root())
        .expect("the package's directory is readable")
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .filter(|name| name != ".git" && !ignored.contains(&name.as_str()))
        .collect();
    found.sort();
    let expected: Vec<&str> = TOP_LEVEL.split_whitespace().collect();
    assert_eq!(
        found, expected,
        "left: what lies at the top level; right: what should"
    );
}

#[test]
fn every_source_file_keeps_the_rules() {
    let files: Vec<PathBuf> = ["src", "tests", "benches"]
        .into_iter()
        .flat_map(rust_files)
        .collect();
    assert!(
        files.iter().any(|file| file.ends_with("src/lib.rs")),
        "src/ was not found: {files:?}"
    );
    let mut problems = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).expect("a source file is readable UTF-8");
        let name = file
            .strip_prefix(root())
            .expect("inside the package")
            .to_string_lossy();
        problems.extend(problems_of(&name.replace('\\', "/"), &text));
    }
    assert!(
        problems.is_empty(),
        "{} broken rules:\n{}",
        problems.len(),
        problems.join("\n")
    );
}

#[test]
fn a_type_name_of_src_means_one_thing() {
    let texts: Vec<(String, String)> = rust_files("src")
        .into_iter()
        .map(|file| {
            let text = fs::read_to_string(&file).expect("a source file is readable UTF-8");
            let name = file.strip_prefix(root()).expect("inside the package");
            (name.to_string_lossy().replace('\\', "/"), text)
        })
        .collect();
    let problems = namesakes(&texts);
    assert!(
        problems.is_empty(),
        "{} type names have several meanings: name each type by what it is\n{}",
        problems.len(),
        problems.join("\n")
    );
}

#[test]
fn a_file_name_of_src_means_one_thing() {
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for file in rust_files("src") {
        let name = file.strip_prefix(root()).expect("inside the package");
        let stem = name.file_name().expect("a file has a name");
        let of_name = places.entry(stem.to_string_lossy().into_owned());
        of_name
            .or_default()
            .push(name.to_string_lossy().into_owned());
    }
    places.retain(|name, places| name != "mod.rs" && places.len() > 1);
    assert!(
        places.is_empty(),
        "name each file by what it holds: {places:#?}"
    );
}

/// Type names that are defined more than once, each with the places: `Name: file:line, file:line`.
fn namesakes(files: &[(String, String)]) -> Vec<String> {
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (file, text) in files {
        for (line, name) in type_names(&tokens(text)) {
            let of_name = places.entry(name.to_string()).or_default();
            of_name.push(format!("{file}:{line}"));
        }
    }
    let several = places.into_iter().filter(|(_, places)| places.len() > 1);
    several
        .map(|(name, places)| format!("{name}: {}", places.join(", ")))
        .collect()
}

/// Every broken rule of one file, as `file:line: what, and what to do`.
fn problems_of(file: &str, text: &str) -> Vec<String> {
    let mut found: Vec<(usize, String)> = Vec::new();
    if !text.starts_with("//!") {
        found.push((
            1,
            "start with //! docs: what is modelled, from which source, what is ignored".into(),
        ));
    }
    let lines = text.lines().count();
    if lines > LINES_MAX {
        found.push((
            lines,
            format!("{lines} lines; split by noun, a file has at most {LINES_MAX}"),
        ));
    }
    let tokens = tokens(text);
    found.extend(unfinished(&tokens));
    if file.starts_with("src/") {
        found.extend(riddles(text));
    }
    if file.starts_with("src/") && !file.ends_with("tests.rs") {
        let code = without_tests(&tokens);
        found.extend(misdirected(file, &code));
        found.extend(unportable(&code));
        if has(CORE, room_of(file)) {
            found.extend(impure(&code));
        }
    }
    let gate = ["tests/support/mod.rs", "tests/tidy.rs"].contains(&file);
    if file.starts_with("tests/") && !gate {
        found.extend(silent_skips(text));
    }
    found.sort();
    found
        .into_iter()
        .map(|(line, what)| format!("{file}:{line}: {what}"))
        .collect()
}

/// Marks of unfinished work.
fn unfinished(tokens: &[Token]) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (i, token) in tokens.iter().enumerate() {
        let next = tokens.get(i + 1).map_or("", |next| next.text.as_str());
        let before = if i == 0 {
            ""
        } else {
            tokens[i - 1].text.as_str()
        };
        match token.text.as_str() {
            "todo" | "unimplemented" | "dbg" if next == "!" => {
                found.push((
                    token.line,
                    format!("{}! is not for finished code", token.text),
                ));
            }
            "ignore" if before == "[" => {
                found.push((
                    token.line,
                    "no test is ignored: make it long under TOKENTIDE_SLOW=1".into(),
                ));
            }
            _ => {}
        }
    }
    found
}

/// Mentions of rooms that this file's room may not use.
fn misdirected(file: &str, code: &[Token]) -> Vec<(usize, String)> {
    let room = room_of(file);
    if matches!(room, "main" | "lib") {
        return Vec::new();
    }
    let Some((_, allowed)) = rooms().find(|(name, _)| *name == room) else {
        return vec![(
            1,
            format!("the room `{room}` has no place in ROOMS of tests/tidy.rs"),
        )];
    };
    let inner = file
        .trim_start_matches("src/")
        .trim_end_matches(".rs")
        .trim_end_matches("/mod");
    let depth = inner.split('/').count();
    let mut found = Vec::new();
    for (line, path) in paths(code) {
        let supers = path.iter().take_while(|name| *name == "super").count();
        let used = match path.first().map(String::as_str) {
            Some("crate") => path.get(1),
            Some("super") if supers >= depth => path.get(supers),
            _ => None,
        };
        let Some(used) = used else { continue };
        let is_room = rooms().any(|(name, _)| name == used);
        if is_room && used != room && !has(allowed, used) {
            found.push((
                line,
                format!("`{room}` may not use `{used}`: dependencies point one way"),
            ));
        }
    }
    found
}

/// What would make a core room depend on the machine it runs on.
fn impure(code: &[Token]) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (line, path) in paths(code) {
        let joined = path.join("::");
        let hit = OUTSIDE
            .split_whitespace()
            .find(|out| joined == *out || joined.starts_with(&format!("{out}::")));
        if let Some(out) = hit {
            found.push((
                line,
                format!("`{out}` in the core, which does no I/O and reads no clock"),
            ));
        }
    }
    for (i, token) in code.iter().enumerate() {
        let prints = has(PRINTING, &token.text) && code.get(i + 1).is_some_and(|t| t.text == "!");
        if prints || has(OUTSIDE_WORDS, &token.text) {
            found.push((
                token.line,
                format!("`{}` has no place in the core", token.text),
            ));
        }
    }
    found
}

/// Calls of functions whose last bit depends on the platform.
fn unportable(code: &[Token]) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (i, token) in code.iter().enumerate().skip(1) {
        let method =
            code[i - 1].text == "." && code.get(i + 1).is_some_and(|next| next.text == "(");
        let function = i >= 2
            && code[i - 1].text == "::"
            && ["f64", "f32"].contains(&code[i - 2].text.as_str());
        if (method || function) && has(TRANSCENDENTAL, &token.text) {
            let what = format!("`{0}` differs between platforms: use libm::{0}", token.text);
            found.push((token.line, what));
        }
    }
    found
}

/// Tests that read the gates themselves, or say "skipped" themselves, instead of asking tests/support, which counts.
fn silent_skips(text: &str) -> Vec<(usize, String)> {
    let gates = [
        "\"TOKENTIDE_SLOW\"",
        "\"TOKENTIDE_DATA\"",
        "\"TOKENTIDE_SEEDS\"",
        "ln!(\"skipped",
    ];
    let lines = (1..).zip(text.lines());
    lines
        .filter(|(_, line)| gates.iter().any(|gate| line.contains(gate)))
        .map(|(n, _)| {
            (
                n,
                "ask tests/support/mod.rs, so that what is left out is said and counted".into(),
            )
        })
        .collect()
}

/// Whether `word` is one of `words`.
fn has(words: &str, word: &str) -> bool {
    words.split_whitespace().any(|one| one == word)
}

/// [`ROOMS`], line by line: a room and what it may use.
fn rooms() -> impl Iterator<Item = (&'static str, &'static str)> {
    let lines = ROOMS.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.map(|line| line.split_once(':').unwrap_or((line, "")))
}

/// The first part of a path under src/: `engine` of `src/engine/clock.rs`, `units` of `src/units.rs`.
fn room_of(file: &str) -> &str {
    let inner = file.trim_start_matches("src/");
    inner
        .split('/')
        .next()
        .unwrap_or(inner)
        .trim_end_matches(".rs")
}

/// The package's directory.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file below a directory of the package, in order.
fn rust_files(dir: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![root().join(dir)];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(&dir).into_iter().flatten() {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|ext| ext == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Asserts which lines of `code` break rules when it stands (after one line of docs) in `file`.
fn broken(file: &str, code: &str, lines: &[usize]) {
    let problems = problems_of(file, &format!("//! Docs.\n{code}"));
    let at: Vec<String> = lines.iter().map(|line| format!("{file}:{line}:")).collect();
    let same =
        problems.len() == at.len() && problems.iter().zip(&at).all(|(p, at)| p.starts_with(at));
    assert!(
        same,
        "expected problems at {at:?}, got {problems:#?}\nin: {code}"
    );
}

#[test]
fn each_rule_can_fail() {
    assert_eq!(
        problems_of("src/units.rs", "/// No inner docs.\nfn f() {}").len(),
        1
    );
    broken("src/units.rs", &"\n".repeat(LINES_MAX), &[LINES_MAX + 1]);
    broken(
        "src/units.rs",
        "fn f() {\n  todo!()\n}\n#[ignore]\nfn g() {}",
        &[3, 5],
    );
    broken(
        "src/perf/a.rs",
        "use crate::units::X;\nuse crate::engine::Y;",
        &[3],
    );
    broken(
        "src/perf/a.rs",
        "use crate::{\n  units::X,\n  report::{Y, Z},\n};",
        &[4, 4],
    );
    broken(
        "src/perf/a.rs",
        "fn f() { super::super::cli::g(); super::engine::h(); }",
        &[2],
    );
    broken("src/attic/a.rs", "", &[1]);
    broken("src/units.rs", "/// Of these, cached.\nfn f() {}", &[2]);
    broken("tests/a.rs", "/// Of these, cached.\nfn f() {}", &[]);
    broken(
        "src/engine/a.rs",
        "use std::{fmt, io::Read};\nfn f() { std::time::Instant::now(); }",
        &[2, 3],
    );
    broken(
        "src/metrics/a.rs",
        "use std::collections::HashMap;\nfn f() { println!(); }",
        &[2, 3],
    );
    broken(
        "src/report/a.rs",
        "fn f(x: f64) { x.ln(); 2.0.powi(3); f64::exp(x); libm::exp(x); x.sqrt(); }",
        &[2, 2, 2],
    );
    broken(
        "tests/a.rs",
        "fn f() { std::env::var(\"TOKENTIDE_SLOW\"); }\nfn g() { eprintln!(\"skipped: x\"); }",
        &[2, 3],
    );
}

#[test]
fn comments_literals_and_tests_are_free() {
    broken(
        "src/engine/a.rs",
        "// todo!() x.ln()\n/* println!() /* crate::cli */ */",
        &[],
    );
    broken(
        "src/engine/a.rs",
        "const A: &str = \"crate::cli::x \\\" println!()\";",
        &[],
    );
    broken(
        "src/engine/a.rs",
        "const A: &str = r#\"todo!() \" dbg!()\"#; const B: char = '\"';",
        &[],
    );
    broken(
        "src/engine/a.rs",
        "fn f<'a>(x: &'a str) {}\n#[cfg(test)]\nmod tests { use std::fs; }",
        &[],
    );
    broken(
        "src/engine/a.rs",
        "#[cfg(test)]\nmod tests { }\nfn f() { println!(); }",
        &[4],
    );
}

#[test]
fn types_of_one_name_are_found_and_associated_types_are_free() {
    let found = |texts: &[&str]| {
        let files = texts.iter().enumerate();
        let files: Vec<_> = files
            .map(|(i, text)| (format!("src/{i}.rs"), (*text).to_string()))
            .collect();
        namesakes(&files)
    };
    let rows = [
        "//! Docs.\npub struct Row;",
        "#[derive(Clone)]\npub(crate) enum Row { A }",
        "mod tests {\n  type Row = u8;\n}",
        "unsafe trait Row {}",
        "fn f() { union Row { a: u8 } }",
    ];
    let all = "Row: src/0.rs:2, src/1.rs:2, src/2.rs:2, src/3.rs:1, src/4.rs:1";
    assert_eq!(found(&rows), [all]);
    let free = [
        "impl Iterator for A { type Item = u8; fn next(&mut self) {} }\nstruct Whole;",
        "trait B { type Item; type Other; }\nimpl B for A { type Item = u8; type Other = u8; }",
        "// struct Whole;\nconst A: &str = \"enum Whole {}\"; fn f(a: impl B) { a.union(b); }",
    ];
    assert_eq!(found(&free), [""; 0]);
    let after = [
        "impl A { type Item = u8; }\ntype Item = u8;",
        "struct Item;",
    ];
    assert_eq!(found(&after), ["Item: src/0.rs:2, src/1.rs:1"]);
}
