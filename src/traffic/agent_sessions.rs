//! Recorded sessions of coding agents, as kv-cache-tester keeps them: one JSON object a session, or an archive of many.
//!
//! A session's requests carry ids of full blocks that mean something within the session only. What a sub-agent asked
//! stands in one entry, in the same ids, its times counted from the entry's. Several sessions follow one another: each
//! begins when the one before has had its last request, and their ids are kept apart.

use std::io::{BufRead, Read};

use serde::Deserialize;

use super::fault::TrafficFault;
use super::recorded_request::RecordedRequest;
use super::tape_archive::{MOST, TapeArchive, broken};

/// Ids of a session lie below this.
const IDS: u64 = 1 << 40;

/// A session as it is written.
#[derive(Deserialize)]
struct AgentSession {
    block_size: Option<u64>,
    requests: Vec<AgentEntry>,
}

/// A request of a session, or what a sub-agent asked.
#[derive(Deserialize)]
struct AgentEntry {
    t: f64,
    #[serde(rename = "in")]
    input: Option<i64>,
    out: Option<i64>,
    #[serde(default)]
    hash_ids: Vec<u64>,
    #[serde(default)]
    requests: Vec<AgentEntry>,
}

/// Sessions, one after another: one is held at a time.
pub struct Sessions {
    from: SessionFiles,
    is_over: bool,
    rows: std::vec::IntoIter<RecordedRequest>,
    count: u64,
    /// Time at which the next session begins, in ns.
    begins: i64,
    block_tokens: Option<u64>,
}

/// Where sessions come from.
enum SessionFiles {
    /// A stream that is one session.
    One(Box<dyn BufRead + Send>),
    /// An archive of them.
    Archive(TapeArchive),
}

impl Sessions {
    /// The sessions of a stream: one, or those of an archive.
    pub fn new(from: Box<dyn BufRead + Send>, is_archive: bool) -> Self {
        let from = match is_archive {
            true => SessionFiles::Archive(TapeArchive::new(from)),
            false => SessionFiles::One(from),
        };
        Self {
            from,
            is_over: false,
            rows: Vec::new().into_iter(),
            count: 0,
            begins: 0,
            block_tokens: None,
        }
    }

    /// Tokens of a block.
    pub fn block_tokens(&self) -> Option<u64> {
        self.block_tokens
    }

    /// How several files became one.
    pub fn remarks(&self) -> Vec<String> {
        match self.count {
            0 | 1 => Vec::new(),
            n => vec![format!(
                "{n} sessions, one after another, their blocks kept apart"
            )],
        }
    }

    /// Reads the next request; `false`: there is no more.
    ///
    /// # Errors
    ///
    /// Where a session is no session, which others of an archive may follow; or where the archive breaks off, after which
    /// nothing is read.
    pub fn read(&mut self, into: &mut RecordedRequest) -> Result<bool, Vec<TrafficFault>> {
        loop {
            if let Some(row) = self.rows.next() {
                *into = row;
                return Ok(true);
            }
            if self.is_over {
                return Ok(false);
            }
            let is_one = matches!(self.from, SessionFiles::One(_));
            let found = self.next_session();
            self.is_over |= found.is_err() || is_one;
            match found.map_err(|fault| vec![fault.fatal()])? {
                Some((name, text)) => {
                    let rows = self.requests(&name, &text);
                    let told = |fault: TrafficFault| match is_one {
                        true => vec![fault.fatal()],
                        false => vec![fault],
                    };
                    self.rows = rows.map_err(told)?.into_iter();
                }
                None => self.is_over = true,
            }
        }
    }

    /// The next session's name and text; `None`: there is no more.
    fn next_session(&mut self) -> Result<Option<(String, Vec<u8>)>, TrafficFault> {
        match &mut self.from {
            SessionFiles::Archive(archive) => archive.next(&[".json"]),
            SessionFiles::One(from) => {
                let mut text = Vec::new();
                from.take(MOST + 1).read_to_end(&mut text).map_err(broken)?;
                match text.len() as u64 > MOST {
                    true => Err(TrafficFault::new("long", "a session of more than 128 MiB")),
                    false => Ok(Some((String::new(), text))),
                }
            }
        }
    }

    /// The requests of a session in order of time.
    fn requests(&mut self, name: &str, text: &[u8]) -> Result<Vec<RecordedRequest>, TrafficFault> {
        let whose = if name.is_empty() {
            String::new()
        } else {
            format!("{name}: ")
        };
        let session: AgentSession = serde_json::from_slice(text).map_err(|error| {
            let line = error.line() as u64;
            let shown = text
                .split(|b| *b == b'\n')
                .nth(line.saturating_sub(1) as usize)
                .unwrap_or_default();
            let shown = String::from_utf8_lossy(shown);
            let mut column = error.column().saturating_sub(1).min(shown.len());
            while !shown.is_char_boundary(column) {
                column -= 1;
            }
            let message = format!("{whose}this is no recorded session, or is cut off");
            TrafficFault::new("session", message)
                .label(error.to_string())
                .at(line, &shown, (column, (column + 1).min(shown.len())))
        })?;
        self.block_tokens = self.block_tokens.or(session.block_size);
        let (begins, ids) = (self.begins, self.count * IDS);
        let mut rows = Vec::new();
        add(session.requests, 0.0, &mut rows)
            .map_err(|why| TrafficFault::new("entry", format!("{whose}{why}")))?;
        rows.sort_by_key(|row| row.at);
        for (number, row) in rows.iter_mut().enumerate() {
            row.at += begins;
            row.line = number as u64 + 1;
            row.blocks.iter_mut().for_each(|id| *id = (*id % IDS) + ids);
        }
        self.begins = rows.last().map_or(begins, |row| row.at);
        self.count += 1;
        Ok(rows)
    }
}

/// Adds entries whose times count from `from`, in seconds, and what stands in them.
fn add(entries: Vec<AgentEntry>, from: f64, rows: &mut Vec<RecordedRequest>) -> Result<(), String> {
    for entry in entries {
        let at = from + entry.t;
        if !(0.0..=34_560_000.0).contains(&at) {
            return Err(format!(
                "`t` cannot be {}: seconds from the session's beginning",
                entry.t
            ));
        }
        if !entry.requests.is_empty() {
            add(entry.requests, at, rows)?;
            continue;
        }
        let tokens = |name: &str, number: Option<i64>| match number {
            Some(number @ 0..=16_777_216) => Ok(number as u32),
            Some(number) => Err(format!(
                "`{name}` cannot be {number}: 0 to 16,777,216 tokens"
            )),
            None => Ok(0),
        };
        let (input, output) = (tokens("in", entry.input)?, tokens("out", entry.out)?);
        if input == 0 && output == 0 {
            continue;
        }
        if input == 0 {
            return Err(format!("a request at {at} s has an output and no input"));
        }
        rows.push(RecordedRequest {
            line: 0,
            at: libm::round(at * 1e9) as i64,
            input,
            output,
            cached: None,
            blocks: entry.hash_ids,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<RecordedRequest>, String> {
        let from = std::io::Cursor::new(text.as_bytes().to_vec());
        let mut sessions = Sessions::new(Box::new(from), false);
        let (mut all, mut row) = (Vec::new(), RecordedRequest::default());
        loop {
            match sessions.read(&mut row) {
                Ok(true) => all.push(row.clone()),
                Ok(false) => return Ok(all),
                Err(faults) => return Err(faults[0].to_string()),
            }
        }
    }

    #[test]
    fn a_sub_agent_asks_in_its_parent_s_time_and_ids() {
        let text = r#"{"id": "a", "block_size": 64, "hash_id_scope": "local", "requests": [
            {"t": 0, "type": "n", "in": 130, "out": 5, "hash_ids": [1, 2]},
            {"t": 10, "type": "subagent", "requests": [{"t": 1.5, "in": 64, "out": 1, "hash_ids": [9]}]},
            {"t": 11, "type": "s", "in": 200, "out": 0, "hash_ids": [1, 2, 3]}]}"#;
        let rows = read(text).expect("a session");
        let seen: Vec<(i64, u32, u32, &[u64])> = rows
            .iter()
            .map(|r| (r.at / 1_000_000, r.input, r.output, r.blocks.as_slice()))
            .collect();
        assert_eq!(
            seen,
            [
                (0, 130, 5, &[1, 2][..]),
                (11_000, 200, 0, &[1, 2, 3]),
                (11_500, 64, 1, &[9])
            ]
        );
    }

    #[test]
    fn what_is_no_session_is_told() {
        for (text, part) in [
            (
                r#"{"hash_id_scope": "local", "requests": [{"t": 0, "in": 5"#,
                "cut off",
            ),
            (
                r#"{"requests": [{"t": -1, "in": 5, "out": 5}]}"#,
                "`t` cannot be -1",
            ),
            (
                r#"{"requests": [{"t": 1, "in": -5, "out": 5}]}"#,
                "`in` cannot be -5",
            ),
            (
                r#"{"requests": [{"t": 1, "in": "five", "out": 5}]}"#,
                "no recorded session",
            ),
        ] {
            let said = read(text).expect_err(text);
            assert!(said.contains(part), "{said}");
        }
    }
}
