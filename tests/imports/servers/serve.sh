#!/bin/bash
# Two accelerators are enough for this one.
set -e
mkdir -p logs
export HF_HOME=/models
VLLM_LOGGING_LEVEL=DEBUG vllm serve "google/gemma-3-27b-it" \
  --tensor-parallel-size=2 \
  --max_model_len 32k --max-num-seqs 96 \
  --limit-mm-per-prompt '{"image": 0}' \
  --compilation_config.pass_config.fuse_allreduce_rms true --speculative-config.num_speculative_tokens 2 \
  --no-enable-chunked-prefill --swap-space 8 \
  --served-model-name gemma chat > logs/server.log 2>&1 &
