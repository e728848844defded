//! Flags of TensorRT-LLM (commands/serve.py) and keys of its options (llmapi/llm_args.py, 0.20 to 1.3), and of
//! Dynamo's wrapper around it. A key inside a table is named with a dot.

use super::flag_rules::FlagMeaning as M;
use super::flag_rules::Takes::{Many, Nothing, One};
use super::flag_rules::{FlagRule, FlagTable, rule};

/// The flags and keys of TensorRT-LLM.
pub const TRTLLM: FlagTable = FlagTable {
    source: "TensorRT-LLM's default (commands/serve.py, llmapi/llm_args.py)",
    rules: RULES,
};

const RULES: &[FlagRule] = &[
    rule("--model --model-path model", One, M::Model),
    rule(
        "--tp_size --tensor_parallel_size tensor_parallel_size",
        One,
        M::Tensor,
    ),
    rule(
        "--pp_size --pipeline_parallel_size pipeline_parallel_size",
        One,
        M::Pipeline,
    ),
    rule(
        "--ep_size --moe_expert_parallel_size --expert_parallel_size moe_expert_parallel_size",
        One,
        M::Experts,
    ),
    rule(
        "--enable_attention_dp enable_attention_dp",
        Nothing,
        M::AttentionData,
    ),
    rule("--max_num_tokens max_num_tokens", One, M::BatchTokens),
    rule("--max_batch_size max_batch_size", One, M::BatchRequests),
    rule("--max_seq_len max_seq_len", One, M::Context),
    rule(
        "--enable_chunked_prefill enable_chunked_prefill",
        Nothing,
        M::Chunked,
    ),
    rule(
        "--disable_overlap_scheduler disable_overlap_scheduler",
        Nothing,
        M::NoLookAhead,
    ),
    rule(
        "--kv_cache_free_gpu_memory_fraction --free_gpu_memory_fraction --free-gpu-memory-fraction \
         kv_cache_config.free_gpu_memory_fraction kv_cache_free_gpu_memory_fraction",
        One,
        M::MemoryFraction,
    ),
    rule("kv_cache_config.max_tokens", One, M::KvTokens),
    rule("--kv_cache_dtype kv_cache_config.dtype", One, M::KvNumbers),
    rule("kv_cache_config.enable_block_reuse", Nothing, M::Prefixes),
    rule("--disable_kv_cache_reuse", Nothing, M::NoPrefixes),
    rule(
        "scheduler_config.capacity_scheduler_policy capacity_scheduler_policy",
        One,
        M::Evicts,
    ),
    rule(
        "--server_role --disaggregation-mode --disaggregation-strategy",
        One,
        M::Role,
    ),
    rule("speculative_config.decoding_type", One, M::Drafter),
    rule(
        "speculative_config.num_nextn_predict_layers speculative_config.max_draft_len",
        One,
        M::Drafts,
    ),
    rule("quant_config.quant_algo", One, M::Weights),
    rule(
        "--extra_llm_api_options --config --extra-engine-args",
        One,
        M::OptionsFile,
    ),
    rule(
        "moe_tensor_parallel_size --moe_tensor_parallel_size moe_cluster_parallel_size --cluster_size context_parallel_size \
         --cp_size moe_config.load_balancer moe_config.max_num_tokens enable_lm_head_tp_in_adp",
        One,
        M::WORK,
    ),
    rule(
        "moe_config.backend attn_backend allreduce_strategy moe_config.use_low_precision_moe_combine nvfp4_gemm_config \
         sparse_attention_config torch_compile_config enable_autotuner use_low_precision_moe_combine",
        One,
        M::KERNELS,
    ),
    rule(
        "cuda_graph_config cuda_graph_config.enable_padding cuda_graph_config.max_batch_size cuda_graph_config.batch_sizes \
         use_cuda_graph cuda_graph_max_batch_size",
        Many,
        M::GRAPHS,
    ),
    rule(
        "attention_dp_config attention_dp_config.enable_balance attention_dp_config.timeout_iters \
         attention_dp_config.batching_wait_iters batch_wait_timeout_ms batch_wait_timeout_iters batch_wait_max_tokens_ratio \
         scheduler_config.context_chunking_policy scheduler_config.waiting_queue_policy stream_interval num_postprocess_workers \
         --num_postprocess_workers --max_beam_width max_beam_width",
        One,
        M::STEPS,
    ),
    rule(
        "kv_cache_config.host_cache_size kv_cache_config.secondary_offload_min_priority",
        One,
        M::NotModelled("KV in the host's memory"),
    ),
    rule(
        "speculative_config.speculative_model_dir speculative_config.speculative_model speculative_config.use_relaxed_acceptance_for_thinking \
         speculative_config.eagle3_one_model speculative_config.relaxed_topk speculative_config.relaxed_delta \
         speculative_config.allow_advanced_sampling",
        One,
        M::NotModelled("`mtp.acceptance` says how many drafts are accepted"),
    ),
    rule(
        "--host --port --backend backend --tokenizer --log_level --gpus_per_node gpus_per_node --metadata_server_config_file \
         --reasoning_parser --tool_parser --revision --custom_tokenizer --chat_template --served-model-name --served_model_name \
         --fail_fast_on_attention_window_too_large --otlp_traces_endpoint --disagg_cluster_uri --media_io_kwargs \
         kv_cache_config.tokens_per_block kv_cache_config.event_buffer_max_size kv_cache_config.copy_on_partial_reuse \
         kv_cache_config.enable_partial_reuse kv_cache_config.mamba_ssm_cache_dtype kv_cache_config.use_uvm \
         cache_transceiver_config cache_transceiver_config.backend cache_transceiver_config.max_tokens_in_buffer \
         cache_transceiver_config.kv_transfer_timeout_ms dtype load_format tokenizer return_perf_metrics perf_metrics_max_requests \
         batch_type build_config max_input_len --max_input_len env_overrides --endpoint --request-plane --event-plane \
         --modality --publish-events-and-metrics --migration-limit moe_config.disable_finalize_fusion",
        One,
        M::Harmless,
    ),
    rule(
        "--trust_remote_code trust_remote_code print_iter_log enable_iter_perf_stats enable_iter_req_stats skip_tokenizer_init \
         enable_trtllm_sampler --telemetry --grpc enable_layerwise_nvtx_marker kv_cache_config.use_kv_cache_manager_v2",
        Nothing,
        M::Harmless,
    ),
];
