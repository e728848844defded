//! A table of a scenario that is put together from what a file says, each value with its place there.

use super::super::source::Span;
use super::super::tree::{TomlEntry, TomlNode, TomlTable, TomlValue};
use super::config_keys::ConfigNumber;

/// Entries of a table that is being put together.
#[derive(Debug, Default)]
pub struct Entries(pub TomlTable);

impl Entries {
    /// Adds a value.
    pub fn put(&mut self, key: &str, value: TomlValue, at: Span) {
        self.0.entries.push(TomlEntry {
            key: key.to_string(),
            key_at: at,
            node: TomlNode { value, at },
        });
    }

    /// Adds a number.
    pub fn number(&mut self, key: &str, said: ConfigNumber) {
        self.put(key, TomlValue::Integer(i128::from(said.value)), said.at);
    }

    /// Adds a text.
    pub fn word(&mut self, key: &str, word: &str, at: Span) {
        self.put(key, TomlValue::Text(word.to_string()), at);
    }

    /// Adds that something holds.
    pub fn yes(&mut self, key: &str, at: Span) {
        self.put(key, TomlValue::Boolean(true), at);
    }

    /// Adds a table.
    pub fn table(&mut self, key: &str, table: Self, at: Span) {
        self.put(key, TomlValue::Table(table.0), at);
    }
}
