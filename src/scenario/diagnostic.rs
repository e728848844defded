//! Mistakes, shown the way rustc shows them: what is wrong, where, underlined, why, and what to write
//! instead.
//!
//! A [`Diagnostic`] is one mistake; [`Mistakes`] is all of them with the texts they point at, and the
//! only error that reading a scenario returns. Input may hold anything: control characters are made
//! visible and long lines are cut, so that a message never harms the terminal it is shown on.

use std::fmt;

use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use super::source::{Sources, Span};
use super::suggest::visible;

/// Most mistakes that are shown; the others are counted.
const MAX_SHOWN: usize = 20;

/// Most mistakes that are kept; a file of junk could hold millions.
const MAX_KEPT: usize = 1_000;

/// Most bytes of a line that are shown after the underlined place.
const MAX_TAIL: usize = 120;

/// Widest rendered line, in columns.
const WIDTH: usize = 120;

/// One mistake in a scenario: what is wrong, and where.
#[derive(Clone, Debug)]
pub struct Diagnostic {
    message: String,
    at: Span,
    label: String,
    more: Box<More>,
}

/// Parts of a mistake that few have; boxed, so that results with a mistake in them stay small.
#[derive(Clone, Debug, Default)]
struct More {
    related: Vec<(Span, String)>,
    notes: Vec<String>,
    help: Vec<String>,
}

impl Diagnostic {
    /// A mistake: what is wrong, and where.
    pub fn new(message: impl Into<String>, at: Span) -> Self {
        Self {
            message: message.into(),
            at,
            label: String::new(),
            more: Box::default(),
        }
    }

    /// Adds a few words beside the underlined place.
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// Adds another place that has to do with the mistake.
    pub fn also(mut self, at: Span, label: impl Into<String>) -> Self {
        if at.source != Span::NOWHERE.source {
            self.more.related.push((at, label.into()));
        }
        self
    }

    /// Adds a note on why it is wrong.
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.more.notes.push(note.into());
        self
    }

    /// Adds what to write instead.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.more.help.push(help.into());
        self
    }

    /// Moves the mistake's place by `offset` bytes: it was found in a part of a source.
    pub fn moved(mut self, offset: usize) -> Self {
        self.at.start += offset;
        self.at.end += offset;
        self
    }

    /// The mistake as text in rustc's look, in colour or plain.
    pub fn render(&self, sources: &Sources, colour: bool) -> String {
        let renderer = if colour {
            Renderer::styled()
        } else {
            Renderer::plain()
        };
        let mut group = Group::with_title(Level::ERROR.primary_title(clean(&self.message)));
        let mut marks = vec![(self.at, clean(&self.label), AnnotationKind::Primary)];
        for (at, label) in &self.more.related {
            marks.push((*at, clean(label), AnnotationKind::Context));
        }
        // One snippet a source, the source of the mistake itself first.
        while let Some(&(Span { source, .. }, ..)) = marks.first() {
            let (here, elsewhere) = marks.into_iter().partition(|(at, ..)| at.source == source);
            group = add_snippet(group, sources, source, here);
            marks = elsewhere;
        }
        for note in &self.more.notes {
            group = group.element(Level::NOTE.message(clean(note)));
        }
        for help in &self.more.help {
            group = group.element(Level::HELP.message(clean(help)));
        }
        renderer.term_width(WIDTH).render(&[group])
    }
}

type Mark = (Span, String, AnnotationKind);

fn add_snippet<'a>(
    group: Group<'a>,
    sources: &'a Sources,
    index: usize,
    marks: Vec<Mark>,
) -> Group<'a> {
    let Some(source) = sources.get(index) else {
        return group; // a default: nobody wrote it
    };
    let name = clean(&source.name);
    if marks.iter().all(|(at, ..)| at.is_empty()) {
        return group.element(Origin::path(name));
    }
    let text = source.text.as_str();
    let spans = marks.into_iter().filter(|(at, ..)| !at.is_empty());
    let spans: Vec<Mark> = spans
        .map(|(at, label, kind)| (first_line(text, at), label, kind))
        .collect();
    let from = spans.iter().map(|(at, ..)| at.start).min().unwrap_or(0);
    let to = spans.iter().map(|(at, ..)| at.end).max().unwrap_or(from);
    let from = text[..from].rfind('\n').map_or(0, |newline| newline + 1);
    let line = 1 + text[..from].bytes().filter(|b| *b == b'\n').count();
    let mut end = text[to..].find('\n').map_or(text.len(), |n| to + n);
    end = floor_char(text, end.min(to + MAX_TAIL));
    let mut snippet = Snippet::source(harmless(&text[from..end]))
        .line_start(line)
        .path(name);
    for (at, label, kind) in spans {
        let mut annotation: Annotation<'_> = kind.span(at.start - from..at.end - from);
        if !label.is_empty() {
            annotation = annotation.label(label);
        }
        snippet = snippet.annotation(annotation);
    }
    group.element(snippet)
}

/// A source's text without control characters, which the renderer lets through and a terminal would obey: each
/// becomes a harmless one of as many bytes, so that places in the text stay where they are.
fn harmless(text: &str) -> String {
    let replace = |c: char| match (visible(c) == c, c.len_utf8()) {
        (true, _) | (_, 1) => c, // the renderer shows these as pictures
        (_, 2) => '\u{b7}',
        _ => '\u{fffd}',
    };
    text.chars().map(replace).collect()
}

/// The part of a span on its first line, on character boundaries of the text.
fn first_line(text: &str, at: Span) -> Span {
    let start = floor_char(text, at.start.min(text.len()));
    let end = floor_char(text, at.end.min(text.len())).max(start);
    let line = text[start..end].find('\n').map_or(end, |n| start + n);
    let end = start + text[start..line.max(start)].trim_end().len();
    Span { start, end, ..at }
}

fn floor_char(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

fn clean(text: &str) -> String {
    let keep = |c| if c == '\n' { c } else { visible(c) };
    text.chars().map(keep).collect()
}

/// Collects mistakes while a scenario is read, so that all of them are reported at once.
#[derive(Clone, Debug, Default)]
pub struct MistakeReport {
    /// Whether a part of the scenario could not be read: what seems missing may have been in it.
    pub incomplete: bool,
    found: Vec<Diagnostic>,
    dropped: usize,
}

impl MistakeReport {
    /// Adds a mistake.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        if self.found.len() < MAX_KEPT {
            self.found.push(diagnostic);
        } else {
            self.dropped += 1;
        }
    }

    /// Adds the mistake that something is missing, unless parts of the scenario could not be read.
    pub fn push_missing(&mut self, diagnostic: Diagnostic) {
        if !self.incomplete {
            self.push(diagnostic);
        }
    }

    /// Adds the mistakes of another report.
    pub fn absorb(&mut self, other: Self) {
        self.dropped += other.dropped;
        other.found.into_iter().for_each(|found| self.push(found));
    }

    /// The number of mistakes so far.
    pub fn count(&self) -> usize {
        self.found.len() + self.dropped
    }

    /// Whether no mistake has been found so far.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// All mistakes in the order of the places they point at.
    pub fn into_mistakes(mut self, sources: Sources) -> Mistakes {
        self.found.sort_by_key(|d| d.at);
        Mistakes {
            sources,
            found: self.found,
            dropped: self.dropped,
        }
    }
}

/// All mistakes of a scenario, in the order of its text.
#[derive(Debug)]
pub struct Mistakes {
    sources: Sources,
    found: Vec<Diagnostic>,
    dropped: usize,
}

impl Mistakes {
    /// The number of mistakes.
    pub fn count(&self) -> usize {
        self.found.len() + self.dropped
    }

    /// The first mistake in a line, and how many more: `"x" is too large: must be from 0 to 1`.
    pub fn brief(&self) -> String {
        let Some(first) = self.found.first() else {
            return String::new();
        };
        let more = match self.count() {
            1 => String::new(),
            n => format!(" (and {} more)", n - 1),
        };
        let label = if first.label.is_empty() {
            String::new()
        } else {
            format!(": {}", first.label)
        };
        clean(&format!("{}{label}{more}", first.message)).replace('\n', " ")
    }

    /// The first twenty mistakes, and how many more there are, in rustc's look.
    pub fn render(&self, colour: bool) -> String {
        let shown = self.found.iter().take(MAX_SHOWN);
        let mut parts: Vec<String> = shown.map(|d| d.render(&self.sources, colour)).collect();
        let more = self.count() - parts.len();
        if more > 0 {
            let count = self.count();
            parts.push(format!("and {more} more: {count} mistakes in all"));
        } else if parts.len() > 1 {
            parts.push(format!("{} mistakes in all", parts.len()));
        }
        parts.join("\n\n")
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Mistakes {}
