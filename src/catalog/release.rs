//! Releases of engines: `0.15.1`, ranges of them, and names with a release (`vllm@0.15`).

use std::fmt;

/// A release: its numbers, the most significant first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Release(Vec<u32>);

impl Release {
    /// Reads `0.15.1`; a `v` before it and what follows the numbers (`rc3`, `.post1`) are left out. `None`: the text
    /// does not begin with a number.
    pub fn read(text: &str) -> Option<Self> {
        let text = text.strip_prefix('v').unwrap_or(text);
        let mut numbers = Vec::new();
        for part in text.split('.') {
            let digits = part.len() - part.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            let Ok(number) = part[..digits].parse() else {
                break;
            };
            numbers.push(number);
            if digits < part.len() {
                break;
            }
        }
        (!numbers.is_empty()).then_some(Self(numbers))
    }

    /// The release without the numbers that `other` does not have.
    fn as_fine_as(&self, other: &Self) -> &[u32] {
        &self.0[..self.0.len().min(other.0.len())]
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers: Vec<String> = self.0.iter().map(u32::to_string).collect();
        f.write_str(&numbers.join("."))
    }
}

/// The releases that an entry of the catalog holds for, both ends included: `to = 0.16` includes 0.16.2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Releases {
    /// The first release.
    pub from: Release,
    /// The last release that is known.
    pub to: Release,
}

impl Releases {
    /// Whether the entry holds for a release. One that says fewer numbers (`0.14` for a range from 0.14.1) is within.
    pub fn contain(&self, release: &Release) -> bool {
        let from = &self.from.0[..self.from.0.len().min(release.0.len())];
        release.0.as_slice() >= from && release.as_fine_as(&self.to) <= self.to.0.as_slice()
    }
}

impl fmt::Display for Releases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.from == self.to {
            return write!(f, "{}", self.from);
        }
        write!(f, "{} to {}", self.from, self.to)
    }
}

/// The name of an engine and what follows its `@`, if anything does.
pub fn name_and_release(text: &str) -> (&str, Option<&str>) {
    match text.split_once('@') {
        Some((name, release)) => (name, Some(release)),
        None => (text, None),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn range(from: &str, to: &str) -> Releases {
        Releases {
            from: Release::read(from).unwrap(),
            to: Release::read(to).unwrap(),
        }
    }

    #[test]
    fn a_range_holds_for_patches_and_for_releases_said_in_short() {
        let middle = range("0.14", "0.16");
        for (release, inside) in [
            ("0.13.9", false),
            ("0.14", true),
            ("v0.14.0", true),
            ("0.16.3", true),
            ("0.17", false),
            ("0.9", false),
            ("1.0", false),
        ] {
            let read = Release::read(release).unwrap();
            assert_eq!(middle.contain(&read), inside, "{release}");
        }
        assert!(range("0.14.1", "0.16").contain(&Release::read("0.14").unwrap()));
        assert!(range("1.0", "1.3").contain(&Release::read("1.2.0rc6.post1").unwrap()));
    }

    #[test]
    fn releases_are_read_as_far_as_they_are_numbers() {
        let shown = |text: &str| Release::read(text).map(|r| r.to_string());
        assert_eq!(shown("1.0.0rc3").as_deref(), Some("1.0.0"));
        assert_eq!(shown("0.5.6.post2").as_deref(), Some("0.5.6"));
        assert_eq!(shown("nightly"), None);
        assert_eq!(shown(""), None);
        assert_eq!(range("1.0", "1.0").to_string(), "1.0");
        assert_eq!(name_and_release("vllm@0.10"), ("vllm", Some("0.10")));
    }
}
