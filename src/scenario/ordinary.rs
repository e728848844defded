//! Reading what somebody named: ordinary files of bounded size. A pipe would be waited for, a device may never
//! end, and a file may be longer than the memory.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::Path;

/// Why a file is not read.
#[derive(Debug)]
pub enum Unread {
    /// No file is there.
    Absent,
    /// A directory is there, not a file.
    Directory,
    /// A pipe, a device or the like is there, not an ordinary file.
    NotOrdinary,
    /// The file is too long.
    TooLong {
        /// Size of the file in bytes; of one that is longer than it says, what was seen.
        bytes: u64,
        /// Most bytes that are read.
        most: u64,
    },
    /// The file is no text in UTF-8.
    NotText {
        /// First byte that is no UTF-8, from 0.
        byte: usize,
    },
    /// The system failed to read the file.
    Failed(io::Error),
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = |bytes: u64| bytes.div_ceil(1 << 20);
        match self {
            Self::Absent => write!(f, "no such file"),
            Self::Directory => write!(f, "this is a directory"),
            Self::NotOrdinary => write!(f, "this is not an ordinary file"),
            Self::TooLong { bytes, most } => {
                write!(
                    f,
                    "{} MiB; at most {} MiB are read",
                    mib(*bytes),
                    mib(*most)
                )
            }
            Self::NotText { byte } => write!(f, "byte {byte} is not UTF-8"),
            Self::Failed(error) => write!(f, "{error}"),
        }
    }
}

impl From<io::Error> for Unread {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::NotFound => Self::Absent,
            ErrorKind::IsADirectory => Self::Directory,
            _ => Self::Failed(error),
        }
    }
}

/// Whether something is an ordinary file of at most so many bytes; it is not opened.
///
/// # Errors
/// Why it would not be read.
pub fn check_ordinary(path: &Path, most: u64) -> Result<(), Unread> {
    let attributes = fs::metadata(path)?;
    if attributes.is_dir() {
        return Err(Unread::Directory);
    }
    if !attributes.is_file() {
        return Err(Unread::NotOrdinary);
    }
    let bytes = attributes.len();
    if bytes > most {
        return Err(Unread::TooLong { bytes, most });
    }
    Ok(())
}

/// The bytes of an ordinary file that has at most so many.
///
/// # Errors
/// Why it is not read.
pub fn read_ordinary(path: &Path, most: u64) -> Result<Vec<u8>, Unread> {
    check_ordinary(path, most)?;
    // A file may be longer than it says.
    let mut bytes = Vec::new();
    let mut file = File::open(path)?.take(most + 1);
    file.read_to_end(&mut bytes)?;
    let length = bytes.len() as u64;
    if length > most {
        return Err(Unread::TooLong {
            bytes: length,
            most,
        });
    }
    Ok(bytes)
}

/// The text of an ordinary file that has at most so many bytes.
///
/// # Errors
/// Why it is not read.
pub fn read_ordinary_text(path: &Path, most: u64) -> Result<String, Unread> {
    String::from_utf8(read_ordinary(path, most)?).map_err(|error| Unread::NotText {
        byte: error.utf8_error().valid_up_to(),
    })
}
