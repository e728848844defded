//! A Hugging Face `config.json` as the `[model]` table of a scenario: every value keeps its place in the file, so
//! that what the scenario's own rules find wrong with it is shown there.
//!
//! Read are: grouped and latent attention, windows and chunks, linear attention with states, sparse attention with
//! an indexer, routed and shared experts, tied embeddings, the number formats of weights, the longest context; of
//! models that see or hear, the part that speaks. `family` holds what a configuration leaves unsaid. What cannot be
//! modelled is refused by its key; a draft module is left to the scenario's `[mtp]`.

mod config_keys;
mod family;
mod hf_experts;
mod hf_layers;
mod json_text;
mod model_entries;
mod published_numbers;

use std::path::Path;

use super::check::check;
use super::diagnostic::{Diagnostic, MistakeReport, Mistakes};
use super::file::MODEL;
use super::files::Files;
use super::merge::merge;
use super::resolve;
use super::shape::ValueKind::Table;
use super::shape::{TableShape, required};
use super::source::{Sources, Span};
use super::suggest::{list, nearest, quote};
use super::tree::{TomlEntry, TomlNode, TomlTable, TomlValue};
use config_keys::{ConfigKeys, ConfigNumber};
use family::{Family, REFUSED, family, known_types};
use json_text::parse_object;
use model_entries::Entries;

use super::write::write_without;
use crate::catalog::Model;

/// Longest configuration that is read, 4 MiB: long lists of layers that are not quantised make a tenth of that.
const MAX_CONFIG_BYTES: usize = 4 << 20;

/// Where a text model's part of a configuration stands in that of a model that sees or hears.
const TEXT_PARTS: [&str; 3] = ["text_config", "llm_config", "language_config"];

/// The file beside a `config.json` that says what is quantised, where that does not say so itself.
const BESIDE: &str = "hf_quant_config.json";

/// What was understood of a configuration.
#[derive(Debug)]
pub struct HfModel {
    /// The `[model]` table.
    table: TomlTable,
    /// The model that it means; `None` while that is not worked out.
    model: Option<Model>,
    /// What was taken for what, and what was left out.
    notes: Vec<String>,
}

impl HfModel {
    /// The model as a table of a scenario, as TOML.
    pub fn to_toml(&self) -> String {
        let mut root = Entries::default();
        root.table("model", Entries(self.table.clone()), Span::NOWHERE);
        write_without(&root.0, &[])
    }

    /// The model that the configuration describes.
    pub fn model(&self) -> Option<&Model> {
        self.model.as_ref()
    }

    /// What was taken for what, and what was left out, each in a sentence.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }
}

/// Replaces `model = { hf = "config.json" }` by what the configuration says; the table's other keys go first.
pub fn attach_hf(
    root: &mut TomlTable,
    sources: &mut Sources,
    files: &mut Files,
    report: &mut MistakeReport,
) {
    let Some(entry) = root.entry_mut("model") else {
        return;
    };
    let TomlValue::Table(model) = &mut entry.node.value else {
        return;
    };
    let Some(hf) = model.remove("hf") else {
        return;
    };
    let at = hf.node.at;
    let Some(path) = hf.node.text() else {
        let found = Diagnostic::new("`hf` should be text: the path of a config.json", at);
        report.push(found.label(format!("this is {}", hf.node.kind())));
        report.incomplete = true;
        return;
    };
    if let Some(base) = model.entry("base") {
        let found = Diagnostic::new("`hf` and `base` exclude one another", hf.key_at);
        report.push(
            found
                .label("give only one of them")
                .also(base.key_at, "the other one"),
        );
    }
    let directory = sources.get(at.source).and_then(|s| s.directory.clone());
    let find = |target: &Path| match &directory {
        None => Ok(target.to_path_buf()),
        Some(directory) => files.within(directory, &target.display().to_string(), at),
    };
    let path = Path::new(path);
    let found = find(path).map(|config| (config, find(&path.with_file_name(BESIDE)).ok()));
    let read = found
        .map(|(config, beside)| read_files(&config, beside.as_deref(), at, sources, files, report));
    match read {
        Ok(Some(read)) => {
            let own = std::mem::take(model);
            *model = merge(read.table, own);
        }
        Ok(None) => report.incomplete = true,
        Err(found) => {
            report.push(found);
            report.incomplete = true;
        }
    }
}

/// Reads the configuration of a path that a person named, alone.
///
/// # Errors
/// All mistakes in it at once.
pub fn read_hf(path: &str) -> Result<HfModel, Mistakes> {
    let mut sources = Sources::default();
    let mut report = MistakeReport::default();
    let source = sources.add("argument FILE".to_string(), path.to_string(), None);
    let at = Span {
        source,
        start: 0,
        end: path.len(),
    };
    let path = Path::new(path);
    let beside = path.with_file_name(BESIDE);
    let mut files = Files::default();
    let read = read_files(
        path,
        Some(&beside),
        at,
        &mut sources,
        &mut files,
        &mut report,
    );
    whole(read, at, sources, report)
}

/// Reads the text of a configuration under a name.
///
/// # Errors
/// All mistakes in it at once.
pub fn read_hf_text(name: &str, text: &str) -> Result<HfModel, Mistakes> {
    let mut sources = Sources::default();
    let mut report = MistakeReport::default();
    let source = sources.add(name.to_string(), text.to_string(), None);
    let at = Span::whole(source);
    let read = match parse_object(text, source) {
        Ok(root) => read_config(&root, None, at, &mut report),
        Err(found) => {
            report.push(found);
            None
        }
    };
    whole(read, at, sources, report)
}

/// What was read of a configuration, with the model that it means: what a scenario would find wrong with it is wrong
/// here, too.
fn whole(
    read: Option<HfModel>,
    at: Span,
    sources: Sources,
    mut report: MistakeReport,
) -> Result<HfModel, Mistakes> {
    let Some(read) = read else {
        return Err(report.into_mistakes(sources));
    };
    let mut root = Entries::default();
    root.table("model", Entries(read.table), at);
    let mut root = root.0;
    check(&mut root, &ALONE, at.source, &mut report);
    let model = resolve::model(&root, &mut report);
    match (model, report.is_empty(), root.remove("model")) {
        (Some(model), true, Some(TomlEntry { node, .. })) => Ok(HfModel {
            table: node.table().cloned().unwrap_or_default(),
            model: Some(model),
            ..read
        }),
        _ => Err(report.into_mistakes(sources)),
    }
}

/// A file that holds a model alone.
static ALONE: TableShape = TableShape {
    name: "model_alone",
    doc: "A model",
    ordered: false,
    fields: &[required("model", Table(&MODEL), "{}", "The model")],
};

/// Reads a configuration that was named at `at`, and the file `beside` it where there is one; `None`: what is wrong
/// has been reported.
fn read_files(
    path: &Path,
    beside: Option<&Path>,
    at: Span,
    sources: &mut Sources,
    files: &mut Files,
    report: &mut MistakeReport,
) -> Option<HfModel> {
    let root = read_object(path, at, sources, files, report)?;
    let quantised = match beside.filter(|path| path.is_file()) {
        Some(beside) if root.get("quantization_config").is_none() => {
            Some(read_object(beside, at, sources, files, report)?)
        }
        _ => None,
    };
    let file = root.entries.first();
    let file = file.map_or(at, |entry| Span::whole(entry.key_at.source));
    read_config(&root, quantised.as_ref(), file, report)
}

fn read_object(
    path: &Path,
    at: Span,
    sources: &mut Sources,
    files: &mut Files,
    report: &mut MistakeReport,
) -> Option<TomlTable> {
    let text = match files.read(path, at, "json", sources) {
        Ok(text) => text,
        Err(found) => {
            report.push(found);
            return None;
        }
    };
    let shown = path.display().to_string();
    if text.len() > MAX_CONFIG_BYTES {
        let message = format!("{} is too long for a configuration", quote(&shown));
        let label = format!("at most {} MiB are read", MAX_CONFIG_BYTES >> 20);
        report.push(Diagnostic::new(message, at).label(label));
        return None;
    }
    let source = sources.add(shown, text.clone(), None);
    let parsed = parse_object(&text, source);
    parsed.map_err(|found| report.push(found)).ok()
}

/// What a configuration says of its model; `None`: what is wrong has been reported.
fn read_config(
    root: &TomlTable,
    quantised: Option<&TomlTable>,
    file: Span,
    report: &mut MistakeReport,
) -> Option<HfModel> {
    let text = TEXT_PARTS.into_iter().find_map(|part| root.table(part));
    let mut keys = ConfigKeys::new(root, text, file, report);
    let before = keys.report.count();
    for (key, why) in REFUSED {
        if keys.get(key).is_some_and(says_something) {
            keys.refuse(key, why);
        }
    }
    let family = family_of(&mut keys)?;
    let mut model = Entries::default();
    let name = name_of(&mut keys);
    model.word("name", &name, file);
    let context = context(&mut keys);
    if let Some(context) = context {
        model.number("context", context);
    }
    let layers = keys.need(&["num_hidden_layers"]);
    let hidden = keys.need(&["hidden_size"]);
    let vocabulary = keys.need(&["vocab_size"]);
    let (Some(layers), Some(hidden), Some(vocabulary)) = (layers, hidden, vocabulary) else {
        return None;
    };
    model.number("layers", layers);
    model.number("hidden", hidden);
    model.number("vocabulary", vocabulary);
    hf_layers::attention(&mut keys, family, (layers, hidden, context), &mut model);
    let has_experts = hf_experts::networks(&mut keys, family, layers, &mut model);
    if keys.boolean("tie_word_embeddings").unwrap_or(family.tied) {
        let at = keys.key_at("tie_word_embeddings");
        model.yes("tied_embeddings", at);
    }
    published_numbers::formats(&mut keys, quantised, has_experts, &mut model);
    say_what_is_left_out(&mut keys, root, text.is_some());
    (keys.report.count() == before).then_some(HfModel {
        table: model.0,
        model: None,
        notes: keys.notes,
    })
}

/// The family of the configuration's `model_type`, or a complaint.
fn family_of(keys: &mut ConfigKeys<'_>) -> Option<&'static Family> {
    let architectures = keys.get("architectures").and_then(TomlNode::list);
    let architecture = architectures.and_then(|list| list.first()?.text());
    let Some(model_type) = keys.text("model_type") else {
        keys.need(&["model_type"]);
        return None;
    };
    if let Some(family) = family(model_type) {
        return Some(family);
    }
    let message = format!("models of the type {} cannot be read", quote(model_type));
    let at = keys.get("model_type").map_or(Span::NOWHERE, |node| node.at);
    let found = Diagnostic::new(message, at);
    let found = match nearest(model_type, known_types()) {
        Some(near) => found.label(format!("known is {}", quote(near))),
        None => found.label("unknown `model_type`"),
    };
    let found = match architecture {
        Some(name) => found.also(
            keys.key_at("architectures"),
            format!("its code is {}", quote(name)),
        ),
        None => found,
    };
    let known = list(known_types());
    keys.report
        .push(found.note(format!("known are {known}")).help(
            "say what it is in a `[model]` of your own, or take a catalog model that comes close",
        ));
    None
}

/// A name for the model: where it was saved from, or its type.
fn name_of(keys: &mut ConfigKeys<'_>) -> String {
    let path = keys.text("_name_or_path").unwrap_or_default();
    let last = path.trim_end_matches('/').rsplit('/').next();
    match last.filter(|name| !name.is_empty()) {
        Some(name) => name.to_string(),
        None => keys.text("model_type").unwrap_or("model").to_string(),
    }
}

/// The longest context: what YaRN stretches positions to, or the positions that there are.
fn context(keys: &mut ConfigKeys<'_>) -> Option<ConfigNumber> {
    let plain = keys.number(&["max_position_embeddings"]);
    let scaling = match keys.get("rope_scaling") {
        Some(node) => node.table(),
        None => keys.get("rope_parameters").and_then(TomlNode::table),
    };
    let Some(scaling) = scaling else {
        return plain;
    };
    let kind = scaling.text("rope_type").or(scaling.text("type"));
    let whole = scaling.integer::<u32>("original_max_position_embeddings");
    let (Some("yarn"), Some(whole), Some(factor)) = (kind, whole, scaling.number("factor")) else {
        return plain;
    };
    let stretched = f64::from(whole) * factor;
    if !(1.0..=1e9).contains(&stretched) {
        return plain;
    }
    let at = scaling.at("factor");
    let value = libm::round(stretched) as u32;
    if plain.is_some_and(|p| p.value != value) {
        keys.note(format!(
            "context is what YaRN makes of {whole} positions: {value}"
        ));
    }
    Some(ConfigNumber { value, at })
}

/// Whether a value is more than false, 0 or empty.
fn says_something(node: &TomlNode) -> bool {
    match &node.value {
        TomlValue::Boolean(yes) => *yes,
        TomlValue::Integer(n) => *n != 0,
        TomlValue::List(items) => !items.is_empty(),
        TomlValue::Table(table) => !table.entries.is_empty(),
        TomlValue::Text(text) => !text.is_empty(),
        _ => true,
    }
}

/// Notes what of a model is not in the table.
fn say_what_is_left_out(keys: &mut ConfigKeys<'_>, root: &TomlTable, is_part: bool) {
    let drafts = [
        "num_nextn_predict_layers",
        "mtp_num_hidden_layers",
        "num_mtp_modules",
    ];
    // how a draft module is built
    for key in [
        "use_mtp",
        "mtp_transformer_layers",
        "mtp_use_dedicated_embeddings",
    ] {
        let _ = keys.get(key);
    }
    if let Some(said) = keys.number(&drafts)
        && said.value > 0
    {
        keys.note(
            "it comes with a draft module: `mtp = { drafts = 1, acceptance = … }` lets it draft, otherwise it is left out",
        );
    }
    if is_part {
        let ends = |key: &str| key.ends_with("_config") && !TEXT_PARTS.contains(&key);
        let others = root.entries.iter().map(|e| e.key.as_str());
        let others: Vec<&str> = others
            .filter(|key| ends(key) && *key != "quantization_config")
            .collect();
        if !others.is_empty() {
            keys.note(format!(
                "only what speaks is read; left out: {}",
                list(others)
            ));
        }
    }
    let skipped = [
        "quantization_config",
        "text_config",
        "llm_config",
        "language_config",
    ];
    let unread: Vec<&str> = keys
        .unread()
        .into_iter()
        .filter(|key| !skipped.contains(key) && !key.ends_with("_config"))
        .collect();
    if !unread.is_empty() {
        keys.note(format!("keys that were not read: {}", unread.join(", ")));
    }
}
