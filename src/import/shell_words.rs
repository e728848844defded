//! A launch line as a shell would split it: words with their places. Quotes, backslashes, comments and lines that go
//! on after a backslash are those of a POSIX shell. Nothing is expanded and nothing is run.

use crate::scenario::{Diagnostic, Span};

/// A word of a command, and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct LaunchWord {
    /// The word without its quotes.
    pub text: String,
    /// Place of the word in its source.
    pub at: Span,
}

/// Commands of a text: each is a list of words; `;`, `&`, `|` and line ends part them. What `<` and `>` send
/// elsewhere is left out.
pub fn commands(text: &str, source: usize) -> Result<Vec<Vec<LaunchWord>>, Diagnostic> {
    let mut splitter = Splitter {
        source,
        commands: vec![Vec::new()],
        word: None,
        skips_next: false,
    };
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some((_, '\n')) | None => {}
                Some((_, '\r')) => {
                    chars.next_if(|(_, c)| *c == '\n');
                }
                Some((_, escaped)) => splitter.push(at, escaped),
            },
            '\'' | '"' => {
                splitter.begin(at);
                let mut is_closed = false;
                while let Some((_, inner)) = chars.next() {
                    if inner == c {
                        is_closed = true;
                        break;
                    }
                    let escapes = c == '"' && inner == '\\';
                    let next = chars.peek().map(|(_, c)| *c);
                    match next {
                        Some('\n') if escapes => {
                            chars.next();
                        }
                        Some(next @ ('"' | '\\' | '$' | '`')) if escapes => {
                            chars.next();
                            splitter.push(at, next);
                        }
                        _ => splitter.push(at, inner),
                    }
                }
                if !is_closed {
                    let at = splitter.span(at, at + 1);
                    let found = Diagnostic::new("this quote is never closed", at);
                    return Err(found.label("it begins here"));
                }
            }
            '#' if splitter.word.is_none() => while chars.next_if(|(_, c)| *c != '\n').is_some() {},
            '\n' | ';' | '&' | '|' => splitter.end_command(at),
            '<' | '>' => {
                // `2>` belongs to the redirection
                if let Some((_, word)) = &splitter.word
                    && word.chars().all(|c| c.is_ascii_digit())
                {
                    splitter.word = None;
                }
                splitter.end(at);
                while chars
                    .next_if(|(_, c)| matches!(c, '>' | '<' | '&'))
                    .is_some()
                {}
                splitter.skips_next = true;
            }
            c if c.is_whitespace() => splitter.end(at),
            c => splitter.push(at, c),
        }
    }
    splitter.end_command(text.len());
    splitter.commands.retain(|words| !words.is_empty());
    Ok(splitter.commands)
}

struct Splitter {
    source: usize,
    commands: Vec<Vec<LaunchWord>>,
    /// The word that is being read, with its beginning.
    word: Option<(usize, String)>,
    /// Whether the next word is the file of a redirection.
    skips_next: bool,
}

impl Splitter {
    fn span(&self, start: usize, end: usize) -> Span {
        Span {
            source: self.source,
            start,
            end,
        }
    }

    fn begin(&mut self, at: usize) {
        self.word.get_or_insert_with(|| (at, String::new()));
    }

    fn push(&mut self, at: usize, c: char) {
        self.begin(at);
        if let Some((_, word)) = &mut self.word {
            word.push(c);
        }
    }

    fn end(&mut self, at: usize) {
        let Some((start, text)) = self.word.take() else {
            return;
        };
        if std::mem::take(&mut self.skips_next) {
            return;
        }
        let at = self.span(start, at);
        if let Some(command) = self.commands.last_mut() {
            command.push(LaunchWord { text, at });
        }
    }

    fn end_command(&mut self, at: usize) {
        self.end(at);
        self.skips_next = false;
        if self.commands.last().is_some_and(|words| !words.is_empty()) {
            self.commands.push(Vec::new());
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn split(text: &str) -> Vec<Vec<String>> {
        let commands = commands(text, 0).unwrap();
        let texts = |words: Vec<LaunchWord>| words.into_iter().map(|w| w.text).collect();
        commands.into_iter().map(texts).collect()
    }

    #[test]
    fn words_are_those_of_a_shell() {
        let line = "vllm serve a/b \\\n  --x '{\"k\": 1}' --y=\"a \\\"b\\\"\" c\\ d '' # comment\n";
        let words = [
            "vllm",
            "serve",
            "a/b",
            "--x",
            "{\"k\": 1}",
            "--y=a \"b\"",
            "c d",
            "",
        ];
        assert_eq!(split(line), [words]);
        let several = "cd x && A=1 run --f 2> log.txt >>out; next|last &";
        let all: [&[&str]; 4] = [&["cd", "x"], &["A=1", "run", "--f"], &["next"], &["last"]];
        assert_eq!(split(several), all);
        assert!(split(" \n# nothing\n").is_empty());
    }

    #[test]
    fn places_are_those_of_the_text() {
        let text = "a 'b c' \"d";
        assert!(commands(text, 0).is_err());
        let words = commands(&text[..7], 2).unwrap();
        let at = words[0][1].at;
        assert_eq!((at.source, &text[at.start..at.end]), (2, "'b c'"));
    }
}
