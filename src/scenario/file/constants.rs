//! The shape of `[performance.constants]`: every constant of an engine, with the catalog's bounds.

use super::super::shape::{Shape, number, optional};

/// All of them may be given; a test holds them against the catalog.
pub static CONSTANTS: Shape = Shape {
    name: "engine_constants",
    doc: "Constants of an engine",
    ordered: false,
    fields: &[
        optional(
            "gemm_bf16_compute",
            number(0.01, 2.0),
            "Dense GEMM in BF16: part of the peak",
        ),
        optional(
            "gemm_bf16_bandwidth",
            number(0.01, 2.0),
            "Dense GEMM in BF16: part of the memory's bandwidth",
        ),
        optional(
            "gemm_bf16_loss",
            number(0.0, 2.0),
            "Dense GEMM in BF16: part of the shorter of compute and memory that does not hide",
        ),
        optional(
            "gemm_bf16_launch_us",
            number(0.0, 1000.0),
            "Dense GEMM in BF16: start, in us",
        ),
        optional(
            "gemm_fp8_compute",
            number(0.01, 2.0),
            "Dense GEMM in FP8: part of the peak",
        ),
        optional(
            "gemm_fp8_bandwidth",
            number(0.01, 2.0),
            "Dense GEMM in FP8: part of the memory's bandwidth",
        ),
        optional(
            "gemm_fp8_loss",
            number(0.0, 2.0),
            "Dense GEMM in FP8: part of the shorter of compute and memory that does not hide",
        ),
        optional(
            "gemm_fp8_launch_us",
            number(0.0, 1000.0),
            "Dense GEMM in FP8: start, in us",
        ),
        optional(
            "gemm_fp8_block_compute",
            number(0.01, 2.0),
            "Dense GEMM in FP8 with a scale for each block: part of the peak",
        ),
        optional(
            "gemm_fp8_block_bandwidth",
            number(0.01, 2.0),
            "Dense GEMM in FP8 with a scale for each block: part of the memory's bandwidth",
        ),
        optional(
            "gemm_fp8_block_loss",
            number(0.0, 2.0),
            "Dense GEMM in FP8 with a scale for each block: what does not hide",
        ),
        optional(
            "gemm_fp8_block_launch_us",
            number(0.0, 1000.0),
            "Dense GEMM in FP8 with a scale for each block: start, in us",
        ),
        optional(
            "gemm_factor",
            number(0.1, 10.0),
            "Dense GEMM: time in a running server over time alone",
        ),
        optional(
            "experts_bf16_compute",
            number(0.01, 2.0),
            "Grouped GEMM of experts in BF16: part of the peak",
        ),
        optional(
            "experts_bf16_bandwidth",
            number(0.01, 2.0),
            "Grouped GEMM of experts in BF16: part of the memory's bandwidth",
        ),
        optional(
            "experts_bf16_loss",
            number(0.0, 2.0),
            "Grouped GEMM of experts in BF16: what does not hide",
        ),
        optional(
            "experts_bf16_launch_us",
            number(0.0, 1000.0),
            "All grouped GEMMs of a layer in BF16: start, in us",
        ),
        optional(
            "experts_fp8_compute",
            number(0.01, 2.0),
            "Grouped GEMM of experts in FP8: part of the peak",
        ),
        optional(
            "experts_fp8_bandwidth",
            number(0.01, 2.0),
            "Grouped GEMM of experts in FP8: part of the memory's bandwidth",
        ),
        optional(
            "experts_fp8_loss",
            number(0.0, 2.0),
            "Grouped GEMM of experts in FP8: what does not hide",
        ),
        optional(
            "experts_fp8_launch_us",
            number(0.0, 1000.0),
            "All grouped GEMMs of a layer in FP8: start, in us",
        ),
        optional(
            "experts_fp8_block_compute",
            number(0.01, 2.0),
            "Grouped GEMM of experts in FP8 with block scales: part of the peak",
        ),
        optional(
            "experts_fp8_block_bandwidth",
            number(0.01, 2.0),
            "Grouped GEMM of experts in FP8 with block scales: part of the memory's bandwidth",
        ),
        optional(
            "experts_fp8_block_loss",
            number(0.0, 2.0),
            "Grouped GEMM of experts in FP8 with block scales: what does not hide",
        ),
        optional(
            "experts_fp8_block_launch_us",
            number(0.0, 1000.0),
            "All grouped GEMMs of a layer in FP8 with block scales: start, in us",
        ),
        optional(
            "experts_fp4_compute",
            number(0.01, 2.0),
            "Grouped GEMM of experts with 4-bit weights: part of the peak of what it multiplies in",
        ),
        optional(
            "experts_fp4_bandwidth",
            number(0.01, 2.0),
            "Grouped GEMM of experts with 4-bit weights: part of the memory's bandwidth",
        ),
        optional(
            "experts_fp4_loss",
            number(0.0, 2.0),
            "Grouped GEMM of experts with 4-bit weights: what does not hide",
        ),
        optional(
            "experts_fp4_launch_us",
            number(0.0, 1000.0),
            "All grouped GEMMs of a layer with 4-bit weights: start, in us",
        ),
        optional(
            "experts_touched",
            number(0.1, 2.0),
            "Tokens that choose independently, as a part of all: fewer touch fewer experts",
        ),
        optional(
            "experts_factor",
            number(0.1, 10.0),
            "Grouped GEMM: time in a running server over time alone",
        ),
        optional(
            "experts_prefill_launch_us",
            number(0.0, 5000.0),
            "Added to a layer's experts in a step with prompts, in us: kernels started one by one",
        ),
        optional(
            "prefill_attention_compute",
            number(0.01, 2.0),
            "Attention over prompts, heads of 128 or more: part of the BF16 peak",
        ),
        optional(
            "prefill_attention_compute_64",
            number(0.01, 2.0),
            "Attention over prompts, heads of 64: part of the BF16 peak",
        ),
        optional(
            "prefill_attention_tile_tokens",
            number(0.0, 4096.0),
            "Attention over prompts: (query, key) pairs wasted for each query, by tiles on the diagonal",
        ),
        optional(
            "prefill_attention_launch_us",
            number(0.0, 1000.0),
            "Attention over prompts: start, in us a layer",
        ),
        optional(
            "decode_attention_compute",
            number(0.01, 2.0),
            "Attention of decode where compute binds (latent attention): part of the BF16 peak",
        ),
        optional(
            "decode_attention_bandwidth",
            number(0.01, 2.0),
            "Attention of decode over KV in BF16: part of the memory's bandwidth",
        ),
        optional(
            "decode_attention_bandwidth_fp8",
            number(0.01, 2.0),
            "Attention of decode over KV in FP8: part of the memory's bandwidth",
        ),
        optional(
            "decode_attention_launch_us",
            number(0.0, 1000.0),
            "Attention of decode: start, in us a layer",
        ),
        optional(
            "decode_attention_request_us",
            number(0.0, 100.0),
            "Attention of decode: for each request, in us a layer",
        ),
        optional(
            "decode_attention_head_us",
            number(0.0, 10.0),
            "Attention of decode: for each request and KV head, in us a layer",
        ),
        optional(
            "elementwise_bandwidth",
            number(0.01, 2.0),
            "Norms, activations, quantisation: part of the memory's bandwidth",
        ),
        optional(
            "elementwise_launch_us",
            number(0.0, 1000.0),
            "Norms, activations, quantisation: start, in us a kernel",
        ),
        optional(
            "all_reduce_latency_us",
            number(0.0, 1000.0),
            "All-reduce by the engine's own kernels: start, in us",
        ),
        optional(
            "all_reduce_latency_per_gpu_us",
            number(0.0, 1000.0),
            "All-reduce by the engine's own kernels: for each accelerator, in us",
        ),
        optional(
            "all_reduce_efficiency",
            number(0.001, 2.0),
            "All-reduce by the engine's own kernels: part of the scale-up bandwidth",
        ),
        optional(
            "ring_latency_per_gpu_us",
            number(0.0, 1000.0),
            "All-reduce by rings, for large messages: for each accelerator, in us",
        ),
        optional(
            "ring_efficiency",
            number(0.001, 2.0),
            "All-reduce by rings: part of the scale-up bandwidth",
        ),
        optional(
            "dispatch_scale_up",
            number(0.001, 2.0),
            "Expert dispatch and combine: part of the scale-up bandwidth",
        ),
        optional(
            "dispatch_loss",
            number(0.0, 2.0),
            "Expert dispatch and combine of prompts: part of the shorter of network and scale-up that does not hide",
        ),
        optional(
            "dispatch_latency_us",
            number(0.0, 10000.0),
            "Expert dispatch and combine of prompts: start, in us",
        ),
        optional(
            "dispatch_sms",
            number(0.0, 1.0),
            "Part of the multiprocessors that communicate while two batches overlap in prefill",
        ),
        optional(
            "overlapped_speed",
            number(0.05, 1.0),
            "Speed of communication beside computation over its speed alone, in prefill",
        ),
        optional(
            "low_latency_dispatch",
            number(0.001, 2.0),
            "Low-latency dispatch: part of the network interface's bandwidth",
        ),
        optional(
            "low_latency_combine",
            number(0.001, 2.0),
            "Low-latency combine: part of the network interface's bandwidth",
        ),
        optional(
            "low_latency_dispatch_us",
            number(0.0, 1000.0),
            "Low-latency dispatch over 8 accelerators: start, in us",
        ),
        optional(
            "low_latency_dispatch_doubling_us",
            number(0.0, 1000.0),
            "Low-latency dispatch: for each doubling of the accelerators, in us",
        ),
        optional(
            "low_latency_combine_us",
            number(0.0, 1000.0),
            "Low-latency combine over 8 accelerators: start, in us",
        ),
        optional(
            "low_latency_combine_doubling_us",
            number(0.0, 1000.0),
            "Low-latency combine: for each doubling of the accelerators, in us",
        ),
        optional(
            "low_latency_sm_us",
            number(0.0, 1000.0),
            "Low-latency dispatch or combine: time on the multiprocessors, in us",
        ),
        optional(
            "low_latency_sm_token_us",
            number(0.0, 100.0),
            "Low-latency dispatch or combine: time on the multiprocessors for each token, in us",
        ),
        optional(
            "compute_factor",
            number(0.1, 10.0),
            "All compute, in a running server over kernels alone",
        ),
        optional(
            "bandwidth_factor",
            number(0.1, 10.0),
            "All memory bandwidth, in a running server over kernels alone",
        ),
        optional(
            "scale_up_factor",
            number(0.1, 10.0),
            "All-reduce bandwidth, in a running server over kernels alone",
        ),
        optional(
            "launch_factor",
            number(0.1, 10.0),
            "All starts of kernels, in a running server over kernels alone",
        ),
        optional(
            "host_decode_us",
            number(0.0, 1e6),
            "Host, outside the layers: for each step in which requests only decode, in us",
        ),
        optional(
            "host_prefill_us",
            number(0.0, 1e6),
            "Host, outside the layers: for each step with prompts, in us",
        ),
        optional(
            "host_sequence_us",
            number(0.0, 1e5),
            "Host: for each request in a step, in us",
        ),
        optional(
            "host_join_us",
            number(0.0, 1e6),
            "Host: for each request that begins in a step, in us",
        ),
        optional(
            "host_beside",
            number(0.0, 1.0),
            "1: the host prepares a step while the one before runs; 0: between them",
        ),
        optional(
            "memory_fraction",
            number(0.05, 1.0),
            "Part of the memory that the engine may fill",
        ),
        optional(
            "memory_fraction_of_rest",
            number(0.0, 1.0),
            "1: that part is of what weights, runtime and activations leave; 0: of all memory",
        ),
        optional(
            "memory_runtime_gb",
            number(0.0, 1000.0),
            "Memory of the runtime, buffers and graphs, in 10^9 bytes",
        ),
    ],
};

#[cfg(test)]
mod tests {
    use super::super::super::shape::Kind;
    use super::*;
    use crate::catalog;

    #[test]
    fn they_are_the_catalogs() {
        assert_eq!(CONSTANTS.fields.len(), catalog::CONSTANTS.len());
        for (field, (_, info)) in CONSTANTS.fields.iter().zip(catalog::CONSTANTS) {
            assert_eq!((field.key, field.doc), (info.key, info.doc));
            let Kind::Number(range) = field.kind else {
                panic!("{} is a number", field.key)
            };
            assert_eq!((range.low, range.high), (info.low, info.high));
        }
    }
}
