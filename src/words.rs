//! Words: how variants of an enum are written in files, on the command line and in answers, one table for each enum.
//!
//! The table that `words!` takes *is* the enum: no variant without its word, no word without its variant. The file's
//! shape, the JSON Schema, the reader, messages, the fuzzing's alphabet, and the lists of the reference simulator's and
//! the property tests' generators are made from it, and where an enum decides, a `match` without `_` has the compiler
//! ask what a new variant means.

/// A word of an enum and its meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word {
    /// The word as it is written.
    pub word: &'static str,
    /// Meaning of the word.
    pub doc: &'static str,
}

/// An enum whose variants are written as words.
pub trait Words: Copy + PartialEq + 'static {
    /// All variants, in the order of their table.
    const VARIANTS: &'static [Self];

    /// The word of the variant.
    fn word(self) -> &'static str;

    /// The variant of this word; `None`: there is none.
    fn named(word: &str) -> Option<Self> {
        let mut all = Self::VARIANTS.iter().copied();
        all.find(|variant| variant.word() == word)
    }
}

/// The words of some variants, for a sentence: `cost, profit or goodput`.
pub fn one_of<T: Words>(variants: impl IntoIterator<Item = T>) -> String {
    let words: Vec<&str> = variants.into_iter().map(Words::word).collect();
    match words.split_last() {
        None => String::new(),
        Some((only, [])) => (*only).to_string(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
    }
}

/// Defines an enum by its table: each variant with its word and what it means, which documents it, too.
macro_rules! words {
    (
        $(#[$about:meta])*
        $seen:vis enum $name:ident {
            $($(#[$more:meta])* $variant:ident = $word:literal: $doc:literal,)+
        }
    ) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        $seen enum $name {
            $(#[doc = $doc] $(#[$more])* $variant,)+
        }

        impl $name {
            /// All variants, in the order of the table.
            pub const ALL: [Self; [$($word),+].len()] = [$(Self::$variant,)+];

            /// How they are written and what they mean, in order.
            #[allow(dead_code, reason = "some tables are asked word by word only")]
            pub const WORDS: [$crate::words::Word; Self::ALL.len()] = [$(Self::$variant.entry(),)+];

            /// The word of the variant.
            pub const fn word(self) -> &'static str {
                self.entry().word
            }

            /// The variant of this word; `None`: there is none.
            pub fn named(word: &str) -> Option<Self> {
                <Self as $crate::words::Words>::named(word)
            }

            /// The word of the variant and its meaning.
            pub const fn entry(self) -> $crate::words::Word {
                match self {
                    $(Self::$variant => $crate::words::Word { word: $word, doc: $doc },)+
                }
            }
        }

        impl $crate::words::Words for $name {
            const VARIANTS: &'static [Self] = &Self::ALL;

            fn word(self) -> &'static str {
                self.entry().word
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str(self.word())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let word = std::borrow::Cow::<'de, str>::deserialize(from)?;
                let unknown = || serde::de::Error::unknown_variant(&word, &[$($word),+]);
                Self::named(&word).ok_or_else(unknown)
            }
        }
    };
}

/// What a constant expression makes of those variants of an enum for which a constant condition holds, as a static
/// slice: `each_of!(Router as Word: router where router.serves(role) => router.entry())`.
macro_rules! each_of {
    ($of:ty as $made:ty: $variant:ident where $holds:expr => $make:expr) => {{
        const COUNT: usize = {
            let (mut at, mut count) = (0, 0);
            while at < <$of>::ALL.len() {
                let $variant = <$of>::ALL[at];
                let _: $of = $variant;
                if $holds {
                    count += 1;
                }
                at += 1;
            }
            count
        };
        const MADE: [$made; COUNT] = {
            let mut made = [
                {
                    let $variant = <$of>::ALL[0];
                    $make
                };
                COUNT
            ];
            let (mut at, mut count) = (0, 0);
            while at < <$of>::ALL.len() {
                let $variant = <$of>::ALL[at];
                if $holds {
                    made[count] = $make;
                    count += 1;
                }
                at += 1;
            }
            made
        };
        &MADE
    }};
    ($of:ty as $made:ty: $variant:ident => $make:expr) => {
        $crate::words::each_of!($of as $made: $variant where true => $make)
    };
}

pub(crate) use {each_of, words};

#[cfg(test)]
mod tests {
    use super::*;

    words! {
        /// An enum of two variants.
        pub enum Twosome {
            One = "one": "The first",
            Other = "an-other": "The second",
        }
    }

    impl Twosome {
        const fn is_other(self) -> bool {
            matches!(self, Self::Other)
        }
    }

    #[test]
    fn a_table_says_its_words_and_reads_them() {
        assert_eq!(Twosome::ALL.map(Twosome::word), ["one", "an-other"]);
        assert_eq!(Twosome::WORDS[1].doc, "The second");
        assert_eq!(Twosome::named("an-other"), Some(Twosome::Other));
        assert_eq!(Twosome::named("another"), None);
        assert_eq!(one_of(Twosome::ALL), "one or an-other");
        assert_eq!(serde_json::json!(Twosome::One), "one");
        let read: Result<Twosome, _> = serde_json::from_str("\"an-other\"");
        assert_eq!(read.ok(), Some(Twosome::Other));
        let unknown: Result<Twosome, _> = serde_json::from_str("\"third\"");
        assert!(unknown.is_err_and(|why| why.to_string().contains("`one` or `an-other`")));
    }

    #[test]
    fn constants_are_made_of_those_that_a_condition_holds_for() {
        const OTHERS: &[Word] = each_of!(Twosome as Word: s where s.is_other() => s.entry());
        assert_eq!(OTHERS, [Twosome::Other.entry()]);
        const ALL: &[bool] = each_of!(Twosome as bool: s => s.is_other());
        assert_eq!(ALL, [false, true]);
    }
}
