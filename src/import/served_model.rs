//! Which model servers serve, and what its name says.

use super::ImportRequest;
use super::model_names::model_name;
use super::server::LaunchedServer;
use crate::catalog::{self, NumberFormat};
use crate::scenario::{Diagnostic, HfModel, Span, quote, quoted};

/// The model that servers serve.
#[derive(Clone, Debug)]
pub struct ServedModel {
    /// What people call it.
    pub shown: String,
    /// The value of `model`.
    pub toml: String,
    /// What says so.
    pub why: String,
    /// Whether it has experts.
    pub has_experts: bool,
    /// Numbers that the model's name says its weights are in; `None`: it says nothing of them.
    pub numbers: Option<NumberFormat>,
    /// Whether experts alone are in them.
    pub experts_only: bool,
}

impl ServedModel {
    /// The model of servers: the catalog's, or that of a configuration.
    pub fn of(
        request: &ImportRequest,
        servers: &[LaunchedServer],
        hf: Option<&HfModel>,
        place: Span,
    ) -> Result<Self, Diagnostic> {
        let stated = servers.iter().find_map(|s| s.model.as_ref());
        let other = |s: &&LaunchedServer| {
            s.model
                .as_ref()
                .is_some_and(|m| stated.is_some_and(|f| f.value != m.value))
        };
        if let (Some(first), Some(other)) = (
            stated,
            servers.iter().find(other).and_then(|s| s.model.as_ref()),
        ) {
            let found = Diagnostic::new("these servers serve different models", other.at);
            return Err(found
                .label(other.value.clone())
                .also(first.at, first.value.clone()));
        }
        let name = stated.map_or("", |s| s.value.as_str());
        let read = model_name(name);
        if let (Some(path), Some(hf)) = (&request.hf, hf) {
            let architecture = hf.model().and_then(|m| m.architecture);
            return Ok(Self {
                shown: if name.is_empty() { path } else { name }.to_string(),
                toml: format!("{{ hf = {} }}", quoted(path)),
                why: "--hf".to_string(),
                has_experts: architecture.is_some_and(|a| a.experts.is_some()),
                numbers: None,
                experts_only: false,
            });
        }
        let Some(stated) = stated else {
            let found = Diagnostic::new("nothing says which model is served", place);
            return Err(found.help("--model says it, or its configuration: --hf config.json"));
        };
        let Some(known) = read.catalog else {
            let message = format!("the catalog has no model {}", quote(&stated.value));
            let found =
                Diagnostic::new(message, stated.at).label("not one that is known by its name");
            return Err(
                found.help("give its configuration, from beside its weights: --hf config.json")
            );
        };
        let architecture = catalog::model(known).and_then(|m| m.architecture);
        Ok(Self {
            shown: stated.value.clone(),
            toml: quoted(known),
            why: format!("{} {}", stated.flag, stated.value),
            has_experts: architecture.is_some_and(|a| a.experts.is_some()),
            numbers: read.numbers,
            experts_only: read.experts_only,
        })
    }
}
