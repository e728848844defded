//! `tokentide init`: a scenario file to start from.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;

use super::{Exit, fail, refuse, tell};

/// The template of a scenario: a small service on one kind of node, with every key that most users change, explained.
const TEMPLATE: &str = include_str!("init.toml");

/// Arguments of `init`.
#[derive(Debug, Args)]
pub struct InitArguments {
    /// Where to write it
    #[arg(default_value = "scenario.toml")]
    file: PathBuf,
}

/// Runs `init`: writes the template, never over an existing file.
pub fn execute(arguments: &InitArguments) -> Exit {
    let shown = arguments.file.display();
    let mut file = match std::fs::File::create_new(&arguments.file) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            return refuse(&format!(
                "{shown} exists already; give another name: tokentide init NAME.toml"
            ));
        }
        Err(error) => return refuse(&format!("cannot create {shown}: {error}")),
    };
    if let Err(error) = file.write_all(TEMPLATE.as_bytes()) {
        return fail(&format!("cannot write {shown}: {error}"));
    }
    tell(&format!("wrote {shown}; try: tokentide run {shown}"));
    Exit::Done
}
