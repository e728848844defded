//! Where the words of a cell may break: at spaces, after the marks of keys and paths, else anywhere; never within a
//! number.

use super::style::{display_width, words};

/// Longest piece of a word without a mark that is not broken, in columns.
const LONGEST_PIECE: usize = 20;

/// The width below which a text cannot be set, where words longer than `word` columns may break.
pub fn longest_piece(text: &str, word: usize) -> usize {
    let least = |w: &String| match display_width(w) {
        width if width <= word => width,
        _ => {
            let pieces = pieces(w);
            let pieces = pieces.iter().map(|piece| display_width(piece));
            pieces.max().unwrap_or(0).min(LONGEST_PIECE)
        }
    };
    words(text).iter().map(least).max().unwrap_or(0)
}

/// A word cut after the marks of keys and paths, never within a number.
fn pieces(word: &str) -> Vec<String> {
    let mut pieces = vec![String::new()];
    let mut rest = word.chars().peekable();
    while let Some(c) = rest.next() {
        let is_first = pieces.last().is_some_and(String::is_empty);
        if let Some(piece) = pieces.last_mut() {
            piece.push(c);
        }
        let ends = matches!(c, '.' | '_' | '-' | '/' | '=' | ',' | ':') && !is_first;
        if ends && rest.peek().is_some_and(|next| next.is_alphabetic()) {
            pieces.push(String::new());
        }
    }
    pieces
}

/// A text in lines of at most `width`, all but the first of them set in: broken at spaces, else after marks, else
/// anywhere.
pub fn broken(text: &str, width: usize, hang: usize) -> Vec<String> {
    if display_width(text) <= width {
        return vec![text.to_owned()];
    }
    let mut lines = vec![String::new()];
    for word in words(text) {
        let room = |lines: &[String]| {
            width
                .saturating_sub(if lines.len() > 1 { hang } else { 0 })
                .max(1)
        };
        let fits = |lines: &[String], more: usize| {
            let line = lines.last().map_or(0, |line| display_width(line));
            line + more + usize::from(line > 0) <= room(lines)
        };
        let long = display_width(&word);
        if !fits(&lines, long) && lines.last().is_some_and(|line| !line.is_empty()) {
            lines.push(String::new());
        }
        if let (true, Some(line)) = (fits(&lines, long), lines.last_mut()) {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(&word);
            continue;
        }
        for piece in pieces(&word) {
            let room = room(&lines);
            let line = lines.last().map_or(0, |line| display_width(line));
            if line > 0 && line + display_width(&piece) > room {
                lines.push(String::new());
            }
            for c in piece.chars() {
                let room = width
                    .saturating_sub(if lines.len() > 1 { hang } else { 0 })
                    .max(1);
                let is_full = lines.last().is_some_and(|line| {
                    !line.is_empty()
                        && display_width(line) + display_width(c.encode_utf8(&mut [0; 4])) > room
                });
                if is_full {
                    lines.push(String::new());
                }
                if let Some(line) = lines.last_mut() {
                    line.push(c);
                }
            }
        }
    }
    for line in lines.iter_mut().skip(1) {
        line.insert_str(0, &" ".repeat(hang));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_break_at_spaces_first() {
        assert_eq!(broken("one two three", 7, 0), ["one two", "three"]);
        assert_eq!(broken("one two three", 7, 2), ["one two", "  three"]);
        assert_eq!(broken("short", 7, 2), ["short"]);
    }

    #[test]
    fn keys_break_after_their_marks_and_numbers_do_not() {
        let key = "class.chat.arrivals.requests_per_day=400_000";
        let lines = [
            "class.chat.",
            "arrivals.",
            "requests_",
            "per_",
            "day=400_000",
        ];
        assert_eq!(broken(key, 11, 0), lines);
        assert_eq!(longest_piece(key, 8), 11);
        assert_eq!(longest_piece("-1,234.56", 4), 9);
        assert_eq!(pieces("2025-02-28T03:30"), ["2025-02-28T03:30"]);
        assert_eq!(pieces("-x"), ["-x"]);
    }

    #[test]
    fn what_has_no_mark_breaks_anywhere() {
        assert_eq!(broken("abcdefgh", 3, 0), ["abc", "def", "gh"]);
        assert_eq!(broken("一天一天", 4, 0), ["一天", "一天"]);
        assert_eq!(longest_piece(&"a".repeat(99), 12), LONGEST_PIECE);
    }
}
