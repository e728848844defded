//! A table of text: columns with heads and alignment, rows of cells, and at most a few bars.
//!
//! The terminal and Markdown views print the same grid. Bars are given as fractions and become
//! characters only when the width is known; how a grid is set in a terminal is `layout`'s.

use super::format::plain;
use super::style::{Style, Tone, display_width};

/// Length of a bar in Markdown, in characters.
const MARKDOWN_BAR: usize = 16;

/// A table for people: columns, rows, and perhaps a total.
#[derive(Clone, Debug, Default)]
pub struct Grid {
    /// Columns: heads and alignment.
    pub columns: Vec<GridColumn>,
    /// Rows of cells, each as long as `columns`; missing cells are empty.
    pub rows: Vec<Vec<GridCell>>,
    /// A last row, set off by a rule; `None`: there is none.
    pub total: Option<Vec<GridCell>>,
    /// What the pieces of bars mean, said where there are bars; `None`: nothing is said.
    pub legend: Option<String>,
}

/// A column of a grid.
#[derive(Clone, Debug)]
pub struct GridColumn {
    /// Parts of the head, whole words, e.g. `["TTFT s", "p99"]`. A terminal has them one above the other, and
    /// neighbours with the same first part share it; other views join them by spaces.
    pub head: Vec<String>,
    /// Where text stands in the column.
    pub align: Align,
}

/// Where text stands in its column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// Left, for names.
    Left,
    /// Right, for numbers.
    Right,
    /// A bar that stretches over the column.
    Bar,
}

/// A cell of a grid.
#[derive(Clone, Debug)]
pub enum GridCell {
    /// A text: words or a number, and its tone.
    Text(Tone, String),
    /// A bar: pieces one after the other.
    Bar(Vec<BarPiece>),
}

/// Part of a bar in a grid.
#[derive(Clone, Copy, Debug)]
pub struct BarPiece {
    /// The piece's tone, which its colour follows.
    pub tone: Tone,
    /// The character that the piece is drawn with.
    pub glyph: char,
    /// Where the piece ends, as a part of the whole bar's length, 0 to 1.
    pub end: f64,
}

impl GridColumn {
    /// A column of names. Parts of the head are separated by `\n`.
    pub fn left(head: &str) -> Self {
        Self::new(head, Align::Left)
    }

    /// A column of numbers. Parts of the head are separated by `\n`.
    pub fn right(head: &str) -> Self {
        Self::new(head, Align::Right)
    }

    /// A column of bars.
    pub fn bar() -> Self {
        Self::new("", Align::Bar)
    }

    fn new(head: &str, align: Align) -> Self {
        let head = head.split('\n').map(plain).collect();
        Self { head, align }
    }
}

impl GridCell {
    /// A cell of plain text.
    pub fn new(text: impl AsRef<str>) -> Self {
        Self::toned(Tone::Plain, text)
    }

    /// A cell of text in a tone.
    pub fn toned(tone: Tone, text: impl AsRef<str>) -> Self {
        Self::Text(tone, plain(text.as_ref()))
    }

    /// A cell with a bar of one piece; eighth-blocks make it exact to an eighth of a character.
    pub fn bar(tone: Tone, end: f64) -> Self {
        let glyph = '█';
        Self::Bar(vec![BarPiece { tone, glyph, end }])
    }

    /// The cell's painted text and the columns it takes, bars being `bar` columns long.
    pub(super) fn print(&self, style: &Style, bar: usize) -> (String, usize) {
        match self {
            Self::Text(tone, text) => (style.paint(*tone, text), display_width(text)),
            Self::Bar(pieces) => print_bar(pieces, style, bar),
        }
    }
}

impl Grid {
    /// A grid without rows.
    pub fn new(columns: Vec<GridColumn>) -> Self {
        Self {
            columns,
            ..Self::default()
        }
    }

    /// The grid for a pull request: a Markdown table, each line ended.
    pub fn to_markdown(&self) -> String {
        let heads: Vec<String> = self.columns.iter().map(|c| c.head.join(" ")).collect();
        let marks: Vec<String> = self
            .columns
            .iter()
            .map(|c| match c.align {
                Align::Right => "---:".to_string(),
                Align::Left | Align::Bar => "---".to_string(),
            })
            .collect();
        let mut text = markdown_row(&heads);
        text.push_str(&markdown_row(&marks));
        for row in &self.rows {
            let cells: Vec<String> = row.iter().map(markdown_cell).collect();
            text.push_str(&markdown_row(&cells));
        }
        if let Some(total) = &self.total {
            let cells: Vec<String> = total.iter().map(markdown_cell).map(bold).collect();
            text.push_str(&markdown_row(&cells));
        }
        if let Some(legend) = &self.legend {
            text.push_str(&format!("\n{}\n", escape(legend)));
        }
        text
    }
}

fn print_bar(pieces: &[BarPiece], style: &Style, length: usize) -> (String, usize) {
    if let [piece] = pieces {
        let bar = eighths(piece.end, length);
        let taken = display_width(&bar);
        return (style.paint(piece.tone, &bar), taken);
    }
    let mut text = String::new();
    let mut taken = 0;
    for piece in pieces {
        let end = libm::round(piece.end.clamp(0.0, 1.0) * length as f64) as usize;
        let run: String = std::iter::repeat_n(piece.glyph, end.saturating_sub(taken)).collect();
        text.push_str(&style.paint(piece.tone, &run));
        taken = taken.max(end);
    }
    (text, taken)
}

fn eighths(end: f64, length: usize) -> String {
    const PARTS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let eighths = libm::round(end.clamp(0.0, 1.0) * 8.0 * length as f64) as usize;
    format!("{}{}", "█".repeat(eighths / 8), PARTS[eighths % 8])
}

fn markdown_row(cells: &[String]) -> String {
    format!("| {} |\n", cells.join(" | "))
}

fn markdown_cell(cell: &GridCell) -> String {
    escape(&cell.print(&Style::default(), MARKDOWN_BAR).0)
}

fn bold(text: String) -> String {
    if text.is_empty() {
        text
    } else {
        format!("**{text}**")
    }
}

/// Escapes a text so that Markdown shows it as it is.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '|' | '\\' | '*' | '_' | '`' | '<' | '[' | ']') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

/// A grid with all kinds of columns, for tests.
#[cfg(test)]
pub(super) fn sample() -> Grid {
    let mut grid = Grid::new(vec![
        GridColumn::left("hour"),
        GridColumn::right("TTFT\ns"),
        GridColumn::bar(),
        GridColumn::right("cost"),
    ]);
    let pieces = vec![
        BarPiece {
            tone: Tone::Cost,
            glyph: '█',
            end: 0.25,
        },
        BarPiece {
            tone: Tone::Revenue,
            glyph: '░',
            end: 1.0,
        },
    ];
    grid.rows = vec![
        vec![
            GridCell::new("12:00"),
            GridCell::new("0.92"),
            GridCell::Bar(pieces),
            GridCell::new("$4,448"),
        ],
        vec![
            GridCell::new("1|2"),
            GridCell::new("12.3"),
            GridCell::bar(Tone::Nodes, 0.56),
            GridCell::new("$8"),
        ],
    ];
    grid.total = Some(vec![
        GridCell::new("all"),
        GridCell::new("9.1"),
        GridCell::new(""),
        GridCell::new("$9"),
    ]);
    grid
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markdown_has_marks_and_escapes() {
        insta::assert_snapshot!(sample().to_markdown(), @r"
        | hour | TTFT s |  | cost |
        | --- | ---: | --- | ---: |
        | 12:00 | 0.92 | ████░░░░░░░░░░░░ | $4,448 |
        | 1\|2 | 12.3 | █████████ | $8 |
        | **all** | **9.1** |  | **$9** |
        ");
    }

    #[test]
    fn bars_are_clamped_and_exact_to_an_eighth() {
        assert_eq!(eighths(0.5, 3), "█▌");
        assert_eq!(eighths(7.0, 2), "██");
        assert_eq!(eighths(-1.0, 2), "");
        assert_eq!(eighths(f64::NAN, 2), "");
    }
}
