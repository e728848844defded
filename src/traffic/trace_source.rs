//! Where a trace comes from, opened as often as it is read: no row of it is kept between.

use std::fs::File;
use std::io::{BufRead, BufReader, Cursor};
use std::path::PathBuf;
use std::sync::Arc;

use super::agent_sessions;
use super::client_pool::ClientPool;
use super::fault::{BadLines, TrafficFault};
use super::file_form::FileForm;
use super::packed::unpacked;
use super::recorded_request::{Clock, RecordedRequest};
use super::request_reader::RequestReader;
use super::tape_archive::TapeArchive;

/// A file or a text with recorded requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TraceSource {
    /// A file, packed or not.
    File(PathBuf),
    /// A text at hand.
    Text(Arc<str>),
}

/// A stream of bytes, unpacked.
type Bytes = Box<dyn BufRead + Send>;

/// The requests of an open trace.
pub enum TraceRows {
    /// One a line.
    Lines(Box<RequestReader<Bytes>>),
    /// Requests of sessions, session after session.
    Sessions(agent_sessions::Sessions),
}

impl TraceSource {
    /// What people call it.
    pub fn name(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Text(_) => "the text of the scenario".to_string(),
        }
    }

    fn bytes(&self) -> std::io::Result<Bytes> {
        match self {
            Self::File(path) => unpacked(BufReader::with_capacity(64 << 10, File::open(path)?)),
            Self::Text(text) => Ok(Box::new(Cursor::new(text.as_bytes().to_vec()))),
        }
    }

    /// The clients of an archive; `None`: it is no archive of clients.
    ///
    /// # Errors
    ///
    /// What is wrong with the archive, each mistake once.
    pub fn clients(&self, bad: BadLines) -> Result<Option<ClientPool>, Vec<TrafficFault>> {
        let mut from = self.bytes().map_err(cannot_read)?;
        let form = FileForm::of(from.fill_buf().map_err(cannot_read)?);
        match form {
            FileForm::Clients => ClientPool::read(TapeArchive::new(from), bad).map(Some),
            _ => Ok(None),
        }
    }

    /// Opens it at its beginning.
    ///
    /// # Errors
    ///
    /// Where it cannot be read, or holds no requests.
    pub fn open(&self) -> Result<TraceRows, Vec<TrafficFault>> {
        let mut from = self.bytes().map_err(cannot_read)?;
        let form = FileForm::of(from.fill_buf().map_err(cannot_read)?);
        Ok(match form {
            FileForm::AgentSession | FileForm::Archive => TraceRows::Sessions(
                agent_sessions::Sessions::new(from, form == FileForm::Archive),
            ),
            _ => TraceRows::Lines(Box::new(RequestReader::new(from, &self.name())?)),
        })
    }
}

fn cannot_read(error: std::io::Error) -> Vec<TrafficFault> {
    let message = match error.kind() {
        std::io::ErrorKind::UnexpectedEof => "the file breaks off at its beginning".to_string(),
        _ => format!("cannot be read: {error}"),
    };
    vec![TrafficFault::new("broken", message).fatal()]
}

impl TraceRows {
    /// Reads the next request; `false`: there is no more. A mistake that is not fatal concerns one row.
    ///
    /// # Errors
    ///
    /// What is wrong with the row, or with the stream.
    pub fn read(&mut self, into: &mut RecordedRequest) -> Result<bool, Vec<TrafficFault>> {
        match self {
            Self::Lines(reader) => reader.read(into),
            Self::Sessions(sessions) => sessions.read(into),
        }
    }

    /// What the times count from, once a request was read.
    pub fn clock(&self) -> Clock {
        match self {
            Self::Lines(reader) => reader.clock(),
            Self::Sessions(_) => Clock::Beginning,
        }
    }

    /// Tokens of a block whose ids are recorded, where the file says them.
    pub fn block_tokens(&self) -> Option<u64> {
        match self {
            Self::Lines(_) => None,
            Self::Sessions(sessions) => sessions.block_tokens(),
        }
    }

    /// What was not read, and how several files became one.
    pub fn remarks(&self) -> Vec<String> {
        match self {
            Self::Lines(reader) => reader.remarks.clone(),
            Self::Sessions(sessions) => sessions.remarks(),
        }
    }
}
