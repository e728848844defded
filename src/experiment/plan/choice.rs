//! What a plan may choose, keys and the values that they may take, and bounds of units, in the grammar of
//! [`vary`](crate::experiment::vary).

use crate::experiment::vary::{AxisValues, CHOICE, UNITS, VaryAxis, VaryError, parse};
use crate::scenario::AxisPiece;

/// Keys of the scenario that are chosen together, and the rows of values that they may take.
#[derive(Clone, Debug)]
pub struct Choice {
    /// The choice as an axis, as it was written.
    pub axis: VaryAxis,
    /// Rows of values, one for each key, in the order in which they were written.
    pub rows: Vec<Vec<AxisPiece>>,
}

/// Bounds of a pool's units, both included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitBounds {
    /// Name of the pool.
    pub pool: String,
    /// Fewest units that the pool may have.
    pub least: u32,
    /// Most units that the pool may have.
    pub most: u32,
}

/// Keys that a plan may not choose: luck, and the time that is simulated.
const NOT_CHOSEN: [&str; 4] = ["seed", "duration", "warm_up", "start"];

impl Choice {
    /// Reads a choice: `key = a, b, c`, or whatever else makes a list of values, from `source`.
    ///
    /// # Errors
    /// What is wrong, where, and what to write.
    pub fn parse(source: &str, text: &str) -> Result<Self, String> {
        Self::read(source, text).map_err(|error| error.show(&CHOICE))
    }

    fn read(source: &str, text: &str) -> Result<Self, VaryError> {
        let axis = parse(source, text)?;
        let luck = |key: &&AxisPiece| NOT_CHOSEN.contains(&key.text.as_str());
        if let Some(key) = axis.keys.iter().find(luck) {
            let why = "no decision about the deployment: it changes what is asked of it, or luck";
            return Err(axis.wrong(&key.at, why));
        }
        match &axis.values {
            AxisValues::List(rows) => Ok(Self {
                rows: rows.clone(),
                axis,
            }),
            AxisValues::Between(range) => {
                let why = "a plan tries value by value: give the range a step (0.1..0.9:0.1) or a count \
                           (log(1.0,1000.0,7))";
                Err(axis.wrong(&range.at, why))
            }
        }
    }
}

impl UnitBounds {
    /// Reads bounds of units: `decode = 1..9`, or `decode = 4`.
    ///
    /// # Errors
    /// What is wrong, where, and what to write.
    pub fn parse(source: &str, text: &str) -> Result<Self, String> {
        Self::read(source, text).map_err(|error| error.show(&UNITS))
    }

    fn read(source: &str, text: &str) -> Result<Self, VaryError> {
        let axis = parse(source, text)?;
        let [pool] = axis.keys.as_slice() else {
            return Err(axis.wrong(&axis.keys[1].at, "bounds are of one pool"));
        };
        let AxisValues::List(rows) = &axis.values else {
            let AxisValues::Between(range) = &axis.values else {
                return Err(axis.wrong(&pool.at, "no bounds"));
            };
            return Err(axis.wrong(&range.at, "units are whole numbers"));
        };
        let mut units: Vec<u32> = Vec::new();
        for value in rows.iter().flatten() {
            match value.text.parse::<u32>() {
                Ok(0) => return Err(axis.wrong(&value.at, "a pool has at least one unit")),
                Ok(n) if units.last().is_some_and(|last| last + 1 != n) => {
                    return Err(axis.wrong(&value.at, "bounds are a range without gaps"));
                }
                Ok(n) => units.push(n),
                Err(_) => return Err(axis.wrong(&value.at, "units are whole numbers")),
            }
        }
        match (units.first(), units.last()) {
            (Some(&least), Some(&most)) => Ok(Self {
                pool: pool.text.clone(),
                least,
                most,
            }),
            _ => Err(axis.wrong(&pool.at, "no bounds")),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn values(text: &str) -> Vec<String> {
        let choice = Choice::parse("argument --vary", text).unwrap();
        let row = |row: &Vec<AxisPiece>| {
            let texts: Vec<&str> = row.iter().map(|value| value.text.as_str()).collect();
            texts.join("|")
        };
        choice.rows.iter().map(row).collect()
    }

    #[test]
    fn choices_are_what_sweeps_take_as_lists() {
        assert_eq!(
            values("a.b = {x = 1, y = [2, 3]}, \"p, q\", 7"),
            ["{x = 1, y = [2, 3]}", "\"p, q\"", "7"]
        );
        assert_eq!(values("n=2..4"), ["2", "3", "4"]);
        assert_eq!(values("n=2..8:3,20"), ["2", "5", "8", "20"]);
        assert_eq!(values("a,b=(1,2),(3,4)"), ["1|2", "3|4"]);
        for (broken, place) in [
            ("n", "--vary:1:1"),
            ("n=1,,2", "--vary:1:4"),
            ("n=4..2", "--vary:1:3"),
            ("n=0.1..0.9", "--vary:1:3"),
            ("a,seed=(1,2)", "--vary:1:3"),
        ] {
            let error = Choice::parse("argument --vary", broken).unwrap_err();
            assert!(
                error.starts_with("not a choice") && error.contains(place),
                "{error}"
            );
        }
    }

    #[test]
    fn units_have_bounds() {
        let bounds = |text| UnitBounds::parse("argument --units", text);
        let decode = bounds("decode = 1..9").unwrap();
        assert_eq!((decode.least, decode.most), (1, 9));
        assert_eq!(bounds("prefill=2").unwrap().least, 2);
        for (broken, place) in [
            ("decode", "--units:1:1"),
            ("decode=0..3", "--units:1:8"),
            ("decode=3..2", "--units:1:8"),
            ("decode=1..9:2", "--units:1:8"),
            ("decode=1.5..2", "--units:1:8"),
            ("decode=1,3", "--units:1:10"),
            ("decode,prefill=(1,2)", "--units:1:8"),
            ("=1", "--units:1:1"),
            ("decode=x", "--units:1:8"),
        ] {
            let error = bounds(broken).unwrap_err();
            assert!(
                error.starts_with("no bounds of units") && error.contains(place),
                "{error}"
            );
        }
    }
}
