//! Names of models as servers are given them, and the catalog's.

use crate::catalog::{self, NumberFormat};

/// The catalog's models with the repositories that publish them, first the one that a launch line of ours names.
const REPOSITORIES: [(&str, &str); 22] = [
    ("deepseek-v3", "deepseek-ai/DeepSeek-V3"),
    ("deepseek-r1", "deepseek-ai/DeepSeek-R1"),
    ("deepseek-v3.2", "deepseek-ai/DeepSeek-V3.2"),
    ("kimi-k2", "moonshotai/Kimi-K2-Instruct"),
    ("kimi-k2.5", "moonshotai/Kimi-K2.5"),
    ("glm-5", "zai-org/GLM-5"),
    ("qwen3-235b-a22b", "Qwen/Qwen3-235B-A22B"),
    ("qwen3-30b-a3b", "Qwen/Qwen3-30B-A3B"),
    ("qwen3.5-397b-a17b", "Qwen/Qwen3.5-397B-A17B"),
    ("qwen3-32b", "Qwen/Qwen3-32B"),
    ("minimax-m2.5", "MiniMaxAI/MiniMax-M2.5"),
    ("gpt-oss-120b", "openai/gpt-oss-120b"),
    ("gpt-oss-20b", "openai/gpt-oss-20b"),
    ("llama-3.3-70b", "meta-llama/Llama-3.3-70B-Instruct"),
    ("llama-3.1-70b", "meta-llama/Llama-3.1-70B-Instruct"),
    ("llama-3.1-405b", "meta-llama/Llama-3.1-405B-Instruct"),
    ("llama-3.1-8b", "meta-llama/Llama-3.1-8B-Instruct"),
    ("llama-2-70b", "meta-llama/Llama-2-70b-chat-hf"),
    ("llama-4-scout", "meta-llama/Llama-4-Scout-17B-16E-Instruct"),
    ("gemma-3-27b", "google/gemma-3-27b-it"),
    ("mixtral-8x7b", "mistralai/Mixtral-8x7B-Instruct-v0.1"),
    ("mixtral-8x22b", "mistralai/Mixtral-8x22B-Instruct-v0.1"),
];

/// Models whose shape is that of one in the catalog.
const SAME_SHAPE: [(&str, &str); 11] = [
    ("deepseek-v3.1", "deepseek-v3"),
    ("deepseek-r1-distill-llama-70b", "llama-3.3-70b"),
    ("deepseek-r1-distill-llama-8b", "llama-3.1-8b"),
    ("kimi-k2-thinking", "kimi-k2.5"),
    ("kimi-k2.6", "kimi-k2.5"),
    ("glm-5.1", "glm-5"),
    ("minimax-m2", "minimax-m2.5"),
    ("minimax-m2.1", "minimax-m2.5"),
    ("minimax-m2.7", "minimax-m2.5"),
    ("llama-3-70b", "llama-3.1-70b"),
    ("llama-3-8b", "llama-3.1-8b"),
];

/// What the name of a model says.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelName {
    /// The catalog's name; `None`: it has no such model.
    pub catalog: Option<&'static str>,
    /// Numbers that the name says weights are in; `None`: it says nothing of them.
    pub numbers: Option<NumberFormat>,
    /// Whether experts alone are in them.
    pub experts_only: bool,
}

/// Reads the name or path of a model: its last part, whatever follows a known name.
pub fn model_name(name: &str) -> ModelName {
    let last = name
        .trim_end_matches('/')
        .rsplit('/')
        .next()
        .unwrap_or(name);
    // the hub's cache writes models--owner--name
    let last = last.rsplit("--").next().unwrap_or(last);
    let plain = last.to_ascii_lowercase().replace(['_', ' '], "-");
    let known = REPOSITORIES.iter().map(|(catalog, _)| (*catalog, *catalog));
    let all = known.chain(SAME_SHAPE);
    let found = all.filter(|(written, _)| holds(&plain, written));
    let catalog = found
        .max_by_key(|(written, _)| written.len())
        .map(|(_, c)| c);
    let (numbers, experts_only) = numbers(&plain, name, catalog);
    ModelName {
        catalog,
        numbers,
        experts_only,
    }
}

/// The repository that publishes a catalog's model; `None`: it is not the catalog's.
pub fn repository(catalog: &str) -> Option<&'static str> {
    let found = REPOSITORIES.iter().find(|(name, _)| *name == catalog);
    found.map(|(_, repository)| *repository)
}

/// Whether a name holds another one, up to a dash or its end.
fn holds(name: &str, wanted: &str) -> bool {
    name.match_indices(wanted).any(|(at, _)| {
        let before = name[..at].chars().next_back();
        let after = name[at + wanted.len()..].chars().next();
        before.is_none_or(|c| c == '-') && after.is_none_or(|c| matches!(c, '-' | ':' | '@'))
    })
}

/// Numbers that a name says: those of families whose publishers say the same of all of theirs.
fn numbers(plain: &str, name: &str, catalog: Option<&str>) -> (Option<NumberFormat>, bool) {
    let says = |word: &str| plain.split(['-', '.']).any(|part| part == word);
    let model = catalog
        .and_then(catalog::model)
        .and_then(|m| m.architecture);
    let has_experts = model.is_some_and(|a| a.experts.is_some());
    if says("nvfp4") || says("fp4") {
        // the quantised checkpoints of models with experts leave attention as it was
        return (Some(NumberFormat::Nvfp4), has_experts);
    }
    if says("mxfp4") {
        return (Some(NumberFormat::Fp4), has_experts);
    }
    if says("awq") || says("gptq") || says("int4") || says("w4a16") {
        // groups of 128 unless somebody chose otherwise when the checkpoint was made
        return (Some(NumberFormat::Int4Group128), false);
    }
    if says("fp8") {
        let owner = name
            .trim_start_matches('/')
            .split('/')
            .next()
            .unwrap_or_default();
        let in_blocks = ["qwen", "zai-org", "minimaxai", "deepseek-ai", "moonshotai"];
        let in_blocks = in_blocks.contains(&owner.to_ascii_lowercase().as_str());
        let number = if in_blocks {
            NumberFormat::Fp8Block
        } else {
            NumberFormat::Fp8
        };
        return (Some(number), false);
    }
    (None, false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_model_of_the_catalog_is_published_and_found_again() {
        for entry in catalog::models() {
            let name = entry.item.name.as_str();
            let found = repository(name).map(model_name);
            assert_eq!(found.and_then(|f| f.catalog), Some(name));
        }
    }

    #[test]
    fn names_say_models_and_numbers() {
        for (name, catalog, numbers) in [
            (
                "meta-llama/Meta-Llama-3.1-8B-Instruct",
                Some("llama-3.1-8b"),
                None,
            ),
            (
                "Qwen/Qwen3-32B-FP8",
                Some("qwen3-32b"),
                Some(NumberFormat::Fp8Block),
            ),
            (
                "nvidia/Llama-3.1-8B-Instruct-FP8",
                Some("llama-3.1-8b"),
                Some(NumberFormat::Fp8),
            ),
            (
                "nvidia/DeepSeek-R1-0528-NVFP4-v2",
                Some("deepseek-r1"),
                Some(NumberFormat::Nvfp4),
            ),
            (
                "deepseek-ai/DeepSeek-R1-Distill-Llama-70B",
                Some("llama-3.3-70b"),
                None,
            ),
            ("deepseek-ai/DeepSeek-V3.2-Exp", Some("deepseek-v3.2"), None),
            ("zai-org/GLM-5.2", None, None),
            (
                "/models/Qwen3-30B-A3B-Instruct-2507/",
                Some("qwen3-30b-a3b"),
                None,
            ),
            ("Qwen/Qwen3-Next-80B-A3B", None, None),
            (
                "TheBloke/Mixtral-8x7B-Instruct-v0.1-AWQ",
                Some("mixtral-8x7b"),
                Some(NumberFormat::Int4Group128),
            ),
        ] {
            let found = model_name(name);
            assert_eq!((found.catalog, found.numbers), (catalog, numbers), "{name}");
        }
    }
}
