//! The type [`Scenario`]: what only this module's parent can build, and what nobody can change in place.

use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use super::super::ScenarioMeaning;
use super::super::plan_section::PLAN;
use super::super::source::TreeOrigin;
use super::super::sweep_section::SWEEP;
use super::super::tree::{TomlTable, TomlValue};
use super::super::write::{hash, length_without, write_without};

/// A checked, complete description of one simulation: the tree of its keys and values, and their meaning, whose
/// fields it lends to everybody.
#[derive(Clone, Debug)]
pub struct Scenario {
    meaning: Arc<ScenarioMeaning>,
    /// Tree of keys and values in standard form, uncertain numbers as they were written.
    tree: Arc<TomlTable>,
    origin: Arc<TreeOrigin>,
    described: Arc<Description>,
}

/// A scenario in words, each written when somebody asks first: of the many scenarios that a search tries few are ever
/// shown.
#[derive(Debug, Default)]
struct Description {
    toml: OnceLock<String>,
    hash: OnceLock<String>,
}

impl Deref for Scenario {
    type Target = ScenarioMeaning;

    fn deref(&self) -> &ScenarioMeaning {
        &self.meaning
    }
}

impl Scenario {
    /// A scenario of a tree, its meaning, and where it came from.
    pub(super) fn new(meaning: ScenarioMeaning, tree: TomlTable, origin: TreeOrigin) -> Self {
        Self {
            meaning: Arc::new(meaning),
            tree: Arc::new(tree),
            origin: Arc::new(origin),
            described: Arc::default(),
        }
    }

    /// The scenario in full (bases merged, overrides applied), as TOML that reproduces the run. What it says about
    /// plans and sweeps is no part of it: each of their runs is a scenario of its own.
    pub fn resolved_toml(&self) -> &str {
        let toml = || write_without(&self.tree, &[PLAN, SWEEP]);
        self.described.toml.get_or_init(toml)
    }

    /// Hexadecimal hash of the resolved text: equal meaning in equal words, equal hash.
    pub fn hash(&self) -> &str {
        let hash = || hash(self.resolved_toml());
        self.described.hash.get_or_init(hash)
    }

    /// How long the resolved text is, in bytes, whether it was written or not.
    pub fn text_bytes(&self) -> u64 {
        length_without(&self.tree, &[PLAN, SWEEP])
    }

    /// The tree and where it came from, to be changed and resolved anew.
    pub(in crate::scenario) fn tree(&self) -> (&TomlTable, &TreeOrigin) {
        (&self.tree, &self.origin)
    }

    /// The scenario with another seed, in its resolved text and hash too. No other field depends on the seed.
    pub fn with_seed(mut self, seed: u64) -> Self {
        if let Some(entry) = Arc::make_mut(&mut self.tree).entry_mut("seed") {
            entry.node.value = TomlValue::Integer(i128::from(seed));
        }
        Arc::make_mut(&mut self.meaning).seed = seed;
        self.described = Arc::default();
        self
    }

    /// The scenario with this KV capacity, in tokens, for the ranks of each pool that leaves it to the memory. The
    /// text stays as it is: it leaves the capacity open.
    pub(crate) fn with_capacities(mut self, tokens: &[Option<u64>]) -> Self {
        let meaning = Arc::make_mut(&mut self.meaning);
        for (pool, tokens) in meaning.pools.iter_mut().zip(tokens) {
            pool.kv_capacity_tokens = pool.kv_capacity_tokens.or(*tokens);
        }
        self
    }
}
