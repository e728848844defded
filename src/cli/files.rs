//! Output files: written beside their place and renamed, so that none is ever half there.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

/// Makes the directory ready. One that holds something is refused unless `overwrite`.
///
/// # Errors
/// A sentence for people: what is in the way and what to do.
pub fn prepare(dir: &Path, overwrite: bool) -> Result<(), String> {
    let said = |error: io::Error| format!("cannot use {} for output: {error}", dir.display());
    fs::create_dir_all(dir).map_err(said)?;
    let occupied = fs::read_dir(dir).map_err(said)?.next().is_some();
    if occupied && !overwrite {
        return Err(format!(
            "{} is not empty; give another directory to --out, or --overwrite to replace the files of an earlier run",
            dir.display()
        ));
    }
    Ok(())
}

/// Writes one file whole, or not at all.
///
/// # Errors
/// A sentence for people: which file, and why not.
pub fn write(dir: &Path, name: &str, text: &str) -> Result<(), String> {
    let place = dir.join(name);
    let beside = dir.join(format!(".{name}.partial"));
    let attempt = || -> io::Result<()> {
        let mut file = fs::File::create(&beside)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&beside, &place)
    };
    attempt().map_err(|error| {
        // What is left of the attempt is no result; if it cannot go, its name says so.
        let _ = fs::remove_file(&beside);
        format!("cannot write {}: {error}", place.display())
    })
}
