//! `tokentide import`: a server's launch line as a scenario.

use std::io::Read;
use std::path::Path;

use clap::Args;

use super::{Exit, print, refuse, show, tell, word_of};
use crate::import::{ImportRequest, LaunchEngine, ServerRole, import, known_gpu};
use crate::scenario::read_ordinary_text;

/// Longest text that is read, 4 MiB.
const MAX_BYTES: u64 = 4 << 20;

/// Arguments of `import`.
#[derive(Debug, Args)]
pub struct ImportArguments {
    /// The engine that is launched
    #[arg(value_parser = word_of::<LaunchEngine>())]
    engine: LaunchEngine,
    /// A launch line in quotes, or a file: a script, a Kubernetes manifest, TensorRT-LLM's options; `-`: standard input.
    /// Several where prefill and decode are apart, or where options go with a line
    #[arg(required = true)]
    input: Vec<String>,
    /// The accelerator, such as h200, where the input does not say
    #[arg(long)]
    gpu: Option<String>,
    /// Accelerators of a node
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1024))]
    gpus: Option<u32>,
    /// The model, where the input does not name it
    #[arg(long)]
    model: Option<String>,
    /// The model's config.json, where the catalog does not have the model; the scenario names it by this path
    #[arg(long, value_name = "CONFIG.JSON")]
    hf: Option<String>,
    /// What servers do of a request that do not say it
    #[arg(long, value_parser = word_of::<ServerRole>())]
    role: Option<ServerRole>,
}

/// Runs `import`: prints the scenario; what was not understood or assumed goes to standard error, too.
pub fn execute(arguments: &ImportArguments) -> Exit {
    let gpu = match arguments.gpu.as_deref().map(known_gpu).transpose() {
        Ok(gpu) => gpu,
        Err(why) => return refuse(&why),
    };
    let mut inputs = Vec::new();
    for (index, input) in arguments.input.iter().enumerate() {
        match read(input, index) {
            Ok(read) => inputs.push(read),
            Err(why) => return refuse(&format!("{input}: {why}")),
        }
    }
    let request = ImportRequest {
        engine: arguments.engine,
        inputs,
        gpu,
        node_gpus: arguments.gpus,
        model: arguments.model.clone(),
        hf: arguments.hf.clone(),
        role: arguments.role,
    };
    match import(&request) {
        Ok(made) => {
            for remark in &made.remarks {
                tell(&format!("note: {remark}"));
            }
            print(&made.text)
        }
        Err(mistakes) => {
            show(&mistakes);
            Exit::BadInput
        }
    }
}

/// The text of an input, and its name for messages.
fn read(input: &str, index: usize) -> Result<(String, String), String> {
    if input == "-" {
        let mut text = String::new();
        let mut reader = std::io::stdin().lock().take(MAX_BYTES + 1);
        return match reader.read_to_string(&mut text) {
            Ok(n) if n as u64 > MAX_BYTES => Err(format!("more than {} MiB", MAX_BYTES >> 20)),
            Ok(_) => Ok(("standard input".to_string(), text)),
            Err(error) => Err(error.to_string()),
        };
    }
    let path = Path::new(input);
    let looks_like_one = !input.contains(char::is_whitespace) && !input.starts_with('-');
    if path.is_file() || looks_like_one {
        let text = read_ordinary_text(path, MAX_BYTES).map_err(|why| why.to_string())?;
        return Ok((input.to_string(), text));
    }
    Ok((format!("argument {}", index + 2), input.to_string()))
}
