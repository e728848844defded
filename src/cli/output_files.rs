//! Output files: all written beside their places first, then renamed, so that none is ever half there and
//! the last one stands only beside those of its own run.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Writes files of these names, the last of which says that all are there. Until all of them are on the disk,
/// those of an earlier run stay as they are.
///
/// # Errors
/// A sentence for people: which file, and why not.
pub fn write_these<T: AsRef<[u8]>>(
    dir: &Path,
    names: &[&str],
    files: &[(&str, T)],
) -> Result<(), String> {
    write_then(dir, files, || remove_old(dir, names))
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
pub fn beside(dir: &Path, name: &str) -> PathBuf {
    dir.join(format!(".{name}.partial"))
}

fn write_beside(path: &Path, bytes: &[u8]) -> io::Result<()> {
    remove(path)?;
    write_new(path, bytes)
}

/// Writes a new file, onto the disk.
///
/// # Errors
/// What the system says.
pub fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // New: whatever somebody has put there meanwhile, a link perhaps, is not followed.
    let mut file = fs::File::create_new(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Removes the files of an earlier run, all of which would otherwise stand beside new ones.
fn remove_old(dir: &Path, names: &[&str]) -> Result<(), (PathBuf, io::Error)> {
    // From the last name to the first: what says that all are there goes before the others.
    for name in names.iter().rev() {
        let place = dir.join(name);
        remove(&place).map_err(|error| (place, error))?;
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
    // The names are on the disk too.
    let _ = synchronise(dir);
    Ok(())
}

/// Sees to it that the names in a directory are on the disk, where the system lets a directory be synchronised.
///
/// # Errors
/// What the system says.
#[cfg(unix)]
pub fn synchronise(dir: &Path) -> io::Result<()> {
    fs::File::open(dir).and_then(|dir| dir.sync_all())
}

/// Does nothing where the system has no way to synchronise a directory.
///
/// # Errors
/// None.
#[cfg(not(unix))]
pub fn synchronise(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Removes a file that need not be there.
///
/// # Errors
/// What the system says.
pub fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
