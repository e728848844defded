//! Files out of a `.tar.xz`, as measured sets come.

use std::io::Read;

/// Reads the regular file `name` of an archive; `None` where it is not there.
///
/// # Errors
/// Where the archive cannot be read.
pub fn file(archive: &[u8], name: &str) -> Result<Option<String>, String> {
    let mut tar = Vec::new();
    let mut packed = lzma_rust2::XzReader::new(archive, true);
    packed
        .read_to_end(&mut tar)
        .map_err(|e| format!("not an .xz file: {e}"))?;
    Ok(entry(&tar, name))
}

/// Bytes of a block of a tape archive.
const BLOCK: usize = 512;

fn entry(tar: &[u8], wanted: &str) -> Option<String> {
    let mut at = 0;
    while let Some(head) = tar.get(at..at + BLOCK) {
        let text = |from: usize, length: usize| {
            let bytes = &head[from..from + length];
            let end = bytes.iter().position(|b| *b == 0).unwrap_or(length);
            String::from_utf8_lossy(&bytes[..end]).into_owned()
        };
        let name = text(0, 100);
        if name.is_empty() {
            return None;
        }
        let prefix = text(345, 155);
        let path = if prefix.is_empty() {
            name
        } else {
            format!("{prefix}/{name}")
        };
        let size = usize::from_str_radix(text(124, 12).trim(), 8).ok()?;
        let body = tar.get(at + BLOCK..at + BLOCK + size)?;
        if path == wanted {
            return Some(String::from_utf8_lossy(body).into_owned());
        }
        at += BLOCK + size.div_ceil(BLOCK) * BLOCK;
    }
    None
}
