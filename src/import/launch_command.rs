//! Where in a command a server is launched, and of which engine.

use super::server::LaunchEngine;
use super::shell_words::LaunchWord;

/// The words after the launcher of an engine; `None`: the command launches none.
pub fn launched(engine: LaunchEngine, words: &[LaunchWord]) -> Option<&[LaunchWord]> {
    let is = |at: usize, wanted: &str| words.get(at).is_some_and(|w| base(&w.text) == wanted);
    let module = |at: usize, names: &[&str]| {
        let follows = at > 0 && words.get(at - 1).is_some_and(|w| w.text == "-m");
        follows
            && words
                .get(at)
                .is_some_and(|w| names.contains(&w.text.as_str()))
    };
    for at in 0..words.len() {
        let taken = match engine {
            LaunchEngine::Vllm => {
                if is(at, "vllm") && is(at + 1, "serve") {
                    2
                } else if module(at, &["vllm.entrypoints.openai.api_server", "dynamo.vllm"])
                    || is_image(&words[at].text, "vllm-openai")
                {
                    1
                } else {
                    0
                }
            }
            LaunchEngine::Sglang => {
                if is(at, "sglang") && is(at + 1, "serve") {
                    2
                } else if module(at, &["sglang.launch_server", "dynamo.sglang"]) {
                    1
                } else {
                    0
                }
            }
            LaunchEngine::Trtllm => {
                if is(at, "trtllm-serve") {
                    if is(at + 1, "serve") { 2 } else { 1 }
                } else if module(at, &["dynamo.trtllm", "tensorrt_llm.commands.serve"]) {
                    1
                } else {
                    0
                }
            }
        };
        if taken > 0 {
            return words.get(at + taken..);
        }
    }
    None
}

/// The engine that a command launches; `None`: none that is known.
pub fn any_engine(words: &[LaunchWord]) -> Option<LaunchEngine> {
    let mut all = LaunchEngine::ALL.into_iter();
    all.find(|engine| launched(*engine, words).is_some())
}

/// Variables that are set before a command, as they were written.
pub fn environment(words: &[LaunchWord]) -> Vec<&LaunchWord> {
    let name = |text: &str| {
        text.split_once('=').is_some_and(|(name, _)| {
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        })
    };
    words.iter().take_while(|w| name(&w.text)).collect()
}

/// The last part of a path.
fn base(text: &str) -> &str {
    text.rsplit('/').next().unwrap_or(text)
}

/// Whether a word is an image of this name, whatever its registry and tag.
pub fn is_image(text: &str, name: &str) -> bool {
    base(text).split([':', '@']).next() == Some(name)
}

/// The release that an image's tag names, such as 0.10.2 of `vllm/vllm-openai:v0.10.2-cu128`.
pub fn release(image: &str) -> Option<String> {
    let tag = base(image).split_once(':')?.1;
    let tag = tag.strip_prefix('v').unwrap_or(tag);
    let end = tag.find(|c: char| !c.is_ascii_digit() && c != '.');
    let number = tag[..end.unwrap_or(tag.len())].trim_end_matches('.');
    number.contains('.').then(|| number.to_string())
}
