//! The constants of an engine on an accelerator: what its kernels, networks and host make of the data
//! sheet. One list says their names, bounds and meanings; the catalog's file, the scenario's overrides,
//! the reports and `calibrate` all read it.
//!
//! Efficiencies are fractions of the data sheet's figure. Times are in microseconds. A kernel takes
//! `max(F/C, B/W) + loss x min(F/C, B/W) + launch`, where F are its operations, B its bytes, C and W the
//! data sheet's figures times `compute` and `bandwidth`.

/// What is known of a constant: its name, its bounds, its meaning.
#[derive(Clone, Copy, Debug)]
pub struct ConstantInfo {
    /// Name of the constant in files and reports.
    pub key: &'static str,
    /// Least value that the constant may have, in its unit.
    pub low: f64,
    /// Greatest value that the constant may have, in its unit.
    pub high: f64,
    /// Meaning of the constant, with its unit.
    pub doc: &'static str,
}

macro_rules! constants {
    ($($name:ident $key:literal $low:literal $high:literal $doc:literal)*) => {
        /// A constant of an engine.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Constant {
            $(#[doc = $doc] $name,)*
        }

        /// All constants of an engine, in the order of files and reports.
        pub const CONSTANTS: &[(Constant, ConstantInfo)] = &[
            $((Constant::$name, ConstantInfo { key: $key, low: $low, high: $high, doc: $doc }),)*
        ];
    };
}

constants! {
    GemmBf16Compute "gemm_bf16_compute" 0.01 2.0 "Dense GEMM in BF16: part of the peak"
    GemmBf16Bandwidth "gemm_bf16_bandwidth" 0.01 2.0 "Dense GEMM in BF16: part of the memory's bandwidth"
    GemmBf16Loss "gemm_bf16_loss" 0.0 2.0 "Dense GEMM in BF16: part of the shorter of compute and memory that does not hide"
    GemmBf16Launch "gemm_bf16_launch_us" 0.0 1000.0 "Dense GEMM in BF16: start, in us"
    GemmFp8Compute "gemm_fp8_compute" 0.01 2.0 "Dense GEMM in FP8: part of the peak"
    GemmFp8Bandwidth "gemm_fp8_bandwidth" 0.01 2.0 "Dense GEMM in FP8: part of the memory's bandwidth"
    GemmFp8Loss "gemm_fp8_loss" 0.0 2.0 "Dense GEMM in FP8: part of the shorter of compute and memory that does not hide"
    GemmFp8Launch "gemm_fp8_launch_us" 0.0 1000.0 "Dense GEMM in FP8: start, in us"
    GemmFp8BlockCompute "gemm_fp8_block_compute" 0.01 2.0 "Dense GEMM in FP8 with a scale for each block: part of the peak"
    GemmFp8BlockBandwidth "gemm_fp8_block_bandwidth" 0.01 2.0 "Dense GEMM in FP8 with a scale for each block: part of the memory's bandwidth"
    GemmFp8BlockLoss "gemm_fp8_block_loss" 0.0 2.0 "Dense GEMM in FP8 with a scale for each block: what does not hide"
    GemmFp8BlockLaunch "gemm_fp8_block_launch_us" 0.0 1000.0 "Dense GEMM in FP8 with a scale for each block: start, in us"
    GemmNvfp4Compute "gemm_nvfp4_compute" 0.01 2.0 "Dense GEMM in NVFP4: part of the peak"
    GemmNvfp4Bandwidth "gemm_nvfp4_bandwidth" 0.01 2.0 "Dense GEMM in NVFP4: part of the memory's bandwidth"
    GemmNvfp4Loss "gemm_nvfp4_loss" 0.0 2.0 "Dense GEMM in NVFP4: part of the shorter of compute and memory that does not hide"
    GemmNvfp4Launch "gemm_nvfp4_launch_us" 0.0 1000.0 "Dense GEMM in NVFP4: start, in us"
    GemmFactor "gemm_factor" 0.1 10.0 "Dense GEMM: time in a running server over time alone"
    ExpertsBf16Compute "experts_bf16_compute" 0.01 2.0 "Grouped GEMM of experts in BF16: part of the peak"
    ExpertsBf16Bandwidth "experts_bf16_bandwidth" 0.01 2.0 "Grouped GEMM of experts in BF16: part of the memory's bandwidth"
    ExpertsBf16Loss "experts_bf16_loss" 0.0 2.0 "Grouped GEMM of experts in BF16: what does not hide"
    ExpertsBf16Launch "experts_bf16_launch_us" 0.0 1000.0 "All grouped GEMMs of a layer in BF16: start, in us"
    ExpertsBf16Slot "experts_bf16_slot_us" 0.0 10.0 "All grouped GEMMs of a layer in BF16: for each expert that the accelerator holds, in us"
    ExpertsBf16Tile "experts_bf16_tile_rows" 0.0 256.0 "Grouped GEMM of experts in BF16: rows of zeros for each expert that has any"
    ExpertsBf16Passes "experts_bf16_row_passes" 0.0 100.0 "Experts in BF16: times that all (token, expert) rows pass through memory to be sorted and summed"
    ExpertsFp8Compute "experts_fp8_compute" 0.01 2.0 "Grouped GEMM of experts in FP8: part of the peak"
    ExpertsFp8Bandwidth "experts_fp8_bandwidth" 0.01 2.0 "Grouped GEMM of experts in FP8: part of the memory's bandwidth"
    ExpertsFp8Loss "experts_fp8_loss" 0.0 2.0 "Grouped GEMM of experts in FP8: what does not hide"
    ExpertsFp8Launch "experts_fp8_launch_us" 0.0 1000.0 "All grouped GEMMs of a layer in FP8: start, in us"
    ExpertsFp8Slot "experts_fp8_slot_us" 0.0 10.0 "All grouped GEMMs of a layer in FP8: for each expert that the accelerator holds, in us"
    ExpertsFp8Tile "experts_fp8_tile_rows" 0.0 256.0 "Grouped GEMM of experts in FP8: rows of zeros for each expert that has any"
    ExpertsFp8Passes "experts_fp8_row_passes" 0.0 100.0 "Experts in FP8: times that all (token, expert) rows pass through memory to be sorted and summed"
    ExpertsFp8BlockCompute "experts_fp8_block_compute" 0.01 2.0 "Grouped GEMM of experts in FP8 with block scales: part of the peak"
    ExpertsFp8BlockBandwidth "experts_fp8_block_bandwidth" 0.01 2.0 "Grouped GEMM of experts in FP8 with block scales: part of the memory's bandwidth"
    ExpertsFp8BlockLoss "experts_fp8_block_loss" 0.0 2.0 "Grouped GEMM of experts in FP8 with block scales: what does not hide"
    ExpertsFp8BlockLaunch "experts_fp8_block_launch_us" 0.0 1000.0 "All grouped GEMMs of a layer in FP8 with block scales: start, in us"
    ExpertsFp8BlockSlot "experts_fp8_block_slot_us" 0.0 10.0 "All grouped GEMMs of a layer in FP8 with block scales: for each expert that the accelerator holds, in us"
    ExpertsFp8BlockTile "experts_fp8_block_tile_rows" 0.0 256.0 "Grouped GEMM of experts in FP8 with block scales: rows of zeros for each expert that has any"
    ExpertsFp8BlockPasses "experts_fp8_block_row_passes" 0.0 100.0 "Experts in FP8 with block scales: times that all (token, expert) rows pass through memory to be sorted and summed"
    ExpertsFp4Compute "experts_fp4_compute" 0.01 2.0 "Grouped GEMM of experts with 4-bit weights: part of the peak of what it multiplies in"
    ExpertsFp4Bandwidth "experts_fp4_bandwidth" 0.01 2.0 "Grouped GEMM of experts with 4-bit weights: part of the memory's bandwidth"
    ExpertsFp4Loss "experts_fp4_loss" 0.0 2.0 "Grouped GEMM of experts with 4-bit weights: what does not hide"
    ExpertsFp4Launch "experts_fp4_launch_us" 0.0 1000.0 "All grouped GEMMs of a layer with 4-bit weights: start, in us"
    ExpertsFp4Slot "experts_fp4_slot_us" 0.0 10.0 "All grouped GEMMs of a layer with 4-bit weights: for each expert that the accelerator holds, in us"
    ExpertsFp4Tile "experts_fp4_tile_rows" 0.0 256.0 "Grouped GEMM of experts with 4-bit weights: rows of zeros for each expert that has any"
    ExpertsFp4Passes "experts_fp4_row_passes" 0.0 100.0 "Experts with 4-bit weights: times that all (token, expert) rows pass through memory to be sorted and summed"
    ExpertsNvfp4Compute "experts_nvfp4_compute" 0.01 2.0 "Grouped GEMM of experts in NVFP4: part of the peak of what it multiplies in"
    ExpertsNvfp4Bandwidth "experts_nvfp4_bandwidth" 0.01 2.0 "Grouped GEMM of experts in NVFP4: part of the memory's bandwidth"
    ExpertsNvfp4Loss "experts_nvfp4_loss" 0.0 2.0 "Grouped GEMM of experts in NVFP4: what does not hide"
    ExpertsNvfp4Launch "experts_nvfp4_launch_us" 0.0 1000.0 "All grouped GEMMs of a layer in NVFP4: start, in us"
    ExpertsNvfp4Slot "experts_nvfp4_slot_us" 0.0 10.0 "All grouped GEMMs of a layer in NVFP4: for each expert that the accelerator holds, in us"
    ExpertsNvfp4Tile "experts_nvfp4_tile_rows" 0.0 256.0 "Grouped GEMM of experts in NVFP4: rows of zeros for each expert that has any"
    ExpertsNvfp4Passes "experts_nvfp4_row_passes" 0.0 100.0 "Experts in NVFP4: times that all (token, expert) rows pass through memory to be sorted and summed"
    ExpertsInt4Compute "experts_int4_compute" 0.01 2.0 "Grouped GEMM of experts with INT4 weights: part of the peak of what it multiplies in"
    ExpertsInt4Bandwidth "experts_int4_bandwidth" 0.01 2.0 "Grouped GEMM of experts with INT4 weights: part of the memory's bandwidth"
    ExpertsInt4Loss "experts_int4_loss" 0.0 2.0 "Grouped GEMM of experts with INT4 weights: what does not hide"
    ExpertsInt4Launch "experts_int4_launch_us" 0.0 1000.0 "All grouped GEMMs of a layer with INT4 weights: start, in us"
    ExpertsInt4Slot "experts_int4_slot_us" 0.0 10.0 "All grouped GEMMs of a layer with INT4 weights: for each expert that the accelerator holds, in us"
    ExpertsInt4Tile "experts_int4_tile_rows" 0.0 256.0 "Grouped GEMM of experts with INT4 weights: rows of zeros for each expert that has any"
    ExpertsInt4Passes "experts_int4_row_passes" 0.0 100.0 "Experts with INT4 weights: times that all (token, expert) rows pass through memory to be sorted and summed"
    ExpertsTouched "experts_touched" 0.1 2.0 "Tokens that choose independently, as a part of all: fewer touch fewer experts"
    ExpertsFactor "experts_factor" 0.1 10.0 "Grouped GEMM: time in a running server over time alone"
    ExpertsPrefillLaunch "experts_prefill_launch_us" 0.0 5000.0 "Added to a layer's experts in a step with prompts, in us: kernels started one by one"
    PrefillAttentionCompute "prefill_attention_compute" 0.01 2.0 "Attention over prompts, heads of 128 or more: part of the BF16 peak"
    PrefillAttentionCompute64 "prefill_attention_compute_64" 0.01 2.0 "Attention over prompts, heads of 64: part of the BF16 peak"
    PrefillAttentionTile "prefill_attention_tile_tokens" 0.0 4096.0 "Attention over prompts: (query, key) pairs wasted for each query, by tiles on the diagonal"
    PrefillAttentionLaunch "prefill_attention_launch_us" 0.0 1000.0 "Attention over prompts: start, in us a layer"
    DecodeAttentionBandwidth "decode_attention_bandwidth" 0.01 2.0 "Attention of decode over KV in BF16: part of the memory's bandwidth"
    DecodeAttentionBandwidthFp8 "decode_attention_bandwidth_fp8" 0.01 2.0 "Attention of decode over KV in FP8: part of the memory's bandwidth"
    DecodeAttentionLaunch "decode_attention_launch_us" 0.0 1000.0 "Attention of decode: start, in us a layer"
    DecodeAttentionRequest "decode_attention_request_us" 0.0 100.0 "Attention of decode: for each request, in us a layer"
    DecodeAttentionHead "decode_attention_head_us" 0.0 10.0 "Attention of decode: for each request and KV head, in us a layer"
    PrefillLatentCompute "prefill_latent_compute" 0.01 2.0 "Latent attention over prompts, unfolded: part of the BF16 peak"
    PrefillLatentTile "prefill_latent_tile_tokens" 0.0 4096.0 "Latent attention over prompts: (query, key) pairs wasted for each query"
    PrefillLatentLaunch "prefill_latent_launch_us" 0.0 1000.0 "Latent attention over prompts: start, in us a layer"
    DecodeLatentCompute "decode_latent_compute" 0.01 2.0 "Latent attention of decode: part of the BF16 peak"
    DecodeLatentBandwidth "decode_latent_bandwidth" 0.01 2.0 "Latent attention of decode over KV in BF16: part of the memory's bandwidth"
    DecodeLatentBandwidthFp8 "decode_latent_bandwidth_fp8" 0.01 2.0 "Latent attention of decode over KV in FP8: part of the memory's bandwidth"
    DecodeLatentLaunch "decode_latent_launch_us" 0.0 1000.0 "Latent attention of decode: start, in us a layer"
    DecodeLatentRequest "decode_latent_request_us" 0.0 100.0 "Latent attention of decode: for each request, in us a layer"
    ElementwiseBandwidth "elementwise_bandwidth" 0.01 2.0 "Norms, activations, quantisation: part of the memory's bandwidth"
    ElementwiseLaunch "elementwise_launch_us" 0.0 1000.0 "Norms, activations, quantisation: start, in us a kernel"
    AllReduceLatency "all_reduce_latency_us" 0.0 1000.0 "All-reduce by the engine's own kernels: start, in us"
    AllReduceLatencyGpu "all_reduce_latency_per_gpu_us" 0.0 1000.0 "All-reduce by the engine's own kernels: for each accelerator, in us"
    AllReduceEfficiency "all_reduce_efficiency" 0.001 2.0 "All-reduce by the engine's own kernels: part of the scale-up bandwidth"
    RingLatencyGpu "ring_latency_per_gpu_us" 0.0 1000.0 "All-reduce by rings, for large messages: for each accelerator, in us"
    RingEfficiency "ring_efficiency" 0.001 2.0 "All-reduce by rings: part of the scale-up bandwidth"
    HostRingLatencyGpu "host_ring_latency_per_gpu_us" 0.0 1000.0 "All-reduce over the hosts' links: for each accelerator, in us"
    HostRingEfficiency "host_ring_efficiency" 0.001 2.0 "All-reduce over the hosts' links of two accelerators: part of the link's bandwidth"
    HostBridgeEfficiency "host_bridge_efficiency" 0.001 2.0 "All-reduce over the hosts' links of four accelerators, whose ring passes the host's bridge: part of the link's bandwidth"
    HostBridgeSharing "host_bridge_sharing" 0.0 3.0 "The same of n accelerators: part of the link's bandwidth over (n / 4) to this power; 0: each has a way of its own, 1: all share one"
    DispatchScaleUp "dispatch_scale_up" 0.001 2.0 "Expert dispatch and combine: part of the scale-up bandwidth"
    DispatchLoss "dispatch_loss" 0.0 2.0 "Expert dispatch and combine of prompts: part of the shorter of network and scale-up that does not hide"
    DispatchLatency "dispatch_latency_us" 0.0 10000.0 "Expert dispatch and combine of prompts: start, in us"
    DispatchSms "dispatch_sms" 0.0 1.0 "Part of the multiprocessors that communicate while two batches overlap in prefill"
    OverlappedSpeed "overlapped_speed" 0.05 1.0 "Speed of communication beside computation over its speed alone, in prefill"
    LowLatencyDispatch "low_latency_dispatch" 0.001 2.0 "Low-latency dispatch: part of the network interface's bandwidth"
    LowLatencyCombine "low_latency_combine" 0.001 2.0 "Low-latency combine: part of the network interface's bandwidth"
    LowLatencyDispatchStart "low_latency_dispatch_us" 0.0 1000.0 "Low-latency dispatch over 8 accelerators: start, in us"
    LowLatencyDispatchDoubling "low_latency_dispatch_doubling_us" 0.0 1000.0 "Low-latency dispatch: for each doubling of the accelerators, in us"
    LowLatencyCombineStart "low_latency_combine_us" 0.0 1000.0 "Low-latency combine over 8 accelerators: start, in us"
    LowLatencyCombineDoubling "low_latency_combine_doubling_us" 0.0 1000.0 "Low-latency combine: for each doubling of the accelerators, in us"
    LowLatencySm "low_latency_sm_us" 0.0 1000.0 "Low-latency dispatch or combine: time on the multiprocessors, in us"
    LowLatencySmToken "low_latency_sm_token_us" 0.0 100.0 "Low-latency dispatch or combine: time on the multiprocessors for each token, in us"
    ComputeFactor "compute_factor" 0.1 10.0 "All compute, in a running server over kernels alone"
    BandwidthFactor "bandwidth_factor" 0.1 10.0 "All memory bandwidth, in a running server over kernels alone"
    ScaleUpFactor "scale_up_factor" 0.1 10.0 "All-reduce bandwidth, in a running server over kernels alone"
    LaunchFactor "launch_factor" 0.1 10.0 "All starts of kernels, in a running server over kernels alone"
    HostDecode "host_decode_us" 0.0 1e6 "Host, outside the layers: for each step in which requests only decode, in us"
    HostPrefill "host_prefill_us" 0.0 1e6 "Host, outside the layers: for each step with prompts, in us"
    HostSequence "host_sequence_us" 0.0 1e5 "Host: for each request in a step, in us"
    HostJoin "host_join_us" 0.0 1e6 "Host: for each request that begins in a step, in us"
    HostKernel "host_kernel_us" 0.0 1000.0 "Host that works beside the step before: for each kernel of a step with prompts that replays no graph, in us"
    GraphTokens "graph_tokens" 0.0 1e6 "Tokens of a step up to which steps with prompts replay graphs; beyond, kernels are started one by one"
    SamplingWord "sampling_word_ns" 0.0 100.0 "Sampling by top-p or top-k: for each request and word of the vocabulary, in ns"
    FrontEnd "front_end_us" 0.0 1e6 "Front end, in no step: for each request from the client to the queue and back, in us"
    MemoryFraction "memory_fraction" 0.0 1.0 "Part of the memory that the engine may fill; 0: what SGLang's own rule chooses"
    MemoryFractionOfRest "memory_fraction_of_rest" 0.0 1.0 "1: that part is of what weights, runtime and activations leave; 0: of all memory"
    MemoryFractionStatic "memory_fraction_static" 0.0 1.0 "1: that part is for weights and KV, of what the runtime leaves, and the rest for activations and graphs; 0: they are taken off it"
    MemoryRuntime "memory_runtime_gb" 0.0 1000.0 "Memory of the runtime and its buffers, in 10^9 bytes"
    MemoryCollectives "memory_collectives_gb" 0.0 1000.0 "Memory of collectives where accelerators work together, on each of them, in 10^9 bytes"
    MemoryGraphs "memory_graphs_gb" 0.0 1000.0 "Memory of CUDA graphs that is set apart before KV, in 10^9 bytes"
    MemorySampler "memory_sampler_bytes" 0.0 1000.0 "Sampling: memory for each request and word of the vocabulary, in bytes"
    MemorySampled "memory_sampled_requests" 0.0 100000.0 "Requests for which sampling is profiled (vLLM: max_num_seqs); 0: vLLM's default, 1,024 where an accelerator has 70 GiB, else 256"
}

impl Constant {
    /// The constant's name, bounds and meaning.
    pub fn info(self) -> &'static ConstantInfo {
        &CONSTANTS[self as usize].1
    }

    /// The constant of this name in files; `None`: there is none.
    pub fn named(key: &str) -> Option<Self> {
        let found = CONSTANTS.iter().find(|(_, info)| info.key == key)?;
        Some(found.0)
    }
}
