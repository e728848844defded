//! Flags of SGLang (srt/server_args.py, 0.4 to 0.5), and of Dynamo's wrapper around it.

use super::flag_rules::FlagMeaning as M;
use super::flag_rules::Takes::{Many, Nothing, One};
use super::flag_rules::{FlagRule, FlagTable, rule};

/// The flags of SGLang.
pub const SGLANG: FlagTable = FlagTable {
    source: "SGLang's default (srt/server_args.py)",
    rules: RULES,
};

const RULES: &[FlagRule] = &[
    rule("--model-path --model", One, M::Model),
    rule("--tensor-parallel-size --tp-size --tp", One, M::Tensor),
    rule("--pipeline-parallel-size --pp-size --pp", One, M::Pipeline),
    rule("--data-parallel-size --dp-size --dp", One, M::Data),
    rule("--enable-dp-attention", Nothing, M::AttentionData),
    rule("--expert-parallel-size --ep-size --ep", One, M::Experts),
    rule(
        "--enable-ep-moe --enable-deepep-moe",
        Nothing,
        M::SpreadExperts,
    ),
    rule("--ep-num-redundant-experts", One, M::Redundant),
    rule("--chunked-prefill-size", One, M::Chunk),
    rule("--max-prefill-tokens", One, M::BatchTokens),
    rule("--enable-mixed-chunk", Nothing, M::Mixes),
    rule("--max-running-requests", One, M::BatchRequests),
    rule("--max-total-tokens", One, M::KvTokens),
    rule("--context-length", One, M::Context),
    rule("--mem-fraction-static", One, M::MemoryFraction),
    rule("--kv-cache-dtype", One, M::KvNumbers),
    rule("--quantization", One, M::Weights),
    rule("--disable-radix-cache", Nothing, M::NoPrefixes),
    rule("--disable-overlap-schedule", Nothing, M::NoLookAhead),
    rule("--enable-two-batch-overlap", Nothing, M::Overlaps),
    rule(
        "--speculative-algorithm --speculative-algo",
        One,
        M::Drafter,
    ),
    rule("--speculative-num-steps", One, M::Drafts),
    rule("--disaggregation-mode", One, M::Role),
    rule("--config", One, M::OptionsFile),
    rule(
        "--moe-a2a-backend --deepep-mode --moe-runner-backend --attention-backend --prefill-attention-backend \
         --decode-attention-backend --mm-attention-backend --sampling-backend --fp8-gemm-backend --fp4-gemm-backend \
         --linear-attn-backend --nsa-prefill-backend --nsa-decode-backend --nsa-prefill --nsa-decode \
         --grammar-backend --disable-custom-all-reduce --enable-flashinfer-allreduce-fusion --enable-nccl-nvls \
         --enable-symm-mem --enable-mscclpp --enable-torch-symm-mem --enable-aiter-allreduce-fusion \
         --triton-attention-num-kv-splits --kt-method --flashinfer-mla-disable-ragged --disable-flashinfer-cutlass-moe-fp4-allgather",
        Many,
        M::KERNELS,
    ),
    rule(
        "--cuda-graph-max-bs --cuda-graph-bs --disable-cuda-graph --disable-cuda-graph-padding \
         --enable-torch-compile --torch-compile-max-bs --enable-piecewise-cuda-graph --piecewise-cuda-graph-max-tokens \
         --piecewise-cuda-graph-tokens --disable-piecewise-cuda-graph --enable-breakable-cuda-graph",
        Many,
        M::GRAPHS,
    ),
    rule(
        "--schedule-policy --schedule-conservativeness --num-continuous-decode-steps --stream-interval \
         --scheduler-recv-interval --prefill-max-requests --max-queued-requests --load-balance-method \
         --prefill-delayer-max-delay-passes --enable-prefill-delayer --enable-dynamic-chunking --tbo-token-distribution-threshold",
        Many,
        M::STEPS,
    ),
    rule(
        "--enable-single-batch-overlap --enable-sbo --enable-dp-lm-head --moe-dense-tp-size --attn-cp-size --moe-dp-size \
         --enable-dsa-prefill-context-parallel --enable-nsa-prefill-context-parallel --disable-shared-experts-fusion",
        Many,
        M::WORK,
    ),
    rule(
        "--speculative-eagle-topk --speculative-num-draft-tokens --speculative-draft-model-path --speculative-draft-model \
         --speculative-attention-mode --speculative-draft-attention-backend --speculative-moe-runner-backend \
         --speculative-token-map --speculative-accept-threshold-single --speculative-accept-threshold-acc \
         --speculative-draft-model-quantization --speculative-moe-a2a-backend",
        One,
        M::NotModelled("trees of drafts; a chain of `mtp.drafts` is"),
    ),
    rule(
        "--enable-eplb --eplb-algorithm --eplb-rebalance-num-iterations --init-expert-location --ep-dispatch-algorithm \
         --expert-distribution-recorder-mode --expert-distribution-recorder-buffer-size --eplb-rebalance-layers-per-chunk \
         --enable-expert-distribution-metrics",
        Many,
        M::NotModelled("`performance.experts` says how tokens fall on experts"),
    ),
    rule(
        "--enable-hierarchical-cache --hicache-ratio --hicache-size --hicache-write-policy --hicache-io-backend \
         --hicache-mem-layout --hicache-storage-backend --hicache-storage-prefetch-policy --enable-lmcache \
         --cpu-offload-gb --offload-group-size --offload-mode",
        Many,
        M::OFFLOAD,
    ),
    rule(
        "--enable-lora --lora-paths --max-loras-per-batch --max-lora-rank --lora-backend",
        Many,
        M::ADAPTERS,
    ),
    rule("--json-model-override-args", One, M::OTHER_MODEL),
    rule(
        "--host --port --served-model-name --tokenizer-path --tokenizer-mode --load-format --model-loader-extra-config \
         --revision --dtype --api-key --log-level --log-level-http --log-requests-level --random-seed --device \
         --download-dir --base-gpu-id --gpu-id-step --nnodes --node-rank --dist-init-addr --nccl-port --dist-timeout \
         --chat-template --completion-template --tool-call-parser --reasoning-parser --sampling-defaults --page-size \
         --watchdog-timeout --soft-watchdog-timeout --tool-server --tokenizer-worker-num --tokenizer-backend \
         --disaggregation-transfer-backend --disaggregation-bootstrap-port --disaggregation-ib-device \
         --disaggregation-decode-tp --disaggregation-decode-dp --disaggregation-prefill-pp --num-reserved-decode-tokens \
         --disaggregation-decode-polling-interval --decode-log-interval --weight-loader-prefetch-num-threads \
         --mamba-ssm-dtype --max-mamba-cache-size --mamba-full-memory-ratio --mamba-scheduler-strategy \
         --weight-version --file-storage-path --preferred-sampling-params --kv-events-config --endpoint \
         --migration-limit --request-plane --event-plane --model-impl --fp4-gemm-runner-backend --mm-max-concurrent-calls \
         --rl-on-policy-target --swa-full-tokens-ratio",
        One,
        M::Harmless,
    ),
    rule(
        "--trust-remote-code --skip-tokenizer-init --skip-server-warmup --enable-metrics --enable-metrics-for-all-schedulers \
         --enable-cache-report --log-requests --show-time-cost --enable-request-time-stats-logging --enable-multimodal \
         --is-embedding --disable-fast-image-processor --enable-p2p-check --enable-trace --enable-memory-saver \
         --enable-weights-cpu-backup --warmups --allow-auto-truncate --enable-custom-logit-processor --enable-return-hidden-states \
         --disable-outlines-disk-cache --disable-chunked-prefix-cache --enable-nan-detection --enable-deterministic-inference \
         --weight-loader-disable-mmap --weight-loader-prefetch-checkpoints --enable-fused-qk-norm-rope --enable-tokenizer-batch-encode \
         --use-sglang-tokenizer --grpc-mode",
        Nothing,
        M::Harmless,
    ),
];
