//! The folder of a run or a plan. One process at a time writes there, and its files come all together.
//!
//! The process holds a lock in the folder from before its work until its end, as a sweep holds that of its
//! ledger; the system releases it, however the process ends. The files are written into a new folder beside the
//! old one, and the two change places in one step of the file system: whoever looks, and whenever the process is
//! killed, finds the files of the old run or those of the new one. What else the old folder held moves over.
//! Where there is no such step (a system without it, a folder that is the working directory or a mount point,
//! a parent that cannot be written) files take their places one by one, the name that says that all are there
//! last.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::{interrupt, output_files};

/// The files of a run in the order in which they are put in place: the last one says that all are there.
pub const OF_A_RUN: [&str; 7] = [
    "scenario.resolved.toml",
    "hours.csv",
    "intervals.csv",
    "requests.csv",
    "requests.parquet",
    "run.log",
    "summary.json",
];

/// The files of a plan in the order in which they are put in place.
pub const OF_A_PLAN: [&str; 4] = ["scenario.toml", "launch.sh", "plan.md", "plan.json"];

/// The file that is locked. In a folder of new files it is also the sign that all of them are there.
const LOCK: &str = ".tokentide.lock";

/// How often another process may take the lock's file away while it is being locked.
const ATTEMPTS: u32 = 1_000;

/// How often an emptied folder is looked at before it counts as not empty.
const LAST_LOOKS: u32 = 10;

/// A folder that this process alone writes to.
#[derive(Debug)]
pub struct Folder {
    dir: PathBuf,
    names: &'static [&'static str],
    lock: File,
}

impl Folder {
    /// Makes a folder ready for files of these names. One that another process writes to is refused, and one
    /// that holds something unless `overwrite`; what killed processes have left does not count and is removed.
    ///
    /// # Errors
    /// A sentence for people: what is in the way and what to do.
    pub fn prepare(
        dir: &Path,
        names: &'static [&'static str],
        overwrite: bool,
    ) -> Result<Self, String> {
        let said = |error: io::Error| format!("cannot use {} for output: {error}", dir.display());
        fs::create_dir_all(dir).map_err(said)?;
        let Some(lock) = lock(dir).map_err(said)? else {
            return Err(format!(
                "another process writes to {} at this moment: let it end, or give another directory to --out",
                dir.display()
            ));
        };
        interrupt::remove_at_end(Some(dir.join(LOCK)));
        let folder = Self {
            dir: dir.to_path_buf(),
            names,
            lock,
        };
        if let Some((_, beside)) = folder.places() {
            folder.clear(&beside).map_err(said)?;
        }
        for name in names {
            output_files::remove(&output_files::beside(dir, name)).map_err(said)?;
        }
        let mut held = fs::read_dir(dir).map_err(said)?.flatten();
        if held.any(|entry| entry.file_name() != LOCK) && !overwrite {
            return Err(format!(
                "{} is not empty; give another directory to --out, or --overwrite to replace the files of an \
                 earlier run",
                dir.display()
            ));
        }
        Ok(folder)
    }

    /// Writes files, of its names in their order, in place of earlier ones; or leaves those as they are.
    ///
    /// # Errors
    /// A sentence for people: which file, and why not.
    pub fn write<T: AsRef<[u8]>>(&self, files: &[(&str, T)]) -> Result<(), String> {
        let _writing = interrupt::not_now();
        let swapped = match self.places() {
            Some((home, beside)) => self.swap(&home, &beside, files),
            None => Ok(false),
        };
        match swapped {
            Ok(true) => Ok(()),
            Ok(false) => output_files::write_these(&self.dir, self.names, files),
            Err((place, error)) => Err(format!("cannot write {}: {error}", place.display())),
        }
    }

    /// The paths of the folder and of the new one beside it; `None`: the folder must stay the one that it is.
    fn places(&self) -> Option<(PathBuf, PathBuf)> {
        let home = fs::canonicalize(&self.dir).ok()?;
        // Whoever stands in it would be left in the old one.
        if std::env::current_dir().is_ok_and(|here| here.starts_with(&home)) {
            return None;
        }
        let name = home.file_name()?.to_str()?;
        let beside = home.with_file_name(format!(".{name}.tokentide"));
        Some((home, beside))
    }

    /// Swaps the new folder into place; false: it could not be, and nothing has changed.
    fn swap<T: AsRef<[u8]>>(
        &self,
        home: &Path,
        beside: &Path,
        files: &[(&str, T)],
    ) -> Result<bool, (PathBuf, io::Error)> {
        let blocked =
            |name: &&&str| fs::symlink_metadata(home.join(name)).is_ok_and(|m| m.is_dir());
        if let Some(name) = self.names.iter().find(blocked) {
            let error = io::Error::from(ErrorKind::IsADirectory);
            return Err((self.dir.join(name), error));
        }
        if fs::create_dir(beside).is_err() {
            return Ok(false);
        }
        for (name, text) in files {
            if let Err(error) = output_files::write_new(&beside.join(name), text.as_ref()) {
                let _ = self.clear(beside);
                return Err((self.dir.join(name), error));
            }
        }
        // From here on what lies there is whole. The lock holds for both folders.
        let done = fs::metadata(home)
            .and_then(|home| fs::set_permissions(beside, home.permissions()))
            .and_then(|()| fs::hard_link(home.join(LOCK), beside.join(LOCK)))
            .and_then(|()| output_files::synchronise(beside))
            .and_then(|()| exchange(home, beside));
        if done.is_err() {
            let _ = self.clear(beside);
            return Ok(false);
        }
        if let Some(parent) = home.parent() {
            let _ = output_files::synchronise(parent);
        }
        self.clear(beside)
            .map_err(|error| (beside.to_path_buf(), error))?;
        Ok(true)
    }

    /// Removes a folder of old files, or of new ones that never took their place; what is not of a run or a plan
    /// goes back to where it was.
    fn clear(&self, beside: &Path) -> io::Result<()> {
        match fs::symlink_metadata(beside) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
            Ok(found) if !found.is_dir() => return fs::remove_file(beside),
            Ok(_) => {}
        }
        let is_whole = fs::symlink_metadata(beside.join(LOCK)).is_ok();
        let known = |name: &OsStr| {
            OF_A_RUN
                .iter()
                .chain(&OF_A_PLAN)
                .any(|known| name == *known)
        };
        for entry in fs::read_dir(beside)? {
            let (name, from) = entry.map(|entry| (entry.file_name(), entry.path()))?;
            let is_own = self.names.iter().any(|own| name == *own);
            if name == LOCK {
                continue;
            }
            let to = self.dir.join(&name);
            let is_free = fs::symlink_metadata(&to).is_err();
            if is_own || known(&name) && !(is_whole && is_free) {
                fs::remove_file(&from)?;
            } else if is_free {
                fs::rename(&from, &to)?;
            }
        }
        // Whoever found the old folder at the last moment may have made a file to lock in it again.
        for _ in 1..LAST_LOOKS {
            output_files::remove(&beside.join(LOCK))?;
            if fs::remove_dir(beside).is_ok() {
                return Ok(());
            }
        }
        output_files::remove(&beside.join(LOCK))?;
        fs::remove_dir(beside)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // The file goes while it is locked: whoever has it open finds that it is not the one that lies there.
        let _ = output_files::remove(&self.dir.join(LOCK));
        let _ = self.lock.unlock();
        interrupt::remove_at_end(None);
    }
}

/// Locks a folder; `None`: another process holds its lock.
fn lock(dir: &Path) -> io::Result<Option<File>> {
    let place = dir.join(LOCK);
    for _ in 0..ATTEMPTS {
        // A link is not followed, and a pipe not waited for.
        if fs::symlink_metadata(&place).is_ok_and(|found| !found.is_file()) {
            return Err(io::Error::other(format!("{LOCK} is not an ordinary file")));
        }
        let mut options = OpenOptions::new();
        let file = options
            .write(true)
            .create(true)
            .truncate(false)
            .open(&place)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            // A file system without locks has room for one process at a time all the same.
            Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => {}
            Err(TryLockError::Error(error)) => return Err(error),
        }
        // The process that held the lock may have removed the file since it was opened.
        if lies_at(&file, &place)? {
            return Ok(Some(file));
        }
    }
    Ok(None)
}

/// Whether an open file is the one that lies at a place.
#[cfg(unix)]
fn lies_at(file: &File, place: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let open = file.metadata()?;
    Ok(fs::symlink_metadata(place)
        .is_ok_and(|there| (there.dev(), there.ino()) == (open.dev(), open.ino())))
}

/// On systems other than Unix an open file cannot be removed: it lies where it was opened.
#[cfg(not(unix))]
fn lies_at(_: &File, _: &Path) -> io::Result<bool> {
    Ok(true)
}

/// Lets two folders change places, in one step.
#[cfg(any(target_os = "linux", target_os = "macos"))]
fn exchange(one: &Path, other: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    Ok(renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE)?)
}

/// On other systems folders cannot change places: an error.
#[cfg(not(any(target_os = "linux", target_os = "macos")))]
fn exchange(_: &Path, _: &Path) -> io::Result<()> {
    Err(ErrorKind::Unsupported.into())
}
