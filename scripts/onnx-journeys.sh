#!/usr/bin/env bash
# Three classifiers as ONNX files that go the whole way: import, train for one faulty chip, eval, report, export, and
# onnxruntime beside eval. Writes docs/results/onnx-journeys.md.
#
#   scripts/onnx-journeys.sh                       all of them: an hour on two cores
#   scripts/onnx-journeys.sh digits                this one, without the table (ccexam-mnist, digits, mobilenet)
#   NF_PYTHON=venv/bin/python ...                  a Python that has torch, torchvision, onnx, onnxruntime, pillow
#   NF_JOURNEYS=FOLDER ...                         keeps the files there (default: target/onnx-journeys); what is
#                                                  there already is not made again
#   NF_DATA=FOLDER ...                             where MNIST and CIFAR-10 are (default: datasets/cache)
#   NF_BINARY=FILE ...                             this program, without building
#   NF_MESA=FOLDER ...                             runs it with the driver of scripts/newer-llvmpipe.sh FOLDER
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/common.sh
. scripts/common.sh

journey onnx-journeys pillow
phase "networks"
names=(ccexam-mnist digits mobilenet)
if [ $# -gt 0 ]; then names=("$@"); fi
"$python" scripts/onnx_journeys.py networks "$folder" "$data" "${names[@]}"
for name in "${names[@]}"; do
    phase "$name"
    "$python" scripts/onnx_journeys.py go "$folder" "$data" "$name" -- "${program[@]}"
done
if [ $# = 0 ]; then "$python" scripts/onnx_journeys.py table "$folder" docs/results/onnx-journeys.md; fi
phase ""
