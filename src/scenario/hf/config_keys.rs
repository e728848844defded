//! The keys of a configuration as they are read: those of the text model first, then those around it. What is read
//! is remembered, so that in the end it can be said what was not.

use std::collections::BTreeSet;

use super::super::diagnostic::{Diagnostic, MistakeReport};
use super::super::source::Span;
use super::super::suggest::quote;
use super::super::tree::{TomlNode, TomlTable, TomlValue};

/// A number of a configuration, and where it stands.
#[derive(Clone, Copy, Debug)]
pub struct ConfigNumber {
    /// The number itself.
    pub value: u32,
    /// Place of the number.
    pub at: Span,
}

/// A configuration while it is read.
#[derive(Debug)]
pub struct ConfigKeys<'a> {
    /// The tables in which a key is looked for, in this order.
    tables: Vec<&'a TomlTable>,
    /// Mistakes so far.
    pub report: &'a mut MistakeReport,
    /// Sentences on what was taken for what.
    pub notes: Vec<String>,
    /// The name of the file.
    file: Span,
    read: BTreeSet<&'static str>,
}

impl<'a> ConfigKeys<'a> {
    /// The keys of a configuration at `file`, of which `text` describes the language model.
    pub fn new(
        whole: &'a TomlTable,
        text: Option<&'a TomlTable>,
        file: Span,
        report: &'a mut MistakeReport,
    ) -> Self {
        Self {
            tables: text.into_iter().chain([whole]).collect(),
            report,
            notes: Vec::new(),
            file,
            read: BTreeSet::new(),
        }
    }

    /// The value of a key; `None`: it is not there, or `null`.
    pub fn get(&mut self, key: &'static str) -> Option<&'a TomlNode> {
        self.read.insert(key);
        self.tables.iter().find_map(|table| table.get(key))
    }

    /// Place of a key; of one that is not there that of the file.
    pub fn key_at(&self, key: &str) -> Span {
        let entry = self.tables.iter().find_map(|table| table.entry(key));
        entry.map_or(self.file, |entry| entry.key_at)
    }

    /// The first of these keys that is there, as a number from 0.
    pub fn number(&mut self, keys: &[&'static str]) -> Option<ConfigNumber> {
        let (key, node) = keys
            .iter()
            .find_map(|key| self.get(key).map(|node| (key, node)))?;
        match node.integer() {
            Some(value) => Some(ConfigNumber { value, at: node.at }),
            None => {
                self.not(key, node, "a whole number");
                None
            }
        }
    }

    /// The first of these keys, which has to be there.
    pub fn need(&mut self, keys: &[&'static str]) -> Option<ConfigNumber> {
        let is_there = keys.iter().any(|key| self.get(key).is_some());
        if !is_there {
            let names: Vec<String> = keys.iter().map(|key| quote(key)).collect();
            let message = format!("the configuration lacks {}", names.join(" or "));
            let found = Diagnostic::new(message, self.file).label("nothing follows without it");
            self.report.push(found);
        }
        self.number(keys)
    }

    /// A truth value; `None`: the key is not there.
    pub fn boolean(&mut self, key: &'static str) -> Option<bool> {
        let node = self.get(key)?;
        match node.value {
            TomlValue::Boolean(yes) => Some(yes),
            _ => {
                self.not(key, node, "true or false");
                None
            }
        }
    }

    /// A text; `None`: the key is not there.
    pub fn text(&mut self, key: &'static str) -> Option<&'a str> {
        let node = self.get(key)?;
        let text = node.text();
        if text.is_none() {
            self.not(key, node, "text");
        }
        text
    }

    /// A list; `None`: the key is not there.
    pub fn list(&mut self, key: &'static str) -> Option<&'a [TomlNode]> {
        let node = self.get(key)?;
        let list = node.list();
        if list.is_none() {
            self.not(key, node, "a list");
        }
        list
    }

    /// A table; `None`: the key is not there.
    pub fn table(&mut self, key: &'static str) -> Option<&'a TomlTable> {
        let node = self.get(key)?;
        let table = node.table();
        if table.is_none() {
            self.not(key, node, "an object");
        }
        table
    }

    fn not(&mut self, key: &str, node: &TomlNode, wanted: &str) {
        let message = format!("{} should be {wanted}", quote(key));
        let label = format!("this is {}", node.kind());
        self.report
            .push(Diagnostic::new(message, node.at).label(label));
    }

    /// Refuses a configuration by one of its keys, and why.
    pub fn refuse(&mut self, key: &str, why: &str) {
        let message = format!("{} is not modelled", quote(key));
        let found = Diagnostic::new(message, self.key_at(key)).label(why);
        self.report
            .push(found.help(
                "say what comes closest in a `[model]` of your own, or take a catalog model",
            ));
    }

    /// Remembers what was taken for what.
    pub fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// Keys of the language model that nobody has read, but for those that change nothing that is modelled.
    pub fn unread(&self) -> Vec<&'a str> {
        let mut names: Vec<&str> = Vec::new();
        for entry in self.tables.iter().flat_map(|table| &table.entries) {
            let name = entry.key.as_str();
            if !self.read.contains(name) && !is_harmless(name) && !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }
}

/// What changes no step and no memory that is modelled: positions, norms, routing's arithmetic, training, text.
fn is_harmless(key: &str) -> bool {
    const ENDS: [&str; 6] = ["_id", "_ids", "_index", "_token", "_tokens", "_eps"];
    const PARTS: [&str; 15] = [
        "rope",
        "rotary",
        "dropout",
        "dtype",
        "norm",
        "initializer",
        "scaling",
        "bias",
        "vision",
        "image",
        "video",
        "audio",
        "label",
        "version",
        "loss",
    ];
    const WHOLE: [&str; 63] = [
        "architectures",
        "auto_map",
        "model_type",
        "_name_or_path",
        "use_cache",
        "hidden_act",
        "hidden_activation",
        "pretraining_tp",
        "ep_size",
        "scoring_func",
        "topk_method",
        "swiglu_limit",
        "swiglu_alpha",
        "seq_aux",
        "output_router_logits",
        "initial_context_length",
        "use_mrope",
        "final_logit_softcapping",
        "attn_logit_softcapping",
        "query_pre_attn_scalar",
        "attention_value_scale",
        "attn_temperature_tuning",
        "floor_scale",
        "attn_scale",
        "max_length",
        "min_length",
        "do_sample",
        "early_stopping",
        "num_beams",
        "num_beam_groups",
        "num_return_sequences",
        "no_repeat_ngram_size",
        "encoder_no_repeat_ngram_size",
        "temperature",
        "top_p",
        "top_k",
        "typical_p",
        "task_specific_params",
        "parallelization_style",
        "is_decoder",
        "is_encoder_decoder",
        "return_dict",
        "return_dict_in_generate",
        "torchscript",
        "tie_encoder_decoder",
        "add_cross_attention",
        "chunk_size_feed_forward",
        "length_penalty",
        "repetition_penalty",
        "diversity_penalty",
        "exponential_decay_length_penalty",
        "output_attentions",
        "output_hidden_states",
        "output_scores",
        "pruned_heads",
        "remove_invalid_values",
        "use_bfloat16",
        "prefix",
        "vocab_size_per_layer_input",
        "use_bidirectional_attention",
        "attention_bias",
        "mlp_bias",
        "layerdrop",
    ];
    let ends = ENDS.iter().any(|end| key.ends_with(end));
    ends || PARTS.iter().any(|part| key.contains(part)) || WHOLE.contains(&key)
}
