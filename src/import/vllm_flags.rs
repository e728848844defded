//! Flags of vLLM (engine/arg_utils.py, entrypoints/openai/cli_args.py and config/*.py, 0.8 to 0.20), and of Dynamo's
//! wrapper around it.

use super::flag_rules::FlagMeaning as M;
use super::flag_rules::Takes::{Many, Nothing, One};
use super::flag_rules::{FlagRule, FlagTable, rule};

/// The flags of vLLM.
pub const VLLM: FlagTable = FlagTable {
    source: "vLLM's default (engine/arg_utils.py)",
    rules: RULES,
};

const RULES: &[FlagRule] = &[
    rule("--model", One, M::Model),
    rule("--tensor-parallel-size -tp", One, M::Tensor),
    rule("--pipeline-parallel-size -pp", One, M::Pipeline),
    rule("--data-parallel-size -dp", One, M::Data),
    rule("--enable-expert-parallel -ep", Nothing, M::SpreadExperts),
    rule("--num-redundant-experts", One, M::Redundant),
    rule("--max-num-batched-tokens", One, M::BatchTokens),
    rule("--max-num-seqs", One, M::BatchRequests),
    rule("--max-model-len", One, M::Context),
    rule("--gpu-memory-utilization", One, M::MemoryFraction),
    rule("--kv-cache-dtype", One, M::KvNumbers),
    rule("--quantization -q", One, M::Weights),
    rule("--enable-chunked-prefill", Nothing, M::Chunked),
    rule("--enable-prefix-caching", Nothing, M::Prefixes),
    rule("--async-scheduling", Nothing, M::LookAhead),
    rule("--enable-dbo", Nothing, M::Overlaps),
    rule("--speculative-config -sc", One, M::Speculative),
    rule("--kv-transfer-config", One, M::KvTransfer),
    rule("--is-prefill-worker", Nothing, M::PrefillWorker),
    rule("--is-decode-worker", Nothing, M::DecodeWorker),
    rule("--disaggregation-mode", One, M::Role),
    rule("--config", One, M::OptionsFile),
    rule(
        "--enforce-eager --cuda-graph-sizes --cudagraph-capture-sizes --max-cudagraph-capture-size \
         --max-seq-len-to-capture --compilation-config -cc -O -O0 -O1 -O2 -O3 --optimization-level",
        Many,
        M::GRAPHS,
    ),
    rule(
        "--attention-backend --attention-config --moe-backend --mla-backend --all2all-backend --kernel-config \
         --disable-custom-all-reduce --disable-cascade-attn --use-trtllm-attention --enable-flashinfer-autotune --expert-placement-strategy \
         --linear-backend",
        Many,
        M::KERNELS,
    ),
    rule(
        "--cpu-offload-gb --kv-offloading-size --kv-offloading-backend --swap-space",
        One,
        M::OFFLOAD,
    ),
    rule(
        "--kv-cache-memory-bytes --num-gpu-blocks-override",
        One,
        M::NotModelled("say it in tokens: `kv_capacity_tokens` of the pool"),
    ),
    rule(
        "--enable-lora --lora-modules --max-loras --max-lora-rank --fully-sharded-loras",
        Many,
        M::ADAPTERS,
    ),
    rule(
        "--scheduling-policy --max-num-partial-prefills --max-long-partial-prefills --long-prefill-token-threshold \
         --scheduler-cls --stream-interval --disable-hybrid-kv-cache-manager --max-concurrent-batches \
         --decode-context-parallel-size -dcp --prefill-context-parallel-size -pcp --dcp-kv-cache-interleave-size",
        One,
        M::STEPS,
    ),
    rule(
        "--hf-overrides --rope-scaling --rope-theta --override-neuron-config",
        One,
        M::OTHER_MODEL,
    ),
    rule(
        "--enable-eplb",
        Nothing,
        M::NotModelled("`performance.experts.balanced` says whether copies are placed by load"),
    ),
    rule(
        "--eplb-config",
        One,
        M::NotModelled("`parallelism.redundant_experts` and `performance.experts` say it"),
    ),
    rule(
        "--served-model-name --limit-mm-per-prompt --allowed-local-media-path --chat-template-kwargs \
         --default-chat-template-kwargs --allowed-origins --allowed-methods --allowed-headers --middleware \
         --mm-processor-kwargs --media-io-kwargs --profiler-config --api-key",
        Many,
        M::Harmless,
    ),
    rule(
        "--host --port --uvicorn-log-level --chat-template --chat-template-content-format --tool-call-parser \
         --tool-parser-plugin --reasoning-parser --reasoning-parser-plugin --seed --tokenizer --tokenizer-mode \
         --tokenizer-revision --revision --code-revision --load-format --download-dir --dtype --root-path \
         --ssl-keyfile --ssl-certfile --ssl-ca-certs --generation-config --override-generation-config \
         --hf-config-path --hf-token --config-format --model-impl --runner --convert --task --block-size \
         --distributed-executor-backend --data-parallel-size-local -dpl --data-parallel-address -dpa \
         --data-parallel-rpc-port -dpp --data-parallel-rank -dpn --data-parallel-start-rank -dpr \
         --data-parallel-backend -dpb --nnodes -n --node-rank -r --master-addr --master-port \
         --api-server-count -asc --max-log-len --otlp-traces-endpoint --collect-detailed-traces \
         --show-hidden-metrics-for-version --kv-events-config --ec-transfer-config --prefix-caching-hash-algo \
         --guided-decoding-backend --structured-outputs-config --response-role --logits-processors \
         --max-logprobs --logprobs-mode --io-processor-plugin --safetensors-load-strategy --model-loader-extra-config \
         --worker-cls --worker-extension-cls --mm-encoder-tp-mode --mm-processor-cache-gb --mm-processor-cache-type \
         --mm-encoder-attn-backend --mamba-cache-dtype --mamba-ssm-cache-dtype --mamba-block-size \
         --mamba-cache-mode --max-parallel-loading-workers --ray-workers-use-nsight --additional-config \
         --connector --store-kv --request-plane --event-plane --endpoint --migration-limit --pooler-config \
         --additional-env --kv-sharing-fast-prefill --video-pruning-rate",
        One,
        M::Harmless,
    ),
    rule(
        "--trust-remote-code --disable-log-requests --enable-log-requests --disable-log-stats --enable-auto-tool-choice \
         --disable-uvicorn-access-log --disable-access-log --disable-fastapi-docs --enable-request-id-headers \
         --enable-prompt-tokens-details --enable-server-load-tracking --enable-force-include-usage \
         --enable-tokenizer-info-endpoint --enable-log-outputs --enable-log-deltas --log-error-stack \
         --return-tokens-as-token-ids --disable-frontend-multiprocessing --enable-ssl-refresh --headless \
         --data-parallel-hybrid-lb -dph --data-parallel-external-lb -dpe --language-model-only \
         --enable-sleep-mode --enable-prompt-embeds --skip-tokenizer-init --allow-credentials --interleave-mm-strings \
         --skip-mm-profiling --disable-mm-preprocessor-cache --enable-multimodal --enable-layerwise-nvtx-tracing \
         --kv-cache-metrics --cudagraph-metrics --enable-mfu-metrics --calculate-kv-scales --use-tqdm-on-load \
         --enable-return-routed-experts --disable-nccl-for-dp-synchronization --trust-request-chat-template \
         --exclude-tools-when-tool-choice-none --enable-reasoning --use-v2-block-manager --disable-cuda-graph-padding",
        Nothing,
        M::Harmless,
    ),
];
