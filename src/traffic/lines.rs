//! Lines of a stream, one at a time, with their numbers: however long the file, one line is held.

use std::io::{BufRead, ErrorKind};

use super::fault::TrafficFault;

/// Bytes of the longest line that is read, 4 MiB: a request of a million tokens with an id for every 16 of them has a
/// tenth.
const LONGEST: usize = 4 << 20;

/// Bytes of a line that is too long which are shown.
const SHOWN: usize = 80;

/// A stream as lines.
#[derive(Debug)]
pub struct Lines<R> {
    from: R,
    buffer: Vec<u8>,
    number: u64,
}

impl<R: BufRead> Lines<R> {
    /// The lines of a stream.
    pub fn new(from: R) -> Self {
        Self {
            from,
            buffer: Vec::new(),
            number: 0,
        }
    }

    /// The next line that is neither empty nor a remark (`#`), with its number; `None`: there is no more.
    ///
    /// # Errors
    ///
    /// Where the stream breaks off (then nothing more is read), or a line is too long, or is no text.
    pub fn next(&mut self) -> Result<Option<(u64, &str)>, TrafficFault> {
        loop {
            if !self.read()? {
                return Ok(None);
            }
            let blank = self.buffer.iter().find(|b| !b.is_ascii_whitespace());
            if !matches!(blank, None | Some(b'#')) {
                break;
            }
        }
        let line = self.number;
        if let Some(at) = self.buffer.iter().position(|b| *b == 0) {
            let shown = String::from_utf8_lossy(&self.buffer[..at]).into_owned();
            let fault = TrafficFault::new("nul", "a byte of zero in a text").label("NUL");
            let place = (shown.len(), shown.len() + 1);
            return Err(fault.at(line, &format!("{shown}\u{fffd}"), place));
        }
        match std::str::from_utf8(&self.buffer) {
            Ok(text) => Ok(Some((line, text))),
            Err(error) => {
                let at = error.valid_up_to();
                let shown = String::from_utf8_lossy(&self.buffer[..at]).into_owned();
                let fault = TrafficFault::new("utf-8", "this is no text in UTF-8");
                let place = (shown.len(), shown.len() + 3);
                Err(fault.at(line, &format!("{shown}\u{fffd}"), place))
            }
        }
    }

    /// Reads a line into the buffer, without its end; `false`: there is none.
    fn read(&mut self) -> Result<bool, TrafficFault> {
        self.buffer.clear();
        self.number += 1;
        let mut is_long = false;
        loop {
            let part = match self.from.fill_buf() {
                Ok(part) => part,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(self.broken(&error)),
            };
            let end = part.iter().position(|b| *b == b'\n');
            let (taken, used) = match end {
                Some(end) => (end, end + 1),
                None => (part.len(), part.len()),
            };
            let is_end = part.is_empty();
            is_long |= self.buffer.len() + taken > LONGEST;
            // Of a line that is too long the beginning is kept, to show it.
            let kept = if is_long {
                taken.min(SHOWN.saturating_sub(self.buffer.len()))
            } else {
                taken
            };
            self.buffer.extend_from_slice(&part[..kept]);
            self.from.consume(used);
            if end.is_some() || is_end {
                if is_long {
                    return Err(self.long());
                }
                if self.number == 1 && self.buffer.starts_with(b"\xef\xbb\xbf") {
                    self.buffer.drain(..3);
                }
                while self.buffer.last() == Some(&b'\r') {
                    self.buffer.pop();
                }
                return Ok(end.is_some() || !self.buffer.is_empty());
            }
        }
    }

    fn long(&self) -> TrafficFault {
        let shown = String::from_utf8_lossy(&self.buffer[..SHOWN.min(self.buffer.len())]);
        TrafficFault::new("long", "this line is too long")
            .label(format!(
                "more than {} MiB without a line break",
                LONGEST >> 20
            ))
            .help("is this one request or count a line?")
            .at(self.number, &shown, (0, shown.len()))
    }

    fn broken(&self, error: &std::io::Error) -> TrafficFault {
        let what = match error.kind() {
            ErrorKind::UnexpectedEof => "the file breaks off".to_string(),
            _ => format!("cannot be read any further: {error}"),
        };
        let fault = TrafficFault::new("broken", what).label("after the lines before");
        fault
            .help(
                "is it cut off, or was it packed by something else? unpack it and look at its end",
            )
            .at(self.number, "", (0, 0))
            .fatal()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_keep_their_numbers() {
        let text = "\u{feff}a,b\r\n\n# remark\n1,2\r\n3,4";
        let mut lines = Lines::new(text.as_bytes());
        let mut all = Vec::new();
        while let Ok(Some((number, line))) = lines.next() {
            all.push((number, line.to_string()));
        }
        let expected = [(1, "a,b"), (4, "1,2"), (5, "3,4")];
        assert_eq!(all, expected.map(|(n, line)| (n, line.to_string())));
    }

    #[test]
    fn what_is_no_text_is_said_with_its_line() {
        let fault = |bytes: &[u8]| {
            let mut lines = Lines::new(bytes);
            loop {
                match lines.next() {
                    Ok(Some(_)) => {}
                    Ok(None) => return None,
                    Err(fault) => return Some((fault.line, fault.message.clone(), fault.is_fatal)),
                }
            }
        };
        assert_eq!(fault(b"a\nb\0c").map(|f| (f.0, f.2)), Some((2, false)));
        assert_eq!(fault(b"a\n\xff").map(|f| (f.0, f.2)), Some((2, false)));
        let long = [vec![b'x'; LONGEST + 1], b"\nb\nc".to_vec()].concat();
        assert_eq!(fault(&long).map(|f| (f.0, f.2)), Some((1, false)));
        let mut lines = Lines::new(long.as_slice());
        assert!(lines.next().is_err());
        assert!(
            matches!(lines.next(), Ok(Some((2, "b")))),
            "the next line can be read"
        );
        assert_eq!(fault(b"a\nb"), None);
    }
}
