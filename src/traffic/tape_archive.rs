//! Files in a tape archive (tar), one after another: one is held at a time.

use std::io::{BufRead, ErrorKind, Read};

use super::fault::TrafficFault;

/// Bytes of a block of an archive.
const TAR: usize = 512;

/// Most bytes of one file, 128 MiB: the largest known session has 5, the largest table of lengths 4.
pub const MOST: u64 = 128 << 20;

/// An archive that is being read.
pub struct TapeArchive {
    from: Box<dyn BufRead + Send>,
}

/// What a stream that cannot be read any further is told as.
pub fn broken(error: std::io::Error) -> TrafficFault {
    match error.kind() {
        ErrorKind::UnexpectedEof => TrafficFault::new("broken", "the file breaks off"),
        _ => TrafficFault::new("broken", format!("cannot be read any further: {error}")),
    }
}

impl TapeArchive {
    /// The archive of a stream.
    pub fn new(from: Box<dyn BufRead + Send>) -> Self {
        Self { from }
    }

    /// The next file whose name ends in one of these ways, with its content; `None`: there is no more.
    ///
    /// # Errors
    ///
    /// Where the archive breaks off, or a file is too long; nothing can be read after that.
    pub fn next(&mut self, ends: &[&str]) -> Result<Option<(String, Vec<u8>)>, TrafficFault> {
        loop {
            let mut head = [0_u8; TAR];
            self.from.read_exact(&mut head).map_err(broken)?;
            if head.iter().all(|b| *b == 0) {
                return Ok(None);
            }
            let name = field(&head, 0, 100);
            let Some(size) = size(&head) else {
                let message = format!("the archive's entry {name:?} has no size");
                return Err(TrafficFault::new("tar", message));
            };
            let padded = size.div_ceil(TAR as u64) * TAR as u64;
            let is_wanted = is_file(&head) && ends.iter().any(|end| name.ends_with(end));
            if !is_wanted {
                let rest = &mut (&mut self.from).take(padded);
                if std::io::copy(rest, &mut std::io::sink()).map_err(broken)? < padded {
                    return Err(TrafficFault::new("broken", "the archive breaks off"));
                }
                continue;
            }
            if size > MOST {
                let message = format!("{name} has more than {} MiB", MOST >> 20);
                return Err(TrafficFault::new("long", message));
            }
            // No more is taken than there is: a size may lie.
            let mut content = Vec::new();
            let read = (&mut self.from).take(padded).read_to_end(&mut content);
            if read.map_err(broken)? < padded as usize {
                return Err(broken(ErrorKind::UnexpectedEof.into()));
            }
            content.truncate(size as usize);
            return Ok(Some((name, content)));
        }
    }
}

/// The name of the first file in the beginning of an archive; `None`: it begins with none, or is no archive.
pub fn first_file(head: &[u8]) -> Option<String> {
    let mut rest = head;
    loop {
        let block = rest.get(..TAR)?;
        if is_file(block) {
            return Some(field(block, 0, 100));
        }
        let padded = (size(block)? as usize).div_ceil(TAR) * TAR;
        rest = rest.get(TAR + padded..)?;
    }
}

fn field(head: &[u8], from: usize, length: usize) -> String {
    let bytes = &head[from..from + length];
    let end = bytes.iter().position(|b| *b == 0).unwrap_or(length);
    String::from_utf8_lossy(&bytes[..end]).trim().to_string()
}

fn size(head: &[u8]) -> Option<u64> {
    u64::from_str_radix(&field(head, 124, 12), 8).ok()
}

fn is_file(head: &[u8]) -> bool {
    matches!(head.get(156), Some(b'0' | 0))
}
