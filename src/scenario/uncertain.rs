//! Numbers that nobody knows exactly: a range or a law where a number, whole number or duration is expected.
//!
//! ```toml
//! hit_rate = { low = 0.4, high = 0.6 }                                        # anywhere between
//! per_token = { kind = "triangular", low = "90us", mode = "100us", high = "150us" }
//! ```
//!
//! The shape of the file stays as it is: before it is checked, each such table is taken out of the tree and
//! its middle put in. Both ends must fit the key's own bounds, and are checked with its own words. All else
//! that reads a scenario sees a plain number, the middle; who plays ranges draws numbers and sets them in
//! the resolved text, as `--set` would.

use super::check::check;
use super::diagnostic::{Diagnostic, Report};
use super::shape::{Field, Grain, Kind, Shape, Tagged};
use super::source::Span;
use super::suggest::{choices, nearest, quote};
use super::text::parse_duration;
use super::tree::{Node, Table, Value};
use super::write::{hash, write};
use super::{Mistakes, Scenario, load_str};

/// A number that is not known exactly.
#[derive(Clone, Debug, PartialEq)]
pub struct Uncertain {
    /// Where it is, as for `--set`.
    pub path: String,
    /// What is known of it. Durations are in picoseconds.
    pub law: UncertainLaw,
    /// How a draw of it is written.
    pub unit: Unit,
}

/// What is known of a number. Every law keeps within `low` and `high`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct UncertainLaw {
    /// Its form.
    pub form: Form,
    /// Least value.
    pub low: f64,
    /// Greatest value.
    pub high: f64,
}

/// The form of a law.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Form {
    /// Anywhere between, evenly.
    Uniform,
    /// Anywhere between, its logarithm evenly.
    LogUniform,
    /// Likeliest at the mode, straight down to both ends.
    Triangular {
        /// The likeliest value.
        mode: f64,
    },
    /// Normal, cut at both ends.
    Normal {
        /// Mean before cutting.
        mean: f64,
        /// Standard deviation before cutting.
        sd: f64,
    },
    /// Lognormal, cut at both ends.
    Lognormal {
        /// Mean before cutting.
        mean: f64,
        /// Standard deviation over mean before cutting.
        cv: f64,
    },
}

/// What a draw is rounded to and written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A number.
    Number,
    /// A whole number.
    Whole,
    /// A duration in whole nanoseconds.
    Nanoseconds,
    /// A duration in whole picoseconds.
    Picoseconds,
}

/// The laws and the keys that each needs beside `low` and `high`.
pub const FORMS: [(&str, &[&str]); 5] = [
    ("uniform", &[]),
    ("log-uniform", &[]),
    ("triangular", &["mode"]),
    ("normal", &["mean", "sd"]),
    ("lognormal", &["mean", "cv"]),
];

/// Keys of the root that every draw shares: what is counted, and how much a run may take.
const CERTAIN: [&str; 7] = [
    "seed",
    "start",
    "duration",
    "warm_up",
    "report_every",
    "limits",
    "published",
];

/// Most uncertain inputs: a hypercube of more needs more draws than anybody plays.
const MOST: usize = 100;

/// The uncertain numbers of a scenario, and where they were taken from.
#[derive(Debug, Default)]
pub struct Taken {
    /// What they are.
    pub inputs: Vec<Uncertain>,
    /// Whether an end of a range was refused, and with it all that is wrong was told.
    pub is_refused: bool,
    places: Vec<Place>,
}

#[derive(Debug)]
struct Place {
    steps: Vec<Step>,
    /// The table as it was written.
    written: Node,
}

#[derive(Clone, Debug)]
enum Step {
    Key(String),
    /// A member of a list, and its name.
    Item(usize, Option<String>),
}

impl Uncertain {
    /// A value of it as TOML: whole where it must be.
    pub fn text(&self, x: f64) -> String {
        self.unit.text(x)
    }
}

impl Unit {
    fn text(self, x: f64) -> String {
        match self {
            Self::Number => format!("{x:?}"),
            Self::Whole => format!("{}", libm::round(x) as i128),
            Self::Nanoseconds => format!("\"{}ns\"", libm::round(x / 1e3) as u128),
            Self::Picoseconds => format!("\"{}ps\"", libm::round(x) as u128),
        }
    }

    fn node(self, x: f64, at: Span) -> Node {
        let value = match self {
            Self::Number => Value::Float(x),
            Self::Whole => Value::Integer(libm::round(x) as i128),
            Self::Nanoseconds | Self::Picoseconds => {
                Value::Text(self.text(x).trim_matches('"').to_owned())
            }
        };
        Node { value, at }
    }

    /// The unit of a kind that a range may stand for.
    fn of(kind: &Kind) -> Option<Self> {
        match kind {
            Kind::Number(_) => Some(Self::Number),
            Kind::Integer(..) => Some(Self::Whole),
            Kind::Duration(_, _, Grain::Nanosecond) => Some(Self::Nanoseconds),
            Kind::Duration(_, _, Grain::Picosecond) => Some(Self::Picoseconds),
            Kind::Either(one, other) => Self::of(one).or_else(|| Self::of(other)),
            _ => None,
        }
    }

    fn read(self, node: &Node) -> Option<f64> {
        match self {
            Self::Number | Self::Whole => node.number(),
            Self::Nanoseconds | Self::Picoseconds => {
                parse_duration(node.text()?).ok().map(|ps| ps as f64)
            }
        }
    }
}

impl UncertainLaw {
    /// What stands for the law where one number is wanted: the middle of a range, the likeliest value of a
    /// triangle, the median of the others before cutting.
    pub fn middle(&self) -> f64 {
        let middle = match self.form {
            Form::Uniform => self.low + (self.high - self.low) / 2.0,
            Form::LogUniform => libm::sqrt(self.low) * libm::sqrt(self.high),
            Form::Triangular { mode } => mode,
            Form::Normal { mean, .. } => mean,
            Form::Lognormal { mean, cv } => mean / libm::sqrt(1.0 + cv * cv),
        };
        middle.clamp(self.low, self.high)
    }
}

/// Takes every range and law out of a tree and puts its middle in; what is wrong with them goes to the
/// report.
pub fn take(root: &mut Table, shape: &'static Shape, main: usize, report: &mut Report) -> Taken {
    let mut search = Search {
        taken: Taken::default(),
        is_full: false,
        report,
    };
    let mut steps = Vec::new();
    search.fields(root, &[shape.fields], &mut steps);
    let mut taken = search.taken;
    for key in ["low", "high"] {
        if taken.places.is_empty() || taken.is_refused {
            break;
        }
        let mut end = root.clone();
        for place in &taken.places {
            let written = place.written.table().and_then(|t| t.get(key));
            if let (Some(node), Some(written)) = (find(&mut end, &place.steps), written) {
                *node = written.clone();
            }
        }
        let mut found = Report::default();
        check(&mut end, shape, main, &mut found);
        taken.is_refused = !found.is_empty();
        report.absorb(found);
    }
    taken
}

impl Taken {
    /// The scenario that was made of the middles, with the ranges in its resolved text again. What its parts
    /// must be beside one another is tried at all low ends together, and at all high ones.
    pub fn into_scenario(self, scenario: Scenario, root: &mut Table) -> Result<Scenario, Mistakes> {
        if self.places.is_empty() {
            return Ok(scenario);
        }
        for place in &self.places {
            if let Some(node) = find(root, &place.steps) {
                *node = place.written.clone();
            }
        }
        let resolved_toml = write(root);
        let scenario = Scenario {
            hash: hash(&resolved_toml),
            resolved_toml,
            uncertain: self.inputs,
            ..scenario
        };
        let end = |of: fn(&UncertainLaw) -> f64| {
            let values: Vec<f64> = scenario.uncertain.iter().map(|u| of(&u.law)).collect();
            scenario.drawn(&values)
        };
        end(|law| law.low)?;
        end(|law| law.high)?;
        Ok(scenario)
    }
}

impl Scenario {
    /// The scenario with numbers in the places of its uncertain inputs, in their order.
    ///
    /// # Errors
    ///
    /// Where the numbers do not go together.
    pub fn drawn(&self, values: &[f64]) -> Result<Scenario, Mistakes> {
        let inputs = self.uncertain.iter().zip(values);
        let set: Vec<String> = inputs
            .map(|(input, x)| format!("{}={}", input.path, input.unit.text(*x)))
            .collect();
        load_str(&self.name, &self.resolved_toml, &set)
    }
}

struct Search<'a> {
    taken: Taken,
    /// Whether it has been said that there are too many.
    is_full: bool,
    report: &'a mut Report,
}

impl Search<'_> {
    fn fields(&mut self, table: &mut Table, parts: &[&'static [Field]], steps: &mut Vec<Step>) {
        for field in parts.iter().flat_map(|part| part.iter()) {
            let Some(entry) = table.entry_mut(field.key) else {
                continue;
            };
            steps.push(Step::Key(field.key.to_owned()));
            self.value(&mut entry.node, &field.kind, steps);
            steps.pop();
        }
    }

    fn value(&mut self, node: &mut Node, kind: &Kind, steps: &mut Vec<Step>) {
        if let (Some(unit), Some(table)) = (Unit::of(kind), node.table())
            && looks_uncertain(table)
        {
            self.take(node, unit, steps);
            return;
        }
        match (kind, &mut node.value) {
            (Kind::Table(shape), Value::Table(table)) => self.fields(table, &[shape.fields], steps),
            (Kind::Tagged(tagged), Value::Table(table)) => self.variant(table, tagged, steps),
            (Kind::Either(one, other), _) => {
                self.value(node, one, steps);
                self.value(node, other, steps);
            }
            (Kind::List(of, ..), Value::List(items)) => {
                for (index, item) in items.iter_mut().enumerate() {
                    let name = item.table().and_then(|t| t.text("name")).map(str::to_owned);
                    steps.push(Step::Item(index, name));
                    self.value(item, of, steps);
                    steps.pop();
                }
            }
            (Kind::Pair(first, second), Value::List(items)) => {
                for (index, (item, of)) in items.iter_mut().zip([first, second]).enumerate() {
                    steps.push(Step::Item(index, None));
                    self.value(item, of, steps);
                    steps.pop();
                }
            }
            _ => {}
        }
    }

    fn variant(&mut self, table: &mut Table, tagged: &'static Tagged, steps: &mut Vec<Step>) {
        let tag = table.text("kind").unwrap_or_default();
        let known = tagged.variants.iter().find(|v| v.tag == tag);
        let own: &'static [Field] = known.map_or(&[], |v| v.fields);
        self.fields(table, &[own, tagged.common], steps);
    }

    fn take(&mut self, node: &mut Node, unit: Unit, steps: &[Step]) {
        let path = path_of(steps);
        let written = node.clone();
        let table = written.table().cloned().unwrap_or_default();
        node.value = Value::Bad;
        let is_certain =
            matches!(steps.first(), Some(Step::Key(key)) if CERTAIN.contains(&key.as_str()));
        if is_certain {
            let message = format!("{} cannot be uncertain", quote(&path));
            let found = Diagnostic::new(message, written.at).label("this is a range");
            self.report
                .push(found.help("every draw shares it: write one value"));
            return;
        }
        if self.taken.inputs.len() == MOST {
            if !std::mem::replace(&mut self.is_full, true) {
                let message = format!("more than {MOST} inputs are uncertain");
                let found = Diagnostic::new(message, written.at).label("this is one too many");
                self.report.push(found);
            }
            return;
        }
        match law(&table, unit, &path, written.at) {
            Ok(law) => {
                *node = unit.node(law.middle(), written.at);
                self.taken.inputs.push(Uncertain { path, law, unit });
                self.taken.places.push(Place {
                    steps: steps.to_vec(),
                    written,
                });
            }
            Err(found) => self.report.push(found),
        }
    }
}

/// A table with an end of a range, where a number is expected.
fn looks_uncertain(table: &Table) -> bool {
    table.get("low").is_some() || table.get("high").is_some()
}

fn law(table: &Table, unit: Unit, path: &str, at: Span) -> Result<UncertainLaw, Diagnostic> {
    let names = || FORMS.iter().map(|(name, _)| *name);
    let kind = table.get("kind");
    let name = match kind {
        None => "uniform",
        Some(node) => node.text().unwrap_or_default(),
    };
    let Some((_, own)) = FORMS.iter().find(|(form, _)| *form == name) else {
        let at = table.at("kind");
        let message = format!("{} has an unknown law", quote(path));
        let found = Diagnostic::new(message, at);
        return Err(match nearest(name, names()) {
            Some(meant) => found.label(format!("did you mean {}?", quote(meant))),
            None => found.label("no such law"),
        }
        .help(format!("laws are {}", choices(names()))));
    };
    let keys: Vec<&str> = ["low", "high"].iter().chain(own.iter()).copied().collect();
    if let Some(entry) = table
        .entries
        .iter()
        .find(|e| e.key != "kind" && !keys.contains(&&*e.key))
    {
        let message = format!("unknown key {} in {}", quote(&entry.key), quote(path));
        let found = Diagnostic::new(message, entry.key_at).label("no such key");
        return Err(found.help(format!(
            "the keys of a {name} range are {}",
            keys.join(", ")
        )));
    }
    let number = |key: &str| -> Result<f64, Diagnostic> {
        let place = quote(&format!("{path}.{key}"));
        let Some(node) = table.get(key) else {
            let found = Diagnostic::new(format!("{place} is missing"), at);
            return Err(found.label(format!("a {name} range needs {}", keys.join(", "))));
        };
        let read = unit.read(node).filter(|x| x.is_finite());
        read.ok_or_else(|| {
            let what = match unit {
                Unit::Number | Unit::Whole => "a number",
                Unit::Nanoseconds | Unit::Picoseconds => "a duration in quotes, such as \"20ms\"",
            };
            Diagnostic::new(format!("{place} should be {what}"), node.at)
                .label(format!("this is {}", node.kind()))
        })
    };
    let (low, high) = (number("low")?, number("high")?);
    let wrong = |key: &str, what: &str| {
        let message = format!("{} {what}", quote(&format!("{path}.{key}")));
        Err(Diagnostic::new(message, table.at(key)))
    };
    if low >= high {
        return wrong("low", "must be below `high`");
    }
    let form = match name {
        "log-uniform" if low <= 0.0 => {
            return wrong("low", "of a log-uniform range must be above zero");
        }
        "log-uniform" => Form::LogUniform,
        "triangular" => {
            let mode = number("mode")?;
            if mode < low || mode > high {
                return wrong("mode", "must lie between `low` and `high`");
            }
            Form::Triangular { mode }
        }
        "normal" => Form::Normal {
            mean: number("mean")?,
            sd: number("sd")?,
        },
        "lognormal" => Form::Lognormal {
            mean: number("mean")?,
            cv: table.number("cv").unwrap_or(f64::NAN),
        },
        _ => Form::Uniform,
    };
    let reach = 3.0;
    match form {
        Form::Normal { sd, .. } if sd <= 0.0 => wrong("sd", "must be above zero"),
        Form::Normal { mean, sd } if mean + reach * sd < low || mean - reach * sd > high => wrong(
            "mean",
            "is more than three standard deviations outside of `low` and `high`",
        ),
        Form::Lognormal { mean, cv } if !(mean > 0.0 && cv > 0.0 && low >= 0.0) => wrong(
            "mean",
            "of a lognormal range, and `cv`, must be above zero, and `low` not below it",
        ),
        Form::Lognormal { mean, .. } if mean < low || mean > high => {
            wrong("mean", "must lie between `low` and `high`")
        }
        form => Ok(UncertainLaw { form, low, high }),
    }
}

fn path_of(steps: &[Step]) -> String {
    let keys = steps.iter().map(|step| match step {
        Step::Key(key) => key.clone(),
        Step::Item(_, Some(name)) => name.clone(),
        Step::Item(index, None) => index.to_string(),
    });
    keys.collect::<Vec<_>>().join(".")
}

fn find<'a>(root: &'a mut Table, steps: &[Step]) -> Option<&'a mut Node> {
    let (first, rest) = steps.split_first()?;
    let Step::Key(key) = first else {
        return None;
    };
    let node = &mut root.entry_mut(key)?.node;
    rest.iter()
        .try_fold(node, |node, step| match (step, &mut node.value) {
            (Step::Key(key), Value::Table(table)) => Some(&mut table.entry_mut(key)?.node),
            (Step::Item(index, _), Value::List(items)) => items.get_mut(*index),
            _ => None,
        })
}
