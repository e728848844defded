//! A shard: every n-th run, so that shards of a sweep take about the same time.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

/// Most shards of a sweep.
const MAX_SHARDS: u64 = 100_000;

/// A shard of a sweep: number `index` of `count`, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Number of the shard, from 1.
    pub index: u64,
    /// Number of shards in all.
    pub count: u64,
}

impl Shard {
    /// The one shard that holds every run.
    pub const WHOLE: Self = Self { index: 1, count: 1 };

    /// Whether run number `run` (from 1) belongs to the shard.
    pub fn has(self, run: u64) -> bool {
        (run - 1) % self.count == self.index - 1
    }

    /// File name of the shard's ledger.
    pub fn ledger(self) -> String {
        if self == Self::WHOLE {
            return "ledger.jsonl".to_string();
        }
        format!("ledger-{}-of-{}.jsonl", self.index, self.count)
    }

    /// The shard whose ledger a file is; `None`: it is none.
    pub fn of_ledger(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?;
        let middle = name.strip_prefix("ledger")?.strip_suffix(".jsonl")?;
        if middle.is_empty() {
            return Some(Self::WHOLE);
        }
        let (index, count) = middle.strip_prefix('-')?.split_once("-of-")?;
        format!("{index}/{count}").parse().ok()
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("write I/N, the number of the shard and of all, from 1/1 to N/{MAX_SHARDS}");
        let (index, count) = text.split_once('/').ok_or_else(wrong)?;
        let index: u64 = index.parse().map_err(|_| wrong())?;
        let count: u64 = count.parse().map_err(|_| wrong())?;
        if index == 0 || index > count || count > MAX_SHARDS {
            return Err(wrong());
        }
        Ok(Self { index, count })
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_run_is_in_one_shard() {
        for run in 1..=30 {
            let has = |index| Shard { index, count: 7 }.has(run);
            assert_eq!((1..=7).filter(|i| has(*i)).count(), 1);
        }
    }

    #[test]
    fn names_and_texts_read_back() {
        for text in ["1/1", "2/4", "100000/100000"] {
            let shard: Shard = text.parse().expect("a shard");
            assert_eq!(shard.to_string(), text);
            assert_eq!(Shard::of_ledger(Path::new(&shard.ledger())), Some(shard));
        }
        for text in ["", "0/4", "5/4", "1", "1/x", "-1/2", "1/100001"] {
            assert!(text.parse::<Shard>().is_err(), "{text}");
        }
        assert_eq!(Shard::of_ledger(Path::new("results.jsonl")), None);
    }
}
