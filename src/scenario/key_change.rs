//! Changes to a scenario that are values, not text: a key's path and what it becomes.
//!
//! [`Scenario::with`] changes keys of the tree that the scenario was resolved from, and has it checked and resolved
//! anew. So the text and the hash of what comes out describe it, and a mistake is shown where it was written: in
//! the scenario's own file, or in the change.

use std::ops::Range;
use std::sync::Arc;

use toml::value::{Datetime, Time};

use super::diagnostic::{Diagnostic, Mistakes};
use super::load::resolved_anew;
use super::overrides::{apply, apply_text, flag, key_path, read_value, remove, set, set_value};
use super::source::{SourceText, Sources, Span};
use super::text::{PS_PER_S, show_duration};
use super::tree::{TomlEntry, TomlNode, TomlTable, TomlValue};
use super::write::write_value;
use super::{LocalTime, Scenario};
use crate::units::{NS_PER_DAY, NS_PER_S, SimDuration};

/// A key of a scenario, named as for `--set`, and what becomes of it.
///
/// ```
/// use tokentide::{KeyChange, load};
///
/// let day = load("deepseek-day", &[])?;
/// let fewer = day.with(&[KeyChange::set("pools.decode.max_batch_requests", 64)])?;
/// assert_eq!(fewer.pools[1].max_batch_requests, 64);
/// assert!(fewer.resolved_toml().contains("max_batch_requests = 64") && fewer.hash() != day.hash());
/// # Ok::<(), tokentide::Mistakes>(())
/// ```
#[derive(Clone, Debug)]
pub struct KeyChange {
    path: String,
    to: ChangeTo,
}

/// What becomes of a key.
#[derive(Clone, Debug)]
enum ChangeTo {
    /// The key takes a value.
    Value(KeyValue),
    /// The key is taken out, and its default holds again.
    Default,
    /// What somebody wrote: a text `key.path=value`.
    Text(Arc<SourceText>),
    /// What somebody wrote in an axis.
    Piece(Arc<SourceText>, Range<usize>, AxisPiece),
}

/// A value in an axis of `--vary`: as TOML, and the bytes of the axis in which it is written, or which make it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AxisPiece {
    /// The value or key.
    pub text: String,
    /// Bytes of the axis.
    pub at: Range<usize>,
}

/// A value that a key may take: what TOML knows, and durations.
#[derive(Clone, Debug)]
pub struct KeyValue(TomlNode);

impl KeyChange {
    /// Gives the key this value.
    pub fn set(path: impl Into<String>, value: impl Into<KeyValue>) -> Self {
        Self {
            path: path.into(),
            to: ChangeTo::Value(value.into()),
        }
    }

    /// Takes the key out, where it is there, or a member of a list.
    pub fn unset(path: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            to: ChangeTo::Default,
        }
    }

    /// What somebody wrote as `key.path=value` in a place of this name, such as `argument --set`.
    pub fn written(name: impl Into<String>, text: impl Into<String>) -> Self {
        let text = text.into();
        Self {
            path: text
                .split('=')
                .next()
                .unwrap_or_default()
                .trim()
                .to_string(),
            to: ChangeTo::Text(Arc::new(SourceText {
                name: name.into(),
                text,
                directory: None,
            })),
        }
    }

    /// What somebody wrote in an axis.
    pub fn in_axis(axis: &Arc<SourceText>, key: &AxisPiece, value: &AxisPiece) -> Self {
        Self {
            path: key.text.clone(),
            to: ChangeTo::Piece(Arc::clone(axis), key.at.clone(), value.clone()),
        }
    }

    /// The change as one would write it: `pools.decode.units=12`.
    pub fn text(&self) -> String {
        match &self.to {
            ChangeTo::Value(value) => format!("{}={}", self.path, write_value(&value.0)),
            ChangeTo::Default => self.path.clone(),
            ChangeTo::Text(written) => written.text.clone(),
            ChangeTo::Piece(_, _, value) => format!("{}={}", self.path, value.text),
        }
    }

    /// Applies the change to a tree.
    pub(super) fn apply(
        &self,
        root: &mut TomlTable,
        sources: &mut Sources,
    ) -> Result<(), Diagnostic> {
        match &self.to {
            ChangeTo::Text(written) => apply_text(root, written, sources),
            ChangeTo::Piece(axis, key, value) => {
                let source = sources.share(Arc::clone(axis));
                let part = |at: &Range<usize>| Span {
                    source,
                    start: at.start,
                    end: at.end,
                };
                let flag = flag(&axis.name);
                let path = key_path(flag, &self.path, part(key))?;
                let is_whole = axis.text.get(value.at.clone()) == Some(value.text.as_str());
                let offset = if is_whole { value.at.start } else { 0 };
                let mut node = read_value(&value.text, source, offset)?;
                if !is_whole {
                    node.place(part(&value.at));
                }
                set_value(root, flag, &path, node)
            }
            ChangeTo::Value(_) | ChangeTo::Default => {
                let text = self.text();
                let end = text.len();
                let source = sources.add("change".to_string(), text, None);
                let place = |start, end| Span { source, start, end };
                let path = key_path("a change", &self.path, place(0, self.path.len()))?;
                let ChangeTo::Value(value) = &self.to else {
                    remove(root, &path);
                    return Ok(());
                };
                let mut node = value.0.clone();
                node.place(place(self.path.len() + 1, end));
                set(root, &path, node)
            }
        }
    }
}

impl Scenario {
    /// The scenario with changes, one after the other.
    ///
    /// # Errors
    ///
    /// All mistakes in what comes out, at once.
    pub fn with(&self, changes: &[KeyChange]) -> Result<Self, Mistakes> {
        resolved_anew(self, |root, sources| {
            changes.iter().try_for_each(|one| one.apply(root, sources))
        })
    }

    /// The scenario with changes as `--set` takes them, one after the other.
    ///
    /// # Errors
    ///
    /// All mistakes in them and in what comes out, at once.
    pub fn overridden(&self, overrides: &[String]) -> Result<Self, Mistakes> {
        resolved_anew(self, |root, sources| {
            overrides
                .iter()
                .try_for_each(|one| apply(root, one, sources))
        })
    }
}

impl LocalTime {
    /// The instant at another time of its day, for a change of a scenario.
    pub fn on_that_day(&self, time_of_day: SimDuration) -> KeyValue {
        let Ok(mut moment) = self.text.parse::<Datetime>() else {
            return KeyValue::from(self.text.as_str());
        };
        let (seconds, nanosecond) = (
            time_of_day.0 % NS_PER_DAY / NS_PER_S,
            time_of_day.0 % NS_PER_S,
        );
        moment.time = Some(Time {
            hour: (seconds / 3600) as u8,
            minute: (seconds / 60 % 60) as u8,
            second: Some((seconds % 60) as u8),
            nanosecond: Some(nanosecond as u32),
        });
        TomlValue::Datetime(moment).into()
    }
}

impl KeyValue {
    /// A value of the tree.
    pub(super) fn of(node: TomlNode) -> Self {
        Self(node)
    }

    /// A table of values.
    pub fn table<'k>(entries: impl IntoIterator<Item = (&'k str, Self)>) -> Self {
        let entry = |(key, value): (&str, Self)| TomlEntry {
            key: key.to_string(),
            key_at: Span::NOWHERE,
            node: value.0,
        };
        let entries = entries.into_iter().map(entry).collect();
        TomlValue::Table(TomlTable { entries }).into()
    }

    /// A list of values.
    pub fn list(values: impl IntoIterator<Item = Self>) -> Self {
        let items = values.into_iter().map(|value| value.0);
        TomlValue::List(items.collect()).into()
    }
}

impl From<TomlValue> for KeyValue {
    fn from(value: TomlValue) -> Self {
        Self(TomlNode::of(value))
    }
}

impl From<&str> for KeyValue {
    fn from(text: &str) -> Self {
        TomlValue::Text(text.to_string()).into()
    }
}

impl From<bool> for KeyValue {
    fn from(yes: bool) -> Self {
        TomlValue::Boolean(yes).into()
    }
}

impl From<f64> for KeyValue {
    fn from(number: f64) -> Self {
        TomlValue::Float(number).into()
    }
}

impl From<i32> for KeyValue {
    fn from(number: i32) -> Self {
        TomlValue::Integer(i128::from(number)).into()
    }
}

impl From<u32> for KeyValue {
    fn from(number: u32) -> Self {
        TomlValue::Integer(i128::from(number)).into()
    }
}

impl From<u64> for KeyValue {
    fn from(number: u64) -> Self {
        TomlValue::Integer(i128::from(number)).into()
    }
}

impl From<SimDuration> for KeyValue {
    /// A duration in its largest whole unit; what is beyond a whole second is written apart, so that no number has
    /// more digits than are read: `900h`, `3s10ns`.
    fn from(duration: SimDuration) -> Self {
        let (seconds, beyond) = (duration.0 / NS_PER_S, duration.0 % NS_PER_S);
        let ps = |ns: u64| u128::from(ns) * (PS_PER_S / u128::from(NS_PER_S));
        let text = match (seconds, beyond) {
            (_, 0) => show_duration(ps(duration.0)),
            (0, _) => show_duration(ps(beyond)),
            _ => show_duration(ps(duration.0 - beyond)) + &show_duration(ps(beyond)),
        };
        TomlValue::Text(text).into()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::text::parse_duration;
    use super::super::{BUNDLED, load, load_str};
    use super::*;

    fn set(all: &[&str]) -> Vec<String> {
        all.iter().map(|one| (*one).to_string()).collect()
    }

    #[test]
    fn what_is_changed_is_what_would_have_been_read_so() {
        for bundled in BUNDLED {
            let plain = load(bundled.name, &[]).unwrap();
            let read = load(
                bundled.name,
                &set(&["seed=77", "duration=3h", "node.price_per_gpu_hour=2.25"]),
            );
            let changes = [
                KeyChange::set("duration", "3h"),
                KeyChange::set("node.price_per_gpu_hour", 2.25),
                KeyChange::set("seed", 77),
            ];
            let (read, changed) = (read.unwrap(), plain.with(&changes).unwrap());
            assert_eq!(changed.resolved_toml(), read.resolved_toml());
            assert_eq!(changed.hash(), read.hash());
            let seeded = plain.with(&changes[..2]).unwrap().with_seed(77);
            assert_eq!(seeded.hash(), read.hash());
            assert_eq!((seeded.seed, changed.seed), (77, 77));
            // what it says is what it is, and says again when it is read
            let again = load_str("again", changed.resolved_toml(), &[]).unwrap();
            assert_eq!(again.hash(), changed.hash());
            assert_eq!(plain.overridden(&[]).unwrap().hash(), plain.hash());
        }
    }

    #[test]
    fn keys_are_taken_out_and_their_defaults_hold_again() {
        let changed = [
            KeyChange::set("report_every", SimDuration(900 * NS_PER_S)),
            KeyChange::set("warm_up", "1min"),
        ];
        let day = load("deepseek-day", &[]).unwrap().with(&changed).unwrap();
        assert_eq!(day.report_every, Some(SimDuration(900 * NS_PER_S)));
        let back = [
            KeyChange::unset("report_every"),
            KeyChange::unset("warm_up"),
        ];
        let plain = day.with(&back).unwrap();
        assert_eq!(
            (plain.report_every, plain.warm_up),
            (None, SimDuration::ZERO)
        );
        assert!(!plain.resolved_toml().contains("report_every"));
        let members = plain.classes.len();
        let gone = format!("class.{}", plain.classes[0].name);
        let without = plain.with(&[KeyChange::unset(gone.as_str())]);
        match without {
            Ok(scenario) => assert_eq!(scenario.classes.len() + 1, members),
            Err(mistakes) => assert!(members == 1, "{mistakes}"),
        }
        assert!(plain.with(&[KeyChange::unset("no.such.key")]).is_ok());
    }

    #[test]
    fn a_mistake_is_shown_where_it_was_written() {
        let day = load("deepseek-day", &[]).unwrap();
        let shown = |change| day.with(&[change]).unwrap_err().render(false);
        let wrong = shown(KeyChange::set("pools.decode.units", -3));
        assert!(
            wrong.contains("change:1:20") && wrong.contains("pools.decode.units=-3"),
            "{wrong}"
        );
        let strange = shown(KeyChange::set("pools.decode.router", "least-spoons"));
        assert!(strange.contains("`round-robin`, `least-kv`"), "{strange}");
        // a key of the file that does not go with the change is shown in the file
        let clash = shown(KeyChange::set("class.r1.arrivals.requests_per_day", 1e30));
        assert!(clash.contains("change:"), "{clash}");
        let missing = shown(KeyChange::unset("model"));
        assert!(missing.contains("`model` is missing"), "{missing}");
    }

    #[test]
    fn any_duration_is_written_as_it_is_read() {
        for (ns, text) in [
            (0, "0s"),
            (20, "20ns"),
            (900 * 3_600 * NS_PER_S, "900h"),
            (3 * NS_PER_S + 10, "3s10ns"),
            (u64::MAX, "18446744073s709551615ns"),
        ] {
            let KeyValue(node) = SimDuration(ns).into();
            assert!(matches!(node.value, TomlValue::Text(ref written) if written == text));
            assert_eq!(parse_duration(text), Ok(u128::from(ns) * 1_000));
        }
    }

    #[test]
    fn another_time_is_of_the_same_day_and_offset() {
        let day = load("deepseek-day", &[]).unwrap();
        let at = SimDuration(((7 * 60 + 8) * 60 + 9) * NS_PER_S + 10);
        let changes = [KeyChange::set("start", day.start.on_that_day(at))];
        let other = day.with(&changes).unwrap();
        assert_eq!(other.start.time_of_day, at);
        assert_eq!(other.start.text, "2025-02-27T07:08:09.00000001+08:00");
    }

    #[test]
    fn plans_and_sweeps_go_along_and_are_no_part_of_the_text() {
        let day = load("deepseek-day", &[]).unwrap();
        let plans = [
            KeyChange::set("plan.nodes", 300),
            KeyChange::set("sweep.sample", 5),
        ];
        let asked = day.with(&plans).unwrap();
        assert_eq!(asked.hash(), day.hash());
        let again = asked.with(&[KeyChange::set("seed", 5)]).unwrap();
        assert_eq!((again.plan.nodes, again.sweep.sample), (Some(300), Some(5)));
        assert_ne!(again.hash(), day.hash());
    }
}
