//! A CSV of a scenario: its text once, however many scenarios are varied from the one that reads it, and what was
//! read from it.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use super::source::SourceText;
use super::text::quoted;

/// The text of a CSV, without a byte order mark and with line feeds alone at the ends of lines.
#[derive(Debug)]
pub struct CsvText {
    /// The text, and what people call it.
    pub source: Arc<SourceText>,
    /// The file of a recording, which is streamed and not held: its text is empty here; `None`: the text is here.
    pub path: Option<PathBuf>,
    quoted: OnceLock<String>,
    /// Content as it was first read. It is set once and then only lent, so that a panic elsewhere leaves it whole.
    content: AssertUnwindSafe<OnceLock<Arc<dyn Any + Send + Sync>>>,
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
            path: None,
            quoted: OnceLock::new(),
            content: AssertUnwindSafe(OnceLock::new()),
        })
    }

    /// A recording in a file, which a scenario names like this.
    pub fn of_file(path: PathBuf, named: &str) -> Arc<Self> {
        let source = SourceText {
            name: path.display().to_string(),
            text: String::new(),
            directory: None,
        };
        Arc::new(Self {
            source: Arc::new(source),
            path: Some(path),
            quoted: OnceLock::from(quoted(named)),
            content: AssertUnwindSafe(OnceLock::new()),
        })
    }

    /// The text as TOML.
    pub fn toml(&self) -> &str {
        self.quoted.get_or_init(|| quoted(&self.source.text))
    }

    /// Content of the rows, whatever they are read as: read once, and shared by all who read the same from it. Who comes
    /// for something else reads anew; what is wrong with a text that has mistakes is told each time.
    pub fn content<T: Send + Sync + 'static>(
        &self,
        read: impl FnOnce() -> Option<T>,
    ) -> Option<Arc<T>> {
        let known = self.content.get().cloned();
        if let Some(Ok(known)) = known.map(Arc::downcast) {
            return Some(known);
        }
        let made = Arc::new(read()?);
        // where another has read at the same time, or something else is known, this is only lent
        let _ = self.content.set(Arc::clone(&made) as Arc<_>);
        Some(made)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_read_once_and_anew_only_as_something_else() {
        let csv = CsvText::new("a.csv".to_string(), "1\r\n2");
        let mut reads = 0;
        let mut lines = |found: Option<usize>| {
            csv.content(|| {
                reads += 1;
                found
            })
        };
        assert_eq!(lines(None), None);
        let first = lines(Some(2));
        assert_eq!(first.as_deref(), Some(&2));
        assert_eq!(lines(Some(3)), first);
        assert_eq!(
            reads, 2,
            "mistakes are told each time, content is read once"
        );
        let other = csv.content(|| Some("two lines")).map(|text| *text);
        assert_eq!(other, Some("two lines"));
        assert_eq!(lines_again(&csv), first, "what was read first stays");
    }

    fn lines_again(csv: &CsvText) -> Option<Arc<usize>> {
        csv.content(|| None)
    }
}
