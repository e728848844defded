//! A CSV of a scenario: its text once, however many scenarios are varied from the one that reads it, and what was
//! made of it.

use std::sync::{Arc, OnceLock};

use super::resolve::Recording;
use super::source::SourceText;
use super::write::quoted;

/// The text of a CSV, without a byte order mark and with line feeds alone at the ends of lines.
#[derive(Debug)]
pub struct CsvText {
    /// The text, and what people call it.
    pub source: Arc<SourceText>,
    quoted: OnceLock<String>,
    recording: OnceLock<Arc<Recording>>,
}

impl CsvText {
    /// A text that came from a file, or stands in the scenario.
    pub fn new(name: String, text: &str) -> Arc<Self> {
        // A text that has been through here does not change when it comes again.
        let lines = text.trim_start_matches('\u{feff}').split('\n');
        let lines: Vec<&str> = lines.map(|line| line.trim_end_matches('\r')).collect();
        let source = SourceText {
            name,
            text: lines.join("\n"),
            directory: None,
        };
        Arc::new(Self {
            source: Arc::new(source),
            quoted: OnceLock::new(),
            recording: OnceLock::new(),
        })
    }

    /// The text as TOML.
    pub fn toml(&self) -> &str {
        self.quoted.get_or_init(|| quoted(&self.source.text))
    }

    /// The recording in it, read once; what is wrong with one that has mistakes is told each time.
    pub fn recording(&self, read: impl FnOnce() -> Option<Recording>) -> Option<Arc<Recording>> {
        if let Some(known) = self.recording.get() {
            return Some(Arc::clone(known));
        }
        let made = Arc::new(read()?);
        Some(Arc::clone(self.recording.get_or_init(|| made)))
    }
}
