//! Finds ranges and laws in a tree by its shape, takes them out, and puts them back.

use super::super::check::check;
use super::super::diagnostic::{Diagnostic, MistakeReport};
use super::super::shape::{Field, TableShape, Tagged, ValueKind};
use super::super::suggest::quote;
use super::super::tree::{TomlNode, TomlTable, TomlValue};
use super::uncertain_law::law;
use super::{DrawUnit, Uncertain};

/// Keys of the root that are the same for every draw: what is counted, and how much a run may take.
const CERTAIN: [&str; 8] = [
    "seed",
    "start",
    "duration",
    "warm_up",
    "report_every",
    "limits",
    "published",
    "sweep",
];

/// Most uncertain inputs of a scenario: a hypercube of more needs more draws than anybody plays.
const MOST: usize = 100;

/// The uncertain numbers of a scenario, and where they were taken from.
#[derive(Debug, Default)]
pub struct Taken {
    /// The inputs that are not known exactly.
    pub inputs: Vec<Uncertain>,
    /// Whether an end of a range was refused, in which case all that is wrong has been told.
    pub is_refused: bool,
    places: Vec<UncertainPlace>,
}

#[derive(Debug)]
struct UncertainPlace {
    steps: Vec<TreeStep>,
    /// The range or law as it was written.
    written: TomlNode,
}

#[derive(Clone, Debug)]
enum TreeStep {
    Key(String),
    /// A member of a list: its index, and its name if it has one.
    Item(usize, Option<String>),
}

/// Takes every range and law out of a tree and puts its middle in; what is wrong with them goes to the
/// report.
pub fn take(
    root: &mut TomlTable,
    shape: &'static TableShape,
    main: usize,
    report: &mut MistakeReport,
) -> Taken {
    let mut search = UncertainSearch {
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
        let mut found = MistakeReport::default();
        check(&mut end, shape, main, &mut found);
        taken.is_refused = !found.is_empty();
        report.absorb(found);
    }
    taken
}

impl Taken {
    /// Puts what was taken out of a tree back into it.
    pub fn put_back(self, root: &mut TomlTable) {
        for place in self.places {
            if let Some(node) = find(root, &place.steps) {
                *node = place.written;
            }
        }
    }
}

struct UncertainSearch<'a> {
    taken: Taken,
    /// Whether a mistake has said that there are too many.
    is_full: bool,
    report: &'a mut MistakeReport,
}

impl UncertainSearch<'_> {
    fn fields(
        &mut self,
        table: &mut TomlTable,
        parts: &[&'static [Field]],
        steps: &mut Vec<TreeStep>,
    ) {
        for field in parts.iter().flat_map(|part| part.iter()) {
            let Some(entry) = table.entry_mut(field.key) else {
                continue;
            };
            steps.push(TreeStep::Key(field.key.to_owned()));
            self.value(&mut entry.node, &field.kind, steps);
            steps.pop();
        }
    }

    fn value(&mut self, node: &mut TomlNode, kind: &ValueKind, steps: &mut Vec<TreeStep>) {
        if let (Some(unit), Some(table)) = (DrawUnit::of(kind), node.table())
            && looks_uncertain(table)
        {
            self.take(node, unit, steps);
            return;
        }
        match (kind, &mut node.value) {
            (ValueKind::Table(shape), TomlValue::Table(table)) => {
                self.fields(table, &[shape.fields], steps)
            }
            (ValueKind::Tagged(tagged), TomlValue::Table(table)) => {
                self.variant(table, tagged, steps)
            }
            (ValueKind::Either(one, other), _) => {
                self.value(node, one, steps);
                self.value(node, other, steps);
            }
            (ValueKind::List(of, ..), TomlValue::List(items)) => {
                for (index, item) in items.iter_mut().enumerate() {
                    let name = item.table().and_then(|t| t.text("name")).map(str::to_owned);
                    steps.push(TreeStep::Item(index, name));
                    self.value(item, of, steps);
                    steps.pop();
                }
            }
            (ValueKind::Pair(first, second), TomlValue::List(items)) => {
                for (index, (item, of)) in items.iter_mut().zip([first, second]).enumerate() {
                    steps.push(TreeStep::Item(index, None));
                    self.value(item, of, steps);
                    steps.pop();
                }
            }
            _ => {}
        }
    }

    fn variant(
        &mut self,
        table: &mut TomlTable,
        tagged: &'static Tagged,
        steps: &mut Vec<TreeStep>,
    ) {
        let tag = table.text("kind").unwrap_or_default();
        let known = tagged.variants.iter().find(|v| v.tag.word == tag);
        let own: &'static [Field] = known.map_or(&[], |v| v.fields);
        self.fields(table, &[own, tagged.common], steps);
    }

    fn take(&mut self, node: &mut TomlNode, unit: DrawUnit, steps: &[TreeStep]) {
        let path = path_of(steps);
        let written = node.clone();
        let table = written.table().cloned().unwrap_or_default();
        node.value = TomlValue::Bad;
        let is_certain =
            matches!(steps.first(), Some(TreeStep::Key(key)) if CERTAIN.contains(&key.as_str()));
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
                self.taken.places.push(UncertainPlace {
                    steps: steps.to_vec(),
                    written,
                });
            }
            Err(found) => self.report.push(found),
        }
    }
}

/// Whether a table where a number is expected has an end of a range.
fn looks_uncertain(table: &TomlTable) -> bool {
    table.get("low").is_some() || table.get("high").is_some()
}

fn path_of(steps: &[TreeStep]) -> String {
    let keys = steps.iter().map(|step| match step {
        TreeStep::Key(key) => key.clone(),
        TreeStep::Item(_, Some(name)) => name.clone(),
        TreeStep::Item(index, None) => index.to_string(),
    });
    keys.collect::<Vec<_>>().join(".")
}

fn find<'a>(root: &'a mut TomlTable, steps: &[TreeStep]) -> Option<&'a mut TomlNode> {
    let (first, rest) = steps.split_first()?;
    let TreeStep::Key(key) = first else {
        return None;
    };
    let node = &mut root.entry_mut(key)?.node;
    rest.iter()
        .try_fold(node, |node, step| match (step, &mut node.value) {
            (TreeStep::Key(key), TomlValue::Table(table)) => Some(&mut table.entry_mut(key)?.node),
            (TreeStep::Item(index, _), TomlValue::List(items)) => items.get_mut(*index),
            _ => None,
        })
}
