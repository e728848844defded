//! From a name, a path or a text to a [`Scenario`]: reads the files, follows `extends`, applies
//! `--set`, checks the shape, resolves the meaning. The only part of the reader that touches the disk.

use std::fs;
use std::path::{Path, PathBuf};

use super::attach;
use super::bundled::{BUNDLED, bundled};
use super::calibration;
use super::check::check;
use super::diagnostic::{Diagnostic, MistakeReport, Mistakes};
use super::files::Files;
use super::hf::attach_hf;
use super::inherit::inherit;
use super::merge::merge;
use super::source::{Sources, Span, TreeOrigin};
use super::suggest::{list, nearest, quote, visible};
use super::tree::{TomlTable, TomlValue, parse, structure};
use super::{KeyChange, Scenario, file, overrides, recording, resolve, stated_price, uncertain};

/// Most that the files of a scenario may hold beside texts in quotes: a thousand classes with every key
/// written out have half of it.
const MAX_STRUCTURE: usize = 2 << 20;

/// Longest chain of scenarios that extend one another.
const MAX_CHAIN: usize = 16;

/// Reads the scenario that a person named: a bundled one, a file, or `-` for standard input. Something is a path when it
/// is a file, contains a separator, or ends in `.toml`.
///
/// # Errors
///
/// All mistakes in the scenario and in `overrides` (`key.path=value`) at once.
pub fn load(target: &str, overrides: &[String]) -> Result<Scenario, Mistakes> {
    let read = Reader::of(target, overrides)?;
    read.reader.finish(read.root, read.before.as_ref())
}

/// Reads the scenario that a person named, to be varied.
///
/// # Errors
///
/// As for [`load`].
pub fn prepare(target: &str, overrides: &[String]) -> Result<Prepared, Mistakes> {
    let read = Reader::of(target, overrides)?;
    let scenario = read.resolved(&[])?;
    Ok(Prepared { read, scenario })
}

/// A scenario as it was read, together with what it means: variants of it are made from its tree, and no file is read
/// and no recording parsed twice.
#[derive(Debug)]
pub struct Prepared {
    read: ReadTree,
    scenario: Scenario,
}

impl Prepared {
    /// The scenario as it stands.
    pub fn scenario(&self) -> &Scenario {
        &self.scenario
    }

    /// The scenario that would have been read with these changes behind its overrides. [`Scenario::with`] changes what
    /// it was resolved to instead, where `duration = "trace"`, for one, is a number.
    ///
    /// # Errors
    ///
    /// All mistakes in what comes out, at once.
    pub fn with(&self, changes: &[KeyChange]) -> Result<Scenario, Mistakes> {
        self.read.resolved(changes)
    }
}

/// A tree with its bases merged and overrides applied, before anything of it is checked.
#[derive(Debug)]
struct ReadTree {
    reader: Reader,
    root: TomlTable,
    /// The tree's `[node]` before the overrides.
    before: Option<TomlTable>,
}

impl ReadTree {
    fn resolved(&self, changes: &[KeyChange]) -> Result<Scenario, Mistakes> {
        let mut reader = self.reader.clone();
        let mut root = self.root.clone();
        for change in changes {
            if let Err(found) = change.apply(&mut root, &mut reader.sources) {
                reader.report.push(found);
            }
        }
        reader.finish(root, self.before.as_ref())
    }
}

/// Reads a scenario from a text; `name` is what messages call it. It may extend bundled scenarios, and
/// files in the working directory.
///
/// # Errors
///
/// All mistakes in the text and in `overrides` (`key.path=value`) at once.
pub fn load_str(name: &str, text: &str, overrides: &[String]) -> Result<Scenario, Mistakes> {
    let mut reader = Reader::default();
    let tree = reader.text(name, name, text.to_string(), Some(PathBuf::new()), None);
    let read = reader.overridden(tree, overrides)?;
    read.reader.finish(read.root, read.before.as_ref())
}

/// Changes the tree of a scenario and resolves it anew.
///
/// # Errors
///
/// All mistakes in what comes out, at once.
pub fn resolved_anew(
    scenario: &Scenario,
    change: impl FnOnce(&mut TomlTable, &mut Sources) -> Result<(), Diagnostic>,
) -> Result<Scenario, Mistakes> {
    let (tree, origin) = scenario.tree();
    let mut reader = Reader {
        sources: origin.sources.clone(),
        main: Some(origin.main),
        ..Reader::default()
    };
    let mut root = tree.clone();
    let before = root.table("node").cloned();
    if let Err(found) = change(&mut root, &mut reader.sources) {
        reader.report.push(found);
    }
    reader.finish(root, before.as_ref())
}

#[derive(Clone, Debug, Default)]
struct Reader {
    sources: Sources,
    files: Files,
    /// Bytes beside texts in quotes, of all texts so far.
    structure: usize,
    report: MistakeReport,
    /// Identity and display name of the scenarios being read, outermost first.
    chain: Vec<(String, String)>,
    /// Source of the scenario that was asked for; `None`: it has not been opened.
    main: Option<usize>,
}

impl Reader {
    /// Reads the scenario that a person named, and applies `--set`.
    fn of(target: &str, overrides: &[String]) -> Result<ReadTree, Mistakes> {
        let mut reader = Self::default();
        let argument =
            reader
                .sources
                .add("argument SCENARIO".to_string(), target.to_string(), None);
        let at = Span {
            source: argument,
            start: 0,
            end: target.len(),
        };
        let tree = if target == "-" {
            reader.standard_input(at)
        } else {
            reader.open(target, at, None)
        };
        reader.overridden(tree, overrides)
    }

    /// Applies `--set`.
    fn overridden(
        mut self,
        tree: Option<TomlTable>,
        overrides: &[String],
    ) -> Result<ReadTree, Mistakes> {
        let Some(mut root) = tree else {
            return Err(self.report.into_mistakes(self.sources));
        };
        let before = root.table("node").cloned();
        for argument in overrides {
            if let Err(found) = overrides::apply(&mut root, argument, &mut self.sources) {
                self.report.push(found);
            }
        }
        Ok(ReadTree {
            reader: self,
            root,
            before,
        })
    }

    /// Checks and resolves a tree whose `[node]` was this before it was changed.
    fn finish(
        mut self,
        mut root: TomlTable,
        before: Option<&TomlTable>,
    ) -> Result<Scenario, Mistakes> {
        stated_price::note(before, &mut root);
        let main = self.main.unwrap_or(0);
        attach_hf(
            &mut root,
            &mut self.sources,
            &mut self.files,
            &mut self.report,
        );
        let own_length = recording::take(&mut root);
        let taken = uncertain::take(&mut root, &file::SCENARIO, main, &mut self.report);
        if taken.is_refused {
            return Err(self.report.into_mistakes(self.sources));
        }
        calibration::take(
            &mut root,
            &mut self.sources,
            &mut self.files,
            &mut self.report,
        );
        inherit(&mut root);
        check(&mut root, &file::SCENARIO, main, &mut self.report);
        if self.report.incomplete {
            return Err(self.report.into_mistakes(self.sources));
        }
        attach::attach_csvs(
            &mut root,
            &mut self.sources,
            &mut self.files,
            &mut self.report,
        );
        if let Some(at) = own_length {
            recording::give(&mut root, at, &mut self.report);
        }
        let origin = TreeOrigin {
            sources: self.sources,
            main,
        };
        let Some(scenario) = resolve::resolve(root, taken, &origin, &mut self.report) else {
            return Err(self.report.into_mistakes(origin.sources));
        };
        uncertain::both_ends(&scenario)?;
        Ok(scenario)
    }

    /// Opens what the user named, or what a file in `directory` names at `at`.
    fn open(&mut self, target: &str, at: Span, directory: Option<&Path>) -> Option<TomlTable> {
        let separator = target.contains(['/', '\\']);
        let named = directory.is_none() && Path::new(target).is_file();
        if separator || target.ends_with(".toml") || named {
            let path = match directory {
                None => Ok(PathBuf::from(target)),
                Some(directory) => self.files.within(directory, target, at),
            };
            return match path {
                Ok(path) => self.file(&path, at),
                Err(found) => {
                    self.report.push(found);
                    None
                }
            };
        }
        match bundled(target) {
            Some(found) => {
                let name = format!("bundled scenario {}", found.name);
                self.enter(format!("bundled {target}"), target, at)?;
                self.text(&name, target, found.text.to_string(), None, Some(at))
            }
            None => {
                self.report
                    .push(unknown_scenario(target, at, directory.is_some()));
                None
            }
        }
    }

    /// Reads the scenario on standard input, which may name files in the working directory.
    fn standard_input(&mut self, at: Span) -> Option<TomlTable> {
        const NAME: &str = "standard input";
        match self.files.standard_input(at) {
            Ok(text) => self.text(NAME, NAME, text, Some(PathBuf::new()), Some(at)),
            Err(found) => {
                self.report.push(found);
                None
            }
        }
    }

    fn file(&mut self, path: &Path, at: Span) -> Option<TomlTable> {
        let shown = path.display().to_string();
        let identity = fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
        self.enter(identity.display().to_string(), &shown, at)?;
        let directory = path.parent().map(Path::to_path_buf);
        self.files.root_at(directory.clone().unwrap_or_default());
        match self.files.read(path, at, "toml", &mut self.sources) {
            Ok(text) => self.text(&shown, &shown, text, directory, Some(at)),
            Err(found) => {
                self.report.push(found);
                None
            }
        }
    }

    /// Refuses to read a scenario that is being read.
    fn enter(&mut self, identity: String, shown: &str, at: Span) -> Option<()> {
        if let Some(first) = self.chain.iter().position(|(known, _)| *known == identity) {
            let mut names: Vec<&str> = self.chain[first..]
                .iter()
                .map(|(_, n)| n.as_str())
                .collect();
            names.push(shown);
            let chain = names.join(" -> ");
            let message = format!("{} extends itself", quote(shown));
            let found = Diagnostic::new(message, at).label("this closes the circle");
            self.report
                .push(found.note(format!("the chain is {chain}")));
            return None;
        }
        if self.chain.len() == MAX_CHAIN {
            let message = format!("{} is one base too many", quote(shown));
            let label = format!("at most {MAX_CHAIN} scenarios extend one another");
            self.report.push(Diagnostic::new(message, at).label(label));
            return None;
        }
        self.chain.push((identity, shown.to_string()));
        Some(())
    }

    /// Reads a text that somebody named at `at`, and what it extends. Places in it are shown under
    /// `name`; sentences call it `shown`.
    fn text(
        &mut self,
        name: &str,
        shown: &str,
        text: String,
        directory: Option<PathBuf>,
        at: Option<Span>,
    ) -> Option<TomlTable> {
        let source = self
            .sources
            .add(name.to_string(), text.clone(), directory.clone());
        self.main.get_or_insert(source);
        let at = at.unwrap_or(Span::whole(source));
        self.structure += structure(&text);
        let found = if let Some(found) = not_text(&text, source, shown) {
            vec![found]
        } else if self.structure > MAX_STRUCTURE {
            vec![too_much(shown, at)]
        } else {
            match parse(&text, source) {
                Ok(root) if root.entries.is_empty() => vec![nothing_there(shown, at)],
                Ok(root) => return self.extend(root, directory.as_deref()),
                Err(found) => found,
            }
        };
        found.into_iter().for_each(|d| self.report.push(d));
        None
    }

    fn extend(&mut self, mut root: TomlTable, directory: Option<&Path>) -> Option<TomlTable> {
        let Some(entry) = root.remove("extends") else {
            return Some(root);
        };
        let at = entry.node.at;
        let base = if let TomlValue::Text(target) = &entry.node.value {
            self.open(target, at, Some(directory.unwrap_or(Path::new(""))))
        } else {
            let message = "`extends` should be text: a bundled scenario's name or a path";
            let label = format!("this is {}", entry.node.kind());
            self.report.push(Diagnostic::new(message, at).label(label));
            None
        };
        self.report.incomplete |= base.is_none();
        let base = base.unwrap_or_default();
        let node = base.table("node").cloned();
        let mut whole = merge(base, root);
        stated_price::note(node.as_ref(), &mut whole);
        Some(whole)
    }
}

fn unknown_scenario(target: &str, at: Span, in_file: bool) -> Diagnostic {
    let names = || BUNDLED.iter().map(|b| b.name);
    let message = format!("there is no scenario {}", quote(target));
    let found = if at.is_empty() {
        Diagnostic::new("the scenario's name is empty", at)
    } else {
        Diagnostic::new(message, at)
    };
    let found = match nearest(target, names()) {
        Some(meant) => found.label(format!("did you mean {}?", quote(meant))),
        None => found.label("neither a file nor a bundled scenario"),
    };
    let whose = if in_file {
        "relative to this file"
    } else {
        "to a file"
    };
    found
        .note(format!("bundled are {}", list(names())))
        .help(format!("a path {whose} contains a `/` or ends in `.toml`"))
}

/// A mistake where control characters show that a file is no text at all; `None`: it is one.
fn not_text(text: &str, source: usize, shown: &str) -> Option<Diagnostic> {
    let odd = |c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r');
    let (start, c) = text.char_indices().find(|(_, c)| odd(*c))?;
    let at = Span {
        source,
        start,
        end: start + c.len_utf8(),
    };
    let found = Diagnostic::new(format!("{} is not a text file", quote(shown)), at);
    let code = u32::from(c);
    Some(
        found
            .label(format!("control character {} (U+{code:04X})", visible(c)))
            .help("scenarios are text in UTF-8; is this the right file?"),
    )
}

fn too_much(shown: &str, at: Span) -> Diagnostic {
    let most = MAX_STRUCTURE >> 20;
    let message = format!("{} holds too many keys and values", quote(shown));
    Diagnostic::new(message, at)
        .label(format!(
            "at most {most} MiB beside texts in quotes, with what it extends"
        ))
        .help("is this the right file? long lists of numbers belong in a CSV")
}

fn nothing_there(shown: &str, at: Span) -> Diagnostic {
    Diagnostic::new(format!("{} holds no scenario", quote(shown)), at)
        .label("there is not a single key in it")
        .help("begin with `extends = \"deepseek-day\"` and a `name`, then say what differs")
}
