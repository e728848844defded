//! The cells of a line of a table, with their places: quotes as in RFC 4180, and any of the usual delimiters.

/// A cell: its content without quotes and blanks, and its place in the line, quotes included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cell<'a> {
    /// Content of the cell.
    pub text: &'a str,
    /// Bytes of the line that the cell takes.
    pub place: (usize, usize),
}

/// Cuts a line into cells; quoted cells may hold the delimiter, not a line break.
pub fn split<'a>(line: &'a str, delimiter: u8, cells: &mut Vec<Cell<'a>>) {
    cells.clear();
    each(line, delimiter, |_, cell| cells.push(cell));
}

/// Tells each cell of a line, with its number from 0.
pub fn each<'a>(line: &'a str, delimiter: u8, mut tell: impl FnMut(usize, Cell<'a>)) {
    let bytes = line.as_bytes();
    let mut start = 0;
    for number in 0.. {
        let mut end = start;
        let mut is_quoted = false;
        while end < bytes.len() && (is_quoted || bytes[end] != delimiter) {
            is_quoted ^= bytes[end] == b'"';
            end += 1;
        }
        tell(number, cell(line, start, end));
        if end >= bytes.len() {
            return;
        }
        start = end + 1;
    }
}

fn cell(line: &str, start: usize, end: usize) -> Cell<'_> {
    let raw = &line[start..end];
    let trimmed = raw.trim();
    let from = start + (raw.len() - raw.trim_start().len());
    let bare = trimmed
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .unwrap_or(trimmed);
    // An empty cell is shown by the delimiter beside it.
    let last = line.len().saturating_sub(1);
    let from = from.min(last);
    let to = (from + trimmed.len().max(1)).min(line.len()).max(from);
    Cell {
        text: bare.trim(),
        place: (from, to),
    }
}

/// The delimiter of a header: the one of comma, semicolon and tab that stands in it most often outside quotes.
pub fn delimiter(header: &str) -> u8 {
    let mut best = (0, b',');
    for candidate in *b",;\t" {
        let mut cells = Vec::new();
        split(header, candidate, &mut cells);
        if cells.len() > best.0.max(1) {
            best = (cells.len(), candidate);
        }
    }
    best.1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(line: &str, delimiter: u8) -> Vec<&str> {
        let mut cells = Vec::new();
        split(line, delimiter, &mut cells);
        cells.iter().map(|cell| cell.text).collect()
    }

    #[test]
    fn quotes_hold_delimiters() {
        assert_eq!(texts(r#"00:00,"1,000", x "#, b','), ["00:00", "1,000", "x"]);
        assert_eq!(texts("a,,", b','), ["a", "", ""]);
        assert_eq!(texts("", b','), [""]);
        assert_eq!(texts("\"open,1", b','), ["\"open,1"]);
        assert_eq!(delimiter("\"Time, local\";Requests"), b';');
        assert_eq!(delimiter("time\trequests"), b'\t');
        assert_eq!(delimiter("time"), b',');
    }

    #[test]
    fn places_hold_what_is_shown() {
        let mut cells = Vec::new();
        split(r#"00:00, "1,000",,x"#, b',', &mut cells);
        assert_eq!(cells[1].place, (7, 14));
        assert_eq!(cells[2].place, (15, 16));
    }
}
