//! What flags mean: a table for each engine, and how it is applied to a line. A flag is understood, known to change
//! nothing that is modelled, known to change what is not modelled, or not known; the last two are listed.

use super::shell_words::LaunchWord;
use crate::scenario::Span;

/// How many words a flag takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// No word: the flag is there or not.
    Nothing,
    /// One word.
    One,
    /// All words that follow, up to the next flag.
    Many,
}

/// What a flag means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlagMeaning {
    Model,
    Tensor,
    Pipeline,
    Data,
    AttentionData,
    SpreadExperts,
    Experts,
    Redundant,
    BatchTokens,
    Chunk,
    Chunked,
    Mixes,
    BatchRequests,
    MemoryFraction,
    KvTokens,
    KvNumbers,
    Weights,
    Context,
    Drafts,
    Prefixes,
    NoPrefixes,
    LookAhead,
    NoLookAhead,
    Overlaps,
    Evicts,
    Role,
    PrefillWorker,
    DecodeWorker,
    /// A JSON object that says how KV moves between servers (vLLM).
    KvTransfer,
    /// A JSON object that says how tokens are drafted (vLLM).
    Speculative,
    /// What drafts: of account only with how many it makes (SGLang, TensorRT-LLM).
    Drafter,
    /// A file of options, which is not read.
    OptionsFile,
    /// What is of no account for what is modelled: names, ports, logs, parsers, loading.
    Harmless,
    /// What is of account, but not modelled, and why.
    NotModelled(&'static str),
}

/// Reasons that flags of several engines share.
impl FlagMeaning {
    /// The reason of flags that choose kernels.
    pub const KERNELS: Self =
        Self::NotModelled("constants are those of the engine's own choice of kernels");
    /// The reason of flags about graphs.
    pub const GRAPHS: Self = Self::NotModelled("constants are those of a server with its graphs");
    /// The reason of flags that put steps together in another way.
    pub const STEPS: Self = Self::NotModelled("another way to put steps together");
    /// The reason of flags that put weights or KV into the host's memory.
    pub const OFFLOAD: Self = Self::NotModelled("weights and KV in the host's memory");
    /// The reason of flags that share the work in another way.
    pub const WORK: Self = Self::NotModelled("another way to share the work");
    /// The reason of flags that change the model.
    pub const OTHER_MODEL: Self = Self::NotModelled("another model than its configuration says");
    /// The reason of flags about adapters.
    pub const ADAPTERS: Self = Self::NotModelled("adapters");
}

/// What is known of an engine's launch lines.
#[derive(Clone, Copy, Debug)]
pub struct FlagTable {
    /// Where what a line leaves out comes from.
    pub source: &'static str,
    /// The engine's flags.
    pub rules: &'static [FlagRule],
}

/// Flags that mean the same.
#[derive(Clone, Copy, Debug)]
pub struct FlagRule {
    /// The flags, parted by blanks, with dashes; keys of an engine's YAML stand beside them without.
    pub names: &'static str,
    pub takes: Takes,
    pub means: FlagMeaning,
}

/// A rule of a table.
pub const fn rule(names: &'static str, takes: Takes, means: FlagMeaning) -> FlagRule {
    FlagRule {
        names,
        takes,
        means,
    }
}

/// A flag of a line with its words.
#[derive(Clone, Debug)]
pub struct Flag {
    /// The flag as it was written, without its value.
    pub name: String,
    /// Place of the flag.
    pub at: Span,
    /// Words of the flag, with their places.
    pub values: Vec<LaunchWord>,
}

impl Flag {
    /// The flag as it was written.
    pub fn text(&self) -> String {
        let mut text = self.name.clone();
        for value in &self.values {
            text.push(' ');
            text.push_str(&value.text);
        }
        text
    }
}

/// The form in which flags are compared: underscores are dashes, a YAML key has none before it.
fn plain(name: &str) -> String {
    name.trim_start_matches('-').replace('_', "-")
}

/// The rule of a flag, and whether it was negated (`--no-…`).
pub fn rule_of(rules: &'static [FlagRule], name: &str) -> Option<(&'static FlagRule, bool)> {
    let find = |wanted: &str| {
        rules
            .iter()
            .find(|rule| rule.names.split_whitespace().any(|n| plain(n) == wanted))
    };
    let name = plain(name);
    if let Some(rule) = find(&name) {
        return Some((rule, false));
    }
    // one key of an option that is an object: --speculative-config.method
    if let Some(rule) = name.split_once('.').and_then(|(object, _)| find(object)) {
        return Some((rule, false));
    }
    let positive = name.strip_prefix("no-")?;
    find(positive).map(|rule| (rule, true))
}

/// Divides the words after a command into flags; words that belong to none come back, too.
pub fn flags(rules: &'static [FlagRule], words: &[LaunchWord]) -> (Vec<Flag>, Vec<LaunchWord>) {
    let (mut flags, mut loose) = (Vec::new(), Vec::new());
    let mut words = words.iter().peekable();
    let is_flag = |text: &str| {
        let mut chars = text.chars();
        chars.next() == Some('-') && chars.next().is_some_and(|c| !c.is_ascii_digit())
    };
    while let Some(word) = words.next() {
        if !is_flag(&word.text) {
            loose.push(word.clone());
            continue;
        }
        let (name, value) = match word.text.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (word.text.as_str(), None),
        };
        let mut flag = Flag {
            name: name.to_string(),
            at: word.at,
            values: Vec::new(),
        };
        if let Some(value) = value {
            flag.values.push(LaunchWord {
                text: value.to_string(),
                at: word.at,
            });
        } else {
            // what is not known may take any number of words
            let takes = match rule_of(rules, name) {
                Some((_, true)) => Takes::Nothing,
                Some((rule, false)) => rule.takes,
                None => Takes::Many,
            };
            let most = match takes {
                Takes::Nothing => 0,
                Takes::One => 1,
                Takes::Many => usize::MAX,
            };
            while flag.values.len() < most
                && let Some(next) = words.next_if(|next| !is_flag(&next.text))
            {
                flag.values.push(next.clone());
            }
            // a truth value may be written out
            if takes == Takes::Nothing
                && let Some(next) = words.next_if(|next| truth(&next.text).is_some())
            {
                flag.values.push(next.clone());
            }
        }
        flags.push(flag);
    }
    (flags, loose)
}

/// A truth value as people write it.
pub fn truth(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "on" | "yes" => Some(true),
        "false" | "off" | "no" => Some(false),
        _ => None,
    }
}
