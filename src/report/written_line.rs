//! A line of a table while it is written, text after text.

use super::style::{Style, Tone, display_width};

/// A text as it is printed, and the columns that it takes.
pub struct Shown {
    /// The text, painted.
    pub painted: String,
    /// Columns that it takes.
    pub taken: usize,
}

impl Shown {
    /// A text in a tone.
    pub fn new(tone: Tone, text: &str, style: &Style) -> Self {
        Self {
            painted: style.paint(tone, text),
            taken: display_width(text),
        }
    }
}

/// A line while it is written; spaces are written when something follows them.
#[derive(Default)]
pub struct WrittenLine {
    text: String,
    /// Spaces that come before whatever is written next.
    pub owed: usize,
}

impl WrittenLine {
    /// Writes a text into `width` columns, `side` of the rest before it: 0 stands left, 1 right.
    pub fn put(&mut self, shown: Option<&Shown>, width: usize, side: f64) {
        let Some(shown) = shown.filter(|shown| shown.taken > 0) else {
            self.owed += width;
            return;
        };
        let room = width.saturating_sub(shown.taken);
        let before = libm::ceil(room as f64 * side) as usize;
        self.text
            .extend(std::iter::repeat_n(' ', self.owed + before));
        self.text.push_str(&shown.painted);
        self.owed = room - before;
    }

    /// Ends the line.
    pub fn end(self, out: &mut String) {
        out.push_str(self.text.trim_end_matches(' '));
        out.push('\n');
    }
}
