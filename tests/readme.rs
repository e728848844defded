//! The README's transcripts, run as they stand.
//!
//! A transcript is a block marked `console`. Those that play a whole day are left out of the short form.

mod support;

use std::fs;
use std::path::{Path, PathBuf};

/// A command that plays a whole day of a hundred million requests.
const WHOLE_DAY: &str = "$ tokentide run deepseek-day";

#[test]
fn transcripts_are_true() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let text = fs::read_to_string(&readme).expect("README.md is readable");
    let slow = support::slow("transcripts of whole days");
    let (mut kept, mut blocks) = (String::new(), 0);
    let mut rest = text.as_str();
    while let Some((_, block)) = rest.split_once("\n```console\n") {
        let (block, after) = block.split_once("\n```").expect("every block ends");
        rest = after;
        if slow || !block.contains(WHOLE_DAY) {
            // the empty line ends the output's last line
            kept.push_str(&format!("```console\n{block}\n\n```\n\n"));
            blocks += 1;
        }
    }
    assert!(blocks >= 2, "README.md has {blocks} transcripts");
    // commands run in a new directory, which trycmd finds by its name
    let scratch = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("readme");
    let _ = fs::remove_dir_all(&scratch);
    fs::create_dir_all(scratch.join("transcripts.in"))
        .expect("the temporary directory can be written");
    for name in ["bench.json", "config.json", "server.toml"] {
        let file = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/bring")
            .join(name);
        fs::copy(file, scratch.join("transcripts.in").join(name)).expect("a copy can be made");
    }
    let server = include_str!("bring/server.toml");
    assert!(
        text.contains(&format!("```toml\n{server}```")),
        "README.md shows another server.toml"
    );
    let transcripts = scratch.join("transcripts.md");
    fs::write(&transcripts, kept).expect("the temporary directory can be written");
    trycmd::TestCases::new().case(transcripts).run();
}
