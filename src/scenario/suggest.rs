//! Words for people: the nearest known word, quoted input, lists.

/// Longest piece of somebody's input that a message repeats, in characters.
const MAX_QUOTED: usize = 60;

/// Shortest beginning of a word that stands for the word.
const MIN_PREFIX: usize = 4;

/// Endings that publishers add to the name of a model whose architecture is the same.
const TUNED: [&str; 5] = ["-instruct", "-chat", "-it", "-hf", "-base"];

/// What makers and shops add to the name of a GPU: who made it, its board and its memory.
const BOARDS: [&str; 18] = [
    "nvidia", "amd", "instinct", "geforce", "tensor", "core", "gpu", "hgx", "dgx", "sxm", "sxm4",
    "sxm5", "sxm6", "oam", "80gb", "96gb", "141gb", "192gb",
];

/// The candidate that was probably meant by `word`: at most a third of its letters differ, or it begins
/// with the word. Letter case and `-`, `_` or blank count as equal, and so does a publisher's way of writing
/// (`Qwen/Qwen3-32B`). Where there are digits they decide, and every group of letters between them must
/// suit: `a100` is not `h100`, nor `v4` `v3`. Ties go to the first candidate.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let mut longer = None;
    if word.len() > 4 * MAX_QUOTED {
        return None;
    }
    let words = as_published(word);
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates {
        let other = fold(candidate);
        for word in &words {
            if begins(&other, word) {
                longer.get_or_insert(candidate);
            }
            if let Some(distance) = distance(word, &other)
                && distance < other.len()
                && best.is_none_or(|(least, _)| distance < least)
            {
                best = Some((distance, candidate));
            }
        }
    }
    best.map(|(_, candidate)| candidate).or(longer)
}

/// The word, and what is left of it without its publisher and what publishers add.
fn as_published(word: &str) -> Vec<Vec<char>> {
    let whole: String = fold(word).into_iter().collect();
    let (publisher, name) = whole.rsplit_once('/').unwrap_or(("", &whole));
    let mut words = vec![whole.as_str(), name];
    if let Some((first, rest)) = name.split_once('-')
        && publisher.split('-').next() == Some(first)
    {
        words.push(rest);
    }
    let untuned: Vec<&str> = words.iter().filter_map(|w| untuned(w)).collect();
    words.extend(untuned);
    let bare: Vec<&str> = name
        .split('-')
        .filter(|part| !BOARDS.contains(part))
        .collect();
    let bare = bare.join("-");
    words.push(&bare);
    words.retain(|w| w.chars().any(char::is_alphanumeric));
    words.iter().map(|w| w.chars().collect()).collect()
}

/// A name up to what says how its weights were tuned, if anything does.
fn untuned(name: &str) -> Option<&str> {
    let ends = TUNED.iter().filter_map(|tuned| {
        let at = name.find(tuned)?;
        let after = &name[at + tuned.len()..];
        (after.is_empty() || after.starts_with('-')).then_some(at)
    });
    ends.min().map(|end| &name[..end])
}

/// Whether a word is the beginning of another, and not of a number in it.
fn begins(other: &[char], word: &[char]) -> bool {
    let cuts_a_number = word.last().is_some_and(char::is_ascii_digit)
        && other
            .get(word.len())
            .is_some_and(|c| c.is_ascii_digit() || *c == '.');
    word.len() >= MIN_PREFIX && other.starts_with(word) && !cuts_a_number
}

/// Number of letters that differ; `None`: too many, or the words are those of different things.
fn distance(word: &[char], other: &[char]) -> Option<usize> {
    let has_digits = |w: &[char]| w.iter().any(char::is_ascii_digit);
    if !has_digits(word) && !has_digits(other) {
        let allowed = word.len().max(other.len()).div_ceil(3).min(4);
        return Some(edit_distance(word, other)).filter(|d| *d <= allowed);
    }
    let (groups, others) = (groups(word), groups(other));
    if groups.len() != others.len() {
        return None;
    }
    let each = groups.iter().zip(&others).map(|(one, other)| {
        let distance = edit_distance(one, other);
        let is_number = has_digits(one) || has_digits(other);
        let allowed = one.len().max(other.len()) / 3;
        (distance == 0 || (!is_number && distance <= allowed)).then_some(distance)
    });
    let sum: usize = each.sum::<Option<usize>>()?;
    (sum <= 4).then_some(sum)
}

/// A word's groups of digits and of letters; what is neither parts digits only.
fn groups(word: &[char]) -> Vec<Vec<char>> {
    let mut all: Vec<Vec<char>> = Vec::new();
    let mut is_parted = true;
    for c in word {
        if !c.is_alphanumeric() {
            is_parted |= all
                .last()
                .and_then(|g| g.last())
                .is_some_and(char::is_ascii_digit);
            continue;
        }
        let last = all.last().and_then(|g| g.last());
        let is_same = last.is_some_and(|l| l.is_ascii_digit() == c.is_ascii_digit());
        match all.last_mut().filter(|_| is_same && !is_parted) {
            Some(group) => group.push(*c),
            None => all.push(vec![*c]),
        }
        is_parted = false;
    }
    all
}

/// A text in backquotes, shortened, control characters made visible.
pub fn quote(text: &str) -> String {
    let mut shown: String = text.chars().take(MAX_QUOTED).map(visible).collect();
    if text.chars().nth(MAX_QUOTED).is_some() {
        shown.push('…');
    }
    format!("`{shown}`")
}

/// A list of words in quotes: `a`, `b` and `c`.
pub fn list<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    join(words, "and")
}

/// A choice of words in quotes: `a`, `b` or `c`.
pub fn choices<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    join(words, "or")
}

/// A number of things in words: `1 entry`, `2 entries`.
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

/// Edit distance: letters added, dropped, changed or swapped with their neighbour.
fn edit_distance(a: &[char], b: &[char]) -> usize {
    let [a, b] = [a, b].map(|word| word.iter().collect::<String>());
    strsim::osa_distance(&a, &b)
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
    fn other_numbers_are_other_things() {
        for (word, words) in [
            ("a100", ["h100", "h200"]),
            ("b100", ["h100", "b200"]),
            ("h20", ["h200", "h800"]),
            ("l40", ["l40s", "l20"]),
            ("fp16", ["bf16", "fp8"]),
            ("mxfp4", ["nvfp4", "fp4"]),
            ("deepseek-r1", ["deepseek-v3", "deepseek-v31"]),
            ("llama-3-8b", ["llama-3.1-8b", "llama-3.3-70b"]),
            ("llama-3.1-80b", ["llama-3.1-8b", "llama-3.1-405b"]),
            ("gb20", ["gb200", "gb300"]),
            ("v4", ["v3", "r1"]),
        ] {
            assert_eq!(nearest(word, words), None, "{word}");
        }
        let words = ["llama-3.1-8b", "qwen3-32b", "h100-pcie", "gpt-oss-120b"];
        for (word, meant) in [
            ("lama-3.1-8b", "llama-3.1-8b"),
            ("llama3.1_8B", "llama-3.1-8b"),
            ("h100_pcei", "h100-pcie"),
            ("h100-", "h100-pcie"),
            ("qwen3", "qwen3-32b"),
        ] {
            assert_eq!(nearest(word, words), Some(meant), "{word}");
        }
    }

    #[test]
    fn names_as_their_publishers_write_them() {
        let words = ["llama-3.1-8b", "qwen3-32b", "mixtral-8x7b", "deepseek-r1"];
        for (word, meant) in [
            ("Qwen/Qwen3-32B", Some("qwen3-32b")),
            ("meta-llama/Llama-3.1-8B-Instruct", Some("llama-3.1-8b")),
            ("meta-llama/Meta-Llama-3.1-8B", Some("llama-3.1-8b")),
            ("mistralai/Mixtral-8x7B-Instruct-v0.1", Some("mixtral-8x7b")),
            ("deepseek-ai/DeepSeek-R1", Some("deepseek-r1")),
            ("Qwen/Qwen3-8B", None),
            ("H100-SXM5", None),
            ("deepseek-ai/DeepSeek-R1-Distill-Llama-70B", None),
            ("Qwen/", None),
        ] {
            assert_eq!(nearest(word, words), meant, "{word}");
        }
    }

    #[test]
    fn boards_of_a_gpu_are_that_gpu() {
        let words = ["h100", "h200", "b200", "mi300x", "rtx-4090"];
        for (word, meant) in [
            ("H100-SXM5", Some("h100")),
            ("NVIDIA H100 80GB", Some("h100")),
            ("NVIDIA GeForce RTX 4090", Some("rtx-4090")),
            ("AMD Instinct MI300X", Some("mi300x")),
            ("H100-PCIe", None),
            ("NVIDIA A100-SXM4-80GB", None),
        ] {
            assert_eq!(nearest(word, words), meant, "{word}");
        }
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
