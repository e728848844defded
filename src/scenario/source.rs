//! The texts that a scenario is read from, and places in them.
//!
//! A scenario may come from a file, the files that it extends, `--set` arguments and CSV files. Each
//! is a [`SourceText`]; every value remembers its [`Span`], so that a mistake found late, when the meaning
//! is put together, still points at the bytes that made it.

use std::path::PathBuf;
use std::sync::Arc;

/// One text that a scenario is read from.
#[derive(Clone, Debug)]
pub struct SourceText {
    /// Name of the source for people: the path as given, `bundled scenario NAME`, `argument --set`.
    pub name: String,
    /// The whole text of the source.
    pub text: String,
    /// The directory that paths in it start from and stay in; `None`: what the user types on a command
    /// line, which starts from the working directory and may lead anywhere.
    pub directory: Option<PathBuf>,
}

/// All texts of one scenario, in the order they were read.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    list: Vec<Arc<SourceText>>,
}

/// The origin of a tree: the texts that it was read from.
#[derive(Clone, Debug)]
pub struct TreeOrigin {
    /// Texts in which the tree's keys and values were written.
    pub sources: Sources,
    /// Index of the text that is the scenario itself.
    pub main: usize,
}

/// A stretch of bytes in one source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// Index of the source; `usize::MAX` in [`Span::NOWHERE`].
    pub source: usize,
    /// First byte of the span.
    pub start: usize,
    /// One past the last byte of the span.
    pub end: usize,
}

impl Span {
    /// The span of values that nobody wrote: defaults.
    pub const NOWHERE: Self = Self {
        source: usize::MAX,
        start: 0,
        end: 0,
    };

    /// The span of a whole source, without any particular place.
    pub fn whole(source: usize) -> Self {
        Self {
            source,
            start: 0,
            end: 0,
        }
    }

    /// This place in the text of another index: a text that is named again is known, and may get a new one.
    pub fn of_source(self, source: usize) -> Self {
        Self { source, ..self }
    }

    /// Whether the span marks no bytes.
    pub fn is_empty(self) -> bool {
        self.start >= self.end
    }
}

impl Sources {
    /// Adds a text and returns its index.
    pub fn add(&mut self, name: String, text: String, directory: Option<PathBuf>) -> usize {
        self.share(Arc::new(SourceText {
            name,
            text,
            directory,
        }))
    }

    /// Adds a text that others have, too, and returns its index.
    pub fn share(&mut self, text: Arc<SourceText>) -> usize {
        self.list.push(text);
        self.list.len() - 1
    }

    /// The source of this index; `None` for defaults.
    pub fn get(&self, source: usize) -> Option<&SourceText> {
        self.list.get(source).map(|text| &**text)
    }
}
