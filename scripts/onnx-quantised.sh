#!/usr/bin/env bash
# Quantised classifiers as ONNX files that go the whole way: quantize_static, import, predictions and faulty words beside
# references, a generator for one chip, onnxruntime. Writes docs/results/onnx-quantised.md.
#
#   scripts/onnx-quantised.sh                      all of them: an hour on two cores
#   scripts/onnx-quantised.sh vgg11                this one, without the table (ccexam-mnist, vgg11, mobilenet-v2)
#   NF_PYTHON=venv/bin/python ...                  a Python that has torch, torchvision, onnx, onnxruntime, pillow
#   NF_JOURNEYS=FOLDER ...                         keeps the files there (default: target/onnx-quantised); what is
#                                                  there already is not made again
#   NF_DATA=FOLDER ...                             where MNIST and CIFAR-10 are (default: datasets/cache)
#   NF_BINARY=FILE ...                             this program, without building
#   NF_MESA=FOLDER ...                             runs it with the driver of scripts/newer-llvmpipe.sh FOLDER
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/common.sh
. scripts/common.sh

journey onnx-quantised pillow safetensors
phase "networks"
names=(ccexam-mnist vgg11 mobilenet-v2)
if [ $# -gt 0 ]; then names=("$@"); fi
"$python" scripts/onnx_quantised.py networks "$folder" "$data" "${names[@]}"
for name in "${names[@]}"; do
    phase "$name"
    "$python" scripts/onnx_quantised.py go "$folder" "$data" "$name" -- "${program[@]}"
done
if [ $# = 0 ]; then "$python" scripts/onnx_quantised.py table "$folder" docs/results/onnx-quantised.md; fi
phase ""
