//! The files that a scenario is read from, and how far they may reach.
//!
//! A scenario may come from a stranger. What its text names (`extends`, `csv`) is relative to the file
//! that says so and stays within the folder of the file that the user named: no absolute path, no `..`
//! out of that folder, no link out of it, nothing but ordinary files. What the user types (the scenario
//! itself, a path after `--set`) may lie anywhere. Sizes are capped, one by one and together.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufReader, Cursor, ErrorKind, Read};
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::csv_text::CsvText;
use super::diagnostic::Diagnostic;
use super::ordinary::{Unread, check_ordinary, read_ordinary};
use super::source::{Sources, Span};
use super::suggest::{nearest, quote};
use super::write::hash_of;
use crate::traffic::unpacked;

/// Largest file that is read, 16 MiB: a hand-written scenario has kilobytes, a CSV of every second of
/// a day two or three megabytes.
const MAX_FILE_BYTES: u64 = 16 << 20;

/// Most bytes of all the files of one scenario together, 32 MiB.
const MAX_ALL_BYTES: u64 = 32 << 20;

/// Most names in a folder that are compared with one that is not there.
const MAX_NAMES: usize = 10_000;

/// Reads the files of one scenario.
#[derive(Clone, Debug, Default)]
pub struct Files {
    /// The folder of the file that the user named; `None`: the scenario was not read from a file.
    root: Option<PathBuf>,
    /// Bytes read so far.
    read: u64,
    /// CSVs that were read, for all who vary one scenario.
    csvs: Arc<Mutex<BTreeMap<PathBuf, Arc<CsvText>>>>,
}

impl Files {
    /// Sets the folder in which files may name others from now on.
    pub fn root_at(&mut self, folder: PathBuf) {
        self.root.get_or_insert(folder);
    }

    /// The path that a file in `folder` means by `target`, named at `at`; or why it may not mean that.
    pub fn within(&self, folder: &Path, target: &str, at: Span) -> Result<PathBuf, Diagnostic> {
        let root = self.root.as_deref().unwrap_or(Path::new(""));
        let path = folder.join(target);
        let refuse = |why: &str| {
            let message = format!("{} is not in the scenario's folder", quote(target));
            let help = "paths in a scenario file are relative to it, and stay in the folder of the \
                        scenario that was named to run; put the file there";
            Diagnostic::new(message, at).label(why).help(help)
        };
        let rooted = |c| matches!(c, Component::RootDir | Component::Prefix(_));
        if Path::new(target).components().any(rooted) {
            return Err(refuse("an absolute path"));
        }
        if !path.strip_prefix(root).is_ok_and(stays_inside) {
            return Err(refuse("`..` leads out of it"));
        }
        match (fs::canonicalize(&path), fs::canonicalize(here(root))) {
            (Ok(real), Ok(home)) if !real.starts_with(&home) => {
                Err(refuse("a link leads out of it"))
            }
            _ => Ok(path),
        }
    }

    /// Reads a text file, or says at `at`, where it was named, why not.
    pub fn read(
        &mut self,
        path: &Path,
        at: Span,
        suffix: &str,
        sources: &mut Sources,
    ) -> Result<String, Diagnostic> {
        let bytes = self.bytes(path, at, suffix)?;
        text(bytes, &path.display().to_string(), sources)
    }

    /// The content of a file, unpacked where it is packed.
    fn unpacked(&mut self, bytes: Vec<u8>, path: &Path, at: Span) -> Result<Vec<u8>, Diagnostic> {
        let shown = path.display().to_string();
        let before = bytes.len() as u64;
        let refuse = |why: String| {
            Diagnostic::new(format!("cannot unpack {}", quote(&shown)), at).label(why)
        };
        let mut content = Vec::new();
        let opened = unpacked(Cursor::new(bytes));
        let read = opened.and_then(|from| from.take(MAX_FILE_BYTES + 1).read_to_end(&mut content));
        match read {
            Ok(_) if content.len() as u64 <= MAX_FILE_BYTES => {}
            Ok(_) => {
                let most = MAX_FILE_BYTES >> 20;
                return Err(refuse(format!("more than {most} MiB when unpacked")));
            }
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                return Err(refuse("the file is cut off".to_string()));
            }
            Err(error) => return Err(refuse(error.to_string())),
        }
        self.read += (content.len() as u64).saturating_sub(before);
        self.in_all(&shown, at)?;
        Ok(content)
    }

    /// Refuses what makes the scenario's files too many bytes.
    fn in_all(&self, shown: &str, at: Span) -> Result<(), Diagnostic> {
        if self.read <= MAX_ALL_BYTES {
            return Ok(());
        }
        let limit = MAX_ALL_BYTES >> 20;
        let why = format!("with it the scenario's files are more than {limit} MiB");
        let found = Diagnostic::new(format!("cannot read {}", quote(shown)), at).label(why);
        Err(found.help("the same CSV can serve several classes as one class"))
    }

    /// The bytes of a file, or why they are not read.
    fn bytes(&mut self, path: &Path, at: Span, suffix: &str) -> Result<Vec<u8>, Diagnostic> {
        let shown = path.display().to_string();
        let refuse =
            |why: String| Diagnostic::new(format!("cannot read {}", quote(&shown)), at).label(why);
        let bytes = match read_ordinary(path, MAX_FILE_BYTES) {
            Ok(bytes) => bytes,
            Err(why) => {
                let found = refuse(why.to_string());
                return Err(match (why, self.similar(path, suffix)) {
                    (Unread::Absent, Some(name)) => {
                        found.help(format!("did you mean {}?", quote(&name)))
                    }
                    (Unread::Directory, _) => found.help("name a file in it"),
                    _ => found,
                });
            }
        };
        self.read += bytes.len() as u64;
        self.in_all(&shown, at)?;
        Ok(bytes)
    }

    /// The text that is handed over on standard input, or says at `at`, where that was asked for, why it is not read.
    pub fn standard_input(&mut self, at: Span) -> Result<String, Diagnostic> {
        let mut text = String::new();
        let mut input = std::io::stdin().lock().take(MAX_FILE_BYTES + 1);
        let read = input.read_to_string(&mut text);
        let why = match read {
            Ok(bytes) if bytes as u64 > MAX_FILE_BYTES => {
                format!("more than {} MiB", MAX_FILE_BYTES >> 20)
            }
            Ok(_) => return Ok(text),
            Err(error) => error.to_string(),
        };
        Err(Diagnostic::new("cannot read standard input", at).label(why))
    }

    /// The CSV of a path, read once however often a scenario is varied; or why not, at `at`, where it was named.
    pub fn csv(
        &mut self,
        path: &Path,
        at: Span,
        sources: &mut Sources,
    ) -> Result<Arc<CsvText>, Diagnostic> {
        let known = self.csvs.lock().unwrap_or_else(PoisonError::into_inner);
        let found = known.get(path).cloned();
        drop(known);
        if let Some(csv) = found {
            return Ok(csv);
        }
        let bytes = self.bytes(path, at, "csv")?;
        let bytes = self.unpacked(bytes, path, at)?;
        let text = text(bytes, &path.display().to_string(), sources)?;
        let csv = CsvText::new(path.display().to_string(), &text);
        let mut known = self.csvs.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(path.to_path_buf(), Arc::clone(&csv));
        Ok(csv)
    }

    /// The recording in a file of any size, and the hash of its bytes; or why it is not read, at `at`, where it was named.
    pub fn trace(
        &mut self,
        path: &Path,
        named: &str,
        at: Span,
    ) -> Result<(Arc<CsvText>, String), Diagnostic> {
        let refuse = |why: String| {
            Diagnostic::new(
                format!("cannot read {}", quote(&path.display().to_string())),
                at,
            )
            .label(why)
        };
        check_ordinary(path, u64::MAX).map_err(|why| {
            let found = refuse(why.to_string());
            match (why, self.similar(path, "csv")) {
                (Unread::Absent, Some(name)) => {
                    found.help(format!("did you mean {}?", quote(&name)))
                }
                _ => found,
            }
        })?;
        let file = fs::File::open(path).map_err(|error| refuse(error.to_string()))?;
        let hash = hash_of(BufReader::new(file)).map_err(|error| refuse(error.to_string()))?;
        let mut known = self.csvs.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = || CsvText::of_file(path.to_path_buf(), named);
        let found = known.entry(path.join(&hash)).or_insert_with(fresh);
        Ok((Arc::clone(found), hash))
    }

    /// A file of the same directory and kind with nearly the same name; `None`: there is none.
    fn similar(&self, path: &Path, suffix: &str) -> Option<String> {
        let name = path.file_name()?.to_str()?;
        let entries = fs::read_dir(here(path.parent()?)).ok()?;
        let mut names: Vec<String> = entries
            .take(MAX_NAMES)
            .filter_map(|e| e.ok()?.file_name().into_string().ok())
            .filter(|n| Path::new(n).extension().is_some_and(|e| e == suffix))
            .collect();
        names.sort_unstable();
        let found = nearest(name, names.iter().map(String::as_str))?;
        Some(path.with_file_name(found).display().to_string())
    }
}

/// The text of bytes, or where they are none.
fn text(bytes: Vec<u8>, shown: &str, sources: &mut Sources) -> Result<String, Diagnostic> {
    String::from_utf8(bytes).map_err(|error| {
        let start = error.utf8_error().valid_up_to();
        let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
        let source = sources.add(shown.to_string(), text, None);
        let at = Span {
            source,
            start,
            end: start + '\u{fffd}'.len_utf8(),
        };
        Diagnostic::new(format!("{} is not a text file", quote(shown)), at)
            .label(format!("byte {start} is not UTF-8"))
            .help("scenarios and traffic are text in UTF-8; is this the right file?")
    })
}

/// The directory of a path; `.` where the path is empty.
fn here(directory: &Path) -> &Path {
    if directory.as_os_str().is_empty() {
        Path::new(".")
    } else {
        directory
    }
}

/// Whether a relative path never leads up and out of where it begins.
fn stays_inside(path: &Path) -> bool {
    let mut depth = 0_usize;
    path.components().all(|component| {
        let deeper = match component {
            Component::ParentDir => depth.checked_sub(1),
            Component::Normal(_) => Some(depth + 1),
            _ => Some(depth),
        };
        depth = deeper.unwrap_or(0);
        deeper.is_some()
    })
}
