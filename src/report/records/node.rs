//! A JSON value whose fields keep the order in which they were written.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Number;

/// A JSON value, its keys in the order of the text.
#[derive(Clone, Debug, PartialEq)]
pub enum JsonValue {
    /// The value `null`.
    Null,
    /// A truth value: `true` or `false`.
    Bool(bool),
    /// A number.
    Number(Number),
    /// A string.
    Text(String),
    /// An array, its elements in order.
    List(Vec<JsonValue>),
    /// An object, its fields in the order in which they were written.
    Map(Vec<(String, JsonValue)>),
}

impl JsonValue {
    /// The field of that name; `None`: there is none.
    pub fn field(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Map(fields) => fields.iter().find(|(key, _)| key == name).map(|(_, v)| v),
            _ => None,
        }
    }

    /// The values along a path such as `versus[].differences[]` (every element of a list) or `pools{}` (every
    /// entry of a map), each with its own path (`versus.0`) or, of an entry, its name. Of what is `null` or
    /// not there: nothing. The empty path is the value itself.
    pub fn along(&self, path: &str) -> Vec<(String, &Self)> {
        let mut found = vec![(String::new(), self)];
        for step in path.split('.').filter(|step| !step.is_empty()) {
            let name = step.trim_end_matches("[]").trim_end_matches("{}");
            let mut next = Vec::new();
            for (before, node) in found {
                let path = join(&before, name);
                match node.field(name) {
                    None | Some(Self::Null) => {}
                    Some(Self::List(all)) if step.ends_with("[]") => {
                        let all = all.iter().enumerate();
                        next.extend(all.map(|(i, node)| (format!("{path}.{i}"), node)));
                    }
                    Some(Self::Map(all)) if step.ends_with("{}") => {
                        next.extend(all.iter().map(|(name, node)| (name.clone(), node)));
                    }
                    Some(node) => next.push((path, node)),
                }
            }
            found = next;
        }
        found
    }

    /// The number, truth or text as a cell; empty for `null`.
    pub fn cell(&self) -> String {
        match self {
            Self::Bool(truth) => truth.to_string(),
            Self::Number(number) => number.to_string(),
            Self::Text(text) => text.clone(),
            Self::Null | Self::List(_) | Self::Map(_) => String::new(),
        }
    }
}

/// A path and a name below it.
pub fn join(path: &str, name: &str) -> String {
    match (path.is_empty(), name.is_empty()) {
        (true, _) => name.to_owned(),
        (_, true) => path.to_owned(),
        _ => format!("{path}.{name}"),
    }
}

impl<'de> Deserialize<'de> for JsonValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Any)
    }
}

struct Any;

impl<'de> Visitor<'de> for Any {
    type Value = JsonValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<JsonValue, E> {
        Ok(JsonValue::Null)
    }

    fn visit_bool<E>(self, truth: bool) -> Result<JsonValue, E> {
        Ok(JsonValue::Bool(truth))
    }

    fn visit_u64<E>(self, number: u64) -> Result<JsonValue, E> {
        Ok(JsonValue::Number(number.into()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<JsonValue, E> {
        Ok(JsonValue::Number(number.into()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<JsonValue, E> {
        Ok(Number::from_f64(number).map_or(JsonValue::Null, JsonValue::Number))
    }

    fn visit_str<E>(self, text: &str) -> Result<JsonValue, E> {
        Ok(JsonValue::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<JsonValue, A::Error> {
        let mut all = Vec::new();
        while let Some(node) = seq.next_element()? {
            all.push(node);
        }
        Ok(JsonValue::List(all))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<JsonValue, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = map.next_entry()? {
            fields.push(field);
        }
        Ok(JsonValue::Map(fields))
    }
}
