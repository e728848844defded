//! Packed files, told by their first bytes: gzip, xz and zstd, unpacked as they are read.

use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::MultiGzDecoder;
use lzma_rust2::XzReader;
use ruzstd::decoding::StreamingDecoder;

/// Most memory that an xz file may ask for, in KiB: its dictionary, 64 MiB at the highest level.
const XZ_KIB: u32 = 80 << 10;

/// The content of a stream, unpacked where it is packed.
///
/// # Errors
///
/// Where the stream cannot be read, or is packed in a way that is not known.
pub fn unpacked(from: impl BufRead + Send + 'static) -> io::Result<Box<dyn BufRead + Send>> {
    let mut from = from;
    let head = from.fill_buf()?;
    Ok(if head.starts_with(&[0x1f, 0x8b]) {
        Box::new(BufReader::new(MultiGzDecoder::new(from)))
    } else if head.starts_with(&[0xfd, b'7', b'z', b'X', b'Z', 0]) {
        Box::new(BufReader::new(XzReader::new_mem_limit(from, true, XZ_KIB)))
    } else if head.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        Box::new(BufReader::new(Frames::new(Box::new(from))?))
    } else {
        Box::new(from)
    })
}

/// The frames of a zstd file, one after another.
struct Frames {
    frame: Option<StreamingDecoder<Box<dyn BufRead + Send>, ruzstd::decoding::FrameDecoder>>,
}

impl Frames {
    fn new(from: Box<dyn BufRead + Send>) -> io::Result<Self> {
        Ok(Self {
            frame: Some(decoder(from)?),
        })
    }
}

impl Read for Frames {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while let Some(mut frame) = self.frame.take() {
            let read = frame.read(into)?;
            if read > 0 || into.is_empty() {
                self.frame = Some(frame);
                return Ok(read);
            }
            let mut rest = frame.into_inner();
            if rest.fill_buf()?.is_empty() {
                return Ok(0);
            }
            self.frame = Some(decoder(rest)?);
        }
        Ok(0)
    }
}

fn decoder(
    from: Box<dyn BufRead + Send>,
) -> io::Result<StreamingDecoder<Box<dyn BufRead + Send>, ruzstd::decoding::FrameDecoder>> {
    StreamingDecoder::new(from)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn gzip_is_unpacked_and_its_end_is_missed() {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        let text: String = (0..5_000).map(|n| format!("{n},{}\n", n * n)).collect();
        packer
            .write_all(text.as_bytes())
            .expect("a vector takes all");
        let packed = packer.finish().expect("a vector takes all");
        let read = |bytes: &[u8]| {
            let mut out = String::new();
            let from = io::Cursor::new(bytes.to_vec());
            unpacked(from)
                .and_then(|mut from| from.read_to_string(&mut out))
                .map(|_| out)
        };
        assert_eq!(read(&packed).expect("whole"), text);
        let twice = [packed.clone(), packed.clone()].concat();
        assert_eq!(read(&twice).expect("two members").len(), 2 * text.len());
        let cut = read(&packed[..packed.len() / 2]).expect_err("cut off");
        assert_eq!(cut.kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(read(b"plain").expect("as it is"), "plain");
        assert!(read(&[0x28, 0xb5, 0x2f, 0xfd, 1, 2, 3]).is_err());
        assert!(read(&[0xfd, b'7', b'z', b'X', b'Z', 0, 9, 9, 9]).is_err());
    }
}
