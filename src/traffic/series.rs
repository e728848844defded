//! Series of points in time as monitoring answers range queries: Prometheus' matrix, Grafana's frames.
//!
//! Several series of one answer are added up, point by point: usually they are one server or model each.

use std::collections::BTreeMap;

use serde_json::Value;

use super::fault::TrafficFault;
use super::figure::figure;
use super::stamp::billionths;

/// Points of all series together: instants in ns since 1970, and values; and how many series there were.
pub fn points(text: &str) -> Result<(BTreeMap<i64, f64>, usize), TrafficFault> {
    let root: Value = serde_json::from_str(text).map_err(|error| {
        let line = text
            .lines()
            .nth(error.line().saturating_sub(1))
            .unwrap_or("");
        let column = error.column().saturating_sub(1).min(line.len());
        let column = (0..=column)
            .rev()
            .find(|at| line.is_char_boundary(*at))
            .unwrap_or(0);
        let fault = TrafficFault::new("json", "this JSON breaks off or is not well-formed")
            .label(error.to_string());
        fault.at(
            error.line() as u64,
            line,
            (column, (column + 1).min(line.len())),
        )
    })?;
    let mut sum = BTreeMap::new();
    let mut count = 0;
    if let Some(results) = root.get("results").and_then(Value::as_object) {
        for frame in results
            .values()
            .filter_map(|r| r.get("frames")?.as_array())
            .flatten()
        {
            frame_points(frame, &mut sum, &mut count)?;
        }
    } else {
        let data = root.get("data").unwrap_or(&root);
        if data
            .get("resultType")
            .and_then(Value::as_str)
            .is_some_and(|kind| kind != "matrix")
        {
            return Err(TrafficFault::new(
                "vector",
                "this is the answer to an instant query: one point in time",
            )
            .help("ask for a range: /api/v1/query_range?query=…&start=…&end=…&step=…"));
        }
        let series = data.get("result").and_then(Value::as_array);
        for one in series.into_iter().flatten() {
            let values = one.get("values").and_then(Value::as_array);
            count += 1;
            for point in values.into_iter().flatten() {
                let at = point.get(0).and_then(|at| billionths(&at.to_string()));
                add(at, point.get(1), &mut sum)?;
            }
        }
    }
    if sum.is_empty() {
        return Err(TrafficFault::new("empty", "the answer holds no points")
            .help("was the query right, and the range one in which there was traffic?"));
    }
    Ok((sum, count))
}

/// Grafana's frame: a list of times in ms, and lists of numbers beside it.
fn frame_points(
    frame: &Value,
    sum: &mut BTreeMap<i64, f64>,
    count: &mut usize,
) -> Result<(), TrafficFault> {
    let kinds = frame.pointer("/schema/fields").and_then(Value::as_array);
    let lists = frame.pointer("/data/values").and_then(Value::as_array);
    let (Some(kinds), Some(lists)) = (kinds, lists) else {
        return Ok(());
    };
    let of_kind = |wanted: &str| {
        let is = move |kind: &Value| kind.get("type").and_then(Value::as_str) == Some(wanted);
        let both = kinds.iter().zip(lists).filter(move |(kind, _)| is(kind));
        both.filter_map(|(_, list)| list.as_array())
            .collect::<Vec<_>>()
    };
    let Some(times) = of_kind("time").first().copied() else {
        return Ok(());
    };
    for values in of_kind("number") {
        *count += 1;
        for (at, value) in times.iter().zip(values) {
            let at = billionths(&at.to_string()).map(|ms| ms / 1000);
            add(at, Some(value), sum)?;
        }
    }
    Ok(())
}

fn add(
    at: Option<i128>,
    value: Option<&Value>,
    sum: &mut BTreeMap<i64, f64>,
) -> Result<(), TrafficFault> {
    let number = match value {
        Some(Value::String(text)) => figure(text).ok(),
        Some(Value::Number(number)) => number.as_f64(),
        _ => None,
    };
    let at = at.and_then(|at| i64::try_from(at).ok());
    match (at, number) {
        (Some(at), Some(number)) => {
            *sum.entry(at).or_insert(0.0) += number;
            Ok(())
        }
        // What was not measured is not in the answer; NaN comes of a division by nothing.
        (Some(_), None) => Ok(()),
        (None, _) => Err(TrafficFault::new(
            "point",
            "a point of the answer has no time",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_are_added_up() {
        let text = r#"{"status":"success","data":{"resultType":"matrix","result":[
            {"metric":{"pod":"a"},"values":[[1767571200,"1.5"],[1767571260.5,"2"]]},
            {"metric":{"pod":"b"},"values":[[1767571200,"1"],[1767571260.5,"NaN"]]}]}}"#;
        let (points, count) = points(text).expect("two series");
        assert_eq!(count, 2);
        let expected = [
            (1_767_571_200_000_000_000, 2.5),
            (1_767_571_260_500_000_000, 2.0),
        ];
        assert_eq!(points.into_iter().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn frames_hold_columns() {
        let text = r#"{"results":{"A":{"frames":[{"schema":{"fields":[{"name":"Time","type":"time"},
            {"name":"v","type":"number"}]},"data":{"values":[[1767571200000],[7]]}}]}}}"#;
        let (points, _) = points(text).expect("a frame");
        assert_eq!(points.get(&1_767_571_200_000_000_000), Some(&7.0));
    }

    #[test]
    fn other_answers_are_explained() {
        let vector = r#"{"data":{"resultType":"vector","result":[]}}"#;
        let fault = points(vector).expect_err("no range");
        assert!(fault.message.contains("instant query"), "{fault}");
        let cut = "{\"data\":{\"resultType\":\"matrix\",\n\"result\":[";
        let fault = points(cut).expect_err("cut off");
        assert_eq!(fault.line, 2, "{fault}");
        let none = r#"{"data":{"resultType":"matrix","result":[]}}"#;
        assert!(points(none).is_err());
    }
}
