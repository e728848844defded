//! Which accelerators an engine's constants were found on, and which borrow from whom.

use super::constants::Constant;
use super::engine::engine;

/// Where an engine's constants for an accelerator come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConstantsCover {
    /// Catalog name of the engine.
    pub engine: &'static str,
    /// Accelerator on which the kernels of dense products were measured.
    pub kernels: String,
    /// Accelerator on which running servers were measured.
    pub servers: String,
}

/// The engines that serve on any accelerator; others were held against published steps of one kind of cluster.
const ENGINES: [&str; 3] = ["vllm", "sglang", "trtllm"];

/// Where the constants of the engines' newest releases come from on an accelerator.
pub fn coverage(gpu: &str) -> Vec<ConstantsCover> {
    let of_engine = |name: &'static str| {
        let found = engine(name, gpu)?;
        Some(ConstantsCover {
            engine: name,
            kernels: found.figure(Constant::GemmBf16Compute).of.gpu.clone(),
            servers: found.figure(Constant::ComputeFactor).of.gpu.clone(),
        })
    };
    ENGINES.into_iter().filter_map(of_engine).collect()
}

impl ConstantsCover {
    /// The cover in words, for this accelerator: what is its own, and what others lend.
    pub fn words(&self, gpu: &str) -> String {
        match (self.kernels == gpu, self.servers == gpu) {
            (true, true) => "own".to_string(),
            (true, false) => format!("kernels own, servers {}", self.servers),
            (false, _) => self.kernels.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::engine::newest_engines;
    use super::*;

    #[test]
    fn what_is_own_and_what_is_borrowed_is_said() {
        let words = |gpu: &str| -> Vec<String> {
            let all = coverage(gpu);
            assert_eq!(all.len(), ENGINES.len());
            all.iter().map(|cover| cover.words(gpu)).collect()
        };
        assert_eq!(words("h100"), ["own"; 3]);
        assert_eq!(words("h800"), ["h100"; 3]);
        assert_eq!(words("rtx-4090"), ["l40s"; 3]);
        assert!(
            words("a100")
                .iter()
                .all(|w| w == "kernels own, servers h100")
        );
        for entry in newest_engines().filter(|e| ENGINES.contains(&e.name.as_str())) {
            let words = words(&entry.gpu);
            assert!(
                words.iter().any(|w| w.contains("own")),
                "{} {words:?}",
                entry.gpu
            );
        }
    }
}
