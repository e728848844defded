//! Doc comments whose first line is a riddle to who comes by search: it points at a subject that stands elsewhere.
//!
//! Read is how the first line of a doc comment begins. What follows, and whether it says enough, is for people to judge.

/// First words that point elsewhere, as the whole word, in any case.
const POINTING: &str = "it its itself they them their that these those whose who whom nobody somebody everybody of \
    and as both but or such then with another likewise none";

/// Beginnings of several words that point elsewhere.
const PHRASES: [&str; 10] = [
    "the same",
    "the rest",
    "the other",
    "the others",
    "all of",
    "one of them",
    "what it",
    "how it",
    "when it",
    "why it",
];

/// The lines on which a doc comment begins with a riddle, and what to do about each.
pub fn riddles(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut before = "";
    for (n, line) in (1..).zip(text.lines()) {
        let (mark, doc) = doc_of(line).unwrap_or_default();
        if let Some(opening) = opening(doc).filter(|_| mark != before) {
            found.push((
                n,
                format!(
                    "docs that begin with `{opening}` leave their subject to the reader: name it"
                ),
            ));
        }
        before = mark;
    }
    found
}

/// The mark of a line of docs and its text; `None`: the line holds none.
fn doc_of(line: &str) -> Option<(&str, &str)> {
    let line = line.trim();
    let (mark, doc) = line.split_at_checked(3)?;
    let is_doc = ["///", "//!"].contains(&mark) && !doc.starts_with('/');
    is_doc.then(|| (mark, doc.trim()))
}

/// The riddle with which docs begin; `None`: they name their subject.
fn opening(doc: &str) -> Option<&'static str> {
    let words: Vec<String> = doc
        .split_whitespace()
        .map(|word| {
            word.trim_matches(|c: char| !c.is_alphanumeric())
                .to_lowercase()
        })
        .collect();
    let begins = |opening: &&str| {
        let mut given = words.iter();
        opening
            .split_whitespace()
            .all(|word| given.next().is_some_and(|one| one == word))
    };
    let pointing = POINTING.split_whitespace().find(begins);
    pointing.or_else(|| PHRASES.into_iter().find(begins))
}

#[test]
fn each_opening_is_found_and_names_are_free() {
    let every = POINTING.split_whitespace().chain(PHRASES);
    for opening in every {
        let text = format!(
            "//! Names.\n/// {opening}, in ns.\nfn f() {{}}\n\n    /// `{}`\n",
            opening.to_uppercase()
        );
        let lines: Vec<usize> = riddles(&text).into_iter().map(|(line, _)| line).collect();
        assert_eq!(lines, [2, 5], "{opening}");
    }
    let free = "//! A model.\n//! It is cut.\n/// Items of the queue\n/// that wait.\nfn f() {}\n// Of these, none.\n\
                //// The same.\n/// Offset, the same of all.\n/// The sum.\n///\n/// It is exact.\n/// Ass.\n";
    assert_eq!(riddles(free), []);
}
