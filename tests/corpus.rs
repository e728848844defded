//! The kept corpus of the fuzz targets, played once: what was found there stays mended.

use std::fs;
use std::path::{Path, PathBuf};

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
