//! The JSON Schema of scenario files, generated from their shape, for editors and other programs.
//!
//! Draft 7, which Taplo (the TOML language server) reads. A file that extends another may leave out
//! what that one says, so keys are demanded only where a file cannot inherit: at the root of a file
//! that extends nothing, and in the members of lists, which are replaced whole. The checker demands
//! the rest once everything is merged. Any number may be a range here; the checker knows the few that may
//! not be.

use serde_json::{Map, Value, json};

use super::file::SCENARIO;
use super::shape::{Field, NumberBounds, Presence, TableShape, Tagged, ValueKind};
use super::vocabulary::RangeForm;
use crate::words::Word;

/// The schema as text, with a newline at its end.
pub fn json_schema() -> String {
    let mut definitions = Map::new();
    let mut root = table(&SCENARIO, false, &mut definitions);
    let object = root.as_object_mut();
    if let Some(object) = object {
        let needed = required(&[SCENARIO.fields]);
        object.insert(
            "$schema".to_string(),
            json!("http://json-schema.org/draft-07/schema#"),
        );
        object.insert("title".to_string(), json!("tokentide scenario"));
        object.insert(
            "anyOf".to_string(),
            json!([{ "required": ["extends"] }, { "required": needed }]),
        );
        object.insert("definitions".to_string(), Value::Object(definitions));
    }
    format!("{root:#}\n")
}

fn table(
    shape: &'static TableShape,
    complete: bool,
    definitions: &mut Map<String, Value>,
) -> Value {
    let mut object = json!({
        "type": "object",
        "description": shape.doc,
        "properties": properties(&[shape.fields], complete, definitions),
        "additionalProperties": false,
    });
    demand(&mut object, complete, required(&[shape.fields]));
    object
}

fn tagged(tagged: &'static Tagged, complete: bool, definitions: &mut Map<String, Value>) -> Value {
    let mut variants = Vec::new();
    for variant in tagged.variants {
        let parts = [variant.fields, tagged.common];
        let mut fields = properties(&parts, complete, definitions);
        fields.insert(
            "kind".to_string(),
            json!({ "const": variant.tag.word, "description": variant.tag.doc }),
        );
        let mut object = json!({
            "type": "object",
            "description": variant.tag.doc,
            "properties": fields,
            "additionalProperties": false,
        });
        let mut needed = required(&parts);
        needed.insert(0, "kind");
        demand(&mut object, complete, needed);
        variants.push(object);
    }
    json!({ "description": tagged.doc, "anyOf": variants })
}

fn demand(object: &mut Value, complete: bool, needed: Vec<&'static str>) {
    if let Some(object) = object
        .as_object_mut()
        .filter(|_| complete && !needed.is_empty())
    {
        object.insert("required".to_string(), json!(needed));
    }
}

fn required(parts: &[&'static [Field]]) -> Vec<&'static str> {
    let fields = parts.iter().flat_map(|part| part.iter());
    let needed = fields.filter(|f| matches!(f.need, Presence::Required(_)));
    needed.map(|f| f.key).collect()
}

fn properties(
    parts: &[&'static [Field]],
    complete: bool,
    definitions: &mut Map<String, Value>,
) -> Map<String, Value> {
    let mut all = Map::new();
    for field in parts.iter().flat_map(|part| part.iter()) {
        let mut schema = kind(&field.kind, complete, definitions);
        let referred = schema.get("$ref").is_some();
        if referred {
            schema = json!({ "allOf": [schema] }); // draft 7 ignores what stands beside a $ref
        }
        if let Some(object) = schema.as_object_mut() {
            object.insert("description".to_string(), json!(field.doc));
            if let Presence::Default(text) = field.need
                && let Some(value) = simple_default(text)
            {
                object.insert("default".to_string(), value);
            }
        }
        all.insert(field.key.to_string(), schema);
    }
    all
}

/// A default that is one word or number; `None`: a table, which explains itself.
fn simple_default(toml: &str) -> Option<Value> {
    serde_json::from_str(&toml.replace('_', "")).ok()
}

fn kind(of: &'static ValueKind, complete: bool, definitions: &mut Map<String, Value>) -> Value {
    let plain = plain_kind(of, complete, definitions);
    let name = match of {
        ValueKind::Number(_) | ValueKind::Integer(..) => "range",
        ValueKind::Duration(..) => "duration_range",
        _ => return plain,
    };
    let range = refer(name, false, definitions, |_| range(of));
    json!({ "anyOf": [plain, range] })
}

/// The shape of a range or law that may stand for a number that is not known exactly.
fn range(of: &ValueKind) -> Value {
    let one = if matches!(of, ValueKind::Duration(..)) {
        "string"
    } else {
        "number"
    };
    let laws = RangeForm::ALL.map(RangeForm::word);
    json!({
        "type": "object",
        "description": "A number that is not known exactly: anywhere between `low` and `high`, or by a law",
        "properties": {
            "kind": { "enum": laws, "description": "The law; left out: uniform" },
            "low": { "type": one, "description": "Least value" },
            "high": { "type": one, "description": "Greatest value" },
            "mode": { "type": one, "description": "Triangular: the likeliest value" },
            "mean": { "type": one, "description": "Normal and lognormal: the mean before cutting" },
            "sd": { "type": one, "description": "Normal: standard deviation before cutting" },
            "cv": { "type": "number", "description": "Lognormal: standard deviation over mean" },
        },
        "required": ["low", "high"],
        "additionalProperties": false,
    })
}

fn plain_kind(
    kind: &'static ValueKind,
    complete: bool,
    definitions: &mut Map<String, Value>,
) -> Value {
    match kind {
        ValueKind::Text => json!({ "type": "string", "minLength": 1, "maxLength": 1000 }),
        ValueKind::LongText => json!({ "type": "string" }),
        ValueKind::Name => json!({ "type": "string", "pattern": "^[a-z0-9_-]{1,100}$" }),
        ValueKind::Boolean => json!({ "type": "boolean" }),
        ValueKind::Integer(low, high) => {
            json!({ "type": "integer", "minimum": *low as i64, "maximum": *high as i64 })
        }
        ValueKind::Number(range) => number(*range),
        ValueKind::Duration(..) => json!({
            "type": "string",
            "pattern": "^([0-9_]*\\.?[0-9]+ *(d|h|min|s|ms|us|ns|ps) *)+$",
        }),
        ValueKind::TimeOfDay(_) => {
            json!({ "type": "string", "pattern": "^[0-2][0-9]:[0-5][0-9](:[0-5][0-9])?$" })
        }
        ValueKind::OffsetDatetime => json!({ "type": "string", "format": "date-time" }),
        ValueKind::Choice(words) => {
            let one = |w: &Word| json!({ "const": w.word, "description": w.doc });
            json!({ "type": "string", "oneOf": words.iter().map(one).collect::<Vec<_>>() })
        }
        ValueKind::List(of, least, most) => json!({
            "type": "array",
            "items": self::kind(of, true, definitions),
            "minItems": least,
            "maxItems": most,
        }),
        ValueKind::Pair(first, second) => json!({
            "type": "array",
            "items": [
                self::kind(first, true, definitions),
                self::kind(second, true, definitions),
            ],
            "minItems": 2,
            "maxItems": 2,
        }),
        ValueKind::Table(shape) => refer(shape.name, complete, definitions, |definitions| {
            table(shape, complete, definitions)
        }),
        ValueKind::Tagged(of) => refer(of.name, complete, definitions, |definitions| {
            tagged(of, complete, definitions)
        }),
        ValueKind::Either(one, other) => json!({ "anyOf": [
            self::kind(one, complete, definitions),
            self::kind(other, complete, definitions),
        ] }),
    }
}

fn number(range: NumberBounds) -> Value {
    let low = if range.above {
        "exclusiveMinimum"
    } else {
        "minimum"
    };
    let high = if range.below {
        "exclusiveMaximum"
    } else {
        "maximum"
    };
    json!({ "type": "number", low: range.low, high: range.high })
}

/// A reference to a definition, which is made when it is first needed.
fn refer(
    name: &str,
    complete: bool,
    definitions: &mut Map<String, Value>,
    make: impl FnOnce(&mut Map<String, Value>) -> Value,
) -> Value {
    let key = if complete {
        format!("{name}_complete")
    } else {
        name.to_string()
    };
    if !definitions.contains_key(&key) {
        definitions.insert(key.clone(), Value::Null); // keeps a shape that holds itself finite
        let made = make(definitions);
        definitions.insert(key.clone(), made);
    }
    json!({ "$ref": format!("#/definitions/{key}") })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// `UPDATE_SCHEMA=1 cargo test schema` writes the file anew.
    #[test]
    fn the_committed_schema_is_fresh() {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/scenarios/scenario.schema.json"
        );
        if std::env::var_os("UPDATE_SCHEMA").is_some() {
            std::fs::write(path, json_schema()).unwrap();
        }
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        let fresh = committed.replace("\r\n", "\n") == json_schema();
        assert!(
            fresh,
            "scenarios/scenario.schema.json is stale: run UPDATE_SCHEMA=1 cargo test schema"
        );
    }

    #[test]
    fn every_key_says_what_it_means() {
        fn walk(value: &Value, path: &str) {
            let properties = value.get("properties").and_then(Value::as_object);
            for (key, property) in properties.into_iter().flatten() {
                let doc = property.get("description").and_then(Value::as_str);
                assert!(doc.is_some_and(|d| d.len() > 5), "{path}.{key}");
            }
            let definitions = value.get("definitions").and_then(Value::as_object);
            for (key, definition) in definitions.into_iter().flatten() {
                assert!(!definition.is_null());
                walk(definition, key);
            }
        }
        let schema: Value = serde_json::from_str(&json_schema()).unwrap();
        walk(&schema, "");
        assert_eq!(schema["properties"]["seed"]["default"], 1);
        assert_eq!(
            schema["definitions"]["node"]["properties"]["gpus"]["anyOf"][0]["maximum"],
            1024
        );
    }
}
