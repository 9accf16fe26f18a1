#!/usr/bin/env bash
# All tests: makes sure of a driver, then `cargo test --release`. Arguments go to cargo test:
#   ./test.sh --lib fault          ./test.sh --test kernels conv2d
# The tests need an adapter (a software one will do) and fail where there is none. With CI=true
# llvmpipe, OpenGL and SwiftShader are installed too, so that every kernel runs on three adapters.
set -euo pipefail
cd "$(dirname "$0")"
. scripts/common.sh

need_cargo
if [ "${CI-}" = true ]; then settings=$(scripts/driver.sh --all); else settings=$(scripts/driver.sh); fi
eval "$settings"
# Tests that want measured kernels measure them.
export NF_GPU_NO_TUNE=1
cargo test --release "$@"
