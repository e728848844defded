//! Output files: all written beside their places first, then renamed, so that none is ever half there and
//! the last one stands only beside those of its own run.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The files of a run in the order in which they are put in place: the last one says that all are there.
pub const OF_A_RUN: [&str; 5] = [
    "scenario.resolved.toml",
    "hours.csv",
    "intervals.csv",
    "run.log",
    "summary.json",
];

/// Makes the directory ready. One that holds something is refused unless `overwrite`; what an
/// interrupted run has left of its files does not count and is removed.
///
/// # Errors
/// A sentence for people: what is in the way and what to do.
pub fn prepare(dir: &Path, overwrite: bool) -> Result<(), String> {
    prepare_for(dir, &OF_A_RUN, overwrite)
}

/// The same for files of these names.
///
/// # Errors
/// As for [`prepare`].
pub fn prepare_for(dir: &Path, names: &[&str], overwrite: bool) -> Result<(), String> {
    let said = |error: io::Error| format!("cannot use {} for output: {error}", dir.display());
    fs::create_dir_all(dir).map_err(said)?;
    for name in names {
        remove(&beside(dir, name)).map_err(said)?;
    }
    let occupied = fs::read_dir(dir).map_err(said)?.next().is_some();
    if occupied && !overwrite {
        return Err(format!(
            "{} is not empty; give another directory to --out, or --overwrite to replace the files of an earlier run",
            dir.display()
        ));
    }
    // Whether a file can be made there is better known now than after minutes of work.
    if let Some(name) = names.last() {
        let probe = beside(dir, name);
        fs::File::create_new(&probe)
            .and_then(|_| remove(&probe))
            .map_err(said)?;
    }
    Ok(())
}

/// Writes the files of a run, names of [`OF_A_RUN`] in that order. Until all of them are on the disk,
/// those of an earlier run stay as they are.
///
/// # Errors
/// A sentence for people: which file, and why not.
pub fn write<T: AsRef<[u8]>>(dir: &Path, files: &[(&str, T)]) -> Result<(), String> {
    write_these(dir, &OF_A_RUN, files)
}

/// The same for files of these names, the last of which says that all are there.
///
/// # Errors
/// As for [`write`].
pub fn write_these<T: AsRef<[u8]>>(
    dir: &Path,
    names: &[&str],
    files: &[(&str, T)],
) -> Result<(), String> {
    write_then(dir, files, || remove_stale(dir, names, files))
}

/// Writes files over earlier ones of the same names, which stay until all are on the disk.
///
/// # Errors
/// A sentence for people: which file, and why not.
pub fn replace<T: AsRef<[u8]>>(dir: &Path, files: &[(&str, T)]) -> Result<(), String> {
    write_then(dir, files, || Ok(()))
}

/// Writes all files beside their places, then does what `before` says, then puts them in place.
fn write_then<T: AsRef<[u8]>>(
    dir: &Path,
    files: &[(&str, T)],
    before: impl FnOnce() -> Result<(), (PathBuf, io::Error)>,
) -> Result<(), String> {
    let done = files
        .iter()
        .try_for_each(|(name, text)| {
            write_beside(&beside(dir, name), text.as_ref()).map_err(|error| (dir.join(name), error))
        })
        .and_then(|()| before())
        .and_then(|()| put_in_place(dir, files));
    done.map_err(|(place, error)| {
        // What is left of the attempt is no result; if it cannot go, its name says so.
        for (name, _) in files {
            let _ = remove(&beside(dir, name));
        }
        format!("cannot write {}: {error}", place.display())
    })
}

/// Where a file is written before it is put in place.
fn beside(dir: &Path, name: &str) -> PathBuf {
    dir.join(format!(".{name}.partial"))
}

fn write_beside(path: &Path, bytes: &[u8]) -> io::Result<()> {
    remove(path)?;
    // New: whatever somebody has put there meanwhile, a link perhaps, is not followed.
    let mut file = fs::File::create_new(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Removes what would stand beside the files of this run and is not of it.
fn remove_stale<T: AsRef<[u8]>>(
    dir: &Path,
    names: &[&str],
    files: &[(&str, T)],
) -> Result<(), (PathBuf, io::Error)> {
    // From the last name to the first: what says that all are there goes before the others.
    for name in names.iter().rev() {
        let stale = Some(name) == names.last() || files.iter().all(|(n, _)| n != name);
        if stale {
            let place = dir.join(name);
            remove(&place).map_err(|error| (place, error))?;
        }
    }
    Ok(())
}

fn put_in_place<T: AsRef<[u8]>>(
    dir: &Path,
    files: &[(&str, T)],
) -> Result<(), (PathBuf, io::Error)> {
    for (name, _) in files {
        let place = dir.join(name);
        fs::rename(beside(dir, name), &place).map_err(|error| (place, error))?;
    }
    // The names are on the disk too. Not every system lets a directory be synchronised.
    let _ = fs::File::open(dir).and_then(|dir| dir.sync_all());
    Ok(())
}

/// Removes a file that need not be there.
fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
