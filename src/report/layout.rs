//! How a grid is set in a terminal of a given width.
//!
//! A grid that is too wide gives way step by step: bars shrink, cells and heads wrap at spaces, gaps shrink to
//! one, bars go, words break after the marks of keys and paths (`.`, `_`, `-`, `/`), and last the grid is cut into
//! blocks that repeat its first column. Numbers are never cut, and no step loses a word.

use super::breaks::{broken, longest_piece};
use super::grid::{Align, Grid, GridCell, GridColumn};
use super::style::{Style, Tone, display_width};
use super::written_line::{Shown, WrittenLine};

/// Spaces between columns, and the same where there is little room.
const GAPS: (usize, usize) = (2, 1);

/// The shortest and the longest bar, in characters.
const BAR_RANGE: (usize, usize) = (8, 40);

/// How far the continued lines of a first column are set in.
const HANG: usize = 2;

/// Longest figure, in columns: a number, its sign, prefix and unit have fewer; what has more may break.
const LONGEST_FIGURE: usize = 16;

/// Longest word of a head, in columns, that does not break after a mark.
const LONGEST_OF_HEAD: usize = 9;

/// How far a column of words may be narrowed, and from which length a word may break after a mark.
#[derive(Clone, Copy)]
struct WrapLimits {
    column: usize,
    word: usize,
}

/// Limits at which a table still reads well.
const EASY: WrapLimits = WrapLimits {
    column: 18,
    word: 36,
};

/// Limits before a grid is cut into blocks.
const TIGHT: WrapLimits = WrapLimits {
    column: 12,
    word: 12,
};

/// Columns of a grid that stand side by side, with their widths.
struct Block {
    columns: Vec<usize>,
    widths: Vec<usize>,
    gap: usize,
}

impl Grid {
    /// The grid for a terminal: lines of at most the style's width, each ended, without trailing spaces.
    pub fn to_text(&self, style: &Style) -> String {
        let blocks = blocks(self, style.width);
        let mut columns = blocks.iter().flat_map(|block| &block.columns);
        let has_bars = columns.any(|i| is_bar(self, *i));
        let mut parts: Vec<String> = blocks
            .iter()
            .map(|block| block.print(self, style))
            .collect();
        if let (true, Some(legend), Some(last)) = (has_bars, &self.legend, parts.last_mut()) {
            for line in super::style::wrap(legend, style.prose()) {
                last.push_str(&style.paint(Tone::Quiet, &line));
                last.push('\n');
            }
        }
        parts.join("\n")
    }
}

/// The grid as one block if it fits, else as several.
fn blocks(grid: &Grid, width: usize) -> Vec<Block> {
    let all: Vec<usize> = (0..grid.columns.len()).collect();
    let without_bars: Vec<usize> = all.iter().copied().filter(|i| !is_bar(grid, *i)).collect();
    let (wide, narrow) = GAPS;
    let attempts = [
        (&all, wide, EASY),
        (&all, narrow, EASY),
        (&without_bars, wide, EASY),
        (&without_bars, narrow, EASY),
        (&without_bars, narrow, TIGHT),
    ];
    let fitted = attempts
        .into_iter()
        .find_map(|(columns, gap, limits)| fit(grid, columns, gap, limits, width));
    fitted.map_or_else(|| cut(grid, &without_bars, width), |block| vec![block])
}

/// Cuts a grid into blocks: as many columns as fit, beside what names the rows, then the next.
fn cut(grid: &Grid, columns: &[usize], width: usize) -> Vec<Block> {
    let is_left = |i: usize| {
        columns
            .get(i)
            .is_some_and(|i| align(grid, *i) == Align::Left)
    };
    let names = if !is_left(0) && is_left(1) { 2 } else { 1 };
    let (names, rest) = columns.split_at(names.min(columns.len()));
    let try_fit = |columns: &[usize]| {
        fit(grid, columns, GAPS.0, EASY, width).or_else(|| fit(grid, columns, GAPS.1, TIGHT, width))
    };
    let mut blocks = Vec::new();
    let mut held: Option<Block> = None;
    let mut taken = names.to_vec();
    for column in rest {
        taken.push(*column);
        if let Some(block) = try_fit(&taken) {
            held = Some(block);
            continue;
        }
        blocks.extend(held.take());
        taken = names.iter().chain([column]).copied().collect();
        held = Some(try_fit(&taken).unwrap_or_else(|| least(grid, &taken)));
    }
    blocks.extend(held);
    blocks
}

/// A block of columns as narrow as they go, where even that is too wide.
fn least(grid: &Grid, columns: &[usize]) -> Block {
    let (_, widths) = ranges(grid, columns, GAPS.1, TIGHT);
    Block {
        columns: columns.to_vec(),
        widths,
        gap: GAPS.1,
    }
}

/// Widths with which these columns take at most `width`; `None`: there are none.
fn fit(
    grid: &Grid,
    columns: &[usize],
    gap: usize,
    limits: WrapLimits,
    width: usize,
) -> Option<Block> {
    let bars = columns.iter().filter(|i| is_bar(grid, **i)).count();
    let room = width.checked_sub(gap * columns.len().saturating_sub(1))?;
    let room = room.checked_sub(bars * BAR_RANGE.0)?;
    let (most, least) = ranges(grid, columns, gap, limits);
    if least.iter().sum::<usize>() > room {
        return None;
    }
    let mut widths: Vec<usize> = most
        .iter()
        .zip(&least)
        .map(|(m, l)| (*m).min(room.max(*l)))
        .collect();
    for _ in room..widths.iter().sum() {
        let wider = (0..widths.len()).filter(|i| widths[*i] > least[*i]);
        // the one whose text then takes the fewest lines, in thousandths; of such, the widest
        let lines = |i: usize| 1_000 * most[i] / (widths[i] - 1).max(1);
        let lowest = wider.min_by_key(|i| (lines(*i), usize::MAX - widths[*i]))?;
        widths[lowest] -= 1;
    }
    let mut block = Block {
        columns: columns.to_vec(),
        widths,
        gap,
    };
    block.tighten(grid);
    if let Some(more) = room
        .saturating_sub(block.widths.iter().sum())
        .checked_div(bars)
    {
        let bar = (BAR_RANGE.0 + more).min(BAR_RANGE.1);
        for (width, i) in block.widths.iter_mut().zip(columns) {
            if is_bar(grid, *i) {
                *width = bar;
            }
        }
    }
    Some(block)
}

/// The width that each column would have, and the least that it can have; 0 for a bar.
fn ranges(
    grid: &Grid,
    columns: &[usize],
    gap: usize,
    limits: WrapLimits,
) -> (Vec<usize>, Vec<usize>) {
    let ranges = columns.iter().map(|i| {
        if is_bar(grid, *i) {
            return (0, 0);
        }
        let is_left = align(grid, *i) == Align::Left;
        let cells = cells(grid, *i).map(|text| {
            let whole = display_width(text);
            let is_figure = !is_left && whole <= LONGEST_FIGURE;
            let least = if is_figure {
                whole
            } else {
                longest_piece(text, limits.word)
            };
            (
                whole,
                if is_left {
                    least.max(whole.min(limits.column))
                } else {
                    least
                },
            )
        });
        let heads = own_head(grid, columns, *i).iter();
        let heads = heads.map(|line| (display_width(line), longest_piece(line, LONGEST_OF_HEAD)));
        let widest = |(a, b): (usize, usize), (c, d): (usize, usize)| (a.max(c), b.max(d));
        let (most, least) = cells.chain(heads).fold((0, 0), widest);
        // what is continued under itself needs room for being set in
        let is_first = columns.first() == Some(i) && least < most;
        (
            most,
            if is_first && is_left {
                most.min(least + HANG)
            } else {
                least
            },
        )
    });
    let (mut most, mut least): (Vec<usize>, Vec<usize>) = ranges.unzip();
    for (span, shared) in spans(grid, columns) {
        for (widths, needed) in [
            (&mut most, display_width(&shared)),
            (&mut least, longest_piece(&shared, LONGEST_OF_HEAD)),
        ] {
            let have: usize = widths[span.clone()].iter().sum::<usize>() + gap * (span.len() - 1);
            if let Some(last) = widths.get_mut(span.end - 1) {
                *last += needed.saturating_sub(have);
            }
        }
    }
    (most, least)
}

impl Block {
    /// Narrows the columns by what they do not use once their words are wrapped.
    fn tighten(&mut self, grid: &Grid) {
        let spans = spans(grid, &self.columns);
        for at in 0..self.columns.len() {
            let i = self.columns[at];
            let is_spanned = spans.iter().any(|(span, _)| span.contains(&at));
            if is_bar(grid, i) || is_spanned {
                continue;
            }
            let width = self.widths[at];
            let hang = self.hang(grid, at);
            let cells = cells(grid, i).flat_map(|text| broken(text, width, hang));
            let heads = own_head(grid, &self.columns, i).iter();
            let heads = heads.flat_map(|line| broken(line, width, 0));
            let used = cells.chain(heads).map(|line| display_width(&line)).max();
            self.widths[at] = used.unwrap_or(0).min(width);
        }
    }

    /// How far the continued lines of a column are set in, in columns of text.
    fn hang(&self, grid: &Grid, at: usize) -> usize {
        let is_name = at == 0
            && self
                .columns
                .first()
                .is_some_and(|i| align(grid, *i) == Align::Left);
        if is_name && self.widths[at] > 4 * HANG {
            HANG
        } else {
            0
        }
    }

    fn print(&self, grid: &Grid, style: &Style) -> String {
        let mut text = self.heads(grid, style);
        let rule =
            self.widths.iter().sum::<usize>() + self.gap * self.widths.len().saturating_sub(1);
        let rule = style.paint(Tone::Quiet, &"─".repeat(rule)) + "\n";
        text.push_str(&rule);
        for row in &grid.rows {
            self.row(grid, row, style, &mut text);
        }
        if let Some(total) = &grid.total {
            text.push_str(&rule);
            self.row(grid, total, style, &mut text);
        }
        text
    }

    fn row(&self, grid: &Grid, row: &[GridCell], style: &Style, out: &mut String) {
        let cells: Vec<Vec<Shown>> = (0..self.columns.len())
            .map(|at| {
                let (i, width) = (self.columns[at], self.widths[at]);
                match row.get(i) {
                    None => Vec::new(),
                    Some(GridCell::Text(tone, text)) => broken(text, width, self.hang(grid, at))
                        .into_iter()
                        .map(|line| Shown::new(*tone, &line, style))
                        .collect(),
                    Some(bar @ GridCell::Bar(_)) => {
                        let (painted, taken) = bar.print(style, width);
                        vec![Shown { painted, taken }]
                    }
                }
            })
            .collect();
        let height = cells.iter().map(Vec::len).max().unwrap_or(0).max(1);
        for line in 0..height {
            let mut printed = WrittenLine::default();
            for (at, cell) in cells.iter().enumerate() {
                let is_right = align(grid, self.columns[at]) == Align::Right;
                printed.put(
                    cell.get(line),
                    self.widths[at],
                    if is_right { 1.0 } else { 0.0 },
                );
                printed.owed += self.gap;
            }
            printed.end(out);
        }
    }

    /// The lines of heads. They stand at the bottom; what neighbours share, above the middle of them.
    fn heads(&self, grid: &Grid, style: &Style) -> String {
        let own: Vec<Vec<String>> = (self.columns.iter().zip(&self.widths))
            .map(|(i, width)| {
                let lines = own_head(grid, &self.columns, *i).iter();
                lines.flat_map(|line| broken(line, *width, 0)).collect()
            })
            .collect();
        let shared: Vec<(std::ops::Range<usize>, Vec<String>)> = spans(grid, &self.columns)
            .into_iter()
            .map(|(span, text)| {
                let width = self.span(&span);
                (span, broken(&text, width, 0))
            })
            .collect();
        let under = |span: &std::ops::Range<usize>| {
            own[span.clone()].iter().map(Vec::len).max().unwrap_or(0)
        };
        let heights = own.iter().map(Vec::len);
        let above = shared.iter().map(|(span, lines)| under(span) + lines.len());
        let depth = heights.chain(above).max().unwrap_or(0);
        let mut text = String::new();
        for up in (0..depth).rev() {
            let mut printed = WrittenLine::default();
            let mut at = 0;
            while at < self.columns.len() {
                let span = shared.iter().find(|(span, _)| span.start == at);
                let span = span.filter(|(span, _)| up >= under(span));
                let is_right = align(grid, self.columns[at]) == Align::Right;
                let side = if is_right { 1.0 } else { 0.0 };
                let (lines, up, width, side, next) = match span {
                    Some((span, lines)) => {
                        let middle = side / 2.0;
                        (lines, up - under(span), self.span(span), middle, span.end)
                    }
                    None => (&own[at], up, self.widths[at], side, at + 1),
                };
                let line = lines.len().checked_sub(up + 1).and_then(|i| lines.get(i));
                let line = line.map(|line| Shown::new(Tone::Quiet, line, style));
                printed.put(line.as_ref(), width, side);
                printed.owed += self.gap;
                at = next;
            }
            printed.end(&mut text);
        }
        text
    }

    /// Width of a span of columns, from its start to its end.
    fn span(&self, span: &std::ops::Range<usize>) -> usize {
        self.widths[span.clone()].iter().sum::<usize>() + self.gap * (span.len() - 1)
    }
}

fn align(grid: &Grid, i: usize) -> Align {
    grid.columns
        .get(i)
        .map_or(Align::Left, |column| column.align)
}

fn is_bar(grid: &Grid, i: usize) -> bool {
    align(grid, i) == Align::Bar
}

/// The texts of a column, one for each row.
fn cells(grid: &Grid, i: usize) -> impl Iterator<Item = &str> {
    let rows = grid.rows.iter().chain(&grid.total);
    rows.filter_map(move |row| match row.get(i)? {
        GridCell::Text(_, text) => Some(text.as_str()),
        GridCell::Bar(_) => None,
    })
}

/// The first part of a head of several parts; `None`: it has one part.
fn first_part(column: &GridColumn) -> Option<&str> {
    match column.head.as_slice() {
        [first, _, ..] => Some(first),
        _ => None,
    }
}

/// Neighbours that share the first part of their heads, by their places among `columns`, and that part.
fn spans(grid: &Grid, columns: &[usize]) -> Vec<(std::ops::Range<usize>, String)> {
    let first = |at: usize| first_part(grid.columns.get(*columns.get(at)?)?);
    let mut spans: Vec<(std::ops::Range<usize>, String)> = Vec::new();
    for at in 1..columns.len() {
        let Some(shared) = first(at).filter(|shared| first(at - 1) == Some(shared)) else {
            continue;
        };
        match spans.last_mut() {
            Some((span, _)) if span.end == at => span.end = at + 1,
            _ => spans.push((at - 1..at + 1, shared.to_owned())),
        }
    }
    spans
}

/// The parts of a column's head that it does not share with neighbours.
fn own_head<'a>(grid: &'a Grid, columns: &[usize], i: usize) -> &'a [String] {
    let Some(column) = grid.columns.get(i) else {
        return &[];
    };
    let at = columns.iter().position(|other| *other == i);
    let is_shared = at.is_some_and(|at| {
        spans(grid, columns)
            .iter()
            .any(|(span, _)| span.contains(&at))
    });
    if is_shared {
        &column.head[1..]
    } else {
        &column.head
    }
}

#[cfg(test)]
mod tests {
    use super::super::grid::sample;
    use super::*;

    #[test]
    fn text_is_aligned_and_bars_fill_the_rest() {
        let style = Style {
            colour: false,
            width: 33,
        };
        insta::assert_snapshot!(sample().to_text(&style), @r"
               TTFT
        hour      s                  cost
        ─────────────────────────────────
        12:00  0.92  ███░░░░░░░░░  $4,448
        1|2    12.3  ██████▊           $8
        ─────────────────────────────────
        all     9.1                    $9
        ");
    }

    #[test]
    fn lines_keep_to_the_width_with_colour_too() {
        let style = Style {
            colour: true,
            width: 33,
        };
        let text = sample().to_text(&style);
        assert!(
            text.contains("\u{1b}[33m███\u{1b}[0m\u{1b}[34m░░░░░░░░░\u{1b}[0m"),
            "{text}"
        );
        assert!(text.lines().all(|line| !line.ends_with(' ')));
    }
}
