//! The parts of a request in a JSON object, each as it stands in the line.

use std::fmt;

use serde::Deserializer;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::fault::TrafficFault;
use super::heads;
use super::line_cells::Cell;
use super::request_row::{PartCell, PartCells};

/// The parts of the request in a line.
///
/// # Errors
///
/// Where the line is no JSON object.
pub fn parts(line: u64, text: &str) -> Result<PartCells<'_>, TrafficFault> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let found = reader.deserialize_map(LineParts { text });
    found
        .and_then(|parts| reader.end().map(|()| parts))
        .map_err(|error| {
            let column = error
                .column()
                .saturating_sub(1)
                .min(text.len().saturating_sub(1));
            let column = (0..=column)
                .rev()
                .find(|at| text.is_char_boundary(*at))
                .unwrap_or(0);
            let fault = TrafficFault::new("json", "this line is no JSON object, or is cut off");
            fault
                .label(reason(&error))
                .at(line, text, (column, (column + 1).min(text.len())))
        })
}

/// What is wrong, without the place, which is shown.
fn reason(error: &serde_json::Error) -> String {
    let words = error.to_string();
    words
        .split(" at line ")
        .next()
        .unwrap_or(&words)
        .to_string()
}

struct LineParts<'a> {
    text: &'a str,
}

impl<'a> Visitor<'a> for LineParts<'a> {
    type Value = PartCells<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object with the parts of a request")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut parts = PartCells::default();
        while let Some(name) = map.next_key::<&'a str>()? {
            let Some(part) = heads::request_part(name) else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            let raw: &'a RawValue = map.next_value()?;
            let value = raw.get();
            // Both are parts of one text.
            let start = (value.as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize);
            let bare = value
                .strip_prefix('"')
                .and_then(|rest| rest.strip_suffix('"'));
            let cell = Cell {
                text: bare.unwrap_or(value),
                place: (start, start + value.len()),
            };
            parts[part as usize] = Some(PartCell { cell, name });
        }
        Ok(parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::traffic::heads::RequestPart;

    #[test]
    fn parts_stand_where_they_are_said_to() {
        let text = r#"{"x": [1, {"y": 2}], "timestamp": 1.5, "input_length" : 7}"#;
        let parts = parts(1, text).expect("an object");
        let time = parts[RequestPart::Time as usize].expect("a time");
        assert_eq!(
            (time.cell.text, &text[time.cell.place.0..time.cell.place.1]),
            ("1.5", "1.5")
        );
        assert_eq!(
            parts[RequestPart::Input as usize].map(|p| p.name),
            Some("input_length")
        );
        assert!(parts[RequestPart::Output as usize].is_none());
    }

    #[test]
    fn lines_that_are_no_objects_are_told() {
        for text in ["{\"timestamp\": 1", "[1]", "{} x", "nothing"] {
            assert_eq!(
                parts(7, text).err().map(|fault| fault.line),
                Some(7),
                "{text}"
            );
        }
    }
}
