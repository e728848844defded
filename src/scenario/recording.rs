//! Recorded workloads: how much of a recording a run plays, how long it is, and whether anything is drawn at all.

use super::diagnostic::{Diagnostic, MistakeReport};
use super::resolve::trace_end;
use super::shape::{show_integer, show_number};
use super::source::Span;
use super::tree::{TomlTable, TomlValue};
use super::{ArrivalForm, ArrivalKind, Class, Law, OwnLength, Scenario, ThinkLaw};
use crate::units::{NS_PER_DAY, NS_PER_S, SimDuration};

/// Duration that stands for the recording's until that has been read: the shortest there may be.
const PLACEHOLDER: &str = "1s";

/// Longest duration of a scenario, 400 days.
const LONGEST: u64 = 400 * NS_PER_DAY;

/// Least part of the duration after a recording's last arrival that is worth a word (assumed).
const EMPTY: f64 = 0.01;

/// Takes `duration = "trace"` out of a tree; returns where it was written; `None`: it is not there.
pub fn take(root: &mut TomlTable) -> Option<Span> {
    let node = &mut root.entry_mut("duration")?.node;
    match OwnLength::named(node.text()?)? {
        OwnLength::Trace => {}
    }
    node.value = TomlValue::Text(PLACEHOLDER.to_string());
    Some(node.at)
}

/// Puts the recordings' own length in: from the beginning to the first whole second after the last row.
pub fn give(root: &mut TomlTable, at: Span, report: &mut MistakeReport) {
    let classes = root.list("class").unwrap_or_default();
    let recordings = classes.iter().filter_map(|class| {
        let arrivals = class.table()?.table("arrivals")?;
        let is_recorded = arrivals.word("kind") == Some(ArrivalForm::Trace);
        is_recorded.then_some(arrivals)
    });
    let recordings: Vec<_> = recordings.collect();
    if recordings.is_empty() {
        let found = Diagnostic::new("no class has a recording whose length could be taken", at);
        report.push(found.label("the length of which trace?").help(
            "write a duration such as \"10min\", or give a class arrivals = { kind = \"trace\", file = \"…\" }",
        ));
        return;
    }
    // rows with mistakes are told when they are read for their meaning
    let start = root.get("start").map(|node| &node.value);
    let ends: Option<Vec<SimDuration>> = recordings
        .into_iter()
        .map(|arrivals| trace_end(arrivals, start, root.duration("warm_up")))
        .collect();
    let Some(last) = ends.and_then(|ends| ends.into_iter().max()) else {
        return;
    };
    let end = (last.0 / NS_PER_S + 1) * NS_PER_S;
    let warm_up = root.duration("warm_up").unwrap_or(SimDuration::ZERO);
    let duration = end.saturating_sub(warm_up.0).min(LONGEST);
    if duration < NS_PER_S {
        let message = format!(
            "the recording ends at {} s, within the warm-up",
            seconds(last)
        );
        let found = Diagnostic::new(message, at).label("nothing would be counted");
        report.push(found.also(root.at("warm_up"), "times count from its beginning"));
        return;
    }
    if let Some(entry) = root.entry_mut("duration") {
        let text = match duration % NS_PER_S {
            0 => format!("{}s", duration / NS_PER_S),
            _ => format!("{duration}ns"),
        };
        entry.node.value = TomlValue::Text(text);
    }
}

impl Scenario {
    /// Whether anything is drawn at random. Otherwise all seeds play the same requests, and runs differ in nothing.
    pub fn is_drawn(&self) -> bool {
        let routers = self.pools.iter().any(|pool| pool.router.is_drawn());
        routers || self.classes.iter().any(Class::is_drawn)
    }

    /// What replications of recorded classes cannot say, in words; `None`: nothing is recorded.
    pub fn recorded_part(&self) -> Option<String> {
        let is_recorded = |c: &&Class| matches!(c.arrivals.kind, ArrivalKind::Trace(_));
        let names: Vec<&str> = self
            .classes
            .iter()
            .filter(is_recorded)
            .map(|c| c.name.as_str())
            .collect();
        (!names.is_empty() && self.is_drawn()).then(|| {
            format!(
                "the arrivals and lengths of {} are recorded, the same in every run: intervals say what chance does \
                 to the rest, and nothing of another recording",
                names.join(", ")
            )
        })
    }

    /// Remarks on recordings for a reader of several runs: what of them is not played, or says nothing.
    pub fn of_recordings(&self) -> Vec<String> {
        self.recordings().chain(self.recorded_part()).collect()
    }

    /// Remarks on recordings that the run's end cuts off, and on those that end before it.
    pub(super) fn recordings(&self) -> impl Iterator<Item = String> {
        let end = self.warm_up + self.duration;
        self.classes.iter().filter_map(move |class| {
            let ArrivalKind::Trace(play) = &class.arrivals.kind else {
                return None;
            };
            let last = play.last_at()?;
            let (played, all) = (play.before(end).0, play.count());
            if played < all {
                return Some(cut_off(&class.name, all, played, last, end));
            }
            let empty = self.empty(last);
            // A recording's own length ends with a whole second.
            let rest = end.0.saturating_sub(last.0);
            (empty > EMPTY && rest > NS_PER_S).then(|| {
                format!(
                    "class {}: the last of its {} recorded requests arrives at {} s, and the run ends at {} s: {} % \
                     of the duration have no arrivals of it, and means over the duration count them; duration = \
                     \"trace\" ends with the recording",
                    class.name,
                    show_integer(i128::from(all)),
                    seconds(last),
                    seconds(end),
                    show_number(libm::round(100.0 * empty))
                )
            })
        })
    }
}

impl Scenario {
    /// The part of the duration that is left when a recording's last request comes.
    fn empty(&self, last: SimDuration) -> f64 {
        let end = self.warm_up + self.duration;
        let left = end.0.saturating_sub(last.0) as f64 / self.duration.0.max(1) as f64;
        left.min(1.0)
    }

    /// How much of a class's recording is played: recorded requests, those that arrive before the end, and the part of
    /// the duration after the last of them; `None` where none are recorded.
    pub fn played(&self, class: &Class) -> Option<(u64, u64, f64)> {
        let ArrivalKind::Trace(play) = &class.arrivals.kind else {
            return None;
        };
        let (played, last) = play.before(self.warm_up + self.duration);
        let empty = last.map_or(1.0, |last| self.empty(last));
        Some((play.count(), played, empty))
    }
}

impl Class {
    /// Whether anything of the class's requests is drawn at random.
    fn is_drawn(&self) -> bool {
        let arrivals = &self.arrivals;
        let chooses = self.shared_prompts.is_some_and(|prompts| prompts.count > 1);
        let hits = chooses || arrivals.periods.iter().any(|p| p.hit_rate > 0.0);
        let lengths = [&self.input.law, &self.output.law];
        let lengths = lengths.iter().any(|l| !matches!(l, Law::Constant { .. }));
        match &arrivals.kind {
            ArrivalKind::Trace(rows) => hits && rows.facts.draws_hits,
            ArrivalKind::Poisson
            | ArrivalKind::Renewal(_)
            | ArrivalKind::Bursts(_)
            | ArrivalKind::Clients(_)
            | ArrivalKind::Sessions(_) => true,
            ArrivalKind::Deterministic => hits || lengths,
            ArrivalKind::ClosedLoop(closed) => {
                let varies = match closed.think {
                    ThinkLaw::Constant => false,
                    ThinkLaw::Exponential => closed.think_time.0 > 0,
                };
                hits || lengths || varies
            }
        }
    }

    /// Recorded requests that arrive before `end` of the run, counted from its beginning, and all of them; `None`
    /// where none are recorded.
    pub fn recorded(&self, end: SimDuration) -> Option<(u64, u64)> {
        match &self.arrivals.kind {
            ArrivalKind::Trace(play) => Some((play.before(end).0, play.count())),
            ArrivalKind::Poisson
            | ArrivalKind::Deterministic
            | ArrivalKind::Renewal(_)
            | ArrivalKind::Bursts(_)
            | ArrivalKind::Clients(_)
            | ArrivalKind::ClosedLoop(_)
            | ArrivalKind::Sessions(_) => None,
        }
    }
}

fn cut_off(class: &str, rows: u64, played: u64, last: SimDuration, end: SimDuration) -> String {
    let count = |n: u64| show_integer(i128::from(n));
    let unit = if last.0 / 1000 <= end.0 {
        ", or divide them by 1,000 if they are milliseconds"
    } else {
        ""
    };
    format!(
        "class {class}: {} of its {} recorded requests are not played: the last arrives at {} s, and the run ends at \
         {} s; times are seconds from the simulation's beginning: duration = \"trace\" plays all{unit}",
        count(rows - played),
        count(rows),
        seconds(last),
        seconds(end)
    )
}

fn seconds(time: SimDuration) -> String {
    show_number(time.as_secs_f64())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::load_str;
    use super::*;

    /// A scenario with these rows; `more` stands before the tables.
    fn read(rows: &str, more: &str, set: &[&str]) -> Result<Scenario, String> {
        let text = format!(
            "name = 'recorded'\nstart = 2026-01-05T12:00:00Z\nmodel = 'llama-3.1-8b'\n{more}\n\
             node = {{ gpu = 'h100', gpus = 1, price_per_gpu_hour = 2.0 }}\n\
             [pools.mixed]\nnodes_per_unit = 1\nmax_batch_tokens = 8192\nunits = 1\nkv_capacity_tokens = 100000\n\
             [performance]\nkind = 'linear'\nprefill = {{ per_token = '10us' }}\ndecode = {{ base = '5ms' }}\n\
             [[class]]\nname = 'c'\n\
             arrivals = {{ kind = 'trace', csv = {{ text = \"arrived_s,input_tokens,output_tokens,cached_tokens\\n{rows}\" }} }}\n"
        );
        let set: Vec<String> = set.iter().map(|s| (*s).to_string()).collect();
        load_str("recorded", &text, &set).map_err(|mistakes| mistakes.to_string())
    }

    const ROWS: &str = "0,472,18,0\\n3000,1087,30,0\\n6000,1087,30,0\\n599000,100,10,0";

    #[test]
    fn a_recording_that_does_not_suit_the_duration_says_so() {
        let cut = read(ROWS, "duration = '10min'", &[]).unwrap();
        let said = cut.cautions();
        assert_eq!(said.len(), 1, "{said:?}");
        for part in ["3 of its 4", "599,000 s", "600 s", "milliseconds"] {
            assert!(said[0].contains(part), "{part}: {said:?}");
        }
        assert_eq!(
            cut.classes[0].recorded(SimDuration(600 * NS_PER_S)),
            Some((1, 4))
        );
        let short = read("0,10,10,0\\n9.5,10,10,0", "duration = '1min'", &[]).unwrap();
        let said = short.cautions();
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(
            said[0].contains("2 recorded requests arrives at 9.5 s"),
            "{said:?}"
        );
        assert!(said[0].contains("84 %"), "{said:?}");
        // one request exactly at the end is not played; a rest of a hundredth is no news
        let edge = read("0,10,10,0\\n60,10,10,0", "duration = '1min'", &[]).unwrap();
        assert!(edge.cautions()[0].contains("1 of its 2"));
        let whole = read("0,10,10,0\\n59.5,10,10,0", "duration = '1min'", &[]).unwrap();
        assert_eq!(whole.cautions(), Vec::<String>::new());
    }

    #[test]
    fn a_duration_may_be_that_of_the_recording() {
        let own = read(ROWS, "duration = 'trace'\nwarm_up = '10s'", &[]).unwrap();
        assert_eq!(own.duration, SimDuration((599_001 - 10) * NS_PER_S));
        assert_eq!(own.cautions(), Vec::<String>::new());
        assert!(own.resolved_toml().contains("duration = \"598991s\""));
        let set = read(ROWS, "duration = '1h'", &["duration=trace"]).unwrap();
        assert_eq!(set.duration, SimDuration(599_001 * NS_PER_S));
        let within = read("5,10,10,0", "duration = 'trace'\nwarm_up = '1min'", &[]).unwrap_err();
        assert!(
            within.contains("ends at 5 s, within the warm-up"),
            "{within}"
        );
        let poisson = "class.c={ name = 'c', arrivals = { kind = 'poisson', requests_per_s = 1 }, \
                       input = { kind = 'constant', value = 1 }, output = { kind = 'constant', value = 1 } }";
        let none = read(ROWS, "duration = 'trace'", &[poisson]).unwrap_err();
        assert!(none.contains("no class has a recording"), "{none}");
    }

    #[test]
    fn recorded_rows_are_drawn_only_where_their_hits_are() {
        let rows = "0,1000,10,0\\n1,1000,10,0";
        let of = |set: &[&str]| read(rows, "duration = '1min'", set).unwrap();
        assert!(!of(&[]).is_drawn());
        assert!(of(&["pools.mixed.router=power-of-two"]).is_drawn());
        assert!(!of(&["class.c.hit_rate=0.5"]).is_drawn());
        let text =
            "class.c.arrivals.csv.text=\"arrived_s,input_tokens,output_tokens\\n0,1000,10\\n\"";
        let hits = of(&[text, "class.c.hit_rate=0.5"]);
        assert!(hits.is_drawn());
        assert!(
            hits.recorded_part()
                .is_some_and(|s| s.contains("of c are recorded"))
        );
        let even = "class.c={ name = 'c', arrivals = { kind = 'deterministic', requests_per_s = 1 }, \
                    input = { kind = 'constant', value = 1 }, output = { kind = 'constant', value = 1 } }";
        let even = of(&[even]);
        assert!(!even.is_drawn());
        assert_eq!(even.recorded_part(), None);
    }
}
