//! Rust code as tokens and paths: just enough reading for the rules of the house.
//!
//! Ignored: macros (their bodies are read as they stand), raw identifiers, and names brought in by globs.

/// A word, a number, `::`, or another single sign. A literal in quotes is one empty `""`.
#[derive(Clone, Debug, PartialEq)]
pub struct Token {
    /// From 1.
    pub line: usize,
    /// As written.
    pub text: String,
}

/// Cuts Rust code into tokens, without comments and the insides of literals.
pub fn tokens(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    let at = |i: usize| chars.get(i).copied().unwrap_or('\0');
    let (mut tokens, mut i, mut line) = (Vec::new(), 0, 1);
    while i < chars.len() {
        let from = i;
        let mut word = String::new();
        if at(i) == '/' && at(i + 1) == '/' {
            while i < chars.len() && at(i) != '\n' {
                i += 1;
            }
        } else if at(i) == '/' && at(i + 1) == '*' {
            let mut depth = 0;
            while i < chars.len() {
                match (at(i), at(i + 1)) {
                    ('/', '*') => (depth, i) = (depth + 1, i + 2),
                    ('*', '/') => (depth, i) = (depth - 1, i + 2),
                    _ => i += 1,
                }
                if depth == 0 {
                    break;
                }
            }
        } else if let Some(end) = literal_end(&chars, i) {
            (word, i) = ("\"\"".into(), end);
        } else if at(i).is_alphanumeric() || at(i) == '_' {
            let number = at(i).is_ascii_digit();
            let inside = |i: usize| {
                let c = at(i);
                c.is_alphanumeric()
                    || c == '_'
                    || (number && c == '.' && at(i + 1).is_ascii_digit())
            };
            while inside(i) {
                word.push(at(i));
                i += 1;
            }
        } else if at(i) == ':' && at(i + 1) == ':' {
            (word, i) = ("::".into(), i + 2);
        } else {
            if !at(i).is_whitespace() {
                word.push(at(i));
            }
            i += 1;
        }
        if !word.is_empty() {
            tokens.push(Token { line, text: word });
        }
        line += chars[from..i].iter().filter(|c| **c == '\n').count();
    }
    tokens
}

/// Where the string, raw string, byte string or character that begins at `start` ends, if one does.
fn literal_end(chars: &[char], start: usize) -> Option<usize> {
    let at = |i: usize| chars.get(i).copied().unwrap_or('\0');
    if start > 0 && (at(start - 1).is_alphanumeric() || at(start - 1) == '_') {
        return None;
    }
    let mut i = start;
    while i < start + 2 && matches!(at(i), 'b' | 'r' | 'c') {
        i += 1;
    }
    let raw = chars[start..i].contains(&'r');
    let hashes = if raw {
        chars[i..].iter().take_while(|c| **c == '#').count()
    } else {
        0
    };
    i += hashes;
    let quote = at(i);
    // A quote that opens a character closes after one (perhaps escaped) character; else it is a lifetime.
    if quote == '\'' && !raw && at(i + 1) != '\\' && at(i + 2) != '\'' {
        return None;
    }
    if quote != '"' && (quote != '\'' || raw) {
        return None;
    }
    i += 1;
    while i < chars.len() {
        let closes = at(i) == quote
            && chars[i + 1..]
                .iter()
                .take(hashes)
                .filter(|c| **c == '#')
                .count()
                == hashes;
        match at(i) {
            '\\' if !raw => i += 2,
            _ if closes => return Some(i + 1 + hashes),
            _ => i += 1,
        }
    }
    Some(i)
}

/// The tokens without items under `#[cfg(test)]`.
pub fn without_tests(tokens: &[Token]) -> Vec<Token> {
    let is = |i: usize, text: &str| {
        tokens
            .get(i)
            .is_some_and(|token: &Token| token.text == text)
    };
    let mut kept = Vec::new();
    let mut i = 0;
    while i < tokens.len() {
        let opens = is(i, "#") && is(i + 1, "[") && is(i + 2, "cfg");
        let end = if opens { closing(tokens, i + 1) } else { i };
        if !opens || !tokens[i..end].iter().any(|token| token.text == "test") {
            kept.push(tokens[i].clone());
            i += 1;
            continue;
        }
        // Other attributes, then the item: up to its `;` or the end of its braces.
        i = end + 1;
        while is(i, "#") {
            i = closing(tokens, i + 1) + 1;
        }
        while i < tokens.len() && !is(i, ";") && !is(i, "{") {
            i += 1;
        }
        i = if is(i, "{") {
            closing(tokens, i) + 1
        } else {
            i + 1
        };
    }
    kept
}

/// The index of the bracket that closes the one at `open` (the last token if none does).
fn closing(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0;
    for (i, token) in tokens.iter().enumerate().skip(open) {
        match token.text.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return i;
        }
    }
    tokens.len() - 1
}

/// Every path that the code names, `use` trees spread out: `a::{b, c::d}` is `a::b` and `a::c::d`.
pub fn paths(code: &[Token]) -> Vec<(usize, Vec<String>)> {
    let mut found = Vec::new();
    let mut i = 0;
    while i < code.len() {
        i = path(code, i, &[], &mut found).max(i + 1);
    }
    found
}

/// Reads one path (with its tree of braces) at `i` and returns where it ends.
fn path(
    code: &[Token],
    mut i: usize,
    before: &[String],
    found: &mut Vec<(usize, Vec<String>)>,
) -> usize {
    let is = |i: usize, text: &str| code.get(i).is_some_and(|token: &Token| token.text == text);
    let word = |i: usize| {
        let first = code
            .get(i)
            .and_then(|token: &Token| token.text.chars().next());
        first.is_some_and(|c| c.is_alphabetic() || c == '_')
    };
    let mut names = before.to_vec();
    let from = i;
    while word(i) {
        names.push(code[i].text.clone());
        if !is(i + 1, "::") {
            i += 1;
            break;
        }
        i += 2;
    }
    if i > from && is(i, "{") && is(i - 1, "::") {
        let end = closing(code, i);
        i += 1;
        while i < end {
            i = path(code, i, &names, found).max(i + 1);
        }
        return end + 1;
    }
    if i > from {
        found.push((code[from].line, names));
    }
    i
}

/// The types that the code defines, by line: structs, enums, unions, traits and aliases; not the associated types of
/// traits and impls, which are named by what they belong to.
pub fn type_names(code: &[Token]) -> Vec<(usize, &str)> {
    let at = |i: usize| code.get(i).map_or("", |token| token.text.as_str());
    let mut found = Vec::new();
    // Where the innermost trait or impl ends: none nests in another without a function between them.
    let mut associated = 0;
    for i in 0..code.len() {
        let before = if i == 0 { "" } else { at(i - 1) };
        let is_item = ["", "}", ";", "]", "{", ")", "pub", "unsafe"].contains(&before);
        if is_item && ["impl", "trait"].contains(&at(i)) {
            let opens = (i..code.len()).find(|&i| at(i) == "{");
            associated = opens.map_or(associated, |opens| associated.max(closing(code, opens)));
        }
        let is_type = match at(i) {
            "struct" | "enum" | "union" | "trait" => is_item,
            "type" => is_item && i > associated,
            _ => false,
        };
        let named = at(i + 1).starts_with(|c: char| c.is_alphabetic());
        if is_type && named {
            found.push((code[i].line, at(i + 1)));
        }
    }
    found
}
