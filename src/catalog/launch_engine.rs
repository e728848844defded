//! The serving engines that people launch, by name.

use crate::words::words;

words! {
    /// A serving engine whose launch lines are read.
    pub enum LaunchEngine {
        Vllm = "vllm": "vllm serve …, python -m vllm.entrypoints.openai.api_server …, python -m dynamo.vllm …",
        Sglang = "sglang": "python -m sglang.launch_server …, sglang serve …, python -m dynamo.sglang …",
        Trtllm = "trtllm": "trtllm-serve …, python -m dynamo.trtllm …, and the YAML of its options",
    }
}
