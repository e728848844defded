//! The ledger: what is done of a sweep.
//!
//! A sweep's folder holds `sweep.json` (the manifest) and one ledger for each shard that wrote there, a line a run:
//! `{"check":"…","entry":{…}}`, where the check is the FNV-1a hash of the entry's text. Lines are only appended, in one
//! piece, and synchronised with the disk. So a program that is killed leaves at most an unfinished last line, which
//! does not count; a line that is damaged otherwise is an error and is never passed over. One process at a time writes
//! a ledger: it holds a lock, which the system releases when it ends, however it ends. Reading takes all ledgers of a
//! folder together, so that nobody repeats what another has done.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::entry::SweepEntry;
use super::manifest::Manifest;
use super::shard::Shard;
use crate::scenario::{Unread, check_ordinary, read_ordinary, read_ordinary_text, text_hash};

/// File name of the manifest.
pub const MANIFEST: &str = "sweep.json";

/// Largest manifest that is read, 1 GiB: a run has some hundred bytes, and a sweep at most a million runs.
const MAX_MANIFEST_BYTES: u64 = 1 << 30;
/// Largest ledger that is read, 8 GiB: a run has some kilobytes.
const MAX_LEDGER_BYTES: u64 = 8 << 30;

/// Text before a line's hash; [`MIDDLE`] stands between the hash and the entry, [`END`] behind it.
const BEGIN: &str = "{\"check\":\"";
const MIDDLE: &str = "\",\"entry\":";
const END: &str = "}";
/// Number of digits of the hash.
const DIGITS: usize = 32;

/// Results of the runs that are done, by the key of the run.
pub type Done = BTreeMap<String, SweepEntry>;

/// A ledger open for writing.
#[derive(Debug)]
pub struct Ledger {
    file: File,
    path: PathBuf,
    /// Bytes of the whole lines in the file.
    length: u64,
    /// When the lines were last known to be on the disk, and whether all of them still are.
    synchronised: (Instant, bool),
}

/// Time between runs below which they are synchronised together.
const PATIENCE: Duration = Duration::from_millis(200);

/// Claims a folder for a sweep, or finds that it belongs to it.
///
/// # Errors
/// A sentence for people: the folder cannot be used, or belongs to something else.
pub fn claim(dir: &Path, manifest: &Manifest) -> Result<(), String> {
    let shown = dir.display();
    let cannot = |error: std::io::Error| format!("cannot use {shown} for output: {error}");
    fs::create_dir_all(dir).map_err(cannot)?;
    let place = dir.join(MANIFEST);
    if !place.exists() {
        let occupied = fs::read_dir(dir).map_err(cannot)?.flatten().any(|entry| {
            let name = entry.file_name();
            !name.to_string_lossy().starts_with('.')
        });
        if occupied {
            return Err(format!(
                "{shown} is not empty and holds no sweep; give another folder to --out"
            ));
        }
        // Others may do the same at this moment: each writes a file of its own, with the same bytes.
        let own = dir.join(format!(".{MANIFEST}.{}.partial", std::process::id()));
        let written = File::create(&own)
            .and_then(|mut file| {
                file.write_all(manifest.text().as_bytes())?;
                file.sync_all()
            })
            .and_then(|()| fs::rename(&own, &place));
        if let Err(error) = written
            && !place.exists()
        {
            let _ = fs::remove_file(&own);
            return Err(cannot(error));
        }
    }
    same(dir, manifest)
}

/// Removes what processes have left that were killed while they claimed the folder.
pub fn tidy(dir: &Path) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(&format!(".{MANIFEST}.")) && name.ends_with(".partial") {
            // If it cannot go, it is in nobody's way.
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Checks that a folder is that of this sweep.
///
/// # Errors
/// A sentence for people: it is not, or it is damaged.
pub fn same(dir: &Path, manifest: &Manifest) -> Result<(), String> {
    let shown = dir.display();
    let found = read_manifest(dir)?;
    if found == *manifest {
        return Ok(());
    }
    Err(if found.version == manifest.version {
        format!(
            "{shown} holds another sweep (of \"{}\", {} runs over {}): give another folder to --out, or ask \
             for the same scenario, axes, sample and replications again",
            crate::report::format::plain(&found.scenario),
            found.runs.len(),
            crate::report::format::plain(&found.keys.join(", "))
        )
    } else {
        format!(
            "{shown} was begun by tokentide {}, and this is {}: go on with that version, or give another \
             folder to --out",
            crate::report::format::plain(&found.version),
            manifest.version
        )
    })
}

/// Reads the manifest of a folder.
///
/// # Errors
/// A sentence for people: there is none, or it is damaged.
pub fn read_manifest(dir: &Path) -> Result<Manifest, String> {
    let place = dir.join(MANIFEST);
    let text = read_ordinary_text(&place, MAX_MANIFEST_BYTES).map_err(|error| {
        format!(
            "{} is not the folder of a sweep: cannot read {}: {error}",
            dir.display(),
            place.display()
        )
    })?;
    let damaged = |what: String| {
        format!(
            "{} is damaged ({what}): delete it and start the sweep again with the same command; what the \
             ledgers hold is not repeated",
            place.display()
        )
    };
    let found: Manifest = serde_json::from_str(&text).map_err(|e| damaged(e.to_string()))?;
    // What another version may say is not known here.
    match found.impossible() {
        Some(what) if found.version == env!("CARGO_PKG_VERSION") => Err(damaged(what.to_owned())),
        _ => Ok(found),
    }
}

/// Reads all results that the ledgers of a folder hold.
///
/// # Errors
/// A sentence for people: which line of which file is damaged, and what to do.
pub fn read(dir: &Path) -> Result<Done, String> {
    let mut names: Vec<PathBuf> = fs::read_dir(dir)
        .map_err(|error| format!("cannot read {}: {error}", dir.display()))?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| Shard::of_ledger(path).is_some())
        .collect();
    names.sort();
    let mut done = Done::new();
    for path in names {
        let text = read_ordinary(&path, MAX_LEDGER_BYTES)
            .map_err(|why| format!("cannot read {}: {why}", path.display()))?;
        gather(&mut done, lines(&path, &text)?.0, &path)?;
    }
    Ok(done)
}

/// Adds entries to the results; the same run twice must have the same result.
///
/// # Errors
/// A sentence for people: two results of one run differ.
pub fn gather(
    done: &mut Done,
    entries: impl IntoIterator<Item = SweepEntry>,
    path: &Path,
) -> Result<(), String> {
    for entry in entries {
        if let Some(known) = done.get(&entry.key)
            && *known != entry
        {
            return Err(format!(
                "{} has another result for the run {} than another ledger; the same scenario, seed and \
                 version must give the same result: this is a fault of tokentide, please report it",
                path.display(),
                entry.key
            ));
        }
        done.insert(entry.key.clone(), entry);
    }
    Ok(())
}

/// The entries of a ledger's text, and the bytes of its whole lines.
fn lines(path: &Path, text: &[u8]) -> Result<(Vec<SweepEntry>, usize), String> {
    let whole = text.iter().rposition(|b| *b == b'\n').map_or(0, |i| i + 1);
    let mut entries = Vec::new();
    for (i, line) in text[..whole].split_inclusive(|b| *b == b'\n').enumerate() {
        let line = std::str::from_utf8(line).ok();
        let Some(entry) = line.and_then(|line| read_line(line.strip_suffix('\n')?)) else {
            let shown = path.display();
            return Err(format!(
                "{shown} is damaged in line {n}: its text does not fit its checksum. Nothing was changed. \
                 Restore the file, or take the line out (sed -i {n}d {shown}) and start the sweep again with \
                 the same command: only the run of that line is repeated",
                n = i + 1
            ));
        };
        if let Some(what) = entry.impossible() {
            let shown = path.display();
            return Err(format!(
                "{shown} is damaged in line {n}: no run says this: {what}. Nothing was changed. Restore the file, or \
                 take the line out (sed -i {n}d {shown}) and start the sweep again with the same command: only the \
                 run of that line is repeated",
                n = i + 1
            ));
        }
        entries.push(entry);
    }
    Ok((entries, whole))
}

fn read_line(line: &str) -> Option<SweepEntry> {
    let rest = line.strip_prefix(BEGIN)?;
    let (check, rest) = rest.split_at_checked(DIGITS)?;
    let entry = rest.strip_prefix(MIDDLE)?.strip_suffix(END)?;
    (text_hash(entry) == check)
        .then(|| serde_json::from_str(entry).ok())
        .flatten()
}

fn write_line(entry: &SweepEntry) -> String {
    let entry = serde_json::to_string(entry).expect("an entry has only text as keys");
    format!("{BEGIN}{}{MIDDLE}{entry}{END}\n", text_hash(&entry))
}

impl Ledger {
    /// Opens the ledger of a shard for writing, behind its last whole line.
    ///
    /// # Errors
    /// A sentence for people: somebody else writes it, it is damaged, or it cannot be written.
    pub fn open(dir: &Path, shard: Shard) -> Result<Self, String> {
        let path = dir.join(shard.ledger());
        let cannot = |error: std::io::Error| format!("cannot write {}: {error}", path.display());
        // A pipe in its place would be waited for.
        match check_ordinary(&path, MAX_LEDGER_BYTES) {
            Ok(()) | Err(Unread::Absent) => {}
            Err(why) => return Err(format!("cannot write {}: {why}", path.display())),
        }
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true);
        let mut file = options.open(&path).map_err(cannot)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(format!(
                    "another process writes {} at this moment: let it end, or give this sweep another folder \
                     (--out) or another shard (--shard)",
                    path.display()
                ));
            }
            Err(TryLockError::Error(error)) => return Err(cannot(error)),
        }
        let mut text = Vec::new();
        file.read_to_end(&mut text).map_err(cannot)?;
        let (_, whole) = lines(&path, &text)?;
        if whole < text.len() {
            // An unfinished line of a process that was killed: its run is repeated.
            file.set_len(whole as u64).map_err(cannot)?;
            file.seek(SeekFrom::End(0)).map_err(cannot)?;
        }
        Ok(Self {
            length: whole as u64,
            file,
            path,
            synchronised: (Instant::now(), true),
        })
    }

    /// Writes a run down: from then on a kill of this program does not lose it, and, unless others follow at
    /// once, a failing machine neither. [`Ledger::finish`] says when all are on the disk.
    ///
    /// # Errors
    /// A sentence for people. The ledger then is as it was before.
    pub fn append(&mut self, entry: &SweepEntry) -> Result<(), String> {
        self.write(&write_line(entry))?;
        if self.synchronised.0.elapsed() < PATIENCE {
            return Ok(());
        }
        self.synchronise()
    }

    /// Writes runs down, all or none, on the disk.
    ///
    /// # Errors
    /// As for [`Ledger::append`].
    pub fn append_all<'a>(
        &mut self,
        entries: impl IntoIterator<Item = &'a SweepEntry>,
    ) -> Result<(), String> {
        let lines: String = entries.into_iter().map(write_line).collect();
        self.write(&lines)?;
        self.synchronise()
    }

    /// Returns when all that was written is on the disk.
    ///
    /// # Errors
    /// A sentence for people.
    pub fn finish(mut self) -> Result<(), String> {
        if self.synchronised.1 {
            return Ok(());
        }
        self.synchronise()
    }

    fn write(&mut self, lines: &str) -> Result<(), String> {
        self.synchronised.1 = false;
        self.file.write_all(lines.as_bytes()).map_err(|error| {
            // If this fails too, the part of a line does not count anyway.
            let _ = self.file.set_len(self.length);
            self.cannot(&error)
        })?;
        self.length += lines.len() as u64;
        Ok(())
    }

    fn synchronise(&mut self) -> Result<(), String> {
        self.file.sync_data().map_err(|error| self.cannot(&error))?;
        self.synchronised = (Instant::now(), true);
        Ok(())
    }

    fn cannot(&self, error: &std::io::Error) -> String {
        format!("cannot write {}: {error}", self.path.display())
    }
}
