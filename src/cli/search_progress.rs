//! Progress of a search on stderr: one changing line on a terminal; elsewhere a line for each part of the search,
//! and one every ten seconds or more of what it is at.

use std::io::{IsTerminal, Write};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::ProgressBar;

use crate::report::format::{count, length};

/// The time between two looks of the line on a terminal.
const REFRESH: Duration = Duration::from_millis(100);
/// The least time between two lines where there is no terminal.
const SPARSE: Duration = Duration::from_secs(10);
/// Least time between two lines of which the second would say what the first one did.
const AGAIN: Duration = Duration::from_secs(60);

/// A search's progress display.
#[derive(Debug)]
pub struct SearchProgress(ProgressForm);

#[derive(Debug)]
enum ProgressForm {
    /// Nothing is shown.
    Nothing,
    /// One line on a terminal.
    OnTerminal(ProgressBar),
    /// Lines in a file or a pipe.
    InLines(Box<Mutex<SearchLines>>),
}

#[derive(Debug)]
struct SearchLines {
    began: Instant,
    last: Instant,
    /// What the search is doing.
    at: String,
    /// Whether a line has said so.
    is_told: bool,
}

impl SearchProgress {
    /// A display; without `enabled` it shows nothing.
    pub fn new(enabled: bool) -> Self {
        let now = Instant::now();
        Self(if !enabled {
            ProgressForm::Nothing
        } else if std::io::stderr().is_terminal() {
            let line = ProgressBar::new_spinner();
            line.enable_steady_tick(REFRESH);
            ProgressForm::OnTerminal(line)
        } else {
            ProgressForm::InLines(Box::new(Mutex::new(SearchLines {
                began: now,
                last: now,
                at: String::new(),
                is_told: true,
            })))
        })
    }

    /// Tells that a part of the search begins.
    pub fn begin(&self, part: &str) {
        match &self.0 {
            ProgressForm::Nothing => {}
            ProgressForm::OnTerminal(line) => line.set_message(part.to_string()),
            ProgressForm::InLines(lines) => {
                let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
                lines.at = part.to_string();
                lines.tell(Instant::now(), "");
            }
        }
    }

    /// Tells what the search is doing.
    pub fn say(&self, what: &str) {
        match &self.0 {
            ProgressForm::Nothing => {}
            ProgressForm::OnTerminal(line) => line.set_message(what.to_string()),
            ProgressForm::InLines(lines) => {
                let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
                lines.is_told &= lines.at == what;
                lines.at = what.to_string();
            }
        }
    }

    /// Tells that the search goes on after so many runs: called often, shown sparsely.
    pub fn goes_on(&self, runs: u64) {
        if let ProgressForm::InLines(lines) = &self.0 {
            let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            if lines.is_due(now) {
                lines.tell(now, &format!(" ({} runs so far)", count(runs)));
            }
        }
    }

    /// Removes the line.
    pub fn finish(&self) {
        if let ProgressForm::OnTerminal(line) = &self.0 {
            line.finish_and_clear();
        }
    }
}

impl SearchLines {
    fn is_due(&self, now: Instant) -> bool {
        let gap = if self.is_told { AGAIN } else { SPARSE };
        now - self.last >= gap
    }

    fn tell(&mut self, now: Instant, more: &str) {
        let seconds = (now - self.began).as_secs();
        let after = if seconds > 0 {
            format!("after {}: ", length(seconds as f64))
        } else {
            String::new()
        };
        // nobody is left to hear that stderr is closed
        let _ = writeln!(std::io::stderr(), "{after}{}{more}", self.at);
        (self.last, self.is_told) = (now, true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_sparse() {
        let began = Instant::now();
        let at = |seconds| began + Duration::from_secs(seconds);
        let mut lines = SearchLines {
            began,
            last: began,
            at: "5 nodes".to_string(),
            is_told: false,
        };
        assert!(!lines.is_due(at(9)) && lines.is_due(at(10)));
        lines.tell(at(10), "");
        assert!(!lines.is_due(at(69)) && lines.is_due(at(70)));
        lines.is_told = false;
        assert!(!lines.is_due(at(19)) && lines.is_due(at(20)));
    }
}
