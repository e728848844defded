//! Keys and the values that they may take, and bounds of units: `key = a, b, c`, `decode = 1..9`.

/// Most values that one key may take.
const MAX_VALUES: u64 = 1_000;

/// A key of the scenario and its possible values, as TOML text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Path of the key, as for `--set`.
    pub key: String,
    /// Values in the order in which they were written.
    pub values: Vec<String>,
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
    /// Reads `key = a, b, c`, or `key = 1..4` for whole numbers.
    ///
    /// # Errors
    /// What is wrong, and what to write.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = |what: &str| {
            format!(
                "`{}` is no choice: {what}; write pools.mixed.parallelism.tensor=2,4 or \
                 pools.decode.max_batch_requests=64,128",
                text.trim()
            )
        };
        let (key, values) = text
            .split_once('=')
            .ok_or_else(|| wrong("there is no `=`"))?;
        let key = key.trim();
        if key.is_empty() {
            return Err(wrong("there is no key before `=`"));
        }
        let values = if let Some((least, most)) = range(values) {
            if most < least || most - least >= MAX_VALUES {
                return Err(wrong(&format!("from 1 to {MAX_VALUES} values")));
            }
            (least..=most).map(|n| n.to_string()).collect()
        } else {
            pieces(values)
        };
        if values.iter().any(String::is_empty) {
            return Err(wrong("a value is missing"));
        }
        if NOT_CHOSEN.contains(&key) {
            return Err(wrong(
                "that is no decision about the deployment: it changes what is asked of it, or luck",
            ));
        }
        Ok(Self {
            key: key.to_string(),
            values,
        })
    }
}

impl UnitBounds {
    /// Reads bounds of units: `decode = 1..9`, or `decode = 4`.
    ///
    /// # Errors
    /// What is wrong, and what to write.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{}` bounds no units; write decode=1..9 or prefill=2",
                text.trim()
            )
        };
        let (pool, bounds) = text.split_once('=').ok_or_else(wrong)?;
        let (least, most) = match range(bounds) {
            Some(bounds) => bounds,
            None => bounds.trim().parse().map(|n| (n, n)).map_err(|_| wrong())?,
        };
        match (u32::try_from(least), u32::try_from(most)) {
            (Ok(least), Ok(most)) if 1 <= least && least <= most && !pool.trim().is_empty() => {
                Ok(Self {
                    pool: pool.trim().to_string(),
                    least,
                    most,
                })
            }
            _ => Err(wrong()),
        }
    }
}

fn range(text: &str) -> Option<(u64, u64)> {
    let (least, most) = text.split_once("..")?;
    Some((least.trim().parse().ok()?, most.trim().parse().ok()?))
}

/// Cuts a text at commas that stand outside of brackets and quotes.
fn pieces(text: &str) -> Vec<String> {
    let (mut depth, mut quote, mut all) = (0_u32, None, vec![String::new()]);
    for c in text.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '"' | '\'') => quote = Some(c),
            (None, '[' | '{') => depth += 1,
            (None, ']' | '}') => depth = depth.saturating_sub(1),
            (None, ',') if depth == 0 => {
                all.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(last) = all.last_mut() {
            last.push(c);
        }
    }
    all.iter().map(|piece| piece.trim().to_string()).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn values_are_cut_outside_of_brackets_and_quotes() {
        let choice = Choice::parse("a.b = {x = 1, y = [2, 3]}, \"p, q\", 7").unwrap();
        assert_eq!(choice.key, "a.b");
        assert_eq!(choice.values, ["{x = 1, y = [2, 3]}", "\"p, q\"", "7"]);
        assert_eq!(Choice::parse("n=2..4").unwrap().values, ["2", "3", "4"]);
        for broken in ["n", "=3", "n=", "n=1,,2", "n=4..2", "n=1..9999"] {
            assert!(Choice::parse(broken).is_err(), "{broken}");
        }
    }

    #[test]
    fn units_have_bounds() {
        let bounds = UnitBounds::parse("decode = 1..9").unwrap();
        assert_eq!((bounds.least, bounds.most), (1, 9));
        assert_eq!(UnitBounds::parse("prefill=2").unwrap().least, 2);
        for broken in ["decode", "decode=0..3", "decode=3..2", "=1", "decode=x"] {
            assert!(UnitBounds::parse(broken).is_err(), "{broken}");
        }
    }
}
