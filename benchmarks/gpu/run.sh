#!/bin/sh
# Everything that is measured of local models, on a GPU. Results stay on the machine that ran it, under OUT.
#   benchmarks/gpu/run.sh [MODEL] [OUT]
set -eu
model=${1:-Qwen/Qwen3-4B-Instruct-2507}
out=${2:-benchmarks/results/gpu}
cd "$(dirname "$0")/../.."
python -c 'import torch, sys; sys.exit(None if torch.cuda.is_available() else "torch finds no GPU")'
mkdir -p "$out"

# The small model with random weights: float32 must give the answers of `generate`, bfloat16 shows how many part.
python benchmarks/local_generation.py --device cuda --dtype float32 --result "$out/local_generation_float32.md"
python benchmarks/local_generation.py --device cuda --dtype bfloat16 --result "$out/local_generation_bfloat16.md"

# A real model, in the type that an adapter chooses for a GPU.
folder=$(python -c 'import sys; from huggingface_hub import snapshot_download; print(snapshot_download(sys.argv[1]))' "$model")
python benchmarks/local_generation.py --device cuda --model "$folder" --shots 8 --result "$out/local_generation_real.md"

# What LoRA makes of it: trained, saved, read again, judged beside the untrained model and the majority answer.
python benchmarks/lora_small_model.py "$folder" --device cuda --about "$model" --cases 517 --result "$out/lora.md"

# The driver's tests with their models on the GPU.
HOLDFAST_TEST_DEVICE=cuda python -m pytest -q tests/drivers/test_transformers_local.py tests/drivers/test_local_proofs.py \
  tests/drivers/test_label_probabilities.py
