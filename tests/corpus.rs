//! The kept corpus of the fuzz targets, played once: what was found there stays mended.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

#[path = "fuzz/targets.rs"]
mod targets;

#[test]
fn every_kept_input_is_handled() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus");
    for (name, target) in targets::ALL {
        let entries = fs::read_dir(corpus.join(name)).expect("a corpus for every target");
        let mut inputs: Vec<PathBuf> = entries.map(|e| e.expect("an entry").path()).collect();
        inputs.sort();
        assert!(!inputs.is_empty(), "the corpus of {name} is empty");
        for input in inputs {
            // shown where the test fails
            println!("{}", input.display());
            target(&fs::read(&input).expect("an input"));
        }
    }
}

/// Every key and every word of scenario files, as their schema has them.
fn words_of(schema: &Value, words: &mut BTreeSet<String>) {
    match schema {
        Value::Object(fields) => {
            for (key, value) in fields {
                match (key.as_str(), value) {
                    ("const", Value::String(word)) => {
                        words.insert(word.clone());
                    }
                    ("enum", Value::Array(all)) => {
                        let all = all.iter().filter_map(Value::as_str);
                        words.extend(all.map(str::to_owned));
                    }
                    ("properties", Value::Object(keys)) => words.extend(keys.keys().cloned()),
                    _ => {}
                }
                words_of(value, words);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| words_of(item, words)),
        _ => {}
    }
}

/// `UPDATE_FUZZ_WORDS=1 cargo test --test corpus` adds what is missing.
#[test]
fn the_fuzzing_knows_every_word_of_scenario_files() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let schema = fs::read_to_string(root.join("scenarios/scenario.schema.json"));
    let schema = serde_json::from_str(&schema.expect("the schema")).expect("JSON");
    let mut words = BTreeSet::new();
    words_of(&schema, &mut words);
    assert!(words.contains("router") && words.contains("least-kv"));
    let path = root.join("tests/fuzz/words");
    let known = fs::read_to_string(&path).expect("the words");
    let mut lines: BTreeSet<&str> = known.lines().filter(|l| l.starts_with('"')).collect();
    let quoted: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
    let missing = quoted
        .iter()
        .filter(|word| !known.lines().any(|line| line == *word));
    let missing: Vec<&str> = missing.map(String::as_str).collect();
    if std::env::var_os("UPDATE_FUZZ_WORDS").is_some() {
        lines.extend(&missing);
        let head = known.lines().take_while(|line| !line.starts_with('"'));
        let all: Vec<&str> = head.chain(lines.iter().copied()).collect();
        fs::write(&path, all.join("\n") + "\n").expect("the words are written");
    } else {
        assert_eq!(missing, Vec::<&str>::new(), "missing in tests/fuzz/words");
    }
}
