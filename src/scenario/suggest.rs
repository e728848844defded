//! Words for people: the nearest known word, quoted input, lists.

/// Longest piece of somebody's input that a message repeats, in characters.
const MAX_QUOTED: usize = 60;

/// Shortest beginning of a word that stands for the word.
const MIN_PREFIX: usize = 4;

/// The candidate that was probably meant by `word`: at most a third of its letters differ, or it begins
/// with the word. Letter case and `-`, `_` or blank count as equal. Ties go to the first candidate.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let mut longer = None;
    if word.len() > 4 * MAX_QUOTED {
        return None;
    }
    let word = fold(word);
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates {
        let other = fold(candidate);
        if word.len() >= MIN_PREFIX && other.starts_with(&word) {
            longer.get_or_insert(candidate);
        }
        let distance = edit_distance(&word, &other);
        let allowed = word.len().max(other.len()).div_ceil(3).min(4);
        if distance <= allowed
            && distance < other.len()
            && best.is_none_or(|(least, _)| distance < least)
        {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate).or(longer)
}

/// In backquotes, shortened, control characters made visible.
pub fn quote(text: &str) -> String {
    let mut shown: String = text.chars().take(MAX_QUOTED).map(visible).collect();
    if text.chars().nth(MAX_QUOTED).is_some() {
        shown.push('…');
    }
    format!("`{shown}`")
}

/// `a`, `b` and `c`, each quoted.
pub fn list<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    join(words, "and")
}

/// `a`, `b` or `c`, each quoted.
pub fn choices<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    join(words, "or")
}

/// `1 entry`, `2 entries`.
pub fn count(n: usize, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}

/// Control characters as their pictures, marks that turn the direction of text as a replacement sign:
/// input can move neither the cursor nor the text around it.
pub fn visible(c: char) -> char {
    match c {
        '\u{00}'..='\u{1f}' => char::from_u32(0x2400 + u32::from(c)).unwrap_or('\u{fffd}'),
        '\u{7f}' => '\u{2421}',
        '\u{80}'..='\u{9f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' => '\u{fffd}',
        '\u{2066}'..='\u{2069}' | '\u{feff}' => '\u{fffd}',
        _ => c,
    }
}

fn join<'a>(words: impl IntoIterator<Item = &'a str>, last: &str) -> String {
    let quoted: Vec<String> = words.into_iter().map(quote).collect();
    match quoted.as_slice() {
        [] => "nothing".to_string(),
        [only] => only.clone(),
        [most @ .., end] => format!("{} {last} {end}", most.join(", ")),
    }
}

fn fold(word: &str) -> Vec<char> {
    let lower = word.chars().flat_map(char::to_lowercase);
    lower
        .map(|c| if c == '_' || c == ' ' { '-' } else { c })
        .collect()
}

/// Letters added, dropped, changed or swapped with their neighbour (optimal string alignment).
fn edit_distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let changed = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = changed.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(before[j - 2] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_found_and_far_ones_are_not() {
        let words = ["decode", "prefill", "least-kv", "least-loaded"];
        assert_eq!(nearest("decod", words), Some("decode"));
        assert_eq!(nearest("dceode", words), Some("decode"));
        assert_eq!(nearest("Least_KV", words), Some("least-kv"));
        assert_eq!(nearest("least", words), Some("least-kv"));
        assert_eq!(nearest("mixed", words), None);
        assert_eq!(nearest("", words), None);
        assert_eq!(nearest("x", ["y"]), None);
    }

    #[test]
    fn input_cannot_move_the_cursor() {
        assert_eq!(quote("a\u{1b}[2Jb\u{202e}"), "`a␛[2Jb\u{fffd}`");
        assert_eq!(quote(&"x".repeat(100)).chars().count(), MAX_QUOTED + 3);
    }

    #[test]
    fn lists_read_as_sentences() {
        assert_eq!(choices(["a"]), "`a`");
        assert_eq!(choices(["a", "b", "c"]), "`a`, `b` or `c`");
        assert_eq!(list(["a", "b"]), "`a` and `b`");
    }
}
