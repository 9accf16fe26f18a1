#!/usr/bin/env bash
# Tests that run in minutes: makes sure of a driver, then `cargo test --release`. They prove every kernel and
# variant on the adapters of this machine, and every command once. Arguments go to cargo test:
#   ./test.sh --lib fault          ./test.sh --test kernels conv2d
# The tests need an adapter (a software one will do) and fail where there is none.
#
#   ./test.sh --all [ARGS]   what CI runs: also the tests that are marked as slow, everything on every adapter,
#                            and llvmpipe, OpenGL and SwiftShader are installed where they can be
#   ./test.sh --no-install   says what is missing instead of installing it
set -euo pipefail
cd "$(dirname "$0")"
. scripts/common.sh

all=false
while :; do
    case ${1-} in
        --all) all=true ;;
        --no-install) export NF_NO_INSTALL=1 ;;
        *) break ;;
    esac
    shift
done

need_cargo
if $all; then
    settings=$(scripts/driver.sh --all)
    export NF_GPU_ALL=1 # the sizes: kernels-tests/extent.rs
    case " $* " in *" -- "*) ;; *) set -- "$@" -- ;; esac
    set -- "$@" --include-ignored
else
    settings=$(scripts/driver.sh)
fi
eval "$settings"
# No kernels are measured beforehand: the tests that need measured kernels measure them.
export NF_GPU_NO_TUNE=1
# All processes of the tests share a cache of the shaders that Mesa has compiled.
export MESA_SHADER_CACHE_DIR=${MESA_SHADER_CACHE_DIR:-${CARGO_TARGET_DIR:-$PWD/target}/tmp/mesa}
mkdir -p "$MESA_SHADER_CACHE_DIR"
cargo test --release "$@"
