//! What is wrong with a file of traffic: one mistake, its line and place, and how many rows share it.

use std::fmt;
use std::ops::{Deref, DerefMut};

use super::recorded_request::RecordedRequest;

/// Most bytes of a line that a mistake shows.
const SHOWN: usize = 160;

/// Most different mistakes that are kept.
const KINDS: usize = 20;

/// Whether rows with mistakes are passed over, and counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadLines {
    /// A mistake ends the reading.
    Refuse,
    /// A row with a mistake is left out.
    Skip,
}

/// A mistake in a file of traffic; boxed, so that results with a mistake in them stay small.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrafficFault(Box<FaultDetails>);

/// What is known of a mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultDetails {
    /// Line of the mistake, from 1; 0: the file as a whole.
    pub line: u64,
    /// The line, or its beginning.
    pub text: String,
    /// Bytes of the line before `text`.
    pub before: usize,
    /// Bytes of `text` that are meant.
    pub place: (usize, usize),
    /// What is wrong.
    pub message: String,
    /// A few words beside the place.
    pub label: String,
    /// What to do instead; empty: nothing to say.
    pub help: String,
    /// Further rows with the same mistake.
    pub alike: u64,
    /// What makes two mistakes the same: the kind of mistake and its column.
    kind: (&'static str, String),
    /// Whether nothing after it can be read.
    pub is_fatal: bool,
}

impl Deref for TrafficFault {
    type Target = FaultDetails;

    fn deref(&self) -> &FaultDetails {
        &self.0
    }
}

impl DerefMut for TrafficFault {
    fn deref_mut(&mut self) -> &mut FaultDetails {
        &mut self.0
    }
}

impl TrafficFault {
    /// A mistake of a kind, not yet at a place.
    pub fn new(kind: &'static str, message: impl Into<String>) -> Self {
        Self(Box::new(FaultDetails {
            line: 0,
            text: String::new(),
            before: 0,
            place: (0, 0),
            message: message.into(),
            label: String::new(),
            help: String::new(),
            alike: 0,
            kind: (kind, String::new()),
            is_fatal: false,
        }))
    }

    /// The mistake in this column: those of other columns are others.
    pub fn in_column(mut self, column: &str) -> Self {
        self.kind.1 = column.to_string();
        self
    }

    /// The mistake with a few words beside its place.
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// The mistake with what to do instead.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = help.into();
        self
    }

    /// The mistake after which nothing can be read.
    pub fn fatal(mut self) -> Self {
        self.is_fatal = true;
        self
    }

    /// The mistake in a file of an archive.
    pub fn within(mut self, file: &str) -> Self {
        self.message = format!("{file}: {}", self.message);
        self
    }

    /// The mistake in the line of a request.
    pub fn on(self, request: &RecordedRequest) -> Self {
        self.at(request.line, "", (0, 0))
    }

    /// The mistake at bytes of a line.
    pub fn at(mut self, line: u64, text: &str, place: (usize, usize)) -> Self {
        let mut start = place.0.saturating_sub(SHOWN / 2);
        while !text.is_char_boundary(start) {
            start -= 1;
        }
        let mut end = text.len().min(start + SHOWN);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        self.line = line;
        self.before = start;
        self.text = text[start..end].to_string();
        self.place = (place.0 - start, place.1.clamp(place.0, end) - start);
        self
    }
}

impl fmt::Display for TrafficFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 0 {
            write!(f, "line {}: ", self.line)?;
        }
        write!(f, "{}", self.message)?;
        for part in [&self.label, &self.help] {
            if !part.is_empty() {
                write!(f, "; {part}")?;
            }
        }
        match self.alike {
            0 => Ok(()),
            1 => write!(f, " (one more row like it)"),
            n => write!(f, " ({n} more rows like it)"),
        }
    }
}

/// The mistakes of a file: each said once, with the number of rows that share it.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    found: Vec<TrafficFault>,
}

impl Faults {
    /// Adds a mistake of a row.
    pub fn push(&mut self, fault: TrafficFault) {
        let is_full = self.found.len() == KINDS;
        let known = self.found.iter_mut().find(|known| known.kind == fault.kind);
        match known {
            Some(known) => known.alike += 1,
            None if is_full => {}
            None => self.found.push(fault),
        }
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// All mistakes in the order in which they were found.
    pub fn into_list(self) -> Vec<TrafficFault> {
        self.found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_mistake_is_said_once() {
        let mut faults = Faults::default();
        for line in 2..20 {
            let fault = TrafficFault::new("number", format!("`x{line}` is no number"));
            faults.push(fault.in_column("requests").at(line, "00:00,x", (6, 7)));
        }
        faults.push(TrafficFault::new("number", "other").in_column("input_mean"));
        let list = faults.into_list();
        assert_eq!(list.len(), 2);
        assert_eq!(
            list[0].to_string(),
            "line 2: `x2` is no number (17 more rows like it)"
        );
    }

    #[test]
    fn a_long_line_is_shown_around_the_place() {
        let text = "ä".repeat(500);
        let fault = TrafficFault::new("x", "x").at(1, &text, (600, 602));
        assert!(fault.text.len() <= SHOWN);
        assert_eq!(&fault.text[fault.place.0..fault.place.1], "ä");
    }
}
