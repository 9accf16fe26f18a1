#!/usr/bin/env bash
# All backend tests of ONNX through our kernels: fetches the wheel that is pinned in
# kernels-tests/kernels/onnx/requirements.txt (19 MB, Apache-2.0) unless it is there, and runs them.
#
#   scripts/onnx-cases.sh                      on all adapters, NF_ADAPTER=0 on the first
#   NF_ONNX_WRITE=1 scripts/onnx-cases.sh      and writes cases.txt and small.zip anew
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/common.sh
. scripts/common.sh

need_cargo
folder=${CARGO_TARGET_DIR:-$PWD/target}/onnx
python=$(command -v python3 || command -v python) ||
    die "no Python to fetch the wheel with" "Debian/Ubuntu: apt-get install python3-pip"
# The cases are the same in the wheels of all platforms: one file, one hash.
ls "$folder"/onnx-*.whl >/dev/null 2>&1 ||
    "$python" -m pip download -q --disable-pip-version-check --dest "$folder" \
        --no-deps --require-hashes --only-binary=:all: --platform manylinux_2_27_x86_64 \
        --python-version 3.11 --implementation cp --abi cp311 \
        -r kernels-tests/kernels/onnx/requirements.txt
NF_ONNX_WHEEL=$(ls "$folder"/onnx-*.whl)
export NF_ONNX_WHEEL
exec ./test.sh --all --test kernels onnx "$@" -- --nocapture
