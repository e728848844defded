//! How a view looks: its width and whether it has colour. The caller decides both; nothing here asks
//! the terminal.

/// The colours and width of a text view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Whether to write ANSI colours.
    pub colour: bool,
    /// Columns that no line exceeds. Longer words, such as paths, stand on lines of their own.
    pub width: usize,
}

/// Columns of a pipe or a file, where no terminal says them.
pub const WIDTH: usize = 80;

/// Columns of the narrowest terminal that is served.
const NARROWEST: usize = 40;

/// Columns of the longest lines of prose: longer ones are hard to read.
const PROSE: usize = 100;

impl Default for Style {
    /// The style of a pipe: no colour, 80 columns.
    fn default() -> Self {
        Self::new(false, WIDTH)
    }
}

/// The meaning of a piece of text; its colour follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Ordinary text.
    Plain,
    /// Titles and totals.
    Strong,
    /// Heads and asides.
    Quiet,
    /// A figure as it should be.
    Good,
    /// A shortfall, a loss, a broken balance.
    Bad,
    /// A figure to look at.
    Careful,
    /// Bars of nodes.
    Nodes,
    /// Bars of cost.
    Cost,
    /// Bars of revenue.
    Revenue,
}

impl Style {
    /// A style for `width` columns, at least 40.
    pub fn new(colour: bool, width: usize) -> Self {
        Self {
            colour,
            width: width.max(NARROWEST),
        }
    }

    /// Columns of a line of prose.
    pub fn prose(&self) -> usize {
        self.width.min(PROSE)
    }

    /// The text in the tone's colour, or as it is when there is no colour.
    pub fn paint(&self, tone: Tone, text: &str) -> String {
        let code = match tone {
            Tone::Plain => return text.to_string(),
            Tone::Strong => "1",
            Tone::Quiet => "2",
            Tone::Good => "32",
            Tone::Bad => "31",
            Tone::Careful => "33",
            Tone::Nodes => "36",
            Tone::Cost => "33",
            Tone::Revenue => "34",
        };
        if self.colour && !text.is_empty() {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_string()
        }
    }
}

/// Character that begins the code of a colour, which ends at the next `m`.
const ESCAPE: char = '\u{1b}';

/// Columns that a text takes in a terminal: two for the wide letters of East Asia, one for others, none for colours.
/// Combining marks and emoji sequences are not looked into.
pub fn display_width(text: &str) -> usize {
    let mut is_colour = false;
    let shown = text.chars().filter(|c| {
        is_colour |= *c == ESCAPE;
        let is_shown = !is_colour;
        is_colour &= *c != 'm';
        is_shown
    });
    shown
        .map(|c| match u32::from(c) {
            0x1100..=0x115f | 0x2e80..=0xa4cf | 0xac00..=0xd7a3 => 2,
            0xf900..=0xfaff | 0xfe30..=0xfe6f | 0xff00..=0xff60 => 2,
            0xffe0..=0xffe6 | 0x1f300..=0x1faff | 0x20000..=0x3fffd => 2,
            _ => 1,
        })
        .sum()
}

/// Units that stay on the line of their number.
const UNITS: [&str; 13] = [
    "s", "ms", "µs", "ns", "h", "min", "%", "k", "M", "G", "T", "kWh", "tokens/s",
];

/// The words of a text; a number and its unit are one.
pub(super) fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        let is_unit = UNITS.contains(&word.trim_end_matches([',', '.', ';', ':', ')']));
        match words.last_mut() {
            Some(last) if is_unit && last.ends_with(|c: char| c.is_ascii_digit()) => {
                last.push(' ');
                last.push_str(word);
            }
            _ => words.push(word.to_string()),
        }
    }
    words
}

/// Breaks a text at spaces into lines of at most `width` columns; a longer word gets its own line, and
/// a number is not parted from its unit.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let words = words(text);
    let mut lines: Vec<String> = Vec::new();
    for word in words {
        match lines.last_mut() {
            Some(line) if display_width(line) + 1 + display_width(&word) <= width => {
                line.push(' ');
                line.push_str(&word);
            }
            _ => lines.push(word),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_only_when_asked() {
        let plain = Style::default();
        let colour = Style::new(true, WIDTH);
        assert_eq!(plain.paint(Tone::Bad, "x"), "x");
        assert_eq!(colour.paint(Tone::Bad, "x"), "\u{1b}[31mx\u{1b}[0m");
        assert_eq!(colour.paint(Tone::Plain, "x"), "x");
        assert_eq!(colour.paint(Tone::Bad, ""), "");
    }

    #[test]
    fn wide_letters_count_twice() {
        assert_eq!(display_width("day"), 3);
        assert_eq!(display_width("一天"), 4);
        assert_eq!(display_width("█░"), 2);
        let painted = Style::new(true, WIDTH).paint(Tone::Bad, "a mem");
        assert_eq!(display_width(&painted), 5);
    }

    #[test]
    fn lines_break_at_spaces() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("unbreakable a", 4), ["unbreakable", "a"]);
        assert_eq!(wrap("after 2.5 s, or", 8), ["after", "2.5 s,", "or"]);
        assert!(wrap("  ", 4).is_empty());
    }
}
